"""Sandboxes: who holds an address. The values that datastore, journal and inspection share."""

from typing import NamedTuple

import attrs

from vpcipam.errors import InvalidSandboxKey

# ipamd wrote these for sandboxes that it took over from the container runtime (CNI 1.6 and older): it did not know their network.
MIGRATED_NETWORK_NAME = "_migrated-from-cri"
MIGRATED_IF_NAME = "unknown"


class SandboxKey(NamedTuple):
    """One attachment of a pod sandbox: the primary key that the CNI specification asks plugins to store by.

    A tuple, unlike the library's other values, which are attrs classes: it is hashed and compared on every assign and unassign, and a
    tuple does both without running Python code.
    """

    network_name: str
    container_id: str
    if_name: str

    def migrated(self) -> "SandboxKey":
        """The key under which ipamd would have stored this sandbox when it took it over from the container runtime."""
        return SandboxKey(MIGRATED_NETWORK_NAME, self.container_id, MIGRATED_IF_NAME)

    def __str__(self) -> str:
        """Write it as ipamd's log does."""
        return "/".join(self)


def check_sandbox_key(key: SandboxKey) -> None:
    """Refuse a key that names no sandbox.

    ipamd accepts an empty key, counts its address as assigned, and gives it to the next pod too (reference, section 7, fault 11).

    Raises:
        InvalidSandboxKey: it has no container id.
        TypeError: it is not a `SandboxKey`.
    """
    if type(key) is not SandboxKey:
        raise TypeError(f"a sandbox is named by a SandboxKey(network_name, container_id, if_name), not by {type(key).__name__}")
    if not key.container_id:
        raise InvalidSandboxKey(f"{key!r} has no container id, so it names no sandbox")


@attrs.frozen
class PodRef:
    """A pod, as its sandbox's metadata names it."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Write it as kubectl does, `namespace/name`."""
        return f"{self.namespace}/{self.name}"
