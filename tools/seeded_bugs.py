"""Plant faults, one at a time, in a copy of the tree, and see whether the suite catches them: `make seeded-bugs`.

    python tools/seeded_bugs.py [NAME…]

The faults stand in `tests/seeded_bugs.toml`. Each is one that an author could make, and its named test must fail in the quick profile. If
that test passes, the rest of the suite runs too, to find a test that does catch it. The working tree stays as it is. Without names, the
figures go to `build/verification/seeded-bugs.json`.
"""

import ast
import enum
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

REPOSITORY = Path(__file__).parent.parent
LIST = Path("tests") / "seeded_bugs.toml"
FIGURES = REPOSITORY / "build" / "verification" / "seeded-bugs.json"
AT_ONCE = 2
LONGEST_S = 600  # for one run of tests

LEFT_OUT = (".git", ".venv", ".*_cache", ".cache", ".hypothesis", "build", "dist", "*.egg-info", "*.html")
COMPILED = {".pyx", ".pxd"}
ALSO_COMPILED = "src/vpcipam/fleet/_loop_py.py"  # the source of both twins

PYTEST = ("-m", "pytest", "--quiet", "--exitfirst", "-p", "no:cacheprovider", "-m", "not thorough")
# In a tree with a fault, the test of the list itself fails.
WHOLE_SUITE = ("tests", "src", "--ignore=tests/test_seeded_bugs.py")
TESTS_FAILED = 1  # pytest's exit code; the others mean that no test has failed: it found none, or could not begin


@attrs.frozen
class Edit:
    """A change of one file.

    Attributes:
        file: its path in the repository.
        before: a text that occurs exactly once in it.
        after: the text that replaces it.
    """

    file: str
    before: str
    after: str

    @property
    def is_compiled(self) -> bool:
        """Tell whether an extension must be built again."""
        return Path(self.file).suffix in COMPILED or self.file == ALSO_COMPILED


@attrs.frozen
class Bug:
    """A fault to plant.

    Attributes:
        edits: what plants it; more than one if the author would change both twins.
        test: the pytest node that catches it, without parameters.
        harm: what a user would suffer.
    """

    name: str
    edits: tuple[Edit, ...]
    test: str
    harm: str

    @classmethod
    def read(cls, table: dict[str, Any]) -> "Bug":
        """Read an entry of the list."""
        edits = (table, *table.get("also", ()))
        return cls(table["name"], tuple(Edit(each["file"], each["before"], each["after"]) for each in edits), table["test"], table["harm"])

    @property
    def is_compiled(self) -> bool:
        """Tell whether an extension must be built again."""
        return any(edit.is_compiled for edit in self.edits)


def read_bugs(root: Path = REPOSITORY) -> tuple[Bug, ...]:
    """Read the list of faults."""
    return tuple(map(Bug.read, tomllib.loads((root / LIST).read_text(encoding="utf-8"))["bug"]))


def misfits(bugs: Iterable[Bug], root: Path = REPOSITORY) -> list[str]:
    """Say which entries no longer fit the tree, and why."""
    bugs = tuple(bugs)
    found = [f"{name}: {count} faults have this name" for name, count in Counter(bug.name for bug in bugs).items() if count > 1]
    for bug in bugs:
        found += [f"{bug.name}: {why}" for edit in bug.edits for why in _misfits_of_edit(edit, root)]
        if why := why_unfit(bug.test, root):
            found.append(f"{bug.name}: {why}")
    return found


def _misfits_of_edit(edit: Edit, root: Path) -> list[str]:
    path = root / edit.file
    count = path.read_text(encoding="utf-8").count(edit.before) if path.is_file() else 0
    found = [f"its text before occurs {count} times in {edit.file}, not once"] * (count != 1)
    return found + ["its text after is the text before"] * (edit.before == edit.after)


def why_unfit(node: str, root: Path) -> str | None:
    """Say why a pytest node can't catch a fault in the quick profile; None if it can."""
    file, _, name = node.partition("::")
    path = root / file
    if not path.is_file():
        return f"{node} does not exist"
    if not name:
        return None
    name = name.partition("::")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [each for each in tree.body if isinstance(each, ast.FunctionDef | ast.ClassDef) and each.name == name]
    found_value = any(isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == name for each in tree.body)  # a machine's TestCase
    if not found and not found_value:
        return f"{node} does not exist"
    marks = {ast.unparse(mark) for each in found for mark in each.decorator_list}
    if marks & {"pytest.mark.thorough", "pytest.mark.nightly"}:
        return f"{node} does not run in the quick profile"
    return None


# --- planting ------------------------------------------------------------------------------------------------------------


class Outcome(enum.StrEnum):
    """What became of a planted fault."""

    CAUGHT = "caught"
    ELSEWHERE = "caught by another test"
    ESCAPED = "escaped"
    BROKEN = "no test ran"


@attrs.frozen
class Verdict:
    """The outcome of one fault.

    Attributes:
        by: the test that failed, or what went wrong.
    """

    bug: Bug
    outcome: Outcome
    by: str
    seconds: float


def copy_tree(source: Path, target: Path) -> None:
    """Copy a tree without what is no part of it. Times of change stay, so that a build renews only what changes later."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)


def plant(bug: Bug, root: Path) -> None:
    """Change the files of a copy."""
    for edit in bug.edits:
        path = root / edit.file
        path.write_text(path.read_text(encoding="utf-8").replace(edit.before, edit.after), encoding="utf-8")


def build(root: Path) -> subprocess.CompletedProcess[str]:
    """Build the extensions whose sources have changed, without optimisation, which would take longer than the tests."""
    environment = os.environ | {"VPCIPAM_REQUIRE_EXTENSION": "1", "CFLAGS": "-O0 -g0"}
    return _run(("setup.py", "-q", "build_ext", "--inplace"), root, environment)


def run_tests(root: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run tests in a copy until one fails, in the quick profile and on both twins."""
    environment = os.environ | {"PYTHONPATH": str(root / "src"), "HYPOTHESIS_PROFILE": "quick"}
    for name in ("VPCIPAM_NO_EXTENSION", "PYTHONDONTWRITEBYTECODE"):  # the second: the base keeps its bytecode for the copies of it
        environment.pop(name, None)
    return _run((*PYTEST, *tests), root, environment)


def _run(command: Sequence[str], root: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run Python in a copy; a run that takes too long has the exit code 124, as with `timeout`."""
    full = [sys.executable, *command]
    try:
        return subprocess.run(  # noqa: S603
            full, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(full, 124, f"it took longer than {LONGEST_S} s")


def failed_test(output: str) -> str:
    """Find the test that failed in what pytest has printed; the last line if none did."""
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    return found[1] if found else (output.strip().splitlines() or [""])[-1]


def try_bug(base: Path, bug: Bug) -> Verdict:
    """Plant a fault in a copy of a built tree, and run its test."""
    begin_s = time.monotonic()
    with TemporaryDirectory(prefix="seeded-bug-") as folder:
        root = Path(folder) / "tree"
        copy_tree(base, root)
        plant(bug, root)
        outcome, by = _tried(root, bug)
    return Verdict(bug, outcome, by, time.monotonic() - begin_s)


def _tried(root: Path, bug: Bug) -> tuple[Outcome, str]:
    if bug.is_compiled and (built := build(root)).returncode:
        return Outcome.BROKEN, failed_test(built.stdout)
    done = run_tests(root, [bug.test])
    if done.returncode == TESTS_FAILED:
        return Outcome.CAUGHT, failed_test(done.stdout)
    if done.returncode:
        return Outcome.BROKEN, failed_test(done.stdout)
    done = run_tests(root, WHOLE_SUITE)
    return (Outcome.ELSEWHERE, failed_test(done.stdout)) if done.returncode else (Outcome.ESCAPED, bug.test)


def make_base(root: Path, bugs: Iterable[Bug]) -> None:
    """Copy the working tree, and make sure that the tests of the faults pass without a fault. Build it first if a fault needs a build.

    Raises:
        SystemExit: the tests or the build fail.
    """
    copy_tree(REPOSITORY, root)
    bugs = tuple(bugs)
    if any(bug.is_compiled for bug in bugs) and (built := build(root)).returncode:
        raise SystemExit(f"{built.stdout}\nthe build fails without any fault: mend that first")
    done = run_tests(root, sorted({bug.test for bug in bugs}))
    if done.returncode:
        raise SystemExit(f"{done.stdout}\nthe tests fail without any fault: mend that first")


# --- the report ----------------------------------------------------------------------------------------------------------


def show(verdicts: Iterable[Verdict], console: Console) -> None:
    """Print a table of the faults."""
    table = Table("fault", "outcome", Column("by", overflow="fold"), "s", box=None)
    for each in verdicts:
        style = "" if each.outcome is Outcome.CAUGHT else "bold red"
        table.add_row(each.bug.name, each.outcome, each.by, f"{each.seconds:.1f}", style=style)
    console.print(table)


def figures(verdicts: Sequence[Verdict], seconds: float) -> dict[str, object]:
    """Return the figures for the docs."""
    counts = Counter(each.outcome for each in verdicts)
    return {
        "name": "seeded-bugs",
        "seconds": round(seconds, 1),
        "python": platform.python_version(),
        "planted": len(verdicts),
        "planted_in_compiled_code": sum(each.bug.is_compiled for each in verdicts),
        "caught": counts[Outcome.CAUGHT],
        "escaped": len(verdicts) - counts[Outcome.CAUGHT],
    }


def main(names: Sequence[str]) -> int:
    """Plant the faults and report; return 1 if a test that should catch its fault doesn't."""
    begin_s = time.monotonic()
    bugs = read_bugs()
    if unknown := sorted(set(names) - {bug.name for bug in bugs}):
        raise SystemExit(f"no fault is named {', '.join(unknown)}; the names stand in {LIST}")
    if found := misfits(bugs):
        raise SystemExit("\n".join((f"{LIST} must be mended:", *found)))
    wanted = [bug for bug in bugs if not names or bug.name in names]
    console = Console()
    with TemporaryDirectory(prefix="seeded-bugs-") as folder, ThreadPoolExecutor(AT_ONCE) as threads:
        base = Path(folder) / "tree"
        with console.status("Copying the tree, and running the tests without a fault"):
            make_base(base, wanted)
        tried = threads.map(lambda bug: try_bug(base, bug), wanted)
        verdicts = list(track(tried, "Planting faults", len(wanted), console=console))
    show(verdicts, console)
    result = figures(verdicts, time.monotonic() - begin_s)
    console.print(f"{result['caught']} of {result['planted']} faults caught in {result['seconds']} s")
    if not names:
        FIGURES.parent.mkdir(parents=True, exist_ok=True)
        FIGURES.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return int(result["escaped"] != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
