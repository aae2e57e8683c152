"""Take values from a parsed TOML document. Each error names the table and the key."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import attrs

from vpcipam._toml import MOST_LEVELS, TOO_DEEP, TOO_LONG
from vpcipam._units import NS_PER_S, S_PER_DAY, S_PER_HOUR
from vpcipam.errors import ScenarioError, VpcIpamError
from vpcipam.fleet.workload import MAX_S

_Value = TypeVar("_Value")

_UNITS_S = {"ms": 0.001, "s": 1, "min": 60, "h": S_PER_HOUR, "d": S_PER_DAY}
_DURATION = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*(ms|s|min|h|d)")
_PERCENTAGE = re.compile(r"([0-9]{1,3})\s*%")
_REQUIRED: Any = object()
_INT_MAX = 2**63 - 1
_RIVALS = (("max_pods", "max_pods_by"), ("p90", "sigma"), ("pod_subnet", "pod_subnets"))  # a table has one of a pair at most
_TYPO_CUTOFF = 0.75  # accepts typos, but not `min_count` for `count`

MAX_COUNT = 10**9
"""The largest whole number of a key without a bound of its own."""


@attrs.define
class Table:
    """A table of a document. Take each known key; `finish` then refuses the others.

    Attributes:
        where: the start of error messages: the file, and the path of the table.
    """

    where: str
    _values: Mapping[str, Any]
    _taken: set[str] = attrs.field(factory=set)

    def __contains__(self, key: str) -> bool:
        """Return whether the document sets a key."""
        return key in self._values

    def refusal(self, key: str, message: str) -> ScenarioError:
        """Return the error for a key's value."""
        return ScenarioError(f"{self.where}{key}: {message}")

    def take(self, key: str, default: Any = _REQUIRED) -> Any:  # noqa: ANN401 - whatever the document holds
        """Take a key's value, unchecked. A key without a default is required."""
        self._taken.add(key)
        if key in self._values:
            return self._values[key]
        if default is _REQUIRED:
            near = difflib.get_close_matches(key, [each for each in self._values if each not in self._taken], n=1, cutoff=_TYPO_CUTOFF)
            raise self.refusal(key, "is missing" + (f"; is {near[0]!r} a typo of it?" if near else ""))
        return default

    def text(self, key: str, default: str = _REQUIRED, *, among: Iterable[str] = ()) -> str:
        """Take a text; if `among` is given, it must be one of these."""
        value = self.take(key, default)
        if not isinstance(value, str):
            raise self.refusal(key, f"must be a text in quotes, not {value!r}")
        if "\0" in value:  # no file name can contain it, and no other name should
            raise self.refusal(key, f"must not contain the character NUL; remove it from {value!r}")
        among = tuple(among)
        if among and value not in among:
            raise self.refusal(key, f"is {value!r}; it must be one of {', '.join(among)}{nearest(value, among)}")
        return value

    def optional_text(self, key: str, *, among: Iterable[str] = ()) -> str | None:
        """Take a text, one of `among` if that is given, or None if the key is missing."""
        self._taken.add(key)
        return self.text(key, among=among) if key in self else None

    def flag(self, key: str, *, default: bool) -> bool:
        """Take a boolean."""
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise self.refusal(key, f"must be true or false, not {value!r}")
        return value

    def integer(self, key: str, default: Any = _REQUIRED, *, low: int = 0, high: int = MAX_COUNT) -> Any:  # noqa: ANN401 - an int, or the default
        """Take a whole number from `low` to `high`, both included. A default is not checked."""
        value = self.take(key, default)
        if key in self._values and (type(value) is not int or not low <= value <= high):
            raise self.refusal(key, f"must be a whole number from {low} to {high}, not {value!r}")
        return value

    def number(self, key: str, default: float = _REQUIRED, *, low: float = 0.0, high: float = 1e12) -> float:
        """Take a number from `low` to `high`, both included."""
        value = self.take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self.refusal(key, f"must be a number from {low:g} to {high:g}, not {value!r}")
        return float(value)

    def seconds(self, key: str, default: float = _REQUIRED, *, low: float = 0.0) -> float:
        """Take a duration such as "90 s" or "1.5 h", from `low` seconds to `MAX_S`. A plain number is in seconds."""
        return self._seconds(key, self.take(key, default), low)

    def nanoseconds(self, key: str, default: float = _REQUIRED, *, low: float = 0.0) -> int:
        """Take a duration in nanoseconds; `default` and `low` are in seconds."""
        return round(self.seconds(key, default, low=low) * NS_PER_S)

    def durations(self, key: str) -> tuple[float, ...]:
        """Take a list of durations, in seconds."""
        value = self.take(key)
        if not isinstance(value, list):
            raise self.refusal(key, f"must be a list of durations, not {value!r}")
        return tuple(self._seconds(key, each, 0.0) for each in value)

    def _seconds(self, key: str, value: object, low: float) -> float:
        found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
        seconds = float(found[1]) * _UNITS_S[found[2]] if found is not None else value
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not low <= seconds <= MAX_S:
            bound = f"{f'{low:.9f}'.rstrip('0').rstrip('.')} s to {MAX_S / S_PER_DAY:g} d"
            raise self.refusal(key, f'must be a duration from {bound}, such as "30 s", "5 min", "24 h" or "7 d", not {value!r}')
        return float(seconds)

    def table(self, key: str) -> "Table":
        """Take a table; a missing one is empty."""
        value = self.take(key, {})
        if not isinstance(value, Mapping):
            raise self.refusal(key, f"must be a table, not {value!r}")
        return Table(f"{self.where}{key}.", value)

    def tables(self, key: str, *, required: bool = False) -> "list[Table]":
        """Take a list of tables. Messages call each by its name, or by its place if it has none."""
        value = self.take(key, _REQUIRED if required else [])
        if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
            raise self.refusal(key, f"must be a list of tables, each starting with [[{key}]], not {value!r}")
        if required and not value:
            raise self.refusal(key, "needs at least one table")
        return [Table(f"{self.where}{key}.{table_name(each, place)}.", each) for place, each in enumerate(value)]

    def texts(self, key: str, default: Iterable[str] = _REQUIRED) -> tuple[str, ...]:
        """Take a list of texts."""
        value = self.take(key, default)
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise self.refusal(key, f"must be a list of texts, not {value!r}")
        return tuple(value)

    def items(self) -> Iterable[tuple[str, Any]]:
        """Take all keys, with their values."""
        self._taken.update(self._values)
        return self._values.items()

    def made(self, key: str, make: Callable[[], _Value]) -> _Value:
        """Return the result of `make`. If `make` fails, put the key in front of its message."""
        try:
            return make()
        except VpcIpamError as error:
            raise self.refusal(key, str(error)) from None

    def part_of(self, key: str, whole: int, default: int | str, *, up: bool) -> int:
        """Take a whole number, or a percentage of `whole`, rounded up or down."""
        value = self.take(key, default)
        found = _PERCENTAGE.fullmatch(value) if isinstance(value, str) else None
        if found is not None:
            hundredths = int(found[1]) * whole
            return -(-hundredths // 100) if up else hundredths // 100
        if type(value) is not int or not 0 <= value <= MAX_COUNT:
            raise self.refusal(key, f'must be a whole number from 0 to {MAX_COUNT}, or a percentage such as "25%", not {value!r}')
        return value

    def finish(self, known: Iterable[str] = ()) -> None:
        """Refuse keys that are neither taken nor `known`: each is a mistake that would go unnoticed."""
        known = sorted({*self._taken, *known})
        for key in self._values:
            if key not in known:
                meant = nearest(key, known)
                raise self.refusal(key, f"there is no such key{meant}{' There' if meant else '; there'} are {', '.join(known)}")


def refuse_extremes(where: str, value: object, depth: int = 0) -> None:
    """Refuse a document that is nested too deeply, or has a whole number beyond the 64 bits of TOML. tomllib reads both.

    Raises:
        ScenarioError: it is so; the message begins with `where` and the path of the key.
    """
    if depth > MOST_LEVELS:
        raise ScenarioError(f"{where.partition(': ')[0]}: {TOO_DEEP}")
    if isinstance(value, Mapping):
        for key, each in value.items():
            refuse_extremes(f"{where}{'' if where.endswith(': ') else '.'}{key}", each, depth + 1)
    elif isinstance(value, list):
        for place, each in enumerate(value, 1):
            refuse_extremes(f"{where}.{table_name(each, place - 1) if isinstance(each, Mapping) else place}", each, depth + 1)
    elif isinstance(value, int) and not -_INT_MAX - 1 <= value <= _INT_MAX:
        raise ScenarioError(f"{where}: {TOO_LONG}")


def nearest(text: str, names: Iterable[str]) -> str:
    """Return a suffix for messages that suggests the most similar name; empty if none is similar."""
    found = difflib.get_close_matches(str(text), list(names), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def changed(document: Mapping[str, Any], changes: Mapping[str, object]) -> Mapping[str, Any]:
    """Copy a document and set the keys at dotted paths in the copy. A path names a table of a list by its name, or by its place from 1.

    A changed key replaces its rival in the document. Two changes that are rivals stay both, so that the reader refuses them. A name can
    contain dots; if several names fit, the longest counts.

    Raises:
        ScenarioError: a path leads through a missing table, a value that is not a table, or one of several tables with the same name.
    """
    for path, value in changes.items():
        above, _, key = path.rpartition(".")
        rivals = {each for pair in _RIVALS if key in pair for each in pair if each != key and f"{above}.{each}" not in changes}

        def edit(table: Mapping[str, Any], key: str, value: object = value, rivals: set[str] = rivals) -> dict[str, Any]:
            return {**{each: other for each, other in table.items() if each not in rivals}, key: value}

        document = _edited(document, path.split("."), edit, path)
    return document


def _edited(
    document: Mapping[str, Any], keys: list[str], edit: Callable[[Mapping[str, Any], str], dict[str, Any]], path: str
) -> dict[str, Any]:
    head, *rest = keys
    if not rest:
        return edit(document, head)
    below = document.get(head, {})
    if isinstance(below, Mapping):
        return {**document, head: _edited(below, rest, edit, path)}
    if not isinstance(below, list) or not all(isinstance(each, Mapping) for each in below):
        raise ScenarioError(f"{path}: {head} is not a table, so it has no keys to set")
    names = [table_name(each, place) for place, each in enumerate(below)]
    tail = ".".join(rest)
    name = max((each for each in names if f"{tail}.".startswith(f"{each}.")), key=len, default=None)
    if name is None:
        raise ScenarioError(f"{path}: there is no {head} called {rest[0]!r}; there are {', '.join(names)}{nearest(rest[0], names)}")
    if names.count(name) > 1:
        raise ScenarioError(f"{path}: {names.count(name)} tables of {head} are called {name!r}; give each a name of its own")
    inner = rest[name.count(".") + 1 :]
    if not inner:
        raise ScenarioError(f"{path} is a table; name one of its keys, as in {path}.name")
    place = names.index(name)
    return {**document, head: [*below[:place], _edited(below[place], inner, edit, path), *below[place + 1 :]]}


def table_name(table: Mapping[str, Any], place: int) -> str:
    """Return the name of a table in a list, or if it has none, its place counted from 1. The argument `place` counts from 0."""
    return str(table.get("name", place + 1))
