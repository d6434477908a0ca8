"""What an ingest is pointed at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from indexes.errors import UsageError
from ingest.records import Problem, SourceItem
from ingest.sources import file_uri, path_of, walk
from ingest.web.urls import normalise_url, site_of

if TYPE_CHECKING:
    from ingest.web.crawl import CrawlLimits
    from ingest.web.site_visits import SiteVisit, SiteVisits


@dataclass(frozen=True, slots=True)
class Target:
    """A file, folder or http(s) address; or a LlamaIndex reader by its import path, with its arguments.

    `source` is the name that the documents can be filtered by. A `reader` needs one, and uses no `location`.

    With `sitemap`, `location` is the address of a sitemap, and its pages are read; with `crawl`, links are followed
    from `location`, or from the pages of the sitemap. Both need an http(s) address and a name.
    """

    location: str = ""
    source: str = ""
    reader: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict)
    crawl: CrawlLimits | None = None
    sitemap: bool = False

    @property
    def is_site(self) -> bool:
        """Whether the pages are found by visiting a site."""
        return self.sitemap or self.crawl is not None


def as_targets(targets: Sequence[str | Target]) -> tuple[Target, ...]:
    """Return the targets as records; raise UsageError where there are none, or a reader has no name."""
    records = tuple(target if isinstance(target, Target) else Target(target) for target in targets)
    if not records:
        raise UsageError("nothing to ingest: name a file, a folder or an address")
    for target in records:
        if target.reader and not target.source:
            raise UsageError(f"the source of the reader {target.reader} needs a name")
        if target.is_site and not target.source:
            raise UsageError(f"the source that visits {target.location} needs a name")
    return records


@dataclass(frozen=True, slots=True)
class Listing:
    """What is under one root: `root` is the URI that all of it lies under, and is known also where it is empty.

    Pages that are found by a `visit` lie on a site instead, and anywhere there.
    """

    root: str
    found: Iterable[SourceItem | Problem]
    visit: SiteVisit | None = None


def listings(targets: Sequence[Target], visits: SiteVisits) -> list[Listing]:
    """Return the listing of each target that has a location; raise UsageError if any of them does not exist.

    Nothing is listed, and no site visited, before all targets are known to exist.
    """
    found = [
        Listing(_root(target.location), walk(target.location, target.source))
        for target in targets
        if not target.reader and not target.is_site
    ]
    sites: dict[tuple[object, ...], list[str]] = {}  # addresses of one site are one visit
    for target in targets:
        if target.is_site:
            address = normalise_url(target.location)
            sites.setdefault((target.source, target.crawl, target.sitemap, site_of(address)), []).append(address)
    for (source, crawl, sitemap, _), starts in sites.items():
        visit = visits.visit(starts, cast("CrawlLimits | None", crawl), str(source), sitemap=bool(sitemap))
        found.append(Listing(starts[0], visit, visit))
    return found


def _root(location: str) -> str:
    scheme = location.partition("://")[0].lower()
    if scheme in ("http", "https"):
        return normalise_url(location)
    return file_uri(path_of(location) if scheme == "file" else location)


def reader_root(target: Target) -> str:
    """Return the URI that all documents of a reader lie under."""
    return f"reader:{target.source}"
