"""From printed lines to paragraphs: which line goes on in the next, judged by where they end and begin."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from ingest.loaders.lines import begins_item, glue, spaces_scripts, width
from ingest.loaders.pdf_lines import Line

_UNIT = re.compile(r"[^\s\u2e80-\uffef]+|\S[，。、；：！？）」』》】”’]*")
_TERMINATOR = re.compile(r"[。！？；.!?:：…][”’」』）)\]]*$")
_HYPHENATED = re.compile(r"([A-Za-z]+)[-\u2010]$")
_OPEN_ADDRESS = re.compile(r"://\S*[/_.?&=-]$")
_LAST_WORD = re.compile(r"[A-Za-z]+$")
_WORD = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")
_JUSTIFIED_LINES = 3  # so many lines with the same end, and they are justified
_LEAST_AT_MARGIN = 12  # lines of a document that end together, and they end at a margin
_SHARE_AT_MARGIN = 0.012
_LEAST_COLUMN = 12  # times the size of the type: no column of text is narrower
_NEAR = 12  # lines before and after that show how wide the column is


@dataclass(frozen=True, slots=True)
class Assembled:
    """The text of all pages, where each page begins (and the end), and where each line begins in it."""

    text: str
    page_starts: tuple[int, ...]
    line_starts: tuple[tuple[int, ...], ...]


def assemble(pages: Sequence[list[Line]], breaks: Collection[tuple[int, int]] = ()) -> Assembled:
    """Join the lines of all pages into paragraphs.

    `breaks` are the (page, position) of lines that are headings, which stand alone. Paragraphs are parted by a
    blank line where the page shows a gap, by a line end otherwise; they run on over page ends.
    """
    spaced = spaces_scripts("\n".join(line.text for lines in pages[:50] for line in lines))
    words = _vocabulary(pages)
    margins = _margins(pages)
    parts: list[str] = []
    length = 0
    page_starts: list[int] = []
    line_starts: list[tuple[int, ...]] = []
    before: _Before | None = None
    for index, lines in enumerate(pages):
        pitch = _pitch(lines)
        starts: list[int] = []
        for position, line in enumerate(lines):
            alone = (index, position) in breaks
            separator, hyphens, joined = "", 0, 0
            if before is not None:
                previous = before.line
                parted = alone != before.alone or (alone and not _same_style(previous, line))
                if not parted and _continues(before, line, pitch, position == 0):
                    separator, hyphens = _join(previous, line, spaced, words)
                    joined = before.joined + 1
                else:
                    gap = position == 0 or parted or _is_gap(previous, line, pitch)
                    separator = "\n\n" if gap else "\n"
            if hyphens:
                parts[-1] = parts[-1][:-hyphens]
            parts += separator, line.text
            length += len(separator) - hyphens
            starts.append(length)
            length += len(line.text)
            before = _Before(line, *_column(lines, position, margins), alone, joined)
        page_starts.append(starts[0] if starts else length)
        line_starts.append(tuple(starts))
    page_starts.append(length)
    return Assembled("".join(parts), tuple(page_starts), tuple(line_starts))


@dataclass(frozen=True, slots=True)
class _Before:
    """The line just added, with its place among those around it.

    `edge` is how far its column reaches, `justified` whether it ends where several lines do, `alone` whether it is
    a heading, `joined` how many lines of its paragraph stand before it.
    """

    line: Line
    edge: float
    justified: bool
    alone: bool
    joined: int


def _pitch(lines: list[Line]) -> float:
    """Return the usual distance between the base lines of a page, in points."""
    close = [above.y - below.y for above, below in pairwise(lines) if above.y > below.y > above.y - 3 * above.size]
    return median(close) if close else 14.0


def _margins(pages: Sequence[list[Line]]) -> list[float]:
    """Return where many lines of the document end: the right margins of its columns, in points."""
    ends = Counter(round(line.right) for lines in pages for line in lines)
    least = max(_LEAST_AT_MARGIN, _SHARE_AT_MARGIN * ends.total())
    return [float(end) for end, times in ends.items() if times >= least]


def _column(lines: list[Line], position: int, margins: Sequence[float]) -> tuple[float, bool]:
    """Return where the column of a line ends to the right, and whether the line ends at a margin.

    A margin is where many lines of the document or several around it end; one that runs over does not hide it, and
    closing punctuation may stand out a little.
    """
    line = lines[position]
    furthest, together = line.right, 0
    for other in lines[max(0, position - _NEAR) : position + _NEAR + 1]:
        overlap = min(line.right, other.right) - max(line.left, other.left)
        if overlap > 0 and abs(other.left - line.left) < 8 * line.size:
            furthest = max(furthest, other.right)
            together += abs(other.right - line.right) <= 0.15 * line.size
    beyond = [margin for margin in margins if margin >= line.right - 0.15 * line.size]
    if beyond:
        furthest = min(beyond)
    at_margin = any(-0.8 * line.size <= margin - line.right <= 0.15 * line.size for margin in margins)
    return furthest, at_margin or (together > _JUSTIFIED_LINES and line.right >= 0.55 * furthest)


def _same_style(previous: Line, line: Line) -> bool:
    return abs(previous.size - line.size) <= 0.12 * max(previous.size, line.size)


def _is_gap(previous: Line, line: Line, pitch: float) -> bool:
    step = previous.y - line.y
    return step > 1.35 * pitch or step < -pitch or not _same_style(previous, line)


def _continues(before: _Before, line: Line, pitch: float, new_page: bool) -> bool:
    """Tell whether `line` goes on with the paragraph of the line before."""
    previous = before.line
    if previous.divided:
        return True
    if begins_item(line.text) or not _same_style(previous, line) or line.spread:
        return False
    if previous.spread and line.left < previous.left + 1.5 * line.size:  # the next row, not more of the last cell
        return False
    step = previous.y - line.y
    new_column = step < -pitch
    if new_page or new_column:
        return not _TERMINATOR.search(previous.text) and _is_full(before, line)
    if step > 1.35 * pitch or step < -0.6 * line.size:
        return False
    if abs(step) < 0.3 * line.size:  # on the same base line: a cell of a table or a piece of a formula
        return False
    indent = line.left - previous.left
    # The second line of a list item, or of a paragraph whose first line stands out to the left.
    hanging = before.joined == 0 and (begins_item(previous.text) or not _TERMINATOR.search(previous.text))
    if indent > (6 if hanging else 0.9) * line.size:
        return False
    open_end = before.justified and not _TERMINATOR.search(previous.text)
    if indent < -(4.5 if before.joined == 0 or open_end else 0.9) * line.size:
        return False
    return _is_full(before, line)


def _is_full(before: _Before, line: Line) -> bool:
    """Tell whether the line before ends at its margin: the first word of `line` would not have fitted on it."""
    previous = before.line
    unit = _UNIT.match(line.text)
    if unit is None:
        return False
    narrow = previous.right - previous.left < _LEAST_COLUMN * previous.size
    if narrow and _TERMINATOR.search(previous.text):  # a list of short sentences, not a column
        return False
    if before.justified and not narrow:
        return True
    column = (line.right - line.left) / max(1, width(line.text))
    needed = column * width(unit.group())
    room = before.edge - previous.right
    if room > 12 * previous.size:  # so much room is left only at the end of a paragraph, however long the word
        return False
    return room < needed + 0.6 * previous.size


def _vocabulary(pages: Sequence[list[Line]]) -> set[str]:
    """Return the words of the document, plain and hyphenated, in lower case."""
    return {word.lower() for lines in pages for line in lines for word in _WORD.findall(line.text)}


def _join(previous: Line, line: Line, spaced: bool, words: set[str]) -> tuple[str, int]:
    """Return what stands between two joined lines, and how many characters to take off the first (a hyphen)."""
    following = _WORD.match(line.text)
    if previous.divided:
        stem = _LAST_WORD.search(previous.text)
        if stem and following and _is_compound(stem.group(), following.group(), words):
            return "-", 0
        return "", 0
    hyphenated = _HYPHENATED.search(previous.text)
    if hyphenated and following and line.text[0].islower():
        return "", 0 if _is_compound(hyphenated.group(1), following.group(), words) else 1
    if _OPEN_ADDRESS.search(previous.text) and line.text[0].isascii():
        return "", 0
    return glue(previous.text, line.text, spaced), 0


def _is_compound(stem: str, rest: str, words: set[str]) -> bool:
    """Tell whether the document elsewhere writes the word with a hyphen, and never without."""
    return f"{stem}-{rest}".lower() in words and (stem + rest).lower() not in words
