"""Runs the application with uvicorn, until a signal or `stop` ends it."""

import asyncio
import contextlib
import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import Scope

from vpcipam.ec2.serve.app import create_app
from vpcipam.ec2.serve.service import Service

_BACKLOG: Final = 128
_GRACE_S: Final = 2
"""So long a stop waits for answers under way."""


class Runner:
    """A server of one account on some sockets.

    Args:
        service: the account.
        sockets: listening sockets; the first one is that of `url`.
    """

    def __init__(self, service: Service, sockets: Sequence[socket.socket]) -> None:
        self._sockets = list(sockets)
        self.url = base_url(self._sockets[0])
        config = uvicorn.Config(
            create_app(service, self._hang_up),
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
        self._server = _Server(config)

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until SIGINT, SIGTERM or `stop`; call `on_ready` once requests are answered."""
        self._server.on_ready = on_ready
        asyncio.run(self._server.serve(self._sockets))

    def stop(self) -> None:
        """Let `run` end; may be called from another thread."""
        self._server.should_exit = True

    def _hang_up(self, scope: Scope) -> None:
        for connection in self._server.server_state.connections:
            if getattr(connection, "client", None) == scope["client"]:
                connection.transport.close()


class _Server(uvicorn.Server):
    """uvicorn's server, which ends quietly on a signal instead of raising it again."""

    on_ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self.force_exit = self.should_exit  # the second signal does not wait
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 picks a free one.

    Raises:
        OSError: the host is no address of this machine, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    # asyncio turns Nagle's algorithm off only for sockets that name the protocol; with it, each answer would be 40 ms late.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, listening.detach())


def base_url(listening: socket.socket) -> str:
    """Return the URL of a listening socket, without a slash at its end."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a host, given by name or address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
