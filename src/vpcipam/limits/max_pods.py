"""The kubelet's max-pods: how many pods a node can run, by what sets the number."""

import enum

import attrs

from vpcipam._arguments import require_boolean, require_integer
from vpcipam.errors import InvalidArgument
from vpcipam.limits.instance_limits import InstanceLimits
from vpcipam.limits.table import instance_limits

ADDRESSES_PER_PREFIX = 16
"""The pod addresses in one slot that holds an IPv4 prefix, a /28."""

HOST_NETWORK_PODS = 2
"""The pods that run on every node and use the host's network: aws-node and kube-proxy."""

_CAP = 110
_CAP_OF_LARGE = 250
_LARGE_ABOVE_VCPUS = 30


class MaxPodsBy(enum.StrEnum):
    """What sets the kubelet's max-pods if the user doesn't; see docs/ipamd.md, "Max pods".

    Attributes:
        MANAGED_NODE_GROUP: An EKS managed node group without an AMI of its own, which computes the number with EKS's
            `max-pods-calculator.sh`. It counts prefixes and custom networking, and it caps the number at 110 or 250.
        AMI: The image: `bootstrap.sh` of Amazon Linux 2 and Bottlerocket read `eni-max-pods.txt`; nodeadm of Amazon Linux 2023 computes
            the same number. It counts neither prefixes nor custom networking, and it has no cap.
        KARPENTER: Karpenter counts no prefixes and has no cap. `RESERVED_ENIS` is assumed to be 1 with custom networking, as Karpenter's
            documentation recommends, and 0 without it.
    """

    MANAGED_NODE_GROUP = "managed-node-group"
    AMI = "ami"
    KARPENTER = "karpenter"

    @classmethod
    def _missing_(cls, value: object) -> "MaxPodsBy":
        raise InvalidArgument(f"what sets max-pods must be one of {', '.join(cls)}, not {value!r}")

    @property
    def label(self) -> str:
        """The name for people."""
        return _LABELS[self]


_LABELS = {
    MaxPodsBy.MANAGED_NODE_GROUP: "a managed node group",
    MaxPodsBy.AMI: "the AMI",
    MaxPodsBy.KARPENTER: "Karpenter",
}


@attrs.frozen(kw_only=True)
class MaxPodsSum:
    """The formula behind a max-pods, with its numbers.

    Attributes:
        eni_count: The ENIs that count.
        reserved_eni_count: How many of them carry no pods: 1 for the primary ENI under custom networking.
        cap: The most pods, whatever the formula gives; None for no cap.
        core_cap: The most pods by the kubelet's `podsPerCore`; None without it.
    """

    by: MaxPodsBy
    eni_count: int
    reserved_eni_count: int
    ipv4_per_eni: int
    addresses_per_slot: int
    cap: int | None
    core_cap: int | None = None

    @property
    def uncapped(self) -> int:
        """The result of the formula. Karpenter gives a type without an ENI for pods 0, not even the two host-network pods."""
        pod_enis = self.eni_count - self.reserved_eni_count
        if not pod_enis and self.by is MaxPodsBy.KARPENTER:
            return 0
        return pod_enis * (self.ipv4_per_eni - 1) * self.addresses_per_slot + HOST_NETWORK_PODS

    @property
    def max_pods(self) -> int:
        """The result."""
        return min(each for each in (self.uncapped, self.cap, self.core_cap) if each is not None)


def max_pods(
    instance_type: str | InstanceLimits,
    prefix_delegation: bool = False,  # noqa: FBT001, FBT002 - the public contract fixes this signature
    custom_networking: bool = False,  # noqa: FBT001, FBT002 - likewise
    max_eni: int | None = None,
    capped: bool = True,  # noqa: FBT001, FBT002 - likewise
    *,
    by: MaxPodsBy | str = MaxPodsBy.MANAGED_NODE_GROUP,
    pods_per_core: int = 0,
) -> int:
    """Compute how many pods a node can run, the two host-network pods (aws-node, kube-proxy) included.

    The formula is ENIs x (IPv4 addresses per ENI - 1) + 2. With prefixes each slot holds 16 addresses. IPv6 nodes use prefixes: for them
    pass `prefix_delegation`. What sets max-pods decides which of the arguments count:

    - `managed-node-group`: all of them, as in EKS's `max-pods-calculator.sh`.
    - `ami`: none of them. The result is the number in EKS's `eni-max-pods.txt`.
    - `karpenter`: only `custom_networking`.

    Args:
        instance_type: A name, or limits of your own.
        prefix_delegation: Slots hold prefixes. This has no effect on a type without prefixes (Xen), where ipamd falls back to
            secondary IPs. As in ipamd, bare metal has prefixes; EKS's calculator gives them only to nitro. On the types that EC2 has
            today, the cap hides the difference.
        custom_networking: The primary ENI carries no pods. With a single ENI, only the two host-network pods remain, with Karpenter none.
        max_eni: The value of MAX_ENI, 1 or more; None for no cap. It can lower the number of ENIs, not raise it. Numbers below 1, which
            ipamd reads as no cap, are refused.
        capped: Apply the cap of a managed node group: 250 pods on more than 30 vCPUs, else 110. False gives the bare formula. The AMI and
            Karpenter have no cap.
        by: What sets max-pods: a `MaxPodsBy` or its value.
        pods_per_core: The kubelet's `podsPerCore`; see `core_cap`. It counts whatever sets max-pods, and without a cap too.

    Raises:
        UnknownInstanceType: The table has no such type.
        InvalidArgument: `max_eni` is less than 1, `pods_per_core` is negative, or `by` is unknown.

    Sources: `max-pods-calculator.sh`, `bootstrap.sh` and nodeadm's `CalcMaxPods` in awslabs/amazon-eks-ami; `ENILimitedPods` in
    aws/karpenter-provider-aws; `get_max_pods` in Bottlerocket's pluto; "How maxPods is determined" in the EKS user guide.

    Example:
        >>> max_pods("m5.large"), max_pods("m5.large", prefix_delegation=True), max_pods("m5.large", prefix_delegation=True, capped=False)
        (29, 110, 434)
        >>> max_pods("m5a.4xlarge"), max_pods("m5a.4xlarge", by="ami")
        (110, 234)
    """
    return sum_max_pods(
        instance_type,
        prefix_delegation=prefix_delegation,
        custom_networking=custom_networking,
        max_eni=max_eni,
        capped=capped,
        by=by,
        pods_per_core=pods_per_core,
    ).max_pods


def sum_max_pods(
    instance_type: str | InstanceLimits,
    *,
    prefix_delegation: bool = False,
    custom_networking: bool = False,
    max_eni: int | None = None,
    capped: bool = True,
    by: MaxPodsBy | str = MaxPodsBy.MANAGED_NODE_GROUP,
    pods_per_core: int = 0,
) -> MaxPodsSum:
    """Return the sum behind `max_pods` of the same arguments."""
    for name, flag in (("prefix_delegation", prefix_delegation), ("custom_networking", custom_networking), ("capped", capped)):
        require_boolean(name, flag)
    limits = instance_limits(instance_type)
    if max_eni is not None:
        require_integer("max_eni", max_eni, 1)
    by = MaxPodsBy(by)
    by_group = by is MaxPodsBy.MANAGED_NODE_GROUP
    return MaxPodsSum(
        by=by,
        eni_count=min(limits.eni_limit, max_eni) if by_group and max_eni is not None else limits.eni_limit,
        reserved_eni_count=1 if custom_networking and by is not MaxPodsBy.AMI else 0,
        ipv4_per_eni=limits.ipv4_per_eni,
        addresses_per_slot=ADDRESSES_PER_PREFIX if by_group and prefix_delegation and limits.supports_prefixes else 1,
        cap=recommended_max_pods(limits) if by_group and capped else None,
        core_cap=core_cap(limits, pods_per_core),
    )


def core_cap(instance_type: str | InstanceLimits, pods_per_core: int) -> int | None:
    """Return the most pods by the kubelet's `podsPerCore`: so many for each vCPU; None for 0, which means no limit.

    The kubelet, and Karpenter before it launches a node, take the smaller of this number and max-pods. Karpenter passes `podsPerCore` to no
    node with Bottlerocket or an AMI family of the user's.

    Raises:
        UnknownInstanceType: The table has no such type.
        InvalidArgument: `pods_per_core` is negative.

    Source: `MachineInfo` in kubernetes/kubernetes, pkg/kubelet/nodestatus; `pods` and `FeatureFlags` in aws/karpenter-provider-aws.

    Example:
        >>> core_cap("m5.large", 8), core_cap("m5.large", 0)
        (16, None)
    """
    require_integer("pods_per_core", pods_per_core, 0)
    return instance_limits(instance_type).vcpus * pods_per_core if pods_per_core else None


def recommended_max_pods(instance_type: str | InstanceLimits) -> int:
    """Return the cap of a managed node group, which EKS recommends for all nodes: 250 pods on more than 30 vCPUs, else 110."""
    return _CAP_OF_LARGE if instance_limits(instance_type).vcpus > _LARGE_ABOVE_VCPUS else _CAP


def branch_pod_limit(instance_type: str | InstanceLimits, max_pods: int) -> int | None:
    """Return how many of a node's pods can have security groups: each needs a branch ENI, and counts towards `max_pods`.

    Such a pod asks the scheduler for one `vpc.amazonaws.com/pod-eni`, and a node has one for each branch ENI that its type takes.

    Returns:
        0 if the type takes no trunk ENI, None if its number of branch ENIs is not known.

    Example:
        >>> branch_pod_limit("m5.large", 29), branch_pod_limit("t3.large", 35)
        (9, 0)
    """
    limit = instance_limits(instance_type).branch_eni_limit
    return None if limit is None else min(limit, max(0, max_pods - HOST_NETWORK_PODS))
