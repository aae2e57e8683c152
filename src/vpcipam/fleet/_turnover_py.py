"""The innermost loop of a fleet: pods that come and find an address at once, and pods that go. One source for both twins.

`vpcipam.fleet.turnover` says which twin is used. The compiled one is made of this file; `_turnover.pxd` beside it gives the C types.
"""

from bisect import insort
from collections.abc import Iterable, Sequence
from fractions import Fraction
from random import Random
from typing import Protocol

from vpcipam.errors import PoolExhausted
from vpcipam.fleet.scenario import NodeGroup
from vpcipam.fleet.workload import PodRun
from vpcipam.node import Node
from vpcipam.sandbox import SandboxKey

NEVER_NS = (1 << 62) - 1
"""A time after all others."""

DELETE, ARRIVE = 3, 4
"""The kinds of the two events that are dealt with here."""

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
        datastore: of its first card, which all pods are on; `assign`, `unassign`: of that.
        low, high: between which numbers of assigned addresses its pool rests; see `Node.calm`.
        waiting: the pods that are bound to it and have no address, each with the time at which the kubelet first tried.
        wake_ns: when it is to be ticked next.
        retry_ns: when a waiting pod is to be tried next.
        scale_down_ns: when to see whether it has been empty for long enough to go.
        ready: the scheduler knows it, since its start is through.
        gone: it has been terminated.
        released: it is in `Ledger.released`.
        revision: of the datastore, when the three counts were taken.
        pod_count, room: pods bound to it, each of which has an address or waits for one; and how many it takes.
        ranks, rank, seat: see `Scheduler`.
    """

    __slots__ = (
        "address_count",
        "assign",
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
        "prefix_count",
        "rank",
        "ranks",
        "ready",
        "released",
        "retry_ns",
        "revision",
        "room",
        "scale_down_ns",
        "seat",
        "unassign",
        "waiting",
        "wake_ns",
    )

    def __init__(self, number: int, name: str, group: NodeGroup, node: Node) -> None:
        datastore = self.datastore = node.datastores[0]
        self.number = number
        self.name = name
        self.group = group
        self.node = node
        self.assign = datastore.assign
        self.unassign = datastore.unassign
        self.low = 0
        self.high = -1
        self.waiting: dict[int, int] = {}
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
        self.seat = 0

    @property
    def assigned_count(self) -> int:
        """The addresses that its pods hold."""
        return self.pod_count - len(self.waiting)


class Scheduler:
    """Which node a pod goes to: what kube-scheduler does, as far as the number of pods decides it.

    `least-allocated` takes the node with the smallest share of its `max_pods` in use, `most-allocated` the fullest with room (the two
    scoring strategies of NodeResourcesFit, with pods as the only resource). Of several it takes one at random, as kube-scheduler does
    (selectHost).

    Invariants:

    1. A node with room is at its seat in the bucket of its rank, which is that of its score among all scores; a full one is in none.
    2. Bit `rank` of `_filled` is set where that bucket has any.

    Complexity: O(1) for each change and each choice, but for a bit mask with a bit for each different score.
    """

    __slots__ = ("_bits", "_buckets", "_chance", "_filled", "_most_allocated", "_ranks")

    def __init__(self, groups: Iterable[NodeGroup], *, most_allocated: bool, seed: int) -> None:
        """Make one without nodes; it will take those of the given groups."""
        kinds = {(group.kubelet_max_pods, group.kubelet_max_pods - group.pods_per_node) for group in groups}
        scores = sorted({Fraction(taken, most) for most, others in kinds for taken in range(others, most)})
        rank_of = {score: rank for rank, score in enumerate(scores)}
        self._ranks = {(most, others): [rank_of[Fraction(taken, most)] for taken in range(others, most)] for most, others in kinds}
        self._buckets: list[list[Member]] = [[] for _ in scores]
        self._bits = [1]  # doubled, not shifted: the compiled twin would shift C integers, and there are more ranks than those have bits
        for _ in scores:
            self._bits.append(self._bits[-1] * 2)
        self._filled = 0
        self._most_allocated = most_allocated
        self._chance = Random(seed).random  # noqa: S311  # chances of a simulation, by seed

    @property
    def has_room(self) -> bool:
        """Tell whether some node takes another pod."""
        return self._filled != 0

    def add(self, member: Member) -> None:
        """Let a node take pods."""
        most = member.group.kubelet_max_pods
        member.ranks = self._ranks[most, most - member.room]
        self.move(member, member.pod_count)

    def remove(self, member: Member) -> None:
        """Let a node take no more pods."""
        member.room = 0
        self.move(member, member.pod_count)

    def take(self) -> Member | None:
        """Choose a node and bind a pod to it; None where none has room."""
        filled = self._filled
        if not filled:
            return None
        bucket = self._buckets[(filled if self._most_allocated else filled & -filled).bit_length() - 1]
        member = bucket[int(self._chance() * len(bucket))]
        self.move(member, member.pod_count + 1)
        return member

    def move(self, member: Member, pod_count: int) -> None:
        """Note that a node has so many pods now."""
        rank = member.rank
        if rank != _NOT_SEATED:
            bucket = self._buckets[rank]
            last = bucket.pop()
            if last is not member:
                bucket[member.seat] = last
                last.seat = member.seat
            elif not bucket:
                self._filled ^= self._bits[rank]
        member.pod_count = pod_count
        if pod_count < member.room:
            rank = member.ranks[pod_count]
            member.rank = rank
            bucket = self._buckets[rank]
            if not bucket:
                self._filled |= self._bits[rank]
            member.seat = len(bucket)
            bucket.append(member)
        else:
            member.rank = _NOT_SEATED

    def _check(self) -> None:
        for rank, bucket in enumerate(self._buckets):
            assert bool(bucket) == bool(self._filled & self._bits[rank]), "invariant 2"  # noqa: S101  # what a _check is for
            for seat, member in enumerate(bucket):
                in_place = (member.rank, member.seat) == (rank, seat) and member.ranks[member.pod_count] == rank
                assert in_place, f"invariant 1: {member.name}"  # noqa: S101  # likewise


class Ledger:
    """The pods of a fleet, by number; column by column, since millions are gone through.

    Attributes:
        names, created_ns, deleted_ns: of the workload's pods, in the order of their coming.
        bound_to: the name of the node that each must go to, or None; None as a whole where the scheduler chooses for all.
        homes: the node that each is bound to; None before, and once it has gone.
        keys: the sandbox of each that is bound.
        pending: those that wait for a node, each with the time since when.
        arrived_count: how many have come.
        gone_count: how many have gone that had an address.
        released: the nodes from which one has gone since the last sample, each once; they are marked `released`.
    """

    __slots__ = ("arrived_count", "bound_to", "created_ns", "deleted_ns", "gone_count", "homes", "keys", "names", "pending", "released")

    def __init__(self, pods: Sequence[PodRun]) -> None:
        self.names: list[str] = [pod.name for pod in pods]
        self.created_ns: list[int] = [pod.created_ns for pod in pods]
        self.deleted_ns: list[int | None] = [pod.deleted_ns for pod in pods]
        self.bound_to: list[str | None] | None = [pod.node for pod in pods] if any(pod.node is not None for pod in pods) else None
        self.homes: list[Member | None] = [None] * len(pods)
        self.keys: list[SandboxKey | None] = [None] * len(pods)
        self.pending: dict[int, int] = {}
        self.arrived_count = 0
        self.gone_count = 0
        self.released: list[Member] = []


def turn_over(  # noqa: C901, PLR0912, PLR0917  # what it would call, or bind anew, costs more than what it does
    page: list[tuple[int, int, int]],
    pages: dict[int, list[tuple[int, int, int]]],
    width_ns: int,
    end_ns: int,
    ledger: Ledger,
    scheduler: Scheduler,
    slow: Slow,
) -> None:
    """Deal with the events of one window of a calendar, in order; more may come into it meanwhile.

    Args:
        page: the events of the window.
        pages: those of later windows, by number.
        width_ns: how long a window is.
        end_ns: where this one ends, exclusive.
        ledger: the pods.
        scheduler: the nodes with room.
        slow: called for all else.
    """
    names, deletions, bound_to, homes, keys = ledger.names, ledger.deleted_ns, ledger.bound_to, ledger.homes, ledger.keys
    for now_ns, kind, number in page:
        place = number  # the same number as a C integer, for the compiled twin
        if kind == ARRIVE:
            ledger.arrived_count = place + 1
            deleted_ns = deletions[place]
            if deleted_ns is not None:
                end = deleted_ns
                if end < end_ns:
                    insort(page, (deleted_ns, DELETE, number))
                else:
                    window = end // width_ns
                    later = pages.get(window)
                    if later is None:
                        pages[window] = [(deleted_ns, DELETE, number)]
                    else:
                        later.append((deleted_ns, DELETE, number))
            wanted = None if bound_to is None else bound_to[place]
            member = scheduler.take() if wanted is None else slow.bind(wanted)
            if member is None:
                slow.pend(number, now_ns)
                continue
            homes[place] = member
            key = _new_key(SandboxKey, ("aws-cni", names[place], "eth0"))
            keys[place] = key
            try:
                member.assign(key, now_ns)
            except PoolExhausted:
                slow.wait(member, number, now_ns)
                continue
        elif kind == DELETE:
            member = homes[place]
            if member is None or number in member.waiting:
                slow.give_up(number, now_ns)
                continue
            member.unassign(keys[place], now_ns)  # type: ignore[arg-type]  # a pod with a home has a key
            homes[place] = None
            keys[place] = None
            ledger.gone_count += 1
            if not member.released:
                member.released = True
                ledger.released.append(member)
            scheduler.move(member, member.pod_count - 1)
            if not member.pod_count or member.waiting or ledger.pending:
                slow.after_release(member, now_ns)
        else:
            slow.other(now_ns, kind, number)
            continue
        if member.pod_count > member.high or member.pod_count < member.low or member.waiting:
            slow.disturb(member, now_ns)
