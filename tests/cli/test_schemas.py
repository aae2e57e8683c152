"""The JSON of every command obeys its schema in docs/schemas."""

import copy
import json
import shlex
import shutil
from pathlib import Path

import click
import pytest
from jsonschema import Draft202012Validator

from vpcipam.cli.app import COMMANDS, app

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "docs" / "schemas"
SCHEMAS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
MORE = [
    "vpcipam limits t2.micro m5.metal p5.48xlarge",
    "vpcipam max-pods m5.large",
    "vpcipam max-pods t3.small m4.large --prefix-delegation --max-eni 2",
    "vpcipam settings aws-node.yaml --type m4.large --all",
    "vpcipam plan m5.large --pods 5 --set ENABLE_IPv4=false --set ENABLE_IPv6=true --set ENABLE_PREFIX_DELEGATION=true",
    "vpcipam plan m4.large --pods 500 --set WARM_IP_TARGET=3 --max-pods 110",
    "vpcipam plan m5.large t3.nano --pods 0 --nodes 2",
    "vpcipam plan m5.large --pods 30 --branch-pods 30 --set ENABLE_POD_ENI=true",
    "vpcipam size m5.large --nodes 9 --pods 20 --subnets /24,/25,/26",
    "vpcipam simulate examples/scenarios/three-zones.toml --quiet",
    "vpcipam help",
    *(f"vpcipam inspect examples/symptoms/{path.name}" for path in sorted((REPOSITORY / "examples" / "symptoms").iterdir())),
    "vpcipam inspect examples/present examples/node",
    "vpcipam verify examples/symptoms/restart/ipamd.log",
]
ELSEWHERE = {"sweep", "tune", "serve", "agent"}
"""test_outputs.py, test_serve_command.py and tests/agent/test_processes.py check their documents, of shorter runs."""
EXAMPLES = [
    example
    for name in sorted({*COMMANDS} - ELSEWHERE)
    for example in app.get_command(click.Context(app), name).examples
    if not any(word in example for word in ("--csv", "--plot", "--ec2"))
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files that the examples name."""
    path = tmp_path_factory.mktemp("examples")
    shutil.copytree(REPOSITORY / "examples", path / "examples")
    shutil.copy(REPOSITORY / "examples" / "aws-node.yaml", path)
    return path


def objects(document):
    """Every object in a document."""
    if isinstance(document, dict):
        yield document
    if isinstance(document, dict | list):
        for each in document.values() if isinstance(document, dict) else document:
            yield from objects(each)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_valid_and_describes_every_member(name):
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for each in objects(schema):
        for member, value in (each["properties"] if isinstance(each.get("properties"), dict) else {}).items():
            assert value.get("description"), f"{name}: {member} has no description"
        if "properties" in each and each.get("type") == "object":
            assert each["additionalProperties"] is False


def test_every_command_has_a_schema_and_the_page_lists_it():
    assert {"plan" if name.startswith("plan") else name for name in SCHEMAS} == {*COMMANDS}
    page = (REPOSITORY / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    assert all(f"(../schemas/{name}.json)" in page for name in SCHEMAS)


@pytest.mark.parametrize("example", [*EXAMPLES, *MORE])
def test_the_json_of_examples_obeys_its_schema(cli, folder, monkeypatch, schema_errors, example):
    monkeypatch.chdir(folder)
    _, *arguments = shlex.split(example.rpartition("| ")[2].partition(" >")[0])
    stdin = "" if "|" not in example else (folder / ("examples/ipamd.log" if "ipamd.log" in example else "aws-node.yaml")).read_bytes()
    answer = cli(*arguments, *([] if "--json" in arguments else ["--json"]), stdin=stdin)
    assert schema_errors(arguments, json.loads(answer.out)) == []


def changed(document, change):
    other = copy.deepcopy(document)
    change(other)
    return other


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan.update(unknown=1),
        lambda plan: plan.pop("pods"),
        lambda plan: plan.update(pods="20"),
        lambda plan: plan.update(mode="secondary"),
        lambda plan: plan["enis"][0].update(unknown=1),
        lambda plan: plan["decisions"][0].pop("reason"),
        lambda plan: plan.update(schema_version=2),
    ],
)
def test_a_schema_refuses_what_is_unknown_missing_or_of_another_type(cli, schema_errors, change):
    document = cli("plan", "m5.large", "--pods", "20", "--json").document
    assert schema_errors(["plan"], document) == []
    assert schema_errors(["plan"], changed(document, change))
