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
from cpython.list cimport PyList_GET_ITEM, PyList_New, PyList_SET_ITEM
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from vpcipam.pool.bounds cimport bounded, bounded_in_python, small_int
from vpcipam.pool.free_runs cimport (
    RUN_KINDS,
    Runs,
    runs_are_valid,
    runs_build,
    runs_free,
    runs_release,
    runs_release_bits,
    runs_take,
    runs_take_bits,
)
from vpcipam.pool.free_tree cimport (
    FreeTree,
    bit_count,
    lowest_bit,
    run_mask,
    tree_bits,
    tree_find,
    tree_first,
    tree_free,
    tree_init,
    tree_is_valid,
    tree_list,
    tree_longest_run,
    tree_release,
    tree_release_bits,
    tree_take,
    tree_take_bits,
)
from vpcipam.pool.memory cimport calloc, free, malloc

__all__ = ["AddressPool", "BitmapPool", "owners_lock"]

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object number, int* overflow) except? -1
    object PyNumber_Index(object value)
    Py_buffer* PyMemoryView_GET_BUFFER(object view)
    void decref "Py_DECREF" (PyObject* item)

cdef int64_t CAPACITY_MAX = refuse.CAPACITY_MAX


cdef enum:
    KEPT_INTS_MAX = 65_536  # a /16, the largest subnet: 512 KiB of pointers at most


cdef uint32_t* new_offsets(int64_t count) except NULL:
    """Return an array for so many offsets. The caller frees it."""
    cdef uint32_t* offsets = <uint32_t*>malloc(count * sizeof(uint32_t))
    if offsets == NULL:
        raise MemoryError
    return offsets


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
        number = self._allocate(bounded("start", start, 0, self._capacity - 1))
        if number is None:
            raise refuse.offsets_exhausted(self._capacity)
        return number

    def allocate_or_none(self, start=0):
        """Do as `allocate`, but return None if no offset is free."""
        return self._allocate(bounded("start", start, 0, self._capacity - 1))

    def allocate_many(self, count, start=0):
        """Allocate and return as many offsets, all or nothing: those that `count` calls of `allocate` would return, in that order."""
        cdef int64_t wanted = bounded("count", count, 0, CAPACITY_MAX)
        cdef int64_t first = bounded("start", start, 0, self._capacity - 1)
        cdef int64_t each
        cdef uint32_t* offsets
        cdef list numbers
        self._check_free_count(wanted)  # before a list of this length
        numbers = PyList_New(wanted)
        self._check_free_count(wanted)  # again: a new list can start the garbage collector, whose code can change the pool
        offsets = self._lowest(first, wanted)
        try:
            for each in range(wanted):
                number = self._int_of(offsets[each])  # can run out of memory, so nothing is allocated yet
                Py_INCREF(number)
                PyList_SET_ITEM(numbers, each, number)
            self._take_all(offsets, wanted)
        finally:
            free(offsets)
        return numbers

    def allocate_into(self, buffer, start=0):
        """Fill a buffer of uint32 with the offsets that `allocate_many` would return, all or nothing."""
        cdef object view = refuse.offset_buffer(buffer, written=True)
        cdef int64_t first = bounded("start", start, 0, self._capacity - 1)
        cdef int64_t wanted = PyMemoryView_GET_BUFFER(view).len // sizeof(uint32_t)
        cdef uint32_t* offsets
        self._check_free_count(wanted)
        offsets = self._lowest(first, wanted)
        memcpy(PyMemoryView_GET_BUFFER(view).buf, offsets, wanted * sizeof(uint32_t))
        self._take_all(offsets, wanted)
        free(offsets)

    def allocate_at(self, offset, /):
        """Allocate this offset."""
        cdef int64_t place = bounded("offset", offset, 0, self._capacity - 1)
        if not tree_bits(&self._free, place, 1):
            raise refuse.already_allocated(place)
        self._take(place, 1)

    def allocate_run(self, length, start=0):
        """Allocate the lowest free run that starts at or above `start`, or the lowest of all; return its first offset."""
        cdef int kind = self._checked_kind(length)
        number = self._allocate_run(kind, bounded("start", start, 0, self._capacity - 1))
        if number is None:
            raise refuse.no_free_run(2 << kind, self._capacity - self._allocated_count)
        return number

    def allocate_run_or_none(self, length, start=0):
        """Do as `allocate_run`, but return None if no run is free."""
        cdef int kind = self._checked_kind(length)
        return self._allocate_run(kind, bounded("start", start, 0, self._capacity - 1))

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

    def release_many(self, offsets):
        """Release these offsets, all or nothing."""
        cdef list numbers = list(offsets)  # a copy, since reading an integer can run code that changes `offsets`
        cdef int64_t count = len(numbers)
        cdef int64_t each
        cdef long long number
        cdef uint32_t* places = new_offsets(count)
        try:
            for each in range(count):
                number = small_int(<object>PyList_GET_ITEM(numbers, each))
                if not 0 <= number < self._capacity:
                    number = bounded_in_python(f"offsets[{each}]", numbers[each], 0, self._capacity - 1)
                places[each] = <uint32_t>number
            self._release_all(places, count)
        finally:
            free(places)

    def release_from(self, buffer):
        """Release the offsets in a buffer of uint32, all or nothing."""
        cdef object view = refuse.offset_buffer(buffer, written=False)
        cdef int64_t count = PyMemoryView_GET_BUFFER(view).len // sizeof(uint32_t)
        cdef int64_t each
        cdef uint32_t* places = new_offsets(count)
        memcpy(places, PyMemoryView_GET_BUFFER(view).buf, count * sizeof(uint32_t))  # the buffer need not be aligned
        try:
            for each in range(count):
                if places[each] >= self._capacity:
                    raise refuse.out_of_range(f"buffer[{each}]", places[each], 0, self._capacity - 1)
            self._release_all(places, count)
        finally:
            free(places)

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
        cdef bytearray counts = bytearray((self._capacity + size - 1) // size)
        cdef unsigned char[::1] out = counts
        for unit in range(out.shape[0]):
            out[unit] = bit_count(tree_bits(&self._free, unit * size, size))
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

    cdef int _check_free_count(self, int64_t wanted) except -1:
        if wanted > self._capacity - self._allocated_count:
            raise refuse.too_few_offsets(wanted, self._capacity - self._allocated_count, self._capacity)
        return 0

    cdef inline object _int_of(self, int64_t offset):
        """Return the int of an offset, and keep it."""
        cdef object number
        if offset >= self._int_count:
            return offset
        if self._ints[offset] == NULL:
            number = offset
            Py_INCREF(number)
            self._ints[offset] = <PyObject*>number
        return <object>self._ints[offset]

    cdef inline object _allocate(self, int64_t start):
        """Allocate an offset, and return it or None. Its int is made before the change, because memory can run out."""
        cdef int64_t offset
        if self._allocated_count == self._capacity:
            return None
        offset = tree_find(&self._free, start) if start else -1
        if offset < 0:
            offset = tree_first(&self._free)
        number = self._int_of(offset)
        self._take(offset, 1)
        return number

    cdef inline object _allocate_run(self, int kind, int64_t start):
        """Allocate a run, and return its first offset or None."""
        cdef int64_t size = 2 << kind
        cdef int64_t unit
        cdef object number
        if not self._runs[kind].built:
            self._build_runs(kind)
        if not self._runs[kind].count:
            return None
        unit = tree_find(&self._runs[kind].tree, (start + size - 1) // size) if start else -1
        if unit < 0:
            unit = tree_first(&self._runs[kind].tree)
        number = unit * size  # before the change, because memory can run out
        self._take(unit * size, size)
        return number

    cdef uint32_t* _lowest(self, int64_t start, int64_t count) except NULL:
        """Return the lowest free offsets at or above `start`, then those below it. So many must be free. The caller frees the array."""
        cdef uint32_t* offsets = new_offsets(count)
        cdef int64_t listed = tree_list(&self._free, start, offsets, count)
        tree_list(&self._free, 0, &offsets[listed], count - listed)  # the others are all allocated at or above `start`
        return offsets

    cdef void _take_all(self, const uint32_t* offsets, int64_t count) noexcept:
        """Take free offsets, word by word."""
        cdef int64_t each = 0
        cdef int64_t place
        cdef uint64_t mask
        self._allocated_count += count
        while each < count:
            place = offsets[each] >> 6
            mask = 0
            while each < count and offsets[each] >> 6 == place:
                mask |= <uint64_t>1 << (offsets[each] & 63)
                each += 1
            tree_take_bits(&self._free, place, mask)
            if self._any_runs:
                runs_take_bits(self._runs, place, mask)

    cdef int _release_all(self, const uint32_t* offsets, int64_t count) except -1:
        """Release offsets below the capacity, word by word. If one of them is free, take the others again."""
        cdef int64_t each = 0
        cdef int64_t first
        cdef int64_t place
        cdef uint64_t bit
        cdef uint64_t mask
        while each < count:
            first = each
            place = offsets[each] >> 6
            mask = 0
            while each < count and offsets[each] >> 6 == place:
                bit = <uint64_t>1 << (offsets[each] & 63)
                if (self._free.level[0][place] | mask) & bit:
                    self._take_all(offsets, first)
                    raise refuse.one_not_allocated(offsets[each], each)
                mask |= bit
                each += 1
            self._allocated_count -= each - first
            tree_release_bits(&self._free, place, mask)
            if self._any_runs:
                runs_release_bits(self._runs, &self._free, place)
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
