"""Enter network namespaces."""

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from vpcipam.errors import DatapathError, UnknownNamespace, file_trouble

Answer = TypeVar("Answer")

_CLONE_NEWNET = 0x40000000
_OWN = "/proc/thread-self/ns/net"


@contextlib.contextmanager
def opened(paths: Mapping[str, str | None]) -> Iterator[dict[str, int]]:
    """Open namespaces, and enter each once to see that it is one. The thread ends in any of them, so call it by `in_thread`.

    Args:
        paths: for each name the path of a namespace, such as `/run/netns/blue`; None is the one that the thread is in.

    Raises:
        UnknownNamespace: a path is that of nothing, or of something else.
        DatapathError: the process lacks CAP_SYS_ADMIN.
    """
    with contextlib.ExitStack() as stack:
        found: dict[str, int] = {}
        for name, path in paths.items():
            try:
                # Without O_NONBLOCK, a path that is a FIFO would wait for a writer.
                found[name] = os.open(_OWN if path is None else path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError as error:
                raise UnknownNamespace(f"the network namespace {path} can't be opened: {file_trouble(error)}") from error
            stack.callback(os.close, found[name])
        for name, descriptor in found.items():
            try:
                enter(descriptor)
            except PermissionError:
                raise DatapathError("network namespaces can't be entered: run as root, or with CAP_SYS_ADMIN and CAP_NET_ADMIN") from None
            except OSError as error:
                raise UnknownNamespace(f"the path {paths[name]} is that of something else: {error.strerror}") from None
        yield found


def enter(descriptor: int) -> None:
    """Move this thread into a namespace."""
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def in_thread(function: Callable[[], Answer]) -> Answer:
    """Call a function in a thread of its own, since a thread that has entered a namespace stays there. Its errors are raised here."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(function).result()
