"""Read a node from EC2 with read-only calls: DescribeInstances, DescribeNetworkInterfaces, DescribeSubnets."""

from collections.abc import Callable, Iterable

from vpcipam.ec2.api import Ec2Api, NetworkInterface, Subnet
from vpcipam.inspection.observed import ObservedNode
from vpcipam.limits import InstanceLimits, instance_limits
from vpcipam.node.interfaces import INSTANCE_TAG, discovered_subnets, is_primary, place_of


def read_node(
    ec2: Ec2Api, instance_id: str, *, now_ns: int, find_limits: Callable[[str], InstanceLimits] = instance_limits
) -> ObservedNode:
    """Read an instance, its ENIs, its leaked ENIs, its subnets, and all ENIs in these.

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
    enis = tuple(sorted(ec2.describe_network_interfaces(instance_id=instance_id, now_ns=now_ns), key=place_of))
    left_behind = {f"tag:{INSTANCE_TAG}": (instance_id,), "status": ("available",)}
    subnets = _read_subnets(ec2, instance.vpc_id, enis, now_ns)
    return ObservedNode(
        instance=instance,
        limits=limits,
        enis=enis,
        unattached=ec2.describe_network_interfaces(filters=left_behind, now_ns=now_ns),
        subnets=subnets,
        enis_by_subnet=_read_neighbours(ec2, enis, subnets, now_ns),
        read_ns=now_ns,
    )


def _read_subnets(ec2: Ec2Api, vpc_id: str, enis: Iterable[NetworkInterface], now_ns: int) -> tuple[Subnet, ...]:
    """Read the subnets of the VPC, and those of the node's ENIs in other VPCs; EC2 allows such ENIs."""
    of_vpc = ec2.describe_subnets(vpc_id=vpc_id, now_ns=now_ns)
    elsewhere = {eni.subnet_id for eni in enis} - {subnet.subnet_id for subnet in of_vpc}
    others = ec2.describe_subnets(subnet_ids=sorted(elsewhere), now_ns=now_ns) if elsewhere else ()
    return tuple(sorted((*of_vpc, *others), key=lambda subnet: subnet.subnet_id))


def _read_neighbours(
    ec2: Ec2Api, enis: tuple[NetworkInterface, ...], subnets: tuple[Subnet, ...], now_ns: int
) -> dict[str, tuple[NetworkInterface, ...]]:
    """Read all ENIs in the subnets of the node's ENIs and in those that its ipamd may use, whatever its CLUSTER_NAME, in one call."""
    candidates = (discovered_subnets(subnets, eni, cluster_name="") for eni in enis if is_primary(eni))
    wanted = {eni.subnet_id for eni in enis} | {subnet.subnet_id for found in candidates for subnet in found}
    if not wanted:
        return {}
    found = ec2.describe_network_interfaces(filters={"subnet-id": sorted(wanted)}, now_ns=now_ns)
    return {subnet_id: tuple(eni for eni in found if eni.subnet_id == subnet_id) for subnet_id in sorted(wanted)}
