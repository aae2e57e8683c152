"""The actions on VPCs: create, associate and disassociate CIDRs, delete, describe."""

from collections.abc import Iterable

from vpcipam.address import Cidr
from vpcipam.ec2.actions.base import Actions, Views
from vpcipam.ec2.api import Vpc
from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.state.call import Call
from vpcipam.ec2.state.filter_tables import VPC_FILTERS
from vpcipam.ec2.state.filters import Filters, tagged_matching
from vpcipam.ec2.state.rules import holds
from vpcipam.ec2.subnet_rules import IPV4_PREFIX_LENGTHS, VPC_IPV6_PREFIX_LENGTHS


class VpcActions(Actions):
    """The actions on VPCs."""

    def create_vpc(self, cidr: str, *, ipv6_cidr: str | None = None, tags: Iterable[tuple[str, str]] = (), now_ns: int = 0) -> Vpc:
        """Create a VPC. Its IPv4 CIDR may have host bits set (EC2: 100.68.0.18/18 becomes 100.68.0.0/18).

        Raises:
            Ec2Error: InvalidVpc.Range for an IPv4 CIDR that is not a /16 to /28, or an IPv6 one that is not a /44, /48, /52, /56 or /60.
        """
        call = self._begin("CreateVpc", now_ns)
        ipv4 = call.canonical_cidr(cidr)
        _require_size(call, ipv4)
        ipv6 = None if ipv6_cidr is None else call.cidr(ipv6_cidr, 6)
        if ipv6 is not None and ipv6.prefix_length not in VPC_IPV6_PREFIX_LENGTHS:
            raise call.refusal(ErrorCode.VPC_RANGE, f"{ipv6} is not a /44, /48, /52, /56 or /60")
        vpc = self._account.create_vpc(ipv4, ipv6, call.tags(tags))
        return self._done(call, vpc.view())

    def associate_vpc_cidr_block(self, vpc_id: str, cidr: str, *, now_ns: int = 0) -> Vpc:
        """Associate one more IPv4 CIDR with a VPC, as custom networking requires.

        Raises:
            Ec2Error: InvalidVpc.Range as for `create_vpc`; CidrConflict if it overlaps a CIDR of the VPC.
        """
        call = self._begin("AssociateVpcCidrBlock", now_ns)
        ipv4 = call.cidr(cidr, 4)
        _require_size(call, ipv4)
        vpc = self._account.vpcs.find(call, vpc_id)
        for other in vpc.cidrs.values():
            if other.overlaps(ipv4):
                raise call.refusal(ErrorCode.CIDR_CONFLICT, f"{ipv4} overlaps {other}, which {vpc_id} has")
        self._account.add_cidr(vpc, ipv4)
        return self._done(call, vpc.view())

    def disassociate_vpc_cidr_block(self, association_id: str, *, now_ns: int = 0) -> Vpc:
        """Disassociate an IPv4 CIDR from a VPC and return the VPC without it.

        Raises:
            Ec2Error: OperationNotPermitted for the primary CIDR; InvalidCidrBlock.InUse while a subnet lies in it.
        """
        call = self._begin("DisassociateVpcCidrBlock", now_ns)
        vpc = self._account.cidr_associations.find(call, association_id)
        cidr = vpc.cidrs[association_id]
        if association_id == next(iter(vpc.cidrs)):
            raise call.refusal(ErrorCode.OPERATION_NOT_PERMITTED, f"{cidr} is the primary IPv4 CIDR block of {vpc.vpc_id}")
        for subnet in vpc.subnets.values():
            if holds(cidr, subnet.addresses.cidr):
                raise call.refusal(ErrorCode.CIDR_IN_USE, f"{vpc.vpc_id} has a subnet within {cidr}: {subnet.subnet_id}")
        self._account.remove_cidr(vpc, association_id)
        return self._done(call, vpc.view())

    def delete_vpc(self, vpc_id: str, *, now_ns: int = 0) -> None:
        """Delete a VPC without subnets.

        Raises:
            Ec2Error: DependencyViolation while it has subnets.
        """
        call = self._begin("DeleteVpc", now_ns)
        vpc = self._account.vpcs.find(call, vpc_id)
        if vpc.subnets:
            raise call.refusal(ErrorCode.DEPENDENCY_VIOLATION, f"{vpc_id} has {len(vpc.subnets)} subnets; delete those first")
        self._account.delete_vpc(vpc)
        self._done(call, None)

    def describe_vpcs(self, *, vpc_ids: Iterable[str] = (), filters: Filters | None = None, now_ns: int) -> tuple[Vpc, ...]:
        """List VPCs, ordered by id: the named ones or all. See `vpcipam.ec2.state.filter_tables`.

        Raises:
            Ec2Error: InvalidVpcID.NotFound for an unknown name; InvalidParameterValue for an unknown filter.
        """
        call = self._begin("DescribeVpcs", now_ns)
        shown = self._named_or_all(call, Views(self._account.vpcs), vpc_ids, self._account.vpcs)
        return tagged_matching(call, shown, VPC_FILTERS, filters or {})


def _require_size(call: Call, cidr: Cidr) -> None:
    if cidr.prefix_length not in IPV4_PREFIX_LENGTHS:
        raise call.refusal(ErrorCode.VPC_RANGE, f"{cidr} is not a /16 to /28")
