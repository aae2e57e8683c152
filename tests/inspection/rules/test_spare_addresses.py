"""The note about a subnet whose addresses nodes mostly keep for pods to come."""

import pytest
from clusters import Cluster, documents, evidence

from vpcipam.inspection import audit


def many_nodes(count=10, variables=None, cidr="10.0.0.0/24", instance_type="m5.large"):
    made = Cluster.make(*[instance_type] * count, variables=variables, cidr=cidr)
    for here in made.nodes:
        made.pod(here)
    made.wait(30)
    return made


def notes(made, **options):
    return [each for each in audit(evidence(documents(made), **options)).findings if each.rule == "subnet-mostly-spare"]


def test_a_subnet_that_warm_enis_fill():
    made = many_nodes()
    (note,) = notes(made)
    assert note.where == made.subnet_id
    assert note.message == "has 51 of 251 addresses free: 10 nodes keep 170 for pods to come, beside 10 that pods hold"
    plan = "vpcipam plan m5.large --pods 1 --set WARM_IP_TARGET=2 --set MINIMUM_IP_TARGET=3"
    assert note.suggestion == f"set WARM_IP_TARGET and MINIMUM_IP_TARGET: `{plan}` shows what a node then keeps"
    assert notes(made, only=("instances", "network-interfaces", "subnets", "daemonset", "pods")) == [note]


@pytest.mark.parametrize("options", [{"count": 9}, {"cidr": "10.0.0.0/22"}, {"count": 40, "variables": {"WARM_IP_TARGET": "2"}}])
def test_a_subnet_with_room_or_mostly_with_pods_is_no_note(options):
    assert notes(many_nodes(**options)) == []


def test_the_most_frequent_type_is_planned():
    made = Cluster.make(*["m5.large"] * 9, "t3.medium", cidr="10.0.0.0/24")
    for here in made.nodes:
        made.pod(here)
    made.wait(30)
    while made.model.subnets[0].available_ip_address_count > 50:
        made.model.create_network_interface(subnet_id=made.subnet_id, now_ns=made.now_ns)
    (note,) = notes(made)
    assert "plan m5.large --pods 1 " in note.suggestion


def test_what_is_kept_by_an_address_target_is_said_otherwise():
    (note,) = notes(many_nodes(variables={"WARM_IP_TARGET": "18"}))
    assert note.suggestion == "lower WARM_IP_TARGET, which is 18"


def test_prefixes_count_16_each():
    (note,) = notes(many_nodes(6, {"ENABLE_PREFIX_DELEGATION": "true"}, instance_type="t3.small"))
    assert "6 nodes keep 186 for pods to come, beside 6 that pods hold" in note.message
    assert "--set ENABLE_PREFIX_DELEGATION=true" in note.suggestion


def test_without_holders_or_with_a_subnet_that_is_unreadable_nothing_is_said():
    made = many_nodes()
    found = audit(evidence(documents(made), only=("instances", "network-interfaces", "subnets", "daemonset")))
    assert "subnet-mostly-spare" in {each.rule for each in found.unchecked}
    changed = documents(made)
    changed["subnets"]["Subnets"][0]["CidrBlock"] = "10.x.x.x/24"
    assert "subnet-mostly-spare" not in {each.rule for each in audit(evidence(changed)).findings}
    changed["subnets"]["Subnets"][0]["SubnetId"] = "subnet-other"
    assert "subnet-mostly-spare" not in {each.rule for each in audit(evidence(changed)).findings}
