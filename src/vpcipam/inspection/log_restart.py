"""A start of ipamd, while its log is read."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vpcipam.contracts import IpAddress


class StartUnderWay:
    """A start that is under way: what is restored, and what is given up."""

    def __init__(self, source: str, line: int, version: str, in_flight: frozenset[str]) -> None:
        self.in_flight = in_flight
        self.source = source
        self.line = line
        self.version = version
        self.restored: dict[str, IpAddress] = {}
        self.dropped: set[str] = set()
        self.has_checkpoint = False
        self.lacks_checkpoint = False


def stable_part(key: str) -> str:
    """Return the part of a key that stays the same in a restart: the container, before 1.7.0 the pod."""
    parts = key.split("/", 2)
    return parts[1] if len(parts) == 3 else key
