"""Read a log of any size in constant memory: plain or gzipped, JSON or text, with dirt."""

import codecs
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import BinaryIO

import attrs

from vpcipam._unpacking import GZIP_MAGIC
from vpcipam.errors import LogError
from vpcipam.inspection.log.line import Form, FoundLines, LogLine, fast_json, find_lines

CHUNK = 1 << 18
LONGEST_LINE = 1 << 18
"""A longer line is skipped."""
BEGINNING = 16
"""How many bytes of a message are compared with `LogReader.unwanted`."""
_BEFORE_MESSAGE = b'","msg":"'
_OBJECT = b'{"level":"'
_MOST_SKIPS_KEPT = 20
_MOST_CONTINUED = 16_384
_SHOWN = 60


def read_chunks(file: BinaryIO, moved: Callable[[int], object] = lambda _: None) -> Iterator[bytes]:
    """Yield the content of a file in pieces, in UTF-8.

    Gzip is recognised by its first bytes, and may unpack to any length: no reader keeps it. So is UTF-16, which PowerShell writes.

    Args:
        file: the file, from its beginning. It need not be seekable.
        moved: is called with the number of bytes of the file that were read so far.

    Raises:
        LogError: the gzipped data is damaged or ends early. All that could be unpacked was yielded before.
    """
    chunks = _unpacked(file, moved)
    first = next(chunks, b"")
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        pieces = codecs.iterdecode(itertools.chain([first], chunks), "utf-16", "replace")
        yield from (piece.encode() for piece in pieces)
    elif first:
        yield first
        yield from chunks


def _unpacked(file: BinaryIO, moved: Callable[[int], object]) -> Iterator[bytes]:
    position = 0
    unpack: _Gunzip | None = None
    while chunk := file.read(CHUNK):
        if not position and chunk.startswith(GZIP_MAGIC):
            unpack = _Gunzip()
        position += len(chunk)
        if unpack is None:
            yield chunk
        else:
            yield from unpack.feed(chunk)
        moved(position)
    if unpack is not None:
        unpack.finish()


class _Gunzip:
    """Unpacks a gzip file, member by member, never more than a chunk at once."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(31)

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            try:
                unpacked = self._member.decompress(data, CHUNK)
            except zlib.error as error:
                raise LogError(f"the gzipped data is damaged ({error}); what comes before the damage was read") from None
            data = self._member.unconsumed_tail
            yield unpacked
            if self._member.eof:
                data = self._member.unused_data.lstrip(b"\0")
                if data:
                    self._member = zlib.decompressobj(31)

    def finish(self) -> None:
        if not self._member.eof:
            raise LogError("the gzipped data ends early; what comes before its end was read")


class RawLines:
    """The lines of a file, without their ends; None for one that is too long. Iterate over it once.

    Attributes:
        trouble: why the file could not be read to its end, empty if it could.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.trouble = ""

    def __iter__(self) -> Iterator[bytes | None]:
        """Yield each line."""
        rest = b""
        too_long = False
        try:
            for chunk in self._chunks:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield None if too_long or len(line) > LONGEST_LINE else line
                    too_long = False
                if len(rest) > LONGEST_LINE:
                    rest, too_long = b"", True
        except LogError as error:
            self.trouble = str(error)
        if too_long or rest:
            yield None if too_long else rest


@attrs.frozen
class SkippedLine:
    """Something that was skipped.

    Attributes:
        line: the number of the line, from 1.
        reason: why.
        text: its beginning.
    """

    line: int
    reason: str
    text: str


class SkipList:
    """What was skipped: the first 20 places, and how many there are."""

    def __init__(self) -> None:
        self.first: list[SkippedLine] = []
        self.count = 0

    def add(self, line: int, reason: str, text: str) -> None:
        """Add a place."""
        self.count += 1
        if len(self.first) < _MOST_SKIPS_KEPT:
            self.first.append(SkippedLine(line, reason, text[:_SHOWN]))


def _is_single(raw: bytes) -> bool:
    """Whether a line has a single object."""
    return raw.find(_OBJECT, 1) < 0


class LogReader:
    """The lines of a log, one after the other. Iterate over it once.

    Attributes:
        line_count: the number of lines so far.
        found_count: how many of them are lines of a log.
        skips: what was skipped.
        unwanted: the first 16 bytes of messages that the caller does not want. Such lines are counted and not yielded, which is
            quicker. The caller can exchange it at any time.
        loses: what was skipped since the last line can have been about an assign, an unassign or a start. The caller sets it back.
        first_ns: the time of the first line that has one, in Unix nanoseconds; None if none has.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._raw = RawLines(chunks)
        self.line_count = 0
        self.found_count = 0
        self.skips = SkipList()
        self.unwanted: AbstractSet[bytes] = frozenset()
        self.loses = False
        self.first_ns: int | None = None
        self._last: LogLine | bytes | None = None  # the last line with a time; bytes for one that was not yielded
        self._pending: LogLine | None = None  # a text line, whose next lines can continue it
        self._pending_number = 0
        self._blanks = 0

    def __iter__(self) -> Iterator[tuple[int, LogLine]]:
        """Yield the number of each line, and the line."""
        for raw in self._raw:
            self.line_count += 1
            if raw is None:
                self._skip(f"longer than {LONGEST_LINE:,} bytes", "", loses=True)
                continue
            at = raw.find(_BEFORE_MESSAGE) + len(_BEFORE_MESSAGE)
            if raw[at : at + BEGINNING] in self.unwanted and raw.startswith(_OBJECT) and raw.rstrip().endswith(b'"}') and _is_single(raw):
                self.found_count += 1
                self._last = raw
                continue
            text = raw.decode("utf-8", "replace")
            line = fast_json(text)
            if line is None:
                yield from self._slowly(text)
                continue
            if self._pending is not None:
                yield from self._flush()
            self.found_count += 1
            self._note(line)
            yield self.line_count, line
        yield from self._flush()

    @property
    def trouble(self) -> str:
        """Why the log could not be read to its end; empty if it could."""
        return self._raw.trouble

    @property
    def last_ns(self) -> int | None:
        """The time of the last line that has one, in Unix nanoseconds; None if none has."""
        last = fast_json(self._last.decode("utf-8", "replace")) if isinstance(self._last, bytes) else self._last
        return None if last is None else last.when_ns

    def _note(self, line: LogLine) -> None:
        if line.time:
            self._last = line
            if self.first_ns is None:
                self.first_ns = line.when_ns

    def _slowly(self, text: str) -> Iterator[tuple[int, LogLine]]:
        found = find_lines(text.removeprefix("\ufeff").lstrip("\0"))
        if not found.lines and self._pending is not None and not found.rest.startswith('{"'):
            self._continue(text)
            return
        yield from self._flush()
        if found.trouble and text.strip():
            self._skip(found.trouble, found.rest, loses=found.loses)
        self.found_count += len(found.lines)
        yield from self._lines(found)

    def _lines(self, found: FoundLines) -> Iterator[tuple[int, LogLine]]:
        for line in found.lines:
            self._note(line)
            if line.form is Form.TEXT:
                self._pending, self._pending_number = line, self.line_count
            else:
                yield self.line_count, line

    def _continue(self, text: str) -> None:
        """Append a line to the text line before it: its message has several lines."""
        line = self._pending
        if line is not None and text.strip() and len(line.message) < _MOST_CONTINUED:
            self._pending = attrs.evolve(line, message=f"{line.message}\n{text.rstrip()}"[:_MOST_CONTINUED])

    def _flush(self) -> Iterator[tuple[int, LogLine]]:
        line, self._pending = self._pending, None
        if line is not None:
            yield self._pending_number, line

    def _skip(self, reason: str, text: str, *, loses: bool) -> None:
        self.loses = self.loses or loses
        self.skips.add(self.line_count, reason, text)
