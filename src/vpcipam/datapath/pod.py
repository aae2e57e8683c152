"""What a pod needs: a veth, its address, routes, a neighbour entry, and the rules that route its traffic by its ENI."""

import errno
from collections.abc import Iterable, Iterator

from vpcipam.datapath.layout import (
    FROM_POD_PRIORITY,
    POD_SIDE_PRIORITY,
    TO_POD_PRIORITY,
    PodAddress,
    everywhere,
    host_interface,
    pod_gateway,
    pod_interface,
    pod_macs,
    whole,
)
from vpcipam.datapath.options import DatapathOptions, datapath_options
from vpcipam.datapath.values import MAIN_TABLE, Address, Link, Mode, Neighbour, Route, Rule, Step, Sysctl, Veth, family_of
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.settings import Settings

_IF_THERE = frozenset({errno.ENOENT})


def pod_plan(key: SandboxKey, pod: PodRef | None, addresses: Iterable[PodAddress], settings: Settings) -> tuple[Step, ...]:
    """Return the steps that connect a pod.

    Args:
        key: its sandbox.
        pod: its names, which name its host interfaces; None if the runtime gave none.
        addresses: its addresses, one for each network card that it uses; `PodAddress.of` makes one of an assignment.
        settings: the variables of the aws-node container.

    Raises:
        SettingsError: the container would not start with these settings.
        InvalidSandboxKey: the key names no sandbox.
    """
    options = datapath_options(settings)
    steps: list[Step] = []
    for index, each in enumerate(addresses):
        device = host_interface(options.veth_prefix, key, pod, index)
        steps += connect(key, device, index, each.address, options)
        steps += host_side(each.address, device, MAIN_TABLE if each.table is None else each.table)
    return (*steps, *without_ipv6(options))


def pod_teardown(key: SandboxKey, pod: PodRef | None, addresses: Iterable[PodAddress], settings: Settings) -> tuple[Step, ...]:
    """Return the steps that disconnect a pod, in the host's namespace only. They can be repeated, and the pod's namespace may be gone.

    Unlike upstream they also delete the host interface, if it is still the one of this sandbox. An address whose table is None loses the
    rules of any table.

    Raises:
        SettingsError: the container would not start with these settings.
        InvalidSandboxKey: the key names no sandbox.
    """
    options = datapath_options(settings)
    steps: list[Step] = []
    for index, each in enumerate(addresses):
        steps += host_side_teardown(each.address, each.table)
        steps.append(delete_veth(key, host_interface(options.veth_prefix, key, pod, index), index))
    return tuple(steps)


# --- the pod's side -------------------------------------------------------------------------------------------------------


def connect(key: SandboxKey, device: str, index: int, address: str, options: DatapathOptions) -> Iterator[Step]:
    """Connect the two namespaces, and give the pod its address, its routes and its neighbour."""
    family, within, (mac, peer_mac) = family_of(address), pod_interface(key, index), pod_macs(key, index)
    gateway, table = pod_gateway(family, index), index or MAIN_TABLE
    veth = Veth(name=device, peer=within, mac=mac, peer_mac=peer_mac, mtu=options.pod_mtu)
    beside = Route(destination=whole(gateway), device=within, table=table)
    default = Route(destination=everywhere(family), gateway=gateway, device=within, table=table)
    yield Step(Link(name=device), Mode.ABSENT, "a former pod of this name may have left its host interface")
    yield Step(veth, Mode.EXCLUSIVE, "the veth joins the pod's namespace to the host's", namespace="pod")
    yield from quiet_ipv6(device)
    yield Step(Link(name=device, up=True), Mode.REPLACE, "the veth carries packets once both ends are up")
    yield Step(Link(name=within, up=True), Mode.REPLACE, "the veth carries packets once both ends are up", namespace="pod")
    if family == 6:
        for each in (within, "lo"):
            yield Step(
                Sysctl(name=f"net/ipv6/conf/{each}/disable_ipv6", value="0"),
                Mode.REPLACE,
                "runtimes may turn IPv6 off in new namespaces",
                namespace="pod",
                tolerated=_IF_THERE,
            )
    yield Step(beside, Mode.REPLACE, "the gateway is on the veth", namespace="pod")
    if index:
        rule = Rule(source=whole(address), table=table, priority=POD_SIDE_PRIORITY)
        yield Step(rule, Mode.ADD, "packets from this address leave by its own interface", namespace="pod")
    yield Step(default, Mode.EXCLUSIVE, "everything goes to the host", namespace="pod")
    own = Address(address=whole(address), device=within)
    yield Step(own, Mode.EXCLUSIVE, "the pod's address, alone in its subnet", namespace="pod")
    neighbour = Neighbour(address=gateway, mac=mac, device=within)
    yield Step(neighbour, Mode.EXCLUSIVE, "nobody answers for the gateway, so the host's end of the veth stands for it", namespace="pod")
    if family == 6:
        yield Step(own, Mode.WAIT, "the address is of no use before duplicate address detection has ended", namespace="pod")


def quiet_ipv6(device: str) -> Iterator[Step]:
    """Return the settings that every new interface of the host gets before it is up."""
    reason = "the host takes no IPv6 configuration from this interface"
    for name, value in (("accept_ra", "0"), ("accept_redirects", "1"), ("forwarding", "0")):
        yield Step(Sysctl(name=f"net/ipv6/conf/{device}/{name}", value=value), Mode.REPLACE, reason, tolerated=_IF_THERE)


def without_ipv6(options: DatapathOptions, *interfaces: str) -> Iterator[Step]:
    """Do what the tuning plugin does, which upstream chains for it; in the end, and so also to interfaces that others have turned on."""
    for each in (interfaces or ("all", "default", "lo")) if options.disable_pod_ipv6 else ():
        yield Step(
            Sysctl(name=f"net/ipv6/conf/{each}/disable_ipv6", value="1"), Mode.REPLACE, "DISABLE_POD_V6 turns IPv6 off", namespace="pod"
        )


# --- the host's side ------------------------------------------------------------------------------------------------------


def host_side(address: str, device: str, table: int) -> Iterator[Step]:
    """Return the route and the rules of a pod's address."""
    cidr = whole(address)
    yield Step(Route(destination=cidr, device=device), Mode.REPLACE, "packets for the pod go to its veth")
    yield Step(
        Rule(destination=cidr, table=MAIN_TABLE, priority=TO_POD_PRIORITY),
        Mode.ADD,
        "packets for the pod are routed by the main table, wherever they come from",
    )
    if table != MAIN_TABLE:
        yield Step(
            Rule(source=cidr, table=table, priority=FROM_POD_PRIORITY), Mode.ADD, "the pod's packets leave by the ENI that has its address"
        )


def host_side_teardown(address: str, table: int | None) -> Iterator[Step]:
    """Return the deletions of the route and the rules of a pod's address; of rules with any table if `table` is None."""
    cidr = whole(address)
    to_pod = Rule(destination=cidr, table=MAIN_TABLE, priority=TO_POD_PRIORITY)
    yield Step(to_pod, Mode.DELETE_ONE, "the rule would outlive the veth", tolerated=_IF_THERE)
    if table != MAIN_TABLE:
        from_pod = Rule(source=cidr, table=table, priority=FROM_POD_PRIORITY)
        yield Step(from_pod, Mode.DELETE_ALL, "the next pod with this address may be on another ENI")
    route = Route(destination=cidr, table=MAIN_TABLE, scope="link" if family_of(address) == 4 else None, metric=None, protocol=None)
    yield Step(route, Mode.DELETE_ONE, "the address is free", tolerated=frozenset({errno.ESRCH}), fatal=False)


def delete_veth(key: SandboxKey, device: str, index: int) -> Step:
    """Return the deletion of a host interface, unless another sandbox of the same pod has it by now: its MAC differs then."""
    reason = "the namespace of the pod may stay, with a dead interface in it"
    return Step(Link(name=device, mac=pod_macs(key, index)[0]), Mode.ABSENT, reason)
