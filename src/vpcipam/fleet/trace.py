"""Read a trace: a CSV file, plain or gzipped, with a row for each pod."""

import csv
import gzip
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, TextIO, cast

import attrs

from vpcipam._units import NS_PER_S
from vpcipam._unpacking import GZIP_MAGIC, UNPACKS_TOO_FAR, most_unpacked
from vpcipam.errors import TraceError, file_trouble
from vpcipam.fleet.workload import MAX_NS, FixedWorkload, PodRun

UNITS_NS = {"s": NS_PER_S, "ms": 1_000_000, "us": 1_000, "ns": 1}
"""The units of a trace's times, in nanoseconds."""

_USUAL_HEADERS = {
    "pod": ("pod", "name", "pod_name", "podname"),
    "created": ("created", "creation_time", "created_at", "start", "start_time"),
    "deleted": ("deleted", "deletion_time", "deleted_at", "end", "end_time"),
    "node": ("node", "node_name", "nodename"),
    "scheduled": ("scheduled", "scheduled_time", "scheduled_at"),
}
_NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?")
_LONGEST_LINE = 1 << 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE_UNIT_NS = 1_000
COLUMNS = tuple(_USUAL_HEADERS)
"""The columns of a trace; the last two are optional."""
_NEEDED = ("pod", "created", "deleted")


@attrs.frozen
class TraceFormat:
    """The format of a trace.

    Attributes:
        columns: the headers of `pod`, `created`, `deleted`, `node` and `scheduled`, where they are not the usual ones.
        unit: the unit of numeric times: s, ms, us or ns. Other times are ISO 8601 dates with an offset from UTC.
        keep_unscheduled: keep pods whose scheduling time is empty; they never ran.
        from_first_pod: the scenario starts with the first pod even if times are numbers, such as Unix times.
    """

    columns: Mapping[str, str] = attrs.field(factory=dict)
    unit: str = "s"
    keep_unscheduled: bool = False
    from_first_pod: bool = False


def read_trace(path: str | Path, layout: TraceFormat | None = None) -> FixedWorkload:
    """Read all pods of a trace.

    Numeric times count from the start of the scenario. If times are dates, the scenario starts with the first pod that is kept. A pod
    without a deletion time stays. A pod whose deletion time equals its creation time lives for one unit (1 µs for dates), the shortest
    time that the trace can express. Digits beyond a nanosecond are dropped.

    Args:
        path: the file; gzip is recognised by its first bytes.
        layout: the format; None for the usual headers, and seconds.

    Raises:
        TraceError: the file can't be read, a column is missing, or a row is invalid; the message names the file, line and column. Or the
            file is gzipped and unpacks to more than 100 times its size, so that it can fill the memory.
    """
    layout = TraceFormat() if layout is None else layout
    if layout.unit not in UNITS_NS:
        raise TraceError(f"{path}: a trace's times are in {', '.join(UNITS_NS)}, not in {layout.unit!r}")
    try:
        with _opened(Path(path)) as file:
            lines = _lines(file, _longest_text(Path(path)))
            rows = _Rows(str(path), csv.reader(lines, strict=True), layout)
            runs = tuple(rows)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise TraceError(f"{path}: {file_trouble(error)}; a trace is a CSV file in UTF-8, plain or gzipped") from None
    if not runs:
        raise TraceError(f"{path}: no row is a pod that ran; give one row for each pod below the header")
    begin_ns = min(run.created_ns for run in runs) if rows.are_dates or layout.from_first_pod else 0
    moved = tuple(_moved(run, -begin_ns) for run in runs) if begin_ns else runs
    rows.refuse_late(moved)
    return FixedWorkload(moved)


class _Reader(Protocol):
    """The type that `csv.reader` returns."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


@attrs.define
class _Rows:
    """The rows of a trace that are pods, in the order of the file.

    Attributes:
        are_dates: whether the times are dates; None until one is read.
    """

    path: str
    reader: _Reader
    layout: TraceFormat
    are_dates: bool | None = None
    _header: list[str] = attrs.field(init=False, factory=list)
    _places: dict[str, int] = attrs.field(init=False, factory=dict)
    _line_of: dict[str, int] = attrs.field(init=False, factory=dict)

    def __iter__(self) -> Iterator[PodRun]:
        header = next(self.reader, None)
        if header is None:
            raise TraceError(f"{self.path} is empty; its first line names the columns: {', '.join(_NEEDED)}")
        self._header = [each.strip() for each in header]
        self._places = self._find_columns()
        width = len(header)
        for row in self.reader:
            if not row:
                continue
            if len(row) != width:
                message = f"{len(row)} fields where the header has {width}; look for a missing comma, or a comma in a text without quotes"
                raise TraceError(f"{self.path}, line {self.reader.line_num}: {message}")
            if self.layout.keep_unscheduled or self._value(row, "scheduled") != "":
                yield self._read(row)

    def refuse_late(self, runs: Iterable[PodRun]) -> None:
        """Refuse times later than `MAX_NS` after the start of the scenario."""
        for run in runs:
            for column, time_ns in (("created", run.created_ns), ("deleted", run.deleted_ns or 0)):
                if time_ns > MAX_NS:
                    where = f"line {self._line_of[run.name]}, column {self._header[self._places[column]]}"
                    message = f"pod {run.name!r} is {column} more than a hundred years after the start; check `unit`"
                    raise TraceError(f"{self.path}, {where}: {message}")

    def _find_columns(self) -> dict[str, int]:
        unknown = sorted(self.layout.columns.keys() - _USUAL_HEADERS.keys())
        if unknown:
            raise TraceError(f"{self.path}: a trace has no {unknown[0]!r}; columns can be given for {', '.join(_USUAL_HEADERS)}")
        places = {}
        for column, usual in _USUAL_HEADERS.items():
            given = self.layout.columns.get(column)
            names = usual if given is None else (given,)
            found = [place for place, name in enumerate(self._header) if (name.lower() if given is None else name) in names]
            if len(found) > 1:
                several = " and ".join(repr(self._header[place]) for place in found)
                raise TraceError(f"{self.path}: columns {several} could each be {column!r}; name the right one in `columns`")
            if found:
                places[column] = found[0]
            elif column in _NEEDED or given is not None:
                there = ", ".join(self._header)
                raise TraceError(
                    f"{self.path}: no column {' or '.join(names)}; its columns are {there}; name the one for {column!r} in `columns`"
                )
        return places

    def _value(self, row: list[str], column: str) -> str | None:
        return row[self._places[column]].strip() if column in self._places else None

    def _refusal(self, column: str, message: str) -> TraceError:
        return TraceError(f"{self.path}, line {self.reader.line_num}, column {self._header[self._places[column]]}: {message}")

    def _read(self, row: list[str]) -> PodRun:
        name = self._value(row, "pod") or ""
        if not name:
            raise self._refusal("pod", "the pod has no name; give it one")
        if name in self._line_of:
            raise self._refusal("pod", f"pod {name!r} is already on line {self._line_of[name]}; each needs a name of its own")
        self._line_of[name] = self.reader.line_num
        node = self._value(row, "node") or None
        created_ns = self._time(row, "created")
        if not self._value(row, "deleted"):
            return PodRun(name, created_ns, None, node)
        deleted_ns = self._time(row, "deleted")
        if deleted_ns < created_ns:
            shown = f"{self._value(row, 'deleted')!r} is before {self._value(row, 'created')!r}"
            raise self._refusal("deleted", f"pod {name!r} is deleted before it is created: {shown}; leave it empty for a pod that stays")
        shortest_ns = _DATE_UNIT_NS if self.are_dates else UNITS_NS[self.layout.unit]
        return PodRun(name, created_ns, created_ns + shortest_ns if deleted_ns == created_ns else deleted_ns, node)

    def _time(self, row: list[str], column: str) -> int:
        """Read a time in nanoseconds. A date counts from 1970."""
        text = self._value(row, column) or ""
        number = _NUMBER.fullmatch(text)
        date = None if number else _date(text)
        if number is None and date is None:
            accepted = "a number, 0 or more, nor a date with an offset from UTC, like 2026-01-01T00:00:00+00:00"
            raise self._refusal(column, f"{text!r} is neither {accepted}")
        if self.are_dates is None:
            self.are_dates = number is None
        elif self.are_dates is not (number is None):
            kinds = ("a date", "numbers") if number is None else ("a number", "dates")
            raise self._refusal(column, f"{text!r} is {kinds[0]}, but the times before it are {kinds[1]}; use one kind for all")
        if date is not None:
            return (date - _EPOCH) // timedelta(microseconds=1) * _DATE_UNIT_NS
        whole, _, fraction = text.partition(".")
        unit_ns = UNITS_NS[self.layout.unit]
        return int(whole) * unit_ns + (int(fraction) * unit_ns // 10 ** len(fraction) if fraction else 0)


def _date(text: str) -> datetime | None:
    """Read a date with an offset from UTC; None for any other text."""
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if date.tzinfo is None else date


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def _opened(path: Path) -> TextIO:
    if _is_packed(path):
        return cast("TextIO", gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")


def _longest_text(path: Path) -> float:
    """Return how many characters a file may have. A small gzipped file can unpack to any length; another one has its own."""
    return most_unpacked(path.stat().st_size) if _is_packed(path) else math.inf


def _lines(file: TextIO, longest: float) -> Iterator[str]:
    """Yield the lines of a file, and refuse a line or a file that would fill the memory."""
    length = 0
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise csv.Error(f"a line has {_LONGEST_LINE:,} characters or more")
        length += len(line)
        if length > longest:
            raise csv.Error(UNPACKS_TOO_FAR)
        yield line


def _moved(run: PodRun, by_ns: int) -> PodRun:
    deleted_ns = None if run.deleted_ns is None else run.deleted_ns + by_ns
    return PodRun(run.name, run.created_ns + by_ns, deleted_ns, run.node)
