"""Change the core in small ways and see whether the tests notice: `make mutants`.

    python tools/mutants.py [--room ROOM]… [--sample N] [--seed N] [--resume]

mutmut writes the *mutants*: copies of a function with one change each, such as `<` for `<=`. A mutant is *killed* if a test of its room
fails, or takes much longer than before. Survivors are printed, except those that `tests/equivalent_mutants.toml` lists with a reason.
The exit status is 1 if fewer than 95 % of the mutants that are not listed are killed.

`ROOMS` says which tests must kill the mutants of which modules. The work goes on in `build/mutants/ROOM/`. The pools that change are the
plain ones, and the tests compare them with the compiled ones. The other rooms run on the compiled pools, which is faster.
"""

import argparse
import contextlib
import difflib
import fnmatch
import importlib
import json
import os
import platform
import random
import re
import resource
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parent.parent
WORK = REPOSITORY / "build" / "mutants"
FIGURES = REPOSITORY / "build" / "verification" / "mutants.json"
EQUIVALENT = REPOSITORY / "tests" / "equivalent_mutants.toml"
SCORE_MIN = 0.95
TEXT = re.compile(r'"([^"]*)"')

_PURE_DATAPATH = ("values", "layout", "options", "pod", "branch", "egress", "eni", "host", "xtables", "nft", "commands")
"""The modules of the datapath that need no kernel."""

ROOMS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {  # the modules in src/vpcipam, and the tests
    "pool": (["pool/plain_*.py", "_pool_refusals.py"], ["tests/pool"]),
    "datastore": (["datastore/*.py"], ["tests/datastore"]),
    "warmpool": (["warmpool.py", "policies.py"], ["tests/warmpool", "tests/test_policies.py"]),
    "node": (["node/*.py"], ["tests/node"]),
    "limits": (["limits/*.py"], ["tests/limits"]),
    "ec2": (
        ["ec2/state/*.py", "ec2/subnet_rules.py"],
        ["tests/ec2/state", "tests/ec2/actions", "tests/ec2/over_time", "tests/ec2/test_agreement.py"],
    ),
    "settings": (["settings/*.py"], ["tests/settings"]),
    "planner": (["planner/*.py"], ["tests/planner"]),
    "datapath": (
        [f"datapath/{name}.py" for name in (*_PURE_DATAPATH, "pieces")],
        [f"tests/datapath/test_{name}.py" for name in (*_PURE_DATAPATH, "plans")],
    ),
    "fleet": (["fleet/tune.py", "fleet/summary.py"], ["tests/fleet/test_tune.py", "tests/fleet/test_summary.py"]),
}

ALSO_COPY = ["docs", "examples", "tools", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"]  # some tests read them
UNFIT = [  # tests that notice mutmut itself: the methods that it adds to classes, and what it allocates in each call
    "tests/pool/test_out_of_memory.py",
    "tests/pool/test_pool_module.py",
    "tests/datastore/test_collector.py",
    "tests/datastore/test_out_of_memory.py",
    "tests/datastore/test_wrong_arguments.py",
]
MEMORY_BYTES = 4 << 30  # of each process: a mutant may fill a list for ever
KILLING_EXIT_CODES = {1, 3, 24, -24, 36, 152, 255, -9, -11}  # mutmut's: failed, out of time, crashed


@attrs.frozen(order=True)
class Mutant:
    """One change of one function.

    Attributes:
        name: mutmut's name.
        where: the function, from the module on: `pool.plain_offsets.BitmapPool.allocate`.
        was: the lines that change, as one line.
        becomes: the lines that they become.
    """

    name: str
    where: str
    was: str
    becomes: str

    @property
    def rewords(self) -> bool:
        """Whether only the words of a message change. A test for each would say the message again."""
        return TEXT.sub(_without_words, self.was) == TEXT.sub(_without_words, self.becomes)

    def __str__(self) -> str:
        """The function, and the change as a diff."""
        return f"{self.where}  ({self.name.rpartition('_')[2]})\n  - {self.was}\n  + {self.becomes}"


def _without_words(text: re.Match[str]) -> str:
    return '""' if " " in text[1] else text[0]


@attrs.frozen
class Listed:
    """An entry of the list of mutants that nothing has to kill; without `becomes` it covers every change of these lines."""

    where: str
    was: str
    why: str
    becomes: Sequence[str] = ()

    def covers(self, mutant: Mutant) -> bool:
        """Return whether the entry is about this mutant."""
        return (self.where, self.was) == (mutant.where, mutant.was) and (not self.becomes or mutant.becomes in self.becomes)


@attrs.frozen(kw_only=True)
class Outcome:
    """What happened to the mutants of a room."""

    mutants: int
    run: int
    timed_out: int
    listed: int
    survivors: Sequence[Mutant]

    @property
    def counts(self) -> dict[str, int]:
        """The figures of the room. The mutants that ran out of time count as killed."""
        survived = len(self.survivors)
        return {
            "mutants": self.mutants,
            "run": self.run,
            "killed": self.run - survived,
            "timed_out": self.timed_out,
            "listed": self.listed,
            "survived": survived,
        }


def prepare(room: str) -> Path:
    """Make the folder in which mutmut works on a room."""
    modules, tests = ROOMS[room]
    work = WORK / room
    work.mkdir(parents=True, exist_ok=True)
    for name in ("src", "tests", *ALSO_COPY):
        with contextlib.suppress(FileExistsError):
            (work / name).symlink_to(REPOSITORY / name)
    options = {
        "source_paths": ["src"],
        "only_mutate": [f"src/vpcipam/{each}" for each in modules],
        "also_copy": ALSO_COPY,
        "pytest_add_cli_args": [
            "-p",
            "no:cacheprovider",
            "-m",
            "not thorough",
            *(f"--ignore={each}" for each in UNFIT if Path(each).parent in map(Path, tests)),
        ],
        "pytest_add_cli_args_test_selection": tests,
        # Seconds: (1.5 + the tests' own time) × 8. Too many rather than too few: on a busy machine a mutant must not seem killed.
        "timeout_constant": 1.5,
        "timeout_multiplier": 8.0,
        "track_dependencies": False,
        "use_git_change_detection": False,
    }
    rows = [f"{name} = {json.dumps(value)}\n" for name, value in options.items()]
    # pytest-benchmark would ask git for the commit before the tests of each mutant.
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8").replace('"--benchmark-disable"', '"-p", "no:benchmark"')
    write_if_changed(work / "pyproject.toml", f"{project}\n[tool.mutmut]\n{''.join(rows)}")
    return work


def write_if_changed(path: Path, text: str) -> None:
    """Write a file, unless it has that text already."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def generate(work: Path) -> list[Mutant]:
    """Let mutmut write all mutants of a room; return them in a fixed order."""
    mutmut = importlib.import_module("mutmut.__main__")
    importlib.import_module("mutmut.configuration").reset_config()
    with contextlib.chdir(work):
        Path("mutants").mkdir(exist_ok=True)
        with contextlib.redirect_stdout(None):
            mutmut.copy_src_dir()
            mutmut.create_mutants(os.cpu_count())
    return sorted(mutant for meta in metas(work) for mutant in mutants_of(meta))


def metas(work: Path) -> list[Path]:
    """Return the files in which mutmut keeps the verdicts, one for each module."""
    return sorted((work / "mutants" / "src").rglob("*.py.meta"))


def verdicts(work: Path) -> dict[str, int | None]:
    """Return the exit code of the tests for each mutant, or None before it ran."""
    return {name: code for meta in metas(work) for name, code in json.loads(meta.read_bytes())["exit_code_by_key"].items()}


def mutants_of(meta: Path) -> Iterator[Mutant]:
    """Read the mutants of a module that mutmut has changed."""
    lines = meta.with_suffix("").read_text(encoding="utf-8").splitlines()
    spans = json.loads(meta.with_suffix(".spans").read_bytes())["spans"]

    def source(function: str) -> list[str]:
        first, last = spans[function]
        return [line.strip().replace(function, "…") for line in lines[first - 1 : last]]

    for name in json.loads(meta.read_bytes())["exit_code_by_key"]:
        module, _, function = name.rpartition(".")
        original = function.partition("__mutmut_")[0] + "__mutmut_orig"
        changes = [*difflib.unified_diff(source(original), source(function), n=0, lineterm="")][3:]
        was, becomes = (" ".join(line[1:] for line in changes if line.startswith(sign)) for sign in "-+")
        path = function.partition("__mutmut_")[0].removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        yield Mutant(name, f"{module}.{path}".removeprefix("vpcipam."), was, becomes)


def sampled(mutants: Sequence[Mutant], sample: int | None, seed: int) -> list[Mutant]:
    """Take `sample` mutants; the seeds 1, 2, 3 … take others each, until all had their turn."""
    shuffled = random.Random(0).sample(mutants, len(mutants))  # noqa: S311
    if sample is None or sample >= len(shuffled):
        return shuffled
    first = (seed - 1) * sample % len(shuffled)
    return (shuffled + shuffled)[first : first + sample]


def run(room: str, work: Path, mutants: Sequence[Mutant]) -> None:
    """Let mutmut run the tests of a room on each of these mutants, and show the progress."""
    names = {mutant.name for mutant in mutants}
    forget(work, names)
    command = [str(Path(sys.executable).with_name("mutmut")), "run", *sorted(names)]
    environment = os.environ | {"HYPOTHESIS_PROFILE": "mutants"}
    log = work / "mutmut.log"
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with log.open("wb") as output, Progress(*columns) as progress:
        task = progress.add_task(room, total=len(names))
        with subprocess.Popen(command, cwd=work, env=environment, stdout=output, stderr=output, preexec_fn=limit_memory) as mutmut:  # noqa: S603, PLW1509
            while mutmut.poll() is None:
                time.sleep(5)
                with contextlib.suppress(json.JSONDecodeError):  # mutmut is writing it
                    codes = verdicts(work)
                    progress.update(task, completed=sum(codes[name] is not None for name in names))
    if mutmut.returncode:
        sys.exit(f"mutmut failed in {room}; see {log}")


def limit_memory() -> None:
    """Bound the memory of this process and its children."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def forget(work: Path, names: Iterable[str]) -> None:
    """Drop the verdicts of an earlier run."""
    gone = set(names)
    for meta in metas(work):
        content = json.loads(meta.read_bytes())
        content["exit_code_by_key"] = {name: None if name in gone else code for name, code in content["exit_code_by_key"].items()}
        meta.write_text(json.dumps(content), encoding="utf-8")


def listed_mutants() -> list[Listed]:
    """Read the list of the mutants that nothing has to kill."""
    return [Listed(**entry) for entry in tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("mutant", [])]


def check_list(room: str, listed: Sequence[Listed], mutants: Sequence[Mutant]) -> None:
    """Refuse an entry of the list that covers no mutant of its room any more."""
    modules, _ = ROOMS[room]
    for entry in listed:
        mine = any(fnmatch.fnmatch(entry.where, f"{module.removesuffix('.py').replace('/', '.')}.*") for module in modules)
        if mine and not any(entry.covers(mutant) for mutant in mutants):
            sys.exit(f"{EQUIVALENT.name} lists a mutant that is no more: {entry.where}: {entry.was}")


def run_room(room: str, sample: int | None, seed: int, *, resume: bool) -> Outcome:
    """Run the mutants of a room, or a sample of them."""
    work = prepare(room)
    mutants = generate(work)
    listed = listed_mutants()
    check_list(room, listed, mutants)
    chosen = [mutant for mutant in sampled(mutants, sample, seed) if not mutant.rewords]
    unlisted = [mutant for mutant in chosen if not any(entry.covers(mutant) for entry in listed)]
    known = verdicts(work)
    if todo := [mutant for mutant in unlisted if not (resume and known[mutant.name] in KILLING_EXIT_CODES)]:
        run(room, work, todo)
    new = verdicts(work)
    codes = known | {mutant.name: new[mutant.name] for mutant in todo}  # mutmut forgets the others when its options change
    survivors = [mutant for mutant in unlisted if codes[mutant.name] not in KILLING_EXIT_CODES]
    timed_out = sum(codes[mutant.name] not in {0, 1, 3} for mutant in unlisted if mutant not in survivors)
    return Outcome(
        mutants=len(mutants), run=len(unlisted), timed_out=timed_out, listed=len(chosen) - len(unlisted), survivors=sorted(survivors)
    )


def show(outcomes: Mapping[str, Outcome], totals: Mapping[str, int]) -> None:
    """Print the survivors, then a row for each room."""
    console = Console()
    for outcome in outcomes.values():
        for mutant in outcome.survivors:
            console.print(str(mutant), markup=False, highlight=False, soft_wrap=True)
    table = Table("room", *(name.replace("_", " ") for name in totals))
    for room, counts in {**{room: outcome.counts for room, outcome in outcomes.items()}, "all": totals}.items():
        table.add_row(room, *map(str, counts.values()))
    console.print(table)


def write_figures(outcomes: Mapping[str, Outcome], totals: Mapping[str, int], **others: int | None) -> None:
    """Write what the run has measured as a flat document."""
    rooms = {f"{room}_{name}": count for room, outcome in outcomes.items() for name, count in outcome.counts.items()}
    document = {"name": "mutants", "python": platform.python_version(), **others, **totals, **rooms}
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants of the rooms; return the exit status."""
    parser = argparse.ArgumentParser(description="Change the core in small ways and see whether the tests notice.")
    parser.add_argument("--room", action="append", choices=ROOMS, help="default: all rooms")
    parser.add_argument("--sample", type=int, metavar="N", help="mutants for each room; default: all")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="1, 2, 3 … take other samples, until every mutant had its turn")
    parser.add_argument("--resume", action="store_true", help="don't run those again that an earlier run has killed")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    outcomes = {room: run_room(room, options.sample, options.seed, resume=options.resume) for room in options.room or ROOMS}
    counts = [outcome.counts for outcome in outcomes.values()]
    totals = {name: sum(each[name] for each in counts) for name in counts[0]}
    show(outcomes, totals)
    write_figures(outcomes, totals, seconds=round(time.monotonic() - start), sample=options.sample, seed=options.seed)
    return 0 if totals["killed"] >= SCORE_MIN * totals["run"] else 1


if __name__ == "__main__":
    sys.exit(main())
