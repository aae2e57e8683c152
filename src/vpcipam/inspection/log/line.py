"""One line of a log: a text line of ipamd before 1.6.1, or a JSON line since then; and what dirt can hide."""

import enum
import functools
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import attrs

from vpcipam._units import MINUTE_NS, NS_PER_S
from vpcipam.errors import LogError

_JSON = re.compile(r'\{"level":"([a-z]+)","ts":"([^"\\]*)","caller":"([^"\\]*)","msg":"([^"\\]*(?:\\.[^"\\]*)*)"\}\s*')
_TEXT = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]{8,18}Z) \[([A-Z]+)\]\s+(.*)", re.DOTALL)
_SECOND = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}")
_REST = re.compile(r"(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:?[0-9]{2})")
_FRACTION_AT = len("2021-10-20T18:32:18")
CONTAINER_OUTPUT = "a container's own output"
OF_CONTAINERS = "these are the lines of the containers; give ipamd.log, which is in /var/log/aws-routed-eni on the node"
"""What to give instead of such lines."""
_LOGFMT = re.compile(r'(?:time="[^"]*" )?level=\w+ (?:ts=\S+ )?msg=')
_CUT_MESSAGE = re.compile(r'"msg":"([^"\\]*(?:\\.[^"\\]*)*)\\?"?')
_ONLY_DOTS = re.compile(r"[\s.…]*[.…][\s.…]*")
_MATTERING = ("Starting L-IPAMD", "AssignPod", "assignPod", "UnassignPod", "unassignPod", "UnAssign")
_MOST_OBJECTS = 64
_DECODER = json.JSONDecoder()


class Form(enum.StrEnum):
    """How a line is written."""

    TEXT = "text"
    """`TIME [LEVEL] message`: to 1.6.0."""
    JSON = "json"
    """An object with `level`, `ts`, `caller` and `msg`: since 1.6.1."""


@attrs.frozen
class LogLine:
    """One line.

    Attributes:
        time: when, as the line has it; it can be empty or unreadable.
        level: in lower case.
        caller: the file and line of the program; empty in text lines.
        message: the text, without JSON's escapes.
    """

    time: str
    level: str
    caller: str
    message: str
    form: Form

    @property
    def when_ns(self) -> int | None:
        """When, in Unix nanoseconds; None if the time is unreadable."""
        return time_ns(self.time)

    @property
    def resolution_ns(self) -> int:
        """The step of the time: a second or a fraction of it."""
        return NS_PER_S if "." not in self.time else 1_000_000


@functools.lru_cache(maxsize=1_024)
def _second_ns(text: str) -> int | None:
    """Read a time without its fraction and zone, as if it were UTC."""
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS_PER_S if _SECOND.fullmatch(text) else None
    except ValueError:
        return None


@functools.lru_cache(maxsize=2_048)
def _rest_ns(text: str) -> int | None:
    """Read the fraction and the zone of a time, as what they add to the time."""
    found = _REST.fullmatch(text)
    if found is None:
        return None
    fraction, zone = found.groups()
    offset_minutes = 0 if zone == "Z" else (int(zone[1:3]) * 60 + int(zone[-2:])) * (-1 if zone[0] == "+" else 1)
    return offset_minutes * MINUTE_NS + int((fraction or "").ljust(9, "0"))


def time_ns(text: str) -> int | None:
    """Read a time as Unix nanoseconds; None if it is unreadable or before 1970.

    >>> time_ns("2021-10-20T18:32:18.997Z"), time_ns("2021-10-20T20:32:18.997+0200"), time_ns("")
    (1634754738997000000, 1634754738997000000, None)
    """
    second_ns = _second_ns(text[:_FRACTION_AT])
    rest_ns = _rest_ns(text[_FRACTION_AT:])
    if second_ns is None or rest_ns is None:
        return None
    found_ns = second_ns + rest_ns
    return found_ns if found_ns >= 0 else None


def parse_line(line: bytes | str) -> LogLine:
    """Read one line.

    Raises:
        LogError: it is no line of a log, it is cut off, or it holds more than one line or something beside it.
    """
    found = find_lines(line.decode("utf-8", "replace") if isinstance(line, bytes) else line)
    if found.trouble or not found.lines:
        raise LogError(f"not a line of ipamd.log or plugin.log: {found.trouble}")
    return found.lines[0]


@attrs.frozen
class FoundLines:
    """What a piece of text holds.

    Attributes:
        lines: the lines.
        trouble: what is wrong, empty if nothing is.
        rest: the text that was skipped.
        loses: the part that was skipped can have been about an assign, an unassign or a start.
    """

    lines: tuple[LogLine, ...]
    trouble: str = ""
    rest: str = ""
    loses: bool = False


def fast_json(text: str) -> LogLine | None:
    """Read a JSON line as the logger writes it; None if it is anything else."""
    match = _JSON.fullmatch(text)
    if match is None:
        return None
    level, time, caller, message = match.groups()
    if "\\" in message:
        try:
            message = json.loads(f'"{message}"', strict=False)
        except ValueError:
            return None
    return LogLine(time, level, caller, message, Form.JSON)


def find_lines(text: str) -> FoundLines:
    """Find the lines in a piece of text, whatever is beside them."""
    line = fast_json(text)
    if line is not None:
        return FoundLines((line,))
    match = _TEXT.match(text)
    if match is not None:
        return FoundLines((LogLine(match[1], match[2].lower(), "", match[3].rstrip("\r\n"), Form.TEXT),))
    return _search(text.strip())


def _search(text: str) -> FoundLines:
    if text.startswith(('"level":', 'level":')):
        whole = "{" + ("" if text.startswith('"') else '"') + text
        found = _search(whole)
        if found.lines:
            return attrs.evolve(found, trouble=found.trouble or "its first character is missing", rest=found.rest or text)
    lines: list[LogLine] = []
    rest = ""
    for item in _objects(text):
        if isinstance(item, str):
            rest += item
        elif (line := _line_of(item)) is None:
            rest += json.dumps(item)
        else:
            lines.append(line)
    rest = rest.strip()
    cut = _CUT_MESSAGE.search(rest)
    if lines:
        return FoundLines(tuple(lines), "there is something beside the JSON" if rest else "", rest, loses=_may_matter(cut))
    return FoundLines((), _trouble(text, cut), text, loses=_may_matter(cut) or _ONLY_DOTS.fullmatch(text) is not None)


def is_container_output(line: str) -> bool:
    """Tell whether a line is one that `kubectl logs` or `kubectl cluster-info dump` writes of the containers of aws-node."""
    return _LOGFMT.match(line) is not None or line.startswith("==== ")


def _trouble(text: str, cut: re.Match[str] | None) -> str:
    if cut is not None or text.startswith('{"level"'):
        return "the line is cut off"
    if _ONLY_DOTS.fullmatch(text):
        return "lines were left out here"
    if is_container_output(text):
        return CONTAINER_OUTPUT
    return "no line of a log" if text else "an empty line"


def _may_matter(cut: re.Match[str] | None) -> bool:
    """Whether a line that is cut off can have been one that changes who holds which address."""
    return cut is not None and any(cut[1].startswith(word) or word.startswith(cut[1]) for word in _MATTERING)


def _objects(text: str) -> Iterator[str | dict[str, Any]]:
    """Yield the JSON objects in a text, and the text between them."""
    end = 0
    for _ in range(_MOST_OBJECTS):
        begin = text.find("{", end)
        if begin < 0:
            break
        yield text[end:begin]
        try:
            found, end = _DECODER.raw_decode(text, begin)
        except (ValueError, RecursionError):
            yield text[begin]
            end = begin + 1
            continue
        yield found
    yield text[end:]


def _line_of(item: dict[str, Any]) -> LogLine | None:
    message, level = item.get("msg"), item.get("level")
    if not isinstance(message, str) or not isinstance(level, str):
        return None
    time, caller = item.get("ts", ""), item.get("caller", "")
    return LogLine(str(time)[:64], level.lower()[:16], str(caller)[:256], message, Form.JSON)
