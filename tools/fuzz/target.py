"""A target, and what targets share: hostile bytes as texts and as choices."""

import functools
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import attrs

_Item = TypeVar("_Item")


@attrs.frozen
class Target:
    """A part of the library that gets bytes.

    Attributes:
        name: The name of the target, and of the folder with its inputs.
        run: Uses the bytes. It raises nothing if all goes well: refusals that are documented count as well.
        words: Words that inputs are likely to need, such as keys and names.
        longest: The most bytes of an input.
    """

    name: str
    run: Callable[[bytes], None]
    words: Iterable[str] = ()
    longest: int = 2_048


class Finding(AssertionError):
    """The library broke a promise."""


def require(condition: object, what: str) -> None:
    """Report a finding unless the condition holds.

    Raises:
        Finding: It does not.
    """
    if not condition:
        raise Finding(what)


def text_of(data: bytes) -> str:
    """Decode bytes; those that are not UTF-8 become lone surrogates, which a text in Python can have."""
    return data.decode("utf-8", "surrogateescape")


@functools.cache
def folder() -> Path:
    """Return a folder for this process, which has a manifest and a trace."""
    path = Path(_new_folder().name)
    (path / "aws-node.yaml").write_text("env: {WARM_IP_TARGET: '2'}\n", encoding="utf-8")
    (path / "pods.csv").write_text("pod,created,deleted\na,0,60\nb,5,\n", encoding="utf-8")
    return path


@functools.cache
def _new_folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="fuzz-")  # kept by the cache until the process ends


@attrs.define
class Choices:
    """Bytes as a row of choices. After the last byte each choice is the first."""

    data: bytes
    place: int = 0

    def __bool__(self) -> bool:
        """Tell whether there are bytes left."""
        return self.place < len(self.data)

    def number(self, size: int = 1) -> int:
        """Take a number of so many bytes."""
        taken = self.data[self.place : self.place + size]
        self.place += size
        return int.from_bytes(taken, "little")

    def among(self, items: Sequence[_Item]) -> _Item:
        """Take one of up to 256 items."""
        return items[self.number() % len(items)]
