"""The addresses of one subnet: which are taken, which are reserved, and which comes next.

Addresses are integers here. `vpcipam.ec2.state.records` has the ENI of each address.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

import attrs

from vpcipam._chance import AlwaysZero, Scatter
from vpcipam.address import Cidr
from vpcipam.ec2.state.space import Ipv4Space, Ipv6Space
from vpcipam.ec2.subnet_rules import AddressChoice
from vpcipam.errors import NoFreeRun, PoolExhausted


@attrs.frozen
class AddressCounts:
    """The numbers of single IPv4 addresses, /28s, single IPv6 addresses, and /80s."""

    addresses: int = 0
    prefixes: int = 0
    ipv6_addresses: int = 0
    ipv6_prefixes: int = 0

    @property
    def ipv4_count(self) -> int:
        """The number of an ENI's IPv4 slots that they fill; a prefix fills one."""
        return self.addresses + self.prefixes

    @property
    def ipv6_count(self) -> int:
        """The number of an ENI's IPv6 slots that they fill."""
        return self.ipv6_addresses + self.ipv6_prefixes

    @property
    def has_prefixes(self) -> bool:
        """Whether there is a /28 or a /80 among them."""
        return bool(self.prefixes or self.ipv6_prefixes)

    def __add__(self, other: "AddressCounts") -> "AddressCounts":
        """Add counts, kind by kind."""
        return AddressCounts(
            self.addresses + other.addresses,
            self.prefixes + other.prefixes,
            self.ipv6_addresses + other.ipv6_addresses,
            self.ipv6_prefixes + other.ipv6_prefixes,
        )


@attrs.frozen
class AddressSet:
    """Addresses of one subnet, each field in the order in which they were chosen or named.

    Attributes:
        addresses: single IPv4 addresses.
        prefixes: the first address of each /28.
        ipv6_addresses: single IPv6 addresses.
        ipv6_prefixes: the first address of each /80.
    """

    addresses: tuple[int, ...] = ()
    prefixes: tuple[int, ...] = ()
    ipv6_addresses: tuple[int, ...] = ()
    ipv6_prefixes: tuple[int, ...] = ()

    @property
    def kinds(self) -> tuple[tuple[int, ...], ...]:
        """The four fields, in order."""
        return self.addresses, self.prefixes, self.ipv6_addresses, self.ipv6_prefixes

    @property
    def counts(self) -> AddressCounts:
        """The number of addresses of each kind."""
        return AddressCounts(len(self.addresses), len(self.prefixes), len(self.ipv6_addresses), len(self.ipv6_prefixes))

    def __add__(self, other: "AddressSet") -> "AddressSet":
        """Append another set's addresses, kind by kind."""
        return AddressSet(
            self.addresses + other.addresses,
            self.prefixes + other.prefixes,
            self.ipv6_addresses + other.ipv6_addresses,
            self.ipv6_prefixes + other.ipv6_prefixes,
        )


NO_ADDRESSES = AddressSet()


class _Undo:
    """What was taken since the outermost `with` on it began. A `with` that raises an error releases what was taken in it.

    A class, since a generator of `contextlib` would cost more than what most calls do within.
    """

    def __init__(self, scatter: Scatter) -> None:
        self._scatter = scatter
        self._taken: list[tuple[Callable[[int], None], int]] = []
        self._marks: list[tuple[int, int]] = []  # of each `with`: how much was taken and drawn before it

    def add(self, release: Callable[[int], None], address: int) -> None:
        """Note what was taken, and how to release it."""
        self._taken.append((release, address))

    def __enter__(self) -> None:
        self._marks.append((len(self._taken), self._scatter.draw_count))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        taken_count, draw_count = self._marks.pop()
        if kind is not None:
            while len(self._taken) > taken_count:
                release, address = self._taken.pop()
                release(address)
            self._scatter.draw_count = draw_count
        if not self._marks:
            self._taken.clear()


class SubnetAddresses:
    """The free, taken and reserved addresses of one subnet.

    Invariants:
        1. The addresses that EC2 keeps are always taken, and the first and the last /80 with them.
        2. `free_count` is the number of IPv4 addresses that are neither taken nor reserved; a /28 counts as 16.

    Args:
        cidr: the IPv4 block, /16 to /28.
        ipv6_cidr: the /64, None for a subnet without IPv6.
        choice: `lowest` takes the lowest free address or block, `random` the first at or after a random place.
        seed: for `random`; `lowest` ignores it.
    """

    def __init__(self, cidr: Cidr, ipv6_cidr: Cidr | None = None, *, choice: AddressChoice = "lowest", seed: int = 0) -> None:
        self.cidr = cidr
        self.ipv6_cidr = ipv6_cidr
        self._scatter = Scatter(seed) if choice == "random" else AlwaysZero()
        self.ipv4 = Ipv4Space(cidr, self._scatter)
        self.ipv6 = None if ipv6_cidr is None else Ipv6Space(ipv6_cidr, self._scatter)
        self._reservations: dict[Cidr, bool] = {}
        self._undo = _Undo(self._scatter)

    @property
    def free_count(self) -> int:
        """The number of IPv4 addresses that can be picked."""
        return self.ipv4.free_count

    @property
    def free_prefix_count(self) -> int:
        """The number of aligned, wholly free /28s, inside and outside reservations."""
        return self.ipv4.free_prefix_count

    @property
    def reservations(self) -> tuple[Cidr, ...]:
        """The reserved ranges, IPv4 first, ascending."""
        return tuple(sorted(self._reservations))

    def whole(self, version: int) -> Cidr | None:
        """Return the subnet's CIDR of an IP version, None if it has none."""
        return self.cidr if version == 4 else self.ipv6_cidr

    def reserve(self, cidr: Cidr, *, for_prefixes: bool) -> None:
        """Reserve a range that lies in this subnet and overlaps no other reservation.

        Complexity: O(addresses taken and reserved).
        """
        self._reservations[cidr] = for_prefixes
        self._apply_reservations()

    def unreserve(self, cidr: Cidr) -> None:
        """End a reservation, so that EC2 picks from its range again."""
        del self._reservations[cidr]
        self._apply_reservations()

    def set_ipv6(self, cidr: Cidr | None) -> None:
        """Give the subnet an IPv6 CIDR, or take it away; nothing of it may be in use or reserved."""
        self.ipv6_cidr = cidr
        self.ipv6 = None if cidr is None else Ipv6Space(cidr, self._scatter)

    def all_or_nothing(self) -> AbstractContextManager[None]:
        """If the `with` block raises an error, release everything that it allocated or claimed, and undo its random draws."""
        return self._undo

    def allocate(self, counts: AddressCounts) -> AddressSet:
        """Take IPv4 addresses, then /28s, then IPv6 addresses, then /80s; all or nothing.

        Raises:
            PoolExhausted: fewer single addresses are free.
            NoFreeRun: fewer /80s are free, or fewer /28s once the single addresses are taken.

        Complexity: O(log64 size) for each, but see `Ipv6Space.take_address`.
        """
        if self.ipv6 is None and counts.ipv6_count:
            raise NoFreeRun("the subnet has no IPv6 addresses")
        if counts.addresses > self.ipv4.free_count:
            raise PoolExhausted(f"{self.cidr} has {self.free_count} free addresses, {counts.addresses} are wanted")
        with self._undo:
            addresses, prefixes = self._take(self.ipv4, counts.addresses, counts.prefixes)
            if self.ipv6 is None:
                return AddressSet(addresses, prefixes)
            return AddressSet(addresses, prefixes, *self._take(self.ipv6, counts.ipv6_addresses, counts.ipv6_prefixes))

    def claim(self, wanted: AddressSet) -> None:
        """Take named addresses and prefixes, which must lie in this subnet; all or nothing.

        Raises:
            AlreadyAllocated: one is kept by EC2, taken, or named twice.
        """
        spaces: list[tuple[Ipv4Space | Ipv6Space, tuple[int, ...], tuple[int, ...]]] = [(self.ipv4, wanted.addresses, wanted.prefixes)]
        if self.ipv6 is not None:
            spaces.append((self.ipv6, wanted.ipv6_addresses, wanted.ipv6_prefixes))
        with self.all_or_nothing():
            for space, addresses, prefixes in spaces:
                for address in addresses:
                    space.claim_address(address)
                    self._undo.add(space.release_address, address)
                for prefix in prefixes:
                    space.claim_prefix(prefix)
                    self._undo.add(space.release_prefix, prefix)

    def release(self, held: AddressSet) -> None:
        """Release what `allocate` or `claim` took."""
        for address in held.addresses:
            self.ipv4.release_address(address)
        for prefix in held.prefixes:
            self.ipv4.release_prefix(prefix)
        if self.ipv6 is not None:
            for address in held.ipv6_addresses:
                self.ipv6.release_address(address)
            for prefix in held.ipv6_prefixes:
                self.ipv6.release_prefix(prefix)

    def _apply_reservations(self) -> None:
        for space in (self.ipv4, self.ipv6) if self.ipv6 is not None else (self.ipv4,):
            space.reserve({cidr: for_prefixes for cidr, for_prefixes in self._reservations.items() if cidr.version == space.cidr.version})

    def _take(self, space: Ipv4Space | Ipv6Space, address_count: int, prefix_count: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        addresses = []
        for _ in range(address_count):
            address = space.take_address()
            self._undo.add(space.release_address, address)
            addresses.append(address)
        if not prefix_count:
            return tuple(addresses), ()
        # Counted only now, since the single addresses can break a prefix. The count includes reserved prefixes that EC2 does not pick.
        free_count = space.free_prefix_count
        if prefix_count > free_count:
            raise _too_few_prefixes(space.cidr, free_count, prefix_count)
        prefixes: list[int] = []
        for _ in range(prefix_count):
            try:
                prefixes.append(space.take_prefix())
            except NoFreeRun:
                raise _too_few_prefixes(space.cidr, len(prefixes), prefix_count) from None
            self._undo.add(space.release_prefix, prefixes[-1])
        return tuple(addresses), tuple(prefixes)


def _too_few_prefixes(cidr: Cidr, free_count: int, wanted_count: int) -> NoFreeRun:
    kind = "aligned /28s" if cidr.version == 4 else "/80s"
    return NoFreeRun(f"{cidr} has {free_count} free {kind}, {wanted_count} are wanted")
