"""Worlds of EC2's answers about an account."""

import itertools
import json
from pathlib import Path

import attrs
import pytest
from changes import World

from vpcipam._units import NS_PER_S
from vpcipam.ec2.described import world_of_answers
from vpcipam.ec2.fake import fake_client
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.resources import MetadataOptions
from vpcipam.ec2.worlds import WorldError

SYMPTOMS = Path(__file__).parents[2] / "examples" / "symptoms"
READS = ("describe_vpcs", "describe_security_groups", "describe_subnets", "describe_instances", "describe_network_interfaces")
READS += ("describe_addresses",)


def answers_about(model):
    """The answers of a real client, as the AWS CLI prints them."""
    client = fake_client("ec2", model)
    found = [getattr(client, method)() for method in READS]
    found += [client.get_subnet_cidr_reservations(SubnetId=subnet.subnet_id) for subnet in model.subnets]
    found.append(client.describe_instance_types(InstanceTypes=[each.instance_type for each in model.instances]))
    return json.loads(json.dumps(found, default=lambda time: time.isoformat()))


@pytest.fixture
def model():
    model = Ec2Model()
    World(model, itertools.count(10**9).__next__)
    (association,) = model.describe_trunk_interface_associations(now_ns=0)
    model.disassociate_trunk_interface(association.association_id, now_ns=0)
    efa = model.create_network_interface(subnet_id=model.subnets[0].subnet_id, interface_type="efa", now_ns=0)
    model.create_tags([efa.eni_id], [("a", "b")], now_ns=0)
    return model


def test_an_account_is_rebuilt_from_its_answers(model):
    world, notes = world_of_answers(answers_about(model))
    again = Ec2Model.from_world(world)
    again._check()
    assert notes == ()
    assert strip(answers_about(again)) == strip(answers_about(model))
    assert again.subnets == model.subnets
    assert again.vpcs == model.vpcs
    assert again.elastic_ips == model.elastic_ips
    assert [each.eni_id for each in model.elastic_ips].count("") == 1
    assert again.subnet_cidr_reservations == model.subnet_cidr_reservations


def test_a_launch_and_its_public_address_are_rebuilt(model):
    client = fake_client("ec2", model, now_ns=lambda: 60 * NS_PER_S)
    launch = {"MinCount": 1, "MaxCount": 1, "InstanceType": "m5.large", "SubnetId": model.subnets[0].subnet_id, "ImageId": "ami-1"}
    client.modify_subnet_attribute(SubnetId=launch["SubnetId"], MapPublicIpOnLaunch={"Value": True})
    client.run_instances(
        **launch, KeyName="me", Monitoring={"Enabled": True}, EbsOptimized=True, MetadataOptions={"HttpEndpoint": "disabled"}
    )
    stopped = client.run_instances(**launch)["Instances"][0]["InstanceId"]
    client.stop_instances(InstanceIds=[stopped])
    client.modify_instance_metadata_options(InstanceId=stopped, HttpTokens="optional", HttpPutResponseHopLimit=64)
    answers = answers_about(model)
    world, notes = world_of_answers(answers)
    again = Ec2Model.from_world(world)
    again._check()
    assert notes == ()
    assert strip(answers_about(again)) == strip(answers)
    assert [each.public_at_start for each in again._account.instances.values()] == [False, True, False]
    del next(each for each in answers if "NetworkInterfaces" in each)["NetworkInterfaces"]
    assert world_of_answers(answers)[0]["elastic_ips"] == world["elastic_ips"]


def test_metadata_options_that_a_running_instance_is_about_to_get_are_those_that_it_has(model):
    answers = answers_about(model)
    (instance,) = next(each for each in answers if "Reservations" in each)["Reservations"][0]["Instances"]
    instance["MetadataOptions"] |= {"State": "pending", "HttpTokens": "optional", "SomethingNew": 1}
    (entry,) = world_of_answers(answers)[0]["instances"]
    assert (entry["metadata_options"]["state"], entry["metadata_options"]["http_tokens"]) == ("applied", "optional")
    del instance["MetadataOptions"]
    (again,) = Ec2Model.from_world(world_of_answers(answers)[0]).instances
    assert again.metadata_options == MetadataOptions()


def test_public_addresses_without_ids_are_noted(model):
    answers = [each for each in answers_about(model) if not {"Addresses", "NetworkInterfaces"} & each.keys()]
    world, notes = world_of_answers(answers)
    attached = {each.public_ip for each in model.elastic_ips if each.instance_id}
    assert world["elastic_ips"] == []
    assert notes == (f"public IPs are left out: {', '.join(sorted(attached))}; for Elastic IPs, add that of `aws ec2 describe-addresses`",)


def test_elastic_ips_that_no_answer_describes_are_those_of_enis(model):
    answers = [each for each in answers_about(model) if "Addresses" not in each]
    again = Ec2Model.from_world(world_of_answers(answers)[0])
    again._check()
    associated = [each for each in model.elastic_ips if each.eni_id]
    assert again.elastic_ips == tuple(attrs.evolve(each, tags=()) for each in associated)


def test_security_groups_that_no_answer_describes_are_those_of_enis(model):
    (group,) = [each for each in model.security_groups if each.group_name == "nodes"]
    answers = [each for each in answers_about(model) if "SecurityGroups" not in each]
    eni = next(eni for each in answers for eni in each.get("NetworkInterfaces", ()) if eni["Groups"][0]["GroupName"] == "default")
    eni["Groups"].append({"GroupId": "sg-9"})
    again = Ec2Model.from_world(world_of_answers(answers)[0])
    again._check()
    found = {each.group_id: (each.group_name, each.vpc_id) for each in again.security_groups}
    assert found[group.group_id] == ("nodes", group.vpc_id)
    assert found["sg-9"] == ("unnamed sg-9", group.vpc_id)


def test_security_groups_of_vpcs_without_subnets_in_the_answers_are_left_out(model):
    answers = [each for each in answers_about(model) if "Subnets" in each or "SecurityGroups" in each]
    again = Ec2Model.from_world(world_of_answers(answers)[0])
    assert len(again.vpcs) == 1 < len(model.vpcs)
    assert again.security_groups == tuple(each for each in model.security_groups if each.vpc_id == again.vpcs[0].vpc_id)


def strip(answers):
    """Leave out the ids of the requests."""
    found = json.loads(json.dumps(answers))
    for answer in found:
        answer.pop("ResponseMetadata")
    return found


@pytest.mark.parametrize("folder", ["failed-to-assign", "few-pods/cluster", "leaked-enis", "no-cidr-blocks", "subnet-full/cluster"])
def test_the_examples_of_symptoms_can_be_served(folder):
    answers = [json.loads(path.read_text()) for path in sorted((SYMPTOMS / folder).glob("*.json")) if path.stem in NAMES]
    world, _ = world_of_answers(answers)
    model = Ec2Model.from_world(world)
    model._check()
    assert model.network_interfaces


NAMES = {"subnets", "instances", "network-interfaces", "reservations", "instance-types"}


def test_what_is_assumed_is_noted(model):
    subnets = [each for each in answers_about(model) if "Subnets" in each]
    world, notes = world_of_answers(subnets)
    assert notes == (
        "vpc-00000000000000001 is in no answer; its CIDRs are taken to be 10.0.0.0/16",
        "all addresses are free: no answer has network interfaces",
    )
    assert Ec2Model.from_world(world).vpcs[0].ipv6_cidr == "2001:db8::/56"


def test_enis_of_other_subnets_are_left_out(model):
    answers = answers_about(model)
    for answer in answers:
        if "Subnets" in answer:
            answer["Subnets"] = answer["Subnets"][1:]
        answer.pop("Reservations", None)
        answer.pop("SubnetIpv4CidrReservations", None)
    _, notes = world_of_answers(answers)
    assert notes == (f"{len(model.network_interfaces)} ENIs are left out: their subnets are in no answer",)


def test_an_account_of_aws_has_more_than_the_model(model):
    """Terminated instances, ENIs of load balancers, disassociated CIDRs, a VPC without associations."""
    answers = answers_about(model)
    instances = next(each for each in answers if "Reservations" in each)
    gone = json.loads(json.dumps(instances["Reservations"][0]))
    gone["Instances"][0] |= {"InstanceId": "i-9", "State": {"Name": "terminated"}, "NetworkInterfaces": []}
    instances["Reservations"].append(gone)
    enis = next(each for each in answers if "NetworkInterfaces" in each)["NetworkInterfaces"]
    loose = next(each for each in enis if "Attachment" not in each)
    loose |= {"Attachment": {"AttachmentId": "ela-attach-1", "DeviceIndex": 1}, "InterfaceType": "nat_gateway"}
    first, second = next(each for each in answers if "Vpcs" in each)["Vpcs"]
    first["CidrBlockAssociationSet"].append(
        {"AssociationId": "vpc-cidr-assoc-9", "CidrBlock": "10.9.0.0/16", "CidrBlockState": {"State": "disassociated"}}
    )
    del second["CidrBlockAssociationSet"]
    world, _ = world_of_answers(answers)
    again = Ec2Model.from_world(world)
    again._check()
    assert again.subnets == model.subnets
    assert len(again.instances) == 1
    assert [vpc.cidrs for vpc in again.vpcs] == [vpc.cidrs for vpc in model.vpcs]


WRONG = {
    "no list": ({"Subnets": {}}, "Subnets must be a list of objects"),
    "no subnets": ({"Vpcs": []}, "there are no subnets; add the answer of `aws ec2 describe-subnets`"),
    "a member missing": ({"Subnets": [{}]}, "an answer of EC2 lacks SubnetId, "),
    "no VPC id": ({"Subnets": [], "Vpcs": [{}]}, "there are no subnets"),
    "a reservation without instances": ({"Reservations": [{}]}, "an answer of EC2 lacks 'Instances'"),
    "a wrong type": ({"InstanceTypes": [{"InstanceType": "x"}]}, "an answer of EC2 can't be read: "),
}


@pytest.mark.parametrize(("answer", "message"), WRONG.values(), ids=WRONG)
def test_what_is_no_answer_is_refused(answer, message):
    with pytest.raises(WorldError, match=f"^{message}"):
        world_of_answers([answer])


def test_an_eni_of_an_unknown_instance_is_refused(model):
    answers = [each for each in answers_about(model) if "Reservations" not in each]
    with pytest.raises(
        WorldError, match=r"is attached to i-00000000000000001, which is in no answer; add that of `aws ec2 describe-instances`"
    ):
        world_of_answers(answers)


def test_a_subnet_without_a_cidr_is_refused(model):
    answers = [each for each in answers_about(model) if "Subnets" in each]
    answers[0]["Subnets"][0]["CidrBlock"] = "x"
    with pytest.raises(WorldError, match=r"^subnet-00000000000000001: "):
        world_of_answers(answers)
