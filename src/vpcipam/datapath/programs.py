"""iptables, nftables and IPsec by their programs, and kernel settings by their files, in the namespace that the thread is in."""

import contextlib
import errno
import json
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

from vpcipam.datapath.commands import invocation
from vpcipam.datapath.nft import parse_table
from vpcipam.datapath.values import NftTable, OfPrograms, Sysctl, XfrmPolicy, XfrmState, XtablesChain, XtablesRule, identity
from vpcipam.datapath.xfrm import parse_xfrm
from vpcipam.datapath.xtables import PROGRAMS, parse_save, rule_command
from vpcipam.errors import DatapathError

_SYSCTLS = Path("/proc/sys")
_ABSENT = 1  # what `iptables -C` returns for a rule that is not there
_ERRNOS = {
    "Operation not permitted": errno.EPERM,
    "Permission denied": errno.EPERM,
    "No such file or directory": errno.ENOENT,
    "No chain/target/match by that name": errno.ENOENT,
    "does not exist": errno.ENOENT,  # the chain to which a rule jumps
    "Couldn't load target": errno.ENOENT,  # the same
    "File exists": errno.EEXIST,
    "not supported": errno.EOPNOTSUPP,
    "Requested type not found": errno.EOPNOTSUPP,
    "busy": errno.EBUSY,
    "Too many links": errno.EBUSY,
}


def _run(*command: str, text: str = "", accept: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    """Run a program.

    Raises:
        DatapathError: it is not installed.
        OSError: it returns none of the accepted numbers. The errno follows from its message; EINVAL if it is none that we know.
    """
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)  # noqa: S603 - programs named here
    except FileNotFoundError:
        raise DatapathError(f"{command[0]} is not installed: install iproute2, iptables and nftables") from None
    if done.returncode not in accept:
        said = " ".join(done.stderr.split()) or f"it returned {done.returncode}"
        raise OSError(next((number for words, number in _ERRNOS.items() if words in said), errno.EINVAL), f"{command[0]}: {said}")
    return done


def matching(value: OfPrograms | Sysctl) -> list[OfPrograms | Sysctl]:
    """Read what the kernel has in the place of a value: the same rule, or a chain or table of the same name.

    iptables itself compares rules, since releases spell them differently.
    """
    match value:
        case XtablesRule():
            try:
                there = _run(*rule_command("-C", value), accept=(0, _ABSENT)).returncode == 0
            except FileNotFoundError:
                there = False  # nor is the chain to which the rule jumps
            return [value] if there else []
        case XtablesChain():
            saved = _saved(value.family, value.table)
            return [each for each in saved if isinstance(each, XtablesChain) and each.name == value.name]
        case XfrmState() | XfrmPolicy():
            return [each for each in read_xfrm() if identity(each) == identity(value)]
        case Sysctl():
            return [attrs.evolve(value, value=(_SYSCTLS / value.name).read_text(encoding="ascii").strip())]
        case _:
            return [*_tables(value.family, value.name)]


def create(value: OfPrograms | Sysctl) -> None:
    """Create a rule, or replace a chain or a table, in one transaction, or change a setting."""
    if isinstance(value, Sysctl):
        (_SYSCTLS / value.name).write_text(value.value, encoding="ascii")
        return
    command, text = invocation(value)
    if isinstance(value, XfrmState):  # it can't be changed
        text = "".join(invocation(each, delete=True)[1] for each in read_xfrm() if identity(each) == identity(value)) + text
    _run(*command, text=text)


def delete(value: OfPrograms | Sysctl) -> None:
    """Delete a rule once, or a chain or a table with all in it."""
    if isinstance(value, Sysctl):
        raise DatapathError("a kernel setting can be changed, but not deleted")
    command, text = invocation(value, delete=True)
    _run(*command, text=text)


def _saved(family: int, table: str | None = None) -> frozenset[XtablesChain | XtablesRule]:
    return parse_save(_run(f"{PROGRAMS[family]}-save", *(("-t", table) if table else ())).stdout, family)


def read_filters() -> Iterator[OfPrograms]:
    """Read all chains and rules of iptables and ip6tables, and the tables of nftables of the families ip and ip6 that are not theirs."""
    for family in PROGRAMS:
        yield from _saved(family)
    for name in _NFT_FAMILIES:
        yield from _tables(name)


def read_sysctls(names: Iterable[str]) -> Iterator[OfPrograms | Sysctl]:
    """Read kernel settings, without those that the kernel lacks."""
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            yield from matching(Sysctl(name=name, value=""))


def read_xfrm() -> Iterator[XfrmState | XfrmPolicy]:
    """Read the states and policies of pod encryption."""
    for kind in (("state",), ("policy", "list", "nosock")):
        yield from parse_xfrm(_run("ip", "xfrm", *kind).stdout)


_NFT_FAMILIES = ("ip", "ip6")
_OF_IPTABLES = {"raw", "mangle", "nat", "filter", "security"}


def _tables(family: str, wanted: str | None = None) -> Iterator[NftTable]:
    """Read the table that is wanted, or each by itself: those of others can be long, and nft can't express all of their rules."""
    listed = json.loads(_run("nft", "--json", "list", "tables", family).stdout)
    for name in (each["table"]["name"] for each in listed["nftables"] if "table" in each):
        if name == wanted or (wanted is None and name not in _OF_IPTABLES):
            yield parse_table(_run("nft", "--stateless", "--numeric-priority", "list", "table", family, name).stdout, family, name)
