"""ipamd's introspection: `/v1/enis` in the shapes of all releases, `/v1/pods` and `/v1/eni-configs`.

The shapes, by the first release that has them (docs/inspecting.md): `ENIIPPools` with `Id`; v1.0.0 `ID`; v1.5.0 `UnassignedTime`;
v1.7.0 `ENIs` with `IPAMKey`; v1.9.0 `AvailableIPv4Cidrs`; v1.10.0 `IPAddresses`; v1.11.0 `IPAMMetadata`; v1.20.0 by network card;
v1.23.0 only `networkName` says that an address is held.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from vpcipam.address import Cidr
from vpcipam.errors import InvalidCidr
from vpcipam.inspection.evidence import AddressState, CardState, CidrState, EniConfig, EniState, NodePod
from vpcipam.inspection.readers.collector import CUT, Collector, address_at, count_at, flag_at, member, text_at, time_ns_at, unreadable
from vpcipam.inspection.readers.scraps import below
from vpcipam.inspection.releases import ANY_RELEASE, Releases
from vpcipam.sandbox import PodRef, SandboxKey

ENIS = "ipamd's ENIs (/v1/enis)"
PODS = "ipamd's pods (/v1/pods)"
ENI_CONFIGS = "ipamd's ENIConfigs (/v1/eni-configs)"
PATHS = "ipamd's list of introspection paths"

_POOLS = "ENIIPPools"
_CARD = re.compile(r"\d{1,2}")
_POD = re.compile(r"([^_]+)_([^_]+)_([^_]*)")
_INVENTED_MEMBERS = ("ENIID", "MAC", "SubnetIPv4CIDR")
_SLOT_CIDRS = ("AvailableIPv4Cidrs", "IPv6Cidrs")

_NEVER_IN_ENIS = ("which settings ipamd uses", "unmanaged ENIs, and the primary IPs of ENIs: /v1/enis lists the pool only")
_NO_SANDBOX = "which sandbox holds an address: from v1.23 /v1/enis shows only that one does; ipam.json of the same node names it"
_NOT_SHOWN_BEFORE = (
    ("v1.5.0", "cooldowns: before v1.5 /v1/enis has no times"),
    ("v1.7.0", "which pod or sandbox holds an address: before v1.7 /v1/enis shows only that one does"),
    ("v1.7.0", "trunk ENIs: before v1.7 /v1/enis does not mark them"),
    ("v1.11.0", "pods, and when addresses were assigned: before v1.11 /v1/enis shows neither"),
    ("v1.20.0", "network cards: before v1.20 ipamd managed one card only, and /v1/enis names none"),
    ("v1.22.0", "subnets, and ENIs in excluded subnets: before v1.22 /v1/enis shows neither"),
)


# --- recognition ---------------------------------------------------------------------------------------------------------


def is_enis(value: object) -> bool:
    """Recognise an answer of /v1/enis: one datastore, or one for each network card."""
    return _is_datastore(value) or _is_by_card(value)


def is_invented(value: object) -> bool:
    """Recognise a form of /v1/enis that stands in documentation only."""
    return isinstance(value, Mapping) and any(name in eni for _, eni in _eni_items(value) for name in _INVENTED_MEMBERS)


def _is_datastore(value: object) -> bool:
    if not isinstance(value, Mapping) or is_invented(value) or "kind" in value:
        return False
    return isinstance(value.get("ENIs"), Mapping) or isinstance(value.get(_POOLS), Mapping)


def _is_by_card(value: object) -> bool:
    if not isinstance(value, Mapping) or not value:
        return False
    return all(isinstance(name, str) and _CARD.fullmatch(name) and _is_datastore(each) for name, each in value.items())


def is_pods(value: object) -> bool:
    """Recognise an answer of /v1/pods, which releases before v1.7 give."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(
            isinstance(name, str) and _POD.fullmatch(name) and isinstance(each, Mapping) and "IP" in each for name, each in value.items()
        )
    )


def is_eni_configs(value: object) -> bool:
    """Recognise an answer of /v1/eni-configs, which is an object before v1.8."""
    return isinstance(value, Mapping) and isinstance(value.get("ENI"), Mapping) and "MyENI" in value


def is_paths(value: object) -> bool:
    """Recognise the list of paths, with which ipamd answers to paths that it doesn't have."""
    return isinstance(value, Mapping) and isinstance(value.get("AvailableCommands"), list)


# --- /v1/enis ------------------------------------------------------------------------------------------------------------


def read_enis(collector: Collector, value: Mapping[str, Any], path: str) -> None:
    """Read one datastore, or one for each network card."""
    shape = _Shape(collector)
    if _is_by_card(value):
        shape.narrow(since="v1.20.0")
        for name, datastore in value.items():
            _read_datastore(shape, datastore, below(path, name), int(name))
    else:
        shape.narrow(before="v1.20.0")
        _read_datastore(shape, value, path, None)
    collector.document(ENIS, releases=shape.releases, cannot_show=shape.cannot_show(), path=path)


@attrs.define
class _Shape:
    """What the members of an answer say about the release that gave it.

    Attributes:
        collector: takes what is read.
    """

    collector: Collector
    releases: Releases = ANY_RELEASE

    def narrow(self, since: str = "", before: str = "") -> None:
        self.releases = self.releases.narrowed(since, before)

    def since(self, release: str, *, there: bool) -> None:
        """Note that a member of a release is there, or isn't."""
        if there:
            self.narrow(since=release)
        else:
            self.narrow(before=release)

    def cannot_show(self) -> Iterator[str]:
        """Yield what an answer of this shape never has."""
        yield from _NEVER_IN_ENIS
        if not self.releases.is_empty:
            yield from (text for release, text in _NOT_SHOWN_BEFORE if self.releases.are_before(release))
            if self.releases.are_from("v1.23.0"):
                yield _NO_SANDBOX


def _eni_items(datastore: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    enis = datastore.get("ENIs", datastore.get(_POOLS))
    return [(str(name), eni) for name, eni in enis.items() if isinstance(eni, Mapping)] if isinstance(enis, Mapping) else []


def _read_datastore(shape: _Shape, datastore: Mapping[str, Any], path: str, card: int | None) -> None:
    of_old = "ENIs" not in datastore
    shape.since("v1.7.0", there=not of_old)
    counts = CardState(network_card=card, total_count=count_at(datastore, "TotalIPs"), assigned_count=count_at(datastore, "AssignedIPs"))
    shape.collector.cards.append(shape.collector.fact(counts, path))
    enis_path = below(path, _POOLS if of_old else "ENIs")
    known = len(shape.collector.enis)
    for name, eni in datastore[_POOLS if of_old else "ENIs"].items():
        place = below(enis_path, str(name))
        if isinstance(eni, Mapping):
            _read_eni(shape, str(name), eni, place, card)
        else:
            shape.collector.skip(str(name), f"an ENI must be an object, not {unreadable(eni)}", place)
    shape.collector.eni_counts.append(len(shape.collector.enis) - known)


def _read_eni(shape: _Shape, name: str, eni: Mapping[str, Any], path: str, card: int | None) -> None:
    cut = shape.collector.is_cut(path)
    if not cut:
        _note_shape_of_eni(eni, card, shape)
    eni_id = text_at(eni, "ID") or text_at(eni, "Id") or name
    if eni_id != name:
        shape.collector.skip(name, f"is listed under this name, but its ID is {unreadable(eni_id)}; it counts under its name", path)
    cidrs = [*_read_cidrs(shape, eni, path), *_read_addresses_of_eni(shape, eni, path)]
    state = EniState(
        eni_id=name,
        network_card=card,
        device_number=count_at(eni, "DeviceNumber"),
        primary=flag_at(eni, "IsPrimary"),
        trunk=flag_at(eni, "IsTrunk"),
        efa=flag_at(eni, "IsEFA"),
        excluded=flag_at(eni, "IsExcludedForPodIPs"),
        subnet_id=text_at(eni, "SubnetID") or None,
        route_table_id=count_at(eni, "RouteTableID"),
        cidrs=tuple(cidrs),
        cut=cut,
    )
    shape.collector.enis.append(shape.collector.fact(state, path))


def _note_shape_of_eni(eni: Mapping[str, Any], card: int | None, shape: _Shape) -> None:
    if "Id" in eni:
        shape.narrow(before="v1.0.0")
    elif "ID" in eni:
        shape.narrow(since="v1.0.0")
    if "IsTrunk" in eni:
        shape.since("v1.7.6", there="IsEFA" in eni)
    if card is not None:
        shape.since("v1.20.3", there="RouteTableID" in eni)
        shape.since("v1.22.0", there="SubnetID" in eni or "IsExcludedForPodIPs" in eni)


def _read_addresses_of_eni(shape: _Shape, eni: Mapping[str, Any], path: str) -> Iterator[CidrState]:
    """Read the addresses of releases before v1.9, which stand in the ENI itself."""
    addresses = eni.get("IPv4Addresses")
    if not isinstance(addresses, Mapping):
        return
    shape.narrow(before="v1.9.0")
    for name, each in addresses.items():
        place = below(below(path, "IPv4Addresses"), str(name))
        state = _read_address(shape, str(name), each, place)
        if state is not None:
            yield CidrState(cidr=f"{state.address}/32", is_prefix=False, addresses=(state,))


def _read_cidrs(shape: _Shape, eni: Mapping[str, Any], path: str) -> Iterator[CidrState]:
    """Read the CIDRs of releases from v1.9 on."""
    for group in _SLOT_CIDRS:
        cidrs = eni.get(group)
        if not isinstance(cidrs, Mapping):
            continue
        shape.narrow(since="v1.9.0" if group == _SLOT_CIDRS[0] else "v1.10.0")
        for name, each in cidrs.items():
            place = below(below(path, group), str(name))
            try:
                cidr = Cidr.parse(str(name))
            except InvalidCidr as error:
                shape.collector.skip(str(name), str(error), place)
                continue
            if isinstance(each, Mapping):
                yield _read_cidr(shape, cidr, each, place)
            else:
                shape.collector.skip(str(name), f"a CIDR must be an object, not {unreadable(each)}", place)


def _read_cidr(shape: _Shape, cidr: Cidr, item: Mapping[str, Any], path: str) -> CidrState:
    in_one = cidr.version == 4 and "IPv4Addresses" in item
    if in_one or "IPAddresses" in item:
        shape.since("v1.10.0", there=not in_one)
    name = "IPv4Addresses" if in_one else "IPAddresses"
    listed = member(item, name)
    states = []
    for text, each in listed.items() if isinstance(listed, Mapping) else ():
        state = _read_address(shape, str(text), each, below(below(path, name), str(text)))
        if state is not None:
            states.append(state)
    is_prefix = flag_at(item, "IsPrefix")
    return CidrState(cidr=str(cidr), is_prefix=cidr.size > 1 if is_prefix is None else is_prefix, addresses=tuple(states))


def _read_address(shape: _Shape, name: str, item: object, path: str) -> AddressState | None:
    if shape.collector.is_cut(path):
        shape.collector.skip(name, CUT, path)
        return None
    address = address_at(name)
    if address is None or not isinstance(item, Mapping):
        shape.collector.skip(name, "is no address" if address is None else f"an address must be an object, not {unreadable(item)}", path)
        return None
    if "Assigned" in item:
        return _read_old_address(shape, address, item, path)
    key_item = item.get("IPAMKey")
    if not isinstance(key_item, Mapping):
        shape.collector.skip(name, "does not say whether a sandbox holds it: it has neither Assigned nor IPAMKey", path)
        return None
    shape.since("v1.11.0", there="IPAMMetadata" in item or "AssignedTime" in item)
    network_name, container_id, if_name = (text_at(key_item, part) for part in ("networkName", "containerID", "ifName"))
    held = bool(network_name or container_id)
    if held and "AssignedTime" in item:
        shape.since("v1.23.0", there=not container_id)
    if member(item, "IPAMMetadata", "interfacesCount") is not None:
        shape.narrow(since="v1.20.0")
    names = text_at(item, "IPAMMetadata", "k8sPodNamespace"), text_at(item, "IPAMMetadata", "k8sPodName")
    return AddressState(
        address=address,
        held=held,
        key=SandboxKey(network_name, container_id, if_name) if container_id else None,
        pod=PodRef(*names) if held and any(names) else None,
        assigned_ns=time_ns_at(item, "AssignedTime"),
        unassigned_ns=time_ns_at(item, "UnassignedTime"),
    )


def _read_old_address(shape: _Shape, address: str, item: Mapping[str, Any], path: str) -> AddressState | None:
    held = flag_at(item, "Assigned")
    if held is None:
        shape.collector.skip(address, f"its member Assigned must be true or false, not {unreadable(item['Assigned'])}", path)
        return None
    shape.narrow(before="v1.7.0")
    shape.since("v1.5.0", there="UnassignedTime" in item)
    return AddressState(address=address, held=held, unassigned_ns=time_ns_at(item, "UnassignedTime"))


# --- /v1/pods, /v1/eni-configs ---------------------------------------------------------------------------------------------


def read_pods(collector: Collector, value: Mapping[str, Any], path: str) -> None:
    """Read the pods of a node. Their names are in one text with their sandboxes."""
    for name, each in value.items():
        if collector.is_cut(below(path, name)):
            collector.skip(name, CUT, below(path, name))
            continue
        found = _POD.fullmatch(name)
        address = address_at(each.get("IP"))
        if found is None or address is None:
            collector.skip(name, f"its IP is unreadable: {unreadable(each.get('IP'))}", below(path, name))
            continue
        pod = NodePod(PodRef(found[2], found[1]), found[3], address, count_at(each, "DeviceNumber"))
        collector.node_pods.append(collector.fact(pod, below(path, name)))
    cannot_show = ("ENIs and free addresses: /v1/pods lists the pods only",)
    collector.document(PODS, releases=Releases("", "v1.7.0"), cannot_show=cannot_show, path=path)


def read_eni_configs(collector: Collector, value: Mapping[str, Any], path: str) -> None:
    """Read the ENIConfigs that ipamd knows."""
    for name, each in value["ENI"].items():
        groups = member(each, "securityGroups") if isinstance(each, Mapping) else None
        subnet_id = text_at(each, "subnet") if isinstance(each, Mapping) else ""
        groups = tuple(group for group in groups if isinstance(group, str)) if isinstance(groups, list) else ()
        place = below(below(path, "ENI"), str(name))
        collector.eni_configs.append(collector.fact(EniConfig(str(name), subnet_id, groups), place))
    collector.document(ENI_CONFIGS, releases=Releases("", "v1.8.0"), path=path)


def read_paths(collector: Collector, _value: Mapping[str, Any], path: str) -> None:
    """Note an answer without facts."""
    collector.document(
        PATHS, releases=Releases("v1.7.0"), cannot_show=("anything about the node: from v1.7 there is no /v1/pods",), path=path
    )
