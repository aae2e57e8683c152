"""A node as the library sees it: what pods can have, how far it grows, what is left in its subnets."""

import contextlib

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.ec2.api import Ec2Error
from vpcipam.errors import InvalidArgument, SettingsError
from vpcipam.inspection.survey import survey
from vpcipam.limits import InstanceLimits
from vpcipam.node.interfaces import NO_MANAGE_TAG, SUBNET_ROLE_TAG
from vpcipam.settings import Settings
from vpcipam.warmpool import SlotRequest

PREFIXES = {"ENABLE_PREFIX_DELEGATION": "true"}
IPV6 = {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}
CUSTOM = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}
TWO_CARDS = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 1))


# --- addresses ---------------------------------------------------------------------------------------------------------


@given(
    st.sampled_from(["t3.small", "m5.large"]),
    st.sampled_from([{}, PREFIXES, {"WARM_IP_TARGET": "3"}, {**PREFIXES, "WARM_IP_TARGET": "20"}, {"MAX_ENI": "2"}, IPV6]),
    st.integers(0, 8),
)
def test_the_survey_counts_what_the_node_counts(account, name, variables, pods):
    here = account(name, variables, pods=pods, ipv6=variables is IPV6, cidr="10.0.0.0/22")
    seen = here.survey()
    counted = here.node.stats(here.now_ns)
    assert seen.address_count == counted.total_count
    assert seen.mode is here.node.mode
    assert seen.max_pods == here.node.max_pods
    view = here.node.view(here.now_ns)
    (card,) = seen.cards
    assert (card.eni_limit, card.eni_count) == (view.eni_limit, len(view.enis))
    assert card.eni_room == (0 if variables is IPV6 else view.eni_room)
    assert {each.eni.eni_id: each.slot_count for each in seen.enis} == {eni.eni_id: eni.slot_count for eni in view.enis}
    assert {each.eni.eni_id: each.address_count for each in seen.enis} == {eni.eni_id: eni.total_count for eni in view.enis}


@pytest.mark.parametrize(
    ("variables", "limit"),
    [
        ({}, 3 * 3),
        (PREFIXES, 3 * 3 * 16),
        ({"MAX_ENI": "2"}, 2 * 3),
        ({"ENABLE_POD_ENI": "true"}, 3 * 3),  # a t3 takes no trunk
        (CUSTOM, 2 * 3),
        ({"DISABLE_NETWORK_RESOURCE_PROVISIONING": "true"}, 0),
    ],
)
def test_a_full_node_has_all_slots_that_pods_can_use(account, variables, limit):
    here = account("t3.small", variables, start=False)
    assert here.survey().address_limit == limit


@pytest.mark.parametrize(("instance_type", "limit", "expected"), [("m5.large", 2 * 9, True), ("t3.large", 3 * 11, False)])
def test_room_is_kept_for_a_trunk_on_types_that_take_one(account, instance_type, limit, expected):
    here = account(instance_type, {"ENABLE_POD_ENI": "true"}, start=False)
    seen = here.survey()
    assert (seen.address_limit, seen.cards[0].trunk_expected) == (limit, expected)
    here.attach(interface_type="trunk", device_index=2)
    seen = here.survey()
    assert (seen.address_limit, seen.cards[0].trunk_expected) == (limit if expected else limit - 11, False)


def test_cidrs_of_the_primary_eni_under_custom_networking_count_as_in_a_node(account):
    here = account("t3.small", {"WARM_IP_TARGET": "2"})
    assert here.survey(CUSTOM).address_limit == 2 * 3 + 2


def test_an_ipv6_node_has_its_one_prefix_and_never_grows(account):
    seen = account("m5.large", IPV6, ipv6=True).survey()
    assert seen.address_count == seen.address_limit == 1 << 48
    assert seen.cards[0].growth is None
    assert seen.new_eni_subnets == ()
    assert [each.slot_count for each in seen.enis] == [1]


def test_max_pods_can_be_given(account):
    here = account("m5a.4xlarge")
    seen = [here.survey(**arguments) for arguments in ({}, {"max_pods": 7}, {"max_pods_by": "ami"})]
    assert [(each.max_pods, each.max_pods_by) for each in seen] == [(110, "managed-node-group"), (7, None), (234, "ami")]
    assert [each.to_dict()["max_pods_by"] for each in seen] == ["managed-node-group", None, "ami"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_pods": 0}, "max_pods must be 1 or more, not 0"),
        ({"max_pods_by": "eks"}, "must be one of managed-node-group, ami, karpenter, not 'eks'"),
        ({"max_pods": 7, "max_pods_by": "ami"}, "leave out max_pods or max_pods_by"),
    ],
)
def test_wrong_max_pods_are_refused(account, arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        account().survey(**arguments)


def test_settings_that_ipamd_refuses_are_refused(account):
    with pytest.raises(SettingsError, match="both on"):
        account().survey({"ENABLE_IPv6": "true"})


def test_settings_default_to_the_shipped_manifest(account):
    assert survey(account().read()).settings == Settings()


# --- ENIs and cards ------------------------------------------------------------------------------------------------------


def test_enis_are_classified(account):
    here = account("m5.xlarge", {"MANAGE_UNTAGGED_ENI": "true"}, pods=1)
    here.attach(interface_type="trunk")
    here.attach(tags=((NO_MANAGE_TAG, "true"),))
    seen = here.survey()
    assert [(each.kind, each.managed, each.device_index) for each in seen.enis] == [
        ("primary", True, 0),
        ("secondary", True, 1),
        ("trunk", True, 2),
        ("secondary", False, 3),
    ]
    assert seen.primary is seen.enis[0]
    assert seen.cards[0].eni_room == 0


def test_a_card_above_0_is_managed_only_with_multi_nic(account):
    here = account(TWO_CARDS, start=False)
    here.attach(network_card=1, device_index=0, secondary_ip_count=2)
    node = here.read(find_limits=lambda _: TWO_CARDS)
    alone, both = survey(node), survey(node, Settings().with_variables({"ENABLE_MULTI_NIC": "true"}))
    assert [card.managed for card in alone.cards] == [True, False]
    assert (alone.address_count, both.address_count) == (0, 2)
    assert (alone.address_limit, both.address_limit) == (2 * 3, 3 * 3)
    assert alone.cards[1].growth is None
    assert both.cards[1].growth is not None
    assert [each.managed for each in both.enis] == [True, True]


def test_a_card_whose_only_eni_is_efa_only_is_not_managed(account):
    here = account(TWO_CARDS, start=False)
    here.attach(network_card=1, device_index=1, interface_type="efa-only")
    multi_nic = Settings().with_variables({"ENABLE_MULTI_NIC": "true"})
    seen = survey(here.read(find_limits=lambda _: TWO_CARDS), multi_nic)
    assert [card.managed for card in seen.cards] == [True, False]
    assert [(each.kind, each.managed) for each in seen.enis] == [("primary", True), ("efa-only", False)]
    assert (seen.cards[1].eni_room, seen.cards[1].address_limit, seen.cards[1].growth) == (0, 0, None)


def test_a_card_grows_to_the_lower_of_its_own_limit_and_that_of_the_default_card(account):
    unlike = InstanceLimits(instance_type="x9.unlike", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 1, 5))
    node = account(unlike, start=False).read(find_limits=lambda _: unlike)
    seen = survey(node, Settings().with_variables({"ENABLE_MULTI_NIC": "true"}))
    assert [(card.type_limit, card.eni_limit, card.eni_room) for card in seen.cards] == [(2, 2, 1), (1, 1, 1), (5, 2, 2)]


def test_in_imds_only_mode_no_tag_of_an_eni_counts(account):
    here = account("m5.large", start=False)
    here.attach(tags=(("node.k8s.amazonaws.com/no_manage", "true"),))
    assert [each.managed for each in here.survey().enis] == [True, False]
    assert [each.managed for each in here.survey({"ENABLE_IMDS_ONLY_MODE": "true"}).enis] == [True, True]


def test_where_a_new_eni_goes_is_unknown_if_the_own_subnet_is_not_shown(account):
    here = account("t3.small", start=False)
    for variables in ({}, {"ENABLE_SUBNET_DISCOVERY": "false"}):
        seen = here.survey(variables, change=lambda node: attrs.evolve(node, subnets=()))
        assert (seen.new_eni_subnets, seen.lacks_eni_subnet) == ((), False)


def test_an_unknown_card_has_no_limit(account, eni_changed):
    seen = account(pods=3).survey(change=eni_changed(1, attachment={"network_card_index": 5}))
    assert [(card.network_card, card.type_limit, card.eni_count) for card in seen.cards] == [(0, 3, 1), (5, 0, 1)]


def test_cidrs_that_a_datastore_refuses_are_left_out(account, eni_changed):
    here = account(pods=3)
    whole = here.survey()
    twice = here.survey(change=eni_changed(1, secondary_ips=whole.enis[0].eni.secondary_ips))
    assert twice.address_count == whole.address_count - 3
    placed = here.survey(change=eni_changed(1, attachment={"device_index": 0}))
    assert placed.address_count == whole.address_count - 3
    assert here.survey(change=eni_changed(1, secondary_ips=("10.0.0.300",))).address_count == whole.address_count - 3


# --- growth --------------------------------------------------------------------------------------------------------------


def test_growth_is_the_request_of_a_node_whose_addresses_are_all_assigned(account):
    here = account("t3.small", {"WARM_IP_TARGET": "2"})
    primary = here.node.datastores[0].eni_ids[0]
    growth = here.survey().cards[0].growth
    assert growth.requests == (SlotRequest(primary, 1),)
    assert growth.new_eni_slots == 2
    assert growth.reason == "available 0 < WARM_IP_TARGET 2: 2 short"


def test_a_node_with_as_many_addresses_as_max_pods_does_not_grow(account):
    assert account("t3.small").survey(max_pods=3).cards[0].growth is None


def test_the_subnet_of_new_enis_is_the_one_that_a_node_chooses(account):
    here = account("t3.small", pods=0, start=False)
    roomy = here.subnet("10.0.16.0/20", tags=((SUBNET_ROLE_TAG, "1"),))
    here.subnet("10.0.2.0/24", tags=((SUBNET_ROLE_TAG, "0"),))
    here.subnet("10.0.3.0/24")
    assert [subnet.subnet_id for subnet in here.survey().new_eni_subnets] == [roomy, here.subnet_id]
    here.run("t3.small", 3)
    assert here.survey().enis[1].eni.subnet_id == roomy
    assert [subnet.subnet_id for subnet in here.survey({"ENABLE_SUBNET_DISCOVERY": "false"}).new_eni_subnets] == [here.subnet_id]
    assert [subnet.subnet_id for subnet in here.survey(CUSTOM).new_eni_subnets] == [roomy]


def test_enis_in_the_own_subnet_or_in_several_do_not_tell_the_subnet_of_an_eni_config(account):
    here = account("m5.large", pods=3)
    assert len(here.survey().enis) == 2
    assert here.survey(CUSTOM).new_eni_subnets == ()
    here.attach(subnet_id=here.subnet("10.0.2.0/24"), description="aws-K8S-i")
    assert here.survey(CUSTOM).new_eni_subnets == ()


def test_a_missing_home_subnet_is_no_candidate_for_enis(account):
    here = account()
    seen = here.survey(change=lambda node: attrs.evolve(node, subnets=()))
    assert seen.new_eni_subnets == ()
    assert seen.subnets == ()
    assert here.survey(change=lambda node: attrs.evolve(node, enis=())).new_eni_subnets == ()


# --- subnets -------------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=12), st.booleans(), st.integers(0, 3))
def test_the_bound_on_prefixes_is_exact_without_reservations(account, wanted, scattered, seed):
    here = account(cidr="10.0.0.0/24", address_choice="random" if scattered else "lowest", seed=seed)
    for ips, prefixes in wanted:
        with contextlib.suppress(Ec2Error):  # a full subnet is as good
            here.create(**({"ipv4_prefix_count": prefixes} if prefixes else {"secondary_ip_count": ips}))
    (subnet,) = here.survey().subnets
    space = here.model._account.subnets[here.subnet_id].addresses
    assert subnet.free_prefix_bound == space.free_prefix_count
    assert subnet.unseen_count == 0
    assert subnet.free_count == space.free_count


def test_addresses_of_a_reservation_that_is_not_known_count_as_unseen(account):
    here = account(start=False)
    here.model.create_subnet_cidr_reservation(here.subnet_id, "10.0.0.64/26", reservation_type="explicit", now_ns=0)
    (subnet,) = here.survey(change=lambda node: attrs.evolve(node, reservations=None)).subnets
    assert subnet.unseen_count == 64
    assert subnet.free_prefix_bound == 14
    (subnet,) = here.survey().subnets
    assert (subnet.unseen_count, subnet.free_prefix_bound) == (0, 10)


@pytest.mark.parametrize(("cidr", "bound"), [("10.0.0.0/28", 0), ("10.0.0.0/27", 0), ("10.0.0.0/26", 2)])
def test_the_first_and_the_last_prefix_of_a_subnet_are_never_free(account, cidr, bound):
    assert account(cidr=cidr, start=False).survey().subnets[0].free_prefix_bound == bound


def test_changes_during_the_reading_give_no_negative_counts(account):
    here = account(pods=3)
    node = here.read()
    subnet = attrs.evolve(node.subnets[0], available_ip_address_count=251)
    assert survey(attrs.evolve(node, subnets=(subnet,))).subnets[0].unseen_count == 0


def test_a_subnet_or_eni_with_an_invalid_address_is_left_out(account):
    here = account()
    node = here.read()
    broken = attrs.evolve(node.subnets[0], cidr="10.0.0.0/99")
    assert survey(attrs.evolve(node, subnets=(broken,))).subnets == ()
    efa_only = attrs.evolve(node.enis[0], eni_id="eni-efa", private_ip="", secondary_ips=(), interface_type="efa-only")
    odd = attrs.evolve(efa_only, private_ip="10.0.0.400")
    more = {here.subnet_id: (*node.enis_by_subnet[here.subnet_id], efa_only, odd)}
    assert survey(attrs.evolve(node, enis_by_subnet=more)).subnets == survey(node).subnets


def test_the_json_object_has_tags_as_objects_and_no_second_list_of_enis(account):
    here = account(pods=3)
    here.leave()
    document = here.survey().to_dict()
    assert "network_interfaces" not in document["instance"]
    assert document["enis"][1]["eni"]["tags"]["node.k8s.amazonaws.com/instance_id"] == here.instance_id
    assert document["unattached"][0]["tags"]["node.k8s.amazonaws.com/instance_id"] == here.instance_id
    assert document["subnets"][0]["subnet"]["tags"] == {}
    assert document["address_count"] == 6
