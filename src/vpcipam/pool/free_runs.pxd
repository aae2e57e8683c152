"""Which aligned runs of offsets are wholly free, for the compiled BitmapPool: one summary for each run length.

Knows the tree of the free offsets, and trees over the runs that are made of it. A summary is built at the first use of its length and kept
up from then on. Inline C without a Python object; a function that can fail says so by its return value.
"""

from libc.stdint cimport int64_t, uint64_t

from vpcipam.pool.free_tree cimport FreeTree, run_mask, tree_bits, tree_free, tree_give, tree_holds, tree_init, tree_take

cdef enum:
    RUN_KINDS = 6  # runs of 2, 4, 8, 16, 32, 64 offsets: kind k has 2 << k

ctypedef struct Runs:  # of one length
    FreeTree tree
    int64_t count
    bint built


cdef inline bint runs_build(Runs* runs, int kind, const FreeTree* offsets, int64_t capacity) noexcept nogil:
    """Find the free runs of a kind; return False if there is no memory."""
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


cdef inline void runs_taken(Runs* kinds, int64_t offset, int64_t length) noexcept nogil:
    """Note that offsets, a run or a single one, were taken."""
    cdef Runs* runs
    cdef int kind
    cdef int64_t unit
    cdef int64_t units
    for kind in range(RUN_KINDS):
        runs = &kinds[kind]
        if runs.built:
            unit = offset >> (kind + 1)
            units = max(length >> (kind + 1), 1)
            if tree_bits(&runs.tree, unit, units):  # a longer run than what was taken may have been broken before
                tree_take(&runs.tree, unit, units)
                runs.count -= units


cdef inline void runs_given(Runs* kinds, const FreeTree* offsets, int64_t offset, int64_t length) noexcept nogil:
    """Note that offsets, a run or a single one, were given back; their bits are set by now."""
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
                tree_give(&runs.tree, unit, units)
                runs.count += units


cdef inline bint runs_hold(const Runs* runs, int kind, const FreeTree* offsets, int64_t capacity) noexcept nogil:
    """Tell whether a summary says of each run what the offsets say, and counts the free ones."""
    cdef int64_t size = 2 << kind
    cdef int64_t count = 0
    cdef int64_t unit
    cdef uint64_t whole
    for unit in range(runs.tree.word_count * 64):
        whole = (unit + 1) * size <= capacity and tree_bits(offsets, unit * size, size) == run_mask(size)
        if tree_bits(&runs.tree, unit, 1) != whole:
            return False
        count += whole
    return runs.count == count and tree_holds(&runs.tree)
