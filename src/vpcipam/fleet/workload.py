"""Workloads: pods that are created and deleted, generated from a seed. `vpcipam.fleet.trace` reads real ones."""

import itertools
import math
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from random import Random
from statistics import NormalDist
from typing import NamedTuple, Protocol

import attrs

from vpcipam._arguments import require_integer
from vpcipam._units import NS_PER_S
from vpcipam.errors import InvalidArgument

MAX_S = 36_500 * 86_400.0
"""The longest time in a workload: a hundred years."""
MAX_NS = 36_500 * 86_400 * NS_PER_S
"""`MAX_S` in nanoseconds. Twice that fits into 64 bits, which the compiled loop needs."""
SHORTEST_S = 1e-9
"""The shortest time above 0."""
MAX_PER_HOUR = 1e9
"""The highest rate at which pods come."""
MAX_POD_COUNT = 10_000_000
"""The most pods that a generator makes: each takes about 300 bytes."""


def _number(high: float, *, low: float = 0.0) -> Callable[[object, "attrs.Attribute[float]", float], None]:
    """Make a validator: a number between two, both included."""

    def validate(instance: object, attribute: "attrs.Attribute[float]", value: float) -> None:
        name = f"{attribute.name} of {type(instance).__name__}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name} must be a number, not {type(value).__name__} ({value!r})")
        if not low <= value <= high:
            raise InvalidArgument(f"{name} must be from {low:g} to {high:g}, not {value}")

    return validate


def _count(low: int = 0) -> Callable[[object, "attrs.Attribute[int]", int], None]:
    """Make a validator: a whole number of `low` or more."""

    def validate(instance: object, attribute: "attrs.Attribute[int]", value: int) -> None:
        require_integer(f"{attribute.name} of {type(instance).__name__}", value, low)

    return validate


class PodRun(NamedTuple):
    """One pod, from its creation to its deletion; times are nanoseconds since the start of the scenario. A tuple, since millions are made.

    Attributes:
        deleted_ns: later than `created_ns`; None if the pod stays.
        node: the node that it is bound to; None if the scheduler chooses.
    """

    name: str
    created_ns: int
    deleted_ns: int | None
    node: str | None = None


class Workload(Protocol):
    """Where pods come from."""

    def pods(self, seed: int, duration_ns: int) -> tuple[PodRun, ...]:
        """All pods created within a duration, ascending by time of creation, then name; no name twice. Same seed, same pods."""
        ...


@attrs.frozen
class FixedWorkload:
    """A given list of pods, as from a trace or a test."""

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
        """The pods of all parts."""
        return in_order(itertools.chain.from_iterable(part.pods(seed + 7919 * place, duration_ns) for place, part in enumerate(self.parts)))


# --- how long a pod stays ------------------------------------------------------------------------------------------------------


class Lifetime(Protocol):
    """How long a pod stays."""

    def draw(self, chance: Random) -> float:
        """Draw one, in seconds, 0 or more."""
        ...


@attrs.frozen
class FixedLifetime:
    """Every pod stays equally long."""

    seconds: float = attrs.field(validator=_number(MAX_S, low=SHORTEST_S))

    def draw(self, chance: Random) -> float:
        """Return the fixed lifetime."""
        del chance
        return self.seconds


@attrs.frozen
class ExponentialLifetime:
    """Exponential lifetimes: a pod's chance to be deleted is the same at any age."""

    mean_s: float = attrs.field(validator=_number(MAX_S, low=SHORTEST_S))

    def draw(self, chance: Random) -> float:
        """Draw one."""
        return -math.log(1 - chance.random()) * self.mean_s


# One random number for each draw, so that two runs with different sigmas see the same luck. The chance of an exact 0 is 2**-53.
_normal_quantile = NormalDist().inv_cdf


@attrs.frozen
class LogNormalLifetime:
    """Log-normal lifetimes: most pods stay for a while and a few very long, as batch pods do.

    Attributes:
        median_s: half of them stay longer.
        sigma: the standard deviation of the logarithm; the 90th percentile is median × e^(1.2816 sigma).
    """

    median_s: float = attrs.field(validator=_number(MAX_S, low=SHORTEST_S))
    sigma: float = attrs.field(validator=_number(10.0))

    @classmethod
    def from_p90(cls, median_s: float, p90_s: float) -> "LogNormalLifetime":
        """Nine of ten stay for `p90_s` or less.

        Raises:
            InvalidArgument: a time is not above 0, or `p90_s` is below the median.

        >>> round(LogNormalLifetime.from_p90(600, 7200).sigma, 3)
        1.939
        """
        if not 0 < median_s <= p90_s:
            raise InvalidArgument(f"the median of a LogNormalLifetime must be above 0 and at most the p90, not {median_s} with {p90_s}")
        return cls(median_s, math.log(p90_s / median_s) / _normal_quantile(0.9))

    def draw(self, chance: Random) -> float:
        """Draw one."""
        return self.median_s * math.exp(self.sigma * _normal_quantile(chance.random() or 0.5))


def _as_tuple(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(values)


@attrs.frozen
class EmpiricalLifetime:
    """Lifetimes of a sample, interpolated between neighbours.

    Attributes:
        quantiles_s: ascending, at least two: the shortest, …, the longest, evenly spaced in rank.
    """

    quantiles_s: tuple[float, ...] = attrs.field(converter=_as_tuple)

    @quantiles_s.validator
    def _check_quantiles(self, _: object, quantiles_s: tuple[float, ...]) -> None:
        rise = all(low <= high for low, high in itertools.pairwise(quantiles_s))
        if len(quantiles_s) < 2 or not rise or not quantiles_s[0] >= 0 or quantiles_s[-1] > MAX_S:
            shown = f"{len(quantiles_s)} of them" if len(quantiles_s) > 9 else quantiles_s
            raise InvalidArgument(f"the quantiles of an EmpiricalLifetime must be two times or more, 0 or more, ascending, not {shown}")

    @classmethod
    def from_runs(cls, runs: Iterable[PodRun]) -> "EmpiricalLifetime":
        """Take the lifetimes of pods; those that stay have none.

        Raises:
            InvalidArgument: fewer than two pods are ever deleted.
        """
        lives_s = sorted((run.deleted_ns - run.created_ns) / NS_PER_S for run in runs if run.deleted_ns is not None)
        if len(lives_s) < 2:
            raise InvalidArgument(f"lifetimes can be taken from two deleted pods or more, not from {len(lives_s)}")
        return cls(tuple(lives_s))

    def draw(self, chance: Random) -> float:
        """Draw one."""
        place = chance.random() * (len(self.quantiles_s) - 1)
        below = int(place)
        return self.quantiles_s[below] + (place - below) * (self.quantiles_s[below + 1] - self.quantiles_s[below])


# --- generators ----------------------------------------------------------------------------------------------------------------


@attrs.frozen
class Wave:
    """The daily wave of an arrival rate.

    Attributes:
        amplitude: 0 to 1: at the peak the rate is (1 + amplitude) times the mean, at the trough (1 − amplitude) times.
        peak_hour: when the peak is, hours from midnight; the scenario begins at midnight.
    """

    amplitude: float = attrs.field(default=0.0, validator=_number(1.0))
    peak_hour: float = attrs.field(default=14.0, validator=_number(24.0))

    def factor(self, time_s: float) -> float:
        """The rate at a time, as a multiple of the mean."""
        return 1 + self.amplitude * math.cos(2 * math.pi * (time_s / 86_400 - self.peak_hour / 24))


@attrs.frozen
class Arrivals:
    """Pods that come one by one or in bursts, at random times (a Poisson process), and stay for a drawn time.

    Attributes:
        name: what its pods' names begin with.
        per_hour: the mean number of pods in an hour; those of bursts are counted one by one.
        lifetime: how long each stays.
        wave: how the rate goes up and down.
        burst: pods that come together, each time: bursts come `per_hour` / `burst` times an hour in the mean.
        standing: pods that are there at the start; they stay for as long as the others, from then on.
    """

    name: str
    per_hour: float = attrs.field(validator=_number(MAX_PER_HOUR))
    lifetime: Lifetime
    wave: Wave = Wave()
    burst: int = attrs.field(default=1, validator=_count(1))
    standing: int = attrs.field(default=0, validator=_count())

    def expected_count(self, duration_ns: int) -> int:
        """Estimate the number of pods."""
        return self.standing + round(self.per_hour * duration_ns / (3600 * NS_PER_S))

    def pods(self, seed: int, duration_ns: int) -> tuple[PodRun, ...]:
        """Draw them."""
        require_feasible(self, duration_ns)
        chance = Random(f"{self.name}/{seed}")  # noqa: S311 - chances of a simulation, by seed
        times = [*itertools.repeat(0, self.standing), *self._times(chance, duration_ns)]
        return _live(self.name, times, self.lifetime, chance)

    def _times(self, chance: Random, duration_ns: int) -> Iterator[int]:
        """Draw at the highest rate there is, and leave out as many as the wave wants (thinning)."""
        if not self.per_hour:
            return
        draw, log, factor = chance.random, math.log, self.wave.factor if self.wave.amplitude else None
        highest = 1 + self.wave.amplitude
        gap_s = 3600 * self.burst / self.per_hour / highest
        time_s = -log(1 - draw()) * gap_s
        # The first comparison keeps out what is too large to be made whole.
        while time_s <= duration_ns and (time_ns := int(time_s * NS_PER_S)) < duration_ns:
            if factor is None or draw() * highest < factor(time_s):
                yield from itertools.repeat(time_ns, self.burst)
            time_s -= log(1 - draw()) * gap_s


@attrs.frozen
class Deployment:
    """Replicas that are there from the start, and are all replaced at each roll-out, batch by batch.

    A batch is `max_surge` + `max_unavailable` pods. A roll-out begins by deleting `max_unavailable` old pods and making a batch of new
    ones; when these are ready, as many old ones go and the next batch is made. So there are never more than `replicas` + `max_surge` pods,
    and never fewer than `replicas` − `max_unavailable` ready ones (Kubernetes: RollingUpdate). It waits for no address: a pod counts as
    ready `ready_s` after it was made. A roll-out that takes longer than the interval puts the next one off until it is done.

    Attributes:
        replicas: how many there are.
        roll_interval_s: the time between two roll-outs, the first one interval after the start; 0 for none.
        max_surge: pods more than `replicas`, 0 or more.
        max_unavailable: pods fewer, 0 or more; not both may be 0.
        ready_s: how long a new pod takes to be ready, above 0.

    Example:
        >>> Deployment("web", 1, roll_interval_s=60, max_surge=1, ready_s=5).pods(0, 100 * NS_PER_S)
        (PodRun(name='web-0-0', created_ns=0, deleted_ns=65000000000, node=None),
         PodRun(name='web-1-0', created_ns=60000000000, deleted_ns=None, node=None))
    """

    name: str
    replicas: int = attrs.field(validator=_count())
    roll_interval_s: float = attrs.field(default=0.0, validator=_number(MAX_S))
    max_surge: int = attrs.field(default=1, validator=_count())
    max_unavailable: int = attrs.field(default=0, validator=_count())
    ready_s: float = attrs.field(default=10.0, validator=_number(MAX_S, low=SHORTEST_S))

    def __attrs_post_init__(self) -> None:
        """Refuse a roll-out that could not begin."""
        if not self.max_surge and not self.max_unavailable:
            raise InvalidArgument("max_surge and max_unavailable of a Deployment must not both be 0: no pod could be replaced")

    def expected_count(self, duration_ns: int) -> int:
        """Return an upper bound on the number of pods."""
        return self.replicas * (1 + len(self._begins_ns(duration_ns)))

    def pods(self, seed: int, duration_ns: int) -> tuple[PodRun, ...]:
        """List them; nothing is left to chance."""
        del seed
        require_feasible(self, duration_ns)
        begins_ns = self._begins_ns(duration_ns)
        ready_ns = round(self.ready_s * NS_PER_S)
        batch = self.max_surge + self.max_unavailable
        runs = []
        for replica in range(self.replicas):
            made_ns = replica // batch * ready_ns
            gone_ns = (replica - self.max_unavailable + batch) // batch * ready_ns
            made = [0, *(begin_ns + made_ns for begin_ns in begins_ns)]
            gone = [*(begin_ns + gone_ns for begin_ns in begins_ns), None]
            runs += [PodRun(f"{self.name}-{number}-{replica}", *times) for number, times in enumerate(zip(made, gone, strict=True))]
        return in_order(run for run in runs if run.created_ns < duration_ns)

    def _begins_ns(self, duration_ns: int) -> range:
        """When roll-outs begin."""
        interval_ns = round(self.roll_interval_s * NS_PER_S)
        if not interval_ns:
            return range(0)
        # The last batch is deleted at its end, so that the next roll-out never takes a pod that is not ready.
        batch_count = -(-self.replicas // (self.max_surge + self.max_unavailable))
        return range(interval_ns, duration_ns, max(interval_ns, batch_count * round(self.ready_s * NS_PER_S)))


@attrs.frozen
class CronJob:
    """Pods that start together at regular intervals.

    Attributes:
        interval_s: the time between two runs, 1 ns or more.
        count: pods of each run.
        first_s: when the first run starts.
        lifetime: how long each pod stays.
    """

    name: str
    interval_s: float = attrs.field(validator=_number(MAX_S, low=SHORTEST_S))
    count: int = attrs.field(validator=_count())
    lifetime: Lifetime
    first_s: float = attrs.field(default=0.0, validator=_number(MAX_S))

    def expected_count(self, duration_ns: int) -> int:
        """How many pods there will be."""
        return self.count * len(self._begins_ns(duration_ns))

    def pods(self, seed: int, duration_ns: int) -> tuple[PodRun, ...]:
        """List the runs, and draw how long their pods stay."""
        require_feasible(self, duration_ns)
        chance = Random(f"{self.name}/{seed}")  # noqa: S311 - chances of a simulation, by seed
        times = [time_ns for time_ns in self._begins_ns(duration_ns) for _ in range(self.count)]
        return _live(self.name, times, self.lifetime, chance)

    def _begins_ns(self, duration_ns: int) -> range:
        return range(round(self.first_s * NS_PER_S), duration_ns, round(self.interval_s * NS_PER_S))


# --- what all have in common ---------------------------------------------------------------------------------------------------


def _live(name: str, times: list[int], lifetime: Lifetime, chance: Random) -> tuple[PodRun, ...]:
    """Make pods that are created at given times, and stay for drawn ones, from 1 ns to `MAX_S`."""
    draw = lifetime.draw
    # A wide log-normal draws ages of the universe. The comparison comes first: what is infinite can't be made whole.
    ends = [time_ns + (int(min(draw(chance), MAX_S) * NS_PER_S) or 1) for time_ns in times]
    names = [f"{name}-{number}" for number in range(len(times))]
    return in_order(map(PodRun._make, zip(names, times, ends, itertools.repeat(None), strict=False)))


Generator = Arrivals | Deployment | CronJob


def require_feasible(generator: Generator, duration_ns: int) -> None:
    """Refuse a workload that would not fit into memory.

    Raises:
        InvalidArgument: it would be more than `MAX_POD_COUNT` pods.
    """
    count = generator.expected_count(duration_ns)
    if count > MAX_POD_COUNT:
        what = f"{type(generator).__name__} {generator.name!r}"
        raise InvalidArgument(f"{what} would make {count:,} pods, and {MAX_POD_COUNT:,} is the most; lower its rate or the duration")


def in_order(runs: Iterable[PodRun]) -> tuple[PodRun, ...]:
    """Sort pods by time of creation, then name, and see that no name is there twice.

    Raises:
        InvalidArgument: two pods have one name, or one is deleted before it is created, or beyond twice `MAX_NS`.
    """
    ordered = sorted(runs, key=operator.itemgetter(1, 0))
    if len({run[0] for run in ordered}) != len(ordered):
        ((twice, _),) = Counter(run.name for run in ordered).most_common(1)
        raise InvalidArgument(f"two pods are called {twice!r}; each needs a name of its own")
    for name, created_ns, deleted_ns, _ in ordered:
        if created_ns < 0 or (deleted_ns is not None and not created_ns < deleted_ns <= 2 * MAX_NS):
            times = f"created at {created_ns} ns and deleted at {deleted_ns} ns"
            bounds = f"at 0 or later, and deleted after that, at {2 * MAX_NS} ns at most"
            raise InvalidArgument(f"pod {name!r} is {times}; it must be created {bounds}")
    return tuple(ordered)
