"""The parts of a scenario: subnets, groups of nodes, and how EC2 behaves."""

from collections.abc import Iterable
from functools import cached_property

import attrs

from vpcipam._units import MINUTE_NS
from vpcipam.address import Cidr
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.latency import INSTANT, Latencies
from vpcipam.ec2.subnet_rules import IPV4_PREFIX_LENGTHS, NOT_FOR_VPCS, AddressChoice, reserved_addresses
from vpcipam.ec2.throttle import Throttle
from vpcipam.errors import InvalidArgument
from vpcipam.limits import MaxPodsBy, instance_limits
from vpcipam.settings import Settings, resolve_max_pods
from vpcipam.warmpool import IpamdPolicy, WarmPolicy


@attrs.frozen
class Reservation:
    """A reserved range of a subnet. In `prefix` ranges EC2 picks no single addresses, in `explicit` ranges nothing."""

    cidr: str
    kind: str


@attrs.frozen
class SubnetSpec:
    """A subnet of the fleet's VPC.

    Attributes:
        occupied_share: the share of its usable addresses that are taken before the start, 0 to 1; single addresses at random places.
        zone: its availability zone. Either all subnets of a scenario have one, or none; then all are in the same zone.
    """

    name: str
    cidr: str
    reservations: tuple[Reservation, ...] = ()
    occupied_share: float = 0.0
    zone: str | None = None

    @property
    def occupied_count(self) -> int:
        """The number of addresses that `occupied_share` stands for."""
        whole = Cidr.parse(self.cidr)
        return round(self.occupied_share * (whole.size - len(reserved_addresses(whole))))


@attrs.frozen
class NodeGroup:
    """Nodes of one type with the same settings.

    Attributes:
        count: nodes at the start.
        subnets: the names of their subnets. A node is launched in the zone where the group has the fewest; in a zone with several subnets,
            in these in turn.
        min_count: the fewest nodes: above it, a node that is empty for `scale_down_after_ns` is terminated.
        max_count: the most nodes: below it, a node is launched for pods that no node has room for.
        pod_subnet: the name of the ENIConfig's subnet, for custom networking; None for the node's own.
        pod_subnets: the names of the subnets of several ENIConfigs, one for each zone of the nodes, instead of `pod_subnet`.
        zones: the zones of `subnets`, if they are to be checked; empty if not.
        max_pods: the kubelet's limit; None for what `max_pods_by` sets.
        host_network_pods: pods on a node that need no VPC address but count for `max_pods` (aws-node and kube-proxy).
        placement, cooldown_aware_targets, hold_cooling_cidrs, policy: see `vpcipam.node.Node`.
        boot_ns: the time from the launch of an instance to the start of its ipamd; initial nodes have booted.
        max_pods_by: what sets the kubelet's limit; None for a managed node group, or if `max_pods` is given.
    """

    name: str
    instance_type: str
    count: int
    settings: Settings
    subnets: tuple[str, ...]
    min_count: int
    max_count: int
    pod_subnet: str | None = None
    max_pods: int | None = None
    host_network_pods: int = 2
    placement: str = "lowest"
    policy: WarmPolicy = attrs.field(factory=IpamdPolicy)
    cooldown_aware_targets: bool = False
    hold_cooling_cidrs: bool = False
    boot_ns: int = MINUTE_NS
    scale_down_after_ns: int = 10 * MINUTE_NS
    max_pods_by: MaxPodsBy | None = attrs.field(default=None, converter=attrs.converters.optional(MaxPodsBy))
    pod_subnets: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()

    @cached_property  # it checks the settings, and each launch of a node asks for it
    def kubelet_max_pods(self) -> int:
        """The kubelet's limit."""
        return resolve_max_pods(instance_limits(self.instance_type), self.settings, self.max_pods, self.max_pods_by)[0]

    @property
    def all_pod_subnets(self) -> tuple[str, ...]:
        """The names of the ENIConfigs' subnets; empty without custom networking."""
        return self.pod_subnets if self.pod_subnet is None else (self.pod_subnet,)

    @property
    def pods_per_node(self) -> int:
        """The most pods of the workload on one node."""
        return max(0, self.kubelet_max_pods - self.host_network_pods)


@attrs.frozen
class Ec2Behaviour:
    """How the scenario's EC2 behaves.

    Attributes:
        latencies: how long calls take; None for no time.
        throttle: how many calls EC2 accepts; None for any number.
        address_choice: which free address of a subnet EC2 picks.
    """

    latencies: Latencies | None = None
    throttle: Throttle | None = None
    address_choice: AddressChoice = "lowest"

    def conditions(self, seed: int) -> Conditions | None:
        """Return the conditions for the model; None if calls are instant and never throttled.

        Metadata reads are instant, so that a reconcile that finds no difference has no effect on a node.
        """
        if self.latencies is None and self.throttle is None:
            return None
        latencies = None if self.latencies is None else attrs.evolve(self.latencies, metadata=INSTANT)
        return Conditions(self.throttle, latencies, seed=seed)


def zones_of(subnets: Iterable[SubnetSpec]) -> tuple[str, ...]:
    """Return the zones of some subnets, in the order in which they are first named.

    >>> zones_of([SubnetSpec("x", "10.0.0.0/24", zone="b"), SubnetSpec("y", "10.0.1.0/24", zone="a"), SubnetSpec("z", "10.0.2.0/24")])
    ('b', 'a')
    """
    return tuple(dict.fromkeys(subnet.zone for subnet in subnets if subnet.zone is not None))


PERFECT_EC2 = Ec2Behaviour()
"""Instant, and never throttled."""


def node_name(group: str, number: int) -> str:
    """Return the name of a group's node, numbered from 0. Traces that bind pods to nodes use these names.

    >>> node_name("workers", 7)
    'workers-0007'
    """
    return f"{group}-{number:04d}"


def ipv4_block(text: str) -> Cidr:
    """Parse the CIDR of a VPC or subnet.

    Raises:
        InvalidArgument: it is not a CIDR, or EC2 does not accept it.
    """
    cidr = Cidr.parse(text)
    if cidr.version != 4 or cidr.prefix_length not in IPV4_PREFIX_LENGTHS:
        raise InvalidArgument(f"{text} must be an IPv4 /16 to /28, as in EC2")
    taken = next(filter(cidr.overlaps, NOT_FOR_VPCS), None)
    if taken is not None:
        raise InvalidArgument(f"{text} lies in {taken}, which no VPC can have")
    return cidr


def wanted_vpc_cidrs(cidrs: Iterable[Cidr]) -> tuple[str, ...]:
    """Return the VPC's CIDRs for some subnets: the smallest CIDR around all, or if that exceeds EC2's limit of a /16, the /16 around each.

    >>> wanted_vpc_cidrs([Cidr.parse("10.0.0.0/24"), Cidr.parse("10.0.3.0/24")])
    ('10.0.0.0/22',)
    >>> wanted_vpc_cidrs([Cidr.parse("10.0.0.0/24"), Cidr.parse("10.1.0.0/24")])
    ('10.0.0.0/16', '10.1.0.0/16')
    """
    cidrs = tuple(cidrs)
    first, last = min(cidr.first for cidr in cidrs), max(cidr.last for cidr in cidrs)
    length = min(28, 32 - (first ^ last).bit_length())
    firsts = {first} if length >= 16 else {cidr.first for cidr in cidrs}
    free_bits = 32 - max(16, length)
    return tuple(str(Cidr(4, each, 32 - free_bits)) for each in sorted({each >> free_bits << free_bits for each in firsts}))
