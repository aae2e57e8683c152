"""Binds pods to nodes, and keeps the pods that no node takes yet."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import ClassVar

import attrs

from vpcipam.fleet.demand import Demand, PodCount, ZoneDemand
from vpcipam.fleet.group_nodes import Zones
from vpcipam.fleet.ledger import Ledger
from vpcipam.fleet.loop import Member, Scheduler
from vpcipam.fleet.spread import TopologySpread, open_zones
from vpcipam.fleet.zone_scheduler import ZoneScheduler


@attrs.define(eq=False)
class Binder:
    """Chooses a node for each pod, and keeps those that wait for one.

    Args:
        ledger: the pods. Those without a node wait in `ledger.pending`.
        scheduler: the nodes with room.
        by_name: all nodes of the run.

    Attributes:
        early: pods bound to a node that is not ready yet, each with the time at which it began to wait.
        rejected: pods that their node has rejected and that are not deleted yet.
        scales_at_once: whether each pending pod calls the autoscaler; else those that arrive at one instant call it together.
    """

    scales_at_once: ClassVar[bool] = True
    _ledger: Ledger
    _scheduler: Scheduler
    _by_name: Mapping[str, Member]
    early: dict[int, int] = attrs.field(init=False, factory=dict)
    rejected: set[int] = attrs.field(init=False, factory=set)

    def bind(self, name: str) -> Member | None:
        """Bind a pod to the node called `name`. Return None if the node does not exist yet, is gone, is not ready or is full."""
        member = self._by_name.get(name)
        if member is None or member.gone or not member.ready or member.pod_count >= member.room:
            return None
        self._scheduler.move(member, member.pod_count + 1)
        return member

    def wait(self, number: int, name: str | None, now_ns: int) -> bool:
        """Queue a pod until a node has room, or until the node `name` is ready.

        Return False if the node rejects the pod ("OutOfpods") because it is missing or full.
        """
        if name is None:
            self._ledger.pending[number] = now_ns
            return True
        member = self._by_name.get(name)
        if member is None or member.gone or member.ready:
            self.rejected.add(number)
            return False
        self.early[number] = now_ns
        return True

    def forget(self, number: int) -> None:
        """Forget a pod that is deleted before it had a node."""
        waiting = self.early if number in self.early else self._ledger.pending
        del waiting[number]

    def take_early(self, name: str) -> Iterator[tuple[int, int]]:
        """Take the pods that waited for the node `name` to be ready, each with the time at which it began to wait."""
        bound_to = self._ledger.bound_to
        assert bound_to is not None, "else no pod would wait for a node of its own"  # noqa: S101  # for the type checker
        for number, since_ns in list(self.early.items()):
            if bound_to[number] == name:
                del self.early[number]
                yield number, since_ns

    def choose_node(self, number: int) -> Member | None:
        """Choose a node for a pod that is not bound by name, and count the pod there. Return None if no node can take it."""
        del number
        return self._scheduler.take()

    def leave_zone(self, number: int, member: Member) -> None:
        """Note that a pod leaves its node."""

    def take_pending(self) -> tuple[Member, int, int] | None:
        """Bind the oldest pending pod. Return its node, its number and the time at which it began to wait; None if no node has room."""
        pending = self._ledger.pending
        if not pending or not self._scheduler.has_room() or (member := self.choose_node(number := next(iter(pending)))) is None:
            return None
        return member, number, pending.pop(number)

    def demand(self, booting_rooms: Mapping[Zones, int]) -> Demand:
        """Return which nodes the pending pods need, beside those that are booting."""
        return PodCount(len(self._ledger.pending), sum(booting_rooms.values()))

    def why_pending(self, number: int) -> str | None:
        """Return why a pod waits although some nodes have room; None if none has."""
        del number
        return None


@attrs.define(eq=False)
class SpreadBinder(Binder):
    """Binds pods of which some are spread over zones. Pending pods of one spread are alike: if the oldest does not fit, none does.

    Attributes:
        spreads: how each pod is spread.
    """

    scales_at_once: ClassVar[bool] = False
    _scheduler: ZoneScheduler
    spreads: Sequence[TopologySpread | None]
    _queues: dict[TopologySpread | None, deque[int]] = attrs.field(init=False, factory=dict)  # pending pods, and some deleted ones

    def choose_node(self, number: int) -> Member | None:
        """Choose a node for a pod within its spread constraints, and count the pod there."""
        spread = self.spreads[number]
        return self._scheduler.take() if spread is None else self._scheduler.take_for(spread)

    def leave_zone(self, number: int, member: Member) -> None:
        """Count a pod that is spread no longer in the zone of its node."""
        spread = self.spreads[number]
        if spread is not None:
            self._scheduler.leave(spread, member)

    def wait(self, number: int, name: str | None, now_ns: int) -> bool:
        """Queue a pod behind those with the same constraints."""
        if name is None:
            self._queues.setdefault(self.spreads[number], deque()).append(number)
        return super(SpreadBinder, self).wait(number, name, now_ns)  # noqa: UP008  # attrs makes the class anew, for its slots

    def take_pending(self) -> tuple[Member, int, int] | None:
        """Bind the oldest pending pod that a node can take.

        Complexity: O(spreads of pending pods · zones).
        """
        pending = self._ledger.pending
        if not pending or not self._scheduler.has_room():
            return None
        for queue in sorted(self._pending_queues(), key=itemgetter(0)):
            if (member := self.choose_node(queue[0])) is not None:
                number = queue.popleft()
                return member, number, pending.pop(number)
        return None

    def _pending_queues(self) -> list[deque[int]]:
        """Return the queues with pods, after removing those that were deleted from their heads."""
        for spread, queue in list(self._queues.items()):
            while queue and queue[0] not in self._ledger.pending:
                queue.popleft()
            if not queue:
                del self._queues[spread]
        return list(self._queues.values())

    def demand(self, booting_rooms: Mapping[Zones, int]) -> Demand:
        """Return which nodes the pending pods need, zone by zone.

        Nodes that are ready count too: a pod can take a place there when others of its spread have gone to other zones.
        """
        spreads = map(self.spreads.__getitem__, self._ledger.pending)
        ready = Counter({(zone,): room for zone, room in self._scheduler.rooms.items()})
        return ZoneDemand(spreads, ready + Counter(booting_rooms), self._scheduler.counts, self._scheduler.domains)

    def why_pending(self, number: int) -> str | None:
        """Return why a pod waits although some nodes have room; None if none has."""
        spread = self.spreads[number]
        if spread is None or spread.hard is None or not self._scheduler.has_room():
            return None
        zones = open_zones(spread.hard, self._scheduler.counts.get(spread.pods, {}), self._scheduler.domains)
        where, skew = ", ".join(zones), spread.hard.max_skew
        return f"pods of {spread.pods} wait for a node with room in zone {where}: max_skew {skew} allows no other zone"


def make_binder(ledger: Ledger, scheduler: Scheduler, by_name: Mapping[str, Member]) -> Binder:
    """Make the binder of a run, for the scheduler of `make_scheduler`."""
    if ledger.spreads is None or not isinstance(scheduler, ZoneScheduler):
        return Binder(ledger, scheduler, by_name)
    return SpreadBinder(ledger=ledger, scheduler=scheduler, by_name=by_name, spreads=ledger.spreads)
