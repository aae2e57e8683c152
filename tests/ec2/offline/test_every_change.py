"""Every action of the offline EC2 that changes something: one request is one call of the model, and a client token makes it happen once."""

import pytest
from changes import NITRO, World

from vpcipam.ec2.api import Ec2Error, is_mutating
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.errors import LostAnswer
from vpcipam.ec2.fake import fake_client
from vpcipam.ec2.faults import Crash, Fault, Faults
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region, Request
from vpcipam.ec2.offline.server import ACTIONS, Server

CHANGES = sorted(filter(is_mutating, ACTIONS))


def numbered(kind, number):
    return f"{kind}-{number:017x}"


ENI, LOOSE, TRUNK = (numbered("eni", number) for number in (2, 6, 4))  # the first ENI is the primary one
VPC, EMPTY_VPC, SUBNET, EMPTY_SUBNET = numbered("vpc", 1), numbered("vpc", 2), numbered("subnet", 1), numbered("subnet", 2)
INSTANCES = [numbered("i", 1), numbered("i", 2)]
REQUESTS = {
    "CreateVpc": {"CidrBlock": "10.2.0.0/16"},
    "AssociateVpcCidrBlock": {"VpcId": VPC, "CidrBlock": "100.64.9.0/24"},
    "DisassociateVpcCidrBlock": {"AssociationId": numbered("vpc-cidr-assoc", 4)},
    "CreateDefaultVpc": {},
    "CreateDefaultSubnet": {"AvailabilityZone": "us-east-1b"},
    "ModifyVpcAttribute": {"VpcId": VPC, "EnableDnsHostnames": {"Value": True}},
    "ModifyVpcTenancy": {"VpcId": EMPTY_VPC, "InstanceTenancy": "default"},
    "AssociateSubnetCidrBlock": {"SubnetId": EMPTY_SUBNET, "Ipv6CidrBlock": "2001:db8:0:2::/64"},
    "DisassociateSubnetCidrBlock": {"AssociationId": numbered("subnet-cidr-assoc", 2)},
    "ModifySubnetAttribute": {"SubnetId": SUBNET, "MapPublicIpOnLaunch": {"Value": True}},
    "DeleteVpc": {"VpcId": EMPTY_VPC},
    "CreateSecurityGroup": {"VpcId": VPC, "GroupName": "a", "Description": "b"},
    "DeleteSecurityGroup": {"GroupId": numbered("sg", 4)},
    "CreateSubnet": {"VpcId": VPC, "CidrBlock": "10.0.9.0/24"},
    "DeleteSubnet": {"SubnetId": EMPTY_SUBNET},
    "CreateSubnetCidrReservation": {"SubnetId": SUBNET, "Cidr": "10.0.1.128/28", "ReservationType": "explicit"},
    "DeleteSubnetCidrReservation": {"SubnetCidrReservationId": numbered("scr", 1)},
    "RunInstances": {"InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1, "SubnetId": SUBNET},
    "TerminateInstances": {"InstanceIds": INSTANCES},
    "StopInstances": {"InstanceIds": INSTANCES},
    "StartInstances": {"InstanceIds": INSTANCES},
    "ModifyInstanceAttribute": {"InstanceId": INSTANCES[1], "SourceDestCheck": {"Value": False}},
    "ModifyInstanceMetadataOptions": {"InstanceId": INSTANCES[1], "HttpEndpoint": "disabled"},
    "RebootInstances": {"InstanceIds": INSTANCES},
    "CreateNetworkInterface": {"SubnetId": SUBNET, "Ipv4PrefixCount": 1},
    "AttachNetworkInterface": {"NetworkInterfaceId": LOOSE, "InstanceId": INSTANCES[0], "DeviceIndex": 2},
    "ModifyNetworkInterfaceAttribute": {"NetworkInterfaceId": ENI, "Description": {"Value": "x"}},
    "DetachNetworkInterface": {"AttachmentId": numbered("eni-attach", 2)},
    "DeleteNetworkInterface": {"NetworkInterfaceId": LOOSE},
    "AssignPrivateIpAddresses": {"NetworkInterfaceId": LOOSE, "SecondaryPrivateIpAddressCount": 2},
    "UnassignPrivateIpAddresses": {"NetworkInterfaceId": ENI, "PrivateIpAddresses": ["10.0.1.6"]},
    "AssignIpv6Addresses": {"NetworkInterfaceId": LOOSE, "Ipv6PrefixCount": 1},
    "UnassignIpv6Addresses": {"NetworkInterfaceId": numbered("eni", 3), "Ipv6Prefixes": ["2001:db8:0:0:1::/80"]},
    "AssociateTrunkInterface": {"BranchInterfaceId": LOOSE, "TrunkInterfaceId": TRUNK, "VlanId": 7},
    "DisassociateTrunkInterface": {"AssociationId": numbered("trunk-assoc", 1)},
    "AllocateAddress": {"Domain": "vpc"},
    "AssociateAddress": {"AllocationId": numbered("eipalloc", 3), "NetworkInterfaceId": ENI},
    "DisassociateAddress": {"AssociationId": numbered("eipassoc", 1)},
    "ReleaseAddress": {"AllocationId": numbered("eipalloc", 3)},
    "CreateLaunchTemplate": {"LaunchTemplateName": "pods", "LaunchTemplateData": {"InstanceType": "m5.large"}},
    "CreateLaunchTemplateVersion": {"LaunchTemplateId": numbered("lt", 1), "LaunchTemplateData": {"ImageId": "ami-2"}},
    "ModifyLaunchTemplate": {"LaunchTemplateName": "nodes", "DefaultVersion": "2"},
    "DeleteLaunchTemplate": {"LaunchTemplateName": "nodes"},
    "CreateTags": {"Resources": [ENI, SUBNET], "Tags": [{"Key": "k", "Value": "v"}]},
    "DeleteTags": {"Resources": [ENI, SUBNET], "Tags": [{"Key": "a"}]},
}


@pytest.fixture(scope="module")
def tokened():
    """The actions that take a client token, as boto3 knows them."""
    shapes = fake_client("ec2", Ec2Model()).meta.service_model
    return {name for name in CHANGES if "ClientToken" in shapes.operation_model(name).input_shape.members}


def world(*faults, action=None):
    found = World(Ec2Model(conditions=Conditions(faults=Faults(faults))), lambda: 0)
    found.ec2.launch_instance(NITRO, SUBNET, now_ns=0)
    if action == "CreateDefaultSubnet":
        found.ec2.create_default_vpc(availability_zones=["us-east-1a"])
    if action == "StartInstances":
        found.ec2.stop_instances(INSTANCES[:1], now_ns=0)
    found.before = dict(found.ec2.call_counts)
    return found


def server(found):
    """A function that carries out requests, without their way over the wire."""
    its = Server(found.ec2, Region("us-east-1"), lambda: 1)
    return lambda action, members: its._carry_out(ACTIONS[action], Request(action, members, found.ec2, Region("us-east-1"), 1))


def code_of(call, *arguments):
    with pytest.raises(Ec2Error) as caught:
        call(*arguments)
    return caught.value.code


def test_every_action_has_a_request_here():
    assert set(REQUESTS) == set(CHANGES)


@pytest.mark.parametrize("action", CHANGES)
def test_one_request_is_one_call(action):
    found = world(action=action)
    before = found.show()
    server(found)(action, REQUESTS[action])
    assert (found.show() != before) == (action != "RebootInstances")
    assert found.ec2.call_counts == {**found.before, action: found.before.get(action, 0) + 1}
    found.ec2._check()


@pytest.mark.parametrize("effect", ["refuse", "crash-before"])
@pytest.mark.parametrize("action", CHANGES)
def test_a_request_that_does_not_arrive_changes_nothing(action, effect):
    found = world(Fault(effect, action, rate=1, from_ns=1), action=action)
    before = found.show()
    with pytest.raises((Ec2Error, Crash), match=action):
        server(found)(action, REQUESTS[action])
    assert found.show() == before


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("action", CHANGES)
def test_a_token_makes_a_request_happen_once(tokened, action, lost):
    if action not in tokened:
        return
    free, found = world(), world(*([Fault("lose-answer", action, nth=1 + world().before.get(action, 0))] if lost else []))
    members = {**REQUESTS[action], "ClientToken": "t"}
    expected = server(free)(action, members)
    ask = server(found)
    if lost:
        with pytest.raises(LostAnswer):
            ask(action, members)
        assert found.show() == free.show()
    assert ask(action, members) == expected
    assert ask(action, members) == expected
    assert found.show() == free.show()
    first, *_ = REQUESTS[action]
    assert code_of(ask, action, {**members, first: "another"}) == "IdempotentParameterMismatch"
    assert found.show() == free.show()


@pytest.mark.parametrize("action", CHANGES)
def test_a_refused_request_leaves_its_token_unused(tokened, action):
    if action not in tokened:
        return
    free, found = world(), world(Fault("refuse", action, nth=1 + world().before.get(action, 0)))
    members = {**REQUESTS[action], "ClientToken": "t"}
    ask = server(found)
    assert code_of(ask, action, members) == "RequestTimeout"
    assert ask(action, members) == server(free)(action, members)
    assert found.show() == free.show()
