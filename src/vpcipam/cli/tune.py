"""`vpcipam tune`: the settings with the fewest addresses or calls within bounds."""

from typing import TYPE_CHECKING, Any

import attrs
import click

from vpcipam._units import NS_PER_S
from vpcipam.cli.command import FILE, Output, OutputCommand
from vpcipam.cli.output_files import check_picture
from vpcipam.cli.progress import show_progress
from vpcipam.cli.scenarios import takes_scenario
from vpcipam.cli.search_view import show_tune, tune_table
from vpcipam.cli.sweep import unfinished, workers_option
from vpcipam.fleet.scenario import Scenario
from vpcipam.fleet.tune import Candidate, TuneResult, TuneSpec, tune

if TYPE_CHECKING:
    from vpcipam.cli.charts import Chart

EXAMPLES = (
    "vpcipam tune examples/scenarios/tune.toml",
    "vpcipam tune examples/scenarios/tune.toml --set tune.p99_wait='10 s' --plot front.svg",
)


@attrs.frozen
class _Point:
    """A candidate in the form that `plot_tradeoff` takes."""

    x: float
    y: float
    label: str
    on_front: bool


@click.command("tune", cls=OutputCommand, examples=EXAMPLES, has_csv=True)
@takes_scenario
@workers_option
@click.option("--plot", metavar="FILE", type=FILE, help="Draw the trade-off, as .svg or .png. Needs vpcipam[plots].")
def command(scenario: Scenario, *, workers: int | None, plot: str | None) -> Output:
    """Find the best of the settings that the scenario's table [tune] lists, and print the command that applies them.

    Ctrl-C ends the search and shows the combinations that are done.
    """
    spec = TuneSpec.read(scenario)
    if plot is not None:
        check_picture(plot)
    with show_progress(spec.trial_count) as progress:
        result = tune(scenario, spec, workers=workers, progress=progress)
    notes = []
    if plot is not None and result.candidates:
        _draw(result, plot)
        notes.append(f"drew {plot}")
    return Output(
        document=_document(scenario.name, result),
        show=lambda page: show_tune(page, scenario.name, result),
        table=tune_table(result),
        charts=lambda: _charts(result),
        notes=tuple(notes),
        finding=_finding(result) if result.complete else None,
        interruption=None if result.complete else _interruption(result),
    )


def _interruption(result: TuneResult) -> str:
    tried = len(result.candidates) + len(result.failures)
    if tried < result.count:
        return unfinished(tried, result.count, "combinations")
    return "the best combination was not confirmed; run it again"


def _finding(result: TuneResult) -> str | None:
    if result.best is not None or result.present_is_best:
        return None
    return result.reason if not result.candidates else f"{result.reason}: allow more waiting or calls, or list other values"


def _label(goal: str) -> str:
    return {"calls": "calls to EC2", "addresses-mean": "pod addresses attached, mean"}.get(goal, "addresses, at most")


def _points(result: TuneResult) -> list[_Point]:
    return [
        _Point(each.cost, each.p99_wait_ns / NS_PER_S, ", ".join(f"{name}={value}" for name, value in each.settings.items()), each.on_front)
        for each in result.candidates
        if each.p99_wait_ns is not None
    ]


def _draw(result: TuneResult, path: str) -> None:
    from vpcipam.report.plots import plot_tradeoff  # noqa: PLC0415 - it loads matplotlib

    plot_tradeoff(_points(result), path, x_label=_label(result.spec.goal), y_label="wait of 99 % of pods, s")


def _charts(result: TuneResult) -> "tuple[Chart, ...]":
    from vpcipam.cli.charts import Chart, Curve  # noqa: PLC0415 - only reports need it

    points = sorted(_points(result), key=lambda point: point.x)
    if not points:
        return ()
    sides = (("no other needs less of both", True), ("another needs less", False))
    curves = (Curve(name, tuple((each.x, each.y) for each in points if each.on_front is front)) for name, front in sides)
    title = f"Wait of 99 % of pods (s) against {_label(result.spec.goal)}"
    return (Chart(title, tuple(each for each in curves if each.points), lambda place: f"{place:,.0f}", joined=False),)


def _document(name: str, result: TuneResult) -> dict[str, Any]:
    return {
        "scenario": name,
        "minimise": result.spec.goal,
        "count": result.count,
        "baseline": None if result.baseline is None else attrs.asdict(result.baseline),
        "best": None if result.best is None else _candidate(result.best),
        "present_is_best": result.present_is_best,
        "reason": result.reason,
        "candidates": [_candidate(each) for each in result.candidates],
        "failures": [{"settings": dict(settings), "error": error} for settings, error in result.failures],
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    commands = {"kubectl": candidate.kubectl, "helm": candidate.helm, "addon": candidate.addon}
    return {**attrs.asdict(candidate), "fits": candidate.fits, **commands}
