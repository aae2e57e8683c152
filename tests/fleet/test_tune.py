"""The search for settings: the combinations, their ranking, and the errors."""

import shlex
from io import StringIO
from types import SimpleNamespace

import attrs
import pytest
from at_once import AtOnce
from hypothesis import example, given, settings
from hypothesis import strategies as st
from recordings import recorded, result_of

from vpcipam.errors import InvalidArgument, ScenarioError
from vpcipam.fleet.candidates import length_of, with_front
from vpcipam.fleet.engine import simulate
from vpcipam.fleet.scenario import Scenario
from vpcipam.fleet.sweep import Trial, some_of
from vpcipam.fleet.toml.misfits import MAX_SEED
from vpcipam.fleet.tune import GOALS, Candidate, TuneSpec, tune
from vpcipam.fleet.waits import Waits
from vpcipam.settings import Settings

BASE = """
duration = "15 min"
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
confirm_seeds = [3, 4]
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
        {"WARM_IP_TARGET": ("1", "8"), "MINIMUM_IP_TARGET": ("0", "20")},
        "addresses-mean",
        12_000_000_000,
        30.0,
        (1, 2),
        0,
        (3, 4),
    )


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("minimise", "addresses-peak", {"goal": "addresses-peak"}),
        ("p99_wait", "2 s", {"p99_wait_ns": 2_000_000_000}),
        ("calls_per_minute", 7, {"calls_per_minute": 7.0}),
        ("seeds", [5], {"seeds": (5,)}),
        ("confirm_seeds", [9], {"confirm_seeds": (9,)}),
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
        ("[tune.settings]\nWARM_IP_TARGET = [1, 'a']", r"tune\.settings\.WARM_IP_TARGET: ipamd does not accept 'a' \(int\); it keeps"),
        ("[tune.settings]\nWARM_IP_TARGET = [-1]", r"tune\.settings\.WARM_IP_TARGET: ipamd does not accept -1 \(int\)"),
        (
            "[tune.settings]\nENABLE_PREFIX_DELEGATION = ['maybe']",
            r"tune\.settings\.ENABLE_PREFIX_DELEGATION: ipamd does not accept 'maybe' \(bool\)",
        ),
        (
            "[tune]\nminimise = 'cost'\n[tune.settings]\nWARM_IP_TARGET = [1]",
            r"tune\.minimise: is 'cost'; it must be one of addresses-peak",
        ),
        ("[tune]\nseeds = [-1]\n[tune.settings]\nWARM_IP_TARGET = [1]", r"tune\.seeds: must be a list of whole numbers"),
        ("[tune]\nconfirm_seeds = []\n[tune.settings]\nWARM_IP_TARGET = [1]", r"tune\.confirm_seeds: must be a list of whole numbers"),
        (
            "[tune]\nconfirm_seeds = [0]\n[tune.settings]\nWARM_IP_TARGET = [1]",
            r"tune\.confirm_seeds: confirm_seeds repeats 0, a seed of the search",
        ),
        ("[tune]\nseeds = []\n[tune.settings]\nWARM_IP_TARGET = [1]", r"tune\.seeds: must be a list of whole numbers"),
        ("[tune]\nseed = [1]\n[tune.settings]\nWARM_IP_TARGET = [1]", r"tune\.seed: there is no such key; did you mean seeds\?"),
        ("[tune]\np99_wait = 'soon'\n[tune.settings]\nWARM_IP_TARGET = [1]", r"tune\.p99_wait: must be a duration"),
    ],
)
def test_an_invalid_search_is_refused_by_its_key(table, message):
    with pytest.raises(ScenarioError, match=message):
        TuneSpec.read(Scenario.from_toml(BASE + table))


def test_a_value_that_cannot_be_simulated_is_refused_by_its_key(scenario):
    spec = TuneSpec({"ENABLE_IPv6": ("false", "true"), "ENABLE_IPv4": ("false",), "ENABLE_PREFIX_DELEGATION": ("true",)})
    with pytest.raises(ScenarioError, match=r"tune\.settings\.ENABLE_IPv6: IPv6 is not simulated") as caught:
        tune(scenario, spec, executor=AtOnce())
    assert "group." not in str(caught.value)


@pytest.mark.thorough
def test_every_combination_is_judged_by_its_worst_seed(scenario, result):
    assert result.complete
    assert len(result.candidates) == 4
    for candidate in result.candidates:
        changes = {f"group.{group}.settings.{name}": value for group in ("small", "large") for name, value in candidate.settings.items()}
        summaries = [simulate(scenario.with_changes({**changes, "seed": seed})).summary for seed in (1, 2)]
        assert candidate.cost == max(summary.addresses_mean for summary in summaries)
        waits = [summary.to_start.p99_ns for summary in summaries]
        assert candidate.p99_wait_ns == (None if None in waits else max(waits))
        assert candidate.calls_per_minute == max(summary.calls_worst_minute for summary in summaries)
        assert candidate.unserved == max(summary.pods_unserved for summary in summaries)
        assert candidate.free_least == min(summary.subnets["a"].free_least for summary in summaries)
        within = candidate.p99_wait_ns is not None and candidate.p99_wait_ns <= 12_000_000_000 and candidate.calls_per_minute <= 30
        assert candidate.fits <= within
        assert any("wait of 99 %" in text or "calls in the worst minute" in text for text in candidate.objections) >= (not within)


def test_the_best_is_the_cheapest_within_the_bounds(result):
    assert [each.cost for each in result.candidates] == sorted(each.cost for each in result.candidates)
    fitting = [each for each in result.candidates if each.fits]
    assert 0 < len(fitting) < 4
    assert result.best is fitting[0]
    assert result.best.confirmation.seeds == (3, 4)
    assert result.baseline.settings == {}
    assert result.best.saves == round(result.baseline.cost - result.best.cost, 2)
    assert result.best.kubectl == (
        "kubectl set env daemonset aws-node -n kube-system "
        f"WARM_IP_TARGET={result.best.settings['WARM_IP_TARGET']} MINIMUM_IP_TARGET={result.best.settings['MINIMUM_IP_TARGET']}"
    )


def test_if_no_combination_is_within_the_bounds_none_is_best(scenario):
    assert tune(scenario, attrs.evolve(TuneSpec.read(scenario), p99_wait_ns=0, calls_per_minute=0), executor=AtOnce()).best is None


def test_without_bounds_the_cheapest_is_best(scenario):
    result = tune(scenario, TuneSpec({"WARM_IP_TARGET": ("8", "9")}, seeds=(1,), confirm_seeds=(6,)), executor=AtOnce())
    assert result.best is result.candidates[0]


@pytest.mark.thorough
@pytest.mark.parametrize("goal", GOALS)
def test_each_goal_ranks_by_its_own_figure(scenario, goal):
    result = tune(scenario, TuneSpec({"WARM_IP_TARGET": ("1", "8")}, goal, seeds=(1,), confirm_seeds=(6,)), executor=AtOnce())
    for candidate in result.candidates:
        changes = {f"group.{group}.settings.WARM_IP_TARGET": candidate.settings["WARM_IP_TARGET"] for group in ("small", "large")}
        assert candidate.cost == GOALS[goal](simulate(scenario.with_changes({**changes, "seed": 1})).summary)


def test_a_search_can_draw_combinations_at_random(scenario):
    result = tune(scenario, attrs.evolve(TuneSpec.read(scenario), trials=2, seeds=(1,), confirm_seeds=(6,)), executor=AtOnce())
    assert result.count == len(result.candidates) == 2


def candidate(cost, wait):
    return Candidate({}, cost, 0.0, wait, 0.0, 0, 0)


def test_the_front_has_the_combinations_that_no_other_beats():
    points = [candidate(1, 9), candidate(2, 9), candidate(3, 4), candidate(3, 5), candidate(4, 6), candidate(5, 0), candidate(6, 0)]
    assert [each.on_front for each in with_front(points)] == [True, False, True, False, False, True, False]
    assert with_front([]) == ()


def test_a_combination_that_cannot_be_run_is_listed_with_its_reason(scenario):
    spec = TuneSpec({"WARM_IP_TARGET": ("1",)}, seeds=(1, 2))

    class Failing(AtOnce):
        def submit(self, function, /, number, *rest):
            future = super().submit(function, number, *rest)
            if number > 1:  # the first two are of the present settings
                future._result = attrs.evolve(future._result, summary=None, error="no")
            return future

    result = tune(scenario, spec, executor=Failing())
    assert result.complete
    assert (result.candidates, result.failures, result.best, result.front) == ((), (({"WARM_IP_TARGET": "1"}, "no"),), None, ())
    assert (result.present_is_best, result.reason) == (False, "no combination can be run: no")


def test_an_interrupted_search_judges_the_combinations_run_with_every_seed(scenario, monkeypatch):
    monkeypatch.setattr("vpcipam.fleet.sweep.as_completed", iter)  # which gives what is already done in any order

    def interrupt(done, count):
        del count
        if done == 9:  # of 10, in order: the last combination lacks a seed
            raise KeyboardInterrupt

    result = tune(scenario, executor=AtOnce(), progress=interrupt)
    assert not result.complete
    assert len(result.candidates) == 3


@pytest.mark.parametrize(("trials", "count"), [(0, 8), (3, 6), (9, 8)])
def test_the_trial_count_is_the_number_of_runs_with_one_confirmation(scenario, trials, count):
    assert attrs.evolve(TuneSpec.read(scenario), trials=trials).trial_count == count + 2 + 2 * 2


def test_progress_counts_every_run(scenario):
    told = []
    spec = TuneSpec({"WARM_IP_TARGET": ("8",)}, seeds=(1,), confirm_seeds=(2,))
    tune(scenario, spec, executor=AtOnce(), progress=lambda done, count: told.append((done, count)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_combination_with_which_no_node_becomes_ready_is_a_failure_and_the_others_run(scenario):
    spec = TuneSpec({"ENABLE_PREFIX_DELEGATION": ("true", "false"), "WARM_PREFIX_TARGET": ("0", "1")}, seeds=(1, 2))
    result = tune(scenario, spec, executor=AtOnce())
    assert result.complete
    assert len(result.candidates) == 3
    ((settings, reason),) = result.failures
    assert settings == {"ENABLE_PREFIX_DELEGATION": "true", "WARM_PREFIX_TARGET": "0"}
    assert reason.startswith("WARM_PREFIX_TARGET: the container exits at its start, so no pod runs")


# --- what is recommended ---------------------------------------------------------------------------------------------------------

JAMMED = """
duration = "30 min"
subnet = [{name = "a", cidr = "10.0.0.0/26"}]
group = [{name = "workers", instance_type = "m5.large", count = 4}]
workload = [{kind = "deployment", name = "web", replicas = 40, roll_interval = "5 min"}]
[tune]
p99_wait = "1 min"
confirm_seeds = [1, 2]
[tune.settings]
"""


def found(settings, text=JAMMED, **changes):
    return tune(Scenario.from_toml(text + settings).with_changes(changes), executor=AtOnce())


@pytest.mark.thorough
def test_a_combination_that_leaves_pods_without_addresses_is_not_recommended():
    # Four nodes with 20 addresses each don't fit into 59; 45 pods do, with one warm address a node.
    result = found("WARM_IP_TARGET = [1, 2]\nMINIMUM_IP_TARGET = [0, 14]")
    unfit = [each for each in result.candidates if each.unserved > result.baseline.unserved]
    assert all(any("more pod" in text for text in each.objections) for each in unfit)
    assert result.best is None or result.best.unserved <= result.baseline.unserved


def test_what_settings_warn_of_is_not_recommended():
    result = found("WARM_ENI_TARGET = [2]\nWARM_IP_TARGET = [3]")
    assert result.best is None
    (only,) = result.candidates
    assert any(text.startswith("WARM_ENI_TARGET: ") for text in only.objections)


def test_a_warning_that_the_present_settings_give_too_objects_to_nothing_else():
    text = JAMMED.replace("count = 4}", 'count = 4, settings = {WARM_PREFIX_TARGET = "2"}}')
    assert Scenario.from_toml(text + "MAX_ENI = [3]").groups[0].settings.diagnostics
    (only,) = found("MAX_ENI = [3]", text).candidates
    assert not any("WARM_PREFIX_TARGET" in objection for objection in only.objections)


@pytest.mark.thorough
def test_a_change_of_mode_needs_new_nodes():
    (only,) = found("ENABLE_PREFIX_DELEGATION = [true]").candidates
    assert any("needs new nodes, since " in note for note in only.notes)
    assert any("max pods is 110 instead of 29" in note for note in only.notes)
    (other,) = found("WARM_IP_TARGET = [1]").candidates
    assert other.notes == ()


CUSTOM = "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG"


def test_custom_networking_that_the_present_settings_do_not_have_needs_eni_configs_and_new_nodes():
    (only,) = found(f"{CUSTOM} = [true]").candidates
    assert any("needs new nodes, an ENIConfig for each zone, and ENI_CONFIG_LABEL_DEF or an annotation" in note for note in only.notes)
    assert any("has no pod_subnets" in note for note in only.notes)


def test_custom_networking_that_the_present_settings_have_needs_no_note_and_its_end_needs_new_nodes():
    text = JAMMED.replace("count = 4}", f'count = 4, pod_subnet = "a", settings = {{{CUSTOM} = true}}}}')
    (same,) = found(f"{CUSTOM} = [true]", text).candidates
    assert same.notes == ()
    (other,) = found(f"{CUSTOM} = [false]", text.replace(', pod_subnet = "a"', "")).candidates
    assert other.notes[0] == "group workers: needs new nodes, since custom networking ends; replace the present nodes"


def test_the_change_is_told_for_a_daemonset_for_helm_and_for_the_add_on():
    each = attrs.evolve(candidate(1, 1), settings={"WARM_IP_TARGET": "2", "MINIMUM_IP_TARGET": "8"})
    assert each.kubectl == "kubectl set env daemonset aws-node -n kube-system WARM_IP_TARGET=2 MINIMUM_IP_TARGET=8"
    assert each.settings.items() <= Settings.from_daemonset(StringIO(each.helm)).variables.items()
    assert each.settings.items() <= Settings.from_daemonset(StringIO(shlex.split(each.addon)[-1])).variables.items()


def test_the_best_that_fails_with_other_seeds_is_not_recommended(scenario):
    spec = TuneSpec({"WARM_IP_TARGET": ("7", "8")}, p99_wait_ns=60_000_000_000, seeds=(1,), confirm_seeds=(2,))

    class Slow(AtOnce):
        """Makes pods wait forever with another seed and the cheapest combination."""

        def submit(self, function, /, number, run, changes):
            future = super().submit(function, number, run, changes)
            trial = future._result
            if changes["seed"] == 2 and changes.get("group.small.settings.WARM_IP_TARGET") == "7":
                waits = attrs.evolve(trial.summary.to_start, p99_ns=None)
                future._result = attrs.evolve(trial, summary=attrs.evolve(trial.summary, to_start=waits))
            return future

    result = tune(scenario, spec, executor=Slow())
    first, second = sorted(result.candidates, key=lambda each: each.settings["WARM_IP_TARGET"])
    assert first.objections == ("with other seeds, the wait of 99 % of pods is not reached",)
    assert (result.best, second.confirmation.seeds) == (second, (2,))


def test_the_present_settings_are_run_with_other_seeds_even_if_no_combination_fits(scenario):
    spec = TuneSpec({"WARM_IP_TARGET": ("7",)}, p99_wait_ns=60_000_000_000, seeds=(1,), confirm_seeds=(2,))

    class Slow(AtOnce):
        """Makes pods wait forever with the combination."""

        def submit(self, function, /, number, run, changes):
            future = super().submit(function, number, run, changes)
            if changes.get("group.small.settings.WARM_IP_TARGET") == "7":
                summary = future._result.summary
                waits = attrs.evolve(summary.to_start, p99_ns=None)
                future._result = attrs.evolve(future._result, summary=attrs.evolve(summary, to_start=waits))
            return future

    result = tune(scenario, spec, executor=Slow())
    assert [each.fits for each in result.candidates] == [False]
    assert result.baseline.confirmation.seeds == (2,)


def test_if_the_present_settings_fail_no_combination_is_judged(scenario):
    class Failing(AtOnce):
        def submit(self, function, /, number, *rest):
            future = super().submit(function, number, *rest)
            if not number:
                future._result = attrs.evolve(future._result, summary=None, error="no")
            return future

    result = tune(scenario, TuneSpec({"WARM_IP_TARGET": ("1",)}, seeds=(1, 2)), executor=Failing())
    assert (result.baseline, result.candidates, result.failures) == (None, (), (({"WARM_IP_TARGET": "1"}, "no"),))


@pytest.mark.parametrize("seeds", [(0,), (3, 4), (MAX_SEED,), (MAX_SEED - 8,), (MAX_SEED - 7,), (MAX_SEED, 0, 2)])
def test_a_search_is_confirmed_with_seeds_that_it_does_not_use_and_that_a_scenario_takes(scenario, seeds):
    spec = TuneSpec({"WARM_IP_TARGET": ("1",)}, seeds=seeds)
    assert len(set(spec.confirm_seeds)) == 8
    assert not set(spec.confirm_seeds) & set(seeds)
    for seed in spec.confirm_seeds:
        assert scenario.with_changes({"seed": seed}).seed == seed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": ()}, "seeds of a TuneSpec must not be empty"),
        ({"confirm_seeds": ()}, "confirm_seeds of a TuneSpec must not be empty"),
        ({"seeds": (1, 2), "confirm_seeds": (2,)}, "confirm_seeds repeats 2, a seed of the search"),
    ],
)
def test_seeds_that_confirm_nothing_are_refused(options, message):
    with pytest.raises(InvalidArgument, match=message):
        TuneSpec({"WARM_IP_TARGET": ("1",)}, **options)


def test_an_interrupt_ends_the_whole_search(scenario):
    told = []

    def interrupt(done, count):
        del count
        told.append(done)
        if done == 9:  # of the 10 before the confirmation
            raise KeyboardInterrupt

    result = tune(scenario, executor=AtOnce(), progress=interrupt)
    assert (told[-1], result.best, result.complete) == (9, None, False)
    assert (result.present_is_best, result.reason) == (False, "the search was interrupted")


@pytest.mark.parametrize(("stop", "seeds"), [(1, (1,)), (2, (1, 2))])
def test_an_interrupted_search_has_the_figures_of_the_present_settings_that_were_run(scenario, monkeypatch, stop, seeds):
    monkeypatch.setattr("vpcipam.fleet.sweep.as_completed", iter)

    def interrupt(done, count):
        del count
        if done == stop:
            raise KeyboardInterrupt

    result = tune(scenario, executor=AtOnce(), progress=interrupt)
    means = [simulate(scenario.with_changes({"seed": seed})).summary.addresses_mean for seed in seeds]
    assert result.baseline.cost == max(means)
    assert (result.candidates, result.best, result.present_is_best, result.complete) == ((), None, False, False)


@pytest.mark.parametrize(("stop", "confirmed"), [(11, False), (13, False), (14, True)])
def test_an_interrupted_confirmation_recommends_nothing(scenario, stop, confirmed):
    def interrupt(done, count):
        del count
        if done == stop:
            raise KeyboardInterrupt

    result = tune(scenario, executor=AtOnce(), progress=interrupt)
    assert (result.best is not None) == confirmed
    assert result.complete == confirmed
    assert len(result.candidates) == 4


# Always the same fleets: with few pods the wait of 99 % is the longest one, and any bound on it is broken by some seed.
@pytest.mark.thorough
@settings(max_examples=max(2, settings.default.max_examples // 50), derandomize=True)
@given(per_hour=st.integers(20, 300), burst=st.integers(1, 8), seed=st.integers(0, 1000), size=st.integers(25, 27))
def test_what_is_recommended_holds_with_fresh_seeds_within_the_spread(per_hour, burst, seed, size):
    text = BASE.replace("/24", f"/{size}").replace("150", str(per_hour)).replace("burst = 5", f"burst = {burst}")
    scenario = Scenario.from_toml(text)
    spec = TuneSpec({"WARM_IP_TARGET": ("1", "6")}, p99_wait_ns=20_000_000_000, seeds=(seed, seed + 1), confirm_seeds=(seed + 2, seed + 3))
    best = tune(scenario, spec, executor=AtOnce()).best
    if best is None:
        return
    changes = {f"group.{group}.settings.{name}": value for group in ("small", "large") for name, value in best.settings.items()}
    least_ns, most_ns = best.confirmation.p99_wait_ns
    for fresh in (seed + 4, seed + 5):
        before, after = (simulate(scenario.with_changes({"seed": fresh, **each})).summary for each in ({}, changes))
        assert after.to_start.p99_ns is not None
        assert after.to_start.p99_ns <= spec.p99_wait_ns + 2 * (most_ns - least_ns) + scenario.retry_ns
        assert after.pods_unserved <= before.pods_unserved or after.to_start.waiting_ns <= spec.p99_wait_ns


# --- the judgement, against its definition ---------------------------------------------------------------------------------------

EMPTY = result_of(recorded(({},)), 0).summary
FEW = st.integers(0, 2)  # so that costs, waits and rates are often equal, and often at their bounds


class Answering(AtOnce):
    """Has the figures of every run instead of running it, by the value of WARM_IP_TARGET (None for the present settings) and the seed."""

    def __init__(self, figures):
        self.figures = figures

    def submit(self, function, /, number, scenario, changes):
        del function, scenario
        key = changes.get("group.small.settings.WARM_IP_TARGET"), changes["seed"]
        return super().submit(lambda: Trial(number, changes, self.figures[key].summary))


@attrs.frozen
class Figures:
    """The figures of a run."""

    cost: int
    wait_ns: int | None
    rate: int
    refused: int
    waiting: int
    waiting_ns: int

    @property
    def unserved(self):
        return self.refused + self.waiting

    @property
    def summary(self):
        waits = attrs.evolve(Waits(), p99_ns=self.wait_ns, unended_count=self.unserved, waiting_ns=self.waiting_ns)
        pods = {"pods_refused": self.refused, "pods_waiting": self.waiting, "pods_unserved": self.unserved}
        return attrs.evolve(EMPTY, addresses_mean=float(self.cost), to_start=waits, calls_worst_minute=float(self.rate), **pods)

    def keeps(self, now, wait_bound, rate_bound):
        """Whether this run keeps the bounds, and serves the pods that `now` serves but for those that just came."""
        wait_kept = wait_bound is None or (self.wait_ns is not None and self.wait_ns <= wait_bound)
        young = wait_bound is not None and self.refused <= now.refused and self.waiting_ns <= wait_bound
        return wait_kept and (rate_bound is None or self.rate <= rate_bound) and (self.unserved <= now.unserved or young)

    def left_out(self, wait_bound):
        """The pods that never had an address, but for those that just came."""
        young = wait_bound is not None and not self.refused and self.waiting_ns <= wait_bound
        return 0 if young else self.unserved


def is_beaten(each, others):
    """Whether another is better in cost or wait and at least as good in the other, or is equal in both and comes before it."""
    pairs = [(other.cost, length_of(other.p99_wait_ns)) for other in others]
    mine = (each.cost, length_of(each.p99_wait_ns))
    better = any(pair != mine and pair[0] <= mine[0] and pair[1] <= mine[1] for pair in pairs)
    return better or mine in pairs[: others.index(each)]


FIGURES = st.builds(Figures, FEW, FEW | st.none(), FEW, FEW, FEW, FEW)


@given(data=st.data(), count=st.integers(1, 5), seed_count=st.integers(1, 2), bounds=st.tuples(st.none() | FEW, st.none() | FEW))
def test_candidates_are_judged_as_defined(scenario, data, count, seed_count, bounds):
    values, seeds = tuple(str(number) for number in range(3, 3 + count)), tuple(range(seed_count))
    spec = TuneSpec({"WARM_IP_TARGET": values}, "addresses-mean", *bounds, seeds=seeds, confirm_seeds=(7,))
    figures = data.draw(st.fixed_dictionaries({(value, seed): FIGURES for value in (None, *values) for seed in (*seeds, 7)}))
    result = tune(scenario, spec, executor=Answering(figures))
    assert result.complete
    assert {each.settings["WARM_IP_TARGET"] for each in result.candidates} == set(values)

    def keeps(value, seeds):
        return all(figures[value, seed].keeps(figures[None, seed], *bounds) for seed in seeds)

    def longest(runs):
        waits = [run.wait_ns for run in runs]
        return None if None in waits else max(waits)

    for each in result.candidates:
        value = each.settings["WARM_IP_TARGET"]
        mine = [figures[value, seed] for seed in seeds]
        assert (each.cost, each.calls_per_minute) == (max(run.cost for run in mine), max(run.rate for run in mine))
        assert (each.p99_wait_ns, each.unserved) == (longest(mine), max(run.unserved for run in mine))
        assert each.saves == max(figures[None, seed].cost for seed in seeds) - each.cost
        assert each.fits == (keeps(value, seeds) and (each.confirmation is None or keeps(value, [7])))
        assert each.on_front == (not is_beaten(each, result.candidates))
    ranks = [
        (each.cost, length_of(each.p99_wait_ns), each.calls_per_minute, values.index(each.settings["WARM_IP_TARGET"]))
        for each in result.candidates
    ]
    assert ranks == sorted(ranks)
    kept = [each for each in result.candidates if keeps(each.settings["WARM_IP_TARGET"], seeds)]
    present_keeps = keeps(None, [*seeds, 7])

    def left_out(value, seeds):
        return max(figures[value, seed].left_out(bounds[0]) for seed in seeds)

    def mends(value, seeds):
        return not present_keeps or left_out(value, seeds) < left_out(None, [*seeds, 7])

    def holds(each):
        value = each.settings["WARM_IP_TARGET"]
        cheaper = each.saves > 0 and figures[value, 7].cost < figures[None, 7].cost
        return keeps(value, [7]) and (mends(value, [*seeds, 7]) or cheaper)

    worthwhile = [each for each in kept if mends(each.settings["WARM_IP_TARGET"], seeds) or each.saves > 0]
    best = next(filter(holds, worthwhile), None)
    assert result.best is best
    assert result.present_is_best == (present_keeps and not left_out(None, [*seeds, 7]) and best is None)
    assert [each for each in result.candidates if each.confirmation] == (
        worthwhile if best is None else worthwhile[: worthwhile.index(best) + 1]
    )
    assert result.front == tuple(each for each in result.candidates if each.on_front)


KEPT = Figures(cost=2, wait_ns=1, rate=0, refused=0, waiting=0, waiting_ns=0)


def judged(scenario, present, combination, p99_wait_ns=1):
    """Judge one combination by figures of the present settings and of itself, with the seed of the search and with another."""
    spec = TuneSpec({"WARM_IP_TARGET": ("3",)}, p99_wait_ns=p99_wait_ns, seeds=(0,), confirm_seeds=(7,))
    figures = {(value, seed): run for value, runs in ((None, present), ("3", combination)) for seed, run in zip((0, 7), runs, strict=True)}
    return tune(scenario, spec, executor=Answering(figures))


CHEAPER, DEARER, SLOW = attrs.evolve(KEPT, cost=1), attrs.evolve(KEPT, cost=3), attrs.evolve(KEPT, wait_ns=2)


@pytest.mark.parametrize(
    ("new", "new_later"), [(KEPT, KEPT), (DEARER, CHEAPER), (CHEAPER, KEPT), (CHEAPER, DEARER), (SLOW, KEPT), (CHEAPER, SLOW)]
)
def test_nothing_is_recommended_that_is_not_better_than_present_settings_that_keep_the_bounds(scenario, new, new_later):
    result = judged(scenario, (KEPT, KEPT), (new, new_later))
    assert (result.best, result.present_is_best) == (None, True)
    assert result.reason == "the present settings keep the bounds, and no combination that does costs less"


def test_what_is_better_is_recommended(scenario):
    result = judged(scenario, (KEPT, KEPT), (CHEAPER, CHEAPER))
    assert (result.best, result.present_is_best) == (result.candidates[0], False)
    assert result.reason == "it costs less than the present settings"


@pytest.mark.parametrize(
    ("now", "now_later", "reason"),
    [
        (SLOW, KEPT, "with the present settings, the wait of 99 % of pods is less than 1 s"),
        (KEPT, SLOW, "with the present settings and other seeds, the wait of 99 % of pods is less than 1 s"),
        (
            attrs.evolve(KEPT, wait_ns=None, waiting=7),
            KEPT,
            "the present settings leave 7 pods without an address",
        ),
    ],
)
def test_what_keeps_the_bounds_is_recommended_if_the_present_settings_do_not_even_if_it_costs_more(scenario, now, now_later, reason):
    result = judged(scenario, (now, now_later), (DEARER, DEARER))
    assert (result.best, result.present_is_best) == (result.candidates[0], False)
    assert result.reason == reason


LEAVES_ONE, LEAVES_TWO = attrs.evolve(KEPT, refused=1), attrs.evolve(KEPT, refused=2)
JUST_CAME = attrs.evolve(KEPT, waiting=2, waiting_ns=1)
LEAVE = "the present settings leave 2 pods without an address"


@pytest.mark.parametrize("bound_ns", [None, 1])
@pytest.mark.parametrize(
    ("present", "new", "reason"),
    [
        ((LEAVES_TWO, LEAVES_TWO), (DEARER, DEARER), LEAVE),
        ((LEAVES_TWO, KEPT), (DEARER, DEARER), LEAVE),
        ((KEPT, LEAVES_TWO), (DEARER, DEARER), LEAVE),
        ((LEAVES_TWO, LEAVES_TWO), (LEAVES_ONE, LEAVES_ONE), LEAVE),
        ((LEAVES_TWO, KEPT), (attrs.evolve(LEAVES_TWO, cost=1), CHEAPER), "it costs less than the present settings"),
    ],
)
def test_what_serves_pods_that_the_present_settings_leave_out_is_recommended_or_what_costs_less(scenario, bound_ns, present, new, reason):
    result = judged(scenario, present, new, bound_ns)
    assert result.baseline.objections
    assert (result.best, result.reason) == (result.candidates[0], reason)


@pytest.mark.parametrize("bound_ns", [None, 1])
@pytest.mark.parametrize("new", [(LEAVES_TWO, LEAVES_TWO), (LEAVES_ONE, LEAVES_TWO)])
def test_what_leaves_out_as_many_pods_as_the_present_settings_and_costs_as_much_is_not_recommended(scenario, bound_ns, new):
    result = judged(scenario, (LEAVES_TWO, LEAVES_TWO), new, bound_ns)
    assert (result.best, result.present_is_best) == (None, False)
    assert result.reason == f"{LEAVE}, and no combination within the bounds leaves fewer or costs less"


def test_pods_that_have_waited_within_the_bound_at_the_end_are_not_left_out(scenario):
    assert judged(scenario, (JUST_CAME, JUST_CAME), (DEARER, DEARER)).present_is_best
    assert judged(scenario, (JUST_CAME, JUST_CAME), (DEARER, DEARER), None).reason == LEAVE
    assert judged(scenario, (LEAVES_TWO, LEAVES_TWO), (JUST_CAME, JUST_CAME)).reason == LEAVE


def test_the_fewest_free_addresses_are_those_of_the_worst_seed(scenario):
    ((name, subnet),) = EMPTY.subnets.items()

    def with_free(count):
        return SimpleNamespace(summary=attrs.evolve(EMPTY, subnets={name: attrs.evolve(subnet, free_least=count)}))

    spec = TuneSpec({"WARM_IP_TARGET": ("3",)}, seeds=(0, 1), confirm_seeds=(7, 8))
    figures = {(value, seed): with_free(count) for value in (None, "3") for seed, count in ((0, 5), (1, 4), (7, 9), (8, 6))}
    result = tune(scenario, spec, executor=Answering(figures))
    assert (result.baseline.free_least, result.candidates[0].free_least) == (4, 4)
    assert result.baseline.confirmation.free_least == (6, 9)


def test_if_nothing_keeps_the_bounds_nothing_is_best(scenario):
    result = judged(scenario, (SLOW, SLOW), (SLOW, SLOW))
    assert (result.best, result.present_is_best) == (None, False)
    assert result.reason == "no combination is within the bounds, serves the pods and gives no warning"


@given(counts=st.lists(st.integers(1, 4), min_size=1, max_size=3), seed_count=st.integers(1, 3), trials=st.integers(0, 70))
@example([2, 2], 2, 4)
@example([2, 2], 2, 5)
def test_the_trial_count_is_that_of_the_combinations_drawn_times_the_seeds(counts, seed_count, trials):
    axes = {f"V{number}": tuple(str(value) for value in range(count)) for number, count in enumerate(counts)}
    spec = TuneSpec(axes, seeds=tuple(range(seed_count)), trials=trials)
    drawn = spec.combinations if not trials else some_of(spec.combinations, trials, 0)
    assert spec.trial_count == (len(drawn) + 1) * seed_count + 2 * 8


# --- zones -----------------------------------------------------------------------------------------------------------------------

ZONES = """
duration = "20 min"
subnet = [{name = "a", cidr = "10.0.0.0/24", zone = "a"}, {name = "c", cidr = "10.0.1.0/27", zone = "c"}]
group = [{name = "w", instance_type = "m5.large", count = 2, settings = {WARM_IP_TARGET = 2}}]
workload = [{kind = "deployment", name = "web", replicas = 20, roll_interval = "10 min", spread = [{max_skew = 1}]}]
"""


def zonal_candidates(text=ZONES, **bounds):
    spec = TuneSpec({"WARM_IP_TARGET": ("1", "4", "15")}, "fullest-subnet", seeds=(1,), **bounds)
    result = tune(Scenario.from_toml(text), spec, executor=AtOnce())
    return result, {each.settings["WARM_IP_TARGET"]: each for each in result.candidates}


@pytest.mark.thorough
def test_the_fullest_subnet_decides_in_zones():
    result, found = zonal_candidates()
    for each in (result.baseline, *result.candidates):
        changes = {f"group.w.settings.{name}": value for name, value in each.settings.items()}
        subnets = simulate(Scenario.from_toml(ZONES).with_changes({**changes, "seed": 1})).summary.subnets
        assert each.cost == subnets["c"].taken_per_cent > subnets["a"].taken_per_cent
        assert each.cost == round(100 * subnets["c"].taken_peak / 27, 1)
        assert each.free_least == subnets["c"].free_least
    assert found["1"].cost < found["4"].cost < found["15"].cost == 100
    assert result.best is found["1"]


def test_a_combination_that_empties_the_subnet_of_a_zone_is_not_recommended():
    _, found = zonal_candidates()
    assert found["15"].objections == ("subnet c in zone c has no free address left at times",)
    assert found["1"].fits
    without_zones = ZONES.replace(', zone = "a"', "").replace(', zone = "c"', "").replace(", spread = [{max_skew = 1}]", "")
    assert zonal_candidates(without_zones)[1]["15"].objections == ()


@pytest.mark.thorough
def test_a_subnet_that_is_empty_now_is_no_objection():
    full = ZONES.replace("WARM_IP_TARGET = 2", "WARM_IP_TARGET = 15")
    assert zonal_candidates(full)[1]["15"].objections == ()
