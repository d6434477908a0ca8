"""A knowledge base on the disk: SQLite is the truth, immutable versions are what readers search."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexes.errors import DamagedError, EmbeddingMismatchError, NotFoundError, unwritable
from indexes.records import EmbeddingIdentity, SplitterIdentity
from indexes.rows import (
    DocumentRow,
    FailureRow,
    GcReport,
    KnownDocument,
    StoreCounts,
    StoredChunk,
    StoredDocument,
    VerifyReport,
    VersionRow,
)  # fmt: skip
from indexes.storage import ledger, listing
from indexes.storage.database import DATABASE_NAME, ReaderPool, connect_writer, is_made, transaction, typed_errors
from indexes.storage.lock import writer_lock
from indexes.storage.originals import read_original
from indexes.storage.reading import VersionReader
from indexes.storage.segments import OpenSegment
from indexes.storage.snapshot import Snapshot
from indexes.storage.versions import CURRENT_NAME, make_folders
from indexes.storage.writer import YOUNG_SECONDS, Writer

__all__ = [
    "DocumentRow",
    "FailureRow",
    "GcReport",
    "KnownDocument",
    "OpenSegment",
    "Snapshot",
    "Store",
    "StoreCounts",
    "StoredChunk",
    "StoredDocument",
    "VerifyReport",
    "VersionRow",
    "Writer",
]

KEEP_VERSIONS = 5


class Store:
    """One knowledge base, for reading from any number of threads, and for one writer at a time on the machine."""

    def __init__(
        self,
        path: Path,
        pool: ReaderPool,
        embedding: EmbeddingIdentity | None,
        splitter: SplitterIdentity | None,
        keep_versions: int,
    ) -> None:
        self.path = path
        self._pool = pool
        self._embedding = embedding
        self._splitter = splitter
        self._keep_versions = keep_versions
        self._reader = VersionReader(path, pool, embedding)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        create: bool = False,
        embedding: EmbeddingIdentity | None = None,
        splitter: SplitterIdentity | None = None,
        keep_versions: int = KEEP_VERSIONS,
    ) -> Store:
        """Open the knowledge base in the folder `path`; with `create`, make it where it is missing.

        `embedding` None opens whatever is there, for work that embeds nothing or is about to change the embedder.
        Raise NotFoundError where there is none, EmbeddingMismatchError where what is published was embedded by
        another than `embedding`, ConfigurationError where it cannot be made, and DamagedError where the database is no
        database.
        """
        database = path / DATABASE_NAME
        if not is_made(database):
            if (path / CURRENT_NAME).exists():
                raise DamagedError(f"{database} is missing; restore it from a backup, or remove {path} and ingest anew")
            if not create:
                raise NotFoundError(f"there is no knowledge base '{path.name}'; `kb ingest PATH` makes one")
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise unwritable(path, error) from error
            connect_writer(database).close()
            make_folders(path)
        store = cls(path, ReaderPool(database), embedding, splitter, keep_versions)
        try:
            store._refuse_other_embedder()
        except BaseException:
            store.close()
            raise
        return store

    @property
    def name(self) -> str:
        """The name of the knowledge base: that of its folder."""
        return self.path.name

    def close(self) -> None:
        """Give the connections back. Snapshots taken from this store cannot read rows any more."""
        self._pool.close()

    # Reading

    def current_version(self) -> int:
        """Return the number of the newest published version, 0 where nothing is published."""
        return self._reader.current()

    def snapshot(self) -> Snapshot:
        """Return the newest good version (`indexes.storage.reading`). Cheap where nothing changed."""
        return self._reader.snapshot()

    def documents(self, status: str | None = None, after: str | None = None, limit: int = 100) -> list[DocumentRow]:
        """Return a page of the documents in the current version and of those that failed, by URI.

        `status` is "ready", "failed" or None for both; `after` is the document id or URI of the page before's last row.
        """
        version = self.current_version()
        with self._pool.connection() as connection:
            return listing.list_documents(connection, version, status, after, limit)

    def document(self, document_id: str) -> StoredDocument:
        """Return a document as the current version shows it. Raise NotFoundError."""
        version = self.current_version()
        with self._pool.connection() as connection:
            return listing.stored_document(connection, version, document_id)

    def original(self, document_id: str) -> bytes | None:
        """Return the bytes a document was read from, or None where they were not kept.

        Raise NotFoundError for no such document, DamagedError where the kept bytes are gone.
        """
        version = self.current_version()
        with self._pool.connection() as connection:
            content_hash = listing.original_hash(connection, version, document_id)
        return None if content_hash is None else read_original(self.path, content_hash)

    def versions(self) -> list[VersionRow]:
        """Return the published versions that are kept, newest first."""
        current = self.current_version()
        with self._pool.connection() as connection:
            return listing.list_versions(connection, current)

    def failures(self) -> list[FailureRow]:
        """Return what could not be read the last time it was tried, by URI."""
        with self._pool.connection() as connection:
            return listing.list_failures(connection)

    def known(self) -> dict[str, KnownDocument]:
        """Return what a writer would know now (`Writer.known`), without holding the lock."""
        with self._pool.connection() as connection:
            return ledger.known_documents(connection)

    def counts(self) -> StoreCounts:
        """Return the sizes of the current version, and how much failed or waits for the next one."""
        current = self.current_version()
        with self._pool.connection() as connection:
            return listing.count(connection, current)

    def made_by(self) -> EmbeddingIdentity | None:
        """Return the embedder of the current version, whatever is configured; None where no document is in it."""
        version = self.current_version()
        with self._pool.connection() as connection:
            shown = next((row for row in ledger.committed_versions(connection) if row.version == version), None)
            return ledger.identity_of(connection, shown.space) if shown is not None and shown.documents else None

    def verify(self) -> VerifyReport:
        """Check every hash, count and span, beside a writer too: `indexes.upkeep.verify.verify`."""
        from indexes.upkeep.verify import verify

        return verify(self.path, self._pool)

    # Writing

    @contextmanager
    def writer(self, timeout: float = 0.5) -> Iterator[Writer]:
        """Hold the lock and write. Raise LockedError where another writer holds it after `timeout` seconds.

        A version that a writer which died had committed is announced first; its other work is pending here. Raise
        EmbeddingMismatchError where this store was opened with another embedder than the one written with before:
        open it with None and call `Writer.change_identity` to re-embed.
        """
        from indexes.storage.publishing import finish, keeping_old_version

        with writer_lock(self.path, timeout), typed_errors(self.path / DATABASE_NAME):
            connection = connect_writer(self.path / DATABASE_NAME)
            try:
                with keeping_old_version(self.path):
                    make_folders(self.path)
                    finish(self.path, connection)
                self._record_makers(connection)
                yield Writer(self.path, connection, self._keep_versions)
            finally:
                connection.close()

    def rollback(self, version: int) -> int:
        """Show the set of an older version as a new version and return its number.

        Raise NotFoundError where it is not kept: `indexes.storage.rollback.roll_back`.
        """
        with self.writer() as writer:
            return writer.roll_back(version, self._embedding)

    def gc(self, minimum_age: float = YOUNG_SECONDS) -> GcReport:
        """Remove all that no kept version shows: `indexes.storage.maintenance.collect`."""
        with self.writer() as writer:
            return writer.gc(minimum_age)

    def repair(self) -> VerifyReport:
        """Build damaged versions anew from SQLite, embedding nothing, and return what a check finds afterwards.

        Raise DamagedError where SQLite itself is damaged, LockedError beside another writer.
        """
        from indexes.upkeep.repair import repair

        with writer_lock(self.path), typed_errors(self.path / DATABASE_NAME):
            connection = connect_writer(self.path / DATABASE_NAME)
            try:
                repair(self.path, connection)
            finally:
                connection.close()
        return self.verify()

    def _refuse_other_embedder(self) -> None:
        made_by = None if self._embedding is None else self.made_by()
        if made_by is not None:
            self._refuse(made_by)

    def _record_makers(self, connection: sqlite3.Connection) -> None:
        """Record the embedder and splitter of this store where nothing was embedded by another."""
        space = ledger.head_space(connection)
        known = None if space is None else ledger.identity_of(connection, space)
        if self._embedding in (None, known) and self._splitter in (None, ledger.head_splitter(connection)):
            return  # nothing is written: on a full disk gc must get this far
        with transaction(connection):
            if self._embedding is not None:
                space = ledger.head_space(connection)
                if space is not None and ledger.holds_documents(connection):
                    self._refuse(ledger.identity_of(connection, space))
                ledger.set_head_space(connection, self._embedding)
            if self._splitter is not None:
                ledger.set_head_splitter(connection, self._splitter)

    def _refuse(self, made_by: EmbeddingIdentity) -> None:
        if self._embedding is not None and made_by != self._embedding:
            raise EmbeddingMismatchError(
                f"knowledge base '{self.name}' was embedded by {_describe(made_by)}, the configuration names"
                f" {_describe(self._embedding)}; re-embed it with `kb ingest PATH --force --kb {self.name}`"
            )


def _describe(identity: EmbeddingIdentity) -> str:
    return " ".join(part for part in (identity.name, identity.model, identity.revision) if part)
