"""Segments of keyword statistics on disk, and exact BM25 over several of them.

A segment is an inverted index in compressed sparse rows, one NumPy file an array, mapped when opened:

    terms.npy      (t,) uint64   distinct terms, ascending
    offsets.npy    (t + 1,) int64   the postings of term i are [offsets[i], offsets[i + 1])
    postings.npy   (p,) uint32   positions of passages, ascending within a term
    counts.npy     (p,) uint8    how often the term occurs in the passage, at most 255
    lengths.npy    (n,) uint32   terms in each passage, repeats included
    units.npy      (u,) uint32   units of all passages in order, as indexes into terms
    unit_flags.npy (u,) uint8    bit 0: a sentence begins here; bit 1: makes a bigram with the unit before
    unit_offsets.npy (n + 1,) int64   the units of passage i are [unit_offsets[i], unit_offsets[i + 1])

Document frequencies and the mean length are taken over the live passages of all segments at search time, so an index
grown by deltas and tombstones scores exactly as one built anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.errors import DamagedError, UsageError
from indexes.keyword_writer import FILES, KeywordEntry, write_keywords

__all__ = ["KeywordEntry", "KeywordMatch", "KeywordSearcher", "KeywordSegment", "write_keywords"]

Ids = NDArray[np.uint64]
Mask = NDArray[np.bool_]

# The usual BM25 constants (Robertson and Zaragoza, 2009), taken as they are: no others were tried here.
K1 = 1.2
B = 0.75
# Looking for the k-th best costs as much as adding about this many postings.
_CHECK_AFTER = 200_000
# Terms in as many passages are worth keeping ready, up to this many postings (16 MiB) a searcher.
_FREQUENT = 200
_KEPT_POSTINGS = 1 << 22


class KeywordMatch(NamedTuple):
    """A passage found: its segment, its position in the segment, and its BM25 score (0 or more, higher is better)."""

    segment: int
    position: int
    score: float


class KeywordSegment:
    """A folder of keyword files opened for searching."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.terms: Ids = arrays["terms"]
        self.offsets: NDArray[np.int64] = arrays["offsets"]
        self.postings: NDArray[np.uint32] = arrays["postings"]
        self.counts: NDArray[np.uint8] = arrays["counts"]
        self.lengths: NDArray[np.uint32] = arrays["lengths"]
        self.units: NDArray[np.uint32] = arrays["units"]
        self.unit_flags: NDArray[np.uint8] = arrays["unit_flags"]
        self.unit_offsets: NDArray[np.int64] = arrays["unit_offsets"]

    @classmethod
    def open(cls, folder: Path) -> KeywordSegment:
        """Map the files in `folder`. DamagedError where one is missing, cut short or inconsistent."""
        try:
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in FILES}
        except (OSError, ValueError) as error:
            raise DamagedError(f"the keyword files in {folder} cannot be opened: run `kb verify`") from error
        segment = cls({name: np.asarray(array) for name, array in arrays.items()})
        if (
            segment.offsets.size != segment.terms.size + 1
            or segment.unit_offsets.size != segment.count + 1
            or segment.postings.size != int(segment.offsets[-1])
            or segment.counts.size != segment.postings.size
            or segment.units.size != int(segment.unit_offsets[-1])
            or segment.unit_flags.size != segment.units.size
        ):
            raise DamagedError(f"the keyword files in {folder} do not fit together: run `kb verify`")
        return segment

    @property
    def count(self) -> int:
        """The number of passages."""
        return int(self.lengths.size)

    def locate(self, terms: Ids) -> NDArray[np.int64]:
        """Return the index into `self.terms` of each of `terms` (m,), or -1 where the segment lacks it."""
        if not self.terms.size:
            return np.full(terms.size, -1, dtype=np.int64)
        places = np.searchsorted(self.terms, terms)
        places[places == self.terms.size] = 0
        return np.where(self.terms[places] == terms, places, -1).astype(np.int64)

    def postings_of(self, place: int) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        """Return the positions that hold the term at `place`, ascending, and how often each does."""
        extent = slice(int(self.offsets[place]), int(self.offsets[place + 1]))
        return self.postings[extent], self.counts[extent]

    def units_of(self, position: int) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        """Return the units of a passage in order, as indexes into `terms`, and their flags."""
        extent = slice(int(self.unit_offsets[position]), int(self.unit_offsets[position + 1]))
        return self.units[extent], self.unit_flags[extent]


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
        # Term frequencies after saturation and length, (m,) for each posting: kept for frequent terms as they come up.
        self._saturated: list[dict[int, NDArray[np.float32]]] = [{} for _ in segments]
        self._saturated_size = 0
        self._norms = [
            (K1 * (1 - B) + (K1 * B / mean_length) * segment.lengths).astype(np.float32) for segment in self._segments
        ]

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
                holders[known] += [self._live_holders(index, int(place)) for place in places[known]]
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
        hang on how passages are spread over segments. The result is exact: see `_scores`.
        """
        if k <= 0 or not terms.size:
            return []
        weights = self.weights(terms) if weights is None else weights
        order = np.argsort(-weights, kind="stable")
        terms, weights = terms[order], weights[order]
        found: list[KeywordMatch] = []
        for index in range(len(self._segments)):
            mask = self._live[index] if admitted is None else self._live[index] & admitted[index]
            positions, scores = self._scores(index, terms, weights, k, mask)
            if scores.size > k:
                # Only what reaches the k-th best, ties included, is worth sorting.
                kept = scores >= np.partition(scores, scores.size - k)[scores.size - k]
                positions, scores = positions[kept], scores[kept]
            best = np.lexsort((positions, -scores))[: 4 * k if ties else k]
            found += [KeywordMatch(index, int(positions[i]), float(scores[i])) for i in best]
        found.sort(key=lambda match: -match.score)
        if ties and len(found) > k:
            return [match for match in found[: 4 * k] if match.score >= found[k - 1].score]
        return found[:k]

    def _live_holders(self, index: int, place: int) -> int:
        segment, dead = self._segments[index], self._dead[index]
        size = int(segment.offsets[place + 1] - segment.offsets[place])
        positions, _ = segment.postings_of(place)
        if size < dead.size:
            return int(np.count_nonzero(self._live[index][positions]))
        nearest = np.searchsorted(positions, dead).clip(max=size - 1)
        return size - int(np.count_nonzero(positions[nearest] == dead))

    def _scores(
        self, index: int, terms: Ids, weights: NDArray[np.float64], k: int, mask: Mask
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return positions and BM25 scores of one segment, among them its best k admitted.

        Terms come rarest first. Once the k-th best score so far is more than all remaining terms together can add, no
        passage without one of the earlier terms can enter, and the frequent terms are looked up for the remaining
        candidates alone (MaxScore: Turtle and Flood, 1995). Each passage's score is the same sum in the same order
        either way.
        """
        segment = self._segments[index]
        places = segment.locate(terms)
        present = np.flatnonzero(places >= 0)
        places, weights = places[present], weights[present]
        scores = np.zeros(segment.count, dtype=np.float64)
        bounds = np.concatenate((np.cumsum(weights[::-1])[::-1] * (K1 + 1), [0.0]))
        sizes = segment.offsets[places + 1] - segment.offsets[places]
        candidates: NDArray[np.int64] | None = None
        unchecked = 0
        for term, place in enumerate(places):
            if candidates is None and unchecked >= _CHECK_AFTER:
                unchecked = 0
                candidates = _still_possible(scores, mask, k, float(bounds[term]))
            positions, saturated = self._postings(index, int(place))
            if candidates is not None:
                nearest = np.searchsorted(positions, candidates).clip(max=positions.size - 1)
                nearest = nearest[positions[nearest] == candidates]
                positions, saturated = positions[nearest], saturated[nearest]
            scores[positions] += saturated * np.float32(weights[term])
            unchecked += int(sizes[term])
        if candidates is None:
            candidates = np.flatnonzero((scores > 0) & mask)
        return candidates, scores[candidates]

    def _postings(self, index: int, place: int) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        """Return the positions that hold a term, and what it adds to each score for a weight of 1: under K1 + 1."""
        segment, kept = self._segments[index], self._saturated[index]
        positions, counts = segment.postings_of(place)
        saturated = kept.get(place)
        if saturated is None:
            frequency = counts.astype(np.float32)
            saturated = frequency * np.float32(K1 + 1) / (frequency + self._norms[index][positions])
            if positions.size >= _FREQUENT and self._saturated_size < _KEPT_POSTINGS:
                # Two threads may count one term twice: the bound is then reached a little early.
                kept[place] = saturated
                self._saturated_size += positions.size
        return positions, saturated


def _still_possible(scores: NDArray[np.float64], mask: Mask, k: int, bound: float) -> NDArray[np.int64] | None:
    """Return the positions that may still be among the best k when at most `bound` is added, or None where any may."""
    reached = scores[(scores > 0) & mask]
    if reached.size < k:
        return None
    threshold = float(np.partition(reached, reached.size - k)[reached.size - k])
    # The margin covers the rounding of single-precision impacts against the bound.
    if threshold <= bound * (1 + 1e-5):
        return None
    return np.flatnonzero(mask & (scores + bound * (1 + 1e-5) >= threshold))
