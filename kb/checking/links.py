"""Links in generated text: only addresses that the passages or the question spell out remain, and nothing is embedded.

A model that a document has talked round may write an address with what it should not tell in it; a client that shows
pictures would then send it off by itself. So the text of an answer is made harmless while it streams, whatever shows
it: pictures become links, other addresses are replaced by a note, link targets that are no address of the sources are
set apart from their brackets (in code too, where a space changes nothing), so are labels from what would define them,
and tags that load or run something are disarmed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

from kb.checking.addresses import WORDS, addresses, extent, goes_on, is_address, is_scheme, run_at, runs, runs_code
from kb.checking.marks import Mark
from kb.records import Language

REMOVED: Final[dict[Language, str]] = {"zh": "〔链接已移除〕", "en": "(link removed)"}
"""Stands in an answer for an address that the sources do not have."""

_TAG = re.compile(
    r"<(?=[\s/!]*(?:a|img|image|picture|iframe|frame|script|link|object|embed|video|audio|source|track|form|input"
    r"|button|meta|style|svg|math|base|portal|template|xml|doctype|body|html|head|applet|area|map|details|marquee)"
    r"(?![\w.-])|!--)",
    re.IGNORECASE,
)
# Without attributes these load and run nothing; in code they are headers and types.
_PLAIN_TAG = re.compile(
    r"<(?:map|object|math|template|source|track|area|portal|details|link|input|button)>?", re.IGNORECASE
)
_UNFINISHED_TAG = re.compile(r"<[\s/!]{0,4}[A-Za-z-]{0,12}\Z")
# Any tag may load or run something by an attribute (`style`, `background`, `onclick`); one this long is taken for such.
_LONGEST_OPENING: Final = 400
_OPENING = re.compile(rf"<[a-z][^<>=]{{0,{_LONGEST_OPENING}}}", re.IGNORECASE)
_TARGET = re.compile(r"\]\(([^()\n]{0,2048})\)")
_LONGEST_TARGET: Final = 2_100
_LONGEST_WORD: Final = 4_096
# A sentence may end with an exclamation mark before its citation; with a target behind that is a picture.
_CITED = re.compile(r"!\[\d{1,4}\](?P<target>\s?[(\[])?")
_UNFINISHED_CITATION = re.compile(r"!(?:\[\d{0,4}(?:\]\s?)?)?\Z")
# What would make more of a run of characters than an address.
_MARKUP = re.compile(r"[\[\]!`]")


class LinkGuard:
    """Takes an answer piece by piece and gives it out without links of its own. One for each answer.

    `feed` returns what can be shown; `close` the rest. What comes out does not depend on how the text was cut.
    """

    def __init__(self, sources: Iterable[str], language: Language, *, quoting: bool = False) -> None:
        """`sources` are the texts whose addresses may stand in the answer; a `quoting` answer is let through whole."""
        self._quoting = quoting
        self._sources = tuple(sources)
        self._allowed = frozenset(address for text in self._sources for address in addresses(text))
        self._runs = frozenset(run for text in self._sources for run in runs(text))
        self._note = REMOVED[language]
        self._buffer = ""
        self._read = self._written = 0
        self._edits: list[tuple[int, int]] = [(0, 0)]
        self._apart = False

    def feed(self, piece: str) -> str:
        """Take the next piece of text and return what is ready to be shown."""
        if self._quoting:
            return piece
        self._buffer += piece
        return self._drain(final=False)

    def close(self) -> str:
        """Return what was held back; nothing may be fed afterwards."""
        return self._drain(final=True)

    def moved(self, marks: Sequence[Mark]) -> list[Mark]:
        """Return marks of the text that was fed at their places in the text that came out."""
        shifted = []
        for mark in marks:
            shift = self._edits[bisect_right(self._edits, mark.start, key=lambda edit: edit[0]) - 1][1]
            shifted.append(Mark(mark.start + shift, mark.end + shift, mark.n, mark.passage))
        return shifted

    def _drain(self, *, final: bool) -> str:
        written = []
        while self._buffer:
            step = self._step(final=final)
            if step is None:
                break
            taken, shown = step
            written.append(shown)
            self._buffer = self._buffer[taken:]
            self._read += taken
            self._written += len(shown)
            if taken != len(shown):
                self._edits.append((self._read, self._written - self._read))
        return "".join(written)

    def _step(self, *, final: bool) -> tuple[int, str] | None:
        """Return how much of the buffer is done and what it becomes, or None where more must be read."""
        buffer = self._buffer
        first = buffer[0]
        word = WORDS.match(buffer, 0, _LONGEST_WORD)
        if word:
            return None if word.end() == len(buffer) and not final else self._word(word[0], final=final)
        if first == "<":
            if _UNFINISHED_TAG.match(buffer) and not final:
                return None
            opening = _OPENING.match(buffer)
            if opening is not None and opening.end() == len(buffer) <= _LONGEST_OPENING and not final:
                return None
            if opening is not None and _has_attributes(buffer, opening):
                return 1, "‹"
            tag = _PLAIN_TAG.match(buffer)
            if tag is not None and tag.end() == len(buffer) and tag[0][-1] != ">" and not final:
                return None
            harmless = tag is not None and tag[0][-1] == ">" and self._known(tag[0])
            return 1, "‹" if _TAG.match(buffer) and not harmless else first
        if first == "!":
            if _UNFINISHED_CITATION.match(buffer) and not final:
                return None
            cited = _CITED.match(buffer)
            self._apart = cited is not None and cited["target"] is not None
            if self._apart:
                return 1, "! "
            return 1, "" if buffer[1:2] == "[" and cited is None else first
        if first == "]":
            return self._bracket(final=final)
        return 1, first

    def _known(self, text: str) -> bool:
        return any(text in source for source in self._sources)

    def _word(self, word: str, *, final: bool) -> tuple[int, str] | None:
        """Let an address through where the sources have it, set apart from what could be read as its continuation."""
        if not is_address(word):
            return len(word), word
        buffer = self._buffer
        start, end = extent(word)
        run = run_at(buffer, start, final=final)
        if run is None:
            return None
        if is_scheme(run) or (start + len(run) > end and self._has_run(run)):
            end = start + len(run)
        elif word[start:end] not in self._allowed or runs_code(word[start:end]):
            return len(word), word[:start] + self._note + word[end:]
        going_on = goes_on(buffer, end, final=final)
        if going_on is None:
            return None
        taken = max(end, len(word))
        return taken, f"{buffer[:end]} {buffer[end:taken]}" if going_on else buffer[:taken]

    def _has_run(self, run: str) -> bool:
        return run in self._runs and not (_MARKUP.search(run) or _TAG.search(run) or runs_code(run))

    def _bracket(self, *, final: bool) -> tuple[int, str] | None:
        """Let a target follow its closing bracket only where the sources have the same, and nothing define a label."""
        buffer = self._buffer
        if len(buffer) == 1 and not final:
            return None
        apart, self._apart = self._apart, False
        if buffer[1:2] == ":" or (apart and buffer[1:2] in ("(", "[")):
            return 1, "] "
        if buffer[1:2] != "(":
            return 1, "]"
        target = _TARGET.match(buffer)
        if target is None and not final and "\n" not in buffer and len(buffer) < _LONGEST_TARGET:
            return None
        address = target[1].strip().split(" ")[0].strip("<>") if target else ""
        if target is None or not address or runs_code(address):
            return 1, "] "
        known = address in self._allowed or self._known(f"]({target[1]})")
        return 1, "]" if known else "] "


def _has_attributes(buffer: str, opening: re.Match[str]) -> bool:
    """Say whether what opens like a tag goes on with an attribute, or for longer than a tag without any does."""
    if len(opening[0]) > _LONGEST_OPENING:
        return True
    return buffer[opening.end() : opening.end() + 1] == "=" and re.search(r"[\s/]", opening[0]) is not None
