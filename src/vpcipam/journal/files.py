"""What journals do to files, operation by operation, so that each can be made to fail; and how a file is replaced whole."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from vpcipam.errors import JournalError

OWNER_ONLY = 0o600  # what upstream's temporary file has, and so its checkpoint


class Files:
    """The operations on files that journals are made of. Tests pass others in; all raise `OSError`."""

    def read(self, path: Path) -> bytes | None:
        """Read a file, None where there is none."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def create(self, path: Path) -> int:
        """Make a file, or empty the one that is there, and open it."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)

    def open_folder(self, path: Path) -> int:
        """Open a folder, to wait for what was renamed in it."""
        return os.open(path, os.O_RDONLY)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write as much as goes at once; return how much that was."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Wait until the disk has it."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Let go of what was opened."""
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another's name, in its place, at once."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Take a file away."""
        path.unlink()


def replace(files: Files, path: Path, data: bytes) -> None:
    """Put a file in another's place, so that at any instant, and after a power cut, there is one of the two whole.

    Only one process may do so at a time: the temporary file beside it has always the same name, so that none is left lying about.
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
    """Wait until the disk has what was renamed or made in a folder."""
    descriptor = files.open_folder(folder)
    try:
        files.sync(descriptor)
    finally:
        files.close(descriptor)


_CAUSES = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
    errno.ENOENT: "there is no such folder",
    errno.EISDIR: "it is a folder; give the name of a file",
}


@contextlib.contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """Say in words what failed while a journal's files were read or written.

    Raises:
        JournalError: an operation failed.
    """
    try:
        yield
    except OSError as error:
        cause = _CAUSES.get(error.errno or 0, "the file system fails")
        raise JournalError(f"{path} could not be {doing}: {cause} ({error.strerror or error})") from error
