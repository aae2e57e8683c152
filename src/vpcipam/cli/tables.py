"""Tables and texts for people, by rich: in colour on a terminal, plain elsewhere."""

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

from vpcipam.cli.streams import one_line

_PLAIN_BOX = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
"""No lines but dashes under the heads of columns."""

_NARROWEST = 8
"""What a column that folds is left with at least, if its longest word needs as much."""


class Page:
    """A text for stdout, made of parts, as wide as the terminal, or as COLUMNS says, or 80.

    A table that needs more is wider than that: figures would be cut off otherwise, and nobody could tell.
    """

    def __init__(self) -> None:
        # NO_COLOR asks for no colour; bold and dim without colour help nobody, so that we leave out those as well.
        self._console = Console(
            file=sys.stdout or StringIO(),
            color_system=None if os.environ.get("NO_COLOR") else "auto",
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )
        self._parts: list[tuple[RenderableType, bool]] = []  # and whether its lines stay whole

    @property
    def fancy(self) -> bool:
        """Whether a person looks at it, on a terminal that has our signs."""
        return self._console.is_terminal and self._console.encoding.startswith("utf")

    @property
    def width(self) -> int:
        """The number of columns."""
        return self._console.width

    def add(self, part: RenderableType) -> None:
        """Add a part below the others."""
        self._parts.append((part, False))

    def line(self, text: str = "", style: str = "") -> None:
        """Add a paragraph."""
        self.add(Text(one_line(text), style))

    def whole_line(self, text: str) -> None:
        """Add a line that stays one however long it is, so that it can be copied."""
        self._parts.append((Text(one_line(text)), True))

    def indented(self, part: RenderableType) -> None:
        """Add a part that belongs to the line above."""
        self.add(Padding(part, (0, 0, 0, 2)))

    def table(self, heads: Sequence[str], *, numbers: Iterable[str] = (), fold: Iterable[str] = ()) -> Table:
        """Make a table; the caller adds it.

        Args:
            heads: Of the columns.
            numbers: The heads of those that are aligned to the right.
            fold: The heads of those that share the width that the others leave; those others stay on one line.
        """
        table = Table(
            box=SIMPLE_HEAD if self.fancy else _PLAIN_BOX, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", show_edge=False
        )
        for head in heads:
            table.add_column(
                head,
                justify="right" if head in numbers else "left",
                no_wrap=head not in fold,
                overflow="fold",
            )
        return table

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Add a list of named facts."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(cell(name, "dim"), cell(value))
        self.add(table)

    def render(self) -> str:
        """Give the text, without blanks at the ends of lines."""
        width = self.width
        with self._console.capture() as capture:
            for part, stays_whole in self._parts:
                self._console.width = max(width, self._least_width(part))
                self._console.print(part, soft_wrap=stays_whole)
        self._console.width = width
        return "".join(line.rstrip(" ") + "\n" for line in capture.get().splitlines())

    def _least_width(self, part: RenderableType) -> int:
        """How wide a table must be for no column to be cut off; 0 for what is no table."""
        if not isinstance(part, Table):
            return 0
        options = self._console.options.update(width=sys.maxsize)
        width = 0
        for column in part.columns:
            measured = [Measurement.get(self._console, options, each) for each in (column.header, *column.cells)]
            folded = min(_NARROWEST, max(each.minimum for each in measured))
            width += max(each.maximum for each in measured) if column.no_wrap else folded
        return width + (part.padding[1] + (part.box is not None)) * (len(part.columns) - 1)


def cell(text: str, style: str = "") -> Text:
    """Make a text for a table: whatever is in it stays as it is, and control characters are shown, not obeyed."""
    return Text(one_line(text), style)
