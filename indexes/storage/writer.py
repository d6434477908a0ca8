"""The one writer: durable puts, failures and removals, invisible until they are published."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.errors import DocumentError, KBError, UsageError
from indexes.records import Chunk, Document, EmbeddingIdentity, SplitterIdentity, document_id_of
from indexes.rows import GcReport, KnownDocument, StoredDocument
from indexes.storage import heads, ledger, maintenance, publishing, rollback
from indexes.storage.admission import check_document, half_vectors
from indexes.storage.database import DATABASE_NAME, transaction, typed_errors
from indexes.storage.originals import read_original, remove_original, write_originals
from indexes.storage.page_marks import PageMarks, remember_marks
from indexes.storage.states import StateExtras

logger = logging.getLogger(__name__)

YOUNG_SECONDS = 60.0
KEYS_A_QUERY = 500

Vectors = NDArray[np.float32]


class Writer:
    """Writes to a knowledge base while it holds the lock. Make one with `Store.writer()`.

    Whatever returned is on the disk. Nothing is visible to readers before `publish`; what a writer that died had not
    published is there for the next one.
    """

    def __init__(self, root: Path, connection: sqlite3.Connection, keep_versions: int) -> None:
        self._root = root
        self._connection = connection
        self._keep_versions = keep_versions
        self._lock = threading.RLock()
        self._batching = False
        self._doomed: set[str] = set()  # content hashes of originals to be removed

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, typed_errors(self._root / DATABASE_NAME):
            yield self._connection

    def known(self) -> dict[str, KnownDocument]:
        """Return every document by URI, unpublished work and failures included.

        A document with another embedder's vectors has settings_hash "", so that it never seems unchanged. After a
        failure the hashes, size and time are those of the failed attempt.
        """
        with self._writing() as connection:
            return ledger.known_documents(connection)

    def vectors_for(self, keys: Sequence[str]) -> dict[str, Vectors]:
        """Return the stored vectors among `keys`, made by the present embedder: each unit, shape (dimension,)."""
        found: dict[str, Vectors] = {}
        with self._writing() as connection:
            space = ledger.head_space(connection)
            for begin in range(0, len(keys) if space is not None else 0, KEYS_A_QUERY):
                part = keys[begin : begin + KEYS_A_QUERY]
                marks = ",".join("?" * len(part))
                for key, blob in connection.execute(
                    f"SELECT key, vector FROM vectors WHERE space = ? AND key IN ({marks})", (space, *part)
                ):
                    found[key] = np.frombuffer(blob, dtype="<f2").astype(np.float32)
        return found

    @contextlib.contextmanager
    def batch(self, originals: Iterable[bytes] = ()) -> Iterator[None]:
        """Let many puts wait for the disk once: what is put in the block is durable when the block ends.

        Each put is still a transaction of its own, and outlives a kill of the process at once; only a power failure
        inside the block can undo whole puts, the last ones first. `originals` are kept durably before the block.
        """
        self._keep_originals({hashlib.sha256(content).hexdigest(): content for content in originals})
        with self._writing() as connection:
            connection.execute("PRAGMA synchronous=NORMAL")
            self._batching = True
            try:
                yield
            finally:
                self._batching = False
                connection.execute("PRAGMA synchronous=FULL")
                with transaction(connection):  # flushes the log, earlier transactions included
                    connection.execute(
                        "INSERT INTO meta (key, value) VALUES ('batches', '1')"
                        " ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
                    )
                self._remove_doomed(connection)

    def put(
        self,
        document: Document,
        chunks: Sequence[Chunk],
        keys: Sequence[str],
        vectors: Vectors,
        *,
        settings_hash: str,
        size: int = 0,
        mtime_ns: int = 0,
        original: bytes | None = None,
        timings: Mapping[str, float] | None = None,
    ) -> None:
        """Store a document with its chunks and their vectors (len(chunks), dimension), durably, in one transaction.

        It replaces an earlier state of the same document and clears its failure. `keys` name what was embedded; a
        vector already stored under its key is not stored again. Raise UsageError where the parts do not fit together,
        DocumentError("undecodable") for text that is no Unicode (lone surrogates), KBError for a full disk.
        """
        check_document(document, chunks, original)
        extras = StateExtras(settings_hash, size, mtime_ns, original is not None, dict(timings or {}))
        with self._writing() as connection:
            space = self._space(connection)
            halves = half_vectors(vectors, len(chunks), keys, ledger.identity_of(connection, space).dimension)
            if original is not None:
                self._keep_originals({document.content_hash: original})
            try:
                with transaction(connection):
                    self._doomed |= heads.put_head(connection, space, document, chunks, keys, halves, extras)
            except UnicodeEncodeError as error:
                raise DocumentError("undecodable", f"{document.uri!a} holds characters that are no Unicode") from error
            self._remove_doomed(connection)

    def fail(
        self,
        uri: str,
        reason: str,
        detail: str,
        *,
        content_hash: str = "",
        settings_hash: str = "",
        size: int = 0,
        mtime_ns: int = 0,
    ) -> None:
        """Record that a source could not be read. An earlier good state of the document stays as it is."""
        with self._writing() as connection, transaction(connection):
            heads.record_failure(connection, uri, reason, detail, content_hash, settings_hash, size, mtime_ns)

    def touch(self, uri: str, size: int, mtime_ns: int, marks: PageMarks | None = None) -> None:
        """Record a new size and time (nanoseconds) of a source whose content is unchanged.

        For a web page, `marks` is what its server says of that content now.
        """
        with self._writing() as connection, transaction(connection):
            if marks is not None:
                remember_marks(connection, document_id_of(uri), marks)
            connection.execute(
                "UPDATE documents SET size = ?, mtime_ns = ? WHERE document_id = ?",
                (size, mtime_ns, document_id_of(uri)),
            )

    def remove(self, document_ids: Sequence[str]) -> None:
        """Remove documents, failed ones too, from the next version. Raise NotFoundError, removing none, for others."""
        with self._writing() as connection:
            with transaction(connection):
                doomed = [heads.remove_head(connection, document_id) for document_id in document_ids]
            self._doomed.update(*doomed)
            self._remove_doomed(connection)

    def stored(self, document_id: str) -> StoredDocument:
        """Return the newest acknowledged state of a document, published or not. Raise NotFoundError."""
        with self._writing() as connection:
            return heads.stored_head(connection, document_id)

    def original(self, document_id: str) -> bytes | None:
        """Return the bytes that the newest acknowledged state was read from, or None where they were not kept.

        Raise NotFoundError for no such document, DamagedError where the kept bytes are gone.
        """
        with self._writing() as connection:
            content_hash = heads.original_hash(connection, document_id)
        return None if content_hash is None else read_original(self._root, content_hash)

    def change_identity(self, embedding: EmbeddingIdentity, splitter: SplitterIdentity | None = None) -> list[str]:
        """Let another embedder make the vectors from now on; return the ids of the documents to be put again.

        The rule: no version mixes embedders and no document is lost. The old version goes on serving, `known` shows
        every document as to be put again, and `publish` refuses until each was put anew or removed. A document whose
        source is out of reach is put again from its stored text (`stored`). Vectors are looked up by embedder, so a
        change that was interrupted embeds nothing twice, and neither does a change back.
        """
        with self._writing() as connection, transaction(connection):
            space = ledger.set_head_space(connection, embedding)
            if splitter is not None:
                ledger.set_head_splitter(connection, splitter)
            return ledger.stale_documents(connection, space, pending_only=False)

    def stale(self) -> list[str]:
        """Return the ids of the documents that still have another embedder's vectors: `publish` waits for them."""
        with self._writing() as connection:
            space = ledger.head_space(connection)
            return [] if space is None else ledger.stale_documents(connection, space, pending_only=False)

    def publish(self) -> int:
        """Make everything written visible as a new version and return its number; the same where nothing changed.

        See `indexes.storage.publishing.publish` for the errors; the old version goes on serving after each of them.
        """
        with self._writing() as connection:
            version = publishing.publish(self._root, connection)
            self._tidy(connection)
            return version

    def roll_back(self, version: int, configured: EmbeddingIdentity | None) -> int:
        """Show the set of an older version as a new version: `indexes.storage.rollback.roll_back`."""
        with self._writing() as connection:
            number = rollback.roll_back(self._root, connection, version, configured)
            self._tidy(connection)
            return number

    def gc(self, minimum_age: float = YOUNG_SECONDS) -> GcReport:
        """Remove all that no kept version shows: `indexes.storage.maintenance.collect`."""
        with self._writing() as connection:
            return maintenance.collect(
                self._root,
                connection,
                keep_versions=self._keep_versions,
                minimum_age=minimum_age,
                now=time.time(),
                thorough=True,
            )

    def _tidy(self, connection: sqlite3.Connection) -> None:
        """Remove what the new version made superfluous; what cannot be removed now is removed after the next one."""
        try:
            maintenance.collect(
                self._root,
                connection,
                keep_versions=self._keep_versions,
                minimum_age=YOUNG_SECONDS,
                now=time.time(),
                thorough=False,
            )
        except (OSError, sqlite3.OperationalError, KBError) as error:
            logger.warning("the new version is published, but old ones could not be removed yet: %s", error)

    def _space(self, connection: sqlite3.Connection) -> int:
        space = ledger.head_space(connection)
        if space is None:
            raise UsageError("this store knows no embedder yet: open it with one, or call change_identity")
        return space

    def _keep_originals(self, contents: Mapping[str, bytes]) -> None:
        try:
            write_originals(self._root, contents)
        except OSError as error:
            raise KBError(f"originals cannot be kept: {error.strerror or error}") from error

    def _remove_doomed(self, connection: sqlite3.Connection) -> None:
        """Remove originals that nothing refers to any more, once the transactions that say so are durable."""
        if not self._batching:
            for content_hash in heads.unused_hashes(connection, self._doomed):
                remove_original(self._root, content_hash)
            self._doomed.clear()
