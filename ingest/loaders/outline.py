"""Building a text piece by piece while keeping where its headings begin."""

from __future__ import annotations

from indexes.records import Heading
from ingest.loaders.cleaning import clean, one_line


class TextBuilder:
    """Collects blocks into one text. Blocks are cleaned first, so that offsets stay right."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self.headings: list[Heading] = []

    def add(self, block: str, separator: str = "\n\n") -> int | None:
        """Append a block and return the offset where it begins, or None where it has no text."""
        block = clean(block)
        if not block.strip():
            return None
        if self._parts:
            self._parts.append(separator)
            self._length += len(separator)
        start = self._length
        self._parts.append(block)
        self._length += len(block)
        return start

    def add_heading(self, title: str, level: int) -> None:
        """Append a heading as a block of its own."""
        title = one_line(title)
        start = self.add(title)
        if start is not None:
            self.headings.append(Heading(start, level, title))

    @property
    def text(self) -> str:
        """The whole text so far."""
        return "".join(self._parts)
