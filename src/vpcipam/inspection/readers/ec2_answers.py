"""Answers of EC2, as `aws ec2 describe-…` and boto3 give them, single items of them, and pages of them one after the other."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from vpcipam._units import counted
from vpcipam.ec2.answers import read_instance, read_network_interface, read_reservation, read_subnet
from vpcipam.ec2.api import NetworkInterface
from vpcipam.errors import InvalidArgument
from vpcipam.inspection.readers.collector import CUT, MOST_UNNAMED, Collector, address_at, mappings, member, text_at
from vpcipam.inspection.readers.scraps import below
from vpcipam.limits import InstanceLimits
from vpcipam.settings.documents import kind_of, shown

Item = Mapping[str, Any]

_MOST_NAMES = 3
_NO_POD = "which pods and sandboxes use addresses: EC2 does not know"
_NO_TAGS = "tags of ENIs: DescribeInstances leaves them out"
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
    collector.reservations.append(collector.fact(read_reservation(item), path))


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
        collector.skip(
            eni.eni_id or "an ENI", f"{counted(len(texts), 'address is', 'addresses are')} unreadable, such as {shown(texts[0])}", path
        )


# --- answers -------------------------------------------------------------------------------------------------------------


@attrs.frozen
class _Kind:
    """A kind of items.

    Attributes:
        answer: what an answer with such items is, in words.
        item: what one item is.
        name: the member without which an item is nothing.
        read: reads one item.
        cannot_show: what such an answer never has.
    """

    answer: str
    item: str
    name: str
    read: Callable[[Collector, Item, str], None]
    cannot_show: tuple[str, ...] = ()


_ENIS = _Kind("EC2's ENIs (DescribeNetworkInterfaces)", "an ENI", "NetworkInterfaceId", _read_eni, (_NO_POD,))
_SUBNETS = _Kind("EC2's subnets (DescribeSubnets)", "a subnet", "SubnetId", _read_subnet, (_NO_RESERVATIONS,))
_TYPES = _Kind("EC2's instance types (DescribeInstanceTypes)", "an instance type", "InstanceType", _read_type)
_INSTANCES = _Kind("EC2's instances (DescribeInstances)", "an instance", "InstanceId", _read_instance, (_NO_TAGS, _NO_POD))
_RESERVATIONS = _Kind("EC2's CIDR reservations (GetSubnetCidrReservations)", "a reservation", "SubnetCidrReservationId", _read_reservation)
_LISTS = {
    "NetworkInterfaces": _ENIS,
    "Subnets": _SUBNETS,
    "InstanceTypes": _TYPES,
    "Instances": _INSTANCES,
    "SubnetIpv4CidrReservations": _RESERVATIONS,
    "SubnetIpv6CidrReservations": _RESERVATIONS,
}
_RESERVATIONS_OF_INSTANCES = "Reservations"  # its items have a list of instances each


LIST_NAMES = (*_LISTS, _RESERVATIONS_OF_INSTANCES)
"""The members of answers that have lists of items."""


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
    return any(isinstance(value.get(name), list) for name in (*_LISTS, _RESERVATIONS_OF_INSTANCES)) or _kind_of_item(value) is not None


def _kind_of_item(value: Item) -> _Kind | None:
    """Return the kind of a single item; None if it is no item."""
    if "InstanceId" in value and ("State" in value or "Placement" in value or "InstanceType" in value):
        return _INSTANCES
    if "SubnetCidrReservationId" in value:
        return _RESERVATIONS
    if "NetworkInterfaceId" in value and ("PrivateIpAddresses" in value or "InterfaceType" in value or "Status" in value):
        return _ENIS
    if "SubnetId" in value and "CidrBlock" in value:
        return _SUBNETS
    return _TYPES if "InstanceType" in value and "NetworkInfo" in value else None


def read_ec2_answer(collector: Collector, value: Item, path: str) -> None:
    """Read all lists of an answer, or one item."""
    single = _kind_of_item(value)
    if single is not None:
        _read_item(collector, value, path, single)
        collector.document(single.answer, cannot_show=single.cannot_show, path=path)
        return
    names = [name for name in LIST_NAMES if isinstance(value.get(name), list)]
    for name in names:
        unnamed = 0
        for number, item in enumerate(value[name]):
            place = below(below(path, name), number)
            unnamed = 0 if read_item_of(collector, name, item, place) else unnamed + 1
            if unnamed == MOST_UNNAMED:
                collector.skip("the rest of the list", f"{MOST_UNNAMED:,} items in a row have no id", place)
                break
    note_lists(collector, names, value, path)


def note_lists(collector: Collector, names: list[str], others: Item, path: str = "") -> None:
    """Note the lists of an answer, and what its other members say about them."""
    remarks = ("it has a NextToken, so this is not the last page",) if others.get("NextToken") else ()
    for kind in dict.fromkeys(_LISTS.get(name, _INSTANCES) for name in names):
        collector.document(kind.answer, cannot_show=kind.cannot_show, remarks=remarks, path=path)


def read_item_of(collector: Collector, name: str, item: object, path: str = "") -> bool:
    """Read an item of a list of an answer; return whether it has an id. Those of `Reservations` have a list of instances each."""
    if name != _RESERVATIONS_OF_INSTANCES:
        _read_item(collector, item, path, _LISTS[name])
        return isinstance(item, Mapping) and _LISTS[name].name in item
    instances = item.get("Instances") if isinstance(item, Mapping) else None
    for number, instance in enumerate(instances if isinstance(instances, list) else ()):
        _read_item(collector, instance, below(below(path, "Instances"), number), _INSTANCES)
    return bool(instances)


def _read_item(collector: Collector, item: object, path: str, kind: _Kind) -> None:
    if not isinstance(item, Mapping):
        collector.skip(kind.item, f"must be an object, not {kind_of(item)}", path)
    elif collector.is_cut(path):
        collector.skip(kind.item, CUT, path)
    else:
        kind.read(collector, item, path)
