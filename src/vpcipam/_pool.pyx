# cython: language_level=3, binding=False, embedsignature=True, embedsignature.format=clinic, autotestdict=False
# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# binding=False: a method is then a C method, which the interpreter calls at half the price. The clinic signatures keep inspect and stubtest
# going.
"""The compiled twin of the pools: the same results, errors and words as the plain twin (`_pool_py.py`), in nanoseconds.

What a line does stands here; what the classes promise stands in their docstrings, which are those of the plain twin.
"""

from threading import RLock
from types import GenericAlias

from vpcipam import _pool_refusals as refuse

cimport cython
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject, PyObject_RichCompareBool, Py_EQ
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort, realloc

from vpcipam.pool.block_choice cimport (
    SumTree,
    Tournament,
    draw,
    sum_add,
    sum_before,
    sum_free,
    sum_init,
    sum_select,
    tournament_enter,
    tournament_free,
    tournament_init,
    tournament_play,
    tournament_set,
)
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
    tree_longest_run,
    tree_init,
    tree_take,
)
from vpcipam.pool.key_hash cimport hash_of
from vpcipam.pool.key_table cimport KeyTable, mark_of, table_empty_slot, table_erase, table_resize, table_slot_of
from vpcipam.pool.cache_lines cimport lines_grow
from vpcipam.pool.blocks cimport (
    ASSIGNED,
    COOLING,
    FREE,
    NEAR_FIRST,
    NONE,
    PLACES_MAX,
    Base,
    Block,
    Group,
    Place,
    block_bit,
    block_free,
    give_bit,
    grow_bits,
    grow_places,
    insert,
    lowest_near,
    place_slot,
    remove,
    take_bit,
)
from vpcipam.pool.small_int cimport small_int

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object number, int* overflow) except? -1
    object PyNumber_Index(object value)
    PyObject* PyList_GET_ITEM(PyObject* items, Py_ssize_t index)  # borrowed
    void decref "Py_DECREF" (PyObject* item)
    void PyList_SET_ITEM(PyObject* items, Py_ssize_t index, PyObject* item)  # takes over the reference, and forgets the old item
    bint PyDict_Next(dict items, Py_ssize_t* position, PyObject** key, PyObject** value)

cdef int64_t CAPACITY_MAX = refuse.CAPACITY_MAX
cdef int64_t BLOCK_SIZE_MAX = refuse.BLOCK_SIZE_MAX
cdef int64_t GROUP_MAX = refuse.GROUP_MAX
cdef int64_t TIME_MAX_NS = refuse.TIME_MAX_NS
cdef int64_t UNTIL_MAX_NS = refuse.UNTIL_MAX_NS
cdef object ADDRESS_MAX = refuse.ADDRESS_MAX
cdef object SEED_MAX = refuse.SEED_MAX
cdef object LOW_HALF = 2**64 - 1


cdef inline int64_t bounded(str name, object value, int64_t low, int64_t high) except -1:
    """Take an integer of low … high, where low >= 0."""
    cdef long long number = small_int(value)
    if low <= number <= high:
        return number
    return bounded_slowly(name, value, low, high)


cdef int64_t bounded_slowly(str name, object value, int64_t low, int64_t high) except -1:
    cdef int overflow = 0
    cdef long long number
    if not PyLong_CheckExact(value):
        value = PyNumber_Index(value)
    number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow or number < low or number > high:
        raise refuse.out_of_range(name, value, low, high)
    return number


cdef int hold(int invariant, bint holds) except -1:
    if not holds:
        raise AssertionError(f"invariant {invariant} is broken")
    return 0


# --- offsets -------------------------------------------------------------------------------------------------------------

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


# --- addresses -----------------------------------------------------------------------------------------------------------

cdef enum Placement:  # in the order of refuse.PLACEMENTS
    LOWEST
    PACKED
    SPREAD
    RANDOM

ctypedef struct Found:
    int64_t offset
    int32_t place


cdef enum Comparison:
    DIFFERENT
    EQUAL
    CHANGED  # the comparison itself changed the pool


cdef int by_offset(const void* left, const void* right) noexcept nogil:
    cdef int64_t first = (<const Found*>left).offset
    cdef int64_t second = (<const Found*>right).offset
    return (first > second) - (first < second)


cdef int split(object address, uint64_t* high, uint64_t* low) except -1:
    """Cut an int of 0 … 2**128-1 into two halves."""
    cdef int overflow = 0
    cdef long long number = PyLong_AsLongLongAndOverflow(address, &overflow)
    if overflow:
        high[0] = address >> 64
        low[0] = address & LOW_HALF
    else:
        high[0] = 0
        low[0] = number
    return 0


# The list comes as a plain pointer: of an object, Cython would count one reference more and then one less.

cdef inline PyObject* key_at(PyObject* held, int32_t place) noexcept:
    return PyList_GET_ITEM(held, 2 * <Py_ssize_t>place)


cdef inline PyObject* address_at(PyObject* held, int32_t place) noexcept:
    return PyList_GET_ITEM(held, 2 * <Py_ssize_t>place + 1)


cdef inline PyObject* entry_at(PyObject* kept, int32_t place) noexcept:
    return PyList_GET_ITEM(kept, 2 * <Py_ssize_t>place)


cdef inline PyObject* note_at(PyObject* kept, int32_t place) noexcept:
    return PyList_GET_ITEM(kept, 2 * <Py_ssize_t>place + 1)


cdef inline void put(PyObject* items, Py_ssize_t index, object item) noexcept:
    """Put an item in the place of another; the last thing that is done, if that one's last reference may go with it."""
    cdef PyObject* before = PyList_GET_ITEM(items, index)
    Py_INCREF(item)
    PyList_SET_ITEM(items, index, <PyObject*>item)
    decref(before)


cdef int extend(list items, int64_t count) except -1:
    """Lengthen a list by None. One by one: that makes no new container, so that the garbage collector can't run, and change the pool."""
    while len(items) < count:
        items.append(None)
    return 0


cdef object checked_address(str name, object value, uint64_t* high, uint64_t* low):
    cdef int overflow = 0
    cdef long long number
    if not PyLong_CheckExact(value):
        value = PyNumber_Index(value)
    number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if not overflow and number >= 0:
        high[0] = 0
        low[0] = number
    elif overflow > 0 and value <= ADDRESS_MAX:
        high[0] = value >> 64
        low[0] = value & LOW_HALF
    else:
        raise refuse.out_of_range(name, value, 0, ADDRESS_MAX)
    return value


@cython.final
cdef class AddressPool:
    """Give each key an address out of blocks of consecutive integer addresses, and let an address cool down before it is given again.

    Not thread-safe: a pool has one owner. Under the GIL a call of the compiled twin is atomic, except where it runs `__hash__` and `__eq__`
    of a key.
    Keys are compared as a dict compares them. Integers are taken as `operator.index` takes them; times are 0 … 2**62-1, in nanoseconds.
    Methods of one argument take it by position. `in` and `len()` see the keys. A refused call leaves the pool as it was.

    A new address comes from an open block with a free address, chosen by `placement`; within the block it is the lowest free one.
    Blocks rank by group, then by base, both ascending. "lowest": the first by rank. "packed": the one with most addresses in use (assigned
    or cooling), ties by rank. "spread": with fewest, ties by rank. "random": one of the groups that have such a block, then one of that
    group's blocks, each with equal chance, out of a generator seeded by `seed` (ipamd: it walks two Go maps).

    Whether a cooldown is over is looked at by `assign`, `assign_at` and the cooling counts, unless they refuse. An address once found past
    its cooldown is free for good; a clock that steps back never shortens a cooldown. A cooldown belongs to the address: it outlives the
    removal of the block.

    Invariants:
        1. An address is in one state: free, assigned to one key, or cooling; a key holds one address.
        2. Blocks don't overlap.
        3. Counts of pool, groups and blocks equal a recount; addresses that cool outside all blocks are in no count.
        4. Cooling addresses are in order of expiry, those of equal expiry in the order in which they began.
        5. A block can be chosen if and only if it is open and has a free address, and stands where its rank and use put it.
        6. The lowest free address of a block is found below all others.

    Args:
        cooldown_ns: 0 … 2**62-1; 0 means that an unassigned address is free at once.
        placement: "lowest", "packed", "spread" or "random".
        seed: 0 … 2**64-1, for "random".

    Raises:
        OutOfRange: the cooldown or the seed is outside its bounds.
        InvalidArgument: there is no such placement.

    >>> pool = AddressPool(cooldown_ns=30)
    >>> pool.add_block(base=160, size=16)
    >>> pool.assign("web-1", now_ns=0), pool.assign("web-2", now_ns=1), pool.unassign("web-1", now_ns=2)
    (160, 161, 160)
    >>> pool.assign("web-3", now_ns=31), pool.assign("web-4", now_ns=32)
    (162, 160)
    """

    # The first three lines are what a change reads; the rest, when blocks come and go.
    # By place, side by side as they are needed together: its key, or None, and its address, the int that is handed out, made once.
    # A list, so that the garbage collector sees the keys.
    cdef list _held
    cdef KeyTable _table  # keys to places
    cdef Place* _places
    cdef Block* _blocks
    cdef Group* _groups
    cdef int64_t _cooldown_ns
    cdef int64_t _assigned_count
    cdef int64_t _cooling_count
    cdef uint64_t _changes  # how often a key came or went
    cdef size_t _found_slot  # where the last search ended: at the key, or where it would go
    cdef int32_t _first_cooling
    cdef int32_t _last_cooling
    cdef int32_t _open_count
    cdef int32_t _lowest_open  # "lowest": the block of the lowest of them, kept while it is that; or NONE
    cdef int32_t _place_count
    cdef int _placement
    cdef bint _locked
    cdef bint _keeps  # whether `_kept` is in use
    cdef bint _ranks_stale  # blocks came or went since the ranks were given: they are given anew when one is to be chosen
    cdef int32_t* _by_rank  # blocks, ascending by group, then base
    cdef FreeTree _open_ranks  # "lowest": the ranks that can be chosen
    cdef dict _outside  # address -> place, for far and for remembered places
    cdef list _kept  # as `_held`: its entry, if it has one, and the note of its key, or None; empty until the owner keeps something
    cdef dict _group_slots  # group number -> slot
    cdef list _group_totals  # by slot
    cdef list _bases  # by block
    cdef object _total_count
    cdef object _seed
    cdef void* _place_memory  # in which they lie
    cdef void* _block_memory  # in which they lie
    cdef Base* _bases_at  # by block: its base, as numbers
    cdef int32_t* _by_address  # blocks, ascending by base
    cdef Tournament _by_use  # "packed", "spread": the ranks, by how much of a block is in use
    cdef SumTree _open_sums  # "random": whether a block is open, by rank
    cdef SumTree _group_sums  # "random": whether a group has an open block, by the group's rank
    cdef int32_t* _ranked_groups  # "random": groups, ascending by number
    cdef uint64_t _random_state
    cdef int32_t _place_room
    cdef int32_t _spare_place
    cdef int32_t _block_count  # live ones
    cdef int32_t _closed_count  # of these
    cdef int32_t _block_room
    cdef int32_t _spare_block
    cdef int32_t _group_room
    cdef object __weakref__

    def __cinit__(self, *, cooldown_ns, placement="lowest", seed=0):
        self._cooldown_ns = bounded("cooldown_ns", cooldown_ns, 0, TIME_MAX_NS)
        if placement not in refuse.PLACEMENTS:
            raise refuse.wrong_placement(placement)
        self._placement = refuse.PLACEMENTS.index(placement)
        self._seed = PyNumber_Index(seed)
        if not 0 <= self._seed <= SEED_MAX:
            raise refuse.out_of_range("seed", self._seed, 0, SEED_MAX)
        self._random_state = self._seed
        self._held = []
        self._kept = []
        self._outside = {}
        self._group_slots = {}
        self._group_totals = []
        self._bases = []
        self._total_count = 0
        self._spare_place = self._spare_block = self._first_cooling = self._last_cooling = NONE
        self._ranks_stale = True
        self._resize_table(16)

    def __dealloc__(self):
        cdef int32_t block
        for block in range(self._block_room):
            block_free(&self._blocks[block])
        free(self._place_memory)
        free(self._table.slots)
        free(self._block_memory)
        free(self._bases_at)
        free(self._groups)
        free(self._by_address)
        free(self._by_rank)
        self._free_ranks()

    @classmethod
    def __class_getitem__(cls, key_type, /):
        return GenericAlias(cls, key_type)

    # Blocks

    def add_block(self, base, size, group=0):
        """Add the addresses base … base+size-1, open, as part of a group.

        Those of them that still cool since an earlier block was removed go on cooling.

        Args:
            base: 0 … 2**128-1.
            size: 1 … 2**48; the block must end by 2**128-1.
            group: 0 … 2**31-1, for counts and rank.

        Raises:
            OutOfRange: an argument is outside its bounds.
            OverlappingBlock: the pool has one of these addresses already.

        Complexity: O(log blocks), a move in a sorted array, and the lesser of `size` and the number of remembered addresses. Memory
        does not depend on the size.
        """
        cdef uint64_t high
        cdef uint64_t low
        cdef int64_t length
        cdef int64_t number
        cdef int32_t position
        cdef int32_t neighbour
        cdef int32_t index
        cdef Block* block
        base = checked_address("base", base, &high, &low)
        length = bounded("size", size, 1, BLOCK_SIZE_MAX)
        number = bounded("group", group, 0, GROUP_MAX)
        if base + length - 1 > ADDRESS_MAX:
            raise refuse.block_past_end(base, length)
        position = self._position(high, low)
        for neighbour in range(max(position - 1, 0), min(position + 1, self._block_count)):
            index = self._by_address[neighbour]
            if base < self._bases[index] + self._blocks[index].size and self._bases[index] < base + length:
                raise refuse.overlapping_block(base, length, self._bases[index], self._blocks[index].size)
        # From here on only memory can run out, and nothing is changed before it is all there.
        self._reserve_block()
        group_slot = self._group_slot_for(number)
        index = self._spare_block
        block = &self._blocks[index]
        self._bases[index] = base
        self._spare_block = block.group
        self._bases_at[index].high = high
        self._bases_at[index].low = low
        block.size = length
        block.group = group_slot
        block.near = block.far_count = block.assigned_count = block.cooling_count = 0
        block.bits.word = 0
        block.closed = False
        block.open = True
        insert(self._by_address, self._block_count, position, index)
        self._insert_by_rank(index)
        self._block_count += 1
        self._total_count += length
        self._group_totals[block.group] += length
        self._groups[block.group].block_count += 1
        self._groups[block.group].open_count += 1
        self._open_count += 1
        self._ranks_stale = True
        if self._outside:
            self._take_back_remembered(index)

    def remove_block(self, base, *, force=False, now_ns=None):
        """Remove a block; return the keys that lost their address, in order of address.

        Cooling addresses are remembered: if a block covers them again before their time, they still cool there. Keys are evicted only by
        `force`; their addresses begin to cool at `now_ns`, or not at all if that is None.

        Raises:
            OutOfRange: `base` or `now_ns` is outside its bounds.
            UnknownBlock: no block starts at `base`.
            BlockInUse: addresses of it are assigned, and `force` is not set.

        Complexity: O(log blocks + used addresses of the block).
        """
        cdef int32_t index = self._checked_block(base)
        cdef int64_t now = 0 if now_ns is None else bounded("now_ns", now_ns, 0, TIME_MAX_NS)
        cdef bint evicted_cool = now_ns is not None and self._cooldown_ns > 0
        cdef bint forced = bool(force)
        cdef list evicted = []
        cdef list notes = []  # kept until all is done, as in unassign
        cdef Block* block
        cdef Found* found
        cdef int64_t count
        cdef int64_t each
        cdef int32_t place
        index = self._checked_block(base)  # again: the lines above may have run code of the arguments
        block = &self._blocks[index]
        if block.assigned_count and not forced:
            raise refuse.block_in_use(self._bases[index], block.assigned_count)
        found = self._gather(index, &count)
        try:
            for each in range(count):
                place = found[each].place
                if self._places[place].state == ASSIGNED:
                    evicted.append(<object>key_at(<PyObject*>self._held, place))
                    notes.append(self._take_note(place))
                    self._let_go(place, table_slot_of(&self._table, mark_of(self._places[place].stamp.key_hash), place))
                    if not evicted_cool:
                        self._free_place(place)
                        continue
                    self._cool(place, now + self._cooldown_ns)
                self._count_cooling(block, -1)
                self._remember(place)
        finally:
            free(found)
        self._drop_block(index)
        return tuple(evicted)

    def close_block(self, base, /):
        """Let `assign` take no new address from a block; all else on it goes on. Closing a closed block is no change.

        Raises:
            OutOfRange: `base` is not 0 … 2**128-1.
            UnknownBlock: no block starts at `base`.
        """
        cdef Block* block = &self._blocks[self._checked_block(base)]
        self._closed_count += not block.closed
        block.closed = True
        self._reconsider(block)

    def open_block(self, base, /):
        """Let `assign` take new addresses from a block again. Opening an open block is no change.

        Raises:
            OutOfRange: `base` is not 0 … 2**128-1.
            UnknownBlock: no block starts at `base`.
        """
        cdef Block* block = &self._blocks[self._checked_block(base)]
        self._closed_count -= block.closed
        block.closed = False
        self._reconsider(block)

    def is_closed(self, base, /):
        """Tell whether a block is closed to new assignments.

        Raises:
            OutOfRange: `base` is not 0 … 2**128-1.
            UnknownBlock: no block starts at `base`.
        """
        return self._blocks[self._checked_block(base)].closed

    def blocks(self):
        """Return (base, size, group) of each block, ascending by group, then base."""
        cdef list bases = []
        cdef list sizes = []
        cdef list numbers = []
        cdef int32_t rank
        cdef int32_t index
        for rank in range(self._block_count):
            index = self._by_rank[rank]
            bases.append(self._bases[index])
            sizes.append(self._blocks[index].size)
            numbers.append(self._groups[self._blocks[index].group].number)
        return tuple(zip(bases, sizes, numbers, strict=True))

    def block_of(self, address, /):
        """Return the base of the block that covers an address, or None.

        Raises:
            OutOfRange: `address` is not 0 … 2**128-1.

        Complexity: O(log blocks).
        """
        cdef uint64_t high
        cdef uint64_t low
        cdef int64_t offset
        cdef int32_t index
        checked_address("address", address, &high, &low)
        index = self._covering(high, low, &offset)
        return None if index == NONE else self._bases[index]

    # Assignments

    def assign(self, key, now_ns):
        """Give a key an address; a key that has one gets the same again, and nothing changes.

        Raises:
            OutOfRange: `now_ns` is outside its bounds.
            PoolExhausted: no open block has a free address.

        Complexity: O(1) for "lowest", O(log blocks) for the other placements, amortised over the cooldowns that end.
        """
        cdef bint is_new
        return <object>address_at(<PyObject*>self._held, self._assign(key, bounded("now_ns", now_ns, 0, TIME_MAX_NS), &is_new, False))

    def assign_at(self, key, address, now_ns):
        """Give a key this address, from a closed block too; a key that has this very address keeps it, and nothing changes.

        Raises:
            OutOfRange: `address` or `now_ns` is outside its bounds.
            AlreadyAssigned: the key has another address, or another key has this one.
            NotInPool: no block covers the address.
            CoolingDown: its cooldown is not over at `now_ns`.

        Complexity: O(log blocks), amortised over the cooldowns that end.
        """
        cdef uint64_t high
        cdef uint64_t low
        cdef int64_t offset
        cdef int32_t index
        cdef int32_t place
        cdef int64_t now
        cdef Py_hash_t key_hash
        address = checked_address("address", address, &high, &low)
        now = bounded("now_ns", now_ns, 0, TIME_MAX_NS)
        key_hash = hash_of(key)
        place = self._find(key, key_hash)
        if place != NONE:
            if address != <object>address_at(<PyObject*>self._held, place):
                held = <object>address_at(<PyObject*>self._held, place)
                raise refuse.key_holds_another(key, held, address)
            return
        index = self._covering(high, low, &offset)
        if index == NONE:
            raise refuse.not_in_pool(address)
        place = self._place_at(index, offset, address)
        if place != NONE and self._places[place].state == ASSIGNED:
            raise refuse.address_held(address, <object>key_at(<PyObject*>self._held, place))
        if place != NONE and self._places[place].state == COOLING and self._places[place].stamp.until_ns > now:
            raise refuse.cooling_down(address, self._places[place].stamp.until_ns, now)
        self._reserve_slot(key_hash)
        self._expire(now)
        self._hand_out(self._settle(index, offset, address), key, key_hash)

    def unassign(self, key, now_ns):
        """Take a key's address from it and return that; it cools until `now_ns + cooldown_ns` and is free from then on.

        Raises:
            OutOfRange: `now_ns` is outside its bounds.
            UnknownKey: the key has no address.

        Complexity: O(1) while the clock goes forward; a step back costs the number of cooldowns that it steps over.
        """
        cdef int64_t now = bounded("now_ns", now_ns, 0, TIME_MAX_NS)
        cdef int32_t place = self._holding(key)
        address = <object>address_at(<PyObject*>self._held, place)
        # Both kept until all is done: when the last reference goes, code of the key or the note may run.
        _key = <object>key_at(<PyObject*>self._held, place)
        _note = self._take_note(place)
        self._let_go(place, self._found_slot)
        self._cool_or_free(place, now)
        return address

    def revoke(self, key, /):
        """Undo an assignment that never took effect: take a key's address from it and return that, free at once, without a cooldown.

        Raises:
            UnknownKey: the key has no address.

        Complexity: O(1).
        """
        cdef int32_t place = self._holding(key)
        address = <object>address_at(<PyObject*>self._held, place)
        _key = <object>key_at(<PyObject*>self._held, place)  # as in unassign
        _note = self._take_note(place)
        self._let_go(place, self._found_slot)
        self._free_place(place)
        return address

    def address_of(self, key, /):
        """Return a key's address, or None."""
        cdef int32_t place = self._find(key, hash_of(key))
        return None if place == NONE else <object>address_at(<PyObject*>self._held, place)

    def key_of(self, address, /):
        """Return the key that has an address, or None if no key has it, in the pool or outside.

        Raises:
            OutOfRange: `address` is not 0 … 2**128-1.

        Complexity: O(log blocks).
        """
        cdef int32_t place = self._place_of(address)
        return None if place == NONE else <object>key_at(<PyObject*>self._held, place)

    def items(self):
        """Iterate over (key, address), ascending by address, as they are at the call."""
        cdef list keys = []
        cdef list addresses = []
        cdef int32_t each
        for each in range(self._block_count):
            self._list_assigned(self._by_address[each], keys, addresses)
        return zip(keys, addresses, strict=True)

    def block_items(self, base, /):
        """Iterate over (key, address) of one block, ascending by address, as they are at the call.

        Raises:
            OutOfRange: `base` is not 0 … 2**128-1.
            UnknownBlock: no block starts at `base`.
        """
        cdef list keys = []
        cdef list addresses = []
        self._list_assigned(self._checked_block(base), keys, addresses)
        return zip(keys, addresses, strict=True)

    def __len__(self):
        return self._assigned_count

    # What the owner keeps beside addresses and keys

    def assign_entry(self, key, now_ns, note=None, /):
        """Assign, keep the note if the key is new, and return the entry of the address, or None if it has none.

        For an owner that answers with an object per address, made once, rather than with the int: this is all of it in one call.

        Raises:
            PoolLocked: `locked` is set, be it by now: code of the key or of the time has run before it is looked at.
            OutOfRange: `now_ns` is outside its bounds.
            PoolExhausted: no open block has a free address.

        Complexity: that of `assign`.
        """
        cdef bint is_new
        cdef int32_t place
        if not self._keeps:
            self._keep()
        place = self._assign(key, bounded("now_ns", now_ns, 0, TIME_MAX_NS), &is_new, True)
        if is_new and note is not None:
            put(<PyObject*>self._kept, 2 * <Py_ssize_t>place + 1, note)
        return self._entry_of(place)

    def unassign_entry(self, key, now_ns, /):
        """Unassign, forget the note, and return the entry of the address.

        Raises:
            PoolLocked: as with `assign_entry`.
            OutOfRange: `now_ns` is outside its bounds.
            UnknownKey: the key has no address, or one without an entry, which `unassign` takes back.

        Complexity: that of `unassign`.
        """
        cdef int64_t now = bounded("now_ns", now_ns, 0, TIME_MAX_NS)
        cdef int32_t place = self._find(key, hash_of(key))
        if self._locked:
            raise refuse.pool_locked()
        if place == NONE:
            raise refuse.unknown_key(key)
        entry = self._entry_of(place)
        if entry is None:
            raise refuse.no_entry(key, <object>address_at(<PyObject*>self._held, place))
        _key = <object>key_at(<PyObject*>self._held, place)  # as in unassign
        _note = self._take_note(place)
        self._let_go(place, self._found_slot)
        self._cool_or_free(place, now)
        return entry

    def entry_of(self, key, /):
        """Return the entry of a key's address, or None."""
        cdef int32_t place = self._find(key, hash_of(key))
        return None if place == NONE else self._entry_of(place)

    def set_entry(self, key, entry, /):
        """Keep an object beside a key's address, for whoever is given that next too.

        It goes with its block. Once the address is free it may be gone too, so that an owner must be able to make it again.

        Raises:
            UnknownKey: the key has no address.
        """
        cdef int32_t place
        if not self._keeps:
            self._keep()
        place = self._holding(key)
        self._places[place].has_entry = True
        put(<PyObject*>self._kept, 2 * <Py_ssize_t>place, entry)

    def note_of(self, key, /):
        """Return the note kept with a key, or None."""
        cdef int32_t place = self._find(key, hash_of(key))
        return None if place == NONE or not self._keeps else <object>note_at(<PyObject*>self._kept, place)

    def set_note(self, key, note, /):
        """Keep an object with a key while it has its address.

        Raises:
            UnknownKey: the key has no address.
        """
        cdef int32_t place
        if not self._keeps:
            self._keep()
        place = self._holding(key)
        put(<PyObject*>self._kept, 2 * <Py_ssize_t>place + 1, note)

    def __contains__(self, key):
        return self._find(key, hash_of(key)) != NONE

    # Cooldowns

    def cool_at(self, address, until_ns):
        """Let a free address cool until a time, as it did before a restart; if it cools already, the later end holds.

        Args:
            address: 0 … 2**128-1.
            until_ns: 0 … 2**63-2, nanoseconds; the address is free from then on.

        Raises:
            OutOfRange: an argument is outside its bounds.
            NotInPool: no block covers the address.
            AlreadyAssigned: a key has it.

        Complexity: O(log blocks) if cooldowns come in order of their end.
        """
        cdef uint64_t high
        cdef uint64_t low
        cdef int64_t offset
        cdef int64_t until
        cdef int32_t index
        cdef int32_t place
        address = checked_address("address", address, &high, &low)
        until = bounded("until_ns", until_ns, 0, UNTIL_MAX_NS)
        index = self._covering(high, low, &offset)
        if index == NONE:
            raise refuse.not_in_pool(address)
        place = self._place_at(index, offset, address)
        if place == NONE or self._places[place].state == FREE:
            place = self._settle(index, offset, address)
            take_bit(&self._blocks[index], offset)
            self._cool(place, until)
            self._reconsider(&self._blocks[index])
        elif self._places[place].state == ASSIGNED:
            raise refuse.address_held(address, <object>key_at(<PyObject*>self._held, place))
        elif self._places[place].stamp.until_ns < until:
            self._unlink(place)
            self._count_cooling(&self._blocks[index], -1)
            self._cool(place, until)

    def cooling_until(self, address, /):
        """Return the end of an address's cooldown, over or not, remembered of a removed block or not; None if it does not cool.

        Raises:
            OutOfRange: `address` is not 0 … 2**128-1.
        """
        cdef int32_t place = self._place_of(address)
        return self._places[place].stamp.until_ns if place != NONE and self._places[place].state == COOLING else None

    def cooling_items(self):
        """Return (address, until_ns) of all that cools, in order of expiry, what is remembered of removed blocks included."""
        cdef list addresses = []
        cdef list ends = []
        cdef int32_t place = self._first_cooling
        while place != NONE:
            addresses.append(<object>address_at(<PyObject*>self._held, place))
            ends.append(self._places[place].stamp.until_ns)
            place = self._places[place].after
        return tuple(zip(addresses, ends, strict=True))

    # Counts

    @property
    def locked(self):
        """Whether `assign_entry` and `unassign_entry` are refused: for the owner to set while it does what takes several calls."""
        return self._locked

    @locked.setter
    def locked(self, value):
        self._locked = value

    @property
    def cooldown_ns(self):
        """How long an unassigned address cools, in nanoseconds."""
        return self._cooldown_ns

    @property
    def placement(self):
        """How a block is chosen: "lowest", "packed", "spread" or "random"."""
        return refuse.PLACEMENTS[self._placement]

    @property
    def seed(self):
        """What the generator of "random" was seeded with."""
        return self._seed

    @property
    def total_count(self):
        """The number of addresses in all blocks."""
        return self._total_count

    @property
    def assigned_count(self):
        """The number of addresses that keys hold."""
        return self._assigned_count

    def cooling_count(self, now_ns, /):
        """Count the addresses of the blocks that still cool at `now_ns`.

        Raises:
            OutOfRange: `now_ns` is outside its bounds.

        Complexity: O(1), amortised over the cooldowns that end.
        """
        self._expire(bounded("now_ns", now_ns, 0, TIME_MAX_NS))
        return self._cooling_count

    def block_total_count(self, base, /):
        """Return the size of a block.

        Raises:
            OutOfRange: `base` is not 0 … 2**128-1.
            UnknownBlock: no block starts at `base`.
        """
        return self._blocks[self._checked_block(base)].size

    def block_assigned_count(self, base, /):
        """Count the addresses of a block that keys hold.

        Raises:
            OutOfRange: `base` is not 0 … 2**128-1.
            UnknownBlock: no block starts at `base`.
        """
        return self._blocks[self._checked_block(base)].assigned_count

    def block_cooling_count(self, base, now_ns):
        """Count the addresses of a block that still cool at `now_ns`.

        Raises:
            OutOfRange: `base` or `now_ns` is outside its bounds.
            UnknownBlock: no block starts at `base`.
        """
        cdef int64_t now
        self._checked_block(base)
        now = bounded("now_ns", now_ns, 0, TIME_MAX_NS)
        index = self._checked_block(base)  # again: now_ns may have run code
        self._expire(now)
        return self._blocks[index].cooling_count

    def group_block_count(self, group, /):
        """Count the blocks of a group; 0 for a group that has none, as for all group counts.

        Raises:
            OutOfRange: `group` is not 0 … 2**31-1.
        """
        slot = self._checked_group(group)
        return 0 if slot == NONE else self._groups[slot].block_count

    def group_empty_block_count(self, group, /):
        """Count the blocks of a group without an address that a key holds; addresses of them may cool.

        Raises:
            OutOfRange: `group` is not 0 … 2**31-1.
        """
        slot = self._checked_group(group)
        return 0 if slot == NONE else self._groups[slot].block_count - self._groups[slot].busy_count

    def group_total_count(self, group, /):
        """Count the addresses of a group's blocks.

        Raises:
            OutOfRange: `group` is not 0 … 2**31-1.
        """
        slot = self._checked_group(group)
        return 0 if slot == NONE else self._group_totals[slot]

    def group_assigned_count(self, group, /):
        """Count the addresses of a group's blocks that keys hold.

        Raises:
            OutOfRange: `group` is not 0 … 2**31-1.
        """
        slot = self._checked_group(group)
        return 0 if slot == NONE else self._groups[slot].assigned_count

    def group_cooling_count(self, group, now_ns):
        """Count the addresses of a group's blocks that still cool at `now_ns`.

        Raises:
            OutOfRange: `group` or `now_ns` is outside its bounds.
        """
        cdef int64_t now
        self._checked_group(group)
        now = bounded("now_ns", now_ns, 0, TIME_MAX_NS)
        slot = self._checked_group(group)  # again: now_ns may have run code
        self._expire(now)
        return 0 if slot == NONE else self._groups[slot].cooling_count

    def __repr__(self):
        return (
            f"<AddressPool: {self._assigned_count} of {self._total_count} assigned, {self._block_count} blocks, "
            f"placement {refuse.PLACEMENTS[self._placement]}>"
        )

    def __reduce__(self):
        raise refuse.not_copyable("AddressPool", "build a new one from blocks(), items() and cooling_items()")

    # Arguments

    cdef int32_t _checked_block(self, object base) except -1:
        cdef uint64_t high
        cdef uint64_t low
        cdef int64_t offset
        cdef int32_t index
        base = checked_address("base", base, &high, &low)
        index = self._covering(high, low, &offset)
        if index == NONE or offset:
            raise refuse.unknown_block(base)
        return index

    cdef int32_t _checked_group(self, object group) except -2:
        """The slot of a group, NONE where it has no block."""
        cdef int64_t number = bounded("group", group, 0, GROUP_MAX)
        return self._group_slots.get(number, NONE)

    cdef int32_t _position(self, uint64_t high, uint64_t low) noexcept:
        """How many blocks start below an address."""
        cdef int32_t first = 0
        cdef int32_t last = self._block_count
        cdef int32_t middle
        cdef const Base* base
        while first < last:
            middle = (first + last) >> 1
            base = &self._bases_at[self._by_address[middle]]
            if base.high < high or base.high == high and base.low < low:
                first = middle + 1
            else:
                last = middle
        return first

    cdef int32_t _covering(self, uint64_t high, uint64_t low, int64_t* offset) noexcept:
        """The block that covers an address, and the address's offset in it; NONE if there is none."""
        cdef int32_t position = self._position(high, low)
        cdef int32_t index
        cdef uint64_t distance
        cdef const Base* base
        if position < self._block_count:
            index = self._by_address[position]
            if self._bases_at[index].high == high and self._bases_at[index].low == low:
                offset[0] = 0
                return index
        if position == 0:
            return NONE
        index = self._by_address[position - 1]
        base = &self._bases_at[index]
        distance = low - base.low  # modulo 2**64
        if high - base.high != (low < base.low) or distance >= <uint64_t>self._blocks[index].size:
            return NONE
        offset[0] = distance
        return index

    cdef int32_t _place_at(self, int32_t index, int64_t offset, object address) except -2:
        """The place of an address, whose block and offset are given; NONE if it has none, being free."""
        if index != NONE and offset < self._blocks[index].near:
            return place_slot(&self._blocks[index], offset)[0]
        if not self._outside:
            return NONE
        place = self._outside.get(address)
        return NONE if place is None else place

    cdef int32_t _place_of(self, object address) except -2:
        cdef uint64_t high
        cdef uint64_t low
        cdef int64_t offset = 0
        cdef int32_t index
        address = checked_address("address", address, &high, &low)
        index = self._covering(high, low, &offset)
        return self._place_at(index, offset, address)

    # Keys

    cdef inline int32_t _assign(self, object key, int64_t now, bint* is_new, bint heeds_lock) except -1:
        """The place of a key, which gets one if it has none."""
        cdef Py_hash_t key_hash = hash_of(key)
        cdef int32_t place = self._find(key, key_hash)
        if heeds_lock and self._locked:
            raise refuse.pool_locked()
        is_new[0] = place == NONE
        if is_new[0]:
            if self._open_count == 0 and not self._some_block_opens(now):
                raise refuse.addresses_exhausted(self._total_count, self._assigned_count)
            if self._ranks_stale:
                self._give_ranks()
            self._reserve_slot(key_hash)
            place = self._reused(now)
            if place == NONE:
                self._expire(now)
                place = self._lowest_place(self._choose())
                self._hand_out(place, key, key_hash)
            else:
                self._enter(place, key, key_hash)
        return place

    cdef inline int32_t _find(self, object key, Py_hash_t key_hash) except -2:
        # Comparing runs the keys' own code. It may raise, so nothing may be half done by then; it may change the pool, then the search
        # begins anew.
        cdef uint32_t mark = mark_of(key_hash)
        cdef size_t slot = mark >> self._table.shift
        cdef int32_t place = self._table.slots[slot].place
        cdef int found
        while place != NONE:
            if self._table.slots[slot].mark == mark:
                if key_at(<PyObject*>self._held, place) == <PyObject*>key:
                    break
                if self._places[place].stamp.key_hash == key_hash:
                    found = self._compare(place, key)
                    if found == EQUAL:
                        break
                    if found == CHANGED:
                        slot = mark >> self._table.shift
                        place = self._table.slots[slot].place
                        continue
            slot = (slot + 1) & self._table.mask
            place = self._table.slots[slot].place
        self._found_slot = slot
        return place

    cdef inline int32_t _holding(self, object key) except -1:
        """The place that a key holds."""
        cdef int32_t place = self._find(key, hash_of(key))
        if place == NONE:
            raise refuse.unknown_key(key)
        return place

    cdef int _compare(self, int32_t place, object key) except -1:
        cdef uint64_t changes = self._changes
        held = <object>key_at(<PyObject*>self._held, place)
        cdef bint same = PyObject_RichCompareBool(held, key, Py_EQ)
        if changes != self._changes:
            return CHANGED
        return EQUAL if same else DIFFERENT

    cdef inline int _reserve_slot(self, Py_hash_t key_hash) except -1:
        """Make room for a key for which `_find` has just looked."""
        if <size_t>self._assigned_count * 2 > self._table.mask:
            self._resize_table((self._table.mask + 1) * 2)
            self._found_slot = table_empty_slot(&self._table, mark_of(key_hash))
        return 0

    cdef int _resize_table(self, size_t size) except -1:
        if not table_resize(&self._table, size):
            raise MemoryError
        self._changes += 1
        return 0

    # Places

    cdef int32_t _new_place(self, int32_t index, int64_t offset, object address) except -1:
        cdef int32_t place = self._spare_place
        if place != NONE:
            self._spare_place = self._places[place].after
        else:
            if self._place_count == self._place_room:
                self._reserve_places()
            place = self._place_count
            self._place_count += 1
        self._held[2 * <Py_ssize_t>place + 1] = address
        self._places[place].block = index
        self._places[place].offset = offset
        self._places[place].state = FREE
        self._places[place].has_entry = False
        return place

    cdef int _reserve_places(self) except -1:
        """Make room for more places."""
        cdef int64_t room = max(16, <int64_t>self._place_room * 2)
        cdef Place* places
        if room > PLACES_MAX:
            raise MemoryError
        extend(self._held, 2 * room)
        if self._keeps:
            extend(self._kept, 2 * room)
        places = <Place*>lines_grow(&self._place_memory, self._places, self._place_count * sizeof(Place), room * sizeof(Place))
        if places == NULL:
            raise MemoryError
        self._places = places
        self._place_room = room
        return 0

    cdef int _keep(self) except -1:
        """Begin to keep entries and notes."""
        extend(self._kept, 2 * <int64_t>self._place_room)
        self._keeps = True
        return 0

    cdef inline object _entry_of(self, int32_t place):
        return <object>entry_at(<PyObject*>self._kept, place) if self._places[place].has_entry else None

    cdef inline object _take_note(self, int32_t place):
        """Part a note from its key, which is about to go."""
        if not self._keeps:
            return None
        note = <object>note_at(<PyObject*>self._kept, place)
        put(<PyObject*>self._kept, 2 * <Py_ssize_t>place + 1, None)
        return note

    cdef void _spare(self, int32_t place):
        """Give a place back that no block's array and no dict holds any more."""
        self._held[2 * <Py_ssize_t>place + 1] = None
        self._places[place].after = self._spare_place
        self._spare_place = place

    cdef inline int32_t _lowest_place(self, int32_t index) except -1:
        """The place of the lowest free address of a block that has one."""
        cdef Block* block = &self._blocks[index]
        cdef int64_t offset
        cdef int32_t place
        if block.near <= 64 and block.bits.word:
            offset = lowest_bit(block.bits.word)
        else:
            offset = self._lowest_beyond_word(index)
        place = place_slot(block, offset)[0]
        if place == NONE:
            place = self._new_place(index, offset, self._bases[index] + offset)
            place_slot(block, offset)[0] = place
        return place

    cdef int64_t _lowest_beyond_word(self, int32_t index) except -1:
        """The lowest free offset of a block that has one, but none in its word."""
        cdef Block* block = &self._blocks[index]
        while block.assigned_count + block.cooling_count - block.far_count == block.near:
            self._grow_near(index)
        return lowest_near(block)

    cdef int32_t _settle(self, int32_t index, int64_t offset, object address) except -1:
        """The place of a free address, made where it has none."""
        cdef Block* block = &self._blocks[index]
        cdef int32_t place
        if block.near <= offset < max(NEAR_FIRST, block.near * 2):
            self._grow_near(index)
        if offset < block.near:
            place = place_slot(block, offset)[0]
            if place == NONE:
                place = self._new_place(index, offset, address)
                place_slot(block, offset)[0] = place
        else:
            place = self._new_place(index, offset, address)
            self._outside[address] = place
            block.far_count += 1
        return place

    cdef int _grow_near(self, int32_t index) except -1:
        """Give more offsets of a block a slot and a bit, and bring in the far places among them."""
        cdef Block* block = &self._blocks[index]
        cdef int64_t near = min(max(NEAR_FIRST, block.near * 2), block.size)
        if not grow_places(block, near) or not grow_bits(block, near):
            raise MemoryError
        block.near = near
        if block.far_count:
            self._bring_in(index)
        return 0

    cdef int _bring_in(self, int32_t index) except -1:
        """Move those far places of a block that now have a slot from the dict to it."""
        cdef Block* block = &self._blocks[index]
        cdef int32_t* moved = <int32_t*>malloc(block.far_count * sizeof(int32_t))
        cdef int64_t count = 0
        cdef int64_t each
        cdef Py_ssize_t position = 0
        cdef PyObject* value
        cdef int32_t place
        if moved == NULL:
            raise MemoryError
        while PyDict_Next(self._outside, &position, NULL, &value):
            place = <object>value
            if self._places[place].block == index and self._places[place].offset < block.near:
                moved[count] = place
                count += 1
        for each in range(count):
            place = moved[each]
            del self._outside[<object>address_at(<PyObject*>self._held, place)]
            place_slot(block, self._places[place].offset)[0] = place
            block.far_count -= 1
            take_bit(block, self._places[place].offset)
        free(moved)
        return 0

    cdef Found* _gather(self, int32_t index, int64_t* count) except NULL:
        """List the places of a block that are in use, ascending; the caller frees the list."""
        cdef Block* block = &self._blocks[index]
        cdef Found* found = <Found*>malloc((block.assigned_count + block.cooling_count + 1) * sizeof(Found))
        cdef int64_t near_count
        cdef int64_t offset
        cdef Py_ssize_t position = 0
        cdef PyObject* value
        cdef int32_t place
        if found == NULL:
            raise MemoryError
        count[0] = 0
        for offset in range(block.near):
            place = place_slot(block, offset)[0]
            if place != NONE and self._places[place].state != FREE:
                found[count[0]].offset = offset
                found[count[0]].place = place
                count[0] += 1
        if block.far_count:
            near_count = count[0]
            while PyDict_Next(self._outside, &position, NULL, &value):
                place = <object>value
                if self._places[place].block == index:
                    found[count[0]].offset = self._places[place].offset
                    found[count[0]].place = place
                    count[0] += 1
            qsort(&found[near_count], count[0] - near_count, sizeof(Found), by_offset)
        return found

    cdef int _list_assigned(self, int32_t index, list keys, list addresses) except -1:
        # Appending to lists makes no new container, so that the garbage collector can't run, and change the pool, half-way
        cdef int64_t count
        cdef int64_t each
        cdef int32_t place
        cdef Found* found
        if not self._blocks[index].assigned_count:
            return 0
        found = self._gather(index, &count)
        try:
            for each in range(count):
                place = found[each].place
                if self._places[place].state == ASSIGNED:
                    keys.append(<object>key_at(<PyObject*>self._held, place))
                    addresses.append(<object>address_at(<PyObject*>self._held, place))
        finally:
            free(found)
        return 0

    # Changes of state. No code of a key runs in them, and none of them may fail once begun.

    cdef inline void _set_key(self, int32_t place, object key) noexcept:
        """Put a key, or None, in its place; somebody else still has a reference to what was there."""
        put(<PyObject*>self._held, 2 * <Py_ssize_t>place, key)

    cdef inline void _hand_out(self, int32_t place, object key, Py_hash_t key_hash) noexcept:
        """Give a free place to a key for which `_find` has just looked."""
        cdef Block* block = &self._blocks[self._places[place].block]
        take_bit(block, self._places[place].offset)
        self._enter(place, key, key_hash)
        self._reconsider(block)

    cdef inline void _enter(self, int32_t place, object key, Py_hash_t key_hash) noexcept:
        """Note that a place, whose bit is taken, is a key's."""
        cdef Place* taken = &self._places[place]
        cdef Block* block = &self._blocks[taken.block]
        taken.state = ASSIGNED
        taken.stamp.key_hash = key_hash
        self._set_key(place, key)
        self._table.slots[self._found_slot].place = place
        self._table.slots[self._found_slot].mark = mark_of(key_hash)
        self._changes += 1
        block.assigned_count += 1
        self._groups[block.group].assigned_count += 1
        self._groups[block.group].busy_count += block.assigned_count == 1
        self._assigned_count += 1

    cdef inline void _let_go(self, int32_t place, size_t slot) noexcept:
        """Part an address from its key, of which the caller has a reference; the caller cools or frees the place."""
        cdef Block* block = &self._blocks[self._places[place].block]
        table_erase(&self._table, slot)
        self._changes += 1
        self._set_key(place, None)
        block.assigned_count -= 1
        self._groups[block.group].assigned_count -= 1
        self._groups[block.group].busy_count -= block.assigned_count == 0
        self._assigned_count -= 1

    cdef inline void _count_cooling(self, Block* block, int step) noexcept:
        block.cooling_count += step
        self._groups[block.group].cooling_count += step
        self._cooling_count += step

    cdef inline void _cool(self, int32_t place, int64_t until_ns) noexcept:
        cdef int32_t before = self._last_cooling
        cdef Place* cooling = &self._places[place]
        while before != NONE and self._places[before].stamp.until_ns > until_ns:  # only after the clock stepped back
            before = self._places[before].before
        cooling.state = COOLING
        cooling.stamp.until_ns = until_ns
        cooling.before = before
        if before == NONE:
            cooling.after = self._first_cooling
            self._first_cooling = place
        else:
            cooling.after = self._places[before].after
            self._places[before].after = place
        if cooling.after == NONE:
            self._last_cooling = place
        else:
            self._places[cooling.after].before = place
        self._count_cooling(&self._blocks[cooling.block], 1)

    cdef inline int _cool_or_free(self, int32_t place, int64_t now) except -1:
        """Let an address that has been let go cool from now on, where there is a cooldown."""
        if self._cooldown_ns:
            self._cool(place, now + self._cooldown_ns)
        else:
            self._free_place(place)
        return 0

    cdef inline void _unlink(self, int32_t place) noexcept:
        cdef const Place* cooling = &self._places[place]
        if cooling.before == NONE:
            self._first_cooling = cooling.after
        else:
            self._places[cooling.before].after = cooling.after
        if cooling.after == NONE:
            self._last_cooling = cooling.before
        else:
            self._places[cooling.after].before = cooling.before

    cdef inline int _free_place(self, int32_t place) except -1:
        """Free an address that is neither held nor, any more, in the list of those that cool; its block, if any, counts it no longer."""
        cdef Place* freed = &self._places[place]
        cdef Block* block
        freed.state = FREE
        if freed.block == NONE:
            del self._outside[<object>address_at(<PyObject*>self._held, place)]
            self._spare(place)
            return 0
        block = &self._blocks[freed.block]
        if freed.offset < block.near:
            give_bit(block, freed.offset)
        else:
            del self._outside[<object>address_at(<PyObject*>self._held, place)]
            block.far_count -= 1
            self._spare(place)
        self._reconsider(block)
        return 0

    cdef inline int _expire(self, int64_t now) except -1:
        """Free those places whose cooldown is over."""
        cdef int32_t place = self._first_cooling
        cdef const Place* cooling
        while place != NONE and self._places[place].stamp.until_ns <= now:
            cooling = &self._places[place]
            self._first_cooling = cooling.after
            if cooling.after == NONE:
                self._last_cooling = NONE
            else:
                self._places[cooling.after].before = NONE
            if cooling.block != NONE:
                self._count_cooling(&self._blocks[cooling.block], -1)
            self._free_place(place)
            place = self._first_cooling
        return 0

    cdef inline int32_t _reused(self, int64_t now) noexcept:
        """"lowest", a shortcut: if one cooldown alone is over, and its address then the first of all that are free, end it; or NONE.

        So it is whenever a pod comes for each that goes. The block has as much in use after as before, hence no bit and no rank changes.
        """
        cdef int32_t place = self._first_cooling
        cdef int32_t after
        cdef int32_t lowest
        cdef const Place* cooling
        cdef Block* block
        if place == NONE or self._placement != LOWEST:
            return NONE
        cooling = &self._places[place]
        after = cooling.after
        if cooling.stamp.until_ns > now or cooling.block == NONE or after != NONE and self._places[after].stamp.until_ns <= now:
            return NONE
        block = &self._blocks[cooling.block]
        if block.closed or block.near > 64 or cooling.offset >= block.near:
            return NONE
        if self._open_count:
            lowest = self._choose()
            if block.rank > self._blocks[lowest].rank or block.bits.word & ((<uint64_t>1 << cooling.offset) - 1):
                return NONE
        self._first_cooling = after
        if after == NONE:
            self._last_cooling = NONE
        else:
            self._places[after].before = NONE
        self._count_cooling(block, -1)
        return place

    cdef bint _some_block_opens(self, int64_t now) noexcept:
        """Tell whether an open block gets a free address by now, without yet ending any cooldown: the call may still be refused."""
        cdef int32_t place = self._first_cooling
        while place != NONE and self._places[place].stamp.until_ns <= now:
            if self._places[place].block != NONE and not self._blocks[self._places[place].block].closed:
                return True
            place = self._places[place].after
        return False

    cdef int _remember(self, int32_t place) except -1:
        """Part a cooling place from its block, which is about to go, and which counts it no longer."""
        cdef Place* kept = &self._places[place]
        cdef Block* block = &self._blocks[kept.block]
        if kept.offset < block.near:
            self._outside[<object>address_at(<PyObject*>self._held, place)] = place
            place_slot(block, kept.offset)[0] = NONE
        else:
            block.far_count -= 1
        kept.block = NONE
        kept.has_entry = False
        return 0

    cdef int _take_back_remembered(self, int32_t index) except -1:
        """Let a new block have, as far places, the remembered ones that it covers: they get a slot when it grows."""
        cdef Block* block = &self._blocks[index]
        cdef Py_ssize_t position = 0
        cdef PyObject* address
        cdef PyObject* value
        cdef int64_t offset
        if block.size <= len(self._outside):
            base = self._bases[index]
            for offset in range(block.size):
                place = self._outside.get(base + offset)
                if place is not None:
                    self._take_back(index, place, offset)
        else:
            while PyDict_Next(self._outside, &position, &address, &value):
                self._take_back_if_covered(index, <object>value, <object>address)
        self._reconsider(block)
        return 0

    cdef int _take_back_if_covered(self, int32_t index, int32_t place, object address) except -1:
        cdef uint64_t high = 0
        cdef uint64_t low = 0
        cdef int64_t offset
        split(address, &high, &low)
        if self._covering(high, low, &offset) == index:
            self._take_back(index, place, offset)
        return 0

    cdef void _take_back(self, int32_t index, int32_t place, int64_t offset) noexcept:
        self._places[place].block = index
        self._places[place].offset = offset
        self._blocks[index].far_count += 1
        self._count_cooling(&self._blocks[index], 1)

    # The table of blocks and groups

    cdef int _reserve_block(self) except -1:
        """Make sure that there is a spare block, and room for it in the sorted arrays."""
        cdef int32_t room = max(8, self._block_room * 2)
        cdef int32_t index
        cdef void* memory
        if self._spare_block != NONE:
            return 0
        memory = realloc(self._by_address, room * sizeof(int32_t))
        if memory == NULL:
            raise MemoryError
        self._by_address = <int32_t*>memory
        memory = realloc(self._by_rank, room * sizeof(int32_t))
        if memory == NULL:
            raise MemoryError
        self._by_rank = <int32_t*>memory
        memory = realloc(self._bases_at, room * sizeof(Base))
        if memory == NULL:
            raise MemoryError
        self._bases_at = <Base*>memory
        extend(self._bases, room)
        memory = lines_grow(&self._block_memory, self._blocks, self._block_room * sizeof(Block), room * sizeof(Block))
        if memory == NULL:
            raise MemoryError
        self._blocks = <Block*>memory
        for index in range(self._block_room, room):
            self._blocks[index].size = 0
            self._blocks[index].places.many = NULL
            self._blocks[index].near = 0
            self._blocks[index].group = index + 1 if index + 1 < room else NONE
        self._spare_block = self._block_room
        self._block_room = room
        return 0

    cdef int32_t _group_slot_for(self, int64_t number) except -1:
        """The slot of a group, made if it is new."""
        cdef int32_t slot
        cdef int32_t room
        cdef int32_t fresh
        cdef Group* groups
        known = self._group_slots.get(number)
        if known is not None:
            return known
        for slot in range(self._group_room):
            if self._groups[slot].block_count == 0:
                break
        else:
            slot = self._group_room
            room = max(4, self._group_room * 2)
            groups = <Group*>realloc(self._groups, room * sizeof(Group))
            if groups == NULL:
                raise MemoryError
            self._groups = groups
            while len(self._group_totals) < room:
                self._group_totals.append(0)
            for fresh in range(self._group_room, room):
                self._groups[fresh].block_count = 0
            self._group_room = room
        self._group_slots[number] = slot
        self._groups[slot].number = number
        self._groups[slot].assigned_count = self._groups[slot].cooling_count = 0
        self._groups[slot].open_count = self._groups[slot].busy_count = 0
        return slot

    cdef int32_t _rank_position(self, int32_t index) noexcept:
        """How many blocks rank below one."""
        cdef const Base* base = &self._bases_at[index]
        cdef const Base* other
        cdef int32_t number = self._groups[self._blocks[index].group].number
        cdef int32_t other_number
        cdef int32_t first = 0
        cdef int32_t last = self._block_count
        cdef int32_t middle
        while first < last:
            middle = (first + last) >> 1
            other = &self._bases_at[self._by_rank[middle]]
            other_number = self._groups[self._blocks[self._by_rank[middle]].group].number
            if other_number < number or other_number == number and (
                other.high < base.high or other.high == base.high and other.low < base.low
            ):
                first = middle + 1
            else:
                last = middle
        return first

    cdef void _insert_by_rank(self, int32_t index) noexcept:
        cdef int32_t position = self._rank_position(index)
        insert(self._by_rank, self._block_count, position, index)

    cdef int _drop_block(self, int32_t index) except -1:
        """Forget a block with no address in use."""
        cdef Block* block = &self._blocks[index]
        cdef Group* group = &self._groups[block.group]
        cdef int32_t position = self._position(self._bases_at[index].high, self._bases_at[index].low)
        cdef int32_t rank = self._rank_position(index)
        cdef int32_t place
        cdef int64_t offset
        self._closed_count -= block.closed
        block.closed = True
        self._reconsider(block)
        for offset in range(block.near):
            place = place_slot(block, offset)[0]
            if place != NONE:
                self._spare(place)
        block_free(block)
        remove(self._by_address, self._block_count, position)
        remove(self._by_rank, self._block_count, rank)
        self._block_count -= 1
        self._ranks_stale = True
        self._total_count -= block.size
        self._group_totals[block.group] -= block.size
        group.block_count -= 1
        if group.block_count == 0:
            del self._group_slots[group.number]
        self._bases[index] = None
        block.group = self._spare_block
        self._spare_block = index
        return 0

    # Placement

    cdef inline void _reconsider(self, Block* block) noexcept:
        """Note that a block's use, or whether it is closed, has changed."""
        cdef bint now_open = not block.closed and block.assigned_count + block.cooling_count < block.size
        if now_open != block.open or self._placement == PACKED or self._placement == SPREAD:
            self._rerank(block, now_open)

    cdef void _rerank(self, Block* block, bint now_open) noexcept:
        cdef Group* group = &self._groups[block.group]
        cdef int32_t step = <int32_t>now_open - <int32_t>block.open
        block.open = now_open
        self._open_count += step
        group.open_count += step
        if self._ranks_stale:
            return
        if self._placement == LOWEST:
            if step > 0:
                tree_give(&self._open_ranks, block.rank, 1)
                if self._lowest_open != NONE and block.rank < self._blocks[self._lowest_open].rank:
                    self._lowest_open = block - self._blocks
            elif step < 0:
                tree_take(&self._open_ranks, block.rank, 1)
                if self._lowest_open == block - self._blocks:
                    self._lowest_open = NONE
        elif self._placement == RANDOM:
            sum_add(&self._open_sums, block.rank, step)
            if group.open_count == (step > 0):  # it went from none to one, or from one to none
                sum_add(&self._group_sums, group.rank, step)
        else:
            tournament_set(&self._by_use, block.rank, self._weight(block), now_open)

    cdef inline int64_t _weight(self, const Block* block) noexcept:
        cdef int64_t in_use = block.assigned_count + block.cooling_count
        return -in_use if self._placement == PACKED else in_use

    cdef void _free_ranks(self) noexcept:
        tree_free(&self._open_ranks)
        tournament_free(&self._by_use)
        sum_free(&self._open_sums)
        sum_free(&self._group_sums)
        free(self._ranked_groups)
        self._ranked_groups = NULL

    cdef int _give_ranks(self) except -1:
        """Number the blocks by rank, and build anew what choosing one needs."""
        cdef int32_t rank
        cdef int32_t group_count = 0
        cdef Block* block
        cdef int32_t last_group = NONE
        self._free_ranks()
        for rank in range(self._block_count):
            block = &self._blocks[self._by_rank[rank]]
            block.rank = rank
            if block.group != last_group:
                last_group = block.group
                self._groups[last_group].rank = group_count
                self._groups[last_group].first_rank = rank
                group_count += 1
        if self._placement == LOWEST:
            self._build_open_ranks()
        elif self._placement == RANDOM:
            self._build_sums(group_count)
        else:
            self._build_tournament()
        self._lowest_open = NONE
        self._ranks_stale = False
        return 0

    cdef int _build_open_ranks(self) except -1:
        cdef int32_t rank
        if not tree_init(&self._open_ranks, self._block_count):
            raise MemoryError
        for rank in range(self._block_count):
            if not self._blocks[self._by_rank[rank]].open:
                tree_take(&self._open_ranks, rank, 1)
        return 0

    cdef int _build_sums(self, int32_t group_count) except -1:
        cdef int32_t rank
        cdef const Block* block
        cdef const Group* group
        self._ranked_groups = <int32_t*>malloc(group_count * sizeof(int32_t))
        if self._ranked_groups == NULL or not sum_init(&self._open_sums, self._block_count) or not sum_init(&self._group_sums, group_count):
            raise MemoryError
        for rank in range(self._block_count):
            block = &self._blocks[self._by_rank[rank]]
            group = &self._groups[block.group]
            if block.open:
                sum_add(&self._open_sums, rank, 1)
            if group.first_rank == rank:
                self._ranked_groups[group.rank] = block.group
            if group.first_rank == rank and group.open_count:
                sum_add(&self._group_sums, group.rank, 1)
        return 0

    cdef int _build_tournament(self) except -1:
        cdef int32_t rank
        cdef const Block* block
        if not tournament_init(&self._by_use, self._block_count):
            raise MemoryError
        for rank in range(self._block_count):
            block = &self._blocks[self._by_rank[rank]]
            tournament_enter(&self._by_use, rank, self._weight(block), block.open)
        tournament_play(&self._by_use)
        return 0

    cdef inline int32_t _choose(self) noexcept:
        """The block of the next address; there is one, and the ranks are not stale."""
        if self._placement == LOWEST:
            if self._lowest_open == NONE:
                self._lowest_open = self._by_rank[tree_first(&self._open_ranks)]
            return self._lowest_open
        if self._placement == RANDOM:
            return self._by_rank[self._choose_at_random()]
        return self._by_rank[self._by_use.winners[1]]

    cdef int32_t _choose_at_random(self) noexcept:
        cdef int32_t group_rank = sum_select(&self._group_sums, draw(&self._random_state, self._group_sums.sums[1]))
        cdef const Group* group = &self._groups[self._ranked_groups[group_rank]]
        return sum_select(&self._open_sums, sum_before(&self._open_sums, group.first_rank) + draw(&self._random_state, group.open_count))

    def _check(self):
        self._check_places()
        self._check_blocks()
        self._check_order()
        self._check_choice()

    def _check_places(self):
        cdef int32_t place
        cdef int32_t each
        cdef size_t slot
        cdef int64_t held = 0
        cdef int64_t used
        cdef Place* here
        cdef Block* block
        seen = set()
        for slot in range(self._table.mask + 1):
            place = self._table.slots[slot].place
            if place != NONE:
                held += 1
                hold(1, self._places[place].state == ASSIGNED)
                hold(1, mark_of(self._places[place].stamp.key_hash) == self._table.slots[slot].mark)
                hold(1, place not in seen)
                seen.add(place)
                hold(1, self._find(<object>key_at(<PyObject*>self._held, place), self._places[place].stamp.key_hash) == place)
        hold(3, self._assigned_count == held)
        hold(1, len(self._held) == 2 * self._place_room and len(self._kept) == (2 * self._place_room if self._keeps else 0))
        for place in range(self._place_count):
            hold(1, not self._keeps or place in seen or <object>note_at(<PyObject*>self._kept, place) is None)
            hold(1, self._keeps or not self._places[place].has_entry)
            held_by = <object>key_at(<PyObject*>self._held, place)
            hold(1, (place in seen) == (self._places[place].state == ASSIGNED) == (held_by is not None or place in seen))
        for each in range(self._block_count):
            block = &self._blocks[self._by_address[each]]
            used = 0
            for offset in range(block.near):
                place = place_slot(block, offset)[0]
                here = &self._places[place]
                hold(1, place == NONE or here.block == self._by_address[each] and here.offset == offset)
                hold(1, place == NONE or <object>address_at(<PyObject*>self._held, place) == self._bases[here.block] + offset)
                in_use = place != NONE and here.state != FREE
                used += in_use
                hold(6, in_use != block_bit(block, offset))
            hold(3, used + block.far_count == block.assigned_count + block.cooling_count)
            if block.near > 64:
                hold(6, tree_holds(block.bits.tree))
                hold(6, block.near % 64 == 0 or block.bits.tree.level[0][block.bits.tree.word_count - 1] >> (block.near % 64) == 0)
            else:
                hold(6, block.near <= 64 and (block.near == 64 or block.bits.word >> block.near == 0))
        for address, number in self._outside.items():
            here = &self._places[<int32_t>number]
            hold(1, <object>address_at(<PyObject*>self._held, <int32_t>number) == address and here.state != FREE)
            hold(1, here.block != NONE or here.state == COOLING and self.block_of(address) is None)
            hold(1, here.block == NONE or self._bases[here.block] + here.offset == address and here.offset >= self._blocks[here.block].near)

    def _check_blocks(self):
        cdef int32_t each
        cdef int32_t index
        cdef int32_t place
        assigned = {}
        cooling = {}
        far = {}
        totals = {}
        open_counts = {}
        busy = {}
        for place in self._outside.values():
            if self._places[place].block != NONE:
                far[self._places[place].block] = far.get(self._places[place].block, 0) + 1
        for each in range(self._block_count):
            index = self._by_address[each]
            group = self._blocks[index].group
            if each:
                below = self._by_address[each - 1]
                hold(2, self._bases[below] + self._blocks[below].size <= self._bases[index])
            hold(3, self._blocks[index].far_count == far.get(index, 0))
            totals[group] = totals.get(group, 0) + self._blocks[index].size
            assigned[group] = assigned.get(group, 0) + self._blocks[index].assigned_count
            cooling[group] = cooling.get(group, 0) + self._blocks[index].cooling_count
            open_counts[group] = open_counts.get(group, 0) + self._blocks[index].open
            busy[group] = busy.get(group, 0) + (self._blocks[index].assigned_count > 0)
            hold(3, self._blocks[index].assigned_count == len(list(self.block_items(self._bases[index]))))
        hold(3, sorted(totals) == sorted(self._group_slots.values()))
        for number, slot in self._group_slots.items():
            hold(3, self._groups[<int32_t>slot].number == number and self._group_totals[slot] == totals[slot])
            hold(3, self._groups[<int32_t>slot].assigned_count == assigned[slot])
            hold(3, self._groups[<int32_t>slot].cooling_count == cooling[slot])
            hold(3, self._groups[<int32_t>slot].busy_count == busy[slot])
            hold(5, self._groups[<int32_t>slot].open_count == open_counts[slot])
        hold(3, self._total_count == sum(totals.values()) and self._assigned_count == sum(assigned.values()))
        hold(3, self._cooling_count == sum(cooling.values()))
        hold(3, self._closed_count == sum([self._blocks[self._by_address[rank]].closed for rank in range(self._block_count)]))
        hold(5, self._open_count == sum(open_counts.values()))

    def _check_order(self):
        cdef int32_t place = self._first_cooling
        cdef int32_t before = NONE
        cdef int64_t in_blocks = 0
        cdef int64_t count = 0
        while place != NONE:
            hold(1, self._places[place].state == COOLING)
            hold(4, self._places[place].before == before)
            hold(4, before == NONE or self._places[before].stamp.until_ns <= self._places[place].stamp.until_ns)
            in_blocks += self._places[place].block != NONE
            count += 1
            before = place
            place = self._places[place].after
        hold(4, self._last_cooling == before)
        hold(3, in_blocks == self._cooling_count)
        spare = set()
        place = self._spare_place
        while place != NONE:
            spare.add(place)
            place = self._places[place].after
        for place in range(self._place_count):
            count -= place not in spare and self._places[place].state == COOLING
        hold(4, count == 0)

    def _check_choice(self):
        cdef int32_t rank
        cdef const Block* block
        ranked = []
        for rank in range(self._block_count):
            block = &self._blocks[self._by_rank[rank]]
            ranked.append((self._groups[block.group].number, self._bases[self._by_rank[rank]]))
            hold(5, block.open == (not block.closed and block.assigned_count + block.cooling_count < block.size))
            hold(5, self._ranks_stale or block.rank == rank)
            if not self._ranks_stale and self._placement == LOWEST:
                hold(5, tree_bits(&self._open_ranks, rank, 1) == <uint64_t>block.open)
            elif not self._ranks_stale and self._placement == RANDOM:
                hold(5, self._open_sums.sums[self._open_sums.leaves + rank] == block.open)
            elif not self._ranks_stale:
                hold(5, self._by_use.winners[self._by_use.leaves + rank] == (rank if block.open else NONE))
                hold(5, self._by_use.weights[rank] == self._weight(block))
        hold(5, ranked == sorted(ranked))
        if not self._ranks_stale and self._placement == LOWEST:
            hold(5, tree_holds(&self._open_ranks))
            if self._lowest_open != NONE:
                hold(5, self._blocks[self._lowest_open].rank == tree_first(&self._open_ranks))
        elif not self._ranks_stale and self._placement == RANDOM:
            hold(5, self._open_sums.sums[1] == self._open_count)
            for slot in self._group_slots.values():
                group = &self._groups[<int32_t>slot]
                hold(5, self._group_sums.sums[self._group_sums.leaves + group.rank] == (group.open_count > 0))


# --- for an owner that many threads call -------------------------------------------------------------------------------------


@cython.final
cdef class _OwnersLock:
    # Here since the interpreter runs handlers of signals before and after a call of C, never within: no KeyboardInterrupt comes between
    # taking the lock and noting it, as it may in a context manager written in Python.
    cdef AddressPool _pool
    cdef object _acquire
    cdef object _release
    cdef int64_t _depth  # how often its holder has taken it

    def __cinit__(self, AddressPool pool):
        lock = RLock()
        self._acquire = lock.acquire
        self._release = lock.release
        self._pool = pool

    def __enter__(self):
        self._acquire()
        self._depth += 1
        self._pool._locked = True

    def __exit__(self, kind, error, trace):
        self._depth -= 1
        self._pool._locked = self._depth > 0
        self._release()


def owners_lock(AddressPool pool not None, /):
    """Make the lock of a pool's owner, to be taken by `with`; who has it may take it again. `locked` is set while somebody has it.

    No signal's handler, and so no KeyboardInterrupt, leaves it taken.
    """
    return _OwnersLock(pool)
