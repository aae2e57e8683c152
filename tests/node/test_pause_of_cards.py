"""The pause after an out-of-addresses answer, on a node with two cards: one pause for all of them, counted from the answer."""

import pytest

from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.latency import Latencies, Latency
from vpcipam.limits import InstanceLimits

S = 1_000_000_000
CARDS = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 2))
GROWTH = {"AssignPrivateIpAddresses", "CreateNetworkInterface"}
INSTANT = None
SLOW = Conditions(latencies=Latencies({}, non_mutating=Latency.fixed(S), mutating=Latency.fixed(S)))


def growth_calls(here):
    return [action for action in here.ec2.log if action in GROWTH]


def fill(here, card):
    """Give every free address of a card to a pod."""
    count = here.node.stats(here.now_ns, card).available_count
    here.assign(*(f"p{card}-{here.now_ns}-{number}" for number in range(count)), network_card=card)


@pytest.mark.parametrize("refused", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("prefixes", [False, True])
@pytest.mark.parametrize("conditions", [INSTANT, SLOW], ids=["instant", "slow"])
def test_an_out_of_addresses_answer_to_any_card_stops_the_growth_of_all_for_120_s(world, refused, prefixes, conditions):
    variables = {"ENABLE_MULTI_NIC": "true", "ENABLE_SUBNET_DISCOVERY": "false", "WARM_IP_TARGET": "1", "MINIMUM_IP_TARGET": "1"}
    here = world(CARDS, variables | {"ENABLE_PREFIX_DELEGATION": str(prefixes).lower()}, conditions=conditions)
    here.now_ns = here.node.next_tick(here.node.ready_ns)
    for card in refused:
        fill(here, card)
    code = "InsufficientCidrBlocks" if prefixes else "InsufficientFreeAddressesInSubnet"
    here.ec2.refuse("AssignPrivateIpAddresses", code, times=2)
    here.ec2.log.clear()
    here.tick()
    here.ec2.allow()
    assert len(growth_calls(here)) == 2, "the first card's request, and its second try with one slot"
    answer_ns = here.now_ns = here.node.busy_until(here.now_ns) or here.now_ns
    for card in (0, 1):
        fill(here, card)
    here.ec2.log.clear()
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False, include_cleanup=False) in {answer_ns, answer_ns + 120 * S}
    while (next_ns := here.node.next_tick(here.now_ns)) < answer_ns + 120 * S:
        here.now_ns = next_ns
        assert not [action for action in here.tick() if action.grew]
        assert growth_calls(here) == []
    assert next_ns == answer_ns + 120 * S
    here.now_ns = next_ns
    actions = [*here.tick()]
    here.now_ns = here.node.busy_until(here.now_ns) or here.now_ns
    actions += here.tick()
    assert [action.network_card for action in actions if action.grew] == [0, 1]
    here.check_agreement()
