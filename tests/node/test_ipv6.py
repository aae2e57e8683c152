"""How an IPv6 node starts: which ENIs get a /80, and what happens if a tag excludes the subnet of its primary ENI."""

import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from vpcipam.ec2.conditions import Conditions
from vpcipam.errors import NodeError, PoolExhausted
from vpcipam.limits import InstanceLimits

S = 1_000_000_000
IPV6 = {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}
MULTI_NIC = IPV6 | {"ENABLE_MULTI_NIC": "true"}
TWO_CARDS = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 2))
ROLE = "kubernetes.io/role/cni"


def calls(here):
    return [action for action in here.ec2.log if action != "InstanceMetadata"]


def excluded(world, *, tagged=True, instance_type="m5.large", variables=IPV6):
    """A node, not started, whose own subnet is excluded; in `here.other` a subnet of the zone that is tagged for pods."""
    here = world(instance_type, variables, ipv6=True, subnet_tags=((ROLE, "0"),), start=False)
    here.other = here.subnet("10.0.9.0/24", tags=((ROLE, "1"),) if tagged else (), ipv6_cidr="2001:db8:0:9::/64")
    return here


# --- one /80 on each managed ENI -------------------------------------------------------------------------------------------------


def test_each_managed_eni_but_the_trunk_gets_a_80(world, kinds):
    here = world("m5.xlarge", IPV6, ipv6=True)
    here.foreign_eni(tags=here.own_tags())
    trunk = here.foreign_eni(interface_type="trunk")
    here.model.assign_ipv6_addresses(trunk, ipv6_prefix_count=1, now_ns=0)
    unmanaged = here.foreign_eni(tags=(("node.k8s.amazonaws.com/no_manage", "true"),))
    here.restart(IPV6)
    assert kinds(here.node.start(0)) == [("adopt-eni", True)] * 3 + [("add-cidrs", True)]
    assert here.shape() == {0: 1, 1: 1, 2: 0}
    assert [len(eni.ipv6_prefixes) for eni in here.attached().values()] == [1, 1, 1, 0]
    assert unmanaged not in here.node.datastores[0].eni_ids


def test_the_calls_of_an_ipv6_start(world):
    here = world("m5.large", IPV6, ipv6=True, start=False)
    here.node.start(0)
    assert calls(here) == [
        "LaunchInstance",
        "DescribeNetworkInterfaces",  # what is attached
        "DescribeSubnets",  # is the ENI excluded?
        "CreateTags",
        "DescribeSubnets",  # when the ENI is set up
        "DescribeNetworkInterfaces",  # has it a /80?
        "AssignIpv6Addresses",
        "ModifyNetworkInterfaceAttribute",
    ]


def test_a_80_that_is_there_is_looked_up_and_kept(world):
    here = world("m5.large", IPV6, ipv6=True)
    here.restart(IPV6).start(0)
    assert calls(here).count("DescribeNetworkInterfaces") == 2
    assert "AssignIpv6Addresses" not in here.ec2.log


@pytest.mark.parametrize("variable", ["DISABLE_NETWORK_RESOURCE_PROVISIONING", "ENABLE_IMDS_ONLY_MODE"])
def test_a_80_comes_even_without_provisioning(world, variable):
    here = world("m5.large", IPV6 | {variable: "true"}, ipv6=True)
    assert here.shape() == {0: 1}


def test_a_refused_80_is_tried_again_every_ten_seconds(world):
    here = world("m5.large", IPV6, ipv6=True, start=False)
    here.ec2.refuse("AssignIpv6Addresses", "UnauthorizedOperation", times=5)
    here.node.start(0)
    assert here.shape() == {0: 1}
    assert here.ec2.log.count("AssignIpv6Addresses") == 6


def test_an_eni_beside_one_with_a_80_may_go_without(world, kinds):
    here = world("m5.large", IPV6, ipv6=True)
    here.foreign_eni(tags=here.own_tags())
    here.restart(IPV6)
    here.ec2.refuse("AssignIpv6Addresses", times=6)
    assert kinds(here.node.start(0))[-1:] == [("add-cidrs", False)]
    assert here.shape() == {0: 1, 1: 0}
    assert here.assign("a")


# --- further cards ---------------------------------------------------------------------------------------------------------------


def test_a_new_eni_gets_one_address_and_then_its_80(world):
    here = world(TWO_CARDS, MULTI_NIC, ipv6=True, start=False)
    here.node.start(0)
    (eni,) = here.attached(1).values()
    assert (len(eni.ipv6_addresses), len(eni.ipv6_prefixes)) == (1, 1)
    assert calls(here)[-8:] == [
        "DescribeSubnets",
        "CreateNetworkInterface",
        "DescribeInstances",
        "AttachNetworkInterface",
        "ModifyNetworkInterfaceAttribute",
        "DescribeNetworkInterfaces",
        "AssignIpv6Addresses",
        "DescribeSubnets",
    ]


def test_a_further_card_whose_eni_gets_no_80_does_not_stop_the_start(world, kinds):
    here = world(TWO_CARDS, MULTI_NIC, ipv6=True)
    here.foreign_eni(tags=here.own_tags(), network_card=1, device_index=1)
    here.restart(MULTI_NIC)
    here.ec2.refuse("AssignIpv6Addresses", times=6)
    assert kinds(here.node.start(0))[-1:] == [("add-cidrs", False)]


THREE_CARDS = InstanceLimits(instance_type="three.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 2, 2))
# What EC2 can refuse for a further card, in order, and whether its ENI then stays attached (docs/ipamd.md, "Attaching an ENI").
STAYS = {
    "CreateNetworkInterface": False,
    "DescribeInstances": False,
    "AttachNetworkInterface": False,
    "ModifyNetworkInterfaceAttribute": False,
    "DescribeNetworkInterfaces": True,
    "AssignIpv6Addresses": True,
    "InstanceMetadata": True,
}


def refuse_for_the_first_new_eni(here, action):
    """Refuse the calls of an action from the first new ENI on: once, or as often as it is tried."""
    create, times = here.model.create_network_interface, itertools.chain([12 if action == "InstanceMetadata" else 1], itertools.repeat(0))

    def creating(**arguments):
        eni = create(**arguments)
        here.ec2.refuse(action, times=next(times))
        return eni

    if action == "CreateNetworkInterface":
        here.ec2.refuse(action)
    else:
        here.model.create_network_interface = creating


def has_an_address(here, card, name):
    try:
        here.assign(name, network_card=card)
    except PoolExhausted:
        return False
    return True


@pytest.mark.parametrize("action", STAYS)
@given(refused_again=st.integers(0, 7))
@example(5)
@example(6)
def test_a_80_that_fails_on_a_further_card_leaves_the_other_cards_and_comes_with_a_restart(world, kinds, action, refused_again):
    here = world(THREE_CARDS, MULTI_NIC, ipv6=True, conditions=Conditions(), start=False)
    refuse_for_the_first_new_eni(here, action)
    assert kinds(here.node.start(0))[-2:] == [("create-eni", False), ("create-eni", True)]
    assert [len(here.attached(card)) for card in range(3)] == [1, int(STAYS[action]), 1]
    assert all(eni.attachment for eni in here.enis()), "an ENI is left unattached"
    here.now_ns = here.node.ready_ns
    assert [has_an_address(here, card, "a") for card in range(3)] == [True, False, True]
    here.ec2.log.clear()
    assert here.run(here.now_ns // S + 700) == []
    assert here.ec2.log == [], "no tick tries again"

    here.restart(MULTI_NIC)
    here.ec2.refuse("AssignIpv6Addresses", times=refused_again)
    here.node.start(here.now_ns)
    here.ec2.allow()
    tries = 6 if STAYS[action] else 1  # an ENI that is there is set up with ipamd's tries, 10 s apart
    assert here.node.ready_ns - here.now_ns == 10 * S * min(refused_again, tries - 1)
    here.now_ns = here.node.ready_ns
    assert [has_an_address(here, card, "b") for card in range(3)] == [True, refused_again < tries, True]
    assert [len(here.attached(card)) for card in range(3)] == [1, 1, 1]
    here.restart(MULTI_NIC).start(here.now_ns)
    here.now_ns = here.node.ready_ns
    assert [has_an_address(here, card, "c") for card in range(3)] == [True, True, True]
    assert [len(eni.ipv6_prefixes) for card in range(3) for eni in here.attached(card).values()] == [1, 1, 1]
    here.check_agreement()


def test_a_80_on_a_further_card_does_not_replace_that_of_the_default_card(world):
    here = world(TWO_CARDS, MULTI_NIC, ipv6=True, start=False)
    here.ec2.refuse("AssignIpv6Addresses", times=6)
    with pytest.raises(NodeError, match="got no /80"):
        here.start()
    eni_id = here.foreign_eni(tags=here.own_tags(), network_card=1, device_index=1)
    here.model.assign_ipv6_addresses(eni_id, ipv6_prefix_count=1, now_ns=0)
    here.ec2.refuse("AssignIpv6Addresses", times=6)
    with pytest.raises(NodeError, match="got no /80"):
        here.start()


# --- the primary ENI's subnet is excluded ----------------------------------------------------------------------------------------


def test_if_the_primary_subnet_is_excluded_a_new_eni_gives_the_addresses(world, kinds):
    here = excluded(world)
    assert kinds(here.start()) == [("create-eni", True)]
    assert here.shape() == {1: 1}
    new = here.attached()[here.eni_at(1)]
    assert new.subnet_id == here.other
    (assignment,) = here.assign("a")
    assert assignment.address.startswith("2001:db8:0:9:")
    assert here.node.managed_eni_limit() == 2  # the primary ENI is not managed
    primary = next(eni for eni in here.attached().values() if eni.eni_id != new.eni_id)
    assert (primary.ipv6_prefixes, primary.tags) == ((), ())


def test_a_restart_uses_the_eni_of_the_first_start(world, kinds):
    here = excluded(world)
    here.start()
    here.restart(IPV6)
    assert kinds(here.node.start(0)) == [("adopt-eni", True)]
    assert here.shape() == {1: 1}


def test_without_a_subnet_for_pods_the_start_fails(world):
    here = excluded(world, tagged=False)
    with pytest.raises(NodeError, match=r"got no ENI for its IPv6 pods, and a tag excludes the subnet of its primary ENI: .*role/cni=1"):
        here.node.start(0)
    assert not here.node.started
    here.model.create_tags([here.other], [(ROLE, "1")], now_ns=0)
    here.start()
    assert here.shape() == {1: 1}


def test_if_ec2_refuses_the_new_eni_the_start_fails(world):
    here = excluded(world)
    here.ec2.refuse("AttachNetworkInterface")
    with pytest.raises(NodeError, match=r"got no ENI for its IPv6 pods.*AttachNetworkInterface: UnauthorizedOperation"):
        here.node.start(0)


def test_without_subnet_discovery_no_subnet_is_excluded(world):
    here = excluded(world, variables=IPV6 | {"ENABLE_SUBNET_DISCOVERY": "false"})
    here.start()
    assert here.shape() == {0: 1}
