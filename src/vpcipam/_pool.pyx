# cython: language_level=3, binding=False, embedsignature=True, embedsignature.format=clinic, autotestdict=False
# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# With binding=False a method is a C method, and calling it costs half as much. The clinic signatures keep `inspect` and stubtest working.
"""The compiled twin of the pools: the same results and errors as the plain twin (`vpcipam.pool.plain`), in nanoseconds.

BitmapPool stands here, AddressPool in `vpcipam.pool.addresses`.
"""

from vpcipam import _pool_refusals as refuse
from vpcipam._pool_refusals import hold
from vpcipam.pool.addresses import AddressPool, owners_lock

cimport cython
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free

from vpcipam.pool.free_runs cimport RUN_KINDS, Runs, runs_build, runs_free, runs_given, runs_hold, runs_taken
from vpcipam.pool.free_tree cimport (
    FreeTree,
    lowest_bit,
    run_mask,
    tree_bits,
    tree_find,
    tree_first,
    tree_free,
    tree_give,
    tree_holds,
    tree_init,
    tree_longest_run,
    tree_take,
)

__all__ = ["AddressPool", "BitmapPool", "owners_lock"]

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object number, int* overflow) except? -1
    object PyNumber_Index(object value)
    void decref "Py_DECREF" (PyObject* item)

cdef int64_t CAPACITY_MAX = refuse.CAPACITY_MAX


cdef inline int64_t bounded(str name, object value, int64_t low, int64_t high) except -1:
    """Take an integer of low … high, where low >= 0."""
    cdef int overflow = 0
    cdef int64_t number
    if PyLong_CheckExact(value):
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow and low <= number <= high:
            return number
    return refuse.bounded(name, value, low, high)


cdef enum:
    KEPT_INTS_MAX = 65_536  # a /16, the largest subnet: 512 KiB of pointers at most


@cython.final
cdef class BitmapPool:
    """Hand out the offsets 0 … capacity-1, the lowest free one first, singly or in aligned runs.

    Not thread-safe: a pool has one owner. It takes capacity / 8 bytes and a little more (the plain twin ten times that; the compiled one
    keeps a pointer for each offset below 65,536, and the ints that it handed out there).
    Integers are taken as `operator.index` takes them. `release`, `is_allocated`, `allocate_at` take their argument by position.
    `in`, `len()` and `iter()` see the allocated offsets. A refused call leaves the pool as it was.

    Invariants:
        1. The bit of an offset is set if and only if it is free; bits past the capacity are 0.
        2. A bit of an upper level is set if and only if its word below is not 0.
        3. `allocated_count + free_count == capacity`, and both equal a recount of the bits.
        4. The summary of a run length, once built, has a bit set for each aligned run that is wholly free, and counts them.

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
    """

    cdef FreeTree _free
    cdef Runs _runs[RUN_KINDS]
    cdef PyObject** _ints  # by offset, up to _int_count: the int that is handed out, kept, as making it costs as much as all else; or NULL
    cdef int64_t _int_count
    cdef int64_t _capacity
    cdef int64_t _allocated_count
    cdef bint _any_runs  # whether a summary was built: until then a single allocate or release pays nothing for runs
    cdef object __weakref__

    def __cinit__(self, capacity):
        self._capacity = bounded("capacity", capacity, 1, CAPACITY_MAX)
        if not tree_init(&self._free, self._capacity):
            raise MemoryError
        self._ints = <PyObject**>calloc(min(self._capacity, KEPT_INTS_MAX), sizeof(PyObject*))
        if self._ints == NULL:
            raise MemoryError
        self._int_count = min(self._capacity, KEPT_INTS_MAX)

    def __dealloc__(self):
        cdef int64_t offset
        for offset in range(self._int_count):
            if self._ints[offset] != NULL:
                decref(self._ints[offset])
        free(self._ints)
        tree_free(&self._free)
        runs_free(self._runs)

    @property
    def capacity(self):
        """The number of offsets, free or not."""
        return self._capacity

    @property
    def allocated_count(self):
        """The number of offsets in use."""
        return self._allocated_count

    @property
    def free_count(self):
        """The number of free offsets."""
        return self._capacity - self._allocated_count

    def allocate(self, start=0):
        """Take the lowest free offset at or above `start`, or else the lowest of all.

        Raises:
            OutOfRange: `start` is not 0 … capacity-1.
            PoolExhausted: no offset is free.

        Complexity: O(log64 capacity).
        """
        cdef int64_t first = bounded("start", start, 0, self._capacity - 1)
        cdef int64_t offset
        if self._allocated_count == self._capacity:
            raise refuse.offsets_exhausted(self._capacity)
        offset = tree_find(&self._free, first) if first else -1
        if offset < 0:
            offset = tree_first(&self._free)
        if offset >= self._int_count:
            number = offset
        elif self._ints[offset] != NULL:
            number = <object>self._ints[offset]
        else:
            number = offset
            Py_INCREF(number)
            self._ints[offset] = <PyObject*>number
        self._take(offset, 1)
        return number

    def allocate_at(self, offset, /):
        """Take this offset.

        Raises:
            OutOfRange: `offset` is not 0 … capacity-1.
            AlreadyAllocated: it is in use.

        Complexity: O(log64 capacity).
        """
        cdef int64_t place = bounded("offset", offset, 0, self._capacity - 1)
        if not tree_bits(&self._free, place, 1):
            raise refuse.already_allocated(place)
        self._take(place, 1)

    def allocate_run(self, length, start=0):
        """Take the lowest free run whose first offset is at or above `start`, or else the lowest of all; return its first offset.

        A run has 2, 4, 8, 16, 32 or 64 offsets, starts at a multiple of its length and ends within the capacity.

        Raises:
            InvalidArgument: `length` is none of these.
            OutOfRange: `start` is not 0 … capacity-1.
            NoFreeRun: no aligned run of that length is wholly free.

        Complexity: O(log64 capacity); the first use of a length costs O(capacity) once.
        """
        cdef int kind = self._checked_kind(length)
        cdef int64_t size = 2 << kind
        cdef int64_t first = bounded("start", start, 0, self._capacity - 1)
        cdef int64_t unit
        if not self._runs[kind].built:
            self._build_runs(kind)
        if not self._runs[kind].count:
            raise refuse.no_free_run(size, self._capacity - self._allocated_count)
        unit = tree_find(&self._runs[kind].tree, (first + size - 1) // size) if first else -1
        if unit < 0:
            unit = tree_first(&self._runs[kind].tree)
        self._take(unit * size, size)
        return unit * size

    def allocate_run_at(self, offset, length):
        """Take the run that starts at this offset, all of it or nothing.

        Raises:
            InvalidArgument: `length` is no run length, or `offset` no multiple of it.
            OutOfRange: the run does not lie within 0 … capacity-1.
            AlreadyAllocated: an offset of it is in use.

        Complexity: O(log64 capacity).
        """
        cdef int64_t size
        cdef int64_t first = self._checked_run(offset, length, &size)
        cdef uint64_t taken = ~tree_bits(&self._free, first, size) & run_mask(size)
        if taken:
            raise refuse.run_already_allocated(first, size, first + lowest_bit(taken))
        self._take(first, size)

    def release(self, offset, /):
        """Free this offset.

        Raises:
            OutOfRange: `offset` is not 0 … capacity-1.
            NotAllocated: it is free already.

        Complexity: O(log64 capacity).
        """
        cdef int64_t place = bounded("offset", offset, 0, self._capacity - 1)
        if tree_bits(&self._free, place, 1):
            raise refuse.not_allocated(place)
        self._give(place, 1)

    def release_run(self, offset, length):
        """Free the run that starts at this offset, all of it or nothing; its offsets may have been allocated singly.

        Raises:
            InvalidArgument: `length` is no run length, or `offset` no multiple of it.
            OutOfRange: the run does not lie within 0 … capacity-1.
            NotAllocated: an offset of it is free already.

        Complexity: O(log64 capacity).
        """
        cdef int64_t size
        cdef int64_t first = self._checked_run(offset, length, &size)
        cdef uint64_t still_free = tree_bits(&self._free, first, size)
        if still_free:
            raise refuse.run_not_allocated(first, size, first + lowest_bit(still_free))
        self._give(first, size)

    def is_allocated(self, offset, /):
        """Tell whether this offset is in use.

        Raises:
            OutOfRange: `offset` is not 0 … capacity-1.
        """
        return not tree_bits(&self._free, bounded("offset", offset, 0, self._capacity - 1), 1)

    def free_run_count(self, length):
        """Count the aligned runs of that length that are wholly free.

        Raises:
            InvalidArgument: `length` is not 2, 4, 8, 16, 32 or 64.

        Complexity: O(1); the first use of a length costs O(capacity) once.
        """
        cdef int kind = self._checked_kind(length)
        if not self._runs[kind].built:
            self._build_runs(kind)
        return self._runs[kind].count

    def free_counts(self, length):
        """Count the free offsets of each aligned run of that length; one byte for each, the last run may be cut short.

        Raises:
            InvalidArgument: `length` is not 2, 4, 8, 16, 32 or 64.

        Complexity: O(capacity).
        """
        cdef int64_t size = 2 << self._checked_kind(length)
        cdef int64_t unit
        cdef uint64_t bits
        cdef bytearray counts = bytearray((self._capacity + size - 1) // size)
        cdef unsigned char[::1] out = counts
        for unit in range(out.shape[0]):
            bits = tree_bits(&self._free, unit * size, size)
            while bits:
                bits &= bits - 1
                out[unit] += 1
        return bytes(counts)

    def longest_free_run(self):
        """Find the length of the longest run of free offsets, aligned or not; 0 where none is free.

        Complexity: O(capacity).
        """
        return tree_longest_run(&self._free)

    def __len__(self):
        return self._allocated_count

    def __contains__(self, offset):
        cdef int overflow = 0
        cdef long long place
        if not hasattr(type(offset), "__index__"):
            return False
        place = PyLong_AsLongLongAndOverflow(PyNumber_Index(offset), &overflow)
        return not overflow and 0 <= place < self._capacity and not tree_bits(&self._free, place, 1)

    def __iter__(self):
        """Yield the allocated offsets, ascending, as they are when the iterator gets there."""
        cdef int64_t place
        cdef int64_t offset
        for place in range(self._free.word_count):
            if ~self._free.level[0][place]:
                for offset in range(place * 64, min(place * 64 + 64, self._capacity)):
                    if not tree_bits(&self._free, offset, 1):
                        yield offset

    def __repr__(self):
        return f"<BitmapPool: {self._allocated_count} of {self._capacity} allocated>"

    def __reduce__(self):
        raise refuse.not_copyable("BitmapPool", "build a new one and allocate_at() what iter() gave")

    cdef int _checked_kind(self, object length) except -1:
        cdef int overflow = 0
        cdef long long size
        if not PyLong_CheckExact(length):
            length = PyNumber_Index(length)
        size = PyLong_AsLongLongAndOverflow(length, &overflow)
        if overflow or size < 2 or size > 64 or size & (size - 1):
            raise refuse.wrong_run_length(length)
        return lowest_bit(size) - 1

    cdef int64_t _checked_run(self, object offset, object length, int64_t* size) except -1:
        cdef int64_t first
        size[0] = 2 << self._checked_kind(length)
        first = bounded("offset", offset, 0, self._capacity - 1)
        if first % size[0]:
            raise refuse.unaligned_run(first, size[0])
        if first + size[0] > self._capacity:
            raise refuse.run_past_capacity(first, size[0], self._capacity)
        return first

    cdef int _build_runs(self, int kind) except -1:
        if not runs_build(&self._runs[kind], kind, &self._free, self._capacity):
            raise MemoryError
        self._any_runs = True
        return 0

    cdef inline void _take(self, int64_t offset, int64_t length) noexcept:
        tree_take(&self._free, offset, length)
        self._allocated_count += length
        if self._any_runs:
            runs_taken(self._runs, offset, length)

    cdef inline void _give(self, int64_t offset, int64_t length) noexcept:
        tree_give(&self._free, offset, length)
        self._allocated_count -= length
        if self._any_runs:
            runs_given(self._runs, &self._free, offset, length)

    def _check(self):
        cdef int64_t unit
        cdef int64_t count = 0
        cdef int kind
        hold(1, self._capacity % 64 == 0 or self._free.level[0][self._free.word_count - 1] >> (self._capacity % 64) == 0)
        hold(1, self._free.word_count == (self._capacity + 63) // 64)
        hold(2, tree_holds(&self._free))
        for unit in range(self._capacity):
            count += tree_bits(&self._free, unit, 1)
        hold(3, self._allocated_count == self._capacity - count)
        for kind in range(RUN_KINDS):
            hold(4, not self._runs[kind].built or runs_hold(&self._runs[kind], kind, &self._free, self._capacity))
