"""Consecutive calls to EC2: their times and their retries."""

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
    """A call that is refused `times` times, then returns the times of all its tries."""
    tries = []

    def call(now_ns):
        tries.append(now_ns)
        clock.elapsed_ns += takes_ns
        if len(tries) <= times:
            raise Ec2Error(code, "slow down", "Anything")
        return tries

    return call, tries


def test_a_call_starts_when_those_before_it_have_ended():
    clock = Clock()
    calls = Calls(clock, 100 * S, Scatter(0))
    call, _ = refusing(clock, 0)
    assert calls.do(call) == [100 * S]
    assert calls.now_ns == 101 * S
    calls.pause(2 * S)
    assert calls.now_ns == 103 * S


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "Throttling"])
def test_a_throttled_call_is_tried_ten_times(code):
    clock = Clock()
    call, tries = refusing(clock, 9, code)
    assert Calls(clock, 0, Scatter(1)).do(call) == tries
    assert len(tries) == 10
    waits = [later - earlier - S for earlier, later in itertools.pairwise(tries)]
    assert waits == clock.pauses
    assert all(0 <= wait <= min(2**number, 20) * S for number, wait in enumerate(waits))
    assert len(set(waits)) == 9


def test_a_call_that_is_throttled_every_time_is_refused():
    clock = Clock()
    call, tries = refusing(clock, 10)
    with pytest.raises(Ec2Error, match="RequestLimitExceeded"):
        Calls(clock, 0, Scatter(1)).do(call)
    assert len(tries) == 10


def test_a_refusal_other_than_throttling_is_final():
    clock = Clock()
    call, tries = refusing(clock, 1, "UnauthorizedOperation")
    with pytest.raises(Ec2Error, match="UnauthorizedOperation"):
        Calls(clock, 0, Scatter(1)).do(call)
    assert len(tries) == 1
    assert clock.pauses == []


def test_a_refusal_is_final_when_the_client_has_retried_already():
    clock = Clock(retries_throttling=True)
    call, tries = refusing(clock, 1)
    with pytest.raises(Ec2Error, match="RequestLimitExceeded"):
        Calls(clock, 0, Scatter(1)).do(call)
    assert len(tries) == 1


def test_insist_retries_any_refusal_unless_again_excludes_it():
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
def test_the_backoff_of_ipamd_doubles_up_to_a_minute_with_at_most_15_percent_jitter(backoff, first_ns):
    chance = Scatter(3)
    for number in range(backoff.try_count):
        plain_ns = min(first_ns << number, 60 * S)
        waits = {backoff.wait_ns(number, chance) for _ in range(200)}
        assert plain_ns <= min(waits) < max(waits) <= plain_ns * 115 // 100


def test_the_first_backoff_of_the_sdk_is_random_up_to_a_second():
    waits = [SDK_BACKOFF.wait_ns(0, Scatter(seed)) for seed in range(300)]
    assert min(waits) < S // 20
    assert S - S // 20 < max(waits) <= S


def test_equal_seeds_give_equal_backoffs():
    def waits(seed):
        clock = Clock()
        call, _ = refusing(clock, 5)
        Calls(clock, 0, Scatter(seed)).do(call)
        return clock.pauses

    assert waits(7) == waits(7) != waits(8)
