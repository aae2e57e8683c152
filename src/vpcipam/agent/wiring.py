"""What the agent needs of a kernel, as a protocol: it decides who gets which address, and a `Wiring` carries it out."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import attrs

from vpcipam.datapath.values import Readable
from vpcipam.ec2.api import NetworkInterface, Subnet
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.stats import Assignment


@attrs.frozen
class PodInterface:
    """One address of a pod, and the pair of interfaces that carries it.

    Attributes:
        address: as text, without a prefix length.
        host_name: the end in the node's namespace.
        pod_name: the end in the pod's namespace.
        mtu: of both ends, bytes.
    """

    address: str
    host_name: str
    host_mac: str
    pod_name: str
    pod_mac: str
    mtu: int


class Wiring(Protocol):
    """Connects pods to the node's ENIs. Every call can be repeated, also after one that was killed at any point.

    Calls about different pods can come at the same time, from several threads. A call that fails raises a `VpcIpamError`.
    """

    def set_up(self, enis: Iterable[NetworkInterface], subnets: Mapping[str, Subnet], vpc_cidrs: tuple[str, ...]) -> frozenset[str]:
        """Set up what all pods of the node share, and its secondary ENIs. What an ENI that is gone has left is removed.

        Args:
            enis: the primary ENI and the managed ones.
            subnets: those of the ENIs, by id.
            vpc_cidrs: the IPv4 CIDRs of the VPC.

        Returns:
            The ids of the ENIs that pods can use. Another one is not ready yet: the kernel has no interface with its MAC.
        """
        ...

    def connect(self, key: SandboxKey, pod: PodRef | None, assignments: tuple[Assignment, ...], netns: str) -> tuple[PodInterface, ...]:
        """Give a sandbox an interface for each address. That of an earlier sandbox of the same pod goes. A failure leaves nothing.

        Args:
            key: the sandbox. Its interface must be new in its namespace.
            pod: its pod, if the runtime has named one.
            assignments: its addresses, in the order of the network cards.
            netns: the path of its network namespace.
        """
        ...

    def disconnect(self, key: SandboxKey, pod: PodRef | None, addresses: tuple[str, ...]) -> None:
        """Remove what the host has for a sandbox, and nothing of a later sandbox of its pod. It needs neither the namespace nor the ENIs.

        Args:
            key: the sandbox.
            pod: its pod, as when it was connected.
            addresses: those that it had, in the order of the network cards.
        """
        ...

    def check(self, key: SandboxKey, pod: PodRef | None, assignments: tuple[Assignment, ...], netns: str) -> tuple[str, ...]:
        """Say what a connected sandbox lacks, on the host and in its namespace; empty if it lacks nothing."""
        ...

    def look(self) -> frozenset[Readable]:
        """Return what the host has. A look takes long where there are many pods, and serves for all of them."""
        ...

    def is_connected(self, key: SandboxKey, standing: frozenset[Readable]) -> bool:
        """Tell whether the host has the interface of a sandbox, whatever its name."""
        ...

    def repair(self, key: SandboxKey, pod: PodRef | None, assignments: tuple[Assignment, ...], standing: frozenset[Readable]) -> None:
        """Restore what the host lacks for a connected sandbox. What its namespace lacks stays as it is."""
        ...

    def sweep(self, held: Callable[[], frozenset[str]]) -> None:
        """Remove the routes and rules of addresses that no sandbox holds. Interfaces stay.

        Args:
            held: returns all addresses that sandboxes of the node hold. Call it after looking at the kernel, since a sandbox has its
                address before it is connected.
        """
        ...
