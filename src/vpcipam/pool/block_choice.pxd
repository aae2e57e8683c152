"""Choosing one of many blocks, for the compiled pool: a tournament for the fullest or emptiest, a tree of sums and a draw for chance.

Knows ranks 0 … count-1 and numbers that are given for them; neither blocks nor Python objects. "lowest" needs no more than a `FreeTree`. A
function that can fail says so by its return value. Both trees stand in an array: the root at 1, the children of i at 2i and 2i+1, the leaf
of a rank at leaves + rank.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

cdef enum:
    NO_RANK = -1

ctypedef struct Tournament:
    int64_t* weights  # by rank
    int32_t* winners  # of each node the rank of least weight, or NO_RANK
    int32_t leaves

ctypedef struct SumTree:
    int32_t* sums
    int32_t leaves


cdef inline int32_t leaves_for(int32_t count) noexcept nogil:
    cdef int32_t leaves = 1
    while leaves < count:
        leaves *= 2
    return leaves


# The tournament: the rank of least weight, of equal weights the lowest

cdef inline int32_t better(const int64_t* weights, int32_t left, int32_t right) noexcept nogil:
    """Of two ranks, or NO_RANK, the one of less weight; of equal weight the left one, which is lower."""
    if left == NO_RANK or (right != NO_RANK and weights[right] < weights[left]):
        return right
    return left


cdef inline bint tournament_init(Tournament* tournament, int32_t count) noexcept nogil:
    """Begin without any rank in it; return False if there is no memory."""
    cdef int32_t node
    tournament.leaves = leaves_for(count)
    tournament.weights = <int64_t*>malloc(tournament.leaves * sizeof(int64_t))
    tournament.winners = <int32_t*>malloc(2 * tournament.leaves * sizeof(int32_t))
    if tournament.weights == NULL or tournament.winners == NULL:
        return False
    for node in range(2 * tournament.leaves):
        tournament.winners[node] = NO_RANK
    return True


cdef inline void tournament_free(Tournament* tournament) noexcept nogil:
    free(tournament.weights)
    free(tournament.winners)
    tournament.weights = NULL
    tournament.winners = NULL


cdef inline void tournament_enter(Tournament* tournament, int32_t rank, int64_t weight, bint takes_part) noexcept nogil:
    """Give a rank a weight, and say whether it can be chosen; `tournament_play` comes after the last."""
    tournament.weights[rank] = weight
    tournament.winners[rank + tournament.leaves] = rank if takes_part else NO_RANK


cdef inline void tournament_play(Tournament* tournament) noexcept nogil:
    """Find all winners."""
    cdef int32_t* winners = tournament.winners
    cdef int32_t node
    for node in range(tournament.leaves - 1, 0, -1):
        winners[node] = better(tournament.weights, winners[2 * node], winners[2 * node + 1])


cdef inline void tournament_set(Tournament* tournament, int32_t rank, int64_t weight, bint takes_part) noexcept nogil:
    """Change one rank, and the winners above it."""
    cdef int32_t* winners = tournament.winners
    cdef int32_t node = rank + tournament.leaves
    tournament_enter(tournament, rank, weight, takes_part)
    while node > 1:
        node >>= 1
        winners[node] = better(tournament.weights, winners[2 * node], winners[2 * node + 1])


# The tree of sums

cdef inline bint sum_init(SumTree* tree, int32_t count) noexcept nogil:
    """Begin with all 0; return False if there is no memory."""
    tree.leaves = leaves_for(count)
    tree.sums = <int32_t*>calloc(2 * tree.leaves, sizeof(int32_t))
    return tree.sums != NULL


cdef inline void sum_free(SumTree* tree) noexcept nogil:
    free(tree.sums)
    tree.sums = NULL


cdef inline void sum_add(SumTree* tree, int32_t rank, int32_t step) noexcept nogil:
    cdef int32_t node = rank + tree.leaves
    while node:
        tree.sums[node] += step
        node >>= 1


cdef inline int32_t sum_select(const SumTree* tree, int32_t turn) noexcept nogil:
    """The rank at which the running sum first exceeds `turn`."""
    cdef int32_t node = 1
    while node < tree.leaves:
        node *= 2
        if turn >= tree.sums[node]:
            turn -= tree.sums[node]
            node += 1
    return node - tree.leaves


cdef inline int32_t sum_before(const SumTree* tree, int32_t rank) noexcept nogil:
    """The sum of the ranks below one."""
    cdef int32_t node = rank + tree.leaves
    cdef int32_t total = 0
    while node > 1:
        if node & 1:
            total += tree.sums[node - 1]
        node >>= 1
    return total


cdef inline int32_t draw(uint64_t* state, uint64_t bound) noexcept nogil:
    """Draw 0 … bound-1, each with equal chance: a draw from the short rest below 2**64 % bound is thrown away."""
    cdef uint64_t mixed
    while True:  # splitmix64 (Steele, Lea, Flood 2014)
        state[0] += <uint64_t>0x9E3779B97F4A7C15
        mixed = state[0]
        mixed = (mixed ^ mixed >> 30) * <uint64_t>0xBF58476D1CE4E5B9
        mixed = (mixed ^ mixed >> 27) * <uint64_t>0x94D049BB133111EB
        mixed ^= mixed >> 31
        if mixed >= (0 - bound) % bound:
            return mixed % bound
