"""The search for settings: the combinations, their ranking, and the errors."""

import attrs
import hypothesis.strategies as st
import pytest
from at_once import AtOnce
from hypothesis import example, given
from recordings import recorded, result_of

from vpcipam.errors import ScenarioError
from vpcipam.fleet.engine import simulate
from vpcipam.fleet.scenario import Scenario
from vpcipam.fleet.summary import Waits
from vpcipam.fleet.sweep import Trial, some_of
from vpcipam.fleet.tune import GOALS, Candidate, TuneSpec, _candidate, _with_front, tune

BASE = """
duration = "40 min"
retry = "5 s"
subnet = [{name = "a", cidr = "10.0.0.0/24"}]
group = [
  {name = "small", instance_type = "t3.medium", count = 1},
  {name = "large", instance_type = "m5.large", count = 1},
]
workload = [{kind = "arrivals", name = "job", per_hour = 150, burst = 5, lifetime = {kind = "fixed", time = "4 min"}}]
ec2 = {latency = "typical"}
"""
TUNE = """
[tune]
minimise = "addresses-mean"
p99_wait = "12 s"
calls_per_minute = 30
seeds = [1, 2]
[tune.settings]
WARM_IP_TARGET = [1, 8]
MINIMUM_IP_TARGET = [0, 20]
"""


@pytest.fixture(scope="module", name="scenario")
def _scenario():
    return Scenario.from_toml(BASE + TUNE)


@pytest.fixture(scope="module", name="result")
def _result(scenario):
    return tune(scenario, executor=AtOnce())


def test_the_search_is_read_from_the_document(scenario):
    assert TuneSpec.read(scenario) == TuneSpec(
        {"WARM_IP_TARGET": ("1", "8"), "MINIMUM_IP_TARGET": ("0", "20")}, "addresses-mean", 12_000_000_000, 30.0, (1, 2), 0
    )


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("minimise", "addresses-peak", {"goal": "addresses-peak"}),
        ("p99_wait", "2 s", {"p99_wait_ns": 2_000_000_000}),
        ("calls_per_minute", 7, {"calls_per_minute": 7.0}),
        ("seeds", [3], {"seeds": (3,)}),
        ("trials", 2, {"trials": 2}),
        ("settings", {"MAX_ENI": [2]}, {"settings": {"MAX_ENI": ("2",)}}),
    ],
)
def test_each_key_of_the_table_changes_its_field_alone(scenario, key, value, field):
    assert TuneSpec.read(scenario.with_changes({f"tune.{key}": value})) == attrs.evolve(TuneSpec.read(scenario), **field)


def test_missing_keys_have_defaults():
    spec = TuneSpec.read(Scenario.from_toml("seed = 9\n" + BASE + "[tune]\n[tune.settings]\nENABLE_PREFIX_DELEGATION = [true, false]"))
    assert spec == TuneSpec({"ENABLE_PREFIX_DELEGATION": ("true", "false")}, seeds=(9,))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", r"tune: is missing; add this table"),
        ("[tune]", r"tune\.settings: lists no variable to try"),
        ("[tune.settings]\nWARM_IP_TARGETS = [1]", r"tune\.settings\.WARM_IP_TARGETS: .*WARM_IP_TARGET"),
        ("[tune.settings]\nWARM_IP_TARGET = 1", r"tune\.settings\.WARM_IP_TARGET: must be a list of values to try, not 1"),
        ("[tune.settings]\nWARM_IP_TARGET = []", r"must be a list of values to try, not \[\]"),
        (
            "[tune.settings]\nWARM_IP_TARGET = [1.5]",
            r"tune\.settings\.WARM_IP_TARGET: WARM_IP_TARGET must be a text, a whole number, true or false, not float",
        ),
        (
            "[tune]\nminimise = 'cost'\n[tune.settings]\nWARM_IP_TARGET = [1]",
            r"tune\.minimise: is 'cost'; it must be one of addresses-peak",
        ),
        ("[tune]\nseeds = [-1]\n[tune.settings]\nWARM_IP_TARGET = [1]", r"tune\.seeds: must be a list of whole numbers"),
        ("[tune]\nseeds = []\n[tune.settings]\nWARM_IP_TARGET = [1]", r"tune\.seeds: must be a list of whole numbers"),
        ("[tune]\nseed = [1]\n[tune.settings]\nWARM_IP_TARGET = [1]", r"tune\.seed: there is no such key; did you mean seeds\?"),
        ("[tune]\np99_wait = 'soon'\n[tune.settings]\nWARM_IP_TARGET = [1]", r"tune\.p99_wait: must be a duration"),
    ],
)
def test_an_invalid_search_is_refused_by_its_key(table, message):
    with pytest.raises(ScenarioError, match=message):
        TuneSpec.read(Scenario.from_toml(BASE + table))


def test_every_combination_is_judged_by_its_worst_seed(scenario, result):
    assert result.complete
    assert len(result.candidates) == 4
    for candidate in result.candidates:
        changes = {f"group.{group}.settings.{name}": value for group in ("small", "large") for name, value in candidate.settings.items()}
        summaries = [simulate(scenario.with_changes({**changes, "seed": seed})).summary for seed in (1, 2)]
        assert candidate.cost == max(summary.addresses_mean for summary in summaries)
        assert candidate.p99_wait_ns == max(summary.to_start.p99_ns for summary in summaries)
        assert candidate.calls_per_minute == max(summary.calls_worst_minute for summary in summaries)
        assert candidate.fits == (candidate.p99_wait_ns <= 12_000_000_000 and candidate.calls_per_minute <= 30)


@pytest.fixture(scope="module", name="summary")
def _summary(scenario):
    return simulate(scenario).summary


def test_a_combination_has_the_figures_of_its_worst_seed_wherever_that_stands(scenario, summary):
    worse = attrs.evolve(
        summary,
        addresses_mean=summary.addresses_mean + 1,
        calls_worst_minute=summary.calls_worst_minute + 1,
        to_start=attrs.evolve(summary.to_start, p99_ns=summary.to_start.p99_ns + 1),
    )
    for summaries in ([summary, worse], [worse, summary]):
        found = _candidate(TuneSpec.read(scenario), {}, summaries)
        assert (found.cost, found.p99_wait_ns, found.calls_per_minute) == (
            worse.addresses_mean,
            worse.to_start.p99_ns,
            worse.calls_worst_minute,
        )


def test_a_combination_that_just_keeps_its_bounds_fits(scenario, summary):
    def fits(p99_wait_ns, calls_per_minute):
        spec = attrs.evolve(TuneSpec.read(scenario), p99_wait_ns=p99_wait_ns, calls_per_minute=calls_per_minute)
        return _candidate(spec, {}, [summary]).fits

    wait_ns, rate = summary.to_start.p99_ns, summary.calls_worst_minute
    assert fits(wait_ns, rate)
    assert not fits(wait_ns - 1, rate)
    assert not fits(wait_ns, rate - 0.1)


def test_the_best_is_the_cheapest_within_the_bounds(result):
    assert [each.cost for each in result.candidates] == sorted(each.cost for each in result.candidates)
    fitting = [each for each in result.candidates if each.fits]
    assert 0 < len(fitting) < 4
    assert result.best is fitting[0]
    assert result.best.kubectl == (
        "kubectl set env daemonset aws-node -n kube-system "
        f"WARM_IP_TARGET={result.best.settings['WARM_IP_TARGET']} MINIMUM_IP_TARGET={result.best.settings['MINIMUM_IP_TARGET']}"
    )


def test_if_no_combination_is_within_the_bounds_none_is_best(scenario):
    assert tune(scenario, attrs.evolve(TuneSpec.read(scenario), p99_wait_ns=0, calls_per_minute=0), executor=AtOnce()).best is None


def test_without_bounds_the_cheapest_is_best(scenario):
    result = tune(scenario, TuneSpec({"WARM_IP_TARGET": ("1", "8")}, seeds=(1,)), executor=AtOnce())
    assert result.best is result.candidates[0]


@pytest.mark.parametrize("goal", GOALS)
def test_each_goal_ranks_by_its_own_figure(scenario, goal):
    result = tune(scenario, TuneSpec({"WARM_IP_TARGET": ("1", "8")}, goal, seeds=(1,)), executor=AtOnce())
    for candidate in result.candidates:
        changes = {f"group.{group}.settings.WARM_IP_TARGET": candidate.settings["WARM_IP_TARGET"] for group in ("small", "large")}
        assert candidate.cost == GOALS[goal](simulate(scenario.with_changes({**changes, "seed": 1})).summary)


def test_a_search_can_draw_combinations_at_random(scenario):
    result = tune(scenario, attrs.evolve(TuneSpec.read(scenario), trials=2, seeds=(1,)), executor=AtOnce())
    assert result.count == len(result.candidates) == 2


def candidate(cost, wait):
    return Candidate({}, cost, wait, 0.0, 0, fits=True)


def test_the_front_has_the_combinations_that_no_other_beats():
    points = [candidate(1, 9), candidate(2, 9), candidate(3, 4), candidate(3, 5), candidate(4, 6), candidate(5, 0), candidate(6, 0)]
    assert [each.on_front for each in _with_front(points)] == [True, False, True, False, False, True, False]
    assert _with_front([]) == ()


def test_a_combination_that_cannot_be_run_is_listed_with_its_reason(scenario):
    spec = TuneSpec({"WARM_IP_TARGET": ("1",)}, seeds=(1, 2))

    class Failing(AtOnce):
        def submit(self, function, /, number, *rest):
            future = super().submit(function, number, *rest)
            if number:
                future._result = attrs.evolve(future._result, summary=None, error="no")
            return future

    result = tune(scenario, spec, executor=Failing())
    assert result.complete
    assert (result.candidates, result.failures, result.best, result.front) == ((), (({"WARM_IP_TARGET": "1"}, "no"),), None, ())


def test_an_interrupted_search_judges_the_combinations_run_with_every_seed(scenario):
    def interrupt(done, count):
        del count
        if done == 7:  # of 8, in any order: one combination lacks a seed
            raise KeyboardInterrupt

    result = tune(scenario, executor=AtOnce(), progress=interrupt)
    assert not result.complete
    assert len(result.candidates) == 3


@pytest.mark.parametrize(("trials", "count"), [(0, 8), (3, 6), (9, 8)])
def test_the_trial_count_is_the_number_of_runs(scenario, trials, count):
    assert attrs.evolve(TuneSpec.read(scenario), trials=trials).trial_count == count


def test_a_combination_with_which_no_node_becomes_ready_is_a_failure_and_the_others_run(scenario):
    spec = TuneSpec({"ENABLE_PREFIX_DELEGATION": ("true", "false"), "WARM_PREFIX_TARGET": ("0", "1")}, seeds=(1, 2))
    result = tune(scenario, spec, executor=AtOnce())
    assert result.complete
    assert len(result.candidates) == 3
    ((settings, reason),) = result.failures
    assert settings == {"ENABLE_PREFIX_DELEGATION": "true", "WARM_PREFIX_TARGET": "0"}
    assert reason.startswith("WARM_PREFIX_TARGET: the container exits at its start, so no pod runs")


# --- the judgement, against its definition ---------------------------------------------------------------------------------------

EMPTY = result_of(recorded(({},)), 0).summary
FEW = st.integers(0, 2)  # so that costs, waits and rates are often equal, and often at their bounds


class Answering(AtOnce):
    """Has the figures of every run instead of running it."""

    def __init__(self, figures):
        self.figures = figures

    def submit(self, function, /, number, scenario, changes):
        del function, scenario
        return super().submit(lambda: Trial(number, changes, figures_to_summary(self.figures[number])))


def figures_to_summary(figures):
    cost, wait, rate, refused, pending, waiting = figures
    waits = attrs.evolve(Waits(), p99_ns=wait)
    pods = {"pods_refused": refused, "pods_pending": pending, "pods_waiting": waiting}
    return attrs.evolve(EMPTY, addresses_mean=float(cost), to_start=waits, calls_worst_minute=float(rate), **pods)


def is_beaten(each, others):
    """Whether another is better in cost or wait and at least as good in the other, or is equal in both and comes before it."""
    pairs = [(other.cost, other.p99_wait_ns) for other in others]
    mine = (each.cost, each.p99_wait_ns)
    better = any(pair != mine and pair[0] <= mine[0] and pair[1] <= mine[1] for pair in pairs)
    return better or mine in pairs[: others.index(each)]


@given(data=st.data(), count=st.integers(1, 5), seed_count=st.integers(1, 2), bounds=st.tuples(st.none() | FEW, st.none() | FEW))
def test_candidates_are_judged_as_defined(scenario, data, count, seed_count, bounds):
    wait_bound, rate_bound = bounds
    values = tuple(str(number) for number in range(count))
    spec = TuneSpec({"WARM_IP_TARGET": values}, "addresses-mean", wait_bound, rate_bound, seeds=tuple(range(seed_count)))
    runs = data.draw(st.lists(st.tuples(FEW, FEW, FEW, FEW, FEW, FEW), min_size=count * seed_count, max_size=count * seed_count))
    result = tune(scenario, spec, executor=Answering(runs))
    assert result.complete
    assert {each.settings["WARM_IP_TARGET"] for each in result.candidates} == set(values)
    for each in result.candidates:
        place = values.index(each.settings["WARM_IP_TARGET"]) * seed_count
        mine = runs[place : place + seed_count]
        assert (each.cost, each.p99_wait_ns, each.calls_per_minute) == tuple(max(run[figure] for run in mine) for figure in range(3))
        assert each.unserved == max(sum(run[3:]) for run in mine)
        kept = all(bound is None or all(run[figure] <= bound for run in mine) for figure, bound in ((1, wait_bound), (2, rate_bound)))
        assert each.fits == kept
        assert each.on_front == (not is_beaten(each, result.candidates))
    ranks = [
        (each.cost, each.p99_wait_ns, each.calls_per_minute, values.index(each.settings["WARM_IP_TARGET"])) for each in result.candidates
    ]
    assert ranks == sorted(ranks)
    fitting = [each for each in result.candidates if each.fits]
    assert result.best is (fitting[0] if fitting else None)
    assert result.front == tuple(each for each in result.candidates if each.on_front)


@given(counts=st.lists(st.integers(1, 4), min_size=1, max_size=3), seed_count=st.integers(1, 3), trials=st.integers(0, 70))
@example([2, 2], 2, 4)
@example([2, 2], 2, 5)
def test_the_trial_count_is_that_of_the_combinations_drawn_times_the_seeds(counts, seed_count, trials):
    axes = {f"V{number}": tuple(str(value) for value in range(count)) for number, count in enumerate(counts)}
    spec = TuneSpec(axes, seeds=tuple(range(seed_count)), trials=trials)
    drawn = spec.combinations if not trials else some_of(spec.combinations, trials, 0)
    assert spec.trial_count == len(drawn) * seed_count
