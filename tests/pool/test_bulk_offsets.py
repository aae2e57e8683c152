"""Many offsets of a BitmapPool in one call, in lists and in buffers, and calls that return None instead of raising."""

import ctypes
import random
from array import array

import pytest
from pool_worlds import Indexable

from vpcipam.errors import InvalidArgument, NotAllocated, OutOfRange, PoolExhausted

RUN_LENGTHS = (2, 4, 8, 16, 32, 64)


def half_full(pool_twin, capacity, seed=1):
    pool = pool_twin.BitmapPool(capacity)
    for offset in random.Random(seed).sample(range(capacity), capacity // 2):
        pool.allocate_at(offset)
    return pool


def uint32(*offsets):
    return array("I", offsets)


@pytest.mark.parametrize("capacity", [1, 2, 64, 65, 200, 4161])
@pytest.mark.parametrize("runs_built_first", [True, False])
def test_many_offsets_are_those_of_as_many_single_calls(pool_twin, capacity, runs_built_first):
    for count in {0, 1, capacity // 4, capacity // 2}:
        for start in {0, capacity // 3, capacity - 1}:
            singly, at_once, in_buffer = (half_full(pool_twin, capacity) for _ in range(3))
            for length in RUN_LENGTHS if runs_built_first else ():
                at_once.free_run_count(length)
                in_buffer.free_run_count(length)
            expected = [singly.allocate(start) for _ in range(count)]
            assert at_once.allocate_many(count, start) == expected
            buffer = uint32(*[0] * count)
            if count:
                in_buffer.allocate_into(buffer, start)
            assert list(buffer) == expected
            for pool in (at_once, in_buffer):
                pool._check()
                assert list(pool) == list(singly)
                assert [pool.free_run_count(length) for length in RUN_LENGTHS] == [singly.free_run_count(length) for length in RUN_LENGTHS]
            at_once.release_many(expected[::-1])
            if count:
                in_buffer.release_from(buffer)
            for pool in (at_once, in_buffer):
                pool._check()
                assert list(pool) == list(half_full(pool_twin, capacity))


def test_all_offsets_can_be_allocated_and_released_at_once(pool_twin):
    for capacity in (1, 64, 130, 4160):
        pool = pool_twin.BitmapPool(capacity)
        assert pool.allocate_many(capacity, capacity - 1) == [capacity - 1, *range(capacity - 1)]
        pool._check()
        pool.release_many(range(capacity))
        pool._check()
        assert pool.free_count == pool.longest_free_run() == capacity


def test_offsets_at_once_can_lie_on_both_sides_of_the_ints_that_are_kept(pool_twin):
    pool = pool_twin.BitmapPool(2**17)
    assert pool.allocate_many(4, 2**16 - 2) == [2**16 - 2, 2**16 - 1, 2**16, 2**16 + 1]
    pool.release_many([2**16 + 1, 2**16 - 1])
    assert pool.allocate_many(2, 2**16 - 2) == [2**16 - 1, 2**16 + 1]


def test_more_offsets_than_are_free_are_refused_and_change_nothing(pool_twin):
    pool = half_full(pool_twin, 100)
    before = list(pool)
    buffer = uint32(*[7] * 51)
    for call in (lambda: pool.allocate_many(51), lambda: pool.allocate_many(2**32, 5), lambda: pool.allocate_into(buffer, 5)):
        with pytest.raises(PoolExhausted, match=r"^\d+ offsets are wanted, and 50 of 100 are free: release some first, or allocate fewer$"):
            call()
    assert list(pool) == before
    assert set(buffer) == {7}
    pool._check()


@pytest.mark.parametrize("count", [-1, 2**32 + 1, 2**70])
def test_a_count_out_of_bounds_is_refused(pool_twin, count):
    with pytest.raises(OutOfRange, match="count must be 0 … 4294967296"):
        pool_twin.BitmapPool(8).allocate_many(count)


@pytest.mark.parametrize(
    ("offsets", "offset", "index"),
    [
        ((3,), 3, 0),
        ((0, 1, 3, 2), 3, 2),
        ((0, 1, 0, 3), 0, 2),
        ((100, 0, 100), 100, 2),
        ((0, 1, 2, 100, 101, 70), 70, 5),
        ((70, 100), 70, 0),
    ],
)
@pytest.mark.parametrize("runs_built_first", [True, False])
def test_the_first_offset_that_is_free_is_named_and_none_is_released(pool_twin, offsets, offset, index, runs_built_first):
    pool = pool_twin.BitmapPool(130)
    for taken in (0, 1, 2, 100, 101):
        pool.allocate_at(taken)
    for length in RUN_LENGTHS if runs_built_first else ():
        pool.free_run_count(length)
    for call in (lambda: pool.release_many(offsets), lambda: pool.release_from(uint32(*offsets))):
        with pytest.raises(
            NotAllocated, match=f"^offset {offset}, at index {index}, is already free or comes twice: nothing was released$"
        ):
            call()
        pool._check()
        assert list(pool) == [0, 1, 2, 100, 101]
        assert pool.allocated_count == 5


@pytest.mark.parametrize("wrong", [-1, 8, 2**32, 2**70])
def test_the_first_offset_out_of_bounds_is_named_before_any_that_is_free(pool_twin, wrong):
    pool = pool_twin.BitmapPool(8)
    pool.allocate_many(3)
    with pytest.raises(OutOfRange, match=rf"^offsets\[2\] must be 0 … 7 \(both included\), got {wrong}$"):
        pool.release_many([0, 5, wrong, 1])
    if 0 <= wrong < 2**32:
        with pytest.raises(OutOfRange, match=rf"^buffer\[2\] must be 0 … 7 \(both included\), got {wrong}$"):
            pool.release_from(uint32(0, 5, wrong, 1))
    assert list(pool) == [0, 1, 2]


def test_offsets_come_from_any_iterable_of_integers(pool_twin):
    pool = pool_twin.BitmapPool(64)
    pool.allocate_many(10)
    pool.release_many(offset for offset in (9, 2))
    pool.release_many({3: None})
    pool.release_many([Indexable(4), True])
    pool.release_many(array("q", [5, 6]))
    pool.release_many([])
    assert list(pool) == [0, 7, 8]
    with pytest.raises(TypeError, match="not iterable"):
        pool.release_many(7)
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        pool.release_many([7, "8"])
    assert list(pool) == [0, 7, 8]


def test_an_iterable_that_fails_or_changes_the_pool_releases_nothing_by_halves(pool_twin):
    pool = pool_twin.BitmapPool(64)
    pool.allocate_many(10)

    def broken():
        yield 3
        raise OSError("the file ended")

    with pytest.raises(OSError, match="the file ended"):
        pool.release_many(broken())

    class Releasing:
        def __index__(self):
            offsets.clear()
            pool.release(5)
            return 5

    offsets = [3, Releasing(), 4]
    with pytest.raises(NotAllocated, match="offset 5, at index 1"):
        pool.release_many(offsets)
    assert list(pool) == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    pool._check()


@pytest.mark.parametrize(
    "buffer",
    [
        array("I", [0, 0, 0]),
        memoryview(array("I", [0, 0, 0])),
        memoryview(bytearray(13))[1:].cast("I"),
        memoryview(bytearray(12)).cast("@I"),
    ],
    ids=["array", "memoryview", "not aligned", "native"],
)
def test_any_contiguous_buffer_of_uint32_will_do(pool_twin, buffer):
    pool = pool_twin.BitmapPool(300)
    pool.allocate_into(buffer, pool.capacity - 2)
    assert list(buffer) == [pool.capacity - 2, pool.capacity - 1, 0]
    pool.release_from(memoryview(buffer).toreadonly())
    assert pool.allocated_count == 0


@pytest.mark.parametrize(
    ("buffer", "why"),
    [
        (array("H", [0, 0]), "uint32 items, like array\\('I'\\), got format 'H' with 2 bytes each"),
        (array("i", [0, 0]), "got format 'i' with 4 bytes each"),
        (array("Q", [0, 0]), "got format 'Q' with 8 bytes each"),
        (array("f", [0, 0]), "got format 'f'"),
        (bytearray(8), "got format 'B' with 1 bytes each"),
        ((ctypes.c_uint32 * 2).from_buffer(bytearray(8)), "got format '<I'"),
        (memoryview(array("I", [0] * 4))[::2], r"contiguous and have one dimension, got shape \(2,\) and strides \(8,\)"),
        (memoryview(array("I", [0] * 4))[::-1], r"contiguous and have one dimension"),
        (memoryview(bytes(16)).cast("I", (2, 2)), r"got shape \(2, 2\) and strides \(8, 4\)"),
        (memoryview(bytes(4)).cast("I", ()), r"got shape \(\) and strides \(\)"),
        (array("I"), "at least one item, got none"),
    ],
)
def test_another_buffer_is_refused_and_changes_nothing(pool_twin, buffer, why):
    pool = pool_twin.BitmapPool(8)
    pool.allocate()
    for call in (pool.allocate_into, pool.release_from):
        with pytest.raises(InvalidArgument, match="^buffer must .*" + why):
            call(buffer)
    assert list(pool) == [0]


def test_arrays_of_numpy_are_buffers(pool_twin):
    numpy = pytest.importorskip("numpy", reason="numpy is only one kind of buffer")
    pool, table = pool_twin.BitmapPool(300), numpy.zeros((2, 3), "uint32")
    pool.allocate_into(table[1])
    assert table.tolist() == [[0, 0, 0], [0, 1, 2]]
    pool.release_from(table[1, 1:])
    pool.release_many(table[0, :1])
    assert pool.allocated_count == 0
    for wrong in (table, table[:, 0], table.astype("int64")[0], table.astype(">u4")[0]):
        with pytest.raises(InvalidArgument, match=r"^buffer must "):
            pool.allocate_into(wrong)


def test_offsets_are_not_written_to_a_read_only_buffer(pool_twin):
    pool = pool_twin.BitmapPool(8)
    with pytest.raises(InvalidArgument, match="buffer must be writable, got one that is read-only"):
        pool.allocate_into(memoryview(array("I", [0])).toreadonly())
    assert pool.allocated_count == 0


@pytest.mark.parametrize("value", [[0, 1], None, 7])
def test_what_is_no_buffer_is_a_type_error(pool_twin, value):
    for call in (pool_twin.BitmapPool(8).allocate_into, pool_twin.BitmapPool(8).release_from):
        with pytest.raises(TypeError, match="a bytes-like object is required"):
            call(value)


def test_a_pool_without_a_free_offset_returns_none(pool_twin):
    pool = pool_twin.BitmapPool(3)
    assert [pool.allocate_or_none(1) for _ in range(4)] == [1, 2, 0, None]
    assert pool.allocated_count == 3
    with pytest.raises(OutOfRange):
        pool.allocate_or_none(3)


def test_a_pool_without_a_free_run_returns_none(pool_twin):
    pool = pool_twin.BitmapPool(40)
    assert [pool.allocate_run_or_none(16, 1) for _ in range(3)] == [16, 0, None]
    assert pool.free_count == 8
    with pytest.raises(InvalidArgument, match="length must be"):
        pool.allocate_run_or_none(3)
