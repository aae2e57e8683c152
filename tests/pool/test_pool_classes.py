"""What both pools have in common."""

import copy
import pickle

import pytest


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps], ids=["copy", "deepcopy", "pickle"])
def test_pools_are_not_copied_or_pickled(pool_twin, duplicate):
    for pool in (pool_twin.BitmapPool(8), pool_twin.AddressPool(cooldown_ns=1)):
        with pytest.raises(TypeError, match="can't be pickled or copied: build a new one"):
            duplicate(pool)


def test_the_address_pool_can_be_subscripted(pool_twin):
    assert pool_twin.AddressPool[str].__origin__ is pool_twin.AddressPool


def test_pools_are_compared_by_identity(pool_twin):
    pools = [pool_twin.BitmapPool(8), pool_twin.BitmapPool(8)]
    assert pools[0] != pools[1]
    assert len(set(pools)) == 2


@pytest.mark.parametrize("class_name", ["AddressPool", "BitmapPool"])
def test_a_pool_is_no_base_class(pool_twin, class_name):
    with pytest.raises(TypeError, match=rf"type 'vpcipam\..*{class_name}' is not an acceptable base type"):
        type("Mine", (getattr(pool_twin, class_name),), {})


def test_making_a_pool_again_has_no_effect(pool_twin):
    bitmap, pool = pool_twin.BitmapPool(8), pool_twin.AddressPool(cooldown_ns=1)
    bitmap.allocate()
    pool.add_block(0, 4)
    bitmap.__init__(100)
    pool.__init__(cooldown_ns=50, placement="random", seed=9)
    assert (bitmap.capacity, bitmap.allocated_count) == (8, 1)
    assert (pool.cooldown_ns, pool.placement, pool.total_count) == (1, "lowest", 4)


def test_flags_are_booleans(pool_twin):
    pool = pool_twin.AddressPool(cooldown_ns=1)
    pool.add_block(0, 4)
    assert pool.is_closed(0) is False
    pool.close_block(0)
    assert pool.is_closed(0) is True
    pool.locked = 5
    assert pool.locked is True
