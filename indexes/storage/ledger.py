"""What SQLite knows of versions, identities and pending work: the questions that writer, gc and checks share."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexes.records import EmbeddingIdentity, SplitterIdentity
from indexes.rows import KnownDocument
from indexes.storage.page_marks import all_marks

# A state is shown in version :v while its interval holds v; the interval is open while the newest version shows it.
SHOWN = "v.version_added <= :version AND (v.version_removed IS NULL OR v.version_removed > :version)"

_COMMITTED = (
    "SELECT version, published_at, space, documents, chunks, restored_from, manifest_hash, announced FROM versions"
)

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StateRows:
    """A state and where its chunks lie."""

    state_id: int
    document_id: str
    first_row: int
    chunk_count: int


@dataclass(frozen=True, slots=True)
class Change:
    """What the next version is to show anew, and what it is to show no more."""

    added: list[StateRows]
    removed: list[StateRows]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


@dataclass(frozen=True, slots=True)
class Committed:
    """A version as SQLite has it; `announced` is 0 between its commit and the swap of CURRENT."""

    version: int
    published_at: float
    space: int
    documents: int
    chunks: int
    restored_from: int | None
    manifest_hash: str
    announced: int


def committed_versions(connection: sqlite3.Connection) -> list[Committed]:
    """Return the versions that are kept, ascending."""
    return [Committed(*row) for row in connection.execute(f"{_COMMITTED} ORDER BY version")]


def latest_version(connection: sqlite3.Connection) -> Committed | None:
    """Return the newest committed version, or None where there is none."""
    found = connection.execute(f"{_COMMITTED} ORDER BY version DESC LIMIT 1").fetchone()
    return None if found is None else Committed(*found)


def identity_of(connection: sqlite3.Connection, space: int) -> EmbeddingIdentity:
    """Return what makes the vectors of a space."""
    (spelled,) = connection.execute("SELECT identity FROM spaces WHERE space = ?", (space,)).fetchone()
    return EmbeddingIdentity(**json.loads(spelled))


def head_space(connection: sqlite3.Connection) -> int | None:
    """Return the space into which the writer puts, or None while no embedder was ever named."""
    found = connection.execute("SELECT value FROM meta WHERE key = 'space'").fetchone()
    return None if found is None else int(found[0])


def set_head_space(connection: sqlite3.Connection, embedding: EmbeddingIdentity) -> int:
    """Let the writer put into the space of `embedding`, made where it is new."""
    spelled = json.dumps(dataclasses.asdict(embedding), sort_keys=True)
    connection.execute("INSERT INTO spaces (identity) VALUES (?) ON CONFLICT DO NOTHING", (spelled,))
    (space,) = connection.execute("SELECT space FROM spaces WHERE identity = ?", (spelled,)).fetchone()
    _remember(connection, "space", str(space))
    return int(space)


def head_splitter(connection: sqlite3.Connection) -> SplitterIdentity | None:
    """Return the splitter that the writer recorded last, or None."""
    found = connection.execute("SELECT value FROM meta WHERE key = 'splitter'").fetchone()
    return None if found is None else SplitterIdentity(**json.loads(found[0]))


def set_head_splitter(connection: sqlite3.Connection, splitter: SplitterIdentity) -> None:
    """Record the splitter whose chunks are put from now on."""
    spelled = json.dumps(dataclasses.asdict(splitter), sort_keys=True)
    _remember(connection, "splitter", spelled)


def pending_change(connection: sqlite3.Connection) -> Change:
    """Return what differs between the newest version and the newest acknowledged states. Cost: the pending work."""
    added = connection.execute(
        "SELECT s.state_id, s.document_id, s.first_row, s.chunk_count FROM pending p"
        " JOIN documents d ON d.document_id = p.document_id JOIN states s ON s.state_id = d.state_id"
        " WHERE NOT EXISTS (SELECT 1 FROM visibility v WHERE v.state_id = d.state_id AND v.version_removed IS NULL)"
        " ORDER BY s.state_id"
    ).fetchall()
    removed = connection.execute(
        "SELECT s.state_id, s.document_id, s.first_row, s.chunk_count FROM pending p"
        " JOIN visibility v ON v.document_id = p.document_id AND v.version_removed IS NULL"
        " JOIN states s ON s.state_id = v.state_id"
        " LEFT JOIN documents d ON d.document_id = p.document_id"
        " WHERE d.state_id IS NULL OR d.state_id != v.state_id ORDER BY s.state_id"
    ).fetchall()
    return Change([StateRows(*row) for row in added], [StateRows(*row) for row in removed])


def shown_states(connection: sqlite3.Connection, version: int) -> list[StateRows]:
    """Return every state that a version shows, in the order of their rows."""
    found = connection.execute(
        "SELECT s.state_id, s.document_id, s.first_row, s.chunk_count FROM visibility v"
        f" JOIN states s ON s.state_id = v.state_id WHERE {SHOWN} ORDER BY s.first_row",
        {"version": version},
    )
    return [StateRows(*row) for row in found]


def rows_of(states: list[StateRows]) -> Rows:
    """Return the row ids of the states' chunks, ascending."""
    if not states:
        return np.empty(0, np.int64)
    firsts = np.array([state.first_row for state in states], np.int64)
    counts = np.array([state.chunk_count for state in states], np.int64)
    order = np.argsort(firsts, kind="stable")
    firsts, counts = firsts[order], counts[order]
    starts = np.cumsum(counts) - counts
    rows: Rows = np.arange(int(counts.sum()), dtype=np.int64) + np.repeat(firsts - starts, counts)
    return rows


def stale_documents(connection: sqlite3.Connection, space: int, *, pending_only: bool) -> list[str]:
    """Return the documents whose newest state has vectors of another space, by id."""
    source = "pending p JOIN documents d ON d.document_id = p.document_id" if pending_only else "documents d"
    found = connection.execute(
        f"SELECT d.document_id FROM {source} JOIN states s ON s.state_id = d.state_id WHERE s.space != ?"
        " ORDER BY d.document_id",
        (space,),
    )
    return [document_id for (document_id,) in found]


def known_documents(connection: sqlite3.Connection) -> dict[str, KnownDocument]:
    """Return every document by URI, as the newest acknowledged work and the last failures have it."""
    space = head_space(connection)
    newer = all_marks(connection)
    known = {}
    for document_id, uri, content_hash, settings_hash, size, mtime_ns, source, metadata, of_space in connection.execute(
        "SELECT d.document_id, d.uri, s.content_hash, s.settings_hash, d.size, d.mtime_ns, s.source, b.metadata,"
        " s.space FROM documents d JOIN states s ON s.state_id = d.state_id"
        # Only of web pages: metadata lie in the large table, and of files nothing in them is asked for.
        " LEFT JOIN bodies b ON b.state_id = s.state_id AND d.uri GLOB 'http*'"
    ):
        settings = settings_hash if of_space == space else ""
        said = json.loads(metadata) if metadata else {}
        marks = (said.get("etag", ""), said.get("last_modified", ""))
        if document_id in newer and newer[document_id].content_hash == content_hash:
            marks = (newer[document_id].etag, newer[document_id].last_modified)
        known[document_id] = KnownDocument(
            document_id, uri, content_hash, settings, size, mtime_ns, "ready", source, *marks
        )
    for document_id, uri, content_hash, settings, size, mtime_ns in connection.execute(
        "SELECT document_id, uri, content_hash, settings_hash, size, mtime_ns FROM failures"
    ):
        source = known[document_id].source if document_id in known else ""
        known[document_id] = KnownDocument(document_id, uri, content_hash, settings, size, mtime_ns, "failed", source)
    return {document.uri: document for document in known.values()}


def holds_documents(connection: sqlite3.Connection) -> bool:
    """Tell whether there is any document, in the newest version or waiting for the next one."""
    latest = latest_version(connection)
    shown = latest is not None and latest.documents > 0
    return shown or connection.execute("SELECT 1 FROM documents LIMIT 1").fetchone() is not None


def _remember(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Record a value, writing nothing where it is recorded already."""
    connection.execute(
        "INSERT INTO meta (key, value) VALUES (?1, ?2)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value != excluded.value",
        (key, value),
    )
