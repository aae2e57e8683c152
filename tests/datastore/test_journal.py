"""The journal: written before a change is acknowledged, undone if that fails, and enough to restore the same state."""

import hypothesis.strategies as st
import pytest
from datastore_worlds import TIMED_CALLS, WRONG_TIMES, FlakyJournal, JournalDownError, assigned, key, node, singles, snapshot
from hypothesis import given

from vpcipam.address import AddressMode
from vpcipam.errors import OutOfRange, PoolExhausted, UnknownKey, VpcIpamError
from vpcipam.journal import Journal, MemoryJournal
from vpcipam.journal.protocol import Assigned, Cooling
from vpcipam.sandbox import PodRef, SandboxKey

POD = PodRef("default", "web-1")


class Spy:
    """A journal that reads the datastore while it is written to."""

    def __init__(self, look):
        self.look = look
        self.seen = []

    def record(self, assigned):
        self.seen.append((assigned, [self.look(each.key) for each in assigned]))

    def record_unassign(self, released):
        self.seen.append((released, [self.look(each) for each, _ in released]))


# --- what is written, and when -------------------------------------------------------------------------------------------


def test_an_assign_is_recorded_with_address_pod_and_time():
    journal = FlakyJournal()
    store = singles([5, 6], journal=journal)
    store.assign(key("web"), 7, POD)
    store.assign_at(key("api"), "10.0.0.6", 8)
    assert journal.calls == [
        ("record", (Assigned(key("web"), "10.0.0.5", POD, 7),)),
        ("record", (Assigned(key("api"), "10.0.0.6", None, 8),)),
    ]


def test_an_unassign_is_recorded_with_the_end_of_its_cooldown():
    journal = FlakyJournal()
    store = singles([5], journal=journal, cooldown_ns=30)
    store.assign(key("web"), 0)
    store.unassign(key("web"), 7)
    assert journal.calls[1:] == [("unassign", ((key("web"), Cooling("10.0.0.5", 37, 7)),))]
    assert store.cooling_until("10.0.0.5") == 37


def test_an_unassign_of_a_migrated_sandbox_is_recorded_under_the_key_it_was_stored_by():
    journal = FlakyJournal()
    store = singles([5], journal=journal, cooldown_ns=0)
    migrated = SandboxKey("_migrated-from-cri", "web", "unknown")
    store.assign(migrated, 0)
    store.unassign(key("web"), 7)
    assert journal.calls[1:] == [("unassign", ((migrated, Cooling("10.0.0.5", 7, 7)),))]
    assert journal.assigned == ()


def test_a_forced_removal_is_recorded_at_once_for_all_its_pods():
    journal = FlakyJournal()
    store = node(["10.0.0.16/28", "10.0.0.0/28"], ["10.0.0.32/28"], journal=journal, cooldown_ns=30)
    for address in ("10.0.0.16", "10.0.0.1", "10.0.0.32"):
        store.assign_at(key(address), address, 0)
    journal.calls.clear()
    store.remove_eni("eni-0", force=True, now_ns=5)
    store.remove_cidr("eni-1", "10.0.0.32/28", force=True, now_ns=6)
    assert journal.calls == [
        ("unassign", ((key("10.0.0.1"), Cooling("10.0.0.1", 35, 5)), (key("10.0.0.16"), Cooling("10.0.0.16", 35, 5)))),
        ("unassign", ((key("10.0.0.32"), Cooling("10.0.0.32", 36, 6)),)),
    ]


def test_a_call_that_changes_no_address_is_not_recorded():
    journal = FlakyJournal()
    store = node(["10.0.0.0/28"], ["10.0.0.16/28"], journal=journal)
    store.assign(key("web"), 0)
    journal.calls.clear()
    store.assign(key("web"), 1)
    store.assign_at(key("web"), "10.0.0.0", 1)
    with pytest.raises(UnknownKey):
        store.unassign(key("other"), 1)
    with pytest.raises(VpcIpamError):
        store.assign_at(key("other"), "10.0.0.0", 1)
    with pytest.raises(VpcIpamError):
        store.remove_eni("eni-0", now_ns=1)
    store.remove_cidr("eni-1", "10.0.0.16/28", force=True, now_ns=1)
    store.remove_eni("eni-1", force=True, now_ns=1)
    store.set_excluded("eni-0", excluded=True)
    store.set_mode(AddressMode.SECONDARY_IP)
    with pytest.raises(PoolExhausted):
        store.assign(key("other"), 1)
    assert journal.calls == []


def test_an_unassign_is_recorded_before_its_address_is_free():
    spy = Spy(lambda key: store.assignment_of(key))  # noqa: PLW0108  # it is made below
    store = node(["10.0.0.0/28"], journal=spy)
    store.assign(key("web"), 0)
    store.unassign(key("web"), 0)
    store.assign(key("api"), 0)
    store.remove_cidr("eni-0", "10.0.0.0/28", force=True, now_ns=0)
    released = [seen for record, seen in spy.seen if isinstance(record, tuple)]
    assert len(spy.seen) == 4
    assert all(held is not None for seen in released for held in seen)


@pytest.mark.parametrize("wrong", WRONG_TIMES)
@pytest.mark.parametrize("call", TIMED_CALLS.values(), ids=TIMED_CALLS)
def test_nothing_is_recorded_at_an_invalid_time(call, wrong):
    journal = FlakyJournal()
    store = node(["10.0.0.0/28"], ["10.0.0.32/28"], journal=journal)
    store.assign(key("web"), 0)
    journal.calls.clear()
    with pytest.raises(OutOfRange):
        call(store, wrong)
    assert journal.calls == []


# --- where it can't write ------------------------------------------------------------------------------------------------

CHANGES = {
    "assign": lambda store: store.assign(key("new"), 100),
    "assign_at": lambda store: store.assign_at(key("new"), "10.0.0.9", 100),
    "assign_at, excluded": lambda store: store.assign_at(key("new"), "10.0.0.40", 100),
    "unassign": lambda store: store.unassign(key("web"), 100),
    "unassign, migrated": lambda store: store.unassign(key("old"), 100),
    "remove_eni": lambda store: store.remove_eni("eni-0", force=True, now_ns=100),
    "remove_cidr": lambda store: store.remove_cidr("eni-0", "10.0.0.0/28", force=True, now_ns=100),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("placement", ["lowest", "packed", "spread"])
def test_a_change_that_the_journal_refuses_is_undone_and_can_be_repeated(change, placement):
    def build():
        journal = FlakyJournal()
        store = node(["10.0.0.0/28", "10.0.0.16/28"], ["10.0.0.32/28"], journal=journal, placement=placement, cooldown_ns=30)
        store.set_excluded("eni-1", excluded=True)
        store.assign(key("web"), 0, POD)
        store.assign(SandboxKey("_migrated-from-cri", "old", "unknown"), 0)
        store.assign(key("gone"), 0)
        store.unassign(key("gone"), 90)
        return store, journal

    addresses = [f"10.0.0.{last}" for last in range(48)]
    (store, journal), (twin, _) = build(), build()
    before, stats = snapshot(store, 100, addresses), store.stats(100)
    journal.down = True
    for _ in range(3):
        with pytest.raises(JournalDownError):
            change(store)
        assert snapshot(store, 100, addresses) == before
        assert store.stats(100) == stats
        store._check()
    journal.down = False
    assert change(store) == change(twin)
    assert snapshot(store, 100, addresses) == snapshot(twin, 100, addresses)
    assert {each.key: each.address for each in journal.assigned} == {each: held.address for each, held in store.assignments()}


def test_an_address_whose_assign_was_undone_does_not_cool():
    journal = FlakyJournal(down=True)
    store = singles([5], journal=journal, cooldown_ns=30)
    with pytest.raises(JournalDownError):
        store.assign(key("web"), 0)
    assert store.cooling_until("10.0.0.5") is None
    journal.down = False
    assert store.assign(key("api"), 0).address == "10.0.0.5"


def test_an_interrupt_while_writing_is_undone_too():
    class Interrupted(FlakyJournal):
        def _write(self, call):
            raise KeyboardInterrupt(call)

    store = singles([5], journal=Interrupted())
    for call in (lambda: store.assign(key("web"), 0), lambda: store.assign_at(key("web"), "10.0.0.5", 0)):
        with pytest.raises(KeyboardInterrupt):
            call()
        assert assigned(store) == {}
        store._check()


# --- the journal in memory -----------------------------------------------------------------------------------------------


def test_the_memory_journal_holds_sandboxes_and_cooldowns():
    journal = MemoryJournal()
    for last in (5, 6, 7):
        journal.record((Assigned(key(str(last)), f"10.0.0.{last}", None, last),))
    journal.record_unassign(((key("6"), Cooling("10.0.0.6", 40)), (key("5"), Cooling("10.0.0.5", 40))))
    assert [entry.address for entry in journal.assigned] == ["10.0.0.7"]
    assert journal.cooling == (Cooling("10.0.0.6", 40), Cooling("10.0.0.5", 40))
    journal.record((Assigned(key("new"), "10.0.0.6", POD, 50),))
    assert [entry.address for entry in journal.assigned] == ["10.0.0.7", "10.0.0.6"]
    assert journal.cooling == (Cooling("10.0.0.5", 40),)


def test_the_memory_journal_records_a_release_wholly_or_not_at_all():
    journal = MemoryJournal()
    journal.record((Assigned(key("web"), "10.0.0.5", None, 0),))
    with pytest.raises(UnknownKey, match="aws-cni/other/eth0"):
        journal.record_unassign(((key("web"), Cooling("10.0.0.5", 30)), (key("other"), Cooling("10.0.0.6", 30))))
    assert [entry.key for entry in journal.assigned] == [key("web")]
    assert journal.cooling == ()


def test_a_journal_attached_too_late_refuses_a_release_and_nothing_changes():
    journal = MemoryJournal()
    store = singles([5], journal=journal)
    store.assign(key("web"), 0)
    journal.__init__()
    with pytest.raises(UnknownKey):
        store.unassign(key("web"), 0)
    assert assigned(store) == {"web": "10.0.0.5"}


def test_the_memory_journal_keeps_the_protocol():
    with MemoryJournal() as memory:
        journal: Journal = memory
        journal.record_unassign(())
    journal.close()
    assert memory.assigned == memory.cooling == ()


steps = st.lists(st.tuples(st.sampled_from(("assign", "unassign", "remove")), st.integers(0, 20), st.integers(0, 20)), max_size=40)


@given(steps=steps, placement=st.sampled_from(("lowest", "random")))
def test_fault_2_the_journal_restores_the_same_state_with_cooldowns(steps, placement):
    # ipamd's checkpoint has no cooldowns, so after a restart it assigns a just released address at once.
    cidrs = ["10.0.0.0/28", "10.0.0.16/28"]
    journal = MemoryJournal()
    store = node(cidrs, journal=journal, cooldown_ns=10, placement=placement)
    now_ns = 0
    for step, number, delay_ns in steps:
        now_ns += delay_ns // 4
        if step == "assign":
            store.assign(key(str(number)), now_ns)
        elif step == "remove":
            store.remove_cidr("eni-0", cidrs[number % 2], force=True, now_ns=now_ns)
            store.add_cidr("eni-0", cidrs[number % 2])
        elif store.assignment_of(key(str(number))) is not None:
            store.unassign(key(str(number)), now_ns)

    again = node(cidrs, cooldown_ns=10)
    for cooling in journal.cooling:
        again.assign_at(key("replay"), cooling.address, cooling.until_ns - 10)
        again.unassign(key("replay"), cooling.until_ns - 10)
    for entry in journal.assigned:
        again.assign_at(entry.key, entry.address, entry.assigned_ns, entry.pod)

    assert again.stats(now_ns) == store.stats(now_ns)
    assert again.eni_stats(now_ns) == store.eni_stats(now_ns)
    assert assigned(again) == assigned(store)
    addresses = [f"10.0.0.{last}" for last in range(32)]
    assert [again.cooling_until(address) for address in addresses] == [store.cooling_until(address) for address in addresses]


# --- many at once --------------------------------------------------------------------------------------------------------


def test_many_are_assigned_in_order_with_one_record():
    journal = FlakyJournal()
    store = singles([5, 6, 7], journal=journal)
    store.assign(key("old"), 0)
    journal.calls.clear()
    given_ = store.assign_many([(key("a"), POD), (key("old"), POD), (key("b"), None), (key("a"), POD)], 7)
    assert [each.address for each in given_] == ["10.0.0.6", "10.0.0.5", "10.0.0.7"]
    assert journal.calls == [("record", (Assigned(key("a"), "10.0.0.6", POD, 7), Assigned(key("b"), "10.0.0.7", None, 7)))]
    assert [store.pod_of(key(name)) for name in ("a", "old", "b")] == [POD, None, None]


def test_assigning_many_again_is_not_recorded():
    journal = FlakyJournal()
    store = singles([5, 6], journal=journal)
    first = store.assign_many([(key("a"), None), (key("b"), None)], 0)
    journal.down = True
    assert store.assign_many([(key("a"), None), (key("b"), None)], 1) == first
    assert store.assign_many([], 1) == ()


def test_many_are_unassigned_with_one_record():
    journal = FlakyJournal()
    store = singles([5, 6, 7], journal=journal, cooldown_ns=30)
    migrated = SandboxKey("_migrated-from-cri", "b", "unknown")
    store.assign_many([(key("a"), None), (migrated, None), (key("c"), None)], 0)
    journal.calls.clear()
    assert [each.address for each in store.unassign_many([key("b"), key("a")], 7)] == ["10.0.0.6", "10.0.0.5"]
    assert journal.calls == [("unassign", ((migrated, Cooling("10.0.0.6", 37, 7)), (key("a"), Cooling("10.0.0.5", 37, 7))))]
    assert assigned(store) == {"c": "10.0.0.7"}


@pytest.mark.parametrize("journal", [None, MemoryJournal()], ids=["no journal", "journal"])
@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([key("a"), key("none")], "aws-cni/none/eth0 has no address"),
        ([key("a"), key("a")], "aws-cni/a/eth0 is named twice"),
        ([key("old"), SandboxKey("_migrated-from-cri", "old", "unknown")], "is named twice"),
    ],
)
def test_many_are_unassigned_all_or_none(journal, keys, message):
    store = singles([5, 6], journal=journal)
    store.assign_many([(key("a"), None), (SandboxKey("_migrated-from-cri", "old", "unknown"), None)], 0)
    before = snapshot(store, 0)
    with pytest.raises(UnknownKey, match=message):
        store.unassign_many(keys, 1)
    assert snapshot(store, 0) == before
    store.unassign_many([key("a"), key("old")], 1)  # the journal is as before too
    assert assigned(store) == {}


@pytest.mark.parametrize("placement", ["lowest", "packed", "spread"])
def test_too_many_get_nothing_and_the_refusal_counts_the_free_addresses(placement):
    store = singles([5, 6, 7], journal=FlakyJournal(), placement=placement, cooldown_ns=30)
    store.assign(key("gone"), 0)
    store.unassign(key("gone"), 0)
    store.assign(key("old"), 0)
    before, addresses = snapshot(store, 1), ["10.0.0.5", "10.0.0.6", "10.0.0.7"]
    with pytest.raises(PoolExhausted, match=r"b/eth0: of 3 attached, 2 are in use and 1 cool down; the 1 given to others") as refused:
        store.assign_many([(key("a"), None), (key("b"), None)], 1)
    assert refused.value.__cause__ is None
    assert snapshot(store, 1) == before
    store._check()
    assert store.assign(key("c"), 1).address in addresses


def test_many_at_once_are_undone_when_the_journal_refuses_or_a_key_is_empty():
    journal = FlakyJournal(down=True)
    store = singles([5, 6], journal=journal)
    with pytest.raises(JournalDownError):
        store.assign_many([(key("a"), POD), (key("b"), None)], 0)
    with pytest.raises(VpcIpamError, match="has no container id"):
        store.assign_many([(key("a"), POD), (key(""), None)], 0)
    assert assigned(store) == {}
    assert store.cooling_until("10.0.0.5") is None
    journal.down = False
    store.assign_many([(key("a"), POD), (key("b"), None)], 0)
    journal.down = True
    with pytest.raises(JournalDownError):
        store.unassign_many([key("a"), key("b")], 1)
    assert assigned(store) == {"a": "10.0.0.5", "b": "10.0.0.6"}


def test_reported_cooldowns_hold_for_addresses_without_a_sandbox():
    journal = MemoryJournal()
    store = singles([5, 6], journal=journal)
    store.assign(key("a"), 0)
    store.withhold(Cooling(address, 40, 10) for address in ("10.0.0.5", "10.0.0.6", "10.0.0.9", "2001:db8::1"))
    store.withhold([Cooling("10.0.0.6", 30)])
    assert journal.cooling == (Cooling("10.0.0.6", 40, 10),)
    assert [(each.address, each.until_ns) for each in store.cooldowns(39)] == [("10.0.0.6", 40)]
    assert store.cooldowns(40) == ()
    with pytest.raises(PoolExhausted):
        store.assign(key("b"), 39)


@pytest.mark.parametrize("ends_ns", [(40, 30), (30, 40)])
def test_of_two_cooldowns_of_an_address_outside_all_cidrs_the_later_holds(ends_ns):
    journal = MemoryJournal()
    store = singles([5, 6], journal=journal)
    journal.record(cooling=(Cooling("10.0.0.6", ends_ns[1]),))
    store.withhold([Cooling("10.0.0.6", ends_ns[0]), Cooling("10.0.0.5", 35)])
    store.remove_cidr("eni-0", "10.0.0.6/32", now_ns=0)  # the pool remembers one of them
    store.restore(0)
    assert [(each.address, each.until_ns) for each in store.cooldowns(0)] == [("10.0.0.5", 35), ("10.0.0.6", 40)]
    store.add_cidr("eni-0", "10.0.0.6/32")
    assert store.cooling_until("10.0.0.6") == 40
    assert [(each.address, each.until_ns) for each in store.cooldowns(0)] == [("10.0.0.5", 35), ("10.0.0.6", 40)]


def test_cooldowns_hold_in_a_new_cidr_before_the_first_assign():
    journal = MemoryJournal()
    store = node(["10.0.0.32/28"], journal=journal)
    store.add_cidr("eni-0", "10.0.0.16/28", cooling=[Cooling("10.0.0.17", 40), Cooling("10.0.0.18", 50), Cooling("10.0.0.32", 60)])
    assert [each.address for each in journal.cooling] == ["10.0.0.17", "10.0.0.18"]
    assert [each.address for each in store.cooldowns(0)] == ["10.0.0.17", "10.0.0.18"]


def test_a_new_cidr_and_its_cooldowns_stay_when_the_journal_refuses_them():
    seen, journal = [], MemoryJournal()
    store = singles([5], journal=journal, on_event=seen.append)

    def down(**_changes):
        raise JournalDownError

    journal.record = down
    with pytest.raises(JournalDownError):
        store.add_cidr("eni-0", "10.0.0.6/32", cooling=[Cooling("10.0.0.6", 40)])
    assert (str(seen[-1]), store.cidrs("eni-0")) == ("10.0.0.6/32 added on eni-0", ("10.0.0.5/32", "10.0.0.6/32"))
    assert store.cooling_until("10.0.0.6") == 40
    store._check()


def test_restoring_sandboxes_writes_nothing_to_the_journal():
    journal = FlakyJournal()
    store = singles([5, 6], journal=journal)
    store.assign_many([(key("a"), POD), (key("b"), None)], 0)
    again = singles([5, 6], journal=journal)
    for entry in journal.restore(9).assigned:
        again.assign_at(entry.key, entry.address, 9, entry.pod)
    assert snapshot(again, 9) == snapshot(store, 9)
    assert journal.restore(9).assigned == (Assigned(key("a"), "10.0.0.5", POD, 0), Assigned(key("b"), "10.0.0.6", None, 0))


# --- what is left of cooldowns -------------------------------------------------------------------------------------------

times = st.integers(0, 2**62 - 1)


@given(times, times, st.integers(0, 2**40))
def test_the_rest_of_a_cooldown_lies_between_nothing_and_the_whole(now_ns, released_ns, cooldown_ns):
    cooling = Cooling("10.0.0.5", released_ns + cooldown_ns, released_ns)
    left = cooling.left_at(now_ns)
    if left is None:
        assert cooling.until_ns <= now_ns or cooldown_ns == 0
    else:
        assert 0 < left.until_ns - now_ns <= cooldown_ns
        assert left.until_ns - now_ns == min(cooling.until_ns - now_ns, cooldown_ns)
        assert left.released_ns <= now_ns
        assert left.left_at(now_ns) == left


def test_a_cooldown_without_a_beginning_keeps_its_end():
    assert Cooling("10.0.0.5", 40).left_at(39) == Cooling("10.0.0.5", 40)
    assert Cooling("10.0.0.5", 40).left_at(40) is None


def test_ended_cooldowns_are_still_restored_in_case_the_clock_is_wrong():
    journal = MemoryJournal()
    store = singles([5, 6], journal=journal, cooldown_ns=30)
    store.assign_many([(key("a"), None), (key("b"), None)], 0)
    store.unassign(key("a"), 10)
    store.unassign(key("b"), 20)
    restored = journal.restore(45)
    assert (restored.cooling, restored.ended) == ((Cooling("10.0.0.6", 50, 20),), (Cooling("10.0.0.5", 40, 10),))
    assert journal.restore(5).cooling == (Cooling("10.0.0.5", 35, 5), Cooling("10.0.0.6", 35, 5))
