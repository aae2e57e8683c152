"""Recorders and results made by hand, so that all their figures are known."""

from vpcipam.ec2.api import SubnetLevels
from vpcipam.fleet.metrics import Recorder
from vpcipam.fleet.samples import FleetSample, SubnetSample

S = 1_000_000_000
MINUTE = 60 * S


def fleet(time_ns, **figures):
    """Make a sample. Figures that are not given are 0."""
    return FleetSample(time_ns, *(figures.get(name, 0) for name in FleetSample._fields[1:]))


def subnet(taken=10, free=200, *, reserved=0, largest_free=None, free_prefixes=5, stranded=0):
    """Make a sample of a subnet."""
    return SubnetSample(taken, free, reserved, free if largest_free is None else largest_free, free_prefixes, stranded)


def levels(sample):
    """Return the levels of a subnet that a sample shows."""
    return SubnetLevels(sample.taken, sample.free, sample.reserved, sample.free_prefixes, sample.stranded)


def look(recorder, time_ns, subnets):
    """Record how full the subnets are."""
    for name, sample in subnets.items():
        recorder.subnet_peaks.record(time_ns, name, levels(sample))


def recorded(*rows, size=256, prefix_subnets=None, step_ns=MINUTE):
    """Make a recorder of one subnet `a`. A row has the figures of the fleet, the subnet, the calls and the throttled calls at one step.

    The calls of a row are those since the last row.
    """
    recorder = Recorder({"a": size}, prefix_subnets=prefix_subnets)
    calls, throttled = {}, {}
    for place, row in enumerate(rows):
        figures, a_subnet, new_calls, new_throttled = (*row, *({}, subnet(), {}, {})[len(row) :])
        calls = {name: calls.get(name, 0) + new_calls.get(name, 0) for name in {*calls, *new_calls}}
        throttled = {name: throttled.get(name, 0) + new_throttled.get(name, 0) for name in {*throttled, *new_throttled}}
        recorder.sample(fleet(place * step_ns, **figures), {"a": a_subnet}, calls, throttled)
        look(recorder, place * step_ns, {"a": a_subnet})
    return recorder


def result_of(recorder, duration_ns, pods=0):
    """Return the result as scenario `web`, seed 1."""
    return recorder.result("web", 1, duration_ns, pod_count=pods, measured_count=pods)


def long_run(*, step_ns=MINUTE, count=1500, size=256):
    """A run with everything that a picture shows: levels, waits of both kinds, throttled calls, and a subnet at times without a /28."""
    rows = []
    for place in range(count):
        wave = place % 50
        rows.append((
            {
                "nodes": 3,
                "pods_running": 20 + wave,
                "pods_waiting": 4 if wave > 45 else 0,
                "pods_pending": 7 if 20 < place < 60 else 0,
                "addresses_attached": 90,
                "addresses_assigned": 20 + wave,
                "addresses_cooling": 5,
                "addresses_warm": 65 - wave,
                "enis": 6,
                "prefixes": 4,
            },
            subnet(100, 150, free_prefixes=0 if count // 3 < place < count // 2 else 3, stranded=place % 40),
            {"AttachNetworkInterface": 1, "CreateNetworkInterface": wave % 3},
            {"CreateNetworkInterface": 1} if wave == 7 else {},
        ))  # fmt: skip
    recorder = recorded(*rows, size=size, step_ns=step_ns)
    recorder.addresses(5 * S, 95)
    recorder.to_start.ended_ns += [3 * S, 40 * S]
    recorder.for_address.ended_ns += [3 * S, 40 * S]
    slash_28_count = size // 16
    for place in range(0, count, max(1, count // 20)):
        recorder.strip(place * step_ns, "a", bytes((place + number) % 17 for number in range(slash_28_count)))
    return result_of(recorder, (count - 1) * step_ns, 1000)
