"""Document states in SQLite: writing one whole, reading it back, proving it unchanged, dropping it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexes.records import Chunk, Document, Heading, Page

TAG_SEPARATORS = str.maketrans(dict.fromkeys(";，；、", ","))


@dataclass(frozen=True, slots=True)
class StateExtras:
    """What is recorded beside a document: the settings that made it, and its source file as it was then."""

    settings_hash: str
    size: int
    mtime_ns: int
    has_original: bool
    timings: Mapping[str, float]


def insert_state(
    connection: sqlite3.Connection, space: int, document: Document, chunks: Sequence[Chunk], extras: StateExtras
) -> tuple[int, int]:
    """Insert a state without its chunks and return its id and the row id that its first chunk is to have."""
    pages, headings, warnings, metadata = _spell_parts(document)
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
    first_row = int(found[0]) + 1 if found else 1
    state_id = connection.execute(
        "INSERT INTO states (document_id, uri, title, source, content_hash, settings_hash, media_type, extractor,"
        " space, first_row, chunk_count, page_count, has_original, size, mtime_ns, digest)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING state_id",
        (
            document.document_id, document.uri, document.title, document.source, document.content_hash,
            extras.settings_hash, document.media_type, document.extractor, space, first_row, len(chunks),
            len(document.pages), extras.has_original, extras.size, extras.mtime_ns, state_digest(document, chunks),
        ),
    ).fetchone()[0]  # fmt: skip
    connection.execute(
        "INSERT INTO bodies (state_id, pages, headings, warnings, metadata, timings, text)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (state_id, pages, headings, warnings, metadata, json.dumps(dict(extras.timings)), document.text),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO fields (state_id, field, value) VALUES (?, ?, ?)",
        [(state_id, field, value) for field, value in filter_fields(document)],
    )
    return int(state_id), first_row


def insert_chunks(
    connection: sqlite3.Connection,
    space: int,
    state: tuple[int, int],
    chunks: Sequence[Chunk],
    keys: Sequence[str],
    vectors: NDArray[np.float16],
) -> None:
    """Insert the chunks of a state at consecutive rows. A vector whose key is known there is not stored twice."""
    state_id, first_row = state
    connection.executemany(
        "INSERT OR IGNORE INTO vectors (space, key, crc32, vector) VALUES (?, ?, ?, ?)",
        [
            (space, key, zlib.crc32(blob), blob)
            for key, blob in ((key, row.tobytes()) for key, row in zip(keys, vectors, strict=True))
        ],
    )
    connection.executemany(
        "INSERT INTO chunks (row_id, state_id, vector_id, chunk_id, ordinal, start, \"end\", page, heading, text)"
        " VALUES (?, ?, (SELECT vector_id FROM vectors WHERE space = ? AND key = ?), ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                first_row + chunk.ordinal, state_id, space, key, chunk.chunk_id, chunk.ordinal, chunk.start, chunk.end,
                chunk.page, chunk.heading, chunk.text,
            )
            for chunk, key in zip(chunks, keys, strict=True)
        ],
    )  # fmt: skip


def filter_fields(document: Document) -> list[tuple[str, str]]:
    """Return what filters see of the metadata: each field with its value; `tag` may list several, with commas."""
    fields = []
    for field, value in document.metadata.items():
        if field == "tag":
            tags = (tag.strip() for tag in value.translate(TAG_SEPARATORS).split(","))
            fields += [("tag", tag) for tag in tags if tag]
        else:
            fields.append((field, value))
    return fields


def load_document(connection: sqlite3.Connection, state_id: int) -> Document | None:
    """Return the document of a state, or None where there is no such state (any more)."""
    found = connection.execute(
        "SELECT s.document_id, s.uri, s.title, s.content_hash, s.media_type, s.extractor, s.source,"
        " b.text, b.pages, b.headings, b.warnings, b.metadata"
        " FROM states s JOIN bodies b ON b.state_id = s.state_id WHERE s.state_id = ?",
        (state_id,),
    ).fetchone()
    if found is None:
        return None
    document_id, uri, title, content_hash, media_type, extractor, source, text, pages, headings, warnings, metadata = (
        found
    )
    return Document(
        document_id=document_id,
        uri=uri,
        title=title,
        text=text,
        content_hash=content_hash,
        media_type=media_type,
        extractor=extractor,
        source=source,
        pages=tuple(Page(*page) for page in json.loads(pages)),
        headings=tuple(Heading(*heading) for heading in json.loads(headings)),
        warnings=tuple(json.loads(warnings)),
        metadata=json.loads(metadata),
    )


def load_chunks(connection: sqlite3.Connection, state_id: int, document_id: str) -> tuple[Chunk, ...]:
    """Return the chunks of a state in their order."""
    found = connection.execute(
        'SELECT chunk_id, ordinal, start, "end", text, page, heading FROM chunks WHERE state_id = ? ORDER BY row_id',
        (state_id,),
    )
    return tuple(Chunk(chunk_id, document_id, *rest) for chunk_id, *rest in found)


def state_digest(document: Document, chunks: Sequence[Chunk]) -> str:
    """Return a hash over everything that is stored of a document and its chunks: any later change shows."""
    parts = (
        document.document_id, document.uri, document.title, document.content_hash, document.media_type,
        document.extractor, document.source, *_spell_parts(document), document.text,
        [(c.chunk_id, c.ordinal, c.start, c.end, c.text, c.page, c.heading) for c in chunks],
    )  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()


def drop_states(connection: sqlite3.Connection, state_ids: Sequence[int]) -> tuple[int, set[str]]:
    """Drop states with their chunks, and the vectors that no other chunk has.

    Return the number of vectors dropped and the content hashes whose original bytes nothing refers to any more.
    """
    vectors = 0
    hashes: set[str] = set()
    for state_id in state_ids:
        row = (state_id,)
        found = connection.execute(
            "SELECT content_hash FROM states WHERE state_id = ? AND has_original", row
        ).fetchone()
        used = connection.execute("SELECT DISTINCT vector_id FROM chunks WHERE state_id = ?", row).fetchall()
        for table in ("visibility", "chunks", "fields", "bodies", "states"):
            connection.execute(f"DELETE FROM {table} WHERE state_id = ?", row)
        for (vector_id,) in used:
            vectors += connection.execute(
                "DELETE FROM vectors WHERE vector_id = ?1 AND NOT EXISTS (SELECT 1 FROM chunks WHERE vector_id = ?1)",
                (vector_id,),
            ).rowcount
        if found is not None:
            hashes.add(found[0])
    return vectors, {
        content_hash
        for content_hash in hashes
        if not connection.execute(
            "SELECT 1 FROM states WHERE content_hash = ? AND has_original", (content_hash,)
        ).fetchone()
    }


def _spell_parts(document: Document) -> tuple[str, str, str, str]:
    return (
        json.dumps([(page.number, page.start, page.end) for page in document.pages]),
        json.dumps([(heading.start, heading.level, heading.title) for heading in document.headings]),
        json.dumps(list(document.warnings)),
        json.dumps(dict(document.metadata), sort_keys=True),
    )
