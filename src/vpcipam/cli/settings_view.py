"""Settings for people: headline, variables, remarks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vpcipam._units import counted
from vpcipam.settings import VARIABLES, Diagnostic

if TYPE_CHECKING:
    from vpcipam.cli.tables import Page

_STYLES = {"set": "bold", "fallback": "yellow", "default": "dim", "implied": "dim"}
_LEVEL_STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}
_WIDE = 100
"""The narrowest page on which a table of four columns reads well, in characters."""


def show_settings(page: "Page", headline: str, variables: Sequence[dict[str, Any]], diagnostics: Sequence[Diagnostic]) -> None:
    """Write the variables that act on addresses, and the diagnostics."""
    page.line(headline, "bold")
    page.line()
    _show_variables(page, [described for described in variables if described["acts_on_addresses"]])
    others = sum(1 for described in variables if described["source"] != "default" and not described["acts_on_addresses"])
    if others:
        page.line()
        page.line(f"{counted(others, 'more variable is', 'more variables are')} set, with no effect on addresses; --json lists all.", "dim")
    page.line()
    page.line(f"{counted(len(diagnostics), 'remark')}:" if diagnostics else "No remarks.", "bold")
    for found in diagnostics:
        page.remark(f"{found.level}: {found.variable}", _LEVEL_STYLES[found.level], found.message, found.suggestion)


def _show_variables(page: "Page", variables: Sequence[dict[str, Any]]) -> None:
    """Write a table, or on a narrow page a list with each effect below its variable."""
    rows = []
    for described in variables:
        source, style = described["source"], _STYLES[described["source"]]
        value = VARIABLES[described["name"]].format(described["value"])
        source_text = "unusable" if source == "fallback" else source
        if page.width < _WIDE:
            page.line(f"{described['name']} = {value} ({source_text})", style)
            page.indented(described["effect"])
        rows.append(((described["name"], style), (value, style), (source_text, style), described["effect"]))
    if page.width >= _WIDE:
        page.table(("variable", "value", "from", "what it does"), rows, fold={"value", "what it does"})
