"""Answers of EC2: those of the model through boto3's wire, and those that people have shortened."""

import json

import attrs
import pytest

from vpcipam.ec2.api import SubnetCidrReservation
from vpcipam.ec2.fake import fake_client
from vpcipam.ec2.model import Ec2Model
from vpcipam.inspection.readers import registry
from vpcipam.node import Node
from vpcipam.settings import Settings

ENI = {
    "NetworkInterfaceId": "eni-1",
    "SubnetId": "subnet-1",
    "VpcId": "vpc-1",
    "AvailabilityZone": "us-east-1a",
    "PrivateIpAddress": "10.0.0.5",
    "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": "10.0.0.5"}],
    "Status": "in-use",
}
SUBNET = {"SubnetId": "subnet-1", "VpcId": "vpc-1", "AvailabilityZone": "a", "CidrBlock": "10.0.0.0/24", "AvailableIpAddressCount": 9}
TYPE = {
    "InstanceType": "x9.large",
    "BareMetal": False,
    "Hypervisor": "nitro",
    "VCpuInfo": {"DefaultVCpus": 2},
    "NetworkInfo": {"MaximumNetworkInterfaces": 3, "Ipv4AddressesPerInterface": 6, "Ipv6AddressesPerInterface": 6, "Ipv6Supported": True},
}
INSTANCE = {
    "InstanceId": "i-1",
    "InstanceType": "m5.large",
    "SubnetId": "subnet-1",
    "VpcId": "vpc-1",
    "LaunchTime": "2026-03-01T10:00:00Z",
    "Placement": {"AvailabilityZone": "a"},
    "State": {"Name": "running"},
    "NetworkInterfaces": [ENI | {"Attachment": {"AttachmentId": "x", "DeviceIndex": 0, "DeleteOnTermination": True}}],
}


def values(facts):
    return [each.value for each in facts]


@pytest.fixture(scope="module")
def account():
    """A model with a node, and a client of it."""
    model = Ec2Model()
    subnet = model.create_subnet(model.create_vpc("10.0.0.0/16").vpc_id, "10.0.0.0/24", availability_zone="us-east-1a")
    Node("m5.large", Settings(), model, subnet_id=subnet.subnet_id).start(0)
    return model, fake_client("ec2", model, region_name="us-east-1")


def test_answers_of_the_model_are_read_as_the_model_has_them(read, account):
    model, client = account
    answers = (
        client.describe_network_interfaces(),
        client.describe_instances(),
        client.describe_subnets(),
        client.describe_instance_types(InstanceTypes=["m5.large"]),
    )
    evidence = read(*(json.dumps(answer, default=lambda time: time.isoformat()) for answer in answers))
    assert evidence.skipped == ()
    for eni, shown in zip(values(evidence.network_interfaces), model.describe_network_interfaces(now_ns=0), strict=True):
        assert eni == attrs.evolve(shown, created_ns=0)
    (instance,) = values(evidence.instances)
    assert instance.instance_type == "m5.large"
    assert [each.eni_id for each in instance.network_interfaces] == [each.eni_id for each in values(evidence.network_interfaces)]
    assert values(evidence.subnets) == list(model.describe_subnets(now_ns=0))
    assert [each.instance_type for each in values(evidence.instance_types)] == ["m5.large"]


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        (ENI, "network_interfaces"),
        (INSTANCE, "instances"),
        ({"Instances": [INSTANCE]}, "instances"),
        (SUBNET, "subnets"),
        (TYPE, "instance_types"),
        ({"SubnetCidrReservationId": "scr-1", "SubnetId": "s", "Cidr": "10.0.0.0/28", "ReservationType": "prefix"}, "reservations"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda item: item, lambda item: [item], lambda item: [[item]], lambda item: {"data": [item]}])
def test_single_items_are_read_however_they_are_wrapped(read, item, kind, wrap):
    evidence = read(wrap(item))
    assert evidence.skipped == ()
    assert [name for name, facts in evidence.facts() if len(facts) == 1] == [kind]


def test_items_that_are_wrapped_too_often_are_skipped(read, skipped):
    assert skipped(read([[[[SUBNET]]]])) == [("file-0, line 1", "no reader recognises it")]


def test_a_list_or_a_text_of_unknown_items_is_given_up(read, skipped, monkeypatch):
    monkeypatch.setattr(registry, "MOST_UNKNOWN", 3)
    known = read([{"a": 1}, {"a": 1}, SUBNET, {"a": 1}, {"a": 1}, {"a": 1}, SUBNET])
    assert len(known.subnets) == 1
    assert skipped(known) == [("file-0, line 1, [5]", "no reader recognises 3 items in a row")]
    rows = read('{"a": 1}\n' * 3 + json.dumps(SUBNET))
    assert rows.subnets == ()
    assert skipped(rows)[-1] == ("file-0, line 3", "no reader recognises 3 documents in a row")
    documents = read("---\na: 1\n" * 3 + f"---\n{json.dumps(SUBNET)}\n")
    assert ("file-0, line 5", "no reader recognises 3 documents in a row") in skipped(documents)


def test_pages_in_a_row_are_read_and_the_next_token_is_remarked(read):
    pages = json.dumps({"Subnets": [SUBNET], "NextToken": "x"}) + "\n" + json.dumps({"Subnets": [SUBNET | {"SubnetId": "subnet-2"}]})
    evidence = read(pages)
    assert [each.subnet_id for each in values(evidence.subnets)] == ["subnet-1", "subnet-2"]
    assert [each.remarks for each in evidence.documents] == [("it has a NextToken, so this is not the last page",), ()]
    assert [each.source.line for each in evidence.subnets] == [1, 2]


def test_the_envelope_of_a_recorder_is_taken_off(read):
    evidence = read({"status_code": 200, "data": {"Subnets": [SUBNET], "ResponseMetadata": {}}})
    assert evidence.subnets[0].source.path == ".data.Subnets[0]"


def test_reservations_are_read(read, skipped):
    tagged = {"SubnetCidrReservationId": "scr-1", "SubnetId": "s", "Cidr": "10.0.0.0/28", "ReservationType": "prefix", "Description": "d"}
    evidence = read({"SubnetIpv4CidrReservations": [tagged | {"Tags": [{"Key": "a", "Value": "b"}]}, {"SubnetId": "s"}]})
    assert values(evidence.reservations) == [
        SubnetCidrReservation("scr-1", "s", "10.0.0.0/28", "prefix", "d", (("a", "b"),)),
        SubnetCidrReservation("", "s", "", ""),
    ]
    assert skipped(evidence) == [
        (
            "file-0, line 1, .SubnetIpv4CidrReservations[1]",
            "these members are missing or unreadable: SubnetCidrReservationId, Cidr, ReservationType",
        )
    ]


def test_a_type_from_before_network_cards_has_one(read):
    (limits,) = values(read({"InstanceTypes": [TYPE]}).instance_types)
    assert limits.network_cards == (3,)


def test_a_type_that_is_cut_is_skipped(read, skipped):
    broken = {name: value for name, value in TYPE.items() if name != "VCpuInfo"}
    ((place, why),) = skipped(read({"InstanceTypes": [broken]}))
    assert place == "file-0, line 1, .InstanceTypes[0]"
    assert why.startswith("VCpuInfo of instance type 'x9.large' is missing")


def test_redacted_answers_are_read_and_what_is_unreadable_is_listed(read, skipped):
    eni = ENI | {"PrivateIpAddress": "x.x.x.x", "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": "x.x.x.x"}]}
    instance = INSTANCE | {"NetworkInterfaces": [eni | {"Attachment": INSTANCE["NetworkInterfaces"][0]["Attachment"], "Status": 7}]}
    del instance["LaunchTime"], instance["InstanceType"], instance["SubnetId"], instance["State"]
    evidence = read({"NetworkInterfaces": [eni]}, {"Reservations": [{"Instances": [instance]}]}, {"Subnets": [{"SubnetId": "s"}]})
    assert [(each.what, each.why) for each in evidence.skipped] == [
        ("eni-1", "1 address is unreadable, such as x.x.x.x"),
        ("i-1", "these members are missing or unreadable: NetworkInterfaces.Status, InstanceType, SubnetId and 3 more"),
        ("eni-1", "1 address is unreadable, such as x.x.x.x"),
        ("s", "these members are missing or unreadable: VpcId, AvailabilityZone, CidrBlock and 1 more"),
    ]
    assert len(evidence.instances) == 1
    assert skipped(evidence)[0][0] == "file-0, line 1, .NetworkInterfaces[0]"


def test_an_item_in_which_the_text_breaks_off_is_skipped(read, skipped):
    text = json.dumps({"NetworkInterfaces": [ENI, ENI | {"NetworkInterfaceId": "eni-2"}, 7]})
    cut = read(text[: text.rindex('"Status"')])
    assert [each.eni_id for each in values(cut.network_interfaces)] == ["eni-1"]
    assert skipped(cut)[0] == ("file-0, line 1, .NetworkInterfaces[1]", "the text breaks off within it")
    assert skipped(read(text)) == [("file-0, line 1, .NetworkInterfaces[2]", "must be an object, not a number")]
    alone = read(json.dumps(ENI)[:-30])
    assert skipped(alone)[0] == ("file-0, line 1", "the text breaks off within it")
    assert alone.network_interfaces == ()


@pytest.mark.parametrize(
    "value",
    [
        {"LaunchTemplateData": {}},
        {"LaunchTemplateVersions": []},
        {"NetworkInterfaces": [{"Description": "aws-K8S-i-1", "DeviceIndex": 1}]},
    ],
)
def test_launch_templates_are_refused(read, skipped, value):
    ((_, why),) = skipped(read(value))
    assert why == "it says what ENIs shall be, not which there are; even their descriptions can be copies"


def test_answers_in_yaml_are_read(read):
    evidence = read(
        "Subnets:\n- SubnetId: subnet-1\n  VpcId: v\n  AvailabilityZone: a\n  CidrBlock: 10.0.0.0/24\n  AvailableIpAddressCount: 5\n"
    )
    assert [each.subnet_id for each in values(evidence.subnets)] == ["subnet-1"]


def test_an_answer_without_items_is_recognised(read):
    assert read({"NetworkInterfaces": []}).documents[0].kind == "EC2's ENIs (DescribeNetworkInterfaces)"
    assert read({"NetworkInterfaces": "x"}).documents == ()
