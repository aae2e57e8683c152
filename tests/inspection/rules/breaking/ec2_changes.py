"""Changes of what EC2 shows."""

import copy


def is_secondary(eni):
    return eni["Attachment"]["DeviceIndex"] > 0


def is_prefixed(world):
    return world.cluster.settings.enable_prefix_delegation


def take_away(eni, cidr):
    """Take an address or a prefix from an ENI, as EC2 shows it."""
    address = cidr.removesuffix("/32")
    eni["PrivateIpAddresses"] = [each for each in eni["PrivateIpAddresses"] if each["PrivateIpAddress"] != address]
    eni["Ipv4Prefixes"] = [each for each in eni["Ipv4Prefixes"] or [] if each["Ipv4Prefix"] != cidr]


def give(eni, cidr):
    if cidr.endswith("/28"):
        eni["Ipv4Prefixes"] = [*(eni["Ipv4Prefixes"] or []), {"Ipv4Prefix": cidr}]
    else:
        eni["PrivateIpAddresses"].append({"Primary": False, "PrivateIpAddress": cidr.removesuffix("/32")})


def remove(world, eni):
    """Let EC2 not show an ENI any more."""
    world.made["network-interfaces"]["NetworkInterfaces"].remove(eni)
    for reservation in world.made["instances"]["Reservations"]:
        for instance in reservation["Instances"]:
            kept = [each for each in instance["NetworkInterfaces"] if each["NetworkInterfaceId"] != eni["NetworkInterfaceId"]]
            instance["NetworkInterfaces"] = kept


def replace_free_cidr(world, text):
    """Let a free address be another text, in EC2 and in /v1/enis; return whether there was one."""
    here = world.node()
    found = here and not is_prefixed(world) and world.free_cidr(here)
    if not found:
        return False
    cidrs = world.enis(here)[found[0]]["AvailableIPv4Cidrs"]
    del cidrs[found[1]]
    cidrs[f"{text}/32"] = {"IPAddresses": {}, "IsPrefix": False}
    eni = world.ec2_eni(found[0])
    take_away(eni, found[1])
    give(eni, text)
    return True


def foreign_eni(world):
    """An ENI of something that is no node."""
    eni = copy.deepcopy(world.made["network-interfaces"]["NetworkInterfaces"][0])
    eni |= {"NetworkInterfaceId": "eni-foreign", "Attachment": None, "Status": "in-use", "TagSet": [], "Description": "a database"}
    eni |= {
        "PrivateIpAddress": "10.0.15.250",
        "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": "10.0.15.250"}],
        "Ipv4Prefixes": None,
    }
    world.made["network-interfaces"]["NetworkInterfaces"].append(eni)
    return eni
