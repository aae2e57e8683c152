"""What the compiled AddressPool knows of an address, a block and a group: places and blocks as plain structs, and the bits of a block.

No Python object: keys and addresses stand in lists of the pool, under the number of their place.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memmove

from vpcipam.pool.free_tree cimport (
    FreeTree,
    lowest_bit,
    run_mask,
    tree_bits,
    tree_first,
    tree_free,
    tree_give,
    tree_grow,
    tree_init,
    tree_take,
)

cdef enum:
    NONE = -1
    PLACES_MAX = 0x7FFFFFFE
    NEAR_FIRST = 64  # how many offsets of a block get a slot at its first use; from there on the number doubles

cdef enum State:
    FREE
    ASSIGNED
    COOLING

ctypedef union Stamp:
    Py_hash_t key_hash  # while a key holds the address
    int64_t until_ns  # while it cools

ctypedef struct Place:  # what is known of one address that was used
    Stamp stamp
    int64_t offset
    int32_t block  # NONE: it cools, remembered, and no block covers it
    int32_t before  # in the list of cooling places
    int32_t after  # likewise; of a spare place: the next spare one
    char state
    char has_entry  # otherwise an earlier one may still stand in the pool's list: dropping it may run code, so it waits for the next

ctypedef union Bits:
    uint64_t word  # while near <= 64
    FreeTree* tree  # from then on

ctypedef union Places:
    int32_t only  # of a block of one address: a node in secondary-IP mode has hundreds of them
    int32_t* many  # of a larger one, by offset

ctypedef struct Block:  # a cache line at most, and nothing that assign does not read: misses of the cache are what many blocks cost
    Bits bits  # of the offsets below `near`: a set bit is free
    int64_t near  # offsets below this have a slot in `places` and a bit; of those from here on, all are free but the far ones
    Places places  # NONE until first used
    int64_t size
    int32_t assigned_count
    int32_t cooling_count
    int32_t far_count  # in-use offsets >= near; their places stand in the pool's dict `_outside`
    int32_t group  # a slot of the pool's groups; of a spare block: the next spare one
    int32_t rank
    char closed
    char open  # not closed, and has a free address

ctypedef struct Group:
    int64_t assigned_count
    int64_t cooling_count
    int32_t number
    int32_t block_count
    int32_t rank  # among the groups
    int32_t first_rank  # of its blocks
    int32_t open_count  # of its blocks
    int32_t busy_count  # of its blocks: those with a key


cdef inline int32_t* place_slot(Block* block, int64_t offset) noexcept nogil:
    """Where the place of an offset below `near` stands."""
    return &block.places.only if block.size == 1 else &block.places.many[offset]


cdef inline bint grow_places(Block* block, int64_t near) noexcept nogil:
    """Give more offsets a slot; return False if there is no memory. The caller sets `near`."""
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


cdef inline void give_bit(Block* block, int64_t offset) noexcept nogil:
    """Free an offset below `near`."""
    if block.near <= 64:
        block.bits.word |= <uint64_t>1 << offset
    else:
        tree_give(block.bits.tree, offset, 1)


cdef inline int64_t lowest_near(const Block* block) noexcept nogil:
    """The lowest free offset below `near`; there is one."""
    return lowest_bit(block.bits.word) if block.near <= 64 else tree_first(block.bits.tree)


cdef inline bint grow_bits(Block* block, int64_t near) noexcept nogil:
    """Give more offsets a bit, free ones; return False if there is no memory. The caller sets `near`, which says what kind the bits are."""
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
    """Give back the memory of a block, and leave it without any."""
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
