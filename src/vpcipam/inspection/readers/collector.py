"""Collects facts while files are read. Each reader gets a `Collector` and adds what a document shows."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import attrs

from vpcipam._units import counted
from vpcipam.address import address_text, parse_address
from vpcipam.ec2.api import Instance, NetworkInterface, Subnet, SubnetCidrReservation
from vpcipam.errors import InvalidAddress
from vpcipam.inspection.evidence import (
    CardState,
    CniNode,
    DocumentRead,
    EniConfig,
    EniState,
    EventObject,
    Evidence,
    Fact,
    KernelState,
    KubeletLimits,
    MetricSample,
    NodeObject,
    NodePod,
    PodObject,
    Skipped,
    Source,
)
from vpcipam.inspection.log.line import time_ns
from vpcipam.inspection.log.signs import LogSign
from vpcipam.inspection.releases import ANY_RELEASE, Releases
from vpcipam.journal.protocol import Assigned
from vpcipam.limits import InstanceLimits
from vpcipam.settings import Settings
from vpcipam.settings.documents import kind_of, shown

MOST_SKIPPED = 10_000
"""The most skipped parts that are listed. Later ones are counted."""
MOST_UNNAMED = 1_000
"""The most items in a row without an id, before the rest of a list is skipped."""
MOST_UNKNOWN = 1_000
"""The most items or documents in a row that no reader recognises, before the rest is skipped."""
CUT = "the text breaks off within it"
"""Why a part isn't read whose end is missing: what is left of it could say something that the whole doesn't."""

_Value = TypeVar("_Value")


@attrs.define
class Collector:
    """Facts so far, and where the reader is.

    Attributes:
        source: the document that is being read.
        cut_path: the path of the object in which that document breaks off; None if it is whole.
        before: what stands before the document on its line.
        eni_counts: how many of `enis` belong to each of `cards`.
    """

    source: Source = attrs.field(factory=lambda: Source(""))
    cut_path: str | None = None
    before: str = ""
    cards: list[Fact[CardState]] = attrs.field(factory=list)
    enis: list[Fact[EniState]] = attrs.field(factory=list)
    node_pods: list[Fact[NodePod]] = attrs.field(factory=list)
    allocations: list[Fact[Assigned]] = attrs.field(factory=list)
    network_interfaces: list[Fact[NetworkInterface]] = attrs.field(factory=list)
    instances: list[Fact[Instance]] = attrs.field(factory=list)
    subnets: list[Fact[Subnet]] = attrs.field(factory=list)
    reservations: list[Fact[SubnetCidrReservation]] = attrs.field(factory=list)
    instance_types: list[Fact[InstanceLimits]] = attrs.field(factory=list)
    settings: list[Fact[Settings]] = attrs.field(factory=list)
    nodes: list[Fact[NodeObject]] = attrs.field(factory=list)
    pods: list[Fact[PodObject]] = attrs.field(factory=list)
    events: list[Fact[EventObject]] = attrs.field(factory=list)
    eni_configs: list[Fact[EniConfig]] = attrs.field(factory=list)
    cni_nodes: list[Fact[CniNode]] = attrs.field(factory=list)
    kubelet_limits: list[Fact[KubeletLimits]] = attrs.field(factory=list)
    metrics: list[Fact[MetricSample]] = attrs.field(factory=list)
    log_signs: list[Fact[LogSign]] = attrs.field(factory=list)
    kernel_states: list[Fact[KernelState]] = attrs.field(factory=list)
    eni_counts: list[int] = attrs.field(factory=list)
    _documents: dict[tuple[object, ...], DocumentRead] = attrs.field(factory=dict)
    _skipped: list[Skipped] = attrs.field(factory=list)
    _unlisted_count: int = 0

    def fact(self, value: _Value, path: str = "", line: int | None = None) -> Fact[_Value]:
        """Return a value with its source: a path in the current document, or a line of the current file."""
        return Fact(value, self._place(path, line))

    def document(
        self,
        kind: str,
        *,
        releases: Releases = ANY_RELEASE,
        cannot_show: Iterable[str] = (),
        remarks: Iterable[str] = (),
        path: str = "",
    ) -> None:
        """Note what the current document is. Equal ones in one file count as one entry."""
        told = tuple(remarks)
        if releases.is_empty:
            told += ("no release writes all that is in it, so it was put together from several, or by hand",)
        key = (self.source.file, kind, releases, tuple(cannot_show), told)
        known = self._documents.get(key)
        if known is None:
            self._documents[key] = DocumentRead(self._place(path), kind, 1, *key[2:])
        else:
            self._documents[key] = attrs.evolve(known, count=known.count + 1)

    def skip(self, what: str, why: str, path: str = "", line: int | None = None, *, always: bool = False) -> None:
        """Note a part that is not read; `always` lists it even if there are many."""
        if len(self._skipped) >= MOST_SKIPPED and not always:
            self._unlisted_count += 1
            return
        self._skipped.append(Skipped(self._place(path, line), shown(what), why))

    def is_cut(self, path: str) -> bool:
        """Tell whether the text breaks off within the value at a path."""
        cut = self.cut_path
        return cut is not None and cut.startswith(path) and cut[len(path) : len(path) + 1] in ("", ".", "[")

    def evidence(self) -> Evidence:
        """Return what was collected."""
        skipped = tuple(self._skipped)
        if self._unlisted_count:
            last = skipped[-1].source
            told = counted(self._unlisted_count, "more part was", "more parts were")
            skipped += (Skipped(last, "more parts", f"{told} skipped; only the first are listed"),)
        found = {name: tuple(getattr(self, name)) for name in _FACTS}
        return Evidence(documents=tuple(self._documents.values()), skipped=skipped, **found)

    def _place(self, path: str, line: int | None = None) -> Source:
        return attrs.evolve(self.source, path=self.source.path + path, line=self.source.line if line is None else line)


_FACTS = {field.name for field in attrs.fields(Collector)} & {field.name for field in attrs.fields(Evidence)}


# --- members of documents ------------------------------------------------------------------------------------------------


def member(item: Mapping[str, Any], *names: str) -> Any:  # noqa: ANN401 - whatever is there
    """Return a member of a member, None if it is missing or on the way to it is no mapping."""
    found: Any = item
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def text_at(item: Mapping[str, Any], *names: str) -> str:
    """Return a text, empty if it is missing or no text."""
    found = member(item, *names)
    return found if isinstance(found, str) else ""


def flag_at(item: Mapping[str, Any], *names: str) -> bool | None:
    """Return a boolean, None if it is missing or none."""
    found = member(item, *names)
    return found if isinstance(found, bool) else None


def count_at(item: Mapping[str, Any], *names: str) -> int | None:
    """Return a whole number of at most 64 bits, 0 or more, also where it is written as text; None for anything else."""
    found = member(item, *names)
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 19:
        return int(found)
    return found if type(found) is int and 0 <= found < 1 << 63 else None


def mappings(value: object) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the mappings of a list, with their numbers; empty for anything else."""
    return [(number, each) for number, each in enumerate(value) if isinstance(each, Mapping)] if isinstance(value, list) else []


def pairs(value: object) -> tuple[tuple[str, str], ...]:
    """Return the names and texts of a mapping, sorted."""
    items = value.items() if isinstance(value, Mapping) else ()
    return tuple(sorted((name, each) for name, each in items if isinstance(name, str) and isinstance(each, str)))


def address_at(text: object) -> str | None:
    """Return an address as the library writes it; None if it is unreadable, such as `10.x.x.x`."""
    if not isinstance(text, str):
        return None
    try:
        version = 6 if ":" in text else 4
        return address_text(parse_address(text, version), version)
    except InvalidAddress:
        return None


def time_ns_at(item: Mapping[str, Any], *names: str) -> int | None:
    """Return a time in Unix nanoseconds; None if it is missing or unreadable. Go writes the year 1 for a time that was never set.

    >>> time_ns_at({"at": "1970-01-01T00:00:01.5Z"}, "at"), time_ns_at({"at": "0001-01-01T00:00:00Z"}, "at"), time_ns_at({}, "at")
    (1500000000, None, None)
    """
    return time_ns(text_at(item, *names))


def unreadable(value: object) -> str:
    """Show a value that can't be read: a text as it is, anything else by its kind."""
    return repr(shown(value)) if isinstance(value, str) else kind_of(value)
