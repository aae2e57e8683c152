"""Issues that users of ipamd have reported, by number, and how this library's node behaves in the same situation."""

import attrs
import pytest

from vpcipam.errors import PoolExhausted

S = 1_000_000_000


# --- 1967, 3019: stale metadata frees an address that is in use ---------------------------------------------------------------


@pytest.mark.parametrize("prefixes", ["false", "true"])
def test_1967_a_pod_keeps_its_address_while_metadata_omits_it(world, prefixes):
    here = world("m5.large", {"ENABLE_PREFIX_DELEGATION": prefixes})
    (held,) = here.assign("a")
    here.settle()
    here.ec2.metadata = lambda enis: tuple(attrs.evolve(eni, secondary_ips=(), ipv4_prefixes=()) for eni in enis)
    here.ec2.log.clear()
    assert here.run(here.now_ns // S + 130) == []
    assert "DescribeNetworkInterfaces" in here.ec2.log
    assert here.assign("a") == [held]
    here.check_agreement()


def test_3019_pods_keep_their_eni_while_metadata_omits_it(world):
    here = world("t3.small")
    pods = here.pods(3)
    here.settle()
    pods += here.assign("x")
    assert pods[-1].device_number == 1
    here.settle()
    here.ec2.metadata = lambda enis: enis[:1]
    assert [action for action in here.run(here.now_ns // S + 130) if action.evicted] == []
    assert [here.node.datastores[0].key_of(pod.address) is not None for pod in pods] == [True] * 4
    here.check_agreement()


def test_3019_released_cidrs_that_metadata_still_shows_are_not_added_again(world, kinds):
    # Another node can have the address by now.
    here = world("t3.small", {"WARM_IP_TARGET": "3"})
    here.settle()
    stale = here.model.instance_metadata(here.node.instance_id, now_ns=0)
    here.change_settings({"WARM_IP_TARGET": "1"})
    actions = here.run(here.now_ns // S + 35)
    assert kinds(actions) == [("release-cidrs", True)]
    here.ec2.metadata = stale
    assert here.run(here.now_ns // S + 180) == []
    assert here.node.stats(here.now_ns).total_count == 1
    here.check_agreement()


# --- 1836, 2313, 3105: no /28 though many addresses are free ------------------------------------------------------------------


def fragmented(world, **arguments):
    """A node with prefixes in a /26 whose every /28 has one address in use, and three of four free."""
    here = world("m5.large", {"ENABLE_PREFIX_DELEGATION": "true"}, cidr="10.0.0.0/26", start=False, **arguments)
    eni = here.model.create_network_interface(subnet_id=here.subnet_id, now_ns=0)
    for last in (20, 36, 52):
        here.model.assign_private_ip_addresses(eni.eni_id, addresses=[f"10.0.0.{last}"], now_ns=0)
    return here, eni


def test_1836_a_fragmented_subnet_pauses_growth_and_the_refusal_is_reported(world, kinds):
    here, _ = fragmented(world)
    here.start()
    assert here.free() > 50
    more_slots, new_eni = here.started[-2:]
    assert "AssignPrivateIpAddresses: InsufficientCidrBlocks: 10.0.0.0/26 has 0 free aligned /28s" in more_slots.error
    assert "CreateNetworkInterface: InvalidParameterValue" in new_eni.error
    assert more_slots.out_of_addresses
    assert new_eni.out_of_addresses
    with pytest.raises(PoolExhausted):
        here.assign("a")
    assert here.run(115) == []
    assert kinds(here.run(120)) == kinds([more_slots, new_eni])
    here.check_agreement()


def test_2313_a_freed_28_is_assigned_after_the_pause(world):
    here, eni = fragmented(world)
    here.start()
    here.model.unassign_private_ip_addresses(eni.eni_id, addresses=["10.0.0.36"], now_ns=0)
    grown = here.run(120)
    assert [action.cidrs for action in grown] == [("10.0.0.32/28",)]
    assert grown[0].at_ns == 120 * S
    here.check_agreement()


def test_3105_subnet_discovery_creates_an_eni_in_a_subnet_with_free_28s(world):
    here, _ = fragmented(world)
    here.subnet("10.0.8.0/24", tags=(("kubernetes.io/role/cni", "1"),))
    here.start()
    here.settle()
    assert here.node.stats(here.now_ns).total_count == 16
    assert here.shape() == {0: 0, 1: 1}
    here.check_agreement()


# --- 1775: WARM_ENI_TARGET=0 attaches and frees the same ENI for ever -----------------------------------------------------------


def test_1775_a_warm_eni_target_of_0_flaps(world, kinds):
    here = world("t3.small", {"WARM_ENI_TARGET": "0"})
    here.pods(3)
    story = kinds(here.run(600))
    assert story.count(("create-eni", True)) > 3
    assert story.count(("free-eni", True)) > 3


def test_1775_a_warm_ip_target_of_1_does_not_flap(world, kinds):
    here = world("t3.small", {"WARM_ENI_TARGET": "0", "WARM_IP_TARGET": "1"})
    here.pods(1)
    here.run(120)
    story = []
    for name in ("x", "y", "z"):
        here.assign(name)
        story += kinds(here.run(here.now_ns // S + 10))
    story += kinds(here.run(900))
    assert story.count(("create-eni", True)) == 1
    assert story.count(("free-eni", True)) == 0


# --- 2650: MINIMUM_IP_TARGET alone wedges ---------------------------------------------------------------------------------------


def test_2650_with_minimum_ip_target_alone_a_full_pool_does_not_grow(world):
    here = world("t3.small", {"MINIMUM_IP_TARGET": "2"})
    here.assign("a", "b")
    assert here.run(600) == []
    with pytest.raises(PoolExhausted):
        here.assign("c")


def test_2650_with_a_warm_ip_target_as_well_a_full_pool_grows(world):
    here = world("t3.small", {"MINIMUM_IP_TARGET": "2", "WARM_IP_TARGET": "1"})
    here.assign("a", "b")
    here.run(30)
    assert here.assign("c")


# --- 1700, 2896: addresses that cool starve a pool -----------------------------------------------------------------------------


def churned(world, **arguments):
    """A node whose addresses all cool at second 100: three pods have just gone."""
    here = world("t3.small", {"WARM_IP_TARGET": "3", "IP_COOLDOWN_PERIOD": "300"}, **arguments)
    here.pods(3)
    here.run(100)
    pods = here.node.stats(here.now_ns).total_count
    assert pods == 6
    here.assign("p3", "p4", "p5")
    here.unassign(*(f"p{number}" for number in range(6)))
    return here


def test_2896_a_pool_starves_because_cooling_addresses_count_as_available(world):
    here = churned(world)
    here.run(300)
    stats = here.node.stats(here.now_ns)
    assert stats.available_count == stats.cooling_count >= 3
    with pytest.raises(PoolExhausted, match=r"\d cool down$"):
        here.assign("new")


def test_fault_8_cooldown_aware_targets_let_a_pool_of_cooling_addresses_grow(world):
    here = churned(world, cooldown_aware_targets=True)
    actions = here.run(110)
    assert [action.kind.value for action in actions if action.grew] == ["create-eni"]
    assert len(here.assign("q0", "q1", "q2")) == 3
    here.check_agreement()


def test_1700_a_cooldown_aware_node_releases_the_extra_addresses_after_the_cooldowns(world):
    here = churned(world, cooldown_aware_targets=True)
    here.run(110)
    assert here.node.stats(here.now_ns).total_count == 9
    wakeup_ns = here.node.next_wakeup(here.now_ns, include_reconcile=False)
    assert wakeup_ns == 400 * S  # when the cooldowns end
    here.run(600)
    assert here.node.stats(here.now_ns).total_count == 3
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) is None


def test_1700_without_cooldowns_a_cooldown_aware_node_decides_as_any_other(world, kinds):
    def story(aware):
        here = world("m5.large", {"WARM_IP_TARGET": "3", "IP_COOLDOWN_PERIOD": "0"}, cooldown_aware_targets=aware)
        told = []
        for number in range(12):
            here.assign(f"p{number}")
            told += kinds(here.run(here.now_ns // S + 10))
        here.unassign(*(f"p{number}" for number in range(12)))
        return told + kinds(here.run(here.now_ns // S + 200))

    assert story(aware=True) == story(aware=False)
