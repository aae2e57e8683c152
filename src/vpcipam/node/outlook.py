"""What a control loop knows about its next ticks, so that it need not look at its pools again while nothing changes."""

from collections.abc import Iterable

import attrs

from vpcipam.datastore import Datastore
from vpcipam.node.card import Card

NEVER_NS = 1 << 127
"""A time later than any that a caller gives."""
_UNKNOWN = NEVER_NS, 0
Seen = tuple[tuple[Datastore, int], ...]
"""Datastores, each with its `change_count` at a look."""


def look_at(cards: Iterable[Card]) -> Seen:
    """Note what the cards' datastores are like now. Do so before a closer look, since other threads may change them meanwhile."""
    return tuple([(card.datastore, card.datastore.change_count) for card in cards])


@attrs.define
class Outlook:
    """The results of one look at the pools of a node. They hold until the control loop does something, or a datastore changes.

    Each call of the control loop that can change anything drops the outlook; `is_current` notices what others change.

    Attributes:
        seen: the datastores at the look.
        quiet_from_ns: ticks from this time on do nothing.
        quiet_until_ns: the end of that time, exclusive.
        wakeups: the results of `next_wakeup` so far, by its arguments: when it was asked, and what it returned, `NEVER_NS` for never.
    """

    seen: Seen
    quiet_from_ns: int = 0
    quiet_until_ns: int = 0
    wakeups: dict[tuple[bool, bool], tuple[int, int]] = attrs.field(init=False, factory=dict)

    def is_current(self) -> bool:
        """Tell whether the datastores are as they were at the look."""
        for datastore, change_count in self.seen:  # noqa: SIM110  # `all` would take twice as long
            if datastore.change_count != change_count:
                return False
        return True

    def is_quiet(self, now_ns: int) -> bool:
        """Tell whether a tick at a time does nothing."""
        return self.quiet_from_ns <= now_ns < self.quiet_until_ns and self.is_current()

    def wakeup(self, now_ns: int, kinds: tuple[bool, bool]) -> int | None:
        """Return what `next_wakeup` returns; None if that is unknown.

        The first tick after some time that does something is also the first one after each time in between.
        """
        asked_ns, wake_ns = self.wakeups.get(kinds, _UNKNOWN)
        return wake_ns if asked_ns <= now_ns < wake_ns and self.is_current() else None
