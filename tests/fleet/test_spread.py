"""The rule of topology spread constraints, against a naive reading of the Kubernetes documentation."""

import itertools
import math

import pytest

from vpcipam.errors import InvalidArgument
from vpcipam.fleet.spread import MAX_SKEW, SpreadConstraint, TopologySpread, open_zones, zone_scores

ZONES = "abc"
WORLDS = [dict(zip(ZONES, counts, strict=True)) for counts in itertools.product(range(4), repeat=3)]
DOMAINS = [domains for size in range(4) for domains in itertools.combinations(ZONES, size)]


def keeps_the_skew(max_skew, min_domains, counts, domains, zone):
    """Return whether a pod may go to a zone: its pods would exceed those of the zone with the fewest by `max_skew` at most."""
    fewest = 0 if len(domains) < min_domains else min(counts[each] for each in domains)
    after = {**counts, zone: counts[zone] + 1}
    return after[zone] - fewest <= max_skew


@pytest.mark.parametrize("max_skew", [1, 2, 3])
@pytest.mark.parametrize("min_domains", [1, 2, 3, 4])
def test_a_pod_may_go_where_the_skew_is_kept(max_skew, min_domains):
    constraint = SpreadConstraint(max_skew, min_domains=min_domains)
    for counts, domains in itertools.product(WORLDS, DOMAINS):
        allowed = [zone for zone in domains if keeps_the_skew(max_skew, min_domains, counts, domains, zone)]
        assert open_zones(constraint, counts, domains) == allowed, (counts, domains)
        present = {zone: count for zone, count in counts.items() if count}  # a zone that is missing has none
        assert open_zones(constraint, present, domains) == allowed


def test_the_zone_with_the_fewest_pods_is_always_open():
    for counts, domains in itertools.product(WORLDS, DOMAINS[1:]):
        assert min(domains, key=counts.__getitem__) in open_zones(SpreadConstraint(1), counts, domains)


def test_without_a_constraint_all_domains_are_open():
    assert open_zones(None, {"a": 9}, "ab") == ["a", "b"]


def test_pods_go_anywhere_in_the_only_zone():
    assert open_zones(SpreadConstraint(1), {"a": 100}, "a") == ["a"]


def test_with_fewer_domains_than_wanted_no_zone_takes_more_than_the_skew():
    assert open_zones(SpreadConstraint(2, min_domains=2), {"a": 1}, "a") == ["a"]
    assert open_zones(SpreadConstraint(2, min_domains=2), {"a": 2}, "a") == []


@pytest.mark.parametrize("max_skew", [1, 2, 5])
def test_a_zone_is_ranked_by_its_pods(max_skew):
    constraint = SpreadConstraint(max_skew, "ScheduleAnyway")
    for counts, zones in itertools.product(WORLDS, DOMAINS[1:]):
        raw = {zone: math.floor(counts[zone] * math.log(len(zones) + 2) + max_skew - 1 + 0.5) for zone in zones}
        most, least = max(raw.values()), min(raw.values())
        expected = {zone: 100 * (most + least - raw[zone]) // most if most else 100 for zone in zones}
        scores = zone_scores(constraint, counts, zones)
        assert scores == expected
        assert sorted(zones, key=lambda zone: (-scores[zone], zone)) == sorted(zones, key=lambda zone: (raw[zone], zone))


def test_a_larger_skew_makes_a_soft_constraint_weigh_less():
    spans = []
    for max_skew in (1, 5, 50):
        scores = zone_scores(SpreadConstraint(max_skew, "ScheduleAnyway"), {"a": 4, "b": 2}, "ab").values()
        spans.append(max(scores) - min(scores))
    assert spans == sorted(spans, reverse=True)
    assert len(set(spans)) == 3


def test_without_a_soft_constraint_all_zones_are_equal():
    assert zone_scores(None, {"a": 4}, "ab") == {"a": 100, "b": 100}


# --- refusals --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0,), InvalidArgument, "max_skew of a SpreadConstraint must be 1 to 2,147,483,647, not 0"),
        ((-1,), InvalidArgument, "max_skew"),
        ((MAX_SKEW + 1,), InvalidArgument, "max_skew"),
        ((1.0,), TypeError, "max_skew of a SpreadConstraint must be an int, not float"),
        ((True,), TypeError, "max_skew"),
        ((1, "DoNotSchedule", 0), InvalidArgument, "min_domains of a SpreadConstraint must be 1 to"),
        ((1, "Never"), InvalidArgument, "must be 'DoNotSchedule' or 'ScheduleAnyway', not 'Never'"),
        ((1, "ScheduleAnyway", 2), InvalidArgument, "min_domains of a SpreadConstraint goes with when_unsatisfiable = DoNotSchedule"),
    ],
)
def test_an_invalid_constraint_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        SpreadConstraint(*arguments)


def test_two_constraints_of_one_kind_are_refused():
    hard, soft = SpreadConstraint(1), SpreadConstraint(1, "ScheduleAnyway")
    assert (TopologySpread("web", (soft, hard)).hard, TopologySpread("web", (soft, hard)).soft) == (hard, soft)
    assert (TopologySpread("web", ()).hard, TopologySpread("web", ()).soft) == (None, None)
    for constraint in (hard, soft):
        with pytest.raises(InvalidArgument, match=f"2 spread constraints have when_unsatisfiable = {constraint.when_unsatisfiable}"):
            TopologySpread("web", (constraint, SpreadConstraint(3, constraint.when_unsatisfiable)))
