"""What ipamd's log tells of troubles, as findings."""

import io
import json

import pytest
from log_texts import CHECKPOINT, COOLING, CORDONED, NO_ADDRESS, NO_ROOM, TROUBLES, LogWriter, refused

from vpcipam.inspection import read_files
from vpcipam.inspection.audit import audit
from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.finding import Severity
from vpcipam.inspection.rules.logs import RULES, check_variables

LATEST = (1, 21, 2)


def findings(*messages, name="node/ipamd.log"):
    log = LogWriter(LATEST)
    for message in messages:
        log.raw(message)
        log.wait(1_000)
    return audit(read_files([(name, io.BytesIO(log.data))])).findings


def test_each_rule_about_logs_has_a_line_here():
    assert TROUBLES.keys() == {rule_id for rule in RULES for rule_id in rule.ids} - {"log-other-variables"}


@pytest.mark.parametrize(("rule", "messages"), TROUBLES.items())
def test_a_line_gives_its_finding_and_no_other(rule, messages):
    (finding,) = findings(*messages)
    assert (finding.rule, finding.where) == (rule, "ipamd.log")
    assert finding.sources[0].line == len(messages)
    assert "{" not in str(finding)


def test_a_log_without_trouble_gives_no_finding_and_counts_as_checked():
    log = LogWriter(LATEST)
    log.start(["10.0.0.5/32"])
    log.assign("c1", "10.0.0.5")
    found = audit(read_files([("ipamd.log", io.BytesIO(log.data))]))
    assert found.findings == ()
    assert {*TROUBLES} <= found.checked
    assert not audit(read_files([("x", io.BytesIO(b'{"Subnets": []}'))])).checked & {*TROUBLES}


def test_the_times_of_a_trouble_are_told():
    (finding,) = findings(CHECKPOINT, CHECKPOINT)
    assert finding.message == "the checkpoint could not be written: no space left (2 times, 2025-01-01 00:00:00 to 2025-01-01 00:00:01)"
    (finding,) = findings(CHECKPOINT)
    assert finding.message.endswith("(1 time, 2025-01-01 00:00:00)")
    log = LogWriter(LATEST)
    log.raw(CHECKPOINT)
    (finding,) = audit(read_files([("x", io.BytesIO(log.data.replace(b'"2025', b'"')))])).findings
    assert finding.message.endswith("(1 time)")


@pytest.mark.parametrize(
    ("messages", "cause", "suggestion"),
    [
        ((), "had no free address for a pod; it doesn't tell why", "give the files of the node too"),
        ((NO_ROOM,), "the node has all ENIs that it can have", "lower max-pods"),
        ((NO_ROOM, COOLING), "of 18 addresses, 16 are assigned, 2 cool down; all free ones were cooling", "raise WARM_IP_TARGET"),
        ((CORDONED, COOLING), "the node is cordoned", "uncordon the node"),
        (
            (refused("UnauthorizedOperation"), CORDONED),
            "ipamd may not call EC2 (UnauthorizedOperation, 1 ×)",
            "attach AmazonEKS_CNI_Policy",
        ),
        ((refused("InsufficientCidrBlocks"),) * 2, "no subnet has a free /28 (InsufficientCidrBlocks, 2 ×)", "reserve a range"),
        (
            (refused("InvalidParameterValue", "no sufficient free Ipv4 addresses or prefixes"),),
            "the subnet is full, or has no free /28 for prefixes",
            "free addresses, or add a subnet (kubernetes.io/role/cni=1); with prefix delegation, reserve a range",
        ),
        ((refused("InvalidParameterValue", "no sufficient free addresses"),), "the subnet is full", "free addresses"),
        ((refused("InvalidParameterValue", "something else"),), "EC2 refuses its calls", "look the code up"),
        (
            (refused("InsufficientFreeAddressesInSubnet"), refused("RequestLimitExceeded")),
            "EC2 throttles its calls",
            "the node tries again",
        ),
        ((refused("InsufficientFreeAddressesInSubnet"), CHECKPOINT), "the checkpoint can't be written", "free space"),
    ],
)
def test_a_pod_without_an_address_has_one_cause(messages, cause, suggestion):
    found = next(each for each in findings(*messages, NO_ADDRESS) if each.rule == "log-no-address")
    assert found.message.startswith("had no free address for a pod")
    assert cause in found.message
    assert found.suggestion.startswith(suggestion)


def test_what_comes_after_the_last_pod_without_an_address_is_no_cause():
    found = next(each for each in findings(NO_ADDRESS, CORDONED) if each.rule == "log-no-address")
    assert "it doesn't tell why" in found.message


POOL = "IP stats for Network Card 0 - total IPs: 18, assigned IPs: {}, cooldown IPs: 2"


def test_a_trouble_that_is_over_at_the_end_of_the_log_is_a_note():
    failed = "Initialization failure: no credentials"
    finding, cooling = findings(NO_ADDRESS, POOL.format(16))
    assert (finding.rule, finding.severity, cooling.rule) == ("log-no-address", Severity.FINDING, "log-all-free-cool")
    (note,) = (each for each in findings(NO_ADDRESS, POOL.format(15)) if each.rule == "log-no-address")
    assert note.severity is Severity.NOTE
    assert "; later, on card 0 of 18 addresses, 15 are assigned, 2 cool down (" in note.message
    (finding,) = findings(POOL.format(15), NO_ADDRESS)
    assert finding.severity is Severity.FINDING
    (note,) = findings(failed, failed, POOL.format(15))
    assert (note.rule, note.severity) == ("log-start-failed", Severity.NOTE)
    assert note.message.startswith("ipamd could not start: no credentials; it started later (2 times")


def test_an_old_release_does_not_say_why_it_could_not_start():
    (finding,) = findings("Initialization failure")
    assert (finding.rule, finding.severity) == ("log-start-failed", Severity.FINDING)
    assert finding.message.startswith("ipamd could not start (1 time")


def test_errors_that_pass_are_notes():
    severities = {code: findings(refused(code))[0].severity for code in ("RequestLimitExceeded", "AttachmentLimitExceeded", "NewCode")}
    assert severities == {"RequestLimitExceeded": Severity.NOTE, "AttachmentLimitExceeded": Severity.FINDING, "NewCode": Severity.FINDING}


# --- variables ---------------------------------------------------------------------------------------------------------------


def of_variables(messages, env):
    """What is said of a log beside a DaemonSet."""
    log = LogWriter(LATEST)
    for message in messages:
        log.start() if message == "start" else log.raw(message)
    made = {"kind": "DaemonSet", "apiVersion": "apps/v1", "metadata": {"name": "aws-node"}}
    container = {"name": "aws-node", "env": [{"name": name, "value": value} for name, value in env.items()]}
    made["spec"] = {"template": {"spec": {"containers": [container]}}}
    files = [("node/ipamd.log", io.BytesIO(log.data)), ("ds.json", io.BytesIO(json.dumps(made).encode()))]
    return [each for each in audit(read_files(files)).findings if each.rule == "log-other-variables"]


def test_variables_of_the_last_start_are_held_against_the_daemonset():
    lines = ["Using WARM_IP_TARGET 5", "start", "Using WARM_IP_TARGET 3", "Prefix Delegation enabled true", "Subnet discovery enabled true"]
    env = {"WARM_IP_TARGET": "3", "ENABLE_PREFIX_DELEGATION": "true"}
    assert of_variables(lines, env) == []
    (found,) = of_variables(lines, env | {"WARM_IP_TARGET": "4"})
    assert found.message == "ran with WARM_IP_TARGET 3 at its last start by its log, and has 4 now"
    assert (found.severity, found.where, len(found.sources)) == (Severity.NOTE, "ipamd.log", 2)
    (found,) = of_variables(lines, env | {"ENABLE_PREFIX_DELEGATION": "false"})
    assert found.message.startswith("ran with ENABLE_PREFIX_DELEGATION true")
    (found,) = of_variables(lines, {"ENABLE_PREFIX_DELEGATION": "true"})
    assert found.message.startswith("ran with WARM_IP_TARGET 3")


@pytest.mark.parametrize(
    ("message", "variable", "old"),
    [
        ("Using MAX_ENI 3", "MAX_ENI", "3"),
        ("IP 10.0.0.5 entering cooldown period of 1m0s (available after 2025-01-01T00:00:30Z)", "IP_COOLDOWN_PERIOD", "60"),
        ("Using WARM_ENI_TARGET 2", "WARM_ENI_TARGET", "2"),
        ("Using MINIMUM_IP_TARGET 9", "MINIMUM_IP_TARGET", "9"),
        ("Using WARM_PREFIX_TARGET 2", "WARM_PREFIX_TARGET", "2"),
        ("Custom networking enabled true", "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG", "true"),
        ("Subnet discovery enabled false", "ENABLE_SUBNET_DISCOVERY", "false"),
    ],
)
def test_each_variable_that_the_log_names_is_held_against_the_daemonset(message, variable, old):
    assert of_variables(["start", message, message], {variable: old}) == []
    (found,) = of_variables(["start", message], {})
    assert found.message.startswith(f"ran with {variable} {old} at its last start by its log, and has ")
    assert of_variables([message, "start"], {}) == []


@pytest.mark.parametrize("message", ["max prefix 3 max ips 4", "IP 10.0.0.5 entering cooldown period of 0.5s (available after x)"])
def test_other_lines_name_no_variable(message):
    assert of_variables(["start", message], {}) == []


def test_a_variable_that_the_log_does_not_name_proves_nothing():
    assert of_variables(["start"], {"WARM_IP_TARGET": "3"}) == []
    assert of_variables(["Using WARM_IP_TARGET 5", "start"], {"WARM_IP_TARGET": "3"}) == []


def test_variables_are_no_troubles():
    assert findings("Using WARM_IP_TARGET 5") == ()
    assert list(check_variables(NodeCase(name="n"))) == []
