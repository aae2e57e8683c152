"""What a rule is: a check, the ids that it reports, and the facts that it needs."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import attrs

from vpcipam.inspection.cluster import ClusterCase, NodeCase
from vpcipam.inspection.finding import Finding, Missing, Severity

_Case = TypeVar("_Case", ClusterCase, NodeCase)

INSPECTING = "docs/inspecting.md"
IPAMD = "docs/ipamd.md"


@attrs.frozen
class RuleEntry:
    """What there is to say about a kind of finding, whatever is found.

    Attributes:
        rule: its id, which also stands in `Finding.rule`.
        when: when it is reported, without a full stop.
        why: why it matters; a sentence.
        page: the page of the documentation, with the heading's anchor.
        severity: how much it matters. A single finding can matter less, such as `other-vpc` on an ENI that ipamd doesn't manage.
    """

    rule: str
    when: str
    why: str
    page: str
    severity: Severity = Severity.FINDING


@attrs.frozen
class Need(Generic[_Case]):
    """Facts without which a rule can't tell anything.

    Attributes:
        missing: what they are, and how to get them.
        is_met: tells whether a case has them.
    """

    missing: Missing
    is_met: Callable[[_Case], bool]


@attrs.frozen
class Rule(Generic[_Case]):
    """A rule about one node (`NodeCase`), or about all that was read (`ClusterCase`).

    Attributes:
        check: yields findings. It is called only if all needs are met. Its docstring names the source of the rule.
        entries: the kinds of findings that it can report.
        needs: what it needs.
    """

    check: Callable[[_Case], Iterator[Finding]]
    entries: tuple[RuleEntry, ...]
    needs: tuple[Need[_Case], ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the findings that it can report."""
        return tuple(entry.rule for entry in self.entries)

    def missing(self, case: _Case) -> tuple[Missing, ...]:
        """List the needs that a case doesn't meet."""
        return tuple(need.missing for need in self.needs if not need.is_met(case))


# --- what rules about a node need ------------------------------------------------------------------------------------------

EC2_ENIS: Need[NodeCase] = Need(
    Missing("EC2's ENIs of the node", "aws ec2 describe-network-interfaces --filters Name=attachment.instance-id,Values=ID"),
    lambda node: bool(node.network_interfaces),
)
INSTANCE: Need[NodeCase] = Need(
    Missing("the node's instance type, as a known type", "aws ec2 describe-instances --instance-ids ID, or kubectl get node NAME -o json"),
    lambda node: node.limits is not None,
)
SURVEY: Need[NodeCase] = Need(
    Missing("settings that ipamd accepts on this instance type", "kubectl -n kube-system get daemonset aws-node -o json"),
    lambda node: node.limits is None or not node.network_interfaces or node.survey is not None,
)
SETTINGS: Need[NodeCase] = Need(
    Missing("the variables of the aws-node container", "kubectl -n kube-system get daemonset aws-node -o json"),
    lambda node: node.settings is not None,
)
READ_SETTINGS: Need[NodeCase] = Need(
    Missing("the variables of the aws-node container, as read or given", "kubectl -n kube-system get daemonset aws-node -o json"),
    lambda node: node.has_read_settings,
)
IPAMD_ENIS: Need[NodeCase] = Need(
    Missing("ipamd's ENIs of the node", "curl http://localhost:61679/v1/enis on the node"),
    lambda node: bool(node.enis or node.cards),
)
CHECKPOINT: Need[NodeCase] = Need(
    Missing("ipamd's checkpoint of the node", "/var/run/aws-node/ipam.json on the node"),
    lambda node: node.checkpoint_count > 0,
)
NODE_OBJECT: Need[NodeCase] = Need(Missing("the node object", "kubectl get node NAME -o json"), lambda node: node.node is not None)
SUBNETS: Need[NodeCase] = Need(Missing("the subnets of the node's VPC", "aws ec2 describe-subnets"), lambda node: bool(node.subnets))
WHOLE_SUBNETS: Need[NodeCase] = Need(
    Missing("all ENIs in the node's subnets, as --ec2 reads them", "vpcipam inspect --ec2 --instance-id ID"),
    lambda node: node.observed is not None and not node.observed.from_files,
)
METRICS: Need[NodeCase] = Need(
    Missing("ipamd's metrics of the node", "curl http://localhost:61678/metrics on the node"), lambda node: bool(node.metrics)
)
LOG: Need[NodeCase] = Need(Missing("ipamd's log of the node", "/var/log/aws-routed-eni/ipamd.log on the node"), lambda node: node.has_log)
PODS: Need[NodeCase] = Need(
    Missing("the pods on the node, of all namespaces", "kubectl get pods --all-namespaces -o json"),
    lambda node: bool(node.pods) and len(node.namespaces) > 1,
)
HELD: Need[NodeCase] = Need(
    Missing("who holds addresses on the node", "/var/run/aws-node/ipam.json, and curl http://localhost:61679/v1/enis, on the node"),
    lambda node: bool(node.enis or node.cards or node.checkpoint_count),
)
PODS_OR_EVENTS: Need[NodeCase] = Need(
    Missing("pods and their events", "kubectl get pods,events --all-namespaces -o json"),
    lambda node: bool(node.kinds & {"pods", "events"}),
)

# --- what rules about the cluster need -------------------------------------------------------------------------------------

ALL_PODS: Need[ClusterCase] = Need(
    Missing("the pods of the cluster", "kubectl get pods --all-namespaces -o json"), lambda case: "pods" in case.kinds
)
EC2_ANSWERS: Need[ClusterCase] = Need(
    Missing("EC2's ENIs", "aws ec2 describe-network-interfaces"), lambda case: bool(case.kinds & {"network_interfaces", "instances"})
)
HELD_SOMEWHERE: Need[ClusterCase] = Need(HELD.missing, lambda case: any(map(HELD.is_met, case.nodes)))
