import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.ec2.latency import TYPICAL_LATENCIES, Latencies, Latency, Stopwatch
from vpcipam.errors import InvalidArgument

TAIL = Latency.quantiles(100, p50=300, p90=600, p99=2_000, highest=5_000)


def durations(latencies, action, seed, count):
    stopwatch, taken = Stopwatch(latencies, seed), []
    for _ in range(count):
        before = stopwatch.elapsed_ns
        stopwatch.add(action)
        taken.append(stopwatch.elapsed_ns - before)
    return taken


def test_a_fixed_latency_is_always_the_same():
    assert {Latency.fixed(7).at(millionth) for millionth in (0, 1, 500_000, 1_000_000)} == {7}


def test_quantiles_are_met_exactly():
    assert [TAIL.at(per_mille * 1000) for per_mille in (0, 500, 900, 990, 1000)] == [100, 300, 600, 2_000, 5_000]
    assert [TAIL.at(per_mille * 1000) for per_mille in (250, 700, 945, 995)] == [200, 450, 1_300, 3_500]


@given(st.lists(st.integers(0, 10**12), min_size=2, max_size=2).map(sorted), st.integers(0, 999_999))
def test_a_latency_rises_and_stays_within_its_ends(ends, millionth):
    latency = Latency.uniform(*ends)
    assert ends[0] <= latency.at(millionth) <= latency.at(millionth + 1) <= ends[1]


@pytest.mark.parametrize("millionth", [1_000_001, 2**70])
def test_a_quantile_outside_0_to_1_is_refused(millionth):
    with pytest.raises(InvalidArgument, match="it must be 0 to 1000000"):
        TAIL.at(millionth)


@pytest.mark.parametrize(
    "points",
    [
        (),
        ((0, 1),),
        ((1000, 1),),
        ((0, 1), (500, 1)),
        ((500, 1), (1000, 1)),
        ((0, 2), (1000, 1)),
        ((0, 1), (500, 3), (1000, 2)),
        ((0, 1), (500, 3), (500, 3), (1000, 4)),
        ((0, -1), (1000, 1)),
        ((-1, 0), (0, 0), (1000, 1)),
    ],
)
def test_invalid_points_of_a_distribution_are_refused(points):
    with pytest.raises(InvalidArgument):
        Latency(points)


def test_points_can_be_given_in_any_order():
    assert Latency(((1000, 9), (0, 1))) == Latency.uniform(1, 9)


def test_a_sequence_follows_its_distribution():
    taken = sorted(durations(Latencies(mutating=TAIL), "AttachNetworkInterface", 3, 2_000))
    assert 100 <= taken[0] < 110
    assert 280 < taken[1_000] < 320
    assert 560 < taken[1_800] < 640
    assert taken[-1] <= 5_000


def test_latencies_depend_on_the_seed():
    assert durations(TYPICAL_LATENCIES, "AttachNetworkInterface", 5, 20) == durations(TYPICAL_LATENCIES, "AttachNetworkInterface", 5, 20)
    assert durations(TYPICAL_LATENCIES, "AttachNetworkInterface", 5, 20) != durations(TYPICAL_LATENCIES, "AttachNetworkInterface", 6, 20)


def test_the_latencies_of_an_action_do_not_depend_on_other_calls():
    alone, mixed = Stopwatch(TYPICAL_LATENCIES, 1), Stopwatch(TYPICAL_LATENCIES, 1)
    alone.add("AttachNetworkInterface")
    for _ in range(5):
        mixed.add("DescribeSubnets")
        mixed.add("AttachNetworkInterface", throttled=True)
    before = mixed.elapsed_ns
    mixed.add("AttachNetworkInterface")
    assert mixed.elapsed_ns - before == alone.elapsed_ns


def test_two_actions_with_one_latency_draw_independently():
    latencies = Latencies(mutating=TAIL)
    assert durations(latencies, "AttachNetworkInterface", 1, 9) != durations(latencies, "DetachNetworkInterface", 1, 9)


@pytest.mark.parametrize(
    ("action", "duration"),
    [("AttachNetworkInterface", 1), ("DetachNetworkInterface", 2), ("DescribeSubnets", 3), ("InstanceMetadata", 4)],
)
def test_each_kind_of_call_has_its_latency(action, duration):
    fixed = {name: Latency.fixed(value) for name, value in (("mutating", 2), ("non_mutating", 3), ("metadata", 4), ("throttled", 5))}
    stopwatch = Stopwatch(Latencies({"AttachNetworkInterface": Latency.fixed(1)}, **fixed), 0)
    stopwatch.add(action)
    assert stopwatch.elapsed_ns == duration
    stopwatch.add(action, throttled=True)
    assert stopwatch.elapsed_ns == duration + 5


def test_by_default_a_call_takes_no_time():
    assert durations(Latencies(), "AttachNetworkInterface", 0, 3) == [0, 0, 0]


def test_an_unknown_action_is_refused():
    with pytest.raises(InvalidArgument, match="an action of Latencies must be written as EC2 does"):
        Latencies({"attach_network_interface": Latency.fixed(1)})
