"""Read a text, and the documents in it: JSON, several JSON values in a row, or YAML.

PyYAML is imported only to read YAML; JSON needs no extra. A key that a mapping has twice is refused: tools disagree about which one counts.
"""

import json
import os
from typing import Any, TextIO

from vpcipam.errors import ManifestError, MissingExtra, file_trouble

MAX_LENGTH = 1 << 20
"""The longest text that is read, in characters; Kubernetes' own limit is slightly higher."""

_LONGEST_NAME_SHOWN = 60


def read_text(source: str | os.PathLike[str] | TextIO) -> str:
    """Return a text, or read it from its path or from a stream; without a byte order mark.

    Raises:
        ManifestError: It can't be read, is longer than `MAX_LENGTH`, or is the name of a file.
        TypeError: The source is of another type.
    """
    if isinstance(source, str):
        if "\n" not in source and source.rstrip().endswith((".yaml", ".yml", ".json", ".txt")):
            raise ManifestError(
                f"{source!r} looks like the name of a file, not like a manifest; to read a file, give pathlib.Path({source!r})"
            )
        text = source
    elif isinstance(source, os.PathLike):
        try:
            with open(source, encoding="utf-8-sig") as file:  # noqa: PTH123 - not every PathLike is a Path
                text = file.read(MAX_LENGTH + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"can't read {os.fspath(source)}: {file_trouble(error)}") from error
    elif hasattr(source, "read"):
        text = source.read(MAX_LENGTH + 1)
    else:
        raise TypeError(f"a manifest must be text, a path or a text stream, not {type(source).__name__}")
    if not isinstance(text, str):
        raise TypeError(f"a manifest's stream must give text, not {type(text).__name__}; open the file in text mode")
    if len(text) > MAX_LENGTH:
        raise ManifestError(f"the manifest is longer than {MAX_LENGTH:,} characters; give the aws-node DaemonSet alone")
    return text.removeprefix("\ufeff")


def parse_documents(text: str, place: str = "the manifest") -> list[Any]:
    """Parse the documents of a text: JSON if possible, else YAML.

    Args:
        text: The text.
        place: Where the text stands, for error messages.

    Raises:
        ManifestError: The text is neither, is nested too deeply, or sets a key of a mapping twice.
        MissingExtra: The text is YAML, and PyYAML is not installed.
    """
    json_error = None
    try:
        if text.lstrip()[:1] in ("{", "["):
            try:
                return _parse_json(text, place)
            except ManifestError:
                raise
            except ValueError as error:
                json_error = error  # YAML can begin like this too
        return _parse_yaml(text, place, json_error)
    except RecursionError as error:
        raise ManifestError(f"{place} is nested too deeply to be read") from error


def kind_of(value: object) -> str:
    """Name the kind of a value for an error message."""
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping", type(None): "nothing"}
    return names.get(type(value), f"a {type(value).__name__}")


def shown(value: object) -> str:
    """Show a name that a document gives, in one short line. For anything but text, show only the kind."""
    if not isinstance(value, str):
        return kind_of(value)
    short = value if len(value) <= _LONGEST_NAME_SHOWN else value[:_LONGEST_NAME_SHOWN] + "..."
    return short if short.isprintable() else repr(short)


# --- JSON ----------------------------------------------------------------------------------------------------------------


def _parse_json(text: str, place: str) -> list[Any]:
    """Parse one JSON value or several in a row."""

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, value in pairs:
            if name in made:
                raise ManifestError(f"{place} sets the key {shown(name)!r} twice in one mapping; remove one of the two")
            made[name] = value
        return made

    decoder = json.JSONDecoder(object_pairs_hook=mapping)
    documents, end = [], 0
    while (start := _skip_spaces(text, end)) < len(text):
        document, end = decoder.raw_decode(text, start)
        documents.append(document)
    return documents


def _skip_spaces(text: str, start: int) -> int:
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    return start


# --- YAML ----------------------------------------------------------------------------------------------------------------


def _parse_yaml(text: str, place: str, json_error: ValueError | None) -> list[Any]:
    try:
        import yaml  # noqa: PLC0415 - an extra that the rest of the library does not need

        from vpcipam.settings.yaml_loader import CarefulLoader  # noqa: PLC0415 - it imports PyYAML
    except ImportError as error:
        if json_error is not None:
            raise ManifestError(f"{place} is not JSON: {json_error} (if it is YAML: pip install 'vpcipam[cli]')") from json_error
        raise MissingExtra("reading a YAML manifest needs PyYAML: pip install 'vpcipam[cli]' (a manifest in JSON needs nothing)") from error
    try:
        return list(yaml.load_all(text, CarefulLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        refusal = ManifestError(f"{place} is not YAML{where}: {error.problem or error.context}")
        refusal.line = mark.line + 1 if mark else None
        raise refusal from error
    except yaml.reader.ReaderError as error:
        lines = text[: error.position].split("\n")
        where = f"line {len(lines)}, column {len(lines[-1]) + 1}"
        raise ManifestError(f"{place} is not YAML at {where}: the character {chr(error.character)!a} is not allowed") from error
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        # An impossible date, or a value that does not fit its tag: PyYAML lets any error through, without its place.
        raise ManifestError(f"{place} is not YAML: a value does not fit its type ({error})") from error
