"""What a BitmapPool does and refuses, one behaviour at a time."""

import sys

import pytest
from pool_worlds import EVERYWHERE_OUT_OF_RANGE, WRONG_TYPES, Indexable

from vpcipam.errors import AlreadyAllocated, InvalidArgument, NoFreeRun, NotAllocated, OutOfRange, PoolExhausted

CAPACITIES = (1, 2, 15, 16, 17, 63, 64, 65, 4095, 4096, 4097)


def full(pool):
    while pool.free_count:
        pool.allocate()
    return pool


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_offsets_are_allocated_lowest_first_until_all_are_in_use(pool_twin, capacity):
    pool = pool_twin.BitmapPool(capacity)
    assert [pool.allocate() for _ in range(capacity)] == list(range(capacity))
    assert (pool.capacity, pool.allocated_count, pool.free_count) == (capacity, capacity, 0)
    with pytest.raises(PoolExhausted, match=f"all {capacity} offsets"):
        pool.allocate()
    pool._check()


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_the_one_free_offset_is_found_wherever_it_is(pool_twin, capacity):
    pool = full(pool_twin.BitmapPool(capacity))
    for offset in {0, capacity // 2, capacity - 1}:
        for start in {0, offset, capacity - 1}:
            pool.release(offset)
            assert pool.allocate(start) == offset


def test_allocate_wraps_round_to_the_lowest_free_offset(pool_twin):
    pool = pool_twin.BitmapPool(130)
    pool.allocate_at(129)
    assert pool.allocate(start=129) == 0
    assert pool.allocate(start=128) == 128


def test_a_pool_of_more_offsets_than_cached_ints_works(pool_twin):
    pool = pool_twin.BitmapPool(2**17)
    assert pool.allocate(2**16 - 1) == 2**16 - 1
    assert pool.allocate(2**16) == 2**16
    assert pool.allocate(2**17 - 1) == 2**17 - 1
    assert list(pool) == [2**16 - 1, 2**16, 2**17 - 1]
    pool.release(2**16)
    assert pool.allocate(2**16) == 2**16
    pool._check()


def test_a_returned_offset_is_not_referenced_once_its_pool_is_gone(pool_twin):
    pool = pool_twin.BitmapPool(1000)
    offset = pool.allocate(start=999)
    del pool
    other = int("999")
    assert sys.getrefcount(offset) == sys.getrefcount(other)


@pytest.mark.parametrize("capacity", [0, -1, 2**32 + 1, 2**70, -(2**70), 2**300])
def test_a_capacity_out_of_bounds_is_refused(pool_twin, capacity):
    with pytest.raises(OutOfRange, match="capacity must be 1 … 4294967296"):
        pool_twin.BitmapPool(capacity)


@pytest.mark.parametrize("capacity", WRONG_TYPES)
def test_a_capacity_that_is_no_integer_is_a_type_error(pool_twin, capacity):
    with pytest.raises(TypeError):
        pool_twin.BitmapPool(capacity)


@pytest.mark.parametrize("method", ["allocate", "allocate_at", "release", "is_allocated"])
@pytest.mark.parametrize("offset", [*EVERYWHERE_OUT_OF_RANGE, 64, 2**32, 2**300])
def test_an_offset_out_of_bounds_is_refused_and_changes_nothing(pool_twin, method, offset):
    pool = pool_twin.BitmapPool(64)
    pool.allocate_at(7)
    with pytest.raises(OutOfRange, match=r"must be 0 … 63 \(both included\), got"):
        getattr(pool, method)(offset)
    assert list(pool) == [7]


def test_a_huge_integer_is_described_not_printed(pool_twin):
    """Python refuses to print one of more than 4,300 digits."""
    for call in (pool_twin.BitmapPool, pool_twin.BitmapPool(8).release, pool_twin.BitmapPool(8).free_run_count):
        with pytest.raises(InvalidArgument, match="got an integer of 16610 bits"):
            call(10**5000)


@pytest.mark.parametrize("method", ["allocate", "allocate_at", "release", "is_allocated", "allocate_run", "free_run_count", "free_counts"])
@pytest.mark.parametrize("value", WRONG_TYPES)
def test_an_argument_that_is_no_integer_is_a_type_error(pool_twin, method, value):
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        getattr(pool_twin.BitmapPool(8), method)(value)


def test_anything_with_an_index_is_an_integer(pool_twin):
    pool = pool_twin.BitmapPool(Indexable(64))
    assert pool.allocate(Indexable(5)) == 5
    assert pool.allocate(True) == 1  # noqa: FBT003 - bool is an int; that is the point
    assert pool.allocate_run(Indexable(4), Indexable(8)) == 8
    pool.release(Indexable(5))
    assert list(pool) == [1, 8, 9, 10, 11]


def test_allocate_at_an_offset_in_use_is_refused(pool_twin):
    pool = pool_twin.BitmapPool(8)
    pool.allocate_at(3)
    with pytest.raises(AlreadyAllocated, match="offset 3 is already allocated"):
        pool.allocate_at(3)
    assert pool.allocated_count == 1


def test_release_of_a_free_offset_is_refused(pool_twin):
    pool = pool_twin.BitmapPool(8)
    with pytest.raises(NotAllocated, match="offset 0 is already free"):
        pool.release(0)
    pool.allocate()
    pool.release(0)
    with pytest.raises(NotAllocated):
        pool.release(0)
    assert (pool.allocated_count, pool.free_count) == (0, 8)


@pytest.mark.parametrize("length", [2, 4, 8, 16, 32, 64])
@pytest.mark.parametrize("capacity", [63, 64, 65, 200, 4160])
def test_runs_are_aligned_and_end_within_the_capacity(pool_twin, length, capacity):
    pool = pool_twin.BitmapPool(capacity)
    count = capacity // length
    assert pool.free_run_count(length) == count
    assert [pool.allocate_run(length) for _ in range(count)] == [length * i for i in range(count)]
    with pytest.raises(NoFreeRun, match=f"no aligned run of {length} is free, only {capacity % length} single"):
        pool.allocate_run(length)
    assert pool.free_count == capacity % length
    pool._check()


def test_one_offset_breaks_the_runs_of_every_length_around_it(pool_twin):
    pool = pool_twin.BitmapPool(128)
    before = [pool.free_run_count(length) for length in (2, 4, 8, 16, 32, 64)]
    pool.allocate_at(70)
    assert [pool.free_run_count(length) for length in (2, 4, 8, 16, 32, 64)] == [count - 1 for count in before]
    pool.release(70)
    assert [pool.free_run_count(length) for length in (2, 4, 8, 16, 32, 64)] == before


def test_a_run_is_searched_from_start_on_and_then_from_offset_0(pool_twin):
    pool = pool_twin.BitmapPool(64)
    assert pool.allocate_run(16, start=17) == 32
    assert pool.allocate_run(16, start=33) == 48
    assert pool.allocate_run(16, start=63) == 0
    assert pool.allocate_run(16, start=16) == 16


def test_a_pool_smaller_than_a_run_has_no_run(pool_twin):
    pool = pool_twin.BitmapPool(15)
    assert pool.free_run_count(16) == 0
    with pytest.raises(NoFreeRun):
        pool.allocate_run(16)
    pool._check()


def test_a_run_at_a_fixed_offset_is_allocated_wholly_or_not_at_all(pool_twin):
    pool = pool_twin.BitmapPool(64)
    pool.allocate_run_at(16, 16)
    with pytest.raises(AlreadyAllocated, match="offset 16 of it is already allocated"):
        pool.allocate_run_at(0, 32)
    assert list(pool) == list(range(16, 32))


def test_a_run_is_released_wholly_or_not_at_all(pool_twin):
    pool = pool_twin.BitmapPool(64)
    pool.allocate_run_at(16, 16)
    pool.release(20)
    with pytest.raises(NotAllocated, match="offset 20 of it is already free"):
        pool.release_run(16, 16)
    assert pool.allocated_count == 15
    pool.allocate_at(20)
    pool.release_run(16, 16)
    assert pool.allocated_count == 0


def test_offsets_allocated_singly_can_be_released_as_a_run(pool_twin):
    pool = full(pool_twin.BitmapPool(8))
    pool.release_run(4, 4)
    assert list(pool) == [0, 1, 2, 3]


@pytest.mark.parametrize("method", ["allocate_run_at", "release_run"])
@pytest.mark.parametrize(
    ("offset", "length", "error"),
    [
        (8, 16, InvalidArgument),
        (1, 2, InvalidArgument),
        (64, 16, OutOfRange),
        (72, 2, OutOfRange),
        (-16, 16, OutOfRange),
        (2**70, 2, OutOfRange),
    ],
)
def test_a_run_off_the_grid_or_past_the_end_is_refused(pool_twin, method, offset, length, error):
    pool = pool_twin.BitmapPool(72)
    with pytest.raises(InvalidArgument, match=f"^a run of {length} |^offset must be ") as refusal:
        getattr(pool, method)(offset, length)
    assert refusal.type is error
    assert pool.allocated_count == 0


@pytest.mark.parametrize("length", [0, 1, 3, 5, 63, 65, 128, -2, 2**70, -(2**70), 2**300])
def test_a_length_that_is_no_run_length_is_refused(pool_twin, length):
    pool = pool_twin.BitmapPool(128)
    calls = (
        lambda: pool.allocate_run(length),
        lambda: pool.allocate_run_at(0, length),
        lambda: pool.free_run_count(length),
        lambda: pool.free_counts(length),
    )
    for call in calls:
        with pytest.raises(InvalidArgument, match="length must be 2, 4, 8, 16, 32 or 64") as refusal:
            call()
        assert refusal.type is InvalidArgument


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_the_longest_free_run_is_the_whole_of_an_empty_pool_and_0_of_a_full_one(pool_twin, capacity):
    pool = pool_twin.BitmapPool(capacity)
    assert pool.longest_free_run() == capacity
    assert full(pool).longest_free_run() == 0


@pytest.mark.parametrize("capacity", [1, 2, 63, 64, 65, 127, 128, 130, 193])
def test_a_free_run_is_measured_wherever_it_begins_and_ends(pool_twin, capacity):
    for first in range(capacity):
        pool = full(pool_twin.BitmapPool(capacity))
        for offset in range(first, capacity):
            pool.release(offset)
            assert pool.longest_free_run() == offset - first + 1


@pytest.mark.parametrize("taken", [0, 1, 62, 63, 64, 65, 2047, 2048, 4031, 4032, 4094, 4095])
def test_one_taken_offset_splits_the_longest_free_run(pool_twin, taken):
    pool = pool_twin.BitmapPool(4096)
    pool.allocate_at(taken)
    assert pool.longest_free_run() == max(taken, 4095 - taken)


def test_a_free_run_need_not_be_aligned(pool_twin):
    pool = pool_twin.BitmapPool(64)
    for offset in (0, 31, 62, 63):
        pool.allocate_at(offset)
    assert pool.longest_free_run() == 30
    assert pool.free_run_count(32) == 0
    pool.release(31)
    assert pool.longest_free_run() == 61
    assert pool.free_run_count(32) == 0


def test_measuring_free_runs_does_not_change_the_pool(pool_twin):
    pool = pool_twin.BitmapPool(130)
    pool.allocate_at(64)
    assert (pool.longest_free_run(), pool.free_counts(64)) == (65, bytes([64, 63, 2]))
    assert (list(pool), pool.allocate(64)) == ([64], 65)
    pool._check()


@pytest.mark.parametrize("length", [2, 4, 8, 16, 32, 64])
@pytest.mark.parametrize("capacity", [1, 2, 15, 16, 17, 63, 64, 65, 4097])
def test_free_offsets_are_counted_for_each_run_even_a_shorter_last_one(pool_twin, length, capacity):
    pool = pool_twin.BitmapPool(capacity)
    whole, rest = divmod(capacity, length)
    empty = bytes([length] * whole + [rest] * (rest > 0))
    assert pool.free_counts(length) == empty
    assert type(pool.free_counts(length)) is bytes
    pool.allocate_at(capacity - 1)
    assert pool.free_counts(length) == empty[:-1] + bytes([empty[-1] - 1])
    assert full(pool).free_counts(length) == bytes(len(empty))


def test_membership_and_length_are_those_of_the_allocated_offsets(pool_twin):
    pool = pool_twin.BitmapPool(8)
    pool.allocate_at(3)
    assert len(pool) == 1
    assert 3 in pool
    assert Indexable(3) in pool
    for other in (0, 2, 8, -1, 2**70, -(2**70), "3", None, 3.0):
        assert other not in pool
    pool.allocate_at(0)
    assert 0 in pool


def test_iteration_sees_later_changes_of_the_pool(pool_twin):
    pool = pool_twin.BitmapPool(300)
    for offset in (1, 100, 200):
        pool.allocate_at(offset)
    seen = iter(pool)
    assert next(seen) == 1
    pool.release(100)
    pool.allocate_at(250)
    assert list(seen) == [200, 250]


def test_the_repr_says_how_full_it_is(pool_twin):
    pool = pool_twin.BitmapPool(8)
    pool.allocate()
    assert repr(pool) == "<BitmapPool: 1 of 8 allocated>"


def test_the_check_finds_a_broken_invariant(pool_twin):
    if pool_twin.__name__ == "vpcipam.pool.plain":
        pool = pool_twin.BitmapPool(8)
        pool._allocated_count = 1
        with pytest.raises(AssertionError, match="invariant 3 is broken"):
            pool._check()
