"""Reports: one HTML file that needs nothing else, holds the answer, and obeys no name that it shows."""

import json
import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import PROGRAM, Browser
from hypothesis import example, given
from hypothesis import strategies as st

from vpcipam.cli.charts import MOST_POINTS, Chart, Curve, draw, peaks
from vpcipam.cli.html import HtmlPage
from vpcipam.cli.streams import visible

EXAMPLES = Path(__file__).parents[2] / "examples"
ASKED = {
    "plan": ("plan", "m5.large", "--pods", "20"),
    "size": ("size", "m5.xlarge", "--nodes", "12", "--pods", "25"),
    "simulate": ("simulate", str(EXAMPLES / "scenarios" / "rolling-deployment.toml"), "--set", "duration='1 h'"),
    "tune": ("tune", str(EXAMPLES / "scenarios" / "tutorial.toml"), "--set", "duration='10 min'"),
    "inspect": ("inspect", str(EXAMPLES / "symptoms" / "failed-to-assign")),
    "verify": ("verify", str(EXAMPLES / "ipamd.log"), "--timeline"),
}
AXE = os.environ.get("VPCIPAM_AXE")
VOID = {"meta", "br", "link", "input"}


class Document(HTMLParser):
    """Checks that tags are balanced and nothing is loaded, and collects the text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert not {"src", "href", "onload", "onerror"} & {name for name, _ in attrs}
        self.tags.append(tag)
        if tag not in VOID and not (self.open and self.open[-1] == "svg" and tag in {"path", "circle"}):
            self.open.append(tag)

    def handle_startendtag(self, tag, _):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def reported(cli, tmp_path):
    """Run a command with --report, and return its outcome and the file."""

    def run(*arguments):
        path = tmp_path / "out.html"
        outcome = cli(*arguments, "--report", str(path))
        return outcome, path.read_text(encoding="utf-8")

    return run


@pytest.mark.parametrize("name", ASKED)
def test_every_command_writes_its_answer_as_one_file(reported, name):
    outcome, text = reported(*ASKED[name])
    document = Document(text)
    assert "http" not in re.sub(r"http-equiv|http://www\.w3\.org/2000/svg", "", text)
    assert f"vpcipam {name}" in document.text
    assert {"h1", "main"} <= set(document.tags)
    figures = re.findall(r"\d[\d,.]*", outcome.out)
    assert [each for each in figures if each not in document.text] == []
    assert ("svg" in document.tags) == (name in {"simulate", "tune"})
    if outcome.code == 0:
        assert "wrote " in outcome.err


def test_a_finding_is_in_the_report_too(reported):
    outcome, text = reported(*ASKED["inspect"])
    assert outcome.code == 1
    assert 'class="finding"' in text
    assert "no-address-all-held" in Document(text).text


def test_a_report_beside_sarif_is_for_people(reported):
    outcome, text = reported(*ASKED["inspect"], "--sarif")
    assert json.loads(outcome.out)["version"] == "2.1.0"
    assert text == reported(*ASKED["inspect"])[1].replace("failed-to-assign</span>", "failed-to-assign</span> <span>--sarif</span>", 1)


@pytest.mark.parametrize(
    ("asked", "facts"),
    [
        (("plan", "m5.large", "--pods", "3", "--set", "WARM_IP_TARGET=7"), ["WARM_IP_TARGET7"]),
        (("plan", "m5.large", "--pods", "3", "--variant", "MAX_ENI=2", "--set", "WARM_IP_TARGET=7"), ["WARM_IP_TARGET7"]),
        (("plan", "--from", str(EXAMPLES / "present"), "--set", "WARM_IP_TARGET=7"), ["WARM_IP_TARGET7"]),
        (("size", "--cluster", str(EXAMPLES / "clusters" / "mixed.toml")), ["Settings of batch", "ENABLE_PREFIX_DELEGATIONtrue"]),
        ((*ASKED["simulate"], "--set", "group.workers.settings.MAX_ENI=3"), ["MAX_ENI3", "group.workers.settings.MAX_ENI3", "duration1 h"]),
        (ASKED["tune"], ["tune.settings.WARM_IP_TARGET[1, 2, 4]", "workload.jobs.burst10"]),
        (ASKED["inspect"], ["MAX_ENI2"]),
    ],
)
def test_a_report_has_the_settings_and_the_scenario_since_its_reader_has_no_files(reported, asked, facts):
    _, text = reported(*asked)
    shown = Document(text).text
    assert [each for each in facts if each not in shown] == []


def test_a_report_shows_no_variable_without_effect_on_addresses(reported, tmp_path):
    manifest = tmp_path / "env.txt"
    manifest.write_text("WARM_IP_TARGET=7\nMY_TOKEN=hunter2\n", encoding="utf-8")
    _, text = reported("plan", "m5.large", "--pods", "3", "--daemonset", str(manifest))
    assert "WARM_IP_TARGET7" in Document(text).text
    assert "hunter2" not in text


def test_a_report_of_many_keys_says_how_many_are_left_out(reported):
    tags = ",".join(
        f"{{ name = 'b{count}', kind = 'arrivals', per_hour = 1, lifetime = {{ kind = 'fixed', time = '4 min' }} }}" for count in range(60)
    )
    _, text = reported(*ASKED["simulate"], "--set", f"workload=[{tags}]")
    assert re.search(r"… and \d+ more keys in the file", Document(text).text)


def test_the_report_goes_with_json(cli, tmp_path):
    path = tmp_path / "out.html"
    outcome = cli("plan", "m5.large", "--pods", "3", "--json", "--report", str(path))
    assert outcome.document["pods"] == 3
    assert outcome.err == ""
    Document(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("place", "said"), [("none/out.html", "there is no folder"), (".", "is a folder")])
def test_a_report_that_cannot_be_written_is_refused_before_the_run(cli, tmp_path, place, said):
    assert said in cli(*ASKED["simulate"], "--report", str(tmp_path / place)).refusal


@pytest.mark.parametrize("name", ["", "-"])
def test_a_report_needs_a_name(cli, name):
    assert cli("max-pods", "m5.large", "--report", name).refusal == f"give the name of a file to write, not {name!r}"


def test_a_report_replaces_an_earlier_one_and_nothing_else(cli, tmp_path):
    manifest, page = tmp_path / "aws-node.yaml", tmp_path / "out.html"
    manifest.write_bytes((EXAMPLES / "aws-node.yaml").read_bytes())
    refusal = cli("settings", str(manifest), "--report", str(manifest)).refusal
    assert refusal == f"{manifest} is no report, and would be lost; give another name"
    assert manifest.read_bytes() == (EXAMPLES / "aws-node.yaml").read_bytes()
    page.touch()
    for pods in (3, 4):
        assert cli("plan", "m5.large", "--pods", str(pods), "--report", str(page)).code == 0
        assert f"all {pods} pods run" in page.read_text(encoding="utf-8")


def test_a_report_and_a_picture_need_two_files(cli, tmp_path):
    path = str(tmp_path / "run.svg")
    assert "name one file" in cli(*ASKED["simulate"], "--plot", path, "--report", path).usage_error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_named(cli):
    assert (
        cli("plan", "m5.large", "--pods", "3", "--report", "/dev/full").refusal == "can't read or write /dev/full: No space left on device"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names of any bytes")
def test_a_report_names_files_whose_names_are_no_utf_8(reported, tmp_path):
    manifest = os.fsdecode(os.fsencode(tmp_path) + b"/aws-\xff.yaml")
    Path(manifest).write_bytes((EXAMPLES / "aws-node.yaml").read_bytes())
    outcome, text = reported("settings", manifest)
    assert outcome.code == 0
    assert "aws-\\udcff.yaml" in Document(text).text


HOSTILE = st.lists(st.sampled_from([*"<>&\"'/abc\u2028\x1b\u202e", "</script>", "%BODY%"]), max_size=12).map(
    lambda parts: "n" + "".join(parts)
)


@given(HOSTILE, HOSTILE)
def test_no_name_is_obeyed(name, other):
    page = HtmlPage()
    page.line(name, "bold")
    page.line(other, whole=True)
    page.remark(name, "red", other, name)
    page.facts([(name, other)])
    page.table([name, "b"], [[(other, "dim"), [(name, ""), (other, 'x" onload="')]]], numbers=[name])
    page.spans([(name, "bold blue")])
    page.finding(other)
    page.chart(Chart(name, (Curve(other, ((0, 1), (2, 3))),), str))
    text = page.render(name, other)
    document = Document(text)
    (data,) = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    assert document.tags.count("script") == 2
    assert [each for each in document.text + data if not each.isprintable() and each != "\n"] == []
    assert json.loads(data)[0][0] == visible(other)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=3 * MOST_POINTS))
def test_no_peak_is_lost(points):
    shown = peaks(points)
    assert len(shown) <= MOST_POINTS
    assert max((value for _, value in shown), default=None) == max((value for _, value in points), default=None)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1e12)), min_size=1, max_size=9))
@example([(0, 5e-324)])
def test_a_chart_is_drawn_within_its_frame(points):
    text = draw(Chart("title", (Curve("a", tuple(sorted(points))),), str))
    if not any(value for _, value in points):
        assert text == "<p>title: none at any time.</p>\n"
        return
    (path,) = re.findall(r'class="curve curve-0" d="([^"]*)"', text)
    assert all(0 <= float(each) <= 720 for each in re.findall(r"[MH]([\d.]+)", path))
    assert all(0 <= float(each) <= 240 for each in re.findall(r"V([\d.]+)", path))


def test_a_curve_without_content_is_named_and_not_drawn():
    text = draw(Chart("title", (Curve("some", ((0, 0), (1, 234))), Curve("never", ((0, 0), (1, 0)))), str))
    assert "never: none at any time" in text
    assert "curve-1" not in text
    assert re.findall(r'class="end">([^<]*)<', text)[-2:] == ["240", "1.0"]  # the scale reaches the peak, and not much further


def test_the_legend_shows_the_marks_of_its_chart():
    curves = (Curve("a", ((0, 1), (1, 2))), Curve("b", ((0, 2),)))
    points = draw(Chart("title", curves, str, joined=False))
    assert re.findall(r'class="(point-\d|dot dot-\d|key[^"]*|curve[^"]*)"', points) == [
        "point-0",
        "point-0",
        "point-1",
        "dot dot-0",
        "dot dot-1",
    ]
    assert re.findall(r'class="(dot[^"]*|key[^"]*)"', draw(Chart("title", curves, str))) == ["key key-0", "key key-1"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if PROGRAM is None:
        pytest.skip("no Chromium: the reports were NOT looked at in a browser")
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def evaluate(browser, expression):
    answer = browser.do("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
    assert "exceptionDetails" not in answer, answer
    return answer["result"].get("value")


@pytest.mark.thorough
@pytest.mark.parametrize("name", ASKED)
def test_a_browser_shows_it_on_a_phone_and_a_desk_in_light_and_dark(browser, cli, tmp_path, name):
    path = tmp_path / "out.html"
    cli(*ASKED[name], "--report", str(path))
    browser.do("Page.navigate", url=path.as_uri())
    for _ in range(200):
        if evaluate(browser, "document.readyState === 'complete' && document.querySelector('footer') !== null"):
            break
    for width in (390, 1280):
        browser.do("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        assert evaluate(browser, "document.documentElement.scrollWidth") <= width
        tall = "[...document.querySelectorAll('dd')].filter((each) => each.getBoundingClientRect().height > 200).length"
        assert evaluate(browser, tall) == 0  # squeezed into a narrow column
    whole = "[...document.querySelectorAll('pre.question span')].every((each) => each.clientHeight < 25)"
    assert evaluate(browser, whole)  # no option breaks
    if evaluate(browser, "document.querySelector('svg') !== null"):
        move = "const r = document.querySelector('svg').getBoundingClientRect(); document.querySelector('svg').dispatchEvent"
        evaluate(browser, f"{{{move}(new PointerEvent('pointermove', {{clientX: r.left + r.width / 2, clientY: r.top + 5}}));}}")
        assert ":" in evaluate(browser, "document.querySelector('.legend output').textContent")
    if AXE is None:
        pytest.skip("VPCIPAM_AXE is not set: the accessibility of the reports was NOT checked")
    for scheme in ("light", "dark"):
        browser.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        evaluate(browser, Path(AXE).read_text(encoding="utf-8") + ";0")
        assert evaluate(browser, "axe.run().then((found) => found.violations.map((each) => each.id + ' ' + each.nodes[0].html))") == []
