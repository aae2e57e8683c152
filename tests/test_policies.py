"""The other policies; every figure here is worked out by hand from the rules that their docstrings give, or by a second, naive formula."""

import math
from fractions import Fraction

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import assume, given

from pool_views import eni, pools, targets, view
from vpcipam.address import AddressMode
from vpcipam.errors import InvalidArgument
from vpcipam.policies import POLICIES, AzureCnsPolicy, CiliumEniPolicy, HysteresisPolicy, policy_named
from vpcipam.settings import Settings
from vpcipam.warmpool import ALWAYS_CALM, NEVER_CALM, FreeEni, Grow, IpamdPolicy, Shrink, SlotRequest

S = 1_000_000_000
MINUTE = 60 * S
SETTINGS = Settings()

ENDLESS = 500
BANDS = st.one_of(
    st.builds(
        CiliumEniPolicy,
        pre_allocate=st.integers(1, 40),
        min_allocate=st.sampled_from([0, 1, 9, 40]),
        max_allocate=st.sampled_from([0, 1, 20, 60]),
        max_above_watermark=st.sampled_from([0, 1, 7, 33]),
        release_excess_ips=st.booleans(),
    ),
    st.builds(AzureCnsPolicy, batch=st.integers(1, 40), buffer_percent=st.integers(1, 250), max_ips=st.sampled_from([1, 20, 100, ENDLESS])),
    st.tuples(st.integers(0, 20), st.integers(1, 40)).map(lambda each: HysteresisPolicy(each[0], sum(each))),
)
ANY = BANDS | st.just(IpamdPolicy())
EACH = pytest.mark.parametrize("policy", [CiliumEniPolicy(), AzureCnsPolicy(), HysteresisPolicy()], ids=lambda policy: policy.name)


def grown(policy, pool):
    """What a policy asks for: by device number, then of a new ENI; None where nothing."""
    decision = policy.grow(pool, SETTINGS)
    return None if decision is None else ([(each.eni_id, each.slot_count) for each in decision.requests], decision.new_eni_slots)


def given_back(policy, pool):
    """How many CIDRs a policy gives back."""
    decision = policy.shrink(pool, SETTINGS)
    return 0 if decision is None else sum(each.slot_count for each in decision.requests)


# --- Cilium's ENI mode -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "cidrs", "used", "wanted"),
    [
        ({}, 0, 0, 8),
        ({}, 8, 0, 0),
        ({}, 13, 5, 0),  # 5 + 8
        ({}, 12, 5, 1),
        ({"pre_allocate": 1}, 5, 5, 1),
        ({"min_allocate": 20}, 0, 0, 20),
        ({"min_allocate": 20}, 20, 12, 0),  # 12 + 8
        ({"min_allocate": 20}, 20, 13, 1),
        ({"max_above_watermark": 4}, 12, 5, 5),  # 1 is needed, 4 beyond
        ({"max_above_watermark": 4}, 13, 5, 0),
        ({"min_allocate": 20, "max_above_watermark": 4}, 0, 0, 24),
        ({"max_allocate": 24}, 20, 20, 4),
        ({"max_allocate": 24}, 24, 24, 0),
        ({"max_allocate": 24, "max_above_watermark": 3}, 20, 20, 7),  # what is needed ends at the limit, what is asked beyond does not
        ({"max_allocate": 24}, 30, 24, 0),
        ({"max_allocate": 24, "min_allocate": 40}, 0, 0, 24),
    ],
)
def test_cilium_requests_the_shortage_and_the_watermark(options, cidrs, used, wanted):
    wish = grown(CiliumEniPolicy(**options), view(eni(0, cidrs, used), slots=49))
    assert wish == (([("eni-0", wanted)], wanted) if wanted else None)


@pytest.mark.parametrize(
    ("options", "cidrs", "used", "over"),
    [
        ({}, 13, 5, 0),
        ({}, 14, 5, 1),
        ({}, 30, 5, 17),
        ({"release_excess_ips": False}, 30, 5, 0),
        ({"max_above_watermark": 4}, 17, 5, 0),
        ({"max_above_watermark": 4}, 18, 5, 1),
        # Up to 12 used, the first 20 + 4 are kept; from 17 on 17 + 8 + 4 are.
        ({"min_allocate": 20, "max_above_watermark": 4}, 24, 0, 0),
        ({"min_allocate": 20, "max_above_watermark": 4}, 25, 0, 1),
        ({"min_allocate": 20, "max_above_watermark": 4}, 25, 16, 1),
        ({"min_allocate": 20, "max_above_watermark": 4}, 29, 17, 0),
        ({"min_allocate": 20, "max_above_watermark": 4}, 30, 17, 1),
        # It asks for 8 + 10 and then keeps 5 + 10 of them: so says the source.
        ({"min_allocate": 5, "max_above_watermark": 10}, 18, 0, 3),
        ({"max_allocate": 10}, 18, 10, 0),
    ],
)
def test_cilium_releases_the_addresses_above_its_watermarks(options, cidrs, used, over):
    assert given_back(CiliumEniPolicy(**options), view(eni(0, cidrs, used), slots=49)) == over


@pytest.mark.parametrize(
    ("prefixes", "pods", "in_prefixes", "wanted", "over"),
    [
        (1, 8, 1, 0, 0),
        (1, 9, 1, 1, 0),  # 9 + 8 > 16
        (0, 0, 0, 1, 0),
        (4, 17, 2, 0, 1),  # 32 count as used: 64 - 32 - 8 is a prefix and a half
        (4, 17, 3, 0, 0),  # 48 count as used: 64 - 48 - 8
        (4, 17, 4, 0, 0),
        (4, 0, 0, 0, 3),
    ],
)
def test_cilium_counts_whole_prefixes_as_used_when_it_looks_for_an_excess(prefixes, pods, in_prefixes, wanted, over):
    pool = view(eni(0, prefixes, pods, mode="prefix", used=in_prefixes), mode="prefix")
    assert grown(CiliumEniPolicy(), pool) == (([("eni-0", wanted)], wanted) if wanted else None)
    assert given_back(CiliumEniPolicy(), pool) == over


def test_the_reason_of_cilium_mentions_whole_prefixes():
    pool = view(eni(0, 4, 17, mode="prefix"), mode="prefix")
    assert CiliumEniPolicy().shrink(pool, SETTINGS).reason == "64 addresses > 40 wanted with 32 in use, prefixes counted as a whole"


def test_cilium_never_frees_an_eni():
    assert CiliumEniPolicy().free_eni(view(eni(0, 9), eni(1, 0)), SETTINGS, 10 * MINUTE) is None


def test_cilium_waits_three_minutes_by_default():
    assert CiliumEniPolicy().release_delay_ns == 180 * S
    assert CiliumEniPolicy(release_delay_s=0).release_delay_ns == 0
    assert AzureCnsPolicy().release_delay_ns == HysteresisPolicy().release_delay_ns == 0


@given(
    total=st.integers(0, 60),
    used=st.integers(0, 60),
    pre=st.integers(1, 20),
    least=st.integers(0, 40),
    most=st.integers(0, 60),
    above=st.integers(0, 20),
)
def test_cilium_agrees_with_its_two_formulas(total, used, pre, least, most, above):  # noqa: PLR0917 - fixtures and the numbers of a formula
    used = min(used, total)
    needed = max(pre - (total - used), least - total)
    needed = max(0, min(needed, most - total) if most else needed)
    if total <= least + above:
        excess = 0
    elif used + pre <= least + above:
        excess = total - (least + above)
    else:
        excess = max(0, total - used - pre - above)

    policy = CiliumEniPolicy(pre, least, most, above)
    pool = view(eni(0, total, used), slots=200)
    wish = grown(policy, pool)
    assert (wish[1] if wish else 0) == (needed + above if needed else 0)
    assert given_back(policy, pool) == min(excess, total - used)


# --- Azure CNS -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "used", "target"),
    [
        ({}, 0, 16),
        ({}, 8, 16),  # ⌈0.5 + 0.5⌉ batches
        ({}, 9, 32),
        ({}, 24, 32),
        ({}, 25, 48),
        ({"buffer_percent": 1}, 15, 16),
        ({"buffer_percent": 1}, 16, 32),
        ({"buffer_percent": 100}, 0, 16),
        ({"buffer_percent": 100}, 1, 32),
        ({"batch": 1}, 3, 4),
        ({"batch": 10, "buffer_percent": 30}, 7, 10),  # just 0.3 + 0.7, which a float would round up
        ({"max_ips": 30}, 20, 30),
        ({"batch": 50, "max_ips": 30}, 0, 30),
    ],
)
def test_azure_follows_its_target_both_ways(options, used, target):
    policy = AzureCnsPolicy(**options)
    at, above = (view(eni(0, total, used), slots=60) for total in (target, target + 5))
    assert grown(policy, at) is None
    assert given_back(policy, at) == 0
    assert given_back(policy, above) == 5
    if target > used:
        assert grown(policy, view(eni(0, target - 1, used), slots=60)) == ([("eni-0", 1)], 1)


@given(used=st.integers(0, 300), batch=st.integers(1, 64), buffer_percent=st.integers(1, 300))
def test_azure_keeps_between_its_buffer_and_a_batch_more_free(used, batch, buffer_percent):
    target = AzureCnsPolicy(batch, buffer_percent, 10_000).band(used, None).goal
    assert target == batch * math.ceil(Fraction(buffer_percent, 100) + Fraction(used, batch))
    assert Fraction(buffer_percent * batch, 100) <= target - used < Fraction(buffer_percent * batch, 100) + batch
    assert target > used, "one more pod can always come"


def test_azure_keeps_its_target_in_whole_prefixes():
    policy = AzureCnsPolicy(batch=10, buffer_percent=50)
    assert grown(policy, view(eni(0, 0, mode="prefix"), mode="prefix")) == ([("eni-0", 1)], 1)  # 10 are wanted
    assert grown(policy, view(eni(0, 1, 6, mode="prefix"), mode="prefix")) == ([("eni-0", 1)], 1)  # 20
    assert given_back(policy, view(eni(0, 2, 6, mode="prefix"), mode="prefix")) == 0  # 12 too many are no prefix
    assert given_back(policy, view(eni(0, 3, 6, mode="prefix"), mode="prefix")) == 1


@given(data=st.data(), share=st.integers(1, 32))
def test_azure_with_a_batch_of_one_prefix_decides_as_ipamd_with_its_buffer_as_warm_ip_target(data, share):
    pool, _ = data.draw(pools(plain=True).filter(lambda each: each[0].mode is AddressMode.PREFIX))
    pool = attrs.evolve(pool, max_pods=10**6, network_card=0)
    theirs = AzureCnsPolicy(batch=16, buffer_percent=100 * share // 4, max_ips=10**6)  # 25, 50, … percent are 4, 8, … addresses
    ours, settings = IpamdPolicy(), targets(4 * share)
    assert asked(theirs.grow(pool, settings)) == asked(ours.grow(pool, settings))
    assert asked(theirs.shrink(pool, settings)) == asked(ours.shrink(pool, settings))


def asked(decision):
    """All of a decision but its reason."""
    return None if decision is None else attrs.evolve(decision, reason="")


# --- hysteresis ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cidrs", "used", "wanted", "over"),
    [
        (0, 0, 10, 0),  # half-way from 4 to 16
        (3, 0, 7, 0),
        (4, 0, 0, 0),
        (16, 0, 0, 0),
        (17, 0, 0, 1),
        (20, 16, 0, 0),
        (20, 17, 7, 0),
        (36, 20, 0, 0),
        (37, 20, 0, 1),
    ],
)
def test_hysteresis_does_nothing_between_its_bounds(cidrs, used, wanted, over):
    policy, pool = HysteresisPolicy(4, 16), view(eni(0, cidrs, used), slots=49)
    assert grown(policy, pool) == (([("eni-0", wanted)], wanted) if wanted else None)
    assert given_back(policy, pool) == over


@pytest.mark.parametrize(
    ("max_pods", "cidrs", "used", "wanted"),
    [(20, 15, 15, 5), (20, 19, 19, 1), (20, 20, 20, None), (20, 20, 18, None), (20, 22, 22, None), (20, 17, 13, None), (20, 16, 13, 4)],
)
def test_hysteresis_stops_at_max_pods(max_pods, cidrs, used, wanted):
    wish = grown(HysteresisPolicy(4, 16), view(eni(0, cidrs, used), slots=49, max_pods=max_pods))
    assert wish == (None if wanted is None else ([("eni-0", wanted)], wanted))


def test_hysteresis_grows_by_whole_addresses_if_halfway_is_half_an_address():
    assert grown(HysteresisPolicy(4, 17), view(eni(0, 20, 17), slots=49)) == ([("eni-0", 7)], 7)


def test_hysteresis_with_a_minimum_of_0_grows_when_nothing_is_free():
    policy = HysteresisPolicy(0, 1)
    assert grown(policy, view(eni(0, 3, 3))) == ([("eni-0", 1)], 1)
    assert grown(policy, view(eni(0, 4, 3))) is None


def test_hysteresis_rounds_up_to_prefixes_when_it_grows_and_down_when_it_shrinks():
    policy = HysteresisPolicy(4, 16)
    assert grown(policy, view(eni(0, 1, 13, mode="prefix"), mode="prefix")) == ([("eni-0", 1)], 1)  # 13 + 10 - 16 are short
    assert given_back(policy, view(eni(0, 2, 1, mode="prefix"), mode="prefix")) == 0  # 32 - 17
    assert given_back(policy, view(eni(0, 2, 0, mode="prefix"), mode="prefix")) == 1


# --- what they share -------------------------------------------------------------------------------------------------------------


@EACH
def test_a_full_eni_makes_way_for_a_new_one(policy):
    assert grown(policy, view(eni(0, 9, 9), slots=9, limit=2))[0] == []
    assert grown(policy, view(eni(0, 9, 9), slots=9, limit=2))[1] > 0
    assert policy.grow(view(eni(0, 9, 9), slots=9, limit=1), SETTINGS).blocked


@EACH
@pytest.mark.parametrize("room", [{"unmanaged": 1}, {"trunk_expected": True}, {"limit": 1}])
def test_no_eni_is_requested_without_room(policy, room):
    assert policy.grow(view(eni(0, 9, 9), slots=9, **{"limit": 2, **room}), SETTINGS).blocked


@EACH
def test_no_slots_are_requested_on_enis_that_cannot_carry_pods(policy):
    trunk, excluded, other = eni(1, 0, trunk=True), eni(2, 0, excluded=True), eni(3, 0)
    wish = policy.grow(view(eni(0, 0), trunk, excluded, other, limit=4, custom=True), SETTINGS)
    assert [each.eni_id for each in wish.requests] == ["eni-3"]


@EACH
def test_a_surplus_is_released_from_the_last_eni_first_and_never_with_pods(policy):
    pool = view(eni(0, 40, 1), eni(1, 30, 29), eni(2, 9, 0), slots=49)
    assert [each.eni_id for each in policy.shrink(pool, SETTINGS).requests][:2] == ["eni-2", "eni-1"]
    assert SlotRequest("eni-1", 1) in policy.shrink(pool, SETTINGS).requests


@EACH
def test_cidrs_without_new_addresses_are_released_without_a_surplus(policy):
    pool = view(eni(0, 30, 16, stale=2), slots=49)
    assert policy.shrink(attrs.evolve(pool, stats=attrs.evolve(pool.stats, assigned_count=24)), SETTINGS) == Shrink(
        (SlotRequest("eni-0", 2),), "these CIDRs give no new addresses: of the other mode, or on an excluded ENI"
    )


@EACH
def test_decisions_have_reasons(policy):
    least, _, most = policy.band(3, view())
    assert policy.grow(view(eni(0, 3, 3)), SETTINGS).reason == f"3 addresses < {least} wanted with 3 in use"
    assert policy.shrink(view(eni(0, 45, 3), slots=49), SETTINGS).reason == f"45 addresses > {most} wanted with 3 in use"


@EACH
def test_cooldown_aware_targets_count_cooling_addresses_as_used(policy):
    least = policy.band(3, view()).least
    assert policy.grow(view(eni(0, least, 2, cooling=1, cooling_until_ns=S), slots=49, aware=True), SETTINGS) is None
    more = policy.band(20, view()).least
    assert policy.grow(view(eni(0, more - 1, 2, cooling=18, cooling_until_ns=S), slots=60, aware=True), SETTINGS) is not None
    assert policy.grow(view(eni(0, more - 1, 2, cooling=18, cooling_until_ns=S), slots=60), SETTINGS) is None


def test_cooldown_aware_targets_count_cooling_addresses_as_no_surplus():
    cooling = eni(0, 21, 2, cooling=10, cooling_until_ns=S)
    assert given_back(CiliumEniPolicy(), view(cooling, slots=49, aware=True)) == 1  # 12 + 8
    assert given_back(CiliumEniPolicy(), view(cooling, slots=49)) == 11


@pytest.mark.parametrize("policy", [AzureCnsPolicy(), HysteresisPolicy()], ids=lambda policy: policy.name)
def test_the_last_bare_eni_is_freed(policy):
    pool = view(eni(0, 0), eni(1, 0), eni(2, 0), eni(3, 1), limit=4)
    assert policy.free_eni(pool, SETTINGS, MINUTE) == FreeEni("eni-2", "no address is left on it")
    assert policy.free_eni(pool, SETTINGS, MINUTE - 1) is None, "it is too young"


@EACH
@pytest.mark.parametrize("kept", [{"trunk": True}, {"efa": True}, {"primary": True}, {"added_ns": 1}, {"stale": 1}, {"slots": 1}])
def test_other_enis_are_kept(policy, kept):
    assert policy.free_eni(view(eni(0, 9), eni(1, **kept)), SETTINGS, MINUTE) is None


@pytest.mark.parametrize("policy", [make() for make in POLICIES.values()], ids=list(POLICIES))
def test_ipv6_has_nothing_to_size(policy):
    pool = attrs.evolve(view(eni(0, 0), eni(1, 0)), mode=AddressMode.IPV6)
    assert policy.grow(pool, SETTINGS) is None
    assert policy.shrink(pool, SETTINGS) is None
    assert policy.calm(pool, SETTINGS) == ALWAYS_CALM


@given(policy=BANDS, used=st.integers(0, 300), max_pods=st.integers(1, 300))
def test_a_band_is_in_order_and_rises(policy, used, max_pods):
    now, then = (policy.band(each, view(max_pods=max_pods)) for each in (used, used + 1))
    assert now.least <= now.goal
    assert now.most is None or now.least <= now.most
    assert now.least <= then.least
    assert now.goal <= then.goal
    assert (now.most is None) == (then.most is None)
    assert now.most is None or now.most <= then.most


# --- rest ------------------------------------------------------------------------------------------------------------------------


@st.composite
def spreads(draw, pool, pods):
    """The same ENIs and CIDRs with so many pods, anywhere on them."""
    enis = []
    room = sum(each.total_count for each in pool.enis)
    unit = pool.unit
    for each in pool.enis:
        room -= each.total_count
        here = draw(st.integers(max(0, pods - room), min(pods, each.total_count)))
        used = draw(st.integers(-(-here // unit), min(here, each.total_count // unit)))
        pods -= here
        enis.append(
            eni(
                each.device_number,
                each.slot_count,
                here,
                mode=pool.mode.value,
                used=used,
                trunk=each.trunk,
                efa=each.efa,
                cooling=draw(st.integers(0, each.total_count - here)),
            )
        )
    return tuple(enis)


@pytest.mark.thorough
@given(data=st.data(), policy=ANY)
def test_a_pool_is_unchanged_with_every_count_in_calm_wherever_the_pods_are(data, policy):
    pool, settings = data.draw(pools(plain=True))
    calm = policy.calm(pool, settings)
    counts = range(max(0, calm.low), min(calm.high, pool.stats.total_count) + 1)
    assume(counts)
    pods = data.draw(st.sampled_from([counts[0], counts[-1]]) | st.sampled_from(counts))
    there = view(*data.draw(spreads(pool, pods)), mode=pool.mode.value)
    there = attrs.evolve(pool, enis=there.enis, stats=there.stats)
    assert there.stats.assigned_count == pods
    growth = policy.grow(there, settings)
    assert growth is None or growth.blocked
    assert growth is not None or policy.shrink(there, settings) is None
    assert policy.free_eni(there, settings, 10 * MINUTE) is None


@given(data=st.data(), policy=BANDS)
def test_calm_is_exact_for_a_pool_on_one_eni_with_its_pods_packed(data, policy):
    pool, settings = data.draw(pools(plain=True))
    first, mode = pool.enis[0], pool.mode.value
    there = view(eni(0, first.slot_count, data.draw(st.integers(0, first.total_count)), mode=mode), mode=mode)
    there = attrs.evolve(pool, enis=there.enis, stats=there.stats)
    pods = there.stats.assigned_count
    assume((policy.band(pods, there).most or pods) >= pods)  # a surplus that pods hold is none that can go
    growth = policy.grow(there, settings)
    rests = (growth is None or growth.blocked) and policy.shrink(there, settings) is None
    assert (pods in policy.calm(there, settings)) == rests


@pytest.mark.parametrize(
    ("policy", "mode", "cidrs", "low", "high"),
    [
        (CiliumEniPolicy(), "secondary-ip", 20, 12, 12),
        (CiliumEniPolicy(release_excess_ips=False), "secondary-ip", 20, 0, 12),
        (CiliumEniPolicy(max_above_watermark=5), "secondary-ip", 20, 7, 12),
        (CiliumEniPolicy(max_allocate=20), "secondary-ip", 20, 12, 20),
        (CiliumEniPolicy(), "prefix", 2, 1, 24),  # with one pod, 16 count as used: 32 - 16 - 8 are no prefix
        (AzureCnsPolicy(), "secondary-ip", 32, 9, 24),
        (AzureCnsPolicy(), "prefix", 2, 9, 24),
        (HysteresisPolicy(4, 16), "secondary-ip", 32, 16, 28),
        (HysteresisPolicy(4, 16), "prefix", 2, 1, 28),
        (HysteresisPolicy(4, 6), "secondary-ip", 0, 0, -1),
    ],
)
def test_calm_gives_the_counts_without_a_change(policy, mode, cidrs, low, high):
    calm = policy.calm(view(eni(0, cidrs, 0, mode=mode), mode=mode, slots=49), SETTINGS)
    assert (calm.low, calm.high) == (low, high)


def test_calm_has_no_upper_end_for_a_pool_without_room():
    assert AzureCnsPolicy().calm(view(eni(0, 9, 0), slots=9, limit=1), SETTINGS).high == ALWAYS_CALM.high


@EACH
def test_calm_is_empty_when_counts_do_not_decide(policy):
    assert policy.calm(view(eni(0, 9), aware=True), SETTINGS) == NEVER_CALM
    assert policy.calm(view(eni(0, 9), eni(1, 3, excluded=True)), SETTINGS) == NEVER_CALM
    assert policy.calm(view(eni(0, 9, stale=1)), SETTINGS) == NEVER_CALM


def test_a_bare_eni_prevents_calm_only_for_policies_that_free_it():
    pool = view(eni(0, 9), eni(1, 0))
    assert HysteresisPolicy().calm(pool, SETTINGS) == NEVER_CALM
    assert CiliumEniPolicy().calm(pool, SETTINGS) == CiliumEniPolicy().calm(view(eni(0, 9)), SETTINGS)


# --- by name ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_found_by_its_own_name(name):
    assert policy_named(name).name == name


def test_options_are_passed_by_name():
    assert policy_named("cilium-eni", pre_allocate=3, release_excess_ips=False) == CiliumEniPolicy(3, release_excess_ips=False)
    assert policy_named("hysteresis", minimum=1, maximum=2) == HysteresisPolicy(1, 2)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cilium", {}, "there is no warm-pool policy 'cilium'; there are ipamd, cilium-eni, azure-cns, hysteresis"),
        ("ipamd", {"batch": 1}, "policy ipamd has no option 'batch'; it has none"),
        ("azure-cns", {"size": 1}, "policy azure-cns has no option 'size'; it has batch, buffer_percent, max_ips"),
        ("azure-cns", {"batch": 0}, "policy azure-cns: batch must be 1 or more, not 0"),
        ("azure-cns", {"batch": True}, "policy azure-cns: batch must be an int, not bool (True)"),
        ("azure-cns", {"buffer_percent": 0}, "policy azure-cns: buffer_percent must be 1 or more, not 0"),
        ("azure-cns", {"buffer_percent": 0.5}, "policy azure-cns: buffer_percent must be an int, not float (0.5)"),
        ("azure-cns", {"max_ips": "250"}, "policy azure-cns: max_ips must be an int, not str ('250')"),
        ("cilium-eni", {"pre_allocate": 0}, "policy cilium-eni: pre_allocate must be 1 or more, not 0"),
        ("cilium-eni", {"min_allocate": -1}, "policy cilium-eni: min_allocate must be 0 or more, not -1"),
        ("cilium-eni", {"max_allocate": -1}, "policy cilium-eni: max_allocate must be 0 or more, not -1"),
        ("cilium-eni", {"max_above_watermark": -1}, "policy cilium-eni: max_above_watermark must be 0 or more, not -1"),
        ("cilium-eni", {"release_delay_s": -1}, "policy cilium-eni: release_delay_s must be 0 or more, not -1"),
        ("cilium-eni", {"release_excess_ips": 1}, "policy cilium-eni: release_excess_ips must be True or False, not int (1)"),
        ("hysteresis", {"minimum": -1}, "policy hysteresis: minimum must be 0 or more, not -1"),
        ("hysteresis", {"minimum": 0, "maximum": 0}, "policy hysteresis: maximum must be 1 or more, not 0"),
        ("hysteresis", {"minimum": 5, "maximum": 5}, "policy hysteresis: maximum must be more than minimum, 5, not 5"),
    ],
)
def test_invalid_options_are_refused_by_name(name, options, message):
    with pytest.raises(InvalidArgument) as caught:
        policy_named(name, **options)
    assert str(caught.value) == message


def test_the_ipamd_policy_equals_the_functions_of_warmpool():
    policy = policy_named("ipamd")
    assert policy.release_delay_ns == 0
    assert policy.grow(view(eni(0, 4)), targets(5)) == Grow((SlotRequest("eni-0", 1),), 1, "available 4 < WARM_IP_TARGET 5: 1 short")
