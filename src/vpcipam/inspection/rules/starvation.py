"""The rule about pools in which all free addresses cool."""

from collections.abc import Iterator

from vpcipam._units import number, seconds_text
from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.ipamd_pool import ipamd_pool
from vpcipam.inspection.log.line import time_ns
from vpcipam.inspection.pool_counts import pool_counts
from vpcipam.inspection.rules.advice import RAISE_WARM_TARGET
from vpcipam.inspection.rules.max_pods import MAX_PODS
from vpcipam.inspection.rules.rule import INSTANCE, IPAMD, IPAMD_ENIS, READ_SETTINGS, Rule, RuleEntry
from vpcipam.inspection.verification import date_text
from vpcipam.warmpool import grow

_SIGN = "all-free-cool"


def check_cooling(node: NodeCase) -> Iterator[Finding]:
    """Cooling addresses count as available, so a pool can starve without growing (docs/ipamd.md, "Cooldown", "Known faults", 8).

    It is a note: ipamd works so, the state passes within a cooldown, and no pod may come. `no-address-cooling` tells of pods that wait.
    """
    at_ns = max((time_ns(event.value.last_seen) or 0 for event in node.events), default=0)
    counts, pool = pool_counts(node, at_ns), ipamd_pool(node)
    if counts is None or pool is None or node.settings is None or counts.free or not counts.cooling:
        return
    wanted = grow(pool.view, node.settings.value)
    if wanted is not None and not wanted.blocked:
        return
    message = f"had no address for a further pod at {date_text(max(node.latest_ns, at_ns))}, the latest time that was read: "
    message += f"{number(counts.held)} were held and {number(counts.cooling)} cooled, "
    message += f"the first for another {seconds_text(counts.wait_ns)} s, and ipamd asks for no more"
    logged = sum(fact.value.count for fact in node.log_signs if fact.value.kind == _SIGN)
    message += f". By its log, that was so {logged} times" if logged else ""
    suggestion = f"if pods end and start often, {RAISE_WARM_TARGET}"
    sources = (node.enis[0].source, *(fact.source for fact in node.log_signs if fact.value.kind == _SIGN))
    yield Finding("all-free-cool", Severity.NOTE, node.name, message, suggestion, node.name, sources)


RULES = (
    Rule(
        check_cooling,
        (
            RuleEntry(
                "all-free-cool",
                "each address of a node is held or cools, and its targets ask for no more",
                "A pod that comes now has to wait for the end of a cooldown.",
                f"{IPAMD}#cooldown",
                Severity.NOTE,
            ),
        ),
        (IPAMD_ENIS, INSTANCE, READ_SETTINGS, MAX_PODS),
    ),
)
