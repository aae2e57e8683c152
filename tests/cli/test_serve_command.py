"""`vpcipam serve`, as a process."""

import json
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from vpcipam.cli.serve import EXAMPLES, _clock, _conditions
from vpcipam.ec2.faults import Effect, Fault
from vpcipam.ec2.latency import TYPICAL_LATENCIES
from vpcipam.ec2.throttle import Throttle

REPOSITORY = Path(__file__).parents[2]
DESCRIBE = "Action=DescribeVpcs&Version=2016-11-15"


class Running:
    """A server in a process, and what it writes."""

    def __init__(self, process, folder):
        self.process = process
        self._folder = folder

    @property
    def out(self):
        return (self._folder / "out").read_text()

    @property
    def err(self):
        return (self._folder / "err").read_text()

    def wait_for(self, text):
        """Wait until stdout has a text, and return all of it."""
        end_s = time.monotonic() + 60
        while text not in self.out:
            assert self.process.poll() is None, self.err
            assert time.monotonic() < end_s
            time.sleep(0.05)
        return self.out

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def serve(environment, tmp_path, interruptible):
    """A function: start the command in an empty folder."""
    del interruptible  # Ctrl-C must reach the process
    started = []

    def start(*arguments):
        with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
            process = subprocess.Popen(  # noqa: S603 - this interpreter, with the arguments of the tests
                [sys.executable, "-m", "vpcipam.cli", "serve", *arguments], stdout=out, stderr=err, env=environment, cwd=tmp_path
            )
        started.append(process)
        return Running(process, tmp_path)

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


def read(url, **headers):
    request = urllib.request.Request(url, headers={name.replace("_", "-"): text for name, text in headers.items()})  # noqa: S310 - http
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - http
        return answer.read().decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(serve, tmp_path, number):
    (tmp_path / "url").write_text("http://127.0.0.1:1\n")  # of an earlier server
    running = serve("--port", "0", "--ready-file", "url", "--region", "eu-west-1")
    shown = running.wait_for("ends it\n")
    url = (tmp_path / "url").read_text().strip()
    assert shown == f"EC2 in eu-west-1: {url}\nmetadata of an instance: {url}/instance/ID/latest/\nCtrl-C ends it\n"
    assert "<DescribeVpcsResponse " in read(f"{url}/?{DESCRIBE}")
    assert running.end(number) == 0
    assert running.out == shown
    assert running.err == "signatures are not checked: any credentials do, and whoever reaches the port can change everything\n"
    assert not (tmp_path / "url").exists()


def test_json_is_one_line_that_says_where_it_is(serve):
    running = serve("--port", "0", "--metadata-port", "0", "--json")
    line = running.wait_for("\n")
    document = json.loads(line)
    assert set(document) == {"schema_version", "url", "metadata_url", "region"}
    assert document["metadata_url"] != document["url"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        read(f"{document['metadata_url']}/latest/meta-data/")
    assert running.end() == 0
    assert (running.out, running.err) == (line, "")
    assert line.count("\n") == 1


def test_another_host_is_warned_about(serve):
    running = serve("--port", "0", "--host", "0.0.0.0")  # noqa: S104 - that is the point
    running.wait_for("ends it\n")
    running.end()
    assert running.err.startswith("warning: 0.0.0.0 is not a loopback address, so others on the network can reach the server\nsignatures ")


def test_a_port_that_is_taken_is_refused(cli):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refusal = cli("serve", "--port", str(port)).refusal
    assert refusal.startswith(f"can't listen on 127.0.0.1, port {port}: ")
    assert refusal.endswith("; give another --host or --port")
    assert "can't listen on nowhere.invalid" in cli("serve", "--host", "nowhere.invalid").refusal


@pytest.mark.parametrize(
    "text", ["refuse", "refuse=x", "refuse=#x", "refuse=2", "burn=0.1", "crash-before=0.1", "a:b:c:d=0.1", "refuse:x=0.1"]
)
def test_a_wrong_fault_is_bad_usage(cli, text):
    answer = cli("serve", "--faults", text)
    assert answer.code == 2
    assert repr(text) in answer.err


def test_conditions_are_those_that_are_wanted():

    assert _conditions((), throttle=False, latency=False, seed=1) is None
    found = _conditions(("refuse:CreateVpc:CidrConflict=#2", "lose-answer=0.5"), throttle=True, latency=True, seed=1)
    assert (found.throttle, found.latencies, found.seed, found.faults.seed) == (Throttle(), TYPICAL_LATENCIES, 1, 1)
    assert found.faults.faults == (Fault(Effect.REFUSE, "CreateVpc", nth=2, code="CidrConflict"), Fault(Effect.LOSE_ANSWER, rate=0.5))


def test_the_clock_runs_as_fast_as_wanted(monkeypatch):

    now = [0]
    monkeypatch.setattr("time.monotonic_ns", lambda: now[0])
    monkeypatch.setattr("time.time_ns", lambda: 10**18)
    clock = _clock(60)
    now[0] = 10**9
    assert clock() == 10**18 + 60 * 10**9


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_serve_until_a_signal(serve, example):
    arguments = shlex.split(example)[2:]
    running = serve(*arguments, *(() if "--port" in arguments else ("--port", "0")))
    running.wait_for("\n")
    assert running.end() == 0, running.err


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="needs bash and curl")
def test_the_commands_of_the_page_work(environment, tmp_path):
    """Those of docs/serving.md, in one shell; each must succeed."""
    page = (REPOSITORY / "docs" / "serving.md").read_text(encoding="utf-8")
    commands = [line.strip() for line in page.splitlines() if line.startswith("    ") and "pip install" not in line]
    assert len(commands) > 10
    program = f'vpcipam() {{ exec {shlex.quote(sys.executable)} -m vpcipam.cli "$@"; }}\n'
    program += "trap 'kill $!' EXIT\nset -e\n" + "\n".join(commands)
    done = subprocess.run(  # noqa: S603 - our own commands
        ["bash", "-c", program],  # noqa: S607 - bash is where it is
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
