"""Rules about prefix delegation, and other variables, that are on but not in effect."""

from collections.abc import Iterator

from vpcipam.address import AddressMode
from vpcipam.inspection.cluster import ClusterCase, NodeCase
from vpcipam.inspection.finding import Finding, Missing, Severity
from vpcipam.inspection.rules.rule import INSTANCE, IPAMD, IPAMD_ENIS, READ_SETTINGS, Need, Rule, RuleEntry
from vpcipam.inspection.rules.texts import some
from vpcipam.settings import Settings
from vpcipam.settings.variables import VARIABLE_OF_SETTING

_NOTE = Severity.NOTE
_NO_GAIN = "The node has no more pod addresses than without prefixes."

SHARED_SETTINGS: Need[ClusterCase] = Need(
    Missing("the DaemonSet aws-node, and its pods", "kubectl -n kube-system get daemonset,pods -l k8s-app=aws-node -o json"),
    lambda case: case.settings is not None and bool(case.evidence.pods),
)


def check_type(node: NodeCase) -> Iterator[Finding]:
    """Only nitro and bare metal have prefixes; elsewhere ipamd falls back to secondary IPs (docs/ipamd.md, "Modes")."""
    if node.settings is None or node.limits is None or not node.settings.value.enable_prefix_delegation:
        return
    if node.mode is AddressMode.SECONDARY_IP:
        message = f"is a {node.limits.instance_type}, which has no prefixes: ENABLE_PREFIX_DELEGATION has no effect on it"
        suggestion = "take a nitro type for more pods, and see that max-pods is the number for secondary IPs"
        yield Finding("prefixes-without-effect", _NOTE, node.name, message, suggestion, node.name, (node.settings.source,))


def check_pool(node: NodeCase) -> Iterator[Finding]:
    """With prefix delegation, ipamd asks for a /28 at its start, if an ENI has a free slot (docs/ipamd.md, "Modes", "The control loop").

    Where EC2's ENIs are there, `mode-mismatch` tells. If the variables are those of the DaemonSet, and not of the node's own pod or
    files, a rollout that is under way looks the same, so it is a note.
    """
    settings = node.settings
    if settings is None or node.mode is not AddressMode.PREFIX or node.survey is not None or any(fact.value.cut for fact in node.enis):
        return
    cidrs = [cidr for fact in node.enis for cidr in fact.value.cidrs]
    if cidrs and not any(cidr.is_prefix for cidr in cidrs):
        message = f"has {len(cidrs)} secondary IPs and no prefix in ipamd's datastore, though ENABLE_PREFIX_DELEGATION is on"
        suggestion = "if aws-node runs with this variable on the node, the slots are full of secondary IPs: replace the node"
        sources = (node.enis[0].source, settings.source)
        bundles = {fact.source.bundle for fact in node.enis} - {""}
        own = settings.source.bundle in bundles or settings.source in {fact.source for fact in node.pods}
        yield Finding("prefixes-not-in-use", Severity.FINDING if own else _NOTE, node.name, message, suggestion, node.name, sources)


def check_rollout(case: ClusterCase) -> Iterator[Finding]:
    """A pod of aws-node has the variables of its DaemonSet (Kubernetes: rolling update of a DaemonSet).

    A rollout that is under way looks the same, so it is a note.
    """
    shared = case.settings
    for node in case.nodes:
        own = node.settings
        if shared is None or own is None or own is shared or not node.has_read_settings or own not in case.evidence.settings:
            continue
        names = list(_differences(own.value, shared.value))
        if names:
            message = f"runs aws-node with other variables than the DaemonSet has: {some(names)}"
            suggestion = (
                "if no rollout is under way: kubectl -n kube-system rollout status daemonset aws-node, and look at its updateStrategy"
            )
            yield Finding("settings-not-rolled-out", _NOTE, node.name, message, suggestion, node.name, (own.source, shared.source))


def _differences(own: Settings, shared: Settings) -> Iterator[str]:
    for setting, variable in VARIABLE_OF_SETTING.items():
        value, wanted = getattr(own, setting), getattr(shared, setting)
        if value != wanted:
            yield f"{variable.name} is {variable.format(value)}, not {variable.format(wanted)}"


RULES = (
    Rule(
        check_type,
        (RuleEntry("prefixes-without-effect", "prefix delegation is on, and the type has no prefixes", _NO_GAIN, f"{IPAMD}#modes", _NOTE),),
        (INSTANCE, READ_SETTINGS),
    ),
    Rule(
        check_pool,
        (
            RuleEntry(
                "prefixes-not-in-use",
                "prefix delegation is on, and ipamd has only secondary IPs; a note if the variables are not the node's own",
                _NO_GAIN,
                f"{IPAMD}#modes",
            ),
        ),
        (IPAMD_ENIS, INSTANCE, READ_SETTINGS),
    ),
)
CLUSTER_RULES = (
    Rule(
        check_rollout,
        (
            RuleEntry(
                "settings-not-rolled-out",
                "a pod of aws-node runs with other variables than its DaemonSet has",
                "A change has no effect on the node before its aws-node restarts.",
                f"{IPAMD}#variables",
                _NOTE,
            ),
        ),
        (SHARED_SETTINGS,),
    ),
)
