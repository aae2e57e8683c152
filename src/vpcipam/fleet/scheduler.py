"""Which node a pod goes to: what kube-scheduler does, as far as the number of pods decides it."""

from collections.abc import Iterable
from fractions import Fraction
from random import Random

from vpcipam.fleet.member import Member
from vpcipam.fleet.scenario import NodeGroup

_NOT_SEATED = -1


class Scheduler:
    """The nodes that take pods, by how full they are.

    `least-allocated` takes the node with the smallest share of its `max_pods` in use, `most-allocated` the fullest with room (the two
    scoring strategies of NodeResourcesFit, with pods as the only resource). Of several it takes one at random, as kube-scheduler does
    (selectHost).

    Invariants:

    1. A node with room is at its seat in the bucket of its rank, which is that of its score among all scores; a full one is in none.
    2. Bit `rank` of `_filled` is set where that bucket has any.

    Complexity: O(1) for each change and each choice, but for a bit mask with a bit for each different score.
    """

    def __init__(self, groups: Iterable[NodeGroup], *, most_allocated: bool, seed: int) -> None:
        """Make one without nodes; it will take those of the given groups."""
        kinds = {(group.kubelet_max_pods, group.kubelet_max_pods - group.pods_per_node) for group in groups}
        scores = sorted({Fraction(taken, most) for most, others in kinds for taken in range(others, most)})
        rank_of = {score: rank for rank, score in enumerate(scores)}
        self._ranks = {(most, others): [rank_of[Fraction(taken, most)] for taken in range(others, most)] for most, others in kinds}
        self._buckets: list[list[Member]] = [[] for _ in scores]
        self._filled = 0
        self._most_allocated = most_allocated
        self._chance = Random(seed).random  # noqa: S311 - chances of a simulation, by seed

    @property
    def has_room(self) -> bool:
        """Tell whether some node takes another pod."""
        return self._filled > 0

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
                self._filled ^= 1 << rank
        member.pod_count = pod_count
        if pod_count < member.room:
            rank = member.rank = member.ranks[pod_count]
            bucket = self._buckets[rank]
            if not bucket:
                self._filled |= 1 << rank
            member.seat = len(bucket)
            bucket.append(member)
        else:
            member.rank = _NOT_SEATED

    def _check(self) -> None:
        for rank, bucket in enumerate(self._buckets):
            assert bool(bucket) == bool(self._filled >> rank & 1), "invariant 2"  # noqa: S101  # what a _check is for
            for seat, member in enumerate(bucket):
                in_place = (member.rank, member.seat) == (rank, seat) and member.ranks[member.pod_count] == rank
                assert in_place, f"invariant 1: {member.name}"  # noqa: S101  # likewise
