"""ENIs: create, attach, modify, detach, delete, describe."""

import pytest

from vpcipam.ec2.api import NO_ROOM_FOR_SECONDARY, ErrorCode
from vpcipam.ec2.model import Ec2Model

# --- create


def test_lowest_choice_gives_the_lowest_addresses_and_prefixes():
    ec2 = Ec2Model()
    subnet_id = ec2.create_subnet(
        ec2.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56").vpc_id, "10.0.0.0/24", ipv6_cidr="2001:db8::/64"
    ).subnet_id
    one = ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=2, now_ns=0)
    two = ec2.create_network_interface(subnet_id=subnet_id, ipv4_prefix_count=2, ipv6_prefix_count=2, now_ns=0)
    assert (one.private_ip, one.secondary_ips) == ("10.0.0.4", ("10.0.0.5", "10.0.0.6"))
    assert (two.private_ip, two.ipv4_prefixes) == ("10.0.0.7", ("10.0.0.16/28", "10.0.0.32/28"))
    assert two.ipv6_prefixes == ("2001:db8:0:0:1::/80", "2001:db8:0:0:2::/80")


def test_addresses_and_prefixes_are_shown_in_numeric_order():
    ec2 = Ec2Model(address_choice="random", seed=3)
    subnet_id = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.0.0/20").subnet_id
    eni = ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=30, now_ns=0)
    assert list(eni.secondary_ips) == sorted(eni.secondary_ips, key=lambda ip: tuple(map(int, ip.split("."))))
    assert eni.private_ip not in eni.secondary_ips
    added = ec2.assign_private_ip_addresses(eni.eni_id, ipv4_prefix_count=20, now_ns=0)
    assert list(added.prefixes) == sorted(added.prefixes, key=lambda cidr: tuple(map(int, cidr.removesuffix("/28").split("."))))


def test_an_eni_shows_the_arguments_of_its_creation(ec2, vpc, subnet_id):
    eni = ec2.create_network_interface(
        subnet_id=subnet_id, interface_type="trunk", description="for pods", tags=[("b", "2"), ("a", "1")], now_ns=9
    )
    assert (eni.subnet_id, eni.vpc_id, eni.availability_zone) == (subnet_id, vpc.vpc_id, "us-east-1a")
    assert (eni.interface_type, eni.description, eni.tags, eni.created_ns) == ("trunk", "for pods", (("a", "1"), ("b", "2")), 9)
    assert (eni.status, eni.attachment) == ("available", None)
    assert (eni.tag("b"), eni.tag("c")) == ("2", None)
    assert ec2.describe_network_interfaces(now_ns=0) == (eni,)


@pytest.mark.parametrize(
    ("counts", "used"),
    [
        ({}, 1),
        ({"secondary_ip_count": 9}, 10),
        ({"ipv4_prefix_count": 3}, 49),
        ({"ipv6_prefix_count": 5}, 1),
        ({"secondary_ip_count": 250}, 251),
    ],
)
def test_a_subnet_counts_the_primary_ip_the_secondary_ips_and_16_for_a_prefix(ec2, subnet_id, free_count, counts, used):
    eni = ec2.create_network_interface(subnet_id=subnet_id, **counts, now_ns=0)
    assert free_count() == 251 - used
    ec2._check()
    ec2.delete_network_interface(eni.eni_id, now_ns=0)
    assert free_count() == 251


@pytest.mark.parametrize(
    "names",
    [
        ("secondary_ip_count", "SecondaryPrivateIpAddressCount"),
        ("ipv4_prefix_count", "Ipv4PrefixCount"),
        ("ipv6_prefix_count", "Ipv6PrefixCount"),
    ],
)
@pytest.mark.parametrize("count", [-1, -(2**70)])
def test_a_negative_count_is_an_invalid_value(ec2, subnet_id, refused, names, count):
    name, of_ec2 = names
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, f"{of_ec2} is {count}"):
        ec2.create_network_interface(subnet_id=subnet_id, **{name: count}, now_ns=0)


@pytest.mark.parametrize("count", [1.0, "1", None])
def test_a_count_that_is_no_integer_is_a_type_error(ec2, subnet_id, free_count, count):
    with pytest.raises(TypeError):
        ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=count, now_ns=0)
    assert free_count() == 251


def test_secondary_ips_and_prefixes_in_one_call_are_refused(ec2, subnet_id, refused):
    with refused(ErrorCode.INVALID_PARAMETER_COMBINATION, "SecondaryPrivateIpAddressCount and Ipv4PrefixCount"):
        ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=1, ipv4_prefix_count=1, now_ns=0)


@pytest.mark.parametrize("interface_type", ["", "Interface", "lambda"])
def test_an_unknown_interface_type_is_refused(ec2, subnet_id, refused, interface_type):
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "interface, trunk, branch, efa, efa-only"):
        ec2.create_network_interface(subnet_id=subnet_id, interface_type=interface_type, now_ns=0)


@pytest.mark.parametrize(
    "counts", [{"secondary_ip_count": 251}, {"ipv4_prefix_count": 15}, {"secondary_ip_count": 10**9}, {"ipv4_prefix_count": 2**70}]
)
def test_too_little_room_for_secondary_ips_or_prefixes_is_an_invalid_value(ec2, subnet_id, refused, counts):
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, NO_ROOM_FOR_SECONDARY):
        ec2.create_network_interface(subnet_id=subnet_id, **counts, now_ns=0)


@pytest.mark.parametrize("counts", [{}, {"secondary_ip_count": 1}, {"ipv4_prefix_count": 1}, {"ipv6_prefix_count": 1}])
def test_without_room_for_the_primary_ip_the_subnet_is_out_of_addresses(ec2, subnet_id, refused, counts):
    ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=250, now_ns=0)
    with refused(ErrorCode.INSUFFICIENT_FREE_ADDRESSES):
        ec2.create_network_interface(subnet_id=subnet_id, **counts, now_ns=0)


def test_a_primary_ip_in_the_last_free_prefix_makes_it_unavailable(refused, ec2, vpc):
    subnet_id = ec2.create_subnet(vpc.vpc_id, "10.0.2.0/26").subnet_id
    ec2.create_network_interface(subnet_id=subnet_id, ipv4_prefix_count=1, now_ns=0)
    keeper = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    # Now only one /28 is left; fill the subnet around it, so that the next primary IP must come out of it.
    whole = next(f"10.0.2.{first}/28" for first in (16, 32) if f"10.0.2.{first}/28" not in prefixes_of(ec2))
    ec2.assign_private_ip_addresses(keeper, prefixes=[whole], now_ns=0)
    ec2.assign_private_ip_addresses(keeper, secondary_ip_count=59 - 32 - 2, now_ns=0)
    ec2.unassign_private_ip_addresses(keeper, prefixes=[whole], now_ns=0)
    assert ec2.describe_subnets(subnet_ids=[subnet_id], now_ns=0)[0].available_ip_address_count == 16
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, NO_ROOM_FOR_SECONDARY):
        ec2.create_network_interface(subnet_id=subnet_id, ipv4_prefix_count=1, now_ns=0)
    assert ec2.assign_private_ip_addresses(keeper, ipv4_prefix_count=1, now_ns=0).prefixes == (whole,)


def prefixes_of(ec2):
    return [prefix for eni in ec2.describe_network_interfaces(now_ns=0) for prefix in eni.ipv4_prefixes]


@pytest.mark.parametrize("cidr", ["10.0.2.0/28", "10.0.2.0/27"])
def test_a_slash_28_and_a_slash_27_have_room_for_enis_but_no_prefix(ec2, vpc, refused, cidr):
    subnet_id = ec2.create_subnet(vpc.vpc_id, cidr).subnet_id
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, NO_ROOM_FOR_SECONDARY):
        ec2.create_network_interface(subnet_id=subnet_id, ipv4_prefix_count=1, now_ns=0)
    assert ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=10, now_ns=0).secondary_ips


def test_too_few_free_slash_80s_are_insufficient_cidr_blocks(ec2, subnet_id, refused):
    with refused(ErrorCode.INSUFFICIENT_CIDR_BLOCKS, "65534 free /80s"):
        ec2.create_network_interface(subnet_id=subnet_id, ipv6_prefix_count=2**16 - 1, now_ns=0)


def test_a_subnet_without_ipv6_gives_no_slash_80(ec2, vpc, refused):
    subnet_id = ec2.create_subnet(vpc.vpc_id, "10.0.2.0/24").subnet_id
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "no IPv6"):
        ec2.create_network_interface(subnet_id=subnet_id, ipv6_prefix_count=1, now_ns=0)


def test_a_full_subnet_takes_as_many_enis_as_it_has_addresses(ec2, vpc, refused):
    subnet_id = ec2.create_subnet(vpc.vpc_id, "10.0.2.16/28").subnet_id
    enis = [ec2.create_network_interface(subnet_id=subnet_id, now_ns=0) for _ in range(11)]
    assert {eni.private_ip for eni in enis} == {f"10.0.2.{last}" for last in range(20, 31)}
    with refused(ErrorCode.INSUFFICIENT_FREE_ADDRESSES):
        ec2.create_network_interface(subnet_id=subnet_id, now_ns=0)
    ec2.delete_network_interface(enis[7].eni_id, now_ns=0)
    again = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0)
    assert again.private_ip == enis[7].private_ip
    assert again.eni_id not in {eni.eni_id for eni in enis}, "an id never comes back"


# --- attach


def test_an_attached_eni_is_in_use_and_kept_on_termination(ec2, instance_id, eni_id):
    attachment_id = ec2.attach_network_interface(eni_id, instance_id, device_index=2, now_ns=0)
    eni = ec2.describe_network_interfaces(eni_ids=[eni_id], now_ns=0)[0]
    assert eni.status == "in-use"
    assert (eni.attachment.attachment_id, eni.attachment.instance_id) == (attachment_id, instance_id)
    assert (eni.attachment.device_index, eni.attachment.network_card_index, eni.attachment.delete_on_termination) == (2, 0, False)


def test_an_attached_eni_cannot_be_attached_again(ec2, instance_id, attached_id, refused):
    with refused(ErrorCode.ENI_IN_USE):
        ec2.attach_network_interface(attached_id, instance_id, device_index=2, now_ns=0)


@pytest.mark.parametrize(
    ("device_index", "match"),
    [(-1, "0 or more"), (0, "already has an interface"), (3, "has 0 to 2"), (2**70, "has 0 to 2")],
)
def test_a_device_index_that_is_taken_or_beyond_the_card_is_an_invalid_value(ec2, instance_id, eni_id, refused, device_index, match):  # noqa: PLR0917 - fixtures
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, match):
        ec2.attach_network_interface(eni_id, instance_id, device_index=device_index, now_ns=0)


def test_one_eni_more_than_the_type_allows_is_refused_at_every_index(ec2, subnet_id, instance_id, refused):
    for device_index in (1, 2):
        eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
        ec2.attach_network_interface(eni_id, instance_id, device_index=device_index, now_ns=0)
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    with refused(ErrorCode.ATTACHMENT_LIMIT_EXCEEDED, r"Interface count 4 exceeds the limit for nitro\.test"):
        ec2.attach_network_interface(eni_id, instance_id, device_index=3, now_ns=0)
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "already has an interface"):
        ec2.attach_network_interface(eni_id, instance_id, device_index=2, now_ns=0)


def test_each_network_card_has_its_own_indexes_and_its_own_limit(ec2, subnet_id, types, refused):
    instance_id = ec2.launch_instance(types.two_cards, subnet_id, now_ns=0).instance_id
    one, two, three = (ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id for _ in range(3))
    ec2.attach_network_interface(one, instance_id, network_card_index=1, device_index=1, now_ns=0)
    ec2.attach_network_interface(two, instance_id, network_card_index=0, device_index=1, now_ns=0)
    for card in (0, 1):
        with refused(ErrorCode.ATTACHMENT_LIMIT_EXCEEDED, f"network card {card}"):
            ec2.attach_network_interface(three, instance_id, network_card_index=card, device_index=2, now_ns=0)
    shown = ec2.describe_instance(instance_id, now_ns=0).network_interfaces
    places = [(eni.attachment.network_card_index, eni.attachment.device_index) for eni in shown]
    assert places == [(0, 0), (0, 1), (1, 1)]
    assert [eni.eni_id for eni in shown[1:]] == [two, one]


@pytest.mark.parametrize(("device_index", "fits"), [(0, True), (1, True), (2, False)])
def test_a_further_card_starts_at_index_0_or_1(ec2, subnet_id, types, refused, device_index, fits):  # noqa: PLR0917 - fixtures
    instance_id = ec2.launch_instance(types.two_cards, subnet_id, now_ns=0).instance_id
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    place = {"network_card_index": 1, "device_index": device_index, "now_ns": 0}
    if fits:
        attachment_id = ec2.attach_network_interface(eni_id, instance_id, **place)
        ec2.detach_network_interface(attachment_id, now_ns=0)
    else:
        with refused(ErrorCode.INVALID_PARAMETER_VALUE, "has 0 to 1"):
            ec2.attach_network_interface(eni_id, instance_id, **place)


@pytest.mark.parametrize("card", [-1, 1, 2**70])
def test_an_unknown_network_card_is_an_invalid_value(ec2, instance_id, eni_id, refused, card):
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "has cards 0 to 0"):
        ec2.attach_network_interface(eni_id, instance_id, network_card_index=card, device_index=1, now_ns=0)


def test_an_eni_of_another_zone_cannot_be_attached(ec2, vpc, instance_id, refused):
    other = ec2.create_subnet(vpc.vpc_id, "10.0.2.0/24", availability_zone="us-east-1b")
    eni_id = ec2.create_network_interface(subnet_id=other.subnet_id, now_ns=0).eni_id
    with refused(ErrorCode.INVALID_PARAMETER_COMBINATION, "us-east-1b and us-east-1a"):
        ec2.attach_network_interface(eni_id, instance_id, device_index=1, now_ns=0)


@pytest.mark.parametrize(
    ("counts", "fits"),
    [
        ({"secondary_ip_count": 3}, True),
        ({"secondary_ip_count": 4}, False),
        ({"ipv4_prefix_count": 3}, True),
        ({"ipv4_prefix_count": 4}, False),
        ({"ipv6_prefix_count": 2}, True),
        ({"ipv6_prefix_count": 3}, False),
    ],
)
def test_addresses_are_counted_against_the_type_when_the_eni_is_attached(ec2, subnet_id, instance_id, refused, counts, fits):  # noqa: PLR0917 - fixtures
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, **counts, now_ns=0).eni_id
    if fits:
        assert ec2.attach_network_interface(eni_id, instance_id, device_index=1, now_ns=0)
    else:
        with refused(ErrorCode.ADDRESS_LIMIT_EXCEEDED, r"exceeds the limit for nitro\.test"):
            ec2.attach_network_interface(eni_id, instance_id, device_index=1, now_ns=0)


@pytest.mark.parametrize("counts", [{"ipv4_prefix_count": 1}, {"ipv6_prefix_count": 1}])
def test_an_eni_with_prefixes_cannot_be_attached_to_a_type_without_them(ec2, subnet_id, types, refused, counts):
    instance_id = ec2.launch_instance(types.xen, subnet_id, now_ns=0).instance_id
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, **counts, now_ns=0).eni_id
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "only Nitro instances"):
        ec2.attach_network_interface(eni_id, instance_id, device_index=1, now_ns=0)


# --- modify, detach, delete


def test_an_attachment_can_be_modified_only_with_its_own_eni(ec2, instance_id, attached_id, subnet_id, refused):
    other = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    attachment_id = attachment_of(ec2, attached_id)
    primary = ec2.describe_instance(instance_id, now_ns=0).network_interfaces[0].attachment.attachment_id
    for eni_id, wrong in ((attached_id, primary), (attached_id, "eni-attach-0"), (other, attachment_id)):
        with refused(ErrorCode.ATTACHMENT_NOT_FOUND):
            ec2.modify_network_interface_attribute(eni_id, attachment_id=wrong, delete_on_termination=True, now_ns=0)
    with refused(ErrorCode.ENI_NOT_FOUND):
        ec2.modify_network_interface_attribute("eni-0", attachment_id=attachment_id, delete_on_termination=True, now_ns=0)


def attachment_of(ec2, eni_id):
    return ec2.describe_network_interfaces(eni_ids=[eni_id], now_ns=0)[0].attachment.attachment_id


@pytest.mark.parametrize("goes", [True, False])
def test_delete_on_termination_can_be_set_both_ways(ec2, attached_id, goes):
    for value in (not goes, goes):
        ec2.modify_network_interface_attribute(
            attached_id, attachment_id=attachment_of(ec2, attached_id), delete_on_termination=value, now_ns=0
        )
    assert ec2.describe_network_interfaces(eni_ids=[attached_id], now_ns=0)[0].attachment.delete_on_termination is goes


def test_description_and_source_dest_check_can_be_changed(ec2, eni_id):
    ec2.modify_network_interface_attribute(eni_id, description="new", now_ns=0)
    ec2.modify_network_interface_attribute(eni_id, source_dest_check=False, now_ns=0)
    (shown,) = ec2.describe_network_interfaces(now_ns=0)
    assert (shown.description, shown.source_dest_check) == ("new", False)
    ec2._check()


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"description": "x", "source_dest_check": True},
        {"description": "x", "security_group_ids": ["sg-1"]},
        {"attachment_id": "eni-attach-1"},
        {"delete_on_termination": True},
        {"description": "x", "delete_on_termination": True},
        {"attachment_id": "eni-attach-1", "delete_on_termination": True, "description": "x"},
    ],
)
def test_exactly_one_attribute_is_changed_in_a_call(ec2, eni_id, refused, wanted):
    with refused(ErrorCode.INVALID_PARAMETER_COMBINATION, "a call changes one attribute"):
        ec2.modify_network_interface_attribute(eni_id, **wanted, now_ns=0)


def test_a_forced_detach_never_detaches_the_primary_eni(ec2, instance_id, attached_id, refused):
    primary = ec2.describe_instance(instance_id, now_ns=0).network_interfaces[0].attachment.attachment_id
    with refused(ErrorCode.OPERATION_NOT_PERMITTED):
        ec2.detach_network_interface(primary, force=True, now_ns=0)
    ec2.detach_network_interface(attachment_of(ec2, attached_id), force=True, now_ns=0)
    ec2.delete_network_interface(attached_id, now_ns=0)


def test_a_detached_eni_keeps_its_addresses_and_frees_its_index_at_once(ec2, instance_id, attached_id, subnet_id, free_count):
    ec2.assign_private_ip_addresses(attached_id, secondary_ip_count=2, now_ns=0)
    before, free_before = ec2.describe_network_interfaces(eni_ids=[attached_id], now_ns=0)[0], free_count()
    ec2.detach_network_interface(before.attachment.attachment_id, now_ns=0)
    after = ec2.describe_network_interfaces(eni_ids=[attached_id], now_ns=0)[0]
    assert (after.status, after.attachment) == ("available", None)
    assert (after.private_ip, after.secondary_ips, free_count()) == (before.private_ip, before.secondary_ips, free_before)
    other = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    assert ec2.attach_network_interface(other, instance_id, device_index=1, now_ns=0) != before.attachment.attachment_id


def test_the_primary_eni_cannot_be_detached(ec2, instance_id, refused):
    attachment = ec2.describe_instance(instance_id, now_ns=0).network_interfaces[0].attachment
    with refused(ErrorCode.OPERATION_NOT_PERMITTED, "device index 0"):
        ec2.detach_network_interface(attachment.attachment_id, now_ns=0)


def test_an_ended_or_unknown_attachment_is_not_found(ec2, attached_id, refused):
    attachment_id = attachment_of(ec2, attached_id)
    ec2.detach_network_interface(attachment_id, now_ns=0)
    for gone in (attachment_id, "eni-attach-0"):
        with refused(ErrorCode.ATTACHMENT_NOT_FOUND):
            ec2.detach_network_interface(gone, now_ns=0)


def test_an_attached_eni_cannot_be_deleted(ec2, instance_id, attached_id, refused):
    primary = ec2.describe_instance(instance_id, now_ns=0).network_interfaces[0].eni_id
    for eni_id in (attached_id, primary):
        with refused(ErrorCode.INVALID_PARAMETER_VALUE, f"Network interface '{eni_id}' is currently in use"):
            ec2.delete_network_interface(eni_id, now_ns=0)


def test_a_deleted_or_unknown_eni_is_not_found(ec2, instance_id, eni_id, refused):
    ec2.delete_network_interface(eni_id, now_ns=0)
    for gone in (eni_id, "eni-0"):
        with refused(ErrorCode.ENI_NOT_FOUND):
            ec2.delete_network_interface(gone, now_ns=0)
        with refused(ErrorCode.ENI_NOT_FOUND):
            ec2.attach_network_interface(gone, instance_id, device_index=1, now_ns=0)
        with refused(ErrorCode.ENI_NOT_FOUND):
            ec2.describe_network_interfaces(eni_ids=[gone], now_ns=0)
        with refused(ErrorCode.ENI_NOT_FOUND):
            ec2.assign_private_ip_addresses(gone, secondary_ip_count=1, now_ns=0)
        with refused(ErrorCode.ENI_NOT_FOUND):
            ec2.unassign_private_ip_addresses(gone, addresses=["10.0.1.9"], now_ns=0)
        with refused(ErrorCode.ENI_NOT_FOUND):
            ec2.assign_ipv6_addresses(gone, ipv6_prefix_count=1, now_ns=0)


# --- describe


def test_enis_are_described_by_name_by_instance_or_all_ordered_by_id(ec2, subnet_id, types):
    one, two, three = (ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id for _ in range(3))
    instance = ec2.launch_instance(types.nitro, subnet_id, now_ns=0)
    primary = instance.network_interfaces[0].eni_id
    ec2.attach_network_interface(three, instance.instance_id, device_index=1, now_ns=0)
    ec2.attach_network_interface(one, instance.instance_id, device_index=2, now_ns=0)

    def described(**kwargs):
        return [eni.eni_id for eni in ec2.describe_network_interfaces(**kwargs, now_ns=0)]

    assert described() == [one, two, three, primary]
    assert described(eni_ids=[three, one, three]) == [one, three]
    assert described(instance_id=instance.instance_id) == [one, three, primary]
    assert described(eni_ids=[one, two], instance_id=instance.instance_id) == [one]
    assert described(eni_ids=[two], instance_id=instance.instance_id) == []
    assert described(instance_id="i-0") == []


def test_metadata_shows_the_attached_enis_by_device_without_tags(ec2, subnet_id, instance_id):
    one, two = (ec2.create_network_interface(subnet_id=subnet_id, tags=[("k", "v")], now_ns=0) for _ in range(2))
    ec2.attach_network_interface(one.eni_id, instance_id, device_index=2, now_ns=0)
    ec2.attach_network_interface(two.eni_id, instance_id, device_index=1, now_ns=0)
    shown = ec2.instance_metadata(instance_id, now_ns=0)
    assert [eni.attachment.device_index for eni in shown] == [0, 1, 2]
    assert [eni.eni_id for eni in shown[1:]] == [two.eni_id, one.eni_id]
    assert not any(eni.tags for eni in shown)
    assert ec2.describe_network_interfaces(eni_ids=[one.eni_id], now_ns=0)[0].tags == (("k", "v"),)


def test_metadata_of_an_unknown_instance_is_not_found(ec2):
    with pytest.raises(Exception, match=r"InstanceMetadata: InvalidInstanceID\.NotFound: The instance ID 'i-0' does not exist"):
        ec2.instance_metadata("i-0", now_ns=0)
    assert ec2.call_counts == {}


# --- EFA-only ------------------------------------------------------------------------------------------------------------------


def test_an_efa_only_eni_has_no_addresses_and_takes_none(ec2, subnet_id, instance_id, free_count, refused):
    before = free_count()
    eni = ec2.create_network_interface(subnet_id=subnet_id, interface_type="efa-only", now_ns=0)
    assert (eni.interface_type, eni.private_ip, eni.single_ips) == ("efa-only", "", ())
    assert free_count() == before
    ec2.attach_network_interface(eni.eni_id, instance_id, device_index=1, now_ns=0)
    for arguments in ({"secondary_ip_count": 1}, {"ipv4_prefix_count": 1}, {"addresses": ["10.0.1.9"]}):
        with refused(ErrorCode.INVALID_PARAMETER_VALUE, "an EFA-only network interface, which takes no IP addresses"):
            ec2.assign_private_ip_addresses(eni.eni_id, **arguments, now_ns=0)
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "not assigned to interface"):
        ec2.unassign_private_ip_addresses(eni.eni_id, addresses=["10.0.1.9"], now_ns=0)
    assert ec2.describe_network_interfaces(filters={"private-ip-address": [""]}, now_ns=0) == ()
    ec2._check()
    (attached,) = (each for each in ec2.describe_network_interfaces(now_ns=0) if each.eni_id == eni.eni_id)
    ec2.detach_network_interface(attached.attachment.attachment_id, now_ns=0)
    ec2.delete_network_interface(eni.eni_id, now_ns=0)
    assert free_count() == before
    ec2._check()


@pytest.mark.parametrize(
    "arguments", [{"secondary_ip_count": 1}, {"ipv4_prefix_count": 1}, {"private_ip": "10.0.1.9"}, {"secondary_ips": ["10.0.1.9"]}]
)
def test_an_efa_only_eni_with_addresses_is_refused(ec2, subnet_id, refused, arguments):
    with refused(ErrorCode.INVALID_PARAMETER_COMBINATION, "takes no IP addresses"):
        ec2.create_network_interface(subnet_id=subnet_id, interface_type="efa-only", **arguments, now_ns=0)
