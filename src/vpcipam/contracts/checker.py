"""Check a stream of contract events, and tell the story of the first broken promise."""

from collections.abc import Iterable

import attrs

from vpcipam._arguments import require_type
from vpcipam.contracts.events import (
    AssignReturned,
    ContractEvent,
    Crashed,
    EniAttached,
    EniDetached,
    IpAddress,
    RangeAdded,
    RangeRemoved,
    Restarted,
    UnassignRefused,
    UnassignReturned,
    UnassignUndone,
    time_text,
)
from vpcipam.contracts.state import ContractState, EniLimits, Promise
from vpcipam.errors import InvalidArgument


@attrs.frozen
class Violation:
    """A broken promise.

    Attributes:
        promise: which one.
        message: what is wrong, in one line.
        events: the events about the address, sandbox or ENI, in their order; the last one breaks the promise.
    """

    promise: Promise
    message: str
    events: tuple[ContractEvent, ...]

    def __str__(self) -> str:
        """Return the message, and the events on a line each."""
        return "\n    ".join((f"{self.promise}: {self.message}", *(f"at {time_text(event.now_ns)}: {event}" for event in self.events)))


class ContractChecker(ContractState):
    """Checks the promises, event by event, until the first violation.

    It stays in `violation`, and later events are ignored. All events are kept, to explain it.
    """

    def __init__(self, *, cooldown_ns: int, limits: EniLimits | None = None, cooldown_outlives_range: bool = False) -> None:
        """Start with an allocator that has nothing. The arguments are those of `ContractState`."""
        super().__init__(cooldown_ns=cooldown_ns, limits=limits, cooldown_outlives_range=cooldown_outlives_range)
        self.events: list[ContractEvent] = []
        self.violation: Violation | None = None

    def observe(self, event: ContractEvent) -> Violation | None:
        """Take an event in, and return the first violation so far.

        Raises:
            InvalidArgument: the event is earlier than the one before.
        """
        require_type("event", event, ContractEvent, "pass AssignReturned, UnassignReturned and so on")
        if self.violation is None:
            if event.now_ns < self.now_ns:
                message = f"events must be in the order of their times: {event} at {time_text(event.now_ns)} comes after {self.events[-1]}"
                raise InvalidArgument(f"{message} at {time_text(self.now_ns)}")
            self.events.append(event)
            breaches = self.take(event)
            if breaches:
                first = breaches[0]
                self.violation = Violation(first.promise, first.message, tuple(self._about(first.subjects)))
        return self.violation

    @property
    def now_ns(self) -> int:
        """The time of the last event."""
        return self.events[-1].now_ns if self.events else 0

    def _about(self, subjects: tuple[object, ...]) -> Iterable[ContractEvent]:
        """Select the events about some keys, addresses and ENIs, and all crashes. The last event is the one that broke the promise."""
        keys = {event.key for event in self.events if isinstance(event, AssignReturned) and event.address in subjects}
        keys |= {subject for subject in subjects if not isinstance(subject, IpAddress)}
        for event in self.events:
            match event:
                case AssignReturned(key=key, address=address) | UnassignUndone(key=key, address=address):
                    wanted = key in subjects or address in subjects
                case UnassignReturned(key=key) | UnassignRefused(key=key):
                    wanted = key in keys
                case RangeAdded(cidr=cidr) | RangeRemoved(cidr=cidr):
                    eni_id = event.eni_id if isinstance(event, RangeAdded) else None
                    wanted = eni_id in keys or any(isinstance(each, IpAddress) and each in cidr for each in subjects)
                case EniAttached(eni_id=eni_id) | EniDetached(eni_id=eni_id):
                    wanted = eni_id in keys
                case _:
                    wanted = isinstance(event, Crashed | Restarted)
            if wanted or event is self.events[-1]:
                yield event


def first_violation(
    events: Iterable[ContractEvent], *, cooldown_ns: int, limits: EniLimits | None = None, cooldown_outlives_range: bool = False
) -> Violation | None:
    """Check a whole stream; None if every promise is kept. The arguments are those of `ContractChecker`."""
    checker = ContractChecker(cooldown_ns=cooldown_ns, limits=limits, cooldown_outlives_range=cooldown_outlives_range)
    return next(filter(None, map(checker.observe, events)), None)
