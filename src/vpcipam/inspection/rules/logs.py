"""What ipamd's log tells of troubles."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import attrs

from vpcipam._units import NS_PER_S, counted, number
from vpcipam.ec2.errors import ErrorCode
from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.evidence import Fact
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.log.signs import SETTING, LogSign
from vpcipam.inspection.rules.advice import ALLOW_CALLS, FREE_DISK, RAISE_WARM_TARGET, RESERVE_PREFIXES, UNCORDON
from vpcipam.inspection.rules.rule import INSPECTING, IPAMD, LOG, READ_SETTINGS, Rule, RuleEntry
from vpcipam.settings.variables import VARIABLE_OF_SETTING

_PAGE = f"{INSPECTING}#logs"
_NOTE = Severity.NOTE

_ENTRIES = {
    entry.rule.removeprefix("log-"): entry
    for entry in (
        RuleEntry(
            "log-no-address",
            "by its log, ipamd had no free address for a pod. A note if it has some at the end of the log",
            "The pod can't start before it has an address.",
            _PAGE,
        ),
        RuleEntry(
            "log-start-failed",
            "by its log, ipamd could not start. A note if it did later",
            "No pod of the node gets an address, or gives one back.",
            _PAGE,
        ),
        RuleEntry(
            "log-ec2-refused",
            "by its log, EC2 refused a call of ipamd. A note if the error passes by itself",
            "Without the call the node gets no further address, or keeps what it no longer needs.",
            _PAGE,
        ),
        RuleEntry(
            "log-all-free-cool",
            "by its log, all free addresses cooled down, and ipamd asked for none",
            "ipamd counts cooling addresses as available, so a pod can get none for the rest of a cooldown.",
            f"{IPAMD}#cooldown",
            _NOTE,
        ),
        RuleEntry(
            "log-no-eni-room",
            "by its log, ipamd wanted a further ENI, and the node has all that it can have",
            "The node can't grow.",
            _PAGE,
            _NOTE,
        ),
        RuleEntry(
            "log-node-cordoned",
            "by its log, ipamd doesn't grow the node, because it is cordoned",
            "Pods on it can wait for addresses.",
            _PAGE,
            _NOTE,
        ),
        RuleEntry(
            "log-no-trunk-slot", "by its log, there is no room for a trunk ENI", "Pods with security groups can't run on the node.", _PAGE
        ),
        RuleEntry("log-no-trunk", "by its log, a pod with security groups came, and there is no trunk ENI", "The pod can't start.", _PAGE),
        RuleEntry(
            "log-no-branch-eni",
            "by its log, a pod with security groups came before it had a branch ENI",
            "It is usual once or twice for a pod. Otherwise the pod can't start.",
            _PAGE,
            _NOTE,
        ),
        RuleEntry(
            "log-primary-in-pool",
            "by its log, a reconcile took an ENI's primary address for a pod's (before v1.6.1)",
            "A pod can get the address that the node itself uses.",
            _PAGE,
        ),
        RuleEntry(
            "log-pods-forgotten",
            "by its log, ipamd found no pods when it started, though pods ran (before v1.7.0)",
            "It gives their addresses to other pods: two pods have one address.",
            _PAGE,
        ),
        RuleEntry(
            "log-no-checkpoint",
            "by its log, ipamd found no checkpoint when it started",
            "That is usual on a new node. On another one it can miss sandboxes, and give their addresses to other pods.",
            f"{IPAMD}#checkpoint-and-restart",
            _NOTE,
        ),
        RuleEntry(
            "log-unknown-sandbox",
            "by its log, sandboxes were deleted that ipamd did not know",
            "It is usual after a failed start of a pod. Many of them can mean that ipamd has lost its state.",
            _PAGE,
            _NOTE,
        ),
        RuleEntry(
            "log-checkpoint-failed",
            "by its log, ipamd could not write its checkpoint",
            "No pod gets an address, because an assign that is not written is taken back.",
            _PAGE,
        ),
        RuleEntry(
            "log-leaked-enis",
            "by its log, ipamd found ENIs that ended nodes left behind, and deletes them",
            "They took addresses of the subnet until then.",
            _PAGE,
            _NOTE,
        ),
        RuleEntry(
            "log-leaked-eni-stays", "by its log, ipamd could not delete a leaked ENI", "It goes on taking addresses of the subnet.", _PAGE
        ),
    )
}


@attrs.frozen
class _Refusal:
    """What an error of EC2 means to a node.

    Attributes:
        cause: it, as the reason why a pod got no address.
        suggestion: what to do.
        passes: it goes away by itself.
    """

    cause: str
    suggestion: str
    passes: bool = False


_NO_BLOCK = _Refusal(
    "no subnet has a free /28",
    RESERVE_PREFIXES,
)
_FULL = _Refusal("the subnet is full", "free addresses, add a subnet (kubernetes.io/role/cni=1), or lower the warm targets")
_FULL_OR_NO_BLOCK = _Refusal(
    "the subnet is full, or has no free /28 for prefixes",
    f"free addresses, or add a subnet (kubernetes.io/role/cni=1); with prefix delegation, {RESERVE_PREFIXES}",
)
_DENIED = _Refusal("ipamd may not call EC2", ALLOW_CALLS)
_THROTTLED = _Refusal(
    "EC2 throttles its calls", "the node tries again; raise the warm targets, so that fewer calls are needed", passes=True
)
_REFUSALS = {
    ErrorCode.INSUFFICIENT_CIDR_BLOCKS: _NO_BLOCK,
    ErrorCode.INSUFFICIENT_FREE_ADDRESSES: _FULL,
    ErrorCode.UNAUTHORIZED: _DENIED,
    "AccessDenied": _DENIED,
    "RequestLimitExceeded": _THROTTLED,
    "Throttling": _THROTTLED,
    "AttachmentLimitExceeded": _Refusal(
        "EC2 attaches no further ENI",
        "ipamd counts with more ENIs than the type takes, or misses one that is attached: update aws-node, or set MAX_ENI to EC2's limit",
    ),
    "PrivateIpAddressLimitExceeded": _Refusal(
        "the ENI has all the addresses that it can have", "ipamd's figures are out of date: it reconciles within a minute", passes=True
    ),
    "NetworkInterfaceLimitExceeded": _Refusal(
        "the account has all the ENIs that its quota allows",
        "delete leaked ENIs, or ask for a higher quota of network interfaces (L-DF5E4CA3)",
    ),
    "InvalidNetworkInterfaceID.NotFound": _Refusal(
        "an ENI is gone", "someone else has deleted it, or EC2 has not seen it yet", passes=True
    ),
}
_OTHER = _Refusal("EC2 refuses its calls", "look the code up in EC2's error codes, and at the message")
_FEW_ADDRESSES = "sufficient free"  # part of a message of CreateNetworkInterface that has a code for anything


def _refusal(sign: LogSign) -> _Refusal:
    if sign.subject not in _REFUSALS and _FEW_ADDRESSES in sign.text:
        return _FULL_OR_NO_BLOCK if "prefix" in sign.text else _FULL
    return _REFUSALS.get(sign.subject, _OTHER)


def check_log(node: NodeCase) -> Iterator[Finding]:
    """Ipamd's log tells of troubles (docs/ipamd.md, "Growing the pool", "Cooldown", "Leaked ENIs", "Known faults")."""
    for fact in node.log_signs:
        sign = fact.value
        if sign.kind == SETTING:
            continue
        entry = _ENTRIES[sign.kind]
        severity = entry.severity
        message, suggestion = _TEXTS[sign.kind]
        if sign.kind == "no-address":
            message, suggestion = _why_none(sign, [each.value for each in node.log_signs if each.source.file == fact.source.file])
        elif sign.kind == "ec2-refused":
            refusal = _refusal(sign)
            suggestion = refusal.suggestion
            severity = _NOTE if refusal.passes else severity
        told = message.format(subject=sign.subject, text=sign.text)
        if sign.over:
            severity, told = _NOTE, f"{told}; {sign.over}"
        yield Finding(entry.rule, severity, _where(fact), f"{told} ({_when(sign)})", suggestion, node.name, (fact.source,))


def check_variables(node: NodeCase) -> Iterator[Finding]:
    """Ipamd logs variables when it starts, and runs with them until it starts again (docs/ipamd.md, "Variables").

    It is a note: the log can be older than the last rollout of aws-node.
    """
    if node.settings is None:
        return
    shown = {variable.name: (variable, getattr(node.settings.value, name)) for name, variable in VARIABLE_OF_SETTING.items()}
    for fact in node.log_signs:
        if fact.value.kind != SETTING:
            continue
        variable, wanted = shown[fact.value.subject]
        if variable.parse(fact.value.text) != wanted:
            message = (
                f"ran with {variable.name} {fact.value.text} at its last start by its log, and has {variable.format(wanted) or 'none'} now"
            )
            suggestion = (
                "if the log is of today: kubectl -n kube-system rollout status daemonset aws-node, and restart aws-node on the node"
            )
            yield Finding("log-other-variables", _NOTE, _where(fact), message, suggestion, node.name, (fact.source, node.settings.source))


def _where(fact: Fact[LogSign]) -> str:
    return fact.source.file.rpartition("/")[2]


def _when(sign: LogSign) -> str:
    times = counted(sign.count, "time")
    if sign.first_ns is None or sign.last_ns is None:
        return times
    return f"{times}, {_time(sign.first_ns)}" + (f" to {_time(sign.last_ns)}" if sign.last_ns != sign.first_ns else "")


def _time(when_ns: int) -> str:
    return datetime.fromtimestamp(when_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _why_none(sign: LogSign, signs: Sequence[LogSign]) -> tuple[str, str]:
    """Say why there was no address, as far as the same log tells: the last sign of a cause before the last pod that got none."""
    figures = f": {sign.text}" if sign.text else ""
    causes = [each for each in signs if each.kind in _CAUSES and each.first_line <= sign.last_line]
    if not causes:
        return (
            f"had no free address for a pod{figures}; it doesn't tell why",
            "give the files of the node too: its /v1/enis, EC2's ENIs, the DaemonSet",
        )
    cause = max(causes, key=lambda each: (_CAUSES.index(each.kind), each.last_line))
    if cause.kind == "ec2-refused":
        refusal = _refusal(cause)
        return f"had no free address for a pod{figures}; {refusal.cause} ({cause.subject}, {number(cause.count)} ×)", refusal.suggestion
    return f"had no free address for a pod{figures}; {_REASONS[cause.kind]}", _TEXTS[cause.kind][1]


_REASONS = {
    "no-eni-room": "the node has all ENIs that it can have",
    "all-free-cool": "all free ones were cooling",
    "node-cordoned": "the node is cordoned",
    "checkpoint-failed": "the checkpoint can't be written",
}
_CAUSES = ("no-eni-room", "all-free-cool", "node-cordoned", "ec2-refused", "checkpoint-failed")
"""The signs of a cause; a later one says more."""

_TEXTS = {
    "no-address": ("", ""),
    "ec2-refused": ("EC2 answered {subject}: {text}", ""),
    "all-free-cool": ("all free addresses cooled down: {text}", RAISE_WARM_TARGET),
    "no-eni-room": (
        "ipamd wanted a further ENI, and the node has all that it can have",
        "lower max-pods to what `vpcipam plan` gives, raise MAX_ENI if it is set, take a larger type, or use prefix delegation",
    ),
    "node-cordoned": ("ipamd added nothing, because the node was cordoned", UNCORDON),
    "no-trunk-slot": ("there was no room for a trunk ENI", "replace the node: the trunk comes first on a new one; or lower MAX_ENI"),
    "no-trunk": (
        "a pod with security groups came, and there was no trunk ENI",
        "check that the type takes a trunk (`vpcipam limits TYPE`), that ENABLE_POD_ENI is true, and that the VPC resource controller runs",
    ),
    "no-branch-eni": (
        "a pod with security groups came before it had a branch ENI",
        "if it goes on, look at the events of the pod: the VPC resource controller tells there why it has none",
    ),
    "start-failed": (
        "ipamd could not start{text}",
        "mend what this error names; often it is instance metadata out of reach, a permission, or no way to EC2's endpoint",
    ),
    "primary-in-pool": (
        "a reconcile of {subject} left out no primary address, and took {text} in",
        "update aws-node; until then, drain the node and replace it if a pod has the address of the node",
    ),
    "pods-forgotten": (
        "ipamd found no pods when it started, and {text}",
        "update aws-node; restart the pods of the node, since two can have one address",
    ),
    "no-checkpoint": (
        "ipamd found no checkpoint when it started, so {text}",
        "if the node is not new, see that /var/run/aws-node on the node outlives the pod of aws-node",
    ),
    "unknown-sandbox": ("ipamd did not know a sandbox that was deleted, such as {text}", ""),
    "checkpoint-failed": ("the checkpoint could not be written: {text}", FREE_DISK),
    "leaked-enis": (
        "ipamd found {text} that ended nodes had left behind",
        "see whether nodes are terminated before they can detach their ENIs",
    ),
    "leaked-eni-stays": ("ipamd could not delete the leaked ENI {subject}: {text}", "delete it: aws ec2 delete-network-interface"),
}
"""What each sign says, and what to do."""

RULES = (
    Rule(check_log, tuple(_ENTRIES.values()), (LOG,)),
    Rule(
        check_variables,
        (
            RuleEntry(
                "log-other-variables",
                "by its log, ipamd started with other variables than its DaemonSet has",
                "A change has no effect on the node before its aws-node restarts.",
                f"{IPAMD}#variables",
                _NOTE,
            ),
        ),
        (LOG, READ_SETTINGS),
    ),
)
