"""A real node as it was read, before any rule is applied."""

from collections.abc import Iterable, Mapping

import attrs

from vpcipam.ec2.api import Instance, NetworkInterface, Subnet, SubnetCidrReservation
from vpcipam.limits import InstanceLimits


@attrs.frozen(kw_only=True)
class ObservedNode:
    """An instance, its ENIs and its subnets, as a source showed them.

    Attributes:
        instance: its own list of ENIs lacks their tags, so use `enis`.
        limits: the limits of its type.
        enis: the attached ENIs, by network card and device index.
        unattached: the unattached ENIs that an ipamd created, according to their tag, by id: those of this node's ipamd, and those of any
            node's in the subnets of `enis_by_subnet`.
        subnets: the subnets of its VPC and of its ENIs, by id.
        enis_by_subnet: all ENIs, of any owner, in the subnets that its ENIs are in or that its ipamd may create ENIs in.
        reservations: the CIDR reservations of the subnets in `enis_by_subnet`; None if they are not known.
        read_ns: when it was read, Unix nanoseconds. Reading takes several calls: a change in between may show twice or not at all.
        from_files: it was put together from files, which were written at an unknown time. `read_ns` is then the latest time that stands
            in them, so ages are lower bounds; and `enis_by_subnet` may lack ENIs.
    """

    instance: Instance
    limits: InstanceLimits
    enis: tuple[NetworkInterface, ...]
    unattached: tuple[NetworkInterface, ...]
    subnets: tuple[Subnet, ...]
    enis_by_subnet: Mapping[str, tuple[NetworkInterface, ...]]
    read_ns: int
    from_files: bool = False
    reservations: tuple[SubnetCidrReservation, ...] | None = None

    def subnet(self, subnet_id: str) -> Subnet | None:
        """Find a subnet, None if the source did not show it."""
        return next((subnet for subnet in self.subnets if subnet.subnet_id == subnet_id), None)


def placed(eni: NetworkInterface, subnets: Iterable[Subnet]) -> NetworkInterface:
    """Return an ENI with the VPC and the zone of its subnet where it lacks its own: people redact them."""
    if eni.vpc_id and eni.availability_zone:
        return eni
    own = next((subnet for subnet in subnets if subnet.subnet_id == eni.subnet_id), None)
    if own is None:
        return eni
    return attrs.evolve(eni, vpc_id=eni.vpc_id or own.vpc_id, availability_zone=eni.availability_zone or own.availability_zone)
