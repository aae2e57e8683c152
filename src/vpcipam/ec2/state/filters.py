"""The filters of the Describe actions: names with lists of values, as in EC2.

A resource matches if, for every filter, it has at least one of the given values. A name may occur in several filters. Values are
case-sensitive; in a value, `*` matches any characters, `?` matches one, and a backslash makes either of them literal (EC2: "Filter your
resources").
"""

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from vpcipam.ec2.state.call import Call, texts
from vpcipam.ec2.state.records import Tags
from vpcipam.ec2.state.unmodelled_filters import UNMODELLED_FILTERS
from vpcipam.errors import NotModelled

Filters = Mapping[str, Iterable[str]] | Sequence[tuple[str, Iterable[str]]]
"""`{"subnet-id": ["subnet-1"], "tag:team": ["a*", "b"]}`, or the same as pairs."""


class Tagged(Protocol):
    """What has tags, pairs of key and value."""

    @property
    def tags(self) -> Tags:  # noqa: D102 - see the class
        ...


_Shown = TypeVar("_Shown")
_TaggedShown = TypeVar("_TaggedShown", bound=Tagged)
Reader = Callable[[_Shown], Iterable[str | None]]
"""Returns the values of an item that a filter compares; None stands for no value."""

_TAG = "tag:"


def filter_pairs(filters: Filters | None) -> list[tuple[str, tuple[str, ...]]]:
    """Return filters as pairs of a name and its values.

    Raises:
        TypeError: the values of a filter are a single text.
    """
    pairs = filters.items() if isinstance(filters, Mapping) else filters or ()
    return [(name, texts(values)) for name, values in pairs]


def tagged_matching(
    call: Call, shown: Iterable[_TaggedShown], readers: Mapping[str, Reader[_TaggedShown]], filters: Filters
) -> tuple[_TaggedShown, ...]:
    """Return the items that match all filters, as `matching` does, with the filters `tag:KEY` too."""
    if not filters:
        return tuple(shown)
    known = {"tag-value": _tag_values, **readers}  # documented for ENIs of instances, and in earlier documentation for all that has tags
    return matching(call, shown, known, filters, tag_reader=_tag_reader)


def matching(
    call: Call,
    shown: Iterable[_Shown],
    readers: Mapping[str, Reader[_Shown]],
    filters: Filters,
    *,
    tag_reader: Callable[[str], Reader[_Shown]] | None = None,
) -> tuple[_Shown, ...]:
    """Return the items that match all filters, in the order given; `tag_reader` makes the reader of a filter `tag:KEY` from the key.

    Raises:
        NotModelled: EC2 documents the filter, but the model lacks what it compares.
        Ec2Error: InvalidParameterValue for a filter that EC2 does not document, or one without values.
        TypeError: the values of a filter are a single text.
    """
    tests = [(_reader(call, readers, name, tag_reader), _test(call, name, values)) for name, values in filter_pairs(filters)]
    return tuple(each for each in shown if all(any(test(value) for value in read(each) if value is not None) for read, test in tests))


def _reader(
    call: Call, readers: Mapping[str, Reader[_Shown]], name: str, tag_reader: Callable[[str], Reader[_Shown]] | None
) -> Reader[_Shown]:
    if tag_reader is not None and name.startswith(_TAG):
        return tag_reader(name.removeprefix(_TAG))
    reader = readers.get(name)
    if reader is not None:
        return reader
    if name in UNMODELLED_FILTERS.get(call.action, ()):
        known = ", ".join(sorted(readers))
        raise NotModelled(f"{call.action}: the filter '{name}' is not modelled; the modelled ones are {known}")
    raise call.invalid(f"The filter '{name}' is invalid")


def _test(call: Call, name: str, values: tuple[str, ...]) -> Callable[[str], bool]:
    if not values:
        raise call.invalid(f"The filter '{name}' has no values")
    return _matcher(values)


@functools.lru_cache(maxsize=64)  # every node looks for its leaked ENIs with the same filters
def _matcher(values: tuple[str, ...]) -> Callable[[str], bool]:
    exact = frozenset(value for value in values if not _SPECIAL.search(value))
    patterns = [re.compile(_expression(value), re.DOTALL) for value in values if value not in exact]
    return lambda value: value in exact or any(pattern.fullmatch(value) for pattern in patterns)


_SPECIAL = re.compile(r"[*?\\]")
_PIECES = re.compile(r"\\(?P<literal>.)|(?P<wildcard>[*?])|(?P<plain>.)", re.DOTALL)


def _expression(value: str) -> str:
    """Translate a filter's value into a regular expression. Each part between two stars matches where it first can, without a way back.

    That is enough, and the number of stars doesn't multiply the time.
    """
    parts = [""]
    for piece in _PIECES.finditer(value):
        if piece["wildcard"] == "*":
            parts.append("")
        else:
            parts[-1] += "." if piece["wildcard"] else re.escape(piece["literal"] or piece["plain"])
    if len(parts) == 1:
        return parts[0]
    first, *between, last = parts
    return first + "".join(f"(?>.*?{part})" for part in between) + f".*{last}"


def tag_keys(shown: Tagged) -> Iterable[str]:
    """Read what the filter `tag-key` compares."""
    return (key for key, _ in shown.tags)


def _tag_values(shown: Tagged) -> Iterable[str]:
    return (value for _, value in shown.tags)


def _tag_reader(key: str) -> Callable[[Tagged], Iterable[str]]:
    return lambda shown: (value for each, value in shown.tags if each == key)
