"""The scheduler of a fleet in zones: it takes a node that kube-scheduler's rules allow, and none that scores worse than another."""

from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from vpcipam.datastore import Datastore
from vpcipam.fleet.loop import Member
from vpcipam.fleet.spread import SpreadConstraint, TopologySpread, zone_scores
from vpcipam.fleet.zone_scheduler import ZoneScheduler

KINDS = [(4, 2), (17, 15), (3, 3), (2, 0)]
HARD, SOFT = SpreadConstraint(1), SpreadConstraint(1, "ScheduleAnyway")
SPREADS = [
    None,
    TopologySpread("hard", (HARD,)),
    TopologySpread("soft", (SOFT,)),
    TopologySpread("both", (SpreadConstraint(2), SOFT)),
    TopologySpread("wide", (SpreadConstraint(3, min_domains=3),)),
]


def group(max_pods, room):
    return SimpleNamespace(kubelet_max_pods=max_pods, pods_per_node=room)


def member(number, kind, zone):
    datastore = Datastore(cooldown_ns=3)
    datastore.add_eni("eni-1", device_number=0, now_ns=0)
    return Member(number, f"n{number}", group(*kind), SimpleNamespace(datastores=(datastore,)), zone)


def scheduler_of(members, *, most_allocated=False, seed=1, zones="abc"):
    scheduler = ZoneScheduler([group(*kind) for kind in KINDS], zones, most_allocated=most_allocated, seed=seed)
    for each in members:
        scheduler.add(each)
    return scheduler


class NaiveCluster:
    """Filters and scores every node for each pod, as kube-scheduler does."""

    def __init__(self, members, *, most_allocated):
        self.nodes = {each.number: each for each in members}
        self.room = {each.number: each.group.pods_per_node for each in members}
        self.pods = []  # of (spread, number of the node)
        self.most_allocated = most_allocated

    def in_zone(self, spread, zone):
        return sum(each is spread and self.nodes[number].zone == zone for each, number in self.pods)

    def fits(self, spread, number):
        if sum(at == number for _, at in self.pods) >= self.room[number]:
            return False
        if spread is None or spread.hard is None:
            return True
        counts = [self.in_zone(spread, zone) for zone in {node.zone for node in self.nodes.values()}]
        least = min(counts) if len(counts) >= spread.hard.min_domains else 0
        return self.in_zone(spread, self.nodes[number].zone) + 1 - least <= spread.hard.max_skew

    def share(self, number):
        most = self.nodes[number].group.kubelet_max_pods
        others = most - self.nodes[number].group.pods_per_node
        return (others + sum(at == number for _, at in self.pods)) / most

    def best(self, spread):
        """The nodes that may be chosen: all that fit and have the highest score."""
        fitting = [number for number in self.nodes if self.fits(spread, number)]
        zones = {self.nodes[number].zone for number in fitting}
        ranks = dict.fromkeys(zones, 100)
        if spread is not None and spread.soft is not None:
            ranks = zone_scores(spread.soft, {zone: self.in_zone(spread, zone) for zone in zones}, zones)
        scores = {}
        for number in fitting:
            share = self.share(number)
            scores[number] = 2 * ranks[self.nodes[number].zone] + 100 * (share if self.most_allocated else 1 - share)
        return {number for number, score in scores.items() if score > max(scores.values()) - 1e-9}


@given(
    most_allocated=st.booleans(),
    nodes=st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from("abc")), min_size=1, max_size=6),
    steps=st.lists(st.tuples(st.sampled_from(["take"] * 5 + ["leave", "leave", "remove"]), st.integers(0, 60)), max_size=70),
)
def test_a_pod_goes_to_a_node_with_the_best_score_of_those_that_fit(most_allocated, nodes, steps):
    members = [member(number, *node) for number, node in enumerate(nodes)]
    scheduler = scheduler_of(members, most_allocated=most_allocated)
    naive = NaiveCluster(members, most_allocated=most_allocated)
    for step, place in steps:
        if step == "take":
            spread = SPREADS[place % len(SPREADS)]
            best = naive.best(spread)
            taken = scheduler.take() if spread is None else scheduler.take_for(spread)
            assert (taken.number in best) if best else taken is None
            if taken is not None:
                naive.pods.append((spread, taken.number))
        elif step == "leave" and naive.pods:
            spread, number = naive.pods.pop(place % len(naive.pods))
            if spread is not None:
                scheduler.leave(spread, members[number])
            scheduler.move(members[number], members[number].pod_count - 1)
        elif step == "remove":
            empty = [number for number in naive.nodes if all(at != number for _, at in naive.pods)]
            if empty:
                scheduler.remove(members[empty[place % len(empty)]])
                del naive.nodes[empty[place % len(empty)]]
        scheduler._check()
        assert scheduler.domains == [zone for zone in "abc" if any(node.zone == zone for node in naive.nodes.values())]
        assert scheduler.has_room() is bool(naive.best(None))
        for spread in SPREADS[1:]:
            counts = {zone: naive.in_zone(spread, zone) for zone in "abc"}
            assert scheduler.counts.get(spread.pods, {}) == {zone: count for zone, count in counts.items() if count}


def test_among_equal_nodes_of_all_zones_one_is_chosen_at_random_by_seed():
    def order(seed):
        members = [member(number, (17, 15), "a" if number < 6 else "b") for number in range(8)]
        scheduler = scheduler_of(members, seed=seed)
        return [scheduler.take().number for _ in range(8)]

    assert order(1) == order(1) != order(2)
    assert set(order(1)) == set(range(8))
    firsts = [order(seed)[0] for seed in range(400)]
    assert 250 < sum(number < 6 for number in firsts) < 350  # by the number of nodes, not of zones


def test_a_zone_without_a_node_is_no_domain():
    spread = TopologySpread("hard", (HARD,))
    scheduler = scheduler_of([member(0, (17, 15), "a")])
    assert [scheduler.take_for(spread).zone for _ in range(3)] == ["a"] * 3
    scheduler.add(member(1, (17, 15), "b"))
    assert [scheduler.take_for(spread).zone for _ in range(3)] == ["b"] * 3
    assert {scheduler.take_for(spread).zone for _ in range(2)} == {"a", "b"}


def test_pods_of_a_zone_are_counted_by_what_they_match():
    old, new = TopologySpread("web-0", (HARD,)), TopologySpread("web-1", (HARD,))
    scheduler = scheduler_of([member(0, (17, 15), "a"), member(1, (17, 15), "b")])
    homes = [scheduler.take_for(old) for _ in range(2)]
    assert {home.zone for home in homes} == {scheduler.take_for(new).zone for _ in range(2)} == {"a", "b"}
    with pytest.raises(KeyError):
        scheduler.leave(TopologySpread("web-2", (HARD,)), homes[0])
