"""Read a trace: a CSV file, plain or gzipped, with a row for each pod. The file is read here and nowhere else."""

import csv
import gzip
import itertools
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO, cast

import attrs

from vpcipam.errors import TraceError
from vpcipam.fleet.workload import FixedWorkload, PodRun
from vpcipam.stats import NS_PER_S

UNITS_NS = {"s": NS_PER_S, "ms": 1_000_000, "us": 1_000, "ns": 1}
"""Units of time that a trace may be in, in nanoseconds."""

_NAMES = {
    "pod": ("pod", "name", "pod_name", "podname"),
    "created": ("created", "creation_time", "created_at", "start", "start_time"),
    "deleted": ("deleted", "deletion_time", "deleted_at", "end", "end_time"),
    "node": ("node", "node_name", "nodename"),
    "scheduled": ("scheduled", "scheduled_time"),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEEDED = ("pod", "created", "deleted")


@attrs.frozen
class TraceFormat:
    """How a trace is written.

    Attributes:
        columns: the header of `pod`, `created`, `deleted`, `node` or `scheduled` where it is none of the usual ones.
        unit: of times that are numbers: s, ms, us or ns. Other times are ISO 8601 with an offset from UTC.
        keep_unscheduled: keep pods whose time of scheduling is empty. In a trace that has such a column they never ran.
    """

    columns: Mapping[str, str] = attrs.field(factory=dict)
    unit: str = "s"
    keep_unscheduled: bool = False


def read_trace(path: str | Path, layout: TraceFormat | None = None) -> FixedWorkload:
    """Read all pods of a trace.

    Numbers count from the start of the scenario, as they are; where times are dates, it starts with the first pod. A pod without a time of
    deletion stays. One deleted in the unit of time in which it was created lives for one unit: the trace can't tell shorter ones.

    Args:
        path: the file; one that begins as gzip files do is unpacked.
        layout: how it is written; None for the usual headers, and seconds.

    Raises:
        TraceError: the file can't be read, a column is missing, or a row makes no sense; the message names the file, line and column.
    """
    layout = TraceFormat() if layout is None else layout
    if layout.unit not in UNITS_NS:
        raise TraceError(f"{path}: a trace's times are in {', '.join(UNITS_NS)}, not in {layout.unit!r}")
    try:
        with _opened(Path(path)) as file:
            rows = list(_Rows(str(path), csv.reader(file, strict=True), layout))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise TraceError(f"{path}: {getattr(error, 'strerror', None) or error}; a trace is a CSV file in UTF-8, plain or gzipped") from None
    return FixedWorkload(_without_offset(rows))


@attrs.frozen
class _Row:
    run: PodRun
    is_date: bool


@attrs.define
class _Rows:
    """The rows of a trace that are pods, in the order of the file."""

    path: str
    reader: Iterator[list[str]]
    layout: TraceFormat
    _places: dict[str, int] = attrs.field(init=False, factory=dict)
    _line_of: dict[str, int] = attrs.field(init=False, factory=dict)

    def __iter__(self) -> Iterator[_Row]:
        header = next(self.reader, None)
        if header is None:
            raise TraceError(f"{self.path} is empty; its first line names the columns: {', '.join(_NEEDED)}")
        self._places = self._find_columns([each.strip() for each in header])
        width = len(header)
        for line, row in enumerate(self.reader, start=2):
            if not row:
                continue
            if len(row) != width:
                raise TraceError(f"{self.path}, line {line}: {len(row)} fields where the header has {width}")
            if self.layout.keep_unscheduled or self._value(row, "scheduled") != "":
                yield self._read(row, line)

    def _find_columns(self, header: list[str]) -> dict[str, int]:
        unknown = sorted(self.layout.columns.keys() - _NAMES.keys())
        if unknown:
            raise TraceError(f"{self.path}: a trace has no {unknown[0]!r}; columns can be given for {', '.join(_NAMES)}")
        places = {}
        for what, usual in _NAMES.items():
            given = self.layout.columns.get(what)
            names = usual if given is None else (given,)
            found = [place for place, name in enumerate(header) if (name if given else name.lower()) in names]
            if found:
                places[what] = found[0]
            elif what in _NEEDED or given is not None:
                raise TraceError(f"{self.path}: no column {' or '.join(names)}; its columns are {', '.join(header)}")
        return places

    def _value(self, row: list[str], what: str) -> str | None:
        return row[self._places[what]].strip() if what in self._places else None

    def _read(self, row: list[str], line: int) -> _Row:
        name = self._value(row, "pod") or ""
        if not name:
            raise TraceError(f"{self.path}, line {line}: the pod has no name")
        if name in self._line_of:
            raise TraceError(f"{self.path}, line {line}: pod {name!r} is on line {self._line_of[name]} already")
        self._line_of[name] = line
        created_ns, is_date = self._time(row, "created", line)
        if not self._value(row, "deleted"):
            return _Row(PodRun(name, created_ns, None, self._value(row, "node") or None), is_date)
        deleted_ns, deleted_is_date = self._time(row, "deleted", line)
        if deleted_is_date is not is_date:
            raise TraceError(f"{self.path}, line {line}: one of pod {name!r}'s times is a number and the other a date")
        if deleted_ns < created_ns:
            raise TraceError(f"{self.path}, line {line}: pod {name!r} is deleted before it is created")
        shortest_ns = 1 if is_date else UNITS_NS[self.layout.unit]
        return _Row(PodRun(name, created_ns, max(deleted_ns, created_ns + shortest_ns), self._value(row, "node") or None), is_date)

    def _time(self, row: list[str], what: str, line: int) -> tuple[int, bool]:
        """Read a time as nanoseconds, and tell whether it is a date."""
        text = self._value(row, what) or ""
        whole, _, fraction = text.partition(".")
        if whole.isdecimal() and (not fraction or fraction.isdecimal()):
            unit_ns = UNITS_NS[self.layout.unit]
            return int(whole) * unit_ns + (int(fraction) * unit_ns // 10 ** len(fraction) if fraction else 0), False
        date = _date(text)
        if date is None:
            message = f"{what} {text!r} is neither a number, 0 or more, nor a date like 2026-01-01T00:00:00+00:00"
            raise TraceError(f"{self.path}, line {line}: {message}")
        return (date - _EPOCH) // timedelta(microseconds=1) * 1_000, True


def _date(text: str) -> datetime | None:
    """Read a date with an offset from UTC, None for anything else."""
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if date.tzinfo is None else date


def _opened(path: Path) -> TextIO:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if packed:
        return cast("TextIO", gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")


def _without_offset(rows: Iterable[_Row]) -> tuple[PodRun, ...]:
    """Count dates from the first pod."""
    rows = list(rows)
    dates = [row.run.created_ns for row in rows if row.is_date]
    if dates and len(dates) != len(rows):
        mixed = next(after.run.name for before, after in itertools.pairwise(rows) if before.is_date is not after.is_date)
        raise TraceError(
            f"the times of a trace are all numbers or all dates; those of pod {mixed!r} are of another kind than the one before"
        )
    if not dates:
        return tuple(row.run for row in rows)
    begin_ns = min(dates)
    return tuple(_moved(row.run, -begin_ns) for row in rows)


def _moved(run: PodRun, by_ns: int) -> PodRun:
    deleted_ns = None if run.deleted_ns is None else run.deleted_ns + by_ns
    return PodRun(run.name, run.created_ns + by_ns, deleted_ns, run.node)
