"""The event loop's inner part: nodes as the loop sees them, the scheduler, and pods that come and go. One source for both twins.

`vpcipam.fleet.loop` picks the twin. The compiled one is this file with the C types of `_loop.pxd`.
"""

from collections.abc import Iterable
from fractions import Fraction
from heapq import heappop
from random import Random
from typing import Protocol

from vpcipam.errors import PoolExhausted
from vpcipam.fleet.ledger import NEVER_NS, Ledger
from vpcipam.fleet.spec import NodeGroup
from vpcipam.node import Node
from vpcipam.sandbox import SandboxKey

DELETE, ARRIVE = 3, 4
"""The kinds of pods' events. Events at one instant are handled in the order of their kinds."""

Event = tuple[int, int, int]
"""An event: time in nanoseconds, kind, and number. Events are handled in the order of these tuples."""


NO_PODS: dict[int, int] = {}
"""Nodes on which no pod has waited yet share this `waiting` dict. A single dict stays in the processor's cache."""


class Member:
    """One node of a fleet, with what the event loop keeps about it.

    Attributes:
        number: its place among all nodes of the run, from 0 on.
        zone: its availability zone; None in a fleet without zones.
        datastore: the datastore of the node's first network card, which holds all its pods.
        pool: the pool of that datastore.
        low, high: no tick changes the pool while the number of assigned addresses is between these two; see `Node.calm`.
        waiting: pods on the node without an address, each with the time of the kubelet's first try.
        wake_ns: when the node ticks next.
        retry_ns: when the kubelet next tries its waiting pods.
        scale_down_ns: when to check whether the node has been empty for long enough to go.
        ready: whether the scheduler may place pods on it.
        gone: whether it was terminated.
        released_ns: the time of the latest release of one of its addresses.
        cooldown_ns: the cooldown of its addresses.
        revision: the datastore's revision when `address_count`, `eni_count` and `prefix_count` were taken.
        pod_count: the number of its pods, with or without an address.
        room: the most pods that it can have.
        ranks, row, seat: see `Scheduler`.
    """

    def __init__(self, number: int, name: str, group: NodeGroup, node: Node, zone: str | None = None) -> None:
        self.number = number
        self.name = name
        self.group = group
        self.node = node
        self.zone = zone
        self.datastore = node.datastores[0]
        self.pool = self.datastore.sole_pool()
        self.cooldown_ns = self.pool.cooldown_ns
        self.low = 0
        self.high = -1
        self.waiting = NO_PODS
        self.wake_ns = self.retry_ns = self.scale_down_ns = NEVER_NS
        self.ready = self.gone = False
        self.released_ns = -NEVER_NS
        self.revision = -1
        self.address_count = self.eni_count = self.prefix_count = 0
        self.pod_count = 0
        self.room = group.pods_per_node
        self.ranks: list[int] = []
        self.row: list[Member] | None = None
        self.seat = 0


class Scheduler:
    """Chooses a node for each pod as kube-scheduler does, with the number of pods as the only resource.

    `least-allocated` takes the node with the smallest share of its `max_pods` in use; `most-allocated` takes the fullest node with room.
    These are the scoring strategies of NodeResourcesFit. Among nodes with the same score it takes one at random, as kube-scheduler's
    selectHost does.

    Attributes:
        shares: by rank, the share of `max_pods` that is in use.

    Invariants:

    1. A node with room is in the row of its rank, at its seat; a full node is in no row. Rank 0 is the best score.
    2. Rows before `_best` are empty.

    Complexity: O(1) for each change, amortised; a choice also skips the rows that became empty since the last choice.
    """

    def __init__(self, groups: Iterable[NodeGroup], *, most_allocated: bool, seed: int) -> None:
        """Make a scheduler without nodes.

        Args:
            groups: the groups of all nodes that will be added.
            most_allocated: take the fullest node rather than the emptiest.
            seed: for the random choice among nodes with the same score.
        """
        kinds = {(group.kubelet_max_pods, group.kubelet_max_pods - group.pods_per_node) for group in groups}
        scores = {Fraction(taken, most) for most, others in kinds for taken in range(others, most)}
        self.shares = sorted(scores, reverse=most_allocated)
        rank_of = {score: rank for rank, score in enumerate(self.shares)}
        self._ranks = {(most, others): [rank_of[Fraction(taken, most)] for taken in range(others, most)] for most, others in kinds}
        self._rows: list[list[Member]] = [[] for _ in scores]
        self._best = len(scores)
        self._random = Random(seed).random  # noqa: S311  # a simulation, seeded

    def add(self, member: Member) -> None:
        """Let a node take pods."""
        most = member.group.kubelet_max_pods
        member.ranks = self._ranks[most, most - member.room]
        self.move(member, member.pod_count)

    def remove(self, member: Member) -> None:
        """Let a node take no more pods."""
        member.room = 0
        self.move(member, member.pod_count)

    def best_rank(self) -> int:
        """Return the rank of the nodes that `take` would choose from; the number of ranks if no node has room."""
        rows = self._rows
        while self._best < len(rows) and not rows[self._best]:
            self._best += 1
        return self._best

    def has_room(self) -> bool:
        """Return whether any node has room."""
        return self.best_rank() < len(self._rows)

    def node_count(self, rank: int) -> int:
        """Return how many nodes with room have a rank."""
        return len(self._rows[rank])

    def take(self) -> Member | None:
        """Choose a node and count a pod on it. Return None if no node has room."""
        rank = self.best_rank()
        if rank == len(self._rows):
            return None
        row = self._rows[rank]
        member = row[int(self._random() * len(row))]
        self.move(member, member.pod_count + 1)
        return member

    def move(self, member: Member, pod_count: int) -> None:
        """Set the number of pods on a node."""
        row = member.row
        if row is not None:
            last = row.pop()
            if last is not member:
                seat = last.seat = member.seat
                row[seat] = last
        member.pod_count = pod_count
        if pod_count < member.room:
            rank = member.ranks[pod_count]
            row = member.row = self._rows[rank]
            member.seat = len(row)
            row.append(member)
            self._best = min(self._best, rank)
        else:
            member.row = None

    def _check(self) -> None:
        """Assert the invariants."""
        for rank, row in enumerate(self._rows):
            assert not row or rank >= self._best, "invariant 2"  # noqa: S101  # a _check asserts
            for seat, member in enumerate(row):
                in_place = member.row is row and member.seat == seat and member.ranks[member.pod_count] == rank
                assert in_place, f"invariant 1: {member.name}"  # noqa: S101  # likewise


class PodHandler(Protocol):
    """The callbacks of the loop: for pods that can't be served at once, and for events of a node or of the fleet."""

    def handle(self, event: Event) -> None:
        """Handle an event of a node or of the fleet. It may push more events."""
        ...

    def bind(self, name: str) -> Member | None:
        """Bind a pod to the named node. Return None if that node takes no pods."""
        ...

    def choose_node(self, number: int) -> Member | None:
        """Choose a node for a pod that is spread over zones, and count the pod there. Return None if none can take it."""
        ...

    def leave_zone(self, number: int, member: Member) -> None:
        """Count a pod that was spread over zones no longer; it is deleted from this node."""
        ...

    def wait_for_node(self, number: int, name: str | None, now_ns: int) -> None:
        """Let a pod wait for a node."""
        ...

    def wait_for_address(self, member: Member, number: int, now_ns: int) -> None:
        """Let a pod wait for an address on its node."""
        ...

    def delete_unserved(self, number: int, member: Member | None, now_ns: int) -> None:
        """Delete a pod that never had an address."""
        ...

    def after_deletion(self, member: Member, now_ns: int) -> None:
        """Give the place and the address of a deleted pod to pods that wait for them."""
        ...

    def wake_at_next_tick(self, member: Member, now_ns: int) -> None:
        """Wake a node at its next tick, so that it looks at its pool."""
        ...


def run_until(  # noqa: C901, PLR0912, PLR0915  # calls of smaller functions would cost more than an event
    end_ns: int, events: list[Event], ledger: Ledger, scheduler: Scheduler, handler: PodHandler
) -> None:
    """Handle all events before a time, in order.

    Args:
        end_ns: the time, exclusive.
        events: the events of nodes and of the fleet, a heap that is never empty.
        ledger: the pods.
        scheduler: the nodes with room.
        handler: called for every event in `events`, and for what a pod needs beyond getting or releasing an address.
    """
    created_ns, deleted_ns, deletions = ledger.created_ns, ledger.deleted_ns, ledger.deletions
    names, keys, homes, bound_to, postponed = ledger.names, ledger.keys, ledger.homes, ledger.bound_to, ledger.postponed
    spreads = ledger.spreads
    make_key = tuple.__new__  # twice as fast as SandboxKey(…)
    arrived, deleted = ledger.arrived_count, ledger.deleted_count
    arrival_ns, deletion_ns = created_ns[arrived], deleted_ns[deleted]
    while True:
        now_ns = min(arrival_ns, deletion_ns)
        event = events[0]
        event_ns = event[0]
        if event_ns < now_ns or (event_ns == now_ns and event[1] <= DELETE):
            if event_ns >= end_ns:
                return
            handler.handle(heappop(events))
            continue
        if now_ns >= end_ns:
            return
        if deletion_ns == now_ns:
            number = deletions[deleted]
            deleted += 1
            ledger.deleted_count = deleted
            deletion_ns = deleted_ns[deleted]
            member = homes[number]
            if postponed[number]:
                ledger.skipped_count += 1
            elif member is None or (member.waiting and number in member.waiting):
                keys[number] = None
                handler.delete_unserved(number, member, now_ns)
            else:
                if spreads is not None and spreads[number] is not None:
                    handler.leave_zone(number, member)
                delete_served(number, now_ns, ledger, scheduler, handler)
            continue
        number = arrived
        arrived += 1
        ledger.arrived_count = arrived
        arrival_ns = created_ns[arrived]
        key = keys[number] = make_key(SandboxKey, ("aws-cni", names[number], "eth0"))
        name = None if bound_to is None else bound_to[number]
        if spreads is not None and spreads[number] is not None:
            member = handler.choose_node(number)
        else:
            member = scheduler.take() if name is None else handler.bind(name)
        if member is None:
            handler.wait_for_node(number, name, now_ns)
            continue
        homes[number] = member
        try:
            member.pool.assign(key, now_ns)
        except PoolExhausted:
            handler.wait_for_address(member, number, now_ns)
            continue
        if not member.low <= member.pod_count <= member.high or member.waiting:
            handler.wake_at_next_tick(member, now_ns)


def delete_served(number: int, now_ns: int, ledger: Ledger, scheduler: Scheduler, handler: PodHandler) -> None:
    """Delete a pod that has an address."""
    keys, homes = ledger.keys, ledger.homes
    member: Member = homes[number]
    key, keys[number] = keys[number], None
    homes[number] = None
    member.pool.unassign(key, now_ns)
    member.released_ns = now_ns
    scheduler.move(member, member.pod_count - 1)
    if not member.pod_count or member.waiting or ledger.pending:
        handler.after_deletion(member, now_ns)
    if not member.low <= member.pod_count <= member.high or member.waiting:
        handler.wake_at_next_tick(member, now_ns)


def count_cooling(members: list[Member], now_ns: int) -> int:
    """Count the cooling addresses of all nodes that are still there."""
    count = 0
    for member in members:
        if member.released_ns + member.cooldown_ns > now_ns and not member.gone:
            count += member.pool.cooling_count(now_ns)
    return count
