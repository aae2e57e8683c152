"""Reads files from real nodes, clusters and accounts into `Evidence`."""

import codecs
import io
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from vpcipam.errors import file_trouble
from vpcipam.inspection.evidence import Evidence, Source
from vpcipam.inspection.log.reader import CHUNK
from vpcipam.inspection.readers.bundles import separated
from vpcipam.inspection.readers.collector import Collector
from vpcipam.inspection.readers.files import FAILURES, OpenFile, open_all, total_size
from vpcipam.inspection.readers.logs import is_log, read_log
from vpcipam.inspection.readers.long_lists import read_long_json
from vpcipam.inspection.readers.other_texts import packed_by
from vpcipam.inspection.readers.registry import may_be_json, read_lines, read_text
from vpcipam.inspection.readers.repeated import without_older

MOST_DOCUMENT_BYTES = 4 << 20
"""The longest text that is read as a whole. Longer ones of JSON are read item by item, logs and metrics line by line."""
MOST_OBJECTS = 1_000_000
"""The most objects and lists in a document, since each takes memory."""
LONGEST_LINE = 1 << 20
_REPLACEMENT = "\ufffd"

_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}

__all__ = ["MOST_DOCUMENT_BYTES", "read_files"]


def read_files(
    files: Iterable[str | os.PathLike[str] | tuple[str, BinaryIO]], *, progress: Callable[[int, int], object] | None = None
) -> Evidence:
    """Read files, folders, and archives (tar, tar.gz, zip) of real nodes, clusters and accounts. Files are recognised by their content.

    Whatever can't be read within a file is in `Evidence.skipped`.

    Args:
        files: paths, or binary streams with their names. The files of a folder or an archive count as those of one node, unless
            it has archives, or folders with what ipamd shows, of several nodes.
        progress: is called with the bytes that were read so far and those of all files, as they are on disk.

    Raises:
        EvidenceError: a file can't be opened.
    """
    sources = [each if isinstance(each, tuple) else (os.fspath(each), Path(each)) for each in files]
    collector = Collector()
    total = 0 if progress is None else total_size(sources)
    done = 0

    def count(length: int) -> None:
        nonlocal done
        done += length
        if progress is not None:
            progress(min(done, total), total)

    paths: dict[str, list[str]] = {}
    for file in open_all(sources, count):
        collector.source = Source(file.name, bundle=file.bundle)
        if file.path_in_bundle is not None:
            paths.setdefault(file.bundle, []).append(file.path_in_bundle)
        if file.stream is None:
            collector.skip("the whole file", file.trouble)
            continue
        try:
            _read_file(collector, file, file.stream)
        except FAILURES as error:
            collector.skip("the rest of the file", f"can't be read: {file_trouble(error)}")
    return without_older(separated(collector.evidence(), paths), collector.eni_counts)


def _read_file(collector: Collector, file: OpenFile, stream: io.BufferedReader) -> None:
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if file.head.startswith(mark)), "utf-8-sig")
    packer = packed_by(file.head)
    if packer:
        collector.skip("the whole file", f"is packed by {packer}; unpack it, or use gzip or zip")
        return
    if encoding == "utf-8-sig" and b"\0" in file.head:
        collector.skip("the whole file", "is binary, no text")
        return
    head = file.head.decode(encoding, "replace")
    if is_log(head):
        read_log(collector, _chunks(stream, encoding))
        return
    if read_lines(collector, head, lambda: _lines(collector, stream, encoding)):
        return
    data = stream.read(MOST_DOCUMENT_BYTES + 1)
    if len(data) > MOST_DOCUMENT_BYTES:
        if may_be_json(head):
            _read_long(collector, data, stream, encoding)
        else:
            collector.skip("the whole file", f"a text of more than {MOST_DOCUMENT_BYTES >> 20} MiB is read only if it is JSON (-o json)")
        return
    text = data.decode(encoding, "replace")
    if text.count("{") + text.count("[") > MOST_OBJECTS:
        collector.skip("the whole file", f"it has more than {MOST_OBJECTS:,} objects and lists; give it in parts")
        return
    _note_broken(collector, text.count(_REPLACEMENT))
    read_text(collector, text)


def _note_broken(collector: Collector, count: int) -> None:
    if count:
        collector.skip("single characters", f"{count:,} of them are not UTF-8; they are read as {_REPLACEMENT}")


def _read_long(collector: Collector, begin: bytes, rest: io.BufferedReader, encoding: str) -> None:
    """Read a long text of JSON, whose first bytes were read already."""
    first = io.BytesIO(begin)
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    broken = 0

    def read(length: int) -> str:
        nonlocal broken
        text = ""
        while not text:  # a few bytes can be less than a character
            data = first.read(length) or rest.read(length)
            text = decoder.decode(data, final=not data)
            if not data:
                break
        broken += text.count(_REPLACEMENT)
        return text

    read_long_json(collector, read)
    _note_broken(collector, broken)


def _chunks(stream: io.BufferedReader, encoding: str) -> Iterator[bytes]:
    """Yield the text in UTF-8, in pieces."""
    if encoding == "utf-8-sig":
        yield from iter(lambda: stream.read(CHUNK), b"")
        return
    text = io.TextIOWrapper(stream, encoding, "replace")
    yield from (piece.encode() for piece in iter(lambda: text.read(CHUNK), ""))


def _lines(collector: Collector, stream: io.BufferedReader, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers; a line that is too long is skipped."""
    text = io.TextIOWrapper(stream, encoding, "replace", newline="\n")
    number = 0
    while line := text.readline(LONGEST_LINE):
        number += 1
        if len(line) < LONGEST_LINE:
            yield number, line
            continue
        collector.skip(line, f"a line of {LONGEST_LINE:,} characters or more is not read", line=number)
        while line and not line.endswith("\n"):
            line = text.readline(LONGEST_LINE)
