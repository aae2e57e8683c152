"""The public values that no node asks for: Elastic IP addresses, launch templates, settings of a launch, and metadata options."""

import base64
from collections.abc import Mapping
from typing import Any, Final

import attrs

from vpcipam.errors import InvalidArgument


def _require_base64(_settings: "LaunchSettings", _attribute: "attrs.Attribute[str]", text: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        raise InvalidArgument("user_data must be base64") from None


@attrs.frozen
class LaunchSettings:
    """Parameters of a launch that affect no address, and that answers show.

    Attributes:
        key_name: the name of the key pair, which need not exist; empty for none.
        user_data: base64, as in EC2's requests; empty for none.
        monitored: whether monitoring is detailed.
        ebs_optimized: as in EC2.

    Raises:
        InvalidArgument: `user_data` is not base64.
    """

    key_name: str = ""
    user_data: str = attrs.field(default="", validator=_require_base64)
    monitored: bool = False
    ebs_optimized: bool = False


NO_SETTINGS = LaunchSettings()
"""The settings of a launch that names none."""


def _require_one_of(_options: "MetadataOptions", attribute: "attrs.Attribute[str]", value: str) -> None:
    first, second = attribute.metadata["values"]
    if value not in (first, second):
        name = _api_name(attribute.name)
        raise InvalidArgument(f"A value of '{value}' is not valid for {name}. Specify either '{first}' or '{second}' and try again.")


def _require_hop_limit(_options: "MetadataOptions", _attribute: "attrs.Attribute[int]", value: int) -> None:
    if not 1 <= value <= _MOST_HOPS:
        message = f"A value of '{value}' is not valid for HttpPutResponseHopLimit. Specify a value from 1 to {_MOST_HOPS} and try again."
        raise InvalidArgument(message)


def _one_of(default: str, *values: str) -> Any:  # noqa: ANN401 - a field of attrs, as its stubs have it
    return attrs.field(default=default, validator=_require_one_of, metadata={"values": values})


_MOST_HOPS = 64


@attrs.frozen
class MetadataOptions:
    """Who may read the metadata of an instance (EC2: InstanceMetadataOptionsResponse).

    The defaults are those of an image that requires IMDSv2, such as Amazon Linux 2023 (EC2: RegisterImage, `ImdsSupport`).

    Attributes:
        http_tokens: `required` if a read needs a token (IMDSv2), `optional` if it does not.
        http_put_response_hop_limit: how many hops a token travels, 1 to 64. The model has no hops, so it is only shown.
        http_endpoint: `disabled` if nothing can be read.
        http_protocol_ipv6: whether the service has an IPv6 address too, `enabled` or `disabled`; only shown.
        instance_metadata_tags: `enabled` if the metadata has the tags of the instance.
        state: `pending` after a change of a stopped instance, until it starts; else `applied`.

    Raises:
        InvalidArgument: EC2 does not accept a value; the message has EC2's words.
    """

    http_tokens: str = _one_of("required", "optional", "required")
    http_put_response_hop_limit: int = attrs.field(default=2, validator=_require_hop_limit)
    http_endpoint: str = _one_of("enabled", "enabled", "disabled")
    http_protocol_ipv6: str = _one_of("disabled", "enabled", "disabled")
    instance_metadata_tags: str = _one_of("disabled", "enabled", "disabled")
    state: str = _one_of("applied", "pending", "applied")


def _api_name(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


METADATA_MEMBERS: Final = {_api_name(each.name): each.name for each in attrs.fields(MetadataOptions)}
"""The fields of `MetadataOptions` by EC2's names."""
METADATA_PARAMETERS: Final = tuple(name for name in METADATA_MEMBERS if name != "State")
"""EC2's names of the metadata options that a request can set."""
METADATA_DEFAULTS: Final = MetadataOptions()


@attrs.frozen
class ElasticIp:
    """An Elastic IP address as DescribeAddresses shows it.

    Attributes:
        association_id, eni_id, private_ip: where it is associated; empty if it is not.
        instance_id: the instance that its ENI is attached to; empty for none.
        tags: pairs of key and value, sorted.
    """

    allocation_id: str
    public_ip: str
    association_id: str = ""
    eni_id: str = ""
    private_ip: str = ""
    instance_id: str = ""
    tags: tuple[tuple[str, str], ...] = ()


@attrs.frozen
class LaunchTemplate:
    """A launch template, without its versions.

    Attributes:
        default_number: the version that a launch takes if it names none.
        latest_number: the number of its latest version.
        tags: pairs of key and value, sorted.
    """

    template_id: str
    template_name: str
    created_ns: int
    default_number: int
    latest_number: int
    tags: tuple[tuple[str, str], ...] = ()


@attrs.frozen
class LaunchTemplateVersion:
    """One version of a launch template.

    Attributes:
        data: the parameters of a launch, with boto3's names, such as `{"InstanceType": "m5.large"}`.
    """

    template_id: str
    template_name: str
    number: int
    data: Mapping[str, Any]
    description: str
    created_ns: int
    is_default: bool = False
