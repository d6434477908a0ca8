"""kb.sqlite: opening it for the one writer and for many readers, and bringing it to the current format."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexes.errors import ConfigurationError, DamagedError, KBError
from indexes.storage.schema import MIGRATIONS

DATABASE_NAME = "kb.sqlite"
FORMAT = len(MIGRATIONS)
BUSY_SECONDS = 10.0
IDLE_READERS = 16

# What SQLite says of bytes that are not what it wrote; everything else it says is about the system.
DAMAGE_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
# Our statements are fixed, so a missing table comes from damage to the schema; Python adds the last one of its own.
DAMAGE_MESSAGES = ("no such table", "no such column", "malformed", "Could not decode")


@contextmanager
def typed_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into the project's: DamagedError for a corrupt file, KBError for a full disk, say."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if (code is not None and code & 0xFF in DAMAGE_CODES) or str(error).startswith(DAMAGE_MESSAGES):
            raise DamagedError(
                f"{path} is damaged ({error}); restore it from a backup, or remove {path.parent} and ingest anew"
            ) from error
        if isinstance(error, sqlite3.OperationalError | sqlite3.InternalError):
            raise KBError(f"{path}: {error}") from error
        raise


def is_made(path: Path) -> bool:
    """Tell whether `path` is a database whose making was finished. Raise DamagedError for a file that is none."""
    if not path.is_file():
        return False
    with typed_errors(path):
        connection = sqlite3.connect(_reading_uri(path), uri=True, timeout=BUSY_SECONDS)
        try:
            return bool(connection.execute("PRAGMA user_version").fetchone()[0] > 0)
        finally:
            connection.close()


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open the database for writing, making it and bringing its format up to date where needed.

    Every commit is flushed to the disk before it returns (WAL with synchronous=FULL). The caller holds the writer's
    lock, or the database is being made. Raise DamagedError, or ConfigurationError for a newer format.
    """
    with typed_errors(path):
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA cache_size=-65536")
            _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open the database for reading only. It works beside a writer, after a killed one, and on read-only media."""
    connection = sqlite3.connect(
        _reading_uri(path), uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        _refuse_newer(found, path)
        if found < FORMAT:
            raise ConfigurationError(
                f"{path} has the older format {found}; run `kb ingest` once to bring it up to date"
            )
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a block as one durable transaction: all of it, or nothing on any error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        commit(connection)
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def commit(connection: sqlite3.Connection) -> None:
    """End the transaction durably; a function of its own so that tests can fail it."""
    connection.execute("COMMIT")


class ReaderPool:
    """Read-only connections for many threads: one is borrowed for each query, and idle ones are kept open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        self._renewals = 0

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection. Raise DamagedError where the database turns out to be corrupt."""
        with typed_errors(self.path):
            with self._lock:
                if self._closed:
                    raise KBError("this store is closed")
                lent = self._idle.pop() if self._idle else None
                renewals = self._renewals
            if lent is None:
                lent = connect_reader(self.path)
            try:
                yield lent
            except BaseException:
                lent.close()
                raise
            with self._lock:
                if not self._closed and renewals == self._renewals and len(self._idle) < IDLE_READERS:
                    self._idle.append(lent)
                    return
            lent.close()

    def renew(self) -> None:
        """Close the idle connections: the database at this path is another now."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._renewals += 1
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Close every idle connection; those that are lent close when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def _reading_uri(path: Path) -> str:
    uri = path.absolute().as_uri() + "?mode=ro"
    log = path.with_name(path.name + "-wal")
    if not os.access(path.parent, os.W_OK) and not (log.exists() and log.stat().st_size):
        uri += "&immutable=1"  # without a log SQLite would want to make one
    return uri


def _refuse_newer(found: int, path: Path) -> None:
    if found > FORMAT:
        raise ConfigurationError(
            f"{path} has format {found}, newer than this release reads ({FORMAT}); upgrade qwen-kb"
        )


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    _refuse_newer(connection.execute("PRAGMA user_version").fetchone()[0], path)
    while (found := connection.execute("PRAGMA user_version").fetchone()[0]) < FORMAT:
        script = MIGRATIONS[found]
        with transaction(connection):
            # Another process may have made the same step since.
            if connection.execute("PRAGMA user_version").fetchone()[0] == found:
                for statement in script.split(";"):
                    if statement.strip():
                        connection.execute(statement)
                connection.execute(f"PRAGMA user_version={found + 1:d}")
