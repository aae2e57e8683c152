"""Scenarios as arguments: a file, and changes to it."""

import functools
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import click
from click.shell_completion import CompletionItem

from vpcipam._toml import parse_toml
from vpcipam.cli.command import FILE, IntRange, Output
from vpcipam.cli.instance_types import complete_types
from vpcipam.cli.manifests import complete_assignments, prefixed
from vpcipam.cli.streams import STDIN, open_text
from vpcipam.errors import InvalidArgument, ScenarioError
from vpcipam.fleet.scenario import Scenario


def _complete_change(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem[str]]":
    """Complete the variable of a group, and its instance type."""
    group, settings, variable = incomplete.partition(".settings.")
    if settings:
        return prefixed(group + settings, complete_assignments(context, parameter, variable))
    path, equals, instance_type = incomplete.partition(".instance_type=")
    if not equals:
        return []
    return prefixed(path + equals, [CompletionItem(name) for name in complete_types(context, parameter, instance_type)])


_SCENARIO_OPTIONS = (
    click.argument("file", metavar="SCENARIO.toml", type=FILE),
    click.option("--seed", metavar="N", type=IntRange(min=0), help="Set the random seed. [default: the scenario's, or 0]"),
    click.option(
        "--trace",
        metavar="FILE",
        type=FILE,
        help="Take the pods from this CSV file (times in seconds), not from the workload. --set changes its keys as workload.trace.KEY.",
    ),
    click.option(
        "--set",
        "changes",
        metavar="KEY=VALUE",
        multiple=True,
        callback=lambda _ctx, _param, values: dict(map(parse_change, values)),
        shell_complete=_complete_change,
        help="Set a key of the scenario by its path. Repeatable.",
    ),
)


def takes_scenario(function: Callable[..., Output]) -> Callable[..., Output]:
    """Add the argument and options that select a scenario to a command, which gets it as `scenario`."""

    @functools.wraps(function)
    def command(*, file: str, seed: int | None, trace: str | None, changes: dict[str, object], **options: Any) -> Output:  # noqa: ANN401 - the command's own options
        scenario = _read_scenario(file, seed, trace, changes)
        return attrs.evolve(function(scenario, **options), asked=scenario)

    for option in reversed(_SCENARIO_OPTIONS):
        command = option(command)
    return command


def _read_scenario(file: str, seed: int | None, trace: str | None, changes: dict[str, object]) -> Scenario:
    if seed is not None:
        changes = {"seed": seed, **changes}
    if trace is not None:
        if any(f"{path}.".startswith("workload.") and not path.startswith("workload.trace.") for path in changes):
            raise ScenarioError("--trace replaces the workload, so --set can only change keys of workload.trace; leave out one of the two")
        changes = {"workload": [{"kind": "trace", "name": "trace", "file": str(Path(trace).resolve())}], **changes}
    if file != STDIN:
        return Scenario.load(file, changes)
    with open_text(file) as stdin:
        return Scenario.load(stdin, changes)


def parse_change(text: str) -> tuple[str, object]:
    """Split KEY=VALUE; a value that is not valid TOML counts as a text.

    >>> parse_change("group.workers.count=3"), parse_change("duration=2 d"), parse_change("ec2.throttling='none'")
    (('group.workers.count', 3), ('duration', '2 d'), ('ec2.throttling', 'none'))
    """
    path, equals, value = text.partition("=")
    if not path or not equals:
        raise click.BadParameter(f"{text!r} is not of the form KEY=VALUE, such as group.workers.count=20")
    try:
        document = parse_toml(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return path, value
    except InvalidArgument as error:
        raise ScenarioError(f"{path}: {error}") from None
    return path, document["value"] if len(document) == 1 else value
