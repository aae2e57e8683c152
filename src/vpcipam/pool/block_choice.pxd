"""Choose a block, for the compiled pool: a tournament tree for "packed" and "spread", a sum tree and a random generator for "random".

The functions take ranks 0 … count-1 and a number for each; they use no blocks and no Python objects. ("lowest" uses a `FreeTree`.) A
function that can fail returns False. Both trees are arrays. The root is at 1, the children of i are at 2i and 2i+1, and the leaf of a
rank is at leaves + rank.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t

from vpcipam.pool.memory cimport calloc, free, malloc

cdef enum:
    NO_RANK = -1

ctypedef struct Tournament:
    int64_t* weights  # by rank
    int32_t* winners  # by node: the rank with the least weight below it, or NO_RANK
    int32_t leaves

ctypedef struct SumTree:
    int32_t* sums
    int32_t leaves


cdef inline int32_t leaves_for(int32_t count) noexcept nogil:
    cdef int32_t leaves = 1
    while leaves < count:
        leaves *= 2
    return leaves


# The tournament tree: finds the rank with the least weight; of equal weights, the lowest rank

cdef inline int32_t better(const int64_t* weights, int32_t left, int32_t right) noexcept nogil:
    """Return the rank with less weight; of equal weights the left one, which is lower. Either can be NO_RANK."""
    if left == NO_RANK or (right != NO_RANK and weights[right] < weights[left]):
        return right
    return left


cdef inline bint tournament_init(Tournament* tournament, int32_t count) noexcept nogil:
    """Make a tree without ranks; return False if memory runs out."""
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


cdef inline void tournament_set_leaf(Tournament* tournament, int32_t rank, int64_t weight, bint can_win) noexcept nogil:
    """Set the weight of a rank, and whether it can be chosen. Call `tournament_build` after the last rank."""
    tournament.weights[rank] = weight
    tournament.winners[rank + tournament.leaves] = rank if can_win else NO_RANK


cdef inline void tournament_build(Tournament* tournament) noexcept nogil:
    """Compute all winners from the leaves."""
    cdef int32_t* winners = tournament.winners
    cdef int32_t node
    for node in range(tournament.leaves - 1, 0, -1):
        winners[node] = better(tournament.weights, winners[2 * node], winners[2 * node + 1])


cdef inline void tournament_set(Tournament* tournament, int32_t rank, int64_t weight, bint can_win) noexcept nogil:
    """Change one rank and the winners above it."""
    cdef int32_t* winners = tournament.winners
    cdef int32_t node = rank + tournament.leaves
    tournament_set_leaf(tournament, rank, weight, can_win)
    while node > 1:
        node >>= 1
        winners[node] = better(tournament.weights, winners[2 * node], winners[2 * node + 1])


# The sum tree: finds a rank by the running sum of its numbers

cdef inline bint sum_init(SumTree* tree, int32_t count) noexcept nogil:
    """Make a tree of zeros; return False if memory runs out."""
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


cdef inline int32_t sum_select(const SumTree* tree, int32_t target) noexcept nogil:
    """Return the rank at which the running sum first exceeds `target`."""
    cdef int32_t node = 1
    while node < tree.leaves:
        node *= 2
        if target >= tree.sums[node]:
            target -= tree.sums[node]
            node += 1
    return node - tree.leaves


cdef inline int32_t sum_before(const SumTree* tree, int32_t rank) noexcept nogil:
    """Return the sum over all lower ranks."""
    cdef int32_t node = rank + tree.leaves
    cdef int32_t total = 0
    while node > 1:
        if node & 1:
            total += tree.sums[node - 1]
        node >>= 1
    return total


cdef inline int32_t draw(uint64_t* state, uint64_t bound) noexcept nogil:
    """Draw 0 … bound-1 with equal probability. Reject draws below 2**64 % bound, since they would favour low numbers."""
    cdef uint64_t mixed
    while True:  # splitmix64 (Steele, Lea, Flood 2014)
        state[0] += <uint64_t>0x9E3779B97F4A7C15
        mixed = state[0]
        mixed = (mixed ^ mixed >> 30) * <uint64_t>0xBF58476D1CE4E5B9
        mixed = (mixed ^ mixed >> 27) * <uint64_t>0x94D049BB133111EB
        mixed ^= mixed >> 31
        if mixed >= (0 - bound) % bound:
            return mixed % bound
