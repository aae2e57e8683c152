"""Scenarios as arguments: a file, and changes to it."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vpcipam.errors import ScenarioError
from vpcipam.fleet.scenario import Scenario

_SCENARIO_OPTIONS = (
    click.argument("file", metavar="SCENARIO.toml", type=click.Path()),
    click.option("--seed", metavar="N", type=click.IntRange(min=0), help="Draw other chances. [default: what the scenario says, or 0]"),
    click.option(
        "--trace",
        metavar="FILE",
        type=click.Path(),
        help="Run the pods of this CSV file, in seconds, in place of the scenario's workload, as workload.trace.",
    ),
    click.option(
        "--set",
        "changes",
        metavar="KEY=VALUE",
        multiple=True,
        callback=lambda _ctx, _param, values: dict(map(parse_change, values)),
        help="Set a key of the scenario, by its path; may be repeated.",
    ),
)


def scenario_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument and options that say what to run: `file`, `seed`, `trace`, `changes`."""
    for option in reversed(_SCENARIO_OPTIONS):
        function = option(function)
    return function


def read_scenario(file: str, *, seed: int | None, trace: str | None, changes: dict[str, object]) -> Scenario:
    """Read a scenario and change it.

    Raises:
        ScenarioError: It can't be read, or it or a change makes no sense.
    """
    if seed is not None:
        changes = {"seed": seed, **changes}
    if trace is not None:
        if any(f"{path}.".startswith("workload.") and not path.startswith("workload.trace.") for path in changes):
            raise ScenarioError(
                "--trace replaces the workload, so that --set can change nothing of it but workload.trace.…; leave out one of them"
            )
        changes = {"workload": [{"kind": "trace", "name": "trace", "file": str(Path(trace).resolve())}], **changes}
    return Scenario.load(file, changes)


def parse_change(text: str) -> tuple[str, object]:
    """Take KEY=VALUE apart; a value that is none in TOML is a text.

    >>> parse_change("group.workers.count=3"), parse_change("duration=2 d"), parse_change("ec2.throttling='none'")
    (('group.workers.count', 3), ('duration', '2 d'), ('ec2.throttling', 'none'))
    """
    path, equals, value = text.partition("=")
    if not path or not equals:
        raise click.BadParameter(f"{text!r} is not of the form KEY=VALUE, such as group.workers.count=20")
    try:
        document = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return path, value
    return path, document["value"] if len(document) == 1 else value
