"""The intervals and pauses of ipamd's control loop, and what they let a node do at a given time (docs/ipamd.md, "The control loop")."""

import attrs

from vpcipam._units import NS_PER_S
from vpcipam.action import Action, ActionKind
from vpcipam.warmpool import DECREASE_INTERVAL_NS, OUT_OF_ADDRESSES_PAUSE_NS

TICK_INTERVAL_NS = 5 * NS_PER_S
"""ipamd checks its pool this often."""
RECONCILE_INTERVAL_NS = 60 * NS_PER_S
"""A node compares itself with EC2 only if its last pool action was longer ago than this."""
CLEANUP_INTERVAL_NS = 3600 * NS_PER_S
"""A node waits this long after a search for leaked ENIs, and then a random time more, before it searches again."""
CLEANUP_DELAY_MAX_S = 300
"""Each search is put off by a random time below this, so that nodes that start together don't call EC2 together."""
_LONG_AGO_NS = -(1 << 62)


@attrs.define
class Pace:
    """The times that a node's next steps depend on, Unix nanoseconds.

    Attributes:
        anchor_ns: the start of the grid of ticks: when the node started, or when its last calls that took time ended.
        ready_ns: when the calls of the start ended.
        busy_until_ns: the end of the calls that the loop waits for.
        pool_check_due_ns: from when on the pool may be checked: one tick after these calls.
        reconcile_due_ns: from when on a comparison with EC2 is due: the last pool action was then long enough ago.
        cleanup_ns: when to search for leaked ENIs next, None for never.
    """

    anchor_ns: int = 0
    ready_ns: int = 0
    busy_until_ns: int = _LONG_AGO_NS
    pool_check_due_ns: int = _LONG_AGO_NS
    reconcile_due_ns: int = _LONG_AGO_NS + RECONCILE_INTERVAL_NS + 1
    cleanup_ns: int | None = None
    _last_decrease_ns: int = _LONG_AGO_NS
    _out_of_addresses_ns: int = _LONG_AGO_NS

    def begin(self, now_ns: int, ready_ns: int, cleanup_ns: int | None) -> None:
        """Start the loop."""
        self.anchor_ns = self.ready_ns = ready_ns
        self.cleanup_ns = cleanup_ns
        self.note_calls(now_ns, ready_ns)

    def note_calls(self, begin_ns: int, end_ns: int) -> None:
        """Note when the loop's calls begin and end. If they take time, the grid of ticks restarts at their end."""
        if end_ns > begin_ns:
            self.anchor_ns = self.busy_until_ns = end_ns
            self.pool_check_due_ns = end_ns + TICK_INTERVAL_NS

    def pause_growth(self, at_ns: int) -> None:
        """Begin the pause after an out-of-addresses answer. There is one for all network cards."""
        self._out_of_addresses_ns = at_ns

    def note(self, action: Action) -> None:
        """Note when an action changed the pool."""
        if action.kind is ActionKind.RELEASE_CIDRS:
            self._last_decrease_ns = action.at_ns
        elif not action.grew:
            return
        self.put_off_reconcile(action.at_ns)

    def put_off_reconcile(self, at_ns: int) -> None:
        """Note a pool action or a comparison with EC2; the next comparison is due when it is more than `RECONCILE_INTERVAL_NS` old."""
        self.reconcile_due_ns = at_ns + RECONCILE_INTERVAL_NS + 1

    def pass_over(self, now_ns: int) -> None:
        """Assume that each comparison with EC2 due before `now_ns` took place and found no difference.

        While a trunk is missing, comparisons are due more often. Their times don't matter, because the comparison that finds the trunk
        sets the time from which the next one is due.
        """
        first_ns = self.next_tick(self.reconcile_due_ns - 1)
        if first_ns < now_ns:
            interval_ns = RECONCILE_INTERVAL_NS + TICK_INTERVAL_NS
            self.put_off_reconcile(now_ns - 1 - (now_ns - 1 - first_ns) % interval_ns)

    def may_grow(self, now_ns: int) -> bool:
        """Tell whether the pause after an out-of-addresses answer is over."""
        return now_ns - self._out_of_addresses_ns >= OUT_OF_ADDRESSES_PAUSE_NS

    def may_shrink(self, now_ns: int) -> bool:
        """Tell whether the pool last shrank long enough ago."""
        return now_ns - self._last_decrease_ns >= DECREASE_INTERVAL_NS

    def next_tick(self, after_ns: int) -> int:
        """The first tick after a time."""
        anchor_ns = self.anchor_ns  # read once: the control loop may move it in another thread
        since_ns = after_ns - anchor_ns
        return anchor_ns + TICK_INTERVAL_NS if since_ns < 0 else after_ns + TICK_INTERVAL_NS - since_ns % TICK_INTERVAL_NS

    def next_reconcile(self, after_ns: int) -> int:
        """The first tick after a time at which a comparison with EC2 is due."""
        return self.next_tick(max(after_ns, self.reconcile_due_ns - 1))

    def next_cleanup(self, after_ns: int) -> int | None:
        """The first tick after a time at which a search for leaked ENIs is due, None for never."""
        return None if self.cleanup_ns is None else self.next_tick(max(after_ns, self.cleanup_ns - 1))

    def turning_points(self) -> tuple[int, int]:
        """The times at which the results of `may_grow` and `may_shrink` change."""
        return self._out_of_addresses_ns + OUT_OF_ADDRESSES_PAUSE_NS, self._last_decrease_ns + DECREASE_INTERVAL_NS
