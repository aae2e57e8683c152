"""Run one scenario with several values of a key and several seeds, and print the results as a Markdown table.

    python examples/compare.py examples/scenarios/churn.toml group.workers.placement packed random
    python examples/compare.py examples/scenarios/churn.toml group.workers.policy ipamd cilium-eni azure-cns hysteresis

Values are TOML or plain words. Each figure is the median over the seeds, with the smallest and the largest in brackets if they differ.
`--plot out.png` (or .svg) draws the runs of the first seed side by side. It needs `pip install 'vpcipam[plots]'`.
"""

import argparse
import statistics
import sys
import tomllib
from collections.abc import Callable

from vpcipam.fleet.engine import simulate
from vpcipam.fleet.metrics import Summary
from vpcipam.fleet.scenario import Scenario

COLUMNS: dict[str, Callable[[Summary], float]] = {
    "addresses, mean": lambda summary: summary.addresses_mean,
    "peak": lambda summary: summary.addresses_peak,
    "of them warm, mean": lambda summary: summary.addresses_warm_mean,
    "ENIs, mean": lambda summary: summary.enis_mean,
    "EC2 calls": lambda summary: sum(summary.calls.values()),
    "pods that waited": lambda summary: summary.for_address.late_count,
    "longest wait, s": lambda summary: summary.for_address.max_ns / 1e9,
}


def parsed(text: str) -> object:
    """Read a TOML value. Any other text stays a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def figure(values: list[float]) -> str:
    """Write the median, and the range if the values differ."""

    def rounded(value: float) -> str:
        return f"{value:,.1f}" if abs(value) < 100 and value % 1 else f"{value:,.0f}"

    low, middle, high = (rounded(each) for each in (min(values), statistics.median(values), max(values)))
    return middle if low == high else f"{middle} ({low} to {high})"


def main(arguments: list[str]) -> None:
    """Run all combinations and print the table."""
    parser = argparse.ArgumentParser(description="Run one scenario with several values of a key and several seeds.")
    parser.add_argument("scenario", help="a TOML file")
    parser.add_argument("key", help="the path of the key to vary, such as group.workers.placement")
    parser.add_argument("values", nargs="+", help="the values to compare")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="set another key in all runs")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds to run; default 5")
    parser.add_argument("--plot", metavar="FILE", help="draw the runs of seed 1 as .png or .svg")
    given = parser.parse_args(arguments)

    fixed = {key: parsed(value) for key, _, value in (each.partition("=") for each in given.set)}
    base = Scenario.load(given.scenario).with_changes(fixed)
    print("| " + " | ".join([given.key.rpartition(".")[2], *COLUMNS]) + " |")
    print("| --- " * (1 + len(COLUMNS)) + "|")
    drawn = {}
    for value in given.values:
        scenario = base.with_changes({given.key: parsed(value)})
        results = [simulate(scenario.with_changes({"seed": seed})) for seed in range(1, given.seeds + 1)]
        print("| " + " | ".join([value, *(figure([of(each.summary) for each in results]) for of in COLUMNS.values())]) + " |", flush=True)
        drawn[value] = results[0]
    if given.plot:
        from vpcipam.report.plots import plot_comparison  # noqa: PLC0415 - matplotlib is an extra

        plot_comparison(drawn, given.plot)


if __name__ == "__main__":
    main(sys.argv[1:])
