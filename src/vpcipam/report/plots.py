"""Pictures of results: SVG for print, PNG for screens. Within one release of matplotlib, equal results give equal SVGs, byte for byte."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import attrs

from vpcipam._units import NS_PER_S, counted, span
from vpcipam.errors import InvalidArgument
from vpcipam.fleet.metrics import FleetResult
from vpcipam.fleet.samples import clock
from vpcipam.fleet.summary import rates, totals
from vpcipam.fleet.waits import Waits, wait_text
from vpcipam.report.page import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    INK,
    LINE,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Panel,
    canvas,
    empty_panel,
    headline,
    picture_format,
    side_labels,
    stack,
    tick_counts,
    time_axis,
    top,
)
from vpcipam.report.subnet_panels import subnet_panels

__all__ = ["TradeoffPoint", "picture_format", "plot_comparison", "plot_result", "plot_tradeoff"]

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 800
"""The most points of a line. A longer run is divided into this many spans, and the highest sample of each is drawn."""


class TradeoffPoint(Protocol):
    """A point of a trade-off: two values, each better when smaller."""

    @property
    def x(self) -> float:
        """The first value."""
        ...

    @property
    def y(self) -> float:
        """The second value."""
        ...

    @property
    def label(self) -> str:
        """Its name, in a few words."""
        ...

    @property
    def on_front(self) -> bool:
        """Whether no other point is better in one value and at least as good in the other."""
        ...


def plot_result(result: FleetResult, path: str | Path) -> None:
    """Draw a run over time: addresses by state, waiting pods, calls to EC2, and what is free in each subnet.

    Args:
        result: the run.
        path: the file to write; its suffix, `.svg` or `.png`, sets the format.

    Raises:
        InvalidArgument: the suffix is neither.
        OSError: the file can't be written.
    """
    panels = [
        _address_panel(result),
        _wait_panel(result),
        _call_panel(result),
        *([Panel(1.2, lambda axes: _draw_zones(axes, result))] if result.zone_samples else []),
        *subnet_panels(result),
    ]
    heights = [each.height for each in panels]
    with canvas(path, height=sum(heights) + 0.55 * len(heights) + 0.9) as figure:
        headline(
            figure,
            f"{result.scenario}: {counted(result.summary.pods, 'pod')} on up to {counted(result.summary.nodes_peak, 'node')}",
            _second_line(result),
        )
        timed = []
        for axes, panel in zip(stack(figure, heights), panels, strict=True):
            panel.draw(axes)
            if panel.height > LINE:
                timed.append(axes)
        for axes in timed:
            time_axis(axes, result.duration_ns, labelled=axes is timed[-1])


def plot_comparison(results: Mapping[str, FleetResult], path: str | Path) -> None:
    """Draw several runs side by side: attached addresses over time, and bars for each run's costs and waits.

    Args:
        results: two to eight runs, by name.
        path: as for `plot_result`.

    Raises:
        InvalidArgument: there are fewer than two or more than eight results, or the suffix is neither `.svg` nor `.png`.
        OSError: the file can't be written.
    """
    if not 2 <= len(results) <= len(_LINES):
        raise InvalidArgument(f"a comparison shows 2 to {len(_LINES)} results, not {len(results)}")
    names = list(results)
    bars = {title: [bar_of(each) for each in results.values()] for title, bar_of in _BARS}
    shown = {title: each for title, each in bars.items() if any(bar.length for bar in each)}
    zero = "; ".join(f"{title}: {each[0].text}" for title, each in bars.items() if title not in shown)
    rows = max(1, -(-len(shown) // 3))
    bars_height = 0.7 + 0.22 * len(names)
    height = 0.95 + 2.2 + 1.15 + rows * bars_height + 0.45
    with canvas(path, height=height) as figure:
        headline(
            figure, "How the runs compare", "; ".join(sorted({f"{each.scenario}, {span(each.duration_ns)}" for each in results.values()}))
        )
        above = figure.add_gridspec(1, 1, left=0.19, right=0.97, top=top(figure), bottom=top(figure) - 2.2 / height)
        lines = figure.add_subplot(above[0])
        _draw_lines(lines, results)
        time_axis(lines, max(each.duration_ns for each in results.values()), labelled=True)
        places = {"top": top(figure) - 3.35 / height, "bottom": 0.45 / height, "hspace": 0.45 / (bars_height - 0.3), "wspace": 0.18}
        grid = figure.add_gridspec(rows, 3, left=0.19, right=0.97, **places)
        for place, (title, each) in enumerate(shown.items()):
            axes = figure.add_subplot(grid[place // 3, place % 3])
            _draw_bars(axes, title, names, each, named=place % 3 == 0)
        if zero:
            figure.text(0.19, 0.2 / height, f"The same in every run: {zero}", fontsize=8, va="center")


def plot_tradeoff(points: Sequence[TradeoffPoint], path: str | Path, *, x_label: str, y_label: str) -> None:
    """Draw a trade-off: each point by its two values. The points on the front are joined, numbered and named below.

    Args:
        points: at least one.
        path: as for `plot_result`.
        x_label: what `x` is, with its unit.
        y_label: what `y` is, with its unit.

    Raises:
        InvalidArgument: there is no point, or the suffix is neither `.svg` nor `.png`.
        OSError: the file can't be written.
    """
    if not points:
        raise InvalidArgument("there is no point to draw")
    front = sorted((point for point in points if point.on_front), key=lambda point: (point.x, point.y))
    others = [point for point in points if not point.on_front]
    line_height, below = 0.17, 0.75 + 0.17 * len(front)
    height = 4.9 + below
    with canvas(path, height=height) as figure:
        headline(
            figure, f"{len(front)} of {len(points)} are worth choosing from", "smaller is better on both axes; hollow points are beaten"
        )
        axes = figure.add_axes((0.1, below / height, 0.86, top(figure) + 0.02 - below / height))
        axes.grid(visible=True, axis="both")
        axes.plot([point.x for point in others], [point.y for point in others], "o", color=GREY, mfc="none", ms=4.5, mew=0.8)
        axes.step([point.x for point in front], [point.y for point in front], where="post", color=BLUE, lw=1)
        axes.plot([point.x for point in front], [point.y for point in front], "o", color=BLUE, ms=6)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.margins(0.06)
        for place, point in enumerate(front):
            axes.annotate(f"{place + 1}", (point.x, point.y), xytext=(5, 5), textcoords="offset points", fontweight="bold", color=BLUE)
            line = line_height * (len(front) - place) / height
            figure.text(0.1, line, f"{place + 1}", fontsize=7.5, fontweight="bold", color=BLUE, va="center")
            figure.text(0.135, line, point.label, fontsize=7.5, va="center")


# --- a run ---------------------------------------------------------------------------------------------------------------------


def _thinned(times_ns: Sequence[int], heights: Sequence[int]) -> list[int]:
    """Choose which samples to draw: all, or the first, the last, and the highest of each of `POINTS` spans."""
    count = len(times_ns)
    if count <= POINTS:
        return list(range(count))
    bounds = [count * number // POINTS for number in range(POINTS + 1)]
    chosen = [max(range(begin, end), key=heights.__getitem__) for begin, end in itertools.pairwise(bounds)]
    return sorted({0, *chosen, count - 1})


def _seconds(result: FleetResult, places: Sequence[int]) -> list[float]:
    return [result.samples[place].time_ns / NS_PER_S for place in places]


def _second_line(result: FleetResult) -> str:
    summary = result.summary
    started = f"{100 * (summary.to_start.count - summary.to_start.late_count) // max(1, summary.to_start.count)} % of pods start at once"
    if summary.pods_unserved:
        started += f", {summary.pods_unserved:,} never had an address"
    return f"{span(result.duration_ns)}, seed {result.seed}; {started}; {summary.call_rates['all'].total:,} calls to EC2"


def _address_panel(result: FleetResult) -> Panel:
    if not any(each.addresses_attached for each in result.samples):
        return empty_panel("No node holds an address")
    return Panel(2.1, lambda axes: _draw_addresses(axes, result))


def _draw_addresses(axes: "Axes", result: FleetResult) -> None:
    samples, summary = result.samples, result.summary
    places = _thinned([each.time_ns for each in samples], [each.addresses_attached for each in samples])
    times = _seconds(result, places)
    layers = (
        ("assigned", [samples[place].addresses_assigned for place in places], BLUE, ""),
        ("cooling", [samples[place].addresses_cooling for place in places], VERMILLION, "xxxx"),
        ("warm", [samples[place].addresses_warm for place in places], SKY, "////"),
    )
    floor, labels = [0] * len(places), []
    for name, values, colour, hatch in layers:
        ceiling = [below + value for below, value in zip(floor, values, strict=True)]
        axes.fill_between(times, floor, ceiling, step="post", facecolor=colour, edgecolor=INK if hatch else "none", hatch=hatch, lw=0)
        labels.append(((floor[-1] + ceiling[-1]) / 2, name, colour, hatch))
        floor = ceiling
    axes.step(times, floor, where="post", color=INK, lw=0.6)
    _mark_peak(axes, summary.addresses_peak_ns, summary.addresses_peak, max(floor))
    axes.set_ylabel("addresses")
    tick_counts(axes, 5)
    axes.set_title(
        f"Pods use {summary.addresses_assigned_mean:,.0f} addresses on average; nodes hold {summary.addresses_mean:,.0f}, "
        f"at most {summary.addresses_peak:,} ({clock(summary.addresses_peak_ns)})"
    )
    side_labels(axes, labels)


def _mark_peak(axes: "Axes", peak_ns: int, peak: float, most: float) -> None:
    """Let the axis reach a peak, and mark it if it lies between samples, the highest of which is `most`."""
    if peak > most:
        axes.plot([peak_ns / NS_PER_S], [peak], marker="v", ms=4, color=INK)
        axes.annotate(f"{peak:,.0f}", (peak_ns / NS_PER_S, peak), xytext=(4, 0), textcoords="offset points", va="center", fontsize=7.5)
    axes.set_ylim(0, (max(peak, most) or 1) * 1.08)


def _wait_panel(result: FleetResult) -> Panel:
    if not any(each.pods_waiting or each.pods_pending for each in result.samples):
        return empty_panel(_wait_title(result.summary.to_start))
    return Panel(1.2, lambda axes: _draw_waiting(axes, result))


def _draw_waiting(axes: "Axes", result: FleetResult) -> None:
    samples, waits = result.samples, result.summary.to_start
    times_ns = [each.time_ns for each in samples]
    for_address, for_node = [each.pods_waiting for each in samples], [each.pods_pending for each in samples]
    places = _thinned(times_ns, [sum(both) for both in zip(for_address, for_node, strict=True)])
    times = _seconds(result, places)
    floor, ceiling = [for_address[place] for place in places], [for_address[place] + for_node[place] for place in places]
    axes.fill_between(times, floor, step="post", facecolor=ORANGE, lw=0)
    axes.fill_between(times, floor, ceiling, step="post", facecolor=PURPLE, edgecolor=INK, hatch="\\\\\\\\", lw=0)
    axes.step(times, ceiling, where="post", color=INK, lw=0.35)
    most = max(ceiling)
    axes.set_ylim(0, most * 1.08)
    axes.set_ylabel("pods that wait")
    tick_counts(axes, 4)
    axes.set_title(_wait_title(waits))
    labels = ((most * 0.2, "for an address", ORANGE, "", for_address), (most * 0.75, "for a node", PURPLE, "\\\\\\\\", for_node))
    side_labels(axes, [(height, name, colour, hatch) for height, name, colour, hatch, counts in labels if any(counts)])


def _wait_title(waits: Waits) -> str:
    """Say how long pods waited, and how many never had an address."""
    if not waits.late_count:
        return "No pod waits"
    late = f"{100 * waits.late_count / waits.count:.1f} % of pods wait"
    if waits.p99_ns is not None:
        late += "; 99 % start " + (f"within {span(waits.p99_ns)}" if waits.p99_ns else "at once")
    if waits.unended_count:
        return f"{late}; {waits.unended_count:,} never had an address"
    return f"{late}, the last after {span(waits.max_ns)}"


def _call_panel(result: FleetResult) -> Panel:
    if not any(totals(result.calls, len(result.samples))[1:]):
        return empty_panel("No calls to EC2 after the start")
    return Panel(1.2, lambda axes: _draw_calls(axes, result))


def _draw_calls(axes: "Axes", result: FleetResult) -> None:
    times_ns = [each.time_ns for each in result.samples]
    calls, lost = totals(result.calls, len(times_ns)), totals(result.throttled, len(times_ns))
    places = _thinned(times_ns[1:], calls[1:])
    times = [*_seconds(result, places), result.duration_ns / NS_PER_S]
    drawn, lost_drawn = ([each[place] for place in places] + each[-1:] for each in (rates(times_ns, calls), rates(times_ns, lost)))
    axes.fill_between(times, drawn, step="post", facecolor=GREEN, lw=0)
    axes.fill_between(times, lost_drawn, step="post", facecolor=VERMILLION, edgecolor=INK, hatch="xxxx", lw=0)
    summary = result.summary.call_rates["all"]
    _mark_peak(axes, summary.worst_minute_ns, summary.worst_minute, max(drawn))
    axes.set_ylabel("calls a minute")
    tick_counts(axes, 4)
    throttled = f"; EC2 throttles {summary.throttled:,}" if summary.throttled else ""
    axes.set_title(
        f"{summary.per_minute:,.1f} calls to EC2 a minute on average, at most {summary.worst_minute:,.0f} "
        f"({clock(summary.worst_minute_ns)}){throttled}"
    )
    top = axes.get_ylim()[1]
    side_labels(axes, [(top * 0.75, "all calls", GREEN, ""), *([(top * 0.2, "throttled", VERMILLION, "xxxx")] if any(lost) else [])])


def _draw_zones(axes: "Axes", result: FleetResult) -> None:
    times_ns = [each.time_ns for each in result.samples]
    most = max(1, *(each.pods_running for samples in result.zone_samples.values() for each in samples))
    labels: list[tuple[float, str, str, str]] = []
    for (zone, samples), (colour, dashes), width in zip(
        result.zone_samples.items(), _LINES, _widths(len(result.zone_samples)), strict=False
    ):
        running = [each.pods_running for each in samples]
        places = _thinned(times_ns, running)
        axes.step(_seconds(result, places), [running[place] for place in places], where="post", color=colour, linestyle=dashes, lw=width)
        labels.append((most * (1 - len(labels) / len(_LINES)), f"zone {zone}", colour, ""))  # from the top, in the order of the zones
    axes.set_ylim(0, most * 1.08)
    axes.set_ylabel("pods running")
    tick_counts(axes, 4)
    means = ", ".join(f"{zone} {figures.pods_running_mean:,.0f}" for zone, figures in result.summary.zones.items())
    axes.set_title(f"Pods by zone, on average: {means}")
    side_labels(axes, labels)


# --- several runs --------------------------------------------------------------------------------------------------------------

_LINES = (
    (BLUE, "-"), (VERMILLION, "--"), (GREEN, "-."), (BLACK, ":"), (ORANGE, "-"), (PURPLE, "--"), (SKY, "-."), (GREY, "-"),
)  # fmt: skip


def _widths(count: int) -> list[float]:
    """Return the widths of lines that are drawn one over the other: the first is the widest, so that it shows below the others."""
    step = min(0.9, 2.4 / count)
    return [1 + step * (count - 1 - number) for number in range(count)]


@attrs.frozen
class _Bar:
    """The length of a bar, and the text beside it."""

    length: float
    text: str


def _wait_bar(result: FleetResult) -> _Bar:
    waits = result.summary.to_start
    # A wait that is not reached has no length; draw it as long as the run.
    length_ns = result.duration_ns if waits.p99_ns is None else waits.p99_ns
    return _Bar(length_ns / NS_PER_S, wait_text(waits.p99_ns))


_BARS: tuple[tuple[str, Callable[[FleetResult], _Bar]], ...] = (
    ("pod addresses, mean", lambda result: _Bar(result.summary.addresses_mean, f"{result.summary.addresses_mean:,.0f}")),
    ("subnet addresses, peak", lambda result: _Bar(result.summary.subnet_addresses_peak, f"{result.summary.subnet_addresses_peak:,}")),
    ("calls to EC2", lambda result: _Bar(result.summary.call_rates["all"].total, f"{result.summary.call_rates['all'].total:,}")),
    ("never had an address", lambda result: _Bar(result.summary.pods_unserved, f"{result.summary.pods_unserved:,}")),
    ("99 % start within", _wait_bar),
    (
        "calls, worst minute",
        lambda result: _Bar(result.summary.calls_worst_minute, f"{result.summary.calls_worst_minute:,.0f}"),
    ),
)


def _draw_lines(axes: "Axes", results: Mapping[str, FleetResult]) -> None:
    for (name, result), (colour, dashes), width in zip(results.items(), _LINES, _widths(len(results)), strict=False):
        heights = [sample.addresses_attached for sample in result.samples]
        places = _thinned([sample.time_ns for sample in result.samples], heights)
        axes.step(
            _seconds(result, places),
            [heights[place] for place in places],
            where="post",
            color=colour,
            linestyle=dashes,
            lw=width,
            label=name,
        )
    axes.set_ylim(bottom=0)
    axes.set_ylabel("pod addresses attached")
    tick_counts(axes, 5)
    axes.set_title("Pod addresses that nodes hold")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=4, frameon=False, fontsize=7.5, handlelength=3)


def _draw_bars(axes: "Axes", title: str, names: Sequence[str], bars: Sequence[_Bar], *, named: bool) -> None:
    for place, (each, (colour, _)) in enumerate(zip(bars, _LINES, strict=False)):
        axes.barh(place, each.length, color=colour, height=0.62)
        axes.text(each.length, place, f" {each.text}", va="center", fontsize=7.5)
    axes.set_yticks(range(len(names)), names if named else [""] * len(names))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, (max(each.length for each in bars) or 1) * 1.35)
    axes.set_title(title)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
