"""Pages for people: in colour on a terminal, plain elsewhere, as wide as the terminal."""

import itertools
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from unicodedata import combining, east_asian_width

from vpcipam.cli.any_page import AnyPage
from vpcipam.cli.streams import one_line
from vpcipam.cli.table import Cell, Span, Table, joined, spans

_SGR = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36"}
"""What a terminal is told for each word of a style (ECMA-48, "Select graphic rendition")."""

_GAPS = (2, 1)
"""The blanks between two columns, and those if the table fits only then."""
_DEFAULT_WIDTH = 80
_LEAST_WIDTH = 20
_NARROWEST = 24
"""A column that folds can be this narrow even if a word of a cell has a longer piece."""

_BREAKS = (
    re.compile(r".+?(?:(?<=\w)[/,=]+(?!\d)|$)"),
    re.compile(r".+?(?:(?<=\w)[/,=_.:-]+(?!\d)|(?<=[a-z0-9])(?=[A-Z])|$)"),
)
"""Pieces of words that stay whole, as long as there is room: first those of paths and lists, then those of names."""


class Page(AnyPage):
    """A text for stdout, as wide as the terminal, or as COLUMNS says, or 80. Only a line that is whole, or a single cell, is wider."""

    def __init__(self) -> None:
        is_terminal = sys.stdout is not None and sys.stdout.isatty()
        # NO_COLOR turns bold and dim off too: without colour they look out of place.
        self._styled = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in {"dumb", "unknown"}
        self.fancy = is_terminal and (sys.stdout.encoding or "").lower().startswith("utf")
        """Whether the output is a terminal that can show block elements."""
        self.width = _terminal_width()
        """The number of columns."""
        self._lines: list[str] = []

    def line(self, text: str = "", style: str = "", *, whole: bool = False) -> None:
        """Add a paragraph; if `whole`, it stays on one line, however long, so that it can be copied."""
        content = [(one_line(text), style)]
        self._lines += map(self._written, [content] if whole else _folded(content, self.width))

    def spans(self, parts: Sequence[Span]) -> None:
        """Add a line of texts with styles as it is laid out, blanks too. It must fit, and have nothing that a terminal would obey."""
        self._lines.append(self._written(parts))

    def indented(self, text: str) -> None:
        """Add a paragraph that belongs to the line above."""
        self._lines += (f"  {joined(line)}" for line in _folded([(one_line(text), "")], max(1, self.width - 2)))

    def add(self, table: Table) -> None:
        """Add a table. The columns that may fold share the width that the others leave.

        A table that is still too wide goes on below, with its first columns again.
        """
        rows = [[_plain(cell) for cell in row] for row in table.rows]
        columns = [
            _Column(head, [row[place] for row in rows], to_the_right=head in table.numbers, folds=head in table.fold)
            for place, head in enumerate(table.heads)
        ]
        gap = next((gap for gap in _GAPS if _fits(columns, gap, self.width)), _GAPS[0])
        for number, part in enumerate(_side_by_side(columns, gap, self.width)):
            if number:
                self.line()
            self._add_columns(part, _widths(part, gap, self.width), gap)

    def _add_columns(self, columns: "Sequence[_Column]", widths: Sequence[int], gap: int) -> None:
        right = [each.to_the_right for each in columns]
        self._add_row([[(each.head, "bold")] for each in columns], widths, right, gap)
        self._lines.append(("─" if self.fancy else "-") * _with_gaps(widths, gap))
        for row in zip(*(each.cells for each in columns), strict=True):
            self._add_row(row, widths, right, gap)

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Add a list of named facts."""
        named = [(one_line(name), one_line(value)) for name, value in rows]
        column = max((columns_of(name) for name, _ in named), default=0)
        room = self.width - column - _GAPS[0]
        for name, value in named:
            if room < _NARROWEST:
                self.line(name, "dim")
                self.indented(value)
            else:
                self._add_row([[(name, "dim")], [(value, "")]], [column, room], [False, False], _GAPS[0])

    def _add_row(self, cells: Sequence[Sequence[Span]], widths: Sequence[int], right: Sequence[bool], gap: int) -> None:
        """Add a row of cells, each on as many lines as it takes."""
        folded = [list(_folded(cell, width)) for cell, width in zip(cells, widths, strict=True)]
        for number in range(max(map(len, folded))):
            line: list[Span] = []
            for lines, width, to_the_right in zip(folded, widths, right, strict=True):
                content = lines[number] if number < len(lines) else []
                blank = (" " * (width - sum(columns_of(text) for text, _ in content)), "")
                line += [blank, *content] if to_the_right else [*content, blank]
                line.append((" " * gap, ""))
            self._lines.append(self._written(line))

    def _written(self, parts: Iterable[Span]) -> str:
        """Write texts with what a terminal needs to style them, without blanks at the end."""
        parts = [(text, style) for text, style in parts if text]
        while parts and not (last := parts[-1][0].rstrip(" ")):
            del parts[-1]
        if parts:
            parts[-1] = (last, parts[-1][1])
        return "".join(self._with_style(text, style) for text, style in parts)

    def _with_style(self, text: str, style: str) -> str:
        return f"\x1b[{';'.join(map(_SGR.__getitem__, style.split()))}m{text}\x1b[0m" if style and self._styled else text

    def render(self) -> str:
        """Return the text, without blanks at the ends of lines."""
        return "".join(f"{line}\n" for line in self._lines)


def _terminal_width() -> int:
    """Return COLUMNS, or the width of the terminal that any of the standard streams is, or 80."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return max(_LEAST_WIDTH, int(given))
    for descriptor in (1, 2, 0):
        try:
            width = os.get_terminal_size(descriptor).columns
        except OSError:  # closed, or no terminal
            continue
        if width:
            return max(_LEAST_WIDTH, width)
    return _DEFAULT_WIDTH


def columns_of(text: str) -> int:
    """Return the columns that a text takes on a terminal: two for a wide letter of East Asia, none for an accent that combines."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1 for each in text)


def _plain(cell: Cell) -> list[Span]:
    """Return a cell as texts whose control characters are shown, not obeyed."""
    return [(one_line(text), style) for text, style in spans(cell)]


# --- columns -------------------------------------------------------------------------------------------------------------


class _Column:
    """A column of a table.

    Attributes:
        head: Its head.
        cells: Its cells.
        to_the_right: Whether they are aligned to the right.
        folds: Whether they may take several lines.
        widest: The width that keeps each cell on one line.
    """

    def __init__(self, head: str, cells: Sequence[Sequence[Span]], *, to_the_right: bool, folds: bool) -> None:
        self.head, self.cells, self.to_the_right, self.folds = head, cells, to_the_right, folds
        self._texts = list(map(joined, cells))
        self.widest = max(map(columns_of, (head, *self._texts)))

    def narrowest(self, pieces: re.Pattern[str]) -> int:
        """Return the width that it needs if the words of its cells break between pieces."""
        if not self.folds:
            return self.widest
        longest = max((columns_of(piece) for text in self._texts for word in text.split() for piece in pieces.findall(word)), default=0)
        in_head = max((columns_of(piece) for word in self.head.split() for piece in pieces.findall(word)), default=0)
        return max(min(longest, _NARROWEST), in_head)


def _with_gaps(widths: Sequence[int], gap: int) -> int:
    return sum(widths) + gap * (len(widths) - 1)


def _fits(columns: Sequence[_Column], gap: int, width: int) -> bool:
    return _with_gaps([each.narrowest(_BREAKS[-1]) for each in columns], gap) <= width


def _side_by_side(columns: Sequence[_Column], gap: int, width: int) -> Iterator[Sequence[_Column]]:
    """Yield the columns that fit side by side. If there are several such parts, each begins with the columns that name the rows."""
    names = [columns[0], *itertools.takewhile(lambda each: not each.to_the_right, columns[1:])]
    if not all(_fits([*names, each], gap, width) for each in columns[len(names) :]):
        names = names[:1]
    part = list(names)
    for each in columns[len(names) :]:
        if len(part) > len(names) and not _fits([*part, each], gap, width):
            yield part
            part = list(names)
        part.append(each)
    yield part


def _widths(columns: Sequence[_Column], gap: int, width: int) -> list[int]:
    """Return the widths of columns. If they are too wide, those that may fold become as narrow as it takes, the widest first.

    Their words stay whole if that is possible.
    """
    most = [each.widest for each in columns]
    if _with_gaps(most, gap) <= width:
        return most
    for pieces in _BREAKS:
        least = [each.narrowest(pieces) for each in columns]
        if _with_gaps(least, gap) <= width:
            break
    level, room = max(most), max(width, _with_gaps(least, gap))
    while _with_gaps(fitted := [max(low, min(level, high)) for low, high in zip(least, most, strict=True)], gap) > room:
        level -= 1
    return fitted


# --- lines ---------------------------------------------------------------------------------------------------------------


def _folded(content: Sequence[Span], width: int) -> Iterator[list[Span]]:
    """Yield the lines of a text, none of them wider than `width` columns, each as texts with their styles."""
    text = joined(content)
    if columns_of(text) <= width:
        yield list(content)
        return
    begin = end = 0
    for word in re.finditer(r"\S+", text):
        for piece_end in _ends(word[0], width):
            stop = word.start() + piece_end
            if columns_of(text[begin:stop]) > width and end > begin:
                yield _part(content, begin, end)
                begin = max(end, word.start())
            end = stop
    yield _part(content, begin, end)


def _ends(word: str, width: int) -> list[int]:
    """Return where a word may end on a line of `width` columns: at its end if it fits, else between the largest pieces that do."""
    if columns_of(word) <= width:
        return [len(word)]
    for pieces in _BREAKS:
        found = list(pieces.finditer(word))
        if all(columns_of(each[0]) <= width for each in found):
            return [each.end() for each in found]
    return list(range(1, len(word) + 1))


def _part(content: Sequence[Span], begin: int, end: int) -> list[Span]:
    """Return the letters from `begin` to `end` of texts with styles."""
    part, place = [], 0
    for text, style in content:
        part.append((text[max(0, begin - place) : max(0, end - place)], style))
        place += len(text)
    return part
