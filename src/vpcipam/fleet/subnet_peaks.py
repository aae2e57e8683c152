"""The extremes of a subnet over every instant of a run; samples could miss them."""

import attrs

from vpcipam.address import Cidr
from vpcipam.ec2.api import SubnetLevels
from vpcipam.ec2.subnet_rules import reserved_addresses
from vpcipam.fleet.figures import rounded

_KEPT_COUNT = len(reserved_addresses(Cidr.parse("10.0.0.0/28")))  # of every subnet


@attrs.frozen
class SubnetSummary:
    """One subnet over time, at every instant. If a figure occurs at several instants, its time is the first of them.

    Attributes:
        size: all its addresses, including the five that EC2 keeps.
        free_least: the fewest free addresses.
        untaken_at_fewest_prefixes: the addresses that were not taken when the fewest /28s were free.
        stranded_peak: the most stranded addresses; see `SubnetSample`.
        stranded_per_cent: the share of stranded addresses in the untaken ones at that time, rounded down.
        zone: its availability zone; None in a fleet without zones.
    """

    size: int
    taken_peak: int
    taken_peak_ns: int
    free_least: int
    free_least_ns: int
    free_prefixes_least: int
    free_prefixes_least_ns: int
    untaken_at_fewest_prefixes: int
    stranded_peak: int
    stranded_peak_ns: int
    stranded_per_cent: int
    zone: str | None = None

    @property
    def usable(self) -> int:
        """The addresses that can be taken: all but those that EC2 keeps."""
        return self.size - _KEPT_COUNT

    @property
    def taken_per_cent(self) -> float:
        """The share of the usable addresses that was taken at the peak, rounded to tenths."""
        return rounded(100 * self.taken_peak, self.usable, 1)


class _Extremes:
    """The extremes of one subnet: the levels at its fullest and so on, each with its time."""

    def __init__(self, now_ns: int, levels: SubnetLevels) -> None:
        self.taken = self.free = self.prefixes = self.stranded = (now_ns, levels)

    def record(self, now_ns: int, levels: SubnetLevels) -> None:
        """Record a change."""
        now = (now_ns, levels)
        if levels.taken > self.taken[1].taken:
            self.taken = now
        if levels.free < self.free[1].free:
            self.free = now
        if levels.free_prefix_count < self.prefixes[1].free_prefix_count:
            self.prefixes = now
        if levels.stranded > self.stranded[1].stranded:
            self.stranded = now


class SubnetPeaks:
    """Finds the extremes of subnets.

    Attributes:
        taken_peak: the most addresses taken in all subnets together at one instant.
    """

    def __init__(self) -> None:
        self.taken_peak = 0
        self._latest: dict[str, SubnetLevels] = {}
        self._extremes: dict[str, _Extremes] = {}
        self._taken = 0

    def record(self, now_ns: int, name: str, levels: SubnetLevels) -> None:
        """Record a change of a subnet. Times must not decrease."""
        self._taken += levels.taken - (self._latest[name].taken if name in self._latest else 0)
        self._latest[name] = levels
        self.taken_peak = max(self.taken_peak, self._taken)
        if name in self._extremes:
            self._extremes[name].record(now_ns, levels)
        else:
            self._extremes[name] = _Extremes(now_ns, levels)

    def restart(self, now_ns: int) -> None:
        """Forget everything but the present."""
        self.taken_peak = self._taken
        self._extremes = {name: _Extremes(now_ns, levels) for name, levels in self._latest.items()}

    def summary(self, name: str, size: int, zone: str | None = None) -> SubnetSummary:
        """Summarise a subnet that was recorded at least once."""
        extremes = self._extremes[name]
        stranded_ns, worst = extremes.stranded
        return SubnetSummary(
            size=size,
            taken_peak=extremes.taken[1].taken,
            taken_peak_ns=extremes.taken[0],
            free_least=extremes.free[1].free,
            free_least_ns=extremes.free[0],
            free_prefixes_least=extremes.prefixes[1].free_prefix_count,
            free_prefixes_least_ns=extremes.prefixes[0],
            untaken_at_fewest_prefixes=extremes.prefixes[1].untaken,
            stranded_peak=worst.stranded,
            stranded_peak_ns=stranded_ns,
            stranded_per_cent=100 * worst.stranded // worst.untaken if worst.untaken else 0,
            zone=zone,
        )
