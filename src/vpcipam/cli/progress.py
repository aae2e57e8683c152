"""A progress bar on stderr, if that is a terminal."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def is_watched() -> bool:
    """Tell whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def show_progress(total: int, text: Callable[[int], str] = str) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar until the context ends, and yield the function that moves it; yield None if stderr is not a terminal.

    Args:
        total: The amount of work.
        text: Writes an amount of work for people.
    """
    if not is_watched():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - likewise

    columns = (TextColumn("{task.fields[done]:>16}"), BarColumn(), TimeRemainingColumn(compact=True), TextColumn(f"of {text(total)}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, done=text(0))
        yield lambda done, _total: bar.update(task, completed=done, done=text(done))


def total_size(files: Iterable[str]) -> int:
    """Return the bytes of all regular files. Pipes, folders and files that are missing count as none."""
    return sum(path.stat().st_size for path in map(Path, files) if path.is_file())
