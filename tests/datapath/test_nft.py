"""Rules of nftables as text: what nft prints becomes the values of a plan."""

from datapath_worlds import VPC_CIDRS
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.datapath.nft import connmark_table, parse_table, table_text
from vpcipam.datapath.values import NftChain, NftTable

LISTED = """\
table ip aws-cni {
\tchain nat-prerouting {
\t\ttype nat hook prerouting priority -90; policy accept;
\t\tfib daddr type local return
\t\tiifname "eni*" counter jump snat-mark
\t\tct mark & 0x00000080 == 0x00000080 counter meta mark set meta mark | 0x00000080
\t}

\tchain snat-mark {
\t\tcounter ip daddr 10.0.0.0/16 return
\t\tcounter ip daddr 192.0.2.7 return
\t\tcounter ct mark set ct mark | 0x00000080
\t}
}
"""
"""The output of nft 1.0.6."""
OTHER = """\
table ip6 other {
\tset s {
\t\ttype ipv6_addr
\t}

\tchain empty {
\t}

\tchain hook {
\t\ttype filter hook input priority 0; policy drop;
\t}

\tchain regular {
\t\tmeta mark 0x00000005 comment "a b { }"
\t}
}
"""


def test_what_nft_prints_of_a_node_is_what_its_plan_has():
    assert parse_table(LISTED, "ip", "aws-cni") == connmark_table("eni", 0x80, [*VPC_CIDRS, "192.0.2.7/32"])


def test_other_tables_are_read_too():
    chains = (
        NftChain(name="empty"),
        NftChain(name="hook", base="type filter hook input priority 0; policy drop;"),
        NftChain(name="regular", rules=('meta mark 0x00000005 comment "a b { }"',)),
    )
    assert parse_table(OTHER, "ip6", "other") == NftTable(family="ip6", name="other", chains=chains)


def test_the_order_of_rules_matters():
    first, second = LISTED.splitlines()[8:10]
    swapped = LISTED.replace(first, "x").replace(second, first).replace("x", second)
    assert parse_table(swapped, "ip", "aws-cni") != parse_table(LISTED, "ip", "aws-cni")


@given(st.text(alphabet='\t\n {}chainrule;"'))
def test_any_text_is_read(text):
    assert parse_table(text, "ip", "t").name == "t"


def test_a_table_is_replaced_in_one_transaction():
    table = NftTable(
        name="t",
        chains=(NftChain(name="a", rules=("counter",)), NftChain(name="b", base="type nat hook output priority -90; policy accept;")),
    )
    assert table_text(table).splitlines() == [
        "table ip t",
        "delete table ip t",
        "table ip t",
        "add chain ip t a { }",
        "add chain ip t b { type nat hook output priority -90; policy accept;}",
        "add rule ip t a counter",
    ]


def test_all_chains_come_before_the_rules_that_jump_to_them():
    rules = {"a": ("counter jump c",), "b": ("goto d", "jump elsewhere"), "c": ("goto d",), "d": ()}
    table = NftTable(name="t", chains=tuple(NftChain(name=name, rules=each) for name, each in rules.items()))
    lines = table_text(table).splitlines()[3:]
    assert lines == sorted(lines)  # "add chain", then "add rule"
