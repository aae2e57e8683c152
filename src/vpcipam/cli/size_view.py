"""The subnets of a cluster for people: a table of the variants, and what the first one needs."""

from typing import TYPE_CHECKING

import attrs

from vpcipam._units import counted, number
from vpcipam.address import AddressMode
from vpcipam.cli.table import NOTHING, Cell, Figure, Table
from vpcipam.cli.usage_view import nau_text, pace_text
from vpcipam.cli.variants import AS_GIVEN, variant_text
from vpcipam.planner import ClusterPlan, GroupPlan, Limit

if TYPE_CHECKING:
    from vpcipam.cli.tables import Page


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
    if len(first.groups) > 1:
        _groups(page, first)
        page.line()
    _answers(page, rows)
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
    size = answer.subnet or counted(len(answer.subnets), "given subnet")
    zones = counted(answer.zones, "zone")
    if len(answer.groups) == 1:
        (only,) = answer.groups
        branches = f" and {number(only.node.branch_pods)} with security groups" if only.node.branch_pods else ""
        what = f"{only.node.instance_type} · {counted(answer.nodes, 'node')} in {zones} · {counted(only.node.pods, 'pod')}{branches} each"
    else:
        what = f"{counted(len(answer.groups), 'group')} · {counted(answer.nodes, 'node')} in {zones}"
    page.line(f"{what} · {size}", "bold")
    most = sum(each.most_nodes for each in answer.groups)
    lost = answer.reserve.zones_lost
    if most != answer.nodes or lost:
        in_zone = sum(each.most_nodes_per_zone for each in answer.groups)
        when = f" when {counted(lost, 'zone')} {'is' if lost == 1 else 'are'} lost" if lost else ""
        page.line(f"Room for at most {counted(most, 'node')}, with headroom and surge; {number(in_zone)} of them in a zone{when}.")


def _groups(page: "Page", answer: ClusterPlan) -> None:
    """Write a line for each group."""
    columns = ("group", "type", "nodes", "in a zone", "pods", "ENIs", "addresses", "/28s")
    cells: list[tuple[Cell, ...]] = [
        (each.group.name, each.node.instance_type, each.group.nodes, each.most_nodes_per_zone, each.node.pods, *_node(each))
        for each in answer.groups
    ]
    page.table(columns, cells, numbers=columns[2:])


def _node(each: GroupPlan) -> tuple[int, ...]:
    """The cells of a node: its ENIs, addresses and prefixes."""
    prefixes = each.node.prefix_count if each.node.mode is AddressMode.PREFIX else 0
    return each.node.eni_count, each.node.subnet_ips, prefixes


_NODE_COLUMNS = ("ENIs", "addresses", "/28s")


def size_table(rows: list[Row]) -> Table:
    """Return the table, with a line for each variant."""
    first = rows[0].answer
    heads = ("subnets", "per zone", "untagged") if first.subnet is not None else ("fits", "most nodes", "untagged")
    alone = len(first.groups) == 1
    columns = ("settings", *heads, *(_NODE_COLUMNS if alone else ("addresses",)), "runs out first")
    cells: list[tuple[Cell, ...]] = [
        (
            _label(index),
            *_figures(row.answer),
            *(_node(row.answer.groups[0]) if alone else (_addresses(row.answer),)),
            _bite(row.answer.bites[0]),
        )
        for index, row in enumerate(rows)
    ]
    return Table(columns, cells, numbers=columns[1:-1])


def _answers(page: "Page", rows: list[Row]) -> None:
    """Write the table, and what its columns mean."""
    first = rows[0].answer
    page.add(size_table(rows))
    what = "subnets: in all zones"
    if first.subnet is None:
        what = "most nodes: in all zones" + (", if all groups grow alike" if len(first.groups) > 1 else "")
    node = " ENIs, addresses, /28s: of a node." if len(first.groups) == 1 else " addresses: of the fullest zone."
    page.line(f"{what}. untagged: if no subnet is tagged kubernetes.io/role/cni=1.{node}", "dim")


def _addresses(answer: ClusterPlan) -> Figure:
    """How many of its subnets' addresses the fullest zone takes."""
    limit = next(each for each in answer.bites if each.name == "addresses")
    return Figure(limit.used, f"{number(limit.used)} of {number(limit.available)}")


def _figures(answer: ClusterPlan) -> tuple[Cell, ...]:
    if answer.subnet is not None:
        return answer.subnets_total, answer.subnets_per_zone, answer.subnets_total_untagged
    return answer.fits, answer.most_nodes, answer.most_nodes_untagged


def _text(count: int | None) -> str:
    return NOTHING if count is None else number(count)


_LABELS = {"addresses": "addresses", "prefixes": "/28s", "nau": "NAU", "pods": "pods"}


def _bite(limit: Limit) -> str:
    return f"{_LABELS[limit.name]} {limit.share:.0%}"


def _details(page: "Page", answer: ClusterPlan) -> None:
    facts = [
        (f"{_LABELS[each.name]} of {each.where}", f"{number(each.used)} of {number(each.available)}, {each.share:.1%}")
        for each in answer.bites
        if each.name != "nau"
    ]
    page.facts([*facts, ("network address usage", nau_text(answer.nau)), ("EC2 calls of the nodes", pace_text(answer.pace))])


def _warnings(page: "Page", answer: ClusterPlan, head: str) -> None:
    if (answer.subnets_per_zone, answer.most_nodes, answer.fits) != (
        answer.subnets_per_zone_untagged,
        answer.most_nodes_untagged,
        answer.fits_untagged,
    ):
        page.line(f"{head}{_untagged_text(answer)}", "yellow")
    if answer.subnets_total_fragmented not in {None, answer.subnets_total}:
        worst = _text(answer.subnets_total_fragmented)
        without = f"Otherwise the ENIs' own addresses can break /28s, and it takes up to {worst} subnets."
        page.line(f"{head}Reserve the subnets' ranges for prefixes. {without}", "yellow")
    prefixes = next((each for each in answer.bites if each.name == "prefixes"), None)
    if prefixes is not None and answer.subnets_total_fragmented is None:
        blocks = f"{counted(prefixes.used, '/28')} in {prefixes.where}"
        page.line(f"{head}Reserve ranges for prefixes, {blocks}: single addresses can break any /28 that is not reserved.", "yellow")
    if answer.subnets_per_zone_at_least not in {None, answer.subnets_per_zone}:
        noun = "subnet" if answer.subnets_per_zone_at_least == 1 else "subnets"
        page.line(f"{head}{_text(answer.subnets_per_zone_at_least)} {noun} per zone might do; that is too close to call.", "yellow")
    for each in answer.groups:
        if each.node.pods_waiting:
            who = f"{counted(each.node.pods_waiting, 'pod')} of each node of {each.group.name}"
            page.line(f"{head}{who} would wait: {each.node.waiting_reason}.", "yellow")


def _untagged_text(answer: ClusterPlan) -> str:
    if answer.subnet is None:
        reach = answer.most_nodes_untagged
        without = f"they reach for {counted(reach or 0, 'node')}"
    elif answer.subnets_per_zone_untagged is None:
        without = "a node does not fit into one subnet"
    else:
        without = f"it takes {_text(answer.subnets_total_untagged)}"
    return f"Tag the subnets kubernetes.io/role/cni=1, so that a node's ENIs can be in several of its zone; without tags {without}."
