"""The database as a journal: atomic writes of constant cost, and clear refusals."""

import contextlib
import os
import resource
import shutil
import sqlite3
import threading
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_worlds import POD, addresses, faulty_connection, held, key, node, open_json, open_sqlite, release

from vpcipam.errors import (
    InvalidArgument,
    JournalConflict,
    JournalCorrupt,
    JournalError,
    JournalFormatError,
    JournalLocked,
    UnknownKey,
)
from vpcipam.journal import schema, sqlite
from vpcipam.journal.protocol import Cooling, MemoryJournal, ReleasedCidr, Restored
from vpcipam.journal.schema import APPLICATION_ID, MIGRATIONS, migrate, version_of
from vpcipam.journal.sqlite import SqliteJournal

FILE = "ipam.sqlite"


def shell(folder, *statements):
    """Run statements on a database as somebody can by hand."""
    connection = sqlite3.connect(folder / FILE, isolation_level=None)
    try:
        return [connection.execute(statement).fetchall() for statement in statements]
    finally:
        connection.close()


def filled(folder, count=3):
    journal = open_sqlite(folder)
    journal.record(tuple(held(f"c{last}", f"10.0.{last >> 8}.{last & 255}", pod=POD) for last in range(count)))
    journal.record_unassign((release("c0", "10.0.0.0", 40, 10),))
    return journal


# --- what is restored ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL", "OFF"])
def test_it_restores_what_was_recorded(tmp_path, synchronous):
    with filled(tmp_path):
        pass
    with SqliteJournal(str(tmp_path / FILE), synchronous=synchronous) as journal:
        restored = journal.restore(20)
        assert restored.assigned == (held("c1", "10.0.0.1", pod=POD), held("c2", "10.0.0.2", pod=POD))
        assert restored.cooling == (Cooling("10.0.0.0", 40, 10),)
        assert journal.restore(40).ended == (Cooling("10.0.0.0", 40, 10),)
        (setting,) = journal._connection.execute("PRAGMA synchronous").fetchone()
    assert setting == {"OFF": 0, "NORMAL": 1, "FULL": 2}[synchronous]


def test_the_default_durability_is_full(tmp_path):
    with SqliteJournal(tmp_path / FILE) as journal:
        assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.parametrize("wrong", ["full", "EXTRA", "", 2, None])
def test_an_unknown_durability_is_refused(tmp_path, wrong):
    with pytest.raises(InvalidArgument, match="synchronous must be FULL, NORMAL or OFF"):
        SqliteJournal(tmp_path / FILE, synchronous=wrong)
    assert list(tmp_path.iterdir()) == []


def test_the_sqlite_shell_can_read_an_open_journal(tmp_path):
    with filled(tmp_path):
        assert shell(tmp_path, "SELECT container_id, address FROM assigned", "PRAGMA journal_mode") == [
            [("c1", "10.0.0.1"), ("c2", "10.0.0.2")],
            [("wal",)],
        ]


def test_ended_cooldowns_leave_the_table_with_the_next_release(tmp_path):
    with filled(tmp_path) as journal:
        journal.record_unassign((release("c1", "10.0.0.1", 70, 40), release("c2", "10.0.0.2", 40, 40)))
    assert shell(tmp_path, "SELECT * FROM cooling") == [[("10.0.0.1", 70, 40)]]


def test_many_are_recorded_in_one_transaction(tmp_path):
    with filled(tmp_path) as journal:
        with pytest.raises(JournalConflict, match=r"has 10.0.0.1 for aws-cni/c1/eth0, not 10.0.0.9"):
            journal.record((held("new", "10.0.0.8"), held("c1", "10.0.0.9")))
        with pytest.raises(JournalConflict, match=r"has aws-cni/c2/eth0 on 10.0.0.2, so aws-cni/x/eth0 can't have it"):
            journal.record((held("new", "10.0.0.8"), held("new", "10.0.0.8"), held("c2", "10.0.0.2"), held("x", "10.0.0.2")))
        with pytest.raises(UnknownKey):
            journal.record_unassign((release("c1", "10.0.0.1", 40, 10), release("c1", "10.0.0.1", 40, 10)))
        assert addresses(journal) == {"c1": "10.0.0.1", "c2": "10.0.0.2"}


def test_the_state_of_another_journal_can_be_copied(tmp_path):
    naive = MemoryJournal()
    naive.record((held("a", "10.0.0.5"), held("b", "2001:db8::1", pod=POD)))
    naive.record_unassign((release("a", "10.0.0.5", 40, 10),))
    restored = naive.restore(0)
    for opened in (open_json, open_sqlite):
        with opened(tmp_path) as journal:
            journal.record(restored.assigned)
            journal.record(cooling=restored.cooling)
            assert journal.restore(0) == restored


# --- files and places that are refused -----------------------------------------------------------------------------------


def test_a_database_of_another_program_is_refused_and_left_as_it_is(tmp_path):
    shell(tmp_path, "CREATE TABLE a (b)", "PRAGMA user_version = 1")
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(JournalFormatError, match="is a database of another program: give the journal another path"):
        open_sqlite(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


def test_a_journal_of_a_newer_release_is_refused(tmp_path):
    filled(tmp_path).close()
    shell(tmp_path, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(
        JournalFormatError, match=f"has tables of version {len(MIGRATIONS) + 1}, but this release reads at most {len(MIGRATIONS)}"
    ):
        open_sqlite(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / FILE).write_bytes(b"no database " * 100)
    with pytest.raises(JournalCorrupt, match=r"it is damaged, or not a journal .*SqliteJournal.salvage"):
        open_sqlite(tmp_path)
    with pytest.raises(JournalCorrupt, match="nothing can be read"):
        SqliteJournal.salvage(tmp_path / FILE, 0)


def test_an_empty_file_is_refused(tmp_path):
    living = tmp_path / "living"
    living.mkdir()
    with filled(living):  # as after a kill: the log is still there
        for name in (FILE, f"{FILE}-wal"):
            shutil.copy(living / name, tmp_path)
    assert (tmp_path / f"{FILE}-wal").stat().st_size
    os.truncate(tmp_path / FILE, 0)
    with pytest.raises(JournalCorrupt, match="is empty, which a journal never is"):
        open_sqlite(tmp_path)
    (tmp_path / FILE).unlink()
    with pytest.raises(JournalCorrupt, match=r"is missing, but its log ipam.sqlite-wal exists"):
        open_sqlite(tmp_path)


def test_leftovers_of_a_killed_creation_are_replaced(tmp_path):
    for leftover in (f"{FILE}.tmp", f"{FILE}.tmp-journal"):
        (tmp_path / leftover).write_bytes(b"half of it")
    filled(tmp_path).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE, f"{FILE}.lock"]


def test_a_file_system_without_write_ahead_log_is_refused(tmp_path):
    class NoLog(sqlite3.Connection):
        def execute(self, statement, *parameters):
            return super().execute(statement.replace("= WAL", "= DELETE"), *parameters)

    with pytest.raises(JournalError, match=r"can't keep a write-ahead log for .* \(it offers 'delete'\): put it on a local disk"):
        open_sqlite(tmp_path, connect=lambda path, **options: sqlite3.connect(path, factory=NoLog, **options))


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(JournalError, match="No such file"):
        open_sqlite(tmp_path / "nowhere")
    with pytest.raises(JournalCorrupt, match="nothing can be read"):
        SqliteJournal.salvage(tmp_path / FILE, 0)
    (tmp_path / FILE).mkdir()
    with pytest.raises(JournalError, match="could not be opened: it is a folder"):
        SqliteJournal.salvage(tmp_path / FILE, 0)
    with pytest.raises(JournalError, match=r"could not be opened: it is a folder"):
        open_sqlite(tmp_path)


def test_an_index_that_differs_from_its_table_is_refused(tmp_path):
    filled(tmp_path).close()
    data, size = bytearray((tmp_path / FILE).read_bytes()), 4096
    leaves = [offset for offset in range(size, len(data), size) if data[offset] == 0x0A and b"10.0.0.1" in data[offset : offset + size]]
    place = data.index(b"10.0.0.1", leaves[0])
    data[place : place + 8] = b"10.0.0.7"  # by that index, 10.0.0.1 would be free
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(JournalCorrupt, match=r"is damaged: .*missing from index"):
        open_sqlite(tmp_path)


def test_the_folder_of_a_new_journal_is_synced(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(sqlite, "sync_folder", lambda _files, folder: synced.append((folder, (tmp_path / FILE).exists())))
    for _ in range(2):
        open_sqlite(tmp_path).close()
    assert synced == [(tmp_path, True)]


def test_the_lock_is_released_after_the_database_is_closed(tmp_path):
    journal = filled(tmp_path)
    release_lock, seen = journal._lock.release, []

    def look_and_release():
        with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
            journal._connection.execute("SELECT 1")
        seen.append(journal)
        release_lock()

    journal._lock.release = look_and_release
    journal.close()
    assert seen == [journal]


@pytest.mark.parametrize("code", [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB])
def test_nothing_is_recorded_after_damage_was_found(tmp_path, code):
    connections = faulty_connection()
    with open_sqlite(tmp_path, connect=connections.connect) as journal:
        connections.begin(1, code)
        with pytest.raises(JournalCorrupt, match="it is damaged"):
            journal.record((held("c1", "10.0.0.5"),))
        connections.begin()
        with pytest.raises(JournalError, match="takes no more records because it failed before"):
            journal.record((held("c1", "10.0.0.5"),))


# --- schema --------------------------------------------------------------------------------------------------------------


def test_changed_tables_are_refused_and_additional_ones_accepted(tmp_path):
    filled(tmp_path).close()
    shell(tmp_path, "CREATE VIEW mine AS SELECT address FROM assigned")
    open_sqlite(tmp_path).close()
    shell(tmp_path, "ALTER TABLE assigned RENAME COLUMN pod_name TO name")
    with pytest.raises(JournalCorrupt, match=r"is damaged: its tables are not those of version 2. SqliteJournal.salvage\('"):
        open_sqlite(tmp_path)


def test_garbled_table_names_are_refused(tmp_path):
    filled(tmp_path).close()
    data = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(data.replace(b"CREATE TABLE", b"\x80REATE TABLE"))
    with pytest.raises(JournalCorrupt, match=r"is damaged"):
        open_sqlite(tmp_path)
    salvaged = SqliteJournal.salvage(tmp_path / FILE, 0)
    assert (salvaged.assigned, [problem.place for problem in salvaged.problems]) == (
        (),
        ["table assigned", "table cooling", "table released_cidr"],
    )


def test_a_garbled_header_is_refused(tmp_path):
    filled(tmp_path).close()
    for wrong in (0, -1):
        shell(tmp_path, f"PRAGMA user_version = {wrong}")
        with pytest.raises(JournalCorrupt, match=f"its tables are not those of version {wrong}"):
            open_sqlite(tmp_path)


def test_a_new_journal_has_the_current_schema_version_and_application_id(tmp_path):
    filled(tmp_path).close()
    assert shell(tmp_path, "PRAGMA application_id", "PRAGMA user_version") == [[(APPLICATION_ID,)], [(len(MIGRATIONS),)]]


def test_an_older_journal_is_migrated_step_by_step(tmp_path, monkeypatch):
    filled(tmp_path).close()
    steps = (*MIGRATIONS, ("ALTER TABLE cooling ADD COLUMN why TEXT",), ("UPDATE cooling SET why = 'test'", "CREATE TABLE more (x)"))
    monkeypatch.setattr(sqlite, "MIGRATIONS", steps)
    monkeypatch.setattr(schema.migrate, "__defaults__", (steps,))
    monkeypatch.setattr(schema.has_tables_of, "__defaults__", (steps,))
    with open_sqlite(tmp_path) as journal:
        assert addresses(journal) == {"c1": "10.0.0.1", "c2": "10.0.0.2"}
        assert version_of(journal._connection) == len(steps)
    assert shell(tmp_path, "SELECT * FROM cooling", "SELECT count(*) FROM more") == [[("10.0.0.0", 40, 10, "test")], [(0,)]]


def journal_of_version_1(folder):
    """A journal as the releases before 0.3 wrote it."""
    with contextlib.closing(sqlite3.connect(folder / FILE, isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS[:1])
        connection.execute("INSERT INTO cooling VALUES ('10.0.0.5', 40, 10)")


def test_a_journal_without_released_cidrs_is_opened_and_takes_them(tmp_path):
    journal_of_version_1(tmp_path)
    released = (ReleasedCidr("10.0.0.16/28", 60),)
    with open_sqlite(tmp_path) as journal:
        assert journal.restore(10) == Restored((), (Cooling("10.0.0.5", 40, 10),))
        journal.record_released_cidrs(released, 0)
    with open_sqlite(tmp_path) as journal:
        assert journal.restore(10).released_cidrs == released


def test_a_journal_without_released_cidrs_can_be_salvaged(tmp_path):
    journal_of_version_1(tmp_path)
    assert SqliteJournal.salvage(tmp_path / FILE, 10) == Restored((), (Cooling("10.0.0.5", 40, 10),))


@pytest.mark.parametrize(("row", "shown"), [("('x', 60)", "'x'"), ("(CAST(x'fa' AS TEXT), 60)", r"'\udcfa'")])
def test_an_unreadable_released_cidr_is_a_problem_until_it_is_dropped(tmp_path, row, shown):
    open_sqlite(tmp_path).close()
    shell(tmp_path, INSERT_CIDR + row)
    with open_sqlite(tmp_path) as journal:
        (problem,) = journal.restore(0).problems
        assert (problem.place, problem.address) == (f"the released CIDR {shown}", None)
        journal.record(dropped=(problem,))
    with open_sqlite(tmp_path) as journal:
        assert journal.restore(0) == Restored(())


def test_a_failed_migration_step_is_undone_and_earlier_ones_stay():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    steps = (("CREATE TABLE a (x)",), ("CREATE TABLE b (x)", "INSERT INTO nowhere VALUES (1)"))
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            migrate(connection, steps)
        assert version_of(connection) == 1
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("a",)]
    connection.close()


def test_a_failed_migration_step_without_a_transaction_raises_its_own_error():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(connection, (("ROLLBACK", "INSERT INTO nowhere VALUES (1)"),))
    connection.close()


# --- rows that somebody has changed by hand ------------------------------------------------------------------------------

INSERT_CIDR = "INSERT INTO released_cidr VALUES "
INSERT_COOLING = "INSERT INTO cooling VALUES "
INSERT = "INSERT INTO assigned (network_name, container_id, if_name, address, pod_namespace, pod_name, assigned_ns) VALUES "


@pytest.mark.parametrize(
    ("row", "message", "address"),
    [
        ("('aws-cni', '', 'eth0', '10.0.0.9', NULL, NULL, 7)", "its containerID is empty, so it names no sandbox", "10.0.0.9"),
        ("('aws-cni', X'00', 'eth0', '10.0.0.9', NULL, NULL, 7)", "its containerID is not a text", "10.0.0.9"),
        ("('aws-cni', CAST(X'FF' AS TEXT), 'eth0', '10.0.0.9', NULL, NULL, 7)", "its containerID is not UTF-8", "10.0.0.9"),
        ("('aws-cni', 'x', 'eth0', '10.0.0', NULL, NULL, 7)", "'10.0.0' is not an IP address", None),
        ("('aws-cni', 'x', 'eth0', X'0A000009', NULL, NULL, 7)", "its ipv4 is not a text", None),
        (
            "('aws-cni', 'x', 'eth0', '2001:DB8::1', NULL, NULL, 7)",
            "its address 2001:DB8::1 must be written 2001:db8::1",
            "2001:db8::1",
        ),
        ("('aws-cni', 'x', 'eth0', '10.0.0.9', NULL, 5.5, 7)", None, None),  # TEXT makes a text of it
        ("('aws-cni', 'x', 'eth0', '10.0.0.9', NULL, X'00', 7)", "its k8sPodName is not a text", "10.0.0.9"),
        ("('aws-cni', 'x', 'eth0', '10.0.0.9', NULL, NULL, 'then')", "its allocationTimestamp is not an integer", "10.0.0.9"),
    ],
)
def test_an_invalid_row_is_a_problem_until_it_is_dropped(tmp_path, row, message, address):
    filled(tmp_path).close()
    shell(tmp_path, INSERT + row)
    with open_sqlite(tmp_path) as journal:
        problems = journal.restore(20).problems
        if message is None:
            assert problems == ()
            return
        (problem,) = problems
        assert (problem.place, problem.message, problem.address) == ("row 4 of assigned", message, address)
        assert addresses(journal) == {"c1": "10.0.0.1", "c2": "10.0.0.2"}
        if address is not None:
            with pytest.raises(JournalConflict):
                journal.record((held("new", address),))
        with pytest.raises(UnknownKey):
            journal.record(dropped=(problem, problem))
        assert journal.restore(20).problems == (problem,)
        journal.record(dropped=(problem,))
        assert journal.restore(20).problems == ()
        if address is not None:
            journal.record((held("new", address),))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("('10.0.0', 50, 20)", "'10.0.0' is not an IP address"),
        ("('10.0.0.9', 'x', 20)", "its untilTimestamp is not an integer"),
        ("(CAST(x'31fa' AS TEXT), 50, 20)", "its address is not UTF-8"),
        ("(x'31fa', 50, 20)", "its address is not a text"),
    ],
)
def test_an_invalid_cooldown_is_a_problem_until_it_is_dropped(tmp_path, row, message):
    filled(tmp_path).close()
    shell(tmp_path, INSERT_COOLING + row)
    with open_sqlite(tmp_path) as journal:
        (problem,) = journal.restore(20).problems
        assert problem.message == message
        assert journal.restore(20).cooling == (Cooling("10.0.0.0", 40, 10),)
        journal.record(dropped=(problem,))
        assert journal.restore(20).problems == ()


def test_a_cooldown_of_an_assigned_address_is_ignored(tmp_path):
    filled(tmp_path).close()
    shell(tmp_path, "INSERT INTO cooling VALUES ('10.0.0.1', 50, 20)")
    with open_sqlite(tmp_path) as journal:
        assert journal.restore(20).cooling == (Cooling("10.0.0.0", 40, 10),)
        journal.record_unassign((release("c1", "10.0.0.1", 55, 25),))
        assert journal.restore(25).cooling == (Cooling("10.0.0.0", 40, 10), Cooling("10.0.0.1", 55, 25))


def test_no_cooldown_is_recorded_for_an_assigned_address(tmp_path):
    with filled(tmp_path) as journal:
        journal.record(cooling=(Cooling("10.0.0.1", 90), Cooling("10.0.0.9", 90)))
    assert shell(tmp_path, "SELECT address FROM cooling") == [[("10.0.0.0",), ("10.0.0.9",)]]


# --- truncated and garbled files -----------------------------------------------------------------------------------------


def test_a_truncated_log_restores_an_earlier_state(tmp_path):
    (tmp_path / "whole").mkdir()
    journal = open_sqlite(tmp_path / "whole")
    store = node(journal, cooldown_ns=30)
    states = [journal.restore(100)]
    for now in range(8):
        store.assign(key(f"c{now}"), now)
        states.append(journal.restore(100))
        if now % 2:
            store.unassign(key(f"c{now - 1}"), now)
            states.append(journal.restore(100))
    torn = tmp_path / "torn"
    torn.mkdir()
    log = (tmp_path / "whole" / f"{FILE}-wal").read_bytes()
    found = set()
    for length in [*range(0, len(log), 997), len(log)]:
        shutil.copy(tmp_path / "whole" / FILE, torn / FILE)
        (torn / f"{FILE}-wal").write_bytes(log[:length])
        with open_sqlite(torn) as again:
            restored = again.restore(100)
        assert restored in states, length
        found.add(states.index(restored))
    assert found == set(range(len(states)))
    journal.close()


def test_a_truncated_database_is_refused_and_can_be_salvaged(tmp_path):
    with filled(tmp_path, 400) as journal:
        every = journal.restore(20)
    data = (tmp_path / FILE).read_bytes()
    counts = set()
    for length in range(512, len(data), 3 * 512):
        (tmp_path / FILE).write_bytes(data[:length])
        with pytest.raises(JournalCorrupt, match="damaged"):
            open_sqlite(tmp_path)
        try:
            salvaged = SqliteJournal.salvage(tmp_path / FILE, 20)
        except JournalCorrupt:
            continue
        assert set(salvaged.assigned) <= set(every.assigned)
        lost = any("it is damaged, and rows are lost" in problem.message for problem in salvaged.problems)
        assert lost or salvaged == every, "what is cut off there is an index alone"
        assert (tmp_path / FILE).read_bytes() == data[:length]
        counts.add(len(salvaged.assigned))
    assert any(0 < count < len(every.assigned) for count in counts), counts


def test_a_salvage_takes_little_memory_whatever_length_the_header_names(tmp_path):
    with filled(tmp_path) as journal:
        whole = journal.restore(0)
    with (tmp_path / FILE).open("r+b") as file:
        file.seek(28)
        file.write((60_000).to_bytes(4))  # 240 MB
    tracemalloc.start()
    try:
        assert SqliteJournal.salvage(tmp_path / FILE, 0).assigned == whole.assigned
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_salvage_reads_the_log_as_well(tmp_path):
    living = tmp_path / "living"
    living.mkdir()
    with filled(living) as journal:  # as after a kill
        for name in (FILE, f"{FILE}-wal"):
            shutil.copy(living / name, tmp_path)
        assert SqliteJournal.salvage(tmp_path / FILE, 20) == journal.restore(20)


def test_a_damaged_page_loses_only_its_own_rows(tmp_path):
    with filled(tmp_path, 400) as journal:
        every = journal.restore(20)
    data = bytearray((tmp_path / FILE).read_bytes())
    page = data.index(b"c200aws") // 4096 if b"c200aws" in data else data.index(b"aws-cnic200") // 4096
    data[page * 4096 : page * 4096 + 64] = bytes(64)
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(JournalCorrupt):
        open_sqlite(tmp_path)
    salvaged = SqliteJournal.salvage(tmp_path / FILE, 20)
    numbers = [int(entry.key.container_id[1:]) for entry in salvaged.assigned]
    assert numbers == sorted(numbers)
    assert {1, 399} <= set(numbers), "what lies before the damage, and what lies behind it"
    assert 200 not in numbers
    assert set(salvaged.assigned) <= set(every.assigned)
    assert [problem.place for problem in salvaged.problems] == ["table assigned"]


@given(st.data())
def test_garbled_bytes_are_read_or_refused(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("garbled")
    filled(folder).close()
    content = bytearray((folder / FILE).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / FILE).write_bytes(content)
    try:
        with open_sqlite(folder) as journal:
            restored = journal.restore(20)
            assert len({entry.address for entry in restored.assigned}) == len(restored.assigned)
    except JournalError:
        pass
    shutil.rmtree(folder)


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
    faults = faulty_connection()
    store = node(open_sqlite(folder, connect=faults.connect), cooldown_ns=30)
    store.assign_many([(key(name), None) for name in ("web", "api", "gone")], 0)
    store.unassign(key("gone"), 90)
    faults.begin()
    return store, faults


def seen(store):
    return list(store.assignments()), store.stats(100), store.cooldowns(100)


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_BUSY])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_fault_at_any_statement_undoes_the_change(tmp_path, change, code, after, record_property):
    store, faults = begin(tmp_path / "counting")
    change(store)
    statements = list(faults.done)
    record_property("crash states", len(statements))
    assert (statements[0], statements[-1]) == ("BEGIN", "COMMIT")
    expected = {(entry.key, entry.address) for entry in store._sandboxes._journal.restore(100).assigned}
    store._sandboxes._journal.close()
    for at, statement in enumerate(statements):
        folder = tmp_path / str(at)
        store, faults = begin(folder)
        journal, before = store._sandboxes._journal, seen(store)
        recorded = journal.restore(100)
        faults.begin(at, code, after=after)
        in_doubt = statement == "COMMIT" and code == sqlite3.SQLITE_IOERR_FSYNC
        answer = "could not be synced, so a restart may find the change" if in_doubt else "could not be written, so nothing is recorded"
        with pytest.raises(JournalError, match=answer):
            change(store)
        faults.begin()
        assert seen(store) == before, statement
        store._check()
        if code == sqlite3.SQLITE_IOERR_FSYNC:  # what the disk has is unknown now
            with pytest.raises(
                JournalError, match=r"takes no more records because it failed before \(injected\): open it again and restore"
            ):
                change(store)
            assert seen(store) == before
        elif not (after and statement == "COMMIT"):
            assert journal.restore(100) == recorded
            change(store)
        journal.close()
        with open_sqlite(folder) as again:
            found = {(entry.key, entry.address) for entry in again.restore(100).assigned}
            allowed = [expected] if code != sqlite3.SQLITE_IOERR_FSYNC else [{(entry.key, entry.address) for entry in recorded.assigned}]
            assert found in ([*allowed, expected] if statement == "COMMIT" and after else allowed)


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY])
def test_a_decision_about_a_problem_that_cannot_be_recorded_can_be_repeated(tmp_path, code):
    filled(tmp_path).close()
    shell(tmp_path, INSERT + "('aws-cni', 'x', 'eth0', '10.0.0.9', NULL, NULL, 'then')")
    faults = faulty_connection()
    with open_sqlite(tmp_path, connect=faults.connect) as journal:
        (problem,) = journal.restore(20).problems
        for at in range(3):  # BEGIN, DELETE, COMMIT
            faults.begin(at, code)
            with pytest.raises(JournalError, match="nothing is recorded"):
                journal.record(dropped=(problem,))
            faults.begin()
            assert journal.restore(20).problems == (problem,)
        faults.begin()
        journal.record(dropped=(problem,))
        assert len(faults.done) == 3
        assert journal.restore(20).problems == ()


def test_a_failed_rollback_ends_the_journal(tmp_path):
    class Dying(sqlite3.Connection):
        dead = False

        def execute(self, statement, *parameters):
            if type(self).dead and not statement.startswith("BEGIN"):
                raise sqlite3.OperationalError("dead")
            return super().execute(statement, *parameters)

    journal = open_sqlite(tmp_path, connect=lambda path, **options: sqlite3.connect(path, factory=Dying, **options))
    Dying.dead = True
    with pytest.raises(JournalError, match=r"SQLite refused \(dead\)"):
        journal.record((held("a", "10.0.0.5"),))
    Dying.dead = False
    with pytest.raises(JournalError, match=r"failed before \(dead\)"):
        journal.record((held("a", "10.0.0.5"),))
    journal.close()
    with open_sqlite(tmp_path) as again:
        assert addresses(again) == {}


def test_an_interrupt_while_writing_is_rolled_back(tmp_path):
    class Interrupted(sqlite3.Connection):
        at = None

        def execute(self, statement, *parameters):
            if type(self).at and statement.startswith(type(self).at):
                raise KeyboardInterrupt
            return super().execute(statement, *parameters)

    journal = open_sqlite(tmp_path, connect=lambda path, **options: sqlite3.connect(path, factory=Interrupted, **options))
    for at in ("BEGIN", "INSERT", "DELETE", "COMMIT"):
        Interrupted.at = at
        with pytest.raises(KeyboardInterrupt):
            journal.record((held("a", "10.0.0.5"),))
        Interrupted.at = None
        assert addresses(journal) == {}
    journal.close()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_CORRUPT])
def test_a_fault_at_any_statement_of_opening_is_reported_and_closes_everything(tmp_path, code):
    faults = faulty_connection()
    faults.begin()
    (tmp_path / "counting").mkdir()
    open_sqlite(tmp_path / "counting", connect=faults.connect).close()
    for at in range(len(faults.done)):
        folder = tmp_path / str(at)
        folder.mkdir()
        faults.begin(at, code)
        with pytest.raises(JournalError, match="could not be opened"):
            open_sqlite(folder, connect=faults.connect)
        with open_sqlite(folder) as journal:
            assert addresses(journal) == {}


def test_a_full_disk_undoes_the_assign(tmp_path):
    store = node(open_sqlite(tmp_path), cooldown_ns=30)
    store.assign(key("web"), 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / f"{FILE}-wal").stat().st_size + 100, hard))
    try:
        with pytest.raises(JournalError, match=r"the disk (is full|fails)"):
            store.assign(key("api"), 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [each.container_id for each, _ in store.assignments()] == ["web"]
    store._sandboxes._journal.close()
    with open_sqlite(tmp_path) as journal:
        assert addresses(journal) == {"web": "10.0.0.0"}


def test_a_full_database_refuses_and_works_again_with_room(tmp_path):
    journal = open_sqlite(tmp_path)
    store = node(
        journal, ["10.0.0.0/28"] + [f"10.0.{third}.{last}/28" for third in range(1, 30) for last in range(0, 256, 16)], cooldown_ns=30
    )
    (pages,) = journal._connection.execute("PRAGMA page_count").fetchone()
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    wanted = [(key(f"c{number}"), POD) for number in range(400)]
    with pytest.raises(JournalError, match="the disk is full: free some space"):
        store.assign_many(wanted, 0)
    assert list(store.assignments()) == []
    assert store.assign(key("small"), 1).address == "10.0.0.0"
    journal._connection.execute("PRAGMA max_page_count = 100000")
    assert len(store.assign_many(wanted, 2)) == 400
    journal.close()


def test_a_read_only_database_is_refused(tmp_path):
    filled(tmp_path).close()

    def connect(path, **options):
        connection = sqlite3.connect(path, **options)
        connection.execute("PRAGMA query_only = ON")
        return connection

    journal = open_sqlite(tmp_path, connect=connect)
    with pytest.raises(JournalError, match="it is read-only: let this user write"):
        journal.record((held("new", "10.0.0.9"),))
    assert addresses(journal) == {"c1": "10.0.0.1", "c2": "10.0.0.2"}
    journal.close()


def test_a_write_waits_for_another_program_and_then_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.01)
    with filled(tmp_path) as journal:
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalLocked, match=r"another program has had the database locked for 0.01 s .*; try again"):
            journal.record((held("new", "10.0.0.9"),))
        other.execute("ROLLBACK")
        other.close()
        journal.record((held("new", "10.0.0.9"),))


def test_threads_can_share_a_journal(tmp_path):
    journal = open_sqlite(tmp_path)

    def work(number):
        for turn in range(50):
            journal.record((held(f"c{number}", f"10.0.0.{number}"),))
            journal.restore(turn)
            if turn < 49:
                journal.record_unassign((release(f"c{number}", f"10.0.0.{number}", turn + 1, turn),))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert addresses(journal) == {f"c{number}": f"10.0.0.{number}" for number in range(4)}
    journal.close()


def test_a_database_with_names_that_are_no_text_is_refused_and_closed(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(SqliteJournal, "_set_up", lambda *_: b"\xff".decode())
        with pytest.raises(JournalCorrupt, match="has names that are not UTF-8"):
            SqliteJournal(tmp_path / FILE)
    with SqliteJournal(tmp_path / FILE) as journal:
        assert journal.restore(0).assigned == ()


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"], ids=["database", "log", "index"])
def test_a_journal_whose_file_is_gone_takes_no_more_records(tmp_path, suffix, replaced):
    store = node(open_sqlite(tmp_path))
    store.assign(key("a"), 1)
    file = tmp_path / f"{FILE}{suffix}"
    content = file.read_bytes()
    file.unlink()
    if replaced:
        file.write_bytes(content)
    for change in (lambda: store.assign(key("b"), 2), lambda: store.unassign(key("a"), 2)):
        with pytest.raises(JournalError, match="was deleted or replaced while the journal was open"):
            change()
    assert [each for each, _ in store.assignments()] == [key("a")]
    file.write_bytes(content)  # too late: the records since then would be missing
    with pytest.raises(JournalError, match="was deleted or replaced while the journal was open"):
        store.assign(key("b"), 2)
    store._sandboxes._journal.close()
