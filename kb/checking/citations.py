"""Citations: for each `[n]` of an answer the exact span that bears it out, and whether it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from indexes.text.matching import fold, terms
from ingest.splitting.sentences import sentence_spans
from kb.checking.marks import Mark, MarkRewriter
from kb.checking.support import Verdict, judge, overlap, solid
from kb.records import Citation, Passage, Place

PlaceOf = Callable[[str, int], Place]
"""Gives where an offset lies in the document with this identity."""

# A wider hull of spans than this, in characters, is no longer a quotation: the first span then stands alone.
MAXIMUM_QUOTE: Final = 600
# How many sentences may bear out one sentence of an answer, and how much more of it each further one must cover.
_MAXIMUM_SENTENCES: Final = 3
_MINIMUM_GAIN: Final = 0.12
# White space between two sentences, in characters, that still lets them be quoted as one.
_GAP: Final = 3
# An uncited sentence is given a citation only where at least this share of its terms is found.
ATTACH_OVERLAP: Final = 0.7


@dataclass(frozen=True, slots=True)
class Checked:
    """A checked text with its citations: every mark has a citation, and every citation a mark.

    `verdicts` has one verdict for each sentence that cites or was tried against the passages.
    """

    text: str
    citations: tuple[Citation, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def refuted(self) -> bool:
        """Say whether nothing is cited, or nothing cited is borne out though it could have been checked."""
        return not self.citations or all(verdict == "unsupported" for verdict in self.verdicts)


class SpanNumbers:
    """Gives marks their numbers: one number stands for one run of text of one passage.

    So every citation is a tight quotation, also where an answer draws on distant places of the same passage.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._texts = {passage.n: passage.hit.text for passage in passages}
        self._runs: list[tuple[int, int, int]] = []

    def number_of(self, passage: int, text: str) -> int:
        """Return the number, from 1, for a mark of `passage` behind `text` (what was written since the mark before)."""
        sentences = _undivided(text, ())
        claim = text[slice(*sentences[-1])] if sentences else text
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


def check(text: str, marks: Sequence[Mark], passages: Sequence[Passage], place_of: PlaceOf) -> Checked:
    """Check finished text (marks numbered from 1 in order of first use, as `MarkRewriter` leaves it).

    `passages` are those of the prompt. A text without marks is given marks at the sentences that a passage clearly
    bears out.
    """
    by_number = {passage.n: passage for passage in passages}
    if not marks:
        return _attach(text, passages, place_of)
    spans: dict[int, list[tuple[int, int]]] = {}
    verdicts_of: dict[int, list[Verdict]] = {}
    cited: dict[int, Passage] = {}
    verdicts: list[Verdict] = []
    for claim, used in _claims(text, marks):
        evidence = []
        for mark in used:
            passage = by_number[mark.passage]
            span = locate(claim, passage.hit.text)
            cited[mark.n] = passage
            spans.setdefault(mark.n, []).append(span)
            evidence.append(passage.hit.text[span[0] : span[1]])
        verdict = judge(claim, "\n".join(evidence)).verdict
        verdicts.append(verdict)
        for mark in used:
            verdicts_of.setdefault(mark.n, []).append(verdict)
    citations = tuple(
        _citation(n, cited[n], _hull(spans[n]), all(verdict == "supported" for verdict in verdicts_of[n]), place_of)
        for n in sorted(cited)
    )
    return Checked(text, citations, tuple(verdicts))


def locate(claim: str, passage: str) -> tuple[int, int]:
    """Return the span of the sentence, or the few sentences in a row, of a passage that best bear out a claim."""
    verbatim = claim.strip()
    if verbatim and (found_at := passage.find(verbatim)) >= 0:
        return found_at, found_at + len(verbatim)
    sentences = sentence_spans(passage)
    if not sentences:
        return 0, len(passage)
    wording = solid(claim)
    for start, end in sentences:
        if wording and wording in solid(passage[start:end]):
            return start, end
    wanted = frozenset(terms(fold(claim)).tolist())
    held = [wanted & frozenset(terms(fold(passage[start:end])).tolist()) for start, end in sentences]
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
    return sentences[first][0], sentences[last][1]


def _claims(text: str, marks: Sequence[Mark]) -> list[tuple[str, list[Mark]]]:
    """Return what each group of marks stands for, without marks, and the group, each passage once.

    That is the part of its sentence since the group before; the last group of a sentence also has what follows it.
    """
    pieces: list[str] = []
    groups: dict[int, list[Mark]] = {}
    at = length = 0
    for mark in marks:
        pieces.append(text[at : mark.start])
        length += mark.start - at
        at = mark.end
        group = groups.setdefault(length, [])
        if all(mark.passage != other.passage for other in group):
            group.append(mark)
    bare = "".join([*pieces, text[at:]])
    spans = _undivided(bare, groups.keys()) or [(0, len(bare))]
    # A mark belongs to the last sentence that begins before it: it follows the text that it is for.
    owners = [max((index for index, (start, _) in enumerate(spans) if start < offset), default=0) for offset in groups]
    offsets = list(groups)
    claims = []
    for position, (offset, owner) in enumerate(zip(offsets, owners, strict=True)):
        start, end = spans[owner]
        if position and owners[position - 1] == owner:
            start = offsets[position - 1]
        if position + 1 < len(offsets) and owners[position + 1] == owner:
            end = offset
        claims.append((bare[start:end], groups[offset]))
    return claims


def _undivided(bare: str, marked: Iterable[int]) -> list[tuple[int, int]]:
    """Return the sentences of a text; one that a semicolon divides stays whole unless a mark stands between."""
    marks = sorted(marked)
    joined: list[tuple[int, int]] = []
    for start, end in sentence_spans(bare):
        if joined and bare[joined[-1][1] - 1] in "；;" and not any(joined[-1][1] <= mark <= start for mark in marks):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _attach(text: str, passages: Sequence[Passage], place_of: PlaceOf) -> Checked:
    """Write marks into a text that has none, after each sentence that some passage clearly bears out."""
    rewriter = MarkRewriter(len(passages), SpanNumbers(passages).number_of)
    written, at = [], 0
    verdicts: list[Verdict] = []
    for start, end in sentence_spans(text):
        claim = text[start:end]
        best, verdict = _best_passage(claim, passages)
        verdicts.append(verdict)
        written.append(rewriter.feed(text[at:end] + (f"[{best.n}]" if best else "")))
        at = end
    written.append(rewriter.feed(text[at:]) + rewriter.close())
    if not rewriter.marks:
        return Checked(text, (), tuple(verdicts))
    return check("".join(written), rewriter.marks, passages, place_of)


def _best_passage(claim: str, passages: Sequence[Passage]) -> tuple[Passage | None, Verdict]:
    """Return the passage that clearly bears out a claim, if any, and the verdict on the claim."""
    best: Passage | None = None
    most = ATTACH_OVERLAP
    verdict: Verdict = "unsupported"
    for passage in passages:
        start, end = locate(claim, passage.hit.text)
        evidence = passage.hit.text[start:end]
        support = judge(claim, evidence)
        share = 1.0 if support.reason == "verbatim" else overlap(claim, evidence)
        if support.verdict == "supported" and (share > most or (best is None and share >= most)):
            best, most, verdict = passage, share, "supported"
        elif support.verdict == "unverifiable" and best is None:
            verdict = "unverifiable"
    return best, verdict


def _hull(spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    start, end = min(first for first, _ in spans), max(last for _, last in spans)
    return (start, end) if end - start <= MAXIMUM_QUOTE else spans[0]


def _citation(n: int, passage: Passage, span: tuple[int, int], supported: bool, place_of: PlaceOf) -> Citation:
    hit = passage.hit
    start, end = hit.start + span[0], hit.start + span[1]
    place = place_of(hit.document_id, start)
    return Citation(
        n=n,
        document_id=hit.document_id,
        title=hit.title,
        uri=hit.uri,
        page=place.page,
        start=start,
        end=end,
        quote=hit.text[span[0] : span[1]],
        heading=place.heading,
        score=hit.score,
        supported=supported,
    )
