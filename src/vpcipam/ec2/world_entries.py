"""The format of a world: its lists, their tables, and the values that these may have."""

import re
from typing import Any, Final

import attrs

from vpcipam.ec2.state.records import Tags, sorted_tags
from vpcipam.errors import InvalidArgument

FORMAT: Final = "vpcipam-ec2/1"
KINDS: Final = (
    *("vpcs", "security_groups", "subnets", "reservations", "instances", "network_interfaces", "trunk_associations", "elastic_ips"),
    "launch_templates",
)
"""The lists of a world."""
VPC_FLAGS: Final = {
    "is_default": False,
    "enable_dns_support": True,
    "enable_dns_hostnames": False,
    "enable_network_address_usage_metrics": False,
}
SUBNET_FLAGS: Final = ("default_for_az", "map_public_ip_on_launch", "assign_ipv6_address_on_creation")
ID = re.compile("[a-z-]+-([0-9a-f]{1,17})")
REQUIRED: Any = object()
"""No default: the value must be there."""
_KIND_NAMES = {str: "a text", int: "a whole number", bool: "true or false", list: "a list", dict: "a table"}


class WorldError(InvalidArgument):
    """A world can't be read: a key is unknown or has a wrong value, or the parts contradict each other or the rules of EC2."""


@attrs.define
class Entry:
    """A table of a world; `finish` refuses the keys that nobody has taken."""

    where: str
    _values: dict[str, Any]
    _taken: set[str] = attrs.field(factory=set)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def take(self, key: str, kind: type, default: Any = REQUIRED) -> Any:  # noqa: ANN401 - of that kind
        """Take a value; without a default it is required."""
        self._taken.add(key)
        value = self._values.get(key, default)
        if value is REQUIRED:
            raise WorldError(f"{self.where}: {key} is missing")
        if value is not default and kind is not object and (not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool)):
            raise WorldError(f"{self.where}: {key} must be {_KIND_NAMES[kind]}, not {value!r}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Take a list of texts, empty if it is missing."""
        values = self.take(key, list, [])
        if not all(isinstance(value, str) for value in values):
            raise WorldError(f"{self.where}: {key} must be a list of texts, not {values!r}")
        return tuple(values)

    def time_ns(self, key: str, default: int = 0) -> int:
        """Take a time in Unix nanoseconds, which must fit into 64 bits, so that it can be shown as a date."""
        value: int = self.take(key, int, default)
        if not -(1 << 63) <= value < 1 << 63:
            raise WorldError(f"{self.where}: {key} must be Unix nanoseconds from the years 1678 to 2261, not {value}")
        return value

    def tags(self) -> Tags:
        """Take the tags."""
        tags = self.take("tags", dict, {})
        if not all(isinstance(value, str) for value in (*tags, *tags.values())):
            raise WorldError(f"{self.where}: tags must be texts, not {tags!r}")
        return sorted_tags(tags.items())

    def identifier(self, kind: str, key: str = "id") -> str | None:
        """Take an id of a kind, if there is one."""
        value = self.take(key, str, None)
        if value is not None and not (ID.fullmatch(value) and value.rpartition("-")[0] == kind):
            raise WorldError(f"{self.where}: {key} must be {kind}- and up to 17 hexadecimal digits, not {value!r}")
        return value  # type: ignore[no-any-return] # a text, or None

    def table(self, key: str) -> "Entry | None":
        """Take a table, None if it is missing."""
        values = self.take(key, dict, None)
        return None if values is None else Entry(f"{self.where}.{key}", values)

    def finish(self) -> None:
        """Refuse the keys that nobody has taken."""
        unknown = [key for key in self._values if key not in self._taken]
        if unknown:
            raise WorldError(f"{self.where}: {unknown[0]} is no key here; the keys are {', '.join(sorted(self._taken))}")
