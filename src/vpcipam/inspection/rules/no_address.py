"""Which pods have no address, and why: one cause for all of a node."""

from collections.abc import Collection, Iterator

import attrs

from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.evidence import EventObject, Fact, PodObject
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.log.line import time_ns
from vpcipam.inspection.rules.causes import BRANCH_ENI_FAILED, NETWORK_NOT_READY, Cause, branch_cause_of, cause_of
from vpcipam.inspection.rules.rule import INSPECTING, PODS_OR_EVENTS, Rule, RuleEntry
from vpcipam.inspection.rules.texts import some

WHY_NO_ADDRESS = "no-address-"
"""How the ids of these rules begin."""
_SANDBOX_FAILED = "FailedCreatePodSandBox"
_ABOUT_BRANCH_ENIS = (*BRANCH_ENI_FAILED, "SecurityGroupRequested")
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
        "no-address-no-branch-eni",
        "a pod with security groups of its own got no address: it has no branch ENI",
        "The pod can't start before the VPC resource controller gives it one.",
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
_BY_CAUSE = {entry.rule.removeprefix(WHY_NO_ADDRESS): entry for entry in _ENTRIES}

# A pod without an address and without an event may have been bound a moment ago. These causes hold all the same.
_WITHOUT_EVENT = ("all-held", "subnet-full", "no-prefix", "trunk-reserve", "cordoned", "growth-off")


@attrs.frozen
class _Waiting:
    """Pods of a node that have no address, by their names with their kind.

    Attributes:
        failures: the last event of each that says so; empty if there are only pod objects.
        objects: those that have an object.
    """

    names: tuple[str, ...]
    failures: tuple[Fact[EventObject], ...]
    objects: tuple[Fact[PodObject], ...]

    @property
    def last_ns(self) -> int | None:
        """When the last one failed; None if no event tells."""
        times = (time_ns(event.value.last_seen) for event in self.failures)
        return max((each for each in times if each is not None), default=None)

    def finding(self, node: NodeCase, cause: Cause) -> Finding:
        pods = tuple(name.removeprefix("Pod ") for name in self.names)
        entry = _BY_CAUSE[cause.name]
        where = f"pod{'' if len(pods) == 1 else 's'} {some(pods)}"
        first = self.failures[0].source if self.failures else self.objects[0].source
        sources = tuple(dict.fromkeys((first, *cause.sources)))
        return Finding(entry.rule, entry.severity, where, f"got no address: {cause.message}", cause.suggestion, node.name, sources)


def check_no_address(node: NodeCase) -> Iterator[Finding]:
    """A pod that is bound to a node gets an address (docs/ipamd.md, "Assign and unassign", "Growing the pool", "Cooldown").

    One with security groups of its own gets that of a branch ENI (docs/ipamd.md, "Trunk and branch ENIs").
    """
    waiting = _waiting(node)
    branch = set(_without_branch_eni(node, waiting))
    for_branch, for_pool = _part(waiting, branch), _part(waiting, {*waiting.names} - branch)
    if for_branch.failures:
        yield for_branch.finding(node, branch_cause_of(node, [each for each in node.events if each.value.about in for_branch.names]))
    if for_pool.names:
        cause = cause_of(node, [event.value.message for event in for_pool.failures], for_pool.last_ns)
        if for_pool.failures or cause.name in _WITHOUT_EVENT:
            yield for_pool.finding(node, cause)


def _waiting(node: NodeCase) -> _Waiting:
    """Find the pods that have no address now. Without pod objects, these are the pods of events whom ipamd has given none."""
    served = {f"Pod {held.pod}" for held in node.held}
    lacking = {f"Pod {fact.value.pod}": fact for fact in node.pods if _lacks_address(fact.value)}
    failures: dict[str, Fact[EventObject]] = {}
    for event in node.events:
        name = event.value.about
        if _is_failure(event.value) and (name in lacking or ("pods" not in node.kinds and name not in served)):
            failures[name] = event
    names = (*failures, *(name for name in lacking if name not in failures))
    return _Waiting(names, tuple(failures.values()), tuple(lacking.values()))


def _lacks_address(pod: PodObject) -> bool:
    return not (pod.addresses or pod.host_network or pod.branch_enis or pod.has_ended or pod.deleting)


def _is_failure(event: EventObject) -> bool:
    of_plugin = event.reason == _SANDBOX_FAILED and any(text in event.message for text in _OF_THE_PLUGIN)
    return of_plugin or event.reason in (NETWORK_NOT_READY, *BRANCH_ENI_FAILED)


def _without_branch_eni(node: NodeCase, waiting: _Waiting) -> Iterator[str]:
    """Yield the pods that wait for a branch ENI. ipamd asks for none where ENABLE_POD_ENI is off."""
    if node.settings is not None and not node.settings.value.enable_pod_eni:
        return
    yield from (f"Pod {fact.value.pod}" for fact in waiting.objects if fact.value.wants_branch_eni)
    yield from (event.value.about for event in node.events if event.value.reason in _ABOUT_BRANCH_ENIS)


def _part(waiting: _Waiting, names: Collection[str]) -> _Waiting:
    return _Waiting(
        tuple(each for each in waiting.names if each in names),
        tuple(each for each in waiting.failures if each.value.about in names),
        tuple(each for each in waiting.objects if f"Pod {each.value.pod}" in names),
    )


RULES = (Rule(check_no_address, _ENTRIES, (PODS_OR_EVENTS,)),)
