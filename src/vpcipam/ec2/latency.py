"""How long a call to EC2 takes: a few quantiles for each action, drawn from by seed, in whole nanoseconds."""

import zlib
from collections.abc import Iterable, Mapping
from itertools import pairwise

import attrs

from vpcipam._arguments import require_integer
from vpcipam._chance import Scatter
from vpcipam.ec2.api import METADATA_ACTION, is_mutating, require_action
from vpcipam.errors import InvalidArgument

MILLISECOND_NS = 1_000_000

_WHOLE = 1_000_000
"""Draws are in millionths, a thousand to each per mille of a quantile."""


def _sorted_points(points: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted(points))


@attrs.frozen
class Latency:
    """How long a call of some kind takes.

    Attributes:
        points: pairs of a per mille and the duration in nanoseconds that so many calls stay within; the first is of 0, the last of 1000.
            In between, durations are spread evenly. Make one by `fixed`, `uniform` or `quantiles`.

    Example:
        >>> Latency.quantiles(100, p50=300, p90=600, p99=2_000, highest=5_000).at(700_000)
        450
    """

    points: tuple[tuple[int, int], ...] = attrs.field(converter=_sorted_points)

    @points.validator
    def _check_points(self, _: object, points: tuple[tuple[int, int], ...]) -> None:
        for per_mille, duration_ns in points:
            require_integer("the per mille of a Latency", per_mille, 0)
            require_integer("a duration of a Latency", duration_ns, 0)
        if not points or points[0][0] != 0 or points[-1][0] != 1000:
            raise InvalidArgument(f"the points of a Latency must begin at 0 and end at 1000 per mille, not {points}")
        for (low, low_ns), (high, high_ns) in pairwise(points):
            if low == high or low_ns > high_ns:
                raise InvalidArgument(f"the points of a Latency must rise: {low} per mille within {low_ns}, {high} within {high_ns}")

    @classmethod
    def fixed(cls, duration_ns: int) -> "Latency":
        """Every call takes the same time."""
        return cls.uniform(duration_ns, duration_ns)

    @classmethod
    def uniform(cls, lowest_ns: int, highest_ns: int) -> "Latency":
        """Any time between two, both included, is as likely as any other."""
        return cls(((0, lowest_ns), (1000, highest_ns)))

    @classmethod
    def quantiles(cls, lowest: int, *, p50: int, p90: int, p99: int, highest: int) -> "Latency":
        """Half of all calls take `p50` or less, nine of ten `p90`, and so on: a long tail. In nanoseconds."""
        return cls(((0, lowest), (500, p50), (900, p90), (990, p99), (1000, highest)))

    def at(self, millionth: int) -> int:
        """The duration that so many millionths of all calls stay within, rounded down."""
        for (low, low_ns), (high, high_ns) in pairwise(self.points):
            if millionth <= high * 1000:
                return low_ns + (high_ns - low_ns) * (millionth - low * 1000) // ((high - low) * 1000)
        raise InvalidArgument(f"millionth is {millionth}; it must be 0 to {_WHOLE}")


INSTANT = Latency.fixed(0)


def _sorted_pairs(actions: Mapping[str, Latency] | Iterable[tuple[str, Latency]]) -> tuple[tuple[str, Latency], ...]:
    pairs = dict(actions)
    for action in pairs:
        require_action("an action of Latencies", action)
    return tuple(sorted(pairs.items()))


@attrs.frozen
class Latencies:
    """How long calls take, by action.

    Attributes:
        actions: what some actions take, by EC2's name; a mapping or pairs come in, sorted pairs are kept.
        non_mutating: what each other Describe, Get, List and Search action takes.
        mutating: what each other action takes.
        metadata: what reading the instance's metadata takes.
        throttled: what a call takes that EC2 turns away at the door.
    """

    actions: tuple[tuple[str, Latency], ...] = attrs.field(default=(), converter=_sorted_pairs)
    non_mutating: Latency = INSTANT
    mutating: Latency = INSTANT
    metadata: Latency = INSTANT
    throttled: Latency = INSTANT

    def latency(self, action: str) -> Latency:
        """What a call of an action takes that is let in."""
        own = dict(self.actions).get(action)
        if own is not None:
            return own
        if action == METADATA_ACTION:
            return self.metadata
        return self.mutating if is_mutating(action) else self.non_mutating


def _milliseconds(*durations: int) -> Latency:
    lowest, p50, p90, p99, highest = (duration * MILLISECOND_NS for duration in durations)
    return Latency.quantiles(lowest, p50=p50, p90=p90, p99=p99, highest=highest)


TYPICAL_LATENCIES = Latencies(
    actions={
        "AttachNetworkInterface": _milliseconds(600, 1_000, 1_600, 3_000, 6_000),
        "CreateNetworkInterface": _milliseconds(300, 500, 900, 2_000, 4_000),
        "DetachNetworkInterface": _milliseconds(300, 500, 900, 2_000, 4_000),
        "RunInstances": _milliseconds(800, 1_500, 2_500, 5_000, 10_000),
    },
    non_mutating=_milliseconds(40, 90, 200, 600, 2_000),
    mutating=_milliseconds(120, 250, 450, 1_000, 2_500),
    metadata=Latency.uniform(500_000, 1_500_000),
    throttled=_milliseconds(15, 30, 60, 150, 300),
)
"""Of the order that operators see: an attach about a second, an assign well under one, the metadata about a millisecond. AWS promises none
of these; they are a stage setting, no measurement."""


class Stopwatch:
    """How long all calls together have taken, one after another. Each action draws its own sequence, so that one's use moves no other's."""

    def __init__(self, latencies: Latencies, seed: int) -> None:
        self._latencies = latencies
        self._seed = seed
        self._sources: dict[tuple[str, bool], tuple[Latency, Scatter]] = {}
        self.elapsed_ns = 0

    def add_call(self, action: str) -> None:
        """Count in a call that was let in."""
        self._add(action)

    def add_throttled_call(self, action: str) -> None:
        """Count in a call that was turned away."""
        self._add(action, throttled=True)

    def _add(self, action: str, *, throttled: bool = False) -> None:
        key = action, throttled
        source = self._sources.get(key)
        if source is None:
            latency = self._latencies.throttled if throttled else self._latencies.latency(action)
            # Not `hash`, which differs from one run to the next.
            source = self._sources[key] = latency, Scatter(self._seed ^ zlib.crc32(f"{action} {throttled}".encode()) << 32)
        latency, draws = source
        self.elapsed_ns += latency.at(draws.below(_WHOLE + 1))
