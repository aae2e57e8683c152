"""`vpcipam serve`, as a process."""

import json
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from vpcipam.cli.serve import EXAMPLES, _clock, _conditions
from vpcipam.cli.serve_state import load
from vpcipam.ec2.faults import Effect, Fault
from vpcipam.ec2.latency import TYPICAL_LATENCIES
from vpcipam.ec2.model import Ec2Model
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
    assert shown.splitlines() == [
        f"EC2 in eu-west-1: {url}",
        f"metadata of an instance: {url}/instance/ID/latest/",
        f"for AWS clients: export AWS_ENDPOINT_URL_EC2={url}",
        "Ctrl-C ends it",
    ]
    assert "<DescribeVpcsResponse " in read(f"{url}/?{DESCRIBE}")
    assert running.end(number) == 0
    assert running.out == shown
    assert running.err == "signatures are not checked: any credentials do, and whoever reaches the port can change everything\n"
    assert not (tmp_path / "url").exists()


def test_json_is_one_line_that_says_where_it_is(serve, schema_errors):
    running = serve("--port", "0", "--metadata-port", "0", "--json")
    line = running.wait_for("\n")
    document = json.loads(line)
    assert schema_errors(["serve"], document) == []
    assert document["metadata_url"] != document["url"]
    with pytest.raises(urllib.error.HTTPError, match="404") as answer:
        read(f"{document['metadata_url']}/latest/meta-data/")
    answer.value.close()
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


WORLD = """
[[vpcs]]
cidr = "10.0.0.0/16"

[[subnets]]
id = "subnet-a"
cidr = "10.0.1.0/24"
availability_zone = "eu-central-1b"
"""


def test_a_world_is_served_and_saved(serve, tmp_path):
    (tmp_path / "world.toml").write_text(WORLD)
    for files in (("world.toml", "one.json"), ("one.json", "two.json")):
        running = serve("--port", "0", "--state", files[0], "--save", files[1], "--json")
        document = json.loads(running.wait_for("\n"))
        assert document["region"] == "eu-central-1"
        assert "<subnetId>subnet-a</subnetId>" in read(f"{document['url']}/?Action=DescribeSubnets&Version=2016-11-15")
        assert running.end() == 0
    assert (tmp_path / "one.json").read_text() == (tmp_path / "two.json").read_text()


def test_imds_v1_is_the_default_of_the_account(serve, tmp_path):
    instances = [{"id": f"i-{tokens}", "type": "m5.large", "subnet": "subnet-a"} for tokens in ("1", "2")]
    instances[1]["metadata_options"] = {"http_tokens": "required"}
    (tmp_path / "world.json").write_text(json.dumps({**tomllib.loads(WORLD), "instances": instances}))
    running = serve("--port", "0", "--state", "world.json", "--imds-v1", "--json")
    url = json.loads(running.wait_for("\n"))["url"]
    assert read(f"{url}/instance/i-1/latest/meta-data/instance-id") == "i-1"
    launch = "Action=RunInstances&Version=2016-11-15&MinCount=1&MaxCount=1&InstanceType=m5.large&SubnetId=subnet-a"
    assert "<httpTokens>optional</httpTokens>" in read(f"{url}/?{launch}")
    assert "<httpTokens>required</httpTokens>" in read(f"{url}/?{launch}&MetadataOptions.HttpTokens=required")
    with pytest.raises(urllib.error.HTTPError, match="401") as answer:
        read(f"{url}/instance/i-2/latest/meta-data/instance-id")
    answer.value.close()
    running.end()


@pytest.mark.parametrize(("imds_v1", "tokens"), [(True, "optional"), (False, "required")])
def test_any_kind_of_state_takes_the_default_of_the_account(imds_v1, tokens):
    folder = REPOSITORY / "examples"
    answers = tuple(str(folder / "symptoms" / "few-pods" / "cluster" / f"{name}.json") for name in ("subnets", "instances"))
    for files in ((), (str(folder / "scenarios" / "reserved-prefixes.toml"),), answers):
        model, _ = load(files, imds_v1=imds_v1)
        assert model.metadata_defaults.http_tokens == tokens


def test_the_world_of_the_page_can_be_served():
    page = (REPOSITORY / "docs" / "serving.md").read_text(encoding="utf-8")
    model = Ec2Model.from_world(tomllib.loads(page.partition("```toml\n")[2].partition("```")[0]))
    assert [eni.ipv4_prefixes for eni in model.instances[0].network_interfaces] == [(), ("10.0.1.16/28",)]


def test_a_scenario_is_a_state():
    model, notes = load((str(REPOSITORY / "examples" / "scenarios" / "reserved-prefixes.toml"),))
    assert notes == ()
    assert model.subnet_cidr_reservations
    assert model.network_interfaces


def test_answers_of_ec2_are_a_state():
    folder = REPOSITORY / "examples" / "symptoms" / "few-pods" / "cluster"
    model, notes = load(tuple(str(folder / f"{name}.json") for name in ("subnets", "instances", "network-interfaces")))
    assert len(model.instances) > 1
    assert len(notes) == 1
    assert "its CIDRs are taken to be" in notes[0]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.json": "{"}, "a.json: it is not JSON: "),
        ({"a.toml": "="}, "a.toml: it is not TOML: "),
        ({"a.json": "[]"}, "a.json: it must be an object with lists such as vpcs and subnets, or an answer of EC2"),
        ({"a.json": "[" * 100_000}, "a.json: it is not JSON: "),
        ({"a.toml": "a" + ".a" * 100_000 + " = 1"}, "a.toml: the document is nested too deeply"),
        ({"a.json": '{"vpcs": [{}]}'}, "a.json: vpcs[0]: cidr is missing"),
        ({"a.json": '{"Subnets": []}'}, "a.json: there are no subnets"),
        ({"a.json": '{"vpcs": []}', "b.json": '{"vpcs": []}'}, "a.json: give only one --state, or several answers of EC2"),
        ({"a.json": '{"Subnets": []}', "b.json": '{"vpcs": []}'}, "b.json: give only one --state, or several answers of EC2"),
        ({"a.toml": 'subnet = [{name = "a", cidr = "x"}]'}, "a.toml: "),
    ],
)
def test_a_wrong_state_is_refused(cli, tmp_path, monkeypatch, files, message):
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert cli("serve", *(word for name in files for word in ("--state", name))).refusal.startswith(message)


def test_a_missing_state_is_refused(cli, tmp_path):
    assert "No such file" in cli("serve", "--state", str(tmp_path / "none.json")).refusal


def test_a_file_that_can_not_be_saved_is_refused_at_once(cli, tmp_path):
    for file in (tmp_path / "none" / "world.json", tmp_path):
        assert cli("serve", "--save", str(file)).refusal.startswith(f"can't save to {file}: ")


def test_a_state_without_an_end_or_of_bytes_is_refused(cli, tmp_path):
    assert cli("serve", "--state", "/dev/zero").refusal.startswith("/dev/zero: it is longer than ")
    (tmp_path / "a.json").write_bytes(b"\xff{}")
    assert cli("serve", "--state", str(tmp_path / "a.json")).refusal.endswith("a.json: it is not UTF-8 text")


@pytest.mark.parametrize(
    "text", ["refuse", "refuse=x", "refuse=#x", "refuse=2", "burn=0.1", "crash-before=0.1", "a:b:c:d=0.1", "refuse:x=0.1", "refuse:Foo=0.1"]
)
def test_a_wrong_fault_is_bad_usage(cli, text):
    answer = cli("serve", "--faults", text)
    assert answer.code == 2
    assert repr(text) in answer.err


def test_a_speed_is_a_number(cli):
    for text in ("nan", "0", "inf", "fast"):
        answer = cli("serve", "--speed", text)
        assert (answer.code, text in answer.err) == (2, True)


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
