"""The options that configure a node."""

from collections.abc import Callable
from typing import Any

import click

from vpcipam.cli.command import FILE
from vpcipam.cli.manifests import complete_assignments, parse_assignments
from vpcipam.planner import PODS_LIMIT

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
    click.option("--max-pods", metavar="N", type=click.IntRange(1, PODS_LIMIT), help="The kubelet's max-pods. [default: what EKS sets]"),
)


def node_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, as `daemonset`, `assignments` and `max_pods`."""
    for option in reversed(_NODE_OPTIONS):
        function = option(function)
    return function
