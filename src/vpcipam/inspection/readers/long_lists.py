"""The lists that can be long: those of EC2's answers, and the items of Kubernetes' lists."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from vpcipam.inspection.readers import ec2_answers, kubernetes
from vpcipam.inspection.readers.collector import Collector
from vpcipam.inspection.readers.long_texts import ItemLists, read_long
from vpcipam.inspection.readers.registry import ENVELOPES, read_value
from vpcipam.settings.manifest import with_kind

_ITEMS = "items"


class _Lists(ItemLists):
    """Reads the items of lists as the readers of whole documents do."""

    names = frozenset({*ec2_answers.LIST_NAMES, _ITEMS})
    envelopes = frozenset(ENVELOPES)

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._others: Counter[str] = Counter()

    def read_item(self, name: str, item: object, before: dict[str, Any]) -> bool:
        if name == _ITEMS:
            return kubernetes.read_object(self._collector, with_kind(item, before.get("kind")), "", self._others)
        return ec2_answers.read_item_of(self._collector, name, item)

    def end(self, names: list[str], members: dict[str, Any]) -> None:
        ec2_answers.note_lists(self._collector, [name for name in names if name != _ITEMS], members)
        kubernetes.skip_others(self._collector, self._others)
        self._others.clear()

    def read_value(self, value: object) -> bool:
        return read_value(self._collector, value)


def read_long_json(collector: Collector, read: Callable[[int], str]) -> None:
    """Read a text of JSON of any length; `read` returns its next characters."""
    read_long(collector, read, _Lists(collector))
