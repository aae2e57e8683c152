"""Shared by all tests: hypothesis profiles, the twin pools as a fixture, and imports of helper modules."""

import gc
import importlib
import os
import sys
from pathlib import Path

import pytest
from hypothesis import Phase, settings

# The tests are no package. They import helper modules of any folder by name, so these names are unique.
sys.path += sorted({str(path.parent) for path in Path(__file__).parent.rglob("*.py")})

# HYPOTHESIS_PROFILE chooses one. None has a deadline, since timing depends on the machine.
settings.register_profile("dev", max_examples=100, stateful_step_count=30, deadline=None, print_blob=True)
# The same examples each time, so that a change is what makes a test fail. `make flakes` has a seed.
settings.register_profile(
    "quick", max_examples=20, stateful_step_count=20, deadline=None, print_blob=True, derandomize="HYPOTHESIS_SEED" not in os.environ
)
# The gate counts branches with this one, which doubles the time of a test. No branch is missed by chance: the examples are always the same.
settings.register_profile("branches", settings.get_profile("quick"), max_examples=8, derandomize=True)
settings.register_profile("ci", max_examples=20, stateful_step_count=20, deadline=None, print_blob=True)
settings.register_profile("nightly", max_examples=20_000, stateful_step_count=100, deadline=None, print_blob=True)
# `make mutants` only asks whether a test fails. Shrinking would take longer than all tests of a room.
settings.register_profile("mutants", settings.get_profile("quick"), phases=[Phase.explicit, Phase.generate], report_multiple_bugs=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


ONCE = {"agent", "datapath", "ec2", "inspection", "limits", "planner", "prometheus", "report", "settings"}
"""The rooms whose code hardly depends on the twin of the pools."""


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(config, items):
    """Mark the tests of some rooms with `once`. Leave out the tests marked `nightly`, unless `-m` names them."""
    tests = f"{Path(__file__).parent}{os.sep}"
    left_out = []
    kept = []
    for item in items:
        if str(item.path).removeprefix(tests).partition(os.sep)[0] in ONCE:
            item.add_marker("once")
        leave_out = "nightly" not in config.option.markexpr and item.get_closest_marker("nightly")
        (left_out if leave_out else kept).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def pytest_make_parametrize_id(val, argname):
    """Name binary arguments by their parameter. Archives have the time of their making in them, and test ids must not change."""
    return argname if isinstance(val, bytes) and not (val.isascii() and val.decode().isprintable()) else None


def pytest_collection_finish():
    """Take everything that the collection made out of the garbage collector, which otherwise goes through it again and again."""
    gc.collect()
    gc.freeze()


# Without the extension the tests of the compiled twin fail. VPCIPAM_NO_EXTENSION leaves them out.
TWINS = (
    {"python": "vpcipam.pool.plain"}
    if os.environ.get("VPCIPAM_NO_EXTENSION") == "1"
    else {"cython": "vpcipam._pool", "python": "vpcipam.pool.plain"}
)


@pytest.fixture(scope="session", params=TWINS)
def pool_twin(request):
    """The module of one twin: BitmapPool and AddressPool, compiled or plain."""
    return importlib.import_module(TWINS[request.param])
