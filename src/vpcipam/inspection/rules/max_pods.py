"""Rules about the kubelet's max-pods: against the addresses that the node can have, and against what each program would set."""

from collections.abc import Iterator

from vpcipam._units import counted, number
from vpcipam.address import AddressMode
from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.evidence import Source
from vpcipam.inspection.finding import Finding, Missing, Severity
from vpcipam.inspection.rules.advice import more_addresses
from vpcipam.inspection.rules.rule import INSPECTING, INSTANCE, READ_SETTINGS, Need, Rule, RuleEntry
from vpcipam.limits import HOST_NETWORK_PODS, InstanceLimits, MaxPodsBy, recommended_max_pods
from vpcipam.settings import Settings, default_max_pods

_PAGE = f"{INSPECTING}#max-pods"

MAX_PODS: Need[NodeCase] = Need(
    Missing("the kubelet's max-pods, as status.capacity.pods of the node object", "kubectl get node NAME -o json"),
    lambda node: node.max_pods is not None,
)


def check_max_pods(node: NodeCase) -> Iterator[Finding]:
    """Max-pods fits the addresses that a node can have, and its mode (docs/ipamd.md, "Max pods")."""
    limits, shown = node.limits, node.max_pods
    settings = None if node.settings is None else node.settings.value
    if limits is None or settings is None or shown is None or node.mode is None:
        return
    sources = tuple(fact.source for fact in (node.node, node.settings) if fact is not None)
    yield from _against_addresses(node, limits, settings, shown, sources)
    yield from _against_figures(node, limits, settings, shown, sources)
    most = recommended_max_pods(limits)
    if shown > most:
        message = f"takes up to {shown} pods, and EKS recommends at most {most} on {counted(limits.vcpus, 'vCPU')}"
        suggestion = "with more, kubelet and container runtime can become slow; a managed node group caps the number"
        yield Finding("max-pods-above-recommended", Severity.NOTE, node.name, message, suggestion, node.name, sources)


# --- against the addresses -------------------------------------------------------------------------------------------------


def _against_addresses(
    node: NodeCase, limits: InstanceLimits, settings: Settings, shown: int, sources: tuple[Source, ...]
) -> Iterator[Finding]:
    """Compare with the addresses that the node has once all its ENIs are attached and full."""
    mode = settings.address_mode(limits)
    if mode is AddressMode.IPV6:
        return
    trunk = settings.takes_trunk(limits)
    addresses = pod_eni_limit(limits, settings) * limits.slots_per_eni * mode.addresses_per_slot
    host_count, host_text = _host_network(node)
    lacking = shown - host_count - addresses
    if lacking <= 0:
        return
    message = f"takes up to {shown} pods, {host_text}, but can have {counted(addresses, 'pod address', 'pod addresses')}"
    message += f" ({_terms(limits, settings, mode)}): {counted(lacking, 'pod')} would wait for an address"
    suggestion = f"set max-pods to {addresses + host_count}{more_addresses(limits, settings)}"
    severity = Severity.FINDING
    if trunk and (limits.branch_eni_limit is None or lacking <= limits.branch_eni_limit):
        branches = "its branch ENIs" if limits.branch_eni_limit is None else counted(limits.branch_eni_limit, "branch ENI")
        message += f", unless they have security groups: {branches} come on top"
        severity = Severity.NOTE
    yield Finding("max-pods-above-addresses", severity, node.name, message, suggestion, node.name, sources)


def pod_eni_limit(limits: InstanceLimits, settings: Settings) -> int:
    """The most ENIs with addresses for pods on all managed cards, whatever else is attached.

    Security groups for pods take one for the trunk, custom networking takes the primary ENI.
    """
    most = settings.eni_limit(limits)
    default = max(0, most - settings.takes_trunk(limits)) or 1  # the primary ENI is there in any case
    others = [min(most, each) for each in limits.network_cards[1:]] if settings.enable_multi_nic else []
    return max(0, default - settings.custom_network_cfg) + sum(others)


def _host_network(node: NodeCase) -> tuple[int, str]:
    """How many pods of the node need no address, and this in words."""
    shown = sum(fact.value.host_network and not fact.value.has_ended for fact in node.pods)
    if shown >= HOST_NETWORK_PODS:
        return shown, f"{shown} of them on the host network"
    return HOST_NETWORK_PODS, f"{HOST_NETWORK_PODS} of them usually on the host network"


def _terms(limits: InstanceLimits, settings: Settings, mode: AddressMode) -> str:
    unit = f" × {mode.addresses_per_slot}" if mode.addresses_per_slot > 1 else ""
    text = f"{counted(pod_eni_limit(limits, settings), 'ENI')} for pods × {counted(limits.slots_per_eni, 'slot')}{unit}"
    if settings.custom_network_cfg:
        text += ", as custom networking leaves the primary ENI out"
    if settings.takes_trunk(limits):
        text += ", as one ENI is the trunk's"
    if settings.eni_limit(limits) < limits.eni_limit:
        text += f", as MAX_ENI is {settings.max_eni}"
    return text


# --- against the figures ---------------------------------------------------------------------------------------------------


def _against_figures(
    node: NodeCase, limits: InstanceLimits, settings: Settings, shown: int, sources: tuple[Source, ...]
) -> Iterator[Finding]:
    """Compare with what a managed node group, the AMI and Karpenter set for this type and these settings."""
    mode = settings.address_mode(limits)
    figures = {by: default_max_pods(limits, settings, by) for by in MaxPodsBy}
    group, ami, karpenter = (figures[by] for by in MaxPodsBy)
    whose = " and ".join(by.label for by in (MaxPodsBy.AMI, MaxPodsBy.KARPENTER) if figures[by] == shown)
    if mode is not AddressMode.SECONDARY_IP and whose and shown < group:
        message = f"takes up to {shown} pods, the number of {whose} for secondary IPs: {mode.label} would allow {group}"
        suggestion = f"if the node should take more pods, set the kubelet's max-pods to {group}"
        yield Finding("max-pods-without-prefixes", Severity.NOTE, node.name, message, suggestion, node.name, sources)
    elif shown < min(figures.values()):
        message = f"takes up to {shown} pods: a managed node group would set {number(group)}, the AMI {number(ami)}, "
        message += f"Karpenter {number(karpenter)}"
        suggestion = "someone set the number, or the node group has a type with a smaller one; nothing to do if that is meant"
        yield Finding("max-pods-below-figures", Severity.NOTE, node.name, message, suggestion, node.name, sources)


RULES = (
    Rule(
        check_max_pods,
        (
            RuleEntry(
                "max-pods-above-addresses",
                "the kubelet takes more pods than the node can have addresses for; a note if pods with security groups can make up for it",
                "The scheduler binds pods to the node that never get an address.",
                _PAGE,
            ),
            RuleEntry(
                "max-pods-without-prefixes",
                "the node uses prefixes or IPv6, and max-pods is the number for secondary IPs",
                "The node takes no more pods than it would without prefixes.",
                _PAGE,
                Severity.NOTE,
            ),
            RuleEntry(
                "max-pods-below-figures",
                "max-pods is lower than what a managed node group, the AMI and Karpenter set",
                "The node takes fewer pods than its addresses allow.",
                _PAGE,
                Severity.NOTE,
            ),
            RuleEntry(
                "max-pods-above-recommended",
                "max-pods is above EKS's recommendation: 250 on more than 30 vCPUs, else 110",
                "A kubelet with many pods can become slow.",
                _PAGE,
                Severity.NOTE,
            ),
        ),
        (MAX_PODS, INSTANCE, READ_SETTINGS),
    ),
)
