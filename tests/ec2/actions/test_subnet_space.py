"""The free space of a subnet: how much, where, and in which shape. The agreement test counts it too, after every step."""

import pytest
from naive_space import addresses_of, count_space, count_strip

from vpcipam.ec2.api import SubnetSpace
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import InvalidArgument


def subnet_of(ec2, cidr):
    """A subnet of that CIDR in a VPC of its own."""
    return ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, cidr).subnet_id


@pytest.mark.parametrize(
    ("cidr", "space"),
    [
        ("10.0.0.0/28", SubnetSpace(total=16, kept=5, taken=0, free=11, reserved=0, largest_free=11, free_prefix_count=0, stranded=11)),
        ("10.0.0.0/27", SubnetSpace(total=32, kept=5, taken=0, free=27, reserved=0, largest_free=27, free_prefix_count=0, stranded=27)),
        ("10.0.0.0/26", SubnetSpace(total=64, kept=5, taken=0, free=59, reserved=0, largest_free=59, free_prefix_count=2, stranded=27)),
        (
            "10.0.0.0/16",
            SubnetSpace(total=65536, kept=5, taken=0, free=65531, reserved=0, largest_free=65531, free_prefix_count=4094, stranded=27),
        ),
    ],
)
def test_an_empty_subnet_is_free_except_for_the_addresses_that_ec2_reserves(ec2, cidr, space):
    subnet_id = subnet_of(ec2, cidr)
    assert ec2.subnet_space(subnet_id) == space


@pytest.mark.parametrize(("cidr", "strip"), [("10.0.0.0/28", [11]), ("10.0.0.0/27", [12, 15]), ("10.0.0.0/25", [12, *[16] * 6, 15])])
def test_the_strip_of_an_empty_subnet_shows_the_addresses_that_ec2_reserves(ec2, cidr, strip):
    assert ec2.subnet_strip(subnet_of(ec2, cidr)) == bytes(strip)


def test_the_strip_of_the_largest_subnet_has_a_byte_for_each_slash_28(ec2):
    subnet_id = subnet_of(ec2, "10.0.0.0/16")
    ec2.create_network_interface(subnet_id=subnet_id, private_ip="10.0.255.254", ipv4_prefixes=["10.0.255.224/28"], now_ns=0)
    strip = ec2.subnet_strip(subnet_id)
    assert len(strip) == 4096
    assert (strip[0], set(strip[1:-2]), strip[-2], strip[-1]) == (12, {16}, 0, 14)


def test_a_full_subnet_has_nothing_left(ec2):
    subnet_id = subnet_of(ec2, "10.0.0.0/27")
    eni = ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=26, now_ns=0)
    space = ec2.subnet_space(subnet_id)
    assert (space.taken, space.free, space.largest_free, space.free_prefix_count, space.stranded) == (27, 0, 0, 0, 0)
    assert ec2.subnet_strip(subnet_id) == bytes(2)
    ec2.delete_network_interface(eni.eni_id, now_ns=1)
    assert ec2.subnet_space(subnet_id).free == 27


@pytest.mark.parametrize("kind", ["prefix", "explicit"])
def test_one_address_strands_the_rest_of_its_slash_28(ec2, subnet_id, kind):
    """Fragmentation in short: eleven scattered addresses leave no free prefix in a /24."""
    for last in (*range(20, 240, 16), 9, 249):
        ec2.create_network_interface(subnet_id=subnet_id, private_ip=f"10.0.1.{last}", now_ns=0)
    space = ec2.subnet_space(subnet_id)
    assert (space.taken, space.free, space.free_prefix_count, space.stranded) == (16, 235, 0, 235)
    ec2.create_subnet_cidr_reservation(subnet_id, "10.0.1.128/25", reservation_type=kind)
    assert ec2.subnet_space(subnet_id).stranded == 235, "a reservation moves nothing"


@pytest.mark.parametrize("kind", ["prefix", "explicit"])
def test_reserved_addresses_are_counted_apart_and_their_slash_28s_are_free(ec2, subnet_id, kind):
    ec2.create_subnet_cidr_reservation(subnet_id, "10.0.1.0/25", reservation_type=kind)
    space = ec2.subnet_space(subnet_id)
    assert (space.free, space.reserved, space.free_prefix_count, space.largest_free) == (127, 124, 14, 251)
    ec2.create_network_interface(subnet_id=subnet_id, private_ip="10.0.1.200", ipv4_prefixes=["10.0.1.16/28"], now_ns=0)
    space = ec2.subnet_space(subnet_id)
    assert (space.taken, space.free, space.reserved, space.free_prefix_count) == (17, 126, 108, 12)


def test_free_addresses_equal_the_available_count_of_ec2(ec2, subnet_id, free_count):
    ec2.create_subnet_cidr_reservation(subnet_id, "10.0.1.64/26", reservation_type="prefix")
    ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=9, now_ns=0)
    assert ec2.subnet_space(subnet_id).free == free_count() == 251 - 64 - 10


def test_a_reservation_of_ipv6_leaves_the_ipv4_addresses_alone(ec2, subnet_id):
    ec2.create_subnet_cidr_reservation(subnet_id, "2001:db8::/80", reservation_type="prefix")
    assert ec2.subnet_space(subnet_id).reserved == 0


def test_a_refused_call_leaves_the_space_as_it_was(ec2, subnet_id, refused):
    ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=100, ipv6_prefix_count=1, now_ns=0)
    before = ec2.subnet_space(subnet_id), ec2.subnet_strip(subnet_id)
    with refused("InvalidParameterValue"):
        ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=200, now_ns=0)
    assert (ec2.subnet_space(subnet_id), ec2.subnet_strip(subnet_id)) == before


def test_reading_the_space_counts_as_no_call(ec2, subnet_id):
    before = ec2.call_counts
    ec2.subnet_space(subnet_id), ec2.subnet_strip(subnet_id)
    assert ec2.call_counts == before


def test_the_space_does_not_lag():
    ec2 = Ec2Model(conditions=Conditions(describe_lag_ns=10**12))
    subnet_id = subnet_of(ec2, "10.0.0.0/24")
    ec2.create_network_interface(subnet_id=subnet_id, now_ns=1)
    assert ec2.subnet_space(subnet_id).taken == 1
    assert ec2.subnet_strip(subnet_id)[0] == 11


@pytest.mark.parametrize("method", ["subnet_space", "subnet_strip"])
def test_the_refusal_of_an_unknown_subnet_names_the_known_ones(ec2, method):
    with pytest.raises(InvalidArgument, match="there is no subnet 'subnet-0'; there are none"):
        getattr(ec2, method)("subnet-0")
    known = subnet_of(ec2, "10.0.0.0/24")
    with pytest.raises(InvalidArgument, match=f"there is no subnet 'subnet-0'; there are {known}"):
        getattr(ec2, method)("subnet-0")
    ec2.delete_subnet(known)
    with pytest.raises(InvalidArgument, match="there are none"):
        getattr(ec2, method)(known)


def test_the_naive_count_agrees_with_itself(ec2, subnet_id):
    """The naive count itself is checked in a case that was counted by hand."""
    ec2.create_network_interface(subnet_id=subnet_id, private_ip="10.0.1.5", ipv4_prefixes=["10.0.1.16/28"], now_ns=0)
    ec2.create_subnet_cidr_reservation(subnet_id, "10.0.1.0/29", reservation_type="explicit")
    everything, taken, untaken, reserved = addresses_of(ec2, subnet_id)
    assert tuple(map(len, (everything, taken, untaken, reserved))) == (256, 17, 234, 8)
    assert count_space(ec2, subnet_id) == SubnetSpace(
        total=256, kept=5, taken=17, free=231, reserved=3, largest_free=223, free_prefix_count=13, stranded=26
    )
    assert count_strip(ec2, subnet_id) == bytes([11, 0, *[16] * 13, 15])
    assert (ec2.subnet_space(subnet_id), ec2.subnet_strip(subnet_id)) == (count_space(ec2, subnet_id), count_strip(ec2, subnet_id))
