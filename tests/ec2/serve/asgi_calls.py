"""Requests to an ASGI application in this process."""

import asyncio
from types import SimpleNamespace

import attrs

from vpcipam.ec2.serve.app import create_app

CLIENT = ("127.0.0.1", 40_000)


@attrs.frozen
class Answer:
    """An answer; its status is 0 if the connection was closed without one. `unread` messages of the request were not read."""

    status: int
    headers: dict
    body: bytes
    unread: int = 0

    @property
    def text(self):
        return self.body.decode()

    @property
    def code(self):
        """EC2's error code."""
        return self.text.partition("<Code>")[2].partition("</Code>")[0]


class Connection:
    """What the application sees of a client."""

    def __init__(self, messages):
        self.messages = list(messages)
        self.sent = []
        self.hung_up = False

    async def receive(self):
        return self.messages.pop(0) if self.messages else {"type": "http.disconnect"}

    async def send(self, message):
        self.sent.append(message)


def asgi_request(app, method, path, *, query="", headers=(), body=b"", messages=None):
    """Send a request; `messages` replaces those of a whole body."""
    if messages is None:
        messages = [{"type": "http.request", "body": body, "more_body": False}]
    connection = Connection(messages)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query if isinstance(query, bytes) else query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in dict(headers).items()],
        "client": CLIENT,
        "server": ("127.0.0.1", 80),
    }
    asyncio.run(app(scope, connection.receive, connection.send))
    if not connection.sent:
        return Answer(0, {}, b"")
    start, *bodies = connection.sent
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], found, b"".join(each.get("body", b"") for each in bodies), len(connection.messages))


def form_of(action, **parameters):
    """The form of a call; `__` stands for a dot."""
    pairs = {"Action": action, "Version": "2016-11-15", **{name.replace("__", "."): value for name, value in parameters.items()}}
    return "&".join(f"{name}={value}" for name, value in pairs.items())


def served(service, hung_up=None):
    """An application, and a function that calls an action of EC2."""
    gone = [] if hung_up is None else hung_up
    app = create_app(service, lambda scope: gone.append(scope["client"]))
    return SimpleNamespace(
        app=app,
        hung_up=gone,
        request=lambda method, path, **options: asgi_request(app, method, path, **options),
        post=lambda action, **parameters: asgi_request(app, "POST", "/", body=form_of(action, **parameters).encode()),
        get=lambda path, **headers: asgi_request(
            app, "GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()}
        ),
    )
