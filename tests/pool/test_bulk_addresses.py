"""Several keys of an AddressPool in one call."""

import pytest

from vpcipam.errors import OutOfRange, PoolExhausted

PLACEMENTS = ("lowest", "packed", "spread", "random")


def busy(pool_twin, placement, cooldown_ns=30):
    """Blocks of several sizes in two groups; some keys hold addresses, some addresses cool, one block is closed."""
    pool = pool_twin.AddressPool(cooldown_ns=cooldown_ns, placement=placement, seed=7)
    for number, size in enumerate((16, 1, 3, 40, 16, 5)):
        pool.add_block(number * 100, size, number % 2)
    for number in range(30):
        pool.assign(number, 0)
    for number in range(0, 30, 3):
        pool.unassign(number, number)
    pool.close_block(400)
    return pool


def state(pool):
    return list(pool.items()), pool.cooling_items(), pool.assigned_count, [pool.block_assigned_count(base) for base, _, _ in pool.blocks()]


def free_count(pool, now_ns):
    """How many single keys find an address."""
    for number in range(pool.total_count):
        try:
            pool.assign(("single", number), now_ns)
        except PoolExhausted:
            return number
    return pool.total_count


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("now_ns", [29, 45, 100])
def test_several_keys_get_the_addresses_that_single_calls_would_give_them(pool_twin, placement, now_ns):
    for keys in ((), ("a",), (1, 2, 4), [*"abcabc", 1, *"xyz", 29, 0], range(25, 50), ["a", "b"] * 3):
        singly, at_once = busy(pool_twin, placement), busy(pool_twin, placement)
        assert at_once.assign_many(keys, now_ns) == [singly.assign(key, now_ns) for key in keys]
        at_once._check()
        assert state(at_once) == state(singly)
        assert at_once.assign("next", now_ns) == singly.assign("next", now_ns)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_keys_can_take_the_last_address_of_open_blocks_and_no_more(pool_twin, placement):
    for now_ns in (20, 40, 100):
        pool, free = busy(pool_twin, placement), free_count(busy(pool_twin, placement), now_ns)
        before = state(pool)
        keys = [*range(1, 30, 3), *range(100, 100 + free + 1)]
        with pytest.raises(PoolExhausted) as refusal:
            pool.assign_many([*keys, 100, "another"], now_ns)
        assert str(refusal.value) == (
            f"{free + 2} keys need an address, and {free} of 81 can be assigned: key {100 + free} at index {10 + free} "
            "would get none, so nothing was assigned; add a block, or try again after a cooldown"
        )
        assert state(pool) == before
        pool._check()
        assert len(set(pool.assign_many(keys[:-1], now_ns))) == len(keys) - 1
        pool._check()
        with pytest.raises(PoolExhausted):
            pool.assign("one more", now_ns)


def test_a_refusal_draws_no_random_number_and_ends_no_cooldown(pool_twin):
    refused, other = busy(pool_twin, "random"), busy(pool_twin, "random")
    with pytest.raises(PoolExhausted):
        refused.assign_many(range(100, 200), 100)
    assert refused.cooling_items() == other.cooling_items() != ()
    assert [refused.assign(key, 30) for key in "abcdef"] == [other.assign(key, 30) for key in "abcdef"]


def test_equal_keys_get_one_address_and_the_pool_holds_the_first(pool_twin):
    pool = pool_twin.AddressPool(cooldown_ns=0)
    pool.add_block(0, 2)
    assert pool.assign_many([1.0, "a", 1, True], 0) == [0, 1, 0, 0]
    assert [type(key) for key, _ in pool.items()] == [float, str]


def test_keys_of_one_hash_are_told_apart(pool_twin):
    pool = pool_twin.AddressPool(cooldown_ns=0)
    pool.add_block(0, 8)
    assert pool.assign_many([-1, -2, 2**61 - 1, 0, -2], 0) == [0, 1, 2, 3, 1]


def test_a_wrong_key_or_time_assigns_nothing(pool_twin):
    pool = pool_twin.AddressPool(cooldown_ns=0)
    pool.add_block(0, 8)
    with pytest.raises(TypeError, match="unhashable type: 'list'"):
        pool.assign_many(["a", [], "b"], 0)
    with pytest.raises(TypeError, match="not iterable"):
        pool.assign_many(5, 0)
    with pytest.raises(OutOfRange, match="now_ns"):
        pool.assign_many(["a"], -1)
    assert pool.assigned_count == 0


def test_an_empty_pool_takes_no_keys_but_none(pool_twin):
    pool = pool_twin.AddressPool(cooldown_ns=0)
    assert pool.assign_many([], 0) == []
    with pytest.raises(PoolExhausted, match=r"^1 keys need an address, and 0 of 0 can be assigned: key 'a' at index 0"):
        pool.assign_many(["a"], 0)


class Key:
    """A key of one hash for all, whose comparisons run code."""

    def __init__(self, name, when_compared=lambda: None):
        self.name = name
        self.when_compared = when_compared

    def __hash__(self):
        return 5

    def __eq__(self, other):
        self.when_compared()
        return self.name == other.name


def test_a_key_that_fails_to_compare_assigns_nothing(pool_twin):
    pool = pool_twin.AddressPool(cooldown_ns=0)
    pool.add_block(0, 8)

    def fail():
        raise OSError("no comparison")

    with pytest.raises(OSError, match="no comparison"):
        pool.assign_many([Key("a"), Key("b", fail), Key("c")], 0)
    assert pool.assigned_count == 0
    pool._check()


def test_a_key_can_change_the_pool_while_it_is_looked_up(pool_twin):
    pool = pool_twin.AddressPool(cooldown_ns=0)
    pool.add_block(0, 8)
    held = [Key(name) for name in "abc"]
    assert pool.assign_many(held, 0) == [0, 1, 2]

    def change():
        if todo:
            todo.pop(0)()

    todo = [lambda: pool.revoke(held[1])]
    held[0].when_compared = change
    assert pool.assign_many([Key("d")], 0) == [1]
    assert not todo
    assert pool.assign_many([Key("b"), Key("d")], 0) == [3, 1]
    todo = [lambda: pool.unassign(held[0], 1), lambda: pool.assign(Key("g"), 1), lambda: pool.assign_many([Key("e"), Key("f")], 1)]

    keys = [Key(name, change) for name in "gabef"]
    addresses = pool.assign_many(keys, 1)
    assert not todo
    assert [pool.address_of(key) for key in keys] == addresses
    assert len(set(addresses)) == 5
    pool._check()
