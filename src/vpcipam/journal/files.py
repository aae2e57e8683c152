"""The file operations of journals, and the atomic replacement of a file."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from vpcipam.errors import JournalError

OWNER_ONLY = 0o600  # the mode of ipamd's checkpoint, which starts as a temporary file


class Files:
    """The file operations of journals. Each can raise `OSError`; tests replace them to make them fail."""

    def read(self, path: Path) -> bytes | None:
        """Return the content of a file, None if there is none."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def create(self, path: Path) -> int:
        """Create a file, or truncate the existing one, and open it."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)

    def open_folder(self, path: Path) -> int:
        """Open a folder, so that a rename in it can be synced."""
        return os.open(path, os.O_RDONLY)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write some of the data; return the number of bytes written."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Wait until the data is on the disk."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a file or folder."""
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Rename a file, atomically replacing the target."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()


def journal_path(path: Path | str, *companions: str, links: bool = False) -> Path:
    """Return where a journal is, with all symbolic links resolved, so that one journal has one path and one lock file.

    It stays the same if the working folder or a link changes later.

    Args:
        path: the journal.
        companions: patterns of the names of the files beside it, for example `{name}.lock`.
        links: accept a file with hard links, to read it only.

    Raises:
        JournalError: the path can't be a file's; something else than a regular file is there or beside it; or the journal's file has a
            second name (a hard link). Two names have two lock files, and a replaced file leaves its second name with the old content.
    """
    text = os.fspath(path)
    if not isinstance(text, str):
        raise JournalError(f"the path of a journal must be a str or Path, not {type(text).__name__} ({text!r})")
    if not text or "\0" in text:
        raise JournalError(f"{text!r} is not the path of a file: give the journal a file name")
    resolved = Path(os.path.realpath(text))
    if resolved.is_dir() or text.endswith("/"):
        raise JournalError(f"{text} could not be opened: it is a folder; give the name of a file")
    names = (each.format(name=resolved.name, stem=resolved.stem, suffix=resolved.suffix) for each in companions)
    with translated(resolved, "opened"):
        for each in (resolved, *map(resolved.with_name, names)):
            status = _status(each)
            if status is not None and not stat.S_ISREG(status.st_mode):
                raise JournalError(f"{each} could not be opened: it is not a regular file; give the journal another path")
        status = _status(resolved)
        if status is not None and status.st_nlink > 1 and not links:
            raise JournalError(
                f"{resolved} could not be opened: the file has {status.st_nlink} names (hard links), and a journal under two names loses "
                "records. Replace this one by a copy"
            )
    return resolved


def file_id(path: Path | str) -> tuple[int, int]:
    """Return the device and the inode of a file, (0, 0) if there is none. While a file is open, no other file gets its numbers."""
    try:
        status = os.stat(path)  # noqa: PTH116  # every record calls this, and Path.stat takes three times as long
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


class UndoFailedError(OSError):
    """A file was replaced, but not synced, and the old content could not be put back."""


def replace(files: Files, path: Path, data: bytes) -> None:
    """Replace a file atomically: at any instant, and after a power cut, it has either the whole old content or the whole new content.

    Only one process may call this at a time. The temporary file always has the same name, so that a crash leaves at most one behind.

    Raises:
        UndoFailedError: the file has the new content; a power cut can bring the old content back.
        OSError: the file has the old content.
    """
    before = files.read(path)
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        _write(files, temporary, data)
        files.rename(temporary, path)
        sync_folder(files, path.parent)
    except BaseException as error:
        try:
            _undo(files, path, temporary, before)
        except OSError as second:
            if isinstance(error, OSError):
                raise UndoFailedError(error.errno, f"{error.strerror or error}; then: {second.strerror or second}") from error
        raise


def _write(files: Files, path: Path, data: bytes) -> None:
    descriptor = files.create(path)
    try:
        left = memoryview(data)
        while left:
            left = left[files.write(descriptor, left) :]
        files.sync(descriptor)
    finally:
        files.close(descriptor)


def _undo(files: Files, path: Path, temporary: Path, before: bytes | None) -> None:
    """Give a file its old content again, if it has been replaced: a restart after an error must not find the new content."""
    content = files.read(path)
    if content != before:
        if before is None:
            files.remove(path)
            return
        _write(files, temporary, before)
        files.rename(temporary, path)
    with contextlib.suppress(OSError):
        files.remove(temporary)


def sync_folder(files: Files, folder: Path) -> None:
    """Wait until a rename or a new file in a folder is on the disk."""
    descriptor = files.open_folder(folder)
    try:
        files.sync(descriptor)
    finally:
        files.close(descriptor)


_CAUSES = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EROFS: "the file system is read-only: choose another path",
    errno.EACCES: "this user may not write there: change the permissions",
    errno.EPERM: "this user may not write there: change the permissions",
    errno.ENOENT: "there is no such folder: create it",
    errno.EISDIR: "it is a folder; give the name of a file",
}


@contextlib.contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """Turn an `OSError` in the block into a `JournalError` that says what to do.

    Raises:
        JournalError: an operation failed.
    """
    try:
        yield
    except UndoFailedError as error:
        raise JournalError(
            f"{path} has the change but could not be synced, and could not be restored either ({error.strerror}). The change is undone "
            "here, but a restart before the next successful change finds it"
        ) from error
    except OSError as error:
        cause = _CAUSES.get(error.errno or 0, "the file system fails")
        raise JournalError(f"{path} could not be {doing}: {cause} ({error.strerror or error})") from error
