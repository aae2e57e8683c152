"""The steady state of one node, given its type, pods and settings.

`plan` runs a real `Node` against a model of EC2 with enough free addresses. Pods arrive one at a time, and the node settles after each, so
the result is that of ipamd, with its reasons.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from vpcipam._arguments import require_integer
from vpcipam._chance import Scatter
from vpcipam._units import NS_PER_S, counted
from vpcipam.action import Action
from vpcipam.address import AddressMode
from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import PoolExhausted
from vpcipam.limits import HOST_NETWORK_PODS, InstanceLimits, MaxPodsBy, instance_limits
from vpcipam.node import Node
from vpcipam.node.calls import Calls
from vpcipam.node.interfaces import DEFAULT_NETWORK_CARD, SUBNET_EXCLUDED, SUBNET_ROLE_TAG
from vpcipam.node.resource_controller import add_branch, attach_trunk
from vpcipam.planner.node_answers import Decision, EniPlan, NodePlan, Stage
from vpcipam.sandbox import SandboxKey
from vpcipam.settings import Settings
from vpcipam.stats import Assignment, EniStats

if TYPE_CHECKING:
    from vpcipam.ec2.api import NetworkInterface, Subnet

PODS_LIMIT = 100_000
"""The most pods in a plan, far above what a node can run."""


def plan(
    instance_type: str | InstanceLimits,
    pods: int,
    settings: Settings | None = None,
    *,
    nodes: int = 1,
    max_pods: int | None = None,
    max_pods_by: MaxPodsBy | str | None = None,
    branch_pods: int = 0,
    own_subnet_excluded: bool = False,
) -> NodePlan:
    """Compute the steady state of a node.

    Args:
        instance_type: The name of a type, or its limits.
        pods: The number of pods that need a VPC address, 0 or more. Host-network pods don't, nor do those of `branch_pods`.
        settings: The settings of the aws-node container; None for the manifest as AWS ships it.
        nodes: The number of such nodes in the cluster, 1 or more.
        max_pods: The kubelet's limit, 1 or more; None for what `max_pods_by` sets.
        max_pods_by: What sets the kubelet's limit; None for a managed node group. Give this or `max_pods`, not both.
        branch_pods: The number of pods with security groups (a SecurityGroupPolicy selects them), 0 or more. They come after `pods`.
        own_subnet_excluded: The subnet in which the node is launched is tagged `kubernetes.io/role/cni=0`, and another one of its zone
            `kubernetes.io/role/cni=1`. With subnet discovery, the primary ENI then gives no addresses to pods. Without it, the node
            creates no further ENI.

    Raises:
        UnknownInstanceType: The table has no such type.
        SettingsError: ipamd would refuse to start with these settings on this type.
        InvalidArgument: A number is out of its bounds, `max_pods_by` is unknown, or both it and `max_pods` are given.

    >>> answer = plan("t3.small", 5)
    >>> answer.eni_count, answer.total_ips, answer.available_ips, answer.subnet_ips
    (3, 9, 4, 12)
    >>> answer.decisions[-1].action.reason
    'available 2 < WARM_ENI_TARGET 1 × 3 addresses'
    """
    counts = (("pods", pods, 0), ("nodes", nodes, 1), ("max_pods", 1 if max_pods is None else max_pods, 1), ("branch_pods", branch_pods, 0))
    for name, number, minimum in counts:
        require_integer(name, number, minimum, PODS_LIMIT)
    run = NodeRun(
        instance_limits(instance_type),
        Settings() if settings is None else settings,
        max_pods,
        max_pods_by,
        own_subnet_excluded=own_subnet_excluded,
    )
    run.start()
    for _ in range(pods):
        if not run.add_pod():
            break
    for _ in range(branch_pods):
        if not run.add_branch_pod():
            break
    return run.result(pods, branch_pods, nodes)


class NodeRun:
    """One node and its history since its start.

    Attributes:
        assignments: of its pods with an address, in the order in which they came.
    """

    def __init__(
        self,
        limits: InstanceLimits,
        settings: Settings,
        max_pods: int | None,
        max_pods_by: MaxPodsBy | str | None,
        *,
        own_subnet_excluded: bool = False,
    ) -> None:
        self.ec2 = Ec2Model()
        vpc = self.ec2.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56")
        if own_subnet_excluded:
            subnet = self._subnet(vpc.vpc_id, "10.0.0.0/17", "2001:db8::/64", SUBNET_EXCLUDED)
            self._subnet(vpc.vpc_id, "10.0.128.0/17", "2001:db8:0:1::/64", "1")
        else:
            subnet = self._subnet(vpc.vpc_id, "10.0.0.0/16", "2001:db8::/64", "")
        self._takes_no_eni = own_subnet_excluded and not (settings.enable_subnet_discovery or settings.custom_network_cfg)
        instance = self.ec2.launch_instance(limits, subnet.subnet_id, now_ns=0)
        self.node = Node(
            limits,
            settings,
            self.ec2,
            subnet_id=subnet.subnet_id,
            instance_id=instance.instance_id,
            max_pods=max_pods,
            max_pods_by=max_pods_by,
        )
        self._trunk: NetworkInterface | None = None
        self._calls_before = Counter(self.ec2.call_counts)
        self._now_ns = 0
        self._pods = 0
        self._settled = True
        self._waiting_reason: str | None = None
        self._branch_pods = 0
        self._branch_waiting_reason: str | None = None
        self._stages: list[Stage] = []
        self.assignments: list[Assignment] = []

    def _subnet(self, vpc_id: str, cidr: str, ipv6_cidr: str, role: str) -> "Subnet":
        return self.ec2.create_subnet(vpc_id, cidr, ipv6_cidr=ipv6_cidr, tags=((SUBNET_ROLE_TAG, role),))

    def start(self) -> None:
        """Start the node and let it settle."""
        node = self.node
        actions = list(node.start(self._now_ns))
        if node.asks_for_trunk(self._now_ns):
            calls = Calls(self.ec2, self._now_ns, Scatter(0))
            with self._uncounted_calls():
                self._trunk = attach_trunk(self.ec2, node, calls)
            actions += node.reconcile(self._now_ns)
        self._record_stage(actions)

    @contextmanager
    def _uncounted_calls(self) -> Iterator[None]:
        """Make calls of the VPC resource controller: they are not the node's."""
        before = Counter(self.ec2.call_counts)
        yield
        self._calls_before += Counter(self.ec2.call_counts) - before

    def add_pod(self) -> bool:
        """Add a pod and let the node settle; return False if the pod has to wait."""
        if self._pods >= self.node.max_pods - HOST_NETWORK_PODS:
            self._waiting_reason = self._why_waiting()
            return False
        self._now_ns += NS_PER_S
        name = f"pod-{self._pods + 1}"
        if not self._assign(SandboxKey("aws-cni", name, "eth0")):
            self._waiting_reason = self._why_waiting()
            return False
        self._pods += 1
        self._record_stage([])
        return True

    def _assign(self, key: SandboxKey) -> bool:
        """Give a pod an address of the first network card that has one (ipamd: AddNetwork)."""
        for datastore in self.node.datastores:
            with suppress(PoolExhausted):
                self.assignments.append(self.node.assign(key, self._now_ns, network_card=datastore.network_card))
                return True
        return False

    def add_branch_pod(self) -> bool:
        """Add a pod with security groups, on a branch ENI of its own; return False if it has to wait."""
        self._branch_waiting_reason = self._why_no_branch()
        if self._trunk is None or self._branch_waiting_reason is not None:
            return False
        self._branch_pods += 1
        with self._uncounted_calls():
            add_branch(self.ec2, self._trunk, self._branch_pods, self._now_ns)
        self._record_stage([])
        return True

    def _why_no_branch(self) -> str | None:
        """Why one more pod with security groups has to wait, None if it can run."""
        limits = self.node.limits
        if not self.node.settings.enable_pod_eni:
            return "ENABLE_POD_ENI is off, so no trunk ENI carries branch ENIs; set it to true"
        if not limits.trunk_compatible:
            return f"{limits.instance_type} takes no trunk ENI; use a type with branch ENIs"
        if self._trunk is None:
            return (
                f"a node with {counted(self.node.settings.eni_limit(limits), 'ENI')} has no room for the trunk; "
                "use a larger type or a higher MAX_ENI"
            )
        if limits.branch_eni_limit is None:
            unknown = f"the number of branch ENIs that {limits.instance_type} takes is not known"
            return f"{unknown}; from Python, give it as InstanceLimits(branch_eni_limit=…)"
        if self._branch_pods >= limits.branch_eni_limit:
            return f"{limits.instance_type} takes {counted(limits.branch_eni_limit, 'branch ENI')}"
        if self._pods + self._branch_pods >= self.node.max_pods - HOST_NETWORK_PODS:
            return f"max pods {self.node.max_pods} − {HOST_NETWORK_PODS} host-network pods − {counted(self._pods, 'other pod')}"
        return None

    def _why_waiting(self) -> str:
        pod_limit, limit_reason = self._pod_limit()
        if self._pods >= pod_limit:
            return f"the node runs at most {counted(pod_limit, 'pod')} with a VPC address: {limit_reason}"
        settings = self.node.settings
        if name := settings.provisioning_disabled_by:
            return f"no address is free, and with {name} the node never asks EC2 for more; attach addresses by other means, or unset it"
        return (
            "no address is free, yet the pool does not grow: no target is short with "
            f"WARM_IP_TARGET {settings.warm_ip_target} and MINIMUM_IP_TARGET {settings.minimum_ip_target}; set WARM_IP_TARGET to 1 or more"
        )

    def _record_stage(self, actions: list[Action]) -> None:
        """Let the node settle and record its figures."""
        actions += self._settle()
        stats = [self.node.stats(self._now_ns, datastore.network_card) for datastore in self.node.datastores]
        eni_count = len(self._enis()) + self._trunk_is_unmanaged
        total = sum(each.total_count for each in stats)
        stage = Stage(
            pods=self._pods,
            eni_count=eni_count,
            prefix_count=sum(each.prefix_count for each in stats),
            total_ips=total,
            assigned_ips=sum(each.assigned_count for each in stats),
            available_ips=sum(each.available_count for each in stats),
            subnet_ips=eni_count + self._branch_pods + (0 if self.node.mode is AddressMode.IPV6 else total),
            decisions=tuple(Decision(self._pods, action.at_ns / NS_PER_S, action) for action in actions),
        )
        self._stages.append(stage)

    def _settle(self) -> list[Action]:
        """Tick until the node has nothing left to do.

        A node that returns to an earlier shape flaps forever. Leave it in the largest shape of that cycle.
        """
        self._settled = True
        actions: list[Action] = []
        shapes = [self._shape()]
        while self._tick(actions):
            if self._shape() in shapes:
                self._settled = False
                peak = max(shapes[shapes.index(self._shape()) :], key=lambda shape: sum(slots for _, _, slots in shape))
                while self._shape() != peak:
                    self._tick(actions)
                break
            shapes.append(self._shape())
        return actions

    def _tick(self, actions: list[Action]) -> bool:
        wakeup_ns = self.node.next_wakeup(self._now_ns, include_reconcile=False)
        if wakeup_ns is None:
            return False
        self._now_ns = wakeup_ns
        actions += self.node.tick(wakeup_ns)
        return True

    def _shape(self) -> tuple[tuple[int, int, int], ...]:
        return tuple((card, eni.device_number, eni.slot_count) for card, eni in self._enis())

    def _enis(self) -> list[tuple[int, EniStats]]:
        return [(datastore.network_card, eni) for datastore in self.node.datastores for eni in datastore.eni_stats(self._now_ns)]

    @property
    def _trunk_is_unmanaged(self) -> bool:
        """Whether ipamd leaves the trunk alone, as it does with MANAGE_UNTAGGED_ENI off."""
        return self._trunk is not None and not self.node.datastores[DEFAULT_NETWORK_CARD].has_trunk

    def _pod_limit(self) -> tuple[int, str]:
        """Return the most pods with a VPC address, and what sets that limit."""
        node, now_ns = self.node, self._now_ns
        by_kubelet = max(0, node.max_pods - HOST_NETWORK_PODS)
        kubelet = f"max pods {node.max_pods} − {HOST_NETWORK_PODS} host-network pods"
        if node.mode is AddressMode.IPV6:
            return by_kubelet, kubelet
        cards = [datastore.network_card for datastore in node.datastores]
        # ipamd takes the ENI limit of the default card for that of every card. EC2 doesn't.
        views = [node.view(now_ns, card) for card in cards]
        limits = [each.pod_eni_limit - (each.eni_room if self._takes_no_eni else 0) for each in views]
        eni_count = sum(min(limit, node.limits.network_cards[card]) for limit, card in zip(limits, cards, strict=True))
        view = views[0]
        by_addresses = eni_count * view.slots_per_eni * view.unit
        addresses = f"{counted(eni_count, 'ENI')} for pods" + (f" on {len(cards)} network cards" if len(cards) > 1 else "")
        addresses += f" × {counted(view.slots_per_eni, 'slot')}"
        addresses += f" × {view.unit}" if view.unit > 1 else ""
        addresses += "; ENABLE_POD_ENI keeps 1 more for the trunk" if view.trunk_takes_eni else ""
        addresses += ", beside the attached one, which is not managed" if view.trunk_takes_eni and view.unmanaged_eni_count else ""
        addresses += "; the tag of its subnet allows no new ENI without subnet discovery" if self._takes_no_eni else ""
        return (by_addresses, addresses) if by_addresses <= by_kubelet else (by_kubelet, kubelet)

    def result(self, pods: int, branch_pods: int, nodes: int) -> NodePlan:
        """Return the settled node's figures."""
        node, last = self.node, self._stages[-1]
        pod_limit, limit_reason = self._pod_limit()
        enis = [_eni_plan(card, eni, node.mode) for card, eni in self._enis()]
        if self._trunk_is_unmanaged:
            enis.append(
                EniPlan(
                    DEFAULT_NETWORK_CARD, node.limits.eni_limit - 1, primary=False, trunk=True, secondary_ips=0, prefixes=0, assigned_ips=0
                )
            )
        return NodePlan(
            instance_type=node.limits.instance_type,
            mode=node.mode,
            nodes=nodes,
            pods=pods,
            pods_assigned=self._pods,
            pods_waiting=pods - self._pods,
            max_pods=node.max_pods,
            max_pods_by=node.max_pods_by,
            pod_limit=pod_limit,
            limit_reason=limit_reason,
            waiting_reason=self._waiting_reason,
            branch_pods=branch_pods,
            branch_pods_assigned=self._branch_pods,
            branch_pods_waiting=branch_pods - self._branch_pods,
            branch_waiting_reason=self._branch_waiting_reason,
            enis=tuple(enis),
            total_ips=last.total_ips,
            assigned_ips=last.assigned_ips,
            available_ips=last.available_ips,
            prefix_count=last.prefix_count,
            free_prefix_count=sum(eni.free_prefix_count for _, eni in self._enis()),
            subnet_ips=last.subnet_ips,
            ec2_calls=dict(sorted((Counter(self.ec2.call_counts) - self._calls_before).items())),
            settled=self._settled,
            timeline=tuple(stage for stage in self._stages if stage.decisions or stage is last or stage is self._stages[0]),
        )


def _eni_plan(card: int, eni: EniStats, mode: AddressMode) -> EniPlan:
    in_prefixes = mode is not AddressMode.SECONDARY_IP
    return EniPlan(
        network_card=card,
        device_number=eni.device_number,
        primary=eni.primary,
        trunk=eni.trunk,
        secondary_ips=0 if in_prefixes else eni.slot_count,
        prefixes=eni.slot_count if in_prefixes else 0,
        assigned_ips=eni.pod_count,
    )
