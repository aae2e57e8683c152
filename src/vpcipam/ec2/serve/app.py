"""The ASGI application of `vpcipam serve`.

The model is entered from the event loop only, and no call awaits anything while it is in the model, so that no two calls overlap. The
latency of a call passes afterwards, while others are answered.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from vpcipam._units import NS_PER_S
from vpcipam.ec2.offline.server import HttpResponse
from vpcipam.ec2.serve.page import CONTENT_SECURITY_POLICY, page
from vpcipam.ec2.serve.service import Service

LONGEST_BODY: Final = 1 << 20
"""The most bytes of a body."""
_LONGEST_READ: Final = 16 << 20
"""So much of a longer body is read and dropped, since most clients read no answer before they have sent it."""
_BODY_TIMEOUT_S: Final = 30
_FORM: Final = "application/x-www-form-urlencoded"
_XML: Final = "text/xml;charset=UTF-8"
_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]

Hangup = Callable[[Scope], None]
"""Closes the connection of a request, without an answer."""


class _LostAnswer(Response):
    """No answer: the connection is closed instead."""

    def __init__(self, hang_up: Hangup) -> None:
        super().__init__()
        self._hang_up = hang_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del send
        self._hang_up(scope)
        while (await receive())["type"] != "http.disconnect":
            pass


class _Pages:
    """The answers to the requests of each route."""

    def __init__(self, service: Service, hang_up: Hangup) -> None:
        self._service = service
        self._hang_up = hang_up

    async def ec2(self, request: Request) -> Response:
        """Answer a call of EC2, or show the page to whoever calls nothing."""
        if request.method != "POST" and not request.scope["query_string"]:
            return Response(page(), headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY}, media_type="text/html")
        body = b""
        if request.method == "POST":
            if request.headers.get("content-type", _FORM).partition(";")[0].strip().lower() != _FORM:
                return self._refusal(400, "MalformedQueryString", f"The content type must be {_FORM}")
            try:
                async with asyncio.timeout(_BODY_TIMEOUT_S):
                    read = await _read_body(request)
            except ClientDisconnect:
                return Response()
            except TimeoutError:
                return self._refusal(408, "RequestTimeout", f"The body did not arrive within {_BODY_TIMEOUT_S} s")
            if read is None:
                return self._refusal(413, "RequestEntityTooLarge", f"The body has more than {LONGEST_BODY} bytes")
            body = read
        reply = self._service.endpoint.answer((request.scope["query_string"], body))
        await self._wait(reply.duration_ns)
        return _LostAnswer(self._hang_up) if reply.response is None else _xml(reply.response)

    async def metadata(self, request: Request) -> Response:
        """Answer a read of instance metadata."""
        reply = self._service.metadata(
            request.method, request.path_params.get("instance_id"), request.path_params.get("path", ""), request.headers
        )
        await self._wait(reply.duration_ns)
        if reply.lost:
            return _LostAnswer(self._hang_up)
        headers = {"Server": "EC2ws", **reply.headers}
        text = reply.text.encode(errors="surrogateescape")  # user data may be any bytes
        return Response(text, reply.status_code, headers, "text/html" if reply.is_page else "text/plain")

    async def live(self, request: Request) -> Response:
        """Answer the page, which asks for changes."""
        # Not request.query_params, which raises an error for bytes that are no text.
        live = self._service.live(request.scope["query_string"].decode("latin-1").removeprefix("since="))
        return Response(status_code=204) if live is None else JSONResponse(live, headers={"Cache-Control": "no-store"})

    def _refusal(self, status_code: int, code: str, message: str) -> Response:
        response = _xml(self._service.endpoint.refuse(status_code, code, message))
        response.headers["Connection"] = "close"
        return response

    async def _wait(self, duration_ns: int) -> None:
        if duration_ns:
            await asyncio.sleep(duration_ns / NS_PER_S / self._service.speed)


def create_app(service: Service, hang_up: Hangup) -> Starlette:
    """Create the application.

    Args:
        service: the account that it serves.
        hang_up: closes the connection of a request whose answer is lost.
    """
    pages = _Pages(service, hang_up)
    return Starlette(
        routes=[
            Route("/", pages.ec2, methods=["GET", "POST"]),
            Route("/live.json", pages.live),
            *(
                Route(f"{below}/latest{rest}", pages.metadata, methods=_METHODS)
                for below in ("", "/instance/{instance_id}")
                for rest in ("", "/{path:path}")
            ),
        ]
    )


async def _read_body(request: Request) -> bytes | None:
    """Read a body; None if it is too long."""
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= LONGEST_BODY:
            body += chunk
        elif size > _LONGEST_READ:
            break
    return bytes(body) if size <= LONGEST_BODY else None


def _xml(response: HttpResponse) -> Response:
    return Response(response.body, response.status_code, media_type=_XML)
