"""What an allocator did, as values: contract events."""

import ipaddress
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import attrs

from vpcipam._arguments import integer_field, require_type
from vpcipam._units import NS_PER_S
from vpcipam.errors import InvalidAddress

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_ADDRESS_FORMS = "a number, a text such as '10.0.0.5' or '10.0.0.5/32', an ipaddress object, or an object with an attribute address"


def address_of(value: object, version: int | None = None) -> IpAddress:
    """Read an address: a number, a text such as `10.0.0.5` or `10.0.0.5/32`, an `ipaddress` object, or an object with an `address`.

    Args:
        value: the address.
        version: the IP version of a number; None if its size decides.

    Raises:
        InvalidAddress: the value is no address, or a network of several.
    """
    if type(value) is ipaddress.IPv4Address or type(value) is ipaddress.IPv6Address:
        return value  # a log has many, so this is fast
    found = value if isinstance(value, IpNetwork) else getattr(value, "address", value)
    if isinstance(found, ipaddress.IPv4Interface | ipaddress.IPv6Interface):
        return found.ip
    try:
        if isinstance(found, int) and not isinstance(found, bool):
            return ipaddress.IPv6Address(found) if version == 6 else ipaddress.ip_address(found)
        if isinstance(found, str | IpAddress | IpNetwork):
            return ipaddress.ip_address(str(found).removesuffix("/32").removesuffix("/128"))
    except ValueError:
        pass
    raise InvalidAddress(f"{value!r} is not an address: it must be {_ADDRESS_FORMS}")


def _keys(keys: Iterable[Hashable]) -> tuple[Hashable, ...]:
    if isinstance(keys, str):
        raise TypeError(f"name sandboxes in a tuple, as in ({keys!r},), not as the text {keys!r}")
    return tuple(keys)


def time_text(now_ns: int) -> str:
    """Write a time in seconds."""
    seconds, rest = divmod(now_ns, NS_PER_S)
    return f"{seconds}.{rest:09d}".rstrip("0") + " s" if rest else f"{seconds} s"


@attrs.frozen
class ContractEvent:
    """Something that an allocator acknowledged.

    Attributes:
        now_ns: when, in nanoseconds.
    """

    now_ns: int = attrs.field(validator=integer_field(0))


@attrs.frozen
class AssignReturned(ContractEvent):
    """A sandbox got an address, or its own address again."""

    key: Hashable
    address: IpAddress = attrs.field(converter=address_of)

    def __str__(self) -> str:
        return f"{self.key} got {self.address}"


@attrs.frozen
class AssignDenied(ContractEvent):
    """The allocator said that no address is free."""

    key: Hashable

    def __str__(self) -> str:
        return f"{self.key} got no address"


@attrs.frozen
class UnassignReturned(ContractEvent):
    """A sandbox gave its address back. Without an address to give back, this changes nothing.

    Attributes:
        address: the address that the allocator took back; None if it does not say. It is checked.
    """

    key: Hashable
    address: IpAddress | None = attrs.field(default=None, converter=attrs.converters.optional(address_of))

    def __str__(self) -> str:
        return f"{self.key} gave its address back"


@attrs.frozen
class EniAttached(ContractEvent):
    """The node has another ENI."""

    eni_id: str
    network_card: int = 0

    def __str__(self) -> str:
        return f"{self.eni_id} attached"


@attrs.frozen
class EniDetached(ContractEvent):
    """The node has an ENI no longer, nor the ranges on it."""

    eni_id: str

    def __str__(self) -> str:
        return f"{self.eni_id} detached"


@attrs.frozen
class RangeAdded(ContractEvent):
    """The allocator has another range: a prefix, or a single address as a /32. It takes one slot of its ENI."""

    eni_id: str
    cidr: IpNetwork = attrs.field(converter=ipaddress.ip_network)

    def __str__(self) -> str:
        return f"{self.cidr} added on {self.eni_id}"


@attrs.frozen
class RangeRemoved(ContractEvent):
    """The allocator has a range no longer. Sandboxes in it hold nothing from now on."""

    cidr: IpNetwork = attrs.field(converter=ipaddress.ip_network)

    def __str__(self) -> str:
        return f"{self.cidr} removed"


@attrs.frozen
class Crashed(ContractEvent):
    """The process died. Report the ENIs and ranges that it still has again, before `Restarted`.

    Attributes:
        in_flight: the sandboxes whose assign or unassign had not returned; both outcomes are right.
    """

    in_flight: tuple[Hashable, ...] = attrs.field(default=(), converter=_keys)

    def __str__(self) -> str:
        return "the process crashed"


def _addresses(held: Mapping[Any, object]) -> dict[Hashable, IpAddress]:
    require_type("held", held, Mapping, "pass the address of each sandbox that holds one, such as {'web': '10.0.0.5'}")
    return {key: address_of(address) for key, address in held.items()}


@attrs.frozen
class Restarted(ContractEvent):
    """The process works again.

    Attributes:
        held: which sandboxes hold which addresses, as the process reports them.
        released: sandboxes that were gone, so that the process gave their addresses back now.
    """

    held: Mapping[Hashable, IpAddress] = attrs.field(converter=_addresses)
    released: tuple[Hashable, ...] = attrs.field(default=(), converter=_keys)

    def __str__(self) -> str:
        return "restarted with " + (", ".join(f"{key}: {address}" for key, address in self.held.items()) or "no sandboxes")


# --- what an observer learns ---------------------------------------------------------------------------------------------


@attrs.frozen
class UnassignUndone(ContractEvent):
    """The allocator took an unassign back, because it could not record it. The sandbox holds its address as before, without a cooldown."""

    key: Hashable
    address: IpAddress = attrs.field(converter=address_of)

    def __str__(self) -> str:
        return f"{self.key} keeps {self.address}"


@attrs.frozen
class UnassignRefused(ContractEvent):
    """The allocator said that a sandbox which is deleted holds nothing."""

    key: Hashable

    def __str__(self) -> str:
        return f"{self.key} is unknown to the allocator"


@attrs.frozen
class PrimaryAddressReported(ContractEvent):
    """An ENI has this primary address, which no sandbox may get."""

    eni_id: str
    address: IpAddress = attrs.field(converter=address_of)

    def __str__(self) -> str:
        return f"{self.address} is the primary address of {self.eni_id}"


@attrs.frozen
class CountsReported(ContractEvent):
    """The allocator reported how many addresses it has.

    Attributes:
        assigned_count: how many are assigned.
        total_count: how many there are; None if it does not say.
        cooling_count: how many cool.
        is_exact: no assign or unassign was under way, so that the count must agree with those that were reported.
    """

    assigned_count: int = attrs.field(validator=integer_field(0))
    total_count: int | None = attrs.field(default=None, validator=attrs.validators.optional(integer_field(0)))
    cooling_count: int = attrs.field(default=0, validator=integer_field(0))
    is_exact: bool = True

    def __str__(self) -> str:
        of = "" if self.total_count is None else f" of {self.total_count}"
        return f"{self.assigned_count}{of} addresses assigned" + (f", {self.cooling_count} cooling" if self.cooling_count else "")


@attrs.frozen
class Gap(ContractEvent):
    """Events are missing here. What the allocator has is unknown until a `Crashed` and `Restarted`, except for what events tell."""

    def __str__(self) -> str:
        return "events are missing"


EVENT_CLASSES: tuple[type[ContractEvent], ...] = (
    AssignReturned,
    AssignDenied,
    UnassignReturned,
    UnassignUndone,
    UnassignRefused,
    EniAttached,
    EniDetached,
    PrimaryAddressReported,
    RangeAdded,
    RangeRemoved,
    Crashed,
    Restarted,
    Gap,
    CountsReported,
)
"""The classes of all events."""
