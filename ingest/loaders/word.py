"""Word documents (.docx): headings, paragraphs, tables and notes in the order of reading. Needs the `office` extra.

The text is taken from the XML itself: the library's own paragraphs leave out content controls, inserted passages and
text boxes. The library opens the package and knows the styles.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ingest.loaders.archive import parsed
from ingest.loaders.cleaning import clean, one_line
from ingest.loaders.office import facts_of, library, reading, title_of
from ingest.loaders.outline import Block, build
from ingest.loaders.table import lines_of_table
from ingest.loaders.word_numbering import Numbering
from ingest.records import Loaded

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_HEADING = re.compile(r"(?:heading|标题)\s*([1-9])$", re.IGNORECASE)
_CONTENTS = re.compile(r"(?:toc|目录)\s*[1-9]$", re.IGNORECASE)
_NOTES = ("footnotes", "endnotes")
_MARKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
# Deleted passages, codes of fields, and what stands for text boxes in old programs; the boxes come by themselves.
_UNSEEN = frozenset({f"{_W}del", f"{_W}moveFrom", f"{_W}instrText", f"{_W}txbxContent", f"{_W}rt", _FALLBACK})
_MOST_STYLES = 50  # in a chain of styles each based on the next; a longer one goes in a circle


def load_word(data: bytes, name: str) -> Loaded:
    """Return the text of a Word document. Raise DocumentError: `damaged`, `too_large`, or `unsupported`."""
    with reading(data, "Word document", ".docx") as described:
        document = library("docx").Document(io.BytesIO(data))
        blocks = list(_Reader(document).blocks(document.element.body))
        facts = facts_of(document.core_properties) if described else {}
        title = title_of(document.core_properties) if described else ""
    text, headings = build(blocks)
    title = title or (headings[0].title if headings else "") or name
    return Loaded(text, title, (), headings, _MEDIA_TYPE, "python-docx", (), facts)


class _Reader:
    """Goes through the XML of one document."""

    def __init__(self, document: Any) -> None:
        self._styles = _styles(document)
        self._numbering = Numbering(document)
        self._notes = {kind: _notes(document, kind) for kind in _NOTES}

    def blocks(self, container: Any) -> Iterator[Block]:
        """Yield what stands in a body, content control or text box."""
        for element in container:
            if element.tag == f"{_W}p":
                yield from self._paragraph(element)
            elif element.tag == f"{_W}tbl":
                yield from self._table(element)
            elif element.tag == f"{_W}sdt":
                gallery = element.find(f"{_W}sdtPr/{_W}docPartObj/{_W}docPartGallery")
                content = element.find(f"{_W}sdtContent")
                if content is not None and (gallery is None or gallery.get(f"{_W}val") != "Table of Contents"):
                    yield from self.blocks(content)
            elif element.tag in (f"{_W}customXml", f"{_W}ins", f"{_W}moveTo"):
                yield from self.blocks(element)

    def _paragraph(self, paragraph: Any) -> Iterator[Block]:
        style = _value(paragraph.find(f"{_W}pPr/{_W}pStyle"))
        if style in self._styles.contents:
            return
        text = self._numbered(paragraph, clean(_text_of(paragraph)))
        own = _value(paragraph.find(f"{_W}pPr/{_W}outlineLvl"))
        level = int(own) + 1 if own.isdigit() and int(own) < 9 else self._styles.levels.get(style, 0)
        listed = style in self._styles.lists or paragraph.find(f"{_W}pPr/{_W}numPr") is not None
        if text:
            yield Block(one_line(text), level) if level else Block(text, 0, tight=listed)
        for box in paragraph.iter(f"{_W}txbxContent"):
            if not any(around.tag == _FALLBACK for around in box.iterancestors()):
                yield from self.blocks(box)
        for kind in _NOTES:
            for mark in paragraph.iter(f"{_W}{kind[:-1]}Reference"):
                note = self._notes[kind].get(mark.get(f"{_W}id", ""))
                if note:
                    yield Block(note, 0, tight=True)

    def _numbered(self, paragraph: Any, text: str) -> str:
        """Return a text with the number of its paragraph, which counts also where there is no text."""
        mark = self._numbering.mark(paragraph)
        return mark + text if text else ""

    def _cell(self, cell: Any) -> str:
        """Return the text of a cell on one line; a number alone in it is text."""
        lines = []
        for paragraph in cell.iter(f"{_W}p"):
            copy = any(around.tag == _FALLBACK for around in paragraph.iterancestors())
            mark = "" if copy else self._numbering.mark(paragraph)
            lines.append(mark + _text_of(paragraph))
        return " ".join(clean("\n".join(lines)).split())

    def _table(self, table: Any) -> Iterator[Block]:
        rows: list[list[str]] = []
        named = False
        for row in table.iter(f"{_W}tr"):
            if next(row.iterancestors(f"{_W}tbl")) is not table:
                continue  # of a table within a cell, whose text is in the cell
            if not rows:
                named = row.find(f"{_W}trPr/{_W}tblHeader") is not None
            cells = [cell for cell in row.iter(f"{_W}tc") if next(cell.iterancestors(f"{_W}tr")) is row]
            rows.append([self._cell(cell) for cell in cells])
        for number, line in enumerate(lines_of_table(rows, named=named)):
            yield Block(line, 0, tight=number > 0)


@dataclass(frozen=True, slots=True)
class _Styles:
    """What is known of the styles of a document by their ids: levels of headings, lists, tables of contents."""

    levels: dict[str, int] = field(default_factory=dict)
    lists: set[str] = field(default_factory=set)
    contents: set[str] = field(default_factory=set)


def _styles(document: Any) -> _Styles:
    """Return what the styles of a document mean; each takes over from the one that it is based on."""
    found = _Styles()
    levels = found.levels
    styles = {style.get(f"{_W}styleId", ""): style for style in document.styles.element.iter(f"{_W}style")}
    for identity, style in styles.items():
        below: Any = style
        for _ in range(_MOST_STYLES):
            if below is None or identity in levels:
                break
            if below.find(f"{_W}pPr/{_W}numPr") is not None:
                found.lists.add(identity)
            name = _value(below.find(f"{_W}name"))
            outline = _value(below.find(f"{_W}pPr/{_W}outlineLvl"))
            heading = _HEADING.match(name)
            if outline.isdigit():
                if int(outline) < 9:
                    levels[identity] = int(outline) + 1
                break
            if heading or name.lower() == "title":
                levels[identity] = int(heading.group(1)) if heading else 1
                break
            below = styles.get(_value(below.find(f"{_W}basedOn")))
        if _CONTENTS.match(_value(style.find(f"{_W}name"))):
            found.contents.add(identity)
            levels.pop(identity, None)
    return found


def _notes(document: Any, kind: str) -> dict[str, str]:
    """Return the footnotes or endnotes by their id."""
    for relation in document.part.rels.values():
        if relation.reltype.endswith(f"/{kind}") and not relation.is_external:
            tree = parsed(relation.target_part.blob)
            return {
                note.get(f"{_W}id", ""): clean("\n".join(_lines(note))).strip()
                for note in tree.iter(f"{_W}{kind[:-1]}")
                if note.get(f"{_W}type") is None
            }
    return {}


def _lines(container: Any) -> list[str]:
    return [_text_of(paragraph) for paragraph in container.iter(f"{_W}p")]


def _text_of(paragraph: Any) -> str:
    """Return the text of a paragraph as it is read, without recursion."""
    parts: list[str] = []
    stack = list(reversed(paragraph))
    while stack:
        element = stack.pop()
        if not isinstance(element.tag, str) or element.tag in _UNSEEN:
            continue
        if element.tag == f"{_W}t":
            parts.append(element.text or "")
        elif element.tag.startswith(_W) and element.getparent().tag == f"{_W}r":
            parts.append(_MARKS.get(element.tag.removeprefix(_W), ""))
        stack.extend(reversed(element))
    return "".join(parts)


def _value(element: Any) -> str:
    return "" if element is None else str(element.get(f"{_W}val", ""))
