"""Sweeps: the points, the executors, and what happens when a process dies."""

import os
import signal
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import attrs
import pytest
from at_once import AtOnce
from fleet_worlds import DeadlyWorkload

from vpcipam.errors import InvalidArgument, ScenarioError
from vpcipam.fleet.engine import simulate
from vpcipam.fleet.scenario import Scenario
from vpcipam.fleet.sweep import Trial, grid, read_sweep, some_of, sweep

TEXT = """
duration = "20 min"
subnet = [{name = "a", cidr = "10.0.0.0/24"}]
group = [{name = "workers", instance_type = "t3.medium", count = 2}]
workload = [{kind = "arrivals", name = "job", per_hour = 60, lifetime = {kind = "fixed", time = "5 min"}}]
[sweep]
"group.workers.settings.WARM_IP_TARGET" = [1, 4]
seed = [1, 2, 3]
"""
WARM = "group.workers.settings.WARM_IP_TARGET"


@pytest.fixture(scope="module", name="scenario")
def _scenario():
    return Scenario.from_toml(TEXT)


def test_a_grid_has_every_combination_once_and_the_last_key_changes_fastest():
    assert grid({"a": [1, 2], "b": ["x", "y"]}) == ({"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"})
    assert grid({}) == ({},)


@pytest.mark.parametrize(
    ("axes", "message"),
    [({"a": []}, "a has no values to try"), ({"a": range(317), "b": range(317)}, "100489 combinations, more than 100000")],
)
def test_an_empty_or_too_large_grid_is_refused(axes, message):
    with pytest.raises(InvalidArgument, match=message):
        grid(axes)


def test_some_points_are_drawn_by_seed_without_repetition_and_in_order():
    points = grid({"a": range(100)})
    drawn = some_of(points, 10, seed=1)
    assert drawn == some_of(points, 10, seed=1) != some_of(points, 10, seed=2)
    assert [point["a"] for point in drawn] == sorted({point["a"] for point in drawn})
    assert len(drawn) == 10
    assert some_of(points, 1000, seed=1) == points
    with pytest.raises(InvalidArgument, match="at least one trial, not 0"):
        some_of(points, 0, seed=1)


def test_the_points_are_read_from_the_scenario(scenario):
    assert read_sweep(scenario) == grid({WARM: [1, 4], "seed": [1, 2, 3]})
    some = read_sweep(scenario.with_changes({"sweep.trials": 2}))
    assert len(some) == 2


def test_a_sweep_that_is_no_table_is_refused(scenario):
    with pytest.raises(ScenarioError, match="sweep: must be a table, not 1"):
        read_sweep(scenario.with_changes({"sweep": 1}))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", r"sweep: there is nothing to try"),
        ("[sweep]\ntrials = 3", r"sweep: there is nothing to try"),
        ("[sweep]\nseed = 3", r"sweep\.seed: must be a list of values to try, not 3"),
        ("[sweep]\nseed = []", r": sweep\.seed: must be a list of values to try, not \[\]$"),
        (f"[sweep]\nseed = {[*range(317)]}\nretry = {[*range(1, 318)]}", r": sweep: there are 100489 combinations, more than 100000"),
        ("[sweep]\nseed = [1]\ntrials = -1", r"sweep\.trials: must be a whole number from 0"),
    ],
)
def test_an_invalid_sweep_is_refused_by_its_key(table, message):
    with pytest.raises(ScenarioError, match=message):
        read_sweep(Scenario.from_toml(TEXT.partition("[sweep]")[0] + table))


def test_every_point_is_run_and_the_results_are_in_order(scenario):
    points = read_sweep(scenario)
    told = []
    result = sweep(scenario, points, executor=AtOnce(), progress=lambda done, count: told.append((done, count)))
    assert result.complete
    assert told == [(done, 6) for done in range(1, 7)]
    for number, (trial, point) in enumerate(zip(result.trials, points, strict=True)):
        assert (trial.number, trial.changes, trial.error) == (number, point, None)
        assert trial.summary == simulate(scenario.with_changes(point)).summary
    assert len({trial.summary.addresses_mean for trial in result.trials}) > 1


def test_an_invalid_point_is_refused_before_anything_is_run(scenario):
    with pytest.raises(ScenarioError, match=r"there is no group called 'workrs'; there are workers; did you mean workers\?"):
        sweep(scenario, [{"seed": 1}, {"group.workrs.count": 2}], executor=AtOnce(), progress=pytest.fail)


def test_an_error_of_a_run_is_recorded_in_its_trial(scenario):
    class Refusing:
        def pods(self, seed, duration_ns):
            raise InvalidArgument(f"no pods with seed {seed} in {duration_ns} ns")

    (trial,) = sweep(with_workload(scenario, Refusing()), [{"seed": 7}], executor=AtOnce()).trials
    assert trial == Trial(0, {"seed": 7}, None, "no pods with seed 7 in 1200000000000 ns")


def test_processes_give_the_same_results(scenario):
    points = read_sweep(scenario)
    assert sweep(scenario, points, workers=2) == sweep(scenario, points, executor=AtOnce())


def test_an_interrupted_sweep_keeps_the_finished_trials(scenario):
    points = read_sweep(scenario)

    def interrupt(done, count):
        del count
        if done == 2:
            raise KeyboardInterrupt

    result = sweep(scenario, points, workers=1, progress=interrupt)
    assert not result.complete
    assert len(result.trials) == 2
    assert result.count == 6


def test_the_trials_of_a_dead_process_are_run_again(scenario, tmp_path):
    deadly = with_workload(scenario, DeadlyWorkload(scenario.workload, str(tmp_path), deaths=2))
    points = [{"seed": seed} for seed in range(4)]
    assert sweep(deadly, points, workers=2) == sweep(scenario, points, executor=AtOnce())
    assert len(list(tmp_path.iterdir())) == 2


def test_a_trial_that_keeps_killing_its_process_is_given_up(scenario, tmp_path):
    deadly = with_workload(scenario, DeadlyWorkload(scenario.workload, str(tmp_path), deaths=100, seeds=(1,)))
    result = sweep(deadly, [{"seed": 0}, {"seed": 1}], workers=1)
    assert result.complete
    assert [trial.error for trial in result.trials] == [None, "its process died 4 times; does the machine have enough memory?"]
    assert result.trials[1].summary is None


class DyingPools:
    """Pools of processes, of which the first `deaths` die at once; the others run each trial when it is submitted."""

    def __init__(self, deaths):
        self.deaths = deaths
        self.made = 0

    def __call__(self, workers):
        del workers
        self.made += 1
        return AtOnce() if self.made > self.deaths else DeadPool()


class DeadPool(AtOnce):
    def submit(self, function, /, *arguments):
        del function, arguments
        future = Future()
        future.set_exception(BrokenProcessPool("it was killed"))
        return future


@pytest.mark.parametrize("deaths", range(6))
def test_a_search_is_given_up_after_three_restarts_and_says_how_often_its_processes_died(scenario, monkeypatch, deaths):
    pools = DyingPools(deaths)
    monkeypatch.setattr("vpcipam.fleet.sweep._processes", pools)
    (trial,) = sweep(scenario, [{"seed": 1}], workers=1).trials
    assert pools.made == min(deaths, 3) + 1
    if deaths <= 3:
        assert trial == sweep(scenario, [{"seed": 1}], executor=AtOnce()).trials[0]
    else:
        assert trial.summary is None
        assert trial.error.startswith(f"its process died {pools.made} times;")


def with_workload(scenario, workload):
    """Give a scenario another workload, as if its document had it."""
    (table,) = scenario.document.content["workload"]
    return attrs.evolve(scenario, workload=workload, document=attrs.evolve(scenario.document, known={repr(table): workload}))


@pytest.fixture(scope="module", name="cluster")
def _cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.thorough
def test_dask_gives_the_same_results_even_when_a_worker_dies(scenario, cluster):
    points = read_sweep(scenario)
    pids = list(cluster.run(os.getpid).values())
    assert len({*pids, os.getpid()}) == 3

    def kill_one(done, count):
        del count
        if done == 1:
            os.kill(pids[0], signal.SIGKILL)

    result = sweep(scenario, points, executor=cluster.get_executor(), progress=kill_one)
    assert result == sweep(scenario, points, executor=AtOnce())


ZONES = """
duration = "5 min"
subnet = [{name = "a", cidr = "10.0.0.0/24", zone = "a"}, {name = "b", cidr = "10.0.1.0/24", zone = "b"}]
group = [{name = "w", instance_type = "t3.small", count = 4, zones = ["a"]}]
workload = [{kind = "deployment", name = "web", replicas = 12, spread = [{max_skew = 1}]}]
[sweep]
"group.w.zones" = [["a"], ["a", "b"]]
"workload.web.spread.1.max_skew" = [1, 4]
"""


def test_a_sweep_can_change_zones_and_spread_constraints():
    scenario = Scenario.from_toml(ZONES)
    result = sweep(scenario, read_sweep(scenario), executor=AtOnce())
    zones = [{zone: figures.nodes_peak for zone, figures in trial.summary.zones.items()} for trial in result.trials]
    assert zones == [{"a": 4, "b": 0}] * 2 + [{"a": 2, "b": 2}] * 2
    assert "zones" in result.trials[0].summary.to_dict()
