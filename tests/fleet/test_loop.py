"""The scheduler and the inner part of the event loop, on both twins."""

import gc
import heapq
import importlib
import random
import runpy
from pathlib import Path
from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from vpcipam.datastore import Datastore
from vpcipam.fleet.ledger import NEVER_NS, Ledger
from vpcipam.fleet.workload import PodRun
from vpcipam.pool import USING_EXTENSION

MODULES = ["vpcipam.fleet._loop_py", *(["vpcipam.fleet._loop"] if USING_EXTENSION else [])]


@pytest.fixture(scope="module", params=MODULES)
def loop(request):
    """The module of one twin."""
    return importlib.import_module(request.param)


def group(max_pods, room):
    return SimpleNamespace(kubelet_max_pods=max_pods, pods_per_node=room)


def node(address_count=0, cooldown_ns=3):
    datastore = Datastore(cooldown_ns=cooldown_ns)
    datastore.add_eni("eni-1", device_number=0, now_ns=0)
    for address in range(address_count):
        datastore.add_cidr("eni-1", f"10.0.0.{address}/32")
    return SimpleNamespace(datastores=(datastore,))


def nodes(loop, kinds):
    """Nodes without an address."""
    return [loop.Member(number, f"n{number}", group(*kind), node()) for number, kind in enumerate(kinds)]


KINDS = [(4, 2), (17, 15), (110, 108), (3, 3), (2, 0)]


@given(
    most_allocated=st.booleans(),
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6),
    steps=st.lists(st.tuples(st.sampled_from(["take", "take", "take", "release", "remove"]), st.integers(0, 5)), max_size=80),
)
def test_pods_are_bound_to_the_emptiest_node_or_the_fullest_with_room(loop, most_allocated, kinds, steps):
    members = nodes(loop, kinds)
    scheduler = loop.Scheduler([group(*kind) for kind in kinds], most_allocated=most_allocated, seed=1)
    for each in members:
        scheduler.add(each)
    for step, place in steps:
        each = members[place % len(members)]
        scores = {m.number: (m.pod_count + m.group.kubelet_max_pods - m.group.pods_per_node) / m.group.kubelet_max_pods for m in members}
        with_room = [m.number for m in members if m.pod_count < m.room]
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


def test_among_equal_nodes_one_is_chosen_at_random_by_seed(loop):
    def order(seed):
        members = nodes(loop, [(17, 15)] * 8)
        scheduler = loop.Scheduler([group(17, 15)], most_allocated=False, seed=seed)
        for each in members:
            scheduler.add(each)
        return [scheduler.take().number for _ in range(40)]

    assert order(1) == order(1) != order(2)
    assert {order(1).count(number) for number in range(8)} == {5}


def test_each_choice_draws_one_random_number(loop):
    members = nodes(loop, [(17, 15)] * 8)
    scheduler = loop.Scheduler([group(17, 15)], most_allocated=False, seed=3)
    for each in members:
        scheduler.add(each)
    chance = random.Random(3)
    row = list(range(8))
    for _ in range(8):  # until each has one pod
        place = int(chance.random() * len(row))
        assert scheduler.take().number == row[place]
        row[place] = row[-1]
        row.pop()


def test_both_twins_choose_the_same_nodes():
    def order(name):
        twin = importlib.import_module(name)
        members = nodes(twin, [(110, 108)] * 40)
        scheduler = twin.Scheduler([group(110, 108)], most_allocated=False, seed=7)
        for each in reversed(members):  # nodes become ready in any order
            scheduler.add(each)
            scheduler._check()
        return [scheduler.take().number for _ in range(40 * 108)], scheduler.take()

    first, *others = map(order, MODULES)
    assert first[1] is None
    assert all(other == first for other in others)


class Handler:
    """A handler that records each call, and pushes events at some."""

    def __init__(self, ledger, member, later=()):
        self.ledger = ledger
        self.member = member
        self.events = [END]
        self.later = list(later)
        self.met = []
        self.told = []

    def handle(self, event):
        now_ns, kind, number = event
        self.met.append((now_ns, kind, number, self.ledger.arrived_count, self.ledger.deleted_count))
        if self.later:
            delay, kind = self.later.pop()
            heapq.heappush(self.events, (now_ns + delay, kind, 100 + len(self.later)))

    def __getattr__(self, name):
        return lambda *arguments: self.told.append((name, *(each for each in arguments if type(each) in {int, str})))


END = (NEVER_NS, 8, 0)


def world(loop, runs, *, room=20, address_count=20, later=()):
    """A ledger of these pods, a scheduler with one node, and a handler."""
    ledger = Ledger([PodRun(f"p-{number}", *run) for number, run in enumerate(runs)])
    member = loop.Member(0, "n0", group(20, room), node(address_count))
    scheduler = loop.Scheduler([group(20, room)], most_allocated=False, seed=1)
    scheduler.add(member)
    member.high = 20
    return ledger, scheduler, Handler(ledger, member, later)


LIVES = st.lists(st.tuples(st.integers(0, 30), st.none() | st.integers(1, 20)), max_size=20).map(
    lambda lives: [(created, None if life is None else created + life) for created, life in sorted(lives, key=lambda each: each[0])]
)


@given(
    runs=LIVES,
    pushed=st.lists(st.tuples(st.integers(0, 45), st.sampled_from([0, 1, 2, 3, 4, 6, 7]), st.integers(0, 9)), max_size=20),
    later=st.lists(st.tuples(st.integers(1, 20), st.sampled_from([0, 2, 3, 4, 6])), max_size=10),
    stops=st.lists(st.integers(1, 40), max_size=5).map(lambda stops: [*sorted(stops), 41]),
)
def test_pods_and_other_events_are_handled_in_order_before_the_end(loop, runs, pushed, later, stops):
    ledger, scheduler, handler = world(loop, runs, later=later)
    handler.events = sorted([*pushed, END])
    for end_ns in stops:
        loop.run_until(end_ns, handler.events, ledger, scheduler, handler)
        assert ledger.arrived_count == sum(created < end_ns for created, _ in runs)
        assert ledger.deleted_count == sum(deleted is not None and deleted < end_ns for _, deleted in runs)
        assert all(event[0] >= end_ns for event in handler.events)
        assert all(event[0] < end_ns for event in handler.met)
    assert [event[:2] for event in handler.met] == sorted(event[:2] for event in handler.met)
    assert {event[:3] for event in handler.met} >= {event for event in pushed if event[0] < 41}
    for now_ns, kind, _, arrived_count, deleted_count in handler.met:
        assert arrived_count == sum((created, loop.ARRIVE) < (now_ns, kind) for created, _ in runs)
        assert deleted_count == sum(deleted is not None and (deleted, loop.DELETE) < (now_ns, kind) for _, deleted in runs)


@given(runs=LIVES, end_ns=st.integers(0, 60))
def test_pods_that_have_arrived_and_are_not_deleted_hold_an_address(loop, runs, end_ns):
    ledger, scheduler, handler = world(loop, runs, address_count=200)
    loop.run_until(end_ns, handler.events, ledger, scheduler, handler)
    running = [number for number, (created, deleted) in enumerate(runs) if created < end_ns and (deleted is None or deleted >= end_ns)]
    datastore = handler.member.datastore
    assert {key.container_id for key, _ in datastore.assignments()} == {f"p-{number}" for number in running}
    assert [number for number, home in enumerate(ledger.homes) if home is handler.member] == running
    assert handler.member.pod_count == datastore.sandbox_count == len(running)
    datastore._check()
    scheduler._check()


def test_a_pod_without_an_address_waits_and_one_without_a_node_is_pending(loop):
    ledger, scheduler, handler = world(loop, [(1, None), (2, None), (3, None)], room=2, address_count=1)
    loop.run_until(10, handler.events, ledger, scheduler, handler)
    assert handler.told == [("wait_for_address", 1, 2), ("wait_for_node", 2, 3)]
    assert list(ledger.homes) == [handler.member, handler.member, None]


def test_a_deleted_pod_makes_room_for_one_that_arrives_at_the_same_time(loop):
    ledger, scheduler, handler = world(loop, [(1, 5), (5, None)], room=1)
    loop.run_until(6, handler.events, ledger, scheduler, handler)
    assert handler.told == [("after_deletion", 5)]
    assert list(ledger.homes) == [None, handler.member]


def test_each_deletion_on_a_node_with_waiting_pods_wakes_it(loop):
    ledger, scheduler, handler = world(loop, [(1, 10), (2, 12), (3, None), (11, None)], address_count=2)
    loop.run_until(5, handler.events, ledger, scheduler, handler)
    handler.member.waiting = {2: 3}
    loop.run_until(12, handler.events, ledger, scheduler, handler)
    assert handler.told == [("wait_for_address", 2, 3), ("after_deletion", 10), ("wake_at_next_tick", 10), ("wait_for_address", 3, 11)]
    loop.run_until(13, handler.events, ledger, scheduler, handler)
    assert handler.told[4:] == [("after_deletion", 12), ("wake_at_next_tick", 12)]


def test_a_pod_deleted_while_it_waits_never_had_an_address(loop):
    ledger, scheduler, handler = world(loop, [(1, None), (2, 10), (3, 11)], room=2, address_count=1)
    loop.run_until(5, handler.events, ledger, scheduler, handler)
    handler.member.waiting = {1: 2}
    loop.run_until(12, handler.events, ledger, scheduler, handler)
    assert handler.told == [("wait_for_address", 1, 2), ("wait_for_node", 2, 3), ("delete_unserved", 1, 10), ("delete_unserved", 2, 11)]


def test_a_pod_that_stays_is_never_deleted(loop):
    ledger, scheduler, handler = world(loop, [(1, NEVER_NS), (2, 3)])
    loop.run_until(NEVER_NS, handler.events, ledger, scheduler, handler)
    assert (ledger.deleted_count, list(ledger.homes)) == (1, [handler.member, None])


def test_the_loop_and_the_pools_are_of_the_same_twin(monkeypatch):
    path = Path(importlib.import_module("vpcipam.fleet.loop").__file__)
    for using, name in ((False, MODULES[0]), (True, "vpcipam.fleet._loop")):
        monkeypatch.setattr("vpcipam.pool.USING_EXTENSION", using)
        twin = importlib.import_module(name)
        assert runpy.run_path(str(path))["Member"] is twin.Member


@pytest.mark.parametrize("collects", [True, False])
def test_a_ledger_restores_the_state_of_the_garbage_collector(collects):
    before = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        Ledger([PodRun("a", 0, 1)])
        assert gc.isenabled() is collects
    finally:
        (gc.enable if before else gc.disable)()


def test_cooling_addresses_are_counted_until_their_cooldown_ends(loop):
    ledger, scheduler, handler = world(loop, [(1, 4), (2, 6), (3, None)])  # each cools for 3
    loop.run_until(7, handler.events, ledger, scheduler, handler)
    assert [loop.count_cooling([handler.member], now_ns) for now_ns in (6, 7, 8, 9)] == [2, 1, 1, 0]
    handler.member.gone = True
    assert loop.count_cooling([handler.member], 7) == 0
