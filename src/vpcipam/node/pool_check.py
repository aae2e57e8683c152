"""A pool check: what to add to or release from a card's pool now, and when a later check will decide otherwise."""

from collections.abc import Iterable

import attrs

from vpcipam.node.card import Card
from vpcipam.node.pace import Pace
from vpcipam.warmpool import MINIMUM_ENI_LIFETIME_NS, Grow, PoolView, Shrink, WarmPolicy


@attrs.frozen
class PoolCheck:
    """The result of a pool check; freeing an ENI comes after it.

    Attributes:
        grow: what to add, None for nothing.
        shrink: what to release, None for nothing.
        surplus_since_ns: what to remember as `Card.surplus_since_ns`.
    """

    grow: Grow | None
    shrink: Shrink | None
    surplus_since_ns: int | None


def check_pool(card: Card, view: PoolView, policy: WarmPolicy, now_ns: int, *, may_grow: bool, may_shrink: bool) -> PoolCheck:
    """Decide whether a card's pool grows or shrinks. It shrinks only once a surplus has lasted for the policy's `release_delay_ns`."""
    growth = policy.grow(view, card.settings)
    surplus = policy.shrink(view, card.settings) if growth is None else None
    since_ns = None
    if surplus is not None and policy.release_delay_ns:
        since_ns = now_ns if card.surplus_since_ns is None else card.surplus_since_ns
        may_shrink = may_shrink and now_ns - since_ns >= policy.release_delay_ns
    return PoolCheck(growth if may_grow else None, surplus if may_shrink else None, since_ns)


@attrs.frozen
class Forecast:
    """Predicts later pool checks of a card from its view now.

    Attributes:
        attaches: the node may add ENIs and slots, and free ENIs.
    """

    card: Card
    view: PoolView
    policy: WarmPolicy
    pace: Pace
    attaches: bool

    def turning_points(self, now_ns: int) -> Iterable[int]:
        """The times at which a rule about an ENI's age, a surplus or a cooldown can change its answer."""
        yield from (eni.added_ns + MINIMUM_ENI_LIFETIME_NS for eni in self.view.enis)
        if self.card.surplus_since_ns is not None:
            yield self.card.surplus_since_ns + self.policy.release_delay_ns
        if self._every_cooldown_counts:
            yield from (cooling.until_ns for cooling in self.card.datastore.cooldowns(now_ns))
        else:  # only the last cooldown on an ENI counts
            yield from (eni.cooling_until_ns for eni in self.view.enis if eni.cooling_until_ns is not None)

    def would_act(self, time_ns: int) -> bool:
        """Tell whether a pool check at a time changes something, even if only `Card.surplus_since_ns`."""
        view, card = self._view_at(time_ns), self.card
        may_grow = self.attaches and self.pace.may_grow(time_ns)
        check = check_pool(card, view, self.policy, time_ns, may_grow=may_grow, may_shrink=self.pace.may_shrink(time_ns))
        return (
            (check.grow is not None and not check.grow.blocked)
            or check.shrink is not None
            or check.surplus_since_ns != card.surplus_since_ns
            or (self.attaches and self.policy.free_eni(view, card.settings, time_ns) is not None)
        )

    @property
    def _every_cooldown_counts(self) -> bool:
        stale = any(eni.cooling_stale_cidr_count for eni in self.view.enis)
        return stale or self.view.cooldown_aware or self.view.hold_cooling_cidrs

    def _view_at(self, time_ns: int) -> PoolView:
        """The view at a later time, if cooldowns end and nothing else happens until then."""
        if not self._every_cooldown_counts:
            return self.view
        enis = self.card.datastore.eni_stats(time_ns)
        cooling = sum(eni.cooling_count for eni in enis)
        return attrs.evolve(self.view, enis=enis, stats=attrs.evolve(self.view.stats, cooling_count=cooling))
