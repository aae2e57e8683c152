"""Plans with security groups for pods: the trunk, and pods on branch ENIs."""

import pytest

from vpcipam.errors import InvalidArgument
from vpcipam.limits import InstanceLimits
from vpcipam.planner import PODS_LIMIT, plan
from vpcipam.settings import Settings

IPV6 = {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}


def with_groups(**variables):
    return Settings().with_variables({"ENABLE_POD_ENI": "true", **variables})


def test_a_type_without_trunk_keeps_nothing_back():
    answer = plan("t3.medium", 15, with_groups())
    assert (answer.pods_assigned, answer.eni_count, answer.total_ips, answer.subnet_ips) == (15, 3, 15, 18)
    assert answer.limit_reason == "3 ENIs for pods × 5 slots"
    assert answer == plan("t3.medium", 15)


def test_the_trunk_takes_one_eni_of_the_node_and_one_address_of_the_subnet():
    answer = plan("m5.large", 27, with_groups(), nodes=10)
    assert (answer.pods_assigned, answer.total_ips) == (18, 18)
    assert [(eni.device_number, eni.trunk, eni.secondary_ips) for eni in answer.enis] == [(0, False, 9), (1, False, 9), (2, True, 0)]
    assert (answer.eni_count, answer.subnet_ips, answer.cluster["subnet_ips"]) == (3, 21, 210)
    assert answer.waiting_reason == (
        "the node runs at most 18 pods with a VPC address: 2 ENIs for pods × 9 slots; ENABLE_POD_ENI keeps 1 more for the trunk"
    )
    (reason,) = {each.action.reason for each in answer.decisions if not each.action.cidrs} - {"attached when the node started"}
    assert reason == "the trunk of security groups for pods is attached"


def test_a_trunk_that_is_not_managed_takes_the_room_of_two_enis():
    reason = "1 ENI for pods × 9 slots; ENABLE_POD_ENI keeps 1 more for the trunk, beside the attached one, which is not managed"
    assert plan("m5.large", 9, with_groups(MANAGE_UNTAGGED_ENI="false")).limit_reason == reason


def test_a_trunk_that_is_not_managed_is_shown_as_the_others_are():
    trunk = plan("m5.large", 9, with_groups(MANAGE_UNTAGGED_ENI="false")).enis[-1]
    assert (trunk.network_card, trunk.device_number, trunk.primary, trunk.trunk) == (0, 2, False, True)
    assert (trunk.secondary_ips, trunk.prefixes, trunk.assigned_ips) == (0, 0, 0)


def test_the_trunk_is_not_the_reason_where_the_kubelet_is():
    assert plan("m5.large", 20, with_groups(), max_pods=10).limit_reason == "max pods 10 − 2 host-network pods"


def test_only_the_nodes_own_calls_are_counted():
    # The node compares itself with EC2 once more, and finds the trunk.
    without = plan("m5.large", 1).ec2_calls
    assert plan("m5.large", 1, with_groups(), branch_pods=9).ec2_calls == without | {
        "DescribeNetworkInterfaces": 2,
        "DescribeSubnets": without["DescribeSubnets"] + 1,  # for the trunk
    }


@pytest.mark.parametrize(
    ("variables", "total", "enis", "taken"),
    [
        ({"MAX_ENI": "1"}, 9, 1, 10),  # no room for a trunk, so none comes
        ({"MAX_ENI": "2"}, 9, 2, 11),
        ({"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}, 9, 3, 12),
        ({"MANAGE_UNTAGGED_ENI": "false"}, 9, 2, 11),  # ipamd neither manages the trunk nor sees it: the room of two ENIs is lost
        (IPV6, 2**48, 2, 2),
    ],
)
def test_the_trunk_comes_where_there_is_room_for_it(variables, total, enis, taken):
    answer = plan("m5.large", 9, with_groups(**variables))
    assert (answer.pods_assigned, answer.total_ips, answer.eni_count, answer.subnet_ips) == (9, total, enis, taken)
    assert sum(eni.trunk for eni in answer.enis) == (variables.get("MAX_ENI") != "1")
    assert answer.timeline[-1].eni_count == enis
    assert {eni.network_card for eni in answer.enis} == {0}
    if variables is not IPV6:
        assert sum(1 + eni.secondary_ips + 16 * eni.prefixes for eni in answer.enis) == taken


# --- pods with security groups -----------------------------------------------------------------------------------------------


def test_a_pod_with_security_groups_takes_an_address_of_the_subnet_and_none_of_the_pool():
    answer = plan("m5.large", 18, with_groups(), branch_pods=9, nodes=2)
    assert (answer.pods_assigned, answer.branch_pods_assigned, answer.branch_pods_waiting) == (18, 9, 0)
    assert answer.branch_waiting_reason is None
    assert (answer.total_ips, answer.assigned_ips, answer.eni_count, answer.subnet_ips) == (18, 18, 3, 30)
    document = answer.to_dict()
    assert (document["branch_pods"], document["branch_pods_assigned"], document["branch_pods_waiting"]) == (9, 9, 0)
    cluster = document["cluster"]
    assert (cluster["branch_pods"], cluster["branch_pods_assigned"], cluster["subnet_ips"]) == (18, 18, 60)


@pytest.mark.parametrize(
    ("instance_type", "pods", "variables", "assigned", "reason"),
    [
        ("m5.large", 5, {}, 9, "m5.large takes 9 branch ENIs"),
        ("r6g.medium", 1, {}, 4, "r6g.medium takes 4 branch ENIs"),
        ("m5.large", 1, {"ENABLE_POD_ENI": "false"}, 0, "ENABLE_POD_ENI is off"),
        ("t3.large", 1, {}, 0, "t3.large takes no trunk ENI"),
        ("m5.large", 1, {"MAX_ENI": "1"}, 0, "a node with 1 ENI has no room for the trunk"),
        ("u-6tb1.metal", 1, {}, 0, "the number of branch ENIs that u-6tb1.metal takes is not known"),
        ("m5.large", 5, IPV6, 9, "m5.large takes 9 branch ENIs"),
        ("m5.large", 5, {"MANAGE_UNTAGGED_ENI": "false"}, 9, "m5.large takes 9 branch ENIs"),
    ],
)
def test_pods_with_security_groups_wait_where_no_branch_is_left(instance_type, pods, variables, assigned, reason):
    settings = with_groups(**variables)
    answer = plan(instance_type, pods, settings, branch_pods=12)
    assert (answer.branch_pods_assigned, answer.branch_pods_waiting) == (assigned, 12 - assigned)
    assert answer.branch_waiting_reason.startswith(reason)
    assert answer.subnet_ips == plan(instance_type, pods, settings).subnet_ips + assigned


@pytest.mark.parametrize(
    ("pods", "max_pods", "assigned", "reason"),
    [
        (5, 10, 3, "max pods 10 − 2 host-network pods − 5 other pods"),
        (1, 2, 0, "max pods 2 − 2 host-network pods − 0 other pods"),
        (1, 4, 1, "max pods 4 − 2 host-network pods − 1 other pod"),
    ],
)
def test_pods_with_security_groups_count_towards_max_pods(pods, max_pods, assigned, reason):
    answer = plan("m5.large", pods, with_groups(), max_pods=max_pods, branch_pods=12)
    assert (answer.branch_pods_assigned, answer.branch_waiting_reason) == (assigned, reason)


def test_own_limits_can_say_how_many_branches_a_type_takes():
    own = InstanceLimits(instance_type="x9.large", eni_limit=3, ipv4_per_eni=4, branch_eni_limit=2)
    assert plan(own, 1, with_groups(), branch_pods=5).branch_pods_assigned == 2


@pytest.mark.parametrize("wrong", [-1, PODS_LIMIT + 1])
def test_a_wrong_number_of_pods_with_security_groups_is_refused(wrong):
    with pytest.raises(InvalidArgument, match="branch_pods"):
        plan("m5.large", 1, branch_pods=wrong)
