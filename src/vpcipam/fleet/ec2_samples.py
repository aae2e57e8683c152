"""Sample EC2 during a run: calls, throttled calls, and the free space of subnets."""

from collections.abc import Mapping

from vpcipam.ec2.model import Ec2Model
from vpcipam.fleet.metrics import FleetSample, Recorder, SubnetSample
from vpcipam.fleet.scenario import Scenario

STRIP_COUNT = 96
"""How many times a run records the free addresses of each subnet, /28 by /28."""


class Ec2Sampler:
    """Records the calls since it was made, and the space of the subnets."""

    def __init__(self, ec2: Ec2Model, subnet_ids: Mapping[str, str], scenario: Scenario, recorder: Recorder) -> None:
        names = {subnet_id: name for name, subnet_id in subnet_ids.items()}
        ec2.watch_subnets(lambda now_ns, subnet_id, levels: recorder.subnet_peaks.record(now_ns, names[subnet_id], levels))
        self._recorder = recorder
        self._ec2 = ec2
        self._subnet_ids = subnet_ids
        self._duration_ns = scenario.duration_ns
        self._sample_ns = scenario.sample_ns
        self._calls_before = ec2.call_counts

    def record(self, sample: FleetSample) -> None:
        """Record a sample of the fleet with what EC2 shows at its time."""
        counts = {action: count - self._calls_before.get(action, 0) for action, count in self._ec2.call_counts.items()}
        calls = {action: count for action, count in counts.items() if count}
        self._recorder.sample(sample, sample_subnets(self._ec2, self._subnet_ids), calls, self._ec2.throttled_counts)
        if self._strip_due(sample.time_ns):
            for name, subnet_id in self._subnet_ids.items():
                self._recorder.strip(sample.time_ns, name, self._ec2.subnet_strip(subnet_id))

    def _strip_due(self, now_ns: int) -> bool:
        strip_ns = max(1, self._duration_ns // STRIP_COUNT)
        return now_ns // strip_ns != (now_ns - self._sample_ns) // strip_ns or now_ns == self._duration_ns


def sample_subnets(ec2: Ec2Model, subnet_ids: Mapping[str, str]) -> dict[str, SubnetSample]:
    """Count what is taken and free in each subnet."""
    samples = {}
    for name, subnet_id in subnet_ids.items():
        space = ec2.subnet_space(subnet_id)
        samples[name] = SubnetSample(space.taken, space.free, space.reserved, space.largest_free, space.free_prefix_count, space.stranded)
    return samples
