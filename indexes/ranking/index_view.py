"""What searching keeps of one snapshot between questions: keyword statistics and a sample of the vectors."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from indexes.keywords.bm25 import KeywordSearcher
from indexes.storage.snapshot import Snapshot
from indexes.text.term_ids import Ids

_SAMPLE = 256
# Terms in more passages than this would bring passages that resemble each other.
_SAMPLE_HOLDERS = 16


class IndexView:
    """Statistics over the live passages of one snapshot. Safe to share between threads."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.segments = snapshot.segments
        self.keywords = KeywordSearcher([(segment.keywords, segment.live) for segment in snapshot.segments])
        self.count = self.keywords.count
        self.starts = np.cumsum([0, *(segment.live.size for segment in self.segments)])

    @cached_property
    def sample(self) -> NDArray[np.float64]:
        """Vectors (s, dimension) of about 256 live passages, or of all where there are fewer.

        Drawn by content (the passages that hold the terms with the lowest ids, which are hashes), so that it does not
        depend on how the passages are spread over segments.
        """
        parts = [
            segment.vectors.vectors(np.flatnonzero(chosen))
            for segment, chosen in zip(self.segments, self._sampled(), strict=True)
        ]
        return np.concatenate(parts).astype(np.float64) if parts else np.empty((0, 1))

    def _sampled(self) -> list[NDArray[np.bool_]]:
        if self.count <= _SAMPLE:
            return [segment.live for segment in self.segments]
        chosen = [np.zeros(segment.live.size, dtype=np.bool_) for segment in self.segments]
        bits, total = 44, 0
        while total < _SAMPLE and bits < 64:
            bits += 1
            limit = np.uint64((1 << bits) - 1)
            lowest = np.unique(np.concatenate([_up_to(segment.keywords.terms, limit) for segment in self.segments]))
            rare = lowest[self.keywords.holders(lowest) <= _SAMPLE_HOLDERS]
            for mask, segment in zip(chosen, self.segments, strict=True):
                places = segment.keywords.locate(rare)
                mask[segment.keywords.postings_of(places[places >= 0])[0]] = True
                mask &= segment.live
            total = sum(int(np.count_nonzero(mask)) for mask in chosen)
        return chosen


def _up_to(terms: Ids, limit: np.uint64) -> Ids:
    return terms[: int(np.searchsorted(terms, limit, side="right"))]
