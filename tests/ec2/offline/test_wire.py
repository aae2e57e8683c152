"""Requests and answers survive the wire, for every action: ours are read by botocore, and botocore's by us."""

from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
from botocore.awsrequest import AWSRequest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given, settings

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.fake import fake_client
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.server import ACTIONS
from vpcipam.ec2.offline.wire import read_request, write_answer, write_error

SERVICE = fake_client("ec2", Ec2Model()).meta.service_model
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from("<>&\"'\t\n\r +%=.;"), max_size=8)
SCALARS = {
    "string": TEXTS,
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "double": st.integers(-(2**20), 2**20).map(lambda eighths: eighths / 8),
}
DEEPEST = 4


def values(shape, depth=0):
    """Values of a shape, without empty lists or structures: in a form they equal missing ones."""
    if shape.type_name == "structure":
        members = {name: values(member, depth + 1) for name, member in shape.members.items() if can_hold(member, depth)}
        return st.dictionaries(st.sampled_from(sorted(members)), st.none(), min_size=1, max_size=4).flatmap(
            lambda names: st.fixed_dictionaries({name: members[name] for name in names})
        )
    if shape.type_name == "list":
        return st.lists(values(shape.member, depth + 1), min_size=1, max_size=12)
    return SCALARS[shape.type_name]


def can_hold(shape, depth):
    """Whether a shape is not too deep and has only types that modelled actions take."""
    if depth > DEEPEST:
        return shape.type_name in SCALARS
    if shape.type_name == "list":
        return can_hold(shape.member, depth + 1)
    if shape.type_name == "structure":
        return any(can_hold(member, depth + 1) for member in shape.members.values())
    return shape.type_name in SCALARS


def form(operation, members):
    """The body that botocore would send."""
    request = create_serializer(SERVICE.metadata["protocol"], include_validation=False).serialize_to_request(members, operation)
    return AWSRequest(method="POST", url="https://ec2.offline.invalid", data=request["body"]).prepare().body


@pytest.mark.parametrize("action", ACTIONS)
def test_a_request_is_read_as_botocore_wrote_it(action):
    operation = SERVICE.operation_model(action)

    @given(values(operation.input_shape))
    @settings(max_examples=8)
    def check(members):
        assert read_request(form(operation, members), operation) == members

    check()


def test_lists_keep_their_order_beyond_nine_items():
    operation = SERVICE.operation_model("DescribeNetworkInterfaces")
    members = {"NetworkInterfaceIds": [f"eni-{number}" for number in range(25)]}
    assert read_request(form(operation, members), operation) == members


def test_a_member_is_read_by_its_query_name():
    operation = SERVICE.operation_model("RunInstances")
    members = {"NetworkInterfaces": [{"DeviceIndex": 0, "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.9"}]}]}
    assert "NetworkInterface.1.PrivateIpAddresses.1.PrivateIpAddress=10.0.0.9" in form(operation, members)
    assert read_request(form(operation, members), operation) == members


def test_an_empty_list_is_read_as_none():
    operation = SERVICE.operation_model("DescribeNetworkInterfaces")
    assert read_request(form(operation, {"NetworkInterfaceIds": []}), operation) == {}


@pytest.mark.parametrize("text", ["\x00", "a\x1fb", "\ufffe"])
def test_a_character_that_xml_cannot_carry_is_refused(text):
    operation = SERVICE.operation_model("CreateNetworkInterface")
    with pytest.raises(Ec2Error, match="Description") as caught:
        read_request(form(operation, {"Description": text}), operation)
    assert caught.value.code == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("action", "body", "code"),
    [
        ("DescribeVpcs", "x", "MalformedQueryString"),
        ("DescribeVpcs", "&".join(f"VpcId.{number}=vpc-1" for number in range(1, 20_000)), "MalformedQueryString"),
        ("DescribeVpcs", "Color=red", "UnknownParameter"),
        ("DescribeVpcs", "Filter.1.Color=red", "UnknownParameter"),
        ("DescribeVpcs", "NextToken.1=x", "UnknownParameter"),
        ("DescribeVpcs", "Filter=x", "InvalidParameterValue"),
        ("DescribeVpcs", "Filter.1=x", "InvalidParameterValue"),
        ("DescribeVpcs", "VpcId.first=vpc-1", "InvalidParameterValue"),
        ("DescribeVpcs", "MaxResults=five", "InvalidParameterValue"),
        ("DescribeVpcs", "MaxResults=1_0", "InvalidParameterValue"),
        ("DescribeVpcs", "MaxResults=" + "9" * 5_000, "InvalidParameterValue"),
        ("DescribeVpcs", f"MaxResults={2**31}", "InvalidParameterValue"),
        ("DescribeVpcs", "DryRun=perhaps", "InvalidParameterValue"),
        ("DescribeVpcs", "VpcId.1=a&VpcId.1.b=c", "InvalidParameterCombination"),
        ("DescribeVpcs", "VpcId.1.b=c&VpcId.1=a", "InvalidParameterCombination"),
        ("DescribeVpcs", "VpcId.%00=a", "InvalidParameterValue"),
    ],
)
def test_a_form_that_botocore_would_not_write_is_refused(action, body, code):
    with pytest.raises(Ec2Error) as caught:
        read_request(body, SERVICE.operation_model(action))
    assert caught.value.code == code
    assert len(str(caught.value)) < 6_000


def test_action_and_version_are_no_parameters():
    assert read_request("Action=DescribeVpcs&Version=2016-11-15", SERVICE.operation_model("DescribeVpcs")) == {}
    assert read_request("", SERVICE.operation_model("DescribeVpcs")) == {}


def parsed(body, operation, status_code=200):
    """An answer as botocore's parser reads it."""
    return create_parser(SERVICE.metadata["protocol"]).parse(
        {"body": body, "headers": {}, "status_code": status_code}, operation.output_shape
    )


@pytest.mark.parametrize("action", [name for name in ACTIONS if SERVICE.operation_model(name).output_shape is not None])
def test_botocore_reads_an_answer_as_it_was_written(action):
    operation = SERVICE.operation_model(action)

    @given(values(operation.output_shape))
    @settings(max_examples=8)
    def check(members):
        answer = parsed(write_answer(members, operation, "r-1"), operation)
        assert answer.pop("ResponseMetadata")["RequestId"] == "r-1"
        assert answer == members

    check()


def test_an_empty_list_is_written_and_none_is_not():
    operation = SERVICE.operation_model("DescribeNetworkInterfaces")
    answer = parsed(write_answer({"NetworkInterfaces": [], "NextToken": None}, operation, "r-1"), operation)
    assert answer["NetworkInterfaces"] == []
    assert "NextToken" not in answer


def test_an_answer_with_an_unknown_member_is_an_internal_error():
    with pytest.raises(KeyError, match="Subnetz"):
        write_answer({"Subnetz": []}, SERVICE.operation_model("DescribeSubnets"), "r-1")


def test_an_action_without_an_output_answers_true():
    operation = SERVICE.operation_model("DeleteNetworkInterface")
    assert b"<return>true</return>" in write_answer({}, operation, "r-1")
    assert parsed(write_answer({}, operation, "r-1"), operation) == {
        "ResponseMetadata": {"RequestId": "r-1", "HTTPStatusCode": 200, "HTTPHeaders": {}}
    }


@given(TEXTS.filter(str.strip), TEXTS.filter(str.strip))
def test_botocore_reads_an_error_as_it_was_written(code, message):
    answer = parsed(write_error(code, message, "r-9"), SERVICE.operation_model("DescribeSubnets"), 400)
    assert answer["Error"] == {"Code": code, "Message": message}
    assert answer["ResponseMetadata"]["RequestId"] == "r-9"


def test_an_action_without_parameters_reads_none():
    operation = SimpleNamespace(name="DescribeNothing", input_shape=None)
    assert read_request("Action=DescribeNothing&Version=2016-11-15", operation) == {}


REQUIREMENT = "LaunchTemplateData.InstanceRequirements.MemoryGiBPerVCpu.Min"
UNTIL = "LaunchTemplateData.InstanceMarketOptions.SpotOptions.ValidUntil"


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1e9", "1.", ".5", "1" * 16, "\u0663"])
def test_a_number_that_is_none_is_refused(text):
    with pytest.raises(Ec2Error, match=f"InvalidParameterValue: {REQUIREMENT} must be a double, not "):
        read_request(f"{REQUIREMENT}={text}", SERVICE.operation_model("CreateLaunchTemplate"))


@pytest.mark.parametrize("text", ["", "x", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00"])
def test_a_time_that_is_none_is_refused(text):
    operation = SERVICE.operation_model("CreateLaunchTemplate")
    with pytest.raises(Ec2Error, match=f"InvalidParameterValue: {UNTIL} must be a timestamp, not "):
        read_request(f"{UNTIL}={text}", operation)
    read = read_request(f"{UNTIL}=2026-01-01T00:00:00Z", operation)
    assert read["LaunchTemplateData"]["InstanceMarketOptions"] == {"SpotOptions": {"ValidUntil": "2026-01-01T00:00:00Z"}}
