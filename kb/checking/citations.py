"""Citations: for each `[n]` of an answer the exact span that bears it out, and whether it does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kb.checking.attaching import attach
from kb.checking.claims import Claim, claims_of
from kb.checking.marks import Mark
from kb.checking.quoting import MAXIMUM_QUOTE, locate
from kb.checking.substance import headings_of
from kb.checking.support import Verdict, judge
from kb.records import Citation, Passage, Place

PlaceOf = Callable[[str, int], Place]
"""Gives where an offset lies in the document with this identity."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A checked text with its citations: every mark has a citation, and every citation a mark.

    `verdicts` are those on its statements that cite or, where none does, on the others; where it states nothing, on
    its words.
    """

    text: str
    citations: tuple[Citation, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def refuted(self) -> bool:
        """Say whether nothing is cited, or nothing cited is borne out though it could have been checked."""
        return not self.citations or all(verdict == "unsupported" for verdict in self.verdicts)


def check(
    text: str,
    marks: Sequence[Mark],
    passages: Sequence[Passage],
    place_of: PlaceOf,
    cancel: threading.Event | None = None,
) -> Checked:
    """Check finished text (marks numbered from 1 in order of first use, as `MarkRewriter` leaves it).

    `passages` are those of the prompt. A text without marks is given marks at the sentences that a passage clearly
    bears out, which ends soon after `cancel` is set; marks that are there are always checked.
    """
    by_number = {passage.n: passage for passage in passages}
    if not marks:
        attached = attach(text, passages, cancel)
        text, marks = attached.text, attached.marks
        if not marks:
            return Checked(text, (), attached.verdicts)
    spans: dict[int, list[tuple[int, int]]] = {}
    verdicts_of: dict[int, list[Verdict]] = {}
    cited: dict[int, Passage] = {}
    on_statements: list[Verdict] = []
    on_words: list[Verdict] = []
    claims = claims_of(text, marks, headings_of(passages))
    for claim in claims.cited:
        verdict, found = _judged(claim, by_number)
        if claim.substance != "none":
            (on_statements if claim.substance == "full" else on_words).append(verdict)
        for mark, span in zip(claim.marks, found, strict=True):
            cited[mark.n] = by_number[mark.passage]
            spans.setdefault(mark.n, []).append(span)
            verdicts_of.setdefault(mark.n, []).append(verdict)
    if not on_statements:
        on_statements = [_verdict(statement, passages) for statement in claims.uncited]
    citations = tuple(
        _citation(n, cited[n], _hull(spans[n]), all(verdict == "supported" for verdict in verdicts_of[n]), place_of)
        for n in sorted(cited)
    )
    return Checked(text, citations, tuple(on_statements or on_words))


def _judged(claim: Claim, passages: Mapping[int, Passage]) -> tuple[Verdict, list[tuple[int, int]]]:
    """Return the verdict on the first of a claim's texts that is borne out, else on the nearest, and its spans."""
    judged: list[tuple[Verdict, list[tuple[int, int]]]] = []
    for text in claim.texts:
        held = [passages[mark.passage].hit.text for mark in claim.marks]
        found = [locate(text, passage) for passage in held]
        evidence = "\n".join(passage[start:end] for passage, (start, end) in zip(held, found, strict=True))
        judged.append((judge(text, evidence).verdict, found))
        if judged[-1][0] == "supported":
            return judged[-1]
    return judged[0]


def _verdict(statement: str, passages: Sequence[Passage]) -> Verdict:
    """Return the verdict on a statement that cites nothing, by the passage that does most for it."""
    found = set()
    for passage in passages:
        start, end = locate(statement, passage.hit.text)
        found.add(judge(statement, passage.hit.text[start:end]).verdict)
    return "supported" if "supported" in found else "unverifiable" if "unverifiable" in found else "unsupported"


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
