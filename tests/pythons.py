"""What depends on the Python that runs the tests."""

import sys

import pytest

leaves_no_lock = pytest.mark.skipif(
    sys.version_info[:2] == (3, 14),
    reason="a signal handler that raises at the wrong moment makes CPython 3.14 skip the end of a `with` (python/cpython#148874)",
)
