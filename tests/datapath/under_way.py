"""Waits for packets that are under way."""

import time
from collections.abc import Callable


def at_least(count: Callable[[], int], wanted: int, timeout_s: float = 3.0) -> int:
    """Call `count` until it returns as much as wanted or time is up, and return what it returned last."""
    end_s = time.monotonic() + timeout_s
    while (found := count()) < wanted and time.monotonic() < end_s:
        time.sleep(0.01)
    return found
