"""`vpcipam simulate`: a fleet in time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from vpcipam.cli.command import Answer, AnsweringCommand
from vpcipam.cli.pictures import check_picture, check_writable
from vpcipam.cli.progress import is_watched, show_progress
from vpcipam.cli.scenarios import read_scenario, scenario_options
from vpcipam.fleet.engine import Progress, simulate

EXAMPLES = (
    "vpcipam simulate examples/scenarios/rolling-deployment.toml",
    "vpcipam simulate examples/scenarios/rolling-deployment.toml --seed 7 --plot rolling.svg --csv rolling-7",
    "vpcipam simulate examples/scenarios/rolling-deployment.toml --set group.workers.settings.WARM_IP_TARGET=5 --set duration='2 h'",
    "vpcipam simulate examples/scenarios/rolling-deployment.toml --set group.workers.count=12 --json --quiet",
)


@click.command("simulate", cls=AnsweringCommand, examples=EXAMPLES, short_help="What a fleet comes to over hours and days.")
@scenario_options
@click.option("--csv", "folder", metavar="DIR", type=click.Path(), help="Write all that was sampled as CSV files into this folder.")
@click.option("--plot", metavar="FILE", type=click.Path(), help="Draw the run, as .svg or .png. Needs vpcipam[plots].")
@click.option("--quiet", is_flag=True, help="Show neither progress nor summary.")
def command(
    *,
    file: str,
    seed: int | None,
    trace: str | None,
    changes: dict[str, object],
    folder: str | None,
    plot: str | None,
    quiet: bool,
) -> Answer:
    """Run a fleet of nodes and pods through time, as SCENARIO.toml says, with every node's ipamd and the EC2 that answers it.

    The same scenario and seed come to the same figures, on any machine.
    """
    scenario = read_scenario(file, seed=seed, trace=trace, changes=changes)
    if plot is not None:
        check_picture(plot)
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        check_writable(Path(folder))
    with _progress(scenario.duration_ns, quiet=quiet) as progress:
        result = simulate(scenario, progress=progress)
    notes = []
    if folder is not None:
        notes.append(f"wrote {', '.join(path.name for path in result.write_csv(folder))} into {folder}")
    if plot is not None:
        from vpcipam.report.plots import plot_result  # noqa: PLC0415 - it loads matplotlib

        plot_result(result, plot)
        notes.append(f"drew {plot}")

    def show() -> str:
        if quiet:
            return ""
        from vpcipam.cli.simulate_view import show_result  # noqa: PLC0415 - it loads rich, which JSON does not need

        return show_result(result)

    return Answer(document=result.to_dict(), show=show, notes=() if quiet else tuple(notes))


@contextmanager
def _progress(duration_ns: int, *, quiet: bool) -> Iterator[Progress | None]:
    """Give what shows how far a run is; None where nobody looks."""
    if quiet or not is_watched():
        yield None
        return
    with show_progress(duration_ns) as progress:
        yield progress
