"""The plan of a pod with security groups: docs/datapath.md, "A pod with security groups"."""

import attrs
import pytest
from datapath_worlds import BRANCH, BRANCHES, HOST_NAME, IPV6, KEY, POD, changed, of_mode

from vpcipam.datapath.branch import branch_plan, branch_teardown
from vpcipam.datapath.layout import BranchEni, PodAddress, pod_macs
from vpcipam.datapath.pod import pod_plan
from vpcipam.datapath.values import Link, Mode, Route, Rule, Sysctl, Veth, Vlan, expected
from vpcipam.errors import InvalidArgument

STANDARD = changed(BRANCHES, POD_SECURITY_GROUP_ENFORCING_MODE="standard")
STRICT_NAME = "vlan0d7763386da"
VLAN = Vlan(name="vlan.eth.5", parent="eth1", vlan_id=5, mac=BRANCH.mac, mtu=9001)
WAY_OUT = {
    Route(destination="10.0.1.1/32", device="vlan.eth.5", table=105),
    Route(destination="0.0.0.0/0", gateway="10.0.1.1", device="vlan.eth.5", table=105),
}
STRICT_RULES = {Rule(priority=10, iif=iif, table=105) for iif in ("vlan.eth.5", STRICT_NAME)}


def routes_and_rules(steps):
    return {each for each in expected(steps) if isinstance(each, Route | Rule)}


def test_in_strict_mode_everything_goes_by_the_branch_eni():
    steps = branch_plan(KEY, POD, BRANCH, BRANCHES)
    to_pod = Route(destination="10.0.1.90/32", device=STRICT_NAME, table=105)
    assert routes_and_rules(steps) == {*WAY_OUT, *STRICT_RULES, to_pod}
    assert Link(name=STRICT_NAME, mac=pod_macs(KEY)[0], mtu=9001, up=True) in expected(steps)
    assert Link(name="vlan.eth.5", mac=BRANCH.mac, mtu=9001, up=True) in expected(steps)


def test_in_standard_mode_the_pod_is_routed_like_others():
    steps = branch_plan(KEY, POD, BRANCH, STANDARD)
    like_others = routes_and_rules(pod_plan(KEY, POD, [PodAddress("10.0.1.90", 105)], STANDARD))
    assert routes_and_rules(steps) == WAY_OUT | like_others
    assert HOST_NAME in {each.name for each in expected(steps) if isinstance(each, Link)}


@pytest.mark.parametrize("settings", [BRANCHES, STANDARD], ids=["strict", "standard"])
def test_the_steps_of_a_branch_eni_follow_those_of_the_veth(settings):
    steps = branch_plan(KEY, POD, BRANCH, settings)
    values = [step.value for step in steps]
    (veth,) = (value for value in values if isinstance(value, Veth))
    rules, old_vlan = Rule(priority=10, iif=veth.name), Link(name="vlan.eth.5")
    order = [veth, rules, old_vlan, VLAN, *(Sysctl(name=f"net/ipv6/conf/vlan.eth.5/{name}", value=value) for name, value in QUIET)]
    order.append(Link(name="vlan.eth.5", up=True))
    assert [value for value in values if value in order] == order
    assert values.index(veth) < values.index(rules)
    modes = {step.value: step.mode for step in steps}
    assert (modes[rules], modes[old_vlan], modes[VLAN]) == (Mode.ABSENT, Mode.ABSENT, Mode.EXCLUSIVE)
    assert {modes[route] for route in WAY_OUT} == {Mode.REPLACE}


QUIET = (("accept_ra", "0"), ("accept_redirects", "1"), ("forwarding", "0"))


def test_an_ipv6_branch_pod():
    branch = BranchEni(vlan_id=6, mac=BRANCH.mac, address="2001:db8::90", subnet="2001:db8::/64", trunk_device="eth1")
    settings = changed(IPV6, ENABLE_POD_ENI="true")
    steps = branch_plan(KEY, POD, branch, settings)
    assert Route(destination="::/0", gateway="fe80:ec2::1", device="vlan.eth.6", table=106) in expected(steps)
    assert Rule(priority=10, iif="vlan.eth.6", table=106, family=6) in expected(steps)
    assert Rule(priority=10, iif=STRICT_NAME, family=6) in of_mode(steps, Mode.ABSENT)
    assert expected([*steps, *branch_teardown(KEY, POD, branch, settings)]) == frozenset()


def test_ipv6_can_be_off_in_branch_pods_too():
    for settings in (BRANCHES, STANDARD):
        steps = branch_plan(KEY, POD, BRANCH, changed(settings, DISABLE_POD_V6="true"))
        assert Sysctl(name="net/ipv6/conf/all/disable_ipv6", value="1") in expected(steps, "pod")


def test_teardown_is_the_same_in_both_modes_and_undoes_either():
    assert branch_teardown(KEY, POD, BRANCH, BRANCHES) == branch_teardown(KEY, POD, BRANCH, STANDARD)
    for settings in (BRANCHES, STANDARD):
        steps = [*branch_plan(KEY, POD, BRANCH, settings), *branch_teardown(KEY, POD, BRANCH, settings)]
        assert expected(steps) == frozenset()


def test_teardown_leaves_the_rules_of_other_branch_enis():
    others = {Rule(priority=10, iif="vlan.eth.6", table=106), Rule(priority=11, iif="vlan.eth.5", table=105)}
    others.add(Rule(priority=10, mark=0xA00, mask=0xF00, table=105))  # such as Cilium's
    assert expected(branch_teardown(KEY, POD, BRANCH, BRANCHES), before=[*others, *STRICT_RULES]) == others


@pytest.mark.parametrize("vlan_id", [153, 154, 155])
def test_vlan_ids_whose_tables_are_the_kernels_are_refused(vlan_id):
    with pytest.raises(InvalidArgument, match=f"table {vlan_id + 100}"):
        attrs.evolve(BRANCH, vlan_id=vlan_id)


@pytest.mark.parametrize("vlan_id", [0, 4095])
def test_what_is_no_vlan_id_is_refused(vlan_id):
    with pytest.raises(InvalidArgument, match="vlan_id"):
        attrs.evolve(BRANCH, vlan_id=vlan_id)
    assert attrs.evolve(BRANCH, vlan_id=152).vlan_id == 152
    assert attrs.evolve(BRANCH, vlan_id=156).vlan_id == 156
