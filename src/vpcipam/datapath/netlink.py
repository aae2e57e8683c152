"""Links, addresses, routes, rules and neighbours: between the values and the messages of the kernel. Needs pyroute2.

The names of attributes are the kernel's. All functions raise OSError with the kernel's errno.
"""

import contextlib
import errno
import ipaddress
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from vpcipam.datapath.layout import everywhere
from vpcipam.datapath.values import Address, Link, Neighbour, OfNetlink, Route, Rule, Veth, Vlan, family_of
from vpcipam.errors import MissingExtra

try:
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError
except ModuleNotFoundError as error:
    raise MissingExtra(f"the kernel is reached by the package {error.name}: pip install 'vpcipam[datapath]'") from error

Socket: TypeAlias = IPRoute

_FAMILIES = {4: 2, 6: 10}  # AF_INET, AF_INET6
_SCOPES = {"global": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}
_ROUTE_PROTOCOLS = {"unspec": 0, "redirect": 1, "kernel": 2, "boot": 3, "static": 4, "ra": 9, "dhcp": 16}
_IP_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58}
_UP = 1  # IFF_UP
_UNICAST = 1  # RTN_UNICAST
_CLONED = 0x200  # RTM_F_CLONED: a cache entry
_TO_TABLE = 1  # FR_ACT_TO_TBL
_INVERTED = 2  # FIB_RULE_INVERT
_PERMANENT = 0x80  # NUD_PERMANENT
_NOT_SUPPRESSED = 0xFFFFFFFF
_DAD_FAILED, _TENTATIVE = 0x08, 0x40  # IFA_F_…
# What a `Rule` can say. A rule with other attributes is not one of the datapath.
_RULE_NAMES = ("PRIORITY", "TABLE", "SRC", "DST", "IIFNAME", "FWMARK", "FWMASK", "IP_PROTO", "PROTOCOL", "SUPPRESS_PREFIXLEN")
_RULE_ATTRIBUTES = {f"FRA_{name}" for name in _RULE_NAMES}


def _number(names: dict[str, int], text: str) -> int:
    return names[text] if text in names else int(text)


def _name(names: dict[str, int], number: int) -> str:
    return next((name for name, each in names.items() if each == number), str(number))


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """Turn pyroute2's errors into Python's own."""
    try:
        yield
    except NetlinkError as error:
        raise OSError(error.code, os.strerror(error.code)) from error


def _index(ipr: Socket, name: str) -> int:
    (link,) = ipr.link("get", ifname=name)
    return int(link["index"])


# --- create and delete ----------------------------------------------------------------------------------------------------


def create(ipr: Socket, value: OfNetlink | Veth | Vlan, *, replace: bool = False, host_fd: int | None = None) -> None:
    """Create a value, or change the one that the kernel has in its place.

    Args:
        ipr: a socket in the namespace; for a veth in that of the pod.
        value: what to create; a link has its attributes set, it must exist.
        replace: whether to change what is there. If not, that is EEXIST.
        host_fd: the host's namespace, where a veth has its other end.
    """
    with _errors():
        match value:
            case Veth():
                peer = {"ifname": value.name, "address": value.mac, "mtu": value.mtu, "txqlen": 0, "net_ns_fd": host_fd}
                mac = _given(address=value.peer_mac)
                ipr.link("add", ifname=value.peer, kind="veth", peer=peer, mtu=value.mtu, txqlen=0, **mac)
            case Vlan():
                parent = _index(ipr, value.parent)
                ipr.link("add", ifname=value.name, kind="vlan", link=parent, vlan_id=value.vlan_id, address=value.mac, mtu=value.mtu)
            case Link():
                state = {True: "up", False: "down", None: None}[value.up]
                ipr.link("set", index=_index(ipr, value.name), **_given(mtu=value.mtu, address=value.mac, state=state))
            case _:
                request, attributes = _request(ipr, value)
                request("replace" if replace else "add", **attributes)


def delete(ipr: Socket, value: OfNetlink) -> None:
    """Delete a value exactly as it was read."""
    with _errors():
        request, attributes = _request(ipr, value)
        request("del", **attributes)


def _request(ipr: Socket, value: OfNetlink) -> tuple[Callable[..., object], dict[str, Any]]:
    """Return the request for a kind of value, and the attributes of the value."""
    match value:
        case Link():
            return ipr.link, {"index": _index(ipr, value.name)}
        case Address():
            address, length = value.address.split("/")
            scope = _number(_SCOPES, value.scope)  # pyroute2 would put the scope of IPv4 there only
            return ipr.addr, {"index": _index(ipr, value.device), "address": address, "prefixlen": int(length), "scope": scope}
        case Route():
            return ipr.route, _cidr("dst", value.destination) | _given(
                family=_FAMILIES[value.family],
                table=value.table,
                oif=None if value.device is None else _index(ipr, value.device),
                gateway=value.gateway,
                prefsrc=value.source,
                scope=None if value.scope is None else _number(_SCOPES, value.scope),
                priority=value.metric or None,
                proto=None if value.protocol is None else _number(_ROUTE_PROTOCOLS, value.protocol),
                type=_UNICAST,
            )
        case Rule():
            return ipr.rule, _cidr("src", value.source) | _cidr("dst", value.destination) | _given(
                family=_FAMILIES[value.family],
                priority=value.priority,
                table=value.table,
                action=_TO_TABLE,
                iifname=value.iif,
                fwmark=value.mark,
                fwmask=value.mask,
                ip_proto=None if value.ip_protocol is None else _number(_IP_PROTOCOLS, value.ip_protocol),
            )
    index = _index(ipr, value.device)
    return ipr.neigh, {"ifindex": index, "dst": value.address, "lladdr": value.mac, "state": _PERMANENT}


def _given(**attributes: object) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _cidr(name: str, cidr: str | None) -> dict[str, Any]:
    """Return the attributes for a CIDR. Everything has no address."""
    address, length = (cidr or "/0").split("/")
    return ({name: address} if int(length) else {}) | {f"{name}_len": int(length)}


# --- read -----------------------------------------------------------------------------------------------------------------


def read(ipr: Socket, kind: type) -> list[OfNetlink]:
    """Read all values of one kind: permanent neighbours, unicast routes with one next hop, and rules that lead to a table."""
    with _errors():
        return list(_READERS[kind](ipr))


def _links(ipr: Socket) -> Iterator[Link]:
    for each in ipr.link("dump"):
        mac = each.get("IFLA_ADDRESS")
        yield Link(name=each.get("IFLA_IFNAME"), mac=mac, mtu=each.get("IFLA_MTU"), up=bool(each["flags"] & _UP))


def _of_links(ipr: Socket, messages: Iterable[Any], index: str) -> Iterator[tuple[Any, str]]:
    """Pair messages with the name of their link. The link of one can have come or gone between two dumps."""
    names = {each["index"]: each.get("IFLA_IFNAME") for each in ipr.link("dump")}
    for each in messages:
        if (name := names.get(each.get(index))) is not None:
            yield each, name


def _addresses(ipr: Socket) -> Iterator[Address]:
    for each, device in _of_links(ipr, ipr.addr("dump"), "index"):
        address = each.get("IFA_LOCAL") or each.get("IFA_ADDRESS")
        yield Address(address=f"{address}/{each['prefixlen']}", device=device, scope=_name(_SCOPES, each["scope"]))


def _routes(ipr: Socket) -> Iterator[Route]:
    for version, family in _FAMILIES.items():
        for each, device in _of_links(ipr, ipr.route("dump", family=family), "RTA_OIF"):
            if each["type"] == _UNICAST and not each["flags"] & _CLONED:
                yield Route(
                    destination=_read_cidr(each, "RTA_DST", "dst_len") or everywhere(version),
                    table=each.get("RTA_TABLE"),
                    device=device,
                    gateway=each.get("RTA_GATEWAY"),
                    source=each.get("RTA_PREFSRC"),
                    scope=_name(_SCOPES, each["scope"]),
                    metric=each.get("RTA_PRIORITY") or 0,
                    protocol=_name(_ROUTE_PROTOCOLS, each["proto"]),
                )


def _rules(ipr: Socket) -> Iterator[Rule]:
    for version, family in _FAMILIES.items():
        for each in ipr.rule("dump", family=family):
            others = {name for name, _ in each["attrs"]} - _RULE_ATTRIBUTES
            suppresses = each.get("FRA_SUPPRESS_PREFIXLEN") not in {None, _NOT_SUPPRESSED}
            if each["action"] != _TO_TABLE or each["flags"] & _INVERTED or each["tos"] or others or suppresses:
                continue
            protocol = each.get("FRA_IP_PROTO")
            yield Rule(
                priority=each.get("FRA_PRIORITY") or 0,
                table=each.get("FRA_TABLE"),
                source=_read_cidr(each, "FRA_SRC", "src_len"),
                destination=_read_cidr(each, "FRA_DST", "dst_len"),
                iif=each.get("FRA_IIFNAME"),
                mark=each.get("FRA_FWMARK"),
                mask=each.get("FRA_FWMASK"),
                ip_protocol=None if protocol is None else _name(_IP_PROTOCOLS, protocol),
                family=version,
            )


def _read_cidr(message: Any, name: str, length: str) -> str | None:  # noqa: ANN401  # pyroute2 has no types
    return f"{message.get(name)}/{message[length]}" if message[length] else None


def _neighbours(ipr: Socket) -> Iterator[Neighbour]:
    for family in _FAMILIES.values():
        for each, device in _of_links(ipr, ipr.neigh("dump", family=family), "ifindex"):
            if each["state"] & _PERMANENT and each.get("NDA_LLADDR"):
                yield Neighbour(address=each.get("NDA_DST"), mac=each.get("NDA_LLADDR"), device=device)


_Reader = Callable[[Socket], Iterator[OfNetlink]]
_READERS: dict[type, _Reader] = {Link: _links, Address: _addresses, Route: _routes, Rule: _rules, Neighbour: _neighbours}


def missing(kind: type) -> OSError:
    """Return what the kernel answers to a deletion of something that is not there."""
    number = {Link: errno.ENODEV, Address: errno.EADDRNOTAVAIL, Route: errno.ESRCH}.get(kind, errno.ENOENT)
    return OSError(number, os.strerror(number))


def settled(ipr: Socket, value: Address) -> bool:
    """Tell whether duplicate address detection has ended for an IPv6 address, or for all of an interface of IPv4.

    Raises:
        OSError: EADDRINUSE, another host has the address; EADDRNOTAVAIL, the interface does not have it.
    """
    wanted = ipaddress.ip_interface(value.address)
    with _errors():
        index = _index(ipr, value.device)
        for each in ipr.addr("dump", index=index, family=_FAMILIES[family_of(value.address)]):
            if ipaddress.ip_address(each.get("IFA_ADDRESS")) == wanted.ip:
                flags = each.get("IFA_FLAGS")
                if flags & _DAD_FAILED:
                    raise OSError(errno.EADDRINUSE, "duplicate address detection found it elsewhere")
                return not flags & _TENTATIVE
    raise missing(Address)
