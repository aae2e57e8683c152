"""The event loop's inner part: compiled if the pools are (`vpcipam.pool.USING_EXTENSION`), else plain."""

from typing import TYPE_CHECKING

from vpcipam.pool import USING_EXTENSION

__all__ = ["ARRIVE", "DELETE", "NO_PODS", "Event", "Member", "Scheduler", "count_cooling", "run_until"]

if TYPE_CHECKING or not USING_EXTENSION:
    from vpcipam.fleet._loop_py import ARRIVE, DELETE, NO_PODS, Event, Member, Scheduler, count_cooling, run_until
else:
    from vpcipam.fleet._loop import ARRIVE, DELETE, NO_PODS, Event, Member, Scheduler, count_cooling, run_until
