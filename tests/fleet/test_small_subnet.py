"""Prefixes in a small subnet that others use too."""

from vpcipam._units import NS_PER_S
from vpcipam.fleet.engine import simulate
from vpcipam.fleet.scenario import Ec2Behaviour, NodeGroup, Scenario, SubnetSpec
from vpcipam.fleet.workload import FixedWorkload, PodRun
from vpcipam.settings import Settings


def test_a_tenth_taken_at_random_places_leaves_no_prefix_and_most_addresses():
    settings = Settings().with_variables({"ENABLE_PREFIX_DELEGATION": True})
    pods = FixedWorkload(tuple(PodRun(f"p{number}", 0, None) for number in range(90)))
    scenario = Scenario(
        "small",
        1_800 * NS_PER_S,
        (SubnetSpec("a", "10.0.0.0/24", occupied_share=0.1),),
        (NodeGroup("w", "m5.large", 3, settings, ("a",), 3, 3),),
        pods,
        ("10.0.0.0/16",),
        ec2=Ec2Behaviour(address_choice="random"),
    )
    result = simulate(scenario)
    first, last = result.subnet_samples["a"][0], result.subnet_samples["a"][-1]
    assert (first.free_prefixes, last.free_prefixes) == (0, 0)
    assert last.free == 207  # of 256: EC2 reserves 5, others hold 25, the nodes' ENIs hold the rest
    assert result.summary.pods_waiting > 0
