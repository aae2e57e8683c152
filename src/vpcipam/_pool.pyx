# cython: language_level=3, binding=False, embedsignature=True, embedsignature.format=clinic, autotestdict=False
# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# binding=False makes methods C methods, which halves the cost of a call. The clinic signatures keep `inspect` and stubtest working.
"""The compiled twin of the pools. It gives the same results and errors as the plain twin (`vpcipam.pool.plain`), in nanoseconds.

This module defines BitmapPool; `vpcipam.pool.addresses` defines AddressPool.
"""

from vpcipam import _pool_refusals as refuse
from vpcipam._pool_refusals import hold
from vpcipam.pool.addresses import AddressPool, owners_lock

cimport cython
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t, uint64_t

from vpcipam.pool.bounds cimport bounded
from vpcipam.pool.free_runs cimport RUN_KINDS, Runs, runs_build, runs_free, runs_release, runs_are_valid, runs_take
from vpcipam.pool.free_tree cimport (
    FreeTree,
    lowest_bit,
    run_mask,
    tree_bits,
    tree_find,
    tree_first,
    tree_free,
    tree_release,
    tree_is_valid,
    tree_init,
    tree_longest_run,
    tree_take,
)
from vpcipam.pool.memory cimport calloc, free

__all__ = ["AddressPool", "BitmapPool", "owners_lock"]

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object number, int* overflow) except? -1
    object PyNumber_Index(object value)
    void decref "Py_DECREF" (PyObject* item)

cdef int64_t CAPACITY_MAX = refuse.CAPACITY_MAX


cdef enum:
    KEPT_INTS_MAX = 65_536  # a /16, the largest subnet: 512 KiB of pointers at most


@cython.final
cdef class BitmapPool:
    """Allocate the offsets 0 … capacity-1, the lowest free one first, one at a time or in aligned runs.

    See `vpcipam.pool.plain` for the full documentation of the class and its methods.
    """

    cdef FreeTree _free
    cdef Runs _runs[RUN_KINDS]
    cdef PyObject** _ints  # the int of each offset below _int_count, or NULL: making one costs as much as the rest of `allocate`
    cdef int64_t _int_count
    cdef int64_t _capacity
    cdef int64_t _allocated_count
    cdef bint _any_runs  # whether any run length has a summary; if none has, allocate and release skip the runs
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
        """The number of offsets, free and allocated."""
        return self._capacity

    @property
    def allocated_count(self):
        """The number of allocated offsets."""
        return self._allocated_count

    @property
    def free_count(self):
        """The number of free offsets."""
        return self._capacity - self._allocated_count

    def allocate(self, start=0):
        """Allocate and return the lowest free offset at or above `start`, or the lowest of all if there is none."""
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
        """Allocate this offset."""
        cdef int64_t place = bounded("offset", offset, 0, self._capacity - 1)
        if not tree_bits(&self._free, place, 1):
            raise refuse.already_allocated(place)
        self._take(place, 1)

    def allocate_run(self, length, start=0):
        """Allocate the lowest free run that starts at or above `start`, or the lowest of all; return its first offset."""
        cdef int kind = self._checked_kind(length)
        cdef int64_t size = 2 << kind
        cdef int64_t first = bounded("start", start, 0, self._capacity - 1)
        cdef int64_t unit
        cdef object number
        if not self._runs[kind].built:
            self._build_runs(kind)
        if not self._runs[kind].count:
            raise refuse.no_free_run(size, self._capacity - self._allocated_count)
        unit = tree_find(&self._runs[kind].tree, (first + size - 1) // size) if first else -1
        if unit < 0:
            unit = tree_first(&self._runs[kind].tree)
        number = unit * size  # before the change: making the int can run out of memory
        self._take(unit * size, size)
        return number

    def allocate_run_at(self, offset, length):
        """Allocate the run that starts at this offset, all of it or nothing."""
        cdef int64_t size
        cdef int64_t first = self._checked_run(offset, length, &size)
        cdef uint64_t taken = ~tree_bits(&self._free, first, size) & run_mask(size)
        if taken:
            raise refuse.run_already_allocated(first, size, first + lowest_bit(taken))
        self._take(first, size)

    def release(self, offset, /):
        """Release this offset."""
        cdef int64_t place = bounded("offset", offset, 0, self._capacity - 1)
        if tree_bits(&self._free, place, 1):
            raise refuse.not_allocated(place)
        self._release(place, 1)

    def release_run(self, offset, length):
        """Release the run that starts at this offset, all of it or nothing, even if its offsets were allocated one by one."""
        cdef int64_t size
        cdef int64_t first = self._checked_run(offset, length, &size)
        cdef uint64_t still_free = tree_bits(&self._free, first, size)
        if still_free:
            raise refuse.run_not_allocated(first, size, first + lowest_bit(still_free))
        self._release(first, size)

    def is_allocated(self, offset, /):
        """Tell whether this offset is allocated."""
        return not tree_bits(&self._free, bounded("offset", offset, 0, self._capacity - 1), 1)

    def free_run_count(self, length):
        """Count the aligned runs of a length that are completely free."""
        cdef int kind = self._checked_kind(length)
        if not self._runs[kind].built:
            self._build_runs(kind)
        return self._runs[kind].count

    def free_counts(self, length):
        """Count the free offsets of each aligned run of a length; return one byte per run. The capacity can cut the last run short."""
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
        """Return the length of the longest run of free offsets, aligned or not; 0 if none is free."""
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
        """Yield the allocated offsets, ascending. The iterator sees changes at offsets that it has not reached."""
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
        raise refuse.not_copyable("BitmapPool", "build a new one, and call allocate_at() for each offset of iter()")

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
            runs_take(self._runs, offset, length)

    cdef inline void _release(self, int64_t offset, int64_t length) noexcept:
        tree_release(&self._free, offset, length)
        self._allocated_count -= length
        if self._any_runs:
            runs_release(self._runs, &self._free, offset, length)

    def _check(self):
        cdef int64_t unit
        cdef int64_t count = 0
        cdef int kind
        hold(1, self._capacity % 64 == 0 or self._free.level[0][self._free.word_count - 1] >> (self._capacity % 64) == 0)
        hold(1, self._free.word_count == (self._capacity + 63) // 64)
        hold(2, tree_is_valid(&self._free))
        for unit in range(self._capacity):
            count += tree_bits(&self._free, unit, 1)
        hold(3, self._allocated_count == self._capacity - count)
        for kind in range(RUN_KINDS):
            hold(4, not self._runs[kind].built or runs_are_valid(&self._runs[kind], kind, &self._free, self._capacity))
