"""One process at a time: a lock that the kernel holds, in a file that says who has it."""

import fcntl
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

from vpcipam.errors import JournalError, JournalLocked
from vpcipam.journal.files import OWNER_ONLY


class ProcessLock:
    """The right of one journal object to a path, held until it is released or its process ends, however it ends.

    The kernel decides who has it; the number in the file is only there to be told. The file stays, as its removal would let two have it.
    A process that is forked off does not inherit it.

    Attributes:
        turn: lets the threads of the process that has it follow each other.
    """

    def __init__(self, path: Path, flock: Callable[[int, int], None] = fcntl.flock) -> None:
        """Take it.

        Args:
            path: of the lock file: the journal's, with one suffix more.
            flock: what asks the kernel, for tests.

        Raises:
            JournalLocked: another process has it, or another journal object of this one.
            JournalError: the lock file can't be made.
        """
        self.path = path
        self.turn = threading.Lock()
        self._taken_by = os.getpid()
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY)
        except OSError as error:
            raise JournalError(f"{path} can't be made, so the journal can't be locked: {error.strerror}") from error
        try:
            flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{self._taken_by}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise JournalLocked(_taken(path, holder, self._taken_by)) from None
        except OSError as error:
            os.close(self._descriptor)
            raise JournalError(f"{path} can't be locked: {error.strerror}") from error
        _held.add(self)

    def require(self) -> None:
        """Refuse to go on without it.

        Raises:
            JournalError: it was released, or the journal was opened before this process was forked off.
        """
        if self._descriptor < 0:
            why = "closed" if self._taken_by == os.getpid() else f"opened by process {self._taken_by}, from which this one was forked off"
            raise JournalError(f"the journal {self.path.with_suffix('')} was {why}: open it anew")

    def release(self) -> None:
        """Let go of it; once is enough."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _taken(path: Path, holder: str, own: int) -> str:
    journal = path.with_suffix("")
    if holder == str(own):
        return f"{journal} is open in this process (pid {own}) already: close that journal first"
    return f"{journal} is in use by process {holder or 'of unknown number'}: stop that first, two would overwrite each other"


_held: "weakref.WeakSet[ProcessLock]" = weakref.WeakSet()


def _leave_to_parent() -> None:
    """In a process forked off, close what it inherited: it would keep the lock when its parent, whose lock it is, has ended."""
    for lock in list(_held):
        lock.turn = threading.Lock()  # a thread that had the other is not in this process to let it go
        lock.release()


os.register_at_fork(after_in_child=_leave_to_parent)
