"""Rules about ENIs that are kept for a trunk."""

from collections.abc import Iterator

from vpcipam._units import counted, number
from vpcipam.inspection.cluster import ClusterCase, NodeCase
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.rules.max_pods import pod_eni_limit
from vpcipam.inspection.rules.rule import ALL_PODS, INSTANCE, IPAMD, READ_SETTINGS, Rule, RuleEntry

_PAGE = f"{IPAMD}#trunk-and-branch-enis"


def check_unused(case: ClusterCase) -> Iterator[Finding]:
    """ENABLE_POD_ENI keeps an ENI of each node, on types that take a trunk (docs/ipamd.md, "Trunk and branch ENIs").

    It is a note: such pods may come later, or be in a namespace that was not read.
    """
    pods = case.evidence.pods
    nodes = [node for node in case.nodes if _keeps(node)]
    if not nodes or any(fact.value.branch_enis or fact.value.wants_branch_eni for fact in pods):
        return
    lost = sum(
        0 if node.limits is None or node.mode is None else node.limits.slots_per_eni * node.mode.addresses_per_slot for node in nodes
    )
    message = f"none of {counted(len(pods), 'pod')} has security groups of its own, and ENABLE_POD_ENI takes an ENI on each of "
    message += f"{counted(len(nodes), 'node')}: {number(lost)} pod addresses in all"
    suggestion = "if no SecurityGroupPolicy will select pods, set ENABLE_POD_ENI to false, and replace the nodes that have a trunk"
    sources = tuple({fact.source: None for node in nodes for fact in (node.settings,) if fact is not None})
    yield Finding("trunk-unused", Severity.NOTE, "the cluster", message, suggestion, "", sources)


def _keeps(node: NodeCase) -> bool:
    """Tell whether a node has a trunk or keeps room for one, which costs it addresses."""
    if node.limits is None or node.settings is None or not node.has_read_settings or node.mode is None:
        return False
    return node.settings.value.takes_trunk(node.limits) and not node.settings.value.enable_ipv6


def check_no_eni(node: NodeCase) -> Iterator[Finding]:
    """Trunk and custom networking leave an ENI for pods (docs/ipamd.md, "Max pods", "Trunk and branch ENIs", "Custom networking").

    Where EC2's ENIs are there, `no-pod-addresses` tells, and looks at what is attached.
    """
    if node.limits is None or node.settings is None or node.mode is None or node.survey is not None:
        return
    settings, limits = node.settings.value, node.limits
    if not settings.enable_ipv6 and not pod_eni_limit(limits, settings):
        takers = ["custom networking leaves the primary ENI out"]
        takers += ["one is the trunk's"] if settings.takes_trunk(limits) else []
        message = f"can have {counted(settings.eni_limit(limits), 'ENI')}, and none for pods: {', and '.join(takers)}"
        suggestion = "take a type with more ENIs, raise MAX_ENI, or turn one of the two off"
        yield Finding("no-eni-for-pods", Severity.FINDING, node.name, message, suggestion, node.name, (node.settings.source,))


CLUSTER_RULES = (
    Rule(
        check_unused,
        (
            RuleEntry(
                "trunk-unused",
                "security groups for pods are on, and no pod that was read has any",
                "Each node gives up an ENI with all its addresses.",
                _PAGE,
                Severity.NOTE,
            ),
        ),
        (ALL_PODS,),
    ),
)
RULES = (
    Rule(
        check_no_eni,
        (
            RuleEntry(
                "no-eni-for-pods",
                "by type and variables, no ENI is left for pods beside the trunk and custom networking",
                "The pod can't start before it has an address.",
                _PAGE,
            ),
        ),
        (INSTANCE, READ_SETTINGS),
    ),
)
