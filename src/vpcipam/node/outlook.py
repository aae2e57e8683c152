"""What a control loop knows about its next ticks, so that it need not look at its pools again while nothing changes."""

import attrs

NEVER_NS = 1 << 127
"""A time later than any that a caller gives."""
NO_TIME = NEVER_NS, NEVER_NS
"""A span without any time in it."""

Span = tuple[int, int]
"""The times from the first one on, and before the second one."""


@attrs.define
class Outlook:
    """The results of one look at the pools of a node. They hold until the control loop does something, or its `change_count` grows.

    Each call of the control loop that can change anything drops the outlook. Its count tells of what others change.

    Attributes:
        change_count: that of the control loop before the look.
        quiet: when ticks do nothing.
        wakeups: the results of `next_wakeup` so far, by its arguments: from when it was asked to what it returned, `NEVER_NS` for never.
            The first tick after some time that does something is also the first one after each time in between.
    """

    change_count: int
    quiet: Span = NO_TIME
    wakeups: dict[tuple[bool, bool], Span] = attrs.field(init=False, factory=dict)
