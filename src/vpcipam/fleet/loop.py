"""Select the compiled inner event loop if the pools are compiled (`vpcipam.pool.USING_EXTENSION`), else the plain one."""

from typing import TYPE_CHECKING

from vpcipam.pool import USING_EXTENSION

__all__ = ["ARRIVE", "DELETE", "NO_PODS", "Event", "Member", "Scheduler", "count_cooling", "delete_served", "run_until"]

if TYPE_CHECKING or not USING_EXTENSION:
    from vpcipam.fleet._loop_py import ARRIVE, DELETE, NO_PODS, Event, Member, Scheduler, count_cooling, delete_served, run_until
else:
    from vpcipam.fleet._loop import ARRIVE, DELETE, NO_PODS, Event, Member, Scheduler, count_cooling, delete_served, run_until
