"""Contract events as JSON lines, so that the events of any allocator can be verified.

>>> line = event_line(AssignReturned(5, "aws-cni/c1/eth0", "10.0.0.5"))
>>> line
'{"event":"AssignReturned","now_ns":5,"key":"aws-cni/c1/eth0","address":"10.0.0.5"}'
>>> print(read_event_line(line))
aws-cni/c1/eth0 got 10.0.0.5
"""

import ipaddress
import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from vpcipam.contracts import (
    AssignDenied,
    AssignReturned,
    ContractEvent,
    CountsReported,
    Crashed,
    EniAttached,
    EniDetached,
    Gap,
    IpAddress,
    IpNetwork,
    PrimaryAddressReported,
    RangeAdded,
    RangeRemoved,
    Restarted,
    UnassignRefused,
    UnassignReturned,
    UnassignUndone,
)
from vpcipam.errors import LogError

_CLASSES: tuple[type[ContractEvent], ...] = (
    *(AssignDenied, AssignReturned, CountsReported, Crashed, EniAttached, EniDetached, Gap, PrimaryAddressReported, RangeAdded),
    *(RangeRemoved, Restarted, UnassignRefused, UnassignReturned, UnassignUndone),
)
EVENTS: Mapping[str, type[ContractEvent]] = {each.__name__: each for each in _CLASSES}
"""The class of each event, by its name in a line."""

_FIELDS = {each: frozenset(field.name for field in attrs.fields(each)) for each in _CLASSES}
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
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LogError(f"not a JSON object ({str(error)[:100]})") from None
    if not isinstance(document, dict):
        raise LogError("not a JSON object")
    return event_of(document)


def event_of(document: Mapping[str, Any]) -> ContractEvent:
    """Make the event of a JSON object.

    Raises:
        LogError: the object is no event; the message says why.
    """
    kind = EVENTS.get(str(document.get("event")))
    if kind is None:
        raise LogError(f"event must be one of {', '.join(EVENTS)}, not {str(document.get('event'))[:80]!r}")
    values = {name: value for name, value in document.items() if name != "event"}
    unknown = values.keys() - _FIELDS[kind]
    if unknown:
        raise LogError(f"{kind.__name__} has no {min(unknown)[:80]!r}; it has {', '.join(sorted(_FIELDS[kind]))}")
    try:
        for name, check in _CHECKS:
            if name in values:
                check(name, values[name])
        return kind(**values)
    except (ValueError, TypeError) as error:
        raise LogError(f"{kind.__name__}: {str(error)[:300]}") from None


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


_CHECKS: tuple[tuple[str, Callable[[str, object], None]], ...] = (
    *((name, _require_text) for name in ("key", "eni_id", "address")),
    *((name, _require_texts) for name in ("in_flight", "released")),
    *((name, _require_number) for name in ("now_ns", "network_card", "assigned_count", "total_count", "cooling_count")),
    ("cidr", _require_cidr),
)
