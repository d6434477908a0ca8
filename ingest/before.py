"""What a run knows of its sources from earlier ones, and what need not be read again because of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from indexes.errors import NotFoundError
from indexes.rows import KnownDocument
from indexes.storage.page_marks import PageMarks
from indexes.storage.writer import Writer
from ingest.records import SourceItem


@dataclass(frozen=True, slots=True)
class Before:
    """The known documents by URI, and what documents are to be read with now; with `force` nothing is current."""

    known: Mapping[str, KnownDocument]
    writer: Writer
    settings_hash: str
    force: bool

    def current(self, uri: str) -> KnownDocument | None:
        """Return a document that is in as it would be read now, if its content is the same; None for others."""
        found = self.known.get(uri)
        is_current = found is not None and found.status == "ready" and found.settings_hash == self.settings_hash
        return found if is_current and not self.force else None

    def unchanged_hashes(self, items: Sequence[SourceItem]) -> dict[str, str]:
        """Return, by URI, the hashes of content that need not be parsed again."""
        found = (self.current(item.uri) for item in items)
        return {one.uri: one.content_hash for one in found if one is not None}

    def with_marks(self, item: SourceItem) -> SourceItem:
        """Return an item so that, being a web page that is in, it is fetched only if it has changed."""
        found = self.current(item.uri)
        if item.kind != "web" or item.page is not None or found is None:
            return item
        return replace(item, size=found.size, etag=found.etag, last_modified=found.last_modified)

    def new_marks(self, item: SourceItem, known: KnownDocument) -> PageMarks | None:
        """Return what the server now says of a page whose content is the same, or None where that is nothing new.

        An answer without a page may leave out what was said with the page.
        """
        page = item.page
        if page is None or not (page.etag or page.last_modified):
            return None
        etag, last_modified = page.etag, page.last_modified
        if page.not_modified:
            etag, last_modified = etag or known.etag, last_modified or known.last_modified
        is_new = (etag, last_modified) != (known.etag, known.last_modified)
        return PageMarks(known.content_hash, etag, last_modified) if is_new else None

    def has_text(self, uri: str) -> bool:
        """Tell whether a document is in, and not only as a failure."""
        found = self.known.get(uri)
        if found is None or found.status == "ready":
            return found is not None
        try:
            self.writer.stored(found.document_id)
        except NotFoundError:
            return False
        return True
