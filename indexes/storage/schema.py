"""The tables of kb.sqlite. `MIGRATIONS[i]` brings a database from format i to format i + 1.

A *state* is one reading of a document: its text, chunks and what was said about them. States never change; a new
reading makes a new state. `documents` points at the newest acknowledged state of each document, `visibility` says
in which versions a state is shown, and `pending` names the documents for which the two differ. A state may have
several intervals: rolling back shows it again. The rows of a state's chunks are consecutive, so `first_row` and
`chunk_count` name them all.
"""

from __future__ import annotations

FIRST = """
CREATE TABLE spaces (
    space INTEGER PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE
);
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE states (
    state_id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id TEXT NOT NULL,
    uri TEXT NOT NULL,
    title TEXT NOT NULL,
    source TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    settings_hash TEXT NOT NULL,
    media_type TEXT NOT NULL,
    extractor TEXT NOT NULL,
    space INTEGER NOT NULL REFERENCES spaces,
    first_row INTEGER NOT NULL,
    chunk_count INTEGER NOT NULL,
    page_count INTEGER NOT NULL,
    has_original INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    digest TEXT NOT NULL
);
CREATE INDEX states_document ON states (document_id);
CREATE INDEX states_uri ON states (uri);
CREATE INDEX states_content ON states (content_hash);
CREATE TABLE bodies (
    state_id INTEGER PRIMARY KEY REFERENCES states,
    pages TEXT NOT NULL,
    headings TEXT NOT NULL,
    warnings TEXT NOT NULL,
    metadata TEXT NOT NULL,
    timings TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE TABLE fields (
    state_id INTEGER NOT NULL REFERENCES states,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (state_id, field, value)
) WITHOUT ROWID;
CREATE INDEX fields_value ON fields (field, value);
CREATE TABLE vectors (
    vector_id INTEGER PRIMARY KEY,
    space INTEGER NOT NULL REFERENCES spaces,
    key TEXT NOT NULL,
    crc32 INTEGER NOT NULL,
    vector BLOB NOT NULL,
    UNIQUE (space, key)
);
CREATE TABLE chunks (
    row_id INTEGER PRIMARY KEY AUTOINCREMENT,
    state_id INTEGER NOT NULL REFERENCES states,
    vector_id INTEGER NOT NULL REFERENCES vectors,
    chunk_id TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    page INTEGER,
    heading TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX chunks_state ON chunks (state_id);
CREATE INDEX chunks_vector ON chunks (vector_id);
CREATE TABLE documents (
    document_id TEXT PRIMARY KEY,
    uri TEXT NOT NULL,
    state_id INTEGER NOT NULL REFERENCES states,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX documents_state ON documents (state_id);
CREATE TABLE failures (
    document_id TEXT PRIMARY KEY,
    uri TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    at REAL NOT NULL,
    content_hash TEXT NOT NULL,
    settings_hash TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE pending (
    document_id TEXT PRIMARY KEY
) WITHOUT ROWID;
CREATE TABLE versions (
    version INTEGER PRIMARY KEY,
    published_at REAL NOT NULL,
    space INTEGER NOT NULL REFERENCES spaces,
    documents INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    added INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    restored_from INTEGER,
    manifest_hash TEXT NOT NULL,
    announced INTEGER NOT NULL
);
CREATE TABLE visibility (
    state_id INTEGER NOT NULL REFERENCES states,
    document_id TEXT NOT NULL,
    version_added INTEGER NOT NULL,
    version_removed INTEGER,
    PRIMARY KEY (state_id, version_added)
) WITHOUT ROWID;
CREATE INDEX visibility_document ON visibility (document_id);
CREATE INDEX visibility_removed ON visibility (version_removed);
"""

MIGRATIONS = (FIRST,)
