"""Opens what people have: files, gzip, folders, tar archives, zip archives and streams. Nothing is ever unpacked to disk.

Archives can come from anyone. Only regular files in them are read, links and devices are not followed, and there are bounds on the number
of files, on the size of a document, and on how much a packed file unpacks to.
"""

import gzip
import io
import itertools
import math
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import attrs

from vpcipam._units import counted
from vpcipam._unpacking import GZIP_MAGIC, MOST_UNPACKED, UNPACKS_TOO_FAR, most_unpacked
from vpcipam.errors import EvidenceError, file_trouble
from vpcipam.settings.documents import shown

MOST_FILES = 10_000
"""The most files of a folder or an archive that are read."""
MOST_FROM_STREAM = 64 << 20
"""The largest zip archive that is read from a stream, in bytes; it has to be in memory. Counts as the size of a gzip file from a stream."""
HEAD_LENGTH = 1 << 16
"""The first bytes of a file, by which it is recognised."""

_MOST_NAME_LENGTH = 1 << 16  # of a header in a tar archive that only has names
_MOST_DIRECTORY = 16 << 20  # bytes, of a zip archive
_ZIP_END = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR_SIZE = 20
_TAR_MAGIC_AT = 257
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_LONGEST_NAME = 200
_SIZE_IN_ARCHIVE = 1 << 20  # counts as the size of a packed file in an archive, whose header can claim any
_ENCRYPTED = 1  # a bit in the flags of a zip archive's entry
_IN_ARCHIVE = "is an archive within an archive, which is not opened; unpack the outer one, and give the folder"
_NO_FILE = "is no regular file but a link, a device or the like"
_OF_IPAMD = frozenset(("enis.json", "eni.out", "eni.output", "ipam.json", "ipamd.log"))
"""Files that each bundle of a node has, as ipamd and the log collector name them."""
_PARTS_OF_BUNDLE = frozenset(("ipamd", "var_log", "cni"))
"""Folders within a bundle of the log collector."""
_TOO_MANY = f"there are more than {MOST_FILES:,} entries; the rest is not read"
_UNPACKS_TOO_FAR = f"the archive unpacks to more than {MOST_UNPACKED} times its size"
OnBytes = Callable[[int], object]
FAILURES = (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError)


@attrs.frozen
class OpenFile:
    """A file to read.

    Attributes:
        name: as it is shown.
        bundle: the folder or archive that it is in, empty if it is in none.
        stream: its bytes; None if it can't be read.
        trouble: why it can't be read.
        head: its first bytes, which `stream` has too.
    """

    name: str
    bundle: str
    stream: io.BufferedReader | None
    trouble: str = ""
    head: bytes = b""


class _Bounded(io.RawIOBase):
    """The bytes of a stream, of which the first were read before. It refuses more bytes than a bound, and tells how many were read."""

    def __init__(self, head: bytes, rest: BinaryIO, most: float, on_bytes: OnBytes) -> None:
        self._head = head
        self._rest = rest
        self._left = most
        self._on_bytes = on_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override] # typeshed has a wider protocol
        data = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(data) :]
        self._left -= len(data)
        if self._left < 0:
            raise EvidenceError(UNPACKS_TOO_FAR)
        self._on_bytes(len(data))
        buffer[: len(data)] = data
        return len(data)


def _opened(head: bytes, rest: BinaryIO, on_bytes: OnBytes, most: float = math.inf) -> io.BufferedReader:
    return io.BufferedReader(_Bounded(head, rest, most, on_bytes), HEAD_LENGTH)


def _ignore(_length: int) -> None:
    pass


def open_all(sources: Sequence[tuple[str, Path | BinaryIO]], on_bytes: OnBytes) -> Iterator[OpenFile]:
    """Open files, folders and archives one after the other; each stream is valid until the next one is asked for.

    Args:
        sources: each with its name.
        on_bytes: is called with the number of bytes that were read since the last call; of packed files, the packed ones.

    Raises:
        EvidenceError: A source can't be opened.
    """
    for name, source in sources:
        if not isinstance(source, Path):
            yield from _open_stream(name, "", source, None, on_bytes)
            continue
        try:
            if source.is_dir():
                yield from _open_folder(name, source, on_bytes)
                continue
            if not (source.is_file() or source.is_fifo()):
                raise EvidenceError(f"can't read {name}: {'it is a device or a socket' if source.exists() else 'there is no such file'}")
            with source.open("rb") as file:
                yield from _open_stream(name, "", file, source.stat().st_size if source.is_file() else None, on_bytes)
        except OSError as error:
            raise EvidenceError(f"can't read {name}: {file_trouble(error)}") from error


def total_size(sources: Sequence[tuple[str, Path | BinaryIO]]) -> int:
    """Return the number of bytes of all files, as far as they are known."""
    paths = [source for _, source in sources if isinstance(source, Path)]
    return sum(file.stat().st_size for path in paths for file in ([path] if path.is_file() else _files_below(path)))


def _files_below(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):  # it follows no links
        folders.sort()
        for name in sorted(names):
            path = Path(root, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _open_folder(name: str, folder: Path, on_bytes: OnBytes) -> Iterator[OpenFile]:
    """Open the files of a folder, which is one bundle, or has one for each node: in archives, or in folders of its own."""
    root = name.rstrip("/")
    nodes = _folders_of_nodes(folder)
    count = 0
    for path in _files_below(folder):
        within = path.relative_to(folder)
        shown_name = f"{root}/{within.as_posix()}"
        bundle = f"{root}/{within.parts[0]}" if within.parts[0] in nodes else name
        try:
            with path.open("rb") as file:
                for each in _open_stream(shown_name, bundle, file, path.stat().st_size, on_bytes):
                    count += 1
                    if count > MOST_FILES:
                        yield OpenFile(each.name, name, None, _TOO_MANY)
                        return
                    yield each
        except OSError as error:
            count += 1
            yield OpenFile(shown_name, bundle, None, f"can't be read: {file_trouble(error)}")


def _folders_of_nodes(folder: Path) -> set[str]:
    """Return the folders in a folder that are a node's each: at least two have what ipamd shows, and none is a part of a single bundle."""
    inner = [each for each in sorted(folder.iterdir()) if each.is_dir() and not each.is_symlink()]
    if any(each.name in _PARTS_OF_BUNDLE for each in inner):
        return set()
    nodes = {each.name for each in inner if any(path.name in _OF_IPAMD for path in itertools.islice(_files_below(each), MOST_FILES))}
    return nodes if len(nodes) > 1 else set()


def _open_stream(
    name: str, bundle: str, file: BinaryIO, size: int | None, on_bytes: OnBytes, *, in_archive: bool = False
) -> Iterator[OpenFile]:
    """Open a file that may be packed, or an archive, which is a bundle of its own. An archive in an archive is not opened."""
    head = file.read(HEAD_LENGTH)
    if head.startswith(_ZIP_MAGIC):
        yield from [OpenFile(name, bundle, None, _IN_ARCHIVE)] if in_archive else _open_zip(name, file, head, size)
        return
    stream = _opened(head, file, on_bytes)
    if head.startswith(GZIP_MAGIC):
        most = most_unpacked(MOST_FROM_STREAM if size is None else size)
        unpacked = cast("BinaryIO", gzip.GzipFile(fileobj=stream, mode="rb"))
        try:
            head = unpacked.read(HEAD_LENGTH)
        except FAILURES as error:
            yield OpenFile(name, bundle, None, f"can't be unpacked: {file_trouble(error)}")
            return
        stream = _opened(head, unpacked, _ignore, most)
    if head[_TAR_MAGIC_AT:].startswith(b"ustar"):
        yield from [OpenFile(name, bundle, None, _IN_ARCHIVE)] if in_archive else _open_tar(name, stream)
    else:
        yield OpenFile(name, bundle, stream, head=head)


def _inner(name: str, entry: str) -> str:
    """Name an entry of an archive; its own name can be anything."""
    text = entry[:_LONGEST_NAME].lstrip("./")
    return f"{name}/{text if text.isprintable() else repr(text)[1:-1]}"


# --- tar -----------------------------------------------------------------------------------------------------------------


class _CarefulTarInfo(tarfile.TarInfo):
    """A header that is refused if it would fill the memory, or go backwards."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_CarefulTarInfo":
        found = super().frombuf(buf, encoding, errors)
        if found.size < 0 or (found.type in _HEADERS_OF_NAMES and found.size > _MOST_NAME_LENGTH):
            raise EvidenceError("a header of the archive has an impossible size")
        return found


_HEADERS_OF_NAMES = frozenset(
    (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
)


def _open_tar(name: str, stream: io.BufferedReader) -> Iterator[OpenFile]:
    count = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_CarefulTarInfo) as archive:
            while (entry := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined] # otherwise it remembers every entry; the stubs lack it
                inner, count = _inner(name, entry.name), count + 1
                if count > MOST_FILES:
                    yield OpenFile(inner, name, None, _TOO_MANY)
                    return
                if entry.isdir():
                    continue
                if not entry.isreg() or entry.issparse():
                    yield OpenFile(inner, name, None, _NO_FILE)
                    continue
                content = cast("BinaryIO", archive.extractfile(entry))
                yield from _open_stream(inner, name, content, _SIZE_IN_ARCHIVE, _ignore, in_archive=True)
    except FAILURES as error:
        yield OpenFile(name, name, None, f"can't be read on after {counted(count, 'entry', 'entries')}: {file_trouble(error)}")


# --- zip -----------------------------------------------------------------------------------------------------------------


def _open_zip(name: str, file: BinaryIO, head: bytes, size: int | None) -> Iterator[OpenFile]:
    if size is None:
        data = head + file.read(MOST_FROM_STREAM)
        if len(data) > MOST_FROM_STREAM:
            yield OpenFile(name, name, None, f"is a zip archive of more than {MOST_FROM_STREAM:,} bytes on a stream; give it as a file")
            return
        file, size = io.BytesIO(data), len(data)
    try:
        _check_directory(file, size)
        with zipfile.ZipFile(file) as archive:
            budget = _Budget(most_unpacked(size))
            for count, entry in enumerate(archive.infolist()):
                inner = _inner(name, entry.filename)
                if count >= MOST_FILES:
                    yield OpenFile(inner, name, None, _TOO_MANY)
                    return
                if budget.left < 0:  # each further entry could cost as much again
                    yield OpenFile(inner, name, None, f"and what follows is not read: {_UNPACKS_TOO_FAR}")
                    return
                yield from _open_entry(inner, name, archive, entry, budget)
    except FAILURES as error:
        yield OpenFile(name, name, None, f"can't be read: {file_trouble(error)}")


@attrs.define
class _Budget:
    """The bytes that all files of an archive may still unpack to."""

    left: int

    def spend(self, length: int) -> None:
        self.left -= length
        if self.left < 0:
            raise EvidenceError(_UNPACKS_TOO_FAR)


def _open_entry(inner: str, name: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: _Budget) -> Iterator[OpenFile]:
    if entry.filename.endswith("/"):  # `is_dir` fails on an empty name
        return
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        yield OpenFile(inner, name, None, _NO_FILE)
        return
    if entry.flag_bits & _ENCRYPTED:
        yield OpenFile(inner, name, None, "is encrypted")
        return
    try:
        with archive.open(entry) as content:
            counted_content = _opened(b"", cast("BinaryIO", content), budget.spend)
            yield from _open_stream(inner, name, cast("BinaryIO", counted_content), _SIZE_IN_ARCHIVE, _ignore, in_archive=True)
    except FAILURES as error:
        yield OpenFile(inner, name, None, f"can't be unpacked: {shown(file_trouble(error))}")


def _check_directory(file: BinaryIO, size: int) -> None:
    """Refuse a zip archive whose directory would fill the memory, before it is read.

    Raises:
        EvidenceError: It would, or the archive has more files than a zip archive of the usual form can have.
    """
    length = min(size, (1 << 16) + _ZIP_END.size)
    file.seek(size - length)
    tail = file.read(length)
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or place + _ZIP_END.size > len(tail):
        raise EvidenceError("the directory of the zip archive is missing: its end is cut off")
    locator = tail[max(0, place - _ZIP64_LOCATOR_SIZE) : place]
    directory_size = _ZIP_END.unpack_from(tail, place)[5]
    if locator.startswith(b"PK\x06\x07") or directory_size > _MOST_DIRECTORY:
        raise EvidenceError("the directory of the zip archive is too large; unpack it and give the folder")
