"""A restart: the journal's sandboxes and cooldowns are restored, and doubtful entries are quarantined until decided."""

import pytest
from datastore_worlds import JournalDownError, key, node, singles

from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.errors import (
    AlreadyAssigned,
    CidrInUse,
    CoolingDown,
    DatastoreError,
    EniInUse,
    InQuarantine,
    NotInPool,
    OutOfRange,
    PoolExhausted,
    UnknownKey,
)
from vpcipam.events import AddressAssigned, QuarantineEnded, SandboxQuarantined
from vpcipam.journal.protocol import Assigned, Cooling, MemoryJournal, Problem
from vpcipam.quarantine import Quarantined
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.stats import Assignment

POD = PodRef("default", "web-1")
S = 1_000_000_000


class Kept(MemoryJournal):
    """A journal with entries, cooldowns and problems, which fails while `down` is set."""

    def __init__(self, assigned=(), cooling=(), problems=()):
        super().__init__()
        super().record(tuple(assigned), tuple(cooling))
        self.problems = list(problems)
        self.down = False

    def restore(self, now_ns):
        restored = super().restore(now_ns)
        return type(restored)(restored.assigned, restored.cooling, restored.ended, tuple(self.problems))

    def record(self, assigned=(), cooling=(), *, dropped=()):
        if self.down:
            raise JournalDownError
        for problem in dropped:
            self.problems.remove(problem)
        super().record(assigned, cooling)

    def record_unassign(self, released):
        if self.down:
            raise JournalDownError
        super().record_unassign(released)


def held(name, address, pod=None):
    return Assigned(key(name), address, pod, 0)


def problem(name=None, address=None, number=1):
    return Problem(f"allocation {number}", "it says two things", None if name is None else key(name), address, "{}")


def restored(journal, *last_bytes, now_ns=0, **options):
    """A datastore of single addresses restored from a journal, and the answer of `restore`."""
    store = singles(list(last_bytes), journal=journal, cooldown_ns=30 * S, **options)
    return store, store.restore(now_ns)


def addresses(store):
    return {each.container_id: assignment.address for each, assignment in store.assignments()}


# --- what comes back -----------------------------------------------------------------------------------------------------


def test_sandboxes_are_restored_with_addresses_and_pods():
    journal = Kept([held("web", "10.0.0.7", POD), held("api", "10.0.0.5")])
    store, answer = restored(journal, 5, 6, 7)
    assert addresses(store) == {"web": "10.0.0.7", "api": "10.0.0.5"}
    assert (store.pod_of(key("web")), store.pod_of(key("api"))) == (POD, None)
    assert answer.assigned == (held("web", "10.0.0.7", POD), held("api", "10.0.0.5"))
    assert (answer.released, answer.quarantined, answer.cooling, answer.cooling_elsewhere) == ((), (), (), ())
    assert store.assign(key("web"), 1).address == "10.0.0.7"
    assert store.assign(key("new"), 1).address == "10.0.0.6"
    assert str(answer) == "2 sandboxes restored, 0 of them gone, 0 entries in quarantine, 0 addresses still cooling"


def test_restored_sandboxes_are_not_written_again():
    journal = Kept([held("web", "10.0.0.7")], [Cooling("10.0.0.5", 20 * S, 0)])
    journal.down = True
    restored(journal, 5, 6, 7)


def test_restored_addresses_cool_for_the_remaining_time():
    journal = Kept(cooling=[Cooling("10.0.0.5", 20 * S, 0), Cooling("10.0.0.200", 20 * S, 0), Cooling("10.0.0.6", 4 * S, 0)])
    store, answer = restored(journal, 5, 6, now_ns=5 * S)
    assert (answer.cooling, answer.cooling_elsewhere) == ((Cooling("10.0.0.5", 20 * S, 0),), (Cooling("10.0.0.200", 20 * S, 0),))
    assert answer.ended == (Cooling("10.0.0.6", 4 * S, 0),)
    assert store.assign(key("a"), 5 * S).address == "10.0.0.6"
    with pytest.raises(PoolExhausted):
        store.assign(key("b"), 20 * S - 1)
    assert store.assign(key("b"), 20 * S).address == "10.0.0.5"


def test_a_clock_set_back_makes_no_cooldown_longer_than_the_whole():
    store, answer = restored(Kept(cooling=[Cooling("10.0.0.5", 1030 * S, 1000 * S)]), 5, now_ns=10 * S)
    assert answer.cooling == (Cooling("10.0.0.5", 40 * S, 10 * S),)
    assert store.assign(key("a"), 40 * S).address == "10.0.0.5"


def test_all_known_cooldowns_start_again_when_the_clock_is_not_trusted():
    journal = Kept(cooling=[Cooling("10.0.0.5", 30 * S, 0), Cooling("10.0.0.6", 2000 * S, 1970 * S)])
    store = singles([5, 6], journal=journal, cooldown_ns=30 * S)
    answer = store.restore(1980 * S, trust_clock=False)
    assert {(each.address, each.until_ns) for each in answer.cooling} == {("10.0.0.5", 2010 * S), ("10.0.0.6", 2010 * S)}
    assert answer.ended == ()
    with pytest.raises(PoolExhausted):
        store.assign(key("a"), 2010 * S - 1)


def test_cooldowns_of_another_ip_version_are_outside_all_cidrs():
    answer = restored(Kept(cooling=[Cooling("2001:db8::1", 20 * S, 0)]), 5)[1]
    assert [each.address for each in answer.cooling_elsewhere] == ["2001:db8::1"]


def test_gone_sandboxes_are_released_and_their_addresses_cool():
    migrated = Assigned(SandboxKey("_migrated-from-cri", "old", "unknown"), "10.0.0.6", None, 0)
    journal = Kept([held("web", "10.0.0.5"), migrated, held("api", "10.0.0.7")])
    store = singles([5, 6, 7], journal=journal, cooldown_ns=30 * S)
    answer = store.restore(5 * S, gone=[key("web"), key("old"), key("never known")])
    assert answer.assigned == (held("api", "10.0.0.7"),)
    assert answer.released == (held("web", "10.0.0.5"), migrated)
    assert addresses(store) == {"api": "10.0.0.7"}
    assert {each.address for each in journal.cooling} == {"10.0.0.5", "10.0.0.6"}
    assert store.cooling_until("10.0.0.5") == 35 * S
    with pytest.raises(PoolExhausted):
        store.assign(key("new"), 34 * S)


def test_a_migrated_sandbox_is_found_by_its_real_key():
    migrated = Assigned(SandboxKey("_migrated-from-cri", "old", "unknown"), "10.0.0.6", None, 0)
    store, _ = restored(Kept([migrated]), 6)
    assert store.unassign(key("old"), 1).address == "10.0.0.6"


def test_events_report_restored_and_quarantined_entries():
    seen = []
    journal = Kept([held("web", "10.0.0.5"), held("lost", "10.0.9.9")])
    store = singles([5], journal=journal, on_event=seen.append)
    (lost,) = store.restore(3).quarantined
    assert [event for event in seen if isinstance(event, AddressAssigned)] == [
        AddressAssigned(3, 0, key("web"), Assignment("10.0.0.5", "eni-0", 0, 0, "10.0.0.5/32"), None, picked=False)
    ]
    assert str(seen[-1]) == "in quarantine: aws-cni/lost/eth0 on 10.0.9.9: its address is on no ENI of the card"
    store.release_quarantined(lost, 4)
    assert [event for event in seen if isinstance(event, SandboxQuarantined | QuarantineEnded)] == [
        SandboxQuarantined(3, 0, lost),
        QuarantineEnded(4, 0, lost, accepted=False),
    ]
    assert str(seen[-1]).startswith("released from quarantine: aws-cni/lost/eth0 on 10.0.9.9: its address is on no ENI of the card")


@pytest.mark.parametrize("now_ns", [-1, 2**62, 2**70])
def test_an_invalid_time_is_refused_before_anything_is_restored(now_ns):
    store = singles([5], journal=Kept([held("web", "10.0.0.5")]))
    with pytest.raises(OutOfRange):
        store.restore(now_ns)
    assert addresses(store) == {}
    store.restore(0)
    assert addresses(store) == {"web": "10.0.0.5"}
    store = singles([5], journal=Kept(problems=[problem("web", "10.0.0.5")]))
    with pytest.raises(OutOfRange):
        store.restore(now_ns)
    assert store.quarantined == ()


def test_a_cooldown_outside_all_cidrs_holds_in_a_new_one():
    store, _ = restored(
        Kept(cooling=[Cooling("10.0.0.7", 20 * S - 1, 0), Cooling("10.0.0.6", 20 * S, 0), Cooling("10.0.0.4", 25 * S, 0)]), 5
    )
    assert [each.address for each in store.cooldowns(0)] == ["10.0.0.7", "10.0.0.6", "10.0.0.4"]
    store.add_cidr("eni-0", "10.0.0.6/32")
    assert [each.address for each in store.cooldowns(0)] == ["10.0.0.7", "10.0.0.6", "10.0.0.4"]
    assert store.cooldowns(20 * S) == (Cooling("10.0.0.4", 25 * S),)
    store.assign(key("a"), 1)
    with pytest.raises(PoolExhausted):
        store.assign(key("b"), 20 * S - 1)
    assert store.assign(key("b"), 20 * S).address == "10.0.0.6"


def test_a_repeated_entry_is_reported_and_not_quarantined():
    web = held("web", "10.0.0.5")
    again = Problem("allocation 2", "it says the same", None, None, "{}", web)
    store, answer = restored(Kept([web], problems=[again]), 5)
    assert (answer.repeats, answer.quarantined, store.quarantined) == ((again,), (), ())


def test_a_gone_migrated_sandbox_is_released_by_either_key():
    migrated = SandboxKey("_migrated-from-cri", "old", "unknown")
    for gone in ([migrated], [key("old")], [key("old"), migrated]):
        journal = Kept([Assigned(migrated, "10.0.0.5", None, 0)])
        store = singles([5], journal=journal)
        assert [each.key for each in store.restore(0, gone=gone).released] == [migrated]
        assert journal.assigned == ()
        journal = Kept([Assigned(migrated, "10.0.9.9", None, 0)])
        store = singles([5], journal=journal)
        store.restore(0, gone=gone)
        assert (store.quarantined, journal.assigned) == ((), ())


def test_restore_without_a_journal_is_refused():
    with pytest.raises(DatastoreError, match="there is no journal to restore from"):
        Datastore().restore(0)


def test_restore_after_an_assign_is_refused():
    store = singles([5], journal=MemoryJournal())
    store.assign(key("web"), 0)
    with pytest.raises(DatastoreError, match="restore before the first assign"):
        store.restore(1)
    store, _ = restored(Kept([held("lost", "10.0.9.9")]), 5)
    with pytest.raises(DatastoreError, match="restore before the first assign"):
        store.restore(1)


def test_the_others_are_restored_when_the_journal_refuses_the_release_of_gone_sandboxes():
    journal = Kept([held("web", "10.0.0.5"), held("api", "10.0.0.6")])
    journal.down = True
    store = singles([5, 6], journal=journal)
    with pytest.raises(JournalDownError):
        store.restore(0, gone=[key("web")])
    assert addresses(store) == {"web": "10.0.0.5", "api": "10.0.0.6"}
    journal.down = False
    store.unassign(key("web"), 1)


# --- quarantine ----------------------------------------------------------------------------------------------------------


def test_fault_6_an_entry_outside_all_cidrs_stays_in_the_journal_and_is_reported():
    journal = Kept([held("web", "10.0.0.5"), held("lost", "10.0.9.9", POD)])
    store, answer = restored(journal, 5, 6)
    (lost,) = answer.quarantined
    assert lost == Quarantined(held("lost", "10.0.9.9", POD), "its address is on no ENI of the card")
    assert (lost.key, lost.address) == (key("lost"), "10.0.9.9")
    assert store.quarantined == (lost,)
    assert held("lost", "10.0.9.9", POD) in journal.assigned, "ipamd would have written its file without it"
    with pytest.raises(InQuarantine, match=r"aws-cni/lost/eth0 gets no address while the journal has this entry: .*10\.0\.9\.9"):
        store.assign(key("lost"), 1)
    with pytest.raises(InQuarantine):
        store.assign_many([(key("new"), None), (key("lost"), None)], 1)
    with pytest.raises(InQuarantine):
        store.assign_at(key("lost"), "10.0.0.6", 1)
    assert store.stats(1).assigned_count == 1
    store._check()


def test_a_quarantined_entry_without_an_address_withholds_nothing():
    store, answer = restored(Kept(problems=[problem("who")]), 5)
    store.add_cidr("eni-0", "10.0.0.6/32")
    assert [store.assign(key(name), 0).address for name in "ab"] == ["10.0.0.5", "10.0.0.6"]
    assert store.quarantined == answer.quarantined
    store._check()


def test_a_quarantined_address_is_withheld_when_its_cidr_is_back():
    store, _ = restored(Kept([held("lost", "10.0.0.6")]), 5)
    store.add_cidr("eni-0", "10.0.0.6/32")
    store.add_cidr("eni-0", "10.0.0.7/32")
    assert [store.assign(key(name), 1).address for name in "ab"] == ["10.0.0.5", "10.0.0.7"]
    with pytest.raises(PoolExhausted):
        store.assign(key("c"), 1)
    with pytest.raises(InQuarantine, match=r"10\.0\.0\.6 is withheld while"):
        store.assign_at(key("c"), "10.0.0.6", 1)
    assert store.key_of("10.0.0.6") is None
    assert addresses(store) == {"a": "10.0.0.5", "b": "10.0.0.7"}
    assert store.stats(1).assigned_count == 3, "for the warm pool it is in use"
    assert store.removable_cidrs("eni-0", 1) == ()
    with pytest.raises(CidrInUse, match=r"10\.0\.0\.6/32 on eni-0 has 1 addresses in quarantine"):
        store.remove_cidr("eni-0", "10.0.0.6/32", now_ns=1)
    with pytest.raises(EniInUse, match="eni-0 has 1 addresses in quarantine"):
        store.remove_eni("eni-0", now_ns=1)
    store._check()


def test_a_quarantined_address_stays_quarantined_when_its_cidr_is_removed():
    store, answer = restored(Kept([held("lost", "10.0.0.6")]), 5)
    store.add_cidr("eni-0", "10.0.0.6/32")
    assert store.remove_cidr("eni-0", "10.0.0.6/32", force=True, now_ns=1) == ()
    assert store.quarantined == answer.quarantined
    store._check()
    store.add_cidr("eni-0", "10.0.0.6/32")
    store.assign(key("a"), 1)
    with pytest.raises(PoolExhausted):
        store.assign(key("b"), 1)
    assert [each.address for each in store.remove_eni("eni-0", force=True, now_ns=2)] == ["10.0.0.5"]
    store._check()


def test_a_quarantined_address_is_withheld_after_its_cooldown():
    journal = Kept(cooling=[Cooling("10.0.0.5", 20 * S, 0)], problems=[problem("who", "10.0.0.5")])
    store, answer = restored(journal, 5, 6)
    # The journal has the cooldown too, which does not contradict the entry.
    assert store.assign(key("a"), 21 * S).address == "10.0.0.6"
    with pytest.raises(PoolExhausted):
        store.assign(key("b"), 100 * S)
    store.release_quarantined(answer.quarantined[0], 100 * S)
    with pytest.raises(PoolExhausted):
        store.assign(key("b"), 130 * S - 1)
    assert store.assign(key("b"), 130 * S).address == "10.0.0.5"


def test_a_quarantined_address_that_cools_when_its_cidr_is_back_is_withheld_at_the_next_assign():
    journal = MemoryJournal()
    store = singles([5, 6], journal=journal, cooldown_ns=30 * S)
    store.assign(key("a"), 0)
    store.unassign(key("a"), 0)
    # The journal names an address that already cools in the pool, as after a cooldown on another card.
    again = singles([5, 6], journal=Kept(problems=[problem("who", "10.0.0.5")]), cooldown_ns=30 * S)
    again._sandboxes.pool.cool_at(0x0A000005, 30 * S)
    again.restore(1)
    again._check()
    assert again.assign(key("x"), 40 * S).address == "10.0.0.6"
    again._check()
    with pytest.raises(PoolExhausted):
        again.assign(key("y"), 40 * S)
    with pytest.raises(PoolExhausted):
        again.assign_many([(key("y"), None)], 40 * S)


def test_a_reported_cooldown_does_not_end_a_quarantine():
    store, _ = restored(Kept(problems=[problem("who", "10.0.0.5")]), 5)
    store.withhold([Cooling("10.0.0.5", 9 * S)])
    with pytest.raises(PoolExhausted):
        store.assign(key("a"), 10 * S)


def test_a_withheld_address_keeps_a_cooldown_longer_than_that_of_its_release():
    # As after a restart with a shorter cooldown than before, where the journal has an entry about the address, too.
    journal = Kept(cooling=[Cooling("10.0.0.5", 300 * S, 0)], problems=[problem("who", "10.0.0.5")])
    store, answer = restored(journal, 5)
    store.release_quarantined(answer.quarantined[0], 10 * S)
    assert store.cooling_until("10.0.0.5") == 300 * S
    assert store.cooldowns(10 * S) == (Cooling("10.0.0.5", 300 * S),)
    with pytest.raises(PoolExhausted):
        store.assign(key("a"), 300 * S - 1)
    assert store.assign(key("a"), 300 * S).address == "10.0.0.5"


def test_accepting_a_withheld_address_forgets_its_cooldown():
    store, answer = restored(Kept(problems=[problem("who", "10.0.0.5")]), 5)
    for until_s in (100, 300, 200):
        store.withhold([Cooling("10.0.0.5", until_s * S, 0)])
    assert store.cooldowns(0) == (Cooling("10.0.0.5", 300 * S),)
    store.accept_quarantined(answer.quarantined[0], 1)
    assert store.cooldowns(1) == ()
    store.unassign(key("who"), 2 * S)
    assert store.assign(key("a"), 32 * S).address == "10.0.0.5"


def test_a_quarantined_address_is_withheld_once_its_first_sandbox_has_gone():
    journal = Kept([held("web", "10.0.0.5")], problems=[problem(None, "10.0.0.5")])
    store, answer = restored(journal, 5)
    assert addresses(store) == {"web": "10.0.0.5"}
    assert store.assign(key("web"), 1).address == "10.0.0.5"
    store.unassign(key("web"), 1)
    store._check()
    with pytest.raises(PoolExhausted):
        store.assign(key("new"), 100 * S)
    store._check()
    store.release_quarantined(answer.quarantined[0], 100 * S)
    assert store.assign(key("new"), 130 * S).address == "10.0.0.5"


def test_releasing_an_entry_keeps_an_address_that_a_sandbox_has():
    journal = Kept([held("web", "10.0.0.5")], problems=[problem(None, "10.0.0.5")])
    store, answer = restored(journal, 5)
    store.release_quarantined(answer.quarantined[0], 1)
    assert addresses(store) == {"web": "10.0.0.5"}
    assert journal.problems == []
    assert journal.cooling == ()


def test_unassign_drops_the_quarantined_entries_of_a_sandbox():
    journal = Kept([held("lost", "10.0.9.9")], problems=[problem("two", "10.0.0.5", 1), problem("two", "10.0.0.6", 2)])
    store, _ = restored(journal, 5, 6)
    assert store.unassign(key("lost"), 1) == Assignment("10.0.9.9", "", -1, 0, "")
    assert store.unassign(key("two"), 1) == Assignment("10.0.0.5", "eni-0", 0, 0, "10.0.0.5/32")
    assert store.quarantined == ()
    assert (journal.assigned, journal.problems) == ((), [])
    assert {each.address for each in journal.cooling} == {"10.0.9.9", "10.0.0.5", "10.0.0.6"}
    with pytest.raises(UnknownKey):
        store.unassign(key("two"), 2)
    with pytest.raises(PoolExhausted):
        store.assign(key("new"), 30 * S)
    assert store.assign(key("new"), 30 * S + 1).address == "10.0.0.5"


def test_unassign_of_a_restored_sandbox_drops_its_quarantined_entries():
    journal = Kept([held("web", "10.0.0.5")], problems=[problem("web", None, 1), problem("web", "10.0.0.6", 2)])
    store, _ = restored(journal, 5, 6)
    assert store.unassign(key("web"), 1).address == "10.0.0.5"
    assert (store.quarantined, journal.assigned, journal.problems) == ((), (), [])
    assert {each.address for each in journal.cooling} == {"10.0.0.5", "10.0.0.6"}
    store._check()


def test_a_migrated_sandbox_in_quarantine_is_found_by_its_real_key():
    migrated = Assigned(SandboxKey("_migrated-from-cri", "old", "unknown"), "10.0.9.9", None, 0)
    journal = Kept([migrated])
    store, _ = restored(journal, 5)
    assert store.unassign(key("old"), 1).address == "10.0.9.9"
    assert journal.assigned == ()


@pytest.mark.parametrize(("address", "said"), [("2001:db8::1", "2001:db8::1"), (None, "")])
def test_unassign_of_an_entry_without_a_usable_address_frees_nothing(address, said):
    journal = Kept(problems=[problem("web", address)])
    store, answer = restored(journal, 5)
    assert store.unassign(key("web"), 1) == Assignment(said, "", -1, 0, "")
    assert (store.quarantined, journal.problems, journal.cooling) == ((), [], ())
    assert str(answer.quarantined[0]).startswith("aws-cni/web/eth0 on ")


def test_an_entry_of_another_ip_version_is_kept_and_can_be_released():
    journal = Kept([held("six", "2001:db8::1")])
    store, answer = restored(journal, 5)
    assert "2001:db8::1" in answer.quarantined[0].reason
    with pytest.raises(DatastoreError, match="doesn't name both a sandbox and an address"):
        store.accept_quarantined(answer.quarantined[0], 1)
    store.release_quarantined(answer.quarantined[0], 1)
    assert journal.assigned == ()


def test_gone_sandboxes_leave_quarantine():
    journal = Kept([held("lost", "10.0.9.9")], problems=[problem("two", "10.0.0.5")])
    store = singles([5], journal=journal)
    answer = store.restore(0, gone=[key("lost"), key("two")])
    assert (answer.quarantined, answer.released, store.quarantined) == ((), (), ())
    assert journal.problems == []


def contested(*names, address="10.0.0.5", start=0):
    """Problems that several sandboxes share an address, as a journal reports them."""
    return [
        Problem(f"allocation {number}", "2 sandboxes", key(name), address, "{}", None, held(name, address, POD))
        for number, name in enumerate(names, start)
    ]


def test_a_live_sandbox_is_restored_when_the_one_that_contradicted_it_is_gone():
    events = []
    journal = Kept(problems=contested("gone", "live"))
    store = singles([5], journal=journal, on_event=events.append)
    answer = store.restore(0, gone=[key("gone")])
    assert addresses(store) == {"live": "10.0.0.5"}
    assert (answer.assigned, answer.quarantined, store.quarantined) == ((held("live", "10.0.0.5", POD),), (), ())
    assert store.pod_of(key("live")) == POD
    assert (journal.problems, journal.assigned, journal.cooling) == ([], (held("live", "10.0.0.5", POD),), ())
    assert [type(event) for event in events[-3:]] == [QuarantineEnded, QuarantineEnded, AddressAssigned]
    store.unassign(key("live"), 1)
    store._check()


def test_sandboxes_that_still_contradict_each_other_stay_in_quarantine():
    journal = Kept(problems=contested("gone", "one", "other"))
    store = singles([5], journal=journal)
    answer = store.restore(0, gone=[key("gone")])
    assert (addresses(store), {each.key for each in answer.quarantined}) == ({}, {key("one"), key("other")})


def test_sandboxes_that_are_all_gone_leave_a_cooling_address():
    journal = Kept(problems=contested("one", "other"))
    store = singles([5], journal=journal)
    store.restore(0, gone=[key("one"), key("other")])
    assert (addresses(store), store.quarantined, len(journal.cooling)) == ({}, (), 1)
    assert store.cooling_until("10.0.0.5") == 30


def test_a_sandbox_behind_one_that_held_its_address_is_restored_too():
    journal = Kept([held("gone", "10.0.0.5")])
    store = singles([5], journal=journal)
    journal._assigned[key("live")] = held("live", "10.0.0.5")
    answer = store.restore(0, gone=[key("gone")])
    assert addresses(store) == {"live": "10.0.0.5"}
    assert (answer.released, answer.assigned) == ((held("gone", "10.0.0.5"),), (held("live", "10.0.0.5"),))


def test_an_unreadable_entry_is_not_accepted_because_another_is_gone():
    journal = Kept(problems=[problem("gone", "10.0.0.5", 1), problem("web", "10.0.0.5", 2)])
    store = singles([5], journal=journal)
    assert [each.key for each in store.restore(0, gone=[key("gone")]).quarantined] == [key("web")]


def test_two_sandboxes_with_one_address_are_both_quarantined():
    journal = Kept([held("a", "10.0.0.5")])
    store = singles([5], journal=journal)
    journal._assigned[key("b")] = held("b", "10.0.0.5")
    answer = store.restore(0)
    assert addresses(store) == {"a": "10.0.0.5"}
    assert [each.key for each in answer.quarantined] == [key("b")]


# --- decisions -----------------------------------------------------------------------------------------------------------


def test_an_accepted_entry_holds_its_address():
    journal = Kept([held("lost", "10.0.0.6", POD)], problems=[problem("web", "10.0.0.5")])
    store, answer = restored(journal, 5)
    store.add_cidr("eni-0", "10.0.0.6/32")
    lost, web = sorted(answer.quarantined, key=lambda each: each.address, reverse=True)
    assert store.accept_quarantined(lost, 1).address == "10.0.0.6"
    assert store.accept_quarantined(web, 2).address == "10.0.0.5"
    assert store.pod_of(key("lost")) == POD
    assert addresses(store) == {"web": "10.0.0.5", "lost": "10.0.0.6"}
    assert (store.quarantined, journal.problems) == ((), [])
    assert set(journal.assigned) == {held("lost", "10.0.0.6", POD), Assigned(key("web"), "10.0.0.5", None, 2)}
    store.unassign(key("web"), 3)
    store._check()


def test_all_entries_that_fit_are_accepted_in_one_write():
    writes = []

    class Counting(Kept):
        def record(self, assigned=(), cooling=(), *, dropped=()):
            super().record(assigned, cooling, dropped=dropped)
            writes.append(assigned)

    lost = [held(f"lost-{last}", f"10.0.9.{last}", POD) for last in (1, 2, 3, 4)]
    moved = Quarantined(held("moved", "10.0.9.5"), "another card's")
    journal = Counting(
        [*lost, held("cools", "10.0.9.6")],
        problems=[*contested("a", "b"), *contested("c", address="10.0.9.8", start=2), problem("x", "10.0.9.7", 3)],
    )
    store, _ = restored(journal, 5)
    assert store.accept_all_quarantined(1) == ()
    for last in (1, 2, 3, 5, 6, 7, 8):
        store.add_cidr("eni-0", f"10.0.9.{last}/32", quarantined=[moved], cooling=[Cooling("10.0.9.6", 9 * S)])
    writes.clear()
    accepted = store.accept_all_quarantined(3)
    assert {each.address for each in accepted} == {"10.0.9.1", "10.0.9.2", "10.0.9.3", "10.0.9.8"}
    assert addresses(store) == {"lost-1": "10.0.9.1", "lost-2": "10.0.9.2", "lost-3": "10.0.9.3", "c": "10.0.9.8"}
    assert writes == [(held("c", "10.0.9.8", POD),)]
    assert {each.key.container_id for each in store.quarantined} == {"a", "b", "x", "moved", "cools", "lost-4"}
    store._check()


def test_a_refused_acceptance_of_all_changes_nothing():
    journal = Kept([held("lost", "10.0.9.1")], problems=contested("a"))
    store, _ = restored(journal, 5)
    store.add_cidr("eni-0", "10.0.9.1/32")
    before = store.quarantined
    journal.down = True
    with pytest.raises(JournalDownError):
        store.accept_all_quarantined(1)
    assert (addresses(store), store.quarantined) == ({}, before)
    store._check()
    journal.down = False
    assert len(store.accept_all_quarantined(1)) == 2


QUARANTINED_ELSEWHERE = Quarantined(held("web", "10.0.0.5"), "the other card's")


@pytest.mark.parametrize("decide", ["accept_quarantined", "release_quarantined"])
def test_without_a_journal_entries_of_another_card_can_be_decided(decide):
    store = singles([])
    store.add_cidr("eni-0", "10.0.0.5/32", quarantined=[QUARANTINED_ELSEWHERE])
    with pytest.raises(PoolExhausted):
        store.assign(key("new"), 0)
    (entry,) = store.quarantined
    getattr(store, decide)(entry, 1)
    assert addresses(store) == ({"web": "10.0.0.5"} if decide == "accept_quarantined" else {})
    assert store.cooling_until("10.0.0.5") == (None if decide == "accept_quarantined" else 31)
    assert store.quarantined == ()
    store._check()


def test_without_a_journal_a_quarantined_address_is_withheld_after_its_cooldown():
    store = singles([5])
    store.withhold([Cooling("10.0.0.5", 5)], [QUARANTINED_ELSEWHERE])
    with pytest.raises(PoolExhausted):
        store.assign(key("new"), 6)
    with pytest.raises(DatastoreError, match="addresses are in quarantine"):
        store.sole_pool()
    store._check()


def test_a_released_entry_leaves_the_journal_and_its_address_cools():
    journal = Kept([held("lost", "10.0.9.9")], problems=[problem("web", "10.0.0.5"), problem(None, None, 2)])
    store, answer = restored(journal, 5)
    for entry in answer.quarantined:
        store.release_quarantined(entry, 10 * S)
    assert (store.quarantined, journal.problems, journal.assigned) == ((), [], ())
    assert {(each.address, each.until_ns) for each in journal.cooling} == {("10.0.9.9", 40 * S), ("10.0.0.5", 40 * S)}
    assert store.cooling_until("10.0.0.5") == 40 * S
    store._check()


def test_of_two_contradicting_entries_one_can_be_accepted_after_the_other_is_released():
    one, other = problem("a", "10.0.0.5", 1), problem("b", "10.0.0.5", 2)
    journal = Kept(problems=[one, other])
    store, answer = restored(journal, 5)
    first, second = answer.quarantined
    with pytest.raises(DatastoreError, match=r"it can't be accepted while another entry contradicts it: aws-cni/b/eth0 on 10\.0\.0\.5"):
        store.accept_quarantined(first, 1)
    store.release_quarantined(second, 1)
    assert journal.cooling == (), "the other may be in use there"
    assert store.stats(1).assigned_count == 1
    assert store.accept_quarantined(first, 1).address == "10.0.0.5"
    store._check()


def test_two_addresses_of_one_sandbox_contradict_each_other():
    store, answer = restored(Kept(problems=[problem("a", "10.0.0.5", 1), problem("a", "10.0.0.6", 2)]), 5, 6)
    with pytest.raises(DatastoreError, match="contradicts it"):
        store.accept_quarantined(answer.quarantined[0], 1)


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        (problem("a", None), DatastoreError),
        (problem(None, "10.0.0.5"), DatastoreError),
        (problem("a", "10.0.0.99"), NotInPool),
        (problem("a", "10.0.0.7"), AlreadyAssigned),
    ],
)
def test_a_refused_acceptance_changes_nothing(entry, error):
    journal = Kept([held("web", "10.0.0.7")], problems=[entry])
    store, answer = restored(journal, 5, 7)
    with pytest.raises(error):
        store.accept_quarantined(answer.quarantined[0], 1)
    assert store.quarantined == answer.quarantined
    assert journal.problems == [entry]
    store._check()


def test_an_entry_whose_address_cools_is_not_accepted():
    journal = Kept(cooling=[Cooling("10.0.0.5", 20 * S, 0)], problems=[problem("a", "10.0.0.5")])
    store = singles([5], journal=journal, cooldown_ns=30 * S)
    store._sandboxes.pool.cool_at(0x0A000005, 20 * S)
    (entry,) = store.restore(1).quarantined
    with pytest.raises(CoolingDown):
        store.accept_quarantined(entry, 2)
    assert store.quarantined == (entry,)
    assert store.accept_quarantined(entry, 20 * S).address == "10.0.0.5"


@pytest.mark.parametrize("decide", ["release_quarantined", "accept_quarantined"])
def test_a_second_decision_on_an_entry_is_refused(decide):
    store, answer = restored(Kept(problems=[problem("a", "10.0.0.5")]), 5)
    getattr(store, decide)(answer.quarantined[0], 1)
    with pytest.raises(UnknownKey, match="this entry is not in quarantine, or no longer"):
        getattr(store, decide)(answer.quarantined[0], 1)


@pytest.mark.parametrize("decide", ["release_quarantined", "accept_quarantined"])
@pytest.mark.parametrize("now_ns", [-1, 2**62])
def test_a_decision_at_an_invalid_time_is_refused(decide, now_ns):
    journal = Kept(problems=[problem("a", "10.0.0.5")])
    store, answer = restored(journal, 5)
    with pytest.raises(OutOfRange):
        getattr(store, decide)(answer.quarantined[0], now_ns)
    assert (store.quarantined, len(journal.problems)) == (answer.quarantined, 1)


@pytest.mark.parametrize("decide", ["release_quarantined", "accept_quarantined"])
def test_a_decision_that_the_journal_refuses_changes_nothing(decide):
    journal = Kept(problems=[problem("a", "10.0.0.5")])
    store, answer = restored(journal, 5)
    journal.down = True
    with pytest.raises(JournalDownError):
        getattr(store, decide)(answer.quarantined[0], 1)
    assert store.quarantined == answer.quarantined
    store._check()
    with pytest.raises(PoolExhausted):
        store.assign(key("new"), 1)
    store._check()
    journal.down = False
    getattr(store, decide)(answer.quarantined[0], 2)


def test_ipv6_entries_are_quarantined_too():
    journal = Kept([held("web", "2001:db8::7"), held("lost", "2001:db8:1::7")])
    store = node(["2001:db8::/80"], mode=AddressMode.IPV6, journal=journal)
    answer = store.restore(0)
    assert addresses(store) == {"web": "2001:db8::7"}
    store.add_cidr("eni-0", "2001:db8:1::/80")
    assert store.stats(0).assigned_count == 2
    assert store.accept_quarantined(answer.quarantined[0], 1).address == "2001:db8:1::7"


def test_the_refusal_names_the_quarantined_entry_of_that_address():
    store, _ = restored(Kept(problems=[problem("a", "10.0.0.5", 1), problem("b", "10.0.0.6", 2)]), 5, 6, 7)
    with pytest.raises(InQuarantine, match=r"10\.0\.0\.6 is withheld while the journal has this entry: aws-cni/b/eth0"):
        store.assign_at(key("new"), "10.0.0.6", 1)
    assert store.assign_at(key("new"), "10.0.0.7", 1).address == "10.0.0.7"


@pytest.mark.parametrize("gone", ["c1", [5]])
def test_what_is_gone_must_be_named_by_keys(gone):
    store = Datastore(mode=AddressMode.SECONDARY_IP, journal=MemoryJournal())
    with pytest.raises(TypeError, match="each of gone must be SandboxKey, not"):
        store.restore(0, gone=gone)


def test_no_problem_is_dropped_with_an_entry_of_another_card():
    journal = Kept(problems=[problem("web", "10.0.0.5")])
    store, _ = restored(journal, 5)
    store.add_cidr("eni-0", "10.0.9.5/32", quarantined=[Quarantined(held("moved", "10.0.9.5"), "another card's")])
    (other,) = (entry for entry in store.quarantined if entry.elsewhere)
    store.release_quarantined(other, 1)
    assert (addresses(store), len(journal.problems)) == ({}, 1)
