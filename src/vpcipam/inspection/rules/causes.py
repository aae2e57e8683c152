"""Why a node has no address for a pod: the first cause that what was read shows."""

from collections.abc import Iterable

import attrs

from vpcipam._units import counted, number, seconds_text
from vpcipam.address import AddressMode
from vpcipam.ec2.errors import ErrorCode
from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.evidence import EventObject, Fact, Source
from vpcipam.inspection.pool_counts import PoolCounts, pool_counts
from vpcipam.inspection.rules.advice import ALLOW_CALLS, OTHER_SUBNET, RAISE_WARM_TARGET, RESERVE_PREFIXES, UNCORDON, more_addresses
from vpcipam.inspection.rules.capacity import refusals_of
from vpcipam.inspection.rules.ec2_errors import API_ERRORS
from vpcipam.inspection.rules.rule import EC2_ENIS, INSTANCE, IPAMD_ENIS, SETTINGS, SURVEY
from vpcipam.inspection.rules.texts import shortened
from vpcipam.inspection.survey import NodeSurvey
from vpcipam.settings import Settings

_NO_PERMISSION = "MissingIAMPermissions"
NETWORK_NOT_READY = "NetworkNotReady"
"""The reason of the kubelet's events while the node has no CNI plugin that is set up."""
BRANCH_ENI_FAILED = ("BranchAllocationFailed", "BranchENIAnnotationFailed")
"""The reasons of the VPC resource controller's events about a pod that gets no branch ENI."""
_IPAMD_SILENT = ("127.0.0.1:50051", "connection refused", "Error received from AddNetwork gRPC call")
_NOT_SET_UP = "network is not ready"
_GROWING = ("CreateNetworkInterface", "AttachNetworkInterface", "AssignPrivateIpAddresses", "AssignIpv6Addresses")
_NO_PREFIX = frozenset({ErrorCode.INSUFFICIENT_CIDR_BLOCKS})
_FULL = frozenset({ErrorCode.INSUFFICIENT_FREE_ADDRESSES})
_LOOK_AT_AWS_NODE = "look at the aws-node pod of the node: kubectl -n kube-system get pods -o wide -l k8s-app=aws-node, then its logs"


@attrs.frozen
class Cause:
    """A cause.

    Attributes:
        name: the id of the finding, without `no-address-`.
        message: what goes before is: the pod got no address, because.
    """

    name: str
    message: str
    suggestion: str
    sources: tuple[Source, ...] = ()


def cause_of(node: NodeCase, messages: Iterable[str], failed_ns: int | None) -> Cause:
    """Tell why pods of a node got no address.

    Args:
        node: the node.
        messages: those of the events about these pods.
        failed_ns: when the last one got none; None for the time at which the datastore was read.
    """
    settings = None if node.settings is None else node.settings.value
    pool = pool_counts(node, failed_ns)
    down = _down(messages)
    if pool is None or not pool.free:
        denied = _denied(node)
        if denied is not None:
            return denied
        if down:
            return Cause("ipamd-down", down, _LOOK_AT_AWS_NODE)
    if pool is None:
        return _not_enough(node)
    if pool.free:
        free = f"{counted(pool.free, 'address is', 'addresses are')} free now, {number(pool.held)} of {number(pool.total)} held"
        look = _LOOK_AT_AWS_NODE if down else "look at the CNI plugin's log (/var/log/aws-routed-eni/plugin.log)"
        return Cause(
            "passing",
            f"{down}, but {free}" if down else free,
            f"wait: the kubelet tries again; if it fails still, {look}",
            _files(node),
        )
    return _empty(node, pool, settings, node.survey)


def branch_cause_of(node: NodeCase, events: Iterable[Fact[EventObject]]) -> Cause:
    """Tell why pods with security groups of their own got no address.

    Args:
        node: the node.
        events: those about these pods.
    """
    told = next((event for event in events if event.value.reason in BRANCH_ENI_FAILED), None)
    if told is not None:
        message = f"the VPC resource controller gave it no branch ENI: {shortened(told.value.message)}"
        return Cause("no-branch-eni", message, "mend what this error names; the controller then tries again", (told.source,))
    types = {fact.value.interface_type for fact in node.network_interfaces}
    if node.shows_all_enis and "trunk" not in types:
        suggestion = (
            "check that the type takes a trunk, that an ENI is left for it, and that the cluster's role has AmazonEKSVPCResourceController"
        )
        return Cause("no-branch-eni", "the node has no trunk ENI, so it has no branch ENIs either", suggestion, node.sources)
    message = "the VPC resource controller has not given it a branch ENI yet"
    return Cause("no-branch-eni", message, "look at the events of the pod and at the CNINode of the node, which the controller fills")


def _down(messages: Iterable[str]) -> str:
    """Tell how ipamd failed to answer at all, by the events of pods; empty if it did answer."""
    texts = [*messages]
    if any(text in message for message in texts for text in _IPAMD_SILENT):
        return "ipamd did not answer the CNI plugin"
    return "aws-node had not set up the CNI plugin" if any(_NOT_SET_UP in message for message in texts) else ""


def _empty(node: NodeCase, pool: PoolCounts, settings: Settings | None, surveyed: NodeSurvey | None) -> Cause:
    """Tell why there is no free address, and no further one."""
    if settings is not None and node.node is not None and node.node.value.cordoned and not settings.manage_enis_non_schedulable:
        return Cause(
            "cordoned",
            f"the node is cordoned, so ipamd doesn't add to its {_figures(pool)}",
            UNCORDON,
            (node.node.source,),
        )
    if settings is not None and settings.provisioning_disabled_by is not None:
        name = settings.provisioning_disabled_by
        return Cause("growth-off", f"{name} keeps ipamd from adding to its {_figures(pool)}", f"set {name} to false", _files(node))
    if surveyed is None or settings is None:
        return _cooling(node, pool) if pool.cooling else _not_enough(node)
    refusals = [each for card in surveyed.cards for each in refusals_of(surveyed, card)]
    if not refusals:
        return _at_limit(node, pool, surveyed)
    if all(refusals):
        return _refused(node, pool, surveyed, dict.fromkeys(filter(None, refusals)))
    refused = _refused_by_ec2(node, pool)
    if refused is not None or pool.cooling:
        return refused or _cooling(node, pool)
    growths = [card.growth for card in surveyed.cards if card.growth is not None]
    if not surveyed.new_eni_subnets and all(each.new_eni_slots and not each.requests for each in growths):
        return Cause(
            "unexplained",
            f"the node has {_figures(pool)}, and asks for a further ENI in a subnet that was not read: that of its ENIConfig, for example",
            "see whether that subnet has room: kubectl get eniconfigs -o json; aws ec2 describe-subnets",
            _files(node),
        )
    return Cause(
        "passing",
        f"the node has {_figures(pool)}, and EC2 has room for more, so it is growing or about to",
        "wait: the kubelet tries again; if it fails still, look at ipamd's log and metrics for errors of EC2",
        _files(node),
    )


def _at_limit(node: NodeCase, pool: PoolCounts, surveyed: NodeSurvey) -> Cause:
    """The node asks for nothing more."""
    card = next((card for card in surveyed.cards if card.trunk_expected and card.eni_count < card.eni_limit), None)
    if card is not None:
        return Cause(
            "trunk-reserve",
            f"the node has {_figures(pool)} on {card.eni_count} of {counted(card.eni_limit, 'ENI')}, and keeps the last for a trunk",
            "check that the VPC resource controller runs, so that it creates the trunk; or set ENABLE_POD_ENI to false",
            node.sources,
        )
    if pool.cooling:
        return _cooling(node, pool)
    limit, most = surveyed.address_limit, surveyed.max_pods
    if pool.total >= most:
        reason = f"that is its max-pods, {most}, at which ipamd stops"
        suggestion = "host-network pods need no address: look for pods beyond max-pods, and for addresses that no pod holds"
    else:
        reason = f"its type, its settings and its subnets allow {number(limit)}, but its max-pods is {most}"
        suggestion = (
            f"lower max-pods to {limit + 2} (2 pods are on the host network){more_addresses(surveyed.node.limits, surveyed.settings)}"
        )
    return Cause("all-held", f"the node has {_figures(pool)}; {reason}", suggestion, _files(node))


def _refused(node: NodeCase, pool: PoolCounts, surveyed: NodeSurvey, reasons: Iterable[str]) -> Cause:
    prefix = surveyed.mode is AddressMode.PREFIX
    suggestion = f"free addresses, or {OTHER_SUBNET[surveyed.settings.custom_network_cfg]}"
    if prefix:
        suggestion += f", or {RESERVE_PREFIXES}"
    message = f"the node has {_figures(pool)}, and can't grow: {'; '.join(reasons)}"
    return Cause("no-prefix" if prefix else "subnet-full", message, suggestion, node.sources)


def _refused_by_ec2(node: NodeCase, pool: PoolCounts) -> Cause | None:
    """Tell which error EC2 answers with, by ipamd's metrics."""
    errors = [
        (labels.get("api", ""), labels.get("error", ""), fact)
        for fact in node.metrics
        for labels in (dict(fact.value.labels),)
        if fact.value.name == API_ERRORS and fact.value.value and labels.get("api") in _GROWING
    ]
    if not errors:
        return None
    api, code, fact = max(errors, key=lambda each: each[2].value.value or 0)
    name = "no-prefix" if code in _NO_PREFIX else "subnet-full" if code in _FULL else "ec2-refuses"
    times = counted(int(fact.value.value or 0), "time")
    message = f"the node has {_figures(pool)}, and EC2 answered {api} with {code} ({times} since ipamd started)"
    return Cause(name, message, "look at ipamd's log for EC2's message", (fact.source,))


def _cooling(node: NodeCase, pool: PoolCounts) -> Cause:
    wait = f"; the next one in {seconds_text(pool.wait_ns)} s" if pool.wait_ns else ""
    return Cause(
        "cooling",
        f"the node had {_figures(pool)}{wait}",
        RAISE_WARM_TARGET,
        _files(node),
    )


def _denied(node: NodeCase) -> Cause | None:
    """Tell which call ipamd may not make, by its event or by its metrics."""
    for event in node.events:
        if event.value.reason == _NO_PERMISSION:
            words = [word for word in event.value.message.replace(",", " ").split() if word.startswith("ec2:")]
            call = words[0] if words else "EC2"
            return Cause("permission", f"ipamd may not call {call} (event {_NO_PERMISSION})", ALLOW_CALLS, (event.source,))
    for fact in node.metrics:
        labels = dict(fact.value.labels)
        denied = labels.get("error") == ErrorCode.UNAUTHORIZED and labels.get("api") in _GROWING
        if fact.value.name == API_ERRORS and denied and fact.value.value:
            return Cause("permission", f"ipamd may not call ec2:{labels['api']} (by its metrics)", ALLOW_CALLS, (fact.source,))
    return None


def _not_enough(node: NodeCase) -> Cause:
    missing = [need.missing for need in (IPAMD_ENIS, EC2_ENIS, INSTANCE, SETTINGS, SURVEY) if not need.is_met(node)]
    what = " and ".join(each.what for each in missing) or "the end of /v1/enis, which is cut off"
    return Cause("unexplained", f"not enough was read to tell why: {what} are missing", f"add {'; '.join(each.how for each in missing)}")


def _figures(pool: PoolCounts) -> str:
    """Write the counts of a pool without a free address."""
    if not pool.total:
        return "no addresses"
    told = f"{counted(pool.total, 'address', 'addresses')}, {number(pool.held)} of them held"
    return told + (f" and {number(pool.cooling)} cooling" if pool.cooling else "")


def _files(node: NodeCase) -> tuple[Source, ...]:
    """Where ipamd's ENIs were read; each file once."""
    return tuple({fact.source.file: fact.source for fact in node.enis}.values())
