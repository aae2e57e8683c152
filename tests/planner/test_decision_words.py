"""What a node did, in words."""

import attrs
import pytest

from vpcipam.action import Action, ActionKind
from vpcipam.address import AddressMode
from vpcipam.planner import Decision
from vpcipam.planner.decision_words import similar, what_it_did, why

ACTION = Action(0, ActionKind.ADD_CIDRS, 0, "eni-1", ("10.0.0.1/32",), "too few")
REFUSED = attrs.evolve(ACTION, cidrs=(), error="InsufficientFreeAddressesInSubnet")


@pytest.mark.parametrize(
    ("kind", "count", "text"),
    [
        (ActionKind.CREATE_ENI, 1, "attach an ENI with 2 addresses"),
        (ActionKind.CREATE_ENI, 3, "attach 3 ENIs with 6 addresses"),
        (ActionKind.ADD_CIDRS, 1, "add 2 addresses"),
        (ActionKind.RELEASE_CIDRS, 2, "release 4 addresses"),
        (ActionKind.FREE_ENI, 1, "free an ENI"),
        (ActionKind.ADOPT_ENI, 1, "find an ENI"),
        (ActionKind.DROP_CIDRS, 1, "drop-cidrs 2 addresses"),
    ],
)
def test_every_kind_of_action_has_a_description(kind, count, text):
    action = Action(0, kind, 0, "eni-1", ("10.0.0.1/32", "10.0.0.2/32"), "why")
    assert what_it_did([action] * count, AddressMode.SECONDARY_IP) == text
    assert what_it_did([attrs.evolve(action, network_card=2)], AddressMode.PREFIX).count("on card 2") == 1


def test_what_was_refused_was_tried():
    assert what_it_did([REFUSED], AddressMode.SECONDARY_IP) == "try to add addresses"
    assert what_it_did([attrs.evolve(REFUSED, kind=ActionKind.CREATE_ENI)], AddressMode.PREFIX) == "try to attach an ENI"


def test_a_refusal_of_ec2_is_told_beside_the_reason():
    assert why(ACTION) == "too few"
    assert why(REFUSED) == "too few; EC2 refused: InsufficientFreeAddressesInSubnet"


def test_only_neighbours_that_differ_in_time_and_content_are_similar():
    others = [attrs.evolve(ACTION, **{name: value}) for name, value in (("network_card", 1), ("reason", "other"), ("error", "no"))]
    actions = [ACTION, attrs.evolve(ACTION, at_ns=7, eni_id="eni-2"), *others, ACTION]
    groups = similar(Decision(pods=1, at_s=0.0, action=each) for each in actions)
    assert [len(group) for group in groups] == [2, 1, 1, 1, 1]
