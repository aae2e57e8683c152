"""When a node's next look at its pool will change something, worked out from what it sees now. Pure."""

from collections.abc import Iterable

import attrs

from vpcipam.card import Card
from vpcipam.pace import Pace
from vpcipam.stats import MINIMUM_ENI_LIFETIME_NS
from vpcipam.warmpool import PoolView, free_eni, grow, shrink


@attrs.frozen
class Foresight:
    """A card and what is seen of it now, to be looked at as of later times.

    Attributes:
        attaches: ENIs and slots may be added, and ENIs freed.
    """

    card: Card
    view: PoolView
    pace: Pace
    attaches: bool

    def turning_points(self, now_ns: int) -> Iterable[int]:
        """The times at which a rule that speaks of an ENI's age or of a cooldown turns over."""
        yield from (eni.added_ns + MINIMUM_ENI_LIFETIME_NS for eni in self.view.enis)
        if self.view.cooldown_aware:  # every single cooldown counts
            yield from (cooling.until_ns for cooling in self.card.datastore.cooldowns(now_ns))
        else:  # an ENI waits for its last one
            yield from (eni.cooling_until_ns for eni in self.view.enis if eni.cooling_until_ns is not None)

    def would_act(self, time_ns: int) -> bool:
        """Tell whether a look at the pool at a time would change something."""
        view, settings = self._seen_at(time_ns), self.card.settings
        growth = grow(view, settings)
        if growth is not None:
            if self.attaches and self.pace.may_grow(time_ns) and not growth.blocked:
                return True
        elif self.pace.may_shrink(time_ns) and shrink(view, settings) is not None:
            return True
        return self.attaches and free_eni(view, settings, time_ns) is not None

    def _seen_at(self, time_ns: int) -> PoolView:
        """What the view will be if only cooldowns end until then; it changes where they count."""
        if not self.view.cooldown_aware:
            return self.view
        enis = self.card.datastore.eni_stats(time_ns)
        cooling = sum(eni.cooling_count for eni in enis)
        return attrs.evolve(self.view, enis=enis, stats=attrs.evolve(self.view.stats, cooling_count=cooling))
