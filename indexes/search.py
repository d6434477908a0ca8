"""Searching one snapshot: keywords and vectors, looked at closely, fused into hits."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from indexes.embedding import Embedder, Vectors
from indexes.errors import EmbeddingMismatchError, UsageError
from indexes.keywords.bm25 import K1
from indexes.ranking.closeness import Closeness, measure
from indexes.ranking.confidence_features import ConfidenceFeatures, confidence_features
from indexes.ranking.fusion import Background, fuse, trust
from indexes.ranking.hits import Scored, ranked_hits
from indexes.ranking.index_view import IndexView
from indexes.ranking.question import QuestionTerms
from indexes.records import Hit
from indexes.rerankers.base import Reranking
from indexes.rows import StoredChunk
from indexes.storage.snapshot import Snapshot

__all__ = ["ConfidenceFeatures", "SearchOptions", "SearchResult", "Searcher"]

Masks = Sequence[NDArray[np.bool_]]
NO_FILTERS: Mapping[str, object] = MappingProxyType({})

# Shares of the keyword score. Fitted (listwise logistic regression, rounded) on the CMRC 2018 trial set and XQuAD in
# Chinese and English, cut into chunks of 256 tokens. Which shares there are was decided with other sets in view too:
# see docs/decisions/0003-retrieval.md.
_BM25, _CONTEXT, _SENTENCE, _WINDOW, _PHRASE, _SPECIAL = 0.19, 0.24, 0.18, 0.18, 0.12, 0.09
# Passages of one document this few chunks apart are each other's context.
_NEIGHBOURHOOD = 2
# Under this fusion weight an embedder sees spelling only: where keywords found enough, no vector could add a hit.
_SCAN_FROM = 0.3


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """`candidates` is how many passages keyword search offers for a closer look, at least three times `top_k`;
    `dense_candidates` how many dense search adds, at least `top_k`.
    """  # fmt: skip

    candidates: int = 30
    dense_candidates: int = 10


@dataclass(frozen=True, slots=True)
class SearchResult:
    """`hits`, best first, and what their confidence is calibrated on."""

    hits: tuple[Hit, ...]
    features: ConfidenceFeatures


class Searcher:
    """Answers questions with passages. Holds nothing of a snapshot once that is gone; safe to share between threads.

    All scores lie in [0, 1], higher is better. `keyword_score`: BM25 and closeness of the words. `dense_score`: the
    cosine, 0 where negative. `score`: both fused, dense evidence as far as it is to be trusted with the question; with
    `reranking`, mixed with what the reranker makes of the best.
    """

    def __init__(
        self, embedder: Embedder, options: SearchOptions | None = None, reranking: Reranking | None = None
    ) -> None:
        self.embedder = embedder
        self.reranking = reranking
        self._options = options or SearchOptions()
        self._views: WeakKeyDictionary[Snapshot, IndexView] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def search(
        self, snapshot: Snapshot, query: str, top_k: int, filters: Mapping[str, object] = NO_FILTERS
    ) -> SearchResult:
        """Return at most `top_k` hits among the passages that match `filters`; none where `query` has no term.

        Raises UsageError for a `top_k` under 1 or a wrong filter, EmbeddingMismatchError where the snapshot's vectors
        are another embedder's.
        """
        if top_k < 1:
            raise UsageError(f"top_k must be 1 or more, not {top_k}")
        admitted = snapshot.select(filters) if filters else None
        view = self._view(snapshot)
        question = QuestionTerms.of(query, view.keywords)
        if not question.terms.size or not view.count:
            return SearchResult((), ConfidenceFeatures())
        vector = self.embedder.embed_query(query)
        places, bm25 = self._candidates(view, question, vector, top_k, admitted)
        if not places:
            return SearchResult((), ConfidenceFeatures(seen=float(question.seen.mean())))

        stored = snapshot.chunks([int(view.segments[segment].row_ids[position]) for segment, position in places])
        passages = [(view.segments[segment].keywords, position) for segment, position in places]
        closeness = measure(question, passages, _near(stored))
        bm25 = (bm25 / ((K1 + 1) * question.weights.sum())).clip(0, 1)
        keyword = _keyword_scores(bm25, closeness)
        # In double precision: single sums hang on where a row stands in its segment, and with them the last digit.
        exact = vector.astype(np.float64)
        cosines = _cosines(view, exact, places)
        background = Background.of(view.sample @ exact, view.count)
        deviations = background.deviations(cosines)
        trusted = trust(keyword, deviations, view.count)
        # Rounded so that equal evidence is equal, however the passages are spread over segments.
        fused = fuse(keyword, deviations, self.embedder.fusion_weight * trusted).round(6)
        order = _ranked(fused, bm25, stored)
        features = confidence_features(question, closeness, order, keyword, bm25, cosines, deviations, trusted)
        if self.reranking is not None:
            fused, judged = self.reranking.apply(query, stored, fused)
            features = replace(features, rerank=judged)
        scores = zip(stored, fused.tolist(), cosines.clip(0, 1).tolist(), keyword.tolist(), strict=True)
        hits = ranked_hits((Scored(*item) for item in scores if item[1] > 0), top_k)
        return SearchResult(hits, features)

    def _view(self, snapshot: Snapshot) -> IndexView:
        with self._lock:
            view = self._views.get(snapshot)
        if view is None:
            if snapshot.embedding != self.embedder.identity:
                raise EmbeddingMismatchError(
                    f"the index was made by {snapshot.embedding.model}, not by {self.embedder.identity.model}:"
                    " embed again with `kb ingest … --force`"
                )
            view = IndexView(snapshot)
            with self._lock:
                self._views[snapshot] = view
        return view

    def _candidates(
        self, view: IndexView, question: QuestionTerms, vector: Vectors, top_k: int, admitted: Masks | None
    ) -> tuple[list[tuple[int, int]], NDArray[np.float64]]:
        """Return segment and position of the passages to look at closely, and their BM25 scores, 0 where unknown."""
        wanted = max(self._options.candidates, 3 * top_k)
        matches = view.keywords.search(question.terms, wanted, admitted, question.weights, ties=True)
        scores = {(match.segment, match.position): match.score for match in matches}
        if self.embedder.fusion_weight >= _SCAN_FROM or len(matches) < wanted:
            for place in _nearest(view, vector, max(self._options.dense_candidates, top_k), admitted):
                scores.setdefault(place, 0.0)
        return list(scores), np.array(list(scores.values()), dtype=np.float64)


def _nearest(view: IndexView, vector: Vectors, k: int, admitted: Masks | None) -> list[tuple[int, int]]:
    """Return segment and position of the k passages with the highest cosine, best first."""
    found: list[tuple[float, int, int]] = []
    for index, segment in enumerate(view.segments):
        mask = segment.live if admitted is None else admitted[index]
        positions, cosines = segment.vectors.search(vector, k, mask)
        found += [(-float(cosine), index, int(position)) for position, cosine in zip(positions, cosines, strict=True)]
    return [(segment, position) for _, segment, position in sorted(found)[:k]]


def _ranked(fused: NDArray[np.float64], bm25: NDArray[np.float64], stored: Sequence[StoredChunk]) -> NDArray[np.int64]:
    """Return the places of passages, best first; equal ones by BM25, then by document and place in it."""
    scores = list(zip((-fused).tolist(), (-bm25.round(9)).tolist(), strict=True))
    order = sorted(range(len(stored)), key=lambda n: (*scores[n], stored[n].uri, stored[n].chunk.ordinal))
    return np.array(order, dtype=np.int64)


def _cosines(view: IndexView, vector: NDArray[np.float64], places: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    pairs = np.array(places, dtype=np.int64)
    cosines = np.empty(len(pairs), dtype=np.float64)
    for index in {segment for segment, _ in places}:
        chosen = pairs[:, 0] == index
        cosines[chosen] = view.segments[index].vectors.vectors(pairs[chosen, 1]).astype(np.float64) @ vector
    return cosines.round(9)


def _near(stored: Sequence[StoredChunk]) -> NDArray[np.bool_]:
    """Return (n, n), True where two passages are at most two chunks apart in one document."""
    numbers: dict[str, int] = {}
    documents = np.array([numbers.setdefault(item.chunk.document_id, len(numbers)) for item in stored])
    ordinals = np.array([item.chunk.ordinal for item in stored])
    near: NDArray[np.bool_] = documents[:, None] == documents[None, :]
    near &= np.abs(ordinals[:, None] - ordinals[None, :]) <= _NEIGHBOURHOOD
    return near


def _keyword_scores(bm25: NDArray[np.float64], closeness: Closeness) -> NDArray[np.float64]:
    scores: NDArray[np.float64] = (
        _BM25 * bm25
        + _CONTEXT * closeness.context
        + _SENTENCE * closeness.sentence
        + _WINDOW * closeness.window
        + _PHRASE * closeness.phrase
        # A question without words and numbers cannot tell passages apart by them.
        + _SPECIAL * closeness.special * (closeness.context > 0)
    )
    return scores.clip(0, 1)
