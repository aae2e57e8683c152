"""Chooses the zone of each pod, then a node in it, as kube-scheduler does with topology spread constraints over zones."""

from collections.abc import Iterable, Mapping
from itertools import accumulate
from random import Random
from typing import cast

from vpcipam._chance import seed_of_member
from vpcipam.fleet.ledger import Ledger
from vpcipam.fleet.loop import Member, Scheduler
from vpcipam.fleet.scenario import Scenario
from vpcipam.fleet.spec import NodeGroup
from vpcipam.fleet.spread import MAX_SCORE, TopologySpread, open_zones, zone_scores

SPREAD_WEIGHT = 2
"""The weight of a zone's score; that of the node's share of pods has the weight 1 (kube-scheduler: default_plugins.go)."""


def make_scheduler(scenario: Scenario, ledger: Ledger) -> Scheduler:
    """Make the scheduler of a run: one that knows zones if a pod is spread over them."""
    most_allocated = scenario.scheduling == "most-allocated"
    if ledger.spreads is None:
        return Scheduler(scenario.groups, most_allocated=most_allocated, seed=scenario.seed)
    return ZoneScheduler(scenario.groups, scenario.zones, most_allocated=most_allocated, seed=scenario.seed)


class ZoneScheduler(Scheduler):
    """A scheduler for a fleet in zones, with pods that are spread over them.

    The score of a node is `SPREAD_WEIGHT` times that of its zone, plus that of its share of pods as in `Scheduler`. So the best node of all
    is the best node of some zone. Among equal nodes it takes one at random.

    Invariants:

    1. Each zone has a scheduler of its own, with the nodes of this zone.
    2. `counts` has the pods of each spread that are on a node, by zone; no count is 0.
    3. `rooms` has how many more pods the nodes of each zone can take.

    Complexity: O(zones) for each choice, amortised.
    """

    def __init__(self, groups: Iterable[NodeGroup], zones: Iterable[str], *, most_allocated: bool, seed: int) -> None:
        """Make a scheduler without nodes, for these zones."""
        groups = tuple(groups)
        super().__init__(groups, most_allocated=most_allocated, seed=seed)
        self._zones = {
            zone: Scheduler(groups, most_allocated=most_allocated, seed=seed_of_member(seed, place)) for place, zone in enumerate(zones)
        }
        self._share_scores = [float(MAX_SCORE * (share if most_allocated else 1 - share)) for share in self.shares]
        self._node_counts = dict.fromkeys(self._zones, 0)
        self._draw = Random(seed).random  # noqa: S311  # a simulation, seeded
        self.counts: dict[str, dict[str, int]] = {}
        self.rooms = dict.fromkeys(self._zones, 0)

    @property
    def domains(self) -> list[str]:
        """The zones that have nodes. The scheduler knows no others."""
        return [zone for zone, count in self._node_counts.items() if count]

    def add(self, member: Member) -> None:
        """Let a node take pods."""
        zone = _zone(member)
        self._node_counts[zone] += 1
        self.rooms[zone] += member.room - member.pod_count
        self._zones[zone].add(member)

    def remove(self, member: Member) -> None:
        """Let a node take no more pods."""
        zone = _zone(member)
        self._node_counts[zone] -= 1
        self.rooms[zone] -= member.room - member.pod_count
        self._zones[zone].remove(member)

    def move(self, member: Member, pod_count: int) -> None:
        """Set the number of pods on a node."""
        zone = _zone(member)
        self.rooms[zone] -= pod_count - member.pod_count
        self._zones[zone].move(member, pod_count)

    def take(self) -> Member | None:
        """Choose a node for a pod that is not spread, and count the pod on it. Return None if no node has room."""
        return self._take_best({zone: 0 for zone, room in self.rooms.items() if room})

    def take_for(self, spread: TopologySpread) -> Member | None:
        """Choose a node for a pod, and count the pod on it and in its zone. Return None if no node can take the pod."""
        counts = self.counts.get(spread.pods, {})
        zones = [zone for zone in open_zones(spread.hard, counts, self.domains) if self.rooms[zone]]
        member = self._take_best(zone_scores(spread.soft, counts, zones))
        if member is not None:
            zone = _zone(member)
            counts[zone] = counts.get(zone, 0) + 1
            self.counts[spread.pods] = counts
        return member

    def leave(self, spread: TopologySpread, member: Member) -> None:
        """Count a pod no longer that `take_for` placed on this node. The pod's place on the node is freed by `move`."""
        counts, zone = self.counts[spread.pods], _zone(member)
        counts[zone] -= 1
        if not counts[zone]:
            del counts[zone]
        if not counts:
            del self.counts[spread.pods]

    def has_room(self) -> bool:
        """Return whether any node has room."""
        return any(self.rooms.values())

    def _take_best(self, scores: Mapping[str, int]) -> Member | None:
        """Take the node with the highest score in these zones, all of which have room. Return None if there is no zone."""
        best, nodes = -1.0, dict[str, int]()
        for zone, zone_score in scores.items():
            scheduler = self._zones[zone]
            rank = scheduler.best_rank()
            score = SPREAD_WEIGHT * zone_score + self._share_scores[rank]
            if score > best:
                best, nodes = score, {}
            if score == best:
                nodes[zone] = scheduler.node_count(rank)
        if not nodes:
            return None
        chosen = self._one_of(nodes)
        self.rooms[chosen] -= 1
        return self._zones[chosen].take()

    def _one_of(self, nodes: Mapping[str, int]) -> str:
        """Choose a zone at random, by the number of its nodes."""
        first, *others = nodes
        if not others:
            return first
        place = int(self._draw() * sum(nodes.values()))
        return next(zone for zone, until in zip(nodes, accumulate(nodes.values()), strict=True) if place < until)

    def _check(self) -> None:
        """Assert the invariants."""
        for zone, scheduler in self._zones.items():
            scheduler._check()  # noqa: SLF001  # its own invariants
            nodes_with_room = any(scheduler.node_count(rank) for rank in range(len(self.shares)))
            assert (self.rooms[zone] > 0) is nodes_with_room, "invariant 3"  # noqa: S101  # a _check asserts
        assert all(count > 0 for counts in self.counts.values() for count in counts.values()), "invariant 2"  # noqa: S101  # a _check asserts


def _zone(member: Member) -> str:
    return cast("str", member.zone)
