"""Long texts of JSON are read item by item, with the facts, places and documents of a text that is read as a whole."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cluster_answers import as_list, as_typed_list, ec2_pages, object_of, pod_values, reserve
from document_texts import SURROUNDINGS
from hypothesis import given, settings
from hypothesis import strategies as st
from long_reading import long_read
from random_nodes import random_nodes

from vpcipam.inspection import readers
from vpcipam.inspection.readers import collector, long_texts, read_files

A_FEW = settings(max_examples=max(6, settings.default.max_examples // 4))  # each makes whole nodes; by night there are thousands

ENI = {
    "NetworkInterfaceId": "eni-1",
    "SubnetId": "s",
    "VpcId": "v",
    "AvailabilityZone": "a",
    "Status": "in-use",
    "PrivateIpAddress": "10.0.0.5",
}
ENI_TEXT = json.dumps(ENI)
POD = {"kind": "Pod", "metadata": {"namespace": "a", "name": "b"}, "spec": {}, "status": {"podIP": "10.0.0.5"}}


def facts_of(evidence):
    return dict(evidence.facts())


# --- the same as whole -----------------------------------------------------------------------------------------------------


@st.composite
def account_texts(draw):
    """Texts with answers about an account, one or several."""
    made = draw(random_nodes())
    objects = [object_of(each) for each in pod_values(made, "one")]
    documents = [
        *ec2_pages(made, "describe_network_interfaces", draw(st.sampled_from([None, 5]))),
        *ec2_pages(made, "describe_instances"),
        *ec2_pages(made, "describe_subnets"),
        as_list([*objects, {"kind": "Secret", "metadata": {}}, 7]),
        as_typed_list(objects),
        reserve(made)[0],
        objects[0],
        {"status_code": 200, "data": ec2_pages(made, "describe_instance_types")[0]},
        ec2_pages(made, "describe_subnets")[0]["Subnets"],
        {"unknown": [1, 2]},
    ]
    chosen = draw(st.lists(st.sampled_from(documents), min_size=1, max_size=4))
    indent = draw(st.sampled_from([None, 1]))
    text = draw(st.sampled_from([" ", "\n", ""])).join(json.dumps(each, indent=indent) for each in chosen)
    return SURROUNDINGS[draw(st.sampled_from(sorted(SURROUNDINGS)))].replace("{}", text)


@A_FEW
@given(account_texts(), st.sampled_from([1, 7, 64, 4096]))
def test_a_long_text_gives_what_it_gives_as_a_whole(read, text, chunk):
    whole, by_item = read(text), long_read(text, chunk)
    assert facts_of(by_item) == facts_of(whole)
    assert {(each.kind, each.count, each.remarks, each.cannot_show) for each in by_item.documents} == {
        (each.kind, each.count, each.remarks, each.cannot_show) for each in whole.documents
    }
    assert {each.why.partition(",")[0] for each in by_item.skipped} == {each.why.partition(",")[0] for each in whole.skipped}


@A_FEW
@given(account_texts(), st.sampled_from([7, 64]), st.data())
def test_a_long_text_that_breaks_off_keeps_what_stands_before(text, chunk, data):
    full = facts_of(long_read(text, chunk))
    cut = facts_of(long_read(text[: data.draw(st.integers(0, len(text)))], chunk))
    pods = cut.pop("pods", ())  # one that is read again stands where it was read last
    assert {each.value for each in pods} <= {each.value for each in full.get("pods", ())}
    for name, facts in cut.items():
        assert [each.value for each in facts] == [each.value for each in full[name]][: len(facts)]


@given(st.text(alphabet="{}[]\"':,.…\\ \nabTrue1", max_size=80), st.sampled_from([1, 7, 64]))
def test_any_text_is_read_to_an_end(text, chunk):
    evidence = long_read(text, chunk)
    assert evidence.documents == ()


# --- dirt ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found", "reasons"),
    [
        (
            '{"NetworkInterfaces": [%s, {"NetworkInterfaceId": "eni-2"',
            1,
            ["the text breaks off within it", "the text breaks off here"],
        ),
        ('{"NetworkInterfaces": [%s', 1, ["the text breaks off here"]),
        ('{"NetworkInterfaces": [%s], "x": nonsense}', 1, ["a value is no JSON"]),
        ('{"NetworkInterfaces": [%s], x}', 1, ["a name in quotes is missing here"]),
        ('{"NetworkInterfaces": [%s], "x" 1}', 1, ["a colon is missing here"]),
        ('{"NetworkInterfaces": [%s, nonsense]}', 1, ["an item is no JSON"]),
        (f'{{"NetworkInterfaces": [{ENI | {"SourceDestCheck": True}}]}}', 1, ["a text in single quotes", "True is Python's word"]),
        ('[INFO] 7 {"a" 1} {"NetworkInterfaces": [%s]}', 1, ["is no JSON"]),
        ('{"NetworkInterfaces": [7, %s]}', 1, ["must be an object, not a number"]),
    ],
)
def test_what_is_no_json_is_skipped_with_its_reason(text, found, reasons):
    evidence = long_read(text.replace("%s", ENI_TEXT), 16)
    assert len(evidence.network_interfaces) == found
    told = " | ".join(each.why for each in evidence.skipped)
    assert all(reason in told for reason in reasons), told


def test_an_item_in_python_s_notation_between_others_keeps_its_place():
    text = f'{{"NetworkInterfaces": [\n{ENI_TEXT},\n{ENI},\n{ENI_TEXT}]}}'
    evidence = long_read(text, 16)
    assert [each.source.path for each in evidence.network_interfaces] == [f".NetworkInterfaces[{number}]" for number in range(3)]
    assert [each.source.line for each in evidence.skipped] == [3]


def test_items_of_a_typed_list_need_its_kind_before_them():
    items = [{name: value for name, value in POD.items() if name != "kind"}]
    assert len(long_read(json.dumps({"kind": "PodList", "items": items}), 16).pods) == 1
    assert long_read(json.dumps({"items": items, "kind": "PodList"}), 16).pods == ()


def test_many_unknown_items_and_documents_are_given_up(monkeypatch):
    monkeypatch.setattr(long_texts, "MOST_UNKNOWN", 3)
    assert long_read(json.dumps([{"a": 1}] * 9), 16).skipped[-1].why.startswith("no reader recognises 3 items in a row")
    assert long_read('{"a": 1}\n' * 9, 16).skipped[-1].why.startswith("no reader recognises 3 documents in a row")


def test_many_false_beginnings_are_given_up(monkeypatch):
    monkeypatch.setattr(long_texts, "_MOST_RESTARTS", 3)
    assert "a colon is missing here" in {each.why for each in long_read('{"a" 1} ' * 9, 16).skipped}
    assert "a colon is missing here" not in {each.why for each in long_read('{"a" 1} ' * 2, 16).skipped}


def test_an_object_that_is_no_list_is_bounded(monkeypatch):
    monkeypatch.setattr(long_texts, "MOST_MEMBERS", 1 << 20)
    text = json.dumps({f"a{number}": "x" * 1000 for number in range(2_000)})
    assert long_read(text, 4096).skipped[-1].why == "an object has more than 1 MiB outside the lists of EC2 and Kubernetes"


def test_a_long_item_is_refused(monkeypatch):
    monkeypatch.setattr(long_texts, "MOST_ITEM", 1 << 10)
    text = json.dumps({"NetworkInterfaces": [ENI, ENI | {"Description": "x" * 5000}, ENI]})
    evidence = long_read(text, 64)
    assert len(evidence.network_interfaces) == 1
    assert any("no JSON" in each.why or "breaks off" in each.why for each in evidence.skipped)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_encoding_is_read(monkeypatch, encoding):
    monkeypatch.setattr(readers, "MOST_DOCUMENT_BYTES", 64)
    text = json.dumps({"NetworkInterfaces": [ENI | {"Description": "ü…日本"}]}, ensure_ascii=False)
    evidence = read_files([("a", io.BytesIO(text.encode(encoding)))])
    assert evidence.network_interfaces[0].value.description == "ü…日本"
    assert evidence.skipped == ()


def test_broken_characters_are_counted(monkeypatch):
    monkeypatch.setattr(readers, "MOST_DOCUMENT_BYTES", 64)
    data = json.dumps({"NetworkInterfaces": [ENI | {"Description": "@@"}]}).encode().replace(b"@", b"\xff") + b" \xe2"
    evidence = read_files([("a", io.BytesIO(data))])
    assert len(evidence.network_interfaces) == 1
    assert any("3 of them are not UTF-8" in each.why for each in evidence.skipped)


def test_long_yaml_is_refused_with_the_way_out(monkeypatch):
    monkeypatch.setattr(readers, "MOST_DOCUMENT_BYTES", 64)
    evidence = read_files([("a", io.BytesIO(b"kind: List\nitems:\n- {kind: Pod}\n" * 9))])
    assert "only if it is JSON (-o json)" in evidence.skipped[0].why


# --- memory ----------------------------------------------------------------------------------------------------------------

MEASURE = """
import json, sys
sys.path.append(sys.argv[1])
import long_files
items, facts, _, grown, calls = long_files.measure(sys.argv[2], int(sys.argv[3]) << 20)
print(json.dumps([items, facts, grown, calls]))
"""


def measured(kind, mib):
    """Read a file of some MiB in a process of its own: the items, the facts, the growth of memory in MiB, and the calls of progress."""
    benchmarks = Path(__file__).parents[3] / "benchmarks"
    command = [sys.executable, "-c", MEASURE, str(benchmarks), kind, str(mib)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this interpreter
    items, facts, grown, calls = json.loads(done.stdout)
    return items, facts, grown / (1 << 20), calls


def check(kind, mib, most_mib):
    items, facts, grown_mib, calls = measured(kind, mib)
    assert facts == items
    assert grown_mib < most_mib
    done = [each for each, _ in calls]
    assert done == sorted(done)
    assert len(set(done)) > 2 * mib
    assert calls[-1][0] == calls[-1][1] > mib << 20


@pytest.mark.thorough
def test_memory_grows_with_the_facts_and_not_with_the_text():
    check("pods", 24, 40)  # as a whole, the text and its objects would take over 150 MiB


@pytest.mark.nightly
@pytest.mark.parametrize(("kind", "most_mib"), [("pods", 64), ("enis", 160)])
def test_memory_of_100_mib_is_that_of_its_facts(kind, most_mib):
    check(kind, 100, most_mib)


# --- bounds ------------------------------------------------------------------------------------------------------------------


def said(text, chunk=64):
    return [each.why for each in long_read(text, chunk).skipped]


@pytest.mark.parametrize(
    ("item", "name"),
    [("{}", "NetworkInterfaces"), ('{"a":{...}}', "Subnets"), ("{'kind':'Pod'}", "items"), ("7", "Instances"), ("{}", "Reservations")],
)
def test_many_items_without_an_id_are_not_read_to_the_end(item, name):
    text = f'{{"{name}":[' + f"{item}," * 1_001
    assert said(text, 1 << 16)[-1] == "no reader recognises 1,000 items in a row"


@pytest.mark.parametrize(
    ("document", "said_of_it"),
    [
        ({"NetworkInterfaces": [{}] * 1_001}, "1,000 items in a row have no id"),
        ({"kind": "List", "items": [{"kind": "Pod"}] * 1_001}, "1,000 items in a row have no name"),
    ],
)
def test_nor_are_they_in_a_text_that_is_read_as_a_whole(document, said_of_it):
    evidence = read_files([("file-0", io.BytesIO(json.dumps(document).encode()))])
    assert evidence.skipped[-1].why == said_of_it
    assert len(evidence.pods) + len(evidence.network_interfaces) == 1_000


def test_items_that_are_no_json_are_bounded(monkeypatch):
    monkeypatch.setattr(long_texts, "_MOST_PATIENT_ITEMS", 2)
    monkeypatch.setattr(long_texts, "_MOST_FAILED", 1)
    monkeypatch.setattr(long_texts, "MOST_ITEM", 100)
    text = '{"Subnets":[' + "{'SubnetId':'s'}," * 40 + "1]}"
    evidence = long_read(text, 64)
    assert len(evidence.subnets) == 3
    assert evidence.skipped[-1].why == "too many items are no JSON (3 before it), and take long to read; give it as JSON"


def test_an_item_in_pythons_notation_that_is_longer_than_most_is_read(monkeypatch):
    monkeypatch.setattr(long_texts, "_SHORT", 16)
    evidence = long_read("{'Subnets':[{'SubnetId':'" + "s" * 300 + "'}]}", 64)
    assert [len(each.value.subnet_id) for each in evidence.subnets] == []
    evidence = long_read("{\"Subnets\":[{'SubnetId':'" + "s" * 300 + "'}]}", 64)
    assert [len(each.value.subnet_id) for each in evidence.subnets] == [300]


def test_a_text_of_which_nothing_can_be_read_says_why():
    assert said('{"NetworkInterfaces":[' + "," * 100) == ["the text breaks off here"]


def test_the_end_of_reading_is_said_even_after_many_parts(monkeypatch):
    monkeypatch.setattr(collector, "MOST_SKIPPED", 1)
    assert "the text breaks off here" in said('{"Subnets":[{},{},{},')
