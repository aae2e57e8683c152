"""Logs of ipamd that tell of troubles."""

from log_texts import TROUBLES, LogWriter
from worlds import MUTATIONS, mutation

LATEST = (1, 21, 2)


def _written(world, here, troubles=()):
    """The log of a node's life, with troubles somewhere between its lines."""
    log = LogWriter(LATEST)
    log.start()
    lines = [
        f"IP stats for Network Card 0 - total IPs: {here.node.stats(world.cluster.now_ns).total_count}, assigned IPs: 0, cooldown IPs: 0"
    ]
    lines += [f"VPC CIDR 10.{world.chance.randint(0, 255)}.0.0/16" for _ in range(world.chance.randint(0, 20))]
    place = world.chance.randint(0, len(lines))
    for message in (*lines[:place], *troubles, *lines[place:]):
        log.raw(message)
        log.wait(world.chance.randint(1, 5_000))
    for _, address in enumerate(here.datastore.assignments()):
        log.assign(address[0].container_id, address[1].address)
    return log.data


def _tell(messages):
    def breaks(world):
        here = world.chance.choice(world.cluster.nodes)
        name = f"{here.name}/ipamd.log"
        times = world.chance.randint(1, 3)
        world.healthy[name] = _written(world, here)
        world.made[name] = _written(world, here, messages * times)
        return True

    return breaks


@mutation("log-other-variables")
def _(world):
    """The node was not restarted after a change of the DaemonSet."""
    here = world.chance.choice(world.cluster.nodes)
    name, settings = f"{here.name}/ipamd.log", world.cluster.settings
    old = (settings.warm_ip_target or 0) + world.chance.randint(1, 9)
    same = f"Prefix Delegation enabled {str(settings.enable_prefix_delegation).lower()}"
    world.healthy[name] = _written(world, here, [same])
    world.made[name] = _written(world, here, [same, f"Using WARM_IP_TARGET {old}"])
    return True


@mutation("log-other-variables")
def _(world):
    """The cooldown or the limit of ENIs was changed since the node started."""
    here = world.chance.choice(world.cluster.nodes)
    name, settings = f"{here.name}/ipamd.log", world.cluster.settings
    cooling = "IP 10.0.0.9 entering cooldown period of {}s (available after 2025-01-01T00:00:30Z)"
    other = (
        f"Using MAX_ENI {max(settings.max_eni, 0) + 1}"
        if world.chance.random() < 0.5
        else cooling.format(settings.ip_cooldown_period_s + 1)
    )
    same = cooling.format(settings.ip_cooldown_period_s)
    world.healthy[name] = _written(world, here, [same])
    world.made[name] = _written(world, here, [same, other])
    return True


for _rule, _messages in TROUBLES.items():
    mutation(_rule)(_tell(_messages))

assert MUTATIONS.keys() >= TROUBLES.keys()
