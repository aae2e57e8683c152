"""A progress bar on stderr, if that is a terminal."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_LENGTH = 24
_BETWEEN_S = 0.1
"""The time between two drawings of a bar."""
_CLEAR = "\r\x1b[2K"


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
    began = shown = time.monotonic()
    sys.stderr.write(_bar(0, total, text, None))

    def move(done: int, _total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < _BETWEEN_S:
            return
        shown = now
        left = (now - began) * (total - done) / done if done else None
        sys.stderr.write(_bar(done, total, text, left))
        sys.stderr.flush()

    try:
        yield move
    finally:
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()


def _bar(done: int, total: int, text: Callable[[int], str], left_s: float | None) -> str:
    filled = min(_LENGTH, _LENGTH * done // max(1, total))
    left = "" if left_s is None else f" {int(left_s) // 60}:{int(left_s) % 60:02} left"
    return f"{_CLEAR}{text(done):>12} {'#' * filled}{'.' * (_LENGTH - filled)} of {text(total)}{left}"


def total_size(files: Iterable[str]) -> int:
    """Return the bytes of all regular files. Pipes, folders and files that are missing count as none."""
    return sum(path.stat().st_size for path in map(Path, files) if path.is_file())
