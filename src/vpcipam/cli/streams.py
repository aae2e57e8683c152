"""Read text from files and stdin, and write to stdout and stderr. Needs only the standard library."""

import io
import os
import sys
from typing import BinaryIO, TextIO

from vpcipam.errors import ManifestError

STDIN = "-"
"""The file name that means stdin."""

_CLOSED = "can't read stdin: it is closed; give a file, or pipe one into the command"
_PLAIN = str.maketrans({"·": "-", "×": "x", "−": "-", "–": "-", "—": "-", "≥": ">=", "≤": "<=", "→": "->", "…": "...", "█": "#", "▒": "+"})
"""Replacements for characters that the output's encoding does not have."""


def stdin_bytes() -> BinaryIO:
    """Return stdin as bytes.

    Raises:
        ManifestError: It is closed.
    """
    if sys.stdin is None:
        raise ManifestError(_CLOSED)
    return sys.stdin.buffer


def open_text(file: str) -> TextIO:
    """Open a file, or stdin if its name is `-`, as UTF-8.

    Raises:
        ManifestError: Stdin is closed.
        OSError: The file can't be opened.
    """
    if file != STDIN:
        return open(file, encoding="utf-8-sig")  # noqa: PTH123 - importing pathlib costs every run of the command
    if sys.stdin is None:
        raise ManifestError(_CLOSED)
    return io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig")


def write(text: str) -> None:
    """Write to stdout."""
    if sys.stdout is not None:  # the parent process may have closed it
        sys.stdout.write(_encodable(text, sys.stdout))


def _encodable(text: str, stream: TextIO) -> str:
    """Replace the characters that a stream's encoding does not have."""
    encoding = stream.encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    return text


def flush_stdout() -> None:
    """Flush stdout, so that a failure shows here and not when the interpreter exits."""
    if sys.stdout is not None:
        sys.stdout.flush()


def abandon_stdout() -> None:
    """Discard what is still buffered, so that the flush at the interpreter's exit can't fail."""
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, OSError):  # closed, or no file (io.UnsupportedOperation is an OSError)
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def complain(message: str) -> None:
    """Write one line to stderr, with the command's name first."""
    note(f"vpcipam: {message}")


def note(message: str) -> None:
    """Write one line to stderr."""
    if sys.stderr is not None:
        sys.stderr.write(_encodable(one_line(message), sys.stderr) + "\n")
        sys.stderr.flush()


def one_line(text: str) -> str:
    """Put a text on one line, and escape control characters that a terminal would obey."""
    return visible(" ".join(text.split()))


def visible(text: str) -> str:
    """Escape the characters that are obeyed, not shown, such as those of colours and of the direction of writing."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def to_json(document: object, *, one_line: bool = False) -> str:
    """Write a document as JSON in ASCII, which every encoding of stdout has."""
    import json  # noqa: PLC0415 - most runs don't need it

    return json.dumps(document, indent=None if one_line else 2) + "\n"
