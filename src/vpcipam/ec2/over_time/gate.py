"""What every call passes on its way into the EC2 model and out of it, under given conditions."""

import attrs

from vpcipam.ec2.api import METADATA_ACTION, Ec2Error, ErrorCode, LostAnswer, NetworkInterface, is_mutating
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.faults import NO_STRIKE, Crash, Effect, Fault, FaultRun
from vpcipam.ec2.latency import Latencies, Stopwatch
from vpcipam.ec2.over_time.past import STEP_BACK_NS, Histories, Moment
from vpcipam.ec2.state.account import Account
from vpcipam.ec2.state.requests import Call
from vpcipam.ec2.throttle import BucketLevels

_SLOT_FIELDS = ("secondary_ips", "ipv4_prefixes", "ipv6_addresses", "ipv6_prefixes")


class Gate:
    """Throttle, time and strike the calls of one model.

    A call passes `enter` before the model looks at it, and `leave` once the model has carried it out. It is a pure function of the
    conditions and the calls in their order, with their times.
    """

    def __init__(self, conditions: Conditions, account: Account) -> None:
        self._account = account
        self._buckets = None if conditions.throttle is None else BucketLevels(conditions.throttle)
        self._stopwatch = Stopwatch(conditions.latencies or Latencies(), conditions.seed)
        self._faults = FaultRun(conditions.faults)
        self._strike = NO_STRIKE
        self._answers: dict[str, tuple[NetworkInterface, ...]] = {}
        self._describe_lag_ns = conditions.describe_lag_ns
        self._metadata_lag_ns = conditions.metadata_lag_ns
        longest_ns = max(self._describe_lag_ns, self._metadata_lag_ns)
        self._histories = Histories(account, longest_ns + STEP_BACK_NS) if longest_ns else None

    @property
    def elapsed_ns(self) -> int:
        """How long all calls together have taken, one after another."""
        return self._stopwatch.elapsed_ns

    def pause(self, duration_ns: int) -> None:
        """Let time go by."""
        self._stopwatch.elapsed_ns += duration_ns

    @property
    def throttled_counts(self) -> dict[str, int]:
        """How often each action was throttled."""
        return {} if self._buckets is None else self._buckets.throttled_counts

    @property
    def fault_counts(self) -> dict[str, int]:
        """How often each effect has struck."""
        return self._faults.struck_counts

    def tokens(self, action: str, now_ns: int, *, filtered: bool) -> int | None:
        """How many calls of an action would be let in at a time; None where there is no limit."""
        return None if self._buckets is None else self._buckets.tokens(action, now_ns, filtered=filtered)

    def enter(self, call: Call, *, filtered: bool = True) -> None:
        """Let a call in.

        Raises:
            Ec2Error: RequestLimitExceeded where no token is left, or the code of a fault.
            Crash: a fault kills the caller.
        """
        for taken in self._faults.due(call.now_ns):
            if taken.eni_id in self._account.enis:
                self._account.take_away(self._account.enis[taken.eni_id], taken.cidr)
                self._note(taken.at_ns)
        if not self._admits(call, filtered=filtered):
            self._stopwatch.add_throttled_call(call.action)
            raise call.refusal(ErrorCode.REQUEST_LIMIT_EXCEEDED, "Request limit exceeded.")
        self._stopwatch.add_call(call.action)
        self._strike = self._faults.strike(call.action, call.now_ns)
        if self._strike.takes_address:
            self._take_some_address(self._strike.number)
            self._note(call.now_ns)
        if self._strike.fault is not None:
            self._strike_at_entry(call, self._strike.fault)

    def leave(self, call: Call, answer: object) -> None:
        """Let the caller of a mutating call have its answer.

        Raises:
            LostAnswer: the code of a fault; the call has taken effect.
            Crash: a fault kills the caller; the call has taken effect.
        """
        self._note(call.now_ns)
        fault = self._strike.fault
        if fault is not None and fault.effect is Effect.LOSE_ANSWER:
            raise _lost(call, fault, answer)
        if fault is not None and fault.effect is Effect.CRASH_AFTER:
            raise Crash(call.action, took_effect=True)

    def moment(self, call: Call) -> Moment | None:
        """What a call sees that reads, where that is not the truth."""
        lag_ns = self._metadata_lag_ns if call.action == METADATA_ACTION else self._describe_lag_ns
        return None if lag_ns == 0 or self._histories is None else self._histories.at(call.now_ns - lag_ns)

    def metadata_answer(self, instance_id: str, enis: tuple[NetworkInterface, ...]) -> tuple[NetworkInterface, ...]:
        """Show the metadata of an instance as a fault leaves it."""
        effect = None if self._strike.fault is None else self._strike.fault.effect
        if effect is Effect.REPEAT_ANSWER:
            enis = self._answers.get(instance_id, enis)
        elif effect is Effect.HIDE_ENI:
            enis = _without_an_eni(enis, self._strike.number)
        elif effect is Effect.HIDE_ADDRESSES:
            enis = _without_some_addresses(enis, self._strike.number)
        self._answers[instance_id] = enis
        return enis

    def check(self) -> None:
        """Assert that the latest past is the truth."""
        if self._histories is not None:
            self._histories.check()

    # --- within ----------------------------------------------------------------------------------------------------------

    def _admits(self, call: Call, *, filtered: bool) -> bool:
        if self._buckets is None or call.action == METADATA_ACTION:
            return True
        return self._buckets.admit(call.action, call.now_ns, filtered=filtered)

    def _note(self, at_ns: int) -> None:
        if self._histories is not None:
            self._histories.note(at_ns)

    def _take_some_address(self, number: int) -> None:
        """Take a secondary IP or a prefix off some attached ENI that has one."""
        slots = [(eni, cidr) for eni in self._account.enis.values() if eni.attachment is not None for cidr in eni.slots()]
        if slots:
            self._account.take_away(*slots[number % len(slots)])

    def _strike_at_entry(self, call: Call, fault: Fault) -> None:
        """Do what a fault does before the model looks at a call. A call that changes nothing ends here with its answer lost, too."""
        ends_here = not is_mutating(call.action)
        if fault.effect is Effect.REFUSE:
            raise Ec2Error(fault.code, "A fault that was asked for: nothing has changed.", call.action)
        if fault.effect is Effect.LOSE_ANSWER and ends_here:
            raise _lost(call, fault)
        if fault.effect is Effect.CRASH_BEFORE or (fault.effect is Effect.CRASH_AFTER and ends_here):
            raise Crash(call.action, took_effect=fault.effect is Effect.CRASH_AFTER)


def _lost(call: Call, fault: Fault, answer: object = None) -> LostAnswer:
    return LostAnswer(fault.code, "A fault that was asked for: the answer is lost; the call may have taken effect.", call.action, answer)


def _without_an_eni(enis: tuple[NetworkInterface, ...], number: int) -> tuple[NetworkInterface, ...]:
    """Leave out an ENI that is not the first, which is the primary one."""
    if len(enis) < 2:
        return enis
    hidden = 1 + number % (len(enis) - 1)
    return enis[:hidden] + enis[hidden + 1 :]


def _without_some_addresses(enis: tuple[NetworkInterface, ...], number: int) -> tuple[NetworkInterface, ...]:
    """Leave out some of what fills the slots of one ENI: the one that the number names, and those of its set bits."""
    slots = {place: [(field, text) for field in _SLOT_FIELDS for text in getattr(eni, field)] for place, eni in enumerate(enis)}
    places = [place for place, filled in slots.items() if filled]
    if not places:
        return enis
    rest, pick = divmod(number, len(places))
    place = places[pick]
    filled = slots[place]
    shown = [slot for index, slot in enumerate(filled) if index != rest % len(filled) and not rest >> index & 1]
    kept = {field: tuple(text for name, text in shown if name == field) for field in _SLOT_FIELDS}
    eni = attrs.evolve(
        enis[place],
        secondary_ips=kept["secondary_ips"],
        ipv4_prefixes=kept["ipv4_prefixes"],
        ipv6_addresses=kept["ipv6_addresses"],
        ipv6_prefixes=kept["ipv6_prefixes"],
    )
    return (*enis[:place], eni, *enis[place + 1 :])
