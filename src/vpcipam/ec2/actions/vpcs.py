"""The actions on VPCs: create, associate and disassociate CIDRs, delete, describe."""

from collections.abc import Iterable

from vpcipam.address import Cidr
from vpcipam.ec2.actions.base import Actions, Views
from vpcipam.ec2.api import Subnet, Vpc
from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.state.call import Call, texts
from vpcipam.ec2.state.filter_tables import VPC_FILTERS
from vpcipam.ec2.state.filters import Filters, tagged_matching
from vpcipam.ec2.state.names import zones_of
from vpcipam.ec2.state.records import SubnetRecord, VpcRecord
from vpcipam.ec2.state.rules import holds
from vpcipam.ec2.state.subnet import SubnetAddresses
from vpcipam.ec2.subnet_rules import IPV4_PREFIX_LENGTHS, NOT_FOR_VPCS, VPC_IPV6_PREFIX_LENGTHS
from vpcipam.errors import NoFreeRun, NotModelled

TENANCIES = ("default", "dedicated")
DEFAULT_SUBNET_PREFIX_LENGTH = 20
DEFAULT_SUBNET_SIZE = 1 << 32 - DEFAULT_SUBNET_PREFIX_LENGTH


class VpcActions(Actions):
    """The actions on VPCs."""

    def create_vpc(
        self,
        cidr: str,
        *,
        ipv6_cidr: str | None = None,
        instance_tenancy: str = "default",
        tags: Iterable[tuple[str, str]] = (),
        now_ns: int = 0,
    ) -> Vpc:
        """Create a VPC. Its IPv4 CIDR may have host bits set (EC2: 100.68.0.18/18 becomes 100.68.0.0/18).

        Raises:
            Ec2Error: InvalidVpc.Range for an IPv4 CIDR that is not a /16 to /28 or lies in 127.0.0.0/8, 169.254.0.0/16 or 224.0.0.0/4, and
                for an IPv6 one that is not a /44, /48, /52, /56 or /60; InvalidParameterValue for a tenancy that is not `default` or
                `dedicated`.
        """
        call = self._begin("CreateVpc", now_ns)
        ipv4 = call.canonical_cidr(cidr)
        _require_range(call, ipv4)
        _require_tenancy(call, instance_tenancy)
        ipv6 = None if ipv6_cidr is None else call.cidr(ipv6_cidr, 6)
        if ipv6 is not None:
            _require_ipv6_size(call, ipv6)
        vpc = self._account.create_vpc(ipv4, ipv6, call.tags(tags), instance_tenancy=instance_tenancy)
        return self._done(call, vpc.view())

    def associate_vpc_cidr_block(self, vpc_id: str, cidr: str, *, now_ns: int = 0) -> Vpc:
        """Associate one more IPv4 CIDR with a VPC, as custom networking requires.

        Raises:
            Ec2Error: InvalidVpc.Range as for `create_vpc`; CidrLimitExceeded for one above `vpc_cidr_quota`; CidrConflict if it overlaps a
                CIDR of the VPC.
        """
        call = self._begin("AssociateVpcCidrBlock", now_ns)
        ipv4 = call.cidr(cidr, 4)
        _require_range(call, ipv4)
        vpc = self._account.vpcs.find(call, vpc_id)
        if len(vpc.cidrs) >= self._account.vpc_cidr_quota:
            message = f"This network {vpc_id} has met its maximum number of allowed CIDRs: {self._account.vpc_cidr_quota}"
            raise call.refusal(ErrorCode.CIDR_LIMIT_EXCEEDED, message)
        for other in vpc.cidrs.values():
            if other.overlaps(ipv4):
                raise call.refusal(ErrorCode.CIDR_CONFLICT, f"{ipv4} overlaps {other}, which {vpc_id} has")
        self._account.add_cidr(vpc, ipv4)
        return self._done(call, vpc.view())

    def associate_vpc_ipv6_cidr_block(self, vpc_id: str, ipv6_cidr: str, *, now_ns: int = 0) -> Vpc:
        """Associate an IPv6 CIDR with a VPC (AssociateVpcCidrBlock).

        Raises:
            NotModelled: the VPC has one already; EC2 allows several, the model one.
            Ec2Error: InvalidVpc.Range as for `create_vpc`.
        """
        call = self._begin("AssociateVpcCidrBlock", now_ns)
        ipv6 = call.cidr(ipv6_cidr, 6)
        _require_ipv6_size(call, ipv6)
        vpc = self._account.vpcs.find(call, vpc_id)
        if vpc.ipv6_cidr is not None:
            raise NotModelled(f"AssociateVpcCidrBlock: {vpc_id} has the IPv6 CIDR {vpc.ipv6_cidr}; a second one is not modelled")
        self._account.add_ipv6_cidr(vpc, ipv6)
        return self._done(call, vpc.view())

    def disassociate_vpc_cidr_block(self, association_id: str, *, now_ns: int = 0) -> Vpc:
        """Disassociate a CIDR from a VPC and return the VPC without it.

        Raises:
            Ec2Error: OperationNotPermitted for the primary CIDR; InvalidCidrBlock.InUse while a subnet lies in it.
        """
        call = self._begin("DisassociateVpcCidrBlock", now_ns)
        vpc = self._account.cidr_associations.find(call, association_id)
        cidr = vpc.ipv6_cidr if association_id == vpc.ipv6_association_id else vpc.cidrs[association_id]
        assert cidr is not None, "an association has a CIDR"  # noqa: S101 - for the type checker
        if association_id == next(iter(vpc.cidrs)):
            named = f"The vpc CIDR block with association ID {association_id} may not be disassociated."
            raise call.refusal(ErrorCode.OPERATION_NOT_PERMITTED, f"{named} It is the primary IPv4 CIDR block of the VPC")
        for subnet in vpc.subnets.values():
            part = subnet.addresses.whole(cidr.version)
            if part is not None and holds(cidr, part):
                raise call.refusal(ErrorCode.CIDR_IN_USE, f"{vpc.vpc_id} has a subnet within {cidr}: {subnet.subnet_id}")
        self._account.remove_cidr(vpc, association_id)
        return self._done(call, vpc.view())

    def create_default_vpc(self, *, availability_zones: Iterable[str] = zones_of("us-east-1"), now_ns: int = 0) -> Vpc:
        """Create the default VPC, 172.31.0.0/16, with a default subnet, a /20, in each zone.

        Raises:
            Ec2Error: DefaultVpcAlreadyExists.
        """
        call = self._begin("CreateDefaultVpc", now_ns)
        if self._account.default_vpc() is not None:
            raise call.refusal(ErrorCode.DEFAULT_VPC_EXISTS, "A Default VPC already exists for this account in this region.")
        vpc = self._account.create_vpc(Cidr.parse("172.31.0.0/16"), None, ())
        vpc.is_default = vpc.enable_dns_hostnames = True
        for zone in texts(availability_zones):
            self._account.add_subnet(self._default_subnet(vpc, zone))
        return self._done(call, vpc.view())

    def create_default_subnet(self, availability_zone: str, *, now_ns: int = 0) -> Subnet:
        """Create the default subnet of a zone, the first free /20 of the default VPC.

        Raises:
            Ec2Error: DefaultVpcDoesNotExist; DefaultSubnetAlreadyExistsInAvailabilityZone; InvalidSubnet.Conflict if no /20 is free.
        """
        call = self._begin("CreateDefaultSubnet", now_ns)
        vpc = self._account.default_vpc()
        if vpc is None:
            raise call.refusal(ErrorCode.DEFAULT_VPC_MISSING, "No default VPC exists for this account in this region.")
        for subnet in vpc.subnets.values():
            if subnet.default_for_az and subnet.availability_zone == availability_zone:
                message = f"'{subnet.subnet_id}' is already the default subnet in {availability_zone}."
                raise call.refusal(ErrorCode.DEFAULT_SUBNET_EXISTS, message)
        try:
            subnet = self._default_subnet(vpc, availability_zone)
        except NoFreeRun as error:
            raise call.refusal(ErrorCode.SUBNET_CONFLICT, str(error)) from None
        self._account.add_subnet(subnet)
        return self._done(call, subnet.view())

    def _default_subnet(self, vpc: VpcRecord, zone: str) -> SubnetRecord:
        whole = next(iter(vpc.cidrs.values()))
        for first in range(whole.first, whole.last, DEFAULT_SUBNET_SIZE):
            cidr = Cidr(4, first, DEFAULT_SUBNET_PREFIX_LENGTH)
            if not any(cidr.overlaps(subnet.addresses.cidr) for subnet in vpc.subnets.values()):
                addresses = SubnetAddresses(cidr, choice=self._address_choice, seed=self._seed ^ cidr.first << 32)
                return SubnetRecord(
                    self._account.new_id("subnet"), vpc.vpc_id, zone, addresses, (), default_for_az=True, map_public_ip_on_launch=True
                )
        raise NoFreeRun(f"{whole} has no free /{DEFAULT_SUBNET_PREFIX_LENGTH}")

    def modify_vpc_attribute(
        self,
        vpc_id: str,
        *,
        enable_dns_support: bool | None = None,
        enable_dns_hostnames: bool | None = None,
        enable_network_address_usage_metrics: bool | None = None,
        now_ns: int = 0,
    ) -> None:
        """Change one attribute of a VPC; no address depends on them.

        Raises:
            Ec2Error: InvalidParameterCombination unless exactly one is given.
        """
        call = self._begin("ModifyVpcAttribute", now_ns)
        given = {
            "enable_dns_support": enable_dns_support,
            "enable_dns_hostnames": enable_dns_hostnames,
            "enable_network_address_usage_metrics": enable_network_address_usage_metrics,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        if len(changes) != 1:
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, "Exactly one attribute must be specified.")
        vpc = self._account.vpcs.find(call, vpc_id)
        for name, value in changes.items():
            setattr(vpc, name, value)
        self._done(call, None)

    def modify_vpc_tenancy(self, vpc_id: str, instance_tenancy: str, *, now_ns: int = 0) -> None:
        """Change the tenancy of new instances of a VPC; EC2 allows only `default`.

        Raises:
            Ec2Error: UnsupportedTenancy for another one.
        """
        call = self._begin("ModifyVpcTenancy", now_ns)
        vpc = self._account.vpcs.find(call, vpc_id)
        if instance_tenancy != "default":
            raise call.refusal(ErrorCode.UNSUPPORTED_TENANCY, f"The tenancy value {instance_tenancy} is not supported.")
        vpc.instance_tenancy = instance_tenancy
        self._done(call, None)

    def delete_vpc(self, vpc_id: str, *, now_ns: int = 0) -> None:
        """Delete a VPC without subnets, and its default security group.

        Raises:
            Ec2Error: DependencyViolation while it has subnets, or other security groups.
        """
        call = self._begin("DeleteVpc", now_ns)
        vpc = self._account.vpcs.find(call, vpc_id)
        if vpc.subnets or self._account.groups_of(vpc) != [vpc.default_group]:
            raise call.refusal(ErrorCode.DEPENDENCY_VIOLATION, f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
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


def _require_range(call: Call, cidr: Cidr) -> None:
    if cidr.prefix_length not in IPV4_PREFIX_LENGTHS or any(map(cidr.overlaps, NOT_FOR_VPCS)):
        raise call.refusal(ErrorCode.VPC_RANGE, f"The CIDR '{cidr}' is invalid.")


def _require_ipv6_size(call: Call, cidr: Cidr) -> None:
    if cidr.prefix_length not in VPC_IPV6_PREFIX_LENGTHS:
        raise call.refusal(ErrorCode.VPC_RANGE, f"The CIDR '{cidr}' is invalid.")


def _require_tenancy(call: Call, tenancy: str) -> None:
    if tenancy not in TENANCIES:
        raise call.invalid(f"Value ({tenancy}) for parameter instanceTenancy is invalid. It must be one of {', '.join(TENANCIES)}.")
