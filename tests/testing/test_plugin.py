"""The pytest plugin, in suites as users write them."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

FAULTY = (Path(__file__).parents[2] / "examples" / "fuzzing" / "faulty.py").read_text(encoding="utf-8")
SUITE = """
from faulty import ListPop

def test_mine(assert_conforms):
    assert_conforms(ListPop)

def test_other():
    assert 1 == 2
"""


@pytest.fixture
def suite(pytester):
    pytester.makepyfile(faulty=FAULTY, test_mine=SUITE)

    def run(*arguments):
        return pytester.runpytest_inprocess("-p", "vpcipam.testing.plugin", "-p", "no:cacheprovider", "-p", "no:cov", *arguments)

    return run


def test_a_failure_is_shown_as_a_program(suite):
    result = suite("--vpcipam-seed=3", "--vpcipam-profile=quick")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "cooldown: pod-* cools until 30 s",
            "from faulty import ListPop",
            "from vpcipam.testing import CheckedAllocator",
            "allocator = CheckedAllocator(ListPop, cooldown_ns=30000000000)",
            "*assert 1 == 2*",
        ]
    )
    result.stdout.no_fnmatch_line("*hypothesis/*")


@pytest.mark.thorough
def test_a_seed_repeats_the_programs(suite):
    first, second = (suite("--vpcipam-seed=7", "-k", "mine").stdout.lines for _ in range(2))
    wanted = [line for line in first if line.startswith("allocator.")]
    assert wanted
    assert wanted == [line for line in second if line.startswith("allocator.")]


def test_the_help_lists_the_profiles(suite):
    suite("--help").stdout.fnmatch_lines(["*--vpcipam-seed=N*", "*--vpcipam-profile=*"])
