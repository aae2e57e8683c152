"""The scheduler, the calendar and what the loop keeps, on both twins."""

import importlib
import runpy
from pathlib import Path
from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from vpcipam.fleet.calendar import Calendar
from vpcipam.pool import USING_EXTENSION

MODULES = ["vpcipam.fleet._turnover_py", *(["vpcipam.fleet._turnover"] if USING_EXTENSION else [])]


@pytest.fixture(scope="module", params=MODULES)
def turnover(request):
    """The module of one twin."""
    return importlib.import_module(request.param)


def group(max_pods, room):
    return SimpleNamespace(kubelet_max_pods=max_pods, pods_per_node=room)


def member(turnover, number, max_pods, room):
    datastore = SimpleNamespace(assign=None, unassign=None)
    return turnover.Member(number, f"n{number}", group(max_pods, room), SimpleNamespace(datastores=(datastore,)))


KINDS = [(4, 2), (17, 15), (110, 108), (3, 3), (2, 0)]


@given(
    most_allocated=st.booleans(),
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6),
    steps=st.lists(st.tuples(st.sampled_from(["take", "take", "take", "release", "remove"]), st.integers(0, 5)), max_size=80),
)
def test_pods_go_to_the_emptiest_node_or_the_fullest_with_room(turnover, most_allocated, kinds, steps):
    scheduler = turnover.Scheduler([group(*kind) for kind in kinds], most_allocated=most_allocated, seed=1)
    members = [member(turnover, number, *kind) for number, kind in enumerate(kinds)]
    for each in members:
        scheduler.add(each)
    for step, place in steps:
        each = members[place % len(members)]
        scores = {m.number: (m.pod_count + m.group.kubelet_max_pods - m.group.pods_per_node) / m.group.kubelet_max_pods for m in members}
        with_room = [m.number for m in members if m.pod_count < m.room]
        assert scheduler.has_room == bool(with_room)
        if step == "take":
            taken = scheduler.take()
            if not with_room:
                assert taken is None
            else:
                best = (max if most_allocated else min)(scores[number] for number in with_room)
                assert taken.number in with_room
                assert scores[taken.number] == best
        elif step == "release" and each.pod_count:
            scheduler.move(each, each.pod_count - 1)
        elif step == "remove":
            scheduler.remove(each)
        scheduler._check()


def test_of_equals_one_is_taken_at_random_by_seed(turnover):
    def order(seed):
        scheduler = turnover.Scheduler([group(17, 15)], most_allocated=False, seed=seed)
        for number in range(8):
            scheduler.add(member(turnover, number, 17, 15))
        return [scheduler.take().number for _ in range(40)]

    assert order(1) == order(1) != order(2)
    assert {order(1).count(number) for number in range(8)} == {5}


def test_the_twins_choose_alike():
    def order(name):
        twin = importlib.import_module(name)
        scheduler = twin.Scheduler([group(110, 108)], most_allocated=False, seed=7)
        for number in range(9):
            scheduler.add(member(twin, number, 110, 108))
        return [scheduler.take().number for _ in range(972)], scheduler.take()

    first, *others = map(order, MODULES)
    assert first[1] is None
    assert all(other == first for other in others)


@given(
    width=st.integers(1, 7),
    until=st.integers(1, 40),
    known=st.lists(st.integers(0, 39), max_size=10).map(sorted),
    pushed=st.lists(st.tuples(st.integers(0, 45), st.integers(0, 4), st.integers(0, 9)), max_size=20),
    later=st.lists(st.tuples(st.integers(1, 20), st.integers(0, 4)), max_size=10),
)
def test_a_calendar_gives_every_event_once_and_in_order(width, until, known, pushed, later):
    calendar = Calendar(width)
    for event in pushed:
        calendar.push(*event)
    expected = [*pushed, *((time, 9, number) for number, time in enumerate(known))]
    met = []
    waiting = list(later)
    for page in calendar.windows(until, known, 9):
        for event in page:
            met.append(event)
            if waiting:  # something comes of it, in this window or a later one
                delay, kind = waiting.pop()
                calendar.push(event[0] + delay, kind, 100 + len(waiting))
                expected.append((event[0] + delay, kind, 100 + len(waiting)))
    assert met == sorted(event for event in expected if event[0] < until)


def test_the_loop_is_of_the_twin_that_the_pools_are_of(monkeypatch):
    path = Path(importlib.import_module("vpcipam.fleet.turnover").__file__)
    for using, name in ((False, MODULES[0]), (True, "vpcipam.fleet._turnover")):
        monkeypatch.setattr("vpcipam.pool.USING_EXTENSION", using)
        twin = importlib.import_module(name)
        assert runpy.run_path(str(path))["Member"] is twin.Member
