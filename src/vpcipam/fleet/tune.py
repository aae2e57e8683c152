"""Find the settings that need the fewest addresses or calls within bounds on waiting and on calls per minute.

The present settings are the baseline. A recommendation serves every pod that they serve, gives no warning, and is confirmed with seeds that
the search did not use. If the present settings keep the bounds and leave no pod without an address, it also costs less than they do.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import attrs

from vpcipam.errors import ScenarioError, SettingsError
from vpcipam.fleet.candidates import Candidate, Judge, Spread, length_of, with_front
from vpcipam.fleet.scenario import Scenario
from vpcipam.fleet.summary import Summary
from vpcipam.fleet.sweep import Changes, Progress, Trial, some_of, sweep
from vpcipam.fleet.tune_spec import GOALS, TuneSpec

__all__ = ["GOALS", "Candidate", "Spread", "TuneResult", "TuneSpec", "tune"]

NOW: Mapping[str, str] = {}
"""The combination that changes nothing."""
_MOST_CONFIRMATIONS = 5


@attrs.frozen
class TuneResult:
    """The result of a search.

    Attributes:
        baseline: the settings that the scenario has now; None if they could not be run. If they fit, or a combination does, they are run
            with the seeds of the confirmation too. After an interrupt, these are the figures of the seeds that were done.
        candidates: the combinations that were run with every seed, by cost, then by wait; the lowest first.
        count: how many combinations were planned.
        complete: whether the search was not interrupted.
        failures: combinations that could not be run, each with the reason, such as settings with which no node ever becomes ready.
    """

    spec: TuneSpec
    baseline: Candidate | None
    candidates: tuple[Candidate, ...]
    count: int
    complete: bool
    failures: tuple[tuple[Mapping[str, str], str], ...] = ()

    @property
    def best(self) -> Candidate | None:
        """The combination to change to; None if the present settings are the best, or none can be recommended.

        It is the cheapest one to which nothing objects, with other seeds either. If the present settings keep the bounds, it costs less,
        both with the seeds of the search and with the others. If they only leave pods without an address, it costs less or leaves fewer.
        """
        return next((each for each in self.candidates if each.confirmation is not None and each.improves(self.baseline)), None)

    @property
    def present_is_best(self) -> bool:
        """Whether there is nothing to change: the present settings keep the bounds and serve all pods, and no such combination costs less.

        False after an interrupt, and if no combination could be run.
        """
        kept = self.baseline is not None and self.baseline.fits
        return kept and self.complete and bool(self.candidates) and self.best is None

    @property
    def reason(self) -> str:
        """Why `best` is recommended, or why nothing is."""
        if self.baseline is not None and self.best is not None:
            return self.baseline.breach if self.best.mends(self.baseline) else "it costs less than the present settings"
        if self.present_is_best:
            return "the present settings keep the bounds, and no combination that does costs less"
        if not self.complete:
            return "the search was interrupted"
        if self.failures and not self.candidates:
            return f"no combination can be run: {self.failures[0][1]}"
        if self.baseline is not None and any(each.fits and not each.improves(self.baseline) for each in self.candidates):
            return f"{self.baseline.breach}, and no combination within the bounds leaves fewer or costs less"
        return "no combination is within the bounds, serves the pods and gives no warning"

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
        progress: called after each trial. More confirmations than the first raise the number of all trials.

    Raises:
        ScenarioError: the table `tune` of the document is missing or invalid, or has a value that can't be simulated.
    """
    spec = TuneSpec.read(scenario) if spec is None else spec
    return _Search(scenario, spec, _Runner(scenario, executor, workers, progress, spec.trial_count)).result()


@attrs.define
class _Runner:
    """Runs combinations with seeds.

    Attributes:
        interrupted: whether a run was interrupted (Ctrl-C).
        errors: the first error of each combination that failed, by its settings.
        unfinished: the figures by seed of each combination that was not run with every seed, by its settings.
    """

    scenario: Scenario
    executor: Executor | None
    workers: int | None
    progress: Progress | None
    planned: int
    done: int = 0
    interrupted: bool = False
    errors: dict[tuple[tuple[str, str], ...], str] = attrs.field(factory=dict)
    unfinished: dict[tuple[tuple[str, str], ...], dict[int, Summary]] = attrs.field(factory=dict)

    def run(self, combinations: Sequence[Mapping[str, str]], seeds: Sequence[int]) -> list[dict[int, Summary] | None]:
        """Run each combination with each seed. Return the figures by seed, None for a combination that failed or was interrupted."""
        points = [_point(self.scenario, settings, seed) for settings in combinations for seed in seeds]
        try:
            found = sweep(self.scenario, points, executor=self.executor, workers=self.workers, progress=self._tell)
        except ScenarioError as error:
            raise ScenarioError(_in_tune(str(error), self.scenario, combinations)) from None
        self.done += len(points)
        self.interrupted |= not found.complete
        trials = {trial.number: trial for trial in found.trials}
        runs = []
        for place, settings in enumerate(combinations):
            numbers = range(place * len(seeds), (place + 1) * len(seeds))
            runs.append(self._figures(settings, dict(zip(seeds, map(trials.get, numbers), strict=True))))
        return runs

    def _figures(self, settings: Mapping[str, str], trials: Mapping[int, Trial | None]) -> dict[int, Summary] | None:
        figures = {}
        for seed, trial in trials.items():
            if trial is not None and trial.error is not None:
                self.errors.setdefault(tuple(settings.items()), trial.error)
            if trial is not None and trial.summary is not None:
                figures[seed] = trial.summary
        if len(figures) == len(trials):
            return figures
        self.unfinished[tuple(settings.items())] = figures
        return None

    def _tell(self, done: int, count: int) -> None:
        self.planned = max(self.planned, self.done + count)
        if self.progress is not None:
            self.progress(self.done + done, self.planned)


@attrs.define
class _Search:
    scenario: Scenario
    spec: TuneSpec
    runner: _Runner

    def result(self) -> TuneResult:
        combinations = self.spec.combinations
        if self.spec.trials:
            combinations = some_of(combinations, self.spec.trials, self.scenario.seed)
        refusals = {place: reason for place, settings in enumerate(combinations) if (reason := _why_never_started(self.scenario, settings))}
        failures = [(dict(combinations[place]), reason) for place, reason in refusals.items()]
        runnable = [settings for place, settings in enumerate(combinations) if place not in refusals]
        present, *runs = self.runner.run([NOW, *runnable], self.spec.seeds)
        errors = self.runner.errors
        if present is None:
            lost = [(dict(settings), errors[()]) for settings in runnable if () in errors]
            some = {} if () in errors else self.runner.unfinished[()]
            baseline = Judge(self.scenario, self.spec, some).candidate(NOW, some) if some else None
            return TuneResult(self.spec, baseline, (), len(combinations), not self.runner.interrupted, (*failures, *lost))
        judge = Judge(self.scenario, self.spec, present)
        candidates = [judge.candidate(settings, each) for settings, each in zip(runnable, runs, strict=True) if each is not None]
        candidates.sort(key=lambda each: (each.cost, length_of(each.p99_wait_ns), each.calls_per_minute))
        failures += [(dict(settings), errors[key]) for settings in runnable if (key := tuple(settings.items())) in errors]
        baseline, judged = self._confirm(judge, judge.candidate(NOW, present), with_front(candidates))
        complete = not self.runner.interrupted
        return TuneResult(self.spec, baseline, judged, len(combinations), complete, tuple(failures))

    def _confirm(self, judge: Judge, baseline: Candidate, candidates: Sequence[Candidate]) -> tuple[Candidate, tuple[Candidate, ...]]:
        """Run the present settings and the best combination with other seeds; if it is no improvement there, the next best, and so on."""
        confirmed = list(candidates)
        fitting = [place for place, each in enumerate(candidates) if each.fits]
        seeds = self.spec.confirm_seeds
        wanted = bool(fitting) or (bool(candidates) and baseline.fits)
        present = self.runner.run([NOW], seeds)[0] if wanted and not self.runner.interrupted else None
        if present is None:
            return baseline, tuple(confirmed)
        judge = attrs.evolve(judge, baseline={**judge.baseline, **present})
        baseline = judge.confirmed(baseline, present)
        worthwhile = [place for place in fitting if candidates[place].improves(baseline)]
        for place in worthwhile[:_MOST_CONFIRMATIONS]:
            (runs,) = self.runner.run([candidates[place].settings], seeds)
            if runs is None:
                break
            confirmed[place] = judge.confirmed(candidates[place], runs)
            if confirmed[place].improves(baseline):
                break
        return baseline, tuple(confirmed)


def _why_never_started(scenario: Scenario, settings: Mapping[str, str]) -> str | None:
    """Return why a group's nodes would never become ready with these settings; None if all would."""
    for group in scenario.groups:
        try:
            group.settings.with_variables(settings).check(group.instance_type)
        except SettingsError as error:
            return str(error)
    return None


def _in_tune(refusal: str, scenario: Scenario, combinations: Sequence[Mapping[str, str]]) -> str:
    """Name the path of a variable in the table `tune`, from where a group got it."""
    for name in {name for settings in combinations for name in settings}:
        for group in scenario.groups:
            refusal = refusal.replace(f"group.{group.name}.settings.{name}: ", f"tune.settings.{name}: ")
    return refusal


def _point(scenario: Scenario, settings: Mapping[str, str], seed: int) -> Changes:
    point: dict[str, Any] = {"seed": seed}
    for group in scenario.groups:
        point |= {f"group.{group.name}.settings.{name}": value for name, value in settings.items()}
    return point
