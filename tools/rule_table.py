"""Write the table of all rules into docs/inspecting.md, from the catalogue."""

import re
import sys
from pathlib import Path

from vpcipam.inspection.finding import Severity
from vpcipam.inspection.rules.catalogue import CATALOGUE

PAGE = Path(__file__).parents[1] / "docs" / "inspecting.md"
_HEAD = "| rule | when it is reported | why it matters |\n| --- | --- | --- |\n"


def table() -> str:
    """Return the table."""
    rows = []
    for entry in CATALOGUE.values():
        page = entry.page.removeprefix("docs/").removeprefix("inspecting.md")
        note = " (note)" if entry.severity is Severity.NOTE else ""
        rows.append(f"| [`{entry.rule}`]({page}){note} | {entry.when} | {entry.why} |\n")
    return _HEAD + "".join(rows)


def with_table(text: str) -> str:
    """Return the page with the table as it has to be."""
    return re.sub(re.escape(_HEAD) + r"(?:\|.*\n)*", lambda _: table(), text)


def main() -> int:
    """Write the page anew."""
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_table(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
