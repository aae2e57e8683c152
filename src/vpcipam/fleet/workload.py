"""What a fleet has to carry: pods that come and go, made from a seed. Traces of real ones are read in `vpcipam.fleet.trace`."""

import itertools
import math
import operator
from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random
from typing import NamedTuple, Protocol

import attrs

from vpcipam.errors import InvalidArgument
from vpcipam.stats import NS_PER_S


class PodRun(NamedTuple):
    """One pod, from its creation to its deletion; times are nanoseconds since the start of the scenario. A tuple, since millions are made.

    Attributes:
        deleted_ns: later than `created_ns`; None where it stays.
        node: the node that it is bound to; None where the scheduler chooses.
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
    """Pods that somebody else has listed: those of a trace, or of a test."""

    runs: tuple[PodRun, ...]

    def pods(self, seed: int, duration_ns: int) -> tuple[PodRun, ...]:
        """Those created within the duration; nothing depends on the seed."""
        del seed
        return in_order(run for run in self.runs if run.created_ns < duration_ns)


@attrs.frozen
class CombinedWorkload:
    """Several workloads at once, each with chances of its own."""

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
    """All stay equally long."""

    seconds: float

    def draw(self, chance: Random) -> float:
        """Answer the one there is."""
        del chance
        return self.seconds


@attrs.frozen
class ExponentialLifetime:
    """Whoever is there leaves with the same chance at any time."""

    mean_s: float

    def draw(self, chance: Random) -> float:
        """Draw one."""
        return chance.expovariate(1 / self.mean_s)


@attrs.frozen
class LogNormalLifetime:
    """Most stay for a while, and a few for very long, as batch pods do.

    Attributes:
        median_s: half of them stay longer.
        sigma: the standard deviation of the logarithm; the 90th percentile is median × e^(1.2816 sigma).
    """

    median_s: float
    sigma: float

    def draw(self, chance: Random) -> float:
        """Draw one."""
        return chance.lognormvariate(math.log(self.median_s), self.sigma)


@attrs.frozen
class EmpiricalLifetime:
    """As long as those of a sample, each equally likely, and all between two neighbours too.

    Attributes:
        quantiles_s: ascending, at least two: the shortest, …, the longest, evenly spaced in rank.
    """

    quantiles_s: tuple[float, ...]

    def draw(self, chance: Random) -> float:
        """Draw one."""
        place = chance.random() * (len(self.quantiles_s) - 1)
        below = int(place)
        return self.quantiles_s[below] + (place - below) * (self.quantiles_s[below + 1] - self.quantiles_s[below])


# --- generators ----------------------------------------------------------------------------------------------------------------


@attrs.frozen
class Wave:
    """How the rate goes up and down over a day.

    Attributes:
        amplitude: 0 to 1: at the peak the rate is (1 + amplitude) times the mean, at the trough (1 − amplitude) times.
        peak_hour: when the peak is, hours from midnight; the scenario begins at midnight.
    """

    amplitude: float = 0.0
    peak_hour: float = 14.0

    def factor(self, time_s: float) -> float:
        """The rate at a time, as a multiple of the mean."""
        return 1 + self.amplitude * math.cos(2 * math.pi * (time_s / 86_400 - self.peak_hour / 24))


@attrs.frozen
class Arrivals:
    """Pods that come one by one or in bursts, at random times (a Poisson process), and stay for a drawn time.

    Attributes:
        name: what its pods' names begin with.
        per_hour: the mean number of pods in an hour.
        lifetime: how long each stays.
        wave: how the rate goes up and down.
        burst: pods that come together, each time.
        standing: pods that are there at the start; they stay for as long as the others, from then on.
    """

    name: str
    per_hour: float
    lifetime: Lifetime
    wave: Wave = Wave()
    burst: int = 1
    standing: int = 0

    def pods(self, seed: int, duration_ns: int) -> tuple[PodRun, ...]:
        """Draw them."""
        chance = Random(f"{self.name}/{seed}")  # noqa: S311 - chances of a simulation, by seed
        draw = self.lifetime.draw
        times = itertools.chain(itertools.repeat(0, self.standing), self._times(chance, duration_ns))
        return in_order(
            PodRun(f"{self.name}-{number}", time_ns, time_ns + max(1, round(draw(chance) * NS_PER_S)))
            for number, time_ns in enumerate(times)
        )

    def _times(self, chance: Random, duration_ns: int) -> Iterator[int]:
        """Draw at the highest rate there is, and leave out as many as the wave wants (thinning)."""
        if not self.per_hour:
            return
        highest = 1 + self.wave.amplitude
        gap_s = 3600 * self.burst / self.per_hour / highest
        time_s = chance.expovariate(1 / gap_s)
        while (time_ns := round(time_s * NS_PER_S)) < duration_ns:
            if not self.wave.amplitude or chance.random() * highest < self.wave.factor(time_s):
                yield from itertools.repeat(time_ns, self.burst)
            time_s += chance.expovariate(1 / gap_s)


@attrs.frozen
class Deployment:
    """Replicas that are there from the start, and are replaced one after another at each roll-out.

    A roll-out has at most `surge` pods more than there are replicas, and takes an old pod away `ready_s` after its successor was made.

    Attributes:
        replicas: how many there are.
        roll_interval_s: the time between two roll-outs; 0 for none.
        surge: maxSurge, 1 or more.
        ready_s: how long a new pod takes to be ready, above 0.
    """

    name: str
    replicas: int
    roll_interval_s: float = 0.0
    surge: int = 1
    ready_s: float = 10.0

    def pods(self, seed: int, duration_ns: int) -> tuple[PodRun, ...]:
        """List them; nothing is left to chance."""
        del seed
        ready_ns = round(self.ready_s * NS_PER_S)
        interval_ns = round(self.roll_interval_s * NS_PER_S)
        steps = -(-self.replicas // self.surge)
        begins = range(interval_ns, duration_ns, max(interval_ns, steps * ready_ns)) if interval_ns else range(0)
        runs = []
        for replica in range(self.replicas):
            delay_ns = replica // self.surge * ready_ns
            made = [0, *(begin + delay_ns for begin in begins)]
            gone = [*(time_ns + ready_ns for time_ns in made[1:]), None]
            runs += [PodRun(f"{self.name}-{number}-{replica}", *times) for number, times in enumerate(zip(made, gone, strict=True))]
        return in_order(run for run in runs if run.created_ns < duration_ns)


@attrs.frozen
class CronJob:
    """Pods that all start together, again and again.

    Attributes:
        interval_s: the time between two runs, above 0.
        count: pods of each run.
        first_s: when the first run starts.
        lifetime: how long each pod stays.
    """

    name: str
    interval_s: float
    count: int
    lifetime: Lifetime
    first_s: float = 0.0

    def pods(self, seed: int, duration_ns: int) -> tuple[PodRun, ...]:
        """List the runs, and draw how long their pods stay."""
        chance = Random(f"{self.name}/{seed}")  # noqa: S311 - chances of a simulation, by seed
        runs = range(round(self.first_s * NS_PER_S), duration_ns, round(self.interval_s * NS_PER_S))
        return in_order(
            PodRun(f"{self.name}-{run}-{number}", time_ns, time_ns + max(1, round(self.lifetime.draw(chance) * NS_PER_S)))
            for run, time_ns in enumerate(runs)
            for number in range(self.count)
        )


# --- helpers -------------------------------------------------------------------------------------------------------------------


def in_order(runs: Iterable[PodRun]) -> tuple[PodRun, ...]:
    """Sort pods by time of creation, then name, and see that no name is there twice.

    Raises:
        InvalidArgument: two pods have one name, or one is deleted before it is created.
    """
    ordered = sorted(runs, key=operator.itemgetter(0))
    ordered.sort(key=operator.itemgetter(1))
    if len({run.name for run in ordered}) != len(ordered):
        ((twice, _),) = Counter(run.name for run in ordered).most_common(1)
        raise InvalidArgument(f"two pods are called {twice!r}; each needs a name of its own")
    for name, created_ns, deleted_ns, _ in ordered:
        if created_ns < 0 or (deleted_ns is not None and deleted_ns <= created_ns):
            raise InvalidArgument(f"pod {name!r} is created at {created_ns} ns and deleted at {deleted_ns} ns")
    return tuple(ordered)
