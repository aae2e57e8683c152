"""The duration of calls to EC2: drawn by seed from a few quantiles per action, in whole nanoseconds."""

import zlib
from collections.abc import Iterable, Mapping
from itertools import pairwise

import attrs

from vpcipam._arguments import require_integer
from vpcipam._chance import Scatter
from vpcipam.ec2.api import METADATA_ACTION, actions_by_name, is_mutating
from vpcipam.errors import InvalidArgument

_MILLISECOND_NS = 1_000_000

_MILLION = 1_000_000
"""The highest draw. A draw is a number of millionths: the share of all calls that take no longer than the drawn duration."""


def _sorted_points(points: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted(points))


@attrs.frozen
class Latency:
    """A distribution of durations; create one with `fixed`, `uniform` or `quantiles`.

    Attributes:
        points: pairs of a per mille value, from 0 to 1000, and the duration in nanoseconds that this share of calls does not exceed.
            Between two points, durations are uniformly distributed.

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
        """Create a distribution with one duration for every call."""
        return cls.uniform(duration_ns, duration_ns)

    @classmethod
    def uniform(cls, lowest_ns: int, highest_ns: int) -> "Latency":
        """Create a uniform distribution between two durations, both included."""
        return cls(((0, lowest_ns), (1000, highest_ns)))

    @classmethod
    def quantiles(cls, lowest: int, *, p50: int, p90: int, p99: int, highest: int) -> "Latency":
        """Create a distribution from its quantiles, in nanoseconds: half of all calls take `p50` or less, nine of ten `p90`, and so on."""
        return cls(((0, lowest), (500, p50), (900, p90), (990, p99), (1000, highest)))

    def at(self, millionth: int) -> int:
        """Return the duration that this many millionths of all calls do not exceed, rounded down."""
        for (low, low_ns), (high, high_ns) in pairwise(self.points):
            if millionth <= high * 1000:
                return low_ns + (high_ns - low_ns) * (millionth - low * 1000) // ((high - low) * 1000)
        raise InvalidArgument(f"millionth is {millionth}; it must be 0 to {_MILLION}")


INSTANT = Latency.fixed(0)


def _by_name(latencies: Mapping[str, Latency] | Iterable[tuple[str, Latency]]) -> tuple[tuple[str, Latency], ...]:
    return actions_by_name("an action of Latencies", latencies)


@attrs.frozen
class Latencies:
    """The latencies of calls, by action.

    Attributes:
        actions: the latencies of single actions, by EC2's name; give a mapping or pairs, sorted pairs are stored.
        non_mutating: the latency of each other Describe, Get, List and Search action.
        mutating: the latency of each other action.
        metadata: the latency of reading an instance's metadata.
        throttled: the latency of a call that EC2 throttles.
    """

    actions: tuple[tuple[str, Latency], ...] = attrs.field(default=(), converter=_by_name)
    non_mutating: Latency = INSTANT
    mutating: Latency = INSTANT
    metadata: Latency = INSTANT
    throttled: Latency = INSTANT

    def latency(self, action: str) -> Latency:
        """Return the latency of an action's calls that are not throttled."""
        own = dict(self.actions).get(action)
        if own is not None:
            return own
        if action == METADATA_ACTION:
            return self.metadata
        return self.mutating if is_mutating(action) else self.non_mutating


def _milliseconds(*durations: int) -> Latency:
    lowest, p50, p90, p99, highest = (duration * _MILLISECOND_NS for duration in durations)
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
"""Plausible latencies, of the order that operators see: an attach about 1 s, an assign well under 1 s, a metadata read about 1 ms. They are
not measured, and AWS guarantees none."""


class Stopwatch:
    """The total duration of all calls. Each action has its own random sequence, so that its calls don't change another's latency."""

    def __init__(self, latencies: Latencies, seed: int) -> None:
        self._latencies = latencies
        self._seed = seed
        self._sources: dict[tuple[str, bool], tuple[Latency, Scatter]] = {}
        self.elapsed_ns = 0

    def add(self, action: str, *, throttled: bool = False) -> None:
        """Add the duration of one call."""
        key = action, throttled
        source = self._sources.get(key)
        if source is None:
            latency = self._latencies.throttled if throttled else self._latencies.latency(action)
            # Python's `hash` would differ from run to run.
            source = self._sources[key] = latency, Scatter(self._seed ^ zlib.crc32(f"{action} {throttled}".encode()) << 32)
        latency, draws = source
        self.elapsed_ns += latency.at(draws.below(_MILLION + 1))
