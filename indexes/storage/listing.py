"""Lists and single rows for people and programs that manage a knowledge base: documents, versions, failures, counts."""

from __future__ import annotations

import json
import sqlite3

from indexes.errors import NotFoundError, UsageError
from indexes.records import Document
from indexes.rows import DocumentRow, FailureRow, StoreCounts, StoredDocument, VersionRow
from indexes.storage import ledger
from indexes.storage.ledger import SHOWN
from indexes.storage.states import load_chunks, load_document

MAX_LIMIT = 10_000


def list_documents(
    connection: sqlite3.Connection, version: int, status: str | None, after: str | None, limit: int
) -> list[DocumentRow]:
    """Return documents by URI: those that `version` shows, and failed ones that it does not.

    `after` is the document id or the URI of the last row of the page before. Raise UsageError for a status other than
    "ready" and "failed" and for a limit outside 1 to 10,000, NotFoundError for the id of no document.
    """
    if status not in (None, "ready", "failed"):
        raise UsageError('status is "ready" or "failed"')
    if not 1 <= limit <= MAX_LIMIT:
        raise UsageError(f"limit lies between 1 and {MAX_LIMIT}")
    cursor = "" if after is None else _uri_of(connection, after)
    wanted = {"version": version, "after": cursor, "limit": limit}
    rows: list[DocumentRow] = []
    if status != "failed":
        rows += _shown(connection, "f.document_id IS NULL", wanted)
    if status != "ready":
        rows += _shown(connection, "f.document_id IS NOT NULL", wanted)
        found = connection.execute(
            "SELECT f.document_id, f.uri, f.reason, f.detail FROM failures f WHERE f.uri > :after"
            " AND NOT EXISTS (SELECT 1 FROM visibility v"
            f" WHERE v.document_id = f.document_id AND {SHOWN}) ORDER BY f.uri LIMIT :limit",
            wanted,
        )
        rows += [
            DocumentRow(document_id, "", uri, "failed", 0, 0, 0, f"{reason}: {detail}")
            for document_id, uri, reason, detail in found
        ]
    rows.sort(key=lambda row: row.uri.encode("utf-8", "surrogatepass"))
    return rows[:limit]


def _shown(connection: sqlite3.Connection, condition: str, wanted: dict[str, object]) -> list[DocumentRow]:
    found = connection.execute(
        "SELECT s.document_id, s.title, s.uri, s.chunk_count, s.page_count, v.version_added, f.reason, f.detail"
        " FROM states s JOIN visibility v ON v.state_id = s.state_id"
        " LEFT JOIN failures f ON f.document_id = s.document_id"
        f" WHERE {SHOWN} AND s.uri > :after AND {condition} ORDER BY s.uri LIMIT :limit",
        wanted,
    )
    return [
        DocumentRow(
            document_id, title, uri, "ready" if reason is None else "failed", chunks, pages, added,
            None if reason is None else f"{reason}: {detail}",
        )
        for document_id, title, uri, chunks, pages, added, reason, detail in found
    ]  # fmt: skip


def _uri_of(connection: sqlite3.Connection, after: str) -> str:
    if ":" in after or "/" in after:
        return after
    for table in ("states", "failures"):
        found = connection.execute(f"SELECT uri FROM {table} WHERE document_id = ?", (after,)).fetchone()
        if found is not None:
            return str(found[0])
    raise NotFoundError(f"no document {after}")


def stored_document(connection: sqlite3.Connection, version: int, document_id: str) -> StoredDocument:
    """Return a document as `version` shows it, or a failed one without text. Raise NotFoundError."""
    failure = connection.execute(
        "SELECT uri, reason, detail, content_hash FROM failures WHERE document_id = ?", (document_id,)
    ).fetchone()
    found = connection.execute(
        "SELECT v.state_id, v.version_added, b.timings FROM visibility v JOIN bodies b ON b.state_id = v.state_id"
        f" WHERE v.document_id = :document AND {SHOWN}",
        {"document": document_id, "version": version},
    ).fetchone()
    error = None if failure is None else f"{failure[1]}: {failure[2]}"
    document = None if found is None else load_document(connection, found[0])
    if document is not None:
        return StoredDocument(
            document=document,
            chunks=load_chunks(connection, found[0], document_id),
            status="ready" if error is None else "failed",
            version_added=found[1],
            warnings=document.warnings,
            timings=json.loads(found[2]),
            error=error,
        )
    if failure is None:
        raise NotFoundError(f"no document {document_id}")
    empty = Document(document_id=document_id, uri=failure[0], title="", text="", content_hash=failure[3])
    return StoredDocument(document=empty, chunks=(), status="failed", version_added=0, error=error)


def original_hash(connection: sqlite3.Connection, version: int, document_id: str) -> str | None:
    """Return the content hash under which a document's original bytes are kept, or None. Raise NotFoundError."""
    found = connection.execute(
        "SELECT s.content_hash, s.has_original FROM visibility v JOIN states s ON s.state_id = v.state_id"
        f" WHERE v.document_id = :document AND {SHOWN}",
        {"document": document_id, "version": version},
    ).fetchone()
    if found is None:
        raise NotFoundError(f"no document {document_id}")
    return str(found[0]) if found[1] else None


def list_versions(connection: sqlite3.Connection, current: int) -> list[VersionRow]:
    """Return the published versions that are kept, newest first."""
    found = connection.execute(
        "SELECT version, published_at, documents, chunks, added, removed, restored_from, version = :current"
        " FROM versions WHERE version <= :current ORDER BY version DESC",
        {"current": current},
    )
    return [
        VersionRow(version, at, documents, chunks, added, removed, restored_from, bool(is_current))
        for version, at, documents, chunks, added, removed, restored_from, is_current in found
    ]


def list_failures(connection: sqlite3.Connection) -> list[FailureRow]:
    """Return what could not be read the last time it was tried, by URI."""
    found = connection.execute("SELECT uri, reason, detail, at, document_id FROM failures ORDER BY uri")
    return [FailureRow(*row) for row in found]


def count(connection: sqlite3.Connection, current: int) -> StoreCounts:
    """Return the sizes of the current version, and how much failed or waits for the next one."""
    row = next((row for row in ledger.committed_versions(connection) if row.version == current), None)
    (failed,) = connection.execute("SELECT count(*) FROM failures").fetchone()
    (pending,) = connection.execute("SELECT count(*) FROM pending").fetchone()
    return StoreCounts(current, row.documents if row else 0, row.chunks if row else 0, failed, pending)
