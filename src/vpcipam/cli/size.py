"""`vpcipam size`: the subnets of a cluster."""

from typing import Any

import click

from vpcipam._units import counted
from vpcipam.cli.command import Output, OutputCommand
from vpcipam.cli.instance_types import complete_types, find_type, read_types, types_option
from vpcipam.cli.manifests import node_settings
from vpcipam.cli.node_options import node_options
from vpcipam.cli.size_view import Row, show_size
from vpcipam.cli.streams import STDIN
from vpcipam.cli.variants import settings_by_variant, variant_option, variant_text
from vpcipam.planner import MOST_ZONES, PODS_LIMIT, ClusterPlan, NodeGroup, Reserve, plan_cluster

EXAMPLES = (
    "vpcipam size m5.xlarge --nodes 120 --pods 25 --zones 3 --subnet /24",
    "vpcipam size m5.xlarge --nodes 120 --pods 25 --variant WARM_IP_TARGET=5,MINIMUM_IP_TARGET=20 --variant ENABLE_PREFIX_DELEGATION=true",
    "vpcipam size m5.large --nodes 60 --pods 20 --subnet /22 --headroom 20% --surge 10% --lose-zones 1 --load-balancers 2 --endpoints 5",
    "vpcipam size m5.xlarge --nodes 10 --pods 25 --subnets a=10.0.0.0/24,b=10.0.1.0/24,c=10.0.2.0/25 --fail-if-short",
    "vpcipam size m5.xlarge --nodes 120 --pods 25 --json",
)


def _share_or_count(_context: click.Context, _parameter: click.Parameter, value: str) -> int | str:
    """Read a number of nodes, or leave a share such as 20% to the library."""
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else value


@click.command("size", cls=OutputCommand, examples=EXAMPLES, short_help="Count the subnets that a cluster needs.")
@click.argument("instance_type", metavar="TYPE", shell_complete=complete_types)
@click.option("--nodes", metavar="N", type=click.IntRange(1, PODS_LIMIT), required=True, help="The nodes in all zones together.")
@click.option("--pods", metavar="N", type=click.IntRange(0, PODS_LIMIT), required=True, help="The pods with a VPC address on each node.")
@click.option(
    "--branch-pods", metavar="N", type=click.IntRange(0, PODS_LIMIT), default=0, help="Further pods on each node, with security groups."
)
@click.option("--zones", metavar="N", type=click.IntRange(1, MOST_ZONES), help="The zones, if --subnets has none. [default: 3]")
@click.option("--subnet", metavar="/LENGTH", help="Count subnets of this size. [default: /24]")
@click.option(
    "--subnets",
    metavar="[ZONE=]CIDR[,…]",
    multiple=True,
    help="Instead of counting, say how far these subnets reach. A size such as /24 can stand for a CIDR. Repeatable.",
)
@click.option("--headroom", metavar="N|P%", default="0", callback=_share_or_count, help="Leave room for more nodes. [default: 0]")
@click.option("--surge", metavar="N|P%", default="0", callback=_share_or_count, help="More nodes during a rolling update. [default: 0]")
@click.option("--lose-zones", metavar="N", type=click.IntRange(0, MOST_ZONES), default=0, help="Zones whose nodes the others take over.")
@click.option(
    "--load-balancers", metavar="N", type=click.IntRange(0, PODS_LIMIT), default=0, help="Load balancers: 8 addresses in each zone."
)
@click.option(
    "--endpoints", metavar="N", type=click.IntRange(0, PODS_LIMIT), default=0, help="Interface endpoints: 1 address in each zone."
)
@click.option("--other-addresses", metavar="N", type=click.IntRange(0, PODS_LIMIT), default=0, help="Other addresses in each zone.")
@node_options
@variant_option
@click.option("--fail-if-short", is_flag=True, help="Exit with 1 if --subnets are too few, or pods wait for an address.")
@types_option
def command(
    instance_type: str,
    *,
    nodes: int,
    pods: int,
    branch_pods: int,
    zones: int | None,
    subnet: str | None,
    subnets: tuple[str, ...],
    headroom: int | str,
    surge: int | str,
    lose_zones: int,
    load_balancers: int,
    endpoints: int,
    other_addresses: int,
    daemonset: str | None,
    assignments: tuple[tuple[str, str], ...],
    max_pods: int | None,
    max_pods_by: str | None,
    variants: tuple[tuple[tuple[str, str], ...], ...],
    fail_if_short: bool,
    types_file: str | None,
) -> Output:
    """Count the subnets that nodes of instance TYPE need in each zone, or say how far given --subnets reach.

    What a node takes is that of `vpcipam plan`. A subnet has all addresses but the five of AWS, and a prefix takes a whole aligned /28. A
    node's ENIs can be in several subnets of its zone if subnet discovery is on and these are tagged kubernetes.io/role/cni=1; the output
    says how many subnets it takes without tags.
    """
    if STDIN == daemonset == types_file:
        raise click.UsageError("the manifest and --types can't both come from stdin")
    if subnet is not None and subnets:
        raise click.UsageError("--subnet and --subnets exclude each other: give a size to count, or the subnets that there are")
    limits = find_type(instance_type, read_types(types_file))
    reserve = Reserve(
        headroom=headroom,
        surge=surge,
        zones_lost=lose_zones,
        load_balancers=load_balancers,
        endpoints=endpoints,
        other_addresses=other_addresses,
    )
    there = [each for text in subnets for each in text.split(",")] if subnets else subnet or "/24"
    rows = []
    notes = []
    for variables, settings in settings_by_variant(node_settings(daemonset, assignments), variants):
        group = NodeGroup(
            instance_type=limits,
            nodes=nodes,
            pods=pods,
            branch_pods=branch_pods,
            settings=settings,
            max_pods=max_pods,
            max_pods_by=max_pods_by,
        )
        rows.append(Row(variables, plan_cluster([group], there, zones=zones, reserve=reserve)))
        notes += [str(found) for found in settings.diagnose(limits) if found.level != "info"]
    return Output(
        document=_document(rows),
        show=lambda page: show_size(page, rows),
        notes=tuple(dict.fromkeys(notes)),
        finding=_finding(rows) if fail_if_short else None,
    )


def _document(rows: list[Row]) -> dict[str, Any]:
    """The answer for the settings as given, and beside it that of each variant."""
    return rows[0].answer.to_dict() | {"variants": [{"variables": row.variables} | row.answer.to_dict() for row in rows[1:]]}


def _finding(rows: list[Row]) -> str | None:
    found = [f"{variant_text(row.variables)}: {why}" if len(rows) > 1 else why for row in rows if (why := _shortage(row.answer))]
    return "; ".join(found) or None


def _shortage(answer: ClusterPlan) -> str | None:
    (group,) = answer.groups
    parts = []
    if not answer.fits:
        reach = counted(answer.most_nodes or 0, "node")
        parts.append(f"the subnets reach for {reach}, not for {group.group.nodes}; add subnets or larger ones")
    if group.node.pods_waiting:
        parts.append(f"{counted(group.node.pods_waiting, 'pod')} would wait on each node: {group.node.waiting_reason}")
    return "; ".join(parts) or None
