"""A cluster of node groups: the subnets that it needs, or how far given ones reach."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import attrs

from vpcipam._arguments import require_integer, require_type
from vpcipam._units import ceil_div, counted
from vpcipam.address import AddressMode, Cidr
from vpcipam.errors import InvalidArgument
from vpcipam.planner.cluster_groups import (
    MOST_ZONES,
    ClusterSubnet,
    NodeGroup,
    Reserve,
    last_that_holds,
    node_demands,
    subnet_capacity,
)
from vpcipam.planner.ec2_pace import CallPace, nodes_pace
from vpcipam.planner.nau import NAU_QUOTA, nau_dict, node_nau, nodes_nau
from vpcipam.planner.node_answers import NodePlan
from vpcipam.planner.subnet_demands import Capacity, Demands, whole_demands
from vpcipam.planner.subnet_packing import SubnetCount, count_subnets, fits_into

SCHEMA_VERSION = 1
"""The version of the JSON objects of `to_dict`. It rises when a member changes its meaning or goes."""
# AWS names Network and Gateway Load Balancers and VPC endpoints "per AZ".
# An Application Load Balancer is not in its table; it counts as much.
_NAU_PER_ENDPOINT = 6


@attrs.frozen
class GroupPlan:
    """One group of a cluster.

    Attributes:
        group: The group.
        node: The steady state of one of its nodes.
        most_nodes: The most nodes that it has at a time, with headroom and surge.
        most_nodes_per_zone: The most of them in one zone.
    """

    group: NodeGroup
    node: NodePlan
    most_nodes: int
    most_nodes_per_zone: int

    def to_dict(self) -> dict[str, Any]:
        """Return the group as a JSON object."""
        return {
            "name": self.group.name,
            "instance_type": self.node.instance_type,
            "mode": self.node.mode.value,
            "nodes": self.group.nodes,
            "most_nodes": self.most_nodes,
            "most_nodes_per_zone": self.most_nodes_per_zone,
            "pods_per_node": self.node.pods,
            "pods_assigned_per_node": self.node.pods_assigned,
            "branch_pods_per_node": self.node.branch_pods,
            "branch_pods_assigned_per_node": self.node.branch_pods_assigned,
            "enis_per_node": self.node.eni_count,
            "addresses_per_node": self.node.subnet_ips,
            "prefixes_per_node": self.node.prefix_count,
            "nau_per_node": node_nau(self.node),
        }


@attrs.frozen
class Limit:
    """Something that can run out, and how much of it is taken.

    Attributes:
        name: `addresses` or `prefixes` of the subnets of a zone, `nau` of the VPC, or `pods` that a node can run.
        used: What the cluster takes.
        available: What there is.
        where: Of which zone, group or VPC.
    """

    name: str
    used: int
    available: int
    where: str

    @property
    def share(self) -> float:
        """The share that is taken, rounded to thousandths; above 1 if there is not enough."""
        return round(self.used / self.available, 3) if self.available else float(self.used > 0)

    def to_dict(self) -> dict[str, Any]:
        """Return the limit as a JSON object."""
        return attrs.asdict(self) | {"share": self.share}


@attrs.frozen(kw_only=True)
class ClusterPlan:
    """The subnets of a cluster.

    A node's ENIs can be in several subnets of its zone if subnet discovery is on and these are tagged `kubernetes.io/role/cni=1`. The
    counts assume the tags; those that end in `_untagged` assume that there are none.

    Attributes:
        groups: The groups.
        zones: The number of zones.
        reserve: What else there is room for.
        subnet: The size of the subnets that are counted, such as `/24`; None if `subnets` were given.
        subnets: The given subnets.
        node_subnets_per_zone: The subnets of each zone for nodes, load balancers and endpoints; None if `subnets` were given.
        pod_subnets_per_zone: The subnets of each zone for pods, with custom networking or if a tag keeps pods out of the nodes' own subnet.
        untagged: The same without tags, for nodes.
        fragmented: The same if every single address breaks a /28 of its own; None unless all groups have prefixes.
        fits: Whether the cluster fits into the given subnets.
        fits_untagged: The same without tags.
        most_nodes: The most nodes for which the given subnets suffice, with all of `reserve`. If there are several groups, all grow or
            shrink alike. None without given subnets.
        most_nodes_untagged: The same without tags.
        bites: What can run out, the scarcest first.
        nau: The Network Address Usage of the VPC.
        pace: The nodes' calls to EC2, and how long throttling makes them take.
    """

    groups: tuple[GroupPlan, ...]
    zones: int
    reserve: Reserve
    subnet: str | None
    subnets: tuple[ClusterSubnet, ...]
    node_subnets_per_zone: SubnetCount | None
    pod_subnets_per_zone: SubnetCount | None
    untagged: SubnetCount | None
    fragmented: SubnetCount | None
    fits: bool
    fits_untagged: bool
    most_nodes: int | None
    most_nodes_untagged: int | None
    bites: tuple[Limit, ...]
    nau: int
    pace: CallPace

    @property
    def nodes(self) -> int:
        """The nodes of all groups, without headroom and surge."""
        return sum(each.group.nodes for each in self.groups)

    @property
    def subnets_per_zone(self) -> int | None:
        """The subnets of each zone; None if subnets were given."""
        return _sum(self.node_subnets_per_zone, self.pod_subnets_per_zone)

    @property
    def subnets_per_zone_untagged(self) -> int | None:
        """The subnets of each zone if none is tagged; None if a node has no place in one subnet, or if subnets were given."""
        return _sum(self.untagged, self.pod_subnets_per_zone)

    @property
    def subnets_per_zone_fragmented(self) -> int | None:
        """The subnets of each zone if single addresses break as many /28s as they can; None unless all groups have prefixes."""
        return _sum(self.fragmented, self.pod_subnets_per_zone)

    @property
    def subnets_total(self) -> int | None:
        """The subnets of all zones; None if subnets were given."""
        return self._total(self.subnets_per_zone)

    @property
    def subnets_total_untagged(self) -> int | None:
        """The subnets of all zones if none is tagged; None as for one zone."""
        return self._total(self.subnets_per_zone_untagged)

    @property
    def subnets_total_fragmented(self) -> int | None:
        """The subnets of all zones if single addresses break as many /28s as they can; None as for one zone."""
        return self._total(self.subnets_per_zone_fragmented)

    @property
    def subnets_per_zone_at_least(self) -> int | None:
        """The bound for one zone: less than `subnets_per_zone` only in large cases that are too close to call."""
        return _least(self.node_subnets_per_zone, self.pod_subnets_per_zone)

    def _total(self, per_zone: int | None) -> int | None:
        return None if per_zone is None else per_zone * self.zones

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as a JSON object. The figures of a node stand outside `groups` too if there is only one group."""
        groups = [each.to_dict() for each in self.groups]
        only = groups[0] if len(groups) == 1 else {}
        return {
            "schema_version": SCHEMA_VERSION,
            "nodes": self.nodes,
            "zones": self.zones,
            "reserve": attrs.asdict(self.reserve),
            "subnet": self.subnet,
            "subnets": [attrs.asdict(each) for each in self.subnets],
            "subnets_total": self.subnets_total,
            "subnets_per_zone": self.subnets_per_zone,
            "node_subnets_per_zone": _count(self.node_subnets_per_zone),
            "pod_subnets_per_zone": _count(self.pod_subnets_per_zone),
            "subnets_per_zone_at_least": self.subnets_per_zone_at_least,
            "subnets_total_untagged": self.subnets_total_untagged,
            "subnets_per_zone_untagged": self.subnets_per_zone_untagged,
            "subnets_total_fragmented": self.subnets_total_fragmented,
            "subnets_per_zone_fragmented": self.subnets_per_zone_fragmented,
            "fits": self.fits,
            "fits_untagged": self.fits_untagged,
            "most_nodes": self.most_nodes,
            "most_nodes_untagged": self.most_nodes_untagged,
            "enis_per_node": only.get("enis_per_node"),
            "addresses_per_node": only.get("addresses_per_node"),
            "prefixes_per_node": only.get("prefixes_per_node"),
            "groups": groups,
            "bites": [each.to_dict() for each in self.bites],
            "nau": nau_dict(self.nau),
            "ec2": self.pace.to_dict(),
        }


def _count(count: SubnetCount | None) -> int | None:
    return None if count is None else count.count


def _sum(nodes: SubnetCount | None, pods: SubnetCount | None) -> int | None:
    return None if nodes is None else nodes.count + (pods.count if pods is not None else 0)


def _least(nodes: SubnetCount | None, pods: SubnetCount | None) -> int | None:
    return None if nodes is None else nodes.least + (pods.least if pods is not None else 0)


# --- the plan ------------------------------------------------------------------------------------------------------------


def plan_cluster(
    groups: Iterable[NodeGroup],
    subnets: str | Iterable[ClusterSubnet | str],
    *,
    zones: int | None = None,
    reserve: Reserve | None = None,
) -> ClusterPlan:
    """Compute how many subnets a cluster needs, or whether given ones suffice.

    What a node takes is that of `vpcipam.plan`. The nodes of a group are spread evenly over the zones. No zone uses a subnet of another.

    Args:
        groups: The groups of nodes, one or more.
        subnets: The size of the subnets to count, such as `/24`, or the subnets that there are: each a `ClusterSubnet`, or a text that it
            reads, such as `a=10.0.0.0/24`. With custom networking, some are `for_pods`; one can be given for nodes and for pods.
        zones: The number of zones, 3 unless given; given subnets have their own.
        reserve: What else there must be room for; None for nothing.

    Raises:
        InvalidArgument: A number is out of its bounds, a subnet is no subnet of EC2, subnets overlap, or a node takes more than a subnet of
            the size has.
        SettingsError: ipamd would refuse to start with the settings of a group.

    >>> answer = plan_cluster([NodeGroup(instance_type="m5.xlarge", nodes=120, pods=25)], "/24")
    >>> answer.subnets_total, answer.groups[0].node.subnet_ips
    (24, 45)
    """
    asked = tuple(groups)
    if not asked:
        raise InvalidArgument("a cluster has one or more groups of nodes; give at least one")
    for each in asked:
        require_type("a group", each, NodeGroup, "give NodeGroup(instance_type=…, nodes=…, pods=…)")
    if isinstance(subnets, str):
        return _Planner(asked, 3 if zones is None else zones, reserve or Reserve()).count(subnets)
    given = tuple(each if isinstance(each, ClusterSubnet) else ClusterSubnet.parse(each) for each in subnets)
    by_zone = _by_zone(given)
    if zones not in {None, len(by_zone)}:
        raise InvalidArgument(f"the subnets are in {counted(len(by_zone), 'zone')}, not in {zones}; leave the number of zones out")
    return _Planner(asked, len(by_zone), reserve or Reserve()).reach(given, by_zone)


_FOR_NODES, _FOR_PODS = 0, 1
"""The pools of `Demand.pool` for which a given subnet can be open."""


def _for_pods(demands: Demands) -> Demands:
    """Return what is taken of the subnets that are open for pods."""
    return [(attrs.evolve(demand, pool=_FOR_PODS), count) for demand, count in demands]


def _by_zone(subnets: Sequence[ClusterSubnet]) -> dict[str, list[Capacity]]:
    """Return what the given subnets of each zone hold. One that is given for nodes and for pods is open for both."""
    zones = [each.zone for each in subnets if not each.for_pods]
    if not zones or ("" in zones and len({*zones}) > 1):
        raise InvalidArgument("give one or more subnets, and the zone of all or of none: a=10.0.0.0/24, b=10.0.1.0/24")
    for each in subnets:
        if each.zone not in zones:
            raise InvalidArgument(
                f"{each.cidr} is for pods in zone {each.zone!r}, where no subnet is for nodes; give one, or its right zone"
            )
    found: dict[str, list[Capacity]] = {zone: [] for zone in zones}
    shared = {(each.zone, each.cidr) for each in subnets if each.for_pods and not each.cidr.startswith("/")}
    shared &= {(each.zone, each.cidr) for each in subnets if not each.for_pods}
    _refuse_overlaps([each for each in subnets if not (each.for_pods and (each.zone, each.cidr) in shared)])
    for each in subnets:
        both = (each.zone, each.cidr) in shared
        pools = 1 << _FOR_NODES | 1 << _FOR_PODS if both else 1 << (_FOR_PODS if each.for_pods else _FOR_NODES)
        if not (both and each.for_pods):
            found[each.zone].append(each.capacity._replace(pools=pools))
    return found


def _refuse_overlaps(subnets: Sequence[ClusterSubnet]) -> None:
    """Refuse subnets that share addresses, which would count twice. Mere sizes are as many subnets."""
    placed = sorted((Cidr.parse(each.cidr) for each in subnets if not each.cidr.startswith("/")), key=lambda each: (each.first, each.last))
    for one, other in pairwise(placed):
        if one.overlaps(other):
            raise InvalidArgument(f"the subnets {one} and {other} overlap, and no VPC has both; give each once")


class _Planner:
    def __init__(self, groups: tuple[NodeGroup, ...], zones: int, reserve: Reserve) -> None:
        require_integer("zones", zones, 1, MOST_ZONES)
        if reserve.zones_lost >= zones:
            raise InvalidArgument(f"zones_lost is {reserve.zones_lost}; of {counted(zones, 'zone')} at least one has to stay")
        self._zones = zones
        self._reserve = reserve
        self._nodes = [(group, group.plan()) for group in groups]
        self._takes = [node_demands(group, node) for group, node in self._nodes]
        self._groups = tuple(
            GroupPlan(group, node, reserve.most_nodes(group.nodes), self._in_one_zone(group.nodes)) for group, node in self._nodes
        )

    def _in_one_zone(self, nodes: int) -> int:
        """Return the most nodes of a group in one zone."""
        return ceil_div(self._reserve.most_nodes(nodes), self._zones - self._reserve.zones_lost)

    def _of_nodes(self, counts: Iterable[int] | None = None) -> Demands:
        """What so many nodes of each group in a zone take out of its subnets for nodes."""
        nodes = [(own, count) for (own, _), count in zip(self._takes, counts or self._counts, strict=True)]
        return [*nodes, *self._reserve.demands]

    def _of_pods(self, counts: Iterable[int] | None = None) -> Demands:
        """What they take out of its subnets for pods, if these are others."""
        return [(pods, count) for (_, pods), count in zip(self._takes, counts or self._counts, strict=True) if pods is not None]

    @property
    def _counts(self) -> list[int]:
        """The most nodes of each group in a zone."""
        return [each.most_nodes_per_zone for each in self._groups]

    # --- how many subnets ------------------------------------------------------------------------------------------------

    def count(self, subnet: str) -> ClusterPlan:
        """Count the subnets of a size that each zone needs."""
        capacity = subnet_capacity(subnet)
        nodes, pods = self._of_nodes(), self._of_pods()
        found = count_subnets(nodes, capacity)
        for_pods = count_subnets(pods, capacity) if pods else None
        if found is None or (pods and for_pods is None):
            raise self._too_small(subnet, capacity)
        fragmented = None
        if not self._reserve.demands and all(node.mode is AddressMode.PREFIX for _, node in self._nodes) and not pods:
            fragmented = count_subnets([(demand.fragmented, count) for demand, count in nodes], capacity.fragmented)
        limits = [self._limits(nodes, [capacity] * found.count, "the subnets of each zone")]
        if for_pods is not None:
            limits.append(self._limits(pods, [capacity] * for_pods.count, "the pods' subnets of each zone"))
        return self._answer(
            subnet=subnet,
            node_subnets_per_zone=found,
            pod_subnets_per_zone=for_pods,
            untagged=count_subnets(whole_demands(nodes), capacity),
            fragmented=fragmented,
            limits=[limit for each in limits for limit in each],
        )

    def _too_small(self, subnet: str, capacity: Capacity) -> InvalidArgument:
        has = f"{counted(capacity.addresses, 'address', 'addresses')} and {counted(capacity.prefixes, 'whole /28')}"
        takes = ", ".join(
            f"{each.group.name} {counted(each.node.subnet_ips, 'address', 'addresses')}"
            + (f" with {counted(each.node.prefix_count, '/28')}" if each.node.mode is AddressMode.PREFIX else "")
            for each in self._groups
        )
        return InvalidArgument(f"a {subnet} has {has}; a node takes more ({takes}), or a load balancer does: give larger subnets")

    # --- how far given subnets reach -------------------------------------------------------------------------------------

    def reach(self, subnets: tuple[ClusterSubnet, ...], by_zone: dict[str, list[Capacity]]) -> ClusterPlan:
        """Tell whether the subnets of each zone suffice, and for how many nodes they would."""
        nodes = self._of_nodes()
        pods = _for_pods(self._of_pods())
        if pods and not any(each.for_pods for each in subnets):
            raise InvalidArgument(
                "nodes and pods have subnets of their own, as with custom networking; give those of the pods too (--pod-subnets), "
                "or the size of subnets instead"
            )
        zones = [*by_zone.items()]
        limits: dict[tuple[str, int], Limit] = {}
        for zone, capacities in zones:
            for pool, each in self._limits_of_zone(nodes, pods, capacities, zone):
                limits[each.name, pool] = max(each, limits.get((each.name, pool), each), key=_by_share)
        fits = all(fits_into([*nodes, *pods], capacities) for _, capacities in zones)
        fits_untagged = all(fits_into(whole_demands([*nodes, *pods]), capacities) for _, capacities in zones)
        return self._answer(
            subnets=subnets,
            fits=fits,
            fits_untagged=fits_untagged,
            most_nodes=self._most_nodes(by_zone, tagged=True),
            most_nodes_untagged=self._most_nodes(by_zone, tagged=False),
            limits=limits.values(),
        )

    def _limits_of_zone(self, nodes: Demands, pods: Demands, capacities: list[Capacity], zone: str) -> Iterator[tuple[int, Limit]]:
        """Compare what a zone takes with what its subnets have: for nodes and for pods apart, unless they share a subnet."""
        where = f"zone {zone}" if zone else "the subnets"
        if pods and any(each.pools == 1 << _FOR_NODES | 1 << _FOR_PODS for each in capacities):
            yield from ((_FOR_NODES, each) for each in self._limits([*nodes, *pods], capacities, where))
            return
        for pool, demands in ((_FOR_NODES, nodes), (_FOR_PODS, pods)):
            there = [each for each in capacities if each.pools >> pool & 1]
            if demands:
                yield from (
                    (pool, each)
                    for each in self._limits(
                        demands, there, where if pool == _FOR_NODES else f"the pods' subnets{f' of {where}' if zone else ''}"
                    )
                )

    def _most_nodes(self, by_zone: dict[str, list[Capacity]], *, tagged: bool) -> int:
        """Return the most nodes for which every zone has room, if all groups grow or shrink alike."""
        total = sum(group.nodes for group, _ in self._nodes)

        def shares(nodes: int) -> list[int]:
            return [ceil_div(nodes * group.nodes, total) for group, _ in self._nodes]

        def holds(nodes: int) -> bool:
            counts = [self._in_one_zone(share) for share in shares(nodes)]
            demands = [*self._of_nodes(counts), *_for_pods(self._of_pods(counts))]
            return all(fits_into(demands if tagged else whole_demands(demands), capacities) for capacities in by_zone.values())

        return sum(shares(last_that_holds(holds)))

    # --- both ------------------------------------------------------------------------------------------------------------

    def _limits(self, demands: Demands, capacities: Sequence[Capacity], where: str) -> list[Limit]:
        """Compare what the nodes of a zone take with what its subnets have."""
        addresses = sum(count * demand.addresses for demand, count in demands)
        prefixes = sum(count * demand.prefixes for demand, count in demands)
        limits = [Limit("addresses", addresses, sum(each.addresses for each in capacities), where)]
        return [*limits, Limit("prefixes", prefixes, sum(each.prefixes for each in capacities), where)] if prefixes else limits

    def _answer(self, *, limits: Iterable[Limit], **parts: Any) -> ClusterPlan:  # noqa: ANN401 - the fields of either answer
        others = (self._reserve.load_balancers + self._reserve.endpoints) * _NAU_PER_ENDPOINT + self._reserve.other_addresses
        nodes = [(each.node, each.most_nodes) for each in self._groups]
        nau = nodes_nau(nodes) + self._zones * others
        pods = [Limit("pods", each.node.pods, each.node.pod_limit, f"each node of {each.group.name}") for each in self._groups]
        names = ("subnet", "node_subnets_per_zone", "pod_subnets_per_zone", "untagged", "fragmented", "most_nodes", "most_nodes_untagged")
        given: dict[str, Any] = {**dict.fromkeys(names), "subnets": (), "fits": True, "fits_untagged": True, **parts}
        return ClusterPlan(
            groups=self._groups,
            zones=self._zones,
            reserve=self._reserve,
            bites=tuple(sorted([*limits, Limit("nau", nau, NAU_QUOTA, "the VPC"), *pods], key=_by_share, reverse=True)),
            nau=nau,
            pace=nodes_pace(nodes),
            **given,
        )


def _by_share(limit: Limit) -> float:
    return limit.share
