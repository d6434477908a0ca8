"""What a page asks of those who read it by machine: the `robots` element of its head, and the X-Robots-Tag header."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# Directives that have a value of their own; any other word before a colon names whom the directives are for.
_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})


@dataclass(frozen=True, slots=True)
class Wishes:
    """Whether a page may be taken in, and whether its links may be followed."""

    index: bool = True
    follow: bool = True

    def and_(self, others: Wishes) -> Wishes:
        """Return what both allow."""
        return Wishes(self.index and others.index, self.follow and others.follow)


def wishes_of(values: Iterable[str], agent: str) -> Wishes:
    """Return the wishes in values such as `noindex, nofollow`, `none` or `otherbot: noindex`.

    `agent` is the first word of our user agent; directives for other agents are theirs. Each value is a header or the
    content of an element; within one, an agent's name holds until the next.
    """
    said: set[str] = set()
    for value in values:
        for_us = True
        for part in value.lower().split(","):
            name, colon, rest = part.partition(":")
            if colon and name.strip() not in _WITH_VALUE:
                for_us, part = name.strip() in (agent.lower(), "robots", "*"), rest
            if for_us:
                said.add(part.strip())
    return Wishes("noindex" not in said and "none" not in said, "nofollow" not in said and "none" not in said)
