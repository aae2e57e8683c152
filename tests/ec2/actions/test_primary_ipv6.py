"""The primary IPv6 address of an ENI."""

import pytest

from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.state.launching import LaunchInterface


def shown(ec2, eni_id):
    (eni,) = ec2.describe_network_interfaces(eni_ids=[eni_id], now_ns=0)
    return eni


@pytest.fixture
def own_id(ec2, subnet_id):
    """An ENI with two IPv6 addresses, of which the lower one is its primary one."""
    names = ["2001:db8::9", "2001:db8::8"]
    return ec2.create_network_interface(subnet_id=subnet_id, ipv6_addresses=names, enable_primary_ipv6=True, now_ns=0).eni_id


def test_the_lowest_ipv6_address_is_the_primary_one(ec2, subnet_id, own_id):
    eni = shown(ec2, own_id)
    assert (eni.primary_ipv6, eni.ipv6_addresses) == ("2001:db8::8", ("2001:db8::8", "2001:db8::9"))
    picked = ec2.create_network_interface(subnet_id=subnet_id, ipv6_address_count=2, enable_primary_ipv6=True, now_ns=0)
    assert picked.primary_ipv6 == picked.ipv6_addresses[0]
    assert ec2.create_network_interface(subnet_id=subnet_id, ipv6_address_count=2, now_ns=0).primary_ipv6 == ""
    ec2._check()


def test_the_ipv6_address_that_the_subnet_assigns_can_be_the_primary_one(ec2, types, subnet_id):
    ec2.modify_subnet_attribute(subnet_id, assign_ipv6_address_on_creation=True)
    made = ec2.create_network_interface(subnet_id=subnet_id, enable_primary_ipv6=True, now_ns=0)
    (instance,) = ec2.launch_instances(types.nitro, [LaunchInterface(subnet_id=subnet_id, enable_primary_ipv6=True)], now_ns=0)
    for eni in (made, *instance.network_interfaces):
        assert (eni.primary_ipv6,) == eni.ipv6_addresses


def test_the_primary_ipv6_address_cannot_be_unassigned_nor_disabled(ec2, own_id, refused):
    with refused("InvalidParameterValue", "2001:db8::8 is the primary IPv6 address of"):
        ec2.unassign_ipv6_addresses(own_id, addresses=["2001:db8::8", "2001:db8::9"], now_ns=0)
    with refused("OperationNotPermitted"):
        ec2.modify_network_interface_attribute(own_id, enable_primary_ipv6=False, now_ns=0)
    ec2.unassign_ipv6_addresses(own_id, addresses=["2001:db8::9"], now_ns=0)
    ec2.assign_ipv6_addresses(own_id, addresses=["2001:db8::7"], now_ns=0)
    ec2.modify_network_interface_attribute(own_id, enable_primary_ipv6=True, now_ns=0)
    assert shown(ec2, own_id).primary_ipv6 == "2001:db8::8"


def test_it_can_be_enabled_later_and_lasts_until_the_eni_is_detached(ec2, attached_id, refused):
    ec2.modify_network_interface_attribute(attached_id, enable_primary_ipv6=False, now_ns=0)
    with refused("InvalidParameterCombination", "A primary IPv6 address needs an IPv6 address"):
        ec2.modify_network_interface_attribute(attached_id, enable_primary_ipv6=True, now_ns=0)
    (address,) = ec2.assign_ipv6_addresses(attached_id, ipv6_address_count=1, now_ns=0)
    ec2.modify_network_interface_attribute(attached_id, enable_primary_ipv6=True, now_ns=0)
    eni = shown(ec2, attached_id)
    assert eni.primary_ipv6 == address
    ec2.detach_network_interface(eni.attachment.attachment_id, now_ns=0)
    assert shown(ec2, attached_id).primary_ipv6 == ""
    ec2.unassign_ipv6_addresses(attached_id, addresses=[address], now_ns=0)
    ec2._check()


@pytest.mark.parametrize("wanted", [{}, {"ipv6_prefix_count": 1}, {"interface_type": "efa-only"}])
def test_without_an_ipv6_address_there_is_no_primary_one(ec2, types, subnet_id, refused, wanted):
    with refused("InvalidParameterCombination"):
        ec2.create_network_interface(subnet_id=subnet_id, enable_primary_ipv6=True, now_ns=0, **wanted)
    with refused("InvalidParameterCombination"):
        ec2.launch_instances(types.nitro, [LaunchInterface(subnet_id=subnet_id, enable_primary_ipv6=True, **wanted)], now_ns=0)


def test_an_administrator_takes_no_primary_ipv6_address_away(ec2, own_id):
    assert [str(cidr) for cidr in ec2._account.enis[own_id].slots()] == ["2001:db8::9/128"]


def test_a_world_has_it():
    model = Ec2Model()
    subnet = model.create_subnet(
        model.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56").vpc_id, "10.0.1.0/24", ipv6_cidr="2001:db8::/64"
    )
    model.create_network_interface(subnet_id=subnet.subnet_id, ipv6_address_count=2, enable_primary_ipv6=True, now_ns=0)
    assert Ec2Model.from_world(model.to_world()).network_interfaces == model.network_interfaces
