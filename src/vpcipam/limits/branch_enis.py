"""Which instance types take a trunk ENI, and how many branch ENIs they take.

EC2 doesn't publish this. The facts are those of the table in the source of amazon-vpc-resource-controller-k8s (`pkg/aws/vpc/limits.go`),
which is also the table that ipamd looks into. `tools/update_limits.py --branch-enis` updates `data/branch_enis.tsv` from it.
"""

import functools
import os

from vpcipam.errors import InvalidArgument

BRANCH_COLUMNS = ("instance_type", "branch_enis")
"""The columns of the table of branch ENIs."""

# Neither importlib.resources nor pathlib: importing them takes longer than a lookup.
_TABLE_PATH = os.path.join(os.path.dirname(__file__), "data", "branch_enis.tsv")  # noqa: PTH118, PTH120


def branch_eni_limit(instance_type: str) -> int | None:
    """Look up the most branch ENIs of an instance of a type: 0 if it takes no trunk, None if the table doesn't have the type."""
    text = _rows().get(instance_type)
    return None if text is None else int(text)


def parse_branch_enis(text: str) -> dict[str, int]:
    """Read the table of branch ENIs: comment lines, a line of column names, and a line for each type.

    Raises:
        InvalidArgument: A line is not a name and a number of 0 or more.
    """
    found = {}
    for row in _table_rows(text):
        name, tab, count = row.partition("\t")
        if not (tab and name and count.isascii() and count.isdigit()):
            raise InvalidArgument(f"not a row of the table of branch ENIs ({', '.join(BRANCH_COLUMNS)}): {row!r}")
        found[name] = int(count)
    return found


def _table_rows(text: str) -> list[str]:
    return text.partition("\t".join(BRANCH_COLUMNS) + "\n")[2].splitlines()


@functools.cache
def _rows() -> dict[str, str]:
    """The number of each type, as text."""
    with open(_TABLE_PATH, encoding="utf-8") as file:  # noqa: PTH123
        rows = _table_rows(file.read())
    return {name: count for name, _, count in (row.partition("\t") for row in rows)}
