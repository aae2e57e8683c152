"""Runs an agent: its socket for the plugin, its port for introspection and metrics, and its ticks."""

import json
import os
import select
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from vpcipam._units import NS_PER_S
from vpcipam.agent import wire
from vpcipam.agent.agent import Agent, Answer, refusal
from vpcipam.agent.introspection import PATH, enis_document
from vpcipam.errors import InvalidArgument
from vpcipam.prometheus import CONTENT_TYPE, IpamMetrics

READ_TIMEOUT_S: Final = 10.0
"""How long a request may take to come."""
_BACKLOG: Final = 1024
_LONGEST_PATH: Final = 107  # sun_path without the zero
_METRICS_PATH: Final = "/metrics"
_JSON: Final = "application/json"


def steady_clock() -> Callable[[], int]:
    """Return a clock in Unix nanoseconds that goes on evenly when the system's clock is set: ticks go on, and no cooldown ends early."""
    begin_ns = time.time_ns() - time.monotonic_ns()
    return lambda: begin_ns + time.monotonic_ns()


class Runner:
    """An agent that answers the plugin.

    Args:
        agent: it is not started yet. The locks of its node's journals make it the only one of its folder.
        metrics: what the node's `on_event` feeds. The runner makes them watch the node.
        folder: where the socket is.
        port: of the loopback interface, for introspection and metrics; 0 picks a free one.
        clock: the time, Unix nanoseconds.
        log: takes one line for a person.

    Raises:
        InvalidArgument: the path of the socket is too long, or the port is taken.
        OSError: the socket can't be made.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        metrics: IpamMetrics,
        folder: str,
        port: int,
        clock: Callable[[], int],
        log: Callable[[str], object],
    ) -> None:
        self._agent = agent
        self._metrics = metrics
        self._clock = clock
        self._log = log
        self._stopping = threading.Event()
        # Listening before the notes are read: a plugin that finds no agent here leaves its note in time.
        self._plugin = _PluginServer(folder, self._answer)
        try:
            self._http = _HttpServer(port, self._page, log)
        except OSError as error:
            self._plugin.server_close()
            raise InvalidArgument(f"can't listen on 127.0.0.1, port {port}: {error.strerror}; give another port") from None
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Start the agent, and answer until `stop`; call `on_ready` once the plugin is answered.

        Requests that have come by then are still answered. What the kernel has stays.

        Raises:
            VpcIpamError: the agent can't start.
        """
        threads = [threading.Thread(target=each.serve_forever, kwargs={"poll_interval": 0.1}) for each in (self._plugin, self._http)]
        try:
            self._agent.start(self._clock())
            self._metrics.watch(self._agent.node)
            for thread in threads:
                thread.start()
            on_ready()
            self._tick_until_stopped()
        finally:
            for server, thread in zip((self._plugin, self._http), threads, strict=True):
                if thread.ident is not None:  # it was started
                    server.shutdown()
                    thread.join()
                server.server_close()

    def stop(self) -> None:
        """Let `run` end; may be called from another thread or a signal handler."""
        self._stopping.set()

    def _tick_until_stopped(self) -> None:
        while True:
            now_ns = self._clock()
            if self._stopping.wait((self._agent.node.next_tick(now_ns) - now_ns) / NS_PER_S):
                return
            try:
                self._agent.tick(self._clock())
            except Exception as error:  # noqa: BLE001 - the next one may succeed, and pods come and go meanwhile
                self._log(f"a tick failed: {type(error).__name__}: {error}")

    def _answer(self, line: bytes, netns: str | None) -> Answer:
        try:
            request = wire.decode(line)
        except wire.MessageError as error:
            return refusal(error)
        return self._agent.answer(request, netns, self._clock())

    def _page(self, path: str) -> tuple[str, str]:
        """Return the content type and the text of a page; that of an unknown path lists the others, as ipamd's does."""
        now_ns = self._clock()
        if path == _METRICS_PATH:
            return CONTENT_TYPE, self._metrics.text(now_ns)
        if path == PATH:
            return _JSON, json.dumps(enis_document(self._agent.node.datastores, now_ns))
        return _JSON, json.dumps({"AvailableCommands": [PATH, _METRICS_PATH]})


class _PluginServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers each connection of the plugin in a thread. Closing it waits for the answers under way."""

    request_queue_size = _BACKLOG

    def __init__(self, folder: str, answer: Callable[[bytes, str | None], Answer]) -> None:
        path = wire.socket_path(folder)
        if len(os.fsencode(path)) > _LONGEST_PATH:
            raise InvalidArgument(f"{path} is too long for a socket ({_LONGEST_PATH} bytes): give a folder with a shorter path")
        Path(folder).mkdir(mode=0o755, parents=True, exist_ok=True)
        Path(path).unlink(missing_ok=True)  # of an agent that was killed
        mask = os.umask(0o117)  # 0660 from the first moment on, as ipamd's socket
        try:
            super().__init__(path, _PluginHandler)
        finally:
            os.umask(mask)
        self.answer = answer

    def server_close(self) -> None:
        """Stop listening, and let the plugin find no socket."""
        Path(str(self.server_address)).unlink(missing_ok=True)
        super().server_close()


class _PluginHandler(socketserver.BaseRequestHandler):
    request: socket.socket
    server: _PluginServer

    def handle(self) -> None:
        try:
            line, files = wire.receive(self.request, READ_TIMEOUT_S)
            try:
                if line and not _has_gone(self.request):
                    netns = f"/proc/{os.getpid()}/fd/{files[0]}" if files else None
                    self.request.sendall(wire.encode(self.server.answer(line, netns)))
            finally:
                wire.close(files)
        except (OSError, wire.MessageError):
            return  # the plugin has gone, or is none


def _has_gone(connection: socket.socket) -> bool:
    """Tell whether the other side has closed the connection.

    A plugin that was killed, or waited in vain for the agent's start, has told the runtime nothing. The runtime has sent a DEL since, or
    will, and an ADD that is carried out after it would hold its address for nobody.
    """
    hang_ups = select.poll()
    hang_ups.register(connection, 0)
    return bool(hang_ups.poll(0))


class _HttpServer(ThreadingHTTPServer):
    """Introspection and metrics."""

    def __init__(self, port: int, page: Callable[[str], tuple[str, str]], log: Callable[[str], object]) -> None:
        super().__init__(("127.0.0.1", port), _HttpHandler)
        self.page, self.log = page, log

    def handle_error(self, *_: object) -> None:
        """Log a page that failed, or a reader that has gone, on one line."""
        self.log(f"a page can't be served: {sys.exception()!r}")


class _HttpHandler(BaseHTTPRequestHandler):
    server: _HttpServer
    timeout = READ_TIMEOUT_S

    def do_GET(self) -> None:
        kind, text = self.server.page(self.path.partition("?")[0])
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - the base class's arguments
        """Log nothing."""
