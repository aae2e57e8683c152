"""The actions on subnets and on their CIDR reservations: create, delete, describe."""

from collections.abc import Iterable

from vpcipam.address import Cidr
from vpcipam.ec2.actions.base import Actions
from vpcipam.ec2.api import Subnet, SubnetCidrReservation, SubnetSpace
from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.over_time.subnet_watch import SubnetWatch, SubnetWatcher
from vpcipam.ec2.state.call import Call
from vpcipam.ec2.state.filter_tables import RESERVATION_FILTERS, SUBNET_FILTERS
from vpcipam.ec2.state.filters import Filters, tagged_matching
from vpcipam.ec2.state.records import ReservationRecord, SubnetRecord, VpcRecord
from vpcipam.ec2.state.rules import holds, require_reservable
from vpcipam.ec2.state.subnet import SubnetAddresses
from vpcipam.ec2.subnet_rules import (
    IPV4_PREFIX_LENGTHS,
    RESERVATION_TYPES,
    SUBNET_IPV6_PREFIX_LENGTH,
)
from vpcipam.errors import InvalidArgument


class SubnetActions(Actions):
    """The actions on subnets and on their CIDR reservations."""

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
        """Create a subnet; EC2 keeps its first four addresses and its last.

        `cidr` is a /16 to /28 within a CIDR of the VPC and may have host bits set (EC2: 100.68.0.18/18 becomes 100.68.0.0/18). `ipv6_cidr`
        is a /64 within the VPC's IPv6 CIDR. Tags are pairs of key and value.

        Raises:
            Ec2Error: InvalidSubnet.Range for a CIDR of another size or outside the VPC; InvalidSubnet.Conflict if it overlaps another
                subnet's.
        """
        call = self._begin("CreateSubnet", now_ns)
        ipv4 = call.canonical_cidr(cidr)
        ipv6 = None if ipv6_cidr is None else call.cidr(ipv6_cidr, 6)
        read_tags = call.tags(tags)
        vpc = self._account.vpcs.find(call, vpc_id)
        wholes = tuple(vpc.cidrs.values())
        if ipv4.prefix_length not in IPV4_PREFIX_LENGTHS or not any(holds(whole, ipv4) for whole in wholes):
            raise call.refusal(ErrorCode.SUBNET_RANGE, f"The CIDR '{ipv4}' is invalid.")
        if ipv6 is not None:
            _require_ipv6_range(call, vpc, ipv6)
        for other in vpc.subnets.values():
            for taken, wanted in ((other.addresses.cidr, ipv4), (other.addresses.ipv6_cidr, ipv6)):
                if taken is not None and wanted is not None and taken.overlaps(wanted):
                    raise call.refusal(ErrorCode.SUBNET_CONFLICT, f"The CIDR '{wanted}' conflicts with another subnet")
        subnet_id = self._account.new_id("subnet")
        # Each subnet has its own random sequence, so that calls in one subnet don't change the picks in another.
        addresses = SubnetAddresses(ipv4, ipv6, choice=self._address_choice, seed=self._seed ^ ipv4.first << 32)
        subnet = SubnetRecord(subnet_id, vpc_id, availability_zone, addresses, read_tags)
        self._account.add_subnet(subnet)
        return self._done(call, subnet.view())

    def associate_subnet_cidr_block(self, subnet_id: str, ipv6_cidr: str, *, now_ns: int = 0) -> Subnet:
        """Associate an IPv6 CIDR, a /64 within the VPC's, with a subnet that has none.

        Raises:
            Ec2Error: InvalidSubnet.Range and InvalidSubnet.Conflict as for `create_subnet`; InvalidParameterValue if it has one.
        """
        call = self._begin("AssociateSubnetCidrBlock", now_ns)
        ipv6 = call.cidr(ipv6_cidr, 6)
        subnet = self._account.subnets.find(call, subnet_id)
        vpc = self._account.vpcs[subnet.vpc_id]
        if subnet.addresses.ipv6_cidr is not None:
            raise call.invalid(f"The subnet {subnet_id} has an IPv6 CIDR block: {subnet.addresses.ipv6_cidr}")
        _require_ipv6_range(call, vpc, ipv6)
        for other in vpc.subnets.values():
            if other.addresses.ipv6_cidr is not None and other.addresses.ipv6_cidr.overlaps(ipv6):
                raise call.refusal(ErrorCode.SUBNET_CONFLICT, f"The CIDR '{ipv6}' conflicts with another subnet")
        self._account.set_ipv6_of_subnet(subnet, ipv6)
        return self._done(call, subnet.view())

    def disassociate_subnet_cidr_block(self, association_id: str, *, now_ns: int = 0) -> Subnet:
        """Disassociate the IPv6 CIDR of a subnet, with its reservations, and return the subnet as it was before.

        Raises:
            Ec2Error: InvalidCidrBlock.InUse while an ENI has an address or prefix of it.
        """
        call = self._begin("DisassociateSubnetCidrBlock", now_ns)
        subnet = self._account.subnet_cidr_associations.find(call, association_id)
        for eni in subnet.enis.values():
            if eni.ipv6_count:
                raise call.refusal(ErrorCode.CIDR_IN_USE, f"{eni.eni_id} has addresses within {subnet.addresses.ipv6_cidr}")
        before = subnet.view()
        self._account.set_ipv6_of_subnet(subnet, None)
        subnet.assign_ipv6_address_on_creation = False
        return self._done(call, before)

    def modify_subnet_attribute(
        self,
        subnet_id: str,
        *,
        map_public_ip_on_launch: bool | None = None,
        assign_ipv6_address_on_creation: bool | None = None,
        now_ns: int = 0,
    ) -> None:
        """Change one attribute of a subnet. Public addresses are not modelled, so the first only shows.

        Raises:
            Ec2Error: InvalidParameterCombination unless exactly one is given; InvalidParameterValue to assign IPv6 without an IPv6 CIDR.
        """
        call = self._begin("ModifySubnetAttribute", now_ns)
        if (map_public_ip_on_launch is None) == (assign_ipv6_address_on_creation is None):
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, "Exactly one attribute must be specified.")
        subnet = self._account.subnets.find(call, subnet_id)
        if assign_ipv6_address_on_creation and subnet.addresses.ipv6_cidr is None:
            raise call.invalid(f"Invalid value for parameter assignIpv6AddressOnCreation: {subnet_id} has no IPv6 CIDR block")
        if map_public_ip_on_launch is not None:
            subnet.map_public_ip_on_launch = bool(map_public_ip_on_launch)
        if assign_ipv6_address_on_creation is not None:
            subnet.assign_ipv6_address_on_creation = bool(assign_ipv6_address_on_creation)
        self._account.touch(subnet)
        self._done(call, None)

    def delete_subnet(self, subnet_id: str, *, now_ns: int = 0) -> None:
        """Delete a subnet without ENIs, and its reservations.

        Raises:
            Ec2Error: DependencyViolation while it has ENIs, attached or not.
        """
        call = self._begin("DeleteSubnet", now_ns)
        subnet = self._account.subnets.find(call, subnet_id)
        if subnet.enis:
            raise call.refusal(ErrorCode.DEPENDENCY_VIOLATION, f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
        self._account.delete_subnet(subnet)
        self._done(call, None)

    def describe_subnets(
        self, *, subnet_ids: Iterable[str] = (), vpc_id: str | None = None, filters: Filters | None = None, now_ns: int
    ) -> tuple[Subnet, ...]:
        """List subnets, ordered by id: the named ones, those of a VPC, or all. The VPC is a filter; see `vpcipam.ec2.state.filter_tables`.

        Raises:
            Ec2Error: InvalidSubnetID.NotFound for an unknown name; InvalidParameterValue for an unknown filter.
        """
        call = self._begin("DescribeSubnets", now_ns)
        shown = self._named_or_all(call, self._visible(call).subnets, subnet_ids, self._account.subnets)
        fitting = tagged_matching(call, shown, SUBNET_FILTERS, filters or {})
        return tuple(subnet for subnet in fitting if vpc_id in (None, subnet.vpc_id))

    def create_subnet_cidr_reservation(
        self,
        subnet_id: str,
        cidr: str,
        *,
        reservation_type: str,
        description: str = "",
        tags: Iterable[tuple[str, str]] = (),
        now_ns: int = 0,
    ) -> SubnetCidrReservation:
        """Reserve a range of a subnet, IPv4 or IPv6; addresses already in use in it stay in use.

        With the type `prefix`, EC2 picks /28s and /80s from the range first, but no single addresses. With `explicit` it picks nothing
        from it. With either, a caller can name addresses and prefixes in the range.

        Raises:
            Ec2Error: InvalidParameterValue for another type, and for a range that is not a CIDR, has host bits set, lies outside the
                subnet, or overlaps another reservation.
        """
        call = self._begin("CreateSubnetCidrReservation", now_ns)
        wanted = call.cidr(cidr)
        if reservation_type not in RESERVATION_TYPES:
            raise call.invalid(f"ReservationType is {reservation_type!r}; it must be one of {', '.join(RESERVATION_TYPES)}")
        read_tags = call.tags(tags)
        subnet = self._account.subnets.find(call, subnet_id)
        require_reservable(call, subnet, wanted)
        reservation = ReservationRecord(self._account.new_id("scr"), subnet, wanted, reservation_type, description, read_tags)
        self._account.add_reservation(reservation)
        return self._done(call, reservation.view())

    def delete_subnet_cidr_reservation(self, reservation_id: str, *, now_ns: int = 0) -> SubnetCidrReservation:
        """Delete a reservation and return it.

        Raises:
            Ec2Error: InvalidSubnetCidrReservationID.NotFound if it is unknown.
        """
        call = self._begin("DeleteSubnetCidrReservation", now_ns)
        reservation = self._account.reservations.find(call, reservation_id)
        self._account.delete_reservation(reservation)
        return self._done(call, reservation.view())

    def get_subnet_cidr_reservations(
        self, subnet_id: str, *, filters: Filters | None = None, now_ns: int
    ) -> tuple[SubnetCidrReservation, ...]:
        """List the reservations of a subnet, IPv4 and IPv6 ones, ordered by id.

        Raises:
            Ec2Error: InvalidSubnetID.NotFound if the subnet is unknown; InvalidParameterValue for an unknown filter.
        """
        call = self._begin("GetSubnetCidrReservations", now_ns)
        subnet = self._account.subnets.find(call, subnet_id)
        shown = (reservation.view() for reservation in subnet.reservations.values())
        return tagged_matching(call, shown, RESERVATION_FILTERS, filters or {})

    # --- not EC2 actions -------------------------------------------------------------------------------------------------

    def subnet_space(self, subnet_id: str) -> SubnetSpace:
        """Count a subnet's IPv4 addresses in each state. This is not an EC2 call: it is neither counted nor delayed.

        Raises:
            InvalidArgument: there is no such subnet.

        Complexity: O(addresses), 64 at a time.
        """
        space = self._subnet_addresses(subnet_id).ipv4
        return SubnetSpace(
            total=space.cidr.size,
            kept=space.kept_count,
            largest_free=space.longest_free_run,
            **space.levels()._asdict(),
        )

    def watch_subnets(self, watcher: SubnetWatcher) -> None:
        """Call `watcher` for every subnet now, and for each subnet whose IPv4 addresses a call has changed, at the end of that call.

        There is one watcher; a new one replaces it.
        """
        self._subnet_watch = SubnetWatch(self._account, watcher)

    def subnet_strip(self, subnet_id: str) -> bytes:
        """Count the untaken addresses of each /28 of a subnet, in ascending order: one byte of 0 to 16 for each.

        Raises:
            InvalidArgument: there is no such subnet.
        """
        return self._subnet_addresses(subnet_id).ipv4.free_counts()

    def _subnet_addresses(self, subnet_id: str) -> SubnetAddresses:
        subnet = self._account.subnets.get(subnet_id)
        if subnet is None:
            raise InvalidArgument(f"there is no subnet {subnet_id!r}; there are {', '.join(self._account.subnets) or 'none'}")
        return subnet.addresses


def _require_ipv6_range(call: Call, vpc: VpcRecord, ipv6: Cidr) -> None:
    if ipv6.prefix_length != SUBNET_IPV6_PREFIX_LENGTH or vpc.ipv6_cidr is None or not holds(vpc.ipv6_cidr, ipv6):
        raise call.refusal(ErrorCode.SUBNET_RANGE, f"The CIDR '{ipv6}' is invalid.")
