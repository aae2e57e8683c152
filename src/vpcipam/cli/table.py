"""A table as a value. People see it laid out or as Markdown, programs read it as CSV."""

import re
from collections.abc import Iterable, Sequence

import attrs

from vpcipam._units import number
from vpcipam.cli.streams import one_line

Span = tuple[str, str]
"""A text and its style."""


@attrs.frozen
class Figure:
    """A value for programs, and its text for people."""

    value: "str | int | float | bool | None"
    text: str


Cell = str | Span | list[Span] | int | float | bool | Figure | None
"""The content of one cell of a table: a text with or without styles, or a value. None is a value that there is not."""

NOTHING = "-"
"""What people see of None."""


def _heads(heads: Iterable[str]) -> tuple[str, ...]:
    return tuple(heads)


def _rows(rows: Iterable[Iterable[Cell]]) -> tuple[tuple[Cell, ...], ...]:
    return tuple(map(tuple, rows))


def _names(heads: Iterable[str]) -> frozenset[str]:
    return frozenset(heads)


@attrs.frozen
class Table:
    """A table.

    Attributes:
        heads: The heads of the columns.
        rows: The cells of each row.
        numbers: The heads of the columns that are aligned to the right.
        fold: The heads of the columns whose cells may take several lines.
    """

    heads: tuple[str, ...] = attrs.field(converter=_heads)
    rows: tuple[tuple[Cell, ...], ...] = attrs.field(converter=_rows)
    numbers: frozenset[str] = attrs.field(default=(), converter=_names)
    fold: frozenset[str] = attrs.field(default=(), converter=_names)

    def csv(self) -> str:
        """Write it as CSV, with the heads first and values without commas or units."""
        import csv  # noqa: PLC0415 - only --csv needs it
        import io  # noqa: PLC0415 - likewise

        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([_value(cell) for cell in row] for row in (self.heads, *self.rows))
        return file.getvalue()

    def markdown(self) -> str:
        """Write it as a table of Markdown."""
        lines = [self.heads, *(tuple(shown(cell) for cell in row) for row in self.rows)]
        rule = ("---:" if head in self.numbers else "---" for head in self.heads)
        written = [f"| {' | '.join(map(escaped, line))} |" for line in lines]
        return "\n".join([written[0], f"| {' | '.join(rule)} |", *written[1:]]) + "\n"


def spans(cell: Cell) -> Sequence[Span]:
    """Return a cell as texts with styles."""
    return cell if isinstance(cell, list) else [cell] if isinstance(cell, tuple) else [(shown(cell), "")]


def shown(cell: Cell) -> str:
    """Return a cell as people see it, without styles."""
    if isinstance(cell, list | tuple):
        return joined(spans(cell))
    if isinstance(cell, Figure):
        return cell.text
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return number(cell)
    return NOTHING if cell is None else str(cell)


def joined(parts: Iterable[Span]) -> str:
    """Join texts without their styles."""
    return "".join(text for text, _ in parts)


_MARKUP = re.compile(r"[\\`*<|\[]|(?<!\w)_|_(?!\w)")


def escaped(text: str) -> str:
    r"""Put a text on one line, and escape what Markdown would obey.

    >>> escaped("a|b *c* WARM_IP_TARGET")
    'a\\|b \\*c\\* WARM_IP_TARGET'
    """
    return _MARKUP.sub(r"\\\g<0>", one_line(text))


def _value(cell: Cell) -> str:
    if isinstance(cell, Figure):
        return _value(cell.value)
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if cell is None:
        return ""
    return one_line(joined(spans(cell))) if isinstance(cell, str | tuple | list) else str(cell)
