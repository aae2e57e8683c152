"""EC2's calls over HTTP: every request gets an answer of EC2."""

import asyncio
import gc
import tracemalloc

import pytest
from asgi_calls import CLIENT, form_of

from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.faults import Effect, Fault, Faults
from vpcipam.ec2.latency import Latencies, Latency
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.serve.app import LONGEST_BODY

MODELLED = form_of("DescribeVpcs")


def faulty(effect, action="DescribeVpcs", **options):
    return Ec2Model(conditions=Conditions(faults=Faults((Fault(effect, action, nth=1, **options),))))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_call_is_answered_in_ec2s_xml(server, method):
    vpc_id = server.model.create_vpc("10.0.0.0/16").vpc_id
    options = {"query": MODELLED} if method == "GET" else {"body": MODELLED.encode()}
    answer = server.request(method, "/", **options)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/xml;charset=UTF-8"
    assert answer.text.startswith(
        '<?xml version="1.0" encoding="UTF-8"?>\n<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
    )
    assert f"<vpcId>{vpc_id}</vpcId>" in answer.text


def test_a_call_can_be_in_the_query_string_and_in_the_body(server):
    answer = server.request("POST", "/", query="Action=CreateVpc&Version=2016-11-15", body=b"CidrBlock=10.0.0.0/16")
    assert answer.status == 200
    assert server.model.vpcs[0].cidrs == ("10.0.0.0/16",)


def test_a_signature_is_ignored(server):
    old = "&AWSAccessKeyId=a&Signature=b&SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp=t"
    new = "&X-Amz-Algorithm=a&X-Amz-Credential=c&X-Amz-Date=d&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=e"
    for signature in (old, new):
        assert server.request("GET", "/", query=MODELLED + signature).status == 200


REFUSED = {
    "no action": ("Version=2016-11-15", 400, "MissingAction"),
    "no version": ("Action=DescribeVpcs", 400, "MissingParameter"),
    "another version": ("Action=DescribeVpcs&Version=2014-01-01", 400, "NoSuchVersion"),
    "an unknown action": (form_of("DescribeVpc"), 400, "InvalidAction"),
    "an action that is not modelled": (form_of("DescribeVolumes"), 501, "vpcipam.NotModelled"),
    "a parameter that is not modelled": (form_of("CreateVpc", CidrBlock="10.0.0.0/16", Ipv6Pool="a"), 501, "vpcipam.NotModelled"),
    "an unknown parameter": (form_of("DescribeVpcs", VpcID__1="vpc-1"), 400, "UnknownParameter"),
    "a missing parameter": (form_of("CreateSubnet", CidrBlock="10.0.0.0/24"), 400, "MissingParameter"),
    "a parameter twice": (f"{MODELLED}&VpcId.1=a&VpcId.1=b", 400, "InvalidParameterCombination"),
    "an action twice": (f"{MODELLED}&Action=DescribeVpcs", 400, "InvalidParameterCombination"),
    "a value and members": (f"{MODELLED}&VpcId=a&VpcId.1=b", 400, "InvalidParameterCombination"),
    "a value where members belong": (f"{MODELLED}&VpcId=a", 400, "InvalidParameterValue"),
    "a bad number": (form_of("DescribeVpcs", MaxResults="5x"), 400, "InvalidParameterValue"),
    "a number that is too large": (form_of("DescribeVpcs", MaxResults="99999999999"), 400, "InvalidParameterValue"),
    "a bad boolean": (form_of("DescribeVpcs", DryRun="yes"), 400, "InvalidParameterValue"),
    "an index of letters": (form_of("DescribeVpcs", VpcId__one="a"), 400, "InvalidParameterValue"),
    "an index 0": (form_of("DescribeVpcs", VpcId__0="a"), 400, "InvalidParameterValue"),
    "a negative index": (f"{MODELLED}&VpcId.-1=a", 400, "InvalidParameterValue"),
    "an index twice": (f"{MODELLED}&VpcId.1=a&VpcId.01=b", 400, "InvalidParameterValue"),
    "no form": ("&&&", 400, "MalformedQueryString"),
    "bytes that are no text": (f"{MODELLED}&VpcId.1=%ff", 400, "MalformedQueryString"),
    "a character that is not allowed": (f"{MODELLED}&VpcId.1=%00", 400, "InvalidParameterValue"),
    "an unknown id": (form_of("DescribeVpcs", VpcId__1="vpc-1"), 400, "InvalidVpcID.NotFound"),
    "a dry run": (form_of("CreateVpc", CidrBlock="10.0.0.0/16", DryRun="true"), 412, "DryRunOperation"),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("form", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_a_bad_request_gets_ec2s_code(server, method, form, status, code):
    options = {"query": form} if method == "GET" else {"body": form.encode()}
    answer = server.request(method, "/", **options)
    assert (answer.status, answer.code) == (status, code)
    assert "Traceback" not in answer.text
    assert server.model.vpcs == ()
    logged = server.service.endpoint.log[-1]
    assert (logged.status_code, logged.code) == (status, code)


def test_bytes_that_are_no_text_are_refused(server):
    answer = server.request("POST", "/", body=b"Action=\xff")
    assert (answer.status, answer.code) == (400, "MalformedQueryString")


def test_only_a_form_is_read(server):
    answer = server.request("POST", "/", body=b"{}", headers={"Content-Type": "application/json"})
    assert (answer.status, answer.code) == (400, "MalformedQueryString")
    typed = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert server.request("POST", "/", body=MODELLED.encode(), headers=typed).status == 200


def test_a_body_may_have_a_mebibyte(server):
    start = f"{MODELLED}&NextToken=".encode()
    answer = server.request("POST", "/", body=start + b"x" * (LONGEST_BODY - len(start)))
    assert (answer.status, answer.code) == (400, "InvalidNextToken")
    answer = server.request("POST", "/", body=start + b"x" * (LONGEST_BODY - len(start) + 1))
    assert (answer.status, answer.code) == (413, "RequestEntityTooLarge")
    assert answer.headers["connection"] == "close"


def test_an_endless_body_is_cut(server):
    answer = server.request("POST", "/", messages=[{"type": "http.request", "body": b"x" * LONGEST_BODY, "more_body": True}] * 40)
    assert (answer.status, answer.code) == (413, "RequestEntityTooLarge")
    assert answer.unread == 23


def test_a_client_that_goes_away_is_no_error(server):
    answer = server.request("POST", "/", messages=[{"type": "http.request", "body": b"A", "more_body": True}])
    assert answer.status in (0, 200)
    assert not server.service.endpoint.log


def test_a_body_that_does_not_arrive_is_given_up(server, monkeypatch):
    monkeypatch.setattr("vpcipam.ec2.serve.app._BODY_TIMEOUT_S", 0)
    monkeypatch.setattr("asgi_calls.Connection.receive", lambda _: asyncio.sleep(60))
    answer = server.request("POST", "/")
    assert (answer.status, answer.code) == (408, "RequestTimeout")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/x", 404), ("PUT", "/", 405), ("DELETE", "/", 405), ("POST", "/x", 404)])
def test_there_is_nothing_else(server, method, path, status):
    assert server.request(method, path).status == status


@pytest.mark.parametrize("effect", [Effect.LOSE_ANSWER, Effect.REFUSE, Effect.CRASH_BEFORE])
def test_a_lost_answer_closes_the_connection(serve, effect):
    server = serve(faulty(effect))
    assert server.post("DescribeVpcs").status == 0
    assert server.hung_up == [CLIENT]
    assert server.service.endpoint.log[-1].status_code == 0
    assert server.post("DescribeVpcs").status == 200


def test_a_lost_answer_has_taken_effect(serve):
    server = serve(faulty(Effect.LOSE_ANSWER, "CreateVpc"))
    assert server.post("CreateVpc", CidrBlock="10.0.0.0/16").status == 0
    assert len(server.model.vpcs) == 1


def test_a_refusal_can_be_injected(serve):
    server = serve(faulty(Effect.REFUSE, code="UnauthorizedOperation"))
    answer = server.post("DescribeVpcs")
    assert (answer.status, answer.code) == (403, "UnauthorizedOperation")


@pytest.mark.parametrize(("speed", "waited_s"), [(1, 1.5), (60, 0.025)])
def test_an_answer_waits_as_long_as_the_call_takes(serve, monkeypatch, speed, waited_s):
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    server = serve(Ec2Model(conditions=Conditions(latencies=Latencies(non_mutating=Latency.fixed(1_500_000_000)))), speed=speed)
    assert server.post("DescribeVpcs").status == 200
    assert waited == [waited_s]


def test_calls_are_logged_without_their_signature(server):
    server.request("GET", "/", query=f"{MODELLED}&X-Amz-Signature=secret&Filter.1.Name={'x' * 400}&Filter.1.Value.1=a")
    (logged,) = server.service.endpoint.log
    assert (logged.number, logged.at_ns, logged.action, logged.code) == (1, 10**18, "DescribeVpcs", "InvalidParameterValue")
    assert "secret" not in logged.form
    assert len(logged.form) == 301


def test_request_ids_differ(server):
    ids = [server.post(action).text.partition("equest")[2] for action in ("DescribeVpcs", "No", "DescribeVpcs", "No")]
    assert len(set(ids)) == 4


def test_only_the_latest_client_tokens_are_remembered(server, monkeypatch):
    monkeypatch.setattr("vpcipam.ec2.offline.server._MOST_TOKENS", 2)
    subnet = server.model.create_subnet(server.model.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24")
    for token in ("a", "b", "c", "c", "b", "a"):
        server.post("CreateNetworkInterface", SubnetId=subnet.subnet_id, ClientToken=token)
    assert len(server.model.network_interfaces) == 4  # the last one is new again
    assert len(server.service.endpoint._server._granted) == 2


@pytest.mark.thorough
def test_bad_requests_leave_no_memory_behind(server):
    def all_of_them(number):
        for form, _, _ in REFUSED.values():
            server.request("POST", "/", body=f"{form}&Tag.1={number}".encode())
            server.request("GET", f"/{number}")
            server.request("GET", f"/instance/i-{number}/latest/meta-data/", headers={"X-aws-ec2-metadata-token": f"x{number}"})

    def traced(numbers):
        for number in numbers:
            all_of_them(number)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    traced(range(100, 120))  # until the log is full, and caches are
    before = traced(range(120, 150))
    after = traced(range(150, 180))
    tracemalloc.stop()
    assert after - before < 60_000  # 2,000 requests
