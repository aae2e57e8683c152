"""VPCs, subnets and instances: what an administrator does."""

import datetime as dt

import pytest

from vpcipam.ec2.api import ErrorCode
from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import InvalidArgument, UnknownInstanceType
from vpcipam.limits import instance_limits, instance_types


def test_ids_count_up_in_17_hex_digits(ec2):
    vpc = ec2.create_vpc("10.0.0.0/16")
    subnet = ec2.create_subnet(vpc.vpc_id, "10.0.1.0/24")
    for _ in range(16):
        instance = ec2.launch_instance("m5.large", subnet.subnet_id, now_ns=0)
    (eni,) = instance.network_interfaces
    assert vpc.vpc_id == "vpc-00000000000000001"
    assert subnet.subnet_id == "subnet-00000000000000001"
    assert instance.instance_id == "i-00000000000000010"
    assert eni.eni_id == "eni-00000000000000010"
    assert eni.attachment.attachment_id == "eni-attach-00000000000000010"


@pytest.mark.parametrize("choice", ["", "Lowest", "packed", None, 0])
def test_an_unknown_address_choice_is_refused(choice):
    with pytest.raises(InvalidArgument, match="must be 'lowest' or 'random'"):
        Ec2Model(address_choice=choice)


def test_a_seed_must_be_an_integer():
    with pytest.raises(TypeError):
        Ec2Model(address_choice="random", seed=1.5)


@pytest.mark.parametrize("now_ns", [0.0, "0", None, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)])
def test_a_time_that_is_no_integer_is_refused_and_does_not_count_as_a_call(ec2, now_ns):
    subnet = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24")
    before = ec2.call_counts
    with pytest.raises(TypeError):
        ec2.launch_instance("m5.large", subnet.subnet_id, now_ns=now_ns)
    with pytest.raises(TypeError):
        ec2.describe_network_interfaces(now_ns=now_ns)
    assert (ec2.call_counts, ec2.instances) == (before, ())


def test_answers_depend_on_the_seed():
    def primary_ips(**kwargs):
        ec2 = Ec2Model(**kwargs)
        vpc_id = ec2.create_vpc("10.0.0.0/16").vpc_id
        subnet_ids = [ec2.create_subnet(vpc_id, cidr).subnet_id for cidr in ("10.0.0.0/20", "10.0.16.0/20")]
        return [[ec2.create_network_interface(subnet_id=each, now_ns=0).private_ip for _ in range(5)] for each in subnet_ids]

    assert primary_ips() == [[f"10.0.{third}.{last}" for last in range(4, 9)] for third in (0, 16)]
    random = primary_ips(address_choice="random", seed=1)
    assert random == primary_ips(address_choice="random", seed=1)
    assert random != primary_ips(address_choice="random", seed=2)
    assert [ip.split(".")[3] for ip in random[0]] != [ip.split(".")[3] for ip in random[1]]


# --- VPCs


@pytest.mark.parametrize(
    ("cidr", "ipv6_cidr"), [("10.0.0.0/16", None), ("192.168.1.16/28", "2001:db8::/56"), ("10.0.0.0/17", "2001:db8::/44")]
)
def test_a_vpc_shows_its_cidrs(ec2, cidr, ipv6_cidr):
    vpc = ec2.create_vpc(cidr, ipv6_cidr=ipv6_cidr)
    assert (vpc.cidrs, vpc.ipv6_cidr) == ((cidr,), ipv6_cidr)
    assert ec2.vpcs == (vpc,)


@pytest.mark.parametrize("cidr", ["10.0.0.0/15", "10.0.0.0/29", "10.0.0.4/32", "0.0.0.0/0"])
def test_a_vpc_is_a_slash_16_to_a_slash_28(ec2, refused, vpc, cidr):
    with refused(ErrorCode.VPC_RANGE):
        ec2.create_vpc(cidr)
    with refused(ErrorCode.VPC_RANGE):
        ec2.associate_vpc_cidr_block(vpc.vpc_id, cidr)


@pytest.mark.parametrize("ipv6_cidr", ["2001:db8::/43", "2001:db8::/57", "2001:db8::/64"])
def test_the_ipv6_cidr_of_a_vpc_has_a_size_of_ec2(ec2, refused, ipv6_cidr):
    with refused(ErrorCode.VPC_RANGE):
        ec2.create_vpc("10.0.0.0/16", ipv6_cidr=ipv6_cidr)


@pytest.mark.parametrize("cidr", ["10.0.0.3/33", "10.0.0.0", "ten", "", "2001:db8::/56"])
def test_an_invalid_cidr_is_an_invalid_value(ec2, vpc, refused, cidr):
    match = rf"Value \({cidr}\) for parameter cidrBlock is invalid\. This is not a valid CIDR block\."
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, match):
        ec2.create_vpc(cidr)
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, match):
        ec2.create_subnet(vpc.vpc_id, cidr)


def test_the_cidr_of_a_vpc_and_of_a_subnet_is_brought_into_canonical_form(ec2):
    vpc = ec2.create_vpc("100.68.0.18/18")
    assert vpc.cidrs == ("100.68.0.0/18",)
    assert ec2.create_subnet(vpc.vpc_id, "100.68.7.9/24").cidr == "100.68.7.0/24"


def test_a_further_cidr_off_its_grid_is_refused(ec2, vpc, refused):
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "off its grid"):
        ec2.associate_vpc_cidr_block(vpc.vpc_id, "100.64.0.3/16")


@pytest.mark.parametrize("cidr", [5, None, b"10.0.0.0/16"])
def test_a_cidr_that_is_no_text_is_a_type_error(ec2, cidr):
    with pytest.raises(TypeError):
        ec2.create_vpc(cidr)


def test_an_ipv4_cidr_where_ipv6_is_wanted_is_an_invalid_value(ec2, vpc, refused):
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "IPv6 is wanted"):
        ec2.create_vpc("10.0.0.0/16", ipv6_cidr="10.1.0.0/16")
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "IPv6 is wanted"):
        ec2.create_subnet(vpc.vpc_id, "10.0.0.0/24", ipv6_cidr="10.0.1.0/24")


def test_a_further_cidr_of_a_vpc_holds_subnets(ec2, vpc, refused):
    with refused(ErrorCode.SUBNET_RANGE):
        ec2.create_subnet(vpc.vpc_id, "100.64.0.0/24")
    assert ec2.associate_vpc_cidr_block(vpc.vpc_id, "100.64.0.0/16").cidrs == ("10.0.0.0/16", "100.64.0.0/16")
    assert ec2.create_subnet(vpc.vpc_id, "100.64.0.0/24").cidr == "100.64.0.0/24"


def test_an_overlapping_further_cidr_is_refused(ec2, vpc, refused):
    with refused(ErrorCode.CIDR_CONFLICT):
        ec2.associate_vpc_cidr_block(vpc.vpc_id, "10.0.128.0/17")


def test_a_further_cidr_can_be_removed(ec2, vpc, refused):
    one, two = ec2.associate_vpc_cidr_block(vpc.vpc_id, "100.64.0.0/16").associations
    assert (one.cidr, two.cidr) == ("10.0.0.0/16", "100.64.0.0/16")
    ec2.delete_subnet(ec2.create_subnet(vpc.vpc_id, "100.64.1.0/24").subnet_id)
    near = ec2.create_subnet(vpc.vpc_id, "10.0.1.0/24")
    subnet = ec2.create_subnet(vpc.vpc_id, "100.64.0.0/24")
    with refused(ErrorCode.CIDR_IN_USE, subnet.subnet_id):
        ec2.disassociate_vpc_cidr_block(two.association_id)
    with refused(ErrorCode.OPERATION_NOT_PERMITTED, "primary IPv4 CIDR block"):
        ec2.disassociate_vpc_cidr_block(one.association_id)
    ec2.delete_subnet(subnet.subnet_id)
    assert ec2.disassociate_vpc_cidr_block(two.association_id).associations == (one,)
    ec2.delete_subnet(near.subnet_id)
    with refused(ErrorCode.CIDR_ASSOCIATION_NOT_FOUND):
        ec2.disassociate_vpc_cidr_block(two.association_id)
    ec2._check()
    ec2.delete_vpc(vpc.vpc_id)
    ec2._check()


def test_vpcs_are_described_by_name_or_all(ec2, vpc):
    other = ec2.create_vpc("10.0.0.0/16", tags=[("b", "2"), ("a", "1")])
    assert ec2.describe_vpcs(now_ns=0) == (vpc, other)
    assert ec2.describe_vpcs(vpc_ids=[other.vpc_id], now_ns=0) == (other,)
    assert other.tags == (("a", "1"), ("b", "2"))


def test_a_vpc_can_be_deleted_once_its_subnets_are_gone(ec2, vpc, subnet_id, refused):
    with refused(ErrorCode.DEPENDENCY_VIOLATION):
        ec2.delete_vpc(vpc.vpc_id)
    ec2.delete_subnet(subnet_id)
    ec2.delete_vpc(vpc.vpc_id)
    assert ec2.vpcs == ()


@pytest.mark.parametrize("vpc_id", ["vpc-00000000000000002", "", "subnet-00000000000000001"])
def test_an_unknown_vpc_is_not_found(ec2, vpc, refused, vpc_id):
    assert vpc.vpc_id != vpc_id
    with refused(ErrorCode.VPC_NOT_FOUND):
        ec2.delete_vpc(vpc_id)
    with refused(ErrorCode.VPC_NOT_FOUND):
        ec2.create_subnet(vpc_id, "10.0.0.0/24")
    with refused(ErrorCode.VPC_NOT_FOUND):
        ec2.associate_vpc_cidr_block(vpc_id, "100.64.0.0/16")


# --- subnets


@pytest.mark.parametrize(
    ("cidr", "free_count"), [("10.0.0.0/28", 11), ("10.0.0.0/27", 27), ("10.0.0.0/24", 251), ("10.0.0.0/23", 507), ("10.0.0.0/16", 65_531)]
)
def test_a_subnet_shows_its_free_addresses(ec2, vpc, cidr, free_count):
    subnet = ec2.create_subnet(vpc.vpc_id, cidr, availability_zone="eu-north-1c", tags=[("b", "2"), ("a", "1")])
    assert (subnet.cidr, subnet.available_ip_address_count) == (cidr, free_count)
    assert (subnet.vpc_id, subnet.availability_zone, subnet.ipv6_cidr) == (vpc.vpc_id, "eu-north-1c", None)
    assert subnet.tags == (("a", "1"), ("b", "2"))
    assert (subnet.tag("a"), subnet.tag("c")) == ("1", None)
    assert ec2.subnets == (subnet,)


@pytest.mark.parametrize("cidr", ["10.0.0.0/15", "10.0.0.0/29", "10.1.0.0/24", "0.0.0.0/0"])
def test_a_subnet_is_a_slash_16_to_a_slash_28_within_its_vpc(ec2, vpc, refused, cidr):
    with refused(ErrorCode.SUBNET_RANGE):
        ec2.create_subnet(vpc.vpc_id, cidr)


@pytest.mark.parametrize("ipv6_cidr", ["2001:db8::/63", "2001:db8::/65", "2001:db8:1::/64"])
def test_the_ipv6_cidr_of_a_subnet_is_a_slash_64_within_its_vpc(ec2, vpc, refused, ipv6_cidr):
    with refused(ErrorCode.SUBNET_RANGE):
        ec2.create_subnet(vpc.vpc_id, "10.0.0.0/24", ipv6_cidr=ipv6_cidr)


def test_a_vpc_without_ipv6_has_no_subnets_with_it(ec2, refused):
    vpc = ec2.create_vpc("10.0.0.0/16")
    with refused(ErrorCode.SUBNET_RANGE):
        ec2.create_subnet(vpc.vpc_id, "10.0.0.0/24", ipv6_cidr="2001:db8::/64")


@pytest.mark.parametrize(
    ("cidr", "ipv6_cidr"), [("10.0.1.0/24", None), ("10.0.0.0/23", None), ("10.0.1.240/28", None), ("10.0.2.0/24", "2001:db8::/64")]
)
@pytest.mark.usefixtures("subnet_id")
def test_overlapping_subnets_are_refused(ec2, vpc, refused, cidr, ipv6_cidr):
    with refused(ErrorCode.SUBNET_CONFLICT):
        ec2.create_subnet(vpc.vpc_id, cidr, ipv6_cidr=ipv6_cidr)


def test_subnets_of_two_vpcs_can_overlap(ec2, subnet_id):
    other = ec2.create_vpc("10.0.0.0/16")
    assert ec2.create_subnet(other.vpc_id, "10.0.1.0/24").subnet_id != subnet_id


def test_a_subnet_can_be_deleted_once_its_enis_are_gone(ec2, subnet_id, eni_id, refused):
    with refused(ErrorCode.DEPENDENCY_VIOLATION):
        ec2.delete_subnet(subnet_id)
    ec2.delete_network_interface(eni_id, now_ns=0)
    ec2.delete_subnet(subnet_id)
    assert ec2.subnets == ()
    with refused(ErrorCode.SUBNET_NOT_FOUND):
        ec2.delete_subnet(subnet_id)


def test_subnets_are_described_by_name_by_vpc_or_all(ec2, vpc):
    other = ec2.create_vpc("10.0.0.0/16")
    one = ec2.create_subnet(vpc.vpc_id, "10.0.1.0/24")
    two = ec2.create_subnet(other.vpc_id, "10.0.2.0/24")
    three = ec2.create_subnet(vpc.vpc_id, "10.0.3.0/24")
    assert ec2.describe_subnets(now_ns=0) == (one, two, three)
    assert ec2.describe_subnets(vpc_id=vpc.vpc_id, now_ns=0) == (one, three)
    assert ec2.describe_subnets(vpc_id="vpc-0", now_ns=0) == ()
    assert ec2.describe_subnets(subnet_ids=[three.subnet_id, one.subnet_id, one.subnet_id], now_ns=0) == (one, three)
    assert ec2.describe_subnets(subnet_ids=[one.subnet_id, two.subnet_id], vpc_id=other.vpc_id, now_ns=0) == (two,)


def test_an_unknown_subnet_is_not_found(ec2, subnet_id, refused):
    with refused(ErrorCode.SUBNET_NOT_FOUND, "subnet-0"):
        ec2.describe_subnets(subnet_ids=[subnet_id, "subnet-0"], now_ns=0)
    with refused(ErrorCode.SUBNET_NOT_FOUND):
        ec2.launch_instance("m5.large", "subnet-0", now_ns=0)
    with refused(ErrorCode.SUBNET_NOT_FOUND):
        ec2.create_network_interface(subnet_id="subnet-0", now_ns=0)


def test_a_text_in_place_of_a_list_is_a_type_error(ec2, subnet_id):
    with pytest.raises(TypeError, match="give a list of texts"):
        ec2.describe_subnets(subnet_ids=subnet_id, now_ns=0)


# --- instances


def test_an_instance_starts_with_its_primary_eni(ec2, subnet_id, free_count):
    instance = ec2.launch_instance("m5.large", subnet_id, now_ns=5, tags=[("Name", "node")])
    (eni,) = instance.network_interfaces
    assert (instance.instance_type, instance.subnet_id, instance.tags) == ("m5.large", subnet_id, (("Name", "node"),))
    assert (eni.status, eni.interface_type, eni.created_ns) == ("in-use", "interface", 5)
    assert (eni.attachment.network_card_index, eni.attachment.device_index) == (0, 0)
    assert eni.attachment.delete_on_termination
    assert eni.attachment.instance_id == instance.instance_id
    assert free_count() == 250
    assert ec2.instances == (instance,) == (ec2.describe_instance(instance.instance_id, now_ns=0),)


def test_an_unknown_type_is_refused_with_the_names_near_it(ec2, subnet_id, free_count):
    with pytest.raises(UnknownInstanceType, match=r"m5\.large"):
        ec2.launch_instance("m5.larg", subnet_id, now_ns=0)
    assert (ec2.instances, free_count()) == ((), 251)


def test_an_instance_needs_an_address(ec2, subnet_id, refused):
    ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=250, now_ns=0)
    with refused(ErrorCode.INSUFFICIENT_FREE_ADDRESSES):
        ec2.launch_instance("m5.large", subnet_id, now_ns=0)


def test_terminating_deletes_enis_with_delete_on_termination_and_detaches_the_rest(ec2, subnet_id, types, free_count):
    instance = ec2.launch_instance(types.nitro, subnet_id, now_ns=0)
    stays, goes = (ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=2, now_ns=0) for _ in range(2))
    ec2.attach_network_interface(stays.eni_id, instance.instance_id, device_index=1, now_ns=0)
    attachment_id = ec2.attach_network_interface(goes.eni_id, instance.instance_id, device_index=2, now_ns=0)
    ec2.modify_network_interface_attribute(goes.eni_id, attachment_id=attachment_id, delete_on_termination=True, now_ns=0)
    ec2.terminate_instance(instance.instance_id, now_ns=0)
    assert ec2.instances == ()
    assert ec2.describe_network_interfaces(now_ns=0) == (stays,)
    assert free_count() == 251 - 3
    ec2._check()


def test_a_terminated_or_unknown_instance_is_not_found(ec2, instance_id, eni_id, refused):
    ec2.terminate_instance(instance_id, now_ns=0)
    with refused(ErrorCode.INSTANCE_NOT_FOUND, "The instance ID 'i-0' does not exist"):
        ec2.terminate_instance("i-0", now_ns=0)
    for gone in (instance_id, "i-0"):
        with refused(ErrorCode.INSTANCE_NOT_FOUND):
            ec2.describe_instance(gone, now_ns=0)
        with refused(ErrorCode.INSTANCE_NOT_FOUND):
            ec2.attach_network_interface(eni_id, gone, device_index=1, now_ns=0)


def test_an_instance_shows_where_and_since_when_it_runs(ec2, vpc, subnet_id, types):
    instance = ec2.launch_instance(types.nitro, subnet_id, now_ns=7)
    assert (instance.vpc_id, instance.availability_zone, instance.state) == (vpc.vpc_id, "us-east-1a", "running")
    assert instance.launched_ns == 7
    assert ec2.describe_instances(now_ns=0) == (instance,) == ec2.describe_instances(instance_ids=[instance.instance_id], now_ns=0)


def test_instance_types_are_described_even_custom_ones(ec2, subnet_id, types, refused):
    (large,) = ec2.describe_instance_types(instance_types=["m5.large"], now_ns=0)
    assert large is instance_limits("m5.large")
    with refused(ErrorCode.INSTANCE_TYPE_UNKNOWN, r"do not exist: \[nitro\.test\]"):
        ec2.describe_instance_types(instance_types=["m5.large", "nitro.test"], now_ns=0)
    ec2.launch_instance(types.nitro, subnet_id, now_ns=0)
    assert ec2.describe_instance_types(instance_types=["nitro.test", "m5.large", "nitro.test"], now_ns=0) == (types.nitro, large)
    known = ec2.describe_instance_types(now_ns=0)
    assert [each.instance_type for each in known] == sorted([*instance_types(), "nitro.test"])


# --- counts


def test_calls_are_counted_with_refused_ones_and_without_metadata(ec2, subnet_id, instance_id, refused):
    counts = ec2.call_counts
    assert counts == {"CreateVpc": 1, "CreateSubnet": 1, "RunInstances": 1}
    with refused(ErrorCode.ENI_NOT_FOUND):
        ec2.delete_network_interface("eni-0", now_ns=0)
    ec2.describe_subnets(now_ns=0)
    ec2.instance_metadata(instance_id, now_ns=0)
    assert ec2.subnets[0].subnet_id == subnet_id
    assert ec2.call_counts["DeleteNetworkInterface"] == ec2.call_counts["DescribeSubnets"] == 1
    assert "InstanceMetadata" not in ec2.call_counts
    assert ec2.metadata_read_count == 1
    assert counts == {"CreateVpc": 1, "CreateSubnet": 1, "RunInstances": 1}, "an answer is not changed by later calls"
