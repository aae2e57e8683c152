"""What settings amount to for a node, in one paragraph, and in figures for an instance type."""

from typing import TYPE_CHECKING, Any

import attrs

from vpcipam._units import counted, number
from vpcipam.address import AddressMode
from vpcipam.cli.kubelet import max_pods_text
from vpcipam.errors import NodeError
from vpcipam.limits import InstanceLimits
from vpcipam.settings import Settings

if TYPE_CHECKING:
    from vpcipam.planner import NodePlan

_PREFIX_SIZE = AddressMode.PREFIX.addresses_per_slot


@attrs.frozen
class Meaning:
    """What settings amount to.

    Attributes:
        text: One paragraph.
        figures: A node of the instance type before its first pod, as a JSON object; None without a type, or if no pod would ever run.
    """

    text: str
    figures: dict[str, Any] | None


def meaning_of(settings: Settings, mode: AddressMode | None, limits: InstanceLimits | None) -> Meaning:
    """Describe a node with these settings. `mode` is None if the node would never become ready."""
    if mode is None:
        return Meaning("The node never becomes ready, so no pod runs. The errors below say why.", None)
    sentences = [_keeps(settings, mode), *_limits(settings, mode), f"A released address cools for {settings.ip_cooldown_period_s} s."]
    if limits is None:
        return Meaning(" ".join(sentences), None)
    from vpcipam.planner import plan  # noqa: PLC0415 - it loads the model of EC2, which most runs don't need

    try:
        start = plan(limits, 0, settings)
    except NodeError as error:
        return Meaning(f"On {limits.instance_type} the node never becomes ready, so no pod runs: {error}.", None)
    return Meaning(" ".join([*sentences, _on_type(start)]), _figures(start))


def _keeps(settings: Settings, mode: AddressMode) -> str:
    """Say which addresses a node keeps free."""
    if mode is AddressMode.IPV6:
        return "Pods get IPv6 addresses of the node's /80, which never grows and does not run out."
    if name := settings.provisioning_disabled_by:
        return f"With {name} a node has the addresses that others attach, and never asks EC2 for more."
    whole = ", in whole /28 prefixes of 16" if mode is AddressMode.PREFIX else ""
    warm, minimum = settings.warm_ip_target, settings.minimum_ip_target
    if warm:
        floor = f", and has at least {number(minimum)} in total" if minimum else ""
        return f"A node keeps {counted(warm, 'address', 'addresses')} free{floor}{whole}."
    if minimum:
        return f"A node has at least {counted(minimum, 'address', 'addresses')} in total{whole}, and keeps none free beyond them."
    if mode is AddressMode.PREFIX and settings.warm_prefix_target:
        free = number(settings.warm_prefix_target * _PREFIX_SIZE)
        return f"A node keeps {free} addresses free: as many as {counted(settings.warm_prefix_target, '/28 prefix', '/28 prefixes')}."
    if mode is AddressMode.SECONDARY_IP and settings.warm_eni_target:
        return f"A node keeps as many addresses free as {counted(settings.warm_eni_target, 'ENI')} can hold."
    return "A node asks EC2 for addresses when its last free one is taken."


def _limits(settings: Settings, mode: AddressMode) -> list[str]:
    """Say what keeps a node from having all addresses of its type."""
    if mode is AddressMode.IPV6:
        return []
    found = []
    if settings.max_eni > 0:
        found.append(f"It has at most {counted(settings.max_eni, 'ENI')}.")
    if settings.custom_network_cfg:
        found.append("Its primary ENI gives pods no addresses (custom networking).")
    return found


def _on_type(start: "NodePlan") -> str:
    ready = f"{counted(start.eni_count, 'ENI')} and {counted(start.total_ips, 'address', 'addresses')} for pods"
    taken = counted(start.subnet_ips, "address", "addresses")
    limit = f"At most {counted(start.pod_limit, 'pod')} with a VPC address can run: {start.limit_reason}"
    return (
        f"Before its first pod, a node of {start.instance_type} has {ready}, and takes {taken} out of its subnets. "
        f"{limit}. The kubelet's max-pods is {max_pods_text(start.max_pods, start.max_pods_by)}."
    )


def _figures(start: "NodePlan") -> dict[str, Any]:
    names = (
        "eni_count",
        "total_ips",
        "available_ips",
        "prefix_count",
        "subnet_ips",
        "pod_limit",
        "limit_reason",
        "max_pods",
        "max_pods_by",
    )
    return {name: getattr(start, name) for name in names}
