"""Messages between plugin and agent, over a pair of sockets."""

import errno
import os
import socket
import threading
from pathlib import Path

import pytest

from vpcipam.agent import wire


@pytest.fixture
def pair():
    ends = socket.socketpair()
    with ends[0], ends[1]:
        yield ends


def test_a_message_comes_as_it_was_sent(pair):
    message = {"verb": "DEL", "key": ["pods", "c1", "eth0"], "text": "é\n\udc80"}
    pair[0].sendall(wire.encode(message))
    line, files = wire.receive(pair[1], 10)
    assert (wire.decode(line), files) == (message, [])


def test_a_message_can_come_in_parts(pair):
    for part in (b'{"verb":', b'"DEL"', b"}\n"):
        pair[0].sendall(part)
    pair[0].close()
    assert wire.decode(wire.receive(pair[1], 10)[0]) == {"verb": "DEL"}


@pytest.mark.parametrize("sent", [b"", b'{"verb": "DEL"'])
def test_a_sender_that_ends_first_sends_nothing(pair, sent):
    pair[0].sendall(sent)
    pair[0].close()
    assert wire.receive(pair[1], 10) == (b"", [])


def open_files():
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_files_come_with_the_message(pair, tmp_path):
    (tmp_path / "netns").write_text("a namespace")
    with (tmp_path / "netns").open() as file:
        socket.send_fds(pair[0], [b"{}\n"], [file.fileno()])
    _, (descriptor,) = wire.receive(pair[1], 10)
    assert os.read(descriptor, 20) == b"a namespace"
    wire.close([descriptor])


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not list open files")
def test_a_message_that_is_not_taken_leaves_no_file_open(pair):
    before = open_files()
    with Path(os.devnull).open() as file:
        socket.send_fds(pair[0], [b"{"], [file.fileno()])
        with pytest.raises(TimeoutError):
            wire.receive(pair[1], 0.01)
    assert open_files() == before


def test_a_message_that_drips_ends_in_time(pair, monkeypatch):
    """Each byte comes in time, but not the whole."""
    clock = iter([0, 0, 5, 9, 11])
    monkeypatch.setattr(wire.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(wire, "_CHUNK", 1)
    pair[0].sendall(b"abc")
    with pytest.raises(TimeoutError):
        wire.receive(pair[1], 10)


def test_a_message_has_a_limit(pair, monkeypatch):
    monkeypatch.setattr(wire, "MESSAGE_LIMIT", 10)
    pair[0].sendall(b"x" * 11)
    with pytest.raises(wire.MessageError, match="more than 10 bytes"):
        wire.receive(pair[1], 10)
    pair[0].sendall(b"123456789\n")
    assert wire.receive(pair[1], 10) == (b"123456789", [])


@pytest.mark.parametrize("line", [b"", b"{", b"\xff", b"[]", b"null", b'"text"', b"[" * 100_000])
def test_a_line_that_is_no_object_is_an_error(line):
    with pytest.raises(wire.MessageError):
        wire.decode(line)


# --- asking --------------------------------------------------------------------------------------------------------------


def test_nobody_listens(tmp_path):
    with pytest.raises(wire.AgentUnreachable, match="not running"):
        wire.ask(str(tmp_path), {"verb": "STATUS"})
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(wire.socket_path(str(tmp_path)))
    with pytest.raises(wire.AgentUnreachable, match="not running"):
        wire.ask(str(tmp_path), {"verb": "STATUS"})


def test_a_folder_that_no_socket_can_be_in(tmp_path):
    with pytest.raises(wire.AgentUnreachable, match="path too long"):
        wire.ask(str(tmp_path / ("x" * 120)), {"verb": "STATUS"})


def test_an_agent_that_does_not_answer_in_time(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(wire.socket_path(str(tmp_path)))
        server.listen()
        with pytest.raises(wire.AgentUnreachable, match="timed out"):
            wire.ask(str(tmp_path), {"verb": "STATUS"}, timeout_s=0.01)


@pytest.mark.parametrize("answer", [b"", b'{"half":'])
def test_an_agent_that_ends_before_it_answers(tmp_path, answer):
    def end(server):
        connection, _ = server.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(answer)

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(wire.socket_path(str(tmp_path)))
        server.listen()
        server.settimeout(10)
        thread = threading.Thread(target=end, args=(server,))
        thread.start()
        with pytest.raises(wire.AgentUnreachable, match="ended before it answered"):
            wire.ask(str(tmp_path), {"verb": "STATUS"})
        thread.join()


def test_an_agent_that_answers_before_the_plugin_has_gone_on(tmp_path, monkeypatch):
    """The whole request went with the open file. To send the rest, which is nothing, would fail."""
    with socket.socket(socket.AF_UNIX) as server, Path(os.devnull).open() as file:
        server.bind(wire.socket_path(str(tmp_path)))
        server.listen()
        send_fds = socket.send_fds

        def send_and_be_answered(sender, buffers, files):
            sent = send_fds(sender, buffers, files)
            connection, _ = server.accept()
            with connection:
                _, received = wire.receive(connection, 10)
                wire.close(received)
                connection.sendall(b"{}\n")
            return sent

        monkeypatch.setattr(socket, "send_fds", send_and_be_answered)
        assert wire.ask(str(tmp_path), {"verb": "ADD"}, netns=file.fileno()) == {}


def test_the_rest_of_a_long_request_follows_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "send_fds", lambda sender, buffers, _: sender.send(buffers[0][:5]))
    lines = []

    def answer(server):
        connection, _ = server.accept()
        with connection:
            lines.append(wire.receive(connection, 10)[0])
            connection.sendall(b"{}\n")

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(wire.socket_path(str(tmp_path)))
        server.listen()
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        assert wire.ask(str(tmp_path), {"verb": "ADD"}, netns=0) == {}
        thread.join()
    assert wire.decode(lines[0])["verb"] == "ADD"


def test_the_errors_of_the_system_are_in_the_message(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(wire.AgentUnreachable, match="Permission denied"):
        wire.ask(str(tmp_path), {"verb": "STATUS"})
