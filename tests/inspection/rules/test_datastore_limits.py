"""More in ipamd's datastore than the instance type takes."""

import random

import pytest
from clusters import Cluster, documents, evidence, random_cluster
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcipam.inspection import audit
from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.rules import reconciliation
from vpcipam.inspection.rules.datastore_limits import check_datastore

# What ipamd has beyond the limits, EC2 doesn't have, so these rules fire too.
COMPANIONS = {rule_id for rule in reconciliation.RULES for rule_id in rule.ids}


def faults(made, only=None):
    return [each for each in audit(evidence(made, only)).faults if each.rule not in COMPANIONS]


def enis_of(made, number=0):
    name = sorted(name for name in made if name.endswith("enis.json"))[number]
    return made[name]["0"]


def add_eni(datastore, limit):
    """Let a datastore have one ENI more than its type takes."""
    for number in range(len(datastore["ENIs"]), limit + 1):
        datastore["ENIs"][f"eni-more{number}"] = {
            "ID": f"eni-more{number}",
            "IsPrimary": False,
            "IsTrunk": False,
            "IsEFA": False,
            "DeviceNumber": 50 + number,
            "AvailableIPv4Cidrs": {},
            "IPv6Cidrs": {},
            "IsExcludedForPodIPs": False,
            "RouteTableID": 51 + number,
            "SubnetID": "subnet-1",
        }


def test_more_enis_than_the_type_takes():
    made = documents(Cluster.make("m5.large"))
    add_eni(enis_of(made), 3)
    (answer,) = faults(made)
    assert (answer.rule, answer.where) == ("datastore-too-many-enis", "card 0")
    assert answer.message == "has 4 ENIs in ipamd's datastore, and a m5.large takes 3"


def test_a_card_that_the_type_does_not_have():
    made = documents(Cluster.make("m5.large"))
    name = next(name for name in made if name.endswith("enis.json"))
    made[name]["1"] = {"TotalIPs": 0, "AssignedIPs": 0, "ENIs": {}}
    add_eni(made[name]["1"], 0)
    (answer,) = faults(made)
    assert (answer.rule, answer.where) == ("datastore-too-many-enis", "card 1")


def add_slots(datastore, limit):
    eni_id, eni = next(iter(datastore["ENIs"].items()))
    prefixes = any(each["IsPrefix"] for each in eni["AvailableIPv4Cidrs"].values())
    for number in range(limit + 1 - len(eni["AvailableIPv4Cidrs"])):
        text = f"10.0.200.{number * 16}/28" if prefixes else f"10.0.200.{number}/32"
        eni["AvailableIPv4Cidrs"][text] = {"IPAddresses": {}, "IsPrefix": prefixes}
        datastore["TotalIPs"] += 16 if prefixes else 1
    return eni_id


def test_more_slots_than_an_eni_has():
    made = documents(Cluster.make("m5.large"))
    eni_id = add_slots(enis_of(made), 9)
    (answer,) = faults(made)
    assert (answer.rule, answer.where) == ("datastore-too-many-slots", eni_id)
    assert answer.message == "has 10 addresses and prefixes in ipamd's datastore, and an ENI of a m5.large takes 9"


def test_without_limits_nothing_is_told():
    assert list(check_datastore(NodeCase(name="n"))) == []


def check_broken(seed, add, rule):
    chance = random.Random(seed)
    cluster = random_cluster(seed, steps=8)
    number = chance.randrange(len(cluster.nodes))
    made = documents(cluster)
    here = sorted(cluster.nodes, key=lambda each: each.name)[number]
    limits = here.node.limits
    add(enis_of(made, number), limits.eni_limit if add is add_eni else limits.slots_per_eni)
    if not here.node.started:
        return
    assert [(each.rule, each.node) for each in faults(made)] == [(rule, here.name)], seed


@given(st.integers(0, 2**32))
@settings(max_examples=max(6, settings.default.max_examples // 4))
def test_one_eni_too_many_is_found_and_nothing_else(seed):
    check_broken(seed, add_eni, "datastore-too-many-enis")


@given(st.integers(0, 2**32))
@settings(max_examples=max(6, settings.default.max_examples // 4))
def test_one_slot_too_many_is_found_and_nothing_else(seed):
    check_broken(seed, add_slots, "datastore-too-many-slots")


@pytest.mark.nightly
def test_thousands_of_datastores_beyond_the_limits():
    for seed in range(2_000):
        check_broken(seed, add_eni, "datastore-too-many-enis")
        check_broken(seed, add_slots, "datastore-too-many-slots")
