"""Test boto3 code that handles prefixes, without AWS. Copy this file to a folder outside the clone, and run pytest there."""

import pytest

from vpcipam import Ec2Model
from vpcipam.ec2.fake import fake_client


def test_a_27_holds_no_prefix() -> None:
    """A /27 has two /28s, and EC2 reserves addresses in both."""
    model = Ec2Model()
    subnet = model.create_subnet(model.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/27")
    client = fake_client("ec2", model)  # a real boto3 client that your code can use
    eni = client.create_network_interface(SubnetId=subnet.subnet_id)["NetworkInterface"]
    with pytest.raises(client.exceptions.ClientError, match="InsufficientCidrBlocks"):
        client.assign_private_ip_addresses(NetworkInterfaceId=eni["NetworkInterfaceId"], Ipv4PrefixCount=1)
