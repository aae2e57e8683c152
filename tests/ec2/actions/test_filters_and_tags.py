"""Filters of the Describe actions, and tags."""

import fnmatch
import re

import hypothesis.strategies as st
import pytest
from hypothesis import given

from vpcipam.ec2.api import ErrorCode, TagDescription
from vpcipam.ec2.state.filters import _expression


@pytest.fixture
def world(ec2, vpc, subnet_id, instance_id):
    """A second VPC with a subnet in another zone; ENIs `one`, attached at index 1, and `two`, with tags and a description."""
    other = ec2.create_vpc("10.9.0.0/16", tags=[("team", "b")])
    far = ec2.create_subnet(other.vpc_id, "10.9.0.0/24", availability_zone="us-east-1b", tags=[("team", "b")])
    one = ec2.create_network_interface(subnet_id=subnet_id, private_ip="10.0.1.101", tags=[("team", "a*"), ("env", "")], now_ns=0)
    two = ec2.create_network_interface(
        subnet_id=far.subnet_id,
        private_ip="10.9.0.50",
        secondary_ips=["10.9.0.51"],
        description="aws-K8S-1",
        tags=[("team", "ab")],
        now_ns=0,
    )
    ec2.attach_network_interface(one.eni_id, instance_id, device_index=1, now_ns=0)
    ec2.modify_network_interface_attribute(two.eni_id, source_dest_check=False, now_ns=0)
    primary = ec2.describe_instance(instance_id, now_ns=0).network_interfaces[0]
    return {
        "vpc": vpc.vpc_id,
        "vpc2": other.vpc_id,
        "subnet": subnet_id,
        "subnet2": far.subnet_id,
        "primary": primary.eni_id,
        "one": one.eni_id,
        "two": two.eni_id,
        "instance": instance_id,
    }


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["primary", "one", "two"]),
        ({"vpc-id": ["{vpc}"]}, ["primary", "one"]),
        ({"subnet-id": ["{subnet2}", "{subnet2}"]}, ["two"]),
        ({"network-interface-id": ["{two}", "{one}"]}, ["one", "two"]),
        ({"attachment.instance-id": ["{instance}"]}, ["primary", "one"]),
        ({"attachment.device-index": ["1"]}, ["one"]),
        ({"attachment.device-index": ["0", "1"], "attachment.delete-on-termination": ["true"]}, ["primary"]),
        ({"attachment.instance-owner-id": ["1*"], "attachment.status": ["attached"]}, ["primary", "one"]),
        ({"attachment.attachment-id": ["eni-attach-*"]}, ["primary", "one"]),
        ({"status": ["available"]}, ["two"]),
        ({"availability-zone": ["us-east-1?"]}, ["primary", "one", "two"]),
        ({"availability-zone": ["us-east-?"]}, []),
        ({"interface-type": ["interface"], "description": ["aws-K8S-*"]}, ["two"]),
        ({"description": ["aws-k8s-*"]}, []),
        ({"private-ip-address": ["10.9.0.51"]}, []),
        ({"addresses.private-ip-address": ["10.9.0.51"]}, ["two"]),
        ({"source-dest-check": ["false"]}, ["two"]),
        ({"ipv6-addresses.ipv6-address": ["*"]}, []),
        ({"tag:team": ["a*"]}, ["one", "two"]),
        ({"tag:team": [r"a\*"]}, ["one"]),
        ({"tag:team": ["a?"]}, ["one", "two"]),
        ({"tag:team": ["a"]}, []),
        ({"tag:env": [""]}, ["one"]),
        ({"tag-key": ["env"]}, ["one"]),
        ({"tag:team": ["ab"], "tag-key": ["env"]}, []),
        ({"tag:nobody": ["*"]}, []),
    ],
)
def test_enis_are_shown_if_they_match_a_value_of_every_filter(ec2, world, filters, names):
    filled = {name: [value.format(**world) if "{" in value else value for value in values] for name, values in filters.items()}
    assert [eni.eni_id for eni in ec2.describe_network_interfaces(filters=filled, now_ns=0)] == [world[name] for name in names]


def test_filters_combine_with_ids_and_with_an_instance(ec2, world):
    filters = {"tag:team": ["*"]}
    found = ec2.describe_network_interfaces(eni_ids=[world["two"], world["primary"]], filters=filters, now_ns=0)
    assert [eni.eni_id for eni in found] == [world["two"]]
    found = ec2.describe_network_interfaces(instance_id=world["instance"], filters=filters, now_ns=0)
    assert [eni.eni_id for eni in found] == [world["one"]]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"vpc-id": ["{vpc2}"]}, ["subnet2"]),
        ({"availability-zone": ["us-east-1a"]}, ["subnet"]),
        ({"cidr-block": ["10.9.*"]}, ["subnet2"]),
        ({"cidr": ["10.0.1.0/24"], "available-ip-address-count": ["249"]}, ["subnet"]),
        ({"ipv6-cidr-block-association.ipv6-cidr-block": ["*"]}, ["subnet"]),
        ({"subnet-id": ["*"], "tag-key": ["team"]}, ["subnet2"]),
    ],
)
def test_subnets_are_filtered(ec2, world, filters, names):
    filled = {name: [value.format(**world) for value in values] for name, values in filters.items()}
    assert [subnet.subnet_id for subnet in ec2.describe_subnets(filters=filled, now_ns=0)] == [world[name] for name in names]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"cidr": ["10.9.0.0/16"]}, ["vpc2"]),
        ({"cidr": ["100.64.0.0/16"]}, []),
        ({"cidr-block-association.cidr-block": ["100.64.0.0/16"]}, ["vpc"]),
        ({"cidr-block-association.association-id": ["vpc-cidr-assoc-*4"]}, ["vpc"]),
        ({"ipv6-cidr-block-association.ipv6-cidr-block": ["2001:*"], "vpc-id": ["*"]}, ["vpc"]),
        ({"tag:team": ["b"]}, ["vpc2"]),
    ],
)
def test_vpcs_are_filtered(ec2, world, filters, names):
    ec2.associate_vpc_cidr_block(world["vpc"], "100.64.0.0/16")
    assert [vpc.vpc_id for vpc in ec2.describe_vpcs(filters=filters, now_ns=0)] == [world[name] for name in names]


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        ({"instance-id": ["i-*"], "instance-state-name": ["running"]}, True),
        ({"instance-type": ["nitro.*"], "vpc-id": ["{vpc}"], "subnet-id": ["{subnet}"]}, True),
        ({"availability-zone": ["us-east-1b"]}, False),
        ({"network-interface.network-interface-id": ["{one}"]}, True),
        ({"private-ip-address": ["10.0.1.101"]}, False),
        ({"tag:Name": ["x"]}, False),
    ],
)
def test_instances_are_filtered(ec2, world, filters, fits):
    filled = {name: [value.format(**world) for value in values] for name, values in filters.items()}
    found = ec2.describe_instances(filters=filled, now_ns=0)
    assert [instance.instance_id for instance in found] == [world["instance"]] * fits


def test_reservations_are_filtered(ec2, subnet_id):
    for cidr, kind in (("10.0.1.64/28", "prefix"), ("10.0.1.80/28", "explicit")):
        ec2.create_subnet_cidr_reservation(subnet_id, cidr, reservation_type=kind)
    (found,) = ec2.get_subnet_cidr_reservations(subnet_id, filters={"reservationType": ["explicit"], "subnet-id": ["*"]}, now_ns=0)
    assert found.cidr == "10.0.1.80/28"


@pytest.mark.parametrize(("filters", "match"), [({"vpc": ["x"]}, "The filter 'vpc' is invalid$"), ({"vpc-id": []}, "has no values")])
def test_an_unknown_filter_or_one_without_values_is_an_invalid_value(ec2, subnet_id, refused, filters, match):
    for describe in (
        ec2.describe_network_interfaces,
        ec2.describe_subnets,
        ec2.describe_vpcs,
        ec2.describe_instances,
    ):
        with refused(ErrorCode.INVALID_PARAMETER_VALUE, match):
            describe(filters=filters, now_ns=0)
    with refused(ErrorCode.INVALID_PARAMETER_VALUE):
        ec2.get_subnet_cidr_reservations(subnet_id, filters={"cidr": ["x"]}, now_ns=0)
    with refused(ErrorCode.INVALID_PARAMETER_VALUE):
        ec2.describe_tags(filters={"tag-key": ["x"]}, now_ns=0)
    with refused(ErrorCode.INVALID_PARAMETER_VALUE):
        ec2.describe_instance_types(filters={"tag-key": ["x"]}, now_ns=0)
    with refused(ErrorCode.INVALID_PARAMETER_VALUE):
        ec2.describe_trunk_interface_associations(filters={"vlan": ["x"]}, now_ns=0)


def test_the_values_of_a_filter_are_a_list(ec2):
    with pytest.raises(TypeError, match="give a list of texts"):
        ec2.describe_subnets(filters={"vpc-id": "vpc-1"}, now_ns=0)


def test_an_unknown_id_is_not_found_whatever_the_filters(ec2, refused):
    for describe, name, unknown, code in (
        (ec2.describe_vpcs, "vpc_ids", "vpc-0", ErrorCode.VPC_NOT_FOUND),
        (ec2.describe_instances, "instance_ids", "i-0", ErrorCode.INSTANCE_NOT_FOUND),
        (ec2.describe_trunk_interface_associations, "association_ids", "trunk-assoc-0", ErrorCode.ASSOCIATION_NOT_FOUND),
    ):
        with refused(code):
            describe(**{name: [unknown]}, now_ns=0)


# --- tags


@pytest.fixture
def tagged(ec2, vpc, subnet_id, instance_id, eni_id):
    """One of each kind of resource, by its type."""
    trunk = ec2.create_network_interface(subnet_id=subnet_id, interface_type="trunk", now_ns=0).eni_id
    return {
        "instance": instance_id,
        "network-interface": eni_id,
        "subnet": subnet_id,
        "subnet-cidr-reservation": ec2.create_subnet_cidr_reservation(subnet_id, "10.0.1.64/28", reservation_type="prefix").reservation_id,
        "trunk-interface-association": ec2.associate_trunk_interface(eni_id, trunk, vlan_id=1, now_ns=0).association_id,
        "vpc": vpc.vpc_id,
    }


def test_every_kind_of_resource_takes_tags_and_shows_them(ec2, tagged, subnet_id):
    ec2.create_tags(tagged.values(), [("b", "2"), ("a", "1")], now_ns=0)
    ec2.create_tags(iter(tagged.values()), [("a", "3")], now_ns=0)
    tags = (("a", "3"), ("b", "2"))
    shown = (
        *ec2.describe_instances(now_ns=0),
        *ec2.describe_network_interfaces(eni_ids=[tagged["network-interface"]], now_ns=0),
        *ec2.describe_subnets(now_ns=0),
        *ec2.get_subnet_cidr_reservations(subnet_id, now_ns=0),
        *ec2.describe_trunk_interface_associations(now_ns=0),
        *ec2.describe_vpcs(now_ns=0),
    )
    assert [each.tags for each in shown] == [tags] * 6
    assert ec2.describe_tags(now_ns=0) == tuple(
        TagDescription(resource_id, kind, key, value) for kind, resource_id in tagged.items() for key, value in tags
    )
    found = ec2.describe_tags(filters={"resource-type": ["v*"], "key": ["a"], "value": ["3"], "resource-id": ["vpc-*"]}, now_ns=0)
    assert found == (TagDescription(tagged["vpc"], "vpc", "a", "3"),)
    ec2._check()


def test_deleting_tags_ignores_missing_ones(ec2, eni_id, subnet_id):
    both = (eni_id, subnet_id)
    ec2.create_tags(both, [("a", "1"), ("b", "2"), ("c", "3")], now_ns=0)
    ec2.delete_tags(both, [("a", None), ("b", "9"), ("c", "3"), ("d", None)], now_ns=0)
    assert ec2.describe_subnets(now_ns=0)[0].tags == (("b", "2"),)
    ec2.delete_tags([eni_id], now_ns=0)
    assert [tag.resource_id for tag in ec2.describe_tags(now_ns=0)] == [subnet_id]
    ec2._check()


def test_one_unknown_resource_refuses_the_tags_of_all(ec2, eni_id, refused):
    ec2.create_tags([eni_id], [("a", "1")], now_ns=0)
    for wrong, code in (
        ("eni-0", ErrorCode.ENI_NOT_FOUND),
        ("vpc-0", ErrorCode.VPC_NOT_FOUND),
        ("subnet-0", ErrorCode.SUBNET_NOT_FOUND),
        ("i-0", ErrorCode.INSTANCE_NOT_FOUND),
        ("scr-0", ErrorCode.RESERVATION_NOT_FOUND),
        ("trunk-assoc-0", ErrorCode.ASSOCIATION_NOT_FOUND),
        ("rtb-1", ErrorCode.INVALID_ID),
        ("", ErrorCode.INVALID_ID),
    ):
        with refused(code):
            ec2.create_tags([eni_id, wrong], [("a", "2")], now_ns=0)
        with refused(code):
            ec2.delete_tags([eni_id, wrong], now_ns=0)


def test_tagging_without_resources_or_tags_is_a_missing_parameter(ec2, eni_id, refused):
    with refused(ErrorCode.MISSING_PARAMETER, "parameter resourceIdSet$"):
        ec2.create_tags([], [("a", "1")], now_ns=0)
    with refused(ErrorCode.MISSING_PARAMETER, "parameter resourceIdSet$"):
        ec2.delete_tags([], now_ns=0)
    with refused(ErrorCode.MISSING_PARAMETER, "parameter Tag$"):
        ec2.create_tags([eni_id], [], now_ns=0)


@pytest.mark.parametrize(
    ("tag", "match"),
    [
        (("", "x"), "0 characters"),
        (("k" * 129, "x"), "129 characters"),
        (("aws:x", "x"), "reserved for AWS"),
        (("k", "x" * 257), "257 characters"),
    ],
)
def test_an_invalid_tag_is_an_invalid_value(ec2, vpc, subnet_id, eni_id, types, refused, tag, match):  # noqa: PLR0917 - fixtures
    calls = (
        lambda: ec2.create_tags([eni_id], [tag], now_ns=0),
        lambda: ec2.create_network_interface(subnet_id=subnet_id, tags=[tag], now_ns=0),
        lambda: ec2.create_subnet(vpc.vpc_id, "10.0.2.0/24", tags=[tag]),
        lambda: ec2.create_vpc("10.0.0.0/16", tags=[tag]),
        lambda: ec2.create_subnet_cidr_reservation(subnet_id, "10.0.1.64/28", reservation_type="prefix", tags=[tag]),
        lambda: ec2.launch_instance(types.nitro, subnet_id, tags=[tag], now_ns=0),
    )
    for call in calls:
        with refused(ErrorCode.INVALID_PARAMETER_VALUE, match):
            call()
    if tag[0] != "k":
        with refused(ErrorCode.INVALID_PARAMETER_VALUE, match):
            ec2.delete_tags([eni_id], [tag], now_ns=0)


def test_a_resource_has_fifty_tags_at_most(ec2, eni_id, subnet_id, refused):
    ec2.create_tags([eni_id], [(f"{number}", "x" * 256) for number in range(49)], now_ns=0)
    ec2.create_tags([eni_id], [("k" * 128, ""), ("0", "new")], now_ns=0)
    with refused(ErrorCode.TAG_LIMIT_EXCEEDED, "51 tags"):
        ec2.create_tags([subnet_id, eni_id], [("one more", "")], now_ns=0)
    with refused(ErrorCode.TAG_LIMIT_EXCEEDED):
        ec2.create_network_interface(subnet_id=subnet_id, tags=[(f"{number}", "") for number in range(51)], now_ns=0)


# --- stars and question marks ---


@given(st.text("ab*?", max_size=10), st.text("ab", max_size=8))
def test_stars_and_question_marks_match_as_in_a_shell(value, text):
    assert (re.fullmatch(_expression(value), text, re.DOTALL) is not None) == fnmatch.fnmatchcase(text, value)


def test_many_stars_take_no_exponential_time(ec2):
    ec2.create_vpc("10.0.0.0/16", tags=[("name", "a" * 60)])
    assert ec2.describe_vpcs(filters={"tag:name": ["*a" * 40 + "*b"]}, now_ns=0) == ()
    assert len(ec2.describe_vpcs(filters={"tag:name": ["*a" * 40 + "*"]}, now_ns=0)) == 1


def test_a_tag_key_that_is_given_twice_is_refused(ec2, types, subnet_id, eni_id, refused):
    twice = [("b", ""), ("a", "1"), ("a", "2")]
    with refused("InvalidParameterValue", "Duplicate tag key 'a' specified"):
        ec2.create_tags([eni_id], twice, now_ns=0)
    with refused("InvalidParameterValue", "Duplicate tag key 'a'"):
        ec2.create_network_interface(subnet_id=subnet_id, tags=iter(twice), now_ns=0)
    with refused("InvalidParameterValue", "Duplicate tag key 'a'"):
        ec2.launch_instance(types.nitro, subnet_id, tags=twice, now_ns=0)


def test_a_tag_is_found_by_its_value_alone(ec2, vpc, subnet_id, eni_id):
    ec2.create_tags([vpc.vpc_id, eni_id], [("a", "x"), ("b", "y")], now_ns=0)
    assert [each.vpc_id for each in ec2.describe_vpcs(filters={"tag-value": ["y"]}, now_ns=0)] == [vpc.vpc_id]
    assert [each.eni_id for each in ec2.describe_network_interfaces(filters={"tag-value": ["z", "x"]}, now_ns=0)] == [eni_id]
    assert ec2.describe_subnets(filters={"tag-value": ["*"]}, now_ns=0) == ()
    assert subnet_id
