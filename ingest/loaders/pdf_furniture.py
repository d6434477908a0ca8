"""What is printed on every page and belongs to none: running heads, page numbers and the dots of contents lists."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from ingest.loaders.lines import width
from ingest.loaders.pdf_lines import Line

_EDGE_LINES = 2  # how many lines at the top and the bottom of a page may be furniture
_LEAST_PAGES = 3
_LEAST_SHARE = 0.05
_DIGITS = re.compile(r"\d+")
_LEADING = re.compile(r"^\W*(?:第\s*|page\s+)?(\d{1,4})(?!\.?\d)", re.IGNORECASE)
_TRAILING = re.compile(r"(?<![\d.])(\d{1,4})(?:\s*页)?\W*$")
_OF_TOTAL = re.compile(r"(\d{1,4})\s*(?:/|of|共)\s*\d{1,4}\W*$", re.IGNORECASE)
_NUMBER_ONLY = re.compile(
    r"^\W*(?:第\s*|page\s*)?(?:\d{1,4}|[ivxlcdm]{1,8})(?:\s*(?:/|of|共|页)\s*\d{0,4}\s*页?)?\W*$", re.IGNORECASE
)
_LEADERS = re.compile(r"(?:\s*[.．·…‥⋯]\s?){4,}\s*(\d{1,4}|[ivxlcdm]{1,7})?\s*$", re.IGNORECASE)
_PLACE_TOLERANCE = 4.0  # points


def without_furniture(pages: Sequence[list[Line]]) -> list[list[Line]]:
    """Return the lines of all pages without running heads, page numbers and dot leaders."""
    shift = _number_shift(pages)
    repeated = _repeated(pages)
    bands = _bands(pages)
    result: list[list[Line]] = []
    for index, lines in enumerate(pages):
        dropped: set[int] = set()
        for positions in _edges(lines):
            for step, position in enumerate(positions):
                line = lines[position]
                if (
                    _shape(line) in repeated
                    or _carries_number(line, index, shift)
                    or (step == 0 and _in_band(line, position, lines, bands))
                ):
                    dropped.add(position)
                elif step == 0 and not _NUMBER_ONLY.match(line.text):
                    continue
                elif shift is not None and len(lines) > 1 and _NUMBER_ONLY.match(line.text):
                    dropped.add(position)
        kept = [line for position, line in enumerate(lines) if position not in dropped]
        result.append([_without_leaders(line) for line in kept])
    if 2 * sum(map(bool, result)) < sum(map(bool, pages)):  # what repeats is the text itself, as in forms and labels
        return [list(lines) for lines in pages]
    return result


def is_contents_line(line: Line) -> bool:
    """Tell whether a line is an entry of a list of contents: a title, dots, a page number."""
    match = _LEADERS.search(line.text)
    return match is not None and match.group(1) is not None


def _edges(lines: list[Line]) -> tuple[list[int], list[int]]:
    """Return the positions of the lines at the top and at the bottom, outermost first."""
    count = min(_EDGE_LINES, len(lines))
    return list(range(count)), list(range(len(lines) - 1, len(lines) - 1 - count, -1))


def _shape(line: Line) -> str:
    """Return what stays the same of a running head from page to page."""
    return "".join(_DIGITS.sub("#", line.text).split()).lower()


def _repeated(pages: Sequence[list[Line]]) -> set[str]:
    """Return the shapes of lines that stand at the same edge, at the same height, on many pages."""
    seen: dict[str, list[float]] = defaultdict(list)
    for lines in pages:
        for positions in _edges(lines):
            for shape, y in {_shape(lines[position]): lines[position].y for position in positions}.items():
                seen[shape].append(y)
    least = max(_LEAST_PAGES, _LEAST_SHARE * len(pages))
    return {
        shape
        for shape, heights in seen.items()
        if len(heights) >= least
        and sum(abs(height - median(heights)) <= _PLACE_TOLERANCE for height in heights) >= least
    }


def _numbers(line: Line) -> set[int]:
    """Return the numbers that a line begins or ends with."""
    found = (_LEADING.search(line.text), _TRAILING.search(line.text), _OF_TOTAL.search(line.text))
    return {int(match.group(1)) for match in found if match}


def _number_shift(pages: Sequence[list[Line]]) -> int | None:
    """Return by how much printed page numbers differ from the count of pages (from 0), or None for no numbers."""
    votes: Counter[int] = Counter()
    for index, lines in enumerate(pages):
        shifts = {
            number - index
            for positions in _edges(lines)
            for position in positions
            for number in _numbers(lines[position])
        }
        votes.update(shifts)
    if not votes:
        return None
    shift, count = votes.most_common(1)[0]
    return shift if count >= max(_LEAST_PAGES, len(pages) // 3) else None


def _carries_number(line: Line, index: int, shift: int | None) -> bool:
    """Tell whether a line is a page number, or a running head with the page number in it."""
    if shift is None or index + shift not in _numbers(line):
        return False
    return _NUMBER_ONLY.match(line.text) is not None or len(line.text) <= 100


def _bands(pages: Sequence[list[Line]]) -> dict[int, tuple[float, float]]:
    """Return, for the top (1) and the bottom (-1), the height at which pages have a head, and its largest size.

    That is a height shared by the outermost lines of half of the pages, with a clear gap to the text and no
    larger type than the text has (so that the titles of slides stay).
    """
    sizes = [line.size for lines in pages for line in lines]
    if len(pages) < 2 * _LEAST_PAGES or not sizes:
        return {}
    body = median(sizes)
    result: dict[int, tuple[float, float]] = {}
    for side in (1, -1):
        outer = [(lines[0], lines[1]) if side == 1 else (lines[-1], lines[-2]) for lines in pages if len(lines) > 2]
        heights = Counter(round(line.y) for line, _ in outer)
        if not heights:
            continue
        height = heights.most_common(1)[0][0]
        here = [(line, inner) for line, inner in outer if abs(line.y - height) <= _PLACE_TOLERANCE]
        gaps = [abs(line.y - inner.y) for line, inner in here]
        small = all(line.size <= body * 1.05 for line, _ in here)
        if len(here) * 2 >= len(pages) and small and median(gaps) >= 1.8 * body:
            result[side] = (float(height), body * 1.05)
    return result


def _in_band(line: Line, position: int, lines: list[Line], bands: dict[int, tuple[float, float]]) -> bool:
    if len(lines) < 2:
        return False
    side = 1 if position == 0 else -1
    inner = lines[1] if side == 1 else lines[-2]
    height, size = bands.get(side, (0.0, 0.0))
    return (
        side in bands
        and abs(line.y - height) <= _PLACE_TOLERANCE
        and line.size <= size
        and abs(line.y - inner.y) >= 1.4 * line.size
    )


def _without_leaders(line: Line) -> Line:
    stripped = _LEADERS.sub("", line.text).rstrip()
    if not stripped or stripped == line.text:
        return line
    return replace(line, text=stripped, right=line.left + width(stripped) * line.size / 2)
