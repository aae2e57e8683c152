"""The result of a simulation for people: levels with sparklines, waits, calls, subnets, events."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vpcipam._units import counted, number, span
from vpcipam.fleet.metrics import FleetResult
from vpcipam.fleet.samples import clock
from vpcipam.fleet.summary import Waits, rates, totals
from vpcipam.fleet.waits import wait_text

if TYPE_CHECKING:
    from vpcipam.cli.charts import Chart
    from vpcipam.cli.table import Cell
    from vpcipam.cli.tables import Page

_LEVELS = "▁▂▃▄▅▆▇█"
_PLAIN_LEVELS = "_.-=+*#@"
_LEVELS_OF_NODES = (
    ("nodes", "nodes", "nodes"),
    ("addresses", "addresses", "addresses_attached"),
    ("- assigned", "addresses_assigned", "addresses_assigned"),
    ("- cooling", "addresses_cooling", "addresses_cooling"),
    ("- warm", "addresses_warm", "addresses_warm"),
    ("ENIs", "enis", "enis"),
    ("prefixes", "prefixes", "prefixes"),
)
"""Each with its name in the summary, and in a sample."""
_MOST_EVENTS = 24
_LONGEST_SPARKLINE = 60
_WIDTH_OF_FIGURES = 44


def show_result(page: "Page", result: FleetResult) -> None:
    """Write a result."""
    _head(page, result)
    page.line()
    _levels(page, result)
    page.line()
    _waits(page, result)
    page.line()
    _calls(page, result)
    page.line()
    if result.summary.zones:
        _zones(page, result)
        page.line()
    _subnets(page, result)
    if result.events:
        page.line()
        _events(page, result)


def _head(page: "Page", result: FleetResult) -> None:
    summary = result.summary
    page.line(
        f"{result.scenario} · {span(result.duration_ns)}, seed {result.seed} · "
        f"{counted(summary.pods, 'pod')} on up to {counted(summary.nodes_peak, 'node')}",
        "bold",
    )
    ends = (
        ("run", summary.pods_running),
        ("wait for an address", summary.pods_waiting),
        ("wait for a node", summary.pods_pending),
        ("are done", summary.pods_done),
        ("were deleted or rejected without an address", summary.pods_refused),
    )
    page.line(f"At the end {', '.join(f'{number(count)} {what}' for what, count in ends if count) or 'there is no pod'}.")
    if summary.pods_unserved:
        page.line(f"{number(summary.pods_unserved)} of {counted(summary.pods, 'pod')} never had an address.", "bold red")
    if summary.measured_from_ns:
        page.line(f"Waits are those of the pods that come from {clock(summary.measured_from_ns)} on; peaks and means begin then, too.")


# --- over time -----------------------------------------------------------------------------------------------------------


def sparkline(values: Sequence[float], width: int, signs: str, top: float) -> str:
    """Draw values with up to `width` characters, each for the highest value in its part. The first sign means 0, the last `top`.

    >>> sparkline([0, 1, 2, 3, 4, 8], 3, "_.-=+*#@", 8)
    '.=@'
    >>> sparkline([0, 1, 2, 3, 4, 8], 3, "_.-=+*#@", 20)
    '.-='
    """
    width = min(width, len(values))
    parts = [values[len(values) * place // width : len(values) * (place + 1) // width] for place in range(width)]
    most = len(signs) - 1
    return "".join(signs[min(most, math.ceil(max(part) * most / top)) if top else 0] for part in parts)


def _levels(page: "Page", result: FleetResult) -> None:
    """Write a line for each level: its peak, its mean, and its values over time, with the highest value of the scale."""
    summary, samples = result.summary, result.samples
    signs = _LEVELS if page.fancy else _PLAIN_LEVELS
    width = max(8, min(_LONGEST_SPARKLINE, page.width - _WIDTH_OF_FIGURES))
    calls = summary.call_rates["all"]
    waiting = [each.pods_waiting + each.pods_pending for each in samples]
    rows: list[tuple[str, float, float | None, Sequence[float]]] = [
        *(
            (label, getattr(summary, f"{name}_peak"), getattr(summary, f"{name}_mean"), [getattr(each, field) for each in samples])
            for label, name, field in _LEVELS_OF_NODES
            if name != "prefixes" or summary.prefixes_peak
        ),
        ("pods waiting", max(waiting), None, waiting),
        (
            "calls a minute",
            calls.worst_minute,
            calls.per_minute,
            rates([each.time_ns for each in samples], totals(result.calls, len(samples))),
        ),
    ]
    of_addresses = summary.addresses_peak  # one scale, so that the parts of the addresses can be compared with the whole
    cells: list[tuple[Cell, ...]] = []
    for label, peak, mean, values in rows:
        top = of_addresses if label.startswith("- ") else max([peak, *values])
        line = sparkline(values or [0], width, signs, top)
        cells.append((label, _figure(peak), "" if mean is None else f"{mean:,.1f}", f"0–{_figure(top)}", (line, "cyan")))
    page.table(("", "peak", "mean", "scale", "over time"), cells, numbers={"peak", "mean"})
    page.line(f"over time: {signs[0]} is 0, {signs[-1]} is the end of the scale", "dim")


def _figure(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")


# --- in figures ----------------------------------------------------------------------------------------------------------


def _waits(page: "Page", result: FleetResult) -> None:
    summary = result.summary
    waits = (("a node", summary.for_node), ("an address", summary.for_address), ("the start", summary.to_start))
    if not summary.to_start.late_count:
        page.line("No pod waits.", "green")
        return
    heads = ("wait for", "late", "50 % within", "90 %", "99 %", "longest", "unended")
    page.table(heads, [(label, *_wait_texts(wait)) for label, wait in waits], numbers=heads[1:])
    page.line("late: pods that waited at all. unended: pods whose wait never ended", "dim")


def _wait_texts(wait: Waits) -> tuple[str, ...]:
    share = 100 * wait.late_count / max(1, wait.count)
    return f"{share:.1f} %", *map(wait_text, (wait.p50_ns, wait.p90_ns, wait.p99_ns, wait.max_ns)), number(wait.unended_count)


def _calls(page: "Page", result: FleetResult) -> None:
    heads = ("EC2 calls", "total", "a minute", "worst minute", "throttled")
    rows: list[tuple[Cell, ...]] = [
        (
            action,
            number(calls.total),
            f"{calls.per_minute:,.2f}",
            _figure(calls.worst_minute),
            (number(calls.throttled), "yellow" if calls.throttled else ""),
        )
        for action, calls in result.summary.call_rates.items()
    ]
    page.table(heads, rows, numbers=heads[1:])


def _zones(page: "Page", result: FleetResult) -> None:
    heads = ("zone", "nodes", "mean", "pods running", "mean", "waiting", "addresses", "mean")
    rows: list[tuple[Cell, ...]] = [
        (
            zone,
            number(figures.nodes_peak),
            f"{figures.nodes_mean:,.1f}",
            number(figures.pods_running_peak),
            f"{figures.pods_running_mean:,.1f}",
            (number(figures.pods_waiting_peak), "yellow" if figures.pods_waiting_peak else ""),
            number(figures.addresses_attached_peak),
            f"{figures.addresses_attached_mean:,.1f}",
        )
        for zone, figures in result.summary.zones.items()
    ]
    page.table(heads, rows, numbers=heads[1:])
    page.line("each figure is a peak; mean: its mean. waiting: pods that wait for an address", "dim")


def _subnets(page: "Page", result: FleetResult) -> None:
    heads = ("subnet", *(("zone",) if result.summary.zones else ()), "addresses", "fewest free", "fewest /28s", "stranded")
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            *(() if subnet.zone is None else (subnet.zone,)),
            number(subnet.usable),
            (_at(subnet.free_least, subnet.free_least_ns), "" if subnet.free_least else "yellow"),
            (_at(subnet.free_prefixes_least, subnet.free_prefixes_least_ns), "" if subnet.free_prefixes_least else "yellow"),
            _at(subnet.stranded_peak, subnet.stranded_peak_ns),
        )
        for name, subnet in result.summary.subnets.items()
    ]
    page.table(heads, rows, numbers=heads[-4:])
    page.line("/28s: free blocks of 16 addresses, as a prefix needs. stranded: free addresses in /28s that are taken in part", "dim")


def _at(count: int, time_ns: int) -> str:
    return f"{number(count)} ({clock(time_ns)})"


def _events(page: "Page", result: FleetResult) -> None:
    page.line("Worth reading", "bold")
    rows = [(clock(event.time_ns), event.subject, event.text) for event in result.events[:_MOST_EVENTS]]
    page.table(("when", "where", "what"), rows, fold={"what"})
    if len(result.events) > _MOST_EVENTS:
        page.line(f"and {len(result.events) - _MOST_EVENTS} more; --json and --csv have all", "dim")


def result_charts(result: FleetResult) -> "tuple[Chart, ...]":
    """Return the charts of a report: pods, addresses, and what each subnet has left."""
    from vpcipam.cli.charts import Chart, Curve, peaks  # noqa: PLC0415 - only reports need it

    times = [sample.time_ns for sample in result.samples]

    def curve(name: str, values: Sequence[int]) -> Curve:
        return Curve(name, peaks(tuple(zip(times, values, strict=True))))

    def at(time_ns: float) -> str:
        return clock(int(time_ns))

    pods = {"with an address": "pods_running", "without an address yet": "pods_waiting", "without a node yet": "pods_pending"}
    addresses = {"attached": "addresses_attached", "held by pods": "addresses_assigned", "cooling": "addresses_cooling"}
    charts = [
        Chart(title, tuple(curve(name, [getattr(sample, field) for sample in result.samples]) for name, field in fields.items()), at)
        for title, fields in (("Pods", pods), ("Pod addresses of all nodes", addresses))
    ]
    for name, samples in result.subnet_samples.items():
        curves = (curve("taken", [each.taken for each in samples]), curve("not taken", [each.untaken for each in samples]))
        charts.append(Chart(f"Addresses of the subnet {name}", curves, at))
    return tuple(charts)
