"""Fuzz your own IPAM: check any allocator against the promises of vpcipam.

`assert_conforms` runs random programs against an allocator and reports the shortest one that breaks a promise. `ContractChecker` checks a
stream of events, and needs no Hypothesis. The rest needs the extra `[testing]`. See docs/testing.md.
"""

import importlib
from typing import TYPE_CHECKING, Any

from vpcipam.contracts import (
    AssignDenied,
    AssignReturned,
    ContractChecker,
    ContractEvent,
    Crashed,
    EniAttached,
    EniDetached,
    EniLimits,
    Promise,
    RangeAdded,
    RangeRemoved,
    Restarted,
    UnassignReturned,
    Violation,
    contract_events,
    first_violation,
)
from vpcipam.testing.checked import Allocator, Call, CheckedAllocator, ConformanceError
from vpcipam.testing.killing import KillableStorage, Killed
from vpcipam.testing.program import Program

if TYPE_CHECKING:
    from vpcipam.testing.machine import AllocatorMachine, allocator_machine, assert_conforms

_NEED_HYPOTHESIS = {"AllocatorMachine", "allocator_machine", "assert_conforms"}

__all__ = [
    "Allocator",
    "AllocatorMachine",
    "AssignDenied",
    "AssignReturned",
    "Call",
    "CheckedAllocator",
    "ConformanceError",
    "ContractChecker",
    "ContractEvent",
    "Crashed",
    "EniAttached",
    "EniDetached",
    "EniLimits",
    "KillableStorage",
    "Killed",
    "Program",
    "Promise",
    "RangeAdded",
    "RangeRemoved",
    "Restarted",
    "UnassignReturned",
    "Violation",
    "allocator_machine",
    "assert_conforms",
    "contract_events",
    "first_violation",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # each name has its own type
    """Load what needs Hypothesis only when it is used (PEP 562)."""
    if name not in _NEED_HYPOTHESIS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.machine"), name)
