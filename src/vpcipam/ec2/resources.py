"""The public values that no node asks for: Elastic IP addresses, launch templates, and settings of a launch."""

import base64
from collections.abc import Mapping
from typing import Any

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
