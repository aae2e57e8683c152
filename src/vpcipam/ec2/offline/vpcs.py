"""Handlers of the actions on VPCs."""

import itertools
from typing import Final

from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.offline.request import PAGE, ActionHandler, Request, paged
from vpcipam.ec2.offline.views import cidr_association_view, vpc_view
from vpcipam.ec2.offline.wire import Members


def _create(request: Request) -> Members:
    ipv6_cidr = request.get("Ipv6CidrBlock")
    if request.get("AmazonProvidedIpv6CidrBlock", False):
        if ipv6_cidr is not None:
            raise request.refusal(
                ErrorCode.INVALID_PARAMETER_COMBINATION, "Ipv6CidrBlock and AmazonProvidedIpv6CidrBlock can't be used in one call"
            )
        ipv6_cidr = _provided_ipv6_cidr(request)
    vpc = request.model.create_vpc(request.get("CidrBlock"), ipv6_cidr=ipv6_cidr, tags=request.tags("vpc"), now_ns=request.now_ns)
    return {"Vpc": vpc_view(vpc, request.region)}


def _provided_ipv6_cidr(request: Request) -> str:
    """Pick a /56 that no VPC has, as EC2 does from its own blocks."""
    taken = {vpc.ipv6_cidr for vpc in request.model.vpcs}
    return next(cidr for number in itertools.count(0x100, 0x100) if (cidr := f"2600:1f18:0:{number:x}::/56") not in taken)


def _associate(request: Request) -> Members:
    vpc = request.model.associate_vpc_cidr_block(request.get("VpcId"), request.get("CidrBlock"), now_ns=request.now_ns)
    return {"CidrBlockAssociation": cidr_association_view(vpc.associations[-1]), "VpcId": vpc.vpc_id}


def _disassociate(request: Request) -> Members:
    association_id = request.get("AssociationId")
    before = {each.association_id: each for vpc in request.model.vpcs for each in vpc.associations}
    vpc = request.model.disassociate_vpc_cidr_block(association_id, now_ns=request.now_ns)
    return {"CidrBlockAssociation": cidr_association_view(before[association_id], state="disassociating"), "VpcId": vpc.vpc_id}


def _delete(request: Request) -> Members:
    request.model.delete_vpc(request.get("VpcId"), now_ns=request.now_ns)
    return {}


def _describe(request: Request) -> Members:
    vpcs = request.model.describe_vpcs(vpc_ids=request.texts("VpcIds"), filters=request.filters(), now_ns=request.now_ns)
    return paged(request, vpcs, into="Vpcs", key=lambda vpc: vpc.vpc_id, view=vpc_view, names="VpcIds")


ACTIONS: Final = {
    "CreateVpc": ActionHandler(
        _create,
        takes={"CidrBlock", "Ipv6CidrBlock", "AmazonProvidedIpv6CidrBlock", "TagSpecifications"},
        ignores={"InstanceTenancy"},
        needs={"CidrBlock"},
    ),
    "AssociateVpcCidrBlock": ActionHandler(_associate, takes={"VpcId", "CidrBlock"}, needs={"CidrBlock"}),
    "DisassociateVpcCidrBlock": ActionHandler(_disassociate, takes={"AssociationId"}),
    "DeleteVpc": ActionHandler(_delete, takes={"VpcId"}),
    "DescribeVpcs": ActionHandler(_describe, takes={"VpcIds", "Filters", *PAGE}),
}
