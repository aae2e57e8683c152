"""The protocol between a datastore and its journal, and the journal that keeps all in memory."""

from typing import Protocol

import attrs

from vpcipam.errors import UnknownKey
from vpcipam.sandbox import PodRef, SandboxKey


@attrs.frozen
class Assigned:
    """A sandbox holds an address.

    Attributes:
        address: as text.
        assigned_ns: when it was assigned, Unix nanoseconds.
    """

    key: SandboxKey
    address: str
    pod: PodRef | None
    assigned_ns: int


@attrs.frozen
class Cooling:
    """An address cools until the given time, Unix nanoseconds, exclusive."""

    address: str
    until_ns: int


class Journal(Protocol):
    """Where a datastore writes what it is about to acknowledge.

    A record is durable when the call returns. A call that raises has recorded nothing: the datastore then undoes its change and lets the
    error through.
    """

    def record_assign(self, assigned: Assigned) -> None:
        """Keep that a sandbox holds an address from now on."""
        ...

    def record_unassign(self, released: tuple[tuple[SandboxKey, Cooling], ...]) -> None:
        """Keep, all or none, that sandboxes gave their addresses back and that these cool."""
        ...


class MemoryJournal:
    """A journal that lives as long as its process: for tests, and to look at what a durable one would hold.

    >>> journal = MemoryJournal()
    >>> journal.record_assign(Assigned(SandboxKey("aws-cni", "c1", "eth0"), "10.0.1.5", None, 0))
    >>> [entry.address for entry in journal.assigned]
    ['10.0.1.5']
    """

    def __init__(self) -> None:
        self._assigned: dict[SandboxKey, Assigned] = {}
        self._cooling: dict[str, Cooling] = {}

    @property
    def assigned(self) -> tuple[Assigned, ...]:
        """The sandboxes that hold an address, in the order of their assignment."""
        return tuple(self._assigned.values())

    @property
    def cooling(self) -> tuple[Cooling, ...]:
        """The last cooldown of each address that no sandbox holds, in the order of their release; it may be over."""
        return tuple(self._cooling.values())

    def record_assign(self, assigned: Assigned) -> None:
        """Keep that a sandbox holds an address from now on."""
        self._assigned[assigned.key] = assigned
        self._cooling.pop(assigned.address, None)

    def record_unassign(self, released: tuple[tuple[SandboxKey, Cooling], ...]) -> None:
        """Keep, all or none, that sandboxes gave their addresses back and that these cool.

        Raises:
            UnknownKey: one of them holds no address here.
        """
        for key, _ in released:
            if key not in self._assigned:
                raise UnknownKey(f"the journal knows of no address of {key}: was it attached to the datastore before the first assign?")
        for key, cooling in released:
            del self._assigned[key]
            self._cooling[cooling.address] = cooling
