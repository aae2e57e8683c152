"""`vpcipam plan`: the steady state of a node."""

from itertools import islice
from typing import TYPE_CHECKING, Any

import attrs
import click

from vpcipam._units import counted
from vpcipam.cli.command import FILE, IntRange, Output, OutputCommand
from vpcipam.cli.comparison_view import comparison_table, show_comparison
from vpcipam.cli.instance_types import complete_types, find_types, read_types, types_option
from vpcipam.cli.manifests import node_settings
from vpcipam.cli.node_options import node_options
from vpcipam.cli.plan_view import eni_table, show_plan
from vpcipam.cli.streams import STDIN
from vpcipam.cli.variants import Assignments, check_names, variant_option
from vpcipam.planner import PODS_LIMIT, SORT_KEYS, NodePlan, compare_plans, plan
from vpcipam.settings import Diagnostic

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

EXAMPLES = (
    "vpcipam plan m5.large --pods 20",
    "vpcipam plan m5.large --pods 40 --nodes 10 --daemonset aws-node.yaml",
    "vpcipam plan m5.large --pods 20 --set WARM_IP_TARGET=5 --set MINIMUM_IP_TARGET=10 --timeline",
    "vpcipam plan m5.large m5.xlarge --pods 20 --variant WARM_IP_TARGET=5,MINIMUM_IP_TARGET=20",
    "vpcipam plan 'm5.*' 'c5.*' --pods 60 --sort waste",
    "vpcipam plan m5.large --pods 15 --branch-pods 9 --set ENABLE_POD_ENI=true",
    "vpcipam plan c6i.4xlarge --pods 90 --set ENABLE_PREFIX_DELEGATION=true --json",
    "kubectl -n kube-system get daemonset aws-node -o yaml | vpcipam plan m5.large --pods 20 --daemonset - --fail-if-waiting",
    "vpcipam plan --from examples/present --variant ENABLE_PREFIX_DELEGATION=true --type m5.xlarge",
)


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[str] | list[CompletionItem[str]]":
    """Complete a type; behind --from, one more file."""
    if context.params.get("files"):
        return FILE.shell_complete(context, parameter, incomplete)
    return complete_types(context, parameter, incomplete)


@click.command("plan", cls=OutputCommand, examples=EXAMPLES, has_csv=True)
@click.argument("types", metavar="TYPE…", nargs=-1, shell_complete=_complete)
@click.option(
    "--from",
    "files",
    metavar="FILE…",
    type=FILE,
    multiple=True,
    help="Instead of TYPE and --pods: plan the cluster that these files show, all that `vpcipam inspect` reads; - is stdin.",
)
@click.option(
    "--pods",
    metavar="N",
    type=IntRange(0, PODS_LIMIT),
    help="The number of pods that need a VPC address; leave out host-network pods.",
)
@click.option(
    "--branch-pods",
    metavar="N",
    type=IntRange(0, PODS_LIMIT),
    default=0,
    help="The number of further pods, with security groups: each takes a branch ENI instead of an address of the pool (ENABLE_POD_ENI).",
)
@click.option(
    "--type",
    "other_types",
    metavar="TYPE",
    multiple=True,
    shell_complete=complete_types,
    help="With --from: answer for all nodes being of this type too. Repeatable.",
)
@click.option("--nodes", metavar="N", type=IntRange(1, PODS_LIMIT), default=1, help="Also show the totals of N such nodes.")
@node_options
@variant_option
@click.option("--sort", type=click.Choice(list(SORT_KEYS)), help="Sort several plans, the best first; nodes with waiting pods come last.")
@click.option("--timeline", is_flag=True, help="Show the node each time it changes.")
@click.option("--fail-if-waiting", is_flag=True, help="Exit with 1 if pods wait for an address.")
@types_option
def command(
    types: tuple[str, ...],
    *,
    files: tuple[str, ...],
    pods: int | None,
    branch_pods: int,
    other_types: tuple[str, ...],
    nodes: int,
    daemonset: str | None,
    assignments: tuple[tuple[str, str], ...],
    max_pods: int | None,
    max_pods_by: str | None,
    variants: tuple[Assignments, ...],
    sort: str | None,
    timeline: bool,
    fail_if_waiting: bool,
    types_file: str | None,
) -> Output:
    """Compute the steady state of a node of instance TYPE: its ENIs, addresses and EC2 calls, with reasons.

    Pods arrive one at a time, and the node settles after each, as with ipamd. Figures are for one node; --nodes adds cluster totals.

    With several TYPEs, a pattern such as 'm5.*', or a --variant, a table shows the plans side by side.

    With --from, plan the cluster that files show: what its nodes take out of its subnets today, which subnet runs out first, and the same
    for each --variant and --type, with what a migration needs.
    """
    if files:
        if pods is not None or branch_pods or nodes != 1 or sort is not None or timeline:
            raise click.UsageError(
                "--from takes pods and nodes from the files; leave out --pods, --branch-pods, --nodes, --sort, --timeline"
            )
        from vpcipam.cli.plan_from import plan_files  # noqa: PLC0415 - it loads the readers and the rules of `inspect`, slowly

        more = read_types(types_file)
        return plan_files(
            (*files, *types),
            daemonset=daemonset,
            assignments=assignments,
            max_pods=max_pods,
            max_pods_by=max_pods_by,
            variants=[*map(dict, variants)],
            types=find_types(other_types, more),
            fail_if_waiting=fail_if_waiting,
        )
    if not types or pods is None:
        missing = [*(() if types else ("TYPE",)), *(() if pods is not None else ("--pods",))]
        raise click.UsageError(f"{' and '.join(missing)} missing: give a TYPE and --pods, or --from with files of a cluster")
    if other_types:
        raise click.UsageError("--type belongs to --from; give TYPE as an argument")
    if STDIN == daemonset == types_file:
        raise click.UsageError("the manifest and --types can't both come from stdin")
    found = find_types(types, read_types(types_file))
    settings = node_settings(daemonset, assignments)
    options: dict[str, Any] = {"nodes": nodes, "max_pods": max_pods, "max_pods_by": max_pods_by, "branch_pods": branch_pods}
    if len(found) > 1 or variants:
        if timeline:
            raise click.UsageError("--timeline is for one TYPE without --variant")
        wanted = [{}, *map(dict, variants)]
        for variables in wanted:
            check_names(variables)
        plans = compare_plans(found, pods, wanted, settings, sort=sort, **options)
        remarks = [each for variables in wanted for limits in found for each in settings.with_variables(variables).diagnose(limits)]
        waiting = [why for each in plans if (why := _finding(each.plan))]
        return Output(
            document={"plans": [each.to_dict() for each in plans]},
            show=lambda page: show_comparison(page, plans, wanted),
            table=comparison_table(plans, wanted),
            notes=tuple(dict.fromkeys(str(each) for each in remarks if each.level != "info")),
            finding="; ".join(waiting) or None if fail_if_waiting else None,
            asked=(("the nodes", settings),),
        )
    (limits,) = found
    answer = plan(limits, pods, settings, **options)
    diagnostics = settings.diagnose(limits)

    return Output(
        table=eni_table(answer, limits),
        document=_document(answer, diagnostics, timeline=timeline),
        show=lambda page: show_plan(page, answer, limits, timeline=timeline, custom_networking=settings.custom_network_cfg),
        notes=tuple(str(found) for found in diagnostics if found.level != "info"),
        finding=_finding(answer) if fail_if_waiting else None,
        asked=(("the node", settings),),
    )


def _document(answer: NodePlan, diagnostics: tuple[Diagnostic, ...], *, timeline: bool) -> dict[str, Any]:
    document = answer.to_dict() | {"diagnostics": [attrs.asdict(found) for found in diagnostics]}
    if timeline:
        decisions = iter(document["decisions"])  # the decisions of all stages, in order
        document["timeline"] = [
            attrs.asdict(stage, recurse=False) | {"decisions": list(islice(decisions, len(stage.decisions)))} for stage in answer.timeline
        ]
    return document


def _finding(answer: NodePlan) -> str | None:
    groups = (
        (answer.pods_waiting, answer.pods, "", answer.waiting_reason),
        (answer.branch_pods_waiting, answer.branch_pods, " with security groups", answer.branch_waiting_reason),
    )
    waiting = [
        f"{counted(count, 'pod')}{kind} of {pods} would wait on each {answer.instance_type} node: {why}"
        for count, pods, kind, why in groups
        if count
    ]
    return "; ".join(waiting) or None
