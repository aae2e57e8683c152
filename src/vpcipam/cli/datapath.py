"""`vpcipam datapath`: what the kernel of a node has for its pods."""

from typing import TYPE_CHECKING

import attrs
import click

from vpcipam._units import counted
from vpcipam.cli.command import IntRange, Output, OutputCommand
from vpcipam.cli.instance_types import complete_types, find_types, read_types, types_option
from vpcipam.cli.manifests import node_settings
from vpcipam.cli.node_options import node_options
from vpcipam.cli.table import Table
from vpcipam.datapath.commands import command as command_of
from vpcipam.datapath.commands import describe, table_name
from vpcipam.datapath.values import Mode, Step
from vpcipam.planner import PODS_LIMIT, DatapathPlan, plan_datapath

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vpcipam.cli.tables import Page

EXAMPLES = (
    "vpcipam datapath m5.large --pods 20",
    "vpcipam datapath m5.large --pods 20 --pod 15",
    "vpcipam datapath m5.large --pods 5 --set AWS_VPC_K8S_CNI_EXTERNALSNAT=true --json",
    "vpcipam datapath m5.large --pods 2 --branch-pods 1 --set ENABLE_POD_ENI=true --commands",
)


@click.command("datapath", cls=OutputCommand, examples=EXAMPLES, has_csv=True)
@click.argument("instance_type", metavar="TYPE", shell_complete=complete_types)
@click.option("--pods", metavar="N", type=IntRange(0, PODS_LIMIT), required=True, help="The number of pods that need a VPC address.")
@click.option(
    "--branch-pods",
    metavar="N",
    type=IntRange(0, PODS_LIMIT),
    default=0,
    help="The number of further pods, with security groups: each takes a branch ENI (ENABLE_POD_ENI).",
)
@click.option("--pod", metavar="K", type=IntRange(1), help="Show what pod number K has, instead of the node and its ENIs.")
@click.option("--nftables", is_flag=True, help="Mark connections with nftables, as nodes do whose iptables is not a legacy one.")
@click.option("--commands", is_flag=True, help="Print a script with the commands that do the same.")
@node_options
@types_option
def command(
    instance_type: str,
    *,
    pods: int,
    branch_pods: int,
    pod: int | None,
    nftables: bool,
    commands: bool,
    daemonset: str | None,
    assignments: tuple[tuple[str, str], ...],
    max_pods: int | None,
    max_pods_by: str | None,
    types_file: str | None,
) -> Output:
    """Show the interfaces, routes, rules and source NAT that a node of instance TYPE has for its pods, and why.

    Pods arrive one at a time, as with `vpcipam plan`. Interfaces of ENIs are named eth0, eth1 and so on; the names on a real node differ.

    With --commands, print a script of ip, iptables and nft commands. It changes the network of the machine that runs it.
    """
    (limits,) = find_types((instance_type,), read_types(types_file))
    settings = node_settings(daemonset, assignments)
    plan = plan_datapath(limits, pods, settings, max_pods=max_pods, max_pods_by=max_pods_by, branch_pods=branch_pods, nftables=nftables)
    if pod is not None and pod > len(plan.pods):
        which = f"pods 1 to {len(plan.pods)} have" if plan.pods else "no pod has"
        raise click.UsageError(f"--pod {pod}: {which} an address; raise --pods, or see why pods wait without --pod")
    shown = plan if pod is None else attrs.evolve(plan, node=(), enis=(), pods=plan.pods[pod - 1 : pod])
    return Output(
        document=shown.to_dict(),
        show="".join(_script(shown)) if commands else lambda page: _show(page, plan, pod),
        table=_table(shown),
        notes=() if plan.waiting_reason is None else (f"{counted(plan.pods_waiting, 'pod')} without an address: {plan.waiting_reason}",),
    )


_Group = tuple[str, tuple[Step, ...]]  # a heading, and the steps below it


def _node(plan: DatapathPlan) -> "Iterator[_Group]":
    for name, steps in (("the node", plan.node), *((f"{each.eni.device} ({each.eni_id})", each.steps) for each in plan.enis)):
        if steps:
            yield name, steps


def _pods(plan: DatapathPlan) -> "Iterator[_Group]":
    return ((f"{each.name} ({each.address})", each.steps) for each in plan.pods)


_KERNEL = ("the kernel has", "why")


def _rows(steps: tuple[Step, ...]) -> list[tuple[str, str, str]]:
    """Describe what steps leave behind."""
    standing = (step for step in steps if not step.deletes and step.mode is not Mode.WAIT)
    return [(step.namespace, describe(step.value), step.reason) for step in standing]


def _table(plan: DatapathPlan) -> Table:
    rows = [(name, *row) for name, steps in (*_node(plan), *_pods(plan)) for row in _rows(steps)]
    return Table(("for", "namespace", *_KERNEL), rows, fold=_KERNEL)


def _show(page: "Page", plan: DatapathPlan, pod: int | None) -> None:
    page.line(f"{plan.instance_type}, {plan.mode.label}: {counted(len(plan.enis), 'ENI')}, {counted(len(plan.pods), 'pod')}", "bold")
    for name, steps in _node(plan) if pod is None else [*_pods(plan)][pod - 1 : pod]:
        page.line()
        page.line(name, "bold")
        page.add(Table(("where", *_KERNEL), _rows(steps), fold=_KERNEL))
    if pod is None and plan.pods:
        page.line()
        page.line("pods", "bold")
        devices = {each.eni_id: each.eni.device for each in plan.enis}
        rows = [
            (each.name, each.address, devices.get(each.eni_id, each.eni_id), table_name(each.table), each.host_interface)
            for each in plan.pods
        ]
        page.add(Table(("pod", "address", "ENI", "table", "host interface"), rows))
        page.line("table: the routing table by which the pod's packets leave.", "dim")
        page.line("--pod K shows what one of them has.", "dim")


def _script(plan: DatapathPlan) -> "Iterator[str]":
    yield "set -e\n"
    for name, steps in (*_node(plan), *_pods(plan)):
        yield f"\n# --- {name}\n"
        pod = name.partition(" ")[0]
        if any(step.namespace == "pod" for step in steps):
            yield f"ip netns add {pod}\n"
        for step in steps:
            yield f"# {step.reason}\n{command_of(step, pod)}\n"
