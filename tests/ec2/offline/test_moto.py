"""The offline client against moto, call by call, where moto is right: plain secondary IPs, in a subnet that is not full."""

import os
import runpy
import warnings
from pathlib import Path
from types import SimpleNamespace

import boto3
import hypothesis.strategies as st
import pytest
from botocore.exceptions import ClientError
from hypothesis import assume, given, settings
from moto import mock_aws

from vpcipam.ec2.fake import fake_client
from vpcipam.ec2.model import Ec2Model

REPOSITORY = Path(__file__).parents[3]
CREDENTIALS = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}


@pytest.fixture(scope="module")
def both():
    """A function: ours and moto's side, each with a VPC of its own. Moto takes seconds to start, so it is started once."""
    with mock_aws():
        motos = boto3.client("ec2", region_name="us-east-1", **CREDENTIALS)
        yield lambda: (Side(fake_client("ec2", Ec2Model())), Side(motos))


class Side:
    """One client, the things made with it in their order, and what it answers, with ids as their places in that order."""

    def __init__(self, client):
        self.client = client
        self.enis = []
        self.vpc_id = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = client.create_subnet(VpcId=self.vpc_id, CidrBlock="10.0.0.0/20", AvailabilityZone="us-east-1a")["Subnet"]
        self.subnet_id = subnet["SubnetId"]
        self.instance_id = None

    def launch(self):
        """Start an instance; moto needs one of its own images."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # moto: of images that are not in its list
            answer = self.client.run_instances(
                MinCount=1, MaxCount=1, InstanceType="m5.large", SubnetId=self.subnet_id, ImageId="ami-12c6146b"
            )
        self.instance_id = answer["Instances"][0]["InstanceId"]

    def create(self, count):
        """Create an ENI with a number of secondary IPs."""
        more = {"SecondaryPrivateIpAddressCount": count} if count else {}
        eni = self.client.create_network_interface(SubnetId=self.subnet_id, Description=f"eni {count}", **more)["NetworkInterface"]
        self.enis.append(eni["NetworkInterfaceId"])
        return self.facts(eni)

    def assign(self, number, count):
        """Add secondary IPs."""
        eni_id = self.enis[number % len(self.enis)]
        self.client.assign_private_ip_addresses(NetworkInterfaceId=eni_id, SecondaryPrivateIpAddressCount=count)
        return self.describe(eni_id)

    def unassign(self, number, count):
        """Unassign secondary IPs."""
        eni_id = self.enis[number % len(self.enis)]
        (eni,) = self.client.describe_network_interfaces(NetworkInterfaceIds=[eni_id])["NetworkInterfaces"]
        addresses = [each["PrivateIpAddress"] for each in eni["PrivateIpAddresses"] if not each["Primary"]][:count]
        if addresses:
            self.client.unassign_private_ip_addresses(NetworkInterfaceId=eni_id, PrivateIpAddresses=addresses)
        return self.describe(eni_id)

    def attach(self, number):
        """Attach an ENI at device index 1 of the instance, take a look, and detach it again."""
        eni_id = self.enis[number % len(self.enis)]
        if self.instance_id is None:
            self.launch()
        attachment_id = self.client.attach_network_interface(NetworkInterfaceId=eni_id, InstanceId=self.instance_id, DeviceIndex=1)[
            "AttachmentId"
        ]
        attached = self.describe(eni_id)
        self.client.detach_network_interface(AttachmentId=attachment_id)
        return attached, self.describe(eni_id)

    def delete(self, number):
        """Delete an ENI, and look for it."""
        eni_id = self.enis.pop(number % len(self.enis))
        self.client.delete_network_interface(NetworkInterfaceId=eni_id)
        with pytest.raises(ClientError) as caught:
            self.client.describe_network_interfaces(NetworkInterfaceIds=[eni_id])
        return caught.value.response["Error"]["Code"]

    def describe(self, eni_id):
        (eni,) = self.client.describe_network_interfaces(NetworkInterfaceIds=[eni_id])["NetworkInterfaces"]
        return self.facts(eni)

    def facts(self, eni):
        """The part of an ENI that both must show alike. The chosen addresses can differ: moto's are random."""
        addresses = [each["PrivateIpAddress"] for each in eni["PrivateIpAddresses"]]
        if self.client.meta.endpoint_url.endswith(".invalid"):
            assert len(set(addresses)) == len(addresses)
        else:
            assume(len(set(addresses)) == len(addresses))  # moto draws at random and may draw one twice, which is not where it is right
        assert [each["Primary"] for each in eni["PrivateIpAddresses"]].count(True) == 1
        return SimpleNamespace(
            number=self.enis.index(eni["NetworkInterfaceId"]) if eni["NetworkInterfaceId"] in self.enis else None,
            address_count=len(addresses),
            status=eni["Status"],
            description=eni["Description"],
            zone=eni["AvailabilityZone"],
            vpc=eni["VpcId"] == self.vpc_id,
            subnet=eni["SubnetId"] == self.subnet_id,
            device_index=eni.get("Attachment", {}).get("DeviceIndex"),
        )


STEPS = st.one_of(
    st.tuples(st.just("create"), st.integers(0, 5)),
    st.tuples(st.just("assign"), st.integers(0, 5), st.integers(1, 4)),
    st.tuples(st.just("unassign"), st.integers(0, 5), st.integers(1, 4)),
    st.tuples(st.just("attach"), st.integers(0, 5)),
    st.tuples(st.just("delete"), st.integers(0, 5)),
)


@pytest.mark.thorough
@given(steps=st.lists(STEPS, min_size=1, max_size=8))
@settings(settings(), max_examples=max(10, settings().max_examples // 10))
def test_plain_secondary_ips_are_as_in_moto(both, steps):
    ours, motos = both()
    for name, *arguments in (("create", 1), *steps):
        if name != "create" and not ours.enis:
            continue
        assert getattr(ours, name)(*arguments) == getattr(motos, name)(*arguments)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("delete_network_interface", {"NetworkInterfaceId": "eni-00000000000000009"}),
        ("describe_network_interfaces", {"NetworkInterfaceIds": ["eni-00000000000000009"]}),
        ("describe_subnets", {"SubnetIds": ["subnet-00000000000000009"]}),
        ("delete_vpc", {"VpcId": "vpc-00000000000000009"}),
        ("describe_instances", {"InstanceIds": ["i-00000000000000009"]}),
        ("describe_instance_types", {"InstanceTypes": ["m5.larch"]}),
    ],
)
def test_a_missing_resource_has_the_error_code_of_moto(both, method, arguments):
    codes = []
    for side in both():
        with pytest.raises(ClientError) as caught:
            getattr(side.client, method)(**arguments)
        codes.append(caught.value.response["Error"]["Code"])
    assert codes[0] == codes[1]


@pytest.mark.thorough
def test_the_page_about_moto_shows_what_its_program_prints(capsys):
    figures = runpy.run_path(str(REPOSITORY / "tools" / "figures.py"))
    (figure,) = figures["figures_of"]((REPOSITORY / "docs" / "moto.md").read_text(encoding="utf-8"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", os.environ.copy())
        with warnings.catch_warnings():
            runpy.run_path(str(REPOSITORY / "examples" / "compare_with_moto.py"), run_name="__main__")
    assert figures["table"](capsys.readouterr().out) == figures["table"](figure["output"])


def test_a_prefix_is_never_ignored():
    """Moto ignores Ipv4PrefixCount; here the prefix is on the ENI and in the subnet's count."""
    ours = Side(fake_client("ec2", Ec2Model()))
    eni = ours.client.create_network_interface(SubnetId=ours.subnet_id, Ipv4PrefixCount=1)["NetworkInterface"]
    assert [each["Ipv4Prefix"] for each in eni["Ipv4Prefixes"]] == ["10.0.0.16/28"]
    (subnet,) = ours.client.describe_subnets()["Subnets"]
    assert subnet["AvailableIpAddressCount"] == 4096 - 5 - 1 - 16


def test_no_address_is_assigned_twice():
    """20 ENIs with 10 addresses each in a /24 have 200 distinct ones here; moto's random draws can collide."""
    ours = Side(fake_client("ec2", Ec2Model()))
    subnet_id = ours.client.create_subnet(VpcId=ours.vpc_id, CidrBlock="10.0.16.0/24")["Subnet"]["SubnetId"]
    for _ in range(20):
        ours.client.create_network_interface(SubnetId=subnet_id, SecondaryPrivateIpAddressCount=9)
    shown = [eni for eni in ours.client.describe_network_interfaces()["NetworkInterfaces"] if eni["SubnetId"] == subnet_id]
    addresses = [each["PrivateIpAddress"] for eni in shown for each in eni["PrivateIpAddresses"]]
    assert len(set(addresses)) == len(addresses) == 200
