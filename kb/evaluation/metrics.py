"""The figures of an evaluation, from what came of each question. No judge: texts, ranks, spans and times alone."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DEPTH = 10
FALSE_REFUSALS = (0.01, 0.03, 0.05, 0.07)
_MARK = re.compile(r"\s*\[\d+\]")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one question. `rank` counts from 0, None: not among the first ten. Confidence in [0, 1]."""

    question: str
    answerable: bool
    confidence: float
    milliseconds: float
    rank: int | None = None
    in_context: bool = False
    answer: AnswerOutcome | None = None


@dataclass(frozen=True, slots=True)
class AnswerOutcome:
    """How an answer, its marks removed, compares with the accepted ones. `citations` (m,): the quote holds one."""

    refused: bool
    exact: bool
    f1: float
    contains: bool
    characters: int
    citations: tuple[bool, ...]


def without_marks(answer: str) -> str:
    """Return an answer without its `[n]` marks."""
    return _MARK.sub("", answer)


def compare(answer: str, accepted: Sequence[str]) -> tuple[bool, float]:
    """Return whether an answer is an accepted one, and the best F1 of their characters as bags.

    Width, case, punctuation and white space are not compared.
    """
    found = _plain(answer)
    golds = [_plain(gold) for gold in accepted]
    return bool(found) and found in golds, max((_character_f1(found, gold) for gold in golds), default=0.0)


def retrieval_figures(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the figures of what was found, each question having one document that answers it."""
    ranks = [outcome.rank for outcome in outcomes if outcome.answerable]
    figures = {f"R@{depth}": _mean([rank is not None and rank < depth for rank in ranks]) for depth in (1, 5, DEPTH)}
    figures["MRR@10"] = _mean([0.0 if rank is None else 1 / (rank + 1) for rank in ranks])
    figures["nDCG@10"] = _mean([0.0 if rank is None else 1 / math.log2(rank + 2) for rank in ranks])
    figures["answer_in_context"] = _mean([outcome.in_context for outcome in outcomes if outcome.answerable])
    return figures


def answer_figures(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the figures of the answers. A refused question that has an answer counts as answered wrongly."""
    there = [outcome.answer for outcome in outcomes if outcome.answerable and outcome.answer]
    answered = [answer for answer in there if not answer.refused]
    missing = [outcome.answer for outcome in outcomes if not outcome.answerable and outcome.answer]
    figures = {
        "exact_match": _mean([answer.exact for answer in there]),
        "character_f1": _mean([answer.f1 for answer in there]),
        "contains_answer": _mean([answer.contains for answer in there]),
        "contains_answer_answered": _mean([answer.contains for answer in answered]),
        "citation_precision": _mean([holds for answer in answered for holds in answer.citations]),
        "mean_characters": _mean([answer.characters for answer in answered]),
        "false_refusals": _mean([answer.refused for answer in there]),
    }
    if missing:
        figures["unanswerable_refused"] = _mean([answer.refused for answer in missing])
    return figures


def refusal_figures(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return how well the confidence tells the questions apart; nothing where all or none can be answered."""
    there, missing = confidences(outcomes)
    if not there.size or not missing.size:
        return {}
    figures = {
        f"refused_at_{round(100 * share)}_percent": float((missing < point(there, share)).mean())
        for share in FALSE_REFUSALS
    }
    ranked = np.sort(missing)
    below, upto = np.searchsorted(ranked, there, "left"), np.searchsorted(ranked, there, "right")
    figures["auc"] = float((below + upto).sum() / (2 * there.size * missing.size))
    return figures


def decision_figures(outcomes: Sequence[Outcome], threshold: float) -> dict[str, float]:
    """Return the shares of questions with and without an answer that are refused at a confidence under `threshold`."""
    there, missing = confidences(outcomes)
    figures = {"false_refusals": float((there < threshold).mean())} if there.size else {}
    return figures | ({"unanswerable_refused": float((missing < threshold).mean())} if missing.size else {})


def refusal_curve(outcomes: Sequence[Outcome]) -> list[tuple[float, float, float]]:
    """Return (false refusals, unanswerable refused, threshold) for shares of 0 to 0.3 in steps of 0.005."""
    there, missing = confidences(outcomes)
    if not there.size or not missing.size:
        return []
    shares = np.arange(0.0, 0.3001, 0.005)
    points = [point(there, float(share)) for share in shares]
    return [(float((there < at).mean()), float((missing < at).mean()), at) for at in points]


def chosen_point(outcomes: Sequence[Outcome], threshold: float) -> tuple[float, float, float] | None:
    """Return (false refusals, unanswerable refused, threshold) at a threshold; None without questions of both kinds."""
    there, missing = confidences(outcomes)
    if not there.size or not missing.size:
        return None
    return float((there < threshold).mean()), float((missing < threshold).mean()), threshold


def latency_figures(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the median and the 95th percentile of the milliseconds a question took."""
    times = np.array([outcome.milliseconds for outcome in outcomes])
    return {"p50_ms": float(np.percentile(times, 50)), "p95_ms": float(np.percentile(times, 95))}


def confidences(outcomes: Sequence[Outcome]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the confidence of the questions with an answer, ascending, and of those without."""
    there = [outcome.confidence for outcome in outcomes if outcome.answerable]
    return np.sort(np.array(there)), np.array([outcome.confidence for outcome in outcomes if not outcome.answerable])


def point(ascending: NDArray[np.float64], share: float) -> float:
    """Return the threshold under which at most `share` of the values (n,), ascending and n > 0, lie."""
    return float(ascending[min(int(share * ascending.size), ascending.size - 1)])


def rounded(figures: Mapping[str, float]) -> dict[str, float]:
    """Return the figures as they are shown: shares to four places, the rest to two."""
    return {name: round(value, 4 if abs(value) <= 1 else 2) for name, value in figures.items()}


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if unicodedata.category(character)[0] not in "PZC")


def _character_f1(found: str, gold: str) -> float:
    shared = sum((Counter(found) & Counter(gold)).values())
    return 2 * shared / (len(found) + len(gold)) if shared else 0.0


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
