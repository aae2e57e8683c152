"""Binds pods to nodes, and keeps the pods that no node takes yet."""

from collections.abc import Iterator, Mapping

import attrs

from vpcipam.fleet.ledger import Ledger
from vpcipam.fleet.loop import Member, Scheduler


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
    """

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

    def take_pending(self) -> tuple[Member, int, int] | None:
        """Bind the oldest pending pod. Return its node, its number and the time at which it began to wait; None if no node has room."""
        pending = self._ledger.pending
        if not pending or (member := self._scheduler.take()) is None:
            return None
        number = next(iter(pending))
        return member, number, pending.pop(number)
