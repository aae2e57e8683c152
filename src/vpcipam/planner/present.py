"""The cluster that there is: its nodes with their pods, and its subnets with what is taken in them."""

from collections.abc import Iterable, Iterator, Mapping

import attrs

from vpcipam.address import IPV4_BITS, AddressMode, Cidr
from vpcipam.ec2.subnet_rules import PREFIX_SIZE, reserved_addresses
from vpcipam.limits import InstanceLimits, MaxPodsBy, core_cap
from vpcipam.planner.cluster_groups import NodeGroup
from vpcipam.planner.subnet_demands import Capacity
from vpcipam.settings import Settings, default_max_pods

PREFIX_LENGTH = AddressMode.PREFIX.prefix_length


@attrs.frozen(kw_only=True)
class PresentNode:
    """A node with its pods.

    Attributes:
        name: What to call it.
        group: The name of its group, such as a node group or a node pool.
        provisioner: What sets the kubelet's max-pods on a new node of the group.
        instance_type: Its type.
        settings: The settings of its aws-node container.
        pods: The pods with a VPC address that are bound to it.
        branch_pods: The pods with security groups, beside `pods`.
        max_pods: The kubelet's limit, as the node shows it; None for that of a new node.
        new_max_pods: The kubelet's max-pods on a new node of the group, if something sets a number; None for what `provisioner` sets.
        new_pods_per_core: The kubelet's podsPerCore on a new node of the group; 0 for no limit.
        subnet_ids: The subnet in which it was launched, and then the others that tags open to its further ENIs under subnet discovery;
            empty if nobody knows.
        own_subnet_excluded: The first of `subnet_ids` is tagged so that under subnet discovery it gives no addresses to pods.
        pod_subnet_ids: With custom networking, those of the ENIs for pods; empty if nobody knows.
        attached: The addresses that it has in subnets now; None if nobody knows.
    """

    name: str
    group: str
    provisioner: MaxPodsBy
    instance_type: InstanceLimits
    settings: Settings
    pods: int
    branch_pods: int = 0
    max_pods: int | None = None
    new_max_pods: int | None = None
    new_pods_per_core: int = 0
    subnet_ids: tuple[str, ...] = ()
    own_subnet_excluded: bool = False
    pod_subnet_ids: tuple[str, ...] = ()
    attached: int | None = None

    @property
    def max_pods_when_new(self) -> int | None:
        """The kubelet's limit on such a node if it is new; None for what `provisioner` sets."""
        most = core_cap(self.instance_type, self.new_pods_per_core)
        if most is None:
            return self.new_max_pods
        if self.new_max_pods is not None:
            return min(most, self.new_max_pods)
        return most if most < default_max_pods(self.instance_type, self.settings, self.provisioner) else None

    def alone(self) -> NodeGroup:
        """Return the node as a group of one."""
        max_pods = self.max_pods_when_new if self.max_pods is None else self.max_pods
        return NodeGroup(
            instance_type=self.instance_type,
            nodes=1,
            pods=self.pods,
            branch_pods=self.branch_pods,
            settings=self.settings,
            max_pods=max_pods,
            max_pods_by=self.provisioner if max_pods is None else None,
            own_subnet_excluded=self.own_subnet_excluded,
        )


@attrs.frozen(kw_only=True)
class PresentSubnet:
    """A subnet, with what is taken in it.

    Attributes:
        subnet_id: Its id.
        cidr: Its addresses.
        zone: Its zone.
        others: What others than the nodes take: their ENIs, and CIDR reservations of the type `explicit`.
        held: What the nodes' ENIs have.
        held_by: The same by the name of the node, as far as that is known.
        reserved: CIDR reservations of the type `prefix`. EC2 chooses no single address in them.
        unplaced_others: How many more addresses others take; nobody knows which.
        unplaced_held: How many more addresses the nodes have; nobody knows which.
        held_known: Whether that is all that the nodes have; else some of it is missing.
    """

    subnet_id: str
    cidr: Cidr
    zone: str = ""
    others: tuple[Cidr, ...] = ()
    held: tuple[Cidr, ...] = ()
    held_by: Mapping[str, tuple[Cidr, ...]] = attrs.field(factory=dict)
    reserved: tuple[Cidr, ...] = ()
    unplaced_others: int = 0
    unplaced_held: int = 0
    held_known: bool = True

    @property
    def held_count(self) -> int | None:
        """How many addresses the nodes have; None if nobody knows."""
        return _size(self._within(self.held)) + self.unplaced_held if self.held_known else None

    @property
    def places_known(self) -> bool:
        """Whether the place of every taken address is known, so that the numbers of /28s are exact; else they are the most possible."""
        return self.held_known and not self.unplaced_others and not self.unplaced_held

    @property
    def other_count(self) -> int:
        """How many addresses others take."""
        return _size(self._within(self.others)) + self.unplaced_others

    def capacity(self, *, for_prefixes: bool, beside_nodes: bool = False, without: Iterable[str] = ()) -> Capacity:
        """Return what the subnet can hold.

        Args:
            for_prefixes: Nodes have prefixes, so that reservations of the type `prefix` serve them; else these are as good as taken.
            beside_nodes: Beside what the nodes have now; else in its place.
            without: Nodes of `held_by` that are gone.
        """
        gone = {cidr for name in without for cidr in self.held_by.get(name, ())}
        taken = [*self.others, *(each for each in self.held if beside_nodes and each not in gone), *_kept(self.cidr)]
        merged, both = [*self._within(taken)], [*self._within([*taken, *self.reserved])]
        outside = self.cidr.size - _size(both)
        whole = len(self._whole_blocks(both))
        reserved = len(self._whole_blocks(merged)) - whole if for_prefixes else 0  # nothing can be in those that are broken
        unplaced = self.unplaced_others + (self.unplaced_held if beside_nodes else 0)
        addresses = max(0, outside + PREFIX_SIZE * reserved - unplaced)
        prefixes = min(addresses // PREFIX_SIZE, whole + reserved)
        return Capacity(addresses, prefixes, min(reserved, prefixes))

    def range_for_prefixes(self, prefixes: int) -> Cidr | None:
        """Return the smallest range in which so many /28s are whole now, the first of these; None if there is none."""
        free = self._whole_blocks(self._within([*self.others, *self.held, *_kept(self.cidr)]))
        first, count = self.cidr.first // PREFIX_SIZE, self.cidr.size // PREFIX_SIZE
        size = 1 << max(0, prefixes - 1).bit_length()
        while size <= count:
            for start in range(first, first + count, size):
                if len(free.intersection(range(start, start + size))) >= prefixes:
                    return Cidr(4, start * PREFIX_SIZE, PREFIX_LENGTH - (size.bit_length() - 1))
            size *= 2
        return None

    def _within(self, taken: Iterable[Cidr]) -> Iterator[tuple[int, int]]:
        """Merge what is taken into ranges of this subnet, first and last address, ascending."""
        ranges = sorted((max(each.first, self.cidr.first), min(each.last, self.cidr.last)) for each in taken if each.overlaps(self.cidr))
        first, last = 0, -1
        for low, high in ranges:
            if low > last + 1 and last >= 0:
                yield first, last
            if low > last + 1 or last < 0:
                first = low
            last = max(last, high)
        if last >= 0:
            yield first, last

    def _whole_blocks(self, merged: Iterable[tuple[int, int]]) -> set[int]:
        """The /28s of the subnet without a taken address, by number."""
        free = {*range(self.cidr.first // PREFIX_SIZE, (self.cidr.last + 1) // PREFIX_SIZE)}
        for first, last in merged:
            free.difference_update(range(first // PREFIX_SIZE, last // PREFIX_SIZE + 1))
        return free


def _kept(cidr: Cidr) -> Iterator[Cidr]:
    """The addresses that EC2 keeps."""
    return (Cidr(4, each, IPV4_BITS) for each in reserved_addresses(cidr))


def _size(ranges: Iterable[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in ranges)


@attrs.frozen(kw_only=True)
class PresentCluster:
    """A cluster as it is.

    Attributes:
        nodes: Its nodes.
        subnets: Its subnets, by id.
        unbound_pods: Pods with a VPC address that no node has yet.
        assumptions: What was assumed, because nothing shows it.
        missing: What could not be answered, and which document would allow it.
    """

    nodes: tuple[PresentNode, ...]
    subnets: dict[str, PresentSubnet]
    unbound_pods: int = 0
    assumptions: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
