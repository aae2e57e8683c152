"""A CIDR divided into cells of equal size, each of which is free or taken.

A cell is one IPv4 address or one IPv6 /80; `vpcipam.ec2.state.space` decides which.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from vpcipam._chance import Scatter
from vpcipam.address import Cidr
from vpcipam.errors import NoFreeRun, PoolExhausted
from vpcipam.pool import BitmapPool


class Grid:
    """A CIDR divided into cells of equal size. Callers pass addresses; the pools count cells from 0.

    Invariants:
        1. A cell is allocated in `taken` if it is taken.
        2. A cell is allocated in `open` if it is taken or withheld. Without withheld cells both are the same pool.

    Args:
        cidr: the block.
        cell_size: addresses in a cell.
        scatter: draws the place where a search begins.
    """

    def __init__(self, cidr: Cidr, cell_size: int, scatter: Scatter) -> None:
        self.cidr = cidr
        self.cell_size = cell_size
        self.taken = BitmapPool(cidr.size // cell_size)
        self.open = self.taken
        self._scatter = scatter
        self._withheld: list[range] = []

    def cell(self, address: int) -> int:
        """Return the number of the cell that holds an address."""
        return (address - self.cidr.first) // self.cell_size

    def address(self, cell: int) -> int:
        """Return the first address of a cell."""
        return self.cidr.first + cell * self.cell_size

    def is_taken(self, address: int) -> bool:
        """Tell whether the cell of an address is taken."""
        return self.taken.is_allocated(self.cell(address))

    def withhold(self, ranges: Sequence[range]) -> None:
        """Replace the ranges of cells that `take` must avoid; two ranges are equal or disjoint.

        Complexity: O(cells taken and withheld).
        """
        self._withheld = sorted(ranges, key=_start)
        self.open = self.taken
        if ranges:
            self.open = BitmapPool(self.taken.capacity)
            for cell in {*self.taken, *(cell for each in ranges for cell in each)}:
                self.open.allocate_at(cell)

    def claim(self, address: int, length: int = 1) -> None:
        """Take a run of cells at an address, withheld or not.

        Raises:
            AlreadyAllocated: one of them is taken.
        """
        cell = self.cell(address)
        if length == 1:
            self.taken.allocate_at(cell)
        else:
            self.taken.allocate_run_at(cell, length)
        if self.open is not self.taken:
            for each in self._mirrored(cell, length):
                self.open.allocate_at(each)

    def release(self, address: int, length: int = 1) -> None:
        """Release a run of cells."""
        cell = self.cell(address)
        _release(self.taken, cell, length)
        if self.open is not self.taken:
            for each in self._mirrored(cell, length):
                self.open.release(each)

    def take(self, length: int = 1) -> int:
        """Take the next aligned run of cells that are neither taken nor withheld, and return its first address.

        Raises:
            PoolExhausted: no cell is free.
            NoFreeRun: no aligned run is free.

        Complexity: O(log64 cells).
        """
        cell = _allocate(self.open, length, self._scatter.below(self.open.capacity))
        if self.open is not self.taken:
            for each in range(cell, cell + length):
                self.taken.allocate_at(each)
        return self.address(cell)

    def take_within(self, cells: range, length: int = 1) -> int | None:
        """Take the next free run of cells within a withheld range; None if it has none."""
        for start in dict.fromkeys((cells.start + self._scatter.below(len(cells)), cells.start)):
            try:
                cell = _allocate(self.taken, length, start)
            except (PoolExhausted, NoFreeRun):
                return None
            if cell in cells:
                return self.address(cell)
            _release(self.taken, cell, length)
        return None

    def _mirrored(self, cell: int, length: int) -> Iterator[int]:
        """Yield the cells of a run that change in `open` too, if it is another pool: those that are not withheld."""
        for each in range(cell, cell + length):
            at = bisect_right(self._withheld, each, key=_start) - 1
            if at < 0 or each not in self._withheld[at]:
                yield each


def _start(cells: range) -> int:
    return cells.start


def _allocate(pool: BitmapPool, length: int, start: int) -> int:
    return pool.allocate(start) if length == 1 else pool.allocate_run(length, start)


def _release(pool: BitmapPool, cell: int, length: int) -> None:
    if length == 1:
        pool.release(cell)
    else:
        pool.release_run(cell, length)
