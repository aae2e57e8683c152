"""What a node asks of EC2: a protocol, its value types, its errors.

Names are EC2's own, in snake case: `create_network_interface` is the action CreateNetworkInterface. Every call takes `now_ns`, the time
of the call in Unix nanoseconds, so that a model can throttle, delay and age; an implementation over the network ignores it.
"""

import enum
from collections.abc import Iterable, Mapping
from typing import Protocol

import attrs

from vpcipam.errors import InvalidArgument, VpcIpamError
from vpcipam.limits import InstanceLimits


class ErrorCode(enum.StrEnum):
    """EC2's error codes, as far as a node tells them apart or the model answers them."""

    INSUFFICIENT_FREE_ADDRESSES = "InsufficientFreeAddressesInSubnet"
    INSUFFICIENT_CIDR_BLOCKS = "InsufficientCidrBlocks"
    INVALID_PARAMETER_VALUE = "InvalidParameterValue"
    INVALID_PARAMETER_COMBINATION = "InvalidParameterCombination"
    PRIVATE_IP_LIMIT_EXCEEDED = "PrivateIpAddressLimitExceeded"
    ATTACHMENT_LIMIT_EXCEEDED = "AttachmentLimitExceeded"
    ENI_NOT_FOUND = "InvalidNetworkInterfaceID.NotFound"
    ENI_IN_USE = "InvalidNetworkInterface.InUse"
    ATTACHMENT_NOT_FOUND = "InvalidAttachmentID.NotFound"
    SUBNET_NOT_FOUND = "InvalidSubnetID.NotFound"
    INSTANCE_NOT_FOUND = "InvalidInstanceID.NotFound"
    VPC_NOT_FOUND = "InvalidVpcID.NotFound"
    SUBNET_CONFLICT = "InvalidSubnet.Conflict"
    SUBNET_RANGE = "InvalidSubnet.Range"
    ADDRESS_LIMIT_EXCEEDED = "InvalidInterface.IpAddressLimitExceeded"
    VPC_RANGE = "InvalidVpc.Range"
    CIDR_CONFLICT = "CidrConflict"
    DEPENDENCY_VIOLATION = "DependencyViolation"
    OPERATION_NOT_PERMITTED = "OperationNotPermitted"
    REQUEST_LIMIT_EXCEEDED = "RequestLimitExceeded"
    ADDRESS_IN_USE = "InvalidIPAddress.InUse"
    ASSOCIATION_NOT_FOUND = "InvalidAssociationID.NotFound"
    CIDR_ASSOCIATION_NOT_FOUND = "InvalidVpcCidrBlockAssociationID.NotFound"
    CIDR_IN_USE = "InvalidCidrBlock.InUse"
    INSTANCE_TYPE_UNKNOWN = "InvalidInstanceType"
    INVALID_ID = "InvalidID"
    MISSING_PARAMETER = "MissingParameter"
    RESERVATION_NOT_FOUND = "InvalidSubnetCidrReservationID.NotFound"
    TAG_LIMIT_EXCEEDED = "TagLimitExceeded"
    UNAUTHORIZED = "UnauthorizedOperation"
    REQUEST_TIMEOUT = "RequestTimeout"


OUT_OF_ADDRESSES = frozenset({ErrorCode.INSUFFICIENT_FREE_ADDRESSES, ErrorCode.INSUFFICIENT_CIDR_BLOCKS})
"""The codes after which a node leaves its subnet alone for a while (reference, section 5: 120 s)."""


THROTTLED = frozenset(
    {ErrorCode.REQUEST_LIMIT_EXCEEDED, "Throttling", "ThrottlingException", "RequestThrottled", "TooManyRequestsException"}
)
"""The codes with which AWS asks a caller to come back later."""


METADATA_ACTION = "InstanceMetadata"
"""What reading the instance's metadata is called beside EC2's actions. It is none of them: it is free of charge and never throttled."""


def is_mutating(action: str) -> bool:
    """Tell whether an action may change something; EC2 names those that only look Describe…, Get…, List… and Search…."""
    return action != METADATA_ACTION and not action.startswith(("Describe", "Get", "List", "Search"))


def require_action(where: str, action: str) -> None:
    """Refuse what can be no name of an action, such as that of a Python method; `where` begins the sentence.

    Raises:
        InvalidArgument: it is not written as EC2 does.
    """
    if not (action[:1].isupper() and action.isalnum()):
        raise InvalidArgument(f"{where} must be written as EC2 does, AttachNetworkInterface for one, not {action!r}")


NO_ROOM_FOR_SECONDARY = "There aren't sufficient free Ipv4 addresses or prefixes"
"""How the message of an InvalidParameterValue begins when CreateNetworkInterface finds too little room for secondary IPs or prefixes."""


class Ec2Error(VpcIpamError):
    """EC2 refused a call. Nothing changed there, unless the code is RequestTimeout: then no answer came, and nobody knows.

    Attributes:
        code: EC2's error code; an `ErrorCode` where a node tells it apart, other text otherwise.
        message: what EC2 says about it.
        action: the action that was refused, `CreateNetworkInterface` for one.
    """

    def __init__(self, code: str, message: str, action: str) -> None:
        super().__init__(f"{action}: {code}: {message}")
        self.code = code
        self.message = message
        self.action = action

    def __reduce__(self) -> tuple[object, ...]:
        """Let it cross to another process; an exception is otherwise made anew of its message alone."""
        return type(self), (self.code, self.message, self.action), self.__dict__

    @property
    def out_of_addresses(self) -> bool:
        """Tell whether the subnet has too few addresses, or no free /28; on CreateNetworkInterface only the message says so."""
        if self.code == ErrorCode.INVALID_PARAMETER_VALUE:
            return NO_ROOM_FOR_SECONDARY in self.message
        return self.code in OUT_OF_ADDRESSES


class LostAnswer(Ec2Error):
    """EC2 carried a call out, and its answer was lost on its way; only a model knows, and raises it.

    Attributes:
        answer: what the answer would have been, for a retry that bears the same token; None of a call that only looks.
    """

    def __init__(self, code: str, message: str, action: str, answer: object) -> None:
        super().__init__(code, message, action)
        self.answer = answer

    def __reduce__(self) -> tuple[object, ...]:
        """See `Ec2Error`."""
        return type(self), (self.code, self.message, self.action, self.answer), self.__dict__


@attrs.frozen
class Attachment:
    """The attachment of an ENI to an instance."""

    attachment_id: str
    instance_id: str
    device_index: int
    network_card_index: int
    delete_on_termination: bool


@attrs.frozen
class NetworkInterface:
    """An ENI and its addresses, each tuple in ascending order of addresses.

    Attributes:
        private_ip: the primary IPv4 address, which is never a pod's; empty for an ENI that has none: EFA-only, or in an IPv6-only subnet.
        interface_type: `interface`, `trunk`, `branch` or `efa`; an ENI that is associated with a trunk is a branch.
        status: `in-use` while it is attached, or associated with a trunk; else `available`.
        tags: pairs of key and value, sorted. The metadata of an instance shows none.
    """

    eni_id: str
    subnet_id: str
    vpc_id: str
    availability_zone: str
    private_ip: str
    secondary_ips: tuple[str, ...] = ()
    ipv4_prefixes: tuple[str, ...] = ()
    ipv6_addresses: tuple[str, ...] = ()
    ipv6_prefixes: tuple[str, ...] = ()
    interface_type: str = "interface"
    status: str = "available"
    description: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    attachment: Attachment | None = None
    created_ns: int = 0
    source_dest_check: bool = True

    def tag(self, key: str) -> str | None:
        """The value of a tag, None where it is not set."""
        return dict(self.tags).get(key)


@attrs.frozen
class Instance:
    """An instance and its attached ENIs, ordered by network card and device index.

    Attributes:
        tags: pairs of key and value, sorted.
    """

    instance_id: str
    instance_type: str
    subnet_id: str
    network_interfaces: tuple[NetworkInterface, ...]
    tags: tuple[tuple[str, str], ...] = ()
    vpc_id: str = ""
    availability_zone: str = ""
    state: str = "running"
    launched_ns: int = 0

    def free_device_index(self, network_card_index: int) -> int:
        """The lowest device index of a card that no ENI has; whether the type allows one more ENI is for EC2 to say."""
        taken = {
            eni.attachment.device_index
            for eni in self.network_interfaces
            if eni.attachment is not None and eni.attachment.network_card_index == network_card_index
        }
        return next(index for index in range(len(taken) + 1) if index not in taken)


@attrs.frozen
class CidrAssociation:
    """One IPv4 CIDR of a VPC, and the id under which it can be taken away."""

    association_id: str
    cidr: str


@attrs.frozen
class Vpc:
    """A VPC as DescribeVpcs shows it.

    Attributes:
        cidrs: its IPv4 blocks, the primary one first, then in the order in which they were associated.
        associations: the same with their ids.
        tags: pairs of key and value, sorted.
    """

    vpc_id: str
    cidrs: tuple[str, ...]
    ipv6_cidr: str | None = None
    associations: tuple[CidrAssociation, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()


@attrs.frozen
class Subnet:
    """A subnet as DescribeSubnets shows it.

    Attributes:
        available_ip_address_count: free IPv4 addresses; a prefix in use counts 16, reserved ranges are not free.
        tags: pairs of key and value, sorted.
    """

    subnet_id: str
    vpc_id: str
    availability_zone: str
    cidr: str
    available_ip_address_count: int
    ipv6_cidr: str | None = None
    tags: tuple[tuple[str, str], ...] = ()

    def tag(self, key: str) -> str | None:
        """The value of a tag, None where it is not set."""
        return dict(self.tags).get(key)


@attrs.frozen
class SubnetSpace:
    """The IPv4 addresses of a subnet: `kept` + `taken` + `free` + `reserved` = `total`.

    Attributes:
        kept: those that EC2 keeps for itself.
        taken: those of ENIs: primary and secondary ones, 16 for each prefix.
        free: those that nobody has, outside of reservations: EC2 shows them as available and picks among them.
        reserved: those that nobody has, inside of reservations.
        largest_free: the longest run of addresses that nobody has.
        free_prefix_count: aligned /28s of which nobody has any address, in reservations and outside.
        stranded: addresses that nobody has, in /28s of which somebody has some: they can't be in a prefix.
    """

    total: int
    kept: int
    taken: int
    free: int
    reserved: int
    largest_free: int
    free_prefix_count: int
    stranded: int


@attrs.frozen
class SubnetCidrReservation:
    """A range of a subnet that automatic picks stay out of.

    Attributes:
        reservation_type: `prefix`, from which prefixes are picked, or `explicit`, from which nothing is.
        tags: pairs of key and value, sorted.
    """

    reservation_id: str
    subnet_id: str
    cidr: str
    reservation_type: str
    description: str = ""
    tags: tuple[tuple[str, str], ...] = ()


@attrs.frozen
class TrunkAssociation:
    """What makes an ENI a branch of a trunk ENI.

    Attributes:
        vlan_id: for the protocol VLAN, else None.
        gre_key: for the protocol GRE, else None.
        tags: pairs of key and value, sorted.
    """

    association_id: str
    branch_eni_id: str
    trunk_eni_id: str
    vlan_id: int | None = None
    gre_key: int | None = None
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def interface_protocol(self) -> str:
        """`VLAN` or `GRE`."""
        return "GRE" if self.vlan_id is None else "VLAN"


@attrs.frozen
class TagDescription:
    """One tag of one resource, as DescribeTags shows it."""

    resource_id: str
    resource_type: str
    key: str
    value: str


@attrs.frozen
class AssignedAddresses:
    """What AssignPrivateIpAddresses added to an ENI, ascending."""

    addresses: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()


class Ec2Api(Protocol):
    """The calls of a node. Each raises `Ec2Error` and changes nothing when it is refused."""

    @property
    def elapsed_ns(self) -> int:
        """How long all calls and pauses have taken until now, one after another; 0 for ever where a call takes time of the real world."""
        ...

    @property
    def retries_throttling(self) -> bool:
        """Whether a throttled call has been tried again before its refusal comes out, as AWS's clients do; a node then does not."""
        ...

    def pause(self, duration_ns: int) -> None:
        """Let time go by between two calls of one caller."""
        ...

    def create_network_interface(
        self,
        *,
        subnet_id: str,
        secondary_ip_count: int = 0,
        ipv4_prefix_count: int = 0,
        ipv6_prefix_count: int = 0,
        interface_type: str = "interface",
        description: str = "",
        tags: Iterable[tuple[str, str]] = (),
        now_ns: int,
    ) -> NetworkInterface:
        """Make an ENI with its primary IP and, in the same step, secondary IPs or prefixes."""
        ...

    def attach_network_interface(
        self, eni_id: str, instance_id: str, *, device_index: int, network_card_index: int = 0, now_ns: int
    ) -> str:
        """Attach an ENI; the answer is the attachment's id."""
        ...

    def modify_network_interface_attribute(self, eni_id: str, *, attachment_id: str, delete_on_termination: bool, now_ns: int) -> None:
        """Say whether the ENI goes when its instance is terminated."""
        ...

    def detach_network_interface(self, attachment_id: str, *, now_ns: int) -> None:
        """Detach an ENI; never the primary one."""
        ...

    def delete_network_interface(self, eni_id: str, *, now_ns: int) -> None:
        """Delete a detached ENI; its addresses go back to the subnet."""
        ...

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
        ...

    def unassign_private_ip_addresses(
        self, eni_id: str, *, addresses: Iterable[str] = (), prefixes: Iterable[str] = (), now_ns: int
    ) -> None:
        """Take secondary IPs and prefixes off an ENI."""
        ...

    def assign_ipv6_addresses(self, eni_id: str, *, ipv6_prefix_count: int, now_ns: int) -> tuple[str, ...]:
        """Add /80 prefixes; the answer is what was added."""
        ...

    def describe_network_interfaces(
        self,
        *,
        eni_ids: Iterable[str] = (),
        instance_id: str | None = None,
        filters: Mapping[str, Iterable[str]] | None = None,
        now_ns: int,
    ) -> tuple[NetworkInterface, ...]:
        """Show ENIs: the named ones, or those attached to an instance, or all, that fit all filters; ordered by id."""
        ...

    def describe_instance(self, instance_id: str, *, now_ns: int) -> Instance:
        """Show an instance with its ENIs (DescribeInstances)."""
        ...

    def describe_subnets(self, *, subnet_ids: Iterable[str] = (), vpc_id: str | None = None, now_ns: int) -> tuple[Subnet, ...]:
        """Show subnets: the named ones, or those of a VPC, or all; ordered by id."""
        ...

    def instance_metadata(self, instance_id: str, *, now_ns: int) -> tuple[NetworkInterface, ...]:
        """Show the attached ENIs as the instance's own metadata service does: free of charge, without tags, and sometimes stale."""
        ...


class InstanceLauncher(Protocol):
    """What can start an instance: a model can; over the network the library never does."""

    def launch_instance(self, instance_type: str | InstanceLimits, subnet_id: str, *, now_ns: int) -> Instance:
        """Launch an instance with its primary ENI."""
        ...
