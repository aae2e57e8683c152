"""`plan_present` on evidence of random small clusters, against every possible placement and against real nodes on the EC2 model."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.ec2.errors import Ec2Error
from vpcipam.inspection.present_cluster import present_cluster
from vpcipam.planner import plan_present
from vpcipam.planner.cluster_groups import node_demands
from vpcipam.settings import Settings

from placements import Zone, place_all  # isort: skip
from present_clusters import ZonedCluster, random_present  # isort: skip

PREFIXES = {"ENABLE_PREFIX_DELEGATION": "true"}
VARIANTS = ({}, {"WARM_IP_TARGET": "2"}, {"WARM_IP_TARGET": "2", "MINIMUM_IP_TARGET": "6"}, PREFIXES, PREFIXES | {"WARM_IP_TARGET": "3"})


def zone_of(cluster, pool):
    """The subnets of a pool in a model of their own, with the addresses of others."""
    subnets = [each for each in cluster.model.subnets if each.subnet_id in pool.subnet_ids]
    zone = Zone(cidrs=[each.cidr for each in subnets])
    nodes = {each.instance_id for each in cluster.nodes}
    by_cidr = {str(cidr): subnet_id for subnet_id, cidr in zone.cidrs.items()}
    for subnet in subnets:
        for eni in cluster.model.describe_network_interfaces(now_ns=cluster.now_ns):
            if eni.subnet_id == subnet.subnet_id and (eni.attachment is None or eni.attachment.instance_id not in nodes):
                zone.take(by_cidr[subnet.cidr], eni.private_ip)
    return zone


def in_turn(present, pool, variables):
    """The nodes of a pool, as the brute force takes them."""
    found = []
    for node in present.nodes:
        if node.subnet_ids[0] in pool.subnet_ids:
            changed = attrs.evolve(node, settings=node.settings.with_variables(variables))
            if variables and bool(variables.get("ENABLE_PREFIX_DELEGATION")) != node.settings.enable_prefix_delegation:
                changed = attrs.evolve(changed, max_pods=None)
            answer = changed.alone().plan()
            each, _ = node_demands(changed.alone(), answer)
            spreads = each.spreads and len(pool.subnet_ids) > 1
            found.append((each.fixed, each.slots, each.slot_size > 1, each.slots_per_eni, each.eni_count, each.eni_limit, spreads))
    return found


@pytest.mark.thorough
@given(st.integers(0, 10**6), st.sampled_from(VARIANTS))
def test_nodes_fit_if_and_only_if_every_address_has_a_place(seed, variables):
    cluster = random_present(seed)
    present = present_cluster(cluster.evidence())
    answer = plan_present(present, variables)
    for pool in answer.pools:
        nodes = in_turn(present, pool, variables)
        if len(nodes) > 3 and len(pool.subnet_ids) > 2:
            continue
        assert pool.fits == place_all(zone_of(cluster, pool), nodes)


@pytest.mark.thorough
@given(st.integers(0, 10**6), st.sampled_from(VARIANTS))
def test_the_most_nodes_fit_and_one_more_does_not(seed, variables):
    cluster = random_present(seed)
    present = present_cluster(cluster.evidence())
    for pool in plan_present(present, variables).pools:
        nodes = in_turn(present, pool, variables)
        most = [nodes[place % len(nodes)] for place in range(pool.most_nodes)]
        more = [nodes[place % len(nodes)] for place in range(pool.most_nodes + 1)]
        if len(more) > 4 and len(pool.subnet_ids) > 1:
            continue
        assert not most or place_all(zone_of(cluster, pool), most)
        assert not place_all(zone_of(cluster, pool), more)


@pytest.mark.thorough
@given(st.integers(0, 10**6), st.sampled_from(VARIANTS[:3]))
def test_real_nodes_settle_in_what_the_plan_says_and_one_more_does_not(seed, variables):
    """Nodes start one after the other in the subnet, each with as many pods as the node whose turn it is."""
    source = random_present(seed, tagged=False, variables=variables, types=("t3.small", "t3.medium"))
    present = present_cluster(source.evidence())
    for pool in plan_present(present).pools:
        turns = [node for node in present.nodes if node.subnet_ids[0] in pool.subnet_ids]
        subnet = next(each for each in source.model.subnets if each.subnet_id == pool.subnet_ids[0])
        for count in (pool.most_nodes, pool.most_nodes + 1):
            settled = ZonedCluster.of([("zone-a", subnet.cidr)], variables)
            for cidr in present.subnets[subnet.subnet_id].others:
                settled.other(settled.subnet_id, str(cidr).removesuffix("/32"))
            try:
                for place in range(count):
                    node = turns[place % len(turns)]
                    settled.node(node.instance_type.instance_type, pods=node.pods)
                settled.wait(300)
                whole = not any(each.waiting for each in settled.nodes)
            except Ec2Error:  # not even the first address of the node
                whole = False
            if whole:
                shown = plan_present(present_cluster(settled.evidence())).pools
                whole = all(each.attached == each.addresses for each in shown)
            assert whole == (count == pool.most_nodes)


@given(st.integers(0, 10**6), st.sampled_from(VARIANTS))
def test_settled_nodes_have_what_the_plan_says(seed, variables):
    source = random_present(seed, tagged=False)
    settled = ZonedCluster.of([("zone-a", "10.0.0.0/23"), ("zone-b", "10.0.2.0/23")], variables)
    for place, here in enumerate(source.nodes):
        settled.node(here.node.limits, settled.subnet_ids[place % 2], len(here.waiting) + len(here.pods))
    settled.wait(300)
    answer = plan_present(present_cluster(settled.evidence()))
    assert [each.attached for each in answer.groups] == [each.addresses for each in answer.groups]
    assert [each.attached for each in answer.pools] == [each.addresses for each in answer.pools]


@pytest.mark.parametrize("variables", [{}, PREFIXES])
def test_the_settings_are_those_of_the_document(variables):
    cluster = random_present(1, variables=variables)
    present = present_cluster(cluster.evidence())
    assert {node.settings for node in present.nodes} == {Settings().with_variables(cluster.settings.variables)}
