"""`vpcipam limits`: what EC2 allows instances."""

import click

from vpcipam.cli.command import Output, OutputCommand
from vpcipam.cli.instance_types import complete_types, find_type, read_types, types_option
from vpcipam.limits import InstanceLimits, all_instance_limits, max_pods

EXAMPLES = (
    "vpcipam limits m5.large",
    "vpcipam limits t3.small c6in.32xlarge p5.48xlarge",
    "vpcipam limits --all --json",
)


@click.command("limits", cls=OutputCommand, examples=EXAMPLES, short_help="Show what EC2 allows an instance of a type.")
@click.argument("types", metavar="TYPE…", nargs=-1, shell_complete=complete_types)
@click.option("--all", "all_types", is_flag=True, help="List all known types.")
@types_option
def command(types: tuple[str, ...], *, all_types: bool, types_file: str | None) -> Output:
    """Show the limits of each instance TYPE: ENIs, addresses, network cards, branch ENIs."""
    if all_types == bool(types):
        raise click.UsageError("give either names of instance types or --all")
    more = read_types(types_file)
    if all_types:
        found = [limits for _, limits in sorted(({limits.instance_type: limits for limits in all_instance_limits()} | more).items())]
    else:
        found = [find_type(name, more) for name in types]
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
