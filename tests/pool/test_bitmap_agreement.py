"""BitmapPool: naive model, plain and compiled twin side by side, with random programs and all short ones."""

from array import array
from itertools import product

import hypothesis.strategies as st
import pytest
from hypothesis import example, given
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from naive_pools import NaiveBitmapPool
from pool_worlds import EVERYWHERE_OUT_OF_RANGE, WRONG_TYPES, Indexable, SideBySide, twins

BOUNDARIES = (0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 62, 63, 64, 65, 127, 128, 129, 4095, 4096, 4097, 4159, 4160)
CAPACITIES = (1, 2, 3, 4, 15, 16, 17, 63, 64, 65, 127, 128, 130, 4095, 4096, 4097, 4161)
LENGTHS = (2, 4, 8, 16, 32, 64)

offsets = st.one_of(st.integers(0, 8), st.sampled_from(BOUNDARIES), st.integers(0, 4200))
lengths = st.sampled_from(LENGTHS)
wrong = st.sampled_from([*WRONG_TYPES, *EVERYWHERE_OUT_OF_RANGE, 2**32, 2**64, True, Indexable(1), Indexable(2**70)])


def side_by_side(capacity):
    return SideBySide(NaiveBitmapPool(capacity), [twin.BitmapPool(capacity) for twin in twins()])


def into_buffer(pool, count, start):
    """Allocate into a buffer of twice as many items, and return its items: only the middle may change."""
    items = array("I", [7]) * (2 * count)
    pool.allocate_into(memoryview(items)[count // 2 : count // 2 + count], start)
    return items


class BitmapAgreement(RuleBasedStateMachine):
    @initialize(capacity=st.sampled_from(CAPACITIES), filled=st.sampled_from(("empty", "full", "all but one", "every other", "runs")))
    def build(self, capacity, filled):
        self.capacity = capacity
        self.sides = side_by_side(capacity)
        for offset in range(capacity):
            taken = {
                "empty": False,
                "full": True,
                "all but one": offset != capacity // 2,
                "every other": offset % 2,
                "runs": offset // 16 % 2,
            }
            if taken[filled]:
                self.sides.naive.allocated.add(offset)
                for pool in self.sides.pools:
                    pool.allocate_at(offset)

    @rule(start=offsets)
    def allocate(self, start):
        self.sides.call("allocate", start=start)

    @rule()
    def allocate_lowest(self):
        self.sides.call("allocate")

    @rule(start=offsets)
    def allocate_or_none(self, start):
        self.sides.call("allocate_or_none", start)

    @rule(count=offsets, all_but=st.one_of(st.none(), st.integers(-1, 70)), start=st.one_of(st.just(0), offsets), in_buffer=st.booleans())
    def allocate_many(self, count, all_but, start, in_buffer):
        if all_but is not None:
            count = max(0, self.sides.naive.free_count - all_but)
        if in_buffer and count:
            self.sides.call(lambda pool: into_buffer(pool, count, start))
        else:
            self.sides.call("allocate_many", count, start)

    @rule(
        taken=st.lists(st.tuples(offsets, st.integers(1, 70)), min_size=1, max_size=4),
        others=st.lists(offsets, max_size=2),
        backwards=st.booleans(),
        in_buffer=st.booleans(),
    )
    def release_many(self, taken, others, backwards, in_buffer):
        """Release allocated offsets that follow each other, mostly, and now and then another one in between."""
        allocated = list(self.sides.naive)
        chosen = list(dict.fromkeys(offset for place, count in taken for offset in allocated[place : place + count]))
        for place, other in enumerate(others):
            chosen.insert(place * 40, other)
        chosen = chosen[::-1] if backwards else chosen
        if in_buffer and chosen:
            self.sides.call("release_from", array("I", chosen))
        else:
            self.sides.call("release_many", chosen)

    @rule(length=lengths, start=st.one_of(st.just(0), offsets))
    def allocate_run_or_none(self, length, start):
        self.sides.call("allocate_run_or_none", length, start)

    @rule(offset=offsets)
    def allocate_at(self, offset):
        self.sides.call("allocate_at", offset)

    @rule(length=lengths, start=st.one_of(st.just(0), offsets))
    def allocate_run(self, length, start):
        self.sides.call("allocate_run", length, start)

    @rule(offset=offsets, length=lengths, aligned=st.booleans())
    def allocate_run_at(self, offset, length, aligned):
        self.sides.call("allocate_run_at", offset - offset % length if aligned else offset, length)

    @rule(offset=offsets)
    def release(self, offset):
        self.sides.call("release", offset)

    @rule(offset=offsets, length=lengths, aligned=st.booleans())
    def release_run(self, offset, length, aligned):
        self.sides.call("release_run", offset - offset % length if aligned else offset, length)

    @rule(offset=offsets)
    def is_allocated(self, offset):
        self.sides.call("is_allocated", offset)

    @rule(length=st.one_of(lengths, st.sampled_from((0, 1, 3, 48, 65, 128))))
    def free_run_count(self, length):
        self.sides.call("free_run_count", length)

    @rule(length=st.one_of(lengths, st.sampled_from((0, 1, 3, 48, 65, 128))))
    def free_counts(self, length):
        self.sides.call("free_counts", length)

    @rule(
        name=st.sampled_from(
            (
                *("allocate", "allocate_or_none", "allocate_many", "allocate_at", "release", "is_allocated"),
                *("allocate_run", "allocate_run_or_none", "free_run_count", "free_counts"),
            )
        ),
        value=wrong,
    )
    def one_wrong_argument(self, name, value):
        self.sides.call(name, value)

    @rule(values=st.lists(st.one_of(wrong, offsets), max_size=3))
    def release_many_with_wrong_offsets(self, values):
        self.sides.call("release_many", values)

    @rule(
        name=st.sampled_from(("allocate_run", "allocate_run_or_none", "allocate_many", "allocate_run_at", "release_run")),
        first=wrong,
        second=wrong,
    )
    def two_wrong_arguments(self, name, first, second):
        self.sides.call(name, first, second)
        self.sides.call(name, 2, second)

    @invariant()
    def agree(self):
        self.sides.check()
        self.sides.read("allocated_count")
        self.sides.read("free_count")
        self.sides.call("longest_free_run")
        expected = list(self.sides.naive)
        for pool in self.sides.pools:
            assert list(pool) == expected
            assert len(pool) == len(expected)


TestBitmapAgreement = BitmapAgreement.TestCase


def calls(capacity):
    """Every call with every argument that is valid for such a small pool."""
    runs = [(offset, length) for length in (2, 4) for offset in range(0, capacity, length)]
    return [
        *[("allocate", start) for start in range(capacity)],
        ("allocate_many", 2, capacity // 2),
        *[("allocate_at", offset) for offset in range(capacity)],
        ("release_many", (capacity - 1, 0)),
        *[("release", offset) for offset in range(capacity)],
        *[("allocate_run", length, offset) for offset, length in runs],
        *[("allocate_run_at", *run) for run in runs],
        *[("release_run", *run) for run in runs],
    ]


@pytest.mark.thorough
@pytest.mark.parametrize(("capacity", "depth"), [(1, 4), (2, 4), (3, 3), (4, 3)])
def test_twins_agree_on_every_short_sequence_of_calls(capacity, depth):
    for sequence in product(calls(capacity), repeat=depth):
        sides = side_by_side(capacity)
        for call in sequence:
            sides.call(*call)
        sides.check()
        assert len({tuple(pool) for pool in (sides.naive, *sides.pools)}) == 1


@pytest.mark.thorough
@pytest.mark.parametrize("capacity", [1, 2, 3, 4])
@pytest.mark.parametrize("runs_built_first", [True, False])
def test_twins_agree_on_every_pair_of_calls_in_every_state(capacity, runs_built_first):
    for taken in product((False, True), repeat=capacity):
        for pair in product(calls(capacity), repeat=2):
            sides = side_by_side(capacity)
            if runs_built_first:
                for length in LENGTHS:
                    sides.call("free_run_count", length)
            for offset in range(capacity):
                if taken[offset]:
                    sides.call("allocate_at", offset)
            for call in pair:
                sides.call(*call)
            sides.check()
            for length in (2, 4):
                sides.call("free_run_count", length)


@pytest.mark.parametrize("capacity", range(1, 11))
def test_twins_agree_on_what_is_free_in_every_state(capacity):
    for taken in product((False, True), repeat=capacity):
        sides = side_by_side(capacity)
        for offset in range(capacity):
            if taken[offset]:
                sides.call("allocate_at", offset)
        sides.call("longest_free_run")
        for length in (2, 4, 8, 16):
            sides.call("free_counts", length)


runs_of_states = st.lists(st.sampled_from((1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128)), min_size=1, max_size=12)


@given(lengths_in_turn=runs_of_states, first_is_free=st.booleans())
@example(lengths_in_turn=[32, 32, 64, 32, 32], first_is_free=False)  # a run that begins in one word, fills the next, ends in a third
@example(lengths_in_turn=[1, 62, 1, 1, 62, 1], first_is_free=False)  # the longest lies within a word
def test_twins_agree_on_free_runs_of_any_length_and_place(lengths_in_turn, first_is_free):
    sides = side_by_side(sum(lengths_in_turn))
    is_free, offset = first_is_free, 0
    for length in lengths_in_turn:
        if not is_free:
            for taken in range(offset, offset + length):
                sides.call("allocate_at", taken)
        is_free, offset = not is_free, offset + length
    status, longest, _ = sides.call("longest_free_run")
    assert (status, longest) == ("done", max(lengths_in_turn[not first_is_free :: 2], default=0))
    for length in LENGTHS:
        sides.call("free_counts", length)
