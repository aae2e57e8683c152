"""Answers of EC2, as `aws ec2 describe-…` and boto3 give them, single items of them, and pages of them one after the other."""

from collections.abc import Callable, Mapping
from typing import Any

from vpcipam.ec2.answers import read_instance, read_network_interface, read_subnet
from vpcipam.ec2.api import NetworkInterface, SubnetCidrReservation
from vpcipam.errors import InvalidArgument
from vpcipam.inspection.readers.collector import Collector, address_at, mappings, member, text_at
from vpcipam.inspection.readers.scraps import below
from vpcipam.limits import InstanceLimits
from vpcipam.settings.documents import kind_of, shown

Item = Mapping[str, Any]

_MOST_NAMES = 3
_NO_POD = "which pods and sandboxes use addresses: EC2 does not know"
_NO_RESERVATIONS = "which addresses are free: DescribeSubnets gives a number; ENIs and CIDR reservations are in other answers"


# --- items ---------------------------------------------------------------------------------------------------------------


def _read_eni(collector: Collector, item: Item, path: str) -> None:
    eni = read_network_interface(item)
    collector.network_interfaces.append(collector.fact(eni, path))
    _note_unreadable(collector, eni.eni_id or "an ENI", eni.unreadable, path)
    _note_addresses(collector, eni, path)


def _read_instance(collector: Collector, item: Item, path: str) -> None:
    instance = read_instance(item)
    collector.instances.append(collector.fact(instance, path))
    _note_unreadable(collector, instance.instance_id or "an instance", instance.unreadable, path)
    for eni in instance.network_interfaces:
        _note_addresses(collector, eni, path)


def _read_subnet(collector: Collector, item: Item, path: str) -> None:
    subnet = read_subnet(item)
    collector.subnets.append(collector.fact(subnet, path))
    _note_unreadable(collector, subnet.subnet_id or "a subnet", subnet.unreadable, path)


def _read_reservation(collector: Collector, item: Item, path: str) -> None:
    names = ("SubnetCidrReservationId", "SubnetId", "Cidr", "ReservationType")
    texts = [text_at(item, name) for name in names]
    _note_unreadable(collector, texts[0] or "a reservation", [name for name, text in zip(names, texts, strict=True) if not text], path)
    tags = tuple(sorted((text_at(tag, "Key"), text_at(tag, "Value")) for _, tag in mappings(item.get("Tags"))))
    reservation_id, subnet_id, cidr, kind = texts
    reservation = SubnetCidrReservation(reservation_id, subnet_id, cidr, kind, text_at(item, "Description"), tags)
    collector.reservations.append(collector.fact(reservation, path))


def _read_type(collector: Collector, item: Item, path: str) -> None:
    try:
        limits = InstanceLimits.from_describe_instance_types(_with_cards(item))
    except (InvalidArgument, TypeError) as error:
        collector.skip(text_at(item, "InstanceType") or "an instance type", str(error), path)
    else:
        collector.instance_types.append(collector.fact(limits, path))


def _with_cards(item: Item) -> Item:
    """Give an answer from before 2020, when EC2 knew no network cards, the one card that each type had."""
    network = item.get("NetworkInfo")
    enis = member(item, "NetworkInfo", "MaximumNetworkInterfaces")
    if not isinstance(network, Mapping) or "NetworkCards" in network or enis is None:
        return item
    return {**item, "NetworkInfo": {**network, "NetworkCards": [{"NetworkCardIndex": 0, "MaximumNetworkInterfaces": enis}]}}


def _note_unreadable(collector: Collector, what: str, members: "list[str] | tuple[str, ...]", path: str) -> None:
    if members:
        names = list(dict.fromkeys(members))
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        collector.skip(what, f"these members are missing or unreadable: {', '.join(map(shown, names[:_MOST_NAMES]))}{more}", path)


def _note_addresses(collector: Collector, eni: NetworkInterface, path: str) -> None:
    texts = [text for text in (*eni.single_ips, *eni.ipv6_addresses) if text and address_at(text) is None]
    if texts:
        collector.skip(eni.eni_id or "an ENI", f"{len(texts)} of its addresses are unreadable, such as {shown(texts[0])}", path)


# --- answers -------------------------------------------------------------------------------------------------------------

_Reader = Callable[[Collector, Item, str], None]

_LISTS: dict[str, tuple[str, str, str, _Reader, str]] = {
    "NetworkInterfaces": ("EC2's ENIs (DescribeNetworkInterfaces)", "an ENI", "NetworkInterfaceId", _read_eni, _NO_POD),
    "Subnets": ("EC2's subnets (DescribeSubnets)", "a subnet", "SubnetId", _read_subnet, _NO_RESERVATIONS),
    "InstanceTypes": ("EC2's instance types (DescribeInstanceTypes)", "an instance type", "InstanceType", _read_type, ""),
}
_INSTANCES = "EC2's instances (DescribeInstances)"
_NO_TAGS = "tags of ENIs: DescribeInstances leaves them out"
_RESERVATIONS = "EC2's CIDR reservations (GetSubnetCidrReservations)"
_RESERVATION_LISTS = ("SubnetIpv4CidrReservations", "SubnetIpv6CidrReservations")
"""Each list of an answer: what the answer is, what an item is, the member that each item has, its reader, and what it can't show."""


def is_launch_template(value: object) -> bool:
    """Recognise data of a launch template: what ENIs shall be, not which there are."""
    if not isinstance(value, Mapping):
        return False
    items = [item for _, item in mappings(value.get("NetworkInterfaces"))]
    return (
        "LaunchTemplateData" in value
        or "LaunchTemplateVersions" in value
        or (bool(items) and "InstanceId" not in value and all("NetworkInterfaceId" not in item and "Description" in item for item in items))
    )


def is_ec2_answer(value: object) -> bool:
    """Recognise an answer of EC2, or one item of it."""
    if not isinstance(value, Mapping) or is_launch_template(value) or "kind" in value:
        return False
    lists = (*_LISTS, "Reservations", *_RESERVATION_LISTS)
    return any(isinstance(value.get(name), list) for name in lists) or _reader_of_item(value) is not None


def _reader_of_item(value: Item) -> tuple[str, _Reader, str] | None:
    """Return what a single item is, its reader, and what it can't show; None if it is no item."""
    if "InstanceId" in value and ("State" in value or "Placement" in value or "InstanceType" in value):
        return _INSTANCES, _read_instance, _NO_TAGS
    if isinstance(value.get("Instances"), list):
        return (
            _INSTANCES,
            lambda collector, item, path: _read_list(collector, item, path, "Instances", ("an instance", _read_instance)),
            _NO_TAGS,
        )
    if "SubnetCidrReservationId" in value:
        return _RESERVATIONS, _read_reservation, ""
    if "NetworkInterfaceId" in value and ("PrivateIpAddresses" in value or "InterfaceType" in value or "Status" in value):
        kind, _, _, read, cannot = _LISTS["NetworkInterfaces"]
        return kind, read, cannot
    if "SubnetId" in value and "CidrBlock" in value:
        kind, _, _, read, cannot = _LISTS["Subnets"]
        return kind, read, cannot
    if "InstanceType" in value and "NetworkInfo" in value:
        kind, _, _, read, cannot = _LISTS["InstanceTypes"]
        return kind, read, cannot
    return None


def read_ec2_answer(collector: Collector, value: Item, path: str) -> None:
    """Read all lists of an answer, or one item."""
    single = _reader_of_item(value)
    if single is not None:
        kind, read, cannot = single
        if collector.is_cut(path):
            collector.skip(kind, "the text breaks off within it", path)
        else:
            read(collector, value, path)
        collector.document(kind, cannot_show=filter(None, (cannot,)), path=path)
        return
    remarks = ("it has a NextToken, so this is not the last page",) if value.get("NextToken") else ()
    for name, (kind, item_name, _, read, cannot) in _LISTS.items():
        if isinstance(value.get(name), list):
            _read_list(collector, value, path, name, (item_name, read))
            collector.document(kind, cannot_show=filter(None, (cannot,)), remarks=remarks, path=path)
    if isinstance(value.get("Reservations"), list):
        for number, reservation in mappings(value["Reservations"]):
            place = below(below(path, "Reservations"), number)
            _read_list(collector, reservation, place, "Instances", ("an instance", _read_instance))
        collector.document(_INSTANCES, cannot_show=(_NO_TAGS, _NO_POD), remarks=remarks, path=path)
    if any(isinstance(value.get(name), list) for name in _RESERVATION_LISTS):
        for name in _RESERVATION_LISTS:
            _read_list(collector, value, path, name, ("a reservation", _read_reservation))
        collector.document(_RESERVATIONS, remarks=remarks, path=path)


def _read_list(collector: Collector, value: Item, path: str, name: str, of: tuple[str, _Reader]) -> None:
    item_name, read = of
    items = value.get(name)
    for number, item in enumerate(items if isinstance(items, list) else ()):
        place = below(below(path, name), number)
        if not isinstance(item, Mapping):
            collector.skip(item_name, f"must be an object, not {kind_of(item)}", place)
        elif collector.is_cut(place):
            collector.skip(item_name, "the text breaks off within it", place)
        else:
            read(collector, item, place)
