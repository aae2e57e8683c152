"""A pytest plugin that counts what the suite searches, and writes it to build/verification/suite.json.

    PYTHONPATH=tools python -m pytest -p count_searches [--counts-in FILE]

It counts the programs and steps of state machines and the examples of other properties, as Hypothesis reports them. Tests add other counts,
such as kills, with `record_property`. With pytest-xdist, the counts of all workers are added up.
"""

import json
import platform
import time
from collections import Counter
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import hypothesis.core
import pytest
from hypothesis.stateful import RuleBasedStateMachine

RESULT = Path(__file__).parent.parent / "build" / "verification" / "suite.json"


class _Counts:
    """What the running test has done. Hypothesis has no public way to learn it, so this wraps two of its functions."""

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        self._checks = self._machines = 0
        core: Any = hypothesis.core
        kind: Any = RuleBasedStateMachine
        check_invariants, note_statistics, new_machine = kind.check_invariants, core.note_statistics, kind.__init__

        def counted_check(machine: RuleBasedStateMachine, *arguments: object) -> None:
            self._checks += 1
            check_invariants(machine, *arguments)

        def counted_machine(machine: RuleBasedStateMachine) -> None:
            self._machines += 1
            new_machine(machine)

        def counted_statistics(statistics: Mapping[str, Any]) -> None:
            phases = [phase for name, phase in statistics.items() if name.endswith("-phase")]
            cases = sum(case["status"] in {"valid", "interesting"} for phase in phases for case in phase["test-cases"])
            self.now["programs" if self._machines else "examples"] += cases
            self.now["steps"] += max(0, self._checks - self._machines)  # the first check is at the beginning
            self._checks = self._machines = 0
            note_statistics(statistics)

        kind.check_invariants, kind.__init__, core.note_statistics = counted_check, counted_machine, counted_statistics


class CountSearches:
    """Adds up the counts of all tests."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts = _Counts()
        self.total: Counter[str] = Counter()
        self.begun = time.monotonic()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Put the counts of a test into its report."""
        self.counts.now.clear()
        try:
            yield
        finally:
            item.user_properties.extend(self.counts.now.items())

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the counts of a test, perhaps of another process."""
        if report.when == "call":
            self.total["tests"] += 1
            self.total["failed tests"] += report.failed
            for name, count in report.user_properties:
                if isinstance(count, int):
                    self.total[name] += count

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the counts, unless this is a worker."""
        if hasattr(session.config, "workerinput"):
            return
        facts: dict[str, object] = {"name": "suite", "seconds": round(time.monotonic() - self.begun), "python": platform.python_version()}
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            facts["end"] = "interrupted, as its time was over"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(facts | dict(self.total), indent=2) + "\n", encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--counts-in", type=Path, default=RESULT, help="the file for what the suite has searched")


def pytest_configure(config: pytest.Config) -> None:
    """Start to count."""
    config.pluginmanager.register(CountSearches(config.getoption("--counts-in")))
