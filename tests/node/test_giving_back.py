"""Releasing CIDRs and freeing ENIs: when, how, and the effect of refusals (docs/ipamd.md, "Shrinking the pool")."""

import pytest

from vpcipam.errors import PoolExhausted
from vpcipam.journal.protocol import MemoryJournal
from vpcipam.limits import InstanceLimits

S = 1_000_000_000


def with_surplus(world, variables=None, instance_type="m5.large", count=6):
    """A node with `count` surplus addresses after its pods were deleted; nothing cools."""
    here = world(instance_type, {"WARM_IP_TARGET": "1", "IP_COOLDOWN_PERIOD": "0"} | (variables or {}))
    for number in range(count):
        here.assign(f"p{number}")
        here.tick(5 * (number + 1))
    here.unassign(*(f"p{number}" for number in range(count)))
    return here


# --- CIDRs -----------------------------------------------------------------------------------------------------------------------


def test_a_surplus_is_released_in_one_call(world, kinds):
    here = with_surplus(world)
    here.ec2.log.clear()
    actions = here.tick(35)
    assert kinds(actions) == [("release-cidrs", True)]
    assert len(actions[0].cidrs) == 6
    assert actions[0].reason == "available 7, WARM_IP_TARGET 1: 6 over"
    assert here.ec2.log == ["UnassignPrivateIpAddresses"]
    assert here.shape() == {0: 1}
    here.check_agreement()


def test_addresses_and_prefixes_are_released_in_two_calls(world):
    here = with_surplus(world)
    eni_id = here.eni_at(0)
    here.model.assign_private_ip_addresses(eni_id, ipv4_prefix_count=1, now_ns=0)
    here.node.reconcile(here.now_ns)
    here.ec2.log.clear()
    here.ec2.arguments.clear()
    (action,) = here.tick(35)
    assert [kwargs.keys() - {"now_ns"} for _, _, kwargs in here.ec2.arguments] == [{"prefixes"}, {"addresses"}]
    assert len(action.cidrs) == 7
    here.check_agreement()


def test_the_pool_shrinks_at_most_once_in_30_s(world, kinds):
    here = with_surplus(world)
    here.tick(35)
    here.assign("a")
    assert kinds(here.tick(40)) == [("add-cidrs", True)]
    here.unassign("a")
    assert here.tick(45) == here.tick(60) == ()
    assert here.node.tick(65 * S - 1) == ()
    assert kinds(here.tick(65)) == [("release-cidrs", True)]


def test_a_refused_release_is_reported_and_repaired_by_a_reconcile_after_60_s(world, kinds):
    here = with_surplus(world)
    here.ec2.refuse("UnassignPrivateIpAddresses", "UnauthorizedOperation", "not allowed")
    (action,) = here.tick(35)
    assert action.error == "UnassignPrivateIpAddresses: UnauthorizedOperation: not allowed"
    assert len(action.cidrs) == 6
    assert here.shape() == {0: 1}
    assert len(next(iter(here.attached().values())).secondary_ips) == 7
    here.now_ns = 95 * S - 1
    assert here.node.reconcile(here.now_ns) == ()  # within 60 s it is not taken on again
    here.now_ns = 95 * S
    actions = here.node.reconcile(here.now_ns)
    assert kinds(actions) == [("adopt-cidrs", True)]
    assert sorted(actions[0].cidrs) == sorted(action.cidrs)
    here.check_agreement()
    assert kinds(here.tick(100)) == [("release-cidrs", True)]
    here.check_agreement()


def test_a_refused_release_starts_the_30_s_too(world, kinds):
    here = with_surplus(world)
    here.ec2.refuse("UnassignPrivateIpAddresses")
    here.tick(35)
    here.assign("a")
    here.tick(40)
    here.unassign("a")
    assert here.tick(60) == ()
    assert kinds(here.tick(65)) == [("release-cidrs", True)]


def test_a_freed_cidr_that_metadata_still_shows_is_not_taken_on(world):
    here = with_surplus(world)
    stale = here.model.instance_metadata(here.node.instance_id, now_ns=0)
    here.tick(35)
    here.ec2.metadata = stale
    for at_s in (40, 95):
        assert here.node.reconcile(at_s * S) == ()
        assert here.shape() == {0: 1}


def test_a_freed_cidr_that_ec2_itself_still_shows_is_not_taken_on(world):
    here = with_surplus(world)
    stale = here.model.instance_metadata(here.node.instance_id, now_ns=0)
    here.tick(35)
    here.ec2.metadata = stale
    here.ec2.describe_network_interfaces = lambda **_: stale
    assert here.node.reconcile(94 * S) == ()
    assert here.shape() == {0: 1}


def test_cooling_addresses_are_released_last(world):
    here = world("m5.large", {"WARM_IP_TARGET": "2"})
    (first,) = here.assign("a")
    here.tick(5)
    here.unassign("a")
    (action,) = here.tick(30)
    assert action.kind.value == "release-cidrs"
    assert action.cidrs != (f"{first.address}/32",)


# --- ENIs ------------------------------------------------------------------------------------------------------------------------


def with_spare_eni(world, variables=None):
    """A t3.small with a second ENI, created at 5 s and not needed since; nothing cools."""
    here = world("t3.small", {"WARM_IP_TARGET": "1", "IP_COOLDOWN_PERIOD": "0"} | (variables or {}))
    here.model.assign_private_ip_addresses(here.eni_at(0), secondary_ip_count=2, now_ns=0)
    here.node.reconcile(0)
    here.pods(3)
    here.tick(5)
    assert here.shape() == {0: 3, 1: 1}
    here.unassign("p0", "p1", "p2")
    return here


def test_an_eni_is_freed_at_60_s_and_not_before(world, kinds):
    here = with_spare_eni(world)
    assert all(kind != "free-eni" for kind, _ in kinds(here.run(60)))
    assert all(kind != "free-eni" for kind, _ in kinds(here.node.tick(65 * S - 1)))
    spare = here.eni_at(1)
    here.ec2.log.clear()
    actions = here.tick(65)
    assert kinds(actions)[-1:] == [("free-eni", True)]
    assert actions[-1].eni_id == spare
    assert here.ec2.log[-2:] == ["DetachNetworkInterface", "DeleteNetworkInterface"]
    here.check_agreement()


@pytest.mark.parametrize("mark", ["cordoned", "terminating"])
def test_a_marked_node_frees_no_eni(world, kinds, mark):
    here = with_spare_eni(world)
    setattr(here.node, mark, True)
    assert all(kind != "free-eni" for kind, _ in kinds(here.settle()))
    setattr(here.node, mark, False)
    assert kinds(here.run(here.now_ns // S + 5))[-1:] == [("free-eni", True)]


def test_a_cooling_address_keeps_its_eni(world, kinds):
    here = world("t3.small", {"WARM_ENI_TARGET": "0"})
    here.pods(3)
    here.tick(5)
    here.assign("q")
    here.now_ns = 50 * S
    here.unassign("q", "p0", "p1", "p2")
    assert all(kind != "free-eni" for kind, _ in kinds(here.run(75)))
    assert kinds(here.tick(80)) == [("free-eni", True)]


@pytest.mark.parametrize("action", ["DetachNetworkInterface", "DeleteNetworkInterface"])
def test_an_eni_that_ec2_refuses_to_free_leaves_the_datastore(world, kinds, action):
    here = with_spare_eni(world)
    here.run(60)
    spare = here.eni_at(1)
    here.ec2.refuse(action, "UnauthorizedOperation", "not allowed", times=12)
    actions = here.tick(65)
    assert kinds(actions)[-1:] == [("free-eni", False)]
    assert actions[-1].error == f"{action}: UnauthorizedOperation: not allowed"
    assert set(here.shape()) == {0}
    adopted = here.node.reconcile(here.now_ns)
    if action == "DetachNetworkInterface":
        assert kinds(adopted) == [("adopt-eni", True)]
        assert here.eni_at(1) == spare
        assert kinds(here.run(125))[-1:] == [("free-eni", True)]  # 60 s after it was taken on
    else:
        assert adopted == ()  # detached, and left behind in EC2: nothing of the node's any more
    here.check_agreement()


def test_an_eni_attached_again_at_its_place_can_still_be_freed(world, kinds):
    here = with_spare_eni(world)
    here.run(60)
    spare = here.eni_at(1)
    here.model.detach_network_interface(here.attached()[spare].attachment.attachment_id, now_ns=0)
    here.model.attach_network_interface(spare, here.node.instance_id, device_index=1, now_ns=0)
    actions = here.tick(65)
    assert kinds(actions)[-1:] == [("free-eni", True)]  # by its new attachment, for which the node asks EC2
    here.check_agreement()


def test_a_tick_counts_its_released_cidrs_before_it_frees_an_eni(world, kinds):
    # Free addresses: 2 on device 0, 3 on device 1, 4 on device 2, whose pod keeps it. WARM_IP_TARGET is 5, so device 2 gives its 4 back.
    # Before that, device 1 could go (2 + 4 ≥ 5); after it, it can't (2 + 0 < 5).
    here = world("m5.large", {"WARM_IP_TARGET": "5", "IP_COOLDOWN_PERIOD": "0"})
    here.model.assign_private_ip_addresses(here.eni_at(0), secondary_ip_count=4, now_ns=0)
    here.foreign_eni(tags=here.own_tags(), ips=3)
    here.foreign_eni(tags=here.own_tags(), ips=5)
    here.node.reconcile(0)
    here.pods(13)
    here.unassign("p0", "p1", "p9", "p10", "p11")
    assert kinds(here.tick(60)) == [("release-cidrs", True)]
    assert here.shape() == {0: 9, 1: 3, 2: 1}


def test_at_most_one_eni_is_freed_in_a_tick(world, kinds):
    here = world("m5.large", {"WARM_ENI_TARGET": "2"})
    here.run(60)
    assert here.shape() == {0: 9, 1: 9}
    here.foreign_eni(tags=here.own_tags(), ips=9)
    here.node.reconcile(here.now_ns)
    here.restart({"WARM_ENI_TARGET": "0"})
    here.start()
    here.now_ns += 60 * S
    assert kinds(here.tick()) == [("free-eni", True)]
    here.now_ns += 5 * S
    assert kinds(here.tick()) == [("free-eni", True)]
    assert here.shape() == {0: 9}


def test_an_address_that_ec2_moves_to_another_card_still_cools(world):
    limits = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=6, network_cards=(2, 2))
    here = world(limits, {"ENABLE_MULTI_NIC": "true", "WARM_IP_TARGET": "1"})
    for number in range(3):
        (last,) = here.assign(f"p{number}")
        here.tick(5 * (number + 1))
    here.now_ns = 39 * S
    here.unassign("p1", "p2")
    here.tick(40)  # gives back what cools, too
    here.assign("q0", network_card=1)
    here.tick(45)
    assert here.node.datastores[1].cooling_until(last.address) == 69 * S
    with pytest.raises(PoolExhausted, match="1 cool down"):
        here.assign("q1", network_card=1)
    here.now_ns = 69 * S
    (moved,) = here.assign("q1", network_card=1)
    assert moved.address == last.address


# --- hold_cooling_cidrs ----------------------------------------------------------------------------------------------------------

COOLING = {"WARM_IP_TARGET": "1", "IP_COOLDOWN_PERIOD": "60"}


def with_cooling_surplus(world, **options):
    """A node with six surplus addresses. All but one of its seven addresses cool until 85 s."""
    here = world("m5.large", COOLING, **options)
    for number in range(6):
        here.assign(f"p{number}")
        here.tick(5 * (number + 1))
    here.now_ns = 25 * S
    here.unassign(*(f"p{number}" for number in range(6)))
    return here


def cooling_cidrs(here):
    return {f"{each.address}/32" for each in here.node.datastores[0].cooldowns(here.now_ns)}


def test_a_cooling_cidr_is_given_back_at_once_as_in_ipamd(world):
    here = with_cooling_surplus(world)
    (action,) = here.tick(35)
    assert (len(action.cidrs), len(cooling_cidrs(here) & set(action.cidrs))) == (6, 5)


def test_a_held_cidr_is_given_back_at_the_first_tick_after_its_cooldown(world):
    here = with_cooling_surplus(world, hold_cooling_cidrs=True)
    (action,) = here.tick(35)
    assert (len(action.cidrs), cooling_cidrs(here) & set(action.cidrs)) == (1, set())
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) == 85 * S
    assert here.run(80) == []
    (action,) = here.tick(85)
    assert (action.kind.value, len(action.cidrs)) == ("release-cidrs", 5)
    here.check_agreement()


def test_a_restarted_node_holds_what_still_cools(world):
    journal = MemoryJournal()
    here = with_cooling_surplus(world, hold_cooling_cidrs=True, journals=[journal])
    here.now_ns = 36 * S
    here.restart(COOLING, hold_cooling_cidrs=True, journals=[journal])
    actions = here.node.restore(here.now_ns).actions
    cooling = cooling_cidrs(here)
    actions = [each for each in (*actions, *here.run(176)) if each.kind.value == "release-cidrs"]
    assert [(len(each.cidrs), bool(cooling & set(each.cidrs)), each.at_ns >= 85 * S) for each in actions] == [
        (1, False, False),
        (5, True, True),
    ]
