"""`plan_present` on evidence of random small clusters, against every possible placement and against real nodes on the EC2 model."""

import random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.address import Cidr
from vpcipam.ec2.errors import Ec2Error
from vpcipam.inspection.present_cluster import present_cluster
from vpcipam.limits import MaxPodsBy, instance_limits
from vpcipam.planner import PresentCluster, PresentNode, PresentSubnet, plan, plan_present
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
    """The nodes of a pool: the place of the subnet of each, what it takes as `place_all` wants it, and the slots of its primary ENI."""
    found = []
    for node in present.nodes:
        if node.subnet_ids[0] in pool.subnet_ids:
            changed = attrs.evolve(node, settings=node.settings.with_variables(variables))
            if variables and bool(variables.get("ENABLE_PREFIX_DELEGATION")) != node.settings.enable_prefix_delegation:
                changed = attrs.evolve(changed, max_pods=None)
            answer = changed.alone().plan()
            each, _ = node_demands(changed.alone(), answer)
            (primary,) = (eni.secondary_ips + eni.prefixes for eni in answer.enis if eni.primary)
            taken = each.fixed, each.slots, each.slot_size > 1, each.slots_per_eni, each.eni_count, each.eni_limit, each.spreads
            found.append((pool.subnet_ids.index(node.subnet_ids[0]), taken, primary))
    return found


def place_in_turn(zone, nodes):
    """Give every primary ENI in turn as many of its slots as its subnet has left, then try all placements of the other ENIs."""
    names, rests = [*zone.cidrs], []
    if len(names) == 1:
        return place_all(zone, [(*taken[:6], False) for _, taken, _ in nodes])
    for place, (fixed, slots, in_prefixes, per_eni, fewest, limit, spreads), primary in nodes:
        added = next((count for count in range(primary, -1, -1) if zone.add(names[place], fixed, count, in_prefixes=in_prefixes)), None)
        if added is None or (limit == 1 and added < slots):
            return False
        other_enis = max(fewest - 1, -(-(slots - added) // per_eni))
        if other_enis:
            rests.append((1, slots - added, in_prefixes, per_eni, other_enis, limit - 1, spreads and limit > 2))
    return not rests or place_all(zone, rests)


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
        assert pool.fits == place_in_turn(zone_of(cluster, pool), nodes)


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
        assert not most or place_in_turn(zone_of(cluster, pool), most)
        assert not place_in_turn(zone_of(cluster, pool), more)


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


@pytest.mark.thorough
@pytest.mark.parametrize("excluded", [False, True])
@pytest.mark.parametrize(
    ("instance_type", "pods", "variables"),
    [("t3.medium", 9, {}), ("t3.small", 5, VARIANTS[1]), ("t3.small", 2, VARIANTS[2]), ("m5.large", 1, PREFIXES)],
)
def test_real_nodes_grow_as_far_as_the_subnet_in_which_they_are_launched_lets_them(instance_type, pods, variables, excluded):
    """A small subnet has the primary ENIs. A large one is tagged, and the small one can be excluded: then it has nothing else."""
    subnets = [("zone-a", "10.0.0.0/27"), ("zone-a", "10.0.4.0/22")]

    def launched(count):
        there = ZonedCluster.of(subnets, variables, tagged=True)
        small, _ = there.subnet_ids
        if excluded:
            there.model.create_tags((small,), (("kubernetes.io/role/cni", "0"),), now_ns=0)
        try:
            for _ in range(count):
                there.node(instance_type, small, pods)
                there.wait(60)
        except Ec2Error:  # not even the first address of the node
            return None
        there.wait(300)
        found = plan_present(present_cluster(there.evidence()))
        whole = found.total("attached") >= found.total("addresses")  # the last node can have one more ENI
        return found if whole and not any(each.waiting for each in there.nodes) else None

    (first, *others) = launched(1).pools
    assert len(others) == excluded
    assert launched(first.most_nodes) is not None
    assert launched(first.most_nodes + 1) is None


def replaced(size, held, others, new):
    """Replace nodes one after the other, address by address: each new one has a number of prefixes and one single address."""
    taken = {0, 1, 2, 3, size - 1, *others, *(address for own in held for address in own)}
    for own, prefixes in zip(held, new, strict=True):
        whole = [block for block in range(0, size, 16) if taken.isdisjoint(range(block, block + 16))]
        if len(whole) < prefixes:
            return False
        taken.update(address for block in whole[:prefixes] for address in range(block, block + 16))
        left = [address for address in range(size) if address not in taken]
        if not left:
            return False
        taken.add(min(left, key=lambda address: (address // 16 * 16 in whole, address)))
        taken -= set(own)
    return True


@given(
    st.sampled_from((24, 25, 26)), st.lists(st.integers(1, 27), min_size=2, max_size=4), st.sampled_from((10, 20)), st.integers(0, 10**6)
)
def test_a_rolling_update_gets_through_if_and_only_if_each_new_node_finds_its_addresses(length, pods, each, seed):
    chance = random.Random(seed)
    size = 1 << (32 - length)
    places = [*range(4, size - 1)]
    if len(pods) * each > len(places) - 5:
        return
    if chance.random() < 0.5:
        chance.shuffle(places)
    held = [places[place * each : (place + 1) * each] for place in range(len(pods))]
    others = places[-chance.randint(1, 5) :]
    cidrs = [tuple(Cidr.parse(f"10.0.0.{address}") for address in own) for own in (*held, others)]
    subnet = PresentSubnet(
        subnet_id="s",
        cidr=Cidr.parse(f"10.0.0.0/{length}"),
        held=tuple(cidr for own in cidrs[:-1] for cidr in own),
        held_by={f"n{place}": own for place, own in enumerate(cidrs[:-1])},
        others=cidrs[-1],
    )
    fields = {"group": "g", "provisioner": MaxPodsBy.MANAGED_NODE_GROUP, "instance_type": instance_limits("m5.large"), "subnet_ids": ("s",)}
    nodes = [PresentNode(name=f"n{place}", pods=count, settings=Settings(), max_pods=29, **fields) for place, count in enumerate(pods)]
    (pool,) = plan_present(PresentCluster(nodes=tuple(nodes), subnets={"s": subnet}), PREFIXES).pools
    prefixed = Settings().with_variables(PREFIXES)
    assert pool.fits_one_by_one == replaced(size, held, others, [plan("m5.large", count, prefixed).prefix_count for count in pods])


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
