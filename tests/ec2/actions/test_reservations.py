"""Subnet CIDR reservations: which addresses EC2 does not pick, and which can be named."""

import ipaddress

import pytest

from vpcipam.ec2.api import NO_ROOM_FOR_SECONDARY, ErrorCode, SubnetCidrReservation
from vpcipam.ec2.state.subnet import AddressCounts, AddressSet


@pytest.fixture
def reserve(ec2, subnet_id):
    """A function: reserve a range of the /24."""

    def make(cidr, kind="explicit"):
        return ec2.create_subnet_cidr_reservation(subnet_id, cidr, reservation_type=kind).reservation_id

    return make


def test_a_reservation_shows_the_arguments_of_its_creation(ec2, subnet_id):
    made = ec2.create_subnet_cidr_reservation(
        subnet_id, "10.0.1.64/26", reservation_type="prefix", description="pods", tags=[("b", "2"), ("a", "1")], now_ns=3
    )
    assert made == SubnetCidrReservation("scr-00000000000000001", subnet_id, "10.0.1.64/26", "prefix", "pods", (("a", "1"), ("b", "2")))
    assert ec2.get_subnet_cidr_reservations(subnet_id, now_ns=0) == (made,)
    assert ec2.delete_subnet_cidr_reservation(made.reservation_id) == made
    assert ec2.get_subnet_cidr_reservations(subnet_id, now_ns=0) == ()


@pytest.mark.parametrize("kind", ["prefix", "explicit"])
def test_reserved_addresses_are_not_available(ec2, subnet_id, reserve, free_count, kind):
    reserve("10.0.1.0/25", kind)
    assert free_count() == 251 - 124
    eni = ec2.create_network_interface(subnet_id=subnet_id, private_ip="10.0.1.5", now_ns=0)
    assert free_count() == 251 - 124, "an address of a reservation was not counted before either"
    ec2.delete_network_interface(eni.eni_id, now_ns=0)
    ec2._check()
    ec2.delete_subnet_cidr_reservation("scr-00000000000000001")
    assert free_count() == 251


@pytest.mark.parametrize("kind", ["prefix", "explicit"])
def test_single_addresses_are_picked_outside_reservations(ec2, subnet_id, reserve, refused, kind):
    reserve("10.0.1.0/25", kind)
    reserve("10.0.1.192/26", kind)
    eni = ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=63, now_ns=0)
    assert {int(ip.split(".")[3]) for ip in (eni.private_ip, *eni.secondary_ips)} == set(range(128, 192))
    with refused(ErrorCode.INSUFFICIENT_FREE_ADDRESSES, "has 0 free addresses"):
        ec2.assign_private_ip_addresses(eni.eni_id, secondary_ip_count=1, now_ns=0)
    with refused(ErrorCode.INSUFFICIENT_FREE_ADDRESSES):
        ec2.create_network_interface(subnet_id=subnet_id, now_ns=0)


def test_prefixes_are_picked_from_prefix_reservations_first(ec2, subnet_id, reserve, refused):
    reserve("10.0.1.128/27", "prefix")
    reserve("10.0.1.192/28", "prefix")
    reserve("10.0.1.0/25", "explicit")
    eni = ec2.create_network_interface(subnet_id=subnet_id, private_ip="10.0.1.9", ipv4_prefix_count=1, now_ns=0)
    added = {*eni.ipv4_prefixes, *ec2.assign_private_ip_addresses(eni.eni_id, ipv4_prefix_count=2, now_ns=0).prefixes}
    assert added == {"10.0.1.128/28", "10.0.1.144/28", "10.0.1.192/28"}
    rest = ec2.assign_private_ip_addresses(eni.eni_id, ipv4_prefix_count=4, now_ns=0).prefixes
    assert set(rest) == {"10.0.1.160/28", "10.0.1.176/28", "10.0.1.208/28", "10.0.1.224/28"}
    with refused(ErrorCode.INSUFFICIENT_CIDR_BLOCKS, "has 0 free aligned /28s"):
        ec2.assign_private_ip_addresses(eni.eni_id, ipv4_prefix_count=1, now_ns=0)


def test_prefixes_are_never_picked_from_an_explicit_reservation(ec2, subnet_id, reserve, refused):
    reserve("10.0.1.0/24")
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, private_ip="10.0.1.5", now_ns=0).eni_id
    with refused(ErrorCode.INSUFFICIENT_CIDR_BLOCKS, "has 0 free aligned /28s, 1 are wanted"):
        ec2.assign_private_ip_addresses(eni_id, ipv4_prefix_count=1, now_ns=0)
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, NO_ROOM_FOR_SECONDARY):
        ec2.create_network_interface(subnet_id=subnet_id, private_ip="10.0.1.6", ipv4_prefix_count=1, now_ns=0)
    assert ec2.assign_private_ip_addresses(eni_id, prefixes=["10.0.1.32/28"], now_ns=0).prefixes == ("10.0.1.32/28",)


@pytest.mark.parametrize("kind", ["prefix", "explicit"])
def test_named_addresses_can_be_assigned_from_a_reservation_and_return_to_it(ec2, subnet_id, reserve, free_count, kind):
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, private_ip="10.0.1.5", now_ns=0).eni_id
    reserve("10.0.1.128/25", kind)
    before = free_count()
    wanted = {"addresses": ["10.0.1.254"], "prefixes": ["10.0.1.224/28"]}
    for name, names in wanted.items():
        ec2.assign_private_ip_addresses(eni_id, **{name: names}, now_ns=0)
    ec2._check()
    assert free_count() == before
    ec2.unassign_private_ip_addresses(eni_id, **wanted, now_ns=0)
    ec2._check()
    assert free_count() == before
    picked = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).private_ip
    assert ipaddress.ip_address(picked) not in ipaddress.ip_network("10.0.1.128/25")


def test_addresses_in_use_can_be_reserved_and_stay_in_use(ec2, eni_id, subnet_id, reserve, free_count):
    held = ec2.assign_private_ip_addresses(eni_id, addresses=["10.0.1.40", "10.0.1.41"], now_ns=0)
    before = ec2.describe_network_interfaces(now_ns=0)
    reserve("10.0.1.40/31")
    assert ec2.describe_network_interfaces(now_ns=0) == before
    ec2.unassign_private_ip_addresses(eni_id, addresses=held.addresses, now_ns=0)
    assert free_count() == 250 - 2
    ec2.delete_subnet_cidr_reservation("scr-00000000000000001")
    assert free_count() == 250
    ec2._check()
    assert ec2.describe_subnets(subnet_ids=[subnet_id], now_ns=0)[0].available_ip_address_count == 250


def test_a_reservation_smaller_than_a_prefix_keeps_the_prefix_around_it_from_being_picked(ec2, vpc, refused):
    subnet_id = ec2.create_subnet(vpc.vpc_id, "10.0.2.0/26").subnet_id
    ec2.create_subnet_cidr_reservation(subnet_id, "10.0.2.20/32", reservation_type="prefix")
    eni = ec2.create_network_interface(subnet_id=subnet_id, private_ip="10.0.2.4", ipv4_prefix_count=1, now_ns=0)
    assert eni.ipv4_prefixes == ("10.0.2.32/28",)
    with refused(ErrorCode.INSUFFICIENT_CIDR_BLOCKS):
        ec2.assign_private_ip_addresses(eni.eni_id, ipv4_prefix_count=1, now_ns=0)
    ec2.assign_private_ip_addresses(eni.eni_id, prefixes=["10.0.2.16/28"], now_ns=0)
    ec2._check()


@pytest.mark.parametrize(
    ("cidr", "match"),
    [
        ("10.0.2.0/28", "Reservation CIDR should be within subnet CIDR block"),
        ("10.0.0.0/23", "Reservation CIDR should be within subnet CIDR block"),
        ("2001:db8:0:1::/80", "Reservation CIDR should be within subnet CIDR block"),
        ("10.0.1.3/28", "off its grid"),
        ("ten", "not a CIDR"),
        ("10.0.1.64/27", "has overlap with existing reserved CIDR block"),
        ("10.0.1.70/32", "has overlap with existing reserved CIDR block"),
        ("10.0.1.64/28", "has overlap"),
        ("2001:db8::/72", "has overlap with existing reserved CIDR block"),
    ],
)
def test_an_invalid_range_of_a_reservation_is_an_invalid_value(ec2, subnet_id, reserve, refused, cidr, match):  # noqa: PLR0917 - fixtures
    reserve("10.0.1.64/28")
    reserve("2001:db8::/80")
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, match):
        ec2.create_subnet_cidr_reservation(subnet_id, cidr, reservation_type="prefix")


def test_a_subnet_without_ipv6_has_no_ipv6_reservation(ec2, vpc, refused):
    subnet_id = ec2.create_subnet(vpc.vpc_id, "10.0.2.0/24").subnet_id
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, r"within subnet CIDR block \(None\)"):
        ec2.create_subnet_cidr_reservation(subnet_id, "2001:db8::/80", reservation_type="prefix")


def test_an_unknown_type_subnet_or_reservation_is_refused(ec2, subnet_id, refused):
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "prefix, explicit"):
        ec2.create_subnet_cidr_reservation(subnet_id, "10.0.1.64/28", reservation_type="Prefix")
    with refused(ErrorCode.SUBNET_NOT_FOUND):
        ec2.create_subnet_cidr_reservation("subnet-0", "10.0.1.64/28", reservation_type="prefix")
    with refused(ErrorCode.SUBNET_NOT_FOUND):
        ec2.get_subnet_cidr_reservations("subnet-0", now_ns=0)
    with refused(ErrorCode.RESERVATION_NOT_FOUND, "'scr-0' does not exist"):
        ec2.delete_subnet_cidr_reservation("scr-0")


def test_reservations_are_deleted_with_their_subnet(ec2, subnet_id, reserve, refused):
    reservation_id = reserve("10.0.1.64/28")
    ec2.delete_subnet(subnet_id)
    ec2._check()
    with refused(ErrorCode.RESERVATION_NOT_FOUND):
        ec2.delete_subnet_cidr_reservation(reservation_id)


# --- IPv6


def test_slash_80s_are_picked_from_prefix_reservations_first(ec2, eni_id, reserve):
    reserve("2001:db8:0:0:8000::/79", "prefix")
    reserve("2001:db8:0:0:1::/81", "prefix")  # smaller than a /80, so none comes from it
    reserve("2001:db8:0:0:2::/79", "explicit")
    added = ec2.assign_ipv6_addresses(eni_id, ipv6_prefix_count=2, now_ns=0)
    assert added == ("2001:db8:0:0:8000::/80", "2001:db8:0:0:8001::/80")
    more = ec2.assign_ipv6_addresses(eni_id, ipv6_prefix_count=10, now_ns=0)
    assert not {"2001:db8:0:0:1::/80", "2001:db8:0:0:2::/80", "2001:db8:0:0:3::/80"} & set(more)
    assert ec2.assign_ipv6_addresses(eni_id, prefixes=["2001:db8:0:0:2::/80"], now_ns=0) == ("2001:db8:0:0:2::/80",)
    ec2._check()


def test_ipv6_addresses_are_picked_outside_reservations(ec2, eni_id, reserve):
    reserve("2001:db8::/80")
    reserve("2001:db8:0:0:1::/120", "prefix")
    (address,) = ec2.assign_ipv6_addresses(eni_id, ipv6_address_count=1, now_ns=0)
    assert ipaddress.ip_address(address) not in ipaddress.ip_network("2001:db8::/80")
    assert ec2.assign_ipv6_addresses(eni_id, addresses=["2001:db8::99"], now_ns=0) == ("2001:db8::99",)
    ec2._check()


def test_a_wholly_reserved_slash_64_has_no_address_and_no_slash_80_to_pick(ec2, eni_id, reserve, refused):
    reserve("2001:db8::/64")
    with refused(ErrorCode.INSUFFICIENT_FREE_ADDRESSES, "no free address outside of its reservations"):
        ec2.assign_ipv6_addresses(eni_id, ipv6_address_count=1, now_ns=0)
    with refused(ErrorCode.INSUFFICIENT_CIDR_BLOCKS, "has 0 free /80s, 1 are wanted"):
        ec2.assign_ipv6_addresses(eni_id, ipv6_prefix_count=1, now_ns=0)


# --- the subnet's addresses


def test_random_picks_of_prefixes_use_several_reservations(ec2, eni_id, reserve):
    for cidr in ("10.0.1.64/26", "10.0.1.128/26"):
        reserve(cidr, "prefix")
    prefixes = [ec2.assign_private_ip_addresses(eni_id, ipv4_prefix_count=1, now_ns=0).prefixes[0] for _ in range(4)]
    lowest = ["10.0.1.64/28", "10.0.1.80/28", "10.0.1.96/28", "10.0.1.112/28"]
    assert (prefixes == lowest) is (ec2._address_choice == "lowest")


def test_a_refusal_after_part_of_the_work_undoes_that_part(ec2, account_subnet):
    addresses = account_subnet.addresses
    with pytest.raises(ZeroDivisionError), addresses.all_or_nothing():  # noqa: PT012 - the block is what is tested
        addresses.allocate(AddressCounts(addresses=3, prefixes=1, ipv6_addresses=2, ipv6_prefixes=1))
        with addresses.all_or_nothing():
            addresses.claim(AddressSet((addresses.cidr.first + 200,)))
        raise ZeroDivisionError
    ec2._check()
    assert addresses.free_count == 251


@pytest.fixture
def account_subnet(ec2, subnet_id):
    return ec2._account.subnets[subnet_id]
