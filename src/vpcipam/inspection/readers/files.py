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
from vpcipam.inspection.readers.bundles import folder_of, folders_of_nodes
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
_TOO_DEEP = "is an archive in an archive in an archive, which is not opened; unpack the outermost one, and give the folder"
_NO_FILE = "is no regular file but a link, a device or the like"
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

    @property
    def path_in_bundle(self) -> str | None:
        """Its path in the bundle; None if it is in none."""
        return self.name[len(self.bundle) + 1 :] if self.bundle and self.name.startswith(f"{self.bundle}/") else None


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


class _Files:
    """The number of files of a source, those in its archives too."""

    def __init__(self) -> None:
        self._count = 0

    def add(self) -> bool:
        """Count a file; False if there are too many."""
        self._count += 1
        return not self.are_too_many

    @property
    def are_too_many(self) -> bool:
        return self._count > MOST_FILES


def _ignore(_length: int) -> None:
    pass


@attrs.frozen
class _Within:
    """What a file is read in: who hears of its bytes, the files of its source, and in how many archives it is."""

    on_bytes: OnBytes
    files: _Files = attrs.field(factory=_Files)
    depth: int = 0

    @property
    def archive(self) -> "_Within":
        """What the files of an archive are read in."""
        return _Within(_ignore, self.files, self.depth + 1)


def _opened(head: bytes, rest: BinaryIO, on_bytes: OnBytes, most: float = math.inf) -> io.BufferedReader:
    return io.BufferedReader(_Bounded(head, rest, most, on_bytes), HEAD_LENGTH)


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
            yield from _open_stream(name, "", source, None, _Within(on_bytes))
            continue
        try:
            if source.is_dir():
                yield from _open_folder(name, source, on_bytes)
                continue
            if not (source.is_file() or source.is_fifo()):
                raise EvidenceError(f"can't read {name}: {'it is a device or a socket' if source.exists() else 'there is no such file'}")
            with source.open("rb") as file:
                yield from _open_stream(name, "", file, source.stat().st_size if source.is_file() else None, _Within(on_bytes))
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
    outer = _Within(on_bytes)
    paths = [path.relative_to(folder).as_posix() for path in itertools.islice(_files_below(folder), MOST_FILES)]
    nodes = folders_of_nodes(paths)
    for path in _files_below(folder):
        within = path.relative_to(folder).as_posix()
        shown_name = f"{root}/{within}"
        node = folder_of(within, nodes)
        bundle = f"{root}/{node}" if node else name
        try:
            with path.open("rb") as file:
                for each in _open_stream(shown_name, bundle, file, path.stat().st_size, outer):
                    yield each
                    if outer.files.are_too_many:
                        return
        except OSError as error:
            outer.files.add()
            yield OpenFile(shown_name, bundle, None, f"can't be read: {file_trouble(error)}")


def _open_stream(name: str, bundle: str, file: BinaryIO, size: int | None, outer: _Within) -> Iterator[OpenFile]:
    """Open a file that may be packed, or an archive, which is a bundle of its own. Archives are opened in archives, but no deeper."""
    head = file.read(HEAD_LENGTH)
    if head.startswith(_ZIP_MAGIC):
        in_memory = None if outer.depth else size  # it can't be sought in
        yield from [OpenFile(name, bundle, None, _TOO_DEEP)] if outer.depth > 1 else _open_zip(name, file, head, in_memory, outer)
        return
    stream = _opened(head, file, outer.on_bytes)
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
        yield from [OpenFile(name, bundle, None, _TOO_DEEP)] if outer.depth > 1 else _open_tar(name, stream, outer)
    elif outer.depth or outer.files.add():
        yield OpenFile(name, bundle, stream, head=head)
    else:
        yield OpenFile(name, bundle, None, _TOO_MANY)


def _inner(name: str, entry: str) -> str:
    """Name an entry of an archive; its own name can be anything."""
    text = entry[:_LONGEST_NAME].lstrip("./")
    return f"{name}/{text if text.isprintable() else repr(text)[1:-1]}"


# --- tar -----------------------------------------------------------------------------------------------------------------


class _CarefulTarInfo(tarfile.TarInfo):
    """A header that is refused if it would fill the memory, or go backwards.

    `_proc_member` is where every Python looks at a header; newer ones don't call `frombuf`.
    """

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo | None:
        if self.size < 0 or (self.type in _HEADERS_OF_NAMES and self.size > _MOST_NAME_LENGTH):
            raise EvidenceError("a header of the archive has an impossible size")
        return super()._proc_member(archive)  # type: ignore[misc, no-any-return] # the stubs lack it


_HEADERS_OF_NAMES = frozenset(
    (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
)


def _open_tar(name: str, stream: io.BufferedReader, outer: _Within) -> Iterator[OpenFile]:
    count = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_CarefulTarInfo) as archive:
            while (entry := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined] # otherwise it remembers every entry; the stubs lack it
                inner, count = _inner(name, entry.name), count + 1
                if not outer.files.add():
                    yield OpenFile(inner, name, None, _TOO_MANY)
                    return
                if entry.isdir():
                    continue
                if not entry.isreg() or entry.issparse():
                    yield OpenFile(inner, name, None, _NO_FILE)
                    continue
                content = cast("BinaryIO", archive.extractfile(entry))
                yield from _open_stream(inner, name, content, _SIZE_IN_ARCHIVE, outer.archive)
                if outer.files.are_too_many:
                    return
    except FAILURES as error:
        yield OpenFile(name, name, None, f"can't be read on after {counted(count, 'entry', 'entries')}: {file_trouble(error)}")


# --- zip -----------------------------------------------------------------------------------------------------------------


def _open_zip(name: str, file: BinaryIO, head: bytes, size: int | None, outer: _Within) -> Iterator[OpenFile]:
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
            for entry in archive.infolist():
                inner = _inner(name, entry.filename)
                if not outer.files.add():
                    yield OpenFile(inner, name, None, _TOO_MANY)
                    return
                if budget.left < 0:  # each further entry could cost as much again
                    yield OpenFile(inner, name, None, f"and what follows is not read: {_UNPACKS_TOO_FAR}")
                    return
                yield from _open_entry(OpenFile(inner, name, None), archive, entry, budget, outer)
                if outer.files.are_too_many:
                    return
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


def _open_entry(
    shown_as: OpenFile, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: _Budget, outer: _Within
) -> Iterator[OpenFile]:
    if entry.filename.endswith("/"):  # `is_dir` fails on an empty name
        return
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        yield attrs.evolve(shown_as, trouble=_NO_FILE)
        return
    if entry.flag_bits & _ENCRYPTED:
        yield attrs.evolve(shown_as, trouble="is encrypted")
        return
    try:
        with archive.open(entry) as content:
            counted_content = cast("BinaryIO", _opened(b"", cast("BinaryIO", content), budget.spend))
            yield from _open_stream(shown_as.name, shown_as.bundle, counted_content, _SIZE_IN_ARCHIVE, outer.archive)
    except FAILURES as error:
        yield attrs.evolve(shown_as, trouble=f"can't be unpacked: {shown(file_trouble(error))}")


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
