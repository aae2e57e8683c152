"""Benchmarks of the pools and their floors. The ordinary test suite runs each once, with tiny numbers."""

import importlib

import floors
import pool_workloads
import pytest
import rivals

import vpcipam.pool

TWIN = importlib.import_module("vpcipam._pool" if vpcipam.pool.USING_EXTENSION else "vpcipam.pool.plain")
POOLS = [(16, 1), (1, 16), (7, 16), (45, 16), (735, 1), (735, 16)]


def bench(benchmark, workload):
    benchmark.extra_info["steps"] = workload.steps
    benchmark(workload.run)
    workload.check()


def test_list_floor(benchmark, steps):
    bench(benchmark, floors.list_floor(steps))


@pytest.mark.parametrize("live", [9, 440, 7056])
def test_dict_floor(benchmark, steps, live):
    bench(benchmark, floors.dict_floor(floors.Churn(live if steps > 1000 else 9, steps)))


@pytest.mark.parametrize("capacity", [16, 64, 4096, 65_536])
@pytest.mark.parametrize("fill", [0.03, 0.5, 0.97])
def test_allocate_and_release(benchmark, steps, capacity, fill):
    bench(benchmark, pool_workloads.allocate_release(TWIN, capacity if steps > 1000 else min(capacity, 256), fill, steps))


@pytest.mark.parametrize("capacity", [64, 4096, 65_536])
def test_allocate_and_release_a_run(benchmark, steps, capacity):
    bench(benchmark, pool_workloads.allocate_release_run(TWIN, capacity if steps > 1000 else min(capacity, 640), steps))


@pytest.mark.parametrize("in_buffer", [False, True], ids=["list", "buffer"])
@pytest.mark.parametrize("with_runs", [False, True], ids=["", "runs"])
def test_allocate_and_release_many(benchmark, steps, in_buffer, with_runs):
    capacity, many = (65_536, 1_000) if steps > 1000 else (640, 100)
    bench(benchmark, pool_workloads.allocate_release_many(TWIN, capacity, many, steps // 100, in_buffer=in_buffer, with_runs=with_runs))


@pytest.mark.parametrize("at_once", [False, True], ids=["assign", "assign_many"])
def test_assign_many_and_revoke(benchmark, steps, at_once):
    keys = floors.Churn(500 if steps > 1000 else 20, steps).keys
    bench(benchmark, pool_workloads.assign_all(TWIN, keys, steps // 100, at_once=at_once))


def test_floors_and_misses(steps):
    for work in (
        floors.slice_floor(2, 100),
        pool_workloads.allocate_release_singly(TWIN, 640, 100, 2),
        *pool_workloads.misses(TWIN, steps),
    ):
        work.run()
        work.check()


@pytest.mark.parametrize("placement", ["lowest", "packed", "spread", "random"])
@pytest.mark.parametrize(("block_count", "block_size"), POOLS)
def test_assign_and_unassign(benchmark, steps, block_count, block_size, placement):
    blocks = block_count if steps > 1000 else min(block_count, 20)
    churn = floors.Churn(int(blocks * block_size * 0.6), steps)
    bench(benchmark, pool_workloads.assign_unassign(TWIN, churn, blocks, block_size, placement))


@pytest.mark.parametrize(("block_count", "block_size"), POOLS)
def test_assign_and_unassign_in_bursts(benchmark, steps, block_count, block_size):
    blocks = block_count if steps > 1000 else min(block_count, 20)
    churn = floors.Churn(int(blocks * block_size * 0.6), steps)
    bench(benchmark, pool_workloads.assign_unassign_in_bursts(TWIN, churn, blocks, block_size, 3))


@pytest.mark.parametrize(("block_count", "block_size"), POOLS)
def test_assign_and_unassign_beside_keys_that_stay(benchmark, steps, block_count, block_size):
    blocks = block_count if steps > 1000 else min(block_count, 20)
    live = int(blocks * block_size * 0.6)
    bench(benchmark, pool_workloads.assign_unassign_beside(TWIN, floors.Churn(min(9, live), steps), live, blocks, block_size))


def test_comparison_gives_a_timing_of_floor_and_workload():
    floor, timing = floors.compare(
        floors.empty_loop(50), floors.list_floor(50), [pool_workloads.allocate_release(TWIN, 16, 0.5, 50)], rounds=3
    )
    assert floor.ratio == 1
    assert timing.name == "16 offsets, 50% in use"


def test_rivals_do_the_same_jobs_round_after_round(steps):
    capacity, many = (rivals.CAPACITY, rivals.MANY) if steps > 1000 else (640, 20)
    by_job, missing = rivals.workloads(TWIN, 1, capacity, many)
    for job, work in by_job.items():
        assert work[0].name == "BitmapPool", job
        for each in work:
            each.run()
            each.run()
    assert sum(map(len, by_job.values())) >= 11, missing  # those of the standard library
