"""Connections to the database, and what differs from engine to engine.

One connection writes, used by the writer's thread alone; a small pool reads, each reader seeing one moment.
Opening brings the tables to the newest form; Alembic is loaded only when they are not there yet.
"""

import errno
import os
import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from dragoman.errors import BadConfig
from dragoman.store.schema import HEAD

READERS = 4
BUSY_MS = 10_000
PAGE_BYTES = 4096
_CACHE_KB = {"writer": 16_000, "reader": 8_000}


_TAKES_NOTHING = frozenset(
    {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR),
        *(sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB),
    }
)
"""Results that say nothing about what was to be written: locked, full, broken."""


def takes_nothing(error: DBAPIError) -> bool:
    """Say whether the database would have refused anything, so that the same may be tried again later."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return isinstance(code, int) and code & 0xFF in _TAKES_NOTHING


class Engines:
    """The writer's engine and the readers', for one database."""

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        if self.url.get_backend_name() != "sqlite":
            raise BadConfig(
                f"store {url!r} is no SQLite database; expected sqlite:////absolute/path/dragoman.db", field="store"
            )
        self.path = Path(self.url.database or "")
        self.writer = sa.create_engine(self.url, poolclass=StaticPool, connect_args={"check_same_thread": False})
        self.reader = sa.create_engine(self.url, pool_size=READERS, max_overflow=READERS)
        event.listen(self.writer, "connect", _prepare_writer)
        event.listen(self.writer, "begin", _begin_immediate)
        event.listen(self.reader, "connect", _prepare_reader)
        event.listen(self.reader, "begin", _begin)
        self._inode = 0

    def prepare(self) -> None:
        """Make the file or bring its tables to the newest form. Raises BadConfig with what to do."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._make_private()
            with self.writer.connect() as connection:
                self._migrate(connection)
            self._inode = self.path.stat().st_ino
        except OSError as error:
            raise BadConfig(
                f"cannot make {self.path.parent}: {error.strerror}; {_ELSEWHERE}", field="data_dir"
            ) from error
        except DBAPIError as error:
            raise BadConfig(
                f"cannot use the store {self.path}: {error.orig}; {_ELSEWHERE}", field="data_dir"
            ) from error

    def _migrate(self, connection: sa.Connection) -> None:
        found = version_of(connection)
        if found == HEAD:
            _probe_writing(connection)
            return
        if found is None and has_tables(connection):
            raise BadConfig(f"{self.path} is a database, but not one of Dragoman's; {_ELSEWHERE}", field="data_dir")
        if found is not None and found > HEAD:
            raise BadConfig(
                f"{self.path} was written by a newer Dragoman: its tables are at version {found}, this one knows "
                f"them up to {HEAD}; run that version, or name another data directory",
                field="data_dir",
            )
        from dragoman.store.migrations.run import upgrade

        upgrade(connection)

    def _make_private(self) -> None:
        """Make the file readable for its owner alone; SQLite gives its log and index the same mode."""
        if not self.path.exists():
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def require_file(self) -> None:
        """Raise FileNotFoundError when the file was taken away: SQLite would go on writing to what nobody finds."""
        try:
            found = self.path.stat().st_ino
        except FileNotFoundError:
            found = None
        if found != self._inode:
            what = "the database was removed or replaced while Dragoman ran; start Dragoman again"
            raise FileNotFoundError(errno.ENOENT, what, str(self.path))

    def sync(self) -> None:
        """Hand the log to the disk. What is no longer in it was handed over when it was moved into the file."""
        log = self.path.with_name(self.path.name + "-wal")
        for path in (log, self.path.parent):
            try:
                fd = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                continue
            try:
                os.fsync(fd)  # SQLite locks the file and its index, never the log: closing this lets no lock go
            finally:
                os.close(fd)

    def close(self) -> None:
        self.reader.dispose()
        self.writer.dispose()


_ELSEWHERE = "check its owner and mode, or name another data directory with --data-dir"


def version_of(connection: sa.Connection) -> str | None:
    """Return the migration that the tables stand at, None when there are none of ours."""
    known = sa.inspect(connection).has_table("alembic_version")
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() if known else None
    connection.rollback()
    return found


def has_tables(connection: sa.Connection) -> bool:
    names = sa.inspect(connection).get_table_names()
    connection.rollback()
    return any(name != "alembic_version" for name in names)


def _probe_writing(connection: sa.Connection) -> None:
    """Fail now, not at the first commit, when the file may not be written."""
    connection.exec_driver_sql("UPDATE counter SET value = value WHERE name = 'seq'")
    connection.rollback()


def _prepare(dbapi: sqlite3.Connection, cache: str) -> sqlite3.Cursor:
    # pysqlite's own transactions begin too late for readers and too weakly for the writer; see _begin*.
    dbapi.isolation_level = None
    cursor = dbapi.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    cursor.execute(f"PRAGMA cache_size = -{_CACHE_KB[cache]}")
    return cursor


def _prepare_writer(dbapi: sqlite3.Connection, _record: Any) -> None:
    cursor = _prepare(dbapi, "writer")
    # Both take effect only while the file is empty, so they stand before the first table.
    cursor.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    cursor.execute("PRAGMA auto_vacuum = INCREMENTAL")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA journal_size_limit = 67108864")
    cursor.close()


def _prepare_reader(dbapi: sqlite3.Connection, _record: Any) -> None:
    cursor = _prepare(dbapi, "reader")
    cursor.execute("PRAGMA query_only = ON")
    cursor.close()


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def file_bytes(engines: Engines) -> int:
    """Return the size of the database's files, log included."""
    return sum(
        path.stat().st_size
        for suffix in ("", "-wal", "-shm")
        if (path := engines.path.with_name(engines.path.name + suffix)).exists()
    )


def pages(connection: sa.Connection) -> tuple[int, int]:
    """Return bytes in use and bytes free within the file."""
    size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    count = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    return (count - free) * size, free * size


def give_back(connection: sa.Connection, limit: int) -> int:
    """Return up to `limit` free pages to the file system; returns how many bytes."""
    before = pages(connection)[1]
    cursor = connection.connection.cursor()
    for _ in range(limit):
        # Each page is a step of the statement, and the driver takes only one, since no column comes back.
        cursor.execute("PRAGMA incremental_vacuum(1)")
    cursor.close()
    return before - pages(connection)[1]
