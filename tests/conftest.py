"""What every test folder shares: hypothesis profiles, the twin pools as a fixture, and imports of the helpers beside the tests."""

import importlib
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Tests are no package: they import the helpers of any folder by their bare names, so these names are unique.
sys.path += sorted({str(path.parent) for path in Path(__file__).parent.rglob("*.py")})

# Timing depends on the machine, so no deadline; a failure prints the lines that repeat it. HYPOTHESIS_PROFILE chooses.
settings.register_profile("dev", max_examples=100, stateful_step_count=30, deadline=None, print_blob=True)
# The same examples each time: where the gate counts branches, none may hang on chance.
settings.register_profile("quick", max_examples=20, stateful_step_count=20, deadline=None, print_blob=True, derandomize=True)
settings.register_profile("ci", max_examples=120, stateful_step_count=25, deadline=None, print_blob=True)
settings.register_profile("nightly", max_examples=20_000, stateful_step_count=100, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

# Without the extension the compiled twin's tests fail: it is left out only where somebody asked for that.
TWINS = (
    {"python": "vpcipam.pool.plain"}
    if os.environ.get("VPCIPAM_NO_EXTENSION") == "1"
    else {"cython": "vpcipam._pool", "python": "vpcipam.pool.plain"}
)


@pytest.fixture(scope="session", params=TWINS)
def pool_twin(request):
    """The module of one twin: BitmapPool and AddressPool, compiled or plain."""
    return importlib.import_module(TWINS[request.param])
