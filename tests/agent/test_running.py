"""A running agent: its socket and its port, in threads of this process. test_kills.py ends it the hard way."""

import contextlib
import http.client
import json
import socket
import stat
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from nodes_to_run import Account, S, request

from vpcipam.agent import cni, running, wire
from vpcipam.agent.running import Runner
from vpcipam.errors import InvalidArgument, JournalLocked, NodeError, VpcIpamError
from vpcipam.inspection import read_files
from vpcipam.prometheus import IpamMetrics
from waiting import Held, wait_for


def make_runner(account, *, port=0, clock=time.time_ns, **options):
    metrics = IpamMetrics()
    agent = account.agent(on_event=metrics, **options)
    try:
        return Runner(agent, metrics=metrics, folder=account.state, port=port, clock=clock, log=account.lines.append)
    except BaseException:
        close(agent)
        raise


def close(agent):
    for journal in agent.journals:
        journal.close()


@contextlib.contextmanager
def running_agent(account, **options):
    runner = make_runner(account, **options)
    ready = threading.Event()
    thread = threading.Thread(target=runner.run, args=(ready.set,))
    thread.start()
    try:
        assert ready.wait(30)
        yield runner
    finally:
        runner.stop()
        thread.join(30)
        close(runner._agent)


def call(account, verb, **changes):
    config = {"cniVersion": "1.1.0", "name": "pods", "stateFolder": account.state}
    made = {"CNI_COMMAND": verb, "CNI_CONTAINERID": "c1", "CNI_NETNS": account.netns("c1"), "CNI_IFNAME": "eth0", "CNI_PATH": "/bin"}
    out, code = cni.run(made | changes, lambda: json.dumps(config).encode())
    return (json.loads(out) if out else None), code


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - http on loopback
        return answer.headers["Content-Type"], answer.read().decode()


def test_the_plugin_reaches_the_agent(account):
    with running_agent(account):
        result, code = call(account, "ADD", CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0")
        assert code == 0
        assert result["interfaces"][1]["sandbox"] == account.netns("c1")
        (link,) = account.kernel().links.values()
        assert link["netns"] == Path(account.netns("c1")).stat().st_ino  # of the file that the plugin had opened
        assert call(account, "STATUS") == (None, 0)
        assert call(account, "DEL") == (None, 0)
    assert account.kernel().links == {}


def test_the_socket_is_for_root_and_its_group(account):
    with running_agent(account):
        assert stat.S_IMODE(Path(wire.socket_path(account.state)).stat().st_mode) == 0o660
    assert not Path(wire.socket_path(account.state)).exists()


def test_an_agent_that_was_killed_left_its_socket(account):
    Path(account.state).mkdir()
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(wire.socket_path(account.state))
    with running_agent(account):
        assert call(account, "STATUS") == (None, 0)


def test_a_second_agent_of_the_folder_is_refused(account):
    with running_agent(account):
        with pytest.raises(JournalLocked):
            make_runner(account)
        assert call(account, "STATUS") == (None, 0)


def test_introspection_is_what_inspect_reads(account, tmp_path):
    with running_agent(account) as runner:
        call(account, "ADD", CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0")
        kind, text = fetch(f"{runner.url}/v1/enis")
        assert fetch(f"{runner.url}/v1/enis?pretty=1") == (kind, text)
        assert fetch(f"{runner.url}/other") == ("application/json", '{"AvailableCommands": ["/v1/enis", "/metrics"]}')
    assert kind == "application/json"
    path = tmp_path / "enis.json"
    path.write_text(text)
    evidence = read_files([path])
    assert evidence.skipped == ()
    assert [str(document.releases) for document in evidence.documents] == ["from v1.23.0"]
    assert [fact.value.assigned_count for fact in evidence.cards] == [1]


def test_metrics_have_ipamds_names(account):
    with running_agent(account) as runner:
        call(account, "ADD")
        kind, text = fetch(f"{runner.url}/metrics")
    assert kind.startswith("text/plain")
    assert "awscni_assigned_ip_addresses 1\n" in text
    assert "awscni_add_ip_req_count 1\n" in text


@pytest.fixture
def fast_clock(monkeypatch):
    """A clock that runs 200 times as fast, so that a tick is due 40 times a second."""
    begin_ns = time.monotonic_ns()
    monkeypatch.setattr(running, "NS_PER_S", 200 * S)
    return lambda: (time.monotonic_ns() - begin_ns) * 200


def test_ticks_go_on(account, fast_clock):
    kernel = account.kernel()
    with running_agent(account, clock=fast_clock, kernel=kernel):
        account.vpc_cidrs = ("10.0.0.0/16", "100.64.0.0/16")
        wait_for(lambda: len(kernel.set_ups) == 2)


def test_a_tick_that_fails_is_not_the_last(account, monkeypatch, fast_clock):
    failures = [NodeError("the journal is full"), KeyError("subnet-1")]
    with running_agent(account, clock=fast_clock) as runner:
        tick = runner._agent.tick

        def fail(now_ns):
            if failures:
                raise failures.pop()
            tick(now_ns)
            account.lines.append("ticked")

        monkeypatch.setattr(runner._agent, "tick", fail)
        wait_for(lambda: "ticked" in account.lines)
    assert [line for line in account.lines if "a tick failed" in line] == [
        "a tick failed: KeyError: 'subnet-1'",
        "a tick failed: NodeError: the journal is full",
    ]


def test_an_agent_that_can_not_start_leaves_no_socket(account):
    kernel = account.kernel()
    kernel.broken.add("set_up")
    runner = make_runner(account, kernel=kernel)
    with pytest.raises(VpcIpamError, match="set_up is broken"):
        runner.run()
    assert not Path(wire.socket_path(account.state)).exists()
    close(runner._agent)


def test_a_port_that_is_taken_is_refused(account):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InvalidArgument, match="give another port"):
        make_runner(account, port=taken.getsockname()[1])


def test_a_folder_whose_path_is_too_long_is_refused(tmp_path):
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    with pytest.raises(InvalidArgument, match="too long for a socket"):
        make_runner(Account(folder))


def send(account, data):
    """Send bytes to the agent, and return what it answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(wire.socket_path(account.state))
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(1 << 16)


def test_what_is_no_request_does_no_harm(account, monkeypatch):
    monkeypatch.setattr(wire, "MESSAGE_LIMIT", 1000)
    with running_agent(account):
        assert json.loads(send(account, b"nonsense\n"))["error"]["code"] == cni.DECODE_ERROR
        assert send(account, b"") == b""
        assert send(account, b'{"half": ') == b""
        assert send(account, b"x" * 1001 + b"\n") == b""
        assert call(account, "STATUS") == (None, 0)


def test_a_fault_of_the_agent_is_an_answer(account, monkeypatch):
    with running_agent(account) as runner:
        monkeypatch.setattr(runner._agent, "_status", lambda *_: 1 / 0)
        document, code = call(account, "STATUS")
        assert (document["code"], code) == (cni.INTERNAL_ERROR, 1)
        assert "ZeroDivisionError" in document["msg"]
    assert account.lines[-1].startswith("STATUS : refused: the agent failed: ZeroDivisionError")


def test_a_plugin_that_says_nothing_is_left(account, monkeypatch):
    monkeypatch.setattr(running, "READ_TIMEOUT_S", 0.01)
    with running_agent(account), socket.socket(socket.AF_UNIX) as silent:
        silent.connect(wire.socket_path(account.state))
        assert silent.recv(1) == b""
        assert call(account, "STATUS") == (None, 0)


def test_a_request_that_waits_for_the_start_is_answered(account):
    """The agent listens before it starts, so that a plugin waits instead of failing."""
    runner = make_runner(account)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(wire.ask(account.state, request("STATUS"))))
    asking.start()
    wait_for(asking.is_alive)
    running_thread = threading.Thread(target=runner.run)
    running_thread.start()
    asking.join(30)
    runner.stop()
    running_thread.join(30)
    close(runner._agent)
    assert answers == [{}]


def test_a_plugin_that_has_gone_gets_no_address(account):
    """It waited in vain for the agent's start, and the runtime has given the pod up."""
    runner = make_runner(account)
    with socket.socket(socket.AF_UNIX) as gone, Path(account.netns("c1")).open() as netns:
        gone.connect(wire.socket_path(account.state))
        asked = wire.encode(request("ADD", key=["pods", "c1", "eth0"], pod=["", ""], every_card=False))
        socket.send_fds(gone, [asked], [netns.fileno()])
    thread = threading.Thread(target=runner.run)
    thread.start()
    assert wire.ask(account.state, request("STATUS")) == {}
    runner.stop()
    thread.join(30)
    assert runner._agent.node.datastores[0].sandbox_count == 0
    close(runner._agent)


def test_a_page_that_fails_is_one_line_of_the_log(account, monkeypatch, capfd):
    with running_agent(account) as runner:
        monkeypatch.setattr(running, "enis_document", lambda *_: 1 / 0)
        with pytest.raises(http.client.RemoteDisconnected):
            fetch(f"{runner.url}/v1/enis")
        wait_for(lambda: "a page can't be served: ZeroDivisionError('division by zero')" in account.lines)
    assert capfd.readouterr().err == ""


def test_a_browser_that_says_nothing_is_left(account, monkeypatch):
    assert running._HttpHandler.timeout == running.READ_TIMEOUT_S
    monkeypatch.setattr(running._HttpHandler, "timeout", 0.01)
    with running_agent(account) as runner, socket.create_connection(("127.0.0.1", int(runner.url.rpartition(":")[2]))) as silent:
        assert silent.recv(1) == b""


def test_the_clock_goes_on_when_the_system_sets_its_own(monkeypatch):
    clock = running.steady_clock()
    before = clock()
    assert abs(before - time.time_ns()) < 60 * S
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert 0 <= clock() - before < 60 * S


def test_a_request_under_way_is_answered_before_the_end(account):
    kernel = account.kernel()
    kernel.connect = connect = Held(kernel.connect)
    answers = []
    with running_agent(account, kernel=kernel) as runner:
        adding = threading.Thread(target=lambda: answers.append(call(account, "ADD")))
        adding.start()
        assert connect.begun.wait(30)
        runner.stop()
        wait_for(lambda: call(account, "STATUS")[1] == 1)
        connect.go_on.set()
        adding.join(30)
    assert [code for _, code in answers] == [0]
    assert len(account.kernel().links) == 1
