"""Print what the command costs to start, as multiples of an empty interpreter: `python benchmarks/startup.py [--rounds N] [--source DIR]`.

A cost is the CPU time of the whole process, in user and system mode: a loaded machine disturbs it less than elapsed time. Each round runs
the empty interpreter and every command once, and the medians over the rounds are compared.
"""
# ruff: noqa: T201 - it is a script, it prints

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
PLUGIN = "vpcipam-cni"
PLUGIN_ENTRY = """
from vpcipam.agent import cni
cni.run({"CNI_COMMAND": "STATUS", "CNI_PATH": "/"}, lambda: b'{"cniVersion": "1.1.0", "name": "pods", "stateFolder": "/none"}')
"""
"""Without an agent, so that nothing but the plugin is measured."""
ENTRY = "import sys; from vpcipam.cli import run_process; sys.exit(run_process())"
"""What the script that pip installs does."""

TARGETS = {
    "--help": 12,
    "max-pods m5.large": 6,
    "limits m5.large": 6,
    "plan m5.large --pods 20": 12,
    "plan m5.large --pods 20 --json": 12,
    PLUGIN: 8,
}
"""The target for each command: at most so many times an empty interpreter."""


def cpu_seconds(program: list[str], source: Path = SOURCE) -> float:
    """Run a program of Python and return its CPU time."""
    environment = {**os.environ, "PYTHONPATH": str(source), "NO_COLOR": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # users' modules are compiled once
    process = subprocess.Popen(  # noqa: S603 - this interpreter
        [sys.executable, *program], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(program)} exits with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def measure(rounds: int, source: Path = SOURCE, commands: Iterable[str] = TARGETS) -> dict[str, tuple[float, float]]:
    """Return each command's median in seconds, and as a multiple of the empty interpreter, whose name is empty."""
    programs = {"": ["-c", "pass"]} | {command: ["-c", ENTRY, *command.split()] for command in commands}
    if PLUGIN in programs:
        programs[PLUGIN] = ["-c", PLUGIN_ENTRY]
    for program in programs.values():
        cpu_seconds(program, source)  # compiles what is not compiled yet
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            times[name].append(cpu_seconds(program, source))
    medians = {name: statistics.median(found) for name, found in times.items()}
    return {name: (median, median / medians[""]) for name, median in medians.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What the command costs to start, as multiples of an empty interpreter.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--source", type=Path, default=SOURCE, help="the folder with the package, to compare two trees")
    options = parser.parse_args()
    measured = measure(options.rounds, options.source)
    print(f"Start-up, CPU time of a process: medians of {options.rounds}")
    for name, (seconds, multiple) in measured.items():
        limit = f"   target: {TARGETS[name]} ×" if name else ""
        print(f"  {_shown(name):<42}{seconds * 1e3:>8.0f} ms{multiple:>8.1f} ×{limit}")
    print()


def _shown(name: str) -> str:
    return name if name == PLUGIN else f"vpcipam {name}" if name else "python -c pass"


if __name__ == "__main__":
    main()
