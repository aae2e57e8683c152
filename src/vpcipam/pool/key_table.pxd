"""The hash table of the compiled pool, from keys to places: open addressing, linear probing, no Python objects.

The table stores a mark and a place for each key. Equal keys have equal marks; the pool compares the keys themselves. The size is a power
of two, at least twice the number of keys. The highest bits of a mark are its home slot. The key is in that slot or a later one, with no
empty slot between. Erasing a key moves later keys back, so there are no tombstones.
"""

from libc.stdint cimport int32_t, uint32_t, uint64_t

from vpcipam.pool.free_tree cimport lowest_bit
from vpcipam.pool.memory cimport free, malloc

cdef enum:
    EMPTY = -1

ctypedef struct Slot:  # only eight bytes, since cache misses dominate a lookup
    uint32_t mark
    int32_t place  # or EMPTY

ctypedef struct KeyTable:
    Slot* slots
    size_t mask
    int shift


cdef inline uint32_t mark_of(Py_hash_t key_hash) noexcept nogil:
    # Fibonacci hashing. The hash of an int is the int itself, so consecutive ints would otherwise crowd neighbouring slots.
    return <uint32_t>(<uint64_t>key_hash * <uint64_t>0x9E3779B97F4A7C15 >> 32)


cdef inline size_t table_empty_slot(const KeyTable* table, uint32_t mark) noexcept nogil:
    """Return the slot for a key that is not in the table."""
    cdef size_t slot = mark >> table.shift
    while table.slots[slot].place != EMPTY:
        slot = (slot + 1) & table.mask
    return slot


cdef inline size_t table_slot_of(const KeyTable* table, uint32_t mark, int32_t place) noexcept nogil:
    """Return the slot of a place whose key has this mark."""
    cdef size_t slot = mark >> table.shift
    while table.slots[slot].place != place:
        slot = (slot + 1) & table.mask
    return slot


cdef inline bint table_resize(KeyTable* table, size_t size) noexcept nogil:
    """Resize the table, or create it; return False and leave the table unchanged if memory runs out."""
    cdef KeyTable fresh
    cdef size_t slot
    fresh.slots = <Slot*>malloc(size * sizeof(Slot))
    if fresh.slots == NULL:
        return False
    fresh.mask = size - 1
    fresh.shift = 32 - lowest_bit(size)
    for slot in range(size):
        fresh.slots[slot].place = EMPTY
    if table.slots != NULL:
        for slot in range(table.mask + 1):
            if table.slots[slot].place != EMPTY:
                fresh.slots[table_empty_slot(&fresh, table.slots[slot].mark)] = table.slots[slot]
        free(table.slots)
    table[0] = fresh
    return True


cdef inline void table_erase(KeyTable* table, size_t hole) noexcept nogil:
    """Empty a slot, and move back the later keys that a search would no longer reach."""
    cdef Slot* slots = table.slots
    cdef size_t mask = table.mask
    cdef size_t slot = (hole + 1) & mask
    while slots[slot].place != EMPTY:
        if ((slot - (slots[slot].mark >> table.shift)) & mask) >= ((slot - hole) & mask):
            slots[hole] = slots[slot]
            hole = slot
        slot = (slot + 1) & mask
    slots[hole].place = EMPTY
