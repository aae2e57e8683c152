"""The journal in a SQLite database: a change costs the same, however many sandboxes there are."""

import contextlib
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import attrs

from vpcipam.errors import InvalidArgument, JournalCorrupt, JournalError, JournalFormatError, JournalLocked
from vpcipam.journal.candidates import Candidate, UnreadableError, judge, read_candidate, read_cooling
from vpcipam.journal.files import Files, sync_folder, translated
from vpcipam.journal.lock import ProcessLock
from vpcipam.journal.protocol import (
    Assigned,
    Cooling,
    Problem,
    Released,
    Restored,
    address_taken,
    check_undecided,
    key_taken,
    not_held,
    unknown_problem,
)
from vpcipam.journal.schema import APPLICATION_ID, MIGRATIONS, has_tables_of, migrate, version_of
from vpcipam.sandbox import SandboxKey

Synchronous = Literal["FULL", "NORMAL", "OFF"]
Connect = Callable[..., sqlite3.Connection]
Execute = Callable[..., sqlite3.Cursor]
BUSY_TIMEOUT_S = 1.0
"""How long to wait for another program that looks into the database, such as the sqlite3 shell."""


class SqliteJournal:
    """A journal in a SQLite database with a write-ahead log: one row for each sandbox, one for each address that cools.

    Any thread may call it at any time; one call follows the other. Only one process can have it open (a `.lock` file beside it says which).
    After a fork, the child has to open one of its own, once the parent's is closed.

    Once the disk has failed, it takes no more records: what the disk has is then unknown. Open it anew, and start from what it restores.
    """

    def __init__(self, path: Path | str, *, synchronous: Synchronous = "FULL", connect: Connect = sqlite3.connect) -> None:
        """Open a journal; where there is none, make one.

        Args:
            path: of the database. `-wal` and `-shm` files are beside it while it is open, and after a crash; they belong to it.
            synchronous: what survives a power cut. `FULL`: all that was recorded. `NORMAL`: all but the last records, which may be gone.
                `OFF`: perhaps nothing. All of them survive a kill of the process; only `FULL` waits for the disk each time.
            connect: what opens the database, for tests.

        Raises:
            JournalLocked: another process has it open.
            JournalCorrupt: it can't be read whole; the message says how to get at what can.
            JournalFormatError: it is of a newer release, or of another program.
            JournalError: the file system refuses.
        """
        if synchronous not in ("FULL", "NORMAL", "OFF"):
            raise InvalidArgument(f"synchronous is FULL, NORMAL or OFF, not {synchronous!r}")
        self.path = Path(path)
        self._connect = connect
        self._failure: str | None = None
        self._lock = ProcessLock(self.path.with_name(f"{self.path.name}.lock"))
        try:
            _make(self.path, connect)
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
                raise JournalCorrupt(f"{self.path} is damaged: it has names that are not UTF-8. {_salvage(self.path)}") from error
            raise

    def _set_up(self, synchronous: Synchronous) -> None:
        execute = self._connection.execute
        (application,), version = execute("PRAGMA application_id").fetchone(), version_of(self._connection)
        if application != APPLICATION_ID:
            raise JournalFormatError(f"{self.path} is a database of another program: give the journal a path of its own")
        if version > len(MIGRATIONS):
            raise JournalFormatError(
                f"{self.path} has tables of version {version}, but this release knows {len(MIGRATIONS)} at most: use a newer release"
            )
        (finding,) = execute("PRAGMA integrity_check(1)").fetchone()
        if version < 1 or not has_tables_of(self._connection, version):
            finding = f"its tables are not those of version {version}"
        if finding != "ok":
            raise JournalCorrupt(f"{self.path} is damaged: {finding}. {_salvage(self.path)}")
        (mode,) = execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise JournalError(f"{self.path} lies where SQLite can't have a write-ahead log (it offers {mode!r}): put it on a local disk")
        execute(f"PRAGMA synchronous = {synchronous}")
        migrate(self._connection)
        self._problems = dict(_read(self._connection).problems)

    @classmethod
    def salvage(cls, path: Path | str, now_ns: int) -> Restored:
        """Read what can be read of a journal that is damaged. It works on a copy, changes nothing, and minds no lock.

        To go on with it: move the broken file and its `-wal` away, open a new journal, and record there what this returns. What is lost
        are sandboxes that run, so ask the container runtime for theirs first: their addresses would go to others.

        Raises:
            JournalCorrupt: it is so damaged that nothing can be read.
            JournalError: there is no such file, or it can't be copied.
        """
        path, files = Path(path), Files()
        with tempfile.TemporaryDirectory() as folder, translated(path, "copied"):
            copy = Path(folder) / "journal"
            for suffix in ("", "-wal"):
                data = files.read(path.with_name(path.name + suffix))
                if data is not None:
                    copy.with_name(copy.name + suffix).write_bytes(data if suffix else _as_long_as_it_says(data))
            try:
                with contextlib.closing(_open(copy, sqlite3.connect)) as connection:
                    if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
                        raise JournalCorrupt(f"{path} is not there, or not to be known as a journal: nothing can be read of it")
                    return _read(connection, lenient=True).restored(now_ns)
            except _DAMAGE as error:
                raise JournalCorrupt(f"nothing can be read of {path}: {error}") from error

    def record_assign(self, assigned: Assigned) -> None:
        """Keep that a sandbox holds an address from now on; see `Journal`."""
        self.record_assigns((assigned,))

    def record_assigns(self, assigned: tuple[Assigned, ...]) -> None:
        """Keep, all or none, that sandboxes hold addresses; see `Journal`. Complexity: O(log sandboxes) for each."""
        with self._transaction() as execute:
            for each in assigned:
                _insert(execute, each, self._problems)

    def record_unassign(self, released: Released) -> None:
        """Keep, all or none, that sandboxes gave their addresses back; see `Journal`. Complexity: O(log sandboxes) for each."""
        with self._transaction() as execute:
            now_ns = 0
            for key, cooling in released:
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

    def record_cooling(self, cooling: tuple[Cooling, ...]) -> None:
        """Keep, all or none, that addresses cool which somebody else saw in use; see `Journal`."""
        with self._transaction() as execute:
            _cool(execute, cooling)

    def restore(self, now_ns: int) -> Restored:
        """Say what the database holds."""
        with self._transaction("BEGIN", "read"):
            return _read(self._connection).restored(now_ns)

    def strike_out(self, problems: Iterable[Problem], *, assigned: tuple[Assigned, ...] = (), cooling: tuple[Cooling, ...] = ()) -> None:
        """Take entries out that `restore` reported; see `Journal`."""
        with self._transaction() as execute:
            struck: set[Problem] = set()
            for problem in problems:
                if problem in struck or problem not in self._problems:
                    raise unknown_problem(problem)
                execute(*self._problems[problem])
                struck.add(problem)
            for each in assigned:
                _insert(execute, each, self._problems.keys() - struck)
            _cool(execute, cooling)
        for problem in struck:  # only now: had the write failed, they would still be there
            self._problems.pop(problem, None)

    def close(self) -> None:
        """Let another process open it; see `Journal`."""
        with self._lock.turn:
            self._connection.close()
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextlib.contextmanager
    def _transaction(self, begin: str = "BEGIN IMMEDIATE", doing: str = "written, so nothing is recorded") -> Iterator[Execute]:
        """Run statements that take effect together when the block ends, or not at all."""
        with self._lock.turn:
            self._lock.require()
            if self._failure is not None:
                raise JournalError(f"{self.path} takes no more records, as it failed before ({self._failure}): open it anew and restore")
            try:
                self._connection.execute(begin)
                yield self._connection.execute
                self._connection.execute("COMMIT")
            except BaseException as error:
                self._roll_back()
                if isinstance(error, sqlite3.Error):
                    raise self._explained(error, doing) from error
                raise

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._failure = str(error)

    def _explained(self, error: sqlite3.Error, doing: str) -> JournalError:
        """Say in words what SQLite reports; after some of it, nothing more can be trusted."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        what = f"{self.path} could not be {doing}: "
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            self._failure = str(error)
            return JournalCorrupt(f"{what}it is damaged, or no journal at all ({error}). {_salvage(self.path)}")
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return JournalLocked(f"{what}another program has had the database locked for {BUSY_TIMEOUT_S:g} s ({error}); try again")
        if code == sqlite3.SQLITE_IOERR:
            self._failure = str(error)
        cause = _CAUSES.get(code, "SQLite refused")
        return JournalError(f"{what}{cause} ({error})")


_CAUSES = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_READONLY: "it is read-only: this user has to be able to write the file, its -wal and -shm, and their folder",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened: see to it that the folder is there and that this user may write in it",
    sqlite3.SQLITE_IOERR: "the disk fails",
}


_DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)  # the latter where sqlite3 wants to say a name that is garbled


def _salvage(path: Path) -> str:
    return f"SqliteJournal.salvage({str(path)!r}, now_ns) reads what can be read, and says how to go on with it"


def _open(path: Path, connect: Connect) -> sqlite3.Connection:
    """Open a database; transactions begin and end where the statements say so, and threads take turns by the journal's own lock."""
    connection = connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_S)
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    return connection


def _as_long_as_it_says(data: bytes) -> bytes:
    """Fill up a database that was cut off, of which SQLite would read nothing; a page that is not whole goes, as its rows would be garbled.

    The header has the size of a page at 16, and their number at 28.
    """
    size = int.from_bytes(data[16:18]) or 1
    return data[: len(data) // size * size].ljust(min(size * int.from_bytes(data[28:32]), _LENGTH_MAX), b"\0")


_LENGTH_MAX = 1 << 28  # far more than any node's journal, should the header be damaged too


def _make(path: Path, connect: Connect) -> None:
    """Make a database where there is none: in full, under another name, then put in its place.

    So no journal is ever an empty file, not even after a crash: SQLite takes an empty file for a new database and throws away its log.
    """
    files, log = Files(), path.with_name(f"{path.name}-wal")
    if path.exists():
        if not path.stat().st_size:
            raise JournalCorrupt(f"{path} is empty, which a journal never is: it was cut off. Remove it, and its -wal, to begin a new one")
        return
    if log.exists():
        raise JournalCorrupt(
            f"{path} is gone, but its log {log.name} is there: put the file back, or remove the log to begin a new journal"
        )
    temporary = path.with_name(f"{path.name}.tmp")
    with translated(path, "made"):
        for suffix in ("", "-journal"):
            temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)
        with contextlib.closing(_open(temporary, connect)) as connection:
            migrate(connection)
        files.rename(temporary, path)
        sync_folder(files, path.parent)


def _cool(execute: Execute, cooling: Iterable[Cooling]) -> None:
    """Insert cooldowns, where the address is not held and does not cool for longer."""
    for each in cooling:
        execute(
            "INSERT INTO cooling (address, until_ns, released_ns) SELECT ?, ?, ? "
            "WHERE NOT EXISTS (SELECT 1 FROM assigned WHERE address = ?) "
            "ON CONFLICT (address) DO UPDATE SET until_ns = excluded.until_ns, released_ns = excluded.released_ns "
            "WHERE cooling.until_ns < excluded.until_ns",
            (each.address, each.until_ns, each.released_ns, each.address),
        )


def _insert(execute: Execute, new: Assigned, problems: Iterable[Problem]) -> None:
    """Insert an assignment, where it is not there already.

    Raises:
        JournalConflict: it contradicts what is there.
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


@attrs.frozen
class _Content:
    """What is in the tables; `problems` with the statement, and its parameters, that strikes each out."""

    assigned: tuple[Assigned, ...]
    cooling: tuple[Cooling, ...]
    problems: Mapping[Problem, tuple[str, tuple[object, ...]]]

    def restored(self, now_ns: int) -> Restored:
        """What it is to a datastore."""
        held = {entry.address for entry in self.assigned}
        return Restored.at(now_ns, self.assigned, (each for each in self.cooling if each.address not in held), self.problems)


def _read(connection: sqlite3.Connection, *, lenient: bool = False) -> _Content:
    """Read both tables; be lenient about what is damaged, or raise `sqlite3.Error`."""
    problems: dict[Problem, tuple[str, tuple[object, ...]]] = {}
    rows, damage = _rows(connection, _SELECT_ASSIGNED, lenient=lenient)
    assigned = []
    for (row, *_), verdict in zip(rows, judge([_candidate(row) for row in rows]), strict=True):
        if isinstance(verdict, Problem):
            problems[verdict] = "DELETE FROM assigned WHERE row = ?", (row,)
        else:
            assigned.append(verdict)
    rows, more_damage = _rows(connection, _SELECT_COOLING, lenient=lenient)
    cooling = []
    for row in rows:
        fields = dict(zip(("address", "untilTimestamp", "releasedTimestamp"), row, strict=True))
        try:
            cooling.append(read_cooling(fields))
        except UnreadableError as error:
            problem = Problem(f"the cooldown of {row[0]!r}", str(error), None, None, repr(row))
            problems[problem] = "DELETE FROM cooling WHERE address IS ?", (row[0],)
    for table, found in (("assigned", damage), ("cooling", more_damage)):
        if found:
            problems[Problem(f"table {table}", f"rows are lost where it is damaged: {found}", None, None, "")] = "SELECT 1", ()
    return _Content(tuple(assigned), tuple(cooling), problems)


def _rows(connection: sqlite3.Connection, statement: str, *, lenient: bool) -> tuple[list[tuple[object, ...]], str]:
    """Read a table; of a damaged one, if that is to be borne, what lies before the damage and what lies behind it. Say what it was."""
    before: list[tuple[object, ...]] = []  # `extend` keeps what it has got when the next row fails
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


def _candidate(row: tuple[object, ...]) -> Candidate:
    """Read a row by the fields that upstream has for it."""
    number, network_name, container_id, if_name, address, namespace, name, assigned_ns = row
    fields = {
        "networkName": network_name,
        "containerID": container_id,
        "ifName": if_name,
        "ipv6" if isinstance(address, str) and ":" in address else "ipv4": address,
        "allocationTimestamp": assigned_ns,
        "metadata": {field: value for field, value in (("k8sPodNamespace", namespace), ("k8sPodName", name)) if value is not None},
    }
    candidate = read_candidate(f"row {number} of assigned", repr(row), fields)
    if candidate.assigned is not None and candidate.address != address:  # then the database could not tell it from another
        return attrs.evolve(candidate, assigned=None, message=f"its address {address} is written otherwise than {candidate.address}")
    return candidate
