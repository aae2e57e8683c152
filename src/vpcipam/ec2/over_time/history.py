"""The recent past of keyed values."""

from bisect import bisect_right
from collections import deque
from typing import Generic, TypeVar

_Value = TypeVar("_Value")

_EVER_SINCE = -(1 << 127)
"""The start time of a value whose real start is forgotten: earlier than any time that a caller gives."""


class History(Generic[_Value]):
    """The values of keys over time, kept for a limited time.

    The times of a key never decrease: a change dated before the key's latest one gets the latest one's time. Keys are listed in the order
    of their first values.

    Args:
        keep_ns: how far back from a key's latest change its past is kept, 0 or more. An earlier time shows the oldest value that is kept.
    """

    def __init__(self, keep_ns: int) -> None:
        self._keep_ns = keep_ns
        self._changes: dict[str, list[tuple[int, _Value | None]]] = {}
        self._gone: deque[tuple[int, str]] = deque()

    def record(self, key: str, value: _Value | None, at_ns: int) -> None:
        """Record a key's value from a time on; None removes the key for good.

        Complexity: O(changes of the key within `keep_ns`), amortised O(1) for each that is dropped.
        """
        changes = self._changes.setdefault(key, [])
        latest_ns, latest = changes[-1] if changes else (at_ns, None)
        at_ns = max(at_ns, latest_ns)
        if not changes or latest is not value:
            if changes and at_ns == latest_ns:
                changes.pop()
            changes.append((at_ns, value))
            if value is None:
                self._gone.append((at_ns, key))
        oldest = bisect_right(changes, at_ns - self._keep_ns, key=_time) - 1
        if oldest > 0:
            changes[: oldest + 1] = [(_EVER_SINCE, changes[oldest][1])]
        self._forget_gone(at_ns)

    def as_of(self, key: str, time_ns: int) -> _Value | None:
        """Return a key's value at a time, including changes at that time; None if it had none."""
        changes = self._changes.get(key, [])
        index = bisect_right(changes, time_ns, key=_time) - 1
        return None if index < 0 else changes[index][1]

    def latest(self, key: str) -> _Value | None:
        """Return a key's latest value; None if it has none."""
        return self._changes[key][-1][1] if key in self._changes else None

    def keys_as_of(self, time_ns: int) -> list[str]:
        """List the keys that had a value at a time."""
        return [key for key in self._changes if self.as_of(key, time_ns) is not None]

    def _forget_gone(self, now_ns: int) -> None:
        """Forget the keys that had no value during all of the kept time."""
        while self._gone and self._gone[0][0] <= now_ns - self._keep_ns:
            _, key = self._gone.popleft()
            del self._changes[key]


def _time(change: tuple[int, object]) -> int:
    return change[0]
