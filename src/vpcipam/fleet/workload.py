"""Workloads: pods that are created and deleted, generated from a seed. `vpcipam.fleet.trace` reads real ones."""

import itertools
import math
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from statistics import NormalDist
from typing import Literal, NamedTuple, Protocol, get_args

import attrs

from vpcipam._arguments import require_integer
from vpcipam._units import NS_PER_S, S_PER_DAY, S_PER_HOUR
from vpcipam.errors import InvalidArgument
from vpcipam.fleet.cron import due_ns
from vpcipam.fleet.spread import DEFAULT_CONSTRAINTS, SpreadConstraint, TopologySpread

MAX_S = 36_500.0 * S_PER_DAY
"""The longest time in a workload: a hundred years."""
MAX_NS = 36_500 * S_PER_DAY * NS_PER_S
"""`MAX_S` in nanoseconds. Twice this value fits into 64 bits, as the compiled loop requires."""
SHORTEST_S = 1e-9
"""The shortest time above 0: 1 ns."""
MAX_PER_HOUR = 1e9
"""The highest rate of arrivals, in pods per hour."""
MAX_POD_COUNT = 10_000_000
"""The most pods of a generator; each takes about 300 bytes."""


def _number(high: float, *, low: float = 0.0) -> Callable[[object, "attrs.Attribute[float]", float], None]:
    """Make a validator for a number from `low` to `high`, both included."""

    def validate(instance: object, attribute: "attrs.Attribute[float]", value: float) -> None:
        name = f"{attribute.name} of {type(instance).__name__}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name} must be a number, not {type(value).__name__} ({value!r})")
        if not low <= value <= high:
            raise InvalidArgument(f"{name} must be from {low:g} to {high:g}, not {value}")

    return validate


def _count(low: int = 0) -> Callable[[object, "attrs.Attribute[int]", int], None]:
    """Make a validator for a whole number of `low` or more."""

    def validate(instance: object, attribute: "attrs.Attribute[int]", value: int) -> None:
        require_integer(f"{attribute.name} of {type(instance).__name__}", value, low)

    return validate


LifetimeOf = Literal["run", "creation"]
"""When a pod's lifetime begins: when it has its address, or when it is created."""


def _lifetime_of(instance: object, attribute: "attrs.Attribute[LifetimeOf]", value: LifetimeOf) -> None:
    if value not in get_args(LifetimeOf):
        raise InvalidArgument(f"{attribute.name} of {type(instance).__name__} must be 'run' or 'creation', not {value!r}")


class PodRun(NamedTuple):
    """One pod, from creation to deletion, in nanoseconds since the start of the scenario. A tuple, because a run can have millions.

    Attributes:
        created_ns: 0 if the pod is there from the start.
        deleted_ns: later than `created_ns`; None if the pod stays.
        node: the node that it is bound to; None if the scheduler chooses.
        runs_fully: whether its lifetime begins when it has its address, so that a wait postpones its deletion, as that of a job's pod.
        spread: how it is spread over zones; has no effect in a fleet without zones, or on a pod that is bound to a node.
    """

    name: str
    created_ns: int
    deleted_ns: int | None
    node: str | None = None
    runs_fully: bool = False
    spread: TopologySpread | None = None


class Workload(Protocol):
    """A source of pods."""

    def pods(self, seed: int, duration_ns: int) -> tuple[PodRun, ...]:
        """Return all pods created within a duration, by creation time, then name. Names are unique. The same seed gives the same pods."""
        ...


@attrs.frozen
class FixedWorkload:
    """A given list of pods, for example from a trace."""

    runs: tuple[PodRun, ...]

    def pods(self, seed: int, duration_ns: int) -> tuple[PodRun, ...]:
        """Return the pods created within the duration; the seed has no effect."""
        del seed
        return in_order(run for run in self.runs if run.created_ns < duration_ns)


@attrs.frozen
class CombinedWorkload:
    """Several workloads together, each with its own random numbers. Their pods' names must differ."""

    parts: tuple[Workload, ...]

    def pods(self, seed: int, duration_ns: int) -> tuple[PodRun, ...]:
        """Return the pods of all parts."""
        return in_order(itertools.chain.from_iterable(part.pods(seed + 7919 * place, duration_ns) for place, part in enumerate(self.parts)))


# --- how long a pod stays ------------------------------------------------------------------------------------------------------


class Lifetime(Protocol):
    """A distribution of how long pods stay."""

    def draw(self, chance: Random) -> float:
        """Draw a lifetime in seconds, 0 or more."""
        ...


@attrs.frozen
class FixedLifetime:
    """The same lifetime for every pod."""

    seconds: float = attrs.field(validator=_number(MAX_S, low=SHORTEST_S))

    def draw(self, chance: Random) -> float:
        """Return the fixed lifetime."""
        del chance
        return self.seconds


@attrs.frozen
class ExponentialLifetime:
    """Exponential lifetimes: a pod is equally likely to be deleted at any age."""

    mean_s: float = attrs.field(validator=_number(MAX_S, low=SHORTEST_S))

    def draw(self, chance: Random) -> float:
        """Draw a lifetime in seconds."""
        return -math.log(1 - chance.random()) * self.mean_s


# Takes one random number per draw, so runs with different sigmas draw the same quantiles. An exact 0 has a chance of 2**-53.
_normal_quantile = NormalDist().inv_cdf


@attrs.frozen
class LogNormalLifetime:
    """Log-normal lifetimes, typical of batch pods: a few stay far longer than most.

    Attributes:
        median_s: half of the pods stay longer.
        sigma: the standard deviation of the logarithm; the 90th percentile is median × e^(1.2816 sigma).
    """

    median_s: float = attrs.field(validator=_number(MAX_S, low=SHORTEST_S))
    sigma: float = attrs.field(validator=_number(10.0))

    @classmethod
    def from_p90(cls, median_s: float, p90_s: float) -> "LogNormalLifetime":
        """Return the distribution with this median and 90th percentile.

        Raises:
            InvalidArgument: a time is not above 0, or `p90_s` is below the median.

        >>> round(LogNormalLifetime.from_p90(600, 7200).sigma, 3)
        1.939
        """
        if not 0 < median_s <= p90_s:
            raise InvalidArgument(f"the median of a LogNormalLifetime must be above 0 and at most the p90, not {median_s} with {p90_s}")
        return cls(median_s, math.log(p90_s / median_s) / _normal_quantile(0.9))

    def draw(self, chance: Random) -> float:
        """Draw a lifetime in seconds."""
        return self.median_s * math.exp(self.sigma * _normal_quantile(chance.random() or 0.5))


def _as_tuple(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(values)


@attrs.frozen
class EmpiricalLifetime:
    """Lifetimes of a sample, interpolated between neighbours.

    Attributes:
        quantiles_s: from the shortest to the longest lifetime, evenly spaced in rank; at least two.
    """

    quantiles_s: tuple[float, ...] = attrs.field(converter=_as_tuple)

    @quantiles_s.validator
    def _check_quantiles(self, _: object, quantiles_s: tuple[float, ...]) -> None:
        rise = all(low <= high for low, high in itertools.pairwise(quantiles_s))
        if len(quantiles_s) < 2 or not rise or not quantiles_s[0] >= 0 or quantiles_s[-1] > MAX_S:
            shown = f"{len(quantiles_s)} of them" if len(quantiles_s) > 9 else quantiles_s
            raise InvalidArgument(f"the quantiles of an EmpiricalLifetime must be at least two times, 0 or more, ascending, not {shown}")

    @classmethod
    def from_runs(cls, runs: Iterable[PodRun]) -> "EmpiricalLifetime":
        """Return the distribution of the lifetimes of pods. Pods that stay are left out.

        Raises:
            InvalidArgument: fewer than two pods are ever deleted.
        """
        lives_s = sorted((run.deleted_ns - run.created_ns) / NS_PER_S for run in runs if run.deleted_ns is not None)
        if len(lives_s) < 2:
            raise InvalidArgument(f"an EmpiricalLifetime needs at least two deleted pods, not {len(lives_s)}")
        return cls(tuple(lives_s))

    def draw(self, chance: Random) -> float:
        """Draw a lifetime in seconds."""
        place = chance.random() * (len(self.quantiles_s) - 1)
        below = int(place)
        return self.quantiles_s[below] + (place - below) * (self.quantiles_s[below + 1] - self.quantiles_s[below])


# --- generators ----------------------------------------------------------------------------------------------------------------


@attrs.frozen
class Wave:
    """The daily wave of an arrival rate.

    Attributes:
        amplitude: 0 to 1: the rate is (1 + amplitude) times the mean at the peak, (1 − amplitude) times at the trough.
        peak_hour: the hour of the peak, 0 to 24; the scenario starts at midnight.
    """

    amplitude: float = attrs.field(default=0.0, validator=_number(1.0))
    peak_hour: float = attrs.field(default=14.0, validator=_number(24.0))

    def factor(self, time_s: float) -> float:
        """Return the rate at a time, as a multiple of the mean."""
        return 1 + self.amplitude * math.cos(2 * math.pi * (time_s / S_PER_DAY - self.peak_hour / 24))


@attrs.frozen
class Arrivals:
    """Pods that arrive at random times (a Poisson process), one by one or in bursts, and stay for a drawn time.

    Attributes:
        name: what the pods' names begin with.
        per_hour: the mean number of pods per hour; each pod of a burst counts.
        lifetime: how long each pod stays.
        wave: how the rate changes over the day.
        burst: pods that arrive together; there are `per_hour` / `burst` bursts an hour on average.
        standing: pods that exist at the start; their lifetimes begin then.
        lifetime_of: `run` if a pod's lifetime begins when it has its address, `creation` if when it is created.
    """

    name: str
    per_hour: float = attrs.field(validator=_number(MAX_PER_HOUR))
    lifetime: Lifetime
    wave: Wave = Wave()
    burst: int = attrs.field(default=1, validator=_count(1))
    standing: int = attrs.field(default=0, validator=_count())
    lifetime_of: LifetimeOf = attrs.field(default="run", validator=_lifetime_of)

    def expected_count(self, duration_ns: int) -> int:
        """Estimate the number of pods."""
        return self.standing + round(self.per_hour * duration_ns / (S_PER_HOUR * NS_PER_S))

    def pods(self, seed: int, duration_ns: int) -> tuple[PodRun, ...]:
        """Draw the pods."""
        require_feasible(self, duration_ns)
        chance = Random(f"{self.name}/{seed}")  # noqa: S311 - chances of a simulation, by seed
        times = [*itertools.repeat(0, self.standing), *self._times(chance, duration_ns)]
        return _with_lifetimes(self, times, seed)

    def _times(self, chance: Random, duration_ns: int) -> Iterator[int]:
        """Draw times at the peak rate, and drop some to follow the wave (thinning)."""
        if not self.per_hour:
            return
        draw, log, factor = chance.random, math.log, self.wave.factor if self.wave.amplitude else None
        highest = 1 + self.wave.amplitude
        gap_s = S_PER_HOUR * self.burst / self.per_hour / highest
        time_s = -log(1 - draw()) * gap_s
        # The first comparison ends the loop before int() gets an infinite time.
        while time_s <= duration_ns and (time_ns := int(time_s * NS_PER_S)) < duration_ns:
            if factor is None or draw() * highest < factor(time_s):
                yield from itertools.repeat(time_ns, self.burst)
            time_s -= log(1 - draw()) * gap_s


def _constraints(constraints: Iterable[SpreadConstraint]) -> tuple[SpreadConstraint, ...]:
    return tuple(constraints)


@attrs.frozen
class Deployment:
    """Replicas that exist from the start. Each roll-out replaces all of them, batch by batch.

    A batch is `max_surge` + `max_unavailable` pods. A roll-out begins by deleting `max_unavailable` old pods and creating a batch of new
    ones. When these are ready, as many old pods are deleted and the next batch is created. So there are never more than `replicas` +
    `max_surge` pods, and never fewer than `replicas` − `max_unavailable` ready ones (Kubernetes: RollingUpdate). A roll-out does not wait
    for addresses: a pod counts as ready `ready_s` after its creation. If a roll-out takes longer than the interval, the next
    one begins when it ends.

    Attributes:
        replicas: the number of pods.
        roll_interval_s: the time between two roll-outs; the first is one interval after the start. 0 for none.
        max_surge: how many pods more than `replicas` there can be, 0 or more.
        max_unavailable: how far the number of ready pods can fall below `replicas`, 0 or more; must not be 0 if `max_surge` is 0.
        ready_s: how long a new pod takes to become ready, above 0.
        spread: the topology spread constraints of its pods; None for the scheduler's default. Constraints that you give count the pods of
            all roll-outs together, as a selector of the deployment's labels does; the default counts those of one roll-out, since it
            selects the pods of a ReplicaSet (podtopologyspread/common.go: buildDefaultConstraints).

    Example:
        >>> for pod in Deployment("web", 1, roll_interval_s=60, max_surge=1, ready_s=5).pods(0, 100 * NS_PER_S):
        ...     print(pod.name, pod.created_ns, pod.deleted_ns)
        web-0-0 0 65000000000
        web-1-0 60000000000 None
    """

    name: str
    replicas: int = attrs.field(validator=_count())
    roll_interval_s: float = attrs.field(default=0.0, validator=_number(MAX_S))
    max_surge: int = attrs.field(default=1, validator=_count())
    max_unavailable: int = attrs.field(default=0, validator=_count())
    ready_s: float = attrs.field(default=10.0, validator=_number(MAX_S, low=SHORTEST_S))
    spread: tuple[SpreadConstraint, ...] | None = attrs.field(default=None, converter=attrs.converters.optional(_constraints))

    def __attrs_post_init__(self) -> None:
        """Refuse a roll-out that could never begin, and spread constraints that contradict each other."""
        self._spread_of(0)
        if not self.max_surge and not self.max_unavailable:
            raise InvalidArgument("max_surge and max_unavailable of a Deployment must not both be 0: no pod could be replaced")

    def expected_count(self, duration_ns: int) -> int:
        """Return an upper bound on the number of pods."""
        return self.replicas * (1 + len(self._begins_ns(duration_ns)))

    def pods(self, seed: int, duration_ns: int) -> tuple[PodRun, ...]:
        """Return the pods; the seed has no effect."""
        del seed
        require_feasible(self, duration_ns)
        begins_ns = self._begins_ns(duration_ns)
        ready_ns = round(self.ready_s * NS_PER_S)
        batch = self.max_surge + self.max_unavailable
        spreads = [self._spread_of(number) for number in range(1 + len(begins_ns) if self.replicas else 0)]
        runs = []
        for replica in range(self.replicas):
            made_ns = replica // batch * ready_ns
            gone_ns = (replica - self.max_unavailable + batch) // batch * ready_ns
            made = [0, *(begin_ns + made_ns for begin_ns in begins_ns)]
            gone = [*(begin_ns + gone_ns for begin_ns in begins_ns), None]
            runs += [
                PodRun(f"{self.name}-{number}-{replica}", *times, None, False, spread)  # noqa: FBT003  # the fields of a tuple
                for number, (times, spread) in enumerate(zip(zip(made, gone, strict=True), spreads, strict=True))
            ]
        return in_order(run for run in runs if run.created_ns < duration_ns)

    def _spread_of(self, number: int) -> TopologySpread | None:
        """Return how the pods of a roll-out are spread; number 0 stands for the pods that are there from the start."""
        if self.spread is None:
            return TopologySpread(f"{self.name}-{number}", DEFAULT_CONSTRAINTS)
        return TopologySpread(self.name, self.spread) if self.spread else None

    def _begins_ns(self, duration_ns: int) -> range:
        """Return when roll-outs begin."""
        interval_ns = round(self.roll_interval_s * NS_PER_S)
        if not interval_ns:
            return range(0)
        # A roll-out ends when its last batch is ready, so the next one never deletes a pod that is not ready.
        batch_count = -(-self.replicas // (self.max_surge + self.max_unavailable))
        return range(interval_ns, duration_ns, max(interval_ns, batch_count * round(self.ready_s * NS_PER_S)))


@attrs.frozen
class CronJob:
    """Pods that start together at regular intervals, or on a schedule.

    Attributes:
        interval_s: the time between two runs, 1 ns or more; None if there is a schedule.
        count: the pods of each run.
        first_s: when the first run starts; 0 with a schedule.
        schedule: in cron's syntax, as in a Kubernetes CronJob. A scenario starts at midnight, on Monday, 1 January.
        lifetime: how long each pod stays.
        lifetime_of: as for `Arrivals`.
    """

    name: str
    interval_s: float | None = attrs.field(validator=attrs.validators.optional(_number(MAX_S, low=SHORTEST_S)))
    count: int = attrs.field(validator=_count())
    lifetime: Lifetime
    first_s: float = attrs.field(default=0.0, validator=_number(MAX_S))
    lifetime_of: LifetimeOf = attrs.field(default="run", validator=_lifetime_of)
    schedule: str | None = None

    def __attrs_post_init__(self) -> None:
        """Check that there is either an interval or a schedule."""
        if (self.interval_s is None) == (self.schedule is None):
            raise InvalidArgument("a CronJob needs either interval_s or a schedule")
        if self.schedule is not None:
            if self.first_s:
                raise InvalidArgument("first_s of a CronJob goes with interval_s; a schedule says itself when the first run is")
            due_ns(self.schedule, 1)

    def expected_count(self, duration_ns: int) -> int:
        """Return the number of pods."""
        return self.count * len(self._begins_ns(duration_ns))

    def pods(self, seed: int, duration_ns: int) -> tuple[PodRun, ...]:
        """Return the pods of all runs, with drawn lifetimes."""
        require_feasible(self, duration_ns)
        # A run that is due at the start is not there from the start.
        begins_ns = [max(time_ns, 1) for time_ns in self._begins_ns(duration_ns) if duration_ns > 1]
        times = [time_ns for time_ns in begins_ns for _ in range(self.count)]
        return _with_lifetimes(self, times, seed)

    def _begins_ns(self, duration_ns: int) -> Sequence[int]:
        if self.interval_s is None:
            assert self.schedule is not None, "else it has an interval"  # noqa: S101  # for the type checker
            return due_ns(self.schedule, duration_ns)
        return range(round(self.first_s * NS_PER_S), duration_ns, round(self.interval_s * NS_PER_S))


# --- helpers of all generators ---------------------------------------------------------------------------------------------------


def _with_lifetimes(generator: "Arrivals | CronJob", times: list[int], seed: int) -> tuple[PodRun, ...]:
    """Make pods that are created at given times, with drawn lifetimes from 1 ns to `MAX_S`.

    Lifetimes have random numbers of their own, so a longer duration adds pods but changes none.
    """
    name, draw = generator.name, generator.lifetime.draw
    chance = Random(f"{name}/{seed}/lifetimes")  # noqa: S311 - chances of a simulation, by seed
    # A wide log-normal draws huge lifetimes, even infinite ones, which int() refuses: limit them first.
    ends = [time_ns + (int(min(draw(chance), MAX_S) * NS_PER_S) or 1) for time_ns in times]
    names = [f"{name}-{number}" for number in range(len(times))]
    runs_fully = generator.lifetime_of == "run"
    others = map(itertools.repeat, (None, runs_fully, None))
    return in_order(map(PodRun._make, zip(names, times, ends, *others, strict=False)))


Generator = Arrivals | Deployment | CronJob


def require_feasible(generator: Generator, duration_ns: int) -> None:
    """Refuse a workload that would not fit into memory.

    Raises:
        InvalidArgument: it has more than `MAX_POD_COUNT` pods.
    """
    count = generator.expected_count(duration_ns)
    if count > MAX_POD_COUNT:
        what = f"{type(generator).__name__} {generator.name!r}"
        raise InvalidArgument(f"{what} would make {count:,} pods, more than {MAX_POD_COUNT:,}; lower its rate or the duration")


def in_order(runs: Iterable[PodRun]) -> tuple[PodRun, ...]:
    """Sort pods by creation time, then name, and check them.

    Raises:
        InvalidArgument: two pods have the same name; or a pod is created before 0, is not deleted after its creation, or is deleted
            after twice `MAX_NS`.
    """
    ordered = sorted(runs, key=operator.itemgetter(1, 0))
    if len({run[0] for run in ordered}) != len(ordered):
        ((twice, _),) = Counter(run.name for run in ordered).most_common(1)
        raise InvalidArgument(f"two pods are called {twice!r}; each needs a name of its own")
    for name, created_ns, deleted_ns, *_ in ordered:
        if created_ns < 0 or (deleted_ns is not None and not created_ns < deleted_ns <= 2 * MAX_NS):
            times = f"created at {created_ns} ns and deleted at {deleted_ns} ns"
            bounds = f"at 0 or later, and deleted after that, at {2 * MAX_NS} ns at most"
            raise InvalidArgument(f"pod {name!r} is {times}; it must be created {bounds}")
    return tuple(ordered)
