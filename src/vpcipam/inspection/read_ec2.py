"""Read a node from EC2 with read-only calls: DescribeInstances, DescribeNetworkInterfaces, DescribeSubnets, GetSubnetCidrReservations."""

from collections.abc import Callable, Iterable
from typing import Protocol

import attrs

from vpcipam.ec2.api import Attachment, Ec2Api, Ec2Error, ErrorCode, NetworkInterface, ReservationLister, Subnet, SubnetCidrReservation
from vpcipam.inspection.observed import ObservedNode, placed
from vpcipam.limits import InstanceLimits, instance_limits
from vpcipam.node.interfaces import DEFAULT_NETWORK_CARD, INSTANCE_TAG, discovered_subnets, is_primary, place_of

_NO_SUBNET = {ErrorCode.SUBNET_NOT_FOUND, "InvalidSubnetId.Malformed"}


_DENIED = {ErrorCode.UNAUTHORIZED, "AccessDenied", "AccessDeniedException"}


class InspectedEc2(Ec2Api, ReservationLister, Protocol):
    """EC2, or a model of it, that lists CIDR reservations."""


def read_node(
    ec2: InspectedEc2, instance_id: str, *, now_ns: int, find_limits: Callable[[str], InstanceLimits] = instance_limits
) -> ObservedNode:
    """Read an instance, its ENIs, its subnets, all ENIs and reservations in these, and the leaked ENIs of the instance and in them.

    Without the permission for GetSubnetCidrReservations, the reservations stay unknown.

    Args:
        ec2: EC2, or a model of it. Throttled calls are retried only if `ec2` itself retries them.
        instance_id: the node's instance.
        now_ns: the time of the calls.
        find_limits: looks up the limits of a type by name; by default in the library's table.

    Raises:
        Ec2Error: EC2 refused a call; InvalidInstanceID.NotFound if the instance is unknown or terminated.
        UnknownInstanceType: `find_limits` does not find the type.
    """
    instance = ec2.describe_instance(instance_id, now_ns=now_ns)
    limits = find_limits(instance.instance_type)
    found = ec2.describe_network_interfaces(instance_id=instance_id, now_ns=now_ns)
    enis = tuple(sorted((_attached(eni, instance_id) for eni in found), key=place_of))
    left_behind = {f"tag:{INSTANCE_TAG}": (instance_id,), "status": ("available",)}
    subnets = _read_subnets(ec2, instance.vpc_id, enis, now_ns)
    unattached = {eni.eni_id: eni for eni in ec2.describe_network_interfaces(filters=left_behind, now_ns=now_ns)}
    neighbours = _read_neighbours(ec2, enis, subnets, now_ns)
    for eni in (eni for of_subnet in neighbours.values() for eni in of_subnet):
        if eni.status == "available" and eni.tag(INSTANCE_TAG) is not None:
            unattached.setdefault(eni.eni_id, eni)
    return ObservedNode(
        instance=instance,
        limits=limits,
        enis=enis,
        unattached=tuple(unattached[eni_id] for eni_id in sorted(unattached)),
        subnets=subnets,
        enis_by_subnet=neighbours,
        read_ns=now_ns,
        reservations=read_reservations(ec2, neighbours, now_ns),
    )


def read_reservations(ec2: ReservationLister, subnet_ids: Iterable[str], now_ns: int) -> tuple[SubnetCidrReservation, ...] | None:
    """Read the CIDR reservations of subnets, with a call for each; None without the permission. An unknown subnet has none."""
    found: list[SubnetCidrReservation] = []
    for subnet_id in subnet_ids:
        try:
            found += ec2.get_subnet_cidr_reservations(subnet_id, now_ns=now_ns)
        except Ec2Error as error:
            if error.code in _DENIED:
                return None
            if error.code not in _NO_SUBNET:
                raise
    return tuple(found)


def _attached(eni: NetworkInterface, instance_id: str) -> NetworkInterface:
    """Return an ENI of the instance; if its attachment is unreadable, with one at an unknown place."""
    if eni.attachment is not None:
        return eni
    unknown = Attachment("", instance_id, device_index=-1, network_card_index=DEFAULT_NETWORK_CARD, delete_on_termination=True)
    return attrs.evolve(eni, attachment=unknown, unreadable=(*eni.unreadable, "Attachment.InstanceId"))


def _read_subnets(ec2: Ec2Api, vpc_id: str, enis: Iterable[NetworkInterface], now_ns: int) -> tuple[Subnet, ...]:
    """Read the subnets of the VPC, and those of the node's ENIs in other VPCs; EC2 allows such ENIs."""
    of_vpc = ec2.describe_subnets(vpc_id=vpc_id, now_ns=now_ns)
    elsewhere = {eni.subnet_id for eni in enis if eni.subnet_id} - {subnet.subnet_id for subnet in of_vpc}
    others = [subnet for subnet_id in sorted(elsewhere) for subnet in _read_subnet(ec2, subnet_id, now_ns)]
    return tuple(sorted((*of_vpc, *others), key=lambda subnet: subnet.subnet_id))


def _read_subnet(ec2: Ec2Api, subnet_id: str, now_ns: int) -> tuple[Subnet, ...]:
    """Read a subnet, none if EC2 does not know it; a rule of the audit reports that."""
    try:
        return ec2.describe_subnets(subnet_ids=(subnet_id,), now_ns=now_ns)
    except Ec2Error as error:
        if error.code not in _NO_SUBNET:
            raise
        return ()


def _read_neighbours(
    ec2: Ec2Api, enis: tuple[NetworkInterface, ...], subnets: tuple[Subnet, ...], now_ns: int
) -> dict[str, tuple[NetworkInterface, ...]]:
    """Read all ENIs in the subnets of the node's ENIs and in those that its ipamd may use, whatever its CLUSTER_NAME, in one call."""
    candidates = (discovered_subnets(subnets, placed(eni, subnets), cluster_name="") for eni in enis if is_primary(eni))
    wanted = {eni.subnet_id for eni in enis} | {subnet.subnet_id for found in candidates for subnet in found}
    if not wanted:
        return {}
    found = ec2.describe_network_interfaces(filters={"subnet-id": sorted(wanted)}, now_ns=now_ns)
    return {subnet_id: tuple(eni for eni in found if eni.subnet_id == subnet_id) for subnet_id in sorted(wanted)}
