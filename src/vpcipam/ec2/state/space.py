"""The IPv4 and the IPv6 addresses of one subnet, each as single addresses and as prefixes, with the ranges that are reserved.

EC2 keeps the first four addresses of a subnet (network, router, DNS, future use) and the last (broadcast), in IPv6 too.

A subnet CIDR reservation holds automatic picks off: of single addresses in any case, of prefixes where its type is `explicit`. Where its
type is `prefix`, automatic picks of prefixes look there first, and elsewhere only when it has none left (amazon-vpc-cni-k8s, 2749). What is
named may be taken inside a reservation of either type.
"""

import itertools
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from vpcipam._chance import Scatter
from vpcipam.address import AddressMode, Cidr
from vpcipam.ec2.state.grid import Grid
from vpcipam.errors import AlreadyAllocated, NoFreeRun, PoolExhausted

PREFIX_SIZE = AddressMode.PREFIX.addresses_per_slot
IPV6_PREFIX_SIZE = AddressMode.IPV6.addresses_per_slot
RESERVED_FIRST_COUNT = 4
RESERVED_LAST_COUNT = 1

Reservations = Mapping[Cidr, bool]
"""Reserved ranges, none of which overlaps another; True where prefixes are picked from it first."""


class Space(Protocol):
    """The addresses of one IP version in a subnet."""

    cidr: Cidr

    @property
    def free_prefix_count(self) -> int:
        """The number of free prefixes, inside of reservations and outside."""
        ...

    def is_reserved(self, address: int) -> bool:
        """Tell whether EC2 keeps an address for itself."""
        ...

    def reserve(self, reservations: Reservations) -> None:
        """Hold automatic picks off these ranges, and off no others. What is taken in them stays taken."""
        ...

    def require_addresses(self, count: int) -> None:
        """Raise `PoolExhausted` where fewer addresses are free to be picked."""
        ...

    def take_address(self) -> int:
        """Take the next address; raise `PoolExhausted` where none is free."""
        ...

    def take_prefix(self) -> int:
        """Take the next prefix and answer its first address; raise `NoFreeRun` or `PoolExhausted` where none is free."""
        ...

    def claim_address(self, address: int) -> None:
        """Take a named address; raise `AlreadyAllocated` where it is reserved by EC2 or taken."""
        ...

    def claim_prefix(self, prefix: int) -> None:
        """Take a named prefix; raise `AlreadyAllocated` where any of its addresses is reserved by EC2 or taken."""
        ...

    def release_address(self, address: int) -> None:
        """Give an address back."""
        ...

    def release_prefix(self, prefix: int) -> None:
        """Give a prefix back."""
        ...


class Ipv4Space:
    """The IPv4 addresses of a subnet; a prefix is a /28."""

    def __init__(self, cidr: Cidr, scatter: Scatter | None) -> None:
        self.cidr = cidr
        self._scatter = scatter
        self._grid = Grid(cidr, 1, scatter)
        self._preferred: list[range] = []
        for address in reserved_addresses(cidr):
            self._grid.claim(address)

    @property
    def free_count(self) -> int:
        """The number of addresses that are free to be picked: neither taken nor in a reservation."""
        return self._grid.open.free_count

    @property
    def free_prefix_count(self) -> int:
        """The number of aligned, wholly free /28s, inside of reservations and outside."""
        return self._grid.taken.free_run_count(PREFIX_SIZE)

    @property
    def untaken_count(self) -> int:
        """The number of addresses that nobody has, in reservations too."""
        return self._grid.taken.free_count

    @property
    def longest_free_run(self) -> int:
        """The length of the longest run of addresses that nobody has."""
        return self._grid.taken.longest_free_run()

    def free_counts(self) -> bytes:
        """How many addresses of each /28 nobody has."""
        return self._grid.taken.free_counts(PREFIX_SIZE)

    def is_reserved(self, address: int) -> bool:
        """Tell whether EC2 keeps an address for itself."""
        return address in reserved_addresses(self.cidr)

    def is_taken(self, address: int) -> bool:
        """Tell whether an address is kept by EC2 or taken."""
        return self._grid.is_taken(address)

    def reserve(self, reservations: Reservations) -> None:
        """Hold automatic picks off these ranges, and off no others."""
        ranges = {range(self._grid.cell(each.first), self._grid.cell(each.last) + 1): each for each in sorted(reservations)}
        self._preferred = [cells for cells, each in ranges.items() if reservations[each] and each.size >= PREFIX_SIZE]
        self._grid.withhold(list(ranges))

    def require_addresses(self, count: int) -> None:
        """Raise `PoolExhausted` where fewer addresses are free to be picked."""
        if count > self.free_count:
            raise PoolExhausted(f"{self.cidr} has {self.free_count} free addresses, {count} are wanted")

    def take_address(self) -> int:
        """Take the next address."""
        return self._grid.take()

    def take_prefix(self) -> int:
        """Take the next /28: of the reservations for prefixes, then of what is not reserved."""
        return take_preferred(self._grid, self._preferred, PREFIX_SIZE, self._scatter)

    def claim_address(self, address: int) -> None:
        """Take a named address."""
        self._grid.claim(address)

    def claim_prefix(self, prefix: int) -> None:
        """Take a named /28."""
        self._grid.claim(prefix, PREFIX_SIZE)

    def release_address(self, address: int) -> None:
        """Give an address back."""
        self._grid.release(address)

    def release_prefix(self, prefix: int) -> None:
        """Give a /28 back."""
        self._grid.release(prefix, PREFIX_SIZE)


class Ipv6Space:
    """The IPv6 addresses of a subnet, a /64; a prefix is a /80, and a single address breaks the one around it.

    Single addresses are picked from the first /80 that has room. The subnet's first one can never be a prefix, and so few addresses are
    ever picked that they never leave it, unless it is reserved.

    Invariants:
        1. A /80 is taken in the grid if it is the first or the last, somebody has it, or `_single_counts` has it.
        2. `_single_counts` counts the single addresses of each /80 that has some.
        3. No address below `_mark` is free to be picked.
    """

    def __init__(self, cidr: Cidr, scatter: Scatter | None) -> None:
        self.cidr = cidr
        self._scatter = scatter
        self._grid = Grid(cidr, IPV6_PREFIX_SIZE, scatter)
        self._preferred: list[range] = []
        self._reserved: list[Cidr] = []
        self._singles: set[int] = set()
        self._single_counts: Counter[int] = Counter()
        self._mark = cidr.first
        for prefix in self.kept_prefixes():
            self._grid.claim(prefix)

    @property
    def free_prefix_count(self) -> int:
        """The number of free /80s, inside of reservations and outside."""
        return self._grid.taken.free_count

    def kept_prefixes(self) -> tuple[int, int]:
        """The /80s that hold addresses which EC2 keeps for itself: the first and the last."""
        return self.cidr.first, self.cidr.last + 1 - IPV6_PREFIX_SIZE

    def is_reserved(self, address: int) -> bool:
        """Tell whether EC2 keeps an address for itself."""
        return address in reserved_addresses(self.cidr)

    def is_prefix_taken(self, prefix: int) -> bool:
        """Tell whether a /80, given by its first address, is taken, kept by EC2, or broken by a single address."""
        return self._grid.is_taken(prefix)

    def is_taken(self, address: int) -> bool:
        """Tell whether an address is kept by EC2, taken, or in a /80 that is taken."""
        return address in self._singles or self.is_reserved(address) or self._is_in_prefix(address)

    def reserve(self, reservations: Reservations) -> None:
        """Hold automatic picks off these ranges, and off no others."""
        self._reserved = sorted(reservations)
        ranges = {each: range(self._grid.cell(each.first), self._grid.cell(each.last) + 1) for each in self._reserved}
        self._preferred = [cells for each, cells in ranges.items() if reservations[each] and each.size >= IPV6_PREFIX_SIZE]
        self._grid.withhold(list(ranges.values()))
        self._mark = self.cidr.first

    def require_addresses(self, count: int) -> None:
        """Do nothing: whether so many are left is found out one by one, and it is as good as never that they are not."""
        del count

    def take_address(self) -> int:
        """Take the next address.

        Raises:
            PoolExhausted: all that is not taken is reserved.

        Complexity: O(1) after no release, else O(single addresses and reservations) once.
        """
        if self._scatter is None:
            found = self._next_free(self._mark)
        else:
            start = self.cidr.first + self._scatter.below(IPV6_PREFIX_SIZE)
            found = next((each for each in map(self._next_free, (start, self.cidr.first)) if each is not None), None)
        if found is None:
            raise PoolExhausted(f"{self.cidr} has no free address outside of its reservations")
        self._add(found)
        if self._scatter is None:
            self._mark = found + 1
        return found

    def take_prefix(self) -> int:
        """Take the next /80: of the reservations for prefixes, then of what is not reserved."""
        return take_preferred(self._grid, self._preferred, 1, self._scatter)

    def claim_address(self, address: int) -> None:
        """Take a named address."""
        if self.is_taken(address):
            raise AlreadyAllocated(f"an address of {self.cidr} is taken or reserved")
        self._add(address)

    def claim_prefix(self, prefix: int) -> None:
        """Take a named /80."""
        self._grid.claim(prefix)

    def release_address(self, address: int) -> None:
        """Give an address back."""
        cell = self._grid.cell(address)
        self._singles.remove(address)
        self._single_counts[cell] -= 1
        if not self._single_counts[cell]:
            del self._single_counts[cell]
            if self._grid.address(cell) not in self.kept_prefixes():
                self._grid.release(address)
        self._mark = min(self._mark, address)

    def release_prefix(self, prefix: int) -> None:
        """Give a /80 back."""
        self._grid.release(prefix)
        self._mark = min(self._mark, prefix)

    def _add(self, address: int) -> None:
        cell = self._grid.cell(address)
        if cell not in self._single_counts and self._grid.address(cell) not in self.kept_prefixes():
            self._grid.claim(address)
        self._single_counts[cell] += 1
        self._singles.add(address)

    def _is_in_prefix(self, address: int) -> bool:
        cell = self._grid.cell(address)
        return self._grid.is_taken(address) and cell not in self._single_counts and self._grid.address(cell) not in self.kept_prefixes()

    def _next_free(self, address: int) -> int | None:
        """Find the first address, from a given one on, that is free to be picked."""
        while address <= self.cidr.last:
            at = bisect_right(self._reserved, address, key=_first) - 1
            if at >= 0 and address in self._reserved[at]:
                address = self._reserved[at].last + 1
            elif self._is_in_prefix(address):
                address = self._grid.address(self._grid.cell(address) + 1)
            elif self.is_taken(address):
                address += 1
            else:
                return address
        return None


def reserved_addresses(cidr: Cidr) -> tuple[int, ...]:
    """The addresses of a subnet that EC2 keeps for itself, ascending."""
    first, last = cidr.first, cidr.last
    return (*range(first, first + RESERVED_FIRST_COUNT), *range(last + 1 - RESERVED_LAST_COUNT, last + 1))


def take_preferred(grid: Grid, preferred: list[range], length: int, scatter: Scatter | None) -> int:
    """Take a run of cells, of the preferred ranges if one of them has any; of several ranges EC2 takes one at random.

    Raises:
        PoolExhausted: no cell is free.
        NoFreeRun: no aligned run is free.
    """
    if preferred:
        begin = 0 if scatter is None else scatter.below(len(preferred))
        for cells in itertools.chain(preferred[begin:], preferred[:begin]):
            found = grid.take_within(cells, length)
            if found is not None:
                return found
    try:
        return grid.take(length)
    except PoolExhausted as error:  # a grid without any free cell has no free run either
        raise NoFreeRun(str(error)) from None


def _first(cidr: Cidr) -> int:
    return cidr.first
