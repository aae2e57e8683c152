"""`vpcipam simulate`: answers, files, progress, refusals."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vpcipam.cli import progress, simulate_view
from vpcipam.cli.scenarios import parse_change
from vpcipam.cli.simulate_view import sparkline
from vpcipam.errors import ScenarioError
from vpcipam.fleet.engine import simulate
from vpcipam.fleet.scenario import Scenario

TEXT = """
name = "web"
duration = "2 h"
seed = 5
[[subnet]]
name = "pods"
cidr = "10.0.0.0/25"
[[group]]
name = "workers"
instance_type = "m5.large"
count = 2
[[workload]]
kind = "arrivals"
per_hour = 600
[workload.lifetime]
kind = "fixed"
time = "5 min"
"""
TRACE = "pod,created,deleted\na,10,100\nb,20,200\n"


@pytest.fixture
def scenario(tmp_path):
    """The path of a small scenario."""
    path = tmp_path / "web.toml"
    path.write_text(TEXT)
    return str(path)


# --- answers -------------------------------------------------------------------------------------------------------------


def test_json_equals_the_library(cli, scenario):
    expected = simulate(Scenario.load(scenario))
    answer = cli("simulate", scenario, "--json")
    assert answer.document == json.loads(expected.to_json())
    assert answer.err == ""


def test_the_seed_and_single_keys_can_be_set(cli, scenario):
    changes = {"seed": 7, "group.workers.settings.WARM_IP_TARGET": 3, "duration": "30 min"}
    expected = simulate(Scenario.load(scenario).with_changes(changes))
    arguments = ("--seed", "7", "--set", "group.workers.settings.WARM_IP_TARGET=3", "--set", "duration=30 min")
    assert cli("simulate", scenario, *arguments, "--json").document == json.loads(expected.to_json())


def test_set_overrides_seed(cli, scenario):
    assert cli("simulate", scenario, "--seed", "7", "--set", "seed=8", "--json").document["seed"] == 8


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("true", True),
        ("0.5", 0.5),
        ("2 d", "2 d"),
        ('"2 d"', "2 d"),
        ('["a", "b"]', ["a", "b"]),
        ("a=b", "a=b"),
        ("1\nother = 2", "1\nother = 2"),
        ("", ""),
    ],
)
def test_a_value_is_read_as_toml_or_else_as_text(text, value):
    assert parse_change(f"group.workers.count={text}") == ("group.workers.count", value)


def test_a_trace_replaces_the_workload(cli, scenario, tmp_path):
    (tmp_path / "pods.csv").write_text(TRACE)
    document = cli("simulate", scenario, "--trace", str(tmp_path / "pods.csv"), "--set", "duration='10 min'", "--json").document
    assert (document["summary"]["pods"], document["summary"]["pods_done"]) == (2, 2)


def test_the_layout_of_a_trace_can_be_set(cli, scenario, tmp_path):
    (tmp_path / "trace.csv").write_text("pod,created,deleted\na,1767225600000,1767225690000\n")
    trace = ("--trace", str(tmp_path / "trace.csv"), "--set", "workload.trace.unit=ms", "--json")
    assert "from_first_pod" in cli("simulate", scenario, *trace).refusal
    assert cli("simulate", scenario, *trace, "--set", "workload.trace.from_first_pod=true").document["summary"]["pods_done"] == 1


def test_the_report_has_levels_waits_calls_subnets_and_events(cli, scenario):
    answer = cli("simulate", scenario)
    assert answer.code == 0
    assert answer.err == ""
    lines = answer.out.splitlines()
    assert lines[0].startswith("web - 2 h, seed 5 - ") or lines[0].startswith("web · 2 h, seed 5 · ")
    assert lines[0].endswith("pods on up to 2 nodes")
    assert lines[1].startswith("At the end ")
    summary = simulate(Scenario.load(scenario)).summary
    table = {line.partition("  ")[0]: line.split() for line in lines}
    assert table["addresses"][1:3] == [f"{summary.addresses_peak:,}", f"{summary.addresses_mean:,.1f}"]
    assert "prefixes" not in table
    for head in ("wait for ", "EC2 calls ", "subnet "):
        assert any(line.startswith(head) for line in lines), head
    assert "Worth reading" in lines
    assert all(len(line) <= 80 for line in lines)


def test_a_long_name_leaves_room_for_the_figures(cli, tmp_path):
    path = tmp_path / "long.toml"
    path.write_text(TEXT.replace('"pods"', '"production-eu-central-1a-private-pods"'))
    lines = cli("simulate", str(path)).out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    named = "".join(line for line in lines if line.startswith("production-eu-central-1a-private-pods "))
    assert named.count("(") == named.count(")") == 3


def test_a_fleet_without_waiting_pods_says_so(cli, scenario):
    out = cli("simulate", scenario, "--set", "workload.1.per_hour=6", "--set", "group.workers.settings.ENABLE_PREFIX_DELEGATION=true").out
    assert "No pod waits." in out
    assert "\nprefixes" in out


def test_a_fleet_without_pods_is_shown(cli, scenario):
    assert "At the end there is no pod." in cli("simulate", scenario, "--set", "workload.1.per_hour=0").out


def test_a_long_list_of_events_is_cut_and_says_so(cli, scenario, monkeypatch):
    monkeypatch.setattr(simulate_view, "_MOST_EVENTS", 0)
    assert "more; --json and --csv have all" in cli("simulate", scenario).out


@pytest.mark.parametrize(
    ("values", "width", "top", "text"),
    [
        ([0, 0], 5, 0, "__"),
        ([1, 1], 2, 1, "@@"),
        ([1, 1], 2, 100, ".."),
        ([0, 7], 2, 7, "_@"),
        ([0, 1, 0, 0, 9, 0], 3, 9, "._@"),
        ([1, 1000], 2, 1000, ".@"),
        ([0.1, 0.3], 2, 0.3, "=@"),
    ],
)
def test_a_sparkline_shows_the_maximum_of_each_part_and_nonzero_values_above_the_ground(values, width, top, text):
    assert sparkline(values, width, "_.-=+*#@", top) == text


def test_addresses_and_their_parts_have_one_scale_and_each_scale_is_named(cli, scenario):
    out = cli("simulate", scenario).out
    scales = dict(re.findall(r"^(\S.*?)  .* (0–\S+) ", out, re.MULTILINE))
    (peak,) = re.findall(r"^addresses +(\S+)", out, re.MULTILINE)
    assert {scales[name] for name in ("addresses", "- assigned", "- cooling", "- warm")} == {f"0–{peak}"}
    assert {"nodes", "ENIs", "pods waiting", "calls a minute"} <= {*scales}


ZONES = """
name = "zonal"
duration = "10 min"
subnet = [{name = "pods-a", cidr = "10.0.0.0/24", zone = "us-east-1a"}, {name = "pods-b", cidr = "10.0.1.0/24", zone = "us-east-1b"}]
group = [{name = "workers", instance_type = "m5.large", count = 3}]
workload = [{kind = "deployment", name = "web", replicas = 12, spread = [{max_skew = 1}]}]
"""


@pytest.mark.parametrize("name", ["pods-a", "production-private-pods-of-zone-a"])
def test_the_report_shows_zones(cli, tmp_path, name):
    path = tmp_path / "zonal.toml"
    path.write_text(ZONES.replace('"pods-a"', f'"{name}"'))
    lines = cli("simulate", str(path)).out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    (zone,) = (line.split() for line in lines if line.startswith("us-east-1a"))
    assert zone == ["us-east-1a", "2", "2.0", "6", "6.0", "0", "36", "34.2"]
    subnet = next(line.split() for line in lines if line.startswith(f"{name} "))
    assert subnet[1:3] == ["us-east-1a", "251"]


def test_the_report_of_a_fleet_without_zones_has_no_zones(cli, scenario):
    assert "zone" not in cli("simulate", scenario).out


def test_a_scenario_can_come_from_stdin(cli, scenario):
    told = cli("simulate", "-", "--json", stdin=Path(scenario).read_text(encoding="utf-8")).document
    read = cli("simulate", scenario, "--json").document
    assert {**told, "scenario": None} == {**read, "scenario": None}


# --- files ---------------------------------------------------------------------------------------------------------------


def test_written_files_are_reported_on_stderr(cli, scenario, tmp_path):
    answer = cli("simulate", scenario, "--csv", str(tmp_path / "out" / "csv"), "--plot", str(tmp_path / "web.svg"))
    assert answer.code == 0
    assert f"wrote samples.csv, subnets.csv, calls.csv, strips.csv, events.csv into {tmp_path / 'out' / 'csv'}\n" in answer.err
    assert f"drew {tmp_path / 'web.svg'}\n" in answer.err
    assert (tmp_path / "web.svg").read_text().startswith("<?xml")
    assert (tmp_path / "out" / "csv" / "samples.csv").stat().st_size


def test_quiet_reports_nothing_and_still_writes_the_files(cli, scenario, tmp_path):
    answer = cli("simulate", scenario, "--quiet", "--csv", str(tmp_path / "csv"))
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    assert (tmp_path / "csv" / "events.csv").exists()
    assert cli("simulate", scenario, "--quiet", "--json").document["scenario"] == "web"


@pytest.mark.parametrize("command", ["simulate", "sweep", "tune"])
def test_an_unreadable_scenario_is_refused_like_a_missing_one(cli, monkeypatch, tmp_path, command):
    monkeypatch.setattr("os.access", lambda _path, mode: mode != os.R_OK)  # click would call this bad usage
    (tmp_path / "folder.toml").mkdir()
    assert "folder.toml: Is a directory" in cli(command, str(tmp_path / "folder.toml")).refusal
    assert "No such file" in cli(command, str(tmp_path / "none.toml")).refusal


# --- progress ------------------------------------------------------------------------------------------------------------


def test_progress_is_shown_on_a_terminal(cli, scenario, monkeypatch):
    monkeypatch.setattr(progress, "is_watched", lambda: True)
    monkeypatch.setattr(progress, "_BETWEEN_S", 0)
    answer = cli("simulate", scenario, "--json")
    drawn = answer.err.split("\r\x1b[2K")
    assert drawn[1] == f"{'00:00':>12} {'.' * 24} of 02:00"
    assert any("############............ of 02:00 0:00 left" in each for each in drawn)
    assert drawn[-1] == ""  # the bar goes when the run is over
    json.loads(answer.out)


def test_no_progress_is_shown_without_a_terminal_or_with_quiet(cli, scenario, monkeypatch):
    assert not progress.is_watched()
    monkeypatch.setattr(sys, "stderr", None)
    assert not progress.is_watched()
    monkeypatch.undo()
    monkeypatch.setattr(progress, "is_watched", lambda: True)
    assert cli("simulate", scenario, "--quiet").err == ""


def test_an_interrupt_ends_the_run_with_130(cli, scenario, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("vpcipam.cli.simulate.simulate", interrupt)
    answer = cli("simulate", scenario)
    assert (answer.code, answer.out, answer.err) == (130, "", "vpcipam: interrupted\n")


@pytest.mark.usefixtures("interruptible")
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_a_long_run_with_130(environment, scenario):
    changes = ("--set=duration=3000 d", "--set=sample=1 h", "--set=workload.1.per_hour=60")
    command = [sys.executable, "-m", "vpcipam.cli", "simulate", scenario, *changes]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        time.sleep(2)
        assert process.poll() is None, "the run is too short to be interrupted"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "vpcipam: interrupted\n")


# --- refusals ------------------------------------------------------------------------------------------------------------


def test_an_unwritable_output_is_refused_before_the_run(cli, scenario, tmp_path, monkeypatch):
    monkeypatch.setattr("vpcipam.cli.simulate.simulate", lambda *_, **__: pytest.fail("it ran"))
    assert "ends in .svg or .png" in cli("simulate", scenario, "--plot", str(tmp_path / "web.pdf")).refusal
    assert "there is no folder" in cli("simulate", scenario, "--plot", str(tmp_path / "none" / "web.svg")).refusal
    (tmp_path / "file").write_text("")
    assert (
        cli("simulate", scenario, "--csv", str(tmp_path / "file")).refusal
        == f"can't read or write {tmp_path / 'file'}: it is a file, and a folder is needed"
    )
    (tmp_path / "web.svg").mkdir()
    assert "web.svg is a folder" in cli("simulate", scenario, "--plot", str(tmp_path / "web.svg")).refusal
    monkeypatch.setattr("os.access", lambda _path, mode: mode != os.W_OK)  # as for a user who is not root
    for option in (("--plot", str(tmp_path / "new.svg")), ("--csv", str(tmp_path))):
        assert f"this user may not write to {tmp_path}" in cli("simulate", scenario, *option).refusal


def test_a_picture_without_matplotlib_names_the_extra(cli, scenario, monkeypatch):
    for name in ("vpcipam.report.plots", "vpcipam.report.page"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert cli("simulate", scenario, "--plot", "web.svg").refusal == "pictures need the package matplotlib: pip install 'vpcipam[plots]'"


def test_an_invalid_scenario_is_refused_with_file_and_key(cli, tmp_path):
    assert "No such file" in cli("simulate", str(tmp_path / "none.toml")).refusal
    (tmp_path / "bad.toml").write_text(TEXT.replace("count = 2", "count = 'two'"))
    assert "bad.toml: group.workers.count: must be a whole number" in cli("simulate", str(tmp_path / "bad.toml")).refusal


def test_an_invalid_change_is_refused(cli, scenario):
    assert "no group called 'worker'" in cli("simulate", scenario, "--set", "group.worker.count=3").refusal
    assert "group.workers.count" in cli("simulate", scenario, "--set", "group.workers.count=many").refusal
    assert "is not of the form KEY=VALUE" in cli("simulate", scenario, "--set", "count").usage_error
    assert "is not of the form KEY=VALUE" in cli("simulate", scenario, "--set", "=3").usage_error
    assert "--seed" in cli("simulate", scenario, "--seed", "-1").usage_error
    assert "seed" in cli("simulate", scenario, "--seed", str(2**63)).refusal


def test_a_trace_and_a_change_of_the_workload_exclude_each_other(cli, scenario, tmp_path):
    (tmp_path / "pods.csv").write_text(TRACE)
    trace = ("--trace", str(tmp_path / "pods.csv"))
    assert "--trace replaces the workload" in cli("simulate", scenario, *trace, "--set", "workload.1.per_hour=1").refusal
    assert "No such file" in cli("simulate", scenario, "--trace", str(tmp_path / "none.csv")).refusal


def test_a_scenario_that_ec2_refuses_is_refused_in_one_line(cli, scenario, monkeypatch):
    def refuse(*_, **__):
        raise ScenarioError("pod 'x' is bound to node 'y', and no group has such nodes")

    monkeypatch.setattr("vpcipam.cli.simulate.simulate", refuse)
    assert "is bound to node" in cli("simulate", scenario).refusal
