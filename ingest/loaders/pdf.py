"""PDF: text in reading order with exact page offsets and headings; what cannot be read is told, not guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from indexes.errors import DocumentError
from indexes.records import Heading, Page
from ingest.loaders.cleaning import one_line
from ingest.loaders.pdf_furniture import is_contents_line, without_furniture
from ingest.loaders.pdf_lines import Line, PypdfPages, open_pdf
from ingest.loaders.pdf_outline import PlacedHeading, bare_title, bookmarks, larger_lines
from ingest.loaders.pdf_pages import PageReader
from ingest.loaders.pdf_paragraphs import assemble
from ingest.loaders.plausibility import is_garbled
from ingest.records import Loaded

_NO_TITLE = re.compile(
    r"^(?:untitled|title|document\d*|无标题|未命名|microsoft (?:word|powerpoint|excel) - .*"
    r"|.*\.(?:docx?|pptx?|xlsx?|tex|dvi|indd|pdf|ps|qxd)|\W*)$",
    re.IGNORECASE,
)
_DATE = re.compile(r"^(?:D:)?(\d{4})(\d{2})(\d{2})")
_TRAILING_NUMBER = re.compile(r"\s\d{1,4}\s*$")
_LEAST_CONTENTS_LINES = 4


def load_pdf(data: bytes, name: str, *, passwords: Sequence[str] = (), ocr: bool = False) -> Loaded:
    """Return the text of a PDF. Raise DocumentError: `encrypted`, `damaged`, or `empty` where it holds no text.

    Each page is read by pypdfium2; by pypdf, or from its image where `ocr` is set, if that gives nothing or
    garble. Pages that stay unreadable are named in the warnings.
    """
    fallback = PypdfPages(data, passwords)
    try:
        document = open_pdf(data, passwords)
    except DocumentError as error:
        if error.reason != "damaged":
            raise
        return _by_pypdf_alone(fallback, name, error)
    try:
        reader = PageReader(document, fallback, ocr)
        pages = [reader.read(index) for index in range(len(document))]
        metadata = _metadata(document)
        cleaned = without_furniture(pages)
        headings = bookmarks(document, cleaned) or larger_lines(cleaned)
    finally:
        document.close()
    cleaned, headings = _without_contents(pages, cleaned, headings)
    title = metadata.pop("title", "") or _largest_line(cleaned) or name
    return _result(cleaned, headings, title, reader.extractor(), reader.warnings(), metadata)


def _by_pypdf_alone(fallback: PypdfPages, name: str, error: DocumentError) -> Loaded:
    """Read with pypdf what pdfium could not open; raise the first error where that fails, too."""
    try:
        count = fallback.count()
    except DocumentError as second:
        raise (second if second.reason == "encrypted" else error) from second
    pages = without_furniture([fallback.lines(index) for index in range(count)])
    return _result(pages, [], name, "pypdf", ("pdfium could not open this file; pypdf read it",), {})


def _result(
    pages: list[list[Line]],
    placed: list[PlacedHeading],
    title: str,
    extractor: str,
    warnings: tuple[str, ...],
    metadata: dict[str, str],
) -> Loaded:
    if not any(pages):
        detail = "; ".join(warnings) or "the pages hold no text at all"
        raise DocumentError(
            "empty", f"no text in {len(pages)} pages; a scan needs OCR: set ingest.ocr ({detail})"[:500]
        )
    assembled = assemble(pages, {(heading.page, heading.position) for heading in placed})
    starts = assembled.page_starts
    records = tuple(Page(index + 1, starts[index], starts[index + 1]) for index in range(len(pages)))
    headings = sorted(
        (
            Heading(
                assembled.line_starts[heading.page][heading.position]
                if heading.position >= 0
                else starts[heading.page],
                heading.level,
                heading.title,
            )
            for heading in placed
        ),
        key=lambda heading: heading.start,
    )
    return Loaded(assembled.text, title, records, tuple(headings), "application/pdf", extractor, warnings, metadata)


def _metadata(document: Any) -> dict[str, str]:
    """Return title, author and date (ISO 8601) as far as they are sensible."""
    raw = document.get_metadata_dict(skip_empty=True)
    metadata: dict[str, str] = {}
    title = one_line(raw.get("Title", ""))
    if title and not _NO_TITLE.match(title) and not is_garbled(title) and "\ufffd" not in title:
        metadata["title"] = title
    author = one_line(raw.get("Author", ""))
    if author and not is_garbled(author):
        metadata["author"] = author
    match = _DATE.match(raw.get("CreationDate", "") or raw.get("ModDate", ""))
    if match and 1 <= int(match.group(2)) <= 12 and 1 <= int(match.group(3)) <= 31:
        metadata["date"] = "-".join(match.groups())
    return metadata


def _without_contents(
    raw: list[list[Line]], cleaned: list[list[Line]], headings: list[PlacedHeading]
) -> tuple[list[list[Line]], list[PlacedHeading]]:
    """Drop the lines of contents lists where the bookmarks say the same: they name answers but hold none."""
    listed = {index for index, lines in enumerate(raw) if sum(map(is_contents_line, lines)) >= _LEAST_CONTENTS_LINES}
    if not listed or len(headings) < _LEAST_CONTENTS_LINES:
        return cleaned, headings
    titles = {bare_title(heading.title) for heading in headings}
    kept: list[list[Line]] = []
    moved: dict[tuple[int, int], int] = {}
    for index, lines in enumerate(cleaned):
        entries = {_key(line.text) for line in raw[index] if is_contents_line(line)} if index in listed else set()
        page: list[Line] = []
        for position, line in enumerate(lines):
            if index in listed and (
                any(entry.startswith(_key(line.text)) for entry in entries)
                or bare_title(_TRAILING_NUMBER.sub("", line.text)) in titles
            ):
                continue
            moved[index, position] = len(page)
            page.append(line)
        kept.append(page)
    return kept, [
        PlacedHeading(heading.page, moved.get((heading.page, heading.position), -1), heading.level, heading.title)
        for heading in headings
    ]


def _key(text: str) -> str:
    return "".join(text.split())


def _largest_line(pages: list[list[Line]]) -> str:
    """Return the largest line of the first page with text, where it stands out as a title does."""
    first = next((lines for lines in pages if lines), [])
    sizes = sorted(line.size for lines in pages[:20] for line in lines)
    if len(sizes) < 3:
        return ""
    largest = max(first, key=lambda line: line.size)
    together = [line.text for line in first if abs(line.size - largest.size) < 0.5]
    title = one_line(" ".join(together))
    outstanding = largest.size >= 1.25 * sizes[len(sizes) // 2]
    return title if outstanding and 2 <= len(title) <= 120 and any(map(str.isalpha, title)) else ""
