"""Which extractor reads which page of a PDF, and what remains unread."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from ingest.loaders.pdf_lines import Line, PypdfPages, page_lines, plain_lines, raw_page_text
from ingest.loaders.plausibility import is_garbled, is_wordless, score

_REPAIRED_SCORE = 0.3
_FALSE_HYPHEN = re.compile("(?<=[\x80-\xff])-(?=[\x80-\xff])")
_MOST_OBJECTS = 10_000  # of a page, to be looked at
_CLEARLY_BETTER = 0.3  # in score: by so much must pypdf's text be more plausible than pdfium's garble


class PageReader:
    """Reads page after page, choosing the extractor for each, and remembers what was chosen and what failed."""

    def __init__(self, document: Any, fallback: PypdfPages, ocr: bool) -> None:
        self._document = document
        self._fallback = fallback
        self._ocr = ocr
        self._used: dict[str, list[int]] = {}
        self._unread: dict[str, list[int]] = {}

    def read(self, index: int) -> list[Line]:
        """Return the lines of a page (from 0); none where nothing can be read on it."""
        lines = page_lines(self._document, index)
        text = _text_of(lines)
        if _is_good(text):
            return self._chosen("pypdfium2", index, lines)
        kinds = self._kinds_of_objects(index)
        if text or kinds is None or pdfium.FPDF_PAGEOBJ_TEXT in kinds:
            other = self._fallback.lines(index)
            other_text = _text_of(other)
            if _is_good(other_text) and (not text or score(other_text) > score(text) + _CLEARLY_BETTER):
                return self._chosen("pypdf", index, other)
            repaired = _repaired(raw_page_text(self._document, index)) if is_garbled(text) else ""
            if repaired:
                return self._chosen("pypdfium2, re-decoded", index, plain_lines(repaired))
        if self._ocr and kinds:
            from ingest.loaders.ocr import recognise_page

            recognised = recognise_page(self._document, index)
            if recognised:
                return self._chosen("ocr", index, recognised)
        if text and not is_garbled(text):  # numbers only, and nothing better: they are what the page says
            return self._chosen("pypdfium2", index, lines)
        if text or kinds is None or kinds:
            why = "garbled text" if text else "damaged contents" if kinds is None else "no text, only an image,"
            self._unread.setdefault(why, []).append(index + 1)
        return []

    def extractor(self) -> str:
        """Return the extractors used, the commonest first."""
        return " + ".join(sorted(self._used, key=lambda name: -len(self._used[name]))) or "none"

    def warnings(self) -> tuple[str, ...]:
        """Return what a reader should know about the pages that pypdfium2 did not give."""
        read = [
            f"read by {name}: pages {_ranges(numbers)}" for name, numbers in self._used.items() if name != "pypdfium2"
        ]
        hint = "" if self._ocr else "; OCR may read them"
        unread = [f"{why} on pages {_ranges(numbers)}{hint}" for why, numbers in self._unread.items()]
        return (*unread, *read)

    def _chosen(self, extractor: str, index: int, lines: list[Line]) -> list[Line]:
        self._used.setdefault(extractor, []).append(index + 1)
        return lines

    def _kinds_of_objects(self, index: int) -> set[int] | None:
        """Return what kinds of objects are printed on the page (pdfium's numbers), None where it cannot be read."""
        try:
            page = self._document[index]
        except pypdfium2.PdfiumError:
            return None
        try:
            return {element.type for element in islice(page.get_objects(max_depth=4), _MOST_OBJECTS)}
        finally:
            page.close()


def _text_of(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines)


def _is_good(text: str) -> bool:
    return bool(text) and not is_garbled(text) and not is_wordless(text)


def _repaired(text: str) -> str:
    """Return text whose double-byte characters were read as Latin-1, read rightly; "" where it is not that."""
    # In PDF's version of Latin-1 the byte AD is a hyphen.
    text = _FALSE_HYPHEN.sub("\xad", text)
    raw = b"".join(_byte_of(character) for character in text)
    best, best_score = "", _REPAIRED_SCORE
    for encoding in ("gb18030", "big5"):
        candidate = raw.decode(encoding, "replace")
        if candidate.count("\ufffd") <= len(candidate) // 50 and score(candidate) > best_score:
            best, best_score = candidate, score(candidate)
    return "" if best.isascii() else best


def _byte_of(character: str) -> bytes:
    """Return the byte that a character stands for in Windows-1252 or Latin-1, "?" for none."""
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1", "replace")


def _ranges(numbers: Sequence[int]) -> str:
    """Return page numbers as "1-3, 7"."""
    spans: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
