"""Other tests rely on `_check()`, so that of the plain pools must find damage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.pool.plain import AddressPool, BitmapPool


@st.composite
def bitmap_pools(draw):
    """A pool with some offsets taken, and with counts of runs."""
    pool = BitmapPool(draw(st.sampled_from([1, 2, 63, 64, 65, 127, 129])))
    for length in (2, 16):
        pool.free_run_count(length)
    for offset in draw(st.sets(st.integers(0, pool.capacity - 1), max_size=5)):
        pool.allocate_at(offset)
    pool._check()
    return pool


def damaged(pool, invariant):
    with pytest.raises(AssertionError, match=f"invariant {invariant} is broken"):
        pool._check()


@given(pool=bitmap_pools(), data=st.data())
def test_the_check_of_a_bitmap_finds_each_wrong_bit(pool, data):
    trees = [(pool._free, pool.capacity), *((runs.tree, runs.units) for runs in pool._runs.values())]
    tree, size = data.draw(st.sampled_from([(tree, size) for tree, size in trees if size]))
    level = data.draw(st.integers(0, len(tree.levels) - 1))
    place = data.draw(st.integers(0, (size if level == 0 else len(tree.levels[level - 1])) - 1))
    tree.levels[level][place // 64] ^= 1 << place % 64
    damaged(pool, "[234]")


@given(pool=bitmap_pools(), data=st.data())
def test_the_check_of_a_bitmap_finds_each_bit_past_the_capacity(pool, data):
    past = range(pool.capacity, -(-pool.capacity // 64) * 64)
    if past:
        pool._free.levels[0][-1] |= 1 << data.draw(st.sampled_from(past)) % 64
        damaged(pool, 1)


@given(pool=bitmap_pools(), step=st.sampled_from([-1, 1]))
def test_the_check_of_a_bitmap_finds_each_wrong_count(pool, step):
    pool._allocated_count += step
    damaged(pool, 3)
    pool._allocated_count -= step
    for runs in pool._runs.values():
        runs.count += step
        damaged(pool, 4)
        runs.count -= step


@pytest.fixture
def pool():
    """Two blocks of a group and a closed one of another; addresses that are assigned, cool in a block, and cool outside all blocks."""
    pool = AddressPool(cooldown_ns=10)
    for base, size, group in [(4, 4, 0), (8, 2, 0), (20, 4, 1), (30, 1, 1)]:
        pool.add_block(base, size, group)
    for key, address in {"a": 4, "b": 5, "c": 7, "d": 9, "e": 22, "f": 30}.items():
        pool.assign_at(key, address, 0)
    for key in "bcf":
        pool.unassign(key, 0)
    pool.remove_block(30)
    pool.close_block(20)
    pool._check()
    return pool


COUNTS = {
    **{name: lambda pool: pool for name in ("_total_count", "_assigned_count", "_in_block_cooling_count")},
    **{f"block.{name}": lambda pool: pool._blocks[4] for name in ("assigned_count", "cooling_count")},
    **{
        f"group.{name}": lambda pool: pool._groups[0]
        for name in ("assigned_count", "block_count", "busy_count", "cooling_count", "total_count")
    },
}


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("step", [-1, 1])
def test_the_check_of_an_address_pool_finds_each_wrong_count(pool, name, step):
    counted, attribute = COUNTS[name](pool), name.rpartition(".")[2]
    setattr(counted, attribute, getattr(counted, attribute) + step)
    damaged(pool, 3)


DAMAGES = {
    "an address under another number": (1, lambda pool: pool._uses.update({6: pool._uses[4]})),
    "a key that can't be found": (1, lambda pool: pool._holders.popitem()),
    "a key that is found without an address": (1, lambda pool: pool._holders.update({0: [pool._uses[5]]})),
    "an address in another block": (1, lambda pool: setattr(pool._uses[4], "block", pool._blocks[8])),
    "a cooldown that is forgotten": (1, lambda pool: pool._remembered.remove(30)),
    "a cooldown that is remembered in a block": (1, lambda pool: pool._remembered.add(5)),
    "a block that is not ordered": (2, lambda pool: pool._blocks.update({3: pool._blocks[4]})),
    "blocks that overlap": (2, lambda pool: setattr(pool._blocks[4], "size", 5)),
    "an address that is in use without a key": (3, lambda pool: pool._blocks[4].used.add(2)),
    "an address that seems free": (3, lambda pool: pool._blocks[4].used.remove(0)),
    "a block in a group of its own": (3, lambda pool: setattr(pool._blocks[8], "group", pool._groups[1])),
    "a group without blocks": (3, lambda pool: pool._groups.update({2: type(pool._groups[0])()})),
    "a cooldown that never ends": (4, lambda pool: pool._cooling.pop()),
    "a cooldown with another end": (4, lambda pool: setattr(pool._uses[5], "until_ns", 11)),
    "cooldowns out of order": (4, lambda pool: pool._cooling.reverse()),
    "a block that is not offered": (5, lambda pool: pool._open.pop()),
    "blocks offered out of order": (5, lambda pool: pool._open.reverse()),
    "an open block without a rank": (5, lambda pool: pool._open.remove(pool._blocks[4].rank) or setattr(pool._blocks[4], "rank", None)),
    "a closed block with a rank": (5, lambda pool: setattr(pool._blocks[4], "closed", True)),
    "a free offset that is passed over": (6, lambda pool: setattr(pool._blocks[4], "_fresh", 3)),
}


@pytest.mark.parametrize(("invariant", "damage"), DAMAGES.values(), ids=DAMAGES)
def test_the_check_of_an_address_pool_finds_each_kind_of_damage(pool, invariant, damage):
    damage(pool)
    damaged(pool, invariant)
