"""A block of addresses cut into cells of one size, some of them withheld from automatic picks.

Nothing here knows what a cell is for: `vpcipam.ec2.state.space` says so.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from vpcipam._chance import Scatter
from vpcipam.address import Cidr
from vpcipam.errors import NoFreeRun, PoolExhausted
from vpcipam.pool import BitmapPool


class Grid:
    """A CIDR cut into cells of one size. Callers speak of addresses, the pools count cells from 0.

    Invariants:
        1. A cell is allocated in `taken` if somebody has it.
        2. A cell is allocated in `open` if somebody has it or it is withheld. Without withheld cells the two are one and the same pool.

    Args:
        cidr: the block.
        cell_size: addresses in a cell.
        scatter: where to begin to look; None for the lowest place.
    """

    def __init__(self, cidr: Cidr, cell_size: int, scatter: Scatter | None) -> None:
        self.cidr = cidr
        self.cell_size = cell_size
        self.taken = BitmapPool(cidr.size // cell_size)
        self.open = self.taken
        self._scatter = scatter
        self._withheld: list[range] = []

    def cell(self, address: int) -> int:
        """The number of the cell in which an address lies."""
        return (address - self.cidr.first) // self.cell_size

    def address(self, cell: int) -> int:
        """The first address of a cell."""
        return self.cidr.first + cell * self.cell_size

    def is_taken(self, address: int) -> bool:
        """Tell whether somebody has the cell of an address."""
        return self.taken.is_allocated(self.cell(address))

    def is_withheld(self, cell: int) -> bool:
        """Tell whether automatic picks leave a cell alone.

        Complexity: O(log ranges).
        """
        at = bisect_right(self._withheld, cell, key=_start) - 1
        return at >= 0 and cell in self._withheld[at]

    def withhold(self, ranges: Sequence[range]) -> None:
        """Keep automatic picks out of these ranges of cells, and of no others; two ranges are the same or have no cell in common.

        Complexity: O(cells taken and withheld).
        """
        self._withheld = sorted(ranges, key=_start)
        self.open = self.taken
        if ranges:
            self.open = BitmapPool(self.taken.capacity)
            for cell in {*self.taken, *(cell for each in ranges for cell in each)}:
                self.open.allocate_at(cell)

    def claim(self, address: int, length: int = 1) -> None:
        """Take a named run of cells, withheld or not.

        Raises:
            AlreadyAllocated: one of them is taken.
        """
        cell = self.cell(address)
        if length == 1:
            self.taken.allocate_at(cell)
        else:
            self.taken.allocate_run_at(cell, length)
        for each in self._mirrored(cell, length):
            self.open.allocate_at(each)

    def release(self, address: int, length: int = 1) -> None:
        """Give back a run of cells."""
        cell = self.cell(address)
        _release(self.taken, cell, length)
        for each in self._mirrored(cell, length):
            self.open.release(each)

    def take(self, length: int = 1) -> int:
        """Take the next run of cells of which none is taken or withheld; the answer is its first address.

        Raises:
            PoolExhausted: no cell is free.
            NoFreeRun: no aligned run is free.

        Complexity: O(log64 cells).
        """
        cell = _allocate(self.open, length, 0 if self._scatter is None else self._scatter.below(self.open.capacity))
        if self.open is not self.taken:
            for each in range(cell, cell + length):
                self.taken.allocate_at(each)
        return self.address(cell)

    def take_within(self, cells: range, length: int = 1) -> int | None:
        """Take the next free run of cells within a withheld range; None where it has none."""
        starts = {cells.start: None} if self._scatter is None else {cells.start + self._scatter.below(len(cells)): None, cells.start: None}
        for start in starts:
            try:
                cell = _allocate(self.taken, length, start)
            except (PoolExhausted, NoFreeRun):
                return None
            if cell in cells:
                return self.address(cell)
            _release(self.taken, cell, length)
        return None

    def _mirrored(self, cell: int, length: int) -> Iterator[int]:
        """The cells of a run whose state the open pool repeats."""
        if self.open is not self.taken:
            yield from (each for each in range(cell, cell + length) if not self.is_withheld(each))


def _start(cells: range) -> int:
    return cells.start


def _allocate(pool: BitmapPool, length: int, start: int) -> int:
    return pool.allocate(start) if length == 1 else pool.allocate_run(length, start)


def _release(pool: BitmapPool, cell: int, length: int) -> None:
    if length == 1:
        pool.release(cell)
    else:
        pool.release_run(cell, length)
