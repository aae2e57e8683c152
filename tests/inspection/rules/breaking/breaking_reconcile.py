"""EC2 and ipamd that contradict each other."""

from ec2_changes import foreign_eni, give, remove, take_away
from worlds import mutation


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
    give(foreign_eni(world), found[1])
    return True


@mutation("eni-gone", "device-index-gap")
def _(world):
    here = world.node(lambda here: len(here.datastore.eni_ids) > 1)
    if here is None:
        return False
    free = [each.eni_id for each in here.datastore.eni_stats(0) if not each.primary and not each.pod_count]
    if not free:
        return False
    last = max(map(world.ec2_eni, free), key=lambda eni: eni["Attachment"]["DeviceIndex"])
    remove(world, last)
    return True


@mutation("eni-unknown-to-ipamd")
def _(world):
    here = world.node(lambda here: len(here.datastore.eni_ids) > 1)
    free = here and [each.eni_id for each in here.datastore.eni_stats(0) if not each.primary and not each.pod_count]
    if not free:
        return False
    del world.enis(here)[world.chance.choice(free)]
    return True


@mutation("address-unknown-to-ipamd")
def _(world):
    here = world.node()
    found = here and world.free_cidr(here)
    if not found:
        return False
    del world.enis(here)[found[0]]["AvailableIPv4Cidrs"][found[1]]
    return True


@mutation("primary-ip-in-pool", "datastore-too-many-slots", "warm-pool-explained")
def _(world):
    here = world.node()
    if here is None:
        return False
    eni_id, eni = world.chance.choice(sorted(world.enis(here).items()))
    own = world.ec2_eni(eni_id)["PrivateIpAddress"]
    eni["AvailableIPv4Cidrs"][f"{own}/32"] = {"IPAddresses": {}, "IsPrefix": False}
    return True
