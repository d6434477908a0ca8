"""What passes between sources, loaders, workers and the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from indexes.errors import DocumentError
from indexes.records import Heading, Page

if TYPE_CHECKING:
    from ingest.web.fetching import Fetched


@dataclass(frozen=True, slots=True)
class SourceItem:
    """One thing that may become a document, as found by listing; nothing of it has been read yet.

    `path` is what to open (None for web pages); `size` is in bytes and `mtime_ns` in nanoseconds, both 0 for web
    pages; `root` is the URI of the target under which it was found (see `ingest.sources.is_under`).

    For web pages that are in already, `etag` and `last_modified` are what their server said of them then: they are
    fetched only if that has changed. `page` is what following a site has fetched already; its bytes are at `path`.
    """

    uri: str
    kind: Literal["file", "web", "document"]
    path: Path | None
    size: int
    mtime_ns: int
    source: str
    root: str
    etag: str = ""
    last_modified: str = ""
    page: Fetched | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something found by listing that will not be read.

    `kind` is "failed" where a document may be missing because of it (exit code 3), and "skipped" where it is no
    document at all, which is a notice only. `reason` is one of the words of `DocumentError`.
    """

    uri: str
    kind: Literal["failed", "skipped"]
    reason: str
    detail: str
    source: str
    root: str


@dataclass(frozen=True, slots=True)
class PageLinks:
    """The addresses in a page or sitemap, and whether the page may be taken in itself."""

    addresses: tuple[str, ...] = ()
    index: bool = True


@dataclass(frozen=True, slots=True)
class Loaded:
    """The text of one document and what is known about it. Offsets count code points of `text`, half-open."""

    text: str
    title: str
    pages: tuple[Page, ...] = ()
    headings: tuple[Heading, ...] = ()
    media_type: str = "text/plain"
    extractor: str = ""
    warnings: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadOutcome:
    """What became of one item.

    Exactly one of `loaded` and `error` is set, unless `unchanged` is true: then the bytes were read and hashed
    but, as the caller asked, not parsed. `content_hash` is the SHA-256 (hex) of the bytes, "" where they could
    not be read. `item` carries the size and time of the bytes that were read. `seconds` is wall time.
    """

    item: SourceItem
    content_hash: str
    loaded: Loaded | None
    error: DocumentError | None
    original: bytes | None
    seconds: float
    unchanged: bool = False
