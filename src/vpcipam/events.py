"""What happens in a datastore, as values for who wants to watch: logs, metrics, audits.

A datastore or a node that is made with `on_event` calls it with each event once the change is made and the journal has it, before the call
that made it returns; of several threads, in the order of the changes.

>>> from collections import deque
>>> from vpcipam import Datastore, SandboxKey
>>> seen = deque()
>>> store = Datastore(on_event=seen.append)
>>> store.add_eni("eni-0", device_number=0, now_ns=0)
>>> store.add_cidr("eni-0", "10.0.1.5/32")
>>> assignment = store.assign(SandboxKey("aws-cni", "c1", "eth0"), 1)
>>> for event in seen:
...     print(event)
eni-0 added as device 0
10.0.1.5/32 added on eni-0
10.0.1.5 assigned to aws-cni/c1/eth0
"""

from collections.abc import Callable

import attrs

from vpcipam.quarantine import Quarantined
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.stats import Assignment


@attrs.frozen
class _Timed:
    """Something that happened at a known time.

    Attributes:
        now_ns: the time of the call, Unix nanoseconds.
        network_card: the index of the datastore's card.
    """

    now_ns: int
    network_card: int


@attrs.frozen
class _AboutSandbox(_Timed):
    """Something that happened to a sandbox.

    Attributes:
        assignment: the address, and where it sits.
        pod: whose sandbox it is, None where that was not said.
    """

    key: SandboxKey
    assignment: Assignment
    pod: PodRef | None


@attrs.frozen
class AddressAssigned(_AboutSandbox):
    """A sandbox has an address that it did not have before; after a restart, too.

    Attributes:
        picked: the datastore picked it; else the caller or the journal named it, as after a restart.
    """

    picked: bool = True

    def __str__(self) -> str:
        """Write it as one line of a log."""
        return f"{self.assignment.address} assigned to {self.key}"


@attrs.frozen
class AddressUnassigned(_AboutSandbox):
    """A sandbox gave its address back."""

    def __str__(self) -> str:
        """Write it as one line of a log."""
        return f"{self.assignment.address} unassigned from {self.key}"


@attrs.frozen
class SandboxEvicted(_AboutSandbox):
    """A sandbox lost its address with a CIDR or an ENI that was removed by force, as EC2 no longer has it."""

    def __str__(self) -> str:
        """Write it as one line of a log."""
        return f"{self.key} evicted from {self.assignment.address}, as {self.assignment.cidr} on {self.assignment.eni_id} is gone"


@attrs.frozen
class AssignRefused(_Timed):
    """No address was free for a sandbox; its assign was refused.

    Attributes:
        reason: what `PoolExhausted` said.
    """

    key: SandboxKey
    pod: PodRef | None
    reason: str

    def __str__(self) -> str:
        """Write it as one line of a log."""
        return self.reason


@attrs.frozen
class SandboxQuarantined(_Timed):
    """An entry of the journal can't be taken as it stands."""

    quarantined: Quarantined

    def __str__(self) -> str:
        """Write it as one line of a log."""
        return f"in quarantine: {self.quarantined}"


@attrs.frozen
class QuarantineEnded(_Timed):
    """Somebody has decided about an entry in quarantine.

    Attributes:
        accepted: the sandbox holds the address, which `AddressAssigned` tells too; else the entry is gone, and its address cools.
    """

    quarantined: Quarantined
    accepted: bool

    def __str__(self) -> str:
        """Write it as one line of a log."""
        return f"{'accepted' if self.accepted else 'released'} from quarantine: {self.quarantined}"


@attrs.frozen
class EniAdded(_Timed):
    """An ENI has come into the datastore."""

    eni_id: str
    device_number: int

    def __str__(self) -> str:
        """Write it as one line of a log."""
        return f"{self.eni_id} added as device {self.device_number}"


@attrs.frozen
class EniRemoved(_Timed):
    """An ENI has left the datastore, after its CIDRs.

    Attributes:
        forced: EC2 no longer has it, so sandboxes were evicted, if there were any.
        evicted_count: how many were, by this removal.
    """

    eni_id: str
    forced: bool
    evicted_count: int = 0

    def __str__(self) -> str:
        """Write it as one line of a log."""
        return f"{self.eni_id} removed{' by force' if self.forced else ''}"


@attrs.frozen
class CidrAdded:
    """A CIDR has come into the datastore; `Datastore.add_cidr` is told no time.

    Attributes:
        network_card: the index of the datastore's card.
    """

    network_card: int
    eni_id: str
    cidr: str

    def __str__(self) -> str:
        """Write it as one line of a log."""
        return f"{self.cidr} added on {self.eni_id}"


@attrs.frozen
class CidrRemoved(_Timed):
    """A CIDR has left the datastore.

    Attributes:
        forced: EC2 no longer has it, so sandboxes were evicted, if there were any.
    """

    eni_id: str
    cidr: str
    forced: bool

    def __str__(self) -> str:
        """Write it as one line of a log."""
        return f"{self.cidr} removed from {self.eni_id}{' by force' if self.forced else ''}"


DatastoreEvent = (
    AddressAssigned
    | AddressUnassigned
    | SandboxEvicted
    | AssignRefused
    | SandboxQuarantined
    | QuarantineEnded
    | EniAdded
    | EniRemoved
    | CidrAdded
    | CidrRemoved
)
OnEvent = Callable[[DatastoreEvent], object]


class EventWarning(RuntimeWarning):
    """What was to be told of events failed. The change that it was told of stands, and is acknowledged as if it had not."""
