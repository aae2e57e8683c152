"""Rules of nftables as text: those that the datapath has, and the parser of what nft prints."""

import re
from collections.abc import Iterable

from vpcipam.datapath.values import NftChain, NftTable

TABLE = "aws-cni"
MARK_CHAIN = "snat-mark"
BASE_CHAIN = "nat-prerouting"
_JUST_AFTER_DNAT = "type nat hook prerouting priority -90; policy accept;"


def connmark_table(veth_prefix: str, mark: int, exempt: Iterable[str]) -> NftTable:
    """Return the table that marks the pods' connections to anywhere but the exempt CIDRs.

    Its last rule only sets the bits of the mark. Upstream's overwrites all other bits of a packet's mark.
    """
    bits = f"0x{mark:08x}"  # as nft writes marks
    returns = ("counter return" if cidr.endswith("/0") else f"counter ip daddr {cidr.removesuffix('/32')} return" for cidr in exempt)
    marks = NftChain(name=MARK_CHAIN, rules=(*returns, f"counter ct mark set ct mark | {bits}"))
    rules = (
        "fib daddr type local return",
        f'iifname "{veth_prefix}*" counter jump {MARK_CHAIN}',
        f"ct mark & {bits} == {bits} counter meta mark set meta mark | {bits}",
    )
    return NftTable(name=TABLE, chains=(marks, NftChain(name=BASE_CHAIN, base=_JUST_AFTER_DNAT, rules=rules)))


# --- the text of tables ---------------------------------------------------------------------------------------------------

_CHAIN = re.compile(r"^\tchain (\S+) \{\n((?:\t\t.*\n)*)", re.MULTILINE)


def parse_table(text: str, family: str, name: str) -> NftTable:
    """Parse what `nft --stateless --numeric-priority list table` prints: chains with their rules, without sets and maps."""
    chains = []
    for chain, body in _CHAIN.findall(text):
        rules = [*map(str.strip, body.splitlines())]
        base = rules.pop(0) if rules and rules[0].startswith("type ") else ""
        chains.append(NftChain(name=chain, base=base, rules=tuple(rules)))
    return NftTable(family=family, name=name, chains=tuple(chains))


def table_text(table: NftTable) -> str:
    """Write an `nft -f` file that replaces a table in one transaction. All chains come before the rules, which may jump to any of them."""
    place = f"{table.family} {table.name}"
    lines = [f"table {place}", f"delete table {place}", f"table {place}"]
    lines += (f"add chain {place} {chain.name} {{ {chain.base}}}" for chain in table.chains)
    lines += (f"add rule {place} {chain.name} {rule}" for chain in table.chains for rule in chain.rules)
    return "\n".join((*lines, ""))
