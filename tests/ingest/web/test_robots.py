"""robots.txt: groups, wildcards, the longest rule, and files that are no such thing."""

from __future__ import annotations

import time

import pytest

from ingest.web.robots import Robots, parse_robots

ADDRESS = "https://site.test"


def _allows(rules: str, path: str, agent: str = "qwen-kb") -> bool:
    return parse_robots(rules.encode(), agent).allows(ADDRESS + path)


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ("", "/a", True),
        ("User-agent: *\nDisallow:", "/a", True),
        ("User-agent: *\nDisallow: /", "/a", False),
        ("User-agent: *\nDisallow: /private", "/private/x", False),
        ("User-agent: *\nDisallow: /private", "/privateer", False),
        ("User-agent: *\nDisallow: /private/", "/private", True),
        ("User-agent: *\nDisallow: /\nAllow: /docs/", "/docs/a", True),
        ("User-agent: *\nAllow: /docs/\nDisallow: /docs/old/", "/docs/old/a", False),
        ("User-agent: *\nDisallow: /a\nAllow: /a", "/a", True),
        ("User-agent: *\nDisallow: /*.pdf$", "/x/y.pdf", False),
        ("User-agent: *\nDisallow: /*.pdf$", "/x/y.pdf?z", True),
        ("User-agent: *\nDisallow: /*?sort=", "/list?sort=up", False),
        ("User-agent: *\nDisallow: /*/edit", "/wiki/page/edit", False),
        ("User-agent: *\nDisallow: /exact$", "/exact", False),
        ("User-agent: *\nDisallow: /exact$", "/exactly", True),
        ("User-agent: other\nDisallow: /", "/a", True),
        ("User-agent: Qwen-KB\nDisallow: /a\n\nUser-agent: *\nDisallow: /b", "/b", True),
        ("User-agent: Qwen-KB\nDisallow: /a\n\nUser-agent: *\nDisallow: /b", "/a", False),
        ("User-agent: one\nUser-agent: qwen-kb/2.0\nDisallow: /a", "/a", False),
        ("user-agent : *\ndisallow : /a # a remark", "/a", False),
        ("\ufeffUser-agent: *\r\nDisallow: /a\r\n", "/a", False),
        ("Disallow: /a", "/a", True),
        ("<html><body>Not: found</body></html>", "/a", True),
    ],
)
def test_rules(rules: str, path: str, allowed: bool) -> None:
    """The group for us, else that for all; in it the longest rule that fits, and of two equals the kinder."""
    assert _allows(rules, path) is allowed


def test_delay_and_sitemaps() -> None:
    """The delay is that of our group; sitemaps are for everyone; nonsense is passed over."""
    rules = parse_robots(
        b"Sitemap: https://site.test/map.xml\nUser-agent: *\nCrawl-delay: 2.5\n\nUser-agent: x\nCrawl-delay: 9",
        "qwen-kb",
    )
    assert rules == Robots((), 2.5, ("https://site.test/map.xml",))
    assert parse_robots(b"User-agent: *\nCrawl-delay: soon\nCrawl-delay: -1\nCrawl-delay: inf", "qwen-kb").delay == 0


def test_hostile_patterns_take_linear_time() -> None:
    """Many wildcards against a long address do not explode."""
    rules = parse_robots(b"User-agent: *\nDisallow: /" + b"*a" * 2000 + b"*b$", "qwen-kb")
    begun = time.monotonic()
    assert rules.allows(ADDRESS + "/" + "a" * 4000)
    assert time.monotonic() - begun < 0.5
