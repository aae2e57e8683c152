"""How the help is laid out: no word is broken, and on a narrow screen the text of an option stands below its name."""

from collections.abc import Iterable

import click

_WIDE = 70
_LONG_NAME = 20
_HARD_HYPHEN = "\u2011"
"""Stands for a hyphen while click wraps a text, because click breaks lines at hyphens."""


class _HelpFormatter(click.HelpFormatter):
    def write(self, string: str) -> None:
        super().write(string.replace(_HARD_HYPHEN, "-"))

    def write_text(self, text: str) -> None:
        super().write_text(text.replace("-", _HARD_HYPHEN))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        rows = [(name, text.replace("-", _HARD_HYPHEN)) for name, text in rows]
        if self.width < _WIDE and any(len(name) > _LONG_NAME for name, _ in rows):
            col_max = 4
        super().write_dl(rows, col_max, col_spacing)


class HelpContext(click.Context):
    """The context of every command, for its help."""

    formatter_class = _HelpFormatter
