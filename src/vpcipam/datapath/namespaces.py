"""Enter network namespaces."""

import contextlib
import ctypes
import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from vpcipam.errors import DatapathError, UnknownNamespace, file_trouble

Answer = TypeVar("Answer")

_CLONE_NEWNET = 0x40000000
_OWN = "/proc/thread-self/ns/net"


class Namespaces:
    """The namespaces of a host and of a pod, open for one thread, which enters one after the other.

    The thread ends in any of them. So call it by `in_thread`.

    Args:
        paths: for each name the path of a namespace, such as `/run/netns/blue`; None is the one that the thread is in.

    Raises:
        UnknownNamespace: a path is that of nothing, or of something else.
        DatapathError: the process lacks CAP_SYS_ADMIN.
    """

    def __init__(self, paths: dict[str, str | None]) -> None:
        self._open = contextlib.ExitStack()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._within = ""
        self.fds: dict[str, int] = {}
        try:
            for name, path in paths.items():
                self.fds[name] = self._opened(path)
                self.enter(name)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the namespaces."""
        self._open.close()

    def _opened(self, path: str | None) -> int:
        try:
            descriptor = os.open(
                _OWN if path is None else path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
            )  # else a FIFO would wait for a writer
        except OSError as error:
            raise UnknownNamespace(f"the network namespace {path} can't be opened: {file_trouble(error)}") from error
        self._open.callback(os.close, descriptor)
        return descriptor

    def enter(self, name: str) -> None:
        """Move this thread into a namespace."""
        if name == self._within:
            return
        if self._libc.setns(self.fds[name], _CLONE_NEWNET):
            number = ctypes.get_errno()
            if number == errno.EPERM:
                raise DatapathError("network namespaces can't be entered: run as root, or with CAP_SYS_ADMIN and CAP_NET_ADMIN")
            raise UnknownNamespace(f"the path of the {name}'s network namespace is that of something else: {os.strerror(number)}")
        self._within = name


def in_thread(function: Callable[[], Answer]) -> Answer:
    """Call a function in a thread of its own, since a thread that has entered a namespace stays there. Its errors are raised here."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(function).result()
