"""What is asked of a cluster plan: groups of nodes, subnets, and what else these must have room for."""

import re
from collections.abc import Callable
from fractions import Fraction

import attrs

from vpcipam._arguments import integer_field, require_integer
from vpcipam._units import ceil_div
from vpcipam.address import AddressMode, Cidr
from vpcipam.ec2.subnet_rules import IPV4_PREFIX_LENGTHS
from vpcipam.errors import InvalidArgument, InvalidCidr
from vpcipam.limits import InstanceLimits, MaxPodsBy, instance_limits
from vpcipam.planner.node import PODS_LIMIT, plan
from vpcipam.planner.node_answers import NodePlan
from vpcipam.planner.subnet_demands import Capacity, Demand
from vpcipam.settings import Settings

ADDRESSES_PER_LOAD_BALANCER = 8
"""The free addresses that an Application Load Balancer needs in its subnet of each zone (Elastic Load Balancing, "Subnets for your load
balancer")."""
MOST_ZONES = 16
"""More zones than any region has."""
_PERCENTAGE = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,3})?)\s*%")
_SIZE = re.compile(r"/([0-9]{1,2})")


# --- what is asked -------------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class NodeGroup:
    """Alike nodes, spread evenly over the zones.

    Attributes:
        instance_type: Their type.
        nodes: How many there are, in all zones together.
        pods: The pods with a VPC address on each node.
        branch_pods: The pods with security groups on each node, beside `pods`.
        settings: The settings of their aws-node container.
        max_pods: The kubelet's limit; None for what `max_pods_by` sets.
        max_pods_by: What sets the kubelet's limit; None for a managed node group.
        own_subnet_excluded: The subnet of a node's first ENI gives no addresses to pods; see `vpcipam.plan`.
        name: What to call the group. Default: its instance type.
    """

    instance_type: InstanceLimits = attrs.field(converter=instance_limits)
    nodes: int = attrs.field(validator=integer_field(1, PODS_LIMIT))
    pods: int
    branch_pods: int = 0
    settings: Settings = attrs.field(factory=Settings)
    max_pods: int | None = None
    max_pods_by: MaxPodsBy | str | None = None
    own_subnet_excluded: bool = False
    name: str = attrs.field(default=attrs.Factory(lambda self: self.instance_type.instance_type, takes_self=True))

    def plan(self) -> NodePlan:
        """Return the steady state of one node; see `vpcipam.plan` for what it refuses."""
        return plan(
            self.instance_type,
            self.pods,
            self.settings,
            nodes=self.nodes,
            max_pods=self.max_pods,
            max_pods_by=self.max_pods_by,
            branch_pods=self.branch_pods,
            own_subnet_excluded=self.own_subnet_excluded,
        )


@attrs.frozen
class ClusterSubnet:
    """A subnet that there is, empty.

    Attributes:
        cidr: Its addresses, or only its size: `10.0.0.0/24` or `/24`.
        zone: Its zone.
        for_pods: It is for pods that have subnets of their own, as with custom networking.
    """

    cidr: str = attrs.field()
    zone: str = ""
    for_pods: bool = False

    @cidr.validator
    def _check_cidr(self, _: object, cidr: str) -> None:
        subnet_capacity(cidr)

    @property
    def capacity(self) -> Capacity:
        """What it can hold."""
        return subnet_capacity(self.cidr)

    @classmethod
    def parse(cls, text: str, *, for_pods: bool = False) -> "ClusterSubnet":
        """Read `CIDR` or `ZONE=CIDR`.

        >>> ClusterSubnet.parse("us-east-1a=10.0.0.0/24").zone
        'us-east-1a'
        """
        zone, equals, cidr = text.rpartition("=")
        if equals and not zone:
            raise InvalidArgument(f"{text!r} has no zone before the =; write it as a=10.0.0.0/24, or without =")
        return cls(cidr, zone, for_pods)


def subnet_capacity(text: str) -> Capacity:
    """Return what a subnet can hold, by its CIDR or its size.

    Raises:
        InvalidCidr: It is neither.
        InvalidArgument: EC2 has no subnet of that size.

    >>> subnet_capacity("/23").addresses, subnet_capacity("/23").prefixes
    (507, 30)
    """
    size = _SIZE.fullmatch(text)
    try:
        cidr = Cidr(4, 0, int(size[1])) if size else Cidr.parse(text)
    except InvalidCidr:
        raise InvalidCidr(f"{text!r} is neither a size of subnets, such as /24, nor the CIDR of one, such as 10.0.1.0/24") from None
    if cidr.version != 4 or cidr.prefix_length not in IPV4_PREFIX_LENGTHS:
        first, last = IPV4_PREFIX_LENGTHS[0], IPV4_PREFIX_LENGTHS[-1]
        raise InvalidArgument(f"a subnet of EC2 has an IPv4 CIDR from /{first} to /{last}, not {text}; give a size such as /24")
    return Capacity.of(str(cidr))


def _share(where: str, value: int | str, *, of: str) -> tuple[int, Fraction]:
    """Read a count, or a percentage, as a number of nodes and a share of them."""
    if isinstance(value, str):
        found = _PERCENTAGE.fullmatch(value.strip())
        if found is None:
            raise InvalidArgument(f"{where} must be a number of nodes, or a share of {of} such as '20%', not {value!r}")
        return 0, Fraction(found[1]) / 100
    require_integer(where, value, 0, PODS_LIMIT)
    return value, Fraction(0)


@attrs.frozen(kw_only=True)
class Reserve:
    """What else the subnets must have room for.

    Attributes:
        headroom: More nodes of each group, for growth: a number, or a share of the group such as `20%`, rounded up.
        surge: More nodes of each group during a rolling update, in the same form. They come on top of the headroom.
        zones_lost: Zones that fail. The others then have the nodes of all.
        load_balancers: Application Load Balancers, with 8 addresses in one subnet of each zone.
        endpoints: Interface endpoints, with one address in each zone.
        other_addresses: Other single addresses in each zone.
    """

    headroom: int | str = 0
    surge: int | str = 0
    zones_lost: int = attrs.field(default=0, validator=integer_field(0, MOST_ZONES))
    load_balancers: int = attrs.field(default=0, validator=integer_field(0, PODS_LIMIT))
    endpoints: int = attrs.field(default=0, validator=integer_field(0, PODS_LIMIT))
    other_addresses: int = attrs.field(default=0, validator=integer_field(0, PODS_LIMIT))

    def __attrs_post_init__(self) -> None:
        """Check the two fields that are a number or a share."""
        self.most_nodes(1)

    def most_nodes(self, nodes: int) -> int:
        """Return the most nodes that a group of `nodes` has at a time."""
        more, grown = _share("headroom", self.headroom, of="the nodes")
        surge, share = _share("surge", self.surge, of="the nodes")
        return nodes + more + _round_up(nodes * grown) + surge + _round_up(nodes * share)

    @property
    def demands(self) -> list[tuple[Demand, int]]:
        """What it takes out of the subnets of each zone, beside nodes."""
        found = [(Demand(fixed=ADDRESSES_PER_LOAD_BALANCER), self.load_balancers), (Demand(fixed=1), self.endpoints + self.other_addresses)]
        return [(demand, count) for demand, count in found if count]


def _round_up(share: Fraction) -> int:
    return ceil_div(share.numerator, share.denominator)


# --- what one node takes -------------------------------------------------------------------------------------------------


def node_demands(group: NodeGroup, answer: NodePlan) -> tuple[Demand, Demand | None]:
    """Return what a node takes out of its own subnets, and out of the subnets of its pods if these are others.

    They are with custom networking, and if tags exclude the node's own subnet.
    """
    slot_size = answer.mode.addresses_per_slot if answer.mode is not AddressMode.IPV6 else 0
    slots = sum(eni.secondary_ips + eni.prefixes for eni in answer.enis) if slot_size else 0  # a /64 has a /80 for every IPv4 address
    singles = answer.subnet_ips - slots * slot_size
    if group.settings.custom_network_cfg:
        return Demand(fixed=1), Demand(fixed=singles - 1, slots=slots, slot_size=slot_size) if answer.subnet_ips > 1 else None
    eni_count = sum(not eni.trunk for eni in answer.enis)
    limit = group.settings.eni_limit(group.instance_type) - group.settings.takes_trunk(group.instance_type)
    one_card = not any(eni.network_card for eni in answer.enis)
    whole = Demand(
        fixed=singles - (eni_count - 1),
        slots=slots,
        slot_size=max(1, slot_size),
        slots_per_eni=group.instance_type.slots_per_eni,
        eni_count=eni_count,
        eni_limit=max(limit, eni_count),
        spreads=group.settings.enable_subnet_discovery and slots > 0 and one_card and limit > 1,
    )
    return whole.divided(0) if group.own_subnet_excluded and group.settings.enable_subnet_discovery else (whole, None)


def last_that_holds(holds: Callable[[int], bool]) -> int:
    """Return the largest number up to `PODS_LIMIT` for which a condition holds that no larger number meets; 0 if not even 1 does."""
    low, high = 0, PODS_LIMIT
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low
