"""`vpcipam serve`: HTTP requests from anyone, to EC2 and to the metadata service."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from starlette.applications import Starlette

from fuzz.target import Target, require
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.resources import MetadataOptions
from vpcipam.ec2.serve.app import create_app
from vpcipam.ec2.serve.service import Service

_MOST_REQUESTS = 6
_ADDRESS = ("127.0.0.1", 80)
_METHODS = ("GET", "POST", "PUT", "HEAD")
_ERROR = 400
_SERVER_ERROR = 500
_EXPECTED = {501}  # what is not modelled


def request_anything(data: bytes) -> None:
    """Send requests, divided by NUL bytes: a letter for the method, and three lines: path and query, a header, the body."""
    service = _service()
    app = create_app(service, lambda _: None)
    for request in data.split(b"\0")[:_MOST_REQUESTS]:
        head, _, rest = request.partition(b"\n")
        header, _, body = rest.partition(b"\n")
        status, answer = asyncio.run(_send(app, _METHODS[head[:1][0] % len(_METHODS)] if head else "GET", head[1:], header, body))
        require(status < _SERVER_ERROR or status in _EXPECTED, f"status {status}")
        require(b"Traceback" not in answer, "a traceback in an answer")
        require(len(service.endpoint.log) <= _MOST_REQUESTS, "more calls than requests")
    service.model._check()  # noqa: SLF001 - its own check of its invariants


def _service() -> Service:
    model = Ec2Model(metadata_defaults=MetadataOptions(http_tokens="optional", instance_metadata_tags="enabled"))
    subnet = model.create_subnet(model.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24")
    model.launch_instance("m5.large", subnet.subnet_id, now_ns=0)
    return Service(model, Region("us-east-1"), lambda: 10**18, token_key=b"key")


async def _send(app: Starlette, method: str, target: bytes, header: bytes, body: bytes) -> tuple[int, bytes]:
    """Return the status and the body of an answer."""
    path, _, query = target.partition(b"?")
    name, _, value = header.partition(b":")
    sent: list[MutableMapping[str, Any]] = []
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value.strip())] if name else [],
        "client": _ADDRESS,
        "server": _ADDRESS,
    }

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    require(sent, "there is no answer")
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


TARGETS = (
    Target(
        "http",
        request_anything,
        (
            *(
                "Action=",
                "Version=2016-11-15",
                "DescribeVpcs",
                "DescribeVolumes",
                "CreateVpc",
                "CidrBlock=",
                "/latest/meta-data/",
                "/live.json?since=",
            ),
            *("/instance/i-00000000000000001/latest/", "api/token", "X-aws-ec2-metadata-token:", "X-aws-ec2-metadata-token-ttl-seconds:60"),
            *("network/interfaces/macs/", "Content-Type: application/x-www-form-urlencoded", "X-Amz-Signature=", "%ff", "\n"),
        ),
        longest=1_024,
    ),
)
