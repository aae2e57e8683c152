"""Make each allocation of a call fail in turn."""

import itertools

import pytest

_testcapi = pytest.importorskip("_testcapi", reason="this Python has no _testcapi, which makes allocations fail")

MORE = 4  # the interpreter can do without the memory for some allocations, so one that is not missed is not yet the last


def failures(make, call, *, sustained=False):
    """Yield what `make` made, and the number of the allocation, after a call in which that allocation failed; then all later ones too.

    Only calls that raised a MemoryError count. If `sustained`, all allocations from that one on failed.
    """
    last = 0
    for number in itertools.count():
        subject, failed = make(), False
        _testcapi.set_nomemory(number, 0 if sustained else number + 1)
        try:
            call(subject)
        except MemoryError:
            failed = True
        finally:
            _testcapi.remove_mem_hooks()
        subject._check()
        if failed:
            last = number
            yield subject
        elif number > last + MORE:
            return
