"""When a node's next look at its pool will change something, computed from what the node sees now."""

from collections.abc import Iterable

import attrs

from vpcipam.node.card import Card
from vpcipam.node.pace import Pace
from vpcipam.warmpool import MINIMUM_ENI_LIFETIME_NS, PoolView, WarmPolicy


@attrs.frozen
class Forecast:
    """A card and its view now, to be asked about later times.

    Attributes:
        attaches: the node may add ENIs and slots, and free ENIs.
    """

    card: Card
    view: PoolView
    policy: WarmPolicy
    pace: Pace
    attaches: bool

    def turning_points(self, now_ns: int) -> Iterable[int]:
        """The times at which a rule about an ENI's age, a surplus or a cooldown starts to answer differently."""
        yield from (eni.added_ns + MINIMUM_ENI_LIFETIME_NS for eni in self.view.enis)
        if self.card.surplus_since_ns is not None:
            yield self.card.surplus_since_ns + self.policy.release_delay_ns
        if self.view.cooldown_aware:  # every single cooldown counts
            yield from (cooling.until_ns for cooling in self.card.datastore.cooldowns(now_ns))
        else:  # only the last cooldown on an ENI counts
            yield from (eni.cooling_until_ns for eni in self.view.enis if eni.cooling_until_ns is not None)

    def would_act(self, time_ns: int) -> bool:
        """Tell whether a look at the pool at a time changes something, even if only since when there is a surplus."""
        view, settings = self._view_at(time_ns), self.card.settings
        growth = self.policy.grow(view, settings)
        if growth is not None:
            if self.attaches and self.pace.may_grow(time_ns) and not growth.blocked:
                return True
            if self.card.surplus_since_ns is not None:
                return True
        elif self._would_shrink(view, time_ns):
            return True
        return self.attaches and self.policy.free_eni(view, settings, time_ns) is not None

    def _would_shrink(self, view: PoolView, time_ns: int) -> bool:
        since_ns, delay_ns = self.card.surplus_since_ns, self.policy.release_delay_ns
        surplus = self.policy.shrink(view, self.card.settings) is not None
        if delay_ns and surplus is (since_ns is None):
            return True  # a surplus begins or ends, which the card remembers
        return surplus and self.pace.may_shrink(time_ns) and (since_ns is None or time_ns - since_ns >= delay_ns)

    def _view_at(self, time_ns: int) -> PoolView:
        """The view at a later time if nothing happens until then but cooldowns end; these change it only if they count."""
        if not self.view.cooldown_aware:
            return self.view
        enis = self.card.datastore.eni_stats(time_ns)
        cooling = sum(eni.cooling_count for eni in enis)
        return attrs.evolve(self.view, enis=enis, stats=attrs.evolve(self.view.stats, cooling_count=cooling))
