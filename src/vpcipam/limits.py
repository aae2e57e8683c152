"""What EC2 allows an instance of each type: ENIs, addresses per ENI, network cards, and the pods that follow from them.

The table in `data/instance_types.tsv` is a snapshot; `tools/update_limits.py` renews it. A type that is newer than the table needs no new
release: every function of the library that takes the name of an instance type takes an `InstanceLimits` as well, and `load_limits` reads
those out of the answer of `aws ec2 describe-instance-types`.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from vpcipam._arguments import require_boolean, require_integer
from vpcipam.errors import UnknownInstanceType

if TYPE_CHECKING:
    from vpcipam._instance_limits import COLUMNS, InstanceLimits, format_row, load_limits, parse_row

__all__ = [
    "ADDRESSES_PER_PREFIX",
    "COLUMNS",
    "HOST_NETWORK_PODS",
    "InstanceLimits",
    "all_instance_limits",
    "format_row",
    "instance_limits",
    "instance_types",
    "load_limits",
    "max_pods",
    "parse_row",
    "recommended_max_pods",
]

ADDRESSES_PER_PREFIX = 16
"""The pod addresses in one slot that holds an IPv4 prefix, a /28."""

HOST_NETWORK_PODS = 2
"""The pods that every node has and that need no address of the VPC: aws-node and kube-proxy."""

_CAP = 110
_CAP_OF_LARGE = 250
_LARGE_ABOVE_VCPUS = 30
_FIRST_COLUMN = "instance_type"
_LONGEST_NAME_SHOWN = 40

# Not importlib.resources: importing it costs more time than all the rest of a lookup.
_TABLE_PATH = os.path.join(os.path.dirname(__file__), "data", "instance_types.tsv")  # noqa: PTH118, PTH120 - importing pathlib costs as much

_VALUE_NAMES = frozenset({"COLUMNS", "InstanceLimits", "format_row", "load_limits", "parse_row"})


def __getattr__(name: str) -> object:
    """Hand on the names of `_instance_limits`, importing it (and attrs: four fifths of a cold start) only when one is asked for."""
    if name not in _VALUE_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vpcipam import _instance_limits  # noqa: PLC0415 - what this function is for

    value = getattr(_instance_limits, name)
    globals()[name] = value
    return value


# --- the table -----------------------------------------------------------------------------------------------------------


@functools.cache
def _table() -> str:
    """Read the table: comment lines, a line of column names, then a line for each type, sorted by type."""
    with open(_TABLE_PATH, encoding="utf-8") as file:  # noqa: PTH123 - see _TABLE_PATH
        return file.read()


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
    from vpcipam._instance_limits import parse_row  # noqa: PLC0415 - see __getattr__

    return parse_row(_find_row(name))


@functools.cache
def instance_types() -> tuple[str, ...]:
    """The names of all types of the table, sorted as text."""
    return tuple(row.partition("\t")[0] for row in _rows())


@functools.cache
def all_instance_limits() -> tuple[InstanceLimits, ...]:
    """All limits of the table, sorted by the type's name as text."""
    from vpcipam._instance_limits import parse_row  # noqa: PLC0415 - see __getattr__

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
    from vpcipam._instance_limits import InstanceLimits  # noqa: PLC0415 - see __getattr__

    if isinstance(instance_type, str):
        return _find(instance_type)
    if not isinstance(instance_type, InstanceLimits):
        raise TypeError(f"instance_type must be a str or an InstanceLimits, not {type(instance_type).__name__} ({instance_type!r})")
    return instance_type


def max_pods(
    instance_type: str | InstanceLimits,
    prefix_delegation: bool = False,  # noqa: FBT001, FBT002 - the public contract fixes this signature
    custom_networking: bool = False,  # noqa: FBT001, FBT002 - likewise
    max_eni: int | None = None,
    capped: bool = True,  # noqa: FBT001, FBT002 - likewise
) -> int:
    """Compute how many pods a node of a type can run, the two host-network pods (aws-node, kube-proxy) included.

    Secondary IPs: ENIs x (IPv4 addresses per ENI - 1) + 2, as in the `eni-max-pods.txt` that EKS publishes. Prefixes: 16 times as many
    addresses. IPv6 nodes use prefixes too, so that EKS's recommendation for them is the one with `prefix_delegation`.

    Args:
        instance_type: A name, or limits of your own.
        prefix_delegation: Slots hold prefixes. On a type that has no prefixes (Xen) this changes nothing, cap included: the daemon falls
            back to secondary IPs there. Bare metal has prefixes, as the daemon sees it; EKS's calculator counts nitro alone.
        custom_networking: The primary ENI carries no pods. With a single ENI only the two host-network pods are left.
        max_eni: The value of MAX_ENI, 1 or more. It can lower the number of ENIs, not raise it. None: no cap. (To the daemon a MAX_ENI
            below 1 means no cap; here such a number is refused.)
        capped: With prefixes, go no higher than EKS recommends: 250 pods on more than 30 vCPUs, else 110. Secondary IPs are never
            capped, as in `eni-max-pods.txt` (c5.18xlarge: 737). EKS's `max-pods-calculator.sh` caps those as well: it would say 250.

    Raises:
        UnknownInstanceType: The table has no such type.
        InvalidArgument: `max_eni` is less than 1.

    Example:
        >>> max_pods("m5.large"), max_pods("m5.large", prefix_delegation=True), max_pods("m5.large", prefix_delegation=True, capped=False)
        (29, 110, 434)
    """
    for name, value in (("prefix_delegation", prefix_delegation), ("custom_networking", custom_networking), ("capped", capped)):
        require_boolean(name, value)
    eni_count, slots_per_eni, supports_prefixes, vcpus = _facts(instance_type)
    if max_eni is not None:
        require_integer("max_eni", max_eni, 1)
        eni_count = min(eni_count, max_eni)
    slot_count = (eni_count - custom_networking) * slots_per_eni
    if not (prefix_delegation and supports_prefixes):
        return slot_count + HOST_NETWORK_PODS
    pod_count = slot_count * ADDRESSES_PER_PREFIX + HOST_NETWORK_PODS
    return min(pod_count, _cap(vcpus)) if capped else pod_count


def recommended_max_pods(instance_type: str | InstanceLimits) -> int:
    """The most pods that EKS recommends on a node with prefixes: 250 on more than 30 vCPUs, else 110."""
    return _cap(_facts(instance_type)[3])


def _cap(vcpus: int) -> int:
    return _CAP_OF_LARGE if vcpus > _LARGE_ABOVE_VCPUS else _CAP


def _facts(instance_type: str | InstanceLimits) -> tuple[int, int, bool, int]:
    """What pods depend on: ENI limit, slots per ENI, whether slots hold prefixes, vCPUs. Of a type by name, straight from its row."""
    if not isinstance(instance_type, str):
        limits = instance_limits(instance_type)
        return limits.eni_limit, limits.slots_per_eni, limits.supports_prefixes, limits.vcpus
    _, cards, default_card, ipv4_per_eni, _, hypervisor, vcpus, _ = _find_row(instance_type).split("\t")
    return int(cards.split(",")[int(default_card)]), int(ipv4_per_eni) - 1, hypervisor != "xen", int(vcpus)


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
    import difflib  # noqa: PLC0415 - only a mistake needs it

    known = instance_types()
    letters = _letters(name)
    if same := [candidate for candidate in known if _letters(candidate) == letters]:
        return same
    name = name.strip().lower()
    stem = name if "." in name else name + "."
    if longer := [candidate for candidate in known if candidate.startswith(stem)]:
        return sorted(longer, key=lambda candidate: (len(candidate), candidate))[:3]
    family = [candidate for candidate in known if candidate.startswith(name.partition(".")[0] + ".")]
    return difflib.get_close_matches(name, family, 3, 0.5) or difflib.get_close_matches(name, known, 3, 0.7)


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))
