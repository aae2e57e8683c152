"""Nodes with sandboxes, written as each release of ipamd shows them: /v1/enis and ipam.json."""

import base64
from datetime import UTC, datetime

import attrs
import hypothesis.strategies as st

from vpcipam.address import AddressMode, Cidr, address_text
from vpcipam.datastore import Datastore
from vpcipam.journal.checkpoint import CHECKPOINT_VERSION, allocation_text, write_document
from vpcipam.journal.protocol import Assigned
from vpcipam.sandbox import PodRef, SandboxKey

S = 1_000_000_000
BEGIN_NS = 1_700_000_000 * S
NEVER = "0001-01-01T00:00:00Z"

# The first release of each shape, and the last one before the next.
RELEASES = ("v0.1.4", "v1.0.0", "v1.4.1", "v1.5.0", "v1.6.4", "v1.7.0", "v1.7.5", "v1.7.6", "v1.8.0", "v1.9.0", "v1.10.0", "v1.11.0")
RELEASES += ("v1.19.6", "v1.20.0", "v1.20.2", "v1.20.3", "v1.21.1", "v1.22.0", "v1.22.5", "v1.23.0")


def parts(release):
    return tuple(map(int, release.removeprefix("v").split(".")))


@attrs.define
class Card:
    """A datastore, with what it does not tell: its CIDRs, and when addresses were given back."""

    datastore: Datastore
    cidrs: dict = attrs.field(factory=dict)
    unassigned_ns: dict = attrs.field(factory=dict)
    pods: dict = attrs.field(factory=dict)
    assigned_ns: dict = attrs.field(factory=dict)

    def held(self):
        """The held addresses: by address, with ENI, sandbox, pod and time."""
        return {
            each.address: (each.eni_id, key, self.pods[key], self.assigned_ns[each.address]) for key, each in self.datastore.assignments()
        }


@st.composite
def cards(draw, *, mode=None, card=0):
    """A datastore after some assigns and unassigns."""
    mode = mode or draw(st.sampled_from([AddressMode.SECONDARY_IP, AddressMode.PREFIX]))
    made = Card(Datastore(mode=mode, network_card=card))
    for number in range(draw(st.integers(1, 3))):
        eni_id = f"eni-{card}{number}"
        made.datastore.add_eni(eni_id, device_number=number, primary=number == 0, now_ns=BEGIN_NS)
        made.cidrs[eni_id] = []
        for place in range(draw(st.integers(0, 3))):
            cidr = {
                AddressMode.SECONDARY_IP: f"10.{card}.{number}.{place + 10}",
                AddressMode.PREFIX: f"10.{card}.{number}.{16 * place}/28",
                AddressMode.IPV6: f"2001:db8:{card}:{number}:{place}::/80",
            }[mode]
            made.datastore.add_cidr(eni_id, cidr)
            made.cidrs[eni_id].append(str(Cidr.parse(cidr)))
    now_ns = BEGIN_NS
    for number, name in enumerate(draw(st.lists(st.sampled_from("abcdefgh"), max_size=12))):
        key = SandboxKey("aws-cni", f"{name}{card}", "eth0")
        now_ns += 40 * S + number
        held = made.datastore.assignment_of(key)
        if held is not None:
            made.datastore.unassign(key, now_ns)
            made.unassigned_ns[held.address] = now_ns
        elif made.datastore.stats(now_ns).available_count > made.datastore.stats(now_ns).cooling_count:
            pod = PodRef("default", f"pod-{name}")
            address = made.datastore.assign(key, now_ns, pod).address
            made.pods[key] = pod
            made.assigned_ns[address] = now_ns
            made.unassigned_ns.pop(address, None)
    return made


def go_time(time_ns):
    if time_ns is None:
        return NEVER
    whole = datetime.fromtimestamp(time_ns // S, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{time_ns % S:09}".rstrip("0").rstrip(".")
    return f"{whole}{fraction}Z"


def enis_answer(by_card, release):
    """The answer of /v1/enis of a release, for cards by index."""
    version = parts(release)
    if version >= (1, 20, 0):
        return {str(index): _datastore(card, version) for index, card in by_card.items()}
    return _datastore(by_card[0], version)


def _datastore(card, version):
    total = sum(Cidr.parse(cidr).size for cidrs in card.cidrs.values() for cidr in cidrs)
    enis = {eni_id: _eni(card, eni_id, version) for eni_id in card.datastore.eni_ids}
    return {"TotalIPs": total, "AssignedIPs": len(card.held()), "ENIs" if version >= (1, 7, 0) else "ENIIPPools": enis}


def _eni(card, eni_id, version):
    number = int(eni_id[-1])
    made = {"ID" if version >= (1, 0, 0) else "Id": eni_id, "IsPrimary": number == 0, "DeviceNumber": number}
    if version >= (1, 7, 0):
        made["IsTrunk"] = False
    if version >= (1, 7, 6):
        made["IsEFA"] = False
    if version >= (1, 20, 3):
        made["RouteTableID"] = 254 if number == 0 else number + 1
    if version >= (1, 22, 0):
        made |= {"IsExcludedForPodIPs": False, "SubnetID": "subnet-1"}
    if version < (1, 9, 0):
        return made | {
            "IPv4Addresses": {cidr.partition("/")[0]: _address(card, cidr.partition("/")[0], version) for cidr in card.cidrs[eni_id]}
        }
    groups = {"AvailableIPv4Cidrs": {}}
    if version >= (1, 10, 0):
        groups["IPv6Cidrs"] = {}
    for cidr in card.cidrs[eni_id]:
        groups["IPv6Cidrs" if ":" in cidr else "AvailableIPv4Cidrs"][cidr] = _cidr(card, cidr, version)
    return made | groups


def _cidr(card, text, version):
    cidr = Cidr.parse(text)
    used = [*card.held(), *card.unassigned_ns]
    inside = [address for address in used if cidr.first <= Cidr.parse(address).first < cidr.first + cidr.size]
    name = "IPv4Addresses" if version < (1, 10, 0) else "IPAddresses"
    mask = base64.b64encode(bytes([255] * 4)).decode()
    made = {
        "Cidr": {"IP": address_text(cidr.first, cidr.version), "Mask": mask},
        name: {address: _address(card, address, version) for address in inside},
        "IsPrefix": cidr.size > 1,
    }
    return made if version < (1, 10, 0) else made | {"AddressFamily": ""}


def _address(card, address, version):
    held = card.held().get(address)
    unassigned = go_time(card.unassigned_ns.get(address))
    if version < (1, 7, 0):
        made = {"Assigned": held is not None}
        return made if version < (1, 5, 0) else made | {"Address": address, "UnassignedTime": unassigned}
    key = held[1] if held else SandboxKey("", "", "")
    if version >= (1, 23, 0):
        key = SandboxKey(key.network_name, "", "")
    made = {
        "Address": address,
        "IPAMKey": {"networkName": key.network_name, "containerID": key.container_id, "ifName": key.if_name},
        "UnassignedTime": unassigned,
    }
    if version < (1, 11, 0):
        return made
    metadata = {"k8sPodNamespace": held[2].namespace, "k8sPodName": held[2].name} if held else {}
    if held and version >= (1, 20, 0):
        metadata["interfacesCount"] = 1
    return made | {"IPAMMetadata": metadata, "AssignedTime": go_time(card.assigned_ns.get(address))}


def checkpoint_of(card, release):
    """The checkpoint of a card, as a release writes it."""
    version = parts(release)
    texts = []
    for address, (_, key, pod, assigned_ns) in card.held().items():
        text = allocation_text(Assigned(key, address, pod, assigned_ns), 1 if version >= (1, 20, 0) else 0)
        texts.append(text if version >= (1, 11, 0) else text.partition(',"allocationTimestamp"')[0] + "}")
    return write_document(CHECKPOINT_VERSION, "allocations", texts)
