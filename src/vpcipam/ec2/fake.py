"""An offline EC2 for boto3: a real client whose calls an `Ec2Model` answers within the process.

It needs the extra `[ec2]` (boto3). Botocore validates and serializes every request, parses the answer and raises `ClientError`; its
paginators and waiters work. Only the network is replaced: the client opens no socket, and it reads no credentials, configuration files or
environment variables.

The client answers the actions of `vpcipam.ec2.offline.server.ACTIONS`. It raises `NotModelled` for any other action, and for a parameter
that affects addresses in EC2 but is not modelled. `NotModelled` is not a `ClientError`, so that code under test does not mistake it for an
answer. Parameters that don't affect addresses (images, key pairs, user data, …) are ignored; each `ActionHandler` lists them as
`ignores`.

A call with `DryRun=True` gets DryRunOperation. A repeated `ClientToken` gets the first answer again.
"""

import functools
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import attrs

from vpcipam._units import NS_PER_S
from vpcipam.ec2.errors import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.offline.server import Server
from vpcipam.errors import InvalidArgument, MissingExtra

try:
    import boto3
    import botocore.session
    from botocore import UNSIGNED
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from botocore.compat import HTTPHeaders
    from botocore.config import Config
    from botocore.exceptions import ReadTimeoutError
    from botocore.loaders import Loader
except ImportError:
    raise MissingExtra("the offline EC2 needs boto3: pip install 'vpcipam[ec2]'") from None

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_SERVICE: Final = "ec2"
_CREDENTIALS = {"aws_access_key_id": "offline", "aws_secret_access_key": "offline", "aws_session_token": "offline"}
_NO_FILE = os.devnull
"""An empty file, used as the session's configuration and credentials file."""
_CONFIG = Config(
    signature_version=UNSIGNED,
    # Botocore's default mode, and the only one that adds nothing to answers while retries are off.
    retries={"mode": "legacy", "total_max_attempts": 1},
    defaults_mode="legacy",  # type: ignore[arg-type] # botocore-stubs declare it as a bool
    use_dualstack_endpoint=False,
    use_fips_endpoint=False,
    proxies={},
)


@attrs.define
class Clock:
    """A clock for `now_ns` that moves only when `advance` is called.

    Attributes:
        now_ns: its time, Unix nanoseconds.
    """

    now_ns: int = 0

    def __call__(self) -> int:
        """Return the time."""
        return self.now_ns

    def advance(self, seconds: float) -> None:
        """Advance by a number of seconds, to the nanosecond.

        Raises:
            InvalidArgument: the number is negative.
        """
        if seconds < 0:
            raise InvalidArgument(f"a clock can't go back by {-seconds} seconds")
        self.now_ns += round(seconds * NS_PER_S)


def fake_client(
    service_name: str,
    model: Ec2Model,
    *,
    region_name: str = "us-east-1",
    now_ns: Callable[[], int] | None = None,
    config: Config | None = None,
) -> "EC2Client":
    """Create a boto3 client for EC2 that a model answers.

    Args:
        service_name: `ec2`, as for `boto3.client`.
        model: answers the calls; a test may inspect and change it directly.
        region_name: the region in the answers, whose first zone is the default zone of new subnets.
        now_ns: returns the time of each call, Unix nanoseconds, such as a `Clock`; by default all calls happen at 0.
        config: changes to the client's configuration. By default the client does not retry: botocore would wait in real time, while the
            model's time stands still.

    Raises:
        InvalidArgument: `service_name` is another service.
        NotModelled: (from the client's calls) the action, or a parameter that affects addresses, is not modelled.

    Example:
        >>> ec2 = Ec2Model()
        >>> client = fake_client("ec2", ec2)
        >>> vpc_id = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        >>> subnet_id = client.create_subnet(VpcId=vpc_id, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        >>> eni = client.create_network_interface(SubnetId=subnet_id, Ipv4PrefixCount=2)["NetworkInterface"]
        >>> [each["Ipv4Prefix"] for each in eni["Ipv4Prefixes"]]
        ['10.0.1.16/28', '10.0.1.32/28']
        >>> ec2.subnets[0].available_ip_address_count
        218
    """
    if service_name != _SERVICE:
        raise InvalidArgument(f"only the service {_SERVICE!r} is modelled, not {service_name!r}")
    client: EC2Client = _session().client(
        _SERVICE,
        region_name=region_name,
        # This name never resolves (RFC 6761), so that even a bug here can't reach a server.
        endpoint_url=f"https://ec2.{region_name}.offline.invalid",
        verify=False,
        config=_CONFIG if config is None else _CONFIG.merge(config),
    )
    server = Server(model, Region(region_name), now_ns or Clock())

    def answer(request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse:
        operation = client.meta.service_model.operation_model(event_name.rpartition(".")[2])
        try:
            answered = server.answer(str(request.body), operation)
        except Ec2Error as error:
            raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
        return AWSResponse(request.url, answered.status_code, _headers(), _Raw(answered.body))

    client.meta.events.register("before-send.ec2", answer)  # type: ignore[arg-type] # the stubs declare no handler that returns an answer
    return client


def _headers() -> HTTPHeaders:
    headers = HTTPHeaders()
    headers["Content-Type"] = "text/xml;charset=UTF-8"
    return headers


@functools.cache
def _session() -> "boto3.session.Session":
    """Create the session that all offline clients share, since loading the service description takes most of a client's set-up time."""
    session = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, _NO_FILE, None),
            "credentials_file": (None, None, _NO_FILE, None),
        }
    )
    session.register_component("data_loader", Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False))
    return boto3.session.Session(botocore_session=session, **_CREDENTIALS)


class _Raw:
    """An answer's body with the interface of the connection that botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:  # noqa: ANN401  # ignored: the body comes in one piece
        """Yield the body."""
        yield self._body
