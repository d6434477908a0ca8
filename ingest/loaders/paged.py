"""Putting a text together from pages of blocks: sheets of a workbook, slides of a presentation."""

from __future__ import annotations

from collections.abc import Iterable

from indexes.records import Heading, Page
from ingest.loaders.outline import Block, build


def build_pages(pages: Iterable[tuple[int, list[Block]]]) -> tuple[str, tuple[Heading, ...], tuple[Page, ...]]:
    """Return one text, its headings and its pages; each page is its number and its blocks, which must be clean.

    Pages without text are left out and keep their numbers.
    """
    parts: list[str] = []
    headings: list[Heading] = []
    found: list[Page] = []
    length = 0
    for number, blocks in pages:
        text, of_page = build(blocks)
        if not text:
            continue
        if parts:
            parts.append("\n\n")
            length += 2
        headings += (Heading(length + heading.start, heading.level, heading.title) for heading in of_page)
        found.append(Page(number, length, length + len(text)))
        parts.append(text)
        length += len(text)
    return "".join(parts), tuple(headings), tuple(found)
