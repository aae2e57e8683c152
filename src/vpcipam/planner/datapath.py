"""The datapath of one node: what the kernel has for its ENIs and pods once it has settled."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import attrs

from vpcipam._arguments import require_integer
from vpcipam.address import AddressMode
from vpcipam.datapath.branch import branch_plan
from vpcipam.datapath.commands import command, describe, errno_names
from vpcipam.datapath.egress import egress_address, egress_plan
from vpcipam.datapath.eni import eni_plan
from vpcipam.datapath.host import host_plan
from vpcipam.datapath.layout import BranchEni, DatapathEni, PodAddress, branch_table, eni_table
from vpcipam.datapath.options import datapath_options
from vpcipam.datapath.pod import pod_plan
from vpcipam.datapath.values import Step, Veth
from vpcipam.ec2.api import Ec2Error, NetworkInterface
from vpcipam.ec2.state.names import mac_address
from vpcipam.limits import InstanceLimits, MaxPodsBy, instance_limits
from vpcipam.node.interfaces import attachment_of, is_trunk
from vpcipam.planner.node import PODS_LIMIT, NodeRun
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.settings import Settings


@attrs.frozen(kw_only=True)
class EniDatapath:
    """An ENI of the node, and the steps that make it fit for pods; the primary one has none of its own."""

    eni_id: str
    eni: DatapathEni
    steps: tuple[Step, ...]


@attrs.frozen(kw_only=True)
class PodDatapath:
    """A pod, and the steps that connect it.

    Attributes:
        name: `pod-1` and so on; pods with security groups come last.
        eni_id: the ENI that has its address: a branch ENI for a pod with security groups.
        table: the table by which its packets leave.
    """

    name: str
    address: str
    eni_id: str
    table: int
    host_interface: str
    steps: tuple[Step, ...]


@attrs.frozen(kw_only=True)
class DatapathPlan:
    """The datapath of a settled node.

    Attributes:
        pods_waiting: the pods that have no address, and so no datapath.
        node: the steps of the node itself.
    """

    instance_type: str
    mode: AddressMode
    pods_waiting: int
    waiting_reason: str | None
    node: tuple[Step, ...]
    enis: tuple[EniDatapath, ...]
    pods: tuple[PodDatapath, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as a JSON object."""
        return attrs.asdict(self, recurse=False) | {
            "mode": self.mode.value,
            "node": [*map(_step_dict, self.node)],
            "enis": [
                {"eni_id": each.eni_id, **attrs.asdict(each.eni), "table": each.eni.table, "steps": [*map(_step_dict, each.steps)]}
                for each in self.enis
            ],
            "pods": [attrs.asdict(each, recurse=False) | {"steps": [*map(_step_dict, each.steps)]} for each in self.pods],
        }


def plan_datapath(
    instance_type: str | InstanceLimits,
    pods: int,
    settings: Settings | None = None,
    *,
    max_pods: int | None = None,
    max_pods_by: MaxPodsBy | str | None = None,
    branch_pods: int = 0,
    nftables: bool = False,
) -> DatapathPlan:
    """Compute the datapath of a node whose pods arrive one at a time, as `vpcipam.plan` does.

    Interfaces are named eth0, eth1 and so on, in the order of the ENIs' network cards and device numbers.

    Args:
        instance_type: The name of a type, or its limits.
        pods: The number of pods that need a VPC address, 0 or more.
        settings: The settings of the aws-node container; None for the manifest as AWS ships it.
        max_pods: As for `vpcipam.plan`.
        max_pods_by: As for `vpcipam.plan`.
        branch_pods: The number of pods with security groups, 0 or more. They come after `pods`.
        nftables: Connections are marked with nftables; see `host_plan`.

    Raises:
        UnknownInstanceType: The table has no such type.
        SettingsError: ipamd would refuse to start with these settings on this type.
        InvalidArgument: A number is out of its bounds.
    """
    for name, number in (("pods", pods), ("branch_pods", branch_pods)):
        require_integer(name, number, 0, PODS_LIMIT)
    run = NodeRun(instance_limits(instance_type), Settings() if settings is None else settings, max_pods, max_pods_by)
    run.start()
    while len(run.assignments) < pods and run.add_pod():
        pass
    branches = 0
    while branches < branch_pods and run.add_branch_pod():
        branches += 1
    answer = run.result(pods, branch_pods, 1)
    reasons = (answer.waiting_reason, answer.branch_waiting_reason)
    world = _World(run, nftables=nftables)
    return DatapathPlan(
        instance_type=answer.instance_type,
        mode=answer.mode,
        pods_waiting=answer.pods_waiting + answer.branch_pods_waiting,
        waiting_reason="; ".join(filter(None, reasons)) or None,
        node=world.node(),
        enis=tuple(world.enis()),
        pods=(*world.pods(), *world.branch_pods()),
    )


class _World:
    """What the model of EC2 shows of a settled node."""

    def __init__(self, run: NodeRun, *, nftables: bool) -> None:
        self._run, self._ec2, self._settings, self._nftables = run, run.ec2, run.node.settings, nftables
        options = datapath_options(self._settings)
        self._ipv6, self._egress = options.ipv6, options.egress
        attached = self._ec2.describe_instance(str(run.node.instance_id), now_ns=0).network_interfaces
        ipv6_count = len(attached) if self._ipv6 else int(self._egress)
        attached = (*map(self._with_ipv6, attached[:ipv6_count]), *attached[ipv6_count:])
        self._egress_source = attached[0].private_ip if self._ipv6 else next(iter(attached[0].ipv6_addresses), None)
        self._interfaces = {eni.eni_id: self._interface(f"eth{number}", eni) for number, eni in enumerate(attached)}

    def _with_ipv6(self, eni: NetworkInterface) -> NetworkInterface:
        """Give an ENI an IPv6 address, as the launch of an instance does, and the VPC resource controller; ipamd never does."""
        with suppress(Ec2Error):  # a type without IPv6
            self._ec2.assign_ipv6_addresses(eni.eni_id, ipv6_address_count=1, now_ns=0)
        return self._eni(eni.eni_id)

    def _eni(self, eni_id: str) -> NetworkInterface:
        (found,) = self._ec2.describe_network_interfaces(eni_ids=(eni_id,), now_ns=0)
        return found

    def _interface(self, device: str, eni: NetworkInterface) -> DatapathEni:
        place = attachment_of(eni)
        return DatapathEni(
            device=device, **self._facts(eni), device_number=place.device_index, network_card=place.network_card_index, trunk=is_trunk(eni)
        )

    def _facts(self, eni: NetworkInterface) -> dict[str, str]:
        """Return what an attached ENI and a branch ENI have in common."""
        (subnet,) = self._ec2.describe_subnets(subnet_ids=(eni.subnet_id,), now_ns=0)
        address = next(iter(eni.ipv6_addresses), eni.private_ip) if self._ipv6 else eni.private_ip
        return {"mac": mac_address(eni.eni_id), "address": address, "subnet": str(subnet.ipv6_cidr if self._ipv6 else subnet.cidr)}

    def node(self) -> tuple[Step, ...]:
        (vpc,) = self._ec2.describe_vpcs(now_ns=0)
        primary = next(iter(self._interfaces.values()))
        return host_plan(primary, self._settings, vpc.cidrs, nftables=self._nftables)

    def enis(self) -> Iterator[EniDatapath]:
        for eni_id, eni in self._interfaces.items():
            yield EniDatapath(eni_id=eni_id, eni=eni, steps=() if eni.primary else eni_plan(eni, self._settings))

    def pods(self) -> Iterator[PodDatapath]:
        egress_addresses: set[str] = set()
        for number, assignment in enumerate(self._run.assignments, 1):
            key, pod = _names(number)
            table = eni_table(assignment.device_number, assignment.network_card)
            steps = pod_plan(key, pod, (PodAddress(assignment.address, table),), self._settings)
            if self._egress and self._egress_source is not None:
                own = egress_address(egress_addresses, 4 if self._ipv6 else 6)
                egress_addresses.add(own)
                steps += egress_plan(key, own, self._egress_source, self._settings)
            yield _pod(pod, assignment.address, assignment.eni_id, table, steps)

    def branch_pods(self) -> Iterator[PodDatapath]:
        found = self._ec2.describe_trunk_interface_associations(now_ns=0)
        by_vlan = sorted((each.vlan_id, each) for each in found if each.vlan_id is not None)
        for number, (vlan_id, association) in enumerate(by_vlan, len(self._run.assignments) + 1):
            eni = self._eni(association.branch_eni_id)
            eni = self._with_ipv6(eni) if self._ipv6 else eni
            key, pod = _names(number)
            trunk = self._interfaces[association.trunk_eni_id].device
            branch = BranchEni(vlan_id=vlan_id, trunk_device=trunk, **self._facts(eni))
            yield _pod(pod, branch.address, eni.eni_id, branch_table(vlan_id), branch_plan(key, pod, branch, self._settings))


def _names(number: int) -> tuple[SandboxKey, PodRef]:
    return SandboxKey("aws-cni", f"pod-{number}", "eth0"), PodRef("default", f"pod-{number}")


def _pod(pod: PodRef, address: str, eni_id: str, table: int, steps: tuple[Step, ...]) -> PodDatapath:
    host_name = next(step.value.name for step in steps if isinstance(step.value, Veth))
    return PodDatapath(name=pod.name, address=address, eni_id=eni_id, table=table, host_interface=host_name, steps=steps)


def _step_dict(step: Step) -> dict[str, Any]:
    return attrs.asdict(step, recurse=False) | {
        "mode": step.mode.value,
        "kind": type(step.value).__name__,
        "value": attrs.asdict(step.value, filter=lambda _, each: each is not None),
        "text": describe(step.value),
        "tolerated": [*errno_names(step.tolerated)],
        "command": command(step),
    }
