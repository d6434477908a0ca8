"""Presentations (.pptx): each slide a page, with its title as heading, and its notes. Needs the `office` extra."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from ingest.loaders.cleaning import clean, one_line
from ingest.loaders.office import facts_of, library, reading, title_of
from ingest.loaders.outline import Block
from ingest.loaders.paged import build_pages
from ingest.loaders.table import lines_of_table
from ingest.records import Loaded

_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
# Placeholders that hold the same on every slide.
_FURNITURE = frozenset({"DATE", "FOOTER", "SLIDE_NUMBER", "HEADER"})
_DEEPEST_GROUP = 20


def load_slides(data: bytes, name: str) -> Loaded:
    """Return the text of a presentation. Raise DocumentError: `damaged`, `too_large`, or `unsupported`."""
    with reading(data, "presentation", ".pptx") as described:
        presentation = library("pptx").Presentation(io.BytesIO(data))
        pages = [(number, list(_blocks(slide))) for number, slide in enumerate(presentation.slides, start=1)]
        facts = facts_of(presentation.core_properties) if described else {}
        title = title_of(presentation.core_properties) if described else ""
    text, headings, places = build_pages(pages)
    usual = "PowerPoint Presentation"  # what programs write where nobody gave a title
    title = (title if title != usual else "") or (headings[0].title if headings else "") or name
    return Loaded(text, title, places, headings, _MEDIA_TYPE, "python-pptx", (), facts)


def _blocks(slide: Any) -> Iterator[Block]:
    heading = slide.shapes.title
    heading_id = None if heading is None else heading.shape_id
    if heading is not None and heading.has_text_frame and one_line(heading.text_frame.text):
        yield Block(one_line(heading.text_frame.text), 1)
    for shape in _shapes(slide.shapes):
        if shape.shape_id == heading_id:
            continue
        if shape.is_placeholder and shape.placeholder_format.type.name in _FURNITURE:
            continue
        if getattr(shape, "has_table", False):
            yield from _table(shape.table)
        elif shape.has_text_frame:
            yield from _paragraphs(shape.text_frame)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        yield from _paragraphs(slide.notes_slide.notes_text_frame)


def _shapes(shapes: Iterable[Any], depth: int = 0) -> Iterator[Any]:
    """Yield the shapes of a slide from the top to the bottom, those of groups too."""

    def place(shape: Any) -> tuple[int, int]:
        return int(shape.top or 0), int(shape.left or 0)

    for shape in sorted(shapes, key=place):
        if hasattr(shape, "shapes"):
            if depth < _DEEPEST_GROUP:
                yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _paragraphs(frame: Any) -> Iterator[Block]:
    first = True
    for paragraph in frame.paragraphs:
        text = clean(paragraph.text)
        if text:
            yield Block(text, 0, tight=not first)
            first = False


def _table(table: Any) -> Iterator[Block]:
    rows = [[" ".join(clean(cell.text).split()) for cell in row.cells if not cell.is_spanned] for row in table.rows]
    for number, line in enumerate(lines_of_table(rows, named=False)):
        yield Block(line, 0, tight=number > 0)
