"""What calibrated refusal looks at: how well the best passages match a question, in numbers from 0 to 1."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from indexes.ranking.closeness import Closeness
from indexes.ranking.question import QuestionTerms


@dataclass(frozen=True, slots=True)
class ConfidenceFeatures:
    """Evidence that the passages found hold an answer. All lie in [0, 1]; higher speaks for an answer throughout.

    `found`: 1 where anything was found for a question that says something at all (`QuestionTerms.says_something`).
    `keyword`: the best keyword score. `bm25`: the best BM25 score over the highest that any passage could reach.
    `context`, `passage`, `sentence`, `window`, `phrase`, `special`: the best `Closeness` of the three best passages.
    `seen`: of the question's weight, what occurs anywhere in the index. `special_seen`: the same of its words and
    numbers alone. `margin`: how far the best keyword score stands above the fifth best, or above 0 where there is
    none. `dense`: the best cosine. `peak`: how far it stands above the background, 1 for eight spreads. `trust`: how
    far dense search was trusted. `length`: n / (n + 8) for n units in the question. `rerank`: the best score that a
    reranker gave, 0 without one.
    """

    found: float = 0.0
    keyword: float = 0.0
    bm25: float = 0.0
    context: float = 0.0
    passage: float = 0.0
    sentence: float = 0.0
    window: float = 0.0
    phrase: float = 0.0
    special: float = 0.0
    seen: float = 0.0
    special_seen: float = 0.0
    margin: float = 0.0
    dense: float = 0.0
    peak: float = 0.0
    trust: float = 0.0
    length: float = 0.0
    rerank: float = 0.0

    def vector(self) -> NDArray[np.float64]:
        """Return the features (f,) in the order of `names()`."""
        return np.array(astuple(self), dtype=np.float64)

    @staticmethod
    def names() -> tuple[str, ...]:
        """Return the names of the features, in order."""
        return tuple(field.name for field in fields(ConfidenceFeatures))


def confidence_features(
    question: QuestionTerms,
    closeness: Closeness,
    order: NDArray[np.int64],
    keyword: NDArray[np.float64],
    bm25: NDArray[np.float64],
    cosines: NDArray[np.float64],
    deviations: NDArray[np.float64],
    trust: float,
) -> ConfidenceFeatures:
    """Gather the features of one search. `order` ranks the passages, best first; the rest is one value a passage."""
    best = order[:3]
    ranked = np.sort(keyword)[::-1]
    weights = question.weights
    units = weights[question.unit_columns]
    special = units[question.special]
    return ConfidenceFeatures(
        found=float(question.says_something),
        keyword=float(ranked[0]),
        bm25=float(bm25.max()),
        context=float(closeness.context[best].max()),
        passage=float(closeness.passage[best].max()),
        sentence=float(closeness.sentence[best].max()),
        window=float(closeness.window[best].max()),
        phrase=float(closeness.phrase[best].max()),
        special=float(closeness.special[best].max()),
        seen=_share(weights, question.seen),
        special_seen=_share(special, question.seen[question.unit_columns][question.special]),
        margin=float(ranked[0] - (ranked[4] if ranked.size > 4 else 0.0)),
        dense=float(cosines.max().clip(0, 1)),
        peak=float(deviations.max().clip(0, 8) / 8),
        trust=trust,
        length=question.unit_ids.size / (question.unit_ids.size + 8),
    )


def _share(weights: NDArray[np.float64], chosen: NDArray[np.bool_]) -> float:
    whole = float(weights.sum())
    return float(weights[chosen].sum()) / whole if whole else 1.0
