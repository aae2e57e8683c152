"""Subnets: create, delete, describe."""

from collections.abc import Iterable

from vpcipam.address import Cidr
from vpcipam.ec2.account import find
from vpcipam.ec2.actions.base import Actions
from vpcipam.ec2.api import ErrorCode, Subnet
from vpcipam.ec2.records import SubnetRecord, sorted_tags
from vpcipam.ec2.requests import IPV4_PREFIX_LENGTHS, texts
from vpcipam.ec2.subnet import SubnetAddresses

SUBNET_IPV6_PREFIX_LENGTH = 64


class SubnetActions(Actions):
    """The actions on subnets."""

    def create_subnet(
        self,
        vpc_id: str,
        cidr: str,
        *,
        availability_zone: str = "us-east-1a",
        ipv6_cidr: str | None = None,
        tags: Iterable[tuple[str, str]] = (),
        now_ns: int = 0,
    ) -> Subnet:
        """Make a subnet; EC2 keeps its first four addresses and its last.

        Args:
            vpc_id: the VPC, one of whose CIDRs must hold the subnet's.
            cidr: a /16 to /28.
            availability_zone: where its ENIs and instances are.
            ipv6_cidr: a /64 within the VPC's IPv6 CIDR.
            tags: pairs of key and value; of a key given twice, the last counts.
            now_ns: the time of the call.

        Raises:
            Ec2Error: InvalidSubnet.Range for a CIDR of another size or outside of the VPC; InvalidSubnet.Conflict where it overlaps that
                of another subnet.
        """
        call = self._begin("CreateSubnet", now_ns)
        ipv4 = call.cidr(cidr, 4)
        ipv6 = None if ipv6_cidr is None else call.cidr(ipv6_cidr, 6)
        vpc = self._account.vpc(call, vpc_id)
        if ipv4.prefix_length not in IPV4_PREFIX_LENGTHS or not any(_holds(whole, ipv4) for whole in vpc.cidrs):
            raise call.refusal(
                ErrorCode.SUBNET_RANGE, f"{ipv4} is not a /16 to /28 within a CIDR of {vpc_id}: {', '.join(map(str, vpc.cidrs))}"
            )
        if ipv6 is not None and (
            ipv6.prefix_length != SUBNET_IPV6_PREFIX_LENGTH or vpc.ipv6_cidr is None or not _holds(vpc.ipv6_cidr, ipv6)
        ):
            raise call.refusal(ErrorCode.SUBNET_RANGE, f"{ipv6} is not a /64 within the IPv6 CIDR of {vpc_id}: {vpc.ipv6_cidr}")
        for other in vpc.subnets.values():
            for taken, wanted in ((other.addresses.cidr, ipv4), (other.addresses.ipv6_cidr, ipv6)):
                if taken is not None and wanted is not None and taken.overlaps(wanted):
                    raise call.refusal(ErrorCode.SUBNET_CONFLICT, f"{wanted} overlaps {taken} of {other.subnet_id}")
        subnet_id = self._account.new_id("subnet")
        # Every subnet draws its own sequence, so that one's use does not move the other's addresses.
        addresses = SubnetAddresses(ipv4, ipv6, choice=self._address_choice, seed=self._seed ^ ipv4.first << 32)
        subnet = SubnetRecord(subnet_id, vpc_id, availability_zone, addresses, sorted_tags(tags))
        self._account.add_subnet(subnet)
        return self._done(call, subnet.view())

    def delete_subnet(self, subnet_id: str, *, now_ns: int = 0) -> None:
        """Delete a subnet without ENIs.

        Raises:
            Ec2Error: DependencyViolation while it has ENIs, attached or not.
        """
        call = self._begin("DeleteSubnet", now_ns)
        subnet = self._account.subnet(call, subnet_id)
        if subnet.enis:
            raise call.refusal(ErrorCode.DEPENDENCY_VIOLATION, f"{subnet_id} has {len(subnet.enis)} network interfaces; delete those first")
        self._account.drop_subnet(subnet)
        self._done(call, None)

    def describe_subnets(self, *, subnet_ids: Iterable[str] = (), vpc_id: str | None = None, now_ns: int) -> tuple[Subnet, ...]:
        """Show subnets: the named ones, or those of a VPC, or all; ordered by id. The VPC is a filter, as in EC2.

        Raises:
            Ec2Error: InvalidSubnetID.NotFound for an unknown name.
        """
        call = self._begin("DescribeSubnets", now_ns)
        seen = self._visible_subnets(call)
        named = [find(call, seen, subnet_id, ErrorCode.SUBNET_NOT_FOUND) for subnet_id in sorted(set(texts(subnet_ids)))]
        return tuple(subnet for subnet in named or seen.values() if vpc_id is None or subnet.vpc_id == vpc_id)


def _holds(whole: Cidr, part: Cidr) -> bool:
    return part.first in whole and part.last in whole
