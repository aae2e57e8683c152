"""What EC2 shows of a node's ENIs and addresses, broken."""

from ec2_changes import give, is_prefixed, is_secondary, remove, replace_free_cidr
from worlds import EC2_ONLY, mutation

_PREFIXES_DIFFER = ("mode-mismatch", "mixed-modes")


# --- answers and places ----------------------------------------------------------------------------------------------------


@mutation("unreadable-answer")
def _(world):
    eni = world.any_eni()
    if eni is None:
        return False
    del eni[world.chance.choice(("Status", "AvailabilityZone"))]
    return True


@mutation("not-running")
def _(world):
    instance = world.chance.choice(world.made["instances"]["Reservations"])["Instances"][0]
    instance["State"] = {"Code": 64, "Name": world.chance.choice(("stopping", "shutting-down", "pending"))}
    return True


@mutation("no-primary-eni")
def _(world):
    world.keep(*EC2_ONLY)
    here = world.node(lambda here: len(here.datastore.eni_ids) > 1)
    if here is None:
        return False
    remove(world, world.ec2_enis(here)[0])
    return True


@mutation("duplicate-device-index", "device-index-gap")
def _(world):
    world.keep(*EC2_ONLY)
    here = world.node(lambda here: len(here.datastore.eni_ids) > 2)
    if here is None:
        return False
    first, second = world.chance.sample(world.ec2_enis(here)[1:], 2)
    first["Attachment"]["DeviceIndex"] = second["Attachment"]["DeviceIndex"]
    return True


@mutation("device-index-gap")
def _(world):
    here = world.node(lambda here: len(here.datastore.eni_ids) > 1)
    if here is None:
        return False
    last = world.ec2_enis(here)[-1]
    last["Attachment"]["DeviceIndex"] += world.chance.randint(1, 4)
    world.enis(here)[last["NetworkInterfaceId"]]["DeviceNumber"] = last["Attachment"]["DeviceIndex"]
    return True


@mutation("device-number-differs")
def _(world):
    here = world.node()
    if here is None:
        return False
    world.chance.choice(sorted(world.enis(here).items()))[1]["DeviceNumber"] += 7
    return True


@mutation("other-vpc")
def _(world):
    eni = world.any_eni(is_secondary)
    if eni is None:
        return False
    eni["VpcId"] = "vpc-other"
    return True


@mutation("other-zone")
def _(world):
    eni = world.any_eni(is_secondary)
    if eni is None:
        return False
    eni["AvailabilityZone"] = "us-east-1b"
    return True


@mutation("unknown-subnet")
def _(world):
    eni = world.any_eni(is_secondary)
    if eni is None:
        return False
    eni["SubnetId"] = "subnet-other"
    return True


# --- limits ------------------------------------------------------------------------------------------------------------------


@mutation("too-many-enis", "max-pods-above-addresses", "warm-pool-explained", "fewer-for-now")
def _(world):
    world.drop("enis.json")
    here = world.node(lambda here: len(here.datastore.eni_ids) > 1)
    if here is None:
        return False
    (card,) = world.type_of(here)["NetworkInfo"]["NetworkCards"]
    card["MaximumNetworkInterfaces"] = len(here.datastore.eni_ids) - 1
    return True


@mutation(
    "too-many-enis", "max-pods-above-addresses", "no-room-for-addresses", "no-room-for-prefix", "warm-pool-explained", "fewer-for-now"
)
def _(world):
    """MAX_ENI is lower than what is attached."""
    world.drop("enis.json")
    if world.node(lambda here: len(here.datastore.eni_ids) > 1) is None:
        return False
    world.set_variables(MAX_ENI="1")
    return True


@mutation("too-many-slots", "max-pods-above-addresses", "warm-pool-explained", "fewer-for-now")
def _(world):
    world.drop("enis.json")
    eni = world.any_eni(lambda each: len(each["PrivateIpAddresses"]) + len(each["Ipv4Prefixes"] or []) > 2)
    if eni is None:
        return False
    used = len(eni["PrivateIpAddresses"]) + len(eni["Ipv4Prefixes"] or [])
    for here in world.cluster.nodes:
        if here.instance_id == eni["Attachment"]["InstanceId"]:
            world.type_of(here)["NetworkInfo"]["Ipv4AddressesPerInterface"] = used - 1
    return True


@mutation("prefix-not-supported", *_PREFIXES_DIFFER, "prefixes-without-effect", "max-pods-above-addresses")
def _(world):
    here = world.node()
    if here is None or not is_prefixed(world):
        return False
    world.type_of(here)["Hypervisor"] = "xen"
    return any(each["Ipv4Prefixes"] for each in world.ec2_enis(here))


@mutation("prefixes-without-effect")
def _(world):
    here = world.node()
    if here is None or is_prefixed(world):
        return False
    world.drop("nodes")
    world.set_variables(ENABLE_PREFIX_DELEGATION="true")
    for each in world.made["instance-types"]["InstanceTypes"]:
        each["Hypervisor"] = "xen"
    return True


# --- addresses ---------------------------------------------------------------------------------------------------------------


@mutation("invalid-cidr")
def _(world):
    world.drop("enis.json")
    eni = world.any_eni(lambda each: len(each["PrivateIpAddresses"]) > 1)
    if eni is None:
        return False
    eni["PrivateIpAddresses"][-1]["PrivateIpAddress"] = world.chance.choice(("10.0.0.300", "10.0.0", "10.0.0.5/24"))
    world.drop("pods", "events")
    return True


@mutation("address-outside-subnet")
def _(world):
    return replace_free_cidr(world, f"10.0.{world.chance.randint(16, 255)}.{world.chance.randint(0, 255)}")


@mutation("overlapping-cidrs")
def _(world):
    """A second ENI has an address of the first."""
    world.keep(*EC2_ONLY)
    here = world.node(lambda here: len(here.datastore.eni_ids) > 1)
    if here is None:
        return False
    first, second = world.chance.sample(world.ec2_enis(here), 2)
    texts = [each["PrivateIpAddress"] for each in first["PrivateIpAddresses"]]
    own = [each for each in second["PrivateIpAddresses"] if not each["Primary"]]
    if not own:
        return False
    world.chance.choice(own)["PrivateIpAddress"] = world.chance.choice(texts)
    return True


@mutation("address-on-primary-eni", "max-pods-above-addresses", "warm-pool-explained")
def _(world):
    here = world.node(lambda here: here.datastore.cidrs(here.datastore.eni_ids[0]))
    if here is None:
        return False
    world.set_variables(AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG="true")
    return True


@mutation("mode-mismatch", "mixed-modes", "max-pods-above-addresses", "max-pods-without-prefixes", "max-pods-below-figures")
def _(world):
    if world.node() is None:
        return False
    world.set_variables(ENABLE_PREFIX_DELEGATION="false" if is_prefixed(world) else "true")
    return True


@mutation("mixed-modes")
def _(world):
    """An ENI has kept an address from before prefix delegation, which ipamd still has in its datastore."""
    here = world.node()
    if here is None or not is_prefixed(world):
        return False
    eni_id, eni = world.chance.choice(sorted(world.enis(here).items()))
    eni["AvailableIPv4Cidrs"]["10.0.15.249/32"] = {"IPAddresses": {}, "IsPrefix": False}
    give(world.ec2_eni(eni_id), "10.0.15.249")
    return len(world.ec2_eni(eni_id)["PrivateIpAddresses"]) + len(world.ec2_eni(eni_id)["Ipv4Prefixes"]) <= here.node.limits.ipv4_per_eni


@mutation("no-ipv6-prefix", *_PREFIXES_DIFFER, "max-pods-without-prefixes", "max-pods-below-figures")
def _(world):
    if world.node() is None:
        return False
    world.set_variables(ENABLE_IPv4="false", ENABLE_IPv6="true", ENABLE_PREFIX_DELEGATION="true")
    return True
