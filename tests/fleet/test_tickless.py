"""A fleet whose nodes skip the ticks that can do nothing gives the same result as one whose nodes tick every 5 s."""

from fleet_worlds import S, run_whole
from hypothesis import example, given, settings

from vpcipam.ec2.faults import Fault
from vpcipam.ec2.latency import TYPICAL_LATENCIES
from vpcipam.fleet.scenario import PERFECT_EC2, NodeGroup, Scenario, SubnetSpec
from vpcipam.fleet.workload import FixedWorkload, PodRun
from vpcipam.policies import CiliumEniPolicy
from vpcipam.settings import Settings
from vpcipam.testing.strategies import FaultyEc2, scenarios
from vpcipam.warmpool import IpamdPolicy

HEAVY = settings(max_examples=max(5, settings.default.max_examples // 10))
IPAMD = IpamdPolicy()


def fleet(runs, instance_type, variables, *, policy=IPAMD, max_count=1, cidr="10.0.0.0/24", ec2=PERFECT_EC2):
    """A fleet with one group, whose pods are tuples of creation and deletion in seconds; None for a pod that stays."""
    group = NodeGroup(
        name="g",
        instance_type=instance_type,
        count=1,
        settings=Settings().with_variables(variables),
        subnets=("a",),
        min_count=1,
        max_count=max_count,
        policy=policy,
        boot_ns=20 * S,
        scale_down_after_ns=120 * S,
    )
    pods = [PodRun(f"p{number}", at * S, None if until is None else until * S) for number, (at, until) in enumerate(runs)]
    return Scenario(
        "one", 900 * S, (SubnetSpec("a", cidr),), (group,), FixedWorkload(tuple(pods)), ("10.0.0.0/16",), ec2=ec2, sample_ns=17 * S
    )


SURPLUS_ENDS_AND_COMES_AGAIN = fleet(
    [(1, None), (2, None), (3, None), (4, 100), (121, 141)], "t3.medium", {}, policy=CiliumEniPolicy(pre_allocate=2, release_delay_s=60)
)
"""From 121 s to 141 s there is no surplus, and no pod comes or goes while there is none."""
RELEASE_REFUSED = fleet(
    [(1, 101)],
    "t3.small",  # its nodes look for a trunk at every tick and never get one
    {"ENABLE_POD_ENI": "true", "WARM_IP_TARGET": "1"},
    ec2=FaultyEc2(faults=(Fault("refuse", "UnassignPrivateIpAddresses", nth=1),)),
)
"""EC2 keeps a CIDR that the node has given back. The node ignores it for 60 s and then adopts it."""
ANSWER_LOST = fleet(
    [(70, None), (70, None)],
    "m5.large",
    {"WARM_IP_TARGET": "3"},
    ec2=FaultyEc2(faults=(Fault("lose-answer", "AssignPrivateIpAddresses", nth=1),)),
)
"""EC2 grants two addresses without an answer, and then the single one of the second try."""


@HEAVY
@given(scenario=scenarios())
@example(SURPLUS_ENDS_AND_COMES_AGAIN)
@example(RELEASE_REFUSED)
@example(ANSWER_LOST)
def test_a_tickless_run_equals_one_that_ticks_every_five_seconds(scenario):
    result, actions, holdings = run_whole(scenario)
    ticked_result, ticked_actions, ticked_holdings = run_whole(scenario, tickless=False)
    by_time = sorted(actions, key=lambda told: (told[0], told[1].at_ns))
    assert by_time == sorted(ticked_actions, key=lambda told: (told[0], told[1].at_ns))
    assert holdings == ticked_holdings
    assert result == ticked_result


def test_a_fleet_that_grows_and_shrinks_in_waves_gives_the_same_result_tickless_or_not():
    runs = [(wave * 100 + 1, wave * 100 + 40 + number) for wave in range(6) for number in range(14)]
    scenario = fleet(runs, "t3.small", {}, max_count=2, cidr="10.0.0.0/27", ec2=FaultyEc2(TYPICAL_LATENCIES))
    assert run_whole(scenario) == run_whole(scenario, tickless=False)


def test_the_examples_act_when_they_should():
    def late(scenario):
        return [(action.kind.value, action.at_ns // S) for _, action in run_whole(scenario)[1] if action.at_ns > 80 * S]

    assert late(SURPLUS_ENDS_AND_COMES_AGAIN) == [("release-cidrs", 205)]  # 60 s after the tick that sees the surplus again
    assert late(RELEASE_REFUSED) == [("release-cidrs", 105), ("adopt-cidrs", 165), ("release-cidrs", 170)]
    assert late(ANSWER_LOST) == [("adopt-cidrs", 145), ("release-cidrs", 150)]
