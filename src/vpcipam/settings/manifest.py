"""Read the variables of the aws-node container from any document that has them.

This module recognises what a document is; each kind is read by a module of its own: a container of a Kubernetes object here, Helm values in
`helm_values`, the EKS add-on in `addons`, what kubectl writes for people in `text_dumps`, and ipamd's introspection in `introspection`.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TextIO

from attrs import Factory, define, evolve, frozen

from vpcipam.errors import ManifestError
from vpcipam.settings.addons import (
    describe_addon,
    describe_cluster_config,
    find_addon,
    is_cluster_config,
    is_other_addon,
    read_addon,
    read_cluster_config,
)
from vpcipam.settings.diagnostics import Diagnostic
from vpcipam.settings.documents import parse_documents, read_text, shown
from vpcipam.settings.helm_values import CHART, is_chart_values, is_of_another_chart, read_chart_values
from vpcipam.settings.introspection import DOCUMENT as INTROSPECTION
from vpcipam.settings.introspection import is_env_settings, read_env_settings
from vpcipam.settings.reading import CONTAINER, ManifestVariables, VariableReader, read_env_list
from vpcipam.settings.text_dumps import read_dumps

_GIVE = (
    "give the aws-node DaemonSet, its `env` list, Helm values or EKS add-on configuration with `env` or `extraEnv`, "
    "eksctl's ClusterConfig, or the output of `kubectl set env --list` or `kubectl describe`"
)
_IPV4_IS_ON = Diagnostic("ENABLE_IPv4", "info", "is not set; it is taken as on, as in the shipped manifest", 'set it to "true"')
_MOST_SHOWN = 10
_LONGEST_COMMAND = 500

# Lines in front of an output that was copied from a terminal: the command, and curl's progress.
_TERMINAL = re.compile(
    r"(.*[^\w\s:\"'{},] +)?(sudo +)?(curl|kubectl|k|aws|helm|eksctl) .*|\s*(% Total|Dload) .*|\s*\d+ +[\d.kMG]+ +\d+ .*:.*"
)


@frozen
class _Source:
    """A part of a document that has the variables of aws-node: what it is, and how to read it."""

    document: str
    read: Callable[[], ManifestVariables]


@define
class _Search:
    """What has been found in the documents: sources, answers of introspection, and whatever has no variables of aws-node."""

    sources: list[_Source] = Factory(list)
    answers: list[Mapping[str, Any]] = Factory(list)
    containers: list[str] = Factory(list)
    others: list[str] = Factory(list)

    def add(self, document: str, read: Callable[[], ManifestVariables]) -> None:
        self.sources.append(_Source(document, read))


def read_manifest(source: str | os.PathLike[str] | TextIO) -> ManifestVariables:
    """Read the variables of the aws-node container from a document.

    Raises:
        ManifestError: The document can't be read, or does not have exactly one aws-node container.
        MissingExtra: The document is YAML, and PyYAML is not installed.
    """
    text = read_text(source)
    try:
        return _read(_search(without_terminal(text)))
    except ManifestError as error:
        if isinstance(source, os.PathLike):
            raise ManifestError(f"{os.fspath(source)}: {error}") from error
        raise


def read_parsed(documents: Iterable[object]) -> ManifestVariables:
    """Read the variables of the aws-node container from documents that are parsed already.

    Raises:
        ManifestError: They don't have exactly one aws-node container.
    """
    return _read(_search_documents(documents, _Search()))


def _read(search: _Search) -> ManifestVariables:
    """Read the only source; note an IP version that it leaves open."""
    found = _choose(search).read()
    if "ENABLE_IPv4" in found.texts or "ENABLE_IPv6" in found.texts:
        return found
    return evolve(found, diagnostics=(*found.diagnostics, _IPV4_IS_ON))


def has_variables(document: object) -> bool:
    """Tell whether a parsed document has variables of the aws-node container."""
    search = _search_documents((document,), _Search())
    return bool(search.sources or search.answers)


def without_terminal(text: str) -> str:
    """Cut off the lines of a terminal that come before the output."""
    start = 0
    for line in text.splitlines(keepends=True):
        if line.strip() and not (len(line) <= _LONGEST_COMMAND and _TERMINAL.fullmatch(line.rstrip())):
            break
        start += len(line)
    return text[start:]


def _search(text: str) -> _Search:
    search = _Search()
    dumps = read_dumps(text)
    if dumps is not None:
        for dump in dumps:
            if dump.container == CONTAINER:
                search.add(dump.document, dump.finish)
            else:
                search.containers.append(shown(dump.container))
        return search
    return _search_documents(parse_documents(text), search)


def _search_documents(documents: Iterable[object], search: _Search) -> _Search:
    for document in documents:
        for item in flatten(document):
            if isinstance(item, Mapping):
                _search_mapping(search, item)
            elif isinstance(item, list):
                _search_list(search, item)
    return search


def _choose(search: _Search) -> _Source:
    """Return the only source.

    Raises:
        ManifestError: There is none, or more than one.
    """
    answers = search.answers
    sources = search.sources + ([_Source(INTROSPECTION, lambda: read_env_settings(answers))] if answers else [])
    if len(sources) == 1:
        return sources[0]
    if sources:
        found = _listed([each.document for each in sources])
        raise ManifestError(
            f"the manifest has {len(sources)} sources of the variables of {CONTAINER}: {found}; give only the one that you mean"
        )
    if search.containers:
        what = f"found containers {_listed(search.containers)}"
    else:
        what = "found no container at all" + (f", only {_listed(search.others)}" if search.others else "")
    raise ManifestError(f"no container named {CONTAINER}: {what}; {_GIVE}")


def _listed(names: list[str]) -> str:
    """List names in the order in which they came, each once."""
    once = list(dict.fromkeys(names))
    return ", ".join(once[:_MOST_SHOWN]) + (f" and {len(once) - _MOST_SHOWN} more" if len(once) > _MOST_SHOWN else "")


# --- shapes --------------------------------------------------------------------------------------------------------------


def flatten(document: object) -> Iterator[object]:
    """Yield the items of a List with their kind, or the document itself if it is no List."""
    if isinstance(document, Mapping) and isinstance(document.get("items"), list):
        kind = document.get("kind", "List")
        if isinstance(kind, str) and kind.endswith("List"):
            yield from (with_kind(item, kind) for item in document["items"])
            return
    yield document


def with_kind(item: object, list_kind: object) -> object:
    """Return an item of a list of some kind, such as `PodList`, with its own kind, which such items lack."""
    of_kind = isinstance(item, Mapping) and "kind" not in item and isinstance(list_kind, str) and list_kind != "List"
    return {"kind": str(list_kind).removesuffix("List"), **item} if of_kind and isinstance(item, Mapping) else item


def _search_list(search: _Search, entries: list[Any]) -> None:
    """Look at a list outside an object: a list of variables (`env`), of containers, or of objects."""
    mappings = [entry for entry in entries if isinstance(entry, Mapping)]
    if any("kind" in entry for entry in mappings):
        for entry in mappings:
            _search_mapping(search, entry)
    elif any("env" in entry or "image" in entry for entry in mappings):
        _search_containers(search, "list of containers", {"containers": entries})
    elif any("name" in entry and ("value" in entry or "valueFrom" in entry) for entry in mappings):
        search.add("list of variables", lambda: _read_container({"env": entries}, "list of variables"))


def _search_mapping(search: _Search, item: Mapping[Any, Any]) -> None:
    addon = find_addon(item)
    if is_other_addon(addon):
        search.others.append(describe_addon(addon))
    elif addon is not None:
        search.add(describe_addon(addon), lambda: read_addon(addon))
    elif is_cluster_config(item):
        search.add(describe_cluster_config(item), lambda: read_cluster_config(item))
    elif "kind" not in item and isinstance(item.get(CHART), Mapping):
        search.add(f"Helm values for {CHART}", lambda: read_chart_values(item[CHART]).finish(f"Helm values for {CHART}"))
    elif _is_container(item):
        _search_containers(search, "container", {"containers": [item]})
    elif is_chart_values(item):
        search.add("Helm values", lambda: read_chart_values(item).finish("Helm values"))
    elif "kind" not in item and is_env_settings(item):
        search.answers.append(item)
    else:
        _search_containers(search, _described(item), _pod_spec(item))
        search.others.append(_described(item))


def _is_container(item: Mapping[Any, Any]) -> bool:
    """Tell whether a mapping is a container by itself: it has a list of variables, and no key of Helm values beside it."""
    return "kind" not in item and isinstance(item.get("env"), list) and not is_chart_values(item)


def _described(item: Mapping[Any, Any]) -> str:
    """Say what an object is: DaemonSet kube-system/aws-node."""
    if "kind" not in item:
        if "env" in item or "extraEnv" in item:
            return "Helm values of another chart" if is_of_another_chart(item) else "Helm values without variables"
        return "an unknown mapping" if item else "an empty mapping"
    metadata = item.get("metadata")
    names = [metadata.get(key) for key in ("namespace", "name")] if isinstance(metadata, Mapping) else []
    full_name = "/".join(shown(name) for name in names if isinstance(name, str))
    if item["kind"] == "ConfigMap" and names[-1:] == ["amazon-vpc-cni"]:
        full_name += f" (its keys concern Windows nodes, network policies and branch ENIs, not the variables of {CONTAINER})"
    return f"{shown(item['kind'])} {full_name}".rstrip()


# --- containers ----------------------------------------------------------------------------------------------------------


def _pod_spec(item: Mapping[Any, Any]) -> Mapping[str, Any]:
    """Return the spec of a pod, or of the pod template of a DaemonSet or another kind; also where it has been cut out."""
    for key in ("spec", "template", "spec"):
        if isinstance(item.get(key), Mapping):
            item = item[key]
    return item


def _search_containers(search: _Search, owner: str, spec: Mapping[str, Any]) -> None:
    for key, role in (("containers", ""), ("initContainers", " (init)")):
        containers = spec.get(key)
        for container in containers if isinstance(containers, list) else ():
            if not isinstance(container, Mapping):
                continue
            name = container.get("name", CONTAINER if owner == "container" else None)
            if name == CONTAINER and not role:
                search.add(owner, lambda found=container: _read_container(found, owner))  # type: ignore[misc] # mypy can't infer it
            elif isinstance(name, str):
                search.containers.append(shown(name) + role)


def _read_container(container: Mapping[str, Any], document: str) -> ManifestVariables:
    reader = VariableReader()
    if container.get("env") is not None:
        read_env_list(reader, container["env"], f"env of container {CONTAINER}")
    if container.get("envFrom"):
        reader.note_env_from()
    return reader.finish(document)
