"""`vpcipam sweep`: one scenario under many settings."""

from typing import Any

import click

from vpcipam.cli.command import IntRange, Output, OutputCommand
from vpcipam.cli.progress import show_progress
from vpcipam.cli.scenarios import takes_scenario
from vpcipam.cli.search_view import show_sweep, sweep_table
from vpcipam.fleet.scenario import Scenario
from vpcipam.fleet.sweep import SweepResult, read_sweep, sweep

EXAMPLES = (
    "vpcipam sweep examples/scenarios/churn.toml --set 'sweep.seed=[1,2,3]'",
    "vpcipam sweep examples/scenarios/tune.toml --workers 8 --json > trials.json",
)

workers_option = click.option(
    "--workers", metavar="N", type=IntRange(1, 1024), help="The number of processes. [default: one for each processor]"
)


@click.command("sweep", cls=OutputCommand, examples=EXAMPLES, has_csv=True)
@takes_scenario
@workers_option
def command(scenario: Scenario, *, workers: int | None) -> Output:
    """Run a scenario once for each combination of the values that its table [sweep] lists.

    Ctrl-C ends the search and shows the trials that are done.
    """
    points = read_sweep(scenario)
    with show_progress(len(points)) as progress:
        result = sweep(scenario, points, workers=workers, progress=progress)
    return Output(
        document=_document(scenario.name, result),
        show=lambda page: show_sweep(page, scenario.name, result),
        table=sweep_table(result),
        interruption=None if result.complete else unfinished(len(result.trials), result.count, "trials"),
    )


def unfinished(done: int, count: int, what: str) -> str:
    """Say how much of a search Ctrl-C let finish."""
    return f"{done} of {count} {what} are done and shown; run it again for all"


def _document(name: str, result: SweepResult) -> dict[str, Any]:
    return {
        "scenario": name,
        "count": result.count,
        "trials": [
            {
                "number": trial.number,
                "changes": dict(trial.changes),
                "error": trial.error,
                "summary": None if trial.summary is None else trial.summary.to_dict(),
            }
            for trial in result.trials
        ],
    }
