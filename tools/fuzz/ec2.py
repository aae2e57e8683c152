"""EC2: requests from anyone to the offline EC2, and answers of an EC2 that hides or garbles parts of them."""

import contextlib
import copy
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

from botocore.model import OperationModel, Shape
from botocore.parsers import create_parser

from fuzz.target import Choices, Target, require, text_of
from vpcipam.ec2.boto import BotoEc2
from vpcipam.ec2.errors import Ec2Error, ErrorCode
from vpcipam.ec2.fake import fake_client
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.offline.server import ACTIONS, HttpResponse, Server
from vpcipam.ec2.offline.wire import _request_name
from vpcipam.errors import NotModelled, UnknownInstanceType
from vpcipam.inspection.audit import audit_survey
from vpcipam.inspection.read_ec2 import read_node
from vpcipam.inspection.survey import survey
from vpcipam.node.interfaces import CREATED_TAG, INSTANCE_TAG
from vpcipam.settings import Settings

_CODES = frozenset(ErrorCode)
_OK = 200
_MOST_REQUESTS = 12


# --- requests ------------------------------------------------------------------------------------------------------------


def answer_requests(data: bytes) -> None:
    """Answer requests, one a line: the action, a question mark, and its form."""
    requests = (text_of(line).partition("?") for line in data.split(b"\n"))
    _answer_all((action, body) for action, _, body in requests if action in ACTIONS)


def answer_calls(data: bytes) -> None:
    """Answer requests with parameters that fit their shapes, and with values that may not: each byte is a choice."""
    _answer_all(_drawn(Choices(data)))


def _answer_all(requests: Iterable[tuple[str, str]]) -> None:
    model = Ec2Model()
    vpc_id = model.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56").vpc_id
    subnet_id = model.create_subnet(vpc_id, "10.0.1.0/24", ipv6_cidr="2001:db8::/64").subnet_id
    model.launch_instance("m5.large", subnet_id, now_ns=0)
    model.create_network_interface(subnet_id=subnet_id, now_ns=0)
    server = Server(model, Region("us-east-1"), lambda: 0)
    for action, body in islice(requests, _MOST_REQUESTS):
        try:
            answer = server.answer(body, _operations()[action])
        except NotModelled:
            continue
        _check_answer(answer, _operations()[action])
    model._check()  # noqa: SLF001 - its own check of its invariants


_TEXTS = (
    *("vpc-00000000000000001", "subnet-00000000000000001", "eni-00000000000000001", "eni-00000000000000002", "i-00000000000000001"),
    *("eni-00000000000000003", "vpc-cidr-assoc-00000000000000001", "eni-attach-00000000000000001", "trunk-assoc-00000000000000001"),
    *("scr-00000000000000001", "10.0.1.9", "10.0.1.16/28", "10.0.1.32/28", "10.0.0.0/24", "10.1.0.0/16", "10.0.1.5/28", "2001:db8::9"),
    *("2001:db8:0:0:1::/80", "2001:db8:0:1::/64", "0", "1", "2", "5", "30", "1000", "2147483647", "-1", "true", "false", "prefix"),
    *("explicit", "interface", "trunk", "branch", "efa-only", "m5.large", "t2.micro", "use1-az1", "us-east-1a", "network-interface"),
    *(
        "subnet",
        "vpc",
        "instance",
        "status",
        "tag:k",
        "tag-key",
        "vpc-id",
        "subnet-id",
        "k",
        "*",
        "a*?\\",
        "",
        "x" * 300,
        "\u2028",
        "aws:k",
    ),
    *("ZW5pLTAwMDAwMDAwMDAwMDAwMDAx", "cw==", "\x00", "\uff11"),
)


def _drawn(choices: Choices) -> Iterator[tuple[str, str]]:
    actions = sorted(ACTIONS)
    while choices:
        action = choices.among(actions)
        shape: Any = _operations()[action].input_shape
        taken = sorted({name.partition(".")[0] for name in ACTIONS[action].takes})
        wanted = [*shape.required_members, *(choices.among(taken) for _ in range(choices.number() % 4 if taken else 0))]
        form = {
            place: text
            for name in dict.fromkeys(wanted)
            for place, text in _fields(choices, shape.members[name], _request_name(shape.members[name], name))
        }
        yield action, urlencode(form)


def _fields(choices: Choices, shape: Any, name: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - botocore's shapes
    if shape.type_name == "structure":
        members = sorted(shape.members)
        for member in dict.fromkeys(choices.among(members) for _ in range(choices.number() % 3 + 1)):
            yield from _fields(choices, shape.members[member], f"{name}.{_request_name(shape.members[member], member)}")
    elif shape.type_name == "list":
        for number in range(choices.number() % 3):
            yield from _fields(choices, shape.member, f"{name}.{number + 1}")
    else:
        yield name, choices.among(_TEXTS)


def _check_answer(answer: HttpResponse, operation: OperationModel) -> None:
    """Parse an answer as a client does."""
    response = {"body": answer.body, "headers": {}, "status_code": answer.status_code}
    parsed = create_parser("ec2").parse(response, cast("Shape", operation.output_shape))
    if answer.status_code != _OK:
        code = parsed["Error"]["Code"]
        require(code in _CODES, f"{code} is no code of EC2")


@functools.cache
def _operations() -> dict[str, OperationModel]:
    service = fake_client("ec2", Ec2Model()).meta.service_model
    return {action: service.operation_model(action) for action in ACTIONS}


def _parameters() -> Iterator[str]:
    for action, handler in ACTIONS.items():
        yield f"{action}?"
        yield from (f"{name.partition('.')[0].removesuffix('s')}.1=" for name in handler.takes)


# --- answers -------------------------------------------------------------------------------------------------------------

_MISSING = object()
_VALUES: tuple[object, ...] = (
    *(_MISSING, None, "", "x.x.x.x", "<redacted>", "10.0.1.5", "10.0.1.16/28", "2001:db8::1", "2001:db8::/80", "10.0.0.0/0", "trunk"),
    *(0, -1, 1, 300, 2**31, 2**70, 1.5, float("nan"), True, False, [], [None], ["x"], {}, {"": ""}, [[]], b"x", "\0", "\ud800", "1e9"),
    *("2026-01-01T00:00:00Z", "2026-01-01", "m5.large", "t1.micro", "in-use", "available", "eni-1", [{}], [{"Key": None}], "9" * 5_000),
)


def read_answers(data: bytes) -> None:
    """Inspect a node from answers with some parts replaced: each change is an answer, two bytes of place, and a value."""
    answers = copy.deepcopy(_answers())
    changes = Choices(data)
    while changes:
        answer = answers[changes.among(list(answers))]
        places = list(_places(answer))
        if not places:
            continue
        inside, name = places[changes.number(2) % len(places)]
        value = changes.among(_VALUES)
        if value is _MISSING:
            del inside[name]
        else:
            inside[name] = copy.deepcopy(value)
    client = _Answering(answers)
    try:
        node = read_node(BotoEc2(cast("Any", client)), _INSTANCE, now_ns=10**18)
    except (Ec2Error, UnknownInstanceType):
        return
    seen = survey(node, Settings())
    seen.to_dict()
    for found in audit_survey(seen):
        require(str(found), "a finding says nothing")


class _Answering:
    """A client that gives prepared answers."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers
        self.meta = SimpleNamespace(method_to_api_mapping=fake_client("ec2", Ec2Model()).meta.method_to_api_mapping)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return lambda **_: self._answers[method]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - JSON
    """Yield each member and item, as what it is in and its name or number there."""
    for name in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, name
        yield from _places(value[name])


_INSTANCE = "i-00000000000000001"


@functools.cache
def _answers() -> dict[str, Any]:
    model = Ec2Model()
    subnet = model.create_subnet(model.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24", tags=(("kubernetes.io/role/cni", "1"),))
    instance_id = model.launch_instance("m5.large", subnet.subnet_id, now_ns=0).instance_id
    tags = ((INSTANCE_TAG, instance_id), (CREATED_TAG, "1970-01-01T00:00:00Z"))
    with_pods = model.create_network_interface(
        subnet_id=subnet.subnet_id, secondary_ip_count=1, ipv4_prefix_count=0, tags=tags, description="aws-K8S-i", now_ns=0
    )
    model.attach_network_interface(with_pods.eni_id, instance_id, device_index=1, now_ns=0)
    model.assign_private_ip_addresses(with_pods.eni_id, ipv4_prefix_count=1, now_ns=0)
    model.create_network_interface(subnet_id=subnet.subnet_id, tags=tags, description="aws-K8S-i", now_ns=0)
    model.create_subnet_cidr_reservation(subnet.subnet_id, "10.0.1.128/25", reservation_type="prefix", now_ns=0)
    client = fake_client("ec2", model)
    found = {
        "describe_instances": client.describe_instances(),
        "describe_network_interfaces": client.describe_network_interfaces(),
        "describe_subnets": client.describe_subnets(),
        "get_subnet_cidr_reservations": client.get_subnet_cidr_reservations(SubnetId=subnet.subnet_id),
    }
    return {name: _without_metadata(cast("dict[str, Any]", answer)) for name, answer in found.items()}


def _without_metadata(answer: dict[str, Any]) -> dict[str, Any]:
    with contextlib.suppress(KeyError):
        del answer["ResponseMetadata"]
    return answer


TARGETS = (
    Target(
        "ec2_requests",
        answer_requests,
        (*sorted(set(_parameters())), "Filter.1.Name=", "Filter.1.Value.1=", "TagSpecification.1.Tag.1.Key=", "NextToken=", "DryRun=true"),
        longest=1_024,
    ),
    Target("ec2_calls", answer_calls, longest=256),
    Target("ec2_answers", read_answers, longest=64),
)
