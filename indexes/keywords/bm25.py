"""Exact BM25 over several keyword segments.

Document frequencies and the mean length are taken over the live passages of all segments at search time, so an index
grown by deltas and tombstones scores exactly as one built anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.errors import UsageError
from indexes.keywords.best_passages import K1, B, PassageScorer
from indexes.keywords.segment import KeywordSegment
from indexes.keywords.writer import KeywordEntry, write_keywords

__all__ = ["K1", "B", "KeywordEntry", "KeywordMatch", "KeywordSearcher", "KeywordSegment", "write_keywords"]

Ids = NDArray[np.uint64]
Mask = NDArray[np.bool_]

# Live holders of terms in at least so many passages of a segment with dead ones are kept, for so many terms.
_FREQUENT: Final = 1_000
_KEPT_HOLDERS: Final = 1 << 16
# Looking up one dead passage in a list of postings takes about as long as looking at so many postings.
_LOOK_UP: Final = 16


class KeywordMatch(NamedTuple):
    """A passage found: its segment, its position in the segment, and its BM25 score (0 or more, higher is better)."""

    segment: int
    position: int
    score: float


class KeywordSearcher:
    """BM25 over the live passages of several segments. Safe to share between threads."""

    def __init__(self, segments: Sequence[tuple[KeywordSegment, Mask]]) -> None:
        for segment, live in segments:
            if live.shape != (segment.count,):
                raise UsageError(f"a mask of shape {live.shape} for a segment of {segment.count} passages")
        self._segments = [segment for segment, _ in segments]
        self._live = [live for _, live in segments]
        self._dead = [np.flatnonzero(~live).astype(np.uint32) for live in self._live]
        self.count = sum(int(np.count_nonzero(live)) for live in self._live)
        total = sum(int(segment.lengths[live].sum(dtype=np.int64)) for segment, live in segments)
        mean_length = total / self.count if total else 1.0
        self._scorers = [PassageScorer(segment, mean_length) for segment in self._segments]
        self._known_holders: dict[tuple[int, int], int] = {}

    def weights(self, terms: Ids) -> NDArray[np.float64]:
        """Return the inverse document frequency (m,) of each term, above 0; highest where no passage holds it.

        log(1 + (N - n + 0.5) / (n + 0.5)) with N live passages, n of them with the term: Lucene's form of BM25's idf.
        """
        return self.weights_of(self.holders(terms))

    def weights_of(self, holders: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the weight (m,) of terms that so many live passages hold."""
        weights: NDArray[np.float64] = np.log1p((self.count - holders + 0.5) / (holders + 0.5))
        return weights

    def holders(self, terms: Ids) -> NDArray[np.int64]:
        """Return the number (m,) of live passages that hold each term."""
        holders = np.zeros(terms.size, dtype=np.int64)
        for index, segment in enumerate(self._segments):
            places = segment.locate(terms)
            known = np.flatnonzero(places >= 0)
            if self._dead[index].size:
                found = [self._live_holders(index, place) for place in places[known].tolist()]
                holders[known] += np.array(found, dtype=np.int64)
            else:
                holders[known] += segment.offsets[places[known] + 1] - segment.offsets[places[known]]
        return holders

    def search(
        self,
        terms: Ids,
        k: int,
        admitted: Sequence[Mask] | None = None,
        weights: NDArray[np.float64] | None = None,
        *,
        ties: bool = False,
    ) -> list[KeywordMatch]:
        """Return the best k live passages that hold any of the distinct `terms`, best first.

        `admitted` narrows the result, one mask a segment, without changing any score. `weights` (m,) are those of
        `terms` where they are known already. Equal scores come in the order of segments and positions; with `ties`
        those that equal the k-th are returned as well, up to `4 * k` matches in all, so that what is found does not
        hang on how passages are spread over segments. The result is exact: see `PassageScorer.best`.
        """
        if k <= 0 or not terms.size:
            return []
        weights = self.weights(terms) if weights is None else weights
        order = np.argsort(-weights, kind="stable")
        terms, weights = terms[order], weights[order]
        found: list[KeywordMatch] = []
        floor = 0.0
        for index, segment in enumerate(self._segments):
            places = segment.locate(terms)
            present = places >= 0
            mask = self._live[index] if admitted is None else self._live[index] & admitted[index]
            positions, scores = self._scorers[index].best(places[present], weights[present], k, mask, floor)
            best = np.lexsort((positions, -scores))[: 4 * k if ties else k]
            found += [KeywordMatch(index, int(positions[i]), float(scores[i])) for i in best]
            if len(self._segments) > 1:
                found.sort(key=lambda match: -match.score)
                del found[4 * k if ties else k :]
                floor = found[k - 1].score if len(found) >= k else 0.0
        if ties and len(found) > k:
            return [match for match in found if match.score >= found[k - 1].score]
        return found[:k]

    def _live_holders(self, index: int, place: int) -> int:
        known = self._known_holders.get((index, place))
        if known is not None:
            return known
        segment, dead = self._segments[index], self._dead[index]
        positions, _ = segment.mapped_postings_of(place)
        if positions.size < _LOOK_UP * dead.size:
            holders = int(np.count_nonzero(self._live[index][segment.postings_of(np.array([place]))[0]]))
        else:
            nearest = np.searchsorted(positions, dead).clip(max=positions.size - 1)
            holders = positions.size - int(np.count_nonzero(positions[nearest] == dead))
        if positions.size >= _FREQUENT and len(self._known_holders) < _KEPT_HOLDERS:
            self._known_holders[index, place] = holders
        return holders
