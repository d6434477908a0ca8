"""Pieces: the sentences of a document, measured in tokens, and long ones cut until each fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.splitting.clusters import safe_cut
from ingest.splitting.marks import CLOSERS

CountTokens = Callable[[Sequence[str]], list[int]]

_BATCH = 4096
# Some tokenizers count a very long word as one unknown token; that many characters are never less than a token here.
_CHARACTERS_A_TOKEN = 16
_CLAUSE = re.compile(rf"[，；、：]+[{CLOSERS}]*|[,;:]+(?=\s)")
_WORD = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Piece:
    """`text[start:end]`, `tokens` long without special tokens.

    `section` indexes the heading path in force; `level` is the level of the heading that begins here, or 0;
    `whole` says that it is a whole sentence; `first` that it begins one.
    """

    start: int
    end: int
    tokens: int
    section: int
    level: int = 0
    whole: bool = True
    first: bool = True


class Measure:
    """Counts tokens in batches, without the special tokens that the model adds to each text."""

    def __init__(self, count_tokens: CountTokens) -> None:
        self._count = count_tokens
        self.special = count_tokens([""])[0]

    def exact(self, texts: Sequence[str]) -> list[int]:
        """Return the token counts of `texts` as the model sees them, special tokens included."""
        counts: list[int] = []
        for begin in range(0, len(texts), _BATCH):
            counts.extend(self._count(texts[begin : begin + _BATCH]))
        return counts

    def spans(self, text: str, spans: Sequence[tuple[int, int]]) -> list[int]:
        """Return how much each span adds to a chunk: at least 1, and at least one token to 16 characters."""
        counts: list[int] = []
        for begin in range(0, len(spans), _BATCH):
            batch = spans[begin : begin + _BATCH]
            counts.extend(
                max(1, count - self.special, (end - start) // _CHARACTERS_A_TOKEN)
                for (start, end), count in zip(batch, self._count([text[a:b] for a, b in batch]), strict=True)
            )
        return counts


def cut_sentence(text: str, start: int, end: int, room: int, measure: Measure) -> list[tuple[int, int, int]]:
    """Cut `text[start:end]` into (start, end, tokens) of at most `room` tokens each: at clause marks where that is
    enough, then at white space, then between characters. Only white space is left out.
    """
    return _cut_at(text, start, end, room, measure, (_CLAUSE, _WORD))


def _cut_at(
    text: str, start: int, end: int, room: int, measure: Measure, patterns: tuple[re.Pattern[str], ...]
) -> list[tuple[int, int, int]]:
    if not patterns:
        return _cut_characters(text, start, end, room, measure)
    bounds = [start, *(found.end() for found in patterns[0].finditer(text, start, end)), end]
    parts = [trimmed for a, b in pairwise(bounds) if (trimmed := trim(text, a, b))[0] < trimmed[1]]
    pieces: list[tuple[int, int, int]] = []
    for (a, b), tokens in zip(parts, measure.spans(text, parts), strict=True):
        if tokens > room:
            pieces.extend(_cut_at(text, a, b, room, measure, patterns[1:]))
        elif pieces and pieces[-1][2] + tokens <= room:
            pieces[-1] = (pieces[-1][0], b, pieces[-1][2] + tokens)
        else:
            pieces.append((a, b, tokens))
    return pieces


def _cut_characters(text: str, start: int, end: int, room: int, measure: Measure) -> list[tuple[int, int, int]]:
    spans: list[tuple[int, int]] = []
    while end - start > room:
        cut = safe_cut(text, start, start + room, end)
        spans.append((start, cut))
        start = cut
    spans.append((start, end))
    done: list[tuple[int, int, int]] = []
    while spans:
        over: list[tuple[int, int]] = []
        for (a, b), tokens in zip(spans, measure.spans(text, spans), strict=True):
            if tokens <= room or b - a == 1:
                done.append((a, b, tokens))
            else:
                over.extend(halves(text, a, b))
        spans = over
    return sorted(done)


def halves(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Cut `text[start:end]` (two characters or more) in two near the middle, tearing no cluster."""
    cut = safe_cut(text, start, (start + end) // 2, end)
    return [(start, cut), (cut, end)]


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the span without the white space at both ends; an empty span where nothing else is in it."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
