"""How many subnets of a zone hold given nodes: every address in a subnet, every prefix a whole aligned /28 (see `subnet_demands`).

`place` finds a placement, `least_subnets` a bound that no placement can beat, and `search_placement` settles small cases in which the two
disagree.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, permutations
from typing import NamedTuple

import attrs

from vpcipam._units import ceil_div
from vpcipam.planner.subnet_demands import Capacity, Demand, Demands, whole_demands

MOST_STEPS = 10_000
"""The most ENIs that `search_placement` places and takes back: a fraction of a second."""
_MOST_SEARCHED_ENIS = 400
"""A search over more ENIs would end without an answer."""
_MOST_ORDERS = 24
"""All orders of four pools."""
_MOST_JOINED = 6
"""Of so many pools, every subset is compared with its subnets; of more, only all together."""


@attrs.frozen
class Part:
    """What a number of alike nodes have in one subnet.

    Attributes:
        demand: The index of their demand.
        subnet: The index of the subnet.
        node_count: How many nodes; 1 if a node is divided among subnets.
        fixed: The addresses of `Demand.fixed` of each, the first ENI's primary IP included; 0 if they are elsewhere.
        eni_count: The ENIs with slots of each, in this subnet.
        slots: The slots of each, in this subnet.
    """

    demand: int
    subnet: int
    node_count: int
    fixed: int
    eni_count: int
    slots: int


@attrs.define
class _Rest:
    """What a node that is divided among subnets has still to place."""

    slots: int
    enis: int  # that it may still have
    needs_first: bool  # whether its first ENI, with the fixed addresses, is still to place


_Rank = Callable[[Demand], tuple[float, ...]]
_ORDERS: tuple[_Rank, ...] = (
    lambda demand: (demand.spreads, -demand.addresses),  # what can be divided fills the gaps
    lambda demand: (not demand.prefixes, demand.spreads, -demand.addresses),  # single addresses fill the gaps
    lambda demand: (-demand.addresses,),
)
"""Orders in which to place the nodes of a pool, the largest first among equals. None of them is the best in every case."""


def place(
    demands: Demands,
    subnets: Sequence[Capacity],
    fresh: Capacity | None = None,
    pools: Sequence[int] = (0,),
    order: _Rank = _ORDERS[0],
) -> tuple[Part, ...] | None:
    """Find a place for every address.

    Args:
        demands: The nodes.
        subnets: The subnets that there are.
        fresh: What a further subnet holds; as many are added as are needed. None to add none.
        pools: The order in which to place the nodes of the pools.
        order: The order in which to place the nodes of a pool.

    Returns:
        The parts; None if this procedure finds no place for all. It can miss one: see `search_placement`.

    Complexity: O(subnets) for each demand, and O(1) more for each node that is divided.
    """
    # Nodes begin with the subnets that are closed for all later pools.
    last = [max((rank for rank, pool in enumerate(pools) if each.pools >> pool & 1), default=0) for each in subnets]
    places = sorted(range(len(subnets)), key=last.__getitem__)
    filler = _Filler([subnets[index] for index in places], fresh)
    ranks = [(pools.index(demand.pool), *order(demand)) for demand, _ in demands]
    for index in sorted(range(len(demands)), key=ranks.__getitem__):
        demand, count = demands[index]
        if not (filler.spread(index, demand, count) if demand.spreads else filler.keep_whole(index, demand, count)):
            return None
    return tuple(attrs.evolve(part, subnet=places[part.subnet]) if part.subnet < len(places) else part for part in filler.parts)


class _Filler:
    """Fills subnets in order."""

    def __init__(self, free: list[Capacity], fresh: Capacity | None) -> None:
        self._free = free
        self._fresh = fresh
        self._empty = (*free,) if fresh is None else (fresh,)
        self._typical = Capacity(0, 0)  # an empty subnet by which to judge whether what is left of a divided node can still be placed
        self.parts: list[Part] = []

    def keep_whole(self, index: int, demand: Demand, count: int) -> bool:
        """Put each node into one subnet."""
        for subnet in range(len(self._free)):
            count -= self._put_whole(index, demand, count, subnet)
        while count:
            if self._fresh is None or not demand.fits(self._fresh):
                return False
            self._free.append(self._fresh)
            count -= self._put_whole(index, demand, count, len(self._free) - 1)
        return True

    def _put_whole(self, index: int, demand: Demand, count: int, subnet: int) -> int:
        placed = min(count, demand.fits(self._free[subnet]))
        if placed:
            self._put(Part(index, subnet, placed, demand.fixed, demand.eni_count, demand.slots), demand)
        return placed

    def _put(self, part: Part, demand: Demand) -> None:
        free = self._free[part.subnet]
        singles = part.fixed + part.eni_count - (1 if part.fixed else 0)
        each = _taken(demand, singles, part.slots)
        self._free[part.subnet] = free.less(*(part.node_count * count for count in each))
        self.parts.append(part)

    def spread(self, index: int, demand: Demand, count: int) -> bool:
        """Fill one subnet after the other; the node that does not fit into one as a whole goes on in the next."""
        there = [each for each in self._empty if demand.is_open(each)]
        self._typical = max(there, key=lambda each: (each.prefixes, each.addresses), default=Capacity(0, 0))
        rest: _Rest | None = None
        subnet = 0
        while count or rest is not None:
            if subnet == len(self._free):
                if self._fresh is None or self._free[subnet - 1 : subnet] == [self._fresh]:  # nothing of it fits into an empty one
                    return False
                self._free.append(self._fresh)
            if rest is None:
                count -= self._put_whole(index, demand, count, subnet)
                if not count:
                    break
                rest = _Rest(demand.slots, demand.eni_limit, needs_first=True)
                count -= 1
            part = self._largest_part(demand, rest, subnet)
            if part is not None:
                eni_count, slots, fixed = part
                self._put(Part(index, subnet, 1, fixed, eni_count, slots), demand)
                rest = _Rest(rest.slots - slots, rest.enis - eni_count, needs_first=rest.needs_first and not fixed)
            if not rest.slots and not rest.needs_first:
                rest = None  # the subnet may have room for more
            else:
                subnet += 1
        return True

    def _largest_part(self, demand: Demand, rest: _Rest, subnet: int) -> tuple[int, int, int] | None:
        """Choose how much of a divided node goes here: its ENIs, slots and fixed addresses. What then remains can still be placed."""
        best: tuple[int, bool, int] | None = None
        for takes_first in (True, False) if rest.needs_first else (False,):
            fixed = demand.fixed - 1 if takes_first else 0
            for eni_count in range(1, rest.enis + 1):
                slots = min(rest.slots, demand.most_slots(eni_count, self._free[subnet], fixed=fixed))
                if slots < 0 or (not slots and rest.slots):  # no room, or nothing gained
                    continue
                after = _Rest(rest.slots - slots, rest.enis - eni_count, needs_first=rest.needs_first and not takes_first)
                whole = not after.slots and not after.needs_first
                enough_enis = not whole or demand.eni_limit - after.enis >= demand.eni_count
                key = slots, takes_first, -eni_count
                if enough_enis and self._can_be_placed(demand, after) and (best is None or key > best):
                    best = key
        return None if best is None else (-best[2], best[0], demand.fixed if best[1] else 0)

    def _can_be_placed(self, demand: Demand, rest: _Rest) -> bool:
        """Tell whether empty subnets can hold the rest of a node, one ENI in each."""
        in_one = max(0, demand.most_slots(1, self._typical))
        if not rest.needs_first:
            return rest.slots <= rest.enis * in_one
        first = demand.most_slots(1, self._typical, fixed=demand.fixed - 1)
        return rest.enis >= 1 and first >= 0 and rest.slots <= first + (rest.enis - 1) * in_one


# --- bounds --------------------------------------------------------------------------------------------------------------


def exceeds(demands: Demands, subnets: Iterable[Capacity]) -> bool:
    """Tell whether the nodes of some pools need more than the subnets have that are open for these, so that there can be no placement.

    In one subnet there is a placement in every other case.
    """
    total = [*subnets]
    pools = sorted({demand.pool for demand, _ in demands})
    few = len(pools) <= _MOST_JOINED
    chosen = ([pool for place, pool in enumerate(pools) if number >> place & 1] for number in range(1, 1 << len(pools))) if few else [pools]
    return any(_exceeds_together(pools, demands, total) for pools in chosen)


def _exceeds_together(pools: Sequence[int], demands: Demands, subnets: Sequence[Capacity]) -> bool:
    own = [(demand, count) for demand, count in demands if demand.pool in pools]
    there = [each for each in subnets if any(each.pools >> pool & 1 for pool in pools)]
    return (
        sum(count * demand.addresses for demand, count in own) > sum(each.addresses for each in there)
        or sum(count * demand.singles for demand, count in own) > sum(each.singles for each in there)
        or sum(count * demand.prefixes for demand, count in own) > sum(each.prefixes for each in there)
    )


def least_subnets(demands: Demands, capacity: Capacity) -> int:
    """Return a number of alike subnets that no placement can do with fewer of."""
    addresses = sum(count * demand.addresses for demand, count in demands)
    prefixes = sum(count * demand.prefixes for demand, count in demands)
    bounds = [ceil_div(addresses, capacity.addresses) if addresses else 0, ceil_div(prefixes, capacity.prefixes) if prefixes else 0]
    for demand, count in demands:
        if not demand.spreads:
            bounds.append(ceil_div(count, demand.fits(capacity)) if count else 0)
        elif count and demand.slots:
            bounds.append(_least_by_enis(demand, count, capacity))
    return max(bounds)


def _least_by_enis(demand: Demand, count: int, capacity: Capacity) -> int:
    """Return the bound that follows from the most ENIs of all nodes together: few ENIs with many slots each can't fill every gap."""
    # More ENIs hold more slots until these fill the subnet; from then on, each takes room from them.
    filling = bisect_left(
        range(1, capacity.addresses + 1), x=True, key=lambda enis: demand.most_slots(enis, capacity) < enis * demand.slots_per_eni
    )
    best = max(range(max(1, filling), filling + 2), key=lambda enis: (demand.most_slots(enis, capacity), -enis))
    full = demand.most_slots(best, capacity)
    last = full - demand.most_slots(best - 1, capacity) if best > 1 else full
    enis, slots = count * demand.eni_limit, count * demand.slots

    def reach(subnets: int) -> int:
        early = min(enis, subnets * (best - 1))
        return early * demand.slots_per_eni + min(enis - early, subnets) * last

    subnets = ceil_div(slots, full)
    while reach(subnets) < slots:
        subnets += 1
    return subnets


# --- search --------------------------------------------------------------------------------------------------------------

_Free = tuple[tuple[Capacity, int], ...]
"""What subnets have free, and how many have just that, sorted. Trying two alike subnets would find the same."""


class _OutOfSteps(Exception):
    """The search has taken `MOST_STEPS` steps."""


def search_placement(demands: Demands, subnets: Sequence[Capacity]) -> bool | None:
    """Try every placement. Return whether there is one; None if there are too many to try."""
    if sum(count * (demand.eni_limit if demand.spreads else 1) for demand, count in demands) > _MOST_SEARCHED_ENIS:
        return None
    free = tuple(sorted(Counter(subnets).items()))
    try:
        return _Search([(demand, count) for demand, count in demands if count]).finds(free, 0, 0, None)
    except _OutOfSteps:
        return None


class _Open(NamedTuple):
    """A node that is being placed, ENI by ENI: its slots and ENIs still to place, of which none has more slots than `most`."""

    slots: int
    enis: int
    most: int


class _Search:
    def __init__(self, demands: list[tuple[Demand, int]]) -> None:
        self._demands = demands
        self._failed: set[tuple[_Free, int, int, _Open | None]] = set()
        self._step_count = 0

    def finds(self, free: _Free, index: int, placed: int, node: _Open | None) -> bool:
        """Tell whether the rest can be placed: of the demand `index` beyond `placed` nodes and an open one, and all later demands."""
        if index == len(self._demands):
            return True
        demand, count = self._demands[index]
        if placed == count:
            return self.finds(free, index + 1, 0, None)
        state = free, index, placed, node
        if state in self._failed:
            return False
        self._step_count += 1
        if self._step_count > MOST_STEPS:
            raise _OutOfSteps
        steps = (
            self._whole(free, demand)
            if not demand.spreads
            else self._first(free, demand)
            if node is None
            else self._next(free, demand, node)
        )
        for after, left in steps:
            done = left is None or (not left.slots and demand.eni_limit - left.enis >= demand.eni_count)
            if self.finds(after, index, placed + 1, None) if done else self.finds(after, index, placed, left):
                return True
        self._failed.add(state)
        return False

    @staticmethod
    def _whole(free: _Free, demand: Demand) -> Iterator[tuple[_Free, _Open | None]]:
        """Go through the places of a node that is in one subnet."""
        for each, _ in free:
            if demand.fits(each):
                yield _without(free, each, demand.singles, demand.prefixes), None

    @staticmethod
    def _first(free: _Free, demand: Demand) -> Iterator[tuple[_Free, _Open | None]]:
        """Go through the places and sizes of a node's first ENI."""
        for each, _ in free:
            for slots in range(min(demand.slots, demand.most_slots(1, each, fixed=demand.fixed - 1)), -1, -1):
                left = _Open(demand.slots - slots, demand.eni_limit - 1, demand.slots_per_eni)
                if left.slots <= left.enis * left.most:
                    yield _without(free, each, *_taken(demand, demand.fixed, slots)), left

    @staticmethod
    def _next(free: _Free, demand: Demand, node: _Open) -> Iterator[tuple[_Free, _Open | None]]:
        """Go through the places and sizes of a further ENI. It has no slots only if the node has none left to place."""
        for each, _ in free:
            for slots in range(min(node.slots, node.most, demand.most_slots(1, each)), 0 if node.slots else -1, -1):
                left = _Open(node.slots - slots, node.enis - 1, slots)
                if left.slots <= left.enis * left.most:
                    yield _without(free, each, *_taken(demand, 1, slots)), left


def _taken(demand: Demand, singles: int, slots: int) -> tuple[int, int]:
    """Return the single addresses and the prefixes of single addresses and slots."""
    return (singles, slots) if demand.slot_size > 1 else (singles + slots, 0)


def _without(free: _Free, subnet: Capacity, singles: int, prefixes: int) -> _Free:
    counts = dict(free)
    counts[subnet] -= 1
    left = subnet.less(singles, prefixes)
    counts[left] = counts.get(left, 0) + 1
    return tuple(sorted((each, count) for each, count in counts.items() if count))


# --- answers -------------------------------------------------------------------------------------------------------------


@attrs.frozen
class SubnetCount:
    """A number of alike subnets that suffices.

    Attributes:
        count: Every address has a place in so many.
        least: No placement does with fewer. It equals `count` but in large cases that are close to call.
    """

    count: int
    least: int


def count_subnets(demands: Demands, capacity: Capacity) -> SubnetCount | None:
    """Return how many alike subnets the nodes need; None if a node can't be placed in any number of them."""
    placements = [place(each, (), capacity, order=order) for each in (demands, whole_demands(demands)) for order in _ORDERS]
    counts = [max((part.subnet + 1 for part in parts), default=0) for parts in placements if parts is not None]
    if not counts:
        return None
    most = min(counts)
    for fewer in range(least_subnets(demands, capacity), most):
        found = search_placement(demands, (capacity,) * fewer)
        if found is not False:
            return SubnetCount(fewer if found else most, fewer)
    return SubnetCount(most, most)


def fits_into(demands: Demands, subnets: Sequence[Capacity]) -> bool:
    """Tell whether the nodes fit into the subnets of a zone. If that is too close to call in a large case, say no."""
    if exceeds(demands, subnets):
        return False
    return find_placement(demands, subnets) is not None or search_placement(demands, subnets) is True


def find_placement(demands: Demands, subnets: Sequence[Capacity]) -> tuple[Part, ...] | None:
    """Try `place` with every order of a few pools, several of their nodes, and with and without divided nodes.

    The parts are of the first that succeeds.
    """
    choices = {demand.pool: sum(demand.is_open(each) for each in subnets) for demand, _ in demands}
    pools = [*islice(permutations(sorted(choices, key=lambda pool: (choices[pool], pool))), _MOST_ORDERS)]
    orders = [*((each, _ORDERS[0]) for each in pools), *((pools[0], each) for each in _ORDERS[1:])]
    found = (place(each, subnets, pools=own, order=order) for each in (demands, whole_demands(demands)) for own, order in orders)
    return next((parts for parts in found if parts is not None), None)
