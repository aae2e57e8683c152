"""Rules about the addresses that a node has, against those that its pods and warm targets ask for: is this normal?"""

import functools
from collections.abc import Iterator

from vpcipam._units import NS_PER_S, counted
from vpcipam.errors import NodeError
from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.evidence import Source
from vpcipam.inspection.finding import Finding, Missing, Severity
from vpcipam.inspection.ipamd_pool import IpamdPool, ipamd_pool
from vpcipam.inspection.rules.capacity import refusals_of
from vpcipam.inspection.rules.max_pods import MAX_PODS
from vpcipam.inspection.rules.rule import INSPECTING, INSTANCE, NODE_OBJECT, READ_SETTINGS, Need, Rule, RuleEntry
from vpcipam.inspection.rules.texts import age
from vpcipam.limits import InstanceLimits
from vpcipam.node.interfaces import DEFAULT_NETWORK_CARD
from vpcipam.planner import NodePlan, plan
from vpcipam.settings import Settings
from vpcipam.warmpool import free_eni, grow, shrink

_PAGE = f"{INSPECTING}#is-this-normal"
PATIENCE_NS = 300 * NS_PER_S
"""How long a surplus or a shortage must have lasted for sure. ipamd gives back every 30 s, frees an ENI after a minute, and pauses for two
minutes after EC2 was out of addresses."""
_WHERE_TO_LOOK = "look at ipamd's log, and at its metric awscni_aws_api_error_count, for errors of EC2"

_plan = functools.lru_cache(maxsize=1024)(plan)


def check_warm_targets(node: NodeCase) -> Iterator[Finding]:
    """A node has what its pods and warm targets ask for (docs/ipamd.md, "Warm targets", "Shrinking the pool", "Growing the pool").

    A reading of ipamd shows one instant, and a surplus or a shortage is legitimate for a while. It is a fault only if the times in the same
    reading prove that it has lasted. A surplus now was there since the last address was given back, since an assign only lessens it. A
    shortage now was there since the last assign. A restart of ipamd forgets when addresses were given back, so the oldest such time
    proves how long it has been running.
    """
    settings = None if node.settings is None else node.settings.value
    pool = ipamd_pool(node)
    if pool is None or settings is None or node.limits is None or node.max_pods is None or not _acts(node, settings):
        return
    asked = _planned(node.limits, pool.view.stats.assigned_count, settings, node.max_pods)
    if asked is None or not asked.settled:
        return
    sources = tuple({fact.source.file: fact.source for fact in node.enis or node.network_interfaces}.values())
    yield from _more(node, settings, pool, asked, sources)
    yield from _fewer(node, settings, pool, asked, sources)


def _acts(node: NodeCase, settings: Settings) -> bool:
    """Tell whether the node adds and frees ENIs at all."""
    cordoned = node.node is not None and node.node.value.cordoned and not settings.manage_enis_non_schedulable
    return settings.provisioning_enabled and not cordoned


def _planned(limits: InstanceLimits, pods: int, settings: Settings, max_pods: int | None) -> NodePlan | None:
    """What the node has once it has settled with these pods; None if it never could have them by these settings, or not start."""
    try:
        planned = _plan(limits, pods, settings, max_pods=max(max_pods or 1, pods + 2))
    except NodeError:
        return None
    return None if planned.pods_waiting else planned


def _more(node: NodeCase, settings: Settings, pool: IpamdPool, asked: NodePlan, sources: tuple[Source, ...]) -> Iterator[Finding]:
    view = pool.view
    surplus = shrink(view, settings)
    now_ns = max(node.latest_ns, PATIENCE_NS)  # every ENI counts as old
    decided = surplus or free_eni(view, settings, now_ns)
    lasted_ns = node.latest_ns - pool.unassigned_ns[-1] if pool.unassigned_ns else 0
    if decided is not None and lasted_ns >= PATIENCE_NS:
        message = (
            f"{_figures(pool, asked)}. ipamd should have given back what is too much ({decided.reason}), and has not for {age(lasted_ns)}"
        )
        yield Finding("more-than-targets-ask", Severity.FINDING, node.name, message, _WHERE_TO_LOOK, node.name, sources)
        return
    most = None if node.limits is None or node.max_pods is None else _most_asked(node.limits, node.max_pods, settings)
    if most is not None and view.stats.total_count > most:
        message = (
            f"{_figures(pool, asked)}. Even for {counted(node.max_pods or 0, 'pod')}, its max-pods, it asks for {most} at most: max-pods or"
            " the variables were others before, or someone else assigned the addresses"
        )
        yield Finding("more-than-ever-asked", Severity.NOTE, node.name, message, "", node.name, sources)
    elif view.stats.total_count > asked.total_ips:
        message = f"{_figures(pool, asked)}. {_why_more(pool, asked, decided=decided is not None)}"
        yield Finding("warm-pool-explained", Severity.NOTE, node.name, message, "", node.name, sources)


def _most_asked(limits: InstanceLimits, max_pods: int, settings: Settings) -> int | None:
    """The most addresses that a node ever asks for, whatever pods came and went; None if it could never have as many as max-pods.

    It grows only while it has fewer than its targets ask for, and fewer than max-pods, and then by an ENI at most.
    """
    full = _planned(limits, max_pods, settings, max_pods)
    return None if full is None else full.total_ips + max(eni.secondary_ips + 16 * eni.prefixes for eni in full.enis)


def _why_more(pool: IpamdPool, asked: NodePlan, *, decided: bool) -> str:
    if decided:
        return "It gives back addresses every 30 s, and an ENI that is a minute old and on which no address cools"
    normal = "That is normal: it had more pods before, and"
    kept = [eni for eni in pool.view.enis if eni.pod_count and not eni.primary]
    if kept and len(pool.view.enis) > asked.eni_count:
        return f"{normal} keeps {kept[-1].eni_id}, which has {counted(kept[-1].pod_count, 'pod')}"
    return f"{normal} the pods of today are spread over its prefixes, so none that is too much is empty"


def _fewer(node: NodeCase, settings: Settings, pool: IpamdPool, asked: NodePlan, sources: tuple[Source, ...]) -> Iterator[Finding]:
    wanted = grow(pool.view, settings)
    if wanted is None or wanted.blocked or node.survey is None:
        return
    refusals = [each for card in node.survey.cards if card.network_card == DEFAULT_NETWORK_CARD for each in refusals_of(node.survey, card)]
    if all(refusals):
        return
    if not node.enis:
        message = f"{_figures(pool, asked)}. It asks for more ({wanted.reason}), and its subnets have room: within seconds it has them"
        yield Finding("fewer-for-now", Severity.NOTE, node.name, message, "read again after a minute", node.name, sources)
        return
    if not pool.unassigned_ns or not pool.assigned_ns:
        return
    since_ns = max(pool.unassigned_ns[0], pool.assigned_ns[-1])
    lasted_ns = pool.unassigned_ns[-1] - since_ns
    if lasted_ns >= PATIENCE_NS:
        message = f"{_figures(pool, asked)}. ipamd should have asked for more ({wanted.reason}), and has not got it for {age(lasted_ns)}"
        yield Finding("fewer-than-targets-ask", Severity.FINDING, node.name, message, _WHERE_TO_LOOK, node.name, sources)


def _figures(pool: IpamdPool, asked: NodePlan) -> str:
    """Write what the node has, and what a settled node with as many pods has."""
    view = pool.view
    eni_count = sum(not eni.trunk for eni in view.enis)
    asked_count = sum(not eni.trunk for eni in asked.enis)
    has = f"has {counted(view.stats.total_count, 'address', 'addresses')} on {counted(eni_count, 'ENI')}"
    has += f" for {counted(view.stats.assigned_count, 'pod')}"
    return f"{has}; by its settings, {asked.total_ips} on {asked_count} would do for these pods"


POOL: Need[NodeCase] = Need(
    Missing(
        "ipamd's ENIs of the node, or EC2's ENIs and who holds addresses",
        "curl http://localhost:61679/v1/enis on the node, or aws ec2 describe-network-interfaces and /var/run/aws-node/ipam.json",
    ),
    lambda node: bool(node.enis or node.cards or (node.network_interfaces and (node.checkpoint_count or node.pods))),
)
RULES = (
    Rule(
        check_warm_targets,
        (
            RuleEntry(
                "more-than-targets-ask",
                "a node has kept more addresses than its warm targets ask for, for at least five minutes",
                "The addresses are missing from the subnet, and ipamd does not do what its settings say.",
                _PAGE,
            ),
            RuleEntry(
                "fewer-than-targets-ask",
                "a node has had fewer addresses than its warm targets ask for, for at least five minutes, though its subnets have room",
                "New pods wait for EC2, or get no address.",
                _PAGE,
            ),
            RuleEntry(
                "warm-pool-explained",
                "a node has more addresses than one that never had more pods, for a reason that is normal",
                "The addresses are missing from the subnet, and the settings allow it.",
                _PAGE,
                Severity.NOTE,
            ),
            RuleEntry(
                "more-than-ever-asked",
                "a node has more addresses than its warm targets ask for with any number of pods up to max-pods",
                "The addresses are missing from the subnet. Max-pods or the variables were others before, or someone else assigned them.",
                _PAGE,
                Severity.NOTE,
            ),
            RuleEntry(
                "fewer-for-now",
                "by files without times, a node has fewer addresses than its warm targets ask for, though its subnets have room",
                "It is usual for some seconds. If it lasts, new pods wait.",
                _PAGE,
                Severity.NOTE,
            ),
        ),
        (POOL, INSTANCE, READ_SETTINGS, MAX_PODS, NODE_OBJECT),
    ),
)
