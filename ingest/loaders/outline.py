"""Putting a text together from blocks while keeping where its headings begin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from indexes.records import Heading


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, row or heading; `level` is 0 unless it is a heading, `tight` puts it right under the last."""

    text: str
    level: int = 0
    tight: bool = False


def build(blocks: Iterable[Block]) -> tuple[str, tuple[Heading, ...]]:
    """Return one text made of `blocks`, which must be clean, and its headings."""
    parts: list[str] = []
    headings: list[Heading] = []
    length = 0
    for block in blocks:
        separator = "" if not parts else "\n" if block.tight else "\n\n"
        length += len(separator)
        if block.level:
            headings.append(Heading(length, block.level, block.text))
        parts += separator, block.text
        length += len(block.text)
    return "".join(parts), tuple(headings)
