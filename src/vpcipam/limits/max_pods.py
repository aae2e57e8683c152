"""How many pods a node can run, as EKS computes it."""

from vpcipam._arguments import require_boolean, require_integer
from vpcipam.limits.instance_limits import InstanceLimits
from vpcipam.limits.table import instance_limits

ADDRESSES_PER_PREFIX = 16
"""The pod addresses in one slot that holds an IPv4 prefix, a /28."""

HOST_NETWORK_PODS = 2
"""The pods that run on every node and use the host's network: aws-node and kube-proxy."""

_CAP = 110
_CAP_OF_LARGE = 250
_LARGE_ABOVE_VCPUS = 30


def max_pods(
    instance_type: str | InstanceLimits,
    prefix_delegation: bool = False,  # noqa: FBT001, FBT002 - the public contract fixes this signature
    custom_networking: bool = False,  # noqa: FBT001, FBT002 - likewise
    max_eni: int | None = None,
    capped: bool = True,  # noqa: FBT001, FBT002 - likewise
) -> int:
    """Compute how many pods a node can run, the two host-network pods (aws-node, kube-proxy) included.

    With secondary IPs the result is ENIs x (IPv4 addresses per ENI - 1) + 2, as in EKS's `eni-max-pods.txt`. With prefixes each slot holds
    16 addresses. IPv6 nodes use prefixes: for them EKS recommends the result with `prefix_delegation`.

    Args:
        instance_type: A name, or limits of your own.
        prefix_delegation: Slots hold prefixes. This has no effect on a type without prefixes (Xen), where ipamd falls back to
            secondary IPs. As in ipamd, bare metal has prefixes; EKS's calculator gives them only to nitro.
        custom_networking: The primary ENI carries no pods. With a single ENI, only the two host-network pods remain.
        max_eni: The value of MAX_ENI, 1 or more; None for no cap. It can lower the number of ENIs, not raise it. Numbers below 1, which
            ipamd reads as no cap, are refused.
        capped: With prefixes, return at most what EKS recommends: 250 pods on more than 30 vCPUs, else 110. Secondary IPs are never
            capped, as in `eni-max-pods.txt` (c5.18xlarge: 737). EKS's `max-pods-calculator.sh` caps them too (250).

    Raises:
        UnknownInstanceType: The table has no such type.
        InvalidArgument: `max_eni` is less than 1.

    Example:
        >>> max_pods("m5.large"), max_pods("m5.large", prefix_delegation=True), max_pods("m5.large", prefix_delegation=True, capped=False)
        (29, 110, 434)
    """
    for name, flag in (("prefix_delegation", prefix_delegation), ("custom_networking", custom_networking), ("capped", capped)):
        require_boolean(name, flag)
    limits = instance_limits(instance_type)
    eni_count = limits.eni_limit
    if max_eni is not None:
        require_integer("max_eni", max_eni, 1)
        eni_count = min(eni_count, max_eni)
    slot_count = (eni_count - custom_networking) * limits.slots_per_eni
    if not (prefix_delegation and limits.supports_prefixes):
        return slot_count + HOST_NETWORK_PODS
    pod_count = slot_count * ADDRESSES_PER_PREFIX + HOST_NETWORK_PODS
    return min(pod_count, recommended_max_pods(limits)) if capped else pod_count


def recommended_max_pods(instance_type: str | InstanceLimits) -> int:
    """Return the most pods that EKS recommends on a node with prefixes: 250 on more than 30 vCPUs, else 110."""
    return _CAP_OF_LARGE if instance_limits(instance_type).vcpus > _LARGE_ABOVE_VCPUS else _CAP


def branch_pod_limit(instance_type: str | InstanceLimits, max_pods: int) -> int | None:
    """Return how many of a node's pods can have security groups: each needs a branch ENI, and counts towards `max_pods`.

    Such a pod asks the scheduler for one `vpc.amazonaws.com/pod-eni`, of which a node has as many as its type takes branch ENIs.

    Returns:
        0 if the type takes no trunk ENI, None if its number of branch ENIs is not known.

    Example:
        >>> branch_pod_limit("m5.large", 29), branch_pod_limit("t3.large", 35)
        (9, 0)
    """
    limit = instance_limits(instance_type).branch_eni_limit
    return None if limit is None else min(limit, max(0, max_pods - HOST_NETWORK_PODS))
