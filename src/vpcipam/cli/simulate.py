"""`vpcipam simulate`: a fleet of nodes over time."""

from contextlib import nullcontext
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from vpcipam.cli.command import FILE, Output, OutputCommand
from vpcipam.cli.output_files import check_picture, check_writable
from vpcipam.cli.progress import show_progress
from vpcipam.cli.scenarios import takes_scenario
from vpcipam.cli.simulate_view import result_charts, show_result
from vpcipam.fleet.engine import simulate
from vpcipam.fleet.samples import clock
from vpcipam.fleet.scenario import Scenario

EXAMPLES = (
    "vpcipam simulate examples/scenarios/rolling-deployment.toml",
    "vpcipam simulate examples/scenarios/rolling-deployment.toml --seed 7 --plot rolling.svg --csv rolling-7",
    "vpcipam simulate examples/scenarios/rolling-deployment.toml --set group.workers.settings.WARM_IP_TARGET=5 --set duration='2 h'",
    "vpcipam simulate examples/scenarios/rolling-deployment.toml --set group.workers.count=12 --json --quiet",
)


def _complete_folder(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem[str]]":
    """Complete the name of a folder."""
    return [CompletionItem(incomplete, type="dir")]


@click.command("simulate", cls=OutputCommand, examples=EXAMPLES)
@takes_scenario
@click.option(
    "--csv", "folder", metavar="DIR", type=FILE, shell_complete=_complete_folder, help="Write all samples as CSV files into this folder."
)
@click.option("--plot", metavar="FILE", type=FILE, help="Draw the run, as .svg or .png. Needs vpcipam[plots].")
@click.option("--quiet", is_flag=True, help="Show neither the progress nor the summary.")
def command(scenario: Scenario, *, folder: str | None, plot: str | None, quiet: bool) -> Output:
    """Simulate the fleet of nodes and pods that SCENARIO.toml describes, with ipamd on every node and a model of EC2.

    The same scenario and seed give the same figures on every machine.
    """
    if plot is not None:
        check_picture(plot)
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        check_writable(Path(folder))
    with nullcontext() if quiet else show_progress(scenario.duration_ns, clock) as progress:
        result = simulate(scenario, progress=progress)
    notes = []
    if folder is not None:
        notes.append(f"wrote {', '.join(path.name for path in result.write_csv(folder))} into {folder}")
    if plot is not None:
        from vpcipam.report.plots import plot_result  # noqa: PLC0415 - it loads matplotlib

        plot_result(result, plot)
        notes.append(f"drew {plot}")
    return Output(
        document=result.to_dict(),
        show="" if quiet else lambda page: show_result(page, result),
        charts=lambda: result_charts(result),
        notes=() if quiet else tuple(notes),
    )
