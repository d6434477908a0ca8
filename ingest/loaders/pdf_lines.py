"""The lines of PDF pages with their places: by pypdfium2, and by pypdf where that finds nothing usable."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from indexes.errors import DocumentError
from ingest.loaders.cleaning import clean
from ingest.loaders.lines import width

# pdfium writes U+FFFE (or U+0002) where it took a hyphen at the end of a line for one that only divides a word.
_DIVIDED = re.compile("[\ufffe\x02]")
# Ligatures, and the radicals that some fonts map common characters to (⽂ for 文), as the letters they stand for.
_COMPATIBLE = re.compile("[\ufb00-\ufb06\u2f00-\u2fdf\u2e80-\u2eff\uf900-\ufaff]")


_BETWEEN = re.compile(r"(?<=\S)\s+(?=\S)")
# Times the size of the type: gaps between words are narrower even in stretched lines, and columns of a display wider.
_WIDE_GAP = 1.5
_USUAL_SIZE = 10.0  # points; where a font does not tell its size


@dataclass(frozen=True, slots=True)
class Line:
    """One printed line. Lengths are in points, `y` is the base line and grows upwards, `size` is the font's.

    Lines without geometry (from pypdf) have their columns as lengths and a `size` of 2. `divided` tells that the
    line ends within a word, whose hyphen has been taken off; `spread`, that wide gaps part it, as in the row of a
    table.
    """

    text: str
    left: float
    right: float
    y: float
    size: float
    divided: bool = False
    spread: bool = False


def open_pdf(data: bytes, passwords: Sequence[str] = ()) -> Any:
    """Return the opened document (pypdfium2). Raise DocumentError: `encrypted` or `damaged`."""
    for password in (None, *passwords):
        try:
            return pypdfium2.PdfDocument(data, password=password)
        except pypdfium2.PdfiumError as error:
            if "assword" in str(error):
                continue
            if "ecurity" in str(error):
                raise DocumentError("encrypted", "encrypted in a way that cannot be opened") from error
            raise DocumentError("damaged", f"not readable as PDF: {error}") from error
    tried = (
        "none of the passwords given opens it" if passwords else "a password is needed to open it: set ingest.passwords"
    )
    raise DocumentError("encrypted", tried)


def raw_page_text(document: Any, index: int) -> str:
    """Return the text of one page (from 0) with every character as pdfium gives it; "" where it cannot be read."""
    try:
        page = document[index]
    except pypdfium2.PdfiumError:
        return ""
    try:
        textpage = page.get_textpage()
        try:
            return str(textpage.get_text_range())
        finally:
            textpage.close()
    except pypdfium2.PdfiumError:
        return ""
    finally:
        page.close()


def page_lines(document: Any, index: int) -> list[Line]:
    """Return the lines of one page (from 0) as pdfium orders them; none where the page cannot be read."""
    try:
        page = document[index]
    except pypdfium2.PdfiumError:
        return []
    try:
        textpage = page.get_textpage()
    except pypdfium2.PdfiumError:
        page.close()
        return []
    try:
        return list(_placed_lines(textpage, page.get_rotation()))
    finally:
        textpage.close()
        page.close()


def _placed_lines(textpage: Any, rotation: int) -> Iterator[Line]:
    text: str = textpage.get_text_range()
    position = 0
    box, matrix = pdfium.FS_RECTF(), pdfium.FS_MATRIX()
    for raw in text.split("\r\n"):
        for part in _DIVIDED.split(raw):
            end = position + len(part)
            # A part that is not the last of its line was cut at a division mark, one character long.
            divided = end - position < len(raw) and end < len(text) and bool(_DIVIDED.match(text[end]))
            cleaned = readable(part)
            if cleaned:
                yield _place(textpage, position, part, cleaned, divided, rotation, box, matrix)
            position = end + 1
        position += 1  # "\r\n" is two characters long, the first counted above


def _place(
    textpage: Any, position: int, raw: str, text: str, divided: bool, rotation: int, box: Any, matrix: Any
) -> Line:
    """Return the line whose characters `raw` begin at `position` of the page's text."""
    offsets = [offset for offset, character in enumerate(raw) if not character.isspace()]
    first, middle, last = (
        pdfium.FPDFText_GetCharIndexFromTextIndex(textpage, position + offset)
        for offset in (offsets[0], offsets[len(offsets) // 2], offsets[-1])
    )
    # The median of three characters: a line may begin or end with a raised mark or a note in the margin.
    types = []
    for index in (first, middle, last):
        pdfium.FPDFText_GetMatrix(textpage, index, matrix)
        size = pdfium.FPDFText_GetFontSize(textpage, index) * (matrix.c**2 + matrix.d**2) ** 0.5
        types.append((size, _turned_point(matrix.e, matrix.f, rotation)[1]))
    size, y = sorted(types)[1]
    if size <= 0.5:
        size = _USUAL_SIZE
    pdfium.FPDFText_GetLooseCharBox(textpage, first, box)
    start = _turned(box, rotation)[0]
    pdfium.FPDFText_GetLooseCharBox(textpage, last, box)
    end = _turned(box, rotation)[1]
    if start >= end:
        start = end - width(text) * size / 2
    # Text without gaps is hardly wider than this, so most lines need no closer look.
    wide = end - start > 0.47 * size * width(text)
    spread = wide and _is_spread(textpage, position, raw, size, rotation, box)
    return Line(text, start, end, y, size, divided, spread)


def _is_spread(textpage: Any, position: int, raw: str, size: float, rotation: int, box: Any) -> bool:
    """Tell whether a gap within a line is wider than any between words."""
    for space in _BETWEEN.finditer(raw):
        edges = []
        for offset in (space.start() - 1, space.end()):
            index = pdfium.FPDFText_GetCharIndexFromTextIndex(textpage, position + offset)
            pdfium.FPDFText_GetLooseCharBox(textpage, index, box)
            edges.append(_turned(box, rotation))
        if edges[1][0] - edges[0][1] > _WIDE_GAP * size:
            return True
    return False


def _turned(box: Any, rotation: int) -> tuple[float, float]:
    """Return the left and right edge of a box on the page as it is shown."""
    corners = (_turned_point(box.left, box.bottom, rotation)[0], _turned_point(box.right, box.top, rotation)[0])
    return min(corners), max(corners)


def _turned_point(x: float, y: float, rotation: int) -> tuple[float, float]:
    return {90: (y, -x), 180: (-x, -y), 270: (-y, x)}.get(rotation, (x, y))


def readable(text: str) -> str:
    """Return a line of extracted text without invisible characters, ligatures and radicals spelled out."""
    spelled = _COMPATIBLE.sub(lambda match: unicodedata.normalize("NFKC", match.group()), text)
    return clean(spelled.replace("\n", " ")).strip()


class PypdfPages:
    """The pages as pypdf reads them: opened only when the first page is asked for."""

    def __init__(self, data: bytes, passwords: Sequence[str] = ()) -> None:
        self._data = data
        self._passwords = passwords
        self._reader: Any = None

    def _open(self) -> Any:
        """Return the reader. Raise DocumentError: `encrypted` or `damaged`."""
        if self._reader is None:
            from pypdf import PdfReader

            try:
                reader = PdfReader(io.BytesIO(self._data), strict=False)
                if reader.is_encrypted and not any(reader.decrypt(password) for password in ("", *self._passwords)):
                    raise DocumentError("encrypted", "a password is needed to open it: set ingest.passwords")
                len(reader.pages)
            except DocumentError:
                raise
            except Exception as error:  # pypdf raises errors of many kinds on damaged files
                raise DocumentError("damaged", f"not readable as PDF: {type(error).__name__}") from error
            self._reader = reader
        return self._reader

    def count(self) -> int:
        """Return the number of pages. Raise DocumentError: `encrypted` or `damaged`."""
        return len(self._open().pages)

    def lines(self, index: int) -> list[Line]:
        """Return the lines of one page (from 0); none where pypdf cannot read it."""
        try:
            text = self._open().pages[index].extract_text()
        except DocumentError:
            return []
        except (MemoryError, RecursionError):
            raise
        except Exception:  # of many kinds on damaged pages; a page without lines is told of by the caller
            return []
        return plain_lines(text)


def plain_lines(text: str) -> list[Line]:
    """Return lines without geometry, measured in columns; blank lines leave a gap."""
    lines: list[Line] = []
    for row, raw in enumerate(text.split("\n")):
        cleaned = readable(raw)
        if cleaned:
            indent = width(raw) - width(raw.lstrip())
            divided = cleaned.endswith("\u2010")
            line = Line(cleaned, indent, indent + width(cleaned), -2.4 * row, 2.0)
            lines.append(replace(line, text=cleaned[:-1], divided=True) if divided else line)
    return lines
