"""The recorder of a run, and its result."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from vpcipam.errors import InvalidArgument
from vpcipam.fleet import export
from vpcipam.fleet.export import Columns, columns_of, digits
from vpcipam.fleet.narrative import EventFinder, FleetEvent, Notes, by_time
from vpcipam.fleet.samples import FleetSample, SubnetSample, ZoneSample
from vpcipam.fleet.subnet_peaks import SubnetPeaks
from vpcipam.fleet.summary import Summary, Waits, totals
from vpcipam.fleet.waits import WaitLog

__all__ = ["SCHEMA_VERSION", "FleetEvent", "FleetResult", "FleetSample", "Recorder", "SubnetSample", "Summary", "Waits", "ZoneSample"]

SCHEMA_VERSION = 1
"""Version of the document and the tables. It grows when a name is removed or changes its meaning, not when one is added."""


@attrs.frozen
class FleetResult:
    """The result of a run. The same scenario and seed give the same result, byte for byte.

    Attributes:
        subnet_samples: by subnet, at the times of `samples`.
        calls, throttled: by action, in each interval that ends with a sample.
        zone_samples: by zone, at the times of `samples`; empty in a fleet without zones.
        strips: by subnet, pairs of a sample's time and one byte for each /28: the number of its untaken addresses, 0 to 16.
    """

    scenario: str
    seed: int
    duration_ns: int
    summary: Summary
    samples: tuple[FleetSample, ...]
    subnet_samples: Mapping[str, tuple[SubnetSample, ...]]
    subnet_sizes: Mapping[str, int]
    calls: Mapping[str, tuple[int, ...]]
    throttled: Mapping[str, tuple[int, ...]]
    strips: Mapping[str, tuple[tuple[int, bytes], ...]]
    events: tuple[FleetEvent, ...]
    zone_samples: Mapping[str, tuple[ZoneSample, ...]] = attrs.field(factory=dict)

    def columns(self) -> Columns:
        """Return the samples as columns, with the calls and throttled calls since the previous sample."""
        rows = zip(self.samples, totals(self.calls, len(self.samples)), totals(self.throttled, len(self.samples)), strict=True)
        return columns_of((*FleetSample._fields, "calls", "throttled"), ((*sample, calls, lost) for sample, calls, lost in rows))

    def tables(self) -> dict[str, Columns]:
        """Return all tables: `samples`, `subnets`, `zones` if there are any, `calls`, `strips`, `events`. Times count from the start."""
        times_ns = [sample.time_ns for sample in self.samples]
        zones = {"zones": _by_name(times_ns, "zone", ZoneSample._fields, self.zone_samples)} if self.zone_samples else {}
        return {
            "samples": self.columns(),
            "subnets": _by_name(times_ns, "subnet", SubnetSample._fields, self.subnet_samples),
            **zones,
            "calls": columns_of(("time_ns", "action", "calls", "throttled"), self._call_rows(times_ns)),
            "strips": columns_of(
                ("time_ns", "subnet", "free_per_slash_28"),
                ((time_ns, name, digits(counts)) for name, strips in self.strips.items() for time_ns, counts in strips),
            ),
            "events": columns_of(tuple(field.name for field in attrs.fields(FleetEvent)), (attrs.astuple(event) for event in self.events)),
        }

    def _call_rows(self, times_ns: Sequence[int]) -> Iterable[tuple[int, str, int, int]]:
        """Yield a row for each action and sample with calls since the previous sample; all other counts are 0."""
        for action, counts in self.calls.items():
            lost = self.throttled.get(action) or (0,) * len(times_ns)
            for time_ns, count, lost_count in zip(times_ns, counts, lost, strict=True):
                if count:
                    yield time_ns, action, count, lost_count

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values, with the tables as columns. A fleet without zones has nothing about zones."""
        return {
            "schema_version": SCHEMA_VERSION,
            "scenario": self.scenario,
            "seed": self.seed,
            "duration_ns": self.duration_ns,
            "summary": self.summary.to_dict(),
            **self.tables(),
            "events": [attrs.asdict(event) for event in self.events],
        }

    def to_json(self) -> str:
        """Return `to_dict` as JSON text, one column a line."""
        return export.to_json(self.to_dict())

    def write_csv(self, folder: str | Path) -> tuple[Path, ...]:
        """Write a CSV file for each of `tables` into a folder, created if missing. Return the paths.

        Raises:
            OSError: a file can't be written.
        """
        return export.write_csv(folder, self.tables())


def _by_name(
    times_ns: Sequence[int], what: str, fields: Sequence[str], series: Mapping[str, Sequence[SubnetSample] | Sequence[ZoneSample]]
) -> Columns:
    """Return the samples of subnets or zones as one table."""
    rows = ((time_ns, name, *sample) for name, samples in series.items() for time_ns, sample in zip(times_ns, samples, strict=True))
    return columns_of(("time_ns", what, *fields), rows)


class Recorder:
    """Records a run for the event loop.

    Args:
        subnet_sizes: the addresses of each subnet; at least one.
        prefix_subnets: the subnets that nodes take prefixes from; None for all.
        zone_of: the zone of each subnet; empty in a fleet without zones.

    Attributes:
        for_node, for_address, to_start: waits: for a node, for an address on it, from creation to the address.
        subnet_peaks: what is taken and free in the subnets at every instant.
        addresses_peak: the most attached pod addresses, and when.
    """

    def __init__(
        self, subnet_sizes: Mapping[str, int], *, prefix_subnets: Iterable[str] | None = None, zone_of: Mapping[str, str] | None = None
    ) -> None:
        self._subnet_sizes = dict(subnet_sizes)
        self._prefix_subnets = set(subnet_sizes if prefix_subnets is None else prefix_subnets)
        self._zone_of = dict(zone_of or {})
        self._zones: dict[str, list[ZoneSample]] = {zone: [] for zone in self._zone_of.values()}
        self._samples: list[FleetSample] = []
        self._subnets: dict[str, list[SubnetSample]] = {name: [] for name in subnet_sizes}
        self._strips: dict[str, list[tuple[int, bytes]]] = {name: [] for name in subnet_sizes}
        self._call_totals: list[Mapping[str, int]] = []
        self._throttled_totals: list[Mapping[str, int]] = []
        self._notes = Notes()
        self.for_node, self.for_address, self.to_start = WaitLog(), WaitLog(), WaitLog()
        self.subnet_peaks = SubnetPeaks()
        self.addresses_peak = (0, 0)
        self._measured_from_ns = 0

    def event(self, time_ns: int, subject: str, text: str) -> None:
        """Record a message. A repeated message becomes one event."""
        self._notes.add(time_ns, subject, text)

    def measure_from(self, time_ns: int, address_count: int) -> None:
        """Forget the peaks so far. `address_count` pod addresses are attached now."""
        self._measured_from_ns = time_ns
        self.addresses_peak = address_count, time_ns
        self.subnet_peaks.restart(time_ns)

    def addresses(self, time_ns: int, count: int) -> None:
        """Record the number of attached pod addresses."""
        if count > self.addresses_peak[0]:
            self.addresses_peak = count, time_ns

    def sample(
        self, sample: FleetSample, subnets: Mapping[str, SubnetSample], calls: Mapping[str, int], throttled: Mapping[str, int]
    ) -> None:
        """Record a sample, and the total calls to EC2 so far.

        Raises:
            InvalidArgument: the sample is not later than the one before.
        """
        if self._samples and sample.time_ns <= self._samples[-1].time_ns:
            raise InvalidArgument(
                f"a sample at {sample.time_ns} ns can't follow one at {self._samples[-1].time_ns} ns; add samples in order of time"
            )
        self._samples.append(sample)
        self._call_totals.append(dict(calls))
        self._throttled_totals.append(dict(throttled))
        for name, subnet in subnets.items():
            self._subnets[name].append(subnet)

    def zones(self, samples: Mapping[str, ZoneSample]) -> None:
        """Record what is in each zone at the time of the latest sample."""
        for zone, sample in samples.items():
            self._zones[zone].append(sample)

    def strip(self, time_ns: int, subnet: str, free_counts: bytes) -> None:
        """Record the untaken addresses of each /28 of a subnet."""
        self._strips[subnet].append((time_ns, free_counts))

    def result(self, scenario: str, seed: int, duration_ns: int, *, pod_count: int, measured_count: int) -> FleetResult:
        """Return the result. The last sample must be the one at the end; `measured_count` pods were created after the warm-up."""
        calls, throttled = _per_interval(self._call_totals), _per_interval(self._throttled_totals)
        summary = Summary.of(
            self._samples,
            pods=pod_count,
            measured_from_ns=self._measured_from_ns,
            addresses_peak=self.addresses_peak,
            subnet_addresses_peak=self.subnet_peaks.taken_peak,
            subnets={name: self.subnet_peaks.summary(name, size, self._zone_of.get(name)) for name, size in self._subnet_sizes.items()},
            waits=(
                self.for_node.summary(measured_count),
                self.for_address.summary(measured_count - self.for_node.unended_count),
                self.to_start.summary(measured_count),
            ),
            calls=calls,
            throttled=throttled,
            zones=self._zones,
        )
        return FleetResult(
            scenario=scenario,
            seed=seed,
            duration_ns=duration_ns,
            summary=summary,
            samples=tuple(self._samples),
            subnet_samples={name: tuple(each) for name, each in self._subnets.items()},
            subnet_sizes=self._subnet_sizes,
            calls=calls,
            throttled=throttled,
            strips={name: tuple(each) for name, each in self._strips.items()},
            events=by_time(self._events(throttled)),
            zone_samples={zone: tuple(each) for zone, each in self._zones.items()},
        )

    def _events(self, throttled: Mapping[str, Sequence[int]]) -> Iterable[FleetEvent]:
        finder = EventFinder(self._samples)
        for name, samples in self._subnets.items():
            yield from finder.subnet(name, samples, takes_prefixes=name in self._prefix_subnets)
        yield from finder.waiting()
        yield from finder.throttling(throttled)
        yield from finder.peak(*self.addresses_peak)
        yield from self._notes.events()


def _per_interval(totals_until: Sequence[Mapping[str, int]]) -> dict[str, tuple[int, ...]]:
    """Turn running totals at each sample into counts between two samples, by action in alphabetical order."""
    counts = {}
    for action in sorted({name for each in totals_until for name in each}):
        values = [each.get(action, 0) for each in totals_until]
        counts[action] = tuple(after - before for before, after in zip([0, *values], values, strict=False))
    return counts
