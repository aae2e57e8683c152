"""Waits, levels and calls, compared with counts by hand and by naive code."""

import math
from fractions import Fraction

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import example, given
from recordings import MINUTE, S, levels, recorded, result_of, subnet

from vpcipam.fleet.metrics import Recorder
from vpcipam.fleet.samples import FleetSample
from vpcipam.fleet.subnet_peaks import SubnetPeaks
from vpcipam.fleet.summary import CallSummary, SubnetSummary, Waits, mean, rounded, worst_minute

late = st.lists(st.integers(1, 50), max_size=30)


# --- waits ---------------------------------------------------------------------------------------------------------------


@given(late, st.integers(0, 200), st.integers(0, 5))
@example([7], 99, 0)
@example([7], 98, 0)
@example([], 0, 0)
@example([], 99, 1)
@example([], 98, 2)
@example([], 0, 1)
@example(list(range(1, 101)), 0, 0)
def test_percentiles_are_by_nearest_rank_over_all_pods_and_an_unended_wait_is_the_longest(waits, at_once, unended_count):
    everyone = [*sorted([0] * at_once + waits), *[None] * unended_count]
    found = Waits.of(len(everyone), waits, unended_count)
    assert (found.count, found.late_count, found.unended_count) == (len(everyone), len(waits) + unended_count, unended_count)
    assert found.max_ns == max(waits, default=0)
    for per_cent, answer in ((50, found.p50_ns), (90, found.p90_ns), (99, found.p99_ns)):
        rank = math.ceil(Fraction(per_cent * len(everyone), 100))
        assert answer == (everyone[rank - 1] if rank else 0)


def test_one_late_pod_in_a_hundred_is_beyond_the_99th_percentile_and_two_are_not():
    assert Waits.of(100, [9]).p99_ns == 0
    assert Waits.of(100, [9, 8]).p99_ns == 8
    assert Waits.of(100, [9, 8]).max_ns == 9
    assert Waits.of(1, [5]) == Waits(count=1, late_count=1, p50_ns=5, p90_ns=5, p99_ns=5, max_ns=5)


# --- levels --------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 10**20), st.integers(1, 10**20), st.sampled_from([0, 1, 2]))
@example(1, 20, 1)
@example(1, 200, 2)
def test_rounding_is_exact_and_halves_go_up(dividend, divisor, digits):
    exact = Fraction(dividend, divisor) * 10**digits
    assert rounded(dividend, divisor, digits) == math.floor(exact + Fraction(1, 2)) / 10**digits


def test_a_mean_weighs_each_value_by_its_duration():
    assert mean([0, 60, 90], [10, 40, 999]) == 20.0
    assert mean([5], [7]) == 7.0
    assert mean([0, 3], [0, 100]) == 0.0
    assert mean([0, 1, 3], [0, 1, 9]) == 0.7  # 2/3


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1))
def test_a_mean_equals_the_mean_over_every_nanosecond(steps):
    times, values, each = [0], [], []
    for length, value in steps:
        times.append(times[-1] + length)
        values.append(value)
        each += [value] * length
    assert mean(times, [*values, 77]) == rounded(sum(each), len(each), 1)


# --- calls ---------------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(0, 9)), max_size=20))
@example([(60, 3), (30, 3)])
@example([(59, 3), (1, 3)])
@example([(61, 3)])
@example([(60, 3), (60, 9)])
def test_the_worst_minute_is_the_highest_rate_over_spans_of_a_minute_or_more(steps):
    times, counts = [0], [1000]
    for length_s, count in steps:
        times.append(times[-1] + length_s * S)
        counts.append(count)
    best = (0.0, 0)
    for end in range(1, len(times)):
        begins = [begin for begin in range(end) if times[end] - times[begin] >= MINUTE]
        begin = max(begins, default=0)
        rate = rounded(sum(counts[begin + 1 : end + 1]) * MINUTE, max(times[end] - times[begin], MINUTE), 1)
        if rate > best[0]:
            best = rate, times[end]
    assert worst_minute(times, counts) == best


def test_a_short_last_interval_is_not_extrapolated_to_a_minute():
    assert worst_minute([0, MINUTE, MINUTE + S], [0, 6, 2]) == (7.9, MINUTE + S)
    assert worst_minute([0, S], [0, 2]) == (2.0, S)


def test_calls_at_the_start_count_only_in_the_total():
    assert CallSummary.of([0, MINUTE, 3 * MINUTE], [90, 6, 6], 1) == CallSummary(102, 90, 4.0, 6.0, MINUTE, 1)
    assert CallSummary.of([0], [4], 0) == CallSummary(4, 4, 0.0, 0.0, 0, 0)


@given(start=st.integers(0, 10**18), counts=st.lists(st.integers(0, 90), min_size=1, max_size=5))
def test_rates_of_calls_don_t_depend_on_when_the_run_began(start, counts):
    def rates(begin_ns):
        found = CallSummary.of([begin_ns + number * 3 * MINUTE for number in range(len(counts))], counts, 0)
        return attrs.evolve(found, worst_minute_ns=0)

    assert rates(start) == rates(0)


# --- subnets -------------------------------------------------------------------------------------------------------------


def peaks_of(*samples):
    """Find the extremes of a subnet that looks like `samples` at 0, 1, 2 … ns."""
    peaks = SubnetPeaks()
    for time_ns, sample in enumerate(samples):
        peaks.record(time_ns, "a", levels(sample))
    return peaks


def test_a_subnet_is_summed_up_by_its_worst_moments_the_first_if_several_are_equal():
    peaks = peaks_of(
        subnet(10, 90, free_prefixes=5, stranded=0),
        subnet(60, 40, free_prefixes=0, stranded=30, reserved=20),
        subnet(55, 40, free_prefixes=0, stranded=30, reserved=5),
    )
    assert peaks.summary("a", 128) == SubnetSummary(
        size=128,
        taken_peak=60,
        taken_peak_ns=1,
        free_least=40,
        free_least_ns=1,
        free_prefixes_least=0,
        free_prefixes_least_ns=1,
        untaken_at_fewest_prefixes=60,
        stranded_peak=30,
        stranded_peak_ns=1,
        stranded_per_cent=50,
    )
    peaks.restart(9)
    assert (peaks.summary("a", 128).taken_peak, peaks.summary("a", 128).taken_peak_ns, peaks.taken_peak) == (55, 9, 55)


def test_a_full_subnet_strands_no_addresses():
    full = peaks_of(subnet(11, 0, free_prefixes=0)).summary("a", 16)
    assert (full.free_least, full.stranded_peak, full.stranded_per_cent) == (0, 0, 0)


# --- all of it -----------------------------------------------------------------------------------------------------------


def test_a_run_has_a_summary():
    recorder = recorded(
        ({"nodes": 1, "addresses_attached": 10, "enis": 2}, subnet(12), {"B": 4}),
        ({"nodes": 3, "addresses_attached": 20, "addresses_warm": 9, "prefixes": 2}, subnet(50), {"A": 6, "B": 1}, {"A": 2}),
        ({"nodes": 2, "pods_running": 5, "pods_waiting": 1, "pods_pending": 2, "pods_done": 3, "pods_refused": 4}, subnet(30)),
    )
    recorder.addresses(7, 25)
    recorder.addresses(8, 25)
    recorder.addresses(9, 24)
    recorder.for_node.ended_ns += [4]
    recorder.for_address.ended_ns += [5, 6]
    recorder.to_start.ended_ns += [9, 6]
    summary = result_of(recorder, 2 * MINUTE, 15).summary
    assert (summary.pods, summary.pods_running, summary.pods_waiting) == (15, 5, 1)
    assert (summary.pods_pending, summary.pods_done, summary.pods_refused, summary.pods_unserved) == (2, 3, 4, 7)
    assert (summary.nodes_peak, summary.nodes_mean) == (3, 2.0)
    assert (summary.addresses_peak, summary.addresses_peak_ns, summary.addresses_mean) == (25, 7, 15.0)
    assert (summary.addresses_warm_peak, summary.addresses_warm_mean) == (9, 4.5)
    assert (summary.enis_peak, summary.enis_mean, summary.prefixes_peak, summary.prefixes_mean) == (2, 1.0, 2, 1.0)
    assert summary.subnet_addresses_peak == 50
    assert (summary.for_node.late_count, summary.for_address.late_count, summary.to_start.max_ns) == (1, 2, 9)
    assert summary.calls == {"A": 6, "B": 5}
    assert list(summary.call_rates) == ["all", "A", "B"]
    assert summary.call_rates["all"] == CallSummary(11, 4, 3.5, 7.0, MINUTE, 2)
    assert (summary.call_rates["A"].throttled, summary.call_rates["B"].throttled) == (2, 0)
    assert summary.calls_worst_minute == 7.0
    assert summary.throttled == {"A": 2}
    assert summary.subnets["a"].taken_peak == 50


def test_the_subnets_peak_is_of_all_subnets_at_one_instant():
    recorder = Recorder({"a": 256, "b": 256})
    recorder.sample(FleetSample(0, *[0] * 12), {"a": subnet(), "b": subnet()}, {}, {})
    for time_ns, name, taken in ((0, "a", 9), (0, "b", 1), (1, "a", 1), (1, "b", 8)):
        recorder.subnet_peaks.record(time_ns, name, levels(subnet(taken)))
    assert result_of(recorder, 1).summary.subnet_addresses_peak == 10


@pytest.mark.parametrize("count", [1, 2])
def test_an_empty_run_has_a_summary(count):
    summary = result_of(recorded(*[({},)] * count), MINUTE).summary
    assert (summary.addresses_peak, summary.calls, summary.throttled, summary.calls_worst_minute) == (0, {}, {}, 0.0)
    assert summary.call_rates["all"].total == 0


def test_a_summary_without_zones_is_written_without_them():
    written = result_of(recorded(({},)), MINUTE).summary.to_dict()
    assert "pods_unserved" in written
    assert "zones" not in written
