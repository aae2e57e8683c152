"""Rules about the kernel of a node, where random clusters don't reach: IPv6, network cards, branch ENIs, nftables, less evidence."""

import functools
import io
import json

import pytest
from clusters import Cluster, all_enis, documents, evidence, kernel_values
from kernel_texts import eni_of, kernel_documents, node_values, rule_row

from vpcipam.datapath.nft import connmark_table
from vpcipam.datapath.values import Route, Rule, XtablesChain, XtablesRule
from vpcipam.inspection import audit
from vpcipam.inspection.readers import read_files
from vpcipam.inspection.rules.datapath import RULES
from vpcipam.settings import Settings

IDS = {rule_id for rule in RULES for rule_id in rule.ids}


@functools.cache
def cluster(*variables, pods=6):
    made = Cluster.make("t3.small", variables=dict(variables))
    for _ in range(pods):
        made.pod(made.nodes[0])
        made.wait(5)
    return made


def told(made, change=lambda values: values, only=None, more=None):
    """The findings about the kernel once what it has is changed: rule, where, message."""
    (here,) = made.nodes
    written = documents(made) | {f"{here.name}/{name}": each for name, each in kernel_documents(change(kernel_values(made, here))).items()}
    written |= {f"{here.name}/{name}": each for name, each in (more or {}).items()}
    return [(each.rule, each.where, each.message) for each in audit(evidence(written, only)).findings if each.rule in IDS]


def second(made):
    """A pod's address on the second ENI."""
    return next(each.address for _, each in made.nodes[0].datastore.assignments() if each.device_number == 1)


def without(values, kind, **attributes):
    return {
        each for each in values if not (isinstance(each, kind) and all(getattr(each, name) == value for name, value in attributes.items()))
    }


# --- pods -----------------------------------------------------------------------------------------------------------------


def test_what_a_pod_has_left_is_told_with_the_commands_that_delete_it():
    made = cluster()
    left = {Rule(destination="10.0.15.250", table=254, priority=512), Rule(source="10.0.15.250", table=3, priority=1536)}
    (here,) = made.nodes
    written = documents(made) | {f"{here.name}/{name}": each for name, each in kernel_documents(kernel_values(made, here) | left).items()}
    (found,) = (each for each in audit(evidence(written)).findings if each.rule in IDS)
    assert (found.rule, found.where) == ("rule-without-pod", "10.0.15.250")
    assert found.message == "has the rules 512 and 1536, and no sandbox holds it"
    assert "ip rule del to 10.0.15.250 priority 512; ip rule del from 10.0.15.250 table 3 priority 1536" in found.suggestion
    assert [source.file.rpartition("/")[2] for source in found.sources] == ["rules.json"]


def test_rules_of_networks_and_of_other_tables_are_not_those_of_pods():
    others = {
        Rule(destination="10.9.0.0/16", table=254, priority=512),
        Rule(destination="10.0.15.250", table=7, priority=512),
        Rule(source="10.9.0.0/16", table=7, priority=1536),
        Rule(source="10.0.15.250", table=7, priority=1535),
    }
    assert told(cluster(), lambda values: values | others) == []


def test_a_pod_with_a_branch_eni_is_none_of_ipamds():
    branch = {
        Rule(destination="10.0.15.250", table=254, priority=512),
        Rule(source="10.0.15.250", table=105, priority=1536),
        Route(destination="10.0.15.250/32", device="eni0123456789a"),
    }
    assert told(cluster(), lambda values: values | branch) == []


def test_a_network_card_of_which_nothing_was_read_is_not_judged():
    of_card = {
        Rule(destination="10.0.15.250", table=254, priority=512),
        Rule(source="10.0.15.250", table=10101, priority=1536),
        Route(destination="10.0.15.250/32", device="eni0123456789a"),
    }
    made = cluster()
    assert told(made, lambda values: values | of_card) == []
    (here,) = made.nodes
    enis = documents(made)[f"{here.name}/enis.json"] | {"1": {"TotalIPs": 0, "AssignedIPs": 0, "ENIs": {}}}
    found = told(made, lambda values: values | of_card, more={"enis.json": enis})
    assert [rule for rule, *_ in found] == ["rule-without-pod", "route-without-pod"]


def test_old_releases_translate_in_a_later_chain():
    def old(values):
        chain = next(each for each in values if isinstance(each, XtablesChain) and each.name == "AWS-SNAT-CHAIN-0")
        first = XtablesChain(table="nat", name=chain.name, rules=("! -d 10.0.0.0/16 -j AWS-SNAT-CHAIN-1",))
        return (values - {chain}) | {first, XtablesChain(table="nat", name="AWS-SNAT-CHAIN-1", rules=chain.rules[-1:])}

    assert told(cluster(), old) == []


def test_a_second_rule_to_another_table_is_told():
    made = cluster()
    address = second(made)
    assert told(made, lambda values: values | {Rule(source=address, table=9, priority=1536)}) == [
        ("pod-rule-to-wrong-table", address, "is sent to table 2 and 9 by rule 1536, and its ENI has table 2: the VPC drops its packets")
    ]


def test_a_pod_on_the_primary_eni_needs_no_rule_1536_and_bears_none():
    made = cluster()
    address = next(each.address for _, each in made.nodes[0].datastore.assignments() if not each.device_number)
    ((rule, where, _),) = told(made, lambda values: values | {Rule(source=address, table=2, priority=1536)})
    assert (rule, where) == ("pod-rule-to-wrong-table", address)


def test_without_ipamds_enis_ec2_shows_where_an_address_is():
    made = cluster()
    address = second(made)
    lacking = lambda values: without(values, Rule, source=f"{address}/32")  # noqa: E731 - shorter so
    assert [rule for rule, *_ in told(made, lacking, {"ipam.json", "rules.json", "network-interfaces"})] == ["pod-without-rule"]
    assert told(made, lacking, {"ipam.json", "rules.json"}) == []


def test_interfaces_that_are_not_of_pods_may_have_routes():
    assert told(cluster(), lambda values: values | {Route(destination="10.0.15.250/32", device="docker0")}) == []


def test_the_kernel_of_an_ipv6_node():
    key = {"networkName": "aws-cni", "containerID": "c1", "ifName": "eth0", "ipv6": "2001:db8::5"}
    files = {
        "ipam.json": {"version": "vpc-cni-ipam/1", "allocations": [key]},
        "rules.json": [rule_row(Rule(priority=0, table=255, family=6)), rule_row(Rule(destination="2001:db8::6", table=254, priority=512))],
        "routes.json": [{"dst": "2001:db8::5", "dev": "eni0", "metric": 1024, "flags": []}],
    }
    found = audit(read_files([(name, io.BytesIO(json.dumps(content).encode())) for name, content in files.items()])).findings
    assert [(each.rule, each.where) for each in found] == [("rule-without-pod", "2001:db8::6"), ("pod-without-rule", "2001:db8::5")]


def test_a_pod_of_another_network_card_needs_some_rule():
    eni = {"ID": "eni-9", "IsPrimary": False, "DeviceNumber": 1, "IPv6Cidrs": {}, "AvailableIPv4Cidrs": {
        "10.0.0.9/32": {"Cidr": {"IP": "10.0.0.9", "Mask": "/////w=="}, "IPAddresses": {"10.0.0.9": {
            "Address": "10.0.0.9", "IPAMKey": {"networkName": "n", "containerID": "c", "ifName": "eth0"}, "IPAMMetadata": {},
            "AssignedTime": "2023-11-14T22:13:20Z", "UnassignedTime": "0001-01-01T00:00:00Z"}}, "IsPrefix": False}}}  # fmt: skip
    enis = {"1": {"TotalIPs": 1, "AssignedIPs": 1, "ENIs": {"eni-9": eni}}}
    to_pod = Rule(destination="10.0.0.9", table=254, priority=512)

    def rules(*values):
        files = {"enis.json": enis, "rules.json": [rule_row(each) for each in (to_pod, *values)]}
        files["routes.json"] = [{"dst": "10.0.0.9", "dev": "eni0", "scope": "link", "flags": []}]
        found = audit(read_files([(name, io.BytesIO(json.dumps(content).encode())) for name, content in files.items()])).findings
        return [each.rule for each in found if each.rule in IDS]

    assert rules() == ["pod-without-rule"]
    assert rules(Rule(source="10.0.0.9", table=10101, priority=1536)) == []
    assert rules(Rule(source="10.0.0.9", table=77, priority=1536)) == []  # of an old formula


@pytest.mark.parametrize(
    ("change", "rule", "message"),
    [
        (
            lambda values, pod: without(values, Rule, destination=f"{pod}/32"),
            "pod-without-rule",
            "has no rule 512, though pod default/web-",
        ),
        (lambda values, pod: without(values, Rule, source=f"{pod}/32"), "pod-without-rule", "has no rule 1536, though pod default/web-"),
        (lambda values, pod: without(values, Route, destination=f"{pod}/32"), "pod-without-route", "has no route in the main table"),
        (
            lambda values, _: values | {Route(destination="10.0.15.250/32", device="eni0123456789a")},
            "route-without-pod",
            "has a route by eni0123456789a, and no sandbox holds it",
        ),
        (
            lambda values, _: without(values, Route, destination="0.0.0.0/0", table=2),
            "eni-table-without-route",
            "has pods, and its table 2 has no default route",
        ),
        (lambda values, _: without(values, Rule, priority=1024), "mark-rule-missing", "has no rule 1024 for the mark 0x80"),
        (lambda values, _: without(values, XtablesRule, chain="POSTROUTING"), "snat-missing", "has no rule of AWS-SNAT-CHAIN-0"),
        (
            lambda values, _: without(values, XtablesRule, table="mangle") | {XtablesRule(table="mangle", chain="INPUT", rule="-j RETURN")},
            "marks-missing",
            "lacks the mark of connections to node ports, the mark of packets from pods: ",
        ),
    ],
)
def test_what_is_missing_is_told(change, rule, message):
    made = cluster()
    ((found, _, text),) = told(made, lambda values: change(values, second(made)))
    assert found == rule
    assert text.startswith(message)


def test_source_nat_that_is_left_is_told():
    made = cluster(("AWS_VPC_K8S_CNI_EXTERNALSNAT", "true"))
    there = node_values([eni_of(each, "10.0.0.0/20") for each in all_enis(made)[:1]], (), Settings())
    assert [rule for rule, *_ in told(made, lambda values: values | there)] == ["snat-left"]


# --- ENIs -----------------------------------------------------------------------------------------------------------------


def test_a_rule_of_an_eni_is_left_only_if_all_enis_are_shown():
    made = cluster()
    left = {Rule(source="10.0.15.250", table=9, priority=32765), Rule(source="10.9.0.0/16", table=9, priority=32765)}
    left.add(Rule(source="192.168.1.5", table=500, priority=32765))  # the kernel gives this priority to a rule without one
    ((rule, where, message),) = told(made, lambda values: values | left)
    assert (rule, where) == ("eni-rule-left", "10.0.15.250")
    assert message == "has rule 32765 to table 9, and no attached ENI has it"
    (here,) = made.nodes
    written = documents(made) | {f"{here.name}/rules.json": kernel_documents(kernel_values(made, here) | left)["rules.json"]}
    written["network-interfaces"]["NetworkInterfaces"] = written["network-interfaces"]["NetworkInterfaces"][1:]
    del written["instances"]
    assert not [each for each in audit(evidence(written)).findings if each.rule == "eni-rule-left"]


# --- the node -------------------------------------------------------------------------------------------------------------


def test_variables_turn_rules_off():
    off = ("AWS_VPC_K8S_CNI_EXTERNALSNAT", "true"), ("AWS_VPC_CNI_NODE_PORT_SUPPORT", "false")
    assert told(cluster(*off)) == told(cluster(*off[:1])) == told(cluster(*off[1:])) == []
    assert told(cluster(*off), lambda values: values | _bare()) == []


def test_the_mark_of_connections_is_looked_for_in_both_programs():
    made = cluster()

    def without_iptables(values):
        return without(without(values, XtablesRule, table="nat", chain="PREROUTING"), XtablesChain, name="AWS-CONNMARK-CHAIN-0")

    def listing(name):
        return {"nft.json": {"nftables": [{"table": {"family": "ip", "name": name}}]}}

    assert told(made, without_iptables) == []  # nobody knows whether nftables does it
    assert told(made, without_iptables, more=listing("aws-cni")) == []
    ((rule, _, message),) = told(made, without_iptables, more=listing("kube-proxy"))
    assert rule == "marks-missing"
    assert message.startswith("lacks the mark of connections that leave the VPC: ")
    assert told(made, more=listing("kube-proxy")) == []
    assert connmark_table("eni", 0x80, ()).name == "aws-cni"


def test_what_never_starts_is_not_checked():
    made = cluster()
    written = documents(made, kernel=True)
    written["daemonset"]["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "POD_MTU", "value": "1"})
    (here,) = made.nodes
    for name in ("rules.json", "iptables-save.txt"):
        written[f"{here.name}/{name}"] = kernel_documents({Rule(priority=0, table=255), *_bare()})[name]
    assert {"mark-rule-missing", "snat-missing", "marks-missing"}.isdisjoint(each.rule for each in audit(evidence(written)).findings)


def _bare():
    return {XtablesRule(table=table, chain="PREROUTING", rule="-j RETURN") for table in ("nat", "mangle")}


def test_an_ipv6_node_needs_no_source_nat():
    text = kernel_documents(_bare())["iptables-save.txt"]
    env = [{"name": "ENABLE_IPv6", "value": "true"}, {"name": "ENABLE_IPv4", "value": "false"}]
    env += [{"name": "ENABLE_PREFIX_DELEGATION", "value": "true"}, {"name": "WARM_PREFIX_TARGET", "value": "1"}]
    container = {"name": "aws-node", "env": env}
    daemonset = {"kind": "DaemonSet", "metadata": {"name": "aws-node"}, "spec": {"template": {"spec": {"containers": [container]}}}}
    found = audit(read_files([("s", io.BytesIO(text.encode())), ("d", io.BytesIO(json.dumps(daemonset).encode()))]))
    assert {each.rule for each in found.findings}.isdisjoint(IDS)


@pytest.mark.parametrize(
    ("of_all", "own", "strict"),
    [("0", "1", True), ("1", "0", True), ("1", "2", False), ("2", "1", False), ("0", "0", False), ("1", None, False), (None, "1", False)],
)
def test_the_stricter_of_two_settings_counts_unless_one_is_loose(of_all, own, strict):
    values = {"all": of_all, "eth0": own, "eth1": "1"}  # None is not shown
    text = "".join(f"net.ipv4.conf.{name}.rp_filter = {value}\n" for name, value in values.items() if value is not None)
    assert [rule for rule, *_ in told(cluster(pods=0), more={"sysctl.txt": text})] == (["strict-rp-filter"] if strict else [])


def test_without_a_default_route_no_interface_is_primary():
    def no_default(values):
        return without(values, Route, destination="0.0.0.0/0", table=254)

    assert told(cluster(pods=0), no_default, more={"sysctl.txt": "net.ipv4.conf.all.rp_filter = 1\n"}) == []


# --- files that are given by themselves -----------------------------------------------------------------------------------


def test_loose_files_join_the_only_node():
    made = cluster()
    (here,) = made.nodes
    written = documents(made, kernel=True)
    loose = {name.rpartition("/")[2].replace(".", "-"): content for name, content in written.items()}
    assert {each.rule for each in audit(evidence(loose)).findings}.isdisjoint(IDS)
    loose["sysctl-txt"] = "net.ipv4.conf.all.rp_filter = 1\nnet.ipv4.conf.eth0.rp_filter = 0\n"
    (found,) = (each for each in audit(evidence(loose)).findings if each.rule in IDS)
    assert (found.rule, found.node) == ("strict-rp-filter", here.name)
