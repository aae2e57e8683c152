"""The lock that keeps a second process out of a journal."""

import fcntl
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

from vpcipam.errors import JournalError, JournalLocked
from vpcipam.journal.files import OWNER_ONLY, file_id


class ProcessLock:
    """The lock of one journal object on a path, held until it is released or its process ends.

    It is a `flock` on a lock file. The process id in the file is only for error messages. The file is never removed: otherwise two
    processes could each lock a different file of that name. If somebody else removes it, `require` refuses. A forked child does not
    inherit the lock.

    Attributes:
        threads: the lock between the threads of the process.
    """

    def __init__(self, path: Path, flock: Callable[[int, int], None] = fcntl.flock) -> None:
        """Acquire the lock.

        Args:
            path: the lock file, which has the journal's path plus a suffix.
            flock: the system call; for tests.

        Raises:
            JournalLocked: another process, or another journal object of this process, has the lock.
            JournalError: the lock file can't be created or locked.
        """
        self.path = path
        self._text_path = str(path)
        self.threads = threading.Lock()
        self._owner = os.getpid()
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY)
        except OSError as error:
            raise JournalError(f"{path} can't be created, so the journal can't be locked: {error.strerror}") from error
        try:
            flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file_id = _id_of_open(self._descriptor)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{self._owner}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise JournalLocked(_taken(path, holder, self._owner)) from None
        except OSError as error:
            os.close(self._descriptor)
            raise JournalError(f"{path} can't be locked: {error.strerror}") from error
        _held.add(self)

    def require(self) -> None:
        """Refuse to continue without the lock.

        Raises:
            JournalError: it was released, this process was forked after the journal was opened, or the lock file is no longer there.
        """
        if self._descriptor < 0:
            why = "closed" if self._owner == os.getpid() else f"opened by process {self._owner}, which forked this one"
            raise JournalError(f"the journal {self.path.with_suffix('')} was {why}: open it again")
        if file_id(self._text_path) != self._file_id:
            raise JournalError(
                f"{self.path} was removed or replaced while the journal was open, so another process may have opened the journal: "
                "stop that process, then open the journal again and restore"
            )

    def release(self) -> None:
        """Release the lock. Releasing it again does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _id_of_open(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _taken(path: Path, holder: str, own: int) -> str:
    journal = path.with_suffix("")
    if holder == str(own):
        return f"{journal} is already open in this process (pid {own}): close that journal first"
    return f"{journal} is in use by process {holder or 'of unknown number'}: stop that process first, or the two would overwrite each other"


_held: "weakref.WeakSet[ProcessLock]" = weakref.WeakSet()


def _release_in_child() -> None:
    """Close the inherited lock files in a forked child: otherwise it would keep its parent's locks after the parent has ended."""
    for lock in list(_held):
        lock.threads = threading.Lock()  # the thread that held the old one does not exist in the child
        lock.release()


os.register_at_fork(after_in_child=_release_in_child)
