"""Leaked ENIs: found and deleted once an hour."""

import pytest

from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.faults import Crash, Effect, Fault, Faults
from vpcipam.node.interfaces import CLUSTER_TAG, CREATED_TAG, INSTANCE_TAG

S = 1_000_000_000


def leaked(here, *, tags=(), description=None, made_at="1970-01-01T00:00:00Z", **arguments):
    """An unattached ENI as a node leaves it."""
    described = f"aws-K8S-{here.node.instance_id}" if description is None else description
    stamp = ((CREATED_TAG, made_at),) if made_at else ()
    return here.model.create_network_interface(
        subnet_id=arguments.get("subnet_id", here.subnet_id),
        description=described,
        tags=((INSTANCE_TAG, "i-anybody"), *stamp, *tags),
        now_ns=here.now_ns,
    ).eni_id


def left(here):
    return {eni.eni_id for eni in here.enis() if eni.attachment is None}


def test_a_leaked_eni_of_any_node_in_the_vpc_is_deleted_at_five_minutes(world, kinds):
    here = world()
    eni_id = leaked(here)
    assert here.node.delete_leaked_enis(300 * S - 1) == ()
    (action,) = here.node.delete_leaked_enis(300 * S)
    assert kinds([action]) == [("delete-leaked-eni", True)]
    assert action.eni_id == eni_id
    assert str(action) == f"delete-leaked-eni {eni_id}: it was left unattached"
    assert left(here) == set()
    here.check()


@pytest.mark.parametrize(
    "changes",
    [
        {"description": "made by hand"},
        {"description": "made by hand", "made_at": None},
        {"made_at": "1970-01-01T00:55:01Z"},
    ],
)
def test_enis_of_other_owners_and_young_enis_are_kept(world, changes):
    here = world()
    eni_id = leaked(here, **changes)
    here.model.create_network_interface(
        subnet_id=here.subnet_id, description="aws-K8S-i-1", tags=((CREATED_TAG, "1970-01-01T00:00:00Z"),), now_ns=0
    )
    assert here.node.delete_leaked_enis(3600 * S) == ()
    assert eni_id in left(here)
    assert len(left(here)) == 2
    assert "CreateTags" not in here.ec2.log


def test_an_eni_that_was_attached_meanwhile_is_kept(world):
    here = world("m5.large")
    eni_id = leaked(here)
    here.model.attach_network_interface(eni_id, here.node.instance_id, device_index=1, now_ns=0)
    assert here.node.delete_leaked_enis(3600 * S) == ()
    assert eni_id in here.attached()


@pytest.mark.parametrize("made_at", [None, "yesterday", "1970-01-01T00:00:00", ""])
def test_an_eni_without_a_legible_time_gets_one_and_is_deleted_by_a_later_sweep(world, kinds, made_at):
    here = world()
    eni_id = leaked(here, made_at=made_at)
    assert here.node.delete_leaked_enis(3600 * S) == ()
    (eni,) = (each for each in here.enis() if each.eni_id == eni_id)
    assert eni.tag(CREATED_TAG) == "1970-01-01T01:00:00Z"
    assert here.node.delete_leaked_enis(3900 * S - 1) == ()
    assert kinds(here.node.delete_leaked_enis(3900 * S)) == [("delete-leaked-eni", True)]


def test_an_eni_that_can_not_be_tagged_is_reported_and_spared(world, kinds):
    here = world()
    eni_id = leaked(here, made_at=None)
    here.ec2.refuse("CreateTags", times=5)
    (told,) = here.node.delete_leaked_enis(3600 * S)
    assert kinds([told]) == [("delete-leaked-eni", False)]
    assert (told.eni_id, told.error) == (eni_id, "CreateTags: UnauthorizedOperation: refused by the test")
    assert left(here) == {eni_id}


# --- clusters ---


OTHERS = [((CLUSTER_TAG, "green"),), ()]


@pytest.mark.parametrize("tags", OTHERS)
def test_with_a_cluster_name_only_enis_of_that_cluster_are_deleted(world, tags):
    here = world("t3.small", {"CLUSTER_NAME": "blue"})
    spared = {leaked(here, tags=tags), leaked(here, tags=tags, made_at=None)}
    ours = leaked(here, tags=((CLUSTER_TAG, "blue"),))
    assert [action.eni_id for action in here.node.delete_leaked_enis(3600 * S)] == [ours]
    assert left(here) == spared
    assert "CreateTags" not in here.ec2.log


@pytest.mark.parametrize("tags", OTHERS)
def test_an_ec2_that_ignores_the_filters_does_no_harm_to_other_clusters(world, tags):
    here = world("t3.small", {"CLUSTER_NAME": "blue"})
    eni_id = leaked(here, tags=tags)
    here.ec2.describe_network_interfaces = lambda **_: tuple(here.enis())
    assert here.node.delete_leaked_enis(3600 * S) == ()
    assert left(here) == {eni_id}


def test_without_a_cluster_name_the_enis_of_every_cluster_are_deleted(world):
    here = world()
    for tags in OTHERS:
        leaked(here, tags=tags)
    assert len(here.node.delete_leaked_enis(3600 * S)) == 2
    assert left(here) == set()


def test_an_eni_of_another_vpc_is_kept(world):
    here = world()
    other = here.model.create_subnet(here.model.create_vpc("10.9.0.0/16").vpc_id, "10.9.0.0/24").subnet_id
    eni_id = leaked(here, subnet_id=other)
    assert here.node.delete_leaked_enis(3600 * S) == ()
    assert left(here) == {eni_id}


def test_a_node_sweeps_within_five_minutes_of_its_start_and_then_an_hour_and_up_to_five_minutes_later(world):
    here = world()
    assert 0 <= here.node._loop.pace.cleanup_ns < 300 * S
    here.run(300)
    assert here.ec2.log.count("DescribeNetworkInterfaces") == 1
    second_ns = here.node._loop.pace.cleanup_ns
    assert 3600 * S <= second_ns < (300 + 3600 + 300) * S
    assert second_ns % (3600 * S) != 0
    here.run(second_ns // S - 5)
    assert here.ec2.log.count("DescribeNetworkInterfaces") == 1
    here.run(second_ns // S + 5)
    assert here.ec2.log.count("DescribeNetworkInterfaces") == 2


def test_an_hour_and_up_to_five_minutes_lie_between_two_sweeps(world):
    waits_ns = []
    for seed in range(20):
        here = world(seed=seed)
        here.run(300)
        (swept_ns,) = (named["now_ns"] for action, _, named in here.ec2.arguments if action == "DescribeNetworkInterfaces")
        waits_ns.append(here.node._loop.pace.cleanup_ns - swept_ns)
    assert 3600 * S <= min(waits_ns) < 3660 * S
    assert 3840 * S < max(waits_ns) < 3900 * S


def test_nodes_of_different_seeds_sweep_at_different_times(world):
    assert len({world(seed=seed).node._loop.pace.cleanup_ns for seed in range(20)}) > 15


@pytest.mark.parametrize(
    "variables",
    [{"DISABLE_LEAKED_ENI_CLEANUP": "true"}, {"DISABLE_NETWORK_RESOURCE_PROVISIONING": "true"}, {"ENABLE_IMDS_ONLY_MODE": "true"}],
)
def test_a_node_with_sweeping_off_never_sweeps(world, variables):
    here = world("t3.small", variables)
    leaked(here)
    here.run(600)
    assert len(left(here)) == 1
    assert here.node._loop.pace.cleanup_ns is None


def test_an_ipv6_node_never_sweeps(world):
    here = world("m5.large", {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}, ipv6=True)
    assert here.node._loop.pace.cleanup_ns is None


def test_a_node_wakes_for_a_sweep(world):
    here = world()
    here.node._loop.pace.cleanup_ns = 12 * S
    assert here.node.next_wakeup(0) == 15 * S
    assert here.node.next_wakeup(0, include_reconcile=False) is None


@pytest.mark.parametrize("action", ["DescribeNetworkInterfaces", "DeleteNetworkInterface"])
def test_a_refused_sweep_is_reported_and_retried_at_the_next(world, kinds, action):
    here = world()
    leaked(here)
    here.ec2.refuse(action, times=12)
    (told,) = here.node.delete_leaked_enis(400 * S)
    assert kinds([told]) == [("delete-leaked-eni", False)]
    assert told.error.startswith(f"{action}: UnauthorizedOperation")
    here.ec2.allow()
    assert kinds(here.node.delete_leaked_enis(4000 * S)) == [("delete-leaked-eni", True)]


def test_deleting_a_leaked_eni_that_is_already_gone_is_no_error(world, kinds):
    here = world()
    leaked(here)
    here.ec2.refuse("DeleteNetworkInterface", "InvalidNetworkInterfaceID.NotFound")
    assert kinds(here.node.delete_leaked_enis(400 * S)) == [("delete-leaked-eni", True)]


@pytest.mark.parametrize("effect", [Effect.CRASH_BEFORE, Effect.CRASH_AFTER])
def test_the_next_node_deletes_an_eni_leaked_between_create_and_attach(world, effect):
    crash = Fault(effect, "AttachNetworkInterface" if effect is Effect.CRASH_BEFORE else "CreateNetworkInterface", nth=1)
    here = world("t3.small", conditions=Conditions(faults=Faults([crash])))
    here.pods(3)
    with pytest.raises(Crash):
        here.tick(5)
    assert len(left(here)) == 1
    here.restart({})
    here.now_ns = 10 * S
    here.start()
    here.run(3600 + 320)
    assert left(here) == set()


def test_a_leaked_eni_that_is_already_detached_is_only_deleted(world, kinds):
    here = world("t3.small", {"WARM_IP_TARGET": "4"})
    here.settle()
    here.ec2.refuse("DetachNetworkInterface", "InvalidAttachmentID.NotFound")
    spare = here.eni_at(1)
    here.model.detach_network_interface(here.attached()[spare].attachment.attachment_id, now_ns=here.now_ns)
    here.change_settings({"WARM_IP_TARGET": "1"})
    freed = [action for action in here.run(here.now_ns // S + 40) if action.kind == "free-eni"]
    assert kinds(freed) == [("free-eni", True)]
    assert left(here) == set()
