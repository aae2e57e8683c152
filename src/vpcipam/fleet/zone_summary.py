"""The nodes and pods of each zone: at one instant, and over a run."""

from collections.abc import Iterable, Sequence

import attrs

from vpcipam.fleet.figures import mean
from vpcipam.fleet.loop import Member
from vpcipam.fleet.samples import ZoneSample


def sample_zones(members: Iterable[Member], zones: Iterable[str]) -> dict[str, ZoneSample]:
    """Count the nodes of each zone that are not terminated, and what they have. Complexity: O(members)."""
    counts = {zone: [0] * len(ZoneSample._fields) for zone in zones}
    for member in members if counts else ():
        if not member.gone:
            waiting = len(member.waiting)
            figures = (1, member.pod_count - waiting, waiting, member.address_count, member.eni_count, member.prefix_count)
            of_zone = counts[member.zone or ""]
            for place, figure in enumerate(figures):
                of_zone[place] += figure
    return {zone: ZoneSample(*figures) for zone, figures in counts.items()}


@attrs.frozen
class ZoneSummary:
    """One zone over time, from the samples. Means are as in `Summary`."""

    nodes_peak: int
    nodes_mean: float
    pods_running_peak: int
    pods_running_mean: float
    pods_waiting_peak: int
    addresses_attached_peak: int
    addresses_attached_mean: float

    @classmethod
    def of(cls, times_ns: Sequence[int], samples: Sequence[ZoneSample]) -> "ZoneSummary":
        """Summarise the samples of a zone; at least one."""
        columns = dict(zip(ZoneSample._fields, zip(*samples, strict=True), strict=True))
        return cls(
            nodes_peak=max(columns["nodes"]),
            nodes_mean=mean(times_ns, columns["nodes"]),
            pods_running_peak=max(columns["pods_running"]),
            pods_running_mean=mean(times_ns, columns["pods_running"]),
            pods_waiting_peak=max(columns["pods_waiting"]),
            addresses_attached_peak=max(columns["addresses_attached"]),
            addresses_attached_mean=mean(times_ns, columns["addresses_attached"]),
        )
