"""Rules about counters of ipamd that contradict themselves."""

from collections.abc import Iterable, Iterator

from vpcipam._units import counted, number
from vpcipam.address import Cidr
from vpcipam.inspection.cluster import ClusterCase, NodeCase
from vpcipam.inspection.evidence import CardState, EniState, Fact
from vpcipam.inspection.finding import Finding, Missing, Severity
from vpcipam.inspection.rules.rule import INSPECTING, METRICS, Need, Rule, RuleEntry

_PAGE = f"{INSPECTING}#counters"
_RESTART = "restart aws-node on the node: it counts anew from EC2 and its checkpoint (docs/ipamd.md, Known faults, 4 and 13)"
_TOTAL, _ASSIGNED = "awscni_total_ip_addresses", "awscni_assigned_ip_addresses"
_FORCED = ("awscni_force_removed_enis", "awscni_force_removed_ips")

COUNTS: Need[ClusterCase] = Need(
    Missing("ipamd's ENIs with its counts", "curl http://localhost:61679/v1/enis on the node"), lambda case: bool(case.evidence.cards)
)


def check_counts(case: ClusterCase) -> Iterator[Finding]:
    """TotalIPs and AssignedIPs count the addresses beside them (docs/ipamd.md, "Known faults", 4 and 13).

    ipamd copies counts and ENIs under one lock, so there is no tolerance. Releases differ in whether CIDRs of the mode that is off, and
    those on excluded ENIs, count: any of these sums is right. A document of which a part was skipped or is cut off is left out.
    """
    partial = {each.source.file for each in case.evidence.skipped}
    for node in case.nodes:
        for card in node.cards:
            of_card = [fact for fact in node.enis if fact.source.file == card.source.file]
            enis = [fact.value for fact in of_card if fact.value.network_card == card.value.network_card]
            if card.source.file in partial or any(eni.cut or _has_ipv6(eni) for eni in enis):
                continue
            yield from _compare(node, card, enis)


def _has_ipv6(eni: EniState) -> bool:
    return any(Cidr.parse(each.cidr).version != 4 for each in eni.cidrs)


def _compare(node: NodeCase, card: Fact[CardState], enis: list[EniState]) -> Iterator[Finding]:
    usable = [eni for eni in enis if not eni.excluded]
    where = node.name if card.value.network_card is None else f"card {card.value.network_card}"
    totals, held = _sums(enis) + _sums(usable), _held(enis) + _held(usable)
    for name, shown, sums in (("TotalIPs", card.value.total_count, totals), ("AssignedIPs", card.value.assigned_count, held)):
        if shown is not None and shown not in sums:
            message = f"has {name} {number(shown)}, but the ENIs beside it have {counted(sums[0], 'address', 'addresses')}"
            message += " that pods hold" if name == "AssignedIPs" else ""
            yield Finding("counters-contradict", Severity.FINDING, where, message, _RESTART, node.name, (card.source,))


def _sums(enis: Iterable[EniState]) -> list[int]:
    """The addresses of all CIDRs; if there are both prefixes and secondary IPs, those of each kind too."""
    return _by_kind((each.is_prefix, Cidr.parse(each.cidr).size) for eni in enis for each in eni.cidrs)


def _held(enis: Iterable[EniState]) -> list[int]:
    """The held addresses, likewise."""
    return _by_kind((each.is_prefix, sum(state.held for state in each.addresses)) for eni in enis for each in eni.cidrs)


def _by_kind(counts: Iterable[tuple[bool, int]]) -> list[int]:
    found: dict[bool, int] = {}
    for kind, count in counts:
        found[kind] = found.get(kind, 0) + count
    return [sum(found.values()), *(found.values() if len(found) > 1 else ())]


def check_metrics(node: NodeCase) -> Iterator[Finding]:
    """Pods hold no more addresses than there are, and a total is not negative (docs/ipamd.md, "Prometheus metrics", "Known faults", 4).

    A scrape is no snapshot, and `/v1/enis` is read at another instant, in which pods and ENIs can have come and gone. So only what no
    order of reads can explain is a finding. Another total than in `/v1/enis` is a note, if the metrics also tell of a forced removal,
    after which ipamd's total is known to be wrong.
    """
    for file in dict.fromkeys(fact.source.file for fact in node.metrics):
        samples = {fact.value.name: fact for fact in node.metrics if fact.source.file == file and not fact.value.labels}
        values = {name: fact.value.value for name, fact in samples.items() if fact.value.value is not None}
        total, assigned = values.get(_TOTAL), values.get(_ASSIGNED)
        if total is None:
            continue
        sources = (samples[_TOTAL].source,)
        shown = sum(card.value.total_count or 0 for card in node.cards)
        removed = sum(values.get(name, 0) for name in _FORCED)
        if total < 0 or (assigned is not None and assigned > total):
            held = "" if assigned is None else f", and {_ASSIGNED} {assigned:g}"
            message = f"has {_TOTAL} {total:g}{held}: pods can't hold more addresses than there are"
            yield Finding("metrics-contradict", Severity.FINDING, node.name, message, _RESTART, node.name, sources)
        elif removed and node.cards and total != shown:
            message = f"has {_TOTAL} {total:g}, and {shown} in /v1/enis. The files are of different instants, but ipamd has also lost "
            message += f"{removed:g} ENIs or addresses in use since its start, and counts wrong after that"
            yield Finding("counters-apart", Severity.NOTE, node.name, message, _RESTART, node.name, sources)


_CONTRADICT = RuleEntry(
    "counters-contradict",
    "a count of ipamd's contradicts the addresses that it lists, or another count",
    "ipamd decides by these counts when to grow and to shrink, and alarms depend on them.",
    _PAGE,
)
CLUSTER_RULES = (Rule(check_counts, (_CONTRADICT,), (COUNTS,)),)
RULES = (
    Rule(
        check_metrics,
        (
            RuleEntry(
                "metrics-contradict",
                "by ipamd's metrics, pods hold more addresses than there are",
                "Alarms depend on these metrics.",
                _PAGE,
            ),
            RuleEntry(
                "counters-apart",
                "metrics and `/v1/enis` have different totals, and ipamd has lost ENIs or addresses in use",
                "Alarms depend on these metrics.",
                _PAGE,
                Severity.NOTE,
            ),
        ),
        (METRICS,),
    ),
)
