"""Make the modules in this folder importable, and keep the benchmarks tiny in the ordinary suite, which measures nothing."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))


@pytest.fixture
def steps(request):
    """The steps of a workload per round: enough to time it, or only enough to check that it works."""
    return 300 if request.config.getoption("benchmark_disable") else 20_000
