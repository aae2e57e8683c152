"""Run a scenario under many settings, on all processors of this machine or on the machines of an executor.

The default is processes of this machine; any `concurrent.futures.Executor` works, such as Dask's `Client.get_executor()`. All give the
same results, in the order of the trials, because each trial depends only on its scenario.
"""

import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from random import Random
from typing import Any

import attrs

from vpcipam.errors import InvalidArgument, ScenarioError, VpcIpamError
from vpcipam.fleet.engine import simulate
from vpcipam.fleet.scenario import Scenario, ScenarioDocument
from vpcipam.fleet.summary import Summary
from vpcipam.fleet.toml.table import Table

Changes = Mapping[str, Any]
"""Paths of keys in a scenario's document, and the values to set."""
Progress = Callable[[int, int], None]
"""Called with the number of finished trials and of all trials."""

POINTS_LIMIT = 100_000
_RESTARTS = 3


@attrs.frozen
class Trial:
    """One run of the scenario under some changes.

    Attributes:
        number: its place among all trials, from 0 on.
        summary: the figures of the run; None if it failed.
        error: why it failed.
    """

    number: int
    changes: Changes
    summary: Summary | None
    error: str | None = None


@attrs.frozen
class SweepResult:
    """The trials of a search.

    Attributes:
        trials: the finished trials, by number.
        count: how many trials were planned.
    """

    trials: tuple[Trial, ...]
    count: int

    @property
    def complete(self) -> bool:
        """Whether all trials are done. An interrupted search has only those that finished before."""
        return len(self.trials) == self.count


def grid(axes: Mapping[str, Sequence[Any]]) -> tuple[Changes, ...]:
    """Return all combinations of some keys' values; the last key changes fastest.

    Raises:
        InvalidArgument: a key has no values, or there are more than 100,000 combinations.

    >>> grid({"seed": [1, 2], "retry": ["5 s"]})
    ({'seed': 1, 'retry': '5 s'}, {'seed': 2, 'retry': '5 s'})
    """
    count = 1
    for path, values in axes.items():
        count *= len(values)
        if not values:
            raise InvalidArgument(f"{path} has no values to try")
    if count > POINTS_LIMIT:
        raise InvalidArgument(f"there are {count} combinations, more than {POINTS_LIMIT}; try fewer values")
    return tuple(dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))


def some_of(points: Sequence[Changes], count: int, seed: int) -> tuple[Changes, ...]:
    """Draw `count` different combinations at random, and keep their order.

    Raises:
        InvalidArgument: `count` is below 1.
    """
    if count < 1:
        raise InvalidArgument(f"a random search needs at least one trial, not {count}")
    chance = Random(seed)  # noqa: S311  # chances of a search, by seed
    chosen = sorted(chance.sample(range(len(points)), min(count, len(points))))
    return tuple(points[place] for place in chosen)


def read_sweep(scenario: Scenario) -> tuple[Changes, ...]:
    """Read the combinations to try from a scenario's table `sweep`: all, or `trials` of them drawn at random.

    Raises:
        ScenarioError: the table is missing or invalid.
    """
    document = scenario.document or ScenarioDocument({})
    table = Table(f"{document.source}: ", document.content).table("sweep")
    trials = table.integer("trials", 0)
    axes = {path: values for path, values in table.items() if path != "trials"}
    if not axes:
        raise ScenarioError(
            f'{document.source}: sweep: there is nothing to try; list paths of keys in this table, as in "group.workers.count" = [10, 20]'
        )
    for path, values in axes.items():
        if not isinstance(values, list) or not values:
            raise table.refusal(path, f"must be a list of values to try, not {values!r}")
    try:
        points = grid(axes)
    except InvalidArgument as error:
        raise ScenarioError(f"{document.source}: sweep: {error}") from None
    return some_of(points, trials, scenario.seed) if trials else points


def sweep(
    scenario: Scenario,
    points: Sequence[Changes],
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> SweepResult:
    """Run a scenario once for each point.

    An interrupt (Ctrl-C) ends the search, and the result has the finished trials. If a process of this machine dies, for example because it
    is out of memory, the unfinished trials are run again, up to three times. Other executors handle failures in their own way.

    Args:
        scenario: the scenario to run.
        points: what is changed in each trial; see `Scenario.with_changes`.
        executor: runs the trials, and is not shut down; None for processes of this machine.
        workers: the number of these processes; None for one per processor.
        progress: called after each trial.

    Raises:
        ScenarioError: a point is invalid for this scenario. All points are checked before the first run.
    """
    search = _Search(tuple(scenario.with_changes(changes) for changes in points), points, progress)
    try:
        if executor is None:
            search.run_on_processes(workers or os.cpu_count() or 1)
        else:
            search.run_on(executor)
    except KeyboardInterrupt:
        pass  # the finished trials are the result
    return SweepResult(tuple(search.done[number] for number in sorted(search.done)), len(points))


def run_trial(number: int, scenario: Scenario, changes: Changes) -> Trial:
    """Run one trial. An error of the library is recorded in the trial. This is the function that executors get."""
    try:
        return Trial(number, changes, simulate(scenario).summary)
    except VpcIpamError as error:
        return Trial(number, changes, None, str(error))


@attrs.define
class _Search:
    scenarios: Sequence[Scenario]
    points: Sequence[Changes]
    progress: Progress | None
    done: dict[int, Trial] = attrs.field(init=False, factory=dict)

    def finish(self, trial: Trial) -> None:
        self.done[trial.number] = trial
        if self.progress is not None:
            self.progress(len(self.done), len(self.points))

    def run_on(self, executor: Executor) -> None:
        """Run the remaining trials on an executor. On an error, cancel those that it has not begun."""
        futures = self._submit(executor)
        try:
            self._collect(futures)
        except BaseException:
            for future in futures:
                future.cancel()
            raise

    def run_on_processes(self, workers: int) -> None:
        """Run on processes of this machine; start new ones if one dies."""
        for _ in range(1 + _RESTARTS):
            pool = _processes(min(workers, max(1, len(self.points) - len(self.done))))
            try:
                self._collect(self._submit(pool))
            except BrokenExecutor:
                continue
            except BaseException:
                # Kills running trials. Futures must not be cancelled first: the pool fails on cancelled ones.
                for process in list((pool._processes or {}).values()):  # noqa: SLF001  # until kill_workers() of Python 3.14
                    process.kill()
                raise
            finally:
                pool.shutdown()
            return
        for number, changes in enumerate(self.points):
            if number not in self.done:
                self.finish(Trial(number, changes, None, f"its process died {1 + _RESTARTS} times; does the machine have enough memory?"))

    def _submit(self, executor: Executor) -> list[Future[Trial]]:
        left = (number for number in range(len(self.points)) if number not in self.done)
        return [executor.submit(run_trial, number, self.scenarios[number], self.points[number]) for number in left]

    def _collect(self, futures: Sequence[Future[Trial]]) -> None:
        for future in as_completed(futures):
            self.finish(future.result())


def _processes(count: int) -> ProcessPoolExecutor:
    """Make worker processes. They ignore Ctrl-C, which this process handles. Plain fork is avoided: it is unsafe with threads."""
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    return ProcessPoolExecutor(count, context, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
