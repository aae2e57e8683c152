"""Nodes with other warm policies than ipamd's, on the EC2 model: where their pools settle, and by which steps."""

from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from vpcipam.action import ActionKind
from vpcipam.errors import PoolExhausted
from vpcipam.policies import AzureCnsPolicy, CiliumEniPolicy, HysteresisPolicy
from vpcipam.warmpool import NEVER_CALM

S = 1_000_000_000
GROWS = {ActionKind.ADD_CIDRS, ActionKind.CREATE_ENI}
PREFIXES = {"ENABLE_PREFIX_DELEGATION": "true"}
POLICIES = st.one_of(
    st.builds(
        CiliumEniPolicy,
        pre_allocate=st.integers(1, 20),
        min_allocate=st.sampled_from([0, 9, 30]),
        max_allocate=st.sampled_from([0, 12]),
        max_above_watermark=st.sampled_from([0, 5]),
        release_delay_s=st.sampled_from([0, 7, 180]),
    ),
    st.builds(AzureCnsPolicy, batch=st.integers(1, 20), buffer_percent=st.sampled_from([1, 50, 130]), max_ips=st.sampled_from([10, 250])),
    st.tuples(st.integers(0, 9), st.integers(1, 20)).map(lambda each: HysteresisPolicy(each[0], sum(each))),
)


def moves(actions):
    """The actions on the pool: second, kind, and number of CIDRs."""
    return [(action.at_ns // S, action.kind.value, len(action.cidrs)) for action in actions if action.done]


# --- each by hand ----------------------------------------------------------------------------------------------------------------


def test_cilium_keeps_eight_free_across_enis_of_nine(world):
    here = world("m5.large", policy=CiliumEniPolicy())
    assert here.shape() == {0: 8}
    here.pods(5)  # 13 are wanted: the first ENI takes one more, a new one the other four
    assert moves(here.run(20)) == [(5, "add-cidrs", 1), (10, "create-eni", 4)]
    assert here.shape() == {0: 9, 1: 4}


def test_cilium_releases_addresses_after_three_minutes_and_keeps_the_eni(world):
    here = world("m5.large", policy=CiliumEniPolicy())
    here.pods(5)
    here.run(100)
    here.unassign(*(f"p{number}" for number in range(5)))
    # The surplus of 13 - 8 is first seen at 105 s; the last ENI is emptied first.
    assert moves(here.run(600)) == [(285, "release-cidrs", 4), (285, "release-cidrs", 1)]
    assert here.shape() == {0: 8, 1: 0}
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) is None
    here.check_agreement()


def test_the_wait_for_a_surplus_restarts_when_one_tick_sees_none(world):
    here = world("m5.large", policy=CiliumEniPolicy())
    here.pods(5)
    here.run(100)
    here.unassign("p0", "p1")
    here.run(200)
    here.assign("p0", "p1")
    here.run(205)
    here.unassign("p0", "p1")
    assert moves(here.run(385)) == []
    assert moves(here.run(390)) == [(390, "release-cidrs", 2)]


def test_cilium_with_releasing_off_keeps_all(world):
    here = world("m5.large", policy=CiliumEniPolicy(release_excess_ips=False))
    here.pods(5)
    here.run(100)
    here.unassign(*(f"p{number}" for number in range(5)))
    assert moves(here.run(2000)) == []
    assert here.shape() == {0: 9, 1: 4}


def test_azure_grows_and_shrinks_in_batches(world):
    here = world("m5.large", policy=AzureCnsPolicy())
    assert here.shape() == {0: 9}
    here.run(5)
    assert here.shape() == {0: 9, 1: 7}  # 16
    here.pods(8)
    assert moves(here.run(60)) == []
    here.assign("one-more")
    # 32 of 27 that the instance takes: what is left on the second ENI, then a third one with all it takes.
    assert moves(here.run(80)) == [(65, "add-cidrs", 2), (70, "create-eni", 9)]
    here.unassign("one-more")
    assert moves(here.run(200)) == [(85, "release-cidrs", 9), (85, "release-cidrs", 2), (130, "free-eni", 0)]  # 60 s old
    assert here.shape() == {0: 9, 1: 7}
    here.check_agreement()


def test_hysteresis_grows_to_the_middle_and_shrinks_to_the_edge(world):
    here = world("m5.large", policy=HysteresisPolicy(2, 6))
    assert here.shape() == {0: 4}
    here.pods(2)
    assert moves(here.run(10)) == []  # just 2 are free
    here.assign("p2")
    assert moves(here.run(20)) == [(15, "add-cidrs", 3)]
    here.unassign("p0")
    assert moves(here.run(30)) == []
    here.unassign("p1", "p2")
    assert moves(here.run(40)) == [(35, "release-cidrs", 1)]
    here.check_agreement()


@pytest.mark.parametrize("policy", [CiliumEniPolicy(), AzureCnsPolicy(), HysteresisPolicy()], ids=lambda policy: policy.name)
def test_other_policies_ignore_the_warm_targets(world, policy):
    quiet, loud = (world("m5.large", variables, policy=policy) for variables in ({}, {"WARM_IP_TARGET": "20", "MINIMUM_IP_TARGET": "25"}))
    for here in (quiet, loud):
        here.settle()
    assert quiet.shape() == loud.shape()


def test_max_eni_holds_under_any_policy(world):
    here = world("m5.large", {"MAX_ENI": "2"}, policy=CiliumEniPolicy(pre_allocate=60))
    here.settle()
    assert here.shape() == {0: 9, 1: 9}


def test_a_subnet_without_addresses_pauses_growth_under_any_policy(world):
    here = world("m5.large", {"ENABLE_SUBNET_DISCOVERY": "false"}, cidr="10.0.0.0/28", policy=CiliumEniPolicy())
    here.pods(8)
    here.fill_subnet(1)
    refused = [action.at_ns // S for action in here.run(600) if action.out_of_addresses]
    assert refused == [10, 130, 250, 370, 490]


# --- any of them -----------------------------------------------------------------------------------------------------------------


@given(policy=POLICIES, prefixes=st.booleans(), pods=st.integers(0, 40), gone=st.integers(0, 40))
def test_a_node_whose_pods_stay_stops_changing_its_pool(world, policy, prefixes, pods, gone):
    here = world("m5.large", PREFIXES if prefixes else {}, policy=policy, cidr="10.0.0.0/22")
    names = come(here, pods)
    here.settle()
    for name in names[:gone]:
        here.unassign(name)
    for _ in range(2):
        here.settle()
    rest = here.shape()
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) is None
    assert not [action for action in here.settle() if action.kind is not ActionKind.RECONCILE]
    assert here.shape() == rest
    assert len(rest) <= 3
    assert max(rest.values()) <= 9
    here.check_agreement()

    stats = here.node.stats(here.now_ns)
    least, _, most = policy.band(stats.assigned_count, here.node.view(here.now_ns))
    assert stats.total_count >= least or not here.node.view(here.now_ns).has_room
    idle = sum(eni.idle_cidr_count for eni in here.node.view(here.now_ns).enis)
    unit = 16 if prefixes else 1
    assert stats.total_count < most + unit or not idle or (prefixes and policy.counts_whole_slots)


@given(policy=POLICIES, prefixes=st.booleans(), pods=st.integers(0, 40))
def test_ticking_only_at_wakeups_gives_the_same_actions_under_any_policy(world, policy, prefixes, pods):
    """Ticked only when `next_wakeup` says so, a node does the same as with a tick every 5 s."""
    often, rarely = (world("m5.large", PREFIXES if prefixes else {}, policy=policy, cidr="10.0.0.0/22") for _ in range(2))
    done = []
    for here in (often, rarely):
        actions = []
        names = come(here, pods, steps=False)
        for round_ in range(2):
            until_ns = here.now_ns + 600 * S
            while here is often and here.now_ns < until_ns:
                actions += here.tick((here.now_ns + 5 * S) / S)
            while here is rarely and here.now_ns < until_ns:
                wake_ns = here.node.next_wakeup(here.now_ns, include_reconcile=False)
                if wake_ns is None or wake_ns > until_ns:
                    here.now_ns = until_ns
                else:
                    actions += here.tick(wake_ns / S)
            if not round_:
                here.unassign(*names)
        done.append([(action.at_ns, action.kind, action.cidrs, action.reason) for action in actions])
    assert done[0] == done[1]


@given(
    bounds=st.tuples(st.integers(0, 6), st.integers(1, 10)),
    steps=st.lists(st.integers(-3, 3), max_size=60),
)
def test_hysteresis_turns_only_after_enough_pods_have_come_or_gone(world, bounds, steps):
    minimum, maximum = bounds[0], sum(bounds)
    here = world("m5.large", policy=HysteresisPolicy(minimum, maximum), max_pods=110)
    moved, names, serial = [], [], 0
    for step in steps:
        for _ in range(-step):
            if names:
                here.unassign(names.pop())
        for _ in range(step):
            serial += 1
            names += come_one(here, f"n{serial}")
        kinds = [action.kind for action in here.run(here.now_ns // S + 5)]
        moved += [(kind in GROWS, len(names)) for kind in kinds if kind in GROWS or kind is ActionKind.RELEASE_CIDRS]
    for (grew_before, pods_before), (grew, pods) in pairwise(moved):
        if grew_before and not grew:
            assert pods_before - pods > maximum - (minimum + maximum) // 2 - (not minimum)
        elif grew and not grew_before:
            assert pods - pods_before > maximum - max(1, minimum)


def come(here, count, *, steps=True):
    """Assign pods as the pool grows; leave out those that get no address."""
    names = []
    for number in range(count):
        names += come_one(here, f"p{number}")
        if steps and number % 4 == 3:
            here.run(here.now_ns // S + 5)
    return names


def come_one(here, name):
    try:
        here.assign(name)
    except PoolExhausted:
        return []
    return [name]


def test_a_node_wakes_for_the_release_of_a_waiting_surplus(world):
    policy = CiliumEniPolicy(pre_allocate=2, release_delay_s=60)
    here = world("t3.medium", policy=policy)
    for number in range(4):
        here.assign(f"p{number}")
        here.run(here.now_ns // S + 5)
    here.run(60)
    here.unassign("p0", "p1", "p2")
    tick = here.node.next_wakeup(here.now_ns, include_reconcile=False)
    assert tick - here.now_ns <= 5 * S  # to see the surplus first
    here.tick(tick // S)
    later = here.node.next_wakeup(here.now_ns, include_reconcile=False)
    assert later == tick + 60 * S  # to give it back


def test_a_waiting_surplus_is_forgotten_at_the_next_tick_when_the_pool_is_short(world):
    here = world("t3.small", policy=CiliumEniPolicy(pre_allocate=2, release_delay_s=60))  # 9 addresses at the most
    for number in range(7):
        here.assign(f"p{number}")
        here.run(here.now_ns // S + 5)
    here.run(100)
    here.unassign("p0")
    here.tick(105)  # sees one too many
    here.run(150)
    here.assign("p7", "p8")  # and now as many too few, with no room for more
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) == 155 * S
    here.tick(155)
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) is None


def test_while_a_surplus_waits_every_assign_and_unassign_can_matter(world):
    here = world("t3.medium", policy=CiliumEniPolicy(pre_allocate=2, release_delay_s=60))
    for number in range(4):
        here.assign(f"p{number}")
        here.run(here.now_ns // S + 5)
    here.run(60)
    calm = here.node.calm(here.now_ns)
    assert calm.low <= 4 <= calm.high
    here.unassign("p0")
    here.tick(65)  # sees the surplus
    assert here.node.calm(here.now_ns) == NEVER_CALM
    here.assign("p4")
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) == 70 * S  # to see that the surplus has ended
    here.tick(70)
    assert here.node.calm(here.now_ns) == calm
