"""Plans side by side."""

import json

import pytest

from vpcipam.errors import InvalidArgument
from vpcipam.limits import max_pods
from vpcipam.planner import SORT_KEYS, compare_plans, plan
from vpcipam.settings import Settings

TARGETS = {"WARM_IP_TARGET": "5", "MINIMUM_IP_TARGET": "20"}
PREFIXES = {"ENABLE_PREFIX_DELEGATION": "true"}
IPV6 = PREFIXES | {"ENABLE_IPv6": "true", "ENABLE_IPv4": "false"}
TYPES = ("m5.large", "m5.xlarge", "m5.4xlarge", "t3.small")


def test_every_type_is_planned_with_every_variant_in_order():
    found = compare_plans(["m5.large", "m5.xlarge"], 20, [{}, TARGETS], Settings().with_variables({"MAX_ENI": "3"}), nodes=4)
    assert [(each.plan.instance_type, each.variables) for each in found] == [
        ("m5.large", {}),
        ("m5.large", TARGETS),
        ("m5.xlarge", {}),
        ("m5.xlarge", TARGETS),
    ]
    assert found[1].plan == plan("m5.large", 20, Settings().with_variables(TARGETS | {"MAX_ENI": "3"}), nodes=4)
    assert compare_plans([], 20) == ()


def test_max_pods_are_those_of_each_provisioner():
    (found,) = compare_plans(["m5a.4xlarge"], 20, [PREFIXES | {"MAX_ENI": "3"}])
    expected = {by: max_pods("m5a.4xlarge", prefix_delegation=True, max_eni=3, by=by) for by in ("managed-node-group", "ami", "karpenter")}
    assert found.max_pods_by_provisioner == expected


@pytest.mark.parametrize(
    ("name", "pods", "variables", "waste"),
    [
        ("m5.large", 20, {}, 0.5),  # 30 addresses
        ("m5.large", 40, {}, 0.11),  # 27 pods run on 30 addresses
        ("m5.large", 0, {}, None),
        ("m5.large", 20, IPV6, None),
    ],
)
def test_waste_is_what_a_pod_takes_beyond_its_own_address(name, pods, variables, waste):
    (found,) = compare_plans([name], pods, [variables])
    document = found.to_dict()
    assert document["waste_per_pod"] == waste
    assert json.loads(json.dumps(document)) == document
    assert document["variables"] == variables
    assert document["subnet_ips"] == found.plan.subnet_ips


@pytest.mark.parametrize("sort", sorted(SORT_KEYS))
def test_a_sorted_comparison_has_the_best_first_and_waiting_pods_last(sort):
    found = compare_plans(TYPES, 30, [{}, TARGETS], sort=sort)
    assert {each.plan.pods_waiting > 0 for each in found} == {False, True}
    keys = [(each.plan.pods_waiting > 0, SORT_KEYS[sort](each)) for each in found]
    assert keys == sorted(keys)
    assert len(found) == 2 * len(TYPES)


def test_an_unknown_order_is_refused():
    with pytest.raises(InvalidArgument, match="sort is 'price'; it must be one of waste, subnet"):
        compare_plans(TYPES, 1, sort="price")
