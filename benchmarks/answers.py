"""Measure answers: `python -m benchmarks.answers [FILE] [--price P] [--limit N] [--engine extractive]`.

Every question of a SQuAD-style file (default: CMRC 2018 dev) goes through the real `Answerer` on a knowledge base of
its paragraphs, with the default splitter and the `hash` embedder. `gold in answer`: an accepted answer stands in the
answer, `[n]` marks removed. `answered alone` leaves refused questions out. `exact` is the share of citations whose
quote is the span of the stored text.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.question_sets import DEFAULT_CORPUS, Asked, build_retriever, load_questions, missing
from kb.answer import Answerer
from kb.engines.extractive.engine import ExtractiveEngine
from kb.evaluation.metrics import without_marks
from kb.records import Answer, Question


def measure(path: Path, engine: ExtractiveEngine, *, threshold: float, limit: int) -> dict[str, float]:
    """Ask the questions of a file and return the figures."""
    questions = load_questions(path)
    asked = list(questions.questions)
    if limit:
        asked = random.Random(7).sample(asked, min(limit, len(asked)))
    outcomes: list[tuple[Asked, Answer, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        retriever, store = build_retriever(Path(folder) / "kb", list(enumerate(questions.paragraphs)))
        answerer = Answerer(retriever, lambda name: engine, kb="benchmark", threshold=threshold)
        for question in asked:
            started = time.perf_counter()
            outcomes.append((question, answerer.answer(Question(question.text)), time.perf_counter() - started))
        store.close()
    answers = [without_marks(answer.answer) for _, answer, _ in outcomes]
    answered = np.array([answer.status == "answered" for _, answer, _ in outcomes])
    lengths = np.array([len(text) for text in answers])
    golds = [question.answers for question, _, _ in outcomes]
    holds = np.array([any(gold in text for gold in gold_of) for gold_of, text in zip(golds, answers, strict=True)])
    citations = [citation for _, answer, _ in outcomes for citation in answer.citations]
    exact = [
        questions.paragraphs[int(citation.title.removeprefix("p"))][citation.start : citation.end] == citation.quote
        for citation in citations
    ]
    quoted = [
        any(gold in citation.quote for citation in answer.citations for gold in question.answers)
        for question, answer, _ in outcomes
        if answer.status == "answered"
    ]
    seconds = np.sort([elapsed for _, _, elapsed in outcomes])
    return {
        "questions": len(outcomes),
        "gold in answer": round(float(holds.mean()), 4),
        "mean characters": round(float(lengths.mean()), 1),
        "answered": round(float(answered.mean()), 4),
        "gold in answer, answered alone": round(float(holds[answered].mean()), 4),
        "mean characters, answered alone": round(float(lengths[answered].mean()), 1),
        "gold in a quote, answered alone": round(float(np.mean(quoted)), 4),
        "citations per answer": round(len(citations) / max(1, int(answered.sum())), 2),
        "exact": round(float(np.mean(exact)), 4),
        "supported": round(float(np.mean([citation.supported for citation in citations])), 4),
        "p50 ms": round(1e3 * float(seconds[len(seconds) // 2]), 1),
        "p95 ms": round(1e3 * float(seconds[int(0.95 * len(seconds))]), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=DEFAULT_CORPUS / "cmrc2018_dev.json")
    parser.add_argument("--price", type=float, default=ExtractiveEngine().price)
    parser.add_argument("--sentences", type=int, default=ExtractiveEngine().maximum_sentences)
    parser.add_argument("--threshold", type=float, default=0.5, help="0 answers everything")
    parser.add_argument("--limit", type=int, default=0, help="a random sample of so many questions")
    arguments = parser.parse_args()
    if missing(arguments.file):
        return
    engine = ExtractiveEngine(price=arguments.price, maximum_sentences=arguments.sentences)
    figures = measure(arguments.file, engine, threshold=arguments.threshold, limit=arguments.limit)
    print(json.dumps({"file": arguments.file.name, **figures}, ensure_ascii=False))


if __name__ == "__main__":
    main()
