"""What was read of a real node: plain facts, before any judgement."""

from collections.abc import Mapping

import attrs

from vpcipam.ec2.api import Instance, NetworkInterface, Subnet
from vpcipam.limits import InstanceLimits


@attrs.frozen(kw_only=True)
class ObservedNode:
    """An instance and what lies around it, as a source showed it.

    Attributes:
        instance: go by `enis`, not by its own list: EC2 shows ENIs without their tags there.
        limits: of its type.
        enis: those attached to it, by network card and device index.
        unattached: those tagged as made by its ipamd and attached to nothing, by id.
        subnets: those of its VPC and of its ENIs, by id.
        enis_by_subnet: all ENIs, whosever they are, of the subnets that its ENIs are in or that its ipamd may make new ones in.
        read_ns: when it was read, Unix nanoseconds. It took several calls: what changed between them may show twice, or not at all.
    """

    instance: Instance
    limits: InstanceLimits
    enis: tuple[NetworkInterface, ...]
    unattached: tuple[NetworkInterface, ...]
    subnets: tuple[Subnet, ...]
    enis_by_subnet: Mapping[str, tuple[NetworkInterface, ...]]
    read_ns: int

    def subnet(self, subnet_id: str) -> Subnet | None:
        """Find a subnet, None where the source did not show it."""
        return next((subnet for subnet in self.subnets if subnet.subnet_id == subnet_id), None)
