"""`vpcipam sweep` and `vpcipam tune`: answers, findings, pictures, refusals."""

import json
import os
import pty
import re
import signal
import subprocess
import sys

import pytest

from vpcipam.cli.search_view import _COSTS
from vpcipam.cli.tables import Page
from vpcipam.fleet.scenario import Scenario
from vpcipam.fleet.sweep import read_sweep, sweep
from vpcipam.fleet.tune import GOALS, tune

TEXT = """
name = "jobs"
duration = "40 min"
subnet = [{name = "pods", cidr = "10.0.0.0/24"}]
group = [{name = "workers", instance_type = "m5.large", count = 2}]
workload = [{kind = "arrivals", name = "job", per_hour = 150, burst = 5, lifetime = {kind = "fixed", time = "4 min"}}]
[sweep]
"group.workers.settings.WARM_IP_TARGET" = [1, 4]
[tune]
p99_wait = "12 s"
confirm_seeds = [7, 8]
[tune.settings]
WARM_IP_TARGET = [1, 8]
"""


@pytest.fixture
def scenario(tmp_path):
    """The path of a small scenario with searches."""
    path = tmp_path / "jobs.toml"
    path.write_text(TEXT)
    return str(path)


def test_a_sweep_in_json_equals_the_library(cli, scenario):
    loaded = Scenario.load(scenario)
    expected = sweep(loaded, read_sweep(loaded), workers=1)
    document = cli("sweep", scenario, "--json", "--workers", "1").document
    assert document["count"] == 2
    for told, trial in zip(document["trials"], expected.trials, strict=True):
        assert (told["number"], told["changes"], told["error"]) == (trial.number, trial.changes, None)
        assert told["summary"]["addresses_mean"] == trial.summary.addresses_mean
        assert told["summary"]["to_start"]["p99_ns"] == trial.summary.to_start.p99_ns


def test_a_sweep_shows_a_row_for_each_trial(cli, scenario, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    answer = cli("sweep", scenario, "--workers", "2")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0] == "jobs · 2 of 2 trials"
    assert [line.split()[0] for line in lines if line[:1].isdigit()] == ["1", "4"]


def test_a_sweep_shows_booleans_as_the_scenario_has_them(cli, tmp_path):
    path = tmp_path / "hold.toml"
    path.write_text(TEXT.replace('"group.workers.settings.WARM_IP_TARGET" = [1, 4]', '"group.workers.hold_cooling_cidrs" = [true, false]'))
    shown = cli("sweep", str(path), "--workers", "1").out
    assert [line.split()[0] for line in shown.splitlines() if line.startswith(("true", "false"))] == ["true", "false"]


def test_a_sweep_over_zones_shows_every_figure_whole(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    path = tmp_path / "zones.toml"
    path.write_text(FULL.replace("[tune]", '[sweep]\n"group.w.zones" = [["a", "c"]]\n"workload.web.spread.1.max_skew" = [5]\n[tune]'))
    lines = cli("sweep", str(path), "--workers", "1").out.splitlines()
    assert lines[2].endswith(" unserved")
    assert lines[4].split()[:3] == ["a", "c", "5"]
    assert lines[4].endswith(" 0")
    assert len(lines[2]) == len(lines[4]) <= 80


def test_a_list_is_shown_as_its_values(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "lists.toml"
    zones = TEXT.replace("subnet = [", 'subnet = [{name = "other", cidr = "10.0.1.0/24"}, ')
    path.write_text(
        zones.replace('"group.workers.settings.WARM_IP_TARGET" = [1, 4]', '"group.workers.subnets" = [["pods", "other"], ["pods"]]')
    )
    rows = [line.split("  ")[0] for line in cli("sweep", str(path), "--workers", "1").out.splitlines() if line.startswith("pods")]
    assert rows == ["pods other", "pods"]


@pytest.mark.parametrize("width", range(20, 60))
@pytest.mark.parametrize(("words", "head"), [("a b c", "zones"), ("alpha beta", "x"), ("", "m")])
def test_no_cell_is_cut_off_however_narrow_the_page(monkeypatch, width, words, head):
    monkeypatch.setenv("COLUMNS", str(width))
    page = Page()
    row = (words, "1", "1234567", "12,345,678")
    page.table((head, "max_skew", "n", "unserved"), [row], numbers={"n", "unserved"}, fold={head, "max_skew"})
    lines = page.render().splitlines()
    assert all(len(line) <= width for line in lines)
    shown = [word for line in lines for word in line.split()]
    assert {*words.split(), "1", "1234567", "12,345,678", "unserved"} <= {*shown}


def test_tune_says_that_nothing_bounds_the_wait(cli, scenario, tmp_path):
    path = tmp_path / "unbounded.toml"
    path.write_text(TEXT.replace('p99_wait = "12 s"', ""))
    words = "The table [tune] has no p99_wait"
    assert words in cli("tune", str(path), "--workers", "1").out
    assert words not in cli("tune", scenario, "--workers", "1").out


def test_tune_prints_the_command_that_applies_the_best_settings(cli, scenario, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")  # narrower than the command, which stays on one line
    answer = cli("tune", scenario)
    assert answer.code == 0
    best = tune(Scenario.load(scenario), workers=1).best
    assert best.kubectl in answer.out.splitlines()
    assert "WARM_IP_TARGET=8" in best.kubectl


def test_tune_in_json_has_the_trade_off(cli, scenario):
    document = cli("tune", scenario, "--json").document
    assert document["best"]["settings"] == {"WARM_IP_TARGET": "8"}
    assert [(each["settings"]["WARM_IP_TARGET"], each["on_front"], each["fits"]) for each in document["candidates"]] == [
        ("1", True, False),
        ("8", True, True),
    ]
    assert document["failures"] == []


def test_no_combination_within_the_bounds_is_a_finding(cli, scenario):
    answer = cli("tune", scenario, "--set", "tune.calls_per_minute=0")
    assert "no combination is within the bounds" in answer.finding
    assert "kubectl" not in answer.out


def test_present_settings_that_are_best_are_kept(cli, tmp_path):
    path = tmp_path / "kept.toml"
    path.write_text(
        TEXT.replace("count = 2}", "count = 2, settings = {WARM_IP_TARGET = 8}}").replace(
            "WARM_IP_TARGET = [1, 8]", "WARM_IP_TARGET = [8, 9]"
        )
    )
    answer = cli("tune", str(path))
    assert answer.code == 0
    assert "the present settings are best: change nothing" in answer.out
    assert "kubectl" not in answer.out
    document = cli("tune", str(path), "--json").document
    assert (document["best"], document["present_is_best"]) == (None, True)
    assert document["reason"] == "the present settings keep the bounds, and no combination that does costs less"


FULL = """
name = "full"
duration = "20 min"
subnet = [{name = "a", cidr = "10.0.0.0/24", zone = "a"}, {name = "c", cidr = "10.0.1.0/27", zone = "c"}]
group = [{name = "w", instance_type = "m5.large", count = 2, settings = {WARM_IP_TARGET = 4}}]
workload = [{kind = "deployment", name = "web", replicas = 20, roll_interval = "10 min", spread = [{max_skew = 1}]}]
[tune]
minimise = "fullest-subnet"
confirm_seeds = [1, 2, 3]
[tune.settings]
WARM_IP_TARGET = [1, 3]
"""


def table_row(out, first):
    """The cells of the row of the table that begins with a text."""
    return next(line.split() for line in out.splitlines() if re.match(rf"{first}\s+[\d.]+ ", line))


def test_tune_writes_shares_of_the_fullest_subnet_in_per_cent_and_its_fewest_free_addresses(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "full.toml"
    path.write_text(FULL)
    result = tune(Scenario.load(path), workers=1)
    best, now = result.best, result.baseline
    out = cli("tune", str(path), "--workers", "1").out
    worst = best.confirmation
    assert worst.cost[1] > best.cost
    head = f"{best.cost} % of the fullest subnet taken (with other seeds up to {worst.cost[1]} %), instead of {now.cost} %"
    assert f"best: WARM_IP_TARGET=1: {head}\n" in out
    free, before = worst.free_least[0], now.confirmation.free_least[0]
    assert free < best.free_least
    assert f"fewest free addresses in the fullest subnet, with any seed: {free} instead of {min(before, now.free_least)}\n" in out
    assert table_row(out, "now")[-1] == "yes"


def test_tune_says_how_the_present_settings_break_a_bound(cli, scenario, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    changes = ["--set", "group.workers.settings.WARM_IP_TARGET=1", "--workers", "1"]
    out = cli("tune", scenario, *changes).out
    result = tune(Scenario.load(scenario, {"group.workers.settings.WARM_IP_TARGET": 1}), workers=1)
    best, now = result.best, result.baseline
    assert now.objections
    assert best.cost > now.cost
    head = next(line for line in out.splitlines() if line.startswith("best: "))
    assert head.startswith(f"best: WARM_IP_TARGET=8: {best.cost} addresses on average")
    assert head.endswith(f", instead of {now.cost}; it mends this: {now.breach}")
    assert table_row(out, "now")[-2] == "no:"
    worst = best.confirmation.cost[1]
    assert (f"(with other seeds up to {worst})" in head) == (worst > best.cost)


@pytest.mark.parametrize("goal", GOALS)
def test_every_goal_has_words(goal):
    assert goal in _COSTS


def test_tune_draws_the_trade_off(cli, scenario, tmp_path):
    picture = tmp_path / "front.svg"
    answer = cli("tune", scenario, "--plot", str(picture))
    assert answer.code == 0
    assert f"drew {picture}" in answer.err
    assert "WARM_IP_TARGET=8" in picture.read_text()


@pytest.mark.parametrize("command", ["sweep", "tune"])
def test_a_scenario_without_a_search_is_refused(cli, tmp_path, command):
    path = tmp_path / "plain.toml"
    path.write_text(TEXT.partition("[sweep]")[0])
    assert f"{path}: {command}" in cli(command, str(path)).refusal


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--plot", "front.gif"], "front.gif"), (["--plot", "nowhere/front.svg"], "there is no folder nowhere; make it")],
)
def test_a_picture_that_cannot_be_drawn_is_refused_before_the_search(cli, scenario, options, message):
    assert message in cli("tune", scenario, *options).refusal


def test_the_header_of_a_column_breaks_only_between_the_parts_of_a_name():
    page = Page()
    page.table(
        ("AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG", "n"), [("true", "1" * 62)], numbers={"n"}, fold={"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG"}
    )
    assert page.render().splitlines()[0].split() == ["AWS_VPC_K8S_CNI_", "n"]


@pytest.mark.parametrize(
    ("stop", "undone"),
    [
        (2, "1 of 2 combinations are done and shown; run it again for all"),
        (4, "the best combination was not confirmed; run it again"),
    ],
)
def test_an_interrupted_tune_shows_what_is_done(cli, scenario, monkeypatch, stop, undone):
    def stopped(loaded, spec, *, workers, progress):
        del workers, progress

        def interrupt(done, _count):
            if done == stop:  # of the present settings, the two combinations and the confirmations
                raise KeyboardInterrupt

        return tune(loaded, spec, workers=1, progress=interrupt)

    monkeypatch.setattr("vpcipam.fleet.sweep.as_completed", iter)  # which gives what is already done in any order
    monkeypatch.setattr("vpcipam.cli.tune.tune", stopped)
    table, document = cli("tune", scenario), cli("tune", scenario, "--json")
    for answer in (table, document):
        assert (answer.code, answer.err) == (130, f"vpcipam: interrupted: {undone}\n")
    assert table.out.startswith("jobs · ")
    assert len(json.loads(document.out)["candidates"]) == (1 if stop == 2 else 2)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_sweep_shows_the_finished_trials(tmp_path):
    path = tmp_path / "long.toml"
    path.write_text(TEXT.replace('"group.workers.settings.WARM_IP_TARGET" = [1, 4]', f"seed = {list(range(1000))}"))
    command = [sys.executable, "-m", "vpcipam.cli", "sweep", str(path), "--workers", "1", "--json"]
    ours, theirs = pty.openpty()  # the progress bar, which needs a terminal, shows when the first trial is done
    with (tmp_path / "trials.json").open("w+") as out:
        process = subprocess.Popen(  # noqa: S603  # our own command
            command, stdout=out, stderr=theirs, env=dict(os.environ, TERM="xterm"), start_new_session=True
        )
        os.close(theirs)
        shown, interrupted = b"", False
        while piece := read_terminal(ours):
            shown += piece
            if not interrupted and re.search(rb" {4}[1-9]\d* ", shown):
                os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes at once
                interrupted = True
        os.close(ours)
        assert process.wait(timeout=60) == 130
        out.seek(0)
        done = len(json.load(out)["trials"])
    assert 0 < done < 1000
    assert shown.decode().endswith(f"vpcipam: interrupted: {done} of 1000 trials are done and shown; run it again for all\r\n")


def read_terminal(terminal):
    """The bytes written to a terminal since the last read; none once all writers have closed it."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux reports the end
        return b""
