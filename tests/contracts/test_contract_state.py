"""The rules that go on after a breach, and those for an observer who sees only a part."""

import pytest

from vpcipam.contracts import (
    AssignReturned,
    ContractChecker,
    ContractEvent,
    ContractState,
    CountsReported,
    Crashed,
    EniDetached,
    EniLimits,
    Gap,
    PrimaryAddressReported,
    Promise,
    RangeAdded,
    RangeRemoved,
    Restarted,
    UnassignRefused,
    UnassignReturned,
    UnassignUndone,
    address_of,
)
from vpcipam.contracts import events as event_module

A, B = "10.0.0.1", "10.0.0.2"
V6 = "2001:db8::1"


def breaches(*events, **options):
    state = ContractState(**({"cooldown_ns": 30} | options))
    return [breach.promise for event in events for breach in state.take(event)]


@pytest.mark.parametrize(
    ("events", "promises"),
    [
        # it goes on: each breach is noted once
        ([AssignReturned(0, "a", A), AssignReturned(0, "b", A), AssignReturned(0, "c", A)], [Promise.ONE_HOLDER] * 2),
        ([AssignReturned(0, "a", A), AssignReturned(0, "b", A), AssignReturned(1, "b", A)], [Promise.ONE_HOLDER]),
        ([AssignReturned(0, "a", A), AssignReturned(0, "a", B), AssignReturned(0, "a", B)], [Promise.DURABILITY]),
        # which address comes back
        ([AssignReturned(0, "a", A), UnassignReturned(1, "a", A)], []),
        ([AssignReturned(0, "a", A), UnassignReturned(1, "a", B)], [Promise.DURABILITY]),
        ([AssignReturned(0, "a", A), UnassignReturned(1, "b", A)], [Promise.ONE_RELEASE]),
        ([AssignReturned(0, "a", A), UnassignReturned(1, "a", A), UnassignReturned(2, "a", A)], [Promise.ONE_RELEASE]),
        ([UnassignReturned(1, "a", A)], [Promise.ONE_RELEASE]),
        ([Gap(0), UnassignReturned(1, "a", A)], []),
        ([Gap(0), UnassignReturned(1, "a", A), UnassignReturned(2, "a", A)], [Promise.ONE_RELEASE]),
        ([Gap(0), UnassignReturned(1, "a", A), AssignReturned(2, "b", A)], [Promise.COOLDOWN]),
        # an unassign that was taken back
        ([AssignReturned(0, "a", A), UnassignReturned(1, "a", A), UnassignUndone(1, "a", A), UnassignReturned(2, "a", A)], []),
        ([AssignReturned(0, "a", A), UnassignUndone(1, "a", A)], []),
        ([AssignReturned(0, "a", A), UnassignReturned(1, "a"), UnassignUndone(1, "a", A), AssignReturned(2, "b", A)], [Promise.ONE_HOLDER]),
        # a sandbox that is unknown
        ([UnassignRefused(0, "a")], []),
        ([AssignReturned(0, "a", A), UnassignRefused(1, "a")], [Promise.DURABILITY]),
        ([AssignReturned(0, "a", A), Crashed(1), Restarted(2, {}, ("a",)), UnassignRefused(3, "a")], [Promise.DURABILITY]),
        (
            [AssignReturned(0, "a", A), Crashed(1), Restarted(2, {}, ("a",)), AssignReturned(40, "b", A), UnassignRefused(50, "a")],
            [Promise.ONE_HOLDER],
        ),
        ([Crashed(1), Restarted(2, {}, ("a",)), UnassignRefused(3, "a")], []),
        ([AssignReturned(0, "a", A), Crashed(1), Restarted(2, {}, ("a",)), Crashed(3), Restarted(4, {}), UnassignRefused(5, "a")], []),
        # primary addresses
        ([PrimaryAddressReported(0, "eni-0", A), AssignReturned(0, "a", A)], [Promise.OWN_RANGE]),
        ([PrimaryAddressReported(0, "eni-0", A), EniDetached(0, "eni-0"), AssignReturned(0, "a", A)], []),
        ([PrimaryAddressReported(0, "eni-1", A), EniDetached(0, "eni-0"), AssignReturned(0, "a", A)], [Promise.OWN_RANGE]),
        # gaps
        ([AssignReturned(0, "a", A), Gap(0), AssignReturned(0, "b", A)], []),
        ([RangeAdded(0, "eni-0", "10.0.0.0/31"), Gap(0), AssignReturned(0, "b", B)], []),
        ([Gap(0), RangeAdded(0, "eni-0", "10.0.0.0/31"), AssignReturned(0, "b", B)], []),
        (
            [Gap(0), Crashed(0), RangeAdded(0, "eni-0", "10.0.0.0/31"), Restarted(0, {}), AssignReturned(0, "b", B)],
            [Promise.OWN_RANGE],
        ),
        ([Gap(0), Crashed(0), Restarted(0, {"a": A}), AssignReturned(0, "b", A)], [Promise.ONE_HOLDER]),
        ([Gap(0), Crashed(0), Restarted(0, {}), UnassignReturned(0, "a", A)], [Promise.ONE_RELEASE]),
        # all that a restart loses is noted
        ([AssignReturned(0, "a", A), AssignReturned(0, "b", B), Crashed(1), Restarted(2, {})], [Promise.DURABILITY] * 2),
        ([AssignReturned(0, "a", A), Crashed(1), Restarted(2, {"a": B}), AssignReturned(3, "a", B)], [Promise.DURABILITY]),
        # counts
        ([CountsReported(0, 3, 3)], []),
        ([CountsReported(0, 4, 3)], [Promise.COUNTS]),
        ([CountsReported(0, 2, 3, 1)], []),
        ([CountsReported(0, 2, 3, 2)], [Promise.COUNTS]),
        ([CountsReported(0, 7), CountsReported(0, 7)], []),
        ([CountsReported(0, 7), CountsReported(0, 8)], [Promise.COUNTS]),
        ([CountsReported(0, 7), CountsReported(0, 8, is_exact=False), CountsReported(0, 7)], []),
        ([CountsReported(0, 7), AssignReturned(0, "a", A), CountsReported(0, 8), UnassignReturned(1, "a"), CountsReported(0, 7)], []),
        ([CountsReported(0, 7), AssignReturned(0, "a", A), CountsReported(0, 7)], [Promise.COUNTS]),
        ([CountsReported(0, 7), Crashed(1), Restarted(2, {}), CountsReported(2, 0)], []),
        ([CountsReported(0, 7), Gap(1), CountsReported(2, 0)], []),
        ([Gap(0), CountsReported(0, 7), EniDetached(1, "eni-0"), CountsReported(2, 0)], []),
        ([CountsReported(0, 7), EniDetached(1, "eni-0"), CountsReported(2, 0)], [Promise.COUNTS]),
        ([Gap(0), CountsReported(0, 7), UnassignReturned(1, "a", A), CountsReported(2, 6)], []),
    ],
)
def test_the_rules_for_what_an_observer_sees(events, promises):
    assert breaches(*events) == promises


def test_times_that_are_rounded_down_get_some_slack():
    early = [AssignReturned(0, "a", A), UnassignReturned(0, "a"), AssignReturned(29, "b", A)]
    assert breaches(*early) == [Promise.COOLDOWN]
    assert breaches(*early, slack_ns=1) == []


def test_a_reported_cooldown_replaces_the_usual_one():
    state = ContractState(cooldown_ns=30)
    state.take(AssignReturned(0, "a", A))
    state.cool(address_of(A), 5)
    state.take(UnassignReturned(0, "a"))
    state.cool(address_of(A), 5)
    assert state.take(AssignReturned(6, "b", A)) == ()


def test_addresses_that_have_cooled_can_be_forgotten():
    state = ContractState(cooldown_ns=30)
    for at_ns, key, address in ((0, "a", A), (10, "b", B)):
        state.take(AssignReturned(at_ns, key, address))
        state.take(UnassignReturned(at_ns, key))
    assert state.cooling_count == 2
    state.forget_cooled(30)
    assert state.cooling_count == 1
    assert [breach.promise for breach in state.take(AssignReturned(31, "c", B))] == [Promise.COOLDOWN]


def test_addresses_of_both_versions_are_kept_apart():
    small = "::a00:1"
    assert breaches(AssignReturned(0, "a", A), AssignReturned(0, "b", small)) == []
    assert breaches(AssignReturned(0, "a", V6), AssignReturned(0, "b", V6)) == [Promise.ONE_HOLDER]
    ranges = [RangeAdded(0, "eni-0", "2001:db8::/80"), AssignReturned(0, "a", V6)]
    assert breaches(*ranges) == []
    gone = [*ranges, UnassignReturned(0, "a"), RangeRemoved(0, "2001:db8::/80"), AssignReturned(1, "b", V6)]
    assert breaches(*gone) == [Promise.OWN_RANGE]


def test_the_holder_of_an_address_is_known():
    state = ContractState(cooldown_ns=30)
    state.take(AssignReturned(0, "a", A))
    assert state.holder_of(address_of(A)) == "a"
    assert state.holder_of(address_of(B)) is None


def test_a_caller_can_ask_whether_counts_are_as_expected():
    state = ContractState(cooldown_ns=30)
    assert state.expects_counts(3, 3, 0, is_exact=False)
    assert not state.expects_counts(3, 3, 1, is_exact=False)
    assert not state.expects_counts(3, None, 0, is_exact=True)
    state.take(CountsReported(0, 3))
    assert state.expects_counts(3, None, 0, is_exact=True)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (UnassignUndone(0, "a", A), "a keeps 10.0.0.1"),
        (UnassignRefused(0, "a"), "a is unknown to the allocator"),
        (PrimaryAddressReported(0, "eni-0", A), "10.0.0.1 is the primary address of eni-0"),
        (CountsReported(0, 3), "3 addresses assigned"),
        (CountsReported(0, 3, 9, 2), "3 of 9 addresses assigned, 2 cooling"),
        (Gap(0), "events are missing"),
    ],
)
def test_an_event_is_a_line_for_people(event, text):
    assert str(event) == text


def test_a_checker_tells_the_story_of_a_refused_unassign():
    checker = ContractChecker(cooldown_ns=30, limits=EniLimits((1,), 1))
    for event in (AssignReturned(0, "a", A), AssignReturned(0, "b", B), UnassignRefused(1, "a")):
        violation = checker.observe(event)
    assert [str(event) for event in violation.events] == ["a got 10.0.0.1", "a is unknown to the allocator"]


def test_every_event_is_listed_and_has_its_rules():
    defined = {each for each in vars(event_module).values() if isinstance(each, type) and issubclass(each, ContractEvent)}
    assert {*event_module.EVENT_CLASSES} == defined - {ContractEvent}
    assert {*event_module.EVENT_CLASSES} == {*ContractState._HANDLERS}
