"""One process at a time: a second one is refused and told the first one's PID, and no lock is inherited or left behind."""

import gc
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from journal_worlds import KINDS, addresses, held

import vpcipam
from vpcipam.errors import JournalError, JournalLocked
from vpcipam.journal.lock import ProcessLock, _release_in_child


def taken(path, *flock):
    """A lock that is acquired."""
    lock = ProcessLock(path, *flock)
    lock.acquire()
    return lock


REPOSITORY = Path(__file__).parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from vpcipam.journal.{module} import {name}
journal = {name}(Path(sys.argv[1]))
print("open", flush=True)
time.sleep(60)
"""
NAMES = {"json": ("ipam_json", "IpamJsonFile", "ipam.json"), "sqlite": ("sqlite", "SqliteJournal", "ipam.sqlite")}


def start_holder(kind, folder):
    module, name, file = NAMES[kind]
    path = os.pathsep.join([str(Path(vpcipam.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(  # noqa: S603 - this interpreter, and a program from this file
        [sys.executable, "-c", HOLDER.format(module=module, name=name), folder / file],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdout.readline() == "open\n"
    return process


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_process_is_refused_until_the_first_is_killed(kind, tmp_path):
    with start_holder(kind, tmp_path) as holder:
        with pytest.raises(JournalLocked, match=rf"is in use by process {holder.pid}: stop that process first"):
            KINDS[kind](tmp_path)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with KINDS[kind](tmp_path) as journal:
        assert addresses(journal) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_journal_of_the_same_process_is_refused_until_the_first_is_closed(kind, tmp_path):
    journal = KINDS[kind](tmp_path)
    with pytest.raises(JournalLocked, match=rf"is already open in this process \(pid {os.getpid()}\)"):
        KINDS[kind](tmp_path)
    journal.record((held("a", "10.0.0.5"),))  # the refusal took nothing from the first
    journal.close()
    journal.close()
    with KINDS[kind](tmp_path) as again:
        assert addresses(again) == {"a": "10.0.0.5"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_journal_refuses_every_call(kind, tmp_path):
    with KINDS[kind](tmp_path) as journal:
        pass
    for call in (
        lambda: journal.record((held("a", "10.0.0.5"),)),
        lambda: journal.record_unassign(()),
        journal.record,
        lambda: journal.restore(0),
    ):
        with pytest.raises(JournalError, match="was closed: open it again"):
            call()


def test_a_holder_that_has_not_written_its_pid_is_named_as_unknown(tmp_path):
    lock = taken(tmp_path / "ipam.json.lock")
    lock.path.write_bytes(b"")
    with pytest.raises(JournalLocked, match="is in use by process of unknown number"):
        taken(lock.path)
    lock.release()


def next_descriptor():
    """The descriptor that the next opened file gets: the lowest free one."""
    descriptor = os.dup(2)
    os.close(descriptor)
    return descriptor


def test_a_refused_lock_leaves_no_file_open(tmp_path):
    lock, free = taken(tmp_path / "ipam.json.lock"), next_descriptor()
    with pytest.raises(JournalLocked):
        taken(lock.path)
    assert next_descriptor() == free
    lock.release()


def test_a_process_without_standard_input_can_release_its_lock(tmp_path):
    standard_input = os.dup(0)
    os.close(0)
    try:
        lock = taken(tmp_path / "ipam.json.lock")  # which has descriptor 0
        lock.require()
        lock.release()
        with pytest.raises(JournalError, match="was closed"):
            lock.require()
        taken(lock.path).release()
    finally:
        os.dup2(standard_input, 0)
        os.close(standard_input)


def test_a_longer_pid_of_an_earlier_holder_leaves_no_digits_behind(tmp_path):
    path = tmp_path / "ipam.json.lock"
    path.write_text("12345678901234567\n")
    lock = taken(path)
    assert path.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_lock_file_that_cannot_be_made_is_an_error_that_names_it(tmp_path):
    with pytest.raises(JournalError, match=r"nowhere/ipam.json.lock can't be created.*No such file"):
        taken(tmp_path / "nowhere" / "ipam.json.lock")


def test_a_file_system_without_locks_is_refused(tmp_path):
    opened = []

    def refuse(descriptor, _operation):
        opened.append(descriptor)
        raise OSError(95, "Operation not supported")

    with pytest.raises(JournalError, match="can't be locked: Operation not supported"):
        taken(tmp_path / "ipam.json.lock", refuse)
    with pytest.raises(OSError, match="Bad file descriptor"):  # it was let go
        os.fstat(*opened)


def test_a_thread_in_a_call_of_the_journal_cannot_begin_another_one(tmp_path):
    lock = taken(tmp_path / "journal.lock")
    with lock.threads, pytest.raises(JournalError, match="is in the middle of a call of this thread"):
        _ = lock.threads
    with lock.threads:  # it is free again
        lock.require()
    lock.release()


def test_a_lock_released_in_a_child_names_the_parent(tmp_path):
    lock = taken(tmp_path / "ipam.json.lock")
    lock.require()
    lock._owner = 1  # as if this process had been forked off
    _release_in_child()
    with pytest.raises(JournalError, match=r"ipam.json was opened by process 1, which forked this one: open it again"):
        lock.require()
    taken(lock.path).release()


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_forked_during_a_call_is_refused_without_waiting(kind, tmp_path):
    journal = KINDS[kind](tmp_path)
    other = threading.Thread(target=journal._lock._threads.acquire)
    other.start()
    other.join()
    _release_in_child()  # as if this process had been forked off
    with pytest.raises(JournalError, match="open it again"):
        journal.restore(0)
    journal.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the dropped database was not closed
@pytest.mark.parametrize("kind", KINDS)
def test_a_dropped_journal_keeps_no_lock(kind, tmp_path):
    KINDS[kind](tmp_path)
    with KINDS[kind](tmp_path) as journal:
        assert addresses(journal) == {}
    gc.collect()


@pytest.mark.parametrize("replaced", [False, True], ids=["removed", "replaced"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_journal_whose_lock_file_is_gone_is_refused_for_good(kind, replaced, tmp_path):
    journal = KINDS[kind](tmp_path)
    journal.record((held("a", "10.0.0.5"),))
    journal._lock.path.unlink()
    second = KINDS[kind](tmp_path) if replaced else None
    for call in (lambda: journal.record((held("b", "10.0.0.6"),)), lambda: journal.restore(0)):
        with pytest.raises(JournalError, match=r"\.lock was removed or replaced while the journal was open"):
            call()
    journal.close()
    if second is not None:
        assert addresses(second) == {"a": "10.0.0.5"}
        second.close()


FORKED = """
import os, sys
from pathlib import Path
from vpcipam.errors import JournalError
from vpcipam.journal.ipam_json import IpamJsonFile
path = Path(sys.argv[1])
journal = IpamJsonFile(path)
reading, writing = os.pipe()
pid = os.fork()
if not pid:
    try:
        journal.restore(0)
    except JournalError as error:
        print(error, flush=True)
    os.write(writing, b"x")
    os.read(0, 1)  # lives on until the test lets it go
    os._exit(0)
os.read(reading, 1)
try:
    IpamJsonFile(path)
except JournalError as error:
    print("still locked", flush=True)
os._exit(0)
"""


def test_a_forked_child_can_neither_use_the_journal_nor_keep_its_lock(tmp_path):
    path = os.pathsep.join([str(Path(vpcipam.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(  # noqa: S603 - this interpreter, and a program from this file
        [sys.executable, "-c", FORKED, tmp_path / "ipam.json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as parent:
        assert f"was opened by process {parent.pid}, which forked this one" in parent.stdout.readline()
        assert parent.stdout.readline() == "still locked\n"
        parent.wait()
        with KINDS["json"](tmp_path) as journal:  # the child lives, the parent is gone
            assert addresses(journal) == {}
        parent.stdin.close()
