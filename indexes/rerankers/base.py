"""Reranking: a model that reads question and passage together looks again at the best of what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexes.rows import StoredChunk

Scores = NDArray[np.float64]
# A score from which on a reranker alone is enough to show a passage.
_LIKELY = 0.5


class Reranker(Protocol):
    """Judges passages against a question. Implementations load their model on first use, not at construction."""

    @property
    def identity(self) -> str:
        """Which model it is, weights included: what a confidence fitted with it is kept for."""
        ...

    def scores(self, question: str, passages: Sequence[str]) -> Scores:
        """Return how well each passage answers the question (n,), in [0, 1], higher is better."""
        ...


@dataclass(frozen=True, slots=True)
class Reranking:
    """How a reranker is used: on the best `candidates` passages, with `weight` of the score in [0, 1].

    The rest of the score stays what search fused, so that of passages that the reranker finds equal the one with the
    better evidence comes first. Passages beyond the candidates keep that rest alone.
    """

    reranker: Reranker
    candidates: int = 50
    weight: float = 0.7

    def apply(self, question: str, stored: Sequence[StoredChunk], fused: Scores) -> tuple[Scores, float]:
        """Return the new scores (n,) in [0, 1] of passages with `fused` scores (n,), and the reranker's best, or 0.

        A passage without evidence of its own (fused score 0: near by vectors that are not trusted) keeps its 0 unless
        the reranker finds it more likely than not to answer.
        """
        scores: Scores = (1 - self.weight) * fused
        chosen = np.argsort(-fused, kind="stable")[: self.candidates]
        if not chosen.size:
            return scores, 0.0
        judged = self.reranker.scores(question, [_passage(stored[place]) for place in chosen.tolist()])
        counted = (fused[chosen] > 0) | (judged >= _LIKELY)
        scores[chosen[counted]] += self.weight * judged[counted]
        return scores.round(9), float(judged.max())


def _passage(stored: StoredChunk) -> str:
    heading, text = stored.chunk.heading, stored.chunk.text
    return f"{heading}\n{text}" if heading else text
