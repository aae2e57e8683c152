"""The innermost loop of a fleet, compiled where the pools are (`vpcipam.pool.USING_EXTENSION`), else plain: both are made of one source."""

from typing import TYPE_CHECKING

from vpcipam.pool import USING_EXTENSION

__all__ = ["NEVER_NS", "NO_HOME", "Event", "Ledger", "Member", "Scheduler", "turn_over"]

if TYPE_CHECKING or not USING_EXTENSION:
    from vpcipam.fleet._turnover_py import NEVER_NS, NO_HOME, Event, Ledger, Member, Scheduler, turn_over
else:
    from vpcipam.fleet._turnover import NEVER_NS, NO_HOME, Event, Ledger, Member, Scheduler, turn_over
