"""Print how much quicker this tree is than another one: fleets with and without IP targets, and what one node does.

Usage: `python benchmarks/compare_trees.py PYTHON [--rounds N] [--duration TEXT]`. PYTHON is the interpreter of the other tree's `.venv`,
with its extensions built.

Each round runs both trees in turn, each workload in a process of its own, and compares CPU times. A ratio is the median of the rounds.
"""
# ruff: noqa: T201, S603 - it is a script: it prints, and runs itself

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from time import process_time

HERE = Path(__file__).parent
FLEETS = {"thousand-nodes": {}, "thousand-nodes, IP targets": {"WARM_IP_TARGET": "5", "MINIMUM_IP_TARGET": "20"}}


def main() -> None:
    """Compare and print; with `--measure`, time one workload in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", default="2 h", help="of the fleets")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.duration)))
        return
    costs: dict[str, list[tuple[float, float]]] = {}
    for _ in range(arguments.rounds):
        for workload in ("node", *FLEETS):
            other, mine = (run(python, workload, arguments.duration) for python in (arguments.python, sys.executable))
            for name, cost in mine.items():
                costs.setdefault(name, []).append((other[name], cost))
    for name, pairs in costs.items():
        ratio = statistics.median(other / mine for other, mine in pairs)
        other, mine = (statistics.median(side) for side in zip(*pairs, strict=True))
        print(f"{name:<36} {other:>12.6f} s {mine:>12.6f} s {ratio:>7.2f} ×")


def run(python: str, workload: str, duration: str) -> dict[str, float]:
    """Time a workload in a process of one tree; return seconds of CPU time by name."""
    command = [python, __file__, python, "--measure", workload, "--duration", duration]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(workload: str, duration: str) -> dict[str, float]:
    """Time a workload in this process."""
    if workload == "node":
        from node_workloads import time_node, workloads  # noqa: PLC0415 - it takes a moment, and the parent needs none of it

        return {name: time_node(work) / 1e9 for name, work in workloads().items()}
    from vpcipam.fleet.engine import Fleet  # noqa: PLC0415 - likewise
    from vpcipam.fleet.scenario import Scenario  # noqa: PLC0415 - likewise

    changes = {"duration": duration} | {f"group.workers.settings.{name}": value for name, value in FLEETS[workload].items()}
    scenario = Scenario.load(HERE.parent / "examples" / "scenarios" / "thousand-nodes.toml", changes)
    begin = process_time()
    for _ in Fleet(scenario).run():
        pass
    return {workload: process_time() - begin}


if __name__ == "__main__":
    main()
