"""The best passages of one keyword segment by BM25, found without adding up what cannot reach them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexes.keywords.segment import KeywordSegment

Mask = NDArray[np.bool_]
Positions = NDArray[np.int64]
Scores = NDArray[np.float64]

# The usual BM25 constants (Robertson and Zaragoza, 2009), taken as they are: no others were tried here.
K1: Final = 1.2
B: Final = 0.75
# The k-th best is looked for among so many passages of the rarest terms.
_POOL: Final = 1024
# Terms are read together up to so many postings.
_BATCH: Final = 32_768
# Looking up one passage in a list of postings takes about as long as adding so many postings.
_LOOK_UP: Final = 12
# Covers the rounding of single-precision impacts against the bounds.
_MARGIN: Final = 1 + 1e-5
_SPARE_SUMS: Final = 2


class PassageScorer:
    """BM25 of the passages of one segment, given the mean length over all segments. Safe to share between threads."""

    def __init__(self, segment: KeywordSegment, mean_length: float) -> None:
        self._segment = segment
        self._norms = (K1 * (1 - B) + (K1 * B / mean_length) * segment.lengths).astype(np.float32)
        # All zero: each search leaves them as it found them.
        self._spare: list[Scores] = []

    def best(self, places: Positions, weights: Scores, k: int, mask: Mask, floor: float) -> tuple[Positions, Scores]:
        """Return positions and BM25 scores, among them the k best that `mask` (n,) admits and all equal to the k-th.

        `places` (m,) are the indexes of the query's terms in the segment, `weights` (m,) their inverse document
        frequencies, highest first. Passages that score under `floor` may be left out.

        Once the k-th best score so far is more than all remaining terms together can add, no passage without one of
        the earlier terms can enter, and the frequent terms are looked up for the remaining candidates alone (MaxScore:
        Turtle and Flood, 1995). Each passage's score is the same sum in the same order either way.
        """
        try:
            sums = self._spare.pop()
        except IndexError:
            sums = np.zeros(self._segment.count, dtype=np.float64)
        read: list[Positions] = []
        try:
            return self._best(places, weights, k, mask, floor, sums, read)
        finally:
            if 4 * sum(positions.size for positions in read) > sums.size:
                sums.fill(0.0)
            else:
                for positions in read:
                    sums[positions] = 0.0
            if len(self._spare) < _SPARE_SUMS:
                self._spare.append(sums)

    def _best(
        self,
        places: Positions,
        weights: Scores,
        k: int,
        mask: Mask,
        floor: float,
        sums: Scores,
        read: list[Positions],
    ) -> tuple[Positions, Scores]:
        sizes = self._segment.offsets[places + 1] - self._segment.offsets[places]
        # What the terms from here on can add together.
        bounds = np.append(np.cumsum(weights[::-1])[::-1] * ((K1 + 1) * _MARGIN), 0.0)
        pool = np.empty(0, dtype=np.int64)
        threshold = floor
        term = 0
        while term < places.size and bounds[term] >= threshold:
            end = term + max(1, int(np.searchsorted(np.cumsum(sizes[term:]), _BATCH, side="right")))
            if term:
                threshold, pool = self._raised(threshold, pool, read, sums, k, mask)
                if bounds[term] < threshold:
                    break
            self._add(places[term:end], weights[term:end], sums, read)
            term = end
        if read and term == places.size:
            threshold, pool = self._raised(threshold, pool, read, sums, k, mask)
        candidates = self._reaching(read, sums, threshold - float(bounds[term]))
        candidates = candidates[mask[candidates]]
        for later in range(term, places.size):
            if candidates.size * _LOOK_UP > sizes[later]:
                self._add(places[later : later + 1], weights[later : later + 1], sums, read)
            else:
                self._add_to(candidates, int(places[later]), float(weights[later]), sums)
            values = sums[candidates]
            threshold = _kth_from(values, k, threshold)
            candidates = candidates[values >= threshold - bounds[later + 1]]
        return candidates, sums[candidates]

    def _raised(
        self, threshold: float, pool: Positions, read: list[Positions], sums: Scores, k: int, mask: Mask
    ) -> tuple[float, Positions]:
        """Return the k-th best sum so far, where it is over `threshold`, and the passages that reach it.

        Any passages will do for a first bound on it: those of an earlier call, or some of the rarest terms.
        """
        pool = pool if pool.size else self._distinct(_first(read, _POOL))
        threshold = _kth_from(sums[pool[mask[pool]]], k, threshold)
        pool = self._reaching(read, sums, threshold)
        return _kth_from(sums[pool[mask[pool]]], k, threshold), pool

    def _add(self, places: Positions, weights: Scores, sums: Scores, read: list[Positions]) -> None:
        """Add what each of these terms gives to every passage that holds it, term by term."""
        found, counts, sizes = self._segment.postings_of(places)
        positions = found.astype(np.int64)
        each = np.repeat(weights.astype(np.float32), sizes)
        read.append(positions)
        np.add.at(sums, positions, self._impacts(counts.astype(np.float32), positions, each))

    def _add_to(self, candidates: Positions, place: int, weight: float, sums: Scores) -> None:
        """Add what a term gives to those of `candidates`, ascending, that hold it."""
        found, counts = self._segment.mapped_postings_of(place)
        # Of one type with the postings: searching would convert the whole list otherwise.
        wanted = candidates.astype(found.dtype)
        nearest = np.searchsorted(found, wanted)
        nearest[nearest == found.size] = 0
        holds = found[nearest] == wanted
        positions = candidates[holds]
        sums[positions] += self._impacts(counts[nearest[holds]].astype(np.float32), positions, np.float32(weight))

    def _impacts(
        self, counts: NDArray[np.float32], positions: Positions, weights: NDArray[np.float32] | np.float32
    ) -> Scores:
        """Return what terms that occur so often (m,) in the passages at `positions` add: under (K1 + 1) * weight."""
        norms = self._norms.take(positions)
        norms += counts
        impacts = counts * np.float32(K1 + 1)
        impacts /= norms
        impacts *= weights
        return impacts.astype(np.float64)

    def _reaching(self, read: list[Positions], sums: Scores, least: float) -> Positions:
        """Return the positions read, each once and ascending, whose sum is `least` or more."""
        if not read:
            return np.empty(0, dtype=np.int64)
        if 4 * sum(positions.size for positions in read) > sums.size:
            return np.flatnonzero(sums >= max(least, np.finfo(np.float64).tiny))
        return self._distinct(np.concatenate([positions[sums[positions] >= least] for positions in read]))

    def _distinct(self, positions: Positions) -> Positions:
        """Return each of `positions` once, ascending. (`numpy.unique` hashes, which takes several times as long.)"""
        if 64 * positions.size > self._segment.count:
            marks = np.zeros(self._segment.count, dtype=np.bool_)
            marks[positions] = True
            return np.flatnonzero(marks)
        ordered = np.sort(positions)
        first = np.ones(ordered.size, dtype=np.bool_)
        first[1:] = ordered[1:] != ordered[:-1]
        return ordered[first]


def _first(read: list[Positions], count: int) -> Positions:
    """Return the first `count` positions read, in a new array."""
    parts, missing = [], count
    for positions in read:
        parts.append(positions[:missing])
        missing -= parts[-1].size
        if not missing:
            break
    return np.concatenate(parts)


def _kth_from(values: Scores, k: int, least: float) -> float:
    """Return the k-th highest value where it is over `least`, else `least`."""
    reaching = values[values >= least]
    if reaching.size < k:
        return least
    return float(np.partition(reaching, reaching.size - k)[reaching.size - k])
