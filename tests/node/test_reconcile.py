"""Reconciling with EC2: CIDRs and ENIs that were added, removed or moved; stale metadata alone changes nothing."""

import pytest

from vpcipam.errors import JournalError
from vpcipam.node.reconcile import Differences

S = 1_000_000_000
NO_MANAGE = "node.k8s.amazonaws.com/no_manage"


def secondary_ips(here, device_number=0):
    return here.attached()[here.eni_at(device_number)].secondary_ips


def test_a_reconcile_without_changes_reads_the_metadata_once(world):
    here = world()
    assert here.node.reconcile(0) == ()
    assert here.ec2.log == ["InstanceMetadata"]


def test_a_cidr_that_somebody_else_assigned_is_added(world, kinds):
    here = world("m5.large", {"WARM_IP_TARGET": "1"})
    here.model.assign_private_ip_addresses(here.eni_at(0), secondary_ip_count=1, now_ns=0)
    actions = here.node.reconcile(0)
    assert kinds(actions) == [("adopt-cidrs", True)]
    assert actions[0].reason == "EC2 shows it so"
    assert not actions[0].grew
    assert here.ec2.log == ["InstanceMetadata", "DescribeNetworkInterfaces"]
    here.check_agreement()


def test_a_vanished_cidr_is_dropped_with_its_pods(world, kinds):
    here = world()
    first, second = here.assign("a", "b")
    here.model.unassign_private_ip_addresses(here.eni_at(0), addresses=[first.address], now_ns=0)
    actions = here.node.reconcile(0)
    assert kinds(actions) == [("drop-cidrs", True)]
    assert actions[0].cidrs == (f"{first.address}/32",)
    assert actions[0].evicted == (first,)
    assert [each for _, each in here.node.datastores[0].assignments()] == [second]
    here.check_agreement()


def test_an_address_added_again_after_an_eviction_still_cools(world):
    here = world(variables={"WARM_IP_TARGET": "1"})
    (first,) = here.assign("a")
    here.model.unassign_private_ip_addresses(here.eni_at(0), addresses=[first.address], now_ns=0)
    here.now_ns = 5 * S
    here.node.reconcile(here.now_ns)
    here.model.assign_private_ip_addresses(here.eni_at(0), addresses=[first.address], now_ns=0)
    here.node.reconcile(here.now_ns)
    assert f"{first.address}/32" in here.node.datastores[0].cidrs(here.eni_at(0))
    assert here.node.datastores[0].cooling_until(first.address) == 35 * S
    here.check_agreement()


def test_a_vanished_eni_is_dropped_with_its_pods(world, kinds):
    here = world(variables={"WARM_ENI_TARGET": "1"})
    here.pods(3)
    here.tick(5)
    (lost,) = here.assign("q")
    here.take_away(lost.eni_id)
    actions = here.node.reconcile(here.now_ns)
    assert kinds(actions) == [("drop-eni", True)]
    assert actions[0].evicted == (lost,)
    assert set(here.shape()) == {0}
    here.check_agreement()
    assert kinds(here.run(10)) == [("create-eni", True)]  # its place is free again
    here.check_agreement()


def test_a_new_eni_is_added(world, kinds):
    here = world()
    eni_id = here.foreign_eni(ips=2)
    actions = here.node.reconcile(0)
    assert kinds(actions) == [("adopt-eni", True)]
    assert actions[0].eni_id == eni_id
    assert len(actions[0].cidrs) == 2
    assert here.shape() == {0: 3, 1: 2}


def test_an_eni_at_another_device_index_is_added_again_without_its_pods(world, kinds):
    # The routes of its pods were lost with the old device.
    here = world()
    here.pods(3)
    here.tick(5)
    (lost,) = here.assign("q")
    here.model.detach_network_interface(here.attached()[lost.eni_id].attachment.attachment_id, now_ns=0)
    here.model.attach_network_interface(lost.eni_id, here.node.instance_id, device_index=2, now_ns=0)
    actions = here.node.reconcile(here.now_ns)
    assert kinds(actions) == [("drop-eni", True), ("adopt-eni", True)]
    assert actions[0].evicted == (lost,)
    assert here.shape() == {0: 3, 2: 3}
    here.check_agreement()


def test_two_enis_that_swapped_device_indexes_are_both_added_again(world, kinds):
    here = world(variables={"WARM_ENI_TARGET": "3"})
    here.run(10)
    assert set(here.shape()) == {0, 1, 2}
    enis = {number: here.attached()[here.eni_at(number)] for number in (1, 2)}
    for eni in enis.values():
        here.model.detach_network_interface(eni.attachment.attachment_id, now_ns=0)
    for number, eni in enis.items():
        here.model.attach_network_interface(eni.eni_id, here.node.instance_id, device_index=3 - number, now_ns=0)
    actions = here.node.reconcile(here.now_ns)
    assert kinds(actions) == [("drop-eni", True)] * 2 + [("adopt-eni", True)] * 2
    here.check_agreement()


def test_a_cidr_that_moved_to_another_eni_moves_in_the_datastore(world, kinds):
    here = world(variables={"WARM_ENI_TARGET": "2"})
    here.run(5)
    moved = secondary_ips(here)[0]
    here.model.unassign_private_ip_addresses(here.eni_at(0), addresses=[moved], now_ns=0)
    here.model.unassign_private_ip_addresses(here.eni_at(1), addresses=secondary_ips(here, 1)[:1], now_ns=0)
    here.model.assign_private_ip_addresses(here.eni_at(1), addresses=[moved], now_ns=0)
    assert kinds(here.node.reconcile(here.now_ns)) == [("drop-cidrs", True), ("drop-cidrs", True), ("adopt-cidrs", True)]
    here.check_agreement()


# --- stale metadata --------------------------------------------------------------------------------------------------------------


def test_metadata_that_ec2_contradicts_changes_nothing(world):
    here = world()
    stale = here.model.instance_metadata(here.node.instance_id, now_ns=0)
    here.pods(3)
    here.tick(5)
    here.assign("q")
    before = here.shape()
    here.ec2.metadata = stale  # from before the second ENI
    here.ec2.log.clear()
    assert here.node.reconcile(here.now_ns) == ()
    assert here.ec2.log == ["InstanceMetadata", "DescribeNetworkInterfaces"]
    assert here.shape() == before
    here.ec2.metadata = ()  # and nothing at all
    assert here.node.reconcile(here.now_ns) == ()
    assert here.shape() == before
    assert here.node.stats(here.now_ns).assigned_count == 4


def test_metadata_that_shows_too_many_addresses_changes_nothing(world):
    here = world()
    eni_id = here.foreign_eni(ips=2)
    stale = here.model.instance_metadata(here.node.instance_id, now_ns=0)
    here.take_away(eni_id)
    here.ec2.metadata = stale
    assert here.node.reconcile(0) == ()
    assert here.shape() == {0: 3}


@pytest.mark.parametrize("action", ["InstanceMetadata", "DescribeNetworkInterfaces"])
def test_a_refused_reconcile_is_reported_and_changes_nothing(world, action, kinds):
    here = world()
    here.foreign_eni()
    here.ec2.refuse(action, "UnauthorizedOperation", "not allowed")
    actions = here.node.reconcile(0)
    assert kinds(actions) == [("reconcile", False)]
    assert actions[0].error == f"{action}: UnauthorizedOperation: not allowed"
    assert str(actions[0]) == f"reconcile a new ENI: compare with EC2 — refused: {action}: UnauthorizedOperation: not allowed"
    assert set(here.shape()) == {0}
    assert kinds(here.node.reconcile(0)) == [("adopt-eni", True)]


# --- when ------------------------------------------------------------------------------------------------------------------------


def test_a_reconcile_is_due_when_the_last_action_is_more_than_60_s_old(world):
    here = world()  # the last action was at 0
    here.run(60)
    assert "InstanceMetadata" not in here.ec2.log
    here.tick(60 + 1e-9)
    assert here.ec2.log == ["InstanceMetadata"]
    here.tick(120)
    assert here.ec2.log == ["InstanceMetadata"]
    here.run(125)
    assert here.ec2.log == ["InstanceMetadata"] * 2  # 60 s and a nanosecond later is 125 s on the grid


def test_growth_postpones_a_reconcile(world):
    here = world("m5.large", {"WARM_IP_TARGET": "1"})
    here.run(50)
    here.assign("a")
    here.tick(55)
    here.ec2.log.clear()
    here.run(115)
    assert here.ec2.log == []
    here.tick(120)
    assert here.ec2.log == ["InstanceMetadata"]


def test_the_first_tick_after_a_start_without_growth_reconciles(world):
    here = world("m5.large", {"MAX_ENI": "1", "ENABLE_SUBNET_DISCOVERY": "false"}, start=False)
    here.ec2.refuse("AssignPrivateIpAddresses", "InsufficientFreeAddressesInSubnet", times=2)
    here.start()
    here.tick(5)
    assert here.ec2.log == ["InstanceMetadata"]


# --- ENIs that are not managed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "manage_untagged", "managed"),
    [
        ((), "true", True),
        ((), "false", False),
        (((NO_MANAGE, "true"),), "true", False),
        (((NO_MANAGE, "true"),), "false", False),
        (((NO_MANAGE, "false"),), "false", True),
        ("own", "false", True),
        ("own", "true", True),
        ("own and no_manage", "true", False),
        ((("node.k8s.amazonaws.com/instance_id", "i-other"),), "false", False),
        ((("node.k8s.amazonaws.com/instance_id", "i-other"),), "true", True),
    ],
)
def test_which_enis_are_managed(world, tags, manage_untagged, managed):
    here = world("m5.large", {"MANAGE_UNTAGGED_ENI": manage_untagged})
    if isinstance(tags, str):
        tags = (*here.own_tags(), *(((NO_MANAGE, "true"),) if "no_manage" in tags else ()))
    eni_id = here.foreign_eni(tags=tags, ips=1)
    here.node.reconcile(0)
    assert (eni_id in here.node.datastores[0]) == managed
    view = here.node.view(0)
    assert view.unmanaged_eni_count == (not managed)
    assert view.eni_room == 1
    restarted = here.restart({"MANAGE_UNTAGGED_ENI": manage_untagged})
    restarted.start(0)
    assert (eni_id in restarted.datastores[0]) == managed
    here.check_agreement()


def test_the_primary_eni_is_managed_whatever_its_tags(world):
    here = world("m5.large", {"MANAGE_UNTAGGED_ENI": "false"})
    assert here.shape() == {0: 9}


def test_unmanaged_enis_are_counted_for_each_card(world):
    here = world("p5.48xlarge", {"ENABLE_MULTI_NIC": "true"})
    for card in (0, 2):
        here.foreign_eni(tags=((NO_MANAGE, "true"),), network_card=card)
    here.node.reconcile(0)
    assert [here.node.view(0, card).unmanaged_eni_count for card in range(4)] == [1, 0, 1, 0]


def test_an_unmanaged_eni_is_described_once(world):
    here = world()
    here.foreign_eni(tags=((NO_MANAGE, "true"),))
    here.node.reconcile(0)
    here.ec2.log.clear()
    assert here.node.reconcile(0) == ()
    assert here.ec2.log == ["InstanceMetadata"]


def test_a_detached_unmanaged_eni_makes_room_for_another(world):
    here = world("t3.small", {"WARM_ENI_TARGET": "1", "MAX_ENI": "2"})
    eni_id = here.foreign_eni(tags=((NO_MANAGE, "true"),))
    here.node.reconcile(0)
    here.pods(3)
    assert here.settle() == []
    here.take_away(eni_id)
    here.settle()
    assert here.shape() == {0: 3, 1: 3}
    here.check_agreement()


def test_an_eni_of_an_unmanaged_card_is_ignored(world):
    here = world("p5.48xlarge")
    here.foreign_eni(network_card=1)
    assert here.node.reconcile(0) == ()
    assert here.node.view(0).unmanaged_eni_count == 0


# --- differences as a value ------------------------------------------------------------------------------------------------------


def test_differences_are_true_if_any_field_is():
    nothing = Differences((), (), (), ())
    assert not nothing
    for field in range(4):
        assert Differences(*(("x",) if number == field else () for number in range(4)))


def failing_once(world):
    """A node whose datastore has failed to record what EC2 granted."""
    here = world("m5.large", {"WARM_IP_TARGET": "2"})
    here.settle()
    assert not here.node.in_doubt
    here.pods(2)
    datastore, add_cidr = here.node.datastores[0], here.node.datastores[0].add_cidr

    def fail(*_args, **_options):
        datastore.add_cidr = add_cidr
        raise JournalError("injected")

    datastore.add_cidr = fail
    with pytest.raises(JournalError):
        here.run(here.now_ns // S + 5)
    return here


def test_a_change_that_the_datastore_failed_to_record_is_found_by_the_next_reconcile(world):
    here = failing_once(world)
    assert here.node.in_doubt
    here.settle()
    here.check_agreement()


def test_a_node_whose_datastore_has_failed_once_records_the_next_growth_at_once(world):
    here = failing_once(world)
    here.settle()
    here.assign("late", "later")
    here.run(here.now_ns // S + 5)
    assert here.node.stats(here.now_ns).available_count == 2
    here.check_agreement()
