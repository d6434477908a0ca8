"""All that a version shows, in portions: for programs that carry a knowledge base somewhere else."""

from __future__ import annotations

import sqlite3
import zlib

import numpy as np

from indexes.errors import DamagedError
from indexes.records import Chunk
from indexes.rows import ShownDocument, StoredChunk, StoredPassage
from indexes.storage.ledger import SHOWN


def shown_documents(connection: sqlite3.Connection, version: int, after: str, limit: int) -> list[ShownDocument] | None:
    """Return the documents of `version` by id, at most `limit` behind `after`; None where it is not kept any more."""
    found = connection.execute(
        "SELECT v.document_id, v.state_id, s.digest, v.version_added, s.chunk_count FROM visibility v"
        f" JOIN states s ON s.state_id = v.state_id WHERE {SHOWN} AND v.document_id > :after"
        " ORDER BY v.document_id LIMIT :limit",
        {"version": version, "after": after, "limit": limit},
    ).fetchall()
    # Asked last: rows go together with their version, so they were all there if it still is.
    if connection.execute("SELECT 1 FROM versions WHERE version = ?", (version,)).fetchone() is None:
        return None
    return [ShownDocument(*row) for row in found]


def read_passages(
    connection: sqlite3.Connection, document: ShownDocument, begin: int, limit: int
) -> list[StoredPassage]:
    """Return the passages of `document` from the ordinal `begin` on, at most `limit`; none where its state is gone.

    Raise DamagedError for a vector that is not what was written.
    """
    found = connection.execute(
        'SELECT c.row_id, c.chunk_id, c.ordinal, c.start, c."end", c.text, c.page, c.heading, s.title, s.uri, s.source,'
        " e.vector, e.crc32 FROM states s JOIN chunks c ON c.row_id BETWEEN s.first_row + :begin"
        " AND s.first_row + min(:begin + :limit, s.chunk_count) - 1 AND c.state_id = s.state_id"
        # The digest too: another knowledge base may have come into the place of this one.
        " JOIN vectors e ON e.vector_id = c.vector_id WHERE s.state_id = :state AND s.digest = :digest"
        " ORDER BY c.row_id",
        {"state": document.state_id, "digest": document.digest, "begin": begin, "limit": limit},
    )
    passages = []
    for row_id, chunk_id, ordinal, start, end, text, page, heading, title, uri, source, blob, crc32 in found:
        if zlib.crc32(blob) != crc32:
            raise DamagedError(f"the vector of passage {chunk_id} is damaged: run `kb verify`")
        chunk = Chunk(chunk_id, document.document_id, ordinal, start, end, text, page, heading)
        vector = np.frombuffer(blob, dtype="<f2").astype(np.float32)
        passages.append(StoredPassage(StoredChunk(row_id, chunk, title, uri, source), vector))
    return passages
