"""The nodes of a group by zone, balanced as an Auto Scaling group balances them."""

from collections import Counter
from collections.abc import Mapping

import attrs

from vpcipam.fleet.spec import NodeGroup, SubnetSpec

Zones = tuple[str, ...]
"""The zones of a group; empty in a fleet without zones."""


@attrs.define(eq=False)
class GroupNodes:
    """Counts the nodes of a group, and says where the next one is launched.

    EC2 Auto Scaling launches an instance in the zone where the group has the fewest, and tries another zone if that fails (its default
    strategy `balanced-best-effort`). In a zone with several subnets, they take turns.

    Args:
        number: the place of the group in the scenario.
        group: the group.
        subnets: its subnets.
        pod_subnets: the subnets of its ENIConfigs.

    Attributes:
        made_count: the nodes that were launched so far.
    """

    number: int
    group: NodeGroup
    _subnets: Mapping[str | None, tuple[str, ...]]
    _pod_subnets: Mapping[str | None, str]
    made_count: int = attrs.field(init=False, default=0)
    _live: Counter[str | None] = attrs.field(init=False, factory=Counter)
    _made: Counter[str | None] = attrs.field(init=False, factory=Counter)

    @classmethod
    def of(cls, number: int, group: NodeGroup, specs: Mapping[str, SubnetSpec]) -> "GroupNodes":
        """Count the nodes of a group, which has none yet; `specs` has the scenario's subnets by name."""
        zones = dict.fromkeys(specs[name].zone for name in group.subnets)
        return cls(
            number,
            group,
            {zone: tuple(name for name in group.subnets if specs[name].zone == zone) for zone in zones},
            {specs[name].zone: name for name in group.all_pod_subnets},
        )

    @property
    def zones(self) -> Zones:
        """The zones of the group's subnets."""
        return tuple(zone for zone in self._subnets if zone is not None)

    @property
    def live_count(self) -> int:
        """The nodes that are not terminated."""
        return self._live.total()

    @property
    def can_grow(self) -> bool:
        """Whether the group may have another node, and the node would take pods."""
        return self.live_count < self.group.max_count and self.group.pods_per_node > 0

    def zones_to_try(self) -> list[str | None]:
        """Return the zones for the next node, the one with the fewest first."""
        return sorted(self._subnets, key=self._live.__getitem__)

    def subnet_in(self, zone: str | None) -> str:
        """Return the name of the subnet for the next node in a zone."""
        names = self._subnets[zone]
        return names[self._made[zone] % len(names)]

    def pod_subnet_in(self, zone: str | None) -> str | None:
        """Return the name of the ENIConfig's subnet in a zone; None without custom networking."""
        return self._pod_subnets.get(zone)

    def launched(self, zone: str | None) -> None:
        """Count a new node."""
        self.made_count += 1
        self._made[zone] += 1
        self._live[zone] += 1

    def terminated(self, zone: str | None) -> None:
        """Count a node no longer."""
        self._live[zone] -= 1
