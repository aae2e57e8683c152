"""Samples of a fleet and its subnets at one instant, and times of a scenario as text."""

from typing import NamedTuple

from vpcipam._units import NS_PER_S, S_PER_DAY, S_PER_HOUR


class FleetSample(NamedTuple):
    """All nodes at one instant.

    Attributes:
        time_ns: the time since the start of the scenario. Scenarios start at midnight.
        pods_waiting: pods on a node that have no address yet.
        pods_pending: pods that have no node yet.
        pods_done: pods that had an address and were deleted.
        pods_refused: pods that were deleted, or rejected by their node, before they had an address.
        addresses_attached: pod addresses on all nodes: assigned, cooling and warm.
        addresses_warm: addresses that can be assigned at once.
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
    """One subnet at one instant. An address that is not taken is either free or reserved.

    Attributes:
        taken: addresses that ENIs hold: primary and secondary ones, 16 for each prefix.
        free: addresses that EC2 can pick automatically.
        reserved: untaken addresses in a reservation.
        largest_free: the longest run of untaken addresses.
        free_prefixes: /28s without a taken address.
        stranded: untaken addresses in /28s in which others are taken, so that no prefix can use them.
    """

    taken: int
    free: int
    reserved: int
    largest_free: int
    free_prefixes: int
    stranded: int

    @property
    def untaken(self) -> int:
        """Addresses that are not taken."""
        return self.free + self.reserved

    @property
    def untaken_per_cent(self) -> int:
        """The untaken share of the usable addresses, rounded down."""
        return 100 * self.untaken // (self.taken + self.untaken)


class ZoneSample(NamedTuple):
    """The nodes of one zone at one instant; see `FleetSample`. Pods without a node are in no zone."""

    nodes: int
    pods_running: int
    pods_waiting: int
    addresses_attached: int
    enis: int
    prefixes: int


def clock(time_ns: int) -> str:
    """Format a time since the start as a time of day. The start is midnight. From the second day on, the day is shown too.

    >>> clock(52_320_000_000_000), clock(140_000_000_000_000)
    ('14:32', 'day 2 14:53:20')
    """
    days, seconds = divmod(time_ns // NS_PER_S, S_PER_DAY)
    time = f"{seconds // S_PER_HOUR:02d}:{seconds % S_PER_HOUR // 60:02d}" + (f":{seconds % 60:02d}" if seconds % 60 else "")
    return f"day {days + 1} {time}" if days else time
