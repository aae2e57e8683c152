"""What the plugin and the agent say to each other over a unix socket: one JSON document, on one line, each way.

A request has `protocol`, `verb`, and the members that the verb needs. An answer has what the verb returns, or `error` with the members
`code`, `msg` and `details` of a CNI error. The plugin passes the pod's network namespace as an open file, so that it doesn't matter whether
the agent sees the same paths.
"""

import errno
import json
import os
import socket
import time
from collections.abc import Mapping
from typing import Any, Final

from vpcipam.errors import VpcIpamError

PROTOCOL: Final = 1
"""The version of the messages. Plugin and agent belong to one release, so that each refuses any other version."""
MESSAGE_LIMIT: Final = 1 << 20
"""No message is longer, bytes. The attachments of a GC of 1,000 pods take a tenth of it."""
DEFAULT_FOLDER: Final = "/run/vpcipam"
"""The folder of the agent's socket, its journals and the notes of the plugin. It is empty after a boot, as the kernel's state is."""
ANSWER_TIMEOUT_S: Final = 60.0
"""How long the plugin waits for an answer. The kubelet waits for two minutes."""

_SOCKET_NAME = "agent.sock"
_CHUNK = 1 << 16
_MOST_FILES = 4  # more than one is a mistake, which closing them all ends


class AgentUnreachable(VpcIpamError):
    """No agent listens at the socket, or it ended before it answered."""


class MessageError(VpcIpamError):
    """A message is too long, or is not one JSON object on one line."""


def socket_path(folder: str) -> str:
    """Return where the agent of a folder listens."""
    return os.path.join(folder, _SOCKET_NAME)  # noqa: PTH118 - importing pathlib costs every start of the plugin


def ask(folder: str, request: Mapping[str, Any], *, netns: int | None = None, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
    """Send a request to the agent and return its answer.

    Args:
        folder: the agent's.
        request: the members of the request, without `protocol`.
        netns: an open file of the pod's network namespace, which the agent gets with the request.
        timeout_s: how long to wait until the agent has taken the request, and then for its answer.

    Raises:
        AgentUnreachable: it does not listen, or did not answer in time.
        MessageError: the answer is no JSON object.
    """
    data = encode({"protocol": PROTOCOL, **request})
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(socket_path(folder))
            if netns is not None:
                data = data[socket.send_fds(connection, [data], [netns]) :]
            if data:  # to send nothing to an agent that has answered and hung up is an error
                connection.sendall(data)
            line, files = receive(connection, timeout_s)
            close(files)
    except OSError as error:
        raise AgentUnreachable(f"no agent answers at {socket_path(folder)}: {_reason(error)}") from error
    if not line:
        raise AgentUnreachable(f"the agent at {socket_path(folder)} ended before it answered")
    return decode(line)


def _reason(error: OSError) -> str:
    if error.errno in {errno.ENOENT, errno.ECONNREFUSED}:
        return "it is not running"
    return error.strerror or str(error)


def receive(connection: socket.socket, timeout_s: float) -> tuple[bytes, list[int]]:
    """Receive one line, and the files that came with it; the line is empty if the other side ended first.

    Raises:
        MessageError: the line is too long. The files are closed.
        OSError: the connection failed, or the whole line did not come in time. The files are closed.
    """
    deadline_s = time.monotonic() + timeout_s
    data = b""
    files: list[int] = []
    try:
        while not data.endswith(b"\n") and len(data) <= MESSAGE_LIMIT:
            connection.settimeout(max(deadline_s - time.monotonic(), 1e-3))  # 0 would mean not to wait
            chunk, more, _, _ = socket.recv_fds(connection, _CHUNK, _MOST_FILES)
            files += more
            data = data + chunk if chunk else b"\n"
    except BaseException:
        close(files)
        raise
    if len(data) > MESSAGE_LIMIT:
        close(files)
        raise MessageError(f"a message has more than {MESSAGE_LIMIT} bytes")
    return data.removesuffix(b"\n"), files


def close(files: list[int]) -> None:
    """Close files that came with a message."""
    for each in files:
        os.close(each)


def encode(message: Mapping[str, Any]) -> bytes:
    """Write a message as one line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Read a message.

    Raises:
        MessageError: it is no JSON object.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise MessageError("a message is not JSON") from None
    if not isinstance(message, dict):
        raise MessageError("a message is no JSON object")
    return message
