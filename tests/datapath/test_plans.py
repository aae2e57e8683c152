"""Properties of plans of random nodes and pods, in what their steps leave behind."""

from itertools import chain

import attrs
import pytest
from datapath_strategies import SETTINGS, nodes
from datapath_worlds import IPV4, IPV6, KEY, POD, SECOND
from hypothesis import assume, given
from hypothesis import strategies as st

from vpcipam.datapath.eni import eni_plan, eni_teardown
from vpcipam.datapath.layout import PodAddress
from vpcipam.datapath.pod import pod_plan
from vpcipam.datapath.values import DELETIONS, Link, Mode, Step, Sysctl, expected, identity
from vpcipam.sandbox import SandboxKey


def made(steps):
    """What steps make on the host, apart from settings of the whole node."""
    return {each for each in expected(steps) if each != Sysctl(name="net/ipv4/ip_forward", value="1")}


@given(nodes(1))
def test_teardown_gives_the_state_before(node):
    steps, (pod,) = node
    before = made(steps)
    assert made([*steps, *pod.plan, *pod.teardown]) == before
    assert made([*steps, *pod.plan, *pod.teardown, *pod.teardown]) == before
    assert made([*steps, *pod.teardown]) == before


@given(nodes(3))
def test_the_plans_of_pods_never_conflict(node):
    steps, connected = node
    separate = [made(pod.plan) for pod in connected]
    together = made([*steps, *chain.from_iterable(pod.plan for pod in connected)])
    assert together == made(steps).union(*separate)
    assert sum(map(len, separate)) == len(set().union(*separate))
    first, second, third = connected
    assert made([*steps, *first.plan, *second.plan, *third.plan, *second.teardown]) == made(steps) | separate[0] | separate[2]


@given(nodes(2))
def test_exclusive_steps_find_nothing_in_their_way(node):
    steps, connected = node
    done = []
    for step in [*steps, *(step for pod in connected for step in pod.plan)]:
        if step.mode is Mode.EXCLUSIVE and step.namespace == "host":
            assert identity(step.value) not in map(identity, expected(done))
        done.append(step)


@given(nodes(1))
def test_a_plan_is_a_function_and_connecting_twice_is_connecting_once(node):
    steps, (pod,) = node
    assert made([*steps, *pod.plan, *pod.plan]) == made([*steps, *pod.plan])


@given(nodes(1))
def test_every_step_says_why_and_teardown_stays_on_the_host(node):
    steps, (pod,) = node
    for step in [*steps, *pod.plan, *pod.teardown]:
        assert step.reason
        assert not step.reason.endswith(".")
    assert {step.namespace for step in pod.teardown} == {"host"}
    assert {step.mode for step in pod.teardown} <= DELETIONS


@given(SETTINGS, st.integers(1, 15), st.integers(0, 3))
def test_an_eni_leaves_nothing_but_its_link(settings, device_number, network_card):
    assume(not settings.enable_ipv6)
    eni = attrs.evolve(SECOND, device_number=device_number, network_card=network_card)
    gone = [*eni_teardown(eni.address), Step(Link(name=eni.device), Mode.ABSENT, "the ENI is detached")]
    assert expected([*eni_plan(eni, settings), *gone]) == frozenset()


def test_the_same_name_again_takes_the_place_of_the_former_pod():
    later = SandboxKey("aws-cni", "c2", "eth0")
    steps = [*pod_plan(KEY, POD, [PodAddress("10.0.1.60", 2)], IPV4), *pod_plan(later, POD, [PodAddress("10.0.1.61", 2)], IPV4)]
    links = [each for each in expected(steps) if isinstance(each, Link)]
    assert len(links) == 1
    assert links[0] in expected(pod_plan(later, POD, [PodAddress("10.0.1.61", 2)], IPV4))


@pytest.mark.parametrize("settings", [IPV4, IPV6])
def test_pods_of_the_primary_eni_need_no_eni_plan(settings):
    address = PodAddress("2001:db8::5" if settings.enable_ipv6 else "10.0.1.50")
    assert not any(getattr(each, "table", 254) not in {254, "nat"} for each in made(pod_plan(KEY, POD, [address], settings)))
