"""Sentences of Chinese, English and mixed text, as exact spans.

One expression finds the candidates (end marks, opening quotes, line breaks); Python judges only those. Most of the
text is never touched character by character, which is what makes it fast.
"""

from __future__ import annotations

import re

from ingest.splitting.clusters import extends
from ingest.splitting.line_breaks import FENCE, WHOLE_LINE, WHOLE_LINE_FIRST, line_break_ends
from ingest.splitting.marks import (
    BREAK,
    BREAKS,
    CLOSERS,
    CLOSING_RUN,
    CONTINUING,
    ENCLOSURES,
    END_RUN,
    FOOTNOTES,
    FULL_STOPS,
    LINE,
    LINE_BREAK,
    QUOTES,
    SPACE,
    TITLE_BRACKETS,
    UNMARKED,
    with_plain_spaces,
)
from ingest.splitting.stops import ascii_stop

_BLANK_LINE = re.compile(rf"(?>\r\n|[{BREAKS}])[^\S{BREAKS}]*[{BREAKS}]")
_SPEECH = re.compile(r"[\u4e00-\u9fff]{0,6}?(?:说|說|道|问|問|喊|叫|答|笑|叹|吼|嚷|念)(?:着|道|了)?[，。！,…]")
_SPEECH_BEFORE = frozenset("：:，,。！？—说說道问問喊叫答曰云称想")
_AFTER_ELLIPSIS = frozenset("等的地得之和与")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return the half-open spans of the sentences of `text`, in order, without surrounding white space.

    The spans do not overlap and together hold every character that is not white space. End marks, closing quotes and
    brackets and footnote marks such as `[1]` stay with the sentence they close; a quotation in marks of at most 120
    characters is kept whole. Blank lines end sentences; a single line break does so only before list items, headings,
    table rows and the like. Any string is accepted.
    """
    return _Scan(with_plain_spaces(text)).run()


def _after_marks(text: str, position: int) -> int:
    """Return the end of the combining marks at `position`: they belong to the character before them."""
    while position < len(text) and extends(text[position]):
        position += 1
    return position


class _Scan:
    """One pass over a text. `start` is where the current sentence begins, `line` where the current line begins."""

    __slots__ = ("fence", "line", "spans", "start", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.spans: list[tuple[int, int]] = []
        self.start = 0
        self.line = 0
        self.fence = ""

    def run(self) -> list[tuple[int, int]]:
        text = self.text
        length = len(text)
        unmarked = UNMARKED.match
        position = self._open(0, self._content(0), broken=True)
        while (found := unmarked(text, position)) and (position := found.end()) < length:
            character = text[position]
            if character in BREAKS:
                position = self._line_break(position)
            elif character in FULL_STOPS:
                position = self._full_stop(position)
            elif character in ".!?．":
                end, ends = ascii_stop(text, position, self.start)
                position = self._close(end) if ends else end
            else:
                position = self._enclosure(position, character)
        if self.start < length:
            self._close(length)
        return self.spans

    def _content(self, position: int) -> int:
        """Return where the next character is that is not white space."""
        text = self.text
        if position < len(text) and text[position].isspace():
            found = SPACE.match(text, position)
            return found.end() if found else position
        return position

    def _close(self, end: int) -> int:
        """End the current sentence at `end` and return where the next one begins."""
        text = self.text
        begin = self._content(end)
        while begin < len(text):
            # A closing mark that a line break tore off still belongs to this sentence, and so do combining marks.
            if closing := CLOSING_RUN.match(text, begin):
                end = closing.end()
            elif begin == end and extends(text[begin]):
                end = _after_marks(text, end)
            else:
                break
            begin = self._content(end)
        while end > self.start and text[end - 1].isspace():
            end -= 1
        if end > self.start:
            self.spans.append((self.start, end))
        return self._open(end, begin, broken=False)

    def _open(self, end: int, begin: int, broken: bool) -> int:
        """Begin a sentence at `begin`, white space after `end` skipped; swallow lines that are pieces by themselves."""
        text = self.text
        while True:
            self.start = begin
            if begin >= len(text) or not (broken or self._has_break(end, begin)):
                return begin
            self.line = begin
            if self.fence:
                end = self._fenced(begin)
                begin, broken = self._content(end), False
                continue
            if text[begin] not in WHOLE_LINE_FIRST:
                return begin
            whole = self._whole_line(begin)
            if whole == begin:
                return begin
            self.spans.append((begin, len(text[begin:whole].rstrip()) + begin))
            end, begin, broken = whole, self._content(whole), False

    def _has_break(self, start: int, end: int) -> bool:
        return (
            end > start
            and not (end == start + 1 and self.text[start] == " ")
            and bool(BREAK.search(self.text, start, end))
        )

    def _whole_line(self, begin: int) -> int:
        """Return the end of the line at `begin` if it is kept whole (table, heading, start of code), else `begin`."""
        text = self.text
        if fence := FENCE.match(text, begin):
            self.fence = fence["fence"]
            return fence.end()
        whole = WHOLE_LINE.match(text, begin)
        return whole.end() if whole else begin

    def _fenced(self, begin: int) -> int:
        """Take the lines of code from `begin` on, each by itself, and return the end of the line that closes it."""
        text, append = self.text, self.spans.append
        for found in LINE.finditer(text, begin):
            start, end = found.span("line")
            append((start, start + len(text[start:end].rstrip()) if text[end - 1].isspace() else end))
            if text[start] in "`~" and (fence := FENCE.match(text, start)) and fence["fence"].startswith(self.fence):
                self.fence = ""
                return end
        return len(text)

    def _full_stop(self, position: int) -> int:
        text = self.text
        found = END_RUN.match(text, position)
        end = found.end() if found else position + 1
        footnotes = FOOTNOTES.match(text, end)
        end = footnotes.end() if footnotes else end
        after = text[end] if end < len(text) else " "
        if after in "\"'" and (after == '"' or end + 1 == len(text)):
            opened = text.count(after, max(self.start, position - 400), position) % 2 == 1
            if opened:
                end += 1
                after = text[end] if end < len(text) else " "
        if after in CONTINUING and after not in "—–-·/～~":
            return end
        if position == self.start and text[position] in "…？！?!" and not after.isspace():
            return end
        if text[position] == "…" and not self._ellipsis_ends(position, end, after):
            return end
        return self._close(end)

    def _ellipsis_ends(self, position: int, end: int, after: str) -> bool:
        text = self.text
        if any(mark in "。！？!?；" for mark in text[position:end]):
            return True
        if after.isspace():
            begin = self._content(end)
            return begin >= len(text) or not "a" <= text[begin] <= "z"
        return end - position > 1 and after not in _AFTER_ELLIPSIS

    def _enclosure(self, position: int, opener: str) -> int:
        """Keep a short quotation or bracket whole; end the sentence after it where its own end mark does so."""
        text = self.text
        found = ENCLOSURES[opener].match(text, position)
        if found is None:
            return position + 1
        end = found.end()
        if len(found.group().splitlines()) > 1:
            if _BLANK_LINE.search(text, position, end):
                return position + 1
            for line_break in BREAK.finditer(text, position, end):
                self.line = line_break.end()
        last = end - 2
        while last > position and (text[last] in CLOSERS or text[last].isspace()):
            last -= 1
        mark = text[last]
        if opener in TITLE_BRACKETS or not (mark in FULL_STOPS or mark in ".!?") or last == position:
            return end
        return self._after_enclosure(position, end, opener, mark)

    def _after_enclosure(self, position: int, end: int, opener: str, mark: str) -> int:
        text = self.text
        if end < len(text) and text[end] in FULL_STOPS:
            return end
        footnotes = FOOTNOTES.match(text, end)
        end = footnotes.end() if footnotes else end
        if end >= len(text):
            return self._close(end)
        after = text[end]
        at_start = position == self.start
        if after in CONTINUING and after not in "—–-·/～~":
            return end
        if opener not in QUOTES and not at_start and mark not in "。｡":
            return end
        if after.isspace():
            begin = self._content(end)
            return end if begin < len(text) and "a" <= text[begin] <= "z" else self._close(end)
        if mark in ".!?" and after.isascii():
            return end
        if mark not in "。｡；" and not at_start:
            before = text[self.start : position].rstrip()[-1:]
            if before not in _SPEECH_BEFORE:
                return end
        if opener in QUOTES and _SPEECH.match(text, end):
            return end
        return self._close(end)

    def _line_break(self, position: int) -> int:
        text = self.text
        found = LINE_BREAK.match(text, position)
        assert found is not None
        content = found.end()
        if content >= len(text):
            return self._close(position)
        first = text[content]
        next_line = position + (2 if text.startswith("\r\n", position) else 1)
        if not (
            found["blank"] is not None
            or (first in WHOLE_LINE_FIRST and (WHOLE_LINE.match(text, content) or FENCE.match(text, content)))
            or line_break_ends(text, self.line, position, next_line, content)
        ):
            self.line = content
            return content
        if first in CLOSERS:
            return self._close(position)
        end = position
        while end > self.start and text[end - 1].isspace():
            end -= 1
        if end > self.start:
            self.spans.append((self.start, end))
        return self._open(end, content, broken=True)
