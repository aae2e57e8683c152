"""Steps and values as text: as commands of a shell, and in words.

Nothing in the library runs these commands. They show what `vpcipam.datapath.apply` does, and can be tried by hand.
"""

import errno
import shlex
from collections.abc import Iterator

from vpcipam.datapath.nft import rules_text
from vpcipam.datapath.values import (
    DELETIONS,
    LOCAL_TABLE,
    MAIN_TABLE,
    Address,
    Link,
    Mode,
    Neighbour,
    NftTable,
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

_TABLES = {MAIN_TABLE: "main", LOCAL_TABLE: "local"}
_DEFAULT = {"0.0.0.0/0", "::/0"}
_VERBS = {Mode.EXCLUSIVE: "add", Mode.REPLACE: "replace", Mode.ADD: "add"}
_QUIETLY = " 2>/dev/null"


def describe(value: Value) -> str:
    """Say in a few words what a value is.

    >>> describe(Rule(priority=512, destination="10.0.1.60", table=254))
    'rule 512: to 10.0.1.60/32 lookup main'
    """
    match value:
        case Sysctl():
            return f"{value.name} = {value.value}"
        case XtablesChain():
            return f"{_program(value)} chain {value.name} of {value.table}: {'; '.join(value.rules) or 'empty'}"
        case XtablesRule():
            return f"{_program(value)} {value.table} {value.chain}: {value.rule}"
        case NftTable():
            chains = "; ".join(f"{chain.name}: {', '.join(chain.rules)}" for chain in value.chains)
            return f"nft table {value.family} {value.name}: {chains or 'empty'}"
        case XfrmState():
            return f"encryption from {value.source} to {value.destination} by SPI {value.spi:#x}"
        case XfrmPolicy():
            ends = f"from {value.source} to {value.destination}"
            return f"encrypted {value.direction}: {ends} by the tunnel from {value.tunnel_source} to {value.tunnel_destination}"
    return _of_netlink(value)


def _of_netlink(value: Link | Veth | Vlan | Address | Route | Rule | Neighbour) -> str:
    match value:
        case Link():
            return f"interface {value.name}" + (f" mtu {value.mtu}" if value.mtu else "") + (" up" if value.up else "")
        case Veth():
            return f"veth {value.name}, in the pod {value.peer}, mtu {value.mtu}"
        case Vlan():
            return f"VLAN {value.vlan_id} on {value.parent}: interface {value.name}, mtu {value.mtu}"
        case Address():
            return f"address {value.address} on {value.device}"
        case Route():
            return f"route {_route(value)}"
        case Rule():
            return f"rule {'' if value.priority is None else f'{value.priority}: '}{_rule(value)}"
    return f"neighbour {value.address} is {value.mac} on {value.device}"


def command(step: Step, pod: str = "pod") -> str:
    """Write a step as a command of a POSIX shell, which root runs in the host's namespace. It may take several lines.

    Args:
        step: the step.
        pod: the name of the pod's namespace, as `ip netns` lists it.
    """
    within, deletes = step.namespace == "pod", step.mode in DELETIONS
    ip = f"ip -n {shlex.quote(pod)}" if within else "ip"
    run = f"ip netns exec {shlex.quote(pod)} " if within else ""
    value = step.value
    if step.mode is Mode.WAIT:
        return f"while {ip} -6 address show tentative | grep -q .; do sleep 0.05; done"
    if isinstance(value, Sysctl):
        text = f"{run}sysctl -qw {value.name}={value.value}"
    elif isinstance(value, XtablesChain):
        text = "\n".join(_chain(value, deletes=deletes))
    elif isinstance(value, XtablesRule):
        return _xtables_rule(value, deletes=deletes)
    elif isinstance(value, NftTable):
        text = f"nft delete table {value.family} {value.name}" if deletes else "\n".join(["nft -f - <<'EOF'", *rules_text(value), "EOF"])
    elif isinstance(value, XfrmState | XfrmPolicy):
        text = f"ip {deleted(value) if deletes else without_keys(created(value))}"
    else:
        text = f"{ip} {_ip(value, step.mode)}"
    return _tolerant(text, step)


def _tolerant(text: str, step: Step) -> str:
    if step.mode is Mode.DELETE_ALL:
        return f"while {text}{_QUIETLY}; do :; done"
    return f"{text}{_QUIETLY} || true" if step.tolerated and "\n" not in text else text


def _ip(value: Link | Veth | Vlan | Address | Route | Rule | Neighbour, mode: Mode) -> str:
    """Write the arguments of ip."""
    verb = "delete" if mode in DELETIONS else _VERBS[mode]
    match value:
        case Link() if verb == "delete":
            return f"link delete {value.name}"
        case Link():
            facts = (("mtu", value.mtu), ("address", value.mac))
            return f"link set {value.name}" + _words(facts) + (" up" if value.up else "")
        case Veth():
            own, peer = (
                f"{value.peer} mtu {value.mtu} txqueuelen 0",
                f"{value.name} netns $$ mtu {value.mtu} txqueuelen 0 address {value.mac}",
            )
            mac = f" address {value.peer_mac}" if value.peer_mac else ""
            return f"link add {own}{mac} type veth peer name {peer}"
        case Vlan():
            return f"link add link {value.parent} name {value.name} address {value.mac} type vlan id {value.vlan_id}"
        case Address():
            return f"address {verb} {value.address} dev {value.device} scope {value.scope}"
        case Route():
            scope = f" scope {value.scope}" if value.family == 4 and value.scope else ""
            return f"-{value.family} route {verb} {_route(value)}{scope}" + (f" proto {value.protocol}" if value.protocol else "")
        case Rule():
            priority = "" if value.priority is None else f" priority {value.priority}"
            return f"-{value.family} rule {verb}{priority} {_rule(value)}"
    return f"neighbour {verb} {value.address} lladdr {value.mac} dev {value.device} nud permanent"


def _words(facts: tuple[tuple[str, object], ...]) -> str:
    return "".join(f" {name} {value}" for name, value in facts if value is not None)


def _route(route: Route) -> str:
    table = None if route.table == MAIN_TABLE else route.table
    facts = (("via", route.gateway), ("dev", route.device), ("table", table), ("src", route.source))
    return ("default" if route.destination in _DEFAULT else route.destination) + _words(facts)


def _rule(rule: Rule) -> str:
    mark = None if rule.mark is None else f"{rule.mark:#x}/{rule.mask:#x}"
    table = None if rule.table is None else _TABLES.get(rule.table, rule.table)
    facts = (("from", rule.source), ("to", rule.destination), ("iif", rule.iif), ("fwmark", mark), ("ipproto", rule.ip_protocol))
    return ((_words(facts) or " from all") + _words((("lookup", table),))).lstrip()


def _program(value: XtablesChain | XtablesRule) -> str:
    return "iptables" if value.family == 4 else "ip6tables"


def _chain(chain: XtablesChain, *, deletes: bool) -> Iterator[str]:
    program = _program(chain)
    if deletes:
        base = f"{program} -w -t {chain.table}"
        yield f"{base} -F {chain.name}{_QUIETLY} && {base} -X {chain.name}"
        return
    yield f"{program}-restore --noflush -w <<'EOF'"
    yield from (f"*{chain.table}", f":{chain.name} - [0:0]")
    yield from (f"-A {chain.name} {rule}" for rule in chain.rules)
    yield from ("COMMIT", "EOF")


def _xtables_rule(rule: XtablesRule, *, deletes: bool) -> str:
    base = f"{_program(rule)} -w -t {rule.table}"
    if deletes:
        return f"while {base} -D {rule.chain} {rule.rule}{_QUIETLY}; do :; done"
    insert = f"-I {rule.chain} 1" if rule.first else f"-A {rule.chain}"
    return f"{base} -C {rule.chain} {rule.rule}{_QUIETLY} || {base} {insert} {rule.rule}"


def errno_names(numbers: frozenset[int]) -> tuple[str, ...]:
    """Name errnos.

    >>> errno_names(frozenset({2, 17}))
    ('EEXIST', 'ENOENT')
    """
    return tuple(sorted(errno.errorcode.get(number, str(number)) for number in numbers))
