"""The page, colours, time axes and labels of all pictures. Matplotlib's global state stays unchanged; pyplot is not used.

The palette of Okabe and Ito is safe for colour-blind people. No two items differ in colour alone: lightness, hatch or label differ too.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from vpcipam._units import NS_PER_S, S_PER_DAY, S_PER_HOUR
from vpcipam.errors import InvalidArgument, MissingExtra
from vpcipam.fleet.samples import clock

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap, ListedColormap, to_hex
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, StrMethodFormatter
except ModuleNotFoundError as error:
    raise MissingExtra(f"pictures need the package {error.name}: pip install 'vpcipam[plots]'") from error

BLUE, SKY, ORANGE, VERMILLION, GREEN, PURPLE, BLACK = "#0072B2", "#56B4E9", "#E69F00", "#D55E00", "#009E73", "#CC79A7", "#000000"
INK, GREY, PALE = "#222222", "#767676", "#E4E4E4"

PAGE_WIDTH = 8.0  # inches: the width of A4 without narrow margins
_DPI = 200
_STYLE: Any = {  # rcParams; `Any`, because matplotlib types their names as literals
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlepad": 7,
    "axes.labelsize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.grid.axis": "y",
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "hatch.linewidth": 0.5,
    "svg.hashsalt": "vpcipam",
}
_TICK_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, *(hours * S_PER_HOUR for hours in (1, 2, 3, 4, 6, 12)))


def picture_format(path: str | Path) -> str:
    """Return the format that a path's suffix names: svg or png.

    Raises:
        InvalidArgument: it has another suffix, or none.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in {".svg", ".png"}:
        raise InvalidArgument(f"{path}: a picture's name ends in .svg or .png, which sets its format")
    return suffix[1:]


@contextmanager
def canvas(path: str | Path, *, height: float) -> Iterator[Figure]:
    """Yield a figure to draw on, then write it. The user's matplotlibrc has no effect, and rcParams are restored."""
    picture = picture_format(path)
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=(PAGE_WIDTH, height))
        yield figure
        omitted = {"svg": "Date", "png": "Software"}[picture]  # it would differ between days or releases
        figure.savefig(path, format=picture, dpi=_DPI, metadata={omitted: None})


def _inches(figure: Figure, length: float) -> float:
    """Convert inches to a fraction of the figure's height."""
    return length / figure.get_figheight()


def top(figure: Figure) -> float:
    """Return where the space below the headline begins, as a fraction of the figure's height."""
    return 1 - _inches(figure, 0.95)


def headline(figure: Figure, first: str, second: str) -> None:
    """Write the picture's headline, and a smaller line below it."""
    figure.text(0.025, 1 - _inches(figure, 0.15), first, fontsize=13, fontweight="bold", va="top")
    figure.text(0.025, 1 - _inches(figure, 0.42), second, fontsize=8.5, color=GREY, va="top")


def stack(figure: Figure, heights: Sequence[float]) -> list[Axes]:
    """Stack axes vertically, with room for labels at the right."""
    gap = 0.55
    mean_height = sum(heights) / len(heights)
    grid = figure.add_gridspec(
        len(heights),
        1,
        height_ratios=heights,
        left=0.09,
        right=0.86,
        top=top(figure),
        bottom=_inches(figure, 0.5),
        hspace=gap / mean_height,
    )
    return [figure.add_subplot(grid[place]) for place in range(len(heights))]


LINE = 0.01
"""The height of a panel that shows nothing but its title."""


@attrs.frozen
class Panel:
    """A panel of a picture: its height in inches, and what draws it."""

    height: float
    draw: Callable[[Axes], None]


def empty_panel(title: str) -> Panel:
    """Return a panel that is only a line with a title."""

    def draw(axes: Axes) -> None:
        axes.set_axis_off()
        axes.set_title(title)

    return Panel(LINE, draw)


def time_axis(axes: Axes, duration_ns: int, *, labelled: bool) -> None:
    """Tick the time axis at round times of day, or at days if the run is long."""
    duration_s = duration_ns / NS_PER_S
    step_s = next((step for step in _TICK_STEPS_S if duration_s / step <= 9), None)
    in_days = step_s is None
    if step_s is None:
        step_s = S_PER_DAY * -(-int(duration_s) // (S_PER_DAY * 14))
    ticks_s = range(0, int(duration_s) + 1, step_s)
    axes.set_xlim(0, duration_s)
    axes.xaxis.set_major_locator(FixedLocator(list(ticks_s)))
    texts = [f"{tick // S_PER_DAY}" if in_days else clock(tick * NS_PER_S).removeprefix("day 2 ") for tick in ticks_s]
    axes.xaxis.set_major_formatter(FixedFormatter(texts if labelled else []))
    if labelled:
        axes.set_xlabel("time since the start (days)" if in_days else "time (h:min; the run starts at 00:00)")


def apart(wanted: Sequence[float], least: float) -> list[float]:
    """Spread ascending places to at least `least` apart: move them up where needed, then down where they exceed 1."""
    places: list[float] = []
    for place in wanted:
        places.append(max(place, places[-1] + least) if places else place)
    ceiling = max(1.0, least * (len(places) - 1))
    for number in reversed(range(len(places))):
        places[number] = min(places[number], ceiling)
        ceiling = places[number] - least
    return places


def tall(axes: Axes) -> float:
    """Return the height of axes in inches."""
    return axes.get_window_extent().height / axes.get_figure(root=True).dpi  # type: ignore[union-attr]  # it is on a figure


def side_labels(axes: Axes, labels: Sequence[tuple[float, str, str, str]]) -> None:
    """Write labels beside the axes, each with a swatch. A label is a tuple: height in data units, text, colour and hatch."""
    low, high = axes.get_ylim()
    wanted = sorted(((height - low) / (high - low), text, colour, hatch) for height, text, colour, hatch in labels)
    inch = 1 / tall(axes)
    for place, (_, text, colour, hatch) in zip(apart([each[0] for each in wanted], 0.19 * inch), wanted, strict=True):
        axes.add_patch(
            Rectangle(
                (1.012, place - 0.05 * inch),
                0.018,
                0.1 * inch,
                transform=axes.transAxes,
                clip_on=False,
                fc=colour,
                ec=INK,
                lw=0.4,
                hatch=hatch,
            )
        )
        axes.text(1.037, place, text, transform=axes.transAxes, va="center", fontsize=7.5)


def tick_counts(axes: Axes, most: int) -> None:
    """Tick the vertical axis at up to `most` whole numbers."""
    axes.yaxis.set_major_locator(MaxNLocator(most, integer=True))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def tick_at(axes: Axes, places: Sequence[int]) -> None:
    """Tick the vertical axis at these places."""
    axes.yaxis.set_major_locator(FixedLocator(list(places)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def colour_steps(first: str, between: Sequence[str], count: int, last: str) -> ListedColormap:
    """Make a colour map: `first`, then `count` colours blended through those of `between`, then `last`."""
    blend = LinearSegmentedColormap.from_list("blend", list(between), N=count)
    return ListedColormap([first, *(to_hex(blend(number)) for number in range(count)), last])
