"""When a node's next look at its pool will change something, worked out from what it sees now. Pure."""

from collections.abc import Iterable

import attrs

from vpcipam.node.card import Card
from vpcipam.node.pace import Pace
from vpcipam.stats import MINIMUM_ENI_LIFETIME_NS
from vpcipam.warmpool import PoolView, WarmPolicy


@attrs.frozen
class Foresight:
    """A card and what is seen of it now, to be looked at as of later times.

    Attributes:
        policy: the rules of its pool.
        attaches: ENIs and slots may be added, and ENIs freed.
    """

    card: Card
    view: PoolView
    policy: WarmPolicy
    pace: Pace
    attaches: bool

    def turning_points(self, now_ns: int) -> Iterable[int]:
        """The times at which a rule that speaks of an ENI's age or of a cooldown turns over."""
        yield from (eni.added_ns + MINIMUM_ENI_LIFETIME_NS for eni in self.view.enis)
        if self.card.surplus_since_ns is not None:
            yield self.card.surplus_since_ns + self.policy.release_delay_ns
        if self.view.cooldown_aware:  # every single cooldown counts
            yield from (cooling.until_ns for cooling in self.card.datastore.cooldowns(now_ns))
        else:  # an ENI waits for its last one
            yield from (eni.cooling_until_ns for eni in self.view.enis if eni.cooling_until_ns is not None)

    def would_act(self, time_ns: int) -> bool:
        """Tell whether a look at the pool at a time would change something, be it only since when there is a surplus."""
        view, settings = self._seen_at(time_ns), self.card.settings
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
            return True  # it comes or goes, and that is written down
        return surplus and self.pace.may_shrink(time_ns) and (since_ns is None or time_ns - since_ns >= delay_ns)

    def _seen_at(self, time_ns: int) -> PoolView:
        """What the view will be if only cooldowns end until then; it changes where they count."""
        if not self.view.cooldown_aware:
            return self.view
        enis = self.card.datastore.eni_stats(time_ns)
        cooling = sum(eni.cooling_count for eni in enis)
        return attrs.evolve(self.view, enis=enis, stats=attrs.evolve(self.view.stats, cooling_count=cooling))
