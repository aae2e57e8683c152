"""Read the nodes of a cluster from EC2 with read-only calls, as `read_ec2` does.

The number of calls does not depend on the number of nodes, except for pages of 1,000 instances or ENIs, but on that of their subnets.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import attrs

from vpcipam.ec2.api import Instance, InstanceLister, NetworkInterface, SubnetCidrReservation
from vpcipam.inspection.evidence import Fact, Source
from vpcipam.inspection.observed import ObservedNode
from vpcipam.inspection.observed_files import observe
from vpcipam.inspection.read_ec2 import InspectedEc2, read_reservations
from vpcipam.limits import InstanceLimits, instance_limits
from vpcipam.node.interfaces import CLUSTER_TAG

_HERE = Source("")


class ListingEc2(InspectedEc2, InstanceLister, Protocol):
    """EC2, or a model of it, that lists instances and CIDR reservations."""


def read_cluster(
    ec2: ListingEc2, name: str, *, now_ns: int, find_limits: Callable[[str], InstanceLimits] = instance_limits
) -> tuple[ObservedNode, ...]:
    """Read the instances of a cluster, all ENIs of their VPCs, and the subnets of these.

    An instance belongs to the cluster if it has the tag `kubernetes.io/cluster/NAME`, or the tag `eks:cluster-name` or
    `aws:eks:cluster-name` with the cluster's name, or an ENI that ipamd has tagged `cluster.k8s.amazonaws.com/name` with it.

    Args:
        ec2: EC2, or a model of it. Throttled calls are retried only if `ec2` itself retries them.
        name: the name of the cluster.
        now_ns: the time of the calls.
        find_limits: looks up the limits of a type by name; by default in the library's table.

    Returns:
        The nodes by instance id; empty if there is none.

    Raises:
        Ec2Error: EC2 refused a call.
        UnknownInstanceType: `find_limits` does not find a type.
    """
    tagged = ec2.describe_network_interfaces(filters={f"tag:{CLUSTER_TAG}": (name,)}, now_ns=now_ns)
    instances = {instance.instance_id: instance for instance in _instances(ec2, name, now_ns)}
    others = {eni.attachment.instance_id for eni in tagged if eni.attachment is not None} - instances.keys()
    if others:
        instances |= {each.instance_id: each for each in ec2.describe_instances(instance_ids=sorted(others), now_ns=now_ns)}
    vpc_ids = sorted({instance.vpc_id for instance in instances.values()})
    if not vpc_ids:
        return ()
    enis = ec2.describe_network_interfaces(filters={"vpc-id": vpc_ids}, now_ns=now_ns)
    subnets = {each.subnet_id: Fact(each, _HERE) for vpc_id in vpc_ids for each in ec2.describe_subnets(vpc_id=vpc_id, now_ns=now_ns)}
    by_subnet: dict[str, list[Fact[NetworkInterface]]] = {}
    by_instance: dict[str, list[Fact[NetworkInterface]]] = {}
    for eni in enis:
        by_subnet.setdefault(eni.subnet_id, []).append(Fact(eni, _HERE))
        if eni.attachment is not None:
            by_instance.setdefault(eni.attachment.instance_id, []).append(Fact(eni, _HERE))
    limits = {instance_type: find_limits(instance_type) for instance_type in {each.instance_type for each in instances.values()}}
    found = (
        observe(
            instance_id,
            instance=Fact(instance, _HERE),
            enis=by_instance.get(instance_id, ()),
            limits=limits[instance.instance_type],
            neighbours=by_subnet,
            subnets=subnets,
            latest_ns=now_ns,
        )
        for instance_id, instance in sorted(instances.items())
    )
    nodes = [node for node in found if node is not None]
    wanted = sorted({subnet_id for node in nodes for subnet_id in node.enis_by_subnet})
    reservations = read_reservations(ec2, wanted, now_ns)
    return tuple(attrs.evolve(node, from_files=False, reservations=_of_node(node, reservations)) for node in nodes)


def _of_node(node: ObservedNode, reservations: Iterable[SubnetCidrReservation] | None) -> tuple[SubnetCidrReservation, ...] | None:
    return None if reservations is None else tuple(each for each in reservations if each.subnet_id in node.enis_by_subnet)


def _instances(ec2: ListingEc2, name: str, now_ns: int) -> Iterator[Instance]:
    tags = {"tag-key": f"kubernetes.io/cluster/{name}", "tag:eks:cluster-name": name, "tag:aws:eks:cluster-name": name}
    for tag, value in tags.items():
        yield from ec2.describe_instances(filters={tag: (value,)}, now_ns=now_ns)
