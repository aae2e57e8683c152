"""Every method of an address pool with a wrong time, address, block or group: both twins refuse alike, and nothing changes."""

import inspect

import pytest
from pool_worlds import EVERYWHERE_OUT_OF_RANGE, TWIN_NAMES, WRONG_TYPES, outcome, twins

from vpcipam.errors import VpcIpamError
from vpcipam.pool.plain import AddressPool as PlainAddressPool

TIMES = (2**62, 2**63 - 1, 2**63, 2**64, *EVERYWHERE_OUT_OF_RANGE, *WRONG_TYPES)
PLACES = (99, 108, 116, 2**48, 2**63, 2**64, 2**128 - 1, *EVERYWHERE_OUT_OF_RANGE, *WRONG_TYPES)  # the blocks end at 107 and 115
GROUPS = (2**31, 2**63, 2**64, *EVERYWHERE_OUT_OF_RANGE, *WRONG_TYPES)
WRONG = {"now_ns": TIMES, "until_ns": TIMES[1:], "address": PLACES, "base": (101, *PLACES), "group": GROUPS, "size": (0, *GROUPS)}
GOOD = {
    "add_block": {"base": 200, "size": 8, "group": 1},
    "assign": {"key": "new", "now_ns": 20},
    "assign_at": {"key": "new", "address": 105, "now_ns": 20},
    "assign_many": {"keys": ("new", "newer"), "now_ns": 20},
    "assign_entry": {"key": "new", "now_ns": 20},
    "block_assigned_count": {"base": 100},
    "block_cooling_count": {"base": 100, "now_ns": 5},
    "block_items": {"base": 100},
    "block_of": {"address": 100},
    "block_total_count": {"base": 100},
    "close_block": {"base": 100},
    "cool_at": {"address": 106, "until_ns": 50},
    "cooling_count": {"now_ns": 5},
    "cooling_until": {"address": 101},
    "group_assigned_count": {"group": 0},
    "group_block_count": {"group": 0},
    "group_cooling_count": {"group": 0, "now_ns": 5},
    "group_empty_block_count": {"group": 0},
    "group_total_count": {"group": 0},
    "is_closed": {"base": 100},
    "key_of": {"address": 100},
    "open_block": {"base": 100},
    "remove_block": {"base": 100, "force": True, "now_ns": 20},
    "unassign": {"key": "web", "now_ns": 20},
    "unassign_entry": {"key": "web", "now_ns": 20},
}


def world(twin):
    """Two blocks of eight addresses, one held and one that cools."""
    pool = twin.AddressPool(cooldown_ns=10)
    pool.add_block(100, 8)
    pool.add_block(108, 8, 1)
    pool.assign("web", 0)
    pool.set_entry("web", "an entry")
    pool.assign("gone", 0)
    pool.unassign("gone", 5)
    return pool


def state(pool):
    counts = (pool.total_count, pool.assigned_count, pool.cooling_count(5), pool.group_block_count(0), pool.group_total_count(1))
    return list(pool.items()), pool.cooling_items(), pool.blocks(), [pool.is_closed(base) for base, _, _ in pool.blocks()], counts


def call(pool, name, arguments):
    """Call by position, as the compiled twin wants it, but for the keywords of `remove_block`."""
    keywords = {key: value for key, value in arguments.items() if name == "remove_block" and key != "base"}
    return outcome(pool, name, *(value for key, value in arguments.items() if key not in keywords), **keywords)


def test_every_method_with_an_integer_is_called_here():
    methods = inspect.getmembers(PlainAddressPool, inspect.isfunction)
    public = {name: method for name, method in methods if name[0] != "_" and name.isascii()}  # mutmut adds names that are not
    assert {name for name, method in public.items() if set(WRONG) & set(inspect.signature(method).parameters)} == set(GOOD)
    assert len(twins()) == len(TWIN_NAMES)


@pytest.mark.parametrize("name", GOOD)
def test_its_call_here_is_granted(pool_twin, name):
    assert call(world(pool_twin), name, GOOD[name])[0] == "done"


@pytest.mark.parametrize("name", GOOD)
def test_a_wrong_integer_is_refused_alike_and_changes_nothing(name):
    for argument in set(WRONG) & set(GOOD[name]):
        for wrong in WRONG[argument]:
            if (name, argument, wrong) == ("remove_block", "now_ns", None):
                continue  # no time is needed where nothing is held
            answers = []
            for twin in twins():
                pool = world(twin)
                before = state(pool)
                kind, answer, words = call(pool, name, {**GOOD[name], argument: wrong})
                answers.append((kind, answer, words))
                pool._check()
                if kind == "refused":
                    assert issubclass(answer, VpcIpamError | TypeError)
                    assert words
                    assert state(pool) == before, (argument, wrong)
                else:  # a place that the pool does not have, or a fitting one
                    assert argument in {"address", "base", "group", "size"}
                    assert isinstance(wrong, int)
            assert len(set(map(repr, answers))) == 1, (argument, wrong, answers)
