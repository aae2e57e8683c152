"""How many nodes pending pods need, and of which groups."""

import itertools

import pytest
from test_group_nodes import nodes_of

from vpcipam.fleet.demand import PodCount, ZoneDemand
from vpcipam.fleet.spread import SpreadConstraint, TopologySpread, open_zones

HARD = TopologySpread("web", (SpreadConstraint(1),))
A, B, C, ALL = nodes_of("a"), nodes_of("b"), nodes_of("c"), nodes_of("abc")


def launches(demand, groups, room=2, most=20):
    """Launch what a demand asks for, as the autoscaler does. Return the zones of the groups."""
    found = []
    while (nodes := demand.next_group(iter(groups))) is not None and len(found) < most:
        found.append("".join(nodes.zones))
        demand.launched(nodes.zones, room)
    return found


@pytest.mark.parametrize(("pending", "room", "wanted"), [(0, 0, 0), (2, 2, 0), (3, 2, 1), (7, 2, 3)])
def test_pods_that_go_anywhere_need_room_for_all(pending, room, wanted):
    assert launches(PodCount(pending, room), [A, B]) == ["a"] * wanted
    assert launches(ZoneDemand([None] * pending, {("c",): room}, {}, "abc"), [A, B]) == ["a"] * wanted


def test_without_a_group_that_can_grow_there_is_nothing_to_launch():
    assert launches(PodCount(5, 0), []) == launches(ZoneDemand([HARD] * 5, {}, {}, "a"), []) == []


def test_a_pod_needs_a_node_in_an_open_zone():
    assert launches(ZoneDemand([HARD], {}, {"web": {"a": 3, "b": 3}}, "abc"), [A, B, C]) == ["c"]
    assert launches(ZoneDemand([HARD], {}, {"web": {"a": 3, "b": 3}}, "abc"), [A, B]) == []


def test_a_zone_without_nodes_is_no_domain_until_a_node_is_launched_there():
    assert launches(ZoneDemand([HARD] * 4, {}, {"web": {"a": 3}}, "a"), [A, B]) == ["a", "a"]
    assert launches(ZoneDemand([HARD] * 4, {}, {"web": {"a": 3}}, "a"), [B, A]) == ["b", "b"]


def test_min_domains_brings_nodes_to_other_zones():
    spread = TopologySpread("web", (SpreadConstraint(1, min_domains=3),))
    assert launches(ZoneDemand([spread] * 3, {}, {}, ""), [A, B, C]) == ["a", "b", "c"]


def test_a_pod_takes_room_on_a_booting_node_of_an_open_zone():
    counts = {"web": {"a": 1, "b": 1}}
    assert launches(ZoneDemand([HARD], {("c",): 1}, counts, "ab"), [A, B, C]) == []
    assert launches(ZoneDemand([HARD] * 2, {("c",): 1}, counts, "ab"), [B, C]) == ["b"]
    assert launches(ZoneDemand([HARD], {("a",): 5}, counts, "abc"), [A, B, C]) == ["c"]


def test_a_group_with_several_zones_is_trusted_to_launch_where_a_pod_can_go():
    assert launches(ZoneDemand([HARD] * 2, {}, {"web": {"a": 3, "b": 3}}, "abc"), [ALL]) == ["abc"]
    assert launches(ZoneDemand([HARD] * 2, {("a", "b", "c"): 2}, {"web": {"a": 3, "b": 3}}, "abc"), [ALL]) == []


def test_pods_that_no_group_helps_do_not_keep_others_waiting():
    other = TopologySpread("other", (SpreadConstraint(1),))
    demand = ZoneDemand([HARD, HARD, other, None], {}, {"web": {"a": 9}}, "ab")
    assert launches(demand, [A]) == ["a"]


@pytest.mark.parametrize("max_skew", [1, 2])
def test_all_pods_find_a_node_if_each_zone_has_a_group(max_skew):
    spread = TopologySpread("web", (SpreadConstraint(max_skew),))
    for counts in itertools.product(range(3), repeat=3):
        present = dict(zip("abc", counts, strict=True))
        for pending in range(6):
            zones = launches(ZoneDemand([spread] * pending, {}, {"web": present}, "abc"), [A, B, C], room=1)
            assert len(zones) == pending
            after = dict(present)
            for zone in zones:  # they could be placed one by one
                assert zone in open_zones(spread.hard, after, "abc")
                after[zone] += 1
