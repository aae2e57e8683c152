"""Throttling, latency, stale reads and faults, applied to every call of an EC2 model under given conditions."""

from typing import Any

import attrs

from vpcipam.ec2.api import METADATA_ACTION, NetworkInterface, is_mutating
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.errors import Ec2Error, ErrorCode, LostAnswer
from vpcipam.ec2.faults import NO_INJECTION, Crash, Effect, Fault, FaultInjector
from vpcipam.ec2.latency import Latencies, Stopwatch
from vpcipam.ec2.over_time.snapshots import CLOCK_SKEW_NS, Snapshot, Snapshots
from vpcipam.ec2.state.account import Account
from vpcipam.ec2.state.call import Call
from vpcipam.ec2.throttle import BucketLevels

_SLOT_FIELDS = ("secondary_ips", "ipv4_prefixes", "ipv6_addresses", "ipv6_prefixes")


class CallInterceptor:
    """Apply conditions to the calls of one model.

    The model calls `before_call` when a call arrives, and `after_call` once it has carried out a call that changes something. The outcome
    depends only on the conditions and on the calls, their order and their times.

    Attributes:
        buckets: the throttling state; None without throttling.
        stopwatch: adds up the durations of calls and pauses.
        faults: picks the faults.
    """

    def __init__(self, conditions: Conditions, account: Account) -> None:
        self.buckets = None if conditions.throttle is None else BucketLevels(conditions.throttle)
        self.stopwatch = Stopwatch(conditions.latencies or Latencies(), conditions.seed)
        self.faults = FaultInjector(conditions.faults)
        self._has_faults = bool(conditions.faults.faults or conditions.faults.taken)
        self._account = account
        self._injection = NO_INJECTION
        self._answers: dict[str, tuple[NetworkInterface, ...]] = {}
        self._describe_lag_ns = conditions.describe_lag_ns
        self._metadata_lag_ns = conditions.metadata_lag_ns
        longest_ns = max(self._describe_lag_ns, self._metadata_lag_ns)
        self._snapshots = Snapshots(account, longest_ns + CLOCK_SKEW_NS) if longest_ns else None

    def before_call(self, call: Call, *, filtered: bool = True) -> None:
        """Throttle and time a call, and inject its faults, before the model handles it.

        Raises:
            Ec2Error: RequestLimitExceeded if no token is left, or the code of a fault.
            Crash: a fault kills the caller.
        """
        if self._has_faults:
            self._remove_due_addresses(call.now_ns)
        throttled = (
            self.buckets is not None
            and call.action != METADATA_ACTION
            and not self.buckets.admit(call.action, call.now_ns, filtered=filtered)
        )
        self.stopwatch.add(call.action, throttled=throttled)
        if throttled:
            raise call.refusal(ErrorCode.REQUEST_LIMIT_EXCEEDED, "Request limit exceeded.")
        if not self._has_faults:
            return
        self._injection = self.faults.next_call(call.action, call.now_ns)
        if self._injection is NO_INJECTION:
            return
        if self._injection.removes_address:
            self._remove_some_address(self._injection.number)
            self._record(call.now_ns)
        if self._injection.fault is not None:
            self._raise_before(call, self._injection.fault)

    def after_call(self, call: Call, answer: object) -> None:
        """Record the change that a call has made, and inject the faults that come after the call.

        Raises:
            LostAnswer: the code of a fault; the call has taken effect.
            Crash: a fault kills the caller; the call has taken effect.
        """
        self._record(call.now_ns)
        fault = self._injection.fault
        if fault is not None and fault.effect is Effect.LOSE_ANSWER:
            raise _lost(call, fault, answer)
        if fault is not None and fault.effect is Effect.CRASH_AFTER:
            raise Crash(call.action, took_effect=True)

    def snapshot(self, call: Call) -> Snapshot | None:
        """Return the past state that a read-only call sees; None if it sees the present."""
        lag_ns = self._metadata_lag_ns if call.action == METADATA_ACTION else self._describe_lag_ns
        return None if lag_ns == 0 or self._snapshots is None else self._snapshots.at(call.now_ns - lag_ns)

    def metadata_answer(self, instance_id: str, enis: tuple[NetworkInterface, ...]) -> tuple[NetworkInterface, ...]:
        """Return an instance's metadata as changed by the call's fault."""
        effect = None if self._injection.fault is None else self._injection.fault.effect
        if effect is Effect.REPEAT_ANSWER:
            enis = self._answers.get(instance_id, enis)
        elif effect is Effect.HIDE_ENI:
            enis = _without_an_eni(enis, self._injection.number)
        elif effect is Effect.HIDE_ADDRESSES:
            enis = _without_some_addresses(enis, self._injection.number)
        self._answers[instance_id] = enis
        return enis

    def check(self) -> None:
        """Assert that the latest snapshot is the account's state."""
        if self._snapshots is not None:
            self._snapshots.check()

    def _record(self, at_ns: int) -> None:
        if self._snapshots is not None:
            self._snapshots.record(at_ns)

    def _remove_due_addresses(self, now_ns: int) -> None:
        for removal in self.faults.due_removals(now_ns):
            if removal.eni_id in self._account.enis:
                self._account.remove_cidr_of_eni(self._account.enis[removal.eni_id], removal.cidr)
                self._record(removal.at_ns)

    def _remove_some_address(self, number: int) -> None:
        """Remove a secondary IP or a prefix from some attached ENI that has one."""
        slots = [(eni, cidr) for eni in self._account.enis.values() if eni.attachment is not None for cidr in eni.slots()]
        if slots:
            self._account.remove_cidr_of_eni(*slots[number % len(slots)])

    def _raise_before(self, call: Call, fault: Fault) -> None:
        """Raise a fault's error before the call. A read-only call never reaches `after_call`, so its answer is lost here."""
        is_read_only = not is_mutating(call.action)
        if fault.effect is Effect.REFUSE:
            raise Ec2Error(fault.code, "An injected fault: nothing has changed.", call.action)
        if fault.effect is Effect.LOSE_ANSWER and is_read_only:
            raise _lost(call, fault)
        if fault.effect is Effect.CRASH_BEFORE or (fault.effect is Effect.CRASH_AFTER and is_read_only):
            raise Crash(call.action, took_effect=fault.effect is Effect.CRASH_AFTER)


def _lost(call: Call, fault: Fault, answer: object = None) -> LostAnswer:
    return LostAnswer(fault.code, "An injected fault: the answer is lost; the call may have taken effect.", call.action, answer)


def _without_an_eni(enis: tuple[NetworkInterface, ...], number: int) -> tuple[NetworkInterface, ...]:
    """Leave out one ENI, but never the first, which is the primary one."""
    if len(enis) < 2:
        return enis
    hidden = 1 + number % (len(enis) - 1)
    return enis[:hidden] + enis[hidden + 1 :]


def _without_some_addresses(enis: tuple[NetworkInterface, ...], number: int) -> tuple[NetworkInterface, ...]:
    """Leave out some secondary IPs and prefixes of one ENI: the slot that the number picks, and those at its set bits."""
    slots = {place: [(field, text) for field in _SLOT_FIELDS for text in getattr(eni, field)] for place, eni in enumerate(enis)}
    places = [place for place, filled in slots.items() if filled]
    if not places:
        return enis
    rest, pick = divmod(number, len(places))
    place = places[pick]
    filled = slots[place]
    shown = [slot for index, slot in enumerate(filled) if index != rest % len(filled) and not rest >> index & 1]
    kept: dict[str, Any] = {field: tuple(text for name, text in shown if name == field) for field in _SLOT_FIELDS}
    return (*enis[:place], attrs.evolve(enis[place], **kept), *enis[place + 1 :])
