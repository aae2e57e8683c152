"""The promises of an allocator, checked over what it did.

A `ContractChecker` reads a stream of contract events and reports the first broken promise, with the events that led to it. It shares no
code with the pools and datastores of vpcipam, so that it can judge them as well as other allocators.

>>> events = [
...     AssignReturned(0, "web", "10.0.0.5"),
...     UnassignReturned(1_000_000_000, "web"),
...     AssignReturned(2_000_000_000, "db", "10.0.0.5"),
... ]
>>> print(first_violation(events, cooldown_ns=30_000_000_000))
cooldown: db got 10.0.0.5 at 2 s, but it cools until 31 s
    at 0 s: web got 10.0.0.5
    at 1 s: web gave its address back
    at 2 s: db got 10.0.0.5
"""

import enum
import ipaddress
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import attrs

from vpcipam import events as datastore_events
from vpcipam._arguments import integer_field, require_integer, require_type
from vpcipam._units import NS_PER_S
from vpcipam.errors import InvalidAddress, InvalidArgument
from vpcipam.limits import InstanceLimits

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


def _time(now_ns: int) -> str:
    seconds, rest = divmod(now_ns, NS_PER_S)
    return f"{seconds}.{rest:09d}".rstrip("0") + " s" if rest else f"{seconds} s"


# --- events --------------------------------------------------------------------------------------------------------------


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
    """A sandbox gave its address back. Without an address to give back, this changes nothing."""

    key: Hashable

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


# --- promises ------------------------------------------------------------------------------------------------------------


class Promise(enum.StrEnum):
    """What an allocator promises."""

    ONE_HOLDER = "one holder"
    """No address is held by two sandboxes."""
    COOLDOWN = "cooldown"
    """No address is assigned again before its cooldown is over, restart or not."""
    LIMITS = "limits"
    """No node has more ENIs, slots or prefixes than its instance type allows."""
    DURABILITY = "durability"
    """Nothing acknowledged is lost: a sandbox keeps its address, in a crash too."""
    OWN_RANGE = "own range"
    """Every assigned address is in a range that the allocator has. Checked once a range was reported."""
    NO_LEAK = "no leak"
    """An address that was given back can be assigned again, at the latest one cooldown after its cooldown."""


@attrs.frozen
class Violation:
    """A broken promise.

    Attributes:
        promise: which one.
        message: what is wrong, in one line.
        events: the events about the address, sandbox or ENI, in their order; the last one breaks the promise.
    """

    promise: Promise
    message: str
    events: tuple[ContractEvent, ...]

    def __str__(self) -> str:
        """Return the message, and the events on a line each."""
        return "\n    ".join((f"{self.promise}: {self.message}", *(f"at {_time(event.now_ns)}: {event}" for event in self.events)))


class _BrokenError(Exception):
    """Ends the check of one event: promise, message, and the subjects of the events to show."""


@attrs.frozen
class EniLimits:
    """The most ENIs of each network card, and the most ranges of an ENI."""

    enis_per_card: tuple[int, ...]
    slots_per_eni: int

    @classmethod
    def of(cls, limits: InstanceLimits) -> "EniLimits":
        """Return what an instance type allows."""
        return cls(limits.network_cards, limits.slots_per_eni)


class ContractChecker:
    """Checks the promises, event by event.

    Only the first violation is reliable; it stays in `violation`, and later events are ignored. All events are kept, to explain it.

    Complexity: O(ranges) for an assign; O(addresses that were given back) for a denied one; O(sandboxes + ranges) for a removal or restart.
    """

    def __init__(self, *, cooldown_ns: int, limits: EniLimits | None = None, cooldown_outlives_range: bool = False) -> None:
        """Start with an allocator that has nothing.

        Args:
            cooldown_ns: how long an address must rest.
            limits: what the instance type allows; None if there are no ENIs to count.
            cooldown_outlives_range: whether an address that comes back with a new range still cools. A node promises this, a datastore
                does not.
        """
        require_integer("cooldown_ns", cooldown_ns, 0)
        if limits is not None:
            require_type("limits", limits, EniLimits, 'pass EniLimits.of(instance_limits("m5.large")), for example')
        self.cooldown_ns = cooldown_ns
        self.limits = limits
        self.cooldown_outlives_range = cooldown_outlives_range
        self.events: list[ContractEvent] = []
        self.violation: Violation | None = None
        self.held: dict[Hashable, IpAddress] = {}
        self.ranges: dict[IpNetwork, str] = {}
        self._holders: dict[IpAddress, Hashable] = {}  # the inverse of `held`
        self._cards: dict[str, int] = {}  # of each ENI
        self._free_at: dict[IpAddress, int] = {}  # of each address that was given back
        self._in_flight: dict[Hashable, int] = {}  # when the process crashed in the call of a sandbox
        self._is_down = False
        self._strays_free_at = 0  # when an address is free at the latest that an assign in flight took for nobody
        self._knows_ranges = False

    def observe(self, event: ContractEvent) -> Violation | None:
        """Take an event in, and return the first violation so far.

        Raises:
            InvalidArgument: the event is earlier than the one before.
        """
        require_type("event", event, ContractEvent, "pass AssignReturned, UnassignReturned and so on")
        if self.violation is None:
            if event.now_ns < self.now_ns:
                message = f"events must be in the order of their times: {event} at {_time(event.now_ns)} comes after {self.events[-1]}"
                raise InvalidArgument(f"{message} at {_time(self.now_ns)}")
            self.events.append(event)
            try:
                getattr(self, f"_{type(event).__name__}")(event)
            except _BrokenError as broken:
                promise, message, subjects = broken.args
                self.violation = Violation(promise, message, tuple(self._about(subjects)))
        return self.violation

    @property
    def now_ns(self) -> int:
        """The time of the last event."""
        return self.events[-1].now_ns if self.events else 0

    def _about(self, subjects: tuple[object, ...]) -> Iterable[ContractEvent]:
        """Select the events about some keys, addresses and ENIs, and all crashes. The last event is the one that broke the promise."""
        keys = {event.key for event in self.events if isinstance(event, AssignReturned) and event.address in subjects}
        keys |= {subject for subject in subjects if not isinstance(subject, IpAddress)}
        for event in self.events:
            match event:
                case AssignReturned(key=key, address=address):
                    wanted = key in subjects or address in subjects
                case UnassignReturned(key=key):
                    wanted = key in keys
                case RangeAdded(cidr=cidr) | RangeRemoved(cidr=cidr):
                    eni_id = event.eni_id if isinstance(event, RangeAdded) else None
                    wanted = eni_id in keys or any(isinstance(each, IpAddress) and each in cidr for each in subjects)
                case EniAttached(eni_id=eni_id) | EniDetached(eni_id=eni_id):
                    wanted = eni_id in keys
                case _:
                    wanted = isinstance(event, Crashed | Restarted)
            if wanted or event is self.events[-1]:
                yield event

    # --- sandboxes ---

    def _AssignReturned(self, event: AssignReturned) -> None:  # noqa: N802  # named after the event
        before = self.held.get(event.key)
        if before is not None and before != event.address:
            raise _BrokenError(Promise.DURABILITY, f"{event.key} holds {before}, and got {event.address} too", (event.key,))
        if before is None:
            self._hold(event.now_ns, event.key, event.address)

    def _hold(self, now_ns: int, key: Hashable, address: IpAddress) -> None:
        if address in self._holders:
            raise _BrokenError(Promise.ONE_HOLDER, f"{key} got {address}, but {self._holders[address]} holds it", (address,))
        free_at = self._free_at.get(address, now_ns)
        if now_ns < free_at:
            message = f"{key} got {address} at {_time(now_ns)}, but it cools until {_time(free_at)}"
            raise _BrokenError(Promise.COOLDOWN, message, (address,))
        if self._knows_ranges and not self._in_a_range(address):
            raise _BrokenError(Promise.OWN_RANGE, f"{key} got {address}, which is in no range of the allocator", (address,))
        self.held[key] = address
        self._holders[address] = key
        self._free_at.pop(address, None)

    def _in_a_range(self, address: IpAddress) -> bool:
        return any(address in cidr for cidr in self.ranges)

    def _AssignDenied(self, event: AssignDenied) -> None:  # noqa: N802
        if event.key in self.held or self._is_down:
            return  # an allocator may refuse to assign twice, and while it restarts
        for address, free_at in self._free_at.items():
            if max(free_at, self._strays_free_at) + self.cooldown_ns < event.now_ns and (
                not self._knows_ranges or self._in_a_range(address)
            ):
                message = f"{event.key} got no address, but {address} is free since {_time(free_at)}"
                raise _BrokenError(Promise.NO_LEAK, message, (address,))

    def _UnassignReturned(self, event: UnassignReturned) -> None:  # noqa: N802
        self._release(event.key, event.now_ns)

    def _release(self, key: Hashable, now_ns: int) -> None:
        address = self.held.pop(key, None)
        if address is not None:
            del self._holders[address]
            self._free_at[address] = now_ns + self.cooldown_ns

    # --- ENIs and ranges ---

    def _EniAttached(self, event: EniAttached) -> None:  # noqa: N802
        self._cards[event.eni_id] = event.network_card
        if self.limits is not None:
            count = [*self._cards.values()].count(event.network_card)
            cards = self.limits.enis_per_card
            allowed = cards[event.network_card] if event.network_card < len(cards) else 0
            if count > allowed:
                message = f"network card {event.network_card} has {count} ENIs, and the type allows {allowed}"
                raise _BrokenError(Promise.LIMITS, message, tuple(self._cards))

    def _EniDetached(self, event: EniDetached) -> None:  # noqa: N802
        self._cards.pop(event.eni_id, None)
        for cidr in [cidr for cidr, eni_id in self.ranges.items() if eni_id == event.eni_id]:
            self._remove(cidr, event.now_ns)

    def _RangeAdded(self, event: RangeAdded) -> None:  # noqa: N802
        self._knows_ranges = True
        for cidr, eni_id in self.ranges.items():
            if cidr.version == event.cidr.version and cidr.overlaps(event.cidr):
                message = f"{event.cidr} on {event.eni_id} overlaps {cidr} on {eni_id}"
                raise _BrokenError(Promise.ONE_HOLDER, message, (event.eni_id, eni_id))
        self.ranges[event.cidr] = event.eni_id
        if event.eni_id not in self._cards:
            self._EniAttached(EniAttached(event.now_ns, event.eni_id))
        count = [*self.ranges.values()].count(event.eni_id)
        if self.limits is not None and count > self.limits.slots_per_eni:
            message = f"{event.eni_id} has {count} ranges, and the type has {self.limits.slots_per_eni} slots per ENI"
            raise _BrokenError(Promise.LIMITS, message, (event.eni_id,))

    def _RangeRemoved(self, event: RangeRemoved) -> None:  # noqa: N802
        self._remove(event.cidr, event.now_ns)

    def _remove(self, cidr: IpNetwork, now_ns: int) -> None:
        self.ranges.pop(cidr, None)
        for key in [key for key, address in self.held.items() if address in cidr]:
            self._release(key, now_ns)
        if not self.cooldown_outlives_range:
            self._free_at = {address: free_at for address, free_at in self._free_at.items() if address not in cidr}

    # --- crashes ---

    def _Crashed(self, event: Crashed) -> None:  # noqa: N802
        self.ranges.clear()
        self._cards.clear()
        self._in_flight = dict.fromkeys(event.in_flight, event.now_ns) | self._in_flight  # the crash before was perhaps in a restart
        self._is_down = True

    def _Restarted(self, event: Restarted) -> None:  # noqa: N802
        if any(key not in self.held and key not in event.held for key in self._in_flight):
            self._strays_free_at = event.now_ns + self.cooldown_ns
        for key in event.released:
            self._release(key, event.now_ns)
        for key, address in [*self.held.items()]:
            if key in self._in_flight and key not in event.held:
                self._release(key, self._in_flight[key])
            elif event.held.get(key) != address:
                message = f"{key} held {address} before the crash, and holds {event.held.get(key, 'nothing')} now"
                raise _BrokenError(Promise.DURABILITY, message, (key, address))
        for key, address in event.held.items():
            if key not in self.held:
                if key not in self._in_flight:
                    message = f"{key} holds {address} after the restart, and held nothing before the crash"
                    raise _BrokenError(Promise.DURABILITY, message, (key, address))
                self._hold(event.now_ns, key, address)
        self._in_flight = {}
        self._is_down = False


def first_violation(
    events: Iterable[ContractEvent], *, cooldown_ns: int, limits: EniLimits | None = None, cooldown_outlives_range: bool = False
) -> Violation | None:
    """Check a whole stream; None if every promise is kept. The arguments are those of `ContractChecker`."""
    checker = ContractChecker(cooldown_ns=cooldown_ns, limits=limits, cooldown_outlives_range=cooldown_outlives_range)
    return next(filter(None, map(checker.observe, events)), None)


# --- the datastore's own events ------------------------------------------------------------------------------------------


def contract_events(event: datastore_events.DatastoreEvent, now_ns: int) -> tuple[ContractEvent, ...]:
    """Translate an event of a `Datastore` or `Node`. Keys are `(network_card, SandboxKey)`.

    Args:
        event: what `on_event` was called with.
        now_ns: the time of an event without one: `CidrAdded`.
    """
    match event:
        case datastore_events.AddressAssigned():
            return (AssignReturned(event.now_ns, (event.network_card, event.key), event.assignment),)
        case datastore_events.AddressUnassigned() | datastore_events.SandboxEvicted():
            return (UnassignReturned(event.now_ns, (event.network_card, event.key)),)
        case datastore_events.AssignRefused():
            return (AssignDenied(event.now_ns, (event.network_card, event.key)),)
        case datastore_events.EniAdded():
            return (EniAttached(event.now_ns, event.eni_id, event.network_card),)
        case datastore_events.EniRemoved():
            return (EniDetached(event.now_ns, event.eni_id),)
        case datastore_events.CidrAdded():
            return (RangeAdded(now_ns, event.eni_id, event.cidr),)
        case datastore_events.CidrRemoved():
            return (RangeRemoved(event.now_ns, event.cidr),)
    return ()  # quarantine: such an entry was acknowledged and is now withheld
