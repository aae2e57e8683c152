"""Worlds: an account as a document, and back."""

import copy
import itertools
import json
import re

import attrs
import hypothesis.strategies as st
import pytest
from changes import CALLS, World
from hypothesis import given, settings

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.resources import MetadataOptions
from vpcipam.ec2.state.launching import LaunchInterface
from vpcipam.ec2.worlds import KINDS, WorldError
from vpcipam.errors import InvalidArgument
from vpcipam.limits import instance_limits

CIDR = "10.0.0.0/16"
numbers = st.integers(0, 9)
STEPS = st.lists(st.tuples(st.sampled_from(sorted(CALLS)), numbers, numbers), max_size=25)


def copied(model):
    """A model of the same world, by way of JSON."""
    return Ec2Model.from_world(json.loads(json.dumps(model.to_world())))


@pytest.mark.parametrize("count", [5, 6, 50])
def test_a_vpc_with_more_cidrs_than_the_default_quota_can_be_loaded(count):
    cidrs = [f"10.{number}.0.0/16" for number in range(count)]
    ec2 = Ec2Model.from_world({"vpcs": [{"cidrs": cidrs}]})
    with pytest.raises(Ec2Error, match=f"maximum number of allowed CIDRs: {count}"):
        ec2.associate_vpc_cidr_block(ec2.vpcs[0].vpc_id, "10.99.0.0/16")
    assert copied(ec2).vpcs == ec2.vpcs
    with pytest.raises(WorldError, match="CidrLimitExceeded"):
        Ec2Model.from_world({"vpcs": [{"cidrs": [f"10.{number}.0.0/16" for number in range(51)]}]})


class Copy(World):
    """A world that exists already, so that changes can go on in it."""

    def __init__(self, ec2):
        self.ec2 = ec2


def outcome(world, step, now_ns):
    try:
        return world.call(*step, now_ns)
    except Ec2Error as error:
        return error.code, error.message


@given(STEPS, STEPS)
@settings(settings(), max_examples=max(20, settings().max_examples // 2))
def test_a_saved_and_loaded_account_answers_as_before(before, after):
    world = World(Ec2Model(), itertools.count(10**9).__next__)
    for number, step in enumerate(before):
        outcome(world, step, 10**12 + number)
    same = Copy(copied(world.ec2))
    same.ec2._check()
    assert same.show() == world.show()
    assert same.ec2.call_counts == {}
    for number, step in enumerate(after):
        now_ns = 10**13 + number
        assert outcome(same, step, now_ns) == outcome(world, step, now_ns)
    assert same.show() == world.show()
    assert same.ec2.to_world() == world.ec2.to_world()
    same.ec2._check()


def test_every_attribute_is_saved():
    """Those that random changes seldom touch."""
    world = World(Ec2Model(), itertools.count(10**9).__next__)
    model = world.ec2
    for eni in model.network_interfaces:
        model.modify_network_interface_attribute(eni.eni_id, description=f"for {eni.eni_id}", now_ns=0)
        model.modify_network_interface_attribute(eni.eni_id, source_dest_check=False, now_ns=0)
        groups = [group.group_id for group in model.security_groups if group.vpc_id == eni.vpc_id]
        model.modify_network_interface_attribute(eni.eni_id, security_group_ids=groups[1:], now_ns=0)
        if eni.attachment is not None:
            kept = not eni.attachment.delete_on_termination
            attachment_id = eni.attachment.attachment_id
            model.modify_network_interface_attribute(eni.eni_id, attachment_id=attachment_id, delete_on_termination=kept, now_ns=0)
    assert Copy(copied(model)).show() == world.show()


def test_a_launch_is_saved_with_its_image_and_reservation():
    """Equality ignores these: only the model has them."""
    model = World(Ec2Model(), itertools.count(10**9).__next__).ec2
    first = model.subnets[0].subnet_id
    model.launch_instances("m5.large", [LaunchInterface(subnet_id=first)], max_count=2, min_count=2, image_id="ami-1", now_ns=5)
    same = copied(model)
    launched = [(each.image_id, each.reservation_id, each.launch_index) for each in model.instances]
    assert [(each.image_id, each.reservation_id, each.launch_index) for each in same.instances] == launched
    assert launched[-1][0] == "ami-1"
    assert launched[-1][1:] == (launched[-2][1], 1)
    attached = [each.attachment.attached_ns for each in model.network_interfaces if each.attachment is not None]
    assert [each.attachment.attached_ns for each in same.network_interfaces if each.attachment is not None] == attached
    assert 5 in attached


def test_metadata_options_by_hand_are_those_of_the_account_where_they_say_nothing():
    optional = MetadataOptions(http_tokens="optional", http_put_response_hop_limit=7)
    entries = [{"type": "m5.large", "subnet": "subnet-1", **each} for each in ({}, {"metadata_options": {"http_endpoint": "disabled"}})]
    world = {"vpcs": [{"cidr": CIDR}], "subnets": [{"id": "subnet-1", "cidr": "10.0.1.0/24"}], "instances": entries}
    first, second = Ec2Model.from_world(world, metadata_defaults=optional).instances
    assert first.metadata_options == optional
    assert second.metadata_options == attrs.evolve(optional, http_endpoint="disabled")
    saved = Ec2Model.from_world(world, metadata_defaults=optional).to_world()
    assert [each.metadata_options for each in Ec2Model.from_world(saved).instances] == [first.metadata_options, second.metadata_options]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"http_tokens": "always"}, "A value of 'always' is not valid for HttpTokens. Specify either 'optional' or 'required'"),
        ({"http_put_response_hop_limit": 65}, "HttpPutResponseHopLimit"),
        ({"http_put_response_hop_limit": True}, "must be a whole number"),
        ({"HttpTokens": "optional"}, "HttpTokens is no key here; the keys are http_endpoint"),
        ({"state": "pending"}, "pending only while the instance is stopped"),
        ({"instance_metadata_tags": "enabled"}, "'a/b' is not a valid tag key"),
    ],
)
def test_wrong_metadata_options_are_refused(options, why):
    instance = {"type": "m5.large", "subnet": "subnet-1", "tags": {"a/b": ""}, "metadata_options": options}
    world = {"vpcs": [{"cidr": CIDR}], "subnets": [{"id": "subnet-1", "cidr": "10.0.1.0/24"}], "instances": [instance]}
    with pytest.raises(WorldError, match=re.escape(why)) as caught:
        Ec2Model.from_world(world)
    assert str(caught.value).startswith("instances[0]")


def test_a_known_type_is_saved_by_name():
    model = Ec2Model()
    subnet = model.create_subnet(model.create_vpc(CIDR).vpc_id, "10.0.1.0/24")
    model.launch_instance("m5.large", subnet.subnet_id, now_ns=0)
    model.launch_instance(instance_limits("p5.48xlarge"), subnet.subnet_id, now_ns=0)
    assert [each["type"] for each in model.to_world()["instances"]] == ["m5.large", "p5.48xlarge"]
    copied(model)._check()


def test_a_model_that_chooses_at_random_is_not_saved():
    with pytest.raises(InvalidArgument, match="random"):
        Ec2Model(address_choice="random").to_world()


def test_a_world_by_hand_needs_no_ids():
    model = Ec2Model.from_world(
        {
            "vpcs": [{"cidr": CIDR}],
            "security_groups": [{"id": "sg-1", "name": "nodes", "tags": {"a": "b"}}],
            "subnets": [{"cidr": "10.0.1.0/24", "tags": {"Name": "a"}}, {"cidr": "10.0.2.0/24", "availability_zone": "us-east-1b"}],
            "reservations": [{"subnet": "subnet-00000000000000001", "cidr": "10.0.1.128/25", "type": "prefix"}],
            "instances": [{"type": "m5.large", "subnet": "subnet-00000000000000002"}],
            "network_interfaces": [
                {
                    "subnet": "subnet-00000000000000002",
                    "ipv4_prefixes": ["10.0.2.16/28"],
                    "secondary_ips": ["10.0.2.99"],
                    "security_groups": ["sg-1"],
                    "attachment": {"instance": "i-00000000000000001", "device_index": 1},
                }
            ],
        }
    )
    model._check()
    assert [subnet.available_ip_address_count for subnet in model.subnets] == [124, 251 - 1 - 1 - 16 - 1]
    (instance,) = model.instances
    assert [eni.ipv4_prefixes for eni in instance.network_interfaces] == [(), ("10.0.2.16/28",)]
    assert [eni.attachment.delete_on_termination for eni in instance.network_interfaces] == [True, False]
    assert [eni.security_group_names for eni in instance.network_interfaces] == [("default",), ("nodes",)]
    assert instance.network_interfaces[1].security_group_ids == ("sg-1",)


def test_the_default_security_group_of_a_world_keeps_its_id_and_tags():
    group = {"id": "sg-9", "vpc": "vpc-7", "name": "default", "description": "changed", "tags": {"a": "b"}}
    model = Ec2Model.from_world({"vpcs": [{"id": "vpc-7", "cidr": CIDR}, {"cidr": "10.1.0.0/16"}], "security_groups": [group]})
    first, second = model.security_groups
    assert (second.group_id, second.description, second.tags) == ("sg-9", "changed", (("a", "b"),))
    assert (first.group_name, first.group_id) == ("default", "sg-0000000000000000a")
    copied(model)._check()


def test_an_elastic_ip_by_hand_is_on_the_primary_address():
    eni = {"id": "eni-1", "subnet": "subnet-1", "private_ip": "10.0.1.9"}
    world = {**BASE, "network_interfaces": [eni], "elastic_ips": [{"network_interface": "eni-1", "tags": {"a": "b"}}, {"id": "eipalloc-7"}]}
    model = Ec2Model.from_world(world)
    first, second = model.elastic_ips
    assert (first.eni_id, first.private_ip, first.tags) == ("eni-1", "10.0.1.9", (("a", "b"),))
    assert (second.allocation_id, second.eni_id) == ("eipalloc-7", "")
    assert copied(model).elastic_ips == model.elastic_ips
    model._check()


def test_foreign_ids_and_tags_of_aws_are_kept():
    tags = {"aws:eks:cluster-name": "c", **{f"k{number}": "" for number in range(60)}}
    world = {"vpcs": [{"id": "vpc-0a1b2c3d4e5f60718", "cidr": CIDR, "tags": tags}], "subnets": [{"id": "subnet-9", "cidr": "10.0.1.0/24"}]}
    model = Ec2Model.from_world(world)
    assert model.vpcs[0].vpc_id == "vpc-0a1b2c3d4e5f60718"
    assert dict(model.vpcs[0].tags) == tags
    assert model.create_vpc(CIDR).vpc_id == "vpc-00000000000000001"
    assert model.create_subnet(model.vpcs[0].vpc_id, "10.0.2.0/24").subnet_id == "subnet-0000000000000000a"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_lowest_card_has_the_primary_eni(order):
    place = {"instance": "i-1", "device_index": 0}
    world = {
        "vpcs": [{"cidr": CIDR}],
        "subnets": [{"id": "subnet-1", "cidr": "10.0.1.0/24"}],
        "instances": [{"id": "i-1", "type": "c6in.32xlarge", "subnet": "subnet-1"}],
        "network_interfaces": [
            {"id": f"eni-{card}", "subnet": "subnet-1", "attachment": {**place, "network_card_index": card}} for card in order
        ],
    }
    model = Ec2Model.from_world(world)
    model._check()
    assert [eni.eni_id for eni in model.instances[0].network_interfaces] == ["eni-0", "eni-1"]


def full():
    model = Ec2Model()
    world = World(model, itertools.count(10**9).__next__)
    world.call("CreateTags", 0, 0, 10**10)
    return model.to_world()


WRONG = {
    "no table": ({"vpcs": ["x"]}, r"vpcs\[0\]: must be a table, not 'x'"),
    "no list": ({"vpcs": {}}, "the world: vpcs must be a list, not {}"),
    "an unknown list": ({"vpc": []}, "the world: vpc is no key here; the keys are "),
    "an unknown format": ({"format": "other"}, "the format is 'other'; this version reads 'vpcipam-ec2/1'"),
    "an unknown key": ({"vpcs": [{"cidr": CIDR, "name": "a"}]}, r"vpcs\[0\]: name is no key here; the keys are "),
    "no CIDR": ({"vpcs": [{}]}, r"vpcs\[0\]: cidr is missing"),
    "a number for a text": ({"vpcs": [{"cidr": 5}]}, r"vpcs\[0\]: cidr must be a text, not 5"),
    "numbers in a list": ({"vpcs": [{"cidrs": [5]}]}, r"vpcs\[0\]: cidrs must be a list of texts, not \[5\]"),
    "a wrong tag": ({"vpcs": [{"cidr": CIDR, "tags": {"a": 1}}]}, r"vpcs\[0\]: tags must be texts"),
    "a wrong CIDR": ({"vpcs": [{"cidr": "10.0.0.0/8"}]}, r"vpcs\[0\]: InvalidVpc.Range: "),
    "a wrong id": ({"vpcs": [{"cidr": CIDR, "id": "vpc-x"}]}, r"vpcs\[0\]: id must be vpc- and up to 17 hexadecimal digits, not 'vpc-x'"),
    "an id of another kind": ({"vpcs": [{"cidr": CIDR, "id": "eni-1"}]}, r"vpcs\[0\]: id must be vpc- and"),
    "an id twice": ({"vpcs": [{"cidr": CIDR, "id": "vpc-1"}] * 2}, r"vpcs\[1\]: vpc-1 exists already"),
    "too few associations": (
        {"vpcs": [{"cidrs": [CIDR, "10.1.0.0/16"], "association_ids": ["vpc-cidr-assoc-1"]}]},
        r"vpcs\[0\]: association_ids must have as many items as cidrs",
    ),
    "a wrong number": ({"last_numbers": {"eni": -1}}, "last_numbers: eni must be a whole number from 0, not -1"),
    "a subnet of no VPC": ({"subnets": [{"cidr": "10.0.1.0/24"}]}, r"subnets\[0\]: vpc is missing"),
    "a wrong zone": (
        {"vpcs": [{"cidr": CIDR}], "subnets": [{"cidr": "10.0.1.0/24", "availability_zone": "x"}]},
        r"subnets\[0\]: availability_zone must be like us-east-1a, not 'x'",
    ),
}


@pytest.mark.parametrize(("world", "message"), WRONG.values(), ids=WRONG)
def test_what_is_no_world_is_refused(world, message):
    with pytest.raises(WorldError, match=f"^{message}"):
        Ec2Model.from_world(world)


BASE = {"vpcs": [{"cidr": CIDR}], "subnets": [{"id": "subnet-1", "cidr": "10.0.1.0/24"}, {"id": "subnet-2", "cidr": "10.0.2.0/24"}]}
NODE = {"id": "i-1", "type": "m5.large", "subnet": "subnet-1"}
PLACE = {"instance": "i-1", "device_index": 0}
CONTRADICTIONS = {
    "an unknown type": ({**BASE, "instances": [{**NODE, "type": "m5.lagre"}]}, r"instances\[0\]: unknown instance type 'm5.lagre'"),
    "an unknown state": (
        {**BASE, "instances": [{**NODE, "state": "gone"}]},
        r"instances\[0\]: state is 'gone'; it must be running or stopped",
    ),
    "user data that are no base64": (
        {**BASE, "instances": [{**NODE, "user_data": "#!"}]},
        r"instances\[0\]: user_data must be base64",
    ),
    "a launch after all dates": ({**BASE, "instances": [{**NODE, "launched_ns": 10**30}]}, r"instances\[0\]: launched_ns must be .*2261"),
    "a primary ENI of an unknown type": (
        {**BASE, "instances": [NODE], "network_interfaces": [{"subnet": "subnet-1", "type": "x", "attachment": PLACE}]},
        r"instances\[0\]: .*interfaceType",
    ),
    "a setting of a wrong type": ({**BASE, "instances": [{**NODE, "monitored": "yes"}]}, r"instances\[0\]: monitored must be "),
    "wrong limits": ({**BASE, "instances": [{**NODE, "type": {"instance_type": "x"}}]}, r"instances\[0\]: .*eni_limit"),
    "limits of a wrong value": (
        {**BASE, "instances": [{**NODE, "type": {"instance_type": "x", "eni_limit": 0, "ipv4_per_eni": 5}}]},
        r"instances\[0\]: .*eni_limit",
    ),
    "an instance that is not there": (
        {**BASE, "network_interfaces": [{"subnet": "subnet-1", "attachment": PLACE}]},
        r"network_interfaces\[0\]: it is attached to i-1, which is not among the instances",
    ),
    "a primary ENI in another subnet": (
        {**BASE, "instances": [NODE], "network_interfaces": [{"subnet": "subnet-2", "attachment": PLACE}]},
        r"network_interfaces\[0\]: it is not like the primary ENI of i-1",
    ),
    "a primary ENI of an instance without an id": (
        {
            **BASE,
            "instances": [{"type": "m5.large", "subnet": "subnet-1"}],
            "network_interfaces": [
                {"id": "eni-9", "subnet": "subnet-1", "attachment": {"instance": "i-00000000000000001", "device_index": 0}}
            ],
        },
        r"network_interfaces\[0\]: it is a primary ENI, so give i-00000000000000001 this id among the instances",
    ),
    "a primary IPv6 address of nobody": (
        {**BASE, "network_interfaces": [{"subnet": "subnet-1", "primary_ipv6": "::1"}]},
        r"network_interfaces\[0\]: primary_ipv6 must be one of its ipv6_addresses, not '::1'",
    ),
    "an unknown security group": (
        {**BASE, "network_interfaces": [{"subnet": "subnet-1", "security_groups": ["sg-1"]}]},
        r"network_interfaces\[0\]: InvalidGroup.NotFound: ",
    ),
    "a security group of no VPC": ({"security_groups": [{"name": "a"}]}, r"security_groups\[0\]: vpc is missing"),
    "a default security group of no VPC": (
        {**BASE, "security_groups": [{"name": "default", "vpc": "vpc-9"}]},
        r"security_groups\[0\]: there is no VPC vpc-9",
    ),
    "two default security groups": (
        {**BASE, "security_groups": [{"name": "default"}, {"name": "Default"}]},
        r"security_groups\[1\]: its VPC has another security group that is named 'default'",
    ),
    "an id of the default security group of a VPC without one": (
        {**BASE, "security_groups": [{"id": "sg-9", "name": "default", "vpc": "vpc-00000000000000001"}]},
        r"security_groups\[0\]: vpc-00000000000000001 has no id in this document",
    ),
    "an address twice": (
        {**BASE, "network_interfaces": [{"subnet": "subnet-1", "private_ip": "10.0.1.9"}] * 2},
        r"network_interfaces\[1\]: InvalidIPAddress.InUse: ",
    ),
    "a branch without a trunk": (
        {**BASE, "trunk_associations": [{"branch": "eni-1", "trunk": "eni-2", "vlan_id": 1}]},
        r"trunk_associations\[0\]: InvalidNetworkInterfaceID.NotFound: ",
    ),
    "a public address twice": (
        {"elastic_ips": [{"public_ip": "192.0.2.1"}] * 2},
        r"elastic_ips\[1\]: 192.0.2.1 exists already",
    ),
    "an automatic address of an ENI that is not attached": (
        {**BASE, "network_interfaces": [{"subnet": "subnet-1", "automatic_ip": "192.0.2.1"}]},
        r"network_interfaces\[0\]: automatic_ip is for the primary ENI of a running instance",
    ),
    "an automatic address twice": (
        {
            **BASE,
            "instances": [{"id": f"i-{number}", "type": "m5.large", "subnet": "subnet-1"} for number in (1, 2)],
            "network_interfaces": [
                {"subnet": "subnet-1", "automatic_ip": "192.0.2.1", "attachment": {"instance": f"i-{number}", "device_index": 0}}
                for number in (1, 2)
            ],
        },
        r"network_interfaces\[1\]: 192.0.2.1 exists already",
    ),
    "an Elastic IP that an instance has as its automatic address": (
        {
            **BASE,
            "instances": [{"id": "i-1", "type": "m5.large", "subnet": "subnet-1"}],
            "network_interfaces": [
                {"subnet": "subnet-1", "automatic_ip": "192.0.2.1", "attachment": {"instance": "i-1", "device_index": 0}}
            ],
            "elastic_ips": [{"public_ip": "192.0.2.1"}],
        },
        r"elastic_ips\[0\]: 192.0.2.1 exists already",
    ),
    "an Elastic IP of nobody": (
        {"elastic_ips": [{"association_id": "eipassoc-1"}]},
        r"elastic_ips\[0\]: network_interface is missing",
    ),
    "a private address of nobody": (
        {"elastic_ips": [{"private_ip": "10.0.1.4"}]},
        r"elastic_ips\[0\]: network_interface is missing",
    ),
    "two Elastic IPs of one address": (
        {**BASE, "network_interfaces": [{"id": "eni-1", "subnet": "subnet-1"}], "elastic_ips": [{"network_interface": "eni-1"}] * 2},
        r"elastic_ips\[1\]: Resource.AlreadyAssociated: ",
    ),
    "a public address that is none": ({"elastic_ips": [{"public_ip": "x"}]}, r"elastic_ips\[0\]: "),
    "a launch template without versions": (
        {"launch_templates": [{"name": "nodes", "versions": []}]},
        r"launch_templates\[0\]: versions is empty",
    ),
    "a version that is no table": (
        {"launch_templates": [{"name": "nodes", "versions": ["x"]}]},
        r"launch_templates\[0\]: versions must be a list of tables, not \['x'\]",
    ),
    "a version with an unknown key": (
        {"launch_templates": [{"name": "nodes", "versions": [{"data": {"ImageId": "a"}, "x": 1}]}]},
        r"launch_templates\[0\].versions\[0\]: x is no key here",
    ),
    "a default version that is not there": (
        {"launch_templates": [{"name": "nodes", "default_version": 2, "versions": [{"data": {"ImageId": "a"}}]}]},
        r"launch_templates\[0\]: InvalidLaunchTemplateId.VersionNotFound: ",
    ),
    "an attachment with an unknown key": (
        {**BASE, "instances": [NODE], "network_interfaces": [{"subnet": "subnet-1", "attachment": {**PLACE, "x": 1}}]},
        r"network_interfaces\[0\].attachment: x is no key here",
    ),
}


@pytest.mark.parametrize(("world", "message"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_world_that_breaks_a_rule_is_refused(world, message):
    with pytest.raises(WorldError, match=f"^{message}"):
        Ec2Model.from_world(world)


SAVED = full()
PLACES = [(kind, number, key) for kind in KINDS for number, entry in enumerate(SAVED[kind]) for key in entry]
VALUES = st.sampled_from(
    [None, "", "x", 0, -1, 2**70, 1.5, True, [], ["x"], [5], {}, {"a": "b"}, {"": None}, "eni-1", "10.0.1.9", "10.0.1.16/28", "i-1", "::1"]
)


@given(st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=3))
def test_a_damaged_world_is_read_or_refused(changes):
    world = copy.deepcopy(SAVED)
    for (kind, number, key), value in changes:
        world[kind][number][key] = value
    try:
        model = Ec2Model.from_world(world)
    except WorldError:
        return
    model._check()
    copied(model)._check()
