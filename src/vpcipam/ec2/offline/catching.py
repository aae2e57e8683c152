"""Catches every EC2 client that is made, by whomever, and lets a model answer it: boto3's, botocore's, aiobotocore's and aioboto3's."""

import inspect
import threading
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

import botocore.session
from botocore import UNSIGNED
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.answering import Answering
from vpcipam.errors import InvalidArgument

try:
    from aiobotocore.awsrequest import AioAWSResponse
    from aiobotocore.session import AioSession
except ImportError:  # it is no part of the extra
    AioAWSResponse = AioSession = None

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

_CREDENTIALS = {"aws_access_key_id": "offline", "aws_secret_access_key": "offline"}
_DEFAULT_REGION = "us-east-1"


class offline_ec2:  # noqa: N801 - it is used like a function
    """Let a model answer every EC2 client that is made meanwhile, also by code under test; as a context manager or a decorator.

    It catches `boto3.client`, `boto3.resource`, sessions of boto3 and botocore, and those of aiobotocore and aioboto3 if they are there,
    in every thread. A client needs no credentials, and without a configured region it gets us-east-1. Clients that were made before, and
    those of other services, stay as they are. A client that was made meanwhile refuses calls afterwards, so that a test can't reach AWS by
    mistake. Of several that are entered, the innermost one of the client's thread answers, else the latest one.

    A client retries as it is configured, with pauses in real time.

    Args:
        model: answers the calls, in all regions; by default a new one for each `with` and each call of a decorated function.
        now_ns: returns the time of each call, Unix nanoseconds; by default all calls happen at 0.

    Raises:
        InvalidArgument: (from a client's calls) the `with` block has ended.
        NotModelled: (from a client's calls) the action, or a parameter that affects addresses, is not modelled.

    Example:
        >>> import boto3
        >>> with offline_ec2() as model:
        ...     vpc = boto3.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]
        >>> [vpc.cidrs for vpc in model.vpcs]
        [('10.0.0.0/16',)]
    """

    def __init__(self, model: Ec2Model | None = None, *, now_ns: Callable[[], int] | None = None) -> None:
        self._model = model
        self._now_ns = now_ns or (lambda: 0)
        self._entered: list[Answering] = []

    def __enter__(self) -> Ec2Model:
        model = Ec2Model() if self._model is None else self._model
        answering = Answering(model, self._now_ns)
        self._entered.append(answering)
        _CATCHERS.add(answering)
        return model

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        answering = self._entered.pop()
        answering.end()
        _CATCHERS.remove(answering)

    def __call__(self, function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
        """Decorate a function, which may be asynchronous.

        Raises:
            InvalidArgument: for a class or a generator, whose code would run outside.
        """
        if inspect.isclass(function) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            message = f"offline_ec2 decorates functions and coroutines; {function.__qualname__} is a class or a generator"
            raise InvalidArgument(f"{message}: use `with offline_ec2():` inside, or the fixture ec2_offline")
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def answered_async(*arguments: _Parameters.args, **options: _Parameters.kwargs) -> object:
                with offline_ec2(self._model, now_ns=self._now_ns):
                    return await function(*arguments, **options)

            return cast("Callable[_Parameters, _Result]", answered_async)

        @wraps(function)
        def answered(*arguments: _Parameters.args, **options: _Parameters.kwargs) -> _Result:
            with offline_ec2(self._model, now_ns=self._now_ns):
                return function(*arguments, **options)

        return answered


class _Catchers:
    """Those who answer new clients. While there are any, the methods that make clients are replaced."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._catchers: list[tuple[int, Answering]] = []  # the thread that entered, and who answers
        self._replaced: list[tuple[type, str, Any]] = []

    def add(self, answering: Answering) -> None:
        """Answer new clients from now on."""
        with self._lock:
            self._catchers.append((threading.get_ident(), answering))
            if len(self._catchers) > 1:
                return
            self._replace(botocore.session.Session, "create_client", self._catch)
            if AioSession is not None:
                self._replace(AioSession, "_create_client", self._catch_async)

    def remove(self, answering: Answering) -> None:
        """Answer no new clients any more. Threads may end in another order than they began."""
        with self._lock:
            self._catchers = [each for each in self._catchers if each[1] is not answering]
            if self._catchers:
                return
            for owner, name, original in self._replaced:
                setattr(owner, name, original)
            self._replaced.clear()

    def _replace(self, owner: type, name: str, catch: Callable[[Any], Any]) -> None:
        original = vars(owner)[name]
        self._replaced.append((owner, name, original))
        setattr(owner, name, catch(original))

    def _latest(self) -> Answering | None:
        """Return the innermost one of this thread, else of any."""
        catchers = self._catchers
        own = [answering for thread, answering in catchers if thread == threading.get_ident()]
        return next(reversed(own or [answering for _, answering in catchers]), None)

    def _catch(self, original: Any) -> Any:  # noqa: ANN401 - a method of botocore
        @wraps(original)
        def create_client(session: Any, service_name: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - likewise
            answering = self._latest()
            if service_name != "ec2" or answering is None:
                return original(session, service_name, *arguments, **options)
            client = original(session, service_name, **_options(session, arguments, options))
            answering.answer_for(client)
            return client

        return create_client

    def _catch_async(self, original: Any) -> Any:  # noqa: ANN401 - a method of aiobotocore
        @wraps(original)
        async def create_client(session: Any, service_name: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - likewise
            answering = self._latest()
            if service_name != "ec2" or answering is None:
                return await original(session, service_name, *arguments, **options)
            client = await original(session, service_name, **_options(session, arguments, options))
            answering.answer_for(client, _async_response)
            return client

        return create_client


_CATCHERS = _Catchers()

_POSITIONAL = ("region_name", "api_version", "use_ssl", "verify", "endpoint_url", *_CREDENTIALS, "aws_session_token", "config")
"""The parameters of botocore's create_client after the service."""


def _options(session: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - botocore's session
    """Return the options of a client that signs nothing, so that nobody looks for credentials."""
    given = {**dict(zip(_POSITIONAL, arguments, strict=False)), **options}
    config = given.get("config")
    unsigned = Config(signature_version=UNSIGNED)
    return {
        **given,
        **_CREDENTIALS,
        "region_name": given.get("region_name") or session.get_config_variable("region") or _DEFAULT_REGION,
        "config": unsigned if config is None else config.merge(unsigned),
    }


def _async_response(url: str, status_code: int, headers: HTTPHeaders, body: bytes) -> AWSResponse:
    response: AWSResponse = AioAWSResponse(url, status_code, headers, _AsyncRaw(body))
    return response


class _AsyncRaw:
    """An answer's body with the interface that aiobotocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self) -> bytes:
        """Return the body."""
        return self._body
