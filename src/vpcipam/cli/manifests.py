"""Manifests and single variables as arguments."""

from typing import TYPE_CHECKING

import click

from vpcipam.cli.streams import STDIN, open_text
from vpcipam.errors import ManifestError, file_trouble
from vpcipam.settings import VARIABLES, Settings, explain

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def read_settings(file: str) -> Settings:
    """Read a manifest from a file, or from stdin if the name is `-`.

    Raises:
        ManifestError: It can't be read.
        MissingExtra: It is YAML, and PyYAML is not installed.
    """
    if file != STDIN:
        from pathlib import Path  # noqa: PLC0415 - a plan without a manifest starts faster without it

        return Settings.from_daemonset(Path(file))
    try:
        with open_text(file) as stream:
            return Settings.from_daemonset(stream)
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"can't read stdin: {file_trouble(error)}; give a manifest as UTF-8 text") from error


def node_settings(daemonset: str | None, assignments: tuple[tuple[str, str], ...]) -> Settings:
    """Read the settings of the options `--daemonset` and `--set`; if `--set` names a variable twice, the last value wins.

    Raises:
        InvalidArgument: No release reads a variable of that name. The message suggests the nearest name.
    """
    settings = Settings() if daemonset is None else read_settings(daemonset)
    for name, _ in assignments:
        explain(name)
    return settings.with_variables(dict(assignments))


def parse_assignments(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Split arguments of the form NAME=VALUE."""
    pairs = []
    for value in values:
        name, equals, text = value.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{value!r} is not of the form NAME=VALUE, such as WARM_IP_TARGET=5")
        pairs.append((name, text))
    return tuple(pairs)


def complete_assignments(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> "list[CompletionItem[str]]":
    """Complete the names of variables that act on addresses, and the values of booleans."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a shell that completes needs it

    endings = ("true", "false") if "=" in incomplete else ("",)
    return [
        CompletionItem(f"{variable.name}={ending}", help=variable.effect)
        for variable in VARIABLES.values()
        for ending in endings
        if variable.acts_on_addresses and (variable.kind == "bool" or not ending) and f"{variable.name}={ending}".startswith(incomplete)
    ]


def prefixed(head: str, items: "list[CompletionItem[str]]") -> "list[CompletionItem[str]]":
    """Put what stands before them in the same word before completions."""
    return [type(item)(head + item.value, help=item.help) for item in items]
