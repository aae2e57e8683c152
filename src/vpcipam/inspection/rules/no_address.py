"""Which pods have no address, and why: one cause for all of a node."""

from collections.abc import Iterator

import attrs

from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.evidence import EventObject, Fact, Source
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.log.line import time_ns
from vpcipam.inspection.rules.causes import cause_of
from vpcipam.inspection.rules.rule import INSPECTING, PODS_OR_EVENTS, Rule, RuleEntry
from vpcipam.inspection.rules.texts import some

_SANDBOX_FAILED = "FailedCreatePodSandBox"
_OF_THE_PLUGIN = ("aws-cni", "failed to assign an IP address")
_PAGE = f"{INSPECTING}#why-a-pod-has-no-address"
_NO_ADDRESS = "The pod can't start before it has an address."

_ENTRIES = (
    RuleEntry(
        "no-address-permission",
        "a pod got no address: ipamd may not call EC2",
        "The node gets no further address until its role has the permission.",
        _PAGE,
    ),
    RuleEntry("no-address-ipamd-down", "a pod got no address: ipamd didn't answer the CNI plugin", _NO_ADDRESS, _PAGE),
    RuleEntry(
        "no-address-all-held",
        "a pod got no address: all are held, and the node can have no more",
        "The kubelet accepts more pods than the node has addresses for.",
        _PAGE,
    ),
    RuleEntry(
        "no-address-cooling",
        "a pod got no address: all that are free were cooling",
        "ipamd counts cooling addresses as available, so it doesn't ask for more.",
        _PAGE,
    ),
    RuleEntry(
        "no-address-subnet-full",
        "a pod got no address: the node would grow, but the subnet has too few free addresses",
        "No node in this subnet can grow.",
        _PAGE,
    ),
    RuleEntry(
        "no-address-no-prefix",
        "a pod got no address: the node would grow, but the subnet has no free /28",
        "Many free addresses are of no use if each /28 has one that is taken.",
        _PAGE,
    ),
    RuleEntry(
        "no-address-trunk-reserve",
        "a pod got no address: the last ENI is kept for a trunk that isn't there",
        "The room of an ENI stays unused until the VPC resource controller creates the trunk.",
        _PAGE,
    ),
    RuleEntry(
        "no-address-cordoned",
        "a pod got no address: the node is cordoned, so ipamd doesn't grow it",
        "A DaemonSet's pods are bound to a cordoned node too, and wait there.",
        _PAGE,
    ),
    RuleEntry("no-address-growth-off", "a pod got no address: a variable keeps ipamd from asking EC2 for more", _NO_ADDRESS, _PAGE),
    RuleEntry("no-address-ec2-refuses", "a pod got no address: EC2 refuses what ipamd asks for", _NO_ADDRESS, _PAGE),
    RuleEntry(
        "no-address-passing",
        "a pod got no address, but nothing is wrong now: there are free addresses, or the node is growing",
        "The kubelet tries again within seconds.",
        _PAGE,
        Severity.NOTE,
    ),
    RuleEntry(
        "no-address-unexplained",
        "a pod got no address, and there is not enough in what was read to tell why",
        _NO_ADDRESS,
        _PAGE,
        Severity.NOTE,
    ),
)
_BY_CAUSE = {entry.rule.removeprefix("no-address-"): entry for entry in _ENTRIES}

# A pod without an address and without an event may have been bound a moment ago. These causes hold all the same.
_WITHOUT_EVENT = ("all-held", "subnet-full", "no-prefix", "trunk-reserve", "cordoned", "growth-off")


@attrs.frozen
class _Waiting:
    """The pods of a node that have no address.

    Attributes:
        failures: the events that say so; empty if there are only pod objects.
        time_ns: when the last one failed; None if no event tells.
    """

    pods: tuple[str, ...]
    failures: tuple[Fact[EventObject], ...]
    sources: tuple[Source, ...]
    time_ns: int | None


def check_no_address(node: NodeCase) -> Iterator[Finding]:
    """A pod that is bound to a node gets an address (docs/ipamd.md, "Assign and unassign", "Growing the pool", "Cooldown")."""
    waiting = _waiting(node)
    if waiting is None:
        return
    cause = cause_of(node, [event.value.message for event in waiting.failures], waiting.time_ns)
    if not waiting.failures and cause.name not in _WITHOUT_EVENT:
        return
    entry = _BY_CAUSE[cause.name]
    where = f"pod{'' if len(waiting.pods) == 1 else 's'} {some(waiting.pods)}"
    sources = tuple(dict.fromkeys((*waiting.sources, *cause.sources)))
    yield Finding(entry.rule, entry.severity, where, f"got no address: {cause.message}", cause.suggestion, node.name, sources)


def _waiting(node: NodeCase) -> _Waiting | None:
    """Find the pods that have no address now; None if there is none.

    Without pod objects, these are the pods of events whom ipamd has given none.
    """
    served = {f"Pod {held.pod}" for held in node.held}
    objects = {f"Pod {fact.value.pod}": fact for fact in node.pods}
    failures: dict[str, Fact[EventObject]] = {}
    for event in node.events:
        if event.value.reason == _SANDBOX_FAILED and any(text in event.value.message for text in _OF_THE_PLUGIN):
            failures[event.value.about] = event
    lacking = {
        name: fact
        for name, fact in objects.items()
        if not (fact.value.addresses or fact.value.host_network or fact.value.branch_enis or fact.value.has_ended or fact.value.deleting)
    }
    failed = {name: event for name, event in failures.items() if name in lacking or ("pods" not in node.kinds and name not in served)}
    names = [*failed, *(name for name in lacking if name not in failed)]
    if not names:
        return None
    times = [each for each in (time_ns(event.value.last_seen) for event in failed.values()) if each is not None]
    first = next(iter(failed.values()), None) or next(iter(lacking.values()))
    return _Waiting(
        pods=tuple(name.removeprefix("Pod ") for name in names),
        failures=tuple(failed.values()),
        sources=(first.source,),
        time_ns=max(times, default=None),
    )


RULES = (Rule(check_no_address, _ENTRIES, (PODS_OR_EVENTS,)),)
