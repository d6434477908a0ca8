"""The links of a web page, for following them."""

from __future__ import annotations

import re
from urllib.parse import urljoin

from indexes.errors import DocumentError, UsageError
from ingest.decoding import decode
from ingest.loaders.detection import kind_of_content
from ingest.loaders.html import declared_charset, parse_page
from ingest.urls import normalise_url

# Of one page; real pages have some hundreds.
MAX_LINKS = 5_000
_LINE_BREAKS = re.compile(r"[\t\r\n]")  # within an address, browsers drop them


def page_links(data: bytes, url: str, media_type: str | None = None, charset: str | None = None) -> list[str]:
    """Return the addresses that a page links to, in order, each once, in our spelling; [] for what is no web page.

    Links that the page asks not to be followed (`nofollow`) are left out, and those that are no http(s) addresses.
    """
    try:
        if kind_of_content(data, url, media_type) != "html":
            return []
        tree = parse_page(decode(data, charset or declared_charset(data)).text)
    except DocumentError:  # what is wrong with the page is told when it is read as a document
        return []
    names = "translate(@name, 'ROBTS', 'robts')"
    if any("nofollow" in str(content).lower() for content in tree.xpath(f"//meta[{names}='robots']/@content")):
        return []
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
    return list(found)
