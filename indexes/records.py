"""The records that pass between the packages: documents, chunks, hits and the identities of what made them.

All offsets count Unicode code points, are half-open, and refer to `Document.text` as it is stored.
All scores lie in [0, 1]; higher is better.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

HEADING_SEPARATOR: Final = " > "
"""Stands between the titles of a heading path."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a document: `number` counts from 1; the page's text is `text[start:end]`."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading that begins at offset `start`; `level` counts from 1 (the widest)."""

    start: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Document:
    """One source document, decoded and cleaned. `text` is what citations quote from.

    `content_hash` is the SHA-256 (hex) of the original bytes; `metadata` holds flat string fields, among them
    `date` (ISO 8601) and `tag` where known, and is what filters look at.
    """

    document_id: str
    uri: str
    title: str
    text: str
    content_hash: str
    media_type: str = "text/plain"
    extractor: str = ""
    source: str = ""
    pages: tuple[Page, ...] = ()
    headings: tuple[Heading, ...] = ()
    warnings: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def page_at(self, offset: int) -> int | None:
        """Return the number of the page that holds `offset`, or None where the source has no pages."""
        for page in self.pages:
            if page.start <= offset < page.end:
                return page.number
        return self.pages[-1].number if self.pages and offset >= self.pages[-1].end else None

    def heading_at(self, offset: int) -> str:
        """Return the path of the headings in force at `offset`, joined by " > ", or "" before the first."""
        before = sorted((heading for heading in self.headings if heading.start <= offset), key=lambda h: h.start)
        return heading_paths(before)[-1] if before else ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document: `text == document.text[start:end]`, always.

    `ordinal` counts from 0 within the document; `page` is the page of `start`; `heading` is the heading path
    in force at `start`, joined by " > ", or "".
    """

    chunk_id: str
    document_id: str
    ordinal: int
    start: int
    end: int
    text: str
    page: int | None = None
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found for a query. `score` is the fused score; the other two are what it was fused from."""

    document_id: str
    chunk_id: str
    title: str
    uri: str
    page: int | None
    start: int
    end: int
    text: str
    heading: str
    score: float
    dense_score: float
    keyword_score: float


@dataclass(frozen=True, slots=True)
class EmbeddingIdentity:
    """What made the vectors of an index. Two indexes are compatible only if these are equal."""

    name: str
    model: str
    revision: str
    dimension: int
    pooling: str
    query_prefix: str
    max_tokens: int


@dataclass(frozen=True, slots=True)
class SplitterIdentity:
    """What cut the chunks of an index; a change makes documents stale, to be split again."""

    name: str
    version: int
    chunk_tokens: int
    overlap_sentences: int


def heading_paths(headings: Sequence[Heading]) -> list[str]:
    """Return for each heading, in the order of the text, its path: the titles that it stands under and its own."""
    stack: list[Heading] = []
    paths = []
    for heading in headings:
        while stack and stack[-1].level >= heading.level:
            stack.pop()
        stack.append(heading)
        paths.append(HEADING_SEPARATOR.join(title for part in stack if (title := " ".join(part.title.split()))))
    return paths


def document_id_of(uri: str) -> str:
    """Return the identity of the document at `uri`: 16 hexadecimal digits, the same for NFC and NFD spellings."""
    return hashlib.sha256(unicodedata.normalize("NFC", uri).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def chunk_id_of(document_id: str, ordinal: int) -> str:
    """Return the identity of the chunk at `ordinal` (from 0) of a document: equal after every rebuild."""
    return f"{document_id}-{ordinal}"
