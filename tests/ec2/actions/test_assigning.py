"""Secondary addresses and prefixes: assign and unassign."""

import pytest

from vpcipam.ec2.api import AssignedAddresses, ErrorCode


def eni(ec2, eni_id):
    (found,) = ec2.describe_network_interfaces(eni_ids=[eni_id], now_ns=0)
    return found


# --- assign by count


@pytest.mark.parametrize("count", [1, 2, 3])
def test_secondary_ips_are_added_and_shown(ec2, attached_id, free_count, count):
    before = free_count()
    added = ec2.assign_private_ip_addresses(attached_id, secondary_ip_count=count, now_ns=0)
    assert (len(set(added.addresses)), added.prefixes) == (count, ())
    assert eni(ec2, attached_id).secondary_ips == added.addresses
    assert eni(ec2, attached_id).private_ip not in added.addresses
    assert free_count() == before - count
    ec2._check()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_prefixes_are_added_and_shown(ec2, attached_id, free_count, count):
    before = free_count()
    added = ec2.assign_private_ip_addresses(attached_id, ipv4_prefix_count=count, now_ns=0)
    assert (len(set(added.prefixes)), added.addresses) == (count, ())
    assert eni(ec2, attached_id).ipv4_prefixes == added.prefixes
    assert free_count() == before - 16 * count
    ec2._check()


@pytest.mark.parametrize(("secondary_ip_count", "prefix_count"), [(4, 0), (0, 4), (10**9, 0), (0, 2**70)])
def test_more_than_the_type_allows_is_refused(ec2, attached_id, refused, secondary_ip_count, prefix_count):
    with refused(ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED, "Number of private addresses will exceed limit"):
        ec2.assign_private_ip_addresses(attached_id, secondary_ip_count=secondary_ip_count, ipv4_prefix_count=prefix_count, now_ns=0)


def test_secondary_ips_and_prefixes_share_the_slots(ec2, attached_id, refused):
    ec2.assign_private_ip_addresses(attached_id, secondary_ip_count=1, now_ns=0)
    ec2.assign_private_ip_addresses(attached_id, ipv4_prefix_count=1, now_ns=0)
    for counts in (
        {"secondary_ip_count": 2},
        {"ipv4_prefix_count": 2},
        {"addresses": ["10.0.1.200", "10.0.1.201"]},
        {"prefixes": ["10.0.1.192/28", "10.0.1.208/28"]},
    ):
        with refused(ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED):
            ec2.assign_private_ip_addresses(attached_id, **counts, now_ns=0)
    ec2.assign_private_ip_addresses(attached_id, secondary_ip_count=1, now_ns=0)
    with refused(ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED):
        ec2.assign_private_ip_addresses(attached_id, secondary_ip_count=1, now_ns=0)


def test_an_unattached_eni_is_limited_by_its_subnet_only(ec2, eni_id, refused):
    ec2.assign_private_ip_addresses(eni_id, secondary_ip_count=100, now_ns=0)
    with refused(ErrorCode.INSUFFICIENT_FREE_ADDRESSES, "has 150 free addresses, 151 are wanted"):
        ec2.assign_private_ip_addresses(eni_id, secondary_ip_count=151, now_ns=0)
    assert len(ec2.assign_private_ip_addresses(eni_id, secondary_ip_count=150, now_ns=0).addresses) == 150


def test_a_fragmented_subnet_has_addresses_but_no_prefix(ec2, eni_id, refused, free_count):
    primary = eni(ec2, eni_id).private_ip
    ends = [16 * number + 9 for number in range(1, 15)]
    ec2.assign_private_ip_addresses(eni_id, addresses=[f"10.0.1.{end}" for end in ends if f"10.0.1.{end}" != primary], now_ns=0)
    assert free_count() > 230
    with refused(ErrorCode.INSUFFICIENT_CIDR_BLOCKS, "has 0 free aligned /28s, 1 are wanted"):
        ec2.assign_private_ip_addresses(eni_id, ipv4_prefix_count=1, now_ns=0)
    assert ec2.assign_private_ip_addresses(eni_id, secondary_ip_count=200, now_ns=0).addresses


def test_all_prefixes_of_a_subnet_can_be_assigned_and_a_refused_call_assigns_none(ec2, vpc, refused):
    subnet_id = ec2.create_subnet(vpc.vpc_id, "10.0.2.0/25").subnet_id
    holder = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0)
    broken = int(holder.private_ip.split(".")[3]) // 16 not in (0, 7)
    with refused(ErrorCode.INSUFFICIENT_CIDR_BLOCKS):
        ec2.assign_private_ip_addresses(holder.eni_id, ipv4_prefix_count=7 - broken, now_ns=0)
    assert len(ec2.assign_private_ip_addresses(holder.eni_id, ipv4_prefix_count=6 - broken, now_ns=0).prefixes) == 6 - broken
    with refused(ErrorCode.INSUFFICIENT_CIDR_BLOCKS):
        ec2.assign_private_ip_addresses(holder.eni_id, ipv4_prefix_count=1, now_ns=0)


def test_a_type_without_prefixes_gets_none(ec2, subnet_id, types, refused):
    primary = ec2.launch_instance(types.xen, subnet_id, now_ns=0).network_interfaces[0].eni_id
    for wanted in ({"ipv4_prefix_count": 1}, {"prefixes": ["10.0.1.16/28"]}):
        with refused(ErrorCode.INVALID_PARAMETER_VALUE, r"xen\.test takes no prefixes"):
            ec2.assign_private_ip_addresses(primary, **wanted, now_ns=0)
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, r"xen\.test takes no prefixes"):
        ec2.assign_ipv6_addresses(primary, ipv6_prefix_count=1, now_ns=0)
    assert ec2.assign_private_ip_addresses(primary, secondary_ip_count=2, now_ns=0).addresses


# --- assign: the form of the call

EC2_NAMES = {
    "secondary_ip_count": "SecondaryPrivateIpAddressCount",
    "ipv4_prefix_count": "Ipv4PrefixCount",
    "addresses": "PrivateIpAddresses",
    "prefixes": "Ipv4Prefixes",
}


@pytest.mark.parametrize("name", ["secondary_ip_count", "ipv4_prefix_count"])
@pytest.mark.parametrize("count", [-1, -(2**70)])
def test_a_negative_count_is_an_invalid_value(ec2, attached_id, refused, name, count):
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, EC2_NAMES[name]):
        ec2.assign_private_ip_addresses(attached_id, **{name: count}, now_ns=0)


@pytest.mark.parametrize("wanted", [{}, {"secondary_ip_count": 0}, {"ipv4_prefix_count": 0}, {"addresses": []}, {"prefixes": ()}])
def test_asking_for_nothing_is_refused(ec2, attached_id, refused, wanted):
    with refused(ErrorCode.INVALID_PARAMETER_COMBINATION, f"one of {', '.join(EC2_NAMES.values())}"):
        ec2.assign_private_ip_addresses(attached_id, **wanted, now_ns=0)


@pytest.mark.parametrize(
    "wanted",
    [
        {"secondary_ip_count": 1, "ipv4_prefix_count": 1},
        {"secondary_ip_count": 1, "addresses": ["10.0.1.99"]},
        {"secondary_ip_count": 1, "prefixes": ["10.0.1.96/28"]},
        {"ipv4_prefix_count": 1, "addresses": ["10.0.1.99"]},
        {"ipv4_prefix_count": 1, "prefixes": ["10.0.1.96/28"]},
        {"addresses": ["10.0.1.99"], "prefixes": ["10.0.1.112/28"]},
    ],
)
def test_names_and_counts_in_one_call_are_refused(ec2, attached_id, refused, wanted):
    with refused(ErrorCode.INVALID_PARAMETER_COMBINATION, " and ".join(EC2_NAMES[name] for name in wanted)):
        ec2.assign_private_ip_addresses(attached_id, **wanted, now_ns=0)


@pytest.mark.parametrize("wanted", [{"addresses": "10.0.1.99"}, {"prefixes": "10.0.1.96/28"}])
def test_a_text_in_place_of_a_list_is_a_type_error(ec2, attached_id, wanted):
    with pytest.raises(TypeError, match="give a list of texts"):
        ec2.assign_private_ip_addresses(attached_id, **wanted, now_ns=0)
    with pytest.raises(TypeError, match="give a list of texts"):
        ec2.unassign_private_ip_addresses(attached_id, **wanted, now_ns=0)


# --- assign by name


def test_named_addresses_and_prefixes_are_added(ec2, eni_id):
    free = [f"10.0.1.{end}" for end in (99, 98) if f"10.0.1.{end}" != eni(ec2, eni_id).private_ip]
    assert ec2.assign_private_ip_addresses(eni_id, addresses=iter(free), now_ns=0) == AssignedAddresses(tuple(sorted(free)))
    prefix = next(f"10.0.1.{first}/28" for first in (16, 32) if int(eni(ec2, eni_id).private_ip.split(".")[3]) // 16 * 16 != first)
    assert ec2.assign_private_ip_addresses(eni_id, prefixes=[prefix], now_ns=0) == AssignedAddresses((), (prefix,))
    ec2._check()


@pytest.mark.parametrize("address", ["10.0.1.0", "10.0.1.3", "10.0.1.255", "10.0.0.255", "10.0.2.0", "0.0.0.0", "255.255.255.255"])  # noqa: S104 - no binding
def test_reserved_and_foreign_addresses_are_invalid_values(ec2, eni_id, refused, address):
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "EC2 reserves"):
        ec2.assign_private_ip_addresses(eni_id, addresses=[address], now_ns=0)


@pytest.mark.parametrize("prefix", ["10.0.1.0/28", "10.0.1.240/28", "10.0.0.240/28", "10.0.2.0/28", "0.0.0.0/28"])
def test_the_first_the_last_and_foreign_prefixes_are_invalid_values(ec2, eni_id, refused, prefix):
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "EC2 reserves"):
        ec2.assign_private_ip_addresses(eni_id, prefixes=[prefix], now_ns=0)


@pytest.mark.parametrize(
    ("wanted", "match"),
    [
        ({"addresses": ["10.0.1"]}, "not an IP address"),
        ({"addresses": [""]}, "not an IP address"),
        ({"addresses": ["2001:db8::5"]}, "IPv4 is wanted"),
        ({"addresses": ["10.0.1.16/28"]}, "not an IP address"),
        ({"addresses": ["10.0.1.99", "10.0.1.98", "10.0.1.99"]}, "named twice"),
        ({"prefixes": ["10.0.1.16"]}, "is a /32"),
        ({"prefixes": ["10.0.1.16/27"]}, "off its grid"),
        ({"prefixes": ["10.0.1.32/27"]}, "is a /27"),
        ({"prefixes": ["10.0.1.16/29"]}, "is a /29"),
        ({"prefixes": ["10.0.1.17/28"]}, "off its grid"),
        ({"prefixes": ["2001:db8::/80"]}, "IPv4 is wanted"),
        ({"prefixes": ["10.0.1.16/28", "10.0.1.16/28"]}, "named twice"),
    ],
)
def test_an_invalid_name_is_an_invalid_value(ec2, eni_id, refused, wanted, match):
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, match):
        ec2.assign_private_ip_addresses(eni_id, **wanted, now_ns=0)
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, match):
        ec2.unassign_private_ip_addresses(eni_id, **wanted, now_ns=0)


def test_taken_addresses_do_not_move(ec2, subnet_id, eni_id, refused):
    holder = ec2.create_network_interface(subnet_id=subnet_id, ipv4_prefix_count=1, now_ns=0)
    (prefix,) = holder.ipv4_prefixes
    inside = prefix.replace("/28", "")
    for taken in ([holder.private_ip], [eni(ec2, eni_id).private_ip], [inside]):
        with refused(ErrorCode.INVALID_PARAMETER_VALUE, r"\] assigned, but move is not allowed"):
            ec2.assign_private_ip_addresses(eni_id, addresses=taken, now_ns=0)
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "move is not allowed"):
        ec2.assign_private_ip_addresses(eni_id, prefixes=[prefix], now_ns=0)


def test_one_taken_name_refuses_the_whole_call(ec2, eni_id, refused):
    own = eni(ec2, eni_id).private_ip
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "move is not allowed"):
        ec2.assign_private_ip_addresses(eni_id, addresses=["10.0.1.99", own] if own != "10.0.1.99" else ["10.0.1.98", own], now_ns=0)


# --- unassign


def test_unassigned_addresses_and_prefixes_are_free_in_the_subnet(ec2, eni_id, free_count):
    before = free_count()
    addresses = ec2.assign_private_ip_addresses(eni_id, secondary_ip_count=3, now_ns=0).addresses
    prefixes = ec2.assign_private_ip_addresses(eni_id, ipv4_prefix_count=3, now_ns=0).prefixes
    ec2.unassign_private_ip_addresses(eni_id, addresses=addresses[:2], prefixes=prefixes[1:], now_ns=0)
    assert (eni(ec2, eni_id).secondary_ips, eni(ec2, eni_id).ipv4_prefixes) == (addresses[2:], prefixes[:1])
    assert free_count() == before - 1 - 16
    assert ec2.assign_private_ip_addresses(eni_id, addresses=addresses[:1], now_ns=0).addresses == addresses[:1]
    ec2._check()


def test_unassigning_makes_room_on_an_attached_eni(ec2, attached_id):
    addresses = ec2.assign_private_ip_addresses(attached_id, secondary_ip_count=3, now_ns=0).addresses
    ec2.unassign_private_ip_addresses(attached_id, addresses=addresses, now_ns=0)
    assert len(ec2.assign_private_ip_addresses(attached_id, ipv4_prefix_count=3, now_ns=0).prefixes) == 3


def test_the_primary_ip_is_never_unassigned(ec2, eni_id, refused):
    (address,) = ec2.assign_private_ip_addresses(eni_id, secondary_ip_count=1, now_ns=0).addresses
    primary = eni(ec2, eni_id).private_ip
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "primary IP"):
        ec2.unassign_private_ip_addresses(eni_id, addresses=[address, primary], now_ns=0)


def test_unassigning_what_the_eni_does_not_have_is_refused(ec2, subnet_id, eni_id, refused):
    other = ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=1, now_ns=0)
    (address,) = ec2.assign_private_ip_addresses(eni_id, secondary_ip_count=1, now_ns=0).addresses
    (prefix,) = ec2.assign_private_ip_addresses(eni_id, ipv4_prefix_count=1, now_ns=0).prefixes
    for wanted in (
        {"addresses": [address, *other.secondary_ips]},
        {"addresses": [prefix.replace("/28", "")]},
        {"addresses": [address], "prefixes": ["10.0.9.0/28"]},
        {"addresses": ["1.1.1.1"]},
        {"prefixes": [prefix, "10.0.1.240/28"]},
    ):
        with refused(ErrorCode.INVALID_PARAMETER_VALUE, "not assigned to interface"):
            ec2.unassign_private_ip_addresses(eni_id, **wanted, now_ns=0)


def test_unassigning_nothing_is_refused(ec2, eni_id, refused):
    with refused(ErrorCode.INVALID_PARAMETER_COMBINATION, "one of addresses, prefixes"):
        ec2.unassign_private_ip_addresses(eni_id, now_ns=0)


# --- IPv6


def test_slash_80s_are_assigned_ascending_and_use_no_ipv4_address(ec2, attached_id, free_count):
    before = free_count()
    one = ec2.assign_ipv6_addresses(attached_id, ipv6_prefix_count=1, now_ns=0)
    two = ec2.assign_ipv6_addresses(attached_id, ipv6_prefix_count=1, now_ns=0)
    assert set(eni(ec2, attached_id).ipv6_prefixes) == {*one, *two}
    assert len({*one, *two}) == 2
    assert all(prefix.endswith("/80") for prefix in (*one, *two))
    assert free_count() == before
    ec2._check()


@pytest.mark.parametrize("count", [3, 10**9, 2**70])
def test_more_slash_80s_than_the_type_allows_are_refused(ec2, attached_id, refused, count):
    with refused(ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED):
        ec2.assign_ipv6_addresses(attached_id, ipv6_prefix_count=count, now_ns=0)


def test_more_slash_80s_than_the_subnet_has_are_refused(ec2, eni_id, refused):
    with refused(ErrorCode.INSUFFICIENT_CIDR_BLOCKS):
        ec2.assign_ipv6_addresses(eni_id, ipv6_prefix_count=2**16 - 1, now_ns=0)


@pytest.mark.parametrize("count", [-1, -(2**70)])
def test_a_negative_count_of_slash_80s_is_an_invalid_value(ec2, eni_id, refused, count):
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "Ipv6PrefixCount"):
        ec2.assign_ipv6_addresses(eni_id, ipv6_prefix_count=count, now_ns=0)


def test_slash_80s_in_a_subnet_without_ipv6_are_refused(ec2, vpc, refused):
    subnet_id = ec2.create_subnet(vpc.vpc_id, "10.0.2.0/24").subnet_id
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "no IPv6"):
        ec2.assign_ipv6_addresses(eni_id, ipv6_prefix_count=1, now_ns=0)


def test_a_deleted_eni_frees_its_slash_80s(ec2, eni_id, subnet_id):
    ec2.assign_ipv6_addresses(eni_id, ipv6_prefix_count=100, now_ns=0)
    ec2.delete_network_interface(eni_id, now_ns=0)
    ec2._check()
    assert ec2._account.subnets[subnet_id].addresses.ipv6.free_prefix_count == 2**16 - 2
