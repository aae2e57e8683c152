"""What goes wrong between a node and EC2, by script or by seeded chance.

A fault says what happens and to which calls. `Faults` is a frozen list of them; `FaultRun` counts the calls of one model and picks.
"""

import enum
from collections import Counter
from collections.abc import Iterable, Mapping

import attrs

from vpcipam._arguments import require_integer
from vpcipam._chance import Scatter
from vpcipam.address import Cidr
from vpcipam.ec2.api import METADATA_ACTION, ErrorCode, require_action
from vpcipam.errors import InvalidArgument

NODE_ACTIONS = (
    "AssignIpv6Addresses",
    "AssignPrivateIpAddresses",
    "AttachNetworkInterface",
    "CreateNetworkInterface",
    "DeleteNetworkInterface",
    "DescribeInstances",
    "DescribeNetworkInterfaces",
    "DescribeSubnets",
    "DetachNetworkInterface",
    "ModifyNetworkInterfaceAttribute",
    "UnassignPrivateIpAddresses",
    METADATA_ACTION,
)
"""What a node calls, as against what sets the stage: launching instances, making subnets."""

_DRAW_BOUND = 1 << 53
"""A rate is a float: it has 53 bits, so that a rate of 1 strikes always and one of 0 never."""


class Crash(BaseException):
    """The caller dies here, in the middle of a call: what it holds in memory is lost, what EC2 has stays.

    It is no `Exception`, so that no retry loop and no `except Exception` outlives its own death. Only the test that asked for it catches
    it, and starts a new node.

    Attributes:
        action: the call under way.
        took_effect: whether EC2 has carried it out.
    """

    def __init__(self, action: str, *, took_effect: bool) -> None:
        super().__init__(f"the caller crashed {'after' if took_effect else 'before'} {action} took effect")
        self.action = action
        self.took_effect = took_effect


class Effect(enum.StrEnum):
    """What a fault does to the call that it strikes."""

    REFUSE = "refuse"
    """EC2 refuses it with the fault's code; nothing changes."""
    LOSE_ANSWER = "lose-answer"
    """It takes effect, but the caller gets the fault's code. A call that EC2 refuses anyway answers with its own refusal."""
    CRASH_BEFORE = "crash-before"
    """`Crash` is raised; nothing changes."""
    CRASH_AFTER = "crash-after"
    """It takes effect, then `Crash` is raised."""
    TAKE_ADDRESS = "take-address"
    """Before it, some ENI loses a secondary IP or a prefix, as if an administrator had taken it off. The call itself goes on."""
    HIDE_ENI = "hide-eni"
    """Metadata only: one ENI is missing from the answer; never the primary one, through which the metadata is read."""
    HIDE_ADDRESSES = "hide-addresses"
    """Metadata only: some secondary IPs and prefixes of one ENI are missing from the answer, at least one if there is one."""
    REPEAT_ANSWER = "repeat-answer"
    """Metadata only: the answer is that of the read before."""


METADATA_EFFECTS = frozenset({Effect.HIDE_ENI, Effect.HIDE_ADDRESSES, Effect.REPEAT_ANSWER})


def _effect(value: Effect | str) -> Effect:
    try:
        return Effect(value)
    except ValueError:
        raise InvalidArgument(f"effect is {value!r}; it must be one of {', '.join(Effect)}") from None


def _usual_action(fault: "Fault") -> str | None:
    return METADATA_ACTION if fault.effect in METADATA_EFFECTS else None


@attrs.frozen
class Fault:
    """What goes wrong, and with which calls: the nth one of an action, or some of them by chance.

    Attributes:
        effect: what happens.
        action: EC2's name of the action, or `InstanceMetadata`; None for every action. It is `InstanceMetadata` by itself where nothing
            else makes sense.
        nth: which call of that action, from 1, of those that are not throttled; None for those that the rate picks.
        rate: the chance of each call, 0 to 1.
        code: of REFUSE and LOSE_ANSWER. The default is botocore's for a request without an answer.
        from_ns: no call before it is struck.
        until_ns: no call from then on is struck; None for no end.
    """

    effect: Effect = attrs.field(converter=_effect)
    action: str | None = attrs.field(default=attrs.Factory(_usual_action, takes_self=True))
    nth: int | None = attrs.field(default=None, kw_only=True)
    rate: float = attrs.field(default=0.0, kw_only=True)
    code: str = attrs.field(default=ErrorCode.REQUEST_TIMEOUT, kw_only=True)
    from_ns: int | None = attrs.field(default=None, kw_only=True)
    until_ns: int | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the values, and what belongs together."""
        if self.action is not None:
            require_action("action of a Fault", self.action)
        if self.nth is not None:
            require_integer("nth of a Fault", self.nth, 1)
        if not 0 <= self.rate <= 1:
            raise InvalidArgument(f"rate of a Fault must be 0 to 1, not {self.rate}")
        if self.nth is not None and self.rate:
            raise InvalidArgument(f"a Fault strikes the nth call or some by rate: give nth={self.nth} or rate={self.rate}, not both")
        if self.effect in METADATA_EFFECTS and self.action != METADATA_ACTION:
            raise InvalidArgument(f"{self.effect} strikes {METADATA_ACTION} only, not {self.action}")

    def holds(self, now_ns: int) -> bool:
        """Tell whether a time lies within its span."""
        return (self.from_ns is None or now_ns >= self.from_ns) and (self.until_ns is None or now_ns < self.until_ns)


def _cidr(cidr: str | Cidr) -> Cidr:
    return cidr if isinstance(cidr, Cidr) else Cidr.parse(cidr)


@attrs.frozen
class TakenAddress:
    """An administrator takes an address off an ENI, before the first call at or after a time; nothing happens if it is not there any more.

    Attributes:
        eni_id: which ENI.
        cidr: a secondary IP, or a /28 or /80; a text comes in.
        at_ns: when.
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
    """All that goes wrong with one model.

    Attributes:
        faults: the first that strikes a call decides what becomes of it; TAKE_ADDRESS strikes beside another.
        taken: what an administrator takes away, whenever.
        seed: of all that is left to chance. Each fault draws its own sequence, so that one more at the end leaves the others as they were.
        until_ns: from then on all goes well; None for no end.
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
        """Let each effect strike each call of some actions at a rate."""
        wanted = tuple(actions)
        faults = tuple(
            Fault(effect, action, rate=rate, code=code)
            for effect, rate in rates.items()
            for action in wanted
            if effect not in METADATA_EFFECTS or action == METADATA_ACTION
        )
        return cls(faults, seed=seed, until_ns=until_ns)


@attrs.frozen
class Strike:
    """What strikes one call.

    Attributes:
        fault: what becomes of the call itself, None where it goes on.
        takes_address: whether an address is taken away before it.
        number: a number drawn for whatever the effect leaves open: which ENI, which address.
    """

    fault: Fault | None = None
    takes_address: bool = False
    number: int = 0


NO_STRIKE = Strike()


class FaultRun:
    """Count the calls that one model lets in and say which are struck: a pure function of the seed and the calls in their order."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._counts: Counter[str | None] = Counter()
        self._struck_counts: Counter[str] = Counter()
        # By position alone: a fault that is made to end sooner strikes the same calls until then.
        self._draws = [(fault, Scatter(faults.seed ^ position << 32)) for position, fault in enumerate(faults.faults, start=1)]
        self._by_action: dict[str, list[tuple[Fault, Scatter]]] = {}
        self._numbers = Scatter(faults.seed)
        self._taken = sorted(faults.taken, key=lambda taken: taken.at_ns, reverse=True)

    @property
    def struck_counts(self) -> dict[str, int]:
        """How often each effect has struck."""
        return dict(self._struck_counts)

    def strike(self, action: str, now_ns: int) -> Strike:
        """Say what strikes the next call.

        Complexity: O(faults of the action).
        """
        if not self._draws:
            return NO_STRIKE
        self._counts[action] += 1
        self._counts[None] += 1
        fault, takes_address = None, False
        for each, draws in self._faults_of(action):
            if not each.holds(now_ns) or not self._picks(each, draws) or self._is_over(now_ns):
                continue
            if each.effect is Effect.TAKE_ADDRESS:
                takes_address = True
            elif fault is None:
                fault = each
        if fault is not None:
            self._struck_counts[fault.effect.value] += 1
        if takes_address:
            self._struck_counts[Effect.TAKE_ADDRESS.value] += 1
        if fault is None and not takes_address:
            return NO_STRIKE
        return Strike(fault, takes_address, self._numbers.below(_DRAW_BOUND))

    def due(self, now_ns: int) -> tuple[TakenAddress, ...]:
        """Hand out what an administrator has taken away by now, each once, in the order of their times."""
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
