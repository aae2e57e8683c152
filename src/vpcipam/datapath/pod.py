"""What a pod needs: a veth, its address, routes, a neighbour entry, and the rules that route its traffic by its ENI."""

import errno
from collections.abc import Iterable, Iterator

from vpcipam.datapath import layout
from vpcipam.datapath.layout import PodAddress
from vpcipam.datapath.options import DatapathOptions, datapath_options
from vpcipam.datapath.pieces import IF_THERE, in_pod, ipv6_in_pod, joined, parted
from vpcipam.datapath.values import MAIN_TABLE, Address, Mode, Neighbour, Route, Rule, Step, family_of
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.settings import Settings


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
        device = layout.host_interface(options.veth_prefix, key, pod, index)
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
        steps.append(parted(key, index, layout.host_interface(options.veth_prefix, key, pod, index)))
    return tuple(steps)


# --- the pod's side -------------------------------------------------------------------------------------------------------


def connect(key: SandboxKey, device: str, index: int, address: str, options: DatapathOptions) -> Iterator[Step]:
    """Connect the two namespaces, and give the pod its address, its routes and its neighbour."""
    family, within, table = family_of(address), layout.pod_interface(key, index), index or MAIN_TABLE
    gateway, own = layout.pod_gateway(family, index), Address(address=address, device=within)
    default = Route(destination=layout.everywhere(family), gateway=gateway, device=within, table=table)
    neighbour = Neighbour(address=gateway, mac=layout.pod_macs(key, index)[0], device=within)
    yield from joined(key, index, device, within, options.pod_mtu)
    if family == 6:
        yield from ipv6_in_pod(within, "lo", on=True)
    yield in_pod(Route(destination=gateway, device=within, table=table), Mode.REPLACE, "the gateway is on the veth")
    if index:
        rule = Rule(source=address, table=table, priority=layout.POD_SIDE_PRIORITY)
        yield in_pod(rule, Mode.ADD, "packets from this address leave by its own interface")
    yield in_pod(default, Mode.EXCLUSIVE, "everything goes to the host")
    yield in_pod(own, Mode.EXCLUSIVE, "the pod's address, alone in its subnet")
    yield in_pod(neighbour, Mode.EXCLUSIVE, "nobody answers for the gateway, so the host's end of the veth stands for it")
    if family == 6:
        yield in_pod(own, Mode.WAIT, "the address is of no use before duplicate address detection has ended")


def without_ipv6(options: DatapathOptions) -> Iterator[Step]:
    """Do what the tuning plugin does, which upstream chains for it."""
    if options.disable_pod_ipv6:
        yield from ipv6_in_pod("all", "default", "lo", on=False)


# --- the host's side ------------------------------------------------------------------------------------------------------


def host_side(address: str, device: str, table: int) -> Iterator[Step]:
    """Return the route and the rules of a pod's address."""
    to_pod = Rule(destination=address, table=MAIN_TABLE, priority=layout.TO_POD_PRIORITY)
    yield Step(Route(destination=address, device=device), Mode.REPLACE, "packets for the pod go to its veth")
    yield Step(to_pod, Mode.ADD, "packets for the pod are routed by the main table, wherever they come from")
    if table != MAIN_TABLE:
        from_pod = Rule(source=address, table=table, priority=layout.FROM_POD_PRIORITY)
        yield Step(from_pod, Mode.ADD, "the pod's packets leave by the ENI that has its address")


def host_side_teardown(address: str, table: int | None) -> Iterator[Step]:
    """Return the deletions of the route and the rules of a pod's address; of rules with any table if `table` is None."""
    to_pod = Rule(destination=address, table=MAIN_TABLE, priority=layout.TO_POD_PRIORITY)
    yield Step(to_pod, Mode.DELETE_ONE, "the rule would outlive the veth", tolerated=IF_THERE)
    if table != MAIN_TABLE:
        from_pod = Rule(source=address, table=table, priority=layout.FROM_POD_PRIORITY)
        yield Step(from_pod, Mode.ABSENT, "the next pod with this address may be on another ENI")
    route = Route(destination=address, table=MAIN_TABLE, scope="link" if family_of(address) == 4 else None, metric=None, protocol=None)
    yield Step(route, Mode.DELETE_ONE, "the address is free", tolerated=frozenset({errno.ESRCH}), fatal=False)
