"""Events: the changes of a datastore, as values for logs, metrics and audits.

A datastore or node calls its `on_event` with each event. By then the change is made and recorded in the journal, but the call that made
it has not returned yet. With several threads, events come in the order of the changes. `str(event)` is one line for a log.

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

import warnings
from collections.abc import Callable
from typing import TypeVar

import attrs

from vpcipam.quarantine import Quarantined
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.stats import Assignment


@attrs.frozen
class _Timed:
    """An event at a known time.

    Attributes:
        now_ns: the time of the call, Unix nanoseconds.
        network_card: the index of the datastore's card.
    """

    now_ns: int
    network_card: int


@attrs.frozen
class _AboutSandbox(_Timed):
    """An event about a sandbox.

    Attributes:
        assignment: the address, its ENI and its CIDR.
        pod: the pod of the sandbox, None if unknown.
    """

    key: SandboxKey
    assignment: Assignment
    pod: PodRef | None


@attrs.frozen
class AddressAssigned(_AboutSandbox):
    """A sandbox got an address, or got it back after a restart.

    Attributes:
        picked: the datastore picked the address. If False, the caller named it or, after a restart, the journal.
    """

    picked: bool = True

    def __str__(self) -> str:
        return f"{self.assignment.address} assigned to {self.key}"


@attrs.frozen
class AddressUnassigned(_AboutSandbox):
    """A sandbox gave its address back."""

    def __str__(self) -> str:
        return f"{self.assignment.address} unassigned from {self.key}"


@attrs.frozen
class SandboxEvicted(_AboutSandbox):
    """A sandbox lost its address because its CIDR or ENI was removed by force: EC2 no longer has it."""

    def __str__(self) -> str:
        return f"{self.key} evicted from {self.assignment.address}, as {self.assignment.cidr} on {self.assignment.eni_id} is gone"


@attrs.frozen
class AssignRefused(_Timed):
    """An assign was refused because no address was free.

    Attributes:
        reason: the message of the `PoolExhausted`.
    """

    key: SandboxKey
    pod: PodRef | None
    reason: str

    def __str__(self) -> str:
        return self.reason


@attrs.frozen
class SandboxQuarantined(_Timed):
    """A journal entry can't be restored and is now in quarantine."""

    quarantined: Quarantined

    def __str__(self) -> str:
        return f"in quarantine: {self.quarantined}"


@attrs.frozen
class QuarantineEnded(_Timed):
    """Somebody has decided about an entry in quarantine.

    Attributes:
        accepted: the sandbox now holds the address; an `AddressAssigned` follows. If False, the entry was dropped, and its address cools.
    """

    quarantined: Quarantined
    accepted: bool

    def __str__(self) -> str:
        return f"{'accepted' if self.accepted else 'released'} from quarantine: {self.quarantined}"


@attrs.frozen
class EniAdded(_Timed):
    """An ENI was added to the datastore."""

    eni_id: str
    device_number: int

    def __str__(self) -> str:
        return f"{self.eni_id} added as device {self.device_number}"


@attrs.frozen
class EniRemoved(_Timed):
    """An ENI was removed from the datastore, after its CIDRs.

    Attributes:
        forced: EC2 no longer has it, so its sandboxes were evicted.
        evicted_count: the number of sandboxes that this removal evicted.
    """

    eni_id: str
    forced: bool
    evicted_count: int = 0

    def __str__(self) -> str:
        return f"{self.eni_id} removed{' by force' if self.forced else ''}"


@attrs.frozen
class CidrAdded:
    """A CIDR was added to the datastore. It has no time, because `Datastore.add_cidr` takes none.

    Attributes:
        network_card: the index of the datastore's card.
    """

    network_card: int
    eni_id: str
    cidr: str

    def __str__(self) -> str:
        return f"{self.cidr} added on {self.eni_id}"


@attrs.frozen
class CidrRemoved(_Timed):
    """A CIDR was removed from the datastore.

    Attributes:
        forced: EC2 no longer has it, so its sandboxes were evicted.
    """

    eni_id: str
    cidr: str
    forced: bool

    def __str__(self) -> str:
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
    """`on_event` raised an exception. The change that the event reports stands."""


_Event = TypeVar("_Event")


def call_back(on_event: Callable[[_Event], object], event: _Event) -> None:
    """Call `on_event` with an event. An exception in it does not undo the change: it becomes an `EventWarning`."""
    try:
        on_event(event)
    except Exception as error:  # noqa: BLE001  # the change is made and acknowledged, whatever the callback raises
        warning = EventWarning(f"on_event raised {error!r} for the event: {event}. The change stands; fix the callback")
        try:
            warnings.warn(warning, stacklevel=2)
        except EventWarning:  # the user turned warnings into errors; raising this one would leave the change half done
            warnings.showwarning(warning, EventWarning, __file__, 0)
