"""An `ObservedNode` that is put together from EC2's answers in files."""

from collections.abc import Iterable, Mapping, Sequence

from vpcipam.ec2.api import Instance, NetworkInterface, Subnet, SubnetCidrReservation
from vpcipam.inspection.evidence import Fact
from vpcipam.inspection.observed import ObservedNode, placed
from vpcipam.limits import InstanceLimits
from vpcipam.node.interfaces import INSTANCE_TAG, discovered_subnets, is_primary, place_of


def observe(
    instance_id: str,
    *,
    instance: Fact[Instance] | None,
    enis: Iterable[Fact[NetworkInterface]],
    limits: InstanceLimits | None,
    neighbours: Mapping[str, Sequence[Fact[NetworkInterface]]],
    subnets: Mapping[str, Fact[Subnet]],
    latest_ns: int,
    reservations: Sequence[Fact[SubnetCidrReservation]] = (),
) -> ObservedNode | None:
    """Put a node together; None if its type or its ENIs are unknown.

    Args:
        instance_id: the node's instance.
        instance: as EC2 shows it. Without it, its ENIs tell what is needed.
        enis: those that are attached to it.
        limits: those of its type.
        neighbours: all ENIs that files show, by subnet.
        subnets: all subnets that files show, by id.
        latest_ns: the latest time that files show.
        reservations: the CIDR reservations that files show; none says nothing, since files tell of no subnet that has none.
    """
    attached = tuple(sorted((fact.value for fact in enis if fact.value.attachment is not None), key=place_of))
    if limits is None or not attached:
        return None
    seen = _instance(instance_id, attached, limits) if instance is None else instance.value
    of_vpc = {seen.vpc_id, *(eni.vpc_id for eni in attached)}
    known = tuple(fact.value for _, fact in sorted(subnets.items()) if fact.value.vpc_id in of_vpc)
    candidates = (discovered_subnets(known, placed(eni, known), cluster_name="") for eni in attached if is_primary(eni))
    wanted = sorted({eni.subnet_id for eni in attached} | {subnet.subnet_id for found in candidates for subnet in found})
    by_subnet = {subnet_id: _in_subnet(neighbours.get(subnet_id, ()), subnet_id, attached) for subnet_id in wanted}
    return ObservedNode(
        instance=seen,
        limits=limits,
        enis=attached,
        unattached=tuple(eni for enis_there in by_subnet.values() for eni in enis_there if _is_left_behind(eni)),
        subnets=known,
        enis_by_subnet=by_subnet,
        read_ns=latest_ns,
        from_files=True,
        reservations=tuple(fact.value for fact in reservations if fact.value.subnet_id in by_subnet) or None,
    )


def _instance(instance_id: str, attached: tuple[NetworkInterface, ...], limits: InstanceLimits) -> Instance:
    """Tell what the ENIs of an instance say about it."""
    first = next(filter(is_primary, attached), attached[0])
    return Instance(
        instance_id,
        limits.instance_type,
        first.subnet_id,
        attached,
        vpc_id=first.vpc_id,
        availability_zone=first.availability_zone,
    )


def _in_subnet(
    shown: Iterable[Fact[NetworkInterface]], subnet_id: str, attached: tuple[NetworkInterface, ...]
) -> tuple[NetworkInterface, ...]:
    """Return the ENIs of a subnet by id: those that files show, and those that only DescribeInstances shows."""
    found = {fact.value.eni_id: fact.value for fact in shown}
    found |= {eni.eni_id: eni for eni in attached if eni.subnet_id == subnet_id}
    return tuple(found[eni_id] for eni_id in sorted(found))


def _is_left_behind(eni: NetworkInterface) -> bool:
    return eni.status == "available" and eni.tag(INSTANCE_TAG) is not None
