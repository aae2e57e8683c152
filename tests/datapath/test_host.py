"""The plan of a node: docs/datapath.md, "A node"."""

import errno
from itertools import pairwise

import attrs
import pytest
from datapath_worlds import BRANCHES, IPV4, IPV6, PRIMARY, PRIMARY_IPV6, SECOND, VPC_CIDRS, changed, of_mode, the_step

from vpcipam.datapath.host import host_plan
from vpcipam.datapath.nft import connmark_table
from vpcipam.datapath.values import Link, Mode, NftTable, Rule, Sysctl, XtablesChain, XtablesRule, expected
from vpcipam.errors import InvalidArgument, InvalidCidr

EXTERNAL_SNAT = {"AWS_VPC_K8S_CNI_EXTERNALSNAT": "true"}
NO_NODE_PORTS = {"AWS_VPC_CNI_NODE_PORT_SUPPORT": "false"}
RESTORE = "-j CONNMARK --restore-mark --nfmask 0x80 --ctmask 0x80"


def plan(settings=IPV4, **options):
    return host_plan(PRIMARY, settings, VPC_CIDRS, **options)


def sysctls(steps):
    return {step.value.name: step.value.value for step in steps if isinstance(step.value, Sysctl)}


def rules(steps, table="mangle"):
    return [each.rule for each in expected(steps) if isinstance(each, XtablesRule) and each.table == table]


def chains(steps):
    return {each.name: each.rules for each in expected(steps) if isinstance(each, XtablesChain)}


# --- kernel settings ------------------------------------------------------------------------------------------------------


def test_an_ipv4_node_has_loose_reverse_path_filtering():
    assert sysctls(plan()) == {"net/ipv4/conf/eth0/rp_filter": "2", "net/ipv4/tcp_early_demux": "1"}
    assert sysctls(plan(changed(DISABLE_TCP_EARLY_DEMUX="true")))["net/ipv4/tcp_early_demux"] == "0"


def test_early_demux_may_be_missing_and_nothing_else():
    for step in plan():
        if isinstance(step.value, Sysctl):
            assert step.tolerated == ({errno.ENOENT} if "early_demux" in step.value.name else set())


def test_an_ipv6_node_forwards():
    forwarding = {"net/ipv6/conf/all/forwarding": "1", "net/ipv6/conf/eth0/accept_ra": "2"}
    by_egress = sysctls(plan(changed(ENABLE_V6_EGRESS="true")))
    assert forwarding.items() <= by_egress.items()
    assert "net/ipv6/conf/all/disable_ipv6" not in by_egress
    ipv6 = sysctls(host_plan(PRIMARY_IPV6, IPV6, ()))
    assert (forwarding | {"net/ipv6/conf/all/disable_ipv6": "0"}).items() <= ipv6.items()


def test_the_primary_eni_gets_the_mtu():
    assert Link(name="eth0", mtu=1500) in expected(plan(changed(AWS_VPC_ENI_MTU=1500)))


# --- steps ----------------------------------------------------------------------------------------------------------------


def test_new_connections_to_egress_addresses_are_rejected():
    def rejected(steps):
        return {(each.family, each.chain, each.rule, each.first) for each in expected(steps) if getattr(each, "table", "") == "filter"}

    assert rejected(plan()) == set()
    assert rejected(plan(changed(ENABLE_V6_EGRESS="true"))) == {
        (6, "FORWARD", "-d fd00::ac:0/118 -m conntrack --ctstate NEW -j REJECT --reject-with icmp6-port-unreachable", True)
    }
    for settings in (IPV6, changed(IPV6, ENABLE_V4_EGRESS="false")):
        assert rejected(host_plan(PRIMARY_IPV6, settings, ())) == {
            (4, "FORWARD", "-d 169.254.172.0/22 -m conntrack --ctstate NEW -j REJECT --reject-with icmp-port-unreachable", True)
        }


def test_marked_packets_leave_by_the_primary_eni():
    rule = Rule(priority=1024, mark=0x80, mask=0x80, table=254)
    for settings in (IPV4, changed(**EXTERNAL_SNAT), changed(**NO_NODE_PORTS)):
        assert the_step(plan(settings), rule).mode is Mode.ADD
    assert the_step(plan(changed(**EXTERNAL_SNAT, **NO_NODE_PORTS)), rule).mode is Mode.ABSENT
    assert Rule(priority=1024, mark=0x80, mask=0x80, table=254, family=6) in expected(host_plan(PRIMARY_IPV6, IPV6, ()))
    assert Rule(priority=1024, mark=0x100, mask=0x100, table=254) in expected(plan(changed(AWS_VPC_K8S_CNI_CONNMARK="0x100")))


def test_the_local_table_gives_way_to_strict_branch_enis():
    first, later = Rule(priority=0, table=255), Rule(priority=20, table=255)
    steps = plan(BRANCHES)
    assert [value for value in (step.value for step in steps) if value in (first, later)] == [later, first]
    assert (the_step(steps, later).mode, the_step(steps, first).mode) == (Mode.ADD, Mode.DELETE_ONE)
    assert the_step(steps, first).tolerated == {errno.ENOENT}
    standard = plan(changed(BRANCHES, POD_SECURITY_GROUP_ENFORCING_MODE="standard"))
    assert {first, later}.isdisjoint(step.value for step in [*standard, *plan()])


def test_ipv6_branch_enis_hear_their_gateway():
    gateway = Rule(priority=0, source="fe80:ec2::1", ip_protocol="ipv6-icmp", table=255)
    strict = expected(host_plan(PRIMARY_IPV6, changed(IPV6, ENABLE_POD_ENI="true"), ()))
    assert {gateway, Rule(priority=20, table=255, family=6)} <= strict
    assert gateway not in expected(plan(BRANCHES))


# --- source NAT -----------------------------------------------------------------------------------------------------------


def test_traffic_that_leaves_the_vpc_gets_the_nodes_address():
    steps = host_plan(PRIMARY, IPV4, ["10.0.0.0/16", "100.64.0.0/10"])
    assert chains(steps)["AWS-SNAT-CHAIN-0"] == (
        "-d 100.64.0.0/10 -j RETURN",
        "-d 10.0.0.0/16 -j RETURN",
        "! -o vlan+ -m addrtype ! --dst-type LOCAL -j SNAT --to-source 10.0.1.10 --random-fully",
    )
    assert "-j AWS-SNAT-CHAIN-0" in rules(steps, "nat")


def test_a_chain_comes_before_the_rule_that_jumps_to_it():
    for nftables in (False, True):
        for settings in (IPV4, changed(**EXTERNAL_SNAT)):
            for earlier, later in pairwise(plan(settings, nftables=nftables)):
                if isinstance(earlier.value, XtablesRule) and isinstance(later.value, XtablesChain):
                    assert later.value.name not in earlier.value.rule or earlier.mode is Mode.ABSENT


@pytest.mark.parametrize(
    ("text", "flag"),
    [("", " --random-fully"), ("prng", " --random-fully"), ("hashrandom", " --random"), ("none", ""), ("other", " --random-fully")],
)
def test_the_ports_of_source_nat(text, flag):
    assert chains(plan(changed(AWS_VPC_K8S_CNI_RANDOMIZESNAT=text)))["AWS-SNAT-CHAIN-0"][-1].endswith(f"10.0.1.10{flag}")


def test_excluded_cidrs_are_neither_translated_nor_marked():
    settings = changed(AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS="192.0.2.0/24,198.51.100.0/24")
    returns = ("-d 198.51.100.0/24 -j RETURN", "-d 192.0.2.0/24 -j RETURN", "-d 10.0.0.0/16 -j RETURN")
    for rules_of_chain in chains(plan(settings)).values():
        assert rules_of_chain[:-1] == returns
    (table,) = of_mode(plan(settings, nftables=True), Mode.REPLACE)[-1:]
    assert table == connmark_table("eni", 0x80, ["10.0.0.0/16", "192.0.2.0/24", "198.51.100.0/24"])


def test_everything_can_be_excluded():
    settings = changed(AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS="0.0.0.0/0")
    assert chains(plan(settings))["AWS-SNAT-CHAIN-0"][0] == "-j RETURN"
    assert connmark_table("eni", 0x80, ["10.0.0.0/16", "0.0.0.0/0"]).chains[1].rules[1] == "counter return"


def test_external_snat_leaves_an_empty_chain_and_no_way_into_it():
    steps = plan(changed(AWS_VPC_K8S_CNI_EXTERNALSNAT="true", AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS="192.0.2.0/24"))
    assert chains(steps) == {"AWS-SNAT-CHAIN-0": ()}
    assert rules(steps, "nat") == []
    assert expected(steps, before=expected(plan())) == expected(steps)
    assert expected(steps, before=expected(plan(nftables=True))) == expected(steps)


# --- marks ----------------------------------------------------------------------------------------------------------------

FROM_OUTSIDE = "-i eth0 -m addrtype --dst-type LOCAL --limit-iface-in -j CONNMARK --set-xmark 0x80/0x80"
OF_PODS = f"-i eni+ {RESTORE}"
OF_BRANCHES = f"-i vlan+ {RESTORE}"


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, {FROM_OUTSIDE, OF_PODS, OF_BRANCHES}),
        (EXTERNAL_SNAT, {FROM_OUTSIDE, OF_PODS, OF_BRANCHES}),
        (NO_NODE_PORTS, {OF_PODS}),
        (EXTERNAL_SNAT | NO_NODE_PORTS, set()),
    ],
)
def test_packets_get_the_mark_of_their_connection(variables, wanted):
    steps = plan(changed(**variables))
    assert {*rules(steps)} == wanted
    assert {*rules([*plan(), *steps])} == wanted


def test_the_prefix_and_the_mark_act():
    steps = plan(changed(AWS_VPC_K8S_CNI_VETHPREFIX="ab", AWS_VPC_K8S_CNI_CONNMARK="0x100"))
    assert "-i ab+ -j CONNMARK --restore-mark --nfmask 0x100 --ctmask 0x100" in rules(steps)
    assert "-i ab+ -j AWS-CONNMARK-CHAIN-0" in rules(steps, "nat")
    assert chains(steps)["AWS-CONNMARK-CHAIN-0"][-1] == "-j CONNMARK --set-xmark 0x100/0x100"


def test_iptables_marks_the_connections_of_pods_that_leave_the_vpc():
    steps = plan()
    assert chains(steps)["AWS-CONNMARK-CHAIN-0"] == ("-d 10.0.0.0/16 -j RETURN", "-j CONNMARK --set-xmark 0x80/0x80")
    in_prerouting = [value.rule for value in of_mode(steps, Mode.ADD) if isinstance(value, XtablesRule) and value.table == "nat"]
    assert in_prerouting == ["-j AWS-SNAT-CHAIN-0", "-i eni+ -j AWS-CONNMARK-CHAIN-0", RESTORE]


def test_the_restoring_rule_comes_after_the_jump():
    jump = XtablesRule(table="nat", chain="PREROUTING", rule="-i eni+ -j AWS-CONNMARK-CHAIN-0")
    restore = XtablesRule(table="nat", chain="PREROUTING", rule=RESTORE)
    assert restore in of_mode(plan(), Mode.ABSENT)
    assert restore not in of_mode(plan(standing=[jump, restore]), Mode.ABSENT)


def test_nftables_marks_them_instead():
    steps = plan(nftables=True)
    assert connmark_table("eni", 0x80, VPC_CIDRS) in expected(steps)
    assert "AWS-CONNMARK-CHAIN-0" not in chains(steps)


def test_each_program_removes_what_the_other_has_left():
    for nftables in (False, True):
        assert expected([*plan(nftables=not nftables), *plan(nftables=nftables)]) == expected(plan(nftables=nftables))


def test_an_ipv6_node_translates_and_marks_nothing():
    kinds = {type(step.value) for step in host_plan(PRIMARY_IPV6, IPV6, ()) if getattr(step.value, "table", "filter") != "filter"}
    assert kinds == {Rule}
    assert NftTable not in kinds


# --- external services ----------------------------------------------------------------------------------------------------


def test_external_services_are_routed_by_the_main_table():
    settings = changed(AWS_EXTERNAL_SERVICE_CIDRS="198.51.100.0/24, 2001:db8::/32,192.0.2.7/24")
    wanted = {Rule(priority=1535, destination=cidr, table=254) for cidr in ("198.51.100.0/24", "192.0.2.0/24")}
    former = Rule(priority=1535, destination="203.0.113.0/24", table=254)
    foreign = {attrs.evolve(former, table=7), Rule(priority=1535, source="203.0.113.0/24", table=254)}
    standing = {former, *foreign, *list(wanted)[:1]}
    again = plan(settings, standing=standing)
    assert {each for each in expected(again, before=standing) if isinstance(each, Rule) and each.priority == 1535} == wanted | foreign
    assert not any(step.fatal for step in again if step.value in {*wanted, former})


# --- refusals -------------------------------------------------------------------------------------------------------------


def test_what_is_no_node_is_refused():
    with pytest.raises(InvalidArgument, match="eni_plan"):
        host_plan(SECOND, IPV4, VPC_CIDRS)
    with pytest.raises(InvalidArgument, match="no IPv4 CIDR"):
        host_plan(PRIMARY, IPV4, [])
    for cidr in ("2001:db8::/56", "10.0.0.1/16", "the VPC"):
        with pytest.raises(InvalidCidr):
            host_plan(PRIMARY, IPV4, [cidr])


def test_a_second_pass_changes_nothing():
    for settings in (IPV4, BRANCHES, changed(ENABLE_V6_EGRESS="true")):
        once = expected(plan(settings))
        assert expected(plan(settings, standing=once), before=once) == once
