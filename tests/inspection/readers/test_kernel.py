"""What ip, iptables-save, nft and sysctl print is read back into the values."""

import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_texts import kernel_documents, node_values, ordered, route_row, route_text, rule_row, rule_text, save_text

from vpcipam.datapath.layout import DatapathEni
from vpcipam.datapath.values import Address, Link, Route, Rule, Sysctl, XtablesChain, XtablesRule
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.settings import Settings
from vpcipam.stats import Assignment

PRIMARY = DatapathEni(device="eth0", mac="02:00:00:00:00:00", address="10.0.0.4", subnet="10.0.0.0/24")
SECOND = DatapathEni(device="eth1", mac="02:00:00:00:00:01", address="10.0.0.5", subnet="10.0.0.0/24", device_number=1)
PODS = [(SandboxKey("aws-cni", "c1", "eth0"), PodRef("default", "a"), Assignment("10.0.0.6", "eni-2", 1, 0, "10.0.0.6/32"))]
SETTINGS = Settings().with_variables({"AWS_EXTERNAL_SERVICE_CIDRS": "198.51.100.0/24", "ENABLE_POD_ENI": "true"})
VALUES = node_values([PRIMARY, SECOND], PODS, SETTINGS)
RULES, ROUTES = ordered(VALUES, Rule), ordered(VALUES, Route)


def states(evidence):
    return [fact.value for fact in evidence.kernel_states]


def the_state(evidence):
    (state,) = states(evidence)
    return state


# --- ip rule, ip route ----------------------------------------------------------------------------------------------------


def test_rules_are_read_as_json_and_as_text(read):
    for content in ([rule_row(each) for each in RULES], "\n".join(map(rule_text, RULES)) + "\n"):
        state = the_state(read(content))
        assert (state.kind, state.families, [*state.values]) == ("rules", (4,), RULES)


def test_routes_are_read_as_json_and_as_text(read):
    for content in ([route_row(each) for each in ROUTES], "\n".join(map(route_text, ROUTES)) + "\n"):
        state = the_state(read(content))
        assert (state.kind, state.families, state.tables, [*state.values]) == ("routes", (4,), (), ROUTES)


def test_ipv6_rules_and_routes(read):
    rules = [Rule(priority=0, table=255, family=6), Rule(priority=0, source="fe80:ec2::1", ip_protocol="ipv6-icmp", table=255)]
    routes = [Route(destination="::/0", device="eth0", gateway="fe80:ec2::1"), Route(destination="2001:db8::5/128", device="eni0")]
    for content in ([rule_row(each) for each in rules], "\n".join(map(rule_text, rules))):
        state = the_state(read(content))
        assert (state.families, [*state.values]) == ((6,), rules)
    for content in ([route_row(each) for each in routes], "\n".join(map(route_text, routes))):
        state = the_state(read(content))
        assert (state.families, [*state.values]) == ((6,), routes)


def test_the_rule_of_an_interface_that_is_gone_is_read(read):
    gone = Rule(priority=10, iif="vlan.eth.5", table=105)
    for content in ([rule_row(gone) | {"iif_detached": None}], rule_text(gone).replace("vlan.eth.5", "vlan.eth.5 [detached]") + "\n"):
        assert the_state(read(content)).values == (attrs.evolve(gone, family=6),)  # nothing shows the family


def test_rules_without_addresses_are_of_ipv4_if_they_lead_to_the_default_table(read):
    plain = [{"priority": 0, "src": "all", "table": "local"}, {"priority": 32766, "src": "all", "table": "main"}]
    assert the_state(read(plain)).families == (6,)
    assert the_state(read([*plain, {"priority": 32767, "src": "all", "table": "default"}])).families == (4,)


def test_a_default_route_by_an_interface_has_the_family_of_the_others(read):
    row = {"dst": "default", "dev": "eth0", "scope": "link", "flags": []}
    assert the_state(read([row])).values == (Route(destination="0.0.0.0/0", device="eth0"),)
    newer = {"dst": "fe80::/64", "dev": "eth0", "metric": 256, "flags": []}
    assert the_state(read([row, newer])).values[0] == Route(destination="::/0", device="eth0", scope="link")


def test_what_the_datapath_never_uses_is_left_out(read, skipped):
    rules = [
        {"priority": 1, "not": None, "src": "10.0.0.0", "srclen": 8, "table": "5"},
        {"priority": 2, "src": "10.0.0.0", "srclen": 8, "action": "prohibit"},
        {"priority": 3, "src": "all", "sport": 53, "table": "5"},
    ]
    text = "1:\tnot from 10.0.0.0/8 lookup 5\n2:\tfrom 10.0.0.0/8 prohibit\n3:\tfrom all sport 53 lookup 5\n"
    text += "4:\tfrom all lookup [l3mdev-table]\n"
    routes = [{"dst": "10.0.0.0/8", "flags": [], "nexthops": []}, {"type": "unreachable", "dst": "10.0.0.0/8", "flags": []}]
    lines = "default via 10.0.0.1 dev eth0\n10.0.0.0/8\n\tnexthop via 10.0.0.2 dev eth0 weight 1\nunreachable 10.9.0.0/16\n"
    for content in (rules, text, routes):
        evidence = read(content)
        assert the_state(evidence).values == ()
        assert skipped(evidence) == []
    assert len(the_state(read(lines)).values) == 1


def test_all_tables_are_known_by_the_local_one(read):
    row = {"type": "local", "dst": "127.0.0.1", "dev": "lo", "table": "local", "flags": []}
    assert the_state(read([row])).tables == ("all",)
    assert the_state(read("default via 10.0.0.1 dev eth0\nlocal 127.0.0.1 dev lo table local\n")).tables == ("all",)


def test_a_row_that_cannot_be_read_spares_the_others(read, skipped):
    good = {"priority": 512, "src": "all", "dst": "10.0.0.5", "table": "main"}
    bad = [
        good | {"dst": "10.0.0.300"}, good | {"priority": "many"}, good | {"priority": -1}, good | {"table": "blue"},
        good | {"table": 2**32}, good | {"iif": "a/b"}, good | {"fwmark": [1]}, good | {"priority": True}, good | {"table": "1" * 99},
    ]  # fmt: skip
    evidence = read([good, *bad])
    assert the_state(evidence).values == (Rule(priority=512, destination="10.0.0.5", table=254),)
    assert [where.rpartition(", ")[2] for where, _ in skipped(evidence)] == [f"[{number}]" for number in range(1, 10)]
    assert the_state(read([{"dst": "10.0.0.5", "flags": [], "metric": "x"}])).values == ()
    assert the_state(read([{"ifindex": 1, "ifname": "", "flags": []}])).values == ()


def test_lines_that_ip_does_not_print_are_skipped(read, skipped):
    for text in ("0:\tfrom all lookup local\nhello\n\n", "default via 10.0.0.1 dev eth0\n  hello\n"):
        evidence = read(text)
        assert len(the_state(evidence).values) == 1
        assert [why for _, why in skipped(evidence)] == ["is no line of ip"]


def test_an_output_that_breaks_off_shows_nothing(read, skipped):
    evidence = read(json.dumps([rule_row(each) for each in RULES])[:-20])
    assert states(evidence) == []
    assert any("breaks off" in why for _, why in skipped(evidence))


# --- ip address, ip link --------------------------------------------------------------------------------------------------


def test_interfaces_and_addresses(read):
    row = {"ifindex": 3, "ifname": "eth0", "flags": ["BROADCAST", "UP"], "mtu": 9001, "address": "02:00:00:00:00:01"}
    link = Link(name="eth0", mac="02:00:00:00:00:01", mtu=9001, up=True)
    assert the_state(read([row])).values == (link,)
    addresses = [
        {"family": "inet", "local": "10.0.0.4", "prefixlen": 24, "scope": "global"},
        {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"},
        {"family": "inet"},
    ]
    state = the_state(read([row | {"addr_info": addresses}]))
    assert state.values == (
        link,
        Address(address="10.0.0.4/24", device="eth0"),
        Address(address="fe80::1/64", device="eth0", scope="link"),
    )
    assert {*state.addresses} == {"10.0.0.4", "fe80::1"}


# --- iptables-save, nft, sysctl -------------------------------------------------------------------------------------------


def test_iptables_save_is_read(read):
    state = the_state(read(save_text(VALUES)))
    assert (state.kind, state.families, state.tables) == ("iptables", (4,), ("mangle", "nat"))
    assert {*state.values} == {each for each in VALUES if isinstance(each, XtablesChain | XtablesRule)}
    assert "10.0.0.4" in state.addresses


def test_both_programs_can_be_in_one_file(read):
    rule = XtablesRule(family=6, table="filter", chain="FORWARD", rule="-j DROP")
    first, second = states(read(save_text(VALUES) + save_text({rule}, 6)))
    assert (first.families, second.families, second.values) == ((4,), (6,), (rule,))
    assert the_state(read(save_text({rule}, 6))).families == (6,)
    bare = "*nat\n:POSTROUTING ACCEPT\nCOMMIT\n"
    assert the_state(read(bare)).tables == ("nat",)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text[: text.rindex("COMMIT")], "breaks off"),
        (lambda text: text.replace("-A", "-B", 1), "not one of iptables-save"),
        (lambda text: text + "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n", "iptables-legacy"),
    ],
)
def test_a_part_of_iptables_shows_nothing(read, skipped, change, why):
    evidence = read(change(save_text(VALUES)))
    assert states(evidence) == []
    assert any(why in each for _, each in skipped(evidence))


def test_nft_is_read(read):
    listing = {"nftables": [{"table": {"family": "ip", "name": "b"}}, {"table": {"family": "ip", "name": "a"}}]}
    assert [table.name for table in the_state(read(listing)).values] == ["a", "b"]
    assert the_state(read({"nftables": [{"rule": {}}, {"table": "x"}, 5]})).values == ()


def test_sysctl_is_read(read):
    text = "net.ipv4.ip_forward = 1\nnet.ipv4.conf.vlan/eth/5.rp_filter = 1\nnet/ipv4/conf/eth0/rp_filter = 2\n"
    assert the_state(read(text)).values == (
        Sysctl(name="net/ipv4/conf/vlan.eth.5/rp_filter", value="1"),
        Sysctl(name="net/ipv4/conf/eth0/rp_filter", value="2"),
    )


def test_each_output_is_a_document(read):
    evidence = read(*kernel_documents(VALUES).values())
    assert [each.kind for each in evidence.documents] == [
        f"what the kernel has ({command})" for command in ("ip -j rule", "ip -j route", "iptables-save", "sysctl -a")
    ]
    assert evidence.skipped == ()


NAMES = ("priority", "src", "dst", "srclen", "table", "flags", "fwmark", "dev", "ifname", "ifindex", "metric", "addr_info", "iif", "type")
FACTS = st.one_of(st.integers(), st.text(max_size=9), st.none(), st.lists(st.none(), max_size=2))


@given(rows=st.lists(st.dictionaries(st.sampled_from(NAMES), FACTS)))
def test_any_rows_are_read_or_skipped(read, rows):
    first = {"priority": 1, "src": "all", "dst": "all", "flags": [], "ifindex": 1, "ifname": "a"}
    for state in states(read([first, *rows])):
        assert state.kind == "rules"
    for name in ("priority", "ifindex"):
        del first[name]
        for state in states(read([first, *rows])):
            assert state.kind in {"routes", "interfaces"}
