"""Places, blocks and groups of the compiled AddressPool as C structs, and the free bits of a block.

A place is the record of an address that was used. Keys and addresses are Python objects; the pool keeps them in lists, indexed by place.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memmove

from vpcipam.pool.free_tree cimport (
    FreeTree,
    lowest_bit,
    run_mask,
    tree_bits,
    tree_first,
    tree_free,
    tree_release,
    tree_grow,
    tree_init,
    tree_take,
)
from vpcipam.pool.memory cimport free, malloc, realloc

cdef enum:
    NONE = -1
    PLACES_MAX = 0x7FFFFFFE
    NEAR_FIRST = 64  # the first `near` of a block in use; it doubles from there

cdef enum State:
    FREE
    ASSIGNED
    COOLING

ctypedef union Stamp:
    Py_hash_t key_hash  # while a key holds the address
    int64_t until_ns  # while it cools

ctypedef struct Place:  # an address that was used
    Stamp stamp
    int64_t offset
    int32_t block  # NONE if it cools outside all blocks
    int32_t before  # the previous place in the list of cooling places
    int32_t after  # the next place in that list; in an unused record, the next unused one
    char state
    char has_entry  # if not, the pool's list can still have an old entry, kept until it is replaced, since dropping it can run code

ctypedef union Bits:
    uint64_t word  # while near <= 64
    FreeTree* tree  # from then on

ctypedef union Places:
    int32_t only  # of a one-address block; in secondary-IP mode a node has hundreds of these
    int32_t* many  # of a larger block, by offset

ctypedef struct Block:  # at most a cache line, with only what assign reads: with many blocks, cache misses dominate
    Bits bits  # of offsets below `near`: a set bit is free
    int64_t near  # offsets below it have an element in `places` and a bit; the others are free, except the far ones
    Places places  # NONE for an offset that was never used
    int64_t size
    int32_t assigned_count
    int32_t cooling_count
    int32_t far_count  # the number of far offsets: in use and >= near; the pool's dict `_outside` has their places
    int32_t group  # an index of the pool's `_groups`; in an unused record, the next unused one
    int32_t rank
    char closed
    char open  # not closed, and has a free address

ctypedef struct Group:
    int64_t assigned_count
    int64_t cooling_count
    int32_t number
    int32_t block_count
    int32_t rank  # among the groups
    int32_t first_rank  # the lowest rank of its blocks
    int32_t open_count  # its open blocks
    int32_t busy_count  # its blocks with an assigned address


cdef inline int32_t* place_slot(Block* block, int64_t offset) noexcept nogil:
    """Return the element of `places` for an offset below `near`."""
    return &block.places.only if block.size == 1 else &block.places.many[offset]


cdef inline bint grow_places(Block* block, int64_t near) noexcept nogil:
    """Extend `places` to `near` offsets; return False if memory runs out. The caller sets `near`."""
    cdef int32_t* many
    cdef int64_t offset
    if block.size > 1:
        many = <int32_t*>realloc(block.places.many, near * sizeof(int32_t))
        if many == NULL:
            return False
        block.places.many = many
    for offset in range(block.near, near):
        place_slot(block, offset)[0] = NONE
    return True


cdef inline bint block_bit(const Block* block, int64_t offset) noexcept nogil:
    """Tell whether an offset below `near` is free."""
    if block.near <= 64:
        return block.bits.word >> offset & 1
    return tree_bits(block.bits.tree, offset, 1)


cdef inline void take_bit(Block* block, int64_t offset) noexcept nogil:
    if offset < block.near:
        if block.near <= 64:
            block.bits.word &= ~(<uint64_t>1 << offset)
        else:
            tree_take(block.bits.tree, offset, 1)


cdef inline void release_bit(Block* block, int64_t offset) noexcept nogil:
    """Mark an offset below `near` as free."""
    if block.near <= 64:
        block.bits.word |= <uint64_t>1 << offset
    else:
        tree_release(block.bits.tree, offset, 1)


cdef inline int64_t lowest_near(const Block* block) noexcept nogil:
    """Return the lowest free offset below `near`. The block must have one."""
    return lowest_bit(block.bits.word) if block.near <= 64 else tree_first(block.bits.tree)


cdef inline bint grow_bits(Block* block, int64_t near) noexcept nogil:
    """Extend `bits` to `near` offsets, with the new ones free; return False if memory runs out. The caller sets `near`."""
    cdef FreeTree* tree
    cdef int64_t offset
    if near <= 64:
        block.bits.word = run_mask(near)
        return True
    if block.near > 64:
        return tree_grow(block.bits.tree, near)
    tree = <FreeTree*>malloc(sizeof(FreeTree))
    if tree == NULL:
        return False
    if not tree_init(tree, near):
        free(tree)
        return False
    for offset in range(64):
        if not block.bits.word >> offset & 1:
            tree_take(tree, offset, 1)
    block.bits.tree = tree
    return True


cdef inline void block_free(Block* block) noexcept nogil:
    """Release the memory of a block."""
    if block.near > 64:
        tree_free(block.bits.tree)
        free(block.bits.tree)
    if block.size > 1:
        free(block.places.many)
    block.places.many = NULL
    block.near = 0


# Sorted arrays of blocks

cdef inline void insert(int32_t* items, int32_t count, int32_t position, int32_t item) noexcept nogil:
    memmove(&items[position + 1], &items[position], (count - position) * sizeof(int32_t))
    items[position] = item


cdef inline void remove(int32_t* items, int32_t count, int32_t position) noexcept nogil:
    memmove(&items[position], &items[position + 1], (count - position - 1) * sizeof(int32_t))
