"""Finds JSON in texts that people copied, cut and shortened.

Strict JSON goes through the standard library. Where that fails, a patient parser reads on: it takes single quotes and Python's words. It
stops where the text was shortened or breaks off, because nobody knows where the rest belongs. It notes each of these places.
"""

import json
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from vpcipam.settings.documents import shown

MOST_LEVELS = 60
"""The deepest nesting that is read; an answer of EC2 or Kubernetes has about 15 levels."""

_MOST_BEFORE = 300
_LONGEST_NOISE = 200
BLANK = string.whitespace + ",;"
"""The characters between documents that say nothing."""
_FILLED = re.compile(f"[^{re.escape(BLANK)}]")
_MOST_FAILURES = 1_000  # of the strict parser in a text; each takes time in proportion to the text before it
OPENING = re.compile(r"\{\s*+[\"'}.…]|\[\s*+[\[{\"'\d.…TFNtfn-]")
_NEXT_DOCUMENT = re.compile(r"^[{\[]", re.MULTILINE)
SPACE = re.compile(r"[\s,]*")
_NUMBER = re.compile(r"-?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,4})?(?![\w.…]|\Z)")  # at the end of the text, digits can be missing
_WORD = re.compile(r"[A-Za-z]{1,20}")
_CUT_VALUE = re.compile(r"[\w.+-]*+\Z")
_WORDS = {"true": True, "false": False, "null": None}
_PYTHON_WORDS = {"True": True, "False": False, "None": None}
_ELISION = re.compile(r"\.\.\.|…")
_ELIDED_OBJECT = re.compile(r"(?:\.\.\.|…)[^\n{}\[\]\"']*[}\]]")
_QUOTED = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SINGLE_QUOTED = re.compile(r"'([^'\n\\]*)'")
_PYTHON_TIME = re.compile(r"datetime\.datetime\([^()\n]{0,200}(?:\([^()\n]{0,60}\))?\)")
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w-]*")
_Container = dict[str, Any] | list[Any]


@attrs.frozen
class Trouble:
    """Places where a text is no JSON.

    Attributes:
        line: the line of the first one.
        path: the path of the value there.
        message: what is wrong, and what was done about it.
        count: the number of such places.
    """

    line: int
    path: str
    message: str
    count: int = 1


@attrs.frozen
class Scrap:
    """A JSON object or list in a text.

    Attributes:
        line: the line on which it begins, from 1.
        before: what stands before it on its line, at most the last 300 characters.
        cut_path: the path of the object or list in which it breaks off; None if it is whole.
    """

    line: int
    value: dict[str, Any] | list[Any]
    before: str = ""
    troubles: tuple[Trouble, ...] = ()
    cut_path: str | None = None


@attrs.frozen
class Noise:
    """Lines between the JSON; blank ones don't count.

    Attributes:
        line: the first one, from 1.
        text: the first one.
        count: their number.
    """

    line: int
    text: str
    count: int


def below(path: str, name: str | int) -> str:
    """Return the path of a member or an item.

    >>> below(below(below("", "ENIs"), "10.0.0.1"), 3)
    '.ENIs["10.0.0.1"][3]'
    """
    if isinstance(name, int):
        return f"{path}[{name}]"
    return f"{path}.{name}" if _PLAIN_NAME.fullmatch(name) and len(name) < 60 else f'{path}["{shown(name)}"]'


class LineNumbers:
    """The line numbers of a text. Complexity: O(distance) from one question to the next."""

    def __init__(self, text: str, offset: int = 0, line: int = 1) -> None:
        self._text = text
        self._offset = offset
        self._line = line

    def at(self, offset: int) -> int:
        """Return the line of an offset, from 1."""
        if offset >= self._offset:
            self._line += self._text.count("\n", self._offset, offset)
        else:
            self._line -= self._text.count("\n", offset, self._offset)
        self._offset = offset
        return self._line


def find_json(text: str) -> Iterator[Scrap | Noise]:
    """Yield the JSON objects and lists of a text, and the lines between them, in their order. Complexity: O(length)."""
    lines = LineNumbers(text)
    noise_from = position = failures = 0
    while found := OPENING.search(text, position):
        start = found.start()
        scrap, position = _read_strictly(text, start, lines) if failures < _MOST_FAILURES else (None, start)
        if position == start:
            failures += 1
            scrap, position = _read_patiently(text, start, lines)
        if scrap is not None:
            noise = noise_between(text, noise_from, start, lines)
            if noise is not None:
                yield noise
            yield scrap
            noise_from = position
    noise = noise_between(text, noise_from, len(text), lines)
    if noise is not None:
        yield noise


def noise_between(text: str, start: int, end: int, lines: LineNumbers) -> Noise | None:
    """Return the lines between two offsets; None if they are blank."""
    first = _FILLED.search(text, start, end)
    if first is None:
        return None
    begin = first.start()
    end = begin + len(text[begin:end].rstrip(BLANK))
    until = text.find("\n", begin, end)
    return Noise(lines.at(begin), text[begin : end if until < 0 else until][:_LONGEST_NOISE].strip(), 1 + text.count("\n", begin, end))


class RepeatedNameError(Exception):
    """An object has a name twice."""


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise RepeatedNameError
    return made


STRICT = json.JSONDecoder(object_pairs_hook=_mapping)


def _read_strictly(text: str, start: int, lines: LineNumbers) -> tuple[Scrap | None, int]:
    """Read the JSON at an offset; return it and where to go on, which is the same offset if it is no JSON."""
    try:
        value, end = STRICT.raw_decode(text, start)
    except (ValueError, RecursionError, RepeatedNameError):
        return None, start
    return (_scrap(text, start, lines, value) if _has_objects(value) else None), end


def _read_patiently(text: str, start: int, lines: LineNumbers) -> tuple[Scrap | None, int]:
    parser = _PatientParser(text, start, lines)
    value = parser.parse()
    if not _has_objects(value):
        return None, parser.position if parser.too_deep else start + 1
    end = parser.position
    if parser.cut_path is not None:
        following = None if parser.too_deep else _NEXT_DOCUMENT.search(text, end)
        end = len(text) if following is None else following.start()
    return attrs.evolve(_scrap(text, start, lines, value), troubles=parser.troubles, cut_path=parser.cut_path), end


def read_item(text: str, line: int) -> tuple[Scrap, int] | None:
    """Read the object or list with which a text begins, as far as it goes; return it and its length, None if there is none.

    Args:
        text: the text.
        line: the line of its first character.
    """
    if text[:1] not in ("{", "["):
        return None
    scrap, end = _read_patiently(text, 0, LineNumbers(text, 0, line))
    return None if scrap is None else (scrap, end)


def _scrap(text: str, start: int, lines: LineNumbers, value: _Container) -> Scrap:
    begin = max(start - _MOST_BEFORE, text.rfind("\n", max(0, start - _MOST_BEFORE), start) + 1, 0)
    return Scrap(lines.at(start), value, text[begin:start])


def _has_objects(value: _Container) -> bool:
    """Tell whether a value can be a document; `[INFO]` and `[1/3]` in a log are none."""
    return bool(value) if isinstance(value, dict) else any(isinstance(each, dict | list) and each for each in value)


class _StopError(Exception):
    """The rest of the text can't be placed."""


class _PatientParser:
    """Reads one value as far as it goes. Objects and lists are filled in place, so what was read before a stop remains."""

    def __init__(self, text: str, position: int, lines: LineNumbers) -> None:
        self.text = text
        self.position = position
        self._first: dict[str, Trouble] = {}  # by message: a text in Python's notation has thousands of each kind
        self._counts: Counter[str] = Counter()
        self.cut_path: str | None = None
        self.too_deep = False
        self._lines = lines
        self._path: list[str | int] = []

    def parse(self) -> _Container:
        root: _Container = {} if self.text[self.position] == "{" else []
        try:
            self._fill(root)
        except _StopError as stop:
            self.cut_path = self._where()
            self._note(str(stop))
        return root

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What is no JSON: the first place of each kind, with the number of places."""
        return tuple(attrs.evolve(each, count=self._counts[message]) for message, each in self._first.items())

    def _where(self) -> str:
        path = ""
        for name in self._path:
            path = below(path, name)
        return path

    def _note(self, message: str) -> None:
        self._counts[message] += 1
        if message not in self._first:
            self._first[message] = Trouble(self._lines.at(self.position), self._where(), message)

    def _skip(self) -> str:
        """Skip spaces and commas; return the next character, empty at the end."""
        found = SPACE.match(self.text, self.position)
        self.position = found.end() if found else self.position
        return self.text[self.position : self.position + 1]

    def _stop(self, message: str) -> _StopError:
        if _CUT_VALUE.match(self.text, self.position):
            return _StopError("the text breaks off here")
        return _StopError(message)

    def _fill(self, container: _Container) -> None:
        if len(self._path) >= MOST_LEVELS:
            self.too_deep = True
            raise _StopError(f"it is nested more than {MOST_LEVELS} levels deep; the rest is not read")
        closing = "}" if isinstance(container, dict) else "]"
        self.position += 1
        while (found := self._skip()) != closing:
            if _ELISION.match(self.text, self.position):
                self._elision(closing)
                return
            if isinstance(container, dict):
                self._member(container, found)
            else:
                self._path.append(len(container))
                self._value(container.append)
                self._path.pop()
        self.position += 1

    def _elision(self, closing: str) -> None:
        """Read to the end of an object or a list that someone shortened on its line, such as `{ ... 16 more ... }`."""
        found = _ELIDED_OBJECT.match(self.text, self.position)
        if found is None or not found[0].endswith(closing):
            raise _StopError("someone shortened the text here; where the rest belongs is unknown, so it is not read")
        self._note(f"someone shortened this to {shown(found[0][:-1].strip())}")
        self.position = found.end()

    def _member(self, container: dict[str, Any], found: str) -> None:
        if found not in ('"', "'"):
            raise self._stop("a name in quotes is missing here; the rest is not read")
        name = self._text()
        if self._skip() != ":":
            raise self._stop("a colon is missing here; the rest is not read")
        self.position += 1
        self._path.append(name)
        if name in container:
            self._note("this name stands twice in its object; the last one counts")

        def put(value: object) -> None:
            container[name] = value

        self._value(put)
        self._path.pop()

    def _value(self, put: Callable[[object], None]) -> None:
        found = self._skip()
        if found in ("{", "["):
            value: _Container = {} if found == "{" else []
            put(value)  # before it is filled, so that it remains if the text breaks off
            self._fill(value)
        elif found in ('"', "'"):
            put(self._text())
        elif number := _NUMBER.match(self.text, self.position):
            self.position = number.end()
            put(json.loads(number[0]))
        elif time := _PYTHON_TIME.match(self.text, self.position):
            self._note("a datetime of Python's is no JSON; it is not read")
            self.position = time.end()
            put(None)
        else:
            put(self._word())

    def _word(self) -> bool | None:
        word = _WORD.match(self.text, self.position)
        name = word[0] if word else ""
        if name in _PYTHON_WORDS:
            self._note(f"{name} is Python's word; it is read as in JSON")
        elif name not in _WORDS:
            raise self._stop("no value of JSON stands here; the rest is not read")
        self.position += len(name)
        return _WORDS[name] if name in _WORDS else _PYTHON_WORDS[name]

    def _text(self) -> str:
        if self.text[self.position] == "'":
            found = _SINGLE_QUOTED.match(self.text, self.position)
            if found is None:
                raise self._stop("a text in single quotes has no end on its line; the rest is not read")
            self._note("a text in single quotes is no JSON; it is read as a text")
            self.position = found.end()
            return found[1]
        quoted = _QUOTED.match(self.text, self.position)
        try:
            value = json.loads(quoted[0], strict=False) if quoted else None  # line breaks may stand in it
        except ValueError:
            quoted = None
        if quoted is None:
            raise _StopError("a text in quotes has no end, or a wrong escape; the rest is not read")
        self.position = quoted.end()
        return str(value)
