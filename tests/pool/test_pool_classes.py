"""What both pools have in common."""

import copy
import inspect
import pickle
import re
from array import array

import pytest

from vpcipam.errors import InvalidArgument, OutOfRange
from vpcipam.pool import plain

GOOD = {
    "address": 100,
    "base": 100,
    "buffer": array("I", [0]),
    "capacity": 8,
    "cooldown_ns": 0,
    "count": 1,
    "entry": None,
    "force": False,
    "group": 0,
    "key": "web",
    "keys": ("web", "api"),
    "length": 2,
    "note": None,
    "now_ns": 0,
    "offset": 0,
    "placement": "lowest",
    "seed": 0,
    "size": 4,
    "start": 0,
    "until_ns": 0,
}
INTEGERS = [
    (class_name, member, parameter)
    for class_name in ("AddressPool", "BitmapPool")
    for member, function in vars(getattr(plain, class_name)).items()
    if member.isascii() and inspect.isfunction(function) and (member == "__init__" or not member.startswith("_"))
    for parameter, details in inspect.signature(function).parameters.items()
    if "SupportsIndex" in str(details.annotation)
]


@pytest.mark.parametrize(("class_name", "member", "parameter"), INTEGERS)
@pytest.mark.parametrize("wrong", [-1, 2**200], ids=["below", "above"])
def test_a_number_out_of_bounds_is_refused_by_the_name_of_its_argument(pool_twin, class_name, member, parameter, wrong):
    pool_class = getattr(pool_twin, class_name)
    arguments = inspect.signature(getattr(getattr(plain, class_name), member)).parameters
    bad = [wrong] if parameter == "offsets" else wrong
    given = {name: bad if name == parameter else GOOD[name] for name in list(arguments)[1:]}
    by_position = [given[name] for name in given if arguments[name].kind is not inspect.Parameter.KEYWORD_ONLY]
    by_name = {name: given[name] for name in given if arguments[name].kind is inspect.Parameter.KEYWORD_ONLY}
    pool = pool_class(8) if class_name == "BitmapPool" else pool_class(cooldown_ns=0)
    if class_name == "AddressPool":
        pool.add_block(GOOD["base"], GOOD["size"])
    call = pool_class if member == "__init__" else getattr(pool, member)
    with pytest.raises((OutOfRange, InvalidArgument), match=rf"^{re.escape(parameter)}(\[0\])? must be "):
        call(*by_position, **by_name)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps], ids=["copy", "deepcopy", "pickle"])
def test_pools_are_not_copied_or_pickled(pool_twin, duplicate):
    for pool in (pool_twin.BitmapPool(8), pool_twin.AddressPool(cooldown_ns=1)):
        with pytest.raises(TypeError, match=f"{type(pool).__name__} can't be pickled or copied: build a new one"):
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
