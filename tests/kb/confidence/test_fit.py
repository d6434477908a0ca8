"""Fitting a confidence for one knowledge base, and keeping it."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from indexes.errors import DamagedError, UsageError
from indexes.ranking.confidence_features import ConfidenceFeatures
from indexes.records import EmbeddingIdentity
from kb.confidence.estimate import Confidence
from kb.confidence.fit import fit_confidence
from kb.confidence.kept import CONFIDENCE_NAME, read_confidence, write_confidence

_EMBEDDING = EmbeddingIdentity("hash", "hash-512", "1", 512, "sum", "", 512)


def _sample(count: int) -> tuple[list[ConfidenceFeatures], list[bool]]:
    """Return features of which `keyword` tells the kinds apart, `margin` speaks against, and the rest is constant."""
    draw = random.Random(3)
    answerable = [number % 2 == 0 for number in range(count)]
    features = [
        ConfidenceFeatures(
            found=1.0, keyword=draw.gauss(0.7 if there else 0.4, 0.1), margin=draw.gauss(0.2 if there else 0.4, 0.1)
        )
        for there in answerable
    ]
    return features, answerable


def test_a_fit_refuses_one_in_twenty_and_only_rises() -> None:
    """At 0.5 about 5 % of the answerable lie below, most of the others too, and no weight is negative."""
    features, answerable = _sample(2000)
    confidence = fit_confidence(features, answerable)
    assert confidence.weights["keyword"] > 0
    assert all(weight >= 0 for weight in confidence.weights.values())
    assert not confidence.weights.get("margin")
    refused = [confidence.of(one) < 0.5 for one in features]
    false = sum(no for no, there in zip(refused, answerable, strict=True) if there) / 1000
    right = sum(no for no, there in zip(refused, answerable, strict=True) if not there) / 1000
    assert false == pytest.approx(0.05, abs=0.002)
    # Two normal distributions three spreads apart: Phi(3 - 1.645).
    assert right == pytest.approx(0.91, abs=0.03)


def test_too_few_questions_and_no_evidence_are_refused() -> None:
    """Twenty of either kind are needed, and something that speaks for an answer."""
    features, answerable = _sample(38)
    with pytest.raises(UsageError, match="--holdout"):
        fit_confidence(features, answerable)
    features, answerable = _sample(200)
    with pytest.raises(UsageError, match="--holdout"):
        fit_confidence(features, [True] * 200)


def test_what_is_kept_comes_back_for_its_embedder_alone(tmp_path: Path) -> None:
    """Another embedder's vectors are judged by what ships, and so is a knowledge base without a fit."""
    assert read_confidence(tmp_path, _EMBEDDING) is None
    confidence = Confidence({"keyword": 2.5, "dense": 0.25}, -1.5)
    write_confidence(tmp_path, confidence, _EMBEDDING, {"questions": 100})
    assert read_confidence(tmp_path, _EMBEDDING) == confidence
    assert read_confidence(tmp_path, replace(_EMBEDDING, revision="2")) is None
    assert [path.name for path in tmp_path.iterdir()] == [CONFIDENCE_NAME]


@pytest.mark.parametrize(
    "change", [{"weights": {"unknown": 1}}, {"bias": float("nan")}, {"weights": []}, {"bias": None}, {"format": []}]
)
def test_a_damaged_file_is_no_confidence(tmp_path: Path, change: dict[str, object]) -> None:
    """What cannot have been written is refused, or left aside where another release wrote it; never half used."""
    write_confidence(tmp_path, Confidence({"keyword": 1.0}, 0.0), _EMBEDDING, {})
    body = json.loads((tmp_path / CONFIDENCE_NAME).read_text(encoding="utf-8")) | change
    (tmp_path / CONFIDENCE_NAME).write_text(json.dumps(body), encoding="utf-8")
    if "format" in change:
        assert read_confidence(tmp_path, _EMBEDDING) is None
        return
    with pytest.raises(DamagedError):
        read_confidence(tmp_path, _EMBEDDING)
