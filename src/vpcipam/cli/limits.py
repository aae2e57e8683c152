"""`vpcipam limits`: what EC2 allows instances."""

import re

import click

from vpcipam.cli.command import Output, OutputCommand
from vpcipam.cli.instance_types import complete_types, find_types, read_types, types_option
from vpcipam.limits import HOST_NETWORK_PODS, InstanceLimits, all_instance_limits, max_pods

EXAMPLES = (
    "vpcipam limits m5.large",
    "vpcipam limits t3.small c6in.32xlarge p5.48xlarge",
    "vpcipam limits 'm5.*' 'c5.*' --min-pods 60 --vcpus 8-16",
    "vpcipam limits --family m5 --min-pods 60",
    "vpcipam limits --all --json",
)


def _vcpu_range(_context: click.Context, _parameter: click.Parameter, value: str | None) -> range | None:
    """Read LOW or LOW-HIGH."""
    if value is None:
        return None
    found = re.fullmatch("([0-9]{1,6})(?:-([0-9]{1,6}))?", value)
    if found is None or int(found[1]) > int(found[2] or found[1]):
        raise click.BadParameter(f"{value!r} is neither a number such as 8 nor a range such as 4-16")
    return range(int(found[1]), int(found[2] or found[1]) + 1)


@click.command("limits", cls=OutputCommand, examples=EXAMPLES, short_help="Show what EC2 allows an instance of a type.")
@click.argument("types", metavar="TYPE…", nargs=-1, shell_complete=complete_types)
@click.option("--all", "all_types", is_flag=True, help="List all known types.")
@click.option("--family", metavar="NAME", multiple=True, help="List the types of a family, such as m5. Repeatable.")
@click.option("--min-pods", metavar="N", type=click.IntRange(0), help="Only types on which so many pods with a secondary IP run.")
@click.option("--vcpus", metavar="N|LOW-HIGH", callback=_vcpu_range, help="Only types with so many vCPUs.")
@types_option
def command(
    types: tuple[str, ...],
    *,
    all_types: bool,
    family: tuple[str, ...],
    min_pods: int | None,
    vcpus: range | None,
    types_file: str | None,
) -> Output:
    """Show the limits of each instance TYPE: ENIs, addresses, network cards, branch ENIs.

    A TYPE can be a pattern such as 'm5.*'.
    """
    types += tuple(f"{name}.*" for name in family)
    if all_types == bool(types):
        raise click.UsageError("give either instance types or families, or --all")
    more = read_types(types_file)
    if all_types:
        found = [limits for _, limits in sorted(({limits.instance_type: limits for limits in all_instance_limits()} | more).items())]
    else:
        found = find_types(types, more)
    if min_pods is not None:
        found = [limits for limits in found if max_pods(limits) - HOST_NETWORK_PODS >= min_pods]
    if vcpus is not None:
        found = [limits for limits in found if limits.vcpus in vcpus]
    return Output(document=[limits.to_dict() for limits in found], show=_show(found))


_LEGEND = (
    "ENIs: the most on the default network card.\n"
    "pods: max-pods with secondary IPs, as a managed node group sets it.\n"
    "pods /28: the same with prefixes. `vpcipam max-pods` has those of the AMI.\n"
    "branch: the most branch ENIs (security groups for pods); ?: unknown."
)
_HEADS = ("type", "ENIs", "IPv4/ENI", "cards", "vCPUs", "platform", "pods", "pods /28", "branch")


def _show(found: list[InstanceLimits]) -> str:
    """Write a table of at most 80 columns without rich, which would take seconds for 1,400 rows."""
    rows = [_HEADS, *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    text = "\n".join(
        " ".join(_align(head, text, width) for head, text, width in zip(_HEADS, row, widths, strict=True)).rstrip() for row in rows
    )
    return f"{text}\n\n{_LEGEND}\n"


def _row(limits: InstanceLimits) -> tuple[str, ...]:
    return (
        limits.instance_type,
        str(limits.eni_limit),
        str(limits.ipv4_per_eni),
        str(len(limits.network_cards)),
        str(limits.vcpus),
        limits.hypervisor or "bare metal",
        str(max_pods(limits)),
        str(max_pods(limits, prefix_delegation=True)) if limits.supports_prefixes else "none",
        _branch_text(limits),
    )


def _branch_text(limits: InstanceLimits) -> str:
    if not limits.trunk_compatible:
        return "none"
    return "?" if limits.branch_eni_limit is None else str(limits.branch_eni_limit)


def _align(head: str, text: str, width: int) -> str:
    return text.ljust(width) if head in {"type", "platform"} else text.rjust(width)
