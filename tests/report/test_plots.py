"""Pictures: what is refused, that their bytes repeat, that matplotlib's state is kept, and what their titles say."""

import hashlib
import itertools
import os
import runpy
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import attrs
import matplotlib as mpl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from recordings import MINUTE, S, long_run, look, recorded, result_of, subnet

import vpcipam
from vpcipam.errors import InvalidArgument, MissingExtra
from vpcipam.fleet.metrics import Recorder
from vpcipam.fleet.samples import FleetSample, ZoneSample
from vpcipam.fleet.waits import Waits
from vpcipam.report import page, plots, subnet_panels
from vpcipam.report.page import apart
from vpcipam.report.plots import _wait_title, plot_comparison, plot_result, plot_tradeoff

PNG = b"\x89PNG\r\n\x1a\n"


@attrs.frozen
class Point:
    """A point of a tradeoff."""

    x: float
    y: float
    label: str
    on_front: bool


POINTS = [Point(1, 9, "slim", on_front=True), Point(5, 2, "fat", on_front=True), Point(6, 9, "bad", on_front=False)]


@pytest.fixture
def words(monkeypatch):
    """A function that draws an SVG and returns all its texts."""

    def draw(function, *arguments, **options):
        monkeypatch.setitem(page._STYLE, "svg.fonttype", "none")
        path = Path(options.pop("folder")) / "words.svg"
        function(*arguments, path, **options)
        return [element.text for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314 - we wrote it

    return draw


@pytest.fixture(scope="module")
def run():
    """A run with all that a picture shows."""
    return long_run()


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- files ---------------------------------------------------------------------------------------------------------------


def test_the_suffix_sets_the_format(run, tmp_path):
    plot_result(run, tmp_path / "run.PNG")
    plot_result(run, str(tmp_path / "run.svg"))
    assert (tmp_path / "run.PNG").read_bytes().startswith(PNG)
    assert ET.parse(tmp_path / "run.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - we wrote it


@pytest.mark.parametrize("name", ["run.pdf", "run", "run.svg.gz", ".png"])
@pytest.mark.parametrize("function", ["result", "comparison", "tradeoff"])
def test_other_formats_are_refused_and_nothing_is_written(run, tmp_path, name, function):
    path = tmp_path / name
    with pytest.raises(InvalidArgument, match=r"a picture's name ends in \.svg or \.png"):
        {
            "result": lambda: plot_result(run, path),
            "comparison": lambda: plot_comparison({"a": run, "b": run}, path),
            "tradeoff": lambda: plot_tradeoff(POINTS, path, x_label="x", y_label="y"),
        }[function]()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_refused(run, tmp_path):
    with pytest.raises(FileNotFoundError):
        plot_result(run, tmp_path / "none" / "run.svg")


@pytest.mark.thorough
def test_a_picture_repeats_byte_for_byte_and_has_no_date(run, tmp_path):
    draw = {
        "result": lambda path: plot_result(run, path),
        "comparison": lambda path: plot_comparison({"a": run, "b": run}, path),
        "tradeoff": lambda path: plot_tradeoff(POINTS, path, x_label="x", y_label="y"),
    }
    for name, function in draw.items():
        for suffix in ("svg", "png"):
            first, second = tmp_path / f"{name}1.{suffix}", tmp_path / f"{name}2.{suffix}"
            function(first)
            function(second)
            assert digest(first) == digest(second)
        assert "<dc:date>" not in (tmp_path / f"{name}1.svg").read_text()


@pytest.mark.thorough
def test_a_picture_is_the_same_in_every_process(tmp_path):
    code = (
        "import sys; sys.path.append(sys.argv[1]); from recordings import long_run; from vpcipam.report.plots import plot_result\n"
        "plot_result(long_run(count=30), sys.argv[2])"
    )
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(vpcipam.__file__).parents[1])}
        arguments = [sys.executable, "-c", code, str(Path(__file__).parents[1] / "fleet"), str(tmp_path / f"{seed}.svg")]
        subprocess.run(arguments, env=environment, check=True)  # noqa: S603 - as it stands
    assert digest(tmp_path / "1.svg") == digest(tmp_path / "2.svg")


def test_the_users_style_changes_nothing_and_is_not_changed(run, tmp_path):
    plot_result(run, tmp_path / "plain.svg")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "lines.linewidth": 9}):
        before = dict(mpl.rcParams)
        plot_result(run, tmp_path / "styled.svg")
        assert dict(mpl.rcParams) == before
    assert digest(tmp_path / "plain.svg") == digest(tmp_path / "styled.svg")


def test_pyplot_is_not_loaded(run_in_new_process):
    code = "import sys, vpcipam.report.plots; print('matplotlib.pyplot' in sys.modules)"
    assert run_in_new_process(code) == "False\n"


def test_without_matplotlib_the_extra_is_named(run_in_new_process):
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from vpcipam.errors import MissingExtra\n"
        "try:\n    import vpcipam.report.plots\nexcept MissingExtra as error:\n    print(error)"
    )
    assert run_in_new_process(code) == "pictures need the package matplotlib: pip install 'vpcipam[plots]'\n"


@pytest.fixture
def run_in_new_process():
    """A function that runs code in a new process and returns its output."""

    def run_code(code):
        environment = os.environ | {"PYTHONPATH": str(Path(vpcipam.__file__).parents[1])}
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True).stdout  # noqa: S603

    return run_code


# --- what they say -------------------------------------------------------------------------------------------------------


def test_titles_state_the_findings_and_axes_have_units(run, words, tmp_path):
    found = words(plot_result, run, folder=tmp_path)
    assert "web: 1,000 pods on up to 3 nodes" in found
    assert "Pods use 44 addresses on average; nodes hold 90, at most 95 (00:00:05)" in found
    assert "0.2 % of pods wait; 99 % start at once, the last after 40 s" in found
    assert any(text.startswith("2.0 calls to EC2 a minute on average, at most 3 (00:02); EC2 throttles 30") for text in found)
    assert "Subnet a: no /28 is left at 08:21, though 150 addresses are free" in found
    assert {"addresses", "pods that wait", "calls a minute", "address (offset)"} <= {*found}
    assert {"assigned", "cooling", "warm", "for an address", "for a node", "all calls", "throttled", "no free /28"} <= {*found}
    assert "time (h:min; the run starts at 00:00)" in found
    assert "day 2 00:00" not in found


def test_a_quiet_run_says_so(words, tmp_path):
    recorder = recorded(({"nodes": 1},), ({"nodes": 1},))
    recorder.strip(0, "a", bytes([16] * 16))
    found = words(plot_result, result_of(recorder, MINUTE), folder=tmp_path)
    assert "No pod waits" in found
    assert {"No calls to EC2 after the start", "No node holds an address"} <= {*found}
    assert "Subnet a: at least 5 /28s and 200 addresses stay free" in found
    assert not {"throttled", "no free /28", "for an address", "for a node"} & {*found}


@pytest.mark.parametrize(
    ("run_of", "label", "ticks"),
    [
        ((S, 6), "time (h:min; the run starts at 00:00)", {"00:00", "00:00:05"}),
        ((MINUTE, 1441), "time (h:min; the run starts at 00:00)", {"00:00", "03:00", "21:00"}),
        ((60 * MINUTE, 24 * 7 + 1), "time since the start (days)", {"0", "1", "7"}),
        ((24 * 60 * MINUTE, 400), "time since the start (days)", {"0", "29", "377"}),
    ],
)
def test_time_is_ticked_at_round_times(words, tmp_path, run_of, label, ticks):
    step_ns, count = run_of
    found = words(plot_result, long_run(step_ns=step_ns, count=count), folder=tmp_path)
    assert label in found
    assert ticks <= {*found}


@pytest.mark.parametrize("size", [16, 65_536])
def test_subnets_of_all_sizes_are_drawn(words, tmp_path, size):
    found = words(plot_result, long_run(count=20, size=size), folder=tmp_path)
    assert f"{size:,}" in found


def test_the_subnets_with_the_most_stranded_addresses_are_drawn(words, tmp_path):
    names = [f"s{number}" for number in range(6)]
    recorder = Recorder(dict.fromkeys(names, 256))
    for time_ns in (0, MINUTE):
        subnets = {name: subnet(stranded=number) for number, name in enumerate(names)}
        recorder.sample(FleetSample(time_ns, *[0] * 12), subnets, {}, {})
        look(recorder, time_ns, subnets)
        for name in names:
            recorder.strip(time_ns, name, bytes(16))
    found = words(plot_result, result_of(recorder, MINUTE), folder=tmp_path)
    assert [text[:10] for text in found if text.startswith("Subnet ")] == ["Subnet s5:", "Subnet s4:", "Subnet s3:", "Subnet s2:"]


def test_the_pods_of_each_zone_are_drawn(words, tmp_path):
    recorder = Recorder({"x": 256, "y": 256}, zone_of={"x": "a", "y": "b"})
    for place in range(3):
        sample = FleetSample(place * MINUTE, *(0 for _ in FleetSample._fields[1:]))
        recorder.sample(sample, {"x": subnet(), "y": subnet()}, {}, {})
        recorder.zones({"a": ZoneSample(1, 5, 0, 9, 1, 0), "b": ZoneSample(2, place, 0, 9, 1, 0)})
        look(recorder, place * MINUTE, {"x": subnet(), "y": subnet()})
        for name in "xy":
            recorder.strip(place * MINUTE, name, bytes(16))
    texts = words(plot_result, result_of(recorder, 2 * MINUTE), folder=tmp_path)
    assert "Pods by zone, on average: a 5, b 0" in texts
    assert {"zone a", "zone b", "pods running"} <= set(texts)
    assert any(text.startswith("Subnet x in zone a: ") for text in texts)


def test_a_run_of_one_instant_is_drawn(tmp_path):
    recorder = recorded(({},))
    recorder.strip(0, "a", bytes(16))
    plot_result(result_of(recorder, MINUTE), tmp_path / "one.svg")


@pytest.fixture
def axes():
    return Figure(figsize=(8, 2)).subplots()


def test_a_panel_without_content_is_one_line(tmp_path):
    def height(*changes):
        path = tmp_path / "run.svg"
        recorder = recorded(*(({"nodes": 1, "addresses_attached": 9, **each},) for each in changes))
        recorder.strip(0, "a", bytes(16))
        plot_result(result_of(recorder, MINUTE), path)
        return float(ET.parse(path).getroot().attrib["height"].removesuffix("pt")) / 72  # noqa: S314 - we wrote it

    assert height({}, {"pods_waiting": 1}) - height({}, {}) == pytest.approx(1.2 - page.LINE)


def test_the_axis_reaches_a_peak_between_samples_and_marks_it(axes):
    run = long_run(count=5)
    assert run.summary.addresses_peak > max(each.addresses_attached for each in run.samples)
    plots._draw_addresses(axes, run)
    assert axes.get_ylim()[1] > run.summary.addresses_peak
    assert [text.get_text() for text in axes.texts if text.get_text().isdecimal()] == [str(run.summary.addresses_peak)]


def test_lines_that_coincide_differ_in_width(axes):
    run = long_run(count=5)
    plots._draw_lines(axes, {str(number): run for number in range(8)})
    widths = [line.get_linewidth() for line in axes.get_lines()]
    assert widths == sorted({*widths}, reverse=True)
    assert len(widths) == 8
    assert widths[0] < 4


@pytest.mark.parametrize(("sizes", "heights"), [((256, 128, 16), [1.44, 0.72, 0.5]), ((4096, 1024), [1.5, 0.5]), ((16,), [0.5])])
def test_a_subnet_is_drawn_as_high_as_its_size(sizes, heights):
    names = [str(size) for size in sizes]
    recorder = Recorder(dict(zip(names, sizes, strict=True)))
    recorder.sample(FleetSample(0, *[0] * 12), {name: subnet() for name in names}, {}, {})
    look(recorder, 0, {name: subnet() for name in names})
    for name in names:
        recorder.strip(0, name, bytes(1))
    assert [each.height for each in subnet_panels.subnet_panels(result_of(recorder, MINUTE))] == pytest.approx(heights)


# --- several runs --------------------------------------------------------------------------------------------------------


def test_a_comparison_names_each_run_and_its_figures(run, words, tmp_path):
    quiet = result_of(recorded(({"addresses_attached": 12},), ({},)), MINUTE)
    found = words(plot_comparison, {"busy": run, "quiet": quiet}, folder=tmp_path)
    assert {"busy", "quiet", "pod addresses, mean", "calls to EC2", "web, 1 d; web, 1 min"} <= {*found}
    assert {" 90", " 12", " 4", " 0"} <= {*found}
    assert "The same in every run: 99 % start within: 0 s" in found
    assert {" 40 s"} <= {*words(plot_comparison, {"a": waited(), "b": quiet}, folder=tmp_path)}


def test_what_no_run_has_is_named_below_instead_of_drawn(run, words, tmp_path):
    idle = result_of(recorded(({},), ({},)), MINUTE)
    (said,) = (text for text in words(plot_comparison, {"a": idle, "b": idle}, folder=tmp_path) if text.startswith("The same in every run"))
    assert "calls to EC2: 0; never had an address: 0; 99 % start within: 0 s" in said
    assert not any(text.startswith("The same") for text in words(plot_comparison, {"a": run, "b": waited()}, folder=tmp_path))


def waited():
    """A run in which the only pod waits for 40 s."""
    recorder = recorded(({},), ({},))
    recorder.to_start.ended_ns.append(40 * S)
    return result_of(recorder, MINUTE, 1)


@pytest.mark.parametrize(
    ("waits", "title"),
    [
        (Waits.of(100, []), "No pod waits"),
        (Waits.of(100, [40 * S]), "1.0 % of pods wait; 99 % start at once, the last after 40 s"),
        (Waits.of(10, [40 * S]), "10.0 % of pods wait; 99 % start within 40 s, the last after 40 s"),
        (Waits.of(100, [40 * S], unended_count=1), "2.0 % of pods wait; 99 % start within 40 s; 1 never had an address"),
        (Waits.of(100, [40 * S], unended_count=2), "3.0 % of pods wait; 2 never had an address"),
    ],
)
def test_the_title_of_the_waits_says_what_the_run_shows(waits, title):
    assert _wait_title(waits) == title


@pytest.mark.parametrize("count", [0, 1, 9])
def test_a_comparison_of_too_few_or_too_many_is_refused(run, tmp_path, count):
    with pytest.raises(InvalidArgument, match=f"2 to 8 results, not {count}"):
        plot_comparison({str(number): run for number in range(count)}, tmp_path / "a.svg")


def test_a_comparison_of_eight_is_drawn(tmp_path):
    short = long_run(count=5)
    plot_comparison({str(number): short for number in range(8)}, tmp_path / "a.svg")


# --- tradeoffs -----------------------------------------------------------------------------------------------------------


def test_a_tradeoff_labels_the_points_on_the_front(words, tmp_path):
    found = words(plot_tradeoff, POINTS, folder=tmp_path, x_label="addresses", y_label="wait (s)")
    assert {"2 of 3 are worth choosing from", "slim", "fat", "addresses", "wait (s)"} <= {*found}
    assert "bad" not in found


def test_a_tradeoff_of_one_point_is_drawn_and_one_of_none_refused(tmp_path):
    plot_tradeoff(POINTS[:1], tmp_path / "one.png", x_label="x", y_label="y")
    with pytest.raises(InvalidArgument, match="no point"):
        plot_tradeoff([], tmp_path / "none.png", x_label="x", y_label="y")
    assert not (tmp_path / "none.png").exists()


@given(st.lists(st.floats(0, 1), max_size=12), st.sampled_from([0.01, 0.05, 0.2]))
@example([1.0, 1.0, 1.0], 0.2)
@example([0.0] * 12, 0.2)
def test_labels_are_moved_apart_and_no_further_than_needed(wanted, least):
    wanted = sorted(wanted)
    places = apart(wanted, least)
    assert all(after - before >= least - 1e-9 for before, after in itertools.pairwise(places))
    assert all(place <= max(1, least * (len(wanted) - 1)) + 1e-9 for place in places)
    assert all(place >= -1e-9 for place in places)
    if all(after - before >= least for before, after in itertools.pairwise(wanted)):
        assert places == pytest.approx(wanted)


# --- what is drawn -------------------------------------------------------------------------------------------------------


@given(st.integers(1, 5000))
@example(plots.POINTS)
@example(plots.POINTS + 1)
def test_a_long_run_keeps_its_highest_points_and_its_ends(count):
    heights = [(number * 7919) % 1009 for number in range(count)]
    places = plots._thinned(range(count), heights)
    assert places == sorted(set(places))
    assert (places[0], places[-1]) == (0, count - 1)
    assert len(places) <= plots.POINTS + 2
    assert max(heights[place] for place in places) == max(heights)


def test_neighbouring_28s_are_drawn_as_full_or_free_only_if_all_are():
    count = 2 * subnet_panels.STRIP_ROWS
    strip = bytearray(count)
    strip[2:4] = bytes([16, 16])
    strip[4:6] = bytes([16, 15])
    strip[6:8] = bytes([0, 1])
    rows = subnet_panels._strip_rows([bytes(strip), bytes(count)])
    assert len(rows) == subnet_panels.STRIP_ROWS
    assert [row[0] for row in rows[:4]] == [0, 16, 15, 1]
    assert all(row[1] == 0 for row in rows)


def test_a_missing_matplotlib_is_reported_on_import(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"pictures need the package matplotlib: pip install 'vpcipam\[plots\]'"):
        runpy.run_path(page.__file__)
