"""Keys that misbehave: they can't damage a pool, and what happens is what happens in a dict."""

import contextlib
import gc

import pytest

from vpcipam.errors import UnknownKey, VpcIpamError


class Unequal:
    """A key that is unequal to everything, itself included, as NaN is."""

    def __hash__(self):
        return 7

    def __eq__(self, other):
        return False


class Hooked:
    """A key whose hash and equality run a function of the test. All keys have one hash."""

    def __init__(self, name):
        self.name, self.hook = name, None

    def run(self):
        hook, self.hook = self.hook, None  # once
        if hook is not None:
            hook()

    def __hash__(self):
        self.run()
        return 7

    def __eq__(self, other):
        self.run()
        return isinstance(other, Hooked) and self.name == other.name


class StandIn:
    """Equal to a `Dying`, so that a call does not have to hold the key itself."""

    def __hash__(self):
        return 7

    def __eq__(self, other):
        return isinstance(other, StandIn)


class Dying(StandIn):
    """A key that runs a function of the test when its last reference goes."""

    def __init__(self, last_words):
        self.last_words = last_words

    def __del__(self):
        self.last_words()


class Odd(Exception):
    """Raised by a key's own code."""


def raise_odd():
    raise Odd


@pytest.fixture
def pool(pool_twin):
    pool = pool_twin.AddressPool(cooldown_ns=10)
    pool.add_block(100, 20)
    pool.add_block(200, 20, 1)
    return pool


# What a key can do to a pool in the middle of a call.
CHANGES = {
    "reads": lambda pool: (list(pool.items()), pool.blocks(), pool.cooling_items(), pool.address_of("other"), pool.total_count),
    "assigns": lambda pool: [pool.assign(("new", number), 5) for number in range(12)],
    "unassigns": lambda pool: [pool.unassign(key, 5) for key, _ in list(pool.items()) if key == "other"],
    "expires": lambda pool: pool.cooling_count(1000),
    "adds a block": lambda pool: pool.add_block(300, 20, 2),
    "removes a block": lambda pool: pool.remove_block(200, force=True, now_ns=5),
    "stores": lambda pool: (pool.set_entry("other", ["entry"]), pool.set_note("other", ["note"])),
    "collects garbage": lambda _: gc.collect(1),
}
LAST_CALLS = {
    "unassign": lambda pool: pool.unassign(StandIn(), 5),
    "unassign_entry": lambda pool: (pool.set_entry(StandIn(), "entry"), pool.unassign_entry(StandIn(), 5)),
    "revoke": lambda pool: pool.revoke(StandIn()),
    "remove_block": lambda pool: pool.remove_block(100, force=True),
    "remove_block, and cool": lambda pool: pool.remove_block(100, force=True, now_ns=5),
}
KEY_CALLS = {
    "assign": lambda pool, key: pool.assign(key, 20),
    "assign_entry": lambda pool, key: pool.assign_entry(key, 20, "note"),
    "assign_at": lambda pool, key: pool.assign_at(key, 110, 20),
    "unassign": lambda pool, key: pool.unassign(key, 20),
    "unassign_entry": lambda pool, key: pool.unassign_entry(key, 20),
    "revoke": lambda pool, key: pool.revoke(key),
    "address_of": lambda pool, key: pool.address_of(key),
    "entry_of": lambda pool, key: pool.entry_of(key),
    "note_of": lambda pool, key: pool.note_of(key),
    "set_entry": lambda pool, key: pool.set_entry(key, "entry"),
    "set_note": lambda pool, key: pool.set_note(key, "note"),
    "in": lambda pool, key: key in pool,
}


def test_a_key_unequal_to_itself_is_found_as_the_same_object_and_as_no_other(pool):
    key, other = Unequal(), Unequal()
    assert (pool.assign(key, 0), pool.assign(other, 0), pool.assign(key, 0)) == (100, 101, 100)
    assert (pool.address_of(key), pool.key_of(101), Unequal() in pool) == (100, other, False)
    with pytest.raises(UnknownKey):
        pool.unassign(Unequal(), 0)
    assert (pool.unassign(key, 0), pool.revoke(other)) == (100, 101)
    pool._check()


def test_no_number_is_a_key_by_its_identity(pool):
    number = float("nan")
    assert pool.assign((number, "eth0"), 0) == pool.assign((number, "eth0"), 0) == 100
    assert pool.assign((float("nan"), "eth0"), 0) == 101
    pool._check()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("call", LAST_CALLS.values(), ids=LAST_CALLS)
def test_a_key_that_dies_in_the_pool_can_use_it(pool, call, change):
    words = []

    def last_words():
        pool._check()
        with contextlib.suppress(VpcIpamError):  # it changes the pool twice
            change(pool)
        pool._check()
        words.append("said")

    pool.assign(Dying(last_words), 0)
    pool.assign("other", 0)
    pool.set_note(StandIn(), Dying(last_words))
    call(pool)
    assert words == ["said", "said"]
    assert pool.address_of("other") is None or pool.key_of(pool.address_of("other")) == "other"
    pool._check()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("call", KEY_CALLS.values(), ids=KEY_CALLS)
@pytest.mark.parametrize("given", ["held", "new"])
def test_a_key_whose_own_code_changes_the_pool_leaves_it_whole(pool, call, change, given):
    """The hash runs before the pool is read. After an equality that changed the pool, the search begins again."""
    stored, key = Hooked("held"), Hooked(given)
    pool.assign("other", 0)
    pool.assign(Hooked("first"), 0)
    pool.assign(stored, 0)
    for hooked in (key, stored):
        hooked.hook = lambda: change(pool)
        with contextlib.suppress(VpcIpamError):
            call(pool, key)
        hooked.hook = None
        pool._check()
    held = [each for each, _ in pool.items()]
    assert [pool.key_of(pool.address_of(each)) for each in held] == held


@pytest.mark.parametrize("call", KEY_CALLS.values(), ids=KEY_CALLS)
@pytest.mark.parametrize("when", ["hash", "equality"])
def test_an_error_of_a_keys_own_code_reaches_the_caller_and_changes_nothing(pool, call, when):
    stored, key = Hooked("held"), Hooked("held")
    pool.assign(stored, 0)
    pool.set_entry(stored, "entry")
    before = list(pool.items()), pool.cooling_items(), pool.entry_of(stored), pool.note_of(stored)
    (key if when == "hash" else stored).hook = raise_odd
    with pytest.raises(Odd):
        call(pool, key)
    assert (list(pool.items()), pool.cooling_items(), pool.entry_of(stored), pool.note_of(stored)) == before
    pool._check()
