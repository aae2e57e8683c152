"""Pods, nodes and max-pods, broken."""

import copy

from clusters import documents, pod_object
from worlds import mutation

from vpcipam.limits import MaxPodsBy
from vpcipam.sandbox import PodRef
from vpcipam.settings import default_max_pods


def has_pods(here):
    return bool(here.pods)


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


# --- settings ------------------------------------------------------------------------------------------------------------


@mutation("settings-not-rolled-out")
def _(world):
    here = world.chance.choice(world.cluster.nodes)
    (pod,) = (each for each in world.made["pods"]["items"] if each["metadata"]["name"] == f"aws-node-{here.instance_id[-5:]}")
    env = copy.deepcopy(world.made["daemonset"]["spec"]["template"]["spec"]["containers"])
    pod["spec"]["containers"] = env
    env[0]["env"].append({"name": "DISABLE_LEAKED_ENI_CLEANUP", "value": "true"})
    return True


@mutation("prefixes-not-in-use", "max-pods-above-addresses", "max-pods-without-prefixes", "max-pods-below-figures")
def _(world):
    world.drop("network-interfaces", "instances")
    here = world.node(has_pods)
    if here is None or world.cluster.settings.enable_prefix_delegation:
        return False
    world.set_variables(ENABLE_PREFIX_DELEGATION="true")
    return True


@mutation("no-eni-for-pods", "max-pods-above-addresses")
def _(world):
    world.drop("network-interfaces", "instances", "enis.json")
    world.set_variables(AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG="true", MAX_ENI="1")
    return True


# --- max-pods --------------------------------------------------------------------------------------------------------------


def _set_max_pods(world, here, number):
    world.node_object(here)["status"]["capacity"]["pods"] = str(number)
    return True


def _most(here):
    """The addresses that pods of a node can have."""
    return here.node.limits.eni_limit * here.node.limits.slots_per_eni * here.node.mode.addresses_per_slot


@mutation("max-pods-above-addresses")
def _(world):
    here = world.node()
    lacking = world.chance.randint(3, 20)
    return here is not None and _most(here) + lacking <= 110 and _set_max_pods(world, here, _most(here) + lacking)


@mutation("max-pods-above-recommended")
def _(world):
    here = world.node()
    return here is not None and _most(here) > 130 and _set_max_pods(world, here, world.chance.randint(111, 130))


@mutation("max-pods-below-figures", "warm-pool-explained", "more-than-ever-asked")
def _(world):
    here = world.node(lambda here: not here.waiting)
    if here is None:
        return False
    figures = [default_max_pods(here.node.limits, world.cluster.settings, by) for by in MaxPodsBy]
    return _set_max_pods(world, here, world.chance.randint(1, min(figures) - 1))


@mutation("max-pods-without-prefixes", "warm-pool-explained")
def _(world):
    here = world.node(lambda here: not here.waiting)
    if here is None or not world.cluster.settings.enable_prefix_delegation:
        return False
    return _set_max_pods(world, here, default_max_pods(here.node.limits, world.cluster.settings, MaxPodsBy.AMI))


# --- nodes that aws-node doesn't run on --------------------------------------------------------------------------------------


@mutation("no-aws-node")
def _(world):
    here = world.node()
    if here is None:
        return False
    item = next(each for each in world.made["nodes"]["items"] if each["metadata"]["name"] == here.name)
    name, values = world.chance.choice((("kubernetes.io/os", ("windows",)), ("eks.amazonaws.com/compute-type", ("auto", "hybrid"))))
    item["metadata"]["labels"][name] = world.chance.choice(values)
    return True


@mutation("no-aws-node")
def _(world):
    """An instance of the account that is no node. What it has would break rules about nodes."""
    here = world.node()
    if here is None:
        return False
    model, now_ns = world.cluster.model, world.cluster.now_ns
    model.launch_instance(world.chance.choice(("t2.micro", "m5.large")), world.cluster.subnet_id, now_ns=now_ns)
    made = documents(world.cluster)
    world.made |= {name: made[name] for name in ("instances", "network-interfaces", "subnets")}
    return True
