"""The completely free aligned runs of offsets, for the compiled BitmapPool: one summary per run length.

A summary is a tree over the runs. The first use of its length builds it from the tree of offsets; later changes update it.
All functions are inline C without Python objects. A function that can fail returns False.
"""

from libc.stdint cimport int64_t, uint64_t

from vpcipam.pool.free_tree cimport (
    FreeTree,
    bit_count,
    run_mask,
    tree_bits,
    tree_free,
    tree_init,
    tree_is_valid,
    tree_release,
    tree_release_bits,
    tree_take,
    tree_take_bits,
)

cdef enum:
    RUN_KINDS = 6  # runs of 2, 4, 8, 16, 32, 64 offsets: kind k has 2 << k

ctypedef struct Runs:  # of one length
    FreeTree tree
    int64_t count
    bint built


cdef inline bint runs_build(Runs* runs, int kind, const FreeTree* offsets, int64_t capacity) noexcept nogil:
    """Build the summary of a kind; return False if memory runs out."""
    cdef int64_t size = 2 << kind
    cdef int64_t unit
    if not tree_init(&runs.tree, capacity // size):
        return False
    runs.count = capacity // size
    for unit in range(capacity // size):
        if tree_bits(offsets, unit * size, size) != run_mask(size):
            tree_take(&runs.tree, unit, 1)
            runs.count -= 1
    runs.built = True
    return True


cdef inline void runs_free(Runs* kinds) noexcept nogil:
    cdef int kind
    for kind in range(RUN_KINDS):
        tree_free(&kinds[kind].tree)


cdef inline void runs_take(Runs* kinds, int64_t offset, int64_t length) noexcept nogil:
    """Update the summaries after one offset or a run was allocated."""
    cdef Runs* runs
    cdef int kind
    cdef int64_t unit
    cdef int64_t units
    for kind in range(RUN_KINDS):
        runs = &kinds[kind]
        if runs.built:
            unit = offset >> (kind + 1)
            units = max(length >> (kind + 1), 1)
            if tree_bits(&runs.tree, unit, units):  # else the run is longer than what was taken, and was not completely free
                tree_take(&runs.tree, unit, units)
                runs.count -= units


cdef inline void runs_release(Runs* kinds, const FreeTree* offsets, int64_t offset, int64_t length) noexcept nogil:
    """Update the summaries after one offset or a run was released and its bits are set."""
    cdef Runs* runs
    cdef int kind
    cdef int64_t size
    cdef int64_t unit
    cdef int64_t units
    for kind in range(RUN_KINDS):
        runs = &kinds[kind]
        if runs.built:
            size = 2 << kind
            unit = offset >> (kind + 1)
            units = max(length >> (kind + 1), 1)
            if units > 1 or tree_bits(offsets, unit * size, size) == run_mask(size):
                tree_release(&runs.tree, unit, units)
                runs.count += units


cdef inline uint64_t even_bits(uint64_t word) noexcept nogil:
    """Move the bits 0, 2, 4 … 62 of a word together, to 0 … 31."""
    word &= <uint64_t>0x5555555555555555
    word = (word | word >> 1) & <uint64_t>0x3333333333333333
    word = (word | word >> 2) & <uint64_t>0x0F0F0F0F0F0F0F0F
    word = (word | word >> 4) & <uint64_t>0x00FF00FF00FF00FF
    word = (word | word >> 8) & <uint64_t>0x0000FFFF0000FFFF
    return (word | word >> 16) & <uint64_t>0x00000000FFFFFFFF


# The next two handle any offsets of a word at once. A run of a kind consists of two runs of the kind before, so that one step leads from
# the bits of one kind to those of the next.

cdef inline void runs_take_bits(Runs* kinds, int64_t place, uint64_t mask) noexcept nogil:
    """Update the summaries after the offsets of a mask, all in one word, were allocated."""
    cdef Runs* runs
    cdef int kind
    cdef int64_t unit
    cdef uint64_t lost
    for kind in range(RUN_KINDS):
        runs = &kinds[kind]
        mask = even_bits(mask | mask >> 1)
        unit = place << 5 >> kind
        lost = mask & tree_bits(&runs.tree, unit, 32 >> kind)
        if lost:
            tree_take_bits(&runs.tree, unit >> 6, lost << (unit & 63))
            runs.count -= bit_count(lost)


cdef inline void runs_release_bits(Runs* kinds, const FreeTree* offsets, int64_t place) noexcept nogil:
    """Update the summaries after offsets of one word were released and their bits are set."""
    cdef Runs* runs
    cdef int kind
    cdef int64_t unit
    cdef uint64_t whole = offsets.level[0][place]
    cdef uint64_t gained
    for kind in range(RUN_KINDS):
        runs = &kinds[kind]
        whole = even_bits(whole & whole >> 1)
        unit = place << 5 >> kind
        gained = whole & ~tree_bits(&runs.tree, unit, 32 >> kind)
        if runs.built and gained:
            tree_release_bits(&runs.tree, unit >> 6, gained << (unit & 63))
            runs.count += bit_count(gained)


cdef inline bint runs_are_valid(const Runs* runs, int kind, const FreeTree* offsets, int64_t capacity) noexcept nogil:
    """Tell whether a summary and its count agree with the offsets."""
    cdef int64_t size = 2 << kind
    cdef int64_t count = 0
    cdef int64_t unit
    cdef uint64_t whole
    for unit in range(runs.tree.word_count * 64):
        whole = (unit + 1) * size <= capacity and tree_bits(offsets, unit * size, size) == run_mask(size)
        if tree_bits(&runs.tree, unit, 1) != whole:
            return False
        count += whole
    return runs.count == count and tree_is_valid(&runs.tree)
