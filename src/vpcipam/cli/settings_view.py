"""Settings for people: headline, variables, remarks."""

from collections.abc import Sequence
from typing import Any

from vpcipam.cli.streams import counted
from vpcipam.cli.tables import Page, cell
from vpcipam.settings import VARIABLES, Diagnostic

_STYLES = {"set": "bold", "fallback": "yellow", "default": "dim", "implied": "dim"}
_LEVEL_STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}
_SOURCE_TEXTS = {"fallback": "unusable"}
_WIDE = 100
"""From so many columns on, a table of four columns reads well."""


def show_settings(headline: str, variables: Sequence[dict[str, Any]], diagnostics: Sequence[Diagnostic]) -> str:
    """Write the variables that act on addresses, and the diagnostics."""
    page = Page()
    page.line(headline, "bold")
    page.line()
    _show_variables(page, [described for described in variables if described["acts_on_addresses"]])
    others = sum(1 for described in variables if described["source"] != "default" and not described["acts_on_addresses"])
    if others:
        page.line()
        page.line(
            f"{others} more {'variable is' if others == 1 else 'variables are'} set that do nothing to addresses; --json lists them.", "dim"
        )
    page.line()
    page.line(f"{counted(len(diagnostics), 'remark')}:" if diagnostics else "Nothing to remark.", "bold")
    for found in diagnostics:
        page.line(f"{found.level}: {found.variable}", _LEVEL_STYLES[found.level])
        page.indented(cell(found.message))
        if found.suggestion:
            page.indented(cell(f"→ {found.suggestion}"))
    return page.render()


def _show_variables(page: Page, variables: Sequence[dict[str, Any]]) -> None:
    """Write a table; where that would be too narrow, a list, with what each variable does below it."""
    rows = [
        (
            _STYLES[described["source"]],
            described["name"],
            VARIABLES[described["name"]].format(described["value"]),
            _SOURCE_TEXTS.get(described["source"], described["source"]),
            described["effect"],
        )
        for described in variables
    ]
    if page.width < _WIDE:
        for style, name, value, source, effect in rows:
            page.line(f"{name} = {value} ({source})", style)
            page.indented(cell(effect))
        return
    table = page.table(("variable", "value", "from", "what it does"), fold={"value", "what it does"})
    for style, name, value, source, effect in rows:
        table.add_row(cell(name, style), cell(value, style), cell(source, style), cell(effect))
    page.add(table)
