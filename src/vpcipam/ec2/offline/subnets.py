"""Handlers of the actions on subnets and on their CIDR reservations."""

from typing import Final

from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.offline.request import PAGE, ActionHandler, Pages, Request, paged
from vpcipam.ec2.offline.views import ipv6_association_view, reservation_view, subnet_view
from vpcipam.ec2.offline.wire import Members
from vpcipam.ec2.state.names import zone_id, zones_of


def _create(request: Request) -> Members:
    if "CidrBlock" not in request.members:
        raise request.refusal(ErrorCode.MISSING_PARAMETER, "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided; give CidrBlock.")
    subnet = request.model.create_subnet(
        request.get("VpcId"),
        request.get("CidrBlock"),
        availability_zone=_zone(request),
        ipv6_cidr=request.get("Ipv6CidrBlock"),
        tags=request.tags("subnet"),
        now_ns=request.now_ns,
    )
    return {"Subnet": subnet_view(subnet, request.region, ipv6_state="associating")}


def _create_default(request: Request) -> Members:
    subnet = request.model.create_default_subnet(_zone(request), now_ns=request.now_ns)
    return {"Subnet": subnet_view(subnet, request.region)}


def _associate(request: Request) -> Members:
    cidr = request.get("Ipv6CidrBlock")
    if cidr is None:
        raise request.missing("Ipv6CidrBlock")
    subnet = request.model.associate_subnet_cidr_block(request.get("SubnetId"), cidr, now_ns=request.now_ns)
    shown = ipv6_association_view(cidr, subnet.ipv6_association_id, "associating")
    return {"Ipv6CidrBlockAssociation": shown, "SubnetId": subnet.subnet_id}


def _disassociate(request: Request) -> Members:
    before = request.model.disassociate_subnet_cidr_block(request.get("AssociationId"), now_ns=request.now_ns)
    shown = ipv6_association_view(before.ipv6_cidr or "", before.ipv6_association_id, "disassociating")
    return {"Ipv6CidrBlockAssociation": shown, "SubnetId": before.subnet_id}


def _modify(request: Request) -> Members:
    request.model.modify_subnet_attribute(
        request.get("SubnetId"),
        map_public_ip_on_launch=request.get("MapPublicIpOnLaunch", {}).get("Value"),
        assign_ipv6_address_on_creation=request.get("AssignIpv6AddressOnCreation", {}).get("Value"),
        now_ns=request.now_ns,
    )
    return {}


def _zone(request: Request) -> str:
    """Return the requested zone, given by name or id; by default the region's first one."""
    zones = zones_of(request.region.name)
    for parameter, name_of in (("AvailabilityZoneId", zone_id), ("AvailabilityZone", str)):
        wanted = request.get(parameter)
        if wanted is not None:
            found = next((zone for zone in zones if name_of(zone) == wanted), None)
            if found is None:
                raise request.refusal(
                    ErrorCode.INVALID_PARAMETER_VALUE,
                    f"Value ({wanted}) for parameter {parameter[0].lower()}{parameter[1:]} is invalid. Subnets can currently only be "
                    f"created in the following availability zones: {', '.join(map(name_of, zones))}.",
                )
            return found
    return zones[0]


def _delete(request: Request) -> Members:
    request.model.delete_subnet(request.get("SubnetId"), now_ns=request.now_ns)
    return {}


def _describe(request: Request) -> Members:
    subnets = request.model.describe_subnets(subnet_ids=request.texts("SubnetIds"), filters=request.filters(), now_ns=request.now_ns)
    return paged(request, subnets, into="Subnets", key=lambda subnet: subnet.subnet_id, view=subnet_view)


def _create_reservation(request: Request) -> Members:
    reservation = request.model.create_subnet_cidr_reservation(
        request.get("SubnetId"),
        request.get("Cidr"),
        reservation_type=request.get("ReservationType"),
        description=request.get("Description", ""),
        tags=request.tags("subnet-cidr-reservation"),
        now_ns=request.now_ns,
    )
    return {"SubnetCidrReservation": reservation_view(reservation, request.region)}


def _delete_reservation(request: Request) -> Members:
    reservation = request.model.delete_subnet_cidr_reservation(request.get("SubnetCidrReservationId"), now_ns=request.now_ns)
    return {"DeletedSubnetCidrReservation": reservation_view(reservation, request.region)}


def _get_reservations(request: Request) -> Members:
    reservations = request.model.get_subnet_cidr_reservations(request.get("SubnetId"), filters=request.filters(), now_ns=request.now_ns)
    page = paged(request, reservations, into="all", key=lambda each: each.reservation_id, view=reservation_view)
    return {
        "SubnetIpv4CidrReservations": [each for each in page["all"] if ":" not in each["Cidr"]],
        "SubnetIpv6CidrReservations": [each for each in page["all"] if ":" in each["Cidr"]],
        "NextToken": page["NextToken"],
    }


ACTIONS: Final = {
    "CreateSubnet": ActionHandler(
        _create, takes={"VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId", "Ipv6CidrBlock", "TagSpecifications"}
    ),
    "CreateDefaultSubnet": ActionHandler(_create_default, takes={"AvailabilityZone", "AvailabilityZoneId"}),
    "AssociateSubnetCidrBlock": ActionHandler(_associate, takes={"SubnetId", "Ipv6CidrBlock"}),
    "DisassociateSubnetCidrBlock": ActionHandler(_disassociate, takes={"AssociationId"}),
    "ModifySubnetAttribute": ActionHandler(_modify, takes={"SubnetId", "MapPublicIpOnLaunch", "AssignIpv6AddressOnCreation"}),
    "DeleteSubnet": ActionHandler(_delete, takes={"SubnetId"}),
    "DescribeSubnets": ActionHandler(_describe, takes={"SubnetIds", "Filters", *PAGE}, pages=Pages(("SubnetIds",))),
    "CreateSubnetCidrReservation": ActionHandler(
        _create_reservation, takes={"SubnetId", "Cidr", "ReservationType", "Description", "TagSpecifications"}
    ),
    "DeleteSubnetCidrReservation": ActionHandler(_delete_reservation, takes={"SubnetCidrReservationId"}),
    "GetSubnetCidrReservations": ActionHandler(_get_reservations, takes={"SubnetId", "Filters", *PAGE}, pages=Pages()),
}
