"""Elastic IP addresses: where they go when ENIs and instances do; `test_life_agreement` has the codes."""

import pytest

from vpcipam.address import Cidr
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.errors import Ec2Error
from vpcipam.ec2.faults import Faults, TakenAddress
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.state import account


@pytest.fixture
def elastic_ip(ec2, attached_id):
    """An Elastic IP on the primary address of an attached ENI."""
    allocated = ec2.allocate_address()
    ec2.associate_address(allocated.allocation_id, eni_id=attached_id, now_ns=0)
    return ec2.elastic_ips[0]


def eni_of(ec2, eni_id):
    return ec2.describe_network_interfaces(eni_ids=[eni_id], now_ns=0)[0]


def test_an_elastic_ip_is_shown_with_its_instance_and_its_private_address(ec2, attached_id, elastic_ip):
    (shown,) = eni_of(ec2, attached_id).elastic_ips
    assert (shown.private_ip, shown.public_ip) == (eni_of(ec2, attached_id).private_ip, "198.18.0.1")
    assert (shown.allocation_id, shown.association_id) == (elastic_ip.allocation_id, elastic_ip.association_id)
    assert elastic_ip.eni_id == attached_id
    assert elastic_ip.instance_id == eni_of(ec2, attached_id).attachment.instance_id


def test_stopping_and_detaching_keep_an_elastic_ip(ec2, attached_id, elastic_ip):
    ec2.stop_instances([elastic_ip.instance_id], now_ns=0)
    assert ec2.elastic_ips == (elastic_ip,)
    ec2.detach_network_interface(eni_of(ec2, attached_id).attachment.attachment_id, now_ns=0)
    (detached,) = ec2.elastic_ips
    assert (detached.association_id, detached.eni_id, detached.instance_id) == (elastic_ip.association_id, attached_id, "")


@pytest.mark.parametrize("goes", [False, True])
def test_an_elastic_ip_outlives_the_instance_where_its_eni_does(ec2, attached_id, elastic_ip, goes):
    attachment_id = eni_of(ec2, attached_id).attachment.attachment_id
    ec2.modify_network_interface_attribute(attached_id, attachment_id=attachment_id, delete_on_termination=goes, now_ns=0)
    ec2.terminate_instances([elastic_ip.instance_id], now_ns=0)
    (left,) = ec2.elastic_ips
    assert (left.public_ip, left.eni_id) == (elastic_ip.public_ip, "" if goes else attached_id)
    ec2._check()


def test_a_secondary_ip_takes_its_elastic_ip_along_when_it_moves(ec2, subnet_id, attached_id):
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    (address,) = ec2.assign_private_ip_addresses(eni_id, secondary_ip_count=1, now_ns=0).addresses
    association_id = ec2.associate_address(ec2.allocate_address().allocation_id, eni_id=eni_id, private_ip=address, now_ns=0)
    ec2.assign_private_ip_addresses(attached_id, addresses=[address], allow_reassignment=True, now_ns=0)
    assert [each.association_id for each in eni_of(ec2, attached_id).elastic_ips] == [association_id]
    assert eni_of(ec2, eni_id).elastic_ips == ()
    ec2._check()


def test_an_address_that_somebody_takes_away_loses_its_elastic_ip():
    taken = TakenAddress("eni-00000000000000001", "10.0.1.5/32", at_ns=5)
    ec2 = Ec2Model(conditions=Conditions(faults=Faults(taken=[taken])))
    subnet = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24")
    eni = ec2.create_network_interface(subnet_id=subnet.subnet_id, secondary_ip_count=1, now_ns=0)
    ec2.associate_address(ec2.allocate_address().allocation_id, eni_id=eni.eni_id, private_ip="10.0.1.5", now_ns=0)
    (left,) = ec2.describe_addresses(now_ns=9)
    assert left.eni_id == ""
    assert eni_of(ec2, eni.eni_id).single_ips == ("10.0.1.4",)
    ec2._check()


def test_an_efa_only_eni_takes_no_elastic_ip(ec2, subnet_id):
    efa = ec2.create_network_interface(subnet_id=subnet_id, interface_type="efa-only", now_ns=0)
    with pytest.raises(Ec2Error, match="InvalidParameterValue: A primary private IP address is not assigned"):
        ec2.associate_address(ec2.allocate_address().allocation_id, eni_id=efa.eni_id, now_ns=0)


def test_an_address_within_a_prefix_takes_no_elastic_ip(ec2, subnet_id):
    eni = ec2.create_network_interface(subnet_id=subnet_id, ipv4_prefix_count=1, now_ns=0)
    first = eni.ipv4_prefixes[0].partition("/")[0]
    with pytest.raises(Ec2Error, match=f"InvalidParameterValue: {first} is not assigned to interface {eni.eni_id}"):
        ec2.associate_address(ec2.allocate_address().allocation_id, eni_id=eni.eni_id, private_ip=first, now_ns=0)


def test_a_released_address_comes_back_only_after_all_others(ec2, monkeypatch):
    monkeypatch.setattr(account, "PUBLIC_RANGE", Cidr.parse("198.18.0.0/30"))
    allocated = [ec2.allocate_address() for _ in range(3)]
    assert [each.public_ip for each in allocated] == ["198.18.0.1", "198.18.0.2", "198.18.0.3"]
    ec2.release_address(allocated[1].allocation_id, now_ns=0)
    assert [ec2.allocate_address().public_ip for _ in range(2)] == ["198.18.0.0", "198.18.0.2"]
    with pytest.raises(Ec2Error, match="InsufficientAddressCapacity"):
        ec2.allocate_address()


def test_addresses_are_found_by_id_and_by_public_address(ec2):
    first, second = ec2.allocate_address(), ec2.allocate_address()
    found = ec2.describe_addresses(allocation_ids=[first.allocation_id], public_ips=[second.public_ip, first.public_ip], now_ns=0)
    assert found == (first, second)
    with pytest.raises(Ec2Error, match=r"InvalidAddress\.NotFound: Address '10\.0\.0\.1' not found\."):
        ec2.describe_addresses(public_ips=["10.0.0.1"], now_ns=0)
    with pytest.raises(Ec2Error, match=r"InvalidAllocationID\.NotFound"):
        ec2.describe_addresses(allocation_ids=["eipalloc-9"], now_ns=0)


def test_the_words_of_ec2_for_addresses_that_are_in_use(ec2, attached_id, subnet_id, elastic_ip):
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    other = ec2.allocate_address().allocation_id
    shown = f"resource {attached_id} and {elastic_ip.private_ip} is already associated with public address 198.18.0.1"
    with pytest.raises(Ec2Error, match=f"Resource.AlreadyAssociated: {shown}"):
        ec2.associate_address(other, eni_id=attached_id, allow_reassociation=False, now_ns=0)
    shown = f"resource {elastic_ip.allocation_id} is already associated with associate-id {elastic_ip.association_id}"
    with pytest.raises(Ec2Error, match=f"Resource.AlreadyAssociated: {shown}"):
        ec2.associate_address(elastic_ip.allocation_id, eni_id=eni_id, allow_reassociation=False, now_ns=0)
    with pytest.raises(Ec2Error, match=r"InvalidIPAddress\.InUse: Address 198\.18\.0\.1 is in use\."):
        ec2.release_address(elastic_ip.allocation_id, now_ns=0)
