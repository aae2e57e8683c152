import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vpcipam._units import NS_PER_S
from vpcipam.ec2.throttle import ACTION_BUCKETS, BucketLevel, BucketLevels, Throttle, TokenBucket
from vpcipam.errors import InvalidArgument

MS = 1_000_000


def admitted(levels, action, now_ns, tries, **kind):
    return sum(levels.admit(action, now_ns, **kind) for _ in range(tries))


# --- one bucket ----------------------------------------------------------------------------------------------------------


def test_a_bucket_starts_full():
    level = BucketLevel(TokenBucket(3, 5))
    assert level.tokens(0) == level.tokens(10**30) == level.tokens(-5) == 3


def test_a_bucket_refills_evenly():
    level = BucketLevel(TokenBucket(3, 5))
    for _ in range(3):
        level.take(0)
    assert [level.tokens(now_ns) for now_ns in (0, 200 * MS - 1, 200 * MS, 400 * MS - 1, 400 * MS, 600 * MS, 10**18)] == [
        0,
        0,
        1,
        1,
        2,
        3,
        3,
    ]


def test_a_rate_below_one_a_second_is_exact():
    level = BucketLevel(TokenBucket(1, 1, 10 * NS_PER_S))
    level.take(7)
    assert level.tokens(10 * NS_PER_S + 6) == 0
    assert level.tokens(10 * NS_PER_S + 7) == 1


def test_a_time_that_steps_back_refills_nothing():
    level = BucketLevel(TokenBucket(2, 1))
    level.take(10 * NS_PER_S)
    level.take(5 * NS_PER_S)
    assert level.tokens(10 * NS_PER_S) == 0
    assert level.tokens(11 * NS_PER_S - 1) == 0
    assert level.tokens(11 * NS_PER_S) == 1


def test_reading_the_tokens_changes_nothing():
    level = BucketLevel(TokenBucket(2, 3))
    level.take(0)
    level.take(0)
    # A third of a second is not a whole number of nanoseconds: asking at each of these must lose no part of a token.
    looks = [level.tokens(now_ns) for now_ns in range(0, NS_PER_S, 111_111_111)]
    assert looks == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert level.tokens(0) == 0


@pytest.mark.parametrize("field", ["capacity", "refill_count", "refill_period_ns"])
def test_a_bucket_without_size_or_rate_is_refused(field):
    bucket = {"capacity": 1, "refill_count": 1, "refill_period_ns": 1}
    with pytest.raises(InvalidArgument, match=f"{field} of a TokenBucket must be 1 or more"):
        TokenBucket(**{**bucket, field: 0})
    with pytest.raises(TypeError, match=f"{field} of a TokenBucket must be an int"):
        TokenBucket(**{**bucket, field: 0.5})


@given(
    st.builds(TokenBucket, st.integers(1, 4), st.integers(1, 4), st.integers(1, 20)),
    st.lists(st.integers(-5, 40), max_size=60),
)
@example(TokenBucket(1, 3, 7), [0, 0, 3, 2, 5])
def test_no_more_calls_are_admitted_than_tokens_were_available(bucket, times):
    level = BucketLevel(bucket)
    latest, log = None, []  # for each call: the latest time of a call that was let in, before and with it; whether it was let in
    for now_ns in times:
        before, taken = latest, level.tokens(now_ns) > 0
        if taken:
            level.take(now_ns)
            latest = now_ns if latest is None else max(latest, now_ns)
        log.append((now_ns if before is None else max(before, now_ns), taken))
    for first in range(len(log)):
        begin_ns = min(latest_ns for latest_ns, _ in log[first:])
        for last in range(first, len(log)):
            end_ns = max(latest_ns for latest_ns, _ in log[: last + 1])
            count = sum(taken for _, taken in log[first : last + 1])
            assert count <= bucket.capacity + (end_ns - begin_ns) * bucket.refill_count / bucket.refill_period_ns


@given(
    st.builds(TokenBucket, st.integers(1, 4), st.integers(1, 4), st.integers(1, 20)),
    st.lists(st.integers(0, 12), max_size=60),
)
def test_calls_that_keep_to_the_rate_are_never_refused(bucket, pauses):
    level, now_ns = BucketLevel(bucket), 0
    for pause in pauses:
        now_ns += -(-bucket.refill_period_ns // bucket.refill_count) + pause
        assert level.tokens(now_ns) >= 1
        level.take(now_ns)


# --- all buckets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "filtered", "burst", "per_second"),
    [
        ("DescribeSubnets", False, 100, 20),
        ("DescribeSubnets", True, 100, 20),
        ("GetSubnetCidrReservations", True, 100, 20),
        ("DescribeNetworkInterfaces", True, 100, 20),
        ("DescribeNetworkInterfaces", False, 50, 10),
        ("DescribeInstances", False, 50, 10),
        ("AttachNetworkInterface", True, 50, 5),
        ("DetachNetworkInterface", True, 50, 5),
        ("CreateNetworkInterface", True, 100, 5),
        ("AssignPrivateIpAddresses", True, 100, 5),
        ("CreateSubnetCidrReservation", True, 5, 1),
        ("RunInstances", True, 5, 2),
    ],
)
def test_the_default_buckets_are_those_that_aws_documents(action, filtered, burst, per_second):
    levels = BucketLevels(Throttle())
    assert levels.tokens(action, 0, filtered=filtered) == burst
    assert admitted(levels, action, 0, burst + 7, filtered=filtered) == burst
    assert admitted(levels, action, NS_PER_S, burst, filtered=filtered) == per_second
    assert levels.throttled_counts == {action: 7 + burst - per_second}


def test_each_action_has_its_own_bucket():
    levels = BucketLevels(Throttle())
    assert admitted(levels, "AttachNetworkInterface", 0, 99) == 50
    assert levels.tokens("DetachNetworkInterface", 0) == 50


def test_calls_with_and_without_a_filter_draw_from_two_buckets():
    levels = BucketLevels(Throttle())
    assert admitted(levels, "DescribeInstances", 0, 99, filtered=False) == 50
    assert levels.tokens("DescribeInstances", 0) == 100


def test_an_action_with_its_own_size_has_one_bucket():
    levels = BucketLevels(Throttle(actions={"DescribeInstances": TokenBucket(3, 1)}))
    assert levels.admit("DescribeInstances", 0, filtered=False)
    assert levels.admit("DescribeInstances", 0, filtered=True)
    assert levels.tokens("DescribeInstances", 0, filtered=False) == levels.tokens("DescribeInstances", 0, filtered=True) == 1


def test_all_actions_draw_from_a_shared_bucket():
    levels = BucketLevels(Throttle(shared=TokenBucket(5, 5)))
    assert admitted(levels, "CreateNetworkInterface", 0, 3) == 3
    assert admitted(levels, "DescribeSubnets", 0, 3) == 2
    assert levels.tokens("AttachNetworkInterface", 0) == 0
    assert levels.tokens("AttachNetworkInterface", 200 * MS) == 1


def test_a_refused_call_takes_no_token_anywhere():
    levels = BucketLevels(Throttle(mutating=TokenBucket(1, 1), shared=TokenBucket(10, 1)))
    assert admitted(levels, "AttachNetworkInterface", 0, 9) == 1
    assert levels.tokens("DescribeSubnets", 0) == 9


def test_a_call_that_the_shared_bucket_refuses_takes_no_token_of_its_own():
    levels = BucketLevels(Throttle(mutating=TokenBucket(2, 1, 1000 * NS_PER_S), shared=TokenBucket(1, 1)))
    assert admitted(levels, "AttachNetworkInterface", 0, 9) == 1
    assert admitted(levels, "AttachNetworkInterface", NS_PER_S, 9) == 1


def test_sizes_are_values():
    changed = attrs.evolve(Throttle(), actions={**ACTION_BUCKETS, "CreateNetworkInterface": TokenBucket(1, 1)})
    assert changed != Throttle()
    assert hash(changed) == hash(attrs.evolve(changed, actions=reversed(changed.actions)))
    assert changed.bucket("CreateNetworkInterface") == TokenBucket(1, 1)
    assert changed.bucket("DeleteNetworkInterface") == TokenBucket(100, 5)


def test_an_unknown_action_is_refused():
    with pytest.raises(InvalidArgument, match="an action of a Throttle must be written as EC2 does"):
        Throttle(actions={"create_network_interface": TokenBucket(1, 1)})
    with pytest.raises(InvalidArgument, match="action must be written as EC2 does"):
        BucketLevels(Throttle()).tokens("create_network_interface", 0)
