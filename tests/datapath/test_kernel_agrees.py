"""The kernel has what the plans expect, for random nodes and pods, and nothing of it once they are gone."""

import contextlib
import os
import subprocess
from itertools import chain
from types import SimpleNamespace

import pytest
from datapath_strategies import nodes
from hypothesis import HealthCheck, Phase, given, settings

from vpcipam.datapath.commands import command
from vpcipam.datapath.values import Address, Link, Mode, Route, Step, Sysctl, Veth, Vlan, expected, matches
from vpcipam.errors import DatapathError

FEW = settings(
    settings(),
    max_examples=max(5, settings().max_examples // 10),  # each takes half a second
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
FAILING = Step(Link(name="missing", up=True), Mode.REPLACE, "a test")
LINKS = """
link add eth0 address 02:aa:00:00:00:00 type veth peer p0
link add eth1 address 02:aa:00:00:00:01 type veth peer p1
link set eth0 up
link set p0 up
link set p1 up
address add 10.0.1.10/24 dev eth0
address add 2001:db8::10/64 dev eth0 nodad
route add default via 10.0.1.1 dev eth0
"""


@pytest.fixture
def read(namespaces):
    """Read a namespace, without what the kernel itself does when an interface comes up."""
    del namespaces
    from vpcipam.datapath.read import read  # noqa: PLC0415 - it needs pyroute2

    def without_kernel(namespace, plan):
        names = [step.value.name for step in plan if isinstance(step.value, Sysctl)]
        wanted = {step.value for step in plan}
        return {each for each in read(namespace.path, sysctls=names) if each in wanted or not is_kernels(each)}

    return without_kernel


def is_kernels(value):
    if isinstance(value, Address):
        return value.scope == "link" and value.address.startswith("fe80:")
    return isinstance(value, Route) and value.protocol == "kernel"


@pytest.fixture
def apply(namespaces):
    del namespaces
    from vpcipam.datapath.apply import apply  # noqa: PLC0415 - it needs pyroute2

    return apply


def with_stand_ins(steps):
    """Put veths in the place of VLAN devices, which not every kernel has. The host has the same interface then."""
    for step in steps:
        if isinstance(step.value, Vlan):
            vlan = step.value
            veth = Veth(name=vlan.name, peer=f"vlan{vlan.vlan_id}", mac=vlan.mac, peer_mac="02:00:00:00:00:09", mtu=vlan.mtu)
            yield Step(veth, Mode.EXCLUSIVE, "a stand-in", namespace="pod")
        else:
            yield step


def prepare(host):
    """Make the ENIs. Runtimes have turned forwarding on."""
    host.run("ip", "-batch", "-", text=LINKS)
    host.sysctl("net/ipv4/ip_forward", 1)


@pytest.mark.thorough
@FEW
@given(nodes(2))
def test_the_kernel_has_what_the_plans_expect_and_nothing_of_it_once_the_pods_are_gone(namespaces, apply, read, node):
    node_plan, pods = node
    plans = [tuple(with_stand_ins(pod.plan)) for pod in pods]
    everything = (*node_plan, *chain.from_iterable(plans))
    with contextlib.ExitStack() as made:
        host, *pod_namespaces = (made.enter_context(contextlib.closing(namespaces.Namespace(name))) for name in ("host", "first", "second"))
        prepare(host)
        fresh = read(host, everything)
        apply(node_plan, host=host.path)
        standing = read(host, everything)
        assert standing == expected(node_plan, before=fresh)
        for plan, namespace in zip(plans, pod_namespaces, strict=True):
            before = read(namespace, plan)
            apply(plan, host=host.path, pod=namespace.path)
            assert read(namespace, plan) == expected(plan, "pod", before=before)
        assert read(host, everything) == expected(everything, before=fresh)
        for pod in pods:
            apply(pod.teardown, host=host.path, undo=False)
        assert read(host, everything) == standing


@pytest.mark.thorough
@FEW
@given(nodes(2))
def test_whatever_step_fails_the_kernel_is_as_before(namespaces, apply, read, node):
    node_plan, (pod, other) = node
    plan = tuple(with_stand_ins(pod.plan))
    with contextlib.ExitStack() as made:
        host, within = (made.enter_context(contextlib.closing(namespaces.Namespace(name))) for name in ("host", "pod"))
        prepare(host)
        apply((*node_plan, *with_stand_ins(other.plan)), host=host.path, pod=within.path)
        before = host.state(), within.state(), read(host, plan), read(within, plan)
        for count in range(0, len(plan) + 1, 5):
            with pytest.raises(DatapathError):
                apply((*plan[:count], FAILING), host=host.path, pod=within.path)
            assert (host.state(), within.state(), read(host, plan), read(within, plan)) == before


@pytest.mark.thorough
@FEW
@given(nodes(1))
def test_the_commands_do_what_the_applier_does(namespaces, apply, read, node):
    node_plan, (pod,) = node
    plan = (*node_plan, *with_stand_ins(pod.plan))
    found = []
    with contextlib.ExitStack() as made:
        name = f"vpcipam-{os.getpid()}"  # commands know namespaces by name
        subprocess.run(["ip", "netns", "add", name], check=True)  # noqa: S603, S607 - as root does
        made.callback(subprocess.run, ["ip", "netns", "delete", name], check=True)
        ready = "ip link set lo up; sysctl -qw net.ipv6.conf.default.accept_dad=0"  # as those of the lab
        subprocess.run(["ip", "netns", "exec", name, "sh", "-ec", ready], check=True)  # noqa: S603, S607 - likewise
        for by_commands in (True, False):
            host, within = (made.enter_context(contextlib.closing(namespaces.Namespace(each))) for each in ("host", "pod"))
            prepare(host)
            if by_commands:
                host.run("sh", "-e", text="\n".join(command(step, name) for step in plan))
                within = SimpleNamespace(path=f"/run/netns/{name}")
            else:
                apply(plan, host=host.path, pod=within.path)
            links = {Link(name=link) for link in ("p0", "p1")}  # their MAC is random
            found.append(
                [{each for each in read(where, plan) if not any(matches(link, each) for link in links)} for where in (host, within)]
            )
    assert found[0] == found[1]
