"""The checkpoint as a journal: ipamd's file in both directions, a file for cooldowns, and faults at every step of a write."""

import errno
import gc
import itertools
import json
import os
import resource
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_worlds import MIGRATED, POD, FaultyFiles, NoSync, addresses, held, key, node, open_json, release

from vpcipam.errors import JournalConflict, JournalCorrupt, JournalError, JournalFormatError, UnknownKey, VpcIpamError
from vpcipam.journal.files import Files
from vpcipam.journal.ipam_json import IpamJsonFile
from vpcipam.journal.protocol import Cooling, Problem
from vpcipam.sandbox import SandboxKey

CHECKPOINT, COOLDOWNS = "ipam.json", "ipam.cooldown.json"
ODD = (
    '{"x":1,"version":"vpc-cni-ipam/1", "allocations": [ {"networkName":"aws-cni","containerID":"c1", "ifName":"eth0","ipv4":"10.0.0.5",'
    '"allocationTimestamp":7,"metadata":{},"later":{"b":[1.50]}},\n {"ipv4":"10.0.0.6"} ],"y":"\\u003c" }'
)


def texts(folder):
    return {name: (folder / name).read_text() for name in (CHECKPOINT, COOLDOWNS) if (folder / name).exists()}


# --- upstream's file -----------------------------------------------------------------------------------------------------


def test_a_node_continues_a_migrated_checkpoint_and_ipamd_can_read_ours(tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(MIGRATED.read_bytes())
    journal = open_json(tmp_path, interfaces_count=0)
    store = node(journal, ["10.0.3.0/28", "10.0.4.32/28"])
    assert {each.container_id[:4]: held.address for each, held in store.assignments()} == {
        "0a11": "10.0.3.7",
        "1b22": "10.0.4.32",
        "2c33": "10.0.4.33",
        "3d44": "10.0.3.14",
    }
    assert (tmp_path / CHECKPOINT).read_bytes() == MIGRATED.read_bytes()
    store.assign(key("new"), 40)
    store.unassign(SandboxKey("aws-cni", "2c33" * 16, "eth0"), 50)
    written = json.loads((tmp_path / CHECKPOINT).read_text())
    before = json.loads(MIGRATED.read_text())["allocations"]
    assert written["allocations"][:3] == [before[0], before[1], before[3]]
    assert written["allocations"][3]["containerID"] == "new"


def test_the_checkpoint_has_the_format_of_ipamd_and_cooldowns_a_file_of_their_own(tmp_path):
    with open_json(tmp_path) as journal:
        journal.record((held("c1", "10.0.0.5", pod=POD), held("c2", "2001:db8::1")))
        journal.record_unassign((release("c1", "10.0.0.5", 40, 10),))
    assert texts(tmp_path) == {
        CHECKPOINT: '{"version":"vpc-cni-ipam/1","allocations":[{"networkName":"aws-cni","containerID":"c2","ifName":"eth0",'
        '"ipv6":"2001:db8::1","allocationTimestamp":7,"metadata":{"interfacesCount":1}}]}\n',
        COOLDOWNS: '{"version":"vpcipam-cooldown/1","cooldowns":[{"address":"10.0.0.5","untilTimestamp":40,"releasedTimestamp":10}]}\n',
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == [COOLDOWNS, CHECKPOINT, "ipam.json.lock"]
    assert (tmp_path / CHECKPOINT).stat().st_mode & 0o777 == 0o600


def test_unknown_fields_and_members_are_kept_as_read(tmp_path):
    (tmp_path / CHECKPOINT).write_text(ODD)
    with open_json(tmp_path) as journal:
        journal.record((held("c2", "10.0.0.7"),))
        journal.record_unassign((release("c2", "10.0.0.7", 8, 8),))
    kept = texts(tmp_path)[CHECKPOINT]
    assert kept == (
        '{"version":"vpc-cni-ipam/1","allocations":[{"networkName":"aws-cni","containerID":"c1", "ifName":"eth0","ipv4":"10.0.0.5",'
        '"allocationTimestamp":7,"metadata":{},"later":{"b":[1.50]}},{"ipv4":"10.0.0.6"}],"x":1,"y":"\\u003c"}\n'
    )


def test_opening_without_a_file_restores_nothing_and_makes_none(tmp_path):
    with open_json(tmp_path) as journal:
        assert journal.restore(0) == journal.restore(2**62)
        assert addresses(journal) == {}
    assert texts(tmp_path) == {}


def test_an_assign_writes_one_file_and_an_unassign_two_with_cooldowns_first(tmp_path):
    files = FaultyFiles()
    journal = open_json(tmp_path, files=files)
    journal.record((held("c1", "10.0.0.5"), held("c2", "10.0.0.6")))
    one_file = ["create ipam.json.tmp", "write", "sync", "close", "rename ipam.json", "open folder", "sync", "close"]
    assert files.done == one_file
    files.done.clear()
    journal.record_unassign((release("c1", "10.0.0.5", 40, 10),))
    assert files.done == [name.replace("ipam.json", COOLDOWNS) for name in one_file] + one_file
    files.done.clear()
    journal.record_unassign((release("c2", "10.0.0.6", 10, 10),))  # without a cooldown; the other has not ended
    assert files.done == one_file
    journal.record((held("c3", "10.0.0.7"),))
    journal.close()
    journal = open_json(tmp_path, files=files)
    files.done.clear()
    journal.record_unassign((release("c3", "10.0.0.7", 10, 10),))  # the cooldowns are in their file since before
    assert files.done == one_file


def test_a_call_that_changes_nothing_writes_nothing(tmp_path):
    files = FaultyFiles()
    journal = open_json(tmp_path, files=files)
    journal.record((held("c1", "10.0.0.5"),))
    journal.record(cooling=(Cooling("10.0.0.6", 40),))
    files.done.clear()
    journal.record((held("c1", "10.0.0.5", assigned_ns=9, pod=POD),))
    journal.record()
    journal.record_unassign(())
    journal.record(cooling=(Cooling("10.0.0.6", 40, 10), Cooling("10.0.0.5", 90)))
    journal.record()
    assert files.done == []
    assert journal.restore(0).assigned == (held("c1", "10.0.0.5"),)


def test_ended_cooldowns_leave_the_file_with_the_next_release(tmp_path):
    journal = open_json(tmp_path)
    journal.record(tuple(held(f"c{last}", f"10.0.0.{last}") for last in (5, 6, 7)))
    for last, now in ((5, 10), (6, 20), (7, 40)):
        journal.record_unassign((release(f"c{last}", f"10.0.0.{last}", now + 30, now),))
    assert [each["address"] for each in json.loads(texts(tmp_path)[COOLDOWNS])["cooldowns"]] == ["10.0.0.6", "10.0.0.7"]


def test_a_cooldown_of_an_assigned_address_is_ignored(tmp_path):
    # the state after a crash between the two writes of an unassign
    with open_json(tmp_path) as journal:
        journal.record((held("c1", "10.0.0.5"),))
        before = texts(tmp_path)[CHECKPOINT]
        journal.record_unassign((release("c1", "10.0.0.5", 40, 10),))
    (tmp_path / CHECKPOINT).write_text(before)
    with open_json(tmp_path) as journal:
        assert journal.restore(10).assigned == (held("c1", "10.0.0.5"),)
        assert journal.restore(10).cooling == ()
        journal.record_unassign((release("c1", "10.0.0.5", 15, 15),))  # the old cooldown does not come back
    with open_json(tmp_path) as journal:
        assert journal.restore(10).cooling == ()


# --- problems ------------------------------------------------------------------------------------------------------------


def test_a_problem_stays_until_it_is_dropped_and_its_address_is_withheld(tmp_path):
    (tmp_path / CHECKPOINT).write_text(
        '{"version":"vpc-cni-ipam/1","allocations":['
        '{"networkName":"aws-cni","containerID":"c1","ifName":"eth0","ipv4":"10.0.0.5"},'
        '{"networkName":"aws-cni","containerID":"c2","ifName":"eth0","ipv4":"10.0.0.5"}]}'
    )
    with open_json(tmp_path) as journal:
        first, second = journal.restore(0).problems
        for entry in (held("c3", "10.0.0.5"), held("c1", "10.0.0.6")):
            with pytest.raises(JournalConflict, match=r"the journal has allocation 1 .* where 10.0.0.5 has 2 sandboxes. Decide"):
                journal.record((entry,))
        journal.record((held("c3", "10.0.0.6"),))
        journal.record(dropped=(second,))
        with pytest.raises(UnknownKey, match=r"no such entry to drop: allocation 2"):
            journal.record(dropped=(first, second))
        assert journal.restore(0).problems == (first,)
    with open_json(tmp_path) as journal:  # with the contradiction gone, the first is believed
        assert addresses(journal) == {"c1": "10.0.0.5", "c3": "10.0.0.6"}
        assert journal.restore(0).problems == ()


def test_a_dropped_problem_is_removed_from_the_file(tmp_path):
    (tmp_path / CHECKPOINT).write_text('{"version":"vpc-cni-ipam/1","allocations":[5]}')
    journal = open_json(tmp_path)
    journal.record(dropped=journal.restore(0).problems)
    assert texts(tmp_path)[CHECKPOINT] == '{"version":"vpc-cni-ipam/1","allocations":[]}\n'
    with pytest.raises(UnknownKey):
        journal.record(dropped=(Problem("allocation 1", "", None, None, "5"),))


def test_a_change_of_both_files_is_decided_by_the_write_of_the_checkpoint(tmp_path):
    (tmp_path / CHECKPOINT).write_text('{"version":"vpc-cni-ipam/1","allocations":[{"ipv4":"10.0.0.5"}]}')
    files = FaultyFiles()
    journal = open_json(tmp_path, files=files)
    journal.record(cooling=(Cooling("10.0.0.5", 40),), dropped=journal.restore(0).problems)
    assert [name for name in files.done if name.startswith("rename")] == [f"rename {name}" for name in (COOLDOWNS, CHECKPOINT, COOLDOWNS)]
    assert "pending" not in texts(tmp_path)[COOLDOWNS]


@pytest.mark.parametrize("after", [False, True])
def test_an_assign_and_a_cooldown_in_one_call_are_on_disk_together_or_not_at_all(tmp_path, after):
    change = {"assigned": (held("c2", "10.0.0.6"),), "cooling": (Cooling("10.0.0.7", 40, 10),)}
    outcomes = set()
    for fail_at in itertools.count():
        folder = tmp_path / str(fail_at)
        folder.mkdir()
        with open_json(folder) as journal:
            journal.record((held("c1", "10.0.0.5"),), (Cooling("10.0.0.9", 30, 0),))
        files = FaultyFiles(fail_at, after=after)
        with open_json(folder, files=files) as journal:
            try:
                journal.record(**change)
                recorded = True
            except JournalError:
                recorded = False
        with open_json(folder) as journal:
            restored = journal.restore(10)
        whole = {each.address for each in restored.assigned} == {"10.0.0.5", "10.0.0.6"}
        assert {each.address for each in restored.cooling} == ({"10.0.0.9", "10.0.0.7"} if whole else {"10.0.0.9"})
        assert whole or not recorded
        outcomes.add((recorded, whole))
        if fail_at >= len(files.done):
            break
    assert outcomes >= {(True, True), (False, False)}


def test_pending_cooldowns_are_settled_before_the_next_checkpoint(tmp_path):
    files = FaultyFiles()
    journal = open_json(tmp_path, files=files)
    before = len(files.done)
    journal.record((held("c1", "10.0.0.5"),), (Cooling("10.0.0.7", 40, 10),))
    whole = len(files.done) - before
    journal.close()
    for opened_anew in (False, True):
        folder = tmp_path / str(opened_anew)
        folder.mkdir()
        files = FaultyFiles(whole * 2 // 3)  # the first operation of the third write
        journal = open_json(folder, files=files)
        journal.record((held("c1", "10.0.0.5"),), (Cooling("10.0.0.7", 40, 10),))
        assert "pending" in texts(folder)[COOLDOWNS]
        if opened_anew:
            journal.close()
            journal = open_json(folder)
        journal.record((held("c2", "10.0.0.6"),))
        assert "pending" not in texts(folder)[COOLDOWNS]
        journal.close()
        with open_json(folder) as journal:
            assert journal.restore(10).cooling == (Cooling("10.0.0.7", 40, 10),)


def allocations(*entries):
    """A checkpoint in which sandboxes have addresses, given as pairs."""
    texts = (f'{{"networkName":"aws-cni","containerID":"{name}","ifName":"eth0","ipv4":"{address}"}}' for name, address in entries)
    return f'{{"version":"vpc-cni-ipam/1","allocations":[{",".join(texts)}]}}'


def test_repeated_entries_leave_the_file_with_the_unassigned_sandbox(tmp_path):
    (tmp_path / CHECKPOINT).write_text(allocations(("c1", "10.0.0.5"), ("c2", "10.0.0.6"), ("c1", "10.0.0.5"), ("c2", "10.0.0.6")))
    with open_json(tmp_path) as journal:
        journal.record_unassign((release("c1", "10.0.0.5", 40, 10),))
        assert [problem.repeats for problem in journal.restore(10).problems] == [held("c2", "10.0.0.6", 0)]
    with open_json(tmp_path) as journal:  # or c1 would be back
        assert addresses(journal) == {"c2": "10.0.0.6"}
        assert journal.restore(10).cooling == (Cooling("10.0.0.5", 40, 10),)


def test_repeated_entries_leave_the_file_with_the_dropped_problem(tmp_path):
    (tmp_path / CHECKPOINT).write_text(allocations(("c1", "10.0.0.5"), ("c1", "10.0.0.5"), ("c1", "10.0.0.6")))
    with open_json(tmp_path) as journal:
        (first,) = (problem for problem in journal.restore(0).problems if problem.address == "10.0.0.5")
        journal.record(dropped=(first,))
    with open_json(tmp_path) as journal:  # or it would be in dispute again
        assert addresses(journal) == {"c1": "10.0.0.6"}
        assert journal.restore(0).problems == ()


# --- files that can't be read --------------------------------------------------------------------------------------------

SMALL = (
    '{"version":"vpc-cni-ipam/1","allocations":[{"networkName":"aws-cni","containerID":"ü","ifName":"eth0","ipv4":"10.0.0.5"},'
    '{"networkName":"aws-cni","containerID":"c2","ifName":"eth0","ipv4":"10.0.0.6"}]}\n'
).encode()
SMALL_COOLDOWNS = (
    b'{"version":"vpcipam-cooldown/1","cooldowns":['
    b'{"address":"10.0.0.8","untilTimestamp":40},{"address":"10.0.0.9","untilTimestamp":50}]}\n'
)


def test_a_truncated_checkpoint_is_refused_and_can_be_salvaged(tmp_path, record_property):
    record_property("crash states", len(SMALL) - 1)
    path = tmp_path / CHECKPOINT
    ends = [SMALL.index(b"}") + 1, SMALL.index(b"}", SMALL.index(b"}") + 1) + 1]
    (tmp_path / COOLDOWNS).write_bytes(SMALL_COOLDOWNS)
    for length in range(len(SMALL) - 1):
        path.write_bytes(SMALL[:length])
        whole = sum(end <= length for end in ends)
        with pytest.raises(JournalCorrupt, match=rf"breaks off at line 1, .* of {length}\)") as refused:
            open_json(tmp_path)
        assert f"The {whole} allocations before it are readable. IpamJsonFile.salvage({str(path)!r}, now_ns)" in str(refused.value)
        salvaged = IpamJsonFile.salvage(path, 45)
        assert [entry.address for entry in salvaged.assigned] == ["10.0.0.5", "10.0.0.6"][:whole]
        assert (salvaged.cooling, salvaged.ended) == ((Cooling("10.0.0.9", 50),), (Cooling("10.0.0.8", 40),))
        assert path.read_bytes() == SMALL[:length]
    path.write_bytes(SMALL[:-1])  # the line feed alone is no loss
    with open_json(tmp_path) as journal:
        assert addresses(journal) == {"ü": "10.0.0.5", "c2": "10.0.0.6"}


def test_truncated_cooldowns_are_refused(tmp_path, record_property):
    record_property("crash states", len(SMALL_COOLDOWNS) - 1)
    (tmp_path / CHECKPOINT).write_bytes(SMALL)
    for length in range(len(SMALL_COOLDOWNS) - 1):
        (tmp_path / COOLDOWNS).write_bytes(SMALL_COOLDOWNS[:length])
        with pytest.raises(JournalCorrupt, match=r"ipam.cooldown.json breaks off at .* IpamJsonFile.salvage\('.*ipam.json', now_ns\)"):
            open_json(tmp_path)
        assert len(IpamJsonFile.salvage(tmp_path / CHECKPOINT, 0).assigned) == 2


def test_invalid_cooldowns_are_refused_and_salvage_lists_them(tmp_path):
    (tmp_path / COOLDOWNS).write_bytes(SMALL_COOLDOWNS.replace(b"50", b"-5"))
    with pytest.raises(JournalCorrupt, match=r"has an unreadable cooldown 2 \(line 1, column 89\): its untilTimestamp is out of"):
        open_json(tmp_path)
    salvaged = IpamJsonFile.salvage(str(tmp_path / CHECKPOINT), 0)
    assert [each.address for each in salvaged.cooling] == ["10.0.0.8"]
    assert [problem.message for problem in salvaged.problems] == ["its untilTimestamp is out of range"]


def test_a_cooldown_past_the_last_time_is_refused_when_the_file_is_opened(tmp_path):
    (tmp_path / COOLDOWNS).write_bytes(SMALL_COOLDOWNS.replace(b"50", b"%d" % (2**63 - 1)))
    with pytest.raises(JournalCorrupt, match="its untilTimestamp is out of range"):
        open_json(tmp_path)
    (tmp_path / COOLDOWNS).write_bytes(SMALL_COOLDOWNS.replace(b"50", b"%d" % (2**63 - 2)))
    with open_json(tmp_path) as journal:
        assert node(journal, now_ns=45, cidrs=["10.0.0.0/28"]).cooling_until("10.0.0.9") == 2**63 - 2


def test_a_salvaged_state_can_be_recorded_in_a_new_journal_of_either_kind(tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(SMALL[:200])
    (tmp_path / COOLDOWNS).write_bytes(SMALL_COOLDOWNS)
    salvaged = IpamJsonFile.salvage(tmp_path / CHECKPOINT, 0)
    (tmp_path / CHECKPOINT).rename(tmp_path / "broken")
    with open_json(tmp_path) as journal:
        journal.record(salvaged.assigned)
        journal.record(cooling=salvaged.cooling)
        assert journal.restore(0) == salvaged


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"version":"vpc-cni-ipam/2","allocations":[]}', "version 'vpc-cni-ipam/2'"),
        ('{"version":1,"allocations":[]}', "version 1"),
        ('{"allocations":[]}', "no version"),
    ],
)
def test_another_version_is_refused(tmp_path, text, what):
    (tmp_path / CHECKPOINT).write_text(text)
    with pytest.raises(JournalFormatError, match=f"has {what}, but this release reads only 'vpc-cni-ipam/1'"):
        open_json(tmp_path)
    (tmp_path / CHECKPOINT).unlink()
    with open_json(tmp_path):  # the refusal let go of the lock
        pass


def test_another_version_is_not_salvaged_but_a_missing_one_is(tmp_path):
    (tmp_path / CHECKPOINT).write_text('{"version":"vpc-cni-ipam/2","allocations":[')
    with pytest.raises(JournalFormatError):
        IpamJsonFile.salvage(tmp_path / CHECKPOINT, 0)
    (tmp_path / CHECKPOINT).write_text('{"allocations":[')
    assert IpamJsonFile.salvage(tmp_path / CHECKPOINT, 0).assigned == ()


@given(st.integers(0, len(SMALL) - 1), st.binary(min_size=1, max_size=3))
def test_a_checkpoint_with_garbled_bytes_is_read_or_refused(offset, garbage):
    class Garbled(NoSync):
        def read(self, path):
            return SMALL[:offset] + garbage + SMALL[offset + len(garbage) :] if path.name == CHECKPOINT else None

    try:
        restored = IpamJsonFile.salvage(Path(CHECKPOINT), 0, files=Garbled())
    except JournalError:
        return
    assert len({entry.address for entry in restored.assigned}) == len(restored.assigned) <= 3


# --- faults --------------------------------------------------------------------------------------------------------------

CHANGES = {
    "assign": lambda store: store.assign(key("new"), 100),
    "assign_many": lambda store: store.assign_many([(key("new"), POD), (key("other"), None)], 100),
    "unassign": lambda store: store.unassign(key("web"), 100),
    "unassign_many": lambda store: store.unassign_many([key("web"), key("api")], 100),
    "remove by force": lambda store: store.remove_eni("eni-0", force=True, now_ns=100),
}


def begin(folder):
    folder.mkdir()
    files = FaultyFiles()
    store = node(open_json(folder, files=files), cooldown_ns=30)
    store.assign_many([(key(name), None) for name in ("web", "api", "gone")], 0)
    store.unassign(key("gone"), 90)
    files.done.clear()
    return store, files


def seen(store):
    return list(store.assignments()), store.stats(100) if store.eni_ids else None, store.cooldowns(100)


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_fault_at_any_operation_undoes_the_change_and_leaves_files_that_restore(tmp_path, change, after, record_property):
    counting, files = begin(tmp_path / "counting")
    change(counting)
    operations = list(files.done)
    record_property("crash states", len(operations))
    counting._sandboxes._journal.close()
    for at, operation in enumerate(operations):
        folder = tmp_path / str(at)
        store, files = begin(folder)
        before, restorable = seen(store), store._sandboxes._journal.restore(100)
        files.fail_at, files.code, files.after = at, errno.EIO, after
        with pytest.raises(
            JournalError, match=r"could not be written, so nothing is recorded: the file system fails \(Input/output error\)"
        ):
            change(store)
        assert seen(store) == before, operation
        assert store._sandboxes._journal.restore(100) == restorable, operation
        store._check()
        files.fail_at = None
        leftovers = {path.name for path in folder.iterdir()} - {CHECKPOINT, COOLDOWNS, "ipam.json.lock"}
        assert leftovers == set(), operation
        # The process dies here: a restart finds what the answer said, which is nothing of the change.
        store._sandboxes._journal.close()
        with open_json(folder) as journal:
            restored = journal.restore(100)
            assert {(entry.key, entry.address) for entry in restored.assigned} == {
                (each, assignment.address) for each, assignment in before[0]
            }, operation
            assert {"10.0.0.2"} <= {each.address for each in restored.cooling}, operation


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_if_every_operation_fails_from_one_on_the_answer_says_what_a_restart_finds(tmp_path, change, record_property):
    counting, files = begin(tmp_path / "counting")
    change(counting)
    said = set()
    record_property("crash states", len(files.done))
    for at in range(len(files.done)):
        store, files = begin(tmp_path / str(at))
        before = {(each, assignment.address) for each, assignment in store.assignments()}
        files.fail_at, files.for_good = at, True
        with pytest.raises(JournalError) as refusal:
            change(store)
        store._sandboxes._journal.close()
        with open_json(tmp_path / str(at)) as journal:
            found = {(entry.key, entry.address) for entry in journal.restore(100).assigned}
        says_undone = "so nothing is recorded" in str(refusal.value)
        assert says_undone or "a restart before the next successful change finds it" in str(refusal.value)
        assert found == before or not says_undone
        said.add(says_undone)
    assert said == {True, False}


def test_a_first_checkpoint_that_cannot_be_synced_is_removed_again(tmp_path):
    files = FaultyFiles()
    journal = open_json(tmp_path, files=files)
    files.fail_at = 5  # create, write, sync, close, rename, open folder
    with pytest.raises(JournalError, match="so nothing is recorded"):
        journal.record((held("a", "10.0.0.5"),))
    assert files.done[5] == "open folder"
    journal.close()
    assert {path.name for path in tmp_path.iterdir()} == {"ipam.json.lock"}


def test_an_interrupt_after_the_rename_undoes_it(tmp_path):
    class Interrupted(NoSync):
        def open_folder(self, path):  # noqa: ARG002
            raise KeyboardInterrupt

        def remove(self, path):  # noqa: ARG002
            raise OSError(errno.EIO, "Input/output error")

    with open_json(tmp_path) as journal:
        journal.record((held("a", "10.0.0.5"),))
    with open_json(tmp_path, files=Interrupted()) as journal, pytest.raises(KeyboardInterrupt):
        journal.record((held("b", "10.0.0.6"),))
    with open_json(tmp_path) as journal:
        assert addresses(journal) == {"a": "10.0.0.5"}
    (tmp_path / "new").mkdir()
    with open_json(tmp_path / "new", files=Interrupted()) as journal, pytest.raises(KeyboardInterrupt):
        journal.record((held("b", "10.0.0.6"),))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_after_a_fault_the_same_change_can_be_repeated(tmp_path, change):
    counting, files = begin(tmp_path / "counting")
    change(counting)
    expected, operations = texts(tmp_path / "counting"), len(files.done)
    for at in range(operations):
        store, files = begin(tmp_path / str(at))
        files.fail_at = at
        with pytest.raises(JournalError):
            change(store)
        files.fail_at = None
        change(store)
        assert texts(tmp_path / str(at)) == expected
        store._sandboxes._journal.close()


def test_a_cooldown_that_cannot_be_written_is_not_recorded_by_the_next_write_either(tmp_path):
    for at in range(8):
        for after in (False, True):
            folder = tmp_path / f"{at} {after}"
            folder.mkdir()
            files = FaultyFiles()
            journal = open_json(folder, files=files)
            journal.record((held("c1", "10.0.0.5"),))
            files.fail_at, files.after = len(files.done) + at, after
            with pytest.raises(JournalError):
                journal.record(cooling=(Cooling("10.0.0.6", 40),))
            files.fail_at = None
            assert journal.restore(0).cooling == ()
            journal.record_unassign((release("c1", "10.0.0.5", 10, 10),))
            journal.close()
            with open_json(folder) as again:
                assert again.restore(0).cooling == (), (at, after)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full: free some space"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EACCES, "this user may not write there"),
        (errno.EISDIR, "it is a folder; give the name of a file"),
    ],
)
def test_the_refusal_of_a_write_says_why_it_failed(tmp_path, code, words):
    journal = open_json(tmp_path, files=FaultyFiles(1, code))
    with pytest.raises(JournalError, match=rf"ipam.json could not be written, so nothing is recorded: {words}") as refused:
        journal.record((held("c1", "10.0.0.5"),))
    assert refused.value.__cause__.errno == code


def test_a_checkpoint_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / CHECKPOINT).mkdir()
    with pytest.raises(JournalError, match="could not be opened: it is a folder"):
        open_json(tmp_path)


def test_a_full_disk_undoes_the_assign(tmp_path):
    store = node(open_json(tmp_path, files=Files()), cooldown_ns=30)
    store.assign(key("web"), 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (250, hard))
    try:
        with pytest.raises(JournalError, match="File too large"):
            store.assign(key("api"), 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert addresses(store._sandboxes._journal) == {"web": "10.0.0.0"}
    assert store.assign(key("api"), 2).address == "10.0.0.1"


def test_a_file_written_in_pieces_is_complete(tmp_path):
    class Slow(NoSync):
        def write(self, descriptor, data):
            return os.write(descriptor, data[:7])

    with open_json(tmp_path, files=Slow()) as journal:
        journal.record(tuple(held(f"c{last}", f"10.0.0.{last}") for last in range(9)))
    with open_json(tmp_path) as journal:
        assert len(addresses(journal)) == 9


def test_a_longer_temporary_file_of_a_killed_process_is_overwritten_wholly(tmp_path):
    (tmp_path / "ipam.json.tmp").write_text("{" * 10_000)
    with open_json(tmp_path) as journal:
        journal.record((held("c1", "10.0.0.5"),))
    with open_json(tmp_path) as journal:
        assert addresses(journal) == {"c1": "10.0.0.5"}


@pytest.mark.parametrize(("at", "opened"), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 2), (7, 2)])
def test_every_opened_file_is_closed_whatever_fails(tmp_path, at, opened):
    files = FaultyFiles(at)
    with pytest.raises(JournalError):
        open_json(tmp_path, files=files).record((held("c1", "10.0.0.5"),))
    assert files.done.count("close") == opened


def test_an_interrupt_while_writing_changes_nothing(tmp_path):
    class Interrupted(NoSync):
        def sync(self, _descriptor):
            raise KeyboardInterrupt

    journal = open_json(tmp_path, files=Interrupted())
    with pytest.raises(KeyboardInterrupt):
        journal.record((held("c1", "10.0.0.5"),))
    assert addresses(journal) == {}
    assert texts(tmp_path) == {}


def test_a_temporary_file_that_cannot_be_removed_hides_no_error(tmp_path):
    class Stubborn(FaultyFiles):
        def remove(self, path):
            raise PermissionError(path)

    journal = open_json(tmp_path, files=Stubborn(2, errno.ENOSPC))
    with pytest.raises(JournalError, match="the disk is full"):
        journal.record((held("c1", "10.0.0.5"),))


def test_threads_can_share_a_journal(tmp_path):
    journal = open_json(tmp_path)

    def work(number):
        for turn in range(20):
            journal.record((held(f"c{number}", f"10.0.0.{number}"),))
            journal.restore(turn)
            if turn < 19:
                journal.record_unassign((release(f"c{number}", f"10.0.0.{number}", turn + 1, turn),))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert addresses(journal) == {f"c{number}": f"10.0.0.{number}" for number in range(4)}
    journal.close()
    with open_json(tmp_path) as again:
        assert len(addresses(again)) == 4


def test_errors_of_journals_are_errors_of_the_library():
    assert issubclass(JournalCorrupt, JournalError)
    assert issubclass(JournalError, VpcIpamError)


def test_fault_13_no_write_leaves_a_file_open(tmp_path):
    def open_files():
        return {path.name for path in Path("/dev/fd").iterdir()}

    gc.disable()  # upstream's are closed by garbage collection, at some later time
    try:
        with open_json(tmp_path, files=Files()) as journal:
            before = open_files()
            for number in range(5):
                journal.record((held(f"c{number}", f"10.0.0.{number}"),))
                journal.record_unassign((release(f"c{number}", f"10.0.0.{number}", 40, 10),))
            assert open_files() == before
    finally:
        gc.enable()
