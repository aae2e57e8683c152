"""Answers the calls of botocore's clients from a model, instead of the network."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError
from botocore.handlers import BUILTIN_HANDLERS

from vpcipam.ec2.errors import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.offline.server import Server
from vpcipam.errors import InvalidArgument

Respond = Callable[[str, int, HTTPHeaders, bytes], AWSResponse]
"""Makes a response of its URL, status, headers and body."""


class _Raw:
    """An answer's body with the interface of the connection that botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:  # noqa: ANN401  # ignored: the body comes in one piece
        """Yield the body."""
        yield self._body


def _response(url: str, status_code: int, headers: HTTPHeaders, body: bytes) -> AWSResponse:
    return AWSResponse(url, status_code, headers, _Raw(body))


def _headers() -> HTTPHeaders:
    headers = HTTPHeaders()
    headers["Content-Type"] = "text/xml;charset=UTF-8"
    return headers


class Answering:
    """Answers the calls of clients from a model, one at a time, also if the clients are used in several threads.

    Args:
        model: answers the calls.
        now_ns: returns the time of each call, Unix nanoseconds.
    """

    def __init__(self, model: Ec2Model, now_ns: Callable[[], int]) -> None:
        self._model = model
        self._now_ns = now_ns
        self._servers: dict[str, Server] = {}
        self._lock = threading.Lock()
        self._ended = False

    def end(self) -> None:
        """Refuse every further call."""
        self._ended = True

    def answer_for(self, client: Any, respond: Respond = _response) -> None:  # noqa: ANN401 - a client of boto3 or aiobotocore
        """Answer the calls of a client from now on; `respond` makes a response for it of a URL, a status, headers and a body."""
        region_name = client.meta.region_name

        def answer(request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse:
            operation = client.meta.service_model.operation_model(event_name.rpartition(".")[2])
            if self._ended:
                raise InvalidArgument(f"{operation.name}: this client belongs to an offline_ec2 that has ended; make a new one")
            with self._lock:
                server = self._servers.get(region_name)
                if server is None:
                    server = self._servers[region_name] = Server(self._model, Region(region_name), self._now_ns)
                try:
                    answered = server.answer(str(request.body), operation)
                except Ec2Error as error:
                    raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
            return respond(request.url, answered.status_code, _headers(), answered.body)

        # botocore calls every handler, so that moto's, which is in its list, would carry the call out too.
        for name, *handler in BUILTIN_HANDLERS:
            if name.startswith("before-send"):
                client.meta.events.unregister(name, handler[0])
        client.meta.events.register("before-send.ec2", answer)
