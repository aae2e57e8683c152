"""The answers of `plan_present`: the groups, the subnets and the plan of the cluster that there is."""

from collections.abc import Mapping
from typing import Any

import attrs

from vpcipam.limits import MaxPodsBy
from vpcipam.planner.ec2_pace import CallPace
from vpcipam.planner.nau import nau_dict


@attrs.frozen(kw_only=True)
class PresentGroup:
    """A group of nodes after a change.

    Attributes:
        name: Its name.
        provisioner: What sets the kubelet's max-pods on its new nodes.
        instance_types: The types of its nodes, sorted.
        nodes: How many nodes it has.
        pods: Their pods with a VPC address.
        branch_pods: Their pods with security groups.
        pods_waiting: How many of both would wait.
        addresses: The addresses that its nodes take.
        prefixes: The prefixes among them.
        attached: The addresses that its nodes have now; None if that is not known of all.
        max_pods: The kubelet's limits of its nodes, ascending.
        max_pods_now: The same today.
        max_pods_to_set: What to lower max-pods to, because some node has addresses for no more pods; None if all have enough.
        new_nodes: How many nodes have to be launched for the change.
        why_new: Why; empty if none.
    """

    name: str
    provisioner: MaxPodsBy
    instance_types: tuple[str, ...]
    nodes: int
    pods: int
    branch_pods: int
    pods_waiting: int
    addresses: int
    prefixes: int
    attached: int | None
    max_pods: tuple[int, ...]
    max_pods_now: tuple[int, ...]
    max_pods_to_set: int | None
    new_nodes: int
    why_new: tuple[str, ...]


@attrs.frozen(kw_only=True)
class SubnetRange:
    """The range to reserve for prefixes in one subnet (`aws ec2 create-subnet-cidr-reservation --reservation-type prefix`).

    Attributes:
        prefixes: The prefixes that new nodes have there.
        prefix_length: The length of the range; if `cidr` is None, of the smallest with so many /28s.
        cidr: The smallest range in which so many /28s are whole now; None if there is none, or if nobody knows which addresses are taken.
    """

    subnet_id: str
    prefixes: int
    prefix_length: int
    cidr: str | None


@attrs.frozen(kw_only=True)
class PresentPool:
    """The subnets that some nodes share: one, or all those of a zone that the tags of subnet discovery open to them.

    Attributes:
        subnet_ids: The subnets; empty for nodes of which nobody knows the subnet.
        zone: Their zone.
        for_pods: They are those of ENIs for pods alone: with custom networking, or if a tag keeps pods out of the nodes' own subnet.
        nodes: The nodes that take addresses of them.
        pods: The pods of these nodes with a VPC address.
        addresses: The addresses that the nodes take.
        prefixes: The prefixes among them.
        attached: The addresses that nodes have in the subnets now; None if that is not known of all.
        others: The addresses that others take.
        available: The addresses that there are for nodes.
        available_prefixes: The most whole /28s that there are for nodes.
        free_prefixes: The /28s that are whole now, beside what the nodes have.
        places_known: Whether `available_prefixes` and `free_prefixes` are exact; else they are the most possible.
        fits: Whether the nodes fit.
        fits_beside: Whether new nodes fit beside all old ones (blue/green); None if no new nodes are needed.
        fits_one_by_one: Whether new nodes fit one after the other, while old ones go (a rolling update, in the order of the nodes); None
            likewise.
        most_nodes: For how many nodes like these the subnets suffice.
        most_pods: How many pods these run.
        full_for_nodes: Those of several subnets that have no room for the primary ENI of a further node, wherever others have.
        ranges: What to reserve for the prefixes of new nodes.
    """

    subnet_ids: tuple[str, ...]
    zone: str
    for_pods: bool
    nodes: int
    pods: int
    addresses: int
    prefixes: int
    attached: int | None
    others: int | None = None
    available: int | None = None
    available_prefixes: int | None = None
    free_prefixes: int | None = None
    places_known: bool = False
    fits: bool | None = None
    fits_beside: bool | None = None
    fits_one_by_one: bool | None = None
    most_nodes: int | None = None
    most_pods: int | None = None
    full_for_nodes: tuple[str, ...] = ()
    ranges: tuple[SubnetRange, ...] = ()

    @property
    def headroom(self) -> int | None:
        """The addresses that the nodes leave; negative if there are too few."""
        return None if self.available is None else self.available - self.addresses

    @property
    def growth(self) -> float:
        """By which factor the nodes can grow; infinite if nobody knows the subnets."""
        return float("inf") if self.most_nodes is None else self.most_nodes / self.nodes

    def to_dict(self) -> dict[str, Any]:
        """Return the subnets as a JSON object."""
        found = attrs.asdict(self, recurse=False) | {
            "subnet_ids": list(self.subnet_ids),
            "headroom": self.headroom,
            "full_for_nodes": list(self.full_for_nodes),
        }
        return found | {"ranges": [attrs.asdict(each) for each in self.ranges]}


@attrs.frozen(kw_only=True)
class PresentPlan:
    """The cluster that there is, as it is or after a change.

    Attributes:
        variables: The variables that the change sets.
        instance_type: The type that all nodes get; None if they keep theirs.
        groups: The groups of nodes, by name.
        pools: The subnets, as nodes share them.
        first: Which of `pools` runs out first if all grow alike; None if a subnet is not known.
        most_pods: The pods of the whole cluster with which `first` is full; None likewise.
        nau: The Network Address Usage of the nodes.
        pace: The nodes' calls to EC2 from their start, and how long throttling makes them take.
        new_pace: The same of the nodes that have to be launched.
    """

    variables: Mapping[str, str]
    instance_type: str | None
    groups: tuple[PresentGroup, ...]
    pools: tuple[PresentPool, ...]
    first: PresentPool | None
    most_pods: int | None
    nau: int
    pace: CallPace
    new_pace: CallPace

    @property
    def fits(self) -> bool | None:
        """Whether everything fits; None if that is not known of some subnet."""
        answers = [each.fits for each in self.pools]
        return False if False in answers else None if None in answers else True

    def total(self, name: str) -> int:
        """Add up a figure of all groups."""
        return sum(getattr(each, name) for each in self.groups)

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as a JSON object."""
        return {
            "variables": dict(self.variables),
            "instance_type": self.instance_type,
            **{name: self.total(name) for name in ("nodes", "pods", "branch_pods", "pods_waiting", "addresses", "prefixes", "new_nodes")},
            "fits": self.fits,
            "first": None if self.first is None else self.pools.index(self.first),
            "most_pods": self.most_pods,
            "nau": nau_dict(self.nau),
            "ec2": self.pace.to_dict(),
            "ec2_of_new": self.new_pace.to_dict(),
            "groups": [_plain(each) for each in self.groups],
            "subnets": [each.to_dict() for each in self.pools],
        }


def _plain(group: PresentGroup) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in attrs.asdict(group, recurse=False).items()}
