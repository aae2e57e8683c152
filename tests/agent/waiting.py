"""Wait for what other processes and threads do."""

import time


def wait_for(condition, timeout_s=60):
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
