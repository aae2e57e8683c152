"""Parsers that turn EC2's answers, as boto3 and `aws … --output json` give them, into the values of `vpcipam.ec2.api`."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from vpcipam.address import IPV6_BITS, Cidr
from vpcipam.ec2.api import AssignedAddresses, Attachment, ElasticIpAssociation, Instance, NetworkInterface, Subnet, SubnetCidrReservation
from vpcipam.errors import InvalidCidr

Structure = Mapping[str, Any]
"""A structure in an EC2 answer: its members by name."""
_Value = TypeVar("_Value")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_US = 1_000


class _Members:
    """The members of a structure. It notes those that are missing or of the wrong type, and gives a default for them.

    An answer that a person has shortened or redacted is still read as far as possible.

    Attributes:
        unreadable: the names of those members, also of those of structures within.
    """

    def __init__(self, item: object, unreadable: list[str] | None = None, path: str = "") -> None:
        self._item: Structure = item if isinstance(item, Mapping) else {}
        self._path = path
        self.unreadable: list[str] = [] if unreadable is None else unreadable
        if not isinstance(item, Mapping):
            self.note("")

    def note(self, name: str) -> None:
        """Note a member that is unreadable."""
        self.unreadable.append(f"{self._path}{name}".strip("."))

    def has(self, name: str) -> bool:
        """Tell whether there is a member."""
        return self._item.get(name) is not None

    def value(self, name: str, default: _Value, *, required: bool) -> _Value:
        """Return a member of the type of the default."""
        value = self._item.get(name)
        if type(value) is type(default):
            return value
        if value is not None or required:
            self.note(name)
        return default

    def text(self, name: str, default: str = "", *, required: bool = True) -> str:
        """Return a text."""
        return self.value(name, default, required=required)

    def within(self, name: str) -> "_Members":
        """Return a structure within."""
        return _Members(self._item.get(name), self.unreadable, f"{self._path}{name}.")

    def each(self, name: str) -> "list[_Members]":
        """Return a list of structures, empty if it is missing."""
        items: list[object] = self.value(name, [], required=False)
        return [_Members(item, self.unreadable, f"{self._path}{name}.") for item in items]

    def texts(self, name: str, of: str) -> Iterable[str]:
        """Return one text of each structure of a list."""
        return [each.text(of) for each in self.each(name)]

    def tags(self, name: str) -> tuple[tuple[str, str], ...]:
        """Return tags."""
        return tuple(sorted((each.text("Key"), each.text("Value")) for each in self.each(name)))

    def time_ns(self, name: str) -> int:
        """Return a time in Unix nanoseconds, 0 if it is unreadable."""
        try:
            return read_time_ns(self._item[name])
        except (KeyError, TypeError, ValueError):
            self.note(name)
            return 0


def read_network_interface(item: Structure, *, zone: str | None = None) -> NetworkInterface:
    """Parse an ENI. EC2 does not show when it was created, so `created_ns` is 0.

    Args:
        item: an item of DescribeNetworkInterfaces' NetworkInterfaces, or CreateNetworkInterface's NetworkInterface.
        zone: its availability zone if the item lacks it, as within an instance.
    """
    return _network_interface(_Members(item), zone=zone, instance_id=None)


def _network_interface(members: _Members, *, zone: str | None, instance_id: str | None) -> NetworkInterface:
    shown_ip = members.text("PrivateIpAddress", required=False)  # missing for EFA-only ENIs and in IPv6-only subnets
    private_ip, secondary_ips = _private_ips(members, shown_ip)
    ipv6 = members.each("Ipv6Addresses")
    primaries = [each.text("Ipv6Address") for each in ipv6 if each.value("IsPrimaryIpv6", False, required=False)]  # noqa: FBT003  # the default
    groups = sorted((each.text("GroupId"), each.text("GroupName", required=False)) for each in members.each("Groups"))
    return NetworkInterface(
        eni_id=members.text("NetworkInterfaceId"),
        subnet_id=members.text("SubnetId"),
        vpc_id=members.text("VpcId"),
        availability_zone=members.text("AvailabilityZone") if zone is None else zone,
        private_ip=private_ip,
        secondary_ips=_ascending(secondary_ips),
        ipv4_prefixes=_ascending(members.texts("Ipv4Prefixes", "Ipv4Prefix")),
        ipv6_addresses=_ascending(members.texts("Ipv6Addresses", "Ipv6Address")),
        ipv6_prefixes=_ascending(members.texts("Ipv6Prefixes", "Ipv6Prefix")),
        interface_type=members.text("InterfaceType", "interface", required=False),
        status=members.text("Status"),
        description=members.text("Description", required=False),
        tags=members.tags("TagSet"),
        attachment=_attachment(members, instance_id),
        source_dest_check=members.value("SourceDestCheck", True, required=False),  # noqa: FBT003  # the default
        primary_ipv6=next(iter(primaries), ""),
        security_group_ids=tuple([group_id for group_id, _ in groups]),
        security_group_names=tuple([name for _, name in groups]),
        mac_address=members.text("MacAddress", required=False),
        elastic_ips=_elastic_ips(members, private_ip),
        unreadable=tuple(members.unreadable),
    )


def _elastic_ips(members: _Members, private_ip: str) -> tuple[ElasticIpAssociation, ...]:
    """Parse the public addresses of an ENI; within an instance they have no ids, and those of carriers are left out."""
    found = {}
    for each in members.each("PrivateIpAddresses"):
        shown = each.within("Association") if each.has("Association") else None
        public_ip = "" if shown is None else shown.text("PublicIp", required=False)
        if shown is not None and public_ip:
            address = each.text("PrivateIpAddress")
            allocation_id, association_id = (shown.text(name, required=False) for name in ("AllocationId", "AssociationId"))
            found[address] = ElasticIpAssociation(address, public_ip, allocation_id, association_id)
    ordered = _ascending(address for address in found if address != private_ip)
    return tuple(found[address] for address in (private_ip, *ordered) if address in found)


def _private_ips(members: _Members, private_ip: str) -> tuple[str, list[str]]:
    """Return the primary IPv4 address and the others. The list names the primary one even if `private_ip` is empty."""
    secondary_ips = []
    for each in members.each("PrivateIpAddresses"):
        address = each.text("PrivateIpAddress")
        if each.value("Primary", address == private_ip, required=True):
            private_ip = private_ip or address
        else:
            secondary_ips.append(address)
    return private_ip, secondary_ips


def _attachment(members: _Members, instance_id: str | None) -> Attachment | None:
    """Parse an attachment to an instance; None for one of an AWS service, such as a load balancer, which has no instance.

    Args:
        members: those of the ENI.
        instance_id: the instance that shows the ENI, and then not in the attachment itself.
    """
    if not members.has("Attachment") and instance_id is None:
        return None
    attachment = members.within("Attachment")
    if instance_id is None and not attachment.has("InstanceId"):
        return None
    return Attachment(
        attachment_id=attachment.text("AttachmentId"),
        instance_id=attachment.text("InstanceId") if instance_id is None else instance_id,
        device_index=attachment.value("DeviceIndex", -1, required=True),
        network_card_index=attachment.value("NetworkCardIndex", 0, required=False),
        delete_on_termination=attachment.value("DeleteOnTermination", True, required=True),  # noqa: FBT003  # the default
        attached_ns=attachment.time_ns("AttachTime") if attachment.has("AttachTime") else 0,
    )


def read_instance(item: Structure) -> Instance:
    """Parse an instance; EC2 shows its ENIs without tags."""
    members = _Members(item)
    instance_id = members.text("InstanceId")
    zone = members.within("Placement").text("AvailabilityZone")
    enis = [_network_interface(each, zone=zone, instance_id=instance_id) for each in members.each("NetworkInterfaces")]
    return Instance(
        instance_id=instance_id,
        instance_type=members.text("InstanceType"),
        subnet_id=members.text("SubnetId"),
        network_interfaces=tuple(sorted(enis, key=device_order)),
        tags=members.tags("Tags"),
        vpc_id=members.text("VpcId"),
        availability_zone=zone,
        state=members.within("State").text("Name"),
        launched_ns=members.time_ns("LaunchTime"),
        unreadable=tuple(members.unreadable),
    )


def read_time_ns(value: datetime | str) -> int:
    """Parse a time, a `datetime` from boto3 or text from JSON, into Unix nanoseconds."""
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    return (time - _EPOCH) // timedelta(microseconds=1) * _NS_PER_US


def device_order(eni: NetworkInterface) -> tuple[int, int]:
    """Return the network card and device index of an ENI as a sort key; an unattached one sorts first."""
    return (-1, -1) if eni.attachment is None else (eni.attachment.network_card_index, eni.attachment.device_index)


def read_reservation(item: Structure) -> SubnetCidrReservation:
    """Parse a CIDR reservation: an item of GetSubnetCidrReservations' lists. A member that is missing is empty."""
    members = _Members(item)
    return SubnetCidrReservation(
        reservation_id=members.text("SubnetCidrReservationId"),
        subnet_id=members.text("SubnetId"),
        cidr=members.text("Cidr"),
        reservation_type=members.text("ReservationType"),
        description=members.text("Description", required=False),
        tags=members.tags("Tags"),
    )


def read_subnet(item: Structure) -> Subnet:
    """Parse a subnet."""
    members = _Members(item)
    ipv6_cidrs = [
        each.text("Ipv6CidrBlock")
        for each in members.each("Ipv6CidrBlockAssociationSet")
        if each.within("Ipv6CidrBlockState").text("State") == "associated"
    ]
    return Subnet(
        subnet_id=members.text("SubnetId"),
        vpc_id=members.text("VpcId"),
        availability_zone=members.text("AvailabilityZone"),
        cidr=members.text("CidrBlock"),
        available_ip_address_count=members.value("AvailableIpAddressCount", 0, required=True),
        ipv6_cidr=next(iter(ipv6_cidrs), None),
        tags=members.tags("Tags"),
        default_for_az=members.value("DefaultForAz", False, required=False),  # noqa: FBT003  # the default
        map_public_ip_on_launch=members.value("MapPublicIpOnLaunch", False, required=False),  # noqa: FBT003  # likewise
        assign_ipv6_address_on_creation=members.value("AssignIpv6AddressOnCreation", False, required=False),  # noqa: FBT003
        unreadable=tuple(members.unreadable),
    )


def read_assigned(answer: Structure) -> AssignedAddresses:
    """Parse the addresses and prefixes that AssignPrivateIpAddresses added."""
    return AssignedAddresses(
        addresses=_ascending(each["PrivateIpAddress"] for each in answer.get("AssignedPrivateIpAddresses", ())),
        prefixes=_ascending(each["Ipv4Prefix"] for each in answer.get("AssignedIpv4Prefixes", ())),
    )


def read_assigned_ipv6_prefixes(answer: Structure) -> tuple[str, ...]:
    """Parse the /80s that AssignIpv6Addresses added."""
    return _ascending(answer.get("AssignedIpv6Prefixes", ()))


def _ascending(texts: Iterable[str]) -> tuple[str, ...]:
    """Sort addresses or CIDRs of one kind by address; text that is neither comes last."""
    return tuple(sorted(texts, key=_first_address))


def _first_address(text: str) -> int:
    try:
        return Cidr.parse(text).first
    except InvalidCidr:
        return 1 << IPV6_BITS
