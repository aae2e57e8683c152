"""Nodes and pods of the lab whose datapath comes from the plans, by way of the applier."""

import time

from datapath_worlds import IPV4, VPC_CIDRS
from lab import Node

from vpcipam.datapath.apply import apply
from vpcipam.datapath.egress import egress_plan, egress_teardown
from vpcipam.datapath.eni import eni_plan
from vpcipam.datapath.host import host_plan
from vpcipam.datapath.layout import DatapathEni, PodAddress, whole
from vpcipam.datapath.pod import pod_plan, pod_teardown
from vpcipam.datapath.read import read
from vpcipam.datapath.values import Link, Veth
from vpcipam.sandbox import PodRef, SandboxKey

SUBNET, IPV6_SUBNET = "10.0.1.0/24", "2001:db8:1::/64"


class PlannedNode(Node):
    """A node with two ENIs, eth0 and eth1, set up for pods."""

    def __init__(self, vpc, number, settings=IPV4, *, card=0, dual_stack=False, **options):
        super().__init__(vpc, f"node-{number}", number)
        self.settings, self.options, self.pod_count, self.plans = settings, options, 0, []
        self.ipv6 = settings.enable_ipv6
        for device_number in (0, 1):
            eni = self.attach(primary_v6=f"2001:db8:1::{number}{device_number}" if self.ipv6 or dual_stack else None)
            address, subnet = (eni.primary_v6, IPV6_SUBNET) if self.ipv6 else (eni.primary, SUBNET)
            eni.facts = DatapathEni(
                device=eni.device,
                mac=eni.mac,
                address=address,
                subnet=subnet,
                device_number=device_number,
                network_card=card * device_number,
            )
        self.set_up()
        self.apply(eni_plan(self.enis[1].facts, settings))

    def set_up(self, settings=None):
        """Set the host up, again with other settings if they are given."""
        self.settings = settings or self.settings
        plan = host_plan(self.enis[0].facts, self.settings, VPC_CIDRS, standing=read(self.namespace.path), **self.options)
        self.apply(plan)

    def apply(self, plan, pod=None, **options):
        assert apply(plan, host=self.namespace.path, pod=pod, **options) == ()
        self.plans.append(plan)

    def wait_for_the_end_of(self, plan):
        """Wait until the interfaces of a pod are gone. The kernel ends a namespace in the background."""
        names = {step.value.name for step in plan if isinstance(step.value, Veth)}
        for _ in range(200):
            if not names & {each.name for each in read(self.namespace.path, filters=False) if isinstance(each, Link)}:
                return
            time.sleep(0.05)
        raise AssertionError(f"{names} are still there")

    def pod(self, *addresses, egress=None):
        """Connect a pod; it has each address, a pair of it and the number of its ENI."""
        self.pod_count += 1
        return Pod(self, f"pod-{self.number}-{self.pod_count}", addresses, egress)


class Pod:
    """A pod with an address on each of some ENIs."""

    def __init__(self, node, name, addresses, egress):
        self.node, self.name, self.egress = node, name, egress
        self.namespace = node.vpc.namespace(name)
        self.key, self.ref = SandboxKey("aws-cni", name, "eth0"), PodRef("default", name)
        self.addresses = [PodAddress(address, node.enis[number].facts.table) for address, number in addresses]
        self.address = self.addresses[0].address
        for address, number in addresses:
            node.enis[number].own(whole(address))
        self.plan = pod_plan(self.key, self.ref, self.addresses, node.settings)
        node.apply(self.plan, self.namespace.path)
        if egress:
            node_address = node.enis[0].primary if node.ipv6 else node.enis[0].primary_v6
            self.egress_plan = egress_plan(self.key, egress, node_address, node.settings)
            node.apply(self.egress_plan, self.namespace.path)

    def delete(self, *, namespace_first=False):
        """Disconnect the pod, and end its namespace, in either order."""
        if namespace_first:
            self.namespace.close()
            self.node.wait_for_the_end_of(self.plan)
        self.node.apply(pod_teardown(self.key, self.ref, self.addresses, self.node.settings), undo=False)
        if self.egress:
            self.node.apply(egress_teardown(self.key, self.egress), undo=False)
        self.namespace.close()
