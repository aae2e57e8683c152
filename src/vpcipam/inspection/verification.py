"""What came out of verifying logs, and the record from which violations are explained."""

import enum
from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from vpcipam._units import NS_PER_S
from vpcipam.contracts import (
    AssignReturned,
    Breach,
    ContractEvent,
    ContractState,
    CountsReported,
    Crashed,
    Gap,
    IpAddress,
    Promise,
    RangeAdded,
    Restarted,
    UnassignReturned,
    address_number,
)
from vpcipam.errors import LogError
from vpcipam.inspection.log.reader import SkippedLine

MOST_VIOLATIONS = 100
MOST_MOMENTS = 500
MOST_HELD = 100_000
MOST_RANGES = 4_096
_STEPS_PER_SUBJECT = 5
_MOST_SUBJECTS = 20_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def date_text(now_ns: int) -> str:
    """Write a Unix time as a date, with milliseconds.

    >>> date_text(1_634_754_738_997_000_000)
    '2021-10-20T18:32:18.997Z'
    """
    try:
        date = _EPOCH + timedelta(microseconds=now_ns // 1_000)
    except OverflowError:
        return f"{now_ns // NS_PER_S} s"
    return date.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Answer(enum.StrEnum):
    """What verifying a log can answer."""

    BROKEN = "broken"
    """A promise is broken."""
    KEPT = "kept"
    """There were assigns to check, and no promise is broken by what the log shows."""
    NOT_ENOUGH = "not enough"
    """The log has nothing by which the promises could be checked."""


@attrs.frozen
class Place:
    """A line of a log.

    Attributes:
        source: the name of the log.
        line: the number of the line, from 1.
    """

    source: str
    line: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line}"


@attrs.frozen
class Step:
    """An event that led to a violation: where, when (Unix nanoseconds) and what."""

    place: Place
    now_ns: int
    text: str


@attrs.frozen
class LogViolation:
    """A broken promise.

    Attributes:
        promise: which one.
        message: what is wrong, in one line.
        steps: the last events about the address, the sandbox or the ENI, in their order. The last one breaks the promise.
    """

    promise: Promise
    message: str
    steps: tuple[Step, ...]

    @property
    def place(self) -> Place:
        """The line that breaks the promise."""
        return self.steps[-1].place


@attrs.frozen
class Moment:
    """Something that matters in the life of a node.

    Attributes:
        text: what.
        count: how many times, one after the other.
    """

    place: Place
    now_ns: int
    text: str
    count: int = 1


@attrs.frozen
class Restart:
    """A start of the daemon that the log shows.

    Attributes:
        version: of the daemon.
        restored_count: the sandboxes that had their addresses again.
        missing_count: the sandboxes that had held one before and did not have it again.
    """

    place: Place
    now_ns: int
    version: str
    restored_count: int
    missing_count: int


@attrs.frozen(kw_only=True)
class SourceReport:
    """What was read of one log.

    Attributes:
        name: its name.
        kind: `ipamd.log`, `plugin.log` or `events`.
        line_count: the number of lines.
        found_count: how many of them could be read.
        skipped: the first places that were skipped.
        skipped_count: how many were.
        first_ns: the time of the first line with one, in Unix nanoseconds; None if there is none.
        last_ns: the time of the last line with one.
        trouble: why it could not be read to its end, empty if it could.
    """

    name: str
    kind: str
    line_count: int
    found_count: int
    skipped: tuple[SkippedLine, ...]
    skipped_count: int
    first_ns: int | None
    last_ns: int | None
    trouble: str


@attrs.frozen
class PluginFailure:
    """A failure that the plugin wrote about.

    Attributes:
        wording: its text, with `{fields}`.
        releases: those that write it.
        count: how many times.
        error: the last error, empty if the line has none.
    """

    wording: str
    releases: str
    count: int
    error: str


@attrs.frozen
class LostDelete:
    """A sandbox that was deleted without ipamd, which holds its address at the end of its log.

    Attributes:
        place: the line at which the plugin was asked to delete it.
        now_ns: when, in Unix nanoseconds.
        container: its container id.
        address: what ipamd holds for it.
    """

    place: Place
    now_ns: int
    container: str
    address: str


@attrs.frozen(kw_only=True)
class PluginCalls:
    """What the plugin.log files tell.

    Attributes:
        add_count: how many sandboxes the container runtime wanted set up.
        delete_count: how many it wanted deleted. It often asks several times for one.
        answer_count: how many sandboxes got addresses.
        compared_count: how many of these ipamd.log has too.
        addresses_by_card: how many addresses were compared of each network card, as far as ipamd.log names cards.
        failures: what failed, by wording.
        lost_deletes: the first 100 sandboxes that were deleted without ipamd.
        lost_delete_count: how many there are.
    """

    add_count: int
    delete_count: int
    answer_count: int
    compared_count: int
    addresses_by_card: Mapping[int, int]
    failures: tuple[PluginFailure, ...]
    lost_deletes: tuple[LostDelete, ...]
    lost_delete_count: int


@attrs.frozen(kw_only=True)
class Verification:
    """The result of verifying logs.

    Attributes:
        answer: in a word.
        violations: the first 100 broken promises.
        violation_count: how many there are.
        sources: what was read.
        counts: how many lines or events there are of each kind.
        releases: the versions that the log names, and the releases that its wordings imply.
        restarts: the starts that the log shows.
        ec2_errors: how often each error code of EC2 occurs.
        unseen: what the logs can't show, a sentence each.
        timeline: the life of the node.
        plugin: what plugin.log tells; None without one.
    """

    answer: Answer
    violations: tuple[LogViolation, ...]
    violation_count: int
    sources: tuple[SourceReport, ...]
    counts: Mapping[str, int]
    releases: tuple[str, ...]
    restarts: tuple[Restart, ...]
    ec2_errors: Mapping[str, int]
    unseen: tuple[str, ...]
    timeline: tuple[Moment, ...]
    plugin: PluginCalls | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return values that JSON can hold."""
        return attrs.asdict(self)


def refuse_many(held_count: int) -> None:
    """Refuse a log of more sandboxes than a node can have, so that the memory stays constant.

    Raises:
        LogError: there are more than 100,000.
    """
    if held_count > MOST_HELD:
        raise LogError(f"more than {MOST_HELD:,} sandboxes hold an address at once: no node has as many; give the log of one node")


_Entry = tuple[int, tuple[str, int], ContractEvent]


class Findings:
    """What is found in logs.

    Attributes:
        violations: the first 100.
        violation_count: how many there are.
        timeline: the first 500 moments.
    """

    def __init__(self) -> None:
        self.violations: list[LogViolation] = []
        self.violation_count = 0
        self.timeline: list[Moment] = []

    def add(self, promise: Promise, message: str, steps: tuple[Step, ...]) -> None:
        """Add a violation."""
        self.violation_count += 1
        self.note_moment(steps[-1].place, steps[-1].now_ns, f"{promise} broken: {message}")
        if len(self.violations) < MOST_VIOLATIONS:
            self.violations.append(LogViolation(promise, message, steps))

    def note_moment(self, place: Place, now_ns: int, text: str) -> None:
        """Add to the timeline. The same thing again only counts."""
        if self.timeline and self.timeline[-1].text == text:
            last = self.timeline[-1]
            self.timeline[-1] = attrs.evolve(last, count=last.count + 1)
        elif len(self.timeline) < MOST_MOMENTS:
            self.timeline.append(Moment(place, now_ns, text))


class Record(Findings):
    """Feeds a `ContractState`, and keeps the last few events about each address, sandbox and ENI, to explain violations."""

    def __init__(self, state: ContractState) -> None:
        super().__init__()
        self.state = state
        self.now_ns = 0
        self._steps: dict[object, tuple[_Entry, ...]] = {}
        self._restarts: deque[_Entry] = deque(maxlen=_STEPS_PER_SUBJECT)
        self._number = 0
        self._next_check = 1_000

    def take(self, source: str, line: int, event: ContractEvent) -> None:
        """Feed an event, and note what it breaks.

        Raises:
            LogError: the log tells of more sandboxes or CIDRs than a node can have.
        """
        self._number += 1
        self.now_ns = event.now_ns
        entry = self._number, (source, line), event
        kind = type(event)
        if isinstance(event, (AssignReturned, UnassignReturned)):
            steps = self._steps
            address = event.address or self.state.held.get(event.key)
            for name in (event.key, None if address is None else address_number(address)):
                before = steps.get(name)
                steps[name] = (entry,) if before is None else (*before[-_STEPS_PER_SUBJECT:], entry)
        elif kind is Crashed or kind is Restarted or kind is Gap:
            self._restarts.append(entry)
        elif kind is not CountsReported and (eni_id := getattr(event, "eni_id", None)) is not None:
            self._steps[eni_id] = (*self._steps.get(eni_id, ())[-_STEPS_PER_SUBJECT:], entry)
        if kind is RangeAdded and len(self.state.ranges) >= MOST_RANGES:
            raise LogError(f"more than {MOST_RANGES:,} CIDRs at once: no node has as many; give the log of one node")
        breaches = self.state.take(event)
        if breaches:
            for breach in breaches:
                self._note(breach, entry)
        if self._number >= self._next_check:
            self._bound(event.now_ns)

    def _bound(self, now_ns: int) -> None:
        """Keep the memory constant: forget what is no longer needed, and refuse what no node has."""
        self._next_check = self._number + 1_000
        state = self.state
        refuse_many(len(state.held))
        if state.cooling_count > MOST_HELD:
            state.forget_cooled(now_ns)
        if len(self._steps) > _MOST_SUBJECTS:
            for subject in [*self._steps][: _MOST_SUBJECTS // 2]:
                del self._steps[subject]

    def _note(self, breach: Breach, last: _Entry) -> None:
        is_kept = len(self.violations) < MOST_VIOLATIONS  # the steps to the others would only take time
        entries = [*(self._about(breach.subjects) if is_kept else ()), last]
        first = entries[0][0]
        entries += [entry for entry in self._restarts if entry[0] > first]
        unique = {entry[0]: entry for entry in entries}
        self.add(breach.promise, breach.message, tuple(_step(unique[number]) for number in sorted(unique)))

    def _about(self, subjects: Iterable[Hashable]) -> list[_Entry]:
        found = {entry[0]: entry for subject in subjects for entry in self._steps.get(_name(subject), ())}
        return [found[number] for number in sorted(found)]


def _name(subject: Hashable) -> Hashable:
    """Return the key of a subject's steps. An address is kept as a number, whose hash is faster."""
    return address_number(subject) if isinstance(subject, IpAddress) else subject


def _step(entry: _Entry) -> Step:
    source, line = entry[1]
    event = entry[2]
    text = f"restarted with {len(event.held)} sandboxes" if isinstance(event, Restarted) else str(event)
    return Step(Place(source, line), event.now_ns, text[:300])
