"""A pod's way out by the other IP version: docs/datapath.md, "Egress by the other IP version"."""

import attrs
import pytest
from datapath_worlds import IPV4, IPV6, KEY, changed, of_mode, the_step

from vpcipam.datapath.egress import egress_address, egress_plan, egress_teardown
from vpcipam.datapath.layout import EGRESS_INDEX, pod_macs
from vpcipam.datapath.values import Address, Link, Mode, Route, Sysctl, Veth, XtablesChain, XtablesRule, expected
from vpcipam.errors import InvalidArgument, InvalidSandboxKey, PoolExhausted
from vpcipam.sandbox import SandboxKey

WITH_IPV6 = changed(ENABLE_V6_EGRESS="true")
MAC, PEER_MAC = pod_macs(KEY, EGRESS_INDEX)


def ipv4(settings=IPV6):
    return egress_plan(KEY, "169.254.172.2", "10.0.1.10", settings)


def ipv6(settings=WITH_IPV6):
    return egress_plan(KEY, "fd00::ac:2", "2001:db8::10", settings)


def veth(steps):
    (found,) = (step.value for step in steps if isinstance(step.value, Veth))
    return found


def test_ipv4_egress_of_an_ipv6_pod():
    steps = ipv4()
    name = veth(steps).name
    assert veth(steps) == Veth(name=name, peer="v4if0", mac=MAC, peer_mac=PEER_MAC, mtu=9001)
    assert expected(steps, "pod") == {
        Link(name="v4if0", mac=PEER_MAC, mtu=9001, up=True),
        Address(address="169.254.172.2/22", device="v4if0"),
        Route(destination="0.0.0.0/0", gateway="169.254.172.1", device="v4if0"),
        Route(destination="169.254.172.1/32", device="v4if0", source="169.254.172.2"),
        Route(destination="169.254.172.0/22", gateway="169.254.172.1", device="v4if0", source="169.254.172.2"),
    }
    kernels = Route(destination="169.254.172.0/22", device="v4if0", source="169.254.172.2", protocol="kernel", metric=100)
    others = attrs.evolve(kernels, device="other0", metric=0)
    assert expected(steps, "pod", before=[kernels, others]) - expected(steps, "pod") == {others}
    assert the_step(steps, veth(steps)).namespace == "pod"
    chain = "CNI-E4-2d4f84a03a9d888ab318a"
    assert expected(steps) == {
        Sysctl(name="net/ipv4/ip_forward", value="1"),
        Sysctl(name=f"net/ipv6/conf/{name}/accept_ra", value="0"),
        Link(name=name, mac=MAC, mtu=9001, up=True),
        Address(address="169.254.172.1/32", device=name, scope="link"),
        Route(destination="169.254.172.2/32", device=name),
        XtablesChain(table="nat", name=chain, rules=("-d 224.0.0.0/4 -j ACCEPT", "-j SNAT --to-source 10.0.1.10 --random-fully")),
        XtablesRule(table="nat", chain="POSTROUTING", rule=f"-s 169.254.172.2/32 -j {chain}"),
    }


def test_ipv6_is_off_after_all_other_steps():
    *others, last = ipv6(changed(WITH_IPV6, DISABLE_POD_V6="true"))
    assert Sysctl(name="net/ipv6/conf/lo/disable_ipv6", value="0") in [step.value for step in others]
    assert last.value == Sysctl(name="net/ipv6/conf/lo/disable_ipv6", value="1")


def test_ipv6_egress_of_an_ipv4_pod():
    steps = ipv6()
    name = veth(steps).name
    assert expected(steps, "pod") == {
        Link(name="v6if0", mac=PEER_MAC, mtu=9001, up=True),
        Sysctl(name="net/ipv6/conf/eth0/disable_ipv6", value="1"),
        Sysctl(name="net/ipv6/conf/lo/disable_ipv6", value="0"),
        Sysctl(name="net/ipv6/conf/v6if0/disable_ipv6", value="0"),
        Sysctl(name="net/ipv6/conf/v6if0/keep_addr_on_down", value="1"),
        Address(address="fd00::ac:2/118", device="v6if0"),
        Route(destination="::/0", gateway="fe80::f026:b7ff:feb2:a9aa", device="v6if0"),
    }
    assert MAC == "f2:26:b7:b2:a9:aa"  # the gateway follows from it
    assert of_mode(steps, Mode.WAIT) == [Address(address="fd00::ac:2/118", device="v6if0")]
    assert {step.namespace for step in steps if step.mode is Mode.WAIT} == {"pod"}
    assert expected(steps) >= {
        Address(address="fe80::f026:b7ff:feb2:a9aa/64", device=name, scope="link"),
        Route(destination="fd00::ac:2/128", device=name),
        XtablesRule(family=6, table="nat", chain="POSTROUTING", rule="-s fd00::ac:2/128 -j CNI-E6-2d4f84a03a9d888ab318a"),
    }
    (chain,) = (each for each in expected(steps) if isinstance(each, XtablesChain))
    assert (chain.family, chain.rules[0]) == (6, "-d ff00::/8 -j ACCEPT")


def test_a_chain_stands_before_the_rule_that_jumps_to_it():
    for steps in (ipv4(), ipv6()):
        assert [type(step.value) for step in steps[-2:]] == [XtablesChain, XtablesRule]


def test_the_settings_act():
    assert ipv4(changed(IPV6, ENABLE_V4_EGRESS="false")) == ()
    assert ipv6(IPV4) == ()
    assert veth(ipv4(changed(IPV6, POD_MTU=1400))).mtu == 1400
    (chain,) = (each for each in expected(ipv4(changed(IPV6, AWS_VPC_K8S_CNI_RANDOMIZESNAT="none"))) if isinstance(each, XtablesChain))
    assert chain.rules[1] == "-j SNAT --to-source 10.0.1.10"


def test_teardown_needs_only_the_key_and_the_address():
    forwarding = {Sysctl(name="net/ipv4/ip_forward", value="1")}
    assert expected([*ipv4(), *egress_teardown(KEY, "169.254.172.2")]) == forwarding
    assert expected([*ipv6(), *egress_teardown(KEY, "fd00::ac:2")]) == frozenset()
    assert expected([*egress_teardown(KEY, "fd00::ac:2")] * 2) == frozenset()


@pytest.mark.parametrize(
    ("address", "node", "settings", "message"),
    [
        ("fd00::ac:2", "2001:db8::10", IPV6, "fd00::ac:2 is not in 169.254.172.0/22"),
        ("169.254.172.2", "2001:db8::10", IPV6, "2001:db8::10 is not an IPv4 address"),
        ("169.254.176.2", "10.0.1.10", IPV6, "169.254.176.2 is not in 169.254.172.0/22"),
        ("fd00::ac:2", "10.0.1.10", WITH_IPV6, "10.0.1.10 is not an IPv6 address"),
    ],
)
def test_addresses_that_do_not_fit_are_refused(address, node, settings, message):
    with pytest.raises(InvalidArgument, match=message):
        egress_plan(KEY, address, node, settings)


def test_a_key_without_a_container_is_refused():
    with pytest.raises(InvalidSandboxKey):
        egress_teardown(SandboxKey("aws-cni", "", "eth0"), "169.254.172.2")


def test_addresses_are_given_from_the_lowest():
    assert egress_address((), 4) == "169.254.172.2"
    assert egress_address({"fd00::ac:2", "fd00::ac:3"}, 6) == "fd00::ac:4"


def test_the_last_address_is_for_broadcasts():
    taken = {f"169.254.{172 + number // 256}.{number % 256}" for number in range(1022)}
    assert egress_address(taken, 4) == "169.254.175.254"
    with pytest.raises(PoolExhausted, match="in use for egress"):
        egress_address({*taken, "169.254.175.254"}, 4)
