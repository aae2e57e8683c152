"""What the cluster that there is takes out of its subnets, today and after a change: need, headroom, what runs out first, migration."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from vpcipam._units import ceil_div
from vpcipam.address import AddressMode
from vpcipam.errors import InvalidArgument
from vpcipam.limits import HOST_NETWORK_PODS, InstanceLimits
from vpcipam.planner.cluster_groups import last_that_holds, node_demands
from vpcipam.planner.ec2_pace import nodes_pace
from vpcipam.planner.nau import nodes_nau
from vpcipam.planner.node_answers import NodePlan
from vpcipam.planner.present import PresentCluster, PresentNode, PresentSubnet
from vpcipam.planner.present_answers import PresentGroup, PresentPlan, PresentPool
from vpcipam.planner.present_room import NodePart, NodesInTurn, PoolRoom

# --- the plan ------------------------------------------------------------------------------------------------------------


def plan_present(
    cluster: PresentCluster, variables: Mapping[str, str] | None = None, instance_type: InstanceLimits | None = None
) -> PresentPlan:
    """Compute what the cluster that there is takes, as it is or after a change.

    Nodes keep their pods and their number. If they get another type, there are as many as have the same vCPUs together. If pods would wait
    after a change, the pods of the nodes of a group that share subnets are spread evenly over as many nodes as they need.

    Args:
        cluster: The cluster.
        variables: Variables of the aws-node container, on top of the present ones.
        instance_type: The type that all nodes get; None if they keep theirs.

    Raises:
        InvalidArgument: There is no node, or a value of a variable is invalid.
        SettingsError: ipamd would refuse to start with the settings on a type.
    """
    if not cluster.nodes:
        raise InvalidArgument("the cluster has no node; give the documents of at least one")
    return _Planner(cluster, dict(variables or {}), instance_type).plan()


@attrs.frozen
class _Planned:
    """A node after the change, and its steady state. It is new if no node that there is becomes it."""

    node: PresentNode
    answer: NodePlan
    why_new: tuple[str, ...] = ()

    def parts(self) -> Iterator[NodePart]:
        """What it takes, by the subnets that can hold it.

        ipamd fills the primary ENI first, and moves no address. So this one and its addresses are where the node was launched.
        """
        node = self.node
        own, pods = node_demands(node.alone(), self.answer)
        launched_in = node.subnet_ids[:1]
        if pods is not None:
            yield NodePart(own, launched_in)
            yield NodePart(pods, node.pod_subnet_ids if node.settings.custom_network_cfg else node.subnet_ids[1:], for_pods=True)
        elif self._discovers and own.slots and own.eni_limit > 1:
            first, rest = own.divided(sum(eni.secondary_ips + eni.prefixes for eni in self.answer.enis if eni.primary))
            yield NodePart(first, launched_in, whole=own, others=node.subnet_ids)
            if rest is not None:
                yield NodePart(rest, node.subnet_ids)
        else:
            yield NodePart(own, launched_in)

    @property
    def _discovers(self) -> bool:
        """Whether tags open other subnets to its further ENIs."""
        settings = self.node.settings
        return settings.enable_subnet_discovery and not settings.custom_network_cfg and len(self.node.subnet_ids) > 1

    @property
    def missing(self) -> int | None:
        """How many addresses it has still to get; None if it is new, or if nobody knows what it has."""
        return None if self.why_new or self.node.attached is None else max(0, self.answer.subnet_ips - self.node.attached)


class _Planner:
    def __init__(self, cluster: PresentCluster, variables: dict[str, str], instance_type: InstanceLimits | None) -> None:
        self._cluster = cluster
        self._variables = variables
        self._type = instance_type
        self._answers: dict[tuple[object, ...], NodePlan] = {}
        self._replaced: list[str] = []  # the names of nodes that new ones replace

    def plan(self) -> PresentPlan:
        now = {node.name: _Planned(node, self._answer(node)) for node in self._cluster.nodes}
        planned = [*now.values()] if not self._changes else [each for group in self._alike() for each in self._changed(group)]
        pools = tuple(self._pools(planned))
        known = all(each.most_nodes is not None for each in pools)
        first = min(pools, key=lambda each: each.growth) if known else None
        return PresentPlan(
            variables=self._variables,
            instance_type=None if self._type is None else self._type.instance_type,
            groups=tuple(self._groups(planned)),
            pools=pools,
            first=first,
            most_pods=None if first is None else _pods_when_full(planned, first),
            nau=nodes_nau((each.answer, 1) for each in planned),
            pace=nodes_pace((each.answer, 1) for each in planned),
            new_pace=nodes_pace((each.answer, 1) for each in planned if each.why_new),
        )

    @property
    def _changes(self) -> bool:
        return bool(self._variables) or self._type is not None

    def _answer(self, node: PresentNode) -> NodePlan:
        limit = node.max_pods, node.new_max_pods, node.new_pods_per_core, node.provisioner
        key = (node.instance_type, node.settings, node.pods, node.branch_pods, *limit)
        if key not in self._answers:
            try:
                self._answers[key] = node.alone().plan()
            except InvalidArgument as error:
                raise InvalidArgument(f"node {node.name}: {error}") from error
        return self._answers[key]

    # --- the change ------------------------------------------------------------------------------------------------------

    def _alike(self) -> list[list[PresentNode]]:
        """The nodes by group, subnets and settings, and by type and max-pods unless they all get another type."""
        found: dict[tuple[object, ...], list[PresentNode]] = {}
        for node in self._cluster.nodes:
            own = (node.instance_type, node.max_pods) if self._type is None else ()
            limit = node.provisioner, node.new_max_pods, node.new_pods_per_core
            key = (node.group, node.subnet_ids, node.own_subnet_excluded, node.pod_subnet_ids, node.settings, limit, own)
            found.setdefault(key, []).append(node)
        return [*found.values()]

    def _changed(self, nodes: list[PresentNode]) -> list[_Planned]:
        """Change alike nodes. New ones have the provisioner's max-pods."""
        changed = [self._evolved(node) for node in nodes]
        reasons = dict.fromkeys(reason for old, new in zip(nodes, changed, strict=True) for reason in self._why_new(old, new))
        planned = [_Planned(node, self._answer(node), tuple(reasons)) for node in changed]
        self._replaced += [each.name for each in nodes if reasons]
        if self._type is None and not any(each.answer.pods_waiting or each.answer.branch_pods_waiting for each in planned):
            return planned
        return self._spread_anew(nodes, changed, tuple(reasons))

    def _evolved(self, node: PresentNode) -> PresentNode:
        settings = node.settings.with_variables(self._variables)
        limits = self._type or node.instance_type
        new = attrs.evolve(node, settings=settings, instance_type=limits)
        same = limits is node.instance_type and _max_pods_rule(node) == _max_pods_rule(new)
        return new if same else attrs.evolve(new, max_pods=None)

    def _why_new(self, old: PresentNode, new: PresentNode) -> Iterator[str]:
        """Why a node that there is can't become the new one."""
        if self._type is not None and old.instance_type != new.instance_type:
            yield f"the type becomes {new.instance_type.instance_type}"
        if _mode(old) is not _mode(new):
            yield f"slots hold {_mode(new).label} instead of {_mode(old).label}"
        if old.settings.custom_network_cfg != new.settings.custom_network_cfg:
            yield f"custom networking is turned {'on' if new.settings.custom_network_cfg else 'off'}"
        before, after = self._answer(old).max_pods, self._answer(new).max_pods
        if before != after:
            yield "max-pods changes"

    def _spread_anew(self, old: list[PresentNode], changed: list[PresentNode], reasons: tuple[str, ...]) -> list[_Planned]:
        """Spread the pods evenly over as many nodes as have the same vCPUs and run them all."""
        pods, branch_pods = sum(each.pods for each in old), sum(each.branch_pods for each in old)
        first = attrs.evolve(changed[0], max_pods=None) if reasons else changed[0]
        vcpus = sum(each.instance_type.vcpus for each in old)
        count = len(old) if self._type is None else ceil_div(vcpus, first.instance_type.vcpus)
        most = self._answer(attrs.evolve(first, pods=0, branch_pods=0)).pod_limit
        while True:
            count = max(count, ceil_div(pods, most) if most else count)
            shares = zip(_shares(pods, count), _shares(branch_pods, count), strict=True)
            new = [attrs.evolve(first, pods=own, branch_pods=branches, attached=None) for own, branches in shares]
            planned = [_Planned(node, self._answer(node), reasons) for node in new]
            waiting = any(each.answer.pods_waiting or each.answer.branch_pods_waiting for each in planned)
            if not waiting or count >= pods + branch_pods:
                break
            count += 1
        if not reasons:  # those that there are stay
            planned = [
                attrs.evolve(each, why_new=("the pods need more nodes",) if place >= len(old) else ()) for place, each in enumerate(planned)
            ]
        return planned

    # --- groups ----------------------------------------------------------------------------------------------------------

    def _groups(self, planned: list[_Planned]) -> Iterator[PresentGroup]:
        for name in sorted({each.node.group for each in planned}):
            own = [each for each in planned if each.node.group == name]
            old = [each for each in self._cluster.nodes if each.group == name]
            yield PresentGroup(
                name=name,
                provisioner=own[0].node.provisioner,
                instance_types=tuple(sorted({each.node.instance_type.instance_type for each in own})),
                nodes=len(own),
                pods=sum(each.node.pods for each in own),
                branch_pods=sum(each.node.branch_pods for each in own),
                pods_waiting=sum(each.answer.pods_waiting + each.answer.branch_pods_waiting for each in own),
                addresses=sum(each.answer.subnet_ips for each in own),
                prefixes=sum(_prefixes(each.answer) for each in own),
                attached=_attached(old),
                max_pods=tuple(sorted({each.answer.max_pods for each in own})),
                max_pods_to_set=min(filter(None, (_max_pods_to_set(each) for each in own)), default=None),
                max_pods_now=tuple(sorted({self._answer(each).max_pods for each in old})),
                new_nodes=sum(bool(each.why_new) for each in own),
                why_new=tuple(dict.fromkeys(reason for each in own for reason in each.why_new)),
            )

    # --- subnets ---------------------------------------------------------------------------------------------------------

    def _pools(self, planned: list[_Planned]) -> Iterator[PresentPool]:
        parts = [(place, part) for place, each in enumerate(planned) for part in each.parts()]
        sets = {each: number for number, each in enumerate(dict.fromkeys(frozenset(ids) for _, part in parts for ids in part.sets))}
        shared = _joined(part.subnet_ids if part.whole is None else part.others for _, part in parts)
        members: dict[tuple[tuple[str, ...], bool], dict[int, list[NodePart]]] = {}
        for place, part in sorted(parts, key=lambda each: each[1].for_pods):
            ids = shared.get(part.subnet_ids[:1], ())
            found = members.setdefault((ids, part.for_pods and not ids), {})  # nodes and pods with unknown subnets are told apart
            found.setdefault(place, []).append(part.numbered(sets))
        for (ids, _), own in members.items():
            subnets = [self._cluster.subnets[each] for each in ids if each in self._cluster.subnets]
            open_for = [sum(1 << number for each, number in sets.items() if subnet.subnet_id in each) for subnet in subnets]
            yield self._pool(subnets, open_for, [(planned[place], found) for place, found in sorted(own.items())])

    def _pool(
        self, subnets: Sequence[PresentSubnet], open_for: Sequence[int], members: list[tuple[_Planned, list[NodePart]]]
    ) -> PresentPool:
        nodes = NodesInTurn(tuple(parts) for _, parts in members)
        held = [each.held_count for each in subnets]
        head: dict[str, Any] = {
            "subnet_ids": tuple(each.subnet_id for each in subnets),
            "zone": subnets[0].zone if subnets else "",
            "for_pods": all(part.for_pods for _, parts in members for part in parts),
            "nodes": len(members),
            "pods": sum(each.node.pods for each, _ in members),
            "addresses": sum(demand.addresses for demand in nodes.demands),
            "prefixes": sum(demand.prefixes for demand in nodes.demands),
            "attached": sum(each for each in held if each is not None) if subnets and None not in held else None,
        }
        if not subnets:
            return PresentPool(**head)
        room = PoolRoom(subnets, open_for, for_prefixes=head["prefixes"] > 0)
        beside = PoolRoom(subnets, open_for, for_prefixes=room.for_prefixes, beside_nodes=True)
        new = [tuple(parts) for each, parts in members if each.why_new]
        fits = room.holds(nodes) or _fits_as_it_is(members, beside)
        most = last_that_holds(lambda count: room.holds(nodes, count))
        most = max(most, len(members)) if fits else most
        fits_beside = beside.holds(NodesInTurn(new)) if new else None
        old = [name for name in self._replaced if any(name in each.held_by for each in subnets)]
        turns = [each.answer.pods_assigned for each, _ in members]
        return PresentPool(
            **head,
            others=sum(each.other_count for each in subnets),
            available=sum(each.addresses for each in room.capacities),
            available_prefixes=sum(each.prefixes for each in room.capacities),
            free_prefixes=sum(each.capacity(for_prefixes=True, beside_nodes=True).prefixes for each in subnets),
            places_known=all(each.places_known for each in subnets),
            fits=fits,
            fits_beside=fits_beside,
            fits_one_by_one=fits_beside or room.holds_in_place_of(old, new) if new else None,
            most_nodes=most,
            most_pods=_sum_in_turn(turns, most),
            full_for_nodes=room.full_for_nodes(nodes, most + 1),
            ranges=tuple(room.ranges(NodesInTurn(new))) if new else (),
        )


# --- small sums ----------------------------------------------------------------------------------------------------------


def _fits_as_it_is(members: list[tuple[_Planned, list[NodePart]]], beside: PoolRoom) -> bool:
    """Tell whether nodes that keep what they have can get what they miss. Where they have it, it has a place."""
    missing = []
    for each, parts in members:
        if each.missing is None:
            return False
        if each.missing:
            missing.append((parts[0].missing(each.missing),))
    return not missing or beside.holds(NodesInTurn(missing))


def _sum_in_turn(numbers: Sequence[int], count: int) -> int:
    rounds, rest = divmod(count, len(numbers))
    return rounds * sum(numbers) + sum(numbers[:rest])


def _pods_when_full(planned: list[_Planned], first: PresentPool) -> int:
    """The pods of the cluster when it has grown as far as the subnets that run out first let it."""
    turns = [each.answer.pods_assigned for each in planned]
    return _sum_in_turn(turns, len(turns) * (first.most_nodes or 0) // first.nodes)


def _shares(total: int, count: int) -> list[int]:
    """Spread a number evenly."""
    each, rest = divmod(total, count)
    return [each + (place < rest) for place in range(count)]


def _joined(pools: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Join pools that share a subnet. Return the subnets of each pool by its first one, as a tuple of one."""
    joined: list[dict[str, None]] = []
    for pool in dict.fromkeys(pools):
        touched = [each for each in joined if not each.keys().isdisjoint(pool)]
        joined = [each for each in joined if each.keys().isdisjoint(pool)]
        joined.append(dict.fromkeys(name for each in touched for name in each) | dict.fromkeys(pool))
    return {(name,): tuple(each) for each in joined for name in each}


def _attached(nodes: Iterable[PresentNode]) -> int | None:
    counts = [each.attached for each in nodes]
    known = [each for each in counts if each is not None]
    return sum(known) if len(known) == len(counts) else None


def _mode(node: PresentNode) -> AddressMode:
    return node.settings.address_mode(node.instance_type)


def _max_pods_rule(node: PresentNode) -> tuple[object, ...]:
    """What the kubelet's max-pods depends on, beside the type."""
    return _mode(node), node.settings.custom_network_cfg, node.settings.max_eni


def _max_pods_to_set(planned: _Planned) -> int | None:
    """The kubelet admits pods up to max-pods, whether they get an address or not. With a trunk, branch ENIs serve some of them."""
    most = planned.answer.pod_limit + HOST_NETWORK_PODS
    return most if most < planned.answer.max_pods and not planned.node.settings.enable_pod_eni else None


def _prefixes(answer: NodePlan) -> int:
    return answer.prefix_count if answer.mode is AddressMode.PREFIX else 0
