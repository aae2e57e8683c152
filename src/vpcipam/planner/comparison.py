"""Plans of several instance types and settings side by side."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from vpcipam.address import AddressMode
from vpcipam.errors import InvalidArgument
from vpcipam.limits import InstanceLimits, MaxPodsBy, instance_limits, sum_max_pods
from vpcipam.planner.node import plan
from vpcipam.planner.node_answers import NodePlan
from vpcipam.settings import Settings


@attrs.frozen
class ComparedPlan:
    """The plan of one instance type with one variant of the settings.

    Attributes:
        variables: The variables that the variant sets.
        plan: The steady state of a node.
        max_pods_by_provisioner: The kubelet's max-pods as each provisioner sets it.
    """

    variables: Mapping[str, str]
    plan: NodePlan
    max_pods_by_provisioner: Mapping[str, int]

    @property
    def waste_per_pod(self) -> float | None:
        """The addresses out of the subnet beyond one for each pod, per pod that runs, rounded to hundredths.

        None if no pod runs, and in IPv6 mode, where pods take no IPv4 address.
        """
        pods = self.plan.pods_assigned + self.plan.branch_pods_assigned
        return None if not pods or self.plan.mode is AddressMode.IPV6 else round((self.plan.subnet_ips - pods) / pods, 2)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as a JSON object."""
        more = {"max_pods_by_provisioner": dict(self.max_pods_by_provisioner), "waste_per_pod": self.waste_per_pod}
        return {"variables": dict(self.variables)} | self.plan.to_dict() | more


def _waste(each: ComparedPlan) -> float:
    return float("inf") if each.waste_per_pod is None else each.waste_per_pod


SORT_KEYS: Mapping[str, Callable[[ComparedPlan], float]] = {
    "waste": _waste,
    "subnet": lambda each: each.plan.subnet_ips,
    "enis": lambda each: each.plan.eni_count,
    "addresses": lambda each: each.plan.total_ips,
    "free": lambda each: each.plan.available_ips,
    "max-pods": lambda each: -each.plan.max_pods,
    "limit": lambda each: -each.plan.pod_limit,
}
"""The orders of a comparison: the least first, but of `max-pods` and `limit` the most."""


def compare_plans(
    instance_types: Iterable[str | InstanceLimits],
    pods: int,
    variants: Iterable[Mapping[str, str]] = ({},),
    settings: Settings | None = None,
    *,
    sort: str | None = None,
    **options: Any,  # noqa: ANN401 - those of `plan`
) -> tuple[ComparedPlan, ...]:
    """Plan every instance type with every variant of the settings.

    Args:
        instance_types: Names of types, or their limits.
        pods: The pods on a node that need a VPC address.
        variants: The variables that each variant changes.
        settings: The settings that all variants share; None for the manifest as AWS ships it.
        sort: A key of `SORT_KEYS`. Nodes on which pods wait come last. None keeps the order of types, then of variants.
        options: Further arguments of `plan`.

    Raises:
        InvalidArgument: `sort` is unknown, or `plan` refuses an argument.
        UnknownInstanceType: The table has no such type.
        SettingsError: ipamd would refuse to start with the settings of a variant on a type.

    >>> [(each.plan.instance_type, each.waste_per_pod) for each in compare_plans(["m5.large", "m5.xlarge"], 20, sort="waste")]
    [('m5.large', 0.5), ('m5.xlarge', 1.25)]
    """
    if sort is not None and sort not in SORT_KEYS:
        raise InvalidArgument(f"sort is {sort!r}; it must be one of {', '.join(SORT_KEYS)}")
    base = Settings() if settings is None else settings
    changed = [(variables, base.with_variables(variables)) for variables in variants]
    found = [
        ComparedPlan(variables, plan(limits, pods, each, **options), _by_provisioner(limits, each))
        for limits in map(instance_limits, instance_types)
        for variables, each in changed
    ]
    if sort is not None:
        found.sort(key=lambda each: (each.plan.pods_waiting + each.plan.branch_pods_waiting > 0, SORT_KEYS[sort](each)))
    return tuple(found)


def _by_provisioner(limits: InstanceLimits, settings: Settings) -> dict[str, int]:
    return {
        by.value: sum_max_pods(
            limits,
            prefix_delegation=settings.enable_prefix_delegation,
            custom_networking=settings.custom_network_cfg,
            max_eni=settings.max_eni if settings.max_eni > 0 else None,
            capped=True,
            by=by,
        ).max_pods
        for by in MaxPodsBy
    }
