"""Lets the benchmarks import the modules beside them, and keeps them tiny where nobody measures: in the ordinary suite."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))


@pytest.fixture
def steps(request):
    """How many steps a workload takes per round: enough to time, or just enough to see that it works."""
    return 300 if request.config.getoption("benchmark_disable") else 20_000
