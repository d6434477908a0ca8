"""What the visit of a site is given: what is known of its pages, and who looks into those that were fetched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ingest.records import PageLinks


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

    def addresses(self, request: Mapping[str, object], data: bytes) -> PageLinks:
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
