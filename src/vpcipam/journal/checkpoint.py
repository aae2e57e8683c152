"""Reads and writes checkpoints as ipamd does (`vpc-cni-ipam/1`), and the file of cooldowns beside them, entry by entry."""

import hashlib
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NoReturn, TypeVar

import attrs

from vpcipam.journal.allocations import (
    RepeatedMembers,
    UnreadableError,
    find_contradictions,
    parse_allocation,
    parse_cooling,
    parse_released_cidr,
)
from vpcipam.journal.protocol import Assigned, Cooling, Problem, ReleasedCidr, later_cooldowns

_Value = TypeVar("_Value")

CHECKPOINT_VERSION = "vpc-cni-ipam/1"
COOLDOWNS_VERSION = "vpcipam-cooldown/1"


# --- documents with a list of entries ----------------------------------------------------------------------------------


@attrs.frozen
class Entry:
    """One entry of the list: its number from 1, its offset in the document, its text and its content."""

    number: int
    offset: int
    text: str
    value: object


class BrokenDocumentError(Exception):
    """A document is unreadable after an offset."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(offset, message)  # pickle passes these to a copy
        self.offset = offset
        self.message = message


@attrs.frozen
class Document:
    """The readable part of a document with a list of entries.

    Attributes:
        entries: the complete entries of the list.
        others: the other members by name, in their order, each with its text and its content.
        broken: where and why the readable part ends; None if the whole document is readable.
    """

    text: str
    entries: tuple[Entry, ...]
    others: Mapping[str, tuple[str, object]]
    broken: BrokenDocumentError | None
    _begins: Sequence[int] = attrs.field(
        init=False, default=attrs.Factory(lambda self: (0, *(found.end() for found in re.finditer("\n", self.text))), takes_self=True)
    )

    def place(self, offset: int) -> str:
        """Return the line and column of an offset, counted from 1."""
        line = bisect_right(self._begins, offset)
        return f"line {line}, column {offset - self._begins[line - 1] + 1}"


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else RepeatedMembers(members)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
_SPACE = re.compile(r"[ \t\r\n]*")


class _Scanner:
    """Reads JSON value by value, with the offset of each."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.offset = 0

    def peek(self) -> str:
        """Return the next character that is not whitespace, empty at the end."""
        space = _SPACE.match(self.text, self.offset)
        assert space is not None, "it also matches the empty text"  # noqa: S101  # for the type checker
        self.offset = space.end()
        return self.text[self.offset : self.offset + 1]

    def take(self, *wanted: str) -> str:
        """Consume one of the wanted characters and return it."""
        found = self.peek()
        if found not in wanted:
            raise BrokenDocumentError(self.offset, f"{' or '.join(wanted)} is missing{'' if found else ': the file ends here'}")
        self.offset += 1
        return found

    def value(self) -> tuple[int, str, object]:
        """Consume a value; return its offset, its text and its content."""
        self.peek()
        begin = self.offset
        try:
            value, self.offset = _DECODER.raw_decode(self.text, begin)
        except RecursionError:
            raise BrokenDocumentError(begin, "it is nested too deeply") from None
        except ValueError as error:
            if not isinstance(error, json.JSONDecodeError):
                raise BrokenDocumentError(begin, str(error)) from None
            what = error.msg.removesuffix(" at").removesuffix(" starting")
            raise BrokenDocumentError(error.pos, what[:1].lower() + what[1:]) from None
        return begin, self.text[begin : self.offset], value


def read_document(data: bytes, list_name: str) -> Document:
    """Read a document as far as it is readable. `list_name` is the name of its list of entries."""
    text = data.decode("utf-8", "surrogateescape")
    scanner = _Scanner(text)
    entries: list[Entry] = []
    others: dict[str, tuple[str, object]] = {}
    broken = None
    try:
        _read_members(scanner, list_name, entries, others)
    except BrokenDocumentError as error:
        broken = error
    return Document(text, tuple(entries), others, broken)


def _read_members(scanner: _Scanner, list_name: str, entries: list[Entry], others: dict[str, tuple[str, object]]) -> None:
    seen: set[object] = set()
    separator = scanner.take("{")
    while separator != "}":
        begin, _, name = scanner.value()
        if not isinstance(name, str) or name in seen:
            raise BrokenDocumentError(begin, f"{name!r} is here instead of a new member name")
        seen.add(name)
        scanner.take(":")
        if name == list_name and scanner.peek() == "[":
            _read_entries(scanner, entries)
        else:
            begin, text, value = scanner.value()
            if name != list_name:
                others[name] = (text, value)
            elif value is not None:  # Go writes null for a list that was never created
                raise BrokenDocumentError(begin, f"{list_name} is not a list")
        separator = scanner.take(",", "}")
    if scanner.peek():
        raise BrokenDocumentError(scanner.offset, "there is more text after the end of the document")
    if list_name not in seen:
        raise BrokenDocumentError(0, f"there is no {list_name}")


def _read_entries(scanner: _Scanner, entries: list[Entry]) -> None:
    separator = scanner.take("[")
    if scanner.peek() == "]":
        scanner.take("]")
        return
    while separator != "]":
        entries.append(Entry(len(entries) + 1, *scanner.value()))
        separator = scanner.take(",", "]")


def write_document(version: str, list_name: str, entries: Iterable[str], others: Mapping[str, str] | None = None) -> bytes:
    """Write a document as Go's encoder does: without spaces, with a final line feed. `others` are the other members, as text."""
    rest = "".join(f",{go_string(name)}:{text}" for name, text in (others or {}).items())
    return f'{{"version":{go_string(version)},"{list_name}":[{",".join(entries)}]{rest}}}\n'.encode("utf-8", "surrogateescape")


def go_string(text: str) -> str:
    r"""Write a text as Go's encoding/json does: it also escapes <, >, & and JavaScript's line separators.

    >>> go_string("<web> & more")
    '"\\u003cweb\\u003e \\u0026 more"'
    """
    return _GO_ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


_GO_ESCAPED = re.compile("[<>&\u2028\u2029]")


# --- allocations ---------------------------------------------------------------------------------------------------------


def allocation_text(assigned: Assigned, interfaces_count: int) -> str:
    """Write an allocation as ipamd does: fields in its order, without empty metadata."""
    key, pod = assigned.key, assigned.pod
    metadata = {"k8sPodNamespace": pod and pod.namespace, "k8sPodName": pod and pod.name}
    written = [f'"{name}":{go_string(value)}' for name, value in metadata.items() if value]
    if interfaces_count:
        written.append(f'"interfacesCount":{interfaces_count}')
    version = 6 if ":" in assigned.address else 4
    return (
        f'{{"networkName":{go_string(key.network_name)},"containerID":{go_string(key.container_id)},"ifName":{go_string(key.if_name)},'
        f'"ipv{version}":{go_string(assigned.address)},"allocationTimestamp":{assigned.assigned_ns:d},"metadata":{{{",".join(written)}}}}}'
    )


def read_allocations(document: Document) -> list[tuple[Assigned | Problem, str]]:
    """Read the allocations of a checkpoint, each with its text. No two `Assigned` name the same sandbox or address."""
    found = find_contradictions([_allocation(document, entry) for entry in document.entries])
    return [(each, entry.text) for each, entry in zip(found, document.entries, strict=True)]


def _allocation(document: Document, entry: Entry) -> tuple[str, str, Assigned | Problem]:
    """Read an allocation; return its place, its text and its content."""
    place, text = f"allocation {_place(document, entry)}", _legible(entry.text)
    return place, text, parse_allocation(place, text, entry.value)


def _place(document: Document, entry: Entry) -> str:
    return f"{entry.number} ({document.place(entry.offset)})"


def _legible(text: str) -> str:
    """Replace the bytes of a text that are not UTF-8, so that it can be printed."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


# --- the file of cooldowns -----------------------------------------------------------------------------------------------


@attrs.frozen
class CooldownFile:
    """The content of the file beside a checkpoint.

    Attributes:
        cooling: by address.
        released_cidrs: by CIDR.
        pending: cooldowns that replace `cooling` if the checkpoint has this SHA-256 digest. A change of both files writes them first, so
            that the write of the checkpoint decides about both.
    """

    cooling: Mapping[str, Cooling]
    released_cidrs: Mapping[str, ReleasedCidr]
    pending: tuple[str, Mapping[str, Cooling]] | None = None

    def write(self) -> bytes:
        """Write the file."""
        others = {}
        if self.released_cidrs:
            others["releasedCidrs"] = f"[{','.join(map(_released_cidr_text, self.released_cidrs.values()))}]"
        if self.pending is not None:
            digest, cooling = self.pending
            others["pending"] = f'{{"checkpoint":{go_string(digest)},"cooldowns":[{",".join(map(_cooldown_text, cooling.values()))}]}}'
        return write_document(COOLDOWNS_VERSION, "cooldowns", map(_cooldown_text, self.cooling.values()), others)


def digest_of(checkpoint: bytes) -> str:
    """Return the digest by which `CooldownFile.pending` names a checkpoint."""
    return hashlib.sha256(checkpoint).hexdigest()


def _cooldown_text(cooling: Cooling) -> str:
    released = "" if cooling.released_ns is None else f',"releasedTimestamp":{cooling.released_ns:d}'
    return f'{{"address":{go_string(cooling.address)},"untilTimestamp":{cooling.until_ns:d}{released}}}'


def _released_cidr_text(released: ReleasedCidr) -> str:
    return f'{{"cidr":{go_string(released.cidr)},"untilTimestamp":{released.until_ns:d}}}'


def read_cooldown_file(document: Document) -> tuple[CooldownFile, tuple[Problem, ...]]:
    """Return the content of a file of cooldowns, and the problems with the entries that can't be read."""
    problems: list[Problem] = []
    listed = ((_place(document, entry), entry.text, entry.value) for entry in document.entries)
    cooling = _last_of_each(_readable("cooldown", listed, parse_cooling, problems))
    released = _readable("released CIDR", _members(document.others.get("releasedCidrs", ("", []))[1]), parse_released_cidr, problems)
    pending = None
    value = document.others.get("pending", ("", None))[1]
    if isinstance(value, dict):
        pending = (
            str(value.get("checkpoint")),
            _last_of_each(_readable("pending cooldown", _members(value.get("cooldowns")), parse_cooling, problems)),
        )
    return CooldownFile(cooling, {each.cidr: each for each in released}, pending), tuple(problems)


def _members(value: object) -> Iterator[tuple[str, str, object]]:
    """Return the members of a list, each with its place and its text; a value that is no list is the only member."""
    for number, each in enumerate(value if isinstance(value, list) else [value], 1):
        yield str(number), json.dumps(each), each


def _readable(
    kind: str, entries: Iterable[tuple[str, str, object]], parse: Callable[[object], _Value], problems: list[Problem]
) -> list[_Value]:
    """Read entries, each given as place, text and content; add the problems with those that can't be read."""
    values = []
    for place, text, value in entries:
        try:
            values.append(parse(value))
        except UnreadableError as error:
            problems.append(Problem(f"{kind} {place}", str(error), None, None, _legible(text)))
    return values


def _last_of_each(cooling: Iterable[Cooling]) -> dict[str, Cooling]:
    """Return the last cooldown of each address."""
    cooldowns: dict[str, Cooling] = {}
    for each in cooling:
        cooldowns.update(later_cooldowns((each,), (), cooldowns))
    return cooldowns
