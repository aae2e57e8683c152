"""Named addresses on a new ENI, addresses that move, and single IPv6 addresses."""

import pytest

from vpcipam.ec2.api import ErrorCode
from vpcipam.ec2.state.rules import UNATTACHED_IPV6_LIMIT


def eni(ec2, eni_id):
    (found,) = ec2.describe_network_interfaces(eni_ids=[eni_id], now_ns=0)
    return found


def attach(ec2, eni_id, instance_id):
    ec2.attach_network_interface(eni_id, instance_id, device_index=1, now_ns=0)


# --- a new ENI


def test_an_eni_can_be_created_with_named_addresses(ec2, subnet_id, free_count):
    made = ec2.create_network_interface(
        subnet_id=subnet_id,
        private_ip="10.0.1.77",
        secondary_ips=["10.0.1.79", "10.0.1.78"],
        ipv6_addresses=["2001:db8::9", "2001:db8:0:0:5::1"],
        now_ns=0,
    )
    assert (made.private_ip, made.secondary_ips) == ("10.0.1.77", ("10.0.1.78", "10.0.1.79"))
    assert made.ipv6_addresses == ("2001:db8::9", "2001:db8::5:0:0:1")
    other = ec2.create_network_interface(
        subnet_id=subnet_id, private_ip="10.0.1.80", ipv4_prefixes=["10.0.1.96/28"], ipv6_prefixes=["2001:db8:0:0:6::/80"], now_ns=0
    )
    assert (other.ipv4_prefixes, other.ipv6_prefixes) == (("10.0.1.96/28",), ("2001:db8:0:0:6::/80",))
    assert free_count() == 251 - 3 - 17
    ec2._check()


def test_a_named_primary_ip_combines_with_counts_and_a_picked_one_with_names(ec2, subnet_id):
    one = ec2.create_network_interface(subnet_id=subnet_id, private_ip="10.0.1.77", secondary_ip_count=3, ipv6_address_count=2, now_ns=0)
    assert one.private_ip == "10.0.1.77"
    assert (len(one.secondary_ips), len(one.ipv6_addresses)) == (3, 2)
    free = [f"10.0.1.{end}" for end in range(4, 10) if f"10.0.1.{end}" not in one.secondary_ips]
    two = ec2.create_network_interface(subnet_id=subnet_id, secondary_ips=free, now_ns=0)
    assert two.secondary_ips == tuple(free)
    assert two.private_ip not in {*free, *one.secondary_ips, one.private_ip}
    ec2._check()


def test_a_new_eni_whose_named_addresses_leave_none_for_a_primary_ip_is_refused(ec2, vpc, refused):
    subnet_id = ec2.create_subnet(vpc.vpc_id, "10.0.2.0/28").subnet_id
    with refused(ErrorCode.INSUFFICIENT_FREE_ADDRESSES):
        ec2.create_network_interface(subnet_id=subnet_id, secondary_ips=[f"10.0.2.{end}" for end in range(4, 15)], now_ns=0)


@pytest.mark.parametrize(
    "wanted",
    [
        {"private_ip": "10.0.1.99"},
        {"secondary_ips": ["10.0.1.98", "10.0.1.99"]},
        {"ipv4_prefixes": ["10.0.1.96/28"]},
        {"ipv6_addresses": ["2001:db8:0:0:7::5", "2001:db8::99"]},
        {"ipv6_prefixes": ["2001:db8:0:0:9::/80"]},
        {"ipv6_prefixes": ["2001:db8:0:0:8::/80"]},
        {"ipv6_addresses": ["2001:db8:0:0:9::1"]},
    ],
)
def test_a_taken_name_is_in_use_for_a_new_eni(ec2, subnet_id, refused, wanted):
    ec2.create_network_interface(
        subnet_id=subnet_id,
        private_ip="10.0.1.99",
        ipv6_addresses=["2001:db8::99", "2001:db8:0:0:8::5"],
        now_ns=0,
    )
    ec2.create_network_interface(subnet_id=subnet_id, private_ip="10.0.1.100", ipv6_prefixes=["2001:db8:0:0:9::/80"], now_ns=0)
    with refused(ErrorCode.ADDRESS_IN_USE, "already in use"):
        ec2.create_network_interface(subnet_id=subnet_id, **wanted, now_ns=0)


@pytest.mark.parametrize(
    "wanted",
    [
        {"private_ip": "10.0.2.4"},
        {"private_ip": "10.0.1.3"},
        {"private_ip": "ten"},
        {"private_ip": "2001:db8::9"},
        {"private_ip": "10.0.1.99", "secondary_ips": ["10.0.1.99"]},
        {"secondary_ips": ["10.0.1.255"]},
        {"ipv4_prefixes": ["10.0.1.0/28"]},
        {"ipv6_addresses": ["2001:db8::3"]},
        {"ipv6_addresses": ["2001:db8::ffff:ffff:ffff:ffff"]},
        {"ipv6_addresses": ["2001:db8:0:1::5"]},
        {"ipv6_addresses": ["10.0.1.9"]},
        {"ipv6_addresses": ["2001:db8::5", "2001:db8:0::5"]},
        {"ipv6_prefixes": ["2001:db8::/80"]},
        {"ipv6_prefixes": ["2001:db8:0:0:ffff::/80"]},
        {"ipv6_prefixes": ["2001:db8:0:0:4::/79"]},
        {"ipv6_prefixes": ["2001:db8:0:0:4::1/80"]},
        {"ipv6_address_count": -1},
    ],
)
def test_an_invalid_name_for_a_new_eni_is_an_invalid_value(ec2, subnet_id, refused, wanted):
    with refused(ErrorCode.INVALID_PARAMETER_VALUE):
        ec2.create_network_interface(subnet_id=subnet_id, **wanted, now_ns=0)


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({"secondary_ip_count": 1, "secondary_ips": ["10.0.1.9"]}, "SecondaryPrivateIpAddressCount and PrivateIpAddresses"),
        ({"ipv4_prefix_count": 1, "ipv4_prefixes": ["10.0.1.16/28"]}, "Ipv4PrefixCount and Ipv4Prefixes"),
        ({"secondary_ips": ["10.0.1.9"], "ipv4_prefixes": ["10.0.1.16/28"]}, "PrivateIpAddresses and Ipv4Prefixes"),
        ({"ipv6_address_count": 1, "ipv6_prefix_count": 1}, "Ipv6AddressCount and Ipv6PrefixCount"),
        ({"ipv6_addresses": ["2001:db8::9"], "ipv6_prefixes": ["2001:db8:0:0:4::/80"]}, "Ipv6Addresses and Ipv6Prefixes"),
    ],
)
def test_names_and_counts_of_one_family_are_refused_for_a_new_eni(ec2, subnet_id, refused, wanted, named):
    with refused(ErrorCode.INVALID_PARAMETER_COMBINATION, named):
        ec2.create_network_interface(subnet_id=subnet_id, **wanted, now_ns=0)


def test_an_instance_can_be_launched_with_a_named_primary_ip(ec2, subnet_id, types, refused):
    assert ec2.launch_instance(types.nitro, subnet_id, private_ip="10.0.1.50", now_ns=0).network_interfaces[0].private_ip == "10.0.1.50"
    with refused(ErrorCode.ADDRESS_IN_USE):
        ec2.launch_instance(types.nitro, subnet_id, private_ip="10.0.1.50", now_ns=0)
    with refused(ErrorCode.INVALID_PARAMETER_VALUE):
        ec2.launch_instance(types.nitro, subnet_id, private_ip="10.0.9.50", now_ns=0)


# --- addresses that move


@pytest.fixture
def holder_id(ec2, subnet_id):
    """An ENI with secondary IPs 10.0.1.201 and .202, primary IP .200, and the /28 of .208."""
    made = ec2.create_network_interface(subnet_id=subnet_id, private_ip="10.0.1.200", now_ns=0)
    ec2.assign_private_ip_addresses(made.eni_id, addresses=["10.0.1.201", "10.0.1.202"], now_ns=0)
    ec2.assign_private_ip_addresses(made.eni_id, prefixes=["10.0.1.208/28"], now_ns=0)
    return made.eni_id


def test_a_secondary_ip_moves_to_another_eni_when_reassignment_is_allowed(ec2, eni_id, holder_id, free_count):
    before = free_count()
    names = ["10.0.1.202", "10.0.1.205"]
    added = ec2.assign_private_ip_addresses(eni_id, addresses=names, allow_reassignment=True, now_ns=0)
    assert added.addresses == eni(ec2, eni_id).secondary_ips == tuple(names)
    assert eni(ec2, holder_id).secondary_ips == ("10.0.1.201",)
    assert free_count() == before - 1
    ec2._check()
    assert ec2.assign_private_ip_addresses(eni_id, addresses=names, allow_reassignment=True, now_ns=0) == added, "they stay where they are"
    ec2._check()


@pytest.mark.parametrize("address", ["10.0.1.200", "10.0.1.208", "10.0.1.3", "10.0.9.9"])
def test_primary_ips_parts_of_prefixes_and_foreign_addresses_do_not_move(ec2, eni_id, holder_id, refused, address):
    assert eni(ec2, holder_id).private_ip == "10.0.1.200"
    with refused(ErrorCode.INVALID_PARAMETER_VALUE):
        ec2.assign_private_ip_addresses(eni_id, addresses=["10.0.1.201", address], allow_reassignment=True, now_ns=0)


def test_a_moved_address_counts_against_the_limit_of_its_new_eni(ec2, attached_id, holder_id, refused):
    ec2.assign_private_ip_addresses(attached_id, secondary_ip_count=3, now_ns=0)
    own = eni(ec2, attached_id).secondary_ips
    with refused(ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED):
        ec2.assign_private_ip_addresses(attached_id, addresses=["10.0.1.201"], allow_reassignment=True, now_ns=0)
    assert ec2.assign_private_ip_addresses(attached_id, addresses=own, allow_reassignment=True, now_ns=0).addresses == own
    assert len(eni(ec2, holder_id).secondary_ips) == 2


def test_prefixes_do_not_move(ec2, eni_id, holder_id, refused):
    assert eni(ec2, holder_id).ipv4_prefixes == ("10.0.1.208/28",)
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "move is not allowed"):
        ec2.assign_private_ip_addresses(eni_id, prefixes=["10.0.1.208/28"], allow_reassignment=True, now_ns=0)


# --- IPv6 one by one


def test_ipv6_addresses_never_lie_in_a_slash_80_of_another_eni(ec2, eni_id, subnet_id):
    prefixes = ec2.create_network_interface(subnet_id=subnet_id, ipv6_prefix_count=50, now_ns=0).ipv6_prefixes
    added = ec2.assign_ipv6_addresses(eni_id, ipv6_address_count=20, now_ns=0)
    assert len(set(added)) == 20
    assert eni(ec2, eni_id).ipv6_addresses == added
    assert len(prefixes) == 50
    ec2._check()


def test_lowest_choice_gives_the_lowest_free_ipv6_addresses(ec2, eni_id):
    added = ec2.assign_ipv6_addresses(eni_id, ipv6_address_count=5, now_ns=0)
    if ec2._address_choice == "lowest":
        assert added == tuple(f"2001:db8::{end}" for end in range(4, 9))
    ec2.unassign_ipv6_addresses(eni_id, addresses=[added[3], added[1]], now_ns=0)
    again = ec2.assign_ipv6_addresses(eni_id, ipv6_address_count=3, now_ns=0)
    if ec2._address_choice == "lowest":
        assert again == ("2001:db8::5", "2001:db8::7", "2001:db8::9")
    ec2._check()


def test_a_slash_80_is_not_assigned_while_a_single_address_of_it_is(ec2, eni_id, refused):
    names = ["2001:db8::5:0:0:1", "2001:db8::5:0:0:2"]
    ec2.assign_ipv6_addresses(eni_id, addresses=names, now_ns=0)
    for name in names:
        with refused(ErrorCode.INVALID_PARAMETER_VALUE, "move is not allowed"):
            ec2.assign_ipv6_addresses(eni_id, prefixes=["2001:db8:0:0:5::/80"], now_ns=0)
        ec2.unassign_ipv6_addresses(eni_id, addresses=[name], now_ns=0)
    ec2.assign_ipv6_addresses(eni_id, prefixes=["2001:db8:0:0:5::/80"], now_ns=0)
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "move is not allowed"):
        ec2.assign_ipv6_addresses(eni_id, addresses=names, now_ns=0)
    ec2.unassign_ipv6_addresses(eni_id, prefixes=["2001:db8:0:0:5::/80"], now_ns=0)
    assert ec2.assign_ipv6_addresses(eni_id, addresses=names, now_ns=0) == tuple(names)


def test_a_picked_address_skips_an_assigned_slash_80(ec2, eni_id, subnet_id):
    ec2.create_subnet_cidr_reservation(subnet_id, "2001:db8::/80", reservation_type="explicit")
    ec2.assign_ipv6_addresses(eni_id, prefixes=["2001:db8:0:0:1::/80"], now_ns=0)
    (address,) = ec2.assign_ipv6_addresses(eni_id, ipv6_address_count=1, now_ns=0)
    if ec2._address_choice == "lowest":
        assert address == "2001:db8:0:0:2::"
        ec2.unassign_ipv6_addresses(eni_id, prefixes=["2001:db8:0:0:1::/80"], now_ns=0)
        assert ec2.assign_ipv6_addresses(eni_id, ipv6_address_count=1, now_ns=0) == ("2001:db8:0:0:1::",), "given back, it is the lowest"
    ec2._check()


def test_ipv6_addresses_and_slash_80s_share_the_limit_of_the_type(ec2, attached_id, refused):
    ec2.assign_ipv6_addresses(attached_id, ipv6_address_count=1, now_ns=0)
    with refused(ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED):
        ec2.assign_ipv6_addresses(attached_id, ipv6_prefix_count=2, now_ns=0)
    ec2.assign_ipv6_addresses(attached_id, ipv6_prefix_count=1, now_ns=0)
    for wanted in ({"ipv6_address_count": 1}, {"addresses": ["2001:db8::99"]}, {"ipv6_address_count": 10**9}):
        with refused(ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED):
            ec2.assign_ipv6_addresses(attached_id, **wanted, now_ns=0)


def test_too_many_ipv6_addresses_for_the_type_are_refused_on_attach(ec2, subnet_id, instance_id, refused):
    made = ec2.create_network_interface(subnet_id=subnet_id, ipv6_address_count=3, now_ns=0)
    with refused(ErrorCode.ADDRESS_LIMIT_EXCEEDED):
        attach(ec2, made.eni_id, instance_id)


@pytest.mark.parametrize("count", [UNATTACHED_IPV6_LIMIT + 1, 10**9, 2**70])
def test_an_eni_on_no_instance_takes_a_bounded_number_of_ipv6_addresses(ec2, subnet_id, eni_id, refused, count):
    with refused(ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED, f"at most {UNATTACHED_IPV6_LIMIT} IPv6 addresses"):
        ec2.assign_ipv6_addresses(eni_id, ipv6_address_count=count, now_ns=0)
    with refused(ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED, f"at most {UNATTACHED_IPV6_LIMIT} IPv6 addresses"):
        ec2.create_network_interface(subnet_id=subnet_id, ipv6_address_count=count, now_ns=0)


def test_exactly_the_bound_of_ipv6_addresses_is_accepted(ec2, eni_id):
    names = [f"2001:db8::5:0:0:{number:x}" for number in range(1, UNATTACHED_IPV6_LIMIT + 1)]
    assert ec2.assign_ipv6_addresses(eni_id, addresses=names, now_ns=0) == tuple(names)


@pytest.mark.parametrize("wanted", [{}, {"ipv6_prefix_count": 0}, {"addresses": []}])
def test_assigning_no_ipv6_is_refused(ec2, eni_id, refused, wanted):
    with refused(ErrorCode.INVALID_PARAMETER_COMBINATION, "must be given"):
        ec2.assign_ipv6_addresses(eni_id, **wanted, now_ns=0)


@pytest.mark.parametrize(
    "wanted", [{"ipv6_prefix_count": 1, "ipv6_address_count": 1}, {"ipv6_address_count": 1, "addresses": ["2001:db8::9"]}]
)
def test_names_and_counts_of_ipv6_are_refused(ec2, eni_id, refused, wanted):
    with refused(ErrorCode.INVALID_PARAMETER_COMBINATION, "can't be used in one call"):
        ec2.assign_ipv6_addresses(eni_id, **wanted, now_ns=0)


def test_a_subnet_without_ipv6_gives_none_by_count_or_name(ec2, vpc, refused):
    subnet_id = ec2.create_subnet(vpc.vpc_id, "10.0.2.0/24").subnet_id
    plain_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    for wanted in ({"ipv6_address_count": 1}, {"addresses": ["2001:db8::9"]}, {"prefixes": ["2001:db8:0:0:4::/80"]}):
        with refused(ErrorCode.INVALID_PARAMETER_VALUE, "no IPv6 CIDR"):
            ec2.assign_ipv6_addresses(plain_id, **wanted, now_ns=0)
    for wanted in ({"ipv6_address_count": 1}, {"ipv6_addresses": ["2001:db8::9"]}):
        with refused(ErrorCode.INVALID_PARAMETER_VALUE, "no IPv6 CIDR"):
            ec2.create_network_interface(subnet_id=subnet_id, **wanted, now_ns=0)


def test_unassigning_ipv6_that_is_not_there_is_refused(ec2, eni_id, refused):
    (address,) = ec2.assign_ipv6_addresses(eni_id, ipv6_address_count=1, now_ns=0)
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "not assigned to interface"):
        ec2.unassign_ipv6_addresses(eni_id, addresses=[address, "2001:db8:0:0:7::1"], now_ns=0)
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "not assigned to interface"):
        ec2.unassign_ipv6_addresses(eni_id, prefixes=["2001:db8:0:0:7::/80"], now_ns=0)
    with refused(ErrorCode.INVALID_PARAMETER_COMBINATION, "one of addresses, prefixes"):
        ec2.unassign_ipv6_addresses(eni_id, now_ns=0)
    with refused(ErrorCode.ENI_NOT_FOUND):
        ec2.unassign_ipv6_addresses("eni-0", addresses=[address], now_ns=0)
