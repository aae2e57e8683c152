"""Steps that several plans have."""

import errno
from collections.abc import Iterator
from functools import partial

from vpcipam.datapath.layout import everywhere, pod_macs
from vpcipam.datapath.values import Link, Mode, Namespace, Route, Step, Sysctl, Veth, family_of
from vpcipam.sandbox import SandboxKey

IF_THERE = frozenset({errno.ENOENT})
QUIET = {"accept_ra": "0", "accept_redirects": "1", "forwarding": "0"}
"""The IPv6 settings of a new interface of the host."""

in_pod = partial(Step, namespace="pod")


def setting(name: str, value: str, reason: str, *, namespace: Namespace = "host", tolerated: frozenset[int] = frozenset()) -> Step:
    """Return the step that changes a kernel setting."""
    return Step(Sysctl(name=name, value=value), Mode.REPLACE, reason, namespace=namespace, tolerated=tolerated)


def quiet_ipv6(device: str, settings: dict[str, str] = QUIET) -> Iterator[Step]:
    """Return the settings that every new interface of the host gets before it is up."""
    for name, value in settings.items():
        reason = "the host takes no IPv6 configuration from this interface"
        yield setting(f"net/ipv6/conf/{device}/{name}", value, reason, tolerated=IF_THERE)


def ipv6_in_pod(*interfaces: str, on: bool) -> Iterator[Step]:
    """Return the settings that turn IPv6 on or off in a pod."""
    reason = "runtimes may turn IPv6 off in new namespaces" if on else "DISABLE_POD_V6 turns IPv6 off"
    for each in interfaces:
        name, value = f"net/ipv6/conf/{each}/disable_ipv6", "0" if on else "1"
        yield setting(name, value, reason, namespace="pod", tolerated=IF_THERE if on else frozenset())


def joined(key: SandboxKey, index: int, device: str, within: str, mtu: int, *, quiet: dict[str, str] = QUIET) -> Iterator[Step]:
    """Join a pod's namespace to the host's: by `device` in the host's, and `within` in the pod's."""
    mac, peer_mac = pod_macs(key, index)
    veth = Veth(name=device, peer=within, mac=mac, peer_mac=peer_mac, mtu=mtu)
    yield Step(Link(name=device), Mode.ABSENT, "a former pod of this name may have left its host interface")
    yield in_pod(veth, Mode.EXCLUSIVE, "the veth joins the pod's namespace to the host's")
    yield from quiet_ipv6(device, quiet)
    yield Step(Link(name=device, up=True), Mode.REPLACE, "the veth carries packets once both ends are up")
    yield in_pod(Link(name=within, up=True), Mode.REPLACE, "the veth carries packets once both ends are up")


def parted(key: SandboxKey, index: int, device: str) -> Step:
    """Return the deletion of a host interface, unless another sandbox of the same pod has it by now: its MAC differs then."""
    reason = "the namespace of the pod may stay, with a dead interface in it"
    return Step(Link(name=device, mac=pod_macs(key, index)[0]), Mode.ABSENT, reason)


def way_out(device: str, gateway: str, table: int, what: str) -> Iterator[Step]:
    """Return the routes of a table whose packets leave by one interface."""
    beyond = Route(destination=everywhere(family_of(gateway)), gateway=gateway, device=device, table=table)
    yield Step(Route(destination=gateway, device=device, table=table), Mode.REPLACE, f"the subnet's gateway is on {what}")
    yield Step(beyond, Mode.REPLACE, f"everything in this table leaves by {what}")
