"""Subnets without a free /28 despite free addresses."""

import random

import pytest
from clusters import Cluster, documents, evidence
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.inspection import audit
from vpcipam.inspection.finding import Severity

PREFIXES = {"ENABLE_PREFIX_DELEGATION": "true"}
RULE = "no-free-prefix"


def broken(seed=0, *, cidr="10.0.0.0/24", variables=PREFIXES, spared=()):
    """A node with prefixes in a subnet in which each other /28 has an address or two."""
    chance = random.Random(seed)
    made = Cluster.make("m5.large", variables=variables, cidr=cidr)
    made.wait(5)
    size = 1 << (32 - int(cidr.rpartition("/")[2]))
    taken = {
        block
        for text in made.nodes[0].datastore.cidrs(made.nodes[0].datastore.eni_ids[0])
        for block in (int(text.split(".")[3][:-3]) // 16,)
    }
    for block in range(1, size // 16 - 1):
        if block in taken or block in spared:
            continue
        for offset in chance.sample(range(16), chance.randint(1, 2)):
            made.model.create_network_interface(subnet_id=made.subnet_id, private_ip=f"10.0.0.{block * 16 + offset}", now_ns=made.now_ns)
    return made


def told(made):
    return [each for each in audit(evidence(made)).findings if each.rule == RULE]


def test_each_block_has_a_taken_address():
    made = broken()
    (answer,) = told(documents(made))
    assert (answer.severity, answer.where) == (Severity.FINDING, made.subnet_id)
    assert " free addresses and no free /28; its largest free block is a /29. 10.0.0." in answer.message
    assert " has the fewest taken addresses, " in answer.message
    assert f"aws ec2 create-subnet-cidr-reservation --subnet-id {made.subnet_id} --cidr 10.0.0." in answer.suggestion
    assert answer.suggestion.count("--reservation-type prefix") == 1
    assert [source.file for source in answer.sources] == ["subnets.json"]


def test_a_free_block_is_enough():
    assert told(documents(broken(spared=(9,)))) == []


def test_enis_of_another_subnet_take_nothing():
    made = broken(spared=(9,))
    other = made.model.create_subnet(made.vpc_id, "10.0.8.0/24", availability_zone="us-east-1b").subnet_id
    made.model.create_network_interface(subnet_id=other, now_ns=made.now_ns)
    assert told(documents(made)) == []
    assert RULE in audit(evidence(documents(made))).checked


def test_secondary_ips_need_no_block():
    assert told(documents(broken(variables={}))) == []


def test_few_free_addresses_are_another_matter():
    made = broken(cidr="10.0.0.0/26")
    made.model.create_network_interface(subnet_id=made.subnet_id, secondary_ip_count=9, now_ns=made.now_ns)
    made.model.create_network_interface(subnet_id=made.subnet_id, secondary_ip_count=9, now_ns=made.now_ns)
    made.model.create_network_interface(subnet_id=made.subnet_id, secondary_ip_count=9, now_ns=made.now_ns)
    assert made.model.subnets[0].available_ip_address_count < 16
    assert told(documents(made)) == []


def test_a_reservation_for_prefixes_is_room_and_another_is_not():
    made = broken(spared=(9,))
    made.model.create_subnet_cidr_reservation(made.subnet_id, "10.0.0.144/28", reservation_type="prefix", now_ns=made.now_ns)
    assert told(documents(made)) == []
    made = broken(spared=(9,))
    made.model.create_subnet_cidr_reservation(made.subnet_id, "10.0.0.144/28", reservation_type="explicit", now_ns=made.now_ns)
    assert len(told(documents(made))) == 1


def test_nothing_that_can_be_reserved():
    made = broken()
    made.model.create_subnet_cidr_reservation(made.subnet_id, "10.0.0.0/24", reservation_type="explicit", now_ns=made.now_ns)
    made = broken(cidr="10.0.0.0/27", variables=PREFIXES)
    (answer,) = told(documents(made))
    assert answer.message == "has 26 free addresses and no free /28; its largest free block is a /29"
    assert answer.suggestion == "no /28 of it can be reserved: use a larger subnet, tagged kubernetes.io/role/cni=1"


@pytest.mark.parametrize("change", ["count", "cidr", "enis", "reservations"])
def test_without_all_enis_and_reservations_it_is_not_checked(change):
    made = broken(spared=(9,))
    made.model.create_subnet_cidr_reservation(made.subnet_id, "10.0.0.144/28", reservation_type="explicit", now_ns=made.now_ns)
    changed = documents(made)
    assert RULE in audit(evidence(changed)).checked
    if change == "count":
        changed["subnets"]["Subnets"][0]["AvailableIpAddressCount"] += 1
    elif change == "cidr":
        changed["subnets"]["Subnets"][0]["CidrBlock"] = "10.0.0.0/99"
    elif change == "enis":
        changed["network-interfaces"]["NetworkInterfaces"].pop()
    else:
        changed["reservations"]["SubnetIpv4CidrReservations"] = []
    answer = audit(evidence(changed))
    assert RULE not in answer.checked
    (missing,) = (each.missing for each in answer.unchecked if each.rule == RULE)
    assert "CIDR reservations" in missing[0].what


def check_broken(seed):
    """The rule fires for the subnet, and what the node can't do for that reason is told too; nothing else."""
    made = broken(seed)
    assert {each.rule for each in audit(evidence(documents(made))).faults} == {RULE, "no-room-for-prefix"}, seed
    made = broken(seed, spared=(random.Random(seed).randint(2, 14),))
    assert audit(evidence(documents(made))).faults == (), seed


@given(st.integers(0, 2**32))
def test_the_last_free_block_decides(seed):
    check_broken(seed)


@pytest.mark.nightly
def test_thousands_of_subnets_without_a_block():
    for seed in range(1_500):
        check_broken(seed)
