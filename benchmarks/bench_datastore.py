"""The datastore and its floor under pytest-benchmark; in the ordinary suite once each, with tiny numbers, so that they can't rot."""

import datastore_workloads as work
import floors
import pytest


def bench(benchmark, workload):
    benchmark.extra_info["steps"] = workload.steps
    benchmark(workload.run)
    workload.check()


@pytest.mark.parametrize(("name", "mode", "eni_count", "slot_count"), work.NODES)
def test_dict_floor(benchmark, steps, name, mode, eni_count, slot_count):
    bench(benchmark, floors.dict_floor(work.churn_of(mode, eni_count, min(slot_count, steps // 30), steps)))


@pytest.mark.parametrize(("name", "mode", "eni_count", "slot_count"), work.NODES)
def test_assign_and_unassign(benchmark, steps, name, mode, eni_count, slot_count):
    slots = min(slot_count, steps // 30)
    churn = work.churn_of(mode, eni_count, slots, steps)
    bench(benchmark, work.assign_unassign(name, churn, mode, eni_count, slots))


@pytest.mark.parametrize(("name", "mode", "eni_count", "slot_count"), work.NODES)
def test_stats(benchmark, steps, name, mode, eni_count, slot_count):
    bench(benchmark, work.stats(name, mode, eni_count, slot_count, steps // 30))
