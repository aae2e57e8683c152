"""Memory stays flat, however often offsets, addresses and pools come and go; nothing that a pool no longer needs stays referenced."""

import contextlib
import gc
import itertools
import sys
from array import array

import pytest

from memory_growth import leaks
from vpcipam.errors import NotAllocated, PoolExhausted

FEW = 200
MANY = {"cython": 200_000, "python": 10_000}  # each round makes five changes or more, so the first is a million of them


def offsets(pool_twin):
    """Offsets whose ints a compiled pool keeps, others, and runs."""
    pool = pool_twin.BitmapPool(70_000)

    def come_and_go():
        pool.release(pool.allocate(1000))
        pool.release(pool.allocate(66_000))
        pool.release_run(pool.allocate_run(16, 66_000), 16)
        pool.allocate_at(500)
        pool.release(500)

    return come_and_go


def many_offsets(pool_twin):
    """Offsets in lists and in a buffer, in calls that succeed and calls that are refused."""
    pool = pool_twin.BitmapPool(70_000)
    buffer = array("I", [0] * 20)

    def come_and_go():
        pool.release_many(pool.allocate_many(20, 65_530))
        pool.allocate_into(buffer, 65_530)
        with pytest.raises(NotAllocated):
            pool.release_many([*buffer, 1])
        pool.release_from(buffer)
        with pytest.raises(PoolExhausted):
            pool.allocate_many(70_001)

    return come_and_go


def pools(pool_twin):
    """Pools with ints, runs, blocks of several sizes, keys and owner's objects, which are dropped while these are in use."""

    numbers = itertools.count()

    def make_and_drop():
        if next(numbers) % 10:  # a tenth of the rounds is enough to notice
            return
        bitmap = pool_twin.BitmapPool(700)
        for _ in range(100):
            bitmap.allocate(300)
        bitmap.allocate_run(16)
        pool = pool_twin.AddressPool(cooldown_ns=9, placement="random")
        pool.add_block(0, 1)
        pool.add_block(1000, 200, 1)
        pool.assign_at("far", 1190, 0)
        for number in range(66):
            pool.assign(("key", number), 0)
        pool.set_entry("far", ["entry"])
        pool.set_note("far", ["note"])

    return make_and_drop


def addresses(placement):
    """Keys and notes that are new in each round, cooldowns that end, and addresses near and far."""

    def make(pool_twin):
        pool = pool_twin.AddressPool(cooldown_ns=20, placement=placement)
        for number in range(4):
            pool.add_block(number * 1000, 40, number % 2)
        times = itertools.count(1000, 10)

        def come_and_go():
            now_ns = next(times)
            key = ("pod", now_ns)
            pool.assign_entry(key, now_ns, ["note"])
            pool.set_entry(key, ["entry"])
            assert pool.unassign_entry(key, now_ns) == ["entry"]
            pool.assign("revoked", now_ns)
            pool.revoke("revoked")
            pool.assign_at(key, 3030 + now_ns // 10 % 5, now_ns)
            pool.unassign(key, now_ns)
            pool.cool_at(2020 + now_ns // 10 % 10, now_ns + 5)

        return come_and_go

    return make


def many_addresses(pool_twin):
    """Keys that get their addresses in one call, twice the same key, and a call that is refused."""
    pool = pool_twin.AddressPool(cooldown_ns=0, placement="random")
    pool.add_block(0, 8)

    def come_and_go():
        keys = [("pod", number) for number in range(5)]
        pool.assign_many([*keys, *keys], 0)
        with contextlib.suppress(TypeError):  # not a PoolExhausted, whose `reprlib` fills a cache of the interpreter
            pool.assign_many([*range(4), []], 0)
        for key in keys:
            pool.revoke(key)

    return come_and_go


def blocks(pool_twin):
    """Blocks that are removed while keys hold their addresses, in groups that come and go."""
    pool = pool_twin.AddressPool(cooldown_ns=20, placement="packed")
    pool.add_block(50_000, 1)
    times = itertools.count(1000, 10)

    def come_and_go():
        now_ns = next(times)
        base = now_ns % 7 * 1000
        pool.add_block(base, 1 + now_ns % 150, now_ns % 3)
        for number in range(3):
            try:
                pool.assign((now_ns, number), now_ns)
            except PoolExhausted:  # a small block
                break
        pool.remove_block(base, force=True, now_ns=now_ns)
        if (key := pool.key_of(50_000)) is not None:
            pool.revoke(key)

    return come_and_go


ROUNDS = {
    "offsets": offsets,
    "pools": pools,
    "addresses, lowest": addresses("lowest"),
    "addresses, spread": addresses("spread"),
    "addresses, random": addresses("random"),
    "blocks": blocks,
    "many offsets": many_offsets,
    "many addresses": many_addresses,
}


@pytest.mark.parametrize("make", ROUNDS.values(), ids=ROUNDS)
def test_memory_stays_flat(pool_twin, make):
    assert not leaks(make(pool_twin), FEW)


@pytest.mark.thorough
@pytest.mark.parametrize("make", [offsets, addresses("lowest")], ids=["offsets", "addresses"])
def test_a_million_changes_leave_nothing_behind(pool_twin, make, request):
    work = make(pool_twin)
    for _ in range(FEW):
        work()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(MANY[request.node.callspec.params["pool_twin"]]):
        work()
    gc.collect()
    assert sys.getallocatedblocks() - before < 1_000


def test_reference_counts_of_ints_and_keys_stay_as_they_are(pool_twin):
    bitmap, pool = pool_twin.BitmapPool(2_000), pool_twin.AddressPool(cooldown_ns=0)
    pool.add_block(2**100, 16)
    key, note, entry = ("web", "eth0"), ["note"], ["entry"]
    number = bitmap.allocate(1000)
    bitmap.release(number)

    def counts():
        bitmap.release(bitmap.allocate(1000))
        return [sys.getrefcount(each) for each in (number, key, note, entry)]

    def come_and_go():
        bitmap.release(bitmap.allocate(1000))
        pool.assign_entry(key, 0, note)
        pool.assign_entry(key, 0, note)
        pool.set_entry(key, entry)
        pool.set_note(key, note)
        pool.note_of(key)
        pool.key_of(2**100)
        list(pool.items())
        assert key in pool
        pool.unassign_entry(key, 0)
        bitmap.release_many(bitmap.allocate_many(1, 1000))
        pool.assign_many([key, key], 0)
        pool.revoke(key)

    come_and_go()
    before = counts()
    for _ in range(200):
        come_and_go()
    assert counts() == before
