"""Each parameter of a modelled action, and each member of one, has an effect, is refused, or is listed as without effect."""

import botocore.session
import pytest

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region, Request
from vpcipam.ec2.offline.server import ACTIONS
from vpcipam.errors import NotModelled

SERVICE = botocore.session.Session().get_service_model("ec2")
KEPT_WHOLE = {"RequestLaunchTemplateData"}  # answers show it as it is: test_launch_templates.py
OF_THE_SERVER = {"DryRun", "ClientToken"}  # test_fake_client.py sends them to each action
BESIDE = {  # what must stand beside a member, so that the request gets past the checks before it is read
    "Filters": {"Filters": [{"Name": "x", "Values": ["y"]}]},
    "PrivateIpAddresses": {"PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.9"}]},
    "Ipv6Addresses": {"Ipv6Addresses": [{"Ipv6Address": "2600::1"}]},
    "NetworkInterfaces": {
        "NetworkInterfaces": [
            {"DeviceIndex": 0, "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.9"}], "Ipv6Addresses": [{"Ipv6Address": "2600::1"}]}
        ]
    },
    "AssociateAddress": {"AllocationId": "eipalloc-1"},
    "AssociateSubnetCidrBlock": {"Ipv6CidrBlock": "2600::/64"},
    "AssociateVpcCidrBlock": {"CidrBlock": "10.0.0.0/16"},
    "CreateLaunchTemplateVersion": {"LaunchTemplateId": "lt-1"},
    "CreateSubnet": {"CidrBlock": "10.0.0.0/16"},
    "CreateVpc": {"CidrBlock": "10.0.0.0/16"},
    "DescribeLaunchTemplateVersions": {"Versions": ["$Latest"]},
    "DescribeNetworkInterfaceAttribute": {"Attribute": "groupSet"},
    "GetSubnetCidrReservations": {"SubnetId": "subnet-00000000000000001"},
    "ModifyLaunchTemplate": {"DefaultVersion": "1"},
    "ReleaseAddress": {"AllocationId": "eipalloc-1"},
    "RunInstances": {"InstanceType": "m5.large", "ImageId": "ami-1", "MinCount": 1, "MaxCount": 1},
}
TAGGED = {
    "AllocateAddress": "elastic-ip",
    "CreateLaunchTemplate": "launch-template",
    "CreateNetworkInterface": "network-interface",
    "CreateSecurityGroup": "security-group",
    "CreateSubnet": "subnet",
    "CreateSubnetCidrReservation": "subnet-cidr-reservation",
    "CreateVpc": "vpc",
    "RunInstances": "instance",
}
VALUES = {"integer": 1, "boolean": True, "timestamp": "2026-01-01T00:00:00Z"}


class Noting(dict):
    """A structure that notes which of its members are read, and those of the structures in it."""

    def __init__(self, members, read, within=""):
        self.read, self.within = read, within
        super().__init__({name: self.noting(value, f"{within}{name}.") for name, value in members.items()})

    def noting(self, value, within):
        if isinstance(value, list):
            return [self.noting(each, within) for each in value]
        return Noting(value, self.read, within) if isinstance(value, dict) else value

    def get(self, name, default=None):
        self.read.add(f"{self.within}{name}")
        return super().get(name, default)

    def __getitem__(self, name):
        self.read.add(f"{self.within}{name}")
        return super().__getitem__(name)

    def items(self):
        if self.within:  # only the checks for unknown names read all parameters at once
            self.read.update(f"{self.within}{name}" for name in self)
        return super().items()


def value_of(shape):
    if shape.type_name == "structure":
        return {}
    if shape.type_name == "list":
        return [value_of(shape.member)]
    return VALUES.get(shape.type_name, (getattr(shape, "enum", None) or ["x"])[0])


def leaves(shape, within=(), above=()):
    """The paths of all members that are no structures, with a value for each."""
    for name, member in shape.members.items():
        inner = member.member if member.type_name == "list" else member
        if inner.type_name == "structure" and inner.members and inner.name not in {*above, *KEPT_WHOLE}:
            yield from leaves(inner, (*within, (name, member.type_name)), (*above, inner.name))
        else:
            yield (*within, (name, "")), value_of(member)


def put(members, path, value):
    """Set one leaf, beside what is there."""
    (name, kind), *below = path
    if not below:
        members[name] = value
        return
    there = members.setdefault(name, [{}] if kind == "list" else {})
    put(there[0] if kind == "list" else there, below, value)


def copied(value):
    if isinstance(value, list):
        return [copied(each) for each in value]
    return {name: copied(each) for name, each in value.items()} if isinstance(value, dict) else value


def request_with(action, path, value, read, model):
    shape = SERVICE.operation_model(action).input_shape
    members = {name: value_of(shape.members[name]) for name in shape.required_members}
    members |= copied(BESIDE.get(action, {}))
    for name, _ in path[:-1]:
        members |= copied(BESIDE.get(name, {})) if name in shape.members else {}
        if name == "TagSpecifications":
            members[name] = [{"ResourceType": TAGGED[action], "Tags": [{"Key": "k", "Value": "v"}]}]
    put(members, path, value)
    return Request(action, Noting(members, read), model, Region("us-east-1"), 0, SERVICE)


@pytest.fixture(scope="module")
def account():
    model = Ec2Model()
    model.create_default_vpc()
    return model


@pytest.mark.parametrize("action", [name for name in ACTIONS if SERVICE.operation_model(name).input_shape is not None])
def test_each_parameter_is_read_refused_or_listed_as_without_effect(action, account):
    handler = ACTIONS[action]
    dropped = []
    for path, value in leaves(SERVICE.operation_model(action).input_shape):
        names = [".".join(name for name, _ in path[: depth + 1]) for depth in range(len(path))]
        if handler.ignores & set(names) or names[-1] in OF_THE_SERVER:
            continue
        read = set()
        request = request_with(action, path, value, read, account)
        try:
            handler.require_known(request, ())
            handler.answer(request)
        except NotModelled:
            continue
        except Ec2Error:
            pass
        if names[-1] not in read:
            dropped.append(names[-1])
    assert dropped == []


def test_a_parameter_that_nobody_reads_is_noticed():
    read = set()
    members = Noting({"A": [{"B": 1, "C": 2}], "D": {}}, read)
    assert members["A"][0].get("B") == 1
    assert list(members["D"].items()) == []
    assert read == {"A", "A.B", "D"}
