"""Where a passage bears out what an answer says: the tight run of its text that a citation quotes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from ingest.splitting.sentences import sentence_spans
from kb.checking.support import solid, splits_number, term_set, torn
from kb.records import Passage

# A wider hull of spans than this, in characters, is no longer a quotation: the first span then stands alone.
MAXIMUM_QUOTE: Final = 600
# How many sentences may bear out one sentence of an answer, and how much more of it each further one must cover.
_MAXIMUM_SENTENCES: Final = 3
_MINIMUM_GAIN: Final = 0.12
# White space between two sentences, in characters, that still lets them be quoted as one.
_GAP: Final = 3
# So many passages are kept cut into sentences: those of a few prompts, each asked for by every claim of an answer.
_PASSAGES_KEPT: Final = 64


class SpanNumbers:
    """Gives marks their numbers: one number stands for one run of text of one passage.

    So every citation is a tight quotation, also where an answer draws on distant places of the same passage.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._texts = {passage.n: passage.hit.text for passage in passages}
        self._runs: list[tuple[int, int, int]] = []

    def number_of(self, passage: int, text: str) -> int:
        """Return the number, from 1, for a mark of `passage` behind `text` (what was written since the mark before)."""
        sentences = undivided(text, ())
        claim = text[slice(*sentences[-1])] if sentences else text
        if not solid(claim) and (before := [at for at, run in enumerate(self._runs, 1) if run[0] == passage]):
            return before[-1]  # a mere mark, as in a list of sources
        start, end = locate(claim, self._texts[passage])
        for index, (cited, first, last) in enumerate(self._runs):
            wider = min(first, start), max(last, end)
            if (
                cited == passage
                and start <= last + _GAP
                and first <= end + _GAP
                and wider[1] - wider[0] <= MAXIMUM_QUOTE
            ):
                self._runs[index] = (passage, *wider)
                return index + 1
        self._runs.append((passage, start, end))
        return len(self._runs)


def locate(claim: str, passage: str) -> tuple[int, int]:
    """Return the span of the sentence, or the few sentences in a row, of a passage that best bear out a claim."""
    verbatim = claim.strip()
    found_at = passage.find(verbatim) if verbatim else -1
    while found_at >= 0:
        end = found_at + len(verbatim)
        if not torn(verbatim, passage[:found_at]) and not splits_number(passage, found_at, end):
            return found_at, end
        found_at = passage.find(verbatim, found_at + 1)
    sentences = _sentences_of(passage)
    if not sentences:
        return 0, len(passage)
    wording = solid(claim)
    for sentence in sentences:
        if wording and wording in sentence.wording:
            return sentence.start, sentence.end
    wanted = term_set(claim)
    held = [wanted & sentence.terms for sentence in sentences]
    first = last = max(range(len(sentences)), key=lambda index: len(held[index]))
    found = held[first]
    while wanted and last - first + 1 < _MAXIMUM_SENTENCES:
        neighbours = [index for index in (first - 1, last + 1) if 0 <= index < len(sentences)]
        if not neighbours:
            break
        nearest = max(neighbours, key=lambda index: len(held[index] - found))
        if len(held[nearest] - found) < _MINIMUM_GAIN * len(wanted):
            break
        found |= held[nearest]
        first, last = min(first, nearest), max(last, nearest)
    return sentences[first].start, sentences[last].end


class _Sentence(NamedTuple):
    """A sentence of a passage: its span, its letters and digits, and its terms."""

    start: int
    end: int
    wording: str
    terms: frozenset[int]


@lru_cache(maxsize=_PASSAGES_KEPT)
def _sentences_of(passage: str) -> tuple[_Sentence, ...]:
    """Return the sentences of a passage."""
    spans = sentence_spans(passage)
    return tuple(_Sentence(start, end, solid(passage[start:end]), term_set(passage[start:end])) for start, end in spans)


def undivided(bare: str, marked: Iterable[int]) -> list[tuple[int, int]]:
    """Return the sentences of a text; one that a semicolon divides stays whole unless a mark stands between."""
    marks = sorted(marked)
    joined: list[tuple[int, int]] = []
    for start, end in sentence_spans(bare):
        if joined and bare[joined[-1][1] - 1] in "；;" and not any(joined[-1][1] <= mark <= start for mark in marks):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
