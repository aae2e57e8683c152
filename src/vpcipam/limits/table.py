"""The table of instance types, and lookups in it.

The table in `data/instance_types.tsv` is a snapshot; `tools/update_limits.py` renews it.
"""

import functools
from difflib import get_close_matches
from importlib.resources import files

from vpcipam.errors import UnknownInstanceType
from vpcipam.limits.instance_limits import InstanceLimits, parse_row

_FIRST_COLUMN = "instance_type"
_LONGEST_NAME_SHOWN = 40


@functools.cache
def _table() -> str:
    """Read the table: comment lines, a line of column names, then a line for each type, sorted by type."""
    return (files("vpcipam.limits") / "data" / "instance_types.tsv").read_text(encoding="utf-8")


@functools.cache
def _find_row(name: str) -> str:
    """Find a type's line of the table without reading the others."""
    table = _table()
    start = table.find(f"\n{name}\t") + 1
    if start and name != _FIRST_COLUMN:
        row = table[start : table.index("\n", start)]
        if row.partition("\t")[0] == name:  # a name with a tab in it would match too much
            return row
    raise UnknownInstanceType(_explain_unknown(name))


@functools.cache
def _find(name: str) -> InstanceLimits:
    return parse_row(_find_row(name))


@functools.cache
def instance_types() -> tuple[str, ...]:
    """The names of all types of the table, sorted as text."""
    return tuple(row.partition("\t")[0] for row in _rows())


@functools.cache
def all_instance_limits() -> tuple[InstanceLimits, ...]:
    """All limits of the table, sorted by the type's name as text."""
    return tuple(map(parse_row, _rows()))


def _rows() -> list[str]:
    """The lines of the table that hold a type."""
    lines = _table().splitlines()
    return lines[next(number for number, line in enumerate(lines, 1) if line.startswith(_FIRST_COLUMN)) :]


# --- lookups -------------------------------------------------------------------------------------------------------------


def instance_limits(instance_type: str | InstanceLimits) -> InstanceLimits:
    """Look up what EC2 allows an instance of a type.

    Args:
        instance_type: A name, as in `m5.large`; or limits of your own, which are given back as they are.

    Raises:
        UnknownInstanceType: The table has no such type; the message names close matches.

    Example:
        >>> instance_limits("p5.48xlarge").eni_limit
        2
    """
    if isinstance(instance_type, str):
        return _find(instance_type)
    if not isinstance(instance_type, InstanceLimits):
        raise TypeError(f"instance_type must be a str or an InstanceLimits, not {type(instance_type).__name__} ({instance_type!r})")
    return instance_type


def _explain_unknown(name: str) -> str:
    """Say what is unknown, what the user may have meant, and how to go on in Python."""
    return (
        f"{unknown_type_text(name)} The table has {len(instance_types())} types (instance_types() lists them). For a newer "
        "one, give an InstanceLimits instead of the name: load_limits reads it from what `aws ec2 describe-instance-types` prints"
    )


def unknown_type_text(name: str) -> str:
    """Say what the user may have meant instead of an unknown type, for whoever has more to say."""
    shown = name if len(name) <= _LONGEST_NAME_SHOWN else name[:_LONGEST_NAME_SHOWN] + "..."
    matches = _close_matches(name[:_LONGEST_NAME_SHOWN])
    return f"unknown instance type {shown!r};" + (f" did you mean {' or '.join(matches)}?" if matches else "")


def _close_matches(name: str) -> list[str]:
    """Find up to three known types.

    Those that differ in case and punctuation alone; else longer forms (of `c7i.metal`, `m5`); else similar ones, of the family if possible.
    """
    known = instance_types()
    letters = _letters(name)
    if same := [candidate for candidate in known if _letters(candidate) == letters]:
        return same
    name = name.strip().lower()
    stem = name if "." in name else name + "."
    if longer := [candidate for candidate in known if candidate.startswith(stem)]:
        return sorted(longer, key=lambda candidate: (len(candidate), candidate))[:3]
    family = [candidate for candidate in known if candidate.startswith(name.partition(".")[0] + ".")]
    return get_close_matches(name, family, 3, 0.5) or get_close_matches(name, known, 3, 0.7)


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))
