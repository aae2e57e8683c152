"""Read the variables of the aws-node container from a manifest.

A manifest is an object of Kubernetes (a DaemonSet, several documents, a List, a bare list of variables), or values for Helm or EKS (a
mapping `env`, which applies on top of the chart's defaults). PyYAML is imported only to read YAML; JSON needs no extra.
"""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from attrs import Factory, define

from vpcipam.errors import ManifestError, MissingExtra, file_trouble
from vpcipam.settings.diagnostics import Diagnostic, diagnose_name
from vpcipam.settings.variables import SHIPPED, VARIABLES

CONTAINER = "aws-node"

MAX_LENGTH = 1 << 20
"""The longest manifest that is read, in characters; Kubernetes' own limit is slightly higher."""

_TOO_DEEP = "the manifest is nested too deeply to be read"


@define
class ManifestVariables:
    """The variables of the aws-node container, and diagnostics of how they are written.

    Attributes:
        own: The names that the document itself sets; the texts of the others are those of the shipped manifest.
    """

    texts: dict[str, str] = Factory(dict)
    diagnostics: list[Diagnostic] = Factory(list)
    own: set[str] = Factory(set)

    def note(self, name: str, level: str, message: str, suggestion: str = "") -> None:
        """Add a diagnostic."""
        self.diagnostics.append(Diagnostic(name, level, message, suggestion))  # type: ignore[arg-type] # Diagnostic checks the level


def read_manifest(source: str | os.PathLike[str] | TextIO) -> ManifestVariables:
    """Read the variables of the aws-node container from a manifest.

    Raises:
        ManifestError: The manifest can't be read, or does not have exactly one aws-node container.
        MissingExtra: The manifest is YAML, and PyYAML is not installed.
    """
    text = _read_text(source)
    try:
        return _variables(text)
    except ManifestError as error:
        if isinstance(source, os.PathLike):
            raise ManifestError(f"{os.fspath(source)}: {error}") from error
        raise


def _variables(text: str) -> ManifestVariables:
    documents = _parse(text)
    objects = [item for document in documents for item in _flatten(document)]
    found = [env for item in objects for env in _find(item)]
    if len(found) > 1:
        raise ManifestError(f"the manifest has {len(found)} containers named {CONTAINER}; give only the one that you mean")
    if not found:
        names = [name for item in objects for name in _container_names(item)]
        what = f"found containers {', '.join(names)}" if names else "found no container at all"
        raise ManifestError(
            f"no container named {CONTAINER}: {what}; give the aws-node DaemonSet, its `env` list, or Helm values with a mapping `env`"
        )
    return found[0]


# --- text ----------------------------------------------------------------------------------------------------------------


def _read_text(source: str | os.PathLike[str] | TextIO) -> str:
    if isinstance(source, str):
        if "\n" not in source and source.rstrip().endswith((".yaml", ".yml", ".json")):
            raise ManifestError(
                f"{source!r} looks like the name of a file, not like a manifest; to read a file, give pathlib.Path({source!r})"
            )
        text = source
    elif isinstance(source, os.PathLike):
        try:
            with open(source, encoding="utf-8-sig") as file:  # noqa: PTH123 - not every PathLike is a Path
                text = file.read(MAX_LENGTH + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"can't read {os.fspath(source)}: {file_trouble(error)}") from error
    elif hasattr(source, "read"):
        text = source.read(MAX_LENGTH + 1)
    else:
        raise TypeError(f"a manifest must be text, a path or a text stream, not {type(source).__name__}")
    if not isinstance(text, str):
        raise TypeError(f"a manifest's stream must give text, not {type(text).__name__}; open the file in text mode")
    if len(text) > MAX_LENGTH:
        raise ManifestError(f"the manifest is longer than {MAX_LENGTH:,} characters; give the aws-node DaemonSet alone")
    return text


def _parse(text: str) -> list[Any]:
    """Read the documents: JSON if possible, else YAML."""
    json_error = None
    if text.lstrip()[:1] in ("{", "["):
        try:
            return [json.loads(text)]
        except ValueError as error:
            json_error = error  # YAML can begin like this too
        except RecursionError as error:
            raise ManifestError(_TOO_DEEP) from error
    try:
        import yaml  # noqa: PLC0415 - an extra that the rest of the library does not need
    except ImportError as error:
        if json_error is not None:
            raise ManifestError(f"the manifest is not JSON: {json_error} (if it is YAML: pip install 'vpcipam[cli]')") from json_error
        raise MissingExtra("reading a YAML manifest needs PyYAML: pip install 'vpcipam[cli]' (a manifest in JSON needs nothing)") from error
    try:
        return list(yaml.load_all(text, _loader(yaml)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ManifestError(f"the manifest is not YAML{where}: {error.problem or error.context}") from error
    except RecursionError as error:
        raise ManifestError(_TOO_DEEP) from error
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:  # an impossible date, a number too long, a control character
        raise ManifestError(f"the manifest is not YAML: {error}") from error


def _loader(yaml: Any) -> Any:  # noqa: ANN401 - the module yaml, and a class of it
    """Return PyYAML's safe loader, without whole numbers that Python could read but not write: a hexadecimal one can have any length."""

    class Loader(yaml.SafeLoader):  # type: ignore[misc] # yaml is a value here
        """The safe loader."""

    def integer(loader: Any, node: Any) -> int:  # noqa: ANN401 - of yaml
        if len(node.value) > _LONGEST_NUMBER:
            message = f"a number of {len(node.value):,} characters; if it is a text, put it in quotes"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
        number: int = loader.construct_yaml_int(node)
        return number

    Loader.add_constructor("tag:yaml.org,2002:int", integer)
    return Loader


_LONGEST_NUMBER = 100


# --- shapes --------------------------------------------------------------------------------------------------------------


def _flatten(document: object) -> Iterator[object]:
    """Yield the items of a List, or the document itself if it is no List."""
    if isinstance(document, Mapping) and isinstance(document.get("items"), list) and str(document.get("kind", "List")).endswith("List"):
        yield from document["items"]
    else:
        yield document


def _find(item: object) -> Iterator[ManifestVariables]:
    """Find the variables in one object."""
    if isinstance(item, list):
        if item and all(isinstance(entry, Mapping) and "name" in entry for entry in item):
            yield _read_env_list(item)
    elif isinstance(item, Mapping):
        if "kind" not in item and isinstance(item.get("env"), Mapping):
            yield _read_values(item["env"])
        elif "kind" not in item and isinstance(item.get("env"), list):
            yield _read_container(item)
        else:
            for container in _containers(item, "containers"):
                if container.get("name") == CONTAINER:
                    yield _read_container(container)


def _containers(item: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return the containers of a pod, or of a DaemonSet or another kind with a pod template."""
    spec = _mapping(item.get("spec"))
    if "template" in spec:
        spec = _mapping(_mapping(spec["template"]).get("spec"))
    containers = spec.get(key)
    return [container for container in containers if isinstance(container, Mapping)] if isinstance(containers, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _container_names(item: object) -> list[str]:
    if not isinstance(item, Mapping):
        return []
    names = [str(container.get("name")) for container in _containers(item, "containers")]
    return names + [f"{container.get('name')} (init)" for container in _containers(item, "initContainers")]


# --- variables -----------------------------------------------------------------------------------------------------------


def _read_container(container: Mapping[str, Any]) -> ManifestVariables:
    entries = container.get("env")
    if entries is not None and not isinstance(entries, list):
        raise ManifestError(f"env of container {CONTAINER} must be a list of names and values, not {_kind(entries)}")
    found = _read_env_list(entries or [])
    if container.get("envFrom"):
        found.note("envFrom", "warning", "takes more variables from elsewhere; they are not in the manifest", "set them one by one")
    return found


def _read_env_list(entries: list[Any]) -> ManifestVariables:
    """Read the `env` of a container as Kubernetes does: only texts count, and the last of a repeated name wins."""
    found = ManifestVariables()
    seen: set[str] = set()
    for number, entry in enumerate(entries, 1):
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or not name:
            raise ManifestError(f"entry {number} of env of container {CONTAINER} must have a name, as text; it is {_kind(entry)}")
        if name in seen:
            found.note(name, "warning", "is set more than once; Kubernetes takes the last value", "remove the others")
        seen.add(name)
        found.own.add(name)
        found.texts.pop(name, None)
        if "valueFrom" in entry:
            unknown = diagnose_name(name)
            if unknown is not None:
                found.diagnostics.append(unknown)
            elif name in VARIABLES and VARIABLES[name].acts_on_addresses:
                found.note(name, "warning", "takes its value from elsewhere (valueFrom); it counts as not set", "give its value here")
        else:
            found.texts[name] = _read_text_value(found, name, entry.get("value"))
    return found


def _read_text_value(found: ManifestVariables, name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    text = _render(value)
    found.note(name, "error", f"Kubernetes refuses the value, {_kind(value)}: values must be text", f'write value: "{text}"')
    return text


def _read_values(values: Mapping[Any, Any]) -> ManifestVariables:
    """Read `env` of Helm values, on top of the chart's defaults: a scalar becomes a text, null removes a default."""
    found = ManifestVariables(dict(SHIPPED), own={name for name in values if isinstance(name, str)})
    for name, value in values.items():
        if not isinstance(name, str):
            raise ManifestError(f"env has a name that is {_kind(name)}, not text; put it in quotes: {name!r}")
        if value is None:
            found.texts.pop(name, None)
        elif isinstance(value, Mapping | list):
            found.note(name, "error", f"the value is {_kind(value)}, not text", "put it in quotes")
        else:
            found.texts[name] = _render(value)
    return found


def _render(value: object) -> str:
    """Write a value as Helm and Kubernetes would: true, not True; 5, not 5.0."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _kind(value: object) -> str:
    """Name the kind of a value for an error message."""
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping", type(None): "nothing"}
    return names.get(type(value), f"a {type(value).__name__}")
