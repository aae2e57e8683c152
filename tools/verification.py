"""Run the searches for faults one after another, and renew the figures of docs/verification.md: `make verification MINUTES=60`.

    python tools/verification.py run [MINUTES] [SEARCH…]    the searches share the time; without names, all of them
    python tools/verification.py render                     only the page

Each search writes build/verification/NAME.json: its name, its seconds, its Python, and figures. They are collected in
docs/verification.json, and the page shows what is there. A search that has no figures was not run. HYPOTHESIS_PROFILE says how long the
suite is: `ci` unless given.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import attrs

REPOSITORY = Path(__file__).parent.parent
RESULTS = REPOSITORY / "build" / "verification"
PAGE = REPOSITORY / "docs" / "verification.md"
FIGURES = PAGE.with_suffix(".json")
TABLE = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)
LONGEST_END_S = 60  # from the interrupt of a search to its figures

Figures = Mapping[str, str | int | float]


@attrs.frozen
class Search:
    """One search for faults.

    Attributes:
        what: what the page calls it.
        command: `{minutes}` stands for its share of the time.
    """

    what: str
    command: str

    def words(self, minutes: float) -> list[str]:
        """Return the command for a share of the time."""
        numbers = {"minutes": round(minutes, 1), "seconds": round(60 * minutes), "tenfold": round(10 * minutes)}
        return shlex.split(self.command.format_map(numbers))


SEARCHES = {
    "suite": Search(
        "the suite, with its longest tests", "python -m pytest -q -m 'nightly or not nightly' -p count_searches --numprocesses auto tests"
    ),
    "soak": Search("random programs against our own allocators, with kills", "python tests/testing/soak.py {minutes}"),
    "flakes": Search("the quick suite again and again", "make flakes RUNS=10"),
    "seeded-bugs": Search("planted faults: does the suite find them?", "make seeded-bugs"),
    "mutants": Search("small changes of the core: does the suite find them?", "make mutants SAMPLE={tenfold}"),
    "fuzz": Search("coverage-guided fuzzing of everything that reads", "make fuzz MINUTES={minutes} SECONDS={seconds}"),
    "sanitize": Search("the C of the pools with AddressSanitizer and UBSan", "make sanitize"),
}


def search(name: str, minutes: float) -> None:
    """Run a search. Interrupt it when its time is over: it writes its figures then, if it can."""
    print(f"=== {name}: at most {minutes:.0f} minutes", flush=True)
    (RESULTS / f"{name}.json").unlink(missing_ok=True)
    program, *rest = SEARCHES[name].words(minutes)
    environment = {"HYPOTHESIS_PROFILE": "ci"} | os.environ | {"PYTHONPATH": str(REPOSITORY / "tools")}
    command = [sys.executable if program == "python" else program, *rest]
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment, start_new_session=True) as process:  # noqa: S603
        try:
            process.wait(60 * minutes)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(LONGEST_END_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def run(minutes: float, names: list[str]) -> None:
    """Run searches that share the time; one that ends early leaves its time to the others."""
    end = time.monotonic() + 60 * minutes
    for place, name in enumerate(names):
        search(name, max(0.1, (end - time.monotonic()) / 60 / (len(names) - place)))


def collect() -> dict[str, Figures]:
    """Add what the searches have written to the figures of the page, and return them all."""
    found: dict[str, Figures] = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    for name in SEARCHES:
        path = RESULTS / f"{name}.json"
        if path.exists():
            found[name] = json.loads(path.read_text(encoding="utf-8"))
    FIGURES.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found


def sentence(figures: Figures) -> str:
    """Write figures as a list, without those that are parts of others: `pool_run` is a part of `run`."""
    shown = {name: value for name, value in figures.items() if name not in {"name", "seconds", "python"}}
    shown = {name: value for name, value in shown.items() if name.partition("_")[2] not in shown}
    texts = (f"{value:,} {name}" if isinstance(value, int | float) else f"{name}: {value}" for name, value in shown.items())
    return ", ".join(texts).replace("_", " ")


def table(found: Mapping[str, Figures]) -> str:
    """Write the table of the page."""
    rows = [("search", "", "figures", "minutes"), ("---",) * 4]
    for name, each in SEARCHES.items():
        figures = found.get(name)
        minutes = "" if figures is None else f"{float(figures['seconds']) / 60:.0f}"
        rows.append((f"`{name}`", each.what, "not run" if figures is None else sentence(figures), minutes))
    return "".join(f"| {' | '.join(row)} |\n".replace("  |", " |") for row in rows)


def render(page: str, found: Mapping[str, Figures]) -> str:
    """Return a page with the figures in its table."""
    return TABLE.sub(lambda _: table(found), page)


def main(arguments: list[str]) -> None:
    """Do what the arguments say."""
    if arguments[:1] == ["run"]:
        minutes, *names = arguments[1:] or ["60"]
        run(float(minutes), names or [*SEARCHES])
    elif arguments != ["render"]:
        sys.exit(__doc__)
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8"), collect()), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
