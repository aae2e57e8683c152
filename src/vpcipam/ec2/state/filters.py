"""The filters of the Describe actions: a mapping from filter names to lists of values, as in EC2.

A resource matches if, for every filter, it has at least one of the given values. Values are case-sensitive; in a value, `*` matches any
characters, `?` matches one, and a backslash makes either of them literal (EC2: "Filter your resources").
"""

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeVar

from vpcipam.ec2.api import Instance, NetworkInterface, Subnet, SubnetCidrReservation, TagDescription, TrunkAssociation, Vpc
from vpcipam.ec2.state.call import Call, texts
from vpcipam.ec2.state.records import Tags

Filters = Mapping[str, Iterable[str]]
"""`{"subnet-id": ["subnet-1"], "tag:team": ["a*", "b"]}`."""


class _Tagged(Protocol):
    @property
    def tags(self) -> Tags: ...


_Shown = TypeVar("_Shown")
_TaggedShown = TypeVar("_TaggedShown", bound=_Tagged)
_Reader = Callable[[_Shown], Iterable[str | None]]

_TAG = "tag:"


def tagged_matching(
    call: Call, shown: Iterable[_TaggedShown], readers: Mapping[str, _Reader[_TaggedShown]], filters: Filters
) -> tuple[_TaggedShown, ...]:
    """Return the items that match all filters, as `matching` does, with the filters `tag:KEY` and `tag-key` too."""
    if not filters:
        return tuple(shown)
    of_tags: dict[str, _Reader[_TaggedShown]] = {name: _tag_reader(name.removeprefix(_TAG)) for name in filters if name.startswith(_TAG)}
    return matching(call, shown, {**readers, "tag-key": lambda item: (key for key, _ in item.tags), **of_tags}, filters)


def matching(call: Call, shown: Iterable[_Shown], readers: Mapping[str, _Reader[_Shown]], filters: Filters) -> tuple[_Shown, ...]:
    """Return the items that match all filters, in the order given.

    Raises:
        Ec2Error: InvalidParameterValue for an unknown filter, or one without values.
        TypeError: the values of a filter are a single text.
    """
    tests = [(_reader(call, readers, name), _test(call, name, texts(values))) for name, values in filters.items()]
    return tuple(each for each in shown if all(any(test(value) for value in read(each) if value is not None) for read, test in tests))


def _reader(call: Call, readers: Mapping[str, _Reader[_Shown]], name: str) -> _Reader[_Shown]:
    try:
        return readers[name]
    except KeyError:
        raise call.invalid(f"The filter '{name}' is invalid; the valid ones are {', '.join(sorted(readers))}") from None


def _test(call: Call, name: str, values: tuple[str, ...]) -> Callable[[str], bool]:
    if not values:
        raise call.invalid(f"The filter '{name}' has no values")
    return _matcher(values)


@functools.lru_cache(maxsize=64)  # every node looks for its leaked ENIs with the same filters
def _matcher(values: tuple[str, ...]) -> Callable[[str], bool]:
    exact = frozenset(value for value in values if not _SPECIAL.search(value))
    patterns = [re.compile(_expression(value), re.DOTALL) for value in values if value not in exact]
    return lambda value: value in exact or any(pattern.fullmatch(value) for pattern in patterns)


_SPECIAL = re.compile(r"[*?\\]")
_PIECES = re.compile(r"\\(?P<literal>.)|(?P<wildcard>[*?])|(?P<plain>.)", re.DOTALL)


def _expression(value: str) -> str:
    """Translate a filter's value into a regular expression. Each part between two stars matches where it first can, without a way back.

    That is enough, and the number of stars doesn't multiply the time.
    """
    parts = [""]
    for piece in _PIECES.finditer(value):
        if piece["wildcard"] == "*":
            parts.append("")
        else:
            parts[-1] += "." if piece["wildcard"] else re.escape(piece["literal"] or piece["plain"])
    if len(parts) == 1:
        return parts[0]
    first, *between, last = parts
    return first + "".join(f"(?>.*?{part})" for part in between) + f".*{last}"


def _tag_reader(key: str) -> Callable[[_Tagged], Iterable[str]]:
    return lambda shown: (value for each, value in shown.tags if each == key)


def _truth(value: bool) -> str:  # noqa: FBT001  # the value to format, not a switch
    return "true" if value else "false"


VPC_FILTERS: Mapping[str, _Reader[Vpc]] = {
    "cidr": lambda vpc: vpc.cidrs[:1],
    "cidr-block-association.association-id": lambda vpc: (each.association_id for each in vpc.associations),
    "cidr-block-association.cidr-block": lambda vpc: vpc.cidrs,
    "ipv6-cidr-block-association.ipv6-cidr-block": lambda vpc: (vpc.ipv6_cidr,),
    "vpc-id": lambda vpc: (vpc.vpc_id,),
}

SUBNET_FILTERS: Mapping[str, _Reader[Subnet]] = {
    "availability-zone": lambda subnet: (subnet.availability_zone,),
    "available-ip-address-count": lambda subnet: (str(subnet.available_ip_address_count),),
    "cidr": lambda subnet: (subnet.cidr,),
    "cidr-block": lambda subnet: (subnet.cidr,),
    "ipv6-cidr-block-association.ipv6-cidr-block": lambda subnet: (subnet.ipv6_cidr,),
    "subnet-id": lambda subnet: (subnet.subnet_id,),
    "vpc-id": lambda subnet: (subnet.vpc_id,),
}

ENI_FILTERS: Mapping[str, _Reader[NetworkInterface]] = {
    "addresses.private-ip-address": lambda eni: eni.single_ips,
    "attachment.attachment-id": lambda eni: () if eni.attachment is None else (eni.attachment.attachment_id,),
    "attachment.delete-on-termination": lambda eni: () if eni.attachment is None else (_truth(eni.attachment.delete_on_termination),),
    "attachment.device-index": lambda eni: () if eni.attachment is None else (str(eni.attachment.device_index),),
    "attachment.instance-id": lambda eni: () if eni.attachment is None else (eni.attachment.instance_id,),
    "attachment.network-card-index": lambda eni: () if eni.attachment is None else (str(eni.attachment.network_card_index),),
    "attachment.status": lambda eni: () if eni.attachment is None else ("attached",),
    "availability-zone": lambda eni: (eni.availability_zone,),
    "description": lambda eni: (eni.description,),
    "group-id": lambda eni: eni.security_group_ids,
    "interface-type": lambda eni: (eni.interface_type,),
    "ipv6-addresses.ipv6-address": lambda eni: eni.ipv6_addresses,
    "network-interface-id": lambda eni: (eni.eni_id,),
    "private-ip-address": lambda eni: eni.single_ips[:1],
    "source-dest-check": lambda eni: (_truth(eni.source_dest_check),),
    "status": lambda eni: (eni.status,),
    "subnet-id": lambda eni: (eni.subnet_id,),
    "vpc-id": lambda eni: (eni.vpc_id,),
}

INSTANCE_FILTERS: Mapping[str, _Reader[Instance]] = {
    "availability-zone": lambda instance: (instance.availability_zone,),
    "instance-id": lambda instance: (instance.instance_id,),
    "instance-state-name": lambda instance: (instance.state,),
    "instance-type": lambda instance: (instance.instance_type,),
    "network-interface.network-interface-id": lambda instance: (eni.eni_id for eni in instance.network_interfaces),
    "private-ip-address": lambda instance: (instance.network_interfaces[0].private_ip,),
    "subnet-id": lambda instance: (instance.subnet_id,),
    "vpc-id": lambda instance: (instance.vpc_id,),
}

RESERVATION_FILTERS: Mapping[str, _Reader[SubnetCidrReservation]] = {
    "reservationType": lambda reservation: (reservation.reservation_type,),
    "subnet-id": lambda reservation: (reservation.subnet_id,),
}

TRUNK_FILTERS: Mapping[str, _Reader[TrunkAssociation]] = {
    "gre-key": lambda association: () if association.gre_key is None else (str(association.gre_key),),
    "interface-protocol": lambda association: (association.interface_protocol,),
}

TAG_FILTERS: Mapping[str, _Reader[TagDescription]] = {
    "key": lambda tag: (tag.key,),
    "resource-id": lambda tag: (tag.resource_id,),
    "resource-type": lambda tag: (tag.resource_type,),
    "value": lambda tag: (tag.value,),
}
