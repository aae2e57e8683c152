"""A progress bar on stderr, for those who look at it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def is_watched() -> bool:
    """Tell whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def show_progress(duration_ns: int) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the scenario's time and how long the rest may take; it goes when the run is over, or breaks off."""
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    from vpcipam._units import span  # noqa: PLC0415 - as it needs this
    from vpcipam.fleet.samples import clock  # noqa: PLC0415 - likewise

    columns = (
        TextColumn("{task.fields[time]:>16}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn(f"of {span(duration_ns)}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=duration_ns, time=clock(0))

        def progress(done_ns: int, total_ns: int) -> None:
            bar.update(task, completed=done_ns, total=total_ns, time=clock(done_ns))

        yield progress


@contextmanager
def trials_shown(count: int) -> Iterator[Callable[[int, int], None] | None]:
    """Show how many trials of a search are done, and how long the rest may take; None where nobody looks."""
    if not is_watched():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn  # noqa: PLC0415

    with Progress(
        BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("", total=count)
        yield lambda done, total: bar.update(task, completed=done, total=total)
