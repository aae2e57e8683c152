"""The options that configure a node."""

from collections.abc import Callable
from typing import Any

import click

from vpcipam.cli.command import FILE, IntRange
from vpcipam.cli.kubelet import max_pods_by_option
from vpcipam.cli.manifests import complete_assignments, parse_assignments
from vpcipam.planner import PODS_LIMIT

_MAX_PODS_OPTIONS = ("max_pods", "max_pods_by")


def _refuse_both(context: click.Context, _parameter: click.Parameter, value: Any) -> Any:  # noqa: ANN401 - the value of either option
    """Pass a value through, unless the other of the two options came before it."""
    if value is not None and any(context.params.get(name) is not None for name in _MAX_PODS_OPTIONS):
        raise click.UsageError("--max-pods and --max-pods-by exclude each other: give the number, or what sets it")
    return value


_NODE_OPTIONS = (
    click.option(
        "--daemonset",
        metavar="FILE|-",
        type=FILE,
        help="The aws-node manifest, Helm values, or another document that `vpcipam settings` reads; - is stdin. "
        "[default: the manifest as AWS ships it]",
    ),
    click.option(
        "--set",
        "assignments",
        metavar="NAME=VALUE",
        multiple=True,
        callback=parse_assignments,
        shell_complete=complete_assignments,
        help="Set a variable of the manifest. Repeatable.",
    ),
    click.option(
        "--max-pods",
        metavar="N",
        type=IntRange(1, PODS_LIMIT),
        callback=_refuse_both,
        help="The kubelet's max-pods. [default: what --max-pods-by sets]",
    ),
    max_pods_by_option(_refuse_both),
)


def node_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, as `daemonset`, `assignments`, `max_pods` and `max_pods_by`."""
    for option in reversed(_NODE_OPTIONS):
        function = option(function)
    return function
