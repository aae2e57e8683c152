"""Charts as values, and their drawing as SVG for a report: complete without a script, which only adds what is under the pointer."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

import attrs

from vpcipam._units import number
from vpcipam.cli.streams import visible

MOST_POINTS = 480
"""A curve with more points is drawn with the highest of each stretch, so that no peak is lost."""

_WIDTH, _HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 12, 10, 30
_TICKS = 4


@attrs.frozen
class Curve:
    """A named curve: places and values, both ascending in place."""

    name: str
    points: tuple[tuple[float, float], ...]

    @property
    def is_zero(self) -> bool:
        """Whether all its values are 0. It is then named, and not drawn along the axis."""
        return not any(value for _, value in self.points)


@attrs.frozen
class Chart:
    """Curves over one axis, or points that are not joined.

    Attributes:
        title: What it shows, with the unit of the values.
        curves: One or more curves.
        at: Writes a place on the horizontal axis, for people.
        joined: Whether each curve is drawn as steps; else as points.
    """

    title: str
    curves: tuple[Curve, ...]
    at: Callable[[float], str]
    joined: bool = True

    @property
    def is_empty(self) -> bool:
        """Whether all values are 0, so that there is nothing to look at."""
        return all(curve.is_zero for curve in self.curves)


def peaks(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Return at most `MOST_POINTS` points, with the highest of each stretch."""
    length = math.ceil(len(points) / MOST_POINTS) if points else 1
    return tuple((points[begin][0], max(value for _, value in points[begin : begin + length])) for begin in range(0, len(points), length))


def draw(chart: Chart) -> str:
    """Draw a chart as HTML: a heading, an SVG, and its legend. A chart without content is one line."""
    if chart.is_empty:
        return f"<p>{html_text(chart.title)}: none at any time.</p>\n"
    return "".join(_parts(chart))


def _parts(chart: Chart) -> Iterator[str]:
    places = [place for curve in chart.curves for place, _ in curve.points]
    first, last = min(places), max(places)
    top = _rounded_up(max(value for curve in chart.curves for _, value in curve.points))
    inner, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(place: float) -> float:
        return round(_LEFT + inner * ((place - first) / (last - first) if last > first else 0.5), 1)

    def y(value: float) -> float:
        return round(_TOP + height * (1 - value / top), 1)

    title = html_text(chart.title)
    yield f'<figure class="chart"><figcaption>{title}</figcaption>\n'
    yield f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}" data-chart>\n'
    for tick in range(_TICKS + 1):
        value = top * tick / _TICKS
        yield f'<path class="grid" d="M{_LEFT} {y(value)}H{_WIDTH - _RIGHT}"/><text x="{_LEFT - 6}" y="{y(value) + 4}" class="end">'
        yield f"{html_text(_short(value))}</text>\n"
        place = first + (last - first) * tick / _TICKS
        anchor = "start" if tick == 0 else "end" if tick == _TICKS else "middle"
        yield f'<text x="{x(place)}" y="{_HEIGHT - 8}" class="{anchor}">{html_text(chart.at(place))}</text>\n'
    for count, curve in enumerate(chart.curves):
        if curve.is_zero:
            continue
        if chart.joined:
            path = f"M{x(curve.points[0][0])} {y(curve.points[0][1])}" + "".join(f"H{x(at)}V{y(value)}" for at, value in curve.points[1:])
            yield f'<path class="curve curve-{count}" d="{path}"/>\n'
        else:
            for at, value in curve.points:
                yield f'<circle class="point-{count}" cx="{x(at)}" cy="{y(value)}" r="5"/>\n'
    yield "</svg>\n"
    mark = "key" if chart.joined else "dot"
    names = [
        f'<span class="{mark} {mark}-{count}">{html_text(curve.name)}</span>'
        for count, curve in enumerate(chart.curves)
        if not curve.is_zero
    ]
    names += (f"<span>{html_text(curve.name)}: none at any time</span>" for curve in chart.curves if curve.is_zero)
    yield f'<p class="legend">{" ".join(names)} <output aria-hidden="true"></output></p>\n'
    yield f'<script type="application/json">{_data(chart, x)}</script></figure>\n'


def _data(chart: Chart, x: Callable[[float], float]) -> str:
    """Return what the pointer shows: for each curve its name, and places of the drawing with texts."""
    curves = [[visible(curve.name), [[x(at), f"{chart.at(at)}: {_short(value)}"] for at, value in curve.points]] for curve in chart.curves]
    return json.dumps(curves).replace("<", "\\u003c")  # so that no name ends the script


def html_text(text: str) -> str:
    """Write a text as HTML, without a character that is obeyed and not shown."""
    return escape(visible(text))


def _rounded_up(value: float) -> float:
    """Return the least number that is not below a value, and whose quarters have few digits."""
    power = 10.0 ** math.floor(math.log10(value))
    steps = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 4.8, 6, 8, 10)
    return next((power * step for step in steps if power * step >= value), value)  # below 1e-323 there is no such power


def _short(value: float) -> str:
    return number(int(value)) if value == int(value) else f"{value:.3g}"
