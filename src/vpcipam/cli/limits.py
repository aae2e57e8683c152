"""`vpcipam limits`: what EC2 allows instances."""

import re
from typing import TYPE_CHECKING

import click

from vpcipam.cli.command import IntRange, Output, OutputCommand
from vpcipam.cli.instance_types import complete_families, complete_types, find_types, read_types, types_option
from vpcipam.cli.table import Cell, Figure, Table
from vpcipam.limits import HOST_NETWORK_PODS, InstanceLimits, all_instance_limits, max_pods

if TYPE_CHECKING:
    from vpcipam.cli.tables import Page

EXAMPLES = (
    "vpcipam limits m5.large",
    "vpcipam limits t3.small c6in.32xlarge p5.48xlarge",
    "vpcipam limits 'm5.*' 'c5.*' --min-pods 60 --vcpus 8-16",
    "vpcipam limits --family m5 --min-pods 60",
    "vpcipam limits 'm7*.xlarge' --arch arm64 --csv",
    "vpcipam limits --all --json",
)

_ARCHITECTURES = {"arm64": ("arm64", "arm64_mac"), "x86_64": ("x86_64", "x86_64_mac"), "amd64": ("x86_64", "x86_64_mac")}


def _vcpu_range(_context: click.Context, _parameter: click.Parameter, value: str | None) -> range | None:
    """Read LOW or LOW-HIGH."""
    if value is None:
        return None
    found = re.fullmatch("([0-9]{1,6})(?:-([0-9]{1,6}))?", value)
    if found is None or int(found[1]) > int(found[2] or found[1]):
        raise click.BadParameter(f"{value!r} is neither a number such as 8 nor a range such as 4-16")
    return range(int(found[1]), int(found[2] or found[1]) + 1)


@click.command("limits", cls=OutputCommand, examples=EXAMPLES, has_csv=True)
@click.argument("types", metavar="TYPE…", nargs=-1, shell_complete=complete_types)
@click.option("--all", "all_types", is_flag=True, help="List all known types.")
@click.option(
    "--family",
    metavar="NAME",
    multiple=True,
    shell_complete=complete_families,
    help="List the types of a family, such as m5. Repeatable.",
)
@click.option("--min-pods", metavar="N", type=IntRange(0), help="Only types that run at least N pods with secondary IPs.")
@click.option("--vcpus", metavar="N|LOW-HIGH", callback=_vcpu_range, help="Only types with N vCPUs, or with LOW to HIGH.")
@click.option("--arch", type=click.Choice(list(_ARCHITECTURES)), help="Only types of this architecture, by EC2's or Kubernetes' name.")
@types_option
def command(
    types: tuple[str, ...],
    *,
    all_types: bool,
    family: tuple[str, ...],
    min_pods: int | None,
    vcpus: range | None,
    arch: str | None,
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
    if arch is not None:
        found = [limits for limits in found if limits.architecture in _ARCHITECTURES[arch]]
    table = Table(_HEADS, map(_row, found), numbers={*_HEADS} - {"type", "arch", "platform"})
    return Output(document=[limits.to_dict() for limits in found], show=lambda page: _show(page, table), table=table)


_HEADS = ("type", "ENIs", "IPv4", "cards", "vCPUs", "arch", "platform", "pods", "pods /28", "branch")


def _show(page: "Page", table: Table) -> None:
    page.add(table)
    page.line()
    page.line("ENIs: the most on the default network card. IPv4: the addresses of an ENI.", "dim")
    page.line("pods: max-pods with secondary IPs, as a managed node group sets it.", "dim")
    page.line("pods /28: the same with prefixes. `vpcipam max-pods` has those of the AMI.", "dim")
    page.line("branch: the most branch ENIs (security groups for pods); ?: unknown.", "dim")


def _row(limits: InstanceLimits) -> tuple[Cell, ...]:
    return (
        limits.instance_type,
        limits.eni_limit,
        limits.ipv4_per_eni,
        len(limits.network_cards),
        limits.vcpus,
        Figure(limits.architecture, "x86" if limits.architecture.startswith("x86") else "arm"),
        limits.hypervisor or "metal",
        max_pods(limits),
        max_pods(limits, prefix_delegation=True) if limits.supports_prefixes else Figure(None, "none"),
        _branch(limits),
    )


def _branch(limits: InstanceLimits) -> Cell:
    if not limits.trunk_compatible:
        return Figure(0, "none")
    return Figure(None, "?") if limits.branch_eni_limit is None else limits.branch_eni_limit
