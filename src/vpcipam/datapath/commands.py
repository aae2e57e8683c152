"""Steps and values as text: in words, and as commands of a shell.

The library itself runs only those of iptables, nftables and IPsec. Those of ip and sysctl show what `vpcipam.datapath.apply` does, and can
be tried by hand.
"""

import errno
import shlex
from collections.abc import Callable
from typing import Any

from vpcipam.datapath.nft import table_text
from vpcipam.datapath.values import (
    LOCAL_TABLE,
    MAIN_TABLE,
    Address,
    Link,
    Mode,
    Neighbour,
    NftChain,
    NftTable,
    OfNetlink,
    OfPrograms,
    Route,
    Rule,
    Step,
    Sysctl,
    Value,
    Veth,
    Vlan,
    XfrmPolicy,
    XfrmState,
    XtablesChain,
    XtablesRule,
)
from vpcipam.datapath.xfrm import created, deleted, without_keys
from vpcipam.datapath.xtables import PROGRAMS, restore_text, rule_command

_QUIETLY = " 2>/dev/null"


def describe(value: Value) -> str:
    """Say in a few words what a value is.

    >>> describe(Rule(priority=512, destination="10.0.1.60", table=254))
    'rule 512: to 10.0.1.60/32 lookup main'
    """
    return _WORDS[type(value)](value)


_WORDS: dict[type, Callable[[Any], str]] = {
    Link: lambda link: f"interface {link.name}{_given(mtu=link.mtu)}{' up' if link.up else ''}",
    Veth: lambda veth: f"veth {veth.name}, in the pod {veth.peer}, mtu {veth.mtu}",
    Vlan: lambda vlan: f"VLAN {vlan.vlan_id} on {vlan.parent}: interface {vlan.name}, mtu {vlan.mtu}",
    Address: lambda address: f"address {address.address} on {address.device}",
    Route: lambda route: f"route {_route(route)}",
    Rule: lambda rule: f"rule {'' if rule.priority is None else f'{rule.priority}: '}{_rule(rule)}",
    Neighbour: lambda neighbour: f"neighbour {neighbour.address} is {neighbour.mac} on {neighbour.device}",
    Sysctl: lambda sysctl: f"{sysctl.name} = {sysctl.value}",
    XtablesChain: lambda chain: f"{PROGRAMS[chain.family]} chain {chain.name} of {chain.table}: {'; '.join(chain.rules) or 'empty'}",
    XtablesRule: lambda rule: f"{PROGRAMS[rule.family]} {rule.table} {rule.chain}: {rule.rule}",
    NftTable: lambda table: f"nft table {table.family} {table.name}: {'; '.join(map(_nft_chain, table.chains)) or 'empty'}",
    XfrmState: lambda state: f"encryption from {state.source} to {state.destination} by SPI {state.spi:#x}",
    XfrmPolicy: lambda policy: f"encrypted {policy.direction}: from {policy.source} to {policy.destination}",
}


def _nft_chain(chain: NftChain) -> str:
    return f"{chain.name}: {', '.join(chain.rules)}"


def _given(**facts: object) -> str:
    return "".join(f" {name.rstrip('_')} {value}" for name, value in facts.items() if value is not None)


def _route(route: Route) -> str:
    table = None if route.table == MAIN_TABLE else route.table
    destination = "default" if route.destination.endswith("/0") else route.destination
    return destination + _given(via=route.gateway, dev=route.device, table=table, src=route.source)


def _rule(rule: Rule) -> str:
    mark = None if rule.mark is None else f"{rule.mark:#x}/{rule.mask:#x}"
    selectors = _given(from_=rule.source, to=rule.destination, iif=rule.iif, fwmark=mark, ipproto=rule.ip_protocol) or " from all"
    return (selectors + _given(lookup=None if rule.table is None else table_name(rule.table))).lstrip()


def table_name(table: int) -> str:
    """Return the name of a routing table, or its number if it has none."""
    return {MAIN_TABLE: "main", LOCAL_TABLE: "local"}.get(table, str(table))


# --- commands -------------------------------------------------------------------------------------------------------------


def invocation(value: OfPrograms, *, delete: bool = False) -> tuple[list[str], str]:
    """Return the program that creates, replaces or deletes a value, with its arguments, and its input."""
    match value:
        case XtablesRule():
            return rule_command("-D" if delete else "-I" if value.first else "-A", value), ""
        case XtablesChain():
            return [f"{PROGRAMS[value.family]}-restore", "-w", "--noflush"], restore_text(value, delete=delete)
        case NftTable() if delete:
            return ["nft", "delete", "table", value.family, value.name], ""
        case NftTable():
            return ["nft", "-f", "-"], table_text(value)
    # Keys are not for the list of processes, so they are not among the arguments.
    return ["ip", "-batch", "-"], f"{deleted(value) if delete else created(value)}\n"


def command(step: Step, pod: str = "pod") -> str:
    """Write a step as a command of a POSIX shell, which root runs in the host's namespace. It may take several lines.

    Args:
        step: the step.
        pod: the name of the pod's namespace, as `ip netns` lists it.
    """
    value, deletes = step.value, step.deletes
    in_pod = shlex.quote(pod) if step.namespace == "pod" else None
    ip = f"ip -n {in_pod}" if in_pod else "ip"
    if step.mode is Mode.WAIT:
        return f"while {ip} -6 address show tentative | grep -q .; do sleep 0.05; done"
    if isinstance(value, Sysctl):
        text = f"{f'ip netns exec {in_pod} ' if in_pod else ''}sysctl -qw {value.name}={value.value}"
    elif isinstance(value, OfNetlink | Veth | Vlan):
        text = f"{ip} {_ip(value, 'delete' if deletes else 'replace' if step.mode is Mode.REPLACE else 'add')}"
    else:
        arguments, given = invocation(value, delete=deletes)
        text = " ".join(arguments) + (f" <<'EOF'\n{without_keys(given)}EOF" if given else "")
    if isinstance(value, XtablesRule) and not deletes:
        return f"{' '.join(rule_command('-C', value))}{_QUIETLY} || {text}"
    if isinstance(value, Rule | XtablesRule) and step.mode is Mode.ABSENT:
        return f"while {text}{_QUIETLY}; do :; done"
    first, newline, given = text.partition("\n")
    return first + (f"{_QUIETLY} || true" if step.tolerated else "") + newline + given


def _ip(value: OfNetlink | Veth | Vlan, verb: str) -> str:
    """Write the arguments of ip."""
    match value:
        case Link() if verb == "delete":
            text = f"link delete {value.name}"
        case Link():
            text = f"link set {value.name}{_given(mtu=value.mtu, address=value.mac)}{' up' if value.up else ''}"
        case Veth():
            both = f"mtu {value.mtu} txqueuelen 0"
            peer = f"{value.name} netns $$ {both} address {value.mac}"
            text = f"link add {value.peer} {both}{_given(address=value.peer_mac)} type veth peer name {peer}"
        case Vlan():
            text = f"link add link {value.parent} name {value.name} address {value.mac} type vlan id {value.vlan_id}"
        case Address():
            text = f"address {verb} {value.address} dev {value.device} scope {value.scope}"
        case Route():
            scope = value.scope if value.family == 4 else None
            text = f"-{value.family} route {verb} {_route(value)}{_given(scope=scope, proto=value.protocol)}"
        case Rule():
            text = f"-{value.family} rule {verb}{_given(priority=value.priority)} {_rule(value)}"
        case _:
            text = f"neighbour {verb} {value.address} lladdr {value.mac} dev {value.device} nud permanent"
    return text


def errno_names(numbers: frozenset[int]) -> tuple[str, ...]:
    """Name errnos.

    >>> errno_names(frozenset({2, 17}))
    ('EEXIST', 'ENOENT')
    """
    return tuple(sorted(errno.errorcode.get(number, str(number)) for number in numbers))
