"""An error in the middle of a change of ENIs and CIDRs, or of a restart: the datastore is as before, and the call can be repeated."""

import pytest
from datastore_worlds import key, node

from vpcipam.address import AddressMode
from vpcipam.datastore.attached import Attached
from vpcipam.datastore.sandboxes import Sandboxes
from vpcipam.journal.protocol import Assigned, Cooling, MemoryJournal

HELD = Assigned(key("web"), "10.0.0.3", None, 0)
LOST = Assigned(key("db"), "10.0.9.3", None, 0)  # in quarantine, since its CIDR is absent
OTHER = Assigned(key("six"), "2001:db8::3", None, 0)  # in quarantine too, but it names no address that the pool could withhold
WAITS = Cooling("10.0.0.5", 900, 0)
MIDDLE = {
    "add_eni": (Attached, "_set_order", lambda store: store.add_eni("eni-new", device_number=9, now_ns=0)),
    "set_excluded": (Attached, "_open_or_close", lambda store: store.set_excluded("eni-0", excluded=True)),
    "set_mode": (Attached, "_open_or_close", lambda store: store.set_mode(AddressMode.SECONDARY_IP)),
    "add_cidr": (Attached, "_is_closed", lambda store: store.add_cidr("eni-0", "10.0.2.0/28")),
    "add_cidr with cooldowns": (Sandboxes, "withhold", lambda store: store.add_cidr("eni-0", "10.0.2.0/28")),
    "restore": (Sandboxes, "restore_cooldown", lambda store: store.restore(10)),
}


class Broken(Exception):
    """What goes wrong."""


def fail_once(monkeypatch, owner, name, error=Broken):
    """Let a step fail the first time."""
    step, calls = getattr(owner, name), []

    def failing(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 1:
            raise error
        return step(*arguments, **options)

    monkeypatch.setattr(owner, name, failing)


def stopped():
    """A datastore before its restart."""
    journal = MemoryJournal()
    journal.record((HELD, LOST, OTHER), (WAITS,))
    return node(["10.0.0.0/28", "10.0.0.16/28"], journal=journal)


def state(store):
    closed = tuple(store._pool.is_closed(base) for base, _, _ in store._pool.blocks())
    cidrs = tuple((eni_id, store.cidrs(eni_id)) for eni_id in store.eni_ids)
    return list(store.assignments()), cidrs, store._pool.blocks(), closed, store.mode, store.quarantined, store.stats(10)


@pytest.mark.parametrize("call", MIDDLE)
def test_a_change_that_fails_in_the_middle_is_undone_and_can_be_repeated(call, monkeypatch):
    owner, name, change = MIDDLE[call]
    store, other = stopped(), stopped()
    if call != "restore":
        for each in (store, other):
            each.restore(10)
    before = state(store)
    fail_once(monkeypatch, owner, name)
    with pytest.raises(Broken):
        change(store)
    store._check()
    assert state(store) == before
    change(store)
    change(other)
    assert state(store) == state(other) != before


def test_an_address_released_from_quarantine_cools_even_if_its_cidr_comes_later():
    store = stopped()
    store.restore(10)
    store.release_quarantined(next(entry for entry in store.quarantined if entry.key == LOST.key), 20)
    store.add_cidr("eni-0", "10.0.9.0/28")
    assert [each.address for each in store.cooldowns(20)] == ["10.0.9.3", "10.0.0.5"]


def test_a_release_that_the_journal_has_is_finished_even_if_memory_runs_out(monkeypatch):
    store, other = stopped(), stopped()
    for each in (store, other):
        each.restore(10)
        each.add_cidr("eni-0", "10.0.9.0/28")
    lost = next(entry for entry in store.quarantined if entry.key == LOST.key)
    other.release_quarantined(lost, 20)
    fail_once(monkeypatch, Sandboxes, "cool", MemoryError)
    with pytest.raises(MemoryError):
        store.release_quarantined(lost, 20)
    store._check()
    assert state(store) == state(other)
    assert [each.address for each in store.cooldowns(20)] == ["10.0.9.3", "10.0.0.5"]
