"""The planner's answer beside its figures: shape, sums, reasons, flapping, refusals, and every instance type."""

import json

import attrs
import pytest

from vpcipam.address import AddressMode
from vpcipam.errors import InvalidArgument, NodeError, SettingsError, UnknownInstanceType
from vpcipam.limits import InstanceLimits, MaxPodsBy, all_instance_limits, instance_limits
from vpcipam.planner import PODS_LIMIT, plan
from vpcipam.settings import Settings


def having(**variables):
    return Settings().with_variables(variables)


# --- JSON ------------------------------------------------------------------------------------------------------------------------

KEYS = [
    "instance_type",
    "mode",
    "pods",
    "pods_assigned",
    "pods_waiting",
    "max_pods",
    "max_pods_by",
    "pod_limit",
    "limit_reason",
    "waiting_reason",
    "branch_pods",
    "branch_pods_assigned",
    "branch_pods_waiting",
    "branch_waiting_reason",
    "settled",
    "eni_count",
    "enis",
    "total_ips",
    "assigned_ips",
    "available_ips",
    "prefix_count",
    "free_prefix_count",
    "subnet_ips",
    "ec2_calls",
    "decisions",
]


def test_the_json_object_has_these_members():
    document = plan("t3.small", 4).to_dict()
    assert list(document) == KEYS
    assert document["mode"] == "secondary-ip"
    assert document["enis"][1] == {
        "network_card": 0,
        "device_number": 1,
        "primary": False,
        "trunk": False,
        "secondary_ips": 3,
        "prefixes": 0,
        "assigned_ips": 1,
    }
    assert document["decisions"][0] == {
        "pods": 0,
        "at_s": 0.0,
        "action": "adopt-eni",
        "network_card": 0,
        "eni_id": "eni-00000000000000001",
        "cidrs": [],
        "reason": "attached when the node started",
        "error": None,
    }
    assert json.loads(json.dumps(document)) == document


def test_a_cluster_multiplies_the_figures_of_a_node():
    one, many = plan("t3.small", 4).to_dict(), plan("t3.small", 4, nodes=50).to_dict()
    assert list(many) == [*KEYS, "cluster"]
    assert {name: many[name] for name in KEYS} == one
    assert many["cluster"] == {
        "nodes": 50,
        "pods": 200,
        "pods_assigned": 200,
        "pods_waiting": 0,
        "eni_count": 150,
        "total_ips": 450,
        "assigned_ips": 200,
        "available_ips": 250,
        "prefix_count": 0,
        "free_prefix_count": 0,
        "subnet_ips": 600,
        "branch_pods": 0,
        "branch_pods_assigned": 0,
        "branch_pods_waiting": 0,
        "ec2_calls": {action: 50 * count for action, count in one["ec2_calls"].items()},
    }


def test_calls_are_counted_from_the_nodes_start_on():
    # At the start: take on, tag, set security groups, fill. With the first pod a second ENI, whose subnet is looked up before and after.
    assert plan("t3.small", 0).ec2_calls == {
        "AssignPrivateIpAddresses": 1,
        "CreateTags": 1,
        "DescribeNetworkInterfaces": 1,
        "DescribeSubnets": 1,
        "ModifyNetworkInterfaceAttribute": 1,
    }
    assert plan("t3.small", 1).ec2_calls == {
        "AssignPrivateIpAddresses": 1,
        "AttachNetworkInterface": 1,
        "CreateNetworkInterface": 1,
        "CreateTags": 1,
        "DescribeInstances": 1,
        "DescribeNetworkInterfaces": 1,
        "DescribeSubnets": 3,
        "ModifyNetworkInterfaceAttribute": 2,
    }


def test_the_timeline_has_the_start_the_stages_with_actions_and_the_end():
    answer = plan("t3.small", 6)
    assert [(stage.pods, stage.eni_count, stage.total_ips) for stage in answer.timeline] == [(0, 1, 3), (1, 2, 6), (4, 3, 9), (6, 3, 9)]
    last = answer.timeline[-1]
    assert (last.assigned_ips, last.available_ips, last.subnet_ips, last.prefix_count, last.decisions) == (6, 3, 12, 0, ())
    assert [(decision.pods, decision.action.kind.value) for decision in answer.decisions] == [
        (0, "adopt-eni"),
        (0, "add-cidrs"),
        (1, "create-eni"),
        (4, "create-eni"),
    ]
    assert [decision.at_s for decision in answer.decisions] == sorted(decision.at_s for decision in answer.decisions)
    assert len(plan("t3.small", 0).timeline) == 1


def test_a_plan_is_the_same_every_time():
    assert plan("m5.large", 12) == plan("m5.large", 12)


def test_settings_default_to_the_shipped_manifest():
    assert plan("m5.large", 3) == plan("m5.large", 3, Settings())


def test_limits_are_accepted_in_place_of_a_name():
    own = InstanceLimits(instance_type="x9.large", eni_limit=2, ipv4_per_eni=3)
    answer = plan(own, 3)
    assert (answer.instance_type, answer.pods_assigned, answer.total_ips) == ("x9.large", 3, 4)
    assert plan(instance_limits("m5.large"), 3) == plan("m5.large", 3)


# --- why pods wait ---------------------------------------------------------------------------------------------------------------


def test_pods_wait_for_the_kubelet():
    answer = plan("m5.large", 9, max_pods=10)
    assert (answer.pods_assigned, answer.pods_waiting, answer.pod_limit) == (8, 1, 8)
    assert answer.limit_reason == "max pods 10 − 2 host-network pods"
    assert answer.waiting_reason == "the node runs at most 8 pods with a VPC address: max pods 10 − 2 host-network pods"


@pytest.mark.parametrize(("max_pods", "assigned"), [(1, 0), (2, 0), (3, 1), (29, 27), (30, 27)])
def test_the_smaller_of_the_two_limits_applies(max_pods, assigned):
    answer = plan("m5.large", 40, max_pods=max_pods)
    assert (answer.pods_assigned, answer.pod_limit, answer.max_pods) == (assigned, assigned, max_pods)


@pytest.mark.parametrize(
    ("by", "variables", "figures"),
    [
        # 8 ENIs of 29: the pool stops growing at 110 or more addresses, which are 4 ENIs.
        ("managed-node-group", {}, [110, 100, 4, 116, 120]),
        ("ami", {}, [234, 100, 5, 145, 150]),
        ("karpenter", {}, [234, 100, 5, 145, 150]),
        # Prefixes of 16: 7 for 100 pods, and one warm as long as the pool has less than max-pods addresses.
        ("managed-node-group", {"ENABLE_PREFIX_DELEGATION": "true"}, [110, 100, 1, 112, 113]),
        ("ami", {"ENABLE_PREFIX_DELEGATION": "true"}, [234, 100, 1, 128, 129]),
        # On the AMI the kubelet takes more pods than there are addresses.
        ("ami", {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true", "MAX_ENI": "3"}, [234, 58, 3, 58, 61]),
    ],
)
def test_what_sets_max_pods_changes_the_sums(by, variables, figures):
    answer = plan("m5a.4xlarge", 100, having(**variables), max_pods_by=by)
    assert answer.max_pods_by is MaxPodsBy(by)
    assert [answer.max_pods, answer.pods_assigned, answer.eni_count, answer.total_ips, answer.subnet_ips] == figures
    assert answer.to_dict()["max_pods_by"] == by


def test_a_managed_node_group_sets_max_pods_unless_something_else_is_said():
    assert plan("m5a.4xlarge", 100) == plan("m5a.4xlarge", 100, max_pods_by=MaxPodsBy.MANAGED_NODE_GROUP)
    assert plan("m5a.4xlarge", 100, max_pods=110).max_pods_by is None


def test_max_pods_and_what_sets_it_exclude_each_other():
    with pytest.raises(InvalidArgument, match=r"max_pods is 20, so nothing else sets it; leave out max_pods or max_pods_by \('ami'\)"):
        plan("m5.large", 1, max_pods=20, max_pods_by="ami")
    with pytest.raises(InvalidArgument, match="what sets max-pods must be one of managed-node-group, ami, karpenter, not 'eks'"):
        plan("m5.large", 1, max_pods_by="eks")


def test_pods_wait_for_addresses():
    answer = plan("m5.large", 19, having(MAX_ENI="2"))
    assert answer.waiting_reason == "the node runs at most 18 pods with a VPC address: 2 ENIs for pods × 9 slots"
    prefixes = plan("t3.nano", 33, having(ENABLE_PREFIX_DELEGATION="true"))
    assert prefixes.waiting_reason == "the node runs at most 32 pods with a VPC address: 2 ENIs for pods × 1 slot × 16"
    custom = plan("m5.large", 19, having(AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG="true"))
    assert custom.waiting_reason == "the node runs at most 18 pods with a VPC address: 2 ENIs for pods × 9 slots"


def test_pods_wait_when_minimum_ip_target_alone_leaves_no_warm_address():
    answer = plan("m5.large", 5, having(MINIMUM_IP_TARGET="4"))
    assert (answer.pods_assigned, answer.pod_limit) == (4, 27)
    assert answer.waiting_reason == (
        "no address is free, yet the pool does not grow: no target is short with WARM_IP_TARGET 0 and MINIMUM_IP_TARGET 4; "
        "set WARM_IP_TARGET to 1 or more"
    )


@pytest.mark.parametrize("name", ["ENABLE_IMDS_ONLY_MODE", "DISABLE_NETWORK_RESOURCE_PROVISIONING"])
def test_pods_wait_when_the_pool_never_grows(name):
    answer = plan("m5.large", 5, having(**{name: "true"}))
    assert answer.pods_assigned == 0
    assert answer.waiting_reason == (
        f"no address is free, and with {name} the node never asks EC2 for more; attach addresses by other means, or unset it"
    )


def test_a_single_eni_is_written_in_the_singular():
    assert plan("m5.large", 1, having(MAX_ENI="1")).limit_reason == "1 ENI for pods × 9 slots"


def test_no_pod_waits_when_all_find_room():
    assert plan("m5.large", 27).waiting_reason is None
    assert plan("m5.large", 0).waiting_reason is None


# --- flapping --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pods", [3, 6])
def test_a_node_that_flaps_is_shown_at_its_larger_size(pods):
    # With WARM_ENI_TARGET 0 three of three addresses taken mean one ENI more, and that one is too many at once.
    answer = plan("t3.small", pods, having(WARM_ENI_TARGET="0"))
    assert not answer.settled
    assert [eni.secondary_ips for eni in answer.enis] == [3] * (pods // 3 + 1)
    assert {"create-eni", "free-eni"} <= {decision.action.kind.value for decision in answer.decisions}


def test_settled_is_a_truth_value():
    assert plan("t3.small", 0).settled is True
    assert plan("t3.small", 3, having(WARM_ENI_TARGET="0")).settled is False


@pytest.mark.parametrize("pods", [0, 1, 4, 5, 7, 8, 9])
def test_a_node_that_flapped_can_still_settle(pods):
    answer = plan("t3.small", pods, having(WARM_ENI_TARGET="0"))
    assert answer.settled
    assert answer.total_ips == {0: 3, 1: 3, 4: 6, 5: 6, 7: 9, 8: 9, 9: 9}[pods]


def test_prefixes_flap_as_well():
    # The container's entry point refuses "0", but not "00", which ipamd reads as 0.
    answer = plan("t3.small", 16, having(ENABLE_PREFIX_DELEGATION="true", WARM_PREFIX_TARGET="00"))
    assert not answer.settled
    assert answer.prefix_count == 2
    assert plan("t3.small", 17, having(ENABLE_PREFIX_DELEGATION="true", WARM_PREFIX_TARGET="00")).settled


# --- several network cards -------------------------------------------------------------------------------------------------------


def test_managed_cards_are_in_the_plan():
    answer = plan("p5.48xlarge", 2, having(ENABLE_MULTI_NIC="true"))
    assert answer.eni_count == 33  # two on the default card, one on each of 31 others
    assert [eni.network_card for eni in answer.enis][:3] == [0, 0, 1]
    assert answer.total_ips == 49 + 49 + 31
    assert answer.pod_limit == 98


TWO_CARDS = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 1))


def test_a_pod_takes_the_first_card_that_has_an_address():
    answer = plan(TWO_CARDS, 12, having(ENABLE_MULTI_NIC="true"), max_pods=50)
    assert [(eni.network_card, eni.device_number, eni.assigned_ips) for eni in answer.enis] == [(0, 0, 3), (0, 1, 3), (1, 0, 3)]
    assert (answer.pods_assigned, answer.pods_waiting, answer.pod_limit) == (9, 3, 9)
    assert answer.waiting_reason == (
        "the node runs at most 9 pods with a VPC address: 3 ENIs for pods on 2 network cards × 3 slots"  # card 1 takes one ENI
    )
    assert plan(TWO_CARDS, 12, max_pods=50).pods_assigned == 6


# --- bad input -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pods": -1}, "pods must be 0 to 100,000, not -1"),
        ({"pods": PODS_LIMIT + 1}, "pods must be 0 to 100,000, not 100001"),
        ({"pods": 2**70}, "pods must be 0 to 100,000, not 1180591620717411303424"),
        ({"nodes": 0}, "nodes must be 1 to 100,000, not 0"),
        ({"nodes": -5}, "nodes must be 1 to 100,000, not -5"),
        ({"max_pods": 0}, "max_pods must be 1 to 100,000, not 0"),
        ({"max_pods": -1}, "max_pods must be 1 to 100,000, not -1"),
    ],
)
def test_a_number_out_of_bounds_is_refused(arguments, message):
    with pytest.raises(InvalidArgument, match=f"^{message}$"):
        plan("m5.large", **({"pods": 1} | arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pods": 3.0}, "pods must be an int, not float"),
        ({"pods": "3"}, "pods must be an int, not str"),
        ({"pods": True}, "pods must be an int, not bool"),
        ({"nodes": 1.0}, "nodes must be an int, not float"),
        ({"max_pods": "29"}, "max_pods must be an int, not str"),
        ({"settings": {}}, r"settings must be Settings, not dict .*from_env"),
    ],
)
def test_an_argument_of_the_wrong_type_is_refused_by_name(arguments, message):
    with pytest.raises(TypeError, match=message):
        plan("m5.large", **({"pods": 1} | arguments))


def test_bounds_are_inclusive():
    assert plan("t3.nano", PODS_LIMIT).pods_waiting == PODS_LIMIT - 2
    assert plan("t3.nano", 0, nodes=PODS_LIMIT, max_pods=PODS_LIMIT).nodes == PODS_LIMIT


def test_an_unknown_type_is_refused():
    with pytest.raises(UnknownInstanceType, match=r"m5\.large"):
        plan("m5.lagre", 1)


def test_settings_that_ipamd_refuses_are_refused():
    with pytest.raises(SettingsError):
        plan("m5.large", 1, having(ENABLE_IPv6="true"))
    with pytest.raises(SettingsError):
        plan("m1.small", 1, having(ENABLE_IPv4="false", ENABLE_IPv6="true", ENABLE_PREFIX_DELEGATION="true"))


def test_custom_networking_without_a_second_eni_is_refused():
    with pytest.raises(NodeError, match="leaves no room for one"):
        plan("m5.large", 1, having(AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG="true", MAX_ENI="1"))


def test_the_primary_eni_has_no_pods_where_a_tag_excludes_its_subnet():
    answer = plan("m5.large", 20, own_subnet_excluded=True)
    assert [(eni.primary, eni.secondary_ips) for eni in answer.enis] == [(True, 0), (False, 9), (False, 9)]
    assert (answer.pods_waiting, answer.pod_limit, answer.limit_reason) == (2, 18, "2 ENIs for pods × 9 slots")
    silent = plan("m5.large", 20, having(ENABLE_SUBNET_DISCOVERY="false"), own_subnet_excluded=True)
    why = "1 ENI for pods × 9 slots; the tag of its subnet allows no new ENI without subnet discovery"
    assert (silent.eni_count, silent.pods_waiting, silent.pod_limit, silent.limit_reason) == (1, 11, 9, why)
    custom = having(AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG="true", ENABLE_SUBNET_DISCOVERY="false")
    assert plan("m5.large", 20, custom, own_subnet_excluded=True).pod_limit == 18


def test_a_plan_is_frozen():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        plan("t3.nano", 0).pods = 1


# --- every instance type ---------------------------------------------------------------------------------------------------------

EVERY = [
    {},
    {"ENABLE_PREFIX_DELEGATION": "true"},
    {"WARM_IP_TARGET": "5", "MINIMUM_IP_TARGET": "10"},
]


def shapes():
    """One type of each kind: what a plan depends on, and no more."""
    kinds = {}
    for limits in all_instance_limits():
        kinds.setdefault((limits.eni_limit, limits.ipv4_per_eni, limits.supports_prefixes, limits.vcpus > 30), limits.instance_type)
    return sorted(kinds.values())


@pytest.mark.thorough
@pytest.mark.parametrize("variables", EVERY)
def test_every_kind_of_instance_can_be_planned(variables):
    settings = Settings().with_variables(variables)
    names = shapes()
    assert len(names) > 20
    for name in names:
        limits = instance_limits(name)
        for pods in (0, 20):
            answer = plan(name, pods, settings)
            assert answer.pods_assigned == min(pods, answer.pod_limit)
            assert answer.eni_count <= limits.eni_limit
            assert all(eni.secondary_ips + eni.prefixes <= limits.slots_per_eni for eni in answer.enis)
            assert answer.settled
            assert (answer.mode is AddressMode.PREFIX) == (limits.supports_prefixes and bool(variables.get("ENABLE_PREFIX_DELEGATION")))
            if not answer.pods_waiting and answer.total_ips < answer.max_pods and answer.eni_count < limits.eni_limit:
                assert answer.available_ips >= (5 if "WARM_IP_TARGET" in variables else 1)
