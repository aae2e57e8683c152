"""No memory at any one allocation of a call, or from one on: a MemoryError, and the compiled pool is as before.

The compiled pools take their own memory from the interpreter's raw allocator too, so every allocation fails in turn.
"""

import gc
import itertools
from array import array

import pytest

from out_of_memory import failures
from vpcipam.pool import USING_EXTENSION

_testcapi = pytest.importorskip("_testcapi", reason="this Python has no _testcapi, which makes allocations fail")
compiled = pytest.importorskip("vpcipam.pool.addresses", reason="only the compiled pools promise this")
bitmaps = pytest.importorskip("vpcipam._pool", reason="only the compiled pools promise this")
pytestmark = pytest.mark.skipif(not USING_EXTENSION, reason="the plain twin was asked for")

BASE, REMOVED = 2**100, 2**70
LATE = 100  # every cooldown is over
CALLS = {
    "add_block": lambda pool: pool.add_block(2**90, 5000, 3),
    "add_block over remembered addresses": lambda pool: pool.add_block(REMOVED - 100, 5000, 4),
    "add_block over one remembered address": lambda pool: pool.add_block(REMOVED + 5, 6, 1),
    "remove_block": lambda pool: pool.remove_block(BASE, force=True),
    "remove_block with cooldowns": lambda pool: pool.remove_block(BASE, force=True, now_ns=9),
    "remove_block of a group's last one": lambda pool: pool.remove_block(2**60, force=True, now_ns=9),
    "close_block": lambda pool: pool.close_block(BASE),
    "assign": lambda pool: pool.assign("new", 10),
    "assign after a cooldown": lambda pool: pool.assign("new", LATE),
    "assign_many": lambda pool: pool.assign_many(["new", "k3", *map(str, range(90)), "new"], 10),
    "assign_many after a cooldown": lambda pool: pool.assign_many(["new", *range(90)], LATE),
    "assign_entry": lambda pool: pool.assign_entry("new", LATE, ("note",)),
    "assign_at far": lambda pool: pool.assign_at("new", BASE + 3500, 10),
    "assign_at near": lambda pool: pool.assign_at("new", BASE + 100, LATE),
    "assign_at beyond near": lambda pool: pool.assign_at("new", BASE + 130, 10),
    "cool_at far": lambda pool: pool.cool_at(BASE + 3600, 100),
    "cool_at near": lambda pool: pool.cool_at(BASE + 100, 10),
    "cool_at beyond near": lambda pool: pool.cool_at(BASE + 130, 10),
    "cool_at again": lambda pool: pool.cool_at(BASE + 30, 10**6),
    "unassign": lambda pool: pool.unassign("k3", 10),
    "unassign far": lambda pool: pool.unassign("far", 10),
    "unassign_entry": lambda pool: pool.unassign_entry("k3", 9) if pool.entry_of("k3") is not None else None,
    "revoke": lambda pool: pool.revoke("k3"),
    "revoke far": lambda pool: pool.revoke("far"),
    "set_entry": lambda pool: pool.set_entry("k20", ("entry",)),
    "set_note": lambda pool: pool.set_note("k20", ("note",)),
    "cooling_count": lambda pool: pool.cooling_count(LATE),
}
OFFSETS_CALLS = {
    "allocate": lambda pool: pool.allocate(),
    "allocate an int that is kept": lambda pool: pool.allocate(1000),
    "allocate an int that is not kept": lambda pool: pool.allocate(66_000),
    "allocate_many": lambda pool: pool.allocate_many(40, 65_520),
    "allocate_into": lambda pool: pool.allocate_into(array("I", bytes(160)), 65_520),
    "allocate_at": lambda pool: pool.allocate_at(1000),
    "allocate_run": lambda pool: pool.allocate_run(16, 1000),
    "allocate_run of a new length": lambda pool: pool.allocate_run(64, 1000),
    "allocate_run_at": lambda pool: pool.allocate_run_at(1024, 16),
    "release": lambda pool: pool.release(500),
    "release_many": lambda pool: pool.release_many([500, 3100, 520, 3101]),
    "release_from": lambda pool: pool.release_from(array("I", [500, 3100, 520, 3101])),
    "release_run": lambda pool: pool.release_run(512, 16),
    "free_run_count": lambda pool: pool.free_run_count(32),
    "free_counts": lambda pool: pool.free_counts(64),
    "longest_free_run": lambda pool: pool.longest_free_run(),
    "iterate": list,
}


@pytest.fixture(autouse=True)
def _no_collection():
    """Let no finalizer of another test run while allocations fail."""
    gc.disable()
    yield
    gc.enable()


def busy_pool(placement, more_blocks, *, with_entries):
    """A pool with every kind of place: near and far ones, cooling ones in and outside blocks, with and without entries and notes.

    It has 64 places, as many as there is room for.
    """
    pool = compiled.AddressPool(cooldown_ns=30, placement=placement)
    for number in range(5):
        pool.add_block(BASE + number * 4096, 4096, number % 2)
    pool.add_block(2**60, 16, 2)
    pool.add_block(REMOVED, 300, 1)
    for number in range(20):
        pool.assign_at(f"gone{number}", REMOVED + number * 9, 0)
    for number in range(10):
        pool.unassign(f"gone{number}", 5)
    pool.remove_block(REMOVED, force=True, now_ns=6)
    for number in range(40):
        pool.assign_at(f"k{number}", BASE + number, 1)
    for number in range(8 if with_entries else 0):
        pool.set_entry(f"k{number}", number)
        pool.set_note(f"k{number}", -number)
    for number, offset in enumerate((4000, 3000, 200, 70)):
        pool.assign_at("far" if number == 0 else f"far{number}", BASE + offset, 1)
    for number in range(30, 40):
        pool.unassign(f"k{number}", 2)
    for number in range(more_blocks):
        pool.add_block(2**80 + number * 64, 64, 7 + number)
    return pool


def state(pool):
    held = list(pool.items())
    counts = [(pool.group_block_count(group), pool.group_total_count(group), pool.group_assigned_count(group)) for group in range(14)]
    owned = [(pool.entry_of(key), pool.note_of(key)) for key, _ in held]
    return (
        pool.blocks(),
        held,
        owned,
        pool.cooling_items(),
        pool.total_count,
        [pool.is_closed(base) for base, _, _ in pool.blocks()],
        counts,
    )


def busy_offsets():
    pool = bitmaps.BitmapPool(70_000)
    for offset in range(3000, 3300):
        pool.allocate_at(offset)
    pool.allocate_at(500)
    pool.allocate_run_at(512, 16)
    pool.free_run_count(16)
    return pool


@pytest.mark.parametrize(
    ("placement", "sustained"),
    [("lowest", False), ("spread", False), ("random", False), ("spread", True)],
    ids=["lowest", "spread", "random", "spread, all further allocations"],
)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_without_memory_changes_nothing_and_can_be_repeated(call, placement, sustained):
    for more_blocks in (0, 2):  # with two more, the tables of blocks and groups are full

        def make(more_blocks=more_blocks):
            return busy_pool(placement, more_blocks, with_entries=more_blocks == 0)

        late, done = make(), make()
        late.cooling_count(LATE)
        call(done)
        unchanged, after = (state(make()), state(late)), state(done)  # a call can end the cooldowns that are over
        for pool in failures(make, call, sustained=sustained):
            assert state(pool) in unchanged
            call(pool)
            assert placement == "random" or state(pool) == after


@pytest.mark.parametrize("placement", ["lowest", "packed", "spread", "random"])
def test_keys_that_got_addresses_before_memory_ran_out_have_none_and_no_draw_is_lost(placement):
    keys = ["new", "k3", *range(90)]
    expected = busy_pool(placement, 0, with_entries=True).assign_many(keys, 10)
    for pool in failures(lambda: busy_pool(placement, 0, with_entries=True), lambda pool: pool.assign_many(keys, 10)):
        assert [key for key in keys if key in pool] == ["k3"]
        assert pool.assign_many(keys, 10) == expected


@pytest.mark.parametrize("sustained", [False, True], ids=["one allocation", "all further allocations"])
@pytest.mark.parametrize("call", OFFSETS_CALLS.values(), ids=OFFSETS_CALLS)
def test_a_call_of_a_bitmap_pool_without_memory_changes_nothing_and_can_be_repeated(call, sustained):
    done = busy_offsets()
    call(done)
    unchanged, after = list(busy_offsets()), list(done)
    for pool in failures(busy_offsets, call, sustained=sustained):
        assert list(pool) == unchanged
        call(pool)
        assert list(pool) == after


@pytest.mark.parametrize(
    "make", [lambda: compiled.AddressPool(cooldown_ns=30), lambda: bitmaps.BitmapPool(70_000)], ids=["addresses", "offsets"]
)
def test_a_pool_that_cannot_be_made_is_a_memory_error(make):
    for number in itertools.count():
        _testcapi.set_nomemory(number, number + 1)
        try:
            make()
        except MemoryError:
            continue
        finally:
            _testcapi.remove_mem_hooks()
        break
    assert number > 1
