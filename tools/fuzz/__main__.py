"""Fuzz targets one after the other, and print a table: `make fuzz SECONDS=60 TARGET=trace`.

A finding is an exception that is not documented, a broken promise such as two twins that disagree, a call of more than 30 seconds, or
more than 256 MiB of memory. The exit code is then 1, and the table is followed by the file of the input and how to repeat it.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import attrs

from fuzz.target import Target
from fuzz.targets import MODULES, find_target

REPOSITORY = Path(__file__).parents[2]
CORPUS = REPOSITORY / "tests" / "fuzz_corpus"
WORK = REPOSITORY / "build" / "fuzz"
FIGURES = REPOSITORY / "build" / "verification" / "fuzz.json"
LONGEST_CALL_S = 30
START_S = 120
"""How long a process may take beside its fuzzing: to import, to read the corpus, and to stop."""
_STATUS = re.compile(r"^#(\d+)\s+(\w+)\s+cov: (\d+)", re.MULTILINE)
_INSTRUMENTING = re.compile(r"^INFO: Instrumenting .*\n", re.MULTILINE)
_EXECUTIONS = re.compile(r"^stat::number_of_executed_units:\s*(\d+)", re.MULTILINE)


@attrs.frozen
class Outcome:
    """What fuzzing a target gave.

    Attributes:
        edges: The edges of the code that inputs have reached.
        new_edges: Those among them that no input of the corpus reaches.
        findings: The files with inputs that fail.
        output: The end of what the process wrote.
    """

    target: str
    seconds: float
    executions: int
    edges: int
    new_edges: int
    findings: tuple[Path, ...]
    output: str


def fuzz(target: Target, seconds: int) -> Outcome:
    """Fuzz a target in a process of its own."""
    found = WORK / target.name
    findings = WORK / "findings"
    for folder in (found, findings):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(findings.iterdir())
    words = WORK / f"{target.name}.dict"
    words.write_text("".join(f'"{_quoted(word)}"\n' for word in dict.fromkeys(target.words)), encoding="utf-8")
    begin_s = time.monotonic()
    output = _atheris(
        target,
        (
            *(f"-max_total_time={seconds}", f"-timeout={LONGEST_CALL_S}", f"-report_slow_units={LONGEST_CALL_S}", "-print_final_stats=1"),
            *(f"-artifact_prefix={findings}/{target.name}-", *([f"-dict={words}"] if target.words else [])),
            *(str(found), str(CORPUS / target.name)),
        ),
        seconds,
    )
    seen = _STATUS.findall(output)
    executions = _EXECUTIONS.findall(output)
    first = next((int(edges) for _, event, edges in seen if event == "INITED"), 0)
    edges = int(seen[-1][2]) if seen else 0
    return Outcome(
        target=target.name,
        seconds=time.monotonic() - begin_s,
        executions=int(executions[-1]) if executions else int(seen[-1][0]) if seen else 0,
        edges=edges,
        new_edges=edges - first,
        findings=tuple(sorted(set(findings.iterdir()) - before)),
        output=output[-3_000:],
    )


def keep(target: Target) -> None:
    """Copy the inputs that reach new edges to the corpus; the smallest input for each."""
    _atheris(target, ("-merge=1", "-use_counters=0", str(CORPUS / target.name), str(WORK / target.name)), START_S)


def _atheris(target: Target, options: Iterable[str], seconds: int) -> str:
    """Run the worker and return what it writes."""
    with tempfile.TemporaryDirectory() as temporary:  # libFuzzer ends the process, which then can't remove its own files
        try:
            done = subprocess.run(  # noqa: S603 - this interpreter
                [sys.executable, "-m", "fuzz.worker", target.name, *options],
                cwd=temporary,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY / "tools"), "TMPDIR": temporary},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds + START_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            return (error.output or b"").decode(errors="replace") + f"\nit did not end within {seconds + START_S} s\n"
    return _INSTRUMENTING.sub("", done.stdout.decode(errors="replace"))


def _quoted(word: str) -> str:
    """Write a word as libFuzzer's dictionaries have it."""
    return "".join(chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\' else f"\\x{byte:02x}" for byte in word.encode())


def repeat(target: Target, path: Path) -> int:
    """Run one input, so that its traceback is shown."""
    target.run(path.read_bytes())
    print(f"{target.name}: {path} is no finding")
    return 0


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="the time, which all targets share")
    parser.add_argument("--target", choices=[*MODULES, ""], default="", help="only this target")
    parser.add_argument("--keep", action="store_true", help="copy inputs that reach new code to the corpus")
    parser.add_argument("--input", type=Path, help="only run this input, without atheris")
    options = parser.parse_args()
    targets = [find_target(name) for name in ([options.target] if options.target else MODULES)]
    if options.input is not None:
        if not options.target:
            parser.error("--input needs --target")
        if not options.input.is_file():
            parser.error(f"--input: there is no file {options.input}")
        return repeat(targets[0], options.input)
    if find_spec("atheris") is None:
        parser.error("atheris is not installed; it has wheels for Linux and Python 3.11 to 3.14")
    share_s = max(1, options.seconds // len(targets))
    outcomes = []
    for target in targets:
        outcomes.append(fuzz(target, share_s))
        print(f"{target.name}: {outcomes[-1].executions:,} executions in {outcomes[-1].seconds:.0f} s", flush=True)
        if options.keep:
            keep(target)
    return report(outcomes)


def report(outcomes: list[Outcome]) -> int:
    """Print a table and the findings, and write the figures; return the exit code."""
    print(f"\n{'target':15} {'executions':>10} {'edges':>7} {'new':>5} {'findings':>8}")
    for each in outcomes:
        print(f"{each.target:15} {each.executions:10,} {each.edges:7,} {each.new_edges:5,} {len(each.findings):8}")
    dead = [each for each in outcomes if not each.executions]
    for each in dead:
        print(f"\n{each.target} did not run:\n{each.output}")
    for each in outcomes:
        for path in each.findings:
            print(f"\nfinding: {path}\n{each.output}\nrepeat: make fuzz TARGET={each.target} INPUT={path}")
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    figures = {
        "name": "fuzz",
        "seconds": round(sum(each.seconds for each in outcomes)),
        "python": platform.python_version(),
        "targets": len(outcomes),
        "executions": sum(each.executions for each in outcomes),
        "edges": sum(each.edges for each in outcomes),
        "new edges": sum(each.new_edges for each in outcomes),
        "findings": sum(len(each.findings) for each in outcomes),
        "inputs in the corpus": sum(1 for each in outcomes for _ in (CORPUS / each.target).iterdir()),
    }
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 1 if dead or figures["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
