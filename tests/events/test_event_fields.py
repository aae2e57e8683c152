"""Fields of single events."""

from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.events import AddressAssigned, EniRemoved
from vpcipam.journal.protocol import Assigned, MemoryJournal
from vpcipam.sandbox import SandboxKey


def key(name):
    return SandboxKey("aws-cni", name, "eth0")


def store_and_events(*cidrs, journal=None):
    seen = []
    store = Datastore(mode=AddressMode.PREFIX, on_event=seen.append, journal=journal)
    store.add_eni("eni-0", device_number=0, now_ns=0)
    for cidr in cidrs:
        store.add_cidr("eni-0", cidr)
    return store, seen


def of_type(kind, events):
    return [event for event in events if type(event) is kind]


def test_picked_is_true_only_for_addresses_chosen_by_the_datastore():
    journal = MemoryJournal()
    journal.record((Assigned(key("restored"), "10.0.0.1", None, 0), Assigned(key("elsewhere"), "10.0.0.17", None, 0)))
    store, seen = store_and_events("10.0.0.0/28", journal=journal)
    (entry,) = store.restore(0).quarantined
    store.add_cidr("eni-0", "10.0.0.16/28")
    store.accept_quarantined(entry, 0)
    store.assign_at(key("named"), "10.0.0.2", 0)
    store.assign(key("picked"), 0)
    store.assign_many([(key("many"), None)], 0)
    told = {event.key.container_id: event.picked for event in of_type(AddressAssigned, seen)}
    assert told == {"restored": False, "elsewhere": False, "named": False, "picked": True, "many": True}


def test_the_event_of_a_removed_eni_counts_its_evicted_sandboxes():
    for force, evicted_count in ((True, 2), (False, 0)):
        store, seen = store_and_events("10.0.0.0/28", "10.0.0.16/28", "10.0.0.32/28")
        for address in ("10.0.0.1", "10.0.0.16", "10.0.0.32"):
            store.assign_at(key(address), address, 0)
        store.remove_cidr("eni-0", "10.0.0.32/28", force=True, now_ns=0)  # who was on it was evicted before
        if not force:
            for address in ("10.0.0.1", "10.0.0.16"):
                store.unassign(key(address), 0)
        store.remove_eni("eni-0", force=force, now_ns=0)
        assert of_type(EniRemoved, seen) == [EniRemoved(0, 0, "eni-0", force, evicted_count)]
