"""How often a node assigns an address that another node gave back before the address's cooldown was over."""

import ipaddress

import pytest

from vpcipam.action import ActionKind
from vpcipam.fleet.engine import Fleet
from vpcipam.fleet.scenario import NodeGroup, Scenario, SubnetSpec
from vpcipam.fleet.workload import FixedWorkload, PodRun
from vpcipam.settings import Settings

S = 1_000_000_000


def early_uses(*, hold, variables, cidr, pod_count):
    """The addresses that a node gave back while they cooled, and those that a pod of another node had before the cooldown was over."""
    # Waves of pods that alternate between the nodes, so that one node gives back what the next one needs.
    runs = tuple(
        PodRun(f"p{wave}-{number}", wave * 60 * S + S, wave * 60 * S + 50 * S, f"g-000{wave % 2}")
        for wave in range(12)
        for number in range(pod_count)
    )
    group = NodeGroup("g", "m5.large", 2, Settings().with_variables(variables), ("s",), 2, 2, hold_cooling_cidrs=hold)
    scenario = Scenario("waves", 700 * S, (SubnetSpec("s", cidr),), (group,), FixedWorkload(runs), vpc_cidrs=("10.0.0.0/16",))
    given_back, reused = {}, set()

    def observe(member, actions):
        for action in actions:
            if action.kind in {ActionKind.RELEASE_CIDRS, ActionKind.FREE_ENI}:
                networks = [ipaddress.ip_network(each) for each in action.cidrs]
                for cooling in member.node.datastores[0].cooldowns(action.at_ns):
                    if any(ipaddress.ip_address(cooling.address) in network for network in networks):
                        given_back[cooling.address] = (member.node.name, cooling.until_ns)

    fleet = Fleet(scenario, observer=observe)
    for number in range(700):
        fleet._push(number * S, fleet_probe, number)
    fleet._handlers[fleet_probe] = lambda _, now_ns: reused.update(
        (assignment.address, now_ns // S)
        for member in fleet.members
        for _, assignment in member.node.datastores[0].assignments()
        if given_back.get(assignment.address, ("", 0))[1] > now_ns and given_back[assignment.address][0] != member.node.name
    )
    for _ in fleet.run():
        pass
    assert fleet.result().summary.pods_done > len(runs) / 2
    return given_back, reused


fleet_probe = 99

CASES = {
    "secondary IPs": {"variables": {"WARM_IP_TARGET": "8"}, "cidr": "10.0.0.0/26", "pod_count": 14},
    "prefixes": {"variables": {"ENABLE_PREFIX_DELEGATION": "true", "WARM_IP_TARGET": "14"}, "cidr": "10.0.0.0/24", "pod_count": 60},
}


@pytest.mark.thorough
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_address_is_assigned_on_another_node_before_its_cooldown_is_over_only_without_the_option(case):
    given_back, early = early_uses(hold=False, **case)
    assert given_back
    assert early
    assert early_uses(hold=True, **case) == ({}, set())
