"""Growth on EC2: the calls in their order, and the effect of each refusal (docs/ipamd.md, "Growing the pool")."""

import contextlib

import pytest

from vpcipam.errors import PoolExhausted
from vpcipam.limits import InstanceLimits
from vpcipam.node import Node

S = 1_000_000_000
LIMIT = "PrivateIpAddressLimitExceeded"
NO_ADDRESS = "InsufficientFreeAddressesInSubnet"
NO_PREFIX = "InsufficientCidrBlocks"
NEW_ENI = [
    "DescribeSubnets",
    "CreateNetworkInterface",
    "DescribeInstances",
    "AttachNetworkInterface",
    "ModifyNetworkInterfaceAttribute",
    "InstanceMetadata",
]


def growing(world, variables=None, instance_type="t3.small", **arguments):
    """A node whose first ENI is full of pods, so that the next tick needs more."""
    here = world(instance_type, {"WARM_ENI_TARGET": "1"} | (variables or {}), **arguments)
    here.pods(here.node.stats(0).total_count)
    return here


# --- the calls -------------------------------------------------------------------------------------------------------------------


def test_a_new_eni_takes_these_calls_in_this_order(world):
    here = growing(world)
    (action,) = here.tick(5)[:1]
    assert here.ec2.log[:6] == NEW_ENI
    assert action.done
    assert action.grew
    assert len(action.cidrs) == 3
    assert str(action) == f"create-eni {action.eni_id} (3 CIDRs): available 0 < WARM_ENI_TARGET 1 × 3 addresses"


def test_without_subnet_discovery_the_tags_of_the_own_subnet_are_read_before_a_new_eni(world):
    here = growing(world, {"ENABLE_SUBNET_DISCOVERY": "false"})
    here.tick(5)
    assert here.ec2.log[:6] == NEW_ENI


def test_a_new_eni_is_tagged_and_set_to_be_deleted_on_termination(world):
    here = growing(world)
    here.tick(5)
    eni = here.attached()[here.eni_at(1)]
    assert eni.tags == (("node.k8s.amazonaws.com/createdAt", "1970-01-01T00:00:05Z"), *here.own_tags())
    assert eni.description == f"aws-K8S-{here.node.instance_id}"
    assert eni.attachment.delete_on_termination
    assert eni.attachment.device_index == 1


def test_a_new_eni_takes_the_lowest_free_device_index(world):
    here = growing(world)
    other = here.foreign_eni(tags=(("node.k8s.amazonaws.com/no_manage", "true"),), device_index=1)
    here.tick(5)
    assert here.attached()[other].attachment.device_index == 1
    assert set(here.shape()) == {0, 2}


@pytest.mark.parametrize(
    ("variables", "pods", "wanted"),
    [
        ({"WARM_IP_TARGET": "2"}, 2, {"secondary_ip_count": 2}),
        ({"WARM_IP_TARGET": "17", "ENABLE_PREFIX_DELEGATION": "true"}, 16, {"ipv4_prefix_count": 1}),
        ({"WARM_PREFIX_TARGET": "3", "ENABLE_PREFIX_DELEGATION": "true"}, 17, {"ipv4_prefix_count": 2}),
    ],
)
def test_more_slots_take_one_call(world, variables, pods, wanted):
    here = world("m5.large", variables)
    here.pods(pods)
    (action,) = here.tick(5)[:1]
    assert here.ec2.log[0] == "AssignPrivateIpAddresses"
    assert here.ec2.arguments[0][2] == wanted | {"now_ns": 5 * S}
    assert len(action.cidrs) == next(iter(wanted.values()))


def test_at_most_one_growing_action_in_a_tick(world, kinds):
    here = world("m5.large", {"WARM_IP_TARGET": "20"})  # 9 at the start
    assert kinds(here.started)[-1:] == [("add-cidrs", True)]
    assert here.shape() == {0: 9}
    assert kinds(here.tick(5))[:1] == [("create-eni", True)]
    assert here.shape() == {0: 9, 1: 9}
    assert kinds(here.tick(10))[:1] == [("create-eni", True)]
    assert here.shape() == {0: 9, 1: 9, 2: 2}
    assert here.tick(15) == ()


@pytest.mark.parametrize("prefixes", ["false", "true"])
def test_no_pod_gets_the_primary_ip_of_an_eni(world, prefixes):
    here = world("t3.small", {"WARM_ENI_TARGET": "3", "WARM_PREFIX_TARGET": "9", "ENABLE_PREFIX_DELEGATION": prefixes}, max_pods=200)
    here.settle()
    assert len(here.attached()) == 3
    held = {each.address for each in here.pods(here.node.stats(here.now_ns).total_count)}
    assert held.isdisjoint(eni.private_ip for eni in here.attached().values())


# --- refusals of more slots ------------------------------------------------------------------------------------------------------


def test_a_refused_batch_is_retried_with_one_address(world):
    here = world("m5.large", {"WARM_IP_TARGET": "3"})
    here.assign("a", "b")
    here.ec2.refuse("AssignPrivateIpAddresses", "UnauthorizedOperation")
    (action,) = here.tick(5)[:1]
    counts = [arguments[2]["secondary_ip_count"] for arguments in here.ec2.arguments if arguments[0] == "AssignPrivateIpAddresses"]
    assert counts == [2, 1]
    assert action.done
    assert here.shape() == {0: 4}


def test_a_subnet_with_one_address_left_gives_one(world):
    here = world("m5.large", {"WARM_IP_TARGET": "3"})
    here.assign("a", "b")
    here.fill_subnet(1)
    (action,) = here.tick(5)[:1]
    assert action.grew
    assert here.free() == 0
    assert here.shape() == {0: 4}


def test_a_refused_retry_is_reported(world):
    here = world("m5.large", {"WARM_IP_TARGET": "3"})
    here.assign("a", "b")
    here.ec2.refuse("AssignPrivateIpAddresses", "UnauthorizedOperation", "not allowed", times=2)
    (action,) = here.tick(5)[:1]
    assert (action.done, action.grew, action.out_of_addresses, action.cidrs) == (False, False, False, ())
    assert action.error == "AssignPrivateIpAddresses: UnauthorizedOperation: not allowed"
    assert str(action).endswith("2 short — refused: AssignPrivateIpAddresses: UnauthorizedOperation: not allowed")
    assert here.shape() == {0: 3}
    assert here.tick(10)[0].grew  # no pause for a refusal that is not about addresses
    here.check_agreement()


@pytest.mark.parametrize("refusals", [1, 2])
def test_an_eni_that_ec2_says_is_full_is_read_back(world, refusals, kinds):
    # The batch, or the single one after another refusal, is answered with the limit.
    here = world("t3.small", {"WARM_IP_TARGET": "1"})
    here.assign("a")
    eni_id = here.eni_at(0)
    here.model.assign_private_ip_addresses(eni_id, secondary_ip_count=2, now_ns=0)
    if refusals == 2:
        here.ec2.refuse("AssignPrivateIpAddresses", "UnauthorizedOperation")
    actions = here.tick(5)
    assert kinds(actions)[:1] == [("add-cidrs", True)]
    assert len(actions[0].cidrs) == 2
    assert here.ec2.log[: refusals + 1] == ["AssignPrivateIpAddresses"] * refusals + ["DescribeNetworkInterfaces"]
    here.check_agreement()


def test_reading_a_full_eni_back_drops_its_missing_addresses(world, kinds):
    here = world("t3.small", {"WARM_IP_TARGET": "1"})
    (first,) = here.assign("a")
    eni_id = here.eni_at(0)
    here.model.assign_private_ip_addresses(eni_id, secondary_ip_count=2, now_ns=0)
    here.model.unassign_private_ip_addresses(eni_id, addresses=[first.address], now_ns=0)
    here.model.assign_private_ip_addresses(eni_id, secondary_ip_count=1, now_ns=0)  # the same address, given back to the same ENI
    here.model.unassign_private_ip_addresses(eni_id, addresses=[first.address], now_ns=0)
    here.model.create_network_interface(subnet_id=here.subnet_id, now_ns=0)  # takes it
    here.model.assign_private_ip_addresses(eni_id, secondary_ip_count=1, now_ns=0)
    actions = here.tick(5)
    assert kinds(actions)[:2] == [("drop-cidrs", True), ("add-cidrs", True)]
    assert actions[0].cidrs == (f"{first.address}/32",)
    assert actions[0].evicted == (first,)
    assert here.shape() == {0: 3}
    here.check_agreement()


def test_an_eni_that_cannot_be_read_back_stays_as_it_is(world):
    here = world("t3.small", {"WARM_IP_TARGET": "1"})
    here.assign("a")
    here.ec2.refuse("AssignPrivateIpAddresses", LIMIT)
    here.ec2.refuse("DescribeNetworkInterfaces")
    (action,) = here.tick(5)[:1]
    assert action.error.startswith("DescribeNetworkInterfaces: UnauthorizedOperation")
    assert here.shape() == {0: 1}


# --- out of addresses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [NO_ADDRESS, NO_PREFIX])
def test_without_subnet_discovery_out_of_addresses_pauses_growth_for_120_s(world, kinds, code):
    here = world("t3.small", {"WARM_IP_TARGET": "1", "MAX_ENI": "1", "ENABLE_SUBNET_DISCOVERY": "false"})
    here.run(60)
    here.assign("a")
    here.ec2.refuse("AssignPrivateIpAddresses", code, times=2)
    (action,) = here.tick(65)
    assert action.out_of_addresses
    assert here.shape() == {0: 1}
    assert [kinds(here.tick(at_s)) for at_s in (70, 125, 180)] == [[], [], []]
    assert here.node.tick(185 * S - 1) == ()
    assert kinds(here.tick(185)) == [("add-cidrs", True)]


@pytest.mark.parametrize("code", [NO_ADDRESS, NO_PREFIX])
def test_with_subnet_discovery_out_of_addresses_for_slots_does_not_pause_growth(world, kinds, code):
    here = world("t3.small", {"WARM_IP_TARGET": "1", "MAX_ENI": "1"})
    here.run(60)
    here.assign("a")
    here.ec2.refuse("AssignPrivateIpAddresses", code, times=2)
    (action,) = here.tick(65)
    assert (action.done, action.out_of_addresses) == (False, True)
    assert kinds(here.tick(70)) == [("add-cidrs", True)]


def test_a_node_in_a_full_subnet_asks_every_5_s_and_takes_a_freed_address_at_once(world, kinds):
    here = world("t3.small", {"WARM_IP_TARGET": "1", "MAX_ENI": "1"})
    here.assign("a")
    here.fill_subnet(0)
    here.ec2.log.clear()
    here.run(600)
    assert here.ec2.log.count("AssignPrivateIpAddresses") == 240  # at each tick the batch, then a single address
    here.empty_subnets()
    assert kinds(here.tick(605))[:1] == [("add-cidrs", True)]
    assert here.shape() == {0: 2}


@pytest.mark.parametrize("discovery", ["true", "false"])
def test_out_of_addresses_for_a_new_eni_pauses_growth_for_120_s(world, kinds, discovery):
    here = growing(world, {"ENABLE_SUBNET_DISCOVERY": discovery})
    here.ec2.refuse("CreateNetworkInterface", NO_ADDRESS)
    assert kinds(here.tick(5))[:1] == [("create-eni", False)]
    assert "create-eni" not in [kind for kind, _ in kinds(here.run(120))]
    assert kinds(here.tick(125))[:1] == [("create-eni", True)]


def test_the_pause_outlasts_growth_that_began_before_it(world, kinds):
    # Card 1 answers after card 0's subnet was found full: that ends no pause, as in ipamd.
    limits = InstanceLimits(instance_type="cards.test", eni_limit=1, ipv4_per_eni=4, network_cards=(1, 1))
    here = world(limits, {"ENABLE_MULTI_NIC": "true", "WARM_IP_TARGET": "1", "ENABLE_SUBNET_DISCOVERY": "false"})
    here.run(30)
    here.assign("p0")
    here.ec2.refuse("AssignPrivateIpAddresses", NO_ADDRESS, times=2)
    here.tick(35)
    here.assign("p1", network_card=1)
    assert kinds(here.run(150)) == []
    assert kinds(here.tick(155)) == [("add-cidrs", True), ("add-cidrs", True)]


def test_growth_elsewhere_does_not_pause(world, kinds):
    # The first ENI's subnet is full, a tagged one has room: the new ENI goes there.
    here = world("t3.small", {"WARM_IP_TARGET": "2"}, cidr="10.0.0.0/28")
    other = here.subnet("10.0.1.0/24", tags=(("kubernetes.io/role/cni", "1"),))
    here.fill_subnet(0)
    here.assign("a", "b")
    actions = here.tick(5)
    assert kinds(actions)[:2] == [("add-cidrs", False), ("create-eni", True)]
    assert actions[0].out_of_addresses
    assert here.attached()[here.eni_at(1)].subnet_id == other
    here.assign("c", "d")
    assert kinds(here.tick(10))[:2] == [("add-cidrs", False), ("add-cidrs", True)]


def test_with_subnet_discovery_the_next_eni_is_tried(world, kinds):
    here = world("m5.large", {"WARM_IP_TARGET": "1"})
    other = here.subnet("10.0.1.0/24", tags=(("kubernetes.io/role/cni", "1"),))
    here.foreign_eni(tags=here.own_tags(), subnet_id=other)
    here.node.reconcile(0)
    here.fill_subnet(0)
    here.assign("a")
    assert kinds(here.tick(5))[:2] == [("add-cidrs", False), ("add-cidrs", True)]
    assert here.shape() == {0: 1, 1: 1}
    assert here.ec2.log.count("AssignPrivateIpAddresses") == 3  # twice on the first, once on the second
    here.check_agreement()


def test_with_subnet_discovery_another_refusal_does_not_move_on(world, kinds):
    here = world("m5.large", {"WARM_IP_TARGET": "1"})
    here.foreign_eni(tags=here.own_tags())
    here.node.reconcile(0)
    here.assign("a")
    here.ec2.refuse("AssignPrivateIpAddresses", times=2)
    assert kinds(here.tick(5)) == [("add-cidrs", False)]


def test_without_subnet_discovery_out_of_addresses_does_not_move_on(world, kinds):
    here = world("m5.large", {"WARM_IP_TARGET": "1", "ENABLE_SUBNET_DISCOVERY": "false"})
    here.foreign_eni(tags=here.own_tags())
    here.node.reconcile(0)
    here.assign("a")
    here.ec2.refuse("AssignPrivateIpAddresses", NO_ADDRESS, times=2)
    assert kinds(here.tick(5)) == [("add-cidrs", False)]


def test_a_fragmented_subnet_pauses_growth_with_prefixes(world, kinds):
    variables = {"ENABLE_PREFIX_DELEGATION": "true", "MAX_ENI": "1", "ENABLE_SUBNET_DISCOVERY": "false"}
    here = world("t3.small", variables, cidr="10.0.0.0/27")  # no /28 but the reserved ones
    assert kinds(here.started) == [("adopt-eni", True), ("add-cidrs", False)]
    assert here.started[-1].out_of_addresses
    assert here.run(115) == []
    assert kinds(here.tick(120)) == [("add-cidrs", False)]


@pytest.mark.parametrize(("leave", "out"), [(0, True), (1, True), (3, True), (4, False)])
def test_a_new_eni_needs_room_for_its_primary_ip_and_all_its_slots(world, kinds, leave, out):
    here = growing(world, cidr="10.0.0.0/26")
    here.fill_subnet(leave)
    actions = here.tick(5)
    assert kinds(actions)[:1] == [("create-eni", not out)]
    assert actions[0].out_of_addresses == out
    if out:
        assert here.attached().keys() == {here.eni_at(0)}
    here.check()


# --- refusals on the way to a new ENI --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["DescribeInstances", "AttachNetworkInterface"])
def test_an_eni_that_cannot_be_attached_is_deleted(world, action, kinds):
    here = growing(world)
    here.ec2.refuse(action, "AttachmentLimitExceeded")
    free = here.free()
    actions = here.tick(5)
    assert kinds(actions)[:1] == [("create-eni", False)]
    assert (actions[0].eni_id, actions[0].cidrs) == (None, ())
    assert str(actions[0]).startswith("create-eni a new ENI: ")
    assert "DeleteNetworkInterface" in here.ec2.log
    assert here.free() == free
    here.check_agreement()
    assert here.tick(10)[0].grew


def test_an_eni_that_cannot_be_set_to_be_deleted_on_termination_is_freed(world, kinds):
    here = growing(world)
    here.ec2.refuse("ModifyNetworkInterfaceAttribute")
    free = here.free()
    assert kinds(here.tick(5))[:1] == [("create-eni", False)]
    assert here.ec2.log[4:8] == [
        *("ModifyNetworkInterfaceAttribute", "DescribeNetworkInterfaces", "DetachNetworkInterface", "DeleteNetworkInterface"),
    ]
    assert here.free() == free
    here.check_agreement()


def test_an_eni_that_metadata_does_not_show_yet_is_added_by_a_reconcile(world, kinds):
    here = growing(world)
    here.ec2.metadata = here.model.instance_metadata(here.node.instance_id, now_ns=0)
    actions = here.tick(5)
    assert kinds(actions)[:1] == [("create-eni", False)]
    assert actions[0].error == f"the metadata of {here.node.instance_id} does not show {sorted(here.attached())[1]}"
    here.ec2.metadata = None
    assert kinds(here.node.reconcile(here.now_ns)) == [("adopt-eni", True)]
    here.check_agreement()


def test_max_eni_holds_while_metadata_lags(world):
    here = growing(world, {"MAX_ENI": "2"})
    here.ec2.metadata = here.model.instance_metadata(here.node.instance_id, now_ns=0)
    for at_s in (5, 10, 15):
        here.tick(at_s)
        assert len(here.attached()) == 2
    assert "has 2 ENIs by now, and takes no more" in here.tick(20)[0].error
    here.model._check()


def test_a_new_eni_for_which_the_card_has_no_room_is_deleted(world):
    here = growing(world, {"MAX_ENI": "2"})
    here.ec2.metadata = here.model.instance_metadata(here.node.instance_id, now_ns=0)
    for at_s in (5, 10, 15, 20):
        here.tick(at_s)
    assert len(here.enis()) == len(here.attached()) == 2


def test_a_trunk_that_metadata_does_not_show_yet_is_named_where_it_leaves_no_room(world):
    here = growing(world, {"MAX_ENI": "2"})
    here.foreign_eni(interface_type="trunk")
    here.ec2.metadata = lambda shown: shown[:1]
    assert "has 2 ENIs by now, with the trunk of ENABLE_POD_ENI, and takes no more" in here.tick(5)[0].error


def test_a_new_eni_replaces_a_vanished_one_at_the_same_device_index(world, kinds):
    # Someone deletes device 1, and before a reconcile sees it the node makes a new ENI, which EC2 puts in its place.
    here = growing(world)
    here.tick(5)
    gone = here.eni_at(1)
    (lost,) = here.assign("x")
    assert lost.eni_id == gone
    here.take_away(gone)
    actions = here.tick(10)
    assert kinds(actions)[:2] == [("drop-eni", True), ("create-eni", True)]
    assert actions[0].eni_id == gone
    assert actions[0].evicted == (lost,)
    here.check_agreement()


def test_addresses_that_moved_to_a_new_eni_leave_the_old_one(world, kinds):
    # Two lost addresses of the first ENI go to the new one, one of them as its primary IP, before the node has seen them go.
    here = growing(world)
    _, first, moved = [each for _, each in here.node.datastores[0].assignments()]
    here.model.unassign_private_ip_addresses(moved.eni_id, addresses=[first.address, moved.address], now_ns=0)
    actions = here.tick(5)
    assert kinds(actions) == [("drop-cidrs", True), ("drop-cidrs", True), ("create-eni", True)]
    assert [action.evicted for action in actions] == [(first,), (moved,), ()]
    assert actions[1].reason == f"EC2 has put {moved.address}/32 on {actions[2].eni_id}"
    here.check_agreement()
    assert not {first.address, moved.address} & {each.address for each in here.assign("x")}


CARDS = InstanceLimits(instance_type="cards.test", eni_limit=1, ipv4_per_eni=4, network_cards=(1, 1))


def test_an_address_that_ec2_moves_to_another_card_leaves_the_first(world, kinds):
    # The address leaves card 0 behind the node's back and goes to card 1 at once: at no time do both have it.
    here = world(CARDS, {"ENABLE_MULTI_NIC": "true"})
    here.settle()
    (lost,) = here.assign("a")
    here.model.unassign_private_ip_addresses(lost.eni_id, addresses=[lost.address], now_ns=0)
    here.assign("b", network_card=1)
    moved_s = here.now_ns // S + 5
    actions = here.tick(moved_s)
    assert kinds(actions)[:2] == [("drop-cidrs", True), ("add-cidrs", True)]
    assert actions[0].network_card == 0
    assert actions[0].evicted == (lost,)
    assert actions[1].network_card == 1
    assert actions[1].cidrs == (f"{lost.address}/32",)
    assert here.node.datastores[0].key_of(lost.address) is None
    with pytest.raises(PoolExhausted):  # it cools, on the card where it is now
        here.assign("c", network_card=1)
    here.tick(moved_s + 30)
    assert here.assign("c", network_card=1)[0].address == lost.address


@pytest.mark.parametrize(
    ("discovery", "code", "actions"),
    [
        ("true", NO_ADDRESS, [(0, False), (1, True)]),
        ("false", NO_ADDRESS, [(0, False)]),  # the pause holds at once, for every card
        ("false", "UnauthorizedOperation", [(0, False), (1, True)]),
    ],
)
def test_only_the_pause_of_one_card_stops_a_later_card_in_the_same_tick(world, discovery, code, actions):
    limits = InstanceLimits(instance_type="cards.test", eni_limit=1, ipv4_per_eni=4, network_cards=(1, 1))
    here = world(limits, {"ENABLE_MULTI_NIC": "true", "WARM_IP_TARGET": "1", "ENABLE_SUBNET_DISCOVERY": discovery})
    here.run(30)
    for card in (0, 1):
        here.assign(f"p{card}", network_card=card)
    here.ec2.refuse("AssignPrivateIpAddresses", code, times=2)
    assert [(action.network_card, action.done) for action in here.tick(35)] == actions


# --- which subnet ----------------------------------------------------------------------------------------------------------------

ROLE = "kubernetes.io/role/cni"
OURS, THEIRS = "cni.networking.k8s.aws/cluster/shop", "cni.networking.k8s.aws/cluster/bank"
NO_SUBNET = "the tags of the subnets in us-east-1a allow no new ENI of i-00000000000000001"


@pytest.mark.parametrize(
    ("own_role", "other", "expected"),
    [
        (None, {}, "own"),  # others must be tagged
        (None, {"tags": ((ROLE, "1"),)}, "other"),  # the one with most free addresses
        (None, {"tags": ((ROLE, "0"),)}, "own"),
        (None, {"tags": ((ROLE, "1"),), "zone": "us-east-1b"}, "own"),
        (None, {"tags": ((ROLE, "1"),), "cidr": "10.0.8.0/28"}, "own"),
        ("0", {"tags": ((ROLE, "1"),), "cidr": "10.0.8.0/28"}, "other"),
        (None, {"tags": ((ROLE, ""),)}, "own"),  # an empty role is none
        ("", {}, "own"),
        ("1", {"tags": ((ROLE, "1"),)}, "other"),
    ],
)
def test_subnet_of_a_new_eni_under_discovery(world, own_role, other, expected):
    tags = () if own_role is None else ((ROLE, own_role),)
    here = world("t3.small", {"WARM_IP_TARGET": "4"}, subnet_tags=tags, start=False)
    ids = {"own": here.subnet_id, "other": here.subnet(other.get("cidr", "10.0.2.0/23"), **{k: v for k, v in other.items() if k != "cidr"})}
    here.start()
    here.settle()
    assert {eni.subnet_id for eni in here.attached().values() if eni.attachment.device_index} == {ids[expected]}


@pytest.mark.parametrize(
    ("cluster_name", "tags", "expected"),
    [
        ("shop", [(OURS, "")], "other"),
        ("shop", [(THEIRS, "1")], "own"),
        ("shop", [(THEIRS, ""), (OURS, "")], "other"),
        ("", [(THEIRS, "")], "other"),  # without CLUSTER_NAME ipamd doesn't look at them
    ],
)
def test_a_subnet_of_other_clusters_takes_no_eni(world, cluster_name, tags, expected):
    here = world("t3.small", {"WARM_IP_TARGET": "4", "CLUSTER_NAME": cluster_name}, start=False)
    ids = {"own": here.subnet_id, "other": here.subnet("10.0.2.0/23", tags=((ROLE, "1"), *tags))}
    here.start()
    here.settle()
    assert here.attached()[here.eni_at(1)].subnet_id == ids[expected]


@pytest.mark.parametrize(
    ("own", "slots"),
    [
        (((ROLE, "1"), (THEIRS, "")), {0: 0}),  # excluded: of another cluster alone
        (((ROLE, "0"), (OURS, "")), {0: 0}),
        (((ROLE, "1"), (OURS, "")), {0: 3, 1: 1}),
        (((THEIRS, ""),), {0: 3, 1: 1}),  # without a role ipamd doesn't look at clusters
    ],
)
def test_the_own_subnet_can_be_excluded_by_the_tags_of_clusters(world, own, slots):
    here = world("t3.small", {"WARM_IP_TARGET": "4", "CLUSTER_NAME": "shop"}, subnet_tags=own)
    here.run(60)
    assert here.shape() == slots


def test_without_a_valid_subnet_no_eni_is_made_and_the_node_tries_again_every_5_s(world):
    here = world("t3.small", {"WARM_IP_TARGET": "4"}, subnet_tags=((ROLE, "0"),))
    (refused,) = here.started[1:]
    assert (refused.kind.value, refused.done, refused.out_of_addresses) == ("create-eni", False, False)
    assert refused.error == f"{NO_SUBNET}: tag one {ROLE}=1, or remove the tag of {here.subnet_id}"
    here.run(60)
    assert here.ec2.log.count("DescribeSubnets") == 12
    assert "CreateNetworkInterface" not in here.ec2.log
    assert here.node.next_wakeup(here.now_ns) == 65 * S
    here.subnet("10.0.2.0/23", tags=((ROLE, "1"),))
    assert here.tick(65)[0].grew


@pytest.mark.parametrize(("own_role", "enis"), [("0", 1), ("1", 2), (None, 2)])
def test_without_subnet_discovery_an_own_subnet_tagged_0_gets_no_new_eni(world, own_role, enis):
    tags = () if own_role is None else ((ROLE, own_role),)
    here = world("t3.small", {"WARM_IP_TARGET": "4", "ENABLE_SUBNET_DISCOVERY": "false"}, subnet_tags=tags, start=False)
    here.subnet("10.0.2.0/23", tags=((ROLE, "1"),))
    here.start()
    actions = here.run(60)
    assert {eni.subnet_id for eni in here.attached().values()} == {here.subnet_id}
    assert here.shape() == dict(zip(range(enis), (3, 1), strict=False))  # the slots of its first ENI are filled
    if enis == 1:
        switch = f"{NO_SUBNET}: tag one {ROLE}=1 and set ENABLE_SUBNET_DISCOVERY to true, or remove"
        assert switch in actions[0].error


def test_when_subnets_cannot_be_described_the_own_subnet_is_used_if_its_tags_allow_it(world, kinds):
    # ipamd asks a second time, only to see whether the own subnet is excluded.
    here = growing(world)
    here.subnet("10.0.2.0/23", tags=((ROLE, "1"),))
    here.ec2.refuse("DescribeSubnets")
    assert kinds(here.tick(5))[:1] == [("create-eni", True)]
    assert here.attached()[here.eni_at(1)].subnet_id == here.subnet_id
    assert here.ec2.log.count("DescribeSubnets") == 3  # once more for the new ENI
    here.assign("a")
    here.ec2.refuse("DescribeSubnets", times=2)
    assert here.tick(10)[0].error == "DescribeSubnets: UnauthorizedOperation: refused by the test"
    assert here.tick(15)[0].grew


def test_without_discovery_a_subnet_that_cannot_be_described_is_used(world):
    here = growing(world, {"ENABLE_SUBNET_DISCOVERY": "false"})
    here.ec2.refuse("DescribeSubnets")
    assert here.tick(5)[0].grew


def test_under_custom_networking_no_tag_of_a_subnet_counts_for_a_new_eni(world):
    here = world("t3.small", {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}, subnet_tags=((ROLE, "0"),), start=False)
    other = here.subnet("10.0.2.0/23", zone="us-east-1a")
    here.node = Node("t3.small", here.settings, here.ec2, subnet_id=here.subnet_id, pod_subnet_id=other)
    here.start()
    assert here.attached()[here.eni_at(1)].subnet_id == other


# --- the ENI limit of several cards ----------------------------------------------------------------------------------------------


def test_the_limit_of_the_default_card_holds_for_a_card_that_takes_more(world):
    limits = InstanceLimits(instance_type="cards.test", eni_limit=1, ipv4_per_eni=3, network_cards=(1, 3))
    here = world(limits, {"ENABLE_MULTI_NIC": "true"})
    here.settle()
    for number in range(4):
        with contextlib.suppress(PoolExhausted):
            here.assign(f"p{number}", network_card=1)
        here.run(here.now_ns // S + 10)
    assert here.shape(1) == {0: 2}
    assert here.node.managed_eni_limit(1) == 1


def test_an_eni_that_a_smaller_card_does_not_take_is_deleted_and_tried_again(world, kinds):
    # ipamd counts on 2 ENIs for every card; EC2 refuses the second one on card 1, every 5 s.
    limits = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=3, network_cards=(2, 1))
    here = world(limits, {"ENABLE_MULTI_NIC": "true", "WARM_IP_TARGET": "1"})
    here.run(60)
    for number, at_s in enumerate((65, 70)):
        here.assign(f"p{number}", network_card=1)
        here.run(at_s)
    here.run(75)
    here.ec2.log.clear()
    actions = here.run(135)
    assert kinds(actions) == [("create-eni", False)] * 12
    assert all("AttachmentLimitExceeded" in action.error for action in actions)
    assert here.ec2.log.count("DeleteNetworkInterface") == 12
    assert here.shape(1) == {0: 2}
    assert len(here.enis()) == 2
    here.check_agreement()


def test_the_refusal_of_the_last_subnet_is_reported(world):
    here = growing(world)
    here.subnet("10.0.2.0/23", tags=((ROLE, "1"),))
    here.ec2.refuse("CreateNetworkInterface", "UnauthorizedOperation")
    here.ec2.refuse("CreateNetworkInterface", NO_ADDRESS, "full")
    action = here.tick(5)[0]
    assert action.error == "CreateNetworkInterface: InsufficientFreeAddressesInSubnet: full"
    assert here.ec2.log.count("CreateNetworkInterface") == 2
