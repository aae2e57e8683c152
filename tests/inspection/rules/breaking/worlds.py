"""A random cluster that is broken in its documents, and the registry of the ways to break it."""

import json
import random

import attrs
from clusters import documents, evidence, random_cluster

from vpcipam.address import Cidr
from vpcipam.inspection import audit
from vpcipam.inspection.live import evidence_of
from vpcipam.inspection.read_ec2 import read_node
from vpcipam.inspection.rules.catalogue import CATALOGUE

MUTATIONS = {}
EC2_ONLY = ("instances", "instance-types", "subnets", "network-interfaces", "reservations", "daemonset")


def mutation(rule, *others):
    """Register a way to break a rule; `others` can't be without it, or are there in some clusters.

    The function changes a `World`, and returns whether the world has what it takes.
    """

    def register(function):
        assert {rule, *others} <= CATALOGUE.keys()
        MUTATIONS.setdefault(rule, []).append((function, {rule, *others}))
        return function

    return register


@attrs.define
class World:
    """A cluster, its documents, and chance.

    Attributes:
        healthy: the documents before anything is broken.
        made: the documents to break.
        recounts: whether the counts of /v1/enis follow its ENIs.
        live: where an audit reads EC2 itself, a function that changes what it shows of a node.
    """

    cluster: object
    chance: random.Random
    release: tuple = (1, 23, 0)
    healthy: dict = attrs.field(factory=dict)
    made: dict = attrs.field(factory=dict)
    recounts: bool = True
    live: object = None

    @classmethod
    def random(cls, seed):
        chance = random.Random(seed)
        world = cls(random_cluster(seed, steps=12), chance, chance.choice(((1, 22, 5), (1, 23, 0))))
        world.write()
        return world

    def write(self, cluster=None):
        """Write the documents of the cluster, or of another one, which is healthy."""
        self.cluster = cluster or self.cluster
        self.healthy, self.made = (documents(self.cluster, release=self.release) for _ in range(2))

    def live_on(self):
        """Write the documents after the cluster has gone on: what has become of it may be broken."""
        self.made = documents(self.cluster, release=self.release)

    def keep(self, *names):
        """Keep only these documents, by name or by the file of a node. The rest was not read at all."""
        for made in (self.healthy, self.made):
            for name in [each for each in made if each not in names and each.rpartition("/")[2] not in names]:
                del made[name]

    def drop(self, *names):
        """Leave documents out, likewise."""
        self.keep(*(each for each in {name.rpartition("/")[2] for name in self.made} if each not in names))

    def audits(self):
        """Audit the documents before and after, or EC2 itself."""
        for made, change in ((self.healthy, lambda node: node), (self.made, self.live)):
            if self.live is None:
                yield audit(evidence(made))
                continue
            instances = (here.instance_id for here in self.cluster.nodes)
            nodes = [change(read_node(self.cluster.model, each, now_ns=self.cluster.now_ns)) for each in instances]
            yield audit(evidence_of(nodes, "EC2"), observed=nodes)

    # --- nodes and pods ---

    @property
    def has_waiting_pods(self):
        return any(here.waiting for here in self.cluster.nodes)

    def node(self, fits=bool):
        """A node that has started and fits; None if there is none."""
        nodes = [here for here in self.cluster.nodes if here.node.started and fits(here)]
        return self.chance.choice(nodes) if nodes else None

    def node_object(self, here):
        (found,) = (each for each in self.made["nodes"]["items"] if each["metadata"]["name"] == here.name)
        return found

    def pods_of(self, here):
        return [
            each
            for each in self.made["pods"]["items"]
            if each["spec"]["nodeName"] == here.name and each["status"].get("podIP") and not each["spec"].get("hostNetwork")
        ]

    def set_variables(self, **variables):
        """Change variables of the DaemonSet."""
        container = self.made["daemonset"]["spec"]["template"]["spec"]["containers"][0]
        env = {each["name"]: each["value"] for each in container["env"]} | variables
        container["env"] = [{"name": name, "value": value} for name, value in env.items()]

    # --- EC2 ---

    def ec2_enis(self, here):
        """The ENIs of a node as EC2 shows them, in the order of their device indexes."""
        found = [
            each
            for each in self.made["network-interfaces"]["NetworkInterfaces"]
            if each["Attachment"] and each["Attachment"].get("InstanceId") == here.instance_id
        ]
        return sorted(found, key=lambda each: each["Attachment"]["DeviceIndex"])

    def ec2_eni(self, eni_id):
        (found,) = (each for each in self.made["network-interfaces"]["NetworkInterfaces"] if each["NetworkInterfaceId"] == eni_id)
        return found

    def any_eni(self, fits=bool):
        """An ENI as EC2 shows it, of any node that has started."""
        found = [each for here in self.cluster.nodes if here.node.started for each in self.ec2_enis(here) if fits(each)]
        return self.chance.choice(found) if found else None

    def subnet(self):
        (found,) = self.made["subnets"]["Subnets"]
        return found

    def type_of(self, here):
        """The instance type of a node, as EC2 shows it."""
        (found,) = (each for each in self.made["instance-types"]["InstanceTypes"] if each["InstanceType"] == here.node.limits.instance_type)
        return found

    # --- ipamd ---

    def enis(self, here):
        """The ENIs of a node in /v1/enis."""
        return self.made[f"{here.name}/enis.json"]["0"]["ENIs"]

    def free_cidr(self, here):
        """An ENI and a CIDR of it without a pod."""
        held = [each[0] for each in here.held()]
        cidrs = [
            (eni_id, text)
            for eni_id, eni in self.enis(here).items()
            for text, cidr in eni["AvailableIPv4Cidrs"].items()
            if not any(address in held for address in cidr["IPAddresses"])
        ]
        return self.chance.choice(cidrs) if cidrs else None

    def recount(self):
        """Let the counts of /v1/enis be those of its ENIs."""
        for name, document in self.made.items():
            if name.endswith("/enis.json") and self.recounts:
                cidrs = [(text, cidr) for eni in document["0"]["ENIs"].values() for text, cidr in eni["AvailableIPv4Cidrs"].items()]
                document["0"]["TotalIPs"] = sum(Cidr.parse(text).size for text, _ in cidrs)
                used = (state for _, cidr in cidrs for state in cidr["IPAddresses"].values())
                document["0"]["AssignedIPs"] = sum(bool(state["IPAMKey"]["networkName"]) for state in used)

    def write_checkpoint(self, here, change):
        name = f"{here.name}/ipam.json"
        document = json.loads(self.made[name])
        change(document["allocations"])
        self.made[name] = json.dumps(document)

    def hold(self, here, eni_id, cidr, container, pod=None):
        """Let a sandbox hold the first address of a free CIDR, in datastore and checkpoint."""
        address = cidr.partition("/")[0]
        metadata = {} if pod is None else {"k8sPodNamespace": pod.namespace, "k8sPodName": pod.name}
        self.enis(here)[eni_id]["AvailableIPv4Cidrs"][cidr]["IPAddresses"][address] = {
            "Address": address,
            "IPAMKey": {"networkName": "aws-cni", "containerID": "", "ifName": ""},
            "IPAMMetadata": metadata,
            "AssignedTime": "2023-11-14T22:13:20Z",
            "UnassignedTime": "0001-01-01T00:00:00Z",
        }
        entry = {"networkName": "aws-cni", "containerID": container, "ifName": "eth0", "ipv4": address, "allocationTimestamp": 7}
        self.write_checkpoint(here, lambda entries: entries.append(entry | ({"metadata": metadata} if metadata else {})))


def check(rule, seed, ways=None):
    """Break a rule in a random cluster, in one of the ways that there are; return whether there was one to break."""
    world = World.random(seed)
    function, expected = world.chance.choice(ways or MUTATIONS[rule])
    if not function(world):
        return False
    world.recount()
    healthy, broken = world.audits()
    assert healthy.faults == (), seed
    before, after = ({each.rule for each in found.findings} for found in (healthy, broken))
    if rule in before:
        return False  # a note, which healthy clusters can have
    assert rule in after, (seed, sorted(after - before))
    if world.has_waiting_pods and not rule.startswith("no-address-"):
        after = {each for each in after if not each.startswith("no-address-")}  # they wait for another reason than before
    after -= {"all-free-cool"} - expected  # chance can leave only addresses that cool
    assert after - before <= expected, (seed, sorted(after - before - expected))
    return True
