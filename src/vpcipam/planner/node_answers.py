"""The answer of `plan`: the settled node, its ENIs, and what it did on the way."""

from collections.abc import Mapping
from typing import Any

import attrs

from vpcipam.action import Action
from vpcipam.address import AddressMode
from vpcipam.limits import MaxPodsBy


@attrs.frozen
class EniPlan:
    """One ENI of the settled node. `secondary_ips` and `prefixes` are counts. The trunk has neither: it carries the branch ENIs."""

    network_card: int
    device_number: int
    primary: bool
    trunk: bool
    secondary_ips: int
    prefixes: int
    assigned_ips: int


@attrs.frozen
class Decision:
    """One action of the node and its circumstances.

    Attributes:
        pods: The number of pods that had an address at that time.
        at_s: Seconds since the node's start.
        action: What the node did, and why.
    """

    pods: int
    at_s: float
    action: Action


@attrs.frozen
class Stage:
    """The settled node with a number of pods, and what it did since the previous stage."""

    pods: int
    eni_count: int
    prefix_count: int
    total_ips: int
    assigned_ips: int
    available_ips: int
    subnet_ips: int
    decisions: tuple[Decision, ...]


@attrs.frozen
class NodePlan:
    """The steady state of a node. All figures are for one node; `cluster` multiplies them.

    Attributes:
        pods: The number of pods that need a VPC address, as given.
        pods_assigned: How many of `pods` the node can run.
        pods_waiting: How many of `pods` wait for an address.
        max_pods: The kubelet's limit, the two host-network pods (aws-node, kube-proxy) included.
        max_pods_by: What sets `max_pods`; None if it was given.
        pod_limit: The most pods with a VPC address that the node could run with these settings.
        limit_reason: What sets that limit.
        waiting_reason: Why pods wait; None if no pod does.
        branch_pods: The number of pods with security groups, as given. Each has a branch ENI instead of an address of the pool.
        branch_pods_assigned: How many of `branch_pods` the node can run beside `pods_assigned`; all of them count towards `max_pods`.
        branch_pods_waiting: How many of `branch_pods` wait for a branch ENI.
        branch_waiting_reason: Why pods with security groups wait; None if none does.
        total_ips: The addresses for pods; a prefix counts as 16 (in IPv6 mode as 2**48).
        subnet_ips: The IPv4 addresses that the node takes from its subnets: `total_ips` (0 in IPv6 mode), and the primary IP of each ENI,
            the trunk and the branch ENIs included.
        ec2_calls: The number of the node's EC2 calls since its start, by action; not those of the VPC resource controller for the trunk.
        settled: False if the node never settles but flaps between two sizes; the figures are those of the larger size.
        timeline: The node after its start, after each pod that made it act, and at the end.
    """

    instance_type: str
    mode: AddressMode
    nodes: int
    pods: int
    pods_assigned: int
    pods_waiting: int
    max_pods: int
    max_pods_by: MaxPodsBy | None
    pod_limit: int
    limit_reason: str
    waiting_reason: str | None
    branch_pods: int
    branch_pods_assigned: int
    branch_pods_waiting: int
    branch_waiting_reason: str | None
    enis: tuple[EniPlan, ...]
    total_ips: int
    assigned_ips: int
    available_ips: int
    prefix_count: int
    free_prefix_count: int
    subnet_ips: int
    ec2_calls: Mapping[str, int]
    settled: bool
    timeline: tuple[Stage, ...]

    @property
    def eni_count(self) -> int:
        """The number of ENIs."""
        return len(self.enis)

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Everything that the node did, in order."""
        return tuple(decision for stage in self.timeline for decision in stage.decisions)

    @property
    def cluster(self) -> dict[str, Any]:
        """The figures of all nodes together."""
        sums = {name: self.nodes * getattr(self, name) for name in _SUMMED_NAMES}
        return {"nodes": self.nodes, **sums, "ec2_calls": {action: self.nodes * count for action, count in self.ec2_calls.items()}}

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as a JSON object, with `cluster` if there is more than one node."""
        document = {name: getattr(self, name) for name in _DOCUMENT_NAMES} | {
            "mode": self.mode.value,
            "enis": [attrs.asdict(eni) for eni in self.enis],
            "ec2_calls": dict(self.ec2_calls),
            "decisions": [_decision_dict(decision) for decision in self.decisions],
        }
        return document | ({"cluster": self.cluster} if self.nodes > 1 else {})


_SUMMED_NAMES = (
    "pods",
    "pods_assigned",
    "pods_waiting",
    "eni_count",
    "total_ips",
    "assigned_ips",
    "available_ips",
    "prefix_count",
    "free_prefix_count",
    "subnet_ips",
    "branch_pods",
    "branch_pods_assigned",
    "branch_pods_waiting",
)
_DOCUMENT_NAMES = (
    "instance_type",
    "mode",
    "pods",
    "pods_assigned",
    "pods_waiting",
    "max_pods",
    "max_pods_by",
    "pod_limit",
    "limit_reason",
    "waiting_reason",
    "branch_pods",
    "branch_pods_assigned",
    "branch_pods_waiting",
    "branch_waiting_reason",
    "settled",
    "eni_count",
    "enis",
    "total_ips",
    "assigned_ips",
    "available_ips",
    "prefix_count",
    "free_prefix_count",
    "subnet_ips",
)


def _decision_dict(decision: Decision) -> dict[str, Any]:
    action = decision.action
    return {
        "pods": decision.pods,
        "at_s": decision.at_s,
        "action": action.kind.value,
        "network_card": action.network_card,
        "eni_id": action.eni_id,
        "cidrs": list(action.cidrs),
        "reason": action.reason,
        "error": action.error,
    }
