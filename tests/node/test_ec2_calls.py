"""The calls that ipamd makes beside those that change the pool: tags, security groups, subnets' tags, and questions before it acts."""

import attrs
import pytest

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.state.records import EniRecord
from vpcipam.node import Node
from vpcipam.node.interfaces import CLUSTER_TAG, INSTANCE_TAG

S = 1_000_000_000
EXTRA = ("CreateTags", "DescribeSubnets", "ModifyNetworkInterfaceAttribute", "DescribeNetworkInterfaces")
DISCOVERY_OFF = {"ENABLE_SUBNET_DISCOVERY": "false"}


def extra(here):
    """How often each of the extra actions was called since the log was cleared."""
    return {action: here.ec2.log.count(action) for action in EXTRA if action in here.ec2.log}


def started_again(here, variables=None):
    """The calls of a new start on the same instance."""
    here.ec2.log.clear()
    here.restart(variables or {}).start(here.now_ns)
    return extra(here)


class Untagging:
    """An EC2 without the optional call CreateTags."""

    def __init__(self, ec2):
        self.ec2 = ec2

    def __getattr__(self, name):
        if name == "create_tags":
            raise AttributeError(name)
        return getattr(self.ec2, name)


# --- at start ---


def test_a_first_start_tags_the_primary_eni_and_sets_its_security_groups(world):
    here = world(start=False)
    here.node.start(0)
    assert extra(here) == {"CreateTags": 1, "DescribeSubnets": 1, "ModifyNetworkInterfaceAttribute": 1, "DescribeNetworkInterfaces": 1}
    (eni,) = here.attached().values()
    assert eni.tags == here.own_tags()


def test_a_later_start_tags_nothing_that_has_its_tags(world):
    here = world()
    here.foreign_eni(tags=here.own_tags())
    here.foreign_eni(interface_type="trunk")
    asked = {"DescribeSubnets": 3, "ModifyNetworkInterfaceAttribute": 3, "DescribeNetworkInterfaces": 1}
    assert started_again(here, {"MAX_ENI": "3"}) == asked


def test_a_start_tags_each_managed_eni_but_the_trunk(world):
    here = world("m5.xlarge")
    here.foreign_eni()
    here.foreign_eni(interface_type="trunk")
    unmanaged = here.foreign_eni(tags=(("node.k8s.amazonaws.com/no_manage", "true"),))
    calls = started_again(here)
    assert calls["CreateTags"] == 1
    assert calls["DescribeSubnets"] == calls["ModifyNetworkInterfaceAttribute"] == 3
    assert INSTANCE_TAG not in dict(here.attached()[unmanaged].tags)


def test_with_a_cluster_name_enis_carry_it(world):
    here = world("m5.large", {"CLUSTER_NAME": "blue", "WARM_ENI_TARGET": "2"})
    here.run(5)
    wanted = [("node.k8s.amazonaws.com/instance_id", here.node.instance_id), (CLUSTER_TAG, "blue"), ("eks:eni:owner", "amazon-vpc-cni")]
    assert len(here.attached()) == 2
    for eni in here.attached().values():
        assert set(wanted) <= set(eni.tags)
    assert "CreateTags" in started_again(here, {"CLUSTER_NAME": "green"})  # its value differs


def test_without_subnet_discovery_no_start_asks_for_subnets(world):
    here = world("m5.large", DISCOVERY_OFF, start=False)
    here.node.start(0)
    assert "DescribeSubnets" not in here.ec2.log


@pytest.mark.parametrize("variable", ["DISABLE_NETWORK_RESOURCE_PROVISIONING", "ENABLE_IMDS_ONLY_MODE"])
def test_without_provisioning_nothing_is_tagged_nor_given_security_groups(world, variable):
    here = world("m5.large", {variable: "true"}, start=False)
    here.node.start(0)
    assert {"CreateTags", "ModifyNetworkInterfaceAttribute"}.isdisjoint(here.ec2.log)


def test_under_custom_networking_no_security_groups_are_set_at_start(world):
    here = world("m5.large", {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}, start=False)
    here.node.start(0)
    assert here.ec2.log.count("ModifyNetworkInterfaceAttribute") == 1  # that of the new ENI: its deletion on termination


def test_other_enis_get_the_security_groups_of_the_primary_eni(world):
    here = world("m5.large")
    group = here.model.create_security_group("nodes", "of nodes", vpc_id=here.model.vpcs[0].vpc_id).group_id
    here.model.modify_network_interface_attribute(here.eni_at(0), security_group_ids=[group], now_ns=0)
    here.foreign_eni(ips=9)
    here.restart({"WARM_ENI_TARGET": "3"}).start(0)
    here.run(5)
    assert len(here.attached()) == 3
    assert {eni.security_group_ids for eni in here.attached().values()} == {(group,)}


def test_refused_security_groups_stop_no_start(world):
    here = world(start=False)
    here.ec2.refuse("ModifyNetworkInterfaceAttribute")
    here.node.start(0)
    assert here.shape() == {0: 3}


def test_a_client_that_shows_no_security_groups_is_asked_to_change_none(world, monkeypatch):
    here = world(start=False)
    whole = EniRecord.fresh_view
    monkeypatch.setattr(EniRecord, "fresh_view", lambda record: attrs.evolve(whole(record), security_group_ids=()))
    here.node.start(0)
    here.pods(3)
    here.run(60)
    named = [arguments for action, _, arguments in here.ec2.arguments if "security_group_ids" in arguments]
    assert (len(here.attached()), named) == (2, [])


def test_a_client_that_cannot_tag_leaves_the_enis_untagged(world):
    here = world(start=False)
    here.node = Node("t3.small", here.settings, Untagging(here.ec2), subnet_id=here.subnet_id)
    here.node.start(0)
    (eni,) = here.attached().values()
    assert (here.shape(), eni.tags) == ({0: 3}, ())


def test_a_start_tries_to_tag_five_times_and_then_fails(world):
    here = world(start=False)
    here.ec2.refuse("CreateTags", times=5)
    with pytest.raises(Ec2Error, match=r"^CreateTags: UnauthorizedOperation"):
        here.node.start(0)
    assert here.ec2.log.count("CreateTags") == 5
    here.node.start(5)
    assert here.shape() == {0: 3}


def test_a_start_asks_for_the_subnets_six_times_and_then_fails(world):
    here = world(start=False)
    here.ec2.refuse("DescribeSubnets", times=6)
    with pytest.raises(Ec2Error, match=r"^DescribeSubnets: UnauthorizedOperation"):
        here.node.start(0)
    here.ec2.refuse("DescribeSubnets", times=5)
    here.node.start(5)
    assert here.shape() == {0: 3}


# --- later ---


def test_a_new_eni_is_looked_up_in_its_subnet(world):
    here = world("t3.small")
    here.pods(3)
    here.tick(5)
    assert extra(here) == {"DescribeSubnets": 2, "ModifyNetworkInterfaceAttribute": 1}  # before it is created, and when it is set up


def test_a_refused_look_up_keeps_the_tags_read_last(world, kinds):
    here = world("t3.small")
    here.pods(3)
    asked = 0

    def refuse_second(**arguments):
        nonlocal asked
        asked += 1
        if asked == 2:
            raise Ec2Error("UnauthorizedOperation", "no", "DescribeSubnets")
        return here.model.describe_subnets(**arguments)

    here.ec2.describe_subnets = refuse_second
    assert kinds(here.tick(5)) == [("create-eni", True)]
    assert asked == 2


def test_a_freed_eni_is_described_first(world):
    here = world("t3.small", {"WARM_ENI_TARGET": "2"})
    here.run(5)
    here.change_settings({"WARM_ENI_TARGET": "0"})
    here.ec2.log.clear()
    assert [action.kind.value for action in here.tick(70)] == ["free-eni"]
    calls = [action for action in here.ec2.log if action != "InstanceMetadata"]
    assert calls == ["DescribeNetworkInterfaces", "DetachNetworkInterface", "DeleteNetworkInterface"]


@pytest.mark.parametrize(("code", "done"), [("InvalidNetworkInterfaceID.NotFound", True), ("UnauthorizedOperation", False)])
def test_an_eni_that_ec2_does_not_describe_is_not_detached(world, kinds, code, done):
    here = world("t3.small", {"WARM_ENI_TARGET": "2"})
    here.run(5)
    here.change_settings({"WARM_ENI_TARGET": "0"})
    here.ec2.refuse("DescribeNetworkInterfaces", code)
    assert kinds(here.tick(70)) == [("free-eni", done), ("adopt-eni", True)]  # the reconcile finds it again
    assert "DetachNetworkInterface" not in here.ec2.log


def test_an_adopted_eni_is_tagged_and_looked_up(world, kinds):
    here = world("m5.large")
    eni_id = here.foreign_eni()
    assert kinds(here.node.reconcile(0)) == [("adopt-eni", True)]
    assert extra(here) == {"CreateTags": 1, "DescribeSubnets": 1, "DescribeNetworkInterfaces": 1}
    assert here.attached()[eni_id].tags == here.own_tags()


@pytest.mark.parametrize(("action", "times"), [("CreateTags", 5), ("DescribeSubnets", 1)])
def test_an_eni_whose_calls_are_refused_is_adopted_by_the_next_reconcile(world, kinds, action, times):
    here = world("m5.large")
    eni_id = here.foreign_eni()
    here.ec2.refuse(action, times=times)
    (told,) = here.node.reconcile(0)
    assert kinds([told]) == [("adopt-eni", False)]
    assert (told.eni_id, told.error.split(":")[0]) == (eni_id, action)
    assert here.node.in_doubt
    assert kinds(here.node.reconcile(5 * S)) == [("adopt-eni", True)]


# --- a CIDR that was given back and comes again ---


def with_returned_cidrs(world):
    """A node that gave three addresses back at 5 s and has them again since 40 s."""
    here = world("t3.small", {"WARM_IP_TARGET": "3", "DISABLE_LEAKED_ENI_CLEANUP": "true"})
    here.change_settings({"WARM_IP_TARGET": "0", "MINIMUM_IP_TARGET": "1"})
    here.run(5)
    assert here.shape() == {0: 1}
    here.change_settings({"WARM_IP_TARGET": "3", "MINIMUM_IP_TARGET": "0"})
    here.run(40)
    assert here.shape() == {0: 3}
    here.ec2.log.clear()
    return here


def test_a_returned_cidr_is_confirmed_once(world):
    here = with_returned_cidrs(world)
    assert here.node.in_doubt
    here.run(60)
    assert "DescribeNetworkInterfaces" not in here.ec2.log
    here.run(300)
    assert here.ec2.log.count("DescribeNetworkInterfaces") == 1
    assert not here.node.in_doubt


def test_within_60_s_a_returned_cidr_is_neither_dropped_nor_confirmed(world):
    here = with_returned_cidrs(world)
    assert here.node.reconcile(here.now_ns) == ()
    assert here.shape() == {0: 3}
    assert here.ec2.log == ["InstanceMetadata"]
    assert here.node.in_doubt


def test_a_returned_cidr_that_ec2_no_longer_shows_is_dropped(world, kinds):
    here = with_returned_cidrs(world)
    here.ec2.metadata = here.model.instance_metadata(here.node.instance_id, now_ns=0)  # stale from now on
    gone = here.node.datastores[0].cidrs(here.eni_at(0))[-1]
    here.model.unassign_private_ip_addresses(here.eni_at(0), addresses=[gone.removesuffix("/32")], now_ns=0)
    assert kinds(here.node.reconcile(120 * S)) == [("drop-cidrs", True)]


def test_a_refused_confirmation_is_repeated(world, kinds):
    here = with_returned_cidrs(world)
    here.ec2.refuse("DescribeNetworkInterfaces")
    assert kinds(here.node.reconcile(120 * S)) == [("reconcile", False)]
    assert here.node.reconcile(200 * S) == ()
    assert here.ec2.log.count("DescribeNetworkInterfaces") == 2


def test_a_returned_cidr_that_goes_again_needs_no_confirmation(world):
    here = with_returned_cidrs(world)
    here.change_settings({"WARM_IP_TARGET": "0", "MINIMUM_IP_TARGET": "1"})
    here.run(60)
    assert here.shape() == {0: 1}
    here.run(400)
    assert "DescribeNetworkInterfaces" not in here.ec2.log
