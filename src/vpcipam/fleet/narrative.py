"""The noteworthy events of a run: when a problem began, how long it lasted, how bad it was."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import attrs

from vpcipam._units import MINUTE_NS, span
from vpcipam.fleet.samples import FleetSample, SubnetSample, clock
from vpcipam.fleet.summary import totals, worst_minute

SHORTEST_GAP_NS = 10 * MINUTE_NS
MOST_PERIODS = 8
"""The most events of one kind on one subject. If there would be more, events further apart are merged too."""


@attrs.frozen
class FleetEvent:
    """A noteworthy event.

    Attributes:
        time_ns: since the start of the scenario.
        until_ns: when it ended, the end of the scenario if it did not; `time_ns` for an event without duration.
        subject: a subnet, a group of nodes, a node, or `fleet`.
        kind: `no-prefix`, `no-address`, `pods-wait`, `pods-pend`, `throttling`, `peak`, or `note` for a message of the event loop.
        text: for people.
    """

    time_ns: int
    until_ns: int
    subject: str
    kind: str
    text: str

    def __str__(self) -> str:
        """Write it as a line."""
        return f"{clock(self.time_ns)} {self.subject}: {self.text}"


@attrs.frozen
class Period:
    """Consecutive samples in which a condition held, apart from gaps too short to count.

    Attributes:
        first: the index of its first sample.
        stop: the index of the first sample after it; None if it lasts to the end.
        broken: whether it has gaps.
    """

    first: int
    stop: int | None
    broken: bool


def periods(times_ns: Sequence[int], flags: Sequence[bool], gap_ns: int) -> Iterator[Period]:
    """Find the periods in which a flag is set. Two periods less than `gap_ns` apart count as one.

    >>> [(each.first, each.stop) for each in periods(range(7), [True, False, True, False, False, False, True], 2)]
    [(0, 3), (6, None)]
    """
    first = stop = None
    broken = False
    for place, now in enumerate(flags):
        if not now:
            if first is not None and stop is None:
                stop = place
        elif first is None:
            first = place
        elif stop is not None:
            if times_ns[place] - times_ns[stop] < gap_ns:
                stop, broken = None, True
            else:
                yield Period(first, stop, broken)
                first, stop, broken = place, None, False
    if first is not None:
        yield Period(first, stop, broken)


class Notes:
    """Collects messages of the event loop. A repeated message becomes one event."""

    def __init__(self) -> None:
        self._open: dict[str, _Note] = {}

    def add(self, time_ns: int, subject: str, text: str) -> None:
        """Add a message. Messages must come in the order of their times."""
        note = self._open.get(text)
        if note is None:
            note = self._open[text] = _Note(time_ns)
        note.until_ns = time_ns
        note.count += 1
        note.subjects[subject] = None

    def events(self) -> Iterator[FleetEvent]:
        """Return one event for each text."""
        for text, note in self._open.items():
            first, *others = note.subjects
            also = f", and {len(others)} others" if len(others) > 1 else f", and {others[0]}" if others else ""
            again = f" ({note.count:,} times, the last at {clock(note.until_ns)})" if note.count > 1 else ""
            yield FleetEvent(note.time_ns, note.until_ns, f"{first}{also}", "note", f"{text}{again}")


@attrs.define
class _Note:
    """All messages with one text: the first and last time, their number, and their subjects in order."""

    time_ns: int
    until_ns: int = 0
    count: int = 0
    subjects: dict[str, None] = attrs.field(factory=dict)


class EventFinder:
    """Finds the events in samples.

    Args:
        samples: at least one.
    """

    def __init__(self, samples: Sequence[FleetSample]) -> None:
        self._samples = samples
        self._times_ns = [sample.time_ns for sample in samples]
        self._end_ns = self._times_ns[-1]

    def subnet(self, name: str, samples: Sequence[SubnetSample], *, takes_prefixes: bool) -> Iterator[FleetEvent]:
        """Find when a subnet had no free address, and, if nodes take prefixes from it, no free /28."""
        if takes_prefixes:
            yield from self._events(
                [not each.free_prefixes for each in samples],
                (name, "no-prefix"),
                lambda period, lasting: f"no /28 left {lasting}; {samples[period.first].untaken_per_cent} % of addresses free at first",
            )
        yield from self._events(
            [not each.free for each in samples],
            (name, "no-address"),
            lambda period, lasting: f"no address left {lasting}" + _but_for_reserved(samples[period.first]),
        )

    def waiting(self) -> Iterator[FleetEvent]:
        """Find when pods waited."""
        for kind, counts, what in (
            ("pods-wait", [sample.pods_waiting for sample in self._samples], "for an address"),
            ("pods-pend", [sample.pods_pending for sample in self._samples], "for a node with room"),
        ):
            yield from self._events(
                [count > 0 for count in counts],
                ("fleet", kind),
                lambda period, lasting, counts=counts, what=what: (  # type: ignore[misc]  # the counts of this round
                    f"{_at_a_time(max(counts[period.first : period.stop]))} {what}, {lasting}"
                ),
            )

    def throttling(self, throttled: Mapping[str, Sequence[int]]) -> Iterator[FleetEvent]:
        """Find when EC2 throttled calls, counted in the intervals that end with the samples."""
        counts = totals(throttled, len(self._samples))

        def text(period: Period, lasting: str) -> str:
            before = max(period.first - 1, 0)
            times_ns, those = self._times_ns[before : period.stop], [0, *counts[period.first : period.stop]]
            rate, rate_ns = worst_minute(times_ns, those[-len(times_ns) :])
            worst = f", up to {f'{rate:,.1f}'.removesuffix('.0')} a minute at {clock(rate_ns)}" if rate else ""
            return f"EC2 throttles {sum(those):,} call{'' if sum(those) == 1 else 's'} {lasting}{worst}"

        yield from self._events([count > 0 for count in counts], ("fleet", "throttling"), text)

    def peak(self, count: int, time_ns: int) -> Iterator[FleetEvent]:
        """Return the peak of attached addresses as an event."""
        if count:
            yield FleetEvent(time_ns, time_ns, "fleet", "peak", f"most pod addresses attached, {count:,}")

    def _events(self, flags: Sequence[bool], what: tuple[str, str], text: Callable[[Period, str], str]) -> Iterator[FleetEvent]:
        """Make an event for each period in which a flag is set."""
        subject, kind = what
        for period in self._periods(flags):
            begin_ns = self._times_ns[period.first]
            until_ns = self._end_ns if period.stop is None else self._times_ns[period.stop]
            if period.stop is None:
                lasting = "to the end" if period.first else "from the start to the end"
            else:
                lasting = f"for {span(until_ns - begin_ns)}"
            yield FleetEvent(begin_ns, until_ns, subject, kind, text(period, f"on and off {lasting}" if period.broken else lasting))

    def _periods(self, flags: Sequence[bool]) -> list[Period]:
        """Find at most `MOST_PERIODS` periods. If there are more, merge those with longer and longer gaps."""
        gap_ns = SHORTEST_GAP_NS
        while len(found := list(periods(self._times_ns, flags, gap_ns))) > MOST_PERIODS:
            gap_ns *= 2
        return found


def _at_a_time(most: int) -> str:
    return f"up to {most:,} pods at a time wait" if most > 1 else "a pod waits"


def _but_for_reserved(sample: SubnetSample) -> str:
    return f", but for {sample.reserved:,} reserved one{'' if sample.reserved == 1 else 's'}" if sample.reserved else ""


def by_time(events: Iterable[FleetEvent]) -> tuple[FleetEvent, ...]:
    """Sort events by their start; events that start together keep their order."""
    return tuple(sorted(events, key=lambda event: event.time_ns))
