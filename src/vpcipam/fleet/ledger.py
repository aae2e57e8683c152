"""The pods of a simulated fleet, by number."""

import gc
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

from vpcipam.fleet.spread import TopologySpread
from vpcipam.fleet.workload import PodRun

NEVER_NS = (1 << 63) - 1
"""A time after all others."""


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Switch the garbage collector off. A fleet makes millions of objects, hardly any of them garbage, and a collection visits them all."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Ledger:
    """The pods of a fleet, column by column, since there may be millions.

    Attributes:
        names: the name of each pod, in the order of creation.
        keys: the sandbox key of each pod while the pod exists, else None. A key is made when its pod arrives, so that it is still in the
            processor's cache when the address is assigned.
        created_ns: when each pod is created; the last entry is `NEVER_NS`.
        bound_to: the name of the node that each pod must go to, or None. `bound_to` itself is None if no pod is bound.
        spreads: how each pod is spread over zones, or None. `spreads` itself is None in a fleet without zones, or if no pod is spread.
        homes: the `Member` that each pod is on; None before the pod gets a node and after its deletion.
        deletions: the pods that are deleted, in the order of their deletions.
        deleted_ns: the times of `deletions`; the last entry is `NEVER_NS`.
        pending: pods without a node, each with the time at which it began to wait.
        arrived_count: pods created so far.
        run_ns: for each pod that runs fully, how long; 0 for the others. None if there are only others.
        postponed: for each pod, whether its deletion comes later than in `deletions`, since it waited.
        deleted_count: how many of `deletions` are past.
        skipped_count: how many of these have not happened, since they are postponed.
        unserved_count: pods deleted so far that never had an address.
    """

    @no_garbage_collection()
    def __init__(self, pods: Sequence[PodRun], *, has_zones: bool = False) -> None:
        self.homes: list[Any] = [None] * len(pods)
        self.keys: list[Any] = [None] * len(pods)
        self.pending: dict[int, int] = {}
        self.arrived_count = self.deleted_count = self.skipped_count = self.unserved_count = 0
        self.postponed = bytearray(len(pods))
        nodes = list(map(itemgetter(3), pods))
        self.bound_to: list[str | None] | None = None if nodes.count(None) == len(nodes) else nodes
        self.spreads: list[TopologySpread | None] | None = _spreads_of(pods) if has_zones else None
        self.created_ns = array("q", [*map(itemgetter(1), pods), NEVER_NS])
        ends_ns = list(map(itemgetter(2), pods))
        order = sorted([number for number, end_ns in enumerate(ends_ns) if end_ns is not None], key=ends_ns.__getitem__)
        self.deletions = array("q", order)
        self.deleted_ns = array("q", [*map(ends_ns.__getitem__, order), NEVER_NS])
        self.names = list(map(itemgetter(0), pods))
        fully = [(deleted_ns or created_ns) - created_ns if runs_fully else 0 for _, created_ns, deleted_ns, _, runs_fully, _ in pods]
        self.run_ns = array("q", fully) if any(fully) else None

    def postpone(self, number: int) -> None:
        """Postpone the deletion of a pod that begins to wait, if it runs fully."""
        if self.run_ns is not None and self.run_ns[number]:
            self.postponed[number] = 1

    def end_of_run(self, number: int, served_ns: int) -> int | None:
        """Return when a pod that waited until `served_ns` is deleted; None if its wait postpones nothing."""
        return None if self.run_ns is None or not self.postponed[number] else served_ns + self.run_ns[number]

    @property
    def gone_count(self) -> int:
        """Pods deleted so far that had an address."""
        return self.deleted_count - self.skipped_count - self.unserved_count


def _spreads_of(pods: Sequence[PodRun]) -> list[TopologySpread | None] | None:
    """Return how each pod is spread; None if no pod is. A pod that is bound to a node is not spread."""
    spreads = [run.spread if run.node is None else None for run in pods]
    return None if spreads.count(None) == len(spreads) else spreads
