"""Rules of nftables as text: those that the datapath has, and the parser of what nft prints."""

import re
from collections.abc import Iterable

from vpcipam.datapath.values import NftChain, NftTable

TABLE = "aws-cni"
MARK_CHAIN = "snat-mark"
BASE_CHAIN = "nat-prerouting"
_PRIORITY = -90  # just after the DNAT of other programs


def connmark_table(veth_prefix: str, mark: int, exempt: Iterable[str]) -> NftTable:
    """Return the table that marks the pods' connections to anywhere but the exempt CIDRs.

    Its last rule only sets the bits of the mark. Upstream's overwrites all other bits of a packet's mark.
    """
    cidrs = tuple(exempt)
    everything = any(cidr.endswith("/0") for cidr in cidrs)
    returns = ("counter return",) if everything else tuple(f"counter ip daddr {cidr.removesuffix('/32')} return" for cidr in cidrs)
    marks = NftChain(name=MARK_CHAIN, rules=(*returns, f"counter ct mark set ct mark | {_hex(mark)}"))
    base = NftChain(
        name=BASE_CHAIN,
        type="nat",
        hook="prerouting",
        priority=_PRIORITY,
        policy="accept",
        rules=(
            "fib daddr type local return",
            f'iifname "{veth_prefix}*" counter jump {MARK_CHAIN}',
            f"ct mark & {_hex(mark)} == {_hex(mark)} counter meta mark set meta mark | {_hex(mark)}",
        ),
    )
    return NftTable(name=TABLE, chains=(marks, base))


def _hex(number: int) -> str:
    return f"0x{number:08x}"  # as nft writes marks


# --- the text of tables ---------------------------------------------------------------------------------------------------

_CHAIN = re.compile(r"^\tchain (\S+) \{\n((?:\t\t.*\n)*)", re.MULTILINE)
_BASE = re.compile(r"type (\w+) hook (\w+) priority (-?\d+); policy (\w+);")


def parse_table(text: str, family: str, name: str) -> NftTable:
    """Parse what `nft --stateless --numeric-priority list table` prints: chains with their rules, without sets and maps."""
    chains = []
    for chain, body in _CHAIN.findall(text):
        first, *rules = map(str.strip, body.splitlines() or [""])
        if base := _BASE.fullmatch(first):
            kind, hook, priority, policy = base.groups()
            chains.append(NftChain(name=chain, rules=tuple(rules), type=kind, hook=hook, priority=int(priority), policy=policy))
        else:
            chains.append(NftChain(name=chain, rules=tuple(filter(None, (first, *rules)))))
    return NftTable(family=family, name=name, chains=tuple(chains))


def table_text(table: NftTable) -> str:
    """Write an `nft -f` file that replaces a table in one transaction. All chains come before the rules, which may jump to any of them."""
    place = f"{table.family} {table.name}"
    lines = [f"table {place}", f"delete table {place}", f"table {place}"]
    for chain in table.chains:
        base = f" {{ type {chain.type} hook {chain.hook} priority {chain.priority}; policy {chain.policy}; }}" if chain.type else ""
        lines.append(f"add chain {place} {chain.name}{base}")
    lines += (f"add rule {place} {chain.name} {rule}" for chain in table.chains for rule in chain.rules)
    return "\n".join((*lines, ""))
