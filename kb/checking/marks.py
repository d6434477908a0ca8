"""Citation marks in generated text: found, renumbered and placed while the text streams.

A mark is `[1]`, `[1][2]`, `[1, 2]`, `[^1]`, `[[1]]`, `[资料1]` or the same in full-width forms (`【1】`, `［１］`,
`〔1〕`). Marks inside code (back-tick spans and fences) are left alone. A mark is written after the closing punctuation
of its sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

OPENERS: Final = "[【［〔"
_LIST = r"\d{1,4}(?:[ \t]?[,，、;；–-][ \t]?\d{1,4}){0,9}"
_SOURCE = r"(?:†[^\s\[\]【】［］〔〕]{0,40})?"
_LABEL = r"(?:(?:资料|資料|片段|来源|來源|参考|參考|文档|文檔|passage|source|document|doc|ref)[ \t]?)?"
_INNER = rf"\^?{_LABEL}({_LIST}){_SOURCE}"
# In double brackets too, which some models write; the second number is that of the single form.
_MARK = re.compile(rf"[\[【［〔]{{2}}{_INNER}[\]】］〕]{{2}}|[\[【［〔]{_INNER}[\]】］〕]", re.IGNORECASE)
# What may still become a mark when more text comes: at most 10 numbers of 4 digits and a source's name of 40
# characters.
_UNFINISHED_MARK = re.compile(r"[\[【［〔]\^?(?:\d[\d \t,，、;；–-]{0,70}(?:†[^\s\[\]【】［］〔〕]{0,40})?)?\Z")
_UNFINISHED = re.compile(
    r"[\[【［〔]{1,2}\^?(?:[^\W\d_]{1,8}[ \t]?)?(?:\d[\d \t,，、;；–-]{0,70}(?:†[^\s\[\]【】［］〔〕]{0,40})?)?\Z"
    rf"|[\[【［〔]{{2}}{_INNER}[\]】］〕]\Z",
    re.IGNORECASE,
)
_MAXIMUM_MARK = 120
_FENCE = re.compile(r"\n[ \t]*```")
_CLOSERS = frozenset("。！？；!?;…”’」』）)》】〉")
_SPACES = " \t"
_SPECIAL = frozenset(f"`{OPENERS}{_SPACES}")
_FENCE_LENGTH = 3
_MAXIMUM_CODE = 400
_MAXIMUM_RANGE = 10


def neutralise_marks(text: str) -> str:
    """Return text in which bracketed numbers (foot-notes of a source, array indexes) cannot pass for our marks.

    `[3]` becomes `[ 3 ]`, in whatever brackets it is written.
    """
    return _MARK.sub(_spread, text)


def _spread(mark: re.Match[str]) -> str:
    depth = 1 if mark[1] is None else 2
    return " ".join([*mark[0][:depth], mark[0][depth:-depth], *mark[0][-depth:]])


@dataclass(frozen=True, slots=True)
class Mark:
    """One written `[n]`: `start` and `end` are its place in the finished text; `passage` is the passage's number."""

    start: int
    end: int
    n: int
    passage: int


class MarkRewriter:
    """Rewrites a stream of text: marks of passages that do not exist are dropped, the others numbered by first use.

    `feed` returns what can safely be shown; `close` returns the rest. Their concatenation is the finished text, in
    which `marks` lie; it does not depend on how the text was cut into pieces. Text is held back only where it may still
    turn out to be a mark, code, or the punctuation that a mark follows.
    """

    def __init__(self, passage_count: int, number_of: Callable[[int, str], int] | None = None) -> None:
        """`number_of(passage, text)` gives the number to write for a mark of a passage, and must count from 1 by first
        use; `text` is what was written since the mark before. Without it each passage has one number.
        """
        self.marks: list[Mark] = []
        self._passage_count = passage_count
        self._numbers: dict[int, int] = {}
        self._number_of = number_of or self._by_passage
        self._since = ""
        self._buffer = ""
        self._tail = ""
        self._length = 0
        self._pending: list[int] = []
        self._spaces = ""
        self._after_mark = False
        self._fenced = False
        self._line_start = True

    def feed(self, piece: str) -> str:
        """Take the next piece of generated text and return what is ready to be shown."""
        self._buffer += piece
        return self._drain(final=False)

    def close(self) -> str:
        """Return what was held back; nothing may be fed afterwards."""
        return self._drain(final=True) + self._write_pending() + self._write(self._spaces)

    def _drain(self, *, final: bool) -> str:
        written: list[str] = []
        while self._buffer:
            step = self._step(final=final)
            if step is None:
                break
            written.append(step)
        return "".join(written)

    def _step(self, *, final: bool) -> str | None:
        """Consume one token of the buffer and return what it adds to the text, or None where more must be read."""
        buffer = self._buffer
        if self._fenced:
            return self._fence(final=final)
        first = buffer[0]
        if first in _SPACES:
            self._buffer = buffer[1:]
            if not (self._after_mark and self._spaces and not self._pending):
                self._spaces += first
            return ""
        if first == "`":
            return self._code(final=final)
        if first in OPENERS:
            mark = _MARK.match(buffer)
            if not final and _UNFINISHED.match(buffer):
                return None
            if mark:
                self._buffer = buffer[mark.end() :]
                self._note(_listed(mark[1] or mark[2]))
                return ""
        elif self._after_mark and (first in _CLOSERS or first == "."):
            if first == "." and len(buffer) == 1 and not final:
                return None
            if first != "." or len(buffer) == 1 or not buffer[1].isalnum():
                self._buffer, self._spaces = buffer[1:], ""
                return self._write(first)
        end = 1
        while end < len(buffer) and buffer[end] not in _SPECIAL:
            end += 1
        return self._take(end)

    def _take(self, count: int) -> str:
        """Write pending marks, held spaces and `count` characters as they are."""
        piece, self._buffer = self._buffer[:count], self._buffer[count:]
        spaces, self._spaces, self._after_mark = self._spaces, "", False
        return self._write_pending() + self._write(spaces + piece)

    def _write(self, piece: str) -> str:
        if piece:
            self._length += len(piece)
            self._since += piece
            self._tail = (self._tail + piece)[-_MAXIMUM_MARK:]
            blank_so_far = self._line_start or "\n" in piece
            self._line_start = blank_so_far and not piece.rpartition("\n")[2].strip()
        return piece

    def _note(self, numbers: list[int]) -> None:
        """Keep the existing passages of a mark for writing; the white space before it goes, since it closes up.

        Where the text before is itself the beginning of a mark, spaces keep the two halves apart.
        """
        for number in numbers:
            if 1 <= number <= self._passage_count and number not in self._pending:
                self._pending.append(number)
        if _UNFINISHED_MARK.search(self._tail) and not self._after_mark:
            self._spaces += "  "
            return
        self._spaces = self._spaces[:1] if not self._pending else ""
        self._after_mark = True

    def _write_pending(self) -> str:
        written, since = "", self._since
        for passage in self._pending:
            n = self._number_of(passage, since)
            start = self._length
            written += self._write(f"[{n}]")
            self.marks.append(Mark(start, self._length, n, passage))
        if self._pending:
            self._pending, self._since = [], ""
        return written

    def _by_passage(self, passage: int, text: str) -> int:
        return self._numbers.setdefault(passage, len(self._numbers) + 1)

    def _code(self, *, final: bool) -> str | None:
        """Consume a back-tick span whole, a fence's opening, or a lone run of back-ticks as plain text."""
        buffer = self._buffer
        run = len(buffer) - len(buffer.lstrip("`"))
        if run == len(buffer) and not final:
            return None
        if run >= _FENCE_LENGTH and self._line_start:
            self._fenced = True
            return self._take(run)
        newline = buffer.find("\n", run)
        limit = min(newline if newline >= 0 else len(buffer), _MAXIMUM_CODE)
        closing = re.compile(rf"(?<!`)`{{{run}}}(?!`)").search(buffer, run, limit)
        complete = final or newline >= 0 or len(buffer) > _MAXIMUM_CODE
        if closing and (closing.end() < len(buffer) or complete):
            return self._take(closing.end())
        return self._take(run) if complete else None

    def _fence(self, *, final: bool) -> str | None:
        """Consume fenced code up to its closing fence; an open last line is held until it is known not to be one."""
        buffer = self._buffer
        closing = _FENCE.search(buffer)
        if closing:
            self._fenced = False
            return self._take(closing.end())
        ready = len(buffer) if final else buffer.rfind("\n")
        if ready < 0:
            ready = len(buffer)
        return self._take(ready) if ready else None


def _listed(numbers: str) -> list[int]:
    """Return the passage numbers of a list such as `1, 3` or `2-4`; a range over ten counts as its two ends."""
    found: list[int] = []
    for first, last in re.findall(r"(\d+)(?:[ \t]?[–-][ \t]?(\d+))?", numbers):
        low, high = int(first), int(last or first)
        found += range(low, high + 1) if low <= high < low + _MAXIMUM_RANGE else (low, high)
    return found
