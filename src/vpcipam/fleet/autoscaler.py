"""The nodes of a fleet: launched for pods without a node, terminated when empty, as the Kubernetes cluster autoscaler does."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import attrs

from vpcipam._chance import seed_of_member
from vpcipam._units import MINUTE_NS, NS_PER_S
from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.model import Ec2Model
from vpcipam.fleet.demand import Demand
from vpcipam.fleet.group_nodes import GroupNodes, Zones
from vpcipam.fleet.ledger import NEVER_NS
from vpcipam.fleet.loop import Member, Scheduler
from vpcipam.fleet.metrics import Recorder
from vpcipam.fleet.scenario import Scenario, node_name
from vpcipam.node import Node

_LAUNCH_RETRY_NS = MINUTE_NS
_SCALE_DOWN_INTERVAL_NS = 10 * NS_PER_S  # the cluster autoscaler looks at nodes this often (its --scan-interval)


@attrs.define(eq=False)
class Autoscaler:
    """Launches and terminates instances of the groups, within their bounds.

    Args:
        scenario: the groups.
        ec2: where the instances are.
        subnet_ids: by name.
        recorder: told when EC2 launches no node.
        scheduler: told when a node is gone.
        wake: schedules a look at a node that is empty (with the node's number) or at pods without a node (with None).

    Attributes:
        members: all nodes of the run, in the order of their launches.
        by_name: the same, by name.
        booting_rooms: how many pods the nodes can take that are not ready yet, by the zones of their groups.
    """

    _scenario: Scenario
    _ec2: Ec2Model
    _subnet_ids: Mapping[str, str]
    _recorder: Recorder = attrs.field(kw_only=True)
    _scheduler: Scheduler = attrs.field(kw_only=True)
    _wake: Callable[[int, int | None], None] = attrs.field(kw_only=True)
    members: list[Member] = attrs.field(init=False, factory=list)
    by_name: dict[str, Member] = attrs.field(init=False, factory=dict)
    booting_rooms: Counter[Zones] = attrs.field(init=False, factory=Counter)
    _groups: tuple[GroupNodes, ...] = attrs.field(init=False)
    _launch_again_ns: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        """Begin without nodes."""
        specs = {spec.name: spec for spec in self._scenario.subnets}
        self._groups = tuple(GroupNodes.of(number, group, specs) for number, group in enumerate(self._scenario.groups))

    @property
    def live_count(self) -> int:
        """The nodes that are not terminated."""
        return sum(nodes.live_count for nodes in self._groups)

    def launch(self, group_number: int, now_ns: int) -> Member | None:
        """Launch an instance of a group. Return its node, whose ipamd is not started yet; None if EC2 refuses.

        If the subnet of a zone is full, another zone of the group is tried.
        """
        nodes = self._groups[group_number]
        for zone in nodes.zones_to_try():
            try:
                return self._launch_in(zone, nodes, now_ns)
            except Ec2Error as error:
                self._recorder.event(now_ns, nodes.group.name, f"EC2 launches no node: {error}")
                if error.code != ErrorCode.INSUFFICIENT_FREE_ADDRESSES:
                    break
        return None

    def _launch_in(self, zone: str | None, nodes: GroupNodes, now_ns: int) -> Member:
        """Launch an instance in a zone.

        Raises:
            Ec2Error: EC2 refuses.
        """
        group = nodes.group
        subnet_id = self._subnet_ids[nodes.subnet_in(zone)]
        pod_subnet = nodes.pod_subnet_in(zone)
        instance = self._ec2.launch_instance(group.instance_type, subnet_id, now_ns=now_ns)
        name = node_name(group.name, nodes.made_count)
        node = Node(
            group.instance_type,
            group.settings,
            self._ec2,
            subnet_id=subnet_id,
            instance_id=instance.instance_id,
            pod_subnet_id=None if pod_subnet is None else self._subnet_ids[pod_subnet],
            max_pods=group.max_pods,
            max_pods_by=group.max_pods_by,
            name=name,
            placement=group.placement,
            seed=seed_of_member(self._scenario.seed, len(self.members)),
            cooldown_aware_targets=group.cooldown_aware_targets,
            hold_cooling_cidrs=group.hold_cooling_cidrs,
            policy=group.policy,
        )
        member = Member(len(self.members), name, group, node, zone)
        self.members.append(member)
        self.by_name[name] = member
        nodes.launched(zone)
        self.booting_rooms[nodes.zones] += member.room
        return member

    def joined(self, member: Member) -> None:
        """Note that a node is ready."""
        self.booting_rooms[self._nodes_of(member).zones] -= member.room

    def scale_up(self, demand: Demand, now_ns: int) -> list[Member]:
        """Launch the nodes that pending pods need. If EC2 refuses, try again in a minute."""
        launched: list[Member] = []
        while now_ns >= self._launch_again_ns:
            nodes = demand.next_group(self._growing())
            if nodes is None:
                break
            member = self.launch(nodes.number, now_ns)
            if member is None:
                self._launch_again_ns = now_ns + _LAUNCH_RETRY_NS
                self._wake(self._launch_again_ns, None)
            else:
                demand.launched(nodes.zones, member.room)
                launched.append(member)
        return launched

    def _growing(self) -> Iterator[GroupNodes]:
        return (nodes for nodes in self._groups if nodes.can_grow)

    def _nodes_of(self, member: Member) -> GroupNodes:
        return self._groups[self._scenario.groups.index(member.group)]

    def plan_scale_down(self, member: Member, now_ns: int) -> None:
        """Note that a node is empty from now on."""
        if member.group.min_count < member.group.max_count:
            member.scale_down_ns = now_ns + member.group.scale_down_after_ns
            self._wake(member.scale_down_ns, member.number)

    def scale_down(self, number: int, now_ns: int) -> Member | None:
        """Terminate a node that has been empty for long enough, if its group may shrink. Return it if it is gone."""
        member = self.members[number]
        nodes = self._nodes_of(member)
        if member.scale_down_ns != now_ns or member.pod_count:
            return None
        busy_ns = member.node.busy_until(now_ns)
        if nodes.live_count <= member.group.min_count:
            member.scale_down_ns = now_ns + max(member.group.scale_down_after_ns, _SCALE_DOWN_INTERVAL_NS)
        elif busy_ns is not None:
            member.scale_down_ns = busy_ns
        elif self.terminate(member, now_ns):
            nodes.terminated(member.zone)
            return member
        else:
            member.scale_down_ns = now_ns + _SCALE_DOWN_INTERVAL_NS
        self._wake(member.scale_down_ns, number)
        return None

    def terminate(self, member: Member, now_ns: int) -> bool:
        """Terminate a node. Return whether EC2 did so."""
        instance_id = member.node.instance_id
        assert instance_id is not None, "it was launched"  # noqa: S101  # for the type checker
        try:
            self._ec2.terminate_instance(instance_id, now_ns=now_ns)
        except Ec2Error:
            return False
        self._scheduler.remove(member)
        member.wake_ns = member.scale_down_ns = NEVER_NS
        member.gone = True
        return True
