"""The conditions under which the EC2 model answers: throttling, latency, stale reads and faults."""

import attrs

from vpcipam._arguments import integer_field
from vpcipam._units import NS_PER_S
from vpcipam.ec2.faults import Faults
from vpcipam.ec2.latency import TYPICAL_LATENCIES, Latencies
from vpcipam.ec2.throttle import Throttle

NO_FAULTS = Faults()


@attrs.frozen
class Conditions:
    """How EC2 behaves over time. The defaults are ideal: no throttling, no latency, no lag, no faults.

    Attributes:
        throttle: the token buckets; None for no throttling.
        latencies: the durations of calls; None if calls take no time.
        describe_lag_ns: how far in the past Describe calls see ENIs, instances and subnets. Calls that change something see the present.
        metadata_lag_ns: how far in the past an instance's metadata shows its ENIs.
        faults: the faults to inject.
        seed: for the latencies; the faults have their own.
    """

    throttle: Throttle | None = None
    latencies: Latencies | None = None
    describe_lag_ns: int = attrs.field(default=0, validator=integer_field(0))
    metadata_lag_ns: int = attrs.field(default=0, validator=integer_field(0))
    faults: Faults = NO_FAULTS
    seed: int = 0

    @classmethod
    def typical(cls, seed: int = 0, *, faults: Faults = NO_FAULTS) -> "Conditions":
        """Create typical conditions: documented buckets, plausible latencies, Describe calls 1 s stale, metadata 2 s stale."""
        return cls(Throttle(), TYPICAL_LATENCIES, describe_lag_ns=NS_PER_S, metadata_lag_ns=2 * NS_PER_S, faults=faults, seed=seed)
