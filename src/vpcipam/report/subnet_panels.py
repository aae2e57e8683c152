"""The /28s of a subnet over time."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vpcipam._units import NS_PER_S
from vpcipam.fleet.metrics import FleetResult
from vpcipam.fleet.samples import clock
from vpcipam.report.page import ORANGE, VERMILLION, Panel, colour_steps, side_labels, tall, tick_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STRIP_ROWS = 256
"""The most rows of a subnet's strip. In a larger subnet each row averages neighbouring /28s."""
SUBNETS = 4
"""The most subnets in a picture; those with the most stranded addresses are drawn."""

_FREE_COLOURS = colour_steps("#12344D", [VERMILLION, ORANGE, "#FBE3B0"], 15, "#F7F7F7")
"""The colour of a /28 by its free addresses: dark for none, orange for some, nearly white for all 16."""


_INCHES_PER_28 = 0.09
_TALLEST = 1.5
_LOWEST = 0.5  # so that its three labels fit beside it


def subnet_panels(result: FleetResult) -> list[Panel]:
    """Return a panel for each of the first subnets. Their heights are in proportion to their sizes, unless the labels need more."""
    names = sorted(result.strips, key=lambda name: -result.summary.subnets[name].stranded_peak)[:SUBNETS]
    scale = min([_INCHES_PER_28 / 16, *(_TALLEST / result.summary.subnets[name].size for name in names)])
    return [
        Panel(
            max(_LOWEST, scale * result.summary.subnets[name].size),
            functools.partial(_draw_subnet, result=result, name=name),
        )
        for name in names
    ]


def _draw_subnet(axes: "Axes", result: FleetResult, name: str) -> None:
    strips, summary = result.strips[name], result.summary.subnets[name]
    rows = _strip_rows([counts for _, counts in strips])
    times = [time_ns / NS_PER_S for time_ns, _ in strips]
    end = result.duration_ns / NS_PER_S
    edges = [*times, end] if times[-1] < end else times  # the first strip is from the start, so at least one column remains
    columns = len(edges) - 1
    heights = [summary.size * number / len(rows) for number in range(len(rows) + 1)]
    axes.pcolormesh(edges, heights, [row[:columns] for row in rows], cmap=_FREE_COLOURS, vmin=-0.5, vmax=16.5, rasterized=True)
    axes.set_ylim(summary.size, 0)
    axes.grid(visible=False)
    axes.set_ylabel("address (offset)" if tall(axes) > 2 * _LOWEST else "offset")
    step = max(16, summary.size // (4 if tall(axes) > 2 * _LOWEST else 2))
    tick_at(axes, range(0, summary.size + 1, step))
    _mark_periods(axes, result, name)
    axes.set_title(_subnet_title(result, name), pad=11)
    kinds = ((0.15, "free /28", "#F7F7F7"), (0.5, "/28 in part free", ORANGE), (0.85, "taken /28", "#12344D"))
    side_labels(axes, [(summary.size * place, text, colour, "") for place, text, colour in kinds])  # the axis points down


def _strip_rows(strips: Sequence[bytes]) -> list[list[float]]:
    """Turn strips over time into rows of the picture. A row of several /28s is their mean; it is full or empty only if all of them are."""
    count = len(strips[0])
    size = -(-count // STRIP_ROWS)

    def mean(counts: bytes) -> float:
        whole = sum(counts) / len(counts)
        return whole if whole in {0, 16} else min(max(whole, 1), 15)

    return [[mean(strip[begin : begin + size]) for strip in strips] for begin in range(0, count, size)]


def _mark_periods(axes: "Axes", result: FleetResult, name: str) -> None:
    """Draw a bar above the strip wherever no /28 is free."""
    none = [not sample.free_prefixes for sample in result.subnet_samples[name]]
    if any(none):
        axes.fill_between(
            [sample.time_ns / NS_PER_S for sample in result.samples],
            1 + 0.02 / tall(axes),
            1 + 0.08 / tall(axes),
            where=none,
            step="post",
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            facecolor=VERMILLION,
            lw=0,
        )
        axes.text(1.012, 1 + 0.1 / tall(axes), "no free /28", transform=axes.transAxes, va="center", fontsize=7.5, color=VERMILLION)


def _subnet_title(result: FleetResult, name: str) -> str:
    summary = result.summary.subnets[name]
    where = name if summary.zone is None else f"{name} in zone {summary.zone}"
    if not summary.free_prefixes_least:
        untaken = f"{summary.untaken_at_fewest_prefixes:,} addresses are free"
        return f"Subnet {where}: no /28 is left at {clock(summary.free_prefixes_least_ns)}, though {untaken}"
    return f"Subnet {where}: at least {summary.free_prefixes_least:,} /28s and {summary.free_least:,} addresses stay free"
