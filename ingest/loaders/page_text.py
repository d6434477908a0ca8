"""From a tree of markup to blocks of text, without recursion, whatever the depth of the tree."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ingest.loaders.cleaning import clean, one_line
from ingest.loaders.outline import Block

# Tags that begin and end a block; all others run on within a line.
_BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt",
        "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr",
        "html", "li", "main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "tr",
        "ul",
    }
)  # fmt: skip
_CELLS = frozenset({"td", "th"})
_TIGHT = frozenset({"li", "tr", "dd"})
_HEADING = re.compile(r"h([1-6])$")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_ANCHORS = " ¶§#🔗"  # links to the heading itself, which generators of documentation put after it
_BREAK = "\x00"  # stands for a line break within a block until the white space is folded


def visible_text(text: str) -> str:
    """Return `text` without white space, for comparing amounts."""
    return "".join(text.split())


@dataclass(frozen=True, slots=True)
class PlacedBlock:
    """A block with the innermost block element around it, and the share of its text that is links, in [0, 1]."""

    block: Block
    element: Any
    link_share: float


def blocks_of(root: Any, around: Collection[str] = ()) -> list[PlacedBlock]:
    """Return the text under `root`, block by block; elements named in `around` are passed over."""
    writer = _BlockWriter()
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        element, done = stack.pop()
        tag = element.tag if isinstance(element.tag, str) else None
        if done:
            writer.leave(tag or "", element)
            if element is not root:
                writer.text(element.tail)
            continue
        if tag is None or tag in around:
            if element is not root:
                writer.text(element.tail)
            continue
        writer.enter(tag, element)
        writer.text(element.text)
        stack.append((element, True))
        stack.extend((child, False) for child in reversed(element))
    writer.flush()
    return writer.blocks


class _BlockWriter:
    """Folds white space as a browser does and cuts the text into blocks."""

    def __init__(self) -> None:
        self.blocks: list[PlacedBlock] = []
        self._parts: list[str] = []
        self._linked = 0  # visible characters of links in the open block
        self._open: list[Any] = []  # block elements
        self._links = 0  # depth of links
        self._kept_space = 0  # depth of preformatted elements
        self._levels: list[int] = []  # of the headings that are open
        self._tight = False  # the block that is open stands right under the one before

    def text(self, text: str | None) -> None:
        if text:
            self._parts.append(text.replace(_BREAK, "").replace("\n", _BREAK) if self._kept_space else text)
            if self._links:
                self._linked += len(visible_text(text))

    def enter(self, tag: str, element: Any) -> None:
        if tag in ("br", "lb"):
            self._parts.append(_BREAK)
        elif tag == "a":
            self._links += 1
        elif tag in _CELLS:
            if any(part.strip() for part in self._parts):
                self._parts.append(" | ")
        elif tag in _BLOCKS:
            self.flush()
            self._open.append(element)
            self._tight = tag in _TIGHT
            if level := level_of(tag):
                self._levels.append(level)
        if tag == "pre":
            self._kept_space += 1

    def leave(self, tag: str, element: Any) -> None:
        if tag == "a":
            self._links -= 1
        elif tag in _BLOCKS:
            self.flush()
            self._open.pop()
            if level_of(tag):
                self._levels.pop()
        if tag == "pre":
            self._kept_space -= 1

    def flush(self) -> None:
        raw = "".join(self._parts)
        linked, self._linked = self._linked, 0
        self._parts.clear()
        if self._kept_space:
            text = raw.replace(_BREAK, "\n")
        else:
            text = "\n".join(_SPACES.sub(" ", line).strip(" |") for line in raw.split(_BREAK)).strip("\n")
        visible = len(visible_text(text))
        if not visible:
            return
        if self._levels:
            block = Block(one_line(text.rstrip(_ANCHORS)), self._levels[-1])
        else:
            block = Block(clean(text), 0, self._tight)
        self._tight = False
        if block.text:
            element = self._open[-1] if self._open else None
            self.blocks.append(PlacedBlock(block, element, min(1.0, linked / visible)))


def level_of(tag: str) -> int:
    """Return the level of a heading tag, 0 for any other."""
    match = _HEADING.match(tag)
    return int(match.group(1)) if match else 0
