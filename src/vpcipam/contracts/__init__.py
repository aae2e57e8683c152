"""The promises of an allocator, checked over what it did.

A `ContractChecker` reads a stream of contract events and reports the first broken promise, with the events that led to it. A
`ContractState` goes on after a breach, and keeps no events. Both share no code with the pools and datastores of vpcipam, so that they can
judge them as well as other allocators.

>>> events = [
...     AssignReturned(0, "web", "10.0.0.5"),
...     UnassignReturned(1_000_000_000, "web"),
...     AssignReturned(2_000_000_000, "db", "10.0.0.5"),
... ]
>>> print(first_violation(events, cooldown_ns=30_000_000_000))
cooldown: db got 10.0.0.5 at 2 s, but it cools until 31 s
    at 0 s: web got 10.0.0.5
    at 1 s: web gave its address back
    at 2 s: db got 10.0.0.5
"""

from vpcipam.contracts.checker import ContractChecker, Violation, first_violation
from vpcipam.contracts.datastore_events import contract_events
from vpcipam.contracts.events import (
    AssignDenied,
    AssignReturned,
    ContractEvent,
    CountsReported,
    Crashed,
    EniAttached,
    EniDetached,
    Gap,
    IpAddress,
    IpNetwork,
    PrimaryAddressReported,
    RangeAdded,
    RangeRemoved,
    Restarted,
    UnassignRefused,
    UnassignReturned,
    UnassignUndone,
    address_of,
    time_text,
)
from vpcipam.contracts.state import Breach, ContractState, EniLimits, Promise, address_number

__all__ = [
    "AssignDenied",
    "AssignReturned",
    "Breach",
    "ContractChecker",
    "ContractEvent",
    "ContractState",
    "CountsReported",
    "Crashed",
    "EniAttached",
    "EniDetached",
    "EniLimits",
    "Gap",
    "IpAddress",
    "IpNetwork",
    "PrimaryAddressReported",
    "Promise",
    "RangeAdded",
    "RangeRemoved",
    "Restarted",
    "UnassignRefused",
    "UnassignReturned",
    "UnassignUndone",
    "Violation",
    "address_number",
    "address_of",
    "contract_events",
    "first_violation",
    "time_text",
]
