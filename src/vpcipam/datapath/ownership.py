"""Tell what the datapath has made in a kernel from what others have, so that the rest of it is left over."""

import re
from collections.abc import Iterable

from vpcipam.datapath.layout import (
    BRANCH_PRIORITY,
    EXTERNAL_SERVICE_PRIORITY,
    FROM_ENI_PRIORITY,
    FROM_POD_PRIORITY,
    IPV6_SUBNET_GATEWAY,
    LOCAL_PRIORITY,
    MARK_PRIORITY,
    STRICT_BRANCH_PREFIX,
    TO_POD_PRIORITY,
    whole,
)
from vpcipam.datapath.nft import TABLE
from vpcipam.datapath.options import DatapathOptions, datapath_options
from vpcipam.datapath.values import LOCAL_TABLE, MAIN_TABLE, Link, NftTable, Readable, Route, Rule, XtablesChain, XtablesRule
from vpcipam.datapath.xtables import own
from vpcipam.settings import Settings


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
    device = re.compile(rf"({re.escape(options.veth_prefix)}|{STRICT_BRANCH_PREFIX})[0-9a-f]{{11}}|vlan\.eth\.\d+")
    links = {each for each in values if isinstance(each, Link) and device.fullmatch(each.name)}
    rules = {each for each in values if isinstance(each, Rule) and _is_own(each, options, device)}
    devices = {each.name for each in links}
    tables = {each.table for each in rules} - {MAIN_TABLE, LOCAL_TABLE}
    routes = {
        each
        for each in values
        if isinstance(each, Route) and each.protocol != "kernel" and (each.device in devices or each.table in tables)
    }
    filters = own(each for each in values if isinstance(each, XtablesChain | XtablesRule))
    nft = (each for each in values if isinstance(each, NftTable) and each.name == TABLE)
    return frozenset((*links, *rules, *routes, *filters, *nft))


def _is_own(rule: Rule, options: DatapathOptions, device: re.Pattern[str]) -> bool:
    """Compare a rule with the one that the datapath would make, which has no other selectors."""
    to, source, table = rule.destination, rule.source, rule.table
    shapes = {
        TO_POD_PRIORITY: Rule(priority=TO_POD_PRIORITY, destination=to, table=MAIN_TABLE, family=rule.family),
        EXTERNAL_SERVICE_PRIORITY: Rule(priority=EXTERNAL_SERVICE_PRIORITY, destination=to, table=MAIN_TABLE, family=rule.family),
        FROM_POD_PRIORITY: Rule(priority=FROM_POD_PRIORITY, source=source, table=table, family=rule.family),
        FROM_ENI_PRIORITY: Rule(priority=FROM_ENI_PRIORITY, source=source, table=table, family=rule.family),
        MARK_PRIORITY: Rule(priority=MARK_PRIORITY, mark=options.mark, mask=options.mark, table=MAIN_TABLE, family=rule.family),
        BRANCH_PRIORITY: Rule(priority=BRANCH_PRIORITY, iif=rule.iif, table=table, family=rule.family),
        LOCAL_PRIORITY: Rule(priority=LOCAL_PRIORITY, table=LOCAL_TABLE, family=rule.family),
        0: Rule(priority=0, source=whole(IPV6_SUBNET_GATEWAY), ip_protocol="ipv6-icmp", table=LOCAL_TABLE),
    }
    if rule != shapes.get(rule.priority or 0):
        return False
    if rule.priority == TO_POD_PRIORITY:
        return _is_single(to)
    if rule.priority in {FROM_POD_PRIORITY, FROM_ENI_PRIORITY}:
        return _is_single(source)
    if rule.priority == BRANCH_PRIORITY:
        return device.fullmatch(rule.iif or "") is not None
    return rule.priority != EXTERNAL_SERVICE_PRIORITY or to is not None


def _is_single(cidr: str | None) -> bool:
    return cidr is not None and cidr == whole(cidr.partition("/")[0])
