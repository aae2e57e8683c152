"""Run one scenario with several values of a key and several seeds, and print the results as a Markdown table.

    python examples/compare.py examples/scenarios/churn.toml group.workers.placement packed random
    python examples/compare.py examples/scenarios/churn.toml group.workers.policy ipamd cilium-eni azure-cns hysteresis

Values are TOML or plain words. `'ipamd with group.workers.settings.WARM_IP_TARGET=8'` sets another key in one row only. Each figure is the
median over the seeds, with the smallest and the largest in brackets if they differ.
`--plot out.png` (or .svg) draws the runs of the first seed side by side. It needs `pip install 'vpcipam[plots]'`.
"""

import argparse
import statistics
import sys
import tomllib
from collections.abc import Callable

from vpcipam.fleet.engine import simulate
from vpcipam.fleet.metrics import FleetResult
from vpcipam.fleet.scenario import Scenario


def fewest_free(result: FleetResult) -> int:
    """Return the fewest free addresses of the first subnet in any sample, those in reservations included."""
    samples = next(iter(result.subnet_samples.values()))
    return min(sample.free + sample.reserved for sample in samples)


COLUMNS: dict[str, Callable[[FleetResult], float]] = {
    "addresses, mean": lambda result: result.summary.addresses_mean,
    "peak": lambda result: result.summary.addresses_peak,
    "of them warm, mean": lambda result: result.summary.addresses_warm_mean,
    "ENIs, mean": lambda result: result.summary.enis_mean,
    "EC2 calls": lambda result: sum(result.summary.calls.values()),
    "pods that waited": lambda result: result.summary.for_address.late_count,
    "longest wait, s": lambda result: result.summary.for_address.max_ns / 1e9,
}
MORE_COLUMNS: dict[str, Callable[[FleetResult], float]] = {
    "ENIs attached": lambda result: result.summary.calls.get("AttachNetworkInterface", 0),
    "most prefixes": lambda result: result.summary.prefixes_peak,
    "pods that waited, %": lambda result: round(100 * result.summary.to_start.late_count / result.summary.pods),
    "fewest free addresses": fewest_free,
}


def changes(settings: list[str]) -> dict[str, object]:
    """Read texts of the form KEY=VALUE. A value that is not TOML stays a string."""
    return {key: parsed(value) for key, _, value in (each.partition("=") for each in settings)}


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


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description="Run one scenario with several values of a key and several seeds.")
    parser.add_argument("scenario", help="a TOML file")
    parser.add_argument("key", help="the path of the key to vary, such as group.workers.placement")
    parser.add_argument("values", nargs="+", help="the values to compare; 'VALUE with KEY=VALUE' sets another key beside one value")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="set another key in all runs")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds to run; default 5")
    parser.add_argument(
        "--columns",
        nargs="+",
        choices=[*COLUMNS, *MORE_COLUMNS],
        default=[*COLUMNS],
        metavar="NAME",
        help=f"the columns; default: all but {', '.join(map(repr, MORE_COLUMNS))}".replace("%", "%%"),
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the runs of seed 1 as .png or .svg")
    return parser


def run(given: argparse.Namespace) -> None:
    """Run all combinations and print the table."""
    columns = {name: (COLUMNS | MORE_COLUMNS)[name] for name in given.columns}
    base = Scenario.load(given.scenario).with_changes(changes(given.set))
    print("| " + " | ".join([given.key.rpartition(".")[2], *columns]) + " |")
    print("| --- " * (1 + len(columns)) + "|")
    drawn = {}
    for text in given.values:
        value, _, more = text.partition(" with ")
        scenario = base.with_changes({given.key: parsed(value), **changes(more.split())})
        results = [simulate(scenario.with_changes({"seed": seed})) for seed in range(1, given.seeds + 1)]
        print("| " + " | ".join([text, *(figure([of(each) for each in results]) for of in columns.values())]) + " |", flush=True)
        drawn[text] = results[0]
    if given.plot:
        from vpcipam.report.plots import plot_comparison  # noqa: PLC0415 - matplotlib is an extra

        plot_comparison(drawn, given.plot)


def main(arguments: list[str]) -> None:
    """Run the example."""
    run(argument_parser().parse_args(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
