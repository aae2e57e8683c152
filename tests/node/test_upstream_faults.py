"""Where upstream's nodes fall short (docs/ipamd.md, "Known faults"), fault by fault: each test would fail with its behaviour."""

import pytest

from vpcipam.journal.protocol import MemoryJournal
from vpcipam.limits import instance_limits
from vpcipam.sandbox import SandboxKey

S = 1_000_000_000
CUSTOM = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}
PREFIXES = {"ENABLE_PREFIX_DELEGATION": "true"}


# --- 14 ---


@pytest.mark.parametrize("variables", [{}, PREFIXES])
def test_fault_14_a_cidr_that_comes_back_within_60_s_keeps_its_pods(world, variables):
    here = world("m5.large", {"ENABLE_POD_ENI": "true", "WARM_IP_TARGET": "33"} | variables)
    cidrs = set(here.node.datastores[0].cidrs(here.eni_at(0)))
    here.change_settings({"WARM_IP_TARGET": "1"})
    here.run(5)
    gone = cidrs - set(here.node.datastores[0].cidrs(here.eni_at(0)))
    assert gone
    here.change_settings({"WARM_IP_TARGET": "33"})
    here.run(10)
    assert cidrs == set(here.node.datastores[0].cidrs(here.eni_at(0)))  # EC2 grants the same CIDRs again
    count = here.node.stats(here.now_ns).total_count
    held = here.pods(min(count, 20))
    assert any(assignment.cidr in gone for assignment in held)
    for _ in range(30):  # reconciles at every tick, since the trunk is expected
        assert not [action for action in here.run(here.now_ns // S + 5) if action.evicted]
    assert len({assignment.address for assignment in [*held, *here.assign("x", "y")]}) == len(held) + 2
    here.check_agreement()


# --- 15 ---


def switched_off(world, *pods):
    """A node whose prefix delegation was switched off while pods run on two prefixes; its journal has them."""
    journal = MemoryJournal()
    here = world("m5.large", PREFIXES | {"WARM_PREFIX_TARGET": "2"}, journals=[journal])
    here.assign(*pods)
    here.restart({"WARM_ENI_TARGET": "0"}, journals=[journal]).restore(here.now_ns)
    here.ec2.log.clear()
    return here


def test_fault_15_removing_a_pod_calls_no_ec2(world):
    here = switched_off(world, "a", "b")
    here.unassign("a", "b")
    assert here.ec2.log == []


def test_fault_15_a_prefix_stays_while_an_address_of_it_cools(world):
    here = switched_off(world, "a", "b")
    here.unassign("a", "b")
    (prefix,) = (cidr for cidr in here.node.datastores[0].cidrs(here.eni_at(0)) if cidr.endswith("/28"))
    assert "release-cidrs" not in {action.kind for action in here.run(25)}
    assert prefix in here.node.datastores[0].cidrs(here.eni_at(0))
    assert prefix in here.attached()[here.eni_at(0)].ipv4_prefixes
    here.run(65)
    assert prefix not in here.attached()[here.eni_at(0)].ipv4_prefixes
    here.check_agreement()


# --- 16 ---


@pytest.mark.parametrize(("variables", "attached"), [({}, {"ips": 2}), (PREFIXES, {"ips": 1}), ({}, {"prefixes": 1})])
def test_fault_16_under_custom_networking_no_pod_gets_an_address_of_the_primary_eni(world, variables, attached):
    here = world("m5.large", CUSTOM | variables, start=False)
    instance = here.model.launch_instance("m5.large", here.subnet_id, now_ns=0)
    (primary,) = instance.network_interfaces
    counts = {"secondary_ip_count": attached.get("ips", 0), "ipv4_prefix_count": attached.get("prefixes", 0)}
    here.model.assign_private_ip_addresses(primary.eni_id, **counts, now_ns=0)
    here.restart(CUSTOM | variables)
    here.node._loop.instance_id = instance.instance_id
    here.node.start(0)
    before = here.attached()[primary.eni_id]
    assert here.shape()[0] == 0
    assert {assignment.eni_id for assignment in here.pods(8)} == {here.eni_at(1)}
    here.run(300)
    here.model.assign_private_ip_addresses(primary.eni_id, secondary_ip_count=1, now_ns=0)  # while the node runs
    here.node.reconcile(here.now_ns)
    here.run(600)
    assert here.shape()[0] == 0
    assert set(before.secondary_ips) < set(here.attached()[primary.eni_id].secondary_ips)  # they stay on EC2
    here.check()


def test_fault_16_pods_from_before_custom_networking_keep_their_addresses(world):
    journal = MemoryJournal()
    here = world("m5.large", journals=[journal])
    (before,) = here.assign("a")
    here.restart(CUSTOM, journals=[journal]).restore(here.now_ns)
    assert here.node.datastores[0].assignment_of(SandboxKey("aws-cni", "a", "eth0")).address == before.address
    assert here.shape() == {0: 1, 1: 9}
    here.run(300)
    (after,) = here.unassign("a")
    assert after.address == before.address


# --- 18 ---


@pytest.mark.parametrize("instance_type", ["i7ie.48xlarge", "i7ie.metal-48xl", "i8ge.48xlarge", "i8ge.metal-48xl"])
def test_fault_18_the_table_has_the_enis_that_the_default_card_takes(world, instance_type):
    limits = instance_limits(instance_type)
    assert len(limits.network_cards) == 2
    assert limits.eni_limit == limits.network_cards[0]
    here = world(instance_type, {"WARM_ENI_TARGET": "30"}, cidr="10.0.16.0/20", max_pods=1000)
    here.run(600)
    assert len(here.attached()) == limits.eni_limit
    assert here.model.call_counts["CreateNetworkInterface"] == limits.eni_limit - 1
    assert "DeleteNetworkInterface" not in here.model.call_counts
