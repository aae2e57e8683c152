"""Counters of ipamd that contradict themselves."""

import json
import random
import re

import pytest
from clusters import Cluster, documents, evidence, random_cluster
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcipam.inspection import audit
from vpcipam.inspection.finding import Severity

IDS = ("counters-contradict", "metrics-contradict", "counters-apart")


def some_node(pods=3):
    made = Cluster.make("m5.large")
    for _ in range(pods):
        made.pod(made.nodes[0])
    made.wait(10)
    return documents(made)


def told(made, only=None):
    return [each for each in audit(evidence(made, only)).findings if each.rule in IDS]


def named(made, ending, number=0):
    return sorted(name for name in made if name.endswith(ending))[number]


def with_metric(made, metric, value, number=0):
    name = named(made, "metrics.txt", number)
    text, count = re.subn(rf"^{metric} .*$", f"{metric} {value}", made[name], flags=re.MULTILINE)
    assert count == 1
    return made | {name: text}


def test_a_total_that_is_not_the_sum():
    made = some_node()
    made[named(made, "enis.json")]["0"]["TotalIPs"] = 16
    (answer,) = told(made)
    assert (answer.rule, answer.severity, answer.where) == ("counters-contradict", Severity.FINDING, "card 0")
    assert answer.message == "has TotalIPs 16, but the ENIs beside it have 18 addresses"


def test_an_assigned_count_that_is_not_the_sum():
    made = some_node()
    made[named(made, "enis.json")]["0"]["AssignedIPs"] = 4
    (answer,) = told(made)
    assert answer.message == "has AssignedIPs 4, but the ENIs beside it have 3 addresses that pods hold"


def test_cidrs_of_the_other_mode_and_excluded_enis_may_count_or_not():
    made = some_node()
    datastore = made[named(made, "enis.json")]["0"]
    first, second = datastore["ENIs"].values()
    first["AvailableIPv4Cidrs"]["10.0.9.0/28"] = {"IPAddresses": {}, "IsPrefix": True}
    for total in (18, 34):
        datastore["TotalIPs"] = total
        assert told(made) == []
    second["IsExcludedForPodIPs"] = True
    datastore["TotalIPs"] = 34 - len(second["AvailableIPv4Cidrs"])
    assert told(made) == []
    datastore["TotalIPs"] = 35
    assert len(told(made)) == 1


def test_old_answers_have_no_cards():
    made = some_node()
    name = named(made, "enis.json")
    datastore = made[name]["0"]
    datastore["TotalIPs"] = 5
    made[name] = datastore
    (answer,) = told(made)
    assert answer.where == answer.node


def test_partial_answers_are_left_out():
    made = some_node()
    name = named(made, "enis.json")
    made[name]["0"]["TotalIPs"] = 90
    whole = json.dumps(made[name])
    assert told(made | {name: whole})
    assert told(made | {name: whole[:-400]}) == []
    first = next(iter(made[name]["0"]["ENIs"].values()))
    first["AvailableIPv4Cidrs"]["10.X.X.192/28"] = {"IPAddresses": {}, "IsPrefix": True}
    assert told(made) == []


def test_ipv6_and_missing_counts_are_left_out():
    made = some_node()
    datastore = made[named(made, "enis.json")]["0"]
    datastore["TotalIPs"] = None
    datastore["AssignedIPs"] = None
    assert told(made) == []
    datastore["TotalIPs"] = 7
    first = next(iter(datastore["ENIs"].values()))
    first["IPv6Cidrs"]["2001:db8::/80"] = {"IPAddresses": {}, "IsPrefix": True}
    assert told(made) == []


@pytest.mark.parametrize("total", [-9, 2])
def test_metrics_that_no_order_of_reads_explains(total):
    (answer,) = told(with_metric(some_node(), "awscni_total_ip_addresses", total))
    assert (answer.rule, answer.severity) == ("metrics-contradict", Severity.FINDING)
    assert f"has awscni_total_ip_addresses {total}, and awscni_assigned_ip_addresses 3: pods can't hold more" in answer.message


def test_a_negative_total_alone():
    made = some_node()
    name = named(made, "metrics.txt")
    assert "has awscni_total_ip_addresses -1: pods" in told(made | {name: "awscni_total_ip_addresses -1\n"})[0].message
    assert told(made | {name: "awscni_assigned_ip_addresses 7\n"}) == []


def test_reads_at_different_instants_are_no_fault():
    made = with_metric(some_node(), "awscni_total_ip_addresses", 27)
    assert told(made) == []
    (answer,) = told(with_metric(made, "awscni_force_removed_ips", 2))
    assert (answer.rule, answer.severity) == ("counters-apart", Severity.NOTE)
    assert "has awscni_total_ip_addresses 27, and 18 in /v1/enis" in answer.message
    assert "lost 2 ENIs or addresses in use" in answer.message


def check_broken(seed):
    chance = random.Random(seed)
    made = documents(random_cluster(seed, steps=8))
    number = chance.randrange(len([name for name in made if name.endswith("enis.json")]))
    datastore = made[named(made, "enis.json", number)]["0"]
    wrong = chance.choice(("TotalIPs", "AssignedIPs", "metrics"))
    if wrong == "metrics":
        made = with_metric(made, "awscni_total_ip_addresses", datastore["AssignedIPs"] - chance.randint(1, 40), number)
    else:
        datastore[wrong] = chance.choice([count for count in range(datastore[wrong] + 40) if count != datastore[wrong]])
    rule = "metrics-contradict" if wrong == "metrics" else "counters-contradict"
    assert [each.rule for each in audit(evidence(made)).faults] == [rule], seed


@given(st.integers(0, 2**32))
@settings(max_examples=max(6, settings.default.max_examples // 4))
def test_a_wrong_count_is_found_and_nothing_else(seed):
    check_broken(seed)


@pytest.mark.nightly
def test_thousands_of_wrong_counts():
    for seed in range(3_000):
        check_broken(seed)
