"""How a node starts: what it takes on, what it fills, and what stops it."""

import contextlib

import pytest

from vpcipam.address import AddressMode
from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import (
    InvalidArgument,
    NodeError,
    SettingsError,
    UnknownInstanceType,
    UnknownKey,
)
from vpcipam.journal.protocol import MemoryJournal
from vpcipam.limits import InstanceLimits, MaxPodsBy
from vpcipam.node import Node
from vpcipam.sandbox import SandboxKey
from vpcipam.settings import Settings

S = 1_000_000_000
IPV6 = {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}
CUSTOM = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}
TWO_CARDS = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 2))
KEY = SandboxKey("aws-cni", "c1", "eth0")


# --- what it is made of ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"settings": {}}, TypeError, r"settings must be Settings, not dict .*from_env"),
        ({"settings": None}, TypeError, "settings must be Settings, not NoneType"),
        ({"subnet_id": None}, TypeError, "subnet_id must be str, not NoneType"),
        ({"max_pods": "29"}, TypeError, "max_pods must be an int, not str"),
        ({"max_pods": 0}, InvalidArgument, "max_pods must be 1 or more, not 0"),
        ({"max_pods": 5, "max_pods_by": "ami"}, InvalidArgument, r"leave out max_pods or max_pods_by \('ami'\)"),
        ({"max_pods_by": "eks"}, InvalidArgument, "what sets max-pods must be one of managed-node-group, ami, karpenter, not 'eks'"),
        ({"hold_cooling_cidrs": "no"}, TypeError, "hold_cooling_cidrs must be True or False, not str"),
        ({"cooldown_aware_targets": 0}, TypeError, "cooldown_aware_targets must be True or False, not int"),
        ({"policy": "hysteresis"}, TypeError, r"policy_named\('hysteresis'\) makes one"),
    ],
)
def test_invalid_arguments_of_a_node_are_refused(world, arguments, error, message):
    here = world(start=False)
    with pytest.raises(error, match=message):
        Node("m5.large", ec2=here.model, **({"settings": Settings(), "subnet_id": here.subnet_id} | arguments))


def test_a_node_shows_its_arguments(world):
    here = world("m5.large", start=False)
    assert repr(here.node) == "<Node m5.large: m5.large, not started, 0 ENIs, 0 sandboxes>"
    here.node.start(0)
    here.node.assign(KEY, 1)
    assert repr(here.node) == f"<Node {here.node.instance_id}: m5.large, 1 ENIs, 1 sandboxes>"
    assert repr(here.node.datastores[0]) == "<Datastore: 1 ENIs, 1 sandboxes, mode secondary-ip, network card 0>"
    assert repr(here.model) == "<Ec2Model: 1 VPCs, 1 subnets, 1 ENIs, 1 instances>"


# --- launch and adopt ------------------------------------------------------------------------------------------------------------


def test_start_launches_an_instance_adds_its_eni_and_fills_the_pool(world, kinds):
    here = world("m5.large", {"WARM_ENI_TARGET": "2"})
    assert kinds(here.started) == [("adopt-eni", True), ("add-cidrs", True)]
    assert [action.reason for action in here.started] == ["attached when the node started", "available 0 < WARM_ENI_TARGET 2 × 9 addresses"]
    assert here.shape() == {0: 9}
    assert here.node.instance_id == here.model.instances[0].instance_id
    assert here.node.name == here.node.instance_id
    here.check_agreement()


def test_a_node_can_start_on_a_running_instance(world, kinds):
    here = world("m5.large")
    here.run(10)
    before = here.shape()
    here.restart({})
    assert kinds(here.node.start(here.now_ns)) == [("adopt-eni", True)]
    assert here.shape() == before
    assert len(here.model.instances) == 1
    here.check_agreement()


def test_a_node_without_an_instance_needs_an_ec2_that_can_launch_one(world):
    class Network:
        """An EC2 that launches nothing."""

    here = world(start=False)
    node = Node("m5.large", Settings(), Network(), subnet_id=here.subnet_id)
    with pytest.raises(NodeError, match="give the instance_id of a running one"):
        node.start(0)


def test_an_instance_that_shows_no_primary_eni_is_refused(world):
    here = world(start=False)
    node = Node("m5.large", Settings(), here.ec2, subnet_id=here.subnet_id, instance_id="i-unknown")
    with pytest.raises(
        NodeError, match="instance i-unknown shows no primary ENI; start the node again if it was just launched, else check"
    ):
        node.start(0)
    assert not node.started


@pytest.mark.parametrize(
    ("name", "instance_id", "shown"), [("n1", None, "n1"), ("n1", "i-1", "n1"), (None, "i-1", "i-1"), (None, None, "m5.large")]
)
def test_the_name_of_a_node_defaults_to_its_instance(world, name, instance_id, shown):
    here = world(start=False)
    assert Node("m5.large", Settings(), here.ec2, subnet_id=here.subnet_id, name=name, instance_id=instance_id).name == shown


# --- wrong state and bad input ---------------------------------------------------------------------------------------------------


def test_a_node_that_is_not_started_refuses_calls(world):
    node = world(start=False, name="n1").node
    calls = (
        lambda: node.tick(0),
        lambda: node.assign(KEY, 0),
        lambda: node.unassign(KEY, 0),
        lambda: node.reconcile(0),
        lambda: node.next_wakeup(0),
    )
    for call in calls:
        with pytest.raises(NodeError, match=r"node n1 is not started; call start\(now_ns\) first"):
            call()


def test_a_node_starts_once(world):
    here = world()
    with pytest.raises(NodeError, match="is started already"):
        here.node.start(5)
    assert here.node.started


def test_a_network_card_that_is_not_managed_is_refused(world):
    here = world(name="n1")
    for card in (-1, 1, 2**70):
        for call in (here.node.stats, here.node.view):
            with pytest.raises(InvalidArgument, match=f"network card {card} is not managed: the cards of node n1 are 0"):
                call(0, card)
        with pytest.raises(InvalidArgument):
            here.node.assign(KEY, 0, network_card=card)
        with pytest.raises(InvalidArgument):
            here.node.unassign(KEY, 0, network_card=card)


def test_settings_that_do_not_fit_the_type_are_refused(world):
    with pytest.raises(SettingsError):
        world("m1.small", IPV6, start=False)
    with pytest.raises(UnknownInstanceType):
        world("m5.lagre", start=False)


def test_unassign_of_an_unknown_sandbox_is_refused(world):
    with pytest.raises(UnknownKey):
        world().node.unassign(KEY, 0)


@pytest.mark.parametrize(
    ("arguments", "max_pods", "by"),
    [
        ({}, 110, MaxPodsBy.MANAGED_NODE_GROUP),
        ({"max_pods_by": "managed-node-group"}, 110, MaxPodsBy.MANAGED_NODE_GROUP),
        ({"max_pods_by": MaxPodsBy.AMI}, 234, MaxPodsBy.AMI),
        ({"max_pods": 7}, 7, None),
    ],
)
def test_a_node_knows_max_pods_and_what_sets_them(world, arguments, max_pods, by):
    here = world(start=False)
    node = Node("m5a.4xlarge", Settings(), here.model, subnet_id=here.subnet_id, **arguments)
    assert (node.max_pods, node.max_pods_by) == (max_pods, by)


# --- a start that fails ----------------------------------------------------------------------------------------------------------


def test_a_failed_start_leaves_only_the_instance(world):
    here = world("t3.small", CUSTOM, start=False)
    here.ec2.refuse("CreateNetworkInterface", "UnauthorizedOperation", "no")
    with pytest.raises(NodeError, match="got no ENI for custom networking: CreateNetworkInterface: UnauthorizedOperation: no"):
        here.node.start(0)
    assert not here.node.started
    assert here.node.instance_id
    assert here.node.datastores[0].eni_ids == ()
    here.node.start(5)
    assert here.shape() == {0: 0, 1: 3}
    assert len(here.model.instances) == 1
    here.check_agreement()


def test_start_fails_when_ec2_refuses_to_describe_what_is_attached(world):
    here = world(start=False)
    here.ec2.refuse("DescribeNetworkInterfaces")
    with pytest.raises(Ec2Error):
        here.node.start(0)
    assert not here.node.started
    here.node.start(0)
    assert here.shape() == {0: 3}


def test_start_fails_when_the_subnet_has_no_room_for_the_instance(world):
    here = world(cidr="10.0.0.0/28", start=False)
    here.fill_subnet(0)
    with pytest.raises(Ec2Error, match="InsufficientFreeAddressesInSubnet"):
        here.node.start(0)
    assert here.node.instance_id is None


def test_start_succeeds_when_the_pool_cannot_be_filled(world, kinds):
    here = world(start=False)
    here.ec2.refuse("AssignPrivateIpAddresses", times=2)
    assert kinds(here.node.start(0)) == [("adopt-eni", True), ("add-cidrs", False)]
    assert here.node.started
    assert here.tick(5)[0].grew


# --- custom networking -----------------------------------------------------------------------------------------------------------


def test_under_custom_networking_pods_get_addresses_of_the_pod_subnet(world):
    here = world("m5.large", CUSTOM, start=False)
    other = here.subnet("10.0.32.0/24", zone="us-east-1a")
    here.node = Node("m5.large", here.settings, here.ec2, subnet_id=here.subnet_id, pod_subnet_id=other)
    here.start()
    here.settle()
    assert here.shape() == {0: 0, 1: 9}
    assert here.attached()[here.eni_at(1)].subnet_id == other
    (assignment,) = here.assign("a")
    assert assignment.address.startswith("10.0.32.")
    assert assignment.device_number == 1


def test_without_custom_networking_the_pod_subnet_is_ignored(world):
    here = world("m5.large", {"WARM_ENI_TARGET": "2"}, start=False)
    other = here.subnet("10.0.32.0/24")
    here.node = Node("m5.large", here.settings, here.ec2, subnet_id=here.subnet_id, pod_subnet_id=other)
    here.start()
    here.settle()
    assert {eni.subnet_id for eni in here.attached().values()} == {here.subnet_id}


def test_start_fails_under_custom_networking_without_room_for_an_eni(world):
    here = world("m5.large", CUSTOM | {"MAX_ENI": "1"}, start=False)
    with pytest.raises(NodeError, match="its type or MAX_ENI leaves no room for one"):
        here.node.start(0)


def test_start_fails_under_custom_networking_if_the_trunk_takes_the_only_room(world):
    here = world("m5.large", CUSTOM | {"MAX_ENI": "2", "ENABLE_POD_ENI": "true"}, start=False)
    with pytest.raises(NodeError, match="it can have 2 ENIs, and ENABLE_POD_ENI keeps the last one for the trunk"):
        here.node.start(0)
    without_trunk = world("t3.large", CUSTOM | {"MAX_ENI": "2", "ENABLE_POD_ENI": "true"})
    assert without_trunk.shape() == {0: 0, 1: 11}


# --- without provisioning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["DISABLE_NETWORK_RESOURCE_PROVISIONING", "ENABLE_IMDS_ONLY_MODE"])
def test_without_provisioning_the_pool_stays_as_it_was_attached(world, kinds, variable):
    here = world("m5.large", start=False)
    instance_id = here.model.launch_instance("m5.large", here.subnet_id, now_ns=0).instance_id
    (eni,) = here.model.instances[0].network_interfaces
    here.model.assign_private_ip_addresses(eni.eni_id, secondary_ip_count=2, now_ns=0)
    here.node = Node(
        "m5.large", here.settings.with_variables({variable: "true"}), here.ec2, subnet_id=here.subnet_id, instance_id=instance_id
    )
    assert kinds(here.node.start(0)) == [("adopt-eni", True)]
    here.assign("a", "b")
    assert here.run(200) == []
    assert here.shape() == {0: 2}
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) is None
    here.model.assign_private_ip_addresses(eni.eni_id, secondary_ip_count=1, now_ns=0)
    assert kinds(here.run(300)) == [("adopt-cidrs", True)]


@pytest.mark.parametrize(("discovery", "described"), [("true", {"DescribeSubnets"}), ("false", set())])
def test_in_imds_only_mode_ec2_is_called_only_for_the_tags_of_subnets(world, discovery, described):
    here = world("m5.large", start=False)
    instance_id = here.model.launch_instance("m5.large", here.subnet_id, now_ns=0).instance_id
    settings = here.settings.with_variables({"ENABLE_IMDS_ONLY_MODE": "true", "ENABLE_SUBNET_DISCOVERY": discovery})
    here.node = Node("m5.large", settings, here.ec2, subnet_id=here.subnet_id, instance_id=instance_id)
    before = here.model.call_counts
    here.node.start(0)
    here.model.assign_private_ip_addresses(here.eni_at(0), secondary_ip_count=1, now_ns=0)
    here.run(300)
    assert here.shape() == {0: 1}
    assert here.model.call_counts == before | {"AssignPrivateIpAddresses": 1} | dict.fromkeys(described, 1)
    assert set(here.ec2.log) == {"InstanceMetadata"} | described


def test_in_imds_only_mode_no_tag_of_an_eni_is_read_and_an_excluded_subnet_gives_no_addresses(world):
    here = world("m5.large", start=False)
    other = here.subnet("10.0.8.0/24", tags=(("kubernetes.io/role/cni", "0"),))
    instance_id = here.model.launch_instance("m5.large", here.subnet_id, now_ns=0).instance_id
    here.node = Node("m5.large", Settings(), here.ec2, subnet_id=here.subnet_id, instance_id=instance_id)
    left_alone = (("node.k8s.amazonaws.com/no_manage", "true"),)
    here.foreign_eni(ips=2, tags=left_alone)
    here.foreign_eni(ips=2, subnet_id=other)
    variables = {"ENABLE_IMDS_ONLY_MODE": "true", "MANAGE_UNTAGGED_ENI": "false"}
    here.restart(variables)
    here.start()
    assert here.shape() == {0: 0, 1: 2, 2: 0}  # the start gives the addresses of the excluded one back
    assert [eni.excluded for eni in here.node.datastores[0].eni_stats(0)] == [False, False, True]
    assert here.node.stats(0).total_count == 2
    assert here.node.view(0).unmanaged_eni_count == 0


# --- what a start gives back -----------------------------------------------------------------------------------------------------


def test_a_start_gives_no_surplus_back_and_the_first_tick_does(world, kinds):
    here = world("m5.large", {"WARM_IP_TARGET": "6"})
    here.restart({"WARM_IP_TARGET": "2"})
    assert kinds(here.start()) == [("adopt-eni", True)]
    assert here.shape() == {0: 6}
    assert kinds(here.tick(5))[:1] == [("release-cidrs", True)]
    assert here.shape() == {0: 2}


def test_a_start_gives_back_the_cidrs_of_the_other_mode_and_the_first_tick_may_shrink(world, kinds):
    here = world("m5.large", {"WARM_IP_TARGET": "6"})
    here.model.assign_private_ip_addresses(here.eni_at(0), ipv4_prefix_count=1, now_ns=0)
    here.restart({"WARM_IP_TARGET": "2"})
    assert kinds(here.start()) == [("adopt-eni", True), ("release-cidrs", True)]
    assert here.started[-1].reason.startswith("these CIDRs give no new addresses")
    assert here.shape() == {0: 6}
    assert kinds(here.tick(5))[:1] == [("release-cidrs", True)]
    assert here.shape() == {0: 2}


def test_a_start_gives_back_the_cidrs_of_the_other_mode_even_without_provisioning(world, kinds):
    here = world("m5.large", {"ENABLE_PREFIX_DELEGATION": "true"})
    here.restart({"DISABLE_NETWORK_RESOURCE_PROVISIONING": "true"})
    assert kinds(here.start()) == [("adopt-eni", True), ("release-cidrs", True)]
    assert here.shape() == {0: 0}
    assert kinds(here.run(60)) == []


def test_a_start_pauses_growth_for_all_cards_after_an_out_of_addresses_answer(world, kinds):
    variables = {"ENABLE_MULTI_NIC": "true", "ENABLE_SUBNET_DISCOVERY": "false"}
    here = world(TWO_CARDS, variables, start=False)
    here.ec2.refuse("AssignPrivateIpAddresses", "InsufficientFreeAddressesInSubnet", times=2)
    assert kinds(here.start()) == [("adopt-eni", True), ("add-cidrs", False)]
    assert "create-eni" not in dict(kinds(here.run(115)))
    assert ("create-eni", True) in kinds(here.tick(120))


# --- IPv6 ------------------------------------------------------------------------------------------------------------------------


def test_an_ipv6_node_gets_one_80_and_never_grows(world, kinds):
    here = world("m5.large", IPV6, ipv6=True)
    assert kinds(here.started) == [("adopt-eni", True), ("add-cidrs", True)]
    assert here.node.mode is AddressMode.IPV6
    assert here.shape() == {0: 1}
    assert here.node.stats(0).total_count == 2**48
    assignments = here.pods(200)
    assert len({each.address for each in assignments}) == 200
    assert here.run(300) == []
    assert here.node.reconcile(here.now_ns) == ()
    assert here.node.next_wakeup(here.now_ns) is None
    assert "AssignIpv6Addresses" not in here.ec2.log


def test_an_ipv6_node_uses_an_80_that_is_assigned_already(world, kinds):
    here = world("m5.large", IPV6, ipv6=True)
    here.model.assign_ipv6_addresses(here.eni_at(0), ipv6_prefix_count=2, now_ns=0)
    here.restart(IPV6)
    assert kinds(here.node.start(0)) == [("adopt-eni", True)]
    assert here.shape() == {0: 1}


def test_the_start_of_an_ipv6_node_releases_nothing(world):
    here = world("m5.large", IPV6, ipv6=True, start=False)
    instance_id = here.model.launch_instance("m5.large", here.subnet_id, now_ns=0).instance_id
    here.model.assign_ipv6_addresses(here.model.instances[0].network_interfaces[0].eni_id, ipv6_prefix_count=1, now_ns=0)
    here.model.create_tags([here.subnet_id], tags=(("kubernetes.io/role/cni", "0"),), now_ns=0)  # its /80 then gives no addresses
    here.node = Node("m5.large", here.settings, here.ec2, subnet_id=here.subnet_id, instance_id=instance_id)
    with contextlib.suppress(NodeError):
        here.node.start(0)
    assert not [action for action in here.ec2.log if action.startswith("Unassign")]


@pytest.mark.parametrize("has_ipv6", [True, False])
def test_an_ipv6_node_without_an_80_does_not_start(world, has_ipv6):
    here = world("m5.large", IPV6, ipv6=has_ipv6, start=False)
    here.ec2.refuse("AssignIpv6Addresses", "UnauthorizedOperation", "not allowed", times=6 * has_ipv6)
    with pytest.raises(NodeError, match=r"got no /80, and IPv6 pods have no other addresses: .*; start it again"):
        here.node.start(0)
    assert not here.node.started
    if has_ipv6:
        here.node.start(5)
        assert here.shape() == {0: 1}


def test_each_further_card_of_an_ipv6_node_gets_an_eni_with_an_80(world, kinds):
    here = world(TWO_CARDS, IPV6 | {"ENABLE_MULTI_NIC": "true"}, ipv6=True)
    assert kinds(here.started) == [("adopt-eni", True), ("add-cidrs", True), ("create-eni", True)]
    assert [here.shape(card) for card in (0, 1)] == [{0: 1}, {0: 1}]


def test_a_further_card_that_gets_no_80_does_not_stop_an_ipv6_node(world, kinds):
    here = world(TWO_CARDS, IPV6 | {"ENABLE_MULTI_NIC": "true"}, ipv6=True, start=False)
    here.ec2.refuse("CreateNetworkInterface", "UnauthorizedOperation")
    assert kinds(here.node.start(0)) == [("adopt-eni", True), ("add-cidrs", True), ("create-eni", False)]


def test_a_cordoned_ipv6_node_attaches_no_eni(world, kinds):
    here = world(TWO_CARDS, IPV6 | {"ENABLE_MULTI_NIC": "true"}, ipv6=True, start=False)
    here.node.cordoned = True
    assert kinds(here.node.start(0)) == [("adopt-eni", True), ("add-cidrs", True)]


# --- several network cards -------------------------------------------------------------------------------------------------------


def test_only_the_default_card_is_managed_unless_multi_nic_is_on(world):
    here = world("p5.48xlarge")
    assert len(here.node.datastores) == 1
    assert here.node.view(0).eni_limit == 2


def test_each_managed_card_has_its_own_pool(world):
    here = world("p5.48xlarge", {"ENABLE_MULTI_NIC": "true", "WARM_ENI_TARGET": "1"})
    assert [datastore.network_card for datastore in here.node.datastores] == list(range(32))
    here.settle()
    assert here.shape(0) == {0: 49}
    # On the further cards WARM_IP_TARGET and MINIMUM_IP_TARGET are 1, whatever the variables say.
    assert all(here.shape(card) == {0: 1} for card in range(1, 32))
    (on_31,) = here.assign("a", network_card=31)
    assert on_31.network_card == 31
    assert here.node.stats(here.now_ns, 31).assigned_count == 1
    assert here.node.stats(here.now_ns).assigned_count == 0
    here.run(here.now_ns // S + 5)
    assert here.shape(31) == {0: 2}
    here.check_agreement()


def with_efa_only_eni(world, *, beside=0, variables=None):
    """A node with an EFA-only ENI on card 1, and ENIs with addresses beside it."""
    limits = InstanceLimits(instance_type="cards.test", eni_limit=3, ipv4_per_eni=4, network_cards=(3, 3, 3))
    here = world(limits, start=False)
    instance_id = here.model.launch_instance(limits, here.subnet_id, now_ns=0).instance_id
    here.settings = here.settings.with_variables({"ENABLE_MULTI_NIC": "true"} | (variables or {}))
    here.node = Node(limits, here.settings, here.ec2, subnet_id=here.subnet_id, instance_id=instance_id)
    here.foreign_eni(interface_type="efa-only", network_card=1)
    for _ in range(beside):
        here.foreign_eni(network_card=1, tags=here.own_tags())
    here.start()
    return here


def test_a_card_whose_only_eni_is_efa_only_is_not_managed(world):
    here = with_efa_only_eni(world)
    assert [datastore.network_card for datastore in here.node.datastores] == [0, 2]
    here.settle()
    assert here.node.stats(here.now_ns, 2).total_count == 1
    with pytest.raises(InvalidArgument, match=r"network card 1 is not managed: the cards of node i-\d+ are 0, 2"):
        here.assign("a", network_card=1)
    assert len(here.attached(1)) == 1
    assert here.assign("b", network_card=2)[0].network_card == 2


def test_a_restore_names_the_cards_that_are_managed(world):
    here = with_efa_only_eni(world)
    here.restart({"ENABLE_MULTI_NIC": "true"}, journals=[MemoryJournal(), MemoryJournal(), MemoryJournal()])
    restart = here.node.restore(0)
    assert (len(restart.cards), restart.network_cards) == (2, (0, 2))
    assert [line.split(":")[0] for line in str(restart).split("; network")] == ["network card 0", " card 2"]


def test_an_efa_only_eni_beside_another_takes_room_on_its_card(world):
    here = with_efa_only_eni(world, beside=1)
    assert [datastore.network_card for datastore in here.node.datastores] == [0, 1, 2]
    here.settle()
    assert here.node.stats(here.now_ns, 1).total_count == 1
    assert here.node.view(here.now_ns, 1).unmanaged_eni_count == 1
    assert here.node.managed_eni_limit(1) == 2


def test_a_card_with_an_efa_only_eni_and_an_unmanaged_one_is_not_managed(world):
    here = with_efa_only_eni(world, beside=0, variables={"MANAGE_UNTAGGED_ENI": "false"})
    here.foreign_eni(network_card=1)
    here.restart({"ENABLE_MULTI_NIC": "true", "MANAGE_UNTAGGED_ENI": "false"})
    here.start()
    assert [datastore.network_card for datastore in here.node.datastores] == [0, 2]


def test_on_a_card_above_0_a_prefix_without_pods_goes_and_comes_every_30_s(world):
    # ipamd counts the surplus there in addresses.
    here = world(TWO_CARDS, {"ENABLE_MULTI_NIC": "true", "ENABLE_PREFIX_DELEGATION": "true"})
    on_card = [(action.at_ns // S, action.kind.value) for action in here.run(100) if action.network_card == 1]
    assert [at_s for at_s, kind in on_card if kind == "release-cidrs"] == [5, 35, 65, 95]
    assert [at_s for at_s, kind in on_card if kind == "add-cidrs"] == [10, 40, 70, 100]
    here.assign("a", network_card=1)
    assert [action for action in here.run(200) if action.network_card == 1] == []


@pytest.mark.parametrize("name", ["limits", "settings", "mode", "max_pods", "max_pods_by"])
def test_what_a_node_is_made_with_can_be_read_but_not_replaced(name):
    ec2 = Ec2Model()
    subnet = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.0.0/24")
    node = Node("m5.large", Settings(), ec2, subnet_id=subnet.subnet_id)
    with pytest.raises(AttributeError):
        setattr(node, name, getattr(node, name))
