"""Heading paths: which headings are in force where, short enough to be embedded with each chunk."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from indexes.records import HEADING_SEPARATOR, Heading, heading_paths
from ingest.splitting.pieces import Measure


class HeadingPaths:
    """The sections of a document. Section 0 lies before the first heading and has the path ""."""

    def __init__(self, text: str, headings: Sequence[Heading], measure: Measure, room: int) -> None:
        """Read `headings` of `text`; no path takes more than `room` tokens: outer levels go first, then letters."""
        known = sorted((h for h in headings if 0 <= h.start < len(text)), key=lambda heading: heading.start)
        self.starts = [heading.start for heading in known]
        self.levels = [heading.level for heading in known]
        self.top_level = min(self.levels, default=0)
        self.ends = [_end_of(text, heading) for heading in known]
        full = heading_paths(known)
        texts = list(dict.fromkeys(full))
        counts = measure.exact([path + "\n" for path in texts])
        fitted = {
            path: (path, count - measure.special)
            if count - measure.special <= room
            else _shortened(path, measure, room)
            for path, count in zip(texts, counts, strict=True)
        }
        self.paths = ["", *(fitted[path][0] for path in full)]
        self.tokens = [0, *(max(0, fitted[path][1]) for path in full)]

    def section_at(self, offset: int) -> int:
        """Return the index of the section that holds `offset`."""
        return bisect_right(self.starts, offset)

    def bounds(self) -> list[int]:
        """Return the offsets at which headings begin and end, ascending: no sentence runs over them."""
        return sorted({*self.starts, *self.ends})


def _end_of(text: str, heading: Heading) -> int:
    title = heading.title.strip()
    return heading.start + len(title) if title and text.startswith(title, heading.start) else heading.start


def _shortened(path: str, measure: Measure, room: int) -> tuple[str, int]:
    parts = path.split(HEADING_SEPARATOR)
    while len(parts) > 1:
        parts = parts[1:]
        shorter = HEADING_SEPARATOR.join(parts)
        tokens = measure.exact([shorter + "\n"])[0] - measure.special
        if tokens <= room:
            return shorter, tokens
    title = parts[0][: room * 4]
    while title:
        tokens = measure.exact([title + "\n"])[0] - measure.special
        if tokens <= room:
            return title, tokens
        title = title[: len(title) // 2]
    return "", 0
