"""The tables of the SQLite journal, and the migrations from each version to the next."""

import contextlib
import sqlite3
from collections.abc import Sequence

APPLICATION_ID = 0x76706970
"""`vpip` in ASCII: identifies a journal to `file` and `PRAGMA application_id`."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE assigned (
            row INTEGER PRIMARY KEY, -- ascending in the order of assignment
            network_name TEXT NOT NULL,
            container_id TEXT NOT NULL,
            if_name TEXT NOT NULL,
            address TEXT NOT NULL UNIQUE,
            pod_namespace TEXT,
            pod_name TEXT,
            assigned_ns INTEGER NOT NULL,
            UNIQUE (container_id, if_name, network_name)
        )""",
        "CREATE TABLE cooling (address TEXT PRIMARY KEY, until_ns INTEGER NOT NULL, released_ns INTEGER) WITHOUT ROWID",
        "CREATE INDEX cooling_by_end ON cooling (until_ns)",
    ),
    ("CREATE TABLE released_cidr (cidr TEXT PRIMARY KEY, until_ns INTEGER NOT NULL) WITHOUT ROWID",),
)
"""The statements of each migration: from version 0, an empty database, to 1, and so on. A released migration never changes."""


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of a database's tables."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Migrate a database to the newest version, one transaction for each step."""
    for version in range(version_of(connection), len(migrations)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in migrations[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def has_tables_of(connection: sqlite3.Connection, version: int, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> bool:
    """Tell whether a database has all tables of a version, unchanged. Other tables don't matter."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        migrate(fresh, migrations[:version])
        return _tables(fresh) <= _tables(connection)


def _tables(connection: sqlite3.Connection) -> set[tuple[object, ...]]:
    return {tuple(row) for row in connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master")}
