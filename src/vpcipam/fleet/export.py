"""Tables as columns, CSV files and JSON."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

Columns = dict[str, list[int] | list[float] | list[str]]
"""A table as columns of equal length. Each column has one type and no missing values."""

_DIGITS = "0123456789abcdefg"


def columns_of(names: Sequence[str], rows: Iterable[Sequence[int | float | str]]) -> Columns:
    """Turn rows into columns.

    >>> columns_of(("a", "b"), [(1, "x"), (2, "y")])
    {'a': [1, 2], 'b': ['x', 'y']}
    """
    rows = list(rows)
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}  # type: ignore[misc]  # a column is of one type


def digits(counts: bytes) -> str:
    """Write counts of 0 to 16 as one digit each: 0 to 9, then a to g.

    >>> digits(bytes([0, 9, 10, 16]))
    '09ag'
    """
    return "".join(map(_DIGITS.__getitem__, counts))


def to_json(document: Mapping[str, object]) -> str:
    """Return a document as ASCII JSON: a line for each value or list of values, keys in their order, and a line end."""
    return _json(document, "\n") + "\n"


def _json(value: object, line: str) -> str:
    if isinstance(value, Mapping) and value:
        inner = line + "  "
        return "{" + ",".join(f"{inner}{json.dumps(key)}: {_json(each, inner)}" for key, each in value.items()) + line + "}"
    if isinstance(value, list) and any(isinstance(each, Mapping | list) for each in value):
        inner = line + "  "
        return "[" + ",".join(inner + _json(each, inner) for each in value) + line + "]"
    return json.dumps(value)


def write_csv(folder: str | Path, tables: Mapping[str, Columns]) -> tuple[Path, ...]:
    """Write a CSV file for each table, in UTF-8 with a header. Return the paths.

    Creates the folder if it is missing, and replaces files with the same names.

    Raises:
        OSError: a file can't be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, columns in tables.items():
        paths.append(folder / f"{name}.csv")
        with paths[-1].open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
    return tuple(paths)
