"""Checkpoints as ipamd writes them (`vpc-cni-ipam/1`), and the list of cooldowns beside: text to values and back, entry by entry."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import NoReturn

import attrs

from vpcipam.journal.candidates import RepeatedMembers, UnreadableError, judge, read_candidate, read_cooling
from vpcipam.journal.protocol import Assigned, Cooling, Problem, later_cooldowns

CHECKPOINT_VERSION = "vpc-cni-ipam/1"
COOLDOWNS_VERSION = "vpcipam-cooldown/1"


# --- any document with a list of entries ---------------------------------------------------------------------------------


@attrs.frozen
class Entry:
    """One entry of the list: its number from 1, the offset at which it stands, its text and what that says."""

    number: int
    offset: int
    text: str
    value: object


@attrs.frozen
class Broken:
    """Where a document breaks off: the offset, and what is wrong there."""

    offset: int
    message: str


@attrs.frozen
class Document:
    """A document with a list of entries, as far as it can be read.

    Attributes:
        entries: those of the list that are whole.
        others: the other members, each by name with its text and what that says, in their order.
        broken: where it breaks off, None where it is whole.
    """

    text: str
    entries: tuple[Entry, ...]
    others: Mapping[str, tuple[str, object]]
    broken: Broken | None

    def place(self, offset: int) -> str:
        """Say where an offset is, by line and column as editors count them, from 1."""
        begin = self.text.rfind("\n", 0, offset) + 1
        line = self.text.count("\n", 0, offset) + 1
        return f"line {line}, column {offset - begin + 1}"


class _BreaksOffError(Exception):
    """The document can't be read beyond an offset."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.broken = Broken(offset, message)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else RepeatedMembers(members)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number in JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number)
_SPACE = re.compile(r"[ \t\r\n]*")


class _Scanner:
    """Reads JSON value by value, and knows where each stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.offset = 0

    def peek(self) -> str:
        """The next character that is no space, empty at the end."""
        space = _SPACE.match(self.text, self.offset)
        assert space is not None, "it matches nothing too"  # noqa: S101  # for the type checker
        self.offset = space.end()
        return self.text[self.offset : self.offset + 1]

    def take(self, *wanted: str) -> str:
        """Step over one of some characters."""
        found = self.peek()
        if found not in wanted:
            raise _BreaksOffError(self.offset, f"{' or '.join(wanted)} is missing{'' if found else ': the file ends here'}")
        self.offset += 1
        return found

    def value(self) -> tuple[int, str, object]:
        """Step over a value; return where it begins, its text and what it says."""
        self.peek()
        begin = self.offset
        try:
            value, self.offset = _DECODER.raw_decode(self.text, begin)
        except RecursionError:
            raise _BreaksOffError(begin, "it is nested too deeply") from None
        except ValueError as error:
            if not isinstance(error, json.JSONDecodeError):
                raise _BreaksOffError(begin, str(error)) from None
            what = error.msg.removesuffix(" at").removesuffix(" starting")
            raise _BreaksOffError(error.pos, what[:1].lower() + what[1:]) from None
        return begin, self.text[begin : self.offset], value


def read_document(data: bytes, list_name: str) -> Document:
    """Read a document whose list of entries has a certain name; what of it is broken is left out, and said."""
    text = data.decode("utf-8", "surrogateescape")
    scanner = _Scanner(text)
    entries: list[Entry] = []
    others: dict[str, tuple[str, object]] = {}
    broken = None
    try:
        _read_members(scanner, list_name, entries, others)
    except _BreaksOffError as error:
        broken = error.broken
    return Document(text, tuple(entries), others, broken)


def _read_members(scanner: _Scanner, list_name: str, entries: list[Entry], others: dict[str, tuple[str, object]]) -> None:
    seen: set[object] = set()
    separator = scanner.take("{")
    while separator != "}":
        begin, _, name = scanner.value()
        if not isinstance(name, str) or name in seen:
            raise _BreaksOffError(begin, f"{name!r} stands here, where a member's name is due that was not there before")
        seen.add(name)
        scanner.take(":")
        if name == list_name and scanner.peek() == "[":
            _read_entries(scanner, entries)
        else:
            begin, text, value = scanner.value()
            if name != list_name:
                others[name] = (text, value)
            elif value is not None:  # Go writes null for a list that was never made
                raise _BreaksOffError(begin, f"{list_name} is no list")
        separator = scanner.take(",", "}")
    if scanner.peek():
        raise _BreaksOffError(scanner.offset, "something follows where the document has ended")
    if list_name not in seen:
        raise _BreaksOffError(0, f"there is no {list_name}")


def _read_entries(scanner: _Scanner, entries: list[Entry]) -> None:
    separator = scanner.take("[")
    if scanner.peek() == "]":
        scanner.take("]")
        return
    while separator != "]":
        entries.append(Entry(len(entries) + 1, *scanner.value()))
        separator = scanner.take(",", "]")


def write_document(version: str, list_name: str, entries: Iterable[str], others: Mapping[str, str] | None = None) -> bytes:
    """Write a document as Go's encoder does: without spaces, and with a line feed at the end; then members of others' making."""
    rest = "".join(f",{go_string(name)}:{text}" for name, text in (others or {}).items())
    return f'{{"version":{go_string(version)},"{list_name}":[{",".join(entries)}]{rest}}}\n'.encode("utf-8", "surrogateescape")


def go_string(text: str) -> str:
    r"""Write a text as Go's encoding/json does, which also escapes what would mean something in HTML or end a line of JavaScript.

    >>> go_string("<web> & more")
    '"\\u003cweb\\u003e \\u0026 more"'
    """
    return _GO_ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


_GO_ESCAPED = re.compile("[<>&\u2028\u2029]")


# --- allocations ---------------------------------------------------------------------------------------------------------


def allocation_text(assigned: Assigned, interfaces_count: int) -> str:
    """Write an allocation as ipamd does: fields in its order, empty metadata left out."""
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


@attrs.frozen
class Allocations:
    """The allocations of a checkpoint.

    Attributes:
        assigned: those that can be taken as they stand, each with its text; no two name one sandbox or one address.
        problems: the others, each with its text.
    """

    assigned: tuple[tuple[Assigned, str], ...]
    problems: tuple[tuple[Problem, str], ...]


def read_allocations(document: Document) -> Allocations:
    """Tell allocations that can be taken as they stand from those that can't, be it since they contradict each other."""
    candidates = [read_candidate(f"allocation {_place(document, entry)}", _legible(entry.text), entry.value) for entry in document.entries]
    assigned, problems = [], []
    for entry, verdict in zip(document.entries, judge(candidates), strict=True):
        if isinstance(verdict, Problem):
            problems.append((verdict, entry.text))
        else:
            assigned.append((verdict, entry.text))
    return Allocations(tuple(assigned), tuple(problems))


def _place(document: Document, entry: Entry) -> str:
    return f"{entry.number} ({document.place(entry.offset)})"


def _legible(text: str) -> str:
    """Make a text that can be printed of one that may hold bytes which are no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


# --- cooldowns -----------------------------------------------------------------------------------------------------------


def cooldown_text(cooling: Cooling) -> str:
    """Write a cooldown."""
    released = "" if cooling.released_ns is None else f',"releasedTimestamp":{cooling.released_ns:d}'
    return f'{{"address":{go_string(cooling.address)},"untilTimestamp":{cooling.until_ns:d}{released}}}'


def read_cooldowns(document: Document) -> tuple[tuple[Cooling, ...], tuple[Problem, ...]]:
    """Read the cooldowns, of two of one address the later; and say which can't be read."""
    cooldowns: dict[str, Cooling] = {}
    problems = []
    for entry in document.entries:
        try:
            cooldowns.update(later_cooldowns((read_cooling(entry.value),), (), cooldowns))
        except UnreadableError as error:
            problems.append(Problem(f"cooldown {_place(document, entry)}", str(error), None, None, _legible(entry.text)))
    return tuple(cooldowns.values()), tuple(problems)
