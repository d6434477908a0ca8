"""Confidence: more evidence never lowers it, and what the documents hold is told from what they do not."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.question_sets import build_retriever, load_questions
from indexes.search import ConfidenceFeatures
from kb.confidence.estimate import Confidence, confidence_for


@pytest.mark.parametrize("embedder", ["hash", "bge", "anything"])
def test_better_evidence_never_lowers_confidence(embedder: str) -> None:
    """Each feature of a shipped model only raises the confidence, which stays in [0, 1]."""
    model = confidence_for(embedder)
    for name in ConfidenceFeatures.names():
        if name == "found":
            continue
        low = ConfidenceFeatures(found=1.0)
        values = [model.of(replace(low, **{name: share})) for share in (0.0, 0.5, 1.0)]
        assert values == sorted(values)
        assert all(0.0 <= value <= 1.0 for value in values)


def test_nothing_found_is_no_confidence() -> None:
    """Whatever the weights, where nothing was found the confidence is 0."""
    assert Confidence({"seen": 100.0}, 100.0).of(ConfidenceFeatures(seen=1.0)) == 0.0


def test_weights_of_unknown_features_fail() -> None:
    """A model over a feature that the search does not give is an error, not a silent zero."""
    with pytest.raises(AttributeError):
        Confidence({"wisdom": 1.0}, 0.0).of(ConfidenceFeatures(found=1.0))


def test_most_unanswerable_questions_are_refused(corpus: Path, tmp_path: Path) -> None:
    """With half the paragraphs of a set that was not fitted on held out, few answerable questions are refused."""
    questions = load_questions(corpus / "qa" / "drcd_dev.json")
    draw = random.Random(5)
    kept = [draw.random() >= 0.5 for _ in questions.paragraphs[:400]]
    asked = draw.sample([q for q in questions.questions if q.paragraph < len(kept)], 300)
    paragraphs = [(number, text) for number, text in enumerate(questions.paragraphs[:400]) if kept[number]]
    retriever, store = build_retriever(tmp_path / "kb", paragraphs)
    refused = [(kept[q.paragraph], retriever.retrieve(q.text).confidence < 0.5) for q in asked]
    store.close()
    answerable = [was for there, was in refused if there]
    unanswerable = [was for there, was in refused if not there]
    assert sum(answerable) / len(answerable) <= 0.12
    assert sum(unanswerable) / len(unanswerable) >= 0.80
