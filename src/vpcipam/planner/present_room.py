"""The subnets that some nodes share, and what so many of these nodes take out of them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from vpcipam._units import ceil_div
from vpcipam.planner.present import PREFIX_LENGTH, PresentSubnet
from vpcipam.planner.present_answers import SubnetRange
from vpcipam.planner.subnet_demands import Capacity, Demand
from vpcipam.planner.subnet_packing import exceeds, find_placement, fits_into

_MOST_STEPS = 64
"""Of a longer rolling update, so many steps are looked at, the first and the last among them."""


@attrs.frozen
class NodePart:
    """What a node takes out of some subnets.

    Attributes:
        demand: What it takes.
        subnet_ids: The subnets that can hold it; empty if there are none, or if nobody knows them.
        for_pods: It is for pods alone, in subnets in which no node has to be launched.
        whole: If this is the primary ENI, which other ENIs can relieve: what it takes together with them.
        others: The subnets of these other ENIs.
    """

    demand: Demand
    subnet_ids: tuple[str, ...]
    for_pods: bool = False
    whole: Demand | None = None
    others: tuple[str, ...] = ()

    @property
    def sets(self) -> tuple[tuple[str, ...], ...]:
        """The sets of subnets that it names."""
        return self.subnet_ids, self.others

    def missing(self, addresses: int) -> "NodePart":
        """Return so many further addresses of its node, which any subnet can have that its ENIs can be in."""
        demand = self.demand if self.whole is None else self.whole
        slots = addresses // demand.slot_size if demand.slot_size > 1 else 0
        fixed = max(1, addresses - slots * demand.slot_size)
        return NodePart(
            Demand(fixed=fixed, slots=slots, slot_size=demand.slot_size, slots_per_eni=max(1, slots), pool=demand.pool), self.subnet_ids
        )

    def numbered(self, sets: Mapping[frozenset[str], int]) -> "NodePart":
        """Return it with the numbers of its sets of subnets: its own for `demand`, that of the others for `whole`."""
        own, others = (sets[frozenset(each)] for each in self.sets)
        whole = None if self.whole is None else attrs.evolve(self.whole, pool=others)
        return attrs.evolve(self, demand=attrs.evolve(self.demand, pool=own), whole=whole)


class NodesInTurn:
    """Nodes, each with its parts, and further ones like them, in turn."""

    def __init__(self, nodes: Iterable[tuple[NodePart, ...]]) -> None:
        self._nodes = [*nodes]

    @property
    def count(self) -> int:
        """The number of nodes that there are."""
        return len(self._nodes)

    @property
    def demands(self) -> list[Demand]:
        """The demands of the nodes that there are."""
        return [part.demand for parts in self._nodes for part in parts]

    def so_many(self, count: int, subnets: Sequence[Capacity]) -> list[tuple[Demand, int]]:
        """Return the demands of so many nodes.

        Where the subnet is too small for the primary ENIs of all that are launched there, the last ones have on theirs what is left, and
        the rest on other ENIs.
        """
        rounds, rest = divmod(count, len(self._nodes))
        kinds = Counter(self._nodes[:rest])
        if rounds:
            kinds.update({parts: rounds * each for parts, each in Counter(self._nodes).items()})
        demands: Counter[Demand] = Counter()
        for parts, each in kinds.items():
            demands.update({part.demand: each for part in parts})
        for pool in {parts[0].demand.pool for parts in kinds if parts[0].whole is not None}:
            own = {parts: each for parts, each in kinds.items() if parts[0].demand.pool == pool}
            demands = _relieved(demands, own, [each for each in subnets if each.pools >> pool & 1])
        return [(demand, each) for demand, each in demands.items() if each]


def _relieved(demands: Counter[Demand], own: Mapping[tuple[NodePart, ...], int], launched_in: list[Capacity]) -> Counter[Demand]:
    """Give primary ENIs fewer slots if their subnet is too small for all, as ipamd does: the first nodes have theirs full."""
    here = [(demand, demands[demand]) for demand in {parts[0].demand for parts in own}]
    if not exceeds(here, launched_in):
        return demands
    (left,) = launched_in
    found = Counter(demands)
    for parts, all_alike in own.items():
        found.subtract({part.demand: all_alike for part in parts})
        first, whole = parts[0].demand, parts[0].whole
        full = min(all_alike, first.fits(left))
        found.update({part.demand: full for part in parts})
        left = left.less(full * first.singles, full * first.prefixes)
        count = all_alike - full
        while count:
            if whole is None or whole.eni_limit == 1:
                return demands
            slots = attrs.evolve(whole, pool=first.pool).most_slots(1, left, fixed=whole.fixed - 1)
            own_part, rest = whole.divided(max(0, slots))
            if slots < 0 or rest is None or rest.slots > rest.eni_limit * rest.slots_per_eni:
                return demands
            own_part = attrs.evolve(own_part, pool=first.pool)
            alike = 1 if slots else min(count, own_part.fits(left))
            found.update({own_part: alike, rest: alike})
            left = left.less(alike * own_part.singles, alike * own_part.prefixes)
            count -= alike
    return found


class PoolRoom:
    """What some subnets can hold, each open for some pools of demands."""

    def __init__(
        self,
        subnets: Sequence[PresentSubnet],
        open_for: Sequence[int],
        *,
        for_prefixes: bool,
        beside_nodes: bool = False,
        without: Sequence[str] = (),
    ) -> None:
        self._subnets = subnets
        self._open_for = open_for
        self.for_prefixes = for_prefixes
        self.capacities: list[Capacity] = [
            subnet.capacity(for_prefixes=for_prefixes, beside_nodes=beside_nodes, without=without)._replace(pools=pools)
            for subnet, pools in zip(subnets, open_for, strict=True)
        ]

    def holds(self, nodes: NodesInTurn, count: int | None = None) -> bool:
        """Tell whether so many nodes fit, or all. In one subnet there is nothing to choose."""
        demands = nodes.so_many(nodes.count if count is None else count, self.capacities)
        return fits_into(demands, self.capacities) if len(self._subnets) > 1 else not exceeds(demands, self.capacities)

    def full_for_nodes(self, nodes: NodesInTurn, count: int) -> tuple[str, ...]:
        """Name those of several subnets that are too small for what has to be in them of so many nodes."""
        if len(self._subnets) == 1:
            return ()
        demands = nodes.so_many(count, self.capacities)
        several = {demand.pool for demand, _ in demands if sum(demand.is_open(each) for each in self.capacities) > 1}
        found = []
        for subnet, capacity in zip(self._subnets, self.capacities, strict=True):
            own = [(demand, each) for demand, each in demands if demand.is_open(capacity) and demand.pool not in several]
            if exceeds(own, [capacity]):
                found.append(subnet.subnet_id)
        return tuple(found)

    def holds_in_place_of(self, old: Sequence[str], new: Sequence[tuple[NodePart, ...]]) -> bool:
        """Tell whether new nodes fit one after the other, while as large a share of the old ones has gone as of the new ones is there.

        What an old node leaves need not be a whole /28: other old nodes can have the rest of it. If nobody knows which addresses they have,
        tell whether each new node fits beside all old ones.
        """
        if not all(each.places_known for each in self._subnets) or not any(each.held_by for each in self._subnets):
            return all(self._beside(()).holds(NodesInTurn([each])) for each in {*new})
        counts = {*range(1, len(new) + 1, ceil_div(len(new), _MOST_STEPS)), len(new)}
        return all(self._beside(old[: (count - 1) * len(old) // len(new)]).holds(NodesInTurn(new[:count])) for count in sorted(counts))

    def _beside(self, gone: Sequence[str]) -> "PoolRoom":
        return PoolRoom(self._subnets, self._open_for, for_prefixes=self.for_prefixes, beside_nodes=True, without=gone)

    def ranges(self, nodes: NodesInTurn) -> Iterator[SubnetRange]:
        """Say what to reserve for the prefixes of nodes in each subnet; nothing if they don't fit."""
        if not self.for_prefixes:
            return
        demands = nodes.so_many(nodes.count, self.capacities)
        parts = find_placement(demands, self.capacities) or ()
        counts: Counter[int] = Counter()
        for part in parts:
            if demands[part.demand][0].slot_size > 1:
                counts[part.subnet] += part.node_count * part.slots
        for index, prefixes in sorted(counts.items()):
            subnet = self._subnets[index]
            found = subnet.range_for_prefixes(prefixes) if subnet.places_known else None
            yield SubnetRange(
                subnet_id=subnet.subnet_id,
                prefixes=prefixes,
                prefix_length=PREFIX_LENGTH - (prefixes - 1).bit_length() if found is None else found.prefix_length,
                cidr=None if found is None else str(found),
            )
