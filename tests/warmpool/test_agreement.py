"""The decisions agree with a second, naive reading of docs/ipamd.md, "Warm targets" to "Freeing ENIs"."""

import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import given
from naive_warm_pool import MINUTE, Naive

from pool_views import eni, pools, targets, view
from vpcipam.warmpool import ALWAYS_CALM, calm, free_eni, grow, shrink, target_state, too_high, too_low


@given(data=st.data())
def test_decisions_agree_with_a_naive_reading_of_the_rules(data):
    check_decisions(*data.draw(pools()))


def check_decisions(pool, settings):
    naive = Naive(pool, settings)

    state = target_state(pool, settings)
    assert (None if state is None else (state.short, state.over)) == (naive.state() if naive.defined else None)
    assert (too_low(pool, settings) is not None) == naive.low()
    surplus = too_high(pool, settings)
    assert (surplus[0] if surplus else 0) == naive.over()
    assert pool.unit == 16 or not (naive.low() and surplus), "too low and too high at once"

    growth = grow(pool, settings)
    assert (growth is not None) == naive.low()
    if growth is not None:
        assert [(request.eni_id, request.slot_count) for request in growth.requests] == list(naive.requests())
        assert growth.new_eni_slots == naive.new_slots()

    assert shrunk(shrink(pool, settings)) == shrunk_naively(pool, naive.over())

    for now_ns in (MINUTE, MINUTE + 1):
        spare = free_eni(pool, settings, now_ns)
        assert (None if spare is None else spare.eni_id) == max(naive.freed(now_ns), default=None)


def shrunk(decision):
    return {} if decision is None else {request.eni_id: request.slot_count for request in decision.requests}


def shrunk_naively(pool, over):
    """Go from the last ENI to the first, one CIDR at a time."""
    given_back = {}
    for each in pool.enis[::-1]:
        count = each.stale_cidr_count - each.cooling_stale_cidr_count
        for _ in range(each.idle_cidr_count):
            if over:
                over -= 1
                count += 1
        if count:
            given_back[each.eni_id] = count
    return given_back


@given(data=st.data())
def test_a_calm_pool_is_never_changed(data):
    check_calm(*data.draw(st.booleans().flatmap(lambda plain: pools(plain=plain))))


def check_calm(pool, settings):
    if pool.stats.assigned_count in calm(pool, settings):
        growth = grow(pool, settings)
        assert growth is None or growth.blocked
        assert growth is not None or shrink(pool, settings) is None
        assert free_eni(pool, settings, 10 * MINUTE) is None


def small_enis(number, mode):
    """Every ENI with up to two CIDRs: with and without pods, and full of them."""
    unit = 16 if mode == "prefix" else 1
    for cidrs in range(3):
        for used in range(cidrs + 1):
            for pods in sorted({used, used * unit}):
                yield eni(number, cidrs, pods, mode=mode, used=used)


@pytest.mark.parametrize("card", [0, 1])
@pytest.mark.parametrize("mode", ["secondary-ip", "prefix"])
def test_targets_from_0_to_2_are_met_as_the_rules_say_with_every_small_pool(mode, card):
    alone = [(each,) for each in small_enis(0, mode)]
    for enis in [*alone, *itertools.product(small_enis(0, mode), small_enis(1, mode))]:
        pool = view(*enis, mode=mode, slots=2, limit=2, card=card)
        for warm_ip, minimum in itertools.product(range(3), repeat=2):
            settings = targets(warm_ip, minimum)
            check_decisions(pool, settings)
            check_calm(pool, settings)


@pytest.mark.parametrize(
    ("mode", "cidrs", "ip_targets", "low", "high"),
    [
        ("secondary-ip", (9, 9), (0, 0), 1, 9),  # WARM_ENI_TARGET 1: 9 to 17 are free
        ("secondary-ip", (9, 9, 9), (0, 0), 10, None),  # the type has no room for a fourth ENI
        ("secondary-ip", (9,), (0, 0), 0, 0),  # nothing can go
        ("secondary-ip", (9, 3), (5, 0), 7, 7),
        ("secondary-ip", (9, 3), (5, 12), 0, 7),  # at the minimum nothing can go either
        ("secondary-ip", (9, 3), (5, 13), 0, -1),
        ("prefix", (2,), (0, 0), 1, 16),  # WARM_PREFIX_TARGET 1: 16 to 31 are free
        ("prefix", (2, 2), (0, 0), 33, 48),
        ("prefix", (2, 1), (0, 0), 33, 32),  # fewer than 16 free keep the second ENI, 16 or more keep the pool from growing
        ("prefix", (3,), (5, 0), 28, 43),
    ],
)
def test_calm_gives_the_counts_without_a_change(mode, cidrs, ip_targets, low, high):
    pool = view(*(eni(number, count, 0, mode=mode) for number, count in enumerate(cidrs)), mode=mode, slots=9, limit=3, max_pods=110)
    resting = calm(pool, targets(*ip_targets))
    assert (resting.low, resting.high) == (low, ALWAYS_CALM.high if high is None else high)


def test_on_a_card_above_0_no_prefix_may_be_without_pods_at_rest():
    pool = view(eni(0, 2, 0, mode="prefix", primary=False), mode="prefix", card=1)
    resting = calm(pool, targets(1, 1))
    assert (resting.low, resting.high) == (17, 31)


@pytest.mark.parametrize("kept", [{"trunk": True}, {"efa": True}])
def test_an_eni_that_is_never_freed_ends_no_rest(kept):
    resting = calm(view(eni(0, 9, 0), eni(1, 0, **kept), slots=9, limit=3, max_pods=110), targets(0, 0))
    assert resting.low == 0
