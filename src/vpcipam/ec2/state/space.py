"""The IPv4 and the IPv6 address space of one subnet: single addresses, prefixes, and reserved ranges.

A subnet CIDR reservation restricts automatic picks. EC2 picks no single address in it. If its type is `explicit`, EC2 picks no prefix in it
either; if its type is `prefix`, EC2 picks prefixes there first, and elsewhere only when it is full (amazon-vpc-cni-k8s, issue 2749). A
caller may name addresses and prefixes inside a reservation of either type.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping

from vpcipam._chance import Scatter
from vpcipam.address import Cidr
from vpcipam.ec2.api import SubnetLevels
from vpcipam.ec2.state.grid import Grid
from vpcipam.ec2.subnet_rules import IPV6_PREFIX_SIZE, PREFIX_SIZE, reserved_addresses
from vpcipam.errors import AlreadyAllocated, NoFreeRun, PoolExhausted

Reservations = Mapping[Cidr, bool]
"""Reserved ranges that do not overlap; True for those from which prefixes are picked first."""


class _PrefixSpace:
    """The base of both address spaces: prefixes, which are runs of cells, and reservations.

    Args:
        cidr: the subnet's CIDR.
        cell_size: addresses in a cell of the grid.
        prefix_size: addresses in a prefix.
        scatter: draws the place where a search begins.
    """

    def __init__(self, cidr: Cidr, cell_size: int, prefix_size: int, scatter: Scatter) -> None:
        self.cidr = cidr
        self._prefix_size = prefix_size
        self._cells_per_prefix = prefix_size // cell_size
        self._scatter = scatter
        self._grid = Grid(cidr, cell_size, scatter)
        self._preferred: list[range] = []

    def reserve(self, reservations: Reservations) -> None:
        """Replace the reserved ranges. Addresses already taken in them stay taken."""
        ranges = {each: range(self._grid.cell(each.first), self._grid.cell(each.last) + 1) for each in sorted(reservations)}
        self._preferred = [cells for each, cells in ranges.items() if reservations[each] and each.size >= self._prefix_size]
        self._grid.withhold(list(ranges.values()))

    def take_prefix(self) -> int:
        """Take the next prefix, from a reservation for prefixes if possible, and return its first address.

        With several reservations, EC2 begins at a random one.

        Raises:
            NoFreeRun: no prefix is free.
        """
        if self._preferred:
            begin = self._scatter.below(len(self._preferred))
            for cells in (*self._preferred[begin:], *self._preferred[:begin]):
                found = self._grid.take_within(cells, self._cells_per_prefix)
                if found is not None:
                    return found
        try:
            return self._grid.take(self._cells_per_prefix)
        except PoolExhausted as error:  # a grid without any free cell has no free run either
            raise NoFreeRun(str(error)) from None

    def claim_prefix(self, prefix: int) -> None:
        """Take a named prefix.

        Raises:
            AlreadyAllocated: one of its addresses is kept by EC2 or taken.
        """
        self._grid.claim(prefix, self._cells_per_prefix)

    def release_prefix(self, prefix: int) -> None:
        """Release a prefix."""
        self._grid.release(prefix, self._cells_per_prefix)


class Ipv4Space(_PrefixSpace):
    """The IPv4 addresses of a subnet; a prefix is a /28, a cell is one address.

    Attributes:
        kept_count: the addresses that EC2 keeps for itself.
    """

    def __init__(self, cidr: Cidr, scatter: Scatter) -> None:
        super().__init__(cidr, 1, PREFIX_SIZE, scatter)
        self._levels: tuple[tuple[int, int, int], SubnetLevels] | None = None  # the counts that they were made of
        kept = reserved_addresses(cidr)
        self.kept_count = len(kept)
        for address in kept:
            self._grid.claim(address)

    @property
    def free_count(self) -> int:
        """The number of addresses that can be picked: neither taken nor in a reservation."""
        return self._grid.open.free_count

    @property
    def free_prefix_count(self) -> int:
        """The number of aligned, wholly free /28s, inside and outside reservations."""
        return self._grid.taken.free_run_count(PREFIX_SIZE)

    @property
    def longest_free_run(self) -> int:
        """The length of the longest run of untaken addresses."""
        return self._grid.taken.longest_free_run()

    def levels(self) -> SubnetLevels:
        """Count the addresses in each state: the value from last time if nothing has changed. Complexity: O(1)."""
        taken_cells, open_cells = self._grid.taken, self._grid.open
        untaken, free, prefixes = counts = taken_cells.free_count, open_cells.free_count, taken_cells.free_run_count(PREFIX_SIZE)
        if self._levels is None or self._levels[0] != counts:
            taken = self.cidr.size - self.kept_count - untaken
            self._levels = counts, SubnetLevels(taken, free, untaken - free, prefixes, untaken - PREFIX_SIZE * prefixes)
        return self._levels[1]

    def free_counts(self) -> bytes:
        """Count the untaken addresses of each /28."""
        return self._grid.taken.free_counts(PREFIX_SIZE)

    def is_taken(self, address: int) -> bool:
        """Tell whether an address is kept by EC2 or taken."""
        return self._grid.is_taken(address)

    def take_address(self) -> int:
        """Take the next address; raise `PoolExhausted` if none is free."""
        return self._grid.take()

    def claim_address(self, address: int) -> None:
        """Take a named address; raise `AlreadyAllocated` if it is kept by EC2 or taken."""
        self._grid.claim(address)

    def release_address(self, address: int) -> None:
        """Release an address."""
        self._grid.release(address)


class Ipv6Space(_PrefixSpace):
    """The IPv6 addresses of a subnet, a /64; a prefix and a cell are both a /80. A /80 with a single address in it can't be a prefix.

    Single addresses are picked from the first /80 with room. Unless a reservation covers the first /80 of the subnet, all picks fit
    into it. This costs no prefix, since the first /80 can never be one.

    Invariants:
        1. A /80 is taken in the grid if it is the first or the last, is taken as a prefix, or is in `_single_counts`.
        2. `_single_counts` counts the single addresses of each /80 that has some.
    """

    def __init__(self, cidr: Cidr, scatter: Scatter) -> None:
        super().__init__(cidr, IPV6_PREFIX_SIZE, IPV6_PREFIX_SIZE, scatter)
        self._reserved: list[Cidr] = []
        self._singles: set[int] = set()
        self._single_counts: Counter[int] = Counter()
        for prefix in self.kept_prefixes():
            self._grid.claim(prefix)

    @property
    def free_prefix_count(self) -> int:
        """The number of free /80s, inside and outside reservations."""
        return self._grid.taken.free_count

    def kept_prefixes(self) -> tuple[int, int]:
        """The /80s with the addresses that EC2 keeps for itself: the first and the last."""
        return self.cidr.first, self.cidr.last + 1 - IPV6_PREFIX_SIZE

    def is_prefix_taken(self, prefix: int) -> bool:
        """Tell whether a /80, given by its first address, is taken, kept by EC2, or holds a single address."""
        return self._grid.is_taken(prefix)

    def is_taken(self, address: int) -> bool:
        """Tell whether an address is kept by EC2, taken, or in a taken /80."""
        return address in self._singles or address in reserved_addresses(self.cidr) or self._is_in_prefix(address)

    def reserve(self, reservations: Reservations) -> None:
        """Replace the reserved ranges, as in the base class."""
        super().reserve(reservations)
        self._reserved = sorted(reservations)

    def take_address(self) -> int:
        """Take the next address; raise `PoolExhausted` if all untaken addresses are reserved.

        Complexity: O(single addresses and reservations).
        """
        starts = self.cidr.first + self._scatter.below(IPV6_PREFIX_SIZE), self.cidr.first
        found = next((each for each in map(self._next_free, starts) if each is not None), None)
        if found is None:
            raise PoolExhausted(f"{self.cidr} has no free address outside of its reservations")
        self._add(found)
        return found

    def claim_address(self, address: int) -> None:
        """Take a named address; raise `AlreadyAllocated` if it is kept by EC2, taken, or in a taken /80."""
        if self.is_taken(address):
            raise AlreadyAllocated(f"an address of {self.cidr} is taken or reserved")
        self._add(address)

    def release_address(self, address: int) -> None:
        """Release an address."""
        cell = self._grid.cell(address)
        self._singles.remove(address)
        self._single_counts[cell] -= 1
        if not self._single_counts[cell]:
            del self._single_counts[cell]
            if self._grid.address(cell) not in self.kept_prefixes():
                self._grid.release(address)

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
        """Find the first address, from a given one on, that can be picked."""
        while address <= self.cidr.last:
            while address in self._singles:  # tested first, since a long search spends nearly every step here
                address += 1
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


def _first(cidr: Cidr) -> int:
    return cidr.first
