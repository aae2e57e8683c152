"""How many pods a node of a type can run, as EKS reckons it."""

from vpcipam._arguments import require_boolean, require_integer
from vpcipam.limits.instance_limits import InstanceLimits
from vpcipam.limits.table import instance_limits

ADDRESSES_PER_PREFIX = 16
"""The pod addresses in one slot that holds an IPv4 prefix, a /28."""

HOST_NETWORK_PODS = 2
"""The pods that every node has and that need no address of the VPC: aws-node and kube-proxy."""

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
    """Compute how many pods a node of a type can run, the two host-network pods (aws-node, kube-proxy) included.

    Secondary IPs: ENIs x (IPv4 addresses per ENI - 1) + 2, as in the `eni-max-pods.txt` that EKS publishes. Prefixes: 16 times as many
    addresses. IPv6 nodes use prefixes too, so that EKS's recommendation for them is the one with `prefix_delegation`.

    Args:
        instance_type: A name, or limits of your own.
        prefix_delegation: Slots hold prefixes. On a type that has no prefixes (Xen) this changes nothing, cap included: the daemon falls
            back to secondary IPs there. Bare metal has prefixes, as the daemon sees it; EKS's calculator counts nitro alone.
        custom_networking: The primary ENI carries no pods. With a single ENI only the two host-network pods are left.
        max_eni: The value of MAX_ENI, 1 or more. It can lower the number of ENIs, not raise it. None: no cap. (To the daemon a MAX_ENI
            below 1 means no cap; here such a number is refused.)
        capped: With prefixes, go no higher than EKS recommends: 250 pods on more than 30 vCPUs, else 110. Secondary IPs are never
            capped, as in `eni-max-pods.txt` (c5.18xlarge: 737). EKS's `max-pods-calculator.sh` caps those as well: it would say 250.

    Raises:
        UnknownInstanceType: The table has no such type.
        InvalidArgument: `max_eni` is less than 1.

    Example:
        >>> max_pods("m5.large"), max_pods("m5.large", prefix_delegation=True), max_pods("m5.large", prefix_delegation=True, capped=False)
        (29, 110, 434)
    """
    for name, value in (("prefix_delegation", prefix_delegation), ("custom_networking", custom_networking), ("capped", capped)):
        require_boolean(name, value)
    limits = instance_limits(instance_type)
    eni_count = limits.eni_limit
    if max_eni is not None:
        require_integer("max_eni", max_eni, 1)
        eni_count = min(eni_count, max_eni)
    slot_count = (eni_count - custom_networking) * limits.slots_per_eni
    if not (prefix_delegation and limits.supports_prefixes):
        return slot_count + HOST_NETWORK_PODS
    pod_count = slot_count * ADDRESSES_PER_PREFIX + HOST_NETWORK_PODS
    return min(pod_count, _cap(limits)) if capped else pod_count


def recommended_max_pods(instance_type: str | InstanceLimits) -> int:
    """The most pods that EKS recommends on a node with prefixes: 250 on more than 30 vCPUs, else 110."""
    return _cap(instance_limits(instance_type))


def _cap(limits: InstanceLimits) -> int:
    return _CAP_OF_LARGE if limits.vcpus > _LARGE_ABOVE_VCPUS else _CAP
