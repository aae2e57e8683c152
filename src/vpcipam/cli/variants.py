"""`--variant`: the same question with other variables of the aws-node container."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from vpcipam.cli.manifests import complete_assignments, parse_assignments, prefixed
from vpcipam.settings import explain

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Assignments = tuple[tuple[str, str], ...]

AS_GIVEN = "as given"
"""What to call the settings without a variant."""


def _parse(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[Assignments, ...]:
    """Split each NAME=VALUE,NAME=VALUE."""
    return tuple(parse_assignments(context, parameter, tuple(value.split(","))) for value in values)


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem[str]]":
    """Complete the last NAME=VALUE."""
    before, comma, last = incomplete.rpartition(",")
    return prefixed(before + comma, complete_assignments(context, parameter, last))


def variant_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option to a command, as `variants`."""
    return click.option(
        "--variant",
        "variants",
        metavar="NAME=VALUE[,NAME=VALUE…]",
        multiple=True,
        callback=_parse,
        shell_complete=_complete,
        help="Answer for these variables too, set on top of --daemonset and --set. Repeatable.",
    )(function)


def check_names(variables: dict[str, str]) -> None:
    """Check the names of a variant's variables.

    Raises:
        InvalidArgument: No release reads a variable of that name. The message suggests the nearest name.
    """
    for name in variables:
        explain(name)


def variant_text(variables: dict[str, str]) -> str:
    """Return the variables of a variant on one line."""
    return ", ".join(f"{name}={text}" for name, text in variables.items()) or AS_GIVEN
