"""Topology spread constraints over zones: the rule of kube-scheduler's plugin PodTopologySpread, as pure functions.

Sources: Kubernetes, "Pod Topology Spread Constraints"; pkg/scheduler/framework/plugins/podtopologyspread, filtering.go and scoring.go.
"""

import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Literal, get_args

import attrs

from vpcipam._arguments import require_integer
from vpcipam.errors import InvalidArgument

ZONE_KEY = "topology.kubernetes.io/zone"
"""The only topology key that is simulated."""
WhenUnsatisfiable = Literal["DoNotSchedule", "ScheduleAnyway"]
"""What happens to a pod that fits nowhere within the skew: it waits, or the constraint only ranks the zones."""
MAX_SKEW = 2**31 - 1
"""The largest `max_skew` and `min_domains`: the API has 32-bit integers."""
MAX_SCORE = 100
"""The best score of a zone (kube-scheduler: MaxNodeScore)."""


@attrs.frozen
class SpreadConstraint:
    """A topology spread constraint with the key `topology.kubernetes.io/zone`.

    Attributes:
        max_skew: by how many matching pods a zone may exceed the zone with the fewest, 1 or more. With `ScheduleAnyway`, a larger value
            makes the constraint weigh less.
        when_unsatisfiable: `DoNotSchedule` or `ScheduleAnyway`.
        min_domains: with fewer zones that have nodes, the fewest matching pods count as 0. Goes with `DoNotSchedule`; 1 or more.

    Raises:
        InvalidArgument: a value is out of bounds, or `min_domains` goes with `ScheduleAnyway`.
    """

    max_skew: int = attrs.field()
    when_unsatisfiable: WhenUnsatisfiable = attrs.field(default="DoNotSchedule")
    min_domains: int = attrs.field(default=1)

    @max_skew.validator
    @min_domains.validator
    def _check_count(self, attribute: "attrs.Attribute[int]", value: int) -> None:
        require_integer(f"{attribute.name} of a SpreadConstraint", value, 1, MAX_SKEW)

    def __attrs_post_init__(self) -> None:
        """Check the words, as Kubernetes does."""
        if self.when_unsatisfiable not in get_args(WhenUnsatisfiable):
            words = " or ".join(map(repr, get_args(WhenUnsatisfiable)))
            raise InvalidArgument(f"when_unsatisfiable of a SpreadConstraint must be {words}, not {self.when_unsatisfiable!r}")
        if self.min_domains != 1 and not self.is_hard:
            raise InvalidArgument("min_domains of a SpreadConstraint goes with when_unsatisfiable = DoNotSchedule; leave it out")

    @property
    def is_hard(self) -> bool:
        """Whether a pod waits rather than exceed the skew."""
        return self.when_unsatisfiable == "DoNotSchedule"


DEFAULT_CONSTRAINTS = (SpreadConstraint(5, "ScheduleAnyway"),)
"""What kube-scheduler applies to pods of a ReplicaSet without constraints of their own.

Its other default constraint, over `kubernetes.io/hostname`, is not simulated (plugin.go: systemDefaultConstraints).
"""


@attrs.frozen
class TopologySpread:
    """The constraints of a pod, and the name of the set of pods that count together: the pods that the label selectors match.

    Raises:
        InvalidArgument: two constraints have the same `when_unsatisfiable`, which Kubernetes refuses for the same topology key.
    """

    pods: str
    constraints: tuple[SpreadConstraint, ...]

    def __attrs_post_init__(self) -> None:
        """Check that there is at most one constraint of each kind."""
        kinds = [each.when_unsatisfiable for each in self.constraints]
        for kind in get_args(WhenUnsatisfiable):
            if kinds.count(kind) > 1:
                raise InvalidArgument(f"{kinds.count(kind)} spread constraints have when_unsatisfiable = {kind}; keep one of them")

    @cached_property
    def hard(self) -> SpreadConstraint | None:
        """The constraint that makes pods wait."""
        return next((each for each in self.constraints if each.is_hard), None)

    @cached_property
    def soft(self) -> SpreadConstraint | None:
        """The constraint that ranks zones."""
        return next((each for each in self.constraints if not each.is_hard), None)


def open_zones(constraint: SpreadConstraint | None, counts: Mapping[str, int], domains: Iterable[str]) -> list[str]:
    """Return the zones that a hard constraint allows for one more pod, in the order of `domains`.

    The skew of a zone is its matching pods, with the new one, less the fewest of any domain. Zones without a node are no domains, so the
    scheduler does not know them (filtering.go).

    Args:
        constraint: a hard one; None allows every domain.
        counts: the matching pods of each zone; a zone that is missing has none.
        domains: the zones that have nodes, with room or without.

    >>> open_zones(SpreadConstraint(1), {"a": 1, "b": 1}, ["a", "b", "c"]), open_zones(SpreadConstraint(1), {"a": 1, "b": 1}, ["a", "b"])
    (['c'], ['a', 'b'])
    """
    zones = list(domains)
    if constraint is None or not zones:
        return zones
    least = min(counts.get(zone, 0) for zone in zones) if len(zones) >= constraint.min_domains else 0
    return [zone for zone in zones if counts.get(zone, 0) + 1 - least <= constraint.max_skew]


def zone_scores(constraint: SpreadConstraint | None, counts: Mapping[str, int], zones: Iterable[str]) -> dict[str, int]:
    """Return how a soft constraint ranks zones, from 0 to `MAX_SCORE`; the fewer matching pods, the higher (scoring.go).

    Args:
        constraint: a soft one; None ranks all zones equally.
        counts: as for `open_zones`.
        zones: the zones with a node that can take the pod.

    >>> zone_scores(SpreadConstraint(1, "ScheduleAnyway"), {"a": 4, "b": 2}, ["a", "b", "c"])
    {'a': 0, 'b': 50, 'c': 100}
    """
    names = list(zones)
    if constraint is None:
        return dict.fromkeys(names, MAX_SCORE)
    weight = math.log(len(names) + 2)
    # round() is Go's math.Round here: no count times a logarithm lies halfway between two integers.
    raw = {zone: round(counts.get(zone, 0) * weight + constraint.max_skew - 1) for zone in names}
    most, least = max(raw.values(), default=0), min(raw.values(), default=0)
    return {zone: MAX_SCORE * (most + least - value) // most if most else MAX_SCORE for zone, value in raw.items()}
