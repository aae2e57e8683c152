"""The journal in a SQLite database. A change costs O(log sandboxes)."""

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeVar

import attrs

from vpcipam.errors import InvalidArgument, JournalCorrupt, JournalError, JournalFormatError, JournalLocked
from vpcipam.journal.allocations import UnreadableError, find_contradictions, parse_allocation, parse_cooling, parse_released_cidr
from vpcipam.journal.files import Files, file_id, journal_path, sync_folder, translated
from vpcipam.journal.lock import ProcessLock
from vpcipam.journal.protocol import (
    Assigned,
    Closing,
    Cooling,
    Problem,
    Released,
    ReleasedCidr,
    Restored,
    address_taken,
    check_undecided,
    is_storable,
    key_taken,
    not_held,
    unknown_problem,
)
from vpcipam.journal.schema import APPLICATION_ID, MIGRATIONS, has_tables_of, migrate, version_of
from vpcipam.sandbox import SandboxKey

Synchronous = Literal["FULL", "NORMAL", "OFF"]
Connect = Callable[..., sqlite3.Connection]
Execute = Callable[..., sqlite3.Cursor]
_Result = TypeVar("_Result")
BUSY_TIMEOUT_S = 1.0
"""How long to wait for another program that locks the database, such as the sqlite3 shell."""


class SqliteJournal(Closing):
    """A journal in a SQLite database with a write-ahead log: one row for each sandbox, one for each address that cools.

    Any thread can call it at any time; a lock serializes the calls. Only one process can have it open; a `.lock` file beside it has the
    process id. A forked child must open the journal again, after the parent has closed it.

    After a disk failure, the journal refuses further records, since the content of the disk is unknown. Open it again and continue from
    what it restores. It also refuses them after somebody has deleted or replaced one of its files: SQLite would go on writing to the
    deleted file, and a restart would not find these records.
    """

    def __init__(self, path: Path | str, *, synchronous: Synchronous = "FULL", connect: Connect = sqlite3.connect) -> None:
        """Open a journal. If there is none, create one.

        Args:
            path: the database, a file with one name; symbolic links are followed once. While it is open, and after a crash, `-wal` and
                `-shm` files beside it belong to it.
            synchronous: which records survive a power cut. `FULL`: all. `NORMAL`: all but perhaps the last ones. `OFF`: perhaps none.
                If only the process is killed, all records survive in all three. Only `FULL` waits for the disk on each record.
            connect: opens the database; for tests.

        Raises:
            JournalLocked: another process has it open.
            JournalCorrupt: it is damaged; the message says how to read the undamaged part.
            JournalFormatError: a newer release or another program wrote it.
            JournalError: the path can't be a journal's, or the file system refuses access.
        """
        if synchronous not in ("FULL", "NORMAL", "OFF"):
            raise InvalidArgument(f"synchronous must be FULL, NORMAL or OFF, not {synchronous!r}")
        self.path = journal_path(path, "{name}.lock", "{name}.tmp", "{name}-wal", "{name}-shm")
        self._connect = connect
        self._failure: str | None = None
        self._lock = ProcessLock(self.path.with_name(f"{self.path.name}.lock"))
        try:
            self._lock.acquire()
            _create_if_missing(self.path, connect)
            self._connection = _open(self.path, connect)
            try:
                self._set_up(synchronous)
            except BaseException:
                self._connection.close()
                raise
        except BaseException as error:
            self._lock.release()
            if isinstance(error, sqlite3.Error):
                raise self._explained(error, "opened") from error
            if isinstance(error, UnicodeDecodeError):
                raise JournalCorrupt(f"{self.path} is damaged: its schema has names that are not UTF-8. {_salvage(self.path)}") from error
            raise

    def _set_up(self, synchronous: Synchronous) -> None:
        execute = self._connection.execute
        (application,), version = execute("PRAGMA application_id").fetchone(), version_of(self._connection)
        if application != APPLICATION_ID:
            raise JournalFormatError(f"{self.path} is a database of another program: give the journal another path")
        if version > len(MIGRATIONS):
            raise JournalFormatError(
                f"{self.path} has tables of version {version}, but this release reads at most {len(MIGRATIONS)}: use a newer release"
            )
        (finding,) = execute("PRAGMA integrity_check(1)").fetchone()
        if version < 1 or not has_tables_of(self._connection, version):
            finding = f"its tables are not those of version {version}"
        if finding != "ok":
            raise JournalCorrupt(f"{self.path} is damaged: {finding}. {_salvage(self.path)}")
        (mode,) = execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise JournalError(f"SQLite can't keep a write-ahead log for {self.path} (it offers {mode!r}): put it on a local disk")
        execute(f"PRAGMA synchronous = {synchronous}")
        migrate(self._connection)
        self._problems = dict(_read(self._connection).problems)
        paths = [f"{self.path}{suffix}" for suffix in ("", "-wal", "-shm")]
        self._file_ids = [(path, file_id(path)) for path in paths]

    @classmethod
    def salvage(cls, path: Path | str, now_ns: int) -> Restored:
        """Return the readable content of a damaged journal. This reads a copy, changes nothing and ignores the lock.

        To continue, move the damaged file and its `-wal` away, open a new journal, and record there what this returns. Sandboxes of lost
        entries may still run, and others would get their addresses: first ask the container runtime which sandboxes it runs.

        Raises:
            JournalCorrupt: nothing can be read.
            JournalError: there is no such file, or it can't be copied.
        """
        path, files = journal_path(path, "{name}-wal", links=True), Files()
        with tempfile.TemporaryDirectory() as folder, translated(path, "copied"):
            copy = Path(folder) / "journal"
            for suffix in ("", "-wal"):
                data = files.read(path.with_name(path.name + suffix))
                if data is not None:
                    copy.with_name(copy.name + suffix).write_bytes(data)
                    if not suffix:
                        _pad(copy, data)
            try:
                with contextlib.closing(_open(copy, sqlite3.connect)) as connection:
                    if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
                        raise JournalCorrupt(f"nothing can be read of {path}: it does not exist, or is not a journal")
                    return _read(connection, lenient=True).restored(now_ns)
            except _DAMAGE as error:
                raise JournalCorrupt(f"nothing can be read of {path}: {error}") from error

    def record(self, assigned: tuple[Assigned, ...] = (), cooling: tuple[Cooling, ...] = (), *, dropped: tuple[Problem, ...] = ()) -> None:
        """Record changes in one transaction; see `Journal`. Complexity: O(log sandboxes) for each."""
        gone: set[Problem] = set()

        def statements(execute: Execute) -> None:
            for problem in dropped:
                if problem in gone or problem not in self._problems:
                    raise unknown_problem(problem)
                execute(*self._problems[problem])
                gone.add(problem)
            for each in assigned:
                _insert(execute, each, self._problems.keys() - gone)
            for cooldown in cooling:
                _cool(execute, cooldown)

        def forget() -> None:
            for problem in gone:
                self._problems.pop(problem, None)

        self._run(statements, committed=forget)

    def record_unassign(self, released: Released) -> None:
        """Record, all or none, that sandboxes gave their addresses back; see `Journal`. Complexity: O(log sandboxes) for each."""

        def statements(execute: Execute) -> None:
            now_ns = 0
            for key, cooling in released:
                if not all(map(is_storable, key)):
                    raise not_held(key, cooling)
                gone = execute(
                    "DELETE FROM assigned WHERE container_id = ? AND if_name = ? AND network_name = ? AND address = ?",
                    (key.container_id, key.if_name, key.network_name, cooling.address),
                )
                if not gone.rowcount:
                    raise not_held(key, cooling)
                now_ns = max(now_ns, cooling.released_ns or 0)
                execute(
                    "REPLACE INTO cooling (address, until_ns, released_ns) VALUES (?, ?, ?)",
                    (cooling.address, cooling.until_ns, cooling.released_ns),
                )
            execute("DELETE FROM cooling WHERE until_ns <= ?", (now_ns,))

        self._run(statements)

    def record_released_cidrs(self, released: tuple[ReleasedCidr, ...], now_ns: int) -> None:
        """Record in one transaction that a node is about to give CIDRs back; see `CidrJournal`."""

        def statements(execute: Execute) -> None:
            execute("DELETE FROM released_cidr WHERE until_ns <= ?", (now_ns,))
            for each in released:
                execute("REPLACE INTO released_cidr (cidr, until_ns) VALUES (?, ?)", (each.cidr, each.until_ns))

        self._run(statements)

    def restore(self, now_ns: int) -> Restored:
        """Return the content of the database; see `Journal`."""
        return self._run(lambda _: _read(self._connection).restored(now_ns), "BEGIN", "read")

    def close(self) -> None:
        """Close the database, so that another process can open it; see `Journal`."""
        with self._lock.threads:
            self._connection.close()
            self._lock.release()

    def _run(
        self,
        statements: Callable[[Execute], _Result],
        begin: str = "BEGIN IMMEDIATE",
        doing: str = "written, so nothing is recorded",
        *,
        committed: Callable[[], None] = lambda: None,
    ) -> _Result:
        """Run statements as one transaction, and call `committed` after the commit; return what the statements return."""
        with self._lock.threads:
            self._lock.require()
            self._check_files()
            if self._failure is None and self._connection.in_transaction:
                self._roll_back()  # a second interrupt kept the last call from doing it
            if self._failure is not None:
                raise JournalError(
                    f"{self.path} takes no more records because it failed before ({self._failure}): open it again and restore"
                )
            committing = False
            try:
                self._connection.execute(begin)
                result = statements(self._connection.execute)
                committing = True
                self._connection.execute("COMMIT")
            except BaseException as error:
                self._roll_back()
                if isinstance(error, sqlite3.Error):
                    in_doubt = committing and _code(error) == sqlite3.SQLITE_IOERR  # the log can have the commit, only not synced
                    raise self._explained(error, "synced, so a restart may find the change" if in_doubt else doing) from error
                raise
            committed()
            return result

    def _check_files(self) -> None:
        """Refuse further records if a file is not the one that was opened."""
        for path, opened in self._file_ids:
            if self._failure is None and file_id(path) != opened:
                self._failure = f"{path} was deleted or replaced while the journal was open, and a restart would not find new records"

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._failure = str(error)

    def _explained(self, error: sqlite3.Error, doing: str) -> JournalError:
        """Return the journal error for a SQLite error. After an error of the disk or the file, refuse further records."""
        code = _code(error)
        what = f"{self.path} could not be {doing}: "
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            self._failure = str(error)
            return JournalCorrupt(f"{what}it is damaged, or not a journal ({error}). {_salvage(self.path)}")
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return JournalLocked(f"{what}another program has had the database locked for {BUSY_TIMEOUT_S:g} s ({error}); try again")
        if code == sqlite3.SQLITE_IOERR:
            self._failure = str(error)
        cause = _CAUSES.get(code, "SQLite refused")
        return JournalError(f"{what}{cause} ({error})")


def _code(error: sqlite3.Error) -> int:
    """Return the primary code of an error."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


_CAUSES = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_READONLY: "it is read-only: let this user write the file, its -wal and -shm, and their folder",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened: check that the folder exists and that this user may write in it",
    sqlite3.SQLITE_IOERR: "the disk fails",
}


_DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)  # sqlite3 raises UnicodeDecodeError if a name is garbled


def _salvage(path: Path) -> str:
    return f"SqliteJournal.salvage({str(path)!r}, now_ns) returns the readable part; its documentation says how to continue"


def _open(path: Path, connect: Connect) -> sqlite3.Connection:
    """Open a database with explicit transactions. Any thread can use it while it holds the journal's lock."""
    connection = connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_S)
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    return connection


def _pad(path: Path, data: bytes) -> None:
    """Pad a truncated database to the length in its header, since SQLite refuses to read it otherwise.

    Drop an incomplete page, since its rows would be garbled. The header has the page size at byte 16 and the page count at byte 28. The
    padding is a hole in the file, because a damaged header can name any length.
    """
    size = int.from_bytes(data[16:18]) or 1
    whole = len(data) // size * size
    os.truncate(path, whole)
    os.truncate(path, max(whole, min(size * int.from_bytes(data[28:32]), _LENGTH_MAX)))


_LENGTH_MAX = 1 << 28  # far more than any node's journal


def _create_if_missing(path: Path, connect: Connect) -> None:
    """Create a database if there is none: write it under another name, then rename it.

    So a journal is never an empty file, not even after a crash. SQLite would take an empty file for a new database and delete its log.
    """
    files, log = Files(), path.with_name(f"{path.name}-wal")
    if path.exists():
        if not path.stat().st_size:
            raise JournalCorrupt(f"{path} is empty, which a journal never is: it was truncated. Remove it and its -wal to start a new one")
        return
    if log.exists():
        raise JournalCorrupt(
            f"{path} is missing, but its log {log.name} exists: restore the file, or remove the log to start a new journal"
        )
    temporary = path.with_name(f"{path.name}.tmp")
    with translated(path, "created"):
        for suffix in ("", "-journal"):
            temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)
        with contextlib.closing(_open(temporary, connect)) as connection:
            migrate(connection)
        files.rename(temporary, path)
        sync_folder(files, path.parent)


def _cool(execute: Execute, cooling: Cooling) -> None:
    """Insert a cooldown, unless a sandbox holds the address or the address cools for longer."""
    execute(
        "INSERT INTO cooling (address, until_ns, released_ns) SELECT ?, ?, ? "
        "WHERE NOT EXISTS (SELECT 1 FROM assigned WHERE address = ?) "
        "ON CONFLICT (address) DO UPDATE SET until_ns = excluded.until_ns, released_ns = excluded.released_ns "
        "WHERE cooling.until_ns < excluded.until_ns",
        (cooling.address, cooling.until_ns, cooling.released_ns, cooling.address),
    )


def _insert(execute: Execute, new: Assigned, problems: Iterable[Problem]) -> None:
    """Insert an assignment, unless it is there already.

    Raises:
        JournalConflict: it contradicts another entry.
    """
    key, pod = new.key, new.pod
    place = (key.container_id, key.if_name, key.network_name)
    inserted = execute(
        "INSERT INTO assigned (container_id, if_name, network_name, address, pod_namespace, pod_name, assigned_ns) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (*place, new.address, pod and pod.namespace, pod and pod.name, new.assigned_ns),
    )
    if inserted.rowcount:
        check_undecided((new,), problems)
        execute("DELETE FROM cooling WHERE address = ?", (new.address,))
        return
    held = execute("SELECT address FROM assigned WHERE container_id = ? AND if_name = ? AND network_name = ?", place).fetchone()
    if held is None:
        check_undecided((new,), problems)
        holder = execute("SELECT network_name, container_id, if_name FROM assigned WHERE address = ?", (new.address,)).fetchone()
        raise address_taken(new, SandboxKey(*holder))
    if held[0] != new.address:
        raise key_taken(new, held[0])


# --- reading it back -----------------------------------------------------------------------------------------------------


_SELECT_ASSIGNED = (
    "SELECT row, network_name, container_id, if_name, address, pod_namespace, pod_name, assigned_ns FROM assigned ORDER BY row"
)
_SELECT_COOLING = "SELECT address, until_ns, released_ns FROM cooling ORDER BY address"
_SELECT_RELEASED_CIDRS = "SELECT cidr, until_ns FROM released_cidr ORDER BY cidr"


@attrs.frozen
class _Content:
    """The content of the tables. Each problem maps to the statement that deletes its entry, and the parameters of that statement."""

    assigned: tuple[Assigned, ...]
    cooling: tuple[Cooling, ...]
    released_cidrs: tuple[ReleasedCidr, ...]
    problems: Mapping[Problem, tuple[str, tuple[object, ...]]]

    def restored(self, now_ns: int) -> Restored:
        """Return the content at a time, as `Journal.restore` does."""
        held = {entry.address for entry in self.assigned}
        cooling = (each for each in self.cooling if each.address not in held)
        return Restored.at(now_ns, self.assigned, cooling, self.problems, self.released_cidrs)


def _read(connection: sqlite3.Connection, *, lenient: bool = False) -> _Content:
    """Read the tables. If `lenient`, skip damaged rows; otherwise they raise `sqlite3.Error`."""
    problems: dict[Problem, tuple[str, tuple[object, ...]]] = {}
    rows, damage = _rows(connection, _SELECT_ASSIGNED, lenient=lenient)
    assigned = []
    for (number, *_), each in zip(rows, find_contradictions([_allocation(row) for row in rows]), strict=True):
        if isinstance(each, Problem):
            problems[each] = "DELETE FROM assigned WHERE row = ?", (number,)
        else:
            assigned.append(each)
    rows, more_damage = _rows(connection, _SELECT_COOLING, lenient=lenient)
    cooling = []
    for row in rows:
        fields = dict(zip(("address", "untilTimestamp", "releasedTimestamp"), row, strict=True))
        try:
            cooling.append(parse_cooling(fields))
        except UnreadableError as error:
            problem = Problem(f"the cooldown of {row[0]!r}", str(error), None, None, repr(row))
            problems[problem] = _deletion("DELETE FROM cooling WHERE address IS", row[0])
    released_cidrs, cidr_damage = [], ""
    if version_of(connection) >= 2:  # a damaged journal is read as it is, without a migration
        rows, cidr_damage = _rows(connection, _SELECT_RELEASED_CIDRS, lenient=lenient)
    else:
        rows = []
    for row in rows:
        try:
            released_cidrs.append(parse_released_cidr(dict(zip(("cidr", "untilTimestamp"), row, strict=True))))
        except UnreadableError as error:
            problem = Problem(f"the released CIDR {row[0]!r}", str(error), None, None, repr(row))
            problems[problem] = _deletion("DELETE FROM released_cidr WHERE cidr IS", row[0])
    for table, found in (("assigned", damage), ("cooling", more_damage), ("released_cidr", cidr_damage)):
        if found:
            problems[Problem(f"table {table}", f"it is damaged, and rows are lost: {found}", None, None, "")] = "SELECT 1", ()
    return _Content(tuple(assigned), tuple(cooling), tuple(released_cidrs), problems)


def _deletion(statement: str, key: object) -> tuple[str, tuple[object, ...]]:
    """End a statement with a key, as it is in the table. A text goes as bytes, since one that is not UTF-8 can't be a parameter."""
    if isinstance(key, str):
        return f"{statement} CAST(? AS TEXT)", (key.encode("utf-8", "surrogateescape"),)
    return f"{statement} ?", (key,)


def _rows(connection: sqlite3.Connection, statement: str, *, lenient: bool) -> tuple[list[tuple[object, ...]], str]:
    """Read a table; return its rows and its damage, as text. If `lenient`, read the rows on both sides of the damage."""
    before: list[tuple[object, ...]] = []  # if a row fails, `extend` keeps the rows before it
    try:
        before.extend(connection.execute(statement))
    except _DAMAGE as error:
        if not lenient:
            raise
        behind: list[tuple[object, ...]] = []
        with contextlib.suppress(*_DAMAGE):
            behind.extend(connection.execute(f"{statement} DESC"))
        known = {row[0] for row in before}
        return before + [row for row in reversed(behind) if row[0] not in known], str(error)
    return before, ""


def _allocation(row: tuple[object, ...]) -> tuple[str, str, Assigned | Problem]:
    """Read a row, with ipamd's names for its fields; return its place, its text and its content."""
    number, network_name, container_id, if_name, address, namespace, name, assigned_ns = row
    fields = {
        "networkName": network_name,
        "containerID": container_id,
        "ifName": if_name,
        "ipv6" if isinstance(address, str) and ":" in address else "ipv4": address,
        "allocationTimestamp": assigned_ns,
        "metadata": {field: value for field, value in (("k8sPodNamespace", namespace), ("k8sPodName", name)) if value is not None},
    }
    place, text = f"row {number} of assigned", repr(row)
    entry = parse_allocation(place, text, fields)
    if isinstance(entry, Assigned) and entry.address != address:  # the database compares addresses as text
        entry = Problem(place, f"its address {address} must be written {entry.address}", entry.key, entry.address, text)
    return place, text, entry
