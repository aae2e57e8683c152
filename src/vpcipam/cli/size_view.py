"""The subnets of a cluster for people: a table of the variants, and what the first one needs."""

from typing import TYPE_CHECKING

import attrs

from vpcipam._units import NS_PER_S, counted, number, span
from vpcipam.cli.variants import AS_GIVEN, variant_text
from vpcipam.planner import NAU_QUOTA, ClusterPlan, Limit

if TYPE_CHECKING:
    from vpcipam.cli.tables import Page

_NONE = "-"


@attrs.frozen
class Row:
    """The answer for a variant, and the variables that it sets."""

    variables: dict[str, str]
    answer: ClusterPlan


def show_size(page: "Page", rows: list[Row]) -> None:
    """Write the answers for the settings as given and for all variants, and details if there is no variant."""
    first = rows[0].answer
    _head(page, first)
    page.line()
    if first.subnet is not None:
        _counts(page, rows)
    else:
        _reach(page, rows)
    page.line()
    if len(rows) == 1:
        _details(page, first)
        page.line()
    for index, row in enumerate(rows):
        if index:
            page.line(f"{_label(index)}: {variant_text(row.variables)}", whole=True)
    for index, row in enumerate(rows):
        _warnings(page, row.answer, f"{_label(index)}: " if len(rows) > 1 else "")


def _label(index: int) -> str:
    """What a table calls a variant: its variables would take too many columns."""
    return f"variant {index}" if index else AS_GIVEN


def _head(page: "Page", answer: ClusterPlan) -> None:
    (only,) = answer.groups
    group = only.group
    size = answer.subnet or counted(len(answer.subnets), "given subnet")
    branches = f" and {number(group.branch_pods)} with security groups" if group.branch_pods else ""
    zones = counted(answer.zones, "zone")
    page.line(f"{only.node.instance_type} · {counted(group.nodes, 'node')} in {zones} · {group.pods} pods{branches} each · {size}", "bold")
    if only.most_nodes != group.nodes or answer.reserve.zones_lost:
        lost = f" when {counted(answer.reserve.zones_lost, 'zone')} is lost" if answer.reserve.zones_lost == 1 else ""
        lost = f" when {answer.reserve.zones_lost} zones are lost" if answer.reserve.zones_lost > 1 else lost
        text = f"at most {counted(only.most_nodes, 'node')} with headroom and surge, {number(only.most_nodes_per_zone)} of them in a zone"
        page.line(f"Room for {text}{lost}.")


def _counts(page: "Page", rows: list[Row]) -> None:
    prefixes = any(each.node.prefix_count for row in rows for each in row.answer.groups)
    columns = ("settings", "subnets", "per zone", "untagged", "ENIs", "addresses", *(("/28s",) if prefixes else ()), "bites first")
    cells = []
    for index, row in enumerate(rows):
        answer, (only,) = row.answer, row.answer.groups
        cells.append(
            (
                _label(index),
                _text(answer.subnets_total),
                _text(answer.subnets_per_zone),
                _text(answer.to_dict()["subnets_total_untagged"]),
                number(only.node.eni_count),
                number(only.node.subnet_ips),
                *((number(only.node.prefix_count),) if prefixes else ()),
                _bite(answer.bites[0]),
            )
        )
    page.table(columns, cells, numbers=columns[1:-1])
    page.line("subnets: in all zones. untagged: if none is tagged kubernetes.io/role/cni=1. ENIs, addresses, /28s: of a node.", "dim")


def _reach(page: "Page", rows: list[Row]) -> None:
    columns = ("settings", "fits", "most nodes", "untagged", "ENIs", "addresses", "/28s", "bites first")
    cells = []
    for index, row in enumerate(rows):
        answer, (only,) = row.answer, row.answer.groups
        cells.append(
            (
                _label(index),
                "yes" if answer.fits else "no",
                _text(answer.most_nodes),
                _text(answer.most_nodes_untagged),
                number(only.node.eni_count),
                number(only.node.subnet_ips),
                number(only.node.prefix_count),
                _bite(answer.bites[0]),
            )
        )
    page.table(columns, cells, numbers=columns[2:-1])
    page.line(
        "most nodes: in all zones. untagged: if no subnet is tagged kubernetes.io/role/cni=1. ENIs, addresses, /28s: of a node.", "dim"
    )


def _text(count: int | None) -> str:
    return _NONE if count is None else number(count)


_LABELS = {"addresses": "addresses", "prefixes": "/28s", "nau": "NAU", "pods": "pods"}


def _bite(limit: Limit) -> str:
    return f"{_LABELS[limit.name]} {limit.share:.0%}"


def _details(page: "Page", answer: ClusterPlan) -> None:
    pace = answer.pace
    time = (
        "no throttling"
        if not pace.seconds
        else f"{span(int(pace.seconds * NS_PER_S))} or more if all start at once ({pace.slowest_action})"
    )
    facts = [
        (f"{_LABELS[each.name]} of {each.where}", f"{number(each.used)} of {number(each.available)}, {each.share:.1%}")
        for each in answer.bites
        if each.name != "nau"
    ]
    facts.append(("network address usage", f"{number(answer.nau)} of {number(NAU_QUOTA)} units of the VPC"))
    facts.append(("EC2 calls of the nodes", f"{number(sum(pace.calls.values()))}; {time}"))
    page.facts(facts)


def _warnings(page: "Page", answer: ClusterPlan, head: str) -> None:
    (only,) = answer.groups
    counts = answer.to_dict()
    if answer.subnets_per_zone != answer.subnets_per_zone_untagged or answer.most_nodes != answer.most_nodes_untagged:
        page.line(f"{head}{_untagged_text(answer)}", "yellow")
    if answer.subnets_per_zone_fragmented not in {None, answer.subnets_per_zone}:
        worst = number(counts["subnets_total_fragmented"])
        page.line(f"{head}Reserve the subnets' ranges for prefixes: {worst} subnets if each ENI's own address breaks a /28.", "yellow")
    if counts["subnets_per_zone_at_least"] not in {None, answer.subnets_per_zone}:
        page.line(f"{head}{number(counts['subnets_per_zone_at_least'])} subnets per zone might do; that is too close to call.", "yellow")
    if only.node.pods_waiting:
        page.line(f"{head}{counted(only.node.pods_waiting, 'pod')} of each node would wait: {only.node.waiting_reason}.", "yellow")


def _untagged_text(answer: ClusterPlan) -> str:
    if answer.subnet is None:
        without = f"they reach for {counted(answer.most_nodes_untagged or 0, 'node')}"
    elif answer.subnets_per_zone_untagged is None:
        without = "a node does not fit into one subnet"
    else:
        without = f"it takes {number(answer.subnets_per_zone_untagged * answer.zones)}"
    return f"Tag the subnets kubernetes.io/role/cni=1, so that a node's ENIs can be in several of its zone; without tags {without}."
