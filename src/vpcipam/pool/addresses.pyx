# cython: language_level=3, binding=False, embedsignature=True, embedsignature.format=clinic, autotestdict=False
# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# binding=False makes methods C methods, which halves the cost of a call. The clinic signatures keep `inspect` and stubtest working.
"""The compiled twin of AddressPool. It gives the same results and errors as `vpcipam.pool.plain_addresses`, in nanoseconds."""

from bisect import bisect_left, bisect_right
from threading import RLock
from types import GenericAlias

from vpcipam import _pool_refusals as refuse
from vpcipam._pool_refusals import hold

cimport cython
from cpython.object cimport PyObject, PyObject_RichCompareBool, Py_EQ
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport qsort

from vpcipam.pool.block_choice cimport (
    SumTree,
    Tournament,
    draw,
    sum_add,
    sum_before,
    sum_free,
    sum_init,
    sum_select,
    tournament_set_leaf,
    tournament_free,
    tournament_init,
    tournament_build,
    tournament_set,
)
from vpcipam.pool.blocks cimport (
    ASSIGNED,
    COOLING,
    FREE,
    NEAR_FIRST,
    NONE,
    PLACES_MAX,
    Block,
    Group,
    Place,
    block_bit,
    block_free,
    release_bit,
    grow_bits,
    grow_places,
    insert,
    lowest_near,
    place_slot,
    remove,
    take_bit,
)
from vpcipam.pool.bounds cimport bounded, bounded_address
from vpcipam.pool.free_tree cimport (
    FreeTree,
    lowest_bit,
    tree_bits,
    tree_first,
    tree_free,
    tree_init,
    tree_is_valid,
    tree_release,
    tree_take,
)
from vpcipam.pool.key_hash cimport hash_of
from vpcipam.pool.key_table cimport KeyTable, mark_of, table_empty_slot, table_erase, table_resize, table_slot_of
from vpcipam.pool.memory cimport free, malloc, realloc

cdef extern from "Python.h":
    PyObject* PyList_GET_ITEM(PyObject* items, Py_ssize_t index)  # borrowed
    void decref "Py_DECREF" (PyObject* item)
    void PyList_SET_ITEM(PyObject* items, Py_ssize_t index, PyObject* item)  # steals the reference; does not release the old item
    void PyTuple_SET_ITEM(PyObject* items, Py_ssize_t index, PyObject* item)  # steals the reference; does not release the old item
    bint PyDict_Next(dict items, Py_ssize_t* position, PyObject** key, PyObject** value)

cdef int64_t BLOCK_SIZE_MAX = refuse.BLOCK_SIZE_MAX
cdef int64_t GROUP_MAX = refuse.GROUP_MAX
cdef int64_t TIME_MAX_NS = refuse.TIME_MAX_NS
cdef int64_t UNTIL_MAX_NS = refuse.UNTIL_MAX_NS
cdef object ADDRESS_MAX = refuse.ADDRESS_MAX

cdef enum Placement:  # in the order of refuse.PLACEMENTS
    LOWEST
    PACKED
    SPREAD
    RANDOM

ctypedef struct UsedPlace:
    int64_t offset
    int32_t place


ctypedef struct Wanted:  # one of several keys that want an address
    Py_hash_t key_hash
    Py_ssize_t first  # the index of the first key that equals this one, if neither had an address; else its own index
    int32_t place
    bint is_new


cdef enum Comparison:
    DIFFERENT
    EQUAL
    CHANGED  # the comparison itself changed the pool


cdef int by_offset(const void* left, const void* right) noexcept nogil:
    cdef int64_t first = (<const UsedPlace*>left).offset
    cdef int64_t second = (<const UsedPlace*>right).offset
    return (first > second) - (first < second)


# These functions take a list as a plain pointer, because Cython would count references to an object.

cdef inline PyObject* key_at(PyObject* held, int32_t place) noexcept:
    return PyList_GET_ITEM(held, 2 * <Py_ssize_t>place)


cdef inline PyObject* address_at(PyObject* held, int32_t place) noexcept:
    return PyList_GET_ITEM(held, 2 * <Py_ssize_t>place + 1)


cdef inline PyObject* entry_at(PyObject* owner_data, int32_t place) noexcept:
    return PyList_GET_ITEM(owner_data, 2 * <Py_ssize_t>place)


cdef inline PyObject* note_at(PyObject* owner_data, int32_t place) noexcept:
    return PyList_GET_ITEM(owner_data, 2 * <Py_ssize_t>place + 1)


cdef inline void put(PyObject* items, Py_ssize_t index, object item) noexcept:
    """Replace an item. Dropping the last reference to the old item can run its code: call this last, or keep a reference."""
    cdef PyObject* before = PyList_GET_ITEM(items, index)
    Py_INCREF(item)
    PyList_SET_ITEM(items, index, <PyObject*>item)
    decref(before)


cdef inline void put_in_tuple(PyObject* items, Py_ssize_t index, object item) noexcept:
    """Replace a None in a new tuple."""
    Py_INCREF(item)
    PyTuple_SET_ITEM(items, index, <PyObject*>item)
    decref(<PyObject*>None)


cdef int is_first(KeyTable* seen, list keys, Wanted* found, Py_ssize_t each) except -1:
    """Tell whether no key before this one equals it. If not, set its `first`. Comparing keys runs their code."""
    cdef uint32_t mark = mark_of(found[each].key_hash)
    cdef size_t slot = mark >> seen.shift
    cdef int32_t other
    while seen.slots[slot].place != NONE:
        other = seen.slots[slot].place
        if found[other].key_hash == found[each].key_hash and PyObject_RichCompareBool(keys[other], keys[each], Py_EQ):
            found[each].first = other
            return False
        slot = (slot + 1) & seen.mask
    seen.slots[slot].place = <int32_t>each
    seen.slots[slot].mark = mark
    return True


cdef int extend_with_none(list items, int64_t count) except -1:
    """Append None until a list has `count` items. This creates no container, so no garbage collection runs and changes the pool."""
    while len(items) < count:
        items.append(None)
    return 0


@cython.final
cdef class AddressPool:
    """Assign addresses to keys from blocks of consecutive integers; an unassigned address cools down before its next use.

    See `vpcipam.pool.plain` for the full documentation of the class and its methods.
    """

    # Fields that assign and unassign read come first, to share cache lines.
    # Two items per place: its key (or None) and its address. It is a list so that the garbage collector sees the keys.
    cdef list _held
    cdef KeyTable _table  # keys to places
    cdef Place* _places
    cdef Block* _blocks
    cdef Group* _groups
    cdef int64_t _cooldown_ns
    cdef int64_t _assigned_count
    cdef int64_t _cooling_count
    cdef uint64_t _changes  # see `change_count`
    cdef size_t _found_slot  # where the last `_find` ended: the slot of the key, or the empty slot for it
    cdef int32_t _first_cooling
    cdef int32_t _last_cooling
    cdef int32_t _open_count
    cdef int32_t _place_count
    cdef int _placement
    cdef bint _locked
    cdef bint _has_owner_data  # whether the owner has stored entries or notes
    cdef bint _ranks_stale  # blocks were added or removed: compute the ranks before the next choice
    cdef int32_t* _by_rank  # blocks, ascending by group, then base
    cdef FreeTree _open_ranks  # "lowest": the ranks of open blocks
    cdef dict _outside  # address -> place, of far places and of places outside all blocks
    cdef list _owner_data  # two items per place: its entry and the note of its key, each or None; unused unless `_has_owner_data`
    cdef dict _group_slots  # group number -> index of `_groups`
    cdef list _group_totals  # numbers of addresses, by index of `_groups`
    cdef list _bases  # by block, as numbered in `_blocks`
    cdef list _sorted_bases
    cdef dict _block_at  # base -> block
    cdef object _total_count
    cdef object _seed
    cdef Tournament _by_use  # "packed", "spread": the ranks of open blocks, weighted by addresses in use
    cdef SumTree _open_sums  # "random": by rank, whether the block is open
    cdef SumTree _group_sums  # "random": by rank of the group, whether it has an open block
    cdef int32_t* _ranked_groups  # "random": groups, ascending by number
    cdef uint64_t _random_state
    cdef int32_t _place_room
    cdef int32_t _spare_place
    cdef int32_t _block_count
    cdef int32_t _block_room
    cdef int32_t _spare_block
    cdef int32_t _group_room
    cdef object __weakref__

    def __cinit__(self, *, cooldown_ns, placement="lowest", seed=0):
        self._cooldown_ns = bounded("cooldown_ns", cooldown_ns, 0, TIME_MAX_NS)
        if placement not in refuse.PLACEMENTS:
            raise refuse.wrong_placement(placement)
        self._placement = refuse.PLACEMENTS.index(placement)
        self._seed = self._random_state = refuse.bounded("seed", seed, 0, refuse.SEED_MAX)
        self._held = []
        self._owner_data = []
        self._outside = {}
        self._group_slots = {}
        self._group_totals = []
        self._bases = []
        self._sorted_bases = []
        self._block_at = {}
        self._total_count = 0
        self._spare_place = self._spare_block = self._first_cooling = self._last_cooling = NONE
        self._ranks_stale = True
        self._resize_table(16)

    def __dealloc__(self):
        cdef int32_t block
        for block in range(self._block_room):
            block_free(&self._blocks[block])
        free(self._places)
        free(self._table.slots)
        free(self._blocks)
        free(self._groups)
        free(self._by_rank)
        self._free_ranks()

    @classmethod
    def __class_getitem__(cls, key_type, /):
        return GenericAlias(cls, key_type)

    # Blocks

    def add_block(self, base, size, group=0):
        """Add the open block base … base+size-1 to a group."""
        cdef int64_t length
        cdef int64_t number
        cdef int32_t position
        cdef int32_t neighbour
        cdef int32_t index
        cdef int32_t group_slot
        cdef int32_t rank
        cdef UsedPlace* remembered
        cdef int64_t remembered_count
        cdef int64_t each
        cdef bint is_listed
        cdef Block* block
        cdef Group* counts
        base = bounded_address("base", base)
        length = bounded("size", size, 1, BLOCK_SIZE_MAX)
        number = bounded("group", group, 0, GROUP_MAX)
        if base + length - 1 > ADDRESS_MAX:
            raise refuse.block_past_end(base, length)
        position = bisect_left(self._sorted_bases, base)
        for neighbour in range(max(position - 1, 0), min(position + 1, self._block_count)):
            index = self._block_at[self._sorted_bases[neighbour]]
            if base < self._bases[index] + self._blocks[index].size and self._bases[index] < base + length:
                raise refuse.overlapping_block(base, length, self._bases[index], self._blocks[index].size)
        # Allocate what the block needs before the pool changes: from `finally` on, nothing can fail.
        self._ensure_block()
        group_slot = self._ensure_group(number)
        index = self._spare_block
        total = self._total_count + length
        group_total = length if self._groups[group_slot].block_count == 0 else self._group_totals[group_slot] + length
        rank = self._rank_position(number, base)
        remembered = self._remembered_places(base, length, &remembered_count)
        is_listed = False
        try:
            self._group_slots[number] = group_slot
            self._block_at[base] = index
            self._sorted_bases.insert(position, base)
            is_listed = True
        finally:
            if not is_listed:
                free(remembered)
                self._block_at.pop(base, None)
                if self._groups[group_slot].block_count == 0:
                    self._group_slots.pop(number, None)
        block = &self._blocks[index]
        self._bases[index] = base
        self._spare_block = block.group
        block.size = length
        block.group = group_slot
        block.near = block.far_count = block.assigned_count = block.cooling_count = 0
        block.bits.word = 0
        block.closed = False
        block.open = True
        insert(self._by_rank, self._block_count, rank, index)
        self._block_count += 1
        self._total_count = total
        self._group_totals[group_slot] = group_total
        counts = &self._groups[group_slot]
        if counts.block_count == 0:
            counts.number = number
            counts.assigned_count = counts.cooling_count = counts.open_count = counts.busy_count = 0
        counts.block_count += 1
        counts.open_count += 1
        self._open_count += 1
        self._ranks_stale = True
        for each in range(remembered_count):
            self._adopt(index, remembered[each].place, remembered[each].offset)
        free(remembered)
        self._update_block(block)

    def remove_block(self, base, *, force=False, now_ns=None):
        """Remove a block; return the keys that lose their addresses, ascending by address."""
        cdef int32_t index = self._checked_block(base)
        cdef int64_t now = 0 if now_ns is None else bounded("now_ns", now_ns, 0, TIME_MAX_NS)
        cdef bint evicted_cool = now_ns is not None and self._cooldown_ns > 0
        cdef bint forced = bool(force)
        cdef tuple evicted
        cdef list notes  # kept until the end, as in _unassign
        cdef Py_ssize_t position
        cdef Py_ssize_t evicted_count
        cdef Block* block
        cdef UsedPlace* found
        cdef int64_t count
        cdef int64_t each
        cdef int32_t place
        # Allocate what the removal needs before the pool changes. A new container can start the garbage collector, whose code can change
        # the pool, as can reading `now_ns` and `force`: look again after it.
        while True:
            index = self._checked_block(base)
            block = &self._blocks[index]
            if block.assigned_count and not forced:
                raise refuse.block_in_use(self._bases[index], block.assigned_count)
            evicted_count = block.assigned_count
            notes = [None] * evicted_count
            evicted = tuple(notes)
            index = self._checked_block(base)
            block = &self._blocks[index]
            if block.assigned_count == evicted_count:
                break
        total = self._total_count - block.size
        group_total = self._group_totals[block.group] - block.size
        group_number = self._groups[block.group].number
        position = bisect_left(self._sorted_bases, self._bases[index])
        found = self._used_places(index, &count)
        try:
            self._list_as_outside(index, found, count, evicted_cool, position)
            evicted_count = 0
            for each in range(count):
                place = found[each].place
                if self._places[place].state == ASSIGNED:
                    put_in_tuple(<PyObject*>evicted, evicted_count, <object>key_at(<PyObject*>self._held, place))
                    put(<PyObject*>notes, evicted_count, self._take_note(place))
                    evicted_count += 1
                    self._remove_key(place, table_slot_of(&self._table, mark_of(self._places[place].stamp.key_hash), place))
                    if not evicted_cool:
                        self._free_place(place)
                        continue
                    self._cool(place, now + self._cooldown_ns)
                self._count_cooling(block, -1)
                self._remember(place)
        finally:
            free(found)
        self._total_count = total
        self._group_totals[block.group] = group_total
        self._drop_block(index, group_number)
        return evicted

    def close_block(self, base, /):
        """Stop `assign` from choosing a block; all other calls still work on it. Closing a closed block changes nothing."""
        cdef Block* block = &self._blocks[self._checked_block(base)]
        block.closed = True
        self._update_block(block)

    def open_block(self, base, /):
        """Let `assign` choose a closed block again. Opening an open block changes nothing."""
        cdef Block* block = &self._blocks[self._checked_block(base)]
        block.closed = False
        self._update_block(block)

    def is_closed(self, base, /):
        """Tell whether a block is closed to new assignments."""
        return <bint>self._blocks[self._checked_block(base)].closed

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
        """Return the base of the block that covers an address, or None."""
        cdef int64_t offset
        cdef int32_t index = self._covering(bounded_address("address", address), &offset)
        return None if index == NONE else self._bases[index]

    # Assignments

    def assign(self, key, now_ns):
        """Assign an address to a key and return it. If the key already has one, return that."""
        cdef bint is_new
        return <object>address_at(<PyObject*>self._held, self._assign(key, bounded("now_ns", now_ns, 0, TIME_MAX_NS), &is_new, False))

    def assign_many(self, keys, now_ns):
        """Assign an address to each of these keys, all or nothing, and return the addresses: those that calls of `assign` would return."""
        cdef int64_t now = bounded("now_ns", now_ns, 0, TIME_MAX_NS)
        cdef list wanted = list(keys)
        cdef list addresses = [None] * len(wanted)  # before the look-up: a new list can start the garbage collector
        cdef Wanted* found = <Wanted*>malloc(len(wanted) * sizeof(Wanted))
        cdef Py_ssize_t each
        if found == NULL:
            raise MemoryError
        try:
            # Look up and compare all keys before the first change, because both run code of keys, which can raise and change the pool.
            self._check_assignable(wanted, found, self._look_up(wanted, found), now)
            self._assign_wanted(wanted, found, now)
            for each in range(len(wanted)):
                put(<PyObject*>addresses, each, <object>address_at(<PyObject*>self._held, found[found[each].first].place))
        finally:
            free(found)
        return addresses

    def assign_at(self, key, address, now_ns):
        """Assign this address to a key, even in a closed block. If the key already has it, change nothing."""
        cdef int64_t offset
        cdef int32_t index
        cdef int32_t place
        cdef int64_t now
        cdef Py_hash_t key_hash
        address = bounded_address("address", address)
        now = bounded("now_ns", now_ns, 0, TIME_MAX_NS)
        key_hash = hash_of(key)
        place = self._find(key, key_hash)
        if place != NONE:
            if address != <object>address_at(<PyObject*>self._held, place):
                held = <object>address_at(<PyObject*>self._held, place)
                raise refuse.key_holds_another(key, held, address)
            return
        index = self._covering(address, &offset)
        if index == NONE:
            raise refuse.not_in_pool(address)
        place = self._place_at(index, offset, address)
        if place != NONE and self._places[place].state == ASSIGNED:
            raise refuse.address_held(address, <object>key_at(<PyObject*>self._held, place))
        if place != NONE and self._places[place].state == COOLING and self._places[place].stamp.until_ns > now:
            raise refuse.cooling_down(address, self._places[place].stamp.until_ns, now)
        self._ensure_slot(key_hash)
        self._expire(now)
        self._add_key(self._make_place(index, offset, address), key, key_hash)

    def unassign(self, key, now_ns):
        """Remove a key and return its address, which cools until `now_ns + cooldown_ns` and is free from then on."""
        cdef int64_t now = bounded("now_ns", now_ns, 0, TIME_MAX_NS)
        cdef int32_t place = self._holding(key)
        address = <object>address_at(<PyObject*>self._held, place)
        self._unassign(place, now)
        return address

    def revoke(self, key, /):
        """Undo an assignment that never took effect: remove the key and return its address, which is free at once."""
        cdef int32_t place = self._holding(key)
        address = <object>address_at(<PyObject*>self._held, place)
        _key = <object>key_at(<PyObject*>self._held, place)  # as in _unassign
        _note = self._take_note(place)
        self._remove_key(place, self._found_slot)
        self._free_place(place)
        return address

    def address_of(self, key, /):
        """Return a key's address, or None."""
        cdef int32_t place = self._find(key, hash_of(key))
        return None if place == NONE else <object>address_at(<PyObject*>self._held, place)

    def key_of(self, address, /):
        """Return the key of an address, or None if no key has it. The address can lie outside all blocks."""
        cdef int32_t place = self._place_of(address)
        return None if place == NONE else <object>key_at(<PyObject*>self._held, place)

    def items(self):
        """Return an iterator over (key, address), ascending by address; later changes don't show."""
        cdef list keys = []
        cdef list addresses = []
        for base in self._sorted_bases:
            self._append_assigned(self._block_at[base], keys, addresses)
        return zip(keys, addresses, strict=True)

    def block_items(self, base, /):
        """Return an iterator over (key, address) of one block, ascending by address; later changes don't show."""
        cdef list keys = []
        cdef list addresses = []
        self._append_assigned(self._checked_block(base), keys, addresses)
        return zip(keys, addresses, strict=True)

    def __len__(self):
        return self._assigned_count

    # The owner's objects for addresses (entries) and for keys (notes)

    def assign_entry(self, key, now_ns, note=None, /):
        """Assign an address, store the note if the key is new, and return the entry of the address, or None if it has none."""
        cdef bint is_new
        cdef int32_t place
        if not self._has_owner_data:
            self._make_owner_data()
        place = self._assign(key, bounded("now_ns", now_ns, 0, TIME_MAX_NS), &is_new, True)
        if is_new and note is not None:
            put(<PyObject*>self._owner_data, 2 * <Py_ssize_t>place + 1, note)
        return self._entry_of(place)

    def unassign_entry(self, key, now_ns, /):
        """Remove a key and its note, and return the entry of its address."""
        cdef int64_t now = bounded("now_ns", now_ns, 0, TIME_MAX_NS)
        cdef int32_t place = self._find(key, hash_of(key))
        if self._locked:
            raise refuse.pool_locked()
        if place == NONE:
            raise refuse.unknown_key(key)
        entry = self._entry_of(place)
        if entry is None:
            raise refuse.no_entry(key, <object>address_at(<PyObject*>self._held, place))
        self._unassign(place, now)
        return entry

    def entry_of(self, key, /):
        """Return the entry of a key's address, or None."""
        cdef int32_t place = self._find(key, hash_of(key))
        return None if place == NONE else self._entry_of(place)

    def set_entry(self, key, entry, /):
        """Store an object, the entry, for a key's address. The next key that gets the address finds it too."""
        cdef int32_t place
        if not self._has_owner_data:
            self._make_owner_data()
        place = self._holding(key)
        self._places[place].has_entry = True
        put(<PyObject*>self._owner_data, 2 * <Py_ssize_t>place, entry)

    def note_of(self, key, /):
        """Return the note of a key, or None."""
        cdef int32_t place = self._find(key, hash_of(key))
        return None if place == NONE or not self._has_owner_data else <object>note_at(<PyObject*>self._owner_data, place)

    def set_note(self, key, note, /):
        """Store an object, the note, for a key. It stays as long as the key has its address."""
        cdef int32_t place
        if not self._has_owner_data:
            self._make_owner_data()
        place = self._holding(key)
        put(<PyObject*>self._owner_data, 2 * <Py_ssize_t>place + 1, note)

    def __contains__(self, key):
        return self._find(key, hash_of(key)) != NONE

    # Cooldowns

    def cool_at(self, address, until_ns):
        """Make a free address cool until a time, to restore a cooldown after a restart. If it cools already, the later end counts."""
        cdef int64_t offset
        cdef int64_t until
        cdef int32_t index
        cdef int32_t place
        address = bounded_address("address", address)
        until = bounded("until_ns", until_ns, 0, UNTIL_MAX_NS)
        index = self._covering(address, &offset)
        if index == NONE:
            raise refuse.not_in_pool(address)
        place = self._place_at(index, offset, address)
        if place == NONE or self._places[place].state == FREE:
            place = self._make_place(index, offset, address)
            take_bit(&self._blocks[index], offset)
            self._cool(place, until)
            self._changes += 1
            self._update_block(&self._blocks[index])
        elif self._places[place].state == ASSIGNED:
            raise refuse.address_held(address, <object>key_at(<PyObject*>self._held, place))
        elif self._places[place].stamp.until_ns < until:
            self._unlink(place)
            self._count_cooling(&self._blocks[index], -1)
            self._cool(place, until)
            self._changes += 1

    def cooling_until(self, address, /):
        """Return when the cooldown of an address ends, or None if it does not cool. The end can be in the past, and the block removed."""
        cdef int32_t place = self._place_of(address)
        return self._places[place].stamp.until_ns if place != NONE and self._places[place].state == COOLING else None

    def cooling_items(self):
        """Return (address, until_ns) of all cooling addresses, in order of expiry, including those of removed blocks."""
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
        """Whether `assign_entry` and `unassign_entry` raise PoolLocked. The owner sets it while an operation needs several calls."""
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
        """The seed of "random"."""
        return self._seed

    @property
    def total_count(self):
        """The number of addresses in all blocks."""
        return self._total_count

    @property
    def assigned_count(self):
        """The number of assigned addresses."""
        return self._assigned_count

    @property
    def change_count(self):
        """A number that grows with every change of a key's address and every `cool_at`, but not when a cooldown ends."""
        return self._changes

    def cooling_count(self, now_ns, /):
        """Count the addresses in blocks that still cool at `now_ns`."""
        self._expire(bounded("now_ns", now_ns, 0, TIME_MAX_NS))
        return self._cooling_count

    def block_total_count(self, base, /):
        """Return the size of a block."""
        return self._blocks[self._checked_block(base)].size

    def block_assigned_count(self, base, /):
        """Count the assigned addresses of a block."""
        return self._blocks[self._checked_block(base)].assigned_count

    def block_cooling_count(self, base, now_ns):
        """Count the addresses of a block that still cool at `now_ns`."""
        cdef int64_t now
        self._checked_block(base)
        now = bounded("now_ns", now_ns, 0, TIME_MAX_NS)
        index = self._checked_block(base)  # again, since reading `now_ns` can run code that changes the pool
        self._expire(now)
        return self._blocks[index].cooling_count

    def group_block_count(self, group, /):
        """Count the blocks of a group. All group counts are 0 if the group has no block."""
        slot = self._checked_group(group)
        return 0 if slot == NONE else self._groups[slot].block_count

    def group_empty_block_count(self, group, /):
        """Count the blocks of a group that have no assigned address. Their addresses can be cooling."""
        slot = self._checked_group(group)
        return 0 if slot == NONE else self._groups[slot].block_count - self._groups[slot].busy_count

    def group_total_count(self, group, /):
        """Count the addresses of a group's blocks."""
        slot = self._checked_group(group)
        return 0 if slot == NONE else self._group_totals[slot]

    def group_assigned_count(self, group, /):
        """Count the assigned addresses of a group's blocks."""
        slot = self._checked_group(group)
        return 0 if slot == NONE else self._groups[slot].assigned_count

    def group_cooling_count(self, group, now_ns):
        """Count the addresses of a group's blocks that still cool at `now_ns`."""
        cdef int64_t now
        self._checked_group(group)
        now = bounded("now_ns", now_ns, 0, TIME_MAX_NS)
        slot = self._checked_group(group)  # again, since reading `now_ns` can run code that changes the pool
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
        base = bounded_address("base", base)
        index = self._block_at.get(base)
        if index is None:
            raise refuse.unknown_block(base)
        return index

    cdef int32_t _checked_group(self, object group) except -2:
        """Return the index of a group in `_groups`, NONE if it has no block."""
        cdef int64_t number = bounded("group", group, 0, GROUP_MAX)
        return self._group_slots.get(number, NONE)

    cdef int32_t _covering(self, object address, int64_t* offset) except -2:
        """Return the block that covers an address, or NONE; set the offset of the address in it."""
        cdef Py_ssize_t position = bisect_right(self._sorted_bases, address)
        cdef int32_t index
        if position == 0:
            return NONE
        base = self._sorted_bases[position - 1]
        index = self._block_at[base]
        distance = address - base
        if distance >= self._blocks[index].size:
            return NONE
        offset[0] = distance
        return index

    cdef int32_t _place_at(self, int32_t index, int64_t offset, object address) except -2:
        """Return the place of the address at this block and offset, NONE if the address has none and is thus free."""
        if index != NONE and offset < self._blocks[index].near:
            return place_slot(&self._blocks[index], offset)[0]
        return self._outside.get(address, NONE)

    cdef int32_t _place_of(self, object address) except -2:
        cdef int64_t offset = 0
        cdef int32_t index
        address = bounded_address("address", address)
        index = self._covering(address, &offset)
        return self._place_at(index, offset, address)

    # Keys

    cdef inline int32_t _assign(self, object key, int64_t now, bint* is_new, bint respects_lock) except -1:
        """Return the place of a key; give a new key one."""
        cdef Py_hash_t key_hash = hash_of(key)
        cdef int32_t place = self._find(key, key_hash)
        if respects_lock and self._locked:
            raise refuse.pool_locked()
        is_new[0] = place == NONE
        if is_new[0]:
            if self._open_count == 0 and not self._some_block_opens(now):
                raise refuse.addresses_exhausted(self._total_count, self._assigned_count)
            place = self._assign_new(key, key_hash, now)
        return place

    cdef inline int32_t _assign_new(self, object key, Py_hash_t key_hash, int64_t now) except -1:
        """Assign an address to the key that `_find` has just looked for, and return its place. There must be a free one at this time."""
        cdef int32_t place
        if self._ranks_stale:
            self._compute_ranks()
        self._ensure_slot(key_hash)
        place = self._reuse_expired(now)
        if place == NONE:
            self._expire(now)
            place = self._lowest_place(self._choose())
            self._add_key(place, key, key_hash)
        else:
            self._record_key(place, key, key_hash)
        return place

    # Several keys at once

    cdef int64_t _look_up(self, list keys, Wanted* found) except -1:
        """Find the place of each key. Of keys without a place, find the first that equals each; return how many are such a first."""
        cdef KeyTable seen  # the first of equal keys without a place
        cdef size_t size = 16
        cdef Py_ssize_t each
        cdef int64_t new_count
        cdef uint64_t changes
        if len(keys) > PLACES_MAX:
            raise MemoryError
        while size < <size_t>len(keys) * 2:
            size *= 2
        for each in range(len(keys)):
            found[each].key_hash = hash_of(keys[each])
        seen.slots = NULL
        try:
            while True:
                if not table_resize(&seen, size):
                    raise MemoryError
                changes = self._changes
                new_count = 0
                for each in range(len(keys)):
                    found[each].first = each
                    found[each].place = self._find(keys[each], found[each].key_hash)
                    found[each].is_new = found[each].place == NONE and is_first(&seen, keys, found, each)
                    new_count += found[each].is_new
                if changes == self._changes:  # else a comparison has changed the pool: look again
                    return new_count
                free(seen.slots)
                seen.slots = NULL
        finally:
            free(seen.slots)

    cdef int _check_assignable(self, list keys, const Wanted* found, int64_t new_count, int64_t now) except -1:
        """Refuse more new keys than there are addresses to assign."""
        cdef int64_t count = self._assignable_count(now, new_count)
        cdef int64_t left = count
        cdef Py_ssize_t each = 0
        if count >= new_count:
            return 0
        while left or not found[each].is_new:
            left -= found[each].is_new
            each += 1
        raise refuse.too_few_addresses(keys[each], each, new_count, count, self._total_count)

    cdef int64_t _assignable_count(self, int64_t now, int64_t enough) noexcept:
        """Count the addresses that can be assigned at a time, or stop at `enough`. It ends no cooldown: the caller can raise."""
        cdef int64_t count = 0
        cdef int32_t rank = 0
        cdef int32_t place = self._first_cooling
        cdef const Block* block
        while rank < self._block_count and count < enough:
            block = &self._blocks[self._by_rank[rank]]
            if block.open:
                count += block.size - block.assigned_count - block.cooling_count
            rank += 1
        while count < enough and place != NONE and self._places[place].stamp.until_ns <= now:
            if self._places[place].block != NONE and not self._blocks[self._places[place].block].closed:
                count += 1
            place = self._places[place].after
        return count

    cdef int _assign_wanted(self, list keys, Wanted* found, int64_t now) except -1:
        """Assign addresses to the new keys. If memory runs out, take them back."""
        cdef uint64_t random_state = self._random_state
        cdef Py_ssize_t each = 0
        cdef int32_t place
        try:
            while each < len(keys):
                if found[each].is_new:
                    self._found_slot = table_empty_slot(&self._table, mark_of(found[each].key_hash))
                    found[each].place = self._assign_new(keys[each], found[each].key_hash, now)
                each += 1
        except MemoryError:
            while each > 0:
                each -= 1
                if found[each].is_new:
                    place = found[each].place
                    self._remove_key(place, table_slot_of(&self._table, mark_of(found[each].key_hash), place))
                    self._free_place(place)
            self._random_state = random_state
            raise
        return 0

    cdef inline int32_t _find(self, object key, Py_hash_t key_hash) except -2:
        # Comparing runs the keys' own code. It can raise, so nothing may be half changed here. If it changes the pool, search again.
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
        """Return the place of a key, or raise UnknownKey."""
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

    cdef inline int _ensure_slot(self, Py_hash_t key_hash) except -1:
        """Make room for the key that `_find` has just looked for."""
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
                self._grow_places()
            place = self._place_count
            self._place_count += 1
        self._held[2 * <Py_ssize_t>place + 1] = address
        self._places[place].block = index
        self._places[place].offset = offset
        self._places[place].state = FREE
        self._places[place].has_entry = False
        return place

    cdef int _grow_places(self) except -1:
        """Make room for more places."""
        cdef int64_t room = max(16, <int64_t>self._place_room * 2)
        cdef Place* places
        if room > PLACES_MAX:
            raise MemoryError
        extend_with_none(self._held, 2 * room)
        if self._has_owner_data:
            extend_with_none(self._owner_data, 2 * room)
        places = <Place*>realloc(self._places, room * sizeof(Place))
        if places == NULL:
            raise MemoryError
        self._places = places
        self._place_room = room
        return 0

    cdef int _make_owner_data(self) except -1:
        """Make room for entries and notes."""
        extend_with_none(self._owner_data, 2 * <int64_t>self._place_room)
        self._has_owner_data = True
        return 0

    cdef inline object _entry_of(self, int32_t place):
        return <object>entry_at(<PyObject*>self._owner_data, place) if self._places[place].has_entry else None

    cdef inline object _take_note(self, int32_t place):
        """Remove and return the note of a key."""
        if not self._has_owner_data:
            return None
        note = <object>note_at(<PyObject*>self._owner_data, place)
        put(<PyObject*>self._owner_data, 2 * <Py_ssize_t>place + 1, None)
        return note

    cdef void _recycle(self, int32_t place):
        """Make a place available for another address. No block and no dict may still refer to it."""
        self._held[2 * <Py_ssize_t>place + 1] = None
        self._places[place].after = self._spare_place
        self._spare_place = place

    cdef inline int32_t _lowest_place(self, int32_t index) except -1:
        """Return the place of the lowest free address of a block. The block must have one."""
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
        """Return the lowest free offset of a block whose `word` has no free offset, or that has no `word`."""
        cdef Block* block = &self._blocks[index]
        while block.assigned_count + block.cooling_count - block.far_count == block.near:
            self._grow_near(index)
        return lowest_near(block)

    cdef int32_t _make_place(self, int32_t index, int64_t offset, object address) except -1:
        """Return the place of a free address; make one if it has none."""
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
            try:
                self._outside[address] = place
            except MemoryError:
                self._recycle(place)
                raise
            block.far_count += 1
        return place

    cdef int _grow_near(self, int32_t index) except -1:
        """Raise `near` of a block, and move the far places below it into the block; all or nothing."""
        cdef Block* block = &self._blocks[index]
        cdef int64_t near = min(max(NEAR_FIRST, block.near * 2), block.size)
        cdef int32_t* moved = <int32_t*>malloc(block.far_count * sizeof(int32_t))
        if moved == NULL or not grow_places(block, near) or not grow_bits(block, near):
            free(moved)
            raise MemoryError
        block.near = near
        if block.far_count:
            self._move_far_places(index, moved)
        free(moved)
        return 0

    cdef int _move_far_places(self, int32_t index, int32_t* moved) except -1:
        """Move the places below `near` from the dict into the block. `moved` has room for all far places, so nothing is allocated."""
        cdef Block* block = &self._blocks[index]
        cdef int64_t count = 0
        cdef int64_t each
        cdef Py_ssize_t position = 0
        cdef PyObject* value
        cdef int32_t place
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
        return 0

    cdef UsedPlace* _used_places(self, int32_t index, int64_t* count) except NULL:
        """Return the places of a block that are in use, ascending by offset. The caller frees the array."""
        cdef Block* block = &self._blocks[index]
        cdef UsedPlace* found = <UsedPlace*>malloc((block.assigned_count + block.cooling_count + 1) * sizeof(UsedPlace))
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
            qsort(&found[near_count], count[0] - near_count, sizeof(UsedPlace), by_offset)
        return found

    cdef int _append_assigned(self, int32_t index, list keys, list addresses) except -1:
        # Appending makes no container, so the garbage collector can't run code that changes the pool meanwhile.
        cdef int64_t count
        cdef int64_t each
        cdef int32_t place
        cdef UsedPlace* found
        if not self._blocks[index].assigned_count:
            return 0
        found = self._used_places(index, &count)
        try:
            for each in range(count):
                place = found[each].place
                if self._places[place].state == ASSIGNED:
                    keys.append(<object>key_at(<PyObject*>self._held, place))
                    addresses.append(<object>address_at(<PyObject*>self._held, place))
        finally:
            free(found)
        return 0

    # State changes. They run no code of keys. None may fail after its first change.

    cdef inline void _add_key(self, int32_t place, object key, Py_hash_t key_hash) noexcept:
        """Assign a free place to the key that `_find` has just looked for."""
        cdef Block* block = &self._blocks[self._places[place].block]
        take_bit(block, self._places[place].offset)
        self._record_key(place, key, key_hash)
        self._update_block(block)

    cdef inline void _record_key(self, int32_t place, object key, Py_hash_t key_hash) noexcept:
        """Record the key of a place. The caller has cleared its bit."""
        cdef Place* taken = &self._places[place]
        cdef Block* block = &self._blocks[taken.block]
        taken.state = ASSIGNED
        taken.stamp.key_hash = key_hash
        put(<PyObject*>self._held, 2 * <Py_ssize_t>place, key)
        self._table.slots[self._found_slot].place = place
        self._table.slots[self._found_slot].mark = mark_of(key_hash)
        self._changes += 1
        block.assigned_count += 1
        self._groups[block.group].assigned_count += 1
        self._groups[block.group].busy_count += block.assigned_count == 1
        self._assigned_count += 1

    cdef inline void _remove_key(self, int32_t place, size_t slot) noexcept:
        """Remove the key of a place. The caller has a reference to the key, and cools or frees the place."""
        cdef Block* block = &self._blocks[self._places[place].block]
        table_erase(&self._table, slot)
        self._changes += 1
        put(<PyObject*>self._held, 2 * <Py_ssize_t>place, None)
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
        while before != NONE and self._places[before].stamp.until_ns > until_ns:  # only if the clock has stepped back
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

    cdef inline int _unassign(self, int32_t place, int64_t now) except -1:
        """Remove the key that `_find` has just found, and its note; cool the place, or free it if there is no cooldown."""
        # Keep both until the end: dropping the last reference can run code of the key or the note.
        _key = <object>key_at(<PyObject*>self._held, place)
        _note = self._take_note(place)
        self._remove_key(place, self._found_slot)
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
        """Free a place without a key. The caller has removed it from the list of cooling places and from the counts of its block."""
        cdef Place* freed = &self._places[place]
        cdef Block* block
        freed.state = FREE
        if freed.block == NONE:
            del self._outside[<object>address_at(<PyObject*>self._held, place)]
            self._recycle(place)
            return 0
        block = &self._blocks[freed.block]
        if freed.offset < block.near:
            release_bit(block, freed.offset)
        else:
            del self._outside[<object>address_at(<PyObject*>self._held, place)]
            block.far_count -= 1
            self._recycle(place)
        self._update_block(block)
        return 0

    cdef inline int _expire(self, int64_t now) except -1:
        """Free the places whose cooldown is over."""
        cdef int32_t place = self._first_cooling
        while place != NONE and self._places[place].stamp.until_ns <= now:
            self._unlink(place)
            if self._places[place].block != NONE:
                self._count_cooling(&self._blocks[self._places[place].block], -1)
            self._free_place(place)
            place = self._first_cooling
        return 0

    cdef inline int32_t _reuse_expired(self, int64_t now) noexcept:
        """End the only cooldown that is over and return its place, if "lowest" assigns that place next; else return NONE.

        This shortcut covers the usual case, a pod starting for each that stops, and saves an eighth of a user's assign and unassign. The
        number of addresses in use stays the same, so no bit and no rank changes.
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
        self._unlink(place)
        self._count_cooling(block, -1)
        return place

    cdef bint _some_block_opens(self, int64_t now) noexcept:
        """Tell whether a cooldown that is over frees an address in an open block. It ends none, because the caller can still raise."""
        cdef int32_t place = self._first_cooling
        while place != NONE and self._places[place].stamp.until_ns <= now:
            if self._places[place].block != NONE and not self._blocks[self._places[place].block].closed:
                return True
            place = self._places[place].after
        return False

    cdef int _list_as_outside(self, int32_t index, const UsedPlace* found, int64_t count, bint assigned_too, Py_ssize_t position) except -1:
        """List the near places of a block that will cool outside all blocks, and drop the block from the bases; all or nothing."""
        cdef int64_t each
        cdef int32_t place
        cdef int64_t near = self._blocks[index].near
        cdef bint is_listed = False
        try:
            for each in range(count):
                place = found[each].place
                if found[each].offset < near and (assigned_too or self._places[place].state == COOLING):
                    self._outside[<object>address_at(<PyObject*>self._held, place)] = place
            del self._sorted_bases[position]
            is_listed = True
        finally:
            if not is_listed:
                for each in range(count):
                    if found[each].offset < near:
                        self._outside.pop(<object>address_at(<PyObject*>self._held, found[each].place), None)
        return 0

    cdef void _remember(self, int32_t place) noexcept:
        """Detach a cooling place from its block, which is being removed and no longer counts it."""
        cdef Place* kept = &self._places[place]
        cdef Block* block = &self._blocks[kept.block]
        if kept.offset < block.near:
            place_slot(block, kept.offset)[0] = NONE
        else:
            block.far_count -= 1
        kept.block = NONE
        kept.has_entry = False

    cdef UsedPlace* _remembered_places(self, object base, int64_t size, int64_t* count) except? NULL:
        """Return the cooling places outside all blocks that a new block covers. The caller frees the array."""
        cdef Py_ssize_t position = 0
        cdef PyObject* address
        cdef PyObject* value
        cdef int64_t offset
        cdef UsedPlace* found
        count[0] = 0
        if not self._outside:
            return NULL
        found = <UsedPlace*>malloc(min(<int64_t>len(self._outside), size) * sizeof(UsedPlace))
        if found == NULL:
            raise MemoryError
        try:
            if size <= len(self._outside):
                for offset in range(size):
                    place = self._outside.get(base + offset)
                    if place is not None:
                        found[count[0]].offset = offset
                        found[count[0]].place = place
                        count[0] += 1
            else:
                while PyDict_Next(self._outside, &position, &address, &value):
                    distance = <object>address - base
                    if 0 <= distance < size:
                        found[count[0]].offset = distance
                        found[count[0]].place = <object>value
                        count[0] += 1
        except BaseException:
            free(found)
            raise
        return found

    cdef void _adopt(self, int32_t index, int32_t place, int64_t offset) noexcept:
        self._places[place].block = index
        self._places[place].offset = offset
        self._blocks[index].far_count += 1
        self._count_cooling(&self._blocks[index], 1)

    # The table of blocks and groups

    cdef int _ensure_block(self) except -1:
        """Make room for one more block."""
        cdef int32_t room = max(8, self._block_room * 2)
        cdef int32_t index
        cdef void* memory
        if self._spare_block != NONE:
            return 0
        memory = realloc(self._by_rank, room * sizeof(int32_t))
        if memory == NULL:
            raise MemoryError
        self._by_rank = <int32_t*>memory
        extend_with_none(self._bases, room)
        memory = realloc(self._blocks, room * sizeof(Block))
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

    cdef int32_t _ensure_group(self, int64_t number) except -1:
        """Return the index of a group in `_groups`; make room for a new group, which the caller fills."""
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
        return slot

    cdef int32_t _rank_position(self, int32_t number, object base) except -1:
        """Return the number of blocks that rank before a block of this group and base."""
        cdef int32_t other
        cdef int32_t other_number
        cdef int32_t first = 0
        cdef int32_t last = self._block_count
        cdef int32_t middle
        while first < last:
            middle = (first + last) >> 1
            other = self._by_rank[middle]
            other_number = self._groups[self._blocks[other].group].number
            if other_number < number or other_number == number and self._bases[other] < base:
                first = middle + 1
            else:
                last = middle
        return first

    cdef int _drop_block(self, int32_t index, object group_number) except -1:
        """Remove a block that has no address in use and is not among the bases."""
        cdef Block* block = &self._blocks[index]
        cdef Group* group = &self._groups[block.group]
        cdef int32_t rank = self._rank_position(group.number, self._bases[index])
        cdef int32_t place
        cdef int64_t offset
        block.closed = True
        self._update_block(block)
        for offset in range(block.near):
            place = place_slot(block, offset)[0]
            if place != NONE:
                self._recycle(place)
        block_free(block)
        del self._block_at[self._bases[index]]
        remove(self._by_rank, self._block_count, rank)
        self._block_count -= 1
        self._ranks_stale = True
        group.block_count -= 1
        if group.block_count == 0:
            del self._group_slots[group_number]
        self._bases[index] = None
        block.group = self._spare_block
        self._spare_block = index
        return 0

    # Placement

    cdef inline void _update_block(self, Block* block) noexcept:
        """Update the ranks after the use of a block changed, or after it was opened or closed."""
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
                tree_release(&self._open_ranks, block.rank, 1)
            elif step < 0:
                tree_take(&self._open_ranks, block.rank, 1)
        elif self._placement == RANDOM:
            sum_add(&self._open_sums, block.rank, step)
            if group.open_count == (step > 0):  # from none to one, or from one to none
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

    cdef int _compute_ranks(self) except -1:
        """Number the blocks by rank, and rebuild the structure that chooses one."""
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
            tournament_set_leaf(&self._by_use, rank, self._weight(block), block.open)
        tournament_build(&self._by_use)
        return 0

    cdef inline int32_t _choose(self) noexcept:
        """Choose the block of the next address. Some open block must have a free address, and the ranks must be up to date."""
        if self._placement == LOWEST:
            return self._by_rank[tree_first(&self._open_ranks)]
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
        # Memory can run out while these lists grow, and leaves them longer.
        hold(1, len(self._held) >= 2 * self._place_room and len(self._owner_data) >= (2 * self._place_room if self._has_owner_data else 0))
        for place in range(self._place_count):
            hold(1, not self._has_owner_data or place in seen or <object>note_at(<PyObject*>self._owner_data, place) is None)
            hold(1, self._has_owner_data or not self._places[place].has_entry)
            held_by = <object>key_at(<PyObject*>self._held, place)
            hold(1, (place in seen) == (self._places[place].state == ASSIGNED) == (held_by is not None or place in seen))
        for index in self._block_at.values():
            block = &self._blocks[<int32_t>index]
            used = 0
            for offset in range(block.near):
                place = place_slot(block, offset)[0]
                here = &self._places[place]
                hold(1, place == NONE or here.block == index and here.offset == offset)
                hold(1, place == NONE or <object>address_at(<PyObject*>self._held, place) == self._bases[here.block] + offset)
                in_use = place != NONE and here.state != FREE
                used += in_use
                hold(6, in_use != block_bit(block, offset))
            hold(3, used + block.far_count == block.assigned_count + block.cooling_count)
            if block.near > 64:
                hold(6, tree_is_valid(block.bits.tree))
                hold(6, block.near % 64 == 0 or block.bits.tree.level[0][block.bits.tree.word_count - 1] >> (block.near % 64) == 0)
            else:
                hold(6, block.near <= 64 and (block.near == 64 or block.bits.word >> block.near == 0))
        for address, number in self._outside.items():
            here = &self._places[<int32_t>number]
            hold(1, <object>address_at(<PyObject*>self._held, <int32_t>number) == address and here.state != FREE)
            hold(1, here.block != NONE or here.state == COOLING and self.block_of(address) is None)
            hold(1, here.block == NONE or self._bases[here.block] + here.offset == address and here.offset >= self._blocks[here.block].near)

    def _check_blocks(self):
        cdef int32_t index
        cdef int32_t place
        end = 0
        assigned = {}
        cooling = {}
        far = {}
        totals = {}
        open_counts = {}
        busy = {}
        for place in self._outside.values():
            if self._places[place].block != NONE:
                far[self._places[place].block] = far.get(self._places[place].block, 0) + 1
        hold(2, self._sorted_bases == sorted(self._block_at) and len(self._sorted_bases) == self._block_count)
        for base in self._sorted_bases:
            index = self._block_at[base]
            group = self._blocks[index].group
            hold(2, self._bases[index] == base >= end)
            end = base + self._blocks[index].size
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
            hold(5, tree_is_valid(&self._open_ranks))
        elif not self._ranks_stale and self._placement == RANDOM:
            hold(5, self._open_sums.sums[1] == self._open_count)
            for slot in self._group_slots.values():
                group = &self._groups[<int32_t>slot]
                hold(5, self._group_sums.sums[self._group_sums.leaves + group.rank] == (group.open_count > 0))


# A lock for an owner that many threads call


@cython.final
cdef class _OwnersLock:
    # Compiled, because the interpreter runs signal handlers only between C calls. In a context manager written in Python, a
    # KeyboardInterrupt could come between taking the lock and counting it.
    cdef AddressPool _pool
    cdef object _acquire
    cdef object _release
    cdef int64_t _depth  # how many times its thread has taken it

    def __cinit__(self, AddressPool pool):
        lock = RLock()
        self._acquire = lock.acquire
        self._release = lock.release
        self._pool = pool

    def __enter__(self):
        self.acquire()

    def __exit__(self, kind, error, trace):
        self.release()

    cpdef bint acquire(self, bint blocking=True) except -1:
        if not self._acquire(blocking):
            return False
        self._depth += 1
        self._pool._locked = True
        return True

    cpdef int release(self) except -1:
        self._depth -= 1
        self._pool._locked = self._depth > 0
        self._release()
        return 0


def owners_lock(AddressPool pool not None, /):
    """Return a reentrant lock for a pool's owner, for use in `with`. It sets the pool's `locked` while a thread has it.

    A signal handler that raises, as for KeyboardInterrupt, does not leave the lock taken.
    """
    return _OwnersLock(pool)
