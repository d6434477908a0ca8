"""Whether a single line break ends a sentence, or only breaks it over lines as a page or a mail does."""

from __future__ import annotations

import re
import string

from ingest.splitting.marks import BREAKS, CLOSERS, CONTINUING, is_cjk

_NUMERAL = "一二三四五六七八九十百千零〇两"
_SHORT_LINE = rf"[^{BREAKS}。！？；，.!?]{{0,24}}(?=[{BREAKS}]|\Z)"

# A line that is one piece by itself, whatever marks are in it: heading, table row, rule, comment of code.
WHOLE_LINE = re.compile(rf"(?:\#{{1,6}}\s|\||[-=*_~+]{{3,}}[^\S{BREAKS}]*(?=[{BREAKS}]|\Z)|>>>\s|//\s)[^{BREAKS}]*")
WHOLE_LINE_FIRST = frozenset("#|-=*_~+>/`")
FENCE = re.compile(rf"(?P<fence>```+|~~~+)[^{BREAKS}]*")
# A line that begins something new: list items, numbered clauses and headings, prompts, labels, indented paragraphs.
_ITEM = re.compile(
    rf"""
      [-*+–]\s | [•●○◦▪■□◆◇★☆‣※→]
    | \d{{1,3}}(?:\.\d{{1,3}})*[.)、．）](?!\d)
    | \d{{1,3}}(?:\.\d{{1,3}})+\s+{_SHORT_LINE}
    | [（(](?:\d{{1,3}}|[{_NUMERAL}]{{1,3}}|[A-Za-z]|[ivx]{{1,4}})[)）]
    | [{_NUMERAL}]{{1,4}}[、．.]
    | 第[{_NUMERAL}\d]{{1,6}}[章節节條条款编編篇部回卷](?:[\s：:]|{_SHORT_LINE})
    | [①-⑳⑴-⒇㈠-㈩❶-❿➀-➓]
    | [A-Za-z][)、．）] | [A-H]\.\s
    | [>$]\s | // | <[!/a-zA-Z]
    | (?:问|答|注|例|Q|A)\d*[：:]
    | (?:图|表)\s*\d[\d.\-]*\s
    """,
    re.VERBOSE,
)
_ITEM_FIRST = frozenset("-*+–•●○◦▪■□◆◇★☆‣※→（(>$/<" + string.ascii_letters + string.digits)
_TITLE = re.compile(
    rf"(?:第[{_NUMERAL}\d]{{1,6}}[章節节编編篇部回卷]|[{_NUMERAL}]{{1,4}}、|\d{{1,3}}(?:\.\d{{1,3}})*\.?\s)"
)
_LABEL = re.compile(r"[^\s，。,：:]{1,12}[：:]")
# Words that a Chinese line cannot end with if the break was meant.
_UNFINISHED = frozenset("的地得了着在是和与及或而且但被把将对向从为以于由让使给这那其所之不也都就还又很最更等第个")
# Words that begin the text under a title, and seldom the second line of a broken sentence.
_AFTER_TITLE = frozenset("本该随当若我您请此凡")
_OPENING = frozenset("“‘「『（《〈【〔([{")
_SENTENCE_MARKS = frozenset("。！？；…!?.：:")
_LONGEST_WRAPPED = 120
_SHORTEST_WRAPPED_LATIN = 40
_SHORT_CJK = 10
_TITLE_CJK = 20


def begins_item(text: str, content: int) -> bool:
    """Return whether the line whose first non-blank character is at `content` begins a list item, clause or heading."""
    first = text[content]
    return (first in _ITEM_FIRST or first >= "①") and _ITEM.match(text, content) is not None


def line_break_ends(text: str, line_start: int, line_end: int, next_start: int, content: int) -> bool:
    """Return whether the break at `line_end` ends a sentence.

    The line before is `text[line_start:line_end]`; the next begins at `next_start`, its first non-blank character is
    at `content`, and no blank line is between them.
    """
    if (text[next_start] == "\u3000" and text.startswith("\u3000\u3000", next_start)) or begins_item(text, content):
        return True
    last_index = line_end - 1
    while last_index > line_start and text[last_index].isspace():
        last_index -= 1
    last, first = text[last_index], text[content]
    if first in CLOSERS or (first in CONTINUING and first not in "—–-~～/"):
        return False
    if last == "." and first.isdigit() and text[last_index - 1].isdigit():
        return False  # a decimal torn apart: a sentence's own stop was judged before
    if last in "{};" or first in "{}":
        return True
    if last in CONTINUING or last in _OPENING or "a" <= first <= "z":
        return _are_labels(text, line_start, content)
    length = line_end - line_start
    if length > _LONGEST_WRAPPED:
        return True
    line = text[line_start:line_end].strip()
    if "\t" in line or "   " in line:
        return True
    next_end = text.find("\n", content, content + 3 * _LONGEST_WRAPPED)
    next_length = (next_end if next_end >= 0 else min(len(text), content + 3 * _LONGEST_WRAPPED)) - content
    length = len(line)
    if is_cjk(last) or is_cjk(first):
        return _cjk_break_ends(line, length, text[content : content + min(next_length, _SHORT_CJK + 1)], next_length)
    return length < _SHORTEST_WRAPPED_LATIN or length < 0.7 * next_length


def _are_labels(text: str, line_start: int, content: int) -> bool:
    """Return whether both lines are `name: value` lines of their own."""
    return False if text[content].islower() else _has_value(text, line_start) and _has_value(text, content)


def _has_value(text: str, start: int) -> bool:
    found = _LABEL.match(text, start)
    return found is not None and found.end() < len(text) and text[found.end()] not in BREAKS


def _cjk_break_ends(line: str, length: int, next_line: str, next_length: int) -> bool:
    if line[-1] in _UNFINISHED:
        return False
    titled = length <= 2 * _TITLE_CJK and _TITLE.match(line) is not None
    if titled and (line[0] == "第" or length <= 0.6 * next_length):
        return True
    if _LABEL.match(line) and _LABEL.match(next_line):
        return True
    if length <= _TITLE_CJK and length * 2 <= next_length and next_line[0] in _AFTER_TITLE:
        return True
    verse = length <= _SHORT_CJK and next_length <= _SHORT_CJK
    return verse and next_line.rstrip()[-1:] not in _SENTENCE_MARKS and next_line.rstrip()[-1:] not in "，、,"
