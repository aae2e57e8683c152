"""What the tests of the pools share: the twins side by side, calls recorded as outcomes, and values to try."""

import importlib
import os
from functools import partial

TWIN_NAMES = ("vpcipam.pool.plain",) if os.environ.get("VPCIPAM_NO_EXTENSION") == "1" else ("vpcipam._pool", "vpcipam.pool.plain")

WRONG_TYPES = (1.5, "1", None, b"1", [1])
EVERYWHERE_OUT_OF_RANGE = (-1, -(2**63) - 1, -(2**70), 2**128, 2**200, -(2**300))


class Indexable:
    """An integer by `__index__` alone, like numpy's."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


def twins():
    """The modules of the twins; a missing extension is an ImportError, which fails the test."""
    return [importlib.import_module(name) for name in TWIN_NAMES]


def outcome(pool, name, *args, **kwargs):
    """The outcome of a call: a comparable result, or the type and the message of the error."""
    call = partial(name, pool) if callable(name) else getattr(pool, name)
    try:
        result = call(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - any error is an outcome, to be compared
        return "refused", type(error), str(error)
    return "done", list(result) if name in ("items", "block_items") else result, ""


class SideBySide:
    """One naive pool and the twins: every call goes to all of them, and all must answer alike."""

    def __init__(self, naive, pools):
        self.naive = naive
        self.pools = pools

    def call(self, name, *args, **kwargs):
        """Call all, and return their common result."""
        expected = outcome(self.naive, name, *args, **kwargs)
        outcomes = [outcome(pool, name, *args, **kwargs) for pool in self.pools]
        for pool, got in zip(self.pools, outcomes, strict=True):
            assert got[:2] == expected[:2], f"{type(pool)}: {name}{args}{kwargs} gave {got}, the naive pool {expected}"
        assert len({repr(got[1]) for got in outcomes}) == 1, (
            f"the twins give results of different types for {name}{args}{kwargs}: {outcomes}"
        )
        assert len({got[2] for got in outcomes}) == 1, f"the twins use different words for {name}{args}{kwargs}: {outcomes}"
        return expected

    def read(self, name):
        """Read a property of all."""
        expected = getattr(self.naive, name)
        assert [getattr(pool, name) for pool in self.pools] == [expected] * len(self.pools), name
        return expected

    def check(self):
        """Let each pool check its invariants."""
        for pool in self.pools:
            pool._check()
