"""The control loop: marks, limits, the trunk, excluded subnets, and wakeups."""

import pytest

from vpcipam.errors import PoolExhausted
from vpcipam.warmpool import ALWAYS_CALM, calm

S = 1_000_000_000
ROLE = "kubernetes.io/role/cni"


# --- marks -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["cordoned", "terminating"])
def test_a_marked_node_does_not_grow(world, mark):
    here = world(variables={"WARM_ENI_TARGET": "1"})
    here.pods(3)
    setattr(here.node, mark, True)
    assert here.run(30) == []
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) is None
    setattr(here.node, mark, False)
    assert here.node.next_wakeup(here.now_ns) == 35 * S
    assert here.tick(35)[0].grew


def test_a_cordoned_node_grows_if_configured_to(world):
    here = world(variables={"AWS_MANAGE_ENIS_NON_SCHEDULABLE": "true"})
    here.pods(3)
    here.node.cordoned = True
    assert here.tick(5)[0].grew
    here.node.terminating = True
    assert here.node.cordoned
    assert here.node.terminating
    here.assign("q")
    assert here.run(30) == []


def test_a_cordoned_node_still_releases_cidrs(world, kinds):
    # When ipamd shrinks the pool it ignores the mark.
    here = world("m5.large", {"WARM_IP_TARGET": "1", "IP_COOLDOWN_PERIOD": "0"})
    here.assign("a")
    here.tick(5)
    here.unassign("a")
    here.node.cordoned = True
    assert kinds(here.tick(30)) == [("release-cidrs", True)]


def test_a_cordoned_node_starts_without_growing(world, kinds):
    here = world(start=False)
    here.node.cordoned = True
    assert kinds(here.node.start(0)) == [("adopt-eni", True)]


# --- limits ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("max_eni", "expected"), [("-1", 3), ("0", 3), ("1", 1), ("2", 2), ("3", 3), ("4", 3)])
def test_max_eni_lowers_the_number_of_enis_and_never_raises_it(world, max_eni, expected):
    here = world("t3.small", {"WARM_IP_TARGET": "50", "MAX_ENI": max_eni}, max_pods=110)
    here.settle()
    assert len(here.shape()) == len(here.attached()) == expected
    assert here.shape() == dict.fromkeys(range(expected), 3)


@pytest.mark.parametrize(("max_pods", "expected"), [(1, 3), (3, 3), (4, 6), (6, 6), (7, 9), (9, 9), (10, 9)])
def test_a_pool_of_max_pods_addresses_does_not_grow(world, max_pods, expected):
    here = world("t3.small", {"WARM_ENI_TARGET": "3"}, max_pods=max_pods)
    here.settle()
    assert here.node.stats(here.now_ns).total_count == expected


def test_one_eni_place_is_kept_free_until_the_trunk_is_attached(world, kinds):
    here = world("m5.large", {"WARM_ENI_TARGET": "3", "ENABLE_POD_ENI": "true"})
    here.run(60)
    assert here.shape() == {0: 9, 1: 9}
    assert here.node.asks_for_trunk(here.now_ns)
    assert here.node.view(here.now_ns).trunk_expected
    here.ec2.log.clear()
    here.tick(65)
    assert here.ec2.log == ["InstanceMetadata"]  # every tick looks for it
    trunk = here.foreign_eni(interface_type="trunk", tags=here.own_tags())
    assert kinds(here.tick(70)) == [("adopt-eni", True)]
    view = here.node.view(here.now_ns)
    assert not view.trunk_expected
    assert not here.node.asks_for_trunk(here.now_ns)
    assert view.eni_room == 0
    assert [eni.eni_id for eni in view.enis if eni.trunk] == [trunk]
    assert here.settle() == []
    assert here.shape() == {0: 9, 1: 9, 2: 0}


def test_no_place_is_kept_on_a_type_without_trunk_but_every_tick_looks_for_one(world):
    here = world("t3.small", {"WARM_ENI_TARGET": "3", "ENABLE_POD_ENI": "true"})
    here.run(60)
    assert here.shape() == {0: 3, 1: 3, 2: 3}
    view = here.node.view(here.now_ns)
    assert (view.trunk_expected, view.trunk_takes_eni, here.node.asks_for_trunk(here.now_ns)) == (False, False, False)
    here.ec2.log.clear()
    for at_s in range(65, 125, 5):
        here.tick(at_s)
    assert here.ec2.log == ["InstanceMetadata"] * 12
    assert here.node.next_wakeup(here.now_ns) == here.now_ns + 5 * S


@pytest.mark.parametrize(
    ("variables", "asks", "pod_eni_limit"),
    [
        ({}, False, 3),
        ({"ENABLE_POD_ENI": "true"}, True, 2),
        ({"ENABLE_POD_ENI": "true", "MAX_ENI": "2"}, True, 1),
        ({"ENABLE_POD_ENI": "true", "MAX_ENI": "1"}, False, 1),
    ],
)
def test_a_node_asks_for_a_trunk_that_its_eni_limit_leaves_room_for(world, variables, asks, pod_eni_limit):
    here = world("m5.large", variables)
    assert here.node.asks_for_trunk(0) == asks
    view = here.node.view(0)
    assert (view.trunk_takes_eni, view.pod_eni_limit) == (asks, pod_eni_limit)


def test_an_ipv6_node_looks_for_the_trunk_at_every_tick_and_for_nothing_else(world, kinds):
    variables = {
        "ENABLE_IPv4": "false",
        "ENABLE_IPv6": "true",
        "ENABLE_PREFIX_DELEGATION": "true",
        "MAX_ENI": "1",
        "ENABLE_POD_ENI": "true",
    }
    here = world("m5.large", variables, ipv6=True)
    assert here.node.asks_for_trunk(0)
    assert here.node.next_wakeup(0) == 5 * S
    assert here.node.next_wakeup(0, include_reconcile=False) is None
    here.ec2.refuse("InstanceMetadata")
    assert here.run(10) == []
    here.foreign_eni()
    here.foreign_eni(interface_type="trunk")
    assert kinds(here.run(20)) == [("adopt-eni", True)]
    assert here.shape() == {0: 1, 2: 0}
    assert here.node.next_wakeup(here.now_ns) is None
    here.ec2.log.clear()
    assert here.run(60) == []
    assert here.ec2.log == []


def test_skipped_ticks_and_a_trunk_that_comes_change_nothing_that_follows(world):
    def times(*, skips):
        here = world("m5.large", {"ENABLE_POD_ENI": "true"})
        here.run(200)
        if skips:
            here.node.pass_over(300 * S)
        else:
            here.run(295)
        here.now_ns = 299 * S
        here.foreign_eni(interface_type="trunk")
        assert [action.kind.value for action in here.tick(300)] == ["adopt-eni"]
        return [here.node.next_wakeup(now_s * S) for now_s in (300, 330, 364, 400)]

    assert times(skips=True) == times(skips=False) == [365 * S, 365 * S, 365 * S, 405 * S]


def test_a_trunk_is_never_freed_and_gets_no_slots(world):
    here = world("m5.large", {"WARM_ENI_TARGET": "0", "ENABLE_POD_ENI": "true"})
    here.foreign_eni(interface_type="trunk", tags=here.own_tags())
    here.tick(5)
    here.settle()
    assert here.shape() == {0: 9, 1: 0}
    here.pods(9)
    here.run(here.now_ns // S + 10)
    assert here.shape() == {0: 9, 1: 0, 2: 9}


def test_an_efa_interface_is_never_freed(world):
    here = world("t3.small", {"WARM_IP_TARGET": "1"})
    here.foreign_eni(interface_type="efa", tags=here.own_tags())
    here.node.reconcile(0)
    here.settle()
    assert here.shape() == {0: 1, 1: 0}


def test_an_eni_in_an_excluded_subnet_gives_no_addresses(world, kinds):
    here = world("m5.large", {"WARM_IP_TARGET": "2"}, subnet_tags=((ROLE, "0"),), start=False)
    other = here.subnet("10.0.1.0/24", tags=((ROLE, "1"),))
    here.start()
    # Under discovery the node's own subnet is left out: the first ENI carries no pods, the second lies elsewhere.
    assert kinds(here.started) == [("adopt-eni", True), ("create-eni", True)]
    assert here.shape() == {0: 0, 1: 2}
    assert here.attached()[here.eni_at(1)].subnet_id == other
    (assignment,) = here.assign("a")
    assert assignment.eni_id == here.eni_at(1)


def test_an_excluded_eni_loses_its_empty_cidrs_and_keeps_its_pods(world):
    here = world("m5.large", {"WARM_IP_TARGET": "2"})
    eni_id = here.eni_at(0)
    (assignment,) = here.assign("a")
    here.node.datastores[0].set_excluded(eni_id, excluded=True)
    here.settle()
    assert here.node.datastores[0].cidrs(eni_id) == (f"{assignment.address}/32",)
    here.check_agreement()


def test_a_full_node_refuses_a_pod_and_accepts_it_after_another_has_gone(world):
    here = world("t3.nano", {"MAX_ENI": "1"})
    here.assign("a")
    with pytest.raises(PoolExhausted):
        here.assign("b")
    here.unassign("a")
    with pytest.raises(PoolExhausted):
        here.assign("b")  # the address cools
    here.now_ns = 30 * S
    assert here.assign("b")


def test_unmanaged_enis_and_max_eni_lower_the_limit_of_managed_enis(world):
    here = world("m5.large")
    assert here.node.managed_eni_limit() == 3
    here.foreign_eni(tags=(("node.k8s.amazonaws.com/no_manage", "true"),))
    here.node.reconcile(0)
    assert here.node.managed_eni_limit() == 2
    assert world("m5.large", {"MAX_ENI": "1"}).node.managed_eni_limit() == 1


# --- next_wakeup -----------------------------------------------------------------------------------------------------------------


def test_wakeups_are_whole_tick_intervals_after_the_start(world):
    here = world(start=False)
    here.now_ns = 7 * S + 3
    here.start()
    here.pods(3)
    assert here.node.next_wakeup(7 * S + 3) == 12 * S + 3
    assert here.node.next_wakeup(12 * S + 2) == 12 * S + 3
    assert here.node.next_wakeup(12 * S + 3) == 17 * S + 3
    assert here.node.next_wakeup(0) == 12 * S + 3  # no tick comes before the start


def test_a_node_at_rest_wakes_only_to_reconcile(world):
    here = world()
    assert here.node.next_wakeup(0) == 65 * S
    assert here.node.next_wakeup(0, include_reconcile=False) is None
    here.tick(65)
    assert here.node.next_wakeup(here.now_ns) == 130 * S


def test_a_node_without_room_does_not_wake_for_growth(world):
    here = world("t3.nano", {"MAX_ENI": "1"})
    here.assign("a")
    assert here.node.next_wakeup(0, include_reconcile=False) is None


def test_a_node_wakes_for_the_end_of_each_waiting_time(world):
    here = world("m5.large", {"WARM_IP_TARGET": "1", "IP_COOLDOWN_PERIOD": "0"})
    here.run(5)
    here.assign("a")
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) == 10 * S
    here.tick(10)
    here.unassign("a")
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) == 15 * S
    here.tick(15)
    here.assign("a")
    here.tick(20)
    here.unassign("a")
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) == 45 * S  # 30 s after the release at 15 s
    here.tick(45)
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) is None
    here.assign("a")
    here.ec2.refuse("AssignPrivateIpAddresses", "InsufficientFreeAddressesInSubnet", times=2)
    here.ec2.refuse("CreateNetworkInterface", "InsufficientFreeAddressesInSubnet")
    here.tick(50)
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) == 170 * S
    assert here.node.next_wakeup(here.now_ns) == 110 * S  # the reconcile comes first: more than 60 s after the release at 45 s


def test_a_node_wakes_when_a_spare_eni_is_60_s_old(world):
    here = world("t3.small", {"WARM_ENI_TARGET": "0", "IP_COOLDOWN_PERIOD": "0"})
    here.pods(3)
    here.tick(5)
    here.unassign("p0")
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) == 65 * S


def test_a_node_wakes_for_an_eni_that_can_be_freed(world):
    here = world("t3.small", {"WARM_ENI_TARGET": "0", "IP_COOLDOWN_PERIOD": "30"})
    here.pods(3)
    here.tick(5)
    here.assign("q")
    here.unassign("p0")
    here.now_ns = 41 * S
    here.unassign("q")
    # The ENI is 60 s old at 65 s, but its address cools until 71 s.
    assert here.node.stats(here.now_ns).available_count == 4
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) == 75 * S


def test_the_next_tick_is_a_whole_tick_interval_after_the_start_even_with_nothing_to_do(world):
    here = world()
    assert here.node.next_wakeup(0, include_reconcile=False) is None
    assert [here.node.next_tick(seconds * S) // S for seconds in (0, 4, 5, 12)] == [5, 5, 10, 15]


@pytest.mark.parametrize(("variables", "until_s"), [({}, 63), ({}, 70), ({}, 600), ({"ENABLE_POD_ENI": "true"}, 633)])
def test_passing_over_ticks_without_actions_keeps_the_times_of_later_reconciles(world, variables, until_s):
    ticking, passing = (world("t3.small", variables) for _ in range(2))
    for here in (ticking, passing):
        here.settle()
    start_s = ticking.now_ns // S
    while ticking.now_ns // S + 5 < start_s + until_s:
        assert ticking.tick(ticking.now_ns // S + 5) == ()
    passing.ec2.log.clear()
    passing.node.pass_over((start_s + until_s) * S)
    assert passing.ec2.log == []
    wakeups = [here.node.next_wakeup((start_s + until_s) * S - 1) for here in (ticking, passing)]
    assert wakeups[0] == wakeups[1]


def test_no_tick_changes_the_pool_while_the_assigned_count_is_calm(world):
    here = world("m5.large", {"WARM_IP_TARGET": "2", "MINIMUM_IP_TARGET": "5", "IP_COOLDOWN_PERIOD": "0"})
    here.settle()
    calm = here.node.calm(here.now_ns)
    assert (calm.low, calm.high) == (0, 3)
    for number in range(calm.high):
        here.assign(f"p{number}")
        assert here.settle() == []
    here.assign("one more")
    assert here.settle() != []


def test_an_ipv6_node_is_calm_with_any_assigned_count(world):
    here = world("m5.large", {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}, ipv6=True)
    assert here.node.calm(0) == ALWAYS_CALM


@pytest.mark.parametrize("variables", [{}, {"WARM_IP_TARGET": "2"}, {"ENABLE_PREFIX_DELEGATION": "true", "WARM_IP_TARGET": "28"}], ids=str)
def test_the_calm_range_is_that_of_the_present_pool_even_if_its_shape_comes_again(world, variables):
    here = world("t3.medium", variables)
    shapes, pods = [], []
    for count in (1, 9, 3, 9, 1):
        while len(pods) != count:
            if len(pods) < count:
                pods.append(f"p{len(shapes)}")
                here.assign(pods[-1])
            else:
                here.unassign(pods.pop())
            here.settle()
            shapes.append(here.node.datastores[0].shape)
            assert here.node.calm(here.now_ns) == calm(here.node.view(here.now_ns), here.settings)
    assert 1 < len(set(shapes)) < len(shapes)
