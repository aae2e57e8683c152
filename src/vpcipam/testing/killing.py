"""A process that is killed in the middle of a call, played in one process: its storage stops it after a number of writes.

>>> store = KillableStorage({"web": "10.0.0.5"}, writes=["update", "pop"])
>>> store.kill_after(1)
>>> store.update(db="10.0.0.6")
Traceback (most recent call last):
    ...
vpcipam.testing.killing.Killed
>>> store.kill_after(None)
>>> store.get("db")
'10.0.0.6'
"""

from collections.abc import Iterable
from typing import Any


class Killed(BaseException):
    """The process was killed. It is no `Exception`, so an allocator that handles errors does not handle it."""


class KillableStorage:
    """Passes everything on to a storage, until the allocator that uses it is killed.

    A dead process does nothing more: from then on, reads and writes raise `Killed`, those of its `except` and `finally` clauses too.
    """

    def __init__(self, storage: Any, writes: Iterable[str]) -> None:  # noqa: ANN401  # whatever the allocator stores to
        """Wrap a storage.

        Args:
            storage: what the allocator stores to: a client, a connection, an object that writes files. Its methods are no coroutines.
            writes: the names of its methods that write.
        """
        self.__dict__.update(_storage=storage, _writes=frozenset(writes), _left=None, _dead=False)

    def kill_after(self, writes: int | None) -> None:
        """Let so many writes happen, and kill the process then; with 0, in place of the next one. With None, let it live."""
        self.__dict__.update(_left=writes, _dead=False)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Return an attribute of the storage. A method that writes counts."""
        if self._dead:
            raise Killed
        attribute = getattr(self._storage, name)
        return self._counted(attribute) if name in self._writes and self._left is not None else attribute

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute of the storage."""
        setattr(self._storage, name, value)

    def _counted(self, write: Any) -> Any:  # noqa: ANN401
        def counted(*arguments: object, **options: object) -> Any:  # noqa: ANN401
            answer = write(*arguments, **options) if self._left else None
            self.__dict__["_left"] = max(0, self._left - 1)
            if not self._left:
                self.__dict__["_dead"] = True
                raise Killed
            return answer

        return counted
