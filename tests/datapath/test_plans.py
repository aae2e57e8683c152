"""Properties of plans of random nodes and pods, in what their steps leave behind."""

import ipaddress
from itertools import chain

import attrs
import pytest
from datapath_worlds import BRANCHES, IPV4, IPV6, KEY, POD, PRIMARY, PRIMARY_IPV6, SECOND, VPC_CIDRS, changed
from hypothesis import assume, given
from hypothesis import strategies as st

from vpcipam.datapath.branch import branch_plan, branch_teardown
from vpcipam.datapath.egress import egress_plan, egress_teardown
from vpcipam.datapath.eni import eni_plan, eni_teardown
from vpcipam.datapath.host import host_plan
from vpcipam.datapath.layout import BranchEni, PodAddress, eni_table
from vpcipam.datapath.pod import pod_plan, pod_teardown
from vpcipam.datapath.values import DELETIONS, Link, Mode, Step, Sysctl, expected, identity
from vpcipam.sandbox import PodRef, SandboxKey

STANDARD = changed(BRANCHES, POD_SECURITY_GROUP_ENFORCING_MODE="standard")
SETTINGS = st.sampled_from(
    [IPV4, IPV6, BRANCHES, STANDARD, changed(AWS_VPC_K8S_CNI_EXTERNALSNAT="true"), changed(ENABLE_V6_EGRESS="true"), changed(POD_MTU=1400)]
)
NUMBERS = st.integers(1, 250)


@attrs.frozen
class Connected:
    """A pod: the steps that connect it, and those that disconnect it."""

    plan: tuple
    teardown: tuple


@st.composite
def pods(draw, settings, numbers=NUMBERS):
    """A pod of some kind. Pods of different numbers share no name, address or VLAN id."""
    number = draw(numbers)
    key, pod = SandboxKey("aws-cni", f"c{number}", "eth0"), draw(st.sampled_from([PodRef("default", f"web-{number}"), None]))
    span = "2001:db8::" if settings.enable_ipv6 else "10.0."
    places = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 15)), min_size=1, max_size=3, unique_by=lambda place: place[0]))
    addresses = [
        PodAddress(f"{span}{number:x}:{index}" if settings.enable_ipv6 else f"{span}{index + 2}.{number}", eni_table(device, card))
        for index, (card, device) in enumerate(places)
    ]
    if draw(st.booleans()):
        branch = BranchEni(
            vlan_id=number if number not in {153, 154, 155} else 1000 + number,
            mac=f"02:aa:00:00:05:{number:02x}",
            address=addresses[0].address,
            subnet="2001:db8::/64" if settings.enable_ipv6 else "10.0.0.0/16",
            trunk_device="eth1",
        )
        return Connected(branch_plan(key, pod, branch, settings), branch_teardown(key, pod, branch, settings))
    plan, teardown = pod_plan(key, pod, addresses, settings), pod_teardown(key, pod, addresses, settings)
    span = ipaddress.ip_network("169.254.172.0/22" if settings.enable_ipv6 else "fd00::ac:0/118")
    own, node = str(span[number + 1]), "10.0.1.10" if settings.enable_ipv6 else "2001:db8::10"
    way_out = egress_plan(key, own, node, settings)
    return Connected(plan + way_out, teardown + (egress_teardown(key, own) if way_out else ()))


@st.composite
def nodes(draw, count):
    """The settings and the steps of a node, and some pods that differ in number."""
    settings = draw(SETTINGS)
    primary = PRIMARY_IPV6 if settings.enable_ipv6 else PRIMARY
    steps = host_plan(primary, settings, VPC_CIDRS, nftables=draw(st.booleans()))
    if not settings.enable_ipv6:
        steps += eni_plan(SECOND, settings)
    numbers = draw(st.lists(NUMBERS, min_size=count, max_size=count, unique=True))
    return steps, [draw(pods(settings, st.just(number))) for number in numbers]


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
