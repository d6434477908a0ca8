"""Marks for an answer that has none: after each sentence that some passage clearly bears out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ingest.splitting.sentences import sentence_spans
from kb.checking.marks import Mark
from kb.checking.quoting import SpanNumbers, locate
from kb.checking.support import Verdict, judge, overlap
from kb.records import Passage

# An uncited sentence is given a citation only where at least this share of its terms is found.
ATTACH_OVERLAP: Final = 0.7
# Fenced code up to its end or that of the text, and code between equal runs of back-ticks.
_CODE = re.compile(r"^[ \t]*```.*?(?:^[ \t]*```|\Z)|(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL | re.MULTILINE)
# Behind a mark these would make more of it than a mark.
_TARGETS: Final = frozenset("([:")


@dataclass(frozen=True, slots=True)
class Attached:
    """A text with the marks that it was given, and a verdict for each of its sentences that was tried."""

    text: str
    marks: tuple[Mark, ...]
    verdicts: tuple[Verdict, ...]


def attach(text: str, passages: Sequence[Passage]) -> Attached:
    """Write marks into a text that has none. Nothing else of it changes: it is not read again as an engine's text."""
    numbers = SpanNumbers(passages)
    code = [match.span() for match in _CODE.finditer(text)]
    pieces: list[str] = []
    marks: list[Mark] = []
    verdicts: list[Verdict] = []
    at = length = since = 0
    for start, end in sentence_spans(text):
        best, verdict = best_passage(text[start:end], passages)
        verdicts.append(verdict)
        if best is None or text[end : end + 1] in _TARGETS or any(first < end < last for first, last in code):
            continue
        n = numbers.number_of(best.n, text[since:end])
        since = end
        mark = f"[{n}]"
        pieces += [text[at:end], mark]
        length += end - at
        marks.append(Mark(length, length + len(mark), n, best.n))
        length += len(mark)
        at = end
    return Attached("".join([*pieces, text[at:]]), tuple(marks), tuple(verdicts))


def best_passage(claim: str, passages: Sequence[Passage]) -> tuple[Passage | None, Verdict]:
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
