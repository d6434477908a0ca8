"""What the store gives back: small frozen records read from SQLite, and the reports of its upkeep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from indexes.records import Chunk, Document

if TYPE_CHECKING:
    from indexes.embedding import Vectors

DocumentStatus = Literal["ready", "failed"]


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A passage with what a hit shows of its document. `row_id` is its number in SQLite and in the segments."""

    row_id: int
    chunk: Chunk
    title: str
    uri: str
    source: str


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage with its unit vector, float32 of shape (dimension,): at half precision, as search uses it."""

    stored: StoredChunk
    vector: Vectors


@dataclass(frozen=True, slots=True)
class ShownDocument:
    """A document of a version, to read its passages by. `digest` hashes all that is stored of it but the vectors.

    `version_added` is the version that first showed it so; `chunks` is a count.
    """

    document_id: str
    state_id: int
    digest: str
    version_added: int
    chunks: int


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as stored. `status` "failed" means that its source could not be read the last time.

    A failed document that was readable earlier still has its earlier text and chunks; one that never was has an
    empty text. `version_added` is the version that first showed this state, 0 where none did. `timings` are seconds.
    """

    document: Document
    chunks: tuple[Chunk, ...]
    status: DocumentStatus
    version_added: int
    warnings: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """One line of the list of documents. `chunks` and `pages` are counts."""

    document_id: str
    title: str
    uri: str
    status: DocumentStatus
    chunks: int
    pages: int
    version_added: int
    error: str | None


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """What the writer knows of a source, unpublished work included; `settings_hash` "" means: to be put again.

    `source` is "" where there never was a text; `etag` and `last_modified` are what a server said of a web page.
    """

    document_id: str
    uri: str
    content_hash: str
    settings_hash: str
    size: int
    mtime_ns: int
    status: DocumentStatus
    source: str = ""
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One published version that is still kept. `published_at` is in seconds since 1970, UTC."""

    version: int
    published_at: float
    documents: int
    chunks: int
    added: int
    removed: int
    restored_from: int | None
    current: bool


@dataclass(frozen=True, slots=True)
class FailureRow:
    """The last failure to read a source; `at` is in seconds since 1970, UTC."""

    uri: str
    reason: str
    detail: str
    at: float
    document_id: str


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """Sizes of the current version; `pending` counts documents whose change is not published yet."""

    version: int
    documents: int
    chunks: int
    failed: int
    pending: int


@dataclass(frozen=True, slots=True)
class GcReport:
    """How much was removed."""

    versions: int
    segments: int
    documents: int
    vectors: int
    originals: int
    leftovers: int


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a check found. `problems` is empty for a sound store; `checked` counts what was looked at, by kind."""

    problems: list[str]
    checked: Mapping[str, int]
