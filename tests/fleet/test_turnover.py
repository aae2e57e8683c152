"""The scheduler, and the loop with what it keeps, on both twins."""

import gc
import heapq
import importlib
import random
import runpy
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from vpcipam.datastore import Datastore
from vpcipam.errors import PoolExhausted
from vpcipam.fleet.workload import PodRun
from vpcipam.pool import USING_EXTENSION
from vpcipam.sandbox import SandboxKey

MODULES = ["vpcipam.fleet._turnover_py", *(["vpcipam.fleet._turnover"] if USING_EXTENSION else [])]


@pytest.fixture(scope="module", params=MODULES)
def turnover(request):
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


def nodes(turnover, kinds):
    """Nodes without an address, of a ledger without pods."""
    ledger = turnover.Ledger([])
    return [ledger.enter(f"n{number}", group(*kind), node()) for number, kind in enumerate(kinds)]


KINDS = [(4, 2), (17, 15), (110, 108), (3, 3), (2, 0)]


@given(
    most_allocated=st.booleans(),
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6),
    steps=st.lists(st.tuples(st.sampled_from(["take", "take", "take", "release", "remove"]), st.integers(0, 5)), max_size=80),
)
def test_pods_go_to_the_emptiest_node_or_the_fullest_with_room(turnover, most_allocated, kinds, steps):
    members = nodes(turnover, kinds)
    scheduler = turnover.Scheduler([group(*kind) for kind in kinds], members, most_allocated=most_allocated, seed=1)
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
        members = nodes(turnover, [(17, 15)] * 8)
        scheduler = turnover.Scheduler([group(17, 15)], members, most_allocated=False, seed=seed)
        for each in members:
            scheduler.add(each)
        return [scheduler.take().number for _ in range(40)]

    assert order(1) == order(1) != order(2)
    assert {order(1).count(number) for number in range(8)} == {5}


def test_each_choice_has_a_chance_of_its_own(turnover):
    members = nodes(turnover, [(17, 15)] * 8)
    scheduler = turnover.Scheduler([group(17, 15)], members, most_allocated=False, seed=3)
    for each in members:
        scheduler.add(each)
    chance = random.Random(3)
    row = list(range(8))
    for _ in range(8):  # until each has one pod
        place = int(chance.random() * len(row))
        assert scheduler.take().number == row[place]
        row[place] = row[-1]
        row.pop()


def test_the_twins_choose_alike():
    def order(name):
        twin = importlib.import_module(name)
        members = nodes(twin, [(110, 108)] * 40)
        scheduler = twin.Scheduler([group(110, 108)], members, most_allocated=False, seed=7)
        for each in reversed(members):  # nodes become ready in any order
            scheduler.add(each)
            scheduler._check()
        return [scheduler.take().number for _ in range(40 * 108)], scheduler.take()

    first, *others = map(order, MODULES)
    assert first[1] is None
    assert all(other == first for other in others)


class Listener:
    """Whom the loop calls: it notes what is told, and has more events come of some."""

    def __init__(self, ledger, later=()):
        self.ledger = ledger
        self.events = []
        self.later = list(later)
        self.met = []
        self.told = []

    def other(self, now_ns, kind, number):
        self.met.append((now_ns, kind, number, self.ledger.arrived_count, self.ledger.deleted_count))
        if self.later:
            delay, kind = self.later.pop()
            heapq.heappush(self.events, (now_ns + delay, kind, 100 + len(self.later)))

    def __getattr__(self, name):
        return lambda *arguments: self.told.append((name, *(each for each in arguments if type(each) in {int, str})))


def world(turnover, runs, *, room=20, address_count=20, later=()):
    """A ledger of these pods, a scheduler with one node, and a listener."""
    ledger = turnover.Ledger([PodRun(f"p-{number}", *run) for number, run in enumerate(runs)])
    ledger.enter("n0", group(20, room), node(address_count))
    scheduler = turnover.Scheduler([group(20, room)], ledger.members, most_allocated=False, seed=1)
    scheduler.add(ledger.members[0])
    ledger.members[0].high = 20
    return ledger, scheduler, Listener(ledger, later)


LIVES = st.lists(st.tuples(st.integers(0, 30), st.none() | st.integers(1, 20)), max_size=20).map(
    lambda lives: [(created, None if life is None else created + life) for created, life in sorted(lives, key=lambda each: each[0])]
)


@given(
    runs=LIVES,
    pushed=st.lists(st.tuples(st.integers(0, 45), st.sampled_from([0, 1, 2, 5, 6, 7]), st.integers(0, 9)), max_size=20),
    later=st.lists(st.tuples(st.integers(1, 20), st.sampled_from([0, 2, 5, 7])), max_size=10),
    stops=st.lists(st.integers(1, 40), max_size=5).map(lambda stops: [*sorted(stops), 41]),
)
def test_pods_and_other_events_are_met_in_order_and_up_to_the_end_exclusive(turnover, runs, pushed, later, stops):
    ledger, scheduler, listener = world(turnover, runs, later=later)
    listener.events = sorted(pushed)
    for end_ns in stops:
        turnover.turn_over(end_ns, listener.events, ledger, scheduler, listener)
        assert ledger.arrived_count == sum(created < end_ns for created, _ in runs)
        assert ledger.deleted_count == ledger.gone_count == sum(deleted is not None and deleted < end_ns for _, deleted in runs)
        assert all(event[0] >= end_ns for event in listener.events)
        assert all(event[0] < end_ns for event in listener.met)
    assert [event[:2] for event in listener.met] == sorted(event[:2] for event in listener.met)
    assert {event[:3] for event in listener.met} >= {event for event in pushed if event[0] < 41}
    for now_ns, kind, _, arrived_count, deleted_count in listener.met:
        assert arrived_count == sum((created, turnover.ARRIVE) < (now_ns, kind) for created, _ in runs)
        assert deleted_count == sum(deleted is not None and (deleted, turnover.DELETE) < (now_ns, kind) for _, deleted in runs)


@given(runs=LIVES, end_ns=st.integers(0, 60))
def test_those_who_have_come_and_not_gone_hold_an_address(turnover, runs, end_ns):
    ledger, scheduler, listener = world(turnover, runs, address_count=200)
    turnover.turn_over(end_ns, [], ledger, scheduler, listener)
    running = [number for number, (created, deleted) in enumerate(runs) if created < end_ns and (deleted is None or deleted >= end_ns)]
    datastore = ledger.members[0].datastore
    assert {key.container_id for key, _ in datastore.assignments()} == {f"p-{number}" for number in running}
    assert [number for number, home in enumerate(ledger.homes) if home == 0] == running
    assert ledger.members[0].pod_count == datastore.sandbox_count == len(running)
    datastore._check()
    scheduler._check()


def test_a_pod_that_finds_no_address_waits_and_one_that_finds_no_node_pends(turnover):
    ledger, scheduler, listener = world(turnover, [(1, None), (2, None), (3, None)], room=2, address_count=1)
    turnover.turn_over(10, [], ledger, scheduler, listener)
    assert listener.told == [("wait", 1, 2), ("pend", 2, 3)]
    assert list(ledger.homes) == [0, 0, turnover.NO_HOME]


def test_a_pod_that_goes_makes_room_for_one_that_comes_at_the_same_time(turnover):
    ledger, scheduler, listener = world(turnover, [(1, 5), (5, None)], room=1)
    turnover.turn_over(6, [], ledger, scheduler, listener)
    assert listener.told == [("after_release", 5)]
    assert list(ledger.homes) == [turnover.NO_HOME, 0]


def test_a_node_with_pods_that_wait_is_looked_at_with_each_that_goes_or_comes(turnover):
    ledger, scheduler, listener = world(turnover, [(1, 10), (2, 12), (3, None), (11, None)], address_count=2)
    turnover.turn_over(5, [], ledger, scheduler, listener)
    ledger.members[0].waiting, ledger.members[0].waits = {2: 3}, True
    turnover.turn_over(12, [], ledger, scheduler, listener)
    assert listener.told == [("wait", 2, 3), ("after_release", 10), ("disturb", 10), ("wait", 3, 11)]
    turnover.turn_over(13, [], ledger, scheduler, listener)
    assert listener.told[4:] == [("after_release", 12), ("disturb", 12)]


def test_a_pod_that_is_deleted_while_it_waits_is_given_up(turnover):
    ledger, scheduler, listener = world(turnover, [(1, None), (2, 10), (3, 11)], room=2, address_count=1)
    turnover.turn_over(5, [], ledger, scheduler, listener)
    ledger.members[0].waiting, ledger.members[0].waits = {1: 2}, True
    turnover.turn_over(12, [], ledger, scheduler, listener)
    assert listener.told == [("wait", 1, 2), ("pend", 2, 3), ("give_up", 1, 10), ("give_up", 2, 11)]
    assert ledger.gone_count == 0


def test_a_deletion_after_all_times_is_never_met(turnover):
    ledger, scheduler, listener = world(turnover, [(1, 2**70), (2, 3)])
    turnover.turn_over(turnover.NEVER_NS, [], ledger, scheduler, listener)
    assert (ledger.deleted_count, list(ledger.homes)) == (1, [0, turnover.NO_HOME])


def test_a_pod_whose_address_was_given_anew_meanwhile_is_found_where_it_is(turnover):
    # Where the pool keeps an address is noted when the pod gets it, and may have become somebody else's
    ledger, scheduler, listener = world(turnover, [(1, 11), (2, 12), (3, None)])
    turnover.turn_over(5, [], ledger, scheduler, listener)
    datastore, keys = ledger.members[0].datastore, ledger.keys
    for number in (0, 1):
        datastore.unassign(keys[number], 5)
    for number in (1, 0):
        datastore.assign(keys[number], 8)
    ledger.places[2] = 10**6  # more than there are
    turnover.turn_over(12, [], ledger, scheduler, listener)
    assert [key for key, _ in ledger.members[0].datastore.assignments()] == [keys[1], keys[2]]
    turnover.turn_over(13, [], ledger, scheduler, listener)
    assert [key for key, _ in ledger.members[0].datastore.assignments()] == [keys[2]]
    datastore._check()


def plain_course(runs, stops, address_count, cooldown_ns):
    """What a datastore alone comes to, if it is told of each pod at its time; where none is free the pod is forgotten."""
    datastore = node(address_count, cooldown_ns).datastores[0]
    due = sorted(
        [(created, 1, number) for number, (created, _) in enumerate(runs)] + [(end, 0, number) for number, (_, end) in enumerate(runs)]
    )
    held, states = {}, []
    for stop in stops:
        while due and due[0][0] < stop:
            now_ns, comes, number = due.pop(0)
            key = SandboxKey("aws-cni", f"p-{number}", "eth0")
            if not comes:
                if held.pop(number, None):
                    datastore.unassign(key, now_ns)
                continue
            try:
                held[number] = datastore.assign(key, now_ns)
            except PoolExhausted:
                states.append(("refused", number))
        states.append((dict(datastore.assignments()), datastore.cooldowns(stop), datastore.sole_pool().cooling_count(stop)))
    return states


@given(
    runs=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=90).map(
        lambda lives: sorted((created, created + life) for created, life in lives)
    ),
    stops=st.lists(st.integers(1, 90), max_size=6).map(lambda stops: [*sorted(stops), 91]),
    address_count=st.sampled_from([0, 1, 2, 7, 80]),
    cooldown_ns=st.sampled_from([0, 1, 3, 40]),
    closed=st.booleans(),
)
def test_a_pool_that_is_looked_at_is_as_if_nothing_had_been_put_off(  # noqa: PLR0917  # dimensions of one world
    turnover, runs, stops, address_count, cooldown_ns, closed
):
    ledger = turnover.Ledger([PodRun(f"p-{number}", *run) for number, run in enumerate(runs)])
    member = ledger.enter("n0", group(200, 200), node(address_count, cooldown_ns))
    if closed and address_count:
        member.pool.close_block(member.pool.blocks()[-1][0])
    scheduler = turnover.Scheduler([group(200, 200)], ledger.members, most_allocated=False, seed=1)
    scheduler.add(member)
    member.high = 200
    states = []

    class Kubelet(Listener):
        def wait(self, member, number, now_ns):
            states.append(("refused", number))
            member.waiting[number] = now_ns
            member.waits = True

        def give_up(self, number, now_ns):  # noqa: ARG002  # as the loop calls it
            del member.waiting[number]
            member.waits = bool(member.waiting)
            ledger.homes[number] = turnover.NO_HOME
            scheduler.move(member, member.pod_count - 1)

    kubelet = Kubelet(ledger)
    for place, stop in enumerate(stops):
        turnover.turn_over(stop, [], ledger, scheduler, kubelet)
        cooling = ledger.cooling_count_of(member, stop)  # before all else, since it is counted with all that is put off
        if place % 2 and not closed:
            assert member.assigned_count == member.datastore.sandbox_count
            member.datastore._check()
        states.append((dict(member.datastore.assignments()), member.datastore.cooldowns(stop), cooling))
    if not closed:
        assert states == plain_course(runs, stops, address_count, cooldown_ns)
    elif address_count:
        last = member.pool.blocks()[-1][0]
        assert all(str(IPv4Address(last)) not in state[0].values() for state in states if state[0] != "refused")


def test_a_full_node_and_an_open_one_have_nothing_to_spare(turnover):
    ledger, scheduler, listener = world(turnover, [(1, None), (2, None), (3, None)], address_count=3)
    member = ledger.members[0]
    turnover.turn_over(2, [], ledger, scheduler, listener)
    assert (member.spare_count, member.put_off_count) == (2, 0)  # the first asks how many there are
    turnover.turn_over(3, [], ledger, scheduler, listener)
    assert (member.spare_count, member.put_off_count) == (1, 1)
    assert member.datastore.sandbox_count == 2
    assert (member.spare_count, member.put_off_count) == (0, 0)  # who has the datastore may change it


def test_what_cools_is_counted_with_what_is_put_off_and_nothing_is_done_for_it(turnover):
    # Each cools for 3: the first went when a pod was to come, and so was done; the others are put off
    ledger, scheduler, listener = world(turnover, [(1, 4), (2, 6), (3, 7), (5, None)], address_count=4)
    turnover.turn_over(8, [], ledger, scheduler, listener)
    member = ledger.members[0]
    put_off = member.put_off_count
    assert put_off
    assert [ledger.cooling_count_of(member, now_ns) for now_ns in (7, 8, 9, 10)] == [2, 2, 1, 0]
    assert member.put_off_count == put_off
    assert [len(member.datastore.cooldowns(now_ns)) for now_ns in (7, 8, 9, 10)] == [2, 2, 1, 0]
    assert [ledger.cooling_count_of(member, now_ns) for now_ns in (7, 8, 9, 10)] == [2, 2, 1, 0]


def test_the_loop_is_of_the_twin_that_the_pools_are_of(monkeypatch):
    path = Path(importlib.import_module("vpcipam.fleet.turnover").__file__)
    for using, name in ((False, MODULES[0]), (True, "vpcipam.fleet._turnover")):
        monkeypatch.setattr("vpcipam.pool.USING_EXTENSION", using)
        twin = importlib.import_module(name)
        assert runpy.run_path(str(path))["Member"] is twin.Member


@pytest.mark.parametrize("collects", [True, False])
def test_a_ledger_leaves_the_garbage_collector_as_it_was(turnover, collects):
    before = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        turnover.Ledger([PodRun("a", 0, 1)])
        assert gc.isenabled() is collects
    finally:
        (gc.enable if before else gc.disable)()
