"""What the EC2 model keeps of each VPC, subnet, ENI and instance, and how each is shown.

Records change and hold integers; the values of `vpcipam.ec2.api` that they show are frozen and hold text. An ENI's value is made once and
kept until the ENI changes, since a fleet reads far more often than it writes.
"""

from collections.abc import Iterable

import attrs

from vpcipam.address import AddressMode, Cidr, address_text
from vpcipam.ec2.api import Attachment, Instance, NetworkInterface, Subnet
from vpcipam.ec2.subnet import AddressSet, SubnetAddresses
from vpcipam.limits import InstanceLimits

Tags = tuple[tuple[str, str], ...]
Touched = dict["SubnetRecord | InstanceRecord | EniRecord", None]
"""What has changed since somebody looked, each once, in order."""


@attrs.frozen
class Vpc:
    """A VPC as DescribeVpcs shows it.

    Attributes:
        cidrs: its IPv4 blocks, the primary one first, then in the order in which they were associated.
    """

    vpc_id: str
    cidrs: tuple[str, ...]
    ipv6_cidr: str | None = None


@attrs.define(eq=False)
class VpcRecord:
    """A VPC and its subnets by id."""

    vpc_id: str
    cidrs: list[Cidr]
    ipv6_cidr: Cidr | None
    subnets: dict[str, "SubnetRecord"] = attrs.field(factory=dict)

    def view(self) -> Vpc:
        """Show it."""
        return Vpc(self.vpc_id, tuple(map(str, self.cidrs)), _optional_text(self.ipv6_cidr))


@attrs.define(eq=False)
class SubnetRecord:
    """A subnet, its addresses, and its ENIs by id.

    Attributes:
        touched: where its ENIs write themselves in when they change; None where nobody looks back.
    """

    subnet_id: str
    vpc_id: str
    availability_zone: str
    addresses: SubnetAddresses
    tags: Tags
    enis: dict[str, "EniRecord"] = attrs.field(factory=dict)
    touched: Touched | None = None

    def view(self) -> Subnet:
        """Show it."""
        return Subnet(
            subnet_id=self.subnet_id,
            vpc_id=self.vpc_id,
            availability_zone=self.availability_zone,
            cidr=str(self.addresses.cidr),
            available_ip_address_count=self.addresses.free_count,
            ipv6_cidr=_optional_text(self.addresses.ipv6_cidr),
            tags=self.tags,
        )


@attrs.define(eq=False)
class EniRecord:
    """An ENI; the sets hold first addresses.

    Attributes:
        private_ip: its primary IPv4 address.
        instance: where it is attached, None where it is not; changed with `attachment`, by `set_attachment` alone.
    """

    eni_id: str
    subnet: SubnetRecord
    private_ip: int
    interface_type: str
    description: str
    tags: Tags
    created_ns: int
    secondary_ips: set[int] = attrs.field(factory=set)
    prefixes: set[int] = attrs.field(factory=set)
    ipv6_prefixes: set[int] = attrs.field(factory=set)
    instance: "InstanceRecord | None" = None
    attachment: Attachment | None = None
    _view: NetworkInterface | None = None

    @property
    def ipv4_count(self) -> int:
        """The number of places taken of the type's `ipv4_per_eni`: the primary IP, the secondary IPs, one for each /28."""
        return 1 + len(self.secondary_ips) + len(self.prefixes)

    @property
    def is_primary(self) -> bool:
        """Whether it is the primary ENI of an instance."""
        return self.instance is not None and self.instance.devices.get(self.instance.primary_place) is self

    @property
    def has_prefixes(self) -> bool:
        """Whether it has a /28 or a /80."""
        return bool(self.prefixes or self.ipv6_prefixes)

    def attached(self) -> Attachment:
        """The attachment of an ENI that is known to be attached."""
        if self.attachment is None:
            raise AssertionError(f"{self.eni_id} is not attached: the caller had to know")
        return self.attachment

    def held(self) -> AddressSet:
        """All that it holds of its subnet."""
        return AddressSet((self.private_ip, *self.secondary_ips), tuple(self.prefixes), tuple(self.ipv6_prefixes))

    def slots(self) -> dict[Cidr, AddressSet]:
        """What fills its slots, in order: secondary IPs, /28s, /80s."""
        return (
            {Cidr(4, address, 32): AddressSet(addresses=(address,)) for address in sorted(self.secondary_ips)}
            | {Cidr(4, prefix, 28): AddressSet(prefixes=(prefix,)) for prefix in sorted(self.prefixes)}
            | {Cidr(6, prefix, 80): AddressSet(ipv6_prefixes=(prefix,)) for prefix in sorted(self.ipv6_prefixes)}
        )

    def add(self, addresses: AddressSet) -> None:
        """Take on secondary addresses and prefixes."""
        self.secondary_ips.update(addresses.addresses)
        self.prefixes.update(addresses.prefixes)
        self.ipv6_prefixes.update(addresses.ipv6_prefixes)
        self.touch()

    def remove(self, addresses: AddressSet) -> None:
        """Lose secondary addresses and prefixes that it has."""
        self.secondary_ips.difference_update(addresses.addresses)
        self.prefixes.difference_update(addresses.prefixes)
        self.ipv6_prefixes.difference_update(addresses.ipv6_prefixes)
        self.touch()

    def set_attachment(self, instance: "InstanceRecord | None", attachment: Attachment | None) -> None:
        """Say where it is attached, and how; None and None for nowhere."""
        self.instance = instance
        self.attachment = attachment
        self.touch()

    def touch(self) -> None:
        """Take note that it has changed, or come, or gone."""
        self._view = None
        if self.subnet.touched is not None:
            self.subnet.touched[self] = None

    def view(self) -> NetworkInterface:
        """Show it."""
        if self._view is None:
            self._view = self.fresh_view()
        return self._view

    def fresh_view(self) -> NetworkInterface:
        """Show it as it is, whatever was kept."""
        return NetworkInterface(
            eni_id=self.eni_id,
            subnet_id=self.subnet.subnet_id,
            vpc_id=self.subnet.vpc_id,
            availability_zone=self.subnet.availability_zone,
            private_ip=address_text(self.private_ip, 4),
            secondary_ips=address_texts(self.secondary_ips),
            ipv4_prefixes=prefix_texts(self.prefixes, AddressMode.PREFIX),
            ipv6_prefixes=prefix_texts(self.ipv6_prefixes, AddressMode.IPV6),
            interface_type=self.interface_type,
            status="available" if self.attachment is None else "in-use",
            description=self.description,
            tags=self.tags,
            attachment=self.attachment,
            created_ns=self.created_ns,
        )


@attrs.define(eq=False)
class InstanceRecord:
    """An instance and its ENIs by network card and device index."""

    instance_id: str
    limits: InstanceLimits
    subnet: SubnetRecord
    tags: Tags
    devices: dict[tuple[int, int], EniRecord] = attrs.field(factory=dict)

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
        """Show it."""
        return Instance(
            instance_id=self.instance_id,
            instance_type=self.limits.instance_type,
            subnet_id=self.subnet.subnet_id,
            network_interfaces=tuple(eni.view() for eni in self.enis()),
            tags=self.tags,
        )


def sorted_tags(tags: Iterable[tuple[str, str]]) -> Tags:
    """Bring tags into the order in which they are shown."""
    return tuple(sorted(dict(tags).items()))


def address_texts(addresses: Iterable[int]) -> tuple[str, ...]:
    """Write IPv4 addresses in ascending order."""
    return tuple(address_text(address, 4) for address in sorted(addresses))


def prefix_texts(prefixes: Iterable[int], mode: AddressMode) -> tuple[str, ...]:
    """Write /28s or /80s, given by their first addresses, in ascending order."""
    return tuple(str(Cidr(mode.version, prefix, mode.prefix_length)) for prefix in sorted(prefixes))


def _optional_text(cidr: Cidr | None) -> str | None:
    return None if cidr is None else str(cidr)
