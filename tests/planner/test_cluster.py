"""A cluster's subnets: figures by hand, every placement on the EC2 model, real nodes on it, given subnets, and what runs out first."""

import json

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.throttle import BucketLevel, Throttle, TokenBucket
from vpcipam.errors import InvalidArgument, InvalidCidr, PoolExhausted, SettingsError, UnknownInstanceType
from vpcipam.limits import InstanceLimits
from vpcipam.node import Node
from vpcipam.planner import ClusterSubnet, NodeGroup, Reserve, call_pace, plan, plan_cluster
from vpcipam.planner.cluster_groups import node_demands
from vpcipam.planner.ec2_pace import CallPace
from vpcipam.sandbox import SandboxKey
from vpcipam.settings import Settings

from placements import fewest_subnets  # isort: skip

PREFIXES = {"ENABLE_PREFIX_DELEGATION": "true"}
TARGETS = {"WARM_IP_TARGET": "5", "MINIMUM_IP_TARGET": "20"}
IPV6 = PREFIXES | {"ENABLE_IPv6": "true", "ENABLE_IPv4": "false"}
CUSTOM = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}
UNDISCOVERED = {"ENABLE_SUBNET_DISCOVERY": "false"}
S = 1_000_000_000


def group(nodes, pods, variables=(), instance_type="m5.xlarge", **options):
    return NodeGroup(instance_type=instance_type, nodes=nodes, pods=pods, settings=Settings().with_variables(dict(variables)), **options)


# --- by hand -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "of_a_node", "total", "untagged", "fragmented"),
    [
        ({}, (45, 0), 24, 24, None),  # 5 nodes in a /24
        (TARGETS, (33, 0), 18, 18, None),  # 7 nodes
        (PREFIXES, (49, 3), 27, 30, 36),  # 120 /28s, 14 in a /24; without tags 4 nodes in a /24
        (PREFIXES | TARGETS, (33, 2), 18, 18, 27),  # 7 nodes
        (IPV6, (1, 1), 3, 3, None),
        (PREFIXES | UNDISCOVERED, (49, 3), 30, 30, 42),
    ],
)
def test_forty_nodes_in_each_of_three_zones(variables, of_a_node, total, untagged, fragmented):
    document = plan_cluster([group(120, 25, variables)], "/24").to_dict()
    assert (document["addresses_per_node"], document["prefixes_per_node"]) == of_a_node
    assert document["subnets_total"] == total == 3 * document["subnets_per_zone"]
    assert document["subnets_total_untagged"] == untagged
    assert document["subnets_total_fragmented"] == fragmented
    assert document["subnets_per_zone_at_least"] == document["subnets_per_zone"]
    assert [each["instance_type"] for each in document["groups"]] == ["m5.xlarge"]


def spreadsheet(variables):
    """The example of the subnet calculator in AWS's best-practices guide for EKS."""
    return [group(2, 100, variables, "m5.12xlarge"), group(1, 30, variables, "c5.2xlarge")]


@pytest.mark.parametrize(("variables", "addresses"), [({}, 360), ({"WARM_IP_TARGET": "1"}, 244)])
def test_the_example_of_the_subnet_calculator(variables, addresses):
    answer = plan_cluster(spreadsheet(variables), ["/23"])
    (limit,) = [each for each in answer.bites if each.name == "addresses"]
    assert (limit.used, limit.available) == (addresses, 507)
    assert answer.fits
    assert answer.to_dict()["addresses_per_node"] is None  # two groups have no one figure


def test_custom_networking_takes_subnets_for_nodes_and_for_pods():
    answer = plan_cluster([group(120, 25, CUSTOM)], "/24")
    assert plan("m5.xlarge", 25, Settings().with_variables(CUSTOM)).subnet_ips == 46  # the primary ENI's, and 3 × 15
    document = answer.to_dict()
    assert (document["node_subnets_per_zone"], document["pod_subnets_per_zone"], document["subnets_total"]) == (1, 8, 27)
    alone = plan_cluster([group(3, 5, CUSTOM | {"DISABLE_NETWORK_RESOURCE_PROVISIONING": "true"})], "/24")
    assert alone.to_dict()["pod_subnets_per_zone"] is None
    with pytest.raises(InvalidArgument, match="give those of the pods too"):
        plan_cluster([group(3, 5, CUSTOM)], ["/24"])


def test_nodes_whose_own_subnet_is_excluded_take_subnets_for_nodes_and_for_pods():
    answer = plan_cluster([attrs.evolve(group(60, 10), own_subnet_excluded=True)], "/24")
    assert (answer.node_subnets_per_zone.count, answer.pod_subnets_per_zone.count) == (1, 3)  # 20 addresses for pods, 20 nodes in a zone
    with pytest.raises(InvalidArgument, match="subnets of their own"):
        plan_cluster([attrs.evolve(group(6, 10), own_subnet_excluded=True)], ["/24"])


def test_trunks_and_branches_are_in_the_nodes_own_subnet():
    trunk = {"ENABLE_POD_ENI": "true"}
    one = group(6, 15, trunk, "m5.large", branch_pods=9)
    answer = plan_cluster([one], "/24", zones=1)
    demand, _ = node_demands(one, answer.groups[0].node)
    assert (demand.fixed, demand.slots, demand.eni_count, demand.addresses) == (1 + 1 + 9, 18, 2, answer.groups[0].node.subnet_ips)
    assert answer.subnets_total == 1


def test_nodes_with_several_network_cards_are_not_divided():
    one = group(2, 10, {"ENABLE_MULTI_NIC": "true"}, "c6in.32xlarge")
    demand, _ = node_demands(one, one.plan())
    assert not demand.spreads
    assert demand.addresses == one.plan().subnet_ips


@pytest.mark.parametrize(
    ("reserve", "most", "in_zone", "total"),
    [
        ({}, 120, 40, 24),
        ({"headroom": "20%"}, 144, 48, 30),
        ({"headroom": 1}, 121, 41, 27),
        ({"surge": "1%"}, 122, 41, 27),
        ({"surge": 6}, 126, 42, 27),
        ({"headroom": "10 %", "surge": 3}, 135, 45, 27),
        ({"zones_lost": 1}, 120, 60, 36),
        ({"headroom": "20%", "surge": "10%", "zones_lost": 2}, 156, 156, 96),
        ({"headroom": "0.1%"}, 121, 41, 27),
        ({"load_balancers": 24}, 120, 40, 24),  # 8 subnets have 26 addresses left each: three load balancers of 8
        ({"load_balancers": 25}, 120, 40, 27),
        ({"endpoints": 200, "other_addresses": 8}, 120, 40, 24),
        ({"endpoints": 209}, 120, 40, 27),
    ],
)
def test_what_else_there_must_be_room_for(reserve, most, in_zone, total):
    answer = plan_cluster([group(120, 25, UNDISCOVERED)], "/24", reserve=Reserve(**reserve))
    assert (answer.groups[0].most_nodes, answer.groups[0].most_nodes_per_zone) == (most, in_zone)
    assert answer.subnets_total == total


# --- every placement -----------------------------------------------------------------------------------------------------


@st.composite
def small_groups(draw):
    limits = InstanceLimits(instance_type="x9.large", eni_limit=draw(st.integers(1, 3)), ipv4_per_eni=draw(st.integers(2, 5)))
    variables = draw(
        st.fixed_dictionaries(
            {"ENABLE_SUBNET_DISCOVERY": st.sampled_from(("true", "false"))},
            optional={
                "ENABLE_PREFIX_DELEGATION": st.just("true"),
                "WARM_IP_TARGET": st.sampled_from(("1", "2")),
                "WARM_ENI_TARGET": st.sampled_from(("0", "1")),
                "MAX_ENI": st.sampled_from(("1", "2")),
            },
        )
    )
    return group(draw(st.integers(1, 5)), draw(st.integers(0, 5)), variables, limits)


def taken(each, answer):
    """What a node takes, as `placements` wants it, read off the plan."""
    in_prefixes = answer.mode.value == "prefix"
    slots = sum(eni.prefixes if in_prefixes else eni.secondary_ips for eni in answer.enis)
    limit = each.settings.eni_limit(each.instance_type)
    spreads = each.settings.enable_subnet_discovery and slots > 0
    return 1, slots, in_prefixes, each.instance_type.slots_per_eni, answer.eni_count, limit, spreads


@given(st.lists(small_groups(), min_size=1, max_size=2), st.integers(1, 3), st.sampled_from((28, 27, 26)))
@example([group(3, 3, PREFIXES, InstanceLimits(instance_type="x9.large", eni_limit=2, ipv4_per_eni=3))], 1, 26)
def test_the_fewest_subnets_are_those_of_the_best_of_all_placements(groups, zones, length):
    nodes = [taken(each, each.plan()) for each in groups for _ in range(-(-each.nodes // zones))]
    best = fewest_subnets(nodes, length, most=3)
    try:
        answer = plan_cluster(groups, f"/{length}", zones=zones)
    except InvalidArgument:
        assert best is None
        return
    assert answer.subnets_per_zone == best or (best is None and answer.subnets_per_zone > 3)
    assert answer.to_dict()["subnets_per_zone_at_least"] == answer.subnets_per_zone
    if best is not None:
        there = [f"{zone}=/{length}" for zone in range(zones) for _ in range(best)]
        assert plan_cluster(groups, there).fits
        assert best == 1 or not plan_cluster(groups, there[1:]).fits


# --- real nodes on the model ---------------------------------------------------------------------------------------------


def bind(node, pod, now_ns):
    """Give a pod an address, within some minutes; return whether it has one, and the time."""
    for _ in range(30):
        try:
            node.assign(SandboxKey("aws-cni", pod, "eth0"), now_ns)
        except PoolExhausted:
            now_ns += 5 * S
            node.tick(now_ns)
        else:
            return True, now_ns
    return False, now_ns


def settle(one, subnet_count, *, tagged):
    """Start nodes in turn in the /24s of a zone, and bind their pods; return what each node has and how many pods have an address."""
    ec2 = Ec2Model()
    vpc_id = ec2.create_vpc("10.0.0.0/16").vpc_id
    subnet_ids = [ec2.create_subnet(vpc_id, f"10.0.{index}.0/24").subnet_id for index in range(subnet_count)]
    if tagged:
        ec2.create_tags(subnet_ids, [("kubernetes.io/role/cni", "1")], now_ns=0)
    now_ns, nodes, running = 0, [], 0
    for index in range(one.nodes):
        node = Node(one.instance_type, one.settings, ec2, subnet_id=subnet_ids[index % subnet_count], name=f"n-{index}")
        nodes.append(node)
        try:
            node.start(now_ns)
        except Ec2Error:  # not even the primary ENI has an address
            continue
        for pod in range(one.pods):
            bound, now_ns = bind(node, f"{index}-{pod}", now_ns)
            running += bound
    for _ in range(30):
        now_ns += 5 * S
        for node in nodes:
            if node.instance_id is not None:
                node.tick(now_ns)
    return [0 if node.instance_id is None else node.stats(now_ns).total_count for node in nodes], running


@pytest.mark.thorough
@pytest.mark.parametrize("variables", [PREFIXES, PREFIXES | TARGETS, TARGETS, {}])
def test_real_nodes_find_their_addresses_in_so_many_subnets_and_not_in_one_fewer(variables):
    one = group(14, 25, variables)
    answer = plan_cluster([one], "/24", zones=1)
    wanted = answer.groups[0].node.total_ips
    for tagged, count in ((True, answer.subnets_per_zone), (False, answer.subnets_per_zone_untagged)):
        assert settle(one, count, tagged=tagged) == ([wanted] * 14, 14 * 25)
    totals, _ = settle(one, answer.subnets_per_zone - 1, tagged=False)
    assert min(totals) < wanted


# --- given subnets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subnets", "variables", "most", "untagged"),
    [
        (["/24"], {}, 5, 5),
        (["a=/24", "b=/24", "c=/25"], {}, 6, 6),  # 2 nodes in the /25, and no more in the others
        (["/24", "/24", "/24"], PREFIXES, 14, 12),
        (["10.0.0.0/24", "10.0.1.0/24"], TARGETS, 15, 14),  # 15 × 33 and an ENI more for the divided node: 496 of 502
        (["/28"], {}, 0, 0),
    ],
)
def test_how_far_given_subnets_reach(subnets, variables, most, untagged):
    answer = plan_cluster([group(1, 25, variables)], subnets)
    assert (answer.most_nodes, answer.most_nodes_untagged) == (most, untagged)
    assert answer.fits == (most >= 1)
    if most:
        assert plan_cluster([group(most, 25, variables)], subnets).fits
    assert not plan_cluster([group(most + 1, 25, variables)], subnets).fits


@pytest.mark.parametrize(
    ("nodes", "pods", "most", "where"),
    [
        (["10.0.0.0/28"], ["100.64.0.0/24"], 5, "the pods' subnets"),  # 45 of 251 addresses
        (["10.0.0.0/28"], ["100.64.0.0/20"], 11, "the subnets"),
        (["a=/28", "b=/28"], ["a=/24", "b=/25"], 4, "the pods' subnets of zone b"),  # 2 in b
        (["a=/28", "b=/28"], ["a=/24"], 0, "the pods' subnets of zone b"),
        (["10.0.0.0/28"], ["/26", "/26", "/27"], 2, "the pods' subnets"),  # a node's pods have one subnet
        (["10.0.0.0/24"], ["10.0.0.0/24"], 5, "the subnets"),  # 46 of 251 addresses
        (["10.0.0.0/23", "10.0.2.0/28"], ["10.0.0.0/23"], 11, "the subnets"),  # 495 of 507 addresses, and 11 beside
        (["10.0.0.0/23", "10.0.2.0/26"], ["10.0.0.0/23"], 11, "the subnets"),
    ],
)
def test_with_custom_networking_given_subnets_are_for_nodes_or_for_pods(nodes, pods, most, where):
    there = [*nodes, *(ClusterSubnet.parse(each, for_pods=True) for each in pods)]
    answer = plan_cluster([group(1, 25, CUSTOM)], there)
    assert (answer.most_nodes, answer.most_nodes_untagged) == (most, most)
    for count, fits in ((max(1, most), most > 0), (most + 1, False)):
        asked = plan_cluster([group(count, 25, CUSTOM)], there)
        assert (asked.fits, asked.fits_untagged) == (fits, fits)
    assert max((each for each in asked.bites if each.name == "addresses"), key=lambda each: each.share).where == where
    without = plan_cluster([group(1, 25)], there)
    assert without.most_nodes == plan_cluster([group(1, 25)], nodes).most_nodes  # the pods' subnets are not for them
    assert without.bites == plan_cluster([group(1, 25)], nodes).bites


def test_what_else_is_there_takes_from_what_given_subnets_have():
    subnets = ["a=/24", "b=/24"]
    assert plan_cluster([group(1, 25)], subnets).most_nodes == 10
    assert plan_cluster([group(1, 25)], subnets, reserve=Reserve(zones_lost=1)).most_nodes == 5
    assert plan_cluster([group(1, 25)], subnets, reserve=Reserve(surge=2)).most_nodes == 8
    assert plan_cluster([group(1, 25)], subnets, reserve=Reserve(load_balancers=4)).most_nodes == 8
    assert plan_cluster([group(1, 25), group(1, 25)], subnets).most_nodes == 8  # 4 of each are 2 in a zone, and 5 would be 3


def test_several_groups_grow_alike_as_far_as_given_subnets_reach():
    groups = [group(12, 25), group(6, 8, {}, "m5.large"), group(3, 10, PREFIXES, "m5.large")]
    subnets = [f"{zone}=/22" for zone in "abc"]
    answer = plan_cluster(groups, subnets)
    assert answer.fits
    sizes = [[-(-nodes * each.nodes // 21) for each in groups] for nodes in range(200)]
    reach = max(nodes for nodes, counts in enumerate(sizes) if sum(counts) == answer.most_nodes)
    assert reach > 21
    for nodes, fits in ((reach, True), (reach + 1, False)):
        grown = [attrs.evolve(each, nodes=count) for each, count in zip(groups, sizes[nodes], strict=True)]
        assert plan_cluster(grown, subnets).fits == fits
    short = plan_cluster([attrs.evolve(each, nodes=20 * each.nodes) for each in groups], subnets)
    assert (short.fits, short.most_nodes) == (False, answer.most_nodes)


@pytest.mark.parametrize(
    ("subnets", "options", "message"),
    [
        ("/29", {}, "from /16 to /28, not /29"),
        ("/15", {}, "from /16 to /28"),
        ("2001:db8::/64", {}, "IPv4 CIDR from /16"),
        ("/24", {"zones": 0}, "zones must be 1 to 16"),
        ("/24", {"reserve": Reserve(zones_lost=3)}, "of 3 zones at least one has to stay"),
        ("/28", {}, "has 11 addresses and 0 whole /28s; a node takes more"),
        ([], {}, "one or more subnets"),
        (["a=/24", "/24"], {}, "zone of all or of none"),
        (["=/24"], {}, "no zone before the ="),
        (["a=/24"], {"zones": 2}, "in 1 zone, not in 2"),
        (["a=10.0.1.0/24", "b=10.0.0.0/24", "c=10.0.1.0/24"], {}, "10.0.1.0/24 and 10.0.1.0/24 overlap"),
        (["10.0.0.0/16", "10.0.8.0/24"], {}, "10.0.0.0/16 and 10.0.8.0/24 overlap"),
        (["10.0.0.0/24", ClusterSubnet("10.0.0.0/25", for_pods=True)], {}, "10.0.0.0/25 and 10.0.0.0/24 overlap"),
        (["a=/24", ClusterSubnet("/24", "b", for_pods=True)], {}, "for pods in zone 'b', where no subnet is for nodes"),
        ([ClusterSubnet("/24", for_pods=True)], {}, "one or more subnets"),
    ],
)
def test_wrong_subnets_are_refused(subnets, options, message):
    with pytest.raises(InvalidArgument, match=message):
        plan_cluster([group(3, 25, {"MAX_ENI": "3"} | UNDISCOVERED)], subnets, **options)


def test_wrong_groups_are_refused():
    with pytest.raises(InvalidArgument, match="one or more groups"):
        plan_cluster([], "/24")
    with pytest.raises(TypeError, match="a group must be NodeGroup"):
        plan_cluster(["m5.large"], "/24")
    with pytest.raises(UnknownInstanceType):
        group(1, 1, instance_type="m5.lagre")
    with pytest.raises(InvalidArgument, match="nodes must be 1"):
        group(0, 1)
    with pytest.raises(SettingsError):
        plan_cluster([group(1, 1, {"ENABLE_IPv6": "true"})], "/24")
    with pytest.raises(InvalidCidr):
        ClusterSubnet("10.0.0.3/24")
    for wrong in ("20", "-1%", "%", "many"):
        with pytest.raises(InvalidArgument, match="headroom must be a number of nodes, or a share"):
            Reserve(headroom=wrong)
    with pytest.raises(InvalidArgument, match="surge must be 0"):
        Reserve(surge=-1)


# --- what runs out, and EC2 ----------------------------------------------------------------------------------------------


def test_what_bites_first_comes_first():
    assert [each.name for each in plan_cluster([group(120, 25, PREFIXES)], "/24").bites] == ["prefixes", "addresses", "pods", "nau"]
    assert plan_cluster([group(120, 25)], "/24").bites[0].name == "addresses"
    assert plan_cluster([group(3, 60)], "/16").bites[0].to_dict() == {
        "name": "pods", "used": 60, "available": 56, "where": "each node of m5.xlarge", "share": 1.071,
    }  # fmt: skip
    assert plan_cluster([group(1_500, 25)], "/16").bites[0].name == "nau"
    zones = plan_cluster([group(6, 25)], ["a=/24", "b=/25", "c=/26"])
    assert zones.bites[0].where == "zone c"
    assert attrs.evolve(zones.bites[0], available=0).share == 1.0
    assert attrs.evolve(zones.bites[0], used=0, available=0).share == 0.0


@pytest.mark.parametrize(
    ("variables", "options", "nau"),
    [
        ({}, {}, 45 + 2),  # addresses, and two more ENIs
        (PREFIXES, {}, 1 + 3),
        (IPV6, {}, 1 + 1),
        ({"ENABLE_POD_ENI": "true"}, {"branch_pods": 4}, 45 + 1 + 4 + 2 + 1 + 4),
    ],
)
def test_network_address_usage(variables, options, nau):
    answer = plan_cluster([group(10, 25, variables, **options)], "/24", zones=2, reserve=Reserve(load_balancers=1, endpoints=2))
    assert answer.to_dict()["nau"] == {"units": 10 * nau + 2 * 3 * 6, "quota": 64_000}
    assert answer.to_dict()["groups"][0]["nau_per_node"] == nau


@given(st.integers(0, 60), st.integers(1, 20), st.integers(1, 9), st.integers(1, 5))
def test_the_pace_is_that_of_a_token_bucket(calls, capacity, refill_count, period_s):
    bucket = TokenBucket(capacity, refill_count, period_s * S)
    pace = call_pace({"AssignPrivateIpAddresses": calls}, Throttle(actions={"AssignPrivateIpAddresses": bucket}))
    level, now_ns = BucketLevel(bucket), 0
    for _ in range(calls):
        while not level.take(now_ns):
            now_ns += 1 + S // 100
    assert pace.seconds <= now_ns / S < pace.seconds + 0.011 * (calls + 1)
    assert (pace.slowest_action is None) == (calls <= capacity)


def test_no_calls_take_no_time():
    assert call_pace({}) == CallPace({}, 0.0, None)


def test_the_calls_are_those_of_all_nodes():
    answer = plan_cluster([group(120, 25, TARGETS), group(10, 25)], "/24")
    one, other = plan("m5.xlarge", 25, Settings().with_variables(TARGETS)), plan("m5.xlarge", 25)
    expected = {action: 120 * count + 10 * other.ec2_calls.get(action, 0) for action, count in one.ec2_calls.items()}
    assert answer.to_dict()["ec2"]["calls"] == expected
    assert answer.pace.slowest_action == "AssignPrivateIpAddresses"
    assert answer.pace.seconds == (120 * 10 + 10 - 100) / 5


def test_the_json_object_is_json_with_lists_of_any_length():
    document = plan_cluster([group(3, 5)], "/24").to_dict()
    assert json.loads(json.dumps(document)) == document
    assert document["schema_version"] == 1
    assert [type(document[name]) for name in ("subnets", "groups", "bites")] == [list] * 3
    given = plan_cluster([group(3, 5)], ["a=/24"]).to_dict()
    assert list(given) == list(document)
    assert (given["subnets"], given["subnets_total"], given["fits"]) == ([{"cidr": "/24", "zone": "a", "for_pods": False}], None, True)
