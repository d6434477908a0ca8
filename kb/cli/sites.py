"""What `kb ingest` is told about sites: whether links or a sitemap are followed, and how far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexes.errors import UsageError

if TYPE_CHECKING:
    from ingest.targets import Target
    from ingest.web.crawl import CrawlLimits


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """The options of a command about sites; None where not given. `delay` is in seconds."""

    crawl: bool = False
    sitemap: bool = False
    depth: int | None = None
    pages: int | None = None
    delay: float | None = None

    def targets(self, addresses: Sequence[str]) -> list[Target]:
        """Return the addresses as sites to be visited, each a source that is named after its host.

        Raise UsageError where one is no http(s) address, or an option has nothing to bound.
        """
        from ingest.targets import Target
        from ingest.web.urls import normalise_url, site_of

        if self.depth is not None and not self.crawl:
            raise UsageError("--depth bounds the links that --crawl follows; give --crawl too")
        if not addresses:
            raise UsageError("--crawl and --sitemap need an address; sites of kb.toml have `crawl` and `sitemap` there")
        limits = self._limits()
        return [
            Target(address, site_of(normalise_url(address)), crawl=limits, sitemap=self.sitemap)
            for address in addresses
        ]

    @property
    def are_given(self) -> bool:
        """Whether any site is to be visited. Raise UsageError for bounds of no visit."""
        if not (self.crawl or self.sitemap) and (self.depth, self.pages, self.delay) != (None, None, None):
            raise UsageError("--depth, --pages and --delay bound the visit of a site; give --crawl or --sitemap too")
        return self.crawl or self.sitemap

    def _limits(self) -> CrawlLimits:
        """Return the limits, the usual ones where none are given."""
        from ingest.web.crawl import CrawlLimits
        from ingest.web.site_visits import SITEMAP_PAGES

        usual = CrawlLimits() if self.crawl else CrawlLimits(depth=0, pages=SITEMAP_PAGES)
        return CrawlLimits(
            usual.depth if self.depth is None else self.depth,
            usual.pages if self.pages is None else self.pages,
            usual.delay if self.delay is None else self.delay,
        )
