"""Trunk ENIs of a fleet: where they take room and addresses, and what happens if EC2 refuses them."""

import attrs
import pytest
from fleet_worlds import S, run_whole

from vpcipam.fleet.engine import Fleet, simulate
from vpcipam.fleet.scenario import Ec2Behaviour, NodeGroup, Scenario, SubnetSpec
from vpcipam.fleet.workload import FixedWorkload, PodRun
from vpcipam.settings import Settings
from vpcipam.testing.strategies import SLOW_EC2, TIGHT_THROTTLE


def fleet_of(instance_type, pods, *, cidr="10.0.0.0/24", count=2, variables=None, duration_s=600, maximum=None, **options):
    settings = Settings().with_variables({"ENABLE_POD_ENI": "true", **(variables or {})})
    group_options = {"pod_subnet": options.pop("pod_subnet")} if "pod_subnet" in options else {}
    group = NodeGroup("g", instance_type, count, settings, ("a",), count, maximum or count, boot_ns=30 * S, **group_options)
    subnets = (SubnetSpec("a", cidr), *options.pop("more_subnets", ()))
    runs = tuple(PodRun(f"p{number}", S, None) for number in range(pods))
    return Scenario("trunks", duration_s * S, subnets, (group,), FixedWorkload(runs), ("10.0.0.0/16",), **options)


def texts(result):
    return [event.text for event in result.events if event.kind == "note"]


def test_nodes_of_a_type_without_trunk_keep_nothing_back():
    result = simulate(fleet_of("t3.medium", 26))
    assert (result.summary.pods_running, result.summary.pods_waiting) == (26, 0)
    last = result.samples[-1]
    assert (last.enis, last.addresses_attached) == (6, 30)
    assert result.subnet_samples["a"][-1].taken == 36
    assert texts(result) == []


def test_each_node_has_a_trunk_whose_address_comes_out_of_the_subnet():
    result = simulate(fleet_of("m5.large", 50))
    assert (result.summary.pods_running, result.summary.pods_waiting) == (36, 14)
    first, last = result.samples[0], result.samples[-1]
    assert (first.enis, first.addresses_attached, result.subnet_samples["a"][0].taken) == (4, 18, 22)
    assert (last.enis, last.addresses_attached, result.subnet_samples["a"][-1].taken) == (6, 36, 42)
    (note,) = texts(result)
    assert note.startswith(
        "pods wait on a full node: ENABLE_POD_ENI keeps one ENI for the trunk, which leaves 18 addresses for max pods 29"
    )


def test_under_custom_networking_the_trunk_is_in_the_subnet_of_the_pods():
    result = simulate(
        fleet_of(
            "m5.large",
            2,
            count=1,
            variables={"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"},
            more_subnets=(SubnetSpec("pods", "10.0.1.0/24"),),
            pod_subnet="pods",
        )
    )
    assert (result.subnet_samples["a"][-1].taken, result.subnet_samples["pods"][-1].taken) == (1, 1 + 10)


def test_a_trunk_goes_with_its_node():
    scenario = fleet_of("m5.large", 0, count=1)
    fleet = Fleet(scenario)
    (member,) = fleet.members
    assert fleet.ec2.subnet_space(fleet.subnet_ids["a"]).taken == 11
    assert fleet._autoscaler.terminate(member, 0)
    assert fleet.ec2.subnet_space(fleet.subnet_ids["a"]).taken == 0
    assert fleet._trunks.attach(member, 0)
    assert fleet.ec2.subnet_space(fleet.subnet_ids["a"]).taken == 0


def test_a_trunk_that_ec2_refuses_comes_once_there_is_an_address():
    # 11 usable addresses: somebody else has 1, and the primary ENI with its 9 slots takes 10.
    # Without the clean-up, nothing but the trunk makes the node look at EC2 again.
    scenario = fleet_of("m5.large", 1, count=1, variables={"WARM_ENI_TARGET": "0", "DISABLE_LEAKED_ENI_CLEANUP": "true"})
    fleet = Fleet(attrs.evolve(scenario, subnets=(SubnetSpec("a", "10.0.0.0/28", occupied_share=1 / 11),)))
    assert fleet.ec2.subnet_space(fleet.subnet_ids["a"]).free == 0
    (member,) = fleet.members
    assert member.node.asks_for_trunk(0)
    (others,) = fleet.ec2.describe_network_interfaces(filters={"description": ["others"]}, now_ns=0)
    fleet.ec2.delete_network_interface(others.eni_id, now_ns=0)
    for _ in fleet.run():
        pass
    (note,) = texts(fleet.result())
    assert note.startswith("the VPC resource controller attaches no trunk ENI: ")
    assert "InsufficientFreeAddressesInSubnet" in note
    assert not member.node.asks_for_trunk(scenario.duration_ns)
    assert fleet.result().samples[-1].enis == 2


@pytest.mark.parametrize(
    "ec2", [{"latencies": SLOW_EC2}, {"throttle": TIGHT_THROTTLE}, {"latencies": SLOW_EC2, "throttle": TIGHT_THROTTLE}]
)
def test_a_node_launched_later_gets_its_trunk_after_its_start(ec2):
    scenario = fleet_of("m5.large", 40, count=1, maximum=2, duration_s=1200, ec2=Ec2Behaviour(**ec2))
    result, _, holdings = run_whole(scenario)
    assert result.samples[-1].enis == 6
    assert run_whole(scenario, tickless=False)[2] == holdings
