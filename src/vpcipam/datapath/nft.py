"""Rules of nftables as text: those that the datapath has, and the parser of what `nft -j list ruleset` prints."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from vpcipam.datapath.values import NftChain, NftTable
from vpcipam.errors import InvalidArgument

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


# --- nft -j list ruleset --------------------------------------------------------------------------------------------------


def parse_nft(listing: object) -> frozenset[NftTable]:
    """Parse the JSON of `nft -j list ruleset` or `nft -j list table`: tables with their chains and rules.

    Expressions that the datapath has none of are kept as JSON. Sets, maps and the handles of rules are left out.

    Raises:
        InvalidArgument: it is not such a document.
    """
    items = listing.get("nftables") if isinstance(listing, Mapping) else None
    if not isinstance(items, list):
        raise InvalidArgument("the document has no list `nftables`; give the output of `nft -j list ruleset`")
    tables: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for item in items:
        try:
            _read_item(tables, item)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InvalidArgument(f"an item of `nftables` can't be read ({error!r}): {json.dumps(item)[:80]}") from None
    return frozenset(
        NftTable(
            family=family, name=name, chains=tuple(NftChain(**{**chains[each], "rules": tuple(chains[each]["rules"])}) for each in chains)
        )
        for (family, name), chains in tables.items()
    )


def _read_item(tables: dict[tuple[str, str], dict[str, dict[str, Any]]], item: Mapping[str, Any]) -> None:
    if "table" in item:
        tables.setdefault((item["table"]["family"], item["table"]["name"]), {})
    elif "chain" in item:
        chain = item["chain"]
        facts = {"name": chain["name"], "type": chain.get("type"), "hook": chain.get("hook")}
        facts |= {"priority": chain.get("prio"), "policy": chain.get("policy"), "rules": []}
        tables[chain["family"], chain["table"]][chain["name"]] = facts
    elif "rule" in item:
        rule = item["rule"]
        text = " ".join(map(_text, rule["expr"]))
        tables[rule["family"], rule["table"]][rule["chain"]]["rules"].append(text)


def _text(part: Any) -> str:  # noqa: ANN401, PLR0911  # any JSON value; one line for each form
    """Write a part of a rule as nft does, or as JSON if the datapath has none of its form."""
    match part:
        case {"match": {"op": "==" | "!=" as operator, "left": left, "right": right}}:
            return _comparison(_text(left), operator, right)
        case {"mangle": {"key": key, "value": value}}:
            return f"{_text(key)} set {_text(value)}"
        case {"&": [left, int(number)]} | {"|": [left, int(number)]}:
            return f"{_text(left)} {next(iter(part))} {_hex(number)}"
        case {"jump": {"target": name}} | {"goto": {"target": name}}:
            return f"{next(iter(part))} {name}"
        case {"meta": {"key": "mark"}} | {"ct": {"key": _}}:
            return f"{next(iter(part))} {next(iter(part.values()))['key']}"
        case {"meta": {"key": key}}:
            return str(key)
        case {"payload": {"protocol": first, "field": second}} | {"fib": {"flags": [first], "result": second}}:
            return f"{'fib ' if 'fib' in part else ''}{first} {second}"
        case {"prefix": {"addr": address, "len": length}}:
            return f"{address}/{length}"
        case {"counter": _} | {"return": None} | {"accept": None}:
            return str(next(iter(part)))
    return part if isinstance(part, str) else json.dumps(part)


def _comparison(left: str, operator: str, right: object) -> str:
    masked = " & " in left
    if masked and isinstance(right, int):
        right = _hex(right)
    elif left.endswith("ifname"):
        right = f'"{right}"'
    return f"{left} {'' if operator == '==' and not masked else operator + ' '}{_text(right)}"


def table_text(table: NftTable) -> str:
    """Write an `nft -f` file that replaces a table in one transaction. All chains come before the rules, which may jump to any of them."""
    place = f"{table.family} {table.name}"
    lines = [f"table {place}", f"delete table {place}", f"table {place}"]
    for chain in table.chains:
        base = f" {{ type {chain.type} hook {chain.hook} priority {chain.priority}; policy {chain.policy}; }}" if chain.type else ""
        lines.append(f"add chain {place} {chain.name}{base}")
    lines += (f"add rule {place} {chain.name} {rule}" for chain in table.chains for rule in chain.rules)
    return "\n".join((*lines, ""))
