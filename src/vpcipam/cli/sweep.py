"""`vpcipam sweep`: one scenario under many settings."""

from typing import Any

import attrs
import click

from vpcipam.cli.command import Answer, AnsweringCommand
from vpcipam.cli.progress import trials_shown
from vpcipam.cli.scenarios import read_scenario, scenario_options
from vpcipam.fleet.sweep import SweepResult, read_sweep, sweep

EXAMPLES = (
    "vpcipam sweep examples/scenarios/churn.toml --set 'sweep.seed=[1,2,3]'",
    "vpcipam sweep examples/scenarios/tune.toml --workers 8 --json > trials.json",
)

workers_option = click.option(
    "--workers", metavar="N", type=click.IntRange(1, 1024), help="Processes that run trials. [default: one for each processor]"
)


@click.command("sweep", cls=AnsweringCommand, examples=EXAMPLES, short_help="What a fleet comes to under many settings.")
@scenario_options
@workers_option
def command(*, file: str, seed: int | None, trace: str | None, changes: dict[str, object], workers: int | None) -> Answer:
    """Run a scenario once for each combination of values that its table [sweep] lists.

    Ctrl-C ends the search and shows what is done.
    """
    scenario = read_scenario(file, seed=seed, trace=trace, changes=changes)
    points = read_sweep(scenario)
    with trials_shown(len(points)) as progress:
        result = sweep(scenario, points, workers=workers, progress=progress)

    def show() -> str:
        from vpcipam.cli.search_view import show_sweep  # noqa: PLC0415 - it loads rich, which JSON does not need

        return show_sweep(scenario.name, result)

    return Answer(document=_document(scenario.name, result), show=show, finding=unfinished(len(result.trials), result.count))


def unfinished(done: int, count: int) -> str | None:
    """Say that a search was interrupted, if it was."""
    return None if done == count else f"interrupted: {done} of {count} trials are done and shown; run it again for all"


def _document(name: str, result: SweepResult) -> dict[str, Any]:
    return {
        "scenario": name,
        "count": result.count,
        "trials": [
            {
                "number": trial.number,
                "changes": dict(trial.changes),
                "error": trial.error,
                "summary": None if trial.summary is None else attrs.asdict(trial.summary),
            }
            for trial in result.trials
        ],
    }
