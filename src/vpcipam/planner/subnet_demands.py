"""What nodes take out of the subnets of a zone, and what subnets can hold.

A subnet takes `p` prefixes and `s` single addresses if `p` is at most its number of whole /28s, and 16 × max(p, r) + s at most the
addresses that EC2 leaves, where `r` of these /28s are reserved for prefixes. That is all, because a single address can lie in any other
/28 that is no prefix. (Whether EC2 puts it there is another question: `Capacity.fragmented` is the worst case.)
"""

from collections.abc import Sequence
from typing import NamedTuple

import attrs

from vpcipam._units import ceil_div
from vpcipam.address import Cidr
from vpcipam.ec2.subnet_rules import PREFIX_SIZE, reserved_addresses


class Capacity(NamedTuple):
    """What a subnet can hold.

    Attributes:
        addresses: The addresses for nodes.
        prefixes: How many whole aligned /28s are among them.
        reserved: How many of these take prefixes only (CIDR reservations of the type `prefix`).
        pools: For which `Demand.pool` it is open, as a bit set; -1 for all.

    >>> Capacity.of("10.0.0.0/24")
    Capacity(addresses=251, prefixes=14, reserved=0, pools=-1)
    """

    addresses: int
    prefixes: int
    reserved: int = 0
    pools: int = -1

    @classmethod
    def of(cls, cidr: str) -> "Capacity":
        """Return what EC2 leaves of an empty subnet: all but five addresses, and but the first and the last /28."""
        whole = Cidr.parse(cidr)
        reserved = reserved_addresses(whole)
        return cls(whole.size - len(reserved), whole.size // PREFIX_SIZE - len({address // PREFIX_SIZE for address in reserved}))

    @property
    def fragmented(self) -> "Capacity":
        """The worst case: every single address breaks a /28 of its own, so that it counts as one (docs/fragmentation.md)."""
        return Capacity(self.prefixes, self.prefixes)

    @property
    def singles(self) -> int:
        """The most single addresses."""
        return self.addresses - PREFIX_SIZE * self.reserved

    def less(self, singles: int, prefixes: int) -> "Capacity":
        """Return what is left beside so many single addresses and prefixes. These take the reserved /28s first."""
        addresses = self.addresses - singles - PREFIX_SIZE * prefixes
        return Capacity(addresses, self.prefixes - prefixes, max(0, self.reserved - prefixes), self.pools)


@attrs.frozen(kw_only=True)
class Demand:
    """What one node takes out of the subnets of its zone.

    Attributes:
        fixed: The single addresses in the node's own subnet: the primary IP of its first ENI, that of the trunk, and those of branch ENIs.
        slots: The addresses or prefixes for pods.
        slot_size: The addresses of a slot: 1, or 16 for a prefix.
        slots_per_eni: The most slots of an ENI.
        eni_count: The fewest ENIs that have slots, the first included: as many as the node has if all are in one subnet.
        eni_limit: The most ENIs that have slots.
        spreads: The ENIs beside the first can be in other subnets of the zone (subnet discovery). Otherwise all are in one subnet.
        pool: The node can have ENIs in the subnets that are open for this one of `Capacity.pools`.
    """

    fixed: int
    slots: int = 0
    slot_size: int = 1
    slots_per_eni: int = 1
    eni_count: int = 1
    eni_limit: int = 1
    spreads: bool = False
    pool: int = 0

    @property
    def addresses(self) -> int:
        """The addresses of a node that is in one subnet."""
        return self.fixed + self.eni_count - 1 + self.slots * self.slot_size

    @property
    def prefixes(self) -> int:
        """The prefixes."""
        return self.slots if self.slot_size > 1 else 0

    @property
    def singles(self) -> int:
        """The single addresses of a node that is in one subnet."""
        return self.addresses - self.prefixes * self.slot_size

    @property
    def fragmented(self) -> "Demand":
        """The same for the capacity of a fragmented subnet, in which a prefix counts as one."""
        return attrs.evolve(self, slot_size=1)

    def divided(self, first_slots: int) -> "tuple[Demand, Demand | None]":
        """Return the first ENI with so many slots, and the other ENIs with the rest; None if there are no others."""
        first = attrs.evolve(self, slots=first_slots, eni_count=1, eni_limit=1, spreads=False)
        slots, limit = self.slots - first_slots, self.eni_limit - 1
        count = max(self.eni_count - 1, ceil_div(slots, self.slots_per_eni))
        spreads = self.spreads and limit > 1
        return first, attrs.evolve(self, fixed=1, slots=slots, eni_count=count, eni_limit=limit, spreads=spreads) if count else None

    def is_open(self, subnet: Capacity) -> bool:
        """Tell whether the node can have ENIs in a subnet."""
        return bool(subnet.pools >> self.pool & 1)

    def fits(self, free: Capacity) -> int:
        """Return how many such nodes fit, each as a whole."""
        if not self.is_open(free):
            return 0
        fitting = min(free.addresses // self.addresses, free.singles // self.singles)
        return min(fitting, free.prefixes // self.prefixes) if self.prefixes else fitting

    def most_slots(self, eni_count: int, free: Capacity, *, fixed: int = 0) -> int:
        """Return the most slots that so many ENIs can have in a subnet, beside `fixed` single addresses; below 0 if the ENIs don't fit."""
        left = free.singles - fixed - eni_count
        if left < 0 or not self.is_open(free):
            return -1
        room = left if self.slot_size == 1 else min(free.prefixes, (free.addresses - fixed - eni_count) // self.slot_size)
        return min(eni_count * self.slots_per_eni, room)


Demands = Sequence[tuple[Demand, int]]
"""Demands of nodes, each with the number of nodes."""


def whole_demands(demands: Demands) -> Demands:
    """Return the same demands with every node in one subnet."""
    return [(attrs.evolve(demand, spreads=False), count) for demand, count in demands]
