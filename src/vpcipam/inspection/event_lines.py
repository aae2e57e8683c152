"""Contract events as JSON lines, so that the events of any allocator can be verified.

>>> from vpcipam.contracts import AssignReturned
>>> line = event_line(AssignReturned(5, "aws-cni/c1/eth0", "10.0.0.5"))
>>> line
'{"event":"AssignReturned","now_ns":5,"key":"aws-cni/c1/eth0","address":"10.0.0.5"}'
>>> print(read_event_line(line))
aws-cni/c1/eth0 got 10.0.0.5
"""

import functools
import ipaddress
import json
from collections.abc import Callable, Mapping

import attrs

from vpcipam.contracts import ContractEvent, IpAddress, IpNetwork, address_of
from vpcipam.contracts.events import EVENT_CLASSES
from vpcipam.errors import LogError

EVENTS: Mapping[str, type[ContractEvent]] = dict(sorted((each.__name__, each) for each in EVENT_CLASSES))
"""The class of each event, by its name in a line."""

_DECODE = json.JSONDecoder().raw_decode
_LONGEST_TEXT = 512
_MOST = 2**63 - 1


def _plain(value: object) -> object:
    """Return a value that JSON can hold. A key that is no text is written as one."""
    if isinstance(value, IpAddress | IpNetwork):
        return str(value)
    if isinstance(value, Mapping):
        return {_key_text(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_key_text(each) for each in value]
    return value


def _key_text(key: object) -> str:
    return ":".join(map(str, key)) if isinstance(key, tuple) else str(key)


def event_line(event: ContractEvent) -> str:
    """Write an event as a line of JSON, without the line's end. Keys become texts; `(0, key)` of a node becomes `0:key`."""
    document: dict[str, object] = {"event": type(event).__name__}
    for field in attrs.fields(type(event)):
        value = getattr(event, field.name)
        if value != field.default:
            document[field.name] = _key_text(value) if field.name == "key" else _plain(value)
    return json.dumps(document, separators=(",", ":"))


def read_event_line(line: bytes | str) -> ContractEvent:
    """Read a line that `event_line` wrote.

    Raises:
        LogError: it is no such line; the message says why.
    """
    text = line if isinstance(line, str) else line.decode("utf-8", "replace")
    try:
        document, end = _DECODE(text)  # json.loads takes twice as long: it guesses the encoding, and looks for blanks
    except (ValueError, RecursionError) as error:
        raise LogError(f"not a JSON object ({str(error)[:100]})") from None
    if not isinstance(document, dict) or not (end == len(text) or text[end:].isspace()):
        raise LogError("not a JSON object")
    name = document.pop("event", None)
    kind = EVENTS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise LogError(f"event must be one of {', '.join(EVENTS)}, not {str(name)[:80]!r}")
    checks = _CHECKS_OF[kind]
    try:
        for field, value in document.items():
            check = checks.get(field)
            if check is None:
                raise LogError(f"{kind.__name__} has no {field[:80]!r}; it has {', '.join(sorted(checks))}")
            check(field, value)
        if "address" in document:
            document["address"] = _read_address(document["address"])
        return kind(**document)
    except (ValueError, TypeError) as error:
        raise LogError(f"{kind.__name__}: {str(error)[:300]}") from None


_read_address = functools.lru_cache(maxsize=4_096)(address_of)  # a log has the same addresses again and again


def _require_text(name: str, value: object) -> None:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise TypeError(f"{name} must be a text of at most {_LONGEST_TEXT} characters")


def _require_texts(name: str, value: object) -> None:
    if not isinstance(value, list):
        raise TypeError(f"{name} must be a list of texts")
    for each in value:
        _require_text(name, each)


def _require_cidr(name: str, value: object) -> None:
    _require_text(name, value)
    ipaddress.ip_network(str(value))


def _require_number(name: str, value: object) -> None:
    if type(value) is not int or not 0 <= value <= _MOST:
        raise TypeError(f"{name} must be a whole number from 0 to {_MOST}")


def _accept(_name: str, _value: object) -> None:
    """Leave the check to the event itself."""


_CHECKS: Mapping[str, Callable[[str, object], None]] = {
    **dict.fromkeys(("key", "eni_id", "address"), _require_text),
    **dict.fromkeys(("in_flight", "released"), _require_texts),
    **dict.fromkeys(("now_ns", "network_card", "assigned_count", "total_count", "cooling_count"), _require_number),
    "cidr": _require_cidr,
}
_CHECKS_OF = {each: {field.name: _CHECKS.get(field.name, _accept) for field in attrs.fields(each)} for each in EVENT_CLASSES}
"""The fields of each class, and how each is checked."""
