"""The plain twin of BitmapPool: the readable reference. `_pool.pyx` is the fast twin."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from operator import index
from typing import TYPE_CHECKING, NoReturn, SupportsIndex, final

from vpcipam import _pool_refusals as refuse

if TYPE_CHECKING:
    from typing_extensions import Buffer

_WORD_BITS = 64
_WORD_FULL = 2**64 - 1


def _lowest_bit(word: int) -> int:
    return (word & -word).bit_length() - 1


class _FreeTree:
    """A 64-ary tree of bits. Level 0 has a bit for each index. A bit of each level above tells whether a word of the level below is not 0.

    The top level is a single 64-bit word. A set bit is free; padding bits are 0.
    """

    __slots__ = ("levels",)

    def __init__(self, size: int) -> None:
        self.levels: list[list[int]] = []
        while True:
            full_words, rest = divmod(size, _WORD_BITS)
            self.levels.append([_WORD_FULL] * full_words + [(1 << rest) - 1] * (rest > 0))
            size = len(self.levels[-1])
            if size <= 1:
                return

    def find(self, start: int) -> int | None:
        """Return the lowest free index at or above `start`, or None. Complexity: O(log64 size)."""
        index = start
        for depth, level in enumerate(self.levels):
            place, bit = divmod(index, _WORD_BITS)
            if place < len(level) and level[place] >> bit:
                index += _lowest_bit(level[place] >> bit)
                for lower in reversed(self.levels[:depth]):
                    index = index * _WORD_BITS + _lowest_bit(lower[index])
                return index
            index = place + 1
        return None

    def bits(self, first: int, length: int) -> int:
        """Return the bits `first` … `first + length - 1`, which must lie in one word, as an integer; 0 past the end."""
        place, bit = divmod(first, _WORD_BITS)
        words = self.levels[0]
        return words[place] >> bit & ((1 << length) - 1) if place < len(words) else 0

    def take(self, first: int, length: int) -> None:
        """Clear bits, which must lie in one word."""
        mask = ((1 << length) - 1) << first % _WORD_BITS
        for level in self.levels:
            place = first // _WORD_BITS
            level[place] &= ~mask
            if level[place]:
                return
            first, mask = place, 1 << place % _WORD_BITS

    def free(self, first: int, length: int) -> None:
        """Set bits, which must lie in one word."""
        mask = ((1 << length) - 1) << first % _WORD_BITS
        for level in self.levels:
            place = first // _WORD_BITS
            had_some = level[place] != 0
            level[place] |= mask
            if had_some:
                return
            first, mask = place, 1 << place % _WORD_BITS


class _Runs:
    """The completely free aligned runs of one length. Built at the first use of that length, then kept up to date."""

    __slots__ = ("count", "length", "tree", "units")

    def __init__(self, length: int, offsets: _FreeTree, capacity: int) -> None:
        self.length = length
        self.units = capacity // length
        self.tree = _FreeTree(self.units)
        self.count = self.units
        for unit in range(self.units):
            if offsets.bits(unit * length, length) != (1 << length) - 1:
                self.tree.take(unit, 1)
                self.count -= 1

    def offsets_taken(self, offset: int, length: int) -> None:
        unit, units = offset // self.length, max(1, length // self.length)
        free = self.tree.bits(unit, units)
        if free:  # otherwise the run is longer than what was taken, and was not completely free before
            self.tree.take(unit, units)
            self.count -= units

    def offsets_freed(self, offset: int, length: int, offsets: _FreeTree) -> None:
        unit, units = offset // self.length, max(1, length // self.length)
        if units > 1 or offsets.bits(unit * self.length, self.length) == (1 << self.length) - 1:
            self.tree.free(unit, units)
            self.count += units


@final
class BitmapPool:
    """Allocate the offsets 0 … capacity-1, the lowest free one first, one at a time or in aligned runs.

    A pool is not thread-safe. The bits of the compiled twin take slightly more than capacity / 8 bytes. It also takes a pointer for each
    offset below 65,536, and keeps the ints that it returned for these offsets. The bits of the plain twin take ten times as much.
    An integer argument can be anything that `operator.index` accepts. `in`, `len()` and `iter()` cover the allocated offsets. A call that
    raises leaves the pool unchanged, except that after a MemoryError the plain twin can be inconsistent: make a new pool then.

    Invariants:
        1. The bit of an offset is set if and only if the offset is free; bits past the capacity are 0.
        2. A bit of an upper level is set if and only if its word below is not 0.
        3. `allocated_count + free_count == capacity`, and both equal a recount of the bits.
        4. The summary of a run length, once built, has a set bit for each completely free aligned run, and the count of these runs.

    Args:
        capacity: 1 … 2**32, both included.

    Raises:
        OutOfRange: the capacity is outside its bounds.

    >>> pool = BitmapPool(20)
    >>> pool.allocate(), pool.allocate(start=10), pool.allocate_run(4)
    (0, 10, 4)
    >>> pool.release(0)
    >>> list(pool)
    [4, 5, 6, 7, 10]
    >>> pool.allocate_many(5)
    [0, 1, 2, 3, 8]
    """

    __slots__ = ("__weakref__", "_allocated_count", "_capacity", "_free", "_runs")

    def __init_subclass__(cls) -> NoReturn:
        raise refuse.not_subclassable(BitmapPool)

    def __init__(self, capacity: SupportsIndex) -> None:
        if hasattr(self, "_allocated_count"):
            return  # as in the compiled twin, calling `__init__` again has no effect
        self._capacity = refuse.bounded("capacity", capacity, 1, refuse.CAPACITY_MAX)
        self._free = _FreeTree(self._capacity)
        self._runs: dict[int, _Runs] = {}
        self._allocated_count = 0

    @property
    def capacity(self) -> int:
        """The number of offsets, free and allocated."""
        return self._capacity

    @property
    def allocated_count(self) -> int:
        """The number of allocated offsets."""
        return self._allocated_count

    @property
    def free_count(self) -> int:
        """The number of free offsets."""
        return self._capacity - self._allocated_count

    def allocate(self, start: SupportsIndex = 0) -> int:
        """Allocate and return the lowest free offset at or above `start`, or the lowest of all if there is none.

        Raises:
            OutOfRange: `start` is not 0 … capacity-1.
            PoolExhausted: no offset is free.

        Complexity: O(log64 capacity).
        """
        offset = self.allocate_or_none(start)
        if offset is None:
            raise refuse.offsets_exhausted(self._capacity)
        return offset

    def allocate_or_none(self, start: SupportsIndex = 0) -> int | None:
        """Do as `allocate`, but return None if no offset is free.

        On the compiled twin, this costs less than a successful `allocate`; raising costs many times as much.

        Raises:
            OutOfRange: `start` is not 0 … capacity-1.

        Complexity: O(log64 capacity).
        """
        first = self._checked("start", start)
        offset = self._free.find(first)
        if offset is None:
            offset = self._free.find(0)
        if offset is not None:
            self._take(offset, 1)
        return offset

    def allocate_many(self, count: SupportsIndex, start: SupportsIndex = 0) -> list[int]:
        """Allocate and return as many offsets, all or nothing: those that `count` calls of `allocate` would return, in that order.

        Args:
            count: 0 … 2**32.
            start: 0 … capacity-1.

        Raises:
            OutOfRange: an argument is outside its bounds.
            PoolExhausted: fewer than `count` offsets are free.

        Complexity: O(count + words of 64 offsets that it takes from · log64 capacity).
        """
        wanted = refuse.bounded("count", count, 0, refuse.CAPACITY_MAX)
        first = self._checked("start", start)
        self._check_free_count(wanted)
        return [self.allocate(first) for _ in range(wanted)]

    def allocate_into(self, buffer: "Buffer", start: SupportsIndex = 0) -> None:
        """Fill a buffer of uint32 with the offsets that `allocate_many` would return, all or nothing.

        The compiled twin makes no int for any of them, so this takes half the time of `allocate_many`.

        Args:
            buffer: contiguous and writable, of one dimension and at least one item, such as `array("I", …)` or a numpy array of `uint32`.
            start: 0 … capacity-1.

        Raises:
            TypeError: `buffer` is no buffer.
            InvalidArgument: it is not one of those.
            OutOfRange: `start` is outside its bounds.
            PoolExhausted: fewer offsets are free than the buffer has items.

        Complexity: as for `allocate_many`.

        >>> from array import array
        >>> pool, offsets = BitmapPool(20), array("I", [0] * 3)
        >>> pool.allocate_into(offsets, start=18)
        >>> offsets
        array('I', [18, 19, 0])
        >>> pool.release_from(offsets)
        """
        view = refuse.offset_buffer(buffer, written=True)
        first = self._checked("start", start)
        self._check_free_count(len(view))
        for place in range(len(view)):
            view[place] = self.allocate(first)

    def allocate_at(self, offset: SupportsIndex, /) -> None:
        """Allocate this offset.

        Raises:
            OutOfRange: `offset` is not 0 … capacity-1.
            AlreadyAllocated: it is allocated.

        Complexity: O(log64 capacity).
        """
        place = self._checked("offset", offset)
        if not self._free.bits(place, 1):
            raise refuse.already_allocated(place)
        self._take(place, 1)

    def allocate_run(self, length: SupportsIndex, start: SupportsIndex = 0) -> int:
        """Allocate the lowest free run that starts at or above `start`, or the lowest of all; return its first offset.

        A run has 2, 4, 8, 16, 32 or 64 offsets, starts at a multiple of its length and ends within the capacity.

        Raises:
            InvalidArgument: `length` is not 2, 4, 8, 16, 32 or 64.
            OutOfRange: `start` is not 0 … capacity-1.
            NoFreeRun: no aligned run of that length is completely free.

        Complexity: O(log64 capacity); the first use of a length costs O(capacity).
        """
        offset = self.allocate_run_or_none(length, start)
        if offset is None:
            raise refuse.no_free_run(index(length), self.free_count)
        return offset

    def allocate_run_or_none(self, length: SupportsIndex, start: SupportsIndex = 0) -> int | None:
        """Do as `allocate_run`, but return None if no run is free.

        Raises:
            InvalidArgument: `length` is not 2, 4, 8, 16, 32 or 64.
            OutOfRange: `start` is not 0 … capacity-1.

        Complexity: as for `allocate_run`.
        """
        size = self._checked_length(length)
        first = self._checked("start", start)
        runs = self._runs_of(size)
        unit = runs.tree.find(-(-first // size))
        if unit is None:
            unit = runs.tree.find(0)
        if unit is None:
            return None
        self._take(unit * size, size)
        return unit * size

    def allocate_run_at(self, offset: SupportsIndex, length: SupportsIndex) -> None:
        """Allocate the run that starts at this offset, all of it or nothing.

        Raises:
            InvalidArgument: `length` is not 2, 4, 8, 16, 32 or 64, or `offset` is not a multiple of it.
            OutOfRange: the run does not lie within 0 … capacity-1.
            AlreadyAllocated: an offset of it is allocated.

        Complexity: O(log64 capacity).
        """
        first, size = self._checked_run(offset, length)
        taken = ~self._free.bits(first, size) & ((1 << size) - 1)
        if taken:
            raise refuse.run_already_allocated(first, size, first + _lowest_bit(taken))
        self._take(first, size)

    def release(self, offset: SupportsIndex, /) -> None:
        """Release this offset.

        Raises:
            OutOfRange: `offset` is not 0 … capacity-1.
            NotAllocated: it is free.

        Complexity: O(log64 capacity).
        """
        place = self._checked("offset", offset)
        if self._free.bits(place, 1):
            raise refuse.not_allocated(place)
        self._release(place, 1)

    def release_many(self, offsets: Iterable[SupportsIndex]) -> None:
        """Release these offsets, all or nothing.

        Raises:
            OutOfRange: one is not 0 … capacity-1. The message names the first such offset and its index.
            NotAllocated: one is free or comes twice. The message names the first offset that single calls would have refused.

        Complexity: O(offsets · log64 capacity); offsets of the same 64-bit word that follow each other count as one.
        """
        self._release_all([self._checked(f"offsets[{place}]", offset) for place, offset in enumerate(list(offsets))])

    def release_from(self, buffer: "Buffer") -> None:
        """Release the offsets in a buffer of uint32, all or nothing.

        Args:
            buffer: as for `allocate_into`; it can be read-only.

        Raises:
            TypeError: `buffer` is no buffer.
            InvalidArgument: it is not one of those.
            OutOfRange, NotAllocated: as for `release_many`.

        Complexity: as for `release_many`.
        """
        view = refuse.offset_buffer(buffer, written=False)
        self._release_all([self._checked(f"buffer[{place}]", offset) for place, offset in enumerate(view.tolist())])

    def release_run(self, offset: SupportsIndex, length: SupportsIndex) -> None:
        """Release the run that starts at this offset, all of it or nothing, even if its offsets were allocated one by one.

        Raises:
            InvalidArgument: `length` is not 2, 4, 8, 16, 32 or 64, or `offset` is not a multiple of it.
            OutOfRange: the run does not lie within 0 … capacity-1.
            NotAllocated: an offset of it is free.

        Complexity: O(log64 capacity).
        """
        first, size = self._checked_run(offset, length)
        free = self._free.bits(first, size)
        if free:
            raise refuse.run_not_allocated(first, size, first + _lowest_bit(free))
        self._release(first, size)

    def is_allocated(self, offset: SupportsIndex, /) -> bool:
        """Tell whether this offset is allocated.

        Raises:
            OutOfRange: `offset` is not 0 … capacity-1.
        """
        return not self._free.bits(self._checked("offset", offset), 1)

    def free_run_count(self, length: SupportsIndex) -> int:
        """Count the aligned runs of a length that are completely free.

        Raises:
            InvalidArgument: `length` is not 2, 4, 8, 16, 32 or 64.

        Complexity: O(1); the first use of a length costs O(capacity).
        """
        return self._runs_of(self._checked_length(length)).count

    def free_counts(self, length: SupportsIndex) -> bytes:
        """Count the free offsets of each aligned run of a length; return one byte per run. The capacity can cut the last run short.

        Raises:
            InvalidArgument: `length` is not 2, 4, 8, 16, 32 or 64.

        Complexity: O(capacity).
        """
        size = self._checked_length(length)
        return bytes(self._free.bits(first, size).bit_count() for first in range(0, self._capacity, size))

    def longest_free_run(self) -> int:
        """Return the length of the longest run of free offsets, aligned or not; 0 if none is free.

        Complexity: O(capacity).
        """
        text = "".join(f"{word:0{_WORD_BITS}b}" for word in reversed(self._free.levels[0]))  # the highest offset first
        return max(map(len, text.split("0")))

    def __len__(self) -> int:
        return self._allocated_count

    def __contains__(self, offset: object) -> bool:
        if not hasattr(type(offset), "__index__"):
            return False
        place = index(offset)  # type: ignore[arg-type]  # the line above checks it
        return 0 <= place < self._capacity and not self._free.bits(place, 1)

    def __iter__(self) -> Iterator[int]:
        """Yield the allocated offsets, ascending. The iterator sees changes at offsets that it has not reached."""
        for place in range(len(self._free.levels[0])):
            first = place * _WORD_BITS
            for offset in range(first, min(first + _WORD_BITS, self._capacity)):
                if not self._free.bits(offset, 1):
                    yield offset

    def __repr__(self) -> str:
        return f"<BitmapPool: {self._allocated_count} of {self._capacity} allocated>"

    def __reduce__(self) -> NoReturn:
        raise refuse.not_copyable("BitmapPool", "build a new one, and call allocate_at() for each offset of iter()")

    def _checked(self, name: str, value: SupportsIndex) -> int:
        return refuse.bounded(name, value, 0, self._capacity - 1)

    def _checked_length(self, length: SupportsIndex) -> int:
        size = index(length)
        if size not in refuse.RUN_LENGTHS:
            raise refuse.wrong_run_length(size)
        return size

    def _checked_run(self, offset: SupportsIndex, length: SupportsIndex) -> tuple[int, int]:
        size = self._checked_length(length)
        first = self._checked("offset", offset)
        if first % size:
            raise refuse.unaligned_run(first, size)
        if first + size > self._capacity:
            raise refuse.run_past_capacity(first, size, self._capacity)
        return first, size

    def _runs_of(self, length: int) -> _Runs:
        if length not in self._runs:
            self._runs[length] = _Runs(length, self._free, self._capacity)
        return self._runs[length]

    def _check_free_count(self, wanted: int) -> None:
        if wanted > self.free_count:
            raise refuse.too_few_offsets(wanted, self.free_count, self._capacity)

    def _release_all(self, offsets: Sequence[int]) -> None:
        for place, offset in enumerate(offsets):
            if self._free.bits(offset, 1):
                for released in offsets[:place]:
                    self._take(released, 1)
                raise refuse.one_not_allocated(offset, place)
            self._release(offset, 1)

    def _take(self, offset: int, length: int) -> None:
        self._free.take(offset, length)
        self._allocated_count += length
        for runs in self._runs.values():
            runs.offsets_taken(offset, length)

    def _release(self, offset: int, length: int) -> None:
        self._free.free(offset, length)
        self._allocated_count -= length
        for runs in self._runs.values():
            runs.offsets_freed(offset, length, self._free)

    def _check(self) -> None:
        free = {offset for offset in range(self._capacity) if self._free.bits(offset, 1)}
        refuse.hold(1, self._free.levels[0][-1] >> ((self._capacity - 1) % _WORD_BITS + 1) == 0)
        for tree in (self._free, *(runs.tree for runs in self._runs.values())):
            for lower, upper in pairwise(tree.levels):
                refuse.hold(2, [word != 0 for word in lower] == [upper[i // 64] >> i % 64 & 1 == 1 for i in range(len(lower))])
        refuse.hold(3, self.free_count == len(free) and self._allocated_count == self._capacity - len(free))
        for length, runs in self._runs.items():
            whole = [unit for unit in range(self._capacity // length) if free.issuperset(range(unit * length, (unit + 1) * length))]
            refuse.hold(4, runs.count == len(whole) and [unit for unit in range(runs.units) if runs.tree.bits(unit, 1)] == whole)
