"""Asking a whole question set, and what came of it in figures."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from indexes.errors import UsageError
from indexes.records import Hit
from kb.answer import Answerer
from kb.confidence.estimate import Confidence
from kb.confidence.fit import fit_confidence
from kb.confidence.kept import write_confidence
from kb.evaluation.base import Base, Posed, evaluation_base
from kb.evaluation.data import Dataset
from kb.evaluation.metrics import (
    DEPTH,
    AnswerOutcome,
    Outcome,
    answer_figures,
    chosen_point,
    compare,
    decision_figures,
    latency_figures,
    refusal_curve,
    refusal_figures,
    retrieval_figures,
    rounded,
    without_marks,
)
from kb.records import Question, Retrieval
from kb.retriever import Retriever
from kb.wiring import Application

Kind = Literal["retrieval", "answers"]
Progress = Callable[[int, int], None]
# The halves of a fit: another draw than that of what is left out.
_SEED = 11


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of a question set. `kb` is None for a knowledge base made for it; `curve` as in `refusal_curve`.

    `chosen` is the point of the curve at which questions are refused as configured: false refusals, unanswerable
    refused, and the confidence under which that is; None without questions of both kinds.
    """

    kind: Kind
    dataset: str
    kb: str | None
    holdout: float
    fitted: Confidence | None
    questions: int
    answerable: int
    missing: int
    figures: dict[str, float]
    curve: tuple[tuple[float, float, float], ...]
    chosen: tuple[float, float, float] | None
    outcomes: tuple[Outcome, ...]


def evaluate(
    application: Application,
    kind: Kind,
    dataset: Dataset,
    *,
    kb: str | None = None,
    holdout: float = 0.0,
    fit: bool = False,
    engine: str | None = None,
    on_progress: Progress | None = None,
) -> Evaluation:
    """Ask everything in `dataset` and return the figures.

    `kb` None makes a knowledge base of the set and removes it afterwards; `holdout` in [0, 1) is the share of the
    documents left out, so that their questions have no answer. With `fit` the confidence is fitted on the questions of
    half the documents, kept with `kb`, and the figures are those of the other half. Raise UsageError for what cannot
    be asked, NotFoundError for no such knowledge base.
    """
    if not 0.0 <= holdout < 1.0:
        raise UsageError("--holdout must lie in [0, 1): the share of the documents to leave out")
    if fit and kb is None:
        raise UsageError("--fit keeps what it finds with a knowledge base: name it with --kb")
    with evaluation_base(application, dataset, kb, holdout) as base:
        posed: Sequence[Posed] = base.posed
        fitted = None
        if fit:
            fitting, posed = _halves(posed, len(dataset.sources))
            fitted = _fit(base, fitting)
            retriever = base.application.retriever_with(base.name, fitted)
            if not posed:
                raise UsageError("there are too few documents to fit on half of them")
        else:
            retriever = base.application.retriever(base.name)
        if kind == "retrieval":
            outcomes = list(_retrievals(base, retriever, posed, on_progress))
        else:
            outcomes = list(_answers(base, retriever, posed, engine, on_progress))
        identity, reranker = base.application.embedder().identity, base.application.reranker_identity()
    threshold = application.settings.retrieval.confidence_threshold
    if kind == "retrieval":
        figures = retrieval_figures(outcomes) | decision_figures(outcomes, threshold)
    else:
        figures = answer_figures(outcomes)
    if not any(outcome.answerable for outcome in outcomes):
        figures = {name: value for name, value in figures.items() if name == "unanswerable_refused"}
    figures |= refusal_figures(outcomes) | latency_figures(outcomes)
    result = Evaluation(
        kind=kind,
        dataset=dataset.name,
        kb=None if kb is None else application.name(kb),
        holdout=holdout,
        fitted=fitted,
        questions=len(outcomes),
        answerable=sum(outcome.answerable for outcome in outcomes),
        missing=base.missing,
        figures=rounded(figures),
        curve=tuple(refusal_curve(outcomes)),
        chosen=chosen_point(outcomes, threshold),
        outcomes=tuple(outcomes),
    )
    if fitted is not None and kb is not None:
        report = {
            "dataset": dataset.name,
            "holdout": holdout,
            "questions": len(outcomes),
            "figures": result.figures,
            "refusal_curve": result.curve,
        }
        write_confidence(application.folder(kb), fitted, identity, report, reranker=reranker)
    return result


def _halves(posed: Sequence[Posed], sources: int) -> tuple[list[Posed], list[Posed]]:
    """Return the questions to fit on and those to report on: no document has questions in both."""
    draw = random.Random(_SEED)  # noqa: S311 - a draw that can be repeated, not a secret
    chosen = [draw.random() < 0.5 for _ in range(sources)]
    fitting: list[Posed] = []
    reporting: list[Posed] = []
    for one in posed:
        first = draw.random() < 0.5 if one.asked.source is None else chosen[one.asked.source]
        (fitting if first else reporting).append(one)
    return fitting, reporting


def _fit(base: Base, posed: Iterable[Posed]) -> Confidence:
    application = base.application
    searcher, snapshot = application.searcher(), application.store(base.name).snapshot()
    top_k = application.settings.retrieval.top_k
    seen = [(searcher.search(snapshot, one.asked.text, top_k).features, one.answerable) for one in posed]
    return fit_confidence([features for features, _ in seen], [answerable for _, answerable in seen])


def _retrievals(
    base: Base, retriever: Retriever, posed: Sequence[Posed], on_progress: Progress | None
) -> Iterable[Outcome]:
    shown = base.application.settings.retrieval.top_k
    retriever.retrieve(posed[0].asked.text)  # what is read once is no part of a question's time
    for number, one in enumerate(posed, start=1):
        started = time.perf_counter()
        found = retriever.retrieve(one.asked.text, top_k=max(DEPTH, shown))
        milliseconds = 1e3 * (time.perf_counter() - started)
        yield _outcome(one, found, milliseconds, shown)
        if on_progress is not None:
            on_progress(number, len(posed))


def _outcome(one: Posed, found: Retrieval, milliseconds: float, shown: int) -> Outcome:
    return Outcome(
        question=one.asked.text,
        answerable=one.answerable,
        confidence=found.confidence,
        milliseconds=milliseconds,
        rank=_rank(one, found.hits) if one.answerable else None,
        in_context=any(_holds(hit.text, one) for hit in found.hits[:shown]),
    )


def _rank(one: Posed, hits: Sequence[Hit]) -> int | None:
    """Return the place, from 0, of the first right document among the documents of the hits, up to ten."""
    right = {
        hit.document_id
        for hit in hits
        if (hit.document_id in one.documents if one.documents else _holds(hit.text, one))
    }
    order = list(dict.fromkeys(hit.document_id for hit in hits))[:DEPTH]
    return next((rank for rank, document in enumerate(order) if document in right), None)


def _answers(
    base: Base, retriever: Retriever, posed: Sequence[Posed], engine: str | None, on_progress: Progress | None
) -> Iterable[Outcome]:
    answerer: Answerer = base.application.answerer(base.name, retriever)
    answerer.answer(Question(posed[0].asked.text, engine=engine))
    for number, one in enumerate(posed, start=1):
        started = time.perf_counter()
        given = answerer.answer(Question(one.asked.text, engine=engine))
        milliseconds = 1e3 * (time.perf_counter() - started)
        text, refused = without_marks(given.answer), given.status == "refused"
        exact, f1 = (False, 0.0) if refused else compare(text, one.asked.answers)
        yield Outcome(
            question=one.asked.text,
            answerable=one.answerable,
            confidence=given.confidence,
            milliseconds=milliseconds,
            rank=_rank(one, given.hits) if one.answerable else None,
            in_context=any(_holds(hit.text, one) for hit in given.hits),
            answer=AnswerOutcome(
                refused=refused,
                exact=exact,
                f1=f1,
                contains=not refused and _holds(text, one),
                characters=len(text),
                citations=tuple(_holds(citation.quote, one) for citation in given.citations),
            ),
        )
        if on_progress is not None:
            on_progress(number, len(posed))


def _holds(text: str, one: Posed) -> bool:
    return any(answer in text for answer in one.asked.answers)
