"""A node's EC2 calls over boto3, to the real EC2 or to the offline one of `vpcipam.ec2.fake`.

It needs the extra `[ec2]` (boto3). The caller provides the client, with region and credentials. `CLIENT_CONFIG` turns the client's own
retries off: botocore would repeat every call whose answer was lost, even where that does harm.
"""

import random
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from vpcipam._units import NS_PER_S
from vpcipam.ec2.answers import (
    device_order,
    read_assigned,
    read_assigned_ipv6_prefixes,
    read_instance,
    read_network_interface,
    read_reservation,
    read_subnet,
)
from vpcipam.ec2.api import AssignedAddresses, Instance, NetworkInterface, Subnet, SubnetCidrReservation
from vpcipam.ec2.errors import THROTTLED, Ec2Error, ErrorCode
from vpcipam.errors import InvalidArgument, MissingExtra, OutOfRange
from vpcipam.limits import InstanceLimits

try:
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError, HTTPClientError
    from botocore.parsers import ResponseParserError
except ImportError:
    raise MissingExtra("EC2 over the network needs boto3: pip install 'vpcipam[ec2]'") from None

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import TagTypeDef

CLIENT_CONFIG: Final = Config(retries={"mode": "legacy", "total_max_attempts": 1}, connect_timeout=5, read_timeout=30)
"""The client configuration for `BotoEc2`: `boto3.client("ec2", config=CLIENT_CONFIG)`. Times in seconds."""

FIRST_PAUSE_S = 0.2
PAUSE_FACTOR = 2
LONGEST_PAUSE_S = 60.0
JITTER = 0.15
"""The pauses between attempts: 200 ms, doubled each time, plus up to 15 % (ipamd: its retries of detaching and deleting ENIs)."""
ATTEMPT_COUNT = 8
"""The pauses of eight attempts add up to 25 s. EC2 fills an empty bucket of mutating calls (50 tokens, 5 a second) in 10 s."""

_PAGE_SIZE = 1_000
_PAGE_SIZE_OF_TYPES = 100
_GONE_STATES = {"shutting-down", "terminated"}
_SERVER_ERROR = 500
_NEVER_SENT = (EndpointConnectionError, ConnectTimeoutError)
_WITHOUT_ANSWER = (HTTPClientError, ResponseParserError)
_CODES = frozenset(ErrorCode)


class BotoEc2:
    """An `Ec2Api` over a boto3 client.

    It retries a call, with growing pauses, if EC2 throttled it or it never reached EC2. It also retries a call without an answer or with a
    server error (HTTP 500 and above) if repeating it does no harm: read-only calls, ModifyNetworkInterfaceAttribute, and
    CreateNetworkInterface, which has a client token.
    A final failure is an `Ec2Error` with EC2's code, with RequestTimeout for a call that was sent but not answered, or else with the name
    of botocore's error, such as EndpointConnectionError or NoCredentialsError. The cause is chained.

    Args:
        client: a boto3 client for EC2, created with `CLIENT_CONFIG`.
        metadata: reads the ENIs of an instance from its metadata, which only a program on that instance can; None calls
            DescribeNetworkInterfaces instead, which counts against EC2's limits.
        attempt_count: the highest number of attempts per call, 1 or more.
        sleep: waits for a number of seconds.
        chance: draws from 0 up to 1, exclusive, for the jitter.
        new_token: returns a new, unique client token.
    """

    def __init__(
        self,
        client: "EC2Client",
        *,
        metadata: Callable[[str], Iterable[NetworkInterface]] | None = None,
        attempt_count: int = ATTEMPT_COUNT,
        sleep: Callable[[float], object] = time.sleep,
        chance: Callable[[], float] = random.random,
        new_token: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        if attempt_count < 1:
            raise OutOfRange(f"attempt_count is {attempt_count}; it must be 1 or more")
        self._client = client
        self._metadata = metadata
        self._attempt_count = attempt_count
        self._sleep = sleep
        self._chance = chance
        self._new_token = new_token

    @property
    def elapsed_ns(self) -> int:
        """The total duration of all calls and pauses: always 0, since they take real time."""
        return 0

    @property
    def retries_throttling(self) -> bool:
        """Whether this client retries throttled calls by itself: always."""
        return True

    def pause(self, duration_ns: int) -> None:
        """Wait."""
        self._sleep(duration_ns / NS_PER_S)

    def create_network_interface(
        self,
        *,
        subnet_id: str,
        secondary_ip_count: int = 0,
        ipv4_prefix_count: int = 0,
        ipv6_address_count: int = 0,
        ipv6_prefix_count: int = 0,
        interface_type: str = "interface",
        description: str = "",
        tags: Iterable[tuple[str, str]] = (),
        security_group_ids: Iterable[str] = (),
        now_ns: int,
    ) -> NetworkInterface:
        """Create an ENI with its primary IP and, in the same call, secondary IPs or prefixes; all attempts have the same token."""
        pairs = _tag_members(tags)
        answer = self._call(
            "create_network_interface",
            repeatable=True,
            SubnetId=subnet_id,
            SecondaryPrivateIpAddressCount=secondary_ip_count or None,
            Ipv4PrefixCount=ipv4_prefix_count or None,
            Ipv6AddressCount=ipv6_address_count or None,
            Ipv6PrefixCount=ipv6_prefix_count or None,
            InterfaceType=None if interface_type == "interface" else interface_type,
            Description=description or None,
            TagSpecifications=[{"ResourceType": "network-interface", "Tags": pairs}] if pairs else None,
            Groups=list(security_group_ids) or None,
            ClientToken=self._new_token(),
        )
        return read_network_interface(answer["NetworkInterface"])

    def attach_network_interface(
        self, eni_id: str, instance_id: str, *, device_index: int, network_card_index: int = 0, now_ns: int
    ) -> str:
        """Attach an ENI and return the attachment's id."""
        answer = self._call(
            "attach_network_interface",
            NetworkInterfaceId=eni_id,
            InstanceId=instance_id,
            DeviceIndex=device_index,
            NetworkCardIndex=network_card_index or None,
        )
        attachment_id: str = answer["AttachmentId"]
        return attachment_id

    def modify_network_interface_attribute(
        self,
        eni_id: str,
        *,
        attachment_id: str | None = None,
        delete_on_termination: bool | None = None,
        security_group_ids: Iterable[str] = (),
        now_ns: int,
    ) -> None:
        """Set whether the ENI is deleted when its instance is terminated, or its security groups; repeating it does no harm."""
        attachment = {"AttachmentId": attachment_id, "DeleteOnTermination": delete_on_termination}
        self._call(
            "modify_network_interface_attribute",
            repeatable=True,
            NetworkInterfaceId=eni_id,
            Attachment=None if attachment_id is None else attachment,
            Groups=list(security_group_ids) or None,
        )

    def create_tags(self, resource_ids: Iterable[str], tags: Iterable[tuple[str, str]], *, now_ns: int) -> None:
        """Add tags, pairs of key and value, to resources; repeating it does no harm."""
        self._call("create_tags", repeatable=True, Resources=list(resource_ids), Tags=_tag_members(tags))

    def detach_network_interface(self, attachment_id: str, *, now_ns: int) -> None:
        """Detach an ENI other than the primary one."""
        self._call("detach_network_interface", AttachmentId=attachment_id)

    def delete_network_interface(self, eni_id: str, *, now_ns: int) -> None:
        """Delete a detached ENI; the subnet gets its addresses back."""
        self._call("delete_network_interface", NetworkInterfaceId=eni_id)

    def assign_private_ip_addresses(
        self,
        eni_id: str,
        *,
        secondary_ip_count: int = 0,
        ipv4_prefix_count: int = 0,
        addresses: Iterable[str] = (),
        prefixes: Iterable[str] = (),
        now_ns: int,
    ) -> AssignedAddresses:
        """Add secondary IPs or /28 prefixes, by count or by name."""
        answer = self._call(
            "assign_private_ip_addresses",
            NetworkInterfaceId=eni_id,
            SecondaryPrivateIpAddressCount=secondary_ip_count or None,
            Ipv4PrefixCount=ipv4_prefix_count or None,
            PrivateIpAddresses=list(addresses) or None,
            Ipv4Prefixes=list(prefixes) or None,
        )
        return read_assigned(answer)

    def unassign_private_ip_addresses(
        self, eni_id: str, *, addresses: Iterable[str] = (), prefixes: Iterable[str] = (), now_ns: int
    ) -> None:
        """Remove secondary IPs and prefixes from an ENI."""
        self._call(
            "unassign_private_ip_addresses",
            NetworkInterfaceId=eni_id,
            PrivateIpAddresses=list(addresses) or None,
            Ipv4Prefixes=list(prefixes) or None,
        )

    def assign_ipv6_addresses(self, eni_id: str, *, ipv6_prefix_count: int, now_ns: int) -> tuple[str, ...]:
        """Add /80 prefixes and return them."""
        return read_assigned_ipv6_prefixes(
            self._call("assign_ipv6_addresses", NetworkInterfaceId=eni_id, Ipv6PrefixCount=ipv6_prefix_count)
        )

    def describe_network_interfaces(
        self,
        *,
        eni_ids: Iterable[str] = (),
        instance_id: str | None = None,
        filters: Mapping[str, Iterable[str]] | None = None,
        now_ns: int,
    ) -> tuple[NetworkInterface, ...]:
        """List the ENIs that match all filters, ordered by id: the named ones, those attached to an instance, or all."""
        of_instance = {} if instance_id is None else {"attachment.instance-id": (instance_id,)}
        items = self._describe(
            "describe_network_interfaces",
            "NetworkInterfaces",
            names=("NetworkInterfaceIds", eni_ids),
            filters={**(filters or {}), **of_instance},
        )
        return tuple(sorted(map(read_network_interface, items), key=lambda eni: eni.eni_id))

    def describe_instance(self, instance_id: str, *, now_ns: int) -> Instance:
        """Return an instance with its ENIs, without their tags.

        Raises:
            Ec2Error: InvalidInstanceID.NotFound, also for a terminated instance, which EC2 still shows for an hour.
        """
        for reservation in self._describe("describe_instances", "Reservations", names=("InstanceIds", (instance_id,))):
            for instance in map(read_instance, _items(reservation, "Instances", "DescribeInstances")):
                if instance.state not in _GONE_STATES:
                    return instance
        raise Ec2Error(ErrorCode.INSTANCE_NOT_FOUND, f"The instance {instance_id!r} is terminated", "DescribeInstances")

    def describe_instances(
        self, *, instance_ids: Iterable[str] = (), filters: Mapping[str, Iterable[str]] | None = None, now_ns: int
    ) -> tuple[Instance, ...]:
        """List the instances that match all filters, ordered by id, without those that are terminated and without tags of ENIs."""
        found = self._describe("describe_instances", "Reservations", names=("InstanceIds", instance_ids), filters=filters)
        listed = [read_instance(item) for each in found for item in _items(each, "Instances", "DescribeInstances")]
        return tuple(sorted((each for each in listed if each.state not in _GONE_STATES), key=lambda instance: instance.instance_id))

    def describe_subnets(self, *, subnet_ids: Iterable[str] = (), vpc_id: str | None = None, now_ns: int) -> tuple[Subnet, ...]:
        """List subnets, ordered by id: the named ones, those of a VPC, or all."""
        of_vpc = {} if vpc_id is None else {"vpc-id": (vpc_id,)}
        items = self._describe("describe_subnets", "Subnets", names=("SubnetIds", subnet_ids), filters=of_vpc)
        return tuple(sorted(map(read_subnet, items), key=lambda subnet: subnet.subnet_id))

    def vpc_cidrs(self, vpc_id: str) -> tuple[str, ...]:
        """List the IPv4 CIDRs of a VPC, the primary one first."""
        (vpc,) = self._describe("describe_vpcs", "Vpcs", names=("VpcIds", (vpc_id,)))
        blocks = _items(vpc, "CidrBlockAssociationSet", "DescribeVpcs")
        return tuple(block["CidrBlock"] for block in blocks if block["CidrBlockState"]["State"] == "associated")

    def get_subnet_cidr_reservations(self, subnet_id: str, *, now_ns: int) -> tuple[SubnetCidrReservation, ...]:
        """List the reservations of a subnet, IPv4 and IPv6 ones, ordered by id."""
        found: list[SubnetCidrReservation] = []
        token = None
        while True:
            answer = self._call("get_subnet_cidr_reservations", repeatable=True, SubnetId=subnet_id, NextToken=token)
            for name in ("SubnetIpv4CidrReservations", "SubnetIpv6CidrReservations"):
                if answer.get(name) is not None:
                    found += map(read_reservation, _items(answer, name, "GetSubnetCidrReservations"))
            token = answer.get("NextToken")
            if not token:
                return tuple(sorted(found, key=lambda each: each.reservation_id))

    def describe_instance_types(self, instance_types: Iterable[str] = ()) -> tuple[InstanceLimits, ...]:
        """List the limits of instance types from EC2, ordered by name: the named ones, such as types missing from the table, or all.

        Raises:
            Ec2Error: InvalidInstanceType for a name that EC2 does not know; UnreadableAnswer for limits that make no sense.
        """
        items = self._describe(
            "describe_instance_types", "InstanceTypes", names=("InstanceTypes", instance_types), page_size=_PAGE_SIZE_OF_TYPES
        )
        try:
            found = list(map(InstanceLimits.from_describe_instance_types, items))
        except (InvalidArgument, TypeError) as error:
            raise Ec2Error("UnreadableAnswer", str(error), "DescribeInstanceTypes") from error
        return tuple(sorted(found, key=lambda limits: limits.instance_type))

    def instance_metadata(self, instance_id: str, *, now_ns: int) -> tuple[NetworkInterface, ...]:
        """List the attached ENIs by card and device index, without tags: from `metadata` if given, else from EC2."""
        enis = (
            self.describe_network_interfaces(instance_id=instance_id, now_ns=now_ns)
            if self._metadata is None
            else self._metadata(instance_id)
        )
        return tuple(sorted((attrs.evolve(eni, tags=()) for eni in enis), key=device_order))

    def _describe(
        self,
        method: str,
        into: str,
        *,
        names: tuple[str, Iterable[str]],
        filters: Mapping[str, Iterable[str]] | None = None,
        page_size: int = _PAGE_SIZE,
    ) -> list[Any]:
        """Return the items of all pages of a Describe… action; `names` is the parameter for names and its value, empty for all items."""
        parameter, values = names
        named = sorted(set(values))
        # EC2 refuses a page size together with names.
        members: dict[str, Any] = {parameter: named} if named else {"MaxResults": page_size}
        wanted = [{"Name": name, "Values": list(each)} for name, each in (filters or {}).items()]
        found: list[Any] = []
        token = None
        while True:
            answer = self._call(method, repeatable=True, **members, Filters=wanted or None, NextToken=token)
            found += _items(answer, into, self._client.meta.method_to_api_mapping[method])
            token = answer.get("NextToken")
            if not token:
                return found

    def _call(self, method: str, *, repeatable: bool = False, **members: Any) -> dict[str, Any]:  # noqa: ANN401  # EC2's types
        """Call EC2, with retries; members that are None are not sent."""
        action: str = self._client.meta.method_to_api_mapping[method]
        given = {name: value for name, value in members.items() if value is not None}
        call: Callable[..., dict[str, Any]] = getattr(self._client, method)
        pause_s, attempt = FIRST_PAUSE_S, 1
        while True:
            try:
                return call(**given)
            except (ClientError, BotoCoreError, ResponseParserError) as error:
                if attempt == self._attempt_count or not _is_retryable(error, repeatable=repeatable):
                    raise _refusal(error, action) from error
            self._sleep(pause_s * (1 + JITTER * self._chance()))
            pause_s, attempt = min(pause_s * PAUSE_FACTOR, LONGEST_PAUSE_S), attempt + 1


def _items(answer: object, name: str, action: str) -> list[Any]:
    """Return a list of an answer; without it there is nothing to read."""
    items = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(items, list):
        raise Ec2Error("UnreadableAnswer", f"the answer has no list {name}", action)
    return items


def _tag_members(tags: Iterable[tuple[str, str]]) -> list["TagTypeDef"]:
    return [{"Key": key, "Value": value} for key, value in tags]


def _is_retryable(error: Exception, *, repeatable: bool) -> bool:
    if isinstance(error, ClientError):
        status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return _code(error) in THROTTLED or (repeatable and status >= _SERVER_ERROR)
    return isinstance(error, _NEVER_SENT) or (repeatable and isinstance(error, _WITHOUT_ANSWER))


def _code(error: ClientError) -> str:
    code: str = error.response.get("Error", {}).get("Code", "Unknown")
    return code


def _refusal(error: Exception, action: str) -> Ec2Error:
    if isinstance(error, ClientError):
        code = _code(error)
        return Ec2Error(ErrorCode(code) if code in _CODES else code, error.response.get("Error", {}).get("Message", ""), action)
    if isinstance(error, _WITHOUT_ANSWER):
        return Ec2Error(ErrorCode.REQUEST_TIMEOUT, f"{error}; the call may have taken effect", action)
    return Ec2Error(type(error).__name__, str(error), action)
