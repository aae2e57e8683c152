"""Handlers of the actions that assign and unassign secondary IPs and prefixes, IPv4 and IPv6."""

from typing import Final

from vpcipam.ec2.offline.request import ActionHandler, Request
from vpcipam.ec2.offline.wire import Members


def _assign(request: Request) -> Members:
    eni_id = request.get("NetworkInterfaceId")
    added = request.model.assign_private_ip_addresses(
        eni_id,
        secondary_ip_count=request.get("SecondaryPrivateIpAddressCount", 0),
        ipv4_prefix_count=request.get("Ipv4PrefixCount", 0),
        addresses=request.texts("PrivateIpAddresses"),
        prefixes=request.texts("Ipv4Prefixes"),
        allow_reassignment=request.get("AllowReassignment", False),
        now_ns=request.now_ns,
    )
    return {
        "NetworkInterfaceId": eni_id,
        "AssignedPrivateIpAddresses": [{"PrivateIpAddress": address} for address in added.addresses],
        "AssignedIpv4Prefixes": [{"Ipv4Prefix": prefix} for prefix in added.prefixes],
    }


def _unassign(request: Request) -> Members:
    request.model.unassign_private_ip_addresses(
        request.get("NetworkInterfaceId"),
        addresses=request.texts("PrivateIpAddresses"),
        prefixes=request.texts("Ipv4Prefixes"),
        now_ns=request.now_ns,
    )
    return {}


def _assign_ipv6(request: Request) -> Members:
    eni_id = request.get("NetworkInterfaceId")
    added = request.model.assign_ipv6_addresses(
        eni_id,
        ipv6_address_count=request.get("Ipv6AddressCount", 0),
        ipv6_prefix_count=request.get("Ipv6PrefixCount", 0),
        addresses=request.texts("Ipv6Addresses"),
        prefixes=request.texts("Ipv6Prefixes"),
        now_ns=request.now_ns,
    )
    return {
        "NetworkInterfaceId": eni_id,
        "AssignedIpv6Addresses": [text for text in added if "/" not in text],
        "AssignedIpv6Prefixes": [text for text in added if "/" in text],
    }


def _unassign_ipv6(request: Request) -> Members:
    eni_id = request.get("NetworkInterfaceId")
    addresses, prefixes = request.texts("Ipv6Addresses"), request.texts("Ipv6Prefixes")
    request.model.unassign_ipv6_addresses(eni_id, addresses=addresses, prefixes=prefixes, now_ns=request.now_ns)
    return {"NetworkInterfaceId": eni_id, "UnassignedIpv6Addresses": list(addresses), "UnassignedIpv6Prefixes": list(prefixes)}


ACTIONS: Final = {
    "AssignPrivateIpAddresses": ActionHandler(
        _assign,
        takes={
            *("NetworkInterfaceId", "SecondaryPrivateIpAddressCount", "Ipv4PrefixCount", "PrivateIpAddresses", "Ipv4Prefixes"),
            "AllowReassignment",
        },
    ),
    "UnassignPrivateIpAddresses": ActionHandler(_unassign, takes={"NetworkInterfaceId", "PrivateIpAddresses", "Ipv4Prefixes"}),
    "AssignIpv6Addresses": ActionHandler(
        _assign_ipv6, takes={"NetworkInterfaceId", "Ipv6AddressCount", "Ipv6PrefixCount", "Ipv6Addresses", "Ipv6Prefixes"}
    ),
    "UnassignIpv6Addresses": ActionHandler(_unassign_ipv6, takes={"NetworkInterfaceId", "Ipv6Addresses", "Ipv6Prefixes"}),
}
