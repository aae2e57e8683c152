"""A pool check: what to add to or release from a card's pool now, and when a later check will decide otherwise."""

from collections.abc import Collection, Iterable

import attrs

from vpcipam.node.card import Card
from vpcipam.node.outlook import NEVER_NS
from vpcipam.node.pace import Pace
from vpcipam.warmpool import MINIMUM_ENI_LIFETIME_NS, Grow, PoolView, Shrink, WarmPolicy

Decision = Grow | Shrink | None
"""What to add to a pool, or what to release from it, None for neither; freeing an ENI comes after it."""


def wish(card: Card, view: PoolView, policy: WarmPolicy) -> Decision:
    """Ask the policy whether a card's pool should grow or shrink, regardless of pauses and intervals."""
    return policy.grow(view, card.settings) or policy.shrink(view, card.settings)


def check_pool(
    wanted: Decision, surplus_since_ns: int | None, policy: WarmPolicy, now_ns: int, *, may_grow: bool, may_shrink: bool
) -> tuple[Decision, int | None]:
    """Decide whether a card's pool grows or shrinks now. It shrinks only once a surplus has lasted for the policy's `release_delay_ns`.

    Args:
        wanted: what the policy wants.
        surplus_since_ns: the card's `surplus_since_ns`.
        policy: the policy.
        now_ns: the time of the check.
        may_grow: whether the node may grow now.
        may_shrink: whether the node may shrink now.

    Returns:
        The decision, and what to remember as `Card.surplus_since_ns`.
    """
    if not isinstance(wanted, Shrink):
        return wanted if may_grow else None, None
    if not policy.release_delay_ns:
        return wanted if may_shrink else None, None
    since_ns = now_ns if surplus_since_ns is None else surplus_since_ns
    return wanted if may_shrink and now_ns - since_ns >= policy.release_delay_ns else None, since_ns


def may_free_eni(view: PoolView) -> bool:
    """Tell whether to ask the policy which ENI to free: only if an ENI besides the primary one has no pods."""
    return 0 in [eni.pod_count for eni in view.enis if not eni.primary]


class Forecast:
    """Predicts later pool checks of a card from its view now."""

    def __init__(self, card: Card, view: PoolView, policy: WarmPolicy, pace: Pace, *, attaches: bool) -> None:
        """Make a forecast; `attaches` tells whether the node may add ENIs and slots, and free ENIs."""
        self._card = card
        self._view = view
        self._policy = policy
        self._pace = pace
        self._attaches = attaches
        self._every_cooldown_counts = _every_cooldown_counts(view)
        self._wish = wish(card, view, policy)

    def turning_points(self, now_ns: int) -> Iterable[int]:
        """The times at which a pool check can decide otherwise, some of them past."""
        return turning_points(self._card, self._view, self._policy, self._pace, now_ns)

    def would_act(self, time_ns: int) -> bool:
        """Tell whether a pool check at a time changes something, even if only `Card.surplus_since_ns`."""
        view, card, wanted = self._view, self._card, self._wish
        if self._every_cooldown_counts:
            view = self._view_at(time_ns)
            wanted = wish(card, view, self._policy)
        may_grow = self._attaches and self._pace.may_grow(time_ns)
        may_shrink = self._pace.may_shrink(time_ns)
        decision, since_ns = check_pool(wanted, card.surplus_since_ns, self._policy, time_ns, may_grow=may_grow, may_shrink=may_shrink)
        return (
            (decision is not None and not (isinstance(decision, Grow) and decision.blocked))
            or since_ns != card.surplus_since_ns
            or (self._attaches and may_free_eni(view) and self._policy.free_eni(view, card.settings, time_ns) is not None)
        )

    def _view_at(self, time_ns: int) -> PoolView:
        """The view at a later time, if cooldowns end and nothing else happens until then."""
        enis = self._card.datastore.eni_stats(time_ns)
        cooling = sum(eni.cooling_count for eni in enis)
        return attrs.evolve(self._view, enis=enis, stats=attrs.evolve(self._view.stats, cooling_count=cooling))


def turning_points(card: Card, view: PoolView, policy: WarmPolicy, pace: Pace, now_ns: int) -> Iterable[int]:
    """The times at which a pause, or a rule about an ENI's age, a surplus or a cooldown can change its answer, some of them past."""
    yield from pace.turning_points()
    yield from [eni.added_ns + MINIMUM_ENI_LIFETIME_NS for eni in view.enis]
    if card.surplus_since_ns is not None:
        yield card.surplus_since_ns + policy.release_delay_ns
    if _every_cooldown_counts(view):
        yield from [cooling.until_ns for cooling in card.datastore.cooldowns(now_ns)]
    else:  # only the last cooldown on an ENI counts
        yield from [eni.cooling_until_ns for eni in view.enis if eni.cooling_until_ns is not None]


def next_turn(looks: Iterable[tuple[Card, PoolView]], policy: WarmPolicy, pace: Pace, now_ns: int) -> int:
    """The first turning point after `now_ns` of some cards with their views, `NEVER_NS` for none."""
    times = [time_ns for card, view in looks for time_ns in turning_points(card, view, policy, pace, now_ns) if time_ns > now_ns]
    return min(times, default=NEVER_NS)


def _every_cooldown_counts(view: PoolView) -> bool:
    return view.cooldown_aware or view.hold_cooling_cidrs or any(eni.cooling_stale_cidr_count for eni in view.enis)


def next_action(forecasts: Collection[Forecast], pace: Pace, now_ns: int) -> int:
    """The first tick after `now_ns` whose pool check changes something, `NEVER_NS` for never."""
    first_ns = pace.next_tick(now_ns)
    if any(each.would_act(first_ns) for each in forecasts):
        return first_ns
    times = {pace.next_tick(time_ns - 1) for each in forecasts for time_ns in each.turning_points(now_ns) if time_ns > first_ns}
    return next((time_ns for time_ns in sorted(times) if any(each.would_act(time_ns) for each in forecasts)), NEVER_NS)
