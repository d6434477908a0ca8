"""Marks for an answer that has none: after each of its statements that some passage clearly bears out."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ingest.splitting.sentences import sentence_spans
from kb.checking.marks import Mark
from kb.checking.quoting import SpanNumbers, locate
from kb.checking.substance import bare_claim, headings_of, substance
from kb.checking.support import Verdict, judge, solid
from kb.records import Passage

# An uncited sentence is given a citation only where at least this share of its terms is found.
ATTACH_OVERLAP: Final = 0.7
_FEWEST_LETTERS: Final = 2
# Fenced code up to its end or that of the text, and code between equal runs of back-ticks.
_CODE = re.compile(r"^[ \t]*```.*?(?:^[ \t]*```|\Z)|(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL | re.MULTILINE)
# Right behind a mark these would make more of it than a mark.
_TARGETS: Final = ("(", "[", ":")


@dataclass(frozen=True, slots=True)
class Attached:
    """A text with the marks that it was given, and a verdict for each of its statements."""

    text: str
    marks: tuple[Mark, ...]
    verdicts: tuple[Verdict, ...]


def attach(text: str, passages: Sequence[Passage], cancel: threading.Event | None = None) -> Attached:
    """Write marks into a text that has none. Nothing else of it changes: it is not read again as an engine's text.

    Where it states nothing, a word or two are enough where a passage has the very same. Once `cancel` is set the
    sentences that are left are given none.
    """
    numbers = SpanNumbers(passages)
    code = [match.span() for match in _CODE.finditer(text)]
    pieces: list[str] = []
    marks: list[Mark] = []
    verdicts: list[Verdict] = []
    at = length = since = 0
    spans = sentence_spans(text)
    headings = headings_of(passages)
    kinds = [substance(text[start:end], headings) for start, end in spans]
    states = "full" in kinds
    for (start, end), kind in zip(spans, kinds, strict=True):
        if cancel is not None and cancel.is_set():
            break
        if kind == "none" or (states and kind != "full"):
            continue
        best, verdict = best_passage(bare_claim(text[start:end]), passages, verbatim=not states)
        verdicts.append(verdict)
        if best is None or any(first < end < last for first, last in code):
            continue
        n = numbers.number_of(best.n, text[since:end])
        since = end
        mark = f"[{n}]"
        apart = " " if text[end : end + 1] in _TARGETS else ""
        pieces += [text[at:end], mark, apart]
        length += end - at
        marks.append(Mark(length, length + len(mark), n, best.n))
        length += len(mark + apart)
        at = end
    return Attached("".join([*pieces, text[at:]]), tuple(marks), tuple(verdicts))


def best_passage(claim: str, passages: Sequence[Passage], *, verbatim: bool = False) -> tuple[Passage | None, Verdict]:
    """Return the passage that clearly bears out a claim (word for word where `verbatim`), and the verdict."""
    best: Passage | None = None
    most = ATTACH_OVERLAP
    verdict: Verdict = "unsupported"
    for passage in passages:
        start, end = locate(claim, passage.hit.text)
        evidence = passage.hit.text[start:end]
        support = judge(claim, evidence)
        if verbatim and (support.reason != "verbatim" or len(solid(claim)) < _FEWEST_LETTERS):
            continue
        share = support.overlap
        if support.verdict == "supported" and (share > most or (best is None and share >= most)):
            best, most, verdict = passage, share, "supported"
        elif support.verdict == "unverifiable" and best is None:
            verdict = "unverifiable"
    return best, verdict
