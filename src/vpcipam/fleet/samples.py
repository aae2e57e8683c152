"""What a fleet looks like at one instant, and how a time of a scenario is written."""

from typing import NamedTuple

from vpcipam._units import NS_PER_S, S_PER_DAY, S_PER_HOUR


class FleetSample(NamedTuple):
    """All nodes at one instant.

    Attributes:
        time_ns: since the start of the scenario, which is at midnight.
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
    """One subnet at one instant. What nobody has is either free or reserved.

    Attributes:
        taken: addresses that ENIs hold: primary and secondary ones, 16 for each prefix.
        free: addresses that EC2 would pick by itself.
        reserved: those that nobody has, but that lie in a reservation.
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

    @property
    def untaken(self) -> int:
        """Addresses that nobody has."""
        return self.free + self.reserved

    @property
    def untaken_per_cent(self) -> int:
        """The part of the usable addresses that nobody has, rounded down."""
        return 100 * self.untaken // (self.taken + self.untaken)


def clock(time_ns: int) -> str:
    """Write a time since the start, which is at midnight, as a time of day, from the second day on with the day.

    >>> clock(52_320_000_000_000), clock(140_000_000_000_000)
    ('14:32', 'day 2 14:53:20')
    """
    days, seconds = divmod(time_ns // NS_PER_S, S_PER_DAY)
    time = f"{seconds // S_PER_HOUR:02d}:{seconds % S_PER_HOUR // 60:02d}" + (f":{seconds % 60:02d}" if seconds % 60 else "")
    return f"day {days + 1} {time}" if days else time
