"""Ask moto and vpcipam the same questions, through the same boto3 calls, and print a table: docs/moto.md shows it.

python examples/compare_with_moto.py
"""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from vpcipam import Ec2Model
from vpcipam.ec2 import Conditions
from vpcipam.ec2.fake import fake_client
from vpcipam.ec2.throttle import Throttle

os.environ |= {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
warnings.simplefilter("ignore")  # moto warns of images that it doesn't know
MOST_CALLS = 150


class Side:
    """A client with an account of its own: a VPC and a subnet, a /24 unless a question needs another."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - boto3's clients have no common type
        self.client = client
        self.vpc_id = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnet_id = self.subnet("10.0.1.0/24")

    def subnet(self, cidr: str) -> str:
        """Create a subnet."""
        made = self.client.create_subnet(VpcId=self.vpc_id, CidrBlock=cidr, AvailabilityZone="us-east-1a")
        return made["Subnet"]["SubnetId"]

    def eni(self, subnet_id: str | None = None, **wanted: object) -> dict[str, Any]:
        """Create an ENI."""
        return self.client.create_network_interface(SubnetId=subnet_id or self.subnet_id, **wanted)["NetworkInterface"]

    def free(self, subnet_id: str | None = None) -> int:
        """Return the free addresses that a subnet shows."""
        (subnet,) = self.client.describe_subnets(SubnetIds=[subnet_id or self.subnet_id])["Subnets"]
        return subnet["AvailableIpAddressCount"]

    def instance(self) -> str:
        """Launch an m5.large."""
        launched = self.client.run_instances(
            MinCount=1, MaxCount=1, ImageId="ami-12c6146b", InstanceType="m5.large", SubnetId=self.subnet_id
        )
        return launched["Instances"][0]["InstanceId"]


def prefixes_of_a_new_eni(side: Side) -> object:
    """Count the prefixes of an ENI that is created with two."""
    return len(side.eni(Ipv4PrefixCount=2).get("Ipv4Prefixes", []))


def free_beside_prefixes(side: Side) -> object:
    """Create an ENI with two prefixes, and see what is left."""
    side.eni(Ipv4PrefixCount=2)
    return side.free()


def more_prefixes(side: Side) -> object:
    """Add two prefixes to an ENI, and count those that it has."""
    eni_id = side.eni()["NetworkInterfaceId"]
    side.client.assign_private_ip_addresses(NetworkInterfaceId=eni_id, Ipv4PrefixCount=2)
    (eni,) = side.client.describe_network_interfaces(NetworkInterfaceIds=[eni_id])["NetworkInterfaces"]
    return len(eni.get("Ipv4Prefixes", []))


def enis_on_an_instance(side: Side) -> object:
    """Attach five more ENIs; an m5.large takes three in all."""
    instance_id = side.instance()
    for index in range(1, 6):
        eni_id = side.eni()["NetworkInterfaceId"]
        side.client.attach_network_interface(NetworkInterfaceId=eni_id, InstanceId=instance_id, DeviceIndex=index)
    return "5 more are attached"


def addresses_of_an_attached_eni(side: Side) -> object:
    """Assign 20 addresses; an ENI of an m5.large takes ten."""
    eni_id = side.client.describe_instances(InstanceIds=[side.instance()])["Reservations"][0]["Instances"][0]["NetworkInterfaces"][0][
        "NetworkInterfaceId"
    ]
    side.client.assign_private_ip_addresses(NetworkInterfaceId=eni_id, SecondaryPrivateIpAddressCount=20)
    return "20 are assigned"


def a_full_subnet(side: Side) -> object:
    """Create 20 ENIs; a /28 has eleven addresses."""
    subnet_id = side.subnet("10.0.2.0/28")
    for _ in range(20):
        side.eni(subnet_id)
    return f"20 ENIs, {side.free(subnet_id)} free"


def one_address_twice(side: Side) -> object:
    """Name one address for two ENIs."""
    for _ in range(2):
        side.eni(PrivateIpAddress="10.0.1.9")
    return "both have it"


def an_address_that_ec2_keeps(side: Side) -> object:
    """Name the second address of the subnet."""
    return side.eni(PrivateIpAddress="10.0.1.1")["PrivateIpAddress"]


def a_prefix_from_a_reservation(side: Side) -> object:
    """Reserve a range for prefixes, and see whether a prefix is from it."""
    side.client.create_subnet_cidr_reservation(SubnetId=side.subnet_id, Cidr="10.0.1.64/26", ReservationType="prefix")
    prefixes = side.eni(Ipv4PrefixCount=1).get("Ipv4Prefixes", [])
    return prefixes[0]["Ipv4Prefix"] if prefixes else "none"


def a_group_of_another_vpc(side: Side) -> object:
    """Give an ENI a security group of another VPC."""
    other = side.client.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    group_id = side.client.create_security_group(GroupName="a", Description="a", VpcId=other)["GroupId"]
    side.eni(Groups=[group_id])
    return "the ENI has it"


def many_calls(side: Side) -> object:
    """Create ENIs as fast as possible."""
    for _ in range(MOST_CALLS):
        side.eni()
    return f"{MOST_CALLS} of {MOST_CALLS} succeed"


QUESTIONS: dict[str, Callable[[Side], object]] = {
    "prefixes of an ENI that is created with two": prefixes_of_a_new_eni,
    "free addresses of the /24 then": free_beside_prefixes,
    "prefixes after AssignPrivateIpAddresses of two": more_prefixes,
    "ENIs beyond the limit of an m5.large": enis_on_an_instance,
    "addresses beyond the limit of its ENI": addresses_of_an_attached_eni,
    "20 ENIs in a /28": a_full_subnet,
    "one address for two ENIs": one_address_twice,
    "the router's address for an ENI": an_address_that_ec2_keeps,
    "a prefix where 10.0.1.64/26 is reserved for prefixes": a_prefix_from_a_reservation,
    "a security group of another VPC": a_group_of_another_vpc,
    f"{MOST_CALLS} calls of CreateNetworkInterface in a row": many_calls,
}


def outcome(ask: Callable[[Side], object], client: object) -> str:
    """Return what a question comes to: an answer, EC2's error code, or what the client raises."""
    try:
        return str(ask(Side(client)))
    except ClientError as error:
        return error.response["Error"]["Code"]
    except NotImplementedError:  # an action that moto or vpcipam lacks
        return "NotImplementedError"


@contextmanager
def motos() -> Iterator[object]:
    """Make a client that moto answers."""
    with mock_aws():
        yield boto3.client("ec2", region_name="us-east-1")


def ours() -> object:
    """Make a client that a model with EC2's throttling answers."""
    return fake_client("ec2", Ec2Model(conditions=Conditions(throttle=Throttle())), config=Config(retries={"total_max_attempts": 1}))


def main() -> None:
    """Print the table."""
    print("| question | moto | vpcipam |")
    print("| --- | --- | --- |")
    for question, ask in QUESTIONS.items():
        with motos() as client:
            theirs = outcome(ask, client)
        print(f"| {question} | {theirs} | {outcome(ask, ours())} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
