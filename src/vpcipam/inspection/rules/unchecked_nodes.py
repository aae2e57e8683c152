"""The rule that names what was read and is not checked, because aws-node doesn't run there."""

from collections.abc import Iterator

from vpcipam.inspection.cluster import ClusterCase, NodeCase
from vpcipam.inspection.finding import Finding, Missing, Severity
from vpcipam.inspection.rules.rule import INSPECTING, Need, Rule, RuleEntry
from vpcipam.inspection.rules.texts import some

ENTRY = RuleEntry(
    "no-aws-node",
    "nodes on which no aws-node runs, and instances that are no nodes",
    "Rules about nodes would misjudge them, so they are not checked there.",
    f"{INSPECTING}#how-files-become-nodes",
    Severity.NOTE,
)

_OBJECTS_AND_ENIS: Need[ClusterCase] = Need(
    Missing("node objects, and EC2's ENIs", "kubectl get nodes -o json; aws ec2 describe-network-interfaces"),
    lambda case: any(node.no_aws_node for node in case.nodes) or ("nodes" in case.kinds and bool(case.network_interfaces)),
)


def check_unchecked(case: ClusterCase) -> Iterator[Finding]:
    """Each node runs aws-node, and each instance is a node (docs/inspecting.md, "How files become nodes")."""
    by_reason: dict[str, list[NodeCase]] = {}
    for node in case.nodes:
        if node.no_aws_node:
            by_reason.setdefault(node.no_aws_node, []).append(node)
    for reason, nodes in by_reason.items():
        sources = tuple({fact.source: None for node in nodes for fact in (node.node, node.instance) if fact is not None})
        yield Finding(ENTRY.rule, ENTRY.severity, some(node.name for node in nodes), f"not checked: {reason}", sources=sources)


RULES = (Rule(check_unchecked, (ENTRY,), (_OBJECTS_AND_ENIS,)),)
