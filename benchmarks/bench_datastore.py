"""Benchmarks of the datastore and its floor. The ordinary test suite runs each once, with tiny numbers."""

from dataclasses import replace

import datastore_workloads as work
import floors
import pytest

from vpcipam import PodRef


@pytest.fixture(params=work.NODES, ids=lambda shape: shape.name)
def shape(request, steps):
    """A node, with few slots when nothing is measured."""
    return replace(request.param, slot_count=min(request.param.slot_count, steps // 30))


def bench(benchmark, workload):
    benchmark.extra_info["steps"] = workload.steps
    benchmark(workload.run)
    workload.check()


def test_dict_floor(benchmark, steps, shape):
    bench(benchmark, floors.dict_floor(work.churn_of(shape, steps)))


@pytest.mark.parametrize("pod", [None, PodRef("default", "web")], ids=["no pod", "pod"])
def test_assign_and_unassign(benchmark, steps, shape, pod):
    bench(benchmark, work.assign_unassign(shape, work.churn_of(shape, steps), pod))


@pytest.mark.parametrize("kind", [work.Unlocked, work.Watched])
def test_assign_and_unassign_without_lock_and_with_events(benchmark, steps, shape, kind):
    bench(benchmark, work.assign_unassign(shape, work.churn_of(shape, steps), kind=kind))


def test_the_lock_alone(benchmark, steps):
    bench(benchmark, work.lock(steps))


def test_stats(benchmark, steps, shape):
    bench(benchmark, work.stats(shape, steps // 30))
