"""ipamd's introspection: the answer of `/v1/enis`, in the shape of v1.23, which `vpcipam inspect` reads.

Container ids and interface names are left out, as ipamd does from v1.23 on: whoever has them can delete a sandbox's network.
"""

import base64
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from vpcipam._units import NS_PER_S
from vpcipam.address import Cidr, address_text, parse_address
from vpcipam.agent.agent import restored
from vpcipam.datapath.layout import eni_table
from vpcipam.datastore import Datastore
from vpcipam.journal.protocol import Assigned
from vpcipam.stats import EniStats

PATH = "/v1/enis"
_NEVER = "0001-01-01T00:00:00Z"
_NANOSECOND_DIGITS = 9


def enis_document(datastores: Iterable[Datastore], now_ns: int) -> dict[str, Any]:
    """Return what ipamd answers about its ENIs, by network card. The times come from the journals."""
    return {str(datastore.network_card): _card(datastore, now_ns) for datastore in datastores}


def _card(datastore: Datastore, now_ns: int) -> dict[str, Any]:
    held = restored(datastore, now_ns)
    used: dict[str, Assigned | int | None] = {each.address: each.released_ns for each in (*held.ended, *held.cooling)}
    used |= {each.address: each for each in held.assigned}
    stats = datastore.eni_stats(now_ns)
    return {
        "TotalIPs": sum(Cidr.parse(cidr).size for eni in stats for cidr in datastore.cidrs(eni.eni_id)),
        "AssignedIPs": datastore.sandbox_count,
        "ENIs": {eni.eni_id: _eni(eni, datastore, used) for eni in stats},
    }


def _eni(eni: EniStats, datastore: Datastore, used: dict[str, Assigned | int | None]) -> dict[str, Any]:
    cidrs = [Cidr.parse(text) for text in datastore.cidrs(eni.eni_id)]
    return {
        "ID": eni.eni_id,
        "IsPrimary": eni.primary,
        "IsTrunk": eni.trunk,
        "IsEFA": eni.efa,
        "DeviceNumber": eni.device_number,
        "AvailableIPv4Cidrs": {str(cidr): _cidr(cidr, used) for cidr in cidrs if cidr.version == 4},
        "IPv6Cidrs": {str(cidr): _cidr(cidr, used) for cidr in cidrs if cidr.version == 6},
        "IsExcludedForPodIPs": eni.excluded,
        "RouteTableID": eni_table(eni.device_number, datastore.network_card),
        "SubnetID": eni.subnet_id or "",
    }


def _cidr(cidr: Cidr, used: dict[str, Assigned | int | None]) -> dict[str, Any]:
    """Describe a CIDR and those of its addresses that were ever used, as ipamd lists them."""
    bits = 32 if cidr.version == 4 else 128
    mask = ((1 << bits) - cidr.size).to_bytes(bits // 8, "big")
    return {
        "Cidr": {"IP": address_text(cidr.first, cidr.version), "Mask": base64.b64encode(mask).decode()},
        "IPAddresses": {address: _address(address, use) for address, use in used.items() if parse_address(address, cidr.version) in cidr},
        "IsPrefix": cidr.size > 1,
        "AddressFamily": "",
    }


def _address(address: str, use: Assigned | int | None) -> dict[str, Any]:
    held = use if isinstance(use, Assigned) else None
    names = {} if held is None or held.pod is None else {"k8sPodNamespace": held.pod.namespace, "k8sPodName": held.pod.name}
    return {
        "Address": address,
        "IPAMKey": {"networkName": "" if held is None else held.key.network_name, "containerID": "", "ifName": ""},
        "IPAMMetadata": names if held is None else {**names, "interfacesCount": 1},
        "AssignedTime": _NEVER if held is None else _go_time(held.assigned_ns),
        "UnassignedTime": _go_time(use) if isinstance(use, int) else _NEVER,
    }


def _go_time(time_ns: int) -> str:
    """Write a time as Go's JSON does: without zeros at the end of the fraction."""
    whole = datetime.fromtimestamp(time_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{time_ns % NS_PER_S:0{_NANOSECOND_DIGITS}}".rstrip("0").rstrip(".")
    return f"{whole}{fraction}Z"
