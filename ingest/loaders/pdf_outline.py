"""The headings of a PDF: its bookmarks, each at the line that carries it; or, without any, its larger lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pypdfium2

from ingest.loaders.cleaning import one_line
from ingest.loaders.lines import width
from ingest.loaders.pdf_lines import Line

_MAX_BOOKMARKS = 20_000
_MAX_DEPTH = 12
_NUMBERING = re.compile(
    r"^(?:第[一二三四五六七八九十百零〇0-9]+[章节節篇部]|chapter\d+|appendix[a-z0-9]+|附录[a-z0-9]+|[a-z]?\d+(?:\.\d+)*|[a-z](?:\.\d+)+)[.:：、]?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PlacedHeading:
    """A heading at a line: `page` and `position` count from 0; -1 where no line carries it. `level` from 1."""

    page: int
    position: int
    level: int
    title: str


def bookmarks(document: Any, pages: Sequence[list[Line]]) -> list[PlacedHeading]:
    """Return the bookmarks in the order of the text, each with the line that it points to."""
    placed: list[PlacedHeading] = []
    for count, bookmark in enumerate(document.get_toc(max_depth=_MAX_DEPTH)):
        if count >= _MAX_BOOKMARKS:
            break
        title = one_line(bookmark.get_title() or "")
        try:
            destination = bookmark.get_dest()
            page = destination.get_index() if destination else None
            view = destination.get_view()[1] if destination else []
        except pypdfium2.PdfiumError:
            continue
        if not title or page is None or not 0 <= page < len(pages):
            continue
        top = view[1] if len(view) > 1 else None
        position = _line_of(title, pages[page], top)
        placed.append(PlacedHeading(page, position, bookmark.level + 1, title))
    return sorted(placed, key=lambda heading: (heading.page, heading.position))


def _flat(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def bare_title(text: str) -> str:
    """Return a heading without white space and number, for comparing."""
    return _flat(_NUMBERING.sub("", "".join(text.split()).lower())) or _flat(text)


def _line_of(title: str, lines: list[Line], top: float | None) -> int:
    """Return the position of the line that carries a title, nearest to where the bookmark points; -1 for none."""
    wanted = bare_title(title)
    if not wanted:
        return -1
    fitting = [
        position
        for position, line in enumerate(lines)
        if bare_title(line.text) == wanted or _flat(line.text) == _flat(title)
    ]
    if not fitting:  # a title over two lines
        fitting = [
            position
            for position, line in enumerate(lines)
            if len(bare_title(line.text)) >= 4
            and wanted.startswith(bare_title(line.text))
            and 2 * len(bare_title(line.text)) >= len(wanted)
        ]
    if not fitting:
        return -1
    if top is None:
        return fitting[0]
    return min(fitting, key=lambda position: abs(lines[position].y - top))


def larger_lines(pages: Sequence[list[Line]]) -> list[PlacedHeading]:
    """Return the lines set in clearly larger type than the text, by size, as headings of up to four levels."""
    sizes: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            sizes[round(line.size * 2) / 2] += width(line.text)
    if len(sizes) < 2:
        return []
    body = sizes.most_common(1)[0][0]
    total = sum(sizes.values())
    large = sorted((size for size in sizes if size >= 1.15 * body), reverse=True)
    if not large or sum(sizes[size] for size in large) > 0.2 * total:
        return []
    levels = {size: min(rank, 4) for rank, size in enumerate(large, start=1)}
    return [
        PlacedHeading(page, position, levels[round(line.size * 2) / 2], one_line(line.text))
        for page, lines in enumerate(pages)
        for position, line in enumerate(lines)
        if round(line.size * 2) / 2 in levels and width(line.text) <= 80 and any(c.isalpha() for c in line.text)
    ]
