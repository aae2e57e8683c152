"""The decisions agree with a second, naive reading of docs/ipamd.md, "Warm targets" to "Freeing ENIs"."""

import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

from pool_views import eni, pools, targets, view
from vpcipam.warmpool import ALWAYS_CALM, calm, free_eni, grow, shrink, target_state, too_high, too_low

MINUTE = 60_000_000_000


class Naive:
    """The rules of docs/ipamd.md, sentence by sentence."""

    def __init__(self, pool, settings):
        self.pool, self.settings, self.stats = pool, settings, pool.stats
        self.prefix = pool.mode.value == "prefix"
        self.unit = 16 if self.prefix else 1
        self.defined = settings.warm_ip_target > 0 or settings.minimum_ip_target > 0

    def cooling(self, count):
        return count if self.pool.cooldown_aware else 0

    def state(self):
        warm, minimum, total, assigned = (
            self.settings.warm_ip_target,
            self.settings.minimum_ip_target,
            self.stats.total_count,
            self.stats.assigned_count + self.cooling(self.stats.cooling_count),
        )
        available = total - assigned
        short = max(0, warm - available, minimum - total)
        if not self.prefix or self.pool.network_card > 0:
            return short, max(0, min(available - warm, total - minimum))
        prefixes, free = self.stats.prefix_count, self.stats.free_prefix_count
        over = min(free, prefixes - math.ceil((assigned + warm) / 16), prefixes - math.ceil(minimum / 16))
        return math.ceil(short / 16), max(0, over)

    def low(self):
        if self.stats.total_count >= self.pool.max_pods:
            return False
        if self.defined:
            return self.state()[0] > 0
        available = self.stats.available_count - self.cooling(self.stats.cooling_count)
        size = 16 if self.prefix else self.pool.slots_per_eni
        target = self.settings.warm_prefix_target if self.prefix else self.settings.warm_eni_target
        return available < size * target or (target == 0 and available == 0)

    def over(self):
        if self.defined:
            return self.state()[1]
        return max(0, self.stats.free_prefix_count - self.settings.warm_prefix_target) if self.prefix else 0

    def wanted(self):
        if self.defined:
            return self.state()[0]
        if not self.prefix:
            return self.pool.slots_per_eni
        return max(1, self.settings.warm_prefix_target - self.stats.free_prefix_count)

    def requests(self):
        wanted = self.wanted()
        for each in self.pool.enis:
            free = self.pool.slots_per_eni - each.slot_count
            barred = each.trunk or each.excluded or (each.primary and self.pool.custom_networking)
            if free > 0 and not barred:
                yield each.eni_id, min(free, wanted)

    def new_slots(self):
        pool = self.pool
        reserved = pool.unmanaged_eni_count + (1 if pool.trunk_expected else 0)
        return min(self.wanted(), pool.slots_per_eni) if len(pool.enis) < pool.eni_limit - reserved else 0

    def freed(self, now_ns):
        """Every ENI that may go; the decision takes the one with the highest device number."""
        if not self.defined:
            target = self.settings.warm_prefix_target if self.prefix else self.settings.warm_eni_target
            enough = (
                self.stats.available_count - self.cooling(self.stats.cooling_count) >= (target + 1) * self.pool.slots_per_eni * self.unit
            )
            idle = [eni for eni in self.pool.enis if not eni.primary and not eni.trunk and not eni.efa and eni.pod_count == 0]
            if not enough and not (self.prefix and idle):
                return []
        return [eni.eni_id for eni in self.pool.enis if self.may_go(eni, now_ns)]

    def may_go(self, eni, now_ns):
        if eni.primary or eni.trunk or eni.efa or eni.pod_count > 0 or now_ns - eni.added_ns < MINUTE:
            return False
        if eni.cooling_until_ns is not None and eni.cooling_until_ns > now_ns:
            return False
        others = [other for other in self.pool.enis if other.eni_id != eni.eni_id and not other.excluded]
        total = sum(other.total_count for other in others)
        assigned = sum(other.assigned_count + self.cooling(other.cooling_count) for other in others)
        free = sum(other.idle_cidr_count + other.stale_cidr_count for other in others)  # /32s too
        if total - assigned < math.ceil(self.settings.warm_ip_target / self.unit) * self.unit:
            return False
        if total < math.ceil(self.settings.minimum_ip_target / self.unit) * self.unit:
            return False
        return not self.prefix or free >= self.settings.warm_prefix_target


@given(data=st.data())
def test_decisions_agree_with_a_naive_reading_of_the_rules(data):
    pool, settings = data.draw(pools())
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
    pool, settings = data.draw(st.booleans().flatmap(lambda plain: pools(plain=plain)))
    if pool.stats.assigned_count in calm(pool, settings):
        growth = grow(pool, settings)
        assert growth is None or growth.blocked
        assert growth is not None or shrink(pool, settings) is None
        assert free_eni(pool, settings, 10 * MINUTE) is None


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
