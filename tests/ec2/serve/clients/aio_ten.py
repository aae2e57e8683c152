"""Ten clients of aioboto3 at once, first over HTTP, then in this process: each creates ENIs with prefixes and deletes half of them."""

import asyncio
import json
import sys

import aioboto3

from vpcipam.ec2.fake import offline_ec2

SESSION = aioboto3.Session()


async def work(subnet_id, **options):
    async with SESSION.client("ec2", **options) as client:
        kept = []
        for number in range(6):
            made = await client.create_network_interface(SubnetId=subnet_id, Ipv4PrefixCount=1)
            eni = made["NetworkInterface"]
            if number % 2:
                await client.delete_network_interface(NetworkInterfaceId=eni["NetworkInterfaceId"])
            else:
                kept.append(eni["Ipv4Prefixes"][0]["Ipv4Prefix"])
        return kept


async def main(url):
    options = {"endpoint_url": url, "region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}
    async with SESSION.resource("ec2", **options) as ec2:
        vpc = await ec2.create_vpc(CidrBlock="10.7.0.0/16")
        subnet = await vpc.create_subnet(CidrBlock="10.7.0.0/20")
        kept = await asyncio.gather(*(work(subnet.id, **options) for _ in range(10)))
        return [prefix for each in kept for prefix in each]


async def offline():
    with offline_ec2() as model:
        async with SESSION.resource("ec2") as ec2:
            vpc = await ec2.create_vpc(CidrBlock="10.7.0.0/16")
            subnet = await vpc.create_subnet(CidrBlock="10.7.0.0/20")
            kept = await asyncio.gather(*(work(subnet.id) for _ in range(10)))
        model._check()
        return [prefix for each in kept for prefix in each]


json.dump({"http": asyncio.run(main(sys.argv[1])), "offline": asyncio.run(offline())}, sys.stdout)
