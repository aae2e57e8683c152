"""Rules of nftables as text: what `nft -j` prints becomes the values of a plan."""

import copy

import pytest
from datapath_worlds import VPC_CIDRS

from vpcipam.datapath.nft import connmark_table, parse_nft, table_text
from vpcipam.datapath.values import NftChain, NftTable
from vpcipam.errors import InvalidArgument

COUNTER = {"counter": {"packets": 7, "bytes": 420}}
MARK = {"meta": {"key": "mark"}}
CT_MARK = {"ct": {"key": "mark"}}
CT_MARK_BIT = {"&": [CT_MARK, 128]}


def rule(chain, *expressions):
    return {"rule": {"family": "ip", "table": "aws-cni", "chain": chain, "handle": 9, "expr": list(expressions)}}


def match(left, right, op="=="):
    return {"match": {"op": op, "left": left, "right": right}}


DADDR = {"payload": {"protocol": "ip", "field": "daddr"}}
IIFNAME = {"meta": {"key": "iifname"}}
BASE = {
    "family": "ip",
    "table": "aws-cni",
    "name": "nat-prerouting",
    "handle": 2,
    "type": "nat",
    "hook": "prerouting",
    "prio": -90,
    "policy": "accept",
}
LISTING = {
    "nftables": [
        {"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
        {"table": {"family": "ip", "name": "aws-cni", "handle": 5}},
        {"chain": {"family": "ip", "table": "aws-cni", "name": "snat-mark", "handle": 1}},
        {"chain": BASE},
        rule("snat-mark", COUNTER, match(DADDR, {"prefix": {"addr": "10.0.0.0", "len": 16}}), {"return": None}),
        rule("snat-mark", COUNTER, match(DADDR, "192.0.2.7"), {"return": None}),
        rule("snat-mark", COUNTER, {"mangle": {"key": CT_MARK, "value": {"|": [CT_MARK, 128]}}}),
        rule("nat-prerouting", match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"), {"return": None}),
        rule("nat-prerouting", match(IIFNAME, "eni*"), COUNTER, {"jump": {"target": "snat-mark"}}),
        rule("nat-prerouting", match(CT_MARK_BIT, 128), COUNTER, {"mangle": {"key": MARK, "value": {"|": [MARK, 128]}}}),
    ]
}
"""The output of nft 1.0.6."""


def text_of(*expressions):
    listing = {"nftables": [*LISTING["nftables"][1:3], rule("snat-mark", *expressions)]}
    ((chain,),) = (table.chains for table in parse_nft(listing))
    return chain.rules[0]


def test_what_nft_prints_of_a_node_is_what_its_plan_has():
    assert parse_nft(LISTING) == {connmark_table("eni", 0x80, [*VPC_CIDRS, "192.0.2.7/32"])}


@pytest.mark.parametrize(
    ("expressions", "text"),
    [
        ([COUNTER, {"mangle": {"key": MARK, "value": CT_MARK_BIT}}], "counter meta mark set ct mark & 0x00000080"),
        ([match(IIFNAME, "eth0", "!="), {"accept": None}], 'iifname != "eth0" accept'),
        ([match({"meta": {"key": "l4proto"}}, 6), {"goto": {"target": "x"}}], "l4proto 6 goto x"),
        ([match(IIFNAME, {"set": [1]}, "in")], '{"match": {"op": "in", "left": {"meta": {"key": "iifname"}}, "right": {"set": [1]}}}'),
        ([{"masquerade": {"flags": "random"}}], '{"masquerade": {"flags": "random"}}'),
        ([{"match": 5}, 7], '{"match": 5} 7'),
    ],
)  # fmt: skip
def test_other_expressions(expressions, text):
    assert text_of(*expressions) == text


def test_other_tables_and_objects_are_read():
    listing = {"nftables": [{"table": {"family": "ip6", "name": "other"}}, {"set": {"name": "s"}}]}
    assert parse_nft(listing) == {NftTable(family="ip6", name="other")}


def test_the_order_of_rules_matters():
    listing = copy.deepcopy(LISTING)
    listing["nftables"][4:6] = reversed(listing["nftables"][4:6])
    assert parse_nft(listing) != parse_nft(LISTING)


@pytest.mark.parametrize(
    "listing",
    [
        None,
        [],
        {},
        {"nftables": {}},
        {"nftables": ["table"]},
        {"nftables": [{"table": {}}]},
        {"nftables": [{"chain": BASE}]},
        {"nftables": [{"rule": {"expr": 5}}]},
    ],
)
def test_what_nft_does_not_print_is_refused(listing):
    with pytest.raises(InvalidArgument, match="nftables"):
        parse_nft(listing)


def test_a_table_is_replaced_in_one_transaction():
    table = NftTable(
        name="t",
        chains=(NftChain(name="a", rules=("counter",)), NftChain(name="b", type="nat", hook="output", priority=-90, policy="accept")),
    )
    assert table_text(table).splitlines() == [
        "table ip t",
        "delete table ip t",
        "table ip t",
        "add chain ip t a",
        "add chain ip t b { type nat hook output priority -90; policy accept; }",
        "add rule ip t a counter",
    ]


def test_all_chains_come_before_the_rules_that_jump_to_them():
    rules = {"a": ("counter jump c",), "b": ("goto d", "jump elsewhere"), "c": ("goto d",), "d": ()}
    table = NftTable(name="t", chains=tuple(NftChain(name=name, rules=each) for name, each in rules.items()))
    lines = table_text(table).splitlines()[3:]
    assert lines == sorted(lines)  # "add chain", then "add rule"
