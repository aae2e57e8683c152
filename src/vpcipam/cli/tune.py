"""`vpcipam tune`: the settings with the fewest addresses, or calls, that keep within bounds."""

from typing import Any

import attrs
import click

from vpcipam._units import NS_PER_S
from vpcipam.cli.command import Answer, AnsweringCommand
from vpcipam.cli.pictures import check_picture
from vpcipam.cli.progress import trials_shown
from vpcipam.cli.scenarios import read_scenario, scenario_options
from vpcipam.cli.sweep import unfinished, workers_option
from vpcipam.fleet.tune import Candidate, TuneResult, TuneSpec, tune

EXAMPLES = (
    "vpcipam tune examples/scenarios/tune.toml",
    "vpcipam tune examples/scenarios/tune.toml --set tune.p99_wait='5 s' --plot front.svg",
)


@attrs.frozen
class _Point:
    """A candidate as the picture wants it."""

    x: float
    y: float
    label: str
    on_front: bool


@click.command("tune", cls=AnsweringCommand, examples=EXAMPLES, short_help="The best settings for a load.")
@scenario_options
@workers_option
@click.option("--plot", metavar="FILE", type=click.Path(), help="Draw the trade-off, as .svg or .png. Needs vpcipam[plots].")
def command(*, file: str, seed: int | None, trace: str | None, changes: dict[str, object], workers: int | None, plot: str | None) -> Answer:
    """Search the settings that the table [tune] of a scenario lists for the best, and print the command that sets them.

    Ctrl-C ends the search and shows what is done.
    """
    scenario = read_scenario(file, seed=seed, trace=trace, changes=changes)
    spec = TuneSpec.read(scenario)
    if plot is not None:
        check_picture(plot)
    with trials_shown(spec.trial_count) as progress:
        result = tune(scenario, spec, workers=workers, progress=progress)
    notes = []
    if plot is not None and result.candidates:
        _draw(result, plot)
        notes.append(f"drew {plot}")

    def show() -> str:
        from vpcipam.cli.search_view import show_tune  # noqa: PLC0415 - it loads rich, which JSON does not need

        return show_tune(scenario.name, result)

    return Answer(document=_document(scenario.name, result), show=show, notes=tuple(notes), finding=_finding(result))


def _finding(result: TuneResult) -> str | None:
    if not result.complete:
        return unfinished(len(result.candidates) + len(result.failures), result.count)
    if result.best is None:
        return "no combination keeps within the bounds: allow more waiting or calls, or list other values"
    return None


def _draw(result: TuneResult, path: str) -> None:
    from vpcipam.report.plots import plot_tradeoff  # noqa: PLC0415 - it loads matplotlib

    points = [
        _Point(each.cost, each.p99_wait_ns / NS_PER_S, ", ".join(f"{name}={value}" for name, value in each.settings.items()), each.on_front)
        for each in result.candidates
    ]
    label = {"calls": "calls to EC2", "addresses-mean": "pod addresses attached, mean"}.get(result.spec.goal, "addresses, at most")
    plot_tradeoff(points, path, x_label=label, y_label="wait of 99 % of pods, s")


def _document(name: str, result: TuneResult) -> dict[str, Any]:
    return {
        "scenario": name,
        "minimise": result.spec.goal,
        "count": result.count,
        "best": None if result.best is None else _candidate(result.best),
        "candidates": [_candidate(each) for each in result.candidates],
        "failures": [{"settings": dict(settings), "error": error} for settings, error in result.failures],
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {**attrs.asdict(candidate), "kubectl": candidate.kubectl}
