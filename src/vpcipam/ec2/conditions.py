"""The conditions under which the EC2 model answers: how often it may be called, how long it takes, what it shows late, what goes wrong."""

import attrs

from vpcipam._arguments import require_integer
from vpcipam.ec2.faults import Faults
from vpcipam.ec2.latency import TYPICAL_LATENCIES, Latencies
from vpcipam.ec2.throttle import SECOND_NS, Throttle

NO_FAULTS = Faults()


def _check_lag(_: object, attribute: "attrs.Attribute[int]", value: int) -> None:
    require_integer(attribute.name, value, 0)


@attrs.frozen
class Conditions:
    """How EC2 behaves over time. The default of each is the best: never throttled, instant, always up to date, faultless.

    Attributes:
        throttle: the token buckets; None for no limit.
        latencies: how long calls take; None for no time.
        describe_lag_ns: how late the Describe calls show ENIs, instances and subnets. Calls that change something always see the truth.
        metadata_lag_ns: how late an instance's metadata shows its ENIs.
        faults: what goes wrong.
        seed: of the latencies; the faults have their own.
    """

    throttle: Throttle | None = None
    latencies: Latencies | None = None
    describe_lag_ns: int = attrs.field(default=0, validator=_check_lag)
    metadata_lag_ns: int = attrs.field(default=0, validator=_check_lag)
    faults: Faults = NO_FAULTS
    seed: int = 0

    @classmethod
    def typical(cls, seed: int = 0, *, faults: Faults = NO_FAULTS) -> "Conditions":
        """EC2 on an ordinary day: the documented buckets, calls of a usual length, Describe 1 s late, the metadata 2 s."""
        return cls(Throttle(), TYPICAL_LATENCIES, describe_lag_ns=SECOND_NS, metadata_lag_ns=2 * SECOND_NS, faults=faults, seed=seed)
