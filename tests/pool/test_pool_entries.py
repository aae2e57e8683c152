"""What a pool keeps for its owner: an entry for an address, a note for a key."""

import contextlib
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from vpcipam.errors import OutOfRange, PoolExhausted, PoolLocked, UnknownKey


class Thing:
    """An object with weak references that can run code when it is deleted."""

    def __init__(self, at_end=None):
        self.at_end = at_end

    def __del__(self):
        if self.at_end is not None:
            self.at_end()


@pytest.fixture
def build(pool_twin):
    def build(*blocks, cooldown_ns=5, **settings):
        pool = pool_twin.AddressPool(cooldown_ns=cooldown_ns, **settings)
        for block in blocks:
            pool.add_block(*block)
        return pool

    return build


# Entries


def test_an_address_has_no_entry_until_one_is_set(build):
    pool = build((0, 2))
    assert pool.assign_entry("a", 0) is None
    assert pool.entry_of("a") is None
    entry = object()
    pool.set_entry("a", entry)
    assert pool.entry_of("a") is entry
    assert pool.assign_entry("a", 9) is entry
    assert pool.assign_entry("b", 0) is None
    assert pool.unassign_entry("a", 0) is entry


def test_unassign_entry_of_a_key_without_an_entry_is_refused(build):
    pool = build((0, 2))
    pool.assign_entry("a", 0, "note")
    for _ in range(2):
        with pytest.raises(UnknownKey, match="address 0 of key 'a' has no entry: call unassign instead"):
            pool.unassign_entry("a", 0)
        assert (list(pool.items()), pool.note_of("a")) == ([("a", 0)], "note")
        pool.set_entry("a", None)
    pool._check()


def test_assign_entry_assigns_as_assign_does(build):
    pool = build((0, 2))
    pool.assign("a", 0)
    pool.assign_entry("b", 0)
    assert list(pool.items()) == [("a", 0), ("b", 1)]
    pool.set_entry("a", "entry")
    pool.unassign_entry("a", 3)
    assert pool.cooling_items() == ((0, 8),)
    pool.assign_entry("c", 8)
    assert list(pool.items()) == [("c", 0), ("b", 1)]


@pytest.mark.parametrize("size", [1, 2, 64, 65, 2**48])
def test_a_key_never_gets_the_entry_of_a_removed_block(build, size):
    pool = build((0, size), cooldown_ns=0)
    for turn in range(3):
        pool.assign("a", turn)
        pool.set_entry("a", turn)
        pool.assign_at("b", size - 1, turn) if size > 1 else None
        pool.remove_block(0, force=True)
        pool.add_block(0, size)
        assert pool.assign_entry("a", turn) is None
        assert pool.entry_of("a") is None
        pool.unassign("a", turn)
        pool._check()


def test_an_entry_is_deleted_with_its_block_and_a_cooldown_is_not(build):
    pool = build((0, 1))
    pool.assign_entry("a", 0)
    pool.set_entry("a", "old")
    pool.unassign("a", 0)
    pool.remove_block(0)
    pool.add_block(0, 1)
    assert pool.assign_entry("b", 5) is None
    pool._check()


def test_an_entry_of_a_removed_block_does_not_come_back_when_its_address_cools_among_others_in_use(build):
    pool = build((0, 64))
    pool.assign_entry("a", 0)
    pool.set_entry("a", "old")
    pool.unassign("a", 0)
    pool.remove_block(0)
    pool.add_block(0, 64)
    assert pool.assign("b", 0) == 1  # the block now keeps track of its cooling address by itself
    assert pool.assign_entry("c", 5) is None
    assert pool.address_of("c") == 0
    pool._check()


def test_an_entry_stays_while_its_address_is_assigned(build):
    pool = build((0, 2**48))
    pool.assign_at("far", 130, 0)
    pool.set_entry("far", "entry")
    for number in range(200):
        pool.assign(number, 0)
    assert pool.entry_of("far") == "entry"
    pool._check()


# Notes


def test_a_note_is_kept_for_a_new_key_and_not_replaced_by_a_second_assign(build):
    pool = build((0, 2))
    pool.assign_entry("a", 0, "first")
    pool.assign_entry("a", 0, "second")
    assert pool.note_of("a") == "first"
    pool.assign("b", 0)
    pool.assign_entry("b", 0, "late")
    assert pool.note_of("b") is None
    pool.set_note("b", "set")
    assert pool.note_of("b") == "set"
    assert pool.note_of("c") is None


@pytest.mark.parametrize("go", ["unassign", "unassign_entry", "revoke", "remove_block"])
def test_a_note_is_deleted_with_its_key(build, go):
    pool = build((0, 1), cooldown_ns=0)
    note = Thing()
    watched = weakref.ref(note)
    pool.assign_entry("a", 0, note)
    pool.set_entry("a", "entry")
    del note
    if go == "remove_block":
        pool.remove_block(0, force=True)
        pool.add_block(0, 1)
    else:
        getattr(pool, go)(*("a", 0)[: 1 if go == "revoke" else 2])
    assert pool.note_of("a") is None
    gc.collect()
    assert watched() is None
    pool.assign("a", 0)
    assert pool.note_of("a") is None
    pool._check()


# Refusals


def test_a_refused_call_keeps_no_entry_or_note(build):
    pool = build((0, 1))
    pool.assign_entry("a", 0, "note")
    for now_ns in (-1, 2**62, 2**70):
        with pytest.raises(OutOfRange, match="now_ns"):
            pool.assign_entry("a", now_ns, "other")
        with pytest.raises(OutOfRange, match="now_ns"):
            pool.unassign_entry("a", now_ns)
    with pytest.raises(PoolExhausted):
        pool.assign_entry("b", 0, "note")
    for call in (lambda: pool.set_note("b", 1), lambda: pool.set_entry("b", 1), lambda: pool.unassign_entry("b", 0)):
        with pytest.raises(UnknownKey, match="'b'"):
            call()
    assert (pool.note_of("a"), pool.note_of("b"), pool.entry_of("b")) == ("note", None, None)
    pool._check()


@pytest.mark.parametrize("name", ["entry_of", "note_of", "set_entry", "set_note", "assign_entry", "unassign_entry"])
def test_an_unhashable_key_is_a_type_error(build, name):
    pool = build((0, 1))
    arguments = {"entry_of": (), "note_of": ()}.get(name, (0,))
    with pytest.raises(TypeError, match="unhashable"):
        getattr(pool, name)([], *arguments)


# Code that runs when an object is deleted


@pytest.mark.parametrize("cooldown_ns", [0, 5])
@pytest.mark.parametrize("go", ["unassign", "unassign_entry", "revoke", "remove_block", "set_note", "set_entry"])
def test_an_entry_or_note_can_change_the_pool_when_it_is_deleted(build, go, cooldown_ns):
    pool = build((0, 2), (16, 9), (2**40, 2**48), cooldown_ns=cooldown_ns)
    ran = []

    def change():
        pool._check()
        ran.append(pool.assign(("at the end", len(ran)), 100))
        pool._check()

    pool.assign_entry("a", 0, Thing(change))
    pool.set_entry("a", Thing(change))
    pool.assign_at("far", 2**40 + 9_999, 0)
    pool.set_entry("far", Thing(change))
    pool.set_note("far", Thing(change))
    match go:
        case "remove_block":
            pool.remove_block(0, force=True, now_ns=0)
            pool.remove_block(2**40, force=True, now_ns=0)
        case "set_note" | "set_entry":
            getattr(pool, go)("a", None)
            getattr(pool, go)("far", None)
        case _:
            for key in ("a", "far"):
                getattr(pool, go)(*(key, 0)[: 1 if go == "revoke" else 2])
    for now_ns in (100, 200):
        pool.cooling_count(now_ns)
        pool.assign(("later", now_ns), now_ns)
        pool._check()
    assert len(ran) >= 2
    for key, _ in list(pool.items()):
        if key in ("a", "far"):
            pool.set_entry(key, None)
            pool.set_note(key, None)
    pool._check()


def test_entries_and_notes_do_not_keep_the_pool_alive(build):
    pool = build((0, 2))
    note = Thing()
    note.pool = pool
    watched = weakref.ref(pool)
    pool.assign_entry("a", 0, note)
    pool.set_entry("a", note)
    del pool, note
    gc.collect()
    assert watched() is None


# The owner's lock


def test_a_locked_pool_refuses_the_lock_free_calls_only(build):
    pool = build((0, 2))
    pool.assign_entry("a", 0, "note")
    assert not pool.locked
    pool.locked = True
    assert pool.locked
    for call in (pool.assign_entry, pool.unassign_entry):
        for key in "ab":
            with pytest.raises(PoolLocked, match="another thread has the lock of the pool's owner"):
                call(key, 0)
    assert (list(pool.items()), pool.note_of("a")) == ([("a", 0)], "note")
    assert (pool.assign("b", 0), pool.unassign("a", 0), pool.entry_of("b")) == (1, 0, None)
    pool.locked = False
    pool.set_entry("b", "entry")
    assert pool.unassign_entry("b", 0) == "entry"
    pool._check()


class Slow:
    """A key or a time whose code gives another thread time to act. All keys have one hash."""

    def __init__(self, value, meanwhile=None):
        self.value, self.meanwhile = value, meanwhile

    def run(self):
        if self.meanwhile is not None:
            self.meanwhile()

    def __hash__(self):
        self.run()
        return 7

    def __eq__(self, other):
        self.run()
        other.run()
        return self.value == other.value

    def __index__(self):
        self.run()
        return self.value


@pytest.mark.parametrize("slow", ["key", "now_ns"])
@pytest.mark.parametrize("value", ["held", "new"])
@pytest.mark.parametrize("name", ["assign_entry", "unassign_entry"])
def test_a_lock_taken_while_an_argument_runs_code_is_respected(build, name, value, slow):
    pool = build((0, 2))
    pool.assign_entry(held := Slow("held"), 0, "note")
    pool.set_entry(held, "entry")

    def take_lock():
        pool.locked = True

    key, now_ns = (Slow(value, take_lock), 0) if slow == "key" else (Slow(value), Slow(0, take_lock))
    with pytest.raises(PoolLocked):
        getattr(pool, name)(key, now_ns)
    assert ([address for _, address in pool.items()], pool.note_of(held)) == ([0], "note")
    pool._check()


def test_the_owners_lock_is_reentrant_and_excludes_other_threads(pool_twin):
    pool = pool_twin.AddressPool(cooldown_ns=0)
    lock = pool_twin.owners_lock(pool)
    sets_locked = pool_twin.__name__ == "vpcipam._pool"  # the plain pool has no calls that need no lock
    entered, order = threading.Event(), []

    def other():
        entered.set()
        with lock:
            order.append("other")

    with ThreadPoolExecutor(1) as threads:
        with contextlib.suppress(ValueError), lock:
            with lock:
                waiting = threads.submit(other)
                assert entered.wait(30)
            assert pool.locked == sets_locked
            with pytest.raises(TimeoutError):
                waiting.result(0.02)
            order.append("holder")
            raise ValueError("as a call may that is refused")
        waiting.result(30)
    assert order == ["holder", "other"]
    assert not pool.locked
