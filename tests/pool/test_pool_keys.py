"""Keys are the caller's objects: their code can raise or change the pool, and the pool must drop its references."""

import gc
import sys
import tracemalloc
import weakref
from typing import NamedTuple

import pytest

from vpcipam.errors import UnknownKey


class Bomb(Exception):
    """Raised by a key's own code."""


class Key:
    """A key whose equality runs a callback. All keys have one hash."""

    def __init__(self, name, on_equal=None):
        self.name = name
        self.on_equal = on_equal

    def __hash__(self):
        return 7

    def __eq__(self, other):
        for key in (self, other):
            if key.on_equal:
                key.on_equal()
        return self.name == other.name


def explode():
    raise Bomb


class Tracked:
    """A key with weak references."""


@pytest.fixture
def pool(pool_twin):
    pool = pool_twin.AddressPool(cooldown_ns=10)
    pool.add_block(100, 64)
    return pool


def test_keys_with_equal_hashes_are_distinguished(pool):
    for number in range(30):
        assert pool.assign(Key(number), 0) == 100 + number
    for number in range(0, 30, 2):
        assert pool.unassign(Key(number), 0) == 100 + number
    assert [pool.address_of(Key(number)) for number in range(30)] == [None if number % 2 == 0 else 100 + number for number in range(30)]
    pool._check()


def test_keys_whose_hashes_differ_by_powers_of_two_are_all_found(pool):
    keys = [number << 40 for number in range(64)]
    for offset, key in enumerate(keys):
        assert pool.assign(key, 0) == 100 + offset
    for key in keys[::3]:
        pool.unassign(key, 0)
    assert [key in pool for key in keys] == [index % 3 != 0 for index in range(64)]
    pool._check()


class Alias:
    """Equal to a key, with the same hash: a dict finds one by the other, so a pool must too."""

    def __init__(self, key):
        self.key = key

    def __hash__(self):
        return hash(self.key)

    def __eq__(self, other):
        return self.key == other


class Pair(NamedTuple):
    first: object
    second: object


class OddPair(tuple):
    __slots__ = ()

    def __hash__(self):
        return 7


class Text(str):
    __slots__ = ()

    def __hash__(self):
        return 7


@pytest.mark.parametrize(
    "key",
    [
        (),
        ("a",),
        ("aws-cni", "0" * 64, "eth0"),
        ("", "é", "€", "😀"),
        (1, -1, -2, 2**70, 0.5, None, b"bytes"),
        (((), ("nested",)), ("twice", ("nested", 3))),
        tuple(map(str, range(100))),
        Pair("first", 2),
        OddPair(("first", 2)),
        ("text", Text("text")),
        Text("text"),
        "text",
        -1,
    ],
)
def test_a_key_is_found_by_whatever_is_equal_to_it(pool, key):
    assert pool.assign(key, 0) == 100
    assert pool.address_of(Alias(key)) == 100
    assert pool.unassign(Alias(key), 0) == 100
    assert pool.assign(Alias(key), 0) == 101
    assert pool.assign(key, 0) == 101


def test_a_named_tuple_is_the_same_key_as_the_tuple_it_equals(pool):
    assert pool.assign(Pair("first", 2), 0) == pool.assign(("first", 2), 0)


def test_strings_that_were_never_hashed_are_found(pool):
    assert pool.assign((str(b"fresh", "ascii"), str(b"text", "ascii")), 0) == pool.assign(("fresh", "text"), 0)
    assert pool.assign(str(b"bare text", "ascii"), 0) == pool.assign("bare text", 0)


@pytest.mark.parametrize("call", ["assign", "assign_at", "unassign", "address_of", "contains"])
def test_an_error_in_a_keys_equality_propagates_and_changes_nothing(pool, call):
    pool.assign(Key("held"), 0)
    before = list(pool.items()), pool.cooling_items()
    bad = Key("bad", explode)
    calls = {
        "assign": lambda: pool.assign(bad, 0),
        "assign_at": lambda: pool.assign_at(bad, 105, 0),
        "unassign": lambda: pool.unassign(bad, 0),
        "address_of": lambda: pool.address_of(bad),
        "contains": lambda: bad in pool,
    }
    with pytest.raises(Bomb):
        calls[call]()
    assert (list(pool.items()), pool.cooling_items()) == before
    pool._check()


@pytest.mark.parametrize("call", ["assign", "assign_at", "unassign", "address_of"])
def test_an_unhashable_key_is_a_type_error(pool, call):
    with pytest.raises(TypeError, match="unhashable type: 'list'"):
        getattr(pool, call)(*{"assign_at": ([], 100, 0), "address_of": ([],)}.get(call, ([], 0)))
    with pytest.raises(TypeError, match="unhashable type: 'list'"):
        _ = [] in pool
    assert pool.assigned_count == 0


def test_forced_removal_runs_no_code_of_the_keys(pool):
    keys = [Key(number) for number in range(5)]
    for key in keys:
        pool.assign(key, 0)
    for key in keys:
        key.on_equal = explode
    assert pool.remove_block(100, force=True) == tuple(keys)
    pool._check()


@pytest.mark.parametrize("change", ["assign the same key", "assign others", "unassign", "remove the block"])
def test_a_key_whose_equality_changes_the_pool_is_looked_up_in_the_changed_pool(pool, change):
    held = Key("held")
    pool.assign(held, 0)
    late = Key("late")

    def once():
        late.on_equal = None
        if change == "assign the same key":
            pool.assign(Key("late"), 0)
        elif change == "assign others":
            for number in range(40):
                pool.assign(("other", number), 0)
        elif change == "unassign":
            pool.unassign(held, 0)
        else:
            pool.remove_block(100, force=True)
            pool.add_block(500, 4)

    late.on_equal = once
    expected = {"assign the same key": 101, "assign others": 141, "unassign": 101, "remove the block": 500}
    assert pool.assign(late, 0) == expected[change]
    assert pool.address_of(Key("late")) == expected[change]
    pool._check()


@pytest.mark.parametrize("moved", range(4))
@pytest.mark.parametrize("wanted", range(4))
def test_a_key_is_found_though_a_comparison_removes_another_and_adds_it_again(pool, moved, wanted):
    keys = [Key(number) for number in range(4)]
    for key in keys:
        pool.assign(key, 0)
    probe = Key(wanted)

    def move():
        probe.on_equal = None
        pool.revoke(keys[moved])
        pool.assign(keys[moved], 0)

    probe.on_equal = move
    assert pool.address_of(probe) == 100 + wanted
    pool._check()


def test_nested_assigns_from_equalities_never_fill_the_table(pool):
    """Each nested call has checked that there is room; none can rely on that after another call has run."""
    pool.assign(Key("held"), 0)
    left = list(range(40))

    def nest():
        if left:
            pool.assign(Key(left.pop(), nest), 0)

    pool.assign(Key("outer", nest), 0)
    assert pool.assigned_count == 42
    assert sorted(address for _, address in pool.items()) == list(range(100, 142))
    pool._check()


def test_arguments_are_converted_before_the_pool_is_read(pool_twin):
    pool = pool_twin.AddressPool(cooldown_ns=0)

    class Now:
        def __index__(self):
            pool.remove_block(100, force=True)
            pool.add_block(200, 1)
            return 5

    pool.add_block(100, 1)
    assert pool.assign("a", Now()) == 200
    pool.add_block(100, 1)
    assert pool.assign_at("b", 100, 0) is None
    assert pool.assign_at("b", 100, 1) is None
    pool._check()


def test_a_released_key_is_not_referenced(pool):
    key = Tracked()
    watch = weakref.ref(key)
    pool.assign(key, 0)
    pool.unassign(key, 0)
    del key
    assert watch() is None


def test_evicted_keys_are_not_referenced(pool):
    key = Tracked()
    watch = weakref.ref(key)
    pool.assign(key, 0)
    pool.remove_block(100, force=True)
    del key
    assert watch() is None


def test_a_refused_key_is_not_referenced(pool):
    key = Tracked()
    watch = weakref.ref(key)
    with pytest.raises(UnknownKey):
        pool.unassign(key, 0)
    pool.assign_at("other", 105, 0)
    for address in (105, 5000):
        with pytest.raises(Exception, match="address"):
            pool.assign_at(key, address, 0)
    del key
    gc.collect()  # the tracebacks held it
    assert watch() is None


@pytest.mark.parametrize("way", ["unassign", "remove_block"])
def test_a_key_can_use_the_pool_when_it_is_deleted(pool, way):
    class Last:
        def __del__(self):
            pool.assign("assigned with the last breath", 0)

    pool.add_block(500, 4, 1)
    pool.assign(Last(), 0)
    if way == "unassign":
        pool.unassign(next(pool.items())[0], 0)
    else:
        pool.remove_block(100, force=True)
    gc.collect()
    assert pool.address_of("assigned with the last breath") == {"unassign": 101, "remove_block": 500}[way]
    pool._check()


def test_a_pool_and_keys_that_refer_to_it_are_collected(pool_twin):
    pool = pool_twin.AddressPool(cooldown_ns=10)
    pool.add_block(100, 64)
    key = Tracked()
    key.pool = pool
    pool.assign(key, 0)
    watch = weakref.ref(key), weakref.ref(pool)
    del key, pool
    gc.collect()
    assert [ref() for ref in watch] == [None, None]


def test_reference_counts_are_balanced(pool):
    key = ("aws-cni", "c" * 64, "eth0")
    before = sys.getrefcount(key), sys.getrefcount(None)
    for now_ns in range(0, 4000, 20):
        pool.assign(key, now_ns)
        pool.assign(key, now_ns)
        pool.address_of(key)
        pool.key_of(100)
        list(pool.items())
        pool.unassign(key, now_ns)
    assert sys.getrefcount(key) == before[0]
    assert abs(sys.getrefcount(None) - before[1]) < 200  # None is counted all over the interpreter; 200 rounds of a leak would show


def churn(pool_twin, rounds):
    pool = pool_twin.AddressPool(cooldown_ns=3, placement="random")
    offsets = pool_twin.BitmapPool(500)
    for now_ns in range(rounds):
        base = now_ns % 7 * 1000
        pool.add_block(base, 1 + now_ns % 200, now_ns % 3)
        pool.cool_at(base, now_ns + 2)
        for number in range(now_ns % 200 // 2):
            pool.assign((now_ns, number), now_ns)
        pool.remove_block(base, force=True, now_ns=now_ns)
        pool.cooling_count(now_ns)
        offsets.release(offsets.allocate(start=now_ns % 500))
        offsets.release_run(offsets.allocate_run(16), 16)


@pytest.mark.thorough
def test_long_churn_uses_no_more_memory_than_short_churn(pool_twin):
    churn(pool_twin, 50)  # warms up whatever the interpreter keeps
    tracemalloc.start()
    try:
        churn(pool_twin, 50)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        churn(pool_twin, 250)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000
