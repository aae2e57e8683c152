"""A model of EC2's address side: VPCs, subnets, ENIs, prefixes, limits and error codes, as a node meets them.

`Ec2Model` answers the calls of `vpcipam.ec2.api.Ec2Api` and has beside them what an administrator needs to set the stage. It is
deterministic: the same calls in the same order give the same ids, addresses and refusals.

Where EC2's documentation is silent, the model does what users report of it:

- An ENI that is not attached knows no limit of an instance type. Attaching it counts its addresses, and refuses too many of them with
  InvalidInterface.IpAddressLimitExceeded.
- CreateNetworkInterface answers a subnet without room for the secondary IPs or prefixes with InvalidParameterValue, be it full or merely
  fragmented; AssignPrivateIpAddresses has two codes for the two cases.
- A named secondary IP that is taken is an InvalidParameterValue ("assigned, but move is not allowed").
"""

import operator
from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

import attrs

from vpcipam.address import AddressMode, Cidr, address_text
from vpcipam.ec2 import invariants
from vpcipam.ec2.account import Account
from vpcipam.ec2.api import METADATA_ACTION, AssignedAddresses, ErrorCode, Instance, NetworkInterface, Subnet
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.gate import Gate
from vpcipam.ec2.records import EniRecord, InstanceRecord, SubnetRecord, Vpc, VpcRecord, address_texts, prefix_texts, sorted_tags
from vpcipam.ec2.requests import INTERFACE_TYPES, Call, texts
from vpcipam.ec2.rules import allocate_for_eni, allocate_for_new_eni, claim_for_eni, require_limits, require_place, require_room
from vpcipam.ec2.subnet import AddressChoice, AddressSet, SubnetAddresses
from vpcipam.ec2.views import Present
from vpcipam.errors import InvalidArgument
from vpcipam.limits import InstanceLimits, instance_limits

IPV4_PREFIX_LENGTHS = range(16, 28 + 1)
"""The sizes of a VPC's and of a subnet's IPv4 CIDR."""
VPC_IPV6_PREFIX_LENGTHS = range(44, 60 + 1, 4)
SUBNET_IPV6_PREFIX_LENGTH = 64

_Value = TypeVar("_Value")


class Ec2Model:
    """EC2 as a node meets it; see `vpcipam.ec2.api` for the calls. A refused call changes nothing but `call_counts`.

    Args:
        address_choice: `lowest` takes the lowest free address or block, `random` the first at or after a seeded random place.
        seed: of `random`; without meaning for `lowest`.
        conditions: how EC2 behaves over time; None for at once, always up to date and without a limit or a fault.

    Example:
        >>> ec2 = Ec2Model()
        >>> vpc = ec2.create_vpc("10.0.0.0/16")
        >>> subnet = ec2.create_subnet(vpc.vpc_id, "10.0.1.0/24")
        >>> subnet.available_ip_address_count
        251
        >>> eni = ec2.create_network_interface(subnet_id=subnet.subnet_id, ipv4_prefix_count=1, now_ns=0)
        >>> eni.private_ip, eni.ipv4_prefixes
        ('10.0.1.4', ('10.0.1.16/28',))
        >>> ec2.subnets[0].available_ip_address_count
        234
    """

    def __init__(self, *, address_choice: AddressChoice = "lowest", seed: int = 0, conditions: Conditions | None = None) -> None:
        if address_choice not in ("lowest", "random"):
            raise InvalidArgument(f"address_choice is {address_choice!r}; it must be 'lowest' or 'random'")
        self._address_choice: AddressChoice = address_choice
        self._seed = operator.index(seed)
        self._account = Account()
        self._call_counts: Counter[str] = Counter()
        self._metadata_read_count = 0
        self._described = self._metadata = Present(self._account)
        self._gate = None if conditions is None else Gate(conditions, self._account)
        if self._gate is not None:
            self._described, self._metadata = self._gate.described, self._gate.metadata

    # --- what an administrator sees, free of charge ----------------------------------------------------------------------

    @property
    def vpcs(self) -> tuple[Vpc, ...]:
        """All VPCs, ordered by id."""
        return tuple(vpc.view() for vpc in self._account.vpcs.values())

    @property
    def subnets(self) -> tuple[Subnet, ...]:
        """All subnets, ordered by id."""
        return tuple(subnet.view() for subnet in self._account.subnets.values())

    @property
    def instances(self) -> tuple[Instance, ...]:
        """All instances, ordered by id."""
        return tuple(instance.view() for instance in self._account.instances.values())

    @property
    def call_counts(self) -> dict[str, int]:
        """How often each action was called until now, refused calls included, by EC2's name of the action. Metadata is read for nothing."""
        return dict(self._call_counts)

    @property
    def metadata_read_count(self) -> int:
        """How often instance metadata was read until now."""
        return self._metadata_read_count

    @property
    def elapsed_ns(self) -> int:
        """How long all calls together have taken until now, one after another; metadata reads too.

        A caller that waits for each answer looks at it before and after its calls.
        """
        return 0 if self._gate is None else self._gate.elapsed_ns

    @property
    def throttled_counts(self) -> dict[str, int]:
        """How often each action was answered with RequestLimitExceeded for want of a token; `call_counts` has these calls too."""
        return {} if self._gate is None else self._gate.throttled_counts

    @property
    def fault_counts(self) -> dict[str, int]:
        """How often each effect of a fault has struck, by its name; addresses that are taken at a set time are not counted."""
        return {} if self._gate is None else self._gate.fault_counts

    def tokens(self, action: str, now_ns: int, *, filtered: bool = True) -> int | None:
        """How many calls of an action would be let in at a time, one after another; None where there is no limit."""
        return None if self._gate is None else self._gate.tokens(action, now_ns, filtered=filtered)

    # --- what an administrator does --------------------------------------------------------------------------------------

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

    def launch_instance(
        self, instance_type: str | InstanceLimits, subnet_id: str, *, now_ns: int, tags: Iterable[tuple[str, str]] = ()
    ) -> Instance:
        """Launch an instance; its primary ENI, in the same subnet, goes when it goes.

        Raises:
            Ec2Error: InsufficientFreeAddressesInSubnet where the primary ENI finds no address.
            UnknownInstanceType: the name is not in the table; give an `InstanceLimits` instead.
        """
        call = self._begin("RunInstances", now_ns)
        limits = instance_limits(instance_type)
        subnet = self._account.subnet(call, subnet_id)
        addresses = allocate_for_new_eni(call, subnet)
        instance = InstanceRecord(self._account.new_id("i"), limits, subnet, sorted_tags(tags))
        self._account.add_instance(instance)
        eni = self._add_eni(call, subnet, addresses)
        self._account.attach(eni, instance, instance.primary_place, delete_on_termination=True)
        return self._done(call, instance.view())

    def terminate_instance(self, instance_id: str, *, now_ns: int) -> None:
        """Terminate an instance: its ENIs are deleted where they are set to go with it, else detached."""
        call = self._begin("TerminateInstances", now_ns)
        instance = self._account.instance(call, instance_id)
        for eni in instance.enis():
            attachment = self._account.detach(eni)
            if attachment.delete_on_termination:
                self._account.drop_eni(eni)
        self._account.drop_instance(instance)
        self._done(call, None)

    # --- what a node asks ------------------------------------------------------------------------------------------------

    def create_network_interface(
        self,
        *,
        subnet_id: str,
        secondary_ip_count: int = 0,
        ipv4_prefix_count: int = 0,
        ipv6_prefix_count: int = 0,
        interface_type: str = "interface",
        description: str = "",
        tags: Iterable[tuple[str, str]] = (),
        now_ns: int,
    ) -> NetworkInterface:
        """Make an ENI with its primary IP and, in the same step, secondary IPs or prefixes.

        Raises:
            Ec2Error: InvalidParameterCombination for secondary IPs and /28s in one call; InsufficientFreeAddressesInSubnet where no address
                is free at all; InvalidParameterValue where the primary IP would fit, but not all of the rest; InsufficientCidrBlocks
                for too few /80s.
        """
        call = self._begin("CreateNetworkInterface", now_ns)
        address_count = call.count("secondary_ip_count", secondary_ip_count)
        prefix_count = call.count("ipv4_prefix_count", ipv4_prefix_count)
        ipv6_count = call.count("ipv6_prefix_count", ipv6_prefix_count)
        if address_count and prefix_count:
            call.one_kind(secondary_ip_count=address_count, ipv4_prefix_count=prefix_count)
        if interface_type not in INTERFACE_TYPES:
            raise call.invalid(f"interface_type is {interface_type!r}; it must be one of {', '.join(INTERFACE_TYPES)}")
        shown_tags = sorted_tags(tags)
        subnet = self._account.subnet(call, subnet_id)
        addresses = allocate_for_new_eni(call, subnet, address_count, prefix_count, ipv6_count)
        eni = self._add_eni(call, subnet, addresses, interface_type=interface_type, description=description, tags=shown_tags)
        return self._done(call, eni.view())

    def attach_network_interface(
        self, eni_id: str, instance_id: str, *, device_index: int, network_card_index: int = 0, now_ns: int
    ) -> str:
        """Attach an ENI; the answer is the attachment's id. It stays when the instance goes, until told otherwise.

        Device indexes run from 0 to one less than the card's maximum of ENIs. On the further cards users begin with 1, so there they run
        up to the maximum.

        Raises:
            Ec2Error: in this order: the NotFound codes; InvalidNetworkInterface.InUse where it is attached; InvalidParameterCombination
                across availability zones; InvalidParameterValue for a card that is not there, or a device index below 0 or taken;
                AttachmentLimitExceeded for a full card; InvalidParameterValue for a device index above the card's;
                InvalidInterface.IpAddressLimitExceeded for more addresses than the type allows; InvalidParameterValue for prefixes on a
                type without them.
        """
        call = self._begin("AttachNetworkInterface", now_ns)
        place = operator.index(network_card_index), operator.index(device_index)
        eni = self._account.eni(call, eni_id)
        instance = self._account.instance(call, instance_id)
        if eni.attachment is not None:
            raise call.refusal(ErrorCode.ENI_IN_USE, f"Interface: [{eni_id}] in use.")
        if eni.subnet.availability_zone != instance.subnet.availability_zone:
            zones = f"{eni.subnet.availability_zone} and {instance.subnet.availability_zone}"
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, f"{eni_id} and {instance_id} are in two zones, {zones}")
        require_place(call, instance, place)
        require_limits(call, instance.limits, eni)
        attachment = self._account.attach(eni, instance, place, delete_on_termination=False)
        return self._done(call, attachment.attachment_id)

    def modify_network_interface_attribute(self, eni_id: str, *, attachment_id: str, delete_on_termination: bool, now_ns: int) -> None:
        """Say whether the ENI goes when its instance is terminated.

        Raises:
            Ec2Error: InvalidAttachmentID.NotFound where the attachment is none of this ENI's.
        """
        call = self._begin("ModifyNetworkInterfaceAttribute", now_ns)
        eni = self._account.eni(call, eni_id)
        if eni.attachment is None or eni.attachment.attachment_id != attachment_id:
            raise call.refusal(ErrorCode.ATTACHMENT_NOT_FOUND, f"{eni_id} has no attachment {attachment_id!r}")
        eni.set_attachment(eni.instance, attrs.evolve(eni.attachment, delete_on_termination=bool(delete_on_termination)))
        self._done(call, None)

    def detach_network_interface(self, attachment_id: str, *, now_ns: int) -> None:
        """Detach an ENI; its device index is free at once.

        Raises:
            Ec2Error: OperationNotPermitted for the primary ENI.
        """
        call = self._begin("DetachNetworkInterface", now_ns)
        eni = self._account.attached(call, attachment_id)
        if eni.is_primary:
            raise call.refusal(ErrorCode.OPERATION_NOT_PERMITTED, "The network interface at device index 0 cannot be detached.")
        self._account.detach(eni)
        self._done(call, None)

    def delete_network_interface(self, eni_id: str, *, now_ns: int) -> None:
        """Delete a detached ENI; its addresses go back to the subnet.

        Raises:
            Ec2Error: InvalidParameterValue while it is attached.
        """
        call = self._begin("DeleteNetworkInterface", now_ns)
        eni = self._account.eni(call, eni_id)
        if eni.attachment is not None:
            raise call.invalid(f"Network interface '{eni_id}' is currently in use.")
        self._account.drop_eni(eni)
        self._done(call, None)

    def assign_private_ip_addresses(
        self,
        eni_id: str,
        *,
        secondary_ip_count: int = 0,
        ipv4_prefix_count: int = 0,
        addresses: Iterable[str] = (),
        prefixes: Iterable[str] = (),
        now_ns: int,
    ) -> AssignedAddresses:
        """Add secondary IPs or /28 prefixes, by count or by name: one of the four in a call.

        Raises:
            Ec2Error: PrivateIpAddressLimitExceeded beyond the type's limit, where the ENI is attached; InsufficientFreeAddressesInSubnet
                and InsufficientCidrBlocks where the subnet has too few; InvalidParameterValue for a name that is no free address of the
                subnet, and for prefixes on a type without them; InvalidParameterCombination for none or several of the four.
        """
        call = self._begin("AssignPrivateIpAddresses", now_ns)
        address_count = call.count("secondary_ip_count", secondary_ip_count)
        prefix_count = call.count("ipv4_prefix_count", ipv4_prefix_count)
        address_texts_, prefix_texts_ = texts(addresses), texts(prefixes)
        call.one_kind(secondary_ip_count=address_count, ipv4_prefix_count=prefix_count, addresses=address_texts_, prefixes=prefix_texts_)
        named = call.named(address_texts_, prefix_texts_)
        eni = self._account.eni(call, eni_id)
        require_room(
            call,
            eni,
            ipv4_count=address_count + prefix_count + len(named.addresses) + len(named.prefixes),
            has_prefixes=bool(prefix_count or named.prefixes),
        )
        added = (
            claim_for_eni(call, eni.subnet, named)
            if named != AddressSet()
            else allocate_for_eni(call, eni.subnet, address_count, prefix_count)
        )
        eni.add(added)
        answer = AssignedAddresses(address_texts(added.addresses), prefix_texts(added.prefixes, AddressMode.PREFIX))
        return self._done(call, answer)

    def unassign_private_ip_addresses(
        self, eni_id: str, *, addresses: Iterable[str] = (), prefixes: Iterable[str] = (), now_ns: int
    ) -> None:
        """Take secondary IPs and prefixes off an ENI; both kinds may be given.

        Raises:
            Ec2Error: InvalidParameterValue for the primary IP, and for what the ENI does not have; InvalidParameterCombination for nothing
                at all.
        """
        call = self._begin("UnassignPrivateIpAddresses", now_ns)
        address_texts_, prefix_texts_ = texts(addresses), texts(prefixes)
        if not address_texts_ and not prefix_texts_:
            call.one_kind(addresses=address_texts_, prefixes=prefix_texts_)
        named = call.named(address_texts_, prefix_texts_)
        eni = self._account.eni(call, eni_id)
        if eni.private_ip in named.addresses:
            raise call.invalid(f"{address_text(eni.private_ip, 4)} is the primary IP of {eni_id}, which can't be unassigned")
        if not (eni.secondary_ips.issuperset(named.addresses) and eni.prefixes.issuperset(named.prefixes)):
            raise call.invalid(f"Some of the specified addresses are not assigned to interface {eni_id}")
        eni.remove(named)
        eni.subnet.addresses.release(named)
        self._done(call, None)

    def assign_ipv6_addresses(self, eni_id: str, *, ipv6_prefix_count: int, now_ns: int) -> tuple[str, ...]:
        """Add /80 prefixes; the answer is what was added, ascending.

        Raises:
            Ec2Error: InvalidParameterValue for a count below 1, a subnet without IPv6, or a type without prefixes;
                PrivateIpAddressLimitExceeded beyond the type's limit, where the ENI is attached; InsufficientCidrBlocks where the subnet
                has too few.
        """
        call = self._begin("AssignIpv6Addresses", now_ns)
        count = call.count("ipv6_prefix_count", ipv6_prefix_count)
        if count == 0:
            raise call.invalid("ipv6_prefix_count is 0; it must be 1 or more")
        eni = self._account.eni(call, eni_id)
        require_room(call, eni, ipv6_count=count, has_prefixes=True)
        added = allocate_for_eni(call, eni.subnet, ipv6_prefix_count=count)
        eni.add(added)
        return self._done(call, prefix_texts(added.ipv6_prefixes, AddressMode.IPV6))

    def describe_network_interfaces(
        self, *, eni_ids: Iterable[str] = (), instance_id: str | None = None, now_ns: int
    ) -> tuple[NetworkInterface, ...]:
        """Show ENIs: the named ones, or those attached to an instance, or all; ordered by id.

        An instance is a filter, as in EC2: an unknown one has no ENIs. With names and an instance, those that fit both are shown.

        Raises:
            Ec2Error: InvalidNetworkInterfaceID.NotFound for an unknown name.
        """
        call = self._begin("DescribeNetworkInterfaces", now_ns, filtered=instance_id is not None)
        names = sorted(set(texts(eni_ids)))
        named = [self._described.eni(call, eni_id) for eni_id in names]
        if instance_id is None:
            return tuple(named or self._described.enis(call))
        attached = sorted(self._described.attached(call, instance_id), key=lambda eni: eni.eni_id)
        return tuple(eni for eni in attached if not names or eni.eni_id in names)

    def describe_instance(self, instance_id: str, *, now_ns: int) -> Instance:
        """Show an instance with its ENIs (DescribeInstances).

        Raises:
            Ec2Error: InvalidInstanceID.NotFound where it is unknown or terminated.
        """
        call = self._begin("DescribeInstances", now_ns, filtered=False)
        return self._described.instance(call, instance_id)

    def describe_subnets(self, *, subnet_ids: Iterable[str] = (), vpc_id: str | None = None, now_ns: int) -> tuple[Subnet, ...]:
        """Show subnets: the named ones, or those of a VPC, or all; ordered by id. The VPC is a filter, as in EC2.

        Raises:
            Ec2Error: InvalidSubnetID.NotFound for an unknown name.
        """
        call = self._begin("DescribeSubnets", now_ns)
        named = [self._described.subnet(call, subnet_id) for subnet_id in sorted(set(texts(subnet_ids)))]
        return tuple(subnet for subnet in named or self._described.subnets(call) if vpc_id is None or subnet.vpc_id == vpc_id)

    def instance_metadata(self, instance_id: str, *, now_ns: int) -> tuple[NetworkInterface, ...]:
        """Show the attached ENIs, by card and device index, as the instance's own metadata does: free of charge and without tags.

        Raises:
            Ec2Error: InvalidInstanceID.NotFound where it is unknown or terminated.
        """
        self._metadata_read_count += 1
        call = Call(METADATA_ACTION, now_ns)
        if self._gate is not None:
            self._gate.enter(call)
        enis = tuple(attrs.evolve(eni, tags=()) for eni in self._metadata.instance(call, instance_id).network_interfaces)
        return enis if self._gate is None else self._gate.metadata_answer(instance_id, enis)

    # --- within ----------------------------------------------------------------------------------------------------------

    def _begin(self, action: str, now_ns: int, *, filtered: bool = True) -> Call:
        """Take in a call. Every action passes through here, and nowhere else; `filtered` matters to the paged Describe calls alone."""
        self._call_counts[action] += 1
        call = Call(action, now_ns)
        if self._gate is not None:
            self._gate.enter(call, filtered=filtered)
        return call

    def _done(self, call: Call, value: _Value) -> _Value:
        """Let go of the answer of a call that may have changed something."""
        if self._gate is not None:
            self._gate.leave(call)
        return value

    def _add_eni(
        self,
        call: Call,
        subnet: SubnetRecord,
        addresses: AddressSet,
        *,
        interface_type: str = "interface",
        description: str = "",
        tags: tuple[tuple[str, str], ...] = (),
    ) -> EniRecord:
        """Make an ENI of addresses that are taken already; the first is its primary IP."""
        primary, *secondary = addresses.addresses
        eni = EniRecord(self._account.new_id("eni"), subnet, primary, interface_type, description, tags, call.now_ns)
        eni.add(attrs.evolve(addresses, addresses=tuple(secondary)))
        self._account.add_eni(eni)
        return eni

    def _check(self) -> None:
        invariants.check(self._account)


def _vpc_cidr(call: Call, text: str) -> Cidr:
    cidr = call.cidr(text, 4)
    if cidr.prefix_length not in IPV4_PREFIX_LENGTHS:
        raise call.refusal(ErrorCode.VPC_RANGE, f"{cidr} is not a /16 to /28")
    return cidr


def _holds(whole: Cidr, part: Cidr) -> bool:
    return part.first in whole and part.last in whole
