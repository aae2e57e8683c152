"""The figures of a run: levels over time, waits, calls, subnets."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from vpcipam._units import MINUTE_NS
from vpcipam.fleet.figures import mean, rounded
from vpcipam.fleet.samples import FleetSample, ZoneSample
from vpcipam.fleet.subnet_peaks import SubnetSummary
from vpcipam.fleet.waits import Waits
from vpcipam.fleet.zone_summary import ZoneSummary

__all__ = ["CallSummary", "SubnetSummary", "Summary", "Waits", "ZoneSummary", "mean", "rates", "rounded", "totals", "worst_minute"]


@attrs.frozen
class CallSummary:
    """Calls to EC2, of one action or of all.

    Attributes:
        total: all calls.
        at_start: calls at time 0 and during the warm-up. The rates exclude them. Those that set up the initial nodes are not counted.
        per_minute: the mean rate of the other calls, rounded to hundredths.
        worst_minute: the highest rate in calls per minute, rounded to tenths. Each sample has a rate, over the shortest span that ends with
            it, begins with another sample, and is a minute or longer. In the first minute, the calls so far count as a whole minute's.
        worst_minute_ns: when the span with the highest rate ended.
        throttled: calls that EC2 answered with RequestLimitExceeded.
    """

    total: int
    at_start: int
    per_minute: float
    worst_minute: float
    worst_minute_ns: int
    throttled: int

    @classmethod
    def of(cls, times_ns: Sequence[int], counts: Sequence[int], throttled: int) -> "CallSummary":
        """Summarise calls counted in the intervals that end at `times_ns`; the first time is the start."""
        rest = sum(counts[1:])
        rate, rate_ns = worst_minute(times_ns, counts)
        mean = rounded(rest * MINUTE_NS, max(times_ns[-1] - times_ns[0], MINUTE_NS), 2)
        return cls(counts[0] + rest, counts[0], mean, rate, rate_ns, throttled)


@attrs.frozen
class Summary:
    """A run in figures. Means are weighted by time and rounded to tenths: a sample stands for the time until the next one.

    Attributes:
        measured_from_ns: the end of the warm-up. Peaks, means, rates of calls and waits leave out what was before; a pod that was created
            before has no wait.
        pods: all pods of the workload. At the end each is running, waiting, pending, done or refused.
        pods_unserved: pods that never had an address in the run: those that are waiting, pending or refused at the end.
        addresses_peak: the most pod addresses attached at any instant, and when. `subnets` and `subnet_addresses_peak` count every instant
            too; the other peaks are taken from the samples.
        subnet_addresses_peak: the most addresses taken in all subnets together, including primary IPs and addresses of others.
        for_node, for_address, to_start: waits for a node with room, for an address on it, and from creation to the address. `for_address`
            counts the pods that got a node.
        calls: to EC2, by action.
        calls_worst_minute: `worst_minute` of all actions together; see `CallSummary`.
        call_rates: by action, and `all` for all together.
        zones: by name; empty in a fleet without zones.
    """

    measured_from_ns: int
    pods: int
    pods_running: int
    pods_waiting: int
    pods_pending: int
    pods_done: int
    pods_refused: int
    pods_unserved: int
    nodes_peak: int
    nodes_mean: float
    addresses_peak: int
    addresses_peak_ns: int
    addresses_mean: float
    addresses_assigned_peak: int
    addresses_assigned_mean: float
    addresses_cooling_peak: int
    addresses_cooling_mean: float
    addresses_warm_peak: int
    addresses_warm_mean: float
    enis_peak: int
    enis_mean: float
    prefixes_peak: int
    prefixes_mean: float
    subnet_addresses_peak: int
    for_node: Waits
    for_address: Waits
    to_start: Waits
    calls: Mapping[str, int]
    calls_worst_minute: float
    call_rates: Mapping[str, CallSummary]
    throttled: Mapping[str, int]
    subnets: Mapping[str, SubnetSummary]
    zones: Mapping[str, ZoneSummary] = attrs.field(factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON values. A fleet without zones has nothing about zones."""
        return attrs.asdict(self, filter=lambda field, value: bool(value) or field.name not in {"zone", "zones"})

    @classmethod
    def of(
        cls,
        samples: Sequence[FleetSample],
        *,
        pods: int,
        measured_from_ns: int,
        addresses_peak: tuple[int, int],
        subnet_addresses_peak: int,
        subnets: Mapping[str, SubnetSummary],
        waits: tuple[Waits, Waits, Waits],
        calls: Mapping[str, Sequence[int]],
        throttled: Mapping[str, Sequence[int]],
        zones: Mapping[str, Sequence[ZoneSample]],
    ) -> "Summary":
        """Summarise a run.

        Args:
            samples: at least one that is not before `measured_from_ns`.
            pods: the number of all pods.
            measured_from_ns: earlier samples are left out.
            addresses_peak: the most pod addresses, and when.
            subnet_addresses_peak: the most addresses taken in all subnets together.
            subnets: by name.
            waits: for a node, for an address, to the start.
            calls: by action, in the interval that ends with each sample.
            throttled: the throttled calls among them.
            zones: the samples of each zone, at the times of `samples`.
        """
        first = next(place for place, sample in enumerate(samples) if sample.time_ns >= measured_from_ns)
        measured = samples[first:]
        times_ns = [sample.time_ns for sample in measured]
        columns = dict(zip(FleetSample._fields, zip(*measured, strict=True), strict=True))
        last = samples[-1]
        for_node, for_address, to_start = waits
        lost = {action: sum(counts) for action, counts in throttled.items()}
        since = {action: (sum(counts[: first + 1]), *counts[first + 1 :]) for action, counts in calls.items()}
        all_calls = CallSummary.of(times_ns, totals(since, len(measured)), sum(lost.values()))
        levels: dict[str, float] = {}
        for name in ("nodes", "addresses_assigned", "addresses_cooling", "addresses_warm", "enis", "prefixes"):
            levels[f"{name}_peak"] = max(columns[name])
            levels[f"{name}_mean"] = mean(times_ns, columns[name])
        return cls(
            measured_from_ns=measured_from_ns,
            pods=pods,
            pods_running=last.pods_running,
            pods_waiting=last.pods_waiting,
            pods_pending=last.pods_pending,
            pods_done=last.pods_done,
            pods_refused=last.pods_refused,
            pods_unserved=last.pods_waiting + last.pods_pending + last.pods_refused,
            addresses_peak=addresses_peak[0],
            addresses_peak_ns=addresses_peak[1],
            addresses_mean=mean(times_ns, columns["addresses_attached"]),
            subnet_addresses_peak=subnet_addresses_peak,
            for_node=for_node,
            for_address=for_address,
            to_start=to_start,
            calls={action: sum(counts) for action, counts in calls.items()},
            calls_worst_minute=all_calls.worst_minute,
            call_rates={
                "all": all_calls,
                **{action: CallSummary.of(times_ns, counts, lost.get(action, 0)) for action, counts in since.items()},
            },
            throttled=lost,
            subnets=subnets,
            zones={zone: ZoneSummary.of(times_ns, each[first:]) for zone, each in zones.items()},
            **levels,  # type: ignore[arg-type]  # peaks are whole numbers, means are not
        )


def totals(counts: Mapping[str, Sequence[int]], length: int) -> list[int]:
    """Add up counts over all actions.

    >>> totals({"a": (1, 0), "b": (2, 5)}, 2), totals({}, 2)
    ([3, 5], [0, 0])
    """
    return [sum(each) for each in zip(*counts.values(), strict=True)] or [0] * length


def rates(times_ns: Sequence[int], counts: Sequence[int]) -> list[float]:
    """Return the calls a minute, rounded to hundredths, in each interval between two times; `counts` are those at each time."""
    lengths = [max(after - before, 1) for before, after in itertools.pairwise(times_ns)]
    return [rounded(count * MINUTE_NS, length, 2) for count, length in zip(counts[1:], lengths, strict=True)]


def worst_minute(times_ns: Sequence[int], counts: Sequence[int]) -> tuple[float, int]:
    """Return the most calls in a minute and when that minute ended; see `CallSummary`. The first count, that of the start, is excluded.

    Complexity: O(samples).

    >>> worst_minute([0, 30_000_000_000, 60_000_000_000, 150_000_000_000], [90, 1, 2, 6])
    (4.0, 150000000000)
    """
    most, most_ns, before, total = 0.0, times_ns[0], 0, 0
    for place in range(1, len(times_ns)):
        total += counts[place]
        while times_ns[place] - times_ns[before + 1] >= MINUTE_NS:
            before += 1
            total -= counts[before]
        rate = rounded(total * MINUTE_NS, max(times_ns[place] - times_ns[before], MINUTE_NS), 1)
        if rate > most:
            most, most_ns = rate, times_ns[place]
    return most, most_ns
