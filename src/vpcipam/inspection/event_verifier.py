"""Replay contract events, one JSON object a line, through the rules of the contract."""

from collections import Counter
from collections.abc import Iterable

from vpcipam.contracts import AssignReturned, ContractEvent, ContractState, EniLimits, Gap
from vpcipam.errors import LogError
from vpcipam.inspection.event_lines import read_event_line
from vpcipam.inspection.log.reader import RawLines, SkipList
from vpcipam.inspection.log_verifier import DEFAULT_COOLDOWN_NS
from vpcipam.inspection.verification import Record


class EventVerifier:
    """Takes the events of an allocator in, from its beginning, and finds the promises that they break.

    Attributes:
        record: the state, the violations and the timeline.
        counts: how many events there are of each class.
        skips: the lines that are no events. Events can be missing there.
    """

    def __init__(self, *, cooldown_ns: int | None = None, limits: EniLimits | None = None) -> None:
        """Start with an allocator that has nothing. `cooldown_ns` None stands for 30 s."""
        self.record = Record(ContractState(cooldown_ns=DEFAULT_COOLDOWN_NS if cooldown_ns is None else cooldown_ns, limits=limits))
        self.counts: Counter[str] = Counter()
        self.skips = SkipList()
        self.line_count = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self.trouble = ""

    @property
    def assign_count(self) -> int:
        """The number of assigns."""
        return self.counts[AssignReturned.__name__]

    def read(self, chunks: Iterable[bytes], source: str) -> None:
        """Take all events of a file in.

        Raises:
            LogError: the events tell of more sandboxes or CIDRs than a node can have.
        """
        raw_lines = RawLines(chunks)
        record = self.record
        now_ns = 0
        for raw in raw_lines:
            self.line_count += 1
            try:
                event = _read(raw, now_ns)
            except LogError as error:
                if raw is not None and not raw.strip():
                    continue
                self.skips.add(self.line_count, str(error), (raw or b"").decode("utf-8", "replace"))
                record.take(source, self.line_count, Gap(now_ns))
                continue
            now_ns = event.now_ns
            self.first_ns = now_ns if self.first_ns is None else self.first_ns
            self.counts[type(event).__name__] += 1
            record.take(source, self.line_count, event)
        self.last_ns = None if self.first_ns is None else now_ns
        self.trouble = raw_lines.trouble


def _read(raw: bytes | None, before_ns: int) -> ContractEvent:
    """Read a line, None for one that is too long. The event before it is of `before_ns`."""
    if raw is None:
        raise LogError("it is too long")
    event = read_event_line(raw)
    if event.now_ns < before_ns:
        raise LogError("it is earlier than the event before")
    return event
