"""Following a site: from its first pages or its sitemap along the links on the same host, within bounds, politely."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from indexes.errors import DocumentError
from ingest.records import PageLinks, Problem, SourceItem
from ingest.web.fetching import AGENT, Fetched, RedirectError
from ingest.web.page_wishes import wishes_of
from ingest.web.site_access import SiteAccess, VisitStopped
from ingest.web.site_maps import SiteMaps
from ingest.web.site_records import KnownPage, KnownPages, Reading
from ingest.web.urls import site_of

# All pages of one site together; they lie on the disk until they are read.
MAX_SITE_BYTES = 2 * 1024 * 1024 * 1024
# Addresses nested deeper, or that repeat a part more often, come from traps: pages that link below themselves.
_MOST_PARTS = 24
_MOST_REPEATS = 3
# Without one of these words in it, no element of a page asks anything of us.
_ASKING = (b"robots", AGENT.encode())


@dataclass(frozen=True, slots=True)
class CrawlLimits:
    """How far a site is followed: links in a row from the first pages, pages in all, seconds between requests."""

    depth: int = 3
    pages: int = 500
    delay: float = 1.0


class Crawl:
    """One visit to one site. Iterate once; `complete` tells afterwards whether all that is to be found was seen.

    `starts` are pages, or with `sitemap` addresses of sitemaps, all of one site and in our spelling. Bytes of pages
    go to files in `folder`, which the caller removes. `stop` ends the visit between two requests.
    """

    def __init__(
        self,
        starts: list[str],
        limits: CrawlLimits,
        source: str,
        reading: Reading,
        known: KnownPages,
        folder: Path,
        stop: threading.Event,
        *,
        sitemap: bool = False,
    ) -> None:
        self.complete = True
        self._starts = starts
        self._site = site_of(starts[0])
        self._limits = limits
        self._source = source
        self._reading = reading
        self._access = SiteAccess(reading.allow_hosts, limits.delay, stop)
        self._known = known
        self._folder = folder
        self._stop = stop
        self._sitemap = sitemap
        self._waiting: deque[tuple[str, int]] = deque()  # addresses, each with the links that led to it
        self._met: set[str] = set()  # addresses that were fetched or wait for it
        self._redirects: dict[str, str] = {}
        self._contents: dict[str, str] = {}  # hash: the address that it was first met under
        self._requests = 0
        self._bytes = 0

    def __iter__(self) -> Iterator[SourceItem | Problem]:
        waiting = self._waiting
        try:
            if self._sitemap:
                yield from self._take_sitemaps()
            else:
                self._add(self._starts, 0)
            while waiting and not self._stop.is_set():
                if self._requests >= self._limits.pages or self._bytes >= MAX_SITE_BYTES:
                    yield self._limit_reached(len(waiting))
                    break
                url, depth = waiting.popleft()
                for found, links in self._visit(url, depth):
                    self._add(links, depth + 1)
                    yield found
        except VisitStopped:
            pass
        if self._stop.is_set():
            self.complete = False

    def _visit(self, url: str, depth: int) -> Iterator[tuple[SourceItem | Problem, list[str]]]:
        """Yield the page at `url`, or why there is none, with the links to follow from it."""
        try:
            allowed = self._access.allows(url)
        except DocumentError as error:
            self.complete = False
            detail = f"robots.txt of the site cannot be had, so nothing is fetched: {error.detail}"
            yield self._problem(url, "failed", error.reason, detail), []
            return
        if not allowed:
            yield self._unavailable(url, "forbidden_link", "robots.txt asks not to fetch it"), []
            return
        known = self._known.page(url)
        follow = depth < self._limits.depth
        original = self._known.original(url) if known is not None and follow else None
        conditional = known is not None and (not follow or original is not None)
        self._requests += 1
        try:
            page = self._access.fetch(
                url,
                etag=known.etag if known is not None and conditional else "",
                last_modified=known.last_modified if known is not None and conditional else "",
                max_redirects=0,
            )
        except RedirectError as error:
            yield from self._redirected(url, error.location, depth)
        except DocumentError as error:
            yield from self._failed(url, error, follow)
        else:
            yield self._taken(url, page, known, original, follow)

    def _taken(
        self, url: str, page: Fetched, known: KnownPage | None, original: bytes | None, follow: bool
    ) -> tuple[SourceItem | Problem, list[str]]:
        """Return a page that came, or why it is not taken in, with the links to follow from it."""
        if page.not_modified and known is not None:
            content_hash, size, body = known.content_hash, known.size, original or b""
        else:
            content_hash, size, body = hashlib.sha256(page.data).hexdigest(), len(page.data), page.data
        wishes = wishes_of(page.robots, AGENT)
        if wishes.index:
            first = self._contents.setdefault(content_hash, url)
            if first != url:
                return self._problem(url, "skipped", "duplicate_name", f"the same bytes as {first}"), []
        inside = PageLinks()
        if (follow and wishes.follow) or any(word in body.replace(b"\x00", b"").lower() for word in _ASKING):
            inside = self._inside(page, body)
        links = list(inside.addresses) if follow and wishes.follow else []
        if not (wishes.index and inside.index):
            return self._problem(url, "skipped", "forbidden_link", "the page asks not to be taken in (noindex)"), links
        path = None
        if not page.not_modified:
            path = self._folder / content_hash
            path.write_bytes(page.data)
            self._bytes += size
        kept = replace(page, data=b"")
        return SourceItem(url, "web", path, size, 0, self._source, self._starts[0], page=kept), links

    def _redirected(self, url: str, location: str, depth: int) -> Iterator[tuple[Problem, list[str]]]:
        """Visit next what a page redirects to, if it is on the site: a page is known by where it is in the end."""
        if site_of(location) != self._site:
            yield self._unavailable(url, "forbidden_link", f"redirected to another host: {location[:200]}"), []
            return
        self._redirects[url] = location
        if self._leads_back(url):
            error = DocumentError("fetch_failed", f"redirects in a circle: {location[:200]}")
            if url in self._starts:
                self.complete = False
            if url in self._starts or self._known.page(url) is not None:
                yield from self._failed(url, error, depth < self._limits.depth)
            else:
                yield self._problem(url, "skipped", error.reason, error.detail), []
        elif location not in self._met:
            self._met.add(location)
            self._waiting.appendleft((location, depth))
            if url in self._starts:
                self._starts.append(location)

    def _leads_back(self, url: str) -> bool:
        """Return whether the redirects from `url` come back to it: such a page is there, but cannot be had now."""
        passed, place = set[str](), self._redirects.get(url)
        while place is not None and place not in passed:
            if place == url:
                return True
            passed.add(place)
            place = self._redirects.get(place)
        return False

    def _unavailable(self, url: str, reason: str, detail: str) -> Problem:
        """Return that a page is not to be had: for a first page a failure, for others a notice."""
        if url not in self._starts:
            return self._problem(url, "skipped", reason, detail)
        self.complete = False
        return self._problem(url, "failed", "fetch_failed" if reason == "vanished" else reason, detail)

    def _failed(self, url: str, error: DocumentError, follow: bool) -> Iterator[tuple[Problem, list[str]]]:
        """Yield what is to be said of a page that could not be fetched; its links of last time are followed."""
        if error.reason in ("vanished", "unsupported", "forbidden_link"):
            yield self._unavailable(url, error.reason, error.detail), []
            return
        before = self._known.original(url) if follow else None
        if before is None and follow:
            self.complete = False  # what it leads to is unknown
        links = list(self._inside(Fetched(url, b"", "", None, "", ""), before).addresses) if before else []
        yield self._problem(url, "failed", error.reason, error.detail), links

    def _inside(self, page: Fetched, body: bytes) -> PageLinks:
        """Return what a page links to, and whether it may be taken in; nothing where it cannot be looked into."""
        request: dict[str, object] = {
            "task": "links",
            "url": page.url,
            "agent": AGENT,
            "media_type": page.media_type or None,
            "charset": page.charset,
        }
        try:
            return self._reading.addresses(request, body)
        except DocumentError:  # the same reading process will say what is wrong with it as a document
            self.complete = False
            return PageLinks()

    def _add(self, links: list[str], depth: int) -> None:
        """Queue what was not met before, is on the site, and does not look like a trap."""
        for link in links:
            if link not in self._met and site_of(link) == self._site and not _is_trap(link):
                self._met.add(link)
                self._waiting.append((link, depth))

    def _take_sitemaps(self) -> Iterator[Problem]:
        """Queue the pages of the sitemaps, and of those that they name."""
        maps = SiteMaps(self._starts, self._access, self._reading, self._stop)
        for address in maps:
            self._add([address], 0)
        for url, error in maps.failures:
            self.complete = False
            yield self._problem(
                url, "failed", "fetch_failed" if error.reason == "vanished" else error.reason, error.detail
            )
        if not self._waiting:
            self.complete = False  # an empty sitemap is sooner a mistake than the end of the site
        if maps.foreign:
            detail = f"{maps.foreign} of its entries are on other hosts, or no addresses"
            yield self._problem(self._starts[0], "skipped", "forbidden_link", detail)

    def _limit_reached(self, left: int) -> Problem:
        self.complete = False
        limit = f"{self._limits.pages} pages" if self._requests >= self._limits.pages else f"{MAX_SITE_BYTES} bytes"
        detail = f"stopped at the limit of {limit} for a site; {left} addresses were not visited"
        return self._problem(self._starts[0], "skipped", "too_large", detail)

    def _problem(self, uri: str, kind: str, reason: str, detail: str) -> Problem:
        return Problem(uri, "failed" if kind == "failed" else "skipped", reason, detail, self._source, self._starts[0])


def _is_trap(url: str) -> bool:
    parts = [part for part in urlsplit(url).path.split("/") if part]
    return len(parts) > _MOST_PARTS or max(Counter(parts).values(), default=0) > _MOST_REPEATS
