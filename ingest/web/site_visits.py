"""Visits to sites as part of an ingest: in a thread of their own, so that stopping need not wait for a server."""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from indexes.errors import DamagedError, NotFoundError
from indexes.rows import KnownDocument
from ingest.records import Problem, SourceItem
from ingest.stopping import check
from ingest.web.crawl import Crawl, CrawlLimits
from ingest.web.site_records import KnownPage
from ingest.web.urls import site_of

if TYPE_CHECKING:
    from ingest.workers import LoaderPool

# Pages that are read of a sitemap unless the limits of the source say otherwise.
SITEMAP_PAGES = 5_000
_POLL_SECONDS = 0.1
_JOIN_SECONDS = 1.0


class SiteVisits:
    """What the visits of one ingest share: reading processes, a folder for pages, and what is known already.

    Nothing is opened before the first visit. Leaving the block ends what runs and removes the pages.
    """

    def __init__(self, open_pool: Callable[[], LoaderPool], cancel: threading.Event) -> None:
        self._open_pool = open_pool
        self._cancel = cancel
        self._stop = threading.Event()
        self._pool: LoaderPool | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._threads: list[threading.Thread] = []
        self._known: Mapping[str, KnownDocument] = {}
        self._is_current: Callable[[KnownDocument], bool] = lambda known: False
        self._original: Callable[[str], bytes | None] = lambda document_id: None

    def __enter__(self) -> SiteVisits:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._pool is not None:
            self._pool.close()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        if self._folder is not None:
            self._folder.cleanup()

    def remember(
        self,
        known: Mapping[str, KnownDocument],
        is_current: Callable[[KnownDocument], bool],
        original: Callable[[str], bytes | None],
    ) -> None:
        """Take note of the known documents by URI; those that are current are read again only if they changed.

        `original` gives the bytes of a document by its id, from the thread of a visit; None where they are not kept.
        """
        self._known, self._is_current, self._original = known, is_current, original

    def page(self, uri: str) -> KnownPage | None:
        """Return what a server said of a page that is in, or None where it must be read anew."""
        known = self._known.get(uri)
        if known is None or not (known.etag or known.last_modified) or not self._is_current(known):
            return None
        return KnownPage(known.etag, known.last_modified, known.content_hash, known.size)

    def original(self, uri: str) -> bytes | None:
        """Return the bytes of a page as they came in, or None where they are not kept."""
        known = self._known.get(uri)
        try:
            return None if known is None else self._original(known.document_id)
        except (NotFoundError, DamagedError):  # only failures are known of it, or its bytes are gone: it is fetched
            return None

    def visit(self, starts: list[str], limits: CrawlLimits | None, source: str, *, sitemap: bool) -> SiteVisit:
        """Return a visit, which begins when it is iterated over. All `starts` are of one site.

        Without `limits`, the pages that a sitemap names are read and no link is followed.
        """
        return SiteVisit(self, starts, limits or CrawlLimits(depth=0, pages=SITEMAP_PAGES), source, sitemap)

    def open_pool(self) -> LoaderPool:
        """Return the reading processes of this ingest, started once for visits and documents."""
        self._pool = self._pool or self._open_pool()
        return self._pool

    def crawl(self, starts: list[str], limits: CrawlLimits, source: str, sitemap: bool) -> Crawl:
        """Return the crawl of a visit, with all that it needs opened."""
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="kb-site-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        return Crawl(starts, limits, source, self.open_pool(), self, folder, self._stop, sitemap=sitemap)

    def carried_out(self, crawl: Crawl) -> Iterator[SourceItem | Problem]:
        """Yield what a crawl finds, looking up ten times a second whether the ingest was cancelled."""
        found: queue.SimpleQueue[SourceItem | Problem | BaseException | None] = queue.SimpleQueue()

        def work() -> None:
            try:
                for one in crawl:
                    found.put(one)
                found.put(None)
            except BaseException as error:  # raised again in the thread of the ingest
                found.put(error)

        thread = threading.Thread(target=work, name="site", daemon=True)
        self._threads.append(thread)
        thread.start()
        while True:
            check(self._cancel)
            try:
                one = found.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if one is None:
                return
            if isinstance(one, BaseException):
                raise one
            yield one


class SiteVisit:
    """One visit to one site, to be iterated over once."""

    def __init__(self, visits: SiteVisits, starts: list[str], limits: CrawlLimits, source: str, sitemap: bool) -> None:
        self._visits = visits
        self._starts = starts
        self._limits = limits
        self._source = source
        self._sitemap = sitemap
        self._crawl: Crawl | None = None

    def __iter__(self) -> Iterator[SourceItem | Problem]:
        self._crawl = self._visits.crawl(list(self._starts), self._limits, self._source, self._sitemap)
        return self._visits.carried_out(self._crawl)

    @property
    def complete(self) -> bool:
        """Whether the visit has seen all that there is to see, so that what it did not meet is gone."""
        return self._crawl is not None and self._crawl.complete

    def covers(self, known: KnownDocument) -> bool:
        """Tell whether a known document came from this source and site; a mere failure has no source on record."""
        ours = known.source == self._source or (known.status == "failed" and not known.source)
        return ours and known.uri.startswith(("http://", "https://")) and site_of(known.uri) == site_of(self._starts[0])
