"""Parsers that turn EC2's answers, as boto3 and `aws … --output json` give them, into the values of `vpcipam.ec2.api`."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from vpcipam.address import Cidr, parse_address
from vpcipam.ec2.api import AssignedAddresses, Attachment, Instance, NetworkInterface, Subnet

Structure = Mapping[str, Any]
"""A structure in an EC2 answer: its members by name."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_US = 1_000


def read_network_interface(item: Structure, *, zone: str | None = None) -> NetworkInterface:
    """Parse an ENI. EC2 does not show when it was created, so `created_ns` is 0.

    Args:
        item: an item of DescribeNetworkInterfaces' NetworkInterfaces, or CreateNetworkInterface's NetworkInterface.
        zone: its availability zone if the item lacks it, as within an instance.
    """
    private_ip = item.get("PrivateIpAddress", "")  # missing for EFA-only ENIs and in IPv6-only subnets
    return NetworkInterface(
        eni_id=item["NetworkInterfaceId"],
        subnet_id=item["SubnetId"],
        vpc_id=item["VpcId"],
        availability_zone=item["AvailabilityZone"] if zone is None else zone,
        private_ip=private_ip,
        secondary_ips=_ascending(each["PrivateIpAddress"] for each in item.get("PrivateIpAddresses", ()) if not each["Primary"]),
        ipv4_prefixes=_ascending(each["Ipv4Prefix"] for each in item.get("Ipv4Prefixes", ())),
        ipv6_addresses=_ascending(each["Ipv6Address"] for each in item.get("Ipv6Addresses", ())),
        ipv6_prefixes=_ascending(each["Ipv6Prefix"] for each in item.get("Ipv6Prefixes", ())),
        interface_type=item.get("InterfaceType", "interface"),
        status=item["Status"],
        description=item.get("Description", ""),
        tags=read_tags(item.get("TagSet", ())),
        attachment=_read_attachment(item.get("Attachment")),
        source_dest_check=item.get("SourceDestCheck", True),
        security_group_ids=tuple(sorted(group["GroupId"] for group in item.get("Groups", ()))),
    )


def _read_attachment(item: Structure | None) -> Attachment | None:
    """Parse an attachment to an instance; None for one of an AWS service, such as a load balancer, which has no instance."""
    if item is None or "InstanceId" not in item:
        return None
    return Attachment(
        attachment_id=item["AttachmentId"],
        instance_id=item["InstanceId"],
        device_index=item["DeviceIndex"],
        network_card_index=item.get("NetworkCardIndex", 0),
        delete_on_termination=item["DeleteOnTermination"],
    )


def read_instance(item: Structure) -> Instance:
    """Parse an instance; EC2 shows its ENIs without tags."""
    instance_id = item["InstanceId"]
    zone = item["Placement"]["AvailabilityZone"]
    enis = [
        read_network_interface({**eni, "Attachment": {**eni["Attachment"], "InstanceId": instance_id}}, zone=zone)
        for eni in item["NetworkInterfaces"]
    ]
    return Instance(
        instance_id=instance_id,
        instance_type=item["InstanceType"],
        subnet_id=item["SubnetId"],
        network_interfaces=tuple(sorted(enis, key=device_order)),
        tags=read_tags(item.get("Tags", ())),
        vpc_id=item["VpcId"],
        availability_zone=zone,
        state=item["State"]["Name"],
        launched_ns=_read_time_ns(item["LaunchTime"]),
    )


def _read_time_ns(value: datetime | str) -> int:
    """Parse a time, a `datetime` from boto3 or text from JSON, into Unix nanoseconds."""
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    return (time - _EPOCH) // timedelta(microseconds=1) * _NS_PER_US


def device_order(eni: NetworkInterface) -> tuple[int, int]:
    """Return the network card and device index of an ENI as a sort key; an unattached one sorts first."""
    return (-1, -1) if eni.attachment is None else (eni.attachment.network_card_index, eni.attachment.device_index)


def read_subnet(item: Structure) -> Subnet:
    """Parse a subnet."""
    ipv6_cidrs = [
        each["Ipv6CidrBlock"] for each in item.get("Ipv6CidrBlockAssociationSet", ()) if each["Ipv6CidrBlockState"]["State"] == "associated"
    ]
    return Subnet(
        subnet_id=item["SubnetId"],
        vpc_id=item["VpcId"],
        availability_zone=item["AvailabilityZone"],
        cidr=item["CidrBlock"],
        available_ip_address_count=item["AvailableIpAddressCount"],
        ipv6_cidr=next(iter(ipv6_cidrs), None),
        tags=read_tags(item.get("Tags", ())),
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


def read_tags(items: Iterable[Structure]) -> tuple[tuple[str, str], ...]:
    """Parse tags."""
    return tuple(sorted((item["Key"], item["Value"]) for item in items))


def _ascending(texts: Iterable[str]) -> tuple[str, ...]:
    """Sort addresses or CIDRs of one kind by address."""
    return tuple(sorted(texts, key=_first_address))


def _first_address(text: str) -> int:
    if "/" in text:
        return Cidr.parse(text).first
    return parse_address(text, 6 if ":" in text else 4)
