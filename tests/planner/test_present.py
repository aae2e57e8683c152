"""The cluster that there is, by hand: what subnets hold, what a change takes, what a migration needs."""

import attrs
import pytest

from vpcipam.address import Cidr
from vpcipam.errors import InvalidArgument
from vpcipam.limits import MaxPodsBy, instance_limits
from vpcipam.planner import NodeGroup, PresentCluster, PresentNode, PresentSubnet, call_pace, plan_cluster, plan_present
from vpcipam.planner.subnet_demands import Capacity
from vpcipam.settings import Settings

PREFIXES = {"ENABLE_PREFIX_DELEGATION": "true"}
CUSTOM = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}
M5 = instance_limits("m5.large")


def cidrs(*texts):
    return tuple(map(Cidr.parse, texts))


def subnet(cidr="10.0.0.0/24", name="s", **fields):
    return PresentSubnet(subnet_id=name, cidr=Cidr.parse(cidr), zone="a", **fields)


def node(number=1, pods=10, **fields):
    values = {
        "group": "g",
        "provisioner": MaxPodsBy.MANAGED_NODE_GROUP,
        "instance_type": M5,
        "settings": Settings(),
        "subnet_ids": ("s",),
        "max_pods": 29,
    }
    return PresentNode(name=f"n{number}", pods=pods, **(values | fields))


def cluster(*nodes, subnets=None):
    there = [subnet()] if subnets is None else subnets
    return PresentCluster(nodes=nodes, subnets={each.subnet_id: each for each in there})


def test_alike_nodes_with_other_limits_of_kubelets_are_told_apart():
    limits = [{"new_pods_per_core": 4}, {"new_pods_per_core": 4, "new_max_pods": 7}, {"new_max_pods": 9}, {}]
    (group,) = plan_present(cluster(*(node(number, max_pods=None, **each) for number, each in enumerate(limits)))).groups
    assert group.max_pods == (7, 8, 9, 29)


# --- subnets -------------------------------------------------------------------------------------------------------------


def test_a_subnet_has_what_others_leave():
    assert subnet().capacity(for_prefixes=True) == Capacity(251, 14)
    shared = subnet(others=cidrs("10.0.0.20", "10.0.0.21", "10.0.0.48/28", "10.0.0.50", "10.9.0.1"), held=cidrs("10.0.0.100"))
    assert shared.other_count == 18
    assert shared.capacity(for_prefixes=True) == Capacity(251 - 18, 12)
    assert shared.capacity(for_prefixes=True, beside_nodes=True) == Capacity(251 - 19, 11)
    assert shared.held_count == 1
    assert shared.places_known


def test_addresses_without_a_place_count_and_make_28s_a_bound():
    some = subnet("10.0.0.0/26", unplaced_others=30, unplaced_held=10)
    assert some.capacity(for_prefixes=True) == Capacity(29, 1)
    assert some.capacity(for_prefixes=True, beside_nodes=True) == Capacity(19, 1)
    assert (some.other_count, some.held_count, some.places_known) == (30, 10, False)
    assert subnet(held_known=False).held_count is None
    assert subnet("10.0.0.0/28", unplaced_others=99).capacity(for_prefixes=False) == Capacity(0, 0)


def test_single_addresses_stay_out_of_reservations_for_prefixes():
    reserved = subnet("10.0.0.0/26", reserved=cidrs("10.0.0.16/28", "10.0.0.32/28"))
    assert reserved.capacity(for_prefixes=False) == Capacity(59 - 32, 0)
    whole = reserved.capacity(for_prefixes=True)
    assert whole == Capacity(59, 2, reserved=2)
    assert [whole.less(0, prefixes).singles for prefixes in (0, 2)] == [27, 27]
    larger = subnet("10.0.0.0/25", reserved=cidrs("10.0.0.16/28")).capacity(for_prefixes=True)
    assert [larger.less(0, prefixes).singles for prefixes in (0, 1, 2)] == [107, 107, 91]
    broken = subnet("10.0.0.0/26", reserved=cidrs("10.0.0.16/28", "10.0.0.32/28"), others=cidrs("10.0.0.40"))
    assert broken.capacity(for_prefixes=True) == Capacity(59 - 16, 1, reserved=1)  # nothing can be in a broken one


@pytest.mark.parametrize(
    ("taken", "prefixes", "found"),
    [
        ((), 1, "10.0.0.16/28"),
        ((), 2, "10.0.0.32/27"),
        ((), 7, "10.0.0.0/25"),
        ((), 8, "10.0.0.0/24"),
        ((), 14, "10.0.0.0/24"),
        ((), 15, None),
        (("10.0.0.16", "10.0.0.40"), 2, "10.0.0.64/27"),
    ],
)
def test_the_range_to_reserve_is_the_smallest_with_so_many_whole_28s(taken, prefixes, found):
    assert subnet(others=cidrs(*taken)).range_for_prefixes(prefixes) == (found and Cidr.parse(found))


# --- today ---------------------------------------------------------------------------------------------------------------


def test_today_needs_no_new_node_and_the_smallest_subnet_runs_out_first():
    nodes = (node(1, 10), node(2, 20), node(3, 3, subnet_ids=("t",), group="h"))
    answer = plan_present(cluster(*nodes, subnets=[subnet(), subnet("10.0.1.0/26", "t")]))
    assert [(each.name, each.nodes, each.pods, each.addresses, each.new_nodes) for each in answer.groups] == [
        ("g", 2, 30, 60, 0),
        ("h", 1, 3, 20, 0),
    ]
    assert [(each.addresses, each.headroom, each.most_nodes, each.most_pods) for each in answer.pools] == [
        (60, 191, 8, 120),
        (20, 39, 2, 6),
    ]
    assert answer.first is answer.pools[1]
    assert answer.most_pods == 66
    assert answer.fits
    assert answer.pools[0].fits_beside is None
    assert answer.to_dict()["first"] == 1


def test_what_does_not_fit_is_said():
    answer = plan_present(cluster(*(node(each, 20) for each in range(3)), subnets=[subnet("10.0.0.0/26")]))
    assert (answer.fits, answer.pools[0].headroom, answer.pools[0].most_nodes, answer.most_pods) == (False, 59 - 90, 1, 20)


def test_nodes_whose_subnet_nobody_knows_are_counted_but_not_compared():
    answer = plan_present(cluster(node(1), node(2, subnet_ids=())))
    known, unknown = answer.pools
    assert (known.addresses, unknown.addresses, unknown.subnet_ids) == (30, 30, ())
    assert (unknown.fits, unknown.headroom, unknown.most_nodes, unknown.growth) == (None, None, None, float("inf"))
    assert (answer.fits, answer.first, answer.most_pods) == (None, None, None)
    assert answer.to_dict()["first"] is None


def test_subnets_that_tags_open_are_one_pool():
    wide = {"instance_type": instance_limits("m5.xlarge"), "pods": 13, "settings": Settings().with_variables({"WARM_ENI_TARGET": "0"})}
    nodes = [node(1, subnet_ids=("s", "t"), **wide), node(2, subnet_ids=("t", "u"), **wide), node(3, subnet_ids=("v",), **wide)]
    there = [subnet(f"10.0.{place}.0/27", name) for place, name in enumerate("stuv")]
    answer = plan_present(cluster(*nodes, subnets=there))
    assert [each.subnet_ids for each in answer.pools] == [("s", "t", "u"), ("v",)]
    assert [each.available for each in answer.pools] == [81, 27]


def test_a_node_takes_nothing_of_subnets_that_its_tags_do_not_open():
    """A node has 4 addresses, or 5 in two subnets, its first in the subnet that stands first. Two sets overlap in `t`."""
    warm = Settings().with_variables({"WARM_IP_TARGET": "1", "MINIMUM_IP_TARGET": "3"})
    there = [subnet(f"10.0.{place}.0/28", name) for place, name in enumerate("stu")]

    def fits(*sets):
        types = {"instance_type": instance_limits("t3.small"), "pods": 2, "max_pods": 11, "settings": warm}
        nodes = [node(number, subnet_ids=tuple(each), **types) for number, each in enumerate(sets)]
        (pool,) = plan_present(cluster(*nodes, subnets=there)).pools
        return pool.fits, pool.most_nodes

    assert fits(*["stu"] * 3, *["tsu"] * 2, *["ust"] * 2) == (True, 7)
    assert fits(*["stu"] * 4) == (False, 3)  # s has 11 addresses
    assert fits(*["st"] * 3, *["ts"] * 2, *["ut"] * 2) == (True, 7)
    assert fits(*["st"] * 2, *["tu"] * 2, *["ut"] * 3) == (True, 7)
    assert fits(*["st"] * 3, *["ts"] * 3, "tu") == (False, 5)
    assert fits("st", *["tu"] * 3, *["ut"] * 3) == (False, 6)


def test_primary_enis_fill_the_subnet_in_which_nodes_are_launched():
    """However large another tagged subnet is. Each node takes 10 of 30 addresses there; the last one can do with fewer."""
    wide = [subnet("10.0.0.0/26", "s"), subnet("10.0.16.0/20", "t")]

    def most(*nodes, subnets=wide):
        (pool,) = plan_present(cluster(*nodes, subnets=subnets)).pools
        return pool.fits, pool.most_nodes, pool.addresses

    both = {"subnet_ids": ("s", "t")}

    def full(*nodes, subnets=wide):
        return [each.full_for_nodes for each in plan_present(cluster(*nodes, subnets=subnets)).pools]

    assert full(node(1, 20, **both)) == [("s",)]
    assert full(node(1, 20, subnet_ids=("t", "s"))) == [()]  # the others' places run out first
    assert full(node(1, 20)) == [()]  # there is no other subnet
    assert full(node(1, 20, **both), subnets=[subnet("10.0.0.0/24", "s"), subnet("10.0.1.0/25", "t")]) == [()]  # both are full
    assert most(node(1, 20, **both)) == (True, 5, 30)  # 59 addresses; a sixth node would have 26 of 27 slots
    assert most(node(1, 9, **both)) == (True, 6, 20)
    assert most(*(node(number, 9, **both) for number in range(7))) == (False, 6, 140)
    settled = [node(number, 9, attached=20, **both) for number in range(7)]
    assert most(*settled) == (True, 7, 140)  # they are there, and can't grow
    assert most(*settled[1:], node(7, 9, attached=12, **both)) == (True, 7, 140)  # the other 8 have a place in t
    assert most(*settled[1:], node(7, 9, attached=None, **both)) == (False, 6, 140)
    full = [attrs.evolve(each, others=cidrs(str(each.cidr))) for each in wide]
    assert most(*settled, subnets=full) == (True, 7, 140)
    assert most(*settled[1:], node(7, 9, attached=19, **both), subnets=full) == (False, 0, 140)
    prefixes = {"max_pods": 110, "settings": Settings().with_variables(PREFIXES)}
    assert most(node(1, 9, **prefixes, **both)) == (True, 27, 33)  # the others have their two prefixes in t
    kept = [node(number, 9, attached=33 - 16 * (number == 6), **prefixes, **both) for number in range(28)]
    assert most(*kept)[:2] == (True, 28)  # the seventh gets its second prefix in t
    mixed = [node(1, 9, **both), node(2, 9, subnet_ids=("s",))]
    assert most(*mixed) == (True, 3, 40)  # 10, 20, 10: the second of the second kind lacks an address


def test_an_excluded_subnet_holds_no_addresses_for_pods():
    wide = [subnet("10.0.0.0/26", "s"), subnet("10.0.16.0/24", "t")]
    outside = {"subnet_ids": ("s", "t"), "own_subnet_excluded": True}
    answer = plan_present(cluster(node(1, 10, **outside), subnets=wide))
    assert [(each.subnet_ids, each.for_pods, each.addresses, each.most_nodes) for each in answer.pools] == [
        (("s",), False, 1, 59),
        (("t",), True, 20, 12),
    ]
    (group,) = plan_present(cluster(*(node(number, 20, **outside) for number in range(2)), subnets=wide)).groups
    assert (group.addresses, group.pods_waiting) == (42, 4)  # two ENIs with 9 slots
    alone = plan_present(cluster(node(1, 10, subnet_ids=("s",), own_subnet_excluded=True), subnets=wide))
    assert (alone.fits, alone.pools[1].subnet_ids) == (None, ())


def test_without_subnet_discovery_a_node_takes_addresses_of_its_own_subnet():
    wide = [subnet("10.0.0.0/26", "s"), subnet("10.0.16.0/20", "t")]
    nodes = [node(number, 9, subnet_ids=("s", "t")) for number in range(3)]
    off = plan_present(cluster(*nodes, subnets=wide), {"ENABLE_SUBNET_DISCOVERY": "false"})
    assert [(each.subnet_ids, each.fits, each.most_nodes) for each in off.pools] == [(("s",), False, 2)]  # 59 addresses
    silent = [attrs.evolve(each, settings=Settings().with_variables({"ENABLE_SUBNET_DISCOVERY": "false"})) for each in nodes]
    on = plan_present(cluster(*silent, subnets=wide), {"ENABLE_SUBNET_DISCOVERY": "true"})
    assert [(each.subnet_ids, each.fits, each.most_nodes) for each in on.pools] == [(("s", "t"), True, 6)]
    excluded = [attrs.evolve(each, own_subnet_excluded=True) for each in silent]
    (group,) = plan_present(cluster(*excluded, subnets=wide)).groups
    assert (group.addresses, group.pods_waiting) == (30, 0)  # the primary ENI alone


def test_reservations_for_prefixes_count_in_sets_of_subnets_too():
    reserved = cidrs("10.0.0.16/28", "10.0.0.32/28")
    others = cidrs(*(f"10.0.{place}.{each}" for place in range(2) for each in range(4, 14)))
    there = [subnet("10.0.0.0/26", "s", reserved=reserved, others=others), subnet("10.0.1.0/28", "t", others=others)]
    warm = Settings().with_variables({"WARM_IP_TARGET": "1", "MINIMUM_IP_TARGET": "3"})
    both = {"subnet_ids": ("s", "t"), "max_pods": 11}
    nodes = [
        node(0, 1, settings=Settings().with_variables(PREFIXES | {"WARM_IP_TARGET": "1"}), **both),  # a prefix and an address
        *(node(each, 2, instance_type=instance_limits("t3.small"), settings=warm, **both) for each in range(1, 6)),  # 4 addresses each
    ]
    free = plan_present(cluster(*nodes, subnets=[attrs.evolve(there[0], reserved=()), there[1]])).pools[0]
    held = plan_present(cluster(*nodes, subnets=there)).pools[0]
    assert (free.fits, free.available, free.available_prefixes) == (True, 50, 2)
    assert (held.fits, held.available, held.available_prefixes) == (False, 50, 2)  # 21 of 18 single addresses
    assert held.most_nodes == 5


def test_what_to_reserve_is_said_of_the_subnet_in_which_the_prefixes_are():
    there = [subnet(f"10.0.{place}.0/24", name) for place, name in enumerate("stuv")]
    nodes = [node(1, 1, subnet_ids=("t", "s")), node(2, 20, subnet_ids=("s", "u", "v"))]
    (pool,) = plan_present(cluster(*nodes, subnets=there), PREFIXES | {"WARM_IP_TARGET": "1"}).pools
    assert [(each.subnet_id, each.prefixes, each.cidr) for each in pool.ranges] == [("t", 1, "10.0.1.16/28"), ("s", 2, "10.0.0.32/27")]


def test_what_is_attached_is_what_the_subnets_show():
    answer = plan_present(cluster(node(attached=20), subnets=[subnet(held=cidrs("10.0.0.16/28", "10.0.0.4"))]))
    assert (answer.groups[0].attached, answer.pools[0].attached) == (20, 17)
    assert plan_present(cluster(node(), subnets=[subnet(held_known=False)])).pools[0].attached is None


def test_a_node_with_an_impossible_number_is_named():
    with pytest.raises(InvalidArgument, match="node n1: max_pods must be 1 to 100,000"):
        plan_present(cluster(node(1, max_pods=10**12)))


def test_a_cluster_without_nodes_is_refused():
    with pytest.raises(InvalidArgument, match="no node"):
        plan_present(cluster())


# --- changes -------------------------------------------------------------------------------------------------------------


def test_prefixes_need_new_nodes_and_a_reservation():
    there = subnet(held=cidrs(*(f"10.0.0.{each}" for each in range(4, 44))))
    answer = plan_present(cluster(node(1, 10), node(2, 20), subnets=[there]), PREFIXES)
    (group,), (pool,) = answer.groups, answer.pools
    assert (group.new_nodes, group.max_pods_now, group.max_pods) == (2, (29,), (110,))
    assert group.why_new == ("slots hold /28 prefixes instead of secondary IPs", "max-pods changes")
    assert (pool.prefixes, pool.available_prefixes, pool.free_prefixes) == (5, 14, 12)
    assert (pool.fits, pool.fits_beside, pool.fits_one_by_one) == (True, True, True)
    (reserve,) = pool.ranges
    assert attrs.asdict(reserve) == {"subnet_id": "s", "prefixes": 5, "prefix_length": 25, "cidr": "10.0.0.0/25"}
    assert answer.to_dict()["subnets"][0]["ranges"] == [attrs.asdict(reserve)]


def test_what_fits_only_without_the_old_nodes_is_told_apart():
    def beside(free_blocks):
        held = cidrs(*(f"10.0.0.{16 * each}/28" for each in range(1, 7 - free_blocks)))
        (pool,) = plan_present(cluster(node(1, 10), node(2, 20), subnets=[subnet("10.0.0.0/25", held=held)]), PREFIXES).pools
        return pool.fits, pool.fits_beside, pool.fits_one_by_one

    assert beside(5) == (True, True, True)
    assert beside(4) == (True, False, True)
    assert beside(2) == (True, False, False)
    unknown = plan_present(cluster(node(), subnets=[subnet(held_known=False)]), PREFIXES).pools[0]
    assert unknown.ranges[0].cidr is None
    assert unknown.ranges[0].prefix_length == 27
    assert plan_present(cluster(node(1, 20), subnets=[subnet("10.0.0.0/27")]), PREFIXES).pools[0].ranges == ()


@pytest.mark.parametrize(("apart", "fits"), [(True, True), (False, False)])
def test_what_an_old_node_leaves_in_a_rolling_update_need_not_be_whole_28s(apart, fits):
    """Three nodes have 32 addresses each, in /28s of their own or mixed. New ones have two prefixes, and four /28s are whole."""
    places = [range(32 * each, 32 * each + 32) if apart else range(each, 96, 3) for each in range(3)]
    held = {f"n{number}": cidrs(*(f"10.0.0.{16 + place}" for place in own)) for number, own in enumerate(places)}
    others = cidrs("10.0.0.176/28", "10.0.0.192/26")
    there = subnet(held=tuple(each for own in held.values() for each in own), held_by=held, others=others)
    nodes = [node(number, 10, attached=32) for number in range(3)]
    (pool,) = plan_present(cluster(*nodes, subnets=[there]), PREFIXES).pools
    assert (pool.prefixes, pool.free_prefixes, pool.available_prefixes) == (6, 4, 10)
    assert (pool.fits, pool.fits_beside, pool.fits_one_by_one) == (True, False, fits)
    (pool,) = plan_present(cluster(*nodes[:2], subnets=[attrs.evolve(there, unplaced_held=1)]), PREFIXES).pools
    assert pool.fits_one_by_one  # nobody knows where the address is


def test_reservations_for_prefixes_leave_less_for_single_addresses():
    there = subnet(
        "10.0.0.0/26", reserved=cidrs("10.0.0.16/28", "10.0.0.32/28"), others=cidrs(*(f"10.0.0.{each}" for each in range(4, 15)))
    )
    nodes = [node(each, 0, settings=Settings().with_variables(PREFIXES | {"WARM_PREFIX_TARGET": "1"})) for each in range(2)]
    (pool,) = plan_present(cluster(*nodes, subnets=[there])).pools
    assert (pool.prefixes, pool.fits, pool.most_nodes) == (2, True, 2)


def test_types_without_prefixes_reserve_nothing():
    pods = {"pod_subnet_ids": ("p",)}
    xen = node(2, 5, instance_type=instance_limits("m4.large"), max_pods=20, **pods)
    there = [subnet(), subnet("100.64.0.0/24", "p")]
    (_, pool) = plan_present(cluster(node(1, 10, **pods), xen, subnets=there), PREFIXES | CUSTOM | {"WARM_IP_TARGET": "1"}).pools
    assert [each.prefixes for each in pool.ranges] == [1]


def test_warm_targets_need_no_new_node():
    answer = plan_present(cluster(node(1, 10), node(2, 20)), {"WARM_IP_TARGET": "2"})
    assert (answer.groups[0].new_nodes, answer.groups[0].max_pods, answer.pools[0].addresses) == (0, (29,), 14 + 25)


def test_another_type_has_as_many_vcpus():
    nodes = [node(each, 20) for each in range(5)]
    (group,) = plan_present(cluster(*nodes), None, instance_limits("m5.xlarge")).groups
    assert (group.nodes, group.pods, group.new_nodes, group.max_pods) == (3, 100, 3, (58,))
    assert group.why_new[0] == "the type becomes m5.xlarge"
    (small,) = plan_present(cluster(*nodes), None, instance_limits("t3.small")).groups
    assert (small.nodes, small.pods_waiting) == (12, 0)  # 100 pods, 9 on each
    (same,) = plan_present(cluster(*nodes), None, M5).groups
    assert (same.nodes, same.new_nodes) == (5, 0)


def test_pods_that_would_wait_get_more_nodes():
    nodes = [node(each, 20) for each in range(3)]
    (group,) = plan_present(cluster(*nodes), {"MAX_ENI": "2"}).groups
    assert (group.nodes, group.pods_waiting, group.new_nodes) == (4, 0, 1)
    kept = [node(each, 20, max_pods=110, settings=Settings().with_variables(PREFIXES)) for each in range(2)]
    (group,) = plan_present(cluster(*kept), {"WARM_PREFIX_TARGET": "2"}).groups
    assert group.new_nodes == 0
    limited = [node(each, 20, max_pods=21) for each in range(2)]  # one pod of each waits today
    (group,) = plan_present(cluster(*limited)).groups
    assert (group.nodes, group.pods_waiting) == (2, 2)
    (group,) = plan_present(cluster(*limited), {"WARM_IP_TARGET": "1"}).groups
    assert (group.nodes, group.pods_waiting, group.new_nodes, group.why_new) == (3, 0, 1, ("the pods need more nodes",))


@pytest.mark.parametrize(
    ("variables", "provisioner", "found"),
    [
        ({}, MaxPodsBy.AMI, None),
        ({"MAX_ENI": "1"}, MaxPodsBy.MANAGED_NODE_GROUP, 11),
        (CUSTOM, MaxPodsBy.MANAGED_NODE_GROUP, None),  # it counts custom networking
        (CUSTOM, MaxPodsBy.AMI, 20),
        (CUSTOM, MaxPodsBy.KARPENTER, None),  # with RESERVED_ENIS=1
        (PREFIXES, MaxPodsBy.AMI, None),
        ({"ENABLE_POD_ENI": "true"}, MaxPodsBy.AMI, None),  # 18 pods with an address, and 9 with a branch ENI
    ],
)
def test_max_pods_that_admits_more_pods_than_have_addresses_is_told(variables, provisioner, found):
    fields = {"provisioner": provisioner, "max_pods": None, "pod_subnet_ids": ("s",)}
    today = node(1, 5, settings=Settings().with_variables(variables), **fields)
    assert plan_present(cluster(today)).groups[0].max_pods_to_set == found
    assert plan_present(cluster(node(1, 5, **fields)), variables or {"WARM_IP_TARGET": "1"}).groups[0].max_pods_to_set == found


def test_nodes_of_a_group_with_other_limits_or_subnets_of_pods_stay_apart():
    subnets = [subnet(), subnet("100.64.0.0/24", "p"), subnet("100.64.1.0/24", "q")]
    nodes = [node(1, 20, max_pods=110), node(2, 20, max_pods=22), node(3, 10)]
    (group,) = plan_present(cluster(*nodes, subnets=subnets), {"MAX_ENI": "2"}).groups
    assert (group.nodes, group.pods_waiting, group.new_nodes) == (5, 0, 4)
    custom = Settings().with_variables(CUSTOM)
    apart = [node(number, 19, max_pods=20, settings=custom, pod_subnet_ids=(name,)) for number, name in enumerate("pq")]
    pods = plan_present(cluster(*apart, subnets=subnets), {"WARM_ENI_TARGET": "2"}).pools[1:]
    assert [(each.subnet_ids, each.nodes, each.pods) for each in pods] == [(("p",), 2, 19), (("q",), 2, 19)]


def test_pods_that_no_node_can_run_wait():
    (group,) = plan_present(cluster(node(1, 5, branch_pods=3)), None, instance_limits("t3.small")).groups
    assert group.pods_waiting == 3  # no trunk without ENABLE_POD_ENI


def test_custom_networking_takes_the_pods_subnets():
    pods = subnet("100.64.0.0/24", "p")
    answer = plan_present(cluster(node(1, 10, pod_subnet_ids=("p",)), subnets=[subnet(), pods]), CUSTOM)
    assert [(each.subnet_ids, each.for_pods, each.addresses) for each in answer.pools] == [(("s",), False, 1), (("p",), True, 20)]
    assert answer.groups[0].why_new == ("custom networking is turned on", "max-pods changes")
    off = attrs.evolve(node(1, 10, pod_subnet_ids=("p",)), settings=Settings().with_variables(CUSTOM), max_pods=20)
    reasons = plan_present(cluster(off, subnets=[subnet(), pods]), {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "false"}).groups[0].why_new
    assert reasons[0] == "custom networking is turned off"
    shared = plan_present(cluster(*(node(number, 10, pod_subnet_ids=("s",)) for number in range(11))), CUSTOM).pools
    assert [(each.subnet_ids, each.for_pods, each.addresses) for each in shared] == [(("s",), False, 11 * 21)]
    assert (shared[0].fits, shared[0].most_nodes) == (True, 11)  # 251 addresses for nodes and pods together
    nowhere = plan_present(cluster(node(1, 10)), CUSTOM)
    assert nowhere.pools[1].addresses == 20
    assert nowhere.fits is None


# --- the VPC and EC2 -----------------------------------------------------------------------------------------------------


def test_addresses_of_the_vpc_and_calls_are_those_of_a_cluster_of_such_nodes():
    """`plan_cluster` counts the same nodes."""
    many = cluster(*(node(number) for number in range(40)), subnets=[subnet("10.0.0.0/20")])
    for variables, new in (({}, False), ({"WARM_ENI_TARGET": "2"}, False), (PREFIXES, True)):
        found = plan_present(many, variables)
        settings = Settings().with_variables(variables)
        same = plan_cluster([NodeGroup(instance_type=M5, nodes=40, pods=10, settings=settings, max_pods=None if new else 29)], "/20")
        assert (found.nau, found.pace) == (same.nau, same.pace)
        assert found.new_pace == (found.pace if new else call_pace({}))
        document = found.to_dict()
        assert (document["nau"], document["ec2"]) == (same.to_dict()["nau"], same.to_dict()["ec2"])
        assert document["ec2_of_new"]["calls"] == (document["ec2"]["calls"] if new else {})
    assert same.pace.seconds == 0 < plan_present(many).pace.seconds
