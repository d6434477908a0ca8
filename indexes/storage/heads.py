"""The newest acknowledged state of each document, published or not, and the failures to read one.

Each function runs inside the caller's transaction.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from indexes.errors import NotFoundError
from indexes.records import Chunk, Document, document_id_of
from indexes.rows import StoredDocument
from indexes.storage.page_marks import forget_marks
from indexes.storage.states import StateExtras, drop_states, insert_chunks, insert_state, load_chunks, load_document


def put_head(
    connection: sqlite3.Connection,
    space: int,
    document: Document,
    chunks: Sequence[Chunk],
    keys: Sequence[str],
    vectors: NDArray[np.float16],
    extras: StateExtras,
) -> set[str]:
    """Make a document's new state its newest and clear its failure; return hashes of originals that may be unused."""
    document_id = document.document_id
    state = insert_state(connection, space, document, chunks, extras)
    insert_chunks(connection, space, state, chunks, keys, vectors)
    before = connection.execute("SELECT state_id FROM documents WHERE document_id = ?", (document_id,)).fetchone()
    connection.execute(
        "INSERT INTO documents (document_id, uri, state_id, size, mtime_ns) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (document_id) DO UPDATE SET uri = excluded.uri, state_id = excluded.state_id,"
        " size = excluded.size, mtime_ns = excluded.mtime_ns",
        (document_id, document.uri, state[0], extras.size, extras.mtime_ns),
    )
    connection.execute("DELETE FROM failures WHERE document_id = ?", (document_id,))
    forget_marks(connection, document_id)
    return _supersede(connection, document_id, None if before is None else before[0])


def remove_head(connection: sqlite3.Connection, document_id: str) -> set[str]:
    """Remove a document and its failure; return hashes of originals that may be unused. Raise NotFoundError."""
    head = connection.execute("SELECT state_id FROM documents WHERE document_id = ?", (document_id,)).fetchone()
    connection.execute("DELETE FROM documents WHERE document_id = ?", (document_id,))
    failed = connection.execute("DELETE FROM failures WHERE document_id = ?", (document_id,)).rowcount
    if head is None and not failed:
        raise NotFoundError(f"no document {document_id}")
    forget_marks(connection, document_id)
    return set() if head is None else _supersede(connection, document_id, head[0])


def record_failure(
    connection: sqlite3.Connection,
    uri: str,
    reason: str,
    detail: str,
    content_hash: str,
    settings_hash: str,
    size: int,
    mtime_ns: int,
) -> None:
    """Record that the source at `uri` could not be read; what is no Unicode in the texts is escaped."""
    texts = [text.encode("utf-8", "backslashreplace").decode() for text in (uri, reason, detail)]
    connection.execute(
        "INSERT OR REPLACE INTO failures"
        " (document_id, uri, reason, detail, at, content_hash, settings_hash, size, mtime_ns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (document_id_of(uri), *texts, time.time(), content_hash, settings_hash, size, mtime_ns),
    )


def stored_head(connection: sqlite3.Connection, document_id: str) -> StoredDocument:
    """Return the newest acknowledged state of a document, published or not. Raise NotFoundError."""
    found = connection.execute(
        "SELECT d.state_id, b.timings FROM documents d JOIN bodies b ON b.state_id = d.state_id"
        " WHERE d.document_id = ?",
        (document_id,),
    ).fetchone()
    document = load_document(connection, found[0]) if found else None
    if found is None or document is None:
        raise NotFoundError(f"no document {document_id}")
    return StoredDocument(
        document=document,
        chunks=load_chunks(connection, found[0], document_id),
        status="ready",
        version_added=0,
        warnings=document.warnings,
        timings=json.loads(found[1]),
    )


def original_hash(connection: sqlite3.Connection, document_id: str) -> str | None:
    """Return the hash under which the newest state's original bytes are kept, or None. Raise NotFoundError."""
    found = connection.execute(
        "SELECT s.content_hash, s.has_original FROM documents d JOIN states s ON s.state_id = d.state_id"
        " WHERE d.document_id = ?",
        (document_id,),
    ).fetchone()
    if found is None:
        raise NotFoundError(f"no document {document_id}")
    return str(found[0]) if found[1] else None


def unused_hashes(connection: sqlite3.Connection, hashes: Iterable[str]) -> list[str]:
    """Return those of `hashes` whose original bytes no state refers to."""
    query = "SELECT 1 FROM states WHERE content_hash = ? AND has_original"
    return [found for found in hashes if not connection.execute(query, (found,)).fetchone()]


def _supersede(connection: sqlite3.Connection, document_id: str, state_id: int | None) -> set[str]:
    """Note the change of a document for the next version; drop the state before it if no version ever showed it."""
    connection.execute("INSERT OR IGNORE INTO pending (document_id) VALUES (?)", (document_id,))
    shown = "SELECT 1 FROM visibility WHERE state_id = ?"
    if state_id is None or connection.execute(shown, (state_id,)).fetchone():
        return set()
    return drop_states(connection, [state_id])[1]
