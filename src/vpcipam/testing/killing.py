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

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from vpcipam._arguments import require_integer
from vpcipam.errors import InvalidArgument

_ITEM_WRITES = frozenset({"__setitem__", "__delitem__"})


class Killed(BaseException):
    """The process was killed. It is no `Exception`, so an allocator that handles errors does not handle it."""


class KillableStorage:
    """Passes everything on to a storage, until the allocator that uses it is killed.

    A dead process does nothing more: from then on, reads and writes raise `Killed`, those of its `except` and `finally` clauses too.
    """

    def __init__(self, storage: Any, writes: Iterable[str] = ()) -> None:  # noqa: ANN401  # whatever the allocator stores to
        """Wrap a storage.

        Args:
            storage: what the allocator stores to: a client, a connection, an object that writes files. Its methods are no coroutines.
            writes: the names of its methods that write. Setting and deleting an item always counts.

        Raises:
            InvalidArgument: the storage has no such method, or none that writes.
        """
        if isinstance(writes, str):
            raise TypeError(f"writes must be names of methods in a list, as in [{writes!r}], not the text {writes!r}")
        names = frozenset(writes)
        for name in sorted(names):
            method = getattr(storage, name, None)
            if not callable(method) or inspect.iscoroutinefunction(method):
                kind = (
                    "no method" if method is None else "not a method" if not callable(method) else "a coroutine; write kill_after yourself"
                )
                raise InvalidArgument(f"writes: {name!r} of {type(storage).__name__} is {kind}")
        if not names and not hasattr(storage, "__setitem__"):
            raise InvalidArgument(f"writes must name the methods of {type(storage).__name__} that write: otherwise nothing is ever killed")
        self.__dict__.update(_storage=storage, _writes=names | _ITEM_WRITES, _left=None, _dead=False)

    def kill_after(self, writes: int | None) -> None:
        """Let so many writes happen, and kill the process then; with 0, in place of the next one. With None, let it live."""
        if writes is not None:
            require_integer("writes", writes, 0)
        self.__dict__.update(_left=writes, _dead=False)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Return an attribute of the storage. A method that writes counts."""
        if self._dead:
            raise Killed
        attribute = getattr(self._storage, name)
        return self._counted(attribute) if name in self._writes else attribute

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute of the storage."""
        if self._dead:
            raise Killed
        setattr(self._storage, name, value)

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401
        """Return an item of the storage."""
        return self.__getattr__("__getitem__")(key)

    def __setitem__(self, key: Any, value: object) -> None:  # noqa: ANN401
        """Set an item of the storage: a write."""
        self.__getattr__("__setitem__")(key, value)

    def __delitem__(self, key: Any) -> None:  # noqa: ANN401
        """Delete an item of the storage: a write."""
        self.__getattr__("__delitem__")(key)

    def __contains__(self, key: object) -> bool:
        """Return whether the storage has an item."""
        return bool(self.__getattr__("__contains__")(key))

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the storage."""
        return iter(self.__getattr__("__iter__")())

    def __len__(self) -> int:
        """Return the number of items of the storage."""
        return int(self.__getattr__("__len__")())

    def __bool__(self) -> bool:
        """Return whether the storage is true."""
        if self._dead:
            raise Killed
        return bool(self._storage)

    def _counted(self, write: Any) -> Any:  # noqa: ANN401
        def counted(*arguments: object, **options: object) -> Any:  # noqa: ANN401
            if self._dead:  # a method that the allocator took from here before
                raise Killed
            if self._left is None:
                return write(*arguments, **options)
            answer = write(*arguments, **options) if self._left else None
            self.__dict__["_left"] = max(0, self._left - 1)
            if not self._left:
                self.__dict__["_dead"] = True
                raise Killed
            return answer

        return counted
