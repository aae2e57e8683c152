"""Pages for people, laid out by rich: in colour on a terminal, plain elsewhere."""

import itertools
import os
import sys
from collections.abc import Iterable, Sequence
from io import StringIO

from rich.box import SIMPLE_HEAD, Box
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vpcipam.cli import table as values
from vpcipam.cli.any_page import AnyPage
from vpcipam.cli.streams import one_line
from vpcipam.cli.table import Cell, Span

_PLAIN_BOX = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
"""A table style with nothing but dashes under the heads of columns."""

_NARROWEST = 8
"""A folding column can be this narrow even if it has longer words, but a word in its head is never folded."""


class Page(AnyPage):
    """A text for stdout, as wide as the terminal, or as COLUMNS says, or 80.

    A table that does not fit is wider than that, so that no figure is cut off.
    """

    def __init__(self) -> None:
        # NO_COLOR turns bold and dim off too: without colour they look out of place.
        self._console = Console(
            file=sys.stdout or StringIO(),
            color_system=None if os.environ.get("NO_COLOR") else "auto",
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )
        self._parts: list[tuple[RenderableType, bool]] = []  # a part, and whether its lines stay whole

    @property
    def fancy(self) -> bool:
        """Whether the output is a terminal that can show block elements."""
        return self._console.is_terminal and self._console.encoding.startswith("utf")

    @property
    def width(self) -> int:
        """The number of columns."""
        return self._console.width

    def line(self, text: str = "", style: str = "", *, whole: bool = False) -> None:
        """Add a paragraph; if `whole`, it stays on one line, however long, so that it can be copied."""
        self._parts.append((_text((text, style)), whole))

    def spans(self, parts: Sequence[Span]) -> None:
        """Add a line of texts with styles as it is laid out, blanks too. It must fit, and have nothing that a terminal would obey."""
        self._parts.append((Text.assemble(*parts), False))

    def indented(self, text: str) -> None:
        """Add a paragraph that belongs to the line above."""
        self._parts.append((Padding(_text(text), (0, 0, 0, 2)), False))

    def add(self, table: values.Table) -> None:
        """Add a table. The columns that may fold share the width that the others leave."""
        laid_out = Table(
            box=SIMPLE_HEAD if self.fancy else _PLAIN_BOX, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", show_edge=False
        )
        for head in table.heads:
            longest_word = max(map(len, head.split()), default=0)
            justify = "right" if head in table.numbers else "left"
            laid_out.add_column(head, justify=justify, no_wrap=head not in table.fold, min_width=longest_word, overflow="fold")  # type: ignore[arg-type] # a str of rich's
        self._add_rows(laid_out, table.rows)

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Add a list of named facts."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        self._add_rows(table, (((name, "dim"), value) for name, value in rows))

    def _add_rows(self, table: Table, rows: Iterable[Sequence[Cell]]) -> None:
        for row in rows:
            table.add_row(*map(_text, row))
        self._parts.append((table, False))

    def render(self) -> str:
        """Return the text, without blanks at the ends of lines."""
        width = self.width
        with self._console.capture() as capture:
            for part, whole in self._parts:
                self._console.width = self._fit(part, width) if isinstance(part, Table) else width
                self._console.print(part, soft_wrap=whole)
        self._console.width = width
        return "".join(line.rstrip(" ") + "\n" for line in capture.get().splitlines())

    def _fit(self, table: Table, width: int) -> int:
        """Narrow the columns whose cells may fold, if a table is too wide. Return the width that it takes, or `width` if it fits.

        Left to itself, rich takes from all these columns, also from one that is as narrow as it can be, and then cuts off the last column.
        """
        options = self._console.options.update(width=sys.maxsize)
        least: list[int] = []
        most: list[int] = []
        for column in table.columns:
            measured = [Measurement.get(self._console, options, each) for each in (column.header, *column.cells)]
            most.append(max(column.min_width or 0, *(each.maximum for each in measured)))
            folded = max(column.min_width or 0, min(_NARROWEST, max(each.minimum for each in measured)))
            least.append(most[-1] if column.no_wrap else folded)
        gaps = (table.padding[1] + (table.box is not None)) * (len(most) - 1)
        if sum(most) + gaps <= width:
            return width
        room = max(width - gaps, sum(least))
        level = max(most)
        while sum(map(_clamped, itertools.repeat(level), least, most)) > room:
            level -= 1
        for column, low, high in zip(table.columns, least, most, strict=True):
            column.width = _clamped(level, low, high)
        return room + gaps


def _clamped(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


def _text(cell: Cell) -> Text:
    """Make a text whose markup and control characters are shown, not obeyed."""
    return Text.assemble(*((one_line(text), style) for text, style in values.spans(cell)))
