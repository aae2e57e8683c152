"""The server on a real socket, with real clients of the standard library and of boto3."""

import http.client
import importlib
import signal
import socket
import sys
import threading
import time
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

import vpcipam.ec2.serve
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.faults import Effect, Fault, Faults
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.resources import MetadataOptions
from vpcipam.ec2.serve.running import Runner, base_url, is_loopback, listen
from vpcipam.ec2.serve.service import Service
from vpcipam.errors import MissingExtra

CREDENTIALS = dict.fromkeys(("aws_access_key_id", "aws_secret_access_key"), "any")


def service_of(model):
    return Service(model, Region("us-east-1"), lambda: 0, token_key=b"key")


@pytest.fixture
def start():
    """A function: serve a model in a thread, and return the URL."""
    running = []

    def serve(model, *more_sockets):
        runner = Runner(service_of(model), [listen("127.0.0.1", 0), *more_sockets])
        ready = threading.Event()
        thread = threading.Thread(target=runner.run, args=(ready.set,))
        thread.start()
        running.append((runner, thread))
        assert ready.wait(30)
        return runner.url

    yield serve
    for runner, thread in running:
        runner.stop()
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def client_of():
    """A function: a boto3 client at a URL, which does not retry by default."""
    made = []

    def make(url, attempts=1):
        config = Config(retries={"mode": "standard", "total_max_attempts": attempts})
        client = boto3.client("ec2", endpoint_url=url, region_name="us-east-1", config=config, **CREDENTIALS)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


def losing(*places):
    return Ec2Model(conditions=Conditions(faults=Faults(tuple(Fault(Effect.LOSE_ANSWER, "CreateVpc", nth=nth) for nth in places))))


def test_boto3_is_answered(start, client_of):
    model = Ec2Model()
    client = client_of(start(model))
    vpc_id = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    assert [vpc.vpc_id for vpc in model.vpcs] == [vpc_id]
    with pytest.raises(client.exceptions.ClientError) as caught:
        client.describe_vpcs(VpcIds=["vpc-0"])
    assert caught.value.response["Error"]["Code"] == "InvalidVpcID.NotFound"


def test_a_lost_answer_is_a_closed_connection(start, client_of):
    model = losing(1)
    client = client_of(start(model))
    other = client_of(client.meta.endpoint_url)
    assert other.describe_vpcs()["Vpcs"] == []  # its connection stays open
    with pytest.raises(ConnectionClosedError):
        client.create_vpc(CidrBlock="10.0.0.0/16")
    assert len(model.vpcs) == 1
    assert client.describe_vpcs()["Vpcs"]


def test_a_client_that_retries_survives_a_lost_answer(start, client_of):
    model = losing(1)
    client_of(start(model), attempts=2).create_vpc(CidrBlock="10.0.0.0/16")
    assert len(model.vpcs) == 2


def test_what_is_not_http_is_refused(start):
    url = start(Ec2Model())
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_a_body_that_is_too_long_is_refused_before_it_was_sent(start):
    url = start(Ec2Model())
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request("POST", "/", b"x" * (2 << 20), {"Content-Type": "application/x-www-form-urlencoded"})
    assert connection.getresponse().status == 413
    connection.close()


def test_a_second_socket_serves_too(start):
    model = Ec2Model(metadata_defaults=MetadataOptions(http_tokens="optional"))
    subnet = model.create_subnet(model.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24")
    instance_id = model.launch_instance("m5.large", subnet.subnet_id, now_ns=0).instance_id
    second = listen("127.0.0.1", 0)
    second_url = base_url(second)
    start(model, second)
    with urllib.request.urlopen(f"{second_url}/latest/meta-data/instance-id", timeout=10) as answer:  # noqa: S310 - http
        assert answer.read().decode() == instance_id


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server(number):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    Runner(service_of(Ec2Model()), [listen("127.0.0.1", 0)]).run(lambda: signal.raise_signal(number))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize("missing", ["uvicorn", "starlette", "botocore"])
def test_a_missing_extra_is_named(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtra, match=rf"{missing}: pip install 'vpcipam\[serve\]'"):
        importlib.reload(vpcipam.ec2.serve)


def test_a_stop_does_not_wait_long_for_an_idle_connection():
    runner = Runner(service_of(Ec2Model()), [listen("127.0.0.1", 0)])
    clients = []

    def connect():
        clients.append(socket.create_connection(tuple(runner.url.removeprefix("http://").split(":")), timeout=10))
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

    runner.run(connect)
    clients[0].close()


def test_answers_are_not_held_back(start):
    """Nagle's algorithm would delay each answer by 40 ms, since its head and its body are written apart."""
    url = start(Ec2Model())
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    seconds = []
    for _ in range(20):
        begin_s = time.perf_counter()
        connection.request("GET", "/?Action=DescribeVpcs&Version=2016-11-15")
        assert connection.getresponse().read()
        seconds.append(time.perf_counter() - begin_s)
    connection.close()
    assert min(seconds[5:]) < 0.03
    with listen("127.0.0.1", 0) as here:
        assert here.proto == socket.IPPROTO_TCP


def test_a_host_that_is_not_there_leaves_no_socket_open():
    with pytest.raises(OSError, match="address"):
        listen("192.0.2.1", 0)


def test_urls_of_sockets():
    with listen("127.0.0.1", 0) as here:
        assert base_url(here) == f"http://127.0.0.1:{here.getsockname()[1]}"


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_urls_of_sockets_of_ipv6():
    try:
        here = listen("::1", 0)
    except OSError:
        pytest.skip("this machine has no ::1")
    with here:
        assert base_url(here).startswith("http://[::1]:")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("a.b", False)],  # noqa: S104 - only read
)
def test_loopback_addresses_are_known(host, loopback):
    assert is_loopback(host) == loopback
