"""A healthy random cluster with one rule broken: exactly that rule fires, and before it is broken no rule does.

Each mutation changes the documents of a cluster as the fault would show in them. It returns whether the cluster has what it takes.
"""

import copy
import json
import random

import attrs
import pytest
from clusters import REGION, documents, evidence, pod_object, random_cluster
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.ec2.offline.views import network_interface_view
from vpcipam.inspection import audit
from vpcipam.node.interfaces import CREATED_TAG, INSTANCE_TAG
from vpcipam.sandbox import PodRef

MUTATIONS = {}


def mutation(rule, *others):
    """Register a mutation that breaks a rule; `others` can't be without it."""

    def register(function):
        MUTATIONS.setdefault(rule, []).append((function, {rule, *others}))
        return function

    return register


@attrs.define
class World:
    """A cluster, its documents, and chance."""

    cluster: object
    made: dict
    chance: random.Random

    def node(self, fits=bool):
        """A node that fits; None if there is none."""
        nodes = [here for here in self.cluster.nodes if here.node.started and fits(here)]
        return self.chance.choice(nodes) if nodes else None

    def enis(self, here):
        """The ENIs of a node in /v1/enis."""
        return self.made[f"{here.name}/enis.json"]["0"]["ENIs"]

    def ec2_eni(self, eni_id):
        (found,) = (each for each in self.made["network-interfaces"]["NetworkInterfaces"] if each["NetworkInterfaceId"] == eni_id)
        return found

    def forget_in_instances(self):
        del self.made["instances"]

    def pods_of(self, here):
        return [
            each
            for each in self.made["pods"]["items"]
            if each["spec"]["nodeName"] == here.name and each["status"].get("podIP") and not each["spec"].get("hostNetwork")
        ]

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

    def write_checkpoint(self, here, change):
        name = f"{here.name}/ipam.json"
        document = json.loads(self.made[name])
        change(document["allocations"])
        self.made[name] = json.dumps(document)


def has_pods(here):
    return bool(here.pods)


def has_some_pods(here):
    """Whether pods of the namespace are left if one is taken away; without any, the pods may be those of one namespace only."""
    return len(here.pods) > 1


def take_away(eni, cidr):
    """Take an address or a prefix from an ENI, as EC2 shows it."""
    address = cidr.removesuffix("/32")
    eni["PrivateIpAddresses"] = [each for each in eni["PrivateIpAddresses"] if each["PrivateIpAddress"] != address]
    eni["Ipv4Prefixes"] = [each for each in eni["Ipv4Prefixes"] or [] if each["Ipv4Prefix"] != cidr]


def give(eni, cidr):
    if cidr.endswith("/32"):
        eni["PrivateIpAddresses"].append({"Primary": False, "PrivateIpAddress": cidr.removesuffix("/32")})
    else:
        eni["Ipv4Prefixes"] = [*(eni["Ipv4Prefixes"] or []), {"Ipv4Prefix": cidr}]


# --- EC2 against ipamd ---------------------------------------------------------------------------------------------------


@mutation("address-gone")
def _(world):
    here = world.node()
    found = here and world.free_cidr(here)
    if not found:
        return False
    take_away(world.ec2_eni(found[0]), found[1])
    return True


@mutation("address-elsewhere")
def _(world):
    here = world.node()
    found = here and world.free_cidr(here)
    if not found:
        return False
    take_away(world.ec2_eni(found[0]), found[1])
    eni = copy.deepcopy(world.made["network-interfaces"]["NetworkInterfaces"][0])
    eni |= {"NetworkInterfaceId": "eni-foreign", "Attachment": None, "Status": "in-use", "TagSet": [], "Description": "a database"}
    eni |= {
        "PrivateIpAddress": "10.0.15.250",
        "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": "10.0.15.250"}],
        "Ipv4Prefixes": None,
    }
    give(eni, found[1])
    world.made["network-interfaces"]["NetworkInterfaces"].append(eni)
    return True


@mutation("eni-gone")
def _(world):
    here = world.node(lambda here: len(here.datastore.eni_ids) > 1)
    if here is None:
        return False
    free = [each.eni_id for each in here.datastore.eni_stats(0) if not each.primary and not each.pod_count]
    if not free:
        return False
    enis = world.made["network-interfaces"]["NetworkInterfaces"]
    last = max(free, key=lambda eni_id: world.ec2_eni(eni_id)["Attachment"]["DeviceIndex"])
    enis.remove(world.ec2_eni(last))
    for reservation in world.made["instances"]["Reservations"]:
        for instance in reservation["Instances"]:
            instance["NetworkInterfaces"] = [each for each in instance["NetworkInterfaces"] if each["NetworkInterfaceId"] != last]
    return True


@mutation("primary-ip-in-pool", "datastore-too-many-slots")
def _(world):
    here = world.node()
    if here is None:
        return False
    eni_id, eni = world.chance.choice(sorted(world.enis(here).items()))
    own = world.ec2_eni(eni_id)["PrivateIpAddress"]
    eni["AvailableIPv4Cidrs"][f"{own}/32"] = {"IPAddresses": {}, "IsPrefix": False}
    return True


@mutation("device-number-differs")
def _(world):
    here = world.node()
    if here is None:
        return False
    world.chance.choice(sorted(world.enis(here).items()))[1]["DeviceNumber"] += 7
    return True


# --- who holds addresses ---------------------------------------------------------------------------------------------------


@mutation("pod-gone")
def _(world):
    here = world.node(has_some_pods)
    if here is None:
        return False
    world.made["pods"]["items"].remove(world.chance.choice(world.pods_of(here)))
    return True


@mutation("pod-gone")
def _(world):
    """A pod that is over keeps the address in its status; the sandbox should be gone."""
    here = world.node(has_pods)
    if here is None:
        return False
    world.chance.choice(world.pods_of(here))["status"]["phase"] = "Succeeded"
    return True


@mutation("not-in-checkpoint")
def _(world):
    here = world.node(has_pods)
    if here is None:
        return False
    world.write_checkpoint(here, lambda entries: entries.pop())
    return True


@mutation("only-in-checkpoint", "pod-gone")
def _(world):
    here = world.node()
    found = here and world.free_cidr(here)
    if not found:
        return False
    address = found[1].partition("/")[0]
    entry = {"networkName": "aws-cni", "containerID": "gone", "ifName": "eth0", "ipv4": address, "allocationTimestamp": 7}
    entry["metadata"] = {"k8sPodNamespace": "default", "k8sPodName": "gone"}
    world.write_checkpoint(here, lambda entries: entries.append(entry))
    return True


@mutation("checkpoint-outside-pool", "pod-gone")
def _(world):
    here = world.node()
    if here is None:
        return False
    entry = {"networkName": "aws-cni", "containerID": "gone", "ifName": "eth0", "ipv4": "10.0.15.251", "allocationTimestamp": 7}
    entry["metadata"] = {"k8sPodNamespace": "default", "k8sPodName": "gone"}
    world.write_checkpoint(here, lambda entries: entries.append(entry))
    return True


@mutation("held-by-old-sandbox")
def _(world):
    """A second sandbox of a pod holds an address, in the datastore and in the checkpoint."""
    here = world.node(has_pods)
    found = here and world.free_cidr(here)
    if not found:
        return False
    pod = here.pods[next(iter(here.pods))]
    eni_id, cidr = found
    address = cidr.partition("/")[0]
    metadata = {"k8sPodNamespace": pod.namespace, "k8sPodName": pod.name}
    world.enis(here)[eni_id]["AvailableIPv4Cidrs"][cidr]["IPAddresses"][address] = {
        "Address": address,
        "IPAMKey": {"networkName": "aws-cni", "containerID": "", "ifName": ""},
        "IPAMMetadata": metadata,
        "AssignedTime": "2023-11-14T22:13:20Z",
        "UnassignedTime": "0001-01-01T00:00:00Z",
    }
    world.made[f"{here.name}/enis.json"]["0"]["AssignedIPs"] += 1
    entry = {
        "networkName": "aws-cni",
        "containerID": "old",
        "ifName": "eth0",
        "ipv4": address,
        "allocationTimestamp": 7,
        "metadata": metadata,
    }
    world.write_checkpoint(here, lambda entries: entries.append(entry))
    return True


# --- one address for two -------------------------------------------------------------------------------------------------


@mutation("address-of-two-pods", "pod-address-elsewhere")
def _(world):
    here = world.node(has_pods)
    if here is None:
        return False
    other = world.chance.choice(world.cluster.nodes)
    address = world.chance.choice(world.pods_of(here))["status"]["podIP"]
    world.made["pods"]["items"].append(pod_object(PodRef("default", "twin"), other.name, address))
    return True


@mutation("address-of-two-sandboxes", "pod-gone")
def _(world):
    here = world.node(has_pods)
    if here is None:
        return False

    def double(entries):
        entry = copy.deepcopy(world.chance.choice(entries))
        entry["containerID"] += "-twin"
        entries.append(entry)

    world.write_checkpoint(here, double)
    return True


@mutation("pod-has-primary-ip")
def _(world):
    here = world.node()
    if here is None:
        return False
    address = world.ec2_eni(world.chance.choice(here.datastore.eni_ids))["PrivateIpAddress"]
    world.made["pods"]["items"].append(pod_object(PodRef("default", "intruder"), here.name, address))
    return True


@mutation("pod-address-elsewhere")
def _(world):
    here = world.node()
    if here is None:
        return False
    world.made["pods"]["items"].append(pod_object(PodRef("default", "astray"), here.name, "10.0.15.252"))
    return True


# --- left behind -----------------------------------------------------------------------------------------------------------


@mutation("leaked-eni")
def _(world):
    here = world.chance.choice(world.cluster.nodes)
    instance_id = world.chance.choice((here.instance_id, "i-gone"))
    tags = world.chance.choice((((INSTANCE_TAG, instance_id),), ((INSTANCE_TAG, instance_id), (CREATED_TAG, "2023-11-14T20:00:00Z")), ()))
    eni = world.cluster.model.create_network_interface(
        subnet_id=world.cluster.subnet_id,
        description=f"aws-K8S-{instance_id}",
        tags=tags,
        secondary_ip_count=2,
        now_ns=world.cluster.now_ns,
    )
    world.made["network-interfaces"]["NetworkInterfaces"].append(network_interface_view(eni, REGION))
    return True


# --- all of them -----------------------------------------------------------------------------------------------------------


def check(rule, seed):
    """Break a rule in a random cluster, in one of the ways that there are; return whether there was one to break."""
    chance = random.Random(seed)
    function, expected = chance.choice(MUTATIONS[rule])
    cluster = random_cluster(seed, steps=12)
    world = World(cluster, documents(cluster, release=chance.choice(((1, 22, 5), (1, 23, 0)))), chance)
    if not function(world):
        return False
    found = {each.rule for each in audit(evidence(world.made)).faults}
    assert rule in found
    assert found - {"counters-contradict"} <= expected  # a mutation changes ENIs in /v1/enis, and not the counts beside them
    return True


@pytest.mark.parametrize("rule", sorted(MUTATIONS))
@given(seed=st.integers(0, 2**32))
def test_a_broken_rule_fires_and_no_other(rule, seed):
    assert any(check(rule, seed + step) for step in range(50))


@pytest.mark.nightly
@pytest.mark.parametrize("rule", sorted(MUTATIONS))
def test_in_thousands_of_clusters(rule):
    assert sum(check(rule, seed) for seed in range(2_000)) > 500
