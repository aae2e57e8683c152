"""What keeps an ENI from being freed, rule by rule."""

import attrs
import pytest

from vpcipam.stats import EniStats
from vpcipam.warmpool import MINIMUM_ENI_LIFETIME_NS, obstacle

NOW = 1_000 * MINIMUM_ENI_LIFETIME_NS

IDLE = EniStats(
    eni_id="eni-1",
    device_number=1,
    primary=False,
    trunk=False,
    efa=False,
    excluded=False,
    subnet_id=None,
    added_ns=0,
    slot_count=2,
    total_count=32,
    assigned_count=0,
    cooling_count=0,
    pod_count=0,
    free_prefix_count=2,
    idle_cidr_count=2,
    stale_cidr_count=0,
    cooling_until_ns=None,
)


def test_an_idle_secondary_eni_can_be_freed():
    assert obstacle(IDLE, NOW) is None


def test_an_excluded_eni_can_be_freed():
    assert obstacle(attrs.evolve(IDLE, excluded=True), NOW) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"primary": True}, "it is the primary ENI"),
        ({"trunk": True}, "it is the trunk ENI"),
        ({"efa": True}, "it is an EFA interface"),
        ({"pod_count": 1}, "1 pod has addresses on it"),
        ({"cooling_until_ns": NOW + 2_500_000_000}, "an address on it cools for another 2.5 s"),
        ({"added_ns": NOW}, "it is younger than 60 s"),
    ],
)
def test_each_obstacle_alone_keeps_an_eni(change, why):
    assert obstacle(attrs.evolve(IDLE, **change), NOW) == why


def test_obstacles_are_listed_by_how_long_they_last():
    changes = [
        {"primary": True},
        {"trunk": True},
        {"efa": True},
        {"pod_count": 3},
        {"cooling_until_ns": NOW + 1},
        {"added_ns": NOW},
    ]
    eni = IDLE
    for change in reversed(changes):
        alone = attrs.evolve(IDLE, **change)
        eni = attrs.evolve(eni, **change)
        assert obstacle(eni, NOW) == obstacle(alone, NOW) is not None


@pytest.mark.parametrize(("now_ns", "kept"), [(NOW - 1, True), (NOW, False), (NOW + 1, False)])
def test_an_address_cools_until_its_end_exclusive(now_ns, kept):
    assert (obstacle(attrs.evolve(IDLE, cooling_until_ns=NOW), now_ns) is not None) == kept


@pytest.mark.parametrize(
    ("age_ns", "kept"), [(-1, True), (0, True), (60_000_000_000 - 1, True), (60_000_000_000, False), (60_000_000_001, False)]
)
def test_an_eni_lives_at_least_a_minute(age_ns, kept):
    assert (obstacle(attrs.evolve(IDLE, added_ns=NOW - age_ns), NOW) is not None) == kept


def test_pods_of_the_other_mode_keep_an_eni_though_they_are_not_counted_as_assigned():
    assert obstacle(attrs.evolve(IDLE, assigned_count=0, pod_count=2), NOW) == "2 pods have addresses on it"
