"""A YAML loader for texts that can come from anyone: nothing in a text may cost much more than its length.

It reads plain scalars as kubectl and Helm do: `1:30` and `2026-01-01` are texts, not 90 and a date.
"""

from collections.abc import Callable
from typing import Any

import yaml
from yaml.constructor import ConstructorError

_MAX_NUMBER_LENGTH = 100  # Python's arithmetic of long numbers takes quadratic time
_MAX_MERGED_PAIRS = 10_000  # of all merge keys (`<<`) of a text together; nested ones grow exponentially
_LONGEST_KEY_SHOWN = 60
_TAG = "tag:yaml.org,2002:"
_NUMBERS = (f"{_TAG}int", f"{_TAG}float")


class CarefulLoader(yaml.SafeLoader):
    """A SafeLoader that refuses a key that a mapping has twice, long numbers, and too many merged keys."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._flat: set[yaml.Node] = set()
        self._merged_count = 0

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:  # noqa: ANN401 - as PyYAML declares it
        """Return the tag of a value without one: a text for times of day and dates, which Go's YAML does not turn into other values."""
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call] # its stubs lack it
        return f"{_TAG}str" if tag == f"{_TAG}timestamp" or (tag in _NUMBERS and ":" in value) else tag

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Check the keys of a mapping, and put the pairs of its merge keys in their place.

        Raises:
            ConstructorError: A key stands twice, or merge keys bring in too much.
        """
        if node in self._flat:  # checked already: an alias uses it too, and its merged pairs may repeat its own keys
            return
        self._flat.add(node)
        seen = set()
        for key, value in node.value:
            if key.tag == _TAG + "merge":
                self._count_merged(value)
            elif isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    name = key.value[:_LONGEST_KEY_SHOWN]
                    raise _refusal(f"the key {name!r} stands here for the second time in its mapping; remove one of the two", key)
                seen.add((key.tag, key.value))
        super().flatten_mapping(node)

    def _count_merged(self, value: yaml.Node) -> None:
        for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if isinstance(source, yaml.MappingNode):
                self.flatten_mapping(source)
                self._merged_count += 1 + len(source.value)
                if self._merged_count > _MAX_MERGED_PAIRS:
                    raise _refusal(f"the merge keys (<<) up to here bring in more than {_MAX_MERGED_PAIRS:,} keys", value)


def _refusal(problem: str, node: yaml.Node) -> ConstructorError:
    return ConstructorError(None, None, problem, node.start_mark)


def _of_short_text(construct: Callable[[CarefulLoader, yaml.Node], object]) -> Callable[[CarefulLoader, yaml.Node], object]:
    def construct_short(loader: CarefulLoader, node: yaml.Node) -> object:
        if len(node.value) > _MAX_NUMBER_LENGTH:
            raise _refusal(f"a number of {len(node.value):,} characters; if it is a text, put it in quotes", node)
        return construct(loader, node)

    return construct_short


for _kind in ("int", "float"):
    CarefulLoader.add_constructor(_TAG + _kind, _of_short_text(CarefulLoader.yaml_constructors[_TAG + _kind]))
