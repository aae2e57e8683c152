"""The events of a datastore or node as contract events."""

from vpcipam import events as datastore_events
from vpcipam.contracts.events import (
    AssignDenied,
    AssignReturned,
    ContractEvent,
    EniAttached,
    EniDetached,
    RangeAdded,
    RangeRemoved,
    UnassignReturned,
)


def contract_events(event: datastore_events.DatastoreEvent, now_ns: int) -> tuple[ContractEvent, ...]:
    """Translate an event of a `Datastore` or `Node`. Keys are `(network_card, SandboxKey)`.

    Args:
        event: what `on_event` was called with.
        now_ns: the time of an event without one: `CidrAdded`.
    """
    match event:
        case datastore_events.AddressAssigned():
            return (AssignReturned(event.now_ns, (event.network_card, event.key), event.assignment),)
        case datastore_events.AddressUnassigned() | datastore_events.SandboxEvicted():
            return (UnassignReturned(event.now_ns, (event.network_card, event.key)),)
        case datastore_events.AssignRefused():
            return (AssignDenied(event.now_ns, (event.network_card, event.key)),)
        case datastore_events.EniAdded():
            return (EniAttached(event.now_ns, event.eni_id, event.network_card),)
        case datastore_events.EniRemoved():
            return (EniDetached(event.now_ns, event.eni_id),)
        case datastore_events.CidrAdded():
            return (RangeAdded(now_ns, event.eni_id, event.cidr),)
        case datastore_events.CidrRemoved():
            return (RangeRemoved(event.now_ns, event.cidr),)
    return ()  # quarantine: such an entry was acknowledged and is now withheld
