"""The compiled pools beside the plain ones: programs of calls, which must have the same outcomes on both."""

from array import array
from collections.abc import Callable, Sequence
from typing import Any

from fuzz.target import Choices, Target, require
from vpcipam.pool import AddressPool as SelectedAddressPool
from vpcipam.pool import BitmapPool as SelectedBitmapPool
from vpcipam.pool import plain

_KEYS = (*"abcdefghijklmnop", 0, 1, 1.0, True, -1, -2, 2**61, ("a", 1), None, frozenset(), "")
_UNHASHABLE: tuple[Any, ...] = ([], {})
_ADDRESSES = (10 << 24, 10 << 24, 10 << 24, 0, 2**63 - 40, 2**64 - 40, 2**127 - 16, 2**128 - 300)
_STEPS = (0, 0, 0, 1, 2, 3, 4, 15, 16, 17, 63, 64, 65, 130, 255, 4_096)
_SIZES = (1, 2, 3, 15, 16, 17, 63, 64, 65, 129, 300, 4_097, 2**48, 0, 2**48 + 1)
_ODD: tuple[Any, ...] = (-1, 2**62, 2**63 - 1, 2**64, 2**128, 2**200, -(2**300), 1.5, "1", None, b"1", [1], True, float("nan"))
_Call = tuple[str, tuple[Any, ...]]


class _Address:
    """Draws the arguments of calls."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._now_ns = 0

    def key(self) -> Any:  # noqa: ANN401 - any key
        return self._choices.among((*_KEYS, *_UNHASHABLE))

    def keys(self) -> list[Any]:
        return [self.key() for _ in range(self._choices.number() % 40)]

    def base(self) -> Any:  # noqa: ANN401 - a number, or something odd
        return self._choices.among(_ADDRESSES) + self._choices.among(_STEPS)

    def size(self) -> Any:  # noqa: ANN401 - likewise
        return self._choices.among(_SIZES)

    def group(self) -> Any:  # noqa: ANN401 - likewise
        return self._choices.number() % 5

    def now(self) -> Any:  # noqa: ANN401 - likewise
        step = self._choices.number()
        self._now_ns = max(0, self._now_ns + step - 40) if step < 250 else 2**62 - 1 - (255 - step)
        return self._now_ns

    def flag(self) -> bool:
        return bool(self._choices.number() & 1)


_ADDRESS_CALLS: tuple[tuple[str, str], ...] = (
    *(("assign", "key now"), ("unassign", "key now"), ("add_block", "base size group"), ("assign", "key now"), ("unassign", "key now")),
    *(("remove_block", "base"), ("close_block", "base"), ("open_block", "base"), ("is_closed", "base"), ("block_of", "base")),
    *(("assign_at", "key base now"), ("revoke", "key"), ("address_of", "key"), ("key_of", "base"), ("block_items", "base")),
    *(("cool_at", "base now"), ("cooling_until", "base"), ("cooling_count", "now"), ("block_total_count", "base")),
    *(("block_assigned_count", "base"), ("block_cooling_count", "base now"), ("group_block_count", "group")),
    *(("group_empty_block_count", "group"), ("group_total_count", "group"), ("group_assigned_count", "group")),
    *(("group_cooling_count", "group now"), ("set_note", "key key"), ("note_of", "key"), ("__contains__", "key"), ("__len__", "")),
    *(("items", ""), ("blocks", ""), ("cooling_items", ""), ("assign_many", "keys now")),
)
_BITMAP_CALLS: tuple[tuple[str, str], ...] = (
    *(("allocate", "offset"), ("allocate_at", "offset"), ("allocate_run", "length offset"), ("allocate_run_at", "offset length")),
    *(("release", "offset"), ("release_run", "offset length"), ("is_allocated", "offset"), ("free_run_count", "length")),
    *(("free_counts", "length"), ("longest_free_run", ""), ("__len__", ""), ("__contains__", "offset"), ("__iter__", "")),
    *(("allocate_or_none", "offset"), ("allocate_run_or_none", "length offset"), ("allocate_many", "count offset")),
    *(("release_many", "offsets"), ("allocate_into", "buffer offset"), ("release_from", "buffer")),
)
_MOST_STEPS = 200
_ODD_FROM = 250


def use_address_pools(data: bytes) -> None:
    """Run a program on address pools. Its first bytes make the pool; then each step is a call and its arguments."""
    choices = Choices(data)
    cooldown_ns, placement, seed = (
        choices.among((0, 1, 3, 40, 2**62 - 1)),
        choices.among(("lowest", "packed", "spread", "random")),
        choices.number(),
    )
    pools: list[Any] = [kind(cooldown_ns=cooldown_ns, placement=placement, seed=seed) for kind in (plain.AddressPool, SelectedAddressPool)]
    _run(pools, choices, _ADDRESS_CALLS, _Address(choices))
    for name in ("items", "blocks", "cooling_items"):
        _call_all(pools, name, ())


class _Offset:
    """Draws the arguments of calls of a bitmap pool."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices

    def offset(self) -> int:
        return self._choices.number(2)

    def count(self) -> int:
        return self._choices.number() * 3

    def offsets(self) -> list[int]:
        """Neighbours mostly: so many offsets in a row are often all allocated."""
        first, count = self.offset(), self._choices.number()
        return [*range(first, first + count), *(self.offset() for _ in range(count % 3))]

    def buffer(self) -> "array[int]":  # Python 3.11 knows no `array[int]`
        return array(self._choices.among("IIIH"), (offset % 2**16 for offset in self.offsets()))

    def length(self) -> int:
        return self._choices.among((1, 2, 4, 8, 16, 32, 64, 0, 3, 128))


def use_bitmap_pools(data: bytes) -> None:
    """Run a program on bitmap pools. Its first bytes give the capacity; then each step is a call and its arguments."""
    choices = Choices(data)
    capacity = choices.among((1, 2, 63, 64, 65, 128, 700, 4_097, 5_000))
    pools = [kind(capacity) for kind in (plain.BitmapPool, SelectedBitmapPool)]
    _run(pools, choices, _BITMAP_CALLS, _Offset(choices))
    _call_all(pools, "__iter__", ())


def _run(pools: Sequence[Any], choices: Choices, calls: Sequence[tuple[str, str]], arguments: object) -> None:
    for _ in range(_MOST_STEPS):
        if not choices:
            break
        name, kinds = choices.among(calls)
        values = [getattr(arguments, kind)() for kind in kinds.split()]
        if values and choices.number() >= _ODD_FROM:
            values[choices.number() % len(values)] = choices.among(_ODD)
        _call_all(pools, name, tuple(values))
    for pool in pools:
        pool._check()  # noqa: SLF001 - its own check of its invariants


def _call_all(pools: Sequence[Any], name: str, values: tuple[Any, ...]) -> None:
    outcomes = [_outcome(getattr(pool, name), values) for pool in pools]
    require(len(set(outcomes)) == 1, f"{name}{values} gives {' but '.join(outcomes)}")


def _outcome(call: Callable[..., Any], values: tuple[Any, ...]) -> str:
    """Return what a call gives or raises, as a text that shows types too."""
    try:
        result = call(*values)
    except Exception as error:  # noqa: BLE001 - any error is an outcome
        return f"{type(error).__name__}: {error}"
    return repr(result if isinstance(result, int | float | str | bytes | tuple | None) else list(result))


TARGETS = (Target("address_pools", use_address_pools, longest=1_024), Target("bitmap_pools", use_bitmap_pools, longest=1_024))
