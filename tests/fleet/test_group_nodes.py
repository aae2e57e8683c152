"""Where the next node of a group is launched."""

import hypothesis.strategies as st
from hypothesis import given

from vpcipam.fleet.group_nodes import GroupNodes
from vpcipam.fleet.spec import NodeGroup, SubnetSpec
from vpcipam.settings import Settings


def nodes_of(zones, *, max_count=9, pod_subnets=(), max_pods=None):
    """A group with one subnet for each letter; the same letter twice is a zone with two subnets."""
    specs = {f"s{place}": SubnetSpec(f"s{place}", f"10.0.{place}.0/24", zone=zone) for place, zone in enumerate(zones)}
    pods = {f"p{zone}": SubnetSpec(f"p{zone}", "10.1.0.0/24", zone=zone) for zone in pod_subnets}
    group = NodeGroup("g", "m5.large", 0, Settings(), tuple(specs), 0, max_count, max_pods=max_pods, pod_subnets=tuple(pods))
    return GroupNodes.of(3, group, specs | pods)


def launch(nodes):
    zone = nodes.zones_to_try()[0]
    subnet = nodes.subnet_in(zone)
    nodes.launched(zone)
    return zone, subnet


def test_nodes_are_balanced_over_zones():
    nodes = nodes_of("abc")
    assert [launch(nodes)[0] for _ in range(7)] == ["a", "b", "c", "a", "b", "c", "a"]


def test_a_node_is_launched_in_the_zone_with_the_fewest():
    nodes = nodes_of("abc")
    for _ in range(6):
        launch(nodes)
    nodes.terminated("b")
    assert nodes.zones_to_try() == ["b", "a", "c"]
    assert (nodes.live_count, nodes.made_count) == (5, 6)


@given(zones=st.lists(st.sampled_from("abc"), min_size=1, max_size=5), gone=st.lists(st.integers(0, 9), max_size=12))
def test_launches_keep_a_group_within_one_node_of_balance(zones, gone):
    nodes = nodes_of(zones, max_count=100)
    live = dict.fromkeys(zones, 0)
    for number in gone:  # terminations unbalance it, launches balance it again
        for _ in range(3):
            live[launch(nodes)[0]] += 1
        zone = zones[number % len(zones)]
        if live[zone]:
            nodes.terminated(zone)
            live[zone] -= 1
        before = max(live.values()) - min(live.values())
        chosen, _ = launch(nodes)
        assert live[chosen] == min(live.values())
        live[chosen] += 1
        assert max(live.values()) - min(live.values()) <= max(before, 1)
    assert nodes.live_count == sum(live.values())


def test_subnets_of_one_zone_take_turns():
    nodes = nodes_of("aba")
    assert [launch(nodes) for _ in range(6)] == [("a", "s0"), ("b", "s1"), ("a", "s2"), ("b", "s1"), ("a", "s0"), ("b", "s1")]


def test_without_zones_the_subnets_take_turns():
    nodes = nodes_of([None, None])
    assert nodes.zones == ()
    assert [launch(nodes) for _ in range(3)] == [(None, "s0"), (None, "s1"), (None, "s0")]


def test_the_subnet_of_the_eniconfig_is_that_of_the_zone():
    assert [nodes_of("ab", pod_subnets="ba").pod_subnet_in(zone) for zone in "ab"] == ["pa", "pb"]
    assert nodes_of("ab").pod_subnet_in("a") is None


def test_a_group_grows_to_its_maximum_if_its_nodes_take_pods():
    nodes = nodes_of("a", max_count=1)
    assert nodes.can_grow
    launch(nodes)
    assert not nodes.can_grow
    nodes.terminated("a")
    assert nodes.can_grow
    assert not nodes_of("a", max_pods=2).can_grow  # both for pods of the host network
