"""The pages that the sitemaps of a site name, and what could not be had of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from indexes.errors import DocumentError, UsageError
from ingest.web.site_access import SiteAccess
from ingest.web.site_records import Reading
from ingest.web.urls import normalise_url, site_of

MAX_SITEMAPS = 100
_SITEMAP_BYTES = 50 * 1024 * 1024


@dataclass(slots=True)
class SiteMaps:
    """The sitemaps at `starts` and those that they name. Iterate once, over the addresses of pages in our spelling.

    Afterwards `failures` holds the sitemaps that could not be read, and `foreign` counts entries on other hosts and
    those that are no addresses.
    """

    starts: Sequence[str]
    access: SiteAccess
    reading: Reading
    stop: threading.Event
    failures: list[tuple[str, DocumentError]] = field(default_factory=list)
    foreign: int = 0

    def __iter__(self) -> Iterator[str]:
        site = site_of(self.starts[0])
        waiting, met = deque(self.starts), set(self.starts)
        while waiting and not self.stop.is_set():
            url = waiting.popleft()
            try:
                page = self.access.fetch(url, max_bytes=_SITEMAP_BYTES, any_type=True)
                entries = self.reading.addresses({"task": "sitemap"}, page.data).addresses
            except DocumentError as error:
                self.failures.append((url, error))
                continue
            for entry in entries:
                kind, _, spelled = entry.partition(" ")
                address = _on_site(spelled, site)
                if address is None:
                    self.foreign += 1
                elif kind == "page":
                    yield address
                elif address not in met and len(met) < MAX_SITEMAPS:
                    met.add(address)
                    waiting.append(address)


def _on_site(spelled: str, site: str) -> str | None:
    """Return an address in our spelling, or None where it is none, or lies elsewhere."""
    try:
        address = normalise_url(spelled)
    except UsageError:
        return None
    return address if site_of(address) == site else None
