"""Clusters of ours in several zones, as people's files show them. `python tests/planner/present_clusters.py` writes examples/present."""

import contextlib
import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "inspection"))

import attrs
from clusters import REGION, Cluster, all_enis, documents, evidence

from vpcipam.ec2.errors import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.views import network_interface_view
from vpcipam.settings import Settings

FOLDER = Path(__file__).parents[2] / "examples" / "present"
MANAGED, KARPENTER = "eks.amazonaws.com/nodegroup", "karpenter.sh/nodepool"
ROLE = (("kubernetes.io/role/cni", "1"),)
KUBECTL = ("nodes", "pods", "daemonset")
EC2 = ("subnets", "instances", "network-interfaces", "reservations")


@attrs.define(eq=False)
class ZonedCluster(Cluster):
    """A cluster with several subnets. `subnet_id` is where the next node starts."""

    labels: dict = attrs.field(factory=dict)  # instance: pair of label and value

    @classmethod
    def of(cls, subnets, variables=None, *, tagged=False):
        """A cluster without nodes; `subnets` are pairs of zone and CIDR."""
        model = Ec2Model()
        vpc_id = model.create_vpc("10.0.0.0/16").vpc_id
        ids = [model.create_subnet(vpc_id, cidr, availability_zone=zone, tags=ROLE if tagged else ()).subnet_id for zone, cidr in subnets]
        return cls(Settings().with_variables(variables or {}), model, vpc_id, ids[0])

    @property
    def subnet_ids(self):
        return [each.subnet_id for each in self.model.subnets]

    def node(self, instance_type, subnet_id=None, pods=0, group=None, *, start=True):
        """Add a node to a subnet, with pods that come one after the other."""
        self.subnet_id = subnet_id or self.subnet_id
        here = self.add(instance_type, start=start)
        if group is not None:
            self.labels[here.instance_id] = group
        for _ in range(pods):
            self.pod(here)
            if here.waiting:
                self.wait(5)
        return here

    def other(self, subnet_id, address=None):
        """An ENI of somebody else's, such as a load balancer's."""
        return self.model.create_network_interface(subnet_id=subnet_id, private_ip=address, description="ELB app/web", now_ns=self.now_ns)

    def documents(self):
        """The documents of nodes, pods, aws-node and EC2, with the labels and zones of the nodes."""
        made = {name: value for name, value in documents(self).items() if "/" not in name}
        zones = {each.subnet_id: each.availability_zone for each in self.model.subnets}
        for here, item in zip(self.nodes, made["nodes"]["items"], strict=True):
            instance = self.model.describe_instance(here.instance_id, now_ns=self.now_ns)
            item["metadata"]["labels"]["topology.kubernetes.io/zone"] = zones[instance.subnet_id]
            item["metadata"]["labels"] |= dict([self.labels[here.instance_id]] if here.instance_id in self.labels else [])
        made["network-interfaces"] = {"NetworkInterfaces": [network_interface_view(each, REGION) for each in all_enis(self)]}
        return made

    def evidence(self, *only):
        return evidence(self.documents(), only or (*KUBECTL, *EC2))


def taken(cluster, subnet_id, address):
    """Let somebody else have an address, unless it is taken."""
    with contextlib.suppress(Ec2Error):
        cluster.other(subnet_id, address)


def random_present(seed, lengths=(26, 27), types=("t3.small", "t3.medium", "m5.large"), *, tagged=None, variables=None):
    """Nodes that were only launched, with pods bound to them, beside ENIs of others: the planner has to compute the rest."""
    chance = random.Random(seed)
    length = chance.choice(lengths)
    count = chance.randint(1, 3)
    tagged = chance.random() < 0.5 if tagged is None else tagged
    step = 1 << (32 - length)
    made = ZonedCluster.of([("zone-a", f"10.0.0.{place * step}/{length}") for place in range(count)], variables, tagged=tagged)
    for place, subnet_id in enumerate(made.subnet_ids):
        for _ in range(chance.randint(0, 4)):
            if chance.random() < 0.5:
                taken(made, subnet_id, f"10.0.0.{place * step + chance.choice(range(4, step - 1))}")
    for _ in range(chance.randint(1, 2)):
        here = made.node(chance.choice(types), chance.choice(made.subnet_ids), start=False)
        for _ in range(chance.randint(0, min(here.room, 9))):
            made.pod(here)
    return made


def example():
    """Two zones, a managed node group and a Karpenter node pool, a load balancer in each zone."""
    cluster = ZonedCluster.of([("us-east-1a", "10.0.0.0/24"), ("us-east-1b", "10.0.1.0/25")])
    first, second = cluster.subnet_ids
    for subnet_id in (first, second):
        for _ in range(3):
            cluster.other(subnet_id)
    for subnet_id, pods in ((first, 21), (second, 14), (first, 9)):
        cluster.node("m5.large", subnet_id, pods, (MANAGED, "general"))
    for subnet_id, pods in ((first, 12), (second, 6)):
        cluster.node("c5.xlarge", subnet_id, pods, (KARPENTER, "burst"))
    cluster.wait(300)
    return cluster


def example_files():
    """The files of examples/present, by name."""
    made = example().documents()
    return {f"{name}.json": json.dumps(made[name]) + "\n" for name in (*KUBECTL, "subnets", "instances", "network-interfaces")}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in example_files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
