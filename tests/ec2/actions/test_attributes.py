"""Default VPCs and subnets, attributes of VPCs and subnets, and the bounds of VPCs."""

import pytest

from vpcipam.ec2.api import Ec2Error, ErrorCode
from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import InvalidArgument, NotModelled


@pytest.mark.parametrize("cidr", ["169.254.0.0/16", "169.254.8.0/24", "127.0.0.0/16", "224.0.0.0/16", "239.255.0.0/20"])
def test_a_vpc_has_no_loopback_link_local_or_multicast_range(ec2, vpc, refused, cidr):
    with refused(ErrorCode.VPC_RANGE, f"The CIDR '{cidr}' is invalid."):
        ec2.create_vpc(cidr)
    with refused(ErrorCode.VPC_RANGE):
        ec2.associate_vpc_cidr_block(vpc.vpc_id, cidr)


def test_a_vpc_has_five_ipv4_cidrs(ec2, vpc, refused):
    for number in range(4):
        ec2.associate_vpc_cidr_block(vpc.vpc_id, f"100.64.{number}.0/24")
    with refused(ErrorCode.CIDR_LIMIT_EXCEEDED, "has met its maximum number of allowed CIDRs: 5"):
        ec2.associate_vpc_cidr_block(vpc.vpc_id, "100.65.0.0/24")
    ec2._check()


@pytest.mark.parametrize("quota", [1, 50])
def test_the_quota_of_cidrs_can_be_another(quota):
    ec2 = Ec2Model(vpc_cidr_quota=quota)
    vpc = ec2.create_vpc("10.0.0.0/16")
    for number in range(1, quota):
        ec2.associate_vpc_cidr_block(vpc.vpc_id, f"10.{number}.0.0/16")
    with pytest.raises(Ec2Error, match=f"allowed CIDRs: {quota}"):
        ec2.associate_vpc_cidr_block(vpc.vpc_id, "10.99.0.0/16")


@pytest.mark.parametrize("quota", [0, 51])
def test_a_quota_that_aws_does_not_grant_is_refused(quota):
    with pytest.raises(InvalidArgument, match=f"vpc_cidr_quota is {quota}; AWS grants 1 to 50"):
        Ec2Model(vpc_cidr_quota=quota)


def test_an_ipv6_cidr_of_a_vpc_comes_and_goes(ec2, vpc, subnet_id, refused):
    with pytest.raises(NotModelled, match="a second one is not modelled"):
        ec2.associate_vpc_ipv6_cidr_block(vpc.vpc_id, "2001:db9::/56")
    with refused(ErrorCode.CIDR_IN_USE):
        ec2.disassociate_vpc_cidr_block(vpc.ipv6_association_id)
    association_id = ec2.subnets[0].ipv6_association_id
    ec2.disassociate_subnet_cidr_block(association_id)
    with refused(ErrorCode.SUBNET_CIDR_ASSOCIATION_NOT_FOUND):
        ec2.disassociate_subnet_cidr_block(association_id)
    without = ec2.disassociate_vpc_cidr_block(vpc.ipv6_association_id)
    assert (without.ipv6_cidr, without.ipv6_association_id) == (None, None)
    with refused(ErrorCode.VPC_RANGE):
        ec2.associate_vpc_ipv6_cidr_block(vpc.vpc_id, "2001:db9::/57")
    again = ec2.associate_vpc_ipv6_cidr_block(vpc.vpc_id, "2001:db9::/56")
    assert again.ipv6_cidr == "2001:db9::/56"
    ec2._check()
    ec2.delete_subnet(subnet_id)
    ec2.delete_vpc(vpc.vpc_id)
    ec2._check()


def test_an_ipv6_cidr_of_a_subnet_comes_and_goes_with_its_reservations(ec2, vpc, refused):
    subnet_id = ec2.create_subnet(vpc.vpc_id, "10.0.5.0/24").subnet_id
    other = ec2.create_subnet(vpc.vpc_id, "10.0.6.0/24", ipv6_cidr="2001:db8::/64").subnet_id
    with refused(ErrorCode.SUBNET_CONFLICT, "The CIDR '2001:db8::/64' conflicts with another subnet"):
        ec2.associate_subnet_cidr_block(subnet_id, "2001:db8::/64")
    with refused(ErrorCode.SUBNET_RANGE):
        ec2.associate_subnet_cidr_block(subnet_id, "2001:db9::/64")
    with refused(ErrorCode.INVALID_PARAMETER_VALUE):
        ec2.associate_subnet_cidr_block(other, "2001:db8:0:1::/64")
    shown = ec2.associate_subnet_cidr_block(subnet_id, "2001:db8:0:1::/64")
    assert shown.ipv6_cidr == "2001:db8:0:1::/64"
    for cidr in ("2001:db8:0:1:1::/80", "10.0.5.64/28"):
        ec2.create_subnet_cidr_reservation(subnet_id, cidr, reservation_type="prefix")
    ec2.modify_subnet_attribute(subnet_id, assign_ipv6_address_on_creation=True)
    eni = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0)
    assert len(eni.ipv6_addresses) == 1
    wanted = ec2.create_network_interface(subnet_id=subnet_id, ipv6_prefix_count=1, now_ns=0)
    assert (wanted.ipv6_addresses, len(wanted.ipv6_prefixes)) == ((), 1)
    assert not ec2.create_network_interface(subnet_id=subnet_id, interface_type="efa-only", now_ns=0).ipv6_addresses
    ec2.delete_network_interface(wanted.eni_id, now_ns=0)
    with refused(ErrorCode.CIDR_IN_USE, eni.eni_id):
        ec2.disassociate_subnet_cidr_block(shown.ipv6_association_id)
    ec2.delete_network_interface(eni.eni_id, now_ns=0)
    assert ec2.disassociate_subnet_cidr_block(shown.ipv6_association_id).ipv6_cidr == "2001:db8:0:1::/64"
    (left,) = ec2.describe_subnets(subnet_ids=[subnet_id], now_ns=0)
    assert (left.ipv6_cidr, left.assign_ipv6_address_on_creation) == (None, False)
    assert [each.cidr for each in ec2.get_subnet_cidr_reservations(subnet_id, now_ns=0)] == ["10.0.5.64/28"]
    assert ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).ipv6_addresses == ()
    ec2._check()


def test_a_call_changes_one_attribute(ec2, vpc, subnet_id, refused):
    for attributes in ({}, {"map_public_ip_on_launch": True, "assign_ipv6_address_on_creation": True}):
        with refused(ErrorCode.INVALID_PARAMETER_COMBINATION):
            ec2.modify_subnet_attribute(subnet_id, **attributes)
    for attributes in ({}, {"enable_dns_support": True, "enable_dns_hostnames": True}):
        with refused(ErrorCode.INVALID_PARAMETER_COMBINATION):
            ec2.modify_vpc_attribute(vpc.vpc_id, **attributes)
    ec2.modify_subnet_attribute(subnet_id, map_public_ip_on_launch=True)
    assert ec2.subnets[0].map_public_ip_on_launch
    ec2.modify_vpc_attribute(vpc.vpc_id, enable_dns_support=False)
    assert not ec2.vpcs[0].enable_dns_support
    no_ipv6 = ec2.create_subnet(vpc.vpc_id, "10.0.5.0/24").subnet_id
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "has no IPv6 CIDR block"):
        ec2.modify_subnet_attribute(no_ipv6, assign_ipv6_address_on_creation=True)


def test_tenancy_is_kept_and_can_only_become_the_default(ec2, refused):
    vpc = ec2.create_vpc("10.3.0.0/16", instance_tenancy="dedicated")
    assert vpc.instance_tenancy == "dedicated"
    with refused(ErrorCode.UNSUPPORTED_TENANCY, "The tenancy value host is not supported."):
        ec2.modify_vpc_tenancy(vpc.vpc_id, "host")
    ec2.modify_vpc_tenancy(vpc.vpc_id, "default")
    assert ec2.vpcs[-1].instance_tenancy == "default"
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "instanceTenancy"):
        ec2.create_vpc("10.4.0.0/16", instance_tenancy="host")


def test_the_default_vpc_has_a_subnet_in_each_zone(ec2, refused):
    with refused(ErrorCode.DEFAULT_VPC_MISSING):
        ec2.create_default_subnet("us-east-1a")
    vpc = ec2.create_default_vpc()
    assert (vpc.cidrs, vpc.is_default, vpc.enable_dns_hostnames) == (("172.31.0.0/16",), True, True)
    with refused(ErrorCode.DEFAULT_VPC_EXISTS):
        ec2.create_default_vpc()
    assert [(each.cidr, each.availability_zone) for each in ec2.subnets[:2]] == [
        ("172.31.0.0/20", "us-east-1a"),
        ("172.31.16.0/20", "us-east-1b"),
    ]
    assert [each.default_for_az for each in ec2.subnets] == [True] * 6
    assert [each.map_public_ip_on_launch for each in ec2.subnets] == [True] * 6
    with refused(ErrorCode.DEFAULT_SUBNET_EXISTS, "is already the default subnet in us-east-1a"):
        ec2.create_default_subnet("us-east-1a")
    ec2.delete_subnet(ec2.subnets[0].subnet_id)
    for number in range(10):
        ec2.create_default_subnet(f"zone-{number}")
    assert ec2.create_default_subnet("us-east-1a").cidr == "172.31.240.0/20"
    with refused(ErrorCode.SUBNET_CONFLICT, "no free /20"):
        ec2.create_default_subnet("us-east-1g")
    ec2._check()
