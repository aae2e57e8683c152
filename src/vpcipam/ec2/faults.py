"""Faults in a node's calls to EC2: scripted, or random by seed.

A `Fault` is an effect and the calls that it applies to. `Faults` is a frozen list of them. `FaultInjector` counts the calls of one model
and picks the faults.
"""

import enum
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial

import attrs

from vpcipam._arguments import require_integer
from vpcipam._chance import Scatter
from vpcipam.address import Cidr
from vpcipam.ec2.api import METADATA_ACTION, require_action
from vpcipam.ec2.errors import ErrorCode
from vpcipam.errors import InvalidArgument

NODE_ACTIONS = (
    *("AssignIpv6Addresses", "AssignPrivateIpAddresses", "AttachNetworkInterface", "CreateNetworkInterface", "DeleteNetworkInterface"),
    *("DescribeInstances", "DescribeNetworkInterfaces", "DescribeSubnets", "DetachNetworkInterface"),
    *("ModifyNetworkInterfaceAttribute", "UnassignPrivateIpAddresses", METADATA_ACTION),
)
"""The actions that a node calls; the others, such as launching instances and creating subnets, belong to the setup."""

_DRAW_BOUND = 1 << 53
"""Draws are below this bound. A float has 53 bits, so the product of a rate and the bound is exact."""


class Crash(BaseException):
    """The caller dies in the middle of a call: its memory is lost, EC2's state stays.

    It is not an `Exception`, so that no retry loop and no `except Exception` catches it. Only the test that injected it catches it, and
    then starts a new node.

    Attributes:
        action: the action of the call.
        took_effect: whether EC2 has carried out the call.
    """

    def __init__(self, action: str, *, took_effect: bool) -> None:
        super().__init__(f"the caller crashed {'after' if took_effect else 'before'} {action} took effect")
        self.action = action
        self.took_effect = took_effect

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), took_effect=self.took_effect), (self.action,)


class Effect(enum.StrEnum):
    """The effect of a fault on a call."""

    REFUSE = "refuse"
    """EC2 refuses the call with the fault's code; nothing changes."""
    LOSE_ANSWER = "lose-answer"
    """The call takes effect, but the caller gets the fault's code. A call that EC2 refuses anyway gets EC2's refusal."""
    CRASH_BEFORE = "crash-before"
    """`Crash` is raised; nothing changes."""
    CRASH_AFTER = "crash-after"
    """The call takes effect, then `Crash` is raised."""
    TAKE_ADDRESS = "take-address"
    """Before the call, some ENI loses a secondary IP or a prefix, as if an administrator had removed it. The call itself proceeds."""
    HIDE_ENI = "hide-eni"
    """Metadata only: the answer lacks one ENI, never the primary one, through which the metadata is read."""
    HIDE_ADDRESSES = "hide-addresses"
    """Metadata only: the answer lacks at least one secondary IP or prefix of one ENI, if any ENI has one."""
    REPEAT_ANSWER = "repeat-answer"
    """Metadata only: the previous answer is repeated."""


METADATA_EFFECTS = frozenset({Effect.HIDE_ENI, Effect.HIDE_ADDRESSES, Effect.REPEAT_ANSWER})


def _effect(value: Effect | str) -> Effect:
    try:
        return Effect(value)
    except ValueError:
        raise InvalidArgument(f"effect is {value!r}; it must be one of {', '.join(Effect)}") from None


def _default_action(fault: "Fault") -> str | None:
    return METADATA_ACTION if fault.effect in METADATA_EFFECTS else None


@attrs.frozen
class Fault:
    """An effect, and the calls that it applies to: the nth call of an action, or random ones.

    Attributes:
        effect: what happens.
        action: EC2's name of the action, or `InstanceMetadata`; None for every action. The default is `InstanceMetadata` for the effects
            that apply to nothing else.
        nth: the number of the call, from 1, among the unthrottled calls of that action; None to pick calls by `rate`.
        rate: the probability for each call, 0 to 1.
        code: the error code of REFUSE and LOSE_ANSWER. The default, RequestTimeout, is botocore's for a request without an answer.
        from_ns: the fault applies from this time on; None for no start.
        until_ns: the fault applies before this time; None for no end.
    """

    effect: Effect = attrs.field(converter=_effect)
    action: str | None = attrs.field(default=attrs.Factory(_default_action, takes_self=True))
    nth: int | None = attrs.field(default=None, kw_only=True)
    rate: float = attrs.field(default=0.0, kw_only=True)
    code: str = attrs.field(default=ErrorCode.REQUEST_TIMEOUT, kw_only=True)
    from_ns: int | None = attrs.field(default=None, kw_only=True)
    until_ns: int | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the values and their combinations."""
        if self.action is not None:
            require_action("action of a Fault", self.action)
        if self.nth is not None:
            require_integer("nth of a Fault", self.nth, 1)
        if not 0 <= self.rate <= 1:
            raise InvalidArgument(f"rate of a Fault must be 0 to 1, not {self.rate}")
        if self.nth is not None and self.rate:
            raise InvalidArgument(f"a Fault applies to the nth call or to random calls: give nth={self.nth} or rate={self.rate}, not both")
        if self.effect in METADATA_EFFECTS and self.action != METADATA_ACTION:
            raise InvalidArgument(f"{self.effect} applies to {METADATA_ACTION} only, not to {self.action}")

    def holds(self, now_ns: int) -> bool:
        """Tell whether a time is within the fault's time span."""
        return (self.from_ns is None or now_ns >= self.from_ns) and (self.until_ns is None or now_ns < self.until_ns)


def _cidr(cidr: str | Cidr) -> Cidr:
    return cidr if isinstance(cidr, Cidr) else Cidr.parse(cidr)


@attrs.frozen
class TakenAddress:
    """The removal of an address from an ENI by an administrator; ignored if the ENI no longer has the address.

    Attributes:
        eni_id: the ENI.
        cidr: a secondary IP, a /28 or a /80; text is parsed.
        at_ns: the removal happens before the first call at or after this time.
    """

    eni_id: str
    cidr: Cidr = attrs.field(converter=_cidr)
    at_ns: int


def _fault_tuple(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(faults)


def _taken_tuple(taken: Iterable[TakenAddress]) -> tuple[TakenAddress, ...]:
    return tuple(taken)


@attrs.frozen
class Faults:
    """All faults of one model.

    Attributes:
        faults: the first fault that picks a call applies to it; TAKE_ADDRESS can apply together with another.
        taken: the addresses that an administrator removes at set times.
        seed: for all random picks. Each fault has its own random sequence, so that one more fault at the end does not change the others.
        until_ns: faults apply before this time; None for no end.
    """

    faults: tuple[Fault, ...] = attrs.field(default=(), converter=_fault_tuple)
    taken: tuple[TakenAddress, ...] = attrs.field(default=(), converter=_taken_tuple)
    seed: int = 0
    until_ns: int | None = None

    @classmethod
    def random(
        cls,
        seed: int,
        rates: Mapping[Effect | str, float],
        *,
        actions: Iterable[str] = NODE_ACTIONS,
        code: str = ErrorCode.REQUEST_TIMEOUT,
        until_ns: int | None = None,
    ) -> "Faults":
        """Create faults that apply each effect at its rate to the calls of some actions."""
        wanted = tuple(actions)
        faults = tuple(
            Fault(effect, action, rate=rate, code=code)
            for effect, rate in rates.items()
            for action in wanted
            if effect not in METADATA_EFFECTS or action == METADATA_ACTION
        )
        return cls(faults, seed=seed, until_ns=until_ns)


@attrs.frozen
class Injection:
    """The faults that apply to one call.

    Attributes:
        fault: the fault of the call itself; None if it proceeds.
        removes_address: whether some ENI loses an address before the call.
        number: a random number that picks the ENI and the address of the effect.
    """

    fault: Fault | None = None
    removes_address: bool = False
    number: int = 0


NO_INJECTION = Injection()


class FaultInjector:
    """Count the unthrottled calls of one model and pick the faults of each; the seed and the order of calls determine the picks."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._counts: Counter[str | None] = Counter()
        self._injected_counts: Counter[str] = Counter()
        # The seed depends on the position only, so that a fault with an earlier end picks the same calls until then.
        self._draws = [(fault, Scatter(faults.seed ^ position << 32)) for position, fault in enumerate(faults.faults, start=1)]
        self._by_action: dict[str, list[tuple[Fault, Scatter]]] = {}
        self._numbers = Scatter(faults.seed)
        self._taken = sorted(faults.taken, key=lambda taken: taken.at_ns, reverse=True)

    @property
    def injected_counts(self) -> dict[str, int]:
        """The number of injections of each effect."""
        return dict(self._injected_counts)

    def next_call(self, action: str, now_ns: int) -> Injection:
        """Count a call and return the faults that apply to it.

        Complexity: O(faults of the action).
        """
        if not self._draws:
            return NO_INJECTION
        self._counts[action] += 1
        self._counts[None] += 1
        fault, removes_address = None, False
        for each, draws in self._faults_of(action):
            if not each.holds(now_ns) or not self._picks(each, draws) or self._is_over(now_ns):
                continue
            if each.effect is Effect.TAKE_ADDRESS:
                removes_address = True
            elif fault is None:
                fault = each
        if fault is not None:
            self._injected_counts[fault.effect.value] += 1
        if removes_address:
            self._injected_counts[Effect.TAKE_ADDRESS.value] += 1
        if fault is None and not removes_address:
            return NO_INJECTION
        return Injection(fault, removes_address, self._numbers.below(_DRAW_BOUND))

    def due_removals(self, now_ns: int) -> tuple[TakenAddress, ...]:
        """Return the administrator's removals that are due by now, each once, in the order of their times."""
        if not self._taken:
            return ()
        due = []
        while self._taken and self._taken[-1].at_ns <= now_ns:
            due.append(self._taken.pop())
        return tuple(due)

    def _faults_of(self, action: str) -> list[tuple[Fault, Scatter]]:
        if action not in self._by_action:
            self._by_action[action] = [(fault, draws) for fault, draws in self._draws if fault.action in (None, action)]
        return self._by_action[action]

    def _picks(self, fault: Fault, draws: Scatter) -> bool:
        if fault.nth is not None:
            return self._counts[fault.action] == fault.nth
        return draws.below(_DRAW_BOUND) < fault.rate * _DRAW_BOUND

    def _is_over(self, now_ns: int) -> bool:
        return self._faults.until_ns is not None and now_ns >= self._faults.until_ns
