"""Rules about who holds an address: a sandbox whose pod is gone, entries that only one of datastore and checkpoint has, and leftovers."""

from collections import Counter
from collections.abc import Iterable, Iterator

from vpcipam._units import counted
from vpcipam.address import Cidr
from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.evidence import HeldAddress, Source
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.rules.rule import CHECKPOINT, HELD, IPAMD, IPAMD_ENIS, PODS, Rule, RuleEntry
from vpcipam.inspection.rules.texts import some

_NOTE = Severity.NOTE
_PAGE = f"{IPAMD}#checkpoint-and-restart"
_TAKEN = "The node has an address less for pods until ipamd forgets it."
MIGRATED = "_migrated-from-cri"
"""The network name of a sandbox that ipamd took over from the container runtime (docs/ipamd.md, "Checkpoint and restart")."""

POD_GONE = RuleEntry(
    "pod-gone", "a sandbox holds an address for a pod that is not on the node any more", _TAKEN, f"{IPAMD}#assign-and-unassign"
)
NO_POD = RuleEntry("held-by-no-pod", "a sandbox holds an address that no pod on the node has", _TAKEN, f"{IPAMD}#assign-and-unassign")
OLD_SANDBOX = RuleEntry(
    "held-by-old-sandbox", "a sandbox holds an address for a pod that has another one now", _TAKEN, f"{IPAMD}#assign-and-unassign"
)
NOT_IN_CHECKPOINT = RuleEntry(
    "not-in-checkpoint",
    "a sandbox holds an address, and the checkpoint does not have it",
    "After a restart ipamd gives the address to a second pod.",
    _PAGE,
)
ONLY_IN_CHECKPOINT = RuleEntry(
    "only-in-checkpoint",
    "the checkpoint has a sandbox with an address that is free in the datastore",
    "After a restart ipamd holds the address for nobody.",
    _PAGE,
)
OUTSIDE_POOL = RuleEntry(
    "checkpoint-outside-pool",
    "the checkpoint has an address that is in no CIDR of the datastore",
    "ipamd drops the entry at its next start and does not know the pod then.",
    _PAGE,
)
MIGRATED_SANDBOX = RuleEntry(
    "migrated-sandbox",
    f"sandboxes that ipamd took over from the container runtime, as `{MIGRATED}`",
    "If ipamd does not recognise such a sandbox when its pod ends, it holds the address for ever.",
    _PAGE,
    _NOTE,
)


def check_pods(node: NodeCase) -> Iterator[Finding]:
    """Each held address belongs to a pod of the node that has it, or has none yet (docs/ipamd.md, "Assign and unassign")."""
    pods = {fact.value.pod: fact for fact in node.pods if not fact.value.host_network and not fact.value.has_ended}
    addresses = {address for fact in pods.values() for address in fact.value.addresses}
    gone: list[HeldAddress] = []
    unnamed: list[HeldAddress] = []
    for held in node.held:
        if held.pod is None:
            unnamed += [held] if held.address not in addresses else []
        elif held.pod not in pods:
            gone.append(held)
    if gone:
        message = f"has sandboxes of pods that are not on it: {_listed(gone)}"
        suggestion = "read pods and ipamd again at once; if they stay, compare with `crictl pods` on the node, and restart aws-node"
        yield Finding("pod-gone", POD_GONE.severity, node.name, message, suggestion, sources=_sources(gone))
    yet_without = sum(not fact.value.addresses for fact in pods.values())
    if len(unnamed) > yet_without:
        message = f"has {counted(len(unnamed), 'held address', 'held addresses')} that no pod on it has: {_listed(unnamed)}"
        yield Finding(
            "held-by-no-pod", NO_POD.severity, node.name, message, "compare with `crictl pods` on the node", sources=_sources(unnamed)
        )


def check_old_sandboxes(node: NodeCase) -> Iterator[Finding]:
    """A pod has one sandbox at a time, with one address on each network card (docs/ipamd.md, "Multiple network cards")."""
    shown = {fact.value.pod: fact.value.addresses for fact in node.pods}
    count = Counter((held.pod, held.network_card) for held in node.held if held.pod is not None)
    old = [
        held
        for held in node.held
        if held.pod is not None and count[held.pod, held.network_card] > 1 and shown.get(held.pod) and held.address not in shown[held.pod]
    ]
    if old:
        message = f"has old sandboxes of pods that have another address: {_listed(old)}"
        suggestion = "see which containers `crictl pods` has; delete the pod if the sandbox is gone, or restart aws-node"
        yield Finding("held-by-old-sandbox", OLD_SANDBOX.severity, node.name, message, suggestion, sources=_sources(old))


def check_checkpoint(node: NodeCase) -> Iterator[Finding]:
    """Each assign and unassign writes the checkpoint before it returns (docs/ipamd.md, "Checkpoint and restart")."""
    cards = {fact.value.network_card for fact in node.enis if fact.value.cidrs}
    if any(fact.value.cut for fact in node.enis) or len(cards) > node.checkpoint_count:
        return
    noted = {fact.value.address: fact for fact in node.allocations}
    held = {state.address: fact for fact in node.enis for state in fact.value.held}
    cidrs = [Cidr.parse(cidr.cidr) for fact in node.enis for cidr in fact.value.cidrs]
    suggestion = "read /v1/enis and ipam.json again at once; if it stays, look for errors about the checkpoint in ipamd's log"
    missing = [address for address in held if address not in noted]
    if missing:
        message = f"holds {some(missing)} for sandboxes, and the checkpoint does not have {_it(missing)}"
        sources = tuple(dict.fromkeys(held[address].source for address in missing))
        yield Finding("not-in-checkpoint", NOT_IN_CHECKPOINT.severity, node.name, message, suggestion, sources=sources)
    inside = {address: any(Cidr.parse(address).overlaps(cidr) for cidr in cidrs) for address in noted}
    stale = [address for address in noted if address not in held and inside[address]]
    if stale:
        message = f"has {some(stale)} in its checkpoint, free in the datastore: {_pods(noted[address].value.pod for address in stale)}"
        sources = tuple(dict.fromkeys(noted[address].source for address in stale))
        yield Finding("only-in-checkpoint", ONLY_IN_CHECKPOINT.severity, node.name, message, suggestion, sources=sources)
    outside = [address for address in noted if not inside[address]]
    if outside:
        message = (
            f"has {some(outside)} in its checkpoint, in no CIDR of the datastore: {_pods(noted[address].value.pod for address in outside)}"
        )
        sources = tuple(dict.fromkeys(noted[address].source for address in outside))
        yield Finding("checkpoint-outside-pool", OUTSIDE_POOL.severity, node.name, message, suggestion, sources=sources)


def check_migrated(node: NodeCase) -> Iterator[Finding]:
    """Ipamd takes sandboxes over from the container runtime where it finds no checkpoint (docs/ipamd.md, "Checkpoint and restart")."""
    left = [held for held in node.held if held.key is not None and held.key.network_name == MIGRATED]
    if left:
        message = f"has {counted(len(left), 'sandbox', 'sandboxes')} taken over from the container runtime ({MIGRATED}): {_listed(left)}"
        suggestion = "they are right as long as these pods run; delete and recreate the pods to be rid of them"
        yield Finding("migrated-sandbox", _NOTE, node.name, message, suggestion, sources=_sources(left))


def _listed(held: Iterable[HeldAddress]) -> str:
    return some(f"{each.address} for {each.pod}" if each.pod is not None else each.address for each in held)


def _pods(pods: Iterable[object]) -> str:
    return some(str(pod) if pod is not None else "an unnamed pod" for pod in pods)


def _it(texts: list[str]) -> str:
    return "it" if len(texts) == 1 else "them"


def _sources(held: Iterable[HeldAddress]) -> tuple[Source, ...]:
    return tuple(dict.fromkeys(source for each in held for source in each.sources))


RULES = (
    Rule(check_pods, (POD_GONE, NO_POD), (HELD, PODS)),
    Rule(check_old_sandboxes, (OLD_SANDBOX,), (HELD, PODS)),
    Rule(check_checkpoint, (NOT_IN_CHECKPOINT, ONLY_IN_CHECKPOINT, OUTSIDE_POOL), (IPAMD_ENIS, CHECKPOINT)),
    Rule(check_migrated, (MIGRATED_SANDBOX,), (HELD,)),
)
