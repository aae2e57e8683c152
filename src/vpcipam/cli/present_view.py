"""The cluster that files show, for people: groups, subnets, changes side by side, and what a migration needs."""

from typing import TYPE_CHECKING

import attrs

from vpcipam._units import counted, number
from vpcipam.cli.table import Cell, Figure, Table
from vpcipam.cli.usage_view import nau_text, pace_text
from vpcipam.cli.variants import variant_text
from vpcipam.limits import MaxPodsBy
from vpcipam.planner import PresentCluster, PresentGroup, PresentPlan, PresentPool

if TYPE_CHECKING:
    from vpcipam.cli.tables import Page

TODAY = "today"
_PROVISIONERS = {MaxPodsBy.MANAGED_NODE_GROUP: "managed", MaxPodsBy.KARPENTER: "Karpenter", MaxPodsBy.AMI: "AMI"}
_UNKNOWN = "unknown"
_CUSTOM_ON = "custom networking is turned on"


@attrs.frozen
class Row:
    """The answer for a change, and the variables that it sets."""

    variables: dict[str, str]
    answer: PresentPlan


def present_table(rows: list[Row]) -> Table:
    """Return a table for programs, with a line for each change and each subnet."""
    heads = ("nodes", "pods", "addresses", "attached", "others", "headroom", "/28s", "free /28s", "most nodes", "most pods")
    labels = _labels(rows)
    lines = (
        (
            label,
            *_place(pool),
            pool.nodes,
            pool.pods,
            pool.addresses,
            pool.attached,
            pool.others,
            pool.headroom,
            pool.prefixes,
            pool.free_prefixes,
            pool.most_nodes,
            pool.most_pods,
            pool.fits,
            pool.fits_beside,
            pool.fits_one_by_one,
            pool is row.answer.first,
        )
        for label, row in zip(labels, rows, strict=True)
        for pool in row.answer.pools
    )
    return Table(("settings", "subnet", "zone", *heads, "fits", "beside", "one by one", "first"), lines, numbers=heads)


def show_present(page: "Page", cluster: PresentCluster, rows: list[Row]) -> None:
    """Write the cluster as it is, and beside it what it would be."""
    today = rows[0].answer
    groups = counted(len(today.groups), "group")
    page.line(f"{counted(today.total('nodes'), 'node')} in {groups} · {counted(today.total('pods'), 'pod')} with a VPC address", "bold")
    if cluster.unbound_pods:
        more = counted(cluster.unbound_pods, "more pod has no node yet and is", "more pods have no node yet and are")
        page.line(f"{more} not counted.", "yellow")
    page.line()
    _groups(page, today)
    page.line()
    _subnets(page, today)
    _first(page, today)
    _full_for_nodes(page, today)
    page.line()
    page.facts([("network address usage of the nodes", nau_text(today.nau)), ("EC2 calls of the nodes", pace_text(today.pace))])
    if len(rows) > 1:
        page.line()
        _side_by_side(page, rows)
        _changes(page, rows)
    for head, texts in (("Assumed", cluster.assumptions), ("Not enough in this", cluster.missing)):
        if texts:
            page.line()
            page.line(head, "bold")
            for text in texts:
                page.indented(text)


def _labels(rows: list[Row]) -> list[str]:
    """What the tables call the changes: a type by its name, variables by a number."""
    variants = [row.variables for row in rows if row.answer.instance_type == rows[0].answer.instance_type]
    labels = []
    for row in rows:
        index = variants.index(row.variables)
        parts = [*([f"variant {index}"] if index else []), *filter(None, [row.answer.instance_type])]
        labels.append(", ".join(parts) or TODAY)
    return labels


# --- today ---------------------------------------------------------------------------------------------------------------


def _groups(page: "Page", answer: PresentPlan) -> None:
    heads = ("nodes", "pods", "takes", "attached", "/28s", "max-pods")
    rows: list[tuple[Cell, ...]] = [
        (
            each.name,
            _PROVISIONERS[each.provisioner],
            ", ".join(each.instance_types),
            each.nodes,
            each.pods + each.branch_pods,
            each.addresses,
            each.attached,
            each.prefixes,
            _max_pods(each.max_pods),
        )
        for each in answer.groups
    ]
    page.table(("group", "by", "types", *heads), rows, numbers=heads, fold={"group", "types"})
    page.line(
        "takes: the addresses that `vpcipam plan` computes. attached: those that the nodes have now. by: what sets max-pods on new nodes.",
        "dim",
    )
    for each in answer.groups:
        if each.pods_waiting:
            page.line(f"{counted(each.pods_waiting, 'pod')} of {each.name} would wait for an address.", "yellow")
        if each.max_pods_to_set is not None:
            page.line(f"{each.name}: {_lower(each.max_pods_to_set)}", "yellow")


def _lower(max_pods: int) -> str:
    return f"set max-pods to {number(max_pods)}, because a node has addresses for no more pods."


def _max_pods(numbers: tuple[int, ...]) -> str:
    return number(numbers[0]) if len(numbers) == 1 else f"{number(numbers[0])}–{number(numbers[-1])}"


def _place(pool: PresentPool) -> tuple[str, str]:
    name = " ".join(pool.subnet_ids) or _UNKNOWN
    return f"{name} (pods)" if pool.for_pods else name, pool.zone


def _subnets(page: "Page", answer: PresentPlan) -> None:
    heads = ("nodes", "takes", "attached", "others", "headroom", "most pods")
    rows: list[tuple[Cell, ...]] = [
        (*_place(each), each.nodes, each.addresses, each.attached, each.others, _headroom(each), each.most_pods) for each in answer.pools
    ]
    several = any(len(each.subnet_ids) > 1 for each in answer.pools)
    page.table(("subnet", "zone", *heads), rows, numbers=heads, fold={"subnet"} if several else ())
    page.line(
        "others: addresses that no node of the cluster has. headroom: what is left of the addresses that there are for nodes."
        " most pods: how many run when nodes like these fill the subnet.",
        "dim",
    )


def _headroom(pool: PresentPool) -> Cell:
    if pool.headroom is None or not pool.available:
        return pool.headroom
    return Figure(pool.headroom, f"{number(pool.headroom)}, {pool.headroom / pool.available:.0%}")


def _full_for_nodes(page: "Page", answer: PresentPlan) -> None:
    """Say where it is the nodes themselves that find no address, while others of their subnets have many."""
    for subnet_id in (each for pool in answer.pools for each in pool.full_for_nodes):
        page.line(
            f"{subnet_id} has no room for the primary ENI of a further node, and ipamd fills this ENI first: launch nodes elsewhere too, "
            "or tag it kubernetes.io/role/cni=0 to keep pods out.",
            "yellow",
        )


def _first(page: "Page", answer: PresentPlan) -> None:
    if answer.first is None or answer.most_pods is None:
        return
    where, _ = _place(answer.first)
    now = answer.total("pods")
    if answer.first.fits:
        page.line(
            f"{where} runs out first: the cluster can grow from {number(now)} to {counted(answer.most_pods, 'pod')}, with more such nodes."
        )
    else:
        has = counted(now, "pod")
        page.line(f"{where} is too small: the cluster has {has}, and the subnet suffices for {number(answer.most_pods)}.", "yellow")


# --- changes -------------------------------------------------------------------------------------------------------------


def _side_by_side(page: "Page", rows: list[Row]) -> None:
    heads = ("nodes", "new", "addresses", "/28s", "fits", "pods", "most pods")
    cells: list[tuple[Cell, ...]] = [
        (
            label,
            row.answer.total("nodes"),
            row.answer.total("new_nodes"),
            row.answer.total("addresses"),
            row.answer.total("prefixes"),
            Figure(row.answer.fits, {True: "yes", False: "no", None: _UNKNOWN}[row.answer.fits]),
            row.answer.total("pods"),
            row.answer.most_pods,
            _short_place(row.answer),
        )
        for label, row in zip(_labels(rows), rows, strict=True)
    ]
    page.table(("settings", *heads, "first"), cells, numbers=heads)
    page.line("new: nodes to launch. first: where a subnet runs out first. most pods: how many run when that subnet is full.", "dim")


def _short_place(answer: PresentPlan) -> str:
    """Name the subnet that runs out first by its zone, if it is the only one there."""
    if answer.first is None:
        return _UNKNOWN
    zones = [pool.zone for pool in answer.pools]
    return answer.first.zone if answer.first.zone and zones.count(answer.first.zone) == 1 else _place(answer.first)[0]


def _changes(page: "Page", rows: list[Row]) -> None:
    """Write what a migration needs: new nodes, their max-pods, /28s and reservations."""
    labels = _labels(rows)
    for label, row in zip(labels[1:], rows[1:], strict=True):
        page.line()
        page.line(f"{label}: {variant_text(row.variables)}" if row.variables else f"{label}: all nodes of this type", whole=True)
        for group in row.answer.groups:
            page.indented(_group_change(group))
        for pool in row.answer.pools:
            for text in _pool_change(pool):
                page.indented(text)
        page.indented(f"network address usage of the nodes: {nau_text(row.answer.nau)}.")
        if row.answer.new_pace.calls:
            page.indented(f"EC2 calls of the new nodes: {pace_text(row.answer.new_pace)}.")


def _group_change(group: PresentGroup) -> str:
    if not group.new_nodes:
        return f"{group.name}: no new nodes." + ("" if group.max_pods_to_set is None else f" S{_lower(group.max_pods_to_set)[1:]}")
    why = "; ".join(group.why_new)
    limits = ""
    if group.max_pods != group.max_pods_now:
        reserved = group.provisioner is MaxPodsBy.KARPENTER and _CUSTOM_ON in group.why_new
        condition = ", if Karpenter has RESERVED_ENIS=1" if reserved else ""
        limits = f" max-pods: {_max_pods(group.max_pods_now)} → {_max_pods(group.max_pods)}{condition}."
    lower = "" if group.max_pods_to_set is None else f" S{_lower(group.max_pods_to_set)[1:]}"
    waiting = f" {counted(group.pods_waiting, 'pod')} would wait." if group.pods_waiting else ""
    return f"{group.name}: launch {counted(group.new_nodes, 'new node')}: {why}.{limits}{lower}{waiting}"


def _pool_change(pool: PresentPool) -> list[str]:
    where, _ = _place(pool)
    if pool.available is None:
        return [f"{where}: {counted(pool.addresses, 'address', 'addresses')}; no subnet to compare them with."]
    texts = []
    if pool.prefixes:
        exact = "" if pool.places_known else "at most "
        there = (
            f"{exact}{number(pool.free_prefixes or 0)} whole now, {exact}{number(pool.available_prefixes or 0)} once the old nodes are gone"
        )
        texts.append(f"{where}: {counted(pool.prefixes, '/28')} needed; {there}.")
    if pool.fits_beside is not None:
        ways = (
            "new nodes fit beside all old ones (blue/green)"
            if pool.fits_beside
            else "new nodes fit only one after the other (rolling update)"
            if pool.fits_one_by_one and pool.fits
            else "new nodes fit only when old ones are gone: remove those first, or add a subnet"
            if pool.fits
            else "the new nodes don't fit"
        )
        texts.append(f"{where}: {ways}.")
    for each in pool.ranges:
        prefixes, size = counted(each.prefixes, "prefix", "prefixes"), f"/{each.prefix_length}"
        texts.append(
            f"{each.subnet_id}: reserve {each.cidr} for {prefixes} (a CIDR reservation)."
            if each.cidr
            else f"{each.subnet_id}: {prefixes} take a CIDR reservation of a {size}, and no {size} has that many whole /28s."
            if pool.places_known
            else f"{each.subnet_id}: {prefixes} take a CIDR reservation of a {size} or more."
        )
    return texts
