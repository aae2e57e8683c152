"""What the files of a question said, for reports: whoever is sent one has the command line, but not the files."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vpcipam._units import counted
from vpcipam.cli.html import HtmlPage
from vpcipam.cli.settings_view import describe_variables, value_text
from vpcipam.settings import Settings

if TYPE_CHECKING:
    from vpcipam.fleet.scenario import Scenario

_MOST_KEYS = 200
_LONGEST = 200
_MOST_NAMES = 3


def show_asked(page: HtmlPage, asked: "tuple[tuple[str, Settings], ...] | Scenario") -> None:
    """Write settings, or the keys of a scenario after all changes, as `--set` names them, with the settings of its groups."""
    if isinstance(asked, tuple):
        _show_settings(page, asked)
        return
    _show_settings(page, ((group.name, group.settings) for group in asked.groups))
    if asked.document is None:
        return
    keys = list(_keys(asked.document.content, ""))
    page.line("Scenario", "bold")
    page.facts(keys[:_MOST_KEYS])
    if len(keys) > _MOST_KEYS:
        page.line(f"… and {counted(len(keys) - _MOST_KEYS, 'more key', 'more keys')} in the file", "dim")


def _show_settings(page: HtmlPage, named: Iterable[tuple[str, Settings]]) -> None:
    """Write which variables that act on addresses differ from the manifest that AWS ships, once for all that have the same."""
    kinds: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for name, settings in named:
        names = kinds.setdefault(tuple(_differences(settings)), [])
        if name not in names:
            names.append(name)
    for differences, names in kinds.items():
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        page.line(f"Settings of {', '.join(names[:_MOST_NAMES])}{more}" if len(kinds) > 1 else "Settings", "bold")
        if differences:
            page.facts(differences)
        other = "other variables" if differences else "variables"
        page.line(f"All {other} that act on addresses are as in the manifest that AWS ships.", "dim")


def _differences(settings: Settings) -> Iterator[tuple[str, str]]:
    for each in describe_variables(settings):
        if each["differs"] and each["acts_on_addresses"]:
            yield each["name"], _short(value_text(each))


def _keys(value: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any value of a TOML document
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _keys(each, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        for place, each in enumerate(value):
            yield from _keys({key: inner for key, inner in each.items() if key != "name"}, f"{path}.{each.get('name', place)}")
    else:
        yield path, _short(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
