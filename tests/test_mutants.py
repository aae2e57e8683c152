"""`make mutants`: the sample, and the list of mutants that no test has to kill."""

import inspect
import runpy
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

TOOL = runpy.run_path(str(Path(__file__).parent.parent / "tools" / "mutants.py"))
LISTED = TOOL["listed_mutants"]()


@given(count=st.integers(1, 60), sample=st.integers(1, 70))
def test_the_seeds_take_every_mutant_in_the_end(count, sample):
    samples = [TOOL["sampled"](range(count), sample, seed) for seed in range(1, -(-count // sample) + 1)]
    assert {len(set(each)) for each in samples} == {min(sample, count)}
    assert set().union(*samples) == set(range(count))


@pytest.mark.parametrize(
    ("was", "becomes", "rewords"),
    [
        ('raise Full("the pool is full")', 'raise Full("XXthe pool is fullXX")', True),
        ('raise Full("the pool is full")', "raise Full(None)", False),
        ('note(name, "is full", 1)', 'note(name, "IS FULL", 2)', False),
        ('note("x", n + 1, "y")', 'note("x", n - 1, "y")', False),
        ('note("x", "is full")', 'note("x", "XXis fullXX")', True),
        ('mode = "prefix"', 'mode = "PREFIX"', False),
    ],
)
def test_mutants_that_only_change_the_words_of_a_message_are_left_out(was, becomes, rewords):
    assert TOOL["Mutant"]("name", "where", was, becomes).rewords is rewords


@pytest.mark.parametrize("entry", LISTED, ids=lambda entry: entry.where)
def test_a_listed_mutant_changes_code_that_exists(entry):
    module, _, path = entry.where.rpartition(".")
    try:
        holder = import_module(f"vpcipam.{module}")
    except ModuleNotFoundError:  # a method
        module, _, class_name = module.rpartition(".")
        holder = getattr(import_module(f"vpcipam.{module}"), class_name)
    assert entry.why
    assert entry.was in " ".join(line.strip() for line in inspect.getsource(getattr(holder, path)).splitlines())
