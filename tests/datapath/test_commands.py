"""Steps and values as text."""

import pytest
from datapath_worlds import BRANCH, BRANCHES, IPV6, KEY, POD, PRIMARY, SECOND, VPC_CIDRS, changed

from vpcipam.datapath.branch import branch_plan, branch_teardown
from vpcipam.datapath.commands import command, describe, errno_names
from vpcipam.datapath.egress import egress_plan, egress_teardown
from vpcipam.datapath.eni import eni_plan
from vpcipam.datapath.host import host_plan
from vpcipam.datapath.layout import PodAddress
from vpcipam.datapath.pod import pod_plan, pod_teardown
from vpcipam.datapath.values import (
    Address,
    Link,
    Mode,
    Neighbour,
    NftChain,
    NftTable,
    Route,
    Rule,
    Step,
    Sysctl,
    Veth,
    Vlan,
    XtablesChain,
    XtablesRule,
)

MAC = "02:00:00:00:00:01"
CASES = [
    (Link(name="eth0", mtu=9001, up=True), Mode.REPLACE, "interface eth0 mtu 9001 up", "ip link set eth0 mtu 9001 up"),
    (Link(name="eth0", mac=MAC), Mode.REPLACE, "interface eth0", f"ip link set eth0 address {MAC}"),
    (
        Rule(priority=10, iif="eni0", table=105),
        Mode.EXCLUSIVE,
        "rule 10: iif eni0 lookup 105",
        "ip -4 rule add priority 10 iif eni0 lookup 105",
    ),
    (
        Rule(priority=0, source="fe80:ec2::1", ip_protocol="ipv6-icmp", table=255),
        Mode.EXCLUSIVE,
        "rule 0: from fe80:ec2::1/128 ipproto ipv6-icmp lookup local",
        "ip -6 rule add priority 0 from fe80:ec2::1/128 ipproto ipv6-icmp lookup local",
    ),
    (Link(name="eth0"), Mode.ABSENT, "interface eth0", "ip link delete eth0 2>/dev/null || true"),
    (
        Veth(name="eni0", peer="eth0", mac=MAC, mtu=1500),
        Mode.EXCLUSIVE,
        "veth eni0, in the pod eth0, mtu 1500",
        f"ip link add eth0 mtu 1500 txqueuelen 0 type veth peer name eni0 netns $$ mtu 1500 txqueuelen 0 address {MAC}",
    ),
    (
        Vlan(name="vlan.eth.5", parent="eth1", vlan_id=5, mac=MAC, mtu=9001),
        Mode.EXCLUSIVE,
        "VLAN 5 on eth1: interface vlan.eth.5, mtu 9001",
        f"ip link add link eth1 name vlan.eth.5 address {MAC} type vlan id 5",
    ),
    (
        Address(address="10.0.1.11/24", device="eth1"),
        Mode.ADD,
        "address 10.0.1.11/24 on eth1",
        "ip address add 10.0.1.11/24 dev eth1 scope global 2>/dev/null || true",
    ),
    (
        Route(destination="0.0.0.0/0", gateway="10.0.1.1", device="eth1", table=2),
        Mode.REPLACE,
        "route default via 10.0.1.1 dev eth1 table 2",
        "ip -4 route replace default via 10.0.1.1 dev eth1 table 2 scope global proto boot",
    ),
    (
        Route(destination="2001:db8::5/128", device="eni0"),
        Mode.EXCLUSIVE,
        "route 2001:db8::5/128 dev eni0",
        "ip -6 route add 2001:db8::5/128 dev eni0 proto boot",
    ),
    (
        Route(destination="10.0.1.0/24", source="10.0.1.11", scope="link", metric=None, protocol=None),
        Mode.DELETE_ONE,
        "route 10.0.1.0/24 src 10.0.1.11",
        "ip -4 route delete 10.0.1.0/24 src 10.0.1.11 scope link",
    ),
    (
        Rule(priority=1024, mark=0x80, mask=0x80, table=254),
        Mode.ADD,
        "rule 1024: fwmark 0x80/0x80 lookup main",
        "ip -4 rule add priority 1024 fwmark 0x80/0x80 lookup main 2>/dev/null || true",
    ),
    (
        Rule(priority=20, table=255),
        Mode.ADD,
        "rule 20: from all lookup local",
        "ip -4 rule add priority 20 from all lookup local 2>/dev/null || true",
    ),
    (
        Rule(source="10.0.1.11"),
        Mode.ABSENT,
        "rule from 10.0.1.11/32",
        "while ip -4 rule delete from 10.0.1.11/32 2>/dev/null; do :; done",
    ),
    (
        Neighbour(address="169.254.1.1", mac=MAC, device="eth0"),
        Mode.EXCLUSIVE,
        f"neighbour 169.254.1.1 is {MAC} on eth0",
        f"ip neighbour add 169.254.1.1 lladdr {MAC} dev eth0 nud permanent",
    ),
    (Sysctl(name="net/ipv4/ip_forward", value="1"), Mode.REPLACE, "net/ipv4/ip_forward = 1", "sysctl -qw net/ipv4/ip_forward=1"),
    (
        XtablesChain(table="nat", name="A", rules=("-j RETURN",)),
        Mode.REPLACE,
        "iptables chain A of nat: -j RETURN",
        "iptables-restore -w --noflush <<'EOF'\n*nat\n:A - [0:0]\n-A A -j RETURN\nCOMMIT\nEOF",
    ),
    (
        XtablesChain(family=6, table="nat", name="A"),
        Mode.ABSENT,
        "ip6tables chain A of nat: empty",
        "ip6tables-restore -w --noflush <<'EOF' 2>/dev/null || true\n*nat\n:A - [0:0]\n-X A\nCOMMIT\nEOF",
    ),
    (
        XtablesRule(table="nat", chain="POSTROUTING", rule="-j A"),
        Mode.ADD,
        "iptables nat POSTROUTING: -j A",
        "iptables -w -t nat -C POSTROUTING -j A 2>/dev/null || iptables -w -t nat -A POSTROUTING -j A",
    ),
    (
        XtablesRule(table="filter", chain="FORWARD", rule="-j DROP", first=True),
        Mode.ADD,
        "iptables filter FORWARD: -j DROP",
        "iptables -w -t filter -C FORWARD -j DROP 2>/dev/null || iptables -w -t filter -I FORWARD -j DROP",
    ),
    (
        XtablesRule(table="nat", chain="POSTROUTING", rule="-j A"),
        Mode.ABSENT,
        "iptables nat POSTROUTING: -j A",
        "while iptables -w -t nat -D POSTROUTING -j A 2>/dev/null; do :; done",
    ),
    (NftTable(name="t"), Mode.ABSENT, "nft table ip t: empty", "nft delete table ip t 2>/dev/null || true"),
    (
        NftTable(name="t", chains=(NftChain(name="a", rules=("counter",)),)),
        Mode.REPLACE,
        "nft table ip t: a: counter",
        "nft -f - <<'EOF'\ntable ip t\ndelete table ip t\ntable ip t\nadd chain ip t a { }\nadd rule ip t a counter\nEOF",
    ),
]


@pytest.mark.parametrize(("value", "mode", "words", "text"), CASES)
def test_every_kind_has_words_and_a_command(value, mode, words, text):
    assert describe(value) == words
    assert command(Step(value, mode, "for a test")) == text


def test_commands_in_the_pod_name_its_namespace():
    up = Step(Link(name="eth0", up=True), Mode.REPLACE, "for a test", namespace="pod")
    assert command(up, "a b") == "ip -n 'a b' link set eth0 up"
    off = Step(Sysctl(name="net/ipv6/conf/all/disable_ipv6", value="1"), Mode.REPLACE, "for a test", namespace="pod")
    assert command(off, "p") == "ip netns exec p sysctl -qw net/ipv6/conf/all/disable_ipv6=1"


def test_a_namespace_is_called_pod_unless_it_is_named():
    assert command(Step(Link(name="eth0", up=True), Mode.REPLACE, "for a test", namespace="pod")) == "ip -n pod link set eth0 up"


def test_errnos_without_a_name_are_numbers():
    assert errno_names(frozenset({17, 4000})) == ("4000", "EEXIST")


def test_waiting_is_a_loop():
    wait = Step(Address(address="2001:db8::5/128", device="eth0"), Mode.WAIT, "for a test", namespace="pod")
    assert command(wait, "p") == "while ip -n p -6 address show tentative | grep -q .; do sleep 0.05; done"


def test_every_step_of_every_plan_has_a_command():
    address = [PodAddress("10.0.1.60", 2)]
    steps = (
        *host_plan(PRIMARY, changed(BRANCHES, ENABLE_V6_EGRESS="true"), VPC_CIDRS),
        *eni_plan(SECOND, BRANCHES),
        *pod_plan(KEY, POD, address, BRANCHES),
        *pod_teardown(KEY, POD, address, BRANCHES),
        *branch_plan(KEY, POD, BRANCH, BRANCHES),
        *branch_teardown(KEY, POD, BRANCH, BRANCHES),
        *egress_plan(KEY, "169.254.172.2", "10.0.1.10", IPV6),
        *egress_teardown(KEY, "169.254.172.2"),
    )
    texts = [command(step) for step in steps]
    assert all(texts)
    assert not any(" None" in text for text in texts)
