"""Facts that were read twice, as of two instants: only the later state is that of the node."""

from collections.abc import Sequence

import attrs

from vpcipam.inspection.evidence import CardState, EniState, Evidence, Fact, Skipped, Source


@attrs.frozen
class _Datastore:
    """The datastore of a network card, as one document shows it."""

    card: Fact[CardState]
    enis: tuple[Fact[EniState], ...]

    @property
    def places(self) -> set[tuple[str, int | None, str]]:
        """Where its ENIs are. Two datastores with a place in common are one, as of two instants."""
        return {(self.card.source.bundle, self.card.value.network_card, eni.value.eni_id) for eni in self.enis}

    @property
    def latest_ns(self) -> int:
        """The latest time that it shows; 0 if it shows none."""
        states = (address for eni in self.enis for cidr in eni.value.cidrs for address in cidr.addresses)
        return max((each or 0 for state in states for each in (state.assigned_ns, state.unassigned_ns)), default=0)


def without_older(evidence: Evidence, eni_counts: Sequence[int]) -> Evidence:
    """Leave out the datastores and pods that a later state replaces.

    The later datastore is the one with later times; among equals, and among pods, it is the one that was read last.

    Args:
        evidence: what was read.
        eni_counts: how many of its `enis` belong to each of its `cards`, in their order.
    """
    datastores, skipped = _latest_datastores(evidence, eni_counts)
    latest = {fact.value.pod: fact for fact in evidence.pods}
    pods = tuple(fact for fact in evidence.pods if fact is latest[fact.value.pod] or not fact.value.pod.name)
    older = set[Source]() if len(pods) == len(evidence.pods) else {each.source for each in evidence.pods} - {each.source for each in pods}
    return attrs.evolve(
        evidence,
        cards=tuple(each.card for each in datastores),
        enis=tuple(eni for each in datastores for eni in each.enis),
        pods=pods,
        settings=tuple(fact for fact in evidence.settings if fact.source not in older),
        skipped=(*evidence.skipped, *skipped),
    )


def _latest_datastores(evidence: Evidence, eni_counts: Sequence[int]) -> tuple[list[_Datastore], list[Skipped]]:
    enis = iter(evidence.enis)
    kept: dict[int, _Datastore] = {}
    by_place: dict[tuple[str, int | None, str], int] = {}
    skipped = []
    for number, (card, count) in enumerate(zip(evidence.cards, eni_counts, strict=True)):
        read = _Datastore(card, tuple(next(enis) for _ in range(count)))
        known = sorted({by_place[place] for place in read.places if by_place.get(place) in kept})
        newer = next((kept[each] for each in known if kept[each].latest_ns > read.latest_ns), None)
        if newer is None:
            skipped += [_older(kept.pop(each), read) for each in known]
            kept[number] = read
            by_place |= dict.fromkeys(read.places, number)
        else:
            skipped.append(_older(read, newer))
    return [*kept.values()], skipped


def _older(older: _Datastore, newer: _Datastore) -> Skipped:
    return Skipped(older.card.source, "ipamd's ENIs", f"are there again as of a later instant, in {newer.card.source}; those count")
