"""The files of ipamd, grouped by the node that wrote them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from vpcipam.inspection.evidence import CardState, EniState, Evidence, Fact, HeldAddress, KernelState, MetricSample, NodePod
from vpcipam.inspection.log.signs import LogSign
from vpcipam.inspection.readers.ipam_json import KIND as CHECKPOINT
from vpcipam.inspection.readers.logs import KIND as LOG
from vpcipam.journal.protocol import Assigned

_KINDS = ("enis", "cards", "allocations", "node_pods", "metrics", "log_signs", "kernel_states")
_CLUES_OF_METRICS = ("eni", "cidr")


@attrs.frozen(kw_only=True)
class IpamdFiles:
    """What the files of one node's ipamd show.

    Attributes:
        bundle: the folder or archive of these files, empty for files that are given by themselves.
        place: the number of the node that their ENIs and addresses belong to; None if that is not known.
        checkpoint_count: how many of them are checkpoints.
        has_log: one of them is ipamd's log.
        latest_ns: the latest time in them; 0 if there is none.
    """

    bundle: str = ""
    place: int | None = None
    enis: tuple[Fact[EniState], ...] = ()
    cards: tuple[Fact[CardState], ...] = ()
    allocations: tuple[Fact[Assigned], ...] = ()
    node_pods: tuple[Fact[NodePod], ...] = ()
    metrics: tuple[Fact[MetricSample], ...] = ()
    log_signs: tuple[Fact[LogSign], ...] = ()
    kernel_states: tuple[Fact[KernelState], ...] = ()
    held: tuple[HeldAddress, ...] = ()
    checkpoint_count: int = 0
    has_log: bool = False
    latest_ns: int = 0


def ipamd_files(evidence: Evidence, by_clue: Mapping[str, int]) -> Iterator[IpamdFiles]:
    """Group the files of ipamd: each bundle is one node; files that are given by themselves are one node, unless they show several.

    Args:
        evidence: what was read.
        by_clue: the numbers of nodes by their ENI ids, addresses and prefixes.
    """
    units: dict[tuple[str, str], dict[str, list[Fact[Any]]]] = {}
    for kind in _KINDS:
        for fact in getattr(evidence, kind):
            source = fact.source
            facts = units.setdefault((source.bundle, "" if source.bundle else source.file), {})
            facts.setdefault(kind, []).append(fact)
    documents: dict[tuple[str, str], Counter[str]] = {}
    for each in evidence.documents:
        if each.kind in (CHECKPOINT, LOG):  # which can be without a fact
            unit = (each.source.bundle, "" if each.source.bundle else each.source.file)
            documents.setdefault(unit, Counter())[each.kind] += each.count
    for unit in sorted(documents):
        units.setdefault(unit, {})
    clues = {unit: list(_clues(by_kind)) for unit, by_kind in units.items()}
    places = {unit: _place(clues[unit], by_clue) for unit in units}
    known = {place for (bundle, _), place in places.items() if not bundle and place is not None}
    groups: dict[tuple[str, int | None], list[tuple[str, str]]] = {}
    for unit, place in places.items():
        only = next(iter(known)) if len(known) == 1 and not unit[0] and not clues[unit] else place  # such as the output of sysctl
        groups.setdefault((unit[0], only), []).append(unit)
    for (bundle, place), members in groups.items():
        kinds: dict[str, Any] = {kind: tuple(fact for unit in members for fact in units[unit].get(kind, ())) for kind in _KINDS}
        files = IpamdFiles(bundle=bundle, place=place, **kinds)
        own = Evidence(enis=files.enis, allocations=files.allocations)
        read = sum((documents.get(unit, Counter()) for unit in members), Counter())
        yield attrs.evolve(
            files, held=own.held_addresses(), checkpoint_count=read[CHECKPOINT], has_log=read[LOG] > 0, latest_ns=_latest_ns(files)
        )


def _place(clues: Iterable[str], by_clue: Mapping[str, int]) -> int | None:
    """Return the node to which most clues lead; a single one may be old."""
    votes = Counter(by_clue[clue] for clue in clues if clue in by_clue)
    return max(votes, key=votes.__getitem__, default=None)


def _clues(facts: dict[str, list[Fact[Any]]]) -> Iterator[str]:
    """Yield ENI ids, addresses and prefixes."""
    for eni in facts.get("enis", ()):
        yield eni.value.eni_id
    for each in (*facts.get("allocations", ()), *facts.get("node_pods", ())):
        yield each.value.address
    for eni in facts.get("enis", ()):
        yield from (state.address for state in eni.value.held)
        yield from (cidr.cidr.removesuffix("/32") for cidr in eni.value.cidrs)
    for sample in facts.get("metrics", ()):
        yield from (text.removesuffix("/32") for name, text in sample.value.labels if name in _CLUES_OF_METRICS)
    for state in facts.get("kernel_states", ()):
        yield from state.value.addresses


def _latest_ns(files: IpamdFiles) -> int:
    states = [each for eni in files.enis for cidr in eni.value.cidrs for each in cidr.addresses]
    times = [*(each.assigned_ns for each in states), *(each.unassigned_ns for each in states)]
    return max(filter(None, (*times, *(each.value.assigned_ns for each in files.allocations))), default=0)
