"""docs/verification.md shows the figures that are stored beside it, and names what exists."""

import contextlib
import json
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
TOOL = runpy.run_path(str(REPOSITORY / "tools" / "verification.py"))
PAGE = TOOL["PAGE"].read_text(encoding="utf-8")


def test_the_page_shows_the_stored_figures():
    assert TOOL["render"](PAGE, json.loads(TOOL["FIGURES"].read_text(encoding="utf-8"))) == PAGE


def test_everything_that_the_page_names_exists():
    paths = re.findall(r"`((?:tests|tools|examples|src)/[^`]*)`", PAGE)
    links = re.findall(r"\]\(([^)#]+)", PAGE)
    assert len(paths) > 20
    assert [each for each in paths if not (REPOSITORY / each).exists()] == []
    assert [each for each in links if not (REPOSITORY / "docs" / each).exists()] == []


def test_a_search_without_figures_was_not_run():
    found = {
        "soak": {"name": "soak", "seconds": 90, "python": "3.11", "programs": 1200, "pool_programs": 3, "planted_faults": 2, "kind": "x"}
    }
    rows = [line.split(" | ")[2:] for line in TOOL["table"](found).splitlines()[2:]]
    assert rows[1] == ["1,200 programs, 2 planted faults, kind: x", "2 |"]
    assert [row for row in rows if row != ["not run", "|"]] == [rows[1]]


@pytest.mark.parametrize(("late", "signals"), [(0, []), (1, [signal.SIGINT]), (2, [signal.SIGINT, signal.SIGKILL])])
def test_a_search_whose_time_is_over_is_interrupted_and_then_killed(late, signals, tmp_path, monkeypatch):
    class Process(contextlib.nullcontext):
        pid = 7
        waits = 0

        def __init__(self, command, **_):
            super().__init__(self)
            assert command == [sys.executable, "slow.py", "3.0"]

        def wait(self, seconds):
            Process.waits += 1
            if Process.waits <= late:
                raise subprocess.TimeoutExpired("slow.py", seconds)

    sent = []
    monkeypatch.setattr(subprocess, "Popen", Process)
    monkeypatch.setattr(os, "killpg", lambda _, number: sent.append(number))
    monkeypatch.setitem(TOOL["search"].__globals__, "RESULTS", tmp_path)
    monkeypatch.setitem(TOOL["search"].__globals__, "SEARCHES", {"slow": TOOL["Search"]("", "python slow.py {minutes}")})
    (tmp_path / "slow.json").write_text("what an earlier run left", encoding="utf-8")
    TOOL["run"](3, ["slow"])
    assert sent == signals
    assert not (tmp_path / "slow.json").exists()


def test_the_tests_that_pytest_reports_as_failed_are_found():
    failures = runpy.run_path(str(REPOSITORY / "tools" / "flakes.py"))["failures"]
    output = "....\nFAILED tests/a.py::test_b[c - d e] - AssertionError: [x - y]\nERROR tests/b.py\n2 failed, FAILED tests/c.py\n"
    assert failures(output) == {"tests/a.py::test_b[c - d e]", "tests/b.py"}


SUITE = """
from hypothesis import given, settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, rule

class Machine(RuleBasedStateMachine):
    @rule(number=strategies.integers())
    def step(self, number):
        pass

TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=3, stateful_step_count=4, database=None)

@settings(max_examples=5, database=None)
@given(strategies.integers())
def test_number(number):
    pass

def test_kills(record_property):
    record_property("kills", 7)
"""


@pytest.mark.thorough
def test_programs_steps_examples_and_kills_are_counted(tmp_path):
    suite, counts = tmp_path / "test_suite.py", tmp_path / "counts.json"
    suite.write_text(SUITE, encoding="utf-8")
    options = ["-p", "count_searches", "-p", "no:cacheprovider", "--counts-in", counts, "--rootdir", tmp_path]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "tools")}
    subprocess.run([sys.executable, "-m", "pytest", *options, suite], cwd=tmp_path, env=environment, check=True, capture_output=True)  # noqa: S603 - this interpreter
    found = json.loads(counts.read_text(encoding="utf-8"))
    assert [found[name] for name in ("tests", "failed tests", "programs", "steps", "examples", "kills")] == [3, 0, 3, 12, 5, 7]
