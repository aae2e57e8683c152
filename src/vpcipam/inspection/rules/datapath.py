"""Rules about what the kernel of a node has for its pods: what is missing, and what pods have left behind."""

import re
from collections.abc import Iterator

from vpcipam.address import Cidr
from vpcipam.datapath.layout import (
    BRANCH_TABLES,
    FROM_ENI_PRIORITY,
    FROM_POD_PRIORITY,
    MARK_PRIORITY,
    TO_POD_PRIORITY,
    card_of,
    eni_table,
    everywhere,
    is_eni_table,
    whole,
)
from vpcipam.datapath.nft import TABLE as NFT_TABLE
from vpcipam.datapath.options import DatapathOptions, datapath_options
from vpcipam.datapath.values import MAIN_TABLE, NftTable, Readable, Route, Rule, Sysctl, XtablesChain, XtablesRule
from vpcipam.datapath.xtables import CONNMARK_CHAIN, SNAT_CHAIN, restore_mark, set_mark
from vpcipam.errors import SettingsError
from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.evidence import HeldAddress, KernelState, Source
from vpcipam.inspection.finding import Finding, Missing, Severity
from vpcipam.inspection.rules.rule import EC2_ENIS, HELD, IPAMD_ENIS, READ_SETTINGS, Need, RuleEntry
from vpcipam.inspection.rules.rule import Rule as InspectionRule
from vpcipam.node.interfaces import DEFAULT_NETWORK_CARD, place_of

DATAPATH = "docs/datapath.md"
_FINDING = Severity.FINDING
_RESTART = "restart aws-node on the node, which sets up what the node itself has"
_NEW_POD = "delete the pod, so that the CNI plugin connects a new one"


# --- what was read --------------------------------------------------------------------------------------------------------


def _family(node: NodeCase) -> int:
    """Return the IP version of the pods' addresses."""
    ipv6 = node.settings is not None and node.settings.value.enable_ipv6
    return 6 if ipv6 or any(":" in each.address for each in node.held) else 4


def _states(node: NodeCase, kind: str, family: int) -> list[KernelState]:
    states = [fact.value for fact in node.kernel_states if fact.value.kind == kind]
    return [each for each in states if not each.families or family in each.families]


def _values(node: NodeCase, kind: str) -> list[Readable]:
    return [value for state in _states(node, kind, _family(node)) for value in state.values]


def _sources(node: NodeCase, *kinds: str) -> tuple[Source, ...]:
    return tuple(fact.source for fact in node.kernel_states if fact.value.kind in kinds)


def _rules(node: NodeCase) -> list[Rule]:
    family = _family(node)
    return [value for value in _values(node, "rules") if isinstance(value, Rule) and value.family == family]


def _routes(node: NodeCase) -> list[Route]:
    family = _family(node)
    return [value for value in _values(node, "routes") if isinstance(value, Route) and value.family == family]


def _shows_tables(node: NodeCase) -> bool:
    shown = {table for state in _states(node, "iptables", 4) for table in state.tables}
    return _family(node) == 6 or {"nat", "mangle"} <= shown


KERNEL_RULES: Need[NodeCase] = Need(
    Missing("the node's routing rules, for the IP version of the pods", "ip -j rule, or ip -6 -j rule, on the node"),
    lambda node: bool(_states(node, "rules", _family(node))),
)
KERNEL_ROUTES: Need[NodeCase] = Need(
    Missing("the routes of the node", "ip -j route show table all, or with -6, on the node"),
    lambda node: bool(_states(node, "routes", _family(node))),
)
ALL_ROUTES: Need[NodeCase] = Need(
    KERNEL_ROUTES.missing, lambda node: any("all" in state.tables for state in _states(node, "routes", _family(node)))
)
IPTABLES: Need[NodeCase] = Need(Missing("the node's rules of iptables, nat and mangle", "iptables-save on the node"), _shows_tables)
SYSCTLS: Need[NodeCase] = Need(
    Missing("the node's settings of rp_filter", "sysctl -a on the node"), lambda node: bool(_states(node, "sysctls", 4))
)


def _options(node: NodeCase) -> DatapathOptions | None:
    """Return what the variables say; None if the container would not start with them."""
    try:
        return None if node.settings is None else datapath_options(node.settings.value)
    except SettingsError:
        return None


# --- pods -----------------------------------------------------------------------------------------------------------------


def _host(cidr: str | None) -> str:
    """Return the address of a CIDR of one address; empty for any other."""
    address, _, length = (cidr or "").partition("/")
    return address if length == ("128" if ":" in address else "32") else ""


def _sorted(addresses: set[str]) -> list[str]:
    return sorted(addresses, key=lambda address: Cidr.parse(whole(address)))


def _by_address(rules: list[Rule]) -> tuple[set[str], dict[str, set[int | None]]]:
    """Return the addresses that have a rule 512, and the tables of the rules 1536 of each."""
    to_pod = {_host(rule.destination) for rule in rules if (rule.priority, rule.table) == (TO_POD_PRIORITY, MAIN_TABLE)}
    from_pod: dict[str, set[int | None]] = {}
    for rule in rules:
        if rule.priority == FROM_POD_PRIORITY:
            from_pod.setdefault(_host(rule.source), set()).add(rule.table)
    from_pod.pop("", None)
    return to_pod - {""}, from_pod


def _unknown_to_ipamd(node: NodeCase, from_pod: dict[str, set[int | None]]) -> set[str]:
    """Return the addresses that what was read of ipamd can't have: of branch ENIs, and of network cards that nothing shows."""
    cards = {card.value.network_card for card in node.cards} | {eni.value.network_card for eni in node.enis}
    shown = {each.address for pod in node.pods for each in pod.value.branch_enis}
    tables = {table for tables in from_pod.values() for table in tables if table in BRANCH_TABLES or card_of(table) not in {None, *cards}}
    return shown | {address for address in from_pod if not tables.isdisjoint(from_pod[address])}


def check_pod_rules(node: NodeCase) -> Iterator[Finding]:
    """Each pod has its rules 512 and 1536, and they go with it (docs/datapath.md, "A pod")."""
    to_pod, from_pod = _by_address(_rules(node))
    sources = _sources(node, "rules")
    held = {each.address: each for each in node.held}
    for address in _sorted({*to_pod, *from_pod} - held.keys() - _unknown_to_ipamd(node, from_pod)):
        message = f"has {_numbers(address in to_pod, address in from_pod)}, and no sandbox holds it"
        suggestion = "the next pod with this address can be sent out of the wrong ENI: " + "; ".join(
            [*([f"ip rule del to {address} priority {TO_POD_PRIORITY}"] if address in to_pod else ())]
            + [
                f"ip rule del from {address} table {table} priority {FROM_POD_PRIORITY}"
                for table in sorted(from_pod.get(address, ()), key=str)
            ]
        )
        yield Finding("rule-without-pod", _FINDING, address, message, suggestion, node.name, sources)
    for address in _sorted({*held}):
        yield from _check_pod(node, held[address], from_pod.get(address, set()), has_rule=address in to_pod)


def _numbers(to_pod: bool, from_pod: bool) -> str:  # noqa: FBT001 - two kinds of rules
    numbers = [str(number) for number, there in ((TO_POD_PRIORITY, to_pod), (FROM_POD_PRIORITY, from_pod)) if there]
    return f"rule {numbers[0]}" if len(numbers) == 1 else f"the rules {' and '.join(numbers)}"


def _check_pod(node: NodeCase, held: HeldAddress, tables: set[int | None], *, has_rule: bool) -> Iterator[Finding]:
    sources = (*held.sources, *_sources(node, "rules"))
    holder = f"{f'pod {held.pod}' if held.pod is not None else 'a sandbox'} holds it"
    if not has_rule:
        message = f"has no rule {TO_POD_PRIORITY}, though {holder}: other rules can send its packets elsewhere"
        yield Finding("pod-without-rule", _FINDING, held.address, message, _NEW_POD, node.name, sources)
    place = _place(node, held)
    if place is None:
        return
    network_card, device_number = place
    table = eni_table(device_number, network_card)
    wanted = set() if table == MAIN_TABLE else {table}
    if wanted and not tables:
        message = f"has no rule {FROM_POD_PRIORITY}, though {holder}: its packets leave by the primary ENI, and the VPC drops them"
        yield Finding("pod-without-rule", _FINDING, held.address, message, _NEW_POD, node.name, sources)
    elif tables != wanted and network_card == DEFAULT_NETWORK_CARD:
        shown = " and ".join(sorted(map(str, tables)))
        message = f"is sent to table {shown} by rule {FROM_POD_PRIORITY}, and its ENI has table {table}: the VPC drops its packets"
        yield Finding("pod-rule-to-wrong-table", _FINDING, held.address, message, _NEW_POD, node.name, sources)


def _place(node: NodeCase, held: HeldAddress) -> tuple[int, int] | None:
    """Return the network card and the device number of the ENI of an address, by ipamd or else by EC2; None if nothing shows them."""
    for fact in node.enis:
        eni = fact.value
        if eni.eni_id == held.eni_id and eni.device_number is not None:
            return eni.network_card or DEFAULT_NETWORK_CARD, eni.device_number
    found = node.owner_of(held.address) if held.eni_id is None else None
    return None if found is None or found.attachment is None else place_of(found)


_HOST_INTERFACE = re.compile(r"[^/]{0,4}[0-9a-f]{11}")


def check_pod_routes(node: NodeCase) -> Iterator[Finding]:
    """Each pod has a route by its veth, and it goes with it (docs/datapath.md, "A pod")."""
    by_address = {_host(route.destination): route for route in _routes(node) if route.table == MAIN_TABLE and route.gateway is None}
    by_address.pop("", None)
    _, from_pod = _by_address(_rules(node))
    sources = _sources(node, "routes")
    held = {each.address: each for each in node.held}
    for address in _sorted(held.keys() - by_address.keys()):
        message = "has no route in the main table, though a sandbox holds it: the node can't reach it"
        yield Finding("pod-without-route", _FINDING, address, message, _NEW_POD, node.name, (*held[address].sources, *sources))
    for address in _sorted(by_address.keys() - held.keys() - _unknown_to_ipamd(node, from_pod)):
        device = by_address[address].device or ""
        if _HOST_INTERFACE.fullmatch(device):
            message = f"has a route by {device}, and no sandbox holds it"
            yield Finding("route-without-pod", _FINDING, address, message, f"ip link delete {device}", node.name, sources)


# --- ENIs -----------------------------------------------------------------------------------------------------------------


def check_eni_tables(node: NodeCase) -> Iterator[Finding]:
    """The table of each ENI with pods has a default route (docs/datapath.md, "An ENI")."""
    family = _family(node)
    ways_out = {route.table for route in _routes(node) if route.destination == everywhere(family)}
    used = {each.eni_id for each in node.held}
    for fact in node.enis:
        eni = fact.value
        if eni.eni_id in used and eni.device_number and (eni.network_card or DEFAULT_NETWORK_CARD) == DEFAULT_NETWORK_CARD:
            table = eni_table(eni.device_number)
            if table not in ways_out:
                message = f"has pods, and its table {table} has no default route: their packets leave by the primary ENI"
                yield Finding(
                    "eni-table-without-route", _FINDING, eni.eni_id, message, _RESTART, node.name, (fact.source, *_sources(node, "routes"))
                )


def check_eni_rules(node: NodeCase) -> Iterator[Finding]:
    """A rule 32765 belongs to an attached ENI (docs/datapath.md, "An ENI")."""
    if not node.shows_all_enis:
        return
    enis = [fact.value for fact in node.network_interfaces]
    own = {address for eni in enis for address in (*eni.single_ips, *eni.ipv6_addresses)}
    left = {_host(rule.source): rule for rule in _rules(node) if rule.priority == FROM_ENI_PRIORITY and is_eni_table(rule.table)}
    for address in _sorted(left.keys() - own - {""}):
        message = f"has rule {FROM_ENI_PRIORITY} to table {left[address].table}, and no attached ENI has it"
        suggestion = f"ip rule del from {address} priority {FROM_ENI_PRIORITY}"
        yield Finding("eni-rule-left", Severity.NOTE, address, message, suggestion, node.name, _sources(node, "rules"))


# --- the node -------------------------------------------------------------------------------------------------------------


def check_mark_rule(node: NodeCase) -> Iterator[Finding]:
    """Marked packets leave by the primary ENI (docs/datapath.md, "A node")."""
    options = _options(node)
    if options is None or not options.marks_packets:
        return
    wanted = Rule(priority=MARK_PRIORITY, mark=options.mark, mask=options.mark, table=MAIN_TABLE, family=_family(node))
    if wanted not in _rules(node):
        message = f"has no rule {MARK_PRIORITY} for the mark {options.mark:#x}: pods of further ENIs reach nothing outside the VPC"
        yield Finding("mark-rule-missing", _FINDING, node.name, message, _RESTART, node.name, _sources(node, "rules"))


def check_source_nat(node: NodeCase) -> Iterator[Finding]:
    """Source NAT is as AWS_VPC_K8S_CNI_EXTERNALSNAT says (docs/datapath.md, "Source NAT and marks")."""
    options = _options(node)
    if options is None or options.ipv6:
        return
    values, sources = _values(node, "iptables"), _sources(node, "iptables")
    chains = [each for each in values if isinstance(each, XtablesChain) and each.name.startswith("AWS-SNAT-CHAIN-")]
    translates = any("-j SNAT " in rule for chain in chains for rule in chain.rules)  # old releases do it in a later chain
    on = translates and XtablesRule(table="nat", chain="POSTROUTING", rule=f"-j {SNAT_CHAIN}") in values
    if not on and not options.external_snat:
        message = f"has no rule of {SNAT_CHAIN} that translates sources: pods reach nothing outside the VPC"
        yield Finding("snat-missing", _FINDING, node.name, message, _RESTART, node.name, sources)
    elif on and options.external_snat:
        message = f"translates sources by {SNAT_CHAIN}, though AWS_VPC_K8S_CNI_EXTERNALSNAT is on"
        yield Finding("snat-left", _FINDING, node.name, message, _RESTART, node.name, sources)


def check_marks(node: NodeCase) -> Iterator[Finding]:
    """Connections and packets are marked as the variables say (docs/datapath.md, "Source NAT and marks")."""
    options = _options(node)
    if options is None or options.ipv6:
        return
    values = _values(node, "iptables")
    missing = [name for name, there in _marks(options, values) if not there]
    if not options.external_snat and _states(node, "nftables", 4) and not _marks_connections([*values, *_values(node, "nftables")]):
        missing.append("the mark of connections that leave the VPC")
    if missing:
        message = f"lacks {', '.join(missing)}: answers leave by the wrong ENI, and the VPC drops them"
        sources = _sources(node, "iptables", "nftables")
        yield Finding("marks-missing", _FINDING, node.name, message, _RESTART, node.name, sources)


def _marks(options: DatapathOptions, values: list[Readable]) -> Iterator[tuple[str, bool]]:
    rules = [each.rule for each in values if isinstance(each, XtablesRule) and (each.table, each.chain) == ("mangle", "PREROUTING")]
    if options.node_port_support:
        set_rule = f"--limit-iface-in {set_mark(options.mark)}"
        yield "the mark of connections to node ports", any(rule.endswith(set_rule) for rule in rules)
    if options.marks_packets:
        yield "the mark of packets from pods", f"-i {options.veth_prefix}+ {restore_mark(options.mark)}" in rules


def _marks_connections(values: list[Readable]) -> bool:
    jumps = (each.rule.endswith(f"-j {CONNMARK_CHAIN}") for each in values if isinstance(each, XtablesRule) and each.table == "nat")
    return any(jumps) or any(isinstance(each, NftTable) and each.name == NFT_TABLE for each in values)


def check_reverse_path(node: NodeCase) -> Iterator[Finding]:
    """The primary interface checks sources loosely (docs/datapath.md, "A node")."""
    device = next((route.device for route in _routes(node) if (route.destination, route.table) == (everywhere(4), MAIN_TABLE)), None)
    found = {each.name: each.value for state in _states(node, "sysctls", 4) for each in state.values if isinstance(each, Sysctl)}
    values = [found.get(f"net/ipv4/conf/{name}/rp_filter", "2") for name in ("all", device)]  # what is not shown may be loose
    if device is not None and max(values) == "1":  # the higher one counts
        message = "checks the sources of packets strictly (rp_filter 1): node ports of pods on further ENIs don't answer"
        suggestion = f"sysctl -w net.ipv4.conf.{device}.rp_filter=2"
        yield Finding("strict-rp-filter", _FINDING, device, message, suggestion, node.name, _sources(node, "sysctls"))


_POD, _ENI, _NODE, _NAT = (f"{DATAPATH}#{anchor}" for anchor in ("a-pod", "an-eni", "a-node", "source-nat-and-marks"))
_UNREACHABLE = "The pod is not reached, or its packets don't arrive."

RULES: tuple[InspectionRule[NodeCase], ...] = (
    InspectionRule(
        check_pod_rules,
        (
            RuleEntry(
                "rule-without-pod",
                "the kernel has a rule for the address of a pod that is gone",
                "The next pod with this address can be sent out of the wrong ENI.",
                _POD,
            ),
            RuleEntry("pod-without-rule", "the kernel lacks a rule for the address of a pod", _UNREACHABLE, _POD),
            RuleEntry("pod-rule-to-wrong-table", "the rule of a pod names the table of another ENI", _UNREACHABLE, _POD),
        ),
        (KERNEL_RULES, HELD),
    ),
    InspectionRule(
        check_pod_routes,
        (
            RuleEntry("pod-without-route", "the kernel lacks the route to a pod", _UNREACHABLE, _POD),
            RuleEntry(
                "route-without-pod",
                "the kernel has a route to a pod that is gone",
                "Its veth is left, and packets for the next pod with this address can go there.",
                _POD,
            ),
        ),
        (KERNEL_ROUTES, KERNEL_RULES, HELD),
    ),
    InspectionRule(
        check_eni_tables,
        (RuleEntry("eni-table-without-route", "the table of an ENI with pods has no default route", _UNREACHABLE, _ENI),),
        (ALL_ROUTES, IPAMD_ENIS),
    ),
    InspectionRule(
        check_eni_rules,
        (
            RuleEntry(
                "eni-rule-left",
                "the kernel has a rule for an ENI that is gone",
                "ipamd forgets the rule of an ENI that disappears by itself.",
                _ENI,
                Severity.NOTE,
            ),
        ),
        (KERNEL_RULES, EC2_ENIS),
    ),
    InspectionRule(
        check_mark_rule,
        (
            RuleEntry(
                "mark-rule-missing",
                "no rule sends marked packets out of the primary ENI",
                "Pods on further ENIs can't leave the VPC.",
                _NODE,
            ),
        ),
        (KERNEL_RULES, READ_SETTINGS),
    ),
    InspectionRule(
        check_source_nat,
        (
            RuleEntry("snat-missing", "no rule translates the sources of packets that leave the VPC", "Pods can't leave the VPC.", _NAT),
            RuleEntry(
                "snat-left",
                "rules translate sources, though `AWS_VPC_K8S_CNI_EXTERNALSNAT` is on",
                "Others see the node's address in place of the pod's.",
                _NAT,
            ),
        ),
        (IPTABLES, READ_SETTINGS),
    ),
    InspectionRule(
        check_marks,
        (
            RuleEntry(
                "marks-missing",
                "rules that mark connections or packets are missing",
                "Node ports of pods on further ENIs don't answer, or these pods can't leave the VPC.",
                _NAT,
            ),
        ),
        (IPTABLES, READ_SETTINGS),
    ),
    InspectionRule(
        check_reverse_path,
        (
            RuleEntry(
                "strict-rp-filter",
                "the primary interface checks sources strictly",
                "Node ports of pods on further ENIs don't answer.",
                _NODE,
            ),
        ),
        (SYSCTLS, KERNEL_ROUTES),
    ),
)
