"""A world of the answers that `aws ec2 describe-…` gives about a real account."""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Final

import attrs

from vpcipam.address import Cidr
from vpcipam.ec2.answers import read_instance, read_network_interface, read_subnet, read_time_ns
from vpcipam.ec2.api import Instance, NetworkInterface, Subnet
from vpcipam.ec2.resources import METADATA_MEMBERS
from vpcipam.ec2.world_writing import eni_members
from vpcipam.ec2.worlds import WorldError
from vpcipam.errors import InvalidArgument, InvalidCidr, UnknownInstanceType
from vpcipam.limits import InstanceLimits, instance_limits

ANSWERS: Final = frozenset(
    {
        *("Vpcs", "SecurityGroups", "Subnets", "NetworkInterfaces", "Reservations", "InstanceTypes", "Addresses"),
        *("SubnetIpv4CidrReservations", "SubnetIpv6CidrReservations"),
    }
)
"""The members by which an answer is recognised."""

_VPC_LENGTH = 16
_GONE = {"terminated", "shutting-down"}


def world_of_answers(answers: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the world that answers of EC2 describe, and notes about what had to be assumed.

    Raises:
        WorldError: a member is missing or of the wrong type.
    """
    items: dict[str, list[Mapping[str, Any]]] = {name: [] for name in ANSWERS}
    for answer in answers:
        for name in ANSWERS & answer.keys():
            values = answer[name]
            if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
                raise WorldError(f"{name} must be a list of objects, as `aws ec2 describe-…` gives it")
            items[name] += values
    try:
        return _Described(items).world()
    except (KeyError, TypeError, AttributeError) as error:
        raise WorldError(f"an answer of EC2 lacks {error}, or has a value of the wrong type") from None
    except (ValueError, InvalidArgument) as error:
        raise error if isinstance(error, WorldError) else WorldError(f"an answer of EC2 can't be read: {error}") from None


class _Described:
    """The items of all answers."""

    def __init__(self, items: Mapping[str, list[Mapping[str, Any]]]) -> None:
        self._items = items
        self._subnets = [read_subnet(item) for item in items["Subnets"]]
        self._instances = [
            instance
            for reservation in items["Reservations"]
            for instance in map(read_instance, reservation["Instances"])
            if instance.state not in _GONE
        ]
        self._launches = {
            item["InstanceId"]: {**item, "ReservationId": reservation.get("ReservationId")}
            for reservation in items["Reservations"]
            for item in reservation["Instances"]
        }
        enis = {eni.eni_id: eni for instance in self._instances for eni in instance.network_interfaces}
        enis |= {eni.eni_id: eni for eni in map(read_network_interface, items["NetworkInterfaces"])}
        self._enis = list(enis.values())
        limits = [InstanceLimits.from_describe_instance_types(item) for item in items["InstanceTypes"]]
        self._types = {each.instance_type: each for each in limits}
        self._notes: list[str] = []

    def world(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        everything: list[Subnet | Instance | NetworkInterface] = [*self._subnets, *self._instances, *self._enis]
        for each in everything:
            if each.unreadable:
                raise WorldError(f"an answer of EC2 lacks {', '.join(each.unreadable)}, or has a value of the wrong type")
        if not self._subnets:
            raise WorldError("there are no subnets; add the answer of `aws ec2 describe-subnets`")
        world: dict[str, Any] = {
            "vpcs": self._vpcs(),
            "security_groups": self._groups(),
            "subnets": [_subnet(subnet, item) for subnet, item in zip(self._subnets, self._items["Subnets"], strict=True)],
            "reservations": [_without_none(_reservation(item)) for item in self._reservations()],
            "instances": [_without_none(self._instance(instance)) for instance in self._instances],
            "network_interfaces": [_without_none(self._eni(eni)) for eni in self._enis if eni.subnet_id in self._subnet_ids],
        }
        world["elastic_ips"] = self._elastic_ips({eni["id"] for eni in world["network_interfaces"]})
        self._note_lost_public_ips(world)
        left_out = len(self._enis) - len(world["network_interfaces"])
        if left_out:
            self._notes.append(f"{left_out} ENIs are left out: their subnets are in no answer")
        if not self._enis:
            self._notes.append("all addresses are free: no answer has network interfaces")
        return world, tuple(self._notes)

    @property
    def _subnet_ids(self) -> set[str]:
        return {subnet.subnet_id for subnet in self._subnets}

    def _vpcs(self) -> list[dict[str, Any]]:
        vpcs = {item["VpcId"]: _vpc(item) for item in self._items["Vpcs"]}
        missing = {subnet.vpc_id: None for subnet in self._subnets if subnet.vpc_id not in vpcs}
        for vpc_id in missing:
            subnets = [subnet for subnet in self._subnets if subnet.vpc_id == vpc_id]
            vpcs[vpc_id] = _assumed_vpc(vpc_id, subnets)
            self._notes.append(f"{vpc_id} is in no answer; its CIDRs are taken to be {', '.join(vpcs[vpc_id]['cidrs'])}")
        return list(vpcs.values())

    def _groups(self) -> list[dict[str, Any]]:
        """Return the security groups of the answers, and those that an ENI has and no answer describes, under the names that it shows."""
        vpc_ids = {each.vpc_id for each in self._subnets} | {item["VpcId"] for item in self._items["Vpcs"]}
        groups = {item["GroupId"]: _group(item) for item in self._items["SecurityGroups"] if item["VpcId"] in vpc_ids}
        for eni in self._enis:
            for group_id, name in zip(eni.security_group_ids, eni.security_group_names, strict=True):
                if eni.subnet_id in self._subnet_ids and group_id not in groups:
                    groups[group_id] = {"id": group_id, "vpc": eni.vpc_id, "name": name or f"unnamed {group_id}"}
        return list(groups.values())

    def _reservations(self) -> list[Mapping[str, Any]]:
        return [*self._items["SubnetIpv4CidrReservations"], *self._items["SubnetIpv6CidrReservations"]]

    def _elastic_ips(self, eni_ids: set[str]) -> list[dict[str, Any]]:
        """Return the Elastic IPs of the answers, and those that an ENI shows and no answer describes."""
        shown = [(eni.eni_id, each) for eni in self._enis for each in eni.elastic_ips if each.allocation_id and eni.eni_id in eni_ids]
        found = {
            each.allocation_id: {
                "id": each.allocation_id,
                "public_ip": each.public_ip,
                "network_interface": eni_id,
                "private_ip": each.private_ip,
                "association_id": each.association_id,
            }
            for eni_id, each in shown
        }
        for item in self._items["Addresses"]:
            described = {"id": item["AllocationId"], "public_ip": item["PublicIp"], "tags": _tags(item)}
            if item.get("NetworkInterfaceId") in eni_ids:
                described |= {
                    "network_interface": item["NetworkInterfaceId"],
                    "private_ip": item["PrivateIpAddress"],
                    "association_id": item["AssociationId"],
                }
            found[item["AllocationId"]] = {**found.get(item["AllocationId"], {}), **described}
        return list(found.values())

    def _automatic_ip(self, eni: NetworkInterface) -> str | None:
        """Return the public address that EC2 gave the primary ENI of a running instance."""
        place = eni.attachment
        is_primary = place is not None and place.device_index == 0 and place.instance_id in self._running
        shown = [each.public_ip for each in eni.elastic_ips if each.private_ip == eni.private_ip and each.public_ip in self._amazon_ips]
        return shown[0] if is_primary and shown else None

    @cached_property
    def _running(self) -> set[str]:
        return {each.instance_id for each in self._instances if _state(each) == "running"}

    @cached_property
    def _amazon_ips(self) -> set[str]:
        """The public addresses that belong to Amazon."""
        within = [eni for launch in self._launches.values() for eni in launch.get("NetworkInterfaces") or ()]
        held = [each for eni in (*within, *self._items["NetworkInterfaces"]) for each in eni.get("PrivateIpAddresses") or ()]
        shown = [each["Association"] for each in held if each.get("Association")]
        return {each["PublicIp"] for each in shown if each.get("IpOwnerId") == "amazon" and each.get("PublicIp")}

    def _note_lost_public_ips(self, world: Mapping[str, Any]) -> None:
        """Note the public addresses of ENIs of which the answers don't say enough."""
        ids = {eni["id"] for eni in world["network_interfaces"]}
        shown = {each.public_ip for eni in self._enis if eni.eni_id in ids for each in eni.elastic_ips}
        kept = {each["public_ip"] for each in world["elastic_ips"]} | {eni.get("automatic_ip") for eni in world["network_interfaces"]}
        if shown - kept:
            self._notes.append(
                f"public IPs are left out: {', '.join(sorted(shown - kept))}; for Elastic IPs, add that of `aws ec2 describe-addresses`"
            )

    def _instance(self, instance: Instance) -> dict[str, Any]:
        limits = self._types.get(instance.instance_type)
        launch = self._launches[instance.instance_id]
        options = {**(launch.get("MetadataOptions") or {}), **({"State": "applied"} if _state(instance) == "running" else {})}
        return {
            "id": instance.instance_id,
            "type": instance.instance_type if limits is None or _is_known(limits) else _without_none(_limits(limits)),
            "subnet": instance.subnet_id,
            "launched_ns": instance.launched_ns,
            "tags": dict(instance.tags),
            "state": _state(instance),
            "state_changed_ns": _changed_ns(launch),
            "public_at_start": any(self._automatic_ip(eni) for eni in instance.network_interfaces) or None,
            "reservation_id": launch["ReservationId"],
            "monitored": (launch.get("Monitoring") or {}).get("State") in {"enabled", "pending"},
            "metadata_options": {key: options[name] for name, key in METADATA_MEMBERS.items() if name in options} or None,
            **{key: launch.get(name) for key, name in _LAUNCH.items()},
        }

    def _eni(self, eni: NetworkInterface) -> dict[str, Any]:
        attachment = eni.attachment
        if attachment is not None and attachment.instance_id not in {each.instance_id for each in self._instances}:
            raise WorldError(
                f"{eni.eni_id} is attached to {attachment.instance_id}, which is in no answer; add that of `aws ec2 describe-instances`"
            )
        return eni_members(eni) | {
            "type": eni.interface_type if eni.interface_type in _TYPES else "interface",
            "private_ip": eni.private_ip or None,
            "primary_ipv6": eni.primary_ipv6 or None,
            "automatic_ip": self._automatic_ip(eni),
        }


_TYPES = {"interface", "trunk", "efa", "efa-only"}
_LAUNCH = {
    "image_id": "ImageId",
    "launch_index": "AmiLaunchIndex",
    "key_name": "KeyName",
    "ebs_optimized": "EbsOptimized",
}
"""Keys of a world and the members of an instance that hold their values."""
_CHANGED = re.compile(r"\(([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}) GMT\)")


def _state(instance: Instance) -> str:
    return "stopped" if instance.state in {"stopping", "stopped"} else "running"


def _changed_ns(launch: Mapping[str, Any]) -> int | None:
    """Return when an instance was stopped."""
    found = _CHANGED.search(launch.get("StateTransitionReason") or "")
    return read_time_ns(f"{found[1]}+00:00") if found else None


def _is_known(limits: InstanceLimits) -> bool:
    try:
        return instance_limits(limits.instance_type) == limits
    except UnknownInstanceType:
        return False


def _limits(limits: InstanceLimits) -> dict[str, Any]:
    return {**attrs.asdict(limits), "network_cards": list(limits.network_cards)}


def _without_none(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value is not None}


def _tags(item: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in item.get("Tags") or ()}


def _vpc(item: Mapping[str, Any]) -> dict[str, Any]:
    cidrs = {each["CidrBlock"]: each["AssociationId"] for each in _associated(item, "CidrBlockAssociationSet", "CidrBlockState")}
    ordered = sorted(cidrs, key=lambda cidr: cidr != item["CidrBlock"])  # the primary one first
    named = {"cidrs": ordered, "association_ids": [cidrs[cidr] for cidr in ordered]} if cidrs else {"cidr": item["CidrBlock"]}
    tenancy = "dedicated" if item.get("InstanceTenancy") == "dedicated" else "default"
    return {
        "id": item["VpcId"],
        "tags": _tags(item),
        "is_default": item.get("IsDefault", False),
        "instance_tenancy": tenancy,
        **named,
        **_ipv6(item),
    }


def _group(item: Mapping[str, Any]) -> dict[str, Any]:
    entry = {"id": item["GroupId"], "vpc": item["VpcId"], "name": item["GroupName"], "tags": _tags(item)}
    return entry | ({"description": item["Description"]} if item.get("Description") else {})


def _associated(item: Mapping[str, Any], name: str, state: str) -> list[Mapping[str, Any]]:
    return [each for each in item.get(name) or () if each.get(state, {}).get("State", "associated") == "associated"]


def _ipv6(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the first IPv6 CIDR of a VPC or a subnet, and the id of its association."""
    found = _associated(item, "Ipv6CidrBlockAssociationSet", "Ipv6CidrBlockState")[:1]
    return {"ipv6_cidr": found[0]["Ipv6CidrBlock"], "ipv6_association_id": found[0]["AssociationId"]} if found else {}


def _assumed_vpc(vpc_id: str, subnets: Iterable[Subnet]) -> dict[str, Any]:
    """Return a VPC whose CIDRs are the /16s of its subnets, and the /56 of its first IPv6 subnet."""
    cidrs: list[str] = []
    ipv6: list[str] = []
    for subnet in subnets:
        try:
            cidrs.append(str(_wider(Cidr.parse(subnet.cidr), _VPC_LENGTH)))
            ipv6 += [] if subnet.ipv6_cidr is None else [str(_wider(Cidr.parse(subnet.ipv6_cidr), 56))]
        except InvalidCidr as error:
            raise WorldError(f"{subnet.subnet_id}: {error}") from None
    return {"id": vpc_id, "cidrs": list(dict.fromkeys(cidrs)), **({"ipv6_cidr": ipv6[0]} if ipv6 else {})}


def _wider(cidr: Cidr, length: int) -> Cidr:
    size = 1 << ((32 if cidr.version == 4 else 128) - length)
    return Cidr(cidr.version, cidr.first - cidr.first % size, length)


def _subnet(subnet: Subnet, item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": subnet.subnet_id,
        "vpc": subnet.vpc_id,
        "cidr": subnet.cidr,
        "availability_zone": subnet.availability_zone,
        "default_for_az": subnet.default_for_az,
        "map_public_ip_on_launch": subnet.map_public_ip_on_launch,
        "assign_ipv6_address_on_creation": subnet.assign_ipv6_address_on_creation,
        "tags": dict(subnet.tags),
        **_ipv6(item),
    }


def _reservation(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": item["SubnetCidrReservationId"],
        "subnet": item["SubnetId"],
        "cidr": item["Cidr"],
        "type": item["ReservationType"],
        "description": item.get("Description"),
        "tags": _tags(item),
    }
