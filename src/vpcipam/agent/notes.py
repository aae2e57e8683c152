"""Notes of deletions for an agent that is not running: the plugin leaves one for each DEL, and the agent carries them out at its start.

A note is an empty file whose name is the sandbox's key. No part of a key can contain the `:` that separates them (`cni` checks them).
"""

import os
from collections.abc import Iterator
from typing import Final

_FOLDER: Final = "deleted"
_SEPARATOR: Final = ":"
_PARTS: Final = 3

Key = tuple[str, str, str]
"""Network name, container id and interface name, as in `SandboxKey`."""


def _path(folder: str, key: Key) -> str:
    return os.path.join(folder, _FOLDER, _SEPARATOR.join(key))  # noqa: PTH118 - importing pathlib costs every start of the plugin


def leave_note(folder: str, key: Key) -> None:
    """Note durably that a sandbox is deleted. Leaving the same note again does nothing.

    Raises:
        OSError: the note can't be written.
    """
    path = _path(folder, key)
    parent = os.path.dirname(path)  # noqa: PTH120 - likewise
    os.makedirs(parent, mode=0o700, exist_ok=True)  # noqa: PTH103 - likewise
    for each, flags in ((path, os.O_WRONLY | os.O_CREAT), (parent, os.O_RDONLY)):
        descriptor = os.open(each, flags, 0o600)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def discard_note(folder: str, key: Key) -> None:
    """Remove a note if there is one.

    Raises:
        OSError: it can't be removed.
    """
    try:
        os.unlink(_path(folder, key))  # noqa: PTH108 - likewise
    except FileNotFoundError:
        return


def notes(folder: str) -> Iterator[Key]:
    """Yield the sandboxes that have a note, in the order of their names. Other files in the folder are ignored.

    Raises:
        OSError: the folder can't be read.
    """
    try:
        names = os.listdir(os.path.join(folder, _FOLDER))  # noqa: PTH118, PTH208 - likewise
    except FileNotFoundError:
        return
    for name in sorted(names):
        parts = name.split(_SEPARATOR)
        if len(parts) == _PARTS and all(parts):
            yield parts[0], parts[1], parts[2]
