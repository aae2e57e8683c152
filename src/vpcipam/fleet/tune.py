"""Find the settings that need the fewest addresses or calls within bounds on waiting and on calls per minute."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from math import inf
from typing import Any

import attrs

from vpcipam.errors import ScenarioError, SettingsError
from vpcipam.fleet.scenario import Scenario, ScenarioDocument, setting_text
from vpcipam.fleet.summary import Summary
from vpcipam.fleet.sweep import Changes, Progress, SweepResult, grid, some_of, sweep
from vpcipam.fleet.toml.table import Table

GOALS: Mapping[str, Callable[[Summary], float]] = {
    "addresses-peak": lambda summary: summary.addresses_peak,
    "addresses-mean": lambda summary: summary.addresses_mean,
    "subnet-addresses": lambda summary: summary.subnet_addresses_peak,
    "calls": lambda summary: sum(summary.calls.values()),
}
"""What to minimise: the peak or mean of attached pod addresses, the peak of addresses taken in subnets, or calls to EC2."""


@attrs.frozen
class TuneSpec:
    """What to search for.

    Attributes:
        settings: variables of aws-node, each with the values to try, as texts; all groups get them, since a cluster has one DaemonSet.
        goal: what to minimise, one of `GOALS`.
        p99_wait_ns: the longest allowed wait from a pod's creation to its address, for 99 % of pods; None for any wait.
        calls_per_minute: the most calls to EC2 in the worst minute; None for any number.
        seeds: each combination is run with all of these, and judged by its worst run.
        trials: how many combinations to try, drawn at random; 0 for all.
    """

    settings: Mapping[str, tuple[str, ...]]
    goal: str = "addresses-mean"
    p99_wait_ns: int | None = None
    calls_per_minute: float | None = None
    seeds: tuple[int, ...] = (0,)
    trials: int = 0

    @property
    def combinations(self) -> tuple[Changes, ...]:
        """All combinations of the values."""
        return grid({name: list(values) for name, values in self.settings.items()})

    @property
    def trial_count(self) -> int:
        """How many runs the search takes."""
        count = len(self.combinations)
        return len(self.seeds) * (min(self.trials, count) if self.trials else count)

    @classmethod
    def read(cls, scenario: Scenario) -> "TuneSpec":
        """Read the table `tune` of a scenario's document.

        Raises:
            ScenarioError: the table is missing or invalid.
        """
        document = scenario.document or ScenarioDocument({})
        if "tune" not in document.content:
            raise ScenarioError(f"{document.source}: tune: is missing; add this table, see docs/tuning.md")
        table = Table(f"{document.source}: ", document.content).table("tune")
        inner = table.table("settings")
        settings: dict[str, tuple[str, ...]] = {}
        for name, values in inner.items():
            if not isinstance(values, list) or not values:
                raise inner.refusal(name, f"must be a list of values to try, not {values!r}")
            settings[name] = tuple(inner.made(name, lambda name=name, each=each: setting_text(name, each)) for each in values)  # type: ignore[misc]  # those of this round
        if not settings:
            raise table.refusal("settings", "lists no variable to try, as in WARM_IP_TARGET = [1, 2, 5]")
        seeds = table.take("seeds", [scenario.seed])
        if not isinstance(seeds, list) or not seeds or not all(type(seed) is int and seed >= 0 for seed in seeds):
            raise table.refusal("seeds", f"must be a list of whole numbers that are 0 or more, not {seeds!r}")
        spec = cls(
            settings=settings,
            goal=table.text("minimise", "addresses-mean", among=GOALS),
            p99_wait_ns=table.nanoseconds("p99_wait") if "p99_wait" in table else None,
            calls_per_minute=table.number("calls_per_minute") if "calls_per_minute" in table else None,
            seeds=tuple(seeds),
            trials=table.integer("trials", 0),
        )
        table.finish(["p99_wait", "calls_per_minute"])
        return spec


@attrs.frozen
class Candidate:
    """One combination of settings, with the figures of its worst seed.

    Attributes:
        settings: variables and their values.
        cost: the value to minimise.
        p99_wait_ns, calls_per_minute: the values that have bounds; a wait of None is not reached, see `Waits`.
        unserved: pods that never had an address.
        fits: whether both bounds are kept.
        on_front: whether no other combination is better in cost or wait and at least as good in the other. Of combinations that
            are equal in both, only the first is on the front.
    """

    settings: Mapping[str, str]
    cost: float
    p99_wait_ns: int | None
    calls_per_minute: float
    unserved: int
    fits: bool
    on_front: bool = False

    @property
    def kubectl(self) -> str:
        """The command that sets this combination on a cluster."""
        return "kubectl set env daemonset aws-node -n kube-system " + " ".join(f"{name}={value}" for name, value in self.settings.items())


@attrs.frozen
class TuneResult:
    """The result of a search.

    Attributes:
        candidates: the combinations that were run with every seed, by cost, then by wait; the lowest first.
        count: how many combinations were planned.
        failures: combinations that could not be run, each with the reason, such as settings with which no node ever becomes ready.
    """

    spec: TuneSpec
    candidates: tuple[Candidate, ...]
    count: int
    failures: tuple[tuple[Mapping[str, str], str], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all combinations were tried."""
        return len(self.candidates) + len(self.failures) == self.count

    @property
    def best(self) -> Candidate | None:
        """The cheapest combination within the bounds, None if there is none."""
        return next((each for each in self.candidates if each.fits), None)

    @property
    def front(self) -> tuple[Candidate, ...]:
        """The trade-off between cost and waiting, the cheapest first."""
        return tuple(each for each in self.candidates if each.on_front)


def tune(
    scenario: Scenario,
    spec: TuneSpec | None = None,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> TuneResult:
    """Search for the best settings.

    Args:
        scenario: the scenario to run; it must have been read from TOML.
        spec: what to search for; None to read it from the scenario's document.
        executor: runs the trials; see `vpcipam.fleet.sweep.sweep`.
        workers: the number of processes if `executor` is None.
        progress: called after each trial.

    Raises:
        ScenarioError: the table `tune` of the document is missing or invalid.
    """
    spec = TuneSpec.read(scenario) if spec is None else spec
    combinations = spec.combinations
    if spec.trials:
        combinations = some_of(combinations, spec.trials, scenario.seed)
    refusals = {place: reason for place, settings in enumerate(combinations) if (reason := _why_never_started(scenario, settings))}
    runnable = [settings for place, settings in enumerate(combinations) if place not in refusals]
    points = [_point(scenario, settings, seed) for settings in runnable for seed in spec.seeds]
    found = sweep(scenario, points, executor=executor, workers=workers, progress=progress)
    return _judge(spec, runnable, found, tuple((combinations[place], reason) for place, reason in refusals.items()))


def _why_never_started(scenario: Scenario, settings: Mapping[str, str]) -> str | None:
    """Return why a group's nodes would never become ready with these settings; None if all would."""
    for group in scenario.groups:
        try:
            group.settings.with_variables(settings).check(group.instance_type)
        except SettingsError as error:
            return str(error)
    return None


def _point(scenario: Scenario, settings: Mapping[str, str], seed: int) -> Changes:
    point: dict[str, Any] = {"seed": seed}
    for group in scenario.groups:
        point |= {f"group.{group.name}.settings.{name}": value for name, value in settings.items()}
    return point


def _judge(
    spec: TuneSpec, combinations: Sequence[Changes], found: SweepResult, refused: tuple[tuple[Mapping[str, str], str], ...]
) -> TuneResult:
    by_number = {trial.number: trial for trial in found.trials}
    candidates, failures = [], [*refused]
    for place, settings in enumerate(combinations):
        numbers = range(place * len(spec.seeds), (place + 1) * len(spec.seeds))
        trials = [by_number[number] for number in numbers if number in by_number]
        errors = [trial.error for trial in trials if trial.error is not None]
        if errors:
            failures.append((settings, errors[0]))
        elif len(trials) == len(spec.seeds):
            candidates.append(_candidate(spec, settings, [trial.summary for trial in trials if trial.summary is not None]))
    candidates.sort(key=lambda each: (each.cost, _length(each.p99_wait_ns), each.calls_per_minute))
    return TuneResult(spec, _with_front(candidates), len(combinations) + len(refused), tuple(failures))


def _candidate(spec: TuneSpec, settings: Mapping[str, str], summaries: Sequence[Summary]) -> Candidate:
    wait_ns = max((summary.to_start.p99_ns for summary in summaries), key=_length)
    rate = max(summary.calls_worst_minute for summary in summaries)
    fits = (spec.p99_wait_ns is None or _length(wait_ns) <= spec.p99_wait_ns) and (
        spec.calls_per_minute is None or rate <= spec.calls_per_minute
    )
    return Candidate(
        settings=dict(settings),
        cost=max(GOALS[spec.goal](summary) for summary in summaries),
        p99_wait_ns=wait_ns,
        calls_per_minute=rate,
        unserved=max(summary.pods_unserved for summary in summaries),
        fits=fits,
    )


def _length(wait_ns: int | None) -> float:
    """Return a wait as a number that compares."""
    return inf if wait_ns is None else wait_ns


def _with_front(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Mark the front. The candidates must be sorted by cost, then by wait."""
    marked = []
    least_ns: float | None = None
    for each in candidates:
        better = least_ns is None or _length(each.p99_wait_ns) < least_ns
        least_ns = _length(each.p99_wait_ns) if better else least_ns
        marked.append(attrs.evolve(each, on_front=better))
    return tuple(marked)
