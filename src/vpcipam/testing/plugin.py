"""Pytest plugin: `assert_conforms` as a fixture, with its seed and its number of programs from the command line.

It needs the extra `[testing]` and pytest. Load it with one line in the `conftest.py` beside your pytest configuration, or with
`pytest -p vpcipam.testing.plugin`:

    pytest_plugins = ["vpcipam.testing.plugin"]

pytest does not find it by itself: then every test run on a machine that has vpcipam would import it, with or without Hypothesis.
"""

from collections.abc import Callable, Generator
from functools import partial

import pytest

from vpcipam.testing.checked import ConformanceError
from vpcipam.testing.machine import assert_conforms as run_programs

PROFILES = {"quick": (20, 20), "thorough": (500, 50), "soak": (10_000, 100)}
"""The number of programs, and the most steps of one."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("vpcipam", "fuzzing of IP address allocators")
    group.addoption("--vpcipam-seed", type=int, metavar="N", help="repeat the programs of assert_conforms")
    sizes = ", ".join(f"{name}: {count} of up to {steps} steps" for name, (count, steps) in PROFILES.items())
    group.addoption("--vpcipam-profile", choices=PROFILES, help=f"the programs of assert_conforms ({sizes}); default: Hypothesis's profile")


@pytest.fixture
def assert_conforms(pytestconfig: pytest.Config) -> Callable[..., None]:
    """`vpcipam.testing.assert_conforms`, with the options of the command line. Arguments of a call win over them."""
    max_examples, step_count = PROFILES.get(pytestconfig.getoption("--vpcipam-profile"), (None, None))
    return partial(run_programs, seed=pytestconfig.getoption("--vpcipam-seed"), max_examples=max_examples, step_count=step_count)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the program of a failure in place of a traceback through Hypothesis."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, ConformanceError):
        report.longrepr = str(call.excinfo.value)
    return report
