"""No memory at any one allocation of a call: a MemoryError, and the compiled pool is as before."""

import gc

import pytest

from vpcipam.pool import USING_EXTENSION

_testcapi = pytest.importorskip("_testcapi", reason="this Python has no _testcapi, which makes allocations fail")
compiled = pytest.importorskip("vpcipam.pool.addresses", reason="only the compiled pool promises this")
pytestmark = pytest.mark.skipif(not USING_EXTENSION, reason="the plain twin was asked for")

BASE, REMOVED = 2**100, 2**70
ALLOCATIONS = 60  # more than any of the calls makes
CALLS = {
    "add_block": lambda pool: pool.add_block(2**90, 5000, 3),
    "add_block over remembered addresses": lambda pool: pool.add_block(REMOVED - 100, 5000, 4),
    "add_block over one remembered address": lambda pool: pool.add_block(REMOVED + 5, 6, 1),
    "remove_block": lambda pool: pool.remove_block(BASE, force=True),
    "remove_block with cooldowns": lambda pool: pool.remove_block(BASE, force=True, now_ns=9),
    "remove_block of a group's last one": lambda pool: pool.remove_block(2**60, force=True, now_ns=9),
    "close_block": lambda pool: pool.close_block(BASE),
    "assign": lambda pool: pool.assign("new", 10),
    "assign after a cooldown": lambda pool: pool.assign("new", 100),
    "assign_entry": lambda pool: pool.assign_entry("new", 100, ("note",)),
    "assign_at far": lambda pool: pool.assign_at("new", BASE + 3500, 10),
    "assign_at near": lambda pool: pool.assign_at("new", BASE + 100, 100),
    "cool_at far": lambda pool: pool.cool_at(BASE + 3600, 100),
    "cool_at near": lambda pool: pool.cool_at(BASE + 100, 10),
    "cool_at again": lambda pool: pool.cool_at(BASE + 30, 10**6),
    "unassign": lambda pool: pool.unassign("k3", 10),
    "unassign far": lambda pool: pool.unassign("far", 10),
    "unassign_entry": lambda pool: pool.unassign_entry("k3", 9),
    "revoke": lambda pool: pool.revoke("k3"),
    "revoke far": lambda pool: pool.revoke("far"),
    "set_entry": lambda pool: pool.set_entry("k20", ("entry",)),
    "set_note": lambda pool: pool.set_note("k20", ("note",)),
    "cooling_count": lambda pool: pool.cooling_count(100),
}


def busy_pool(placement, more_blocks):
    """A pool with every kind of place: near and far ones, cooling ones in and outside blocks, with and without entries and notes."""
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
    for number in range(8):
        pool.set_entry(f"k{number}", number)
        pool.set_note(f"k{number}", -number)
    for number, offset in enumerate((4000, 3000, 70)):
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


@pytest.mark.parametrize("placement", ["lowest", "packed", "spread", "random"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_without_memory_changes_nothing_and_can_be_repeated(call, placement):
    gc.collect()
    for more_blocks in (0, 2):  # with two more, the tables of blocks and groups are full
        for number in range(ALLOCATIONS):
            pool = busy_pool(placement, more_blocks)
            before, failed = state(pool), False
            _testcapi.set_nomemory(number, number + 1)
            try:
                call(pool)
            except MemoryError:
                failed = True
            finally:
                _testcapi.remove_mem_hooks()
            pool._check()
            if failed:
                assert state(pool) == before, f"allocation {number}"
                call(pool)
                pool._check()
    assert not failed, "some calls make more allocations"
