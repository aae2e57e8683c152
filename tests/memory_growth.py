"""Whether calls leave memory behind."""

import gc
import tracemalloc
from collections.abc import Callable

MEASUREMENTS = 3


def leaks(work: Callable[[], object], rounds: int) -> bool:
    """Tell whether a call leaves ten bytes or more behind, which is less than the smallest object.

    A leak shows in every measurement. What another thread or a cache of the interpreter allocates meanwhile shows in one.
    """
    for _ in range(rounds):  # warms up whatever the interpreter keeps
        work()
    return all(_grown_bytes(work, rounds) >= 10 * rounds for _ in range(MEASUREMENTS))


def _grown_bytes(work: Callable[[], object], rounds: int) -> int:
    tracemalloc.start()
    try:
        for _ in range(rounds):  # what is allocated again from here on is counted
            work()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(rounds):
            work()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
