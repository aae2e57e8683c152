"""What is written down of a fleet while it runs, and what is worth reading of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import attrs

from vpcipam.stats import NS_PER_S

DAY_S = 86_400


class FleetSample(NamedTuple):
    """All nodes at one instant.

    Attributes:
        pods_waiting: those on a node, without an address yet.
        pods_pending: those that no node has had room for yet.
        pods_done: those deleted after they had an address.
        pods_refused: those deleted, or turned away by their node, before they had one.
        addresses_attached: pod addresses on all nodes: assigned, cooling and warm.
        addresses_warm: those free to be assigned at once.
    """

    time_ns: int
    nodes: int
    pods_running: int
    pods_waiting: int
    pods_pending: int
    pods_done: int
    pods_refused: int
    addresses_attached: int
    addresses_assigned: int
    addresses_cooling: int
    addresses_warm: int
    enis: int
    prefixes: int


class SubnetSample(NamedTuple):
    """One subnet at one instant.

    Attributes:
        taken: addresses that ENIs hold: primary and secondary ones, 16 for each prefix.
        free: addresses that EC2 would pick by itself.
        reserved: those that are free but reserved.
        largest_free: the longest run of addresses that nobody has.
        free_prefixes: /28s of which nobody has any address.
        stranded: addresses that nobody has, in /28s of which somebody has some: no prefix can use them.
    """

    taken: int
    free: int
    reserved: int
    largest_free: int
    free_prefixes: int
    stranded: int


@attrs.frozen
class FleetEvent:
    """Something worth reading.

    Attributes:
        time_ns: since the start of the scenario.
        subject: a subnet, a group of nodes, or `fleet`.
    """

    time_ns: int
    subject: str
    text: str

    def __str__(self) -> str:
        """Write it as a line."""
        return f"{clock(self.time_ns)} {self.subject}: {self.text}"


@attrs.frozen
class Waits:
    """How long pods waited for something. Those that did not wait count as 0, those that wait still with what they have waited so far.

    Attributes:
        count: all pods.
        late_count: those that waited.
        p50, p90, p99: by nearest rank: the shortest time that so many percent of all pods stayed within.
    """

    count: int = 0
    late_count: int = 0
    p50_ns: int = 0
    p90_ns: int = 0
    p99_ns: int = 0
    max_ns: int = 0

    @classmethod
    def of(cls, count: int, late_ns: Sequence[int]) -> "Waits":
        """Sum up the waits of so many pods, of whom the others did not wait."""
        late = sorted(late_ns)
        at_once = count - len(late)

        def percentile(per_cent: int) -> int:
            rank = -(-count * per_cent // 100)
            return late[rank - at_once - 1] if rank > at_once else 0

        return cls(count, len(late), percentile(50), percentile(90), percentile(99), late[-1] if late else 0)


@attrs.frozen
class Summary:
    """A run in figures.

    Attributes:
        pods: all of the workload. They are running, waiting, pending, done or refused at the end.
        addresses_peak: the most pod addresses attached at any instant, and when.
        addresses_mean: of the samples, as are the other means; rounded to tenths.
        subnet_addresses_peak: the most addresses taken in all subnets together, of the samples, with primary IPs and what others hold.
        for_address: waits of pods on their node; `for_node`: waits for a node with room; `to_start`: from creation to the address.
        calls: to EC2, by action.
        calls_worst_minute: the most in a minute, of the intervals between samples.
    """

    pods: int
    pods_running: int
    pods_waiting: int
    pods_pending: int
    pods_done: int
    pods_refused: int
    nodes_peak: int
    addresses_peak: int
    addresses_peak_ns: int
    addresses_mean: float
    addresses_assigned_mean: float
    addresses_warm_mean: float
    enis_peak: int
    enis_mean: float
    prefixes_peak: int
    subnet_addresses_peak: int
    for_node: Waits
    for_address: Waits
    to_start: Waits
    calls: Mapping[str, int]
    calls_worst_minute: float
    throttled: Mapping[str, int]


@attrs.frozen
class FleetResult:
    """What came of a scenario. The same scenario and seed give the same result, byte for byte.

    Attributes:
        subnet_samples: by subnet, at the times of `samples`.
        calls, throttled: by action, in each interval that ends with a sample.
        strips: by subnet: at some of the samples, how many addresses of each /28 nobody has, 0 to 16; pairs of a time and a byte for each.
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


class Recorder:
    """Takes down what the event loop shows it.

    Args:
        subnet_sizes: the addresses of each subnet.
    """

    def __init__(self, subnet_sizes: Mapping[str, int]) -> None:
        self._subnet_sizes = dict(subnet_sizes)
        self._samples: list[FleetSample] = []
        self._subnets: dict[str, list[SubnetSample]] = {name: [] for name in subnet_sizes}
        self._strips: dict[str, list[tuple[int, bytes]]] = {name: [] for name in subnet_sizes}
        self._call_totals: list[Mapping[str, int]] = []
        self._throttled_totals: list[Mapping[str, int]] = []
        self._events: list[FleetEvent] = []
        self._stories = Stories(self._events)
        self.for_node_ns: list[int] = []
        self.for_address_ns: list[int] = []
        self.to_start_ns: list[int] = []
        self.addresses_peak = (0, 0)

    def event(self, time_ns: int, subject: str, text: str) -> None:
        """Note something worth reading."""
        self._events.append(FleetEvent(time_ns, subject, text))

    def addresses(self, time_ns: int, count: int) -> None:
        """Note how many pod addresses are attached, whenever that grows."""
        if count > self.addresses_peak[0]:
            self.addresses_peak = count, time_ns

    def sample(
        self, sample: FleetSample, subnets: Mapping[str, SubnetSample], calls: Mapping[str, int], throttled: Mapping[str, int]
    ) -> None:
        """Note how things stand, and the calls to EC2 until now."""
        self._samples.append(sample)
        self._call_totals.append(dict(calls))
        self._throttled_totals.append(dict(throttled))
        for name, subnet in subnets.items():
            self._stories.subnet(sample.time_ns, name, subnet)
            self._subnets[name].append(subnet)
        self._stories.fleet(sample, sum(throttled.values()))

    def strip(self, time_ns: int, subnet: str, free_counts: bytes) -> None:
        """Note how many addresses of each /28 of a subnet nobody has."""
        self._strips[subnet].append((time_ns, free_counts))

    def result(self, scenario: str, seed: int, duration_ns: int, pod_count: int) -> FleetResult:
        """Sum up. The last sample is that of the end."""
        calls, throttled = _per_interval(self._call_totals), _per_interval(self._throttled_totals)
        return FleetResult(
            scenario=scenario,
            seed=seed,
            duration_ns=duration_ns,
            summary=self._summary(pod_count, calls),
            samples=tuple(self._samples),
            subnet_samples={name: tuple(each) for name, each in self._subnets.items()},
            subnet_sizes=self._subnet_sizes,
            calls=calls,
            throttled=throttled,
            strips={name: tuple(each) for name, each in self._strips.items()},
            events=tuple(sorted(self._events, key=lambda event: event.time_ns)),
        )

    def _summary(self, pod_count: int, calls: Mapping[str, tuple[int, ...]]) -> Summary:
        samples, last = self._samples, self._samples[-1]
        taken = [sum(each.taken for each in at_once) for at_once in zip(*self._subnets.values(), strict=True)]
        return Summary(
            pods=pod_count,
            pods_running=last.pods_running,
            pods_waiting=last.pods_waiting,
            pods_pending=last.pods_pending,
            pods_done=last.pods_done,
            pods_refused=last.pods_refused,
            nodes_peak=max(sample.nodes for sample in samples),
            addresses_peak=self.addresses_peak[0],
            addresses_peak_ns=self.addresses_peak[1],
            addresses_mean=_mean([sample.addresses_attached for sample in samples]),
            addresses_assigned_mean=_mean([sample.addresses_assigned for sample in samples]),
            addresses_warm_mean=_mean([sample.addresses_warm for sample in samples]),
            enis_peak=max(sample.enis for sample in samples),
            enis_mean=_mean([sample.enis for sample in samples]),
            prefixes_peak=max(sample.prefixes for sample in samples),
            subnet_addresses_peak=max(taken),
            for_node=Waits.of(pod_count, self.for_node_ns),
            for_address=Waits.of(pod_count, self.for_address_ns),
            to_start=Waits.of(pod_count, self.to_start_ns),
            calls=dict(sorted(self._call_totals[-1].items())),
            calls_worst_minute=self._worst_minute(calls),
            throttled=dict(sorted(self._throttled_totals[-1].items())),
        )

    def _worst_minute(self, calls: Mapping[str, tuple[int, ...]]) -> float:
        """The most calls in an interval between samples, as so many a minute; those at the very start are in the first sample."""
        rates = [0.0]
        for place in range(1, len(self._samples)):
            length_ns = self._samples[place].time_ns - self._samples[place - 1].time_ns
            rates.append(sum(counts[place] for counts in calls.values()) * 60 * NS_PER_S / length_ns)
        return round(max(rates), 1)


class Stories:
    """Finds what is worth reading in the samples: when something begins, and when it is over.

    Args:
        events: where it writes.
    """

    def __init__(self, events: list[FleetEvent]) -> None:
        self._events = events
        self._before: dict[str, SubnetSample] = {}
        self._troubles: dict[str, tuple[int, int]] = {}  # what: since when, and the most at a time
        self._throttled_count = 0

    def subnet(self, time_ns: int, name: str, now: SubnetSample) -> None:
        """Look at a subnet."""
        before = self._before.get(name, now)
        self._before[name] = now
        usable = now.taken + now.free + now.reserved
        untaken = now.free + now.reserved
        if before.free_prefixes and not now.free_prefixes:
            self._tell(time_ns, name, f"no /28 left, {100 * untaken // usable} % of addresses free")
        elif now.free_prefixes and not before.free_prefixes:
            self._tell(time_ns, name, f"a /28 is free again, with {100 * untaken // usable} % of addresses")
        if before.free and not now.free:
            self._tell(time_ns, name, f"no address left{f', but for {now.reserved} reserved ones' if now.reserved else ''}")
        elif now.free and not before.free:
            self._tell(time_ns, name, f"{now.free} addresses are free again")

    def fleet(self, now: FleetSample, throttled_count: int) -> None:
        """Look at all nodes."""
        self._trouble(now.time_ns, "wait for an address", now.pods_waiting)
        self._trouble(now.time_ns, "wait for a node with room", now.pods_pending)
        if throttled_count and not self._throttled_count:
            self._tell(now.time_ns, "fleet", "EC2 throttles calls")
        self._throttled_count = throttled_count

    def _trouble(self, time_ns: int, what: str, count: int) -> None:
        since = self._troubles.get(what)
        if count:
            if since is None:
                self._tell(time_ns, "fleet", f"{pods(count)} {what if count > 1 else what.replace('wait', 'waits', 1)}")
            begin_ns, most = since or (time_ns, 0)
            self._troubles[what] = begin_ns, max(most, count)
        elif since is not None:
            begin_ns, most = self._troubles.pop(what)
            self._tell(time_ns, "fleet", f"no pod has to {what} any more; since {clock(begin_ns)} up to {most} did")

    def _tell(self, time_ns: int, subject: str, text: str) -> None:
        self._events.append(FleetEvent(time_ns, subject, text))


def clock(time_ns: int) -> str:
    """Write a time since the start, which is at midnight, as a time of day; from the second day on with the day.

    >>> clock(52_320_000_000_000), clock(140_000_000_000_000)
    ('14:32', 'day 2 14:53')
    """
    days, seconds = divmod(time_ns // NS_PER_S, DAY_S)
    time = f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"
    return f"day {days + 1} {time}" if days else time


def pods(count: int) -> str:
    """Write a number of pods."""
    return f"{count} pod{'' if count == 1 else 's'}"


def _per_interval(totals: Sequence[Mapping[str, int]]) -> dict[str, tuple[int, ...]]:
    """Turn totals until each sample into counts between two samples."""
    actions = sorted(Counter(name for total in totals for name in total))
    counts = {}
    for action in actions:
        values = [total.get(action, 0) for total in totals]
        counts[action] = tuple(after - before for before, after in zip([0, *values], values, strict=False))
    return counts


def _mean(values: Sequence[int]) -> float:
    return round(sum(values) / len(values), 1)
