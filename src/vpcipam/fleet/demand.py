"""How many nodes pending pods need, and of which groups: what the autoscaler answers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import attrs

from vpcipam.fleet.group_nodes import GroupNodes, Zones
from vpcipam.fleet.spread import TopologySpread, open_zones

_NO_POD = TopologySpread("", ())


class Demand(Protocol):
    """The demand of pending pods for nodes."""

    def next_group(self, growing: Iterable[GroupNodes]) -> GroupNodes | None:
        """Return the group that needs another node, one of those that can grow; None if none does."""
        ...

    def launched(self, zones: Zones, room: int) -> None:
        """Count a node that was launched in one of these zones, with room for this many pods."""
        ...


@attrs.define
class PodCount:
    """Demand of pods that can go to any node: a node for as long as the pending pods exceed the room of booting nodes."""

    _pending_count: int
    _room: int

    def next_group(self, growing: Iterable[GroupNodes]) -> GroupNodes | None:
        """Return the first group that can grow, if another node is needed."""
        return next(iter(growing), None) if self._pending_count > self._room else None

    def launched(self, zones: Zones, room: int) -> None:
        """Count the room of a new node."""
        del zones
        self._room += room


class ZoneDemand:
    """Demand of pods that are spread over zones: each pod in turn takes room on a node, or needs a new one in an open zone.

    The autoscaler does not know in which zone a group with several zones launches its next node. It takes the zone that the pod needs, as
    the cluster autoscaler simulates an upcoming node with the zone of a template (aws_manager.go: getAsgTemplate). If the node joins
    in another zone, the pod still waits, and the autoscaler launches another node.

    Args:
        pods: the spreads of the pending pods, the oldest first; None for a pod that is not spread.
        rooms: the room of booting nodes and of those that are ready, by the zones of their groups.
        counts: the pods of each spread that are on a node, by zone.
        domains: the zones that have nodes.
    """

    def __init__(
        self,
        pods: Iterable[TopologySpread | None],
        rooms: Mapping[Zones, int],
        counts: Mapping[str, Mapping[str, int]],
        domains: Iterable[str],
    ) -> None:
        self._pods = iter(pods)
        self._rooms = dict(rooms)
        self._counts = {name: Counter(each) for name, each in counts.items()}
        # A group with one zone makes that zone a domain as soon as its node joins.
        booting = (zones[0] for zones, room in rooms.items() if room and len(zones) == 1)
        self._domains = dict.fromkeys([*domains, *booting])
        self._unplaced = next(self._pods, _NO_POD)

    def next_group(self, growing: Iterable[GroupNodes]) -> GroupNodes | None:
        """Return the first group that can grow and has an open zone for the oldest pod without room."""
        groups = tuple(growing)
        hopeless = set[TopologySpread | None]()
        while groups and (spread := self._unplaced) is not _NO_POD:
            if spread not in hopeless and not self._place(spread):
                for group in groups:
                    if self._zone_in(spread, group.zones) is not None:
                        return group
                hopeless.add(spread)
            self._unplaced = next(self._pods, _NO_POD)
        return None

    def launched(self, zones: Zones, room: int) -> None:
        """Count the room of a new node."""
        self._rooms[zones] = self._rooms.get(zones, 0) + room

    def _place(self, spread: TopologySpread | None) -> bool:
        """Let a pod take room on a node. Return False if it finds none."""
        for zones, room in self._rooms.items():
            if room and (zone := self._zone_in(spread, zones)) is not None:
                self._rooms[zones] -= 1
                self._domains[zone] = None
                if spread is not None:
                    self._counts.setdefault(spread.pods, Counter())[zone] += 1
                return True
        return False

    def _zone_in(self, spread: TopologySpread | None, zones: Zones) -> str | None:
        """Return the first of some zones in which a new node could take a pod."""
        return next(self._open(spread, zones), None)

    def _open(self, spread: TopologySpread | None, zones: Zones) -> Iterator[str]:
        for zone in zones:
            if spread is None or zone in open_zones(spread.hard, self._counts.get(spread.pods, {}), {**self._domains, zone: None}):
                yield zone
