"""No memory at any one allocation of a call: a MemoryError, a datastore that is whole, and a call that can be repeated."""

import sys

import pytest
from datastore_worlds import key, node

from out_of_memory import failures
from vpcipam.address import AddressMode
from vpcipam.journal.protocol import Assigned, Cooling, MemoryJournal
from vpcipam.pool import USING_EXTENSION
from vpcipam.sandbox import PodRef

pytestmark = [
    pytest.mark.skipif(not USING_EXTENSION, reason="only the compiled pools are as before after a MemoryError"),
    pytest.mark.skipif(sys.version_info >= (3, 12), reason="from 3.12 on, CPython crashes when there is no memory for a comprehension"),
    pytest.mark.filterwarnings("ignore::vpcipam.events.EventWarning"),  # the callback's own MemoryError
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # a generator that has no memory to be closed
]

POD = PodRef("default", "web")
COOLING = [Cooling("10.0.2.3", 900), Cooling("10.0.2.4", 900)]
ONE_CHANGE = {
    "add_eni": lambda store: store.add_eni("eni-new", device_number=9, now_ns=0),
    "add_cidr": lambda store: store.add_cidr("eni-0", "10.0.2.0/28"),
    "assign": lambda store: store.assign(key("new"), 10, POD),
    "assign again": lambda store: store.assign(key("p1"), 10),
    "assign_many": lambda store: store.assign_many([(key("new"), POD), (key("newer"), None), (key("p1"), None)], 10),
    "assign_at": lambda store: store.assign_at(key("new"), "10.0.0.15", 10, POD),
    "unassign": lambda store: store.unassign(key("p1"), 10),
    "unassign_many": lambda store: store.unassign_many([key("p1"), key("p2"), key("p3")], 10),
    "remove_cidr": lambda store: store.remove_cidr("eni-1", "10.0.1.16/28", now_ns=10),
    "set_excluded": lambda store: store.set_excluded("eni-0", excluded=True),
    "set_mode": lambda store: store.set_mode(AddressMode.SECONDARY_IP),
}
SEVERAL_CHANGES = {
    "add_cidr with cooldowns": lambda store: store.add_cidr("eni-0", "10.0.2.0/28", cooling=COOLING),
    "remove_cidr by force": lambda store: remove(store.remove_cidr, store, "10.0.0.0/28"),
    "remove_eni by force": lambda store: remove(store.remove_eni, store),
    "withhold": lambda store: store.withhold([Cooling("10.0.0.14", 900), Cooling("10.0.0.15", 900)]),
}


def remove(call, store, *cidr):
    """Remove by force, unless it is already removed."""
    if "eni-0" in store and (not cidr or cidr[0] in store.cidrs("eni-0")):
        call("eni-0", *cidr, force=True, now_ns=10)


class WholeJournal(MemoryJournal):
    """A journal whose writes happen wholly or not at all, as on disk."""

    def _whole(self, write, *arguments, **more):
        before = self._assigned.copy(), self._key_of.copy(), self._cooling.copy()
        try:
            write(*arguments, **more)
        except MemoryError:
            self._assigned, self._key_of, self._cooling = before
            raise

    def record(self, *arguments, **more):
        self._whole(super().record, *arguments, **more)

    def record_unassign(self, released):
        self._whole(super().record_unassign, released)


def busy_node(**settings):
    """Sandboxes on three ENIs, some of them with pods, and cooldowns."""
    enis = [[f"10.0.{number}.0/28", f"10.0.{number}.16/28"] for number in (0, 1, 3)]
    store = node(*enis, cooldown_ns=30, **settings)
    for number in range(6):
        store.assign(key(f"p{number}"), 0, POD)
    store.assign_at(key("far"), "10.0.0.17", 0)
    for name in ("p5", "p4"):
        store.unassign(key(name), 5)
    return store


def with_listeners():
    return busy_node(journal=WholeJournal(), on_event=[].append)


def state(store):
    """Everything that a user can see."""
    pool = store._pool
    held = tuple((each, assignment, store.pod_of(each)) for each, assignment in store.assignments())
    cidrs = tuple((eni_id, store.cidrs(eni_id)) for eni_id in store.eni_ids)
    closed = tuple(pool.is_closed(base) for base, _, _ in pool.blocks())
    return held, cidrs, pool.cooling_items(), pool.blocks(), closed, store.mode, store.quarantined


def check_journal(store):
    """The journal has the sandboxes that the datastore has."""
    recorded = {each.key: each.address for each in store.journal.assigned}
    assert recorded == {each: assignment.address for each, assignment in store.assignments()}


@pytest.mark.parametrize("make", [busy_node, with_listeners], ids=["plain", "journal and events"])
@pytest.mark.parametrize("call", ONE_CHANGE.values(), ids=ONE_CHANGE)
def test_a_change_without_memory_happens_or_not(call, make):
    done, before, count = make(), state(make()), 0
    call(done)
    for store in failures(make, call):
        count += 1
        assert state(store) in (before, state(done))
        if store.journal is not None:
            check_journal(store)
        if state(store) == before:
            call(store)
            assert state(store) == state(done)
    assert count


@pytest.mark.thorough
@pytest.mark.parametrize("make", [busy_node, with_listeners], ids=["plain", "journal and events"])
@pytest.mark.parametrize("call", SEVERAL_CHANGES.values(), ids=SEVERAL_CHANGES)
def test_a_call_that_makes_several_changes_can_be_repeated_after_it_had_no_memory(call, make):
    done, count = make(), 0
    call(done)
    for store in failures(make, call):
        count += 1
        if store.journal is not None:
            check_journal(store)
        if state(store) != state(done):
            call(store)
            assert state(store) == state(done)
    assert count > 10


def test_no_address_of_a_new_cidr_is_given_without_its_cooldown():
    def make():
        return node([], cooldown_ns=30)

    for store in failures(make, lambda store: store.add_cidr("eni-0", "10.0.2.0/28", cooling=COOLING)):
        if store.cidrs("eni-0"):
            assert [each.address for each in store.cooldowns(10)] == ["10.0.2.3", "10.0.2.4"]


@pytest.mark.thorough
def test_a_restore_without_memory_can_be_repeated():
    def make():
        journal = MemoryJournal()
        journal.record(
            tuple(Assigned(key(name), address, POD, 0) for name, address in (("a", "10.0.0.1"), ("b", "10.0.0.2"), ("c", "10.9.9.9")))
        )
        journal.record(cooling=(Cooling("10.0.0.5", 900), Cooling("10.0.0.6", 900)))
        return node(["10.0.0.0/28"], cooldown_ns=30, journal=journal)

    done, count = make(), 0
    done.restore(10)
    for store in failures(make, lambda store: store.restore(10)):
        count += 1
        if state(store) != state(done):
            store.restore(10)
            assert state(store) == state(done)
    assert count > 50


def entries(store, name):
    return [entry for entry in store.quarantined if entry.key == key(name)]


def accept(store, name):
    for entry in entries(store, name):
        store.accept_quarantined(entry, 20)


def release(store, name):
    for entry in entries(store, name):
        store.release_quarantined(entry, 20)


def unassign_quarantined(store):
    if entries(store, "b"):
        store.unassign(key("b"), 20)


DECISIONS = {
    "accept_quarantined": lambda store: accept(store, "b"),
    "accept_all_quarantined": lambda store: store.accept_all_quarantined(20),
    "release_quarantined": lambda store: release(store, "b"),
    "release_quarantined, elsewhere": lambda store: release(store, "elsewhere"),
    "unassign": unassign_quarantined,
}


def with_quarantine():
    """Two entries that fit after their CIDR came back, and one that fits nowhere."""
    journal = WholeJournal()
    journal.record(
        tuple(Assigned(key(name), address, POD, 0) for name, address in (("b", "10.0.2.2"), ("c", "10.0.2.3"), ("elsewhere", "10.9.9.9")))
    )
    store = node(["10.0.0.0/28"], cooldown_ns=30, journal=journal)
    store.restore(10)
    store.add_cidr("eni-0", "10.0.2.0/28")
    return store


@pytest.mark.parametrize("call", DECISIONS.values(), ids=DECISIONS)
def test_a_decision_about_quarantine_can_be_repeated_after_it_had_no_memory(call):
    done, count = with_quarantine(), 0
    call(done)
    for store in failures(with_quarantine, call):
        count += 1
        if state(store) != state(done):
            call(store)
            assert state(store) == state(done)
    assert count
