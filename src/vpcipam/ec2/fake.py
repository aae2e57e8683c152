"""An offline EC2 for boto3: real clients whose calls an `Ec2Model` answers within the process.

`fake_client` makes a client, `fake_session` a session for clients and resources, and `offline_ec2` catches every client that anyone makes
while it lasts. They need the extra `[ec2]` (boto3). Botocore validates and serializes every request, parses the answer and raises
`ClientError`; its paginators and waiters work. Only the network is replaced: the client opens no socket. Those of `fake_client` and
`fake_session` read no credentials, configuration files or environment variables.

A client answers the actions of `vpcipam.ec2.offline.server.ACTIONS`. It raises `NotModelled` for any other action, and for a parameter
that affects addresses in EC2 but is not modelled. `NotModelled` is not a `ClientError`, so that code under test does not mistake it for an
answer. Parameters that don't affect addresses (images, key pairs, user data, …) are ignored; each `ActionHandler` lists them as
`ignores`.

A call with `DryRun=True` gets DryRunOperation. A repeated `ClientToken` gets the first answer again.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from vpcipam._units import NS_PER_S
from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import InvalidArgument, MissingExtra

try:
    import boto3
    import botocore.session
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.loaders import Loader
except ImportError:
    raise MissingExtra("the offline EC2 needs boto3: pip install 'vpcipam[ec2]'") from None

from vpcipam.ec2.offline.answering import Answering
from vpcipam.ec2.offline.catching import offline_ec2

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

__all__ = ["Clock", "fake_client", "fake_session", "offline_ec2"]

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
    _require_ec2(service_name)
    client: EC2Client = _session().client(_SERVICE, **_options(region_name, config))
    Answering(model, now_ns or Clock()).answer_for(client)
    return client


def fake_session(
    model: Ec2Model,
    *,
    region_name: str = "us-east-1",
    now_ns: Callable[[], int] | None = None,
    config: Config | None = None,
) -> "boto3.session.Session":
    """Create a boto3 session whose EC2 clients and resources a model answers.

    Args:
        model: answers the calls; all clients of the session share it.
        region_name: the region of the clients that name none.
        now_ns: as for `fake_client`.
        config: changes to the configuration of the clients that give none; see `fake_client`.

    Raises:
        InvalidArgument: (from `client` and `resource`) the service is not `ec2`.

    Example:
        >>> ec2 = fake_session(Ec2Model()).resource("ec2")
        >>> subnet = ec2.create_vpc(CidrBlock="10.0.0.0/16").create_subnet(CidrBlock="10.0.1.0/24")
        >>> subnet.create_network_interface(Ipv4PrefixCount=1).private_ip_address
        '10.0.1.4'
        >>> subnet.reload()
        >>> subnet.available_ip_address_count
        234
    """
    return boto3.session.Session(
        botocore_session=_AnsweredSession(Answering(model, now_ns or Clock()), config), region_name=region_name, **_CREDENTIALS
    )


def _options(region_name: str, config: Config | None) -> dict[str, Any]:
    """Return the options of a client that reaches nobody."""
    return {
        "region_name": region_name,
        # This name never resolves (RFC 6761), so that even a bug here can't reach a server.
        "endpoint_url": f"https://ec2.{region_name}.offline.invalid",
        "verify": False,
        "config": _CONFIG if config is None else _CONFIG.merge(config),
    }


_ALONE: dict[str, Any] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, _NO_FILE, None),
    "credentials_file": (None, None, _NO_FILE, None),
}
"""Variables of a session that reads no environment and no file."""


@functools.cache
def _loader() -> Loader:
    """Create the loader that all offline clients share, since loading the service description takes most of a client's set-up time."""
    own_data = str(Path(boto3.__file__).parent / "data")  # boto3 would append it for each session
    return Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH, own_data], include_default_search_paths=False)


@functools.cache
def _session() -> "boto3.session.Session":
    session = botocore.session.Session(session_vars=_ALONE)
    session.register_component("data_loader", _loader())
    return boto3.session.Session(botocore_session=session, **_CREDENTIALS)


class _AnsweredSession(botocore.session.Session):
    """A botocore session that reads nothing, and makes EC2 clients that a model answers."""

    def __init__(self, answering: Answering, config: Config | None) -> None:
        super().__init__(session_vars=_ALONE)
        self.register_component("data_loader", _loader())
        self._answering = answering
        self._client_config = config

    def create_client(self, service_name: str, region_name: str | None = None, *_: Any, **options: Any) -> Any:  # noqa: ANN401 - as botocore's
        """Create a client; what is given about endpoints, credentials and certificates is ignored."""
        _require_ec2(service_name)
        config = options.get("config")
        region_name = region_name or self.get_config_variable("region")
        made = {**_options(region_name, self._client_config if config is None else config), **_CREDENTIALS}
        client = super().create_client(service_name, **made)
        self._answering.answer_for(client)
        return client


def _require_ec2(service_name: str) -> None:
    if service_name != _SERVICE:
        raise InvalidArgument(f"only the service {_SERVICE!r} is modelled, not {service_name!r}")
