"""A 64-ary tree of bits over 0 … size-1, for the compiled pools: a set bit is free, padding bits are 0.

Level 0 has the bits, in 64-bit words. A bit of each level above tells whether a word of the level below is not 0. The top level is a
single word. All functions are inline C without Python objects. A function that can fail returns False.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from vpcipam.pool.memory cimport free, malloc

cdef extern from *:
    """
    #if defined(_MSC_VER)
    #include <intrin.h>
    static __inline int vpcipam_lowest_bit(unsigned long long word) {
        unsigned long bit;
        _BitScanForward64(&bit, word);
        return (int)bit;
    }
    #else
    #define vpcipam_lowest_bit(word) __builtin_ctzll(word)
    #endif
    """
    int lowest_bit "vpcipam_lowest_bit" (uint64_t word) noexcept nogil  # the word is not 0

cdef enum:
    LEVELS_MAX = 8  # 64**8 = 2**48, the largest block

ctypedef struct FreeTree:
    uint64_t* level[LEVELS_MAX]
    int64_t word_count  # of level 0
    int level_count


cdef inline uint64_t run_mask(int64_t length) noexcept nogil:
    """Return the lowest `length` bits, 1 … 64."""
    return ~<uint64_t>0 >> (64 - length)


cdef inline int bit_count(uint64_t word) noexcept nogil:
    """Return how many bits are set. C compilers recognise this loop and use the processor's instruction."""
    cdef int count = 0
    while word:
        word &= word - 1
        count += 1
    return count


cdef inline bint tree_init(FreeTree* tree, int64_t size) noexcept nogil:
    """Make all of 0 … size-1 free; return False if memory runs out. The levels share one allocation, which begins at level[0]."""
    cdef int64_t counts[LEVELS_MAX]
    cdef int64_t total = 0
    cdef int64_t bits = size
    cdef int depth = 0
    cdef uint64_t* words
    while True:
        counts[depth] = (bits + 63) // 64
        if counts[depth] == 0:
            counts[depth] = 1  # a tree of no bits still has a word, which is 0
        total += counts[depth]
        depth += 1
        bits = counts[depth - 1]
        if bits == 1:
            break
    words = <uint64_t*>malloc(total * sizeof(uint64_t))
    if words == NULL:
        return False
    memset(words, 0xFF, total * sizeof(uint64_t))
    tree.word_count = counts[0]
    tree.level_count = depth
    bits = size
    for depth in range(tree.level_count):
        tree.level[depth] = words
        words += counts[depth]
        if bits == 0:
            tree.level[depth][0] = 0
        elif bits & 63:
            tree.level[depth][counts[depth] - 1] = run_mask(bits & 63)
        bits = counts[depth]
    return True


cdef inline int64_t tree_longest_run(const FreeTree* tree) noexcept nogil:
    """Return the length of the longest run of set bits.

    A run that continues from lower words either fills a word or ends in it. All other runs of the word start in it. At most six steps
    tell whether one of them is longer than the longest run so far. If so, the last loop measures it.
    """
    cdef int64_t longest = 0
    cdef int64_t run = 0  # the set bits up to the end of the previous word
    cdef int64_t place
    cdef int64_t within
    cdef int64_t step
    cdef uint64_t word
    for place in range(tree.word_count):
        word = tree.level[0][place]
        if word == ~<uint64_t>0:
            run += 64
            continue
        longest = max(longest, run + lowest_bit(~word))
        run = 0
        while word >> (63 - run) & 1:  # the word has a 0, so this ends
            run += 1
        within = 1  # each set bit of `word` now ends a run of this length
        while word and within <= longest:
            step = min(within, longest + 1 - within)
            word &= word << step
            within += step
        while word:
            longest = within
            word &= word << 1
            within += 1
    return max(longest, run)


cdef inline void tree_free(FreeTree* tree) noexcept nogil:
    if tree.level_count:
        free(tree.level[0])
        tree.level_count = 0


cdef inline int64_t tree_first(const FreeTree* tree) noexcept nogil:
    """Return the lowest free index. The tree must have one."""
    cdef int64_t index = 0
    cdef int depth = tree.level_count
    while depth > 0:
        depth -= 1
        index = index << 6 | lowest_bit(tree.level[depth][index])
    return index


cdef inline int64_t tree_find(const FreeTree* tree, int64_t start) noexcept nogil:
    """Return the lowest free index at or above `start`, or -1."""
    cdef int64_t index = start
    cdef int64_t count = tree.word_count
    cdef uint64_t rest
    cdef int depth = 0
    while depth < tree.level_count:
        if index >> 6 < count:
            rest = tree.level[depth][index >> 6] >> (index & 63)
            if rest:
                index += lowest_bit(rest)
                while depth > 0:
                    depth -= 1
                    index = index << 6 | lowest_bit(tree.level[depth][index])
                return index
        index = (index >> 6) + 1
        count = (count + 63) >> 6
        depth += 1
    return -1


cdef inline uint64_t tree_bits(const FreeTree* tree, int64_t first, int64_t length) noexcept nogil:
    """Return the bits first … first+length-1, which must lie in one word; 0 past the end."""
    if first >> 6 >= tree.word_count:
        return 0
    return tree.level[0][first >> 6] >> (first & 63) & run_mask(length)


cdef inline int64_t tree_list(const FreeTree* tree, int64_t start, uint32_t* indices, int64_t count) noexcept nogil:
    """Write the lowest free indices at or above `start`, at most `count`, ascending; return how many. The size is at most 2**32."""
    cdef int64_t listed = 0
    cdef int64_t index = tree_find(tree, start)
    cdef uint64_t word
    while index >= 0 and listed < count:
        word = tree.level[0][index >> 6] >> (index & 63) << (index & 63)
        index &= ~<int64_t>63
        while word and listed < count:
            indices[listed] = <uint32_t>(index | lowest_bit(word))
            listed += 1
            word &= word - 1
        index = tree_find(tree, index + 64)
    return listed


cdef inline void tree_take_bits(FreeTree* tree, int64_t place, uint64_t mask) noexcept nogil:
    """Clear bits of one word of level 0."""
    cdef int depth = 0
    while depth < tree.level_count:
        tree.level[depth][place] &= ~mask
        if tree.level[depth][place]:
            return
        mask = <uint64_t>1 << (place & 63)
        place >>= 6
        depth += 1


cdef inline void tree_take(FreeTree* tree, int64_t first, int64_t length) noexcept nogil:
    """Clear bits, which must lie in one word."""
    tree_take_bits(tree, first >> 6, run_mask(length) << (first & 63))


cdef inline void tree_release_bits(FreeTree* tree, int64_t place, uint64_t mask) noexcept nogil:
    """Set bits of one word of level 0."""
    cdef uint64_t before
    cdef int depth = 0
    while depth < tree.level_count:
        before = tree.level[depth][place]
        tree.level[depth][place] = before | mask
        if before:
            return
        mask = <uint64_t>1 << (place & 63)
        place >>= 6
        depth += 1


cdef inline void tree_release(FreeTree* tree, int64_t first, int64_t length) noexcept nogil:
    """Set bits, which must lie in one word."""
    tree_release_bits(tree, first >> 6, run_mask(length) << (first & 63))


cdef inline bint tree_grow(FreeTree* tree, int64_t size) noexcept nogil:
    """Extend a tree to a larger size, with the new part free; return False and leave the tree unchanged if memory runs out.

    The old size must be a multiple of 64.
    """
    cdef FreeTree larger
    cdef int64_t place
    if not tree_init(&larger, size):
        return False
    memcpy(larger.level[0], tree.level[0], tree.word_count * sizeof(uint64_t))
    for place in range(tree.word_count):
        if larger.level[0][place] == 0:
            larger.level[0][place] = 1  # so that tree_take, which clears it again, also clears the bits above
            tree_take(&larger, place << 6, 1)
    tree_free(tree)
    tree[0] = larger
    return True


cdef inline bint tree_is_valid(const FreeTree* tree) noexcept nogil:
    """Tell whether each upper bit, including padding, is set if and only if its word below is not 0."""
    cdef int64_t count = tree.word_count
    cdef int64_t place
    cdef int64_t upper_bits
    cdef int depth
    for depth in range(tree.level_count - 1):
        upper_bits = (count + 63) // 64 * 64
        for place in range(upper_bits):
            if (tree.level[depth + 1][place >> 6] >> (place & 63) & 1) != (place < count and tree.level[depth][place] != 0):
                return False
        count = (count + 63) // 64
    return count == 1
