"""How a node is set up, as options that several commands take."""

from collections.abc import Callable
from typing import Any

import click

from vpcipam.cli.manifests import complete_assignments, parse_assignments
from vpcipam.planner import PODS_LIMIT

_NODE_OPTIONS = (
    click.option(
        "--daemonset",
        metavar="FILE|-",
        type=click.Path(),
        help="The aws-node manifest, or Helm values; - is stdin. [default: as AWS ships it]",
    ),
    click.option(
        "--set",
        "assignments",
        metavar="NAME=VALUE",
        multiple=True,
        callback=parse_assignments,
        shell_complete=complete_assignments,
        help="Set a variable of the manifest; may be repeated.",
    ),
    click.option("--max-pods", metavar="N", type=click.IntRange(1, PODS_LIMIT), help="The kubelet's max-pods. [default: what EKS sets]"),
)


def node_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how a node is set up: `daemonset`, `assignments`, `max_pods`."""
    for option in reversed(_NODE_OPTIONS):
        function = option(function)
    return function
