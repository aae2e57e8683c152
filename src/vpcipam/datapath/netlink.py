"""Links, addresses, routes, rules and neighbours: between the values and the messages of the kernel. Needs pyroute2.

The names of attributes are the kernel's. All functions raise OSError with the kernel's errno.
"""

import contextlib
import errno
import ipaddress
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from vpcipam.datapath.values import Address, Link, Neighbour, Route, Rule, Veth, Vlan, family_of
from vpcipam.errors import MissingExtra

try:
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError
except ModuleNotFoundError as error:
    raise MissingExtra(f"the kernel is reached by the package {error.name}: pip install 'vpcipam[datapath]'") from error

Socket: TypeAlias = IPRoute
Kernel = Link | Address | Route | Rule | Neighbour
"""What rtnetlink knows."""
Made = Link | Veth | Vlan | Address | Route | Rule | Neighbour

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
_RULE_ATTRIBUTES = {
    "FRA_PRIORITY",
    "FRA_TABLE",
    "FRA_SRC",
    "FRA_DST",
    "FRA_IIFNAME",
    "FRA_FWMARK",
    "FRA_FWMASK",
    "FRA_IP_PROTO",
    "FRA_PROTOCOL",
    "FRA_SUPPRESS_PREFIXLEN",
}
"""What a `Rule` can say. A rule with other attributes is not one of the datapath."""
_DAD_FAILED, _TENTATIVE = 0x08, 0x40  # IFA_F_…


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


def create(ipr: Socket, value: Made, *, replace: bool = False, host_fd: int | None = None) -> None:
    """Create a value, or change the one that the kernel has in its place.

    Args:
        ipr: a socket in the namespace; for a veth in that of the pod.
        value: what to create; a link has its attributes set, it must exist.
        replace: whether to change what is there. If not, that is EEXIST.
        host_fd: the host's namespace, where a veth has its other end.
    """
    command = "replace" if replace else "add"
    with _errors():
        match value:
            case Link():
                changes = {"mtu": value.mtu, "address": value.mac, "state": {True: "up", False: "down", None: None}[value.up]}
                ipr.link("set", index=_index(ipr, value.name), **_given(changes))
            case Veth():
                peer = {"ifname": value.name, "address": value.mac, "mtu": value.mtu, "txqlen": 0, "net_ns_fd": host_fd}
                ipr.link("add", ifname=value.peer, kind="veth", peer=peer, mtu=value.mtu, txqlen=0, **_given({"address": value.peer_mac}))
            case Vlan():
                parent = _index(ipr, value.parent)
                ipr.link("add", ifname=value.name, kind="vlan", link=parent, vlan_id=value.vlan_id, address=value.mac, mtu=value.mtu)
            case Address():
                ipr.addr(command, index=_index(ipr, value.device), **_address(value))
            case Route():
                ipr.route(command, **_route(ipr, value))
            case Rule():
                ipr.rule("add", **_rule(value))
            case _:
                ipr.neigh(command, ifindex=_index(ipr, value.device), dst=value.address, lladdr=value.mac, state=_PERMANENT)


def delete(ipr: Socket, value: Kernel) -> None:
    """Delete a value exactly as it was read."""
    with _errors():
        match value:
            case Link():
                ipr.link("del", index=_index(ipr, value.name))
            case Address():
                ipr.addr("del", index=_index(ipr, value.device), **_address(value))
            case Route():
                ipr.route("del", **_route(ipr, value))
            case Rule():
                ipr.rule("del", **_rule(value))
            case _:
                ipr.neigh("del", ifindex=_index(ipr, value.device), dst=value.address)


def _given(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _address(value: Address) -> dict[str, Any]:
    parsed = ipaddress.ip_interface(value.address)
    # pyroute2 would put the scope of IPv4 there only.
    return {"address": str(parsed.ip), "prefixlen": parsed.network.prefixlen, "scope": _number(_SCOPES, value.scope)}


def _route(ipr: Socket, value: Route) -> dict[str, Any]:
    address, _, length = value.destination.partition("/")
    found = {
        "family": _FAMILIES[value.family],
        "dst": address if int(length) else None,  # a default route has no destination
        "dst_len": int(length),
        "table": value.table,
        "oif": None if value.device is None else _index(ipr, value.device),
        "gateway": value.gateway,
        "prefsrc": value.source,
        "scope": None if value.scope is None else _number(_SCOPES, value.scope),
        "priority": value.metric or None,
        "proto": None if value.protocol is None else _number(_ROUTE_PROTOCOLS, value.protocol),
        "type": _UNICAST,
    }
    return _given(found)


def _rule(value: Rule) -> dict[str, Any]:
    found: dict[str, Any] = {
        "family": _FAMILIES[value.family],
        "priority": value.priority,
        "table": value.table,
        "action": _TO_TABLE,
        "iifname": value.iif,
        "fwmark": value.mark,
        "fwmask": value.mask,
        "ip_proto": None if value.ip_protocol is None else _number(_IP_PROTOCOLS, value.ip_protocol),
    }
    for name, cidr in (("src", value.source), ("dst", value.destination)):
        if cidr is not None:
            address, _, length = cidr.partition("/")
            found |= {name: address, f"{name}_len": int(length)}
    return _given(found)


# --- read -----------------------------------------------------------------------------------------------------------------


def read(ipr: Socket, kind: type) -> list[Kernel]:
    """Read all values of one kind: permanent neighbours, unicast routes with one next hop, and rules that lead to a table."""
    with _errors():
        return list(_READERS[kind](ipr))


def _links(ipr: Socket) -> Iterator[Link]:
    for each in ipr.link("dump"):
        mac = each.get("IFLA_ADDRESS")
        yield Link(name=each.get("IFLA_IFNAME"), mac=mac, mtu=each.get("IFLA_MTU"), up=bool(each["flags"] & _UP))


def _names(ipr: Socket) -> dict[int, str]:
    return {each["index"]: each.get("IFLA_IFNAME") for each in ipr.link("dump")}


def _of_links(ipr: Socket, messages: Iterable[Any], index: str) -> Iterator[tuple[Any, str]]:
    """Pair messages with the name of their link. The link of one can have come or gone between two dumps."""
    names = _names(ipr)
    for each in messages:
        if (name := names.get(each.get(index))) is not None:
            yield each, name


def _addresses(ipr: Socket) -> Iterator[Address]:
    for each, device in _of_links(ipr, ipr.addr("dump"), "index"):
        address = each.get("IFA_LOCAL") or each.get("IFA_ADDRESS")
        scope = _name(_SCOPES, each["scope"])
        yield Address(address=f"{address}/{each['prefixlen']}", device=device, scope=scope)


def _routes(ipr: Socket) -> Iterator[Route]:
    for version, family in _FAMILIES.items():
        for each, device in _of_links(ipr, ipr.route("dump", family=family), "RTA_OIF"):
            if each["type"] != _UNICAST or each["flags"] & _CLONED:
                continue
            yield Route(
                destination=f"{each.get('RTA_DST') or ('::' if version == 6 else '0.0.0.0')}/{each['dst_len']}",  # noqa: S104 - all
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
            if (
                each["action"] != _TO_TABLE
                or each["flags"] & _INVERTED
                or each["tos"]
                or {name for name, _ in each["attrs"]} - _RULE_ATTRIBUTES
            ):
                continue
            if each.get("FRA_SUPPRESS_PREFIXLEN") not in {None, _NOT_SUPPRESSED}:
                continue
            protocol = each.get("FRA_IP_PROTO")
            yield Rule(
                priority=each.get("FRA_PRIORITY") or 0,
                table=each.get("FRA_TABLE"),
                source=f"{each.get('FRA_SRC')}/{each['src_len']}" if each["src_len"] else None,
                destination=f"{each.get('FRA_DST')}/{each['dst_len']}" if each["dst_len"] else None,
                iif=each.get("FRA_IIFNAME"),
                mark=each.get("FRA_FWMARK"),
                mask=each.get("FRA_FWMASK"),
                ip_protocol=None if protocol is None else _name(_IP_PROTOCOLS, protocol),
                family=version,
            )


def _neighbours(ipr: Socket) -> Iterator[Neighbour]:
    for family in _FAMILIES.values():
        for each, device in _of_links(ipr, ipr.neigh("dump", family=family), "ifindex"):
            if each["state"] & _PERMANENT and each.get("NDA_LLADDR"):
                yield Neighbour(address=each.get("NDA_DST"), mac=each.get("NDA_LLADDR"), device=device)


_READERS: dict[type, Callable[[Socket], Iterator[Kernel]]] = {
    Link: _links,
    Address: _addresses,
    Route: _routes,
    Rule: _rules,
    Neighbour: _neighbours,
}
NOT_THERE: dict[type, int] = {
    Link: errno.ENODEV,
    Address: errno.EADDRNOTAVAIL,
    Route: errno.ESRCH,
    Rule: errno.ENOENT,
    Neighbour: errno.ENOENT,
}
"""What the kernel answers to a deletion of something that is not there."""


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
    raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
