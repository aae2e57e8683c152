"""Workloads: the pods that generators make, and the arguments they refuse."""

import contextlib
import math
from fractions import Fraction
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.errors import InvalidArgument
from vpcipam.fleet.workload import (
    MAX_NS,
    MAX_POD_COUNT,
    MAX_S,
    Arrivals,
    CombinedWorkload,
    CronJob,
    Deployment,
    EmpiricalLifetime,
    ExponentialLifetime,
    FixedLifetime,
    FixedWorkload,
    LogNormalLifetime,
    PodRun,
    Wave,
    in_order,
    require_feasible,
)
from vpcipam.testing.strategies import workloads

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
MINUTES_5 = FixedLifetime(300.0)


def shares(lifetime, bound_s, count=20_000):
    chance = Random(1)
    return sum(lifetime.draw(chance) <= bound_s for _ in range(count)) / count


def at(runs, time_ns):
    """The number of pods just after a time."""
    return sum(run.created_ns <= time_ns and (run.deleted_ns is None or run.deleted_ns > time_ns) for run in runs)


# --- all workloads ---------------------------------------------------------------------------------------------------


@given(workloads(), st.integers(0, 2**63), st.integers(1, 2 * HOUR))
def test_pods_are_ordered_unique_within_the_duration_and_repeatable(workload, seed, duration_ns):
    runs = workload.pods(seed, duration_ns)
    assert runs == workload.pods(seed, duration_ns)
    assert list(runs) == sorted(runs, key=lambda run: (run.created_ns, run.name))
    assert len({run.name for run in runs}) == len(runs)
    for run in runs:
        assert type(run) is PodRun
        assert type(run.created_ns) is int
        assert 0 <= run.created_ns < duration_ns
        assert run.deleted_ns is None or run.created_ns < run.deleted_ns
        assert run.node is None


def test_two_seeds_draw_different_pods():
    workload = Arrivals("a", 100.0, MINUTES_5)
    assert workload.pods(1, HOUR) != workload.pods(2, HOUR)


def test_two_generators_of_one_kind_draw_differently():
    one, other = (Arrivals(name, 100.0, MINUTES_5).pods(1, HOUR) for name in "ab")
    assert [run.created_ns for run in one] != [run.created_ns for run in other]


def test_a_tiny_rate_makes_no_pods():
    assert Arrivals("a", 5e-324, MINUTES_5, Wave(1.0)).pods(0, HOUR) == ()


def test_a_longer_run_begins_like_a_shorter_one():
    workload = Arrivals("a", 100.0, FixedLifetime(60.0), Wave(0.5))
    short, long = workload.pods(1, HOUR), workload.pods(1, 2 * HOUR)
    assert [run.created_ns for run in long[: len(short)]] == [run.created_ns for run in short]


def test_combined_workloads_hold_the_pods_of_all_parts():
    parts = CronJob("c", 600, 2, MINUTES_5), FixedWorkload((PodRun("x", 5, None, "workers-0000"),))
    runs = CombinedWorkload(parts).pods(0, HOUR)
    assert sorted(runs) == sorted([*parts[0].pods(0, HOUR), PodRun("x", 5, None, "workers-0000")])
    assert runs == in_order(runs)


def test_combined_workloads_with_one_name_twice_are_refused():
    with pytest.raises(InvalidArgument, match="two pods are called 'c-0'"):
        CombinedWorkload((CronJob("c", 600, 1, MINUTES_5),) * 2).pods(0, HOUR)


def test_listed_pods_created_at_the_end_or_later_are_left_out():
    runs = PodRun("b", HOUR - 1, None), PodRun("a", HOUR, None), PodRun("c", 0, HOUR + 5)
    assert FixedWorkload(runs).pods(3, HOUR) == (runs[2], runs[0])


@pytest.mark.parametrize(
    "run", [PodRun("a", 5, 5), PodRun("a", 5, 4), PodRun("a", -1, 4), PodRun("a", -1, None), PodRun("a", 5, 2 * MAX_NS + 1)]
)
def test_a_pod_deleted_before_its_creation_or_after_centuries_is_refused(run):
    with pytest.raises(InvalidArgument, match="pod 'a' is created at"):
        in_order([PodRun("0", 0, 1), run])


@pytest.mark.parametrize(
    "generator",
    [
        Arrivals("many", 10.0, MINUTES_5, standing=MAX_POD_COUNT),
        Arrivals("many", 1e9, MINUTES_5),
        CronJob("many", 1e-9, 1, MINUTES_5),
        Deployment("many", MAX_POD_COUNT // 2, 60.0, ready_s=1e-9),
    ],
)
def test_more_pods_than_memory_holds_are_refused_before_they_are_made(generator):
    with pytest.raises(InvalidArgument, match=r"'many' would make .* pods, more than 10,000,000"):
        generator.pods(0, HOUR)


@given(workload=workloads(), duration_s=st.integers(1, 7200), seed=st.integers(0, 3))
def test_the_expected_count_is_that_of_the_pods(workload, duration_s, seed):
    duration_ns = duration_s * SECOND
    for part in workload.parts if isinstance(workload, CombinedWorkload) else (workload,):
        expected, count = part.expected_count(duration_ns), len(part.pods(seed, duration_ns))
        if isinstance(part, CronJob):
            assert expected == count
        elif isinstance(part, Deployment):  # only the last roll-out can be cut off by the end
            assert expected == count == 0 or expected - part.replicas < count <= expected
        else:
            assert abs(Fraction(part.per_hour) * duration_s / 3600 + part.standing - expected) <= Fraction(1, 2) + Fraction(1, 10**9)
            assert count >= part.standing


@pytest.mark.parametrize("count", [0, 1, 2, 5, 10])
@pytest.mark.parametrize("standing", [0, 3])
def test_as_many_pods_arrive_as_expected_on_average(count, standing):
    arrivals = Arrivals("a", float(count), MINUTES_5, standing=standing)
    runs = 400
    mean = sum(len(arrivals.pods(seed, HOUR)) for seed in range(runs)) / runs
    assert mean == pytest.approx(arrivals.expected_count(HOUR), abs=4 * math.sqrt(count / runs) + 1e-9)


@pytest.mark.parametrize("excess", [0, 1])
def test_a_workload_is_refused_from_one_pod_above_the_limit_on(excess):
    workloads_at_the_limit = (
        Arrivals("a", 0.0, MINUTES_5, standing=MAX_POD_COUNT + excess),
        Arrivals("a", float(MAX_POD_COUNT + excess), MINUTES_5),
        Deployment("d", MAX_POD_COUNT + excess),
        CronJob("c", 7200.0, MAX_POD_COUNT + excess, MINUTES_5),
    )
    for each in workloads_at_the_limit:
        with pytest.raises(InvalidArgument, match="lower its rate") if excess else contextlib.nullcontext():
            require_feasible(each, HOUR)


# --- how long pods stay --------------------------------------------------------------------------------------------------------


def test_exponential_lifetimes_have_their_median():
    assert shares(ExponentialLifetime(100.0), 100 * math.log(2)) == pytest.approx(0.5, abs=0.015)


def test_log_normal_lifetimes_have_their_quantiles():
    lifetime = LogNormalLifetime.from_p90(600.0, 7200.0)
    assert shares(lifetime, 600) == pytest.approx(0.5, abs=0.015)
    assert shares(lifetime, 7200) == pytest.approx(0.9, abs=0.01)


def test_a_log_normal_lifetime_without_spread_is_its_median():
    assert LogNormalLifetime.from_p90(600.0, 600.0).draw(Random(1)) == 600.0


class Zero(Random):
    """Always draws 0, which has no logarithm."""

    def random(self):
        return 0.0


@pytest.mark.parametrize(
    ("lifetime", "drawn"),
    [
        (LogNormalLifetime(600.0, 1.0), 600.0),
        (ExponentialLifetime(600.0), 0.0),
        (EmpiricalLifetime((3.0, 4.0)), 3.0),
        (FixedLifetime(7.0), 7.0),
    ],
)
def test_a_random_number_of_zero_gives_a_valid_lifetime(lifetime, drawn):
    assert lifetime.draw(Zero()) == drawn


def test_a_lifetime_of_zero_becomes_a_nanosecond():
    runs = CronJob("c", 1800.0, 1, EmpiricalLifetime((0.0, 0.0))).pods(0, HOUR)
    assert [run.deleted_ns - run.created_ns for run in runs] == [1, 1]


@pytest.mark.parametrize("lifetime", [LogNormalLifetime(MAX_S, 10.0), ExponentialLifetime(MAX_S)])
def test_no_pod_lives_for_more_than_a_hundred_years(lifetime):
    runs = CronJob("c", 60.0, 50, lifetime).pods(1, HOUR)
    lives = [run.deleted_ns - run.created_ns for run in runs]
    assert max(lives) == MAX_NS
    assert max(run.deleted_ns for run in runs) < 2**63
    assert in_order(runs) == runs


def test_an_infinite_lifetime_is_cut_off():
    class Endless:
        def draw(self, chance):
            del chance
            return math.inf

    assert CronJob("c", 3600.0, 1, Endless()).pods(0, HOUR) == (PodRun("c-0", 1, MAX_NS + 1, runs_fully=True),)


def test_the_latest_deletion_is_accepted():
    runs = (PodRun("a", 0, 2 * MAX_NS),)
    assert in_order(runs) == runs


@given(st.lists(st.floats(0, 1e8), min_size=2, max_size=9).map(sorted), st.integers())
def test_empirical_lifetimes_lie_between_the_shortest_and_the_longest(quantiles, seed):
    drawn = EmpiricalLifetime(quantiles).draw(Random(seed))
    assert quantiles[0] <= drawn <= quantiles[-1] or drawn == pytest.approx(quantiles[-1])


def test_empirical_lifetimes_have_their_quantiles():
    lifetime = EmpiricalLifetime((0.0, 10.0, 1000.0))
    assert shares(lifetime, 10) == pytest.approx(0.5, abs=0.015)
    assert shares(lifetime, 505) == pytest.approx(0.75, abs=0.015)


def test_the_lifetimes_of_a_trace_leave_out_pods_that_stay():
    runs = PodRun("a", 0, 9 * SECOND), PodRun("b", 0, None), PodRun("c", SECOND, 3 * SECOND)
    assert EmpiricalLifetime.from_runs(runs).quantiles_s == (2.0, 9.0)


def test_lifetimes_of_fewer_than_two_pods_are_refused():
    with pytest.raises(InvalidArgument, match="at least two deleted pods, not 1"):
        EmpiricalLifetime.from_runs([PodRun("a", 0, 9), PodRun("b", 0, None)])


# --- arrivals ------------------------------------------------------------------------------------------------------------------


def test_arrivals_have_their_mean_rate():
    count = len(Arrivals("a", 1000.0, MINUTES_5).pods(1, 24 * HOUR))
    assert count == pytest.approx(24_000, abs=5 * 24_000**0.5)


def test_gaps_between_arrivals_are_exponential():
    times = [run.created_ns for run in Arrivals("a", 3600.0, MINUTES_5).pods(1, 10 * HOUR)]
    gaps = [after - before for before, after in pairwise(times)]
    assert sum(gap > SECOND for gap in gaps) / len(gaps) == pytest.approx(1 / math.e, abs=0.01)


def test_bursts_arrive_together_at_the_same_mean_rate():
    runs = Arrivals("a", 1000.0, MINUTES_5, burst=50).pods(1, 48 * HOUR)
    assert len(runs) == pytest.approx(48_000, rel=0.1)
    times = {run.created_ns for run in runs}
    assert len(times) * 50 == len(runs)


def test_a_wave_peaks_at_its_hour_and_keeps_the_mean():
    runs = Arrivals("a", 1000.0, MINUTES_5, Wave(0.8, 18.0)).pods(1, 24 * HOUR)
    by_hour = [0] * 24
    for run in runs:
        by_hour[run.created_ns // HOUR] += 1
    assert len(runs) == pytest.approx(24_000, rel=0.02)
    assert by_hour[17] + by_hour[18] == pytest.approx(2 * 1.8 * 1000, rel=0.04)
    assert by_hour[5] + by_hour[6] == pytest.approx(2 * 0.2 * 1000, rel=0.15)


def test_a_wave_of_full_depth_has_no_arrivals_at_its_trough():
    assert Wave(1.0, 14.0).factor(2 * 3600) == pytest.approx(0.0)
    assert Wave(1.0, 14.0).factor(14 * 3600) == pytest.approx(2.0)
    assert Wave().factor(12345) == 1.0


def test_standing_pods_exist_from_the_start():
    runs = Arrivals("a", 0.0, MINUTES_5, standing=3).pods(1, HOUR)
    assert [(run.created_ns, run.deleted_ns) for run in runs] == [(0, 300 * SECOND)] * 3


# --- deployments ---------------------------------------------------------------------------------------------------------------


def test_a_deployment_without_an_interval_is_never_rolled_out():
    runs = Deployment("web", 2, spread=()).pods(0, HOUR)
    assert runs == (PodRun("web-0-0", 0, None), PodRun("web-0-1", 0, None))


def test_a_roll_out_with_a_surge_creates_pods_before_it_deletes_others():
    runs = Deployment("web", 3, 60, max_surge=2, ready_s=5).pods(0, 100 * SECOND)
    assert [(run.name, run.created_ns // SECOND, run.deleted_ns and run.deleted_ns // SECOND) for run in runs] == [
        ("web-0-0", 0, 65),
        ("web-0-1", 0, 65),
        ("web-0-2", 0, 70),
        ("web-1-0", 60, None),
        ("web-1-1", 60, None),
        ("web-1-2", 65, None),
    ]


def test_a_roll_out_without_a_surge_deletes_pods_before_it_creates_others():
    runs = Deployment("web", 3, 60, max_surge=0, max_unavailable=1, ready_s=5).pods(0, 100 * SECOND)
    assert [(run.created_ns // SECOND, run.deleted_ns and run.deleted_ns // SECOND) for run in runs] == [
        (0, 60),
        (0, 65),
        (0, 70),
        (60, None),
        (65, None),
        (70, None),
    ]


@given(st.integers(0, 12), st.integers(0, 15), st.integers(0, 15), st.integers(1, 40), st.integers(1, 100))
def test_a_roll_out_keeps_within_max_surge_and_max_unavailable(replicas, surge, unavailable, ready_s, interval_s):
    surge += not surge and not unavailable
    runs = Deployment("web", replicas, interval_s, surge, unavailable, ready_s).pods(0, 500 * SECOND)
    for time_ns in {0, *(run.created_ns for run in runs), *(run.deleted_ns for run in runs if run.deleted_ns)}:
        there = [run for run in runs if run.created_ns <= time_ns and (run.deleted_ns is None or run.deleted_ns > time_ns)]
        ready = [run for run in there if run.created_ns == 0 or run.created_ns + ready_s * SECOND <= time_ns]
        if time_ns < 500 * SECOND:
            assert len(there) <= replicas + surge
            assert len(ready) >= replicas - unavailable
    assert at(runs, 0) == replicas


def test_a_roll_out_that_takes_too_long_delays_the_next_one():
    runs = Deployment("web", 4, 10, max_surge=1, ready_s=5).pods(0, 60 * SECOND)
    assert sorted({int(run.name.split("-")[1]): run.created_ns // SECOND for run in reversed(runs)}.items()) == [
        (0, 0),
        (1, 10),
        (2, 30),
        (3, 50),
    ]


# --- cron jobs -----------------------------------------------------------------------------------------------------------------


def test_a_cron_job_bursts_at_each_interval():
    runs = CronJob("c", 600, 2, MINUTES_5, first_s=60).pods(0, HOUR)
    assert [run.created_ns // SECOND for run in runs] == [time for first in range(60, 3600, 600) for time in (first, first)]


def test_a_cron_job_does_not_run_at_the_end_of_the_simulation():
    assert len(CronJob("c", 1800, 1, MINUTES_5).pods(0, HOUR)) == 2
    assert len(CronJob("c", 1800, 1, MINUTES_5).pods(0, HOUR + 1)) == 3


# --- refusals ------------------------------------------------------------------------------------------------------------------

NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    "make",
    [
        *(lambda value=value: FixedLifetime(value) for value in (0, -1, NAN, INFINITY)),
        *(lambda value=value: ExponentialLifetime(value) for value in (0, -1, NAN, INFINITY)),
        lambda: LogNormalLifetime(0, 1),
        lambda: LogNormalLifetime(1, -0.1),
        lambda: LogNormalLifetime(1, 10.1),
        lambda: LogNormalLifetime.from_p90(0, 1),
        lambda: LogNormalLifetime.from_p90(2, 1.9),
        *(
            lambda values=values: EmpiricalLifetime(values)
            for values in ((), (1,), (2, 1), (-1, 1), (1, INFINITY), (NAN, 1), [*range(9), 0, 1])
        ),
        lambda: Wave(1.1),
        lambda: Wave(-0.1),
        lambda: Wave(0, 24.1),
        lambda: Arrivals("a", -1, MINUTES_5),
        lambda: Arrivals("a", NAN, MINUTES_5),
        lambda: Arrivals("a", INFINITY, MINUTES_5),
        lambda: Arrivals("a", 1, MINUTES_5, burst=0),
        lambda: Arrivals("a", 1, MINUTES_5, standing=-1),
        lambda: Deployment("a", -1),
        lambda: Deployment("a", 1, -1),
        lambda: Deployment("a", 1, max_surge=0),
        lambda: Deployment("a", 1, max_surge=-1),
        lambda: Deployment("a", 1, max_unavailable=-1),
        lambda: Deployment("a", 1, ready_s=0),
        lambda: CronJob("a", 0, 1, MINUTES_5),
        lambda: CronJob("a", 1e-10, 1, MINUTES_5),
        lambda: CronJob("a", 1, -1, MINUTES_5),
        lambda: CronJob("a", 1, 1, MINUTES_5, first_s=-1),
    ],
)
def test_invalid_values_are_refused(make):
    with pytest.raises(InvalidArgument):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: FixedLifetime("5"),
        lambda: FixedLifetime(seconds=True),
        lambda: Deployment("a", 1.0),
        lambda: Arrivals("a", 1, MINUTES_5, burst=True),
    ],
)
def test_values_of_a_wrong_type_are_refused(make):
    with pytest.raises(TypeError):
        make()


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda: FixedLifetime(0), "seconds of FixedLifetime must be from 1e-09 to 3.1536e+09, not 0"),
        (lambda: Wave(2), "amplitude of Wave must be from 0 to 1, not 2"),
        (lambda: Arrivals("a", -1, MINUTES_5), "per_hour of Arrivals must be from 0 to 1e+09, not -1"),
    ],
)
def test_a_refusal_says_what_is_accepted(make, wanted):
    with pytest.raises(InvalidArgument) as refused:
        make()
    assert str(refused.value) == wanted
