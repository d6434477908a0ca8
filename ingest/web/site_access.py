"""Asking one site for pages: only what its robots.txt allows, and no sooner than it wants to be asked again."""

from __future__ import annotations

import threading
import time
from urllib.parse import urlsplit

from ingest.web.fetching import AGENT, MAX_PAGE_BYTES, MAX_REDIRECTS, Fetched, StatusError, fetch
from ingest.web.robots import MAX_ROBOTS_BYTES, Robots, parse_robots

_LONGEST_DELAY = 60.0  # a robots.txt that asks for more is obeyed no further


class VisitStopped(Exception):
    """The visit is to end now."""


class SiteAccess:
    """One visitor's way into one site. `delay` is the least time between requests in seconds; `stop` ends waiting."""

    def __init__(self, allow_hosts: tuple[str, ...], delay: float, stop: threading.Event) -> None:
        self._allow_hosts = allow_hosts
        self._delay = delay
        self._stop = stop
        self._robots: dict[str, Robots] = {}
        self._last_request: float | None = None

    def allows(self, url: str) -> bool:
        """Tell whether robots.txt allows an address. Raise DocumentError where the server does not say."""
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.netloc}"
        if place not in self._robots:
            try:
                page = self.fetch(f"{place}/robots.txt", max_bytes=4 * MAX_ROBOTS_BYTES, any_type=True)
                self._robots[place] = parse_robots(page.data, AGENT)
            except StatusError as error:
                if not 400 <= error.status < 500:
                    raise
                self._robots[place] = Robots()  # there is none: no rules
        return self._robots[place].allows(url)

    def fetch(
        self,
        url: str,
        *,
        etag: str = "",
        last_modified: str = "",
        max_bytes: int = MAX_PAGE_BYTES,
        max_redirects: int = MAX_REDIRECTS,
        any_type: bool = False,
    ) -> Fetched:
        """Fetch as `ingest.web.fetching.fetch` once the delay has passed. Raise DocumentError, or VisitStopped."""
        asked = max((rules.delay for rules in self._robots.values()), default=0.0)
        delay = max(self._delay, min(asked, _LONGEST_DELAY))
        if self._last_request is not None:
            self._stop.wait(max(0.0, self._last_request + delay - time.monotonic()))
        if self._stop.is_set():
            raise VisitStopped
        try:
            return fetch(
                url,
                allow_hosts=self._allow_hosts,
                max_bytes=max_bytes,
                max_redirects=max_redirects,
                etag=etag,
                last_modified=last_modified,
                any_type=any_type,
            )
        finally:
            self._last_request = time.monotonic()
