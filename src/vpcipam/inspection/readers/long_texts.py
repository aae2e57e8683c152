"""Reads long texts of JSON item by item, so that only one item has to be in memory: answers of EC2 and lists of Kubernetes of any size.

The strict parser of the standard library reads each item where it stands in a window of the text. An item on which it fails goes to the
patient parser of `scraps`. What stands outside items has to be JSON.
"""

import gc
from collections.abc import Callable
from typing import Any, Protocol

import attrs

from vpcipam._units import counted
from vpcipam.inspection.evidence import Source
from vpcipam.inspection.readers.collector import MOST_UNKNOWN, Collector
from vpcipam.inspection.readers.scraps import (
    OPENING,
    SPACE,
    STRICT,
    LineNumbers,
    Noise,
    RepeatedNameError,
    Scrap,
    below,
    noise_between,
    read_item,
)

MOST_ITEM = 4 << 20
"""The longest item that is read, in characters. An object of Kubernetes can have 1.5 MiB, an ENI or a subnet some KiB."""
MOST_MEMBERS = 4 << 20
"""The most characters of an object outside the items that are read one by one. A character of nested lists takes up to 40 bytes."""

_CHUNK = 1 << 18
_MOST_NOISES = 100
_MOST_FAILED = 32 << 20  # characters of all windows in which the strict parser failed
_MOST_RESTARTS = 20  # after something that only looked like the beginning of a document
_OVERLAP = 256  # characters that are searched again, since the beginning of a document can lie across two pieces
_SHORT = 1 << 14
_MOST_PATIENT = 4 << 20  # characters of items that are no JSON; the patient parser reads about a million in a second
_MOST_PATIENT_ITEMS = 30_000
_MOST_PATIENT_ITEM = 1 << 20
_LEVELS = 3  # of lists and envelopes around a document, as in `registry`
_BROKEN = "is no JSON; in a text that is longer than a document can be, what follows such a place is not read"


class ItemLists(Protocol):
    """What to do with the values of a long text.

    Attributes:
        names: the members whose lists are read item by item.
        envelopes: the members that have a document in them.
    """

    names: frozenset[str]
    envelopes: frozenset[str]

    def read_item(self, name: str, item: object, before: dict[str, Any]) -> bool:
        """Read an item of a list: its name, the item, and the members of the object before the list. Return whether it has a name."""

    def end(self, names: list[str], members: dict[str, Any]) -> None:
        """Note what was read when an object with such lists ends: the names of its lists, and its other members."""

    def read_value(self, value: object) -> bool:
        """Read any other value; return whether a reader recognises it."""


class _StopError(Exception):
    """The rest of the text is not read."""


class _Window:
    """A text that is read in pieces. What stands before the position is dropped.

    Attributes:
        text: the piece in memory.
        position: where to read on.
    """

    def __init__(self, read: Callable[[int], str]) -> None:
        self.text = ""
        self.position = 0
        self._read = read
        self._ended = False
        self._line = 1
        self._counted = 0
        self._dropped = 0
        self._failed = 0

    @property
    def line(self) -> int:
        """The line of the position, from 1."""
        self._line += self.text.count("\n", self._counted, self.position)
        self._counted = self.position
        return self._line

    @property
    def offset(self) -> int:
        """The number of characters before the position."""
        return self._dropped + self.position

    def more(self) -> bool:
        """Read on; return False at the end of the text.

        The pieces grow with what is not used yet, so that an item takes linear time, but not beyond the longest item.
        """
        if self._ended:
            return False
        line = self.line
        rest = self.text[self.position :]
        piece = self._read(max(_CHUNK, min(3 * len(rest), MOST_ITEM - len(rest))))
        self._dropped += self.position
        self.text, self.position, self._counted, self._line = rest + piece, 0, 0, line
        self._ended = not piece
        return not self._ended

    def following(self) -> str:
        """Skip spaces and commas; return the next character, empty at the end."""
        while True:
            found = SPACE.match(self.text, self.position)
            self.position = found.end() if found else self.position
            if self.position < len(self.text) or not self.more():
                return self.text[self.position : self.position + 1]

    def value(self) -> Any:  # noqa: ANN401 - any value of JSON
        """Read the value at the position.

        Raises:
            ValueError: none is there, or it is longer than `MOST_ITEM`; the position stays.
        """
        while self._failed < _MOST_FAILED:
            try:
                value, end = _decode(self.text, self.position)
            except (ValueError, RecursionError, RepeatedNameError) as error:
                if len(self.text) - self.position >= MOST_ITEM or not self.more():
                    self._failed += len(self.text) - self.position
                    raise ValueError(str(error)) from error
            else:
                if end < len(self.text) or not self.more():  # a number at the end of the window can go on
                    self.position = end
                    return value
        while len(self.text) - self.position < MOST_ITEM and self.more():
            pass
        raise ValueError("the strict parser has failed in too much of the text")

    def patient_value(self) -> tuple[Scrap, int] | None:
        """Read the object or list at the position as far as it goes, after `value` has failed; return it and its length.

        Most items are short, so a long piece of the window is taken only if a short one breaks off.
        """
        length = _SHORT
        while True:
            length = min(length, _MOST_PATIENT_ITEM)
            piece = self.text[self.position : self.position + length]
            found = read_item(piece, self.line)
            if length >= _MOST_PATIENT_ITEM or (found is not None and found[0].cut_path is None):
                return found
            length *= 16


def _decode(text: str, position: int) -> tuple[Any, int]:
    """Decode the value at a position, without garbage collections: they would walk the growing value, in which there are no cycles."""
    end = gc.enable if gc.isenabled() else gc.disable
    gc.disable()
    try:
        return STRICT.raw_decode(text, position)
    finally:
        end()


def read_long(collector: Collector, read: Callable[[int], str], lists: ItemLists) -> None:
    """Read a long text.

    Args:
        collector: takes what is read.
        read: returns the next characters of the text, at most so many; none at its end.
        lists: what to do with the values.

    Complexity: O(length) time; memory for an item, and for what the collector keeps.
    """
    file = collector.source
    reader = _LongReader(collector, _Window(read), lists)
    try:
        reader.read()
    except _StopError as stop:
        collector.source = attrs.evolve(file, line=reader.window.line)
        collector.skip("the rest of the file", str(stop), always=True)
    finally:
        collector.source = file
    for noise in reader.noises:
        more = f", nor is what follows ({counted(noise.count - 1, 'line')})" if noise.count > 1 else ""
        collector.skip(noise.text, f"is no JSON{more}", line=noise.line)


class _LongReader:
    """Walks through the objects and lists of a long text down to the items."""

    def __init__(self, collector: Collector, window: _Window, lists: ItemLists) -> None:
        self.window = window
        self.noises: list[Noise] = []
        self._done = 0  # values that were read
        self._patient_items = self._patient_length = 0  # those that are no JSON, and their characters
        self._collector = collector
        self._lists = lists
        self._file = self._begin = collector.source  # of the whole text, and where the current document begins

    def read(self) -> None:
        """Read the documents of the text one after the other, and note what stands between them."""
        unknown = restarts = 0
        first: _StopError | None = None
        while self._find_document():
            self._begin = attrs.evolve(self._file, line=self.window.line)
            done = self._done
            try:
                recognised = self._value(self.window.text[self.window.position], "", 0)
            except _StopError as stop:
                restarts += 1
                first = first or stop
                if self._done > done or restarts > _MOST_RESTARTS:
                    raise
                self.window.position += 1  # it only looked like a document
                continue
            unknown = 0 if recognised else unknown + 1
            if not recognised:
                self._collector.source = self._begin
                self._collector.skip("an object or a list", "no reader recognises it")
            if unknown == MOST_UNKNOWN:
                raise _StopError(f"no reader recognises {MOST_UNKNOWN:,} documents in a row")
        if first is not None and not self._done and not self.noises:  # nothing else is said about the text
            raise first

    def _find_document(self) -> bool:
        """Go to the next object or list; return whether there is one."""
        window = self.window
        while True:
            found = OPENING.search(window.text, window.position)
            if found is not None:
                self._note_noise(found.start())
                return True
            self._note_noise(max(window.position, len(window.text) - _OVERLAP))
            if not window.more():
                self._note_noise(len(window.text))
                return False

    def _note_noise(self, end: int) -> None:
        window = self.window
        noise = noise_between(window.text, window.position, end, LineNumbers(window.text, window.position, window.line))
        if noise is not None and len(self.noises) < _MOST_NOISES:
            self.noises.append(noise)
        window.position = end

    def _place(self, path: str) -> Source:
        return attrs.evolve(self._begin, path=path)

    def _value(self, opening: str, path: str, level: int) -> bool:
        """Read an object, or the items of a list. Return whether a reader recognises it."""
        if opening == "{":
            return self._object(path, level)
        self.window.position += 1
        return self._items(path, self._lists.read_value)

    def _object(self, path: str, level: int) -> bool:
        window, begin, place = self.window, self.window.offset, self._place(path)
        window.position += 1
        members: dict[str, Any] = {}
        names: list[str] = []
        recognised = False
        while (found := window.following()) != "}":
            name = self._name(found)
            opening = window.following()
            within = below(path, name)
            if opening == "[" and name in self._lists.names:
                window.position += 1
                names.append(name)
                self._items(within, lambda item, name=name: self._lists.read_item(name, item, members))  # type: ignore[misc] # mypy #15459
                begin = window.offset
            elif opening in ("{", "[") and name in self._lists.envelopes and level < _LEVELS:
                recognised = self._value(opening, within, level + 1) or recognised
                begin = window.offset
            else:
                members[name] = self._other()
                self._done += 1
            if window.offset - begin > MOST_MEMBERS:
                raise _StopError(f"an object has more than {MOST_MEMBERS >> 20} MiB outside the lists of EC2 and Kubernetes")
        window.position += 1
        self._collector.source = place
        if names:
            self._lists.end(names, members)
            return True
        return (bool(members) and self._lists.read_value(members)) or recognised

    def _name(self, found: str) -> str:
        if found != '"':
            raise self._stop("a name in quotes is missing here")
        name = str(self._other())
        if self.window.following() != ":":
            raise self._stop("a colon is missing here")
        self.window.position += 1
        return name

    def _other(self) -> Any:  # noqa: ANN401 - any value of JSON
        try:
            return self.window.value()
        except ValueError:
            raise self._stop(f"a value {_BROKEN}") from None

    def _stop(self, message: str) -> _StopError:
        at_end = self.window.position >= len(self.window.text) and not self.window.more()
        return _StopError("the text breaks off here" if at_end else message)

    def _items(self, path: str, read: Callable[[object], bool]) -> bool:
        """Read the items of a list, whose bracket was read; return whether a reader recognises one."""
        recognised, unknown, number = False, 0, 0
        while True:
            found = self.window.following()
            if found == "]":
                self.window.position += 1
                return recognised
            if not found:
                raise _StopError("the text breaks off here")
            self._collector.source = self._place(below(path, number))
            number += 1
            known = self._item(read)
            self._done += 1
            recognised, unknown = recognised or known, 0 if known else unknown + 1
            if unknown == MOST_UNKNOWN:
                raise _StopError(f"no reader recognises {MOST_UNKNOWN:,} items in a row")

    def _item(self, read: Callable[[object], bool]) -> bool:
        window, collector = self.window, self._collector
        try:
            return read(window.value())
        except ValueError:
            pass
        begin = window.position
        patient = window.patient_value()
        if patient is None:
            raise self._stop(f"an item {_BROKEN}")
        scrap, length = patient
        self._patient_items, self._patient_length = self._patient_items + 1, self._patient_length + length
        collector.cut_path = scrap.cut_path
        recognised = read(scrap.value)
        for each in scrap.troubles:
            collector.skip("a part of the text", each.message, each.path, each.line)
        collector.cut_path = None
        window.position = begin + length
        if self._patient_items > _MOST_PATIENT_ITEMS or self._patient_length > _MOST_PATIENT:
            raise _StopError(f"too many items are no JSON ({self._patient_items:,} before it), and take long to read; give it as JSON")
        if scrap.cut_path is not None:
            raise _StopError("the item before it breaks off, so what follows can't be placed")
        return recognised
