"""What a forked child does with the locks that other threads of its parent held: it refuses, since these threads don't exist there.

Without that, the child would wait for ever, or find a change half done.
"""

import os
import weakref
from types import TracebackType
from typing import NoReturn, Protocol

from vpcipam.errors import VpcIpamError


class OwnersLock(Protocol):
    """A reentrant lock, for use in `with`."""

    def __enter__(self) -> object: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /) -> None: ...
    def acquire(self, blocking: bool = True) -> bool:  # noqa: FBT001, FBT002  # as in threading
        """Take the lock; if not `blocking`, tell at once whether it was free."""
        ...

    def release(self) -> object:
        """Let the lock go."""
        ...


class LockOwner(Protocol):
    """Has a lock that its methods take."""

    _lock: OwnersLock


class _RefusingLock:
    """Takes the place of a lock that nobody will release."""

    def __init__(self, error: type[VpcIpamError], what: str) -> None:
        self._error = error
        self._what = what

    def acquire(self, blocking: bool = True) -> NoReturn:  # noqa: FBT001, FBT002  # as in threading
        """Refuse."""
        del blocking
        raise self._error(
            f"this process was forked while another thread was in a call of the {self._what}, so its state here may be half changed: "
            "make a new one"
        )

    __enter__ = acquire

    def release(self) -> None:
        """Do nothing: the lock was never taken."""

    def __exit__(self, kind: object, error: object, trace: object, /) -> None:
        """Do nothing: the lock was never taken."""


def refuse_in_child(owner: LockOwner, error: type[VpcIpamError], what: str) -> None:
    """Replace the `_lock` of an owner in each forked child, if another thread holds it at the fork, by one that raises an error."""
    _owners[owner] = error, what


_owners: "weakref.WeakKeyDictionary[LockOwner, tuple[type[VpcIpamError], str]]" = weakref.WeakKeyDictionary()


def _after_in_child() -> None:
    for owner, (error, what) in list(_owners.items()):
        if owner._lock.acquire(blocking=False):  # noqa: SLF001  # its owner has registered it
            owner._lock.release()  # noqa: SLF001  # likewise
        else:
            owner._lock = _RefusingLock(error, what)  # noqa: SLF001  # likewise


os.register_at_fork(after_in_child=_after_in_child)
