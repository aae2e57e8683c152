"""One served account: the EC2 endpoint and the metadata service of its instances, without HTTP."""

from collections.abc import Callable, Mapping
from html import escape
from typing import Any, Final

import attrs

from vpcipam.ec2.api import Instance
from vpcipam.ec2.errors import Ec2Error, ErrorCode
from vpcipam.ec2.faults import Crash
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.serve.endpoint import Endpoint
from vpcipam.ec2.serve.metadata import (
    TOKEN_HEADER,
    TOKEN_PATH,
    TOKEN_TTL_HEADER,
    InstanceMetadata,
    TokenIssuer,
    read_ttl,
)
from vpcipam.ec2.serve.page import live_state

_REASONS: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Not Allowed",
    503: "Service Unavailable",
}


@attrs.frozen
class MetadataReply:
    """An answer of the metadata service.

    Attributes:
        headers: those beside the content type and the length.
        duration_ns: how long the read takes, in the model's time.
        lost: whether the answer is lost: close the connection without it.
    """

    status_code: int
    text: str
    headers: Mapping[str, str] = attrs.field(factory=dict)
    duration_ns: int = 0
    lost: bool = False

    @property
    def is_page(self) -> bool:
        """Whether the text is HTML, as that of every refusal."""
        return self.status_code >= 400


class Service:
    """An account in one region. It does not lock: call it from one thread.

    Args:
        model: the account.
        region: the region in the answers.
        now_ns: returns the time of each call, Unix nanoseconds.
        token_key: signs the tokens of IMDSv2.
        speed: how many seconds of `now_ns` pass in a second; a token lasts so much longer.
        instance_id: the instance whose metadata is at `/latest/`; None for the only one.
    """

    def __init__(
        self,
        model: Ec2Model,
        region: Region,
        now_ns: Callable[[], int],
        *,
        token_key: bytes,
        speed: float = 1,
        instance_id: str | None = None,
    ) -> None:
        self.model = model
        self.region = region
        self.now_ns = now_ns
        self.speed = speed
        self.endpoint = Endpoint(model, region, now_ns)
        self._tokens = TokenIssuer(token_key)
        self._instance_id = instance_id

    def live(self, since: str) -> dict[str, Any] | None:
        """Return what the page shows; None if nothing has changed since a version of it."""
        calls = tuple(self.endpoint.log)
        version = f"{calls[-1].number if calls else 0}.{self.model.metadata_read_count}"
        return None if since == version else live_state(self.model, calls, self.region.name, version)

    def metadata(self, method: str, instance_id: str | None, path: str, headers: Mapping[str, str]) -> MetadataReply:
        """Answer a read of `/latest/` plus a path, or a request for a token.

        Args:
            method: GET, HEAD or PUT; every other one is refused.
            instance_id: None for the instance of `/latest/`.
            path: what follows `/latest/`.
            headers: by name, in any case.
        """
        instance_id = instance_id or self._default_instance()
        instance = None if instance_id is None else self.model.instance(instance_id)
        if instance is None or instance_id is None:
            return _refusal(404, _WHICH if instance_id is None else f"There is no instance {instance_id}.")
        if instance.state != "running":
            return _refusal(404, f"The instance {instance_id} is {instance.state}, so nothing can read its metadata.")
        if instance.metadata_options.http_endpoint == "disabled":
            return _refusal(403)
        if path.strip("/") == TOKEN_PATH:
            return self._issue(method, instance_id, headers)
        if method not in ("GET", "HEAD"):
            return _refusal(405)
        token, shown = headers.get(TOKEN_HEADER), {}
        if token is not None:
            ttl_s = self._tokens.ttl_s(token, instance_id, self._token_time_ns())
            if ttl_s is None:
                return _refusal(401)
            shown = {TOKEN_TTL_HEADER: str(ttl_s)}
        elif instance.metadata_options.http_tokens == "required":
            return _refusal(401)
        return self._read(instance, path, shown)

    def _default_instance(self) -> str | None:
        if self._instance_id is not None:
            return self._instance_id
        instances = self.model.instances
        return instances[0].instance_id if len(instances) == 1 else None

    def _issue(self, method: str, instance_id: str, headers: Mapping[str, str]) -> MetadataReply:
        if method != "PUT":
            return _refusal(405)
        if "X-Forwarded-For" in headers:  # a proxy must not fetch tokens for others
            return _refusal(403)
        ttl_s = read_ttl(headers.get(TOKEN_TTL_HEADER))
        if ttl_s is None:
            return _refusal(400)
        return MetadataReply(200, self._tokens.issue(instance_id, ttl_s, self._token_time_ns()), {TOKEN_TTL_HEADER: str(ttl_s)})

    def _token_time_ns(self) -> int:
        """Return a time that passes as that of the clients does."""
        return round(self.now_ns() / self.speed)

    def _read(self, instance: Instance, path: str, headers: Mapping[str, str]) -> MetadataReply:
        before_ns = self.model.elapsed_ns
        try:
            interfaces = self.model.instance_metadata(instance.instance_id, now_ns=self.now_ns())
        except Crash:
            return MetadataReply(503, "", lost=True, duration_ns=self.model.elapsed_ns - before_ns)
        except Ec2Error as error:
            lost = error.code == ErrorCode.REQUEST_TIMEOUT
            return attrs.evolve(_refusal(404 if error.code == ErrorCode.INSTANCE_NOT_FOUND else 503, error.message), lost=lost)
        seen = InstanceMetadata(
            instance,
            self.model.limits_of(instance).architecture,
            interfaces,
            {subnet.subnet_id: subnet for subnet in self.model.subnets},
            {vpc.vpc_id: vpc for vpc in self.model.vpcs},
            self.region,
        )
        text = seen.read(path)
        if text is None:
            return _refusal(404)
        return MetadataReply(200, text, headers, self.model.elapsed_ns - before_ns)


_WHICH = "Which instance? Start the server with --instance ID, or read below /instance/ID/latest/."


def _refusal(status_code: int, why: str = "") -> MetadataReply:
    title = f"{status_code} - {_REASONS[status_code]}"
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1>{f'<p>{escape(why)}</p>' if why else ''}</body></html>\n"
    return MetadataReply(status_code, page)
