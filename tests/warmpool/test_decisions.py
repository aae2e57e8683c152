"""What to add and what to give back; every figure is worked out by hand from docs/ipamd.md, "Growing the pool" to "Freeing ENIs"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool_views import eni, targets, view
from vpcipam.warmpool import FreeEni, Grow, Shrink, SlotRequest, free_eni, grow, shrink, why_kept

S = 1_000_000_000
MINUTE = 60 * S


def asked(decision):
    """The requests of a decision: device number and slots, then the slots of a new ENI."""
    return [(int(each.eni_id.removeprefix("eni-")), each.slot_count) for each in decision.requests], getattr(
        decision, "new_eni_slots", None
    )


# --- grow ------------------------------------------------------------------------------------------------------------------------


def test_a_pool_at_its_target_does_not_grow():
    assert grow(view(eni(0, 9)), targets()) is None
    assert grow(view(eni(0, 9, 4)), targets(5)) is None


@pytest.mark.parametrize(
    ("slots", "pods", "ip_targets", "requests", "new"),
    [
        (0, 0, (0, 0), [(0, 9)], 9),  # without IP targets a whole ENI
        (4, 0, (0, 0), [(0, 5)], 9),  # what is left on the ENI, or a whole new one
        (9, 1, (0, 0), [], 9),
        (0, 0, (5, 0), [(0, 5)], 5),
        (7, 7, (5, 0), [(0, 2)], 5),  # the ENI takes 2 of 5; a new one would take all 5
        (0, 0, (20, 0), [(0, 9)], 9),  # no ENI takes more than its slots
        (9, 9, (20, 0), [], 9),
        (8, 8, (0, 9), [(0, 1)], 1),
        (8, 0, (0, 30), [(0, 1)], 9),
    ],
)
def test_growth_with_single_addresses(slots, pods, ip_targets, requests, new):
    assert asked(grow(view(eni(0, slots, pods)), targets(*ip_targets))) == (requests, new)


@pytest.mark.parametrize(
    ("prefixes", "pods", "ip_targets", "warm_prefix", "requests", "new"),
    [
        (0, 0, (0, 0), 1, [(0, 1)], 1),
        (0, 0, (0, 0), 4, [(0, 4)], 4),
        (0, 0, (0, 0), 0, [(0, 1)], 1),  # at least one
        (2, 17, (0, 0), 1, [(0, 1)], 1),  # no prefix is wholly free: 1 − 0
        (2, 1, (0, 0), 2, [(0, 1)], 1),  # one is: 2 − 1
        (8, 128, (0, 0), 3, [(0, 1)], 3),
        (9, 140, (0, 0), 3, [], 3),
        (1, 15, (18, 0), 1, [(0, 2)], 2),
        (8, 128, (33, 0), 1, [(0, 1)], 3),
        (0, 0, (200, 0), 1, [(0, 9)], 9),
        (9, 144, (200, 0), 1, [], 9),
    ],
)
def test_growth_with_prefixes(prefixes, pods, ip_targets, warm_prefix, requests, new):  # noqa: PLR0917 - fixtures and the columns of a table
    pool = view(eni(0, prefixes, pods, mode="prefix"), mode="prefix", max_pods=10_000)
    assert asked(grow(pool, targets(*ip_targets, warm_prefix=warm_prefix))) == (requests, new)


def test_slots_are_requested_on_enis_in_order_of_device_number():
    pool = view(eni(0, 9, 9), eni(1, 8, 8), eni(2, 3, 3), limit=4)
    assert asked(grow(pool, targets(5))) == ([(1, 1), (2, 5)], 5)


def test_slots_of_the_other_mode_count_as_taken():
    assert asked(grow(view(eni(0, 2, 2, stale=6)), targets(5))) == ([(0, 1)], 5)
    assert asked(grow(view(eni(0, 2, 2, stale=6, stale_pods=3)), targets(5))) == ([], 5)


def test_trunk_and_excluded_enis_get_no_slots():
    pool = view(eni(0, 9, 9), eni(1, 0, trunk=True), eni(2, 3, 1, excluded=True), eni(3), limit=4)
    assert asked(grow(pool, targets(2))) == ([(3, 2)], 0)


def test_an_efa_interface_gets_slots():
    assert asked(grow(view(eni(0, 9, 9), eni(1, efa=True)), targets(2))) == ([(1, 2)], 2)


def test_under_custom_networking_the_primary_eni_gets_no_slots():
    assert asked(grow(view(eni(0), eni(1, 9, 9), custom=True), targets(2))) == ([], 2)
    assert asked(grow(view(eni(0), eni(1, 8, 8), custom=True), targets(2))) == ([(1, 1)], 2)
    assert asked(grow(view(eni(0), custom=False), targets(2))) == ([(0, 2)], 2)


@pytest.mark.parametrize(
    ("limit", "unmanaged", "trunk_expected", "room"),
    [
        (2, 0, False, 0),
        (3, 0, False, 1),
        (3, 1, False, 0),
        (3, 0, True, 0),
        (4, 1, True, 0),
        (4, 0, True, 1),
        (1, 0, False, 0),
        (2, 2, True, 0),
    ],
)
def test_room_for_an_eni(limit, unmanaged, trunk_expected, room):
    pool = view(eni(0, 9, 9), eni(1, 9, 9), limit=limit, unmanaged=unmanaged, trunk_expected=trunk_expected)
    assert pool.eni_room == room
    growth = grow(pool, targets())
    assert growth.new_eni_slots == 9 * room
    assert growth.blocked == (not room)


def test_growth_has_a_reason():
    expected = Grow((SlotRequest("eni-0", 3),), 3, "available 2 < WARM_IP_TARGET 5: 3 short")
    assert grow(view(eni(0, 4, 2)), targets(5)) == expected
    assert not expected.blocked


def test_a_type_without_slots_gets_no_request_for_slots():
    growth = grow(view(eni(0), slots=0, limit=2), targets(3))
    assert growth.requests == ()
    assert growth.new_eni_slots == 0


# --- shrink ----------------------------------------------------------------------------------------------------------------------


def test_a_surplus_is_released_from_the_highest_device_number_down():
    pool = view(eni(0, 9, 2), eni(1, 9, 4), eni(2, 9, 6))
    assert asked(shrink(pool, targets(9)))[0] == [(2, 3), (1, 3)]
    assert asked(shrink(pool, targets(6)))[0] == [(2, 3), (1, 5), (0, 1)]
    assert shrink(pool, targets(15)) is None
    assert asked(shrink(pool, targets(14)))[0] == [(2, 1)]


def test_a_surplus_of_prefixes_is_released_in_whole_prefixes():
    pool = view(eni(0, 2, 3, mode="prefix"), eni(1, 3, 2, mode="prefix", used=2), mode="prefix")
    assert asked(shrink(pool, targets()))[0] == [(1, 1)]
    assert asked(shrink(pool, targets(warm_prefix=0)))[0] == [(1, 1), (0, 1)]
    assert shrink(pool, targets(warm_prefix=2)) is None


def test_cidrs_without_new_addresses_are_released_besides_the_surplus():
    pool = view(eni(0, 5, 2, stale=2), eni(1, 3, 1, excluded=True))
    assert shrink(pool, targets()) == Shrink(
        (SlotRequest("eni-1", 2), SlotRequest("eni-0", 2)), "these CIDRs give no new addresses: of the other mode, or on an excluded ENI"
    )
    decision = shrink(pool, targets(1))
    assert asked(decision)[0] == [(1, 2), (0, 4)]
    assert decision.reason == "available 3, WARM_IP_TARGET 1: 2 over"


def test_on_a_card_above_0_the_only_prefix_without_pods_is_released_and_taken_again():
    # ipamd takes the 15 addresses over the target for 15 prefixes; on card 0 a prefix without pods stays for a target of 1.
    one = eni(0, 1, mode="prefix", primary=False)
    assert shrink(view(one, mode="prefix"), targets(1, 1)) is None
    released = shrink(view(one, mode="prefix", card=1), targets(1, 1))
    assert asked(released)[0] == [(0, 1)]
    assert released.reason.endswith("15 addresses over, which ipamd takes for prefixes on this card")
    empty = view(eni(0, 0, mode="prefix", primary=False), mode="prefix", card=1)
    growth = grow(empty, targets(1, 1))
    assert asked(growth)[0] == [(0, 1)]
    assert growth.reason == "available 0 < WARM_IP_TARGET 1: 1 short"


def test_on_a_card_above_0_a_prefix_with_a_pod_stays():
    used = eni(0, 1, 1, mode="prefix", primary=False)
    assert shrink(view(used, mode="prefix", card=1), targets(1, 1)) is None


# --- free an ENI -----------------------------------------------------------------------------------------------------------------


def freed(decision):
    return None if decision is None else int(decision.eni_id.removeprefix("eni-"))


@pytest.mark.parametrize(("pods", "warm_eni", "goes"), [(0, 0, 1), (9, 0, 1), (10, 0, None), (0, 1, 1), (1, 1, None), (0, 2, None)])
def test_an_eni_above_warm_eni_target_is_freed(pods, warm_eni, goes):
    pool = view(eni(0, 9, min(pods, 9)), eni(1, 9, max(0, pods - 9)))
    decision = free_eni(pool, targets(warm_eni=warm_eni), MINUTE)
    assert freed(decision) == goes
    if decision:
        assert decision.reason == f"available {18 - pods} ≥ (WARM_ENI_TARGET {warm_eni} + 1) × 9 addresses per ENI"


def test_only_the_highest_device_number_without_obstacles_is_freed():
    pool = view(eni(0, 9), eni(1, 9), eni(2, 9), eni(3, 9, 1), limit=4)
    assert free_eni(pool, targets(), MINUTE) == FreeEni("eni-2", "available 35 ≥ (WARM_ENI_TARGET 1 + 1) × 9 addresses per ENI")


def test_with_ip_targets_an_eni_is_freed_if_the_others_meet_them():
    pool = view(eni(0, 9, 4), eni(1, 3))
    assert free_eni(pool, targets(5), MINUTE) == FreeEni("eni-1", "the other ENIs meet the IP targets without it")
    assert free_eni(pool, targets(6), MINUTE) is None
    assert free_eni(pool, targets(5, 9), MINUTE) is not None
    assert free_eni(pool, targets(5, 10), MINUTE) is None


@given(free=st.integers(0, 4), pods=st.integers(0, 3), cooling=st.integers(0, 2), warm_ip=st.integers(1, 5), aware=st.booleans())
def test_cooling_addresses_of_the_others_are_warm_unless_targets_are_cooldown_aware(free, pods, cooling, warm_ip, aware):
    pool = view(eni(0, free + cooling + pods, pods, cooling=cooling), eni(1, 3, cooling=1), aware=aware)
    warm = free if aware else free + cooling
    assert freed(free_eni(pool, targets(warm_ip), MINUTE)) == (1 if warm >= warm_ip else None)


@pytest.mark.parametrize(("warm_ip", "minimum", "goes"), [(16, 0, 1), (17, 0, None), (1, 32, 1), (1, 33, None), (0, 17, 1)])
def test_with_prefixes_the_others_must_meet_ip_targets_in_whole_prefixes(warm_ip, minimum, goes):
    pool = view(eni(0, 2, 16, mode="prefix"), eni(1, 1, mode="prefix"), mode="prefix")
    assert freed(free_eni(pool, targets(warm_ip, minimum, warm_prefix=0), MINUTE)) == goes


@pytest.mark.parametrize(("free_elsewhere", "warm_prefix", "goes"), [(0, 0, 1), (0, 1, None), (1, 1, 1), (1, 2, None), (2, 2, 1)])
def test_the_others_must_meet_warm_prefix_target(free_elsewhere, warm_prefix, goes):
    pool = view(eni(0, 1 + free_elsewhere, 16, mode="prefix"), eni(1, 1, mode="prefix"), mode="prefix")
    assert freed(free_eni(pool, targets(warm_prefix=warm_prefix), MINUTE)) == goes


def test_warm_prefix_target_keeps_an_eni_even_with_ip_targets():
    # ipamd's getDeletableENI looks at all three targets.
    pool = view(eni(0, 2, 2, mode="prefix", used=2), eni(1, 1, mode="prefix"), mode="prefix")
    assert free_eni(pool, targets(1, warm_prefix=1), MINUTE) is None
    assert free_eni(pool, targets(1, warm_prefix=0), MINUTE) is not None


def test_addresses_without_a_pod_count_as_free_prefixes_when_an_eni_is_weighed():
    # ipamd's isRequiredForWarmPrefixTarget doesn't look at the kind of the CIDR.
    others = eni(0, 1, 16, mode="prefix", stale=2)
    pool = view(others, eni(1, 1, mode="prefix"), mode="prefix")
    assert freed(free_eni(pool, targets(warm_prefix=2), MINUTE)) == 1
    assert free_eni(pool, targets(warm_prefix=3), MINUTE) is None


def test_excluded_enis_are_skipped_when_an_eni_is_weighed():
    # The excluded one has 3 pods and 2 empty prefixes; none of them counts.
    prefixes = view(
        eni(0, 1, 16, mode="prefix"), eni(1, 3, 3, mode="prefix", used=1, excluded=True), eni(2, 1, mode="prefix"), mode="prefix"
    )
    assert free_eni(prefixes, targets(warm_prefix=1), MINUTE) is None
    addresses = view(eni(0, 4, 4), eni(1, 3, 3, excluded=True), eni(2, 3))
    assert freed(free_eni(addresses, targets(0, 4), MINUTE)) == 2
    assert free_eni(addresses, targets(0, 5), MINUTE) is None


def test_an_eni_without_prefixes_in_use_is_freed_even_below_the_threshold():
    pool = view(eni(0, 2, 1, mode="prefix"), eni(1, 0, mode="prefix"), mode="prefix")  # 31 available, far below 2 × 144
    assert free_eni(pool, targets(), MINUTE) == FreeEni("eni-1", "no pod has an address on it")


def test_primary_trunk_and_efa_enis_do_not_count_as_too_many():
    for marks in ({"trunk": True}, {"efa": True}, {"primary": True}):
        pool = view(eni(0, 2, 1, mode="prefix"), eni(1, 0, mode="prefix", **marks), eni(2, 1, 1, mode="prefix"), mode="prefix")
        assert free_eni(pool, targets(), MINUTE) is None


def test_enough_prefixes_make_an_eni_too_many():
    pool = view(eni(0, 2, mode="prefix"), eni(1, 2, mode="prefix"), mode="prefix", slots=2)  # 64 available ≥ (1 + 1) × 2 × 16
    assert free_eni(pool, targets(), MINUTE).reason == "available 64 ≥ (WARM_PREFIX_TARGET 1 + 1) × 32 addresses per ENI"


def test_an_ipv6_node_frees_no_eni():
    pool = view(eni(0), eni(1), mode="ipv6")
    assert free_eni(pool, targets(1), MINUTE) is None


def test_the_reason_why_an_eni_is_kept_is_given():
    settings = targets(3, 9)
    pool = view(eni(0, 6, 2), eni(1, 3, 1), eni(2, 6), eni(3, 1, 0, efa=True), eni(4, 0, 0, trunk=True), limit=9)
    assert [why_kept(each, pool, settings, MINUTE) for each in pool.enis] == [
        "it is the primary ENI",
        "1 pod has addresses on it",
        None,
        "it is an EFA interface",
        "it is the trunk ENI",
    ]
    assert why_kept(pool.enis[2], pool, settings, MINUTE - 1) == "it is younger than 60 s"
    assert why_kept(pool.enis[2], pool, targets(8), MINUTE) == "without it 7 addresses would be free, and WARM_IP_TARGET is 8"
    assert why_kept(pool.enis[2], pool, targets(7), MINUTE) is None
    assert why_kept(pool.enis[2], pool, targets(0, 11), MINUTE) == "without it there would be 10 addresses, and MINIMUM_IP_TARGET is 11"
    assert why_kept(pool.enis[2], pool, targets(0, 10), MINUTE) is None


def test_pods_on_cidrs_of_the_other_mode_keep_an_eni():
    pool = view(eni(0, 9), eni(1, 9, 0, stale_pods=2))
    assert free_eni(pool, targets(), MINUTE) is None
    assert why_kept(pool.enis[1], pool, targets(), MINUTE) == "2 pods have addresses on it"


@pytest.mark.parametrize(("now_ns", "kept"), [(MINUTE, "an address on it cools for another 1.5 s"), (MINUTE + 3 * S // 2, None)])
def test_a_cooling_address_keeps_an_eni_until_its_cooldown_is_over(now_ns, kept):
    pool = view(eni(0, 9), eni(1, 9, cooling_until_ns=MINUTE + 3 * S // 2))
    assert why_kept(pool.enis[1], pool, targets(), now_ns) == kept


def test_the_reason_why_an_eni_is_kept_names_the_prefix_target():
    pool = view(eni(0, 1, 1, mode="prefix"), eni(1, 1, mode="prefix"), mode="prefix")
    assert (
        why_kept(pool.enis[1], pool, targets(warm_prefix=1), MINUTE) == "without it 0 prefixes would be free, and WARM_PREFIX_TARGET is 1"
    )


# --- held CIDRs ------------------------------------------------------------------------------------------------------------------


def requests(decision):
    return None if decision is None else [(each.eni_id, each.slot_count) for each in decision.requests]


def test_cidrs_where_an_address_cools_are_held_and_others_released_instead():
    enis = (eni(0, 4, 0), eni(1, 4, 0, cooling_idle=3))
    given_back = shrink(view(*enis), targets(2))
    assert (requests(given_back), given_back.cooled_only) == ([("eni-1", 4), ("eni-0", 2)], False)
    held = shrink(view(*enis, hold=True), targets(2))
    assert (requests(held), held.cooled_only) == ([("eni-1", 1), ("eni-0", 4)], True)


def test_nothing_is_released_while_every_surplus_cidr_cools():
    assert shrink(view(eni(0, 4, 0, cooling_idle=4), hold=True), targets(2)) is None


@pytest.mark.parametrize("hold", [False, True])
def test_cidrs_of_the_other_mode_are_held_while_they_cool(hold):
    assert requests(shrink(view(eni(0, 4, 4, stale=3, cooling_stale=2), hold=hold), targets(1))) == [("eni-0", 1)]
    assert shrink(view(eni(0, 4, 4, stale=3, cooling_stale=3), hold=hold), targets(1)) is None
