"""The links of a web page, for following them."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

from indexes.errors import DocumentError, UsageError
from ingest.loaders.decoding import decode
from ingest.loaders.detection import kind_of_content
from ingest.loaders.html import declared_charset, parse_page
from ingest.records import PageLinks
from ingest.web.page_wishes import Wishes, wishes_of
from ingest.web.urls import normalise_url

# Of one page; real pages have some hundreds.
MAX_LINKS = 5_000
_LINE_BREAKS = re.compile(r"[\t\r\n]")  # within an address, browsers drop them


def page_links(
    data: bytes, url: str, agent: str, media_type: str | None = None, charset: str | None = None
) -> PageLinks:
    """Return the addresses that a page links to, in order, each once, in our spelling; none for what is no web page.

    Links that the page asks `agent` or everyone not to follow (`nofollow`) are left out, and those that are no http(s)
    addresses.
    """
    try:
        if kind_of_content(data, url, media_type) != "html":
            return PageLinks()
        tree = parse_page(decode(data, charset or declared_charset(data)).text)
    except DocumentError:  # what is wrong with the page is told when it is read as a document
        return PageLinks()
    wishes = _wishes(tree, agent)
    return PageLinks(_addresses(tree, url) if wishes.follow else (), wishes.index)


def _wishes(tree: Any, agent: str) -> Wishes:
    """Return what the elements of a page ask for."""
    named = ((str(one.get("name") or "").strip().lower(), str(one.get("content") or "")) for one in tree.iter("meta"))
    return wishes_of((content for name, content in named if name in ("robots", agent.lower())), agent)


def _addresses(tree: Any, url: str) -> tuple[str, ...]:
    """Return the addresses that the links of a page lead to, each once."""
    base = next((str(href) for href in tree.xpath("//base/@href")), "")
    found: dict[str, None] = {}
    for link in tree.iter("a", "area"):
        target = link.get("href")
        if target is None or "nofollow" in (link.get("rel") or "").lower().split():
            continue
        try:
            spelled = _LINE_BREAKS.sub("", target.strip().partition("#")[0]).replace(" ", "%20")
            found[normalise_url(urljoin(urljoin(url, base), spelled))] = None
        except (UsageError, ValueError):  # mail addresses, scripts and misspelt addresses lead to no page
            continue
        if len(found) >= MAX_LINKS:
            break
    return tuple(found)
