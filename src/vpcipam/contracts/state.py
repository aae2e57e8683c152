"""The rules: what an allocator has by its events, and which promises an event breaks."""

import enum
import ipaddress
from collections.abc import Callable, Hashable, Mapping
from typing import ClassVar

import attrs

from vpcipam._arguments import require_integer, require_type
from vpcipam.contracts.events import (
    AssignDenied,
    AssignReturned,
    ContractEvent,
    CountsReported,
    Crashed,
    EniAttached,
    EniDetached,
    Gap,
    IpAddress,
    IpNetwork,
    PrimaryAddressReported,
    RangeAdded,
    RangeRemoved,
    Restarted,
    UnassignRefused,
    UnassignReturned,
    UnassignUndone,
    time_text,
)
from vpcipam.limits import InstanceLimits


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
    """Every assigned address is in a range that the allocator has, checked once a range was reported; and it is no ENI's primary one."""
    NO_LEAK = "no leak"
    """An address that was given back can be assigned again, at the latest one cooldown after its cooldown."""
    ONE_RELEASE = "one release"
    """Only the holder of an address gives it back, and only once. Checked where the allocator reports which address it took back."""
    COUNTS = "counts"
    """The counts that the allocator reports fit each other, and the assigns and unassigns between them."""


@attrs.frozen
class Breach:
    """A promise that an event breaks.

    Attributes:
        promise: which one.
        message: what is wrong, in one line.
        subjects: the addresses, sandboxes and ENIs that it is about.
    """

    promise: Promise
    message: str
    subjects: tuple[object, ...]


@attrs.frozen
class EniLimits:
    """The most ENIs of each network card, and the most ranges of an ENI."""

    enis_per_card: tuple[int, ...]
    slots_per_eni: int

    @classmethod
    def of(cls, limits: InstanceLimits) -> "EniLimits":
        """Return what an instance type allows."""
        return cls(limits.network_cards, limits.slots_per_eni)


_IPV6 = 1 << 128


def address_number(address: IpAddress) -> int:
    """Return a number that no other address of either IP version has."""
    return int(address) if address.version == 4 else int(address) | _IPV6


def _numbers(cidr: IpNetwork) -> range:
    """Return the numbers of the addresses of a CIDR."""
    first = address_number(cidr.network_address)
    return range(first, first + cidr.num_addresses)


def _address(number: int) -> IpAddress:
    """Return the address of a number."""
    return ipaddress.IPv6Address(number ^ _IPV6) if number & _IPV6 else ipaddress.IPv4Address(number)


class ContractState:
    """What an allocator has, and the rules. It keeps no events, so its memory grows with what the allocator has, not with time.

    Each event changes the state, also one that breaks a promise. So a caller can go on after a breach.

    Attributes:
        held: the address of each sandbox that holds one.
        ranges: the ENI of each range.

    Complexity: O(sizes of ranges) for an assign; O(addresses that were given back) for a denied one; O(sandboxes + ranges) for a removal
        or restart.
    """

    def __init__(
        self,
        *,
        cooldown_ns: int,
        limits: EniLimits | None = None,
        cooldown_outlives_range: bool = False,
        slack_ns: int = 0,
        show_time: Callable[[int], str] = time_text,
    ) -> None:
        """Start with an allocator that has nothing.

        Args:
            cooldown_ns: how long an address must rest.
            limits: what the instance type allows; None if there are no ENIs to count.
            cooldown_outlives_range: whether an address that comes back with a new range still cools. A node promises this, a datastore
                does not.
            slack_ns: how much later than its time an event can be, because times are rounded down.
            show_time: writes a time for a message.
        """
        require_integer("cooldown_ns", cooldown_ns, 0)
        if limits is not None:
            require_type("limits", limits, EniLimits, 'pass EniLimits.of(instance_limits("m5.large")), for example')
        self.cooldown_ns = cooldown_ns
        self.limits = limits
        self.cooldown_outlives_range = cooldown_outlives_range
        self.slack_ns = slack_ns
        self.held: dict[Hashable, IpAddress] = {}
        self.ranges: dict[IpNetwork, str] = {}
        self._time = show_time
        self._breaches: list[Breach] = []
        # By address, as `address_number` writes it: the hash of an address object takes as long as all else that an assign needs.
        self._holders: dict[int, Hashable] = {}  # the inverse of `held`
        self._cards: dict[str, int] = {}  # of each ENI
        self._primaries: dict[int, str] = {}  # the ENI of each primary address
        self._range_starts: dict[int, set[int]] = {}  # the first numbers of ranges, by the number of host bits
        self._free_at: dict[int, int] = {}  # of each address that was given back
        self._in_flight: dict[Hashable, int] = {}  # when the process crashed in the call of a sandbox
        self._presumed_gone: dict[Hashable, IpAddress] = {}  # what the last restart released
        self._is_down = False
        self._strays_free_at = 0  # when an address is free at the latest that an assign in flight took for nobody
        self._knows_ranges = False
        self._sees_all = True  # False after a gap: sandboxes can hold addresses that no event tells of
        self._count: int | None = None  # of assigned addresses, as the allocator reported it last, and as events changed it since

    def take(self, event: ContractEvent) -> tuple[Breach, ...]:
        """Take an event in, and return the promises that it breaks."""
        if self._breaches:
            self._breaches = []
        self._HANDLERS[type(event)](self, event)
        return tuple(self._breaches) if self._breaches else ()

    def cool(self, address: IpAddress, until_ns: int) -> None:
        """Let an address that was given back cool until another time, for example because the allocator reports it."""
        number = address_number(address)
        if number in self._free_at:
            self._free_at[number] = until_ns

    def forget_cooled(self, now_ns: int) -> None:
        """Forget the addresses whose cooldown is over. Leaks and double releases of them are then no longer noticed."""
        self._free_at = {number: free_at for number, free_at in self._free_at.items() if now_ns < free_at}

    @property
    def cooling_count(self) -> int:
        """The number of addresses that were given back and neither assigned again nor forgotten."""
        return len(self._free_at)

    def holder_of(self, address: IpAddress) -> Hashable | None:
        """Return the sandbox that holds an address, or None."""
        return self._holders.get(address_number(address))

    def _break(self, promise: Promise, message: str, *subjects: object) -> None:
        self._breaches.append(Breach(promise, message, subjects))

    # --- sandboxes ---

    def _on_assign_returned(self, event: AssignReturned) -> None:
        before = self.held.get(event.key)
        if before is not None:
            if before == event.address:
                return
            self._break(Promise.DURABILITY, f"{event.key} holds {before}, and got {event.address} too", event.key)
            self._release(event.key, event.now_ns)
        number = address_number(event.address)
        self._check_free(event.now_ns, event.key, event.address, number)
        self._hold(event.key, event.address, number)

    def _check_free(self, now_ns: int, key: Hashable, address: IpAddress, number: int) -> None:
        free_at = self._free_at.get(number, 0)
        if number in self._holders:
            self._break(Promise.ONE_HOLDER, f"{key} got {address}, but {self._holders[number]} holds it", address)
        elif now_ns + self.slack_ns < free_at:
            message = f"{key} got {address} at {self._time(now_ns)}, but it cools until {self._time(free_at)}"
            self._break(Promise.COOLDOWN, message, address)
        elif number in self._primaries:
            message = f"{key} got {address}, which is the primary address of {self._primaries[number]}"
            self._break(Promise.OWN_RANGE, message, address)
        elif self._knows_ranges and not self._in_a_range(number):
            self._break(Promise.OWN_RANGE, f"{key} got {address}, which is in no range of the allocator", address)

    def _hold(self, key: Hashable, address: IpAddress, number: int) -> None:
        robbed = self._holders.get(number)
        if robbed is not None:
            del self.held[robbed]
        elif self._count is not None:
            self._count += 1
        self.held[key] = address
        self._holders[number] = key
        self._free_at.pop(number, None)

    def _in_a_range(self, number: int) -> bool:
        return any(number >> bits << bits in starts for bits, starts in self._range_starts.items())

    def _on_assign_denied(self, event: AssignDenied) -> None:
        if event.key in self.held or self._is_down:
            return  # an allocator may refuse to assign twice, and while it restarts
        for number, free_at in self._free_at.items():
            if max(free_at, self._strays_free_at) + self.cooldown_ns < event.now_ns and (
                not self._knows_ranges or self._in_a_range(number)
            ):
                address = _address(number)
                self._break(Promise.NO_LEAK, f"{event.key} got no address, but {address} is free since {self._time(free_at)}", address)
                return

    def _on_unassign_returned(self, event: UnassignReturned) -> None:
        address = event.address
        if address is None or self.held.get(event.key) == address:
            self._release(event.key, event.now_ns)
            return
        number = address_number(address)
        holder = self._holders.get(number)
        if event.key in self.held:
            message = f"{event.key} gave {address} back, but held {self.held[event.key]}"
            self._break(Promise.DURABILITY, message, event.key, address)
        elif holder is not None:
            self._break(Promise.ONE_RELEASE, f"{event.key} gave {address} back, but {holder} holds it", address)
        elif number in self._free_at:
            self._break(Promise.ONE_RELEASE, f"{event.key} gave {address} back, which was given back before", address)
        elif self._sees_all:
            self._break(Promise.ONE_RELEASE, f"{event.key} gave {address} back, which nobody held", address)
        for key in (event.key, holder):
            self._release(key, event.now_ns)
        self._free_at[number] = event.now_ns + self.cooldown_ns
        self._count = None

    def _on_unassign_undone(self, event: UnassignUndone) -> None:
        if self.held.get(event.key) != event.address:
            self._hold(event.key, event.address, address_number(event.address))

    def _on_unassign_refused(self, event: UnassignRefused) -> None:
        gone = self._presumed_gone.pop(event.key, None)
        if event.key in self.held:
            message = f"{event.key} holds {self.held[event.key]}, but the allocator does not know the sandbox"
            self._break(Promise.DURABILITY, message, event.key)
        elif gone is not None and (holder := self.holder_of(gone)) is not None:
            message = f"{event.key} held {gone} until now, but the restart gave it up, and {holder} holds it"
            self._break(Promise.ONE_HOLDER, message, gone)
        elif gone is not None:
            self._break(Promise.DURABILITY, f"{event.key} held {gone} until now, but the restart gave it up", event.key, gone)

    def _release(self, key: Hashable, now_ns: int) -> None:
        address = self.held.pop(key, None)
        if address is not None:
            number = address_number(address)
            del self._holders[number]
            self._free_at[number] = now_ns + self.cooldown_ns
            if self._count is not None:
                self._count -= 1

    # --- ENIs and ranges ---

    def _on_eni_attached(self, event: EniAttached) -> None:
        self._cards[event.eni_id] = event.network_card
        if self.limits is not None:
            count = [*self._cards.values()].count(event.network_card)
            cards = self.limits.enis_per_card
            allowed = cards[event.network_card] if event.network_card < len(cards) else 0
            if count > allowed:
                message = f"network card {event.network_card} has {count} ENIs, and the type allows {allowed}"
                self._break(Promise.LIMITS, message, *self._cards)

    def _on_eni_detached(self, event: EniDetached) -> None:
        self._cards.pop(event.eni_id, None)
        for cidr in [cidr for cidr, eni_id in self.ranges.items() if eni_id == event.eni_id]:
            self._remove(cidr, event.now_ns)
        self._primaries = {number: eni_id for number, eni_id in self._primaries.items() if eni_id != event.eni_id}
        self._count = self._count if self._sees_all else None  # it can have had ranges and sandboxes that no event tells of

    def _on_primary_address_reported(self, event: PrimaryAddressReported) -> None:
        self._primaries[address_number(event.address)] = event.eni_id

    def _on_range_added(self, event: RangeAdded) -> None:
        self._knows_ranges = self._knows_ranges or self._sees_all or self._is_down
        for cidr, eni_id in self.ranges.items():
            if cidr.version == event.cidr.version and cidr.overlaps(event.cidr):
                message = f"{event.cidr} on {event.eni_id} overlaps {cidr} on {eni_id}"
                self._break(Promise.ONE_HOLDER, message, event.eni_id, eni_id)
        self._starts_like(event.cidr).add(address_number(event.cidr.network_address))
        self.ranges[event.cidr] = event.eni_id
        if event.eni_id not in self._cards:
            self._on_eni_attached(EniAttached(event.now_ns, event.eni_id))
        count = [*self.ranges.values()].count(event.eni_id)
        if self.limits is not None and count > self.limits.slots_per_eni:
            message = f"{event.eni_id} has {count} ranges, and the type has {self.limits.slots_per_eni} slots per ENI"
            self._break(Promise.LIMITS, message, event.eni_id)

    def _starts_like(self, cidr: IpNetwork) -> set[int]:
        """Return where ranges of this size start, so that an address is found without going through all ranges."""
        return self._range_starts.setdefault(cidr.max_prefixlen - cidr.prefixlen, set())

    def _on_range_removed(self, event: RangeRemoved) -> None:
        self._remove(event.cidr, event.now_ns)

    def _remove(self, cidr: IpNetwork, now_ns: int) -> None:
        self.ranges.pop(cidr, None)
        self._starts_like(cidr).discard(address_number(cidr.network_address))
        for key in [key for key, address in self.held.items() if address in cidr]:
            self._release(key, now_ns)
        if not self.cooldown_outlives_range:
            numbers = _numbers(cidr)
            self._free_at = {number: free_at for number, free_at in self._free_at.items() if number not in numbers}

    # --- crashes ---

    def _on_crashed(self, event: Crashed) -> None:
        self._clear_attached()
        self._in_flight = dict.fromkeys(event.in_flight, event.now_ns) | self._in_flight  # the crash before was perhaps in a restart
        self._presumed_gone = {}
        self._count = None
        self._is_down = True

    def _clear_attached(self) -> None:
        self.ranges.clear()
        self._range_starts.clear()
        self._cards.clear()

    def _on_restarted(self, event: Restarted) -> None:
        if any(key not in self.held and key not in event.held for key in self._in_flight):
            self._strays_free_at = event.now_ns + self.cooldown_ns
        for key in event.released:
            if key in self.held:
                self._presumed_gone[key] = self.held[key]
            self._release(key, event.now_ns)
        for key, address in [*self.held.items()]:
            if event.held.get(key) == address:
                continue
            if key in self._in_flight and key not in event.held:
                self._release(key, self._in_flight[key])
            else:
                message = f"{key} held {address} before the crash, and holds {event.held.get(key, 'nothing')} now"
                self._break(Promise.DURABILITY, message, key, address)
                self._presumed_gone[key] = address
                self._release(key, event.now_ns)
        for key, address in event.held.items():
            if key not in self.held:
                if self._sees_all and key not in self._in_flight and key not in self._presumed_gone:
                    message = f"{key} holds {address} after the restart, and held nothing before the crash"
                    self._break(Promise.DURABILITY, message, key, address)
                number = address_number(address)
                self._check_free(event.now_ns, key, address, number)
                self._hold(key, address, number)
        self._in_flight = {}
        self._is_down = False
        self._sees_all = True
        self._count = None

    # --- what an observer knows ---

    def _on_gap(self, _event: Gap) -> None:
        self._clear_attached()
        self.held.clear()
        self._holders.clear()
        self._primaries.clear()
        self._free_at.clear()
        self._presumed_gone.clear()
        self._knows_ranges = False
        self._sees_all = False
        self._count = None

    def _on_counts_reported(self, event: CountsReported) -> None:
        assigned, total = event.assigned_count, event.total_count
        if total is not None and assigned + event.cooling_count > total:
            cooling = f" and {event.cooling_count} cool" if event.cooling_count else ""
            self._break(Promise.COUNTS, f"{assigned} addresses are assigned{cooling}, of {total}")
        if event.is_exact:
            if self._count not in {None, assigned}:
                message = (
                    f"{assigned} addresses are assigned, but by the assigns and unassigns since the last count there are {self._count}"
                )
                self._break(Promise.COUNTS, message)
            self._count = assigned

    def expects_counts(self, assigned: int, total: int | None, cooling: int, *, is_exact: bool) -> bool:
        """Tell whether a `CountsReported` would change nothing and break nothing, so that a caller need not make one."""
        return (total is None or assigned + cooling <= total) and (not is_exact or self._count == assigned)

    _HANDLERS: ClassVar[Mapping[type[ContractEvent], Callable[..., None]]] = {
        AssignReturned: _on_assign_returned,
        AssignDenied: _on_assign_denied,
        UnassignReturned: _on_unassign_returned,
        UnassignUndone: _on_unassign_undone,
        UnassignRefused: _on_unassign_refused,
        EniAttached: _on_eni_attached,
        EniDetached: _on_eni_detached,
        PrimaryAddressReported: _on_primary_address_reported,
        RangeAdded: _on_range_added,
        RangeRemoved: _on_range_removed,
        Crashed: _on_crashed,
        Restarted: _on_restarted,
        Gap: _on_gap,
        CountsReported: _on_counts_reported,
    }
