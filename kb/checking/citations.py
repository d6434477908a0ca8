"""Citations: for each `[n]` of an answer the exact span that bears it out, and whether it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kb.checking.attaching import attach
from kb.checking.marks import Mark
from kb.checking.quoting import MAXIMUM_QUOTE, locate, undivided
from kb.checking.support import Verdict, judge
from kb.records import Citation, Passage, Place

PlaceOf = Callable[[str, int], Place]
"""Gives where an offset lies in the document with this identity."""


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


def check(text: str, marks: Sequence[Mark], passages: Sequence[Passage], place_of: PlaceOf) -> Checked:
    """Check finished text (marks numbered from 1 in order of first use, as `MarkRewriter` leaves it).

    `passages` are those of the prompt. A text without marks is given marks at the sentences that a passage clearly
    bears out.
    """
    by_number = {passage.n: passage for passage in passages}
    tried: tuple[Verdict, ...] = ()
    if not marks:
        attached = attach(text, passages)
        text, marks, tried = attached.text, attached.marks, attached.verdicts
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
    return Checked(text, citations, tuple(verdicts) or tried)


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
    spans = undivided(bare, groups.keys()) or [(0, len(bare))]
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
