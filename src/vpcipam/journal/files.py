"""The file operations of journals, and the atomic replacement of a file."""

import contextlib
import errno
import os
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


def replace(files: Files, path: Path, data: bytes) -> None:
    """Replace a file atomically: at any instant, and after a power cut, it has either the whole old content or the whole new content.

    Only one process may call this at a time. The temporary file always has the same name, so that a crash leaves at most one behind.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        descriptor = files.create(temporary)
        try:
            left = memoryview(data)
            while left:
                left = left[files.write(descriptor, left) :]
            files.sync(descriptor)
        finally:
            files.close(descriptor)
        files.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            files.remove(temporary)
        raise
    sync_folder(files, path.parent)


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
    except OSError as error:
        cause = _CAUSES.get(error.errno or 0, "the file system fails")
        raise JournalError(f"{path} could not be {doing}: {cause} ({error.strerror or error})") from error
