"""Checking kb.sqlite: its own structure, every document against its digest, every vector, and what points at what."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

from indexes.errors import DamagedError
from indexes.records import Chunk, Document
from indexes.storage import files, ledger
from indexes.storage.originals import original_path
from indexes.storage.states import filter_fields, load_chunks, load_document, state_digest
from indexes.upkeep.findings import Findings


def verify_rows(root: Path, connection: sqlite3.Connection, findings: Findings) -> None:
    """Check the database. Raise DamagedError where it is too damaged to be read on."""
    for (line,) in connection.execute("PRAGMA integrity_check").fetchall():
        if line != "ok":
            findings.note(f"kb.sqlite: {line}".splitlines()[0])
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchall():
        findings.note(f"kb.sqlite: row {row} of {table} points at no row of {parent}")
    for (state_id,) in connection.execute("SELECT state_id FROM states ORDER BY state_id").fetchall():
        with findings.noting():
            _check_state(connection, state_id, findings)
    _check_vectors(connection, findings)
    _check_heads(connection, findings)
    _check_counts(connection, findings)
    _check_originals(root, connection, findings)


def _check_state(connection: sqlite3.Connection, state_id: int, findings: Findings) -> None:
    findings.checked["documents"] += 1
    document_id, first_row, chunk_count, page_count, digest = connection.execute(
        "SELECT document_id, first_row, chunk_count, page_count, digest FROM states WHERE state_id = ?", (state_id,)
    ).fetchone()
    name = f"document {document_id}"
    try:
        document = load_document(connection, state_id)
        chunks = load_chunks(connection, state_id, document_id)
    except (ValueError, TypeError) as error:
        raise DamagedError(f"{name} cannot be read from kb.sqlite ({type(error).__name__})") from error
    if document is None:
        raise DamagedError(f"{name} has lost its text in kb.sqlite")
    findings.checked["chunks"] += len(chunks)
    rows = [
        row for (row,) in connection.execute("SELECT row_id FROM chunks WHERE state_id = ? ORDER BY 1", (state_id,))
    ]
    if rows != list(range(first_row, first_row + chunk_count)):
        raise DamagedError(f"{name} has lost chunks in kb.sqlite")
    _check_spans(document, chunks, name)
    if state_digest(document, chunks) != digest or page_count != len(document.pages):
        raise DamagedError(f"{name} is not as it was stored in kb.sqlite")
    fields = set(connection.execute("SELECT field, value FROM fields WHERE state_id = ?", (state_id,)).fetchall())
    if fields != set(filter_fields(document)):
        raise DamagedError(f"{name} has lost what filters look at in kb.sqlite")


def _check_spans(document: Document, chunks: tuple[Chunk, ...], name: str) -> None:
    for chunk in chunks:
        if document.text[chunk.start : chunk.end] != chunk.text:
            raise DamagedError(f"{name}: chunk {chunk.ordinal} is not what its offsets say")


def _check_vectors(connection: sqlite3.Connection, findings: Findings) -> None:
    dimensions = {
        space: ledger.identity_of(connection, space).dimension
        for (space,) in connection.execute("SELECT space FROM spaces").fetchall()
    }
    damaged = 0
    for space, crc32, vector in connection.execute("SELECT space, crc32, vector FROM vectors"):
        findings.checked["vectors"] += 1
        damaged += len(vector) != 2 * dimensions.get(space, 0) or zlib.crc32(vector) != crc32
    if damaged:
        findings.note(f"{damaged} vectors in kb.sqlite are not as they were stored")
    (missing,) = connection.execute(
        "SELECT count(*) FROM chunks c JOIN states s ON s.state_id = c.state_id"
        " LEFT JOIN vectors v ON v.vector_id = c.vector_id AND v.space = s.space WHERE v.vector_id IS NULL"
    ).fetchone()
    if missing:
        findings.note(f"{missing} chunks in kb.sqlite have no vector")


def _check_heads(connection: sqlite3.Connection, findings: Findings) -> None:
    """Check that the newest states and the open intervals differ only where work is pending."""
    (strayed,) = connection.execute(
        "SELECT (SELECT count(*) FROM documents d WHERE d.document_id NOT IN (SELECT document_id FROM pending)"
        " AND NOT EXISTS (SELECT 1 FROM visibility v WHERE v.state_id = d.state_id AND v.version_removed IS NULL))"
        " + (SELECT count(*) FROM visibility v WHERE v.version_removed IS NULL"
        " AND v.document_id NOT IN (SELECT document_id FROM pending)"
        " AND NOT EXISTS (SELECT 1 FROM documents d WHERE d.state_id = v.state_id))"
        " + (SELECT count(*) FROM documents d JOIN states s ON s.state_id = d.state_id"
        " WHERE s.document_id != d.document_id)"
        " + (SELECT count(*) FROM visibility v JOIN states s ON s.state_id = v.state_id"
        " WHERE s.document_id != v.document_id)"
    ).fetchone()
    if strayed:
        findings.note(f"{strayed} documents in kb.sqlite differ from the newest version without pending work")


def _check_counts(connection: sqlite3.Connection, findings: Findings) -> None:
    for row in ledger.committed_versions(connection):
        shown = ledger.shown_states(connection, row.version)
        chunks = sum(state.chunk_count for state in shown)
        if (len(shown), chunks) != (row.documents, row.chunks) or len({s.document_id for s in shown}) != len(shown):
            findings.note(f"kb.sqlite shows other documents in version {row.version} than it counts")


def _check_originals(root: Path, connection: sqlite3.Connection, findings: Findings) -> None:
    found = connection.execute(
        "SELECT content_hash, min(uri) FROM states WHERE has_original GROUP BY content_hash"
    ).fetchall()
    for content_hash, uri in found:
        findings.checked["originals"] += 1
        path = original_path(root, content_hash)
        with findings.noting():
            if files.sha256_of(path) != content_hash:
                advice = f"ingest its source again with --force: {uri}"
                findings.note(f"originals/{content_hash[:12]}… does not match its hash; {advice}")
