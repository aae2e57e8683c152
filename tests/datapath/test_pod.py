"""The plan of a pod: docs/datapath.md, "A pod"."""

import errno

import pytest
from datapath_worlds import HOST_NAME, IPV4, IPV6, KEY, POD, changed, of_mode, the_step

from vpcipam.datapath.layout import PodAddress, pod_macs
from vpcipam.datapath.pod import pod_plan, pod_teardown
from vpcipam.datapath.values import Address, Link, Mode, Neighbour, Route, Rule, Sysctl, Veth, expected
from vpcipam.errors import InvalidSandboxKey, SettingsError
from vpcipam.sandbox import PodRef, SandboxKey

MAC, PEER_MAC = pod_macs(KEY)
ON_SECOND = [PodAddress("10.0.1.60", 2)]


def in_pod(steps):
    return [(step.mode, step.value) for step in steps if step.namespace == "pod"]


def on_host(steps):
    return [(step.mode, step.value) for step in steps if step.namespace == "host"]


def test_the_pods_side_of_an_ipv4_pod():
    assert in_pod(pod_plan(KEY, POD, ON_SECOND, IPV4)) == [
        (Mode.EXCLUSIVE, Veth(name=HOST_NAME, peer="eth0", mac=MAC, peer_mac=PEER_MAC, mtu=9001)),
        (Mode.REPLACE, Link(name="eth0", up=True)),
        (Mode.REPLACE, Route(destination="169.254.1.1/32", device="eth0", scope="link")),
        (Mode.EXCLUSIVE, Route(destination="0.0.0.0/0", gateway="169.254.1.1", device="eth0", scope="global")),
        (Mode.EXCLUSIVE, Address(address="10.0.1.60/32", device="eth0")),
        (Mode.EXCLUSIVE, Neighbour(address="169.254.1.1", mac=MAC, device="eth0")),
    ]


def test_the_hosts_side_of_an_ipv4_pod():
    assert on_host(pod_plan(KEY, POD, ON_SECOND, IPV4)) == [
        (Mode.ABSENT, Link(name=HOST_NAME)),
        (Mode.REPLACE, Sysctl(name=f"net/ipv6/conf/{HOST_NAME}/accept_ra", value="0")),
        (Mode.REPLACE, Sysctl(name=f"net/ipv6/conf/{HOST_NAME}/accept_redirects", value="1")),
        (Mode.REPLACE, Sysctl(name=f"net/ipv6/conf/{HOST_NAME}/forwarding", value="0")),
        (Mode.REPLACE, Link(name=HOST_NAME, up=True)),
        (Mode.REPLACE, Route(destination="10.0.1.60/32", device=HOST_NAME, scope="link", table=254)),
        (Mode.ADD, Rule(destination="10.0.1.60/32", table=254, priority=512)),
        (Mode.ADD, Rule(source="10.0.1.60/32", table=2, priority=1536)),
    ]


def test_the_former_veth_goes_first_and_settings_come_before_the_host_interface_is_up():
    steps = pod_plan(KEY, POD, ON_SECOND, IPV4)
    assert [type(step.value) for step in steps[:6]] == [Link, Veth, Sysctl, Sysctl, Sysctl, Link]
    assert steps[0].mode is Mode.ABSENT
    assert steps[5].value.up


def test_missing_ipv6_settings_are_tolerated_and_nothing_else_is():
    for step in pod_plan(KEY, POD, ON_SECOND, IPV4):
        if isinstance(step.value, Sysctl):
            assert step.tolerated == {errno.ENOENT}
        elif step.mode is Mode.EXCLUSIVE:
            assert step.tolerated == set()
        assert step.reason
        assert step.fatal


def test_a_pod_on_the_primary_eni_has_no_rule_of_its_own():
    steps = pod_plan(KEY, POD, [PodAddress("10.0.1.50")], IPV4)
    assert [value for value in of_mode(steps, Mode.ADD) if value.source is not None] == []
    assert pod_plan(KEY, POD, [PodAddress("10.0.1.50", None)], IPV4) == steps


def test_an_ipv6_pod_turns_ipv6_on_and_waits_for_its_address():
    steps = pod_plan(KEY, POD, [PodAddress("2001:db8::5")], IPV6)
    address = Address(address="2001:db8::5/128", device="eth0")
    assert in_pod(steps)[2:] == [
        (Mode.REPLACE, Sysctl(name="net/ipv6/conf/eth0/disable_ipv6", value="0")),
        (Mode.REPLACE, Sysctl(name="net/ipv6/conf/lo/disable_ipv6", value="0")),
        (Mode.REPLACE, Route(destination="fe80::1/128", device="eth0")),
        (Mode.EXCLUSIVE, Route(destination="::/0", gateway="fe80::1", device="eth0")),
        (Mode.EXCLUSIVE, address),
        (Mode.EXCLUSIVE, Neighbour(address="fe80::1", mac=MAC, device="eth0")),
        (Mode.WAIT, address),
    ]
    assert on_host(steps)[-2:] == [
        (Mode.REPLACE, Route(destination="2001:db8::5/128", device=HOST_NAME)),
        (Mode.ADD, Rule(destination="2001:db8::5/128", table=254, priority=512)),
    ]


def test_each_further_interface_has_a_table_a_rule_and_a_gateway_of_its_own():
    steps = pod_plan(KEY, POD, [PodAddress("10.0.1.50"), PodAddress("10.0.1.61", 10001)], IPV4)
    host_mac, _ = pod_macs(KEY, 1)
    assert expected(steps, "pod") >= {
        Route(destination="169.254.1.2/32", device="mNicIf1", table=1),
        Route(destination="0.0.0.0/0", gateway="169.254.1.2", device="mNicIf1", table=1),
        Rule(source="10.0.1.61", table=1, priority=1),
        Neighbour(address="169.254.1.2", mac=host_mac, device="mNicIf1"),
    }
    assert the_step(steps, Rule(source="10.0.1.61", table=1, priority=1)).mode is Mode.ADD
    assert expected(steps) >= {
        Link(name="enib813f772d20", mac=host_mac, mtu=9001, up=True),
        Rule(source="10.0.1.61", table=10001, priority=1536),
    }


def test_the_variables_of_pods_act():
    steps = pod_plan(KEY, POD, ON_SECOND, changed(AWS_VPC_ENI_MTU=1500, AWS_VPC_K8S_CNI_VETHPREFIX="ab"))
    assert Link(name="ab0d7763386da", mac=MAC, mtu=1500, up=True) in expected(steps)
    smaller = pod_plan(KEY, POD, ON_SECOND, changed(AWS_VPC_ENI_MTU=1500, POD_MTU=1400))
    assert Link(name="eth0", mac=PEER_MAC, mtu=1400, up=True) in expected(smaller, "pod")
    without = pod_plan(KEY, POD, ON_SECOND, changed(DISABLE_POD_V6="true"))
    assert [step.value.name.split("/")[3] for step in without[-3:]] == ["all", "default", "lo"]
    assert {step.value.value for step in without[-3:]} == {"1"}


def test_what_never_starts_connects_no_pod():
    with pytest.raises(SettingsError, match="POD_MTU"):
        pod_plan(KEY, POD, ON_SECOND, changed(POD_MTU=9002))
    with pytest.raises(InvalidSandboxKey):
        pod_plan(SandboxKey("aws-cni", "", "eth0"), POD, ON_SECOND, IPV4)


# --- teardown -------------------------------------------------------------------------------------------------------------


def test_teardown_deletes_the_rules_the_route_and_the_veth():
    steps = pod_teardown(KEY, POD, ON_SECOND, IPV4)
    assert [(step.mode, step.value, step.fatal) for step in steps] == [
        (Mode.DELETE_ONE, Rule(destination="10.0.1.60", table=254, priority=512), True),
        (Mode.ABSENT, Rule(source="10.0.1.60", table=2, priority=1536), True),
        (Mode.DELETE_ONE, Route(destination="10.0.1.60/32", table=254, scope="link", metric=None, protocol=None), False),
        (Mode.ABSENT, Link(name=HOST_NAME, mac=MAC), True),
    ]
    assert {step.namespace for step in steps} == {"host"}
    assert errno.ENOENT in steps[0].tolerated
    assert steps[2].tolerated == {errno.ESRCH}


def test_teardown_of_an_ipv6_pod():
    (rule, route, _) = (step.value for step in pod_teardown(KEY, POD, [PodAddress("2001:db8::5")], IPV6))
    assert rule == Rule(destination="2001:db8::5", table=254, priority=512)
    assert route == Route(destination="2001:db8::5/128", table=254, scope=None, metric=None, protocol=None)


def test_teardown_on_the_primary_eni_deletes_no_rule_from_the_pod():
    steps = pod_teardown(KEY, POD, [PodAddress("10.0.1.50")], IPV4)
    assert not any(isinstance(value, Rule) for value in of_mode(steps, Mode.ABSENT))


def test_teardown_without_a_table_deletes_the_rules_of_all_tables():
    standing = [Rule(source="10.0.1.60", table=table, priority=1536) for table in (2, 3)]
    assert expected(pod_teardown(KEY, POD, [PodAddress("10.0.1.60", None)], IPV4), before=standing) == frozenset()


def test_teardown_leaves_the_veth_of_a_later_sandbox_of_the_same_pod():
    later = SandboxKey("aws-cni", "c2", "eth0")
    standing = expected(pod_plan(later, POD, [PodAddress("10.0.1.61", 2)], IPV4))
    assert expected(pod_teardown(KEY, POD, ON_SECOND, IPV4), before=standing) == standing


def test_sandboxes_without_pods_have_interfaces_of_their_own():
    plans = [pod_plan(SandboxKey("aws-cni", each, "eth0"), pod, ON_SECOND, IPV4) for each in "ab" for pod in (None, PodRef("", ""))]
    names = [value.name for plan in plans for value in of_mode(plan, Mode.EXCLUSIVE) if isinstance(value, Veth)]
    assert names[0] == names[1] != names[2] == names[3]
