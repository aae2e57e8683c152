# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The innermost loop of a fleet: pods that come and find an address at once, and pods that go. One source for both twins.

`vpcipam.fleet.turnover` says which twin is used. The compiled one is made of this file; `_turnover.pxd` beside it gives the C types, and
there `pool_calls`, `pairs` and `hints` are functions of C too.
"""

import gc
from array import array
from collections.abc import Iterable, Sequence
from fractions import Fraction
from heapq import heappop
from random import Random
from typing import TYPE_CHECKING, Protocol

from vpcipam.errors import PoolExhausted
from vpcipam.fleet import _hints_py as hints
from vpcipam.fleet import _pairs_py as pairs
from vpcipam.fleet import _pool_calls_py as pool_calls
from vpcipam.fleet.scenario import NodeGroup
from vpcipam.fleet.workload import PodRun
from vpcipam.node import Node
from vpcipam.sandbox import SandboxKey

if TYPE_CHECKING:
    from vpcipam.datastore import Datastore
    from vpcipam.pool import AddressPool

NEVER_NS = (1 << 62) - 1
"""A time after all others."""

DELETE, ARRIVE = 3, 4
"""What a deletion and an arrival would be among the kinds of events: of two events at one time the one of the lower kind comes first."""

NO_HOME = -1
"""In the place of the number of a node: none."""

_BACKLOG = 16
"""How much is put off for a node, at most; see `Ledger`."""

Event = tuple[int, int, int]
"""A time in nanoseconds, a kind, a number; in order, where several are to come at one time."""

_NOT_SEATED = -1


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

    Whoever asks for its node, its datastore or its pool finds them up to date: what the ledger has put off is done first. So they are to be
    asked for anew once the fleet has gone on.

    Attributes:
        number: its place among all nodes that there have ever been.
        low, high: between which numbers of assigned addresses its pool rests; see `Node.calm`.
        waiting: the pods that are bound to it and have no address, each with the time at which the kubelet first tried.
        waits: whether there are any of these.
        wake_ns: when it is to be ticked next.
        retry_ns: when a waiting pod is to be tried next.
        scale_down_ns: when to see whether it has been empty for long enough to go.
        ready: the scheduler knows it, since its start is through.
        gone: it has been terminated.
        released_ns: when the last address was released.
        revision: of the datastore, when the three counts were taken.
        pod_count, room: pods bound to it, each of which has an address or waits for one; and how many it takes.
        ranks, rank: see `Scheduler`.
        cooldown_ns: of its addresses.
        spare_count: so many pods more are sure to find an address.
        put_off_count: see `Ledger`.
    """

    __slots__ = (
        "_datastore",
        "_ledger",
        "_node",
        "_pool",
        "address_count",
        "cooldown_ns",
        "eni_count",
        "gone",
        "group",
        "high",
        "low",
        "name",
        "number",
        "pod_count",
        "prefix_count",
        "put_off_count",
        "rank",
        "ranks",
        "ready",
        "released_ns",
        "retry_ns",
        "revision",
        "room",
        "scale_down_ns",
        "spare_count",
        "waiting",
        "waits",
        "wake_ns",
    )

    def __init__(self, number: int, name: str, group: NodeGroup, node: Node, ledger: "Ledger") -> None:
        datastore = self._datastore = node.datastores[0]
        self._pool: AddressPool[SandboxKey] = datastore.sole_pool()
        self._node = node
        self._ledger = ledger
        self.number = number
        self.name = name
        self.group = group
        self.cooldown_ns = self._pool.cooldown_ns
        self.low = 0
        self.high = -1
        self.waiting: dict[int, int] = {}
        self.waits = False
        self.wake_ns = NEVER_NS
        self.retry_ns = NEVER_NS
        self.scale_down_ns = NEVER_NS
        self.ready = False
        self.gone = False
        self.released_ns = -NEVER_NS
        self.revision = -1
        self.address_count = 0
        self.eni_count = 0
        self.prefix_count = 0
        self.pod_count = 0
        self.room = group.pods_per_node
        self.ranks: list[int] = []
        self.rank = _NOT_SEATED
        self.spare_count = 0
        self.put_off_count = 0

    @property
    def node(self) -> Node:
        """The node."""
        self._ledger.lay_open(self)
        return self._node

    @property
    def datastore(self) -> "Datastore":
        """The datastore of its first card, which all pods are on."""
        self._ledger.lay_open(self)
        return self._datastore

    @property
    def pool(self) -> "AddressPool[SandboxKey]":
        """The datastore's pool."""
        self._ledger.lay_open(self)
        return self._pool

    @property
    def has_changed(self) -> bool:
        """Tell whether ENIs or CIDRs of its first card have come or gone since `revision`; no pod's coming or going is such."""
        return self.revision != self._datastore.revision

    @property
    def assigned_count(self) -> int:
        """The addresses that its pods hold."""
        return self.pod_count - len(self.waiting)

    def next_tick(self, now_ns: int) -> int:
        """When its node may tick next; see `Node.next_tick`."""
        return self._node.next_tick(now_ns)


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

    def take(self) -> Member | None:
        """Choose a node and bind a pod to it; None where none has room."""
        if not self._seated_count:
            return None
        if self._most_allocated:
            while not self._counts[self._highest]:
                self._highest -= 1
            rank = self._highest
        else:
            while not self._counts[self._lowest]:
                self._lowest += 1
            rank = self._lowest
        seat = int(self._chance() * self._counts[rank])
        member = self._members[self._rows[self._starts[rank] + seat]]
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


class Ledger:
    """The pods of a fleet and its nodes, by number; column by column, since millions are gone through.

    A pod that comes where an address is sure to be free, and any pod that goes, change nothing at once but the number of pods: what
    they do to the pool is put off, and done in order, at its own times, before somebody looks at the pool or the next pod may find it
    empty. So the pools are as if nothing had been put off, whenever they are looked at. It is put off because a large fleet's pools do
    not lie in the processor's cache, and a change waits for memory time and again; of several in a row on one pool, only the first does.

    Attributes:
        members: the nodes.
        names: of the workload's pods, in the order of their coming.
        keys: the sandbox of each.
        created_ns: when each comes; then `NEVER_NS`.
        bound_to: the name of the node that each must go to, or None; None as a whole where the scheduler chooses for all.
        homes: the node that each is bound to; `NO_HOME` before, and once it has gone.
        places: where the pool of its node keeps the address of each, if it has one.
        deletions: when a pod is deleted, and which, by turns, in the order of that; then `NEVER_NS`.
        backlog: what has been put off, `_BACKLOG` pairs for each node: a pod that comes, or the complement of one that goes, and when.
        pending: those that wait for a node, each with the time since when.
        arrived_count: how many have come.
        deleted_count: how many have been deleted.
        gone_count: how many of these had an address.
    """

    __slots__ = (
        "arrived_count",
        "backlog",
        "bound_to",
        "created_ns",
        "deleted_count",
        "deletions",
        "gone_count",
        "homes",
        "keys",
        "members",
        "names",
        "pending",
        "places",
    )

    def __init__(self, pods: Sequence[PodRun]) -> None:
        count = len(pods)
        self.members: list[Member] = []
        self.names: list[str] = []
        self.keys: list[SandboxKey] = []
        self.created_ns = array("q", [NEVER_NS]) * (count + 1)
        self.bound_to: list[str | None] | None = [pod.node for pod in pods] if any(pod.node is not None for pod in pods) else None
        self.homes = array("q", [NO_HOME]) * count
        self.places = array("q", [0]) * count
        self.deletions = array("q", [NEVER_NS]) * (2 * count + 1)
        self.backlog = array("q")
        self.pending: dict[int, int] = {}
        self.arrived_count = 0
        self.deleted_count = 0
        self.gone_count = 0
        collects = gc.isenabled()
        gc.disable()  # time and again the garbage collector would look in vain through all made so far
        try:
            self._enter_pods(pods)
        finally:
            if collects:
                gc.enable()

    def _enter_pods(self, pods: Sequence[PodRun]) -> None:
        names, keys, created_ns, deletions = self.names, self.keys, self.created_ns, self.deletions
        end = 0
        for number, pod in enumerate(pods):
            name = pod.name
            names.append(name)
            keys.append(tuple.__new__(SandboxKey, ("aws-cni", name, "eth0")))  # half the time of its own, which takes names too
            created_ns[number] = pod.created_ns
            deleted_ns = pod.deleted_ns
            if deleted_ns is not None and deleted_ns < NEVER_NS:
                deletions[end] = deleted_ns
                deletions[end + 1] = number
                end += 2
        # All are known in advance, and sorted once: an event of its own for each would cost more than what comes of it.
        pairs.sort(deletions, end)

    def enter(self, name: str, group: NodeGroup, node: Node) -> Member:
        """Add a node."""
        member = Member(len(self.members), name, group, node, self)
        self.members.append(member)
        if 2 * _BACKLOG * len(self.members) > len(self.backlog):
            self.backlog = _lengthened(self.backlog, 2 * _BACKLOG * len(self.members))
        return member

    def house(self, number: int, member: Member, now_ns: int) -> None:
        """Give a pod an address of the node that it is bound to.

        Raises:
            PoolExhausted: the node has none.
        """
        self.homes[number] = member.number
        if member.spare_count:
            member.spare_count -= 1
            self._put_off(member, number, now_ns)
            return
        self._catch_up(member)
        self.places[number] = pool_calls.occupy(member._pool, self.keys[number], now_ns)  # noqa: SLF001  # of the same room
        member.spare_count = pool_calls.spare_count(member._pool)  # noqa: SLF001  # likewise

    def evict(self, number: int, member: Member, now_ns: int) -> None:
        """Take a pod's address back, of the node that it is bound to."""
        self.homes[number] = -1  # NO_HOME, but a C integer in the compiled twin
        self._put_off(member, ~number, now_ns)
        self.gone_count += 1
        member.released_ns = now_ns

    def count_cooling(self, now_ns: int) -> int:
        """Count the addresses that cool on all nodes that are there, at a time that is not before the last that one has seen."""
        count = 0
        for member in self.members:
            if member.released_ns + member.cooldown_ns > now_ns and not member.gone:
                count += self.cooling_count_of(member, now_ns)
        return count

    def cooling_count_of(self, member: Member, now_ns: int) -> int:
        """The addresses of a node that cool at a time, which is not before the last that it has seen.

        Nothing that has been put off is done for that: none of those that cool still can have been assigned again.
        """
        count = pool_calls.still_cooling(member._pool, now_ns)  # noqa: SLF001  # of the same room
        first = member.number * _BACKLOG
        for slot in range(first, first + member.put_off_count):
            if self.backlog[2 * slot] < 0 and self.backlog[2 * slot + 1] + member.cooldown_ns > now_ns:
                count += 1
        return count

    def lay_open(self, member: Member) -> None:
        """Bring a node up to date for somebody who may change it."""
        self._catch_up(member)
        member.spare_count = 0

    def _put_off(self, member: Member, pod: int, now_ns: int) -> None:
        if member.put_off_count == _BACKLOG:
            self._catch_up(member)
        slot = 2 * (member.number * _BACKLOG + member.put_off_count)
        self.backlog[slot] = pod
        self.backlog[slot + 1] = now_ns
        member.put_off_count += 1

    def _catch_up(self, member: Member) -> None:
        """Do what has been put off."""
        pool = member._pool  # noqa: SLF001  # of the same room
        first = member.number * _BACKLOG
        end = first + member.put_off_count
        hints.for_backlog(self.backlog, first, end, self.keys, self.places, pool)
        for slot in range(first, end):
            number, now_ns = self.backlog[2 * slot], self.backlog[2 * slot + 1]
            if number >= 0:
                self.places[number] = pool_calls.occupy(pool, self.keys[number], now_ns)
            else:
                pool_calls.vacate(pool, self.keys[~number], self.places[~number], now_ns)
        member.put_off_count = 0


def turn_over(  # noqa: C901, PLR0912  # what it would call, or bind anew, costs more than what it does
    end_ns: int, events: list[Event], ledger: Ledger, scheduler: Scheduler, slow: Slow
) -> None:
    """Deal with what happens up to a time, in order: pods come, pods are deleted, and there are other events, of which more may come.

    Args:
        end_ns: the time, exclusive.
        events: the other events, a heap.
        ledger: the pods and the nodes.
        scheduler: the nodes with room.
        slow: called for all else.
    """
    created_ns, deletions, homes = ledger.created_ns, ledger.deletions, ledger.homes
    bound_to, members = ledger.bound_to, ledger.members
    while True:
        arrival_ns = created_ns[ledger.arrived_count]
        deletion_ns = deletions[2 * ledger.deleted_count]
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
            hints.for_deletions(deletions, ledger.deleted_count, homes, members)
            number = deletions[2 * ledger.deleted_count + 1]
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
            ledger.evict(number, member, now_ns)
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
            try:
                ledger.house(number, member, now_ns)
            except PoolExhausted:
                slow.wait(member, number, now_ns)
                continue
        if member.pod_count > member.high or member.pod_count < member.low or member.waits:
            slow.disturb(member, now_ns)
