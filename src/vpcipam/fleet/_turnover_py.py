# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The innermost loop of a fleet: pods that come and find an address at once, and pods that go. One source for both twins.

`vpcipam.fleet.turnover` says which twin is used. The compiled one is made of this file; `_turnover.pxd` beside it gives the C types, and
there `pool_calls` are functions of C too.
"""

import gc
from array import array
from collections.abc import Iterable, Sequence
from fractions import Fraction
from heapq import heappop
from random import Random
from typing import TYPE_CHECKING, Protocol

from vpcipam import _pool_calls_py as pool_calls
from vpcipam.errors import PoolExhausted
from vpcipam.fleet.scenario import NodeGroup
from vpcipam.fleet.workload import PodRun
from vpcipam.node import Node
from vpcipam.sandbox import SandboxKey

if TYPE_CHECKING:
    from vpcipam.pool import AddressPool

NEVER_NS = (1 << 62) - 1
"""A time after all others."""

DELETE, ARRIVE = 3, 4
"""What a deletion and an arrival would be among the kinds of events: of two events at one time the one of the lower kind comes first."""

NO_HOME = -1
"""In the place of the number of a node: none."""

LOOK_AHEAD = 24
"""How many deletions beforehand something is done for one, at most."""

Event = tuple[int, int, int]
"""A time in nanoseconds, a kind, a number; in order, where several are to come at one time."""

_NOT_SEATED = -1
_new_key = tuple.__new__  # half the time of SandboxKey's own, which takes its fields by name too


class Slow(Protocol):
    """What the loop calls for all that is not its own business."""

    def bind(self, name: str) -> "Member | None":
        """Bind a pod to the node that its trace names; None where that has no room."""
        ...

    def pend(self, number: int, now_ns: int) -> None:
        """Let a pod wait for a node with room."""
        ...

    def wait(self, member: "Member", number: int, now_ns: int) -> None:
        """Let a pod wait for an address on its node."""
        ...

    def give_up(self, number: int, now_ns: int) -> None:
        """Delete a pod that never had an address."""
        ...

    def after_release(self, member: "Member", now_ns: int) -> None:
        """Follow up on a pod that has gone from a node."""
        ...

    def disturb(self, member: "Member", now_ns: int) -> None:
        """Have a node look at its pool at its next tick."""
        ...

    def other(self, now_ns: int, kind: int, number: int) -> None:
        """Deal with an event of another kind."""
        ...


class Member:
    """One node of a fleet, and what the event loop keeps of it.

    Attributes:
        number: its place among all nodes that there have ever been.
        datastore: of its first card, which all pods are on; `pool`: of that.
        low, high: between which numbers of assigned addresses its pool rests; see `Node.calm`.
        waiting: the pods that are bound to it and have no address, each with the time at which the kubelet first tried.
        waits: whether there are any of these.
        wake_ns: when it is to be ticked next.
        retry_ns: when a waiting pod is to be tried next.
        scale_down_ns: when to see whether it has been empty for long enough to go.
        ready: the scheduler knows it, since its start is through.
        gone: it has been terminated.
        released: it is in `Ledger.released`.
        revision: of the datastore, when the three counts were taken.
        pod_count, room: pods bound to it, each of which has an address or waits for one; and how many it takes.
        ranks, rank: see `Scheduler`.
    """

    __slots__ = (
        "address_count",
        "datastore",
        "eni_count",
        "gone",
        "group",
        "high",
        "low",
        "name",
        "node",
        "number",
        "pod_count",
        "pool",
        "prefix_count",
        "rank",
        "ranks",
        "ready",
        "released",
        "retry_ns",
        "revision",
        "room",
        "scale_down_ns",
        "waiting",
        "waits",
        "wake_ns",
    )

    def __init__(self, number: int, name: str, group: NodeGroup, node: Node) -> None:
        datastore = self.datastore = node.datastores[0]
        self.number = number
        self.name = name
        self.group = group
        self.node = node
        self.pool = datastore.sole_pool()
        self.low = 0
        self.high = -1
        self.waiting: dict[int, int] = {}
        self.waits = False
        self.wake_ns = NEVER_NS
        self.retry_ns = NEVER_NS
        self.scale_down_ns = NEVER_NS
        self.ready = False
        self.gone = False
        self.released = False
        self.revision = -1
        self.address_count = 0
        self.eni_count = 0
        self.prefix_count = 0
        self.pod_count = 0
        self.room = group.pods_per_node
        self.ranks: list[int] = []
        self.rank = _NOT_SEATED

    @property
    def assigned_count(self) -> int:
        """The addresses that its pods hold."""
        return self.pod_count - len(self.waiting)


def _lengthened(numbers: "array[int]", count: int) -> "array[int]":
    """Numbers and behind them so many zeros."""
    longer = array("q", [0]) * (len(numbers) + count)
    longer[: len(numbers)] = numbers
    return longer


class Scheduler:
    """Which node a pod goes to: what kube-scheduler does, as far as the number of pods decides it.

    `least-allocated` takes the node with the smallest share of its `max_pods` in use, `most-allocated` the fullest with room (the two
    scoring strategies of NodeResourcesFit, with pods as the only resource). Of several it takes one at random, as kube-scheduler does
    (selectHost).

    Nodes stand in it as numbers, and all that it knows of them in arrays: of ten thousand nodes those fit into a processor's cache, while
    the nodes themselves do not.

    Invariants:

    1. A node with room has a seat in the row of its rank, which is that of its score among all scores; a full one has none.
    2. The seats of a row are taken from the first on, `_counts` of them. `_seated_count` is the sum.
    3. Nobody sits in a row below `_lowest` or above `_highest`.

    Complexity: O(1) for each change; for a choice, a look at the rows that have become empty since the last.
    """

    __slots__ = (
        "_chance",
        "_counts",
        "_highest",
        "_lowest",
        "_members",
        "_most_allocated",
        "_next",
        "_ranks",
        "_rooms",
        "_rows",
        "_seated_count",
        "_seats",
        "_starts",
    )

    def __init__(self, groups: Iterable[NodeGroup], members: list[Member], *, most_allocated: bool, seed: int) -> None:
        """Make one that knows no node yet.

        Args:
            groups: whose nodes it may be told of.
            members: the nodes by number, be they known to it or not; the caller adds to the list.
            most_allocated: which of the two strategies.
            seed: of the choice among equals.
        """
        kinds = {(group.kubelet_max_pods, group.kubelet_max_pods - group.pods_per_node) for group in groups}
        scores = sorted({Fraction(taken, most) for most, others in kinds for taken in range(others, most)})
        rank_of = {score: rank for rank, score in enumerate(scores)}
        self._members = members
        self._ranks = {(most, others): [rank_of[Fraction(taken, most)] for taken in range(others, most)] for most, others in kinds}
        self._seats = array("q")  # by number: its seat in its row
        self._rows = array("q")  # one behind the other, and what they have left when they moved to have more seats
        self._starts = array("q", [0]) * len(scores)  # by rank: where the row begins
        self._rooms = array("q", [0]) * len(scores)  # by rank: the seats that there are
        self._counts = array("q", [0]) * len(scores)  # by rank: those that are taken
        self._seated_count = 0
        self._lowest = len(scores)
        self._highest = -1
        self._most_allocated = most_allocated
        self._chance = Random(seed).random  # noqa: S311  # chances of a simulation, by seed
        self._next = self._chance()  # what the next choice will be made by

    @property
    def has_room(self) -> bool:
        """Tell whether some node takes another pod."""
        return self._seated_count > 0

    def add(self, member: Member) -> None:
        """Let a node take pods."""
        most = member.group.kubelet_max_pods
        member.ranks = self._ranks[most, most - member.room]
        if member.number >= len(self._seats):
            self._seats = _lengthened(self._seats, member.number + 16)
        self.move(member, member.pod_count)

    def remove(self, member: Member) -> None:
        """Let a node take no more pods."""
        member.room = 0
        self.move(member, member.pod_count)

    def peek(self) -> int:
        """The number of the node that `take` would choose now; `NO_HOME` where none has room."""
        if not self._seated_count:
            return NO_HOME
        if self._most_allocated:
            while not self._counts[self._highest]:
                self._highest -= 1
            rank = self._highest
        else:
            while not self._counts[self._lowest]:
                self._lowest += 1
            rank = self._lowest
        seat = int(self._next * self._counts[rank])
        return self._rows[self._starts[rank] + seat]

    def take(self) -> Member | None:
        """Choose a node and bind a pod to it; None where none has room."""
        number = self.peek()
        if number < 0:
            return None
        self._next = self._chance()
        member = self._members[number]
        self.move(member, member.pod_count + 1)
        return member

    def move(self, member: Member, pod_count: int) -> None:
        """Note that a node has so many pods now."""
        number = member.number
        rank = member.rank
        if rank >= 0:
            last = self._counts[rank] - 1
            seat = self._seats[number]
            other = self._rows[self._starts[rank] + last]
            self._rows[self._starts[rank] + seat] = other
            self._seats[other] = seat
            self._counts[rank] = last
            self._seated_count -= 1
        member.pod_count = pod_count
        if pod_count < member.room:
            rank = member.ranks[pod_count]
            member.rank = rank
            seat = self._counts[rank]
            if seat == self._rooms[rank]:
                self._widen(rank)
            self._rows[self._starts[rank] + seat] = number
            self._seats[number] = seat
            self._counts[rank] = seat + 1
            self._seated_count += 1
            self._lowest = min(self._lowest, rank)
            self._highest = max(self._highest, rank)
        else:
            member.rank = _NOT_SEATED

    def _widen(self, rank: int) -> None:
        """Move a row behind all others, with twice as many seats."""
        start, count, end = self._starts[rank], self._counts[rank], len(self._rows)
        self._rows = _lengthened(self._rows, max(16, 2 * count))
        self._rows[end : end + count] = self._rows[start : start + count]
        self._starts[rank] = end
        self._rooms[rank] = len(self._rows) - end

    def _check(self) -> None:
        starts, rows, seats = list(self._starts), list(self._rows), list(self._seats)
        assert sum(self._counts) == self._seated_count, "invariant 2"  # noqa: S101  # what a _check is for
        for rank, count in enumerate(self._counts):
            assert not count or self._lowest <= rank <= self._highest, "invariant 3"  # noqa: S101  # likewise
            for seat, number in enumerate(rows[starts[rank] : starts[rank] + count]):
                member = self._members[number]
                in_place = (member.rank, seats[number]) == (rank, seat) and member.ranks[member.pod_count] == rank
                assert in_place, f"invariant 1: {member.name}"  # noqa: S101  # likewise


def _keys(names: list[str]) -> list[SandboxKey]:
    """Make the sandbox of each pod. The garbage collector waits meanwhile: time and again it would look in vain through all made so far."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return [_new_key(SandboxKey, ("aws-cni", name, "eth0")) for name in names]
    finally:
        if collects:
            gc.enable()


class Ledger:
    """The pods of a fleet and its nodes, by number; column by column, since millions are gone through.

    Attributes:
        members, pools: the nodes, and the pool of each.
        names: of the workload's pods, in the order of their coming.
        keys: the sandbox of each.
        created_ns: when each comes; then `NEVER_NS`.
        bound_to: the name of the node that each must go to, or None; None as a whole where the scheduler chooses for all.
        homes: the node that each is bound to; `NO_HOME` before, and once it has gone.
        places: where the pool of its node keeps the address of each, if it has one.
        deleted: those that are deleted, in the order of that; then some zeros, for who looks ahead.
        deleted_ns: when each of these is; then `NEVER_NS`.
        pending: those that wait for a node, each with the time since when.
        arrived_count: how many have come.
        deleted_count: how many have been deleted.
        gone_count: how many of these had an address.
        released: the nodes from which one has gone since the last sample, each once; they are marked `released`.
    """

    __slots__ = (
        "arrived_count",
        "bound_to",
        "created_ns",
        "deleted",
        "deleted_count",
        "deleted_ns",
        "gone_count",
        "homes",
        "keys",
        "members",
        "names",
        "pending",
        "places",
        "pools",
        "released",
    )

    def __init__(self, pods: Sequence[PodRun]) -> None:
        ends = [NEVER_NS if pod.deleted_ns is None else pod.deleted_ns for pod in pods]
        # All are known in advance, and sorted once: an event of its own for each would cost more than what comes of it.
        order = sorted([number for number, pod in enumerate(pods) if pod.deleted_ns is not None], key=ends.__getitem__)
        self.members: list[Member] = []
        self.pools: list[AddressPool[SandboxKey]] = []
        self.names: list[str] = [pod.name for pod in pods]
        self.keys: list[SandboxKey] = _keys(self.names)
        self.created_ns = array("q", [*[pod.created_ns for pod in pods], NEVER_NS])
        self.bound_to: list[str | None] | None = [pod.node for pod in pods] if any(pod.node is not None for pod in pods) else None
        self.homes = array("q", [NO_HOME]) * len(pods)
        self.places = array("q", [0]) * len(pods)
        self.deleted = array("q", [*order, *([0] * LOOK_AHEAD)])
        self.deleted_ns = array("q", [*[min(ends[number], NEVER_NS) for number in order], NEVER_NS])
        self.pending: dict[int, int] = {}
        self.arrived_count = 0
        self.deleted_count = 0
        self.gone_count = 0
        self.released: list[Member] = []

    def enter(self, member: Member) -> None:
        """Add a node, whose number is the next."""
        self.members.append(member)
        self.pools.append(member.pool)

    def house(self, number: int, member: Member, now_ns: int) -> None:
        """Give a pod an address of the node that it is bound to.

        Raises:
            PoolExhausted: the node has none.
        """
        self.homes[number] = member.number
        self.places[number] = pool_calls.occupy(member.pool, self.keys[number], now_ns)


def turn_over(  # noqa: C901, PLR0912, PLR0915  # what it would call, or bind anew, costs more than what it does
    end_ns: int, events: list[Event], ledger: Ledger, scheduler: Scheduler, slow: Slow
) -> None:
    """Deal with what happens up to a time, in order: pods come, pods are deleted, and there are other events, of which more may come.

    In a large fleet no node that an event is about lies in the processor's cache, and waiting for memory is what an event costs. What comes
    is known, though: so `pool_calls` has the processor fetch what the next deletions will read, and the node that the next pod will go to.

    Args:
        end_ns: the time, exclusive.
        events: the other events, a heap.
        ledger: the pods and the nodes.
        scheduler: the nodes with room.
        slow: called for all else.
    """
    created_ns, deleted_ns, deleted = ledger.created_ns, ledger.deleted_ns, ledger.deleted
    homes, places, keys, bound_to = ledger.homes, ledger.places, ledger.keys, ledger.bound_to
    members, pools = ledger.members, ledger.pools
    while True:
        arrival_ns = created_ns[ledger.arrived_count]
        deletion_ns = deleted_ns[ledger.deleted_count]
        now_ns = min(deletion_ns, arrival_ns)  # of two at one time the deletion comes first
        if events:
            event = events[0]
            event_ns = event[0]
            if event_ns < now_ns or (event_ns == now_ns and event[1] < DELETE):
                if event_ns >= end_ns:
                    return
                heappop(events)
                slow.other(event_ns, event[1], event[2])
                continue
        if now_ns >= end_ns:
            return
        if deletion_ns <= arrival_ns:
            pool_calls.look_ahead(deleted, ledger.deleted_count, homes, places, keys, members, pools)
            number = deleted[ledger.deleted_count]
            ledger.deleted_count += 1
            home = homes[number]
            if home < 0:  # NO_HOME, but a comparison of C integers in the compiled twin
                slow.give_up(number, now_ns)
                continue
            member = members[home]
            if member.waits and number in member.waiting:
                slow.give_up(number, now_ns)
                continue
            scheduler.move(member, member.pod_count - 1)
            next_home = scheduler.peek()
            pool_calls.approach(members, pools, next_home)
            pool_calls.vacate(member.pool, keys[number], places[number], now_ns)
            homes[number] = NO_HOME
            ledger.gone_count += 1
            if not member.released:
                member.released = True
                ledger.released.append(member)
            if not member.pod_count or member.waits or ledger.pending:
                slow.after_release(member, now_ns)
        else:
            number = ledger.arrived_count
            ledger.arrived_count += 1
            wanted = None if bound_to is None else bound_to[number]
            found = scheduler.take() if wanted is None else slow.bind(wanted)
            if found is None:
                slow.pend(number, now_ns)
                continue
            member = found
            next_home = scheduler.peek()
            pool_calls.approach(members, pools, next_home)
            try:
                ledger.house(number, member, now_ns)
            except PoolExhausted:
                slow.wait(member, number, now_ns)
                continue
        pool_calls.prepare(pools, next_home, keys, ledger.arrived_count)
        if member.pod_count > member.high or member.pod_count < member.low or member.waits:
            slow.disturb(member, now_ns)
