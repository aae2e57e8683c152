"""A node in a fleet: the node itself, and what the event loop keeps of it."""

from typing import TYPE_CHECKING

from vpcipam.fleet.scenario import NodeGroup
from vpcipam.node import Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from vpcipam.sandbox import SandboxKey
    from vpcipam.stats import Assignment

NEVER_NS = 1 << 63
"""A time after all others."""


class Member:
    """One node of a fleet.

    Attributes:
        number: its place among all nodes that there have ever been.
        assign, unassign: of its first card's datastore: a pod's way to its address.
        low, high: between which numbers of assigned addresses its pool rests; see `Node.calm`.
        waiting: the pods that are bound to it and have no address, each with the time at which the kubelet first tried.
        wake_ns: when it is to be ticked next.
        retry_ns: when a waiting pod is to be tried next.
        scale_down_ns: when to see whether it has been empty for long enough to go.
        gone: it has been terminated.
        revision: of the datastore, when the three counts below were taken.
        pod_count, room: pods bound to it, each of which has an address or waits for one; and how many it takes.
        ranks, rank, seat: see `vpcipam.fleet.scheduler`.
    """

    __slots__ = (
        "address_count",
        "assign",
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
        datastore = node.datastores[0]
        self.number = number
        self.name = name
        self.group = group
        self.node = node
        self.assign: Callable[[SandboxKey, int], Assignment] = datastore.assign
        self.unassign: Callable[[SandboxKey, int], Assignment] = datastore.unassign
        self.low = 0
        self.high = -1
        self.waiting: dict[int, int] = {}
        self.wake_ns = NEVER_NS
        self.retry_ns = NEVER_NS
        self.scale_down_ns = NEVER_NS
        self.gone = False
        self.revision = -1
        self.address_count = 0
        self.eni_count = 0
        self.prefix_count = 0
        self.pod_count = 0
        self.room = group.pods_per_node
        self.ranks: list[int] = []
        self.rank = -1
        self.seat = 0

    @property
    def assigned_count(self) -> int:
        """The addresses that its pods hold."""
        return self.pod_count - len(self.waiting)
