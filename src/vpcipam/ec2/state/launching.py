"""The network interfaces of a launch: what is asked for, and the addresses that each instance gets."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack

import attrs

from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.state.account import Records
from vpcipam.ec2.state.call import EFA_ONLY, INTERFACE_TYPES, Call, texts
from vpcipam.ec2.state.records import EniRecord, SubnetRecord
from vpcipam.ec2.state.rules import (
    allocate_for_new_eni,
    require_card,
    require_index,
    require_ipv6_for_primary,
    require_limits,
    with_ipv6_of_subnet,
)
from vpcipam.ec2.state.subnet import NO_ADDRESSES, AddressCounts, AddressSet
from vpcipam.limits import InstanceLimits


@attrs.frozen
class LaunchAddresses:
    """The addresses that a new ENI asks for, by name and by count; `takes_none` for an EFA-only one."""

    private_ip: int | None
    named: AddressSet
    counts: AddressCounts
    takes_none: bool
    has_primary_ipv6: bool = False


@attrs.frozen
class LaunchInterface:
    """An ENI of each instance of a launch; its fields are those of `create_network_interface` and of an attachment.

    Attributes:
        eni_id: an ENI that exists, and takes only a place beside; None for a new one.
        delete_on_termination: None for True for a new ENI, False for one that exists.
        associate_public_ip: whether the instance gets a public address; None for what the subnet says.
        security_group_names: names of security groups of the default VPC, besides `security_group_ids`.
    """

    subnet_id: str | None = None
    device_index: int = 0
    network_card_index: int | None = None
    private_ip: str | None = None
    secondary_ips: Iterable[str] = ()
    secondary_ip_count: int = 0
    ipv4_prefixes: Iterable[str] = ()
    ipv4_prefix_count: int = 0
    ipv6_addresses: Iterable[str] = ()
    ipv6_address_count: int = 0
    ipv6_prefixes: Iterable[str] = ()
    ipv6_prefix_count: int = 0
    interface_type: str = "interface"
    description: str = ""
    security_group_ids: Iterable[str] = ()
    security_group_names: Iterable[str] = ()
    enable_primary_ipv6: bool = False
    tags: Iterable[tuple[str, str]] = ()
    delete_on_termination: bool | None = None
    associate_public_ip: bool | None = None
    eni_id: str | None = None

    def place(self, limits: InstanceLimits) -> tuple[int, int]:
        """Return its network card, by default the one of the primary ENI, and its device index."""
        return limits.default_network_card if self.network_card_index is None else self.network_card_index, self.device_index

    def find(self, call: Call, enis: Records[EniRecord]) -> EniRecord | None:
        """Return the ENI that it names, unattached; None for a new one."""
        if self.eni_id is None:
            return None
        given = {field.name: getattr(self, field.name) or field.default for field in attrs.fields(LaunchInterface)}
        if any(given[field.name] != field.default and field.name not in _PLACE for field in attrs.fields(LaunchInterface)):
            message = "A network interface that names a network interface ID takes only indexes beside it"
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, message)
        eni = enis.find(call, self.eni_id)
        if eni.is_in_use:
            raise call.refusal(ErrorCode.ENI_IN_USE, f"Interface: [{self.eni_id}] in use.")
        return eni

    def read(self, call: Call) -> LaunchAddresses:
        """Check and parse the addresses that it asks for; an ENI that exists has its own."""
        if self.eni_id is not None:
            return _NOTHING
        ipv4, blocks, ipv6, cells = map(texts, (self.secondary_ips, self.ipv4_prefixes, self.ipv6_addresses, self.ipv6_prefixes))
        counts = AddressCounts(
            call.count("SecondaryPrivateIpAddressCount", self.secondary_ip_count),
            call.count("Ipv4PrefixCount", self.ipv4_prefix_count),
            call.count("Ipv6AddressCount", self.ipv6_address_count),
            call.count("Ipv6PrefixCount", self.ipv6_prefix_count),
        )
        call.at_most_one(
            SecondaryPrivateIpAddressCount=counts.addresses, Ipv4PrefixCount=counts.prefixes, PrivateIpAddresses=ipv4, Ipv4Prefixes=blocks
        )
        call.at_most_one(
            Ipv6AddressCount=counts.ipv6_addresses, Ipv6PrefixCount=counts.ipv6_prefixes, Ipv6Addresses=ipv6, Ipv6Prefixes=cells
        )
        if self.interface_type not in INTERFACE_TYPES:
            raise call.invalid(f"Value ({self.interface_type}) for parameter interfaceType is invalid.")
        primary = None if self.private_ip is None else call.address(self.private_ip)
        asked = LaunchAddresses(
            primary, call.named(ipv4, blocks, ipv6, cells), counts, self.interface_type == EFA_ONLY, self.enable_primary_ipv6
        )
        if primary in asked.named.addresses:
            raise call.invalid(f"{self.private_ip} is named as the primary IP and as a secondary one")
        if asked.takes_none and (
            primary is not None
            or self.associate_public_ip
            or asked.has_primary_ipv6
            or asked.named.counts != counts
            or counts != AddressCounts()
        ):
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, "An EFA-only network interface takes no IP addresses.")
        return asked


_PLACE = {"eni_id", "device_index", "network_card_index"}
_NOTHING = LaunchAddresses(None, NO_ADDRESSES, AddressCounts(), takes_none=True)


def take(call: Call, subnets: Sequence[SubnetRecord], asked: Sequence[LaunchAddresses]) -> list[AddressSet]:
    """Take the addresses of the ENIs of one more instance, all or nothing."""
    with ExitStack() as undo:
        for subnet in dict.fromkeys(subnets):
            undo.enter_context(subnet.addresses.all_or_nothing())
        return [_take(call, subnet, each) for subnet, each in zip(subnets, asked, strict=True)]


def _take(call: Call, subnet: SubnetRecord, asked: LaunchAddresses) -> AddressSet:
    if asked.takes_none:
        return NO_ADDRESSES
    counts = with_ipv6_of_subnet(subnet, asked.named, asked.counts)
    if asked.has_primary_ipv6:
        require_ipv6_for_primary(call, (asked.named.counts + counts).ipv6_addresses)
    return allocate_for_new_eni(call, subnet, private_ip=asked.private_ip, named=asked.named, counts=counts)


def require_some(call: Call, interfaces: Iterable[LaunchInterface]) -> tuple[LaunchInterface, ...]:
    """Return the interfaces of a launch; MissingParameter for none, InvalidParameterCombination for a public address beside another one."""
    wanted = tuple(interfaces)
    if not wanted:
        raise call.refusal(ErrorCode.MISSING_PARAMETER, "The request must contain the parameter NetworkInterface")
    if len(wanted) > 1 and any(each.associate_public_ip for each in wanted):
        message = "The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces."
        raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, message)
    return wanted


def require_primary(call: Call, wanted: LaunchInterface, eni: EniRecord | None) -> None:
    """Check the type of a primary ENI (Amazon EC2 User Guide, "Maximize network bandwidth on … instances with multiple network cards")."""
    if (wanted.interface_type if eni is None else eni.interface_type) == EFA_ONLY:
        raise call.invalid("An EFA-only network interface can't be the primary network interface.")


def require_fitting(
    call: Call, limits: InstanceLimits, subnets: Sequence[SubnetRecord], wanted: Sequence[LaunchInterface], asked: Sequence[LaunchAddresses]
) -> None:
    """Check that the ENIs of a launch fit together and on the instance type."""
    places = [each.place(limits) for each in wanted]
    if places[0] != (limits.default_network_card, 0):
        raise call.invalid("The first network interface must have the device index 0.")
    if len(set(places)) < len(places):
        raise call.invalid("Each network interface requires a unique device index.")
    if len({subnet.availability_zone for subnet in subnets}) > 1:
        raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, "The network interfaces lie in different zones.")
    for place in places:
        require_card(call, limits, place)
        count = sum(card == place[0] for card, _ in places)
        if count > limits.network_cards[place[0]]:
            raise call.refusal(ErrorCode.ATTACHMENT_LIMIT_EXCEEDED, f"Interface count {count} exceeds the limit for {limits.instance_type}")
        require_index(call, limits, place)
    for each in asked:
        total = each.named.counts + each.counts
        if total.ipv4_count + (not each.takes_none) > limits.ipv4_per_eni or total.ipv6_count > limits.ipv6_per_eni:
            raise call.refusal(
                ErrorCode.ADDRESS_LIMIT_EXCEEDED, f"Number of private addresses will exceed limit of {limits.instance_type}."
            )
        if total.has_prefixes and not limits.supports_prefixes:
            raise call.invalid(f"{limits.instance_type} takes no prefixes")


def require_named(
    call: Call, limits: InstanceLimits, enis: Sequence[EniRecord], asked: Iterable[LaunchAddresses], *, several: bool
) -> None:
    """Check the ENIs and the addresses that a launch of one or several instances names."""
    if several and (enis or any(each.private_ip is not None or each.named.counts != AddressCounts() for each in asked)):
        message = "Several instances can't have the same named addresses or network interfaces."
        raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, message)
    for eni in enis:
        require_limits(call, limits, eni)
    if len({eni.eni_id for eni in enis}) < len(enis):
        raise call.invalid("A network interface is named twice.")
