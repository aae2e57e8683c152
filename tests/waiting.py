"""Wait for what other processes and threads do."""

import contextlib
import os
import threading
import time


def wait_for(condition, timeout_s=60):
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {timeout_s} s"
        time.sleep(0.01)


class Held:
    """A function whose calls wait: `begun` is set once one has come, and they go on once `go_on` is set."""

    def __init__(self, function):
        self._function, self.begun, self.go_on = function, threading.Event(), threading.Event()

    def __call__(self, *args):
        self.begun.set()
        assert self.go_on.wait(30)
        return self._function(*args)


@contextlib.contextmanager
def pipe_without_writer(path):
    """Make a FIFO. Whoever waits for a writer gets one after 20 s, and fails the test."""
    os.mkfifo(path)
    writer = threading.Timer(20, lambda: os.close(os.open(path, os.O_WRONLY)))
    writer.start()
    yield str(path)
    waited = writer.finished.is_set()
    writer.cancel()
    assert not waited
