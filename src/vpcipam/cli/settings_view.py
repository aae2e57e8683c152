"""Settings for people: what differs from the shipped manifest, what it means, the rest, remarks."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from vpcipam._units import counted
from vpcipam.cli.table import Cell, Table
from vpcipam.settings import VARIABLES, Diagnostic, Settings, Variable
from vpcipam.settings.diagnostics import shorten

if TYPE_CHECKING:
    from vpcipam.cli.tables import Page

_STYLES = {"set": "bold", "fallback": "yellow", "default": "dim", "implied": "dim", "other": "bold"}
_LEVEL_STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}
_ORIGINS = {
    "file": "Set by the file, as in the manifest that AWS ships",
    "manifest": "Added by the manifest that AWS ships",
    "default": "Set by neither: ipamd's defaults",
}
_WIDE = 100
"""The narrowest page on which a table of five columns reads well, in characters."""


def show_settings(
    page: "Page", headline: str, variables: Sequence[dict[str, Any]], meaning: str, diagnostics: Sequence[Diagnostic], *, every: bool
) -> None:
    """Write what differs from the shipped manifest, what the settings mean, and the diagnostics; with `every`, the other variables too."""
    page.line(headline, "bold")
    page.line()
    _show_differences(page, [described for described in variables if described["differs"]])
    rest = [described for described in variables if not described["differs"]]
    if every:
        _show_rest(page, rest)
    else:
        page.line(f"{counted(len(rest), 'other variable is', 'other variables are')} as shipped; --all shows them.", "dim")
    page.line()
    page.line("For a node, this means", "bold")
    page.line(meaning)
    page.line()
    page.line(f"{counted(len(diagnostics), 'remark')}:" if diagnostics else "No remarks.", "bold")
    for found in diagnostics:
        page.remark(f"{found.level}: {found.variable}", _LEVEL_STYLES[found.level], found.message, found.suggestion)


def describe_variables(settings: Settings) -> list[dict[str, Any]]:
    """Describe every variable that the container reads, then the other names that are set.

    The `origin` of a value is that of `Settings.origin_of`. Its `source` is one of: `set`; `fallback` (set to a text that ipamd can't use);
    `default` (not set); `implied` (not set, but other variables imply it); `other` (set, but not a variable of ipamd). `shipped` is the
    text in the manifest that AWS ships. `differs` is true if ipamd takes another value than with that manifest, or can't use the text.
    """
    texts = settings.variables
    described = [_describe(settings, variable, texts.get(variable.name)) for variable in VARIABLES.values()]
    return described + [_describe_other(settings, name, text) for name, text in texts.items() if name not in VARIABLES]


def _describe(settings: Settings, variable: Variable, text: str | None) -> dict[str, Any]:
    parsed = None if text is None else variable.parse(text)
    value = variable.default if parsed is None else parsed
    source = "default" if text is None else "set" if parsed is not None or text == variable.default else "fallback"
    if variable.setting is not None and getattr(settings, variable.setting) != value:
        value, source = getattr(settings, variable.setting), "implied"
    shipped = variable.default if variable.shipped is None else variable.parse(variable.shipped)
    return {
        "name": variable.name,
        "value": value,
        "text": text,
        "source": source,
        "origin": settings.origin_of(variable.name),
        "shipped": variable.shipped,
        "differs": value != shipped or source == "fallback",
        "acts_on_addresses": variable.acts_on_addresses,
        "effect": variable.effect,
    }


def _describe_other(settings: Settings, name: str, text: str) -> dict[str, Any]:
    return {
        "name": name,
        "value": None,
        "text": text,
        "source": "other",
        "origin": settings.origin_of(name),
        "shipped": None,
        "differs": True,
        "acts_on_addresses": False,
        "effect": "not a variable of ipamd",
    }


def settings_table(variables: Sequence[dict[str, Any]]) -> Table:
    """Return a table with a line for each variable."""
    heads = ("variable", "value", "shipped", "from", "differs", "what it does")
    rows = ((each["name"], *_texts(each), each["origin"], each["differs"], each["effect"]) for each in variables)
    return Table(heads, rows, fold={"value", "what it does"})


def _texts(described: dict[str, Any]) -> tuple[Cell, Cell]:
    """The value of a variable, and the shipped one; ipamd has neither of a name that it doesn't read."""
    return (described["text"], None) if described["source"] == "other" else (value_text(described), _shipped_text(described))


def _show_differences(page: "Page", variables: Sequence[dict[str, Any]]) -> None:
    """Write the variables that differ: those that act on addresses with their effect, of the others only the names."""
    acting = [described for described in variables if described["acts_on_addresses"]]
    others = [described["name"] for described in variables if not described["acts_on_addresses"]]
    if acting:
        page.line("Different from the manifest that AWS ships", "bold")
        _show_variables(page, acting, shipped=True)
        page.line()
    else:
        page.line("No variable that acts on addresses differs from the manifest that AWS ships.")
    if others:
        page.line(f"Different, with no effect on addresses: {', '.join(others)}.")


def _show_rest(page: "Page", variables: Sequence[dict[str, Any]]) -> None:
    for origin, title in _ORIGINS.items():
        group = [described for described in variables if described["origin"] == origin]
        if group:
            page.line()
            page.line(title, "bold")
            _show_variables(page, group, shipped=False)


def _show_variables(page: "Page", variables: Iterable[dict[str, Any]], *, shipped: bool) -> None:
    """Write a table, or on a narrow page a list with each effect below its variable."""
    heads = ("variable", "value", *(("shipped", "from") if shipped else ()), "what it does")
    rows = []
    for described in variables:
        style = _STYLES[described["source"]]
        value = value_text(described)
        shipped_text = _shipped_text(described)
        if page.width < _WIDE:
            more = f" ({described['origin']}; shipped: {shipped_text})" if shipped else ""
            page.line(f"{described['name']} = {value}{more}", style)
            page.indented(described["effect"])
        cells = ((shipped_text, "dim"), (described["origin"], style)) if shipped else ()
        rows.append(((described["name"], style), (value, style), *cells, described["effect"]))
    if page.width >= _WIDE:
        page.table(heads, rows, fold={"value", "what it does"})


def value_text(described: dict[str, Any]) -> str:
    """Write the value that ipamd takes, and the text if ipamd can't use it."""
    value = VARIABLES[described["name"]].format(described["value"])
    return f"{value} (not {shorten(described['text'])}, which is unusable)" if described["source"] == "fallback" else value


def _shipped_text(described: dict[str, Any]) -> str:
    """Write what the shipped manifest has; a variable that it leaves out has ipamd's default."""
    variable = VARIABLES[described["name"]]
    return variable.format(variable.default) if described["shipped"] is None else str(described["shipped"])
