"""What a vector store holds of a knowledge base: a small SQLite file, right however its writer ends.

A document has one of three states. No row: nothing of it is in the store. A row without a mark: any part of it may be.
A row with a mark: the whole of it is, made as the mark says. Each step is flushed to the disk before it returns.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from indexes.errors import ConfigurationError, DamagedError, EmbeddingMismatchError, KBError, LockedError, UsageError
from indexes.records import EmbeddingIdentity
from indexes.storage.database import transaction, typed_errors

# Tells our files from others' (PRAGMA application_id): the bytes "kbMR".
_APPLICATION = 0x6B624D52
_FORMAT = 1
_BUSY_SECONDS = 1.0
_UNUSABLE = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM})
_TABLES = (
    "CREATE TABLE owner (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE documents (document_id TEXT PRIMARY KEY, mark TEXT, passages INTEGER NOT NULL) WITHOUT ROWID",
)


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """A document of which something is in the store: all of its `passages`, made as `mark` says, or, None, any part."""

    document_id: str
    mark: str | None
    passages: int


class MirrorLedger:
    """An open ledger, held by this process alone. Make one with `open_ledger`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def claim(self, owner: str, kind: str, embedding: EmbeddingIdentity | None) -> None:
        """Record whose ledger this is, or check it: the knowledge base, the kind of store, what makes the vectors.

        `embedding` None: whichever it is. Raise UsageError for another knowledge base or kind of store,
        EmbeddingMismatchError for another embedding.
        """
        with _ledger_errors(self.path):
            known = dict(self._connection.execute("SELECT key, value FROM owner"))
        for key, what, value in (("owner", "the knowledge base", owner), ("kind", "a store of the kind", kind)):
            if known.get(key, value) != value:
                raise UsageError(
                    f"the ledger {self.path} is of {what} {known[key]!r}, not of {value!r}: give each knowledge base"
                    " and each vector store a ledger of its own"
                )
        named = {**known, "owner": owner, "kind": kind}
        if embedding is not None:
            spelled = json.dumps(dataclasses.asdict(embedding), sort_keys=True)
            if known.get("embedding", spelled) != spelled:
                before = json.loads(known["embedding"])
                raise EmbeddingMismatchError(
                    f"the vectors that the ledger {self.path} tells of were made by {before['name']} {before['model']},"
                    f" those of the knowledge base by {embedding.name} {embedding.model}: call clear(), then update(),"
                    " or begin with another collection and another ledger"
                )
            named["embedding"] = spelled
        if named != known:
            with self._writing() as connection:
                connection.executemany("INSERT OR REPLACE INTO owner (key, value) VALUES (?, ?)", named.items())

    def held(self, after: str, limit: int) -> list[HeldDocument]:
        """Return at most `limit` documents by id, those behind `after`."""
        with _ledger_errors(self.path):
            found = self._connection.execute(
                "SELECT document_id, mark, passages FROM documents WHERE document_id > ? ORDER BY document_id LIMIT ?",
                (after, limit),
            )
            return [HeldDocument(*row) for row in found]

    def holds_passages(self) -> bool:
        """Return whether any passage is known to be in the store."""
        with _ledger_errors(self.path):
            found = self._connection.execute("SELECT 1 FROM documents WHERE mark IS NOT NULL AND passages > 0 LIMIT 1")
            return found.fetchone() is not None

    def dimension(self) -> int:
        """Return the dimension of the vectors in the store, 0 while there never was one."""
        with _ledger_errors(self.path):
            found = self._connection.execute("SELECT value FROM owner WHERE key = 'embedding'").fetchone()
        return 0 if found is None else int(json.loads(found[0])["dimension"])

    def begin(self, document_ids: Iterable[str]) -> None:
        """Record that any part of these may be in the store from now on."""
        with self._writing() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO documents (document_id, mark, passages) VALUES (?, NULL, 0)",
                [(document_id,) for document_id in document_ids],
            )

    def finish(self, whole: Iterable[HeldDocument], gone: Iterable[str]) -> None:
        """Record that `whole` are in the store, and that nothing of `gone` is."""
        with self._writing() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO documents (document_id, mark, passages) VALUES (?, ?, ?)",
                [(document.document_id, document.mark, document.passages) for document in whole],
            )
            connection.executemany("DELETE FROM documents WHERE document_id = ?", [(each,) for each in gone])

    def forget(self) -> None:
        """Record that nothing is in the store, of whichever knowledge base."""
        with self._writing() as connection:
            connection.execute("DELETE FROM documents")
            connection.execute("DELETE FROM owner")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with _ledger_errors(self.path), transaction(self._connection):
            yield self._connection


@contextmanager
def open_ledger(path: Path) -> Iterator[MirrorLedger]:
    """Open the ledger at `path`, made where there is none, and hold it to the end; the system frees that of the dead.

    Raise LockedError where another holds it, UsageError where the file is something else, ConfigurationError where it
    cannot be made or a newer release made it, DamagedError where it is damaged.
    """
    with _ledger_errors(path):
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        with _ledger_errors(path):
            _refuse_others(connection, path)  # before it is locked
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("BEGIN EXCLUSIVE")
            if not _refuse_others(connection, path):
                _make(connection)
            connection.execute("COMMIT")
        yield MirrorLedger(path, connection)
    finally:
        connection.close()


@contextmanager
def _ledger_errors(path: Path) -> Iterator[None]:
    try:
        with typed_errors(path):
            yield
    except DamagedError as error:
        raise DamagedError(
            f"the ledger {path} is damaged, or no ledger; if it is one, remove it and empty the vector store"
        ) from error
    except KBError as error:
        code = getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_BUSY:
            raise LockedError(f"another process holds the ledger {path}: wait until its update ends") from error
        if code in _UNUSABLE:
            raise ConfigurationError(f"the ledger {path} cannot be opened or written") from error
        raise


def _refuse_others(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether the file is a ledger, False for a new one; raise for anything else."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == _APPLICATION:
        if version > _FORMAT:
            raise ConfigurationError(f"the ledger {path} was made by a newer release: upgrade qwen-kb")
        return True
    if application or version or connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None:
        raise UsageError(f"{path} is a database of another kind, not the ledger of a mirror")
    return False


def _make(connection: sqlite3.Connection) -> None:
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id={_APPLICATION:d}")
    connection.execute(f"PRAGMA user_version={_FORMAT:d}")
