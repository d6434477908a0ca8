"""What a site asks of those who read it by machine: robots.txt, as RFC 9309 has it.

The standard library's parser takes the first rule that fits instead of the longest, and knows no wildcards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

# What RFC 9309 says must be read at least; what is longer is cut.
MAX_ROBOTS_BYTES = 512 * 1024
_AGENT = re.compile(r"[A-Za-z_-]+")


@dataclass(frozen=True, slots=True)
class Robots:
    """The rules for us. `rules` are (pattern, allowed); `delay` is in seconds; `sitemaps` are addresses."""

    rules: tuple[tuple[str, bool], ...] = ()
    delay: float = 0.0
    sitemaps: tuple[str, ...] = ()

    def allows(self, url: str) -> bool:
        """Tell whether a page may be fetched: the longest pattern that fits decides, and of two equals the kinder."""
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fitting = [(len(pattern), allowed) for pattern, allowed in self.rules if _fits(pattern, path)]
        return max(fitting, default=(0, True))[1]


def parse_robots(data: bytes, agent: str) -> Robots:
    """Return the rules of a robots.txt for `agent`, the first word of our user agent, or for everyone."""
    groups: list[tuple[set[str], list[tuple[str, str]]]] = []
    sitemaps: list[str] = []
    naming = False  # the line before named an agent too
    for key, value in _lines(data):
        if key == "user-agent":
            if not naming:
                groups.append((set(), []))
            found = _AGENT.match(value)
            groups[-1][0].add("*" if value.startswith("*") else found.group().lower() if found else "")
        elif key == "sitemap":
            sitemaps.append(value)
        elif groups and key in ("allow", "disallow", "crawl-delay"):
            groups[-1][1].append((key, value))
        naming = key == "user-agent"
    ours = [rules for names, rules in groups if agent.lower() in names]
    if not ours:
        ours = [rules for names, rules in groups if "*" in names]
    lines = [line for rules in ours for line in rules]
    patterns = tuple((value, key == "allow") for key, value in lines if key != "crawl-delay" and value)
    delay = max((_seconds(value) for key, value in lines if key == "crawl-delay"), default=0.0)
    return Robots(patterns, delay, tuple(sitemaps))


def _lines(data: bytes) -> Iterable[tuple[str, str]]:
    text = data[:MAX_ROBOTS_BYTES].decode("utf-8", "replace").removeprefix("\ufeff")
    for line in text.splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        if colon:
            yield key.strip().lower(), value.strip()


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < float("inf") else 0.0


def _fits(pattern: str, path: str) -> bool:
    """Tell whether a path begins as `pattern` says: `*` is anything, `$` at the end is the end. Takes linear time."""
    whole = pattern.endswith("$")
    first, *rest = (pattern[:-1] if whole else pattern).split("*")
    if not path.startswith(first):
        return False
    if not rest:
        return not whole or path == first
    position = len(first)
    for piece in rest[:-1]:
        found = path.find(piece, position)
        if found < 0:
            return False
        position = found + len(piece)
    if whole:
        return path.endswith(rest[-1]) and len(path) - len(rest[-1]) >= position
    return path.find(rest[-1], position) >= 0
