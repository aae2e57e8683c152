"""The page at `/`: the subnets, instances and last calls of a served account, live."""

import functools
from importlib import resources
from typing import Any, Final

from vpcipam.address import Cidr
from vpcipam.ec2.api import Instance, NetworkInterface, Subnet, SubnetCidrReservation
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.serve.endpoint import LoggedCall
from vpcipam.ec2.state.names import time_text
from vpcipam.ec2.subnet_rules import PREFIX_SIZE
from vpcipam.limits import InstanceLimits

MOST_SUBNETS: Final = 100
MOST_INSTANCES: Final = 200
_MOST_HOLDERS = 3
_DIGITS = "0123456789abcdefg"
CONTENT_SECURITY_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
"""The page needs nothing but itself and its server."""


@functools.cache
def page() -> str:
    """Return the page as HTML."""
    return resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")


def live_state(model: Ec2Model, calls: tuple[LoggedCall, ...], region_name: str, version: str) -> dict[str, Any]:
    """Return what the page shows, for JSON."""
    enis = model.network_interfaces
    return {
        "version": version,
        "region": region_name,
        "subnets": [_subnet(model, subnet, enis) for subnet in model.subnets[:MOST_SUBNETS]],
        "more_subnets": len(model.subnets) - MOST_SUBNETS,
        "instances": [_instance(instance, model.limits_of(instance)) for instance in model.instances[:MOST_INSTANCES]],
        "more_instances": len(model.instances) - MOST_INSTANCES,
        "calls": [_call(call) for call in reversed(calls)],
    }


def _subnet(model: Ec2Model, subnet: Subnet, enis: tuple[NetworkInterface, ...]) -> dict[str, Any]:
    first = Cidr.parse(subnet.cidr).first
    strip = [_DIGITS[count] for count in model.subnet_strip(subnet.subnet_id)]
    holders: dict[int, list[str]] = {}
    for eni in enis:
        if eni.subnet_id != subnet.subnet_id:
            continue
        for text in (*eni.single_ips, *eni.ipv4_prefixes):
            number = (Cidr.parse(text if "/" in text else f"{text}/32").first - first) // PREFIX_SIZE
            names = holders.setdefault(number, [])
            if eni.eni_id not in names:
                names.append(eni.eni_id)
            if "/" in text:
                strip[number] = "P"
    return {
        "subnet_id": subnet.subnet_id,
        "cidr": subnet.cidr,
        "zone": subnet.availability_zone,
        "name": subnet.tag("Name") or "",
        "free": subnet.available_ip_address_count,
        "strip": "".join(strip),
        "reserved": [
            _blocks(each, first) for each in model.subnet_cidr_reservations if each.subnet_id == subnet.subnet_id and "." in each.cidr
        ],
        "holders": {number: _names(names) for number, names in holders.items()},
    }


def _blocks(reservation: SubnetCidrReservation, first: int) -> tuple[int, int]:
    """Return the first and the last /28 that a reservation touches."""
    cidr = Cidr.parse(reservation.cidr)
    return (cidr.first - first) // PREFIX_SIZE, (cidr.last - first) // PREFIX_SIZE


def _names(names: list[str]) -> str:
    more = len(names) - _MOST_HOLDERS
    return ", ".join(names[:_MOST_HOLDERS]) + (f" and {more} more" if more > 0 else "")


def _instance(instance: Instance, limits: InstanceLimits) -> dict[str, Any]:
    slots = limits.slots_per_eni
    return {
        "instance_id": instance.instance_id,
        "instance_type": instance.instance_type,
        "subnet_id": instance.subnet_id,
        "enis": [
            {
                "eni_id": eni.eni_id,
                "card": 0 if eni.attachment is None else eni.attachment.network_card_index,
                "device": 0 if eni.attachment is None else eni.attachment.device_index,
                "private_ip": eni.private_ip,
                "slots": slots,
                "used": len(eni.secondary_ips) + len(eni.ipv4_prefixes),
                "cidrs": [*eni.secondary_ips, *eni.ipv4_prefixes, *eni.ipv6_addresses, *eni.ipv6_prefixes],
            }
            for eni in instance.network_interfaces
        ],
    }


def _call(call: LoggedCall) -> dict[str, Any]:
    return {
        "number": call.number,
        "time": time_text(call.at_ns)[11:19],
        "action": call.action,
        "form": call.form,
        "status": call.status_code,
        "code": call.code,
        "answer": call.answer,
    }
