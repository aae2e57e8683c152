"""What ipamd has in its datastore, its checkpoint and its metrics, broken."""

import copy
import re

from breaking_kubernetes import has_pods
from worlds import mutation


def has_some_pods(here):
    """Whether pods of the namespace are left if one is taken away; without any, the pods may be those of one namespace only."""
    return len(here.pods) > 1


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


@mutation("held-by-no-pod", "warm-pool-explained")
def _(world):
    """More sandboxes without a name than pods that still wait for their address in Kubernetes."""
    here = world.node(lambda here: here.pods and not here.waiting)
    found = here and world.free_cidr(here)
    if not found:
        return False
    world.hold(here, *found, "unnamed")
    return True


@mutation("not-in-checkpoint")
def _(world):
    here = world.node(has_pods)
    if here is None:
        return False
    world.write_checkpoint(here, lambda entries: entries.pop())
    return True


def _add_entry(world, here, address):
    entry = {"networkName": "aws-cni", "containerID": "gone", "ifName": "eth0", "ipv4": address, "allocationTimestamp": 7}
    entry["metadata"] = {"k8sPodNamespace": "default", "k8sPodName": "gone"}
    world.write_checkpoint(here, lambda entries: entries.append(entry))
    return True


@mutation("only-in-checkpoint", "pod-gone")
def _(world):
    here = world.node()
    found = here and world.free_cidr(here)
    return bool(found) and _add_entry(world, here, found[1].partition("/")[0])


@mutation("checkpoint-outside-pool", "pod-gone")
def _(world):
    here = world.node()
    return here is not None and _add_entry(world, here, "10.0.15.251")


@mutation("held-by-old-sandbox", "warm-pool-explained")
def _(world):
    """A second sandbox of a pod holds an address, in the datastore and in the checkpoint."""
    here = world.node(has_pods)
    found = here and world.free_cidr(here)
    if not found:
        return False
    world.hold(here, *found, "old", here.pods[next(iter(here.pods))])
    return True


@mutation("migrated-sandbox")
def _(world):
    """A sandbox that ipamd took over from the container runtime."""
    here = world.node(has_pods)
    if here is None:
        return False

    def take_over(entries):
        entry = world.chance.choice(entries)
        entry |= {"networkName": "_migrated-from-cri", "ifName": "unknown"}
        for eni in world.enis(here).values():
            for cidr in eni["AvailableIPv4Cidrs"].values():
                if entry["ipv4"] in cidr["IPAddresses"]:
                    key = cidr["IPAddresses"][entry["ipv4"]]["IPAMKey"]
                    key |= {name: entry[name] for name in ("networkName", "containerID", "ifName") if key[name]}

    world.write_checkpoint(here, take_over)
    return True


# --- limits and counts -------------------------------------------------------------------------------------------------------


def _without_ec2(world):
    """A node whose datastore nothing of EC2 contradicts; its files are known by its pods."""
    world.drop("network-interfaces", "instances")
    return world.node(has_pods)


@mutation("datastore-too-many-enis")
def _(world):
    here = _without_ec2(world)
    if here is None:
        return False
    enis = world.enis(here)
    for number in range(here.node.limits.eni_limit + 1 - len(enis)):
        enis[f"eni-more-{number}"] = copy.deepcopy(next(iter(enis.values()))) | {
            "ID": f"eni-more-{number}",
            "IsPrimary": False,
            "DeviceNumber": 10 + number,
            "AvailableIPv4Cidrs": {},
        }
    return True


@mutation("datastore-too-many-slots", "warm-pool-explained")
def _(world):
    here = _without_ec2(world)
    if here is None or world.cluster.settings.enable_prefix_delegation or world.has_waiting_pods:
        return False
    cidrs = world.chance.choice(sorted(world.enis(here).items()))[1]["AvailableIPv4Cidrs"]
    for number in range(here.node.limits.slots_per_eni + 1 - len(cidrs)):
        cidrs[f"10.0.14.{number + 10}/32"] = {"IPAddresses": {}, "IsPrefix": False}
    return True


@mutation("counters-contradict")
def _(world):
    here = world.node()
    if here is None:
        return False
    world.recounts = False
    world.made[f"{here.name}/enis.json"]["0"][world.chance.choice(("TotalIPs", "AssignedIPs"))] += world.chance.randint(1, 200)
    return True


def _set_sample(world, here, name, value):
    path = f"{here.name}/metrics.txt"
    changed, count = re.subn(rf"^{name} .*$", f"{name} {value}", world.made[path], flags=re.MULTILINE)
    assert count == 1
    world.made[path] = changed


@mutation("metrics-contradict")
def _(world):
    here = world.node()
    if here is None:
        return False
    total = here.node.stats(world.cluster.now_ns).total_count
    _set_sample(world, here, "awscni_assigned_ip_addresses", total + world.chance.randint(1, 100))
    return True


@mutation("counters-apart")
def _(world):
    """A forced removal: ipamd's total is wrong from then on."""
    here = world.node()
    if here is None:
        return False
    _set_sample(world, here, "awscni_total_ip_addresses", here.node.stats(world.cluster.now_ns).total_count + world.chance.randint(1, 15))
    world.made[f"{here.name}/metrics.txt"] += f"{world.chance.choice(('awscni_force_removed_enis', 'awscni_force_removed_ips'))} 1\n"
    return True


@mutation("ec2-errors-counted")
def _(world):
    here = world.node(lambda here: not here.waiting)
    if here is None:
        return False
    api = world.chance.choice(("CreateNetworkInterface", "DeleteNetworkInterface", "AssignPrivateIpAddresses", "CreateTags"))
    code = world.chance.choice(("RequestLimitExceeded", "InvalidParameterValue", "UnauthorizedOperation"))
    count = world.chance.randint(1, 9)
    world.made[f"{here.name}/metrics.txt"] += f'awscni_aws_api_error_count{{api="{api}",error="{code}"}} {count}\n'
    return True
