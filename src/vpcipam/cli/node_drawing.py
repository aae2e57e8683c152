"""Draws pictures of nodes as text: ENIs as rows, addresses as cells. The shapes differ without colour, too, and each has one in ASCII."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from vpcipam._units import counted, number
from vpcipam.cli.node_picture import CellState, EniRow, NodePicture, Pictures, Slot

if TYPE_CHECKING:
    from vpcipam.cli.table import Span
    from vpcipam.cli.tables import Page

MOST_DRAWN = 5
"""The most nodes that are drawn."""
MOST_COUNTED = 35
"""The most nodes that are drawn or whose counts are shown."""

_SHAPES = {
    CellState.PRIMARY: ("P", "cyan"),
    CellState.HELD: ("█", "bold blue"),
    CellState.COOLING: ("▒", "yellow"),
    CellState.FREE: ("·", "green"),
    CellState.UNKNOWN: ("?", "magenta"),
    CellState.EMPTY: ("_", "dim"),
}
_RUN_LENGTH = 10  # single addresses are in groups of ten, so that they can be counted
_LONGEST_NAME = 48
_MOST_ENIS = 64
_MOST_SLOTS = 128
_LEAST_ROOM = 36  # for cells beside the name of an ENI: two groups of ten, or a prefix; else they stand below it
_INDENT = 2


def show_pictures(page: "Page", pictures: Pictures) -> None:
    """Add the first nodes as pictures, the others as counts, and the legend."""
    if not pictures.nodes:
        return
    for picture in pictures.nodes[:MOST_DRAWN]:
        page.line()
        show_picture(page, picture, legend=False)
    rest = pictures.nodes[MOST_DRAWN:MOST_COUNTED]
    if rest:
        page.line()
        _counts(page, rest)
    more = pictures.more_count + len(pictures.nodes[MOST_COUNTED:])
    if more:
        page.line(f"… and {counted(more, 'more node')}", "dim")
    seen = {state for picture in pictures.nodes for state in picture.counts}
    _legend(page, seen)
    if pictures.elsewhere_count:
        page.line(f"{counted(pictures.elsewhere_count, 'ENI is', 'ENIs are')} on no instance, and not drawn.", "dim")


def show_picture(page: "Page", picture: NodePicture, *, legend: bool = True) -> None:
    """Add one node: its name, its counts, and its ENIs."""
    page.line(picture.title, "bold")
    counts = [f"{number(count)} {_plural(state, count)}" for state, count in _in_order(picture)]
    page.line(", ".join(counts) or "no addresses", "dim")
    for line in draw(picture, page.width):
        page.spans(line)
    if legend:
        _legend(page, picture.counts)


def _plural(state: CellState, count: int) -> str:
    if count == 1:
        return state.value
    return {CellState.PRIMARY: "primary IPs", CellState.HELD: "held by pods", CellState.EMPTY: "empty slots"}.get(state, state.value)


def _in_order(picture: NodePicture) -> list[tuple[CellState, int]]:
    counts = picture.counts
    return [(state, counts[state]) for state in CellState if counts[state]]


def _legend(page: "Page", seen: Iterable[CellState]) -> None:
    states = set(seen)
    units = [[_cell(state), (f" {state.value}", "")] for state in CellState if state in states]
    for line in _folded(units, page.width, "  "):
        page.spans(line)
    if CellState.COOLING in states:
        page.line("cooling: given back less than a cooldown before the last change that the file shows", "dim")
    if CellState.UNKNOWN in states:
        page.line("unknown: EC2 doesn't know whether a pod holds it, a text breaks off, or documents contradict each other", "dim")


def _counts(page: "Page", pictures: tuple[NodePicture, ...]) -> None:
    heads = ("node", "ENIs", "held", "cooling", "free", "unknown")
    columns = (CellState.HELD, CellState.COOLING, CellState.FREE, CellState.UNKNOWN)
    rows = [(each.title, str(len(each.rows)), *(number(each.counts[state]) for state in columns)) for each in pictures]
    page.table(heads, rows, numbers={*heads[1:]}, fold={"node"})


# --- one node --------------------------------------------------------------------------------------------------------------


def draw(picture: NodePicture, width: int) -> Iterator[list["Span"]]:
    """Yield the lines of a node's ENIs, none of them wider than `width`, each as texts with their styles."""
    rows = picture.rows[:_MOST_ENIS]
    labels = _labels(rows)
    column = max(map(len, labels), default=0) + 1
    beside = width - column >= _LEAST_ROOM
    room = width - column if beside else max(1, width - _INDENT)
    for row, label in zip(rows, labels, strict=True):
        lines = _folded(_units(row.slots), room, " ")
        if beside:
            for count, line in enumerate(lines or [[]]):
                yield [((label if count == 0 else "").ljust(column), ""), *line]
        else:
            yield [(_cut(label, width), "")]
            yield from ([(" " * min(_INDENT, width - 1), ""), *line] for line in lines)
    if len(picture.rows) > len(rows):
        yield [(_cut(f"and {number(len(picture.rows) - len(rows))} more ENIs", width), "dim")]


def _labels(rows: tuple[EniRow, ...]) -> list[str]:
    """Name each ENI by its place, its id and its kind, in columns."""
    places, ids = [_place(row) for row in rows], [_cut(_ascii(row.eni_id), _LONGEST_NAME) for row in rows]
    columns = max(map(len, places), default=0), max(map(len, ids), default=0)
    return [
        f"{place.ljust(columns[0])} {eni_id.ljust(columns[1])} {row.kind}".strip()
        for place, eni_id, row in zip(places, ids, rows, strict=True)
    ]


def _place(row: EniRow) -> str:
    known = [str(each) for each in (row.network_card, row.device_number) if each is not None]
    return ":".join(known)


def _ascii(text: str) -> str:
    """Escape whatever could be wider than one column, or obeyed by a terminal."""
    return "".join(
        each if " " <= each <= "~" else each.encode("ascii", "backslashreplace").decode() if each > "~" else "?" for each in text
    )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: max(0, length - 3)] + "..."[:length]


def _cell(state: CellState) -> "Span":
    return _SHAPES[state]


def _units(slots: tuple[Slot, ...]) -> list[list["Span"]]:
    """Return what stays together on a line: single addresses in tens, and each prefix with its name."""
    units: list[list[Span]] = []
    run: list[Span] = []
    for slot in slots[:_MOST_SLOTS]:
        if slot.is_prefix:
            units += _in_tens(run)
            run = []
            rest = f"+ {number(slot.rest)} {slot.rest_state.value}" if slot.rest else ""
            name = _cut(_ascii(slot.cidr), _LONGEST_NAME) + " "
            gap = " " if slot.cells and rest else ""
            units.append([(name, "dim"), *map(_cell, slot.cells), (gap + rest, "dim")])
        else:
            run.append(_cell(slot.cells[0]))
    units += _in_tens(run)
    if len(slots) > _MOST_SLOTS:
        units.append([(f"and {number(len(slots) - _MOST_SLOTS)} more", "dim")])
    return units


def _in_tens(run: list["Span"]) -> list[list["Span"]]:
    cells = iter(run)
    return list(iter(lambda: list(islice(cells, _RUN_LENGTH)), []))


def _folded(units: list[list["Span"]], width: int, gap: str) -> list[list["Span"]]:
    """Put units on lines of at most `width` columns; a unit that is longer goes on on the next line."""
    lines: list[list[Span]] = []
    used = width
    for unit in units:
        length = sum(len(text) for text, _ in unit)
        if lines and used + len(gap) + length <= width:
            lines[-1] += [(gap, ""), *unit]
            used += len(gap) + length
            continue
        pieces = list(_pieces(unit, width))
        lines += pieces
        used = sum(len(text) for text, _ in pieces[-1])
    return lines


def _pieces(unit: list["Span"], width: int) -> Iterator[list["Span"]]:
    letters = ((letter, style) for text, style in unit for letter in text)
    while piece := list(islice(letters, width)):
        yield piece
