"""The calls that a node makes to EC2: the protocol and its value types. The errors are in `vpcipam.ec2.errors`.

Names are EC2's own, in snake case: `create_network_interface` is the action CreateNetworkInterface. Every call takes `now_ns`, the time
of the call in Unix nanoseconds. A model needs it for throttling and delays; an implementation over the network ignores it.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, TypeVar

import attrs

from vpcipam.ec2.errors import NO_ROOM_FOR_SECONDARY as NO_ROOM_FOR_SECONDARY
from vpcipam.ec2.errors import OUT_OF_ADDRESSES as OUT_OF_ADDRESSES
from vpcipam.ec2.errors import THROTTLED as THROTTLED
from vpcipam.ec2.errors import Ec2Error as Ec2Error
from vpcipam.ec2.errors import ErrorCode as ErrorCode
from vpcipam.ec2.errors import LostAnswer as LostAnswer
from vpcipam.ec2.resources import METADATA_DEFAULTS, NO_SETTINGS, LaunchSettings, MetadataOptions
from vpcipam.errors import InvalidArgument
from vpcipam.limits import InstanceLimits

_Value = TypeVar("_Value")

METADATA_ACTION = "InstanceMetadata"
"""The action name of an instance metadata read. It is not an EC2 call: it is free and never throttled."""


def is_mutating(action: str) -> bool:
    """Tell whether an action may change something. EC2's read-only actions are named Describe…, Get…, List… and Search…."""
    return action != METADATA_ACTION and not action.startswith(("Describe", "Get", "List", "Search"))


def require_action(where: str, action: str) -> None:
    """Check that a name is written like an EC2 action, not like a Python method; `where` begins the error message.

    Raises:
        InvalidArgument: it is not.
    """
    if not (action[:1].isupper() and action.isalnum()):
        raise InvalidArgument(f"{where} must be written as EC2 does, such as AttachNetworkInterface, not {action!r}")


def actions_by_name(where: str, values: Mapping[str, _Value] | Iterable[tuple[str, _Value]]) -> tuple[tuple[str, _Value], ...]:
    """Return values by action as sorted pairs; `where` begins the error message.

    Raises:
        InvalidArgument: a name is not written like an EC2 action.
    """
    pairs = dict(values)
    for action in pairs:
        require_action(where, action)
    return tuple(sorted(pairs.items(), key=lambda pair: pair[0]))


@attrs.frozen
class Attachment:
    """The attachment of an ENI to an instance; two are equal whenever they were attached."""

    attachment_id: str
    instance_id: str
    device_index: int
    network_card_index: int
    delete_on_termination: bool
    attached_ns: int = attrs.field(default=0, eq=False)


@attrs.frozen
class ElasticIpAssociation:
    """The public address of one private IPv4 address of an ENI: an Elastic IP, or one that EC2 gave at a launch.

    Attributes:
        allocation_id, association_id: empty for an address that EC2 gave. `BotoEc2` does not find them within an instance, and equality
            ignores them.
    """

    private_ip: str
    public_ip: str
    allocation_id: str = attrs.field(default="", eq=False)
    association_id: str = attrs.field(default="", eq=False)


@attrs.frozen
class NetworkInterface:
    """An ENI and its addresses, each tuple in ascending order of addresses.

    Attributes:
        private_ip: the primary IPv4 address, which no pod gets; empty for an EFA-only ENI and in an IPv6-only subnet.
        primary_ipv6: the one of its IPv6 addresses that is its primary one and can't be unassigned; empty for none.
        interface_type: `interface`, `trunk`, `branch`, `efa` or `efa-only`; an ENI that is associated with a trunk is a `branch`.
        status: `in-use` while it is attached or associated with a trunk, else `available`.
        tags: pairs of key and value, sorted; empty when read from an instance's metadata.
        security_group_ids: its security groups, sorted; empty if the client doesn't show them.
        security_group_names: their names, in the same order.
        elastic_ips: the public addresses of its private IPv4 addresses, in the order of these.
        unreadable: the members of EC2's answer that were missing or of the wrong type, such as those that a person has cut out.
        mac_address: empty if the client doesn't show it, as the model; equality ignores it.
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
    security_group_ids: tuple[str, ...] = ()
    security_group_names: tuple[str, ...] = ()
    primary_ipv6: str = ""
    unreadable: tuple[str, ...] = ()
    mac_address: str = attrs.field(default="", eq=False)
    elastic_ips: tuple[ElasticIpAssociation, ...] = ()

    @property
    def single_ips(self) -> tuple[str, ...]:
        """Its primary IP, if it has one, and its secondary IPs."""
        return (self.private_ip, *self.secondary_ips) if self.private_ip else self.secondary_ips

    def tag(self, key: str) -> str | None:
        """Return the value of a tag, None if it is not set."""
        return dict(self.tags).get(key)


@attrs.frozen
class Instance:
    """An instance and its attached ENIs, ordered by network card and device index.

    Attributes:
        tags: pairs of key and value, sorted.
        state: `running`, `stopped` or `terminated`; a terminated one has no ENIs, subnet or VPC.
        unreadable: as in `NetworkInterface`.
        image_id, reservation_id, launch_index, settings: how it was launched; `BotoEc2` does not read them, and equality ignores them.
        state_changed_ns: when it was last stopped or started, or else launched; likewise.
        metadata_options: who may read its metadata; likewise.
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
    unreadable: tuple[str, ...] = ()
    image_id: str = attrs.field(default="", eq=False)
    reservation_id: str = attrs.field(default="", eq=False)
    launch_index: int = attrs.field(default=0, eq=False)
    settings: LaunchSettings = attrs.field(default=NO_SETTINGS, eq=False)
    state_changed_ns: int = attrs.field(default=0, eq=False)
    metadata_options: MetadataOptions = attrs.field(default=METADATA_DEFAULTS, eq=False)

    def free_device_index(self, network_card_index: int) -> int:
        """Return the lowest unused device index of a card, without checking whether the type allows one more ENI."""
        taken = {
            eni.attachment.device_index
            for eni in self.network_interfaces
            if eni.attachment is not None and eni.attachment.network_card_index == network_card_index
        }
        return next(index for index in range(len(taken) + 1) if index not in taken)


@attrs.frozen
class InstanceStateChange:
    """What a call did to the state of an instance; both states are the same if it did nothing."""

    instance_id: str
    previous: str
    current: str


@attrs.frozen
class CidrAssociation:
    """One IPv4 CIDR of a VPC, with the id that disassociates it."""

    association_id: str
    cidr: str


@attrs.frozen
class Vpc:
    """A VPC as DescribeVpcs shows it.

    Attributes:
        cidrs: its IPv4 blocks, the primary one first, then in the order in which they were associated.
        associations: the same blocks with their association ids.
        tags: pairs of key and value, sorted.
        is_default: whether instances are launched here if no subnet is named.
        instance_tenancy: `default` or `dedicated`.
    """

    vpc_id: str
    cidrs: tuple[str, ...]
    ipv6_cidr: str | None = None
    associations: tuple[CidrAssociation, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    is_default: bool = False
    instance_tenancy: str = "default"
    enable_dns_support: bool = True
    enable_dns_hostnames: bool = False
    enable_network_address_usage_metrics: bool = False
    ipv6_association_id: str | None = None


@attrs.frozen
class SecurityGroup:
    """A security group of a VPC, without its rules.

    Attributes:
        tags: pairs of key and value, sorted.
    """

    group_id: str
    group_name: str
    vpc_id: str
    description: str
    tags: tuple[tuple[str, str], ...] = ()


@attrs.frozen
class Subnet:
    """A subnet as DescribeSubnets shows it.

    Attributes:
        available_ip_address_count: free IPv4 addresses; a prefix in use counts 16, reserved ranges are not free.
        tags: pairs of key and value, sorted.
        unreadable: as in `NetworkInterface`.
        default_for_az: whether instances of its zone are launched here if no subnet is named.
        assign_ipv6_address_on_creation: whether a new ENI gets an IPv6 address if it asks for none.
        ipv6_association_id: the id that disassociates the IPv6 CIDR; `BotoEc2` does not read it.
    """

    subnet_id: str
    vpc_id: str
    availability_zone: str
    cidr: str
    available_ip_address_count: int
    ipv6_cidr: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    unreadable: tuple[str, ...] = ()
    default_for_az: bool = False
    map_public_ip_on_launch: bool = False
    assign_ipv6_address_on_creation: bool = False
    ipv6_association_id: str | None = attrs.field(default=None, eq=False)

    def tag(self, key: str) -> str | None:
        """Return the value of a tag, None if it is not set."""
        return dict(self.tags).get(key)


@attrs.frozen
class SubnetSpace:
    """The IPv4 addresses of a subnet: `kept` + `taken` + `free` + `reserved` = `total`.

    Attributes:
        kept: the addresses that EC2 keeps for itself.
        taken: the addresses of ENIs: primary, secondary, and 16 for each prefix.
        free: the untaken addresses outside reservations; EC2 shows them as available and picks among them.
        reserved: the untaken addresses inside reservations.
        largest_free: the longest run of untaken addresses.
        free_prefix_count: the aligned /28s that are wholly untaken, inside and outside reservations.
        stranded: the untaken addresses in partly taken /28s, which no prefix can use.
    """

    total: int
    kept: int
    taken: int
    free: int
    reserved: int
    largest_free: int
    free_prefix_count: int
    stranded: int


class SubnetLevels(NamedTuple):
    """How full a subnet is, as `SubnetSpace` says."""

    taken: int
    free: int
    reserved: int
    free_prefix_count: int
    stranded: int

    @property
    def untaken(self) -> int:
        """The addresses that are not taken."""
        return self.free + self.reserved


@attrs.frozen
class SubnetCidrReservation:
    """A range of a subnet from which EC2 picks no single addresses.

    Attributes:
        reservation_type: `prefix` if EC2 picks prefixes from it, `explicit` if EC2 picks nothing from it.
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
    """The association of a branch ENI with its trunk ENI.

    Attributes:
        vlan_id: set for the protocol VLAN, else None.
        gre_key: set for the protocol GRE, else None.
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
    """The addresses and prefixes that AssignPrivateIpAddresses added to an ENI, ascending."""

    addresses: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()


class Ec2Api(Protocol):
    """The calls that a node makes. A refused call raises `Ec2Error` and changes nothing."""

    @property
    def elapsed_ns(self) -> int:
        """The total duration of all calls and pauses so far; always 0 if a call takes real time."""

    @property
    def retries_throttling(self) -> bool:
        """Whether this client retries throttled calls by itself, as AWS's clients do; a node then does not."""

    def pause(self, duration_ns: int) -> None:
        """Wait between two calls of one caller."""

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
        """Create an ENI with its primary IP and, in the same call, secondary IPs or prefixes.

        Without security groups it gets the default one of its VPC. A node names them only if its primary ENI shows its own.
        """

    def attach_network_interface(
        self, eni_id: str, instance_id: str, *, device_index: int, network_card_index: int = 0, now_ns: int
    ) -> str:
        """Attach an ENI and return the attachment's id."""

    def modify_network_interface_attribute(
        self,
        eni_id: str,
        *,
        attachment_id: str | None = None,
        delete_on_termination: bool | None = None,
        security_group_ids: Iterable[str] = (),
        now_ns: int,
    ) -> None:
        """Change one attribute: whether the ENI is deleted when its instance is terminated, or its security groups.

        A node changes security groups only if its primary ENI shows its own.
        """

    def detach_network_interface(self, attachment_id: str, *, now_ns: int) -> None:
        """Detach an ENI other than the primary one."""

    def delete_network_interface(self, eni_id: str, *, now_ns: int) -> None:
        """Delete a detached ENI; the subnet gets its addresses back."""

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

    def unassign_private_ip_addresses(
        self, eni_id: str, *, addresses: Iterable[str] = (), prefixes: Iterable[str] = (), now_ns: int
    ) -> None:
        """Remove secondary IPs and prefixes from an ENI."""

    def assign_ipv6_addresses(self, eni_id: str, *, ipv6_prefix_count: int, now_ns: int) -> tuple[str, ...]:
        """Add /80 prefixes and return them."""

    def describe_network_interfaces(
        self,
        *,
        eni_ids: Iterable[str] = (),
        instance_id: str | None = None,
        filters: Mapping[str, Iterable[str]] | None = None,
        now_ns: int,
    ) -> tuple[NetworkInterface, ...]:
        """List the ENIs that match all filters, ordered by id: the named ones, those attached to an instance, or all."""

    def describe_instance(self, instance_id: str, *, now_ns: int) -> Instance:
        """Return an instance with its ENIs (DescribeInstances)."""

    def describe_subnets(self, *, subnet_ids: Iterable[str] = (), vpc_id: str | None = None, now_ns: int) -> tuple[Subnet, ...]:
        """List subnets, ordered by id: the named ones, those of a VPC, or all."""

    def instance_metadata(self, instance_id: str, *, now_ns: int) -> tuple[NetworkInterface, ...]:
        """List the attached ENIs as the instance's metadata service shows them: free of charge, without tags, and sometimes stale."""


class Tagger(Protocol):
    """A client that can tag resources. The model and `BotoEc2` can. A node whose client can't leaves its ENIs untagged."""

    def create_tags(self, resource_ids: Iterable[str], tags: Iterable[tuple[str, str]], *, now_ns: int) -> None:
        """Add tags, pairs of key and value, to resources; an existing tag gets the new value."""


class InstanceLister(Protocol):
    """A client that can list instances. The model and `BotoEc2` can. A node never does."""

    def describe_instances(
        self, *, instance_ids: Iterable[str] = (), filters: Mapping[str, Iterable[str]] | None = None, now_ns: int
    ) -> tuple[Instance, ...]:
        """List the instances that match all filters, ordered by id: the named ones, or all."""


class ReservationLister(Protocol):
    """A client that can list the CIDR reservations of a subnet. The model and `BotoEc2` can. A node never does."""

    def get_subnet_cidr_reservations(self, subnet_id: str, *, now_ns: int) -> tuple[SubnetCidrReservation, ...]:
        """List the reservations of a subnet, IPv4 and IPv6 ones, ordered by id."""


class InstanceLauncher(Protocol):
    """A client that can launch instances. The model can; `BotoEc2` never launches any."""

    def launch_instance(self, instance_type: str | InstanceLimits, subnet_id: str, *, now_ns: int) -> Instance:
        """Launch an instance with its primary ENI."""
