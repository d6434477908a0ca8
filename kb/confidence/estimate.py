"""Calibrated confidence: how probably the passages found hold an answer, from what the search saw."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from indexes.search import ConfidenceFeatures
from kb.confidence.weights import CONFIDENCE_WEIGHTS, DEFAULT


@dataclass(frozen=True, slots=True)
class Confidence:
    """A logistic model over `ConfidenceFeatures`: `weights` by the name of the feature, 0 where absent, and `bias`.

    Fitted by `benchmarks/fit_confidence.py` and shifted so that 0.5 is the point that it chose for refusing.
    """

    weights: Mapping[str, float]
    bias: float

    def of(self, features: ConfidenceFeatures) -> float:
        """Return the confidence in [0, 1] that the passages found hold an answer; 0 where nothing was found."""
        if not features.found:
            return 0.0
        total = self.bias + sum(weight * getattr(features, name) for name, weight in self.weights.items())
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, total))))


def confidence_for(embedder: str) -> Confidence:
    """Return the model fitted for the embedder of this name ("hash", "bge"), or the one that looks at words only."""
    weights, bias = CONFIDENCE_WEIGHTS.get(embedder, DEFAULT)
    return Confidence(weights, bias)
