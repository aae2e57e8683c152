"""A plan for people: headline, ENIs with bars, totals, and what the node did and why."""

import itertools
from typing import TYPE_CHECKING

from vpcipam._units import counted, number
from vpcipam.address import AddressMode
from vpcipam.cli.kubelet import max_pods_text
from vpcipam.cli.table import Cell, Figure, Span, Table
from vpcipam.limits import InstanceLimits
from vpcipam.planner import EniPlan, NodePlan, Stage
from vpcipam.planner.decision_words import similar, what_it_did, why

if TYPE_CHECKING:
    from vpcipam.cli.tables import Page

_LONGEST_BAR = 32
_MOST_DECISIONS = 15


def show_plan(page: "Page", plan: NodePlan, limits: InstanceLimits, *, timeline: bool, custom_networking: bool = False) -> None:
    """Write a plan.

    Args:
        page: Where to write it.
        plan: The plan.
        limits: The limits of the plan's instance type.
        timeline: Show the node's stages instead of what it did.
        custom_networking: Pods use another subnet than the node.
    """
    _head(page, plan)
    page.line()
    _enis(page, plan, limits)
    page.line()
    _totals(page, plan, custom_networking=custom_networking)
    page.line()
    if timeline:
        _timeline(page, plan)
    else:
        _decisions(page, plan)
    if plan.nodes > 1:
        page.line()
        _cluster(page, plan)


# --- headline ------------------------------------------------------------------------------------------------------------


def _head(page: "Page", plan: NodePlan) -> None:
    text = _run_text(plan.pods, plan.pods_assigned, "pod", "pods")
    page.line(f"{plan.instance_type} · {plan.mode.label} · {text}", "bold yellow" if plan.pods_waiting else "bold")
    if plan.waiting_reason:
        page.line(f"Pods wait: {plan.waiting_reason}.", "yellow")
    if plan.branch_pods:
        text = _run_text(plan.branch_pods, plan.branch_pods_assigned, "pod with security groups", "pods with security groups")
        page.line(f"Besides, {text}.", "yellow" if plan.branch_pods_waiting else "")
    if plan.branch_waiting_reason:
        page.line(f"Pods with security groups wait: {plan.branch_waiting_reason}.", "yellow")
    if not plan.settled:
        page.line("The node never settles: it flaps between two sizes. The figures are those of the larger size.", "yellow")


def _run_text(pods: int, assigned: int, one: str, several: str) -> str:
    """Say how many of the pods run."""
    waiting = pods - assigned
    if waiting:
        return f"{number(assigned)} of {number(pods)} {several} run, {number(waiting)} wait{'s' if waiting == 1 else ''}"
    if pods <= 1:
        return f"no {several}" if pods == 0 else f"1 {one} runs"
    return f"all {number(pods)} {several} run"


# --- ENIs ----------------------------------------------------------------------------------------------------------------


def eni_table(plan: NodePlan, limits: InstanceLimits) -> Table:
    """Return a table with a line for each ENI."""
    several_cards = len({eni.network_card for eni in plan.enis}) > 1
    slots_head = _slots_head(plan)
    rows: list[tuple[Cell, ...]] = [
        (
            *([eni.network_card] if several_cards else []),
            f"{eni.device_number}{' primary' if eni.primary else ' trunk' if eni.trunk else ''}",
            _slots(plan, eni, limits),
            plan.branch_pods_assigned if eni.trunk else eni.assigned_ips,
        )
        for eni in plan.enis
    ]
    return Table((*(["card"] if several_cards else []), "ENI", slots_head, "pods"), rows, numbers={"card", slots_head, "pods"})


def _slots_head(plan: NodePlan) -> str:
    return "addresses" if plan.mode is AddressMode.SECONDARY_IP else "prefixes"


def _slots(plan: NodePlan, eni: EniPlan, limits: InstanceLimits) -> Figure:
    if eni.trunk:
        return Figure(None, "branch ENIs")
    count = eni.secondary_ips if plan.mode is AddressMode.SECONDARY_IP else eni.prefixes
    return Figure(count, f"{count} of {limits.slots_per_eni}")


def _enis(page: "Page", plan: NodePlan, limits: InstanceLimits) -> None:
    """Write a line for each ENI, with a bar of its addresses: used, free, and those that empty slots could hold."""
    table = eni_table(plan, limits)
    if plan.mode is AddressMode.IPV6:
        page.add(table)
        return
    bars: list[Cell] = ["" if eni.trunk else _bar(page, plan, eni, limits) for eni in plan.enis]
    rows = ((*row, bar) for row, bar in zip(table.rows, bars, strict=True))
    page.table((*table.heads, ""), rows, numbers=table.numbers)
    used, warm, empty = _signs(page)
    page.line(f"{used} with a pod, {warm} attached and free, {empty} empty slot", "dim")
    cell = _cell_text(plan, limits)
    if cell:
        page.line(f"a cell stands for {cell}", "dim")


def _signs(page: "Page") -> tuple[str, str, str]:
    return ("█", "▒", "·") if page.fancy else ("#", "+", ".")


def _cell_size(addresses: int) -> int:
    """Return how many addresses a cell of a bar stands for: the lowest power of 2 with which the bar is not too long."""
    size = 1
    while addresses > size * _LONGEST_BAR:
        size *= 2
    return size


def _cell_text(plan: NodePlan, limits: InstanceLimits) -> str:
    """Say what a cell of a bar stands for, if that is not one address."""
    unit = plan.mode.addresses_per_slot
    size = _cell_size(limits.slots_per_eni * unit)
    if size == 1:
        return ""
    if unit == 1:
        return f"{size} addresses"
    if size < unit:
        return f"{size} of the {unit} addresses of a prefix"
    return f"{'a prefix' if size == unit else f'{size // unit} prefixes'} of {unit} addresses"


def _bar(page: "Page", plan: NodePlan, eni: EniPlan, limits: InstanceLimits) -> list[Span]:
    unit = plan.mode.addresses_per_slot
    attached = (eni.secondary_ips + eni.prefixes) * unit
    room = limits.slots_per_eni * unit
    counts = (eni.assigned_ips, attached - eni.assigned_ips, room - attached)
    lengths = bar_lengths(counts, -(-room // _cell_size(room)))
    return [(sign * length, style) for sign, style, length in zip(_signs(page), ("green", "yellow", "dim"), lengths, strict=True)]


def bar_lengths(counts: tuple[int, ...], longest: int) -> list[int]:
    """Divide a bar among counts: one character for each if they fit, else in proportion; a count above 0 gets at least one."""
    total = sum(counts)
    if total <= longest:
        return list(counts)
    ends = [
        (2 * sum(counts[:number]) * longest + total) // (2 * total) for number in range(len(counts) + 1)
    ]  # rounded, so that none drifts
    lengths = [end - begin for begin, end in itertools.pairwise(ends)]
    for place, count in enumerate(counts):
        if count and not lengths[place]:
            lengths[place] = 1
            lengths[lengths.index(max(lengths))] -= 1
    return lengths


# --- totals --------------------------------------------------------------------------------------------------------------


def _totals(page: "Page", plan: NodePlan, *, custom_networking: bool) -> None:
    prefixes = (
        f" in {counted(plan.prefix_count, 'prefix', 'prefixes')} ({plan.free_prefix_count} without a pod)" if plan.prefix_count else ""
    )
    calls = ", ".join(f"{count}×{action}" for action, count in plan.ec2_calls.items())
    subnet = f"{counted(plan.subnet_ips, 'IPv4 address', 'IPv4 addresses')}, including each ENI's primary IP"
    if plan.branch_pods_assigned:
        subnet += f"; {number(plan.branch_pods_assigned)} of them for branch ENIs"
    if custom_networking:
        subnet += "; 1 of them, the primary ENI's, out of the node's own subnet"
    total = counted(plan.total_ips, "address", "addresses")
    attached = f"{total}{prefixes}: {number(plan.assigned_ips)} in use, {number(plan.available_ips)} free"
    page.facts(
        (
            ("attached", attached),
            ("taken out of the subnet", subnet),
            ("hard limit", f"{counted(plan.pod_limit, 'pod')} with a VPC address: {plan.limit_reason}"),
            ("kubelet's max-pods", max_pods_text(plan.max_pods, plan.max_pods_by)),
            ("EC2 calls", f"{number(sum(plan.ec2_calls.values()))}: {calls}"),
        )
    )


def _cluster(page: "Page", plan: NodePlan) -> None:
    all_head = f"all {number(plan.nodes)} nodes"
    page.line(f"Cluster of {number(plan.nodes)} nodes", "bold")
    names = [
        ("pods that run", "pods_assigned"),
        ("pods that wait", "pods_waiting"),
        *([("pods with security groups", "branch_pods_assigned")] if plan.branch_pods else []),
        *([("… that wait", "branch_pods_waiting")] if plan.branch_pods else []),
        ("ENIs", "eni_count"),
        *([("prefixes", "prefix_count")] if plan.prefix_count else []),
        ("addresses attached", "total_ips"),
        ("addresses in use", "assigned_ips"),
        ("addresses free", "available_ips"),
        ("taken out of subnets", "subnet_ips"),
    ]
    cluster = plan.cluster
    rows = [(label, number(getattr(plan, name)), number(cluster[name])) for label, name in names]
    rows.append(("EC2 calls", number(sum(plan.ec2_calls.values())), number(sum(cluster["ec2_calls"].values()))))
    page.table(("", "per node", all_head), rows, numbers={"per node", all_head})


# --- what it did ---------------------------------------------------------------------------------------------------------


def _decisions(page: "Page", plan: NodePlan) -> None:
    """Write what the node did; actions in a row with the same reason share a line."""
    groups = list(similar(plan.decisions))
    page.line("What the node did", "bold")
    rows = [
        (
            str(group[0].pods) if group[0].pods == group[-1].pods else f"{group[0].pods}–{group[-1].pods}",
            what_it_did((decision.action for decision in group), plan.mode),
            why(group[0].action),
        )
        for group in groups[:_MOST_DECISIONS]
    ]
    page.table(("pods", "what", "why"), rows, numbers={"pods"}, fold={"what", "why"})
    if len(groups) > _MOST_DECISIONS:
        page.line(f"and {len(groups) - _MOST_DECISIONS} more; --timeline shows all", "dim")


def _timeline(page: "Page", plan: NodePlan) -> None:
    """Write the node after each stage."""
    in_prefixes = plan.mode is not AddressMode.SECONDARY_IP
    page.line("Timeline: the node after each stage", "bold")
    counts = ("pods", "ENIs", *(("prefixes",) if in_prefixes else ()), "attached", "in use", "free", "subnet")
    what = "what it did, and why"
    rows = []
    for stage in plan.timeline:
        prefixes = (stage.prefix_count,) if in_prefixes else ()
        figures = (stage.pods, stage.eni_count, *prefixes, stage.total_ips, stage.assigned_ips, stage.available_ips, stage.subnet_ips)
        rows.append((*map(number, figures), _stage_text(stage, plan)))
    page.table((*counts, what), rows, numbers=counts, fold={what})
    room = plan.pod_limit - plan.pods_assigned
    reached = f"not reached, {counted(room, 'pod')} to go" if room else "reached"
    page.line(f"Hard limit {reached}: {counted(plan.pod_limit, 'pod')} with a VPC address, from {plan.limit_reason}.", "bold")


def _stage_text(stage: Stage, plan: NodePlan) -> str:
    texts = [
        f"{what_it_did((decision.action for decision in group), plan.mode)}: {why(group[0].action)}" for group in similar(stage.decisions)
    ]
    if stage.pods >= plan.pod_limit:
        texts.append("the hard limit: no further pod fits")
    return "; ".join(texts) or "nothing to do"
