"""How a pool stands against its targets; every figure is worked out by hand from docs/ipamd.md, "Warm targets"."""

import pytest

from pool_views import eni, targets, view
from vpcipam.warmpool import TargetState, target_state, too_high, too_low

# total, assigned, WARM_IP_TARGET, MINIMUM_IP_TARGET: short, over
SECONDARY = [
    (0, 0, 1, 0, 1, 0),
    (0, 0, 0, 1, 1, 0),
    (0, 0, 20, 5, 20, 0),
    (0, 0, 5, 20, 20, 0),
    (5, 0, 5, 0, 0, 0),  # just at the target
    (4, 0, 5, 0, 1, 0),  # one below
    (6, 0, 5, 0, 0, 1),  # one above
    (9, 9, 5, 0, 5, 0),
    (9, 9, 0, 9, 0, 0),  # the minimum alone: full, and still not short
    (9, 9, 0, 10, 1, 0),
    (10, 5, 2, 10, 0, 0),  # three over the warm target, but none over the minimum
    (11, 5, 2, 10, 0, 1),
    (14, 5, 2, 10, 0, 4),
    (10, 9, 2, 8, 1, 0),
    (9, 0, 0, 4, 0, 5),
    (9, 7, 0, 4, 0, 2),  # assigned addresses are never over
    (30, 0, 30, 30, 0, 0),
    (29, 0, 30, 30, 1, 0),
    (31, 0, 30, 30, 0, 1),
]


@pytest.mark.parametrize(("total", "assigned", "warm_ip", "minimum", "short", "over"), SECONDARY)
def test_ip_targets_count_addresses_in_secondary_ip_mode(total, assigned, warm_ip, minimum, short, over):  # noqa: PLR0917 - fixtures and the columns of a table
    pool = view(eni(0, total, assigned))
    settings = targets(warm_ip, minimum)
    assert target_state(pool, settings) == TargetState(short, over)
    assert (too_low(pool, settings) is not None) == (short > 0)
    surplus = too_high(pool, settings)
    assert (surplus[0] if surplus else 0) == over


# prefixes, of them with pods, assigned, WARM_IP_TARGET, MINIMUM_IP_TARGET: short, over (both in prefixes)
PREFIX = [
    (0, 0, 0, 1, 0, 1, 0),
    (0, 0, 0, 16, 0, 1, 0),
    (0, 0, 0, 17, 0, 2, 0),
    (0, 0, 0, 0, 16, 1, 0),
    (0, 0, 0, 0, 17, 2, 0),
    (1, 1, 15, 1, 0, 0, 0),  # 1 available
    (1, 1, 16, 1, 0, 1, 0),  # none
    (2, 2, 17, 1, 1, 0, 0),  # 15 available, ceil(18 / 16) = 2 needed
    (3, 1, 1, 16, 0, 0, 1),  # ceil(17 / 16) = 2 needed of 3
    (2, 1, 1, 16, 0, 0, 0),  # 31 available and 16 wanted: 15 over, yet no whole prefix
    (2, 1, 1, 15, 0, 0, 1),
    (3, 3, 3, 5, 0, 0, 0),  # two prefixes too many, but each has a pod
    (3, 2, 3, 5, 0, 0, 1),
    (4, 0, 0, 1, 48, 0, 1),  # the minimum holds 3
    (4, 0, 0, 1, 49, 0, 0),  # and here 4
    (4, 0, 0, 1, 0, 0, 3),
    (2, 1, 16, 33, 0, 2, 0),  # 16 available, 17 short
    (2, 1, 16, 32, 0, 1, 0),  # 16 short
    (2, 0, 0, 0, 33, 1, 0),  # total 32, 1 short
]


@pytest.mark.parametrize(("prefixes", "used", "assigned", "warm_ip", "minimum", "short", "over"), PREFIX)
def test_ip_targets_count_whole_prefixes_in_prefix_mode(prefixes, used, assigned, warm_ip, minimum, short, over):  # noqa: PLR0917 - fixtures and the columns of a table
    pool = view(eni(0, prefixes, assigned, mode="prefix", used=used), mode="prefix")
    settings = targets(warm_ip, minimum)
    assert target_state(pool, settings) == TargetState(short, over)
    assert (too_low(pool, settings) is not None) == (short > 0)
    surplus = too_high(pool, settings)
    assert (surplus[0] if surplus else 0) == over


def test_without_ip_targets_there_is_no_state_against_them():
    assert target_state(view(eni(0, 9)), targets()) is None


# slots per ENI, total, assigned, WARM_ENI_TARGET: too low?
WARM_ENI = [
    (9, 9, 0, 1, False),  # 9 available of 9
    (9, 9, 1, 1, True),
    (9, 10, 0, 1, False),
    (9, 0, 0, 1, True),
    (9, 18, 0, 2, False),
    (9, 18, 1, 2, True),
    (9, 18, 0, 3, True),
    (9, 9, 9, 0, True),  # 0: only when nothing is left
    (9, 9, 8, 0, False),
    (9, 0, 0, 0, True),
    (1, 1, 0, 1, False),
    (1, 1, 1, 1, True),
]


@pytest.mark.parametrize(("slots", "total", "assigned", "warm_eni", "low"), WARM_ENI)
def test_warm_eni_target_keeps_whole_enis_free(slots, total, assigned, warm_eni, low):
    pool = view(eni(0, total, assigned), slots=slots)
    assert (too_low(pool, targets(warm_eni=warm_eni, warm_prefix=7)) is not None) == low


# prefixes, assigned, WARM_PREFIX_TARGET: too low?
WARM_PREFIX = [
    (1, 0, 1, False),
    (1, 1, 1, True),  # 15 of 16
    (2, 16, 1, False),
    (2, 17, 1, True),
    (2, 0, 2, False),
    (2, 1, 2, True),
    (0, 0, 0, True),
    (1, 16, 0, True),
    (1, 15, 0, False),
    (0, 0, 1, True),
]


@pytest.mark.parametrize(("prefixes", "assigned", "warm_prefix", "low"), WARM_PREFIX)
def test_warm_prefix_target_keeps_prefixes_worth_of_addresses_free(prefixes, assigned, warm_prefix, low):
    pool = view(eni(0, prefixes, assigned, mode="prefix"), mode="prefix")
    assert (too_low(pool, targets(warm_eni=7, warm_prefix=warm_prefix)) is not None) == low


@pytest.mark.parametrize(("total", "low"), [(8, True), (9, False), (10, False)])
def test_a_pool_of_max_pods_addresses_is_never_too_low(total, low):
    for settings in (targets(), targets(warm_ip=5), targets(minimum=20), targets(warm_eni=0)):
        assert (too_low(view(eni(0, total, total), max_pods=9), settings) is not None) == low


@pytest.mark.parametrize(("free", "warm_prefix", "over"), [(0, 0, 0), (1, 0, 1), (1, 1, 0), (2, 1, 1), (5, 2, 3), (2, 3, 0)])
def test_free_prefixes_beyond_the_warm_prefix_target_are_too_many(free, warm_prefix, over):
    surplus = too_high(view(eni(0, free + 1, 1, mode="prefix"), mode="prefix"), targets(warm_prefix=warm_prefix))
    assert surplus == ((over, f"free prefixes {free} > WARM_PREFIX_TARGET {warm_prefix}: {over} over") if over else None)


def test_without_ip_targets_single_addresses_are_never_too_many():
    assert too_high(view(eni(0, 9), eni(1, 9), eni(2, 9)), targets(warm_eni=0)) is None


def test_leftover_prefixes_are_no_surplus_of_single_addresses():
    assert too_high(view(eni(0, 3, stale=4)), targets(warm_prefix=0)) is None


def test_an_ipv6_pool_is_neither_too_low_nor_too_high():
    for pool in (view(eni(0), mode="ipv6"), view(eni(0, 8, mode="prefix"), mode="ipv6")):
        for settings in (targets(), targets(5, 5), targets(warm_prefix=0)):
            assert too_low(pool, settings) is None
            assert too_high(pool, settings) is None


def test_cooling_addresses_count_as_available():
    # As upstream has it (issues 1700, 2896): four free places of which all cool are no shortage.
    assert too_low(view(eni(0, 9, 5), cooling=4), targets(warm_ip=4)) is None


REASONS = [
    ((9, 7), "secondary-ip", (5, 0), "available 2 < WARM_IP_TARGET 5: 3 short"),
    ((9, 7), "secondary-ip", (5, 11), "available 2 < WARM_IP_TARGET 5: 3 short"),
    ((9, 7), "secondary-ip", (5, 13), "total 9 < MINIMUM_IP_TARGET 13: 4 short"),
    ((9, 7), "secondary-ip", (5, 12), "available 2 < WARM_IP_TARGET 5: 3 short"),  # both 3 short: the warm target is named
    ((1, 15), "prefix", (5, 0), "available 1 < WARM_IP_TARGET 5: 4 short, 1 prefix"),
    ((1, 15), "prefix", (18, 0), "available 1 < WARM_IP_TARGET 18: 17 short, 2 prefixes"),
    ((1, 0), "prefix", (0, 33), "total 16 < MINIMUM_IP_TARGET 33: 17 short, 2 prefixes"),
]


@pytest.mark.parametrize(("pool", "mode", "ip_targets", "reason"), REASONS)
def test_the_reason_of_a_shortage_names_the_ip_target_and_the_amount(pool, mode, ip_targets, reason):
    assert too_low(view(eni(0, *pool, mode=mode), mode=mode), targets(*ip_targets)) == reason


def test_the_reason_of_a_shortage_names_the_warm_target():
    assert too_low(view(eni(0, 9, 1)), targets()) == "available 8 < WARM_ENI_TARGET 1 × 9 addresses"
    assert too_low(view(eni(0, 9, 9)), targets(warm_eni=0)) == "available 0, though WARM_ENI_TARGET is 0"
    prefixes = view(eni(0, 1, 1, mode="prefix"), mode="prefix")
    assert too_low(prefixes, targets()) == "available 15 < WARM_PREFIX_TARGET 1 × 16 addresses"
    full = view(eni(0, 1, 16, mode="prefix"), mode="prefix")
    assert too_low(full, targets(warm_prefix=0)) == "available 0, though WARM_PREFIX_TARGET is 0"


def test_the_reason_of_a_surplus_names_its_targets():
    assert too_high(view(eni(0, 9, 2)), targets(5)) == (2, "available 7, WARM_IP_TARGET 5: 2 over")
    assert too_high(view(eni(0, 9, 2)), targets(5, 8)) == (1, "available 7, WARM_IP_TARGET 5, total 9, MINIMUM_IP_TARGET 8: 1 over")
    prefixes = view(eni(0, 4, 1, mode="prefix"), mode="prefix")
    assert too_high(prefixes, targets(1)) == (3, "available 63, WARM_IP_TARGET 1: 3 prefixes over")
    assert too_high(prefixes, targets(33)) == (1, "available 63, WARM_IP_TARGET 33: 1 prefix over")
