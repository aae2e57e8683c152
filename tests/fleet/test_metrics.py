"""The recorder, and its result as values, tables, JSON and CSV."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from recordings import MINUTE, fleet, long_run, look, recorded, result_of, subnet

import vpcipam
from vpcipam.errors import InvalidArgument
from vpcipam.fleet.engine import simulate
from vpcipam.fleet.export import columns_of, digits, to_json, write_csv
from vpcipam.fleet.metrics import SCHEMA_VERSION, Recorder
from vpcipam.fleet.samples import FleetSample, SubnetSample
from vpcipam.fleet.scenario import Scenario
from vpcipam.testing.strategies import scenarios

SCENARIO = """
duration = "3 h"
seed = 5
[[subnet]]
name = "a"
cidr = "10.0.0.0/25"
occupied_share = 0.2
[[subnet]]
name = "b"
cidr = "10.0.1.0/25"
[[group]]
name = "workers"
instance_type = "m5.large"
count = 2
max_count = 6
[group.settings]
ENABLE_PREFIX_DELEGATION = true
[[workload]]
kind = "arrivals"
per_hour = 300
[workload.lifetime]
kind = "exponential"
mean = "10 min"
[ec2]
throttling = "typical"
latency = "typical"
address_choice = "random"
"""


# --- recorder ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("time_ns", [0, MINUTE - 1, MINUTE])
def test_the_times_of_samples_must_increase(time_ns):
    recorder = recorded(({},), ({},))
    before = result_of(recorder, MINUTE)
    with pytest.raises(InvalidArgument, match=f"a sample at {time_ns} ns can't follow one at 60000000000 ns; add samples in order of time"):
        recorder.sample(fleet(time_ns), {"a": subnet()}, {}, {})
    assert result_of(recorder, MINUTE) == before


def test_calls_count_since_the_previous_sample_whenever_an_action_begins():
    recorder = recorded(({}, subnet(), {"B": 1}), ({}, subnet(), {"A": 2}), ({}, subnet(), {"A": 1, "B": 4}, {"B": 3}))
    result = result_of(recorder, 2 * MINUTE)
    assert result.calls == {"A": (0, 2, 1), "B": (1, 0, 4)}
    assert list(result.calls) == ["A", "B"]
    assert result.throttled == {"B": (0, 0, 3)}


# --- tables --------------------------------------------------------------------------------------------------------------


def is_fit_for_dataframes(columns):
    """Return whether all columns have the same length, and each has one type, int or str."""
    lengths = {len(values) for values in columns.values()}
    kinds = [{type(value) for value in values} for values in columns.values()]
    return len(lengths) == 1 and all(kind <= {int} or kind == {str} for kind in kinds)


def test_tables_have_a_row_for_each_record():
    result = long_run(count=100)
    tables = result.tables()
    assert list(tables) == ["samples", "subnets", "calls", "strips", "events"]
    assert all(map(is_fit_for_dataframes, tables.values()))
    assert tables["samples"] == result.columns()
    assert list(tables["samples"]) == [*FleetSample._fields, "calls", "throttled"]
    assert tables["samples"]["addresses_warm"] == [sample.addresses_warm for sample in result.samples]
    assert sum(tables["samples"]["calls"]) == sum(result.summary.calls.values()) == sum(tables["calls"]["calls"])
    assert sum(tables["samples"]["throttled"]) == sum(result.summary.throttled.values()) == sum(tables["calls"]["throttled"])
    assert list(tables["subnets"]) == ["time_ns", "subnet", *SubnetSample._fields]
    assert tables["subnets"]["stranded"] == [sample.stranded for sample in result.subnet_samples["a"]]
    assert all(tables["calls"]["calls"])
    assert tables["strips"]["free_per_slash_28"][0] == "0123456789abcdef"
    assert tables["events"]["text"] == [event.text for event in result.events]


def test_without_calls_or_events_tables_keep_their_columns():
    tables = result_of(recorded(({},)), 0).tables()
    assert tables["calls"] == {"time_ns": [], "action": [], "calls": [], "throttled": []}
    assert tables["samples"]["calls"] == [0]
    assert all(values == [] for values in tables["events"].values())


@pytest.mark.parametrize(("counts", "text"), [(b"", ""), (bytes([16, 0, 10, 15, 9]), "g0af9")])
def test_a_strip_has_a_digit_for_each_28(counts, text):
    assert digits(counts) == text


def test_columns_of_no_rows_are_empty():
    assert columns_of(("a", "b"), []) == {"a": [], "b": []}


# --- JSON and CSV --------------------------------------------------------------------------------------------------------

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
documents = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6)


@given(st.dictionaries(st.text(), documents))
def test_json_parses_to_the_document(document):
    text = to_json(document)
    assert json.loads(text) == document
    assert text.isascii()
    assert text.endswith("\n")


def test_json_has_a_line_for_each_column():
    assert to_json({"a": [1, 2], "b": {"c": {}, "d": [{"e": 1}, []]}}) == (
        '{\n  "a": [1, 2],\n  "b": {\n    "c": {},\n    "d": [\n      {\n        "e": 1\n      },\n      []\n    ]\n  }\n}\n'
    )


def test_the_document_has_every_field_of_the_result():
    result = long_run(count=100)
    document = json.loads(result.to_json())
    assert document == json.loads(json.dumps(result.to_dict()))
    assert list(document) == [
        *("schema_version", "scenario", "seed", "duration_ns", "summary", "samples", "subnets", "calls", "strips", "events"),
    ]
    assert document["schema_version"] == SCHEMA_VERSION == 1
    assert document["summary"]["to_start"] == attrs.asdict(result.summary.to_start)
    assert document["samples"] == result.columns()
    assert [event["text"] for event in document["events"]] == [event.text for event in result.events]


def test_csv_files_are_the_tables(tmp_path):
    result = long_run(count=100)
    paths = result.write_csv(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["samples.csv", "subnets.csv", "calls.csv", "strips.csv", "events.csv"]
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        columns = result.tables()[path.stem]
        assert head == list(columns)
        assert rows == [list(map(str, row)) for row in zip(*columns.values(), strict=True)]
        assert b"\r" not in path.read_bytes()


def test_csv_files_replace_only_those_of_an_earlier_run(tmp_path):
    (tmp_path / "samples.csv").write_text("old")
    (tmp_path / "mine.txt").write_text("mine")
    long_run(count=5).write_csv(str(tmp_path))
    assert (tmp_path / "samples.csv").read_text().startswith("time_ns,")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_csv_files_into_a_file_are_refused(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(FileExistsError):
        write_csv(tmp_path / "taken", {})


def test_texts_with_commas_quotes_and_signs_survive_csv(tmp_path):
    texts = ['a, "b"', "ä\n"]
    (path,) = write_csv(tmp_path, {"t": {"text": texts}})
    with path.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["text"], *([text] for text in texts)]


# --- a real run ----------------------------------------------------------------------------------------------------------


@pytest.mark.thorough
@settings(max_examples=10)
@given(scenarios())
def test_equal_scenarios_give_equal_bytes(scenario):
    first, second = simulate(scenario), simulate(scenario)
    assert first == second
    assert first.to_json() == second.to_json()
    assert all(map(is_fit_for_dataframes, first.tables().values()))
    assert first.summary.addresses_peak >= max(sample.addresses_attached for sample in first.samples)
    for sample in first.samples:
        assert sample.addresses_assigned + sample.addresses_cooling + sample.addresses_warm == sample.addresses_attached
        assert sample.addresses_warm >= 0


@pytest.mark.thorough
def test_the_bytes_depend_neither_on_the_process_nor_on_the_order_of_sets():
    source = str(Path(vpcipam.__file__).parents[1])
    code = (
        "import hashlib, sys; from vpcipam.fleet.engine import simulate; from vpcipam.fleet.scenario import Scenario\n"
        "print(hashlib.sha256(simulate(Scenario.from_toml(sys.argv[1])).to_json().encode()).hexdigest())"
    )
    found = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": source}
        done = subprocess.run([sys.executable, "-c", code, SCENARIO], capture_output=True, text=True, env=environment, check=True)  # noqa: S603 - as it stands
        found.add(done.stdout.strip())
    assert found == {hashlib.sha256(simulate(Scenario.from_toml(SCENARIO)).to_json().encode()).hexdigest()}


def test_messages_name_subnets_as_the_scenario_does_and_leave_other_ids_alone():
    recorder = Recorder({"a": 256}, subnet_ids={"a": "subnet-0a"})
    recorder.sample(fleet(0), {"a": subnet()}, {}, {})
    look(recorder, 0, {"a": subnet()})
    recorder.event(0, "g", "RunInstances: subnet-0a is full, subnet-0ab is not")
    assert [event.text for event in result_of(recorder, 0).events] == ["RunInstances: subnet a is full, subnet-0ab is not"]
