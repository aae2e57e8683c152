"""Tell what the datapath has made in a kernel from what others have, so that the rest of it is left over."""

import re
from collections.abc import Iterable
from typing import Any

from vpcipam.datapath import layout
from vpcipam.datapath.nft import TABLE
from vpcipam.datapath.options import datapath_options
from vpcipam.datapath.values import LOCAL_TABLE, MAIN_TABLE, Link, NftTable, Readable, Route, Rule, XtablesChain, XtablesRule
from vpcipam.datapath.xtables import OWN_CHAINS, reject_new, restore_mark, set_mark
from vpcipam.settings import Settings

_JUMPS = tuple(f"-j {chain}" for chain in OWN_CHAINS)
_REJECTS = {reject_new(cidr) for cidr in layout.EGRESS_RANGES.values()}


def owned(found: Iterable[Readable], settings: Settings) -> frozenset[Readable]:
    """Pick what the datapath has made in a host's namespace and nobody else would.

    These are the host interfaces and branch devices of pods, the rules with the datapath's priorities and shapes, the routes by these
    devices or in the tables of ENIs, its chains and rules of iptables, and its table of nftables. Not picked are the interfaces and
    addresses of ENIs and kernel settings, which others make too, and the interfaces for egress, whose names other plugins use.

    Args:
        found: what a reader has found.
        settings: the variables of the aws-node container: the prefix of interfaces and the mark.

    Raises:
        SettingsError: the container would not start with these settings.
    """
    options, values = datapath_options(settings), tuple(found)
    device = re.compile(rf"({re.escape(options.veth_prefix)}|{layout.STRICT_BRANCH_PREFIX})[0-9a-f]{{11}}|vlan\.eth\.\d+")
    own = {each for each in values if _is_own(each, options.mark, device)}
    devices = {each.name for each in own if isinstance(each, Link)}
    tables = {each.table for each in own if isinstance(each, Rule)} - {MAIN_TABLE, LOCAL_TABLE}
    routes = (each for each in values if isinstance(each, Route) and each.protocol != "kernel")
    return frozenset(own | {each for each in routes if each.device in devices or each.table in tables})


def _is_own(value: Readable, mark: int, device: re.Pattern[str]) -> bool:
    match value:
        case Link(name=name):
            return device.fullmatch(name) is not None
        case NftTable(name=name):
            return name == TABLE
        case XtablesChain(name=name):
            return name.startswith(OWN_CHAINS)
        case XtablesRule(rule=rule):
            return any(jump in rule for jump in _JUMPS) or rule.endswith((set_mark(mark), restore_mark(mark))) or rule in _REJECTS
        case Rule():
            return _is_own_rule(value, mark, device)
    return False


def _is_own_rule(rule: Rule, mark: int, device: re.Pattern[str]) -> bool:
    """Compare a rule with the one that the datapath would make, which has no other selectors."""
    to, source, table = rule.destination, rule.source, rule.table
    own: dict[str, Any]
    match rule.priority:
        case layout.TO_POD_PRIORITY if _is_single(to):
            own = {"destination": to, "table": MAIN_TABLE}
        case layout.EXTERNAL_SERVICE_PRIORITY if to is not None:
            own = {"destination": to, "table": MAIN_TABLE}
        case layout.FROM_POD_PRIORITY if _is_single(source) and (layout.is_eni_table(table) or table in layout.BRANCH_TABLES):
            own = {"source": source, "table": table}
        case layout.FROM_ENI_PRIORITY if _is_single(source) and layout.is_eni_table(table):
            own = {"source": source, "table": table}
        case layout.BRANCH_PRIORITY if device.fullmatch(rule.iif or ""):
            own = {"iif": rule.iif, "table": table}
        case layout.MARK_PRIORITY:
            own = {"mark": mark, "mask": mark, "table": MAIN_TABLE}
        case layout.LOCAL_PRIORITY:
            own = {"table": LOCAL_TABLE}
        case 0:
            own = {"source": layout.whole(layout.IPV6_SUBNET_GATEWAY), "ip_protocol": "ipv6-icmp", "table": LOCAL_TABLE}
        case _:
            return False
    return rule == Rule(priority=rule.priority, family=rule.family, **own)


def _is_single(cidr: str | None) -> bool:
    return cidr is not None and cidr == layout.whole(cidr.partition("/")[0])
