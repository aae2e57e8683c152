"""The table of instance types, and lookups in it.

The table in `data/instance_types.tsv` is a snapshot; `tools/update_limits.py` updates it.
"""

import functools
import os

from vpcipam.errors import InvalidArgument, UnknownInstanceType
from vpcipam.limits.instance_limits import InstanceLimits, known_branch_enis

COLUMNS = (
    "instance_type",
    "network_cards",
    "default_network_card",
    "ipv4_per_eni",
    "ipv6_per_eni",
    "hypervisor",
    "vcpus",
    "efa",
)
"""The columns of the table. Trunk and branch ENIs are in a table of their own: see `vpcipam.limits.branch_enis`."""

# Neither importlib.resources nor pathlib: importing them takes longer than a lookup.
_TABLE_PATH = os.path.join(os.path.dirname(__file__), "data", "instance_types.tsv")  # noqa: PTH118, PTH120
_LONGEST_NAME_SHOWN = 40

# --- rows ----------------------------------------------------------------------------------------------------------------


def format_row(limits: InstanceLimits) -> str:
    """Write limits as a line of the table, without its line end and without the trunk and branch ENIs."""
    return "\t".join(
        (
            limits.instance_type,
            ",".join(map(str, limits.network_cards)),
            str(limits.default_network_card),
            str(limits.ipv4_per_eni),
            str(limits.ipv6_per_eni),
            limits.hypervisor or "metal",
            str(limits.vcpus),
            "efa" if limits.efa else "-",
        )
    )


def parse_row(row: str) -> InstanceLimits:
    """Read a line of the table.

    Raises:
        InvalidArgument: The number of columns is wrong, or a value is invalid.
    """
    try:
        name, cards_text, default_card, ipv4, ipv6, hypervisor, vcpus, efa = row.split("\t")
        cards = tuple(map(int, cards_text.split(",")))
        return InstanceLimits(
            instance_type=name,
            eni_limit=cards[int(default_card)],
            ipv4_per_eni=int(ipv4),
            ipv6_per_eni=int(ipv6),
            network_cards=cards,
            default_network_card=int(default_card),
            bare_metal=hypervisor == "metal",
            hypervisor=None if hypervisor == "metal" else hypervisor,
            vcpus=int(vcpus),
            efa=efa == "efa",
            **known_branch_enis(name),
        )
    except (ValueError, IndexError) as error:
        raise InvalidArgument(f"not a row of the table of instance types ({', '.join(COLUMNS)}): {row!r}: {error}") from None


# --- lookups -------------------------------------------------------------------------------------------------------------


def _read_table() -> str:
    """Read the file: comment lines, a line of column names, and a line for each type, sorted by type."""
    with open(_TABLE_PATH, encoding="utf-8") as file:  # noqa: PTH123
        return file.read()


@functools.cache
def _rows() -> dict[str, str]:
    """The row of each type. Rows are parsed on demand, since most programs need few."""
    _, _, rows = _read_table().partition("\t".join(COLUMNS) + "\n")
    return {row.partition("\t")[0]: row for row in rows.splitlines()}


@functools.cache
def _find(name: str) -> InstanceLimits:
    if name not in _rows():
        raise UnknownInstanceType(
            f"{unknown_type_text(name)} instance_types() lists the {len(_rows())} types of the table. For a newer "
            "one, give an InstanceLimits instead of the name: load_limits reads it from what `aws ec2 describe-instance-types` prints"
        )
    return parse_row(_rows()[name])


@functools.cache
def instance_types() -> tuple[str, ...]:
    """The names of all types of the table, sorted as text."""
    return tuple(_rows())


@functools.cache
def all_instance_limits() -> tuple[InstanceLimits, ...]:
    """The limits of all types of the table, sorted by the type's name as text."""
    return tuple(map(parse_row, _rows().values()))


def instance_limits(instance_type: str | InstanceLimits) -> InstanceLimits:
    """Look up what EC2 allows an instance of a type.

    Args:
        instance_type: A name, as in `m5.large`, or limits of your own, which are returned unchanged.

    Raises:
        UnknownInstanceType: The table has no such type; the message names close matches.
        TypeError: `instance_type` is neither.

    Example:
        >>> instance_limits("p5.48xlarge").eni_limit
        2
    """
    if isinstance(instance_type, str):
        return _find(instance_type)
    if not isinstance(instance_type, InstanceLimits):
        raise TypeError(f"instance_type must be a str or an InstanceLimits, not {type(instance_type).__name__} ({instance_type!r})")
    return instance_type


def unknown_type_text(name: str) -> str:
    """Start an error message about an unknown type: the name, and close matches. The caller adds what to do."""
    shown = name if len(name) <= _LONGEST_NAME_SHOWN else name[:_LONGEST_NAME_SHOWN] + "..."
    matches = _close_matches(name[:_LONGEST_NAME_SHOWN])
    return f"unknown instance type {shown!r};" + (f" did you mean {' or '.join(matches)}?" if matches else "")


def _close_matches(name: str) -> list[str]:
    """Find known types that the user may have meant.

    The first non-empty of: types that differ only in case and punctuation; up to three that start with the name (`c7i.metal`, `m5`);
    up to three similar ones of the same family; up to three similar ones.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

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
