"""Calls that wait for each other: what time it is, and which are tried again."""

import itertools

import pytest

from vpcipam._chance import Scatter
from vpcipam.ec2.api import Ec2Error
from vpcipam.node.calls import DELETE_BACKOFF, DETACH_BACKOFF, METADATA_BACKOFF, SDK_BACKOFF, Calls

S = 1_000_000_000


class Clock:
    """An EC2 that keeps time and does nothing else."""

    def __init__(self, *, retries_throttling=False):
        self.elapsed_ns = 5 * S
        self.retries_throttling = retries_throttling
        self.pauses = []

    def pause(self, duration_ns):
        self.pauses.append(duration_ns)
        self.elapsed_ns += duration_ns


def refusing(clock, times, code="RequestLimitExceeded", takes_ns=S):
    """A call that is refused so many times, then answers with the times of all its tries."""
    tries = []

    def call(now_ns):
        tries.append(now_ns)
        clock.elapsed_ns += takes_ns
        if len(tries) <= times:
            raise Ec2Error(code, "slow down", "Anything")
        return tries

    return call, tries


def test_a_call_is_made_at_the_time_that_those_before_it_have_left():
    clock = Clock()
    calls = Calls(clock, 100 * S, Scatter(0))
    call, _ = refusing(clock, 0)
    assert calls.do(call) == [100 * S]
    assert calls.now_ns == 101 * S
    calls.pause(2 * S)
    assert calls.now_ns == 103 * S


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "Throttling"])
def test_a_throttled_call_is_made_ten_times(code):
    clock = Clock()
    call, tries = refusing(clock, 9, code)
    assert Calls(clock, 0, Scatter(1)).do(call) == tries
    assert len(tries) == 10
    waits = [later - earlier - S for earlier, later in itertools.pairwise(tries)]
    assert waits == clock.pauses
    assert all(0 <= wait <= min(2**number, 20) * S for number, wait in enumerate(waits))
    assert len(set(waits)) == 9


def test_a_call_that_goes_on_to_be_throttled_is_refused():
    clock = Clock()
    call, tries = refusing(clock, 10)
    with pytest.raises(Ec2Error, match="RequestLimitExceeded"):
        Calls(clock, 0, Scatter(1)).do(call)
    assert len(tries) == 10


def test_another_refusal_is_final():
    clock = Clock()
    call, tries = refusing(clock, 1, "UnauthorizedOperation")
    with pytest.raises(Ec2Error, match="UnauthorizedOperation"):
        Calls(clock, 0, Scatter(1)).do(call)
    assert len(tries) == 1
    assert clock.pauses == []


def test_where_ec2s_client_has_tried_again_already_the_refusal_is_final():
    clock = Clock(retries_throttling=True)
    call, tries = refusing(clock, 1)
    with pytest.raises(Ec2Error, match="RequestLimitExceeded"):
        Calls(clock, 0, Scatter(1)).do(call)
    assert len(tries) == 1


def test_insisting_takes_any_refusal_for_worth_another_try_unless_told():
    clock = Clock()
    calls = Calls(clock, 0, Scatter(1))
    call, tries = refusing(clock, 11, "InvalidParameterValue")
    assert calls.insist(call, DELETE_BACKOFF) == tries
    call, tries = refusing(clock, 12, "InvalidParameterValue")
    with pytest.raises(Ec2Error):
        calls.insist(call, DELETE_BACKOFF)
    assert len(tries) == 12
    call, tries = refusing(clock, 2, "InvalidParameterValue")
    with pytest.raises(Ec2Error):
        calls.insist(call, DELETE_BACKOFF, again=lambda error: error.code != "InvalidParameterValue")
    assert len(tries) == 1


@pytest.mark.parametrize(
    ("backoff", "first_ns"), [(DETACH_BACKOFF, 200_000_000), (DELETE_BACKOFF, 500_000_000), (METADATA_BACKOFF, 100_000_000)]
)
def test_ipamds_waits_double_up_to_a_minute_and_chance_adds_fifteen_percent_at_most(backoff, first_ns):
    chance = Scatter(3)
    for number in range(backoff.try_count):
        plain_ns = min(first_ns << number, 60 * S)
        waits = {backoff.wait_ns(number, chance) for _ in range(200)}
        assert plain_ns <= min(waits) < max(waits) <= plain_ns * 115 // 100


def test_the_sdks_first_wait_is_anything_up_to_a_second():
    waits = [SDK_BACKOFF.wait_ns(0, Scatter(seed)) for seed in range(300)]
    assert min(waits) < S // 20
    assert S - S // 20 < max(waits) <= S


def test_equal_seeds_wait_equally():
    def waits(seed):
        clock = Clock()
        call, _ = refusing(clock, 5)
        Calls(clock, 0, Scatter(seed)).do(call)
        return clock.pauses

    assert waits(7) == waits(7) != waits(8)
