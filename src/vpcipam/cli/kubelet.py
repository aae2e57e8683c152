"""The option for what sets the kubelet's max-pods, and max-pods for people."""

from collections.abc import Callable
from typing import Any

import click

from vpcipam._units import number
from vpcipam.limits import HOST_NETWORK_PODS, MaxPodsBy


def max_pods_by_option(callback: Callable[[click.Context, click.Parameter, Any], Any] | None = None) -> Callable[..., Any]:
    """Return the option `--max-pods-by`, which passes one of the values of `MaxPodsBy`, or None."""
    return click.option(
        "--max-pods-by",
        type=click.Choice([each.value for each in MaxPodsBy]),
        callback=callback,
        help=f"What sets the kubelet's max-pods; `vpcipam max-pods TYPE` compares them. [default: {MaxPodsBy.MANAGED_NODE_GROUP}]",
    )


def max_pods_text(max_pods: int, by: MaxPodsBy | None) -> str:
    """Return max-pods, what sets it, and the host's part of it.

    >>> max_pods_text(110, MaxPodsBy.MANAGED_NODE_GROUP)
    "110, as a managed node group sets it; 2 of them on the host's network"
    """
    setter = "as given" if by is None else f"as {by.label} sets it"
    return f"{number(max_pods)}, {setter}; {HOST_NETWORK_PODS} of them on the host's network"
