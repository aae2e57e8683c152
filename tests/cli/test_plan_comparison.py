"""`vpcipam plan` with several types or variants: one table."""

import json

from vpcipam.planner import compare_plans

TARGETS = "WARM_IP_TARGET=5,MINIMUM_IP_TARGET=20"
VARIABLES = {"WARM_IP_TARGET": "5", "MINIMUM_IP_TARGET": "20"}


def test_json_has_a_list_of_plans(cli):
    document = cli("plan", "m5.large", "m5.xlarge", "--pods=20", "--variant", TARGETS, "--nodes=3", "--sort=free", "--json").document
    expected = compare_plans(["m5.large", "m5.xlarge"], 20, [{}, VARIABLES], sort="free", nodes=3)
    assert document == json.loads(json.dumps({"schema_version": 1, "plans": [each.to_dict() for each in expected]}))
    assert len(cli("plan", "m5.large", "--pods=20", "--variant", TARGETS, "--json").document["plans"]) == 2


def test_the_table_has_a_line_for_each_type_and_variant(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    text = [
        " ".join(line.split())
        for line in cli("plan", "m5.large", "m5.xlarge", "--pods=20", "--variant", TARGETS, "--nodes=3").out.splitlines()
    ]
    assert text[0] == "20 pods on each node"
    assert "m5.large as given 3 27 7 30 90 27 29 29 29 0.50 0" in text
    assert "m5.xlarge variant 1 2 25 5 27 81 56 58 58 58 0.35 0" in text
    assert "variant 1: WARM_IP_TARGET=5, MINIMUM_IP_TARGET=20" in text
    alone = [" ".join(line.split()) for line in cli("plan", "m5.large", "m5.xlarge", "--pods=0").out.splitlines()]
    assert "m5.large 1 9 9 10 27 29 29 29 - 0" in alone


def test_a_pattern_stands_for_the_types_that_it_matches(cli):
    found = cli("plan", "m5.?xlarge", "m5.large", "m5.2xlarge", "--pods=60", "--sort=waste", "--json").document["plans"]
    assert [each["instance_type"] for each in found][-1] == "m5.large"
    assert sorted(each["instance_type"] for each in found) == ["m5.2xlarge", "m5.4xlarge", "m5.8xlarge", "m5.large"]
    assert cli("plan", "m5.lar*", "--pods=1", "--json").document["instance_type"] == "m5.large"
    assert "no instance type matches 'zz*'" in cli("plan", "zz*", "--pods=1").refusal


def test_warnings_and_findings_are_those_of_all_plans(cli):
    answer = cli("plan", "m5.large", "t3.small", "--pods=20", "--fail-if-waiting", "--variant=WARM_ENI_TARGET=x")
    assert answer.code == 1
    assert "warning: WARM_ENI_TARGET: 'x' can't be used" in answer.err
    assert "would wait on each t3.small node" in answer.err
    assert cli("plan", "m5.large", "m5.xlarge", "--pods=20", "--fail-if-waiting").code == 0
    assert "did you mean WARM_IP_TARGET" in cli("plan", "m5.large", "--pods=1", "--variant=WARM_IPTARGET=1").refusal
