"""Replay ipamd's logs through the rules of the contract."""

import functools
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, TypeVar

from vpcipam._units import NS_PER_S, counted
from vpcipam.contracts import (
    AssignReturned,
    ContractEvent,
    ContractState,
    CountsReported,
    Crashed,
    EniAttached,
    EniDetached,
    EniLimits,
    Gap,
    IpAddress,
    PrimaryAddressReported,
    RangeAdded,
    RangeRemoved,
    Restarted,
    UnassignRefused,
    UnassignReturned,
    UnassignUndone,
)
from vpcipam.errors import UnknownInstanceType
from vpcipam.inspection.log.events import (
    AssignLine,
    CidrLine,
    CooldownLine,
    EniLine,
    ErrorLine,
    LogEvent,
    OtherLine,
    PrimaryLine,
    StartLine,
    UnassignLine,
    UnknownSandboxLine,
    parse_address,
    parse_cidr,
    pool_counts,
    read_event,
)
from vpcipam.inspection.log.line import LogLine
from vpcipam.inspection.log.reader import BEGINNING, LogReader
from vpcipam.inspection.log.wording import WORDINGS, Release, Wording, classified, match_wording, release_of
from vpcipam.inspection.log_restart import StartUnderWay, stable_part
from vpcipam.inspection.sandbox_log import LoggedAssign, SandboxLog
from vpcipam.inspection.verification import MOST_HELD, Moment, Place, Record, Restart, date_text, refuse_many
from vpcipam.limits import instance_limits

DEFAULT_COOLDOWN_NS = 30 * NS_PER_S
_STEP_BACK_NS = 5 * NS_PER_S
_IN_FLIGHT_LINES = 20  # a call that ended writes more lines
_FIRST_WITH_CHECKPOINT = (1, 7, 0)
_MOST_LISTED = 100
_ENDS_OF_START = frozenset({"ready", "init-done", "add-received", "del-received", "reconcile-start"})
_MOST_REMEMBERED = 10_000
_PASSED_OVER_BEFORE = 100

_parse_address = functools.lru_cache(maxsize=4_096)(parse_address)


class LogVerifier:
    """Takes the lines of a node's ipamd.log in, and finds the promises that they break.

    A log begins in the middle, so it does not show who holds which address before its first line, nor which CIDRs there are. From the first
    start of the daemon on, everything is known.

    Attributes:
        record: the state, the violations and the timeline.
        wordings: how often each wording occurs.
        ec2_errors: how often each error code of EC2 occurs.
        restarts: the first 100 starts.
        sandboxes: which sandbox got which address, and of which times the log tells.
        assign_count: how many assigns could be read.
    """

    def __init__(self, *, cooldown_ns: int | None = None, limits: EniLimits | None = None, keeps_sandboxes: bool = False) -> None:
        """Start before the first line.

        Args:
            cooldown_ns: how long an address must rest. None for what the log says, and 30 s until it says so.
            limits: what the instance type allows. None for the limits of the type that the log names.
            keeps_sandboxes: whether a plugin.log will be compared.
        """
        state = ContractState(
            cooldown_ns=DEFAULT_COOLDOWN_NS if cooldown_ns is None else cooldown_ns, limits=limits, show_time=date_text, slack_ns=0
        )
        state.take(Gap(0))
        self.record = Record(state)
        self.wordings: dict[Wording, int] = {}
        self.ec2_errors: Counter[str] = Counter()
        self.restarts: list[Restart] = []
        self.restart_count = 0
        self.sandboxes = SandboxLog(is_kept=keeps_sandboxes)
        self.versions: dict[str, None] = {}
        self.gaps: list[Moment] = []
        self.gap_count = 0
        self.assign_count = 0
        self.unreadable_count = 0
        self.undated_count = 0
        self.is_cooldown_known = cooldown_ns is not None
        self.unknown_type = ""
        self._given_cooldown = cooldown_ns is not None
        self._given_limits = limits is not None
        self._source = ""
        self._line = 0
        self._now_ns = 0
        self._time_text = ""  # of the line before
        self._told: LogLine | None = None  # the line, while its time is not read yet
        self._release: Release | None = None
        self._has_cards = False
        self._undoes_assign = False
        self._cleared: dict[str, IpAddress] = {}  # by sandbox, between the two lines of an unassign
        self._changed: deque[tuple[str, int, str]] = deque(maxlen=_IN_FLIGHT_LINES)  # where which sandbox got or gave back an address
        self._passed_over: dict[str, int] = {}  # by the beginning of the message
        self._unwanted: set[bytes] = set()
        self._wanted = _beginnings(self._HANDLERS.keys() - _ENDS_OF_START)
        self._by_container: dict[str, str] = {}
        self._start: StartUnderWay | None = None  # a start that is under way

    def read(self, reader: LogReader, source: str) -> None:
        """Take all lines of a log in.

        Raises:
            LogError: the log tells of more sandboxes or CIDRs than a node can have.
        """
        self._source = source
        self._time_text = "?"
        counts = self.wordings
        self.sandboxes.cut()
        for number, line in reader:
            reader.unwanted = self._unwanted if self._start is None else frozenset()
            if reader.loses:
                reader.loses = False
                self._line = number
                self.sandboxes.cut()
                self._tell(line)
                self._gap("lines before this one can't be read")
            found = match_wording(line.message)
            if found is None:
                self._pass_over(line.message)
                continue
            wording, match = found
            counts[wording] = counts.get(wording, 0) + 1
            handler = self._HANDLERS.get(wording.kind)
            if handler is None or (self._start is None and wording.kind in _ENDS_OF_START):
                self._pass_over(line.message)
                continue
            self._line = number
            self._told = None if line.time == self._time_text else line
            handler(self, wording, match)

    def _pass_over(self, message: str) -> None:
        """Count the beginning of a message that matters to nothing. After some, the reader leaves such messages out."""
        beginning = message[:BEGINNING]
        count = self._passed_over.get(beginning, 0) + 1
        if count == _PASSED_OVER_BEFORE and not beginning.startswith(self._wanted) and not beginning.startswith("{"):
            self._unwanted.add(beginning.encode())
        if count > 1 or len(self._passed_over) < _MOST_REMEMBERED:
            self._passed_over[beginning] = count

    def finish(self) -> None:
        """End with the last line."""
        self._abandon_start()

    def _when(self) -> int:
        """Return the time of the line. It is read only if it matters, since reading takes long."""
        if self._told is not None:
            line, self._told = self._told, None
            self._tell(line)
        return self._now_ns

    def _tell(self, line: LogLine) -> None:
        """Move the time forward to that of a line. A large step back is a gap: the lines before and after are of different times."""
        when_ns = line.when_ns
        if when_ns is None:
            self.undated_count += 1
            return
        self._time_text = line.time
        self.record.state.slack_ns = max(self.record.state.slack_ns, line.resolution_ns - 1)
        if when_ns < self._now_ns - _STEP_BACK_NS:
            message = f"the time goes back from {date_text(self._now_ns)} to {date_text(when_ns)}"
            self._now_ns = when_ns
            self._gap(message)
        self._now_ns = max(self._now_ns, when_ns)
        self.sandboxes.cover(when_ns)

    def _gap(self, why: str) -> None:
        self.gap_count += 1
        if len(self.gaps) < _MOST_LISTED:
            self.gaps.append(Moment(Place(self._source, self._line), self._now_ns, why))
        self._moment(f"a gap: {why}")
        self._start = None
        self._undoes_assign = False
        self.sandboxes.cut()
        self._cleared.clear()
        self._by_container.clear()
        self._changed.clear()
        self._feed(Gap(self._now_ns))

    def _moment(self, text: str) -> None:
        self.record.note_moment(Place(self._source, self._line), self._when(), text)

    def _feed(self, event: ContractEvent) -> None:
        self.record.take(self._source, self._line, event)

    # --- starts ---
    # Each method gets the wording of a line and the match of its fields.

    def _on_start(self, wording: Wording, match: re.Match[str]) -> None:
        now_ns = self._when()
        event = _event(wording, match, StartLine)
        in_flight = {key for source, line, key in self._changed if source != self._source or line >= self._line - _IN_FLIGHT_LINES}
        if self._start is not None:
            in_flight |= self._start.in_flight
            self._abandon_start()
        self._release = release_of(event.version)
        self._has_cards = False
        if len(self.versions) < _MOST_LISTED:
            self.versions[event.version[:80]] = None
        self._moment(f"ipamd {event.version[:80]} starts")
        self._changed.clear()
        self._feed(Crashed(now_ns, tuple(in_flight)))
        self._start = StartUnderWay(self._source, self._line, event.version[:80], frozenset(in_flight))

    def _on_checkpoint(self, wording: Wording, _match: re.Match[str]) -> None:
        self._when()
        if self._start is not None:
            self._start.has_checkpoint = wording.kind == "recovery-done" and not self._start.lacks_checkpoint
            self._start.lacks_checkpoint = self._start.lacks_checkpoint or wording.kind == "no-checkpoint"
            if wording.kind == "recovery-done":
                self._end_start()

    def _on_not_restored(self, wording: Wording, match: re.Match[str]) -> None:
        self._when()
        event = _event(wording, match, OtherLine)
        self._drop(event.values.get("key") or event.values.get("container", ""))

    def _drop(self, key: str) -> None:
        if self._start is not None and len(self._start.dropped) < MOST_HELD:
            self._start.dropped.add(stable_part(key))

    def _on_ready(self, _wording: Wording, _match: re.Match[str]) -> None:
        self._when()
        if self._start is not None:
            self._end_start()

    def _abandon_start(self) -> None:
        """Leave a start that did not end, because the daemon started again or the log is over. What it would have restored is unknown."""
        start, self._start = self._start, None
        if start is not None:
            self._note_start(start, f"the start of {start.version} does not end", len(start.restored), 0)

    def _note_start(self, start: StartUnderWay, text: str, restored_count: int, missing_count: int) -> None:
        self.restart_count += 1
        self._moment(text)
        if len(self.restarts) < _MOST_LISTED:
            self.restarts.append(Restart(Place(start.source, start.line), self._when(), start.version, restored_count, missing_count))

    def _end_start(self) -> None:
        """Compare what the daemon restored with what the sandboxes held before."""
        start, self._start = self._start, None
        assert start is not None  # noqa: S101 - the callers have looked
        state = self.record.state
        held: dict[str, IpAddress] = {}
        for restored, address in start.restored.items():
            holder = state.holder_of(address)
            key = str(holder) if holder is not None and stable_part(str(holder)) == stable_part(restored) else restored
            held[key] = address
            self._by_container[stable_part(key)] = key
        before = [str(key) for key in state.held]
        missing = [key for key in before if key not in held]
        is_old = self._release is not None and self._release < _FIRST_WITH_CHECKPOINT
        may_lose = is_old or start.lacks_checkpoint or not (held or start.has_checkpoint)
        released = [key for key in missing if may_lose or stable_part(key) in start.dropped]
        for key in missing:
            self._by_container.pop(stable_part(key), None)
        for key, address in held.items():
            if key in start.in_flight and key not in state.held:
                self._feed(UnassignUndone(self._when(), key, address))  # its removal was not recorded before the restart
        self._cleared.clear()
        self._feed(Restarted(self._when(), held, tuple(released)))
        text = f"ipamd has restored {counted(len(held), 'sandbox', 'sandboxes')}"
        self._note_start(start, text + (f"; {len(missing)} are missing" if missing else ""), len(held), len(missing))

    # --- sandboxes ---

    def _address(self, text: str) -> IpAddress | None:
        address = _parse_address(text)
        if address is None:
            self.unreadable_count += 1
        return address

    def _on_assigned(self, wording: Wording, match: re.Match[str]) -> None:
        now_ns = self._when()
        event = _event(wording, match, AssignLine)
        address = self._address(event.address)
        if address is None:
            return
        self.assign_count += 1
        self.sandboxes.note_assign(event.container, LoggedAssign(Place(self._source, self._line), now_ns, address))
        key = f"{event.key} ({address})" if event.is_one_of_several else event.key
        self._has_cards = self._has_cards or event.is_one_of_several
        if self._start is not None:
            self._start.restored[key] = address
            refuse_many(len(self._start.restored))
        elif self._cleared.get(key) == address:
            del self._cleared[key]
            self._feed(UnassignUndone(now_ns, key, address))
        else:
            self._feed(AssignReturned(now_ns, key, address))
        if self._start is None:
            self._changed.append((self._source, self._line, key))
        if len(self._by_container) >= 2 * MOST_HELD:
            self._by_container.clear()
        self._by_container[stable_part(key)] = key

    def _on_unassigned(self, wording: Wording, match: re.Match[str]) -> None:
        now_ns = self._when()
        event = _event(wording, match, UnassignLine)
        address = self._address(event.address)
        if address is None:
            return
        self.sandboxes.note_release(event.container, now_ns)
        state = self.record.state
        key = event.key
        if self._start is not None:  # an entry of the checkpoint that is given up at once
            self._start.restored.pop(key, None)
            self._drop(key)
            return
        if not event.is_cleared and self._cleared.pop(key, None) == address:
            return  # the second line of the same unassign
        holder = state.holder_of(address)
        if key not in state.held and holder is not None and stable_part(str(holder)) == stable_part(key):
            key = str(holder)
        if event.is_cleared:
            if len(self._cleared) >= _MOST_REMEMBERED:
                self._cleared.clear()
            self._cleared[event.key] = address
        self._feed(UnassignReturned(now_ns, key, address))
        if self._undoes_assign:
            self._undoes_assign = False
            state.cool(address, now_ns)  # the sandbox never had it
        self._by_container.pop(stable_part(key), None)
        self._changed.append((self._source, self._line, key))

    def _on_unknown(self, wording: Wording, match: re.Match[str]) -> None:
        now_ns = self._when()
        event = _event(wording, match, UnknownSandboxLine)
        key = event.key
        if key.startswith("_migrated-from-cri/"):
            key = self._by_container.get(stable_part(key), key)
        if not self._has_cards:
            self._feed(UnassignRefused(now_ns, key))

    def _on_checkpoint_failed(self, wording: Wording, match: re.Match[str]) -> None:
        self._when()
        event = _event(wording, match, ErrorLine)
        self._undoes_assign = wording.template.startswith("Failed to update")
        self._moment(f"the checkpoint can't be written: {event.error[:120]}")

    def _on_cooldown(self, wording: Wording, match: re.Match[str]) -> None:
        now_ns = self._when()
        event = _event(wording, match, CooldownLine)
        address = _parse_address(event.address)
        if event.duration_ns is None or self._given_cooldown:
            return
        self.is_cooldown_known = True
        self.record.state.cooldown_ns = event.duration_ns
        if address is not None:
            self.record.state.cool(address, now_ns + event.duration_ns)

    def _on_no_address(self, wording: Wording, _match: re.Match[str]) -> None:
        if wording.template.startswith("DataStore"):
            self._moment("no address is free")

    def _on_reply(self, wording: Wording, match: re.Match[str]) -> None:
        if "card" in wording.fields and "ip4" in wording.fields:
            for name in ("ip4", "ip6"):
                address = _parse_address(match[name])
                if address is not None:
                    self.sandboxes.note_card(address, int(match["card"]))

    # --- counts, ENIs, CIDRs ---

    def _on_pool(self, wording: Wording, match: re.Match[str]) -> None:
        assigned_count, total_count, cooling_count, network_card = pool_counts(wording, match)
        self._has_cards = self._has_cards or bool(network_card)
        is_exact = wording.kind != "pool" and not self._has_cards and self._start is None
        if not self.record.state.expects_counts(assigned_count, total_count, cooling_count, is_exact=is_exact):
            self._feed(CountsReported(self._when(), assigned_count, total_count, cooling_count, is_exact))

    def _on_cidr(self, wording: Wording, match: re.Match[str]) -> None:
        now_ns = self._when()
        event = _event(wording, match, CidrLine)
        cidr = parse_cidr(event.cidr)
        if cidr is None:
            self.unreadable_count += 1
        elif not event.is_added:
            self._feed(RangeRemoved(now_ns, cidr))
        elif cidr not in self.record.state.ranges:
            self._feed(RangeAdded(now_ns, event.eni_id, cidr))

    def _on_eni(self, wording: Wording, match: re.Match[str]) -> None:
        now_ns = self._when()
        event = _event(wording, match, EniLine)
        if event.is_added:
            self._feed(EniAttached(now_ns, event.eni_id))
        else:
            self._feed(EniDetached(now_ns, event.eni_id))
            self._moment(f"{event.eni_id} leaves the pool" + (" by force" if event.is_forced else ""))

    def _on_attached(self, wording: Wording, match: re.Match[str]) -> None:
        event = _event(wording, match, OtherLine)
        self._moment(f"{event.values['eni']} is attached")

    def _on_primary(self, wording: Wording, match: re.Match[str]) -> None:
        now_ns = self._when()
        event = _event(wording, match, PrimaryLine)
        address = self._address(event.address)
        if address is not None:
            self._feed(PrimaryAddressReported(now_ns, event.eni_id, address))

    def _on_instance(self, wording: Wording, match: re.Match[str]) -> None:
        event = _event(wording, match, OtherLine)
        instance_type = event.values.get("type")
        if not instance_type or self._given_limits:
            return
        try:
            limits = instance_limits(instance_type)
        except UnknownInstanceType:
            self.unknown_type = instance_type[:40]
            return
        # Lines do not say on which card an ENI is, so all cards count as one.
        self.record.state.limits = EniLimits((sum(limits.network_cards),), limits.slots_per_eni)

    def _on_error(self, wording: Wording, match: re.Match[str]) -> None:
        event = _event(wording, match, ErrorLine)
        if event.code:
            if event.code in self.ec2_errors or len(self.ec2_errors) < _MOST_LISTED:
                self.ec2_errors[event.code] += 1
            self._moment(f"EC2 refuses: {event.code}")

    # The method for each kind of line. It gets the wording of the line and the match of its fields.
    _HANDLERS: ClassVar[Mapping[str, Callable[..., None]]] = {
        "start": _on_start,
        "recovery-done": _on_checkpoint,
        "no-checkpoint": _on_checkpoint,
        "not-restored": _on_not_restored,
        **dict.fromkeys(_ENDS_OF_START, _on_ready),
        "assigned": _on_assigned,
        **dict.fromkeys(("cleared", "unassigned"), _on_unassigned),
        "unknown-sandbox": _on_unknown,
        "checkpoint-failed": _on_checkpoint_failed,
        "cooldown": _on_cooldown,
        "no-address": _on_no_address,
        "add-reply": _on_reply,
        **dict.fromkeys(("pool", "assign-stats", "unassign-stats"), _on_pool),
        **dict.fromkeys(("cidr-added", "cidr-removed"), _on_cidr),
        **dict.fromkeys(("eni-added", "eni-removed", "eni-forced"), _on_eni),
        "eni-attached": _on_attached,
        "primary-skipped": _on_primary,
        "instance": _on_instance,
        **dict.fromkeys(("eni-failed", "eni-free-failed", "ec2-unassign-failed", "ec2-failed", "reconcile-failed"), _on_error),
    }


def _beginnings(kinds: Iterable[str]) -> tuple[str, ...]:
    """Return how the messages of some kinds begin."""
    return tuple({wording.template.partition("{")[0][:BEGINNING] for wording in WORDINGS if wording.kind in kinds})


_Line = TypeVar("_Line", bound=LogEvent)


def _event(wording: Wording, match: re.Match[str], kind: type[_Line]) -> _Line:
    """Return what a line says. Its wording has one kind of event."""
    event = read_event(classified(wording, match))
    assert isinstance(event, kind)  # noqa: S101 - as the table of methods says
    return event
