"""Owners of ENIs, and the room in subnets, broken."""

import copy

import attrs
from clusters import REGION, TYPES, Cluster
from ec2_changes import is_prefixed, is_secondary
from worlds import EC2_ONLY, mutation

from vpcipam._units import NS_PER_S
from vpcipam.ec2.offline.views import network_interface_view, time_text
from vpcipam.node.interfaces import CREATED_TAG, INSTANCE_TAG, NO_MANAGE_TAG, SUBNET_ROLE_TAG

# --- owners of ENIs ------------------------------------------------------------------------------------------------------------


@mutation("stays-after-termination")
def _(world):
    eni = world.any_eni(is_secondary)
    if eni is None:
        return False
    eni["Attachment"]["DeleteOnTermination"] = False
    return True


@mutation("unmanaged-eni", "max-pods-above-addresses")
def _(world):
    here = world.node(lambda here: len(here.datastore.eni_ids) > 1)
    if here is None:
        return False
    world.ec2_enis(here)[-1]["TagSet"].append({"Key": NO_MANAGE_TAG, "Value": "true"})
    return True


def _attached(world, **arguments):
    """Attach an ENI to a node behind ipamd's back, where it has room; return whether it had."""
    here = world.node(lambda here: here.node.limits.trunk_compatible)
    if here is None or len(here.datastore.eni_ids) >= here.node.limits.eni_limit:
        return False
    model, now_ns = world.cluster.model, world.cluster.now_ns
    index = model.describe_instance(here.instance_id, now_ns=now_ns).free_device_index(0)
    if index is None or index >= here.node.limits.eni_limit:
        return False
    eni_id = model.create_network_interface(subnet_id=world.cluster.subnet_id, now_ns=now_ns, **arguments).eni_id
    model.attach_network_interface(eni_id, here.instance_id, device_index=index, network_card_index=0, now_ns=now_ns)
    world.live_on()
    return True


@mutation("trunk-eni")
def _(world):
    return _attached(world, interface_type="trunk")


@mutation("efa-eni")
def _(world):
    return _attached(world, interface_type="efa")


_WITH_POD_ENIS = ("trunk-unused", "max-pods-above-addresses", "fewer-than-targets-ask", "warm-pool-explained")


@mutation("trunk-expected", "no-trunk", *_WITH_POD_ENIS)
def _(world):
    if world.node(lambda here: here.node.limits.trunk_compatible) is None:
        return False
    world.set_variables(ENABLE_POD_ENI="true")
    return any(len(world.ec2_enis(each)) < each.node.limits.eni_limit for each in world.cluster.nodes if each.node.limits.trunk_compatible)


@mutation("no-trunk", "trunk-expected", *_WITH_POD_ENIS)
def _(world):
    if world.node(lambda here: not here.node.limits.trunk_compatible) is None:
        return False
    world.set_variables(ENABLE_POD_ENI="true")
    return True


@mutation("trunk-unused", "trunk-expected", "no-trunk", *_WITH_POD_ENIS)
def _(world):
    if world.node(lambda here: here.node.limits.trunk_compatible) is None:
        return False
    world.set_variables(ENABLE_POD_ENI="true")
    return True


def _left_behind(world, tags, instance_id):
    eni = world.cluster.model.create_network_interface(
        subnet_id=world.cluster.subnet_id,
        description=f"aws-K8S-{instance_id}",
        tags=tags,
        secondary_ip_count=2,
        now_ns=world.cluster.now_ns,
    )
    world.made["network-interfaces"]["NetworkInterfaces"].append(network_interface_view(eni, REGION))
    return True


@mutation("leaked-eni")
def _(world):
    here = world.chance.choice(world.cluster.nodes)
    instance_id = world.chance.choice((here.instance_id, "i-gone"))
    tags = world.chance.choice((((INSTANCE_TAG, instance_id),), ((INSTANCE_TAG, instance_id), (CREATED_TAG, "2023-11-14T20:00:00Z")), ()))
    return _left_behind(world, tags, instance_id)


@mutation("young-eni")
def _(world):
    here = world.chance.choice(world.cluster.nodes)
    made_ns = world.cluster.now_ns - world.chance.randint(0, 299) * NS_PER_S
    return _left_behind(world, ((INSTANCE_TAG, here.instance_id), (CREATED_TAG, time_text(made_ns))), here.instance_id)


# --- subnets -------------------------------------------------------------------------------------------------------------------


def _add_subnet(world, role):
    other = copy.deepcopy(world.subnet())
    other |= {"SubnetId": "subnet-other", "CidrBlock": "10.0.16.0/20", "AvailableIpAddressCount": 4091}
    other["Tags"] = [{"Key": SUBNET_ROLE_TAG, "Value": role}]
    world.made["subnets"]["Subnets"].append(other)


@mutation("excluded-subnet", "no-pod-addresses")
def _(world):
    if not world.cluster.settings.enable_subnet_discovery:
        return False
    world.subnet()["Tags"] = [{"Key": SUBNET_ROLE_TAG, "Value": "0"}]
    _add_subnet(world, "1")
    return True


@mutation("no-pod-subnet", "excluded-subnet", "no-room-for-addresses", "no-room-for-prefix")
def _(world):
    if world.cluster.settings.enable_subnet_discovery:
        return False
    world.subnet()["Tags"] = [{"Key": SUBNET_ROLE_TAG, "Value": "0"}]
    return True


@mutation("no-room-for-addresses")
def _(world):
    def can_grow(here):
        limits = here.node.limits
        return here.node.stats(world.cluster.now_ns).total_count < min(here.node.max_pods, limits.eni_limit * limits.slots_per_eni)

    if is_prefixed(world) or world.node(can_grow) is None:
        return False
    world.subnet()["AvailableIpAddressCount"] = 0
    return True


@mutation("unseen-addresses")
def _(world):
    """EC2 counts fewer free addresses than its ENIs and reservations leave."""
    lacking = world.chance.randint(1, 20)

    def fewer(node):
        shown = (attrs.evolve(each, available_ip_address_count=each.available_ip_address_count - lacking) for each in node.subnets)
        return attrs.evolve(node, subnets=tuple(shown))

    world.live = fewer
    return True


@mutation("no-pod-addresses", "max-pods-above-addresses")
def _(world):
    """Nodes that have just come, under custom networking, with MAX_ENI 1."""
    made = Cluster.make()
    for _ in range(world.chance.randint(1, 3)):
        made.add(world.chance.choice(TYPES), start=False)
    world.write(made)
    world.keep(*EC2_ONLY, "nodes")
    world.set_variables(AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG="true", MAX_ENI="1")
    return True
