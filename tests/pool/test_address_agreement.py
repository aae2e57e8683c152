"""AddressPool: naive model, plain and compiled twin side by side, with random programs and all short ones."""

from itertools import product

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from naive_pools import NaiveAddressPool
from pool_worlds import EVERYWHERE_OUT_OF_RANGE, WRONG_TYPES, Indexable, SideBySide, twins

PLACEMENTS = ("lowest", "packed", "spread", "random")
TIME_MAX = 2**62 - 1

# Small neighbourhoods: where addresses begin and end, where their 64-bit halves meet, where a signed half ends, one of IPv4.
ORIGINS = (0, 10 << 24, 2**63 - 40, 2**64 - 40, 2**127 - 16, 2**128 - 300)
SIZES = (1, 2, 3, 15, 16, 17, 63, 64, 65, 129, 4097, 2**48)

steps = st.one_of(st.integers(0, 20), st.sampled_from((15, 16, 17, 31, 63, 64, 65, 127, 128, 129, 255, 256, 300, 4095, 4096, 2**40)))
keys = st.sampled_from(
    [*"abcdefghijkl", 0, 1, 1.0, True, -1, -2, 2**61, ("a", "b", "c"), None]
)  # 1, 1.0 and True are one key; hash(-1) is hash(-2)
groups = st.integers(0, 3)
wrong = st.sampled_from([*WRONG_TYPES, *EVERYWHERE_OUT_OF_RANGE, 2**31, 2**48 + 1, 2**62, 2**63 - 1, True, Indexable(1), Indexable(2**70)])

# Each method with valid arguments; the machine replaces each of them with an invalid one.
RIGHT_ARGUMENTS = {
    "add_block": (0, 1, 0),
    "remove_block": (0,),
    "close_block": (0,),
    "open_block": (0,),
    "is_closed": (0,),
    "block_of": (0,),
    "assign": ("a", 0),
    "assign_at": ("a", 0, 0),
    "unassign": ("a", 0),
    "address_of": ("a",),
    "key_of": (0,),
    "block_items": (0,),
    "cool_at": (0, 0),
    "cooling_until": (0,),
    "cooling_count": (0,),
    "block_total_count": (0,),
    "block_assigned_count": (0,),
    "block_cooling_count": (0, 0),
    "group_block_count": (0,),
    "group_empty_block_count": (0,),
    "group_total_count": (0,),
    "group_assigned_count": (0,),
    "group_cooling_count": (0, 0),
}


def side_by_side(**settings):
    return SideBySide(NaiveAddressPool(**settings), [twin.AddressPool(**settings) for twin in twins()])


class AddressAgreement(RuleBasedStateMachine):
    @initialize(
        cooldown_ns=st.sampled_from((0, 1, 3, 10)),
        placement=st.sampled_from(PLACEMENTS),
        seed=st.sampled_from((0, 1, 2**63, 2**64 - 1)),
        origins=st.lists(st.sampled_from(ORIGINS), min_size=1, max_size=2, unique=True),
        blocks=st.lists(st.tuples(steps, st.sampled_from(SIZES), groups), max_size=4),
    )
    def build(self, cooldown_ns, placement, seed, origins, blocks):
        self.sides = side_by_side(cooldown_ns=cooldown_ns, placement=placement, seed=seed)
        self.origins = origins
        self.now_ns = 0
        for step, size, group in blocks:
            self.sides.call("add_block", origins[0] + step, size, group)

    def address(self, step, at):
        """An address near an origin, or in one of the blocks."""
        bases = [*self.sides.naive.rank(), *self.origins]
        return bases[at % len(bases)] + step

    def base(self, at):
        bases = self.sides.naive.rank()
        return bases[at % len(bases)]

    @rule(step=st.integers(0, 4))
    def wait(self, step):
        self.now_ns = min(self.now_ns + step, TIME_MAX)

    @rule(step=st.integers(1, 6))
    def step_clock_back(self, step):
        self.now_ns = max(self.now_ns - step, 0)

    @rule()
    def go_to_the_end_of_time(self):
        self.now_ns = TIME_MAX - 5

    @rule(at=st.integers(0, 1), step=steps, size=st.sampled_from(SIZES), group=groups)
    def add_block(self, at, step, size, group):
        self.sides.call("add_block", self.origins[at % len(self.origins)] + step, size, group)

    @precondition(lambda self: self.sides.naive.sizes)
    @rule(at=st.integers(0, 5), force=st.booleans(), with_time=st.booleans(), again=st.booleans())
    def remove_block(self, at, force, with_time, again):
        base = self.base(at)
        size, group = self.sides.naive.sizes[base], self.sides.naive.groups[base]
        done, *_ = self.sides.call("remove_block", base, force=force, now_ns=self.now_ns if with_time else None)
        if again and done == "done":
            self.sides.call("add_block", base, size, group)

    @precondition(lambda self: self.sides.naive.sizes)
    @rule(at=st.integers(0, 5), name=st.sampled_from(("close_block", "open_block")))
    def close_or_open_block(self, at, name):
        self.sides.call(name, self.base(at))

    @rule(key=keys)
    def assign(self, key):
        self.sides.call("assign", key, now_ns=self.now_ns)

    @rule(several=st.lists(keys, max_size=6), count=st.integers(0, 70))
    def assign_many(self, several, count):
        self.sides.call("assign_many", [*several, *(("many", number) for number in range(count)), *several], self.now_ns)

    @rule(several=st.lists(st.one_of(keys, st.just([])), max_size=3), now_ns=st.one_of(st.just(0), wrong))
    def assign_many_with_wrong_arguments(self, several, now_ns):
        self.sides.call("assign_many", several, now_ns)

    @rule(count=st.integers(1, 70))
    def assign_one_by_one(self, count):
        for number in range(count):
            self.sides.call("assign", ("many", number), self.now_ns)

    @rule(key=keys, step=steps, at=st.integers(0, 5))
    def assign_at(self, key, step, at):
        self.sides.call("assign_at", key, self.address(step, at), self.now_ns)

    @rule(key=keys)
    def unassign(self, key):
        self.sides.call("unassign", key, self.now_ns)

    def entry_for(self, address):
        """The entry that an owner keeps for an address: a new one after its block was removed and added again."""
        naive = self.sides.naive
        return address, naive.added[naive.covering(address)]

    def with_entry(self, pool, key):
        """The entry of a key's address, set again if the pool has none: pools forget entries of free addresses at different times."""
        if pool.entry_of(key) is None and pool.address_of(key) is not None:
            pool.set_entry(key, self.entry_for(pool.address_of(key)))
        return pool.entry_of(key)

    @rule(key=keys, note=st.sampled_from((None, "x", "y")), now_ns=st.one_of(st.none(), wrong))
    def assign_entry(self, key, note, now_ns):
        def enter(pool):
            entry = pool.assign_entry(key, self.now_ns if now_ns is None else now_ns, note)
            assert entry in (None, self.entry_for(pool.address_of(key)))
            return self.with_entry(pool, key)

        self.sides.call(enter)

    @rule(key=keys, now_ns=st.one_of(st.none(), wrong))
    def unassign_entry(self, key, now_ns):
        def leave(pool):
            entry = self.with_entry(pool, key)
            assert pool.unassign_entry(key, self.now_ns if now_ns is None else now_ns) == entry

        self.sides.call(leave)

    @rule(key=keys, note=st.sampled_from((None, "x", "y")))
    def set_note(self, key, note):
        self.sides.call("set_note", key, note)
        self.sides.call("set_entry", "of nobody", 1)

    @rule(key=keys)
    def look_at_what_is_kept(self, key):
        self.sides.call("note_of", key)
        self.sides.call(lambda pool: self.with_entry(pool, key))

    @rule(key=keys)
    def revoke(self, key):
        self.sides.call("revoke", key)

    @rule(first=st.integers(0, 40), every=st.integers(1, 3))
    def unassign_many(self, first, every):
        for number in range(first, 70, every):
            self.sides.call("unassign", ("many", number), self.now_ns)

    @rule(step=steps, at=st.integers(0, 5), until=st.integers(-3, 12))
    def cool_at(self, step, at, until):
        self.sides.call("cool_at", self.address(step, at), max(0, self.now_ns + until))

    @rule(step=steps, at=st.integers(0, 5), key=keys)
    def look(self, step, at, key):
        for name in ("key_of", "block_of", "cooling_until"):
            self.sides.call(name, self.address(step, at))
        self.sides.call("address_of", key)

    @rule(step=steps, at=st.integers(0, 5), group=st.integers(0, 4))
    def count(self, step, at, group):
        base = self.address(step, at)
        self.sides.call("block_total_count", base)
        self.sides.call("block_assigned_count", base)
        self.sides.call("block_cooling_count", base, self.now_ns)
        self.sides.call("group_block_count", group)
        self.sides.call("group_empty_block_count", group)
        self.sides.call("group_total_count", group)
        self.sides.call("group_assigned_count", group)
        self.sides.call("group_cooling_count", group, now_ns=self.now_ns)
        self.sides.call("cooling_count", self.now_ns)
        self.sides.call("is_closed", base)
        self.sides.call("block_items", base)

    @rule(name=st.sampled_from(sorted(RIGHT_ARGUMENTS)), values=st.lists(wrong, min_size=3, max_size=3), places=st.integers(1, 7))
    def give_wrong_arguments(self, name, values, places):
        right = RIGHT_ARGUMENTS[name]
        self.sides.call(name, *[values[i] if places >> i & 1 else right[i] for i in range(len(right))])

    @rule(value=wrong)
    def remove_block_at_a_wrong_time(self, value):
        for base in (*self.sides.naive.rank()[:1], 2**127):
            if self.sides.naive.sizes.get(base) is None or type(value) is not bool:
                self.sides.call("remove_block", base, now_ns=value)

    @invariant()
    def agree(self):
        self.sides.check()
        for name in ("blocks", "items", "cooling_items"):
            self.sides.call(name)
        self.sides.read("total_count")
        self.sides.read("assigned_count")
        for key in self.sides.naive.held:
            self.sides.call("note_of", key)
        assert len({repr(pool) for pool in self.sides.pools}) == 1

    @invariant()
    def no_address_is_held_twice_or_held_while_it_cools(self):
        for pool in self.sides.pools:
            held = [address for _, address in pool.items()]
            cooling = [address for address, _ in pool.cooling_items()]
            assert len({*held, *cooling}) == len(held) + len(cooling)


TestAddressAgreement = AddressAgreement.TestCase

# Two groups, of one address and of two, and every call that matters there.
TINY_CALLS = (
    *[("assign", key, now_ns) for key in "ab" for now_ns in (0, 2)],
    *[("unassign", key, now_ns) for key in "ab" for now_ns in (0, 1)],
    *[("assign_many", several, 1) for several in ("ab", "bcb")],
    *[("assign_at", "a", address, 1) for address in (4, 5, 6)],
    ("revoke", "a"),
    ("cool_at", 5, 2),
    ("close_block", 4),
    ("open_block", 4),
    ("remove_block", 5),
    ("add_block", 4, 3, 0),
    ("add_block", 5, 2, 1),
    ("cooling_count", 2),
)


@pytest.mark.thorough
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_twins_agree_on_every_short_sequence_of_calls(placement):
    for sequence in product(TINY_CALLS, repeat=3):
        sides = side_by_side(cooldown_ns=2, placement=placement, seed=5)
        sides.call("add_block", 4, 1, 1)
        sides.call("add_block", 5, 2, 0)
        for call in sequence:
            sides.call(*call)
        sides.check()
        sides.call("items")
        sides.call("cooling_items")


@pytest.mark.thorough
@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("cooldown_ns", [0, 5])
def test_twins_agree_while_many_blocks_fill_and_drain(placement, cooldown_ns):
    sides = side_by_side(cooldown_ns=cooldown_ns, placement=placement, seed=3)
    for number in range(130):
        sides.call("add_block", number * 20 * (-1) ** number % 4000, 1 + number % 3, number % 5)
    for now_ns in range(250):
        sides.call("assign", now_ns, now_ns)
        if now_ns >= 200:
            sides.call("unassign", now_ns - 200, now_ns)
        if now_ns % 50 == 0:
            sides.check()
    sides.call("items")
    sides.call("cooling_count", 249)
