"""The answers of the calculator in the site: those of the library, and named errors."""

import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam import Settings, VpcIpamError, plan
from vpcipam.planner import NodeGroup, plan_cluster

sys.path.append(str(Path(__file__).parents[2] / "docs" / "calculator"))

import calculator

TYPES = ("t3.nano", "m5.large", "c5.4xlarge", "t2.large")
QUESTIONS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(TYPES),
        "pods": st.integers(0, 40),
        "nodes": st.integers(1, 9),
        "zones": st.integers(1, 4),
        "subnet": st.sampled_from(("/22", "/24", "/26", "/27", "/28")),
        "variables": st.fixed_dictionaries(
            {},
            optional={
                "ENABLE_PREFIX_DELEGATION": st.just("true"),
                "WARM_ENI_TARGET": st.integers(0, 3),
                "WARM_IP_TARGET": st.integers(0, 12),
                "MINIMUM_IP_TARGET": st.integers(0, 30),
                "WARM_PREFIX_TARGET": st.integers(0, 2),
            },
        ),
    }
)


def ask(function, question):
    return json.loads(function(json.dumps(question)))


@given(QUESTIONS)
def test_the_answer_is_that_of_the_library(question):
    settings = Settings().with_variables({name: str(value) for name, value in question["variables"].items()})
    found = ask(calculator.answer, question)
    if "error" in found:
        with pytest.raises(VpcIpamError) as refusal:
            plan(question["type"], question["pods"], settings)
        assert found["error"] == str(refusal.value)
        return
    node = plan(question["type"], question["pods"], settings)
    shown = found["node"]
    assert (shown["assigned"], shown["attached"], shown["free"], shown["subnet"]) == (
        node.pods_assigned,
        node.total_ips,
        node.available_ips,
        node.subnet_ips,
    )
    assert [eni["held"] for eni in shown["enis"]] == [eni.assigned_ips for eni in node.enis]
    group = NodeGroup(instance_type=question["type"], nodes=question["nodes"], pods=question["pods"], settings=settings)
    if "error" in found["cluster"]:
        with pytest.raises(VpcIpamError, match=re.escape(found["cluster"]["error"])):
            plan_cluster([group], question["subnet"], zones=question["zones"])
    else:
        cluster = plan_cluster([group], question["subnet"], zones=question["zones"])
        assert (found["cluster"]["subnets"], found["cluster"]["per_zone"]) == (cluster.subnets_total, cluster.subnets_per_zone)


@given(QUESTIONS)
def test_the_subnet_shows_where_the_addresses_of_its_nodes_are(question):
    found = ask(calculator.strip, question)
    if "error" in found:
        assert "error" in ask(calculator.answer, question)
        return
    node = ask(calculator.answer, question)["node"]
    blocks = found["blocks"]
    assert len(blocks) == 2 ** (28 - int(question["subnet"][1:]))
    assert found["nodes"] <= found["of"] == -(-question["nodes"] // question["zones"])
    assert sum(block["held"] for block in blocks) == found["nodes"] * node["assigned"]
    assert all(0 <= block["held"] <= block["taken"] <= 16 for block in blocks)
    assert sum(block["taken"] for block in blocks) == found["nodes"] * node["subnet"]
    assert sum(block["kind"] == "prefix" for block in blocks) == found["nodes"] * node["prefixes"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "m5.huge"}, "m5.8xlarge? the field lists the types"),
        ({"pods": -1}, "pods must be"),
        ({"variables": {"ENABLE_IPv4": "false"}}, "ENABLE_IPv4"),
    ],
)
def test_a_question_without_an_answer_is_refused_with_a_reason(change, said):
    question = {"type": "m5.large", "pods": 3, "nodes": 2, "zones": 1, "subnet": "/24", "variables": {}} | change
    assert said in ask(calculator.answer, question)["error"]


@pytest.mark.parametrize(("change", "said"), [({"subnet": "/16"}, "larger than /22"), ({"nodes": 41}, "more than 40 nodes")])
def test_what_takes_too_long_to_draw_is_not_drawn(change, said):
    question = {"type": "m5.large", "pods": 3, "nodes": 2, "zones": 1, "subnet": "/24", "variables": {}} | change
    assert said in ask(calculator.strip, question)["error"]


def test_decisions_are_told_in_the_words_of_the_command():
    question = {"type": "m5.large", "pods": 17, "nodes": 2, "zones": 1, "subnet": "/24", "variables": {"ENABLE_PREFIX_DELEGATION": "true"}}
    told = [each["what"] for each in ask(calculator.answer, question)["node"]["decisions"]]
    assert told == ["find an ENI", "add 1 prefix", "add 1 prefix", "add 1 prefix"]


def test_all_types_can_be_chosen():
    assert {"m5.large", "p5.48xlarge"} <= set(json.loads(calculator.types()))
