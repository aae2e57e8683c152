"""VPCs: create, give CIDRs, delete."""

from vpcipam.address import Cidr
from vpcipam.ec2.actions.base import Actions
from vpcipam.ec2.api import ErrorCode
from vpcipam.ec2.records import Vpc, VpcRecord
from vpcipam.ec2.requests import IPV4_PREFIX_LENGTHS, Call

VPC_IPV6_PREFIX_LENGTHS = range(44, 60 + 1, 4)


class VpcActions(Actions):
    """The actions on VPCs."""

    def create_vpc(self, cidr: str, *, ipv6_cidr: str | None = None, now_ns: int = 0) -> Vpc:
        """Make a VPC.

        Raises:
            Ec2Error: InvalidVpc.Range for an IPv4 CIDR that is not a /16 to /28, or an IPv6 one that is not a /44, /48, /52, /56 or /60.
        """
        call = self._begin("CreateVpc", now_ns)
        ipv4 = _vpc_cidr(call, cidr)
        ipv6 = None if ipv6_cidr is None else call.cidr(ipv6_cidr, 6)
        if ipv6 is not None and ipv6.prefix_length not in VPC_IPV6_PREFIX_LENGTHS:
            raise call.refusal(ErrorCode.VPC_RANGE, f"{ipv6} is not a /44, /48, /52, /56 or /60")
        vpc = VpcRecord(self._account.new_id("vpc"), [ipv4], ipv6)
        self._account.add_vpc(vpc)
        return self._done(call, vpc.view())

    def associate_vpc_cidr_block(self, vpc_id: str, cidr: str, *, now_ns: int = 0) -> Vpc:
        """Give a VPC one more IPv4 CIDR, as custom networking has it.

        Raises:
            Ec2Error: InvalidVpc.Range as for `create_vpc`; CidrConflict where it overlaps one that the VPC has.
        """
        call = self._begin("AssociateVpcCidrBlock", now_ns)
        ipv4 = _vpc_cidr(call, cidr)
        vpc = self._account.vpc(call, vpc_id)
        for other in vpc.cidrs:
            if other.overlaps(ipv4):
                raise call.refusal(ErrorCode.CIDR_CONFLICT, f"{ipv4} overlaps {other}, which {vpc_id} has")
        vpc.cidrs.append(ipv4)
        return self._done(call, vpc.view())

    def delete_vpc(self, vpc_id: str, *, now_ns: int = 0) -> None:
        """Delete a VPC without subnets.

        Raises:
            Ec2Error: DependencyViolation while it has subnets.
        """
        call = self._begin("DeleteVpc", now_ns)
        vpc = self._account.vpc(call, vpc_id)
        if vpc.subnets:
            raise call.refusal(ErrorCode.DEPENDENCY_VIOLATION, f"{vpc_id} has {len(vpc.subnets)} subnets; delete those first")
        self._account.drop_vpc(vpc)
        self._done(call, None)


def _vpc_cidr(call: Call, text: str) -> Cidr:
    cidr = call.cidr(text, 4)
    if cidr.prefix_length not in IPV4_PREFIX_LENGTHS:
        raise call.refusal(ErrorCode.VPC_RANGE, f"{cidr} is not a /16 to /28")
    return cidr
