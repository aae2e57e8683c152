"""The lock that keeps a second process out of a journal."""

import fcntl
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from vpcipam.errors import JournalError, JournalLocked
from vpcipam.journal.files import OWNER_ONLY, file_id


class ProcessLock:
    """The lock of one journal object on a path, held until it is released, dropped, or its process ends.

    It is a `flock` on a lock file. The process id in the file is only for error messages. The file is never removed: otherwise two
    processes could each lock a different file of that name. If somebody else removes it, `require` refuses. A forked child does not
    inherit the lock.
    """

    _descriptor = -1  # for `__del__`, if an interrupt ends `__init__`

    def __init__(self, path: Path, flock: Callable[[int, int], None] = fcntl.flock) -> None:
        """Make a lock; `acquire` it inside the `try` whose handler releases it, so that an interrupt between the two can't keep it.

        Args:
            path: the lock file, which has the journal's path plus a suffix.
            flock: the system call; for tests.
        """
        self.path = path
        self._flock = flock
        self._text_path = str(path)
        self._threads = threading.RLock()
        self._owner = os.getpid()
        _held.add(self)

    def acquire(self) -> None:
        """Acquire the lock.

        Raises:
            JournalLocked: another process, or another journal object of this process, has the lock.
            JournalError: the lock file can't be created or locked.
        """
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, OWNER_ONLY)
        except OSError as error:
            raise JournalError(f"{self.path} can't be created, so the journal can't be locked: {error.strerror}") from error
        try:
            self._flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file_id = _id_of_open(self._descriptor)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{self._owner}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            self.release()
            raise JournalLocked(_taken(self.path, holder, self._owner)) from None
        except OSError as error:
            self.release()
            raise JournalError(f"{self.path} can't be locked: {error.strerror}") from error

    @property
    def threads(self) -> AbstractContextManager[object]:
        """The lock between the threads of the process, for use in `with`.

        It is a lock in C, never a context manager written in Python: an interrupt could come between such a one's taking of a lock and the
        body of the `with`, and the lock would stay taken. For the same reason the body has no loop of its own: in CPython 3.12 and 3.13, an
        interrupt at a loop's conditional jump backwards leaves the `with` without releasing the lock.

        Raises:
            JournalError: this thread is in a call of the journal already, so a signal handler or a finalizer makes this one. To wait
                would be to wait for itself.
        """
        if self._threads._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001  # as threading.Condition does
            raise JournalError(
                f"the journal {self.path.with_suffix('')} is in the middle of a call of this thread, which a signal handler or a finalizer "
                "has interrupted: call it after that call has ended"
            )
        return self._threads

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
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.release()


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
        lock._threads = threading.RLock()  # noqa: SLF001  # the thread that held the old one does not exist in the child
        lock.release()


os.register_at_fork(after_in_child=_release_in_child)
