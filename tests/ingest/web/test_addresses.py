"""What addresses are found in pages and sitemaps, and what hostile ones of either cost."""

from __future__ import annotations

import gzip
import time

import pytest

from indexes.errors import DocumentError
from ingest.loaders import sitemap
from ingest.loaders.links import MAX_LINKS, page_links
from ingest.loaders.sitemap import sitemap_addresses
from ingest.records import PageLinks
from ingest.web.page_wishes import Wishes, wishes_of

URL = "https://site.test/docs/index.html"
SITEMAP = (
    '<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{}</urlset>'
)


def _links(page: bytes) -> list[str]:
    return list(page_links(page, URL, "bot").addresses)


def test_links_of_a_page() -> None:
    """Relative, absolute and misspelt addresses come out in one spelling, each once, in order."""
    body = (
        "<a href='a.html'>1</a><a href='/b.html#part'>2</a><A HREF='HTTP://Other.Test:80/c'>3</A>"
        "<a href='a.html#x'>4</a>"
        "<a href=' d e.html\n'>5</a><a href='休假.html'>6</a><map><area href='f'></map><a>7</a><a href='#top'>8</a>"
        "<a href='mailto:x@y.z'>9</a><a href='javascript:void(0)'>10</a><a href='http://[bad'>11</a>"
        "<a rel='nofollow' href='g'>12</a><a href='//u:p@site.test/h'>13</a>"
    )
    assert _links(f"<html><body>{body}</body></html>".encode()) == [
        "https://site.test/docs/a.html",
        "https://site.test/b.html",
        "http://other.test/c",
        "https://site.test/docs/d%20e.html",
        "https://site.test/docs/%E4%BC%91%E5%81%87.html",
        "https://site.test/docs/f",
        "https://site.test/docs/index.html",
    ]


def test_base_and_wishes_of_a_page() -> None:
    """`<base>` moves what is relative; a page may ask that none of its links be followed."""
    page = b"<html><head><base href='/other/'>%b</head><body><a href='a'>1</a></body></html>"
    assert _links(page % b"") == ["https://site.test/other/a"]
    assert _links(page % b"<meta name='ROBOTS' content='noindex, NoFollow'>") == []


@pytest.mark.parametrize(
    ("values", "wishes"),
    [
        ([], Wishes()),
        (["all"], Wishes()),
        (["NoIndex"], Wishes(index=False)),
        (["noindex, nofollow"], Wishes(False, False)),
        (["none"], Wishes(False, False)),
        (["max-snippet: 20, nofollow"], Wishes(follow=False)),
        (["otherbot: noindex, nofollow"], Wishes()),
        (["otherbot: noindex, qwen-kb: nofollow"], Wishes(follow=False)),
        (["otherbot: none", "noindex"], Wishes(index=False)),
        (["unavailable_after: Wed, 25 Jun 2031 15:00:00 GMT"], Wishes()),
    ],
)
def test_wishes_in_headers_and_elements(values: list[str], wishes: Wishes) -> None:
    """Directives for everyone and for us count, in any case; those for others and those with values do not."""
    assert wishes_of(values, "qwen-kb") == wishes


def test_a_page_that_asks_not_to_be_taken_in_may_still_lead_on() -> None:
    """`noindex` is about the page and `nofollow` about its links; elements for other readers are not for us."""
    page = "<html><head><meta name='{}' content='{}'></head><body><a href='a'>1</a></body></html>"
    asked = [
        page_links(page.format(*one).encode(), URL, "qwen-kb")
        for one in (
            ("robots", "noindex"),
            ("Qwen-KB", "noindex"),
            ("otherbot", "none"),
            ("robots", "nofollow"),
        )
    ]
    there = ("https://site.test/docs/a",)
    assert asked == [PageLinks(there, False), PageLinks(there, False), PageLinks(there), PageLinks((), True)]


def test_other_content_has_no_links() -> None:
    """Text and PDF that mention addresses, and pages that cannot be parsed, lead nowhere."""
    assert (
        page_links("见 <https://site.test/a>".encode(), "https://site.test/x.txt", "bot", "text/plain") == PageLinks()
    )
    assert page_links(b"%PDF-1.4 <a href='x'>", URL, "bot", "application/pdf") == PageLinks()
    assert page_links(b"\x7fELF<a href='x'>", URL, "bot", "text/html") == PageLinks()


def test_pages_of_nothing_but_links_are_bounded() -> None:
    """A page with a million links gives no more than the limit."""
    page = b"<html><body>" + b"".join(b"<a href='%d'></a>" % number for number in range(3 * MAX_LINKS))
    assert len(_links(page)) == MAX_LINKS


def test_sitemaps_and_lists_of_sitemaps() -> None:
    """Both forms are read, packed or not, with whatever else stands in them."""
    pages = SITEMAP.format(
        "<url><loc> https://site.test/a </loc><lastmod>2024-05-06</lastmod></url>"
        "<!-- <url><loc>https://site.test/no</loc></url> -->"
        "<url><loc>https://site.test/b?x=1&amp;y=2</loc><image:image xmlns:image='urn:i'><image:loc>https://site.test/i.png"
        "</image:loc></image:image></url><url><loc></loc></url>"
    ).encode()
    assert sitemap_addresses(pages) == ["page https://site.test/a", "page https://site.test/b?x=1&y=2"]
    assert sitemap_addresses(gzip.compress(pages)) == sitemap_addresses(pages)
    index = b"<sitemapindex><sitemap><loc>https://site.test/1.xml</loc></sitemap></sitemapindex>"
    assert sitemap_addresses(index) == ["sitemap https://site.test/1.xml"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<html><body>not found</body></html>", "damaged"),
        (b"", "damaged"),
        (b"<urlset><url><loc>https://site.test/a</loc></url>", "damaged"),
        (b"\x1f\x8brubbish", "damaged"),
        (b'<!DOCTYPE u [<!ENTITY a "b">]><urlset><url><loc>https://site.test/&a;</loc></url></urlset>', "damaged"),
        (
            b'<!DOCTYPE u [<!ENTITY f SYSTEM "file:///etc/passwd">]><urlset><url><loc>&f;</loc></url></urlset>',
            "damaged",
        ),
        (gzip.compress(bytes(60 << 20)), "too_large"),
    ],
)
def test_bad_sitemaps(data: bytes, reason: str) -> None:
    """What is no sitemap, is cut off, declares entities or unpacks beyond the limit is refused."""
    begun = time.monotonic()
    with pytest.raises(DocumentError) as caught:
        sitemap_addresses(data)
    assert caught.value.reason == reason
    assert time.monotonic() - begun < 2


def test_sitemaps_longer_than_the_protocol_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """One address too many is refused; nothing is silently left out."""
    assert sitemap.MAX_ADDRESSES == 50_000
    monkeypatch.setattr(sitemap, "MAX_ADDRESSES", 500)
    entry = "<url><loc>https://site.test/a</loc></url>"
    assert len(sitemap_addresses(SITEMAP.format(entry * 500).encode())) == 500
    with pytest.raises(DocumentError) as caught:
        sitemap_addresses(SITEMAP.format(entry * 501).encode())
    assert caught.value.reason == "too_large"
