"""Which files of a folder or an archive are those of one node: its bundle."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import attrs

from vpcipam.inspection.evidence import Evidence

_OF_IPAMD = frozenset(("enis.json", "eni.out", "eni.output", "ipam.json", "ipamd.log"))
"""Files that each bundle of a node has, as ipamd and the log collector name them."""
_PARTS_OF_BUNDLE = frozenset(("ipamd", "var_log", "cni"))
"""Folders within a bundle of the log collector."""


def folders_of_nodes(paths: Iterable[str]) -> frozenset[str]:
    """Return the folders that are a node's each: at least two have what ipamd shows, and none is a part of a single bundle.

    Args:
        paths: those of all files, with `/`. Folders that all files are in are passed over.

    >>> sorted(folders_of_nodes(["all/a/ipamd/ipam.json", "all/b/enis.json", "all/pods.json"]))
    ['all/a', 'all/b']
    >>> folders_of_nodes(["ipamd/ipam.json", "var_log/ipamd.log"])
    frozenset()
    """
    parts: Sequence[Sequence[str]] = [path.split("/") for path in paths]
    above: tuple[str, ...] = ()
    while parts and len(firsts := {each[0] for each in parts}) == 1 and all(len(each) > 1 for each in parts):
        above = (*above, *firsts)
        parts = [each[1:] for each in parts]
    inner = [each for each in parts if len(each) > 1]
    if any(each[0] in _PARTS_OF_BUNDLE for each in inner):
        return frozenset()
    nodes = {each[0] for each in inner if each[-1] in _OF_IPAMD}
    return frozenset("/".join((*above, node)) for node in nodes) if len(nodes) > 1 else frozenset()


def folder_of(path: str, folders: Collection[str]) -> str:
    """Return which of some folders a file is in; empty if it is in none."""
    end = path.find("/")
    while end >= 0:
        if path[:end] in folders:
            return path[:end]
        end = path.find("/", end + 1)
    return ""


def separated(evidence: Evidence, archives: Mapping[str, Sequence[str]]) -> Evidence:
    """Give the nodes of archives a bundle each. The files of an archive are known only once all of it was read.

    Args:
        evidence: what was read.
        archives: the paths of the files in each archive, by its bundle.
    """
    nodes = {bundle: found for bundle, paths in archives.items() if (found := folders_of_nodes(paths))}
    if not nodes:
        return evidence

    def placed(each: Any) -> Any:  # noqa: ANN401 - a fact, a document or a skipped part
        bundle = each.source.bundle
        if bundle not in nodes:
            return each
        node = folder_of(each.source.file.removeprefix(f"{bundle}/"), nodes[bundle])
        return attrs.evolve(each, source=attrs.evolve(each.source, bundle=f"{bundle}/{node}")) if node else each

    return Evidence(**{field.name: tuple(map(placed, getattr(evidence, field.name))) for field in attrs.fields(Evidence)})
