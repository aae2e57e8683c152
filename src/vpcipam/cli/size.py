"""`vpcipam size`: the subnets of a cluster."""

import re
from typing import Any

import attrs
import click

from vpcipam._units import counted
from vpcipam.cli.command import FILE, IntRange, Output, OutputCommand
from vpcipam.cli.instance_types import complete_types, find_type, read_types, types_option
from vpcipam.cli.manifests import node_settings
from vpcipam.cli.node_options import node_options
from vpcipam.cli.size_view import Row, show_size, size_table
from vpcipam.cli.streams import STDIN, open_text
from vpcipam.cli.variants import Assignments, check_names, variant_option, variant_text
from vpcipam.errors import InvalidArgument, file_trouble
from vpcipam.planner import (
    MOST_ZONES,
    PODS_LIMIT,
    ClusterPlan,
    ClusterQuestion,
    ClusterSubnet,
    NodeGroup,
    Reserve,
    plan_cluster,
    read_cluster,
)

EXAMPLES = (
    "vpcipam size m5.xlarge --nodes 120 --pods 25 --zones 3 --subnet /24",
    "vpcipam size m5.xlarge --nodes 120 --pods 25 --variant WARM_IP_TARGET=5,MINIMUM_IP_TARGET=20 --variant ENABLE_PREFIX_DELEGATION=true",
    "vpcipam size m5.large --nodes 60 --pods 20 --subnet /22 --headroom 20% --surge 10% --lose-zones 1 --load-balancers 2 --endpoints 5",
    "vpcipam size m5.xlarge --nodes 6 --pods 25 --subnets a=10.0.0.0/24,b=10.0.1.0/24,c=10.0.2.0/25 --fail-if-short",
    "vpcipam size --cluster examples/clusters/mixed.toml",
    "vpcipam size m5.xlarge --nodes 120 --pods 25 --json",
)

_LONGEST = 1 << 20


def _share_or_count(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | str | None:
    """Read a number of nodes, or leave a share such as 20% to the library."""
    return int(value) if value is not None and re.fullmatch("[0-9]{1,9}", value) else value


@click.command("size", cls=OutputCommand, examples=EXAMPLES, has_csv=True)
@click.argument("instance_type", metavar="[TYPE]", required=False, shell_complete=complete_types)
@click.option("--nodes", metavar="N", type=IntRange(1, PODS_LIMIT), help="The nodes in all zones together.")
@click.option("--pods", metavar="N", type=IntRange(0, PODS_LIMIT), help="The pods with a VPC address on each node.")
@click.option("--branch-pods", metavar="N", type=IntRange(0, PODS_LIMIT), help="Further pods on each node, with security groups.")
@click.option("--cluster", metavar="FILE|-", type=FILE, help="Groups of nodes of several kinds, as TOML, instead of TYPE; - is stdin.")
@click.option("--zones", metavar="N", type=IntRange(1, MOST_ZONES), help="The zones, if --subnets has none. [default: 3]")
@click.option("--subnet", metavar="/LENGTH", help="Count subnets of this size. [default: /24]")
@click.option(
    "--subnets",
    metavar="[ZONE=]CIDR[,…]",
    multiple=True,
    help="Instead of counting, say how far these subnets reach. A size such as /24 can stand for a CIDR. Repeatable.",
)
@click.option(
    "--pod-subnets",
    metavar="[ZONE=]CIDR[,…]",
    multiple=True,
    help="Beside --subnets, those for pods with custom networking. Repeatable.",
)
@click.option("--headroom", metavar="N|P%", callback=_share_or_count, help="Leave room for more nodes of each group. [default: 0]")
@click.option("--surge", metavar="N|P%", callback=_share_or_count, help="More nodes of each group in a rolling update. [default: 0]")
@click.option("--lose-zones", "zones_lost", metavar="N", type=IntRange(0, MOST_ZONES), help="Zones whose nodes the others take over.")
@click.option("--load-balancers", metavar="N", type=IntRange(0, PODS_LIMIT), help="Load balancers: 8 addresses in each zone.")
@click.option("--endpoints", metavar="N", type=IntRange(0, PODS_LIMIT), help="Interface endpoints: 1 address in each zone.")
@click.option("--other-addresses", metavar="N", type=IntRange(0, PODS_LIMIT), help="Other addresses in each zone.")
@node_options
@variant_option
@click.option("--fail-if-short", is_flag=True, help="Exit with 1 if --subnets are too few, or pods wait for an address.")
@types_option
def command(
    *,
    cluster: str | None,
    zones: int | None,
    subnet: str | None,
    subnets: tuple[str, ...],
    pod_subnets: tuple[str, ...],
    variants: tuple[Assignments, ...],
    fail_if_short: bool,
    types_file: str | None,
    **options: Any,  # noqa: ANN401 - those of one group, and those of a reserve
) -> Output:
    """Count the subnets that nodes of instance TYPE need in each zone, or say how far given --subnets reach.

    What a node takes is that of `vpcipam plan`. A subnet has all addresses but the five of AWS, and a prefix takes a whole aligned /28. A
    node's ENIs can be in several subnets of its zone if subnet discovery is on and these are tagged kubernetes.io/role/cni=1; the output
    says how many subnets it takes without tags.
    """
    if subnet is not None and subnets:
        raise click.UsageError("--subnet and --subnets exclude each other: give a size to count, or the subnets that there are")
    if pod_subnets and not subnets:
        raise click.UsageError("--pod-subnets go with --subnets; to count both kinds, leave both out")
    given = {name: options.pop(name) for name in _RESERVE_OPTIONS}
    question = _one_group(types_file, **options) if cluster is None else _read_cluster(cluster, types_file, options)
    reserve = attrs.evolve(question.reserve, **{name: value for name, value in given.items() if value is not None})
    there = _given_subnets(subnets, pod_subnets) or subnet or question.subnets or "/24"
    if zones is None and not subnets:
        zones = question.zones
    rows = []
    notes: dict[str, None] = {}
    for variables in ({}, *map(dict, variants)):
        check_names(variables)
        groups = [attrs.evolve(each, settings=each.settings.with_variables(variables)) for each in question.groups]
        rows.append(Row(variables, plan_cluster(groups, there, zones=zones, reserve=reserve)))
        found = [each for group in groups for each in group.settings.diagnose(group.instance_type)]
        notes |= dict.fromkeys(str(each) for each in found if each.level != "info")
    return Output(
        document=_document(rows),
        show=lambda page: show_size(page, rows),
        table=size_table(rows),
        notes=tuple(notes),
        finding=_finding(rows) if fail_if_short else None,
        asked=tuple((group.name, group.settings) for group in question.groups),
    )


def _given_subnets(subnets: tuple[str, ...], pod_subnets: tuple[str, ...]) -> list[ClusterSubnet]:
    """Read the subnets that there are, those for nodes first."""
    kinds = ((subnets, False), (pod_subnets, True))
    return [ClusterSubnet.parse(each, for_pods=for_pods) for texts, for_pods in kinds for text in texts for each in text.split(",")]


_RESERVE_OPTIONS = ("headroom", "surge", "zones_lost", "load_balancers", "endpoints", "other_addresses")


def _one_group(
    types_file: str | None,
    *,
    instance_type: str | None,
    nodes: int | None,
    pods: int | None,
    branch_pods: int | None,
    daemonset: str | None,
    assignments: Assignments,
    max_pods: int | None,
    max_pods_by: str | None,
) -> ClusterQuestion:
    """Make the question of a cluster with one group."""
    if instance_type is None or nodes is None or pods is None:
        missing = [name for name, value in (("TYPE", instance_type), ("--nodes", nodes), ("--pods", pods)) if value is None]
        raise click.UsageError(f"{' and '.join(missing)} missing: give a TYPE, --nodes and --pods, or --cluster with a file of groups")
    if STDIN == daemonset == types_file:
        raise click.UsageError("the manifest and --types can't both come from stdin")
    group = NodeGroup(
        instance_type=find_type(instance_type, read_types(types_file)),
        nodes=nodes,
        pods=pods,
        branch_pods=branch_pods or 0,
        settings=node_settings(daemonset, assignments),
        max_pods=max_pods,
        max_pods_by=max_pods_by,
    )
    return ClusterQuestion((group,), None, None, Reserve())


def _read_cluster(file: str, types_file: str | None, options: dict[str, Any]) -> ClusterQuestion:
    """Read a file of groups.

    Raises:
        InvalidArgument: It can't be read, or is no such file.
    """
    if types_file is not None or any(value not in {None, ()} for value in options.values()):
        raise click.UsageError("--cluster has the types, pods and settings of its groups; leave out TYPE and the options of a single group")
    name = "stdin" if file == STDIN else file
    try:
        with open_text(file) as stream:
            text = stream.read(_LONGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"can't read {name}: {file_trouble(error)}; give a cluster as TOML") from error
    if len(text) > _LONGEST:
        raise InvalidArgument(f"{name} is longer than {_LONGEST:,} characters; give a cluster as TOML")
    return read_cluster(text, name)


def _document(rows: list[Row]) -> dict[str, Any]:
    """The answer for the settings as given, and beside it that of each variant."""
    return rows[0].answer.to_dict() | {"variants": [{"variables": row.variables} | row.answer.to_dict() for row in rows[1:]]}


def _finding(rows: list[Row]) -> str | None:
    found = [f"{variant_text(row.variables)}: {why}" if len(rows) > 1 else why for row in rows if (why := _shortage(row.answer))]
    return "; ".join(found) or None


def _shortage(answer: ClusterPlan) -> str | None:
    parts = []
    if not answer.fits:
        reach = counted(answer.most_nodes or 0, "node")
        parts.append(f"the subnets are too few for {counted(answer.nodes, 'node')}; they would do for {reach}: add subnets or larger ones")
    for each in answer.groups:
        if each.node.pods_waiting:
            who = f"{counted(each.node.pods_waiting, 'pod')} would wait on each node of {each.group.name}"
            parts.append(f"{who}: {each.node.waiting_reason}")
    return "; ".join(parts) or None
