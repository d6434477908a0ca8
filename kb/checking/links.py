"""Links in generated text: only addresses that the passages or the question spell out remain, and nothing is embedded.

A model that a document has talked round may write an address with what it should not tell in it; a client that shows
pictures would then send it off by itself. So the text of an answer is made harmless while it streams, whatever shows
it: pictures become links, other addresses are replaced by a note, link targets that are no address of the sources are
set apart from their brackets (in code too, where a space changes nothing), and tags that load or run something are
disarmed.
"""

from __future__ import annotations

import html
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

from kb.checking.marks import Mark
from kb.records import Language

REMOVED: Final[dict[Language, str]] = {"zh": "〔链接已移除〕", "en": "(link removed)"}
"""Stands in an answer for an address that the sources do not have."""

_WORD = r"[^\s!\[\]()<>\"'`“”‘’「」『』《》〈〉【】〔〕（），。；、！？：…\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]"
_WORDS = re.compile(f"{_WORD}+")
_ENDING = ".,;:!?*_~|"
_DECORATION: Final = "*_~|"
# What is an address for some reader of Markdown or HTML: a scheme, a host that begins a path, www, or a name with a
# path that carries something.
_SCHEME = r"[a-z][a-z0-9+.-]{0,30}:[/\\]{2}"
_ADDRESS = re.compile(
    rf"{_SCHEME}|\b(?:javascript|vbscript|blob|mailto):\S|\bdata:[\w.+-]*[/;,]"
    r"|(?:^|=)[/\\]{2}[\w-]+(?:[.:/?#][^\s]|$)|\bwww\.\w|(?<![a-z0-9-])(?:[a-z0-9-]{1,63}\.){1,9}[a-z]{2,24}(?::\d+)?/\S*[?=&#%]",
    re.IGNORECASE,
)
_BEGINNING = re.compile(rf"{_SCHEME}\w|(?<==)[/\\]{{2}}\w", re.IGNORECASE)
# Never let through, wherever it stands: these run or carry code.
_RUNNING = re.compile(r"^(?:javascript|vbscript|data|blob):", re.IGNORECASE)
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
# `http://` before a placeholder or a name in another script, and what then stands there up to the next space.
_BARE_SCHEME = re.compile(rf"{_SCHEME}\Z", re.IGNORECASE)
_SCHEME_ALONE = re.compile(rf"{_SCHEME}", re.IGNORECASE)
_LONGEST_WHOLE: Final = 300
_WHOLE = re.compile(r"[^\s，。；、！？）】》」』”’]{1,300}")
_UNFINISHED_TAG = re.compile(r"<[\s/!]{0,4}[A-Za-z-]{0,12}\Z")
_TARGET = re.compile(r"\]\(([^()\n]{0,2048})\)")
_LONGEST_TARGET: Final = 2_100
_LONGEST_WORD: Final = 4_096
# What a renderer may take for the continuation of an address, though we take it for its end.
_GOING_ON: Final = frozenset("(['!<`")
# What ends an address here but not for every renderer: many read on to the next space.
_AFTER = re.compile(r"[“”‘’「」『』《》〈〉【】〔〕（），。；、！？：…]+")
# A sentence may end with an exclamation mark before its citation.
_CITED = re.compile(r"!\[\d{1,4}\]")
_UNFINISHED_CITATION = re.compile(r"!(?:\[\d{0,4})?\Z")


class LinkGuard:
    """Takes an answer piece by piece and gives it out without links of its own. One for each answer.

    `feed` returns what can be shown; `close` the rest. What comes out does not depend on how the text was cut.
    """

    def __init__(self, sources: Iterable[str], language: Language, *, quoting: bool = False) -> None:
        """`sources` are the texts whose addresses may stand in the answer; a `quoting` answer is let through whole."""
        self._quoting = quoting
        self._sources = tuple(sources)
        self._allowed = frozenset(address for text in self._sources for address in _addresses(text))
        self._note = REMOVED[language]
        self._buffer = ""
        self._read = self._written = 0
        self._edits: list[tuple[int, int]] = [(0, 0)]

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
        word = _WORDS.match(buffer, 0, _LONGEST_WORD)
        if word:
            if word.end() == len(buffer) and not final:
                return None
            shown = self._checked(word[0])
            if shown != word[0] and _BARE_SCHEME.search(word[0]):
                whole = _WHOLE.match(buffer)
                if whole is None or (whole.end() == len(buffer) < _LONGEST_WHOLE and not final):
                    return None
                if _SCHEME_ALONE.fullmatch(whole[0]) or (len(whole[0]) < _LONGEST_WHOLE and self._known(whole[0])):
                    return word.end(), word[0]
            if shown != word[0] or not _is_address(shown):
                return word.end(), shown
            after = _AFTER.match(buffer, word.end())
            if after is not None and after.end() == len(buffer) and not final:
                return None
            going_on = buffer[word.end() : word.end() + 1] in _GOING_ON and not self._known(buffer[: word.end() + 1])
            return word.end(), f"{shown} " if going_on or _runs_on(buffer, word.end(), after) else shown
        if first == "<":
            if _UNFINISHED_TAG.match(buffer) and not final:
                return None
            tag = _PLAIN_TAG.match(buffer)
            if tag is not None and tag.end() == len(buffer) and tag[0][-1] != ">" and not final:
                return None
            harmless = tag is not None and tag[0][-1] == ">" and self._known(tag[0])
            return 1, "‹" if _TAG.match(buffer) and not harmless else first
        if first == "!":
            if _UNFINISHED_CITATION.match(buffer) and not final:
                return None
            return 1, "" if buffer[1:2] == "[" and not _CITED.match(buffer) else first
        if first == "]":
            return self._bracket(final=final)
        return 1, first

    def _known(self, text: str) -> bool:
        return any(text in source for source in self._sources)

    def _bracket(self, *, final: bool) -> tuple[int, str] | None:
        """Let a target follow its closing bracket only where the sources have the same."""
        buffer = self._buffer
        if len(buffer) == 1 and not final:
            return None
        if buffer[1:2] != "(":
            return 1, "]"
        target = _TARGET.match(buffer)
        if target is None and not final and "\n" not in buffer and len(buffer) < _LONGEST_TARGET:
            return None
        address = target[1].strip().split(" ")[0].strip("<>") if target else ""
        if target is None or not address or _RUNNING.match(_read_leniently(address)):
            return 1, "] "
        known = address in self._allowed or self._known(f"]({target[1]})")
        return 1, "]" if known else "] "

    def _checked(self, word: str) -> str:
        """Return a word, with the note in place of an address that the sources do not have."""
        if not _is_address(word):
            return word
        start, end = _extent(word)
        if word[start:end] in self._allowed and not _RUNNING.match(_read_leniently(word[start:end])):
            return word
        return word[:start] + self._note + word[end:]


def _addresses(text: str) -> Iterable[str]:
    """Yield the addresses of a source; a scheme alone, before a name in another script, is none."""
    for word in _WORDS.findall(text):
        if _is_address(word):
            start, end = _extent(word)
            if not word.endswith("//"):
                yield word[start:end]


def _extent(word: str) -> tuple[int, int]:
    """Return where in a word its address begins and ends: without emphasis, punctuation and what is glued before."""
    beginning = _BEGINNING.search(word)
    start = beginning.start() if beginning else len(word) - len(word.lstrip(_DECORATION))
    if _read_leniently(word) != word:
        start = 0  # hidden characters may stand anywhere
    return start, max(start, len(word.rstrip(_ENDING)))


def _runs_on(buffer: str, end: int, marks: re.Match[str] | None) -> bool:
    """Say whether what follows an address without a space, beyond closing marks, could be read as part of it."""
    at = marks.end() if marks else end
    following = buffer[at : at + 1]
    return following != "" and not following.isspace() and (marks is not None or not following.isascii())


def _is_address(word: str) -> bool:
    return _ADDRESS.search(_read_leniently(word)) is not None


def _read_leniently(word: str) -> str:
    """Return a word as a renderer may read it: entities decoded, escapes and invisible characters left out."""
    decoded = html.unescape(word) if "&" in word else word
    if decoded.isascii():
        return re.sub(r"\\(?=[:/.])|[\x00-\x1f]", "", decoded)
    plain = unicodedata.normalize("NFKC", decoded)
    return "".join(character for character in plain if unicodedata.category(character) not in ("Cf", "Cc", "Mn"))
