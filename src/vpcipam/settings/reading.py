"""The variables that a document gives: `VariableReader` collects them, and `ManifestVariables` is the result."""

import re
from collections.abc import Mapping

from attrs import Factory, define, frozen

from vpcipam.errors import ManifestError
from vpcipam.settings.diagnostics import Diagnostic, Level, diagnose_name
from vpcipam.settings.documents import kind_of, shown
from vpcipam.settings.variables import VARIABLES, scalar_text

CONTAINER = "aws-node"
MOST_VARIABLES = 1_000  # a real container has about 30

_FIELDS = {"name", "value", "valueFrom"}
_REFERENCE = re.compile(r"\$\([^()]+\)")


@frozen
class ManifestVariables:
    """The variables of the aws-node container, as a document gives them.

    Attributes:
        document: What was read, in words, such as `Helm values` or `DaemonSet kube-system/aws-node`.
        texts: The text of each variable. Helm values and their like apply on top of the shipped manifest, and its variables are here too.
        own: The names of the variables that the document itself sets.
        diagnostics: Remarks about how the document is written.
    """

    document: str
    texts: Mapping[str, str]
    own: frozenset[str]
    diagnostics: tuple[Diagnostic, ...]


@define
class VariableReader:
    """Collects the variables of a document.

    Attributes:
        texts: The variables so far; at first those to which the document adds.
        own: The variables that the document has set.
        diagnostics: The remarks so far.
    """

    texts: dict[str, str] = Factory(dict)
    own: set[str] = Factory(set)
    diagnostics: list[Diagnostic] = Factory(list)
    _counts: dict[str, int] = Factory(dict)

    def finish(self, document: str) -> ManifestVariables:
        """Return what was read, with each remark once."""
        return ManifestVariables(document, dict(self.texts), frozenset(self.own), tuple(dict.fromkeys(self.diagnostics)))

    def note(self, name: str, level: Level, message: str, suggestion: str = "") -> None:
        """Add a diagnostic."""
        self.diagnostics.append(Diagnostic(name, level, message, suggestion))

    def set(self, name: str, text: str) -> None:
        """Set a variable; the last text of a name counts."""
        self._replace(name)
        self.texts[name] = text
        self.own.add(name)
        reference = _REFERENCE.search(text)
        if reference and _acts_on_addresses(name):
            message = f"Kubernetes replaces {shown(reference[0])}; the text is read as it stands"
            self.note(name, "warning", message, "write the value itself")

    def set_elsewhere(self, name: str) -> None:
        """Note that the value of a variable stands in another object."""
        self._replace(name)
        unknown = diagnose_name(name)
        if unknown is not None:
            self.diagnostics.append(unknown)
        elif _acts_on_addresses(name):
            self.note(name, "warning", "takes its value from elsewhere (valueFrom); it counts as not set", "give its value here")

    def note_env_from(self) -> None:
        """Note that the container takes more variables from elsewhere."""
        self.note("envFrom", "warning", "takes more variables from elsewhere; they are not in the manifest", "set them one by one")

    def remove(self, name: str) -> None:
        """Take a variable away."""
        self.texts.pop(name, None)
        self.own.discard(name)

    def _replace(self, name: str) -> None:
        count = self._counts[name] = self._counts.get(name, 0) + 1
        if len(self._counts) > MOST_VARIABLES:
            raise ManifestError(
                f"more than {MOST_VARIABLES:,} variables are set, too many for one container; give the {CONTAINER} DaemonSet"
            )
        if count == 2:
            self.note(name, "warning", "is set more than once; the last value counts", "remove the others")
        self.remove(name)


def _acts_on_addresses(name: str) -> bool:
    return name in VARIABLES and VARIABLES[name].acts_on_addresses


def read_env_list(reader: VariableReader, entries: object, place: str) -> None:
    """Read the `env` list of a container as Kubernetes does: only texts count, and the last of a repeated name counts.

    Raises:
        ManifestError: It is no list, or an entry has no name.
    """
    if not isinstance(entries, list):
        raise ManifestError(f"{place} must be a list of names and values, not {kind_of(entries)}")
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, Mapping):
            raise ManifestError(f"entry {number} of {place} must be a mapping with name and value, not {kind_of(entry)}")
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            raise ManifestError(f"entry {number} of {place} must have a name, as text")
        unknown = [field for field in entry if field not in _FIELDS]
        if unknown:
            reader.note(name, "warning", f"has the field {shown(unknown[0])}, which Kubernetes does not know", "write value or valueFrom")
        if entry.get("valueFrom") is None:
            reader.set(name, _text_value(reader, name, entry.get("value")))
            continue
        if entry.get("value"):
            reader.note(name, "error", "Kubernetes refuses an entry with both value and valueFrom", "remove one of the two")
        reader.set_elsewhere(name)


def _text_value(reader: VariableReader, name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    text = render(value)
    example = f'write value: "{text}"' if text else "write the value as text, in quotes"
    reader.note(name, "error", f"Kubernetes refuses the value, {kind_of(value)}: values must be text", example)
    return text


def render(value: object) -> str:
    """Write a scalar as Helm and Kubernetes would: true, not True; 5, not 5.0. A list or a mapping, which can be huge, gives no text."""
    return "" if isinstance(value, list | Mapping) else scalar_text(value)
