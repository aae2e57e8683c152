"""What a control loop knows about its next ticks, so that it need not look at its pools again while nothing changes."""

from collections.abc import Iterable

import attrs

from vpcipam.datastore import Datastore
from vpcipam.node.card import Card

NEVER_NS = 1 << 127
"""A time later than any that a caller gives."""
NO_TIME = NEVER_NS, NEVER_NS
"""A span without any time in it."""

Span = tuple[int, int]
"""The times from the first one on, and before the second one."""
Seen = tuple[tuple[Datastore, int], ...]
"""Datastores, each with its `change_count` at a look."""


def look_at(cards: Iterable[Card]) -> Seen:
    """Note what the cards' datastores are like now. Do so before a closer look, since other threads may change them meanwhile."""
    return tuple([(card.datastore, card.datastore.change_count) for card in cards])


@attrs.define
class Outlook:
    """The results of one look at the pools of a node. They hold until the control loop does something, or a datastore changes.

    Each call of the control loop that can change anything drops the outlook; `covers` notices what others change.

    Attributes:
        seen: the datastores at the look.
        quiet: when ticks do nothing.
        wakeups: the results of `next_wakeup` so far, by its arguments: from when it was asked to what it returned, `NEVER_NS` for never.
            The first tick after some time that does something is also the first one after each time in between.
    """

    seen: Seen
    quiet: Span = NO_TIME
    wakeups: dict[tuple[bool, bool], Span] = attrs.field(init=False, factory=dict)

    def covers(self, now_ns: int, span: Span) -> bool:
        """Tell whether a time is in a span, and the datastores are as they were at the look."""
        if not span[0] <= now_ns < span[1]:
            return False
        for datastore, change_count in self.seen:  # noqa: SIM110  # `all` would take twice as long
            if datastore.change_count != change_count:
                return False
        return True
