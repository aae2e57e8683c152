"""Benchmarks of the journals. The ordinary test suite runs each once, with tiny numbers."""

import journal_workloads as work
import pytest


@pytest.mark.parametrize("group", [1, 4], ids=["one by one", "four at a time"])
@pytest.mark.parametrize("name", work.JOURNALS)
def test_assign_and_unassign(benchmark, steps, name, group):
    measured = steps > 300
    with work.churns(735 if measured else 40, 48 if measured else 8, ((name, group),)) as (workload,):
        benchmark.extra_info["steps"] = workload.steps
        benchmark(workload.run)
        workload.check()
