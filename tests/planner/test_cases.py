"""What nodes settle at: published cases, and cases worked out by hand from docs/ipamd.md, "Warm targets"."""

import json
from pathlib import Path

import pytest

from vpcipam.planner import plan
from vpcipam.settings import Settings

PUBLISHED = json.loads((Path(__file__).parents[1] / "conformance" / "warm_pool.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case["name"])
def test_a_node_settles_at_the_documented_size(case):
    answer = plan(case["instance_type"], case["pods"], Settings().with_variables(case["variables"])).to_dict()
    assert {name: answer[name] for name in case["settles_at"]} == case["settles_at"]
    if "slots_per_eni" in case:
        unit = "secondary_ips" if answer["mode"] == "secondary-ip" else "prefixes"
        assert [eni[unit] for eni in answer["enis"]] == case["slots_per_eni"]


ENI0 = {"WARM_ENI_TARGET": "0"}
ENI2 = {"WARM_ENI_TARGET": "2"}
PREFIX = {"ENABLE_PREFIX_DELEGATION": "true"}
PREFIX0 = PREFIX | {"WARM_PREFIX_TARGET": "00"}  # the container's entry point refuses "0"; it accepts "00", which ipamd reads as 0
PREFIX2 = PREFIX | {"WARM_PREFIX_TARGET": "2"}
CUSTOM = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}
TRUNK = {"ENABLE_POD_ENI": "true"}


def warm(ip=0, minimum=0):
    return {"WARM_IP_TARGET": str(ip), "MINIMUM_IP_TARGET": str(minimum)}


# type, pods, variables: slots by device number, pods assigned
# t3.small: 3 ENIs of 3 slots. m5.large: 3 of 9. t3.nano: 2 of 1. m1.small: Xen, 2 of 3. c5.xlarge: 4 of 14.
BY_HAND = [
    # WARM_ENI_TARGET 1: a whole ENI's worth is free.
    ("t3.small", 1, {}, [3, 3], 1),
    ("t3.small", 3, {}, [3, 3], 3),
    ("t3.small", 4, {}, [3, 3, 3], 4),
    ("t3.small", 20, {}, [3, 3, 3], 9),
    ("m5.large", 0, {}, [9], 0),
    ("m5.large", 1, {}, [9, 9], 1),
    ("m5.large", 9, {}, [9, 9], 9),
    ("m5.large", 10, {}, [9, 9, 9], 10),
    ("m5.large", 27, {}, [9, 9, 9], 27),
    ("m5.large", 28, {}, [9, 9, 9], 27),
    ("t3.nano", 0, {}, [1], 0),
    ("t3.nano", 1, {}, [1, 1], 1),
    ("t3.nano", 3, {}, [1, 1], 2),
    ("m1.small", 1, {}, [3, 3], 1),
    ("c5.xlarge", 14, {}, [14, 14], 14),
    ("c5.xlarge", 15, {}, [14, 14, 14], 15),
    # WARM_ENI_TARGET 2 and 0.
    ("m5.large", 0, ENI2, [9, 9], 0),
    ("m5.large", 1, ENI2, [9, 9, 9], 1),
    ("m5.large", 8, ENI0, [9], 8),
    ("m5.large", 10, ENI0, [9, 9], 10),
    # MAX_ENI and max pods.
    ("m5.large", 10, {"MAX_ENI": "1"}, [9], 9),
    ("m5.large", 30, {"MAX_ENI": "2"}, [9, 9], 18),
    ("m5.large", 5, {"MAX_ENI": "9"}, [9, 9], 5),
    # IP targets.
    ("m5.large", 0, warm(5), [5], 0),
    ("m5.large", 4, warm(5), [9], 4),
    ("m5.large", 5, warm(5), [9, 1], 5),
    ("m5.large", 13, warm(5), [9, 9], 13),
    ("m5.large", 14, warm(5), [9, 9, 1], 14),
    ("m5.large", 22, warm(5), [9, 9, 9], 22),
    ("m5.large", 0, warm(0, 10), [9, 1], 0),
    ("m5.large", 10, warm(0, 10), [9, 1], 10),
    ("m5.large", 11, warm(0, 10), [9, 1], 10),  # the minimum alone never grows further
    ("m5.large", 3, warm(2, 10), [9, 1], 3),
    ("m5.large", 8, warm(2, 10), [9, 1], 8),
    ("m5.large", 9, warm(2, 10), [9, 2], 9),
    ("m5.large", 0, warm(50), [9, 9, 9], 0),
    ("t3.small", 2, warm(1), [3], 2),
    ("t3.small", 3, warm(1), [3, 1], 3),
    # Prefixes.
    ("m5.large", 0, PREFIX, [1], 0),
    ("m5.large", 1, PREFIX, [2], 1),
    ("m5.large", 16, PREFIX, [2], 16),
    ("m5.large", 17, PREFIX, [3], 17),
    ("m5.large", 108, PREFIX, [7], 108),  # total 112 ≥ max pods 110
    ("m5.large", 109, PREFIX, [7], 108),
    ("m5.large", 0, PREFIX2, [2], 0),
    ("m5.large", 1, PREFIX2, [3], 1),
    ("m5.large", 15, PREFIX0, [1], 15),
    ("m5.large", 17, PREFIX0, [2], 17),
    ("m5.large", 0, PREFIX | warm(1), [1], 0),
    ("m5.large", 15, PREFIX | warm(1), [1], 15),
    ("m5.large", 16, PREFIX | warm(1), [2], 16),
    ("m5.large", 0, PREFIX | warm(0, 17), [2], 0),
    ("m5.large", 16, PREFIX | warm(16), [2], 16),
    ("m5.large", 17, PREFIX | warm(16), [3], 17),
    ("t3.small", 40, PREFIX, [3, 1], 40),
    ("t3.nano", 20, PREFIX, [1, 1], 20),
    ("m1.small", 2, PREFIX, [3, 3], 2),  # Xen has no prefixes
    # Custom networking: the primary ENI carries none.
    ("m5.large", 0, CUSTOM, [0, 9], 0),
    ("m5.large", 1, CUSTOM, [0, 9, 9], 1),
    ("m5.large", 20, CUSTOM, [0, 9, 9], 18),
    ("m5.large", 1, CUSTOM | PREFIX, [0, 2], 1),
    ("m5.large", 3, CUSTOM | warm(2), [0, 5], 3),
    # The trunk takes one ENI, on types that take a trunk.
    ("m5.large", 20, TRUNK, [9, 9, 0], 18),
    ("m5.large", 4, TRUNK | warm(9), [9, 4, 0], 4),
    ("t3.small", 4, TRUNK | warm(3), [3, 3, 1], 4),
]


@pytest.mark.parametrize(("instance_type", "pods", "variables", "slots", "assigned"), BY_HAND)
def test_a_node_settles_at_the_size_worked_out_by_hand(instance_type, pods, variables, slots, assigned):
    answer = plan(instance_type, pods, Settings().with_variables(variables))
    prefixes = answer.mode.value == "prefix"
    assert [eni.prefixes if prefixes else eni.secondary_ips for eni in answer.enis] == slots
    assert (answer.pods_assigned, answer.pods_waiting) == (assigned, pods - assigned)
    total = sum(slots) * (16 if prefixes else 1)
    assert (answer.total_ips, answer.assigned_ips, answer.available_ips) == (total, assigned, total - assigned)
    assert answer.subnet_ips == total + len(slots)
    assert answer.prefix_count == (sum(slots) if prefixes else 0)
    assert answer.free_prefix_count == (sum(slots) - -(-assigned // 16) if prefixes else 0)
    assert answer.eni_count == len(slots)
    assert sum(eni.assigned_ips for eni in answer.enis) == assigned
    assert answer.settled


def test_an_ipv6_node_takes_one_80():
    settings = Settings().with_variables({"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"})
    answer = plan("m5.large", 200, settings)
    assert (answer.eni_count, answer.enis[0].prefixes, answer.total_ips, answer.subnet_ips) == (1, 1, 2**48, 1)
    assert (answer.pods_assigned, answer.pods_waiting, answer.max_pods, answer.pod_limit) == (108, 92, 110, 108)
    assert answer.waiting_reason == "the node runs at most 108 pods with a VPC address: max pods 110 − 2 host-network pods"
    assert answer.ec2_calls == {
        "AssignIpv6Addresses": 1,
        "CreateTags": 1,
        "DescribeNetworkInterfaces": 2,  # what is attached, and whether it has a /80
        "DescribeSubnets": 2,  # whether the ENI is excluded, before and when it is set up
        "ModifyNetworkInterfaceAttribute": 1,
    }


def test_a_target_above_one_eni_is_filled_from_the_first_eni_on():
    variables = {"ENABLE_PREFIX_DELEGATION": True, "WARM_IP_TARGET": 240, "MINIMUM_IP_TARGET": 10}
    answer = plan("m5.xlarge", 1, Settings().with_variables(variables), max_pods=434)  # 240 free addresses and 1 pod: 241 of 16 × 16
    assert answer.prefix_count == 16
    assert [eni.prefixes for eni in answer.enis] == [14, 2]
