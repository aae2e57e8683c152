"""The EC2 model's records of VPCs, subnets, ENIs, instances and so on. Each gives its public value.

Records are mutable and hold integers; the values of `vpcipam.ec2.api` that `view` returns are frozen and hold text. An ENI's value is
cached until the ENI changes, since a fleet reads far more often than it writes.
"""

import copy
from collections.abc import Collection, Iterable, Mapping
from operator import attrgetter
from typing import Any

import attrs

from vpcipam.address import AddressMode, Cidr, address_text
from vpcipam.ec2.api import (
    Attachment,
    CidrAssociation,
    ElasticIpAssociation,
    Instance,
    NetworkInterface,
    SecurityGroup,
    Subnet,
    SubnetCidrReservation,
    TrunkAssociation,
    Vpc,
)
from vpcipam.ec2.resources import (
    METADATA_DEFAULTS,
    NO_SETTINGS,
    ElasticIp,
    LaunchSettings,
    LaunchTemplate,
    LaunchTemplateVersion,
    MetadataOptions,
)
from vpcipam.ec2.state.subnet import AddressSet, SubnetAddresses
from vpcipam.limits import InstanceLimits

Tags = tuple[tuple[str, str], ...]
Touched = dict["SubnetRecord | InstanceRecord | EniRecord", None]
"""The records that have changed since the last snapshot, each once, in order."""


@attrs.define(eq=False)
class SecurityGroupRecord:
    """A security group of a VPC; only its tags change."""

    group_id: str
    vpc_id: str
    group_name: str
    description: str
    tags: Tags = ()

    def view(self) -> SecurityGroup:
        """Return the public value."""
        return SecurityGroup(self.group_id, self.group_name, self.vpc_id, self.description, self.tags)


@attrs.define(eq=False)
class VpcRecord:
    """A VPC, its default security group, its IPv4 CIDRs by association id (the primary one first), and its subnets by id."""

    vpc_id: str
    default_group: SecurityGroupRecord
    cidrs: dict[str, Cidr]
    ipv6_cidr: Cidr | None
    tags: Tags
    subnets: dict[str, "SubnetRecord"] = attrs.field(factory=dict)
    is_default: bool = False
    instance_tenancy: str = "default"
    enable_dns_support: bool = True
    enable_dns_hostnames: bool = False
    enable_network_address_usage_metrics: bool = False
    ipv6_association_id: str | None = None

    def view(self) -> Vpc:
        """Return the public value."""
        associations = tuple(CidrAssociation(association_id, str(cidr)) for association_id, cidr in self.cidrs.items())
        return Vpc(
            self.vpc_id,
            tuple(each.cidr for each in associations),
            _optional_text(self.ipv6_cidr),
            associations,
            self.tags,
            is_default=self.is_default,
            instance_tenancy=self.instance_tenancy,
            enable_dns_support=self.enable_dns_support,
            enable_dns_hostnames=self.enable_dns_hostnames,
            enable_network_address_usage_metrics=self.enable_network_address_usage_metrics,
            ipv6_association_id=self.ipv6_association_id,
        )


@attrs.define(eq=False)
class SubnetRecord:
    """A subnet, its addresses, and its ENIs and reservations by id.

    Attributes:
        touched: its ENIs add themselves here when they change; None without a history.
    """

    subnet_id: str
    vpc_id: str
    availability_zone: str
    addresses: SubnetAddresses
    tags: Tags
    enis: dict[str, "EniRecord"] = attrs.field(factory=dict)
    reservations: dict[str, "ReservationRecord"] = attrs.field(factory=dict)
    touched: Touched | None = None
    default_for_az: bool = False
    map_public_ip_on_launch: bool = False
    assign_ipv6_address_on_creation: bool = False
    ipv6_association_id: str | None = None

    def view(self) -> Subnet:
        """Return the public value."""
        return Subnet(
            subnet_id=self.subnet_id,
            vpc_id=self.vpc_id,
            availability_zone=self.availability_zone,
            cidr=str(self.addresses.cidr),
            available_ip_address_count=self.addresses.free_count,
            ipv6_cidr=_optional_text(self.addresses.ipv6_cidr),
            tags=self.tags,
            default_for_az=self.default_for_az,
            map_public_ip_on_launch=self.map_public_ip_on_launch,
            assign_ipv6_address_on_creation=self.assign_ipv6_address_on_creation,
            ipv6_association_id=self.ipv6_association_id,
        )


@attrs.define(eq=False)
class ReservationRecord:
    """A subnet CIDR reservation."""

    reservation_id: str
    subnet: SubnetRecord
    cidr: Cidr
    reservation_type: str
    description: str
    tags: Tags

    def view(self) -> SubnetCidrReservation:
        """Return the public value."""
        return SubnetCidrReservation(
            self.reservation_id, self.subnet.subnet_id, str(self.cidr), self.reservation_type, self.description, self.tags
        )


@attrs.define(eq=False)
class EniRecord:
    """An ENI; its four sets hold addresses, and the first address of each prefix.

    Attributes:
        private_ip: its primary IPv4 address, None for an EFA-only ENI, which has no addresses.
        groups: its security groups, ordered by id.
        primary_ipv6: its primary IPv6 address, one of `ipv6_addresses`; None for none.
        instance: the instance that it is attached to, else None. Only `set_attachment` changes it and `attachment`.
        elastic_ips: its Elastic IP addresses, by the private IPv4 address of each. Only `Account` changes them.
        automatic_ip: the public address that EC2 gave its primary IP, until an Elastic IP is there. Only `Account` changes it.
        trunk: its association with a trunk, None if it is not a branch.
        branches: the associations of a trunk with its branches, by id.
    """

    eni_id: str
    subnet: SubnetRecord
    private_ip: int | None
    interface_type: str
    description: str
    tags: Tags
    created_ns: int
    groups: tuple[SecurityGroupRecord, ...]
    secondary_ips: set[int] = attrs.field(factory=set)
    prefixes: set[int] = attrs.field(factory=set)
    ipv6_addresses: set[int] = attrs.field(factory=set)
    ipv6_prefixes: set[int] = attrs.field(factory=set)
    primary_ipv6: int | None = None
    source_dest_check: bool = True
    instance: "InstanceRecord | None" = None
    attachment: Attachment | None = None
    elastic_ips: "dict[int, ElasticIpRecord]" = attrs.field(factory=dict)
    automatic_ip: int | None = None
    trunk: "TrunkAssociationRecord | None" = None
    branches: "dict[str, TrunkAssociationRecord]" = attrs.field(factory=dict)
    _view: NetworkInterface | None = None
    _untagged_view: NetworkInterface | None = None

    @property
    def _primary(self) -> tuple[int, ...]:
        return () if self.private_ip is None else (self.private_ip,)

    @property
    def ipv4_count(self) -> int:
        """The number of its IPv4 slots that are filled, that of the primary address included."""
        return (self.private_ip is not None) + len(self.secondary_ips) + len(self.prefixes)

    @property
    def ipv6_count(self) -> int:
        """The number of its IPv6 slots that are filled."""
        return len(self.ipv6_addresses) + len(self.ipv6_prefixes)

    @property
    def is_in_use(self) -> bool:
        """Whether it is attached or a branch of a trunk."""
        return self.attachment is not None or self.trunk is not None

    @property
    def is_primary(self) -> bool:
        """Whether it is the primary ENI of an instance."""
        return self.instance is not None and self.instance.devices.get(self.instance.primary_place) is self

    def held(self) -> AddressSet:
        """Return all its addresses, the primary one first."""
        return AddressSet(
            (*self._primary, *self.secondary_ips), tuple(self.prefixes), tuple(self.ipv6_addresses), tuple(self.ipv6_prefixes)
        )

    def has(self, addresses: AddressSet) -> bool:
        """Tell whether it has all of these as secondary addresses and prefixes."""
        return (
            self.secondary_ips.issuperset(addresses.addresses)
            and self.prefixes.issuperset(addresses.prefixes)
            and self.ipv6_addresses.issuperset(addresses.ipv6_addresses)
            and self.ipv6_prefixes.issuperset(addresses.ipv6_prefixes)
        )

    def slots(self) -> dict[Cidr, AddressSet]:
        """Return its secondary IPs, /28s, IPv6 addresses and /80s, in this order, each as a CIDR with its address set.

        The primary addresses are not among them: they can't be removed.
        """
        return (
            {Cidr(4, address, 32): AddressSet(addresses=(address,)) for address in sorted(self.secondary_ips)}
            | {Cidr(4, prefix, 28): AddressSet(prefixes=(prefix,)) for prefix in sorted(self.prefixes)}
            | {
                Cidr(6, address, 128): AddressSet(ipv6_addresses=(address,))
                for address in sorted(self.ipv6_addresses - {self.primary_ipv6})
            }
            | {Cidr(6, prefix, 80): AddressSet(ipv6_prefixes=(prefix,)) for prefix in sorted(self.ipv6_prefixes)}
        )

    def add(self, addresses: AddressSet) -> None:
        """Add secondary addresses and prefixes."""
        self.secondary_ips.update(addresses.addresses)
        self.prefixes.update(addresses.prefixes)
        self.ipv6_addresses.update(addresses.ipv6_addresses)
        self.ipv6_prefixes.update(addresses.ipv6_prefixes)
        self.touch()

    def remove(self, addresses: AddressSet) -> None:
        """Remove secondary addresses and prefixes that it has."""
        self.secondary_ips.difference_update(addresses.addresses)
        self.prefixes.difference_update(addresses.prefixes)
        self.ipv6_addresses.difference_update(addresses.ipv6_addresses)
        self.ipv6_prefixes.difference_update(addresses.ipv6_prefixes)
        self.touch()

    def set_attachment(self, instance: "InstanceRecord | None", attachment: Attachment | None) -> None:
        """Set its instance and attachment; both None for a detached ENI."""
        self.instance = instance
        self.attachment = attachment
        self.touch()

    def touch(self) -> None:
        """Drop the cached value and note the change for the history; call it for a new and a deleted ENI too."""
        self._view = self._untagged_view = None
        if self.subnet.touched is not None:
            self.subnet.touched[self] = None

    def view(self) -> NetworkInterface:
        """Return the public value."""
        if self._view is None:
            self._view = self.fresh_view()
        return self._view

    def untagged_view(self) -> NetworkInterface:
        """Return the public value without tags, as an instance's metadata shows it."""
        if self._untagged_view is None:
            self._untagged_view = without_tags(self.view())
        return self._untagged_view

    def fresh_view(self) -> NetworkInterface:
        """Create the public value, bypassing the cache."""
        return NetworkInterface(
            eni_id=self.eni_id,
            subnet_id=self.subnet.subnet_id,
            vpc_id=self.subnet.vpc_id,
            availability_zone=self.subnet.availability_zone,
            private_ip="" if self.private_ip is None else address_text(self.private_ip, 4),
            secondary_ips=address_texts(self.secondary_ips),
            ipv4_prefixes=prefix_texts(self.prefixes, AddressMode.PREFIX),
            ipv6_addresses=address_texts(self.ipv6_addresses, 6),
            ipv6_prefixes=prefix_texts(self.ipv6_prefixes, AddressMode.IPV6),
            primary_ipv6="" if self.primary_ipv6 is None else address_text(self.primary_ipv6, 6),
            interface_type=self.interface_type if self.trunk is None else "branch",
            status="in-use" if self.is_in_use else "available",
            description=self.description,
            tags=self.tags,
            attachment=self.attachment,
            created_ns=self.created_ns,
            source_dest_check=self.source_dest_check,
            security_group_ids=tuple([group.group_id for group in self.groups]),
            security_group_names=tuple([group.group_name for group in self.groups]),
            elastic_ips=self._elastic_ips_view() if self.elastic_ips or self.automatic_ip is not None else (),
        )

    def _elastic_ips_view(self) -> tuple[ElasticIpAssociation, ...]:
        """Return the public addresses in the order of `single_ips`: that of the primary address first."""
        ordered = sorted(self.elastic_ips, key=lambda private_ip: (private_ip != self.private_ip, private_ip))
        shown = [self.elastic_ips[private_ip].association_view() for private_ip in ordered]
        if self.private_ip is not None and self.automatic_ip is not None:
            shown.insert(0, ElasticIpAssociation(address_text(self.private_ip, 4), address_text(self.automatic_ip, 4)))
        return tuple(shown)


@attrs.define(eq=False)
class TrunkAssociationRecord:
    """The association of a branch ENI with a trunk ENI; exactly one of `vlan_id` and `gre_key` is set."""

    association_id: str
    branch: EniRecord
    trunk: EniRecord
    vlan_id: int | None
    gre_key: int | None
    tags: Tags = ()

    def view(self) -> TrunkAssociation:
        """Return the public value."""
        return TrunkAssociation(self.association_id, self.branch.eni_id, self.trunk.eni_id, self.vlan_id, self.gre_key, self.tags)


@attrs.define(eq=False)
class ElasticIpRecord:
    """An Elastic IP address; `eni`, `private_ip` and `association_id` are None together. Only `Account` changes them."""

    allocation_id: str
    public_ip: int
    tags: Tags = ()
    eni: EniRecord | None = None
    private_ip: int | None = None
    association_id: str | None = None

    def view(self) -> ElasticIp:
        """Return the public value."""
        instance = None if self.eni is None else self.eni.instance
        return ElasticIp(
            allocation_id=self.allocation_id,
            public_ip=address_text(self.public_ip, 4),
            association_id=self.association_id or "",
            eni_id="" if self.eni is None else self.eni.eni_id,
            private_ip="" if self.private_ip is None else address_text(self.private_ip, 4),
            instance_id="" if instance is None else instance.instance_id,
            tags=self.tags,
        )

    def association_view(self) -> ElasticIpAssociation:
        """Return the public value within its ENI."""
        shown = self.view()
        return ElasticIpAssociation(shown.private_ip, shown.public_ip, shown.allocation_id, shown.association_id)


@attrs.define(eq=False)
class LaunchTemplateRecord:
    """A launch template and its versions, which are numbered from 1."""

    template_id: str
    template_name: str
    created_ns: int
    tags: Tags = ()
    versions: list[LaunchTemplateVersion] = attrs.field(factory=list)
    default_number: int = 1

    def add_version(self, data: Mapping[str, Any], description: str, created_ns: int) -> LaunchTemplateVersion:
        """Add the next version."""
        number = len(self.versions) + 1
        version = LaunchTemplateVersion(self.template_id, self.template_name, number, data, description, created_ns)
        self.versions.append(version)
        return version

    def view(self) -> LaunchTemplate:
        """Return the public value."""
        return LaunchTemplate(self.template_id, self.template_name, self.created_ns, self.default_number, len(self.versions), self.tags)

    def version_view(self, number: int) -> LaunchTemplateVersion:
        """Return the public value of a version. Its data is a copy, so that a caller can change it."""
        version = self.versions[number - 1]
        return attrs.evolve(version, data=copy.deepcopy(dict(version.data)), is_default=number == self.default_number)


@attrs.define(eq=False)
class InstanceRecord:
    """An instance and its ENIs by network card and device index.

    Attributes:
        public_at_start: whether EC2 gives its primary IP a public address at every start; `Account.give_public_ip` has the conditions.
        state_changed_ns: when it was last stopped, started or terminated; by default when it was launched.
    """

    instance_id: str
    limits: InstanceLimits
    subnet: SubnetRecord
    tags: Tags
    launched_ns: int
    image_id: str = ""
    reservation_id: str = ""
    launch_index: int = 0
    state: str = "running"
    public_at_start: bool = False
    settings: LaunchSettings = NO_SETTINGS
    metadata_options: MetadataOptions = METADATA_DEFAULTS
    state_changed_ns: int = attrs.field(default=attrs.Factory(lambda self: self.launched_ns, takes_self=True))
    devices: dict[tuple[int, int], EniRecord] = attrs.field(factory=dict)

    @property
    def primary_eni(self) -> EniRecord:
        """Its primary ENI."""
        return self.devices[self.primary_place]

    @property
    def primary_place(self) -> tuple[int, int]:
        """The network card and device index of its primary ENI."""
        return self.limits.default_network_card, 0

    def device_count(self, network_card_index: int) -> int:
        """The number of ENIs on a network card."""
        return sum(card == network_card_index for card, _ in self.devices)

    def enis(self) -> list[EniRecord]:
        """Its ENIs, ordered by network card and device index."""
        return [self.devices[place] for place in sorted(self.devices)]

    def view(self) -> Instance:
        """Return the public value; a terminated one has no subnet and no VPC."""
        is_gone = self.state == "terminated"
        return Instance(
            instance_id=self.instance_id,
            instance_type=self.limits.instance_type,
            subnet_id="" if is_gone else self.subnet.subnet_id,
            network_interfaces=tuple(eni.view() for eni in self.enis()),
            tags=self.tags,
            vpc_id="" if is_gone else self.subnet.vpc_id,
            availability_zone=self.subnet.availability_zone,
            state=self.state,
            launched_ns=self.launched_ns,
            image_id=self.image_id,
            reservation_id=self.reservation_id,
            launch_index=self.launch_index,
            settings=self.settings,
            state_changed_ns=self.state_changed_ns,
            metadata_options=self.metadata_options,
        )


def without_tags(eni: NetworkInterface) -> NetworkInterface:
    """Return an ENI's public value without its tags."""
    return NetworkInterface(**(_values(eni) | {"tags": ()})) if eni.tags else eni


def _values(eni: NetworkInterface) -> dict[str, Any]:
    """Return the attributes of a public value. `attrs.evolve` takes four times as long."""
    return dict(zip(_NAMES, _read_names(eni), strict=True))


_NAMES = tuple(field.name for field in attrs.fields(NetworkInterface))
_read_names = attrgetter(*_NAMES)


def default_reservation(instance_id: str) -> str:
    """Return the id of the reservation of a launch, from its first instance; in the model it ends like the instance's."""
    return f"r-{instance_id.removeprefix('i-')}"


def sorted_tags(tags: Iterable[tuple[str, str]]) -> Tags:
    """Sort tags by key; if a key is given twice, keep its last value."""
    return tuple(sorted(dict(tags).items()))


def address_texts(addresses: Collection[int], version: int = 4) -> tuple[str, ...]:
    """Format addresses, ascending."""
    return tuple([address_text(address, version) for address in sorted(addresses)]) if addresses else ()


def prefix_texts(prefixes: Collection[int], mode: AddressMode) -> tuple[str, ...]:
    """Format /28s or /80s, given by their first addresses, ascending."""
    return tuple([str(Cidr(mode.version, prefix, mode.prefix_length)) for prefix in sorted(prefixes)]) if prefixes else ()


def _optional_text(cidr: Cidr | None) -> str | None:
    return None if cidr is None else str(cidr)
