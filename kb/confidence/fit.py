"""Fitting the confidence of a knowledge base from questions that it can answer and questions that it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexes.errors import UsageError
from indexes.ranking.confidence_features import ConfidenceFeatures
from kb.confidence.estimate import Confidence
from kb.confidence.logistic import fit_logistic

# What the shipped fits look at, and the reranker where there is one. A feature that does not vary gets no weight.
NAMES = ("keyword", "bm25", "passage", "seen", "margin", "length", "dense", "trust", "rerank")
FALSE_REFUSALS = 0.05
LEAST = 20
_PENALTY = 1.0


@dataclass(frozen=True, slots=True)
class RisingModel:
    """A logistic model over the named features, no weight under 0."""

    names: tuple[str, ...]
    weights: NDArray[np.float64]
    bias: float

    def scores(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logits (n,) of features (n, f) in the order of `ConfidenceFeatures.names()`."""
        result: NDArray[np.float64] = _columns(table, self.names) @ self.weights + self.bias
        return result


def fit_confidence(features: Sequence[ConfidenceFeatures], answerable: Sequence[bool]) -> Confidence:
    """Return the confidence whose 0.5 refuses one in twenty of the questions (n) that can be answered.

    A logistic regression on features that may only raise the confidence: one with a negative weight is left out, and
    the rest is fitted again. Raise UsageError for fewer than 20 questions of either kind.
    """
    there = np.array(answerable, dtype=np.bool_)
    if min(there.sum(), (~there).sum()) < LEAST:
        raise UsageError(
            f"a fit needs {LEAST} questions that can be answered and {LEAST} that cannot, of half the documents; there "
            f"are {there.sum()} and {(~there).sum()}: give more questions, or leave documents out with --holdout 0.5"
        )
    table = np.array([one.vector() for one in features])
    model = fit_rising(table, there.astype(np.float64), NAMES)
    scores = np.sort(model.scores(table)[there])
    bias = model.bias - float(scores[int(FALSE_REFUSALS * scores.size)])
    rounded = {name: round(float(weight), 6) for name, weight in zip(model.names, model.weights, strict=True)}
    return Confidence(rounded, round(bias, 6))


def fit_rising(table: NDArray[np.float64], answerable: NDArray[np.float64], names: tuple[str, ...]) -> RisingModel:
    """Return the model of `answerable` (n,) in {0, 1} over those of the named features that raise it.

    `table` (n, f) holds the features in the order of `ConfidenceFeatures.names()`. A feature with a negative weight is
    left out and the rest fitted again. Raise UsageError where none is left.
    """
    while names:
        weights, bias = fit_logistic(_columns(table, names), answerable, penalty=_PENALTY)
        rising = tuple(name for name, weight in zip(names, weights, strict=True) if weight >= 0)
        if rising == names:
            return RisingModel(names, weights, bias)
        names = rising
    raise UsageError("nothing that was found tells these questions apart; a confidence cannot be fitted")


def _columns(table: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    every = ConfidenceFeatures.names()
    return table[:, [every.index(name) for name in names]]
