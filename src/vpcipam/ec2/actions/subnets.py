"""Subnets and their CIDR reservations: create, delete, describe."""

from collections.abc import Iterable

from vpcipam.ec2.actions.base import Actions
from vpcipam.ec2.api import ErrorCode, Subnet, SubnetCidrReservation, SubnetSpace
from vpcipam.ec2.state.filters import RESERVATION_FILTERS, SUBNET_FILTERS, Filters, tagged_matching
from vpcipam.ec2.state.records import ReservationRecord, SubnetRecord
from vpcipam.ec2.state.requests import IPV4_PREFIX_LENGTHS
from vpcipam.ec2.state.rules import holds, require_reservable
from vpcipam.ec2.state.space import PREFIX_SIZE
from vpcipam.ec2.state.subnet import SubnetAddresses
from vpcipam.errors import InvalidArgument

SUBNET_IPV6_PREFIX_LENGTH = 64
RESERVATION_TYPES = ("prefix", "explicit")


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
        """Make a subnet; EC2 keeps its first four addresses and its last.

        Args:
            vpc_id: the VPC, one of whose CIDRs must hold the subnet's.
            cidr: a /16 to /28; its address may be any in it (EC2: 100.68.0.18/18 becomes 100.68.0.0/18).
            availability_zone: where its ENIs and instances are.
            ipv6_cidr: a /64 within the VPC's IPv6 CIDR.
            tags: pairs of key and value; of a key given twice, the last counts.
            now_ns: the time of the call.

        Raises:
            Ec2Error: InvalidSubnet.Range for a CIDR of another size or outside of the VPC; InvalidSubnet.Conflict where it overlaps that
                of another subnet.
        """
        call = self._begin("CreateSubnet", now_ns)
        ipv4 = call.canonical_cidr(cidr)
        ipv6 = None if ipv6_cidr is None else call.cidr(ipv6_cidr, 6)
        read_tags = call.tags(tags)
        vpc = self._account.vpc(call, vpc_id)
        wholes = tuple(vpc.cidrs.values())
        if ipv4.prefix_length not in IPV4_PREFIX_LENGTHS or not any(holds(whole, ipv4) for whole in wholes):
            raise call.refusal(
                ErrorCode.SUBNET_RANGE, f"{ipv4} is not a /16 to /28 within a CIDR of {vpc_id}: {', '.join(map(str, wholes))}"
            )
        if ipv6 is not None and (
            ipv6.prefix_length != SUBNET_IPV6_PREFIX_LENGTH or vpc.ipv6_cidr is None or not holds(vpc.ipv6_cidr, ipv6)
        ):
            raise call.refusal(ErrorCode.SUBNET_RANGE, f"{ipv6} is not a /64 within the IPv6 CIDR of {vpc_id}: {vpc.ipv6_cidr}")
        for other in vpc.subnets.values():
            for taken, wanted in ((other.addresses.cidr, ipv4), (other.addresses.ipv6_cidr, ipv6)):
                if taken is not None and wanted is not None and taken.overlaps(wanted):
                    raise call.refusal(ErrorCode.SUBNET_CONFLICT, f"{wanted} overlaps {taken} of {other.subnet_id}")
        subnet_id = self._account.new_id("subnet")
        # Every subnet draws its own sequence, so that one's use does not move the other's addresses.
        addresses = SubnetAddresses(ipv4, ipv6, choice=self._address_choice, seed=self._seed ^ ipv4.first << 32)
        subnet = SubnetRecord(subnet_id, vpc_id, availability_zone, addresses, read_tags)
        self._account.add_subnet(subnet)
        return self._done(call, subnet.view())

    def delete_subnet(self, subnet_id: str, *, now_ns: int = 0) -> None:
        """Delete a subnet without ENIs; its reservations go with it.

        Raises:
            Ec2Error: DependencyViolation while it has ENIs, attached or not.
        """
        call = self._begin("DeleteSubnet", now_ns)
        subnet = self._account.subnet(call, subnet_id)
        if subnet.enis:
            raise call.refusal(ErrorCode.DEPENDENCY_VIOLATION, f"{subnet_id} has {len(subnet.enis)} network interfaces; delete those first")
        self._account.drop_subnet(subnet)
        self._done(call, None)

    def describe_subnets(
        self, *, subnet_ids: Iterable[str] = (), vpc_id: str | None = None, filters: Filters | None = None, now_ns: int
    ) -> tuple[Subnet, ...]:
        """Show subnets: the named ones, or those of a VPC, or all; ordered by id. The VPC is a filter, as in EC2.

        See `vpcipam.ec2.state.filters`.

        Raises:
            Ec2Error: InvalidSubnetID.NotFound for an unknown name; InvalidParameterValue for an unknown filter.
        """
        call = self._begin("DescribeSubnets", now_ns)
        shown = self._named_or_all(call, self._visible_subnets(call), subnet_ids, ErrorCode.SUBNET_NOT_FOUND)
        fitting = tagged_matching(call, shown, SUBNET_FILTERS, filters or {})
        return tuple(subnet for subnet in fitting if vpc_id in (None, subnet.vpc_id))

    # --- reservations ----------------------------------------------------------------------------------------------------

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
        """Hold automatic picks off a range of a subnet, IPv4 or IPv6; addresses of it that are in use stay in use.

        Args:
            subnet_id: the subnet, one of whose CIDRs must hold the range.
            cidr: the range, on its grid.
            reservation_type: `prefix`: automatic /28s and /80s come from here first, single addresses only by name; `explicit`: both only
                by name.
            description: any text.
            tags: pairs of key and value.
            now_ns: the time of the call.

        Raises:
            Ec2Error: InvalidParameterValue for another type, a range that is none or lies off its grid, outside of the subnet, or over
                another reservation.
        """
        call = self._begin("CreateSubnetCidrReservation", now_ns)
        wanted = call.cidr(cidr)
        if reservation_type not in RESERVATION_TYPES:
            raise call.invalid(f"reservation_type is {reservation_type!r}; it must be one of {', '.join(RESERVATION_TYPES)}")
        read_tags = call.tags(tags)
        subnet = self._account.subnet(call, subnet_id)
        require_reservable(call, subnet, wanted)
        reservation = ReservationRecord(self._account.new_id("scr"), subnet, wanted, reservation_type, description, read_tags)
        self._account.add_reservation(reservation)
        return self._done(call, reservation.view())

    def delete_subnet_cidr_reservation(self, reservation_id: str, *, now_ns: int = 0) -> SubnetCidrReservation:
        """Delete a reservation; the answer is what it was.

        Raises:
            Ec2Error: InvalidSubnetCidrReservationID.NotFound where it is unknown.
        """
        call = self._begin("DeleteSubnetCidrReservation", now_ns)
        reservation = self._account.reservation(call, reservation_id)
        self._account.drop_reservation(reservation)
        return self._done(call, reservation.view())

    def get_subnet_cidr_reservations(
        self, subnet_id: str, *, filters: Filters | None = None, now_ns: int
    ) -> tuple[SubnetCidrReservation, ...]:
        """Show the reservations of a subnet, IPv4 and IPv6 ones, ordered by id.

        Raises:
            Ec2Error: InvalidSubnetID.NotFound where the subnet is unknown; InvalidParameterValue for an unknown filter.
        """
        call = self._begin("GetSubnetCidrReservations", now_ns)
        subnet = self._account.subnet(call, subnet_id)
        shown = (reservation.view() for reservation in subnet.reservations.values())
        return tagged_matching(call, shown, RESERVATION_FILTERS, filters or {})

    # --- what no action of EC2 tells -----------------------------------------------------------------------------------------

    def subnet_space(self, subnet_id: str) -> SubnetSpace:
        """Count a subnet's IPv4 addresses, as they are now: this is no call, and nothing lags.

        Raises:
            InvalidArgument: there is no such subnet.

        Complexity: O(addresses), 64 at a time.
        """
        subnet = self._subnet_addresses(subnet_id)
        space = subnet.ipv4
        kept = len(subnet.reserved_addresses())
        untaken, free_prefix_count = space.untaken_count, space.free_prefix_count
        return SubnetSpace(
            total=space.cidr.size,
            kept=kept,
            taken=space.cidr.size - kept - untaken,
            free=space.free_count,
            reserved=untaken - space.free_count,
            largest_free=space.longest_free_run,
            free_prefix_count=free_prefix_count,
            stranded=untaken - PREFIX_SIZE * free_prefix_count,
        )

    def subnet_strip(self, subnet_id: str) -> bytes:
        """Count, for each /28 of a subnet in ascending order, the addresses that nobody has: a byte of 0 to 16 for each.

        Raises:
            InvalidArgument: there is no such subnet.
        """
        return self._subnet_addresses(subnet_id).ipv4.free_counts()

    def _subnet_addresses(self, subnet_id: str) -> SubnetAddresses:
        subnet = self._account.subnets.get(subnet_id)
        if subnet is None:
            raise InvalidArgument(f"there is no subnet {subnet_id!r}; there are {', '.join(self._account.subnets) or 'none'}")
        return subnet.addresses
