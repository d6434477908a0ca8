"""Plain text, Markdown and tables: decoded, unwrapped, with headings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from indexes.records import Heading
from ingest.loaders.cleaning import one_line, tidy
from ingest.loaders.decoding import decode
from ingest.loaders.lines import begins_item, glue, spaces_scripts, width
from ingest.records import Loaded
from ingest.splitting.marks import with_plain_spaces

_FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
_ATX = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r"^ {0,3}(=+|-+)[ \t]*$")
_INLINE_MARKS = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*_`]{1,3}(?=\S)(.+?)(?<=\S)[*_`]{1,3}")
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n(?:---|\.\.\.)\n", re.DOTALL)
_FIELD = re.compile(r"^([A-Za-z_]+):[ \t]*(.+)$", re.MULTILINE)

_NUMERAL = "[一二三四五六七八九十百千零〇两0-9]{1,6}"
_CHINESE_HEADING = re.compile(rf"^第\s?{_NUMERAL}\s?([卷篇部编編]|[章回讲講课課]|[节節])(?:$|[\s　:：、.]?\S)")
_LATIN_HEADING = re.compile(r"^(part|chapter|section|appendix)\s+([0-9]+|[ivxlc]+|[a-z])\b", re.IGNORECASE)
_NUMBERED_HEADING = re.compile(
    r"^([0-9]{1,2}(?:\.[0-9]{1,2}){1,4}|[0-9]{1,2}(?=[.．、]|\s+[A-Z\u4e00-\u9fff]))[.．、]?[\s　]*[^\W\d]"
)
_CHINESE_LEVELS = {**dict.fromkeys("卷篇部编編", 1), **dict.fromkeys("章回讲講课課", 2), **dict.fromkeys("节節", 3)}
_LATIN_LEVELS = {"part": 1, "chapter": 2, "appendix": 2, "section": 3}
_HEADING_WIDTH = 70
_SENTENCE_END = re.compile(r"[。！？；，、,;.!?]$")

# Text wrapped by hand or by a program has lines between these widths, in columns.
_LEAST_WRAP, _MOST_WRAP = 50, 100
_UNIT = re.compile(r"[^\W\u2e80-\uffef]+[^\s\u2e80-\uffef]*|\S")
_WIDE_LETTER = "\u2e80-\u3000\u3003-\ufeff"
_PROSE_END = re.compile(rf"[A-Za-z0-9,、，（(《“‘”’\"')）》\]{_WIDE_LETTER}]$")
_PROSE_START = re.compile(rf"[A-Za-z0-9（(《“‘”’\"')）》，、。；：！？\[{_WIDE_LETTER}]")
_DIGIT = re.compile(r"\d")
_RECORD_START = 6
_LETTER = re.compile(rf"[A-Za-z{_WIDE_LETTER}]")


def load_text(data: bytes, name: str, charset: str | None = None, *, markdown: bool = False) -> Loaded:
    """Return the text of a plain or Markdown file, its characters as they are. Raise DocumentError("undecodable")."""
    decoded = decode(data, charset)
    text = tidy(decoded.text)
    metadata: dict[str, str] = {}
    if markdown:
        text, metadata = _front_matter(text)
        headings = _markdown_headings(with_plain_spaces(text))
    else:
        text = _unwrap(text)
        headings = _plain_headings(with_plain_spaces(text))
    title = metadata.pop("title", "") or _title(text, headings, markdown)
    media_type = "text/markdown" if markdown else "text/plain"
    extractor = f"{'markdown' if markdown else 'text'} ({decoded.encoding})"
    return Loaded(text, title or name, (), headings, media_type, extractor, decoded.warnings, metadata)


def _title(text: str, headings: tuple[Heading, ...], markdown: bool) -> str:
    """Return the title that a text gives itself at its beginning, or ""."""
    if markdown:
        return next((heading.title for heading in headings if heading.level == 1), "")
    first, _, rest = text.partition("\n")
    if headings and headings[0].start == 0:
        return headings[0].title
    alone = rest.startswith("\n") and width(first) <= _HEADING_WIDTH and not _SENTENCE_END.search(first)
    return one_line(first) if alone and any(map(str.isalpha, first)) else ""


def _front_matter(text: str) -> tuple[str, dict[str, str]]:
    """Return the text without its leading block of `key: value` lines, and title, date and tag from it."""
    match = _FRONT_MATTER.match(with_plain_spaces(text))
    if match is None:
        return text, {}
    fields = {key.lower(): value.strip().strip("\"'") for key, value in _FIELD.findall(match.group(1))}
    named = {"title": "title", "date": "date", "tag": "tag", "tags": "tag"}
    return text[match.end() :].lstrip("\n"), {
        named[key]: one_line(value.strip("[]")) for key, value in fields.items() if key in named
    }


def _markdown_headings(text: str) -> tuple[Heading, ...]:
    """Return the headings of both Markdown forms, outside of code."""
    headings: list[Heading] = []
    fence = ""
    previous, previous_start, start = "", 0, 0
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark.group(1).startswith(fence) and not line.strip(" `~"):
                fence = ""
            line_text = ""
        elif mark:
            fence, line_text = mark.group(1), ""
        else:
            line_text = line
            if match := _ATX.match(line):
                _add(headings, start, len(match.group(1)), match.group(2))
                line_text = ""
            elif (match := _SETEXT.match(line)) and previous.strip() and not begins_item(previous):
                _add(headings, previous_start, 1 if line.strip()[0] == "=" else 2, previous)
                line_text = ""
        previous, previous_start = line_text, start
        start += len(line) + 1
    return tuple(headings)


def _add(headings: list[Heading], start: int, level: int, title: str) -> None:
    title = one_line(_INLINE_MARKS.sub(lambda match: match.group(1) or match.group(2) or "", title))
    if title:
        headings.append(Heading(start, level, title))


def _plain_headings(text: str) -> tuple[Heading, ...]:
    """Return the lines of plain text that are headings beyond much doubt: alone, short, and marked as such."""
    lines = text.split("\n")
    headings: list[Heading] = []
    start = 0
    for index, line in enumerate(lines):
        bare = line.strip(" \t\u3000")
        alone = (index == 0 or not lines[index - 1].strip()) and (
            index + 1 == len(lines) or not lines[index + 1].strip()
        )
        if bare and width(bare) <= _HEADING_WIDTH and not _SENTENCE_END.search(bare):
            level = _level(bare, alone)
            if level:
                headings.append(Heading(start, level, one_line(bare)))
        start += len(line) + 1
    return tuple(_numbered(headings))


def _numbered(headings: Sequence[Heading]) -> Iterator[Heading]:
    """Yield headings without the items of lists that look like them, numbered ones under their chapters.

    Where a text numbers its sections `6.1`, a line `6. …` is one only if a section of its own comes next.
    """
    numbers = [match[1] if (match := _NUMBERED_HEADING.match(heading.title)) else "" for heading in headings]
    dotted = any("." in number for number in numbers)
    chapters = any(heading.level == 2 and not number for heading, number in zip(headings, numbers, strict=True))
    for heading, number, following in zip(headings, numbers, [*numbers, ""][1:], strict=True):
        if number and "." not in number and dotted and not following.startswith(f"{number}."):
            continue
        yield replace(heading, level=heading.level + int(chapters and number != ""))


def _level(line: str, alone: bool) -> int:
    """Return the level of a heading line, or 0 where it is none."""
    if match := _CHINESE_HEADING.match(line):
        return _CHINESE_LEVELS[match.group(1)] if alone or width(line) <= 40 else 0
    if not alone:
        return 0
    if match := _LATIN_HEADING.match(line):
        return _LATIN_LEVELS[match.group(1).lower()]
    if match := _NUMBERED_HEADING.match(line):
        return match.group(1).count(".") + 1
    return 0


def _unwrap(text: str) -> str:
    """Join the lines of paragraphs that were wrapped at a fixed width.

    Two lines are joined only where the first word of the second would not have fitted on the first, and both
    sides of the break look like prose; code, lists, verse and rows of tables keep their lines.
    """
    plain = with_plain_spaces(text)
    lines = plain.split("\n")
    limit = _wrap_width(lines)
    if limit == 0:
        return text
    spaced = spaces_scripts(plain[:200_000])
    joined: list[str] = []
    previous = ""  # the line as it was in the file, before anything was joined to it
    for line, kept in zip(lines, text.split("\n"), strict=True):
        if joined and previous and _continues(previous, line, limit):
            addition = kept[len(line) - len(line.lstrip(" \t\u3000")) :]
            joined[-1] += glue(joined[-1], addition, spaced) + addition
        else:
            joined.append(kept)
        previous = line
    return "\n".join(joined)


def _wrap_width(lines: list[str]) -> int:
    """Return the width in columns at which the text was wrapped, or 0 where it was not.

    Wrapped prose has more lines just under its limit than anywhere else; a table or an address may be wider.
    """
    counts = [0] * (_MOST_WRAP + 1)
    prose = 0
    for line in lines:
        if not _PROSE_END.search(line) or "  " in line.strip():
            continue
        prose += 1
        columns = width(line)
        if columns <= _MOST_WRAP:
            counts[columns] += 1
    fullest, limit = max((sum(counts[end - 2 : end + 1]), end) for end in range(_LEAST_WRAP, _MOST_WRAP + 1))
    return limit if fullest >= 2 and fullest >= prose // 20 else 0


def _continues(line: str, following: str, limit: int) -> bool:
    """Tell whether `following` is the continuation of `line` in text wrapped at `limit` columns."""
    bare = following.lstrip(" \t\u3000")
    if not bare or not line.strip() or begins_item(bare) or not _PROSE_END.search(line) or not _PROSE_START.match(bare):
        return False
    if not (_LETTER.match(line[-1]) or _LETTER.match(bare)):
        return False
    if following[0] == "\u3000" or _indent(following) > _indent(line) + 6 or "  " in line.strip():
        return False
    if _DIGIT.sub("0", line[:_RECORD_START]) == _DIGIT.sub("0", following[:_RECORD_START]):
        return False  # records of a log or a table begin alike, lines of prose hardly ever
    unit = _UNIT.match(bare)
    return unit is not None and width(line) + 1 + width(unit.group()) > limit - 1


def _indent(line: str) -> int:
    return width(line) - width(line.lstrip(" \t\u3000"))
