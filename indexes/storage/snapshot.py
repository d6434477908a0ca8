"""One version as a reader sees it: segments to search, and the rows behind what was found. Never changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from indexes.errors import NotFoundError
from indexes.records import Chunk, Document, EmbeddingIdentity
from indexes.rows import ShownDocument, StoredChunk, StoredPassage
from indexes.storage import contents, ledger
from indexes.storage.database import ReaderPool
from indexes.storage.filters import filter_clause
from indexes.storage.ledger import SHOWN
from indexes.storage.manifest import Manifest
from indexes.storage.segments import OpenSegment
from indexes.storage.states import load_document

ROWS_A_QUERY = 500

_CHUNK = (
    'SELECT c.row_id, c.chunk_id, s.document_id, c.ordinal, c.start, c."end", c.text, c.page, c.heading,'
    " s.title, s.uri, s.source FROM chunks c JOIN states s ON s.state_id = c.state_id"
)


class Snapshot:
    """A published version, open for reading from any number of threads. Get one with `Store.snapshot()`.

    Take a new one for each request: the rows of a version go away once gc no longer keeps it.
    """

    def __init__(self, manifest: Manifest, segments: Sequence[OpenSegment], pool: ReaderPool) -> None:
        self._manifest = manifest
        self.segments = tuple(segments)
        self._pool = pool

    @property
    def version(self) -> int:
        """The number of the version, 1 or more; 0 for a store where nothing is published yet."""
        return self._manifest.version

    @property
    def embedding(self) -> EmbeddingIdentity:
        """What made the vectors."""
        return self._manifest.embedding

    @property
    def chunk_count(self) -> int:
        """Number of passages shown."""
        return self._manifest.chunks

    @property
    def document_count(self) -> int:
        """Number of documents shown."""
        return self._manifest.documents

    def chunks(self, row_ids: Sequence[int] | NDArray[np.int64]) -> list[StoredChunk]:
        """Return the passages at `row_ids`, in that order. Raise NotFoundError where the version is no longer kept."""
        wanted = [int(row_id) for row_id in row_ids]
        found: dict[int, StoredChunk] = {}
        with self._pool.connection() as connection:
            for begin in range(0, len(wanted), ROWS_A_QUERY):
                part = wanted[begin : begin + ROWS_A_QUERY]
                marks = ",".join("?" * len(part))
                for row in connection.execute(f"{_CHUNK} WHERE c.row_id IN ({marks})", part):
                    found[row[0]] = _stored_chunk(row)
        if any(row_id not in found for row_id in wanted):
            raise self._gone()
        return [found[row_id] for row_id in wanted]

    def neighbours(self, passage: int | str, before: int, after: int) -> list[StoredChunk]:
        """Return a passage with up to `before` and `after` of its own document's passages around it, in their order.

        `passage` is a row id or a chunk id. Raise NotFoundError where this version has no such passage.
        """
        with self._pool.connection() as connection:
            row = self._state_of(connection, passage)
            if row is None:
                raise self._gone() if isinstance(passage, int) else NotFoundError(f"no passage {passage}")
            state_id, row_id = row
            found = connection.execute(
                f"{_CHUNK} WHERE c.row_id BETWEEN ? AND ? AND c.state_id = ? ORDER BY c.row_id",
                (row_id - before, row_id + after, state_id),
            )
            return [_stored_chunk(row) for row in found]

    def select(self, filters: Mapping[str, object]) -> list[NDArray[np.bool_]]:
        """Return one mask a segment: the rows that this version shows and whose documents match `filters`.

        Without filters these are the segments' own `live` masks: do not write into them. Raise UsageError for filters
        of a wrong shape (`indexes.storage.filters.filter_clause`).
        """
        if not filters:
            return [segment.live for segment in self.segments]
        condition, parameters = filter_clause(filters)
        with self._pool.connection() as connection:
            found = connection.execute(
                "SELECT s.state_id, s.document_id, s.first_row, s.chunk_count FROM states s"
                f" WHERE {condition} AND s.chunk_count > 0 AND EXISTS (SELECT 1 FROM visibility v"
                " WHERE v.state_id = s.state_id AND v.version_added <= ?"
                " AND (v.version_removed IS NULL OR v.version_removed > ?))",
                (*parameters, self.version, self.version),
            ).fetchall()
        rows = ledger.rows_of([ledger.StateRows(*row) for row in found])
        return [segment.live & _contains(rows, segment.row_ids) for segment in self.segments]

    def document_text(self, document_id: str) -> str:
        """Return the text of a document, to which all offsets refer. Raise NotFoundError."""
        with self._pool.connection() as connection:
            found = connection.execute(
                "SELECT b.text FROM visibility v JOIN bodies b ON b.state_id = v.state_id"
                f" WHERE v.document_id = :document AND {SHOWN}",
                {"document": document_id, "version": self.version},
            ).fetchone()
        if found is None:
            raise NotFoundError(f"no document {document_id} in version {self.version}")
        return str(found[0])

    def document(self, document_id: str) -> Document:
        """Return a document as this version shows it. Raise NotFoundError."""
        with self._pool.connection() as connection:
            found = connection.execute(
                f"SELECT v.state_id FROM visibility v WHERE v.document_id = :document AND {SHOWN}",
                {"document": document_id, "version": self.version},
            ).fetchone()
            document = load_document(connection, found[0]) if found else None
        if document is None:
            raise NotFoundError(f"no document {document_id} in version {self.version}")
        return document

    def documents(self, after: str = "", limit: int = 1000) -> list[ShownDocument]:
        """Return the documents shown, by id, at most `limit` of those behind `after`.

        Raise NotFoundError where the version is no longer kept.
        """
        with self._pool.connection() as connection:
            found = contents.shown_documents(connection, self.version, after, limit) if self.version else []
        if found is None:
            raise self._gone()
        return found

    def passages(self, document: ShownDocument, begin: int, limit: int) -> list[StoredPassage]:
        """Return passages of a document with their vectors, from the ordinal `begin` on, at most `limit`, in order.

        Raise NotFoundError where the version is no longer kept, DamagedError for a damaged vector.
        """
        with self._pool.connection() as connection:
            found = contents.read_passages(connection, document, begin, limit)
        if len(found) != max(min(limit, document.chunks - begin), 0):
            raise self._gone()
        return found

    def _state_of(self, connection: sqlite3.Connection, passage: int | str) -> tuple[int, int] | None:
        if isinstance(passage, int | np.integer):
            found = connection.execute(
                "SELECT state_id, row_id FROM chunks WHERE row_id = ?", (int(passage),)
            ).fetchone()
        else:
            found = connection.execute(
                "SELECT c.state_id, c.row_id FROM visibility v JOIN chunks c ON c.state_id = v.state_id"
                f" WHERE v.document_id = :document AND {SHOWN} AND c.chunk_id = :chunk",
                {"document": passage.rpartition("-")[0], "version": self.version, "chunk": passage},
            ).fetchone()
        return None if found is None else (int(found[0]), int(found[1]))

    def _gone(self) -> NotFoundError:
        return NotFoundError(f"version {self.version} is no longer kept; ask again for the newest")


def _stored_chunk(row: tuple[int, str, str, int, int, int, str, int | None, str, str, str, str]) -> StoredChunk:
    row_id, chunk_id, document_id, ordinal, start, end, text, page, heading, title, uri, source = row
    chunk = Chunk(chunk_id, document_id, ordinal, start, end, text, page, heading)
    return StoredChunk(row_id, chunk, title, uri, source)


def _contains(rows: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which of `wanted` are among `rows`; both ascend."""
    if not rows.size:
        return np.zeros(wanted.size, np.bool_)
    places = np.searchsorted(rows, wanted).clip(max=rows.size - 1)
    found: NDArray[np.bool_] = rows[places] == wanted
    return found
