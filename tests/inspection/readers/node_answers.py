"""What a node's ipamd of each release writes: /v1/enis, /v1/pods, ipam.json. By hand from docs/inspecting.md, without the readers."""

import base64
from datetime import UTC, datetime

from vpcipam.address import Cidr, address_text
from vpcipam.journal.checkpoint import CHECKPOINT_VERSION, allocation_text, write_document
from vpcipam.journal.protocol import Assigned

S = 1_000_000_000
NEVER = "0001-01-01T00:00:00Z"

# The first release of each shape, and the last one before the next.
RELEASES = ("v0.1.4", "v1.0.0", "v1.4.1", "v1.5.0", "v1.6.4", "v1.7.0", "v1.7.5", "v1.7.6", "v1.8.0", "v1.9.0", "v1.10.0", "v1.11.0")
RELEASES += ("v1.19.6", "v1.20.0", "v1.20.2", "v1.20.3", "v1.21.1", "v1.22.0", "v1.22.5", "v1.23.0")
CHECKPOINT_RELEASES = ("v1.7.0", "v1.9.3", "v1.10.0", "v1.11.0", "v1.19.6", "v1.20.0", "v1.23.0")


def parts(release):
    return tuple(map(int, release.removeprefix("v").split(".")))


def go_time(time_ns):
    if time_ns is None:
        return NEVER
    whole = datetime.fromtimestamp(time_ns // S, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{time_ns % S:09}".rstrip("0").rstrip(".")
    return f"{whole}{fraction}Z"


# --- /v1/enis ------------------------------------------------------------------------------------------------------------


def enis_answer(made, release):
    """The answer of /v1/enis. Before v1.20 ipamd managed the first card only."""
    version = parts(release)
    if version >= (1, 20, 0):
        return {str(card): _datastore(made.enis(card), version) for card in made.cards}
    return _datastore(made.enis(0), version)


def total_count(enis):
    return sum(Cidr.parse(cidr).size for eni in enis for cidr in eni.cidrs)


def held_count(enis):
    return sum(used.held for eni in enis for of_cidr in eni.cidrs.values() for used in of_cidr.values())


def _datastore(enis, version):
    name = "ENIs" if version >= (1, 7, 0) else "ENIIPPools"
    return {"TotalIPs": total_count(enis), "AssignedIPs": held_count(enis), name: {eni.eni_id: _eni(eni, version) for eni in enis}}


def _eni(eni, version):
    made = {"ID" if version >= (1, 0, 0) else "Id": eni.eni_id, "IsPrimary": eni.primary, "DeviceNumber": eni.device_number}
    if version >= (1, 7, 0):
        made["IsTrunk"] = eni.trunk
    if version >= (1, 7, 6):
        made["IsEFA"] = eni.efa
    if version >= (1, 20, 3):
        made["RouteTableID"] = eni.route_table_id
    if version >= (1, 22, 0):
        made |= {"IsExcludedForPodIPs": eni.excluded, "SubnetID": eni.subnet_id}
    if version < (1, 9, 0):
        addresses = {cidr.partition("/")[0]: used.get(cidr.partition("/")[0]) for cidr, used in eni.cidrs.items()}
        return made | {"IPv4Addresses": {address: _address(address, used, version) for address, used in addresses.items()}}
    groups = {"AvailableIPv4Cidrs": {}}
    if version >= (1, 10, 0):
        groups["IPv6Cidrs"] = {}
    for cidr, used in eni.cidrs.items():
        groups["IPv6Cidrs" if ":" in cidr else "AvailableIPv4Cidrs"][cidr] = _cidr(cidr, used, version)
    return made | groups


def _cidr(text, used, version):
    cidr = Cidr.parse(text)
    bits = 32 if cidr.version == 4 else 128
    made = {
        "Cidr": {
            "IP": address_text(cidr.first, cidr.version),
            "Mask": base64.b64encode(((1 << bits) - cidr.size).to_bytes(bits // 8, "big")).decode(),
        },
        "IPv4Addresses" if version < (1, 10, 0) else "IPAddresses": {
            address: _address(address, each, version) for address, each in used.items()
        },
        "IsPrefix": cidr.size > 1,
    }
    return made if version < (1, 10, 0) else made | {"AddressFamily": ""}


def _address(address, used, version):
    held = used is not None and used.held
    unassigned = go_time(used and used.unassigned_ns)
    if version < (1, 7, 0):
        made = {"Assigned": held}
        return made if version < (1, 5, 0) else made | {"Address": address, "UnassignedTime": unassigned}
    names = (used.key.network_name, used.key.container_id, used.key.if_name) if held else ("", "", "")
    if version >= (1, 23, 0):
        names = (names[0], "", "")
    made = {
        "Address": address,
        "IPAMKey": dict(zip(("networkName", "containerID", "ifName"), names, strict=True)),
        "UnassignedTime": unassigned,
    }
    if version < (1, 11, 0):
        return made
    metadata = {"k8sPodNamespace": used.pod.namespace, "k8sPodName": used.pod.name} if held else {}
    if held and version >= (1, 20, 0):
        metadata["interfacesCount"] = 1
    return made | {"IPAMMetadata": metadata, "AssignedTime": go_time(used and used.assigned_ns)}


# --- /v1/pods, ipam.json ---------------------------------------------------------------------------------------------------


def pods_answer(made):
    """The answer of /v1/pods before v1.7."""
    devices = {address: eni.device_number for eni in made.enis(0) for used in eni.cidrs.values() for address in used}
    return {
        f"{used.pod.name}_{used.pod.namespace}_{used.key.container_id}": {"IP": address, "DeviceNumber": devices[address]}
        for address, used in made.held(0).items()
    }


def checkpoint_text(made, card, release):
    """The checkpoint of a card."""
    version = parts(release)
    texts = []
    for address, used in made.held(card).items():
        text = allocation_text(Assigned(used.key, address, used.pod, used.assigned_ns), 1 if version >= (1, 20, 0) else 0)
        texts.append(text if version >= (1, 11, 0) else text.partition(',"allocationTimestamp"')[0] + "}")
    return write_document(CHECKPOINT_VERSION, "allocations", texts)
