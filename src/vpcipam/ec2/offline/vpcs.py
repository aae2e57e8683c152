"""Handlers of the actions on VPCs."""

import itertools
from typing import Final

from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.offline.request import PAGE, ActionHandler, Pages, Request, paged
from vpcipam.ec2.offline.views import cidr_association_view, ipv6_association_view, vpc_view
from vpcipam.ec2.offline.wire import Members
from vpcipam.ec2.state.names import zones_of


def _create(request: Request) -> Members:
    ipv6_cidr = _ipv6_cidr(request)
    vpc = request.model.create_vpc(
        request.get("CidrBlock"),
        ipv6_cidr=ipv6_cidr,
        instance_tenancy=request.get("InstanceTenancy", "default"),
        tags=request.tags("vpc"),
        now_ns=request.now_ns,
    )
    return {"Vpc": vpc_view(vpc, request.region, ipv6_state="associating")}


def _ipv6_cidr(request: Request) -> str | None:
    """Return the IPv6 CIDR that is named or provided, None if there is neither."""
    named: str | None = request.get("Ipv6CidrBlock")
    if not request.get("AmazonProvidedIpv6CidrBlock", False):
        return named
    if named is not None:
        raise request.refusal(
            ErrorCode.INVALID_PARAMETER_COMBINATION, "Ipv6CidrBlock and AmazonProvidedIpv6CidrBlock can't be used in one call"
        )
    return _provided_ipv6_cidr(request)


def _provided_ipv6_cidr(request: Request) -> str:
    """Pick a /56 that no VPC has, as EC2 does from its own blocks."""
    taken = {vpc.ipv6_cidr for vpc in request.model.vpcs}
    return next(cidr for number in itertools.count(0x100, 0x100) if (cidr := f"2600:1f18:0:{number:x}::/56") not in taken)


def _associate(request: Request) -> Members:
    ipv6_cidr, cidr = _ipv6_cidr(request), request.get("CidrBlock")
    if (ipv6_cidr is None) == (cidr is None):
        raise request.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, "Exactly one of the IPv4 and the IPv6 CIDR must be given")
    if ipv6_cidr is not None:
        vpc = request.model.associate_vpc_ipv6_cidr_block(request.get("VpcId"), ipv6_cidr, now_ns=request.now_ns)
        shown = ipv6_association_view(ipv6_cidr, vpc.ipv6_association_id, "associating")
        return {"Ipv6CidrBlockAssociation": shown, "VpcId": vpc.vpc_id}
    vpc = request.model.associate_vpc_cidr_block(request.get("VpcId"), cidr, now_ns=request.now_ns)
    return {"CidrBlockAssociation": cidr_association_view(vpc.associations[-1], state="associating"), "VpcId": vpc.vpc_id}


def _disassociate(request: Request) -> Members:
    association_id = request.get("AssociationId")
    before = {each.association_id: each for vpc in request.model.vpcs for each in vpc.associations}
    ipv6 = {vpc.ipv6_association_id: vpc.ipv6_cidr for vpc in request.model.vpcs}
    vpc = request.model.disassociate_vpc_cidr_block(association_id, now_ns=request.now_ns)
    ipv6_cidr = ipv6.get(association_id)
    if ipv6_cidr is not None:
        return {"Ipv6CidrBlockAssociation": ipv6_association_view(ipv6_cidr, association_id, "disassociating"), "VpcId": vpc.vpc_id}
    return {"CidrBlockAssociation": cidr_association_view(before[association_id], state="disassociating"), "VpcId": vpc.vpc_id}


def _create_default(request: Request) -> Members:
    vpc = request.model.create_default_vpc(availability_zones=zones_of(request.region.name), now_ns=request.now_ns)
    return {"Vpc": vpc_view(vpc, request.region)}


_ATTRIBUTES: Final = {
    "enableDnsSupport": ("EnableDnsSupport", "enable_dns_support"),
    "enableDnsHostnames": ("EnableDnsHostnames", "enable_dns_hostnames"),
    "enableNetworkAddressUsageMetrics": ("EnableNetworkAddressUsageMetrics", "enable_network_address_usage_metrics"),
}
"""The attributes of a VPC: their names in requests, in answers, and in the model."""


def _describe_attribute(request: Request) -> Members:
    attribute = request.get("Attribute")
    if attribute not in _ATTRIBUTES:
        raise request.invalid("attribute", attribute)
    (vpc,) = request.model.describe_vpcs(vpc_ids=(request.get("VpcId"),), now_ns=request.now_ns)
    member, name = _ATTRIBUTES[attribute]
    return {member: {"Value": getattr(vpc, name)}, "VpcId": vpc.vpc_id}


def _modify_attribute(request: Request) -> Members:
    changes = {name: request.get(member, {}).get("Value") for member, name in _ATTRIBUTES.values()}
    request.model.modify_vpc_attribute(request.get("VpcId"), **changes, now_ns=request.now_ns)
    return {}


def _modify_tenancy(request: Request) -> Members:
    request.model.modify_vpc_tenancy(request.get("VpcId"), request.get("InstanceTenancy"), now_ns=request.now_ns)
    return {"ReturnValue": True}


def _delete(request: Request) -> Members:
    request.model.delete_vpc(request.get("VpcId"), now_ns=request.now_ns)
    return {}


def _describe(request: Request) -> Members:
    vpcs = request.model.describe_vpcs(vpc_ids=request.texts("VpcIds"), filters=request.filters(), now_ns=request.now_ns)
    return paged(request, vpcs, into="Vpcs", key=lambda vpc: vpc.vpc_id, view=vpc_view)


ACTIONS: Final = {
    "CreateVpc": ActionHandler(
        _create,
        takes={"CidrBlock", "Ipv6CidrBlock", "AmazonProvidedIpv6CidrBlock", "InstanceTenancy", "TagSpecifications"},
        needs={"CidrBlock"},
    ),
    "AssociateVpcCidrBlock": ActionHandler(_associate, takes={"VpcId", "CidrBlock", "Ipv6CidrBlock", "AmazonProvidedIpv6CidrBlock"}),
    "DisassociateVpcCidrBlock": ActionHandler(_disassociate, takes={"AssociationId"}),
    "DeleteVpc": ActionHandler(_delete, takes={"VpcId"}),
    "CreateDefaultVpc": ActionHandler(_create_default),
    "DescribeVpcAttribute": ActionHandler(_describe_attribute, takes={"Attribute", "VpcId"}),
    "ModifyVpcAttribute": ActionHandler(_modify_attribute, takes={"VpcId", *(member for member, _ in _ATTRIBUTES.values())}),
    "ModifyVpcTenancy": ActionHandler(_modify_tenancy, takes={"VpcId", "InstanceTenancy"}),
    "DescribeVpcs": ActionHandler(_describe, takes={"VpcIds", "Filters", *PAGE}, pages=Pages(("VpcIds",))),
}
