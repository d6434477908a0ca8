"""Following a site: from its first pages or its sitemap along the links on the same host, within bounds, politely."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from indexes.errors import DocumentError, UsageError
from ingest.records import Problem, SourceItem
from ingest.robots import MAX_ROBOTS_BYTES, Robots, parse_robots
from ingest.urls import normalise_url, site_of
from ingest.web import (
    MAX_PAGE_BYTES,
    MAX_REDIRECTS,
    USER_AGENT,
    Fetched,
    RedirectError,
    StatusError,
    fetch,
)

# All pages of one site together; they lie on the disk until they are read.
MAX_SITE_BYTES = 2 * 1024 * 1024 * 1024
MAX_SITEMAPS = 100
_SITEMAP_BYTES = 50 * 1024 * 1024
_LONGEST_DELAY = 60.0  # a robots.txt that asks for more is obeyed no further
# Addresses nested deeper, or that repeat a part more often, come from traps: pages that link below themselves.
_MOST_PARTS = 24
_MOST_REPEATS = 3
_AGENT = USER_AGENT.partition(" ")[0]


@dataclass(frozen=True, slots=True)
class CrawlLimits:
    """How far a site is followed: links in a row from the first pages, pages in all, seconds between requests."""

    depth: int = 3
    pages: int = 500
    delay: float = 1.0


@dataclass(frozen=True, slots=True)
class KnownPage:
    """A page that is in and need not be read again unless it changed. `size` is in bytes."""

    etag: str
    last_modified: str
    content_hash: str
    size: int


class Reading(Protocol):
    """The part of the pool of reading processes that is used: they, not this process, look into what was fetched."""

    @property
    def allow_hosts(self) -> tuple[str, ...]:
        """The hosts that may be fetched from although their addresses are private."""
        ...

    def addresses(self, request: Mapping[str, object], data: bytes) -> list[str]:
        """Return the addresses in a page or sitemap. Raise DocumentError."""
        ...


class KnownPages(Protocol):
    """What the knowledge base has of a site."""

    def page(self, uri: str) -> KnownPage | None:
        """Return the page, or None where it must be read anew."""
        ...

    def original(self, uri: str) -> bytes | None:
        """Return the bytes of a page as they came in, or None where they are not kept."""
        ...


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
        self._known = known
        self._folder = folder
        self._stop = stop
        self._sitemap = sitemap
        self._robots: dict[str, Robots] = {}
        self._waiting: deque[tuple[str, int]] = deque()  # addresses, each with the links that led to it
        self._met: set[str] = set()  # addresses that were fetched or wait for it
        self._contents: dict[str, str] = {}  # hash: the address that it was first met under
        self._requests = 0
        self._bytes = 0
        self._last_request: float | None = None

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
        except _Stopped:
            pass
        if self._stop.is_set():
            self.complete = False

    def _visit(self, url: str, depth: int) -> Iterator[tuple[SourceItem | Problem, list[str]]]:
        """Yield the page at `url`, or why there is none, with the links to follow from it."""
        try:
            allowed = self._rules(url).allows(url)
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
            page = self._fetch(
                url,
                etag=known.etag if known is not None and conditional else "",
                last_modified=known.last_modified if known is not None and conditional else "",
                max_redirects=0,
            )
        except RedirectError as error:
            yield from self._redirected(url, error.location, depth)
            return
        except DocumentError as error:
            yield from self._failed(url, error, follow)
            return
        if page.not_modified and known is not None:
            content_hash, size = known.content_hash, known.size
            body = original or b""
        else:
            content_hash, size = hashlib.sha256(page.data).hexdigest(), len(page.data)
            body = page.data
        first = self._contents.setdefault(content_hash, url)
        if first != url:
            yield self._problem(url, "skipped", "duplicate_name", f"the same bytes as {first}"), []
            return
        links = self._links(page, body) if follow else []
        if page.not_modified:
            path = None
        else:
            path = self._folder / content_hash
            path.write_bytes(page.data)
            self._bytes += size
        kept = replace(page, data=b"")
        yield SourceItem(url, "web", path, size, 0, self._source, self._starts[0], page=kept), links

    def _redirected(self, url: str, location: str, depth: int) -> Iterator[tuple[Problem, list[str]]]:
        """Visit next what a page redirects to, if it is on the site: a page is known by where it is in the end."""
        if site_of(location) != self._site:
            yield self._unavailable(url, "forbidden_link", f"redirected to another host: {location[:200]}"), []
        elif location not in self._met:
            self._met.add(location)
            self._waiting.appendleft((location, depth))
            if url in self._starts:
                self._starts.append(location)

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
        page = Fetched(url, b"", "", None, "", "")
        yield self._problem(url, "failed", error.reason, error.detail), self._links(page, before) if before else []

    def _links(self, page: Fetched, body: bytes) -> list[str]:
        request: dict[str, object] = {
            "task": "links",
            "url": page.url,
            "media_type": page.media_type or None,
            "charset": page.charset,
        }
        try:
            return self._reading.addresses(request, body)
        except DocumentError:  # the same reading process will say what is wrong with it as a document
            self.complete = False
            return []

    def _add(self, links: list[str], depth: int) -> None:
        """Queue what was not met before, is on the site, and does not look like a trap."""
        for link in links:
            if link not in self._met and site_of(link) == self._site and not _is_trap(link):
                self._met.add(link)
                self._waiting.append((link, depth))

    def _take_sitemaps(self) -> Iterator[Problem]:
        """Queue the pages of the sitemaps, and of those that they name."""
        sitemaps, met, foreign = deque(self._starts), set(self._starts), 0
        while sitemaps and not self._stop.is_set():
            url = sitemaps.popleft()
            try:
                page = self._fetch(url, max_bytes=_SITEMAP_BYTES, any_type=True)
                entries = self._reading.addresses({"task": "sitemap"}, page.data)
            except DocumentError as error:
                self.complete = False
                reason = "fetch_failed" if error.reason == "vanished" else error.reason
                yield self._problem(url, "failed", reason, error.detail)
                continue
            for entry in entries:
                kind, _, address = entry.partition(" ")
                try:
                    address = normalise_url(address)
                except UsageError:
                    foreign += 1
                    continue
                if site_of(address) != self._site:
                    foreign += 1
                elif kind == "page":
                    self._add([address], 0)
                elif address not in met and len(met) < MAX_SITEMAPS:
                    met.add(address)
                    sitemaps.append(address)
        if not self._waiting:
            self.complete = False  # an empty sitemap is sooner a mistake than the end of the site
        if foreign:
            detail = f"{foreign} of its entries are on other hosts, or no addresses"
            yield self._problem(self._starts[0], "skipped", "forbidden_link", detail)

    def _rules(self, url: str) -> Robots:
        """Return the robots.txt for an address, fetched once. Raise DocumentError where the server does not say."""
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.netloc}"
        if place not in self._robots:
            try:
                page = self._fetch(f"{place}/robots.txt", max_bytes=4 * MAX_ROBOTS_BYTES, any_type=True)
                self._robots[place] = parse_robots(page.data, _AGENT)
            except StatusError as error:
                if not 400 <= error.status < 500:
                    raise
                self._robots[place] = Robots()  # there is none: no rules
        return self._robots[place]

    def _fetch(
        self,
        url: str,
        *,
        etag: str = "",
        last_modified: str = "",
        max_bytes: int = MAX_PAGE_BYTES,
        max_redirects: int = MAX_REDIRECTS,
        any_type: bool = False,
    ) -> Fetched:
        """Fetch from the site, no sooner than it wants to be asked again."""
        asked = max((rules.delay for rules in self._robots.values()), default=0.0)
        delay = max(self._limits.delay, min(asked, _LONGEST_DELAY))
        if self._last_request is not None:
            self._stop.wait(max(0.0, self._last_request + delay - time.monotonic()))
        if self._stop.is_set():
            raise _Stopped
        try:
            return fetch(
                url,
                allow_hosts=self._reading.allow_hosts,
                max_bytes=max_bytes,
                max_redirects=max_redirects,
                etag=etag,
                last_modified=last_modified,
                any_type=any_type,
            )
        finally:
            self._last_request = time.monotonic()

    def _limit_reached(self, left: int) -> Problem:
        self.complete = False
        limit = f"{self._limits.pages} pages" if self._requests >= self._limits.pages else f"{MAX_SITE_BYTES} bytes"
        detail = f"stopped at the limit of {limit} for a site; {left} addresses were not visited"
        return self._problem(self._starts[0], "skipped", "too_large", detail)

    def _problem(self, uri: str, kind: str, reason: str, detail: str) -> Problem:
        return Problem(uri, "failed" if kind == "failed" else "skipped", reason, detail, self._source, self._starts[0])


class _Stopped(Exception):
    """The visit is to end now."""


def _is_trap(url: str) -> bool:
    parts = [part for part in urlsplit(url).path.split("/") if part]
    return len(parts) > _MOST_PARTS or max(Counter(parts).values(), default=0) > _MOST_REPEATS
