"""From a tree of markup to blocks of text, without recursion, whatever the depth of the tree."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from ingest.loaders.outline import TextBuilder

# Tags that begin and end a block; all others run on within a line. `head`, `item`, `row` and `cell` are what
# trafilatura calls headings, list items and the parts of a table.
_BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "caption", "center", "code-block", "dd", "details", "div",
        "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head",
        "header", "hr", "item", "li", "list", "main", "nav", "ol", "p", "pre", "quote", "row", "section", "summary",
        "table", "tbody", "tfoot", "thead", "tr", "ul",
    }
)  # fmt: skip
_CELLS = frozenset({"td", "th", "cell"})
_TIGHT = frozenset({"li", "item", "tr", "row", "dd"})
_HEADING = re.compile(r"h([1-6])$")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_ANCHORS = " ¶§#🔗"  # links to the heading itself, which generators of documentation put after it
_BREAK = "\x00"  # stands for a line break within a block until the white space is folded


def visible_text(text: str) -> str:
    """Return `text` without white space, for comparing amounts."""
    return "".join(text.split())


def add_blocks(builder: TextBuilder, root: Any, around: Collection[str] = ()) -> None:
    """Append the text under `root`, block by block; elements named in `around` are passed over."""
    writer = _BlockWriter(builder)
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


class _BlockWriter:
    """Folds white space as a browser does and hands finished blocks to the builder."""

    def __init__(self, builder: TextBuilder) -> None:
        self._builder = builder
        self._parts: list[str] = []
        self._kept_space = 0  # depth of preformatted elements
        self._levels: list[int] = []  # of the headings that are open
        self._tight = False  # the block that is open stands right under the one before

    def text(self, text: str | None) -> None:
        if text:
            self._parts.append(text.replace(_BREAK, "").replace("\n", _BREAK) if self._kept_space else text)

    def enter(self, tag: str, element: Any) -> None:
        if tag in ("br", "lb"):
            self._parts.append(_BREAK)
        elif tag in _CELLS:
            if any(part.strip() for part in self._parts):
                self._parts.append(" | ")
        elif tag in _BLOCKS:
            self.flush()
            self._tight = tag in _TIGHT
            if level := _level_of(tag, element):
                self._levels.append(level)
        if _keeps_space(tag, element):
            self.flush()
            self._kept_space += 1

    def leave(self, tag: str, element: Any) -> None:
        if _keeps_space(tag, element):
            self.flush()
            self._kept_space -= 1
        elif tag in _BLOCKS:
            self.flush()
        if self._levels and _level_of(tag, element):
            self._levels.pop()

    def flush(self) -> None:
        raw = "".join(self._parts)
        self._parts.clear()
        if self._kept_space:
            block = raw.replace(_BREAK, "\n")
        else:
            block = "\n".join(_SPACES.sub(" ", line).strip() for line in raw.split(_BREAK)).strip("\n")
        if not block.strip():
            return
        if self._levels:
            self._builder.add_heading(block.rstrip(_ANCHORS), self._levels[-1])
        else:
            self._builder.add(block, "\n" if self._tight else "\n\n")
        self._tight = False


def _keeps_space(tag: str, element: Any) -> bool:
    return tag == "pre" or (tag == "code" and "\n" in (element.text or ""))


def _level_of(tag: str, element: Any) -> int:
    """Return the level of a heading element, in HTML or as trafilatura writes it, or 0."""
    match = _HEADING.match(tag) or (_HEADING.match(element.get("rend", "")) if tag == "head" else None)
    if match:
        return int(match.group(1))
    return 2 if tag == "head" and element.get("rend") is not None else 0
