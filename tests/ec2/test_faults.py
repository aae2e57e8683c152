import copy
import pickle
from collections import Counter

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.ec2.faults import NODE_ACTIONS, Crash, Effect, Fault, FaultInjector, Faults, TakenAddress
from vpcipam.errors import InvalidArgument

CALLS = [("AttachNetworkInterface", 10), ("CreateNetworkInterface", 20), ("InstanceMetadata", 20), ("AttachNetworkInterface", 30)]


def effects(faults, calls):
    run = FaultInjector(faults)
    return [None if (strike := run.next_call(*call)).fault is None else strike.fault.effect for call in calls]


# --- which calls are struck ----------------------------------------------------------------------------------------------


def test_without_faults_no_call_fails():
    run = FaultInjector(Faults())
    assert all(run.next_call(*call).fault is None for call in CALLS)
    assert run.injected_counts == {}


def test_a_numbered_fault_hits_the_nth_call_of_its_action_once():
    faults = Faults([Fault("refuse", "AttachNetworkInterface", nth=2)])
    assert effects(faults, CALLS * 2) == [None, None, None, "refuse"] + [None] * 4


def test_a_numbered_fault_without_action_counts_all_calls():
    assert effects(Faults([Fault("refuse", nth=2)]), CALLS) == [None, "refuse", None, None]


def test_a_rate_of_1_hits_always_and_of_0_never():
    assert effects(Faults([Fault("refuse", rate=1)]), CALLS) == ["refuse"] * 4
    assert effects(Faults([Fault("refuse")]), CALLS * 50) == [None] * 200


def test_a_rate_is_the_share_of_calls_hit():
    struck = effects(Faults([Fault("refuse", rate=0.1)], seed=4), CALLS * 2_500)
    assert 900 < struck.count("refuse") < 1_100


def test_a_fault_hits_from_one_time_until_another():
    fault = Fault("refuse", rate=1, from_ns=20, until_ns=30)
    assert effects(Faults([fault]), CALLS) == [None, "refuse", "refuse", None]


def test_faults_stop_at_their_common_end():
    assert effects(Faults([Fault("refuse", rate=1)], until_ns=20), CALLS) == ["refuse", None, None, None]


def test_the_first_fault_that_hits_decides():
    faults = [Fault("lose-answer", "AttachNetworkInterface", nth=1), Fault("refuse", rate=1)]
    assert effects(Faults(faults), CALLS) == ["lose-answer", "refuse", "refuse", "refuse"]


def test_an_address_can_be_taken_by_a_call_with_another_fault():
    run = FaultInjector(Faults([Fault("take-address", nth=2), Fault("refuse", rate=1)]))
    strikes = [run.next_call(*call) for call in CALLS]
    assert [strike.removes_address for strike in strikes] == [False, True, False, False]
    assert all(strike.fault.effect is Effect.REFUSE for strike in strikes)
    assert run.injected_counts == {"refuse": 4, "take-address": 1}


@pytest.mark.parametrize("effect", ["hide-eni", "hide-addresses", "repeat-answer"])
def test_only_metadata_is_falsified(effect):
    assert effects(Faults([Fault(effect, rate=1)]), CALLS) == [None, None, effect, None]
    assert effects(Faults([Fault(effect, nth=1)]), CALLS) == [None, None, effect, None]
    with pytest.raises(InvalidArgument, match="applies to InstanceMetadata only, not to DescribeSubnets"):
        Fault(effect, "DescribeSubnets")


# --- chance --------------------------------------------------------------------------------------------------------------

rates = st.dictionaries(st.sampled_from(Effect), st.sampled_from([0, 0.25, 0.5, 1]))
calls = st.lists(st.tuples(st.sampled_from(NODE_ACTIONS), st.integers(0, 50)), max_size=40)


@given(st.integers(0, 2**64), rates, calls)
def test_equal_seeds_and_calls_give_equal_faults(seed, rates, calls):
    one, other = (FaultInjector(Faults.random(seed, rates)) for _ in range(2))
    assert [one.next_call(*call) for call in calls] == [other.next_call(*call) for call in calls]
    assert one.injected_counts == other.injected_counts


@given(st.integers(0, 2**64), rates, calls, st.integers(0, 50))
def test_an_end_does_not_change_the_faults_before_it(seed, rates, calls, until_ns):
    calls.sort(key=lambda call: call[1])
    lasting, ending = (FaultInjector(Faults.random(seed, rates, until_ns=end_ns)) for end_ns in (None, until_ns))
    for call in calls:
        strike, ended = lasting.next_call(*call), ending.next_call(*call)
        if call[1] < until_ns:
            assert strike == ended
        else:
            assert ended.fault is None
            assert not ended.removes_address


@given(st.integers(0, 2**64), rates, calls)
def test_an_appended_fault_does_not_change_the_others(seed, rates, calls):
    faults = Faults.random(seed, rates)
    more = attrs.evolve(faults, faults=(*faults.faults, Fault("crash-after", rate=0.5)))
    for one, other in zip(effects(faults, calls), effects(more, calls), strict=True):
        assert other == (one or other)


def test_two_seeds_hit_different_calls():
    assert effects(Faults.random(1, {"refuse": 0.5}), CALLS * 9) != effects(Faults.random(2, {"refuse": 0.5}), CALLS * 9)


def test_two_faults_of_one_kind_hit_independently():
    faults = Faults([Fault("refuse", rate=0.5), Fault("lose-answer", rate=0.5)])
    counts = Counter(effects(faults, CALLS * 100))
    assert 150 < counts["refuse"] < 250
    assert 60 < counts["lose-answer"] < 140


def test_random_faults_never_hit_setup_actions():
    run = FaultInjector(Faults.random(0, {"refuse": 1}))
    assert run.next_call("RunInstances", 0).fault is None
    assert run.next_call("AttachNetworkInterface", 0).fault is not None


# --- addresses taken at a time -------------------------------------------------------------------------------------------


def test_addresses_are_taken_once_in_order_of_time():
    late, early, never = (TakenAddress("eni-1", "10.0.0.9", at_ns) for at_ns in (30, 20, 99))
    run = FaultInjector(Faults(taken=[late, never, early]))
    assert [run.due_removals(now_ns) for now_ns in (19, 30, 40)] == [(), (early, late), ()]


# --- bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_outside_0_to_1_is_refused(rate):
    with pytest.raises(InvalidArgument, match="must be 0 to 1"):
        Fault("refuse", rate=rate)


def test_a_number_below_one_is_refused():
    with pytest.raises(InvalidArgument, match="nth of a Fault must be 1 or more"):
        Fault("refuse", nth=0)


@pytest.mark.parametrize("action", ["attach_network_interface", "attachNetworkInterface", ""])
def test_an_unknown_action_is_refused(action):
    with pytest.raises(InvalidArgument, match="action of a Fault must be written as EC2 does"):
        Fault("refuse", action)


def test_a_number_together_with_a_rate_is_refused():
    with pytest.raises(InvalidArgument, match="not both"):
        Fault("refuse", nth=1, rate=0.5)


def test_an_unknown_effect_is_refused():
    with pytest.raises(InvalidArgument, match="'explode'; it must be one of refuse, lose-answer"):
        Fault("explode")


@pytest.mark.parametrize(("took_effect", "words"), [(True, "after"), (False, "before")])
def test_a_crash_names_its_action_and_is_no_exception(took_effect, words):
    crash = Crash("AttachNetworkInterface", took_effect=took_effect)
    assert words in str(crash)
    assert not isinstance(crash, Exception)
    for copied in (pickle.loads(pickle.dumps(crash)), copy.copy(crash)):  # noqa: S301  # our own bytes
        assert (str(copied), copied.action, copied.took_effect) == (str(crash), "AttachNetworkInterface", took_effect)
