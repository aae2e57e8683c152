"""Plans side by side for people: a table with a line for each instance type and variant."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vpcipam._units import counted, number
from vpcipam.cli.table import Cell, Figure, Table
from vpcipam.cli.variants import AS_GIVEN, variant_text
from vpcipam.planner import ComparedPlan

if TYPE_CHECKING:
    from vpcipam.cli.tables import Page


_PROVISIONERS = {"managed-node-group": "managed", "ami": "AMI", "karpenter": "Karpenter"}


def comparison_table(plans: Sequence[ComparedPlan], variants: Sequence[Mapping[str, str]]) -> Table:
    """Return the table, with a line for each plan."""
    first = plans[0].plan
    several = len(variants) > 1
    heads = ("ENIs", "addresses", "free", "subnet", *((f"× {number(first.nodes)}",) if first.nodes > 1 else ()))
    limits = ("limit", *_PROVISIONERS.values(), "waste", "waits")
    rows: list[tuple[Cell, ...]] = [
        (
            each.plan.instance_type,
            *((_label(variants.index(each.variables)),) if several else ()),
            *(each.plan.eni_count, each.plan.total_ips, each.plan.available_ips, each.plan.subnet_ips),
            *((each.plan.nodes * each.plan.subnet_ips,) if first.nodes > 1 else ()),
            each.plan.pod_limit,
            *(each.max_pods_by_provisioner[by] for by in _PROVISIONERS),
            None if each.waste_per_pod is None else Figure(each.waste_per_pod, f"{each.waste_per_pod:.2f}"),
            each.plan.pods_waiting + each.plan.branch_pods_waiting,
        )
        for each in plans
    ]
    return Table(("type", *(("settings",) if several else ()), *heads, *limits), rows, numbers=(*heads, *limits))


def show_comparison(page: "Page", plans: Sequence[ComparedPlan], variants: Sequence[Mapping[str, str]]) -> None:
    """Write the table, and what it calls each of the variants."""
    page.line(f"{counted(plans[0].plan.pods, 'pod')} on each node", "bold")
    page.line()
    page.add(comparison_table(plans, variants))
    page.line("subnet: addresses out of the subnets. limit: pods that the node can run. managed, AMI, Karpenter: max-pods.", "dim")
    page.line("waste: addresses per pod beyond its own. waits: pods without an address.", "dim")
    for index, variables in enumerate(variants):
        if index:
            page.line(f"{_label(index)}: {variant_text(dict(variables))}", whole=True)


def _label(index: int) -> str:
    return f"variant {index}" if index else AS_GIVEN
