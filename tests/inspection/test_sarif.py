"""SARIF: the properties that SARIF 2.1.0 requires, in the types that it requires. The published schema itself accepts these documents."""

import json
import re
from urllib.parse import urlsplit

import attrs
import pytest
from clusters import Cluster, documents, evidence, pod_object

from vpcipam import __version__
from vpcipam.inspection import audit
from vpcipam.inspection.evidence import Evidence, Source
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.rules.catalogue import CATALOGUE
from vpcipam.inspection.sarif import SCHEMA, sarif_document
from vpcipam.sandbox import PodRef

LEVELS = {"none", "note", "warning", "error"}


def broken():
    """An audit of two nodes with findings, notes and unchecked rules."""
    cluster = Cluster.make("m5.large", "t3.small")
    for here in cluster.nodes:
        cluster.pod(here)
    made = documents(cluster)
    first, second = cluster.nodes
    made["pods"]["items"].append(pod_object(PodRef("default", "twin"), second.name, made["pods"]["items"][2]["status"]["podIP"]))
    enis = made[f"{first.name}/enis.json"]["0"]["ENIs"]
    next(iter(enis.values()))["DeviceNumber"] = 5
    del made[f"{second.name}/ipam.json"]
    return audit(evidence(made))


@pytest.fixture(scope="module")
def document():
    return json.loads(json.dumps(sarif_document(broken())))


def message(value):
    assert isinstance(value["text"], str)
    assert value["text"].endswith(".")
    return True


def test_a_log_has_a_version_and_one_run(document):
    assert document["version"] == "2.1.0"
    assert document["$schema"] == SCHEMA
    assert urlsplit(SCHEMA).scheme == "https"
    (run,) = document["runs"]
    assert set(run) == {"tool", "invocations", "results"}
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is True


def test_the_tool_has_all_rules_of_the_catalogue_in_their_order(document):
    driver = document["runs"][0]["tool"]["driver"]
    assert (driver["name"], driver["semanticVersion"]) == ("vpcipam", __version__)
    assert [rule["id"] for rule in driver["rules"]] == list(CATALOGUE)
    for rule in driver["rules"]:
        assert all(message(rule[name]) for name in ("shortDescription", "fullDescription", "help"))
        assert rule["defaultConfiguration"]["level"] in LEVELS
        assert rule["properties"]["page"].startswith("docs/")


def test_results_lead_to_their_rules_and_places(document):
    run = document["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    found = {result["ruleId"] for result in run["results"]}
    assert {"address-of-two-pods", "device-number-differs"} <= found
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in LEVELS
        assert message(result["message"])
        assert len(result["locations"]) == 1
        assert all(isinstance(each, str) for each in result["partialFingerprints"].values())
        for location in (*result["locations"], *result["relatedLocations"]):
            physical = location["physicalLocation"]
            assert re.fullmatch(r"[\w./%-]+", physical["artifactLocation"]["uri"])
            assert physical["region"]["startLine"] >= 1
            assert all(each["fullyQualifiedName"] for each in location["logicalLocations"])


def test_the_second_place_of_a_finding_is_related(document):
    (twice,) = (each for each in document["runs"][0]["results"] if each["ruleId"] == "address-of-two-pods")
    (other,) = twice["relatedLocations"]
    assert twice["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "pods.json"
    assert other["logicalLocations"][-1]["fullyQualifiedName"].startswith(".items[")


def test_what_was_not_checked_is_a_notification(document):
    run = document["runs"][0]
    notifications = run["invocations"][0]["toolConfigurationNotifications"]
    rules = run["tool"]["driver"]["rules"]
    assert {each["associatedRule"]["id"] for each in notifications} >= {"not-in-checkpoint", "unseen-addresses"}
    for each in notifications:
        assert rules[each["associatedRule"]["index"]]["id"] == each["associatedRule"]["id"]
        assert each["level"] in LEVELS
        assert message(each["message"])
    (lacking,) = (each for each in notifications if each["associatedRule"]["id"] == "not-in-checkpoint")
    assert "It needs ipamd's checkpoint of the node (/var/run/aws-node/ipam.json on the node)." in lacking["message"]["text"]


def test_a_finding_without_a_source_has_a_logical_place_only():
    found = attrs.evolve(
        audit(Evidence()),
        findings=(
            Finding("too-many-enis", Severity.FINDING, "card 0", "has 4 ENIs"),
            Finding("other-vpc", Severity.NOTE, "eni-1", "is in vpc-2", "look", "node 1", (Source("C:\\a b.json", 7),)),
        ),
    )
    first, second = sarif_document(found)["runs"][0]["results"]
    assert first["locations"] == [{"logicalLocations": [{"fullyQualifiedName": "card 0"}]}]
    assert second["message"]["text"] == "eni-1 (node node 1): is in vpc-2. Look."
    assert (second["level"], second["ruleIndex"]) == ("note", list(CATALOGUE).index("other-vpc"))
    assert second["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": "C%3A/a%20b.json"}, "region": {"startLine": 7}}


def test_nothing_read_gives_a_valid_log_too():
    (run,) = sarif_document(audit(Evidence()))["runs"]
    assert run["results"] == []
    assert len(run["invocations"][0]["toolConfigurationNotifications"]) == len(CATALOGUE)
