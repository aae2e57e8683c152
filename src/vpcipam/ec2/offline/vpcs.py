"""The actions of VPCs and subnets."""

from typing import Final

from vpcipam.ec2.api import Subnet
from vpcipam.ec2.offline.request import Action, Request, paged
from vpcipam.ec2.offline.views import cidr_association_view, subnet_view, vpc_view
from vpcipam.ec2.offline.wire import Members


def _create_vpc(request: Request) -> Members:
    vpc = request.model.create_vpc(request.get("CidrBlock"), ipv6_cidr=request.get("Ipv6CidrBlock"), now_ns=request.now_ns)
    return {"Vpc": vpc_view(vpc, request.region)}


def _associate(request: Request) -> Members:
    vpc = request.model.associate_vpc_cidr_block(request.get("VpcId"), request.get("CidrBlock"), now_ns=request.now_ns)
    return {"CidrBlockAssociation": cidr_association_view(vpc, vpc.cidrs[-1]), "VpcId": vpc.vpc_id}


def _delete_vpc(request: Request) -> Members:
    request.model.delete_vpc(request.get("VpcId"), now_ns=request.now_ns)
    return {}


def _create_subnet(request: Request) -> Members:
    subnet = request.model.create_subnet(
        request.get("VpcId"),
        request.get("CidrBlock"),
        availability_zone=request.get("AvailabilityZone", f"{request.region.name}a"),
        ipv6_cidr=request.get("Ipv6CidrBlock"),
        tags=request.tags("subnet"),
        now_ns=request.now_ns,
    )
    return {"Subnet": subnet_view(subnet, request.region)}


def _delete_subnet(request: Request) -> Members:
    request.model.delete_subnet(request.get("SubnetId"), now_ns=request.now_ns)
    return {}


def _describe_subnets(request: Request) -> Members:
    filters = request.filters()
    vpc_ids = filters.pop("vpc-id", (None,))
    if filters or len(vpc_ids) > 1:
        raise request.not_modelled(f"filtering by {', '.join(filters)}")
    subnets = request.model.describe_subnets(subnet_ids=request.texts("SubnetIds"), vpc_id=vpc_ids[0], now_ns=request.now_ns)
    return paged(
        request, subnets, into="Subnets", key=_subnet_id, view=lambda subnet: subnet_view(subnet, request.region), names="SubnetIds"
    )


def _subnet_id(subnet: Subnet) -> str:
    return subnet.subnet_id


ACTIONS: Final = {
    "CreateVpc": Action(_create_vpc, takes={"CidrBlock", "Ipv6CidrBlock"}, accepts={"InstanceTenancy"}),
    "AssociateVpcCidrBlock": Action(_associate, takes={"VpcId", "CidrBlock"}),
    "DeleteVpc": Action(_delete_vpc, takes={"VpcId"}),
    "CreateSubnet": Action(_create_subnet, takes={"VpcId", "CidrBlock", "AvailabilityZone", "Ipv6CidrBlock", "TagSpecifications"}),
    "DeleteSubnet": Action(_delete_subnet, takes={"SubnetId"}),
    "DescribeSubnets": Action(_describe_subnets, takes={"SubnetIds", "Filters", "MaxResults", "NextToken"}),
}
