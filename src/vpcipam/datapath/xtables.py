"""Rules of iptables as text: those that the datapath has, and the parser of what iptables-save prints."""

import re
import shlex

from vpcipam.datapath.values import XtablesChain, XtablesRule, family_of
from vpcipam.errors import InvalidArgument

SNAT_CHAIN = "AWS-SNAT-CHAIN-0"
CONNMARK_CHAIN = "AWS-CONNMARK-CHAIN-0"
OWN_CHAINS = ("AWS-SNAT-CHAIN-", "AWS-CONNMARK-CHAIN-", "CNI-E4-", "CNI-E6-")
"""How the names of the datapath's chains begin."""

_REJECTED_WITH = {4: "icmp-port-unreachable", 6: "icmp6-port-unreachable"}


def set_mark(mark: int) -> str:
    """Return the target that marks a connection."""
    return f"-j CONNMARK --set-xmark {mark:#x}/{mark:#x}"


def restore_mark(mark: int) -> str:
    """Return the target that gives a packet the mark of its connection."""
    return f"-j CONNMARK --restore-mark --nfmask {mark:#x} --ctmask {mark:#x}"


def reject_new(destination: str) -> str:
    """Return the rule that rejects new connections to a CIDR."""
    return f"-d {destination} -m conntrack --ctstate NEW -j REJECT --reject-with {_REJECTED_WITH[family_of(destination)]}"


def return_to(destination: str) -> str:
    """Return the rule that leaves a chain for packets to a CIDR. The kernel keeps no match of every destination."""
    return "-j RETURN" if destination.endswith("/0") else f"-d {destination} -j RETURN"


# --- commands -------------------------------------------------------------------------------------------------------------

PROGRAMS = {4: "iptables", 6: "ip6tables"}


def rule_command(verb: str, value: XtablesRule) -> list[str]:
    """Write the command for a rule. The verb is -A, -I, -C or -D."""
    return [PROGRAMS[value.family], "-w", "-t", value.table, verb, value.chain, *shlex.split(value.rule)]


def restore_text(chain: XtablesChain, *, delete: bool = False) -> str:
    """Write the input of iptables-restore that replaces or deletes a chain in one transaction, and first makes it if there is none."""
    rules = [f"-X {chain.name}"] if delete else [f"-A {chain.name} {rule}" for rule in chain.rules]
    return "\n".join((f"*{chain.table}", f":{chain.name} - [0:0]", *rules, "COMMIT\n"))


# --- iptables-save --------------------------------------------------------------------------------------------------------

_CHAIN = re.compile(r":(\S+) (\S+)(?: \[\d+:\d+\])?")
_RULE = re.compile(r"(?:\[\d+:\d+\] )?-A (\S+) ?(.*)")
_COMMENT = re.compile(r'-m comment --comment (?:"(?:[^"\\]|\\.)*"|\S+) ?')


def parse_save(text: str, family: int = 4) -> frozenset[XtablesChain | XtablesRule]:
    """Parse what iptables-save or ip6tables-save prints: user-defined chains as a whole, and the rules of the others one by one.

    Counters and comments of rules are left out.

    Args:
        text: the whole output, for any tables.
        family: 4 for iptables-save, 6 for ip6tables-save.

    Raises:
        InvalidArgument: a line is none that they print, or the last table has no end.
    """
    table = ""
    chains: dict[tuple[str, str], tuple[bool, list[str]]] = {}  # whether each is built in, and its rules
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        chain, rule = _CHAIN.fullmatch(line), _RULE.fullmatch(line)
        if line.startswith("*"):
            table = line[1:]
        elif line == "COMMIT" and table:
            table = ""
        elif chain and table:
            chains[table, chain[1]] = chain[2] != "-", []
        elif rule and (table, rule[1]) in chains:
            chains[table, rule[1]][1].append(_COMMENT.sub("", rule[2]).strip())
        elif line and not line.startswith("#"):
            raise InvalidArgument(f"line {number} is not one of iptables-save: {line[:60]!r}; give its whole output")
    if table:
        raise InvalidArgument(f"the output of iptables-save breaks off in the table {table}; give all of it")
    found: set[XtablesChain | XtablesRule] = set()
    for (table, name), (built_in, rules) in chains.items():
        if built_in:
            found.update(XtablesRule(family=family, table=table, chain=name, rule=each) for each in rules)
        else:
            found.add(XtablesChain(family=family, table=table, name=name, rules=tuple(rules)))
    return frozenset(found)
