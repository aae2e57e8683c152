"""What comes from stdin, and what goes to stdout and to stderr, as text. Needs nothing but the standard library."""

import io
import os
import sys
from typing import TextIO

from vpcipam.errors import ManifestError

STDIN = "-"
"""The name of a file that means stdin."""

_PLAIN = str.maketrans({"·": "-", "×": "x", "−": "-", "–": "-", "—": "-", "≥": ">=", "≤": "<=", "→": "->", "…": "...", "█": "#", "▒": "+"})
"""What stands for our signs where the output's encoding does not have them."""

_BIG = 1 << 40  # only IPv6 counts are larger
_PREFIX_80 = 1 << 48


def open_stdin() -> TextIO:
    """Read stdin as UTF-8, whatever the locale says: manifests are.

    Raises:
        ManifestError: It is closed.
    """
    if sys.stdin is None:
        raise ManifestError("can't read stdin: it is closed; give a file, or pipe one into the command")
    return io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig")


def write(text: str) -> None:
    """Write to stdout, in simpler signs where its encoding has not these."""
    stream = sys.stdout
    if stream is None:  # closed by whoever started us
        return
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding))


def flush_stdout() -> None:
    """Write what is still buffered, so that a failure shows here and not when the interpreter ends."""
    if sys.stdout is not None:
        sys.stdout.flush()


def abandon_stdout() -> None:
    """Send what is still buffered nowhere, so that the interpreter's own flush at its end can't fail."""
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, OSError):  # closed, or not a file (io.UnsupportedOperation is an OSError)
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def complain(message: str) -> None:
    """Write one line to stderr, under the command's name."""
    note(f"vpcipam: {message}")


def note(message: str) -> None:
    """Write one line to stderr."""
    if sys.stderr is not None:
        encoding = sys.stderr.encoding or "ascii"
        line = one_line(message)
        try:
            line.encode(encoding)
        except UnicodeEncodeError:
            line = line.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def one_line(text: str) -> str:
    """Make a text fit for one line: no line ends, and no control characters that a terminal would obey."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in " ".join(text.split()))


def to_json(document: object) -> str:
    """Write a document as JSON, in ASCII, so that any encoding of stdout carries it."""
    import json  # noqa: PLC0415 - most runs are for people

    return json.dumps(document, indent=2) + "\n"


def number(count: int) -> str:
    """Write a count for a person: 12,345; and those of IPv6 as what they are made of: 2^48 − 5."""
    if count < _BIG:
        return f"{count:,}"
    blocks = -(-count // _PREFIX_80)
    missing = blocks * _PREFIX_80 - count
    return ("2^48" if blocks == 1 else f"{blocks:,} × 2^48") + (f" − {missing:,}" if missing else "")


def counted(count: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun: 1 pod, 2 pods."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"
